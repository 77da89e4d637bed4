//! How a call ends: by us, by the peer, by a limit; and what is left to do when its session is gone.

use serde_json::{Value, json};

use super::Ua;
use super::cause;
use super::clock::{SECOND, Timer};
use super::command::TerminateType;
use super::error::{Code, Error};
use super::io::{ReplyId, SessionId};
use super::media::MediaCommand;
use super::route::{Link, Owner};
use super::session::{Session, State};
use crate::sip::dialog::Dialog;
use crate::sip::message::{Message, Method};
use crate::sip::transaction::TxId;

impl Ua {
    /// `session.hangup`: BYE, CANCEL or 486, whichever fits.
    pub(super) fn hangup(&mut self, id: SessionId) {
        let ringing = matches!(self.sessions.get(&id).map(|s| &s.state), Some(State::Incoming(_)));
        if ringing { self.refuse(id, 486, "Rejected", "local") } else { self.end_by_us(id, "Terminated", "local") }
    }

    /// `session.terminate`.
    pub(super) fn terminate(&mut self, id: SessionId, kind: TerminateType) -> Result<(), Error> {
        match kind {
            TerminateType::Reject => self.reject(id, None),
            TerminateType::Hangup | TerminateType::Terminate => {
                self.hangup(id);
                Ok(())
            }
        }
    }

    /// A limit or a fault ends the call.
    pub(super) fn give_up(&mut self, id: SessionId, cause: &str, code: u16) {
        let Some(session) = self.sessions.get(&id) else { return };
        match &session.state {
            State::Incoming(_) => self.refuse(id, code, cause, "system"),
            State::Preparing(_) | State::Calling(_) => self.abandon(id, cause, code, "system"),
            State::Accepting(_) | State::Talking(_) => self.end_by_us(id, cause, "system"),
        }
    }

    /// An answered call whose media cannot work: BYE, `ended`.
    pub(super) fn fail_answered(&mut self, id: SessionId, cause: &str, reason: Option<&str>) {
        if let Some(session) = self.sessions.get_mut(&id) {
            session.because = reason.map(str::to_owned);
        }
        self.end_by_us(id, cause, "system");
    }

    /// The peer knows nothing of the dialog any more: 481.
    pub(super) fn dialog_is_lost(&mut self, id: SessionId) {
        if let Some(session) = self.sessions.get_mut(&id) {
            session.ended_with = Some(481);
        }
        self.end_by_us(id, "Dialog Error", "remote");
    }

    /// Ends a session in whatever state it is.
    pub(super) fn end_by_us(&mut self, id: SessionId, cause: &str, by: &str) {
        let Some(session) = self.sessions.get(&id) else { return };
        let (account, link) = (session.account.clone(), session.link);
        match session.state.clone() {
            State::Incoming(_) => self.refuse(id, 480, cause, by),
            State::Preparing(_) | State::Calling(_) => self.abandon(id, "Canceled", 487, by),
            State::Accepting(accepting) if cause != "No ACK" => {
                self.leave_orphan(account, accepting.dialog, accepting.ok);
                self.finish(id, "ended", json!({"cause": cause, "by": by}));
            }
            State::Accepting(accepting) => self.bye_and_finish(id, accepting.dialog, link, &account, cause, by),
            State::Talking(talking) => self.bye_and_finish(id, talking.dialog, link, &account, cause, by),
        }
    }

    fn bye_and_finish(
        &mut self,
        id: SessionId,
        mut dialog: Dialog,
        link: Option<Link>,
        account: &str,
        cause: &str,
        by: &str,
    ) {
        if let Some(link) = link {
            self.send_bye(&mut dialog, link, account, None);
        }
        self.finish(id, "ended", json!({"cause": cause, "by": by}));
    }

    /// An outbound call that is not answered: CANCEL (the transaction waits for a 1xx, rule 4); a late 2xx gets ACK and BYE.
    fn abandon(&mut self, id: SessionId, cause: &str, code: u16, by: &str) {
        let Some(session) = self.sessions.get(&id) else { return };
        match &session.state {
            State::Calling(calling) => {
                let tx = calling.tx;
                self.leave_invite(tx);
            }
            State::Preparing(preparing) => {
                let reply = preparing.reply;
                self.reply_opt(reply, Err(Error::new(Code::Unknown, "hung up before the INVITE was sent")));
            }
            _ => return,
        }
        self.finish(id, "failed", json!({"cause": cause, "code": code, "by": by}));
    }

    /// Our INVITE is not wanted any more.
    pub(super) fn leave_invite(&mut self, tx: TxId) {
        if let Some(sent) = self.sent.get_mut(&tx) {
            sent.owner = Owner::Abandoned;
        }
        self.transactions.cancel(self.now.mono, tx, &[]);
        self.flush();
    }

    pub(super) fn send_bye(&mut self, dialog: &mut Dialog, link: Link, account: &str, reason: Option<&str>) {
        let link = self.dialog_link(&dialog.next_hop_uri(), link);
        let mut bye = dialog.request(Method::Bye);
        if let Some(reason) = reason {
            bye.push("Reason", reason);
        }
        self.send_request(bye, link, Owner::Nobody, account, 0);
    }

    /// The peer hangs up.
    pub(super) fn on_bye(&mut self, id: SessionId, tx: TxId, msg: &Message) {
        self.respond(tx, msg, 200);
        self.on_bye_in_transfer(id);
        self.keep_reasons(id, msg);
        match self.sessions.get(&id).map(|s| &s.state) {
            Some(State::Incoming(_)) => self.refuse(id, 487, "Canceled", "remote"),
            Some(State::Accepting(_) | State::Talking(_)) => {
                self.finish(id, "ended", json!({"cause": "Terminated", "by": "remote"}));
            }
            _ => {}
        }
    }

