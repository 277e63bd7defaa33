"""What PyTorch needs for the work of bench_gpu: same weights, same token ids, same rows (bench_gpu writes them).

    python3 benchmarks/gpu/peer.py FOLDER [--device cuda] [--small] PART...

Parts: ceilings encode train latency knn rbo heads. Prints JSON lines; `peer` says which configuration, `agrees` compares
its results with ours. Each peer runs in its best known configuration (packed sequences through varlen_attn, bfloat16,
torch.compile by layer) and in its default one (padded batches, float32). What torch does not have here is left out with
a line that says why. Times are medians after warm-up.
"""

import argparse
import json
import math
import os
import statistics
import time

import numpy as np
import torch
import torch.nn.functional as F

from peer_model import HAVE_VARLEN, PackedBert, load_padded

MODELS = {"minilm": {"heads": 12, "latency": 32}, "base": {"heads": 12, "latency": 128}}


def line(bench, peer, **fields):
    print(json.dumps({"bench": bench, "peer": peer, "torch": torch.__version__, **fields}), flush=True)


def median(work, repeat, warm=2):
    seconds = []
    for run in range(warm + repeat):
        synchronize()
        begin = time.perf_counter()
        work()
        synchronize()
        if run >= warm:
            seconds.append(time.perf_counter() - begin)
    return statistics.median(seconds)


def synchronize():
    if args.device == "cuda":
        torch.cuda.synchronize()


def tried(bench, peer, work):
    """Runs a peer; one that this torch cannot run is a line, not an end."""
    try:
        work()
    except Exception as error:  # whatever torch.compile or an operator throws
        line(bench, peer, failed=f"{type(error).__name__}: {error}".splitlines()[0][:300])
    finally:
        if args.device == "cuda":
            torch.cuda.empty_cache()


def read(name, dtype):
    return np.fromfile(os.path.join(args.folder, name), dtype)


def read_texts():
    data = read("tokens.i32", "<i4")
    count = int(data[0])
    ends = np.cumsum(data[1:1 + count])
    return np.split(data[1 + count:], ends[:-1])


def by_budget(texts, order, budget):
    batch, used = [], 0
    for i in order:
        if batch and used + len(texts[i]) > budget:
            yield batch
            batch, used = [], 0
        batch.append(i)
        used += len(texts[i])
    yield batch


def cosine(name, got, rows):
    ours = read(name, "<f4").reshape(-1, got.shape[1])[rows]
    return round(float((got.double().numpy() * ours).sum(1).min()), 6)


# ---- encoder ----------------------------------------------------------------------------------------------------------

def packed_passes(model, texts, budget):
    order = sorted(range(len(texts)), key=lambda i: -len(texts[i]))
    batches = [model.batch([texts[i] for i in rows], args.device, pin=True) for rows in by_budget(texts, order, budget)]

    @torch.inference_mode()
    def work():
        return torch.cat([model(*batch.to(args.device)).float() for batch in batches]).cpu()

    def restored():
        out = work()
        back = torch.empty_like(out)
        back[order] = out
        return back
    return work, restored


def encode_packed(name, texts, compiled):
    peer = f"packed bf16 {model_attention()}{', torch.compile' if compiled else ', eager'}"
    model = PackedBert(os.path.join(args.folder, name), MODELS[name]["heads"], args.device, compiled).bfloat16()
    tokens = sum(map(len, texts))
    budget = 1024 if args.small else 131072
    work, restored = packed_passes(model, texts, budget)
    seconds = median(work, 5, warm=3)
    line("embed", peer, model=name, texts=len(texts), tokens=tokens, seconds=seconds, tokens_per_s=tokens / seconds,
         agrees=cosine(f"embed-{name}-ours.f32", restored(), slice(None)))
    first = next(by_budget(texts, range(len(texts)), 1024 if args.small else 65536))
    batch = model.batch([texts[i] for i in first], args.device).to(args.device)
    with torch.inference_mode():
        seconds = median(lambda: model(*batch), 7)
    tokens = sum(len(texts[i]) for i in first)
    line("forward", peer, model=name, texts=len(first), tokens=tokens, seconds=seconds, tokens_per_s=tokens / seconds)


def encode_padded(name, texts, dtype):
    """Batches of 32 sorted by length, as SentenceTransformer.encode does by default (float32)."""
    texts = texts[:40 if args.small else 2048 if dtype == torch.float32 else 8192]
    model = load_padded(os.path.join(args.folder, name), args.device).to(dtype).eval()
    order = sorted(range(len(texts)), key=lambda i: -len(texts[i]))

    @torch.inference_mode()
    def work():
        out = torch.empty(len(texts), model.config.hidden_size)
        for at in range(0, len(order), 32):
            rows = order[at:at + 32]
            out[rows] = model.embed([texts[i] for i in rows], args.device).float().cpu()
        return out
    seconds, tokens = median(work, 3, warm=1), sum(map(len, texts))
    line("embed", f"padded {str(dtype)[6:]}, eager, batches of 32 (sentence-transformers)", model=name, texts=len(texts),
         tokens=tokens, seconds=seconds, tokens_per_s=tokens / seconds,
         agrees=cosine(f"embed-{name}-ours.f32", work(), slice(len(texts))))


