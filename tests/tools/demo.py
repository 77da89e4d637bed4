#!/usr/bin/env python3
"""A real call between two phoned on this machine, told as it happens: SIP and RTP on loopback, driven over both sockets.

    demo.py PATH/TO/phoned

alice's microphone is a tone of 440 Hz, bob's one of 700 Hz; what each hears goes into a WAV file, and is listened to in the end.
Exit code 0: every step happened and each heard the other.
"""
import json
import math
import os
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

BEGAN = time.monotonic()
LIMIT = 10  # s, of every wait


PRINTING = threading.Lock()


def say(name, who, text=""):
    with PRINTING:
        print(f"{name:22} {time.monotonic() - BEGAN:6.2f} s  {who:6} {text}", flush=True)


def free_port():
    for port in range(15060, 17000, 2):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp, socket.socket() as tcp:
            try:
                udp.bind(("127.0.0.1", port))
                tcp.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise SystemExit("no free port between 15060 and 17000")


class Phone:
    """A phoned of its own: process, socket, events."""

    def __init__(self, program, folder, name, hz, port, rtp):
        self.name, self.port, self.folder = name, port, os.path.join(folder, name)
        os.mkdir(self.folder)
        self.heard = os.path.join(self.folder, "heard.wav")
        path = os.path.join(self.folder, "phoned.sock")
        with open(os.path.join(self.folder, "phoned.toml"), "w") as file:
            file.write(
                f'[rpc]\nsocket = "{path}"\n\n[sip]\nlisten = ["udp:127.0.0.1:{port}"]\n\n[media]\nrtp_ports = "{rtp}-{rtp + 99}"\n\n'
                f'[audio]\ninput = "tone:{hz}"\noutput = "file:{self.heard}"\nringer = "null"\n\n'
                f'[store]\ndir = "{os.path.join(self.folder, "state")}"\n\n[accounts.{name}]\nuri = "sip:{name}@127.0.0.1:{port}"\nregister = false\ntrusted = ["127.0.0.1"]\n'
            )
        self.log = open(os.path.join(self.folder, "log"), "wb")
        self.process = subprocess.Popen([program, "--config", file.name], stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL)
        end = time.monotonic() + LIMIT
        while True:
            self.stream = socket.socket(socket.AF_UNIX)
            try:
                self.stream.connect(path)
                break
            except OSError:
                self.stream.close()
                if self.process.poll() is not None or time.monotonic() > end:
                    raise Failure(f"{name}'s phoned does not start")
                time.sleep(0.02)
        self.ids, self.replies, self.events, self.news = 0, {}, [], threading.Condition()
        threading.Thread(target=self.read, daemon=True).start()
        self.call("events.subscribe", {})

    def read(self):
        """Tells every event when it comes and keeps it for those who wait."""
        for text in self.stream.makefile("r", encoding="utf-8"):
            line = json.loads(text)
            with self.news:
                if line.get("method") == "event":
                    event = line["params"]["result"]
                    self.events.append(event)
                    if event["event"] != "updateTimer":
                        say(event["event"], self.name, describe(event["event"], event["data"]))
                else:
                    self.replies[line["id"]] = line
                self.news.notify_all()

    def call(self, method, params):
        self.ids += 1
        request = {"jsonrpc": "2.0", "id": self.ids, "method": method, "params": params}
        self.stream.sendall(json.dumps(request).encode() + b"\n")
        with self.news:
            if not self.news.wait_for(lambda: self.ids in self.replies, LIMIT):
                raise Failure(f"{method}: no reply within {LIMIT} s")
            line = self.replies.pop(self.ids)
        if "error" in line:
            raise Failure(f"{method}: {line['error']}")
        return line["result"]

    def wait(self, name, fits=lambda data: True):
        """The next event of that name that fits, of those not waited for yet."""
        def find():
            return next((e for e in self.events if e["event"] == name and fits(e["data"])), None)

        with self.news:
            if not self.news.wait_for(find, LIMIT):
                raise Failure(f"{self.name} saw no {name} within {LIMIT} s")
            event = find()
            self.events.remove(event)
            return event

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(LIMIT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()


class Failure(Exception):
    pass


def describe(name, data):
    """The part of an event that a reader wants in one line."""
    if name == "statusChange":
        old, new = data.get("oldStatus", {}), data.get("newStatus", {})
        return ", ".join(f"{key} {old.get(key)} → {value}" for key, value in new.items() if old.get(key) != value)
    if name == "callReport":
        report, metrics = data.get("callReport", {}), data.get("metrics", {})
        return (f"MOS {metrics.get('mos') or 'not yet'}, {report.get('lksAudioCodec')}, received {report.get('lksAudioRx')}, lost {metrics.get('lossPct')} %, "
                f"jitter {metrics.get('jitterMs')} ms")
    flat = {k: v for k, v in data.items() if isinstance(v, (str, int, float, bool)) and k != "callId"}
    status = (data.get("session") or {}).get("status") or data.get("status") or {}
    if status.get("number"):
        flat["number"] = status["number"]
    return ", ".join(f"{k} {v}" for k, v in flat.items())


def windows(path):
    """(Level, share of power at 440 Hz, at 700 Hz) of each 100 ms of a WAV file."""
    with open(path, "rb") as file:
        data = file.read()
    rate, at = struct.unpack_from("<I", data, 24)[0], data.index(b"data") + 8
    channels = struct.unpack_from("<H", data, 22)[0]
    thin = max(1, rate // 8000)  # 8 kHz is enough to tell these tones
    samples = struct.unpack_from(f"<{(len(data) - at) // 2}h", data, at)[::channels * thin]
    rate //= thin
    size = rate // 10
    for start in range(0, len(samples) - size + 1, size):
        piece = samples[start:start + size]
        power = sum(s * s for s in piece) / size

        def share(hz):
            w = math.tau * hz / rate
            k, a, b = 2 * math.cos(w), 0.0, 0.0
            for s in piece:
                a, b = s + k * a - b, a
            return (a * a + b * b - k * a * b) * 2 / size / size / power if power > 1 else 0.0

        yield math.sqrt(power) / 32768, share(440), share(700)


def listen_to(phone, hz, other):
    """What a phone heard: the tone, and silence while it was muted or held."""
    found = list(windows(phone.heard))
    tone = sum(1 for level, a, b in found if level > 0.02 and (a if hz == 440 else b) > 0.8)
    silent = sum(1 for level, *_ in found if level < 0.001)
    say("heard", phone.name, f"{other}'s {hz} Hz for {tone / 10:.1f} s, silence for {silent / 10:.1f} s")
    return tone, silent


def talk(alice, bob):
    for phone in (alice, bob):
        for account in phone.call("account.list", {}):
            say("account", phone.name, f"{account.get('name')} {account.get('uri', '')} on port {phone.port}")

    call = alice.call("phone.call", {"number": f"sip:bob@127.0.0.1:{bob.port}"})["callId"]
    incoming = bob.wait("incoming")["callId"]
    alice.wait("progress")
    time.sleep(0.5)
    bob.call("session.answer", {"callId": incoming})
    bob.wait("confirmed")
    alice.wait("confirmed")
    time.sleep(1.5)

    alice.call("session.dtmf", {"callId": call, "dtmf": "42#"})
    for digit in "42#":
        bob.wait("dtmf", lambda data, digit=digit: digit in json.dumps(data))

    alice.call("session.mute", {"callId": call})
    time.sleep(1)
    alice.call("session.unmute", {"callId": call})

    bob.call("session.hold", {"callId": incoming})
    alice.wait("reinvite", lambda data: data["reason"] == "hold")
    time.sleep(1)
    bob.call("session.unhold", {"callId": incoming})
    alice.wait("reinvite", lambda data: data["reason"] == "unhold")
    alice.wait("callReport", lambda data: int(data["callReport"].get("lksAudioRx") or 0) > 0)
    time.sleep(1.5)

    alice.call("session.hangup", {"callId": call})
    bob.wait("ended")
    alice.wait("ended")
    bob.wait("deleteSession")
    alice.wait("deleteSession")


def main():
    program = os.path.abspath(sys.argv[1])
    with tempfile.TemporaryDirectory(prefix="phoned-demo-") as folder:
        phones, failure = [], None
        try:
            phones.append(Phone(program, folder, "alice", 440, free_port(), 21000))
            phones.append(Phone(program, folder, "bob", 700, free_port(), 21100))
            talk(*phones)
        except Failure as e:
            failure = str(e)
        codes = [phone.stop() for phone in phones]
        if failure is None and any(codes):
            failure = f"a phoned ended with {codes}"
        if failure is None:
            alice, bob = phones
            tone, silent = listen_to(bob, 440, "alice")
            if tone < 20 or silent < 5:
                failure = "bob did not hear alice as he should have"
            tone, _ = listen_to(alice, 700, "bob")
            if tone < 20:
                failure = "alice did not hear bob as she should have"
        if failure:
            print(f"\nThe demo failed: {failure}")
            for phone in phones:
                with open(os.path.join(phone.folder, "log"), errors="replace") as log:
                    print(f"--- the log of {phone.name}'s phoned\n{''.join(log.readlines()[-40:])}")
            return 1
    print(f"\nA call between two phoned, {time.monotonic() - BEGAN:.1f} s. Your own: README.md, \"First call\".")
    return 0


sys.exit(main())
