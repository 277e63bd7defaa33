#!/usr/bin/env bash
# scripts/slurm on a Slurm of its own (tests/slurm/cluster.sh): two ranks on two nodes decide as one process does; a job that is asked to stop and one
# that is put back into the queue end like an undisturbed one; an array of a sweep gives the sweep's table.   usage: test_slurm.sh BINARY
set -euo pipefail
finerouter=$(realpath "$1")
scripts=$(realpath "$(dirname "$0")/../scripts/slurm")
source "$(dirname "$0")/slurm/cluster.sh"
[ "$(id -u)" = 0 ] || { echo "skipped: only root can start a Slurm of its own"; exit 77; }
for program in munged slurmctld slurmd sbatch srun scontrol; do
    command -v $program >/dev/null || { echo "skipped: no $program (Debian packages slurm-wlm and munge)"; exit 77; }
done
ldd "$finerouter" | grep libmpi >/dev/null || { echo "skipped: no MPI in this build"; exit 77; }
folder=$(mktemp -d)
trap 'cluster_stop; rm -rf "$folder"' EXIT
trap 'exit 1' INT TERM
cd "$folder"
failures=0
fail() {
    echo "FAIL: $*"
    failures=$((failures + 1))
}
export FINEROUTER=$finerouter OMP_WAIT_POLICY=passive OMPI_MCA_btl_vader_single_copy_mechanism=none
mkdir slurm
cluster_start "$folder/slurm" || { tail -n 20 slurm/*.log; echo "FAIL: Slurm does not start"; exit 1; }
srun --mpi=list 2>&1 | grep pmix >/dev/null || { echo "skipped: no pmix in this Slurm"; exit 77; }

cat >tiny.yaml <<'Y'
threads: 1
synth: {prompts: 600, models: 4, tasks: 6}
encoder: {init: random, layers: 2, hidden: 32, heads: 2, intermediate: 64, vocabulary: 1000, max_tokens: 64, train: full}
discover: {resolution: 1, rounds: 1}
classifier: {epochs: 3}
qe: {epochs: 12, hidden: 16, task_epochs: 4}
train: {checkpoint_seconds: 0}
eval: {routers: [best_single, full], bootstrap: 0}
report: {html: false}
Y
sed 's/prompts: 600/prompts: 300/; s/layers: 2/layers: 1/; s/epochs: 12/epochs: 2/; s/^threads/device: ref\nthreads/' tiny.yaml >small.yaml
cat >sweep.yaml <<'Y'
config: tiny.yaml
grid: {route.alpha: [0.3, 1], discover.resolution: [1, 2]}
Y

# start NAME CONFIG OPTIONS...: a job in a folder NAME; sets job.
start() {
    mkdir "$1"
    job=$(cd "$1" && sbatch --parsable --output=job.out "${@:3}" "$scripts/run.sbatch" "../$2" --out run --quiet)
}

# ended JOB NAME
ended() {
    job_wait "$1" COMPLETED || { cat "$2"/*.out; fail "$2"; }
}

# until_there PATTERN: a file of that name, within a minute.
until_there() {
    for _ in $(seq 600); do
        ! compgen -G "$1" >/dev/null || return 0
        sleep 0.1
    done
    fail "no $1"
}

# What a run decides, and with which ranks.
decisions() {
    python3 -c "
import json
for row in map(json.loads, open('$1/run/predictions.jsonl')):
    print(row['id'], row['split'], row['task'], row['ranking'])"
}
ranks() {
    python3 -c "import json; print(json.load(open('$1/run/environment.json'))['ranks'])"
}
restarts() { # of all elements of an array
    scontrol show job "$1" | awk -F 'Restarts=' 'NF > 1 { n += $2 } END { print n + 0 }'
}

# ---- two ranks, one on each node; in f64, where another order of sums decides nothing ----
start two small.yaml --nodes=2 --ntasks-per-node=1
two=$job
start whole tiny.yaml --nodes=2 --ntasks-per-node=1
whole=$job
(mkdir alone && cd alone && "$finerouter" run ../small.yaml --out run --quiet >/dev/null)
ended "$two" two
[ "$(ranks two)" = 2 ] || fail "$(ranks two) ranks, want 2"
decisions alone >want
decisions two | diff want - >difference || { head -5 difference; fail "two ranks decide otherwise than one process"; }

# ---- asked to stop, as before a time limit; put back into the queue, as when preempted ----
start stopped tiny.yaml --nodes=2 --ntasks-per-node=1
stopped=$job
until_there "stopped/.cache/*.checkpoint.h5"
scancel --signal=USR1 "$stopped"
start requeued tiny.yaml --nodes=1 --export=ALL,SLURM_GPUS_ON_NODE=2 # a rank for each GPU
requeued=$job
until_there "requeued/.cache/*.checkpoint.h5"
scontrol requeue "$requeued"
"$finerouter" sweep sweep.yaml --out at-once --quiet >/dev/null
ended "$whole" whole
ended "$stopped" stopped
ended "$requeued" requeued
for name in stopped requeued; do
    [ "$(ranks $name)" = 2 ] || fail "$name: $(ranks $name) ranks, want 2"
    [ "$(restarts "${!name}")" = 1 ] || fail "$name: $(restarts "${!name}") restarts, want 1"
    cmp whole/run/predictions.jsonl $name/run/predictions.jsonl || fail "$name: other predictions than undisturbed"
    if compgen -G "$name/.finerouter-stopped-*"; then fail "$name: the note was left behind"; fi
    if compgen -G "$name/.cache/*.checkpoint.h5"; then fail "$name: checkpoints left behind"; fi
done
grep -q "goes back into the queue" stopped/job.out || { cat stopped/job.out; fail "exit code 3 was not taken for a stop"; }

# ---- a sweep as an array, whose elements are asked to stop too ----
mkdir array
"$scripts/sweep.sbatch" --output=array/%A_%a.out sweep.yaml --out array/sweep --quiet >submitted
grep -q "^sweep.yaml: 2 lines of --list in array [0-9]*, the table in job [0-9]*$" submitted || { cat submitted; fail "submission"; }
read -r array table < <(sed 's/.*array \([0-9]*\),.*job \([0-9]*\)/\1 \2/' submitted)
until_there "array/sweep/.cache/*.checkpoint.h5"
scancel --signal=USR1 "$array"
ended "$table" array
[ "$(restarts "$array")" -ge 1 ] || fail "no element of the array was restarted"
figures() {
    python3 -c "
import csv, sys
for row in csv.DictReader(open('$1/sweep.csv')):
    assert float(row.pop('seconds')) > 0 and not row['error']
    print(row)"
}
diff <(figures at-once) <(figures array/sweep) || fail "the table of the array differs from that of the sweep"
grep -q "^>" array/"$table"_*.out || { cat array/*.out; fail "no table in the output of the last job"; }

# ---- fewer elements than lines, and all in one job ----
"$scripts/sweep.sbatch" --output=array/%A_%a.out --array=0-0 sweep.yaml --out array/short --quiet >submitted
one=$(sbatch --parsable --output=array/one.out "$scripts/sweep.sbatch" sweep.yaml --out array/one --quiet)
ended "$(sed 's/.*job //' submitted)" array
ended "$one" array
for name in short one; do
    diff <(figures at-once) <(figures array/$name) || fail "$name: another table"
done

# ---- what goes wrong is the job's failure ----
bad=$(sbatch --parsable --output=array/bad.out --ntasks=2 "$scripts/run.sbatch" nowhere.yaml)
job_wait "$bad" FAILED || fail "a wrong config is no failure"
[ "$(grep -c "finerouter: nowhere.yaml" array/bad.out)" = 1 ] || { cat array/bad.out; fail "no line says what is wrong, or several do"; }

# ---- ranks that stop one after the other are not killed by the first one's exit code ----
printf '#!/bin/sh\nsleep $SLURM_PROCID\necho rank $SLURM_PROCID is through\nexit 3\n' >slow
chmod +x slow
slow=$(FINEROUTER=$folder/slow sbatch --parsable --no-requeue --output=array/slow.out --ntasks=2 "$scripts/run.sbatch" any.yaml)
job_wait "$slow" FAILED || fail "a job that may not be requeued ended well after a stop"
grep -q "rank 1 is through" array/slow.out && grep -q "goes back" array/slow.out || { cat array/slow.out; fail "the second rank was killed"; }
scontrol show job "$slow" | grep -q "ExitCode=3:0" || fail "the exit code of a stop is not the job's"

# ---- nothing stays ----
cluster_stop
[ -z "$(cluster_processes)" ] || fail "processes are left: $(cluster_processes)"

[ $failures = 0 ] && echo "slurm: all as it should be"
exit $((failures > 0))
