# shellcheck shell=bash
# cluster.sh - a Slurm of its own on this machine, for a test: two nodes of eight processors each, whatever there is.
# Source it; as root:
#   cluster_start FOLDER   FOLDER is empty; sets SLURM_CONF. 1 when it does not come up (FOLDER/*.log say why)
#   cluster_stop           ends every process that has this SLURM_CONF in its environment, jobs included
#   job_state ID           PENDING, RUNNING, COMPLETED, FAILED, ...
#   job_wait ID STATE      0 when the job comes to that state, 1 when it ends in another one or 60 s have passed

cluster_pids=()

cluster_start() {
    local folder=$1 ports node
    read -ra ports < <(python3 -c "
import socket
s = [socket.socket() for _ in range(3)]
for one in s: one.bind(('127.0.0.1', 0))
print(*(one.getsockname()[1] for one in s))")
    mkdir -p "$folder"/{state,spool.a,spool.b,tmp.a,tmp.b}
    chmod 755 "$folder"
    head -c 128 /dev/urandom >"$folder/munge.key"
    chmod 400 "$folder/munge.key"
    export SLURM_CONF=$folder/slurm.conf
    cat >"$SLURM_CONF" <<C
ClusterName=finerouter-test
SlurmctldHost=$(hostname -s)(127.0.0.1)
SlurmctldPort=${ports[0]}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$folder/munge.socket,cred_expire=5
CredType=cred/munge
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool.%n
TmpFS=$folder/tmp.%n
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.%n.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.%n.log
PlugStackConfig=/dev/null
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
SchedulerType=sched/builtin
SchedulerParameters=sched_interval=1,sched_min_interval=100000,batch_sched_delay=0
KillWait=5
MinJobAge=600
ReturnToService=2
NodeName=a NodeHostname=$(hostname -s) NodeAddr=127.0.0.1 Port=${ports[1]} CPUs=8
NodeName=b NodeHostname=$(hostname -s) NodeAddr=127.0.0.1 Port=${ports[2]} CPUs=8
PartitionName=all Nodes=a,b Default=YES MaxTime=60 State=UP
C
    munged --foreground --force --key-file="$folder/munge.key" --socket="$folder/munge.socket" --pid-file="$folder/munged.pid" \
        --seed-file="$folder/munge.seed" --log-file="$folder/munged.log" >"$folder/munged.out" 2>&1 &
    cluster_pids+=($!)
    slurmctld -D -f "$SLURM_CONF" >"$folder/slurmctld.out" 2>&1 &
    cluster_pids+=($!)
    for node in a b; do
        slurmd -D -f "$SLURM_CONF" -N $node >"$folder/slurmd.$node.out" 2>&1 &
        cluster_pids+=($!)
    done
    for _ in $(seq 100); do
        [ "$(sinfo -h -t idle -o %D 2>/dev/null)" != 2 ] || return 0
        sleep 0.2
    done
    return 1
}

# The processes that were started with this SLURM_CONF: daemons, jobs, commands; not this shell, which came before it.
cluster_processes() (
    mine=SLURM_CONF=$SLURM_CONF
    unset SLURM_CONF # or the commands below would be among them
    grep -lzsF "$mine" /proc/[0-9]*/environ | cut -d/ -f3 || true
)

cluster_stop() {
    [ ${#cluster_pids[@]} -gt 0 ] || return 0
    timeout 5 scancel --signal=KILL -u root 2>/dev/null || true
    local pid signal
    for signal in TERM KILL; do
        for pid in $(cluster_processes); do
            kill -$signal "$pid" 2>/dev/null || true
        done
        for _ in $(seq 50); do
            [ -n "$(cluster_processes)" ] || break
            sleep 0.1
        done
    done
    wait "${cluster_pids[@]}" 2>/dev/null || true
    cluster_pids=()
}

job_state() {
    scontrol show job "$1" | sed -n 's/.*JobState=\([A-Z_]*\).*/\1/p' | sort -u | paste -sd,
}

job_wait() {
    local state
    for _ in $(seq 300); do
        state=$(job_state "$1")
        [ "$state" != "$2" ] || return 0
        case $state in *COMPLETED* | *FAILED* | *CANCELLED* | *TIMEOUT* | *NODE_FAIL*)
            [[ $state == *PENDING* || $state == *RUNNING* || $state == *COMPLETING* || $state == *REQUEUED* ]] ||
                { echo "job $1 is $state, want $2"; return 1; } ;;
        esac
        sleep 0.2
    done
    echo "job $1 is $state after a minute, want $2"
    return 1
}