def model_attention():
    return "varlen_attn" if HAVE_VARLEN and args.device == "cuda" else "SDPA by sequence (no varlen_attn here)"


def encode():
    texts = read_texts()
    for name in MODELS:
        tried("embed", "packed, torch.compile", lambda: encode_packed(name, texts, True))
        tried("embed", "packed, eager", lambda: encode_packed(name, texts, False))
        tried("embed", "padded bfloat16", lambda: encode_padded(name, texts, torch.bfloat16))
        tried("embed", "padded float32", lambda: encode_padded(name, texts, torch.float32))


# ---- training ---------------------------------------------------------------------------------------------------------

def weights_of_loss(rows, columns):
    i, j = torch.arange(rows).unsqueeze(1), torch.arange(columns)
    return torch.sin(i + .1 * j).to(args.device)


def train_packed(name, texts, dropout, compiled):
    peer = f"packed bf16 autocast {model_attention()}{', torch.compile' if compiled else ', eager'}"
    model = PackedBert(os.path.join(args.folder, name), MODELS[name]["heads"], args.device, compiled)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5, weight_decay=0, fused=args.device == "cuda")
    batch = model.batch(texts, args.device).to(args.device)
    weight = weights_of_loss(len(texts), model.hidden)

    def gradients(p):
        optimizer.zero_grad(set_to_none=False)
        with torch.autocast(args.device, torch.bfloat16):
            h = model(*batch, dropout=p)
        (weight * h.float()).sum().backward()

    def step():
        gradients(dropout)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1, foreach=True)
        optimizer.step()
    gradients(0)
    norm = float(torch.nn.utils.get_total_norm([p.grad for p in model.parameters()]))
    tokens, seconds = sum(map(len, texts)), median(step, 1 if args.small else 9, warm=1 if args.small else 3)
    line("train", peer, model=name, texts=len(texts), tokens=tokens, dropout=dropout, seconds=seconds,
         tokens_per_s=tokens / seconds, norm=norm, note="no dropout inside attention: varlen_attn has none")


def train_padded(name, texts):
    model = load_padded(os.path.join(args.folder, name), args.device).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5, weight_decay=0, fused=args.device == "cuda")
    size = 2 if args.small else 64

    def epoch():
        for at in range(0, len(texts), size):
            some = texts[at:at + size]
            optimizer.zero_grad()
            with torch.autocast(args.device, torch.bfloat16):
                h = model.embed(some, args.device)
            (weights_of_loss(len(some), h.shape[1]) * h.float()).sum().backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1)
            optimizer.step()
    tokens, seconds = sum(map(len, texts)), median(epoch, 1 if args.small else 3, warm=1)
    line("train", "padded bf16 autocast, eager, shuffled batches of 64", model=name, texts=len(texts), tokens=tokens,
         dropout=.1, seconds=seconds, tokens_per_s=tokens / seconds)


def train():
    texts = read_texts()
    for name in MODELS:
        for count in (4, 8) if args.small else (64, 256):
            tried("train", "packed, torch.compile", lambda: train_packed(name, texts[:count], .1, True))
        tried("train", "packed, eager", lambda: train_packed(name, texts[:count], .1, False))
        tried("train", "padded", lambda: train_padded(name, texts[:count]))


# ---- single prompts ---------------------------------------------------------------------------------------------------

def percentiles(work, runs):
    seconds = []
    for run in range(runs + 20):
        begin = time.perf_counter()
        work()
        if run >= 20:
            seconds.append(time.perf_counter() - begin)
    return {"p50_ms": round(1e3 * float(np.quantile(seconds, .5)), 4),
            "p99_ms": round(1e3 * float(np.quantile(seconds, .99)), 4)}


def latency():
    runs = 3 if args.small else 300
    for name, m in MODELS.items():
        ids = (1000 + 37 * np.arange(m["latency"])).astype(np.int32)
        model = load_padded(os.path.join(args.folder, name), args.device).bfloat16().eval()

        def run(forward):
            with torch.inference_mode():
                return forward([ids], args.device).float().cpu()

        def report(peer, forward):
            figures = percentiles(lambda: run(forward), runs)
            line("latency", peer, model=name, tokens=m["latency"], **figures,
                 agrees=cosine(f"latency-{name}-ours.f32", run(forward), slice(None)))

        def graphs():
            model.bert.forward = torch.compile(model.bert.forward, mode="reduce-overhead")
            report("bf16, torch.compile with CUDA graphs", model.embed)
        tried("latency", "bf16, eager", lambda: report("bf16, eager", model.embed))
        if args.device == "cuda":
            tried("latency", "bf16, torch.compile", graphs)


