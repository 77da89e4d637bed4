//! The way of one session's packets: where they come from and go to, and what protects them. Plain RTP, SDES-SRTP and WebRTC differ here
//! and nowhere else: what stands above sees RTP and RTCP in clear.

use std::net::SocketAddr;

use crate::sdp::{Negotiated, Protection};

use super::lock::{Lock, Verdict};
use super::ports::{Inbox, Ports};
use super::rtp::{self, Header};
use super::srtp::Srtp;

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

/// A session's transport. Nothing passes before the first `renew`.
pub struct Transport {
    ports: Ports,
    route: Option<Symmetric>,
    cipher: Cipher,
    /// Packets that came from an address that is not the peer's, or without its key.
    pub foreign: u64,
}

/// What stands between the packets and the wire.
enum Cipher {
    /// Nothing passes.
    Closed,
    /// Nothing stands between.
    Clear,
    /// SRTP.
    Srtp(Box<Srtp>),
}

/// Plain ports on both sides: we send to where the peer's packets come from.
struct Symmetric {
    lock: Lock,
    rtp: SocketAddr,
    rtcp: SocketAddr,
    mux: bool,
    control_from: Option<SocketAddr>,
}

impl Transport {
    /// With its sockets.
    pub fn new(ports: Ports) -> Self {
        Transport { ports, route: None, cipher: Cipher::Closed, foreign: 0 }
    }

    /// What was negotiated. On an error nothing passes any more.
    pub fn renew(&mut self, negotiated: &Negotiated) -> Result<(), String> {
        let cipher = std::mem::replace(&mut self.cipher, Cipher::Closed);
        self.cipher = match (&negotiated.protection, cipher) {
            (Protection::Clear, _) => Cipher::Clear,
            (Protection::Sdes(keys), Cipher::Srtp(mut srtp)) => {
                srtp.renew(keys.clone())?;
                Cipher::Srtp(srtp)
            }
            (Protection::Sdes(keys), _) => Cipher::Srtp(Box::new(Srtp::new(keys.clone())?)),
        };
        let lock = match self.route.take() {
            Some(mut route) => {
                route.lock.renew(negotiated.remote_rtp);
                route.lock
            }
            None => Lock::new(negotiated.remote_rtp),
        };
        self.route = Some(Symmetric {
            lock,
            rtp: negotiated.remote_rtp,
            rtcp: negotiated.remote_rtcp,
            mux: negotiated.rtcp_mux,
            control_from: None,
        });
        Ok(())
    }

    /// Gives `each` what came since the last time; `control`: look for RTCP on its own port too.
    pub fn receive(&mut self, times: Times, inbox: &mut Inbox, control: bool, each: &mut Each<'_>) {
        let Transport { ports, route, cipher, foreign } = self;
        let Some(route) = route else { return };
        let v4 = ports.local.is_ipv4();
        let mux = route.mux;
        inbox.drain(&ports.rtp, v4, &mut |from, stamp, bytes| {
            let at = times.arrival(stamp);
            let clear = match cipher.open(bytes) {
                Some(clear) => clear,
                None => return *foreign += 1,
            };
            let Some((header, payload)) = rtp::read(&clear) else {
                if mux && rtp::is_rtcp(&clear) {
                    route.hear_control(at, from, &clear, foreign, each);
                }
                return;
            };
            match route.lock.note(at, from, header.ssrc, header.seq) {
                Verdict::Accept => each(at, Packet::Rtp(header, payload)),
                Verdict::Learning => {}
                Verdict::Foreign => *foreign += 1,
            }
        });
        if control && !mux {
            inbox.drain(&ports.rtcp, v4, &mut |from, stamp, bytes| match cipher.open(bytes) {
                Some(clear) if rtp::is_rtcp(&clear) => {
                    route.hear_control(times.arrival(stamp), from, &clear, foreign, each);
                }
                _ => *foreign += 1,
            });
        }
    }

    /// Sends RTP.
    pub fn send(&mut self, packet: &[u8]) {
        let Some(to) = self.route.as_ref().map(|route| route.lock.destination()) else { return };
        if to.ip().is_unspecified() {
            return; // a peer that holds in the old way, c=0.0.0.0
        }
        // a full or unreachable network is the network's loss, and the peer's reports tell of it
        if let Some(sealed) = self.cipher.seal(packet) {
            let _ = self.ports.rtp.send_to(&sealed, to);
        }
    }

    /// Sends RTCP.
    pub fn send_control(&mut self, packet: &[u8]) {
        let Some(route) = &self.route else { return };
        let rtp = route.lock.destination();
        if rtp.ip().is_unspecified() {
            return;
        }
        let (socket, to) = if route.mux {
            (&self.ports.rtp, rtp)
        } else {
            let above = SocketAddr::new(rtp.ip(), rtp.port().saturating_add(1));
            let signalled = if rtp == route.rtp { route.rtcp } else { above };
            (&self.ports.rtcp, route.control_from.unwrap_or(signalled))
        };
        if let Some(sealed) = self.cipher.seal(packet) {
            let _ = socket.send_to(&sealed, to);
        }
    }
}

impl Symmetric {
    /// RTCP is the peer's when it comes from where its RTP does, or from where the SDP says.
    fn hear_control(&mut self, at: u64, from: SocketAddr, bytes: &[u8], foreign: &mut u64, each: &mut Each<'_>) {
        if from.ip() == self.lock.destination().ip() || from == self.rtcp {
            self.control_from = Some(from);
            each(at, Packet::Control(bytes));
        } else {
            *foreign += 1;
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
        }
    }

    /// A packet of ours as it goes on the wire.
    fn seal<'a>(&mut self, packet: &'a [u8]) -> Option<Clear<'a>> {
        match self {
            Cipher::Closed => None,
            Cipher::Clear => Some(Clear::Same(packet)),
            Cipher::Srtp(srtp) => srtp.protect(packet).map(Clear::Opened),
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
