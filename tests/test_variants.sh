#!/usr/bin/env bash
# eval with all routers: every one is there, learnt scores and stages of variants are reused, a killed evaluation goes on and ends with the same metrics,
# damaged and foreign cache files are one clear line.   usage: test_variants.sh BINARY
set -euo pipefail
finerouter=$(realpath "$1")
folder=$(mktemp -d)
pid=
trap '[ -z "$pid" ] || kill -9 $pid 2>/dev/null || true; rm -rf "$folder"' EXIT
cd "$folder"
export OMP_NUM_THREADS=2 OMP_WAIT_POLICY=passive

cat >tiny.yaml <<'Y'
threads: 2
synth: {prompts: 500, models: 4, tasks: 6, sources: 3}
encoder: {init: random, layers: 1, hidden: 32, heads: 2, intermediate: 64, vocabulary: 1000, max_tokens: 32}
discover: {resolution: 2}
classifier: {epochs: 2}
qe: {epochs: 2, task_epochs: 2}
train: {checkpoint_seconds: 0}
mlp: {epochs: 2}
routellm_mf: {epochs: 2}
embedllm_mf: {epochs: 2}
routerdc: {epochs: 2, clusters: 3}
graphrouter: {epochs: 2}
mirt: {epochs: 2}
avengers: {k: [2, 5], restarts: 2}
eval: {bootstrap: 50}
Y

# run FOLDER [FLAG...]: evaluates tiny.yaml into FOLDER/run. Becomes the binary.
run() {
    mkdir -p "$1"
    cd "$1"
    shift
    exec "$finerouter" eval ../tiny.yaml --out run --quiet "$@" >/dev/null
}
(run whole --routers all)

python3 - <<'P'
import json
metrics = json.load(open("whole/run/metrics.json"))
names = list(metrics["routers"])
for name in ("best_single cheapest random oracle dataset_oracle knn linear avengers avengers_pro ipr stage1 stage2 no_task_heads source_tasks kmeans_tasks "
             "semantic_graph rbo_graph full full_paper").split():
    assert name in names, (name, names)
assert names[-2:] == ["full", "full_paper"], names
routers, seconds = metrics["routers"], metrics["seconds"]
for name in ("linear", "avengers", "ipr", "stage1", "stage2", "source_tasks", "full", "full_paper"):
    assert routers[name]["seconds"] > 0, name
for name in ("no_task_heads", "source_tasks", "kmeans_tasks", "semantic_graph", "rbo_graph", "paper"):
    assert name + " phase2" in seconds, (name, seconds)
assert seconds["no_task_heads discover"] == seconds["no_task_heads classifier"] == seconds["rbo_graph phase1"] == 0, seconds
assert routers["source_tasks"]["setting"].startswith("3 tasks"), routers["source_tasks"]
same = lambda a, b: routers[a]["curve"] == routers[b]["curve"]
assert not same("no_task_heads", "full") or not same("rbo_graph", "full") or not same("source_tasks", "full")
P

# metrics.json without seconds.
fingerprint() {
    python3 - "$1" <<'P'
import json, sys
metrics = json.load(open(sys.argv[1] + "/run/metrics.json"))
del metrics["seconds"]
for router in metrics["routers"].values():
    del router["seconds"]
print(json.dumps(metrics, indent=1))
P
}
fingerprint whole >want

# Everything is reused; --set is the same as --routers.
before=$(find whole/.cache -type f | sort | xargs sha256sum | sha256sum)
(run whole --set eval.routers=all)
fingerprint whole | diff want - || { echo "FAIL: reused scores differ"; exit 1; }
python3 - <<'P'
import json
metrics = json.load(open("whole/run/metrics.json"))
kept = [n for n in metrics["routers"] if n not in "best_single cheapest random oracle dataset_oracle knn".split()]
for name in kept:
    assert metrics["routers"][name]["seconds"] == 0, (name, metrics["routers"][name]["seconds"])
P
[ "$before" = "$(find whole/.cache -type f | sort | xargs sha256sum | sha256sum)" ] || { echo "FAIL: a second evaluation wrote into the cache"; exit 1; }

# Killed in the middle of the routers, several times, then resumed.
mkdir -p killed
cp -r whole/.cache killed/.cache
rm -f killed/.cache/router-* killed/.cache/phase2-*
start=$(date +%s.%N)
cp -r killed/.cache spare
(run killed --routers all)
seconds=$(python3 -c "import time; print(time.time() - $start)")
rm -rf killed/.cache killed/run
mv spare killed/.cache
kills=0
for i in 1 2 3 4; do
    pause=$(python3 -c "import random; random.seed($i); print(random.uniform(0.2, 0.7) * $seconds)")
    (run killed --routers all) 2>/dev/null &
    pid=$!
    sleep "$pause"
    if kill -9 $pid 2>/dev/null; then kills=$((kills + 1)); fi
    wait $pid 2>/dev/null || true
    pid=
done
(run killed --routers all)
fingerprint killed | diff want - || { echo "FAIL: killed $kills times and resumed, the metrics differ"; exit 1; }
[ $kills -ge 1 ] || { echo "FAIL: no kill hit the evaluation"; exit 1; }
echo "killed $kills times, same metrics"

# Scores of another shape, and damaged ones: one line that names the file.
file=$(ls whole/.cache/router-linear-*.h5)
refuse() {
    code=0
    (run whole --routers linear) 2>err || code=$?
    [ $code = 1 ] && [ "$(wc -l <err)" = 1 ] && grep -q "router-linear" err || { echo "FAIL: exit $code from $1"; cat err; exit 1; }
}
cp "$file" good
size=$(stat -c %s "$file")
printf '\377' | dd of="$file" bs=1 seek=$((size / 2)) conv=notrunc status=none
refuse "a damaged file"
cp whole/.cache/embed-*.h5 "$file"
refuse "another kind of file"
rm "$file"
(run whole --routers linear)
cmp "$file" good || { echo "FAIL: linear's scores, made again, differ"; exit 1; }

# Another key of a baseline makes the scores again, a key of the method does not.
count() { find whole/.cache -name 'router-linear-*.h5' | wc -l; }
(run whole --routers linear --set linear.ridge=5)
[ "$(count)" = 2 ] || { echo "FAIL: another ridge, and $(count) files"; exit 1; }
(run whole --routers linear --set linear.ridge=5 --set qe.epochs=1)
[ "$(count)" = 2 ] || { echo "FAIL: qe.epochs is no key of linear"; exit 1; }

for wrong in "all,knn" "knn,nobody" "knn,knn"; do
    code=0
    (run whole --routers "$wrong") 2>err || code=$?
    [ $code = 2 ] && [ "$(wc -l <err)" = 1 ] || { echo "FAIL: exit $code from --routers $wrong"; cat err; exit 1; }
done

# Folds: seconds of all passes add up.
(run folds --routers linear,full,rbo_graph --set eval.folds=2)
python3 - <<'P'
import json
total = json.load(open("folds/run/metrics.json"))["routers"]
parts = [json.load(open("folds/run/fold-%d/metrics.json" % f))["routers"] for f in range(2)]
for name in total:
    assert total[name]["seconds"] > 0 and abs(total[name]["seconds"] - sum(p[name]["seconds"] for p in parts)) < 1e-6, name
P
echo "test_variants: all equal"
