// Made from the code: PHONED_BLESS=1 cargo test --test rpc_discover_describes_the_api
// The types, methods and events of docs/API.md.

/** An account, without its secrets. */
export type Account = {
  /** It answers by itself after so many ms, or when the INVITE asks for it (`header`). */
  autoAnswer: AutoAnswer | null;
  /** The name shown to others. */
  displayName: string | null;
  /** Its microphone, where it has one of its own. */
  input: string | null;
  /** It is. */
  isRegistered: boolean;
  /** Its name. */
  name: string;
  /** Its loudspeaker, where it has one of its own. */
  output: string | null;
  /** The proxies that its requests go through. */
  proxies: string[];
  /** It is to be registered. */
  register: boolean;
  /** Where it registers; null where it does not. */
  registrar: string | null;
  /** How its registration stands. */
  registration: Registration;
  /** The seat, where the settings name one. */
  seat: string | null;
  /** `udp` or `tcp`; null before anything was sent. */
  transport: string | null;
  /** Its address of record. */
  uri: string;
};

/** `[accounts.NAME.dial]`: an account's own rules; what is left out is as `[dial]` says. */
export type AccountDial = {
  /** Numbers that may be called. */
  allow?: string[] | null;
  /** The country whose way of writing numbers users have. */
  country?: string | null;
  /** Numbers that may not. */
  deny?: string[] | null;
  /** Numbers go out as `+` and digits. */
  e164?: boolean | null;
  /** What the PBX wants before a number that goes out. */
  prefix?: string | null;
  /** Numbers of so few digits are extensions. */
  short?: number | null;
  /** What users dial before a number and the PBX does not want. */
  strip?: string | null;
};

/** `[accounts.NAME]`: one address of record and how it is reached. */
export type AccountSettings = {
  /** Answer by itself after this, ms, or `header`: when the INVITE asks for it. */
  auto_answer?: AutoAnswer | null;
  /** The codecs of this account, best first. */
  codecs?: string[];
  /** Dial rules of its own. */
  dial?: AccountDial | null;
  /** The name shown to others. */
  display_name?: string | null;
  /** As `[audio] echo_cancellation`, for this account's calls. */
  echo_cancellation?: boolean | null;
  /** The expiry to ask for, s (default 300). */
  expires?: number | null;
  /** As `[audio] gain_control`, for this account's calls. */
  gain_control?: boolean | null;
  /** What those hear whom this account holds: as `[phone] hold_music`, which counts where this is left out; empty: nothing. */
  hold_music?: string | null;
  /** The microphone of this account's calls. */
  input?: string | null;
  /** By what its media travels: `rtp`, `webrtc`, or `auto` (the default): WebRTC over WebSocket and for who offers it. */
  media?: MediaKind;
  /** As `[audio] noise_suppression`, for this account's calls. */
  noise_suppression?: NoiseSuppression | null;
  /** The loudspeaker of this account's calls. */
  output?: string | null;
  /** The digest password. */
  password?: Secret | null;
  /** A credential of the service manager (`LoadCredential=`) whose first line is the password. */
  password_credential?: string | null;
  /** A file whose first line is the password. */
  password_file?: string | null;
  /** Proxies that every request goes through (loose routing); several: tried in turn when one does not answer. */
  proxies?: string[];
  /** Realms besides the registrar's own that get a digest. */
  realms?: string[];
  /** Register it (default true). */
  register?: boolean | null;
  /** Give up registering after so many failures; left out: never. */
  register_max_attempts?: number | null;
  /** Where to register: a `sip:` URI; left out: the URI's domain. */
  registrar?: string | null;
  /** Where this account's calls ring. */
  ringer?: string | null;
  /** Groups accounts into a seat; left out: by the input device. */
  seat?: string | null;
  /** Encrypted audio by keys in the session description: `off` (the default), `prefer` or `require`. */
  srtp?: Encryption;
  /** As `[tls] ca_file`, for this account. */
  tls_ca_file?: string | null;
  /** As `[tls] certificate`, for this account. */
  tls_certificate?: string | null;
  /** As `[tls] key`, for this account. */
  tls_key?: string | null;
  /** Whom the server's certificate must be for; left out: the host that the URI names. */
  tls_server_name?: string | null;
  /** False: any certificate will do, and whoever stands in between reads along (default true). */
  tls_verify?: boolean | null;
  /** `udp`, `tcp`, `tls`, `ws` or `wss`; left out: as the URIs say, else udp, and tcp for requests too large for a datagram. */
  transport?: string | null;
  /** Peers (addresses, CIDR or host names) besides registrar and proxies that may call this account. */
  trusted?: string[];
  /** The address of record: `sip:user@domain`. */
  uri?: string;
  /** The digest user; left out: the user part of the URI. */
  username?: string | null;
  /** As `[video] sink`, for this account. */
  video_sink?: string | null;
  /** As `[video] source`, for this account. */
  video_source?: string | null;
  /** More headers of its upgrade request: `Name: value`. */
  ws_headers?: Secret[];
  /** The Origin header of its upgrade request. */
  ws_origin?: string | null;
  /** The path of the WebSocket (default `/`). */
  ws_path?: string | null;
  /** What follows the question mark of its URL. */
  ws_query?: Secret | null;
};

/** The agent of a seat. */
export type Agent = {
  /** Its accounts. */
  accounts: string[];
  /** Not to be disturbed, whatever the state. */
  dnd: boolean;
  /** Where callers are sent meanwhile. */
  forward?: string;
  /** Why not ready, in the agent's words. */
  reason?: string;
  /** The seat. */
  seat: string;
  /** Since when all this holds; left out: since the daemon's start. */
  since?: string;
  /** What the agent does. */
  state: AgentState;
  /** When the wrap-up ends. */
  until?: string;
};

/** What an agent does. */
export type AgentState = "ready" | "notReady" | "wrapUp";

/** What wants a look. */
export type AlertKind = "disk" | "dtmfRefused" | "recordingFailed" | "recordingStalled" | "recordingGap" | "mutedTalking" | "silentMicrophone" | "clipping" | "echo" | "farEndSilent";

/** Samples of 16 bits, little-endian, mono. */
export type AudioFormat = "s16le-8000" | "s16le-16000" | "s16le-48000";

/** What an audio socket does at its points. */
export type AudioMode = "tap" | "inject" | "replace";

/** A point of a call's sound. */
export type AudioPort = "customerMouth" | "customerEar" | "agentMouth" | "agentEar";

/** An audio socket that waits for its client, 30 s. */
export type AudioSocket = {
  /** Its name. */
  audioId: string;
  /** How samples look. */
  format: AudioFormat;
  /** What it does. */
  mode: AudioMode;
  /** Where it is. */
  path: string;
  /** Its points. */
  ports: AudioPort[];
};

/** When an account answers by itself. */
export type AutoAnswer = number | AutoAnswerPolicy;

/** See [`AutoAnswer::Policy`]. */
export type AutoAnswerPolicy = "header";

/** The beginning of a subscription. */
export type Begin = {
  /** The life of the event log that seq belongs to. */
  epoch: string;
  /** The last event that is part of this answer: the `prev` of the first notification. */
  seq: number;
  /** All there is at seq, where it was asked for. */
  snapshot?: Snapshot;
  /** Its number: its events carry it. */
  subscription: number;
};

/** What was pressed, or how it is now. */
export type Button = "hook" | "offHook" | "onHook" | "mute" | "muteOn" | "muteOff" | "flash" | "hold" | "drop";

/** What a press does. */
export type ButtonAction = "answer" | "reject" | "hangup" | "mute" | "unmute" | "hold" | "unhold";

/** Who ended a session. */
export type By = "local" | "remote" | "system";

/** What is known of a call: `session.report`. */
export type CallHistory = {
  /** The dialog and its media, as the last event showed them. */
  RTCSession: RTCSession | null;
  /** Its account. */
  account: string;
  /** When it was answered. */
  answeredAt: string | null;
  /** Which call. */
  callId: string;
  /** Its record; null before its end. */
  cdr: Cdr | null;
  /** Its company. */
  company: string;
  /** The devices that it used, one after the other. */
  devices: DeviceUse[];
  /** `inbound` or `outbound`. */
  direction: CommunicationType;
  /** When it was over. */
  endedAt: string | null;
  /** Its events, without samples. */
  events: ReportEvent[];
  /** One of so many `callReport`s is here: 1 until there were 1200. */
  every: number;
  /** So many are missing behind the 16th, since there were too many. */
  leftOut: number;
  /** It is not over yet. */
  live: boolean;
  /** How many messages `session.trace` has. */
  messages: number;
  /** The other side's name. */
  name: string;
  /** The other side's number. */
  number: string;
  /** A row per `callReport`. */
  samples: ReportSample[];
  /** When it began. */
  startedAt: string;
};

/** Options of a call or an answer. */
export type CallOption = {
  /** The input device of this session, and its output where the id can do both. */
  device?: string | null;
  /** `Name: value` lines added to the INVITE or the 200. */
  extraHeaders?: string[] | null;
  /** The peer's video is taken, by `[video] sink`. Left out: in a call as `video` says, in an answer true unless `video` is false. */
  offerToReceiveVideo?: boolean | null;
  /** Our video is shown, from `[video] source`, where the audio is WebRTC; without a source the call is audio. */
  video?: boolean | null;
};

