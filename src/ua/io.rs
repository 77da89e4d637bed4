//! What goes into the phone and what comes out of it: the two enums that tell the program.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::command::Command;
use super::contact::{Contact, Wanted};
use super::error::Error;
use super::event::Event;
use super::headset::{Button, Headset, Lights};
use super::media::{MediaCommand, MediaEvent, ToneCommand};
use super::settings::Access;

/// Microseconds of a clock that never stops nor jumps (CLOCK_BOOTTIME in the daemon).
pub type Mono = u64;

/// The time at which an input is handled, read once by the shell.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Now {
    /// Monotonic time, µs.
    pub mono: Mono,
    /// Wall time, ms since 1970.
    pub wall: i64,
}

/// A session's number inside the daemon: never reused in one life of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SessionId(pub u64);

/// Names the caller that waits for a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ReplyId(pub u64);

/// Names a question to the resolver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct QueryId(pub u64);

pub use crate::sip::flow::{FlowId, Hop, Transport};

/// A host to be resolved (RFC 3263): the answer is a list of targets, best first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Host {
    /// A name or an address literal (an IPv6 literal without brackets).
    pub name: String,
    /// The port, where the URI names one.
    pub port: Option<u16>,
    /// The transport, where the URI names one.
    pub transport: Option<Transport>,
}

/// An address that a request can be sent to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Target {
    /// Where to send.
    pub addr: SocketAddr,
    /// By which transport.
    pub transport: Transport,
    /// The address of this host that reaches it: what Via, Contact and SDP shall name.
    pub local_ip: IpAddr,
    /// The name that was resolved: whom a certificate must be for, whatever SRV said.
    pub name: String,
}

/// Everything that can happen to the phone.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "handled at once, never kept")]
pub enum Input<'a> {
    /// The time that `poll_timeout` named has come.
    Timeout,
    /// One datagram, or one whole message cut from a stream by `sip::framing`.
    Received {
        /// The flow it came on.
        flow: FlowId,
        /// Who sent it.
        from: SocketAddr,
        /// The bytes; a lone CRLF is a stream's answer to our keep-alive.
        bytes: &'a [u8],
    },
    /// A socket listens (UDP: it carries messages too), or a stream is connected.
    FlowUp {
        /// Its id: that of the `OpenFlow`, or one of the edge's own (≥ 2³²) for sockets it opened itself.
        flow: FlowId,
        /// What it speaks.
        transport: Transport,
        /// The address of our end (may be unspecified for a listening UDP socket).
        local: SocketAddr,
        /// The address of the other end; none for a socket that listens.
        remote: Option<SocketAddr>,
    },
    /// A flow is gone, or could not be opened.
    FlowClosed {
        /// Which one.
        flow: FlowId,
        /// Why, in plain words.
        reason: String,
    },
    /// A user wants something; the answer is `Output::Reply` with the same id.
    Command {
        /// To whom the reply goes.
        reply: ReplyId,
        /// What is wanted.
        command: Command,
    },
    /// The media engine tells something of a session.
    Media(SessionId, MediaEvent),
    /// The resolver's answer: empty when there is none.
    Resolved(QueryId, Vec<Target>),
    /// The CRM's answer to `Output::Lookup`.
    Contact(SessionId, Contact),
    /// The devices of the host, whenever they change.
    Devices(Vec<DeviceInfo>),
    /// The addresses of the host's interfaces, whenever they change.
    Addresses(BTreeSet<IpAddr>),
    /// The headsets with buttons, whenever they change.
    Headsets(Vec<Headset>),
    /// A button of one was pressed.
    Button {
        /// Which headset: [`Headset::hardware`].
        hardware: String,
        /// Which button.
        button: Button,
    },
    /// How loud the devices are: before `device.list` and `device.get`.
    Gauges(Vec<DeviceGauge>),
    /// The answer to `Output::DeviceTest`; an error: it could not be done, and why.
    DeviceTested(ReplyId, Result<Trial, String>),
    /// An edge has something to tell that wants a look: the data of an `alert`.
    Alert(Value),
}

