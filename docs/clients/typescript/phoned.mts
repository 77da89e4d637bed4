// phoned from browsers and Node (18 and later), without dependencies. phoned.mjs is this file as the compiler leaves it.
//
//   const phone = await connect({ url: "ws://127.0.0.1:8089/ws", token });   // a browser, or Node
//   const phone = await connect({ socket: "/run/phoned/phoned.sock" });      // Node on the same host
//   const session = await phone.call("1002");
//   session.on("confirmed", () => console.log("talking to", session.status.number));
//   await session.hold();
//
// Events come in order, each once, also over a restart of the daemon or a lost connection: the client asks for what it missed by
// seq. Where the daemon no longer has it, handlers of "gap" are told, and `phone.sessions` is as the daemon says now.

import type { Events, Methods, Session as Snapshot } from "./api.mjs";
import type { Wire } from "./node.mjs";

export type { Events, Methods } from "./api.mjs";

/** A browser gives `url` and `token`; Node may give the Unix socket instead. */
export interface Options {
  /** `ws://HOST:PORT/ws` or `wss://…` */
  url?: string;
  /** Of `[http.tokens.NAME]`. */
  token?: string;
  /** The Unix socket's path: Node only. */
  socket?: string;
  /** Go on where an earlier program stopped: `phone.seq + 1`. */
  fromSeq?: number;
  /** What `fromSeq` belongs to: `phone.epoch`. */
  epoch?: string;
}

/** What was missed and cannot be had: why, or what there is now. */
export interface Gap {
  describe?: string;
  sessions?: Snapshot[];
}

/** What handlers can be told: the events of docs/API.md, and a gap in them. */
export interface Told extends Events {
  gap: Gap;
}

/** An event. */
export interface Note<Name extends keyof Told = keyof Told> {
  /** A sample carries the seq of the event before it. */
  seq: number;
  prev?: number;
  epoch?: string;
  time?: string;
  event: Name;
  callId?: string;
  account?: string;
  data: Told[Name];
}

/** Any event: `note.event` tells what `note.data` is. */
export type AnyNote = { [Name in keyof Told]: Note<Name> }[keyof Told];

export type Handler<Name extends keyof Told | "*" = "*"> = (note: Name extends keyof Told ? Note<Name> : AnyNote) => unknown;

/** The params of a method, by name; nothing where it needs none. */
export type Params<Method extends keyof Methods> = Methods[Method]["params"] & { idempotencyKey?: string };
type Arguments<Method extends keyof Methods> =
  Record<string, never> extends Methods[Method]["params"] ? [params?: Params<Method>]
  : {} extends Methods[Method]["params"] ? [params?: Params<Method>]
  : [params: Params<Method>];
export type Result<Method extends keyof Methods> = Methods[Method]["result"];

/** What JSON-RPC's `error` holds. */
interface Fault {
  code: number;
  message: string;
  data?: RpcError["data"];
}

interface Message {
  id?: number | null;
  method?: string;
  params?: { result: AnyNote };
  result?: unknown;
  error?: Fault;
}

interface Asked {
  request: { method: string };
  again: boolean;
  resolve: (result: any) => void;
  reject: (error: Error) => void;
}

/** Events that repeat what holds now; they have no seq of their own. */
const SAMPLES: string[] = ["callReport", "updateTimer"];
const REPLAY_GAP = -226;
const FORBIDDEN = -231;
/** Methods that change nothing: they carry no idempotencyKey. */
const READS = /^(rpc\.discover|.*\.(get|list|info|health|status|query|replay|getSession|getCurrentSession|verify|subscribe|unsubscribe|on|off))$/;

/** A refusal: `code` and `message` as docs/API.md lists them, `data` with describe, hint, sipCode, retryable. */
export class RpcError extends Error {
  readonly code: number;
  readonly data: { describe?: string; hint?: string; sipCode?: number; retryable?: boolean; path?: string };

  /** @internal */
  constructor(error: Fault) {
    super(`${error.message} (${error.code}): ${error.data?.describe ?? ""}`);
    this.name = "RpcError";
    this.code = error.code;
    this.data = error.data ?? {};
  }
}

/** The connection ended before the answer came. */
export class ConnectionLost extends Error {}

class Emitter {
  #handlers = new Map<string, Set<Handler<any>>>();

