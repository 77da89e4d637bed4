//! Flows: the sockets and streams there are, how one is opened, and what its end means for those who used it.

use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

use super::Ua;
use super::clock::Timer;
use super::io::{FlowId, Hop, Mono, Output, SessionId, Target, Transport};
use super::keep_alive::Pulse;
use super::route::{Link, Owner, Sent};
use super::session::State;
use super::settings::Access;
use crate::sip::message::Message;
use crate::sip::transaction::TxId;

/// A request larger than this does not go in a datagram (RFC 3261 §18.1.1).
const DATAGRAM: usize = 1300;
/// How long a peer that took no stream is not asked again.
const NO_STREAM: Mono = 600 * super::clock::SECOND;
/// Messages that wait for a stream to come up.
const MOST_HELD: usize = 64;
/// Between the REGISTERs of accounts that share a stream which has just come up.
const IN_TURN: Mono = 5_000;

/// A socket or a stream, as the phone knows it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Flow {
    pub transport: Transport,
    pub local: SocketAddr,
    /// None: it listens.
    pub remote: Option<SocketAddr>,
    pub stage: Stage,
    /// Streams of ours: they are opened again, under the same id.
    pub ours: Option<Ours>,
    /// Who waits for it to come up.
    pub waiting: Vec<Waiter>,
    /// What is to be sent as soon as it is up, and since when.
    pub held: Vec<(Mono, Vec<u8>)>,
    pub pulse: Pulse,
}

/// Where a stream of ours leads.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Ours {
    pub target: Target,
    pub access: Access,
}

/// How far a flow is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Stage {
    Up,
    /// It is being connected.
    Opening,
    /// It will be, as soon as the pace of its server allows.
    Planned(Mono),
    /// Nobody has asked for it since it was lost.
    Down,
}

/// Who waits for a flow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Waiter {
    Account(String),
    Session(SessionId),
}

/// A way to a target: there, or on its way.
pub(super) enum Connection {
    Ready(Link),
    Opening(FlowId),
    None,
}

impl Flow {
    pub fn is_up(&self) -> bool {
        self.stage == Stage::Up
    }

    /// It leads there in the same way: nobody's certificate or WebSocket serves another.
    fn leads(&self, target: &Target, access: &Access) -> bool {
        let dressed = target.transport.secure() || target.transport.websocket();
        let same = |ours: &Ours| ours.target.name == target.name && ours.access == *access;
        self.transport == target.transport
            && self.remote == Some(target.addr)
            && (!dressed || self.ours.as_ref().is_none_or(same))
    }
}

impl Ua {
    /// A link to the target for an account; a stream is opened if there is none, and `waiter` is told when it is up or gone.
    pub(super) fn connect(&mut self, target: &Target, account: &str, waiter: impl Into<Option<Waiter>>) -> Connection {
        if target.transport == Transport::Udp {
            let fits =
                |f: &&Flow| f.is_up() && f.transport == Transport::Udp && f.local.is_ipv4() == target.addr.is_ipv4();
            let flow = self.flows.iter().find(|(_, f)| fits(f)).map(|(id, _)| *id);
            return flow
                .and_then(|f| self.link(f, target.addr, Some(target.local_ip)))
                .map_or(Connection::None, Connection::Ready);
        }
        let access = self.accounts.get(account).map(|a| a.settings.access(&self.settings.tls)).unwrap_or_default();
        let id = match self.flows.iter().find(|(_, f)| f.leads(target, &access)).map(|(id, _)| *id) {
            Some(id) => id,
            None => self.new_stream(target, access),
        };
        let Some(flow) = self.flows.get_mut(&id) else { return Connection::None };
        if flow.is_up() {
            return self.link(id, target.addr, Some(target.local_ip)).map_or(Connection::None, Connection::Ready);
        }
        let waiter = waiter.into().filter(|waiter| !flow.waiting.contains(waiter));
        flow.waiting.extend(waiter);
        self.demand(id);
        Connection::Opening(id)
    }

    fn new_stream(&mut self, target: &Target, access: Access) -> FlowId {
        let id = FlowId(self.fresh_id());
        let flow = Flow {
            transport: target.transport,
            local: SocketAddr::new(target.local_ip, 0),
            remote: Some(target.addr),
            stage: Stage::Down,
            ours: Some(Ours { target: target.clone(), access }),
            waiting: Vec::new(),
            held: Vec::new(),
            pulse: Pulse::default(),
        };
        self.flows.insert(id, flow);
        id
    }

