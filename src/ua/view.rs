//! What users see of a session, as it is written out: borrowed from the session, made into text without a tree between. Its
//! schema stands in the contract.

use std::fmt::Display;

use schemars::JsonSchema;
use serde::{Serialize, Serializer};

use super::Ua;
use super::event::{Data, rfc3339};
use super::media::MediaStats;
use super::session::Session;
use super::status::{CallStatus, Stream, Timer};

/// A session as it was at `seq`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Session")]
pub struct SessionView<'a> {
    /// Its name, never used twice.
    call_id: &'a str,
    /// Its state.
    status: CallStatus,
    /// Its durations.
    timer: Timer,
    /// How it sounds, in the words of the web phones; null before the answer.
    call_report: Option<CallReport<'a>>,
    /// How it sounds, in numbers; null before the answer.
    metrics: Option<Metrics>,
    /// The sessions that ring now in the same seat.
    incoming_list: Vec<&'a str>,
    /// The SIP dialog and its media.
    #[serde(rename = "RTCSession")]
    rtc_session: RtcSession<'a>,
    /// Our video, whose track alone is listed; null: none.
    local_stream: Option<Stream>,
    /// What comes from the peer, sound and video; null before its first packet.
    remote_stream: Option<Stream>,
    /// The seq of the last event that this state knows of.
    seq: u64,
}

/// The SIP dialog of a session and its media, as data.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "RTCSession")]
pub struct RtcSession<'a> {
    /// SIP's Call-ID.
    id: &'a str,
    /// Our tag.
    local_tag: &'a str,
    /// The peer's tag.
    remote_tag: Option<&'a str>,
    /// Who we are in the dialog.
    local_uri: Option<&'a str>,
    /// Who the peer is.
    remote_uri: Option<&'a str>,
    /// The peer's Contact.
    remote_target: Option<&'a str>,
    /// `udp`, `tcp`, `tls`, `ws` or `wss`.
    transport: Option<&'a str>,
    /// Where we receive RTP.
    local_rtp: Option<String>,
    /// Where we send RTP.
    remote_rtp: Option<String>,
    /// The codec's name.
    codec: Option<&'a str>,
    /// The suite that protects the audio; null in clear, and before a handshake is done.
    srtp: Option<&'a str>,
    /// `connecting`, `connected` or `failed`; null without DTLS.
    dtls: Option<&'a str>,
    /// The pair that ICE chose; null without one.
    ice: Option<IcePair<'a>>,
    /// `sendrecv`, `sendonly`, `recvonly` or `inactive`, seen from here.
    direction: Option<&'a str>,
    /// `none`, `early` or `confirmed`.
    state: &'a str,
}

/// The kinds of the two addresses of a path: `host`, `srflx`, `prflx` or `relay`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct IcePair<'a> {
    /// Ours.
    local: &'a str,
    /// The peer's.
    remote: &'a str,
}

/// How a call sounds: every value a string, every one measured. Packets are counted, losses are ratios, jitter is in ms; Rx is
/// what we received, Tx what the peer reports of what we sent.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CallReport<'a> {
    /// The answer, ms since 1970.
    #[serde(serialize_with = "text")]
    #[schemars(with = "String")]
    lks_timestamp: i64,
    /// The answer, `YYYY-MM-DD hh:mm:ss` in UTC.
    lks_date: String,
    /// The session.
    call_id: &'a str,
    /// The account's own number.
    extension: String,
    /// `local`, `public` or `turn`; empty without ICE.
    ice_result: &'a str,
    /// `ethernet`, `wifi` or `unknown`.
    lks_network_type: &'a str,
    /// `phoned`
    lks_device_type: &'a str,
    /// Seconds of sound that were played.
    #[serde(serialize_with = "text")]
    #[schemars(with = "String")]
    lks_duration: u64,
    /// The codec.
    lks_audio_codec: &'a str,
    /// Packets received.
    #[serde(serialize_with = "text")]
    #[schemars(with = "String")]
    lks_audio_rx: u64,
    /// Share of them that was lost.
    #[serde(serialize_with = "ratio")]
    #[schemars(with = "String")]
    lks_audio_rx_lost: f64,
    /// Their greatest jitter.
    #[serde(serialize_with = "ms")]
    #[schemars(with = "String")]
    lks_audio_rx_maxjitter: f64,
    /// Their mean jitter.
    #[serde(serialize_with = "ms")]
    #[schemars(with = "String")]
    lks_audio_rx_avgjitter: f64,
    /// Packets sent.
    #[serde(serialize_with = "text")]
    #[schemars(with = "String")]
    lks_audio_tx: u64,
    /// Share of them that was lost.
    #[serde(serialize_with = "ratio")]
    #[schemars(with = "String")]
    lks_audio_tx_lost: f64,
    /// Their greatest jitter.
    #[serde(serialize_with = "ms")]
    #[schemars(with = "String")]
    lks_audio_tx_maxjitter: f64,
    /// Their mean jitter.
    #[serde(serialize_with = "ms")]
    #[schemars(with = "String")]
    lks_audio_tx_avgjitter: f64,
    /// The same for video.
    lks_video_codec: &'a str,
    /// Packets received.
    #[serde(serialize_with = "text")]
    #[schemars(with = "String")]
    lks_video_rx: u64,
    /// Share of them that was lost.
    #[serde(serialize_with = "ratio")]
    #[schemars(with = "String")]
    lks_video_rx_lost: f64,
    /// Their greatest jitter.
    #[serde(serialize_with = "ms")]
    #[schemars(with = "String")]
    lks_video_rx_maxjitter: f64,
    /// Their mean jitter.
    #[serde(serialize_with = "ms")]
    #[schemars(with = "String")]
    lks_video_rx_avgjitter: f64,
    /// Packets sent.
    #[serde(serialize_with = "text")]
    #[schemars(with = "String")]
    lks_video_tx: u64,
    /// Share of them that was lost.
    #[serde(serialize_with = "ratio")]
    #[schemars(with = "String")]
    lks_video_tx_lost: f64,
    /// Their greatest jitter.
    #[serde(serialize_with = "ms")]
    #[schemars(with = "String")]
    lks_video_tx_maxjitter: f64,
    /// Their mean jitter.
    #[serde(serialize_with = "ms")]
    #[schemars(with = "String")]
    lks_video_tx_avgjitter: f64,
}

