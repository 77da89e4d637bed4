//! The wire: weather, taps, datagrams, streams, and the log.

use std::fmt::Write;
use std::net::SocketAddr;
use std::ops::RangeInclusive;

use phoned::sip::message::{Message, Method};
use phoned::ua::io::{FlowId, Mono, Target};
use rand_chacha::rand_core::Rng;

use super::{Happening, Net, UDP, Who};

/// What datagrams suffer. Streams are slow, but lose nothing and keep their order.
#[derive(Debug, Clone)]
pub struct Weather {
    /// Lost, of 100.
    pub loss: u32,
    /// Sent twice, of 100.
    pub duplicates: u32,
    /// The time on the way, ms: a wide range changes the order.
    pub delay: RangeInclusive<u64>,
}

impl Default for Weather {
    fn default() -> Self {
        Weather { loss: 0, duplicates: 0, delay: 5..=5 }
    }
}

/// One message on its way.
#[derive(Debug, Clone)]
pub struct Packet {
    /// When it was sent, ms.
    pub at: u64,
    /// Who sent it.
    pub from: SocketAddr,
    /// To whom.
    pub to: SocketAddr,
    /// The message.
    pub bytes: Vec<u8>,
    /// It does not arrive.
    pub lost: bool,
}

impl Packet {
    /// Whether its first line begins so (`INVITE`, `SIP/2.0 200`).
    pub fn is(&self, start: &str) -> bool {
        self.bytes.starts_with(start.as_bytes())
    }
    /// The message, parsed.
    pub fn message(&self) -> Message {
        Message::parse(&self.bytes).unwrap()
    }
}

/// What a tap does to a message.
pub enum Fate {
    /// Nothing: the next tap, then the weather, decide.
    Pass,
    /// It is lost.
    Drop,
    /// It arrives changed.
    Alter(Vec<u8>),
    /// It arrives so many ms later.
    Late(u64),
}

/// One end of a stream.
pub(super) struct End {
    pub(super) local: SocketAddr,
    pub(super) remote: SocketAddr,
    other: (Who, FlowId),
    /// When the last message arrives at the other end.
    busy: Mono,
}

/// A message's method or status.
pub(super) fn word(bytes: &[u8]) -> Option<String> {
    let line = std::str::from_utf8(bytes.split(|b| *b == b'\r').next()?).ok()?;
    let first = line.strip_prefix("SIP/2.0 ").unwrap_or(line).split(' ').next()?;
    Some(first.to_owned()).filter(|word| !word.is_empty())
}

impl Net {
    /// Watches every message from now on; the first tap that does not pass decides.
    pub fn tap(&mut self, tap: impl FnMut(&Packet) -> Fate + 'static) {
        self.taps.push(Box::new(tap));
    }

    /// Loses the next message that fits.
    pub fn drop_next(&mut self, mut fits: impl FnMut(&Packet) -> bool + 'static) {
        let mut done = false;
        self.tap(move |packet| {
            if done || !fits(packet) {
                return Fate::Pass;
            }
            done = true;
            Fate::Drop
        });
    }

    /// What a node sent, lost or not, whose first line begins so.
    pub fn sent(&self, who: Who, start: &str) -> Vec<Message> {
        let from = self.addr(who).ip();
        self.log.iter().filter(|p| p.from.ip() == from && p.is(start)).map(Packet::message).collect()
    }

    /// The log as a ladder, one line a message: for failed assertions.
    pub fn story(&self) -> String {
        let mut text = String::new();
        for packet in &self.log {
            let line = String::from_utf8_lossy(packet.bytes.split(|b| *b == b'\r').next().unwrap_or_default());
            let lost = if packet.lost { "  (lost)" } else { "" };
            let _ = writeln!(text, "{:>9} ms  {} → {}  {line}{lost}", packet.at, packet.from, packet.to);
        }
        for (who, phone) in self.phones() {
            let _ = writeln!(text, "{} {}: {:?}", phone.name, self.addr(who), phone.names());
        }
        text
    }

    /// A node refuses streams from now on.
    pub fn refuse_streams(&mut self, who: Who) {
        self.datagrams_only.insert(who);
    }

    /// And takes them again.
    pub fn take_streams(&mut self, who: Who) {
        self.datagrams_only.remove(&who);
    }

    /// Nothing reaches a node any more, and nobody is told; or everything does again.
    pub fn cut_off(&mut self, who: Who, cut: bool) {
        if cut {
            self.cut_off.insert(who)
        } else {
            self.cut_off.remove(&who)
        };
    }

