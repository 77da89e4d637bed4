//! What is remembered of one call.

use std::net::SocketAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value};

use super::ends::{Ends, Weighed};
use crate::sip::flow::Transport;
use crate::ua::cdr::Cdr;
use crate::ua::event::{Event, rfc3339};
use crate::ua::status::CommunicationType;
use crate::ua::view::{Metrics, RtcSession};

/// What the messages, and what the events of one call may take, bytes: each answer has to fit into a reply.
pub(super) const MOST: usize = 512 * 1024;
/// Samples of one call; then each second one goes, and half as many come from there on.
const SAMPLES: usize = 1200;
/// Changes of its devices.
const DEVICES: usize = 32;

/// Seen from here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "MessageDirection")]
pub enum Direction {
    /// It came.
    In,
    /// It went.
    Out,
}

/// A SIP message of a call.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "SipMessage")]
pub struct Message {
    /// When it came or went.
    #[serde(serialize_with = "time")]
    #[schemars(with = "String")]
    time: i64,
    /// `in` or `out`.
    direction: Direction,
    /// `udp`, `tcp`, `tls`, `ws` or `wss`.
    transport: &'static str,
    /// Our address.
    #[schemars(with = "String")]
    local: SocketAddr,
    /// The other one.
    #[schemars(with = "String")]
    remote: SocketAddr,
    /// The message, with asterisks for credentials, keys, passwords and digits.
    message: String,
}

impl Message {
    pub(super) fn new(
        time: i64,
        direction: Direction,
        transport: Transport,
        local: SocketAddr,
        remote: SocketAddr,
        message: String,
    ) -> Message {
        Message { time, direction, transport: transport.param(), local, remote, message }
    }
}

impl Weighed for Message {
    fn weight(&self) -> usize {
        self.message.len() + 128
    }
}

/// The SIP of a call: `session.trace`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Trace<'a> {
    /// Which call.
    call_id: &'a str,
    /// It is not over yet.
    live: bool,
    /// Its messages in their order.
    messages: Vec<&'a Message>,
    /// So many are missing behind the 16th, since there were too many.
    left_out: u64,
}

/// How a call sounded at one time.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "ReportSample")]
pub struct Sample {
    /// When.
    #[serde(serialize_with = "time")]
    #[schemars(with = "String")]
    time: i64,
    /// The codec.
    codec: String,
    /// The figures of that `callReport`.
    #[schemars(with = "Metrics")]
    metrics: Box<RawValue>,
}

/// An event of a call, shortened.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "ReportEvent")]
pub struct Told {
    /// Its seq.
    seq: u64,
    /// When.
    #[serde(serialize_with = "time")]
    #[schemars(with = "String")]
    time: i64,
    /// Its name.
    event: String,
    /// As the event's name says, without the snapshots of the session.
    #[schemars(with = "Map<String, Value>")]
    data: Box<RawValue>,
}

impl Weighed for Told {
    fn weight(&self) -> usize {
        self.data.get().len() + self.event.len() + 64
    }
}

/// The devices of a call from a time on.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeviceUse {
    /// From when on.
    #[serde(serialize_with = "time")]
    #[schemars(with = "String")]
    time: i64,
    /// The microphone.
    input: String,
    /// The loudspeaker.
    output: String,
}

/// What is known of a call: `session.report`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "CallHistory")]
pub struct Report<'a> {
    /// Which call.
    call_id: &'a str,
    /// Its account.
    account: &'a str,
    /// It is not over yet.
    live: bool,
    /// `inbound` or `outbound`.
    #[schemars(with = "CommunicationType")]
    direction: &'a str,
    /// The other side's number.
    number: &'a str,
    /// The other side's name.
    name: &'a str,
    /// Its company.
    company: &'a str,
    /// When it began.
    #[serde(serialize_with = "time")]
    #[schemars(with = "String")]
    started_at: i64,
    /// When it was answered.
    #[serde(serialize_with = "maybe")]
    #[schemars(with = "Option<String>")]
    answered_at: Option<i64>,
    /// When it was over.
    #[serde(serialize_with = "maybe")]
    #[schemars(with = "Option<String>")]
    ended_at: Option<i64>,
    /// The dialog and its media, as the last event showed them.
    #[serde(rename = "RTCSession")]
    #[schemars(with = "Option<RtcSession<'static>>")]
    rtc_session: Option<&'a RawValue>,
    /// The devices that it used, one after the other.
    devices: &'a [DeviceUse],
    /// A row per `callReport`.
    samples: &'a [Sample],
    /// One of so many `callReport`s is here: 1 until there were 1200.
    every: u64,
    /// Its events, without samples.
    events: Vec<&'a Told>,
    /// So many are missing behind the 16th, since there were too many.
    left_out: u64,
    /// Its record; null before its end.
    #[schemars(with = "Option<Cdr>")]
    cdr: Option<&'a RawValue>,
    /// How many messages `session.trace` has.
    messages: usize,
}

/// A call.
#[derive(Debug)]
pub(super) struct Call {
    call_id: String,
    account: String,
    pub live: bool,
    direction: String,
    number: String,
    name: String,
    company: String,
    started: i64,
    answered: Option<i64>,
    ended: Option<i64>,
    rtc: Option<Box<RawValue>>,
    devices: Vec<DeviceUse>,
    samples: Vec<Sample>,
    every: u64,
    /// `callReport`s so far.
    reports: u64,
    sample_bytes: usize,
    events: Ends<Told>,
    cdr: Option<Box<RawValue>>,
    pub messages: Ends<Message>,
}

