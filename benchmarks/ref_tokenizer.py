#!/usr/bin/env python3
"""bench_tokenizer beside Hugging Face's tokenizers: same texts, ids compared first, then A/B/A/B in one run.

python ref_tokenizer.py BENCH_TOKENIZER ENCODER_FOLDER [DATA.jsonl.gz ...]
Texts are the prompts and descriptions of the data, or, without data, made-up English. Prints one line of JSON; times are of this machine, the
ratios are what counts. The peer runs as documented for speed (encode_batch) on one thread and on all."""
import gzip
import json
import os
import random
import statistics
import struct
import subprocess
import sys
import tempfile
import time

bench, folder = sys.argv[1:3]
MAX_TOKENS, PAIRS = 512, 5
if len(sys.argv) > 4 and sys.argv[3] == "--peer":  # child: the number of threads is fixed when the library starts
    from tokenizers import Tokenizer

    texts, at, data = [], 0, open(sys.argv[4], "rb").read()
    while at < len(data):
        n = struct.unpack_from("I", data, at)[0]
        texts.append(data[at + 4 : at + 4 + n].decode())
        at += 4 + n
    t = Tokenizer.from_file(os.path.join(folder, "tokenizer.json"))
    t.no_padding()
    t.enable_truncation(MAX_TOKENS)
    rounds = []
    for _ in range(3):
        start = time.perf_counter()
        t.encode_batch(texts)
        rounds.append(time.perf_counter() - start)
    print(json.dumps({"s": statistics.median(rounds), "ids": [e.ids for e in t.encode_batch(texts)] if "--ids" in sys.argv else None}))
    sys.exit()


def read(path):
    for line in gzip.open(path, "rt"):
        row = json.loads(line)
        yield row["prompt"]
        yield row.get("description", "")


def made_up():
    rng = random.Random(1)
    words = [p for p in open(os.path.join(folder, "vocab.txt"), encoding="utf-8").read().split("\n")[2000:20000] if p.isalpha()]
    for _ in range(10000):
        yield " ".join(rng.choice(words) + rng.choice(["", "", "", ",", ".", "s", "ing"]) for _ in range(rng.randint(5, 150)))


def peer(path, threads, *more):
    env = dict(os.environ, RAYON_NUM_THREADS=str(threads), TOKENIZERS_PARALLELISM="true" if threads > 1 else "false")
    out = subprocess.run([sys.executable, __file__, bench, folder, "--peer", path, *more], env=env, capture_output=True, text=True, check=True)
    return json.loads(out.stdout)


def ours(path, *more):
    out = subprocess.run([bench, folder, path, str(MAX_TOKENS), "1", *more], capture_output=True, text=True, check=True)
    return json.loads(out.stdout)


with tempfile.TemporaryDirectory() as tmp:
    texts = [t for p in sys.argv[3:] for t in read(p)] or list(made_up())
    path, ids_path = os.path.join(tmp, "texts"), os.path.join(tmp, "ids")
    with open(path, "wb") as f:
        for t in texts:
            b = t.encode()
            f.write(struct.pack("I", len(b)) + b)
    ours(path, ids_path)
    data, at, differ = open(ids_path, "rb").read(), 0, 0
    for want in peer(path, 1, "--ids")["ids"]:
        n = struct.unpack_from("i", data, at)[0]
        differ += list(struct.unpack_from(f"{n}i", data, at + 4)) != want
        at += 4 + 4 * n
    cpus = os.cpu_count()
    runs = [(ours(path), peer(path, 1)["s"], peer(path, cpus)["s"]) for _ in range(PAIRS)]
    one, all_, hf_one, hf_all = (statistics.median(v) for v in zip(*((o["one_thread_s"], o["all_threads_s"], p, q) for o, p, q in runs)))
    first = runs[0][0]
    print(json.dumps({
        "bench": "tokenizer", "texts": len(texts), "bytes": first["bytes"], "tokens": first["tokens"], "max_tokens": MAX_TOKENS, "texts_that_differ": differ,
        "one_thread": {"ours_MBps": round(first["bytes"] / one / 1e6, 1), "tokenizers_MBps": round(first["bytes"] / hf_one / 1e6, 2), "ratio": round(hf_one / one, 1)},
        "threads": cpus, "all_threads": {"ours_MBps": round(first["bytes"] / all_ / 1e6, 1), "tokenizers_MBps": round(first["bytes"] / hf_all / 1e6, 2), "ratio": round(hf_all / all_, 1)},
        "open_s": first["open_s"]}))
