#!/usr/bin/env bash
# A run on several ranks is the run on one: the same losses but for the order of sums, the same decisions; twice on as many ranks, the same bytes;
# stopped on two, it goes on on three.   usage: test_ranks.sh BINARY
set -euo pipefail
finerouter=$(realpath "$1")
folder=$(mktemp -d)
pid=
trap '[ -z "$pid" ] || kill -9 $pid 2>/dev/null || true; rm -rf "$folder"' EXIT
cd "$folder"
export OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export OMPI_MCA_rmaps_base_oversubscribe=1 OMPI_MCA_mpi_yield_when_idle=1 OMPI_MCA_btl_vader_single_copy_mechanism=none

command -v mpirun >/dev/null || { echo "skipped: no mpirun"; exit 77; }
mpirun -n 2 "$finerouter" --version >/dev/null 2>err || {
    grep -q "has no MPI" err && { echo "skipped: a build without MPI"; exit 77; }
    echo "FAIL: mpirun does not start two ranks"; cat err; exit 1
}

cat >full.yaml <<'Y'
threads: 1
device: cpu
synth: {prompts: 600, models: 4, tasks: 6}
encoder: {init: random, layers: 2, hidden: 32, heads: 2, intermediate: 64, vocabulary: 1000, max_tokens: 64, train: full, dropout: 0.1}
discover: {resolution: 1, rounds: 1}
classifier: {epochs: 3, dropout: 0.1}
qe: {epochs: 3, hidden: 16, task_epochs: 4, dropout: 0.1}
train: {checkpoint_seconds: 0}
eval: {routers: [best_single, ipr, full], bootstrap: 20}
Y
sed 's/train: full/train: frozen/' full.yaml >frozen.yaml
# Long enough to be hit in its middle; in f64, since in f32 rounding grows with every step.
sed 's/qe: {epochs: 3/qe: {patience: 0, epochs: 40/; s/device: cpu/device: ref/' full.yaml >long.yaml

# run RANKS CONFIG FOLDER: a run in FOLDER/run, named alike everywhere. RANKS 0: without mpirun. Becomes the run.
run() {
    mkdir -p "$3"
    cd "$3"
    local start=()
    [ "$1" = 0 ] || start=(mpirun -n "$1")
    exec "${start[@]}" "$finerouter" run "../$2.yaml" --out run --quiet >/dev/null
}

fingerprint() {
    (cd "$1/run" && find data.h5 embeddings.h5 tasks.h5 router.h5 encoder cards.json predictions.jsonl -type f 2>/dev/null | sort | xargs sha256sum)
}

# compare WANT GOT [EPOCHS]: losses of every epoch, and what each prompt is routed to.
compare() {
    python3 - "$1" "$2" "${3:-11}" <<'P'
import json, sys
want, got, count = sys.argv[1:]
def epochs(folder): # a resumed run repeats none
    lines = [json.loads(l) for l in open(folder + "/run/log.jsonl")]
    return {(l["what"], l["epoch"]): (l["loss"], l["dev_loss"]) for l in lines if l["event"] == "epoch"}
def routed(folder):
    lines = [json.loads(l) for l in open(folder + "/run/predictions.jsonl")]
    return [(l["id"], l["task"], l["ranking"]) for l in lines]
a, b = epochs(want), epochs(got)
assert a.keys() == b.keys() and len(a) == int(count), (sorted(a), sorted(b))
worst = 0
for key in a:
    for x, y in zip(a[key], b[key]):
        if x is not None:
            worst = max(worst, abs(x - y) / abs(x))
assert worst <= 1e-6, f"{got}: losses are {worst:.2g} away from those of {want}, want at most 1e-6"
assert routed(want) == routed(got), f"{got} routes otherwise than {want}"
print(f"{got}: losses within {worst:.2g} of those of {want}, same decisions")
P
}

for config in frozen full; do
    (run 0 $config $config-alone)
    for ranks in 2 4; do
        (run $ranks $config $config-on$ranks)
        compare $config-alone $config-on$ranks
    done
done

(run 2 full full-again)
fingerprint full-on2 >want
fingerprint full-again | diff want - || { echo "FAIL: two runs on two ranks differ"; exit 1; }

# SIGTERM in the middle of training; once more where it came too late, between two of them.
stop_in_training() {
    rm -rf stopped
    (run 2 long stopped) 2>err &
    pid=$!
    until compgen -G "stopped/.cache/*.checkpoint.h5" >/dev/null; do
        kill -0 $pid 2>/dev/null || { echo "FAIL: training wrote no checkpoint"; cat err; exit 1; }
        sleep 0.01
    done
    kill -TERM $pid
    code=0
    wait $pid || code=$?
    pid=
    [ $code != 0 ] && compgen -G "stopped/.cache/*.checkpoint.h5" >/dev/null
}
tries=0
until stop_in_training; do
    tries=$((tries + 1))
    [ $tries -lt 10 ] || { echo "FAIL: exit $code and no checkpoint, ten times after SIGTERM"; exit 1; }
done
(run 0 long long-alone)
(run 3 long stopped)
compare long-alone stopped 48
for name in frozen-on4 full-on4 full-again stopped; do
    ! compgen -G "$name/.cache/*.checkpoint.h5" || { echo "FAIL: checkpoints left behind"; exit 1; }
done
echo "test_ranks: all equal"
