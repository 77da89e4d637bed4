//! The configuration: `Config` is the schema of `/etc/phoned/phoned.toml`; its defaults are the daemon's.

mod check;
mod load;
mod spans;

pub use check::{account_faults, read_password};
pub use load::{Fault, Faults, Sources, load};

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ua::settings::{AccountSettings, AudioSettings, PhoneSettings, Settings, SipSettings, TransferSettings};

/// The whole configuration.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The socket and who may use it.
    pub rpc: RpcConfig,
    /// How we present ourselves to SIP peers.
    pub sip: SipSettings,
    /// RTP.
    pub media: MediaConfig,
    /// Sound devices.
    pub audio: AudioConfig,
    /// How many calls, and how they behave.
    pub phone: PhoneSettings,
    /// How a transfer is made.
    pub transfer: TransferSettings,
    /// What is logged.
    pub log: LogConfig,
    /// Who we are, by name.
    pub accounts: BTreeMap<String, AccountSettings>,
}

impl Config {
    /// The part that the phone itself reads.
    pub fn settings(&self) -> Settings {
        Settings {
            sip: self.sip.clone(),
            phone: self.phone.clone(),
            transfer: self.transfer.clone(),
            audio: AudioSettings {
                input: self.audio.input.clone(),
                output: self.audio.output.clone(),
                ringer: self.audio.ringer.clone(),
            },
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
    /// Codecs, best first: `opus`, `pcmu`, `pcma`.
    pub codecs: Vec<String>,
    /// DSCP of RTP, 0–63 (46: expedited forwarding).
    pub dscp: u8,
}

impl Default for MediaConfig {
    fn default() -> Self {
        MediaConfig {
            rtp_ports: "20000-29999".into(),
            codecs: vec!["opus".into(), "pcmu".into(), "pcma".into()],
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
}

impl Default for AudioConfig {
    fn default() -> Self {
        let devices = AudioSettings::default();
        AudioConfig { host: "auto".into(), input: devices.input, output: devices.output, ringer: devices.ringer }
    }
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
