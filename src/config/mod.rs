//! The configuration: `Config` is the schema of `/etc/phoned/phoned.toml`; its defaults are the daemon's.

mod changes;
mod check;
mod crm;
mod fleet;
mod history;
mod http;
mod load;
mod spans;
mod tones;

pub use changes::{Changes, changes};
pub use check::{account_faults, read_password};
pub use crm::{LookupConfig, LookupFields, WebhookConfig};
pub use fleet::{FleetConfig, FleetRole};
pub use history::HistoryConfig;
pub use http::{HttpConfig, Token, TokenRole};
pub use load::{Fault, Faults, Origin, Sources, load};
pub use tones::TonesConfig;

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::media::{IceConfig, TurnServer};
use crate::ua::command::DtmfMethod;
use crate::ua::settings::{
    AccountSettings, AudioSettings, Cleaning, DialSettings, NoiseSuppression, PhoneSettings, PrivacySettings,
    RecordSettings, Secret, Settings, SipSettings, TlsSettings, TransferSettings, VideoSettings,
};

/// The whole configuration.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The socket and who may use it.
    pub rpc: RpcConfig,
    /// The same over HTTP and WebSocket.
    pub http: HttpConfig,
    /// How we present ourselves to SIP peers.
    pub sip: SipSettings,
    /// Whom we trust and who we are.
    pub tls: TlsSettings,
    /// RTP.
    pub media: MediaConfig,
    /// Sound devices.
    pub audio: AudioConfig,
    /// What agents hear besides their calls.
    pub tones: TonesConfig,
    /// Servers that help WebRTC to find a path.
    pub webrtc: WebrtcConfig,
    /// Where video comes from and goes to.
    pub video: VideoSettings,
    /// Recording.
    pub record: RecordConfig,
    /// How many calls, and how they behave.
    pub phone: PhoneSettings,
    /// What is kept on disk.
    pub store: StoreConfig,
    /// How much is remembered of the calls.
    pub history: HistoryConfig,
    /// How a transfer is made.
    pub transfer: TransferSettings,
    /// What becomes of a number before it is called.
    pub dial: DialSettings,
    /// Who calls, asked of a web server.
    pub lookup: LookupConfig,
    /// The broker of many hosts.
    pub fleet: FleetConfig,
    /// What is not told.
    pub privacy: PrivacySettings,
    /// What is logged.
    pub log: LogConfig,
    /// Web servers that are told what happens, by name.
    pub webhooks: BTreeMap<String, WebhookConfig>,
    /// Who we are, by name.
    pub accounts: BTreeMap<String, AccountSettings>,
}

impl Config {
    /// The files that held parties hear.
    pub fn hold_music(&self) -> Vec<String> {
        let all = self.accounts.values().filter_map(|account| account.hold_music.clone());
        let mut files: Vec<String> = self.phone.hold_music.iter().cloned().chain(all).collect();
        files.retain(|file| !file.is_empty());
        files.sort();
        files.dedup();
        files
    }

    /// The part that the phone itself reads.
    pub fn settings(&self) -> Settings {
        Settings {
            sip: self.sip.clone(),
            tls: self.tls.clone(),
            instance: String::new(),
            phone: self.phone.clone(),
            transfer: self.transfer.clone(),
            dial: self.dial.clone(),
            lookup: self.lookup.url.is_some(),
            privacy: self.privacy.clone(),
            audio: AudioSettings {
                input: self.audio.input.clone(),
                output: self.audio.output.clone(),
                ringer: self.audio.ringer.clone(),
                cleaning: Cleaning {
                    echo_cancellation: self.audio.echo_cancellation,
                    noise_suppression: self.audio.noise_suppression,
                    gain_control: self.audio.gain_control,
                },
            },
            record: RecordSettings {
                pbx_start: self.record.pbx_start.clone(),
                pbx_pause: self.record.pbx_pause.clone(),
                pbx_resume: self.record.pbx_resume.clone(),
                pbx_stop: self.record.pbx_stop.clone(),
                pbx_method: self.record.pbx_method,
            },
            video: self.video.clone(),
            codecs: self.media.codecs.clone(),
            accounts: self.accounts.clone(),
        }
    }
}

/// `[rpc]`
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RpcConfig {
    /// Where the socket is; left out: see [`RpcConfig::socket_path`].
    pub socket: Option<PathBuf>,
    /// Who may do what.
    pub roles: Roles,
}

