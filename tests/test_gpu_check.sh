#!/usr/bin/env bash
# scripts/gpu-check.sh as far as it goes without a GPU: what it says without one, its parts with stand-ins for the
# programs (limits, going on, goals), and --pack.
set -euo pipefail
build=$(dirname "$1")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { echo "FAIL: $1"; exit 1; }

# ---- without a GPU
if ! nvidia-smi -L 2>/dev/null | grep '^GPU' >/dev/null; then
    if scripts/gpu-check.sh --state "$work/none" >"$work/out" 2>"$work/err"; then fail "ends well without a GPU"; fi
    [ "$(wc -l <"$work/err")" = 1 ] && grep -q 'gpu-check: no GPU here' "$work/err" || fail "says: $(cat "$work/err")"
    [ ! -e "$work/none" ] || fail "leaves a folder behind"
fi
if scripts/gpu-check.sh --frm x 2>"$work/err"; then fail "takes an unknown option"; fi
grep -q -- '--frm: unknown' "$work/err" || fail "unknown option: $(cat "$work/err")"

# ---- the parts, with stand-ins
mkdir "$work/bin" "$work/state"
cat >"$work/bin/test_cuda" <<'P'
#!/usr/bin/env bash
echo '[ RUN      ] test_one'; echo '[       OK ] test_one'
echo '[ RUN      ] test_two'; echo 'the loss of step 3 is nan'; echo '[  FAILED  ] test_two'
exit 1
P
cat >"$work/bin/bench_gpu" <<'P'
#!/usr/bin/env bash
echo "${LD_LIBRARY_PATH:-}" >>"$(dirname "$0")/runs"
[ "${*: -1}" = latency ] || exit 3
echo '{"bench": "latency", "device": "stand-in", "model": "minilm", "tokens": 32, "p50_ms": 0.05, "p99_ms": 0.06}'
echo '{"bench": "latency", "device": "stand-in", "model": "base", "tokens": 128, "p50_ms": 0.5, "p99_ms": 0.6}'
P
chmod +x "$work"/bin/*
check() {
    python3 -B benchmarks/gpu/check.py --bin "$work/bin" --state "$work/state" --out "$work/out.json" --device cpu --libraries /some/where "$@"
}
told() {
    python3 -c 'import json, sys
r = json.load(open(sys.argv[1]))
assert eval(sys.argv[2]), (sys.argv[2], json.dumps(r)[:3000])' "$work/out.json" "$1" || fail "$1"
}
if check --commit one --parts tests,latency,train >"$work/log"; then fail "a failed test is a success"; fi
told 'r["commit"] == "one" and r["parts"]["tests"]["tests"] == {"test_one": "ok", "test_two": "failed"}'
told 'not r["parts"]["tests"]["ok"] and "the loss of step 3 is nan" in r["parts"]["tests"]["said"]'
told 'r["parts"]["latency"]["ok"] and not r["parts"]["train"]["ok"] and r["parts"]["train"]["status"] == 3'
told '[g["pass"] for g in r["goals"] if "one prompt" in g["what"]] == [True, False]'
told '[g["figure"] for g in r["goals"] if "kNN" in g["what"]] == [None, None]'
grep -q '^/some/where' "$work/bin/runs" || fail "the libraries' folder is not on the path"

check --commit one --parts latency >"$work/log" || fail "$(cat "$work/log")"
grep -q 'latency: done before' "$work/log" && [ "$(wc -l <"$work/bin/runs")" = 2 ] || fail "what was done is done again"
check --commit two --parts latency >"$work/log" || fail "$(cat "$work/log")"
[ "$(wc -l <"$work/bin/runs")" = 3 ] || fail "another commit's results are taken"
told '"tests" not in r["parts"]'
check --commit two --parts encode --budget 5 >"$work/log" && fail "a part without time is a success" || true
told '"not started" in r["parts"]["encode"]["note_of_time"]'

python3 -B - <<'P' || fail "limits"
import sys
sys.path.insert(0, "benchmarks/gpu")
import check
status, lines = check.run(["bash", "-c", "echo a; echo -n b; sleep 60"], 2)
assert status is None and lines == ["a"], (status, lines)
assert check.run(["bash", "-c", "echo a; echo b >&2; exit 4"], 30) == (4, ["a", "b"])
lines = [{"bench": "knn", "nq": 32768, "from": "host", "seconds": .2}, {"bench": "knn", "nq": 32768, "peer": "float32 matmul", "seconds": 3.},
         {"bench": "forward", "model": "base", "tokens_per_s": 3e6}, {"bench": "forward", "model": "base", "tokens_per_s": 4e6},
         {"bench": "forward", "model": "base", "peer": "packed bf16 x, torch.compile", "tokens_per_s": 2e6}]
rows = {row["what"]: row for row in check.goals(lines)}
knn, forward = rows["exact kNN of 32,768 of them, s"], rows["BERT-base forward, tokens/s"]
assert knn["peers"][0]["ratio"] == 15 and knn["peers"][0]["pass"], knn
assert forward["figure"] == 3.5e6 and forward["pass"] and forward["peers"][0]["ratio"] == 1.75, forward
P

# ---- the pack: the programs run with nothing but what is in it, and glibc
for program in finerouter test_cuda bench_gpu; do
    if [ ! -x "$build/$program" ] || readelf -d "$build/$program" | grep 'asan' >/dev/null; then
        echo "no $program to pack in $build, or an instrumented one"
        exit 0
    fi
done
# (fast, so large: a real one is for one GPU and compressed better)
if FR_XZ=0 FR_PACK_BYTES=1000 FR_BUILD=$build scripts/gpu-check.sh --pack "$work/pack" >"$work/log" 2>&1; then fail "no limit"; fi
grep -q 'more than 1000' "$work/log" || fail "limit: $(cat "$work/log")"
[ -s "$work/pack/commit" ] || fail "the pack has no commit"
mkdir "$work/unpacked"
tar -C "$work/unpacked" -xJf "$work/pack/pack.tar.xz"
for program in finerouter test_cuda bench_gpu; do
    outside=$(LD_LIBRARY_PATH="$work/unpacked/lib:$work/unpacked/fallback" ldd "$work/unpacked/bin/$program" | awk '$2 == "=>" { print $3 }' |
        grep -v "^$work/" | grep -Ev '/(libc|libm|libpthread|libdl|librt|libresolv|libutil|libmvec)\.so' || true)
    [ -z "$outside" ] || fail "$program needs $outside"
done
LD_LIBRARY_PATH="$work/unpacked/lib:$work/unpacked/fallback" "$work/unpacked/bin/finerouter" help keys | grep encoder.batch_tokens >/dev/null ||
    fail "the packed program does not run"
