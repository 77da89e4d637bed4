//! Settings of the phone: the parts of the configuration that the pure centre reads.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::command::DtmfMethod;
use crate::sdp::{Encryption, MediaKind};

/// A password: it never shows itself.
#[derive(Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Wraps it.
    pub fn new(text: impl Into<String>) -> Self {
        Secret(text.into())
    }
    /// The secret itself: for the digest only.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

impl Serialize for Secret {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str("***")
    }
}

/// How a server is entered: what TLS and WebSocket need to know besides its address. Files are named, not read, here.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Access {
    /// Who signs certificates that we trust, a PEM file; none: whom the system trusts.
    pub ca_file: Option<String>,
    /// Our own certificate, a PEM file.
    pub certificate: Option<String>,
    /// Its key, a PEM file.
    pub key: Option<String>,
    /// Whom the server's certificate must be for; none: the configured host.
    pub server_name: Option<String>,
    /// True: any certificate will do.
    pub insecure: bool,
    /// The path of the WebSocket, and what follows its question mark.
    pub path: String,
    /// See `path`.
    pub query: Option<Secret>,
    /// The Origin header.
    pub origin: Option<String>,
    /// More headers of the upgrade request, `Name: value`.
    pub headers: Vec<Secret>,
}

/// All that the phone needs to know from the start.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Settings {
    /// `[sip]`, the pure part.
    pub sip: SipSettings,
    /// `[tls]`
    pub tls: TlsSettings,
    /// What this host and this installation have to themselves: it makes the instance ids (RFC 5626 §4.1), which are the
    /// same after a restart. Empty: by chance.
    pub instance: String,
    /// `[phone]`
    pub phone: PhoneSettings,
    /// `[transfer]`
    pub transfer: TransferSettings,
    /// `[dial]`
    pub dial: DialSettings,
    /// `[lookup]` has a URL.
    pub lookup: bool,
    /// `[privacy]`
    pub privacy: PrivacySettings,
    /// `[audio]`, the names of the default devices.
    pub audio: AudioSettings,
    /// `[record]`, the PBX's codes.
    pub record: RecordSettings,
    /// `[video]`
    pub video: VideoSettings,
    /// `[media] codecs`, best first.
    pub codecs: Vec<String>,
    /// `[accounts.NAME]`
    pub accounts: BTreeMap<String, AccountSettings>,
}

/// `[sip]`: how we present ourselves.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SipSettings {
    /// Sockets to listen on: `udp:ADDRESS:PORT`, `tcp:ADDRESS:PORT`, `tls:ADDRESS:PORT`.
    pub listen: Vec<String>,
    /// User-Agent and Server.
    pub user_agent: String,
    /// The address that peers outside see, where a NAT stands between (Contact, Via, SDP).
    pub public_address: Option<String>,
    /// RFC 3261 T1, ms.
    pub t1_ms: u64,
}

impl Default for SipSettings {
    fn default() -> Self {
        SipSettings {
            listen: vec!["udp:0.0.0.0:5060".into(), "tcp:0.0.0.0:5060".into()],
            user_agent: concat!("phoned/", env!("CARGO_PKG_VERSION")).into(),
            public_address: None,
            t1_ms: 500,
        }
    }
}

/// `[tls]`: whom we trust and who we are, where an account does not say otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TlsSettings {
    /// Who signs certificates that we trust (PEM); left out: whom the system trusts.
    pub ca_file: Option<String>,
    /// Our certificate (PEM, with its chain): shown by `tls:` of `[sip] listen`, and to servers that ask.
    pub certificate: Option<String>,
    /// Its key (PEM).
    pub key: Option<String>,
}

