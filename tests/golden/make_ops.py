"""Writes tests/golden/ops.h: what PyTorch gives for the operations, in f64, on small inputs.

    python3 tests/golden/make_ops.py > tests/golden/ops.h
"""

import torch
import torch.nn.functional as F

torch.manual_seed(7)
torch.set_default_dtype(torch.float64)


def array(name, tensor, kind="double"):
    values = tensor.detach().reshape(-1).tolist()
    text = ", ".join("NAN" if v != v else (str(int(v)) if kind == "int32_t" else repr(v)) for v in values)
    lines, line = [], "   "
    for word in text.split(" "):
        if len(line) + 1 + len(word) > 118:
            lines.append(line)
            line = "   "
        line += " " + word
    lines.append(line)
    print(f"static const {kind} {name}[{len(values)}] = {{\n" + "\n".join(lines) + "};")


def leaf(*shape):
    return torch.randn(*shape).float().double().requires_grad_()  # numbers that f32 holds too


print(f"/* Made by make_ops.py with PyTorch {torch.__version__.split('+')[0]}. */")
print("/* clang-format off */")
print("#include <math.h>\n#include <stdint.h>")

x, g = leaf(4, 5), leaf(4, 5)
with torch.no_grad():
    x[0, 0], x[0, 1], x[0, 2] = 0, -6, 6
y = F.gelu(x)
y.backward(g)
for name, t in (("gelu_x", x), ("gelu_dy", g), ("gelu_y", y), ("gelu_dx", x.grad)):
    array(name, t)

x, r, w, b, g = leaf(3, 7), leaf(3, 7), leaf(7), leaf(7), leaf(3, 7)
y = F.layer_norm(x + r, (7,), w, b, 1e-5)
y.backward(g)
for name, t in (("ln_x", x), ("ln_r", r), ("ln_w", w), ("ln_b", b), ("ln_dy", g), ("ln_y", y), ("ln_ds", x.grad),
                ("ln_dw", w.grad), ("ln_db", b.grad)):
    array(name, t)

# packed sequences of 3 and 5 tokens, 2 heads of width 4: (N, 3, H, D)
lengths, H, D = (3, 5), 2, 4
qkv, g = leaf(8, 3, H, D), leaf(8, H, D)
parts, lse, at = [], [], 0
for length in lengths:
    q, k, v = (qkv[at:at + length, i].transpose(0, 1) for i in range(3))  # (H, T, D)
    parts.append(F.scaled_dot_product_attention(q, k, v, scale=0.7).transpose(0, 1))
    lse.append(torch.logsumexp(0.7 * q @ k.transpose(1, 2), dim=2).transpose(0, 1))
    at += length
out = torch.cat(parts)
out.backward(g)
for name, t in (("att_qkv", qkv), ("att_dout", g), ("att_out", out), ("att_lse", torch.cat(lse)), ("att_dqkv", qkv.grad)):
    array(name, t)

logits = leaf(5, 3)
with torch.no_grad():
    logits[0, 0], logits[1, 1] = 40, -40  # where log(sigmoid) taken literally would overflow
label = torch.tensor([2, -1, 0, 1, -1])
weight = torch.tensor([1.0, 2.5, 7.0])
hot = torch.stack([(label == t).double() for t in range(3)], dim=1)
loss = F.binary_cross_entropy_with_logits(logits, hot, pos_weight=weight)
loss.backward()
array("bce_logits", logits)
array("bce_label", label, "int32_t")
array("bce_weight", weight, "float")
array("bce_loss", loss)
array("bce_dlogits", logits.grad)

y, target = leaf(4, 3), leaf(4, 3).detach()
target[0, 1] = target[3, 2] = float("nan")
seen = ~target.isnan()
loss = F.mse_loss(y[seen], target[seen])
loss.backward()
array("mse_y", y)
array("mse_target", target, "float")
array("mse_loss", loss)
array("mse_dy", y.grad)

w = leaf(6)
array("adamw_w0", w)
optimizer = torch.optim.AdamW([w], lr=0.01, betas=(0.8, 0.95), eps=1e-6, weight_decay=0.1)
gradients = torch.randn(3, 6).float().double()
array("adamw_g", gradients)
steps = []
for i in range(3):
    w.grad = gradients[i].clone()
    optimizer.step()
    steps.append(w.detach().clone())
array("adamw_w", torch.stack(steps))

x, g = leaf(4, 5), leaf(4, 5).detach()
with torch.no_grad():
    x[0, 0], x[0, 1], x[0, 2], x[0, 3] = 100, -80, 1000, -30
array("activate_x", x)
array("activate_dy", g)
for name, function in (("relu", F.relu), ("softplus", lambda v: -F.logsigmoid(-v))):
    x.grad = None
    y = function(x)
    y.backward(g)
    array(f"{name}_y", y)
    array(f"{name}_dx", x.grad)
