"""What a program does with the Python client: `calls` makes two calls around a kill of the daemon, `slow` does not read for a while."""

import asyncio
import os
import sys

sys.path.insert(0, os.environ["CLIENT"])
from phoned import SAMPLES, Phone, RpcError  # noqa: E402


def say(*words):
    print(*words, flush=True)


async def line():
    return await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)


def happens(emitter, event):
    """Waits for the next one."""
    done = asyncio.get_running_loop().create_future()
    take_off = emitter.on(event, lambda note: done.done() or done.set_result(note))
    done.add_done_callback(lambda _: take_off())
    return done


async def calls(phone, number):
    try:
        await phone.call("not a number")
    except RpcError as error:
        say("refused", error.code)
    first = await phone.call(number)
    gone = happens(first, "deleteSession")
    await happens(first, "confirmed")
    say("confirmed", first.status["callStatus"], first.call_id in phone.sessions)
    held = happens(first, "statusChange")
    say("hold", await first.hold(), (await held)["data"]["newStatus"]["isHold"], first.status["isHold"])
    say("unhold", await first.unhold())
    say("go")
    await line()
    # The daemon is dead: the call waits for it, and is made once.
    second = await phone.call(number)
    await happens(second, "confirmed")
    await gone
    say("gone", first.call_id in phone.sessions)
    gone = happens(second, "deleteSession")
    say("hangup", await second.hangup())
    await gone
    say("done", len(phone.sessions))


async def main():
    mode, socket, number = sys.argv[1:]
    async with Phone(socket) as phone:
        phone.on("*", lambda note: note["event"] in SAMPLES or say("event", note["seq"], note["event"], note.get("callId", "-")))
        say("connected", phone.seq)
        if mode == "calls":
            await calls(phone, number)
        else:
            await happens(phone, "statusChange")
            sys.stdin.readline()  # holds everything up, on purpose
            while phone.seq < int(number):
                await asyncio.sleep(0.05)
            say("done", phone.seq)


asyncio.run(main())
