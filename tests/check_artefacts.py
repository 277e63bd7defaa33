#!/usr/bin/env python3
"""Recomputes a run from its open files alone, as an outsider would: numpy and the layouts in include/finerouter.

    check_artefacts.py RUN [--data data.h5] [--finerouter BINARY]

Graph, communities, tasks, candidates, stage-1 scores, classifier, estimator, routing and metrics are computed again by their definitions, in
f64, and compared. Nothing here shares code with the program. A trained text encoder (encoder.train: full) is run too; its token ids come
from a data file made with encoder.store. With --finerouter, `finerouter route` must say of the test prompts what predictions.jsonl says.
"""
import argparse
import json
import math
import os
import subprocess
import sys

import h5py
import numpy as np

checked = []


def close(what, got, want, tolerance=1e-5):
    got, want = np.asarray(got, float), np.asarray(want, float)
    assert got.shape == want.shape, f"{what}: shape {got.shape}, want {want.shape}"
    assert (np.isnan(got) == np.isnan(want)).all(), f"{what}: unknown in other places"
    if got.size:
        bad = np.nan_to_num(np.abs(got - want) / np.maximum(1, np.abs(want)))
        at = np.unravel_index(np.argmax(bad), bad.shape)
        assert bad[at] <= tolerance, f"{what}: {got[at]!r} at {at}, recomputed {want[at]!r}"
    checked.append(what)


def equal(what, got, want):
    assert np.array_equal(np.asarray(got), np.asarray(want)), f"{what}: {got!r}, recomputed {want!r}"
    checked.append(what)


def true(what, condition, detail=""):
    assert condition, f"{what} {detail}"
    checked.append(what)


# ---- files ----

def scalar(text):
    if text[:1] == "[":
        return [scalar(x.strip()) for x in text[1:-1].split(",")]
    if text[:1] == '"':
        return json.loads(text)
    try:
        return float(text)
    except ValueError:
        return text


def read_config(path):
    """The resolved configuration: sections with `key: value` lines, nothing else."""
    config, section = {}, None
    for line in open(path):
        key, _, value = line.strip().partition(":")
        if not line.startswith(" ") and not value.strip():
            section = config[key] = {}
        else:
            (config if not line.startswith(" ") else section)[key] = scalar(value.strip())
    return config


def texts(dataset):
    return [x.decode() if isinstance(x, bytes) else x for x in dataset[()]]


class Run:
    def __init__(self, folder, data):
        self.folder = folder
        self.config = read_config(os.path.join(folder, "config.yaml"))
        data = h5py.File(data or os.path.join(folder, "data.h5"), "r")
        assert data.attrs["format"] in ("finerouter-data", b"finerouter-data") and data.attrs["version"] == 1
        self.data = data
        self.id, self.text, self.model = texts(data["prompts/id"]), texts(data["prompts/text"]), texts(data["models/name"])
        self.description, self.source = texts(data["prompts/description"]), texts(data["prompts/source"])
        self.split, self.quality, self.cost = data["prompts/split"][()], data["quality"][()].astype(float), data["cost"][()].astype(float)
        self.planted = data["prompts/task"][()] if "prompts/task" in data else None
        self.N, self.M = self.quality.shape
        self.train, self.test = np.flatnonzero(self.split == 0), np.flatnonzero(self.split == 2)
        embeddings = h5py.File(os.path.join(folder, "embeddings.h5"), "r")
        self.prompt, self.described = embeddings["prompt"][()].astype(float), embeddings["description"][()].astype(float)
        self.hidden = embeddings["hidden"][()].astype(float)
        self.tasks = h5py.File(os.path.join(folder, "tasks.h5"), "r")
        self.router = h5py.File(os.path.join(folder, "router.h5"), "r")
        self.metrics = json.load(open(os.path.join(folder, "metrics.json")))
        self.cards = json.load(open(os.path.join(folder, "cards.json")))
        self.predictions = [json.loads(line) for line in open(os.path.join(folder, "predictions.jsonl"))]
        self.T, self.d = int(self.tasks.attrs["T"]), int(self.tasks.attrs["d"])
        self.member = self.tasks["membership"][()]
        self.label = self.member[-1]
        self.expected = np.array([mean(self.cost[self.train, m]) for m in range(self.M)])


def mean(x):
    x = np.asarray(x, float)
    x = x[~np.isnan(x)]
    return x.mean() if x.size else np.nan


# ---- stage 1: the graph ----

def tie_groups(score, known):
    """First and last rank of each model's tie group among the known ones. score, known (..., M)."""
    both = known[..., None, :] & known[..., :, None]
    above = (both & (score[..., None, :] > score[..., :, None])).sum(-1)
    level = (both & (score[..., None, :] == score[..., :, None])).sum(-1)
    return above + 1, above + level


def rbo(a, b, p, variant):
    """Rank-biased overlap of the score rows a, b (E, M); NaN: not ranked."""
    known = ~np.isnan(a) & ~np.isnan(b)
    n = known.sum(1)
    (ta, ba), (tb, bb) = tie_groups(np.nan_to_num(a), known), tie_groups(np.nan_to_num(b), known)

    def contribution(d, t, bottom):
        c = np.where(bottom <= d, 1.0, np.where(d < t, 0.0, (d - t + 1) / np.maximum(bottom - t + 1, 1)))
        return np.where(known, c, 0.0)

    total, last = np.zeros(len(a)), np.zeros(len(a))
    for d in range(1, a.shape[1] + 1):
        c, e = contribution(d, ta, ba), contribution(d, tb, bb)
        cross = (c * e).sum(1)
        norm = d if variant == "a" else np.sqrt((c * c).sum(1) * (e * e).sum(1))
        agreement = np.divide(cross, norm, out=np.zeros_like(cross), where=np.asarray(norm) > 0) if variant == "b" else cross / d
        inside = d <= n
        last = np.where(inside, agreement, last)
        total += np.where(inside, agreement * p**d, 0)
    return np.where(n > 0, (1 - p) / p * total + last * p**n.astype(float), 0)


