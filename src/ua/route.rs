//! The way of a request: Via and Contact, the next hop of a dialog, and whose each request is.

use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

use super::Ua;
use super::flow::{Connection, Flow, Stage};
use super::io::{Hop, Host, Output, QueryId, SessionId, Target, Transport};
use crate::sip::message::{Message, Method};
use crate::sip::transaction::{TxId, branch};
use crate::sip::uri::SipUri;

/// What we let others do with us (RFC 3261 §20.5).
pub(super) const ALLOW: &str = "INVITE, ACK, BYE, CANCEL, OPTIONS, INFO, NOTIFY, PRACK, UPDATE, REFER";

/// The extensions that we speak (RFC 3261 §20.37).
pub(super) const SUPPORTED: &str = "timer, 100rel, replaces";

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
    /// The next hop of a session whose address of ours is gone.
    Anew(SessionId),
}

/// Whose a client transaction is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Owner {
    Register(String),
    Invite(SessionId),
    Reinvite(SessionId),
    Info(SessionId),
    /// A REFER of ours, or a NOTIFY about one of the peer's.
    Refer(SessionId),
    Update(SessionId),
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
    /// INVITE: the PRACKs sent in its early dialogs, which have used up as many CSeqs.
    pub pracks: u32,
}

impl Ua {
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
            Some(Query::Ahead(host)) if !targets.is_empty() => {
                if self.resolved.len() >= MOST_HOSTS {
                    self.resolved.pop_first();
                }
                self.resolved.insert(host, targets);
            }
            Some(Query::Ahead(_)) => {} // the last known addresses stay
            Some(Query::Anew(session)) => self.on_new_address(session, &targets),
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
        msg.set("User-Agent", self.settings.sip.user_agent.clone());
        let way = self.way_of(&msg, link, account);
        msg.push_front("Via", self.via(way));
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
            pracks: 0,
        };
        let tx = self.transactions.request(self.now.mono, msg, way.hop);
        self.sent.insert(tx, sent);
        self.flush();
        tx
    }

    /// Sends an ACK of a 2xx: it belongs to no transaction (RFC 3261 §13.2.2.4). Returns its bytes, to be sent again.
    pub(super) fn send_ack(&mut self, mut ack: Message, link: Link) -> Vec<u8> {
        ack.push_front("Via", self.via(link));
        let bytes = ack.to_bytes();
        self.transmit(link.hop, bytes.clone());
        bytes
    }

    fn via(&mut self, link: Link) -> String {
        let sent_by = if link.hop.transport.websocket() { self.invalid_host() } else { link.local.to_string() };
        format!("SIP/2.0/{} {sent_by};rport;branch={}", link.hop.transport.via(), branch(&mut self.rng))
    }

    /// The name of a WebSocket client, which has no address of its own (RFC 7118 §5).
    fn invalid_host(&self) -> String {
        format!("{}.invalid", self.settings.instance.get(..12).unwrap_or("phoned"))
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

    /// Our Contact in a dialog: by WebSocket the registrar's name for us (RFC 5627), where it gave one; with `ob` where it
    /// keeps dialogs on the flow of the binding (RFC 5626 §4.3).
    pub(super) fn contact(&self, account: &str, link: Link) -> String {
        let registration = self.accounts.get(account).map(|a| &a.registration);
        if let Some(gruu) = registration.and_then(|r| r.gruu.as_ref()).filter(|_| link.hop.transport.websocket()) {
            return format!("<{gruu}>");
        }
        let mut contact = self.binding(account, link);
        if registration.is_some_and(|r| r.outbound) && link.hop.transport.reliable() {
            contact.insert_str(contact.len() - 1, ";ob");
        }
        contact
    }

    /// The Contact of our REGISTER: where the link ends here.
    pub(super) fn binding(&self, account: &str, link: Link) -> String {
        let account = self.accounts.get(account);
        let user = account.map_or("phoned", |a| a.contact_user.as_str());
        let scheme = account.map_or("sip", |a| a.aor.scheme.as_str());
        let mapped = account.and_then(|a| a.public);
        let local = mapped.filter(|_| link.hop.transport == Transport::Udp).unwrap_or(link.local);
        match link.hop.transport {
            Transport::Udp => format!("<sip:{user}@{local}>"),
            Transport::Tls if scheme == "sips" => format!("<sips:{user}@{local}>"),
            other if other.websocket() => {
                format!("<{scheme}:{user}@{};transport={}>", self.invalid_host(), other.uri_param())
            }
            other => format!("<sip:{user}@{local};transport={}>", other.uri_param()),
        }
    }

    /// The link for a request in a dialog: where its next hop's URI points, if that is known without asking. A stream
    /// that was lost is opened again, or the newer one to the same host is used.
    pub(super) fn dialog_link(&mut self, next_hop: &str, current: Link) -> Link {
        // Opened again, it has another port.
        let current = self.link(current.hop.flow, current.hop.addr, Some(current.local.ip())).unwrap_or(current);
        let known = self.flows.get(&current.hop.flow);
        let private = current.hop.transport.secure() || current.hop.transport.websocket();
        if private && known.is_some_and(|f| f.ours.is_some() || f.is_up()) {
            // What was agreed in private is not carried on in the open, nor with a server that does not know us.
            self.demand(current.hop.flow);
            return current;
        }
        let lost = current.hop.transport.reliable() && known.is_none_or(|f| f.stage == Stage::Down);
        let (addr, transport) = match self.known_address(next_hop, current.hop.transport) {
            Some((addr, transport))
                if addr.is_ipv4() == current.hop.addr.is_ipv4() && (!private || transport.secure()) =>
            {
                (addr, transport)
            }
            _ if lost => (current.hop.addr, current.hop.transport),
            _ => return current,
        };
        if transport == Transport::Udp && current.hop.transport == Transport::Udp {
            return Link { hop: Hop { addr, ..current.hop }, ..current };
        }
        let local_ip = current.local.ip();
        let up = |f: &&Flow| f.is_up() && f.transport == transport;
        let exact = self.flows.iter().find(|(_, f)| up(f) && f.remote == Some(addr));
        let there = |f: &Flow| f.remote.is_some_and(|remote| remote.ip() == addr.ip());
        if exact.is_none() && !lost && transport == current.hop.transport {
            // A Contact behind a NAT is reached by the stream that is there; one who has moved, by the newest that came from there.
            if known.is_some_and(there) {
                return current;
            }
            let newest = self.flows.iter().rev().find(|(_, f)| up(f) && f.ours.is_none() && there(f));
            return newest.and_then(|(id, _)| self.link(*id, addr, Some(local_ip))).unwrap_or(current);
        }
        let same_host = || self.flows.iter().find(|(_, f)| up(f) && there(f));
        let flow = exact.or_else(|| same_host().filter(|_| transport.reliable())).map(|(id, _)| *id);
        let flow = match flow {
            Some(flow) => flow,
            None => {
                let on_it = |s: &&super::session::Session| s.link.is_some_and(|l| l.hop.flow == current.hop.flow);
                let account = self.sessions.values().find(on_it).map(|s| s.account.clone()).unwrap_or_default();
                let name = SipUri::parse(next_hop).map_or_else(|_| addr.ip().to_string(), |uri| uri.host);
                match self.connect(&Target { addr, transport, local_ip, name }, &account, None) {
                    Connection::Ready(link) => return link,
                    Connection::Opening(flow) => flow,
                    Connection::None => return current,
                }
            }
        };
        self.link(flow, addr, Some(local_ip)).unwrap_or(current)
    }

    fn known_address(&self, uri: &str, usual: Transport) -> Option<(SocketAddr, Transport)> {
        let host = host_of(&SipUri::parse(uri).ok()?);
        let transport = host.transport.unwrap_or(usual);
        if let Ok(ip) = host.name.parse::<IpAddr>() {
            return Some((SocketAddr::new(ip, host.port.unwrap_or(transport.port())), transport));
        }
        let target = self.resolved.get(&host)?.iter().find(|t| t.transport == transport)?;
        Some((target.addr, transport))
    }

    /// Asks for the address of a dialog's next hop ahead of its need.
    pub(super) fn resolve_ahead(&mut self, next_hop: &str) {
        let Ok(uri) = SipUri::parse(next_hop) else { return };
        let host = host_of(&uri);
        if host.name.parse::<IpAddr>().is_err() {
            self.resolve(host.clone(), Query::Ahead(host));
        }
    }
}

/// Hosts of dialogs whose addresses are kept.
const MOST_HOSTS: usize = 256;

/// What a URI asks of the resolver. `sips:` is never less than TLS.
pub(super) fn host_of(uri: &SipUri) -> Host {
    let named = uri.transport().and_then(Transport::from_name);
    let transport = match named {
        Some(t) if uri.scheme == "sips" && t.websocket() => Some(Transport::Wss),
        _ if uri.scheme == "sips" => Some(Transport::Tls),
        named => named,
    };
    Host { name: uri.host.clone(), port: uri.port, transport }
}