/// Everything that the phone wants done.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// Send these bytes.
    Send {
        /// On this flow.
        flow: FlowId,
        /// To this address (a stream flow has one only).
        to: SocketAddr,
        /// A whole SIP message, or a keep-alive (a double CRLF; on a WebSocket it becomes a ping frame).
        bytes: Vec<u8>,
    },
    /// Connect a stream; the answer is `FlowUp` or `FlowClosed`.
    OpenFlow {
        /// The id it shall have (< 2³²). That of a flow that has closed may be used again.
        flow: FlowId,
        /// Where to.
        target: Target,
        /// What TLS and WebSocket need to know besides.
        access: Box<Access>,
    },
    /// Close a stream.
    CloseFlow(FlowId),
    /// Resolve a host; the answer is `Input::Resolved`.
    Resolve(QueryId, Host),
    /// Ask the CRM who that is; the answer is `Input::Contact`, and nothing waits for it.
    Lookup(Wanted),
    /// A command for the media engine.
    Media(SessionId, MediaCommand),
    /// A tone for an agent begins or ends.
    Tone(ToneCommand),
    /// A device is turned up or down.
    Volume {
        /// Which one.
        id: String,
        /// Its microphone, percent; none: as before.
        input: Option<u16>,
        /// Its loudspeaker.
        output: Option<u16>,
    },
    /// A headset's lights change.
    Lights {
        /// Which one: [`Headset::hardware`].
        hardware: String,
        /// All that it shows from now on.
        lights: Lights,
    },
    /// Try devices out; the answer is `Input::DeviceTested`.
    DeviceTest(ReplyId, DeviceTrial),
    /// The answer to a `Command`.
    Reply(ReplyId, Result<Value, Error>),
    /// Something happened: for every subscriber.
    Event(Event),
}

/// Devices to be tried out: a sound is played, and looked for in what is recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceTrial {
    /// The microphone; none: nothing is recorded.
    pub input: Option<String>,
    /// The loudspeaker; none: nothing is played.
    pub output: Option<String>,
    /// For so long.
    pub seconds: u32,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Trial {
    /// The microphone.
    pub input: Option<String>,
    /// The loudspeaker.
    pub output: Option<String>,
    /// The loudspeaker was open; none: there was none to try.
    pub played: Option<bool>,
    /// The microphone was open.
    pub recorded: Option<bool>,
    /// What it gave, dBov (−127: silence).
    pub level_dbov: Option<f64>,
    /// So much later than it was played the sound was recorded, ms; none: it was not.
    pub delay_ms: Option<f64>,
}

/// A sound device of the host, or one of the built-in ones.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeviceInfo {
    /// What `device.setRole` and the configuration call it (`pulse:NAME`, `alsa:NAME`, `null`).
    pub id: String,
    /// A name for people.
    pub name: String,
    /// It can record.
    pub input: bool,
    /// It can play.
    pub output: bool,
    /// The sound server's default for recording.
    pub default_input: bool,
    /// The sound server's default for playing.
    pub default_output: bool,
    /// It is in use, and the sound server has put it to sleep: silence until it wakes it.
    pub suspended: bool,
    /// The USB device that it is part of, as `/sys` has it: the microphone, the loudspeaker and the buttons of a headset share it. Null:
    /// it is none, or it is not known.
    #[serde(default)]
    pub hardware: Option<String>,
}

/// How loud a device is, and shall be.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeviceGauge {
    /// The device.
    pub id: String,
    /// Its microphone's volume, percent (`device.setVolume`); null: it has none.
    pub input_volume: Option<u16>,
    /// Its loudspeaker's volume, percent.
    pub output_volume: Option<u16>,
    /// What the microphone gives, with its volume; null: it is not open.
    pub input_level: Option<DeviceLevel>,
    /// What the loudspeaker plays of the phone's, with its volume; null: it is not open.
    pub output_level: Option<DeviceLevel>,
}

/// A level over the last 200 ms, in dBov: 0 is the loudest there can be, -127 silence.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeviceLevel {
    /// The greatest sample.
    pub peak_dbov: f64,
    /// The effective value.
    pub rms_dbov: f64,
}
