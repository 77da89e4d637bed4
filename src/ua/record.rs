//! Recording: here into a file, or at the PBX by its feature codes. A recording outlives its session by the time its file
//! takes to close, so it stands beside the sessions, not in them.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Ua;
use super::command::{Dtmf, Record, RecordTarget, SetRecordPermissions};
use super::error::{Code, Error};
use super::io::{ReplyId, SessionId};
use super::media::{MediaCommand, RecordCommand, RecordEvent, RecordInfo};
use super::session::State;
use super::status::RecordStatus;
use super::wrong_state;

/// The recording of one session, from `startRecord` until its file is closed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Recording {
    call_id: String,
    account: String,
    local: Local,
    pbx: RecordStatus,
    /// Who waits for the file to be there, and who for it to be closed.
    starting: Vec<ReplyId>,
    stopping: Vec<ReplyId>,
}

/// How far the file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Local {
    Off,
    Opening,
    Recording,
    Paused,
    Closing,
}

/// What is asked of the PBX, and which key names its code.
#[derive(Debug, Clone, Copy)]
enum Pbx {
    Start,
    Pause,
    Resume,
    Stop,
}

impl Ua {
    /// `session.startRecord`: starts, or resumes after a pause. Replies once the file is open.
    pub(super) fn start_record(&mut self, id: SessionId, record: &Record, reply: ReplyId) -> Result<(), Error> {
        self.check_talking(id)?;
        let (local, pbx) = self.recorded(id);
        let starts = record.target.local() && matches!(local, Local::Off | Local::Opening | Local::Closing)
            || record.target.pbx() && pbx == RecordStatus::Stop;
        self.check_permission(if starts { 2 } else { 1 })?;
        if record.target.local() && local == Local::Closing {
            return Err(wrong_state("the recording before is being closed").hint("wait for `recording.stopped`"));
        }
        let code = match (record.target.pbx(), pbx) {
            (false, _) | (true, RecordStatus::Recording) => None,
            (true, RecordStatus::Stop) => Some(self.pbx_code(Pbx::Start)?),
            (true, RecordStatus::Pause) => Some(self.pbx_code(Pbx::Resume)?),
        };
        let Some(recording) = self.recording(id) else { return Ok(()) };
        let mut waits = false;
        if record.target.local() {
            match local {
                Local::Off => {
                    recording.local = Local::Opening;
                    recording.starting.push(reply);
                    waits = true;
                    let info = self.record_info(id);
                    self.media(id, MediaCommand::Record(RecordCommand::Start(info)));
                }
                Local::Opening => {
                    recording.starting.push(reply);
                    waits = true;
                }
                Local::Paused => {
                    recording.local = Local::Recording;
                    self.media(id, MediaCommand::Record(RecordCommand::Resume));
                    self.tell_recording(id, "resumed", json!({"target": "local"}));
                }
                Local::Recording | Local::Closing => {}
            }
        }
        if let Some(code) = code {
            self.send_pbx_code(id, code)?;
            self.set_pbx(id, RecordStatus::Recording);
            let event = if pbx == RecordStatus::Pause { "resumed" } else { "started" };
            self.tell_recording(id, event, json!({"target": "pbx"}));
        }
        self.tell_record_status(id);
        if !waits {
            self.reply(reply, Ok(Value::Bool(true)));
        }
        Ok(())
    }

    /// `session.pauseRecord`: silence from this turn on.
    pub(super) fn pause_record(&mut self, id: SessionId, record: &Record) -> Result<(), Error> {
        self.check_talking(id)?;
        self.check_permission(1)?;
        let (local, pbx) = self.recorded(id);
        let nothing = || wrong_state("nothing is recorded there").hint("session.startRecord");
        if record.target.local() && !matches!(local, Local::Recording | Local::Paused) {
            return Err(nothing());
        }
        if record.target.pbx() && pbx == RecordStatus::Stop {
            return Err(nothing());
        }
        let code = match record.target.pbx() && pbx == RecordStatus::Recording {
            true => Some(self.pbx_code(Pbx::Pause)?),
            false => None,
        };
        if record.target.local() && local == Local::Recording {
            if let Some(recording) = self.recordings.get_mut(&id) {
                recording.local = Local::Paused;
            }
            self.media(id, MediaCommand::Record(RecordCommand::Pause));
            self.tell_recording(id, "paused", json!({"target": "local"}));
        }
        if let Some(code) = code {
            self.send_pbx_code(id, code)?;
            self.set_pbx(id, RecordStatus::Pause);
            self.tell_recording(id, "paused", json!({"target": "pbx"}));
        }
        self.tell_record_status(id);
        Ok(())
    }

