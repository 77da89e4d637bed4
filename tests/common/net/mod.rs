//! A seeded network in virtual time for whole phones, so that tests read as stories:
//!
//! ```ignore
//! let mut net = Net::new(7);
//! let (alice, bob) = (net.phone("alice"), net.phone("bob"));
//! let out = net.call(alice, json!({"number": net.uri(bob)}));
//! let call = net.wait(bob, "incoming").call_id.unwrap();
//! net.answer(bob, &call).unwrap();
//! net.wait(alice, "confirmed");
//! ```
//!
//! Node n has the address 10.0.0.n:5060. Phones are `Ua`s; peers (`peer`) are played by the test itself. Every event's
//! `seq` and every message on the wire is checked on the way. Use: `#[path = "common/net/mod.rs"] mod net;`.
#![allow(dead_code, unused_imports, clippy::unwrap_used)]

#[path = "../contract.rs"]
pub mod contract;
mod media;
mod peer;
mod phone;
mod wire;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use phoned::ua::io::{FlowId, Host, Input, Mono, Now, Output, QueryId, SessionId, Target, Transport};
use phoned::ua::media::MediaEvent;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;

pub use media::{Stream, microphones};
pub use peer::Peer;
pub use phone::Phone;
pub use wire::{Fate, Packet, Weather};

/// What looks at every message.
type Tap = Box<dyn FnMut(&Packet) -> Fate>;

/// A node of the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Who(usize);

/// The UDP socket of every phone.
pub const UDP: FlowId = FlowId(1 << 32);
/// When the story begins, ms since 1970.
const WALL: i64 = 1_700_000_000_000;
/// How long `run_until` waits, ms.
const PATIENCE: u64 = 120_000;

enum Node {
    Phone(Box<Phone>),
    Peer(Peer),
}

/// What is going to happen.
enum Happening {
    /// A datagram, or a message on a stream, arrives.
    Arrives {
        to: Who,
        flow: FlowId,
        from: SocketAddr,
        bytes: Vec<u8>,
    },
    FlowUp {
        who: Who,
        flow: FlowId,
        transport: Transport,
        local: SocketAddr,
        remote: SocketAddr,
    },
    FlowClosed {
        who: Who,
        flow: FlowId,
    },
    Resolved {
        who: Who,
        query: QueryId,
        targets: Vec<Target>,
    },
    Media {
        who: Who,
        session: SessionId,
        event: MediaEvent,
    },
}

/// The network, its phones and its clock.
pub struct Net {
    /// How bad the network is for datagrams; may be changed at any time.
    pub weather: Weather,
    /// Everything that was sent, in order.
    pub log: Vec<Packet>,
    /// False: nothing is logged (long runs).
    pub logging: bool,
    now: Mono,
    nodes: Vec<Node>,
    agenda: BTreeMap<(Mono, u64), Happening>,
    count: u64,
    rng: ChaCha20Rng,
    names: BTreeMap<String, Vec<SocketAddr>>,
    streams: BTreeMap<(Who, FlowId), wire::End>,
    /// Nodes that take no streams.
    datagrams_only: BTreeSet<Who>,
    /// Nodes that the network has forgotten: nothing reaches them, and nobody is told.
    cut_off: BTreeSet<Who>,
    /// Nodes that have another address than their first one.
    moved: BTreeMap<Who, IpAddr>,
    /// Nodes that answer no ping.
    no_pongs: BTreeSet<Who>,
    /// When streams were asked for, µs, and to whom.
    pub attempts: Vec<(Mono, Who, SocketAddr)>,
    /// When a double CRLF was sent, µs, by whom and to whom.
    pub pings: Vec<(Mono, Who, SocketAddr)>,
    taps: Vec<Tap>,
    /// The requests of phones by Call-ID and tags: branch → CSeq and flow.
    sent_in: BTreeMap<[String; 3], BTreeMap<String, (u32, FlowId)>>,
}

impl Net {
    /// A network without nodes, in fair weather. The seed decides all chance, that of the phones too.
    pub fn new(seed: u64) -> Net {
        Net {
            weather: Weather::default(),
            log: Vec::new(),
            logging: true,
            now: 0,
            nodes: Vec::new(),
            agenda: BTreeMap::new(),
            count: 0,
            rng: ChaCha20Rng::seed_from_u64(seed),
            names: BTreeMap::new(),
            streams: BTreeMap::new(),
            datagrams_only: BTreeSet::new(),
            cut_off: BTreeSet::new(),
            moved: BTreeMap::new(),
            no_pongs: BTreeSet::new(),
            attempts: Vec::new(),
            pings: Vec::new(),
            taps: Vec::new(),
            sent_in: BTreeMap::new(),
        }
    }

