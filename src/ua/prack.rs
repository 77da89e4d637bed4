//! Reliable provisionals (RFC 3262), both roles.

use serde::{Deserialize, Serialize};

use super::Ua;
use super::clock::Timer;
use super::io::{Mono, SessionId};
use super::route::{Link, Owner, Sent};
use super::session::State;
use crate::sip::dialog::Dialog;
use crate::sip::message::{Message, Method};
use crate::sip::transaction::TxId;

/// RFC 3261 T2: the longest wait between two copies.
const T2: Mono = 4_000_000;

/// A reliable provisional of ours that waits for its PRACK.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Reliable {
    pub rseq: u32,
    /// Its bytes, while it waits; empty afterwards.
    pub bytes: Vec<u8>,
    link: Link,
    interval: Mono,
    again: Mono,
    give_up: Mono,
    /// It holds our answer: no 2xx before its PRACK (§3).
    pub described: bool,
}

/// The peer's reliable provisionals of one early dialog.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct EarlyDialog {
    pub dialog: Dialog,
    rseq: u32,
}

impl Ua {
    /// Sends a provisional of ours: reliably where the caller requires it, or where it holds SDP and the caller can.
    pub(super) fn send_provisional(&mut self, id: SessionId, tx: TxId, invite: &Message, mut response: Message) {
        let described = !response.body().is_empty();
        let reliable = invite.has_token("Require", "100rel") || (described && invite.has_token("Supported", "100rel"));
        let t1 = self.settings.sip.t1_ms * 1000;
        let now = self.now.mono;
        if reliable && let Some(session) = self.sessions.get_mut(&id) {
            let Some(link) = session.link else { return };
            let State::Incoming(incoming) = &mut session.state else { return };
            let rseq = incoming.reliable.as_ref().map_or(1, |r| r.rseq + 1);
            response.push("Require", "100rel");
            response.push("RSeq", rseq.to_string());
            let bytes = response.to_bytes();
            incoming.reliable =
                Some(Reliable { rseq, bytes, link, interval: t1, again: now + t1, give_up: now + 64 * t1, described });
            self.after(t1, Timer::Provisional(id));
        }
        self.transactions.respond(now, tx, response);
        self.flush();
    }

    pub(super) fn on_provisional_timer(&mut self, id: SessionId) {
        let now = self.now.mono;
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let State::Incoming(incoming) = &mut session.state else { return };
        let Some(reliable) = incoming.reliable.as_mut().filter(|r| !r.bytes.is_empty() && r.again <= now) else {
            return;
        };
        if now >= reliable.give_up {
            return self.refuse(id, 504, "Request Timeout", "system");
        }
        reliable.interval = (reliable.interval * 2).min(T2);
        reliable.again = (now + reliable.interval).min(reliable.give_up);
        let (delay, bytes, hop) = (reliable.again - now, reliable.bytes.clone(), reliable.link.hop);
        self.transmit(hop, bytes);
        self.after(delay, Timer::Provisional(id));
    }

    /// The caller's PRACK.
    pub(super) fn on_prack(&mut self, id: SessionId, tx: TxId, msg: &Message) {
        let acknowledged = msg.header("RAck").and_then(|r| r.split_whitespace().next()?.parse::<u32>().ok());
        let Some(State::Incoming(incoming)) = self.sessions.get_mut(&id).map(|s| &mut s.state) else {
            return self.respond(tx, msg, 481);
        };
        match incoming.reliable.as_mut().filter(|r| Some(r.rseq) == acknowledged && !r.bytes.is_empty()) {
            Some(reliable) => {
                reliable.bytes = Vec::new();
                self.respond(tx, msg, 200);
                self.complete_answer(id);
            }
            None => self.respond(tx, msg, 481),
        }
    }

    /// A provisional of the peer's that wants a PRACK. False: it is a copy, or out of order, and is not to be told.
    pub(super) fn acknowledge_provisional(&mut self, id: SessionId, sent: &Sent, msg: &Message) -> bool {
        if !msg.has_token("Require", "100rel") {
            return true;
        }
        let Some(rseq) = msg.header("RSeq").and_then(|r| r.trim().parse::<u32>().ok()) else { return true };
        let Ok(invite) = Message::parse(&sent.request) else { return false };
        let Some(State::Calling(calling)) = self.sessions.get_mut(&id).map(|s| &mut s.state) else { return false };
        let tx = calling.tx;
        let tag = msg.to_tag().unwrap_or_default();
        let full = calling.reliable.len() >= super::responses::FORKS;
        let known = calling.reliable.iter_mut().find(|e| e.dialog.remote_tag == tag);
        let mut dialog = match known {
            Some(early) if rseq != early.rseq + 1 => return false,
            Some(early) => {
                early.rseq = rseq;
                early.dialog.clone()
            }
            None if full => return false,
            None => {
                let Some(dialog) = Dialog::uac(&invite, msg) else { return false };
                calling.reliable.push(EarlyDialog { dialog: dialog.clone(), rseq });
                dialog
            }
        };
        let link = self.dialog_link(&dialog.next_hop_uri(), sent.link);
        let mut prack = dialog.request(Method::Prack);
        prack.push("RAck", format!("{rseq} {} INVITE", invite.cseq()));
        if let Some(State::Calling(calling)) = self.sessions.get_mut(&id).map(|s| &mut s.state)
            && let Some(early) = calling.reliable.iter_mut().find(|e| e.dialog.remote_tag == tag)
        {
            early.dialog = dialog;
        }
        if let Some(sent) = self.sent.get_mut(&tx) {
            sent.pracks += 1;
        }
        self.send_request(prack, link, Owner::Nobody, &sent.account.clone(), 0);
        true
    }
}
