#!/usr/bin/env bash
# bootstrap.sh GROUP...: makes sure that the Debian packages and Python packages of the groups are there.
# Installs Debian packages when it may (root, or sudo without a password); otherwise prints the line to run and stops.
set -euo pipefail
cd "$(dirname "$0")/.."

declare -A DEBIAN=(
    [build]="gcc libc6-dev cmake ninja-build pkg-config libprotobuf-c-dev protobuf-c-compiler libroaring-dev libzstd-dev liblz4-dev libxxhash-dev libpcre2-dev libunistring-dev nettle-dev libcmocka-dev libjansson-dev libcsv-dev"
    [test]="clang-14 clang-format-14 libclang-rt-14-dev"
    [arm64]="gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user-static"
    [coverage]="gcovr"
    [bench]="mate-backgrounds gnome-backgrounds wordnet-base"
)

missing=()
want_package() { dpkg-query -W -f='${Status}' "$1" 2>/dev/null | grep -q "ok installed" || missing+=("$1"); }

for group in "$@"; do
    for package in ${DEBIAN[$group]:-}; do want_package "$package"; done
done
case " $* " in *" python "*)
    if ! python3 -c 'import sys, ensurepip, os, sysconfig
assert sys.version_info >= (3, 11)
assert os.path.exists(os.path.join(sysconfig.get_paths()["include"], "Python.h"))' 2>/dev/null; then
        want_package python3-venv; want_package python3-dev
    fi ;;
esac

if [ ${#missing[@]} -gt 0 ]; then
    line="apt-get install -y --no-install-recommends ${missing[*]}"
    if [ "$(id -u)" = 0 ]; then run=""; elif sudo -n true 2>/dev/null; then run="sudo"; else
        echo "Quiver needs some Debian packages. Please run:" >&2
        echo "  sudo $line" >&2
        exit 1
    fi
    echo "installing: ${missing[*]}"
    log=$(mktemp)
    if ! { DEBIAN_FRONTEND=noninteractive $run $line || { $run apt-get update && DEBIAN_FRONTEND=noninteractive $run $line; }; } >"$log" 2>&1; then
        tail -20 "$log" >&2
        echo "Installing failed. Please run:  sudo $line" >&2
        exit 1
    fi
    rm -f "$log"
fi

case " $* " in *" python "*) ;; *) exit 0 ;; esac
[ -x .venv/bin/python ] || python3 -m venv .venv
for group in python "$@"; do
    list=scripts/requirements/$group.txt
    [ -f "$list" ] || continue
    stamp=.venv/.installed-$group
    if ! cmp -s "$list" "$stamp"; then
        echo "installing Python packages: $(grep -v '^#' "$list" | tr '\n' ' ')"
        .venv/bin/python -m pip install -q --disable-pip-version-check -r "$list"
        cp "$list" "$stamp"
    fi
done
