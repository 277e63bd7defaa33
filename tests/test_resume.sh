#!/usr/bin/env bash
# A run killed with SIGKILL at random moments and started again ends with the very bits of an uninterrupted one; so does a run stopped by Ctrl-C;
# a finished run is reused; two folders with one seed are equal.   usage: test_resume.sh BINARY
set -euo pipefail
finerouter=$(realpath "$1")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
export OMP_NUM_THREADS=2

cat >tiny.yaml <<'Y'
threads: 2
synth: {prompts: 600, models: 4, tasks: 6}
encoder: {init: random, layers: 2, hidden: 32, heads: 2, intermediate: 64, vocabulary: 1000, max_tokens: 64, train: full}
discover: {resolution: 1, rounds: 1}
classifier: {epochs: 3}
qe: {epochs: 3, hidden: 16, task_epochs: 4}
train: {checkpoint_seconds: 0}
eval: {routers: [best_single, ipr, full], bootstrap: 100}
Y

# The content of router.h5 and predictions, not their time stamps.
fingerprint() {
    cat "$1/predictions.jsonl" | sha256sum
    "$finerouter" route "$1" --prompt "Sort this list of numbers." | sha256sum
    h5dump "$1/router.h5" 2>/dev/null | grep -v 'HDF5 "' | sha256sum
}
"$finerouter" run tiny.yaml --out whole/run --quiet >/dev/null
fingerprint whole/run >want

# A second folder with its own cache gives the same bits.
start=$(date +%s.%N)
"$finerouter" run tiny.yaml --out again/run --quiet >/dev/null
seconds=$(python3 -c "import time; print(time.time() - $start)")
fingerprint again/run | diff - want || { echo "FAIL: two runs with one seed differ"; exit 1; }

# Killed ten times at moments spread over the run's time, each time resumed.
for round in 1 2; do
    kills=0
    for i in 1 2 3 4 5; do
        pause=$(python3 -c "import random; random.seed($round * 10 + $i); print(random.uniform(0.02, 0.5) * $seconds)")
        setsid "$finerouter" run tiny.yaml --out "killed$round/run" --quiet >/dev/null 2>&1 &
        pid=$!
        sleep "$pause"
        if kill -9 $pid 2>/dev/null; then kills=$((kills + 1)); fi
        wait $pid 2>/dev/null || true
    done
    "$finerouter" run tiny.yaml --out "killed$round/run" --quiet >/dev/null
    fingerprint "killed$round/run" | diff - want || { echo "FAIL: killed $kills times and resumed, the model differs"; exit 1; }
    echo "round $round: killed $kills times, same model"
    [ $kills -ge 1 ] || { echo "FAIL: no kill hit the run"; exit 1; }
done

# Ctrl-C: exit 3, then the same command ends the work.
"$finerouter" run tiny.yaml --out stopped/run --quiet >/dev/null 2>err &
pid=$!
sleep "$(python3 -c "print(0.4 * $seconds)")"
kill -INT $pid
code=0
wait $pid || code=$?
[ $code = 3 ] || [ $code = 0 ] || { echo "FAIL: exit $code after SIGINT"; cat err; exit 1; }
"$finerouter" run tiny.yaml --out stopped/run --quiet >/dev/null
fingerprint stopped/run | diff - want || { echo "FAIL: stopped and resumed, the model differs"; exit 1; }

# Everything is reused: every training stage takes 0 seconds.
"$finerouter" run tiny.yaml --out whole/run --quiet >/dev/null
python3 - <<'P'
import json
seconds = json.load(open("whole/run/metrics.json"))["seconds"]
for stage in ("embed", "discover", "classifier", "stage1", "phase1", "phase2"):
    assert seconds[stage] == 0, (stage, seconds)
P
[ -z "$(ls whole/.cache | grep checkpoint || true)" ] || { echo "FAIL: checkpoints left behind"; exit 1; }
echo "test_resume: all equal"