/** How a call sounds: every value a string, every one measured. Packets are counted, losses are ratios, jitter is in ms; Rx is what we received, Tx what the peer reports of what we sent. */
export type CallReport = {
  /** The session. */
  callId: string;
  /** The account's own number. */
  extension: string;
  /** `local`, `public` or `turn`; empty without ICE. */
  iceResult: string;
  /** The codec. */
  lksAudioCodec: string;
  /** Packets received. */
  lksAudioRx: string;
  /** Their mean jitter. */
  lksAudioRxAvgjitter: string;
  /** Share of them that was lost. */
  lksAudioRxLost: string;
  /** Their greatest jitter. */
  lksAudioRxMaxjitter: string;
  /** Packets sent. */
  lksAudioTx: string;
  /** Their mean jitter. */
  lksAudioTxAvgjitter: string;
  /** Share of them that was lost. */
  lksAudioTxLost: string;
  /** Their greatest jitter. */
  lksAudioTxMaxjitter: string;
  /** The answer, `YYYY-MM-DD hh:mm:ss` in UTC. */
  lksDate: string;
  /** `phoned` */
  lksDeviceType: string;
  /** Seconds of sound that were played. */
  lksDuration: string;
  /** `ethernet`, `wifi` or `unknown`. */
  lksNetworkType: string;
  /** The answer, ms since 1970. */
  lksTimestamp: string;
  /** The same for video. */
  lksVideoCodec: string;
  /** Packets received. */
  lksVideoRx: string;
  /** Their mean jitter. */
  lksVideoRxAvgjitter: string;
  /** Share of them that was lost. */
  lksVideoRxLost: string;
  /** Their greatest jitter. */
  lksVideoRxMaxjitter: string;
  /** Packets sent. */
  lksVideoTx: string;
  /** Their mean jitter. */
  lksVideoTxAvgjitter: string;
  /** Share of them that was lost. */
  lksVideoTxLost: string;
  /** Their greatest jitter. */
  lksVideoTxMaxjitter: string;
};

/** How far a call is. */
export type CallState = "ringing" | "calling" | "talking" | "connecting";

/** A session's state as users see it. */
export type CallStatus = {
  /** The account. */
  account: string;
  /** A picture's URL. */
  avatar: string;
  /** The session. */
  callId: string;
  /** When it was answered, ms since 1970; 0 before. */
  callStartTime: number;
  /** How far the call is. */
  callStatus: CallState;
  /** The number that was dialled. */
  calledNumber: string;
  /** Who called whom. */
  communicationType: CommunicationType;
  /** The company. */
  company: string;
  /** Who the call was diverted from. */
  diversion?: string;
  /** Headers of the INVITE that are on the allow-list. */
  headers: Record<string, string>;
  /** It is in a local conference. */
  isConference: boolean;
  /** We hold the other party. */
  isHold: boolean;
  /** Our microphone is off. */
  isMute: boolean;
  /** The other party holds us. */
  isRemoteHold: boolean;
  /** It rings here. */
  isRing: boolean;
  /** It is a consultation. */
  isTransfer: boolean;
  /** Video is negotiated. */
  isVideo: boolean;
  /** The other party's name. */
  name: string;
  /** The other party's number. */
  number: string;
  /** What the recorder does. */
  recordStatus: RecordStatus;
  /** Free words of the user's. */
  tags: string[];
  /** The session it consults about. */
  transferParent?: TransferParent;
};

/** The INVITE is on the wire. */
export type Called = {
  /** The session. */
  callId: string;
  /** 200 */
  code: 200;
  /** `SUCCESS` */
  msg: "SUCCESS";
  /** What it is like now. */
  session: Session;
};

/** Why something is over or failed. */
export type Cause = "Busy" | "Rejected" | "Redirected" | "Not Found" | "Unavailable" | "Address Incomplete" | "Incompatible SDP" | "Authentication Error" | "SIP Failure Code" | "Canceled" | "No Answer" | "Expires" | "No ACK" | "Terminated" | "RTP Timeout" | "Request Timeout" | "Connection Error" | "Missing SDP" | "Bad Media Description" | "User Denied Media Access" | "Dialog Error" | "WebRTC Error" | "Internal Error";

/** What is kept of a session when it is over. */
export type Cdr = {
  /** Its account. */
  account: string;
  /** When it was answered. */
  answerTime: string | null;
  /** Who ended it: `local`, `remote`, `system`. */
  by: string;
  /** The session. */
  callId: string;
  /** The number that was dialled. */
  calledNumber: string;
  /** Why it ended. */
  cause: string;
  /** The SIP status that ended it, where one did. */
  code: number | null;
  /** Who called whom. */
  direction: CommunicationType;
  /** When it ended. */
  endTime: string;
  /** On hold, s. */
  holdSec: number;
  /** How it sounded (ITU-T G.107), where it was measured. */
  mos: number | null;
  /** The other party's name. */
  name: string;
  /** The other party's number. */
  number: string;
  /** The file that it was recorded to. */
  recording?: string;
  /** Ringing, s. */
  ringSec: number;
  /** When it began. */
  startTime: string;
  /** The user's words. */
  tags: string[];
  /** Since the answer, s. */
  talkSec: number;
  /** Who it was transferred to. */
  transferredTo?: string;
};

/** Which call detail records: those that fit every part. */
export type CdrFilter = {
  /** Of this account. */
  account?: string | null;
  /** With this cause. */
  cause?: string | null;
  /** inbound or outbound. */
  direction?: CommunicationType | null;
  /** Begun at or after this time (RFC 3339, UTC). */
  from?: string | null;
  /** Inbound and never answered; false: all others. */
  missed?: boolean | null;
  /** With this number, or to it. */
  number?: string | null;
  /** Begun at or before this time. */
  to?: string | null;
};

/** Which end comes first. */
export type CdrOrder = "asc" | "desc";

/** By what call detail records are sorted. */
export type CdrSort = "time" | "id";

/** A page of call detail records. */
export type Cdrs = {
  /** The records of this page. */
  cdrs: KeptCdr[];
  /** Which page this is, from 1. */
  page: number;
  /** Records on a page. */
  size: number;
  /** How many fit the filter. */
  total: number;
};

/** One thing that was looked at. */
export type Check = {
  /** `microphone`, `loudspeaker`, `registration:ACCOUNT`, `loop`, `pace` or `clock`. */
  check: string;
  /** What may help; empty where nothing has to. */
  hint: string;
  /** It is as it should be. */
  ok: boolean;
  /** What was found, in plain words and figures. */
  text: string;
};

/** Who called whom. */
export type CommunicationType = "outbound" | "inbound";

/** One thing that is wrong in the configuration. */
export type ConfigFault = {
  /** The key's path; may be empty. */
  key: string;
  /** `FILE:LINE:COLUMN`, a file, or an environment variable. */
  place: string;
  /** What would be right; may be empty. */
  right: string;
  /** What is wrong. */
  wrong: string;
};

/** What is under way inside the phone: some half a minute after its last call it is what it was before the first. */
export type Counts = {
  /** SIP dialogs. */
  dialogs: number;
  /** Sockets and streams. */
  flows: number;
  /** Answers whose session is over, still owed their ACK. */
  orphans: number;
  /** Questions to the resolver. */
  queries: number;
  /** Recordings that are not closed. */
  recordings: number;
  /** Requests of ours that wait for their end. */
  requests: number;
  /** Sessions. */
  sessions: number;
  /** Timers. */
  timers: number;
  /** SIP transactions. */
  transactions: number;
  /** Clients that wait for an answer. */
  waiting: number;
};

/** An event that a server did not take. */
export type DeadLetter = {
  /** Its session. */
  callId: string | null;
  /** The life of the event log that seq belongs to. */
  epoch: string;
  /** Its name. */
  event: string;
  /** Why it was left. */
  reason: string;
  /** Its seq. */
  seq: number;
  /** When it happened (RFC 3339, UTC). */
  time: string;
};

/** A sound device, and how loud it is. */
export type Device = {
  /** The sound server's default for recording. */
  defaultInput: boolean;
  /** The sound server's default for playing. */
  defaultOutput: boolean;
  /** The USB device that it is part of, as `/sys` has it: the microphone, the loudspeaker and the buttons of a headset share it. Null: it is none, or it is not known. */
  hardware: string | null;
  /** What `device.setRole` and the configuration call it (`pulse:NAME`, `alsa:NAME`, `null`). */
  id: string;
  /** It can record. */
  input: boolean;
  /** What the microphone gives, with its volume; null: it is not open. */
  inputLevel: DeviceLevel | null;
  /** Its microphone's volume, percent (`device.setVolume`); null: it has none. */
  inputVolume: number | null;
  /** A name for people. */
  name: string;
  /** It can play. */
  output: boolean;
  /** What the loudspeaker plays of the phone's, with its volume; null: it is not open. */
  outputLevel: DeviceLevel | null;
  /** Its loudspeaker's volume, percent. */
  outputVolume: number | null;
  /** It is in use, and the sound server has put it to sleep: silence until it wakes it. */
  suspended: boolean;
};

/** The outcome of a test of devices. */
export type DeviceFinding = "ok" | "loopHeard" | "silentMicrophone" | "nothingRecorded" | "nothingPlayed";

/** A sound device of the host, or one of the built-in ones. */
export type DeviceInfo = {
  /** The sound server's default for recording. */
  defaultInput: boolean;
  /** The sound server's default for playing. */
  defaultOutput: boolean;
  /** The USB device that it is part of, as `/sys` has it: the microphone, the loudspeaker and the buttons of a headset share it. Null: it is none, or it is not known. */
  hardware: string | null;
  /** What `device.setRole` and the configuration call it (`pulse:NAME`, `alsa:NAME`, `null`). */
  id: string;
  /** It can record. */
  input: boolean;
  /** A name for people. */
  name: string;
  /** It can play. */
  output: boolean;
  /** It is in use, and the sound server has put it to sleep: silence until it wakes it. */
  suspended: boolean;
};

/** A level over the last 200 ms, in dBov: 0 is the loudest there can be, -127 silence. */
export type DeviceLevel = {
  /** The greatest sample. */
  peakDbov: number;
  /** The effective value. */
  rmsDbov: number;
};

