//! The search for a path (ICE, RFC 8445): our addresses, also as STUN and TURN servers see and lend them, the checks, and the pair that
//! is used. No socket and no clock of its own: packets come in, packets go out, time is an argument.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use rtc_ice::agent::{Agent, Event as AgentEvent, agent_config::AgentConfig};
use rtc_ice::candidate::candidate_host::CandidateHostConfig;
use rtc_ice::candidate::candidate_relay::CandidateRelayConfig;
use rtc_ice::candidate::candidate_server_reflexive::CandidateServerReflexiveConfig;
use rtc_ice::candidate::{Candidate, CandidateConfig, CandidateType, unmarshal_candidate};
use rtc_ice::mdns::MulticastDnsMode;
use rtc_ice::state::ConnectionState;
use rtc_shared::{TaggedBytesMut, TransportContext, TransportProtocol};
use rtc_srtp::crypto::{RTCCryptoProvider, default_provider};
use rtc_stun::integrity::MessageIntegrity;
use rtc_stun::message::{CLASS_REQUEST, Message};
use rtc_turn::client::{Client, ClientConfig, Event as TurnEvent};
use sansio::Protocol;

use crate::sdp::{Ice, LocalIce};

use super::turn_stream::TurnStream;

/// Servers that do not answer are not waited for longer than this.
const GATHERING: Duration = Duration::from_secs(2);
/// Between two rounds of checks, and how many rounds a pair gets: 10 s together, as long as the watchdog waits.
const CHECKS: Duration = Duration::from_millis(100);
const ROUNDS: u16 = 100;
/// A relay is a last resort, but not one to wait for.
const RELAY_WAIT: Duration = Duration::from_millis(500);
/// Silence of the pair in use until it counts as troubled, and from there until it counts as lost.
const TROUBLED: Duration = Duration::from_secs(5);
const LOST: Duration = Duration::from_secs(20);
/// Consent (RFC 7675).
const KEEPALIVE: Duration = Duration::from_secs(2);

/// A TURN server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TurnServer {
    /// `HOST:PORT`.
    pub address: String,
    /// By TCP; else by UDP.
    pub tcp: bool,
    /// The long-term credential.
    pub username: String,
    /// Its password.
    pub password: crate::ua::settings::Secret,
}

/// Servers as they are to be asked: addresses, no names.
#[derive(Debug, Clone, Default)]
pub struct Servers {
    /// STUN.
    pub stun: Vec<SocketAddr>,
    /// TURN.
    pub turn: Vec<(SocketAddr, TurnServer)>,
    /// Nothing but relays: the peer never learns an address of ours.
    pub relay_only: bool,
}

/// What the search has to say.
#[derive(Debug)]
pub enum Found {
    /// Our addresses.
    Gathered(LocalIce),
    /// The pair that is used: the kinds of its addresses (`host`, `srflx`, `prflx`, `relay`), and how far it reaches (`local`,
    /// `public`, `turn`).
    Path { local: &'static str, remote: &'static str, result: &'static str },
    /// There is no pair (any more).
    Lost,
}

/// The search of one session.
pub struct Search {
    local: SocketAddr,
    provider: Arc<dyn RTCCryptoProvider>,
    servers: Vec<Server>,
    candidates: Vec<Candidate>,
    until: Option<Instant>,
    terms: Option<Ice>,
    agent: Option<Agent>,
    /// From which address of ours, to which of the peer's.
    pair: Option<(SocketAddr, SocketAddr)>,
    outgoing: VecDeque<(SocketAddr, BytesMut)>,
}

struct Server {
    address: SocketAddr,
    client: Client,
    /// By TCP; else its packets are those of the session's socket.
    stream: Option<TurnStream>,
    relayed: Option<SocketAddr>,
    done: bool,
}

impl Server {
    /// What its client wants sent.
    fn flush(&mut self, outgoing: &mut VecDeque<(SocketAddr, BytesMut)>) {
        while let Some(packet) = self.client.poll_write() {
            match &mut self.stream {
                Some(stream) => {
                    if let Err(error) = stream.send(&packet.message) {
                        self.lost(&error);
                    }
                }
                None => outgoing.push_back((packet.transport.peer_addr, packet.message)),
            }
        }
    }