    /// `session.stopRecord`: what is recorded, wherever, ends. Replies with the closed file, `true` when only the PBX recorded.
    pub(super) fn stop_record(&mut self, id: SessionId, reply: ReplyId) -> Result<(), Error> {
        self.check_talking(id)?;
        self.check_permission(2)?;
        let (local, pbx) = self.recorded(id);
        if (local, pbx) == (Local::Off, RecordStatus::Stop) {
            return Err(wrong_state("nothing is recorded").hint("session.startRecord"));
        }
        // without a code the PBX records on, and the status says so; a file of ours is closed all the same
        match self.pbx_code(Pbx::Stop) {
            _ if pbx == RecordStatus::Stop => {}
            Ok(code) => {
                self.send_pbx_code(id, code)?;
                self.set_pbx(id, RecordStatus::Stop);
                self.tell_recording(id, "stopped", json!({"target": "pbx"}));
            }
            Err(error) if local == Local::Off => return Err(error),
            Err(_) => {}
        }
        match (local, self.recordings.get_mut(&id)) {
            (Local::Off, _) | (_, None) => {
                self.recordings.remove(&id);
                self.reply(reply, Ok(Value::Bool(true)));
            }
            (before, Some(recording)) => {
                recording.stopping.push(reply);
                if before != Local::Closing {
                    recording.local = Local::Closing;
                    let starting = std::mem::take(&mut recording.starting);
                    self.media(id, MediaCommand::Record(RecordCommand::Stop));
                    let stopped = wrong_state("stopped before it had begun");
                    starting.into_iter().for_each(|waits| self.reply(waits, Err(stopped.clone())));
                }
            }
        }
        self.tell_record_status(id);
        Ok(())
    }

    /// `phone.setRecordPermissions`.
    pub(super) fn set_record_permissions(&mut self, set: SetRecordPermissions) -> Value {
        let new = set.permissions.min(2);
        let old = std::mem::replace(&mut self.settings.phone.record_permissions, new);
        if old != new {
            self.tell_phone("recordPermissionsChange", json!({"recordPermissions": new, "oldRecordPermissions": old}));
        }
        Value::Bool(true)
    }

    /// The recorder tells something; its session may be over.
    pub(super) fn on_record(&mut self, id: SessionId, event: RecordEvent) {
        let Some(recording) = self.recordings.get_mut(&id) else { return };
        match event {
            RecordEvent::Started { path } => {
                if recording.local == Local::Opening {
                    recording.local = Local::Recording;
                }
                let starting = std::mem::take(&mut recording.starting);
                if let Some(session) = self.sessions.get_mut(&id) {
                    session.recorded_to = Some(path.clone());
                }
                self.tell_recording(id, "started", json!({"target": "local", "path": path}));
                self.tell_record_status(id);
                starting.into_iter().for_each(|reply| self.reply(reply, Ok(Value::Bool(true))));
            }
            RecordEvent::Stopped { path, sha256, duration_ms } => {
                recording.local = Local::Off;
                let stopping = std::mem::take(&mut recording.stopping);
                let file = json!({"path": path, "sha256": sha256, "durationMs": duration_ms});
                let mut told = file.clone();
                told["target"] = "local".into();
                self.tell_recording(id, "stopped", told);
                self.recording_is_over(id);
                stopping.into_iter().for_each(|reply| self.reply(reply, Ok(file.clone())));
            }
            RecordEvent::Failed { reason, path } => {
                recording.local = Local::Off;
                let waiting = std::mem::take(&mut recording.starting).into_iter();
                let waiting: Vec<ReplyId> = waiting.chain(std::mem::take(&mut recording.stopping)).collect();
                self.tell_recording(id, "failed", json!({"target": "local", "reason": reason, "path": path}));
                self.tell_recording_alert(id, json!({"kind": "recordingFailed", "reason": reason}));
                self.recording_is_over(id);
                let error = Error::new(Code::Storage, reason).hint("the call goes on; look at the disk and [record]");
                waiting.into_iter().for_each(|reply| self.reply(reply, Err(error.clone())));
            }
            RecordEvent::Stalled => self.tell_recording_alert(id, json!({"kind": "recordingStalled"})),
            RecordEvent::Gap { at_ms, length_ms } => {
                self.tell_recording_alert(id, json!({"kind": "recordingGap", "atMs": at_ms, "lengthMs": length_ms}));
            }
        }
    }

    /// The session is about to go: what is recorded at the PBX ends with it, a file is closed by the recorder.
    pub(super) fn end_recording(&mut self, id: SessionId) {
        let Some(recording) = self.recordings.get_mut(&id) else { return };
        if std::mem::replace(&mut recording.pbx, RecordStatus::Stop) != RecordStatus::Stop {
            self.tell_recording(id, "stopped", json!({"target": "pbx"}));
        }
        let Some(recording) = self.recordings.get_mut(&id) else { return };
        let starting = std::mem::take(&mut recording.starting);
        match recording.local {
            Local::Off => {
                self.recordings.remove(&id);
            }
            _ => recording.local = Local::Closing,
        }
        let over = wrong_state("the call is over");
        starting.into_iter().for_each(|reply| self.reply(reply, Err(over.clone())));
    }

