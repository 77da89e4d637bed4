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
use super::parse::{Format, Media, Profile};
use super::shield::Shield;
use super::{CodecKind, Direction, Encryption, KeySeed, LocalDtls, Negotiated, SdpError, SessionDescription};

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
    /// What protects the audio.
    shield: Shield,
    /// Our lines stand in one group (RFC 9143).
    bundle: bool,
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
    /// It carries our audio, in this profile, under this name (RFC 5888).
    Audio { profile: String, mid: Option<String> },
    /// Refused: kind, profile and formats as the peer wrote them.
    Refused { kind: String, protocol: String, formats: String },
}

impl LocalSide {
    /// A side that has said nothing yet.
    pub fn new(rtp: SocketAddr, session_id: u64, codecs: Vec<CodecKind>) -> Self {
        let fixed = [(0, CodecKind::Pcmu), (8, CodecKind::Pcma), (9, CodecKind::G722)];
        let payloads = fixed.map(|(number, kind)| (number, Format::Audio(kind))).to_vec();
        LocalSide {
            rtp,
            session_id,
            version: 0,
            codecs,
            ptime: 20,
            shield: Shield::new(session_id),
            bundle: false,
            payloads,
            lines: Vec::new(),
            said: String::new(),
        }
    }

    /// The same with keys in the description.
    pub fn encrypted(mut self, encryption: Encryption, seed: KeySeed) -> Self {
        (self.shield.encryption, self.shield.seed) = (encryption, Some(seed));
        self
    }

    /// The same with a certificate: an offer with DTLS can be answered; with what was gathered for ICE our own offers are WebRTC.
    /// `plain` false: nothing else will do.
    pub fn with_dtls(mut self, dtls: LocalDtls, plain: bool) -> Self {
        (self.shield.dtls, self.shield.plain) = (Some(dtls), plain);
        self
    }

    /// An offer of all our codecs and their events, for a new dialog (§5) or within one (§8).
    pub fn offer(&mut self, direction: Direction) -> String {
        let mut formats: Vec<Format> = self.codecs.iter().map(|kind| Format::Audio(*kind)).collect();
        let spoken = |clock: &u32| self.codecs.iter().any(|kind| kind.clock() == *clock);
        formats.extend([48_000, 8_000].into_iter().filter(spoken).map(Format::Events));
        let formats: Vec<_> = formats.into_iter().map(|format| (self.number(format), format)).collect();
        if self.lines.is_empty() {
            self.bundle = self.shield.ice().is_some();
            let (profile, mid) = (self.shield.first_profile().to_owned(), self.bundle.then(|| "0".to_owned()));
            self.lines.push(Line::Audio { profile, mid });
        }
        let shield = self.shield.offer(self.profile());
        self.say(&formats, direction, true, &shield)
    }

    /// The answer to an offer (§6). `want` is the direction that we would like; the far end's is mirrored.
    /// An error (488) leaves everything as it was.
    pub fn answer(&mut self, offer: &SessionDescription, want: Direction) -> Result<(String, Negotiated), SdpError> {
        let choice = choose(offer, self.audio_line(), &self.codecs, self.shield.terms(), Order::Ours, &|_| None)?;
        let mut next = self.clone();
        let codec = next.adopt(choice.codec.0, Format::Audio(choice.codec.1));
        let events = choice.events.map(|(number, clock)| next.adopt(number, Format::Events(clock)));
        let agreed = next.shield.agree(&choice.secured, true)?;
        let shield = next.shield.answer(&choice.secured, &agreed);
        let negotiated = choice.negotiated(offer, (codec.0, events.map(|(number, _)| number)), want, agreed)?;
        next.bundle = offer.mid(&offer.media[choice.line]).1;
        next.lines =
            offer.media.iter().enumerate().map(|(index, media)| Line::of(offer, media, index == choice.line)).collect();
        let formats: Vec<_> = [codec].into_iter().chain(events).collect();
        let text = next.say(&formats, negotiated.direction, negotiated.rtcp_mux, &shield);
        *self = next;
        Ok((text, negotiated))
    }

    /// Reads the answer to our last offer (§7), which said the direction `offered`.
    pub fn accept(&mut self, answer: &SessionDescription, offered: Direction) -> Result<Negotiated, SdpError> {
        let terms = self.shield.terms_of(self.profile());
        let known = |number| self.payloads.iter().find(|(ours, _)| *ours == number).map(|(_, format)| *format);
        let choice = choose(answer, self.audio_line(), &self.codecs, terms, Order::Theirs, &known)?;
        let codec = self.number(Format::Audio(choice.codec.1));
        let events = choice.events.map(|(_, clock)| self.number(Format::Events(clock)));
        let agreed = self.shield.agree(&choice.secured, false)?;
        let other = choice.other_events.map(|clock| (self.number(Format::Events(clock)), clock));
        let mut negotiated = choice.negotiated(answer, (codec, events), offered, agreed)?;
        if let Some(dtmf) = &mut negotiated.dtmf {
            dtmf.other = other;
        }
        Ok(negotiated)
    }

    fn audio_line(&self) -> Option<usize> {
        self.lines.iter().position(|line| matches!(line, Line::Audio { .. }))
    }

    /// What our audio line promises.
    fn profile(&self) -> Profile {
        let names = self.lines.iter().find_map(|line| match line {
            Line::Audio { profile, .. } => Some(Profile::of(profile)),
            Line::Refused { .. } => None,
        });
        names.unwrap_or(Profile::Other)
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
    fn say(&mut self, formats: &[(u8, Format)], direction: Direction, rtcp_mux: bool, shield: &str) -> String {
        // With a path of its own the default one stands here: that which the most peers reach.
        let path = self.shield.ice().filter(|_| shield.contains("a=candidate:")).map(|ice| ice.default);
        let at = path.unwrap_or(self.rtp);
        let ip = at.ip();
        let family = if ip.is_ipv4() { "IP4" } else { "IP6" };
        let mut text = format!("s=-\r\nc=IN {family} {ip}\r\nt=0 0\r\n");
        if let Some(mid) = self.mid().filter(|_| self.bundle) {
            text += &format!("a=group:BUNDLE {mid}\r\n");
        }
        for line in &self.lines {
            text += &match line {
                Line::Refused { kind, protocol, formats } => format!("m={kind} 0 {protocol} {formats}\r\n"),
                Line::Audio { profile, mid } => {
                    let mid = mid.as_ref().map(|mid| format!("a=mid:{mid}\r\n")).unwrap_or_default();
                    self.audio(profile, at.port(), formats, direction, rtcp_mux) + &mid + shield
                }
            };
        }
        if text != self.said {
            self.version += 1;
            self.said = text;
        }
        let Self { session_id, version, said, .. } = self;
        format!("v=0\r\no=- {session_id} {version} IN {family} {ip}\r\n{said}")
    }

    fn mid(&self) -> Option<&str> {
        self.lines.iter().find_map(|line| match line {
            Line::Audio { mid, .. } => mid.as_deref(),
            Line::Refused { .. } => None,
        })
    }

    fn audio(
        &self,
        profile: &str,
        port: u16,
        formats: &[(u8, Format)],
        direction: Direction,
        rtcp_mux: bool,
    ) -> String {
        let mut text = format!("m=audio {port} {profile}");
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
    fn of(offer: &SessionDescription, media: &Media, taken: bool) -> Line {
        match taken {
            true => Line::Audio { profile: media.protocol.clone(), mid: offer.mid(media).0 },
            false => Line::Refused {
                kind: media.kind.clone(),
                protocol: media.protocol.clone(),
                formats: media.formats.join(" "),
            },
        }
    }
}
