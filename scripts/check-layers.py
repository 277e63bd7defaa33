#!/usr/bin/env python3
"""Checks that the includes point one way: each folder may include only what stands to its right in the table, and foreign
headers stay in their one file. Prints every violation; exit 1 if there is one."""
import os
import re
import sys

root = sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

# folder: folders it may include besides itself, base and the public headers
ALLOWED = {
    "cli": "comm plan sweep report eval route train discover data nn text ops device kernels io",
    "plan": "nn text ops device kernels io",
    "sweep": "report eval io",
    "report": "eval route io",
    "eval": "comm route train discover data nn ops device io kernels",
    "route": "",
    "train": "comm nn text ops device kernels io data",
    "discover": "comm data ops device kernels io",
    "data": "io text",
    "nn": "comm ops device kernels io text",
    "text": "",
    "comm": "device kernels",
    "ops": "comm device kernels",
    "device": "kernels",
    "io": "",
    "base": "kernels",
}
# foreign header: the one file that may include it
FOREIGN = {
    r"hdf5.*": "src/io/h5.c",
    r"mpi\.h": "src/comm/mpi.c",
    r"igraph.*": "src/discover/leiden.c",
    r"(dnnl|oneapi).*": "src/device/onednn.c",
    r"yaml\.h": "src/base/config_yaml.c",
    r"xxhash\.h": "src/base/hash.c",
    r"zlib\.h": "src/io/inflate.c",
    r"curl/.*": "src/io/http.c",
}
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
problems = []


def check(path, folder):
    with open(os.path.join(root, path), encoding="utf-8") as source:
        for number, line in enumerate(source, 1):
            match = INCLUDE.match(line)
            if not match:
                continue
            name = match.group(2)
            for pattern, place in FOREIGN.items():
                if re.fullmatch(pattern, name) and path != place:
                    problems.append(f"{path}:{number}: {name} belongs into {place} alone")
            if match.group(1) == "<" or name.startswith("finerouter/"):
                continue
            target = name.split("/")[0] if "/" in name else ("kernels" if os.path.exists(os.path.join(root, "kernels", name)) else folder)
            if target in (folder, "base") or folder == "kernels" and target == "kernels":
                continue
            if target not in ALLOWED.get(folder, "").split():
                problems.append(f"{path}:{number}: {folder} may not include {name}")


for top, _, files in os.walk(os.path.join(root, "src")):
    for name in files:
        if name.endswith((".c", ".h")):
            path = os.path.relpath(os.path.join(top, name), root)
            check(path, path.split(os.sep)[1])
for name in os.listdir(os.path.join(root, "kernels")):
    if name.endswith((".c", ".h")):
        check("kernels/" + name, "kernels")
print("\n".join(problems) if problems else "layers: every include points the right way")
sys.exit(1 if problems else 0)