    fn recording_is_over(&mut self, id: SessionId) {
        self.tell_record_status(id);
        let idle = |r: &Recording| (r.local, r.pbx) == (Local::Off, RecordStatus::Stop);
        if self.recordings.get(&id).is_some_and(idle) {
            self.recordings.remove(&id);
        }
        if !self.draining.is_empty() {
            self.check_drained();
        }
    }

    fn check_talking(&self, id: SessionId) -> Result<(), Error> {
        match self.sessions.get(&id).map(|s| &s.state) {
            Some(State::Talking(_)) => Ok(()),
            _ => Err(wrong_state("only a confirmed session can be recorded").hint("wait for `confirmed`")),
        }
    }

    fn check_permission(&self, needed: u8) -> Result<(), Error> {
        let have = self.settings.phone.record_permissions;
        if have >= needed {
            return Ok(());
        }
        let describe = if have == 0 { "recording is not allowed" } else { "only pause and resume are allowed" };
        Err(Error::new(Code::NoRecordPermission, describe)
            .hint("[phone] record_permissions, phone.setRecordPermissions"))
    }

    fn recorded(&self, id: SessionId) -> (Local, RecordStatus) {
        self.recordings.get(&id).map_or((Local::Off, RecordStatus::Stop), |r| (r.local, r.pbx))
    }

    /// The recording of a session, made where there is none.
    fn recording(&mut self, id: SessionId) -> Option<&mut Recording> {
        let session = self.sessions.get(&id)?;
        Some(self.recordings.entry(id).or_insert_with(|| Recording {
            call_id: session.call_id.clone(),
            account: session.account.clone(),
            local: Local::Off,
            pbx: RecordStatus::Stop,
            starting: Vec::new(),
            stopping: Vec::new(),
        }))
    }

    fn record_info(&self, id: SessionId) -> RecordInfo {
        let Some(session) = self.sessions.get(&id) else { return RecordInfo::default() };
        RecordInfo {
            call_id: session.call_id.clone(),
            account: session.account.clone(),
            number: session.number.clone(),
            name: session.person.name.clone(),
            called_number: session.called_number.clone(),
            inbound: session.direction == super::status::CommunicationType::Inbound,
            wall: self.now.wall,
        }
    }

    fn pbx_code(&self, what: Pbx) -> Result<String, Error> {
        let codes = &self.settings.record;
        let (key, code) = match what {
            Pbx::Start => ("pbx_start", &codes.pbx_start),
            Pbx::Pause => ("pbx_pause", &codes.pbx_pause),
            Pbx::Resume => {
                ("pbx_resume", if codes.pbx_resume.is_some() { &codes.pbx_resume } else { &codes.pbx_start })
            }
            Pbx::Stop => ("pbx_stop", &codes.pbx_stop),
        };
        code.clone().ok_or_else(|| {
            Error::new(Code::NoRecordCode, format!("the PBX's code for this is not known: [record] {key} is not set"))
        })
    }

    fn send_pbx_code(&mut self, id: SessionId, code: String) -> Result<(), Error> {
        let call_id = self.sessions.get(&id).map(|s| s.call_id.clone()).unwrap_or_default();
        let method = self.settings.record.pbx_method;
        self.dtmf(id, &Dtmf { call_id, dtmf: code, method, redact: false })
    }

    fn set_pbx(&mut self, id: SessionId, status: RecordStatus) {
        if let Some(recording) = self.recording(id) {
            recording.pbx = status;
        }
    }

    /// The session's `recordStatus` from what is recorded, and its `statusChange`.
    fn tell_record_status(&mut self, id: SessionId) {
        let (local, pbx) = self.recorded(id);
        let Some(session) = self.sessions.get_mut(&id) else { return };
        session.record_status = match (local, pbx) {
            (Local::Recording, _) | (_, RecordStatus::Recording) => RecordStatus::Recording,
            (Local::Paused, _) | (_, RecordStatus::Pause) => RecordStatus::Pause,
            _ => RecordStatus::Stop,
        };
        self.tell_status(id);
    }

    fn tell_recording(&mut self, id: SessionId, event: &str, data: Value) {
        self.tell_of_recording(id, &format!("recording.{event}"), data);
    }

    /// An alert names the session only while it lives.
    fn tell_recording_alert(&mut self, id: SessionId, data: Value) {
        match self.sessions.contains_key(&id) {
            true => self.tell_session(id, "alert", data),
            false => self.tell_phone("alert", data),
        }
    }

    fn tell_of_recording(&mut self, id: SessionId, name: &str, mut data: Value) {
        let Some(recording) = self.recordings.get(&id) else { return };
        let (call_id, account) = (recording.call_id.clone(), recording.account.clone());
        if let Value::Object(map) = &mut data {
            map.retain(|_, v| !v.is_null());
            map.insert("callId".into(), call_id.clone().into());
        }
        self.tell(false, name, Some(call_id), Some(account), data.into());
    }
}

impl RecordTarget {
    fn local(self) -> bool {
        matches!(self, RecordTarget::Local | RecordTarget::Both)
    }

    fn pbx(self) -> bool {
        matches!(self, RecordTarget::Pbx | RecordTarget::Both)
    }
}
