//! Before the daemon stops: no new calls in or out, those that are go on for a while.

use serde_json::{Value, json};

use super::Ua;
use super::clock::{SECOND, Timer, seconds};
use super::command::Drain;
use super::error::{Code, Error};
use super::io::Mono;
use crate::sip::message::Message;
use crate::sip::transaction::TxId;

/// How long it takes until another daemon may be here, s: what callers are told beside the time that is left.
const COMES_BACK: Mono = 10;

impl Ua {
    /// `daemon.drain`: again, with another limit, as often as one likes.
    pub(super) fn close(&mut self, drain: Drain) -> Value {
        let timeout = drain.timeout.unwrap_or(self.settings.phone.drain_timeout);
        let limit = seconds(timeout);
        self.closing = Some(self.now.mono.saturating_add(limit));
        self.after(limit, Timer::DrainLimit);
        let left = json!({"sessions": self.sessions.len(), "timeout": timeout});
        self.tell_phone("daemon.draining", left.clone());
        left
    }

    /// A drain is over: the last call has ended, or its limit is reached. What is left is for [`super::command::Command::Shutdown`].
    pub fn is_drained(&self) -> bool {
        self.closing.is_some_and(|limit| self.sessions.is_empty() || limit <= self.now.mono)
    }

    /// There are no new calls any more.
    pub(super) fn is_closing(&self) -> bool {
        self.closing.is_some() || !self.draining.is_empty()
    }

    pub(super) fn refuse_dial(&self) -> Result<(), Error> {
        if !self.is_closing() {
            return Ok(());
        }
        Err(Error::new(Code::Draining, "the daemon is about to stop"))
    }

    /// 503 with Retry-After (RFC 3261 §21.5.4): a proxy tries the next host at once.
    pub(super) fn refuse_closing(&mut self, tx: TxId, msg: &Message, account: &str) {
        let left = self.closing.map_or(0, |limit| limit.saturating_sub(self.now.mono).div_ceil(SECOND));
        let mut response = self.response(msg, 503);
        response.push("Retry-After", left.saturating_add(COMES_BACK).to_string());
        self.transactions.respond(self.now.mono, tx, response);
        self.flush();
        self.tell_rejected(msg, account, json!({"code": 503, "reason": "draining"}));
    }

    /// The shutdown begins: what the drain has left is ended now.
    pub(super) fn tell_drained(&mut self) {
        if self.closing.is_some() && self.draining.is_empty() {
            self.tell_phone("daemon.drained", json!({"ended": self.sessions.len()}));
        }
    }

    /// How things stand: accounts that are registered, accounts that are to be, sessions.
    pub fn standing(&self) -> (usize, usize, usize) {
        let wanted = || self.accounts.values().filter(|account| account.registers());
        (wanted().filter(|account| account.registration.is_registered()).count(), wanted().count(), self.sessions.len())
    }
}
