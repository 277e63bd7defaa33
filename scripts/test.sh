#!/usr/bin/env bash
# Sets up, builds and runs all tests. Idempotent. FR_BUILD names another build folder.
source "$(dirname "$0")/common.sh"

install_packages "${packages[@]}" clang libomp-dev chromium fonts-dejavu-core python3-h5py slurm-wlm munge
say "text encoder"
scripts/get-encoder.sh
folder=${FR_BUILD:-build-test}
build "$folder" -DFR_TESTS=ON
build "$folder-clang" -DCMAKE_C_COMPILER=clang -DFR_CUDA=OFF -DFR_TESTS=ON
say "tests"
ctest --test-dir "$folder" --output-on-failure
