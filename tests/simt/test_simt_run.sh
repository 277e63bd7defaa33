#!/bin/bash
# A whole run, encoder and heads trained, with the CUDA kernels: the losses of the cpu device, in bf16 nearly so. (Where a
# gradient is 0 but for rounding, Adam steps as far as elsewhere: not even f32 gives quite the same.)
# usage: test_simt_run.sh FINEROUTER_SIMT
set -u
finerouter=$1
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder" || exit 1
cat >tiny.yaml <<'Y'
threads: 1
synth: {prompts: 100, models: 3, tasks: 2}
encoder: {init: random, layers: 1, hidden: 64, heads: 2, intermediate: 96, vocabulary: 300, max_tokens: 16, train: full}
discover: {k: 5, resolution: 1, min_task_size: 5}
classifier: {epochs: 1}
qe: {epochs: 1, hidden: 8, llm_dim: 8, task_epochs: 1}
eval: {routers: [best_single, full], bootstrap: 10}
Y

# losses DEVICE: the dev losses of quality estimator and classifier
losses() {
    "$finerouter" run tiny.yaml --out "$1" --set device="$1" --set cache="cache-$1" >"$1.log" 2>&1 ||
        { tail -5 "$1.log" >&2; exit 1; }
    grep -E '^(quality estimator|classifier) .*dev loss' "$1.log" | sed 's/.*dev loss \([0-9.]*\).*/\1/' | tr '\n' ' '
}

# close WHAT GOT WANT TOLERANCE
close() {
    awk -v got="$2" -v want="$3" -v tolerance="$4" 'BEGIN {
        if (split(got, g, " ") != 2 || split(want, w, " ") != 2) exit 1
        for (i = 1; i <= 2; i++) if (!(g[i] - w[i] <= tolerance && w[i] - g[i] <= tolerance)) exit 1
    }' || { echo "$1: dev losses $2, the cpu has $3"; exit 1; }
}

cpu=$(losses cpu) && simt=$(losses simt) && bf16=$(losses simt-bf16) || exit 1
close simt "$simt" "$cpu" 0.002
close simt-bf16 "$bf16" "$cpu" 0.02
echo "cpu $cpu simt $simt simt-bf16 $bf16"