# ---- the rest ---------------------------------------------------------------------------------------------------------

def knn():
    rows = torch.from_numpy(read("knn-rows.f32", "<f4").reshape(-1, 384)).to(args.device)
    ours = torch.from_numpy(read("knn-index-ours.i32", "<i4").reshape(-1, 20)).long()
    part, chunk = len(ours), 4096
    found = {}

    def work():
        out = []
        for at in range(0, part, chunk):
            to = min(at + chunk, part)
            scores = rows[at:to] @ rows.T
            scores[torch.arange(to - at), torch.arange(at, to)] = -math.inf
            out.append(torch.topk(scores, 20, dim=1).indices)
        found["index"] = torch.cat(out).cpu()
    seconds = median(work, 3, warm=1)
    # rows with another set must differ by neighbours whose similarities are equal up to rounding
    different, worst = (found["index"].sort(1).values != ours.sort(1).values).any(1).nonzero().flatten(), 0.
    exact = rows.cpu().double()
    for i in different[:2000].tolist():
        a, b = (torch.sort(exact[index[i]] @ exact[i]).values for index in (ours, found["index"]))
        worst = max(worst, float((a - b).abs().max()))
    line("knn", "float32 matmul and topk", nq=part, nc=len(rows), d=384, k=20, seconds=seconds,
         rows_with_another_set=len(different), largest_difference=worst)


def rbo():
    """Without ties: the sum over the models of W[the larger of the two ranks]."""
    M, p = 11, .9
    edges = torch.from_numpy(read("rbo-edges.i32", "<i4").reshape(-1, 2)).to(args.device)
    ranks = torch.from_numpy(read("rbo-ranks.i16", "<i2").reshape(-1, M)).to(args.device)
    depth = np.arange(1, M + 1)
    weight = np.where(depth < M, (1 - p) * p ** (depth - 1), p ** (M - 1)) / depth
    table = torch.tensor(np.concatenate([[0], weight[::-1].cumsum()[::-1]]), dtype=torch.float32, device=args.device)

    def work():
        return table[torch.maximum(ranks[edges[:, 0]], ranks[edges[:, 1]]).long()].sum(1)
    seconds = median(work, 5)
    ours = torch.from_numpy(read("rbo-ours.f32", "<f4")).to(args.device)
    line("rbo", "table gather, eager", lists="no ties", edges=len(edges), M=M, seconds=seconds,
         edges_per_s=len(edges) / seconds, largest_difference=float((work() - ours).abs().max()))


def heads():
    """A loop over tasks, or over every head, each with its own AdamW; as many as fit a few seconds, scaled to all."""
    d, M, T, prompts = 384, 11, 300, 744
    h = torch.randn(prompts, d, device=args.device) / d ** .5
    target = torch.rand(prompts, M, device=args.device)

    def fit(outputs):
        w = torch.zeros(outputs, d, device=args.device, requires_grad=True)
        b = torch.zeros(outputs, device=args.device, requires_grad=True)
        optimizer = torch.optim.AdamW([w, b], lr=1e-3, fused=args.device == "cuda")
        for _ in range(10):
            for rows in torch.randperm(prompts, device=args.device).split(64):
                optimizer.zero_grad()
                F.mse_loss(h[rows] @ w.T + b, target[rows, :outputs]).backward()
                optimizer.step()
    few = 1 if args.small else 5
    for peer, outputs, count in (("a loop over tasks", M, T), ("a loop over heads", 1, T * M)):
        seconds = median(lambda: [fit(outputs) for _ in range(few)], 1, warm=1) / few * count
        line("heads", peer, tasks=T, models=M, prompts=prompts * T, task_epochs=10, seconds=seconds,
             note=f"{few} measured, scaled")


def ceilings():
    n = 256 if args.small else 8192
    a, b = (torch.randn(n, n, device=args.device).bfloat16() for _ in range(2))
    seconds = median(lambda: [a @ b for _ in range(4)], 9) / 4
    line("gemm", "bfloat16 matmul", what="ceiling", m=n, n=n, k=n, seconds=seconds, tflops=2e-12 * n ** 3 / seconds)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("parts", nargs="+", choices=["ceilings", "encode", "train", "latency", "knn", "rbo", "heads"])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--small", action="store_true", help="the sizes of bench_gpu --small")
    args = parser.parse_args()
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.manual_seed(1)
    for part in args.parts:
        globals()[part]()
