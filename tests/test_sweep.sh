#!/usr/bin/env bash
# A sweep gives what separate runs give; killed, stopped, extended or split into jobs it ends with the same table; a bad point leaves the others.
# usage: test_sweep.sh BINARY
set -euo pipefail
finerouter=$(realpath "$1")
folder=$(mktemp -d)
pid=
trap '[ -z "$pid" ] || kill -9 $pid 2>/dev/null || true; rm -rf "$folder"' EXIT
cd "$folder"
export OMP_WAIT_POLICY=passive
failures=0
fail() {
    echo "FAIL: $*"
    failures=$((failures + 1))
}

# A table of 500 prompts in six topics; models are good at some of them.
python3 - <<'P'
import json, random
random.seed(4)
words = [[f"{a}{t}{b}" for b in "xyzuvw"] for t, a in enumerate(["sum", "verb", "cell", "law", "loop", "star"])]
skill = [[random.random() for _ in range(6)] for _ in range(4)]
with open("table.jsonl", "w") as out:
    for i in range(500):
        t = random.randrange(6)
        text = " ".join(random.choice(words[t] + ["the", "of", "what", "is"]) for _ in range(12))
        quality = {f"m{m}": round(min(1, max(0, skill[m][t] + random.gauss(0, .3))), 3) for m in range(4)}
        cost = {f"m{m}": round(.001 * (m + 1) * random.uniform(.8, 1.2), 6) for m in range(4)}
        out.write(json.dumps({"id": str(i), "prompt": f"{i} {text}", "description": f"about {words[t][0]} {words[t][1]} {text}",
                              "source": f"s{t // 2}", "split": ["train", "train", "train", "dev", "test"][i % 5],
                              "quality": quality, "cost": cost}) + "\n")
P
cat >base.yaml <<'Y'
threads: 2
data: {import: table.jsonl}
encoder: {init: random, layers: 1, hidden: 32, heads: 2, intermediate: 32, vocabulary: 500, max_tokens: 32}
discover: {resolution: 2, k: 8}
classifier: {epochs: 6, lr: 0.01}
stage1: {folds: 2}
qe: {epochs: 5, task_epochs: 3, ridge: 10, task_head_prior: 5}
eval: {routers: [full], bootstrap: 0}
report: {html: false}
Y
cat >four.yaml <<'Y'
config: base.yaml
grid: {route.alpha: [0.3, 1], discover.tau: [0, 0.8]}
Y

# Everything of a table but its seconds.
table() {
    python3 -c "
import csv, sys
rows = list(csv.DictReader(open('$1/sweep.csv')))
for row in rows:
    assert row['error'] or float(row.pop('seconds')) > 0
    print(row)"
}

# ---- against separate runs, each with its own cache ----
"$finerouter" sweep four.yaml --out four --quiet >out
grep -q '^>' out || fail "no point is marked as chosen"
table four >want
for alpha in 0.3 1; do
    for tau in 0 0.8; do
        "$finerouter" eval base.yaml --out "alone-$alpha-$tau/run" --quiet --set route.alpha=$alpha --set discover.tau=$tau >/dev/null
    done
done
python3 - <<'P' || fail "a sweep differs from separate runs"
import json
truth = {row["id"]: row["quality"] for row in map(json.loads, open("table.jsonl"))}
sweep = json.load(open("four/sweep.json"))
assert sweep["schema"] == 1 and sweep["kind"] == "grid" and sweep["keys"] == ["route.alpha", "discover.tau"]
assert sweep["jobs"] == 1 and sweep["threads"] == 2 and sweep["chosen_by"] == "dev_quality" and len(sweep["points"]) == 4
for i, point in enumerate(sweep["points"]):
    alpha, tau = point["values"]["route.alpha"], point["values"]["discover.tau"]
    run = f"alone-{alpha:g}-{tau:g}/run"
    metrics = json.load(open(f"{run}/metrics.json"))
    full = metrics["routers"]["full"]
    assert point["index"] == i and point["error"] is None and point["alpha"] == alpha
    assert point["test_quality"] == full["quality"], (point, full["quality"])
    assert point["test_quality_by_source"] == full["quality_by_source"] and point["test_cost"] == full["cost"]
    assert point["tasks"] == metrics["tasks"]["count"]
    dev = [truth[row["id"]][row["ranking"][0]] for row in map(json.loads, open(f"{run}/predictions.jsonl")) if row["split"] == "dev"]
    assert len(dev) == 100 and abs(point["dev_quality"] - sum(dev) / len(dev)) < 1e-6, (point, sum(dev) / len(dev))
