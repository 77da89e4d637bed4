//! The reader (RFC 8866 §5 and §9). It takes what it knows, passes over what it does not, and refuses only what cannot be answered.

use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

use super::crypto::CryptoLine;
use super::dtls::RemoteDtls;
use super::{CodecKind, Direction, SdpError};

/// What a peer said: the parts of a session description that an offer or an answer is judged by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionDescription {
    connection: Option<IpAddr>,
    attributes: Attributes,
    pub(super) media: Vec<Media>,
}

/// One m= section.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Media {
    /// `audio`, `video`, ….
    pub kind: String,
    /// 0: refused, or switched off.
    pub port: u16,
    /// `RTP/AVP`, ….
    pub protocol: String,
    /// Payload types for RTP, whatever else for others; never empty.
    pub formats: Vec<String>,
    connection: Option<IpAddr>,
    attributes: Attributes,
}

/// What a section's profile says of its packets. The forms with F allow early feedback (RFC 4585, 5124); we send none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Profile {
    /// RTP/AVP and RTP/AVPF: plain, unless keys say otherwise.
    Avp,
    /// RTP/SAVP and RTP/SAVPF: encrypted by keys in the description.
    Savp,
    /// UDP/TLS/RTP/SAVP and UDP/TLS/RTP/SAVPF: encrypted by keys of a DTLS handshake (RFC 5764 §8).
    Dtls,
    /// Something else.
    Other,
}

/// `a=` lines, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Attributes(Vec<(String, String)>);

/// What a payload type stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Format {
    /// Sound.
    Audio(CodecKind),
    /// RFC 4733 events, at this clock.
    Events(u32),
    /// Video.
    Vp8,
    /// Video, of this `profile-level-id`.
    H264(u32),
}

impl SessionDescription {
    /// Reads a body. Lines may end in CR, LF or both; o=, s= and t= may be missing, unknown lines are passed over.
    /// Refused: another version than 0, a connection or m= line that cannot be read, no m= line at all.
    pub fn parse(body: &[u8]) -> Result<SessionDescription, SdpError> {
        let text = String::from_utf8_lossy(body);
        let mut session = SessionDescription { connection: None, attributes: Attributes::default(), media: Vec::new() };
        for line in text.split(['\r', '\n']) {
            let Some((kind, value)) = line.trim().split_once('=') else { continue };
            let value = value.trim();
            match kind.trim() {
                "v" if value != "0" => return Err(SdpError::new(format!("SDP version {value:?}"))),
                "m" => session.media.push(Media::parse(value)?),
                "c" => {
                    let address = connection(value)?;
                    match session.media.last_mut() {
                        Some(media) => media.connection = media.connection.or(Some(address)),
                        None => session.connection = session.connection.or(Some(address)),
                    }
                }
                "a" => match session.media.last_mut() {
                    Some(media) => media.attributes.add(value),
                    None => session.attributes.add(value),
                },
                _ => {}
            }
        }
        if session.media.is_empty() {
            return Err(SdpError::new("no m= line"));
        }
        Ok(session)
    }

    /// Where the peer receives the RTP of this section. The unspecified address is an old way to say "do not send" (RFC 3264 §8.4).
    pub(super) fn rtp(&self, media: &Media) -> Result<SocketAddr, SdpError> {
        let address = media.connection.or(self.connection);
        address.map(|ip| SocketAddr::new(ip, media.port)).ok_or_else(|| SdpError::new("no c= line"))
    }

    /// Where the peer receives the RTCP of this section (RFC 3605); unreadable is as not there.
    pub(super) fn rtcp(&self, media: &Media, rtp: SocketAddr) -> SocketAddr {
        let said = media.attributes.get("rtcp").and_then(|value| {
            let (port, address) = value.split_once(' ').unwrap_or((value, ""));
            let ip = if address.is_empty() { Some(rtp.ip()) } else { connection(address).ok() };
            Some(SocketAddr::new(ip?, port.parse().ok().filter(|port| *port != 0)?))
        });
        said.unwrap_or_else(|| SocketAddr::new(rtp.ip(), rtp.port().saturating_add(1)))
    }

    /// Who sends, as the peer sees it: the section's word, else the session's, else both (RFC 8866 §6.7).
    pub(super) fn direction(&self, media: &Media) -> Direction {
        media.attributes.direction().or(self.attributes.direction()).unwrap_or_default()
    }

    /// RTP and RTCP share a port (RFC 5761).
    pub(super) fn rtcp_mux(&self, media: &Media) -> bool {
        media.attributes.get("rtcp-mux").is_some()
    }

    /// An attribute of the section, else of the session.
    pub(super) fn either<'a>(&'a self, media: &'a Media, name: &str) -> Option<&'a str> {
        media.attributes.get(name).or_else(|| self.attributes.get(name))
    }