    /// The time, ms.
    pub fn now(&self) -> u64 {
        self.now / 1000
    }

    /// A node's address.
    pub fn addr(&self, who: Who) -> SocketAddr {
        if let Some(ip) = self.moved.get(&who) {
            return SocketAddr::new(*ip, 5060);
        }
        SocketAddr::from(([10, 0, (who.0 / 250) as u8, (who.0 % 250 + 1) as u8], 5060))
    }

    /// A phone's host has this address from now on, and its old one no more; none: it has no network.
    pub fn move_phone(&mut self, who: Who, to: Option<IpAddr>) {
        let nowhere = IpAddr::from([0, 0, 0, 1]);
        self.moved.insert(who, to.unwrap_or(nowhere));
        let local = IpAddr::from([127, 0, 0, 1]);
        self.feed(who, Input::Addresses([local].into_iter().chain(to).collect()));
    }

    /// A node's URI: `sip:NAME@ADDRESS`.
    pub fn uri(&self, who: Who) -> String {
        let name = match &self.nodes[who.0] {
            Node::Phone(phone) => &phone.name,
            Node::Peer(peer) => &peer.name,
        };
        format!("sip:{name}@{}", self.addr(who).ip())
    }

    /// Lets the resolver know a name: its nodes, best first. Address literals it knows already.
    pub fn name(&mut self, name: &str, nodes: &[Who]) {
        let addresses = nodes.iter().map(|who| self.addr(*who)).collect();
        self.names.insert(name.to_owned(), addresses);
    }

    /// Lets time pass.
    pub fn run_for(&mut self, ms: u64) {
        let end = self.now + ms * 1000;
        while self.next_time().is_some_and(|at| at <= end) {
            self.step();
        }
        self.now = end;
    }

    /// Lets time pass until something is true; fails with the story so far after two minutes.
    #[track_caller]
    pub fn run_until(&mut self, what: &str, mut is_true: impl FnMut(&Net) -> bool) {
        let end = self.now + PATIENCE * 1000;
        while !is_true(self) {
            if self.next_time().is_none_or(|at| at > end) {
                panic!("waited in vain for {what}\n{}", self.story());
            }
            self.step();
        }
    }

    /// Lets time pass until nobody has anything left to do, ten minutes at most.
    #[track_caller]
    pub fn run_to_rest(&mut self) {
        let end = self.now + 600_000_000;
        while let Some(at) = self.next_time() {
            assert!(at <= end, "no rest\n{}", self.story());
            self.step();
        }
    }

    fn clock(&self) -> Now {
        Now { mono: self.now, wall: WALL + (self.now / 1000) as i64 }
    }

    fn next_time(&self) -> Option<Mono> {
        let planned = self.agenda.first_key_value().map(|((at, _), _)| *at);
        planned.into_iter().chain(self.phones().filter_map(|(_, phone)| phone.ua.poll_timeout())).min()
    }

    fn phones(&self) -> impl Iterator<Item = (Who, &Phone)> {
        self.nodes.iter().enumerate().filter_map(|(index, node)| match node {
            Node::Phone(phone) => Some((Who(index), &**phone)),
            Node::Peer(_) => None,
        })
    }

