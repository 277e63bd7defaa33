#!/usr/bin/env bash
# The command line: help everywhere, exit codes, one clear line an error.   usage: test_cli.sh BINARY
set -euo pipefail
finerouter=$(realpath "$1")
root=$(realpath "$(dirname "$0")/..")
folder=$(mktemp -d)
pid=
trap '[ -z "$pid" ] || kill -9 $pid 2>/dev/null || true; umount "$folder/small" 2>/dev/null || true; rm -rf "$folder"' EXIT
cd "$folder"
export OMP_NUM_THREADS=2 OMP_WAIT_POLICY=passive
failures=0
fail() {
    echo "FAIL: $*"
    failures=$((failures + 1))
}

# expect CODE PART COMMAND...: the exit code, a part of the output, and that an error is one line.
expect() {
    local code=$1 part=$2 got=0
    shift 2
    "$@" >out 2>err </dev/null || got=$?
    if [ "$got" != "$code" ]; then
        echo "FAIL: exit $got, want $code: $*"; cat out err
        failures=$((failures + 1))
    elif ! grep -qF -- "$part" out err; then
        echo "FAIL: no \"$part\" from: $*"; cat out err
        failures=$((failures + 1))
    elif [ "$code" != 0 ] && [ -s err ] && [ "$(grep -c '^finerouter: ' err)" != 1 ]; then
        echo "FAIL: want one error line from: $*"; cat err
        failures=$((failures + 1))
    fi
}

expect 0 "usage: finerouter COMMAND" "$finerouter" help
expect 0 "usage: finerouter COMMAND" "$finerouter" --help
expect 2 "usage: finerouter COMMAND" "$finerouter"
expect 0 "finerouter 0" "$finerouter" --version
for command in run import synth describe info embed discover train eval sweep route export report help; do
    expect 0 "usage: finerouter $command" "$finerouter" $command --help
    expect 0 "usage: finerouter $command" "$finerouter" help $command
done
expect 0 "discover.rbo_p" "$finerouter" help keys
expect 0 "discover.rbo_p" "$finerouter" run --help
expect 0 "complete -F _finerouter" "$finerouter" help completion
expect 2 "unknown command" "$finerouter" rum
expect 2 "unknown topic" "$finerouter" help nothing
expect 2 "unknown flag --outt" "$finerouter" run --outt x a.yaml
expect 2 "want CONFIG" "$finerouter" run
expect 2 "one argument too many" "$finerouter" run a b
expect 2 "--out wants DIR" "$finerouter" run a.yaml --out
expect 2 "takes no value" "$finerouter" run a.yaml --quiet=1
expect 2 "a.yaml: cannot open" "$finerouter" run a.yaml
expect 2 "want --out FILE" "$finerouter" synth --set synth.prompts=100
expect 2 "want at least 50" "$finerouter" synth --out a.h5
expect 2 "did you mean synth.prompts?" "$finerouter" synth --out a.h5 --set synth.prompt=100
expect 1 "nothing.h5" "$finerouter" info nothing.h5
expect 1 "no such run folder" "$finerouter" report nothing
expect 1 "nothing" "$finerouter" route nothing --prompt x
expect 2 "want one of --prompt TEXT and --file FILE" "$finerouter" route nothing

echo "discover: {kk: 1}" >bad.yaml
expect 2 "bad.yaml:1: unknown key discover.kk; did you mean discover.k?" "$finerouter" run bad.yaml
echo "seed: 1" >none.yaml
expect 2 "no data source is set" "$finerouter" run none.yaml
expect 2 "unknown router nobody" "$finerouter" run none.yaml --set synth.prompts=100 --set eval.routers=nobody
# Without a GPU: one line whether or not the build has CUDA.
if [ ! -e /dev/nvidia0 ]; then
    expect 1 "want cpu, ref or auto" "$finerouter" run none.yaml --set synth.prompts=100 --set device=cuda
    expect 1 "device: cuda-bf16" "$finerouter" run none.yaml --set synth.prompts=100 --set device=cuda-bf16
    expect 1 "; no GPU, because: " "$finerouter" run none.yaml --set synth.prompts=100 --set encoder.path=nowhere
fi
expect 1 "only in test programs" "$finerouter" run none.yaml --set synth.prompts=100 --set device=simt
expect 1 "no encoder there" "$finerouter" run none.yaml --set synth.prompts=100 --set encoder.path=nowhere

