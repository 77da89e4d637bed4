//! What the methods return, as types: for the documents, and for the tests that hold every answer against them.
//!
//! The phone makes its answers as JSON; nothing here is ever built. An `Option` is null where there is nothing; with
//! `skip_serializing_if` it is left out.

mod diagnosis;
mod fleet;
mod history;
mod log;
mod recording;
mod session;
mod webhook;

pub use diagnosis::*;
pub use fleet::*;
pub use history::*;
pub use log::*;
pub use recording::*;
pub use session::*;
pub use webhook::*;

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::ua::command::{AgentState, AudioFormat, AudioMode, AudioPort};
use crate::ua::contact::Lookups;
use crate::ua::io::{DeviceInfo, DeviceLevel};
use crate::ua::settings::AutoAnswer;

/// `true`: done.
#[derive(Debug)]
pub struct True;

impl JsonSchema for True {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "True".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "const": true })
    }
}

/// An audio socket that waits for its client, 30 s.
#[derive(Debug, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AudioSocket {
    /// Its name.
    pub audio_id: String,
    /// Where it is.
    pub path: String,
    /// Its points.
    pub ports: Vec<AudioPort>,
    /// What it does.
    pub mode: AudioMode,
    /// How samples look.
    pub format: AudioFormat,
}

/// A document of OpenRPC.
#[derive(Debug)]
pub struct Document;

impl JsonSchema for Document {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Document".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "object", "required": ["openrpc", "info", "methods"], "additionalProperties": true })
    }
}

/// The number of a subscription: its events carry it, and `events.unsubscribe` takes it.
pub type Subscription = u64;

/// A session, or null.
pub type SessionOrNull = Option<Session>;

/// The daemon itself.
#[derive(Debug, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Info {
    /// `phoned`
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its process.
    pub pid: u32,
    /// Since its start.
    pub uptime_ms: u64,
    /// The life of the event log: a seq means something only together with it.
    pub epoch: String,
}

/// What a reload has changed: keys of the configuration, never values. An account that is new or gone is one key.
#[derive(Debug, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Reloaded {
    /// They hold from now on: for live calls where they can, else for the next.
    pub changed: Vec<String>,
    /// They differ from what the daemon runs with, and wait for its next start.
    pub needs_restart: Vec<String>,
}

/// A drain that has begun.
#[derive(Debug, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Draining {
    /// How many sessions it waits for.
    pub sessions: usize,
    /// How long, s.
    pub timeout: u64,
}

/// Whether the daemon can do its work.
#[derive(Debug, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Health {
    /// Every account that shall be registered is.
    pub ok: bool,
    /// Every account.
    pub accounts: Vec<Account>,
    /// The bridge to a broker, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fleet: Option<Fleet>,
}

/// An account, without its secrets.
#[derive(Debug, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Account {
    /// Its name.
    pub name: String,
    /// Its address of record.
    pub uri: String,
    /// Where it registers; null where it does not.
    pub registrar: Option<String>,
    /// The proxies that its requests go through.
    pub proxies: Vec<String>,
    /// The name shown to others.
    pub display_name: Option<String>,
    /// It is to be registered.
    pub register: bool,
    /// It is.
    pub is_registered: bool,
    /// How its registration stands.
    pub registration: Registration,
    /// `udp` or `tcp`; null before anything was sent.
    pub transport: Option<String>,
    /// The seat, where the settings name one.
    pub seat: Option<String>,
    /// Its microphone, where it has one of its own.
    pub input: Option<String>,
    /// Its loudspeaker, where it has one of its own.
    pub output: Option<String>,
    /// It answers by itself after so many ms, or when the INVITE asks for it (`header`).
    pub auto_answer: Option<AutoAnswer>,
}

/// How a registration stands.
#[derive(Debug, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Registration {
    /// How far it is.
    pub state: RegistrationState,
    /// Seconds until the registrar forgets it.
    pub expires_in: Option<u64>,
    /// Failures in a row.
    pub failures: u32,
    /// Until the next try.
    pub retry_in_ms: Option<u64>,
}

/// How far a registration is.
#[derive(Debug, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RegistrationState {
    /// Nobody wants it.
    Off,
    /// The way to the registrar is sought.
    Connecting,
    /// The REGISTER is out.
    Registering,
    /// The registrar has it.
    Registered,
    /// It failed and is tried again after `retryInMs`.
    Waiting,
    /// It is being taken back.
    Unregistering,
}

