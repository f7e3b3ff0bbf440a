#!/usr/bin/env bash
# Installs ngspice's shared library where it is missing. With CI or OHMVERT_EXTRA_SIMULATORS set also the programs
# ngspice and gnucap, which the tests use as witnesses, and the browser chromium.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

python=.venv/bin/python
[ -x "$python" ] || python=python3

list_missing() {
    "$python" -I cosim/library.py >/dev/null || echo library
    if [ -n "${CI:-}${OHMVERT_EXTRA_SIMULATORS:-}" ]; then
        for program in ngspice gnucap; do
            command -v "$program" >/dev/null || echo "$program"
        done
        # Debian's gnucap computes nothing without its plugins, which it only recommends.
        if command -v dpkg >/dev/null; then
            dpkg -s gnucap-default-plugins0 >/dev/null 2>&1 || echo gnucap-default-plugins0
        fi
    fi
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif ! command -v sudo >/dev/null; then
        return 1
    elif sudo -n true 2>/dev/null; then
        sudo -n "$@"
    elif [ -t 0 ]; then
        sudo "$@"
    else
        return 1
    fi
}

# A failure is no end here: whether anything is still missing is asked afterwards.
apt_install() {
    echo "Installing $* with apt-get"
    as_root apt-get -qq -o Acquire::Retries=3 update || true
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Acquire::Retries=3 -o DPkg::Lock::Timeout=120 \
        install -y --no-install-recommends "$@" || true
}

# The tests of the inspector page want a browser, and are skipped without one.
if [ -n "${CI:-}${OHMVERT_EXTRA_SIMULATORS:-}" ] && ! command -v chromium >/dev/null \
    && command -v apt-get >/dev/null && as_root true; then
    apt_install chromium
fi

missing=$(list_missing | tr '\n' ' ')
[ -n "$missing" ] || exit 0

if [ -n "${NGSPICE_LIBRARY_PATH:-}" ] && [ ! -f "$NGSPICE_LIBRARY_PATH" ]; then
    echo "NGSPICE_LIBRARY_PATH names no file ($NGSPICE_LIBRARY_PATH): correct it, or unset it to have ngspice installed." >&2
    exit 1
fi

if command -v apt-get >/dev/null; then
    read -ra packages <<<"${missing/library/libngspice0}"
    if as_root true; then
        apt_install "${packages[@]}"
    fi
elif command -v brew >/dev/null; then
    for package in ${missing/library/libngspice}; do
        brew install "$package" || true
    done
fi

missing=$(list_missing | tr '\n' ' ')
[ -n "$missing" ] || exit 0
echo "Not found and not installable from here: ${missing/library/the shared library libngspice}- install it by hand" \
    "(Debian, Ubuntu: libngspice0; Fedora: libngspice; Arch: ngspice; macOS: brew install libngspice;" \
    "the programs ngspice and gnucap under these names)," \
    "or set NGSPICE_LIBRARY_PATH to the path of libngspice.so or libngspice.dylib." >&2
exit 1
