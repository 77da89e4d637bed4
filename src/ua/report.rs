//! The samples of a call: its report, its figures, its timer; and what its media says.

use serde_json::json;

use super::Ua;
use super::clock::{SECOND, Timer, seconds};
use super::io::SessionId;
use super::media::{MediaCommand, MediaStats, PathFacts};

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
            self.watch_microphone(id);
            self.watch_far_end(id);
        }
    }

    fn tell_report(&mut self, id: SessionId) {
        self.tell_made(id, true, "callReport", |ua, session| ua.report(session));
    }

    pub(super) fn on_second(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get(&id) else { return };
        if session.timer_stopped.is_none() {
            self.tell_made(id, true, "updateTimer", |ua, session| ua.seconds(session));
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

    /// The path of the media, or its keys.
    pub(super) fn on_path(&mut self, id: SessionId, facts: PathFacts) {
        if let Some(session) = self.sessions.get_mut(&id) {
            session.path = facts;
        }
    }

    /// The media has no path or no keys, and will have none.
    pub(super) fn on_broken(&mut self, id: SessionId, reason: String) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        tracing::warn!(session = id.0, "the media is lost: {reason}");
        session.because = Some(reason);
        self.give_up(id, "WebRTC Error", 488);
    }

    /// RTP stalls, or flows again.
    pub(super) fn on_media_flow(&mut self, id: SessionId, stalled: bool) {
        let now = self.now.mono;
        let Some(session) = self.sessions.get_mut(&id) else { return };
        session.stalled_since = stalled.then_some(now);
        let sends = session.negotiated.as_ref().is_some_and(|n| n.direction.send()) && !session.held();
        let limit = self.settings.phone.rtp_timeout;
        let state = if stalled { "stalled" } else { "flowing" };
        self.tell_session(id, "media", json!({"state": state, "oneWay": stalled && sends}));
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
}
