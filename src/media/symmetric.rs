//! Plain ports on both sides: we send to where the peer's packets come from, and listen to nobody else.

use std::net::SocketAddr;

use crate::sdp::Negotiated;

use super::lock::{Lock, Verdict};
use super::rtp::Header;

/// The route of a session without ICE.
pub struct Symmetric {
    lock: Lock,
    rtp: SocketAddr,
    rtcp: SocketAddr,
    /// RTP and RTCP share a port.
    pub mux: bool,
    control_from: Option<SocketAddr>,
}

impl Symmetric {
    /// By a first description.
    pub fn new(negotiated: &Negotiated) -> Self {
        Symmetric {
            lock: Lock::new(negotiated.remote_rtp),
            rtp: negotiated.remote_rtp,
            rtcp: negotiated.remote_rtcp,
            mux: negotiated.rtcp_mux,
            control_from: None,
        }
    }

    /// By another one.
    pub fn renewed(self, negotiated: &Negotiated) -> Self {
        let mut lock = self.lock;
        lock.renew(negotiated.remote_rtp);
        Symmetric { lock, ..Symmetric::new(negotiated) }
    }

    /// Whether RTP is the peer's; none: not known yet.
    pub fn accepts(&mut self, at: u64, from: SocketAddr, header: &Header) -> Option<bool> {
        match self.lock.note(at, from, header.ssrc, header.seq) {
            Verdict::Accept => Some(true),
            Verdict::Learning => None,
            Verdict::Foreign => Some(false),
        }
    }

    /// Where RTP comes from.
    pub fn locked(&self) -> Option<SocketAddr> {
        self.lock.locked()
    }

    /// RTCP is the peer's when it comes from where its RTP does, or from where the SDP says.
    pub fn accepts_control(&mut self, from: SocketAddr) -> bool {
        let peers = self.is_near(from) || from == self.rtcp;
        if peers {
            self.control_from = Some(from);
        }
        peers
    }

    /// The peer's host, whatever the port.
    pub fn is_near(&self, from: SocketAddr) -> bool {
        from.ip() == self.lock.destination().ip()
    }

    /// Where RTP goes; none: the peer holds in the old way, c=0.0.0.0.
    pub fn destination(&self) -> Option<SocketAddr> {
        Some(self.lock.destination()).filter(|to| !to.ip().is_unspecified())
    }

    /// Where RTCP goes, if it has a port of its own.
    pub fn control_destination(&self) -> Option<SocketAddr> {
        let rtp = self.destination()?;
        let above = SocketAddr::new(rtp.ip(), rtp.port().saturating_add(1));
        let signalled = if rtp == self.rtp { self.rtcp } else { above };
        Some(self.control_from.unwrap_or(signalled))
    }
}
