"""phoned from Python: one file, the standard library only, asyncio.

    async with Phone("/run/phoned/phoned.sock") as phone:
        session = await phone.call("1002")
        session.on("confirmed", lambda event: print("talking to", session.status["number"]))
        await session.hold()

Events come in order, each once, also over a restart of the daemon or a lost connection: the client asks for what it missed by
seq. Where the daemon no longer has it, handlers of "gap" are told, and `phone.sessions` is as the daemon says now.
"""

from __future__ import annotations

import asyncio
import json
import os
import traceback
import urllib.request
import uuid
from collections import deque
from typing import Any, Callable, Dict, List, Literal, Optional, TypedDict

Handler = Callable[["Event"], Any]
#: Events that repeat what holds now; they have no seq of their own.
SAMPLES = ("callReport", "updateTimer")
REPLAY_GAP = -226
FORBIDDEN = -231


class Status(TypedDict, total=False):
    """`session.status`: docs/API.md, CallStatus."""

    callId: str
    number: str
    name: str
    avatar: str
    company: str
    communicationType: Literal["inbound", "outbound"]
    callStatus: Literal["calling", "ringing", "connecting", "talking"]
    isRing: bool
    isHold: bool
    isMute: bool
    isRemoteHold: bool
    isTransfer: bool
    isConference: bool
    callStartTime: int
    recordStatus: Literal["stop", "recording", "pause"]
    account: str
    calledNumber: str
    tags: List[str]


class Event(TypedDict, total=False):
    """What handlers get."""

    seq: int
    prev: int
    epoch: str
    time: str
    event: str
    callId: str
    account: str
    data: Dict[str, Any]


class RpcError(Exception):
    """A refusal: `code` and `message` as docs/API.md lists them, `data` with describe, hint, sipCode, retryable."""

    def __init__(self, error: Dict[str, Any]):
        self.code: int = error["code"]
        self.message: str = error["message"]
        self.data: Dict[str, Any] = error.get("data") or {}
        super().__init__(f"{self.message} ({self.code}): {self.data.get('describe', '')}")


class ConnectionLost(Exception):
    """The connection ended before the answer came, and the question cannot be asked twice."""


class _Emitter:
    def __init__(self) -> None:
        self._handlers: Dict[str, List[Handler]] = {}

    def on(self, event: str, handler: Handler) -> Callable[[], None]:
        """Calls `handler` at each `event`; `"*"` is every event. What it returns takes the handler off again."""
        handlers = self._handlers.setdefault(event, [])
        handlers.append(handler)
        return lambda: handlers.remove(handler) if handler in handlers else None

    def _emit(self, event: Event) -> None:
        for handler in [*self._handlers.get(event["event"], ()), *self._handlers.get("*", ())]:
            try:
                result = handler(event)
                if asyncio.iscoroutine(result):
                    asyncio.ensure_future(result).add_done_callback(_report)
            except Exception:  # one handler's fault is not the next one's
                traceback.print_exc()


def _report(task: "asyncio.Future[Any]") -> None:
    if not task.cancelled() and task.exception():
        traceback.print_exception(task.exception())


class Session(_Emitter):
    """A call. `status` and `timer` are as the last event said."""

    def __init__(self, phone: "Phone", call_id: str):
        super().__init__()
        self._phone = phone
        self.call_id = call_id
        self.status: Status = {}
        self.timer: Dict[str, int] = {}

    async def _do(self, verb: str, **params: Any) -> Any:
        given = {name: value for name, value in params.items() if value is not None}
        return await self._phone.rpc(f"session.{verb}", {"callId": self.call_id, **given}, once=True)

    async def answer(self, option: Optional[Dict[str, Any]] = None) -> Any:
        return await self._do("answer", option=option)

    async def reject(self, code: Optional[int] = None) -> Any:
        return await self._do("reject", code=code)

    async def progress(self, code: Literal[180, 183]) -> Any:
        return await self._do("progress", code=code)

    async def hangup(self) -> Any:
        return await self._do("hangup")

    async def terminate(self, type: Literal["hangup", "reject", "terminate", None] = None) -> Any:
        return await self._do("terminate", type=type)

    async def hold(self) -> Any:
        return await self._do("hold")

    async def unhold(self) -> Any:
        return await self._do("unhold")

    async def mute(self) -> Any:
        return await self._do("mute")

    async def unmute(self) -> Any:
        return await self._do("unmute")

    async def dtmf(self, dtmf: str, method: Literal["auto", "rtp", "info", "inband", None] = None) -> Any:
        return await self._do("dtmf", dtmf=dtmf, method=method)

    async def blind_transfer(self, number: str, hangup: Literal["onSuccess", "immediately", None] = None) -> Any:
        return await self._do("blindTransfer", number=number, hangup=hangup)

    async def attended_transfer(self, number: Optional[str] = None) -> Any:
        return await self._do("attendedTransfer", number=number)

    async def start_record(self, target: Literal["local", "pbx", "both", None] = None) -> Any:
        return await self._do("startRecord", target=target)

    async def pause_record(self, target: Literal["local", "pbx", "both", None] = None) -> Any:
        return await self._do("pauseRecord", target=target)

    async def stop_record(self) -> Any:
        return await self._do("stopRecord")

    async def set_status(self, status: Status) -> Any:
        return await self._do("setStatus", status=status)

    async def set_static_status(self, status: Status, manual: Optional[bool] = None) -> Any:
        return await self._do("setStaticStatus", staticStatus=status, startManualModel=manual)

    async def destroy(self) -> Any:
        return await self._do("destroy")

    async def get(self) -> Dict[str, Any]:
        return await self._phone.rpc("session.get", {"callId": self.call_id})

    def _learn(self, snapshot: Dict[str, Any]) -> None:
        self.status = snapshot.get("status") or self.status
        self.timer = snapshot.get("timer") or self.timer