/** What a device is used for. */
export type DeviceRole = "input" | "output" | "ringer";

/** Which device does what. */
export type DeviceRoles = {
  /** The microphone. */
  input: string;
  /** The loudspeaker. */
  output: string;
  /** Where incoming calls ring. */
  ringer: string;
};

/** What a test of devices found. */
export type DeviceTested = {
  /** So much later than it was played the sound came back through the microphone, ms; null: it did not. */
  delayMs: number | null;
  /** What that means. */
  finding: DeviceFinding;
  /** The microphone gave more than silence. */
  heard: boolean;
  /** The microphone that was tried; null: none. */
  input: string | null;
  /** What it gave, dBov (-127: silence); null: nothing was recorded. */
  levelDbov: number | null;
  /** The same in plain words. */
  message: string;
  /** The loudspeaker that was tried; null: none. */
  output: string | null;
  /** The loudspeaker was open, and the sound was given to it. */
  played: boolean;
};

/** The devices of a call from a time on. */
export type DeviceUse = {
  /** The microphone. */
  input: string;
  /** The loudspeaker. */
  output: string;
  /** From when on. */
  time: string;
};

/** The sound devices, and what they are used for. */
export type Devices = {
  /** The devices of the host. */
  devices: Device[];
  /** The default of all accounts. */
  roles: DeviceRoles;
};

/** What is wrong with a session. */
export type Diagnosis = {
  /** The session. */
  callId: string;
  /** What was found, the worst first; empty: nothing is wrong as far as is known. */
  findings: Finding[];
};

/** A drain that has begun. */
export type Draining = {
  /** How many sessions it waits for. */
  sessions: number;
  /** How long, s. */
  timeout: number;
};

/** How a digit travels. */
export type DtmfMethod = "auto" | "rtp" | "info" | "inband";

/** Whether the media of an account's calls is encrypted. */
export type Encryption = "off" | "prefer" | "require";

/** An event as it is told: the `result` of a notification, and what the log gives back. */
export type Event = {
  /** The account that it is about. */
  account?: string;
  /** The session that it is about. */
  callId?: string;
  /** As the event's name says. */
  data: Record<string, unknown>;
  /** The life of the event log. */
  epoch: string;
  /** Its name. */
  event: string;
  /** The seq of the notification before it in this subscription; not in `events.replay`. */
  prev?: number;
  /** Rises by one per event; that of a sample is the one of the event before it. */
  seq: number;
  /** When it happened: RFC 3339, UTC, ms. */
  time: string;
};

/** One thing that was found. */
export type Finding = {
  /** The figures that the text speaks of, and what they belong to. */
  facts: Record<string, unknown>;
  /** What may help. */
  hint: string;
  /** Its name, always the same. */
  rule: string;
  /** How bad it is. */
  severity: Severity;
  /** What is so, in plain words and figures. */
  text: string;
};

/** The bridge to a broker of many hosts, and how far it is. Without `[fleet] urls` all but the state is null. */
export type Fleet = {
  /** Events of the log that it has not acknowledged. */
  behind: number | null;
  /** Of these, since the daemon began, those that it had already. */
  duplicates: number | null;
  /** Failures in a row: to connect, or to have an event acknowledged. */
  failures: number | null;
  /** What this host is called in subjects. */
  host: string | null;
  /** Why the last one failed. */
  lastError: string | null;
  /** Events that the log had no more, or that were too large for the broker. */
  lost: number | null;
  /** The next event of the log that the broker has to acknowledge. */
  nextSeq: number | null;
  /** What its subjects begin with: `PREFIX.HOST.events.EVENT`, `PREFIX.HOST.rpc`. */
  prefix: string | null;
  /** Events that it took. */
  published: number | null;
  /** Requests that came over the broker since the daemon began. */
  requests: number | null;
  /** What requests over the broker may do. */
  rpc: FleetRole | null;
  /** The server that it is connected to. */
  server: string | null;
  /** How it goes. */
  state: FleetState;
  /** The stream that keeps its events. */
  stream: string | null;
};

/** What requests over the broker may do; each role may do all of the ones before it. */
export type FleetRole = "off" | "observe" | "call" | "admin";

/** How the bridge goes. */
export type FleetState = "off" | "connected" | "down";

/** Whether the daemon can do its work. */
export type Health = {
  /** Every account. */
  accounts: Account[];
  /** The bridge to a broker, where there is one. */
  fleet?: Fleet;
  /** Every account that shall be registered is. */
  ok: boolean;
};

/** The kinds of the two addresses of a path: `host`, `srflx`, `prflx` or `relay`. */
export type IcePair = {
  /** Ours. */
  local: string;
  /** The peer's. */
  remote: string;
};

/** The daemon itself. */
export type Info = {
  /** The life of the event log: a seq means something only together with it. */
  epoch: string;
  /** `phoned` */
  name: string;
  /** Its process. */
  pid: number;
  /** Since its start. */
  uptimeMs: number;
  /** Its version. */
  version: string;
};

/** A call detail record that is kept. */
export type KeptCdr = {
  /** Its account. */
  account: string;
  /** When it was answered. */
  answerTime: string | null;
  /** Who ended it: `local`, `remote`, `system`. */
  by: string;
  /** The session. */
  callId: string;
  /** The number that was dialled. */
  calledNumber: string;
  /** Why it ended. */
  cause: string;
  /** The SIP status that ended it, where one did. */
  code: number | null;
  /** Who called whom. */
  direction: CommunicationType;
  /** When it ended. */
  endTime: string;
  /** On hold, s. */
  holdSec: number;
  /** The seq of its `cdrChange`. */
  id: number;
  /** How it sounded (ITU-T G.107), where it was measured. */
  mos: number | null;
  /** The other party's name. */
  name: string;
  /** The other party's number. */
  number: string;
  /** The file that it was recorded to. */
  recording?: string;
  /** Ringing, s. */
  ringSec: number;
  /** When it began. */
  startTime: string;
  /** The user's words. */
  tags: string[];
  /** Since the answer, s. */
  talkSec: number;
  /** Who it was transferred to. */
  transferredTo?: string;
};

/** How look-ups went since the daemon began. */
export type Lookups = {
  /** Questions. */
  asked: number;
  /** No answer in time, or none that can be read. */
  failed: number;
  /** Answers with somebody in it. */
  found: number;
};

/** Something that happened in a recording. */
export type Marker = {
  /** Where. */
  atMs: number;
  /** What. */
  kind: MarkerKind;
  /** A gap's length. */
  lengthMs?: number;
};

/** What can happen in a recording. */
export type MarkerKind = "pause" | "resume" | "gap";

/** By what an account's media travels. */
export type MediaKind = "rtp" | "webrtc" | "auto";

/** What a session's media does. */
export type MediaState = "stalled" | "flowing" | "unheard" | "parked" | "failed" | "moved";

/** Seen from here. */
export type MessageDirection = "in" | "out";

/** How a call sounds, in numbers. */
export type Metrics = {
  /** Share of the sound that had to be made up, percent. */
  concealedPct: number;
  /** Delay in the jitter buffer. */
  jitterBufferMs: number;
  /** Jitter now. */
  jitterMs: number;
  /** Packets lost on their way to us, percent. */
  lossPct: number;
  /** Mean opinion score, 1 to 4.5 (ITU-T G.107); null until there is something to rate. */
  mos: number | null;
  /** We send and nothing comes in, though it should. */
  oneWay: boolean;
  /** The transmission rating behind it, 0 to 100. */
  rFactor: number | null;
  /** Round trip; null before the first report of the peer. */
  rttMs: number | null;
  /** Level of what came in over the last second, dBov. */
  rxLevelDbov: number | null;
  /** Level of what went out over the last second, dBov. */
  txLevelDbov: number | null;
};

/** How much of steady noise is left. */
export type NoiseSuppression = "off" | "low" | "moderate" | "high";

/** The phone as a whole. */
export type Phone = {
  /** How many accounts there are. */
  accounts: number;
  /** The agent of each seat. */
  agents: Agent[];
  /** What is under way inside. */
  counts: Counts;
  /** The callId of the current one. */
  currentSession: string | null;
  /** An account is registered. */
  isRegistered: boolean;
  /** How look-ups of callers went since the daemon began. */
  lookups: Lookups;
  /** What users may do about recording: 0 nothing, 1 pause and resume, 2 also start and stop. */
  recordPermissions: number;
  /** The seq of the last event. */
  seq: number;
  /** The callIds of the sessions. */
  sessions: string[];
};

/** Why a file is heard no longer. */
export type PlayEnd = "end" | "stopped" | "replaced" | "callEnded";

/** Who hears an announcement. */
export type PlayTo = "remote" | "local" | "both";

/** Whether all is there for the shift. */
export type Preflight = {
  /** What was looked at. */
  checks: Check[];
  /** Every check is. */
  ok: boolean;
};

/** The SIP dialog of a session and its media, as data. */
export type RTCSession = {
  /** The codec's name. */
  codec: string | null;
  /** `sendrecv`, `sendonly`, `recvonly` or `inactive`, seen from here. */
  direction: string | null;
  /** `connecting`, `connected` or `failed`; null without DTLS. */
  dtls: string | null;
  /** The pair that ICE chose; null without one. */
  ice: IcePair | null;
  /** SIP's Call-ID. */
  id: string;
  /** Where we receive RTP. */
  localRtp: string | null;
  /** Our tag. */
  localTag: string;
  /** Who we are in the dialog. */
  localUri: string | null;
  /** Where we send RTP. */
  remoteRtp: string | null;
  /** The peer's tag. */
  remoteTag: string | null;
  /** The peer's Contact. */
  remoteTarget: string | null;
  /** Who the peer is. */
  remoteUri: string | null;
  /** The suite that protects the audio; null in clear, and before a handshake is done. */
  srtp: string | null;
  /** `none`, `early` or `confirmed`. */
  state: string;
  /** `udp`, `tcp`, `tls`, `ws` or `wss`. */
  transport: string | null;
};

