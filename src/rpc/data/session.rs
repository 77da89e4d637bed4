//! A session as users see it.

use schemars::JsonSchema;

use crate::ua::status::{CallStatus, Stream, Timer};

/// A session as it was at `seq`.
#[derive(Debug, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Session {
    /// Its name, never used twice.
    pub call_id: String,
    /// Its state.
    pub status: CallStatus,
    /// Its durations.
    pub timer: Timer,
    /// How it sounds, in the words of the web phones; null before the answer.
    pub call_report: Option<CallReport>,
    /// How it sounds, in numbers; null before the answer.
    pub metrics: Option<Metrics>,
    /// The sessions that ring now in the same seat.
    pub incoming_list: Vec<String>,
    /// The SIP dialog and its media.
    #[serde(rename = "RTCSession")]
    pub rtc_session: RtcSession,
    /// Our video; null: none.
    pub local_stream: Option<Stream>,
    /// What comes from the peer; null before its first sound.
    pub remote_stream: Option<Stream>,
    /// The seq of the last event that this state knows of.
    pub seq: u64,
}

/// One session, or all.
#[derive(Debug, JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
pub enum Sessions {
    /// With a callId.
    One(Box<Session>),
    /// Without.
    All(Vec<Session>),
}

/// The SIP dialog of a session and its media, as data.
#[derive(Debug, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "RTCSession")]
pub struct RtcSession {
    /// SIP's Call-ID.
    pub id: String,
    /// Our tag.
    pub local_tag: String,
    /// The peer's tag.
    pub remote_tag: Option<String>,
    /// Who we are in the dialog.
    pub local_uri: Option<String>,
    /// Who the peer is.
    pub remote_uri: Option<String>,
    /// The peer's Contact.
    pub remote_target: Option<String>,
    /// `udp` or `tcp`.
    pub transport: Option<String>,
    /// Where we receive RTP.
    pub local_rtp: Option<String>,
    /// Where we send RTP.
    pub remote_rtp: Option<String>,
    /// The codec's name.
    pub codec: Option<String>,
    /// The suite that protects the audio; null in clear, and before a handshake is done.
    pub srtp: Option<String>,
    /// `connecting`, `connected` or `failed`; null without DTLS.
    pub dtls: Option<String>,
    /// The pair that ICE chose; null without one.
    pub ice: Option<IcePair>,
    /// `sendrecv`, `sendonly`, `recvonly` or `inactive`, seen from here.
    pub direction: Option<String>,
    /// `none`, `early` or `confirmed`.
    pub state: String,
}

/// The kinds of the two addresses of a path: `host`, `srflx`, `prflx` or `relay`.
#[derive(Debug, JsonSchema)]
pub struct IcePair {
    /// Ours.
    pub local: String,
    /// The peer's.
    pub remote: String,
}

/// How a call sounds: every value a string, every one measured. Packets are counted, losses are ratios, jitter is in ms; Rx is
/// what we received, Tx what the peer reports of what we sent.
#[derive(Debug, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CallReport {
    /// The answer, ms since 1970.
    pub lks_timestamp: String,
    /// The answer, `YYYY-MM-DD hh:mm:ss` in UTC.
    pub lks_date: String,
    /// The session.
    pub call_id: String,
    /// The account's own number.
    pub extension: String,
    /// `local`, `public` or `turn`; empty without ICE.
    pub ice_result: String,
    /// `ethernet`, `wifi` or `unknown`.
    pub lks_network_type: String,
    /// `phoned`
    pub lks_device_type: String,
    /// Seconds of sound that were played.
    pub lks_duration: String,
    /// The codec.
    pub lks_audio_codec: String,
    /// Packets received.
    pub lks_audio_rx: String,
    /// Share of them that was lost.
    pub lks_audio_rx_lost: String,
    /// Their greatest jitter.
    pub lks_audio_rx_maxjitter: String,
    /// Their mean jitter.
    pub lks_audio_rx_avgjitter: String,
    /// Packets sent.
    pub lks_audio_tx: String,
    /// Share of them that was lost.
    pub lks_audio_tx_lost: String,
    /// Their greatest jitter.
    pub lks_audio_tx_maxjitter: String,
    /// Their mean jitter.
    pub lks_audio_tx_avgjitter: String,
    /// The same for video.
    pub lks_video_codec: String,
    /// Packets received.
    pub lks_video_rx: String,
    /// Share of them that was lost.
    pub lks_video_rx_lost: String,
    /// Their greatest jitter.
    pub lks_video_rx_maxjitter: String,
    /// Their mean jitter.
    pub lks_video_rx_avgjitter: String,
    /// Packets sent.
    pub lks_video_tx: String,
    /// Share of them that was lost.
    pub lks_video_tx_lost: String,
    /// Their greatest jitter.
    pub lks_video_tx_maxjitter: String,
    /// Their mean jitter.
    pub lks_video_tx_avgjitter: String,
}

/// How a call sounds, in numbers.
#[derive(Debug, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Metrics {
    /// Mean opinion score, 1 to 4.5 (ITU-T G.107); null until there is something to rate.
    pub mos: Option<f64>,
    /// The transmission rating behind it, 0 to 100.
    pub r_factor: Option<f64>,
    /// Packets lost on their way to us, percent.
    pub loss_pct: f64,
    /// Jitter now.
    pub jitter_ms: f64,
    /// Round trip; null before the first report of the peer.
    pub rtt_ms: Option<f64>,
    /// Delay in the jitter buffer.
    pub jitter_buffer_ms: f64,
    /// Share of the sound that had to be made up, percent.
    pub concealed_pct: f64,
    /// Level of what came in over the last second, dBov.
    pub rx_level_dbov: Option<f64>,
    /// Level of what went out over the last second, dBov.
    pub tx_level_dbov: Option<f64>,
    /// We send and nothing comes in, though it should.
    pub one_way: bool,
}

/// Done.
#[derive(Debug, JsonSchema)]
pub struct Success {
    /// 200
    #[schemars(extend("const" = 200))]
    pub code: u16,
    /// `SUCCESS`
    #[schemars(extend("const" = "SUCCESS"))]
    pub msg: String,
}

/// The INVITE is on the wire.
#[derive(Debug, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Called {
    /// 200
    #[schemars(extend("const" = 200))]
    pub code: u16,
    /// `SUCCESS`
    #[schemars(extend("const" = "SUCCESS"))]
    pub msg: String,
    /// The session.
    pub call_id: String,
    /// What it is like now.
    pub session: Session,
}
