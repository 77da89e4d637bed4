//! Call detail records: one a session, made where it ends; and what an event log that breaks off leaves to be ended.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Ua;
use super::event::{Event, rfc3339};
use super::io::{Now, Output, SessionId};
use super::status::CommunicationType;

/// What is kept of a session when it is over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Cdr {
    /// The session.
    pub call_id: String,
    /// Its account.
    pub account: String,
    /// Who called whom.
    pub direction: CommunicationType,
    /// The other party's number.
    pub number: String,
    /// The number that was dialled.
    pub called_number: String,
    /// The other party's name.
    pub name: String,
    /// When it began.
    pub start_time: String,
    /// When it was answered.
    pub answer_time: Option<String>,
    /// When it ended.
    pub end_time: String,
    /// Ringing, s.
    pub ring_sec: u64,
    /// Since the answer, s.
    pub talk_sec: u64,
    /// On hold, s.
    pub hold_sec: u64,
    /// Why it ended.
    pub cause: String,
    /// The SIP status that ended it, where one did.
    pub code: Option<u64>,
    /// Who ended it: `local`, `remote`, `system`.
    pub by: String,
    /// Who it was transferred to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transferred_to: Option<String>,
    /// The file that it was recorded to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recording: Option<String>,
    /// How it sounded (ITU-T G.107), where it was measured.
    pub mos: Option<f64>,
    /// The user's words.
    pub tags: Vec<String>,
}

impl Ua {
    /// The record of a session that ends now. `data` is that of its terminal event.
    pub(super) fn cdr(&self, id: SessionId, data: &Value) -> Option<Cdr> {
        let session = self.sessions.get(&id)?;
        let timer = session.timer(self.now.mono);
        let age = i64::try_from(self.now.mono.saturating_sub(session.created) / 1_000).unwrap_or(0);
        let text = |key: &str| data[key].as_str().map(str::to_owned);
        Some(Cdr {
            call_id: session.call_id.clone(),
            account: session.account.clone(),
            direction: session.direction,
            number: session.number.clone(),
            called_number: session.called_number.clone(),
            name: session.person.name.clone(),
            start_time: rfc3339(self.now.wall - age),
            answer_time: (session.answered_wall > 0).then(|| rfc3339(session.answered_wall)),
            end_time: rfc3339(self.now.wall),
            ring_sec: timer.ring_duration,
            talk_sec: timer.call_duration,
            hold_sec: timer.hold_duration,
            cause: text("cause").unwrap_or_default(),
            code: data["code"].as_u64(),
            by: text("by").unwrap_or_else(|| "system".into()),
            transferred_to: session.transferred_to.clone(),
            recording: session.recorded_to.clone(),
            mos: (session.stats.rx_packets > 0).then_some((session.stats.mos * 100.0).round() / 100.0),
            tags: session.tags.clone(),
        })
    }

    /// `cdrChange`: the record of a session that is gone.
    pub(super) fn tell_cdr(&mut self, cdr: Option<Cdr>) {
        let Some(cdr) = cdr else { return };
        let data = json!({ "callId": cdr.call_id, "cdr": cdr });
        self.tell_left("cdrChange", &cdr, data);
    }

    /// Goes on where an event log ends: `seq` was its last. Sessions that it leaves open are ended before anything else is told.
    pub fn resume(&mut self, now: Now, seq: u64, unfinished: Unfinished) {
        self.now = now;
        self.seq = seq;
        let told = std::mem::take(&mut self.out);
        for left in unfinished.open.into_values() {
            let cdr = left.record(unfinished.last_wall);
            if !left.over {
                let (event, mut data) = match left.answered {
                    Some(_) => ("ended", json!({ "cause": cdr.cause, "by": cdr.by })),
                    None => ("failed", json!({ "cause": cdr.cause, "code": cdr.code, "by": cdr.by })),
                };
                data["callId"] = cdr.call_id.clone().into();
                self.tell_left(event, &cdr, data);
            }
            if !left.deleted {
                self.tell_left("deleteSession", &cdr, json!({ "callId": cdr.call_id }));
            }
            self.tell_cdr(Some(cdr));
        }
        for mut output in told {
            if let Output::Event(event) = &mut output {
                self.seq += u64::from(!event.sample);
                event.seq = self.seq;
            }
            self.out.push_back(output);
        }
    }

    fn tell_left(&mut self, name: &str, cdr: &Cdr, data: Value) {
        self.tell(false, name, Some(cdr.call_id.clone()), Some(cdr.account.clone()), data.into());
    }
}

/// The sessions that a sequence of events leaves without their record.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Unfinished {
    open: BTreeMap<String, Left>,
    last_wall: i64,
}

/// One of them, as far as its events tell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Left {
    cdr: Cdr,
    started: i64,
    rang: Option<i64>,
    answered: Option<i64>,
    held_since: Option<i64>,
    held_ms: i64,
    over: bool,
    deleted: bool,
}

