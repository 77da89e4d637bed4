//! What two sides have in common: the line, the codec and the events (RFC 3264 §6.1, §7).

use super::crypto::CryptoLine;
use super::dtls::RemoteDtls;
use super::parse::{Format, Media, Profile};
use super::{
    Codec, CodecKind, Direction, Encryption, Ice, Negotiated, Protection, SdpError, SessionDescription, Suite,
    TelephoneEvent,
};

/// Whose order of codecs counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// Ours: we answer.
    Ours,
    /// Theirs: they answered.
    Theirs,
}

/// The peer's line that we take, and its payload types.
#[derive(Debug)]
pub(super) struct Choice {
    pub line: usize,
    pub codec: (u8, CodecKind),
    pub events: Option<(u8, u32)>,
    /// The clock of the events besides, of an answer that took both that we offered.
    pub other_events: Option<u32>,
    /// What the peer says of its protection.
    pub secured: Secured,
}

/// What a line of the peer's is protected by.
#[derive(Debug)]
pub(super) enum Secured {
    Clear,
    Sdes(CryptoLine),
    Dtls(RemoteDtls),
}

/// What we take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Terms {
    pub encryption: Encryption,
    /// RTP and SRTP by keys in the description.
    pub plain: bool,
    /// DTLS-SRTP.
    pub dtls: bool,
}

/// Picks the audio line that is in use already, else the first that has a codec for us. `known` tells what a number without an rtpmap means.
pub(super) fn choose(
    remote: &SessionDescription,
    in_use: Option<usize>,
    codecs: &[CodecKind],
    terms: Terms,
    order: Order,
    known: &dyn Fn(u8) -> Option<Format>,
) -> Result<Choice, SdpError> {
    let mut lines: Vec<(usize, &Media)> = remote.media.iter().enumerate().collect();
    lines.retain(|(_, media)| media.kind.eq_ignore_ascii_case("audio"));
    if lines.is_empty() {
        return Err(SdpError::new("no audio"));
    }
    lines.retain(|(_, media)| media.port != 0);
    if lines.is_empty() {
        return Err(SdpError::new("audio is refused"));
    }
    let mut usable: Vec<(usize, &Media, Secured)> = Vec::new();
    let mut refused = None;
    for (index, media) in lines {
        match secured(remote, media, terms, order) {
            Ok(line) => usable.push((index, media, line)),
            Err(error) => refused = refused.or(Some(error)),
        }
    }
    // The line in use comes first, then what is encrypted: clear audio never stands in for it.
    usable.sort_by_key(|(index, _, line)| (Some(*index) != in_use, matches!(line, Secured::Clear)));
    if let Some(error) = refused.filter(|_| usable.is_empty()) {
        return Err(error);
    }
    let found = usable.into_iter().find_map(|(line, media, secured)| {
        let payloads = media.payloads(known);
        let audio = |(number, format): &(u8, Format)| match format {
            Format::Audio(kind) if codecs.contains(kind) => Some((*number, *kind)),
            _ => None,
        };
        let mut theirs = payloads.iter().filter_map(audio);
        let codec = match order {
            Order::Theirs => theirs.next(),
            Order::Ours => theirs.min_by_key(|(_, kind)| codecs.iter().position(|ours| ours == kind)),
        }?;
        let events = events(&payloads, codec.1, codecs, order);
        let other = |(_, format): &(u8, Format)| match format {
            Format::Events(clock) if codecs.iter().any(|kind| kind.clock() == *clock) => Some(*clock),
            _ => None,
        };
        let mut others = payloads.iter().filter_map(other).filter(|clock| events.is_some_and(|e| e.1 != *clock));
        let other_events = others.next().filter(|_| order == Order::Theirs);
        Some(Choice { line, codec, events, other_events, secured })
    });
    found.ok_or_else(|| SdpError::new("no codec in common"))
}

