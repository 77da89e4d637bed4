//! The way of one session's packets: where they come from and go to, and what protects them. Plain RTP, SRTP with keys from the session
//! description, DTLS-SRTP and WebRTC differ here and nowhere else: what stands above sees RTP and RTCP in clear.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use crate::sdp::{LocalIce, Negotiated, Protection};
use crate::ua::media::PathFacts;

use super::clock;
use super::dtls::{Association, Identity, Said};
use super::ice::{Found, Search};
use super::ports::{Inbox, Ports};
use super::rtp::{self, Header};
use super::srtp::Srtp;
use super::symmetric::Symmetric;

/// A path and its keys must be there within this, µs.
const CONNECT_US: u64 = 10_000_000;
/// A peer that has closed DTLS and neither hangs up nor begins anew within this is gone, µs.
const CLOSED_US: u64 = 5_000_000;

/// What came in.
pub enum Packet<'a> {
    /// RTP, and its payload.
    Rtp(Header, &'a [u8]),
    /// RTCP.
    Control(&'a [u8]),
}

/// Gets a packet, and when it came on the clock of `Times` (µs).
pub type Each<'a> = dyn FnMut(u64, Packet<'_>) + 'a;

/// Now: µs, and from it to wall time, ns.
#[derive(Debug, Clone, Copy)]
pub struct Times {
    /// Monotonic, µs.
    pub now: u64,
    /// From monotonic to wall time, ns.
    pub wall_offset: i64,
}

/// What a transport has to say.
#[derive(Debug)]
pub enum News {
    /// Our addresses are gathered.
    Gathered(LocalIce),
    /// What is known of the path has changed.
    Path(PathFacts),
    /// Nothing will pass any more: why, in plain words.
    Broken(String),
}

/// A session's transport. Nothing passes before the first `renew`.
pub struct Transport {
    ports: Ports,
    wire: Wire,
}

/// All of it but the sockets.
struct Wire {
    search: Option<Box<Search>>,
    route: Route,
    cipher: Cipher,
    identity: Arc<Identity>,
    foreign: u64,
    stranger: Option<SocketAddr>,
    facts: PathFacts,
    /// Until when path and keys must be there; until when the peer may be gone.
    connect_by: Option<u64>,
    closed_by: Option<u64>,
    news: Vec<News>,
}

/// Where packets come from and go to.
enum Route {
    /// Not known yet.
    None,
    /// Plain ports on both sides.
    Symmetric(Box<Symmetric>),
    /// The pair that the search finds.
    Search,
}

/// What stands between the packets and the wire.
enum Cipher {
    /// Nothing passes.
    Closed,
    /// Nothing stands between.
    Clear,
    /// SRTP by keys from the description.
    Srtp(Box<Srtp>),
    /// SRTP by keys of a handshake; until it is done nothing passes.
    Dtls(Box<Association>),
}

impl Transport {
    /// With its sockets; `search` for WebRTC, `identity` for DTLS.
    pub fn new(ports: Ports, search: Option<Box<Search>>, identity: Arc<Identity>) -> Self {
        let wire = Wire {
            search,
            route: Route::None,
            cipher: Cipher::Closed,
            identity,
            foreign: 0,
            stranger: None,
            facts: PathFacts::default(),
            connect_by: None,
            closed_by: None,
            news: Vec::new(),
        };
        Transport { ports, wire }
    }

    /// What was negotiated, at `now` (µs). On an error nothing passes any more.
    pub fn renew(&mut self, now: u64, negotiated: &Negotiated) -> Result<(), String> {
        self.wire.renew(now, negotiated)
    }

    /// Other ports from now on: the address of the old ones is gone. Keys stay; with a search nothing passes until `renew` has
    /// found a path from there.
    pub fn move_to(&mut self, ports: Ports, search: Option<Box<Search>>) {
        if let Some(search) = &mut self.wire.search {
            search.close(clock::instant());
        }
        self.wire.flush(&self.ports);
        self.ports = ports;
        self.wire.search = search;
        (self.wire.connect_by, self.wire.closed_by) = (None, None);
    }

    /// Packets that came from an address that is not the peer's, or without its key.
    pub fn foreign(&self) -> u64 {
        self.wire.foreign
    }

    /// Where the peer's RTP comes from, without ICE; and who else sent some last.
    pub fn senders(&self) -> (Option<SocketAddr>, Option<SocketAddr>) {
        let from = match &self.wire.route {
            Route::Symmetric(route) => route.locked(),
            Route::None | Route::Search => None,
        };
        (from, self.wire.stranger)
    }