impl RpcConfig {
    /// The socket's path: as configured, else systemd's runtime directory, `/run/phoned/phoned.sock` for root, or
    /// `$XDG_RUNTIME_DIR/phoned.sock` for a user's own daemon.
    pub fn socket_path(&self) -> PathBuf {
        if let Some(path) = &self.socket {
            return path.clone();
        }
        let directory = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let own = directory("RUNTIME_DIRECTORY")
            .or_else(|| if nix::unistd::Uid::effective().is_root() { None } else { directory("XDG_RUNTIME_DIR") });
        own.unwrap_or_else(|| PathBuf::from("/run/phoned")).join("phoned.sock")
    }
}

/// `[rpc.roles]`: user names, uids, or `@group`. Root and the daemon's own user are always admin; who is in no list is
/// turned away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Roles {
    /// May do everything.
    pub admin: Vec<String>,
    /// May see and make calls.
    pub call: Vec<String>,
    /// May see.
    pub observe: Vec<String>,
}

impl Default for Roles {
    fn default() -> Self {
        Roles { admin: vec!["root".into(), "phoned".into()], call: vec!["@phoned".into()], observe: Vec::new() }
    }
}

/// `[media]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MediaConfig {
    /// Ports for RTP (even) and RTCP (the odd one above): `FIRST-LAST`.
    pub rtp_ports: String,
    /// Codecs, best first: `opus`, `g722`, `pcmu`, `pcma`.
    pub codecs: Vec<String>,
    /// DSCP of RTP, 0–63 (46: expedited forwarding).
    pub dscp: u8,
}

impl Default for MediaConfig {
    fn default() -> Self {
        MediaConfig {
            rtp_ports: "20000-29999".into(),
            codecs: ["opus", "g722", "pcmu", "pcma"].map(Into::into).to_vec(),
            dscp: 46,
        }
    }
}

impl MediaConfig {
    /// The range of RTP ports. What the configuration has been checked for cannot fail; anything else gives the default.
    pub fn ports(&self) -> std::ops::RangeInclusive<u16> {
        check::ports(&self.rtp_ports).unwrap_or(20_000..=29_999)
    }
}

/// `[webrtc]`
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct WebrtcConfig {
    /// STUN servers: `stun:HOST` or `stun:HOST:PORT`.
    pub stun: Vec<String>,
    /// TURN servers.
    pub turn: Vec<TurnConfig>,
    /// Media goes over a TURN server or not at all: the peer never learns an address of ours.
    pub relay_only: bool,
}

/// One of `[webrtc] turn`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TurnConfig {
    /// `turn:HOST` or `turn:HOST:PORT`; by TCP with `?transport=tcp`.
    pub uri: String,
    /// The user of its long-term credential.
    pub username: String,
    /// The password.
    pub password: Secret,
}

impl WebrtcConfig {
    /// As the media engine wants them. What the configuration has been checked for cannot fail; anything else is left out.
    pub fn servers(&self) -> IceConfig {
        let turn = |turn: &TurnConfig| {
            let (address, tcp) = check::server(&turn.uri, "turn")?;
            Some(TurnServer { address, tcp, username: turn.username.clone(), password: turn.password.clone() })
        };
        IceConfig {
            stun: self.stun.iter().filter_map(|uri| check::server(uri, "stun")).map(|(address, _)| address).collect(),
            turn: self.turn.iter().filter_map(turn).collect(),
            relay_only: self.relay_only,
        }
    }
}

/// `[audio]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AudioConfig {
    /// The sound system: `auto` (PulseAudio, else ALSA, else none), `pulse`, `alsa` or `none`.
    pub host: String,
    /// The microphone: `default`, an id of `device.list`, `null`, `tone:HZ` or `file:PATH`.
    pub input: String,
    /// The loudspeaker: `default`, an id of `device.list`, `null` or `file:PATH`.
    pub output: String,
    /// Where incoming calls ring.
    pub ringer: String,
    /// A loudspeaker's echo is taken out of the microphone beside it.
    pub echo_cancellation: bool,
    /// What is left of a microphone's steady noise: `off` (all), `low`, `moderate`, `high`.
    pub noise_suppression: NoiseSuppression,
    /// A microphone's quiet speech is turned up, its loud speech down.
    pub gain_control: bool,
    /// The volume of microphones, percent, until `device.setVolume` says otherwise: 0 to 150.
    pub input_volume: u16,
    /// The volume of loudspeakers.
    pub output_volume: u16,
    /// The buttons of USB headsets answer, hang up, mute and hold, and their lights show it.
    pub headset_buttons: bool,
    /// Directories of the files that `audio.play` may play; none: it plays nothing.
    pub play_dirs: Vec<PathBuf>,
}

