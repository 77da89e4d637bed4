//! What comes back: responses to our requests, and to the INVITE above all.

use serde_json::{Map, Value, json};

use super::Ua;
use super::cause;
use super::clock::{Timer, seconds};
use super::error::Code;
use super::io::{SessionId, Target};
use super::media::MediaCommand;
use super::route::{Owner, Query, Sent, host_of};
use super::session::{Calling, State, Talking};
use crate::sdp::{Direction, SessionDescription};
use crate::sip::dialog::Dialog;
use crate::sip::message::{Message, Method};
use crate::sip::transaction::{TxEvent, TxId};
use crate::sip::uri::SipUri;

/// How many branches of a fork are followed: nobody has more telephones.
pub(super) const FORKS: usize = 64;

impl Ua {
    pub(super) fn on_transaction(&mut self, event: TxEvent) {
        match event {
            TxEvent::Response { tx, msg } => self.on_response(tx, &msg),
            TxEvent::Timeout { tx } => self.on_no_response(tx, 408, "Request Timeout"),
            TxEvent::TransportError { tx } => self.on_no_response(tx, 503, "Connection Error"),
            TxEvent::Request { tx, hop, msg } => self.on_request(tx, hop, msg),
            TxEvent::Ack { hop: _, msg } => self.on_ack(&msg),
            TxEvent::Cancelled { tx, msg } => self.on_cancel(tx, &msg),
            TxEvent::StrayResponse { hop: _, msg } => self.on_stray_response(&msg),
            TxEvent::AckMissing { tx: _ } => {}
        }
    }

    fn on_response(&mut self, tx: TxId, msg: &Message) {
        let Some(sent) = self.sent.get(&tx).cloned() else { return self.on_stray_response(msg) };
        if msg.status() >= 200 {
            self.retire(tx);
        }
        match sent.owner.clone() {
            Owner::Register(name) => self.on_register_response(&name, tx, sent, msg),
            Owner::Invite(id) => {
                self.at_hand = Some(id);
                self.on_invite_response(id, tx, sent, msg);
            }
            Owner::Reinvite(id) => {
                self.at_hand = Some(id);
                self.on_reinvite_response(id, tx, sent, msg);
            }
            Owner::Info(id) => self.on_info_response(id, sent, msg),
            Owner::Refer(id) => {
                self.at_hand = Some(id);
                self.on_refer_response(id, &sent, msg.status(), Some(msg));
                self.check_drained();
            }
            Owner::Update(id) => {
                self.at_hand = Some(id);
                self.on_update_response(id, sent, msg);
            }
            Owner::Abandoned => self.on_abandoned_response(tx, sent, msg),
            Owner::Nobody => self.on_other_response(sent, msg),
        }
    }

    /// A request is done. That of an INVITE is kept for 64·T1: a late 2xx still gets its ACK, and a BYE where it lost (rule 4).
    fn retire(&mut self, tx: TxId) {
        let Some(sent) = self.sent.get_mut(&tx) else { return };
        let first = !std::mem::replace(&mut sent.done, true);
        if sent.invite.is_none() {
            self.sent.remove(&tx);
        } else if first {
            self.after(64 * self.settings.sip.t1_ms * 1000, Timer::Forget(tx));
        }
    }

    fn on_no_response(&mut self, tx: TxId, code: u16, cause: &str) {
        let Some(sent) = self.sent.get(&tx).cloned() else { return };
        self.retire(tx);
        if code == 503 && self.fall_back(tx, &sent) {
            return;
        }
        match sent.owner {
            Owner::Refer(id) => self.on_refer_response(id, &sent, code, None),
            Owner::Register(name) => {
                if code == 408 {
                    self.doubt(sent.link.hop.flow);
                }
                if self.accounts.get(&name).is_some_and(|a| a.registration.awaits(tx)) {
                    self.registration_failed(&name, None, cause, None);
                }
            }
            Owner::Invite(id) if self.is_calling(id, tx) => self.on_invite_failed(id, code, cause, None),
            Owner::Reinvite(id) => self.on_reinvite_unanswered(id, tx),
            Owner::Info(id) => self.on_digit_lost(id, code),
            Owner::Invite(_) | Owner::Update(_) | Owner::Abandoned | Owner::Nobody => {}
        }
        self.check_drained();
    }

    pub(super) fn is_calling(&self, id: SessionId, tx: TxId) -> bool {
        matches!(self.sessions.get(&id).map(|s| &s.state), Some(State::Calling(c)) if c.tx == tx)
    }

