//! The words between the phone and the media engine. Media comes and goes as data.

mod way;

pub use way::{Echo, WayFacts};

use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

use super::command::{AudioMode, AudioPort, PlayTo};
use super::io::SessionId;
use super::settings::Cleaning;
use crate::sdp::{Direction, KeySeed, LocalDtls, Negotiated};

/// What the phone asks of the media engine, always about one session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum MediaCommand {
    /// Get a pair of ports. Answer: `MediaEvent::Local` or `Failed`, at once.
    Open {
        /// The address to bind to: that of the signalling's path.
        local_ip: IpAddr,
        /// The microphone (`null`, `tone:HZ`, `file:PATH`, `pulse:…`, `alsa:…`, `default`).
        input: String,
        /// The loudspeaker.
        output: String,
        /// Look for our addresses too (ICE): then `Local` comes when they are there, 2 s later at most.
        ice: bool,
    },
    /// Get other ports: the address of the old ones is gone. The streams and their keys stay, and what is sent goes out of the new
    /// ports; with ICE nothing passes until the next `Remote` has found a path from them. Answer: as to `Open`.
    Move {
        /// The address to bind to.
        local_ip: IpAddr,
        /// Look for our addresses too.
        ice: bool,
    },
    /// What becomes of its microphone's sound, from the next devices on; until then as `Cleaning::default`.
    Clean(Cleaning),
    /// Where its video comes from and goes to, once some is negotiated.
    Video(VideoPlan),
    /// What was negotiated: opens, or changes, the streams. Opens the address lock again.
    Remote(Negotiated),
    /// Cuts or restores the device before the far end has agreed (hold in progress). `send` false: nothing is sent.
    Gate(Direction),
    /// The far end is held and hears this file, round and round, in place of the microphone and of everybody else; nothing of it
    /// is played. The next `Gate` ends it. A file that cannot be played is silence, and told as `Failed`.
    HoldMusic(String),
    /// Silence in place of the microphone (packets go on).
    Mute(bool),
    /// It hears, and is heard by, the other sessions of the conference of that number; none: nobody but the devices. What its
    /// gate lets through only; `Mute` is about the microphone alone.
    Conference(Option<u64>),
    /// Other devices from now on.
    Devices {
        /// The microphone.
        input: String,
        /// The loudspeaker.
        output: String,
    },
    /// Send one RFC 4733 event; `MediaEvent::DtmfSent` when its last packet is out.
    Dtmf {
        /// `0-9*#A-D`.
        digit: char,
        /// Its length.
        duration_ms: u32,
    },
    /// Send one digit as tones in the sound, in place of the microphone; `MediaEvent::DtmfSent` when it has sounded. No
    /// recording has it.
    Tones {
        /// `0-9*#A-D`.
        digit: char,
        /// Its length.
        duration_ms: u32,
    },
    /// Into a file, or not any more. Answers: `MediaEvent::Record`.
    Record(RecordCommand),
    /// Play a file beside whoever speaks, in place of what is played now. Answers: `MediaEvent::Play` with this name.
    Play {
        /// Its name.
        id: u64,
        /// The file, as the user named it.
        file: String,
        /// Who hears it.
        to: PlayTo,
        /// Again and again.
        again: bool,
    },
    /// Play it no longer; not answered.
    StopPlay,
    /// Make an audio socket. Answers: `MediaEvent::Socket` with its name.
    OpenSocket(SocketPlan),
    /// Close it; not answered. `Close` of the session does so too.
    CloseSocket(u64),
    /// Asks for `MediaEvent::Report`.
    Report,
    /// The session is over: free everything.
    Close,
}

/// What an agent hears besides the call itself (ITU-T E.180, Q.35).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Tone {
    /// Somebody calls.
    Ringing,
    /// It rings there.
    Ringback,
    /// Somebody calls while we talk.
    CallWaiting,
    /// The far end is busy.
    Busy,
    /// The call failed otherwise.
    Congestion,
    /// The far end has hung up.
    CallEnded,
    /// A digit of ours, once and short.
    Key(char),
}

/// Starts or stops a tone, at a device and not in a call: it reaches no far end and no recording.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToneCommand {
    /// Until it is stopped, or over by itself.
    Start {
        /// Its name.
        id: u64,
        /// What it sounds like.
        tone: Tone,
        /// Where.
        device: String,
        /// Sessions whose far ends are not to be drowned: no burst while one of them speaks.
        over: Vec<SessionId>,
    },
    /// Not any more. One that is over already is none.
    Stop {
        /// Its name.
        id: u64,
    },
}

