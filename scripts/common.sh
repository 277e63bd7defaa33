# common.sh - what quickstart.sh and test.sh share. Source it.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"

say() { printf '\n== %s\n' "$*"; }

# Debian packages that the build, the tests and the report need.
packages=(gcc g++ cmake ninja-build pkg-config git ca-certificates
    libhdf5-dev libigraph-dev libdnnl-dev libyaml-dev libjansson-dev libxxhash-dev zlib1g-dev libcurl4-openssl-dev libcmocka-dev libopenmpi-dev openmpi-bin
    python3 python3-pip gnuplot-nox)

# install_packages PACKAGE...: installs what is missing as root; else says what to install.
install_packages() {
    local missing=() p
    for p in "$@"; do
        dpkg-query -W -f='${Status}' "$p" 2>/dev/null | grep 'ok installed' >/dev/null || missing+=("$p")
    done
    if [ ${#missing[@]} -eq 0 ]; then
        say "packages: all there"
        return
    fi
    say "packages: ${missing[*]}"
    if [ "$(id -u)" -ne 0 ]; then
        echo "These Debian packages are missing. As root: apt-get install --no-install-recommends ${missing[*]}" >&2
        exit 1
    fi
    apt-get update -q
    DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}"
}

# build FOLDER [CMAKE OPTIONS...]
build() {
    local folder=$1
    shift
    say "build: $folder"
    cmake -S . -B "$folder" -G Ninja "$@"
    cmake --build "$folder"
}
