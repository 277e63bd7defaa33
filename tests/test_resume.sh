#!/usr/bin/env bash
# A run killed with SIGKILL at random moments and started again ends with the very bytes of an uninterrupted one; so does a run stopped by Ctrl-C;
# a finished run is reused; two folders with one seed are equal.   usage: test_resume.sh BINARY
set -euo pipefail
finerouter=$(realpath "$1")
folder=$(mktemp -d)
pid=
trap '[ -z "$pid" ] || kill -9 $pid 2>/dev/null || true; rm -rf "$folder"' EXIT
cd "$folder"
export OMP_NUM_THREADS=2 OMP_WAIT_POLICY=passive

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

# run FOLDER: the run of tiny.yaml in FOLDER/run, named alike everywhere, since router.h5 records where its encoder lies. Becomes the binary.
run() {
    mkdir -p "$1"
    cd "$1"
    exec "$finerouter" run ../tiny.yaml --out run --quiet >/dev/null
}

# What a run leaves behind, byte for byte, and what its router answers.
fingerprint() {
    (cd "$1/run" && find data.h5 embeddings.h5 tasks.h5 router.h5 encoder cards.json predictions.jsonl -type f | sort | xargs sha256sum)
    (cd "$1" && "$finerouter" route run --prompt "Sort this list of numbers." 2>/dev/null)
}

(run whole)
fingerprint whole >want

# A second folder with its own cache gives the same bytes.
start=$(date +%s.%N)
(run again)
seconds=$(python3 -c "import time; print(time.time() - $start)")
fingerprint again | diff want - || { echo "FAIL: two runs with one seed differ"; exit 1; }

# Killed ten times at moments spread over the run's time, each time resumed.
for round in 1 2; do
    kills=0
    for i in 1 2 3 4 5; do
        pause=$(python3 -c "import random; random.seed($round * 10 + $i); print(random.uniform(0.02, 0.5) * $seconds)")
        (run "killed$round") 2>/dev/null &
        pid=$!
        sleep "$pause"
        if kill -9 $pid 2>/dev/null; then kills=$((kills + 1)); fi
        wait $pid 2>/dev/null || true
        pid=
    done
    (run "killed$round")
    fingerprint "killed$round" | diff want - || { echo "FAIL: killed $kills times and resumed, the model differs"; exit 1; }
    echo "round $round: killed $kills times, same model"
    [ $kills -ge 1 ] || { echo "FAIL: no kill hit the run"; exit 1; }
done

# Ctrl-C in the middle of training: exit 3 and a checkpoint, then the same command ends the work.
(run stopped) 2>err &
pid=$!
until compgen -G "stopped/.cache/*.checkpoint.h5" >/dev/null; do
    kill -0 $pid || { echo "FAIL: training wrote no checkpoint"; cat err; exit 1; }
    sleep 0.01
done
kill -INT $pid
code=0
wait $pid || code=$?
pid=
[ $code = 3 ] && [ "$(wc -l <err)" = 1 ] || { echo "FAIL: exit $code after SIGINT, want 3 and one line"; cat err; exit 1; }
compgen -G "stopped/.cache/*.checkpoint.h5" >/dev/null || { echo "FAIL: no checkpoint after SIGINT"; exit 1; }
(run stopped)
fingerprint stopped | diff want - || { echo "FAIL: stopped and resumed, the model differs"; exit 1; }

# Everything is reused: every training stage takes 0 seconds.
(run whole)
python3 - <<'P'
import json
seconds = json.load(open("whole/run/metrics.json"))["seconds"]
for stage in ("embed", "discover", "classifier", "stage1", "phase1", "phase2"):
    assert seconds[stage] == 0, (stage, seconds)
P
fingerprint whole | diff want - || { echo "FAIL: the reused run differs"; exit 1; }
for name in whole again killed1 killed2 stopped; do
    ! compgen -G "$name/.cache/*.checkpoint.h5" || { echo "FAIL: checkpoints left behind"; exit 1; }
done
echo "test_resume: all equal"
