import type { Events, Methods, Session as Snapshot } from "./api.mjs";
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
export type AnyNote = {
    [Name in keyof Told]: Note<Name>;
}[keyof Told];
export type Handler<Name extends keyof Told | "*" = "*"> = (note: Name extends keyof Told ? Note<Name> : AnyNote) => unknown;
/** The params of a method, by name; nothing where it needs none. */
export type Params<Method extends keyof Methods> = Methods[Method]["params"] & {
    idempotencyKey?: string;
};
type Arguments<Method extends keyof Methods> = Record<string, never> extends Methods[Method]["params"] ? [params?: Params<Method>] : {} extends Methods[Method]["params"] ? [params?: Params<Method>] : [params: Params<Method>];
export type Result<Method extends keyof Methods> = Methods[Method]["result"];
/** A refusal: `code` and `message` as docs/API.md lists them, `data` with describe, hint, sipCode, retryable. */
export declare class RpcError extends Error {
    readonly code: number;
    readonly data: {
        describe?: string;
        hint?: string;
        sipCode?: number;
        retryable?: boolean;
        path?: string;
    };
}
/** The connection ended before the answer came. */
export declare class ConnectionLost extends Error {
}
declare class Emitter {
    #private;
    /** Calls `handler` at each `event`; "*" is every event. What it returns takes the handler off again. */
    on<Name extends keyof Told | "*">(event: Name, handler: Handler<Name>): () => void;
    off<Name extends keyof Told | "*">(event: Name, handler: Handler<Name>): void;
}
type Verb = keyof {
    [Method in keyof Methods as Method extends `session.${infer Name}` ? Name : never]: true;
};
type Given<Name extends Verb> = Omit<Methods[`session.${Name}`]["params"], "callId">;
/** A call. `status` and `timer` are as the last event said. */
export declare class Session extends Emitter {
    #private;
    readonly callId: string;
    status: Snapshot["status"];
    timer: Snapshot["timer"];
    metrics: Snapshot["metrics"];
    answer(option?: Given<"answer">["option"]): Promise<import("./api.mjs").Success>;
    reject(code?: Given<"reject">["code"]): Promise<true>;
    progress(code: 180 | 183): Promise<true>;
    hangup(): Promise<true>;
    terminate(type?: Given<"terminate">["type"]): Promise<true>;
    hold(): Promise<true>;
    unhold(): Promise<true>;
    mute(): Promise<true>;
    unmute(): Promise<true>;
    dtmf(dtmf: string, method?: Given<"dtmf">["method"]): Promise<true>;
    blindTransfer(number: string, hangup?: Given<"blindTransfer">["hangup"]): Promise<true>;
    attendedTransfer(number?: string): Promise<true>;
    startRecord(target?: Given<"startRecord">["target"]): Promise<true>;
    pauseRecord(target?: Given<"pauseRecord">["target"]): Promise<true>;
    stopRecord(): Promise<true | import("./api.mjs").RecordedFile>;
    setStatus(status: Given<"setStatus">["status"]): Promise<Snapshot>;
    setStaticStatus(staticStatus: Given<"setStaticStatus">["staticStatus"], startManualModel?: boolean): Promise<Snapshot>;
    destroy(): Promise<true>;
    get(): Promise<Snapshot>;
}
/** A daemon. `sessions` are its calls, by callId; a session of the past stays with whoever holds it. */
export declare class Phone extends Emitter {
    #private;
    readonly sessions: Map<string, Session>;
    /** The last event that was told. */
    seq: number;
    epoch: string | undefined;
    connected: boolean;
    /** Calls; with `transferId` as a consultation about that session. Rejects with what stopped it. */
    call(number: string, option?: Params<"phone.call">["option"], transferId?: string, account?: string): Promise<Session>;
    /** The session of that callId; always the same object. */
    session(callId: string): Session;
    /** Any method of docs/API.md. It is asked again after a lost connection, and by its idempotencyKey never done twice. */
    rpc<Method extends keyof Methods>(method: Method, ...[params]: Arguments<Method>): Promise<Result<Method>>;
    /** Ends the connection for good. */
    close(): void;
}
/** Connects. Waits for the daemon as long as it takes; rejects only where it says that we may not come in. */
export declare function connect(options: Options): Promise<Phone>;
