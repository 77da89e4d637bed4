//! Timers: deadlines in one ordered set. A timer that fires looks at its owner's state; a stale one does nothing.

use serde::{Deserialize, Serialize};

use super::Ua;
use super::error::{Code, Error};
use super::io::{FlowId, Mono, ReplyId, SessionId};
use crate::sip::transaction::TxId;

/// One second, in µs.
pub(super) const SECOND: Mono = 1_000_000;

/// Seconds as µs. Configured or sent by a peer, they may be absurd: then it is never.
pub(super) fn seconds(n: u64) -> Mono {
    n.saturating_mul(SECOND)
}

/// What is due.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Timer {
    /// An account registers, refreshes or tries again.
    Account(String),
    /// A session's `updateTimer`.
    Second(SessionId),
    /// A session's `callReport`.
    Report(SessionId),
    /// Nobody answered.
    NoAnswer(SessionId),
    /// `max_call_length`.
    MaxLength(SessionId),
    /// Our 2xx is sent again, or given up.
    Ok(SessionId),
    /// The same for a session that is over.
    OrphanOk(String, String),
    /// The next digit, or the end of a gap.
    Dtmf(SessionId),
    /// A re-INVITE is tried again after 491.
    Glare(SessionId),
    /// Our re-INVITE has no final answer.
    Unanswered(SessionId, TxId),
    /// `auto_answer`.
    AutoAnswer(SessionId),
    /// The seat's other session did not get on hold in 2 s.
    SeatWait(SessionId),
    /// Nobody tells how a transfer went.
    Transfer(SessionId),
    /// The session timer.
    Refresh(SessionId),
    /// A reliable provisional is sent again.
    Provisional(SessionId),
    /// `rtp_timeout`.
    Silence(SessionId),
    /// A caller has waited 10 s.
    Reply(ReplyId),
    /// An INVITE's further 2xx are no longer expected.
    Forget(TxId),
    /// A stream's ping (RFC 5626 §3.5.1).
    KeepAlive(FlowId),
    /// A drain is over, whatever calls there are: the shell looks.
    DrainLimit,
    /// Its answer.
    Pong(FlowId),
    /// The addresses of an account's servers are asked for again.
    Servers(String),
    /// The keep-alive of an account's binding by UDP.
    Ping(String),
    /// It is a stream's turn to be connected.
    Open(FlowId),
    /// The peer is told our new Contact.
    Move(SessionId),
    /// A tone behind a call has been heard.
    Tones,
    /// An agent's wrap-up is over.
    WrapUp,
    /// The daemon waits no longer for its peers.
    Drained,
}

impl Timer {
    /// The session that it is about.
    fn session(&self) -> Option<SessionId> {
        match self {
            Timer::Second(id) | Timer::Report(id) | Timer::NoAnswer(id) | Timer::MaxLength(id) => Some(*id),
            Timer::Ok(id) | Timer::Dtmf(id) | Timer::Glare(id) | Timer::AutoAnswer(id) => Some(*id),
            Timer::SeatWait(id) | Timer::Silence(id) | Timer::Unanswered(id, _) => Some(*id),
            Timer::Refresh(id) | Timer::Provisional(id) | Timer::Transfer(id) | Timer::Move(id) => Some(*id),
            Timer::Account(_) | Timer::OrphanOk(..) | Timer::Reply(_) | Timer::Forget(_) => None,
            Timer::KeepAlive(_) | Timer::Pong(_) | Timer::Ping(_) | Timer::Open(_) | Timer::Servers(_) => None,
            Timer::Tones | Timer::WrapUp | Timer::Drained | Timer::DrainLimit => None,
        }
    }
}

impl Ua {
    pub(super) fn after(&mut self, delay: Mono, timer: Timer) {
        self.timers.insert((self.now.mono.saturating_add(delay), timer));
    }

    pub(super) fn on_timeout(&mut self) {
        self.transactions.handle_timeout(self.now.mono);
        self.settle();
        while let Some((at, _)) = self.timers.first() {
            if *at > self.now.mono {
                break;
            }
            let Some((_, timer)) = self.timers.pop_first() else { break };
            self.at_hand = timer.session();
            self.on_timer(timer);
            self.settle();
        }
    }

    fn on_timer(&mut self, timer: Timer) {
        match timer {
            Timer::Account(name) => self.on_account_timer(&name),
            Timer::Second(id) => self.on_second(id),
            Timer::Report(id) => self.on_report_timer(id),
            Timer::NoAnswer(id) => self.on_no_answer(id),
            Timer::MaxLength(id) => self.on_max_length(id),
            Timer::Ok(id) => self.on_ok_timer(id),
            Timer::OrphanOk(call_id, tag) => self.on_orphan_timer(call_id, tag),
            Timer::Dtmf(id) => self.next_digit(id),
            Timer::Glare(id) => self.after_glare(id),
            Timer::Unanswered(id, tx) => self.on_reinvite_late(id, tx),
            Timer::AutoAnswer(id) => self.auto_answer(id),
            Timer::SeatWait(id) => self.seat_is_free(id),
            Timer::Refresh(id) => self.on_refresh_timer(id),
            Timer::Provisional(id) => self.on_provisional_timer(id),
            Timer::Silence(id) => self.on_silence(id),
            Timer::Transfer(id) => self.on_transfer_timer(id),
            Timer::Reply(reply) => self.on_late_reply(reply),
            Timer::Forget(tx) => {
                self.sent.remove(&tx);
            }
            Timer::KeepAlive(flow) => self.keep_alive(flow),
            Timer::DrainLimit => {}
            Timer::Pong(flow) => self.on_pong_timer(flow),
            Timer::Ping(name) => self.on_ping_timer(&name),
            Timer::Open(flow) => self.open_planned(flow),
            Timer::Servers(name) => self.resolve_servers(&name),
            Timer::Move(id) => self.on_move_timer(id),
            Timer::Tones => {} // they are looked at after each input
            Timer::WrapUp => self.on_wrap_up(),
            Timer::Drained => self.on_drained(),
        }
    }

    /// The timers of a session that is over: nothing waits for hours for what is gone.
    pub(super) fn stop_timers_of(&mut self, id: SessionId) {
        self.timers.retain(|(_, timer)| timer.session() != Some(id));
    }

    fn on_late_reply(&mut self, reply: ReplyId) {
        let late = Error::new(Code::Timeout, "no answer from the far end within 10 s; the work goes on")
            .hint("watch the session's events for its outcome");
        self.reply(reply, Err(late));
    }

    fn on_max_length(&mut self, id: SessionId) {
        if self.sessions.contains_key(&id) {
            self.give_up(id, "Expires", 480);
        }
    }
}
