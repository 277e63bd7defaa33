"""Golden values of the encoder from Hugging Face transformers on PyTorch.

    python tests/golden/make_encoder.py [folder of all-MiniLM-L6-v2]

Writes beside itself:
  encoder_tiny/             a small BERT with random weights, as sentence-transformers would store it
  encoder_tiny.f64          little-endian doubles, see `tiny`: inputs' upstream gradient, embeddings, all gradients
  encoder_minilm.safetensors  token ids of varied texts and their embeddings by all-MiniLM-L6-v2 (f32)
"""

import json
import os
import sys

import numpy as np
import torch
from safetensors.torch import save_file
from transformers import AutoTokenizer, BertConfig, BertModel

HERE = os.path.dirname(os.path.abspath(__file__))
LENGTHS = [5, 1, 12, 3, 12, 7]
# tests/test_encoder.c builds the same ids, 1 + (7 i + 3 i^2) mod 29: no 0, whose word gets no gradient (padding_idx)

EMBEDDINGS = ["word_embeddings.weight", "position_embeddings.weight", "token_type_embeddings.weight",
              "LayerNorm.weight", "LayerNorm.bias"]
LAYER = ["attention.self.query.weight", "attention.self.key.weight", "attention.self.value.weight",
         "attention.self.query.bias", "attention.self.key.bias", "attention.self.value.bias",
         "attention.output.dense.weight", "attention.output.dense.bias", "attention.output.LayerNorm.weight",
         "attention.output.LayerNorm.bias", "intermediate.dense.weight", "intermediate.dense.bias",
         "output.dense.weight", "output.dense.bias", "output.LayerNorm.weight", "output.LayerNorm.bias"]


def pool(states, cls, normalize):
    h = states[0] if cls else states.mean(0)
    return torch.nn.functional.normalize(h, dim=0) if normalize else h


def tiny():
    torch.manual_seed(1)
    config = BertConfig(vocab_size=30, hidden_size=18, num_hidden_layers=2, num_attention_heads=3, intermediate_size=26,
                        max_position_embeddings=12, type_vocab_size=2, layer_norm_eps=1e-12)
    model = BertModel(config, add_pooling_layer=False)
    with torch.no_grad():
        for name, p in model.named_parameters():
            p.copy_(torch.randn_like(p) * 0.3 + (1 if name.endswith("LayerNorm.weight") else 0))
    folder = os.path.join(HERE, "encoder_tiny")
    os.makedirs(os.path.join(folder, "1_Pooling"), exist_ok=True)
    save_file({k: v.contiguous() for k, v in model.state_dict().items() if "position_ids" not in k},
              os.path.join(folder, "model.safetensors"), metadata={"format": "pt"})

    def write(name, value):
        with open(os.path.join(folder, name), "w") as out:
            json.dump(value, out, indent=1)
            out.write("\n")

    kept = config.to_dict()
    write("config.json", {k: kept[k] for k in ["model_type", "hidden_act", "vocab_size", "hidden_size",
                                               "num_hidden_layers", "num_attention_heads", "intermediate_size",
                                               "max_position_embeddings", "type_vocab_size", "layer_norm_eps"]})
    write("modules.json", [{"idx": i, "name": str(i), "path": p, "type": "sentence_transformers.models." + t}
                           for i, (p, t) in enumerate([("", "Transformer"), ("1_Pooling", "Pooling"),
                                                       ("2_Normalize", "Normalize")])])
    write("1_Pooling/config.json", {"word_embedding_dimension": 18, "pooling_mode_cls_token": False,
                                    "pooling_mode_mean_tokens": True})
    write("sentence_bert_config.json", {"max_seq_length": 10, "do_lower_case": False})

    model = model.double().eval()
    model.set_attn_implementation("eager")
    i = torch.arange(sum(LENGTHS))
    sequences = torch.split(1 + (7 * i + 3 * i * i) % 29, LENGTHS)
    upstream = torch.randn(len(LENGTHS), 18, dtype=torch.float64)
    order = ["embeddings." + n for n in EMBEDDINGS] + [f"encoder.layer.{l}.{n}" for l in range(2) for n in LAYER]
    parts = [upstream]
    for cls, normalize in [(False, True), (True, False)]:
        model.zero_grad()
        h = torch.stack([pool(model(s[None]).last_hidden_state[0], cls, normalize) for s in sequences])
        (h * upstream).sum().backward()
        parameters = dict(model.named_parameters())
        parts += [h.detach()] + [parameters[n].grad for n in order]
    flat = torch.cat([p.reshape(-1) for p in parts]).numpy()
    flat.astype("<f8").tofile(os.path.join(HERE, "encoder_tiny.f64"))


TEXTS = [
    "", "a", "Hello, world!", "What is the capital of France?", "what is the CAPITAL of france", "日本の首都はどこですか。",
    "Naïve café — “quotes” … and 3.14159", "🙂🚀 emoji only 🎉", "def f(x):\n    return x ** 2  # square",
    "SELECT name, COUNT(*) FROM users GROUP BY name HAVING COUNT(*) > 1;", "∫_0^1 x^2 dx = 1/3",
    "Prove that the square root of two is irrational.", "Переведите это предложение на английский язык.",
    "Write a haiku about autumn leaves.", "a" * 300, "A. B. C. D.", "\t\n  spaces \r\n and\ttabs  ",
    "Which of the following is NOT a noble gas? (A) Helium (B) Neon (C) Nitrogen (D) Argon",
    "supercalifragilisticexpialidocious antidisestablishmentarianism", "https://example.com/path?query=1&x=%20y#z",
    "He said \"yes\"; she said 'no'.", "x" * 5 + " " + "y" * 5, "1 2 3 4 5 6 7 8 9 10", "user@example.org",
    "The quick brown fox jumps over the lazy dog. " * 3, "The quick brown fox jumps over the lazy dog. " * 8,
    "The mitochondrion is the powerhouse of the cell, and " * 20, "word " * 400, "C++ vs. Rust: which is faster?",
    "If a train travels 60 miles in 1.5 hours, what is its average speed?", "ﬁ ligature, Å ångström, ½ half",
    "Summarize the following paragraph in one sentence.", "안녕하세요 세계", "مرحبا بالعالم", "שלום עולם", "नमस्ते दुनिया",
    "What year did World War II end, and which treaty followed?", "[CLS] [SEP] [MASK]", "...", "?!",
]


def minilm(folder):
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = BertModel.from_pretrained(folder, add_pooling_layer=False).eval()
    ids = [tokenizer(t, truncation=True, max_length=256)["input_ids"] for t in TEXTS]
    with torch.no_grad():
        h = torch.stack([pool(model(torch.tensor([s])).last_hidden_state[0], False, True) for s in ids])
    cu = np.concatenate([[0], np.cumsum([len(s) for s in ids])])
    save_file({"count": torch.tensor([len(ids), int(cu[-1])], dtype=torch.float32),
               "cu": torch.tensor(cu, dtype=torch.float32),
               "ids": torch.tensor([i for s in ids for i in s], dtype=torch.float32), "h": h.contiguous()},
              os.path.join(HERE, "encoder_minilm.safetensors"))


tiny()
minilm(sys.argv[1] if len(sys.argv) > 1 else os.path.expanduser("~/.cache/finerouter/all-MiniLM-L6-v2"))