def check_graph(run, round, rows, x, score):
    """One round: x (n, d) unit rows, score (n, M) whose order is the preference, rows: the name of each node in the file."""
    discover, graph = run.config["discover"], run.tasks[f"graph/{round}"]
    edges, where = graph["edges"][()], {int(r): i for i, r in enumerate(rows)}
    n, k, near = len(rows), min(int(discover["k"]), len(rows) - 1), 1e-6
    true(f"round {round}: nodes", int(graph["nodes"][()]) == n)
    ends = np.array([[where[int(a)], where[int(b)]] for a, b in edges], int).reshape(-1, 2)
    true(f"round {round}: edges are sorted, smaller end first, each once",
         (edges[:, 0] < edges[:, 1]).all() and [tuple(e) for e in edges] == sorted({tuple(e) for e in edges}))
    cosine = x @ x.T
    np.fill_diagonal(cosine, -np.inf)
    kth = np.sort(cosine, axis=1)[:, -k]
    present = np.zeros((n, n), bool)
    present[ends[:, 0], ends[:, 1]] = present[ends[:, 1], ends[:, 0]] = True
    must, may = cosine > kth[:, None] + near, cosine >= kth[:, None] - near
    true(f"round {round}: no nearest neighbour lacks", not ((must | must.T) & ~present).any())
    true(f"round {round}: every edge is a nearest neighbour", not (present & ~(may | may.T)).any())
    true(f"round {round}: every node has its k edges", (present & may).sum(1).min() >= k)
    close(f"round {round}: cosine", graph["cosine"][()], cosine[ends[:, 0], ends[:, 1]])
    overlap = rbo(score[ends[:, 0]], score[ends[:, 1]], discover["rbo_p"], discover["rbo_ties"])
    close(f"round {round}: rbo", graph["rbo"][()], overlap, 2e-5)

    # Min-max over the edges that pass tau, weight = sqrt of the product; squares are compared since a root near 0 blows rounding up.
    kept = overlap >= discover["tau"] - near
    c = cosine[ends[:, 0], ends[:, 1]]

    def stretched(v):
        low, high = v[kept].min(), v[kept].max()
        return np.ones_like(v) if high - low < near else (v - low) / (high - low)

    part = {"cosine": stretched(c), "rbo": stretched(overlap)}
    want = part["cosine"] * part["rbo"] if discover["weight"] == "both" else part[discover["weight"]] ** 2
    close(f"round {round}: weight", graph["weight"][()].astype(float) ** 2, np.where(kept, np.clip(want, 0, None), 0), 1e-4)
    return ends, graph["weight"][()]


def connected(nodes, ends, weight):
    """Whether edges of positive weight join all of nodes."""
    nodes = set(int(x) for x in nodes)
    beside = {x: [] for x in nodes}
    for (a, b), w in zip(ends, weight):
        if w > 0 and int(a) in nodes and int(b) in nodes:
            beside[int(a)].append(int(b))
            beside[int(b)].append(int(a))
    start = next(iter(nodes))
    seen, front = {start}, [start]
    while front:
        for y in beside[front.pop()]:
            if y not in seen:
                seen.add(y)
                front.append(y)
    return seen == nodes


def unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def fused(run, rows):
    """Reciprocal rank fusion over rows, average ranks for ties; a model is measured by the rows that rank it."""
    q = run.quality[rows]
    known = ~np.isnan(q)
    top, bottom = tie_groups(np.nan_to_num(q), known)
    share = np.where(known, 1 / (run.config["discover"]["mrr_c"] + (top + bottom) / 2), 0).sum(0)
    count = known.sum(0)
    return np.round(np.where(count > 0, share * len(rows) / np.maximum(count, 1), np.nan), 12)


def check_discovery(run):
    x = run.described if run.config["discover"]["text"] == "description" else run.prompt
    rounds = int(run.tasks.attrs["rounds"])
    assert run.config["discover"]["ties"] == "tied", "this check reads tie groups as they are"
    close("embeddings are unit rows", np.linalg.norm(x, axis=1), np.ones(run.N))
    true("membership: training prompts only", (run.member[:, run.split != 0] == -1).all())
    nodes, node_of = run.train, np.arange(run.N)  # node_of[row]: node of the round
    features, score = x[run.train], run.quality[run.train]
    for r in range(rounds):
        check_graph(run, r + 1, nodes, features, score)
        graph = run.tasks[f"graph/{r + 1}"]
        for community in set(run.member[r]) - {-1}:
            rows = np.flatnonzero(run.member[r] == community)
            inside = set(node_of[rows])
            true("communities are unions of nodes", r == 0 or set(np.flatnonzero(np.isin(node_of, list(inside)))) == set(rows))
            true("communities are connected", connected(inside, graph["edges"][()], graph["weight"][()]), f"round {r + 1}, {community}")
        if r + 1 < rounds:
            node_of = run.member[r]
            nodes = np.arange(node_of.max() + 1)
            groups = [np.flatnonzero(node_of == c) for c in nodes]
            features = unit(np.array([np.median(x[g], axis=0) for g in groups]))
            score = np.array([fused(run, g) for g in groups])
    return x


