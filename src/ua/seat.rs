//! Seats: one agent's microphone and the sessions that share it.

use serde_json::json;

use super::Ua;
use super::account::Account;
use super::command::{DeviceRole, SetRole};
use super::error::{Code, Error};
use super::io::{DeviceInfo, SessionId};
use super::media::MediaCommand;
use super::session::{Chosen, Op, Session, State, Verb};

impl Ua {
    /// The microphone and the loudspeaker of a session: its own, its account's, or those of all.
    pub(super) fn devices_for(&self, account: &Account, chosen: &Chosen) -> (String, String) {
        let (settings, audio) = (&account.settings, &self.settings.audio);
        let input = chosen.input.as_ref().or(settings.input.as_ref()).unwrap_or(&audio.input);
        let output = chosen.output.as_ref().or(settings.output.as_ref()).unwrap_or(&audio.output);
        (input.clone(), output.clone())
    }

    /// The device that a call or an answer names: its microphone, and its loudspeaker where the device is both.
    pub(super) fn chosen(&self, device: Option<&str>) -> Chosen {
        let plays = |id: &&str| self.devices.iter().any(|d| d.id == *id && d.output) || *id == "null";
        let own = |id: &str| id.to_owned();
        Chosen { input: device.map(own), output: device.filter(plays).map(own), ringer: None }
    }

    /// The seat of a session: the account's by name, else its microphone; built-in sources are alone.
    pub(super) fn seat_of(&self, account: &Account, input: &str, id: SessionId) -> String {
        if let Some(seat) = &account.settings.seat {
            return format!("seat:{seat}");
        }
        let real = match input {
            "default" => self.devices.iter().find(|d| d.default_input && d.id != "null").map(|d| d.id.clone()),
            _ if is_built_in(input) => None,
            _ => Some(input.to_owned()),
        };
        real.map_or_else(|| format!("session:{}", id.0), |device| format!("device:{device}"))
    }

    /// The device exists, as far as the host has told.
    pub(super) fn has_input(&self, input: &str) -> bool {
        input == "default" || is_built_in(input) || self.devices.iter().any(|d| d.id == input && d.input)
    }

    /// How many sessions a seat has.
    pub(super) fn in_seat(&self, seat: &str) -> usize {
        self.sessions.values().filter(|s| s.seat == seat).count()
    }

    /// Gives the seat's microphone to a session and its conference: every other live one is cut off in this very turn, and its
    /// peer asked to hold. Some: a session whose hold is worth waiting for.
    pub(super) fn take_microphone(&mut self, id: SessionId) -> Option<SessionId> {
        let seat = self.sessions.get(&id)?.seat.clone();
        let fellows = self.fellows(id);
        let live = |s: &&Session| !fellows.contains(&s.id) && s.seat == seat && s.wants_microphone();
        let others: Vec<SessionId> = self.sessions.values().filter(live).map(|s| s.id).collect();
        fellows.into_iter().for_each(|fellow| self.park(fellow, false));
        let mut asked = None;
        for other in others {
            self.park(other, true);
            let talking = matches!(self.sessions.get(&other).map(|s| &s.state), Some(State::Talking(_)));
            if self.settings.phone.hold_others && talking {
                self.ask(other, Op { verb: Verb::Hold, reply: None });
                asked = asked.or(Some(other));
            }
        }
        asked
    }

    /// Another session of the seat, not of its conference, is live.
    pub(super) fn is_contested(&self, id: SessionId) -> bool {
        let Some(seat) = self.sessions.get(&id).map(|s| &s.seat) else { return false };
        let other = |s: &Session| s.id != id && s.seat == *seat && !self.are_fellows(s.id, id);
        self.sessions.values().any(|s| other(s) && s.wants_microphone() && !s.parked)
    }

    /// A session of the seat is over: one that was cut off for it, and is not held, gets the microphone back, and so does its
    /// conference.
    pub(super) fn free_microphone(&mut self, seat: &str) {
        let live = |s: &&Session| s.seat == seat && s.wants_microphone();
        if !self.sessions.values().filter(live).all(|s| s.parked) {
            return;
        }
        let answered = self.sessions.values().filter(live).find(|s| s.is_answered());
        if let Some(id) = answered.or_else(|| self.sessions.values().find(live)).map(|s| s.id) {
            self.fellows(id).into_iter().for_each(|fellow| self.park(fellow, false));
        }
    }

    /// Early media begins: its microphone is live, unless another of the seat is.
    pub(super) fn share_microphone(&mut self, id: SessionId) {
        if self.is_contested(id) {
            self.park(id, true);
        }
    }

