"""The parts of scripts/gpu-check.sh, which starts this: tests, compute-sanitizer, benchmarks and their peers, runs at the
paper's scale. Each part has a limit of its own and is cut there, with what it said so far; parts for which no time is
left are noted and come first the next time. The JSON is written after every part.
"""

import argparse
import json
import os
import platform
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))

# What was aimed at (one H200): name, our line, its figure, the goal, better is; then the peers and the ratios aimed at.
GOALS = [
    ("BERT-base forward, tokens/s", {"bench": "forward", "model": "base"}, "tokens_per_s", 3.1e6, [
        ({"bench": "forward", "model": "base", "peer": "packed bf16.*compile"}, 1.25)]),
    ("BERT-base embedding of all texts, tokens/s", {"bench": "embed", "model": "base"}, "tokens_per_s", 3.1e6, [
        ({"bench": "embed", "model": "base", "peer": "packed bf16.*compile"}, 1.25),
        ({"bench": "embed", "model": "base", "peer": "padded float32"}, 10)]),
    ("MiniLM forward, tokens/s", {"bench": "forward", "model": "minilm"}, "tokens_per_s", 16e6, [
        ({"bench": "forward", "model": "minilm", "peer": "packed bf16.*compile"}, 1.5)]),
    ("MiniLM embedding of all texts, tokens/s", {"bench": "embed", "model": "minilm"}, "tokens_per_s", 16e6, [
        ({"bench": "embed", "model": "minilm", "peer": "packed bf16.*compile"}, 1.5),
        ({"bench": "embed", "model": "minilm", "peer": "padded float32"}, 10)]),
    ("BERT-base training, 256 texts, dropout .1, tokens/s",
     {"bench": "train", "model": "base", "texts": 256, "dropout": .1}, "tokens_per_s", .82e6, [
         ({"bench": "train", "model": "base", "texts": 256, "peer": "packed bf16.*compile"}, 1.2),
         ({"bench": "train", "model": "base", "texts": 256, "peer": "padded"}, 5)]),
    ("MiniLM training, 256 texts, dropout .1, tokens/s",
     {"bench": "train", "model": "minilm", "texts": 256, "dropout": .1}, "tokens_per_s", None, [
         ({"bench": "train", "model": "minilm", "texts": 256, "peer": "packed bf16.*compile"}, 1.2)]),
    ("exact kNN of 278,977 rows, d 384, k 20, s", {"bench": "knn", "nq": 278977, "from": "host"}, "-seconds", .13, []),
    ("exact kNN of 32,768 of them, s", {"bench": "knn", "nq": 32768, "from": "host"}, "-seconds", None, [
        ({"bench": "knn", "nq": 32768, "peer": "float32"}, 10)]),
    ("all task heads, 10 epochs, s", {"bench": "heads", "tasks": 300}, "-seconds", .4, [
        ({"bench": "heads", "peer": "over heads"}, 50), ({"bench": "heads", "peer": "over tasks"}, None)]),
    ("one prompt, MiniLM T=32, p50 ms", {"bench": "latency", "model": "minilm"}, "-p50_ms", .08, [
        ({"bench": "latency", "model": "minilm", "peer": "eager"}, 10),
        ({"bench": "latency", "model": "minilm", "peer": "CUDA graphs"}, None)]),
    ("one prompt, BERT-base T=128, p50 ms", {"bench": "latency", "model": "base"}, "-p50_ms", .28, [
        ({"bench": "latency", "model": "base", "peer": "eager"}, 10),
        ({"bench": "latency", "model": "base", "peer": "CUDA graphs"}, None)]),
    ("RBO of 5.6 M edges on the device, s", {"bench": "rbo", "lists": "no ties", "from": "device"}, "-seconds", 1e-4, [
        ({"bench": "rbo", "peer": "gather"}, None)]),
    ("pipeline at the paper's scale, MiniLM, s", {"bench": "paper", "model": "minilm"}, "-seconds", 120, []),
    ("pipeline at the paper's scale, BERT-base, s", {"bench": "paper", "model": "base"}, "-seconds", 480, []),
]


class Cut(Exception):
    pass