# A data file made, described, and damaged.
expect 0 "hash" "$finerouter" synth --out a.h5 --set synth.prompts=400 --set synth.models=3
expect 0 "best single model" "$finerouter" info a.h5
"$finerouter" info a.h5 --json >info.json
python3 -c "import json; d = json.load(open('info.json')); assert d['prompts'] == 400 and len(d['models']) == 3, d"
head -c 3000 a.h5 >cut.h5
expect 1 "cut.h5" "$finerouter" info cut.h5
echo text >text.h5
expect 1 "text.h5" "$finerouter" info text.h5
if [ "$(id -u)" != 0 ]; then
    mkdir closed && chmod 500 closed
    expect 1 "closed" "$finerouter" synth --out closed/a.h5 --set synth.prompts=400
fi

# Import: JSON Lines with an error in line 2, and a good CSV.
printf '%s\n' '{"id":"a","prompt":"x","quality":{"m":1,"n":0}}' '{"id":"b","prompt":"y","quality":{"m":"good"}}' >bad.jsonl
expect 1 "bad.jsonl:2" "$finerouter" import bad.jsonl --out b.h5
[ ! -e b.h5 ] || { echo "FAIL: a failed import left b.h5"; failures=$((failures + 1)); }
{
    echo prompt_id,prompt,model,quality,cost
    for i in $(seq 1 60); do
        echo "$i,\"prompt, number $i\",m,$((i % 2)),0.001"
        echo "$i,\"prompt, number $i\",n,$((i % 3 == 0)),0.002"
    done
} >good.csv
expect 0 "60 prompts x 2 models" "$finerouter" import good.csv --out c.h5
expect 0 "60" "$finerouter" info c.h5