    /// Every attribute of that name of the section; where there is none, of the session.
    pub(super) fn all<'a>(&'a self, media: &'a Media, name: &str) -> Vec<&'a str> {
        let own: Vec<&str> = media.attributes.all(name).collect();
        if own.is_empty() { self.attributes.all(name).collect() } else { own }
    }

    /// The section's name (RFC 5888), and whether it stands in a BUNDLE group (RFC 9143).
    pub(super) fn mid(&self, media: &Media) -> (Option<String>, bool) {
        let printable = |mid: &&str| !mid.is_empty() && mid.len() <= 32 && mid.bytes().all(|b| b.is_ascii_graphic());
        let mid = media.attributes.get("mid").filter(printable);
        let bundles = self.attributes.all("group").filter_map(|group| group.strip_prefix("BUNDLE"));
        let bundled = bundles.flat_map(str::split_ascii_whitespace).any(|name| Some(name) == mid);
        (mid.map(str::to_owned), bundled)
    }

    /// Both sections stand in one BUNDLE group.
    pub(super) fn bundled(&self, one: &Media, other: &Media) -> bool {
        let (Some(one), Some(other)) = (self.mid(one).0, self.mid(other).0) else { return false };
        let mut bundles = self.attributes.all("group").filter_map(|group| group.strip_prefix("BUNDLE"));
        let has = |group: &str, mid: &str| group.split_ascii_whitespace().any(|name| name == mid);
        one != other && bundles.any(|group| has(group, &one) && has(group, &other))
    }

    /// What protects the path that two sections of a group share: the word of the one that the group names first (RFC 9143 §7.2).
    pub(super) fn shared(&self, one: &Media, other: &Media) -> Option<RemoteDtls> {
        let (one_mid, other_mid) = (self.mid(one).0?, self.mid(other).0?);
        let names = self.attributes.all("group").flat_map(str::split_ascii_whitespace);
        let first = names.into_iter().find(|name| *name == one_mid || *name == other_mid)?;
        RemoteDtls::read(self, if first == one_mid { one } else { other }).filter(|dtls| dtls.ice.is_some())
    }

    /// Port 0 does not refuse it: it is to be had within its group only (RFC 9143 §6).
    pub(super) fn bundle_only(&self, media: &Media) -> bool {
        media.attributes.get("bundle-only").is_some() && self.mid(media).1
    }

    /// The audio wants a path searched for and keys from it: WebRTC.
    pub fn is_webrtc(&self) -> bool {
        let both = |media: &Media| {
            let dtls = media.kind.eq_ignore_ascii_case("audio") && media.port != 0 && media.profile() == Profile::Dtls;
            dtls && RemoteDtls::read(self, media).is_some_and(|remote| remote.ice.is_some())
        };
        self.media.iter().any(both)
    }

    /// The packet length that the peer wants, ms: 10–60 in steps of ten, within its maxptime; 20 where it says nothing of use.
    pub(super) fn ptime(&self, media: &Media) -> u32 {
        let number = |name| {
            let value = media.attributes.get(name).or_else(|| self.attributes.get(name))?;
            value.parse::<f32>().ok().map(|ms| ms as u32 / 10 * 10).filter(|ms| *ms >= 10)
        };
        let wanted = number("ptime").filter(|ms| *ms <= 60).unwrap_or(20);
        wanted.min(number("maxptime").unwrap_or(60))
    }
}

impl Media {
    /// `audio 49170/1 RTP/AVP 0 8 101`
    fn parse(value: &str) -> Result<Media, SdpError> {
        let bad = || SdpError::new(format!("bad m= line {value:?}"));
        // These words go back to the peer in our answer: nothing but visible ASCII does.
        let mut words = value.split_ascii_whitespace();
        if !value.bytes().all(|b| b.is_ascii_graphic() || b == b' ' || b == b'\t') {
            return Err(bad());
        }
        let kind = words.next().ok_or_else(bad)?.to_owned();
        let port = words.next().ok_or_else(bad)?;
        let port = port.split('/').next().unwrap_or(port).parse().map_err(|_| bad())?;
        let protocol = words.next().ok_or_else(bad)?.to_owned();
        let mut formats: Vec<String> = words.map(str::to_owned).collect();
        if formats.is_empty() {
            formats.push("0".into());
        }
        Ok(Media { kind, port, protocol, formats, connection: None, attributes: Attributes::default() })
    }

    /// What its profile promises.
    pub fn profile(&self) -> Profile {
        Profile::of(&self.protocol)
    }

    /// Its `a=crypto` lines that we can use, best first (RFC 4568 §5.1).
    pub fn crypto(&self) -> impl Iterator<Item = CryptoLine> {
        self.attributes.all("crypto").filter_map(CryptoLine::parse)
    }