    /// Time passes. Gives `tell` what there is to say.
    pub fn tick(&mut self, now: u64, tell: &mut dyn FnMut(News)) {
        if !self.wire.has_timers() {
            return;
        }
        self.wire.tick(now, clock::instant());
        self.wire.flush(&self.ports);
        self.wire.news.drain(..).for_each(tell);
    }

    /// Gives `each` what came since the last time; `control`: look for RTCP on its own port too.
    pub fn receive(&mut self, times: Times, inbox: &mut Inbox, control: bool, each: &mut Each<'_>) {
        let Transport { ports, wire } = self;
        if matches!(wire.route, Route::None) && wire.search.is_none() {
            return; // what comes early waits in the socket
        }
        let (v4, now) = (ports.local.is_ipv4(), clock::instant());
        inbox.drain(&ports.rtp, v4, &mut |from, stamp, bytes| {
            wire.hear(now, times.arrival(stamp), from, bytes, each);
        });
        wire.hear_streams(now, times.now, each);
        if let Route::Symmetric(route) = &mut wire.route
            && control
            && !route.mux
            && !matches!(wire.cipher, Cipher::Dtls(_))
        {
            let (cipher, foreign) = (&mut wire.cipher, &mut wire.foreign);
            inbox.drain(&ports.rtcp, v4, &mut |from, stamp, bytes| match cipher.open(bytes) {
                Some(clear) if rtp::is_rtcp(&clear) && route.accepts_control(from) => {
                    each(times.arrival(stamp), Packet::Control(&clear));
                }
                _ => *foreign += 1,
            });
        }
        wire.flush(ports);
    }

    /// What is sent now arrives: path and keys are there.
    pub fn is_ready(&self) -> bool {
        self.wire.is_ready()
    }

    /// Sends RTP.
    pub fn send(&mut self, packet: &[u8]) {
        let Some(sealed) = self.wire.cipher.seal(packet) else { return };
        match &self.wire.route {
            Route::Symmetric(route) => {
                // a full or unreachable network is the network's loss, and the peer's reports tell of it
                if let Some(to) = route.destination() {
                    let _ = self.ports.rtp.send_to(&sealed, to);
                }
            }
            Route::Search => {
                if let Some(search) = &mut self.wire.search {
                    search.send(clock::instant(), &sealed);
                    while let Some((to, packet)) = search.outgoing() {
                        let _ = self.ports.rtp.send_to(&packet, to);
                    }
                }
            }
            Route::None => {}
        }
    }

    /// Sends RTCP.
    pub fn send_control(&mut self, packet: &[u8]) {
        let Route::Symmetric(route) = &self.wire.route else { return self.send(packet) };
        if route.mux {
            return self.send(packet);
        }
        if matches!(self.wire.cipher, Cipher::Dtls(_)) {
            return; // a port of its own would want a handshake of its own
        }
        if let (Some(to), Some(sealed)) = (route.control_destination(), self.wire.cipher.seal(packet)) {
            let _ = self.ports.rtcp.send_to(&sealed, to);
        }
    }

    /// Tells the peer and the servers that it is over.
    pub fn close(&mut self) {
        let now = clock::instant();
        if let Cipher::Dtls(association) = &mut self.wire.cipher {
            association.close(now);
        }
        self.wire.flush(&self.ports);
        if let Some(search) = &mut self.wire.search {
            search.close(now);
        }
        self.wire.flush(&self.ports);
    }
}

impl Wire {
    fn renew(&mut self, now: u64, negotiated: &Negotiated) -> Result<(), String> {
        self.closed_by = None;
        let route = std::mem::replace(&mut self.route, Route::None);
        let cipher = std::mem::replace(&mut self.cipher, Cipher::Closed);
        self.cipher = match (&negotiated.protection, cipher) {
            (Protection::Clear, _) => Cipher::Clear,
            (Protection::Sdes(keys), Cipher::Srtp(mut srtp)) => {
                srtp.renew(keys.clone())?;
                Cipher::Srtp(srtp)
            }
            (Protection::Sdes(keys), _) => Cipher::Srtp(Box::new(Srtp::new(keys.clone())?)),
            (Protection::Dtls(terms), Cipher::Dtls(association)) if association.terms() == terms => {
                Cipher::Dtls(association)
            }
            (Protection::Dtls(terms), _) => {
                self.facts.dtls = "connecting".into();
                self.facts.srtp = None;
                Cipher::Dtls(Box::new(Association::new(&self.identity, terms.clone())?))
            }
        };
        self.route = match (&negotiated.ice, &mut self.search) {
            (Some(ice), Some(search)) => {
                search.begin(clock::instant(), ice)?;
                Route::Search
            }
            (Some(_), None) => return Err("no addresses were gathered".into()),
            (None, _) => match route {
                Route::Symmetric(route) => Route::Symmetric(Box::new(route.renewed(negotiated))),
                Route::None | Route::Search => Route::Symmetric(Box::new(Symmetric::new(negotiated))),
            },
        };
        self.connect_by = (!self.is_ready()).then_some(now + CONNECT_US);
        Ok(())
    }