    fn on_invite_response(&mut self, id: SessionId, tx: TxId, sent: Sent, msg: &Message) {
        match msg.status() {
            0..=100 => {}
            101..=199 if self.is_calling(id, tx) => {
                if self.acknowledge_provisional(id, &sent, msg) {
                    self.on_provisional(id, msg);
                }
            }
            101..=199 => {}
            200..=299 => self.on_success(id, tx, sent, msg),
            _ if !self.is_calling(id, tx) => {}
            401 | 407 => self.on_invite_challenge(id, sent, msg),
            300..=399 => self.on_redirect(id, msg),
            422 if self.learn_min_se(id, msg) => self.invite_again(id),
            code => self.on_invite_failed(id, code, cause::of_status(code), Some(msg)),
        }
    }

    fn calling(&mut self, id: SessionId) -> Option<&mut Calling> {
        match &mut self.sessions.get_mut(&id)?.state {
            State::Calling(c) => Some(c),
            _ => None,
        }
    }

    /// 101–199: it rings, or an announcement is played.
    fn on_provisional(&mut self, id: SessionId, msg: &Message) {
        let now = self.now.mono;
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let State::Calling(calling) = &mut session.state else { return };
        calling.rings = true;
        session.rang.get_or_insert(now);
        let tag = msg.to_tag().unwrap_or_default();
        session.refers.note_early(&tag);
        let early = if msg.body().is_empty() || calling.early.contains(&tag) || calling.early.len() >= FORKS {
            None
        } else {
            SessionDescription::parse(msg.body()).ok()
        };
        let negotiated = early.and_then(|answer| session.local.as_mut()?.accept(&answer, Direction::SendRecv).ok());
        let early_media = negotiated.is_some();
        if let Some(negotiated) = negotiated {
            calling.early.push(tag);
            session.negotiated = Some(negotiated.clone());
            self.share_microphone(id);
            self.media(id, MediaCommand::Remote(negotiated));
        }
        self.tell_status(id);
        self.tell_session(id, "progress", json!({"code": msg.status(), "earlyMedia": early_media}));
        self.tell_referrer(id, msg.status());
    }

    /// A 2xx: the first dialog wins; every other gets ACK and BYE (RFC 3261 §13.2.2.4).
    fn on_success(&mut self, id: SessionId, tx: TxId, sent: Sent, msg: &Message) {
        let tag = msg.to_tag().unwrap_or_default();
        match &sent.winner {
            None if self.is_calling(id, tx) => {
                if let Some(sent) = self.sent.get_mut(&tx) {
                    sent.winner = Some(tag);
                }
                self.on_answered(id, &sent, msg);
            }
            Some(winner) if *winner == tag => self.acknowledge_again(id, msg),
            _ => self.acknowledge_and_leave(tx, &sent, msg),
        }
    }

    fn on_answered(&mut self, id: SessionId, sent: &Sent, msg: &Message) {
        let Ok(invite) = Message::parse(&sent.request) else { return };
        let Some(dialog) = self.confirmed_dialog(id, &invite, msg) else {
            return self.on_invite_failed(id, 500, "Dialog Error", None);
        };
        let next_hop = dialog.next_hop_uri();
        let link = self.dialog_link(&next_hop, sent.link);
        let ack = dialog.ack(invite.cseq());
        let now = self.now;
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let early = session.negotiated.clone();
        let negotiated = match session.local.as_mut() {
            _ if msg.body().is_empty() => early.ok_or(("Missing SDP", None)),
            None => Err(("Internal Error", None)),
            Some(local) => SessionDescription::parse(msg.body())
                .and_then(|answer| local.accept(&answer, Direction::SendRecv))
                .map_err(|error| (error.cause(), Some(error.reason))),
        };
        session.peer_updates = msg.has_token("Allow", "UPDATE");
        session.dtmf.learn(msg);
        session.link = Some(link);
        session.answered = Some(now.mono);
        session.answered_wall = now.wall;
        session.state = State::Talking(Box::new(Talking::new(dialog)));
        let negotiated = match negotiated {
            Ok(negotiated) => negotiated,
            Err((cause, reason)) => {
                self.send_ack(ack, link);
                return self.fail_answered(id, cause, reason.as_deref());
            }
        };
        session.negotiated = Some(negotiated.clone());
        self.media(id, MediaCommand::Remote(negotiated));
        self.resolve_ahead(&next_hop);
        self.take_microphone(id); // another of the seat may have been resumed while this one rang
        self.tell_status(id);
        self.tell_with_session(id, "accepted", Map::new());
        let bytes = self.send_ack(ack, link);
        if let Some(talking) = self.sessions.get_mut(&id).and_then(|s| s.talking()) {
            talking.ack = Some((invite.cseq(), bytes));
        }
        self.tell_with_session(id, "confirmed", Map::new());
        self.tell_referrer(id, 200);
        self.read_timer(id, msg);
        self.begin_reports(id);
        self.limit_length(id);
    }

