"""Writes tests/golden/learned.h: what PyTorch makes of the routers that learn, three Adam steps on all prompts, in f64.

    python3 tests/golden/make_learned.py > tests/golden/learned.h

Every prompt of the preference data has two observed models of unequal quality, so that the pair a step draws is known.
"""

import numpy as np
import torch
import torch.nn.functional as F

torch.manual_seed(11)
torch.set_default_dtype(torch.float64)
N, M, D, STEPS = 9, 4, 6, 3


def array(name, tensor, kind="double"):
    values = tensor.detach().reshape(-1).tolist()
    text = ", ".join("NAN" if v != v else repr(v) for v in values)
    lines, line = [], "   "
    for word in text.split(" "):
        if len(line) + 1 + len(word) > 118:
            lines.append(line)
            line = "   "
        line += " " + word
    lines.append(line)
    print(f"static const {kind} {name}[{len(values)}] = {{\n" + "\n".join(lines) + "};")


def unit_rows(x):
    """As fr_unit_rows: f64 sums, f32 results."""
    x = x.float().double()
    return (x / (x * x).sum(1, keepdim=True).sqrt()).float().double()


def run(name, params, scores, loss, l2, lr, routes=lambda s: s):
    """params: in the order of the router's file."""
    params = [p.float().double().requires_grad_() for p in params]
    array(f"{name}_before", torch.cat([p.reshape(-1) for p in params]))
    optimizer = torch.optim.Adam(params, lr=lr, weight_decay=l2)
    for step in range(STEPS):
        optimizer.zero_grad()
        value = loss(scores(*params))
        if step == 0:
            array(f"{name}_loss", value)
        value.backward()
        if step == 0:
            array(f"{name}_gradient", torch.cat([p.grad.reshape(-1) for p in params]))
        optimizer.step()
    array(f"{name}_after", torch.cat([p.reshape(-1) for p in params]))
    array(f"{name}_scores", routes(scores(*params)))


print(f"/* Made by make_learned.py with PyTorch {torch.__version__.split('+')[0]}. */")
print("/* clang-format off */")
print("#include <math.h>")
print(f"enum {{ LEARNED_N = {N}, LEARNED_M = {M}, LEARNED_D = {D}, LEARNED_STEPS = {STEPS} }};")
raw = torch.randn(N, D).float()
array("learned_x", raw, "float")
x = unit_rows(raw)
quality = torch.from_numpy(np.random.default_rng(3).choice([-0.25, 0.0, 0.3, 0.5, 0.8, 1.0, 1.5], (N, M)))
quality[0, 1] = quality[3, :2] = quality[5, 3] = float("nan")
quality[7] = 0.5  # all tied
array("learned_quality", quality, "float")
quality = quality.float().double()
seen = ~quality.isnan()

best = torch.where(seen, quality, -torch.inf).max(1, keepdim=True).values
label = (quality == best).double()


def mlp(w0, b0, w1, b1, w2, b2):
    return F.linear(F.relu(F.linear(F.relu(F.linear(x, w0, b0)), w1, b1)), w2, b2)


run("mlp", [torch.randn(5, D), torch.randn(5), torch.randn(3, 5), torch.randn(3), torch.randn(M, 3), torch.randn(M)], mlp,
    lambda s: F.binary_cross_entropy_with_logits(s[seen], label[seen], reduction="sum") / N, 0.01, 0.02)

run("mirt", [torch.randn(5, D), torch.randn(1, D), torch.randn(M, 5)],
    lambda demand, difficulty, ability: F.softplus(x @ demand.T) @ ability.T - x @ difficulty.T,
    lambda s: F.binary_cross_entropy_with_logits(s[seen], quality.clamp(0, 1)[seen]), 0, 0.02)

right = (quality >= 0.5).long()


def classes(model, weight, bias, classes, class_bias):
    z = F.linear(x, weight, bias)
    return F.linear(model[None] * z[:, None], classes, class_bias)  # (N, M, 2)


run("embedllm", [torch.randn(M, 5), torch.randn(5, D), torch.randn(5), torch.randn(2, 5), torch.randn(2)], classes,
    lambda s: F.cross_entropy(s[seen], right[seen]), 0.01, 0.02, lambda s: s[..., 1] - s[..., 0])

pairs = torch.full((N, M), float("nan"))
win, lose = [], []
for i in range(N - 1):  # the last prompt has a tie and no pair
    a, b = torch.randperm(M)[:2].tolist()
    pairs[i, a], pairs[i, b] = 0.75, 0.25
    win.append(a)
    lose.append(b)
pairs[N - 1, :2] = 0.5
array("learned_pairs", pairs, "float")


def preference(model, weight, scale):
    return (F.normalize(model, dim=1)[None] * (x @ weight.T)[:, None]) @ scale[0]


rows = torch.arange(N - 1)
run("routellm", [torch.randn(M, 5), torch.randn(5, D), torch.randn(1, 5)], preference,
    lambda s: F.softplus(s[rows, lose] - s[rows, win]).mean(), 0.01, 0.02)