    /// Goes on to what comes next, and lets it happen.
    fn step(&mut self) {
        let Some(at) = self.next_time() else { return };
        self.now = self.now.max(at);
        if self.agenda.first_key_value().is_some_and(|((at, _), _)| *at <= self.now) {
            if let Some((_, happening)) = self.agenda.pop_first() {
                self.happen(happening);
            }
            return;
        }
        let due = |phone: &Phone| phone.ua.poll_timeout().is_some_and(|at| at <= self.now);
        let whose: Vec<Who> = self.phones().filter(|(_, phone)| due(phone)).map(|(who, _)| who).collect();
        for who in whose {
            self.feed(who, Input::Timeout);
            let next = self.phone_of(who).ua.poll_timeout();
            assert!(next.is_none_or(|at| at > self.now), "a timer that is never done");
        }
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Arrives { to, flow, from, bytes } => match &mut self.nodes[to.0] {
                Node::Phone(_) => self.feed(to, Input::Received { flow, from, bytes: &bytes }),
                Node::Peer(peer) => {
                    peer.receive(&bytes);
                    if peer.registrar {
                        self.register(to);
                    }
                }
            },
            Happening::FlowUp { who, flow, transport, local, remote } => {
                self.feed(who, Input::FlowUp { flow, transport, local, remote: Some(remote) });
            }
            Happening::FlowClosed { who, flow } => {
                self.feed(who, Input::FlowClosed { flow, reason: "closed".into() });
            }
            Happening::Resolved { who, query, targets } => self.feed(who, Input::Resolved(query, targets)),
            Happening::Media { who, session, event } => {
                self.note_recording(who, session, &event);
                self.feed(who, Input::Media(session, event));
            }
        }
    }

    /// Gives a phone an input and does what it wants done.
    pub fn feed(&mut self, who: Who, input: Input<'_>) {
        let (now, traced) = (self.clock(), self.logging);
        let Node::Phone(phone) = &mut self.nodes[who.0] else { return };
        if let (Input::Received { bytes, .. }, true) = (&input, traced) {
            phone.trace.extend(wire::word(bytes).map(|word| (None, format!("<{word}>"))));
        }
        phone.ua.handle(now, input);
        let outputs: Vec<Output> = std::iter::from_fn(|| phone.ua.poll_output()).collect();
        if traced {
            phone.trace.extend(outputs.iter().filter_map(trace));
        }
        for output in outputs {
            self.do_output(who, output);
        }
    }

    fn do_output(&mut self, who: Who, output: Output) {
        match output {
            Output::Send { flow, to, bytes } => self.transmit(who, flow, to, bytes),
            Output::OpenFlow { flow, target, .. } => self.open_stream(who, flow, &target),
            Output::CloseFlow(flow) => self.close_stream(who, flow),
            Output::Resolve(query, host) => {
                let targets = self.targets(who, &host);
                self.plan(1, Happening::Resolved { who, query, targets });
            }
            Output::Lookup(wanted) => self.phone_mut(who).wanted.push(wanted),
            Output::Media(session, command) => self.on_media_command(who, session, command),
            Output::Tone(command) => self.on_tone(who, command),
            Output::Volume { .. } => {}
            Output::Lights { hardware, lights } => drop(self.phone_mut(who).lights.insert(hardware, lights)),
            Output::DeviceTest(reply, trial) => self.phone_mut(who).trials.push((reply, trial)),
            Output::Reply(id, result) => {
                let before = self.phone_mut(who).replies.insert(id, result);
                assert!(before.is_none(), "{id:?} was answered twice");
            }
            Output::Event(event) => {
                self.phone_mut(who).note(event);
            }
        }
    }

    fn plan(&mut self, delay_us: u64, happening: Happening) {
        self.count += 1;
        self.agenda.insert((self.now + delay_us, self.count), happening);
    }

    fn targets(&self, who: Who, host: &Host) -> Vec<Target> {
        if self.addr(who).ip() == IpAddr::from([0, 0, 0, 1]) {
            return Vec::new();
        }
        let literal = host.name.parse().map(|ip| vec![SocketAddr::new(ip, 5060)]);
        let addresses = literal.or_else(|_| self.names.get(&host.name).cloned().ok_or(())).unwrap_or_default();
        let target = |mut addr: SocketAddr| {
            addr.set_port(host.port.unwrap_or(addr.port()));
            let transport = host.transport.unwrap_or(Transport::Udp);
            Target { addr, transport, local_ip: self.addr(who).ip(), name: host.name.clone() }
        };
        addresses.into_iter().map(target).collect()
    }
}

/// An output in a word, if it is one that a timeline tells.
fn trace(output: &Output) -> Option<(Option<String>, String)> {
    match output {
        Output::Send { bytes, .. } => wire::word(bytes).map(|word| (None, format!("[{word}]"))),
        Output::Reply(..) => Some((None, "[result]".into())),
        Output::Event(event) if event.name == "updateTimer" => None,
        Output::Event(event) => {
            let changed =
                event.data["changed"].as_array().map(|all| all.iter().filter_map(|one| one.as_str()).collect());
            let more = changed.map(|all: Vec<&str>| all.join(",")).or(event.data["cause"].as_str().map(str::to_owned));
            Some((event.call_id.clone(), more.map_or(event.name.clone(), |more| format!("{}({more})", event.name))))
        }
        _ => None,
    }
}
