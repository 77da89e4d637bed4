//! What users see of a session, as it is written out: borrowed from the session, made into text without a tree between.

use std::fmt::Display;

use serde::{Serialize, Serializer};

use super::Ua;
use super::event::{Data, rfc3339};
use super::io::SessionId;
use super::media::MediaStats;
use super::session::Session;
use super::status::{CallStatus, Stream, Timer};

/// `session.get`, and the session in events.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SessionView<'a> {
    call_id: &'a str,
    status: Option<CallStatus>,
    timer: Timer,
    call_report: Option<CallReport<'a>>,
    metrics: Option<Metrics>,
    incoming_list: Vec<&'a str>,
    #[serde(rename = "RTCSession")]
    rtc_session: RtcSession<'a>,
    local_stream: Option<Stream>,
    remote_stream: Option<Stream>,
    seq: u64,
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

/// What the seed's `RTCSession` property stands for, as data.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RtcSession<'a> {
    id: &'a str,
    local_tag: &'a str,
    remote_tag: Option<&'a str>,
    local_uri: Option<&'a str>,
    remote_uri: Option<&'a str>,
    remote_target: Option<&'a str>,
    transport: Option<&'static str>,
    local_rtp: Option<String>,
    remote_rtp: Option<String>,
    codec: Option<&'a str>,
    /// The suite that protects the audio.
    srtp: Option<&'a str>,
    /// `connecting`, `connected`, `failed`.
    dtls: Option<&'a str>,
    ice: Option<Pair<'a>>,
    direction: Option<&'a str>,
    state: &'static str,
}

/// The kinds of the addresses that ICE chose.
#[derive(Serialize)]
struct Pair<'a> {
    local: &'a str,
    remote: &'a str,
}

/// The seed's call-quality object: every value a string, every field measured.
#[derive(Serialize)]
struct CallReport<'a> {
    #[serde(rename = "lksTimestamp", serialize_with = "text")]
    timestamp: i64,
    #[serde(rename = "lksDate")]
    date: String,
    #[serde(rename = "callId")]
    call_id: &'a str,
    extension: String,
    #[serde(rename = "iceResult")]
    ice_result: &'a str,
    #[serde(rename = "lksNetworkType")]
    network_type: &'a str,
    #[serde(rename = "lksDeviceType")]
    device_type: &'static str,
    #[serde(rename = "lksDuration", serialize_with = "text")]
    duration: u64,
    #[serde(rename = "lksAudioCodec")]
    audio_codec: &'a str,
    #[serde(rename = "lksAudioRx", serialize_with = "text")]
    audio_rx: u64,
    #[serde(rename = "lksAudioRxLost", serialize_with = "ratio")]
    audio_rx_lost: f64,
    #[serde(rename = "lksAudioRxMaxjitter", serialize_with = "ms")]
    audio_rx_jitter_max: f64,
    #[serde(rename = "lksAudioRxAvgjitter", serialize_with = "ms")]
    audio_rx_jitter_avg: f64,
    #[serde(rename = "lksAudioTx", serialize_with = "text")]
    audio_tx: u64,
    #[serde(rename = "lksAudioTxLost", serialize_with = "ratio")]
    audio_tx_lost: f64,
    #[serde(rename = "lksAudioTxMaxjitter", serialize_with = "ms")]
    audio_tx_jitter_max: f64,
    #[serde(rename = "lksAudioTxAvgjitter", serialize_with = "ms")]
    audio_tx_jitter_avg: f64,
    #[serde(rename = "lksVideoCodec")]
    video_codec: &'static str,
    #[serde(rename = "lksVideoRx", serialize_with = "text")]
    video_rx: u64,
    #[serde(rename = "lksVideoRxLost", serialize_with = "ratio")]
    video_rx_lost: f64,
    #[serde(rename = "lksVideoRxMaxjitter", serialize_with = "ms")]
    video_rx_jitter_max: f64,
    #[serde(rename = "lksVideoRxAvgjitter", serialize_with = "ms")]
    video_rx_jitter_avg: f64,
    #[serde(rename = "lksVideoTx", serialize_with = "text")]
    video_tx: u64,
    #[serde(rename = "lksVideoTxLost", serialize_with = "ratio")]
    video_tx_lost: f64,
    #[serde(rename = "lksVideoTxMaxjitter", serialize_with = "ms")]
    video_tx_jitter_max: f64,
    #[serde(rename = "lksVideoTxAvgjitter", serialize_with = "ms")]
    video_tx_jitter_avg: f64,
}

/// `metrics`: the same call in numbers.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Metrics {
    /// Null until there is something to rate.
    mos: Option<f64>,
    r_factor: Option<f64>,
    loss_pct: f64,
    jitter_ms: f64,
    rtt_ms: Option<f64>,
    jitter_buffer_ms: f64,
    concealed_pct: f64,
    rx_level_dbov: Option<f64>,
    tx_level_dbov: Option<f64>,
    one_way: bool,
}

impl Ua {
    /// What users see of a session.
    pub(super) fn view<'a>(&'a self, id: SessionId, session: &'a Session, seq: u64) -> SessionView<'a> {
        let talking = session.is_answered();
        let ringing = |other: &&Session| other.rings() && other.seat == session.seat;
        SessionView {
            call_id: &session.call_id,
            status: self.status(id),
            timer: session.timer(self.now.mono),
            call_report: talking.then(|| self.call_report(session)),
            metrics: talking.then(|| Metrics::of(&session.stats)),
            incoming_list: self.sessions.values().filter(ringing).map(|other| other.call_id.as_str()).collect(),
            rtc_session: RtcSession::of(session),
            local_stream: None,
            remote_stream: session.remote_stream(),
            seq,
        }
    }

    /// How its media is, as the seed shows it.
    fn call_report<'a>(&self, session: &'a Session) -> CallReport<'a> {
        let stats = &session.stats;
        let received = stats.rx_packets.saturating_add(stats.rx_lost);
        CallReport {
            timestamp: session.answered_wall,
            date: date(session.answered_wall),
            call_id: &session.call_id,
            extension: self.accounts.get(&session.account).map(|a| a.aor.user_unescaped()).unwrap_or_default(),
            ice_result: &session.path.result,
            network_type: session.media.as_ref().map_or("unknown", |m| m.network.as_str()),
            device_type: "phoned",
            duration: stats.played_ms / 1000,
            audio_codec: session.negotiated.as_ref().map_or("", |n| n.codec.kind.name()),
            audio_rx: stats.rx_packets,
            audio_rx_lost: if received == 0 { 0.0 } else { stats.rx_lost as f64 / received as f64 },
            audio_rx_jitter_max: stats.rx_jitter_max_ms,
            audio_rx_jitter_avg: stats.rx_jitter_avg_ms,
            audio_tx: stats.tx_packets,
            audio_tx_lost: stats.tx_lost_ratio,
            audio_tx_jitter_max: stats.tx_jitter_max_ms,
            audio_tx_jitter_avg: stats.tx_jitter_avg_ms,
            video_codec: "",
            video_rx: 0,
            video_rx_lost: 0.0,
            video_rx_jitter_max: 0.0,
            video_rx_jitter_avg: 0.0,
            video_tx: 0,
            video_tx_lost: 0.0,
            video_tx_jitter_max: 0.0,
            video_tx_jitter_avg: 0.0,
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
            ice: session.path.ice.as_ref().map(|(local, remote)| Pair { local, remote }),
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

fn round(x: f64) -> f64 {
    (x * 100.0).round() / 100.0
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
