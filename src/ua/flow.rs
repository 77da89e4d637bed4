//! Flows: the sockets and streams there are, how one is opened, and when it is closed again.

use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

use super::Ua;
use super::clock::{SECOND, Timer};
use super::io::{FlowId, Hop, Mono, Output, SessionId, Target, Transport};
use super::route::{Link, Owner, Sent};
use super::session::State;
use crate::sip::message::Message;
use crate::sip::transaction::TxId;

/// A request larger than this does not go in a datagram (RFC 3261 §18.1.1).
const DATAGRAM: usize = 1300;
/// How long a peer that took no stream is not asked again.
const NO_STREAM: Mono = 600 * SECOND;
/// Messages that wait for a stream to come up.
const MOST_HELD: usize = 64;

/// A socket or a stream, as the phone knows it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Flow {
    pub transport: Transport,
    pub local: SocketAddr,
    /// None: it listens.
    pub remote: Option<SocketAddr>,
    pub up: bool,
    /// How we reach the other end: kept for streams that we opened.
    pub local_ip: Option<IpAddr>,
    /// Who waits for it to come up.
    pub waiting: Vec<Waiter>,
    /// What is to be sent as soon as it is up.
    pub held: Vec<Vec<u8>>,
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

impl Ua {
    /// A link to the target; a stream is opened if there is none, and `waiter` is told when it is up or gone.
    pub(super) fn connect(&mut self, target: &Target, waiter: impl Into<Option<Waiter>>) -> Connection {
        if target.transport == Transport::Udp {
            let fits = |f: &&Flow| f.up && f.transport == Transport::Udp && f.local.is_ipv4() == target.addr.is_ipv4();
            let flow = self.flows.iter().find(|(_, f)| fits(f)).map(|(id, _)| *id);
            return flow
                .and_then(|f| self.link(f, target.addr, Some(target.local_ip)))
                .map_or(Connection::None, Connection::Ready);
        }
        let same = |f: &Flow| f.transport == target.transport && f.remote == Some(target.addr);
        if let Some((id, flow)) = self.flows.iter_mut().find(|(_, f)| same(f)) {
            let id = *id;
            if flow.up {
                return self.link(id, target.addr, Some(target.local_ip)).map_or(Connection::None, Connection::Ready);
            }
            flow.waiting.extend(waiter.into());
            return Connection::Opening(id);
        }
        let id = FlowId(self.fresh_id());
        let flow = Flow {
            transport: target.transport,
            local: SocketAddr::new(target.local_ip, 0),
            remote: Some(target.addr),
            up: false,
            local_ip: Some(target.local_ip),
            waiting: waiter.into().into_iter().collect(),
            held: Vec::new(),
        };
        self.flows.insert(id, flow);
        self.out.push_back(Output::OpenFlow { flow: id, target: target.clone() });
        Connection::Opening(id)
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
        let (local_ip, waiting, held) = known.map_or_else(Default::default, |f| (f.local_ip, f.waiting, f.held));
        let (none, empty) = (Vec::new(), Vec::new());
        self.flows.insert(id, Flow { transport, local, remote, up: true, local_ip, waiting: none, held: empty });
        if let Some(to) = remote {
            held.into_iter().for_each(|bytes| self.out.push_back(Output::Send { flow: id, to, bytes }));
        }
        if remote.is_some() {
            self.after(30 * SECOND, Timer::KeepAlive(id));
        }
        for waiter in waiting {
            match waiter {
                Waiter::Account(name) => self.on_account_link(&name),
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

    pub(super) fn on_flow_closed(&mut self, id: FlowId, reason: &str) {
        let Some(flow) = self.flows.remove(&id) else { return };
        tracing::debug!(flow = id.0, "flow closed: {reason:?}");
        if let Some(remote) = flow.remote.filter(|_| !flow.up) {
            self.no_stream.retain(|_, at| at.saturating_add(NO_STREAM) > self.now.mono);
            self.no_stream.insert(remote, self.now.mono);
        }
        self.transactions.flow_closed(self.now.mono, id);
        self.settle();
        for waiter in flow.waiting {
            match waiter {
                Waiter::Account(name) => self.on_account_flow_closed(&name, reason),
                Waiter::Session(session) => self.on_target_failed(session),
            }
        }
        let users: Vec<String> = self.accounts.values().filter(|a| a.uses(id)).map(|a| a.name.clone()).collect();
        users.iter().for_each(|name| self.on_account_flow_closed(name, reason));
    }

    /// RFC 5626 §3.5.1: a double CRLF on a stream.
    pub(super) fn keep_alive(&mut self, id: FlowId) {
        let Some(Flow { up: true, remote: Some(to), .. }) = self.flows.get(&id) else { return };
        let to = *to;
        if self.is_idle_stream(id, to) {
            self.flows.remove(&id);
            return self.out.push_back(Output::CloseFlow(id));
        }
        self.out.push_back(Output::Send { flow: id, to, bytes: b"\r\n\r\n".to_vec() });
        self.after(30 * SECOND, Timer::KeepAlive(id));
    }

    /// A stream that we opened and nobody needs: no server of an account, no call and no request uses it.
    fn is_idle_stream(&self, id: FlowId, to: SocketAddr) -> bool {
        let ours = id.0 < 1 << 32;
        let server = self.accounts.values().any(|a| a.uses(id) || a.all_targets().iter().any(|t| t.addr == to));
        let call = self.sessions.values().any(|s| s.link.is_some_and(|l| l.hop.flow == id || l.hop.addr == to));
        let request = self.sent.values().any(|s| s.link.hop.flow == id || s.link.hop.addr == to);
        ours && !server && !call && !request
    }

    /// Some UDP socket is there.
    pub(super) fn listens(&self) -> bool {
        self.flows.values().any(|f| f.up && f.transport == Transport::Udp)
    }

    /// Sends bytes, or keeps them until their stream is up.
    pub(super) fn transmit(&mut self, hop: Hop, bytes: Vec<u8>) {
        match self.flows.get_mut(&hop.flow).filter(|f| !f.up) {
            Some(flow) if flow.held.len() < MOST_HELD => flow.held.push(bytes),
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
        let target = Target { addr: link.hop.addr, transport: Transport::Tcp, local_ip: link.local.ip() };
        let way = match self.connect(&target, None) {
            Connection::Ready(way) => Some(way),
            Connection::Opening(flow) => self.link(flow, link.hop.addr, Some(link.local.ip())),
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
