//! The samples of a call: its report, its figures, its timer; and what its media says.

use serde_json::{Value, json};

use super::Ua;
use super::clock::{SECOND, Timer, seconds};
use super::io::SessionId;
use super::media::{MediaCommand, MediaStats};
use super::session::Session;

impl Ua {
    /// At the answer: the first report now, the next every `report_interval`.
    pub(super) fn begin_reports(&mut self, id: SessionId) {
        self.tell_report(id);
        self.after(seconds(self.settings.phone.report_interval.max(1)), Timer::Report(id));
    }

    pub(super) fn on_report_timer(&mut self, id: SessionId) {
        if self.sessions.contains_key(&id) {
            self.media(id, MediaCommand::Report);
            self.after(seconds(self.settings.phone.report_interval.max(1)), Timer::Report(id));
        }
    }

    pub(super) fn on_stats(&mut self, id: SessionId, stats: MediaStats) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        session.stats = stats;
        if session.is_answered() {
            self.tell_report(id);
        }
    }

    fn tell_report(&mut self, id: SessionId) {
        if !self.heard {
            return;
        }
        let Some(session) = self.sessions.get(&id) else { return };
        let data = json!({"callReport": self.call_report(session), "metrics": metrics(&session.stats)});
        self.tell_sample(id, "callReport", data);
    }

    pub(super) fn on_second(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get(&id) else { return };
        if session.timer_stopped.is_none() {
            let timer = session.timer(self.now.mono);
            self.tell_sample(id, "updateTimer", json!({"timer": timer}));
            self.after(SECOND, Timer::Second(id));
        }
    }

    /// The first audio of the peer.
    pub(super) fn on_stream(&mut self, id: SessionId, ssrc: u32) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let first = session.remote_ssrc.replace(ssrc).is_none();
        let (kind, stream) = (session.direction, session.remote_stream());
        if first {
            self.tell_session(id, "streamAdded", json!({"communicationType": kind, "stream": stream}));
        }
    }

    /// RTP stalls, or flows again.
    pub(super) fn on_media_flow(&mut self, id: SessionId, stalled: bool) {
        let now = self.now.mono;
        let Some(session) = self.sessions.get_mut(&id) else { return };
        session.stalled_since = stalled.then_some(now);
        let limit = self.settings.phone.rtp_timeout;
        self.tell_session(id, "media", json!({"state": if stalled { "stalled" } else { "flowing" }}));
        if stalled && limit > 0 {
            self.after(seconds(limit.saturating_sub(2).max(1)), Timer::Silence(id));
        }
    }

    /// `rtp_timeout` has passed since the media stalled, unless it came back.
    pub(super) fn on_silence(&mut self, id: SessionId) {
        let limit = seconds(self.settings.phone.rtp_timeout.saturating_sub(2).max(1));
        let Some(session) = self.sessions.get(&id) else { return };
        if session.stalled_since.is_some_and(|since| since.saturating_add(limit) <= self.now.mono) {
            self.give_up(id, "RTP Timeout", 408);
        }
    }

    /// The seed's call-quality object: every value a string, every field measured.
    pub(super) fn call_report(&self, session: &Session) -> Value {
        let stats = &session.stats;
        let extension = self.accounts.get(&session.account).map(|a| a.aor.user_unescaped()).unwrap_or_default();
        let whole = |n: u64| n.to_string();
        let ms = |x: f64| format!("{x:.3}");
        let total = stats.rx_packets.saturating_add(stats.rx_lost);
        let lost = if total == 0 { 0.0 } else { stats.rx_lost as f64 / total as f64 };
        let codec = session.negotiated.as_ref().map_or("", |n| n.codec.kind.name());
        json!({
            "lksTimestamp": session.answered_wall.to_string(),
            "lksDate": date(session.answered_wall),
            "callId": session.call_id,
            "extension": extension,
            "iceResult": "",
            "lksNetworkType": session.media.as_ref().map_or("unknown", |m| m.network.as_str()),
            "lksDeviceType": "phoned",
            "lksDuration": whole(stats.played_ms / 1000),
            "lksAudioCodec": codec,
            "lksAudioRx": whole(stats.rx_packets),
            "lksAudioRxLost": format!("{lost:.6}"),
            "lksAudioRxMaxjitter": ms(stats.rx_jitter_max_ms),
            "lksAudioRxAvgjitter": ms(stats.rx_jitter_avg_ms),
            "lksAudioTx": whole(stats.tx_packets),
            "lksAudioTxLost": format!("{:.6}", stats.tx_lost_ratio),
            "lksAudioTxMaxjitter": ms(stats.tx_jitter_max_ms),
            "lksAudioTxAvgjitter": ms(stats.tx_jitter_avg_ms),
            "lksVideoCodec": "",
            "lksVideoRx": "0",
            "lksVideoRxLost": "0.000000",
            "lksVideoRxMaxjitter": "0.000",
            "lksVideoRxAvgjitter": "0.000",
            "lksVideoTx": "0",
            "lksVideoTxLost": "0.000000",
            "lksVideoTxMaxjitter": "0.000",
            "lksVideoTxAvgjitter": "0.000",
        })
    }
}

/// `metrics`: the same call in numbers.
pub(super) fn metrics(stats: &MediaStats) -> Value {
    let total = stats.rx_packets.saturating_add(stats.rx_lost);
    let loss = if total == 0 { 0.0 } else { 100.0 * stats.rx_lost as f64 / total as f64 };
    json!({
        // Null until there is something to rate.
        "mos": (stats.mos > 0.0).then(|| round(stats.mos)),
        "rFactor": (stats.mos > 0.0).then(|| round(stats.r_factor)),
        "lossPct": round(loss),
        "jitterMs": round(stats.rx_jitter_ms),
        "rttMs": stats.rtt_ms.map(round),
        "jitterBufferMs": round(stats.jitter_buffer_ms),
        "concealedPct": round(stats.concealed_pct),
        "rxLevelDbov": (stats.rx_packets > 0).then(|| round(stats.rx_level_dbov)),
        "txLevelDbov": (stats.tx_packets > 0).then(|| round(stats.tx_level_dbov)),
        "oneWay": stats.one_way,
    })
}

fn round(x: f64) -> f64 {
    (x * 100.0).round() / 100.0
}

/// `YYYY-MM-DD hh:mm:ss` in UTC. The calendar is proleptic Gregorian: days are counted from 0000-03-01 in 400-year eras.
fn date(wall_ms: i64) -> String {
    let seconds = wall_ms.div_euclid(1000);
    let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02}", rest / 3600, rest / 60 % 60, rest % 60)
}

#[cfg(test)]
mod tests {
    use super::date;

    #[test]
    fn dates_are_utc() {
        assert_eq!(date(0), "1970-01-01 00:00:00");
        assert_eq!(date(951_782_399_999), "2000-02-28 23:59:59");
        assert_eq!(date(951_782_400_000), "2000-02-29 00:00:00");
        assert_eq!(date(1_795_392_000_000), "2026-11-23 00:00:00");
    }
}