/** What the recorder does. */
export type RecordStatus = "stop" | "recording" | "pause";

/** Where a call is recorded. */
export type RecordTarget = "local" | "pbx" | "both";

/** A recording's file. */
export type RecordedFile = {
  /** Its length, pauses and gaps too. */
  durationMs: number;
  /** Where it is. */
  path: string;
  /** Its hash, in hexadecimal. */
  sha256: string;
};

/** A recording. */
export type Recording = {
  /** Its account. */
  account: string;
  /** The session. */
  callId: string;
  /** The number that was dialled. */
  calledNumber: string;
  /** What is on the left and on the right. */
  channels: string[];
  /** `inbound` or `outbound`. */
  direction: string;
  /** Its length, pauses and gaps too; null while it is open. */
  durationMs: number | null;
  /** When it ended; after a crash, when it was found. */
  endedAt: string | null;
  /** `wav` or `ogg`. */
  format: string;
  /** Its path below `[record] dir`. */
  id: string;
  /** Pauses and gaps. */
  markers: Marker[];
  /** The other party's name. */
  name: string;
  /** The other party's number. */
  number: string;
  /** Its path. */
  path: string;
  /** Frames a second. */
  rate: number;
  /** Why it failed. */
  reason?: string;
  /** Of the whole file, in hexadecimal; null while it is open. */
  sha256: string | null;
  /** Bytes. */
  size: number;
  /** When it began. */
  startedAt: string;
  /** How far it is. */
  state: RecordingState;
};

/** How far a recording is. */
export type RecordingState = "open" | "closed" | "failed" | "recovered";

/** A page of recordings. */
export type Recordings = {
  /** Which page this is, from 0. */
  page: number;
  /** Newest first. */
  recordings: Recording[];
  /** Recordings on a page. */
  size: number;
  /** How many there are. */
  total: number;
};

/** How a registration stands. */
export type Registration = {
  /** Seconds until the registrar forgets it. */
  expiresIn: number | null;
  /** Failures in a row. */
  failures: number;
  /** Until the next try. */
  retryInMs: number | null;
  /** How far it is. */
  state: RegistrationState;
};

/** How far a registration is. */
export type RegistrationState = "off" | "connecting" | "registering" | "registered" | "waiting" | "unregistering";

/** Why a peer asks again. */
export type ReinviteReason = "hold" | "unhold" | "media" | "refresh" | "transfer";

/** What a reload has changed: keys of the configuration, never values. An account that is new or gone is one key. */
export type Reloaded = {
  /** They hold from now on: for live calls where they can, else for the next. */
  changed: string[];
  /** They differ from what the daemon runs with, and wait for its next start. */
  needsRestart: string[];
};

/** Events out of the log. */
export type Replayed = {
  /** The life of the event log. */
  epoch: string;
  /** In their order, without a gap. */
  events: Event[];
  /** Where to go on; null: no more. */
  nextSeq: number | null;
};

/** An event of a call, shortened. */
export type ReportEvent = {
  /** As the event's name says, without the snapshots of the session. */
  data: Record<string, unknown>;
  /** Its name. */
  event: string;
  /** Its seq. */
  seq: number;
  /** When. */
  time: string;
};

/** How a call sounded at one time. */
export type ReportSample = {
  /** The codec. */
  codec: string;
  /** The figures of that `callReport`. */
  metrics: Metrics;
  /** When. */
  time: string;
};

/** A password: it never shows itself. */
export type Secret = string;

/** A session as it was at `seq`. */
export type Session = {
  /** The SIP dialog and its media. */
  RTCSession: RTCSession;
  /** Its name, never used twice. */
  callId: string;
  /** How it sounds, in the words of the web phones; null before the answer. */
  callReport: CallReport | null;
  /** The sessions that ring now in the same seat. */
  incomingList: string[];
  /** Our video, whose track alone is listed; null: none. */
  localStream: Stream | null;
  /** How it sounds, in numbers; null before the answer. */
  metrics: Metrics | null;
  /** What comes from the peer, sound and video; null before its first packet. */
  remoteStream: Stream | null;
  /** The seq of the last event that this state knows of. */
  seq: number;
  /** Its state. */
  status: CallStatus;
  /** Its durations. */
  timer: Timer;
};

/** How bad it is. */
export type Severity = "error" | "warning" | "info";

/** Which end of a call. */
export type Side = "local" | "remote";

/** A SIP message of a call. */
export type SipMessage = {
  /** `in` or `out`. */
  direction: MessageDirection;
  /** Our address. */
  local: string;
  /** The message, with asterisks for credentials, keys, passwords and digits. */
  message: string;
  /** The other one. */
  remote: string;
  /** When it came or went. */
  time: string;
  /** `udp`, `tcp`, `tls`, `ws` or `wss`. */
  transport: string;
};

/** All there is, at one seq. */
export type Snapshot = {
  /** Every account. */
  accounts: Account[];
  /** The agent of each seat. */
  agents: Agent[];
  /** Every sound device. */
  devices: DeviceInfo[];
  /** Every session. */
  sessions: Session[];
};

/** The part of the status that setStaticStatus sets. */
export type StaticCallStatus = {
  /** A picture's URL. */
  avatar: string;
  /** The company. */
  company: string;
  /** The other party's name. */
  name: string;
};

/** The part of the status that look-ups may set too. */
export type StaticPatch = {
  /** A picture's URL. */
  avatar?: string | null;
  /** The company. */
  company?: string | null;
  /** The other party's name. */
  name?: string | null;
};

/** The part of the status that a user may set. */
export type StatusPatch = {
  /** A picture's URL. */
  avatar?: string | null;
  /** The company. */
  company?: string | null;
  /** The other party's name. */
  name?: string | null;
  /** Free words of the user's. */
  tags?: string[] | null;
};

/** A stream of a session. */
export type Stream = {
  /** Its id. */
  id: string;
  /** Its tracks. */
  tracks: Track[];
};

/** Done. */
export type Success = {
  /** 200 */
  code: 200;
  /** `SUCCESS` */
  msg: "SUCCESS";
};

/** How `session.terminate` ends a session. */
export type TerminateType = "hangup" | "reject" | "terminate";

/** Durations, whole seconds. */
export type Timer = {
  /** Since the answer. */
  callDuration: number;
  /** Outbound, INVITE to answer. */
  callingDuration: number;
  /** Total on hold. */
  holdDuration: number;
  /** Ringing, either direction. */
  ringDuration: number;
};

/** The SIP of a call: `session.trace`. */
export type Trace = {
  /** Which call. */
  callId: string;
  /** So many are missing behind the 16th, since there were too many. */
  leftOut: number;
  /** It is not over yet. */
  live: boolean;
  /** Its messages in their order. */
  messages: SipMessage[];
};

/** A track of a stream. */
export type Track = {
  /** The codec's name. */
  codec: string;
  /** `sendrecv`, `sendonly`, `recvonly`, `inactive`. */
  direction: string;
  /** `audio` or `video`. */
  kind: string;
  /** It carries silence. */
  muted: boolean;
  /** RTP's SSRC. */
  ssrc: number;
};

/** When a blind transfer hangs up. */
export type TransferHangup = "onSuccess" | "immediately";

/** The session that a consultation belongs to. */
export type TransferParent = {
  /** Its picture. */
  avatar: string;
  /** Seconds since its answer. */
  callDuration: number;
  /** The session. */
  callId: string;
  /** Seconds on hold. */
  holdDuration: number;
  /** Its name. */
  name: string;
  /** Its number. */
  number: string;
};

/** Why a call did not ring. */
export type Unseen = "notReady" | "wrapUp" | "dnd" | "leaving" | "maxCalls" | "callWaiting" | "media" | "draining";

/** Whether a recording is what its hash says. */
export type Verified = {
  /** The hash when it was closed. */
  expected: string;
  /** Which recording. */
  id: string;
  /** The hash of the file now. */
  sha256: string;
  /** It is. */
  valid: boolean;
};

/** A webhook, and how far it is. */
export type Webhook = {
  /** This account's only. */
  account: string | null;
  /** Events of the log that it has not looked at. */
  behind: number;
  /** Events that were left. */
  dead: number;
  /** The last 100 of them: `events.replay` reads them by their seq. */
  deadLetters: DeadLetter[];
  /** Events that the server took. */
  delivered: number;
  /** The events that it is told. */
  events: string[];
  /** Tries in a row that failed. */
  failures: number;
  /** Why the last one failed. */
  lastError: string | null;
  /** Events that were thrown out of the log before it came to them. */
  lost: number;
  /** Its name: `[webhooks.NAME]`. */
  name: string;
  /** The next event of the log that it looks at. */
  nextSeq: number;
  /** Until the next try. */
  retryInMs: number | null;
  /** How it goes. */
  state: WebhookState;
  /** Where it sends, without the query. */
  url: string;
};

/** What became of dead letters that were sent once more. */
export type WebhookRetried = {
  /** So many the server took. */
  delivered: number;
  /** What went wrong with the last one that failed. */
  error: string | null;
  /** So many it did not. */
  failed: number;
  /** Dead letters that are still named. */
  left: number;
};

/** How a webhook goes. */
export type WebhookState = "ok" | "failing" | "disabled";

/** How a test went. */
export type WebhookTested = {
  /** The server took it. */
  delivered: boolean;
  /** How long it took. */
  durationMs: number;
  /** What went wrong. */
  error: string | null;
  /** What it said. */
  status: number | null;
};