    /// The early dialog that PRACKs went through, confirmed; else a new one.
    fn confirmed_dialog(&mut self, id: SessionId, invite: &Message, msg: &Message) -> Option<Dialog> {
        let tag = msg.to_tag().unwrap_or_default();
        let early = self.calling(id).and_then(|c| c.reliable.iter().find(|e| e.dialog.remote_tag == tag).cloned());
        match early {
            Some(early) => {
                let mut dialog = early.dialog;
                dialog.confirm(msg);
                Some(dialog)
            }
            None => Dialog::uac(invite, msg),
        }
    }

    /// The same INVITE to the same target, with what was learnt meanwhile.
    fn invite_again(&mut self, id: SessionId) {
        let Some(retry) = self.calling(id).map(|c| c.retry.clone()) else { return };
        if let Some(session) = self.sessions.get_mut(&id) {
            session.state = State::Preparing(Box::new(retry));
        }
        self.prepare(id);
    }

    pub(super) fn limit_length(&mut self, id: SessionId) {
        let limit = self.settings.phone.max_call_length;
        if limit > 0 {
            self.after(seconds(limit), Timer::MaxLength(id));
        }
    }

    /// A copy of the 2xx: our ACK was lost. Or a 2xx to an INVITE that we had given up: it gets its ACK too.
    pub(super) fn acknowledge_again(&mut self, id: SessionId, msg: &Message) {
        let Some(session) = self.sessions.get(&id) else { return };
        let (State::Talking(talking), Some(link)) = (&session.state, session.link) else { return };
        match &talking.ack {
            Some((cseq, bytes)) if *cseq == msg.cseq() => {
                let bytes = bytes.clone();
                self.transmit(link.hop, bytes);
            }
            _ if talking.dialog.matches(msg) && msg.cseq() <= talking.dialog.local_cseq => {
                let (ack, next_hop) = (talking.dialog.ack(msg.cseq()), talking.dialog.next_hop_uri());
                let link = self.dialog_link(&next_hop, link);
                self.send_ack(ack, link);
            }
            _ => {}
        }
    }

    /// A 2xx of a fork that lost, or one that came after the end: ACK, and once a BYE.
    fn acknowledge_and_leave(&mut self, tx: TxId, sent: &Sent, msg: &Message) {
        let Ok(invite) = Message::parse(&sent.request) else { return };
        let Some(mut dialog) = Dialog::uac(&invite, msg) else { return };
        let link = self.dialog_link(&dialog.next_hop_uri(), sent.link);
        let ack = dialog.ack(invite.cseq());
        self.send_ack(ack, link);
        dialog.local_cseq += sent.pracks;
        let tag = dialog.remote_tag.clone();
        let Some(entry) = self.sent.get_mut(&tx) else { return };
        if entry.losers.contains(&tag) || entry.losers.len() >= FORKS {
            return;
        }
        entry.losers.push(tag);
        self.send_bye(&mut dialog, link, &sent.account.clone(), None);
    }

    fn on_abandoned_response(&mut self, tx: TxId, sent: Sent, msg: &Message) {
        if (200..300).contains(&msg.status()) {
            self.acknowledge_and_leave(tx, &sent, msg);
        } else if msg.status() >= 300 {
            self.check_drained();
        }
    }

    /// A 2xx that no transaction knows any more still gets its ACK (rule 3), as long as its INVITE was ours.
    pub(super) fn on_stray_response(&mut self, msg: &Message) {
        if !(200..300).contains(&msg.status()) || msg.method() != Method::Invite {
            return;
        }
        let key = (msg.call_id().to_owned(), msg.from_tag().unwrap_or_default());
        if let Some(tx) = self.sent.iter().find(|(_, s)| s.invite.as_ref() == Some(&key)).map(|(tx, _)| *tx) {
            self.on_response(tx, msg);
        } else if let Some(id) = self.dialogs.get(&key).copied() {
            self.acknowledge_again(id, msg);
        }
    }