    /// Its connection is gone: it lends nothing any more.
    fn lost(&mut self, error: &std::io::Error) {
        if !std::mem::replace(&mut self.done, true) || self.relayed.is_some() {
            tracing::debug!(server = %self.address, %error, "a TURN server by TCP");
        }
        self.relayed = None;
    }
}

impl Search {
    /// Begins to gather. Fails without cryptography.
    pub fn new(now: Instant, local: SocketAddr, servers: &Servers) -> Result<Self, String> {
        let provider = default_provider().map_err(|e| format!("no cryptography: {e}"))?;
        let host = CandidateHostConfig { base_config: base(local), ..Default::default() };
        let host = host.new_candidate_host().map_err(|e| format!("no ICE: {e}"))?;
        let mut search = Search {
            local,
            candidates: if servers.relay_only { Vec::new() } else { vec![host] },
            servers: Vec::new(),
            until: Some(now + GATHERING),
            terms: None,
            agent: None,
            pair: None,
            outgoing: VecDeque::new(),
            provider,
        };
        let same = |address: &SocketAddr| address.is_ipv4() == local.is_ipv4();
        for address in servers.stun.iter().copied().filter(same).filter(|_| !servers.relay_only) {
            search.ask(now, address, None);
        }
        for (address, server) in servers.turn.iter().filter(|(address, _)| same(address)) {
            search.ask(now, *address, Some(server));
        }
        Ok(search)
    }

    fn ask(&mut self, now: Instant, address: SocketAddr, turn: Option<&TurnServer>) {
        let text = |wanted: bool| if wanted { address.to_string() } else { String::new() };
        let config = ClientConfig {
            stun_serv_addr: text(turn.is_none()),
            turn_serv_addr: text(turn.is_some()),
            local_addr: self.local,
            username: turn.map(|t| t.username.clone()).unwrap_or_default(),
            password: turn.map(|t| t.password.expose().to_owned()).unwrap_or_default(),
            transport_protocol: match turn.is_some_and(|turn| turn.tcp) {
                true => TransportProtocol::TCP,
                false => TransportProtocol::UDP,
            },
            ..ClientConfig::default()
        };
        let stream = match turn.filter(|turn| turn.tcp).map(|_| TurnStream::connect(self.local.ip(), address)) {
            Some(Err(error)) => return tracing::debug!(server = %address, %error, "a TURN server by TCP"),
            stream => stream.and_then(Result::ok),
        };
        let Ok(mut client) = Client::new(config, self.provider.clone()) else { return };
        let asked = if turn.is_some() { client.allocate(now) } else { client.send_binding_request(now) };
        if asked.is_ok() {
            self.servers.push(Server { address, client, stream, relayed: None, done: false });
        }
    }

    /// Looks for a path to this peer. The same terms again change nothing; others begin anew.
    pub fn begin(&mut self, now: Instant, ice: &Ice) -> Result<(), String> {
        let same = |known: &&Ice| (&known.local, &known.remote) == (&ice.local, &ice.remote);
        let restart = self.terms.as_ref().filter(same).is_none();
        if restart {
            let config = AgentConfig {
                local_ufrag: ice.local.ufrag.clone(),
                local_pwd: ice.local.pwd.clone(),
                multicast_dns_mode: MulticastDnsMode::Disabled,
                disconnected_timeout: Some(TROUBLED),
                failed_timeout: Some(LOST),
                keepalive_interval: Some(KEEPALIVE),
                check_interval: CHECKS,
                max_binding_requests: Some(ROUNDS),
                is_controlling: ice.controlling,
                srflx_acceptance_min_wait: Some(Duration::ZERO),
                prflx_acceptance_min_wait: Some(Duration::ZERO),
                relay_acceptance_min_wait: Some(RELAY_WAIT),
                ..AgentConfig::default()
            };
            let mut agent =
                Agent::new(now, Arc::new(config), self.provider.clone()).map_err(|e| format!("no ICE: {e}"))?;
            for candidate in &self.candidates {
                agent.add_local_candidate(candidate.clone()).map_err(|e| format!("no ICE: {e}"))?;
            }
            let (ufrag, pwd) = (ice.remote.ufrag.clone(), ice.remote.pwd.clone());
            agent.start_connectivity_checks(now, ice.controlling, ufrag, pwd).map_err(|e| format!("no ICE: {e}"))?;
            self.agent = Some(agent);
            self.pair = None;
        }
        for line in &ice.candidates {
            // A candidate that the agent does not take leaves the others.
            let Ok(candidate) = unmarshal_candidate(line) else { continue };
            let address = candidate.addr();
            self.permit(now, address);
            if let Some(agent) = &mut self.agent {
                let _ = agent.add_remote_candidate(candidate);
            }
        }
        self.terms = Some(ice.clone());
        Ok(())
    }

    /// There is a pair that works.
    pub fn is_connected(&self) -> bool {
        self.pair.is_some()
    }