/** Every method: what it takes, by name, and what it returns. */
export interface Methods {
  /** Adds an account until the daemon stops. */
  "account.add": {
    params: {
      /** Its name. */
      name: string;
      /** Everything else, by the names of the configuration file. */
      account: AccountSettings;
    };
    result: Account;
  };
  /** One account and how it is registered. */
  "account.get": {
    params: {
      /** Its name. */
      name: string;
    };
    result: Account;
  };
  /** Every account and how it is registered. */
  "account.list": {
    params: Record<string, never>;
    result: Account[];
  };
  /** Registers an account; true once the registrar has it. */
  "account.register": {
    params: {
      /** Its name. */
      name: string;
    };
    result: true;
  };
  /** Removes an account. */
  "account.remove": {
    params: {
      /** Its name. */
      name: string;
    };
    result: true;
  };
  /** Unregisters an account; true once that is done. */
  "account.unregister": {
    params: {
      /** Its name. */
      name: string;
    };
    result: true;
  };
  /** Changes an account. */
  "account.update": {
    params: {
      /** Its name. */
      name: string;
      /** Everything else, by the names of the configuration file. */
      account: AccountSettings;
    };
    result: Account;
  };
  /** Whether the agent of a seat takes calls. */
  "agent.get": {
    params: {
      /** The seat: its name, else its input device, else its account. */
      seat?: string | null;
      /** One of its accounts. */
      account?: string | null;
    };
    result: Agent;
  };
  /** Says whether the agent of a seat takes calls. */
  "agent.set": {
    params: {
      /** The state. */
      state?: AgentState | null;
      /** Why not ready, in the agent's words. */
      reason?: string | null;
      /** Not to be disturbed, whatever the state. */
      dnd?: boolean | null;
      /** How long to wrap up, s; left out: as `[phone] wrap_up` says. */
      seconds?: number | null;
      /** Where callers are sent meanwhile (302): a number, a `sip:` or a `tel:` URI; empty: nowhere. */
      forward?: string | null;
      /** The seat: its name, else its input device, else its account. */
      seat?: string | null;
      /** One of its accounts. */
      account?: string | null;
    };
    result: Agent;
  };
  /** Closes such a socket. */
  "audio.close": {
    params: {
      /** Which session. */
      callId: string;
      /** Which socket (`audio.open`). */
      audioId: string;
    };
    result: true;
  };
  /** Opens a socket for a program that listens to a call, or speaks into it. */
  "audio.open": {
    params: {
      /** Which session. */
      callId: string;
      /** Its points, each once. */
      ports: AudioPort[];
      /** What it does. */
      mode: AudioMode;
      /** How samples look (default: `s16le-16000`). */
      format?: AudioFormat;
    };
    result: AudioSocket;
  };
  /** Plays a file into a call, beside whoever speaks; true once it begins. */
  "audio.play": {
    params: {
      /** Which session. */
      callId: string;
      /** A WAV or Ogg/Opus file below a directory of `[audio] play_dirs`; relative, or whole. */
      file: string;
      /** Who hears it. */
      to: PlayTo;
      /** Again and again, until it is stopped. */
      loop?: boolean;
    };
    result: true;
  };
  /** Ends what audio.play plays. */
  "audio.stop": {
    params: {
      /** Which session. */
      callId: string;
    };
    result: true;
  };
  /** Call detail records. */
  "cdr.query": {
    params: {
      /** Which page, from 1 (default: 1). */
      page?: number;
      /** Records on a page, 1 to 200 (default: 50). */
      size?: number;
      /** By what they are sorted (default: time). */
      sortBy?: CdrSort;
      /** Which end comes first (default: desc). */
      orderBy?: CdrOrder;
      /** Which records (default: all). */
      filter?: CdrFilter;
    };
    result: Cdrs;
  };
  /** No new calls from now on; the daemon stops when the last one is over, or ends those that are left after the timeout. */
  "daemon.drain": {
    params: {
      /** Calls that are still up after this are ended, s; left out: `[phone] drain_timeout`. */
      timeout?: number | null;
    };
    result: Draining;
  };
  /** Whether every account that shall be registered is. */
  "daemon.health": {
    params: Record<string, never>;
    result: Health;
  };
  /** Which daemon this is, and since when. */
  "daemon.info": {
    params: Record<string, never>;
    result: Info;
  };
  /** Reads the configuration anew; with a fault in it nothing changes. No call is touched. */
  "daemon.reload": {
    params: Record<string, never>;
    result: Reloaded;
  };
  /** Ends every call, unregisters, stops. */
  "daemon.shutdown": {
    params: Record<string, never>;
    result: true;
  };
  /** One sound device. */
  "device.get": {
    params: {
      /** Its id (`device.list`). */
      id: string;
    };
    result: Device;
  };
  /** The sound devices of the host. */
  "device.list": {
    params: Record<string, never>;
    result: Devices;
  };
  /** Says what a device is used for. */
  "device.setRole": {
    params: {
      /** The device's id. */
      id: string;
      /** The role. */
      role: DeviceRole;
      /** For one account only; left out: the default of all. */
      account?: string | null;
      /** For one session only, which keeps it whatever its account is given later. */
      callId?: string | null;
    };
    result: true;
  };
  /** Turns a device up or down, in the phone's own path, until the daemon stops. */
  "device.setVolume": {
    params: {
      /** The device's id. */
      id: string;
      /** Percent, 0 to 150. */
      volume: number;
      /** `input` or `output`; left out: whatever the device can do. */
      role?: DeviceRole | null;
    };
    result: true;
  };
  /** Plays a sound on a loudspeaker and listens to a microphone; returns when it is done. */
  "device.test": {
    params: {
      /** A device, both ways where it can. */
      id?: string | null;
      /** A microphone. */
      input?: string | null;
      /** A loudspeaker. */
      output?: string | null;
      /** How long, s (default: 2). */
      seconds?: number | null;
      /** Also while a call uses it: the call goes on, and hears the test. */
      force?: boolean;
    };
    result: DeviceTested;
  };
  /** Events out of the log; ask again from nextSeq until it is null. */
  "events.replay": {
    params: {
      /** The first seq. */
      fromSeq: number;
      /** The last seq; left out: the newest. */
      toSeq?: number | null;
      /** Events in the answer, 1 to 10000 (default: 1000); it may hold fewer. */
      limit?: number | null;
      /** The epoch that the seqs belong to; where it is over: -226. */
      epoch?: string | null;
    };
    result: Replayed;
  };
  /** Subscribes to events, with no gap after the snapshot, or after what the log has from fromSeq on. */
  "events.subscribe": {
    params: {
      /** Event names, `device.*` for a family of them, `*` for all; left out: all. */
      topics?: string[] | null;
      /** Only this session's events; it must exist. */
      callId?: string | null;
      /** Only this account's events. */
      account?: string | null;
      /** The first event that is wanted: those of the log come first, then the live ones. */
      fromSeq?: number | null;
      /** The answer carries a snapshot of accounts, sessions and devices (default: no). */
      snapshot?: boolean | null;
      /** The epoch that fromSeq belongs to; where it is over: -226. */
      epoch?: string | null;
    };
    result: Begin;
  };
  /** Ends a subscription of this connection. */
  "events.unsubscribe": {
    params: {
      /** The subscription's id. */
      subscription: number;
    };
    result: true;
  };
  /** The bridge to a broker of many hosts: whether it is there, and how far it is told. */
  "fleet.status": {
    params: Record<string, never>;
    result: Fleet;
  };
  /** Answers a ringing session; the seat's talking one is held first. */
  "phone.answer": {
    params: {
      /** Which session. */
      callId: string;
      /** Options. */
      option?: CallOption | null;
    };
    result: Success;
  };
  /** Joins the far ends of a consultation and its parent; true once the first has agreed. */
  "phone.attendedTransfer": {
    params: {
      /** Either leg. */
      callId: string;
      /** The other leg's number, where there are several. */
      number?: string | null;
    };
    result: true;
  };
  /** Adds our video by a re-INVITE, and the peer's where there is a sink; without a source of video, or where the audio is not WebRTC, -291, and the session stays audio. */
  "phone.audioToVideo": {
    params: {
      /** Which session. */
      callId: string;
    };
    result: true;
  };
  /** Sends the far end to a number; true once it has agreed, events tell the outcome. */
  "phone.blindTransfer": {
    params: {
      /** Which session. */
      callId: string;
      /** A number, a `sip:` or a `tel:` URI. */
      number: string;
      /** When to hang up. */
      hangup?: TransferHangup;
    };
    result: true;
  };
  /** Calls; returns once the INVITE is on the wire. */
  "phone.call": {
    params: {
      /** A number (dialled at the account's domain), a `sip:` or a `tel:` URI. */
      number: string;
      /** Options. */
      option?: CallOption | null;
      /** The session that a consultation belongs to. */
      transferId?: string | null;
      /** The account to call from; may be left out when there is one, or a default. */
      account?: string | null;
    };
    result: Called;
  };
  /** Ends every session and unregisters every account; with a callId as session.destroy. */
  "phone.destroy": {
    params: {
      /** Which session; left out: every one, and every registration. */
      callId?: string | null;
    };
    result: true;
  };
  /** What is wrong with a session, in words: one that lives, or one of the last hundred. */
  "phone.diagnose": {
    params: {
      /** Which session. */
      callId: string;
    };
    result: Diagnosis;
  };
  /** Unregisters every account. */
  "phone.disconnect": {
    params: Record<string, never>;
    result: true;
  };
  /** Queues digits. */
  "phone.dtmf": {
    params: {
      /** Which session. */
      callId: string;
      /** `0-9*#A-D`, and `,` for a pause of 2 s. */
      dtmf: string;
      /** How they travel. */
      method?: DtmfMethod;
      /** Keep the digits out of events: `x` stands for each. Logs, records and recordings never have them. */
      redact?: boolean;
    };
    result: true;
  };
  /** The phone: its settings and counts. */
  "phone.get": {
    params: Record<string, never>;
    result: Phone;
  };
  /** The current session. */
  "phone.getCurrentSession": {
    params: Record<string, never>;
    result: Session | null;
  };
  /** One session, or all as an array. */
  "phone.getSession": {
    params: {
      /** Which session; left out: all, as an array. */
      callId?: string | null;
    };
    result: Session | Session[];
  };
  /** Ends the session: BYE, CANCEL or 486, whichever fits. */
  "phone.hangup": {
    params: {
      /** Which session. */
      callId: string;
    };
    result: true;
  };
  /** Holds; true at the peer's final answer. */
  "phone.hold": {
    params: {
      /** Which session. */
      callId: string;
    };
    result: true;
  };
  /** Puts sessions of a seat into one conference; true when all are resumed. */
  "phone.merge": {
    params: {
      /** Two or more sessions of one seat. */
      callIds: string[];
    };
    result: true;
  };
  /** Silence in place of the microphone. */
  "phone.mute": {
    params: {
      /** Which session. */
      callId: string;
    };
    result: true;
  };
  /** Ends a subscription of this connection. */
  "phone.off": {
    params: {
      /** The subscription's id. */
      subscription: number;
    };
    result: true;
  };
  /** Subscribes to one event, or to all with *. */
  "phone.on": {
    params: {
      /** The event, or `*`. */
      eventName: string;
    };
    result: number;
  };
  /** Silence in the recording from now on. */
  "phone.pauseRecord": {
    params: {
      /** Which session. */
      callId: string;
      /** Where. */
      target?: RecordTarget;
    };
    result: true;
  };
  /** Whether all is there for the shift: devices, registrations, the media engine, the clock; takes some 3 s and touches no call. */
  "phone.preflight": {
    params: {
      /** The account whose devices and registration it is about; left out: the default devices (those of the account, where there is only one), and all registrations. */
      account?: string | null;
      /** Another microphone. */
      input?: string | null;
      /** Another loudspeaker. */
      output?: string | null;
    };
    result: Preflight;
  };
  /** Sends 180, or 183 with early media, on a ringing session. */
  "phone.progress": {
    params: {
      /** Which session. */
      callId: string;
      /** 180, or 183 with early media. */
      code: number;
    };
    result: true;
  };
  /** Registers every account anew, now. */
  "phone.reRegister": {
    params: Record<string, never>;
    result: true;
  };
  /** Refuses a ringing session. */
  "phone.reject": {
    params: {
      /** Which session. */
      callId: string;
      /** The final status, 400–699; left out: 486. */
      code?: number | null;
    };
    result: true;
  };
  /** A re-INVITE with what holds now; true at the peer's final answer. */
  "phone.renegotiate": {
    params: {
      /** Which session. */
      callId: string;
    };
    result: true;
  };
  /** What is known of a call that is or was: figures over time, events, devices, its record. */
  "phone.report": {
    params: {
      /** Which session. */
      callId: string;
    };
    result: CallHistory;
  };
  /** Makes a session the current one of its seat. */
  "phone.setCurrentSession": {
    params: {
      /** Which session. */
      callId: string;
    };
    result: true;
  };
  /** What users may do about recording until the daemon stops: 0 nothing, 1 pause and resume, 2 also start and stop. */
  "phone.setRecordPermissions": {
    params: {
      /** 0: none; 1: pause and resume; 2: also start and stop. */
      permissions: number;
    };
    result: true;
  };
  /** As session.setStaticStatus. */
  "phone.setSessionStaticStatus": {
    params: {
      /** Which session. */
      callId: string;
      /** What to change. */
      staticStatus: StaticPatch;
      /** True stops automatic updates; left out: as before. */
      startManualModel?: boolean | null;
    };
    result: Session;
  };
  /** Merges name, avatar, company; true stops automatic updates. */
  "phone.setStaticStatus": {
    params: {
      /** Which session. */
      callId: string;
      /** What to change. */
      staticStatus: StaticPatch;
      /** True stops automatic updates; left out: as before. */
      startManualModel?: boolean | null;
    };
    result: Session;
  };
  /** Merges name, avatar, company, tags. */
  "phone.setStatus": {
    params: {
      /** Which session. */
      callId: string;
      /** What to change. */
      status: StatusPatch;
    };
    result: Session;
  };
  /** Takes one out of its conference and holds it; without callId all but the current one. */
  "phone.split": {
    params: {
      /** The session that leaves; left out: all but the current one. */
      callId?: string | null;
    };
    result: true;
  };
  /** Registers every account that shall be. */
  "phone.start": {
    params: Record<string, never>;
    result: true;
  };
  /** Records, or goes on after a pause; true once the file is open. */
  "phone.startRecord": {
    params: {
      /** Which session. */
      callId: string;
      /** Where. */
      target?: RecordTarget;
    };
    result: true;
  };
  /** Closes the file; true where only the PBX recorded. */
  "phone.stopRecord": {
    params: {
      /** Which session. */
      callId: string;
    };
    result: RecordedFile | true;
  };
  /** Stops the counting and updateTimer. */
  "phone.stopTimer": {
    params: {
      /** Which session. */
      callId: string;
    };
    result: Session;
  };
  /** Ends the session as the type says. */
  "phone.terminate": {
    params: {
      /** Which session. */
      callId: string;
      /** How. */
      type?: TerminateType;
    };
    result: true;
  };
  /** The SIP of a call that is or was, without credentials, keys and digits. */
  "phone.trace": {
    params: {
      /** Which session. */
      callId: string;
    };
    result: Trace;
  };
  /** Resumes; the seat's talking session is held first. */
  "phone.unhold": {
    params: {
      /** Which session. */
      callId: string;
    };
    result: true;
  };
  /** The microphone again. */
  "phone.unmute": {
    params: {
      /** Which session. */
      callId: string;
    };
    result: true;
  };
  /** Drops video by a re-INVITE; true at once where there is none. */
  "phone.videoToAudio": {
    params: {
      /** Which session. */
      callId: string;
    };
    result: true;
  };
  /** Deletes a recording that is closed. */
  "recording.delete": {
    params: {
      /** As `recording.list` names it: the path of its sound below the directory. */
      id: string;
    };
    result: true;
  };
  /** A recording: who, when, where, its markers and hash. */
  "recording.get": {
    params: {
      /** As `recording.list` names it: the path of its sound below the directory. */
      id: string;
    };
    result: Recording;
  };
  /** The recordings, newest first. */
  "recording.list": {
    params: {
      /** Of this session only. */
      callId?: string | null;
      /** Of this account only. */
      account?: string | null;
      /** From 0. */
      page?: number | null;
      /** 1 to 1000; left out: 100. */
      size?: number | null;
    };
    result: Recordings;
  };
  /** Whether a recording is what its hash says. */
  "recording.verify": {
    params: {
      /** As `recording.list` names it: the path of its sound below the directory. */
      id: string;
    };
    result: Verified;
  };
  /** The API as an OpenRPC document. */
  "rpc.discover": {
    params: Record<string, never>;
    result: Record<string, unknown>;
  };
  /** Answers a ringing session; the seat's talking one is held first. */
  "session.answer": {
    params: {
      /** Which session. */
      callId: string;
      /** Options. */
      option?: CallOption | null;
    };
    result: Success;
  };
  /** Joins the far ends of a consultation and its parent; true once the first has agreed. */
  "session.attendedTransfer": {
    params: {
      /** Either leg. */
      callId: string;
      /** The other leg's number, where there are several. */
      number?: string | null;
    };
    result: true;
  };
  /** Adds our video by a re-INVITE, and the peer's where there is a sink; without a source of video, or where the audio is not WebRTC, -291, and the session stays audio. */
  "session.audioToVideo": {
    params: {
      /** Which session. */
      callId: string;
    };
    result: true;
  };
  /** Sends the far end to a number; true once it has agreed, events tell the outcome. */
  "session.blindTransfer": {
    params: {
      /** Which session. */
      callId: string;
      /** A number, a `sip:` or a `tel:` URI. */
      number: string;
      /** When to hang up. */
      hangup?: TransferHangup;
    };
    result: true;
  };
  /** Ends the session if it lives, and forgets it. */
  "session.destroy": {
    params: {
      /** Which session. */
      callId: string;
    };
    result: true;
  };
  /** What is wrong with a session, in words: one that lives, or one of the last hundred. */
  "session.diagnose": {
    params: {
      /** Which session. */
      callId: string;
    };
    result: Diagnosis;
  };
  /** Queues digits. */
  "session.dtmf": {
    params: {
      /** Which session. */
      callId: string;
      /** `0-9*#A-D`, and `,` for a pause of 2 s. */
      dtmf: string;
      /** How they travel. */
      method?: DtmfMethod;
      /** Keep the digits out of events: `x` stands for each. Logs, records and recordings never have them. */
      redact?: boolean;
    };
    result: true;
  };
  /** The session's snapshot. */
  "session.get": {
    params: {
      /** Which session. */
      callId: string;
    };
    result: Session;
  };
  /** Ends the session: BYE, CANCEL or 486, whichever fits. */
  "session.hangup": {
    params: {
      /** Which session. */
      callId: string;
    };
    result: true;
  };
  /** Holds; true at the peer's final answer. */
  "session.hold": {
    params: {
      /** Which session. */
      callId: string;
    };
    result: true;
  };
  /** Silence in place of the microphone. */
  "session.mute": {
    params: {
      /** Which session. */
      callId: string;
    };
    result: true;
  };
  /** Ends a subscription of this connection. */
  "session.off": {
    params: {
      /** The subscription's id. */
      subscription: number;
    };
    result: true;
  };
  /** Subscribes to one event of a session, or to all with *; ends with the session. */
  "session.on": {
    params: {
      /** Which session. */
      callId: string;
      /** The event, or `*`. */
      eventName: string;
    };
    result: number;
  };
  /** Silence in the recording from now on. */
  "session.pauseRecord": {
    params: {
      /** Which session. */
      callId: string;
      /** Where. */
      target?: RecordTarget;
    };
    result: true;
  };
  /** Sends 180, or 183 with early media, on a ringing session. */
  "session.progress": {
    params: {
      /** Which session. */
      callId: string;
      /** 180, or 183 with early media. */
      code: number;
    };
    result: true;
  };
  /** Refuses a ringing session. */
  "session.reject": {
    params: {
      /** Which session. */
      callId: string;
      /** The final status, 400–699; left out: 486. */
      code?: number | null;
    };
    result: true;
  };
  /** A re-INVITE with what holds now; true at the peer's final answer. */
  "session.renegotiate": {
    params: {
      /** Which session. */
      callId: string;
    };
    result: true;
  };
  /** What is known of a call that is or was: figures over time, events, devices, its record. */
  "session.report": {
    params: {
      /** Which session. */
      callId: string;
    };
    result: CallHistory;
  };
  /** Merges name, avatar, company; true stops automatic updates. */
  "session.setStaticStatus": {
    params: {
      /** Which session. */
      callId: string;
      /** What to change. */
      staticStatus: StaticPatch;
      /** True stops automatic updates; left out: as before. */
      startManualModel?: boolean | null;
    };
    result: Session;
  };
  /** Merges name, avatar, company, tags. */
  "session.setStatus": {
    params: {
      /** Which session. */
      callId: string;
      /** What to change. */
      status: StatusPatch;
    };
    result: Session;
  };
  /** Records, or goes on after a pause; true once the file is open. */
  "session.startRecord": {
    params: {
      /** Which session. */
      callId: string;
      /** Where. */
      target?: RecordTarget;
    };
    result: true;
  };
  /** Closes the file; true where only the PBX recorded. */
  "session.stopRecord": {
    params: {
      /** Which session. */
      callId: string;
    };
    result: RecordedFile | true;
  };
  /** Stops the counting and updateTimer. */
  "session.stopTimer": {
    params: {
      /** Which session. */
      callId: string;
    };
    result: Session;
  };
  /** Ends the session as the type says. */
  "session.terminate": {
    params: {
      /** Which session. */
      callId: string;
      /** How. */
      type?: TerminateType;
    };
    result: true;
  };
  /** The SIP of a call that is or was, without credentials, keys and digits. */
  "session.trace": {
    params: {
      /** Which session. */
      callId: string;
    };
    result: Trace;
  };
  /** Resumes; the seat's talking session is held first. */
  "session.unhold": {
    params: {
      /** Which session. */
      callId: string;
    };
    result: true;
  };
  /** The microphone again. */
  "session.unmute": {
    params: {
      /** Which session. */
      callId: string;
    };
    result: true;
  };
  /** Drops video by a re-INVITE; true at once where there is none. */
  "session.videoToAudio": {
    params: {
      /** Which session. */
      callId: string;
    };
    result: true;
  };
  /** The webhooks: how far each is, and what it could not deliver. */
  "webhook.list": {
    params: Record<string, never>;
    result: Webhook[];
  };
  /** Sends dead letters once more, now, for 8 s at most; what is taken is none any longer. */
  "webhook.retry": {
    params: {
      /** Its name: `[webhooks.NAME]`. */
      name: string;
      /** The `webhook-id` of one of them: `EPOCH-SEQ`. Left out: all that are named, oldest first. */
      id?: string | null;
    };
    result: WebhookRetried;
  };
  /** Sends a signed test event now; one that is taken switches a disabled webhook on again. */
  "webhook.test": {
    params: {
      /** Its name: `[webhooks.NAME]`. */
      name: string;
    };
    result: WebhookTested;
  };
}

