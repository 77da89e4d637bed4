//! What the owner of a microphone would want to be told while in a call: it is heard though muted, silent though open, too loud.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::Ua;
use super::clock::SECOND;
use super::io::{Mono, SessionId};

/// Louder than a quiet room: somebody speaks, dBov.
const SPEECH: f64 = -40.0;
/// Not even noise: the microphone is switched off, or not plugged in, dBov.
const SILENT: f64 = -90.0;
/// So long a silence is none of a speaker's: 9 s.
const SILENT_FOR: Mono = 9 * SECOND;
/// So much of a second at full scale is heard as a rasp, percent.
const CLIPPED: f64 = 0.5;

/// What was noticed of a session's microphone.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Microphone {
    silent_since: Option<Mono>,
    /// Told, and not to be told again: until unmuted, until there is sound, in this call.
    muted: bool,
    silent: bool,
    clipping: bool,
}

impl Microphone {
    /// Somebody has spoken into it since it was muted.
    pub fn is_muted_talking(&self) -> bool {
        self.muted
    }

    /// It gives nothing.
    pub fn is_silent(&self) -> bool {
        self.silent
    }

    /// It was too loud.
    pub fn is_clipping(&self) -> bool {
        self.clipping
    }
}

impl Ua {
    /// New figures of a session: looks at its microphone, where it is a real one and live.
    pub(super) fn watch_microphone(&mut self, id: SessionId) {
        let now = self.now.mono;
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let live = session.wants_microphone() && !session.parked;
        let (muted, clipped) = (session.muted, session.stats.mic_clipped_pct);
        let watch = &mut session.microphone;
        let Some(level) = session.stats.mic_level_dbov.filter(|_| live) else {
            watch.silent_since = None;
            return;
        };
        let mut alerts = Vec::new();
        if muted && level > SPEECH && !std::mem::replace(&mut watch.muted, true) {
            alerts.push(json!({"kind": "mutedTalking", "levelDbov": level}));
        }
        watch.muted &= muted;
        if level > SILENT {
            watch.silent_since = None;
            if std::mem::take(&mut watch.silent) {
                alerts.push(json!({"kind": "silentMicrophone", "state": "ok", "levelDbov": level}));
            }
        } else if !muted {
            let since = *watch.silent_since.get_or_insert(now);
            if now >= since + SILENT_FOR && !std::mem::replace(&mut watch.silent, true) {
                alerts.push(json!({"kind": "silentMicrophone", "state": "silent", "levelDbov": level}));
            }
        }
        if !muted && clipped > CLIPPED && !std::mem::replace(&mut watch.clipping, true) {
            alerts.push(json!({"kind": "clipping", "levelDbov": level}));
        }
        alerts.into_iter().for_each(|data| self.tell_session(id, "alert", data));
    }
}