/// `[phone]`: how many calls, and how they behave.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PhoneSettings {
    /// Calls at once on the host.
    pub max_calls: usize,
    /// Calls at once in a seat.
    pub max_calls_per_seat: usize,
    /// A second incoming call rings while one talks; else it gets 486.
    pub call_waiting: bool,
    /// Answering or resuming one call holds the seat's talking one.
    pub hold_others: bool,
    /// `phone.call` an account may make a second.
    pub dials_per_second: u32,
    /// The account of `phone.call` without one.
    pub default_account: Option<String>,
    /// An outbound call that nobody answers is given up after this, s.
    pub no_answer_timeout: u64,
    /// An inbound call that nobody answers gets 480 after this, s.
    pub ring_timeout: u64,
    /// A call without any RTP received, though expected, ends after this, s; 0: never.
    pub rtp_timeout: u64,
    /// A call ends after this, s; 0: never.
    pub max_call_length: u64,
    /// Before it stops, the daemon lets calls go on for so long, s; 0: it ends them at once.
    pub drain_timeout: u64,
    /// Between two callReports, s.
    pub report_interval: u64,
    /// The session timer that we ask for, s (RFC 4028); 0: none.
    pub session_expires: u32,
    /// Headers of an INVITE that `status.headers` shows; a name may end in `*`.
    pub headers: Vec<String>,
    /// What users may do about recording: 0 nothing, 1 pause and resume, 2 also start and stop.
    pub record_permissions: u8,
    /// What a held party hears: a WAV or Ogg/Opus file, round and round; left out: nothing is sent.
    pub hold_music: Option<String>,
    /// The far end may send a call elsewhere by REFER; false: it gets 603.
    pub accept_refer: bool,
    /// After an answered call no other one rings for so long, s; 0: at once.
    pub wrap_up: u64,
    /// What a call gets while the agent takes none: 400–699.
    pub not_ready_code: u16,
    /// Where it is sent instead (302): a number or a SIP URI.
    pub not_ready_forward: Option<String>,
}

impl Default for PhoneSettings {
    fn default() -> Self {
        PhoneSettings {
            max_calls: 500,
            max_calls_per_seat: 8,
            call_waiting: true,
            hold_others: true,
            dials_per_second: 10,
            default_account: None,
            no_answer_timeout: 180,
            ring_timeout: 180,
            rtp_timeout: 0,
            max_call_length: 0,
            drain_timeout: 30,
            report_interval: 3,
            session_expires: 1800,
            headers: vec!["User-to-User".into(), "X-*".into()],
            record_permissions: 2,
            hold_music: None,
            accept_refer: true,
            wrap_up: 0,
            not_ready_code: 486,
            not_ready_forward: None,
        }
    }
}

/// `[record]`: how a PBX is told to record.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RecordSettings {
    /// Its code to start.
    pub pbx_start: Option<String>,
    /// To pause.
    pub pbx_pause: Option<String>,
    /// To resume; left out: that to start.
    pub pbx_resume: Option<String>,
    /// To stop.
    pub pbx_stop: Option<String>,
    /// How the codes travel.
    pub pbx_method: DtmfMethod,
}

/// `[dial]`: what becomes of a number before it is called, and which ones may be. An account may have rules of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DialSettings {
    /// What users dial before a number and the PBX does not want.
    pub strip: String,
    /// What the PBX wants before a number that goes out; a `+` becomes the international prefix then.
    pub prefix: String,
    /// Numbers go out as `+` and digits, where `country` tells how.
    pub e164: bool,
    /// The country whose way of writing numbers users have (ISO 3166, two letters).
    pub country: Option<String>,
    /// Numbers of so few digits are extensions: they keep their form, and need not be allowed.
    pub short: usize,
    /// Numbers that may be called, by how they begin; `x` is any digit. None: all that are not denied.
    pub allow: Vec<String>,
    /// Numbers that may not. The longer of two prefixes decides.
    pub deny: Vec<String>,
    /// Numbers that may always be called, and go out as they are.
    pub emergency: Vec<String>,
    /// Calls that a user may make a minute.
    pub calls_per_minute: CallsPerMinute,
}

impl Default for DialSettings {
    fn default() -> Self {
        DialSettings {
            strip: String::new(),
            prefix: String::new(),
            e164: false,
            country: None,
            short: 5,
            allow: Vec::new(),
            deny: Vec::new(),
            emergency: vec!["112".into(), "911".into()],
            calls_per_minute: CallsPerMinute::default(),
        }
    }
}

/// Calls a minute, by the user's role; 0: no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CallsPerMinute {
    /// Of an admin.
    pub admin: u32,
    /// Of everyone else who may call.
    pub call: u32,
}

impl Default for CallsPerMinute {
    fn default() -> Self {
        CallsPerMinute { admin: 0, call: 60 }
    }
}

