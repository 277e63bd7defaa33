#!/usr/bin/env bash
# The preference graph on 1, 2 and 4 ranks of this machine: seconds, CPU seconds, peak memory of each rank.
#   usage: memory.sh BUILD FOLDER [prompts] [d] [models]     (BUILD: configured with FR_BENCHMARKS=ON)
set -euo pipefail
build=$(realpath "$1") folder=$2 prompts=${3:-200000} d=${4:-384} models=${5:-11}
mkdir -p "$folder"
cd "$folder"
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMP_WAIT_POLICY=passive
for n in 2000 "$prompts"; do # the small one: what a process takes whatever it does
    [ -e "data-$n.h5" ] || "$build/bench_split_graph" "data-$n.h5" "$n" "$d" "$models"
    echo "data: {file: data-$n.h5}" >"graph-$n.yaml"
    for ranks in 1 2 4; do
        uptime
        launch=() threads=1
        if [ $ranks = 1 ]; then threads=$(nproc); else launch=(mpirun --oversubscribe -n $ranks); fi
        time OMP_NUM_THREADS=$threads "${launch[@]}" "$build/finerouter" graph "graph-$n.yaml" --out "$ranks-$n" --set "threads=$threads" --quiet
    done
done
