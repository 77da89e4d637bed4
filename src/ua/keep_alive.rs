//! Keep-alive (RFC 5626 §3.5.1, §4.4): pings that keep a NAT's mapping, and pongs whose lack tells that a stream is dead.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::Ua;
use super::clock::{SECOND, Timer};
use super::flow::{Flow, Stage};
use super::io::{FlowId, Mono, Output, Transport};

/// Between two pings: some NATs forget UDP after 30 s.
const EVERY: std::ops::Range<Mono> = 25 * SECOND..29 * SECOND;
/// How long a pong may take.
const PONG: Mono = 10 * SECOND;
const PING: &[u8] = b"\r\n\r\n";

/// The signs of life of a stream.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Pulse {
    /// When it is pinged next.
    due: Mono,
    /// When it was pinged last.
    asked: Mono,
    /// When something came on it, and when that was SIP.
    heard: Option<Mono>,
    pub spoke: Option<Mono>,
    /// It answers pings: a server need not, but a WebSocket must.
    answers: bool,
    /// What the registrar wants (Flow-Timer), s.
    pub interval: Option<u64>,
    /// It is being closed: why, in plain words.
    pub dead: Option<String>,
}

impl Pulse {
    pub fn new(transport: Transport) -> Pulse {
        Pulse { answers: transport.websocket(), ..Pulse::default() }
    }
}

impl Ua {
    /// Something came on a flow. True: it was a keep-alive, and nothing for the parser.
    pub(super) fn note_life(&mut self, id: FlowId, bytes: &[u8]) -> bool {
        let now = self.now.mono;
        let blank = bytes.iter().all(|b| matches!(b, b'\r' | b'\n' | 0));
        if let Some(flow) = self.flows.get_mut(&id).filter(|f| f.remote.is_some()) {
            // One that comes by itself is somebody else's keep-alive.
            flow.pulse.answers |= blank && flow.pulse.asked > 0 && now <= flow.pulse.asked + PONG;
            flow.pulse.heard = Some(now);
            if !blank {
                flow.pulse.spoke = Some(now);
            }
        }
        blank
    }

    pub(super) fn arm_keep_alive(&mut self, id: FlowId) {
        let usual = EVERY.start + self.chance(EVERY.end - EVERY.start);
        let Some(flow) = self.flows.get_mut(&id) else { return };
        // A Flow-Timer is what the server waits for: we are there a little earlier (§4.4).
        let delay = flow.pulse.interval.map_or(usual, |s| (s.clamp(15, 60) * SECOND * 8 / 10).min(usual));
        flow.pulse.due = self.now.mono + delay;
        self.after(delay, Timer::KeepAlive(id));
    }

    /// How often the registrar wants to hear from us on a stream.
    pub(super) fn set_flow_timer(&mut self, id: FlowId, interval: Option<u64>) {
        let Some(flow) = self.flows.get_mut(&id).filter(|f| f.transport.reliable()) else { return };
        if std::mem::replace(&mut flow.pulse.interval, interval) != interval {
            self.arm_keep_alive(id);
        }
    }

    /// A double CRLF on a stream; one that nobody needs is closed.
    pub(super) fn keep_alive(&mut self, id: FlowId) {
        let Some(flow) = self.flows.get_mut(&id).filter(|f| f.pulse.due <= self.now.mono) else { return };
        let Some(to) = flow.remote else { return };
        let up = flow.is_up();
        if !up && flow.stage != Stage::Down {
            return self.arm_keep_alive(id);
        }
        if self.is_idle_stream(id, to) {
            self.flows.remove(&id);
            return if up {
                self.out.push_back(Output::CloseFlow(id))
            };
        }
        if up {
            if let Some(flow) = self.flows.get_mut(&id) {
                flow.pulse.asked = self.now.mono;
            }
            self.out.push_back(Output::Send { flow: id, to, bytes: PING.to_vec() });
            self.after(PONG, Timer::Pong(id));
        }
        self.arm_keep_alive(id);
    }