/// `[accounts.NAME.dial]`: an account's own rules; what is left out is as `[dial]` says.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AccountDial {
    /// What users dial before a number and the PBX does not want.
    pub strip: Option<String>,
    /// What the PBX wants before a number that goes out.
    pub prefix: Option<String>,
    /// Numbers go out as `+` and digits.
    pub e164: Option<bool>,
    /// The country whose way of writing numbers users have.
    pub country: Option<String>,
    /// Numbers of so few digits are extensions.
    pub short: Option<usize>,
    /// Numbers that may be called.
    pub allow: Option<Vec<String>>,
    /// Numbers that may not.
    pub deny: Option<Vec<String>>,
}

/// When an account answers by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum AutoAnswer {
    /// After this, ms.
    After(u64),
    /// When the PBX asks for it.
    Policy(AutoAnswerPolicy),
}

/// See [`AutoAnswer::Policy`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AutoAnswerPolicy {
    /// Call-Info with `answer-after`, or Alert-Info with `info=alert-autoanswer`, says so.
    Header,
}

/// `[privacy]`: what is not told.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PrivacySettings {
    /// `x` stands for each digit in `dtmf` and `dtmfSent`.
    pub redact_dtmf: bool,
}

/// `[transfer]`: how a transfer is made.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TransferSettings {
    /// To whom the REFER of an attended transfer goes.
    pub refer: ReferLeg,
}

/// A leg of a consultation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ReferLeg {
    /// The call that came first: its far end calls the one that was consulted (RFC 5589 §7).
    #[default]
    Parent,
    /// The consultation: its far end calls the other, for a PBX that wants so.
    Consultation,
}

/// `[audio]`: the default devices.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AudioSettings {
    /// The microphone: `default`, an id of `device.list`, `null`, `tone:HZ` or `file:PATH`.
    pub input: String,
    /// The loudspeaker: `default`, an id of `device.list`, `null` or `file:PATH`.
    pub output: String,
    /// Where incoming calls ring.
    pub ringer: String,
    /// What becomes of a microphone's sound.
    pub cleaning: Cleaning,
}

impl Default for AudioSettings {
    fn default() -> Self {
        let default = || "default".to_owned();
        AudioSettings { input: default(), output: default(), ringer: default(), cleaning: Cleaning::default() }
    }
}

/// What becomes of a real microphone's sound before a call has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Cleaning {
    /// The echo of the loudspeaker beside it is taken out.
    pub echo_cancellation: bool,
    /// Steady noise is turned down.
    pub noise_suppression: NoiseSuppression,
    /// Quiet speech is turned up, loud speech down.
    pub gain_control: bool,
}

impl Cleaning {
    /// It stays as it is.
    pub const OFF: Cleaning =
        Cleaning { echo_cancellation: false, noise_suppression: NoiseSuppression::Off, gain_control: false };
}

impl Default for Cleaning {
    fn default() -> Self {
        let noise_suppression = NoiseSuppression::default();
        Cleaning { echo_cancellation: true, noise_suppression, gain_control: false }
    }
}

/// How much of steady noise is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum NoiseSuppression {
    /// All.
    Off,
    /// 6 dB less.
    Low,
    /// 12 dB less.
    #[default]
    Moderate,
    /// 17 dB less; the voice suffers a little.
    High,
}

/// `[video]`: where video comes from and goes to; with neither every call is audio.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct VideoSettings {
    /// What is shown to peers: `file:PATH.ivf` (VP8, again and again) or `rtp:ADDRESS:PORT` (what is sent there).
    pub source: Option<String>,
    /// What becomes of the peers' video: `file:FOLDER` (VP8, an IVF file a call) or `rtp:ADDRESS:PORT` (it is forwarded there).
    pub sink: Option<String>,
    /// Codecs, best first: `VP8`, `H264`.
    pub codecs: Vec<String>,
}

impl Default for VideoSettings {
    fn default() -> Self {
        VideoSettings { source: None, sink: None, codecs: vec!["VP8".into(), "H264".into()] }
    }
}

