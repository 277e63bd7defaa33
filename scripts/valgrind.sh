#!/usr/bin/env bash
# Runs the unit tests under valgrind's memcheck: reads of undefined memory, which the sanitizers do not see, and leaks; also when a test starts itself
# again, but not in the system's programs. Idempotent. FR_BUILD names another build folder; arguments name single tests.
source "$(dirname "$0")/common.sh"

install_packages "${packages[@]}" valgrind libc6-dbg
say "text encoder"
scripts/get-encoder.sh
folder=${FR_BUILD:-build-valgrind}
build "$folder" -DFR_TESTS=ON -DFR_CUDA=OFF
tests=("$@")
if [ ${#tests[@]} -eq 0 ]; then
    for source in tests/test_*.c; do
        tests+=("$(basename "$source" .c)")
    done
fi

export OMP_NUM_THREADS=2 OMP_WAIT_POLICY=passive
# The AVX2 code that oneDNN generates for sgemm keeps addresses of its packed matrices in the stack pointer, and reads past their end without using
# what it read; memcheck takes the first for a new stack and loses track of what is valid. Its SSE4.1 code does neither. Our own kernels are
# those that the processor would get (AVX2: valgrind knows no AVX-512), and test_kernels_variants runs all that it can run.
export ONEDNN_MAX_CPU_ISA=SSE41

memcheck() {
    # The 22 M parameter encoder takes many minutes here: its test is skipped where there is none, and small encoders run the same code.
    # scripts/sanitize.sh runs it.
    [ "$1" != test_encoder_files ] || export FINEROUTER_ENCODER=/nonexistent
    say "memcheck $1"
    (cd "$folder" && valgrind --quiet --error-exitcode=99 --leak-check=full --show-leak-kinds=definite --errors-for-leak-kinds=definite \
        --trace-children=yes --trace-children-skip='/usr/*' "./$1")
}

failed=()
for name in "${tests[@]}"; do
    (memcheck "$name") || failed+=("$name")
done
if [ ${#failed[@]} -gt 0 ]; then
    echo "memcheck: failed: ${failed[*]}" >&2
    exit 1
fi
say "memcheck: ${#tests[@]} tests clean"
