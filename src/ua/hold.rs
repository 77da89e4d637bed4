//! Hold and unhold: our re-INVITE (RFC 3261 §14.1, RFC 3264 §8.4). A refusal brings the sound back and keeps the call.

use serde_json::{Value, json};

use super::Ua;
use super::clock::{SECOND, Timer};
use super::error::{Code, Error};
use super::io::{ReplyId, SessionId};
use super::media::MediaCommand;
use super::route::{Owner, Sent};
use super::session::{Op, Pending, State, Verb};
use super::status::CommunicationType;
use super::wrong_state;
use crate::sdp::{Direction, SessionDescription};
use crate::sip::dialog::Dialog;
use crate::sip::message::{Message, Method};
use crate::sip::transaction::TxId;

impl Ua {
    /// `session.hold` and `session.unhold`: the reply comes with the peer's final answer.
    pub(super) fn hold(&mut self, id: SessionId, hold: bool, reply: ReplyId) -> Result<(), Error> {
        if !matches!(self.sessions.get(&id).map(|s| &s.state), Some(State::Talking(_))) {
            return Err(wrong_state("only a confirmed session can be held or resumed").hint("wait for `confirmed`"));
        }
        if self.sessions.get_mut(&id).and_then(|s| s.talking()).is_some_and(|t| t.queue.len() >= 16) {
            return Err(wrong_state("16 verbs of this session wait for the far end already"));
        }
        let verb = if hold { Verb::Hold } else { Verb::Unhold };
        self.set_apart(id, hold);
        self.ask(id, Op { verb, reply: Some(reply) });
        if !hold {
            self.resume_fellows(id);
        }
        Ok(())
    }

    /// Queues a verb that needs the far end: those of one session wait for each other.
    pub(super) fn ask(&mut self, id: SessionId, op: Op) {
        if let Some(talking) = self.sessions.get_mut(&id).and_then(|s| s.talking()) {
            talking.queue.push_back(op);
            self.advance(id);
        }
    }

    /// Starts the next verb, when nothing is under way.
    pub(super) fn advance(&mut self, id: SessionId) {
        loop {
            let Some(talking) = self.sessions.get_mut(&id).and_then(|s| s.talking()) else { return };
            if talking.pending.is_some() || talking.unacked.is_some() {
                return;
            }
            let Some(op) = talking.queue.pop_front() else { return };
            if op.verb == if talking.held { Verb::Hold } else { Verb::Unhold } {
                self.answer_op(op.reply, Ok(Value::Bool(true)));
                self.hold_is_final(id);
                continue;
            }
            if op.verb == Verb::Unhold {
                self.take_microphone(id);
            }
            return self.offer_hold(id, op, 0);
        }
    }

    fn offer_hold(&mut self, id: SessionId, op: Op, glares: u8) {
        let Some(session) = self.sessions.get(&id) else { return };
        let direction = match (op.holds(session.held()), session.remote_hold()) {
            (true, true) => Direction::Inactive,
            (true, false) => Direction::SendOnly,
            (false, _) => Direction::SendRecv,
        };
        if op.verb == Verb::Hold {
            self.media(id, MediaCommand::Gate(Direction::Inactive));
        }
        self.offer_video(id, op.verb);
        let tx = self.send_reinvite(id, direction);
        if let Some(talking) = self.sessions.get_mut(&id).and_then(|s| s.talking()) {
            talking.pending = Some(Pending { op, tx, glares });
        }
    }

    fn send_reinvite(&mut self, id: SessionId, direction: Direction) -> Option<TxId> {
        let session = self.sessions.get_mut(&id)?;
        let (account, link) = (session.account.clone(), session.link?);
        let sdp = session.local.as_mut()?.offer(direction);
        let mut dialog: Dialog = session.talking()?.dialog.clone();
        let link = self.dialog_link(&dialog.next_hop_uri(), link);
        let mut msg = self.in_dialog(&mut dialog, Method::Invite, &account, link);
        msg.set_body("application/sdp", sdp.into_bytes());
        msg.push("Supported", super::route::SUPPORTED);
        self.ask_timer(id, &mut msg);
        if let Some(talking) = self.sessions.get_mut(&id).and_then(|s| s.talking()) {
            talking.dialog = dialog;
        }
        let tx = self.send_request(msg, link, Owner::Reinvite(id), &account, 0);
        self.after(64 * self.settings.sip.t1_ms * 1000, Timer::Unanswered(id, tx));
        Some(tx)
    }