    /// Somebody needs this stream now.
    pub(super) fn demand(&mut self, id: FlowId) {
        let down = self.flows.get(&id).filter(|f| f.stage == Stage::Down);
        let Some(ours) = down.and_then(|f| f.ours.as_ref()) else { return };
        let at = self.turn(ours.target.addr);
        if let Some(flow) = self.flows.get_mut(&id) {
            flow.stage = Stage::Planned(at);
        }
        if at > self.now.mono {
            self.after(at - self.now.mono, Timer::Open(id));
        } else {
            self.open_planned(id);
        }
    }

    pub(super) fn open_planned(&mut self, id: FlowId) {
        let now = self.now.mono;
        let Some(flow) = self.flows.get_mut(&id) else { return };
        if !matches!(flow.stage, Stage::Planned(at) if at <= now) {
            return;
        }
        let Some(Ours { target, access }) = flow.ours.clone() else { return };
        flow.stage = Stage::Opening;
        self.out.push_back(Output::OpenFlow { flow: id, target, access: Box::new(access) });
    }

    /// The link of a flow towards an address. `local_ip`: what reaches it, where the flow's own address is unspecified.
    pub(super) fn link(&self, id: FlowId, addr: SocketAddr, local_ip: Option<IpAddr>) -> Option<Link> {
        let flow = self.flows.get(&id)?;
        let mut local = flow.local;
        if local.ip().is_unspecified() {
            local.set_ip(local_ip.unwrap_or(addr.ip()));
        }
        if flow.transport.reliable() {
            let listens =
                |f: &&Flow| f.transport == flow.transport && f.remote.is_none() && f.local.is_ipv4() == addr.is_ipv4();
            if let Some(listener) = self.flows.values().find(listens) {
                local.set_port(listener.local.port());
            } else if local.port() == 0 {
                local.set_port(5060); // not up yet, so not known: responses come back on the stream itself
            }
        }
        if let Some(public) = self.settings.sip.public_address.as_deref().and_then(|a| a.parse().ok()) {
            local.set_ip(public);
        }
        Some(Link { hop: Hop { flow: id, addr, transport: flow.transport }, local })
    }

    pub(super) fn on_flow_up(
        &mut self,
        id: FlowId,
        transport: Transport,
        local: SocketAddr,
        remote: Option<SocketAddr>,
    ) {
        let known = self.flows.remove(&id);
        let (ours, waiting, held) = known.map_or_else(Default::default, |f| (f.ours, f.waiting, f.held));
        let flow = Flow {
            transport,
            local,
            remote,
            stage: Stage::Up,
            ours,
            waiting: Vec::new(),
            held: Vec::new(),
            pulse: Pulse::new(transport),
        };
        self.flows.insert(id, flow);
        if let Some(to) = remote {
            // What has waited longer than its transaction lives is an answer to nobody.
            let oldest = self.now.mono.saturating_sub(64 * self.settings.sip.t1_ms * 1000);
            for (_, bytes) in held.into_iter().filter(|(since, _)| *since >= oldest) {
                self.out.push_back(Output::Send { flow: id, to, bytes });
            }
            self.arm_keep_alive(id);
        }
        let mut wait = 0;
        for waiter in waiting {
            match waiter {
                Waiter::Account(name) if wait == 0 => {
                    self.on_account_link(&name);
                    wait += IN_TURN;
                }
                Waiter::Account(name) => {
                    self.account_due(&name, wait);
                    wait += IN_TURN;
                }
                Waiter::Session(session) => self.prepare(session),
            }
        }
        if remote.is_none() {
            let names: Vec<String> = self.accounts.keys().cloned().collect();
            names.iter().for_each(|name| self.on_account_link(name));
            let sessions: Vec<SessionId> = self.sessions.keys().copied().collect();
            sessions.into_iter().for_each(|id| self.prepare(id));
        }
    }