# ---- stage 1: tasks ----

def check_tasks(run, x):
    tasks, config, q = run.tasks["tasks"], run.config, run.quality
    T, M = run.T, run.M
    groups = [np.flatnonzero(run.label == t) for t in range(T)]
    sizes = np.array([len(g) for g in groups])
    equal("sizes", tasks["size"][()], sizes)
    true("sizes descend to the least", (np.diff(sizes) <= 0).all() and sizes.min() >= config["discover"]["min_task_size"])
    centre = unit(np.array([np.median(x[g], axis=0) for g in groups]))
    close("centres", tasks["centre"][()], centre)
    names, nearest = texts(tasks["name"]), tasks["nearest"][()]
    for t, g in enumerate(groups):
        cosine = x[g] @ centre[t]
        close("nearest prompts", [x[i] @ centre[t] for i in nearest[t] if i >= 0], np.sort(cosine)[::-1][:3])
        said = run.description[nearest[t][0]] or run.text[nearest[t][0]]
        true("names are the nearest description", " ".join(said.split()).startswith(names[t].rstrip("\u2026")), names[t])
        mrr = fused(run, g)
        order = sorted(range(M), key=lambda m: (-np.nan_to_num(mrr[m]), m))
        equal("fused order", tasks["fused_order"][t], order)
        best = np.nanmax(q[g], axis=1)
        chosen, share = [], 0.0
        for m in order:
            chosen.append(m)
            share = np.mean([(q[i, chosen] == b).any() for i, b in zip(g, best)])
            if share > config["discover"]["coverage"]:
                break
        equal("candidates", np.flatnonzero(tasks["candidates"][t]), sorted(chosen))
        close("coverage", tasks["coverage"][t], share)
        close("means", tasks["mean"][t], [mean(q[g, m]) for m in range(M)])
        close("medians", tasks["median"][t], [np.nanmedian(q[g, m]) for m in range(M)])
        graph = run.tasks["graph/1"]
        edges, weight = graph["edges"][()], graph["weight"][()]
        ends = (run.label[edges] == t).sum(1)
        close("cohesion", [tasks["cohesion_inside"][t], tasks["cohesion_outside"][t]],
              [mean(weight[(ends == e) & (weight > 0)]) for e in (2, 1)])
    check_votes(run, x)
    cards = run.cards["tasks"]
    equal("cards.json", [(c["id"], c["size"], c["name"]) for c in cards], list(zip(range(T), sizes, names)))


def check_votes(run, x):
    """Prompts outside training: the task with the largest sum of cosines among their k nearest training prompts, where that is clear."""
    vote, k = run.tasks["tasks/vote"][()], min(int(run.config["discover"]["k"]), len(run.train))
    equal("votes of members", vote[run.train], run.label[run.train])
    clear = 0
    for i in np.flatnonzero(run.split != 0):
        cosine = x[run.train] @ x[i]
        order = np.argsort(-cosine)
        if len(order) > k and cosine[order[k - 1]] - cosine[order[k]] < 1e-6:
            continue
        votes = np.zeros(run.T + 1)
        for j in order[:k]:
            votes[run.label[run.train[j]]] += max(cosine[j], 0)
        first, second = np.sort(votes)[::-1][:2] if run.T else (1, 0)
        if first - second > 1e-5:
            clear += 1
            winner = int(np.argmax(votes))
            true("votes", vote[i] == (-1 if winner == run.T else winner), f"of row {i}")
    true("votes: most are clear", clear > 0.3 * (run.split != 0).sum(), clear)


def check_stage1(run):
    stage1, how = run.tasks["stage1"][()], run.config["stage1"]
    counted = run.tasks["stage1_task"][()]
    true("stage 1 counts training prompts", (counted[run.split != 0] == -1).all() and counted.max() < run.T)
    if how["members"] == "discovered":
        equal("stage 1 counts members", counted, run.label)
    else:
        true("stage 1 counts what is said out of fold, which is not the members", (counted >= 0).any() and (counted != run.label).any())
    a = how["shrinkage"]
    want = np.empty((run.T + 1, run.M))
    for m in range(run.M):
        g = mean(run.quality[run.train, m])
        for t in range(run.T + 1):
            rows = run.train[counted[run.train] == (t if t < run.T else -1)]
            q = run.quality[rows, m]
            q = q[~np.isnan(q)]
            middle = 0 if not q.size else q.mean() if how["aggregate"] == "mean" else np.median(q)
            want[t, m] = (q.size * middle + a * g) / (q.size + a) if q.size else g
    close("stage-1 scores", stage1, want)
    close("stage-1 scores of router.h5", run.router["stage1"][()], want)
    return want


# ---- stage 2 ----

erf = np.vectorize(math.erf)


def gelu(x):
    return x * (0.5 * erf(x / math.sqrt(2)) + 0.5)


def parameters(group):
    return {name: value[()].astype(float) for name, value in group.items() if isinstance(value, h5py.Dataset)}


def layernorm(x, p, name):
    x = x - x.mean(-1, keepdims=True)
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + 1e-12) * p[name + ".weight"] + p[name + ".bias"]