/// How a call sounds, in numbers.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Metrics {
    /// Mean opinion score, 1 to 4.5 (ITU-T G.107); null until there is something to rate.
    mos: Option<f64>,
    /// The transmission rating behind it, 0 to 100.
    r_factor: Option<f64>,
    /// Packets lost on their way to us, percent.
    loss_pct: f64,
    /// Jitter now.
    jitter_ms: f64,
    /// Round trip; null before the first report of the peer.
    rtt_ms: Option<f64>,
    /// Delay in the jitter buffer.
    jitter_buffer_ms: f64,
    /// Share of the sound that had to be made up, percent.
    concealed_pct: f64,
    /// Level of what came in over the last second, dBov.
    rx_level_dbov: Option<f64>,
    /// Level of what went out over the last second, dBov.
    tx_level_dbov: Option<f64>,
    /// We send and nothing comes in, though it should.
    one_way: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report<'a> {
    call_id: &'a str,
    call_report: CallReport<'a>,
    metrics: Metrics,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Seconds<'a> {
    call_id: &'a str,
    timer: Timer,
}

impl Ua {
    /// What users see of a session.
    pub(super) fn view<'a>(&'a self, session: &'a Session, seq: u64) -> SessionView<'a> {
        let talking = session.is_answered();
        let ringing = |other: &&Session| other.rings() && other.seat == session.seat;
        SessionView {
            call_id: &session.call_id,
            status: self.status_of(session),
            timer: session.timer(self.now.mono),
            call_report: talking.then(|| self.call_report(session)),
            metrics: talking.then(|| Metrics::of(&session.stats)),
            incoming_list: self.sessions.values().filter(ringing).map(|other| other.call_id.as_str()).collect(),
            rtc_session: RtcSession::of(session),
            local_stream: session.local_stream(),
            remote_stream: session.remote_stream(),
            seq,
        }
    }

