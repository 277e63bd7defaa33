#!/usr/bin/env bash
# Three ranks in the middle of a training: one is killed, one is frozen, one fails, one is asked to stop. The job ends soon, says so once, and the same
# command continues to the bytes of an undisturbed run.   usage: test_failures.sh BINARY
set -euo pipefail
finerouter=$(realpath "$1")
command -v mpirun >/dev/null || exit 77
folder=$(mktemp -d)
job=
trap '[ -z "$job" ] || kill -9 $job 2>/dev/null || true; rm -rf "$folder"' EXIT
cd "$folder"
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1 OMPI_MCA_mpi_yield_when_idle=1
export OMPI_MCA_btl_vader_single_copy_mechanism=none OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive FINEROUTER_LOST_AFTER=4
export ASAN_OPTIONS="${ASAN_OPTIONS:-}:detect_leaks=0" # Open MPI leaks

cat >tiny.yaml <<'Y'
threads: 1
synth: {prompts: 400, models: 4, tasks: 6}
encoder: {init: random, layers: 1, hidden: 32, heads: 2, intermediate: 64, vocabulary: 1000, max_tokens: 64, train: full}
discover: {resolution: 1, rounds: 1}
classifier: {epochs: 10}
qe: {epochs: 60, patience: 0, hidden: 16, task_epochs: 4} # long enough to be hit in its middle
train: {checkpoint_seconds: 0}
eval: {routers: [best_single, full], bootstrap: 100}
Y

fail() {
    echo "FAIL: $1"
    cat out err 2>/dev/null || true
    exit 1
}

# start FOLDER: the run as three ranks, in the background.
start() {
    mkdir -p "$1"
    (cd "$1" && exec mpirun -n 3 "$finerouter" run ../tiny.yaml --out run --quiet) >out 2>err &
    job=$!
}

# Until the training has left a checkpoint, which is long before its end.
in_training() {
    until compgen -G "$1/.cache/*.checkpoint.h5" >/dev/null; do
        kill -0 $job 2>/dev/null || fail "$1: no checkpoint before the end"
        sleep 0.02
    done
    sleep 1.2 # a beat
}

# rank R: its process.
rank() {
    for pid in $(pgrep -P $job); do
        if grep -qz "^OMPI_COMM_WORLD_RANK=$1\$" "/proc/$pid/environ"; then
            echo "$pid"
            return
        fi
    done
    fail "rank $1 is not there"
}

# ended CODE SECONDS TEXT: the job ends with this code (any: any but 0) within this time, and its only line of ours has the text.
ended() {
    local began=$SECONDS code=0
    wait $job || code=$?
    job=
    [ $((SECONDS - began)) -le "$2" ] || fail "it took $((SECONDS - began)) s to end"
    if [ "$1" = any ]; then [ $code != 0 ] || fail "exit 0"; else [ $code = "$1" ] || fail "exit $code, want $1"; fi
    [ "$(cat out err | grep -c '^finerouter: ')" = 1 ] || fail "not one line"
    grep -Eq "^finerouter: $3" out err || fail "no line like \"$3\""
}

# The same command goes on to the end, and to the same bytes.
continued() {
    start "$1"
    local code=0
    wait $job || code=$?
    job=
    [ $code = 0 ] || fail "$1 continued: exit $code"
    fingerprint "$1" | diff want - || fail "$1: another model than undisturbed"
}

fingerprint() {
    (cd "$1/run" && find data.h5 embeddings.h5 tasks.h5 router.h5 encoder cards.json predictions.jsonl -type f | sort | xargs sha256sum)
}

host=$(uname -n)
start whole
wait $job || { grep -q "has no MPI" err && exit 77 || fail "undisturbed: exit $?"; }
job=
fingerprint whole >want

mpirun -n 2 "$finerouter" train tiny.yaml --out none --quiet : -n 1 -x FINEROUTER_ISA=none "$finerouter" train tiny.yaml --out none --quiet >out 2>err &
job=$!
ended 2 30 "rank 2 on $host: FINEROUTER_ISA: \"none\" is not one this processor and build run; want "

start killed
in_training killed
kill -9 "$(rank 2)"
ended any 30 "rank 2 on $host was lost \(killed, or its node went down\) at step [0-9]+ of [a-z ]+; the same command continues from the last checkpoint$"
continued killed

start frozen
in_training frozen
kill -STOP "$(rank 1)"
ended 1 30 "rank 1 on $host has not answered for 4 s .*at step [0-9]+ of [a-z ]+; the same command continues"
continued frozen

# A stop that reaches one rank, and then mpirun.
start stopped
in_training stopped
kill -USR1 "$(rank 2)"
ended 3 30 "stopped as asked; the same command continues where it stood$"
compgen -G "stopped/.cache/*.checkpoint.h5" >/dev/null || fail "no checkpoint after SIGUSR1"
start stopped
in_training stopped
kill -USR1 $job
ended 3 30 "stopped as asked; the same command continues where it stood$"
continued stopped
echo "test_failures: all as expected"
