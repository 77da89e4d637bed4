//! The errors of the API: the seed's Result codes and ours (docs/API.md, "Errors").

use serde::{Deserialize, Serialize};

/// A refusal: what JSON-RPC carries as its `error` object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// Which one.
    pub code: Code,
    /// What is wrong here, in a sentence.
    pub describe: String,
    /// How to mend it; may be empty.
    pub hint: String,
    /// The SIP status that caused it.
    pub sip_code: Option<u16>,
    /// The param that is wrong.
    pub path: Option<&'static str>,
}

macro_rules! codes {
    ($(#[doc = $meaning:literal] $(#[doc = $remedy:literal])* $name:ident = $code:literal $text:literal $retry:literal;)*) => {
        /// Every error code of the API.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
        pub enum Code { $(#[doc = $meaning] $(#[doc = $remedy])* $name),* }
        impl Code {
            /// All of them, for the documents.
            pub const ALL: &'static [Code] = &[$(Code::$name),*];
            /// The number on the wire.
            pub const fn number(self) -> i32 { match self { $(Code::$name => $code),* } }
            /// The seed's name: the error's `message`.
            pub const fn message(self) -> &'static str { match self { $(Code::$name => $text),* } }
            /// What it means: the first line of its comment.
            pub const fn meaning(self) -> &'static str { match self { $(Code::$name => $meaning),* } }
            /// What to do about it: the second line.
            pub const fn remedy(self) -> &'static str { match self { $(Code::$name => concat!($($remedy),*)),* } }
            /// The same call may succeed later.
            pub const fn retryable(self) -> bool { match self { $(Code::$name => $retry),* } }
        }
    };
}

codes! {
    /// Nothing better fits.
    /// Look at `describe`, the events and the log.
    Unknown = -200 "UNKNOWN_ERROR" false;
    /// The registrar refused.
    /// The registration is tried again by itself; `sipCode` 403: look at user and password.
    RegistryFailed = -201 "REGISTRY_FAILED" true;
    /// The device was refused to us.
    /// Give the user of the daemon access to the sound server or card.
    DeviceRefused = -202 "GET_AGREE_CHROME_USER_MEDIA_ROLE_ERROR" true;
    /// The device failed.
    /// Look whether another program holds it; `device.list` names the others.
    DeviceFailed = -203 "GET_LOCAL_STREAM_ERROR" true;
    /// `register_max_attempts` is used up.
    /// Mend the account, then `account.register`.
    RegisterAttempts = -204 "RE_REGISTRY_MAX_LIMIT_TIMES" true;
    /// The seat, or the host, has as many calls as it may.
    /// Wait for an `ended`, or raise `[phone] max_calls`, `max_calls_per_seat`.
    MaxCalls = -205 "MAX_LIMIT_CALL" true;
    /// No media could be set up here.
    /// Look at `[media] rtp_ports` and at the devices.
    LocalMedia = -206 "GET_LOCAL_MEDIA_INFO_ERROR" true;
    /// The consultation has no such parent.
    /// Begin the consultation by `phone.call` with `transferId` of a session that talks.
    NoParent = -207 "ATTENDED_PARENT_NOT_FOUND" false;
    /// Too many dials a second, or a minute.
    /// Wait, or raise `[phone] dials_per_second`, `[dial] calls_per_minute`.
    TooManyDials = -208 "CALL_TOO_MANY_TIMES" true;
    /// Not a number nor a SIP URI.
    /// A number, a `sip:` or a `tel:` URI.
    InvalidNumber = -209 "INVALID_NUMBER" false;
    /// Another outbound session of the seat is not answered yet.
    /// Wait for its `accepted` or `failed`, or hang it up.
    NotConnected = -210 "CURRENT_CALL_HAS_NOT_CONNECTED" true;
    /// No session has that callId.
    /// It is over, or never was: `phone.getSession` lists those that live.
    NoSession = -211 "NOT_FOUND_CALL_ID" false;
    /// There is no such input device.
    /// `device.list` names those there are.
    NoInput = -290 "NOT_FOUND_AUDIO_INPUT_DEVICE" true;
    /// There is no source of video.
    /// The session stays audio.
    NoVideoInput = -291 "NOT_FOUND_VIDEO_INPUT_DEVICE" true;
    /// The account is not registered.
    /// Wait for `registered`; `account.get` says why it is not.
    NotRegistered = -212 "NOT_REGISTERED" true;
    /// There is an account of that name.
    /// `account.update` changes it.
    AccountExists = -213 "ACCOUNT_EXISTS" false;
    /// There is no account of that name.
    /// `account.list` names those there are.
    NoAccount = -214 "ACCOUNT_NOT_FOUND" false;
    /// The session's state does not allow it.
    /// Look at `status` of the session; `describe` says what would fit.
    WrongState = -215 "WRONG_STATE" false;
    /// The other side refused.
    /// `sipCode` is what it said; the call goes on as before.
    PeerRefused = -216 "PEER_REFUSED" true;
    /// Both sides asked at once (491).
    /// Ask again: we have tried several times.
    Glare = -217 "GLARE" true;
    /// Not DTMF.
    /// `0-9 * # A-D`, and `,` for a pause.
    InvalidDtmf = -218 "INVALID_DTMF" false;
    /// `recordPermissions` does not allow it.
    /// `[phone] record_permissions`, or `phone.setRecordPermissions`.
    NoRecordPermission = -220 "NO_RECORD_PERMISSION" false;
    /// The disk is full, slow or refuses.
    /// Look at the disk, and at `[store]` and `[record]`.
    Storage = -221 "STORAGE" true;
    /// The PBX's feature code is not configured.
    /// Set the codes of `[record]`, or record with `target: "local"`.
    NoRecordCode = -222 "NO_RECORD_CODE" false;
    /// Another user holds the device.
    /// Wait, or take another.
    DeviceBusy = -223 "DEVICE_BUSY" true;
    /// Some of these events are no longer kept.
    /// Begin anew: `events.subscribe` with `snapshot: true`.
    ReplayGap = -226 "REPLAY_GAP" false;
    /// The configuration has a fault; what was before holds on.
    /// `describe` names file, line, column and key of each: mend it and ask again.
    ConfigRefused = -227 "CONFIG_REFUSED" false;
    /// The daemon is about to stop.
    /// Ask again when it is back.
    Draining = -228 "DRAINING" true;
    /// The idempotencyKey was used for something else.
    /// Take a new key for a new wish.
    IdempotencyConflict = -229 "IDEMPOTENCY_CONFLICT" false;
    /// No answer within 10 s; the work goes on.
    /// Do not ask again: an event tells how it ends.
    Timeout = -230 "TIMEOUT" true;
    /// The user's role does not allow it, or a dial rule forbids the number.
    /// `[rpc.roles]` of the configuration says who may do what, `[dial]` what may be called.
    Forbidden = -231 "FORBIDDEN" false;
    /// Wrong params: JSON-RPC's own code.
    /// `path` names the param, `hint` what would be right.
    InvalidParams = -32602 "INVALID_PARAMS" false;
}

impl Error {
    /// An error with a description.
    pub fn new(code: Code, describe: impl Into<String>) -> Self {
        Error { code, describe: describe.into(), hint: String::new(), sip_code: None, path: None }
    }
    /// Adds how to mend it.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = hint.into();
        self
    }
    /// Adds the param that is wrong.
    pub fn path(mut self, path: &'static str) -> Self {
        self.path = Some(path);
        self
    }
    /// Adds the SIP status behind it.
    pub fn sip(mut self, code: u16) -> Self {
        self.sip_code = Some(code);
        self
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({}): {}", self.code.message(), self.code.number(), self.describe)
    }
}

impl std::error::Error for Error {}