    pub(super) fn on_reinvite_response(&mut self, id: SessionId, tx: TxId, sent: Sent, msg: &Message) {
        if msg.status() < 200 {
            return;
        }
        let talking = self.sessions.get_mut(&id).and_then(|s| s.talking());
        let current = talking.and_then(|t| t.pending.clone()).filter(|p| p.tx == Some(tx));
        if msg.status() < 300 {
            return match current {
                Some(pending) => self.on_reinvite_accepted(id, pending, &sent, msg),
                None if self.sessions.contains_key(&id) => self.acknowledge_again(id, msg),
                None => self.acknowledge_late(&sent, msg),
            };
        }
        let Some(pending) = current else { return };
        match msg.status() {
            401 | 407 => self.on_reinvite_challenge(id, pending, sent, msg),
            491 => self.on_glare(id, pending),
            422 if self.learn_min_se(id, msg) => self.offer_hold(id, pending.op, pending.glares),
            481 => self.dialog_is_lost(id),
            code => self.roll_back(
                id,
                pending,
                Error::new(Code::PeerRefused, format!("the far end refused with {code}")).sip(code),
            ),
        }
    }

    fn on_reinvite_accepted(&mut self, id: SessionId, pending: Pending, sent: &Sent, msg: &Message) {
        let now = self.now.mono;
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let Some(talking) = session.talking() else { return };
        talking.dialog.refresh_target(msg);
        let ack = talking.dialog.ack(msg.cseq());
        let next_hop = talking.dialog.next_hop_uri();
        let link = self.dialog_link(&next_hop, sent.link);
        let bytes = self.send_ack(ack, link);
        let Some(session) = self.sessions.get_mut(&id) else { return };
        session.link = Some(link);
        if let Some(talking) = session.talking() {
            talking.ack = Some((msg.cseq(), bytes));
            talking.pending = None;
        }
        if link == sent.link {
            self.has_moved(id); // the Contact that it held is that of today
        }
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let hold = pending.op.holds(session.held());
        let direction = if hold { Direction::SendOnly } else { Direction::SendRecv };
        let Some(local) = session.local.as_mut() else { return };
        match SessionDescription::parse(msg.body()).and_then(|answer| local.accept(&answer, direction)) {
            Ok(negotiated) => {
                session.negotiated = Some(negotiated.clone());
                if pending.op.verb.is_hold() {
                    session.set_held(hold, now);
                }
                self.media(id, MediaCommand::Remote(negotiated));
            }
            // The peer has left the keys behind: what we sent it could not read, and what it sends we may not play.
            Err(error) if error.insecure => return self.fail_answered(id, error.cause(), Some(&error.reason)),
            Err(error) => {
                tracing::debug!("an answer that cannot be read: {:?}", error.reason);
                return self.roll_back(
                    id,
                    pending,
                    Error::new(Code::PeerRefused, "the far end's answer cannot be read").sip(msg.status()),
                );
            }
        }
        self.learn_party(id, sent.link.hop, msg, false);
        self.read_timer(id, msg);
        self.tell_status(id);
        self.after_verb(id, pending.op.verb);
        let refused = || Error::new(Code::PeerRefused, "the far end takes no video").sip(msg.status());
        let result = if self.video_is_agreed(id, pending.op.verb) { Ok(Value::Bool(true)) } else { Err(refused()) };
        self.answer_op(pending.op.reply, result);
        self.advance(id);
    }

    fn after_verb(&mut self, id: SessionId, verb: Verb) {
        if !verb.is_hold() {
            return;
        }
        let hold = verb == Verb::Hold;
        self.park(id, false);
        self.set_gate(id, hold);
        if hold {
            self.hold_is_final(id);
        } else {
            if self.is_contested(id) {
                self.take_microphone(id); // another became live while this one was being resumed
            }
            if !self.current.is_some_and(|current| self.are_fellows(current, id)) {
                self.set_current(Some(id));
            }
        }
    }

    /// The sound of a call as its hold wants it: a held party hears the music, where there is one, and else nothing.
    pub(super) fn set_gate(&mut self, id: SessionId, held: bool) {
        let music = if held { self.hold_music(id) } else { None };
        let command = match music {
            Some(file) => MediaCommand::HoldMusic(file),
            None if held => MediaCommand::Gate(Direction::Inactive),
            None => MediaCommand::Gate(Direction::SendRecv),
        };
        self.media(id, command);
    }

    /// The file that a held party hears: the account's, else everybody's; an empty name is none.
    pub(super) fn hold_music(&self, id: SessionId) -> Option<String> {
        let account = self.sessions.get(&id).and_then(|session| self.accounts.get(&session.account));
        let own = account.and_then(|account| account.settings.hold_music.clone());
        own.or_else(|| self.settings.phone.hold_music.clone()).filter(|file| !file.is_empty())
    }