    /// What a BYE, a CANCEL or a refusal says of why (RFC 3326).
    pub(super) fn keep_reasons(&mut self, id: SessionId, msg: &Message) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        session.q850 = msg.headers("Reason").find_map(cause::q850);
        session.ended_with = msg.headers("Reason").find_map(cause::sip);
    }

    /// The one place where a session ends: exactly one terminal event, then `deleteSession`, then nothing.
    pub(super) fn finish(&mut self, id: SessionId, event: &str, mut data: Value) {
        // Whoever waits for the outcome of a transfer learns that there is none.
        self.abandon_transfer(id);
        let Some(session) = self.sessions.get(&id) else { return };
        let told = [
            ("reason", session.because.as_deref().map(Value::from)),
            ("q850", session.q850.map(Value::from)),
            ("sipCode", session.ended_with.filter(|_| event == "ended").map(Value::from)),
        ];
        if let Value::Object(map) = &mut data {
            map.retain(|_, v| !v.is_null());
            map.extend(told.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))));
        }
        self.end_audio(id);
        self.keep_facts(id, &data);
        let Some(session) = self.sessions.get(&id) else { return };
        let waiting = replies(session);
        let cdr = self.cdr(id, &data);
        let referrer = session.refers.referred_by;
        let code = data.get("code").and_then(Value::as_u64).map_or(503, |code| code as u16);
        let key = (session.sip_call_id.clone(), session.local_tag.clone());
        let (seat, place, account) = (session.seat.clone(), session.place, session.account.clone());
        let answered_for = session.answered.map(|_| account.clone());
        if session.media_asked {
            self.media(id, MediaCommand::Close);
        }
        self.end_recording(id);
        self.sound_after(id, event, &data);
        self.tell_session(id, event, data);
        self.tell_session(id, "deleteSession", json!({}));
        self.tell_cdr(cdr);
        self.sessions.remove(&id);
        self.dialogs.remove(&key);
        self.stop_timers_of(id);
        let over = Error::new(Code::WrongState, "the call is over");
        waiting.into_iter().for_each(|reply| self.reply(reply, Err(over.clone())));
        if self.current == Some(id) {
            let is_fellow =
                |s: &&Session| place.is_some() && s.place.map(|p| p.conference) == place.map(|p| p.conference);
            let fellow = self.sessions.values().find(is_fellow);
            let next = fellow.or(self.sessions.values().find(|s| s.is_answered())).map(|s| s.id);
            self.set_current_after_end(next);
        }
        if let Some(place) = place {
            self.dissolve(place.conference);
        }
        self.hold_is_final(id);
        self.free_microphone(&seat);
        self.release_consultations(id);
        if let Some(old) = referrer {
            self.referral_failed(old, code);
        }
        if let Some(account) = answered_for {
            self.wrap_up_after(&account);
        }
        self.release_account(&account);
        self.check_drained();
    }

    fn set_current_after_end(&mut self, next: Option<SessionId>) {
        let call_id = next.and_then(|i| self.sessions.get(&i)).map(|s| s.call_id.clone());
        self.current = next;
        self.tell_phone("currentSessionChange", json!({"callId": call_id, "oldCallId": Value::Null}));
    }

    /// `Shutdown`: every call ends, every binding is removed; the reply comes when the peers know, 2 s at most.
    pub(super) fn shutdown(&mut self, reply: ReplyId) {
        self.tell_drained();
        self.draining.push(reply);
        self.end_all("system");
        self.unregister_all();
        self.after(2 * SECOND, Timer::Drained);
        self.check_drained();
    }

    /// `phone.destroy`: every call ends, every binding is removed; `phone.start` begins anew.
    pub(super) fn destroy(&mut self) {
        self.end_all("local");
        self.unregister_all();
    }

    fn end_all(&mut self, by: &str) {
        let calls: Vec<SessionId> = self.sessions.keys().copied().collect();
        calls.into_iter().for_each(|id| self.end_by_us(id, "Terminated", by));
    }

    /// Removes every binding.
    pub(super) fn unregister_all(&mut self) {
        let names: Vec<String> = self.accounts.keys().cloned().collect();
        for name in names {
            self.forget_registration(&name);
        }
    }

    pub(super) fn check_drained(&mut self) {
        let quiet = self.sent.values().all(|s| s.done) && self.orphans.is_empty();
        if quiet && self.sessions.is_empty() && self.recordings.is_empty() {
            self.on_drained();
        }
    }

    pub(super) fn on_drained(&mut self) {
        for reply in self.draining.clone() {
            self.reply(reply, Ok(Value::Bool(true)));
        }
    }
}

/// Everybody who waits for something of this session.
fn replies(session: &Session) -> Vec<ReplyId> {
    match &session.state {
        State::Preparing(p) => p.reply.into_iter().collect(),
        State::Calling(_) | State::Accepting(_) => Vec::new(),
        State::Incoming(i) => i.answering.as_ref().and_then(|a| a.reply).into_iter().collect(),
        State::Talking(t) => {
            let pending = t.pending.as_ref().and_then(|p| p.op.reply);
            let queued = t.queue.iter().filter_map(|op| op.reply);
            pending.into_iter().chain(queued).chain(session.refers.reply()).collect()
        }
    }
}