def run(command, limit, environment=None, on_line=None):
    """Runs a program on a terminal of its own, so that it says each line at once; returns status and lines. Past the
    limit it is killed, and the status is None."""
    master, slave = pty.openpty()
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=slave, stderr=slave, start_new_session=True,
                               env={**os.environ, **(environment or {})})
    os.close(slave)
    end, text, lines, status = time.monotonic() + limit, b"", [], None
    while True:
        left = end - time.monotonic()
        if left <= 0:
            os.killpg(process.pid, signal.SIGKILL)
            break
        if not select.select([master], [], [], min(left, 1))[0]:
            if process.poll() is not None:
                break
            continue
        try:
            more = os.read(master, 1 << 16)
        except OSError:  # the other end is closed
            break
        if not more:
            break
        *whole, text = (text + more).split(b"\n")
        for line in whole:
            lines.append(line.decode(errors="replace").rstrip("\r"))
            if on_line:
                on_line(lines[-1])
    os.close(master)
    finished = time.monotonic() < end
    process.wait()
    return process.returncode if finished else None, lines


def ours(*command):
    return [os.path.join(args.bin, command[0]), *map(str, command[1:])]


def libraries():
    old = os.environ.get("LD_LIBRARY_PATH", "")
    return {"LD_LIBRARY_PATH": ":".join(filter(None, [args.libraries, old]))} if args.libraries else {}


def json_lines(lines):
    found = []
    for line in lines:
        if line.startswith("{"):
            try:
                found.append(json.loads(line))
            except ValueError:
                pass
    return found


def outcome(status, lines, limit, /, **more):
    """ok: it ended well. A part that was cut is tried again the next time."""
    result = {"ok": status == 0, **more}
    if status is None:
        result["cut"] = f"after {limit:.0f} s"
    if status != 0:
        result["status"], result["tail"] = status, lines[-15:]
    return result


# ---- parts --------------------------------------------------------------------------------------------------------------

def cuda_tests(limit, command=(), **environment):
    """Result of each test of test_cuda that ended: ok, failed or skipped."""
    status, lines = run([*command, *ours("test_cuda")], limit, {**libraries(), **environment})
    result = {}
    for line in lines:
        match = re.match(r"\[\s*(OK|FAILED|SKIPPED)\s*\] (test_\w+)", line)
        if match:
            result.setdefault(match[2], {"OK": "ok"}.get(match[1], match[1].lower()))
    said = [line for line in lines if not line.startswith("[") and line.strip()]
    got = outcome(status, lines, limit, tests=result)
    got["ok"] = status == 0 and bool(result) and all(r == "ok" for r in result.values())
    if not got["ok"]:
        got["said"] = said[:30]
    return got, lines


def tests(limit):
    return cuda_tests(limit)[0]


def sanitizer(tool):
    def part(limit):
        program = shutil.which("compute-sanitizer") or "/usr/local/cuda/bin/compute-sanitizer"
        if not os.path.exists(program):
            return {"ok": False, "note": "no compute-sanitizer here"}
        got, lines = cuda_tests(limit, [program, "--tool", tool, "--error-exitcode", "9", "--print-limit", "20"],
                                FINEROUTER_CUDA_QUICK="1")
        errors = [line for line in lines if line.startswith("=========") and "COMPUTE-SANITIZER" not in line]
        got["report"] = errors[:30]
        return got
    return part


def bench(*parts):
    def part(limit):
        status, lines = run(ours("bench_gpu", args.work, *args.small, "--device", args.device, *parts), limit,
                            libraries())
        return outcome(status, lines, limit, lines=json_lines(lines))
    return part


def peer(*parts):
    def part(limit):
        device = "cpu" if args.device == "cpu" else "cuda"
        status, lines = run([sys.executable, os.path.join(HERE, "peer.py"), args.work, *args.small, "--device", device,
                             *parts], limit, {"PYTHONUNBUFFERED": "1", "TOKENIZERS_PARALLELISM": "false"})
        return outcome(status, lines, limit, lines=json_lines(lines))
    return part


