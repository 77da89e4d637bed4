//! Two transaction layers, a lossy wire between them, and virtual time.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use phoned::sip::flow::{FlowId, Hop, Transport};
use phoned::sip::message::Message;
use phoned::sip::transaction::{Mono, Transactions, TxEvent};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

pub const T1: u64 = 500_000;
/// The caller's end of the wire, and the called one's.
pub const A: usize = 0;
pub const B: usize = 1;

/// What the scripts react to.
#[derive(Debug)]
#[allow(clippy::large_enum_variant)]
pub enum Stimulus {
    /// A layer says something to its user.
    Tx(usize, TxEvent),
    /// A timer that the script set with `at`.
    Timer(usize, u64),
}

pub struct Pipe {
    pub now: Mono,
    pub ends: [Transactions; 2],
    /// Messages lost, of 100.
    pub loss: u32,
    /// The first line of everything sent, with its time in ms: lost messages too.
    pub log: Vec<(u64, usize, String)>,
    transport: Transport,
    rng: ChaCha20Rng,
    wire: BTreeMap<(Mono, u64), (usize, Vec<u8>)>,
    sent: u64,
    timers: BTreeSet<(Mono, usize, u64)>,
}

impl Pipe {
    pub fn new(transport: Transport, loss: u32, seed: u64) -> Self {
        Pipe {
            now: 0,
            ends: [Transactions::new(T1), Transactions::new(T1)],
            loss,
            log: Vec::new(),
            transport,
            rng: ChaCha20Rng::seed_from_u64(seed),
            wire: BTreeMap::new(),
            sent: 0,
            timers: BTreeSet::new(),
        }
    }

    /// The way to (or from) an end.
    pub fn hop(&self, end: usize) -> Hop {
        Hop { flow: FlowId(1), addr: addr(end), transport: self.transport }
    }

    pub fn request(&mut self, from: usize, msg: Message) -> phoned::sip::transaction::TxId {
        let hop = self.hop(1 - from);
        self.ends[from].request(self.now, msg, hop)
    }

    /// Sends outside of any transaction, as the ACK of a 2xx is.
    pub fn send(&mut self, from: usize, msg: &Message) {
        self.put(from, msg.to_bytes());
    }

    pub fn at(&mut self, time: Mono, end: usize, token: u64) {
        self.timers.insert((time, end, token));
    }

    /// Goes on in time until the script is needed; None when nothing will ever happen again.
    pub fn next(&mut self) -> Option<Stimulus> {
        loop {
            for end in [A, B] {
                while let Some((hop, bytes)) = self.ends[end].poll_send() {
                    assert_eq!(hop.addr, addr(1 - end));
                    self.put(end, bytes);
                }
                if let Some(event) = self.ends[end].poll_event() {
                    return Some(Stimulus::Tx(end, event));
                }
            }
            let message = self.wire.first_key_value().map(|((at, _), _)| *at);
            let timer = self.timers.first().map(|(at, ..)| *at);
            let layers = [self.ends[A].poll_timeout(), self.ends[B].poll_timeout()];
            self.now = [message, timer, layers[A], layers[B]].into_iter().flatten().min()?.max(self.now);
            if message.is_some_and(|at| at <= self.now) {
                let (_, (from, bytes)) = self.wire.pop_first()?;
                let msg = Message::parse(&bytes).unwrap();
                let hop = self.hop(from);
                if let Some(event) = self.ends[1 - from].receive(self.now, hop, msg) {
                    return Some(Stimulus::Tx(1 - from, event));
                }
            } else if timer.is_some_and(|at| at <= self.now) {
                let (_, end, token) = self.timers.pop_first()?;
                return Some(Stimulus::Timer(end, token));
            }
            for end in [A, B] {
                self.ends[end].handle_timeout(self.now);
            }
        }
    }

    /// When (ms) one end sent messages whose first line begins so.
    pub fn times(&self, end: usize, start: &str) -> Vec<u64> {
        self.log.iter().filter(|(_, from, line)| *from == end && line.starts_with(start)).map(|(at, ..)| *at).collect()
    }

    fn put(&mut self, from: usize, bytes: Vec<u8>) {
        let line = bytes.split(|b| *b == b'\r').next().unwrap_or_default();
        self.log.push((self.now / 1000, from, String::from_utf8_lossy(line).into_owned()));
        if self.rng.next_u32() % 100 >= self.loss {
            let delay = 5_000 + u64::from(self.rng.next_u32() % 20_000);
            self.sent += 1;
            // A stream keeps the order.
            let delay = if self.transport.reliable() { 10_000 } else { delay };
            self.wire.insert((self.now + delay, self.sent), (from, bytes));
        }
    }
}

pub fn addr(end: usize) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 1 + end as u8], 5060))
}

/// A request of end A's.
pub fn request(method: &str, number: u64) -> Message {
    let text = format!(
        "{method} sip:bob@10.0.0.2 SIP/2.0\r\n\
         Via: SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bK{number};rport\r\n\
         Route: <sip:10.0.0.2;lr>\r\n\
         Max-Forwards: 70\r\n\
         From: <sip:alice@10.0.0.1>;tag=a{number}\r\n\
         To: <sip:bob@10.0.0.2>\r\n\
         Call-ID: {number}\r\n\
         CSeq: 1 {method}\r\n\
         Content-Length: 0\r\n\r\n"
    );
    Message::parse(text.as_bytes()).unwrap()
}

/// A response of end B's.
pub fn response(request: &Message, status: u16) -> Message {
    let mut response = Message::response(request, status, "Whatever");
    if request.to_tag().is_none() {
        response.set_to_tag("b");
    }
    response
}

/// The ACK of a 2xx: a new branch.
pub fn ack_2xx(ok: &Message) -> Message {
    let mut ack = Message::request(phoned::sip::message::Method::Ack, "sip:bob@10.0.0.2");
    ack.push("Via", format!("SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bKack{};rport", ok.call_id()));
    for name in ["From", "To", "Call-ID"] {
        ack.push(name, ok.header(name).unwrap());
    }
    ack.push("CSeq", format!("{} ACK", ok.cseq()));
    ack
}
