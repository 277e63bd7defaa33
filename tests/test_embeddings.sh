#!/usr/bin/env bash
# Embeddings that come with the data: RouterEval's .npz is imported with them, and a run with encoder.embeddings: data routes by them. The
# embeddings give the right model away and the texts say nothing, so the quality tells which of the two were used.
# usage: test_embeddings.sh BINARY
set -euo pipefail
finerouter=$(realpath "$1")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
export OMP_NUM_THREADS=2 OMP_WAIT_POLICY=passive
fail() {
    echo "FAIL: $*"
    exit 1
}
# refuses CODE TEXT COMMAND...: the exit code and one line of error that holds the text
refuses() {
    local code=$1 text=$2 got=0
    shift 2
    "$@" >out 2>err || got=$?
    [ "$got" = "$code" ] || { cat err; fail "exit $got, want $code: $*"; }
    grep -qF -- "$text" err || { cat err; fail "no \"$text\" from: $*"; }
    [ "$(grep -c '^finerouter: ' err)" = 1 ] || { cat err; fail "want one line of error from: $*"; }
}

# Three models, each right on every third prompt; 5 numbers far from unit length, of which three tell the model.
python3 - <<'P'
import random, struct, zipfile
random.seed(3)

def npy(kind, shape, raw):
    head = str({"descr": kind, "fortran_order": False, "shape": shape}).encode()
    head += b" " * (-(len(head) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head + raw

def texts(values):
    width = max(map(len, values))
    return npy("<U%d" % width, (len(values),), b"".join(v.ljust(width, "\0").encode("utf-32-le") for v in values))

def numbers(rows):
    return npy("<f4", (len(rows), len(rows[0])), b"".join(struct.pack("<%df" % len(r), *r) for r in rows))

with zipfile.ZipFile("eval.npz", "w") as out:
    out.writestr("model.npy", texts(["one", "two", "three"]))
    for split, count in (("train", 240), ("val", 60), ("test", 60)):
        out.writestr(split + "_prompt.npy", texts(["%s question %d" % (split, i) for i in range(count)]))
        out.writestr(split + "_score.npy", numbers([[float(m == i % 3) for m in range(3)] for i in range(count)]))
        out.writestr(split + "_embed.npy", numbers([[(c == i % 3) * 40 + random.gauss(0, 8) for c in range(5)] for i in range(count)]))
P
"$finerouter" import eval.npz --out data.h5 2>log
! grep -q warning log || { cat log; fail "the import warns"; }
"$finerouter" info data.h5 >out
grep -qF "embeddings of the prompts, 5 numbers each" out || { cat out; fail "info does not tell of the embeddings"; }
"$finerouter" info data.h5 --json | grep -q '"embedding_width": 5' || fail "info --json has no embedding_width"

cat >tiny.yaml <<'Y'
threads: 2
data: {file: data.h5}
encoder: {init: random, layers: 1, hidden: 32, heads: 2, intermediate: 64, vocabulary: 500, max_tokens: 64, embeddings: data}
discover: {k: 10, resolution: 1}
classifier: {epochs: 8}
qe: {epochs: 15, task_epochs: 4}
eval: {routers: [best_single, knn, linear, routerdc, avengers, full], bootstrap: 100}
routerdc: {epochs: 20}
report: {html: true}
Y
"$finerouter" run tiny.yaml --out data/run --quiet >table
"$finerouter" run tiny.yaml --out text/run --quiet --set encoder.embeddings=text >table2
python3 - <<'P'
import json
quality = {which: {n: r["quality"] for n, r in json.load(open(which + "/run/metrics.json"))["routers"].items()} for which in ("data", "text")}
for name in ("knn", "linear", "routerdc", "avengers", "full"):
    assert quality["data"][name] > .95, (name, quality["data"])
for name in ("knn", "linear", "full"):
    assert quality["text"][name] < .6, (name, quality["text"])
facts = json.load(open("data/run/metrics.json"))
assert facts["encoder"] == "embeddings of the data", facts["encoder"]
P
! ls -d data/.cache/encoder-* >/dev/null 2>&1 || fail "a text encoder was made though the data has embeddings"
grep -q "embeddings of the data" data/run/report.html || fail "the report does not say where the embeddings come from"
"$finerouter" export data/run --format csv --out out.csv --quiet
[ "$(wc -l <out.csv)" = 361 ] || fail "export: $(wc -l <out.csv) lines"

# Unit length unless normalize says no.
h5dump=$(command -v h5dump || true)
if [ -n "$h5dump" ]; then
    "$finerouter" embed tiny.yaml --out plain/run --quiet --set encoder.normalize=false
    h5dump -d /prompts/embedding -y data.h5 | sed 1,4d >came
    h5dump -d /prompt -y plain/run/embeddings.h5 | sed 1,4d >used
    cmp came used || fail "normalize: false changes the embeddings"
    h5dump -d /description -y plain/run/embeddings.h5 | sed 1,4d >used
    cmp came used || fail "descriptions have other embeddings"
    h5dump -d /prompt -y data/run/embeddings.h5 | sed 1,4d >used
    python3 - <<'P'
import math, re
came, used = ([float(x) for x in re.findall(r"[-+.0-9e]*[0-9]", open(name).read())] for name in ("came", "used"))
assert len(came) == len(used) == 360 * 5, (len(came), len(used))
for i in range(0, len(came), 5):
    length = math.sqrt(sum(x * x for x in came[i:i + 5]))
    assert all(abs(x / length - y) < 1e-5 for x, y in zip(came[i:i + 5], used[i:i + 5])), i
P
fi

# Another embedding is another run: nothing of the first is reused.
python3 - <<'P'
import zipfile
with zipfile.ZipFile("eval.npz") as old, zipfile.ZipFile("other.npz", "w") as new:
    for name in old.namelist():
        raw = bytearray(old.read(name))
        if name == "train_embed.npy":
            raw[-1] ^= 0x80 # a sign
        new.writestr(name, bytes(raw))
P
"$finerouter" import other.npz --out other.h5 --quiet
before=$(ls data/.cache | wc -l)
"$finerouter" discover tiny.yaml --out data/other --quiet --set data.file=other.h5
[ "$(ls data/.cache | wc -l)" -gt "$before" ] || fail "tasks of other embeddings were reused"

# A router of them has nothing to embed a new prompt with.
refuses 1 "data/run/router.h5: was trained on embeddings that came with the data (encoder.embeddings: data) and has no text encoder to embed a new prompt" \
    "$finerouter" route data/run --prompt "train question 7"
"$finerouter" route text/run --prompt "train question 7" | grep -q '"ranking"'

# Straight from the table, and what does not go together.
"$finerouter" embed tiny.yaml --out import/run --quiet --set data.file= --set data.import=eval.npz
"$finerouter" synth --out made.h5 --set synth.prompts=100 --quiet
refuses 1 "made.h5: has no /prompts/embedding; want encoder.embeddings: text, or a data file with them" \
    "$finerouter" embed tiny.yaml --out none/run --set data.file=made.h5
refuses 2 "encoder.train is full with encoder.embeddings: data" "$finerouter" run tiny.yaml --out none/run --set encoder.train=full
refuses 2 "routerdc.encoder is full with encoder.embeddings: data" "$finerouter" run tiny.yaml --out none/run --set routerdc.encoder=full
echo "test_embeddings: as expected"
