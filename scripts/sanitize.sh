#!/usr/bin/env bash
# Builds with AddressSanitizer (with leak detection) and UndefinedBehaviorSanitizer and runs all tests. Idempotent. FR_BUILD names another build
# folder. A Debug build is compiled too, without running it: warnings differ by optimization.
source "$(dirname "$0")/common.sh"

install_packages "${packages[@]}"
say "text encoder"
scripts/get-encoder.sh
folder=${FR_BUILD:-build-sanitize}
build "$folder" -DFR_SANITIZE=ON -DFR_TESTS=ON
build "$folder-debug" -DFR_SANITIZE=ON -DFR_TESTS=ON -DCMAKE_BUILD_TYPE=Debug
say "tests under the sanitizers"
ctest --test-dir "$folder" --output-on-failure
