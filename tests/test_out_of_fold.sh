#!/usr/bin/env bash
# Choices out of fold (route.choose_by): estimates of a prompt do not depend on its own outcomes, nothing depends on the test split, alpha is the one that
# NumPy finds from the same estimates, and a killed run ends with the same bytes. Needs python3 with h5py and numpy: skipped (exit 77) where it lacks.
# usage: test_out_of_fold.sh BINARY
set -euo pipefail
finerouter=$(realpath "$1")
python=
for candidate in /usr/bin/python3 python3; do
    if "$candidate" -c "import h5py, numpy" 2>/dev/null; then
        python=$candidate
        break
    fi
done
[ -n "$python" ] || { echo "SKIP: python3-h5py is not installed"; exit 77; }
folder=$(mktemp -d)
pid=
trap '[ -z "$pid" ] || kill -9 $pid 2>/dev/null || true; rm -rf "$folder"' EXIT
cd "$folder"
export OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive

"$finerouter" synth --out made.h5 --set synth.prompts=500 --set synth.models=4 --set synth.tasks=5 --quiet
# The same data, and with the outcomes of one training prompt, of one dev prompt, and of all test prompts turned round.
"$python" - <<'P'
import h5py, numpy as np
made = h5py.File("made.h5")
split = made["prompts/split"][()]
rows = {"data": [], "train": np.flatnonzero(split == 0)[[7]], "dev": np.flatnonzero(split == 1)[[3]], "test": np.flatnonzero(split == 2)}
for name, changed in rows.items():
    with h5py.File(name + ".h5", "w") as out:
        for key, value in made.attrs.items():
            if key != "hash":
                out.attrs[key] = value
        for group in made:
            made.copy(group, out)
        quality = out["quality"][()]
        quality[changed] = 1 - quality[changed]
        out["quality"][...] = quality
np.savez("rows.npz", **rows)
P
cat >tiny.yaml <<'Y'
threads: 1
encoder: {init: random, layers: 1, hidden: 32, heads: 2, intermediate: 64, vocabulary: 500, max_tokens: 32}
discover: {resolution: 4, rounds: 1}
classifier: {epochs: 8, lr: 0.01, theta: 0.3}
qe: {epochs: 4, task_epochs: 3}
train: {checkpoint_seconds: 0}
route: {choose_by: out-of-fold, choose_folds: 3}
eval: {routers: [full], bootstrap: 0}
Y
# run FOLDER DATA [--set ...]: in FOLDER/run. Becomes the binary.
run() {
    local data=$2
    mkdir -p "$1"
    cd "$1"
    shift 2
    exec "$finerouter" run ../tiny.yaml --out run --quiet --set data.file="../$data.h5" "$@" >/dev/null
}
for data in data train dev test; do
    (run "$data" "$data")
    [ "$(find "$data/.cache" -name 'out-of-fold-*.h5' | wc -l)" = 1 ] || { echo "FAIL: $data has no out-of-fold estimates"; exit 1; }
done
(run theta data --set classifier.theta=auto)
(run theta test --set classifier.theta=auto --out run2)

"$python" - <<'P'
import glob, json, h5py, numpy as np
rows = np.load("rows.npz")

def estimates(folder):
    file = h5py.File(glob.glob(folder + "/.cache/out-of-fold-*.h5")[0])
    return file["s1"][()], file["s2"][()], file.attrs["theta"]

def alpha(folder):
    return json.load(open(folder + "/metrics.json"))["alpha"]

data = h5py.File("data.h5")
split, quality, cost = data["prompts/split"][()], data["quality"][()].astype(float), data["cost"][()].astype(float)
s1, s2, theta = estimates("data")
assert theta == 0.3
seen = split < 2
assert not np.isnan(s1[seen]).any() and not np.isnan(s2[seen]).any() and np.isnan(s1[~seen]).all() and np.isnan(s2[~seen]).all()
for name in ("train", "dev"):
    row, (other1, other2, _) = rows[name][0], estimates(name)
    assert (s1[row] == other1[row]).all() and (s2[row] == other2[row]).all(), f"the outcomes of a {name} prompt reach its own estimates"
    changed = (s2 != other2).any(1)
    assert changed[seen].sum() > (50 if name == "train" else 0), f"the outcomes of a {name} prompt reach no other prompt's estimates"
for a, b in zip((s1, s2), estimates("test")):
    assert np.array_equal(a, b, equal_nan=True), "test outcomes reach the estimates"
assert alpha("data/run") == alpha("test/run") and alpha("theta/run") == alpha("theta/run2"), "test outcomes reach alpha"
a, b = (h5py.File(f"theta/{run}/router.h5").attrs["theta"] for run in ("run", "run2"))
assert a == b, "test outcomes reach theta"

# alpha by its definition: nearest to .3 of those within a standard error of the best.
def norm(x):
    low, high = x.min(1, keepdims=True), x.max(1, keepdims=True)
    return np.where(high > low, (x - low) / np.where(high > low, high - low, 1), 0)

q, n1, n2 = quality[seen], norm(s1[seen].astype(float)), norm(s2[seen].astype(float))
expected = np.nanmean(cost[split == 0], 0)
routed = []
for k in range(21):
    score = (k / 20 * n2 + (1 - k / 20) * n1).astype(np.float32)
    choice = [max(range(q.shape[1]), key=lambda m: (score[i, m], s2[seen][i, m], -expected[m])) for i in range(len(q))]
    routed.append(q[np.arange(len(q)), choice])
routed = np.array(routed)
best = np.nanargmax(np.nanmean(routed, 1))
near = []
for k in range(21):
    difference = routed[best] - routed[k]
    difference = difference[~np.isnan(difference)]
    if difference.mean() <= difference.std() / np.sqrt(len(difference) - 1) + 1e-12:
        near.append(k)
want = min(near, key=lambda k: (abs(k - 6), k != best)) / 20
assert abs(alpha("data/run") - want) < 1e-9, (alpha("data/run"), want)
P

# A trained encoder falls back to dev, and says so once.
(cd data && "$finerouter" run ../tiny.yaml --out trained --set data.file=../data.h5 --set encoder.train=full --set qe.epochs=1 --set classifier.epochs=1 2>&1 >/dev/null) |
    grep -c "chosen on dev: the encoder is trained" >said || true
[ "$(cat said)" = 1 ] || { echo "FAIL: a trained encoder says $(cat said) times that it falls back to dev, want 1"; exit 1; }

# Killed again and again, the same estimates and the same router.
print() {
    (cd "$1" && sha256sum run/router.h5 run/predictions.jsonl && cat .cache/out-of-fold-*.h5 | sha256sum)
}
print data >want
kills=0
for pause in 0.4 0.7 1.0 1.3 1.6 2.0; do
    (run killed data) 2>/dev/null &
    pid=$!
    sleep "$pause"
    if kill -9 $pid 2>/dev/null; then kills=$((kills + 1)); fi
    wait $pid 2>/dev/null || true
    pid=
done
(run killed data)
print killed | diff want - || { echo "FAIL: killed $kills times and resumed, the choice differs"; exit 1; }
! compgen -G "killed/.cache/*.checkpoint.h5" || { echo "FAIL: checkpoints left behind"; exit 1; }
# Reused: out of fold takes no time any more.
(run killed data)
python3 -c "import json; s = json.load(open('killed/run/metrics.json'))['seconds']; assert s['out of fold'] == 0, s"
echo "test_out_of_fold: killed $kills times; estimates know nothing of their prompts"
