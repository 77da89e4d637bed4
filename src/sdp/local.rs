//! Our side of the offer/answer model (RFC 3264): one audio stream, one codec at a time, and video beside it where it is wanted.
//!
//! - In an answer we take the codec that stands first in *our* list among those offered, and name only that one and its events:
//!   then both sides know what is spoken. From an answer to us we take the first of our codecs that it names.
//! - Dynamic payload types: the answer uses the offer's numbers. What a number stood for once it stands for in the whole
//!   dialog (§8.3.2), and a codec keeps its number as long as the peer lets it.
//! - m= lines keep their order and never become fewer (§8); all but one audio line are refused with port 0, save one video line
//!   within the audio's BUNDLE group where video is wanted. A line that was closed comes back under another name (RFC 8829 §5.2.2).
//! - Keys (RFC 4568): ours stay the same for the whole dialog, so that a hold does not change them; the peer's are whatever its last
//!   description says. Encrypted and clear audio never stand beside each other: there is one audio line.
//! - `rtcp-mux` is offered, and answered when offered (RFC 5761 §5.1.1); for a peer that does not know it RTCP stays one port above.

use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

use super::choose::{Choice, Order, Secured, choose};
use super::parse::{Format, Media, Profile};
use super::shield::Shield;
use super::video::{self, Wish};
use super::{
    CodecKind, Direction, Encryption, KeySeed, LocalDtls, LocalIce, Negotiated, SdpError, SessionDescription,
    VideoCodec,
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
    /// What protects the audio.
    shield: Shield,
    /// Our lines stand in one group (RFC 9143).
    bundle: bool,
    /// What our payload types stand for; the newest number of a format is the last.
    payloads: Vec<(u8, Format)>,
    /// The m= lines so far.
    lines: Vec<Line>,
    /// The lines by the last answer, ours or theirs.
    agreed: Vec<Line>,
    /// What we want of video.
    video: Wish,
    /// The SSRCs of our audio and video, and their CNAME (RFC 5576): browsers sort what shares a path by them.
    sources: Option<(u32, u32, String)>,
    /// Names that were given to lines.
    names: u32,
    /// The last text, without its o= line.
    said: String,
    /// The address in o=: that of the first description, wherever we are now (RFC 3264 §8).
    origin: Option<IpAddr>,
    /// Our last offer named the addresses that we have moved to.
    moving: bool,
}

/// The formats and the direction of a line.
type Content<'a> = (&'a [(u8, Format)], Direction);

/// One m= line of the session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum Line {
    /// It carries our audio, in this profile, under this name (RFC 5888).
    Audio { profile: String, mid: Option<String> },
    /// It carries our video, on the path of the audio.
    Video { profile: String, mid: String },
    /// Refused: kind, profile and formats as the peer wrote them.
    Refused { kind: String, protocol: String, formats: String },
}