def finerouter(limit, *command):
    status, lines = run(ours("finerouter", *command), limit, libraries())
    if status is None:
        raise Cut(f"finerouter {command[0]} took more than {limit:.0f} s: {' / '.join(lines[-3:])}")
    if status != 0:
        raise RuntimeError(f"finerouter {command[0]}: {' / '.join(lines[-3:])}")


def synth(file, prompts, limit):
    path = os.path.join(args.work, file)
    if not os.path.exists(path):
        finerouter(limit, "synth", "--out", path, "--quiet", "--set", f"synth.prompts={prompts}", "--set",
                   "synth.models=11", "--set", f"synth.tasks={12 if args.small else 300}")
    return path


def run_pipeline(name, data, settings, limit):
    """finerouter run without any stored stage; the seconds of every stage."""
    out, config = os.path.join(args.work, f"run-{name}"), os.path.join(args.work, f"{name}.yaml")
    shutil.rmtree(out, ignore_errors=True)
    with open(config, "w") as file:
        file.write(f"data:\n  file: {data}\n")
    sets = [word for setting in (f"device={args.device}", f"cache={out}.cache", "report.html=false", "eval.bootstrap=1000",
                                 *settings) for word in ("--set", setting)]
    shutil.rmtree(out + ".cache", ignore_errors=True)
    begin = time.monotonic()
    try:
        finerouter(limit, "run", config, "--out", out, "--quiet", *sets)
    finally:
        events = json_lines(open(os.path.join(out, "log.jsonl"))) if os.path.exists(out + "/log.jsonl") else []
        stages = {e["stage"]: round(e["seconds"], 2) for e in events if e.get("event") == "stage"}
    return time.monotonic() - begin, stages, out


def quality_of(out):
    with open(os.path.join(out, "metrics.json")) as file:
        return json.load(file)


def pipeline_repeats(limit):
    """A small pipeline twice, from nothing, through the whole encoder: the same bits."""
    end = time.monotonic() + limit
    data = synth("small.h5", 400 if args.small else 3000, limit)
    settings = ("encoder.init=random", "encoder.train=full", "encoder.max_tokens=64", "classifier.epochs=2", "qe.epochs=2",
                "qe.task_epochs=2", "discover.resolution=2", "eval.routers=[best_single, full]")
    outputs = []
    for turn in range(2):
        _, stages, out = run_pipeline(f"small-{turn}", data, settings, end - time.monotonic())
        with open(os.path.join(out, "predictions.jsonl"), "rb") as file:
            outputs.append(file.read())
    return {"ok": outputs[0] == outputs[1], "stages": stages,
            "note": "predictions.jsonl of two runs is " + ("the same" if outputs[0] == outputs[1] else "not the same")}


def paper(model):
    def part(limit):
        end = time.monotonic() + limit
        data = synth("paper.h5", 600 if args.small else 278977, limit)
        layers, hidden, heads, wide = (6, 384, 12, 1536) if model == "minilm" else (12, 768, 12, 3072)
        if args.small:
            layers, hidden, heads, wide = 1, 24, 2, 48
        settings = ("encoder.init=random", f"encoder.layers={layers}", f"encoder.hidden={hidden}",
                    f"encoder.heads={heads}", f"encoder.intermediate={wide}", "encoder.vocabulary=30000",
                    "encoder.max_tokens=512", "encoder.train=full", "classifier.epochs=1", "qe.epochs=1",
                    "qe.task_epochs=10", "classifier.batch=256", "qe.batch=256", "discover.resolution=3",
                    "eval.routers=[best_single, knn, stage1, stage2, full]")
        seconds, stages, _ = run_pipeline(f"paper-{model}", data, settings, end - time.monotonic())
        return {"ok": True, "lines": [{"bench": "paper", "model": model, "seconds": round(seconds, 2), "stages": stages,
                                       "settings": list(settings)}]}
    return part


