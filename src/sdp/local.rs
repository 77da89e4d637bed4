//! Our side of the offer/answer model (RFC 3264): one audio stream, one codec at a time.
//!
//! - In an answer we take the codec that stands first in *our* list among those offered, and name only that one and its events:
//!   then both sides know what is spoken. From an answer to us we take the first of our codecs that it names.
//! - Dynamic payload types: the answer uses the offer's numbers. What a number stood for once it stands for in the whole
//!   dialog (§8.3.2), and a codec keeps its number as long as the peer lets it.
//! - m= lines keep their order and never become fewer (§8); all but one audio line are refused with port 0.
//! - Keys (RFC 4568): ours stay the same for the whole dialog, so that a hold does not change them; the peer's are whatever its last
//!   description says. Encrypted and clear audio never stand beside each other: there is one audio line.
//! - `rtcp-mux` is offered, and answered when offered (RFC 5761 §5.1.1); for a peer that does not know it RTCP stays one port above.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::choose::{Order, choose};
use super::crypto::CryptoLine;
use super::parse::{Format, Media};
use super::{
    CodecKind, Direction, Encryption, KeySeed, Negotiated, Protection, Sdes, SdpError, SessionDescription, Suite,
};

/// What we said, and may say, in one dialog.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocalSide {
    /// Where we receive RTP; RTCP is one port above. The address stands in o= and c=.
    pub rtp: SocketAddr,
    /// o=: the session's number, the same for the whole dialog.
    pub session_id: u64,
    /// o=: rises by one whenever the text changes; 0 before the first.
    pub version: u64,
    /// What we speak, best first.
    pub codecs: Vec<CodecKind>,
    /// The packet length that we like to receive, ms.
    pub ptime: u32,
    /// Whether the audio is encrypted.
    encryption: Encryption,
    /// What our keys are made of.
    seed: Option<KeySeed>,
    /// What our payload types stand for; the newest number of a format is the last.
    payloads: Vec<(u8, Format)>,
    /// The m= lines so far.
    lines: Vec<Line>,
    /// The last text, without its o= line.
    said: String,
}

/// One m= line of the session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum Line {
    /// It carries our audio, in this profile.
    Audio(String),
    /// Refused: kind, profile and formats as the peer wrote them.
    Refused { kind: String, protocol: String, formats: String },
}

impl LocalSide {
    /// A side that has said nothing yet.
    pub fn new(rtp: SocketAddr, session_id: u64, codecs: Vec<CodecKind>) -> Self {
        let payloads = vec![(0, Format::Audio(CodecKind::Pcmu)), (8, Format::Audio(CodecKind::Pcma))];
        LocalSide {
            rtp,
            session_id,
            version: 0,
            codecs,
            ptime: 20,
            encryption: Encryption::Off,
            seed: None,
            payloads,
            lines: Vec::new(),
            said: String::new(),
        }
    }

    /// The same with keys.
    pub fn encrypted(self, encryption: Encryption, seed: KeySeed) -> Self {
        LocalSide { encryption, seed: Some(seed), ..self }
    }

    /// An offer of all our codecs and their events, for a new dialog (§5) or within one (§8).
    pub fn offer(&mut self, direction: Direction) -> String {
        let mut formats: Vec<Format> = self.codecs.iter().map(|kind| Format::Audio(*kind)).collect();
        let spoken = |clock: &u32| self.codecs.iter().any(|kind| kind.clock() == *clock);
        formats.extend([48_000, 8_000].into_iter().filter(spoken).map(Format::Events));
        let formats: Vec<_> = formats.into_iter().map(|format| (self.number(format), format)).collect();
        if self.lines.is_empty() {
            let secure = self.encryption == Encryption::Require;
            self.lines.push(Line::Audio(if secure { "RTP/SAVP" } else { "RTP/AVP" }.into()));
        }
        let keys = match &self.seed {
            Some(seed) if self.encryption != Encryption::Off => (1..)
                .zip(Suite::OFFERED)
                .map(|(tag, suite)| CryptoLine::write(&tag.to_string(), suite, &seed.key(self.session_id, suite)))
                .collect(),
            _ => String::new(),
        };
        self.say(&formats, direction, true, &keys)
    }

    /// The answer to an offer (§6). `want` is the direction that we would like; the far end's is mirrored.
    /// An error (488) leaves everything as it was.
    pub fn answer(&mut self, offer: &SessionDescription, want: Direction) -> Result<(String, Negotiated), SdpError> {
        let choice = choose(offer, self.audio_line(), &self.codecs, self.encryption, Order::Ours, &|_| None)?;
        let mut next = self.clone();
        let codec = next.adopt(choice.codec.0, Format::Audio(choice.codec.1));
        let events = choice.events.map(|(number, clock)| next.adopt(number, Format::Events(clock)));
        let protection = self.protection(choice.crypto.as_ref())?;
        let keys = match (&protection, &choice.crypto) {
            (Protection::Sdes(sdes), Some(line)) => CryptoLine::write(&line.tag, sdes.suite, &sdes.send),
            _ => String::new(),
        };
        let negotiated = choice.negotiated(offer, (codec.0, events.map(|(number, _)| number)), want, protection)?;
        next.lines =
            offer.media.iter().enumerate().map(|(index, media)| Line::of(media, index == choice.line)).collect();
        let formats: Vec<_> = [codec].into_iter().chain(events).collect();
        let text = next.say(&formats, negotiated.direction, negotiated.rtcp_mux, &keys);
        *self = next;
        Ok((text, negotiated))
    }