/// The sound devices, and what they are used for.
#[derive(Debug, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Devices {
    /// The devices of the host.
    pub devices: Vec<Device>,
    /// The default of all accounts.
    pub roles: Roles,
}

/// What a test of devices found.
#[derive(Debug, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeviceTested {
    /// The microphone that was tried; null: none.
    pub input: Option<String>,
    /// The loudspeaker that was tried; null: none.
    pub output: Option<String>,
    /// The loudspeaker was open, and the sound was given to it.
    pub played: bool,
    /// The microphone gave more than silence.
    pub heard: bool,
    /// What it gave, dBov (-127: silence); null: nothing was recorded.
    pub level_dbov: Option<f64>,
    /// So much later than it was played the sound came back through the microphone, ms; null: it did not.
    pub delay_ms: Option<f64>,
    /// What that means.
    pub finding: DeviceFinding,
    /// The same in plain words.
    pub message: String,
}

/// The outcome of a test of devices.
#[derive(Debug, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum DeviceFinding {
    /// They work, as far as the phone can tell.
    Ok,
    /// They work, and the microphone hears the loudspeaker.
    LoopHeard,
    /// The microphone gives nothing but silence.
    SilentMicrophone,
    /// The microphone did not open.
    NothingRecorded,
    /// The loudspeaker did not open.
    NothingPlayed,
}

/// Which device does what.
#[derive(Debug, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "DeviceRoles")]
pub struct Roles {
    /// The microphone.
    pub input: String,
    /// The loudspeaker.
    pub output: String,
    /// Where incoming calls ring.
    pub ringer: String,
}

/// The agent of a seat.
#[derive(Debug, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Agent {
    /// The seat.
    pub seat: String,
    /// Its accounts.
    pub accounts: Vec<String>,
    /// What the agent does.
    pub state: AgentState,
    /// Not to be disturbed, whatever the state.
    pub dnd: bool,
    /// Why not ready, in the agent's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When the wrap-up ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// Where callers are sent meanwhile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forward: Option<String>,
    /// Since when all this holds; left out: since the daemon's start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
}

/// The phone as a whole.
#[derive(Debug, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Phone {
    /// An account is registered.
    pub is_registered: bool,
    /// How many accounts there are.
    pub accounts: usize,
    /// The callIds of the sessions.
    pub sessions: Vec<String>,
    /// The callId of the current one.
    pub current_session: Option<String>,
    /// The agent of each seat.
    pub agents: Vec<Agent>,
    /// What users may do about recording: 0 nothing, 1 pause and resume, 2 also start and stop.
    pub record_permissions: u8,
    /// How look-ups of callers went since the daemon began.
    pub lookups: Lookups,
    /// The seq of the last event.
    pub seq: u64,
    /// What is under way inside.
    pub counts: Counts,
}

/// What is under way inside the phone: some half a minute after its last call it is what it was before the first.
#[derive(Debug, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    /// Sessions.
    pub sessions: usize,
    /// SIP dialogs.
    pub dialogs: usize,
    /// Answers whose session is over, still owed their ACK.
    pub orphans: usize,
    /// Recordings that are not closed.
    pub recordings: usize,
    /// SIP transactions.
    pub transactions: usize,
    /// Requests of ours that wait for their end.
    pub requests: usize,
    /// Questions to the resolver.
    pub queries: usize,
    /// Sockets and streams.
    pub flows: usize,
    /// Timers.
    pub timers: usize,
    /// Clients that wait for an answer.
    pub waiting: usize,
}

/// Every account.
pub type Accounts = Vec<Account>;

/// A sound device, and how loud it is.
#[derive(Debug, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Device {
    /// The device.
    #[serde(flatten)]
    pub device: DeviceInfo,
    /// Its microphone's volume, percent (`device.setVolume`); null: it has none.
    pub input_volume: Option<u16>,
    /// Its loudspeaker's volume, percent.
    pub output_volume: Option<u16>,
    /// What the microphone gives, with its volume; null: it is not open.
    pub input_level: Option<DeviceLevel>,
    /// What the loudspeaker plays of the phone's, with its volume; null: it is not open.
    pub output_level: Option<DeviceLevel>,
}