/// What is read of a `statusChange`, or a `staticStatusChange`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Changed<T> {
    new_status: T,
}

#[derive(Deserialize)]
struct Person {
    name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Held {
    is_hold: bool,
    tags: Vec<String>,
}

/// What is read of `recording.started`: where the PBX records there is no path.
#[derive(Deserialize)]
struct Recorded {
    path: Option<String>,
}

/// What is read of `transferred`.
#[derive(Deserialize)]
struct Transferred {
    number: Option<String>,
}

/// What is read of a session's last event.
#[derive(Default, Deserialize)]
struct Over {
    #[serde(default)]
    cause: String,
    code: Option<u64>,
    by: Option<String>,
}

/// What is read of a new session.
#[derive(Deserialize)]
struct Begun {
    session: Of,
}

#[derive(Deserialize)]
struct Of {
    status: Parties,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Parties {
    communication_type: CommunicationType,
    #[serde(default)]
    number: String,
    #[serde(default)]
    called_number: String,
    #[serde(default)]
    name: String,
}

impl Unfinished {
    /// Follows the log: one event after the other.
    pub fn follow(&mut self, event: &Event) {
        let (Some(call_id), wall) = (&event.call_id, event.wall) else { return };
        if event.sample {
            return;
        }
        self.last_wall = self.last_wall.max(wall);
        if event.name == "newRTCSession" {
            if let Some(Begun { session: Of { status } }) = event.data.read() {
                self.open.insert(call_id.clone(), Left::new(event, call_id, status));
            }
            return;
        }
        if event.name == "cdrChange" {
            self.open.remove(call_id);
            return;
        }
        let Some(left) = self.open.get_mut(call_id) else { return };
        match event.name.as_str() {
            "incoming" => left.rang = left.rang.or(Some(wall)),
            "progress" => left.rang = left.rang.or(Some(wall)),
            "accepted" => left.answered = left.answered.or(Some(wall)),
            "recording.started" => {
                let path = event.data.read().and_then(|Recorded { path }| path);
                left.cdr.recording = path.or(left.cdr.recording.take());
            }
            "transferred" => left.cdr.transferred_to = event.data.read().and_then(|Transferred { number }| number),
            "staticStatusChange" => {
                left.cdr.name =
                    event.data.read().map(|Changed { new_status: Person { name } }| name).unwrap_or_default();
            }
            "statusChange" => {
                let Some(Changed { new_status: Held { is_hold, tags } }) = event.data.read() else { return };
                left.cdr.tags = tags;
                left.held_ms += left.held_since.take().map_or(0, |since| wall - since);
                left.held_since = is_hold.then_some(wall);
            }
            "ended" | "failed" | "clientError" => {
                let Over { cause, code, by } = event.data.read().unwrap_or_default();
                left.over = true;
                (left.cdr.cause, left.cdr.code) = (cause, code);
                left.cdr.by = by.unwrap_or_else(|| "system".into());
            }
            "deleteSession" => left.deleted = true,
            _ => {}
        }
    }

    /// No session is open.
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }
}

impl Left {
    fn new(event: &Event, call_id: &str, status: Parties) -> Left {
        let cdr = Cdr {
            call_id: call_id.to_owned(),
            account: event.account.clone().unwrap_or_default(),
            direction: status.communication_type,
            number: status.number,
            called_number: status.called_number,
            name: status.name,
            start_time: rfc3339(event.wall),
            answer_time: None,
            end_time: String::new(),
            ring_sec: 0,
            talk_sec: 0,
            hold_sec: 0,
            cause: "Internal Error".into(),
            code: None,
            by: "system".into(),
            transferred_to: None,
            recording: None,
            mos: None,
            tags: Vec::new(),
        };
        let started = event.wall;
        Left { cdr, started, rang: None, answered: None, held_since: None, held_ms: 0, over: false, deleted: false }
    }

    /// The record of a session that broke off: it ended when the last event of all was told.
    fn record(&self, end: i64) -> Cdr {
        let end = end.max(self.started);
        let seconds =
            |from: Option<i64>, to: i64| from.map_or(0, |from| u64::try_from((to - from) / 1_000).unwrap_or(0));
        let held = self.held_ms + self.held_since.map_or(0, |since| end - since);
        let mut cdr = self.cdr.clone();
        if !self.over && self.answered.is_none() {
            cdr.code = Some(500);
        }
        Cdr {
            answer_time: self.answered.map(rfc3339),
            end_time: rfc3339(end),
            ring_sec: seconds(self.rang, self.answered.unwrap_or(end)),
            talk_sec: seconds(self.answered, end),
            hold_sec: u64::try_from(held / 1_000).unwrap_or(0),
            ..cdr
        }
    }
}