/// What the media engine tells the phone, always about one session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum MediaEvent {
    /// The ports are there.
    Local(LocalMedia),
    /// No media for this session (or a device of it failed): why.
    Failed(String),
    /// The first RTP packet of the remote stream was accepted (again after `Remote` with another SSRC: not told).
    Started {
        /// The stream's SSRC.
        ssrc: u32,
    },
    /// A digit came in (told once, at its end or after 3 lost ends).
    Dtmf {
        /// `0-9*#A-D`.
        digit: char,
        /// Its length.
        duration_ms: u32,
    },
    /// The digit is out.
    DtmfSent {
        /// Which one.
        digit: char,
    },
    /// Nothing was received for 2 s though it should (`stalled` true), or it flows again.
    Flow {
        /// No RTP comes in.
        stalled: bool,
    },
    /// The path was found, its keys are there, or something of it changed.
    Path(PathFacts),
    /// There is no path, or no keys, and there will be none: why, in plain words. Nothing passes any more.
    Broken(String),
    /// Something of its video.
    Video(VideoEvent),
    /// The figures now.
    Report(Box<MediaStats>),
    /// Something of its recording; also after `Close`.
    Record(RecordEvent),
    /// Something of what is played, by its name.
    Play(u64, PlayEvent),
    /// Something of an audio socket, by its name.
    Socket(u64, SocketEvent),
}

/// What is told of a file that is played.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum PlayEvent {
    /// It begins.
    Started {
        /// Its length.
        duration_ms: u64,
    },
    /// It was heard to its end.
    Ended,
    /// It lies where no file for calls may: why, in plain words.
    Refused(String),
    /// It cannot be played: why, in plain words.
    Failed(String),
}

/// An audio socket to be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SocketPlan {
    /// Its name here.
    pub id: u64,
    /// Its name for users, and for the file.
    pub name: String,
    /// Its points.
    pub ports: Vec<AudioPort>,
    /// What it does.
    pub mode: AudioMode,
    /// Samples a second.
    pub rate: u32,
}

/// What is told of an audio socket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum SocketEvent {
    /// It listens.
    Open {
        /// Where.
        path: String,
    },
    /// It could not be made: why, in plain words.
    Failed(String),
    /// Its reader is too slow.
    Dropped {
        /// Frames that it has lost so far.
        frames: u64,
    },
    /// It is closed, by its client or a fault.
    Closed {
        /// Why, in plain words.
        reason: String,
        /// Frames that its reader lost.
        dropped: u64,
    },
}

/// The ends of a session's video.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct VideoPlan {
    /// `file:PATH` or `rtp:ADDRESS:PORT`; none: nothing is shown to the peer.
    pub source: Option<String>,
    /// `file:FOLDER` or `rtp:ADDRESS:PORT`; none: nobody sees the peer.
    pub sink: Option<String>,
    /// Of the file in that folder.
    pub name: String,
}

/// What is told of video.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum VideoEvent {
    /// The first packet of the peer's video was accepted; again when video comes back.
    Started {
        /// The stream's SSRC.
        ssrc: u32,
    },
    /// An end of it could not be opened: the call goes on without it.
    Failed(String),
}

/// What the recorder shall do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum RecordCommand {
    /// Open a file and record. Answer: `Started` or `Failed`.
    Start(RecordInfo),
    /// Silence from now on.
    Pause,
    /// Sound again.
    Resume,
    /// Close the file. Answer: `Stopped` or `Failed`. `Close` of the session does so too.
    Stop,
}

/// Whose call is recorded: for the file's name and what stands beside it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RecordInfo {
    /// The session.
    pub call_id: String,
    /// Its account.
    pub account: String,
    /// The other party.
    pub number: String,
    /// Its name.
    pub name: String,
    /// The number that was dialled.
    pub called_number: String,
    /// We were called.
    pub inbound: bool,
    /// When it begins, ms since 1970.
    pub wall: i64,
}

/// What the recorder tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum RecordEvent {
    /// The file is open.
    Started {
        /// Where it is.
        path: String,
    },
    /// The file is closed.
    Stopped {
        /// Where it is.
        path: String,
        /// Of the whole file, in hexadecimal.
        sha256: String,
        /// Its length, pauses and gaps too.
        duration_ms: u64,
    },
    /// It could not be opened, or written any more: the recording is over, the call is not.
    Failed {
        /// Why, in plain words.
        reason: String,
        /// What there is of it.
        path: Option<String>,
    },
    /// The disk is so slow that sound is being lost.
    Stalled,
    /// Sound was lost; silence stands in its place.
    Gap {
        /// Where in the file.
        at_ms: u64,
        /// How much.
        length_ms: u64,
    },
}