    /// Time passes.
    pub fn tick(&mut self, now: Instant, told: &mut Vec<Found>) {
        for server in &mut self.servers {
            if server.client.poll_timeout().is_some_and(|at| at <= now) {
                let _ = server.client.handle_timeout(now);
            }
        }
        self.read_servers(&mut |_, _| ());
        if let Some(until) = self.until
            && (now >= until || self.servers.iter().all(|s| s.done))
        {
            self.until = None;
            told.push(Found::Gathered(self.gathered()));
        }
        if let Some(agent) = &mut self.agent {
            if agent.poll_timeout().is_some_and(|at| at <= now) {
                let _ = agent.handle_timeout(now);
            }
            while let Some(event) = agent.poll_event() {
                match event.event {
                    AgentEvent::SelectedCandidatePairChange(ours, theirs) => {
                        self.pair = Some((ours.base_addr(), theirs.addr()));
                        told.push(found(&ours, &theirs));
                    }
                    AgentEvent::ConnectionStateChange(ConnectionState::Failed) => {
                        self.pair = None;
                        told.push(Found::Lost);
                    }
                    _ => {}
                }
            }
        }
        self.collect(now);
    }

    /// A packet of ICE or TURN. What a relay carried is handed on with its sender.
    pub fn hear(&mut self, now: Instant, from: SocketAddr, packet: &[u8], relayed: &mut dyn FnMut(SocketAddr, &[u8])) {
        if let Some(server) = self.servers.iter_mut().find(|s| s.address == from && s.stream.is_none()) {
            let _ = server.client.handle_read(tagged(now, self.local, from, packet));
            self.read_servers(relayed);
        } else {
            self.check(now, self.local, from, packet);
        }
        self.collect(now);
    }

    /// What came over TCP connections to servers; as `hear`.
    pub fn hear_streams(&mut self, now: Instant, relayed: &mut dyn FnMut(SocketAddr, &[u8])) {
        let local = self.local;
        for server in &mut self.servers {
            let Server { address, client, stream: Some(stream), .. } = server else { continue };
            let heard = stream.poll(&mut |message| {
                let _ = client.handle_read(tagged(now, local, *address, message));
            });
            if let Err(error) = heard {
                server.lost(&error);
                server.stream = None;
            }
        }
        self.read_servers(relayed);
        self.collect(now);
    }

    /// Some server is reached by TCP.
    pub fn has_streams(&self) -> bool {
        self.servers.iter().any(|server| server.stream.is_some())
    }

    /// A check that came over a relay of ours.
    pub fn hear_relayed(&mut self, now: Instant, from: SocketAddr, packet: &[u8]) {
        if let Some(relay) = self.servers.iter().find_map(|s| s.relayed) {
            self.check(now, relay, from, packet);
            self.collect(now);
        }
    }

    /// The peer may speak from there: a check went through.
    pub fn accepts(&mut self, now: Instant, from: SocketAddr, relayed: bool) -> bool {
        let relay = self.servers.iter().find_map(|s| s.relayed).filter(|_| relayed);
        let (Some(agent), Some(local)) = (&mut self.agent, if relayed { relay } else { Some(self.local) }) else {
            return false;
        };
        agent.is_valid_non_stun_traffic(now, context(local, from))
    }

    /// Sends on the pair in use; without one the packet is lost.
    pub fn send(&mut self, now: Instant, packet: &[u8]) {
        if let Some((from, to)) = self.pair {
            self.route(now, from, to, BytesMut::from(packet));
        }
    }

    /// What is to go out of the socket.
    pub fn outgoing(&mut self) -> Option<(SocketAddr, BytesMut)> {
        self.outgoing.pop_front()
    }

    /// Gives what was borrowed back.
    pub fn close(&mut self, now: Instant) {
        for server in &mut self.servers {
            if let Some(Ok(mut relay)) = server.relayed.map(|address| server.client.relay(address)) {
                let _ = relay.close(now);
            }
        }
        self.collect(now);
    }

    /// Nobody without the password reaches the agent: it would change its part for whoever asks.
    fn check(&mut self, now: Instant, local: SocketAddr, from: SocketAddr, packet: &[u8]) {
        let (Some(agent), Some(terms)) = (&mut self.agent, &self.terms) else { return };
        let mut message = Message { raw: packet.to_vec(), ..Message::default() };
        if message.decode().is_err() {
            return;
        }
        let signed = |message: &mut Message| {
            MessageIntegrity::check(message, terms.local.pwd.as_bytes(), self.provider.crypto()).is_ok()
        };
        if message.typ.class == CLASS_REQUEST && !signed(&mut message) {
            return;
        }
        let _ = agent.handle_read(tagged(now, local, from, packet));
    }

