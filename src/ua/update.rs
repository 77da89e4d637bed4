//! UPDATE (RFC 3311): ours refreshes the session; the peer's may carry an offer, answered as that of a re-INVITE.

use super::Ua;
use super::error::{Code, Error};
use super::io::SessionId;
use super::route::{Owner, Sent};
use super::session::{Op, State, Verb};
use crate::sdp::Direction;
use crate::sip::message::{Message, Method};
use crate::sip::transaction::TxId;

impl Ua {
    /// An UPDATE without an offer.
    pub(super) fn send_update(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let account = session.account.clone();
        let Some(link) = session.link else { return };
        let Some(mut dialog) = session.talking().map(|t| t.dialog.clone()) else { return };
        let link = self.dialog_link(&dialog.next_hop_uri(), link);
        let mut update = self.in_dialog(&mut dialog, Method::Update, &account, link);
        self.ask_timer(id, &mut update);
        if let Some(talking) = self.sessions.get_mut(&id).and_then(|s| s.talking()) {
            talking.dialog = dialog;
        }
        self.send_request(update, link, Owner::Update(id), &account, 0);
    }

    pub(super) fn on_update_response(&mut self, id: SessionId, sent: Sent, msg: &Message) {
        let Some(session) = self.sessions.get_mut(&id).filter(|_| msg.status() >= 200) else { return };
        let Some(talking) = session.talking() else { return };
        match msg.status() {
            200..=299 => {
                talking.dialog.refresh_target(msg);
                self.read_timer(id, msg);
            }
            401 | 407 => {
                let cseq = talking.dialog.local_cseq + 1;
                let Some(again) = self.with_digest(&sent, msg, cseq) else { return };
                if let Some(talking) = self.sessions.get_mut(&id).and_then(|s| s.talking()) {
                    talking.dialog.local_cseq = cseq;
                }
                self.send_request(again, sent.link, Owner::Update(id), &sent.account, sent.tries + 1);
            }
            422 if self.learn_min_se(id, msg) => self.send_update(id),
            405 | 501 => {
                if let Some(session) = self.sessions.get_mut(&id) {
                    session.peer_updates = false;
                }
                self.ask(id, Op { verb: Verb::Refresh, reply: None });
            }
            481 => self.dialog_is_lost(id),
            _ => {} // the timer runs on: without a refresh it ends the call
        }
    }

    /// The peer's UPDATE.
    pub(super) fn on_update(&mut self, id: SessionId, tx: TxId, msg: &Message) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let held = session.held();
        let before = session.negotiated.clone();
        let mut answer = None;
        if !msg.body().is_empty() {
            match &session.state {
                State::Talking(t) if t.pending.as_ref().is_some_and(|p| p.tx.is_some()) => {
                    return self.respond(tx, msg, 491);
                }
                State::Talking(t) if t.unacked.is_none() => {}
                _ => return self.respond_busy(tx, msg),
            }
            let direction = if held { Direction::SendOnly } else { Direction::SendRecv };
            let Some(local) = session.local.as_mut() else { return };
            let described = crate::sdp::SessionDescription::parse(msg.body());
            match described.and_then(|offer| local.answer(&offer, direction)) {
                Ok(described) => answer = Some(described),
                Err(_) => return self.respond(tx, msg, 488),
            }
        }
        if let Some(dialog) = session.dialog_mut() {
            dialog.refresh_target(msg);
        }
        let mut ok = self.dialog_response(id, msg, 200);
        self.grant_timer(id, msg, &mut ok);
        let negotiated = answer.map(|(sdp, negotiated)| {
            ok.set_body("application/sdp", sdp.into_bytes());
            negotiated
        });
        self.transactions.respond(self.now.mono, tx, ok);
        self.flush();
        if negotiated.is_some() {
            self.take_over(id, before.as_ref(), negotiated, held);
        }
    }

    /// `session.renegotiate`: a re-INVITE with what holds now.
    pub(super) fn renegotiate(&mut self, id: SessionId, reply: super::io::ReplyId) -> Result<(), Error> {
        if !matches!(self.sessions.get(&id).map(|s| &s.state), Some(State::Talking(_))) {
            return Err(Error::new(Code::WrongState, "only a confirmed session can be renegotiated")
                .hint("wait for `confirmed`"));
        }
        self.ask(id, Op { verb: Verb::Refresh, reply: Some(reply) });
        Ok(())
    }
}