def encode(run, p, rows):
    """BERT, post-LN, mean pooling, unit length (encoder.init: random)."""
    (tokens,) = run.data["tokens"].values()
    ids, offset, heads = tokens["ids"][()], tokens["offset"][()], int(run.config["encoder"]["heads"])

    def linear(x, name):
        return x @ p[name + ".weight"].T + p[name + ".bias"]

    out = []
    for i in rows:
        word = ids[offset[i]:offset[i + 1]].astype(int)
        n = len(word)
        x = p["embeddings.word_embeddings.weight"][word] + p["embeddings.position_embeddings.weight"][:n]
        x = layernorm(x + p["embeddings.token_type_embeddings.weight"][0], p, "embeddings.LayerNorm")
        for layer in range(int(run.config["encoder"]["layers"])):
            at = f"encoder.layer.{layer}."
            parts = [linear(x, f"{at}attention.self.{part}").reshape(n, heads, -1).transpose(1, 0, 2) for part in ("query", "key", "value")]
            scores = parts[0] @ parts[1].transpose(0, 2, 1) / math.sqrt(parts[0].shape[-1])
            scores = np.exp(scores - scores.max(-1, keepdims=True))
            attended = (scores / scores.sum(-1, keepdims=True) @ parts[2]).transpose(1, 0, 2).reshape(n, -1)
            x = layernorm(x + linear(attended, at + "attention.output.dense"), p, at + "attention.output.LayerNorm")
            x = layernorm(x + linear(gelu(linear(x, at + "intermediate.dense")), at + "output.dense"), p, at + "output.LayerNorm")
        out.append(unit(x.mean(0)))
    return np.array(out)


def trunk(run, p, rows):
    if run.config["encoder"]["train"] == "frozen":
        return run.prompt[rows] @ p["projection"].T if "projection" in p else run.prompt[rows]
    return encode(run, p, rows)


def heads(h, p, prefix, u):
    """A head per row of u on [h; u]: linear, or one hidden layer with GELU."""
    M = len(u)
    w1, beta = p[prefix + "w1"], np.einsum("mhu,mu->mh", p[prefix + "wu"], u) + p[prefix + "b1"]
    z = (h @ w1.T).reshape(len(h), M, -1) + beta
    if prefix + "w2" not in p:
        return z[:, :, 0]
    return (gelu(z) * p[prefix + "w2"]).sum(-1) + p[prefix + "b2"]


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def check_models(run, stage1, rows):
    """Task, probability, s1, s2 of the rows."""
    theta, route = float(run.router.attrs["theta"]), run.config["route"]
    p = parameters(run.router["classifier"])
    h = trunk(run, p, rows)
    logits = p["matcher.s"] * (h @ p["matcher.W"] @ p["matcher.e"].T) + p["matcher.b"]
    best, probability = logits.argmax(1), sigmoid(logits.max(1))
    task = np.where(probability >= theta, best, -1)

    p = parameters(run.router["estimator"])
    close("h of the estimator", run.hidden[rows], trunk(run, p, rows), 2e-5)
    general = heads(run.hidden[rows], p, "general.", p["llm_embedding"])
    s2, candidates = general.copy(), run.router["tasks/candidates"][()]
    equal("candidates of router.h5", candidates, run.tasks["tasks/candidates"][()])
    for t in set(task) - {-1}:
        of, chosen = np.flatnonzero(task == t), np.flatnonzero(candidates[t])
        s2[np.ix_(of, chosen)] = heads(run.hidden[rows[of]], parameters(run.router[f"task_heads/{t}"]), "", p["llm_embedding"][chosen])

    if route["assignment"] == "hard":
        s1 = stage1[task]
    else:
        with np.errstate(divide="ignore"):
            others = np.log(theta) - np.log1p(-theta)
        w = np.concatenate([logits, np.full((len(rows), 1), others)], axis=1) / route["temperature"]
        w = np.exp(w - w.max(1, keepdims=True))
        s1 = w / w.sum(1, keepdims=True) @ stage1
    return task, probability, s1, s2, general


def minmax(x):
    low, high = x.min(1, keepdims=True), x.max(1, keepdims=True)
    return np.where(high > low, (x - low) / np.where(high > low, high - low, 1), 0)


def by_model(run, records, what):
    return np.array([[r[what][m] for m in run.model] for r in records], float)


def said(record):
    return -1 if record["task"] is None else record["task"]


def check_records(run, what, records, rows, stage1):
    """Records of predictions.jsonl, or of `finerouter route`, against the models."""
    task, probability, s1, s2, general = check_models(run, stage1, rows)
    names = texts(run.tasks["tasks/name"])
    close(f"{what}: probability", [r["task_probability"] for r in records], probability, 2e-5)
    # theta and a near draw between two tasks may fall to either side by rounding; there are next to none
    agree = np.array([said(r) for r in records]) == task
    true(f"{what}: tasks", agree.mean() > 0.99, agree.mean())
    true(f"{what}: names of tasks", all(r["task_name"] in ((None, "Others") if r["task"] is None else (names[r["task"]],)) for r in records))
    alpha = float(run.router.attrs["alpha"])
    score = alpha * minmax(s2) + (1 - alpha) * minmax(s1)
    for name, want in (("s1", s1), ("s2", s2), ("score", score)):
        close(f"{what}: {name}", by_model(run, records, name)[agree], want[agree], 5e-4 if name == "score" else 5e-5)
    cost = np.where(np.isnan(run.expected), np.inf, run.expected)
    written = by_model(run, records, "score")
    for i, r in enumerate(records):
        order = [run.model.index(m) for m in r["ranking"]]
        true(f"{what}: rankings hold every model", sorted(order) == list(range(run.M)))
        for a, b in zip(order, order[1:]):
            true(f"{what}: rankings descend", written[i, a] >= written[i, b])
            exact = score[i, a] == score[i, b] and s2[i, a] == s2[i, b]
            true(f"{what}: equal models by cost", not exact or cost[a] <= cost[b])
    return general


