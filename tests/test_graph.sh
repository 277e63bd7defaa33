#!/usr/bin/env bash
# finerouter graph: shards out of a data file with stored embeddings; discover goes on from them to the same tasks, bit for bit, as it
# does alone, and with them alone (no neighbours are searched); folds are refused.   usage: test_graph.sh BINARY
set -euo pipefail
finerouter=$(realpath "$1")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_btl_vader_single_copy_mechanism=none

"$finerouter" synth --out data.h5 --set synth.prompts=900 --quiet
cat >a.yaml <<'Y'
threads: 1
data: {file: data.h5}
encoder: {init: random, layers: 1, hidden: 32, heads: 2, intermediate: 64, vocabulary: 1000, max_tokens: 64, store: true}
discover: {resolution: 2, tau: 0.1}
Y
"$finerouter" discover a.yaml --out one/run --quiet
ranks=
command -v mpirun >/dev/null && ranks="mpirun --oversubscribe -n 2"
$ranks "$finerouter" graph a.yaml --out two/run --quiet >said
grep -Eq '^7[0-9][0-9] nodes, [0-9]+ edges in [12] shards?; [0-9.]+ s; peak memory of each rank [0-9]+(, [0-9]+)? MiB; ' said || { echo "FAIL: it says"; cat said; exit 1; }

# Shards do not depend on tau and weight.
"$finerouter" discover a.yaml --out three/run --set discover.graph=two/run/graph 2>log
cmp one/run/tasks.h5 three/run/tasks.h5
grep -q "two/run/graph: 7.* nodes" log && ! grep -q "neighbours: " log || { echo "FAIL: the graph was not read"; cat log; exit 1; }

if "$finerouter" discover a.yaml --out four/run --set discover.graph=two/run/graph --set discover.k=9 --quiet 2>log; then echo "FAIL: another k was taken"; exit 1; fi
grep -q "made with discover.k: 20, want discover.k: 9" log
if "$finerouter" eval a.yaml --out five/run --set discover.graph=two/run/graph --set eval.folds=3 --quiet 2>log; then echo "FAIL: folds were taken"; exit 1; fi
grep -q "want eval.folds 0" log
if "$finerouter" graph a.yaml --out six/run --set discover.graph=two/run/graph --quiet 2>log; then echo "FAIL: graph of a graph"; exit 1; fi
grep -q "discover.graph is set" log
echo "test_graph: as expected"
