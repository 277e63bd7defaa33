"""BERT for peer.py: packed (no padding), and Hugging Face's own (padded). Mean pooling, unit length."""

import os

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file

try:
    from torch.nn.attention.varlen import varlen_attn
    HAVE_VARLEN = True
except ImportError:
    HAVE_VARLEN = False


COPY = False  # whether varlen_attn wants q, k and v each in one piece


def probe():
    """Finds that out, forward and backward."""
    global COPY
    if not (HAVE_VARLEN and torch.cuda.is_available()):
        return
    cu = torch.tensor([0, 16], dtype=torch.int32, device="cuda")
    for COPY in (False, True):
        try:
            attention(torch.randn(16, 3, 2, 32, device="cuda", dtype=torch.bfloat16, requires_grad=True), cu, 16).sum().backward()
            return
        except RuntimeError as error:
            if COPY:
                raise error


def attention(qkv, cu, longest):
    """qkv (N, 3, H, D), sequences at cu."""
    q, k, v = qkv.unbind(1)
    if HAVE_VARLEN and qkv.is_cuda:
        if COPY:
            q, k, v = q.contiguous(), k.contiguous(), v.contiguous()
        return varlen_attn(q, k, v, cu, cu, longest, longest)
    at = cu.tolist()
    return torch.cat([F.scaled_dot_product_attention(*(x[a:b].transpose(0, 1) for x in (q, k, v))).transpose(0, 1)
                      for a, b in zip(at, at[1:])])


def layer(x, cu, longest, H, p, qkv_w, qkv_b, out_w, out_b, ln1_w, ln1_b, up_w, up_b, down_w, down_b, ln2_w, ln2_b):
    N, C = x.shape
    a = attention(F.linear(x, qkv_w, qkv_b).view(N, 3, H, C // H), cu, longest).reshape(N, C)
    x = F.layer_norm(x + F.dropout(F.linear(a, out_w, out_b), p, p > 0), (C,), ln1_w, ln1_b, 1e-12)
    f = F.linear(F.gelu(F.linear(x, up_w, up_b)), down_w, down_b)
    return F.layer_norm(x + F.dropout(f, p, p > 0), (C,), ln2_w, ln2_b, 1e-12)


class Batch:
    def __init__(self, *tensors, longest):
        self.tensors, self.longest = tensors, longest

    def to(self, device):
        return *(t.to(device, non_blocking=True) for t in self.tensors), self.longest


class PackedBert(torch.nn.Module):
    def __init__(self, folder, heads, device, compiled):
        super().__init__()
        probe()
        weights = load_file(os.path.join(folder, "model.safetensors"), device=device)
        self.H = heads
        self.layers = 1 + max(int(name.split(".")[2]) for name in weights if name.startswith("encoder.layer."))
        take = lambda *names: torch.nn.Parameter(torch.cat([weights[name].float() for name in names]))
        e = "embeddings."
        self.word, self.position = take(e + "word_embeddings.weight"), take(e + "position_embeddings.weight")
        self.kind, self.ln_w = take(e + "token_type_embeddings.weight"), take(e + "LayerNorm.weight")
        self.ln_b = take(e + "LayerNorm.bias")
        self.hidden = self.word.shape[1]
        self.weight = torch.nn.ParameterList()
        for l in range(self.layers):
            at = f"encoder.layer.{l}."
            for kind in ("weight", "bias"):
                self.weight.append(take(*(f"{at}attention.self.{x}.{kind}" for x in ("query", "key", "value"))))
            for part in ("attention.output.dense", "attention.output.LayerNorm", "intermediate.dense", "output.dense",
                         "output.LayerNorm"):
                for kind in ("weight", "bias"):
                    self.weight.append(take(f"{at}{part}.{kind}"))
        # one layer is compiled once and serves all, with any number of tokens
        self.layer = torch.compile(layer, dynamic=True) if compiled else layer

    def batch(self, texts, device, pin=False):
        lengths = np.array([len(t) for t in texts])
        cu = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
        position = np.concatenate([np.arange(n) for n in lengths])
        sequence = np.repeat(np.arange(len(texts)), lengths)
        longest = next(n for n in (64, 128, 256, 512) if n >= lengths.max())
        tensors = [torch.from_numpy(x) for x in (np.concatenate(texts).astype(np.int64), position, sequence, cu)]
        if pin and device == "cuda":
            tensors = [t.pin_memory() for t in tensors]
        return Batch(*tensors, longest=longest)

    def forward(self, ids, position, sequence, cu, longest, dropout=0.):
        x = self.word[ids] + self.position[position] + self.kind[0]
        x = F.dropout(F.layer_norm(x, (self.hidden,), self.ln_w, self.ln_b, 1e-12), dropout, dropout > 0)
        if torch.is_autocast_enabled(x.device.type):
            x = x.bfloat16()
        for l in range(self.layers):
            x = self.layer(x, cu, longest, self.H, dropout, *(self.weight[12 * l + i] for i in range(12)))
        length = (cu[1:] - cu[:-1]).unsqueeze(1)
        pooled = torch.zeros(len(cu) - 1, self.hidden, device=x.device).index_add(0, sequence, x.float()) / length
        return F.normalize(pooled, dim=1)


class Padded(torch.nn.Module):
    def __init__(self, bert):
        super().__init__()
        self.bert, self.config = bert, bert.config

    def embed(self, texts, device):
        longest = max(map(len, texts))
        ids, mask = torch.zeros(2, len(texts), longest, dtype=torch.long)
        for i, text in enumerate(texts):
            ids[i, :len(text)] = torch.from_numpy(text.astype(np.int64))
            mask[i, :len(text)] = 1
        mask = mask.to(device)
        states = self.bert(input_ids=ids.to(device), attention_mask=mask).last_hidden_state.float()
        weight = mask.unsqueeze(2).float()
        return F.normalize((states * weight).sum(1) / weight.sum(1), dim=1)


def load_padded(folder, device):
    import transformers
    transformers.logging.set_verbosity_error()
    return Padded(transformers.BertModel.from_pretrained(folder, add_pooling_layer=False).to(device))