    fn on_invite_challenge(&mut self, id: SessionId, sent: Sent, msg: &Message) {
        let Some(calling) = self.calling(id) else { return };
        let cseq = calling.cseq + 1;
        let Some(request) = self.with_digest(&sent, msg, cseq) else {
            return self.on_invite_failed(id, msg.status(), "Authentication Error", None);
        };
        let tx = self.send_request(request, sent.link, Owner::Invite(id), &sent.account, sent.tries + 1);
        if let Some(calling) = self.calling(id) {
            calling.tx = tx;
            calling.cseq = cseq;
            calling.retry.cseq = cseq;
        }
    }

    /// 3xx: the Contacts are tried, at most five in a row (RFC 3261 §8.1.3.4).
    fn on_redirect(&mut self, id: SessionId, msg: &Message) {
        let contact = msg.contact().and_then(|c| c.sip_uri().ok()).filter(|u| u.scheme.starts_with("sip"));
        let Some(calling) = self.calling(id) else { return };
        let mut retry = calling.retry.clone();
        let text = contact.as_ref().map(|u| SipUri { headers: String::new(), ..u.clone() }.to_string());
        let account = self.sessions.get(&id).map(|session| session.account.clone()).unwrap_or_default();
        let contact = contact.filter(|target| self.may_dial(&account, target));
        let (Some(uri), Some(text)) = (contact, text.filter(|t| *t != retry.request_uri && retry.redirects < 5)) else {
            return self.on_invite_failed(id, msg.status(), "Redirected", None);
        };
        retry.redirects += 1;
        retry.request_uri = text;
        let through_proxy = !retry.route.is_empty();
        let front = retry.targets.clone();
        retry.targets = front.filter(|_| through_proxy);
        if let Some(session) = self.sessions.get_mut(&id) {
            session.state = State::Preparing(Box::new(retry));
        }
        self.tell_status(id);
        if through_proxy {
            self.prepare(id);
        } else {
            self.resolve(host_of(&uri), Query::Call(id));
        }
    }

    /// A refusal, or nothing. After 503 or a timeout the next target is tried (RFC 3263 §4.3).
    fn on_invite_failed(&mut self, id: SessionId, code: u16, cause: &str, said: Option<&Message>) {
        let Some(calling) = self.calling(id) else { return };
        let left: Option<std::collections::VecDeque<Target>> = calling.retry.targets.clone();
        if matches!(code, 408 | 503) && !calling.rings && left.as_ref().is_some_and(|t| t.len() > 1) {
            let mut retry = calling.retry.clone();
            retry.targets = left.map(|mut t| {
                t.pop_front();
                t
            });
            if let Some(session) = self.sessions.get_mut(&id) {
                session.state = State::Preparing(Box::new(retry));
            }
            return self.prepare(id);
        }
        if let Some(msg) = said {
            self.keep_reasons(id, msg);
        }
        self.finish(id, "failed", json!({"cause": cause, "code": code, "by": "remote"}));
    }

    /// The call cannot be made here.
    pub(super) fn fail_client(&mut self, id: SessionId, code: Code, cause: &str) {
        let Some(session) = self.sessions.get(&id) else { return };
        let reply = match &session.state {
            State::Preparing(p) => p.reply,
            _ => None,
        };
        let first = !matches!(&session.state, State::Preparing(p) if p.cseq > 0);
        let error = super::error::Error::new(code, format!("the call could not be made: {cause}"));
        self.reply_opt(reply, Err(error));
        if first {
            self.finish(id, "clientError", json!({"cause": cause}));
        } else {
            self.finish(id, "failed", json!({"cause": cause, "code": 503, "by": "system"}));
        }
    }

    /// BYE and the like: only a challenge needs an answer.
    fn on_other_response(&mut self, sent: Sent, msg: &Message) {
        if matches!(msg.status(), 401 | 407)
            && let Ok(request) = Message::parse(&sent.request)
            && let Some(again) = self.with_digest(&sent, msg, request.cseq() + 1)
        {
            self.send_request(again, sent.link, Owner::Nobody, &sent.account, sent.tries + 1);
            return;
        }
        if msg.status() >= 200 {
            self.check_drained();
        }
    }

    /// The value of a header as JSON.
    pub(super) fn header_or_null(msg: &Message, name: &str) -> Value {
        msg.header(name).map_or(Value::Null, Value::from)
    }
}
