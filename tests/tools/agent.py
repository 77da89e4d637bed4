#!/usr/bin/env python3
"""A phone for the tests: the baresip stack (PyPI baresip-python) as one account, told what to do by JSON lines.

    agent.py '{"user":…,"domain":…,"password":…,"proxy":"127.0.0.1:5060","port":…,"hz":440,"dir":…,"transport":"udp"}'

It plays a sine of hz and writes what it hears, 16 bit mono, to DIR/heard.raw (its rate is in the "media" event).
in:  {"do": "dial", "uri": …} | accept | hangup | hold | resume | {"do": "press", "keys": …}
     {"do": "transfer", "uri": …} | attended (the call before the newest gets the newest one's peer)
out: {"is": "registered" | "incoming" | "established" | "closed" | "held" | "resumed" | "digit" | "media" | "done" | "error"
     | "referred" | "transferred" | "transferFailed", …}
A call that is referred elsewhere is taken there.
"""
import asyncio
import json
import math
import os
import struct
import sys

from baresip import Account, BaresipError, Config
from baresip.call import CallState
from baresip.runtime import Runtime
from baresip.ua import UserAgent


def tell(what, **more):
    print(json.dumps({"is": what, **more}), flush=True)


async def sound(call, setup):
    """Plays and listens, 20 ms at a time, while the call lives."""
    loop = asyncio.get_running_loop()
    rate, channels, sent, due = 0, 1, 0, loop.time()
    path = setup["dir"] + "/heard.raw"
    if os.path.exists(path):
        os.remove(path)  # an older call goes on writing what nobody reads
    with open(path, "wb", buffering=0) as heard:
        while call.state is CallState.ESTABLISHED:
            try:
                if not rate:
                    info = call.audio.info()
                    if info.tx_ready and info.rx_ready:
                        rate, channels = info.tx_sample_rate, info.tx_channels
                        tell("media", rate=rate)
                if rate:
                    wave = [int(8000 * math.sin(math.tau * setup["hz"] * (sent + i) / rate)) for i in range(rate // 50)]
                    frame = [sample for sample in wave for _ in range(channels)]
                    call.audio.write(struct.pack(f"<{len(frame)}h", *frame))
                    sent += rate // 50
                    pcm = call.audio.read(rate // 5 * channels)
                    samples = struct.unpack(f"<{len(pcm) // 2}h", pcm)[::channels]
                    heard.write(struct.pack(f"<{len(samples)}h", *samples))
            except BaresipError:
                pass  # between two descriptions there is no stream for a moment
            due = max(due + 0.02, loop.time() - 0.1)
            await asyncio.sleep(max(0, due - loop.time()))


async def follow(call, setup):
    """Tells what becomes of a call."""
    call.on_dtmf(lambda digit: tell("digit", digit=digit.digit))
    held = False
    try:
        await call.wait_established(60)
    except BaresipError as e:
        tell("closed", reason=str(e))
        return
    tell("established")
    player = asyncio.create_task(sound(call, setup))
    while call.state is CallState.ESTABLISHED:
        if call.remote_on_hold != held:
            held = call.remote_on_hold
            tell("held" if held else "resumed")
        await asyncio.sleep(0.02)
    await player
    tell("closed", reason="")


async def main():
    setup = json.loads(sys.argv[1])
    transport = setup.get("transport", "udp")
    runtime = Runtime()
    await runtime.start(Config(
        net_interface="127.0.0.1",
        max_concurrent_calls=4,
        extra_config_text=f"sip_listen 127.0.0.1:{setup['port']}\njitter_buffer_type off\n",
    ))
    ua = await UserAgent.create(runtime, Account(
        user=setup["user"], domain=setup["domain"], password=setup["password"], transport=transport,
        registrar=f"sip:{setup['proxy']};transport={transport}", reg_interval=60,
        audio_codecs=tuple(setup.get("codecs", ["pcmu"])),
    ))
    tasks = []
    now = {"call": None, "before": None}

    def take(call):
        now["before"], now["call"] = now["call"], call
        call.on_transfer_request(lambda request: tasks.append(asyncio.create_task(referred(call, request))))
        tasks.append(asyncio.create_task(follow(call, setup)))

    async def referred(call, request):
        tell("referred", target=request.target, replaces=request.replaces)
        take(await call.accept_transfer())

    async def transfer(outcome):
        try:
            await outcome
            tell("transferred")
        except BaresipError as e:
            tell("transferFailed", reason=str(e))

    def incoming(call):
        tell("incoming", peer=str(getattr(call, "peer", "")))
        take(call)

    ua.on_incoming(incoming)
    await ua.register()
    tell("registered")

    reader = asyncio.StreamReader(limit=2**20)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        order = json.loads(line)
        try:
            match order["do"]:
                case "dial":
                    take(await ua.dial(order["uri"]))
                case "transfer":
                    tasks.append(asyncio.create_task(transfer(now["call"].transfer(order["uri"], timeout=12))))
                case "attended":
                    outcome = now["before"].attended_transfer(now["call"], timeout=12)
                    tasks.append(asyncio.create_task(transfer(outcome)))
                case "accept":
                    await now["call"].answer()
                case "hangup":
                    await now["call"].hangup()
                case "hold":
                    await now["call"].hold()
                case "resume":
                    await now["call"].resume()
                case "press":
                    await now["call"].send_dtmf(order["keys"])
            tell("done", order=order["do"])
        except Exception as e:
            tell("error", order=order["do"], reason=repr(e))
    await runtime.close()


asyncio.run(main())
