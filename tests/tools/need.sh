#!/usr/bin/env bash
# Installs what a target of the Makefile needs and this machine lacks, and says what. Nothing is touched when all is there.
#   need.sh rust | build | demo | deb | debian | test | bench ...
set -euo pipefail
cd "$(dirname "$0")/../.."

RUST=$(sed -n 's/^channel = "\(.*\)"/\1/p' rust-toolchain.toml)
GET_RUST="curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y --profile minimal -c clippy -c rustfmt --default-toolchain $RUST && . \"\$HOME/.cargo/env\""

# PACKAGE (Debian's name), a command that succeeds when it is there, what needs it
packages() {
  case $1 in
  build) cat <<'L'
build-essential|cc --version && make --version
cmake|cmake --version
pkg-config|pkg-config --version
libasound2-dev|pkg-config --exists alsa
L
    ;;
  demo) echo 'python3|python3 -c "import json, socket, wave"' ;;
  deb) echo 'lintian|command -v lintian' ;;
  debian) cat <<'L'
debootstrap|command -v debootstrap
systemd|command -v systemd-analyze
systemd-container|command -v systemd-nspawn
L
    ;;
  bench) cat <<'L'
baresip-core|command -v baresip
nats-server|command -v nats-server
pulseaudio|command -v pulseaudio
pulseaudio-utils|command -v pactl
libasound2-plugins|test -n "$(find /usr/lib -name libasound_module_pcm_pulse.so -print -quit)"
espeak-ng|command -v espeak-ng
python3-venv|python3 -c "import ensurepip, venv"
python3-dev|test -e "$(python3 -c 'import sysconfig; print(sysconfig.get_paths()["include"])')/Python.h"
L
    ;;
  test) cat <<'L'
kamailio|command -v kamailio
kamailio-tls-modules|test -n "$(find /usr/lib /usr/lib64 -path '*kamailio/modules/tls.so' -print -quit 2>/dev/null)"
kamailio-websocket-modules|test -n "$(find /usr/lib /usr/lib64 -path '*kamailio/modules/websocket.so' -print -quit 2>/dev/null)"
sip-tester|command -v sipp
baresip-core|command -v baresip
coturn|command -v turnserver
nats-server|command -v nats-server
tshark|command -v tshark
chromium|command -v chromium
iproute2|command -v ip
npm|command -v npm
pulseaudio|command -v pulseaudio
pulseaudio-utils|command -v pactl
libasound2-plugins|test -n "$(find /usr/lib -name libasound_module_pcm_pulse.so -print -quit)"
sox|command -v sox
espeak-ng|command -v espeak-ng
tmux|tmux -V
e2fsprogs|test -e /usr/sbin/mkfs.ext4 -o -e /sbin/mkfs.ext4
nodejs|node -e "process.exit(parseInt(process.versions.node) < 18)"
netcat-openbsd|nc -h 2>&1 | grep -q -- -U
python3|python3 -c "import json, socket, wave"
systemd|command -v systemd-analyze
systemd-container|command -v systemd-nspawn
libpam-systemd|test -n "$(find /lib /usr/lib -name pam_systemd.so -print -quit)"
man-db|command -v man
python3-venv|python3 -c "import ensurepip, venv"
python3-dev|test -e "$(python3 -c 'import sysconfig; print(sysconfig.get_paths()["include"])')/Python.h"
L
    ;;
  esac
}

rust() {
  local have
  have=$(cargo --version 2>/dev/null | sed 's/^cargo \([0-9.]*\).*/\1/') || true
  if [ -z "$have" ] || [ "$(printf '%s\n' "$RUST" "$have" | sort -V | head -n 1)" != "$RUST" ]; then
    local state="there is no cargo"
    [ -z "$have" ] || state="cargo is $have"
    echo "phoned needs Rust $RUST, $state. This line gets it:" >&2
    command -v curl >/dev/null || GET_RUST="apt-get install -y curl ca-certificates && $GET_RUST"
    echo "  $GET_RUST" >&2
    exit 1
  fi
}

install() {
  local missing=() line package check
  for purpose in "$@"; do
    while IFS='|' read -r package check; do
      [ -n "$package" ] || continue
      if ! eval "$check" >/dev/null 2>&1; then missing+=("$package"); fi
    done < <(packages "$purpose")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  mapfile -t missing < <(printf '%s\n' "${missing[@]}" | sort -u)
  if ! command -v apt-get >/dev/null; then
    echo "There is no apt here. Install what these Debian packages hold, then run make again:" >&2
    printf '  %s\n' "${missing[@]}" >&2
    exit 1
  fi
  local sudo=()
  if [ "$(id -u)" != 0 ]; then
    if ! command -v sudo >/dev/null; then
      echo "Run this as root, then run make again:  apt-get install -y ${missing[*]}" >&2
      exit 1
    fi
    sudo=(sudo)
  fi
  echo "Installing with apt: ${missing[*]}"
  "${sudo[@]}" apt-get update -q
  # Kamailio's package would start its own server: the tests start theirs.
  "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y -q --no-install-recommends "${missing[@]}"
}

for purpose in "$@"; do
  case $purpose in
  rust) rust ;;
  deb) install deb && { command -v cargo-deb >/dev/null || cargo install cargo-deb --locked; } ;;
  build | demo | bench | debian) install "$purpose" ;;
  test)
    install build test
    tests/tools/py.sh baresip-python==0.5.2a3 standardwebhooks==1.1.0 >/dev/null
    tests/tools/npm.sh jssip@3.13.8 typescript@5.9.3 @types/node@22.19.1 >/dev/null
    ;;
  *) echo "need.sh: what is $purpose?" >&2; exit 2 ;;
  esac
done