# ---- metrics ----

def choose(run, score, tie, tolerance=0):
    """The cheapest model within the tolerance of the best; ties by `tie`, then cheaper, then model order."""
    cost, out = np.where(np.isnan(run.expected), np.inf, run.expected), []
    for s, t in zip(score, tie if tie is not None else np.zeros_like(score)):
        filled = np.where(np.isnan(s), -np.inf, s)
        key = sorted(range(run.M), key=lambda m: (-filled[m], -np.nan_to_num(t[m]), cost[m], m))
        if tolerance > 0:
            low, high = np.nanmin(s), np.nanmax(s)
            least = low if tolerance >= 1 else np.float32(high - tolerance * (float(high) - float(low)))
            key = sorted((m for m in key if s[m] >= least), key=lambda m: (cost[m], key.index(m)))
        out.append(key[0])
    return np.array(out)


def measure(run, q, c):
    """The figures of a router from quality and cost of its answers on the test prompts."""
    rows, ok = run.test, ~np.isnan(q)
    oracle, b = np.nanmax(run.quality[rows], axis=1), run.quality[rows, best_single(run)]
    pair = ok & ~np.isnan(b)
    sources = {s: mean(q[[run.source[i] == s for i in rows]]) for s in dict.fromkeys(run.source)}
    return {
        "quality": mean(q), "cost": mean(np.where(ok, c, np.nan)), "regret": mean(oracle - q), "scored": ok.sum(), "left_out": (~ok).sum(),
        "gap_closed": (q - b)[pair].sum() / (oracle - b)[pair].sum(), "sources": sources, "quality_by_source": mean(list(sources.values())),
    }


def best_single(run):
    means = [mean(run.quality[run.train, m]) for m in range(run.M)]
    return max(range(run.M), key=lambda m: (means[m], -np.nan_to_num(run.expected[m], nan=np.inf), -m))


def answers(run, chosen):
    return run.quality[run.test, chosen], run.cost[run.test, chosen]


def check_router(run, name, q, c, full, chosen=None, score=None):
    """chosen: the model of each test prompt, or the one of all; score (n, M), by which RouteLLM's two models are told apart."""
    if chosen is not None:
        check_peers(run, name, q, c, np.broadcast_to(chosen, len(run.test)))
    if score is not None:
        check_pair(run, name, score)
    got, want = run.metrics["routers"][name], measure(run, q, c)
    nan = lambda x: np.nan if x is None else x
    for key in ("quality", "cost", "regret", "gap_closed", "quality_by_source", "scored", "left_out"):
        close(f"metrics of {name}: {key}", nan(got[key]), want[key], 2e-6)
    close(f"metrics of {name}: sources", [nan(got["sources"][s]) for s in want["sources"]], list(want["sources"].values()), 2e-6)
    if name != "full" and got["vs_full"]["difference"] is not None:
        close(f"metrics of {name}: difference from full", got["vs_full"]["difference"], mean(full - q), 2e-6)
        true("confidence intervals hold the quality", got["quality_interval"]["low"] <= got["quality"] <= got["quality_interval"]["high"])
        true("confidence intervals hold the difference", got["vs_full"]["low"] <= got["vs_full"]["difference"] <= got["vs_full"]["high"])


# ---- the metrics of others ----

def null(x):
    return np.nan if x is None else x


def ratio(a, b):
    return a / b if b else np.nan


def curve_points(router):
    """(cost, quality) of the curve, by cost."""
    points = sorted((p["cost"], p["quality"]) for p in router["curve"] if p["cost"] is not None and p["quality"] is not None)
    best = {}
    for x, y in points:
        best[x] = max(y, best.get(x, -np.inf))
    return sorted(best.items())


def hull(points):
    """RouterBench step by step: every pair of points lifts what lies between; what is lower than its predecessor drops out."""
    lifted = []
    for x, y in points:
        for (a, qa) in points:
            for (b, qb) in points:
                if a < x < b:
                    y = max(y, qa + (qb - qa) * (x - a) / (b - a))
        if not lifted or y >= lifted[-1][1] - 1e-12:
            lifted.append((x, y))
    return lifted


def staircase(points):
    front = []
    for x, y in points:
        if not front or y > front[-1][1]:
            front.append((x, y))
    return front


def area(points, low, high):
    """Under the line through the points, flat at its end, by brute force: exact between the knots."""
    if not points or high <= low:
        return 0.0
    x, y = zip(*points)
    knots = sorted({low, high, *(v for v in x if low < v < high)})
    total = 0.0
    for a, b in zip(knots, knots[1:]):
        if a >= x[0]:
            total += (b - a) * (np.interp(a, x, y) + np.interp(b, x, y)) / 2
    return total


BOUNDS, EXPECTED = ("oracle", "dataset_oracle"), ("random",)


