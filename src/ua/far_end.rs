//! What is noticed of the other side of a call: it is silent though it sends, it does not get what we send, we hear ourselves.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::Ua;
use super::alarm::{Alarm, Pace, Turn};
use super::clock::SECOND;
use super::io::{Mono, SessionId};
use super::media::MediaStats;

/// Not even the noise of a line, dBov: what A-law makes of silence is −72.
const SILENT: f64 = -66.0;
/// So many reports in a row that count no packet of ours are no accident; nor is so long a time without one that does, ms.
const UNCOUNTED: (u32, u64) = (2, 12_000);

/// Who listens says nothing for a while: 15 s are long, and a minute lies between two alerts.
const SILENCE: Pace = Pace { after: 15 * SECOND, over: 0, apart: 60 * SECOND };
/// Nobody speaks all the time: an echo is over when none was heard for half a minute.
const ECHO: Pace = Pace { after: 2 * SECOND, over: 30 * SECOND, apart: 300 * SECOND };
/// The reports themselves are slow.
const UNHEARD: Pace = Pace { after: 0, over: 0, apart: 30 * SECOND };

/// What was noticed of a session's far end, and of the work of its media.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct FarEnd {
    pub silent: Alarm,
    pub echo: Alarm,
    pub unheard: Alarm,
    /// When the figures came, ms since 1970 and monotonic; none: there are none yet.
    pub measured: Option<(i64, Mono)>,
    /// What failed last of its devices and ports, in plain words.
    pub fault: Option<String>,
}

impl Ua {
    /// Something of its devices or ports failed.
    pub(super) fn note_fault(&mut self, id: SessionId, reason: &str) {
        if let Some(session) = self.sessions.get_mut(&id) {
            session.far_end.fault = Some(reason.to_owned());
        }
    }

    /// New figures of a session: looks at its far end.
    pub(super) fn watch_far_end(&mut self, id: SessionId) {
        let now = self.now;
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let direction = session.negotiated.as_ref().map(|n| n.direction).unwrap_or_default();
        let live = !session.held() && !session.parked;
        let (hears, sends) = (live && direction.recv() && session.stalled_since.is_none(), live && direction.send());
        let (stats, watch) = (&session.stats, &mut session.far_end);
        watch.measured = Some((now.wall, now.mono));
        let (level, echo) = (stats.rx_level_dbov, stats.way.echo);
        let silent = (hears && stats.rx_packets > 0).then_some(level < SILENT);
        let unheard = (sends && stats.way.counted > 0).then_some(is_uncounted(stats));
        let mut told = Vec::new();
        match watch.silent.look(now.mono, SILENCE, silent) {
            Some(Turn::Began) => {
                told.push(("alert", json!({"kind": "farEndSilent", "state": "silent", "levelDbov": level})));
            }
            Some(Turn::Over) => {
                told.push(("alert", json!({"kind": "farEndSilent", "state": "ok", "levelDbov": level})))
            }
            None => {}
        }
        if watch.echo.look(now.mono, ECHO, (hears && sends).then_some(echo.is_some())) == Some(Turn::Began)
            && let Some(echo) = echo
        {
            told.push(("alert", json!({"kind": "echo", "delayMs": echo.delay_ms})));
        }
        match watch.unheard.look(now.mono, UNHEARD, unheard) {
            Some(Turn::Began) => {
                let reason = "the other side's reports count none of the packets that we send";
                told.push(("media", json!({"state": "unheard", "oneWay": true, "reason": reason})));
            }
            Some(Turn::Over) => told.push(("media", json!({"state": "flowing", "oneWay": false}))),
            None => {}
        }
        told.into_iter().for_each(|(event, data)| self.tell_session(id, event, data));
    }
}

/// We send, and the reports count nothing of it.
pub(super) fn is_uncounted(stats: &MediaStats) -> bool {
    stats.way.uncounted_reports >= UNCOUNTED.0 && stats.way.uncounted_ms >= UNCOUNTED.1
}
