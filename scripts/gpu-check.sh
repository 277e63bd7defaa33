#!/usr/bin/env bash
# Tests and measures everything on a machine with a GPU, in at most nine minutes; one JSON out.
#
#   scripts/gpu-check.sh [--from DIR] [--state DIR] [--out FILE] [--budget SECONDS] [--parts a,b,...]
#   scripts/gpu-check.sh --pack DIR
#
# --pack  where the libraries are, GPU or not: builds for compute capability 9.0 and puts the programs and all libraries
#         they need, but glibc, into DIR: at most FR_PACK_BYTES (default 60 MiB), compressed by xz at level FR_XZ (default
#         3). FR_BUILD: a folder that is built already.
# --from  runs the programs of such a folder: nothing is built. Without it they are built (FR_BUILD names the folder).
# --state results part by part (default build-gpu-check): a part that was done with the same programs is not done again,
#         so a second call goes on where time ran out. --out (default STATE/gpu-check.json) is written after every part.
# --parts see benchmarks/gpu/check.py; default: all.
#
# Peers want a python3 with torch; cuBLASLt is taken from the CUDA toolkit or from torch's packages.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"

fail() { echo "gpu-check: $1" >&2; exit 1; }

programs=(finerouter test_cuda bench_gpu)
most_bytes=${FR_PACK_BYTES:-$((60 << 20))}

build() {
    local folder=$1
    shift
    cmake -S . -B "$folder" -G Ninja -DFR_CUDA=ON -DFR_BENCHMARKS=ON -DFR_TESTS=ON "$@" >"$folder.log" 2>&1 &&
        cmake --build "$folder" --target "${programs[@]}" >>"$folder.log" 2>&1 ||
        { tail -n 20 "$folder.log" >&2; fail "the build failed, see $folder.log"; }
}

# What is beside glibc and the driver. libstdc++ and libgcc_s go apart: a machine's own are newer.
pack() {
    local to=$1 folder=${FR_BUILD:-build-gpu} program library
    [ -n "${FR_BUILD:-}" ] || build "$folder" -DFR_CUDA_ARCHITECTURES=90a
    rm -rf "$to"
    mkdir -p "$to/bin" "$to/lib" "$to/fallback"
    for program in "${programs[@]}"; do
        [ -x "$folder/$program" ] || fail "$folder has no $program"
        cp "$folder/$program" "$to/bin/"
        strip --strip-unneeded "$to/bin/$program"
        if ldd "$folder/$program" | grep 'not found' >/dev/null; then fail "$folder/$program lacks a library: $(ldd "$folder/$program" | grep 'not found' | head -n 1)"; fi
        while read -r library; do
            case ${library##*/} in
            libc.so* | libm.so* | libpthread.so* | libdl.so* | librt.so* | libresolv.so* | libutil.so* | libmvec.so* | ld-linux*) ;;
            libcuda.so* | libnvidia* | libcublas*) ;;
            libstdc++.so* | libgcc_s.so*) cp -n "$library" "$to/fallback/" ;;
            *) cp -n "$library" "$to/lib/" ;;
            esac
        done < <(ldd "$folder/$program" | awk '$2 == "=>" && $3 ~ /^\// { print $3 }')
    done
    tar -C "$to" -c bin lib fallback | xz "-${FR_XZ:-3}" -T0 >"$to/pack.tar.xz" # of 190 MB
    rm -rf "$to/bin" "$to/lib" "$to/fallback"
    git describe --always --dirty >"$to/commit" 2>/dev/null || echo unknown >"$to/commit"
    local bytes
    bytes=$(du -sb "$to" | cut -f1)
    [ "$bytes" -lt "$most_bytes" ] || fail "$to has $bytes bytes, more than $most_bytes"
    echo "gpu-check: $to: ${programs[*]} with libraries, $((bytes / 1048576)) MiB"
}

# The folder that holds libcublasLt.so.13: the toolkit's, the system's or a Python package's; nothing where there is none.
find_cublas() {
    local folder
    for folder in "${CUDA_HOME:-/usr/local/cuda}/lib64" /usr/local/cuda*/lib64 /usr/local/cuda*/targets/*/lib \
        $(python3 -c 'import glob, nvidia
for path in nvidia.__path__:
    print(*glob.glob(path + "/*/lib"), sep="\n")' 2>/dev/null || true); do
        if compgen -G "$folder/libcublasLt.so.13*" >/dev/null; then
            echo "$folder"
            return
        fi
    done
}

from='' state=build-gpu-check out='' budget=540 parts='' packing=''
while [ $# -gt 0 ]; do
    [ $# -ge 2 ] || fail "$1: want a value; see the head of this script"
    case $1 in
    --pack) packing=$2 ;;
    --from) from=$2 ;;
    --state) state=$2 ;;
    --out) out=$2 ;;
    --budget) budget=$2 ;;
    --parts) parts=$2 ;;
    *) fail "$1: unknown; see the head of this script" ;;
    esac
    shift 2
done
if [ -n "$packing" ]; then
    pack "$packing"
    exit
fi
started=$SECONDS

command -v nvidia-smi >/dev/null && nvidia-smi -L 2>/dev/null | grep '^GPU' >/dev/null ||
    fail "no GPU here (nvidia-smi finds none): nothing was tested or measured"
mkdir -p "$state"
state=$(cd "$state" && pwd)
libraries=''
if [ -n "$from" ]; then
    [ -f "$from/commit" ] && [ -f "$from/pack.tar.xz" ] || fail "$from: no folder that --pack made"
    commit=$(cat "$from/commit")
    if [ "$(cat "$state/unpacked" 2>/dev/null)" != "$commit" ]; then
        rm -rf "$state/bin" "$state/lib" "$state/fallback"
        python3 -c 'import sys, tarfile
tarfile.open(sys.argv[1]).extractall(sys.argv[2], filter="tar")' "$from/pack.tar.xz" "$state"
        echo "$commit" >"$state/unpacked"
    fi
    bin=$state/bin libraries=$state/lib
    ldconfig -p 2>/dev/null | grep 'libstdc++\.so\.6' >/dev/null || libraries=$libraries:$state/fallback
else
    bin=${FR_BUILD:-build-gpu}
    [ -n "${FR_BUILD:-}" ] || build "$bin"
    bin=$(cd "$bin" && pwd)
    commit=$(git describe --always --dirty)
fi
cublas=$(find_cublas)
[ -n "$cublas" ] && libraries=$libraries${libraries:+:}$cublas
echo "gpu-check: $commit, cuBLASLt in ${cublas:-no known place}" >&2
exec python3 benchmarks/gpu/check.py --bin "$bin" --commit "$commit" --state "$state" --out "${out:-$state/gpu-check.json}" \
    --libraries "$libraries" --budget $((budget - SECONDS + started)) ${parts:+--parts "$parts"}
