//! Commands: each method of the API to its verb. Refusals are answered here, in one place.

use serde_json::{Value, json};

use super::Ua;
use super::clock::{SECOND, Timer};
use super::command::{Command, SetStatus};
use super::error::{Code, Error};
use super::io::{ReplyId, SessionId};
use super::media::MediaCommand;
use super::session::{Session, State};
use super::wrong_state;

impl Ua {
    pub(super) fn on_command(&mut self, reply: ReplyId, command: Command) {
        self.waiting.insert(reply);
        if !matches!(command, Command::Shutdown) {
            self.after(10 * SECOND, Timer::Reply(reply));
        }
        match self.run(reply, command) {
            Ok(Some(value)) => self.reply(reply, Ok(value)),
            Ok(None) => {} // the verb replies when it is done
            Err(error) => self.reply(reply, Err(error)),
        }
        if !self.waiting.contains(&reply) {
            self.timers.remove(&(self.now.mono + 10 * SECOND, Timer::Reply(reply)));
        }
    }

    fn run(&mut self, reply: ReplyId, command: Command) -> Result<Option<Value>, Error> {
        let done = || Ok(Some(Value::Bool(true)));
        match command {
            Command::AccountAdd(add) => self.add_account(add.name, add.account).map(Some),
            Command::AccountUpdate(add) => self.update_account(add.name, add.account).map(Some),
            Command::AccountRemove(which) => self.remove_account(&which.name).map(Some),
            Command::AccountList => Ok(Some(self.accounts.values().map(|a| a.view(self.now.mono)).collect())),
            Command::AccountGet(which) => Ok(Some(self.account(&which.name)?.view(self.now.mono))),
            Command::AccountRegister(which) => self.account_register(&which.name, reply).map(|()| None),
            Command::AccountUnregister(which) => self.account_unregister(&which.name, reply).map(|()| None),
            Command::DeviceList => Ok(Some(self.device_list())),
            Command::DeviceGet(which) => self.device(&which.id).map(Some),
            Command::DeviceSetVolume(set) => self.set_volume(set).map(Some),
            Command::DeviceSetRole(role) => self.set_role(role).map(Some),
            Command::DeviceTest(test) => self.device_test(test, reply).map(|()| None),
            Command::AgentSet(set) => self.agent_set(set).map(Some),
            Command::AgentGet(which) => self.agent_get(&which).map(Some),
            Command::Start => {
                let names: Vec<String> =
                    self.accounts.values().filter(|a| a.registers()).map(|a| a.name.clone()).collect();
                names.iter().for_each(|name| self.want_registration(name));
                done()
            }
            Command::Disconnect => {
                self.unregister_all();
                done()
            }
            Command::PhoneDestroy(which) => {
                match which.call_id {
                    Some(call_id) => {
                        let id = self.find(&call_id)?;
                        self.end_by_us(id, "Terminated", "local");
                    }
                    None => self.destroy(),
                }
                done()
            }
            Command::Call(call) => self.call(reply, call).map(|()| None),
            Command::PhoneGet => Ok(Some(self.phone())),
            Command::GetSession(which) => match which.call_id {
                Some(call_id) => self.find(&call_id).map(|id| Some(self.snapshot(id, self.seq))),
                None => Ok(Some(self.sessions.keys().map(|id| self.snapshot(*id, self.seq)).collect())),
            },
            Command::GetCurrentSession => Ok(Some(self.current.map_or(Value::Null, |id| self.snapshot(id, self.seq)))),
            Command::SetCurrentSession(which) => {
                let id = self.find(&which.call_id)?;
                self.set_current(Some(id));
                if self.sessions.get(&id).is_some_and(Session::wants_microphone) {
                    self.take_microphone(id);
                }
                done()
            }
            Command::Merge(merge) => self.merge(&merge.call_ids, reply).map(|()| None),
            Command::Split(split) => self.split(split.call_id.as_deref(), reply).map(|()| None),
            Command::Answer(answer) => {
                let id = self.find(&answer.call_id)?;
                self.answer(id, answer.option, Some(reply)).map(|()| None)
            }
            Command::Reject(reject) => {
                let id = self.find(&reject.call_id)?;
                self.reject(id, reject.code)?;
                done()
            }
            Command::Progress(progress) => {
                let id = self.find(&progress.call_id)?;
                self.progress(id, progress.code)?;
                done()
            }
            Command::ReRegister => {
                let names: Vec<String> =
                    self.accounts.values().filter(|a| a.registers()).map(|a| a.name.clone()).collect();
                names.iter().for_each(|name| self.register_now(name));
                done()
            }
            Command::Hangup(which) => {
                let id = self.find(&which.call_id)?;
                self.hangup(id);
                done()
            }
            Command::Terminate(which) => {
                let id = self.find(&which.call_id)?;
                self.terminate(id, which.kind)?;
                done()
            }
            Command::Hold(which) => {
                let id = self.find(&which.call_id)?;
                self.hold(id, true, reply).map(|()| None)
            }
            Command::Renegotiate(which) => {
                let id = self.find(&which.call_id)?;
                self.renegotiate(id, reply).map(|()| None)
            }
            Command::Unhold(which) => {
                let id = self.find(&which.call_id)?;
                self.hold(id, false, reply).map(|()| None)
            }
            Command::AudioToVideo(which) => self.audio_to_video(&which.call_id, reply),
            Command::VideoToAudio(which) => self.video_to_audio(&which.call_id, reply),
            Command::Dtmf(dtmf) => {
                let id = self.find(&dtmf.call_id)?;
                self.dtmf(id, &dtmf)?;
                done()
            }
            Command::BlindTransfer(wish) => {
                let id = self.find(&wish.call_id)?;
                self.blind_transfer(id, wish, reply).map(|()| None)
            }
            Command::AttendedTransfer(wish) => {
                let id = self.find(&wish.call_id)?;
                self.attended_transfer(id, &wish, reply).map(|()| None)
            }
            Command::Mute(which) => self.mute(&which.call_id, true),
            Command::Unmute(which) => self.mute(&which.call_id, false),
            Command::StopTimer(which) => {
                let id = self.find(&which.call_id)?;
                let now = self.now.mono;
                if let Some(session) = self.sessions.get_mut(&id) {
                    session.timer_stopped.get_or_insert(now);
                }
                Ok(Some(self.snapshot(id, self.seq)))
            }
            Command::SetStatus(set) => self.set_status(set),
            Command::SetStaticStatus(set) => {
                let id = self.find(&set.call_id)?;
                if let Some(session) = self.sessions.get_mut(&id) {
                    session.manual = set.start_manual_model.unwrap_or(session.manual);
                }
                let patch = set.static_status;
                self.set_person(id, |p| merge(p, patch.name, patch.avatar, patch.company));
                Ok(Some(self.snapshot(id, self.seq)))
            }
            Command::Diagnose(which) => self.diagnose(&which.call_id).map(Some),
            Command::Destroy(which) => {
                let id = self.find(&which.call_id)?;
                self.end_by_us(id, "Terminated", "local");
                done()
            }
            Command::Snapshot(which) => {
                if let Some(call_id) = which.call_id {
                    self.find(&call_id)?;
                }
                Ok(Some(json!({"seq": self.seq, "snapshot": self.whole_snapshot()})))
            }
            Command::StartRecord(record) => {
                let id = self.find(&record.call_id)?;
                self.start_record(id, &record, reply).map(|()| None)
            }
            Command::PauseRecord(record) => {
                let id = self.find(&record.call_id)?;
                self.pause_record(id, &record)?;
                done()
            }
            Command::StopRecord(which) => {
                let id = self.find(&which.call_id)?;
                self.stop_record(id, reply).map(|()| None)
            }
            Command::AudioPlay(play) => {
                let id = self.find(&play.call_id)?;
                self.audio_play(id, play, reply).map(|()| None)
            }
            Command::AudioStop(which) => {
                let id = self.find(&which.call_id)?;
                self.audio_stop(id, "stopped");
                done()
            }
            Command::AudioOpen(open) => {
                let id = self.find(&open.call_id)?;
                self.audio_open(id, open, reply).map(|()| None)
            }
            Command::AudioClose(close) => {
                let id = self.find(&close.call_id)?;
                self.audio_close(id, &close.audio_id)?;
                done()
            }
            Command::SetRecordPermissions(set) => Ok(Some(self.set_record_permissions(set))),
            Command::Webhooks(_) => Err(Error::new(Code::Unknown, "webhooks are not the phone's")),
            Command::Preflight(_) => Err(Error::new(Code::Unknown, "devices are not the phone's")),
            Command::History(_) => Err(Error::new(Code::Unknown, "what was is not the phone's")),
            Command::Reload => Err(Error::new(Code::Unknown, "files are not the phone's")),
            Command::Configure(what) => self.configure(*what).map(Some),
            Command::Drain(drain) => Ok(Some(self.close(drain))),
            Command::Recordings(_) => Err(Error::new(Code::Unknown, "files are not the phone's")),
            Command::Shutdown => {
                self.shutdown(reply);
                Ok(None)
            }
        }
    }