/** Every event: its `data`. */
export interface Events {
  /** A session begins. */
  "newRTCSession": {
    /** The session. */
    callId: string;
    /** Who called. */
    originator: Side;
    /** The session whose peer asked for this call (REFER). */
    referredBy?: string;
    /** What it is like. */
    session: Session;
  };
  /** Somebody calls; it rings here. */
  "incoming": {
    /** The session. */
    callId: string;
    /** What it is like. */
    session: Session;
  };
  /** We call, or an inbound session is being answered. */
  "startSession": {
    /** The session. */
    callId: string;
    /** Who called. */
    originator: Side;
    /** The session whose peer asked for this call (REFER). */
    referredBy?: string;
    /** What it is like. */
    session: Session;
  };
  /** A 1xx came, or was sent. */
  "progress": {
    /** The session. */
    callId: string;
    /** The provisional status. */
    code: number;
    /** It opens the media before the answer. */
    earlyMedia: boolean;
  };
  /** The 200, received (outbound) or sent (inbound). */
  "accepted": {
    /** The session. */
    callId: string;
    /** What it is like. */
    session: Session;
  };
  /** The ACK, sent (outbound) or received (inbound). */
  "confirmed": {
    /** The session. */
    callId: string;
    /** What it is like. */
    session: Session;
  };
  /** An answered session is over. */
  "ended": {
    /** Who. */
    by: By;
    /** The session. */
    callId: string;
    /** Why. */
    cause: Cause;
    /** The Q.850 cause of the peer's BYE (RFC 3326). */
    q850?: number;
    /** What the cause alone does not say, in words: a path, a key or a certificate that is missing. */
    reason?: string;
    /** The SIP status that ended it: 481 where the peer knows nothing of the call any more, or what its BYE gives as its reason (RFC 3326). */
    sipCode?: number;
  };
  /** A session that was never answered is over. */
  "failed": {
    /** Who. */
    by: By;
    /** The session. */
    callId: string;
    /** Why. */
    cause: Cause;
    /** The SIP status that stands for it. */
    code: number;
    /** The Q.850 cause that the peer gave, in its refusal or its CANCEL (RFC 3326). */
    q850?: number;
    /** What the cause alone does not say, in words: "answered elsewhere", or a path, a key or a certificate that is missing. */
    reason?: string;
  };
  /** A fault here kept the call from being made. */
  "clientError": {
    /** The session. */
    callId: string;
    /** Why. */
    cause: Cause;
  };
  /** The session is forgotten. */
  "deleteSession": {
    /** The session. */
    callId: string;
  };
  /** Anything of the status changed but name, avatar and company. */
  "statusChange": {
    /** The session. */
    callId: string;
    /** The members that differ; never name, avatar, company. */
    changed: string[];
    /** What it is now. */
    newStatus: CallStatus;
    /** What it was. */
    oldStatus: CallStatus;
  };
  /** Name, avatar or company changed. */
  "staticStatusChange": {
    /** The session. */
    callId: string;
    /** What it is now. */
    newStatus: StaticCallStatus;
    /** What it was. */
    oldStatus: StaticCallStatus;
  };
  /** The first sound of the peer; again with the first packet of its video. */
  "streamAdded": {
    /** The session. */
    callId: string;
    /** Who called whom. */
    communicationType: CommunicationType;
    /** The stream. */
    stream: Stream | null;
  };
  /** The peer changed the session, or another took its place. */
  "reinvite": {
    /** The session. */
    callId: string;
    /** What the peer wanted. */
    reason: ReinviteReason;
    /** What it is like now. */
    session: Session;
  };
  /** A digit came. */
  "dtmf": {
    /** The session. */
    callId: string;
    /** The digit; `x` where it is redacted. */
    dtmf: string;
    /** How long it was pressed. */
    durationMs: number;
    /** `rtp` or `info`. */
    method: string;
  };
  /** A digit has gone. */
  "dtmfSent": {
    /** The session. */
    callId: string;
    /** The digit; `x` where it is redacted. */
    dtmf: string;
    /** `rtp`, `info` or `inband`. */
    method: string;
  };
  /** We talk to somebody else now, or know more of whom. */
  "identity": {
    /** The session. */
    callId: string;
    /** The name. */
    name: string;
    /** Who it is now. */
    number: string;
    /** The name. */
    oldName: string;
    /** Who it was. */
    oldNumber: string;
  };
  /** Its voice stalls, flows again, or changed otherwise. */
  "media": {
    /** The session. */
    callId: string;
    /** Of `stalled`, `unheard` and `flowing`: sound goes one way only, and it should go both. */
    oneWay?: boolean;
    /** Why. */
    reason?: string;
    /** What it does. */
    state: MediaState;
  };
  /** Something wants a look. */
  "alert": {
    /** Of `recordingGap`: where in the file. */
    atMs?: number;
    /** The session, where it is about one. */
    callId?: string;
    /** Of `dtmfRefused`: the SIP status. */
    code?: number;
    /** Of `echo`: how long after we sent it. */
    delayMs?: number;
    /** What about. */
    kind: AlertKind;
    /** Of `recordingGap`: how much. */
    lengthMs?: number;
    /** Of a microphone or a far end: its level over the last second, dBov. */
    levelDbov?: number;
    /** Why, in plain words. */
    reason?: string;
    /** Of `disk`: `stalled`, `full`, `failed` or `ok`; of `silentMicrophone` and `farEndSilent`: `silent` or `ok`. */
    state?: string;
  };
  /** Our transfer goes on. */
  "transferProgress": {
    /** The session that the REFER went over. */
    callId: string;
    /** What the far end says of its new call. */
    code: number;
    /** Who it was sent to. */
    number: string;
    /** The other leg of a consultation. */
    otherCallId?: string;
  };
  /** Our transfer succeeded; the session, and the other leg, end. */
  "transferred": {
    /** The session that the REFER went over. */
    callId: string;
    /** Who the far end was sent to. */
    number: string;
    /** The other leg of a consultation. */
    otherCallId?: string;
  };
  /** Our transfer failed, or nothing was heard of it for 30 s; the call is kept. */
  "transferFailed": {
    /** The session that the REFER went over. */
    callId: string;
    /** Why. */
    cause: Cause;
    /** The status that says so. */
    code?: number;
    /** Who the far end was to be sent to. */
    number: string;
    /** The other leg of a consultation. */
    otherCallId?: string;
  };
  /** The account's server is there. */
  "connected": {
    /** The account. */
    account: string;
    /** The server's address. */
    server: string;
    /** `udp`, `tcp`, `tls`, `ws` or `wss`. */
    transport: string;
  };
  /** The way to the account's server is lost; calls go on, and it is opened again. */
  "disconnected": {
    /** The account. */
    account: string;
    /** Why. */
    cause: Cause;
    /** Why, in plain words. */
    reason?: string;
  };
  /** An account is registered; refreshes are not told. */
  "registered": {
    /** The account. */
    account: string;
    /** The Contact that it knows. */
    contact: string;
    /** What the registrar granted, s. */
    expires: number;
  };
  /** A registration failed; it is tried again. */
  "registrationFailed": {
    /** The account. */
    account: string;
    /** Why. */
    cause: Cause;
    /** The registrar's status; null where it did not answer. */
    code: number | null;
    /** Failures in a row. */
    failures: number;
    /** Why the server could not be reached, in plain words: `the server's certificate has expired`. */
    reason?: string;
    /** Until the next try; null: there is none. */
    retryInMs: number | null;
  };
  /** An account became registered, or is it no longer. */
  "isRegisteredChange": {
    /** The account. */
    account: string;
    /** The status that ended it, where one did. */
    code: number | null;
    /** It is registered. */
    isRegistered: boolean;
  };
  /** `account.add` was called, or a reload brought it. */
  "account.added": {
    /** The account. */
    account: string;
  };
  /** `account.update` was called, or a reload changed it. */
  "account.updated": {
    /** The account. */
    account: string;
  };
  /** `account.remove` was called, or a reload took it away and its last call is over. */
  "account.removed": {
    /** The account. */
    account: string;
  };
  /** The PBX sent a NOTIFY that nobody asked for: messages that wait (RFC 3842). */
  "account.notify": {
    /** The account. */
    account: string;
    /** Its body as it came. */
    body: string;
    /** The NOTIFY's Event, e.g. `message-summary`. */
    event: string | null;
  };
  /** Another session is the current one. */
  "currentSessionChange": {
    /** The session that is current now. */
    callId: string | null;
    /** The one that was. */
    oldCallId: string | null;
  };
  /** An INVITE was refused before it could ring. */
  "callRejected": {
    /** The account that was called. */
    account: string;
    /** What that means. */
    cause: Cause;
    /** What he got. */
    code: number;
    /** What of the offer cannot be done, in words. */
    detail?: string;
    /** Where he was sent instead (302). */
    forward?: string;
    /** Who called. */
    number: string;
    /** Why. */
    reason: Unseen;
  };
  /** An agent takes calls, or takes none any more. */
  "agent.changed": {
    /** Its accounts. */
    accounts: string[];
    /** Who changed it: a user, or the daemon (a wrap-up, other accounts or devices). */
    by: By;
    /** Not to be disturbed, whatever the state. */
    dnd: boolean;
    /** Where callers are sent meanwhile. */
    forward?: string;
    /** Why not ready, in the agent's words. */
    reason?: string;
    /** The seat. */
    seat: string;
    /** Since when all this holds; left out: since the daemon's start. */
    since?: string;
    /** What the agent does. */
    state: AgentState;
    /** When the wrap-up ends. */
    until?: string;
  };
  /** What users may do about recording changed. */
  "recordPermissionsChange": {
    /** What they could do before. */
    oldRecordPermissions: number;
    /** What users may do now. */
    recordPermissions: number;
  };
  /** The file is open, or the PBX's code is on its way. */
  "recording.started": {
    /** The session. */
    callId: string;
    /** The file. */
    path?: string;
    /** Where it is recorded. */
    target: RecordTarget;
  };
  /** Silence in the recording from here on. */
  "recording.paused": {
    /** The session. */
    callId: string;
    /** The file. */
    path?: string;
    /** Where it is recorded. */
    target: RecordTarget;
  };
  /** Sound again. */
  "recording.resumed": {
    /** The session. */
    callId: string;
    /** The file. */
    path?: string;
    /** Where it is recorded. */
    target: RecordTarget;
  };
  /** The file is closed; when the call's end closed it, after `deleteSession`. */
  "recording.stopped": {
    /** The session. */
    callId: string;
    /** Its length, pauses and gaps too. */
    durationMs?: number;
    /** The file. */
    path?: string;
    /** Its hash, in hexadecimal. */
    sha256?: string;
    /** Where it was recorded. */
    target: RecordTarget;
  };
  /** The disk failed; the call goes on, what was written plays. */
  "recording.failed": {
    /** The session. */
    callId: string;
    /** What there is of it. */
    path?: string;
    /** Why, in plain words. */
    reason: string;
    /** Where it was recorded. */
    target: RecordTarget;
  };
  /** `audio.play` begins to be heard. */
  "audio.playing": {
    /** The session. */
    callId: string;
    /** Its length. */
    durationMs: number;
    /** The file, as it was named. */
    file: string;
    /** Again and again. */
    loop: boolean;
    /** Who hears it. */
    to: PlayTo;
  };
  /** It is heard no longer. */
  "audio.played": {
    /** The session. */
    callId: string;
    /** Why. */
    cause: PlayEnd;
    /** The file, as it was named. */
    file: string;
    /** Who heard it. */
    to: PlayTo;
  };
  /** `audio.open` made a socket. */
  "audio.opened": {
    /** The socket. */
    audioId: string;
    /** The session. */
    callId: string;
    /** How samples look. */
    format: AudioFormat;
    /** What it does. */
    mode: AudioMode;
    /** Its points. */
    ports: AudioPort[];
  };
  /** The reader of an audio socket is too slow; told once a second at most. The call is not touched. */
  "audio.dropped": {
    /** The socket. */
    audioId: string;
    /** The session. */
    callId: string;
    /** Frames of 20 ms (10 in a conference) that its reader has lost since it came. */
    frames: number;
  };
  /** An audio socket is closed. */
  "audio.closed": {
    /** The socket. */
    audioId: string;
    /** The session. */
    callId: string;
    /** Frames that its reader lost, as far as it was told. */
    frames: number;
    /** Why, in plain words. */
    reason: string;
  };
  /** A sound device was plugged in. */
  "device.added": {
    /** The device. */
    device: DeviceInfo;
  };
  /** A sound device is gone. */
  "device.removed": {
    /** The device. */
    device: DeviceInfo;
  };
  /** `device.setRole` was called, or the host has changed something about a device that stays. */
  "device.changed": {
    /** For which account; null: for all. */
    account: string | null;
    /** For which session; null: for all. */
    callId: string | null;
    /** The device as it is now, where its host has changed it: another default, put to sleep, awake again. */
    device?: DeviceInfo;
    /** The device. */
    id: string;
    /** What it does now, where `device.setRole` was called. */
    role?: DeviceRole;
  };
  /** `device.setVolume` was called. */
  "device.volume": {
    /** The device. */
    id: string;
    /** Its microphone's volume from now on, percent; null: as before. */
    inputVolume: number | null;
    /** Its loudspeaker's volume from now on, percent; null: as before. */
    outputVolume: number | null;
  };
  /** A button of a headset was pressed; told before the phone does what it means. */
  "device.button": {
    /** What it does: that of the method of this name; null: nothing, there is no call that it could mean. */
    action: ButtonAction | null;
    /** Which button. */
    button: Button;
    /** With which session. */
    callId: string | null;
    /** The headset ([`DeviceInfo::hardware`]). */
    hardware: string;
    /** A sound device of the headset; null: it has none now. */
    id: string | null;
  };
  /** The configuration was read anew, and taken over. */
  "daemon.reloaded": {
    /** They hold from now on: for live calls where they can, else for the next. */
    changed: string[];
    /** They differ from what the daemon runs with, and wait for its next start. */
    needsRestart: string[];
  };
  /** The configuration was read anew and has a fault; what was before holds on. */
  "daemon.reloadFailed": {
    /** Everything that is wrong in the configuration. */
    faults: ConfigFault[];
  };
  /** No new calls from now on: the daemon is about to stop. */
  "daemon.draining": {
    /** How many sessions it waits for. */
    sessions: number;
    /** How long, s. */
    timeout: number;
  };
  /** The drain is over; what is left is ended now, then the accounts are unregistered. */
  "daemon.drained": {
    /** The sessions that were left and are ended now. */
    ended: number;
  };
  /** The record of a session that is over, once. */
  "cdrChange": {
    /** The session that is over. */
    callId: string;
    /** Its record. */
    cdr: Cdr;
  };
  /** At the answer, then every `[phone] report_interval` (3 s). */
  "callReport": {
    /** The session. */
    callId: string;
    /** How it sounds, in the words of the web phones. */
    callReport: CallReport;
    /** How it sounds, in numbers. */
    metrics: Metrics;
  };
  /** Every second. */
  "updateTimer": {
    /** The session. */
    callId: string;
    /** Its durations. */
    timer: Timer;
  };
  /** This subscription lost these events, because they were not read in time. */
  "lagged": {
    /** The first event that was lost. */
    fromSeq: number;
    /** The last one. */
    toSeq: number;
  };
}