assert len({point["test_quality"] for point in sweep["points"]}) > 1, "all points are alike: this tests nothing"
best = max(point["dev_quality"] for point in sweep["points"])
assert sweep["points"][sweep["chosen"]]["dev_quality"] == best
P
if command -v gnuplot >/dev/null; then
    for figure in heat-route-alpha-discover-tau curve-route-alpha curve-discover-tau; do
        grep -q "</svg>" four/figures/$figure.svg || fail "no figure $figure"
    done
fi

# ---- one group, in which candidates, heads and choices change from point to point ----
cat >mixed.yaml <<'Y'
config: base.yaml
list:
  - {route.alpha: 1, discover.coverage: 0.4}
  - {route.alpha: 1, discover.coverage: 1}
  - {route.alpha: 0.8, discover.coverage: 0.4, qe.task_head_prior: 90}
  - {route.alpha: auto, discover.coverage: 0.4, route.assignment: hard, route.temperature: 2}
  - {route.alpha: auto, discover.coverage: 0.4, route.choose_by: out-of-fold, route.choose_folds: 2}
  - {route.alpha: 0.8, discover.coverage: 1, route.choose_by: out-of-fold, route.choose_folds: 2, route.tolerance: 0.2}
Y
"$finerouter" sweep mixed.yaml --out mixed --quiet >/dev/null
[ "$(ls mixed/logs | wc -l)" = 1 ] || fail "points that share their tasks are not one group"
for n in 0 1 2 3 4 5; do
    sets=$(sed -n "$((n + 3))s/.*{\(.*\)}/\1/p" mixed.yaml | sed 's/\([^:,]*\): \([^,]*\),\?/--set \1=\2 /g; s/--set  */--set /g')
    # shellcheck disable=SC2086
    "$finerouter" eval base.yaml --out "alone-mixed/$n" --quiet $sets >/dev/null
done
python3 - <<'P' || fail "a mixed group differs from separate runs"
import json
points = json.load(open("mixed/sweep.json"))["points"]
for n, point in enumerate(points):
    full = json.load(open(f"alone-mixed/{n}/metrics.json"))["routers"]["full"]
    for a, b in (("test_quality", "quality"), ("test_quality_by_source", "quality_by_source"), ("test_cost", "cost")):
        assert point[a] == full[b], (n, point, full[b])
    assert full["setting"].endswith("theta = %.2g, alpha = %.2g" % (point["theta"], point["alpha"])), (n, full["setting"], point)
assert len({point["test_quality"] for point in points}) >= 4, "the points are alike: this tests nothing"
P

# ---- a second call runs nothing; a point of another config is another point ----
rm -r four/logs
"$finerouter" sweep four.yaml --out four >/dev/null 2>err
grep -q "4 of 4 points are finished already" err || fail "a finished sweep does not say so"
[ -z "$(ls four/logs)" ] || fail "a finished sweep started jobs"
table four | diff want - || fail "the table of a finished sweep changed"
"$finerouter" sweep four.yaml --out four --set stage1.shrinkage=3 >/dev/null 2>err
if grep -q "finished already" err; then fail "results of another config were reused"; fi
"$finerouter" sweep four.yaml --out four --quiet >/dev/null

# ---- a wider grid keeps the points that it shares with the narrow one ----
sed 's/\[0.3, 1\]/[0, 0.3, 1]/' four.yaml >six.yaml
"$finerouter" sweep six.yaml --out four >/dev/null 2>err
grep -q "4 of 6 points are finished already" err || fail "points that moved were run again"
table four >got
python3 - <<'P' || fail "points that moved changed"
import ast
four, six = ([ast.literal_eval(line) for line in open(name)] for name in ("want", "got"))
for row in four + six:
    del row["index"]
assert len(six) == 6 and six[2:] == four
P

