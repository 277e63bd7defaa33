#!/usr/bin/env python3
"""What is known of the CUDA kernels without a GPU, from the built objects: registers, spills, shared memory, matrix
instructions, the resulting occupancy; and for a pass at MiniLM's and BERT-base's size bytes, operations and the least
time of every launch on an H100 and an H200.

    scripts/kernel-table.py [--check] [--arch sm_90a] [--commit ID] BUILD/cuda > benchmarks/KERNELS.md

--check: no table; fails when a kernel of FAST spills or one of MATRIX has no matrix instruction.
cuobjdump (with nvdisasm beside it) is looked for in $CUOBJDUMP, PATH, the CUDA toolkit, and Triton's package.
"""

import argparse
import glob
import os
import re
import shutil
import subprocess
import sys

# Kernels whose speed counts, by their names without argument lists; none of them may spill.
FAST = [r"short_(forward|backward)<(32|64),", r"tiled_(forward|queries|keys)<(32|64),", r"screen_kernel", r"layernorm",
        r"gelu_(forward|backward)"]
# Of these, those that are nothing without tensor cores.
MATRIX = [r"short_(forward|backward)<(32|64),", r"tiled_(forward|queries|keys)<(32|64),", r"screen_kernel"]

# Dynamic shared memory of a launch in bytes (the objects do not tell): from the functions of the same names in
# kernels/*.cuh. Kernels that are not here have none, but for rbo_block_kernel's, which grows with the number of models.
def last_rows(D, rows):
    return max(rows + 8, D)


