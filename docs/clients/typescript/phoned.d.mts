// Types of phoned.mjs. Names and meanings: docs/API.md.

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

export interface Status {
  callId: string;
  number: string;
  name: string;
  avatar: string;
  company: string;
  communicationType: "inbound" | "outbound";
  callStatus: "calling" | "ringing" | "connecting" | "talking";
  isVideo: boolean;
  isRing: boolean;
  isHold: boolean;
  isMute: boolean;
  isRemoteHold: boolean;
  isTransfer: boolean;
  isConference: boolean;
  callStartTime: number;
  recordStatus: "stop" | "recording" | "pause";
  transferParent?: { callId: string; avatar: string; name: string; number: string; callDuration: number; holdDuration: number };
  account: string;
  calledNumber: string;
  tags: string[];
}

export interface Timer {
  ringDuration: number;
  callingDuration: number;
  callDuration: number;
  holdDuration: number;
}

export interface Metrics {
  mos: number | null;
  rFactor: number | null;
  lossPct: number;
  jitterMs: number;
  rttMs: number | null;
  jitterBufferMs: number;
  concealedPct: number;
  rxLevelDbov: number | null;
  txLevelDbov: number | null;
  oneWay: boolean;
}

export interface Note<Data = any> {
  seq: number;
  prev?: number;
  epoch?: string;
  time?: string;
  event: string;
  callId?: string;
  account?: string;
  data: Data;
}

export type SessionEvent =
  | "newRTCSession" | "incoming" | "startSession" | "progress" | "accepted" | "confirmed" | "ended" | "failed" | "clientError"
  | "deleteSession" | "statusChange" | "staticStatusChange" | "streamAdded" | "reinvite" | "dtmf" | "dtmfSent" | "identity" | "media"
  | "alert" | "transferProgress" | "transferred" | "transferFailed" | "callReport" | "updateTimer" | "cdrChange" | "*";

export type Handler = (note: Note) => unknown;

export class RpcError extends Error {
  code: number;
  data: { describe?: string; hint?: string; sipCode?: number; retryable?: boolean; path?: string };
}

export class ConnectionLost extends Error {}

declare class Emitter<Names extends string> {
  /** What it returns takes the handler off again. */
  on(event: Names | (string & {}), handler: Handler): () => void;
  off(event: Names | (string & {}), handler: Handler): void;
}

export class Session extends Emitter<SessionEvent> {
  readonly callId: string;
  status: Status;
  timer: Timer;
  metrics: Metrics | null;
  answer(option?: { video?: boolean; extraHeaders?: string[]; device?: string }): Promise<{ code: number; msg: string }>;
  reject(code?: number): Promise<true>;
  progress(code: 180 | 183): Promise<true>;
  hangup(): Promise<true>;
  terminate(type?: "hangup" | "reject" | "terminate"): Promise<true>;
  hold(): Promise<true>;
  unhold(): Promise<true>;
  mute(): Promise<true>;
  unmute(): Promise<true>;
  dtmf(dtmf: string, method?: "auto" | "rtp" | "info" | "inband"): Promise<true>;
  blindTransfer(number: string, hangup?: "onSuccess" | "immediately"): Promise<true>;
  attendedTransfer(number?: string): Promise<true>;
  startRecord(target?: "local" | "pbx" | "both"): Promise<true>;
  pauseRecord(target?: "local" | "pbx" | "both"): Promise<true>;
  stopRecord(): Promise<{ path: string; sha256: string; durationMs: number } | true>;
  setStatus(status: Partial<Pick<Status, "name" | "avatar" | "company" | "tags">>): Promise<unknown>;
  setStaticStatus(staticStatus: Partial<Pick<Status, "name" | "avatar" | "company">>, startManualModel?: boolean): Promise<unknown>;
  destroy(): Promise<true>;
  get(): Promise<any>;
}

export class Phone extends Emitter<SessionEvent | "registered" | "registrationFailed" | "isRegisteredChange" | "callRejected" | "gap"> {
  readonly sessions: Map<string, Session>;
  readonly seq: number;
  readonly epoch?: string;
  readonly connected: boolean;
  call(number: string, option?: { extraHeaders?: string[] }, transferId?: string, account?: string): Promise<Session>;
  session(callId: string): Session;
  rpc(method: string, params?: object): Promise<any>;
  close(): void;
}

export function connect(options: Options): Promise<Phone>;