    /// A pong is due. A stream of ours that used to answer and does not is dead, whatever TCP thinks of it. What others
    /// opened is theirs: a trunk may be silent for days.
    pub(super) fn on_pong_timer(&mut self, id: FlowId) {
        let Some(flow) = self.flows.get(&id) else { return };
        let pulse = &flow.pulse;
        let asked = pulse.asked > 0 && pulse.asked + PONG <= self.now.mono;
        if flow.is_up()
            && flow.ours.is_some()
            && asked
            && pulse.answers
            && pulse.heard.is_none_or(|at| at < pulse.asked)
        {
            self.declare_dead(id, "the server does not answer");
        }
    }

    /// A REGISTER had no answer. A server that said nothing else either since it was sent is left: pongs are no SIP.
    pub(super) fn doubt(&mut self, id: FlowId) {
        let since = self.now.mono.saturating_sub(64 * self.settings.sip.t1_ms * 1000);
        let silent = |f: &&Flow| f.is_up() && f.ours.is_some() && f.pulse.spoke.is_none_or(|at| at <= since);
        if self.flows.get(&id).as_ref().is_some_and(silent) {
            self.declare_dead(id, "the server does not answer");
        }
    }

    pub(super) fn declare_dead(&mut self, id: FlowId, reason: &str) {
        if let Some(flow) = self.flows.get_mut(&id) {
            flow.pulse.dead = Some(reason.to_owned());
            self.out.push_back(Output::CloseFlow(id)); // that it is closed is told, and all else follows from that
        }
    }

    /// A stream that we opened and nobody needs: no server of an account, no call and no request uses it.
    fn is_idle_stream(&self, id: FlowId, to: SocketAddr) -> bool {
        let ours = self.flows.get(&id).is_some_and(|f| f.ours.is_some());
        let server = self.accounts.values().any(|a| a.uses(id) || a.all_targets().iter().any(|t| t.addr == to));
        let call = self.sessions.values().any(|s| s.link.is_some_and(|l| l.hop.flow == id || l.hop.addr == to));
        let request = self.sent.values().any(|s| s.link.hop.flow == id || s.link.hop.addr == to);
        ours && !server && !call && !request
    }

    /// Forgets streams that are down and lead where nobody wants to go any more.
    pub(super) fn sweep_flows(&mut self) {
        let down = self.flows.iter().filter(|(_, f)| f.stage == Stage::Down && f.waiting.is_empty());
        let ids: Vec<FlowId> = down.map(|(id, _)| *id).collect();
        for id in ids.into_iter().filter(|id| !self.serves(*id) && !self.is_talked_on(*id)).collect::<Vec<_>>() {
            self.transactions.flow_closed(self.now.mono, id);
            self.flows.remove(&id);
        }
    }

    /// A call goes over this flow.
    pub(super) fn is_talked_on(&self, id: FlowId) -> bool {
        self.sessions.values().any(|s| s.link.is_some_and(|l| l.hop.flow == id))
    }

    /// A binding made by UDP is kept reachable through a NAT.
    pub(super) fn arm_ping(&mut self, name: &str) {
        let delay = EVERY.start + self.chance(EVERY.end - EVERY.start);
        let at = self.now.mono + delay;
        if let Some(account) = self.accounts.get_mut(name) {
            account.ping = Some(at);
            self.after(delay, Timer::Ping(name.into()));
        }
    }

    pub(super) fn on_ping_timer(&mut self, name: &str) {
        let Some(account) = self.accounts.get_mut(name).filter(|a| a.ping.is_some_and(|at| at <= self.now.mono)) else {
            return;
        };
        account.ping = None;
        let bound = account.registration.is_registered();
        let Some(hop) = account.link.map(|l| l.hop).filter(|h| bound && !h.transport.reliable()) else { return };
        self.out.push_back(Output::Send { flow: hop.flow, to: hop.addr, bytes: PING.to_vec() });
        self.arm_ping(name);
    }
}
