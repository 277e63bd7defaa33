#!/usr/bin/env bash
# encoder.store: a data file carries token ids and embeddings; a second machine (another cache) computes neither again and gets the same
# bits; the content hash of the data stays.   usage: test_store.sh BINARY
set -euo pipefail
finerouter=$(realpath "$1")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

"$finerouter" synth --out data.h5 --set synth.prompts=300 --quiet
before=$("$finerouter" info data.h5 --json | grep '"hash"')
cat >a.yaml <<'Y'
threads: 1
data: {file: data.h5}
encoder: {init: random, layers: 1, hidden: 32, heads: 2, intermediate: 64, vocabulary: 1000, max_tokens: 64, store: true}
Y
"$finerouter" embed a.yaml --out one/run 2>log
grep -q "embed prompts" log
[ "$before" = "$("$finerouter" info data.h5 --json | grep '"hash"')" ] || { echo "FAIL: the data's hash changed"; exit 1; }
stored=$(sha256sum <data.h5)

mv one first
sleep 1.1
"$finerouter" embed a.yaml --out one/run 2>log
if grep -q "embed prompts" log; then echo "FAIL: embedded again"; cat log; exit 1; fi
[ "$stored" = "$(sha256sum <data.h5)" ] || { echo "FAIL: the data file was written though nothing was new"; exit 1; }
cmp first/run/embeddings.h5 one/run/embeddings.h5

# Other keys, other embeddings: the stored ones are not taken for them.
"$finerouter" embed a.yaml --out three/run --set encoder.max_tokens=32 2>log
grep -q "embed prompts" log || { echo "FAIL: stored embeddings of another max_tokens were taken"; exit 1; }
echo "test_store: as expected"
