#!/usr/bin/env bash
# Three tiny runs are recomputed from their files by tests/check_artefacts.py, and h5dump reads every file. Needs python3 with h5py and numpy:
# skipped (exit 77) where it lacks.   usage: test_artefacts.sh BINARY
set -euo pipefail
finerouter=$(realpath "$1")
check=$(realpath "$(dirname "$0")/check_artefacts.py")
python=
for candidate in /usr/bin/python3 python3; do
    if "$candidate" -c "import h5py, numpy" 2>/dev/null; then
        python=$candidate
        break
    fi
done
[ -n "$python" ] || { echo "SKIP: python3-h5py is not installed"; exit 77; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
export OMP_NUM_THREADS=2

encoder="init: random, layers: 2, hidden: 32, heads: 2, intermediate: 64, vocabulary: 1000, max_tokens: 64"
everything="routers: [best_single, cheapest, random, oracle, dataset_oracle, ipr, stage1, stage2, full], bootstrap: 100"

# The defaults: members assigned out of fold, means shrunk, linear heads, soft assignment.
cat >frozen.yaml <<Y
threads: 2
synth: {prompts: 600, models: 4, tasks: 6}
encoder: {$encoder}
classifier: {epochs: 20, lr: 0.01}
qe: {epochs: 6, task_epochs: 4}
eval: {$everything}
Y
# As published, with whatever filters: two rounds, tau, few candidates, medians of members, hidden layers, hard assignment, graded quality.
cat >paper.yaml <<Y
threads: 2
synth: {prompts: 600, models: 5, tasks: 6, quality: graded}
encoder: {$encoder, projection: false}
discover: {rounds: 2, resolution: 3, tau: 0.85, k: 12, coverage: 0.7, min_task_size: 8, rbo_ties: a}
stage1: {members: discovered, aggregate: median, shrinkage: 0}
classifier: {epochs: 6, theta: 0.3}
qe: {epochs: 6, hidden: 16, task_epochs: 4}
route: {assignment: hard, alpha: 0.5}
eval: {$everything}
Y
# The whole encoder trained; its token ids are kept in the data file.
"$finerouter" synth --out data.h5 --set synth.prompts=400 --set synth.models=4 --set synth.tasks=5 --quiet
cat >full.yaml <<Y
threads: 2
data: {file: data.h5}
encoder: {$encoder, train: full, store: true}
discover: {resolution: 4}
classifier: {epochs: 3}
qe: {epochs: 3, task_epochs: 4}
eval: {$everything}
Y
for name in frozen paper full; do
    "$finerouter" run "$name.yaml" --out "$name" --quiet >/dev/null
    data=$name/data.h5
    [ "$name" != full ] || data=data.h5
    "$python" "$check" "$name" --data "$data" --finerouter "$finerouter"
    for file in "$data" "$name"/{embeddings,tasks,router}.h5; do
        h5dump "$file" >/dev/null || { echo "FAIL: h5dump cannot read $file"; exit 1; }
    done
done
echo "test_artefacts: the files say what the program said"