impl LocalSide {
    /// A side that has said nothing yet.
    pub fn new(rtp: SocketAddr, session_id: u64, codecs: Vec<CodecKind>) -> Self {
        let fixed = [(0, CodecKind::Pcmu), (8, CodecKind::Pcma), (9, CodecKind::G722), (18, CodecKind::G729)];
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
            agreed: Vec::new(),
            video: Wish::default(),
            sources: None,
            names: 0,
            said: String::new(),
            origin: None,
            moving: false,
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

    /// The same with the SSRCs of our audio and video, and their CNAME, which WebRTC descriptions name.
    pub fn with_sources(mut self, audio: u32, video: u32, cname: String) -> Self {
        self.sources = Some((audio, video, cname));
        self
    }

    /// What we take part in of video from now on, by which codecs (best first). It goes beside WebRTC audio only.
    pub fn set_video(&mut self, direction: Direction, codecs: Vec<VideoCodec>) {
        (self.video.direction, self.video.codecs) = (direction, codecs);
    }

    /// Our next offer opens a video line, though there is none yet.
    pub fn ask_video(&mut self) {
        self.video.ask = true;
    }

    /// Our address has changed; `ice` is what was gathered there. Our next offer says so, and begins the search for a path anew.
    pub fn move_to(&mut self, rtp: SocketAddr, ice: Option<LocalIce>) {
        (self.rtp, self.moving) = (rtp, false);
        ice.into_iter().for_each(|ice| self.shield.move_to(ice));
    }

    /// Our last offer was refused: what was agreed before holds (RFC 3261 §14.1).
    pub fn roll_back(&mut self) {
        if !self.agreed.is_empty() {
            self.lines = self.agreed.clone();
        }
        self.video.ask = false;
    }

    /// An offer of all our codecs and their events, for a new dialog (§5) or within one (§8).
    pub fn offer(&mut self, direction: Direction) -> String {
        let mut formats: Vec<Format> = self.codecs.iter().map(|kind| Format::Audio(*kind)).collect();
        let spoken = |clock: &u32| self.codecs.iter().any(|kind| kind.clock() == *clock);
        formats.extend([48_000, 8_000].into_iter().filter(spoken).map(Format::Events));
        let formats: Vec<_> = formats.into_iter().map(|format| (self.number(format), format)).collect();
        if self.lines.is_empty() {
            self.bundle = self.shield.ice().is_some();
            let (profile, mid) = (self.shield.first_profile().to_owned(), self.bundle.then(|| self.name()));
            self.lines.push(Line::Audio { profile, mid });
        }
        let video = self.offer_video();
        // Until it is accepted what was agreed before holds, our end of the path too.
        let before = self.shield.clone();
        self.moving = self.shield.set_out();
        let shield = self.shield.offer(self.profile());
        let text = self.say((&formats, direction), (&video, self.video.direction.and(direction)), true, &shield);
        self.shield = before;
        text
    }

    /// The formats of our video line; none: it is closed, or there is none.
    fn offer_video(&mut self) -> Vec<(u8, Format)> {
        let same_path = self.bundle && self.shield.ice().is_some() && self.profile() == Profile::Dtls;
        let open = self.video_line().filter(|_| self.video.agreed);
        let wanted = same_path && self.video.is_possible() && (open.is_some() || self.video.ask);
        if !wanted {
            if let Some(at) = self.video_line()
                && let Line::Video { profile, .. } = &self.lines[at]
            {
                let (kind, protocol, formats) = ("video".to_owned(), profile.clone(), "0".to_owned());
                self.lines[at] = Line::Refused { kind, protocol, formats };
            }
            return Vec::new();
        }
        let formats: Vec<Format> = self.video.codecs.iter().map(|codec| codec.offered()).collect();
        let formats: Vec<_> = formats.into_iter().map(|format| (self.number(format), format)).collect();
        if open.is_none() {
            let refused =
                |line: &Line| matches!(line, Line::Refused { kind, .. } if kind.eq_ignore_ascii_case("video"));
            let at = self.video_line().or_else(|| self.lines.iter().position(refused));
            let line = Line::Video { profile: self.shield.first_profile().to_owned(), mid: self.name() };
            match at {
                Some(at) => self.lines[at] = line,
                None => self.lines.push(line),
            }
        }
        formats
    }

    /// The answer to an offer (§6). `want` is the direction that we would like; the far end's is mirrored.
    /// An error (488) leaves everything as it was.
    pub fn answer(&mut self, offer: &SessionDescription, want: Direction) -> Result<(String, Negotiated), SdpError> {
        let mut choice = choose(offer, self.audio_line(), &self.codecs, self.shield.terms(), Order::Ours, &|_| None)?;
        let video = self.choose_video(offer, &mut choice, self.video_line(), Order::Ours);
        let mut next = self.clone();
        next.moving = false;
        let codec = next.adopt(choice.codec.0, Format::Audio(choice.codec.1));
        let events = choice.events.map(|(number, clock)| next.adopt(number, Format::Events(clock)));
        let agreed = next.shield.agree(&choice.secured, true)?;
        let shield = next.shield.answer(&choice.secured, &agreed);
        let mut negotiated = choice.negotiated(offer, (codec.0, events.map(|(number, _)| number)), want, agreed)?;
        next.bundle = offer.mid(&offer.media[choice.line]).1;
        let shown = video.as_ref().map(|video| next.adopt(video.number, video.format));
        negotiated.video = video
            .as_ref()
            .zip(shown)
            .map(|(video, (number, _))| video.agreed(offer, number, self.video.direction.and(want)));
        let numbers = offer.media.iter().filter_map(|media| offer.mid(media).0?.parse::<u32>().ok());
        next.names = numbers.filter(|number| *number < 1 << 16).map(|number| number + 1).fold(next.names, u32::max);
        let line = |(index, media)| match video.as_ref().is_some_and(|video| video.line == index) {
            true => Line::video(offer, media),
            false => Line::of(offer, media, index == choice.line),
        };
        next.lines = offer.media.iter().enumerate().map(line).collect();
        let formats: Vec<_> = [codec].into_iter().chain(events).collect();
        let shown: Vec<_> = shown.into_iter().collect();
        let seen = (&*shown, negotiated.video.as_ref().map_or(Direction::Inactive, |video| video.direction));
        let text = next.say((&formats, negotiated.direction), seen, negotiated.rtcp_mux, &shield);
        next.agree(negotiated.video.is_some());
        *self = next;
        Ok((text, negotiated))
    }

    /// Reads the answer to our last offer (§7), which said the direction `offered`.
    pub fn accept(&mut self, answer: &SessionDescription, offered: Direction) -> Result<Negotiated, SdpError> {
        let terms = self.shield.terms_of(self.profile());
        let known = |number| self.payloads.iter().find(|(ours, _)| *ours == number).map(|(_, format)| *format);
        let mut choice = choose(answer, self.audio_line(), &self.codecs, terms, Order::Theirs, &known)?;
        let video = self.video_line().and_then(|at| self.choose_video(answer, &mut choice, Some(at), Order::Theirs));
        let codec = self.number(Format::Audio(choice.codec.1));
        let events = choice.events.map(|(_, clock)| self.number(Format::Events(clock)));
        if std::mem::take(&mut self.moving) {
            self.shield.set_out();
        }
        let agreed = self.shield.agree(&choice.secured, false)?;
        let other = choice.other_events.map(|clock| (self.number(Format::Events(clock)), clock));
        let mut negotiated = choice.negotiated(answer, (codec, events), offered, agreed)?;
        if let Some(dtmf) = &mut negotiated.dtmf {
            dtmf.other = other;
        }
        let want = self.video.direction.and(offered);
        negotiated.video = video.map(|video| video.agreed(answer, self.number(video.codec.offered()), want));
        self.agree(negotiated.video.is_some());
        Ok(negotiated)
    }

    /// The peer's video, where it may be; the path is that of both then.
    fn choose_video(
        &self,
        remote: &SessionDescription,
        audio: &mut Choice,
        in_use: Option<usize>,
        order: Order,
    ) -> Option<video::Choice> {
        let (media, searched) = (&remote.media[audio.line], self.shield.ice().is_some());
        let same_path = matches!(&audio.secured, Secured::Dtls(dtls) if dtls.ice.is_some()) && remote.rtcp_mux(media);
        if !(same_path && searched && self.video.is_possible()) {
            return None;
        }
        let video = video::choose(remote, audio.line, in_use, &self.video.codecs, order)?;
        if let Some(dtls) = remote.shared(media, &remote.media[video.line]) {
            audio.secured = Secured::Dtls(dtls);
        }
        Some(video)
    }

    /// An answer was given, or came.
    fn agree(&mut self, video: bool) {
        (self.video.agreed, self.video.ask) = (video, false);
        self.agreed = self.lines.clone();
    }

    fn video_line(&self) -> Option<usize> {
        self.lines.iter().position(|line| matches!(line, Line::Video { .. }))
    }

    /// A name for a line that no other one has or had.
    fn name(&mut self) -> String {
        let taken = |name: &String| {
            self.lines.iter().any(|line| match line {
                Line::Audio { mid, .. } => mid.as_ref() == Some(name),
                Line::Video { mid, .. } => mid == name,
                Line::Refused { .. } => false,
            })
        };
        let names = (self.names..).map(|number| (number, number.to_string()));
        let (number, name) = names.into_iter().find(|(_, name)| !taken(name)).unwrap_or_default();
        self.names = number + 1;
        name
    }

    fn audio_line(&self) -> Option<usize> {
        self.lines.iter().position(|line| matches!(line, Line::Audio { .. }))
    }

    /// What our audio line promises.
    fn profile(&self) -> Profile {
        let names = self.lines.iter().find_map(|line| match line {
            Line::Audio { profile, .. } => Some(Profile::of(profile)),
            _ => None,
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
            Format::Vp8 => 98,
            Format::H264(_) => 102,
        };
        let free = |number: &u8| self.payloads.iter().all(|(taken, _)| taken != number);
        // A peer that has renumbered until nothing is free gets the usual number once more.
        let number = [usual].into_iter().chain(96..=127).find(free).unwrap_or(usual);
        self.payloads.push((number, format));
        number
    }

    /// Writes the description; its version rises if anything else in it has changed.
    fn say(&mut self, audio: Content<'_>, video: Content<'_>, rtcp_mux: bool, shield: &str) -> String {
        // With a path of its own the default one stands here: that which the most peers reach.
        let path = self.shield.ice().filter(|_| shield.contains("a=candidate:")).map(|ice| ice.default);
        let at = path.unwrap_or(self.rtp);
        let ip = at.ip();
        let family = if ip.is_ipv4() { "IP4" } else { "IP6" };
        let mut text = format!("s=-\r\nc=IN {family} {ip}\r\nt=0 0\r\n");
        let mids: Vec<&str> = self.lines.iter().filter_map(Line::mid).collect();
        if self.bundle && !mids.is_empty() {
            text += &format!("a=group:BUNDLE {}\r\n", mids.join(" "));
        }
        let sources = self.sources.as_ref().filter(|_| path.is_some());
        let source = |ssrc: u32, cname: &str| format!("a=ssrc:{ssrc} cname:{cname}\r\n");
        let heard = sources.map(|(audio, _, cname)| source(*audio, cname)).unwrap_or_default();
        let seen = sources.map(|(_, video, cname)| source(*video, cname)).unwrap_or_default();
        for line in &self.lines {
            let mid = line.mid().map(|mid| format!("a=mid:{mid}\r\n")).unwrap_or_default();
            text += &match line {
                Line::Refused { kind, protocol, formats } => format!("m={kind} 0 {protocol} {formats}\r\n"),
                Line::Audio { profile, .. } => {
                    self.audio(profile, at.port(), audio.0, audio.1, rtcp_mux) + &mid + shield + &heard
                }
                Line::Video { profile, .. } => {
                    let numbers: Vec<String> = video.0.iter().map(|(number, _)| number.to_string()).collect();
                    let direction = video.1.as_str();
                    format!("m=video {} {profile} {}\r\n", at.port(), numbers.join(" "))
                        + &video::describe(video.0)
                        + &format!("a={direction}\r\na=rtcp-mux\r\n{mid}")
                        + &shield.replace(Shield::AUDIO, Shield::VIDEO)
                        + &seen
                }
            };
        }
        if text != self.said {
            self.version += 1;
            self.said = text;
        }
        let origin = *self.origin.get_or_insert(ip);
        let family = if origin.is_ipv4() { "IP4" } else { "IP6" };
        let Self { session_id, version, said, .. } = self;
        format!("v=0\r\no=- {session_id} {version} IN {family} {origin}\r\n{said}")
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
                // unsaid, it would mean yes (RFC 4856 §2.1.9)
                Format::Audio(CodecKind::G729) => text += &format!("a=fmtp:{number} annexb=no\r\n"),
                Format::Events(_) => text += &format!("a=fmtp:{number} 0-16\r\n"),
                _ => {}
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
    /// Our answer to a video line that we take.
    fn video(offer: &SessionDescription, media: &Media) -> Line {
        Line::Video { profile: media.protocol.clone(), mid: offer.mid(media).0.unwrap_or_default() }
    }

    fn mid(&self) -> Option<&str> {
        match self {
            Line::Audio { mid, .. } => mid.as_deref(),
            Line::Video { mid, .. } => Some(mid),
            Line::Refused { .. } => None,
        }
    }

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