    /// Path and keys are there.
    fn is_ready(&self) -> bool {
        let keys = match &self.cipher {
            Cipher::Dtls(association) => association.suite().is_some(),
            Cipher::Closed | Cipher::Clear | Cipher::Srtp(_) => true,
        };
        keys && self.has_path()
    }

    fn has_path(&self) -> bool {
        match self.route {
            Route::None => false,
            Route::Symmetric(_) => true,
            Route::Search => self.search.as_ref().is_some_and(|search| search.is_connected()),
        }
    }

    fn has_timers(&self) -> bool {
        self.search.is_some() || matches!(self.cipher, Cipher::Dtls(_)) || !self.news.is_empty()
    }

    fn tick(&mut self, now: u64, instant: Instant) {
        let mut found = Vec::new();
        if let Some(search) = &mut self.search {
            search.tick(instant, &mut found);
        }
        for found in found {
            match found {
                Found::Gathered(local) => self.news.push(News::Gathered(local)),
                Found::Path { local, remote, result } => {
                    self.facts.ice = Some((local.into(), remote.into()));
                    self.facts.result = result.into();
                    self.tell_facts();
                }
                Found::Lost if self.connect_by.is_none() => self.break_off("the path to the peer is lost"),
                Found::Lost => {} // the watchdog will say it
            }
        }
        if self.has_path()
            && let Cipher::Dtls(association) = &mut self.cipher
        {
            let said = association.tick(instant);
            self.on_said(now, said);
        }
        if self.connect_by.is_some() && self.is_ready() {
            self.connect_by = None;
        }
        if self.connect_by.is_some_and(|by| now >= by) {
            self.break_off(match self.has_path() {
                false => "no path to the peer was found: none of its addresses answered",
                true => "the peer did not finish the DTLS handshake",
            });
        }
        if self.closed_by.is_some_and(|by| now >= by) {
            self.break_off("the peer has closed its media");
        }
    }

    /// A packet from the wire.
    fn hear(&mut self, now: Instant, at: u64, from: SocketAddr, bytes: &[u8], each: &mut Each<'_>) {
        let Some(search) = self.search.as_mut().filter(|_| matches!(bytes.first(), Some(0..=3 | 64..=79))) else {
            return self.hear_inside(now, at, (from, false), bytes, each);
        };
        let mut carried = Vec::new();
        search.hear(now, from, bytes, &mut |peer, data| carried.push((peer, data.to_vec())));
        self.hear_carried(now, at, carried, each);
    }

    /// What came over TCP connections to TURN servers.
    fn hear_streams(&mut self, now: Instant, at: u64, each: &mut Each<'_>) {
        let Some(search) = self.search.as_mut().filter(|search| search.has_streams()) else { return };
        let mut carried = Vec::new();
        search.hear_streams(now, &mut |peer, data| carried.push((peer, data.to_vec())));
        self.hear_carried(now, at, carried, each);
    }

    /// What relays carried, with its senders.
    fn hear_carried(&mut self, now: Instant, at: u64, carried: Vec<(SocketAddr, Vec<u8>)>, each: &mut Each<'_>) {
        for (peer, data) in carried {
            match (&mut self.search, data.first()) {
                (Some(search), Some(0..=3)) => search.hear_relayed(now, peer, &data),
                _ => self.hear_inside(now, at, (peer, true), &data, each),
            }
        }
    }