# name: (work, limit in seconds, least seconds worth starting with)
PARTS = {
    "tests": (tests, 130, 60),
    "prepare": (bench("prepare", "ceilings"), 60, 20),
    "encode": (bench("encode"), 30, 10),
    "peer_encode": (peer("encode", "ceilings"), 90, 40),
    "encode_again": (bench("encode"), 30, 10),
    "train": (bench("train"), 40, 15),
    "peer_train": (peer("train"), 90, 40),
    "train_again": (bench("train"), 40, 15),
    "latency": (bench("latency"), 20, 10),
    "peer_latency": (peer("latency"), 60, 20),
    "knn": (bench("knn", "rbo"), 40, 20),
    "peer_knn": (peer("knn", "rbo"), 40, 20),
    "heads": (bench("heads"), 60, 20),
    "peer_heads": (peer("heads"), 30, 15),
    "memcheck": (sanitizer("memcheck"), 75, 30),
    "racecheck": (sanitizer("racecheck"), 75, 30),
    "initcheck": (sanitizer("initcheck"), 60, 30),
    "pipeline_repeats": (pipeline_repeats, 60, 20),
    "paper_minilm": (paper("minilm"), 240, 90),
    "paper_base": (paper("base"), 530, 300),
}


# ---- the report ---------------------------------------------------------------------------------------------------------

def said(command):
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=60).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        return ""


def machine():
    names = ("name", "driver_version", "memory.total", "clocks.max.sm", "power.limit")
    values = said(["nvidia-smi", f"--query-gpu={','.join(names)}", "--format=csv,noheader", "--id=0"]).split(", ")
    versions = said([sys.executable, "-c", "import torch, transformers; print(torch.__version__, transformers.__version__)"])
    nvcc = re.search(r"release (\S+),", said(["nvcc", "--version"]))
    return {"gpu": dict(zip(names, values)), "cpu": platform.processor() or platform.machine(), "cores": os.cpu_count(),
            "glibc": " ".join(platform.libc_ver()), "python": platform.python_version(),
            "torch, transformers": versions or "none", "nvcc": nvcc[1] if nvcc else "none"}


def fits(line, wanted):
    return all(re.search(value, line.get(key, "")) if key == "peer" else line.get(key) == value
               for key, value in wanted.items())


