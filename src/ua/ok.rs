//! Our 2xx to an INVITE: sent again until its ACK comes (RFC 3261 §13.3.1.4), also when the call is over meanwhile.

use serde::{Deserialize, Serialize};
use serde_json::Map;

use super::Ua;
use super::clock::Timer;
use super::io::{Mono, SessionId};
use super::media::MediaCommand;
use super::route::Link;
use super::session::{State, Talking, Unacked};
use crate::sdp::{Direction, SessionDescription};
use crate::sip::dialog::Dialog;
use crate::sip::message::Message;
use crate::sip::transaction::TxId;

/// RFC 3261 T2.
const T2: Mono = 4_000_000;

/// A 2xx of a session that is over: its ACK is awaited, then the BYE goes (RFC 3261 §15).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Orphan {
    pub account: String,
    pub dialog: Dialog,
    pub ok: Unacked,
}

impl Unacked {
    /// True: given up.
    fn is_late(&self, now: Mono) -> bool {
        now >= self.give_up
    }

    fn next(&mut self, now: Mono) -> Mono {
        self.interval = (self.interval * 2).min(T2);
        self.again = (now + self.interval).min(self.give_up);
        self.again - now
    }
}

impl Ua {
    pub(super) fn unacked(&self, tx: TxId, link: Link, cseq: u32, offered: bool) -> Unacked {
        let t1 = self.settings.sip.t1_ms * 1000;
        let now = self.now.mono;
        Unacked { tx, link, cseq, interval: t1, again: now + t1, give_up: now + 64 * t1, offered }
    }

    fn send_again(&mut self, ok: &Unacked) {
        self.transactions.resend_2xx(ok.tx);
        self.flush();
    }

    pub(super) fn on_ok_timer(&mut self, id: SessionId) {
        let now = self.now.mono;
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let ok = match &mut session.state {
            State::Accepting(a) => &mut a.ok,
            State::Talking(t) => match &mut t.unacked {
                Some(ok) => ok,
                None => return,
            },
            _ => return,
        };
        if ok.again > now {
            return;
        }
        if ok.is_late(now) {
            return self.give_up(id, "No ACK", 408);
        }
        let copy = ok.clone();
        let delay = ok.next(now);
        self.send_again(&copy);
        self.after(delay.max(1), Timer::Ok(id));
    }

    /// The session is over before its ACK came.
    pub(super) fn leave_orphan(&mut self, account: String, dialog: Dialog, ok: Unacked) {
        let key = (dialog.call_id.clone(), dialog.local_tag.clone());
        let delay = ok.again.saturating_sub(self.now.mono);
        self.after(delay, Timer::OrphanOk(key.0.clone(), key.1.clone()));
        self.orphans.insert(key, Orphan { account, dialog, ok });
    }

    pub(super) fn on_orphan_timer(&mut self, call_id: String, tag: String) {
        let now = self.now.mono;
        let key = (call_id, tag);
        let Some(orphan) = self.orphans.get_mut(&key) else { return };
        if orphan.ok.is_late(now) {
            return self.end_orphan(&key);
        }
        let copy = orphan.ok.clone();
        let delay = orphan.ok.next(now);
        self.send_again(&copy);
        self.after(delay.max(1), Timer::OrphanOk(key.0, key.1));
    }

    fn end_orphan(&mut self, key: &(String, String)) {
        if let Some(Orphan { account, mut dialog, ok }) = self.orphans.remove(key) {
            self.send_bye(&mut dialog, ok.link, &account, None);
        }
    }

    /// An ACK for a 2xx: it belongs to the dialog.
    pub(super) fn on_ack(&mut self, msg: &Message) {
        let key = (msg.call_id().to_owned(), msg.to_tag().unwrap_or_default());
        if self.orphans.contains_key(&key) {
            return self.end_orphan(&key);
        }
        let Some(id) = self.dialogs.get(&key).copied() else { return };
        self.at_hand = Some(id);
        let Some(session) = self.sessions.get_mut(&id) else { return };
        match &mut session.state {
            State::Accepting(accepting) if accepting.ok.cseq == msg.cseq() => {
                let offered = accepting.ok.offered;
                let dialog = accepting.dialog.clone();
                session.state = State::Talking(Box::new(Talking::new(dialog)));
                if offered && !self.read_late_answer(id, msg, Direction::SendRecv) {
                    return;
                }
                self.tell_status(id);
                self.tell_with_session(id, "confirmed", Map::new());
                // The microphone may have been given away while the ACK was on its way.
                let parked = self.sessions.get(&id).is_some_and(|s| s.parked);
                if parked && (self.settings.phone.hold_others || self.is_consulted_about(id)) {
                    self.ask(id, super::session::Op { verb: super::session::Verb::Hold, reply: None });
                }
            }
            State::Talking(talking) => {
                let offered = talking.unacked.as_ref().filter(|u| u.cseq == msg.cseq()).map(|u| u.offered);
                let direction = if talking.held { Direction::SendOnly } else { Direction::SendRecv };
                if let Some(offered) = offered {
                    talking.unacked = None;
                    if offered {
                        self.read_late_answer(id, msg, direction);
                    }
                    self.tell_status(id);
                    self.advance(id);
                }
            }
            _ => {}
        }
    }

    /// The answer to an offer of ours comes in the ACK. False: there is none, and the call is over.
    fn read_late_answer(&mut self, id: SessionId, msg: &Message, offered: Direction) -> bool {
        let Some(session) = self.sessions.get_mut(&id) else { return false };
        let Some(local) = session.local.as_mut() else { return false };
        let answer = SessionDescription::parse(msg.body()).and_then(|answer| local.accept(&answer, offered));
        match answer {
            Ok(negotiated) => {
                session.negotiated = Some(negotiated.clone());
                self.media(id, MediaCommand::Remote(negotiated));
                true
            }
            // A re-INVITE: the call goes on as it was.
            Err(error) if session.negotiated.is_some() && !error.insecure => true,
            Err(_) if msg.body().is_empty() => {
                self.fail_answered(id, "Missing SDP", None);
                false
            }
            Err(error) => {
                self.fail_answered(id, error.cause(), Some(&error.reason));
                false
            }
        }
    }
}
