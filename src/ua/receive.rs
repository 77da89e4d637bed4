//! What comes in: the source check, then the parser, then the transactions, then the verb.

use std::net::SocketAddr;

use serde_json::json;

use super::Ua;
use super::io::{FlowId, Hop};
use super::route::{ALLOW, SUPPORTED};
use crate::sip::dialog::Dialog;
use crate::sip::message::{Message, Method, ParseError, reason_phrase};
use crate::sip::transaction::{TxId, tag};
use crate::sip::uri::SipUri;

impl Ua {
    pub(super) fn on_received(&mut self, flow: FlowId, from: SocketAddr, bytes: &[u8]) {
        let Some(transport) = self.flows.get(&flow).map(|f| f.transport) else { return };
        let hop = Hop { flow, addr: from, transport };
        if self.note_life(flow, bytes) {
            return;
        }
        let msg = match Message::parse(bytes) {
            Ok(msg) => msg,
            Err(error) => return self.on_bad_message(hop, error),
        };
        if !msg.is_request() && msg.headers("Via").count() > 1 {
            return; // misrouted (RFC 3261 §8.1.3.3)
        }
        if msg.is_request() && !self.may_speak(hop, &msg) {
            tracing::debug!("a request from a stranger is dropped");
            return;
        }
        if let Some(event) = self.transactions.receive(self.now.mono, hop, msg) {
            self.on_transaction(event);
        }
    }

    /// A message that breaks the grammar: answered where it can be and its sender is known, else dropped (rule 1).
    fn on_bad_message(&mut self, hop: Hop, error: ParseError) {
        tracing::debug!("a malformed message: {:?}", error.reason);
        let (Some(status), Some(msg)) = (error.status, error.answerable) else { return };
        if !msg.is_request() || msg.method() == Method::Ack || !self.is_known(hop) {
            return;
        }
        let mut response = Message::response(&msg, status, reason_phrase(status));
        if response.to_tag().is_none() {
            response.set_to_tag(&tag(&mut self.rng));
        }
        response.set("Server", self.settings.sip.user_agent.clone());
        self.out.push_back(super::io::Output::Send { flow: hop.flow, to: hop.addr, bytes: response.to_bytes() });
    }

    /// A new request of a known source.
    pub(super) fn on_request(&mut self, tx: TxId, hop: Hop, msg: Message) {
        let key = (msg.call_id().to_owned(), msg.to_tag().unwrap_or_default());
        if msg.method() == Method::Cancel {
            return self.respond(tx, &msg, 481);
        }
        if let Some(status) = self.refusal(&msg) {
            return self.respond(tx, &msg, status);
        }
        if let Some(id) = self.dialogs.get(&key).copied() {
            self.at_hand = Some(id);
            return self.on_request_in_dialog(id, tx, hop, &msg);
        }
        if self.orphans.contains_key(&key) {
            let bye = msg.method() == Method::Bye;
            self.respond(tx, &msg, if bye { 200 } else { 481 });
            if bye {
                self.orphans.remove(&key); // the peer has ended it: nothing is owed any more
                self.check_drained();
            }
            return;
        }
        if msg.to_tag().is_some() {
            return self.respond(tx, &msg, 481);
        }
        match msg.method() {
            Method::Invite => self.on_invite(tx, hop, msg),
            Method::Options => self.on_options(tx, hop, &msg),
            Method::Notify => self.on_notify(tx, hop, &msg),
            Method::Bye | Method::Info | Method::Update | Method::Prack => self.respond(tx, &msg, 481),
            Method::Refer => self.respond(tx, &msg, 603),
            _ => self.respond(tx, &msg, 405),
        }
    }

    /// What the phone refuses whatever it is about (RFC 3261 §8.2, rule 7).
    fn refusal(&self, msg: &Message) -> Option<u16> {
        let scheme = msg.uri().split(':').next().unwrap_or_default().to_ascii_lowercase();
        if !matches!(scheme.as_str(), "sip" | "sips" | "tel") {
            return Some(416);
        }
        if SipUri::parse(msg.uri()).is_err() {
            return Some(400);
        }
        if let Method::Other(_) = msg.method() {
            return Some(501);
        }
        if msg.headers("Require").any(|token| !is_spoken(token)) {
            return Some(420);
        }
        if Self::is_too_small(msg) && matches!(msg.method(), Method::Invite | Method::Update) {
            return Some(422);
        }
        let encoded = msg.header("Content-Encoding").is_some_and(|e| !e.trim().eq_ignore_ascii_case("identity"));
        let described =
            |t: &str| t.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/sdp");
        let bodied = !msg.body().is_empty() && msg.method() == Method::Invite;
        if encoded || (bodied && !msg.header("Content-Type").is_some_and(described)) {
            return Some(415);
        }
        let accepts = msg.header("Accept").filter(|a| !a.trim().is_empty());
        let ours = |a: &str| a.contains("application/sdp") || a.contains("application/*") || a.contains("*/*");
        if msg.method() == Method::Invite && accepts.is_some_and(|_| !msg.headers("Accept").any(ours)) {
            return Some(406);
        }
        None
    }