    /// A node answers no ping.
    pub fn mute_pongs(&mut self, who: Who) {
        self.no_pongs.insert(who);
    }

    /// The addresses of the first node's ends of its streams to the other.
    pub fn streams_between(&self, who: Who, other: Who) -> Vec<SocketAddr> {
        let between = self.streams.iter().filter(|((owner, _), end)| *owner == who && end.other.0 == other);
        between.map(|(_, end)| end.local).collect()
    }

    /// How many streams a node has.
    pub fn streams_of(&self, who: Who) -> usize {
        self.streams.keys().filter(|(owner, _)| *owner == who).count()
    }

    /// Breaks every stream of a node; both ends learn it.
    pub fn break_streams(&mut self, who: Who) {
        let mine: Vec<FlowId> = self.streams.keys().filter(|(owner, _)| *owner == who).map(|(_, flow)| *flow).collect();
        for flow in mine {
            self.close_stream(who, flow);
        }
    }

    pub(super) fn transmit(&mut self, who: Who, flow: FlowId, to: SocketAddr, bytes: Vec<u8>) {
        if bytes.iter().all(|b| matches!(b, b'\r' | b'\n')) {
            return self.keep_alive(who, flow, to, &bytes);
        }
        let stream = self.streams.get(&(who, flow)).map(|end| (end.local, end.remote));
        let (from, to) = stream.unwrap_or((self.addr(who), to));
        let mut packet = Packet { at: self.now(), from, to, bytes, lost: false };
        self.check(flow, &packet);
        let mut late = 0;
        for tap in &mut self.taps {
            match tap(&packet) {
                Fate::Pass => continue,
                Fate::Drop => packet.lost = true,
                Fate::Alter(bytes) => packet.bytes = bytes,
                Fate::Late(ms) => late = ms * 1000,
            }
            break;
        }
        packet.lost |=
            [self.at(packet.from), self.at(packet.to)].iter().flatten().any(|node| self.cut_off.contains(node));
        match stream {
            Some(_) => self.on_stream(who, flow, &packet, late),
            None if flow == UDP && !packet.lost => self.as_datagram(&mut packet, late),
            None => packet.lost = true,
        }
        if self.logging {
            self.log.push(packet);
        }
    }

    /// A ping on a stream is answered; one by UDP is noted.
    fn keep_alive(&mut self, who: Who, flow: FlowId, to: SocketAddr, bytes: &[u8]) {
        if bytes != b"\r\n\r\n" {
            return;
        }
        self.pings.push((self.now, who, to));
        let gone = self.at(to).is_none_or(|node| self.cut_off.contains(&node) || self.no_pongs.contains(&node));
        if let Some(from) = self.streams.get(&(who, flow)).filter(|_| !gone).map(|end| end.remote) {
            let delay = 2 * *self.weather.delay.end() * 1000;
            self.plan(delay, Happening::Arrives { to: who, flow, from, bytes: b"\r\n".to_vec() });
        }
    }

    /// Phones put nothing on the wire that cannot be read, and their CSeq rises (RFC 3261 §12.2.1.1).
    fn check(&mut self, flow: FlowId, packet: &Packet) {
        let is_phone = |who: Who| matches!(self.nodes[who.0], super::Node::Phone(_));
        if !self.at(packet.from).is_some_and(is_phone) {
            return;
        }
        match Message::parse(&packet.bytes) {
            Ok(msg) if msg.is_request() => self.check_cseq(flow, &msg),
            Ok(_) => {}
            Err(_) if packet.is("SIP/2.0 400") => {} // holds what was wrong in the request
            Err(error) => panic!("{error:?} of {}", String::from_utf8_lossy(&packet.bytes)),
        }
    }

    fn check_cseq(&mut self, flow: FlowId, msg: &Message) {
        if matches!(msg.method(), Method::Ack | Method::Cancel) {
            return; // they have that of their INVITE
        }
        let branch = msg.via().and_then(|via| via.branch().map(str::to_owned)).unwrap_or_default();
        let key = [msg.call_id().to_owned(), msg.from_tag().unwrap_or_default(), msg.to_tag().unwrap_or_default()];
        if self.sent_in.len() > 4_096 {
            self.sent_in.clear(); // long runs
        }
        let sent = self.sent_in.entry(key).or_default();
        let rises = match sent.get(&branch) {
            Some((cseq, _)) => *cseq == msg.cseq(), // the same once more
            // On a newer flow it may overtake what waits for an older one to come up.
            None => sent.values().all(|(cseq, on)| *cseq < msg.cseq() || (*on != flow && *cseq != msg.cseq())),
        };
        sent.insert(branch, (msg.cseq(), flow));
        assert!(rises, "the CSeq does not rise: {}\n{}", String::from_utf8_lossy(&msg.to_bytes()), self.story());
    }