    /// The payload types that we know, in the peer's order. An rtpmap counts more than the static table (RFC 3551 §6);
    /// a number with neither is what `known` says it is.
    pub fn payloads(&self, known: impl Fn(u8) -> Option<Format>) -> Vec<(u8, Format)> {
        let mut found: Vec<(u8, Format)> = Vec::new();
        for number in self.formats.iter().filter_map(|word| word.parse::<u8>().ok()).filter(|number| *number < 128) {
            let format = match (self.attributes.of_payload("rtpmap", number), number) {
                (Some(map), _) => Format::from_rtpmap(map),
                (None, 0) => Some(Format::Audio(CodecKind::Pcmu)),
                (None, 8) => Some(Format::Audio(CodecKind::Pcma)),
                (None, 9) => Some(Format::Audio(CodecKind::G722)),
                (None, 18) => CodecKind::from_name("G729").map(Format::Audio),
                (None, _) => known(number),
            };
            if let Some(format) = format.filter(|_| found.iter().all(|(other, _)| *other != number)) {
                found.push((number, format));
            }
        }
        found
    }

    /// What a payload type stands for, as it is written.
    pub fn rtpmap(&self, payload: u8) -> Option<&str> {
        self.attributes.of_payload("rtpmap", payload)
    }

    /// The feedback of this kind is understood (RFC 4585 §4.2), for this payload type or for all.
    pub fn feedback(&self, payload: u8, kind: &str) -> bool {
        self.attributes.all("rtcp-fb").filter_map(|line| line.split_once(' ')).any(|(number, what)| {
            (number == "*" || number.parse() == Ok(payload)) && what.trim().eq_ignore_ascii_case(kind)
        })
    }

    /// A parameter of a payload type's fmtp line (`name=value`, set apart by `;`).
    pub fn parameter(&self, payload: u8, name: &str) -> Option<&str> {
        let line = self.attributes.of_payload("fmtp", payload)?;
        let pairs = line.split(';').filter_map(|pair| pair.split_once('='));
        pairs.map(|(n, v)| (n.trim(), v.trim())).find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v)
    }
}

impl Profile {
    /// By its name.
    pub fn of(name: &str) -> Profile {
        let is = |names: [&str; 2]| names.iter().any(|other| name.eq_ignore_ascii_case(other));
        match () {
            () if is(["RTP/AVP", "RTP/AVPF"]) => Profile::Avp,
            () if is(["RTP/SAVP", "RTP/SAVPF"]) => Profile::Savp,
            () if is(["UDP/TLS/RTP/SAVP", "UDP/TLS/RTP/SAVPF"]) => Profile::Dtls,
            () => Profile::Other,
        }
    }
}

impl Format {
    /// `opus/48000/2`; the number of channels of opus is always said to be 2 (RFC 7587 §7), whatever a peer writes.
    fn from_rtpmap(map: &str) -> Option<Format> {
        let mut words = map.split('/').map(str::trim);
        let (name, clock) = (words.next()?, words.next()?.parse::<u32>().ok()?);
        let mono = words.next().is_none_or(|channels| channels == "1");
        if name.eq_ignore_ascii_case("telephone-event") {
            return Some(Format::Events(clock));
        }
        let kind = CodecKind::from_name(name).filter(|kind| kind.clock() == clock)?;
        (kind == CodecKind::Opus || mono).then_some(Format::Audio(kind))
    }

    /// Its rtpmap.
    pub fn rtpmap(self) -> String {
        match self {
            Format::Audio(CodecKind::Opus) => "opus/48000/2".into(),
            Format::Audio(kind) => format!("{}/{}", kind.name(), kind.clock()),
            Format::Events(clock) => format!("telephone-event/{clock}"),
            Format::Vp8 => "VP8/90000".into(),
            Format::H264(_) => "H264/90000".into(),
        }
    }
}

impl Attributes {
    fn add(&mut self, value: &str) {
        let (name, value) = value.split_once(':').unwrap_or((value, ""));
        self.0.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// `a=NAME:PAYLOAD value`
    fn of_payload(&self, name: &str, payload: u8) -> Option<&str> {
        let values = self.0.iter().filter(|(n, _)| n == name).filter_map(|(_, v)| v.split_once([' ', '\t']));
        values.filter(|(number, _)| number.parse() == Ok(payload)).map(|(_, value)| value.trim()).next()
    }

    fn direction(&self) -> Option<Direction> {
        let all = [Direction::SendRecv, Direction::SendOnly, Direction::RecvOnly, Direction::Inactive];
        self.0.iter().find_map(|(name, _)| all.into_iter().find(|d| d.as_str() == name))
    }
}

/// `IN IP4 192.0.2.1/127`; names are not looked up here, nor anywhere on the way of a call.
fn connection(value: &str) -> Result<IpAddr, SdpError> {
    let address = value.split_ascii_whitespace().nth(2).unwrap_or_default();
    let address = address.split('/').next().unwrap_or(address);
    address.parse().map_err(|_| SdpError::new(format!("bad c= line {value:?}")))
}
