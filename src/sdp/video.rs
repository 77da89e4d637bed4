//! Video beside the audio: a line in the audio's BUNDLE group (RFC 9143), so that it shares its path and its keys. VP8 (RFC 7741) and
//! H.264 in packetization mode 1 (RFC 6184) of the (constrained) baseline profile. Whatever stands outside of such a group stays refused.

use serde::{Deserialize, Serialize};

use super::choose::Order;
use super::parse::{Format, Media, Profile};
use super::{Direction, SessionDescription};

/// The RTP clock of all video, Hz.
pub const VIDEO_CLOCK: u32 = 90_000;
/// Constrained baseline, level 3.1: what every browser decodes (RFC 7742 §6.2).
const BASELINE: u32 = 0x42_e0_1f;

/// The video codecs that we pass through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum VideoCodec {
    /// RFC 6386 and 7741.
    Vp8,
    /// RFC 6184.
    H264,
}

impl VideoCodec {
    /// Its name in an rtpmap.
    pub fn name(self) -> &'static str {
        match self {
            VideoCodec::Vp8 => "VP8",
            VideoCodec::H264 => "H264",
        }
    }
    /// From an rtpmap or the configuration; case does not matter.
    pub fn from_name(name: &str) -> Option<Self> {
        [VideoCodec::Vp8, VideoCodec::H264].into_iter().find(|codec| codec.name().eq_ignore_ascii_case(name))
    }

    /// As we offer it.
    pub(super) fn offered(self) -> Format {
        match self {
            VideoCodec::Vp8 => Format::Vp8,
            VideoCodec::H264 => Format::H264(BASELINE),
        }
    }
}

/// The video that was agreed on, seen from our side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Video {
    /// Which codec.
    pub codec: VideoCodec,
    /// The payload type that we send with (the peer's number).
    pub send_pt: u8,
    /// The payload type that the peer sends with (our number).
    pub recv_pt: u8,
    /// Our direction.
    pub direction: Direction,
    /// The peer makes a key frame when it is asked by a PLI (RFC 4585 §6.3.1).
    pub pli: bool,
}

/// What we can do of video, and want to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Wish {
    /// Best first.
    pub codecs: Vec<VideoCodec>,
    /// What we take part in; inactive: any video is refused.
    pub direction: Direction,
    /// Our next offer opens a line, though there is none.
    pub ask: bool,
    /// A line is open by the last answer.
    pub agreed: bool,
}

impl Default for Wish {
    fn default() -> Self {
        Wish { codecs: Vec::new(), direction: Direction::Inactive, ask: false, agreed: false }
    }
}

impl Wish {
    /// Something of it is possible.
    pub fn is_possible(&self) -> bool {
        self.direction != Direction::Inactive && !self.codecs.is_empty()
    }
}

/// The peer's line that we take, and its payload type.
#[derive(Debug)]
pub(super) struct Choice {
    pub line: usize,
    pub number: u8,
    pub format: Format,
    pub codec: VideoCodec,
}

/// Picks the video line that is in use already, else the first that shares the audio's transport and has a codec for us. Of an answer
/// only the line that is in use counts.
pub(super) fn choose(
    remote: &SessionDescription,
    audio: usize,
    in_use: Option<usize>,
    codecs: &[VideoCodec],
    order: Order,
) -> Option<Choice> {
    let audio = remote.media.get(audio)?;
    let mut lines: Vec<(usize, &Media)> = remote.media.iter().enumerate().collect();
    lines.retain(|(index, media)| {
        let open = media.port != 0 || (order == Order::Ours && remote.bundle_only(media));
        let ours = order == Order::Ours || Some(*index) == in_use;
        let video = media.kind.eq_ignore_ascii_case("video") && media.profile() == Profile::Dtls;
        video && open && ours && remote.bundled(audio, media)
    });
    lines.sort_by_key(|(index, _)| Some(*index) != in_use);
    lines.into_iter().find_map(|(line, media)| {
        let all = formats(media).into_iter().filter(|(_, _, codec)| codecs.contains(codec));
        let (number, format, codec) = match order {
            Order::Theirs => all.into_iter().next(),
            Order::Ours => all.min_by_key(|(_, format, codec)| {
                (codecs.iter().position(|ours| ours == codec), !is_constrained(*format))
            }),
        }?;
        Some(Choice { line, number, format, codec })
    })
}

/// The payload types of a line that we know.
fn formats(media: &Media) -> Vec<(u8, Format, VideoCodec)> {
    let numbers = media.formats.iter().filter_map(|word| word.parse::<u8>().ok()).filter(|number| *number < 128);
    let known = |number: u8| {
        let (name, clock) = media.rtpmap(number)?.split_once('/')?;
        let codec = VideoCodec::from_name(name).filter(|_| clock.trim() == "90000")?;
        let format = match codec {
            VideoCodec::Vp8 => Format::Vp8,
            VideoCodec::H264 => h264(media, number)?,
        };
        Some((number, format, codec))
    };
    numbers.filter_map(known).collect()
}

/// Mode 1, and a profile that is ours: the profiles of both directions are the same (RFC 6184 §8.2.2).
fn h264(media: &Media, number: u8) -> Option<Format> {
    let id = media.parameter(number, "profile-level-id").and_then(|id| u32::from_str_radix(id, 16).ok())?;
    let format = Format::H264(id & 0xff_ff_ff);
    let baseline = id >> 16 == 0x42 || is_constrained(format);
    (media.parameter(number, "packetization-mode") == Some("1") && baseline).then_some(format)
}

/// The constrained baseline profile in one of its forms (RFC 6184 §8.1, table 5).
fn is_constrained(format: Format) -> bool {
    let Format::H264(id) = format else { return true };
    let constraints = id >> 8 & 0xff;
    match id >> 16 {
        0x42 => constraints & 0x4f == 0x40,
        0x4d => constraints & 0x8f == 0x80,
        0x58 => constraints & 0xcf == 0xc0,
        _ => false,
    }
}

/// What a line of ours says of its formats.
pub(super) fn describe(formats: &[(u8, Format)]) -> String {
    let mut text = String::new();
    for (number, format) in formats {
        text += &format!("a=rtpmap:{number} {}\r\n", format.rtpmap());
        if let Format::H264(id) = format {
            text += &format!(
                "a=fmtp:{number} level-asymmetry-allowed=1;packetization-mode=1;profile-level-id={id:06x}\r\n"
            );
        }
        text += &format!("a=rtcp-fb:{number} nack pli\r\na=rtcp-fb:{number} ccm fir\r\n");
    }
    text
}

impl Choice {
    /// What this choice means, given our own number and the direction that we would like.
    pub fn agreed(&self, remote: &SessionDescription, recv_pt: u8, want: Direction) -> Video {
        let media = &remote.media[self.line];
        Video {
            codec: self.codec,
            send_pt: self.number,
            recv_pt,
            direction: want.and(remote.direction(media).reversed()),
            pli: media.feedback(self.number, "nack pli"),
        }
    }
}
