//! What an offer and an answer agree on: the words that the phone and the media engine share.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::{Dtls, Ice, Sdes, Video};

/// Who sends: RFC 8866 §6.7, seen from our side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Direction {
    /// Both (what no attribute means).
    #[default]
    SendRecv,
    /// Only we: the far end is held.
    SendOnly,
    /// Only they: we are held.
    RecvOnly,
    /// Nobody.
    Inactive,
}

impl Direction {
    /// From its two halves.
    pub fn new(send: bool, recv: bool) -> Self {
        match (send, recv) {
            (true, true) => Direction::SendRecv,
            (true, false) => Direction::SendOnly,
            (false, true) => Direction::RecvOnly,
            (false, false) => Direction::Inactive,
        }
    }
    /// We send.
    pub fn send(self) -> bool {
        matches!(self, Direction::SendRecv | Direction::SendOnly)
    }
    /// We receive.
    pub fn recv(self) -> bool {
        matches!(self, Direction::SendRecv | Direction::RecvOnly)
    }
    /// As the other side says it.
    pub fn reversed(self) -> Self {
        Direction::new(self.recv(), self.send())
    }
    /// What both allow.
    pub fn and(self, other: Self) -> Self {
        Direction::new(self.send() && other.send(), self.recv() && other.recv())
    }
    /// The attribute's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Direction::SendRecv => "sendrecv",
            Direction::SendOnly => "sendonly",
            Direction::RecvOnly => "recvonly",
            Direction::Inactive => "inactive",
        }
    }
}

/// The audio codecs that we speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum CodecKind {
    /// RFC 6716 and 7587: 48 kHz.
    Opus,
    /// G.722: 16 kHz, with an RTP clock of 8 kHz (RFC 3551 §4.5.2).
    G722,
    /// G.711 µ-law, 8 kHz.
    Pcmu,
    /// G.711 A-law, 8 kHz.
    Pcma,
    /// G.729, 8 kHz; only with the feature of that name.
    G729,
}

impl CodecKind {
    /// All of them, the best first.
    pub const ALL: &[CodecKind] = &[
        CodecKind::Opus,
        CodecKind::G722,
        CodecKind::Pcmu,
        CodecKind::Pcma,
        #[cfg(feature = "g729")]
        CodecKind::G729,
    ];

    /// Its name in an rtpmap.
    pub fn name(self) -> &'static str {
        match self {
            CodecKind::Opus => "opus",
            CodecKind::G722 => "G722",
            CodecKind::Pcmu => "PCMU",
            CodecKind::Pcma => "PCMA",
            CodecKind::G729 => "G729",
        }
    }
    /// From an rtpmap or the configuration; case does not matter.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|k| k.name().eq_ignore_ascii_case(name))
    }
    /// The RTP clock, Hz.
    pub fn clock(self) -> u32 {
        match self {
            CodecKind::Opus => 48_000,
            CodecKind::G722 | CodecKind::Pcmu | CodecKind::Pcma | CodecKind::G729 => 8_000,
        }
    }
    /// Samples of its sound a second.
    pub fn rate(self) -> u32 {
        match self {
            CodecKind::G722 => 16_000,
            other => other.clock(),
        }
    }
}

/// The codec that was chosen, with what the peer said about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Codec {
    /// Which one.
    pub kind: CodecKind,
    /// The payload type that we send with (the peer's number).
    pub send_pt: u8,
    /// The payload type that the peer sends with (our number).
    pub recv_pt: u8,
    /// The peer wants Opus FEC (`useinbandfec=1`).
    pub fec: bool,
    /// The peer wants no packets of silence (`usedtx=1`).
    pub dtx: bool,
    /// The peer's `maxaveragebitrate`, bit/s.
    pub max_bitrate: Option<u32>,
}

/// RFC 4733 events, when both sides have them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TelephoneEvent {
    /// The payload type that we send with.
    pub send_pt: u8,
    /// The payload type that the peer sends with.
    pub recv_pt: u8,
    /// The clock that durations are counted in, Hz: the codec's, but for peers that say 8000 with any codec.
    pub clock: u32,
    /// The payload type and the clock of the other events that the peer's answer took besides; it may send with either.
    pub other: Option<(u8, u32)>,
}

impl TelephoneEvent {
    /// The clock of the events that the peer sends with this payload type, Hz; none: these are none.
    pub fn clock_of(&self, payload_type: u8) -> Option<u32> {
        let known = [Some((self.recv_pt, self.clock)), self.other];
        known.into_iter().flatten().find(|(number, _)| *number == payload_type).map(|(_, clock)| clock)
    }
}

/// The result of an offer and its answer, seen from our side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Negotiated {
    /// Where the peer receives RTP; port 0 never stands here (that is a refusal).
    pub remote_rtp: SocketAddr,
    /// Where the peer receives RTCP (`a=rtcp`, else one port above).
    pub remote_rtcp: SocketAddr,
    /// The peer said `a=rtcp-mux` and so did we.
    pub rtcp_mux: bool,
    /// What is spoken.
    pub codec: Codec,
    /// Digits.
    pub dtmf: Option<TelephoneEvent>,
    /// Our direction.
    pub direction: Direction,
    /// Packet length that we send, ms (the peer's ptime, within 10–60; else 20).
    pub ptime: u32,
    /// What stands between the packets and the wire.
    pub protection: Protection,
    /// The search for a path; none: `remote_rtp` is it.
    pub ice: Option<Ice>,
    /// Video on the same path.
    pub video: Option<Video>,
}

/// How the packets of both directions are protected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Protection {
    /// Not at all.
    Clear,
    /// By keys that the descriptions held (RFC 4568).
    Sdes(Sdes),
    /// By keys of a DTLS handshake on the path itself (RFC 5763).
    Dtls(Dtls),
}