    /// A stream ended, or could not be opened. One to a server of an account stays in mind, and so do the requests that
    /// wait for it; what was on its way is lost.
    pub(super) fn on_flow_closed(&mut self, id: FlowId, reason: &str) {
        let Some(flow) = self.flows.get_mut(&id) else { return };
        let was_up = flow.is_up();
        let dead = flow.pulse.dead.take();
        let reason = dead.as_deref().unwrap_or(reason);
        tracing::debug!(flow = id.0, "flow closed: {reason:?}");
        let (proved, transport) = (was_up && flow.pulse.spoke.is_some(), flow.transport);
        flow.stage = Stage::Down;
        let waiting = std::mem::take(&mut flow.waiting);
        let remote = flow.remote;
        let serves = self.serves(id);
        if let Some(remote) = remote.filter(|_| !was_up && transport == Transport::Tcp) {
            self.no_stream.retain(|_, at| at.saturating_add(NO_STREAM) > self.now.mono);
            self.no_stream.insert(remote, self.now.mono);
        }
        if let Some(remote) = remote.filter(|_| serves) {
            self.note_failure(remote, proved);
        }
        let mut users: Vec<String> = self.accounts.values().filter(|a| a.uses(id)).map(|a| a.name.clone()).collect();
        let mut sessions = Vec::new();
        for waiter in waiting {
            match waiter {
                Waiter::Account(name) if !users.contains(&name) => users.push(name),
                Waiter::Account(_) => {}
                Waiter::Session(session) => sessions.push(session),
            }
        }
        for name in &users {
            if let Some(account) = self.accounts.get_mut(name) {
                account.registration.trouble = Some(reason.to_owned());
            }
        }
        if was_up && serves {
            self.mark_moved(id);
        }
        if was_up || !serves {
            self.transactions.flow_closed(self.now.mono, id);
            self.settle();
        }
        sessions.into_iter().for_each(|session| self.on_target_failed(session));
        users.iter().for_each(|name| self.on_account_flow_closed(name, id, reason));
        let kept = serves || self.is_talked_on(id);
        if self.flows.get(&id).is_some_and(|f| f.stage == Stage::Down && (f.ours.is_none() || !kept)) {
            self.flows.remove(&id);
        }
    }

    /// Some UDP socket is there.
    pub(super) fn listens(&self) -> bool {
        self.flows.values().any(|f| f.is_up() && f.transport == Transport::Udp)
    }

    /// Sends bytes, or keeps them until their stream is up.
    pub(super) fn transmit(&mut self, hop: Hop, bytes: Vec<u8>) {
        let now = self.now.mono;
        match self.flows.get_mut(&hop.flow).filter(|f| !f.is_up()) {
            Some(flow) if flow.held.len() < MOST_HELD => flow.held.push((now, bytes)),
            Some(_) => {}
            None => self.out.push_back(Output::Send { flow: hop.flow, to: hop.addr, bytes }),
        }
    }

    /// The way of this request: its link, or a stream to the same address where it is too large for a datagram
    /// (RFC 3261 §18.1.1), unless the account says `transport = "udp"` or the peer takes no streams.
    pub(super) fn way_of(&mut self, msg: &Message, link: Link, account: &str) -> Link {
        let via = 100; // is still to come
        let pinned = self.accounts.get(account).is_some_and(|a| a.settings.transport.as_deref() == Some("udp"));
        let refused = self.no_stream.get(&link.hop.addr).is_some_and(|at| at + NO_STREAM > self.now.mono);
        if link.hop.transport.reliable() || pinned || refused || msg.to_bytes().len() + via <= DATAGRAM {
            return link;
        }
        let (addr, local_ip) = (link.hop.addr, link.local.ip());
        let target = Target { addr, transport: Transport::Tcp, local_ip, name: addr.ip().to_string() };
        let way = match self.connect(&target, account, None) {
            Connection::Ready(way) => Some(way),
            Connection::Opening(flow) => self.link(flow, addr, Some(local_ip)),
            Connection::None => None,
        };
        way.unwrap_or(link)
    }

    /// A request for which no stream could be opened goes as a datagram after all. False: it is not such a one.
    pub(super) fn fall_back(&mut self, tx: TxId, sent: &Sent) -> bool {
        if sent.link.hop.transport != Transport::Udp || !self.no_stream.contains_key(&sent.link.hop.addr) {
            return false;
        }
        let wanted = match &sent.owner {
            Owner::Register(name) => self.accounts.get(name).is_some_and(|a| a.registration.awaits(tx)),
            Owner::Invite(id) => self.is_calling(*id, tx),
            Owner::Reinvite(_) | Owner::Info(..) | Owner::Update(_) | Owner::Refer(_) | Owner::Nobody => true,
            Owner::Abandoned => false,
        };
        let Some(msg) = self.again(sent).filter(|_| wanted) else { return false };
        let new = self.send_request(msg, sent.link, sent.owner.clone(), &sent.account, sent.tries);
        match &sent.owner {
            Owner::Register(name) => self.register_again(name, new),
            Owner::Invite(id) | Owner::Reinvite(id) => match self.sessions.get_mut(id).map(|s| &mut s.state) {
                Some(State::Calling(calling)) => calling.tx = new,
                Some(State::Talking(talking)) => {
                    if let Some(pending) = talking.pending.as_mut().filter(|p| p.tx == Some(tx)) {
                        pending.tx = Some(new);
                    }
                }
                _ => {}
            },
            Owner::Info(..) | Owner::Update(_) | Owner::Refer(_) | Owner::Nobody | Owner::Abandoned => {}
        }
        true
    }
}