    fn as_datagram(&mut self, packet: &mut Packet, late: u64) {
        let Some(to) = self.at(packet.to).filter(|to| self.addr(*to) == packet.to) else {
            packet.lost = true;
            return;
        };
        packet.lost |= self.chance(100) < u64::from(self.weather.loss);
        if packet.lost {
            return;
        }
        let copies = if self.chance(100) < u64::from(self.weather.duplicates) { 2 } else { 1 };
        for _ in 0..copies {
            let (first, last) = (*self.weather.delay.start() * 1000, *self.weather.delay.end() * 1000);
            let delay = first + self.chance(last - first + 1) + late;
            let (from, bytes) = (packet.from, packet.bytes.clone());
            self.plan(delay, Happening::Arrives { to, flow: UDP, from, bytes });
        }
    }

    fn on_stream(&mut self, who: Who, flow: FlowId, packet: &Packet, late: u64) {
        let delay = *self.weather.delay.end() * 1000 + late;
        let Some(other) = self.streams.get(&(who, flow)).filter(|_| !packet.lost).map(|end| end.other) else { return };
        let there = self.streams.contains_key(&other);
        let Some(end) = self.streams.get_mut(&(who, flow)).filter(|_| there) else { return };
        end.busy = end.busy.max(self.now + delay) + 1;
        let (wait, (to, flow), from) = (end.busy - self.now, end.other, end.local);
        self.plan(wait, Happening::Arrives { to, flow, from, bytes: packet.bytes.clone() });
    }

    pub(super) fn open_stream(&mut self, who: Who, flow: FlowId, target: &Target) {
        let (transport, remote) = (target.transport, target.addr);
        self.attempts.push((self.now, who, remote));
        let delay = 2 * *self.weather.delay.end() * 1000;
        let takes = |other: &Who| self.addr(*other).ip() == remote.ip() && !self.datagrams_only.contains(other);
        let Some(other) = self.at(remote).filter(takes) else {
            return self.plan(delay, Happening::FlowClosed { who, flow });
        };
        if self.cut_off.contains(&other) {
            return self.plan(5_000_000, Happening::FlowClosed { who, flow });
        }
        self.count += 1;
        let local = SocketAddr::new(self.addr(who).ip(), 30_000 + (self.count % 30_000) as u16);
        let there = FlowId(UDP.0 + self.count);
        self.streams.insert((who, flow), End { local, remote, other: (other, there), busy: 0 });
        self.streams.insert((other, there), End { local: remote, remote: local, other: (who, flow), busy: 0 });
        self.plan(delay, Happening::FlowUp { who, flow, transport, local, remote });
        let up = Happening::FlowUp { who: other, flow: there, transport, local: remote, remote: local };
        self.plan(delay / 2, up);
    }

    pub(super) fn close_stream(&mut self, who: Who, flow: FlowId) {
        let Some(end) = self.streams.remove(&(who, flow)) else { return };
        self.plan(1_000, Happening::FlowClosed { who, flow });
        if end.local.ip() != self.addr(who).ip() {
            return; // The end of a stream whose address is gone reaches nobody.
        }
        let (who, flow) = end.other;
        self.streams.remove(&end.other);
        let wait = (end.busy + 1).saturating_sub(self.now).max(*self.weather.delay.end() * 1000);
        self.plan(wait, Happening::FlowClosed { who, flow });
    }

    /// A stream between two nodes, from the first one's side.
    pub(super) fn stream_between(&self, who: Who, other: Who) -> Option<FlowId> {
        let found = self.streams.iter().find(|((owner, _), end)| *owner == who && end.other.0 == other);
        found.map(|((_, flow), _)| *flow)
    }

    /// The node at an address.
    pub(super) fn at(&self, addr: SocketAddr) -> Option<Who> {
        (0..self.nodes.len()).map(Who).find(|who| self.addr(*who).ip() == addr.ip())
    }

    fn chance(&mut self, of: u64) -> u64 {
        self.rng.next_u64() % of
    }
}
