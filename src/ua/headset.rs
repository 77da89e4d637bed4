//! Headsets with buttons and lights (HID telephony page, HUT 1.5 §14): what a press means for the calls of that headset, and what its
//! lights show. As with tones, lights are worked out from the sessions after each input: none is forgotten.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::Ua;
use super::clock::SECOND;
use super::error::Error;
use super::io::{DeviceInfo, Mono, Output, ReplyId, SessionId};
use super::session::{Session, State};

/// A headset whose hook follows our light says so within this time: that is no press.
const ECHO: Mono = 3 * SECOND;
/// Who presses a button waits for no reply.
const NOBODY: ReplyId = ReplyId(u64::MAX);

/// A headset with buttons.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Headset {
    /// The hardware that it is, as [`DeviceInfo::hardware`](super::io::DeviceInfo::hardware) has it.
    pub hardware: String,
    /// A name for people.
    pub name: String,
}

/// What was pressed, or how it is now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Button {
    /// The hook switch, of a headset that only tells that it was pressed.
    Hook,
    /// The hook switch, of one that tells how it is: the line is taken.
    OffHook,
    /// It is given back.
    OnHook,
    /// Mute or unmute, whatever it was.
    Mute,
    /// Mute.
    MuteOn,
    /// Unmute.
    MuteOff,
    /// The flash key: to the other call, the one that waits or is held.
    Flash,
    /// Hold, or resume.
    Hold,
    /// Refuse what rings; else hang up.
    Drop,
}

/// What a headset shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lights {
    /// In a call, of whoever called.
    pub off_hook: bool,
    /// That call's microphone is muted.
    pub mute: bool,
    /// A call rings.
    pub ring: bool,
    /// A call is held.
    pub hold: bool,
}

/// What a press does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ButtonAction {
    /// `session.answer`
    Answer,
    /// `session.reject`
    Reject,
    /// `session.hangup`
    Hangup,
    /// `session.mute`
    Mute,
    /// `session.unmute`
    Unmute,
    /// `session.hold`
    Hold,
    /// `session.unhold`
    Unhold,
}

/// What is known of the headsets.
#[derive(Debug, Clone, Default)]
pub(super) struct Headsets(BTreeMap<String, Known>);

#[derive(Debug, Clone, Default)]
struct Known {
    /// None: they are to be shown, whatever they are.
    lights: Option<Lights>,
    /// How its hook switch was last, where it tells.
    off_hook: bool,
    /// What it will say of itself because we changed its light, and until when.
    echoes: VecDeque<(bool, Mono)>,
}

/// The sessions of one headset, as its buttons see them.
struct Hand {
    rings: Option<SessionId>,
    /// With a live microphone, or on its way out.
    live: Option<SessionId>,
    held: Option<SessionId>,
}

impl Ua {
    /// These headsets are there now.
    pub(super) fn on_headsets(&mut self, present: &[Headset]) {
        let old = std::mem::take(&mut self.headsets.0);
        let stays = |headset: &Headset| old.get(&headset.hardware).cloned().unwrap_or_default();
        self.headsets.0 = present.iter().map(|headset| (headset.hardware.clone(), stays(headset))).collect();
    }

    /// A button was pressed.
    pub(super) fn on_button(&mut self, hardware: &str, button: Button) {
        if self.is_echo(hardware, button) {
            return;
        }
        let hand = self.hand(hardware);
        let action = self.action(&hand, button);
        if let (None, Some(known)) = (action, self.headsets.0.get_mut(hardware)) {
            // Its hook is not as its light is: told again, it follows.
            known.lights = known.lights.filter(|lights| lights.off_hook == known.off_hook);
        }
        let input = self.devices.iter().find(|d| d.hardware.as_deref() == Some(hardware)).map(|d| d.id.clone());
        let call_id = action.and_then(|(_, id)| self.sessions.get(&id)).map(|session| session.call_id.clone());
        let told = json!({"id": input, "hardware": hardware, "button": button, "action": action.map(|a| a.0), "callId": call_id});
        self.tell_phone("device.button", told);
        let (Some((action, id)), Some(call_id)) = (action, call_id) else { return };
        self.at_hand = Some(id);
        if let Err(error) = self.press(action, id, &call_id) {
            tracing::info!(?button, ?action, call_id, %error, "a button that cannot do that now");
        }
    }

    /// Shows what has changed.
    pub(super) fn shine(&mut self) {
        let all: Vec<String> = self.headsets.0.keys().cloned().collect();
        for hardware in all {
            let lights = self.lights(&hardware);
            let now = self.now.mono;
            let changed = |known: &&mut Known| known.lights != Some(lights);
            let Some(known) = self.headsets.0.get_mut(&hardware).filter(changed) else { continue };
            known.echoes.retain(|(_, until)| *until >= now);
            let will_be = known.echoes.back().map_or(known.off_hook, |(state, _)| *state);
            if will_be != lights.off_hook {
                known.echoes.push_back((lights.off_hook, now + ECHO));
            }
            known.lights = Some(lights);
            self.out.push_back(Output::Lights { hardware, lights });
        }
    }