def plain(D, tiles, scores):
    return 4 * (tiles * 32 * ((D + 3) // 4 | 1) * 4 + scores * 32 * 33) + 32 * 32 // 4


DYNAMIC = [
    (r"short_forward<(\d+), (\d+)", lambda D, rows: 3 * rows * D * 2),
    (r"short_backward<(\d+), (\d+)", lambda D, rows: rows * (4 * D + last_rows(D, rows)) * 2 + 2 * rows * 4),
    (r"tiled_forward<(\d+)", lambda D: 5 * 64 * D * 2),
    (r"tiled_queries<(\d+)", lambda D: 6 * 64 * D * 2 + 64 * 4),
    (r"tiled_keys<(\d+)", lambda D: 6 * 64 * D * 2 + 4 * 64 * 4),
    (r"plain_forward<(\d+)", lambda width: plain(width, 2, 1)),
    (r"plain_queries<(\d+)", lambda width: plain(width, 4, 1)),
    (r"plain_keys<(\d+)", lambda width: plain(width, 4, 2)),
    (r"screen_kernel<", lambda: 2 * 256 * 4 + 4 * 128 * 32 * 2 + 12 * 256 * 32 * 2),  # d = 384, queries stay
]

# Of a multiprocessor: shared memory, what the system keeps of it for each block, warps, blocks.
LIMITS = {"sm_80": (164 << 10, 1 << 10, 64, 32), "sm_90a": (228 << 10, 1 << 10, 64, 32), "sm_90": (228 << 10, 1 << 10, 64, 32),
          "sm_100": (228 << 10, 1 << 10, 64, 32)}
REGISTERS, REGISTER_UNIT, SHARED_UNIT = 65536, 256, 128

CARDS = [("H100", 798e12, 3.0e12), ("H200", 790e12, 4.3e12)]  # bf16 operations and bytes a second, as measured


def find_cuobjdump():
    packages = "site-packages/triton/backends/nvidia/bin/cuobjdump"
    found = [os.environ.get("CUOBJDUMP"), shutil.which("cuobjdump"), "/usr/local/cuda/bin/cuobjdump",
             *(os.path.join(path, "triton/backends/nvidia/bin/cuobjdump") for path in sys.path),
             *sorted(glob.glob(f"/opt/*/lib/python3*/{packages}")), *sorted(glob.glob(f"/opt/*/.venv/lib/python3*/{packages}"))]
    for path in found:
        if path and os.access(path, os.X_OK) and (shutil.which("nvdisasm") or
                                                  os.path.exists(os.path.join(os.path.dirname(path), "nvdisasm"))):
            return path
    return None


def dump(cuobjdump, flag, path, arch):
    only = ["-arch", arch] if arch else []
    return subprocess.run([cuobjdump, *only, flag, path], capture_output=True, text=True, check=True).stdout.splitlines()


def demangle(names):
    if not names:
        return {}
    plain = subprocess.run(["c++filt"], input="\n".join(names), capture_output=True, text=True, check=True).stdout
    return dict(zip(names, plain.splitlines()))


def short_name(name):
    """Without return type and arguments: void f<64, (bool)1>(int) -> f<64, true>."""
    name = re.sub(r"\(anonymous namespace\)::|__nv_", "", name).replace("(bool)1", "true").replace("(bool)0", "false")
    name = re.sub(r"\((?:int|unsigned int|long)\)", "", name)
    name = re.sub(r"\{lambda.*", "...}", name) if "{lambda" in name else name
    depth, end = 0, len(name)
    for i, c in enumerate(name):
        depth += (c == "<") - (c == ">")
        if c == "(" and depth == 0:
            end = i
            break
    return re.sub(r"^.*\bvoid ", "", name[:end]).strip()


def read_object(cuobjdump, path, only, threads):
    """{(architecture, mangled name): figures}; threads: also the bounds on a block's."""
    kernels, arch, name = {}, None, None

    def at():
        return kernels.setdefault((arch, name), {"file": os.path.basename(path)[:-2], "mma": 0, "local": 0, "threads": None})
    for line in dump(cuobjdump, "-res-usage", path, only):
        if match := re.match(r"arch = (\w+)", line):
            arch = match[1]
        elif match := re.match(r" Function (\S+):", line):
            name = match[1]
        elif match := re.match(r"\s+REG:(\d+) STACK:(\d+) SHARED:(\d+) LOCAL:(\d+)", line):
            at().update(registers=int(match[1]), stack=int(match[2]), shared=int(match[3]), local_bytes=int(match[4]))
    arch = name = None
    for line in dump(cuobjdump, "-sass", path, only):
        if match := re.match(r"\s*arch = (\w+)", line):
            arch = match[1]
        elif match := re.match(r"\s*Function : (\S+)", line):
            name = match[1]
        elif name:
            at()["mma"] += bool(re.search(r"\b(HMMA|HGMMA|UTCHMMA|IMMA)\b", line))
            at()["local"] += bool(re.search(r"\b(LDL|STL)\b", line))
    arch = name = None
    lines = dump(cuobjdump, "-elf", path, only) if threads else []
    for i, line in enumerate(lines):
        if match := re.match(r"arch = (\w+)", line):
            arch = match[1]
        elif match := re.match(r"\.nv\.info\.(\S+)", line):
            name = match[1]
        elif "EIATTR_MAX_THREADS" in line:
            threads = 1
            for part in lines[i + 2].split()[1:4]:
                threads *= int(part, 16)
            at()["threads"] = threads
    return {key: value for key, value in kernels.items() if "registers" in value}


def dynamic_shared(name):
    for pattern, size in DYNAMIC:
        if match := re.search(pattern, name):
            return size(*map(int, match.groups()))
    return 0


def occupancy(kernel, name, arch):
    """Blocks of a multiprocessor, the share of its warps they fill, and what there is no more of."""
    shared_all, kept, most_warps, most_blocks = LIMITS[arch]
    warps = -(-(kernel["threads"] or 256) // 32)
    per_warp = -(-kernel["registers"] * 32 // REGISTER_UNIT) * REGISTER_UNIT
    static = kernel["shared"] - (kept if arch != "sm_80" and kernel["shared"] >= kept else 0)
    shared = static + dynamic_shared(name)
    by = {"registers": REGISTERS // per_warp // warps, "warps": most_warps // warps, "blocks": most_blocks,
          "shared memory": shared_all // (-(-(shared + kept) // SHARED_UNIT) * SHARED_UNIT)}
    why = min(by, key=by.get)
    return by[why], by[why] * warps / most_warps, why, shared


def spills(kernel):
    return kernel["stack"] > 0 or kernel["local_bytes"] > 0 or kernel["local"] > 0


def matches(name, patterns):
    return any(re.match(pattern, name) for pattern in patterns)


def check(kernels):
    bad, seen = [], {pattern: 0 for pattern in FAST + MATRIX}
    for (arch, name), kernel in sorted(kernels.items()):
        for pattern in seen:
            seen[pattern] += bool(re.match(pattern, name))
        if matches(name, FAST) and spills(kernel):
            bad.append(f"{name} ({arch}) spills: stack {kernel['stack']} bytes, {kernel['local']} local accesses")
        if matches(name, MATRIX) and kernel["mma"] == 0:
            bad.append(f"{name} ({arch}) has no matrix instruction")
    bad += [f"no kernel is called {pattern}" for pattern, count in seen.items() if not count]
    print("\n".join(bad) if bad else f"{len(kernels)} kernels: no fast one spills, all that should use the tensor cores")
    return 1 if bad else 0


# ---- bytes and operations ---------------------------------------------------------------------------------------------

def gemm(m, n, k, out=2):
    return 2. * m * n * k, 2. * (m * k + n * k) + out * m * n


def forward_launches(N, T, C, F, H):
    """One layer's forward on N tokens in sequences of T: (launch, operations, bytes), bf16."""
    return [("GEMM qkv", *gemm(N, 3 * C, C)),
            ("attention", 4. * N * T * C, 2. * 4 * N * C + 4. * N * H),
            ("GEMM out", *gemm(N, C, C)),
            ("residual + LayerNorm", 8. * N * C, 2. * 4 * N * C + 8. * N),
            ("GEMM ffn1", *gemm(N, F, C)),
            ("GELU", 20. * N * F, 2. * 2 * N * F),
            ("GEMM ffn2", *gemm(N, C, F)),
            ("residual + LayerNorm", 8. * N * C, 2. * 4 * N * C + 8. * N)]


def backward_launches(N, T, C, F, H):
    """One layer's backward, with the dropout masks drawn anew."""
    return [("LayerNorm backward", 16. * N * C, 2. * 3 * N * C), ("dropout", 0., 2. * 2 * N * C),
            ("GEMM ffn2: dx", *gemm(N, F, C)), ("GEMM ffn2: dw", *gemm(C, F, N, 8)), ("column sum", 0., 2. * N * C),
            ("GELU backward", 30. * N * F, 2. * 3 * N * F),
            ("GEMM ffn1: dw", *gemm(F, C, N, 8)), ("column sum", 0., 2. * N * F),
            ("GEMM ffn1: dx", *gemm(N, C, F, 4)),
            ("LayerNorm backward", 16. * N * C, 2. * 3 * N * C), ("dropout", 0., 2. * 2 * N * C),
            ("GEMM out: dx", *gemm(N, C, C)), ("GEMM out: dw", *gemm(C, C, N, 8)), ("column sum", 0., 2. * N * C),
            ("attention backward", 10. * N * T * C, 2. * 8 * N * C + 4. * N * H),
            ("GEMM qkv: dw", *gemm(3 * C, C, N, 8)), ("column sum", 0., 2. * 3 * N * C),
            ("GEMM qkv: dx", *gemm(N, C, 3 * C, 4))]


def least(flops, bytes_, card):
    return max(flops / card[1], bytes_ / card[2])


def launches_table(out, title, launches, layers, N):
    out.append(f"\n### {title}\n")
    out.append("| launch | GFLOP | MB | " + " | ".join(f"{card[0]}, us | bound by" for card in CARDS) + " |")
    out.append("|---|" + "---:|" * 2 + "---:|---|" * len(CARDS))
    for name, flops, bytes_ in launches:
        cells = [f"{1e6 * least(flops, bytes_, card):.1f} | "
                 f"{'arithmetic' if flops / card[1] > bytes_ / card[2] else 'memory'}" for card in CARDS]
        out.append(f"| {name} | {1e-9 * flops:.2f} | {1e-6 * bytes_:.1f} | " + " | ".join(cells) + " |")
    totals = [layers * sum(least(f, b, card) for _, f, b in launches) for card in CARDS]
    arithmetic = [layers * sum(f for _, f, _ in launches) / card[1] for card in CARDS]
    out.append("")
    for card, total, pure in zip(CARDS, totals, arithmetic):
        out.append(f"{card[0]}: {layers} layers take at least {1e3 * total:.2f} ms, {N / total / 1e6:.2f} M tokens/s, "
                   f"{100 * pure / total:.0f}% of the rate of matrix products alone.")


def other_table(out):
    n, d, edges, M = 278977, 384, 5.6e6, 11
    rows = [("kNN screening, all pairs of 278,977 rows, d 384", 2. * n * n * d, 2. * 2 * n * d),
            ("kNN re-ranking in f32, 256 candidates a row", 2. * n * 256 * d, 4. * n * 256 * d),
            ("RBO, 5.6 M edges, 11 models", 3 * edges * M, edges * 12 + 2. * 2 * n * M),
            ("AdamW, BERT-base, 110 M parameters", 15 * 109e6, 30 * 109e6),
            ("AdamW, MiniLM-L6, 23 M parameters", 15 * 22.7e6, 30 * 22.7e6)]
    out.append("\n### The rest\n\nInputs read once, outputs written once; candidates of the re-ranking from memory.\n")
    out.append("| work | GFLOP | MB | " + " | ".join(f"{card[0]}, ms" for card in CARDS) + " |")
    out.append("|---|" + "---:|" * (2 + len(CARDS)))
    for name, flops, bytes_ in rows:
        out.append(f"| {name} | {1e-9 * flops:.1f} | {1e-6 * bytes_:.0f} | " +
                   " | ".join(f"{1e3 * least(flops, bytes_, card):.3f}" for card in CARDS) + " |")


def kernels_table(out, kernels, archs):
    out.append("\n## Kernels\n\nThreads of a block, where they are bounded at compile time (-: reckoned as 256); registers "
               "of a thread; local: bytes of stack and, in brackets, loads and stores of local "
               "memory (spills or arrays); shared memory of a block, static and dynamic; matrix instructions in the code; "
               "blocks of a multiprocessor and the share of its warps they fill, with what there is no more of. Bold: "
               "kernels whose speed counts.\n")
    for arch in archs:
        out.append(f"\n### {arch}\n\n| file | kernel | threads | registers | local | shared, KiB | matrix | blocks | warps | bound by |")
        out.append("|---|---|" + "---:|" * 7 + "---|")
        rows = sorted((k["file"], name, k) for (a, name), k in kernels.items() if a == arch)
        for file, name, k in rows:
            blocks, share, why, shared = occupancy(k, name, arch)
            bold = "**" if matches(name, FAST) else ""
            local = f"{k['stack']} ({k['local']})" if spills(k) else "0"
            shown = name if len(name) < 90 else name[:87] + "..."
            out.append(f"| {file} | {bold}`{shown}`{bold} | {k['threads'] or '-'} | {k['registers']} | {local} | {shared / 1024:.1f} | "
                       f"{k['mma']} | {blocks} | {100 * share:.0f}% | {why} |")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("objects")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--arch", help="only this architecture")
    parser.add_argument("--commit", help="named in the heading")
    args = parser.parse_args()
    cuobjdump = find_cuobjdump()
    if not cuobjdump:
        print("kernel-table: no cuobjdump with nvdisasm here")
        return 77
    paths = sorted(glob.glob(os.path.join(args.objects, "*.cu.o")))
    if not paths:
        print(f"kernel-table: {args.objects} holds no *.cu.o")
        return 1
    raw = {}
    for path in paths:
        raw.update(read_object(cuobjdump, path, args.arch, not args.check))
    plain = demangle(sorted({name for _, name in raw}))
    kernels = {(arch, short_name(plain[name])): k for (arch, name), k in raw.items() if not args.arch or arch == args.arch}
    if args.check:
        return check(kernels)
    archs = sorted({arch for arch, _ in kernels}, key=lambda a: int(re.sub(r"\D", "", a)))
    out = ["# CUDA kernels, as far as they are known without a GPU\n",
           f"Made by `scripts/kernel-table.py BUILD/cuda` from the objects{' of ' + args.commit if args.commit else ''}; nothing here was "
           "measured by this project. Rates of the cards (bf16 matrix products, device memory): " +
           "; ".join(f"{name} {flops / 1e12:.0f} TFLOP/s, {bytes_ / 1e12:.1f} TB/s" for name, flops, bytes_ in CARDS) + ".",
           "\n## Least times\n\nOf 65,536 tokens in sequences of 128, every input read and every output written once through "
           "device memory, and each launch as fast as the slower of the two; launches as src/nn/encoder_pass.c makes them."]
    N, T = 65536, 128
    for title, layers, C, F, H in (("MiniLM-L6", 6, 384, 1536, 12), ("BERT-base", 12, 768, 3072, 12)):
        forward, backward = forward_launches(N, T, C, F, H), backward_launches(N, T, C, F, H)
        launches_table(out, f"{title}, forward of a layer", forward, layers, N)
        launches_table(out, f"{title}, forward and backward of a layer", forward + [("dropout", 0., 2. * 2 * N * C)] * 2 +
                       backward, layers, N)
    other_table(out)
    kernels_table(out, kernels, archs)
    print("\n".join(out))
    return 0


if __name__ == "__main__":
    sys.exit(main())