    /// A packet that is not about the path. The peer's only: whoever else sends finds nobody (RFC 7983 tells them apart).
    fn hear_inside(
        &mut self,
        now: Instant,
        at: u64,
        (from, relayed): (SocketAddr, bool),
        bytes: &[u8],
        each: &mut Each<'_>,
    ) {
        let handshake = matches!(bytes.first(), Some(20..=63));
        let known = match (&self.route, &mut self.search) {
            (Route::Symmetric(route), _) => !handshake || route.is_near(from),
            (Route::Search, Some(search)) => search.accepts(now, from, relayed),
            _ => return,
        };
        if !known {
            return self.foreign += 1;
        }
        if handshake {
            if let Cipher::Dtls(association) = &mut self.cipher {
                let said = association.hear(now, bytes);
                self.on_said(at, said);
            }
            return;
        }
        let Some(clear) = self.cipher.open(bytes) else { return self.foreign += 1 };
        let packet = match rtp::read(&clear) {
            Some((header, payload)) => Packet::Rtp(header, payload),
            None if rtp::is_rtcp(&clear) => Packet::Control(&clear),
            None => return,
        };
        match (&mut self.route, packet) {
            (Route::Symmetric(route), Packet::Rtp(header, payload)) => match route.accepts(at, from, &header) {
                Some(true) => each(at, Packet::Rtp(header, payload)),
                Some(false) => {
                    self.foreign += 1;
                    self.stranger = Some(from);
                }
                None => {}
            },
            (Route::Symmetric(route), packet @ Packet::Control(_)) => match route.mux && route.accepts_control(from) {
                true => each(at, packet),
                false => self.foreign += 1,
            },
            (_, packet) => each(at, packet),
        }
    }

    fn on_said(&mut self, now: u64, said: Said) {
        match said {
            Said::Nothing => {}
            Said::Ready => {
                let suite = match &self.cipher {
                    Cipher::Dtls(association) => association.suite(),
                    Cipher::Closed | Cipher::Clear | Cipher::Srtp(_) => None,
                };
                self.facts.dtls = "connected".into();
                self.facts.srtp = suite.map(|suite| suite.name().into());
                self.tell_facts();
            }
            Said::Failed(reason) => self.break_off(reason),
            Said::Closed => self.closed_by = Some(now + CLOSED_US),
        }
    }

    fn tell_facts(&mut self) {
        self.news.push(News::Path(self.facts.clone()));
    }

    /// Nothing passes any more.
    fn break_off(&mut self, reason: &str) {
        (self.connect_by, self.closed_by) = (None, None);
        if !matches!(self.cipher, Cipher::Closed) {
            self.cipher = Cipher::Closed;
            self.facts.dtls = "failed".into();
            self.tell_facts();
            self.news.push(News::Broken(reason.to_owned()));
        }
    }

    /// What the handshake and the search want sent. Without a path the handshake waits.
    fn flush(&mut self, ports: &Ports) {
        if self.has_path()
            && let Cipher::Dtls(association) = &mut self.cipher
        {
            while let Some(packet) = association.outgoing() {
                match (&self.route, &mut self.search) {
                    (Route::Search, Some(search)) => search.send(clock::instant(), &packet),
                    (Route::Symmetric(route), _) => {
                        if let Some(to) = route.destination() {
                            let _ = ports.rtp.send_to(&packet, to);
                        }
                    }
                    _ => {}
                }
            }
        }
        if let Some(search) = &mut self.search {
            while let Some((to, packet)) = search.outgoing() {
                let _ = ports.rtp.send_to(&packet, to);
            }
        }
    }
}

impl Cipher {
    /// What a packet of the peer's says.
    fn open<'a>(&mut self, packet: &'a [u8]) -> Option<Clear<'a>> {
        match self {
            Cipher::Closed => None,
            Cipher::Clear => Some(Clear::Same(packet)),
            Cipher::Srtp(srtp) => srtp.unprotect(packet).map(Clear::Opened),
            Cipher::Dtls(association) => association.srtp()?.unprotect(packet).map(Clear::Opened),
        }
    }

    /// A packet of ours as it goes on the wire.
    fn seal<'a>(&mut self, packet: &'a [u8]) -> Option<Clear<'a>> {
        match self {
            Cipher::Closed => None,
            Cipher::Clear => Some(Clear::Same(packet)),
            Cipher::Srtp(srtp) => srtp.protect(packet).map(Clear::Opened),
            Cipher::Dtls(association) => association.srtp()?.protect(packet).map(Clear::Opened),
        }
    }
}

/// A packet, as it was or made anew.
enum Clear<'a> {
    Same(&'a [u8]),
    Opened(bytes::BytesMut),
}

impl std::ops::Deref for Clear<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Clear::Same(bytes) => bytes,
            Clear::Opened(bytes) => bytes,
        }
    }
}

impl Times {
    /// When a packet came: by the kernel's stamp (wall clock, ns), where it is believable.
    fn arrival(self, stamp: Option<i64>) -> u64 {
        let now = self.now as i64;
        stamp.map_or(self.now, |ns| ((ns - self.wall_offset) / 1_000).clamp(now - 1_000_000, now + 100_000) as u64)
    }
}

#[cfg(test)]
mod tests;