def best(lines, wanted, figure, peers):
    """The median where a line was measured twice; of peers the fastest that fits."""
    found = sorted(line[figure.lstrip("-")] for line in lines
                   if ("peer" in line) == peers and figure.lstrip("-") in line and fits(line, wanted))
    if not found:
        return None
    if peers:
        return found[0] if figure.startswith("-") else found[-1]
    return found[len(found) // 2] if len(found) % 2 else (found[len(found) // 2 - 1] + found[len(found) // 2]) / 2


def goals(lines):
    rows = []
    for what, wanted, figure, goal, peers in GOALS:
        ours_ = best(lines, wanted, figure, False)
        less = figure.startswith("-")
        row = {"what": what, "figure": ours_, "goal": goal, "pass": None}
        if ours_ is not None and goal is not None:
            row["pass"] = ours_ <= goal if less else ours_ >= goal
        row["peers"] = []
        for wanted_peer, ratio_goal in peers:
            theirs = best(lines, wanted_peer, figure, True)
            ratio = None if None in (theirs, ours_) else theirs / ours_ if less else ours_ / theirs
            row["peers"].append({"peer": wanted_peer["peer"], "figure": theirs, "ratio": ratio and round(ratio, 3),
                                 "goal": ratio_goal, "pass": None if None in (ratio, ratio_goal) else ratio >= ratio_goal})
        rows.append(row)
    return rows


def agreements(lines):
    """Ours against the peers' results: (what, how far, at most)."""
    rows = []
    for line in lines:
        name = f"{line['bench']}, {line.get('model', line.get('lists', ''))}: {line.get('peer')}"
        if "agrees" in line:
            rows.append((name + ", 1 - least cosine", 1 - line["agrees"], 2e-3))
        if "largest_difference" in line:
            rows.append((name + ", largest difference", line["largest_difference"], 1e-5))
        if "norm" in line and "peer" in line:
            own = [x["norm"] for x in lines if x["bench"] == "gradient" and x["model"] == line["model"]
                   and x["texts"] == line["texts"]]
            rows += [(name + ", gradient norm", abs(x / line["norm"] - 1), .05) for x in own[:1]]
    return [{"what": what, "figure": figure, "limit": limit, "pass": figure <= limit} for what, figure, limit in rows]


def write(results, about):
    lines = [line for part in results.values() for line in part.get("lines", [])]
    report = {"commit": args.commit, "when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), **about,
              "goals_are_for": "one H200", "goals": goals(lines), "agreement": agreements(lines), "parts": results}
    with open(args.out + ".new", "w") as file:
        json.dump(report, file, indent=1)
        file.write("\n")
    os.replace(args.out + ".new", args.out)
    return report


def kept(name):
    try:
        with open(os.path.join(args.state, name + ".json")) as file:
            result = json.load(file)
    except (OSError, ValueError):
        return None
    return result if result.get("commit") == args.commit else None


def done(name):
    """Done for good: whatever came out of it, but not cut. A part without its inputs is not started."""
    result = kept(name)
    return result is not None and "cut" not in result and "note_of_time" not in result


def attempt(name, limit):
    begin = time.monotonic()
    try:
        result = PARTS[name][0](limit)
    except Cut as error:
        result = {"ok": False, "cut": str(error)}
    except (OSError, RuntimeError, ValueError, KeyError) as error:
        result = {"ok": False, "error": f"{type(error).__name__}: {error}"[:600]}
    result.update(commit=args.commit, took=round(time.monotonic() - begin, 1))
    with open(os.path.join(args.state, name + ".json"), "w") as file:
        json.dump(result, file)
    return result


def show(report):
    def number(x):
        return "-" if x is None else f"{x:.4g}"
    print("\n%-58s %11s %9s  %s" % ("", "measured", "goal", "against peers (goal)"))
    for row in report["goals"]:
        peers = "; ".join(f"{number(p['ratio'])}x {p['peer'].replace('.*', ' ')} ({number(p['goal'])})" for p in row["peers"])
        mark = {None: " ", True: "+", False: "!"}[row["pass"]]
        print("%-58s %11s %9s%s %s" % (row["what"], number(row["figure"]), number(row["goal"]), mark, peers))


    for row in report["agreement"]:
        if not row["pass"]:
            print(f"DIFFERS: {row['what']}: {row['figure']:.3g}, want at most {row['limit']:g}")


def main():
    chosen = args.parts.split(",") if args.parts else list(PARTS)
    unknown = [name for name in chosen if name not in PARTS]
    if unknown:
        sys.exit(f"gpu-check: no part {unknown[0]}; there are {', '.join(PARTS)}")
    begin, about, results = time.monotonic(), machine(), {}
    for name in PARTS:
        if kept(name):
            results[name] = kept(name)
    for name in chosen:
        if done(name):
            print(f"{name}: done before", flush=True)
            continue
        _, limit, least = PARTS[name]
        left = args.budget - (time.monotonic() - begin) - 3
        if left < least:
            results.setdefault(name, {"ok": None, "note_of_time": f"not started: {left:.0f} s were left, wants {least}"})
            print(f"{name}: {results[name].get('note_of_time', 'cut before')}", flush=True)
            continue
        results[name] = attempt(name, min(limit, left))
        r = results[name]
        print(f"{name}: {'ok' if r['ok'] else 'NOT ok'}, {r['took']} s" + (f", cut {r['cut']}" if "cut" in r else "")
              + (f", {r['error']}" if "error" in r else "") + (f", {r['note']}" if "note" in r else ""), flush=True)
        write(results, about)
    report = write(results, about)
    show(report)
    print(f"\n{args.out}")
    return 0 if all(results[name]["ok"] for name in chosen if name in results) else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", required=True)
    parser.add_argument("--commit", required=True)
    parser.add_argument("--state", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--libraries", default="")
    parser.add_argument("--budget", type=float, default=540)
    parser.add_argument("--parts", default="")
    parser.add_argument("--device", default="cuda-bf16", help="cpu: to try this script out")
    parser.add_argument("--small", action="store_const", const=["--small"], default=[])
    args = parser.parse_args()
    args.work = os.path.join(args.state, "work")
    os.makedirs(args.work, exist_ok=True)
    sys.exit(main())
