#!/usr/bin/env python3
"""Runs config.yaml on some numbers of ranks, one thread each, and holds the stages beside `finerouter plan`.

usage: measure.py BINARY [RANKS ...]     default: 1 2 4
       measure.py BINARY --table         the table again, out of results/
Prints the Markdown table of README.md and writes results/ranks-R.json. A stage's time is the processor time of its
slowest rank, user and system, so that other work on the machine does not count; wall seconds stand beside it."""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
CONFIG = os.path.join(HERE, "config.yaml")
# rows of the table: measured stages, and the plan's in them. What is done between two stages' ends is the later one's
# here: the choice of theta is phase 2's, the files of the run folder are evaluation's.
ROWS = [("data", ["data"], ["data"]), ("embed", ["embed"], ["embed"]),
        ("neighbours, rbo, leiden", ["discover"], ["neighbours", "rbo", "leiden"]), ("phase1", ["phase1"], ["phase1"]),
        ("classifier", ["classifier"], ["classifier"]), ("stage1", ["stage1"], ["stage1"]),
        ("phase2, score", ["phase2", "score"], ["phase2", "score"]),
        ("evaluate, finish", ["evaluate", "finish"], ["evaluate", "finish"])]
TICK = os.sysconf("SC_CLK_TCK")


def descendants(pid):
    found = [pid]
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/children") as children:
            for child in children.read().split():
                found += descendants(int(child))
    return found


def sample(pid):
    """Processor seconds and peak bytes of every finerouter process below pid."""
    cpu, peak = {}, {}
    try:
        for process in descendants(pid):
            with open(f"/proc/{process}/stat") as stat:
                fields = stat.read()
            if "(finerouter)" not in fields:
                continue
            values = fields.rsplit(")", 1)[1].split()
            cpu[process] = (int(values[11]) + int(values[12])) / TICK
            with open(f"/proc/{process}/status") as status:
                peak[process] = sum(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))
    except (FileNotFoundError, ProcessLookupError):
        pass
    return cpu, peak


def stages_of(log):
    if not os.path.exists(log):
        return []
    with open(log) as lines:
        events = [json.loads(line) for line in lines if '"event":"stage"' in line and line.endswith("\n")]
    return events


def run(binary, ranks, out):
    command = [binary, "run", CONFIG, "--out", out, "--quiet"]
    if ranks > 1:
        command = ["mpirun", "-n", str(ranks), "--oversubscribe"] + command
    environment = dict(os.environ, OMP_NUM_THREADS="1", OMP_WAIT_POLICY="passive", OMPI_ALLOW_RUN_AS_ROOT="1",
                       OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1", OMPI_MCA_btl_vader_single_copy_mechanism="none",
                       OMPI_MCA_mpi_yield_when_idle="1")
    began = time.time()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    seen, cpu, peak, marks = 0, {}, {}, []
    while process.poll() is None:
        now, memory = sample(process.pid)
        cpu.update(now)
        peak.update((p, max(peak.get(p, 0), memory[p])) for p in memory)
        events = stages_of(os.path.join(out, "log.jsonl"))
        for event in events[seen:]:
            marks.append((event, dict(cpu)))
        seen = len(events)
        time.sleep(0.03)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)}: exit code {process.returncode}")
    return marks, cpu, peak, time.time() - began


def measure(binary, ranks, results):
    folder = tempfile.mkdtemp()
    marks, cpu, peak, wall = run(binary, ranks, os.path.join(folder, "run"))
    stage, before = {}, {}
    for event, at in marks:
        spent = max((at[p] - before.get(p, 0) for p in at), default=0)
        seconds, name = event["seconds"], event["stage"]
        stage[name] = {"cpu": spent, "wall": seconds, "comm": event["comm_seconds"], "comm_bytes": event["comm_bytes"]}
        before = at
    whole = max(cpu.values())
    stage["finish"] = {"cpu": max(0.0, whole - sum(s["cpu"] for s in stage.values())), "wall": None, "comm": 0,
                       "comm_bytes": 0}
    size = sum(os.path.getsize(os.path.join(root, name)) for root, _, names in os.walk(folder) for name in names
               if not os.path.islink(os.path.join(root, name)))
    shutil.rmtree(folder)
    found = {"ranks": ranks, "cores": os.cpu_count(), "load": os.getloadavg()[0], "wall": wall, "cpu": whole,
             "peak_bytes": max(peak.values()), "disk_bytes": size, "stages": stage}
    with open(os.path.join(results, f"ranks-{ranks}.json"), "w") as out:
        json.dump(found, out, indent=1)
        out.write("\n")
    return found


def planned(binary, ranks):
    table = os.path.join(HERE, "..", "..", "configs", "devices.yaml")
    text = subprocess.run([binary, "plan", CONFIG, "--ranks", str(ranks), "--device", "cpu", "--devices", table,
                           "--json"], check=True, capture_output=True, text=True).stdout
    plan = json.loads(text)["plans"][0]
    return plan["total"], {name: stage for name, stage in plan["stages"].items()}


def table(binary, found):
    print("| ranks | stages | measured, CPU s | predicted, s | predicted / measured | wall, s | sent, measured | sent, predicted |")
    print("|---|---|---|---|---|---|---|---|")
    for run_ in found:
        ranks = run_["ranks"]
        total, plan = planned(binary, ranks)
        for name, measured, parts in ROWS:
            mine = [run_["stages"][stage] for stage in measured]
            cpu, wall = sum(stage["cpu"] for stage in mine), sum(stage["wall"] or 0 for stage in mine)
            predicted = sum(plan[part]["seconds"] for part in parts)
            # The log counts bytes handed to the sums; a ring sends 2 (R - 1)/R of them.
            sent = sum(stage["comm_bytes"] for stage in mine) * 2 * (ranks - 1) / ranks / 1e6
            print(f"| {ranks} | {name} | {cpu:.2f} | {predicted:.2f} | {predicted / cpu:.2f} | {wall:.1f} | {sent:.1f} MB | "
                  f"{sum(plan[part]['comm_bytes'] for part in parts) / 1e6:.1f} MB |")
        print(f"| {ranks} | **whole** | {run_['cpu']:.1f} | {total['seconds']:.1f} | {total['seconds'] / run_['cpu']:.2f} | "
              f"{run_['wall']:.0f} | | |")
    print()
    print("| ranks | peak memory of a rank, measured | predicted | files, measured | predicted |")
    print("|---|---|---|---|---|")
    for run_ in found:
        total, _ = planned(binary, run_["ranks"])
        print(f"| {run_['ranks']} | {run_['peak_bytes'] / 1e6:.0f} MB | {total['host_bytes'] / 1e6:.0f} MB | "
              f"{run_['disk_bytes'] / 1e6:.0f} MB | {total['disk_bytes'] / 1e6:.0f} MB |")


binary = os.path.abspath(sys.argv[1])
results = os.path.join(HERE, "results")
os.makedirs(results, exist_ok=True)
if sys.argv[2:] == ["--table"]:
    runs = []
    for name in sorted(os.listdir(results)):
        with open(os.path.join(results, name)) as saved:
            runs.append(json.load(saved))
else:
    runs = [measure(binary, int(ranks), results) for ranks in sys.argv[2:] or ["1", "2", "4"]]
table(binary, runs)
