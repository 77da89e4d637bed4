//! How things are told: events with their seq, status changes with two true snapshots.

use serde_json::{Map, Value, json};

use super::Ua;
use super::event::Event;
use super::io::{Output, SessionId};
use super::session::Session;
use super::status::{CallStatus, StaticCallStatus};

impl Ua {
    /// Tells everyone. Samples are not counted.
    pub(super) fn tell(
        &mut self,
        sample: bool,
        name: &str,
        call_id: Option<String>,
        account: Option<String>,
        data: Value,
    ) {
        self.count(sample, name, call_id.as_deref());
        if !self.heard {
            return;
        }
        let event = Event { seq: self.seq, sample, wall: self.now.wall, name: name.into(), call_id, account, data };
        self.out.push_back(Output::Event(event));
    }

    fn count(&mut self, sample: bool, name: &str, call_id: Option<&str>) {
        if !sample {
            self.seq += 1;
            tracing::debug!(seq = self.seq, call_id = call_id.unwrap_or("-"), "{name}");
        }
    }

    /// An event of the phone.
    pub(super) fn tell_phone(&mut self, name: &str, data: Value) {
        self.tell(false, name, None, None, data);
    }

    /// An event of an account.
    pub(super) fn tell_account(&mut self, name: &str, account: &str, mut data: Value) {
        if let Value::Object(map) = &mut data {
            map.insert("account".into(), account.into());
        }
        self.tell(false, name, None, Some(account.into()), data);
    }

    /// An event of a session: its callId joins the data.
    pub(super) fn tell_session(&mut self, id: SessionId, name: &str, data: Value) {
        self.tell_about(id, false, name, data);
    }

    /// A sample of a session.
    pub(super) fn tell_sample(&mut self, id: SessionId, name: &str, data: Value) {
        self.tell_about(id, true, name, data);
    }

    fn tell_about(&mut self, id: SessionId, sample: bool, name: &str, mut data: Value) {
        let Some(session) = self.sessions.get(&id) else { return };
        let (call_id, account) = (session.call_id.clone(), session.account.clone());
        if !self.heard {
            return self.count(sample, name, Some(&call_id));
        }
        if let Value::Object(map) = &mut data {
            map.insert("callId".into(), call_id.clone().into());
        }
        self.tell(sample, name, Some(call_id), Some(account), data);
    }

    /// An event whose data holds the whole session.
    pub(super) fn tell_with_session(&mut self, id: SessionId, name: &str, mut data: Map<String, Value>) {
        if self.heard {
            let snapshot = self.snapshot(id, self.seq + 1);
            data.insert("session".into(), snapshot);
        }
        self.tell_session(id, name, Value::Object(data));
    }

    /// Tells `statusChange` if the status is not what was told last. Called after every step that may change it.
    pub(super) fn tell_status(&mut self, id: SessionId) {
        let Some(new) = self.status(id) else { return };
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let Some(old) = session.told.replace(new.clone()) else { return };
        let changed = differences(&old, &new);
        if changed.is_empty() {
            return;
        }
        let data =
            if self.heard { json!({"newStatus": new, "oldStatus": old, "changed": changed}) } else { Value::Null };
        self.tell_session(id, "statusChange", data);
    }