def check_peers(run, name, q, c, chosen):
    """Recall, RouterArena, LLMRouterBench, AIQ, ORBIT, ARQGC of one router."""
    got, rows = run.metrics["routers"][name], run.test
    Q, C = run.quality[rows], run.cost[rows]
    n, observed = len(rows), ~np.isnan(Q)
    right, hit, ok = np.nan_to_num(Q, nan=-1) >= 0.5, np.nan_to_num(q, nan=-1) >= 0.5, ~np.isnan(q)
    counts = right.sum(1)
    equal(f"recall of {name}: prompts", [r["prompts"] for r in got["recall"]], [int((ok & (counts == k)).sum()) for k in range(run.M + 1)])
    close(f"recall of {name}", [null(r["hit_rate"]) for r in got["recall"]], [mean(hit[ok & (counts == k)]) for k in range(run.M + 1)], 1e-8)

    A, usd = mean(q), 1000 * mean(np.where(ok, c, np.nan))
    K = min(1, max(0, math.log2(200 / usd) / math.log2(200 / 0.0044)))
    cheapest = np.array([np.nan if not (right[i] & ~np.isnan(C[i])).any() else C[i][right[i] & ~np.isnan(C[i])].min() for i in range(n)])
    own = C[np.arange(n), chosen]
    solvable, priced, paid = ok & (counts > 0), ok & ~np.isnan(cheapest), ok & hit & ~np.isnan(own)
    arena = got["routerarena"]
    close(f"RouterArena of {name}", [null(arena[k]) for k in ("cost_per_1k", "score", "opt_sel", "opt_acc", "opt_cost")],
          [usd, 1.1 * A * K / (0.1 * A + K), mean((hit & (own == cheapest))[priced]), mean(hit[solvable]), ratio(cheapest[paid].sum(), own[paid].sum())], 2e-6)

    single = best_single(run)
    b = Q[:, single]
    both, best = ok & ~np.isnan(b), (mean(np.where(np.isnan(b), np.nan, C[:, single])), mean(b))
    expected = np.array([x[o].mean() for x, o in zip(Q, observed)])
    routers = run.metrics["routers"]
    points = curve_points(got)
    everyone = [p for r in routers if r not in BOUNDS + EXPECTED for p in curve_points(routers[r])]
    reach = max(hull(curve_points(routers[r]))[-1][0] for r in routers if r not in BOUNDS + EXPECTED)
    (x, y), width = zip(*everyone), lambda v: (max(v) - min(v)) or np.inf
    front, scale = staircase(sorted(set(everyone), key=lambda p: (p[0], -p[1]))), np.array([width(x), width(y)])
    distance = [min(np.hypot(*((np.array(p) - f) / scale)) for f in np.array(front))
                for p in ((p["cost"], p["quality"]) for p in got["curve"])]
    as_good = [p["cost"] for p in got["curve"] if p["quality"] >= best[1] - 1e-9]
    bench, peak = got["llmrouterbench"], max(p["quality"] for p in got["curve"])
    close(f"LLMRouterBench of {name}",
          [null(bench[k]) for k in ("gain_random", "gain_best_single", "gap_oracle", "perf_gain", "cost_save", "pareto_dist")],
          [q[ok].sum() / expected[ok].sum() - 1, q[both].sum() / b[both].sum() - 1, 1 - q[ok].sum() / np.nanmax(Q, axis=1)[ok].sum(),
           peak / best[1] - 1, 1 - min(as_good) / best[0] if as_good else np.nan, np.nan if name in BOUNDS else mean(distance)], 2e-6)

    lifted = hull(points)
    under = area(lifted, lifted[0][0], reach)
    close(f"AIQ of {name}", [null(got["aiq"][k]) for k in ("code", "paper")],
          [under / reach, lifted[0][1] if lifted[0][0] == reach else under / (reach - lifted[0][0])], 2e-6)
    stairs = staircase(points)
    end = max(best[0], stairs[-1][0])
    close(f"ORBIT of {name}", [null(got["orbit"][k]) for k in ("nauc", "peak", "qnc")],
          [area(stairs, 0, end) / end, peak, min(as_good) / best[0] if as_good else np.nan], 2e-6)
    models = [(mean(np.where(observed[:, m], C[:, m], np.nan)), mean(Q[:, m])) for m in range(run.M)]
    (c0, q0), (c1, q1) = np.min(models, axis=0), np.max(models, axis=0)
    close(f"ARQGC of {name}", null(got["arqgc"]), area([(x, y - q0) for x, y in stairs], c0, c1) / (c1 - c0) / (q1 - q0), 2e-6)


