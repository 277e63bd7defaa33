"""FAISS's exact search beside bench_knn on the same rows, in turns, with the answers compared.

    python3 benchmarks/ref_knn.py build/bench_knn [--nq 20000 --nc 50000 --d 384 --k 20 --threads 2 --turns 3 --clusters 0]

--nq 0 searches the corpus for itself, as discovery does. clusters > 0 makes rows around that many centres (as embeddings are) instead of evenly on the sphere.
"""

import argparse
import json
import os
import subprocess
import tempfile
import time

import faiss
import numpy as np

parser = argparse.ArgumentParser()
parser.add_argument("binary")
for name, default in (("nq", 20000), ("nc", 50000), ("d", 384), ("k", 20), ("threads", 2), ("turns", 3), ("clusters", 0)):
    parser.add_argument(f"--{name}", type=int, default=default)
a = parser.parse_args()

rng = np.random.default_rng(1)
centres = rng.standard_normal((max(a.clusters, 1), a.d)).astype("f4") * (1 if a.clusters else 0)


def rows(n):
    x = rng.standard_normal((n, a.d)).astype("f4") + centres[rng.integers(0, len(centres), n)]
    return x / np.linalg.norm(x, axis=1, keepdims=True)


corpus = rows(a.nc)
queries = rows(a.nq) if a.nq else corpus
faiss.omp_set_num_threads(a.threads)
index = faiss.IndexFlatIP(a.d)
index.add(corpus)
with tempfile.TemporaryDirectory() as folder:
    queries.tofile(f"{folder}/queries.f32")
    corpus.tofile(f"{folder}/corpus.f32")
    for turn in range(a.turns):
        started, cpu = time.perf_counter(), time.process_time()
        similarity, want = index.search(queries, a.k)
        print(json.dumps({"bench": "faiss IndexFlatIP", "seconds": round(time.perf_counter() - started, 3),
                          "cpu_seconds": round(time.process_time() - cpu, 3), "version": faiss.__version__}), flush=True)
        command = [a.binary, a.nq, a.nc, a.d, a.k, a.threads, folder]
        print(subprocess.run(list(map(str, command)), check=True, capture_output=True, text=True).stdout.strip(), flush=True)
    got = np.fromfile(f"{folder}/index.i32", "i4").reshape(len(queries), a.k)
# Rows in which the sets differ must differ by candidates whose similarities are equal up to rounding.
worst = 0.0
different = np.flatnonzero([set(g) != set(w) for g, w in zip(got, want)])
for i in different:
    ours = np.sort(corpus[got[i]].astype("f8") @ queries[i].astype("f8"))
    theirs = np.sort(corpus[want[i]].astype("f8") @ queries[i].astype("f8"))
    worst = max(worst, np.abs(ours - theirs).max())
print(json.dumps({"rows_with_another_set": len(different), "largest_difference_of_similarity": float(worst)}))
assert worst < 2e-6