    /// Parked: silence in place of the microphone, whatever `isMute` says.
    pub(super) fn park(&mut self, id: SessionId, parked: bool) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        if session.parked != parked {
            session.parked = parked;
            let silent = parked || session.muted;
            self.media(id, MediaCommand::Mute(silent));
        }
    }

    /// The hold that others of the seat waited for is final, or late.
    pub(super) fn hold_is_final(&mut self, held: SessionId) {
        let waits = |s: &&Session| match &s.state {
            State::Incoming(i) => i.answering.as_ref().is_some_and(|a| a.waits_for == Some(held)),
            _ => false,
        };
        let waiting: Vec<SessionId> = self.sessions.values().filter(waits).map(|s| s.id).collect();
        for id in waiting {
            let next = self.still_asked(id);
            match self.sessions.get_mut(&id).map(|s| &mut s.state) {
                Some(State::Incoming(i)) if next.is_some() => {
                    i.answering.iter_mut().for_each(|answering| answering.waits_for = next);
                }
                _ => self.seat_is_free(id),
            }
        }
        self.on_held_for_transfer(held);
    }

    /// Another of its seat that is asked to hold: a conference has several.
    fn still_asked(&self, id: SessionId) -> Option<SessionId> {
        let seat = &self.sessions.get(&id)?.seat;
        let asked = |s: &&Session| {
            s.id != id && s.seat == *seat && !s.held() && matches!(&s.state, State::Talking(t) if t.will_hold())
        };
        self.sessions.values().find(asked).map(|s| s.id)
    }

    /// Moves the seat's focus.
    pub(super) fn set_current(&mut self, id: Option<SessionId>) {
        if self.current == id {
            return;
        }
        let name = |id: Option<SessionId>| id.and_then(|i| self.sessions.get(&i)).map(|s| s.call_id.clone());
        let (old, new) = (name(self.current), name(id));
        self.current = id;
        self.tell_phone("currentSessionChange", json!({"callId": new, "oldCallId": old}));
    }

    pub(super) fn on_devices(&mut self, devices: Vec<DeviceInfo>) {
        let seats = self.seats_of_agents();
        let old = std::mem::replace(&mut self.devices, devices);
        let is_in = |list: &[DeviceInfo], id: &str| list.iter().any(|d| d.id == id);
        let added: Vec<DeviceInfo> = self.devices.iter().filter(|d| !is_in(&old, &d.id)).cloned().collect();
        // `null` is the default as long as there is no other: that is not worth a word.
        let differs = |new: &&DeviceInfo| new.id != "null" && old.iter().any(|old| old.id == new.id && old != *new);
        let changed: Vec<DeviceInfo> = self.devices.iter().filter(differs).cloned().collect();
        let removed: Vec<DeviceInfo> = old.into_iter().filter(|d| !is_in(&self.devices, &d.id)).collect();
        added.into_iter().for_each(|d| self.tell_phone("device.added", json!({"device": d})));
        changed.into_iter().for_each(|d| {
            self.tell_phone("device.changed", json!({"id": d.id, "account": null, "callId": null, "device": d}))
        });
        removed.into_iter().for_each(|d| self.tell_phone("device.removed", json!({"device": d})));
        self.agents_follow(&seats);
    }

    /// `device.setRole`: for new sessions, and at once for those that live.
    pub(super) fn set_role(&mut self, role: SetRole) -> Result<serde_json::Value, Error> {
        let fits = |d: &DeviceInfo| d.id == role.id && if role.role == DeviceRole::Input { d.input } else { d.output };
        if role.id != "default" && !is_built_in(&role.id) && !self.devices.iter().any(fits) {
            return Err(Error::new(Code::NoInput, format!("no device {:?} can do that", role.id))
                .hint("device.list names them"));
        }
        if role.account.is_some() && role.call_id.is_some() {
            return Err(
                Error::new(Code::InvalidParams, "for an account, or for a session").hint("leave one of them out")
            );
        }
        if let Some(name) = &role.account {
            self.account(name)?;
        }
        let call = role.call_id.as_ref().map(|call_id| self.find(call_id)).transpose()?;
        let (id, seats) = (role.id.clone(), self.seats_of_agents());
        if let Some(session) = call.and_then(|call| self.sessions.get_mut(&call)) {
            let Chosen { input, output, ringer } = &mut session.chosen;
            *[input, output, ringer][role.role as usize] = Some(id);
        } else if let Some(account) = role.account.as_ref().and_then(|name| self.accounts.get_mut(name)) {
            let settings = &mut account.settings;
            *[&mut settings.input, &mut settings.output, &mut settings.ringer][role.role as usize] = Some(id);
        } else {
            let audio = &mut self.settings.audio;
            *[&mut audio.input, &mut audio.output, &mut audio.ringer][role.role as usize] = id;
        }
        let concerned = |s: &&Session| {
            call.is_none_or(|call| call == s.id) && role.account.as_ref().is_none_or(|a| *a == s.account)
        };
        self.move_sessions(self.sessions.values().filter(concerned).map(|s| s.id).collect());
        let told = json!({"id": role.id, "role": role.role, "account": role.account, "callId": role.call_id});
        match call {
            Some(call) => self.tell_session(call, "device.changed", told),
            None => self.tell_phone("device.changed", told),
        }
        self.agents_follow(&seats);
        Ok(serde_json::Value::Bool(true))
    }

    fn move_sessions(&mut self, ids: Vec<SessionId>) {
        for id in ids {
            let Some(session) = self.sessions.get(&id) else { continue };
            let Some(owner) = self.accounts.get(&session.account) else { continue };
            let (input, output) = self.devices_for(owner, &session.chosen);
            if (&input, &output) == (&session.input, &session.output) {
                continue;
            }
            let (seat, headset) = (self.seat_of(owner, &input, id), self.headset_of(&input, &output));
            if let Some(session) = self.sessions.get_mut(&id) {
                session.seat = seat;
                session.headset = headset;
                session.input.clone_from(&input);
                session.output.clone_from(&output);
            }
            self.media(id, MediaCommand::Devices { input, output });
        }
        self.leave_with_seat();
        // Seats may have become one: its microphone is the current session's.
        if let Some(current) = self.current.filter(|id| self.sessions.get(id).is_some_and(Session::wants_microphone)) {
            self.take_microphone(current);
        }
    }
}

fn is_built_in(id: &str) -> bool {
    id == "null" || id.starts_with("tone:") || id.starts_with("file:")
}