    fn on_request_in_dialog(&mut self, id: super::io::SessionId, tx: TxId, hop: Hop, msg: &Message) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let Some(dialog) = session.dialog_mut() else { return self.respond(tx, msg, 481) };
        if !dialog.matches(msg) {
            return self.respond(tx, msg, 481);
        }
        if !dialog.accept_cseq(msg) {
            return self.respond(tx, msg, 500);
        }
        match msg.method() {
            Method::Invite => self.on_reinvite(id, tx, hop, msg),
            Method::Bye => self.on_bye(id, tx, msg),
            Method::Info => self.on_info(id, tx, msg),
            Method::Update => self.on_update(id, tx, msg),
            Method::Prack => self.on_prack(id, tx, msg),
            Method::Options => self.on_options(tx, hop, msg),
            Method::Notify => self.on_refer_notify(id, tx, msg),
            Method::Refer => self.on_refer(id, tx, msg),
            _ => self.respond(tx, msg, 405),
        }
    }

    fn on_options(&mut self, tx: TxId, hop: Hop, msg: &Message) {
        if msg.to_tag().is_none() && self.account_for(hop, msg).is_none() {
            return self.respond(tx, msg, 404);
        }
        let mut response = self.response(msg, 200);
        response.push("Allow", ALLOW);
        response.push("Accept", "application/sdp");
        response.push("Supported", super::route::SUPPORTED);
        self.transactions.respond(self.now.mono, tx, response);
        self.flush();
    }

    /// An unsolicited NOTIFY (message waiting, RFC 3842): answered, and told.
    fn on_notify(&mut self, tx: TxId, hop: Hop, msg: &Message) {
        let Some(account) = self.account_for(hop, msg) else { return self.respond(tx, msg, 404) };
        self.respond(tx, msg, 200);
        let event = Self::header_or_null(msg, "Event");
        let body = String::from_utf8_lossy(msg.body()).into_owned();
        self.tell_account("account.notify", &account, json!({"event": event, "body": body}));
    }

    /// A response with what every response of ours has.
    pub(super) fn response(&mut self, msg: &Message, status: u16) -> Message {
        let mut response = Message::response(msg, status, reason_phrase(status));
        if response.to_tag().is_none() && status != 100 {
            response.set_to_tag(&tag(&mut self.rng));
        }
        response.set("Server", self.settings.sip.user_agent.clone());
        match status {
            405 => response.push("Allow", ALLOW),
            415 => {
                response.push("Accept", "application/sdp");
                response.push("Accept-Encoding", "identity");
            }
            422 => response.push("Min-SE", "90"),
            420 => {
                for token in msg.headers("Require").filter(|token| !is_spoken(token)) {
                    response.push("Unsupported", token);
                }
            }
            _ => {}
        }
        response
    }

    /// 500 with Retry-After: another exchange is in progress (RFC 3261 §14.2).
    pub(super) fn respond_busy(&mut self, tx: TxId, msg: &Message) {
        let mut busy = self.response(msg, 500);
        let retry_after = self.chance(11);
        busy.push("Retry-After", retry_after.to_string());
        self.transactions.respond(self.now.mono, tx, busy);
        self.flush();
    }

    /// Answers a request with nothing but a status.
    pub(super) fn respond(&mut self, tx: TxId, msg: &Message, status: u16) {
        let response = self.response(msg, status);
        self.transactions.respond(self.now.mono, tx, response);
        self.flush();
    }

    /// A response in the dialog of a session: with our tag and Contact.
    pub(super) fn dialog_response(&mut self, id: super::io::SessionId, msg: &Message, status: u16) -> Message {
        let mut response = Message::response(msg, status, reason_phrase(status));
        if let Some(session) = self.sessions.get(&id) {
            response.set_to_tag(&session.local_tag);
            if let Some(link) = session.link {
                response.push("Contact", self.contact(&session.account, link));
            }
        }
        response.push("Allow", ALLOW);
        response.push("Supported", SUPPORTED);
        response.set("Server", self.settings.sip.user_agent.clone());
        response
    }

    /// A request in the dialog: with our Contact; its link is where the next hop points.
    pub(super) fn in_dialog(
        &mut self,
        dialog: &mut Dialog,
        method: Method,
        account: &str,
        link: super::route::Link,
    ) -> Message {
        let mut msg = dialog.request(method);
        msg.push("Contact", self.contact(account, link));
        msg.push("Allow", ALLOW);
        msg
    }
}

/// An extension that we speak.
fn is_spoken(token: &str) -> bool {
    super::route::SUPPORTED.split(", ").any(|ours| ours.eq_ignore_ascii_case(token.trim()))
}
