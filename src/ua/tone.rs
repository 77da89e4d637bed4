//! Which tones an agent hears, and where: after each input this looks at the sessions, and starts and stops what has changed. So a
//! tone can neither be forgotten nor outlive its reason.
//!
//! Ringing goes to the ringer, everything else to the session's own loudspeaker; no tone goes to a device that is another agent's,
//! and none sounds while somebody speaks in another call of the seat (`over`: the edge hears that).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Ua;
use super::clock::{SECOND, Timer};
use super::io::{Mono, Output, SessionId};
use super::media::{Tone, ToneCommand};
use super::session::{Chosen, Session, State};
use super::status::CommunicationType;

/// How long busy and congestion are heard.
const AFTER: Mono = 5 * SECOND;

/// What sounds now.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Tones {
    /// By device and kind: two calls that ring at one device ring once.
    sounding: Vec<Sounding>,
    /// Names given so far.
    started: u64,
    /// By seat: what is heard of a call that is over.
    after: BTreeMap<String, After>,
}

/// A tone at a device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Sounding {
    id: u64,
    tone: Tone,
    device: String,
    over: Vec<SessionId>,
}

/// See [`Tones`].
#[derive(Debug, Clone, Serialize, Deserialize)]
struct After {
    tone: Tone,
    device: String,
    until: Mono,
}

impl Ua {
    /// Starts and stops what has changed.
    pub(super) fn sound(&mut self) {
        if self.sessions.is_empty() && self.tones.after.is_empty() && self.tones.sounding.is_empty() {
            return;
        }
        let now = self.now.mono;
        let mut after = std::mem::take(&mut self.tones.after);
        after.retain(|seat, after| after.until > now && !self.is_used(seat));
        self.tones.after = after;
        let mut wanted = self.wanted_tones();
        let before = std::mem::take(&mut self.tones.sounding);
        for old in before {
            let same = |new: &Sounding| (new.tone, &new.device, &new.over) == (old.tone, &old.device, &old.over);
            match wanted.iter().position(same) {
                Some(at) => {
                    wanted.swap_remove(at);
                    self.tones.sounding.push(old);
                }
                None => self.out.push_back(Output::Tone(ToneCommand::Stop { id: old.id })),
            }
        }
        for new in wanted {
            let id = self.start_tone(new.tone, &new.device, new.over.clone());
            self.tones.sounding.push(Sounding { id, ..new });
        }
    }

    /// A digit of ours is heard here too, unless nobody is to know it.
    pub(super) fn sound_key(&mut self, id: SessionId, digit: char, redact: bool) {
        let Some(session) = self.sessions.get(&id) else { return };
        if !redact && self.is_heard(&session.output) {
            let (device, mut over) = (session.output.clone(), self.in_use_beside(session));
            over.push(id);
            self.start_tone(Tone::Key(digit), &device, over);
        }
    }

    /// A session is about to go: what its agent hears of that. Who has ended it, or was sent elsewhere, knows.
    pub(super) fn sound_after(&mut self, session: SessionId, event: &str, data: &Value) {
        let Some(session) = self.sessions.get(&session) else { return };
        let by_us = data["by"] == "local" || session.transferred_to.is_some() || !self.draining.is_empty();
        if by_us || !self.is_heard(&session.output) {
            return;
        }
        let outbound = session.direction == CommunicationType::Outbound;
        let (tone, lasts) = match (event, data["code"].as_u64()) {
            ("ended", _) => (Tone::CallEnded, 2 * SECOND),
            ("failed", Some(486 | 600)) if outbound => (Tone::Busy, AFTER),
            ("failed", _) if outbound => (Tone::Congestion, AFTER),
            _ => return,
        };
        let after = After { tone, device: session.output.clone(), until: self.now.mono + lasts };
        self.tones.after.insert(session.seat.clone(), after);
        self.after(lasts, Timer::Tones);
    }

    fn start_tone(&mut self, tone: Tone, device: &str, over: Vec<SessionId>) -> u64 {
        self.tones.started += 1;
        let id = self.tones.started;
        self.out.push_back(Output::Tone(ToneCommand::Start { id, tone, device: device.to_owned(), over }));
        id
    }

    fn wanted_tones(&self) -> Vec<Sounding> {
        let mut wanted: Vec<Sounding> = Vec::new();
        let mut want = |tone, device: &str, over| {
            let there = wanted.iter().any(|other| other.tone == tone && other.device == device);
            if !there {
                wanted.push(Sounding { id: 0, tone, device: device.to_owned(), over });
            }
        };
        for session in self.sessions.values() {
            match &session.state {
                State::Incoming(incoming) if incoming.answering.is_none() && session.auto_answer != Some(0) => {
                    let ringer = self.ringer_of(session);
                    if ringer.is_none() && !self.is_heard(&session.output) {
                        continue;
                    }
                    let talks = self.in_use_beside(session);
                    match ringer {
                        Some(ringer) if talks.is_empty() => want(Tone::Ringing, ringer, talks),
                        _ if !talks.is_empty() && self.is_heard(&session.output) => {
                            want(Tone::CallWaiting, &session.output, talks);
                        }
                        _ => {}
                    }
                }
                State::Calling(calling)
                    if calling.rings && session.remote_ssrc.is_none() && self.is_heard(&session.output) =>
                {
                    want(Tone::Ringback, &session.output, self.in_use_beside(session));
                }
                _ => {}
            }
        }
        for after in self.tones.after.values() {
            want(after.tone, &after.device, Vec::new());
        }
        wanted
    }

    /// The other calls that the agent has in hand: those that talk, or are on their way.
    fn in_use_beside(&self, session: &Session) -> Vec<SessionId> {
        let others = self.sessions.values().filter(|other| other.id != session.id && other.seat == session.seat);
        others.filter(|other| !other.held() && !other.rings()).map(|other| other.id).collect()
    }

    /// Something rings, talks or is on its way at this seat: what was over is no more to be heard.
    fn is_used(&self, seat: &str) -> bool {
        self.sessions.values().any(|session| session.seat == seat && !session.held())
    }

    /// Where a call rings: at the ringer, but never in the ear of an agent whom it is not for. None: nowhere.
    fn ringer_of<'a>(&'a self, session: &'a Session) -> Option<&'a str> {
        let own = self.accounts.get(&session.account).and_then(|account| account.settings.ringer.as_ref());
        let ringer = session.chosen.ringer.as_ref().or(own).unwrap_or(&self.settings.audio.ringer);
        if ringer.starts_with("file:") {
            return Some(ringer);
        }
        let place = self.real_output(ringer)?;
        if self.real_output(&session.output) == Some(place) {
            return Some(ringer);
        }
        let is_anothers = self.accounts.values().any(|account| {
            let (input, output) = self.devices_for(account, &Chosen::default());
            self.real_output(&output) == Some(place) && self.seat_of(account, &input, session.id) != session.seat
        });
        let device = if is_anothers { &session.output } else { ringer };
        self.is_heard(device).then_some(device)
    }

    /// Somebody may listen there. A file of a call's is the call's alone.
    fn is_heard(&self, device: &str) -> bool {
        self.real_output(device).is_some()
    }

    /// The device behind a name, as far as the host has told.
    fn real_output<'a>(&'a self, id: &'a str) -> Option<&'a str> {
        match id {
            "default" => self.devices.iter().find(|d| d.default_output && d.id != "null").map(|d| d.id.as_str()),
            _ if id.starts_with("pulse:") || id.starts_with("alsa:") => Some(id),
            _ => None,
        }
    }
}