    fn read_servers(&mut self, relayed: &mut dyn FnMut(SocketAddr, &[u8])) {
        for server in &mut self.servers {
            while let Some(event) = server.client.poll_event() {
                let candidate = match event {
                    TurnEvent::BindingResponse(_, mapped) if self.until.is_some() => {
                        let (rel_addr, rel_port) = (self.local.ip().to_string(), self.local.port());
                        let base_config = base(mapped);
                        let config = CandidateServerReflexiveConfig { base_config, rel_addr, rel_port, url: None };
                        config.new_candidate_server_reflexive().ok().filter(|_| mapped != self.local)
                    }
                    TurnEvent::AllocateResponse(_, address) if self.until.is_some() => {
                        server.relayed = Some(address);
                        let unknown = if address.is_ipv4() { "0.0.0.0" } else { "::" };
                        let (base_config, rel_addr) = (base(address), unknown.to_owned());
                        CandidateRelayConfig { base_config, rel_addr, rel_port: 0, url: None }
                            .new_candidate_relay()
                            .ok()
                    }
                    TurnEvent::DataIndicationOrChannelData(_, peer, data) => {
                        relayed(peer, &data);
                        continue;
                    }
                    TurnEvent::TransactionTimeout(_)
                    | TurnEvent::BindingError(..)
                    | TurnEvent::AllocateError(..)
                    | TurnEvent::BindingResponse(..)
                    | TurnEvent::AllocateResponse(..) => None,
                    _ => continue,
                };
                server.done = true;
                self.candidates.extend(candidate);
            }
        }
    }

    fn gathered(&self) -> LocalIce {
        let reach = |candidate: &&Candidate| match candidate.candidate_type() {
            CandidateType::Relay => 2,
            CandidateType::ServerReflexive => 1,
            _ => 0,
        };
        LocalIce {
            candidates: self.candidates.iter().map(Candidate::marshal).collect(),
            default: self.candidates.iter().max_by_key(reach).map_or(self.local, Candidate::addr),
        }
    }

    fn permit(&mut self, now: Instant, peer: SocketAddr) {
        for server in &mut self.servers {
            if let Some(Ok(mut relay)) = server.relayed.map(|address| server.client.relay(address)) {
                let _ = relay.create_permission(now, peer);
            }
        }
    }

    /// Packets of the agent and of the servers' clients find their way out.
    fn collect(&mut self, now: Instant) {
        let checks: Vec<TaggedBytesMut> =
            self.agent.as_mut().map(|agent| std::iter::from_fn(|| agent.poll_write()).collect()).unwrap_or_default();
        for check in checks {
            self.route(now, check.transport.local_addr, check.transport.peer_addr, check.message);
        }
        self.servers.iter_mut().for_each(|server| server.flush(&mut self.outgoing));
    }

    fn route(&mut self, now: Instant, from: SocketAddr, to: SocketAddr, packet: BytesMut) {
        let Some(server) = self.servers.iter_mut().find(|s| s.relayed == Some(from)) else {
            return self.outgoing.push_back((to, packet));
        };
        let Ok(mut relay) = server.client.relay(from) else { return };
        if relay.send_to(now, &packet, to).is_err() {
            let _ = relay.create_permission(now, to); // what was to go is sent again, or lost
        }
        server.flush(&mut self.outgoing);
    }
}

fn base(address: SocketAddr) -> CandidateConfig {
    CandidateConfig {
        network: "udp".into(),
        address: address.ip().to_string(),
        port: address.port(),
        component: 1,
        ..CandidateConfig::default()
    }
}

fn context(local_addr: SocketAddr, peer_addr: SocketAddr) -> TransportContext {
    TransportContext { local_addr, peer_addr, transport_protocol: TransportProtocol::UDP, ecn: None }
}

fn tagged(now: Instant, local: SocketAddr, from: SocketAddr, packet: &[u8]) -> TaggedBytesMut {
    TaggedBytesMut { now, transport: context(local, from), message: BytesMut::from(packet) }
}

fn found(ours: &Candidate, theirs: &Candidate) -> Found {
    let (local, remote) = (kind(ours.candidate_type()), kind(theirs.candidate_type()));
    let inside = |ip: IpAddr| match ip {
        IpAddr::V4(ip) => ip.is_private() || ip.is_loopback() || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unique_local() || ip.is_loopback() || ip.is_unicast_link_local(),
    };
    let result = match (local, remote) {
        ("relay", _) | (_, "relay") => "turn",
        ("host", _) if remote == "host" || inside(theirs.addr().ip()) => "local",
        _ => "public",
    };
    Found::Path { local, remote, result }
}

fn kind(of: CandidateType) -> &'static str {
    match of {
        CandidateType::Host => "host",
        CandidateType::ServerReflexive => "srflx",
        CandidateType::PeerReflexive => "prflx",
        CandidateType::Relay => "relay",
        _ => "unknown",
    }
}
