#!/usr/bin/env bash
# Makes a Python environment for the tests under target/ (once) and prints its interpreter's path.
#
#   py.sh [PACKAGE...]    with pesq, pystoi and numpy; PACKAGEs besides
set -euo pipefail
cd "$(dirname "$0")/../.."
home=$PWD/target/test-python
packages=(numpy pesq pystoi "$@")
mkdir -p target
# Tests run at the same time: one installs, the others wait.
exec 9>"$home.lock"
flock 9
if ! [ -x "$home/bin/python" ]; then
    rm -rf "$home"
    echo "tests: making a Python environment in $home" >&2
    python3 -m venv "$home" >&2 || { echo "tests: python3 with venv is needed: apt-get install python3-venv" >&2; exit 1; }
fi
touch "$home/packages"
for package in "${packages[@]}"; do
    grep -qxF "$package" "$home/packages" && continue
    echo "tests: installing $package with pip" >&2
    "$home/bin/python" -m pip install --quiet --disable-pip-version-check "$package" >&2
    echo "$package" >>"$home/packages"
done
echo "$home/bin/python"