    /// How its media is, as the seed shows it.
    fn call_report<'a>(&self, session: &'a Session) -> CallReport<'a> {
        let stats = &session.stats;
        let received = stats.rx_packets.saturating_add(stats.rx_lost);
        let (video, shown) = (&stats.video, session.negotiated.as_ref().and_then(|n| n.video.as_ref()));
        let seen = video.rx_packets.saturating_add(video.rx_lost);
        CallReport {
            lks_timestamp: session.answered_wall,
            lks_date: date(session.answered_wall),
            call_id: &session.call_id,
            extension: self.accounts.get(&session.account).map(|a| a.aor.user_unescaped()).unwrap_or_default(),
            ice_result: &session.path.result,
            lks_network_type: session.media.as_ref().map_or("unknown", |m| m.network.as_str()),
            lks_device_type: "phoned",
            lks_duration: stats.played_ms / 1000,
            lks_audio_codec: session.negotiated.as_ref().map_or("", |n| n.codec.kind.name()),
            lks_audio_rx: stats.rx_packets,
            lks_audio_rx_lost: if received == 0 { 0.0 } else { stats.rx_lost as f64 / received as f64 },
            lks_audio_rx_maxjitter: stats.rx_jitter_max_ms,
            lks_audio_rx_avgjitter: stats.rx_jitter_avg_ms,
            lks_audio_tx: stats.tx_packets,
            lks_audio_tx_lost: stats.tx_lost_ratio,
            lks_audio_tx_maxjitter: stats.tx_jitter_max_ms,
            lks_audio_tx_avgjitter: stats.tx_jitter_avg_ms,
            lks_video_codec: shown.map_or("", |v| v.codec.name()),
            lks_video_rx: video.rx_packets,
            lks_video_rx_lost: if seen == 0 { 0.0 } else { video.rx_lost as f64 / seen as f64 },
            lks_video_rx_maxjitter: video.rx_jitter_max_ms,
            lks_video_rx_avgjitter: video.rx_jitter_avg_ms,
            lks_video_tx: video.tx_packets,
            lks_video_tx_lost: video.tx_lost_ratio,
            lks_video_tx_maxjitter: video.tx_jitter_max_ms,
            lks_video_tx_avgjitter: video.tx_jitter_avg_ms,
        }
    }

    /// The data of `callReport`.
    pub(super) fn report(&self, session: &Session) -> Data {
        Data::of(&Report {
            call_id: &session.call_id,
            call_report: self.call_report(session),
            metrics: Metrics::of(&session.stats),
        })
    }

    /// The data of `updateTimer`.
    pub(super) fn seconds(&self, session: &Session) -> Data {
        Data::of(&Seconds { call_id: &session.call_id, timer: session.timer(self.now.mono) })
    }
}

impl RtcSession<'_> {
    fn of(session: &Session) -> RtcSession<'_> {
        let dialog = session.dialog();
        RtcSession {
            id: &session.sip_call_id,
            local_tag: &session.local_tag,
            remote_tag: dialog.map(|d| d.remote_tag.as_str()),
            local_uri: dialog.map(|d| d.local_uri.as_str()),
            remote_uri: dialog.map(|d| d.remote_uri.as_str()),
            remote_target: dialog.map(|d| d.remote_target.as_str()),
            transport: session.link.map(|l| l.hop.transport.param()),
            local_rtp: session.media.as_ref().map(|m| m.rtp.to_string()),
            remote_rtp: session.negotiated.as_ref().map(|n| n.remote_rtp.to_string()),
            codec: session.negotiated.as_ref().map(|n| n.codec.kind.name()),
            srtp: session.suite(),
            dtls: Some(session.path.dtls.as_str()).filter(|state| !state.is_empty()),
            ice: session.path.ice.as_ref().map(|(local, remote)| IcePair { local, remote }),
            direction: session.negotiated.as_ref().map(|n| n.direction.as_str()),
            state: match dialog {
                None => "none",
                Some(d) if d.early => "early",
                Some(_) => "confirmed",
            },
        }
    }
}

impl Metrics {
    fn of(stats: &MediaStats) -> Metrics {
        let total = stats.rx_packets.saturating_add(stats.rx_lost);
        let loss = if total == 0 { 0.0 } else { 100.0 * stats.rx_lost as f64 / total as f64 };
        Metrics {
            mos: (stats.mos > 0.0).then(|| round(stats.mos)),
            r_factor: (stats.mos > 0.0).then(|| round(stats.r_factor)),
            loss_pct: round(loss),
            jitter_ms: round(stats.rx_jitter_ms),
            rtt_ms: stats.rtt_ms.map(round),
            jitter_buffer_ms: round(stats.jitter_buffer_ms),
            concealed_pct: round(stats.concealed_pct),
            rx_level_dbov: (stats.rx_packets > 0).then(|| round(stats.rx_level_dbov)),
            tx_level_dbov: (stats.tx_packets > 0).then(|| round(stats.tx_level_dbov)),
            one_way: stats.one_way,
        }
    }
}

fn text<S: Serializer>(value: &impl Display, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

fn ratio<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{value:.6}"))
}

fn ms<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{value:.3}"))
}

/// To two places; what is no number is 0.
fn round(x: f64) -> f64 {
    if x.is_finite() { (x * 100.0).round() / 100.0 } else { 0.0 }
}

/// `YYYY-MM-DD hh:mm:ss` in UTC.
fn date(wall: i64) -> String {
    rfc3339(wall).chars().take(19).map(|c| if c == 'T' { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::date;

    #[test]
    fn dates_are_utc() {
        assert_eq!(date(0), "1970-01-01 00:00:00");
        assert_eq!(date(1_795_392_000_000), "2026-11-23 00:00:00");
    }
}
