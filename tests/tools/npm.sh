#!/usr/bin/env bash
# Installs npm packages for the tests under target/ (once) and prints the folder that holds them.
#
#   npm.sh PACKAGE@VERSION...
set -euo pipefail
cd "$(dirname "$0")/../.."
home=$PWD/target/test-npm
mkdir -p "$home"
# Tests run at the same time: one installs, the others wait.
exec 9>"$home.lock"
flock 9
[ -e "$home/package.json" ] || echo '{"private": true}' >"$home/package.json"
touch "$home/packages"
for package in "$@"; do
    grep -qxF "$package" "$home/packages" && continue
    command -v npm >/dev/null || { echo "tests: npm is needed: apt-get install npm" >&2; exit 1; }
    echo "tests: installing $package with npm" >&2
    (cd "$home" && npm install --silent --no-audit --no-fund --ignore-scripts "$package") >&2
    echo "$package" >>"$home/packages"
done
echo "$home/node_modules"
