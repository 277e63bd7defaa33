#!/usr/bin/env bash
# Sets up, builds and runs the main job: a synthetic data set with planted tasks, from the table of scores to a trained router and its report.
# Idempotent; run it again to see that everything is reused. Needs root only for missing Debian packages.
source "$(dirname "$0")/common.sh"

install_packages "${packages[@]}"
say "text encoder"
scripts/get-encoder.sh
build build -DFR_TESTS=OFF -DFR_BENCHMARKS=OFF
say "finerouter run configs/quickstart.yaml"
build/finerouter run configs/quickstart.yaml
say "done: runs/quickstart/report.html; one prompt through the trained router:"
build/finerouter route runs/quickstart --name --prompt "Write a Python function that merges two sorted lists."