/// Our end of a stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocalMedia {
    /// Where RTP is received; RTCP is one port above.
    pub rtp: SocketAddr,
    /// The SSRC we send with.
    pub ssrc: u32,
    /// The SSRC of our video.
    pub video_ssrc: u32,
    /// The CNAME of both.
    pub cname: String,
    /// The interface behind the address: `ethernet`, `wifi`, `unknown`.
    pub network: String,
    /// What the keys of its descriptions are made of.
    pub seed: KeySeed,
    /// Our certificate, and our addresses where they were asked for.
    pub dtls: LocalDtls,
}

/// What is known of the path of a session with ICE or DTLS.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PathFacts {
    /// The kinds of our address and of the peer's (`host`, `srflx`, `prflx`, `relay`), once a pair is in use.
    pub ice: Option<(String, String)>,
    /// How far it reaches: `local`, `public` or `turn`; empty without ICE.
    pub result: String,
    /// `connecting`, `connected`, `failed`; empty without DTLS.
    pub dtls: String,
    /// How the packets are protected since the handshake.
    pub srtp: Option<String>,
}

/// Everything measured of a session's audio since it began.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct MediaStats {
    /// The codec's name as in its rtpmap (`opus`, `PCMU`).
    pub codec: String,
    /// Audio packets received.
    pub rx_packets: u64,
    /// Packets missing by RTP sequence.
    pub rx_lost: u64,
    /// RFC 3550 interarrival jitter, ms: now, greatest, mean.
    pub rx_jitter_ms: f64,
    /// Greatest.
    pub rx_jitter_max_ms: f64,
    /// Mean.
    pub rx_jitter_avg_ms: f64,
    /// Audio packets sent.
    pub tx_packets: u64,
    /// Lost on the way to the peer, 0–1, by its RTCP reports.
    pub tx_lost_ratio: f64,
    /// The peer's jitter reports, ms: greatest.
    pub tx_jitter_max_ms: f64,
    /// Mean.
    pub tx_jitter_avg_ms: f64,
    /// Round trip by LSR/DLSR, ms; none before the first report.
    pub rtt_ms: Option<f64>,
    /// Delay in the jitter buffer, ms.
    pub jitter_buffer_ms: f64,
    /// Audio played so far, ms.
    pub played_ms: u64,
    /// Share of the audio that was concealed, percent.
    pub concealed_pct: f64,
    /// Level of what came in over the last second, dBov (−127 = silence).
    pub rx_level_dbov: f64,
    /// Level of what went out over the last second, dBov.
    pub tx_level_dbov: f64,
    /// Level of what the microphone gave over the last second, muted or not, dBov; none where it is no real device.
    pub mic_level_dbov: Option<f64>,
    /// Share of that second at full scale, percent.
    pub mic_clipped_pct: f64,
    /// Packets that came too late to be played.
    pub late: u64,
    /// Packets that came twice.
    pub duplicate: u64,
    /// Packets that were dropped unplayed: the stream jumped, or there was no room.
    pub discarded: u64,
    /// Sound put in to lengthen the jitter buffer, ms.
    pub expanded_ms: u64,
    /// Sound left out to shorten it, ms.
    pub accelerated_ms: u64,
    /// Packets dropped since they came from an address that is not the peer's.
    pub foreign: u64,
    /// We send and nothing comes in, though it should.
    pub one_way: bool,
    /// The way of the packets.
    pub way: WayFacts,
    /// ITU-T G.107 transmission rating.
    pub r_factor: f64,
    /// Mean opinion score by G.107 annex B.
    pub mos: f64,
    /// SSRC of the stream that is played; 0 before the first packet.
    pub remote_ssrc: u32,
    /// The same of its video.
    pub video: VideoStats,
}

/// What is measured of video.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct VideoStats {
    /// Packets received.
    pub rx_packets: u64,
    /// Packets missing by RTP sequence.
    pub rx_lost: u64,
    /// RFC 3550 interarrival jitter, ms: greatest.
    pub rx_jitter_max_ms: f64,
    /// Mean.
    pub rx_jitter_avg_ms: f64,
    /// Packets sent.
    pub tx_packets: u64,
    /// Lost on the way to the peer, 0–1, by its RTCP reports.
    pub tx_lost_ratio: f64,
    /// The peer's jitter reports, ms: greatest.
    pub tx_jitter_max_ms: f64,
    /// Mean.
    pub tx_jitter_avg_ms: f64,
}
