//! How things are told: events with their seq, status changes with two true snapshots.

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::Ua;
use super::event::{Data, Event, Heard};
use super::io::{Output, SessionId};
use super::session::Session;
use super::status::{CallStatus, StaticCallStatus};
use super::view::SessionView;

impl Ua {
    /// Tells everyone. Samples are not counted.
    pub(super) fn tell(
        &mut self,
        sample: bool,
        name: &str,
        call_id: Option<String>,
        account: Option<String>,
        data: Data,
    ) {
        self.count(sample, name, call_id.as_deref());
        if !self.hears(sample, name) {
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

    /// Somebody wants to know: what nobody hears is not made.
    pub(super) fn hears(&self, sample: bool, name: &str) -> bool {
        match self.heard {
            Heard::Nothing => false,
            Heard::Lasting => !sample,
            Heard::Reports => !sample || name == "callReport",
            Heard::All => true,
        }
    }

    /// An event of the phone.
    pub(super) fn tell_phone(&mut self, name: &str, data: Value) {
        self.tell(false, name, None, None, data.into());
    }

    /// An event of an account.
    pub(super) fn tell_account(&mut self, name: &str, account: &str, mut data: Value) {
        if let Value::Object(map) = &mut data {
            map.insert("account".into(), account.into());
        }
        self.tell(false, name, None, Some(account.into()), data.into());
    }

    /// An event of a session: its callId joins the data.
    pub(super) fn tell_session(&mut self, id: SessionId, name: &str, mut data: Value) {
        self.tell_made(id, false, name, |_, session| {
            if let Value::Object(map) = &mut data {
                map.insert("callId".into(), session.call_id.clone().into());
            }
            data.into()
        });
    }

    /// An event of a session, its data made only if somebody hears it.
    pub(super) fn tell_made(
        &mut self,
        id: SessionId,
        sample: bool,
        name: &str,
        data: impl FnOnce(&Ua, &Session) -> Data,
    ) {
        let Some(session) = self.sessions.get(&id) else { return };
        if !self.hears(sample, name) {
            let call_id = session.call_id.clone();
            return self.count(sample, name, Some(&call_id));
        }
        let data = data(self, session);
        let (call_id, account) = (session.call_id.clone(), session.account.clone());
        self.tell(sample, name, Some(call_id), Some(account), data);
    }

    /// An event whose data holds the whole session.
    pub(super) fn tell_with_session(&mut self, id: SessionId, name: &str, more: Map<String, Value>) {
        let seq = self.seq + 1;
        self.tell_made(id, false, name, |ua, session| {
            Data::of(&WithSession { call_id: &session.call_id, session: ua.view(session, seq), more })
        });
    }

    /// Tells `statusChange` if the status is not what was told last. Called after every step that may change it.
    pub(super) fn tell_status(&mut self, id: SessionId) {
        let Some(new) = self.status(id) else { return };
        let Some(session) = self.sessions.get_mut(&id) else { return };
        if session.told.as_ref() == Some(&new) {
            return;
        }
        let Some(old) = session.told.replace(new.clone()) else { return };
        let changed = differences(&old, &new);
        if changed.is_empty() {
            return;
        }
        self.tell_made(id, false, "statusChange", |_, session| {
            Data::of(&StatusChange { call_id: &session.call_id, new_status: &new, old_status: &old, changed })
        });
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

    /// The status of a session.
    pub(super) fn status(&self, id: SessionId) -> Option<CallStatus> {
        self.sessions.get(&id).map(|session| self.status_of(session))
    }

    /// The same, where the session is at hand.
    pub(super) fn status_of(&self, session: &Session) -> CallStatus {
        let parent = session.transfer_parent.and_then(|p| self.sessions.get(&p));
        session.status(parent.map(|p| p.as_parent(self.now.mono)))
    }

    /// `session.get`.
    pub(super) fn snapshot(&self, id: SessionId, seq: u64) -> Value {
        let Some(session) = self.sessions.get(&id) else { return Value::Null };
        json!(self.view(session, seq))
    }

    /// The beginning of a subscription.
    pub(super) fn whole_snapshot(&self) -> Value {
        let sessions: Vec<Value> = self.sessions.keys().map(|id| self.snapshot(*id, self.seq)).collect();
        let accounts: Vec<Value> = self.accounts.values().map(|a| a.view(self.now.mono)).collect();
        json!({"accounts": accounts, "sessions": sessions, "devices": self.devices, "agents": self.agents_view()})
    }
}

/// The data of an event that shows the session.
#[derive(Serialize)]
struct WithSession<'a> {
    #[serde(rename = "callId")]
    call_id: &'a str,
    session: SessionView<'a>,
    #[serde(flatten)]
    more: Map<String, Value>,
}

/// The data of `statusChange`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct StatusChange<'a> {
    call_id: &'a str,
    new_status: &'a CallStatus,
    old_status: &'a CallStatus,
    changed: Vec<&'static str>,
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