def check_pair(run, name, score):
    """RouteLLM: prompt by prompt, the largest margins get the strong model; equal margins share what strong answers there are."""
    got, pair = run.metrics["routers"][name]["routellm"], run.metrics["pair"]
    strong, weak = run.model.index(pair["strong"]), run.model.index(pair["weak"])
    s, w = run.quality[run.test, strong], run.quality[run.test, weak]
    known = ~np.isnan(s) & ~np.isnan(w)
    close("the pair's qualities", [pair["strong_quality"], pair["weak_quality"]], [s[known].mean(), w[known].mean()], 1e-8)
    margin, s, w = (score[:, strong] - score[:, weak])[known].astype(np.float32), s[known], w[known]
    quality = []
    for j in range(21):
        budget, chance = j / 20 * len(s), np.zeros(len(s))
        for value in sorted(set(margin), reverse=True):
            group = margin == value
            share = min(group.sum(), max(0, budget))
            chance[group] = share / group.sum()
            budget -= share
        quality.append((chance * s + (1 - chance) * w).mean())
    close(f"strong and weak model by {name}", [p["quality"] for p in got["curve"]], quality, 1e-6)
    close("shares of strong answers", [p["strong_share"] for p in got["curve"]], np.arange(21) / 20, 1e-9)
    low, high = quality[0], quality[-1]
    if high <= low:
        true("no gap, no APGR", got["apgr"] is None and got["cpt50"] is None)
        return
    close(f"APGR of {name}", got["apgr"], (np.trapezoid(quality, dx=0.05) if hasattr(np, "trapezoid") else np.trapz(quality, dx=0.05)) / (high - low) - low / (high - low), 1e-6)
    for key, p in (("cpt20", 0.2), ("cpt50", 0.5), ("cpt80", 0.8)):
        target = low + p * (high - low)
        j = next(j for j in range(21) if quality[j] >= target - 1e-12)
        at = 0.0 if j == 0 else (j - 1 + (target - quality[j - 1]) / (quality[j] - quality[j - 1])) / 20
        close(f"CPT of {name}", null(got[key]), at, 1e-5)


def check_calibration(run, name, estimate):
    got, q = run.metrics["calibration"][name], run.quality[run.test]
    low, high = min(0, np.nanmin(run.quality)), max(1, np.nanmax(run.quality))
    close("bins of calibration", [[b["low"], b["high"]] for b in got["bins"]], [[low + (high - low) * k / 10, low + (high - low) * (k + 1) / 10] for k in range(10)], 1e-8)
    e, v = estimate[~np.isnan(q)].ravel(), q[~np.isnan(q)].ravel()
    place = np.clip(np.floor(((e - low) / (high - low) * 10).astype(np.float32)), 0, 9).astype(int)
    # predictions.jsonl has six digits: an estimate at a bin's edge may have been counted in the next one
    counts = np.bincount(place, minlength=10)
    true(f"calibration of {name}: entries", np.abs(counts - [b["entries"] for b in got["bins"]]).sum() <= 2, counts)
    error = sum(abs(e[place == k].sum() - v[place == k].sum()) for k in range(10)) / len(e)
    close(f"calibration of {name}: ECE", got["ece"], error, 2e-3)
    same = [k for k in range(10) if counts[k] == got["bins"][k]["entries"]]
    close(f"calibration of {name}: means", [[null(got["bins"][k]["estimate"]), null(got["bins"][k]["quality"])] for k in same],
          [[mean(e[place == k]), mean(v[place == k])] for k in same], 1e-5)


def check_classifier(run, said, truth):
    got = run.metrics["classifier"]
    tp, fp, fn = (np.array([f(t) for t in range(run.T)], float) for f in (
        lambda t: ((said == t) & (truth == t)).sum(), lambda t: ((said == t) & (truth != t)).sum(), lambda t: ((said != t) & (truth == t)).sum()))
    some = tp + fp + fn > 0
    f1 = 2 * tp[some] / (2 * tp[some] + fp[some] + fn[some])
    close("the classifier's metrics", [null(got[k]) for k in ("micro_f1", "macro_f1", "accuracy", "accuracy_without_others", "coverage")],
          [ratio(2 * tp.sum(), 2 * tp.sum() + fp.sum() + fn.sum()), mean(f1), np.mean(said == truth), mean((said == truth)[truth >= 0]), np.mean(said >= 0)], 1e-8)


def check_task_quality(run):
    got = run.metrics["tasks"]
    equal("sizes of tasks", got["sizes"], [int((run.label == t).sum()) for t in range(run.T)])
    close("cohesion of tasks", [null(got["cohesion_inside"]), null(got["cohesion_outside"])],
          [mean(run.tasks["tasks/cohesion_inside"][()]), mean(run.tasks["tasks/cohesion_outside"][()])], 1e-6)
    inside, total = [], []
    for m in range(run.M):
        q, label = run.quality[run.label >= 0, m], run.label[run.label >= 0]
        q, label = q[~np.isnan(q)], label[~np.isnan(q)]
        total.append(q.var())
        inside.append(sum(q[label == t].var() * (label == t).sum() for t in set(label)) / len(q))
    close("variance within and between tasks", [got["variance_within"], got["variance_between"]], [mean(inside), mean(total) - mean(inside)], 1e-6)


def check_curve(run, name, score, tie):
    for point in run.metrics["routers"][name]["curve"]:
        q, c = answers(run, choose(run, score, tie, point["tolerance"]))
        close(f"curve of {name}", [point["quality"], point["cost"]], [mean(q), mean(np.where(np.isnan(q), np.nan, c))], 2e-6)


