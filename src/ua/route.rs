//! The way of a request: flows, targets, Via and Contact, and whose each request is.

use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

use super::Ua;
use super::clock::{SECOND, Timer};
use super::io::{FlowId, Hop, Host, Output, QueryId, SessionId, Target, Transport};
use crate::sip::message::{Message, Method};
use crate::sip::transaction::{TxId, branch};
use crate::sip::uri::SipUri;

/// What we let others do with us (RFC 3261 §20.5).
pub(super) const ALLOW: &str = "INVITE, ACK, BYE, CANCEL, OPTIONS, INFO, NOTIFY, REFER";
/// The extensions that we speak (RFC 3261 §20.37).
pub(super) const SUPPORTED: &str = "replaces";

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
}

/// Who waits for a flow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Waiter {
    Account(String),
    Session(SessionId),
}

/// A hop and the address that we have on it: all that Via and Contact need.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Link {
    pub hop: Hop,
    pub local: SocketAddr,
}

/// What a resolver's answer is for.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum Query {
    /// The nth server of an account.
    Server(String, usize),
    /// The nth trusted peer of an account.
    Trusted(String, usize),
    /// The next hop of a new call.
    Call(SessionId),
    /// The next hop of a dialog, asked ahead of its need.
    Ahead(Host),
}

/// Whose a client transaction is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Owner {
    Register(String),
    Invite(SessionId),
    Reinvite(SessionId),
    Info(SessionId, char),
    /// A REFER of ours, or a NOTIFY about one of the peer's.
    Refer(SessionId),
    /// The INVITE of a call that is over: a late 2xx gets ACK and BYE.
    Abandoned,
    /// BYE and the like: only a challenge matters.
    Nobody,
}

/// A request under way.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Sent {
    pub owner: Owner,
    pub account: String,
    pub request: Vec<u8>,
    pub link: Link,
    /// How many times it was sent with credentials.
    pub tries: u8,
    /// A final response, or none in time: kept for late 2xx of an INVITE only.
    pub done: bool,
    /// INVITE: its Call-ID and From tag, by which a 2xx that no transaction knows is found.
    pub invite: Option<(String, String)>,
    /// INVITE: the To tag whose 2xx won, and those that lost and got their BYE.
    pub winner: Option<String>,
    pub losers: Vec<String>,
}

/// A way to a target: there, or on its way.
pub(super) enum Connection {
    Ready(Link),
    Opening(FlowId),
    None,
}

impl Ua {
    /// A link to the target; a stream is opened if there is none, and `waiter` is told when it is up or gone.
    pub(super) fn connect(&mut self, target: &Target, waiter: Waiter) -> Connection {
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
            flow.waiting.push(waiter);
            return Connection::Opening(id);
        }
        let id = FlowId(self.fresh_id());
        let flow = Flow {
            transport: target.transport,
            local: SocketAddr::new(target.local_ip, 0),
            remote: Some(target.addr),
            up: false,
            local_ip: Some(target.local_ip),
            waiting: vec![waiter],
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
        let (local_ip, waiting) = known.map_or((None, Vec::new()), |f| (f.local_ip, f.waiting));
        self.flows.insert(id, Flow { transport, local, remote, up: true, local_ip, waiting: Vec::new() });
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
        self.out.push_back(Output::Send { flow: id, to, bytes: b"\r\n\r\n".to_vec() });
        self.after(30 * SECOND, Timer::KeepAlive(id));
    }

    pub(super) fn resolve(&mut self, host: Host, query: Query) {
        let id = QueryId(self.fresh_id());
        self.queries.insert(id, query);
        self.out.push_back(Output::Resolve(id, host));
    }

    pub(super) fn on_resolved(&mut self, id: QueryId, targets: Vec<Target>) {
        match self.queries.remove(&id) {
            Some(Query::Server(account, index)) => self.on_server(&account, index, targets),
            Some(Query::Trusted(account, index)) => self.on_trusted(&account, index, targets),
            Some(Query::Call(session)) => self.on_call_targets(session, targets),
            Some(Query::Ahead(host)) => {
                self.resolved.insert(host, targets);
            }
            None => {}
        }
    }

    /// Sends a request: Via and User-Agent are added here.
    pub(super) fn send_request(
        &mut self,
        mut msg: Message,
        link: Link,
        owner: Owner,
        account: &str,
        tries: u8,
    ) -> TxId {
        msg.push_front("Via", self.via(link));
        msg.set("User-Agent", self.settings.sip.user_agent.clone());
        let sent = Sent {
            owner,
            account: account.into(),
            request: msg.to_bytes(),
            link,
            tries,
            done: false,
            invite: (msg.method() == Method::Invite)
                .then(|| (msg.call_id().to_owned(), msg.from_tag().unwrap_or_default())),
            winner: None,
            losers: Vec::new(),
        };
        let tx = self.transactions.request(self.now.mono, msg, link.hop);
        self.sent.insert(tx, sent);
        self.flush();
        tx
    }

