#!/usr/bin/env bash
# finerouter plan: sizes out of a config, of a data file's header, or given; both outputs; errors.
# usage: test_plan.sh BINARY
set -euo pipefail
finerouter=$(realpath "$1")
devices=$(realpath configs/devices.yaml)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
failures=0
fail() {
    echo "FAIL: $*"
    failures=$((failures + 1))
}
expect_error() { # CODE TEXT ARGUMENTS...
    local code=$1 text=$2 got=0
    shift 2
    "$finerouter" plan "$@" --devices "$devices" >out.txt 2>error.txt || got=$?
    [ $got = "$code" ] || fail "plan $*: exit code $got, want $code"
    grep -qF -- "$text" error.txt || fail "plan $*: \"$(cat error.txt)\", want \"$text\""
}

cat >synth.yaml <<'Y'
threads: 1
synth: {prompts: 5000, models: 6}
encoder: {init: random, layers: 1, hidden: 32, heads: 2, intermediate: 64, max_tokens: 32}
Y
"$finerouter" plan synth.yaml --device h200 --ranks 16 --devices "$devices" >text.txt
for part in "h200, 16 ranks on 2 nodes" "5000 prompts (this config's): 4000 to train on, 6 models" "278977 prompts" "100 M prompts" \
    "First to stop scaling: " "Memory of one node ends at" "vendor's figure" "No run on a GPU" "Extrapolated:"; do
    grep -qF -- "$part" text.txt || fail "the table lacks \"$part\""
done
[ ! -e runs ] && [ ! -e .cache ] || fail "plan left something behind"

# The same figures for scripts, and a data file's own size.
"$finerouter" synth --out data.h5 --set synth.prompts=400 --set synth.models=5 --quiet
cat >file.yaml <<'Y'
data: {file: data.h5}
encoder: {init: random, layers: 1, hidden: 32, heads: 2, intermediate: 64, max_tokens: 32}
Y
"$finerouter" plan file.yaml --device cpu --devices "$devices" --json >file.json
printf 'data: {import: table.jsonl}\n%s\n' "$(tail -1 file.yaml)" >import.yaml
"$finerouter" plan import.yaml --device cpu --devices "$devices" --json >import.json
"$finerouter" plan import.yaml --device cpu --devices "$devices" --ranks 4 --prompts 9000 --tasks 7 --json >given.json
python3 - <<'P' || fail "the JSON is wrong"
import json
file, imported, given = (json.load(open(f"{name}.json")) for name in ("file", "import", "given"))
own = file["plans"][0]
assert (own["prompts"], own["models"], file["own"], len(file["plans"])) == (400, 5, True, 4), own
assert all(s["comm_bytes"] == 0 for s in own["stages"].values())
total = sum(s["seconds"] for s in own["stages"].values())
assert abs(own["total"]["seconds"] - total) < 1e-6 * total
assert own["embedding_bytes"] == 2 * 400 * 32 * 4
assert not imported["own"] and len(imported["plans"]) == 3
assert any("--prompts" in line for line in imported["assumed"])
first = given["plans"][0]
assert (given["ranks"], given["nodes"], first["prompts"], first["tasks"]) == (4, 2, 9000, 7)
assert first["stages"]["phase1"]["comm_bytes"] > 0
assert "net_latency" in given["not_measured"] and "gemm" not in given["not_measured"]
P

expect_error 2 "there is no device h20; did you mean h200?" synth.yaml --device h20
expect_error 2 "--ranks is \"0\"" synth.yaml --ranks 0
expect_error 2 "want whole numbers" synth.yaml --ranks 1.5
expect_error 2 "more nodes than" synth.yaml --ranks 2 --nodes 3
expect_error 2 "did you mean synth.prompts?" synth.yaml --set synth.prompt=3
expect_error 1 "nowhere.h5" file.yaml --set data.file=nowhere.h5
expect_error 1 "nowhere" synth.yaml --set encoder.init=pretrained --set encoder.path=nowhere
[ $failures = 0 ] || exit 1
echo "plan: all as it should be"