# Imports refused: the line that is wrong is named, and the file that was there stays whole.
cp c.h5 kept.h5
# bad PART JSONL [MODELS]
bad() {
    local models=()
    printf '%b' "$2" >x.jsonl
    if [ $# = 3 ]; then
        printf '%s' "$3" >models.json
        models=(--models models.json)
    fi
    expect 1 "$1" "$finerouter" import x.jsonl --out kept.h5 "${models[@]}"
    cmp -s c.h5 kept.h5 || fail "the import that fails with \"$1\" changed the old file"
}
one='{"id":"a","prompt":"p","quality":{"m":1,"n":0}}\n'
bad "x.jsonl:2: no valid JSON" "$one"'{"id":"b"\n'
bad "x.jsonl:2: no valid JSON" "$one"'{"id":"b","prompt":"p'
bad "x.jsonl:2: invalid UTF-8" "$one"'{"id":"b","prompt":"\xff","quality":{"m":1}}\n'
bad "x.jsonl:2: " "$one"'{"id":"b","prompt":"  ","quality":{"m":1}}\n'
bad "x.jsonl:2: " "$one$one"
bad "x.jsonl:2: " "$one"'{"id":"b","prompt":"p","quality":{"m":"good"}}\n'
bad "x.jsonl:2: " "$one"'{"id":"b","prompt":"p","quality":{"m":1e999}}\n'
bad "x.jsonl:2: " "$one"'{"id":"b","prompt":"p","quality":{"m":Infinity}}\n'
sixty=$(for i in $(seq 1 60); do printf '{"id":"%s","prompt":"prompt %s","quality":{"m":1,"n":0}}\\n' "$i" "$i"; done)
bad "has no observed quality" "$sixty"'{"id":"b","prompt":"p","quality":{}}\n'
bad "want at least 2" "${sixty//,\"n\":0/}"
bad "split is empty" "$one"
bad "x.jsonl" ""
bad 'model "o" of models.json has no observed quality' "$sixty" '[{"name":"m"},{"name":"n"},{"name":"o"}]'
bad "models.json" "$sixty" '[{"name":"m","input_usd_per_mtok":-1},{"name":"n"}]'
bad "models.json" "$sixty" '[{"name":"m"'
expect 1 "nothing.jsonl" "$finerouter" import nothing.jsonl --out kept.h5
expect 1 "nowhere" "$finerouter" import good.csv --out nowhere/kept.h5
# Unknown prices are no error.
printf '%b' "$sixty" >x.jsonl
echo '[{"name":"m","input_usd_per_mtok":null},{"name":"n"}]' >models.json
expect 0 "60 prompts x 2 models" "$finerouter" import x.jsonl --models models.json --out free.h5
expect 0 "unknown" "$finerouter" info free.h5

# A run without any prices.
cat >tiny.yaml <<'Y'
threads: 2
data: {file: free.h5}
encoder: {init: random, layers: 1, hidden: 16, heads: 2, intermediate: 32, vocabulary: 500, max_tokens: 32, train: full}
discover: {resolution: 1, min_task_size: 5}
stage1: {members: discovered}
classifier: {epochs: 1}
qe: {epochs: 1, hidden: 8, llm_dim: 8, task_epochs: 1}
eval: {routers: [best_single, full], bootstrap: 10}
Y
expect 0 "full" "$finerouter" run tiny.yaml --out good/run
expect 0 "report.html" "$finerouter" report good/run

# Encoder folders that are not what they claim.
encoder=$(echo good/.cache/encoder-*)
cat >spoil.py <<'P'
import json, struct, sys
path, how = sys.argv[1:]
raw = open(path, "rb").read()
size = struct.unpack("<Q", raw[:8])[0]
header, data = json.loads(raw[8:8 + size]), raw[8 + size:]
name = next(n for n in sorted(header) if n.endswith("attention.self.query.weight"))
if how == "missing":
    del header[name]
elif how == "shape":
    header[name]["shape"] = [header[name]["shape"][0] // 2, header[name]["shape"][1] * 2]
elif how == "offsets":
    header[name]["data_offsets"][1] += 1 << 40
text = json.dumps(header).encode()
text += b" " * (-len(text) % 8)
size = {"huge": 1 << 62, "short": len(text) - 30}.get(how, len(text))
open(path, "wb").write(struct.pack("<Q", size) + text + data)
P
pretrained=(--set encoder.init=pretrained --set encoder.path=encoder)
for how in same missing shape offsets huge short; do
    rm -rf encoder
    cp -r "$encoder" encoder
    python3 spoil.py encoder/model.safetensors $how
    if [ $how = same ]; then
        expect 0 "" "$finerouter" embed tiny.yaml --out bad/run "${pretrained[@]}"
    else
        expect 1 "model.safetensors" "$finerouter" embed tiny.yaml --out bad/run "${pretrained[@]}"
    fi
done
head -c 2000 "$encoder/model.safetensors" >encoder/model.safetensors
expect 1 "model.safetensors" "$finerouter" embed tiny.yaml --out bad/run "${pretrained[@]}"
rm -f encoder/vocab.txt encoder/tokenizer.json
expect 1 "encoder" "$finerouter" embed tiny.yaml --out bad/run "${pretrained[@]}"

# Routing.
expect 0 '"ranking"' "$finerouter" route good/run --prompt "Sort a list."
expect 1 "prompt 1 is empty" "$finerouter" route good/run --prompt ""
expect 1 "prompt 1 is empty" "$finerouter" route good/run --prompt "  "
expect 1 "prompt 1: invalid UTF-8 at byte 3" "$finerouter" route good/run --prompt $'ab\xff'
expect 0 '"model"' "$finerouter" route good/run --prompt "$(head -c 100000 /dev/zero | tr '\0' x)"
expect 0 '"model"' "$finerouter" route good/run --prompt "$(yes 'many words' | head -c 100000 || true)"
printf 'first\n\n  \nsecond\r\n' >lines.txt
expect 0 "" "$finerouter" route good/run --name --file lines.txt
[ "$(wc -l <out)" = 2 ] || fail "want 2 answers to 2 prompts between empty lines"
! grep -q null err || fail "progress without a name"
printf 'first\n\xc3(\n' >lines.txt
expect 1 "lines.txt:2: invalid UTF-8" "$finerouter" route good/run --file lines.txt
printf 'first\nse\0cond\n' >lines.txt
expect 1 "lines.txt:2: holds a NUL" "$finerouter" route good/run --file lines.txt
printf '{"prompt":"x"}\n{"prompt":\n' >lines.jsonl
expect 1 "lines.jsonl:2: not JSON" "$finerouter" route good/run --file lines.jsonl
printf '{"prompt":"x"}\n{"prompt":""}\n' >lines.jsonl
expect 1 "lines.jsonl:2: has no" "$finerouter" route good/run --file lines.jsonl
expect 1 "missing.txt: cannot open" "$finerouter" route good/run --file missing.txt
expect 1 "good: cannot read: Is a directory" "$finerouter" route good/run --file good
expect 2 "--alpha" "$finerouter" route good/run --prompt x --alpha 2
mkdir cut
head -c 5000 good/run/router.h5 >cut/router.h5
expect 1 "cut/router.h5" "$finerouter" route cut --prompt x
cp a.h5 cut/router.h5
expect 1 "cut/router.h5" "$finerouter" route cut --prompt x
expect 1 "elsewhere: the text encoder of this router is not there" "$finerouter" route good/run --prompt x --encoder elsewhere
expect 1 "encoder_tiny" "$finerouter" route good/run --prompt x --encoder "$root/tests/golden/encoder_tiny"
mv "$encoder" moved
expect 1 "the text encoder of this router is not there" "$finerouter" route good/run --prompt x
expect 0 '"model"' "$finerouter" route good/run --prompt x --encoder moved
python3 spoil.py moved/model.safetensors shape
expect 1 "is not the text encoder" "$finerouter" route good/run --prompt x --encoder moved

# A cached result that is damaged is told, not used.
cp -r good damaged
mv moved "damaged/${encoder#good/}"
for file in damaged/.cache/phase1-*.h5; do
    head -c 1000 "$file" >part
    mv part "$file"
done
expect 1 "damaged/.cache/" "$finerouter" run tiny.yaml --out damaged/run

# Two at once in one folder; Ctrl-C; the checkpoint of another config. Training goes on for long, and is held while the second tries.
long=(--set qe.epochs=1000 --set qe.patience=0 --set train.checkpoint_seconds=0)
# train_until_checkpoint FOLDER [FLAGS...]
train_until_checkpoint() {
    local out=$1
    shift
    "$finerouter" run tiny.yaml --out "$out/run" --quiet "${long[@]}" "$@" >/dev/null 2>held.err &
    pid=$!
    until compgen -G "$out/.cache/phase1-*.checkpoint.h5" >/dev/null; do
        if ! kill -0 $pid 2>/dev/null; then
            fail "no checkpoint was written"
            cat held.err
            exit 1
        fi
        sleep 0.02
    done
}
train_until_checkpoint held
kill -STOP $pid
expect 1 "held/run: another finerouter is writing into this folder" "$finerouter" run tiny.yaml --out held/run "${long[@]}"
kill -INT $pid
kill -CONT $pid
code=0
wait $pid || code=$?
pid=
if [ $code != 3 ] || [ "$(wc -l <held.err)" != 1 ]; then
    fail "exit $code after Ctrl-C, want 3 and one line"
    cat held.err
fi
train_until_checkpoint other --set qe.lr=0.005
kill -INT $pid
wait $pid || true
pid=
other=$(echo other/.cache/phase1-*.checkpoint.h5)
cp held/.cache/phase1-*.checkpoint.h5 "$other"
expect 1 "a checkpoint of another config" "$finerouter" run tiny.yaml --out other/run "${long[@]}" --set qe.lr=0.005
head -c 1000 "$other" >part
mv part "$other"
expect 1 "not a usable checkpoint" "$finerouter" run tiny.yaml --out other/run "${long[@]}" --set qe.lr=0.005

# No space, and no right to write: one line, the old files stay, and the same command ends the work once there is room.
mkdir small
if [ "$(id -u)" = 0 ] && mount -t tmpfs -o size=64k finerouter-test small 2>/dev/null; then
    expect 1 "No space left on device" "$finerouter" run tiny.yaml --out small/run
    [ -z "$(find small -name '.*.tmp-*')" ] || fail "a temporary file stays after the disk was full"
    mount -o remount,size=64m small
    expect 0 "full" "$finerouter" run tiny.yaml --out small/run
    cp -r small/run before
    mount -o remount,ro small
    expect 1 "small/run" "$finerouter" run tiny.yaml --out small/run --set seed=2
    expect 1 "small/a.h5" "$finerouter" synth --out small/a.h5 --set synth.prompts=400
    diff -r before small/run || fail "a run that could not write changed files"
    umount small
else
    echo "skipped: no space left, read-only (mounting needs root)"
fi

[ $failures = 0 ] && echo "test_cli: all as expected" || exit 1
