#!/usr/bin/env bash
# fuzz.sh [SECONDS] [PARSER...]: builds the fuzz harnesses (clang, libFuzzer, AddressSanitizer, UndefinedBehaviorSanitizer) and runs each one
# after the other for SECONDS (600), starting from the seeds in tests/fixtures/fuzz and what earlier runs found. Prints executions and
# findings; exit 1 if there is a finding. FR_BUILD names another build folder; inputs found stay in <build folder>/corpus, findings in
# <build folder>/findings.
source "$(dirname "$0")/common.sh"

seconds=${1:-600}
[ $# -gt 0 ] && shift
[[ $seconds =~ ^[1-9][0-9]*$ ]] || { echo "fuzz.sh: \"$seconds\" is no number of seconds" >&2; exit 2; }
install_packages "${packages[@]}" clang libomp-dev
folder=${FR_BUILD:-build-fuzz}
targets=()
for seeds in tests/fixtures/fuzz/*/; do
    name=$(basename "$seeds")
    if [ $# -eq 0 ] || [[ " $* " == *" $name "* ]]; then targets+=("$name"); fi
done
[ ${#targets[@]} -gt 0 ] || { echo "fuzz.sh: no parser of that name; there are: $(cd tests/fixtures/fuzz && echo *)" >&2; exit 2; }
say "build: $folder"
cmake -S . -B "$folder" -G Ninja -DCMAKE_C_COMPILER=clang -DCMAKE_CXX_COMPILER=clang++ -DFR_CUDA=OFF -DFR_BENCHMARKS=OFF -DFR_TESTS=ON -DFR_SANITIZE=ON \
    -DFR_FUZZ=ON >/dev/null
cmake --build "$folder" --target "${targets[@]/#/fuzz_}"

export LSAN_OPTIONS=suppressions=$PWD/tests/fuzz/leaks.txt:print_suppressions=0
export ASAN_OPTIONS=detect_leaks=1:allocator_may_return_null=0 UBSAN_OPTIONS=print_stacktrace=1 OMP_NUM_THREADS=1
FR_FUZZ_FOLDER=$(mktemp -d "$([ -w /dev/shm ] && echo /dev/shm || echo /tmp)/finerouter-fuzz.XXXXXX")
export FR_FUZZ_FOLDER
trap 'rm -rf "$FR_FUZZ_FOLDER"' EXIT
findings=0
say "fuzzing, $seconds s each"
for name in "${targets[@]}"; do
    mkdir -p "$folder/corpus/$name" "$folder/findings/$name"
    log=$folder/findings/$name.log
    failed=0
    # Standard output and error of the parser are closed (warnings by the thousand); reports come through all the same.
    "$folder/tests/fuzz/fuzz_$name" "$folder/corpus/$name" "tests/fixtures/fuzz/$name" -max_total_time="$seconds" -timeout=20 \
        -rss_limit_mb=3072 -malloc_limit_mb=2048 -max_len=65536 -close_fd_mask=3 -print_final_stats=1 \
        -artifact_prefix="$folder/findings/$name/" >"$log" 2>&1 || failed=1
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log" | tail -n 1)
    printf '%-16s %12s executions  %s\n' "$name" "${runs:-?}" "$([ $failed -eq 0 ] && echo "no finding" || echo "FINDING, see $log")"
    findings=$((findings + failed))
done
[ $findings -eq 0 ] || { echo "fuzz.sh: findings in $findings of ${#targets[@]} parsers" >&2; exit 1; }