impl Default for AudioConfig {
    fn default() -> Self {
        let devices = AudioSettings::default();
        AudioConfig {
            host: "auto".into(),
            input: devices.input,
            output: devices.output,
            ringer: devices.ringer,
            echo_cancellation: devices.cleaning.echo_cancellation,
            noise_suppression: devices.cleaning.noise_suppression,
            gain_control: devices.cleaning.gain_control,
            input_volume: 100,
            output_volume: 100,
            headset_buttons: true,
            play_dirs: Vec::new(),
        }
    }
}

/// `[record]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RecordConfig {
    /// Where recordings are; left out: see [`RecordConfig::directory`].
    pub dir: Option<PathBuf>,
    /// A recording's path below it, without extension: `{date} {time} {account} {number} {direction} {callid}`.
    pub pattern: String,
    /// `wav` or `ogg` (Opus).
    pub format: String,
    /// Both sides hear a short tone when it begins and after each pause.
    pub beep: bool,
    /// Older recordings are deleted, days; 0: never.
    pub max_age_days: u64,
    /// The oldest are deleted when all are larger, MB; 0: never.
    pub max_total_mb: u64,
    /// Nothing is recorded with less free space, MB.
    pub min_free_mb: u64,
    /// The PBX's feature code to start recording.
    pub pbx_start: Option<String>,
    /// To pause.
    pub pbx_pause: Option<String>,
    /// To resume; left out: that to start.
    pub pbx_resume: Option<String>,
    /// To stop.
    pub pbx_stop: Option<String>,
    /// How they travel: `auto`, `rtp`, `info` or `inband`.
    pub pbx_method: DtmfMethod,
}

impl RecordConfig {
    /// The directory: as configured, else `recordings` in the state directory.
    pub fn directory(&self) -> PathBuf {
        self.dir.clone().unwrap_or_else(|| state_directory().join("recordings"))
    }
}

impl Default for RecordConfig {
    fn default() -> Self {
        RecordConfig {
            dir: None,
            pattern: "{date}/{account}-{number}-{callid}".into(),
            format: "wav".into(),
            beep: false,
            max_age_days: 0,
            max_total_mb: 0,
            min_free_mb: 100,
            pbx_start: None,
            pbx_pause: None,
            pbx_resume: None,
            pbx_stop: None,
            pbx_method: DtmfMethod::Auto,
        }
    }
}

/// `[store]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct StoreConfig {
    /// Keep events, call detail records and idempotency keys on disk.
    pub enabled: bool,
    /// Where; left out: see [`StoreConfig::directory`].
    pub dir: Option<PathBuf>,
    /// Events and records older than this go, days.
    pub max_age_days: u32,
    /// The oldest go when there are more, bytes.
    pub max_bytes: u64,
}

impl Default for StoreConfig {
    fn default() -> Self {
        StoreConfig { enabled: true, dir: None, max_age_days: 90, max_bytes: 1_073_741_824 }
    }
}

impl StoreConfig {
    /// The folder: as configured, else the state directory.
    pub fn directory(&self) -> PathBuf {
        self.dir.clone().unwrap_or_else(state_directory)
    }
}

/// systemd's state directory, else `/var/lib/phoned` for root, or `phoned` in `$XDG_STATE_HOME` (`~/.local/state`) for a user's
/// own daemon.
fn state_directory() -> PathBuf {
    let directory = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(dir) = directory("STATE_DIRECTORY") {
        return dir;
    }
    let shared = || PathBuf::from("/var/lib/phoned");
    if nix::unistd::Uid::effective().is_root() {
        return shared();
    }
    let state = directory("XDG_STATE_HOME").or_else(|| directory("HOME").map(|home| home.join(".local/state")));
    state.map_or_else(shared, |state| state.join("phoned"))
}

/// `[log]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LogConfig {
    /// `error`, `warn`, `info`, `debug`, `trace`, or a filter of tracing's (`info,phoned::sip=debug`).
    pub level: String,
    /// `text` or `json`.
    pub format: String,
}

impl Default for LogConfig {
    fn default() -> Self {
        LogConfig { level: "info".into(), format: "text".into() }
    }
}
