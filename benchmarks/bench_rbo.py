#!/usr/bin/env python3
"""Rank-biased overlap of edges in numpy, the peer of bench_rbo: lists without ties, M = 11, one thread.

Both forms that one would write: the agreement at every depth from boolean matrices, and the table of weights looked up
at max(rank, rank')."""
import json
import statistics
import time

import numpy as np

NODES, EDGES, M, P, RUNS = 20_000, 1_000_000, 11, 0.9, 5

rng = np.random.default_rng(1)
rank = np.argsort(rng.random((NODES, M)), axis=1).astype(np.int16) + 1
edges = np.stack([np.arange(EDGES) * NODES // EDGES, rng.integers(0, NODES, EDGES)], axis=1)


def by_depth(a, b):
    total = np.zeros(len(a), np.float32)
    for d in range(1, M + 1):
        agreement = ((a <= d) & (b <= d)).sum(axis=1, dtype=np.float32) / d
        total += np.float32((1 - P) / P * P**d) * agreement
    return total + np.float32(P**M) * agreement


def by_table(a, b):
    tail = np.cumsum((P ** np.arange(1, M + 1) / np.arange(1, M + 1))[::-1])[::-1]
    weight = np.concatenate([[0], (1 - P) / P * tail + P**M / M]).astype(np.float32)
    return weight[np.maximum(a, b)].sum(axis=1)


for name, function in [("by depth", by_depth), ("by table", by_table)]:
    seconds = []
    for _ in range(RUNS):
        begin = time.perf_counter()
        result = function(rank[edges[:, 0]], rank[edges[:, 1]])
        seconds.append(time.perf_counter() - begin)
    print(json.dumps({"bench": "rbo", "peer": f"numpy {np.__version__} {name}", "M": M,
                      "medges_per_s": round(EDGES / statistics.median(seconds) / 1e6, 2)}))