def check_metrics(run, records, general):
    q, c = run.quality[run.test], run.cost[run.test]
    s1, s2, score = (by_model(run, records, name) for name in ("s1", "s2", "score"))
    first = np.array([run.model.index(r["ranking"][0]) for r in records])
    full, _ = answers(run, first)
    true("the ranking's first has the best score", (score[np.arange(len(first)), first] == score.max(1)).all())
    check_router(run, "full", *answers(run, first), full, first, score)
    check_curve(run, "full", score, s2)
    constant = np.zeros((len(run.test), run.M))
    check_router(run, "best_single", *answers(run, best_single(run)), full, best_single(run), constant)
    check_router(run, "cheapest", *answers(run, int(np.nanargmin(run.expected))), full, int(np.nanargmin(run.expected)), constant)
    check_router(run, "oracle", *answers(run, choose(run, q, None)), full, choose(run, q, None))
    check_router(run, "random", np.array([mean(x) for x in q]), np.array([mean(np.where(np.isnan(x), np.nan, y)) for x, y in zip(q, c)]), full, None, constant)
    check_router(run, "ipr", *answers(run, choose(run, general.astype(np.float32), None)), full)
    check_router(run, "stage1", *answers(run, choose(run, s1, None)), full, choose(run, s1, None), s1)
    check_router(run, "stage2", *answers(run, choose(run, s2, None)), full, choose(run, s2, None), s2)
    check_calibration(run, "stage1", s1)
    check_calibration(run, "stage2", s2)
    by_source = {s: np.array([mean(run.quality[[i for i in run.train if run.source[i] == s], m]) for m in range(run.M)]) for s in set(run.source)}
    check_router(run, "dataset_oracle", *answers(run, choose(run, np.array([by_source[run.source[i]] for i in run.test], np.float32), None)), full)
    for m, name in enumerate(run.model):
        got = run.metrics["single_models"][name]
        close("single models", [got["quality"], got["cost"]], [mean(q[:, m]), mean(np.where(np.isnan(q[:, m]), np.nan, c[:, m]))], 2e-6)
    reference = run.metrics["reference"]
    true("reference: best single", reference["best_single"] == run.model[best_single(run)])
    close("reference", [reference["best_single_quality"], reference["oracle_quality"]],
          [mean(q[:, best_single(run)]), mean(np.nanmax(q, axis=1))], 2e-6)
    check_task_metrics(run, records)


def check_task_metrics(run, records):
    got, vote = run.metrics["tasks"], run.tasks["tasks/vote"][()]
    task = np.array([said(r) for r in records])
    check_classifier(run, task, vote[run.test])
    check_task_quality(run)
    close("metrics of tasks", [got["count"], got["others_train"], got["others_test"], got["classifier_accuracy"], got["mean_candidates"]],
          [run.T, np.mean(run.label[run.train] < 0), np.mean(task < 0), np.mean(task == vote[run.test]),
           run.tasks["tasks/candidates"][()].sum() / run.T], 2e-6)
    rows = [i for i in run.train if run.label[i] >= 0 and run.planted[i] >= 0]
    table = np.zeros((run.T, run.planted.max() + 1))
    for i in rows:
        table[run.label[i], run.planted[i]] += 1
    n, a, b = table.sum(), table.sum(1), table.sum(0)
    pairs = lambda x: (x * (x - 1) / 2).sum()
    chance = pairs(a) * pairs(b) / (n * (n - 1) / 2)
    entropy = lambda x: -sum(v / n * math.log(v / n) for v in x.ravel() if v > 0)
    mutual = entropy(a) + entropy(b) - entropy(table)
    close("agreement with the planted tasks", [got["ari"], got["nmi"]],
          [(pairs(table) - chance) / ((pairs(a) + pairs(b)) / 2 - chance), mutual / ((entropy(a) + entropy(b)) / 2)])


# ---- the route command ----

def check_route(run, binary, records, stage1):
    """finerouter route on the texts of the test split."""
    lines = "".join(json.dumps({"id": run.id[i], "prompt": run.text[i]}) + "\n" for i in run.test)
    out = subprocess.run([binary, "route", run.folder, "--file", "-"], input=lines.encode(), stdout=subprocess.PIPE, check=True).stdout
    routed = [json.loads(line) for line in out.decode().splitlines()]
    equal("route: ids", [r["id"] for r in routed], [r["id"] for r in records])
    check_records(run, "route", routed, run.test, stage1)
    for a, b in zip(routed, records):
        true("route: the model is the ranking's first", a["model"] == a["ranking"][0])
        same = a["task"] == b["task"]
        for what in ("s1", "s2", "score"):
            close(f"route against predictions: {what}", [a[what][m] for m in run.model] if same else [], [b[what][m] for m in run.model] if same else [], 1e-3 if what == "score" else 5e-5)
        for x, y in zip(a["ranking"], b["ranking"]):  # may differ only where the scores do not
            true("route against predictions: ranking", not same or x == y or abs(b["score"][x] - b["score"][y]) < 1e-3, (a, b))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("run")
    parser.add_argument("--data")
    parser.add_argument("--finerouter")
    arguments = parser.parse_args()
    run = Run(arguments.run, arguments.data)
    true("there are tasks", run.T >= 2, run.T)
    x = check_discovery(run)
    check_tasks(run, x)
    stage1 = check_stage1(run)
    close("expected costs", run.router["models/expected_cost"][()], run.expected)
    equal("models", texts(run.router["models/name"]), run.model)
    rows = np.flatnonzero(run.split != 0)
    equal("predictions: ids", [r["id"] for r in run.predictions], [run.id[i] for i in rows])
    equal("predictions: splits", [r["split"] for r in run.predictions], [("train", "dev", "test")[run.split[i]] for i in rows])
    general = check_records(run, "predictions", run.predictions, rows, stage1)
    test = np.flatnonzero(run.split[rows] == 2)
    records = [run.predictions[i] for i in test]
    check_metrics(run, records, general[test])
    if arguments.finerouter:
        check_route(run, arguments.finerouter, records, stage1)
    print(f"{arguments.run}: {len(set(checked))} things recomputed, {len(checked)} comparisons, {run.T} tasks")


if __name__ == "__main__":
    sys.exit(main())
