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
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal $text:literal $retry:literal;)*) => {
        /// Every error code of the API.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
        pub enum Code { $($(#[$doc])* $name),* }
        impl Code {
            /// All of them, for the documents.
            pub const ALL: &'static [Code] = &[$(Code::$name),*];
            /// The number on the wire.
            pub const fn number(self) -> i32 { match self { $(Code::$name => $code),* } }
            /// The seed's name: the error's `message`.
            pub const fn message(self) -> &'static str { match self { $(Code::$name => $text),* } }
            /// The same call may succeed later.
            pub const fn retryable(self) -> bool { match self { $(Code::$name => $retry),* } }
        }
    };
}

codes! {
    /// Nothing better fits.
    Unknown = -200 "UNKNOWN_ERROR" false;
    /// The registrar refused.
    RegistryFailed = -201 "REGISTRY_FAILED" true;
    /// The device was refused to us.
    DeviceRefused = -202 "GET_AGREE_CHROME_USER_MEDIA_ROLE_ERROR" true;
    /// The device failed.
    DeviceFailed = -203 "GET_LOCAL_STREAM_ERROR" true;
    /// `register_max_attempts` is used up.
    RegisterAttempts = -204 "RE_REGISTRY_MAX_LIMIT_TIMES" true;
    /// The seat, or the host, has as many calls as it may.
    MaxCalls = -205 "MAX_LIMIT_CALL" true;
    /// No media could be set up here.
    LocalMedia = -206 "GET_LOCAL_MEDIA_INFO_ERROR" true;
    /// The consultation has no such parent.
    NoParent = -207 "ATTENDED_PARENT_NOT_FOUND" false;
    /// Too many dials a second.
    TooManyDials = -208 "CALL_TOO_MANY_TIMES" true;
    /// Not a number nor a SIP URI.
    InvalidNumber = -209 "INVALID_NUMBER" false;
    /// Another outbound session of the seat is not answered yet.
    NotConnected = -210 "CURRENT_CALL_HAS_NOT_CONNECTED" true;
    /// No session has that callId.
    NoSession = -211 "NOT_FOUND_CALL_ID" false;
    /// There is no such input device.
    NoInput = -290 "NOT_FOUND_AUDIO_INPUT_DEVICE" true;
    /// There is no source of video.
    NoVideoInput = -291 "NOT_FOUND_VIDEO_INPUT_DEVICE" true;
    /// The account is not registered.
    NotRegistered = -212 "NOT_REGISTERED" true;
    /// There is an account of that name.
    AccountExists = -213 "ACCOUNT_EXISTS" false;
    /// There is no account of that name.
    NoAccount = -214 "ACCOUNT_NOT_FOUND" false;
    /// The session's state does not allow it.
    WrongState = -215 "WRONG_STATE" false;
    /// The other side refused.
    PeerRefused = -216 "PEER_REFUSED" true;
    /// Both sides asked at once (491).
    Glare = -217 "GLARE" true;
    /// Not DTMF.
    InvalidDtmf = -218 "INVALID_DTMF" false;
    /// `recordPermissions` does not allow it.
    NoRecordPermission = -220 "NO_RECORD_PERMISSION" false;
    /// The disk is full, slow or refuses.
    Storage = -221 "STORAGE" true;
    /// The PBX's feature code is not configured.
    NoRecordCode = -222 "NO_RECORD_CODE" false;
    /// Another user holds the device.
    DeviceBusy = -223 "DEVICE_BUSY" true;
    /// Some of these events are no longer kept.
    ReplayGap = -226 "REPLAY_GAP" false;
    /// The daemon is about to stop.
    Draining = -228 "DRAINING" true;
    /// The idempotencyKey was used for something else.
    IdempotencyConflict = -229 "IDEMPOTENCY_CONFLICT" false;
    /// No answer within 10 s; the work goes on.
    Timeout = -230 "TIMEOUT" true;
    /// The user's role does not allow it.
    Forbidden = -231 "FORBIDDEN" false;
    /// Wrong params: JSON-RPC's own code.
    InvalidParams = -32602 "INVALID_PARAMS" false;
}

impl Error {
    /// An error with a description.
    pub fn new(code: Code, describe: impl Into<String>) -> Self {
        Error { code, describe: describe.into(), hint: String::new(), sip_code: None }
    }
    /// Adds how to mend it.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = hint.into();
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
