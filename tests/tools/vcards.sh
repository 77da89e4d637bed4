#!/usr/bin/env bash
# Virtual sound cards for tests: a PulseAudio server of its own, without hardware, D-Bus or a desktop, for root too.
#
#   vcards.sh start DIR N    N cards; the phone records from micI and plays to spkI,
#                            a test plays into the sink micI_in and records the source spkI.monitor
#   vcards.sh stop DIR       ends the server
#   vcards.sh env DIR        prints what a client needs in its environment
#   vcards.sh plug DIR NAME  brings back one card's half that was unplugged: spkI or micI
#   vcards.sh unplug DIR NAME
set -euo pipefail

usage() { sed -n '2,10s/^# \{0,1\}//p' "$0" >&2; exit 2; }
[ $# -ge 2 ] || usage
action=$1
root=$(realpath -m "$2")

export HOME=$root XDG_RUNTIME_DIR=$root XDG_CONFIG_HOME=$root/config
export PULSE_RUNTIME_PATH=$root/pulse PULSE_STATE_PATH=$root/state PULSE_CONFIG_PATH=$root/config
export PULSE_SERVER=unix:$root/pulse/native PULSE_COOKIE=$root/cookie
unset DBUS_SESSION_BUS_ADDRESS DISPLAY

# An idle null sink that may rewind sleeps for up to 2 s before it plays: no rewinds.
null_sink="module-null-sink rate=48000 channels=1 channel_map=mono format=s16le norewinds=1"

half() { # the modules of spkI or micI, a line each
    case $1 in
    spk[0-9]*) echo "$null_sink sink_name=$1 sink_properties=device.description=Speaker-${1#spk}" ;;
    mic[0-9]*)
        echo "$null_sink sink_name=$1_in sink_properties=device.description=Into-microphone-${1#mic}"
        echo "module-remap-source source_name=$1 master=$1_in.monitor channels=1 channel_map=mono" \
            "source_properties=device.description=Microphone-${1#mic}" ;;
    *) usage ;;
    esac
}

ready() { pactl list short sources 2>/dev/null | cut -f2 | grep -qx "mic$1"; }

server_pid() { cat "$root/server.pid"; }

case $action in
start)
    cards=${3:-1}
    install -d -m 700 "$root" "$root/pulse" "$root/state" "$root/config"
    # Clients in pure Rust take a cookie of exactly this length, even where anybody may connect.
    [ -s "$root/cookie" ] || (umask 077 && head -c 256 /dev/urandom >"$root/cookie")
    rm -f "$root/pulse/native"
    {
        echo "load-module module-native-protocol-unix auth-anonymous=1 socket=$root/pulse/native"
        for card in $(seq "$cards"); do
            half "spk$card" | sed 's/^/load-module /'
            half "mic$card" | sed 's/^/load-module /'
        done
        printf 'set-default-sink spk1\nset-default-source mic1\n'
    } >"$root/cards.pa"
    pulseaudio --daemonize=no --use-pid-file=no --disallow-exit=yes --exit-idle-time=-1 --disable-shm=yes \
        --high-priority=no --realtime=no --log-level=info --log-target="file:$root/server.log" \
        -n -F "$root/cards.pa" </dev/null >"$root/server.out" 2>&1 &
    echo $! >"$root/server.pid"
    for _ in $(seq 600); do
        ready "$cards" && exit 0
        kill -0 "$(server_pid)" 2>/dev/null || break
        sleep 0.05
    done
    echo "the sound server did not start:" >&2
    cat "$root/server.out" "$root/server.log" >&2
    exit 1 ;;
stop)
    pid=$(server_pid)
    kill -CONT "$pid" 2>/dev/null || true
    kill "$pid" 2>/dev/null || true
    for _ in $(seq 60); do kill -0 "$pid" 2>/dev/null || break; sleep 0.05; done
    kill -KILL "$pid" 2>/dev/null || true
    rm -f "$root/server.pid" "$root/pulse/native" ;;
env)
    for name in XDG_RUNTIME_DIR PULSE_SERVER PULSE_COOKIE; do echo "$name=${!name}"; done ;;
plug)
    half "$3" | while read -r -a module; do pactl load-module "${module[@]}" >/dev/null; done ;;
unplug)
    # Last loaded, first unloaded: the microphone goes before what feeds it.
    pactl list short modules | grep -E "(sink|source)_name=$3(_in)?( |$)" | cut -f1 | sort -rn |
        while read -r module; do pactl unload-module "$module"; done ;;
*) usage ;;
esac
