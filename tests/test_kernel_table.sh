#!/usr/bin/env bash
# The CUDA objects of this build, for Hopper, which they are tuned for: no kernel whose speed counts spills, those that
# should use tensor cores do. Skipped (exit 77) in a build without CUDA or without Hopper, or where cuobjdump is not.
set -euo pipefail
objects=$(dirname "$1")/cuda
compgen -G "$objects/*.cu.o" >/dev/null || { echo "SKIP: a build without CUDA"; exit 77; }
grep -q sm_90a "$objects/attention.cu.o" || { echo "SKIP: not built for Hopper"; exit 77; }
exec python3 -B scripts/kernel-table.py --check --arch sm_90a "$objects"