    /// The call goes on as it was before the re-INVITE.
    fn roll_back(&mut self, id: SessionId, pending: Pending, error: Error) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let parked = session.parked;
        let held = session.held();
        if let Some(talking) = session.talking() {
            talking.pending = None;
        }
        self.video_rolls_back(id);
        self.set_gate(id, held);
        if !held {
            self.set_apart(id, false);
        }
        if parked && !held {
            self.tell_session(id, "media", json!({"state": "parked", "reason": "the far end refused to be held; the microphone belongs to another call"}));
        }
        self.answer_op(pending.op.reply, Err(error));
        self.hold_is_final(id);
        self.move_again(id);
        self.advance(id);
    }

    fn on_reinvite_challenge(&mut self, id: SessionId, pending: Pending, sent: Sent, msg: &Message) {
        let cseq = match self.sessions.get_mut(&id).and_then(|s| s.talking()) {
            Some(talking) => talking.dialog.local_cseq + 1,
            None => return,
        };
        let Some(request) = self.with_digest(&sent, msg, cseq) else {
            return self.roll_back(
                id,
                pending,
                Error::new(Code::PeerRefused, "the far end wants credentials").sip(msg.status()),
            );
        };
        let tx = self.send_request(request, sent.link, Owner::Reinvite(id), &sent.account, sent.tries + 1);
        if let Some(talking) = self.sessions.get_mut(&id).and_then(|s| s.talking()) {
            talking.dialog.local_cseq = cseq;
            talking.pending = Some(Pending { tx: Some(tx), ..pending });
        }
    }

    /// 491: both asked at once. The owner of the Call-ID waits 2.1–4 s, the other 0–2 s (RFC 3261 §14.1).
    fn on_glare(&mut self, id: SessionId, pending: Pending) {
        if pending.glares >= 3 {
            return self.roll_back(
                id,
                pending,
                Error::new(Code::Glare, "the far end asks for changes at the same time").sip(491),
            );
        }
        let outbound = |s: &super::session::Session| s.direction == CommunicationType::Outbound && !s.refers.replaced;
        let ours = self.sessions.get(&id).is_some_and(outbound);
        let wait = if ours { 2_100_000 + self.chance(190) * 10_000 } else { self.chance(200) * 10_000 };
        if let Some(talking) = self.sessions.get_mut(&id).and_then(|s| s.talking()) {
            talking.pending = Some(Pending { tx: None, glares: pending.glares + 1, ..pending });
        }
        self.after(wait.min(4 * SECOND), Timer::Glare(id));
    }

    pub(super) fn after_glare(&mut self, id: SessionId) {
        let Some(talking) = self.sessions.get_mut(&id).and_then(|s| s.talking()) else { return };
        if talking.unacked.is_some() {
            return self.after(SECOND / 2, Timer::Glare(id));
        }
        if let Some(Pending { op, glares, .. }) = talking.pending.clone().filter(|p| p.tx.is_none()) {
            self.offer_hold(id, op, glares);
        }
    }

    /// It was answered by 1xx only: cancelled, so that the verbs behind it get their turn (RFC 3261 §14.1).
    pub(super) fn on_reinvite_late(&mut self, id: SessionId, tx: TxId) {
        let talking = self.sessions.get_mut(&id).and_then(|s| s.talking());
        if talking.and_then(|t| t.pending.as_ref()).is_some_and(|p| p.tx == Some(tx)) {
            self.transactions.cancel(self.now.mono, tx, &[]);
            self.flush();
        }
    }

    /// Nobody answered our re-INVITE: the call goes on as it was; its BYE, or the silence, will tell.
    pub(super) fn on_reinvite_unanswered(&mut self, id: SessionId, tx: TxId) {
        let talking = self.sessions.get_mut(&id).and_then(|s| s.talking());
        let Some(pending) = talking.and_then(|t| t.pending.clone()).filter(|p| p.tx == Some(tx)) else { return };
        self.roll_back(id, pending, Error::new(Code::Timeout, "the far end did not answer").sip(408));
    }

    /// A 2xx to a re-INVITE of a call that is over: only an ACK is owed.
    fn acknowledge_late(&mut self, sent: &Sent, msg: &Message) {
        let Ok(invite) = Message::parse(&sent.request) else { return };
        if let Some(dialog) = Dialog::uac(&invite, msg) {
            let mut ack = dialog.ack(invite.cseq());
            ack.remove("Route");
            invite.headers("Route").for_each(|route| ack.push("Route", route));
            self.send_ack(ack, sent.link);
        }
    }
}
