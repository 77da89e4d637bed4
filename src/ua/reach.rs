//! How the servers of the accounts are reached: one pace and one backoff a server, all accounts together; and what becomes of
//! the calls whose flow was lost while their voice went on.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::Ua;
use super::clock::{SECOND, Timer};
use super::flow::Stage;
use super::io::{FlowId, Mono, SessionId};
use super::session::{Op, Session, State, Verb};
use super::status::CommunicationType;

/// Between two attempts at a server.
const PACE: Mono = SECOND;
/// An outage shorter than this is over at once when the server is back: no long waits before.
const SHORT: Mono = 12 * SECOND;
/// The longest wait, before jitter.
const LONGEST: Mono = 30 * SECOND;
/// Servers whose history is kept.
const MOST_SERVERS: usize = 1024;
/// How often a call tries to tell its peer our new Contact.
const MOVES: u8 = 8;

/// The history of a server.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Reach {
    /// The newest attempt, which may be to come.
    last: Option<Mono>,
    /// Since when it is out of reach.
    lost: Option<Mono>,
    /// Failures since the outage is no short one any more.
    failures: u32,
    /// Not before this.
    next: Mono,
}

impl Reach {
    /// What was held against it counts no more; the pace stays.
    pub fn forgive(&mut self) {
        *self = Reach { last: self.last, ..Reach::default() };
    }
}

impl Ua {
    /// When a server may be connected to: that moment is then taken.
    pub(super) fn turn(&mut self, server: SocketAddr) -> Mono {
        let now = self.now.mono;
        if !self.accounts.values().any(|a| a.targets.values().flatten().any(|t| t.addr == server)) {
            return now;
        }
        if self.servers.len() >= MOST_SERVERS {
            self.servers.retain(|_, reach| reach.last.is_some_and(|at| at + 20 * LONGEST > now));
        }
        let reach = self.servers.entry(server).or_default();
        let at = reach.last.map_or(now, |last| now.max(last + PACE));
        reach.last = Some(at);
        at
    }

    /// A flow to a server is lost, or could not be opened. `proved`: it had carried something of the server's.
    pub(super) fn note_failure(&mut self, server: SocketAddr, proved: bool) {
        let (now, quick, share) = (self.now.mono, self.chance(3 * SECOND / 2), 50 + self.chance(100));
        let reach = self.servers.entry(server).or_default();
        if proved {
            *reach = Reach { last: reach.last, lost: Some(now), failures: 0, next: now + quick / 2 };
            return;
        }
        let lost = *reach.lost.get_or_insert(now);
        if now - lost < SHORT {
            reach.next = now + PACE + quick;
            return;
        }
        let base = ((2 * SECOND) << reach.failures.min(5)).min(LONGEST);
        reach.failures += 1;
        reach.next = now + base / 100 * share;
    }

    /// When a server is tried again; none: nothing is known against it.
    pub(super) fn tried_again(&self, server: SocketAddr) -> Option<Mono> {
        self.servers.get(&server).map(|reach| reach.next).filter(|next| *next > self.now.mono)
    }

    /// The flow leads to a server of an account that wants it.
    pub(super) fn serves(&self, id: FlowId) -> bool {
        let Some(ours) = self.flows.get(&id).and_then(|f| f.ours.as_ref()) else { return false };
        let leads = |a: &super::account::Account| {
            a.targets.values().flatten().any(|t| t.addr == ours.target.addr && t.transport == ours.target.transport)
        };
        self.accounts.values().any(leads)
    }

    /// The calls on a lost flow go on; their peers cannot reach us until they know our new Contact.
    pub(super) fn mark_moved(&mut self, flow: FlowId) {
        let on_it = |s: &&mut Session| s.link.is_some_and(|l| l.hop.flow == flow);
        for session in self.sessions.values_mut().filter(on_it) {
            session.moved = Some(0);
        }
    }

    /// The account's server is reached again. Both ends of a call may have lost it: the caller asks first.
    pub(super) fn recover_sessions(&mut self, name: &str) {
        let Some(link) = self.accounts.get(name).and_then(|a| a.link) else { return };
        let ids: Vec<SessionId> =
            self.sessions.values().filter(|s| s.account == name && s.moved.is_some()).map(|s| s.id).collect();
        for id in ids {
            let Some(session) = self.sessions.get_mut(&id) else { continue };
            session.link = Some(link);
            let wait = if session.direction == CommunicationType::Outbound { 0 } else { SECOND };
            self.after(wait, Timer::Move(id));
        }
    }

    /// A re-INVITE with our new Contact, unless the peer has it by now.
    pub(super) fn on_move_timer(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get(&id).filter(|s| s.moved.is_some()) else { return };
        let flow = session.link.map(|l| l.hop.flow);
        let serves = flow.is_some_and(|flow| self.serves(flow));
        // That of an account's server is waited for; another one is opened by the request itself.
        let ready = flow.and_then(|flow| self.flows.get(&flow)).is_none_or(|f| match f.stage {
            Stage::Up => f.pulse.dead.is_none(),
            Stage::Down => !serves,
            Stage::Opening | Stage::Planned(_) => false,
        });
        if session.media.as_ref().is_some_and(|media| self.is_gone(media.rtp.ip())) {
            return; // its new ports will be told with it
        }
        let State::Talking(talking) = &session.state else { return self.after(SECOND, Timer::Move(id)) };
        // A verb that waits already does the same.
        if ready && talking.queue.is_empty() {
            self.ask(id, Op { verb: Verb::Refresh, reply: None });
        } else if !ready && !serves {
            self.after(SECOND, Timer::Move(id));
        }
    }

    /// Our re-INVITE failed: the peer's end may not be back yet.
    pub(super) fn move_again(&mut self, id: SessionId) {
        let wait = 2 * SECOND + self.chance(SECOND);
        let Some(tries) = self.sessions.get_mut(&id).and_then(|s| s.moved.as_mut()) else { return };
        *tries += 1;
        if *tries < MOVES {
            self.after(wait, Timer::Move(id));
        }
    }

    /// The peer has heard from us over the account's flow of today.
    pub(super) fn has_moved(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let now_at = self.accounts.get(&session.account).and_then(|a| a.link);
        let datagrams = session.link.is_some_and(|link| !link.hop.transport.reliable());
        if datagrams || (now_at.is_some() && session.link == now_at) {
            session.moved = None;
        }
    }
}