class Phone(_Emitter):
    """A daemon. `sessions` are its calls, by callId; a session of the past stays with whoever holds it."""

    def __init__(self, socket: Optional[str] = None, *, from_seq: Optional[int] = None, epoch: Optional[str] = None):
        """`from_seq` and `epoch`: go on where an earlier program stopped (`phone.seq + 1`, `phone.epoch`)."""
        super().__init__()
        self.path = socket or os.environ.get("PHONED_SOCKET", "/run/phoned/phoned.sock")
        self.sessions: Dict[str, Session] = {}
        self.seq: int = -1 if from_seq is None else from_seq - 1
        self.epoch = epoch
        self.connected = False
        self._last = 0
        self._asked: Dict[int, tuple[Dict[str, Any], bool, "asyncio.Future[Any]"]] = {}
        self._writer: Optional[asyncio.StreamWriter] = None
        self._notes: deque[Event] = deque()
        self._noted = asyncio.Event()
        self._ready = asyncio.Event()
        self._refusal: Optional[RpcError] = None
        self._tasks: List["asyncio.Task[None]"] = []

    async def __aenter__(self) -> "Phone":
        self._tasks = [asyncio.ensure_future(self._stay()), asyncio.ensure_future(self._tell())]
        ready = asyncio.ensure_future(self._ready.wait())
        await asyncio.wait([ready, self._tasks[0]], return_when=asyncio.FIRST_COMPLETED)
        if not ready.done():
            ready.cancel()
            self._tasks[1].cancel()
            await self._tasks[0]  # raises: this user may not come in
        for task in self._tasks:
            task.add_done_callback(_report)
        return self

    async def __aexit__(self, *_: Any) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._lose(for_good=True)

    async def call(
        self,
        number: str,
        option: Optional[Dict[str, Any]] = None,
        transfer_id: Optional[str] = None,
        account: Optional[str] = None,
    ) -> Session:
        """Calls; with `transfer_id` as a consultation about that session. Raises RpcError with what stopped it."""
        params = {"number": number, "option": option, "transferId": transfer_id, "account": account}
        given = {name: value for name, value in params.items() if value is not None}
        result = await self.rpc("phone.call", given, once=True)
        session = self.session(result["callId"])
        if not session.status:
            session._learn(result["session"])
        return session

    def session(self, call_id: str) -> Session:
        """The session of that callId; always the same object."""
        return self.sessions.setdefault(call_id, Session(self, call_id))

    async def rpc(self, method: str, params: Optional[Dict[str, Any]] = None, *, once: bool = False) -> Any:
        """Any method of docs/API.md. `once`: it changes something, so it carries an idempotencyKey, and is asked again after a
        lost connection without being done twice. Others are asked again as they are."""
        params = dict(params or {})
        if once:
            params.setdefault("idempotencyKey", str(uuid.uuid4()))
        again = once or method.split(".")[-1] in ("get", "list", "info", "health", "query", "replay", "getSession")
        return await self._ask(method, params, again)

    async def _ask(self, method: str, params: Dict[str, Any], again: bool) -> Any:
        self._last += 1
        request = {"jsonrpc": "2.0", "id": self._last, "method": method, "params": params}
        answer: "asyncio.Future[Any]" = asyncio.get_running_loop().create_future()
        self._asked[self._last] = (request, again, answer)
        if self._writer is not None:
            self._send(request)
        elif not again:
            self._asked.pop(self._last)
            raise ConnectionLost(method)
        return await answer

    def _send(self, request: Dict[str, Any]) -> None:
        if self._writer is not None:
            self._writer.write(json.dumps(request).encode() + b"\n")

    async def _stay(self) -> None:
        """Connects, again and again."""
        wait = 0.1
        while True:
            try:
                reader, self._writer = await asyncio.open_unix_connection(self.path, limit=8 << 20)
                reading = asyncio.ensure_future(self._read(reader))
                try:
                    await self._subscribe()
                    self.connected, wait = True, 0.1
                    self._ready.set()
                    await reading
                finally:
                    reading.cancel()
            except (OSError, ConnectionLost, ValueError):
                if self._refusal is not None:
                    raise self._refusal from None
            finally:
                self._lose(for_good=False)
            await asyncio.sleep(wait)
            wait = min(wait * 2, 5.0)

    def _lose(self, for_good: bool) -> None:
        if self._writer is not None:
            self._writer.close()
        self._writer, self.connected = None, False
        for id, (request, again, answer) in list(self._asked.items()):
            if for_good or not again:
                del self._asked[id]
                if not answer.done():
                    answer.set_exception(ConnectionLost(request["method"]))

    async def _subscribe(self) -> None:
        waiting, self._asked = self._asked, {}
        try:
            if self.seq >= 0:
                try:
                    # What was read already and not told yet comes again, and is known by its seq.
                    since = {"fromSeq": self.seq + 1, **({"epoch": self.epoch} if self.epoch else {})}
                    began = await self._ask("events.subscribe", since, False)
                    self.epoch = began["epoch"]
                    if not self._ready.is_set():
                        self._take(await self._ask("phone.getSession", {}, False))
                    return
                except RpcError as error:
                    if error.code != REPLAY_GAP:
                        raise ConnectionLost("events.subscribe") from error
            began = await self._ask("events.subscribe", {"snapshot": True}, False)
            lost = self.seq >= 0
            self.seq, self.epoch = began["seq"], began["epoch"]
            self._notes = deque(note for note in self._notes if note["epoch"] == self.epoch)
            self._take(began["snapshot"]["sessions"])
            if lost:
                self._emit({"event": "gap", "seq": self.seq, "data": began["snapshot"]})
        finally:
            self._asked = {**waiting, **self._asked}
            for request, _, answer in waiting.values():
                if not answer.done():
                    self._send(request)

    def _take(self, snapshots: List[Dict[str, Any]]) -> None:
        """These are the calls there are."""
        now = {snapshot["callId"]: snapshot for snapshot in snapshots}
        self.sessions = {id: session for id, session in self.sessions.items() if id in now}
        for id, snapshot in now.items():
            self.session(id)._learn(snapshot)

    async def _read(self, reader: asyncio.StreamReader) -> None:
        while line := await reader.readline():
            message = json.loads(line)
            if message.get("method") == "event":
                self._notes.append(message["params"]["result"])
                self._noted.set()
            elif message.get("id") is None and "error" in message and message["error"]["code"] == FORBIDDEN:
                self._refusal = RpcError(message["error"])
            elif message.get("id") in self._asked:
                _, _, answer = self._asked.pop(message["id"])
                if answer.done():
                    continue
                if "error" in message:
                    answer.set_exception(RpcError(message["error"]))
                else:
                    answer.set_result(message["result"])
                # Who asked goes on first: a handler that is set right after the answer misses no event behind it.
                await asyncio.sleep(0)
        # Nobody answers any more: the subscription, if it is being asked for, must not wait.
        self._lose(for_good=False)

    async def _tell(self) -> None:
        """Tells the events, in order; fetches what is missing between them."""
        while True:
            await self._noted.wait()
            self._noted.clear()
            while self._notes:
                note = self._notes.popleft()
                if note["event"] == "lagged":
                    await self._fetch(note["data"]["toSeq"])
                elif note["event"] in SAMPLES:
                    self._hand_out(note)
                else:
                    if note["prev"] > self.seq:
                        await self._fetch(note["prev"])
                    if note["seq"] > self.seq:
                        self.seq = note["seq"]
                        self._hand_out(note)

    async def _fetch(self, to: int) -> None:
        epoch = self.epoch
        while self.seq < to and self.epoch == epoch:
            try:
                params = {"fromSeq": self.seq + 1, "toSeq": to, **({"epoch": self.epoch} if self.epoch else {})}
                page = await self._ask("events.replay", params, True)
            except RpcError as error:
                if self.epoch != epoch:
                    return
                self._emit({"event": "gap", "seq": to, "data": {"describe": str(error)}})
                self.seq = to
                return
            for note in page["events"]:
                if note["seq"] > self.seq:
                    self.seq = note["seq"]
                    self._hand_out(note)
            if page["nextSeq"] is None:
                return

    def _hand_out(self, note: Event) -> None:
        data, call_id = note.get("data") or {}, note.get("callId")
        session = None
        if call_id is not None:
            session = self.sessions.get(call_id)
            if session is None and note["event"] not in ("cdrChange", "deleteSession"):
                session = self.session(call_id)
        if session is not None:
            if "session" in data:
                session._learn(data["session"])
            elif note["event"] in ("statusChange", "staticStatusChange"):
                session.status = {**session.status, **data["newStatus"]}
            elif note["event"] == "updateTimer":
                session.timer = data["timer"]
            if note["event"] == "deleteSession":
                self.sessions.pop(call_id, None)
            session._emit(note)
        self._emit(note)


def ask(url: str, token: str, method: str, params: Optional[Dict[str, Any]] = None) -> Any:
    """One question over HTTP, e.g. `ask("http://127.0.0.1:8089/rpc", token, "phone.call", {"number": "1002"})`: no events."""
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params or {}}).encode()
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=30) as answer:
        message = json.load(answer)
    if "error" in message:
        raise RpcError(message["error"])
    return message["result"]