/// How a line is protected, if we may take it. Of several keys in an offer the first one that we can use (RFC 4568 §5.1.2), in an
/// answer the one that it names.
fn secured(remote: &SessionDescription, media: &Media, terms: Terms, order: Order) -> Result<Secured, SdpError> {
    let profile = media.profile();
    if profile == Profile::Dtls {
        return match RemoteDtls::read(remote, media) {
            _ if !terms.dtls => Err(SdpError::new("audio is WebRTC, which this account does not do")),
            Some(dtls) => Ok(Secured::Dtls(dtls)),
            None => Err(SdpError::insecure("audio is encrypted with a certificate that cannot be checked")),
        };
    }
    if profile == Profile::Other {
        return Err(SdpError::new("audio is neither RTP nor SRTP"));
    }
    if !terms.plain {
        return Err(SdpError::insecure("audio is not WebRTC, as it is to be here"));
    }
    let offered = |line: &CryptoLine| order == Order::Ours || Suite::OFFERED.contains(&line.suite);
    match media.crypto().find(offered).filter(|_| terms.encryption != Encryption::Off) {
        Some(line) => Ok(Secured::Sdes(line)),
        None if profile == Profile::Savp && terms.encryption == Encryption::Off => {
            Err(SdpError::new("audio is encrypted, which this account does not do"))
        }
        None if profile == Profile::Savp => Err(SdpError::insecure("audio is encrypted with no suite or key of ours")),
        None if terms.encryption == Encryption::Require => {
            Err(SdpError::insecure("audio is not encrypted, which this account requires"))
        }
        None => Ok(Secured::Clear),
    }
}

/// The events on the codec's own clock (RFC 4733 §2.1), else any: some peers say 8000 whatever the codec. An answer can only hold what we offered.
fn events(payloads: &[(u8, Format)], codec: CodecKind, codecs: &[CodecKind], order: Order) -> Option<(u8, u32)> {
    let mut events = payloads.iter().filter_map(|(number, format)| match format {
        Format::Events(clock) => Some((*number, *clock)),
        _ => None,
    });
    let first = events.clone().next();
    let found = events.find(|(_, clock)| *clock == codec.clock()).or(first)?;
    let offered = codecs.iter().any(|kind| kind.clock() == found.1);
    (order == Order::Ours || offered).then_some(found)
}

impl Choice {
    /// What this choice means, given our own numbers and the direction that we would like.
    pub fn negotiated(
        &self,
        remote: &SessionDescription,
        ours: (u8, Option<u8>),
        want: Direction,
        (protection, ice): (Protection, Option<Ice>),
    ) -> Result<Negotiated, SdpError> {
        let media = &remote.media[self.line];
        let remote_rtp = remote.rtp(media)?;
        let (send_pt, kind) = self.codec;
        let fmtp = |name| media.parameter(send_pt, name);
        let codec = Codec {
            kind,
            send_pt,
            recv_pt: ours.0,
            fec: fmtp("useinbandfec") == Some("1"),
            dtx: kind == CodecKind::Opus && fmtp("usedtx") == Some("1"),
            max_bitrate: fmtp("maxaveragebitrate")
                .and_then(|rate| rate.parse().ok())
                .filter(|rate| (6_000..=510_000).contains(rate)),
        };
        let dtmf = self.events.zip(ours.1).map(|((send_pt, clock), recv_pt)| TelephoneEvent {
            send_pt,
            recv_pt,
            clock,
            other: None,
        });
        let mut direction = want.and(remote.direction(media).reversed());
        if remote_rtp.ip().is_unspecified() && ice.is_none() {
            direction = direction.and(Direction::RecvOnly);
        }
        let ptime = match (kind, remote.ptime(media)) {
            (CodecKind::Opus, 30) => 20,
            (CodecKind::Opus, 50) => 40,
            (_, ms) => ms,
        };
        Ok(Negotiated {
            remote_rtp,
            remote_rtcp: remote.rtcp(media, remote_rtp),
            rtcp_mux: remote.rtcp_mux(media),
            codec,
            dtmf,
            direction,
            ptime,
            protection,
            ice,
            video: None,
        })
    }
}