    /// Sends an ACK of a 2xx: it belongs to no transaction (RFC 3261 §13.2.2.4). Returns its bytes, to be sent again.
    pub(super) fn send_ack(&mut self, mut ack: Message, link: Link) -> Vec<u8> {
        ack.push_front("Via", self.via(link));
        let bytes = ack.to_bytes();
        self.out.push_back(Output::Send { flow: link.hop.flow, to: link.hop.addr, bytes: bytes.clone() });
        bytes
    }

    fn via(&mut self, link: Link) -> String {
        format!("SIP/2.0/{} {};rport;branch={}", link.hop.transport.via(), link.local, branch(&mut self.rng))
    }

    /// The same request once more, without the Via of its last way.
    pub(super) fn again(&self, sent: &Sent) -> Option<Message> {
        let mut msg = Message::parse(&sent.request).ok()?;
        msg.remove_first("Via");
        Some(msg)
    }

    /// The same request with credentials and a new CSeq. None: no digest for these challenges (SIP rule: at most two tries,
    /// only towards the account's own servers, only for their realms).
    pub(super) fn with_digest(&mut self, sent: &Sent, response: &Message, cseq: u32) -> Option<Message> {
        if sent.tries >= 2 {
            return None;
        }
        let mut msg = self.again(sent)?;
        msg.set("CSeq", format!("{cseq} {}", msg.method().as_str()));
        let account = self.accounts.get_mut(&sent.account)?;
        let credentials = account.digest_for(sent.link.hop, &msg, response, &mut self.rng)?;
        msg.remove("Authorization");
        msg.remove("Proxy-Authorization");
        for (name, value) in credentials {
            msg.push(&name, value);
        }
        Some(msg)
    }

    /// Our Contact on a link.
    pub(super) fn contact(&self, account: &str, link: Link) -> String {
        let user = self.accounts.get(account).map_or("phoned", |a| a.contact_user.as_str());
        let local = self.accounts.get(account).and_then(|a| a.public).unwrap_or(link.local);
        match link.hop.transport {
            Transport::Udp => format!("<sip:{user}@{local}>"),
            other => format!("<sip:{user}@{local};transport={}>", other.param()),
        }
    }

    /// The link for a request in a dialog: where its next hop's URI points, if that is known without asking.
    pub(super) fn dialog_link(&mut self, next_hop: &str, current: Link) -> Link {
        let Ok(uri) = SipUri::parse(next_hop) else { return current };
        let host = host_of(&uri);
        let transport = host.transport.unwrap_or(if current.hop.transport.reliable() {
            current.hop.transport
        } else {
            Transport::Udp
        });
        let literal = host.name.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, host.port.unwrap_or(5060)));
        let known =
            || self.resolved.get(&host).and_then(|t| t.iter().find(|t| t.transport == transport)).map(|t| t.addr);
        let Some(addr) = literal.or_else(known) else { return current };
        if transport != current.hop.transport || addr.is_ipv4() != current.hop.addr.is_ipv4() {
            return current;
        }
        if transport.reliable() {
            let open =
                |(id, f): (&FlowId, &Flow)| (f.up && f.transport == transport && f.remote == Some(addr)).then_some(*id);
            let flow = self.flows.iter().find_map(open);
            return flow.and_then(|f| self.link(f, addr, Some(current.local.ip()))).unwrap_or(current);
        }
        Link { hop: Hop { addr, ..current.hop }, ..current }
    }

    /// Asks for the address of a dialog's next hop ahead of its need.
    pub(super) fn resolve_ahead(&mut self, next_hop: &str) {
        let Ok(uri) = SipUri::parse(next_hop) else { return };
        let host = host_of(&uri);
        if host.name.parse::<IpAddr>().is_err() && !self.resolved.contains_key(&host) {
            self.resolve(host.clone(), Query::Ahead(host));
        }
    }
}

/// What a URI asks of the resolver.
pub(super) fn host_of(uri: &SipUri) -> Host {
    let transport = match uri.transport().map(str::to_ascii_lowercase).as_deref() {
        Some("udp") => Some(Transport::Udp),
        Some("tcp") => Some(Transport::Tcp),
        _ => None,
    };
    Host { name: uri.host.clone(), port: uri.port, transport }
}