  /** Calls `handler` at each `event`; "*" is every event. What it returns takes the handler off again. */
  on<Name extends keyof Told | "*">(event: Name, handler: Handler<Name>): () => void {
    let handlers = this.#handlers.get(event);
    if (!handlers) this.#handlers.set(event, (handlers = new Set()));
    handlers.add(handler);
    return () => this.off(event, handler);
  }

  off<Name extends keyof Told | "*">(event: Name, handler: Handler<Name>): void {
    this.#handlers.get(event)?.delete(handler);
  }

  /** @internal */
  _emit(note: AnyNote): void {
    for (const name of [note.event, "*"]) {
      for (const handler of [...(this.#handlers.get(name) ?? [])]) {
        // One handler's fault is not the next one's.
        try {
          Promise.resolve(handler(note)).catch((error) => console.error(error));
        } catch (error) {
          console.error(error);
        }
      }
    }
  }
}

type Verb = keyof { [Method in keyof Methods as Method extends `session.${infer Name}` ? Name : never]: true };
type Given<Name extends Verb> = Omit<Methods[`session.${Name}`]["params"], "callId">;

/** A call. `status` and `timer` are as the last event said. */
export class Session extends Emitter {
  readonly callId: string;
  status: Snapshot["status"];
  timer: Snapshot["timer"];
  metrics: Snapshot["metrics"] = null;
  #phone: Phone;

  /** @internal */
  constructor(phone: Phone, callId: string) {
    super();
    this.#phone = phone;
    this.callId = callId;
    // Nothing is known of it until an event or an answer says so.
    this.status = {} as Snapshot["status"];
    this.timer = {} as Snapshot["timer"];
  }

  #do<Name extends Verb>(verb: Name, params?: Given<Name>): Promise<Result<`session.${Name}`>> {
    return this.#phone._do(`session.${verb}`, { callId: this.callId, ...params });
  }

  answer(option?: Given<"answer">["option"]) { return this.#do("answer", { option }); }
  reject(code?: Given<"reject">["code"]) { return this.#do("reject", { code }); }
  progress(code: 180 | 183) { return this.#do("progress", { code }); }
  hangup() { return this.#do("hangup"); }
  terminate(type?: Given<"terminate">["type"]) { return this.#do("terminate", { type }); }
  hold() { return this.#do("hold"); }
  unhold() { return this.#do("unhold"); }
  mute() { return this.#do("mute"); }
  unmute() { return this.#do("unmute"); }
  dtmf(dtmf: string, method?: Given<"dtmf">["method"]) { return this.#do("dtmf", { dtmf, method }); }
  blindTransfer(number: string, hangup?: Given<"blindTransfer">["hangup"]) { return this.#do("blindTransfer", { number, hangup }); }
  attendedTransfer(number?: string) { return this.#do("attendedTransfer", { number }); }
  startRecord(target?: Given<"startRecord">["target"]) { return this.#do("startRecord", { target }); }
  pauseRecord(target?: Given<"pauseRecord">["target"]) { return this.#do("pauseRecord", { target }); }
  stopRecord() { return this.#do("stopRecord"); }
  setStatus(status: Given<"setStatus">["status"]) { return this.#do("setStatus", { status }); }
  setStaticStatus(staticStatus: Given<"setStaticStatus">["staticStatus"], startManualModel?: boolean) {
    return this.#do("setStaticStatus", { staticStatus, startManualModel });
  }
  destroy() { return this.#do("destroy"); }
  get() { return this.#do("get"); }

  /** @internal */
  _learn(snapshot: Partial<Snapshot>): void {
    this.status = snapshot.status ?? this.status;
    this.timer = snapshot.timer ?? this.timer;
    this.metrics = snapshot.metrics ?? this.metrics;
  }
}

/** A daemon. `sessions` are its calls, by callId; a session of the past stays with whoever holds it. */
export class Phone extends Emitter {
  readonly sessions = new Map<string, Session>();
  /** The last event that was told. */
  seq: number;
  epoch: string | undefined;
  connected = false;
  #options: Options;
  #wire: Wire | null = null;
  #asked = new Map<number, Asked>();
  #last = 0;
  #notes: AnyNote[] = [];
  #telling = false;
  #begun = false;
  #closed = false;

  /** @internal */
  constructor(options: Options) {
    super();
    this.#options = options;
    this.seq = options.fromSeq === undefined ? -1 : options.fromSeq - 1;
    this.epoch = options.epoch;
  }

  /** Calls; with `transferId` as a consultation about that session. Rejects with what stopped it. */
  async call(number: string, option?: Params<"phone.call">["option"], transferId?: string, account?: string): Promise<Session> {
    const result: Result<"phone.call"> = await this._do("phone.call", { number, option, transferId, account });
    const session = this.session(result.callId);
    if (session.status.callId === undefined) session._learn(result.session);
    return session;
  }

  /** The session of that callId; always the same object. */
  session(callId: string): Session {
    let session = this.sessions.get(callId);
    if (!session) this.sessions.set(callId, (session = new Session(this, callId)));
    return session;
  }

  /** Any method of docs/API.md. It is asked again after a lost connection, and by its idempotencyKey never done twice. */
  rpc<Method extends keyof Methods>(method: Method, ...[params]: Arguments<Method>): Promise<Result<Method>> {
    return this._do(method, params ?? {});
  }

  /** Ends the connection for good. */
  close(): void {
    this.#closed = true;
    this.#wire?.close();
    this.#lose(true);
  }

  /** @internal */
  _do(method: string, params: object): Promise<any> {
    const keyed = READS.test(method) ? {} : { idempotencyKey: globalThis.crypto?.randomUUID?.() ?? chance() };
    return this.#ask(method, { ...keyed, ...params }, true);
  }

  #ask(method: string, params: object, again: boolean): Promise<any> {
    if (this.#closed) return Promise.reject(new ConnectionLost(method));
    const id = ++this.#last;
    const request = { jsonrpc: "2.0", id, method, params };
    return new Promise((resolve, reject) => {
      this.#asked.set(id, { request, again, resolve, reject });
      this.#wire?.send(JSON.stringify(request));
    });
  }

  /**
   * Connects, again and again; the first time is told to `ready`.
   * @internal
   */
  async _stay(ready: (phone: Phone) => void, refused: (error: Error) => void): Promise<void> {
    let wait = 100;
    while (!this.#closed) {
      try {
        let ended = () => {};
        const end = new Promise<void>((resolve) => (ended = resolve));
        let refusal: RpcError | undefined;
        const wire = await open(this.#options, (text) => {
          const message = JSON.parse(text) as Message;
          if (message.id === null && message.error?.code === FORBIDDEN) refusal = new RpcError(message.error);
          else this.#take(message);
        }, () => { this.#lose(false); ended(); });
        if (this.#closed) return wire.close();
        try {
          await this.#subscribe(wire);
          this.connected = true;
          wait = 100;
          ready(this);
          await end;
        } catch (error) {
          wire.close();
          if (refusal) return refused(refusal);
          throw error;
        }
      } catch (error) {
        if (error instanceof Error && "refused" in error) return refused(error);
      }
      this.#lose(false);
      await new Promise((resolve) => setTimeout(resolve, wait));
      wait = Math.min(wait * 2, 5000);
    }
  }

  #lose(forGood: boolean): void {
    this.#wire = null;
    this.connected = false;
    for (const [id, { again, reject, request }] of [...this.#asked]) {
      if (again && !forGood) continue;
      this.#asked.delete(id);
      reject(new ConnectionLost(request.method));
    }
  }

  async #subscribe(wire: Wire): Promise<void> {
    const waiting = [...this.#asked];
    this.#asked = new Map();
    this.#wire = wire;
    try {
      if (this.seq >= 0) {
        try {
          // What was read already and not told yet comes again, and is known by its seq.
          const began = await this.#ask("events.subscribe", { fromSeq: this.seq + 1, epoch: this.epoch }, false);
          this.epoch = began.epoch;
          if (!this.#begun) this.#are(await this.#ask("phone.getSession", {}, false));
          this.#begun = true;
          return;
        } catch (error) {
          if (!(error instanceof RpcError && error.code === REPLAY_GAP)) throw error;
        }
      }
      const began = await this.#ask("events.subscribe", { snapshot: true }, false);
      const lost = this.seq >= 0;
      [this.seq, this.epoch, this.#begun] = [began.seq, began.epoch, true];
      this.#notes = this.#notes.filter((note) => note.epoch === began.epoch);
      this.#are(began.snapshot.sessions);
      if (lost) this._emit({ event: "gap", seq: this.seq, data: began.snapshot });
    } finally {
      this.#asked = new Map([...waiting, ...this.#asked]);
      for (const [, { request }] of waiting) this.#wire?.send(JSON.stringify(request));
    }
  }

  /** These are the calls there are. */
  #are(snapshots: Snapshot[]): void {
    const now = new Set(snapshots.map((snapshot) => snapshot.callId));
    for (const callId of [...this.sessions.keys()]) if (!now.has(callId)) this.sessions.delete(callId);
    for (const snapshot of snapshots) this.session(snapshot.callId)._learn(snapshot);
  }

  #take(message: Message): void {
    if (message.method === "event" && message.params) {
      this.#notes.push(message.params.result);
      void this.#tell();
      return;
    }
    const asked = this.#asked.get(message.id ?? 0);
    if (!asked) return;
    this.#asked.delete(message.id ?? 0);
    if (message.error) asked.reject(new RpcError(message.error));
    else asked.resolve(message.result);
  }

  /** Tells the events, in order; fetches what is missing between them. Answers go first: who has called can listen in time. */
  async #tell(): Promise<void> {
    if (this.#telling) return;
    this.#telling = true;
    await new Promise((resolve) => setTimeout(resolve, 0));
    for (let note = this.#notes.shift(); note; note = this.#notes.shift()) {
      if (note.event === "lagged") await this.#fetch(note.data.toSeq);
      else if (SAMPLES.includes(note.event)) this.#handOut(note);
      else {
        if ((note.prev ?? 0) > this.seq) await this.#fetch(note.prev ?? 0);
        if (note.seq > this.seq) {
          this.seq = note.seq;
          this.#handOut(note);
        }
      }
    }
    this.#telling = false;
  }

  async #fetch(to: number): Promise<void> {
    const epoch = this.epoch;
    while (this.seq < to && this.epoch === epoch && !this.#closed) {
      let page: { events: AnyNote[]; nextSeq: number | null };
      try {
        page = await this.#ask("events.replay", { fromSeq: this.seq + 1, toSeq: to, epoch }, true);
      } catch (error) {
        if (this.epoch !== epoch || this.#closed) return;
        this.seq = to;
        this._emit({ event: "gap", seq: to, data: { describe: error instanceof Error ? error.message : String(error) } });
        return;
      }
      for (const note of page.events) {
        if (note.seq <= this.seq) continue;
        this.seq = note.seq;
        this.#handOut(note);
      }
      if (page.nextSeq === null) return;
    }
  }

  #handOut(note: AnyNote): void {
    const { callId } = note;
    const late = note.event === "cdrChange" || note.event === "deleteSession";
    const session = callId === undefined || (late && !this.sessions.has(callId)) ? undefined : this.session(callId);
    if (session) {
      if (note.event === "statusChange" || note.event === "staticStatusChange") session.status = { ...session.status, ...note.data.newStatus };
      else if (note.event === "updateTimer") session.timer = note.data.timer;
      else if (note.event === "callReport") session.metrics = note.data.metrics;
      else if (note.event === "deleteSession") this.sessions.delete(session.callId);
      else if ("session" in note.data) session._learn(note.data.session);
      session._emit(note);
    }
    this._emit(note);
  }
}

/** Connects. Waits for the daemon as long as it takes; rejects only where it says that we may not come in. */
export function connect(options: Options): Promise<Phone> {
  const phone = new Phone(options);
  return new Promise((resolve, reject) => void phone._stay(resolve, reject));
}

function chance(): string {
  return Array.from({ length: 4 }, () => Math.random().toString(36).slice(2)).join("");
}

/** A wire: documents in and out. */
async function open({ url = "", token = "", socket }: Options, said: (text: string) => void, ended: () => void): Promise<Wire> {
  if (socket !== undefined) {
    const { openLines } = await import("./node.mjs");
    return openLines(socket, said, ended);
  }
  if (globalThis.WebSocket === undefined) {
    const { openWebSocket } = await import("./node.mjs");
    return openWebSocket(url, token, said, ended);
  }
  return new Promise((resolve, reject) => {
    const wire = new WebSocket(url, ["phoned.v1", `phoned.bearer.${token}`]);
    wire.onopen = () => resolve({ send: (text) => { if (wire.readyState === 1) wire.send(text); }, close: () => wire.close() });
    wire.onmessage = (message) => said(message.data);
    wire.onclose = () => { ended(); reject(new ConnectionLost(url)); };
  });
}