    /// The headset only repeats what we have just told it.
    fn is_echo(&mut self, hardware: &str, button: Button) -> bool {
        let off_hook = match button {
            Button::OffHook => true,
            Button::OnHook => false,
            _ => return false,
        };
        let now = self.now.mono;
        let Some(known) = self.headsets.0.get_mut(hardware) else { return false };
        known.off_hook = off_hook;
        known.echoes.retain(|(_, until)| *until >= now);
        let echo = known.echoes.iter().position(|(state, _)| *state == off_hook);
        if let Some(at) = echo {
            known.echoes.drain(..=at);
        }
        echo.is_some()
    }

    fn action(&self, hand: &Hand, button: Button) -> Option<(ButtonAction, SessionId)> {
        let with = |action, id: Option<SessionId>| id.map(|id| (action, id));
        let answer = with(ButtonAction::Answer, hand.rings);
        let hang_up = with(ButtonAction::Hangup, hand.live);
        let resume = with(ButtonAction::Unhold, hand.held);
        let muted = hand.live.and_then(|id| self.sessions.get(&id)).is_some_and(|session| session.muted);
        match button {
            // Who talks gives back the line: what rings meanwhile is for `Flash`, or rings on and is answered with the next press.
            Button::Hook => hang_up.or(answer).or(resume),
            Button::OffHook if hand.live.is_some() => None,
            Button::OffHook => answer.or(resume),
            // A call that is held stays.
            Button::OnHook => hang_up,
            Button::Mute => with(if muted { ButtonAction::Unmute } else { ButtonAction::Mute }, hand.live),
            Button::MuteOn => with(ButtonAction::Mute, hand.live),
            Button::MuteOff => with(ButtonAction::Unmute, hand.live),
            Button::Flash => answer.or(resume).or(with(ButtonAction::Hold, hand.live)),
            Button::Hold => with(ButtonAction::Hold, hand.live).or(resume),
            Button::Drop => with(ButtonAction::Reject, hand.rings).or(hang_up),
        }
    }

    fn press(&mut self, action: ButtonAction, id: SessionId, call_id: &str) -> Result<(), Error> {
        match action {
            ButtonAction::Answer => self.answer(id, None, None),
            ButtonAction::Reject => self.reject(id, None),
            // All of its conference: nobody is left alone with the others.
            ButtonAction::Hangup => {
                self.fellows(id).into_iter().for_each(|fellow| self.hangup(fellow));
                Ok(())
            }
            ButtonAction::Mute => self.mute(call_id, true).map(drop),
            ButtonAction::Unmute => self.mute(call_id, false).map(drop),
            ButtonAction::Hold => self.hold(id, true, NOBODY),
            ButtonAction::Unhold => match self.sessions.get(&id).map(|s| &s.state) {
                Some(State::Talking(talking)) if talking.held || talking.will_hold() => self.hold(id, false, NOBODY),
                // Its peer was not held: it only waits for the microphone.
                _ => {
                    self.take_microphone(id);
                    Ok(())
                }
            },
        }
    }

    fn hand(&self, hardware: &str) -> Hand {
        let mine = || self.sessions.values().filter(|session| session.headset.as_deref() == Some(hardware));
        let rings = |s: &&Session| matches!(&s.state, State::Incoming(i) if i.answering.is_none());
        let under_way = |s: &&Session| match &s.state {
            State::Incoming(incoming) => incoming.answering.is_some(),
            State::Preparing(_) | State::Calling(_) => true,
            State::Accepting(_) | State::Talking(_) => false,
        };
        // What is asked already counts: the lights do not flicker while calls change places.
        let talks = |s: &&Session| s.is_answered() && !matches!(&s.state, State::Talking(t) if t.will_hold());
        let live = mine().filter(talks).find(|s| !s.parked).or_else(|| mine().find(talks));
        let live = live.or_else(|| mine().find(under_way)).map(|s| s.id);
        Hand {
            rings: mine().find(rings).map(|s| s.id),
            live,
            held: mine().find(|s| s.is_answered() && Some(s.id) != live && !self.is_fellow(s.id, live)).map(|s| s.id),
        }
    }

    fn is_fellow(&self, id: SessionId, live: Option<SessionId>) -> bool {
        live.is_some_and(|live| self.are_fellows(id, live))
    }

    fn lights(&self, hardware: &str) -> Lights {
        let hand = self.hand(hardware);
        let live = hand.live.and_then(|id| self.sessions.get(&id));
        Lights {
            off_hook: live.is_some(),
            mute: live.is_some_and(|session| session.muted),
            ring: hand.rings.is_some(),
            hold: hand.held.is_some(),
        }
    }

    /// The hardware whose buttons are for who uses these devices: that of the microphone, else of the loudspeaker. `default` is what it
    /// is now: a session stays where it is when that changes.
    pub(super) fn headset_of(&self, input: &str, output: &str) -> Option<String> {
        let find = |id: &str, is_default: fn(&DeviceInfo) -> bool| {
            let is_it = |d: &&DeviceInfo| if id == "default" { is_default(d) && d.id != "null" } else { d.id == id };
            self.devices.iter().find(is_it)?.hardware.clone()
        };
        find(input, |d| d.default_input).or_else(|| find(output, |d| d.default_output))
    }
}
