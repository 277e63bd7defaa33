#!/usr/bin/env bash
# Runs the unit tests under valgrind's memcheck: reads of undefined memory, which the sanitizers do not see, and leaks. Idempotent. FR_BUILD names
# another build folder; arguments name single tests.
source "$(dirname "$0")/common.sh"

# Not run here: they run themselves again through /proc/self/exe, which under valgrind is valgrind. scripts/sanitize.sh runs them.
skipped=(test_checkpoint test_ops_checks)

install_packages "${packages[@]}" valgrind libc6-dbg
say "text encoder"
scripts/get-encoder.sh
folder=${FR_BUILD:-build-test}
build "$folder" -DFR_TESTS=ON
export OMP_NUM_THREADS=2 OMP_WAIT_POLICY=passive
tests=("$@")
if [ ${#tests[@]} -eq 0 ]; then
    for source in tests/test_*.c; do
        name=$(basename "$source" .c)
        [[ " ${skipped[*]} " == *" $name "* ]] || tests+=("$name")
    done
fi
failed=()
for name in "${tests[@]}"; do
    say "memcheck $name"
    (cd "$folder" && valgrind --quiet --error-exitcode=99 --leak-check=full --show-leak-kinds=definite --errors-for-leak-kinds=definite \
        --suppressions="$root/tests/sanitizers/valgrind.supp" "./$name") || failed+=("$name")
done
if [ ${#failed[@]} -gt 0 ]; then
    echo "memcheck: failed: ${failed[*]}" >&2
    exit 1
fi
say "memcheck: ${#tests[@]} tests clean"