    /// Changes name, avatar or company, and tells it.
    pub(super) fn set_person(&mut self, id: SessionId, change: impl FnOnce(&mut StaticCallStatus)) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let old = session.person.clone();
        change(&mut session.person);
        let new = session.person.clone();
        if new == old {
            return;
        }
        let status = self.status(id);
        if let Some(session) = self.sessions.get_mut(&id) {
            session.told = status;
        }
        self.tell_session(id, "staticStatusChange", json!({"newStatus": new, "oldStatus": old}));
    }

    /// What users see of a session.
    pub(super) fn status(&self, id: SessionId) -> Option<CallStatus> {
        let session = self.sessions.get(&id)?;
        let parent = session.transfer_parent.and_then(|p| self.sessions.get(&p));
        Some(session.status(parent.map(|p| p.as_parent(self.now.mono))))
    }

    /// `session.get`.
    pub(super) fn snapshot(&self, id: SessionId, seq: u64) -> Value {
        let Some(session) = self.sessions.get(&id) else { return Value::Null };
        let talking = session.is_answered();
        let seat = &session.seat;
        let ringing: Vec<&str> =
            self.sessions.values().filter(|s| s.rings() && s.seat == *seat).map(|s| s.call_id.as_str()).collect();
        json!({
            "callId": session.call_id,
            "status": self.status(id),
            "timer": session.timer(self.now.mono),
            "callReport": if talking { self.call_report(session) } else { Value::Null },
            "metrics": if talking { super::report::metrics(&session.stats) } else { Value::Null },
            "incomingList": ringing,
            "RTCSession": rtc_session(session),
            "localStream": Value::Null,
            "remoteStream": session.remote_stream(),
            "seq": seq,
        })
    }

    /// The beginning of a subscription.
    pub(super) fn whole_snapshot(&self) -> Value {
        let sessions: Vec<Value> = self.sessions.keys().map(|id| self.snapshot(*id, self.seq)).collect();
        let accounts: Vec<Value> = self.accounts.values().map(|a| a.view(self.now.mono)).collect();
        json!({"accounts": accounts, "sessions": sessions, "devices": self.devices})
    }
}

/// What the seed's `RTCSession` property stands for, as data.
fn rtc_session(session: &Session) -> Value {
    let dialog = session.dialog();
    json!({
        "id": session.sip_call_id,
        "localTag": session.local_tag,
        "remoteTag": dialog.map(|d| d.remote_tag.clone()),
        "localUri": dialog.map(|d| d.local_uri.clone()),
        "remoteUri": dialog.map(|d| d.remote_uri.clone()),
        "remoteTarget": dialog.map(|d| d.remote_target.clone()),
        "transport": session.link.map(|l| l.hop.transport.param()),
        "localRtp": session.media.as_ref().map(|m| m.rtp.to_string()),
        "remoteRtp": session.negotiated.as_ref().map(|n| n.remote_rtp.to_string()),
        "codec": session.negotiated.as_ref().map(|n| n.codec.kind.name()),
        "direction": session.negotiated.as_ref().map(|n| n.direction.as_str()),
        "state": match dialog { None => "none", Some(d) if d.early => "early", Some(_) => "confirmed" },
    })
}

/// The names of the fields that differ, but name, avatar and company, which `staticStatusChange` tells.
fn differences(old: &CallStatus, new: &CallStatus) -> Vec<&'static str> {
    // Taken apart, so that a new field is not forgotten here.
    let CallStatus {
        name: _,
        avatar: _,
        company: _,
        transfer_parent: _,
        account,
        call_id,
        call_start_time,
        call_status,
        called_number,
        communication_type,
        diversion,
        headers,
        is_conference,
        is_hold,
        is_mute,
        is_remote_hold,
        is_ring,
        is_transfer,
        is_video,
        number,
        record_status,
        tags,
    } = new;
    let fields = [
        ("account", *account != old.account),
        ("callId", *call_id != old.call_id),
        ("callStartTime", *call_start_time != old.call_start_time),
        ("callStatus", *call_status != old.call_status),
        ("calledNumber", *called_number != old.called_number),
        ("communicationType", *communication_type != old.communication_type),
        ("diversion", *diversion != old.diversion),
        ("headers", *headers != old.headers),
        ("isConference", *is_conference != old.is_conference),
        ("isHold", *is_hold != old.is_hold),
        ("isMute", *is_mute != old.is_mute),
        ("isRemoteHold", *is_remote_hold != old.is_remote_hold),
        ("isRing", *is_ring != old.is_ring),
        ("isTransfer", *is_transfer != old.is_transfer),
        ("isVideo", *is_video != old.is_video),
        ("number", *number != old.number),
        ("recordStatus", *record_status != old.record_status),
        ("tags", *tags != old.tags),
    ];
    fields.into_iter().filter_map(|(name, differs)| differs.then_some(name)).collect()
}