    /// The session of a callId.
    pub(super) fn find(&mut self, call_id: &str) -> Result<SessionId, Error> {
        let found = self.sessions.values().find(|s| s.call_id == call_id).map(|s| s.id);
        self.at_hand = found;
        found.ok_or_else(|| {
            Error::new(Code::NoSession, format!("there is no session {call_id:?}")).hint("phone.getSession lists them")
        })
    }

    pub(super) fn mute(&mut self, call_id: &str, muted: bool) -> Result<Option<Value>, Error> {
        let id = self.find(call_id)?;
        let Some(session) = self.sessions.get_mut(&id) else { return Ok(None) };
        if !matches!(session.state, State::Talking(_) | State::Accepting(_) | State::Calling(_)) {
            return Err(wrong_state("a call that is not on its way has no microphone"));
        }
        if session.muted != muted {
            session.muted = muted;
            let silent = muted || session.parked;
            self.media(id, MediaCommand::Mute(silent));
            self.tell_status(id);
        }
        Ok(Some(Value::Bool(true)))
    }

    fn set_status(&mut self, set: SetStatus) -> Result<Option<Value>, Error> {
        let id = self.find(&set.call_id)?;
        let patch = set.status;
        self.set_person(id, |p| merge(p, patch.name, patch.avatar, patch.company));
        if let (Some(tags), Some(session)) = (patch.tags, self.sessions.get_mut(&id)) {
            session.tags = tags;
            self.tell_status(id);
        }
        Ok(Some(self.snapshot(id, self.seq)))
    }

