#!/usr/bin/env bash
# The command line: help everywhere, exit codes, one clear line an error.   usage: test_cli.sh BINARY
set -euo pipefail
finerouter=$(realpath "$1")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
failures=0

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
    elif [ "$code" != 0 ] && [ "$(grep -c '^finerouter: ' err)" -gt 1 ]; then
        echo "FAIL: more than one error line from: $*"; cat err
        failures=$((failures + 1))
    fi
}

expect 0 "usage: finerouter COMMAND" "$finerouter" help
expect 0 "usage: finerouter COMMAND" "$finerouter" --help
expect 2 "usage: finerouter COMMAND" "$finerouter"
expect 0 "finerouter 0" "$finerouter" --version
for command in run import synth info embed discover train eval route report help; do
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
expect 1 "built without CUDA" "$finerouter" run none.yaml --set synth.prompts=100 --set device=cuda
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

[ $failures = 0 ] && echo "test_cli: all as expected" || exit 1