# ---- kill -9 in the middle, and Ctrl-C; the same command ends with the same table, and no job is left behind ----
stop_it() {
    "$finerouter" sweep four.yaml --out "$2" --quiet >/dev/null 2>err &
    pid=$!
    until [ -e "$2/points/00000.json" ]; do
        kill -0 $pid || { fail "the sweep ended early"; return; }
        sleep 0.02
    done
    kill -"$1" $pid
    code=0
    wait $pid 2>/dev/null || code=$?
    pid=
    for _ in $(seq 100); do
        pgrep -f -- "--out $2 --only" >/dev/null || return 0
        sleep 0.1
    done
    fail "a job outlived its sweep"
}
stop_it KILL killed
[ ! -e killed/sweep.csv ] || fail "the kill came too late"
"$finerouter" sweep four.yaml --out killed --quiet >/dev/null
table killed | diff want - || fail "killed and continued, the table differs"
stop_it INT stopped
[ "$code" = 3 ] && [ "$(wc -l <err)" = 1 ] || { cat err; fail "exit $code after SIGINT, want 3 and one line"; }
"$finerouter" sweep four.yaml --out stopped --quiet >/dev/null
table stopped | diff want - || fail "stopped and continued, the table differs"
for leftover in killed/.cache/*.lock stopped/.cache/*.lock; do
    [ ! -e "$leftover" ] || fail "$leftover was left behind"
done

# ---- jobs side by side, and one at a time by hand ----
"$finerouter" sweep four.yaml --out one --quiet --set threads=1 >/dev/null
"$finerouter" sweep four.yaml --out two --quiet --jobs 2 >/dev/null
table one >single
table two | diff single - || fail "two jobs give another table than one"
grep -q '"jobs": 2' two/sweep.json && grep -q '"threads": 1' two/sweep.json || fail "jobs and threads are not recorded"
for n in 3 0; do
    "$finerouter" sweep four.yaml --out hand --only $n --quiet
    [ $n = 0 ] || [ ! -e hand/points/00002.json ] || fail "--only made more than its group"
done
[ -e hand/points/00001.json ] && [ ! -e hand/sweep.json ] || fail "--only did not leave its points alone"
"$finerouter" sweep four.yaml --out hand >/dev/null 2>err
grep -q "4 of 4 points are finished already" err || fail "points made by --only were run again"
table hand | diff want - || fail "points made by --only differ"

# ---- a job array: --list says what its elements are, --collect puts together what they left ----
"$finerouter" sweep four.yaml --list >list
printf '0\t0,2\troute.alpha=0.3,1 discover.tau=0\n1\t1,3\troute.alpha=0.3,1 discover.tau=0.8\n' | diff - list || fail "--list"
"$finerouter" sweep mixed.yaml --list | cut -f2 | diff <(echo 0-5) - || fail "--list of one group"
code=0
"$finerouter" sweep four.yaml --out array --collect 2>err || code=$?
[ $code = 1 ] && [ ! -e array ] || fail "exit $code of --collect without any points, want 1 and no folder"
"$finerouter" sweep four.yaml --out array --quiet --only 1 || fail "--only 1"
code=0
"$finerouter" sweep four.yaml --out array --set "name=it's" --quiet --collect >out 2>err || code=$?
[ $code = 1 ] && [ "$(wc -l <err)" = 1 ] || fail "exit $code with missing points, want 1 and a line"
grep -qF "array: 2 of 4 points are missing (0,2); to run them: finerouter sweep four.yaml --out array --set 'name=it'\\''s'" err ||
    { cat err; fail "--collect does not say what is missing"; }
[ "$(grep -c ',missing$' array/sweep.csv)" = 2 ] || fail "the table does not mark what is missing"
[ ! -e array/logs ] && [ ! -e array/points/00000.json ] || fail "--collect ran something"
"$finerouter" sweep four.yaml --out array --quiet --only 2
stamp=$(stat -c '%Y %i %n' array/points/*)
"$finerouter" sweep four.yaml --out array --quiet --collect >out || fail "exit $? of --collect"
[ "$stamp" = "$(stat -c '%Y %i %n' array/points/*)" ] && [ ! -e array/logs ] || fail "--collect ran something again"
table array | diff want - || fail "the table of an array differs from that of a sweep"
"$finerouter" sweep four.yaml --out at-once --quiet >want-out
diff want-out out || fail "--collect prints something else than the sweep"
python3 - <<'P' || fail "files of an array differ from those of a sweep"
import json, os
once, array = (json.load(open(f"{name}/sweep.json")) for name in ("at-once", "array"))
for sweep in once, array:
    assert sweep.pop("seconds") > 0
    for point in sweep["points"]:
        assert point.pop("seconds") > 0
assert once == array
for name in "config.yaml", "sweep.yaml", "environment.json":
    a, b = (open(f"{folder}/{name}").read().replace(folder, "") for folder in ("at-once", "array"))
    assert a == b, (name, a, b)
a, b = (os.path.isdir(f"{folder}/figures") and sorted(os.listdir(f"{folder}/figures")) for folder in ("at-once", "array"))
assert a == b, (a, b)
P
code=0
"$finerouter" sweep four.yaml --collect --list 2>err || code=$?
[ $code = 2 ] && grep -q "want one of them" err || fail "--collect with --list was taken"

# Where the config leaves threads open, whoever collects may have another number of cores than those who ran.
"$finerouter" sweep four.yaml --out cores --set threads=1 --quiet --only 0
if "$finerouter" sweep four.yaml --out cores --set threads=0 --quiet --collect >/dev/null 2>err; then fail "points were not missing"; fi
grep -q "2 of 4 points are missing (1,3)" err || { cat err; fail "another number of cores loses points"; }
[ "$(nproc)" = 1 ] || grep -q "threads=0 --set threads=1\$" err || { cat err; fail "the command would run other points too"; }
if "$finerouter" sweep four.yaml --out cores --quiet --collect >/dev/null 2>err; then fail "points of one thread were taken"; fi
grep -q "4 of 4 points are missing (0-3)" err || { cat err; fail "points of one thread were taken for those of two"; }

# ---- seeds and folds are passes of every point ----
cat >passes.yaml <<'Y'
config: base.yaml
list: [{eval.seeds: 2}, {eval.folds: 2}]
Y
"$finerouter" sweep passes.yaml --out passes --quiet >/dev/null
"$finerouter" eval base.yaml --out alone-seeds/run --quiet --set eval.seeds=2 >/dev/null
"$finerouter" eval base.yaml --out alone-folds/run --quiet --set eval.folds=2 >/dev/null
python3 - <<'P' || fail "seeds or folds of a sweep differ from those of a run"
import json
for point, run in zip(json.load(open("passes/sweep.json"))["points"], ("seeds", "folds")):
    assert point["test_quality"] == json.load(open(f"alone-{run}/run/metrics.json"))["routers"]["full"]["quality"], run
P

# ---- one bad point ----
cat >bad.yaml <<'Y'
config: base.yaml
list: [{route.alpha: 0.3}, {encoder.path: /nowhere}, {route.alpha: 1}]
Y
code=0
"$finerouter" sweep bad.yaml --out bad --quiet >out 2>err || code=$?
[ $code = 1 ] || fail "exit $code with a bad point, want 1"
[ "$(wc -l <err)" = 1 ] && grep -q "1 of 3 points failed, the first is point 1: /nowhere" err || { cat err; fail "no summary line of the bad point"; }
python3 - <<'P' || fail "the bad point spoilt the others"
import json
points = json.load(open("bad/sweep.json"))["points"]
assert points[0]["dev_quality"] and points[2]["dev_quality"] and not points[0]["error"]
assert points[1]["dev_quality"] is None and points[1]["error"].startswith("/nowhere")
P

for n in 0 1; do
    "$finerouter" sweep bad.yaml --out bad-array --quiet --only $n 2>/dev/null || true
done
code=0
"$finerouter" sweep bad.yaml --out bad-array --quiet --collect >/dev/null 2>err || code=$?
[ $code = 1 ] && [ "$(wc -l <err)" = 1 ] && grep -q "1 of 3 points failed, the first is point 1: /nowhere" err ||
    { cat err; fail "exit $code of --collect with a bad point, want 1 and a line"; }

# ---- what is wrong is said before anything runs ----
printf 'config: base.yaml\ngrid: {route.alfa: [0]}\n' >wrong.yaml
code=0
"$finerouter" sweep wrong.yaml --out wrong 2>err || code=$?
[ $code = 2 ] && grep -q "wrong.yaml:2: unknown key route.alfa; did you mean route.alpha?" err || fail "exit $code for an unknown key"
[ ! -e wrong ] || fail "a wrong sweep made its folder"
code=0
"$finerouter" sweep four.yaml --out x --jobs 1.5 2>err || code=$?
[ $code = 2 ] && grep -q "whole number" err || fail "--jobs 1.5 was taken"

[ $failures = 0 ] && echo "sweep: all as it should be"
exit $((failures > 0))
