"""bench_encoder beside sentence-transformers and PyTorch: same weights, same token ids, taken in turns.

    python benchmarks/ref_encoder.py build/bench_encoder [--threads 2] [--rounds 3] [--texts 64] [--onnx]

Results are compared first. Times are medians over the rounds of wall time, and of CPU time, which is what to read on a
machine that is busy with other work. The peer's forward pads batches of 32 texts sorted by length, as
SentenceTransformer.encode does; `torch_budget` batches by a token budget instead, as bench_encoder does;
`onnx_budget` (--onnx) is ONNX Runtime on the model exported by PyTorch, batched likewise. The training
step (dropout 0.1, AdamW, the texts of one batch) pads to the longest text. Prints one JSON line.
"""

import argparse
import json
import os
import statistics
import subprocess
import tempfile
import time

import numpy as np
import torch
import transformers
import sentence_transformers
from sentence_transformers import SentenceTransformer


def make_ids(path, texts):
    rng = np.random.default_rng(1)
    lengths = rng.integers(16, 240, texts)
    ids = [np.concatenate([[101], rng.integers(1000, 30000, n - 2), [102]]).astype(np.int32) for n in lengths]
    np.concatenate([[texts], lengths, *ids]).astype("<i4").tofile(path)
    return ids


def pad(ids):
    longest = max(map(len, ids))
    padded = torch.zeros(len(ids), longest, dtype=torch.long)
    mask = torch.zeros(len(ids), longest, dtype=torch.long)
    for i, row in enumerate(ids):
        padded[i, :len(row)] = torch.from_numpy(row.astype(np.int64))
        mask[i, :len(row)] = 1
    return {"input_ids": padded, "attention_mask": mask, "token_type_ids": torch.zeros_like(padded)}


def batches(ids, size, budget):
    order = sorted(range(len(ids)), key=lambda i: -len(ids[i]))
    while order:
        n = size if size else max(1, budget // len(ids[order[0]]))
        yield order[:n]
        order = order[n:]


@torch.inference_mode()
def embed(model, ids, size=32, budget=0):
    out = torch.empty(len(ids), 384)
    for rows in batches(ids, size, budget):
        out[rows] = model(pad([ids[i] for i in rows]))["sentence_embedding"]
    return out.numpy()


class States(torch.nn.Module):
    """Token states alone, for the export."""

    def __init__(self, folder):
        super().__init__()
        self.model = transformers.BertModel.from_pretrained(folder, add_pooling_layer=False, attn_implementation="eager").eval()

    def forward(self, input_ids, attention_mask, token_type_ids):
        return self.model(input_ids, attention_mask, token_type_ids).last_hidden_state


def onnx_session(folder, path, threads):
    import onnxruntime
    example = pad([np.arange(101, 120), np.arange(101, 108)])
    names = ["input_ids", "attention_mask", "token_type_ids"]
    torch.onnx.export(States(folder), tuple(example[n] for n in names), path, input_names=names, output_names=["states"],
                      dynamic_axes={n: {0: "texts", 1: "tokens"} for n in [*names, "states"]}, opset_version=17, dynamo=False)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def embed_onnx(session, ids, budget):
    out = np.empty((len(ids), 384), np.float32)
    for rows in batches(ids, 0, budget):
        batch = {name: value.numpy() for name, value in pad([ids[i] for i in rows]).items()}
        mask = batch["attention_mask"][..., None].astype(np.float32)
        h = (session.run(None, batch)[0] * mask).sum(1) / mask.sum(1)
        out[rows] = h / np.linalg.norm(h, axis=1, keepdims=True)
    return out


def step(model, optimizer, batch):
    optimizer.zero_grad()
    states = model(**batch).last_hidden_state
    mask = batch["attention_mask"][..., None].float()
    h = torch.nn.functional.normalize((states * mask).sum(1) / mask.sum(1), dim=1)
    (h * h).sum().backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1)
    optimizer.step()


def timed(work):
    wall, cpu = time.monotonic(), time.process_time()
    work()
    return time.monotonic() - wall, time.process_time() - cpu


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("bench")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--texts", type=int, default=64)
    parser.add_argument("--batch", type=int, default=2048)
    parser.add_argument("--onnx", action="store_true")
    args = parser.parse_args()
    folder = os.environ.get("FINEROUTER_ENCODER", os.path.expanduser("~/.cache/finerouter/all-MiniLM-L6-v2"))
    torch.set_num_threads(args.threads)
    model = SentenceTransformer(folder, device="cpu")
    trained = transformers.BertModel.from_pretrained(folder, add_pooling_layer=False).train()
    optimizer = torch.optim.AdamW(trained.parameters(), lr=1e-5, fused=True)

    with tempfile.TemporaryDirectory() as temporary:
        ids_path, out_path = temporary + "/ids", temporary + "/out"
        ids = make_ids(ids_path, args.texts)
        tokens = sum(map(len, ids))
        count = int(np.searchsorted(np.cumsum([len(i) for i in ids]), args.batch, side="right"))
        batch = pad(ids[:count])
        train_tokens = sum(map(len, ids[:count]))

        def ours():
            out = subprocess.check_output([args.bench, "--threads", str(args.threads), "--repeat", "1", "--batch",
                                           str(args.batch), "--encoder", folder, "--ids", ids_path, "--out", out_path])
            return json.loads(out)

        peers = {"sentence_transformers": lambda: embed(model, ids),
                 "torch_budget": lambda: embed(model, ids, 0, args.batch),
                 "torch_train": lambda: step(trained, optimizer, batch)}
        if args.onnx:
            session = onnx_session(folder, temporary + "/model.onnx", args.threads)
            peers["onnx_budget"] = lambda: embed_onnx(session, ids, args.batch)
        ours()
        h = np.fromfile(out_path, "<f4").reshape(args.texts, -1)
        cosine = float((h * embed(model, ids)).sum(1).min())
        if args.onnx:
            cosine = min(cosine, float((h * embed_onnx(session, ids, args.batch)).sum(1).min()))
        for work in peers.values():
            work()
        rounds = {name: [] for name in peers}
        own = []
        for _ in range(args.rounds):
            own.append(ours())
            for name, work in peers.items():
                rounds[name].append(timed(work))

    def rate(name, which):
        n = train_tokens if name == "torch_train" else tokens
        return n / statistics.median(r[which] for r in rounds[name])

    result = {"bench": "encoder_peers", "device": own[0]["device"], "threads": args.threads, "tokens": tokens,
              "train_tokens": train_tokens, "min_cosine": cosine,
              "versions": {"torch": torch.__version__, "transformers": transformers.__version__,
                           "sentence_transformers": sentence_transformers.__version__}}
    for which, time_of in enumerate(["wall", "cpu"]):
        mine = [o if time_of == "wall" else o["cpu_time"] for o in own]
        forward = statistics.median(o["forward_tokens_per_s"] for o in mine)
        train = statistics.median(o["train_tokens_per_s"] for o in mine)
        result[time_of] = {
            "forward_tokens_per_s": forward, "train_tokens_per_s": train,
            "forward_share": statistics.median(o["forward_share"] for o in mine),
            "train_share": statistics.median(o["train_share"] for o in mine),
            **{name + "_tokens_per_s": round(rate(name, which)) for name in peers},
            "forward_ratio": round(forward / rate("sentence_transformers", which), 2),
            "forward_ratio_budget": round(forward / rate("torch_budget", which), 2),
            **({"forward_ratio_onnx": round(forward / rate("onnx_budget", which), 2)} if args.onnx else {}),
            "train_ratio": round(train / rate("torch_train", which), 2)}
    print(json.dumps(result))


main()
