//! Session timers (RFC 4028), both roles: a call whose peer has vanished without a BYE ends, and is told.

use serde::{Deserialize, Serialize};

use super::Ua;
use super::clock::{SECOND, Timer};
use super::io::{Mono, SessionId};
use super::session::{Op, Verb};
use crate::sip::message::Message;

/// The least interval that we take, s (RFC 4028 §4).
const MIN_SE: u32 = 90;

/// A session timer that runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Refresh {
    /// s
    pub interval: u32,
    /// We refresh; else the peer does.
    pub ours: bool,
    /// When to refresh, or to give up.
    pub due: Mono,
    /// The refresh is out; at `due` the session has expired.
    pub late: bool,
}

/// `1800;refresher=uac`
fn session_expires(msg: &Message) -> Option<(u32, Option<bool>)> {
    let value = msg.header("Session-Expires")?;
    let mut parts = value.split(';').map(str::trim);
    let seconds = parts.next()?.parse().ok()?;
    let refresher = parts.find_map(|p| p.strip_prefix("refresher=").map(|r| r.eq_ignore_ascii_case("uac")));
    Some((seconds, refresher))
}

impl Ua {
    /// The interval that a request asks for is too small: 422 (§9).
    pub(super) fn is_too_small(msg: &Message) -> bool {
        session_expires(msg).is_some_and(|(seconds, _)| seconds < MIN_SE) && msg.has_token("Supported", "timer")
    }

    /// What an INVITE or UPDATE of ours asks for.
    pub(super) fn ask_timer(&self, id: SessionId, msg: &mut Message) {
        let wanted = self.settings.phone.session_expires;
        let Some(session) = self.sessions.get(&id).filter(|_| wanted > 0) else { return };
        let least = session.min_se.max(MIN_SE);
        match session.refresh {
            Some(Refresh { interval, ours, .. }) => {
                let refresher = if ours { "uac" } else { "uas" };
                msg.push("Session-Expires", format!("{};refresher={refresher}", interval.max(least)));
            }
            None => msg.push("Session-Expires", wanted.max(least).to_string()),
        }
        msg.push("Min-SE", least.to_string());
    }

    /// What our 2xx to an INVITE or UPDATE grants (§9): the timer runs from here.
    pub(super) fn grant_timer(&mut self, id: SessionId, request: &Message, response: &mut Message) {
        let peer_can = request.has_token("Supported", "timer");
        let own =
            Some(self.settings.phone.session_expires).filter(|s| *s > 0 && peer_can).map(|s| (s.max(MIN_SE), None));
        let Some((interval, refresher)) = session_expires(request).or(own) else { return };
        let interval = interval.max(MIN_SE);
        let uac = refresher.unwrap_or(peer_can) && peer_can;
        if uac {
            response.push("Require", "timer");
        }
        response.push("Session-Expires", format!("{interval};refresher={}", if uac { "uac" } else { "uas" }));
        self.arm(id, interval, !uac);
    }

    /// What the peer's 2xx to an INVITE or UPDATE of ours grants (§7.2).
    pub(super) fn read_timer(&mut self, id: SessionId, response: &Message) {
        match session_expires(response) {
            Some((interval, refresher)) => self.arm(id, interval.max(MIN_SE), refresher.unwrap_or(true)),
            None => {
                if let Some(session) = self.sessions.get_mut(&id) {
                    session.refresh = None;
                }
            }
        }
    }

    fn arm(&mut self, id: SessionId, interval: u32, ours: bool) {
        let seconds = if ours { interval / 2 } else { interval - (interval / 3).min(32) };
        self.refresh_due(id, Refresh { interval, ours, due: 0, late: false }, seconds);
    }

    fn refresh_due(&mut self, id: SessionId, refresh: Refresh, seconds: u32) {
        let delay = u64::from(seconds) * SECOND;
        let due = self.now.mono + delay;
        if let Some(session) = self.sessions.get_mut(&id) {
            session.refresh = Some(Refresh { due, ..refresh });
            self.after(delay, Timer::Refresh(id));
        }
    }

    pub(super) fn on_refresh_timer(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get(&id) else { return };
        let Some(refresh) = session.refresh.filter(|r| r.due <= self.now.mono) else { return };
        if !refresh.ours || refresh.late {
            return self.give_up(id, "Expires", 408);
        }
        let left = refresh.interval - refresh.interval / 2 - (refresh.interval / 3).min(32);
        self.refresh_due(id, Refresh { late: true, ..refresh }, left.max(1));
        self.refresh(id);
    }

    /// UPDATE where the peer takes it, else a re-INVITE (§7.4).
    pub(super) fn refresh(&mut self, id: SessionId) {
        if self.sessions.get(&id).is_some_and(|s| s.peer_updates) {
            self.send_update(id);
        } else {
            self.ask(id, Op { verb: Verb::Refresh, reply: None });
        }
    }

    /// 422: the peer's least interval. True: it is new to us, and another try makes sense.
    pub(super) fn learn_min_se(&mut self, id: SessionId, msg: &Message) -> bool {
        let least = msg.header("Min-SE").and_then(|v| v.split(';').next()?.trim().parse().ok()).unwrap_or(0);
        let Some(session) = self.sessions.get_mut(&id).filter(|s| least > s.min_se) else { return false };
        session.min_se = least;
        true
    }
}