/// What is read of a `callReport`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Heard {
    call_report: Codec,
    metrics: Box<RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Codec {
    lks_audio_codec: String,
}

impl Call {
    pub fn new(call_id: &str, account: String, started: i64) -> Call {
        Call {
            call_id: call_id.to_owned(),
            account,
            live: true,
            direction: String::new(),
            number: String::new(),
            name: String::new(),
            company: String::new(),
            started,
            answered: None,
            ended: None,
            rtc: None,
            devices: Vec::new(),
            samples: Vec::new(),
            every: 1,
            reports: 0,
            sample_bytes: 0,
            events: Ends::default(),
            cdr: None,
            messages: Ends::default(),
        }
    }

    /// What it takes, about.
    pub fn bytes(&self) -> usize {
        self.messages.bytes() + self.events.bytes() + self.sample_bytes + 4096
    }

    /// An event of it; `limit` is for its events, bytes.
    pub fn take(&mut self, event: &Event, limit: usize) {
        match event.name.as_str() {
            "callReport" => return self.sample(event),
            "accepted" => self.answered = self.answered.or(Some(event.wall)),
            "ended" | "failed" | "clientError" => self.ended = Some(event.wall),
            "deleteSession" => self.live = false,
            "cdrChange" => self.cdr = to_raw_value(&event.data["cdr"]).ok(),
            _ => {}
        }
        let session = &event.data["session"];
        if session.is_object() {
            self.rtc = to_raw_value(&session["RTCSession"]).ok();
        }
        for status in [&session["status"], &event.data["newStatus"]] {
            let fields = [
                ("communicationType", &mut self.direction),
                ("number", &mut self.number),
                ("name", &mut self.name),
                ("company", &mut self.company),
            ];
            for (key, field) in fields {
                if let Some(text) = status[key].as_str() {
                    text.clone_into(field);
                }
            }
        }
        let told = Told { seq: event.seq, time: event.wall, event: event.name.clone(), data: shortened(&event.data) };
        self.events.push(told, limit);
    }

    fn sample(&mut self, event: &Event) {
        self.reports += 1;
        if !(self.reports - 1).is_multiple_of(self.every) {
            return;
        }
        let Some(heard) = event.data.read::<Heard>() else { return };
        let codec = heard.call_report.lks_audio_codec;
        self.samples.push(Sample { time: event.wall, codec, metrics: heard.metrics });
        if self.samples.len() > SAMPLES {
            let mut index = 0;
            self.samples.retain(|_| {
                index += 1;
                index % 2 == 1
            });
            self.every *= 2;
        }
        self.sample_bytes = self.samples.iter().map(|sample| sample.metrics.get().len() + 64).sum();
    }

    pub fn use_devices(&mut self, time: i64, input: &str, output: &str) {
        let same = |last: &DeviceUse| last.input == input && last.output == output;
        if self.devices.last().is_some_and(same) {
            return;
        }
        if self.devices.len() == DEVICES {
            self.devices.remove(1);
        }
        self.devices.push(DeviceUse { time, input: input.to_owned(), output: output.to_owned() });
    }

    pub fn trace(&self) -> Trace<'_> {
        let messages: Vec<&Message> = self.messages.iter().collect();
        Trace { call_id: &self.call_id, live: self.live, messages, left_out: self.messages.left_out() }
    }

    pub fn report(&self) -> Report<'_> {
        Report {
            call_id: &self.call_id,
            account: &self.account,
            live: self.live,
            direction: &self.direction,
            number: &self.number,
            name: &self.name,
            company: &self.company,
            started_at: self.started,
            answered_at: self.answered,
            ended_at: self.ended,
            rtc_session: self.rtc.as_deref(),
            devices: &self.devices,
            samples: &self.samples,
            every: self.every,
            events: self.events.iter().collect(),
            left_out: self.events.left_out(),
            cdr: self.cdr.as_deref(),
            messages: self.messages.len(),
        }
    }
}

/// The data of an event without snapshots of the session: of two statuses only what differs.
fn shortened(data: &Value) -> Box<RawValue> {
    const WHOLE: [&str; 5] = ["callId", "session", "newStatus", "oldStatus", "cdr"];
    let parts = data.as_object().into_iter().flatten().filter(|(key, _)| !WHOLE.contains(&key.as_str()));
    let mut short: Map<String, Value> = parts.map(|(key, value)| (key.clone(), value.clone())).collect();
    if let Some(new) = data["newStatus"].as_object() {
        let differs = new.iter().filter(|(key, value)| data["oldStatus"][key.as_str()] != **value);
        short.insert("newStatus".to_owned(), differs.map(|(key, value)| (key.clone(), value.clone())).collect());
    }
    to_raw_value(&short).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

fn time<S: serde::Serializer>(wall: &i64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&rfc3339(*wall))
}

fn maybe<S: serde::Serializer>(wall: &Option<i64>, serializer: S) -> Result<S::Ok, S::Error> {
    wall.map(rfc3339).serialize(serializer)
}