/// `[accounts.NAME]`: one address of record and how it is reached.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AccountSettings {
    /// The address of record: `sip:user@domain`.
    pub uri: String,
    /// Where to register: a `sip:` URI; left out: the URI's domain.
    pub registrar: Option<String>,
    /// Proxies that every request goes through (loose routing); several: tried in turn when one does not answer.
    pub proxies: Vec<String>,
    /// `udp`, `tcp`, `tls`, `ws` or `wss`; left out: as the URIs say, else udp, and tcp for requests too large for a datagram.
    pub transport: Option<String>,
    /// As `[tls] ca_file`, for this account.
    pub tls_ca_file: Option<String>,
    /// As `[tls] certificate`, for this account.
    pub tls_certificate: Option<String>,
    /// As `[tls] key`, for this account.
    pub tls_key: Option<String>,
    /// Whom the server's certificate must be for; left out: the host that the URI names.
    pub tls_server_name: Option<String>,
    /// False: any certificate will do, and whoever stands in between reads along (default true).
    pub tls_verify: Option<bool>,
    /// The path of the WebSocket (default `/`).
    pub ws_path: Option<String>,
    /// What follows the question mark of its URL.
    pub ws_query: Option<Secret>,
    /// The Origin header of its upgrade request.
    pub ws_origin: Option<String>,
    /// More headers of its upgrade request: `Name: value`.
    pub ws_headers: Vec<Secret>,
    /// The name shown to others.
    pub display_name: Option<String>,
    /// The digest user; left out: the user part of the URI.
    pub username: Option<String>,
    /// The digest password.
    pub password: Option<Secret>,
    /// A file whose first line is the password.
    pub password_file: Option<String>,
    /// A credential of the service manager (`LoadCredential=`) whose first line is the password.
    pub password_credential: Option<String>,
    /// Realms besides the registrar's own that get a digest.
    pub realms: Vec<String>,
    /// Register it (default true).
    pub register: Option<bool>,
    /// The expiry to ask for, s (default 300).
    pub expires: Option<u32>,
    /// Give up registering after so many failures; left out: never.
    pub register_max_attempts: Option<u32>,
    /// Peers (addresses, CIDR or host names) besides registrar and proxies that may call this account.
    pub trusted: Vec<String>,
    /// Answer by itself after this, ms, or `header`: when the INVITE asks for it.
    pub auto_answer: Option<AutoAnswer>,
    /// The microphone of this account's calls.
    pub input: Option<String>,
    /// The loudspeaker of this account's calls.
    pub output: Option<String>,
    /// As `[audio] echo_cancellation`, for this account's calls.
    pub echo_cancellation: Option<bool>,
    /// As `[audio] noise_suppression`, for this account's calls.
    pub noise_suppression: Option<NoiseSuppression>,
    /// As `[audio] gain_control`, for this account's calls.
    pub gain_control: Option<bool>,
    /// Where this account's calls ring.
    pub ringer: Option<String>,
    /// What those hear whom this account holds: as `[phone] hold_music`, which counts where this is left out; empty: nothing.
    pub hold_music: Option<String>,
    /// As `[video] source`, for this account.
    pub video_source: Option<String>,
    /// As `[video] sink`, for this account.
    pub video_sink: Option<String>,
    /// Groups accounts into a seat; left out: by the input device.
    pub seat: Option<String>,
    /// The codecs of this account, best first.
    pub codecs: Vec<String>,
    /// Dial rules of its own.
    pub dial: Option<AccountDial>,
    /// Encrypted audio by keys in the session description: `off` (the default), `prefer` or `require`.
    pub srtp: Encryption,
    /// By what its media travels: `rtp`, `webrtc`, or `auto` (the default): WebRTC over WebSocket and for who offers it.
    pub media: MediaKind,
}

impl AccountSettings {
    /// How its servers are entered.
    pub fn access(&self, tls: &TlsSettings) -> Access {
        // A key of the account's own goes with a certificate of its own.
        let (certificate, key) = match &self.tls_certificate {
            Some(certificate) => (Some(certificate.clone()), self.tls_key.clone()),
            None => (tls.certificate.clone(), tls.key.clone()),
        };
        Access {
            ca_file: self.tls_ca_file.clone().or_else(|| tls.ca_file.clone()),
            certificate,
            key,
            server_name: self.tls_server_name.clone(),
            insecure: self.tls_verify == Some(false),
            path: self.ws_path.clone().unwrap_or_else(|| "/".into()),
            query: self.ws_query.clone(),
            origin: self.ws_origin.clone(),
            headers: self.ws_headers.clone(),
        }
    }
}