    fn phone(&self) -> Value {
        let current = self.current.and_then(|id| self.sessions.get(&id)).map(|s| s.call_id.clone());
        let calls: Vec<&str> = self.sessions.values().map(|s| s.call_id.as_str()).collect();
        let registered = self.accounts.values().any(|a| a.registration.is_registered());
        json!({
            "isRegistered": registered,
            "accounts": self.accounts.len(),
            "sessions": calls,
            "currentSession": current,
            "agents": self.agents_view(),
            "recordPermissions": self.settings.phone.record_permissions,
            "lookups": self.lookups,
            "seq": self.seq,
            "counts": self.counts(),
        })
    }

    /// What is under way inside: after the last call, and its memory of 64 × T1, it is what it was before the first.
    fn counts(&self) -> Value {
        json!({
            "sessions": self.sessions.len(),
            "dialogs": self.dialogs.len(),
            "orphans": self.orphans.len(),
            "recordings": self.recordings.len(),
            "transactions": self.transactions.len(),
            "requests": self.sent.len(),
            "queries": self.queries.len(),
            "flows": self.flows.len(),
            "timers": self.timers.len(),
            "waiting": self.waiting.len(),
        })
    }

    fn device_list(&self) -> Value {
        let audio = &self.settings.audio;
        let devices: Vec<Value> = self.devices.iter().map(|device| self.device_view(device)).collect();
        json!({"devices": devices, "roles": {"input": audio.input, "output": audio.output, "ringer": audio.ringer}})
    }

    fn device(&self, id: &str) -> Result<Value, Error> {
        let found = self.devices.iter().find(|d| d.id == id);
        let found = found.ok_or_else(|| {
            Error::new(Code::NoInput, format!("there is no device {id:?}")).hint("device.list names them")
        })?;
        Ok(self.device_view(found))
    }
}

fn merge(
    person: &mut super::status::StaticCallStatus,
    name: Option<String>,
    avatar: Option<String>,
    company: Option<String>,
) {
    for (field, value) in [(&mut person.name, name), (&mut person.avatar, avatar), (&mut person.company, company)] {
        if let Some(value) = value {
            *field = value;
        }
    }
}