    /// Reads the answer to our last offer (§7), which said the direction `offered`.
    pub fn accept(&mut self, answer: &SessionDescription, offered: Direction) -> Result<Negotiated, SdpError> {
        let known = |number| self.payloads.iter().find(|(ours, _)| *ours == number).map(|(_, format)| *format);
        let choice = choose(answer, self.audio_line(), &self.codecs, self.encryption, Order::Theirs, &known)?;
        let codec = self.number(Format::Audio(choice.codec.1));
        let events = choice.events.map(|(_, clock)| self.number(Format::Events(clock)));
        let protection = self.protection(choice.crypto.as_ref())?;
        choice.negotiated(answer, (codec, events), offered, protection)
    }

    /// Their key and ours of the same suite.
    fn protection(&self, theirs: Option<&CryptoLine>) -> Result<Protection, SdpError> {
        let Some(line) = theirs else { return Ok(Protection::Clear) };
        let seed = self.seed.as_ref().ok_or_else(|| SdpError::insecure("there is no key of ours"))?;
        let (suite, send) = (line.suite, seed.key(self.session_id, line.suite));
        Ok(Protection::Sdes(Sdes { suite, send, receive: line.key.clone(), receive_mki: line.mki }))
    }

    fn audio_line(&self) -> Option<usize> {
        self.lines.iter().position(|line| matches!(line, Line::Audio(_)))
    }

    /// The peer's number, if it is free for this format here; else a number of our own.
    fn adopt(&mut self, number: u8, format: Format) -> (u8, Format) {
        match self.payloads.iter().position(|(taken, _)| *taken == number) {
            None => self.payloads.push((number, format)),
            Some(at) if self.payloads[at].1 == format => {
                let newest = self.payloads.remove(at);
                self.payloads.push(newest);
            }
            Some(_) => return (self.number(format), format),
        }
        (number, format)
    }

    /// Our number for a format: the one it has, else a free one.
    fn number(&mut self, format: Format) -> u8 {
        if let Some((number, _)) = self.payloads.iter().rfind(|(_, known)| *known == format) {
            return *number;
        }
        let usual = match format {
            Format::Audio(_) => 96,
            Format::Events(48_000) => 97,
            Format::Events(_) => 101,
        };
        let free = |number: &u8| self.payloads.iter().all(|(taken, _)| taken != number);
        // A peer that has renumbered until nothing is free gets the usual number once more.
        let number = [usual].into_iter().chain(96..=127).find(free).unwrap_or(usual);
        self.payloads.push((number, format));
        number
    }

    /// Writes the description; its version rises if anything else in it has changed.
    fn say(&mut self, formats: &[(u8, Format)], direction: Direction, rtcp_mux: bool, keys: &str) -> String {
        let ip = self.rtp.ip();
        let family = if ip.is_ipv4() { "IP4" } else { "IP6" };
        let mut text = format!("s=-\r\nc=IN {family} {ip}\r\nt=0 0\r\n");
        for line in &self.lines {
            text += &match line {
                Line::Refused { kind, protocol, formats } => format!("m={kind} 0 {protocol} {formats}\r\n"),
                Line::Audio(profile) => self.audio(profile, formats, direction, rtcp_mux) + keys,
            };
        }
        if text != self.said {
            self.version += 1;
            self.said = text;
        }
        let Self { session_id, version, said, .. } = self;
        format!("v=0\r\no=- {session_id} {version} IN {family} {ip}\r\n{said}")
    }

    fn audio(&self, profile: &str, formats: &[(u8, Format)], direction: Direction, rtcp_mux: bool) -> String {
        let mut text = format!("m=audio {} {profile}", self.rtp.port());
        for (number, _) in formats {
            text += &format!(" {number}");
        }
        text += "\r\n";
        for (number, format) in formats {
            text += &format!("a=rtpmap:{number} {}\r\n", format.rtpmap());
            match format {
                Format::Audio(CodecKind::Opus) => text += &format!("a=fmtp:{number} minptime=10;useinbandfec=1\r\n"),
                Format::Audio(_) => {}
                Format::Events(_) => text += &format!("a=fmtp:{number} 0-16\r\n"),
            }
        }
        text += &format!("a=ptime:{}\r\na={}\r\n", self.ptime, direction.as_str());
        if rtcp_mux {
            text += "a=rtcp-mux\r\n";
        }
        text
    }
}

impl Line {
    /// Our answer to a line of the peer's.
    fn of(media: &Media, taken: bool) -> Line {
        match taken {
            true => Line::Audio(media.protocol.clone()),
            false => Line::Refused {
                kind: media.kind.clone(),
                protocol: media.protocol.clone(),
                formats: media.formats.join(" "),
            },
        }
    }
}
