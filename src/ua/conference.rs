//! The local conference: sessions of a seat that hear each other and share its microphone. The media engine mixes; here is
//! who is in it, and what that means for the seat.
//!
//! For the seat a conference is one call (guarantee 7): when another call takes the microphone all members are held, and the
//! resumption of one resumes all. A member that its user holds is apart: it stays so until it is resumed by name.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Ua;
use super::error::{Code, Error};
use super::io::{ReplyId, SessionId};
use super::media::MediaCommand;
use super::session::{Op, Session, State, Verb};
use super::wrong_state;

/// A session's place in a conference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Place {
    /// Which conference.
    pub conference: u64,
    /// Held by itself: it does not come back with the others.
    pub apart: bool,
}

impl Ua {
    /// `phone.merge`: the reply comes when everyone named is resumed, or with the first refusal. Who is in a conference brings it
    /// along.
    pub(super) fn merge(&mut self, call_ids: &[String], reply: ReplyId) -> Result<(), Error> {
        let mut named: Vec<SessionId> = Vec::new();
        for call_id in call_ids {
            let id = self.find(call_id)?;
            if !named.contains(&id) {
                named.push(id);
            }
        }
        let [first, _, ..] = named[..] else {
            return Err(Error::new(Code::InvalidParams, "a conference has two sessions or more")
                .hint("callIds: two different ones at least"));
        };
        named.iter().try_for_each(|id| self.may_join(*id, first))?;
        let conference = self.conference_for(&named)?;
        let all: BTreeSet<SessionId> = named.iter().flat_map(|id| self.fellows(*id)).collect();
        for id in &all {
            self.join(*id, conference);
        }
        named.iter().for_each(|id| self.set_apart(*id, false));
        self.take_microphone(first);
        if self.current.is_none_or(|current| !all.contains(&current)) {
            self.set_current(Some(first));
        }
        self.ask_all(&named, Verb::Unhold, reply);
        self.resume_fellows(first);
        Ok(())
    }

    /// `phone.split`: one leaves its conference and is held; or all do but the one that goes on. The reply comes with the last
    /// answer, or with the first refusal.
    pub(super) fn split(&mut self, call_id: Option<&str>, reply: ReplyId) -> Result<(), Error> {
        let out = match call_id {
            Some(call_id) => {
                Some(self.find(call_id)?).filter(|id| self.conference_of(*id).is_some()).into_iter().collect()
            }
            None => self.all_but_one()?,
        };
        out.iter().try_for_each(|id| self.may_wait(*id))?;
        for id in &out {
            self.leave(*id);
            if self.is_contested(*id) {
                self.park(*id, true);
            }
        }
        self.ask_all(&out, Verb::Hold, reply);
        Ok(())
    }

    /// A session and all who are in a conference with it.
    pub(super) fn fellows(&self, id: SessionId) -> Vec<SessionId> {
        match self.conference_of(id) {
            Some(conference) => self.members(conference),
            None => vec![id],
        }
    }

    /// Both are in one conference.
    pub(super) fn are_fellows(&self, one: SessionId, other: SessionId) -> bool {
        self.conference_of(one).is_some_and(|conference| self.conference_of(other) == Some(conference))
    }

    /// Held by its user, or resumed by name.
    pub(super) fn set_apart(&mut self, id: SessionId, apart: bool) {
        if let Some(place) = self.sessions.get_mut(&id).and_then(|s| s.place.as_mut()) {
            place.apart = apart;
        }
    }

    /// The others of its conference come back with it: those that were held as one.
    pub(super) fn resume_fellows(&mut self, id: SessionId) {
        let held = |s: &Session| {
            let waits = s.place.is_some_and(|p| !p.apart) && s.refers.transfer.is_none();
            waits && matches!(&s.state, State::Talking(t) if t.will_hold())
        };
        for fellow in self.fellows(id) {
            if fellow != id && self.sessions.get(&fellow).is_some_and(held) {
                self.ask(fellow, Op { verb: Verb::Unhold, reply: None });
            }
        }
    }

    /// One that is left alone is in no conference any more.
    pub(super) fn dissolve(&mut self, conference: u64) {
        if let [last] = self.members(conference)[..] {
            self.leave(last);
        }
    }

    /// Seats have changed: who sits elsewhere now than its conference leaves it.
    pub(super) fn leave_with_seat(&mut self) {
        let ids: Vec<SessionId> = self.sessions.keys().copied().collect();
        for id in ids {
            let seat = |id: SessionId| self.sessions.get(&id).map(|s| &s.seat);
            if self.fellows(id).first().is_some_and(|first| seat(*first) != seat(id)) {
                self.leave(id);
            }
        }
    }

    /// The answer to a verb. One that several sessions were asked for at once is answered with the last of them, or with the
    /// first refusal.
    pub(super) fn answer_op(&mut self, reply: Option<ReplyId>, result: Result<Value, Error>) {
        let Some(reply) = reply else { return };
        let is_it = |op: &Op| op.reply == Some(reply);
        let waits = |s: &Session| match &s.state {
            State::Talking(t) => t.pending.as_ref().is_some_and(|p| is_it(&p.op)) || t.queue.iter().any(is_it),
            _ => false,
        };
        if result.is_err() || !self.sessions.values().any(waits) {
            self.reply(reply, result);
        }
    }

    fn ask_all(&mut self, ids: &[SessionId], verb: Verb, reply: ReplyId) {
        for id in ids {
            if let Some(talking) = self.sessions.get_mut(id).and_then(|s| s.talking()) {
                talking.queue.push_back(Op { verb, reply: Some(reply) });
            }
        }
        ids.iter().for_each(|id| self.advance(*id));
        self.answer_op(Some(reply), Ok(Value::Bool(true)));
    }

    fn conference_of(&self, id: SessionId) -> Option<u64> {
        self.sessions.get(&id)?.place.map(|p| p.conference)
    }

    fn members(&self, conference: u64) -> Vec<SessionId> {
        let is_in = |s: &&Session| s.place.is_some_and(|p| p.conference == conference);
        self.sessions.values().filter(is_in).map(|s| s.id).collect()
    }

    fn may_join(&self, id: SessionId, first: SessionId) -> Result<(), Error> {
        let (Some(session), Some(first)) = (self.sessions.get(&id), self.sessions.get(&first)) else { return Ok(()) };
        let call = &session.call_id;
        if !matches!(session.state, State::Talking(_)) {
            return Err(wrong_state(&format!("{call} is not confirmed")).hint("wait for its `confirmed`"));
        }
        if session.seat != first.seat {
            return Err(wrong_state(&format!("{call} is in another seat than {}", first.call_id))
                .hint("a conference shares one microphone; seat of an account puts its sessions into one"));
        }
        if session.refers.transfer.is_some() {
            return Err(wrong_state(&format!("a transfer of {call} is under way"))
                .hint("wait for `transferred` or `transferFailed`"));
        }
        self.may_wait(id)
    }

    fn may_wait(&self, id: SessionId) -> Result<(), Error> {
        match self.sessions.get(&id) {
            Some(Session { state: State::Talking(t), call_id, .. }) if t.queue.len() >= 16 => {
                Err(wrong_state(&format!("16 verbs of {call_id} wait for the far end already")))
            }
            _ => Ok(()),
        }
    }

    /// The conference of one of them, else a new one. A seat has one: nobody is put together with callers that were not meant.
    fn conference_for(&mut self, named: &[SessionId]) -> Result<u64, Error> {
        if let Some(conference) = named.iter().find_map(|id| self.conference_of(*id)) {
            return Ok(conference);
        }
        let seat = named.first().and_then(|id| self.sessions.get(id)).map(|s| &s.seat);
        if let Some(other) = self.sessions.values().find(|s| s.place.is_some() && Some(&s.seat) == seat) {
            return Err(wrong_state("the seat has a conference already")
                .hint(format!("name one of it, {} say, to join it; or phone.split", other.call_id)));
        }
        Ok(self.fresh_id())
    }

    fn join(&mut self, id: SessionId, conference: u64) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let apart = session.place.is_some_and(|p| p.apart);
        let before = session.place.replace(Place { conference, apart });
        if before.is_none_or(|p| p.conference != conference) {
            self.media(id, MediaCommand::Conference(Some(conference)));
            self.tell_status(id);
        }
    }

    /// Out of its conference: told and, when one is left, that one too.
    fn leave(&mut self, id: SessionId) {
        let Some(place) = self.sessions.get_mut(&id).and_then(|s| s.place.take()) else { return };
        self.media(id, MediaCommand::Conference(None));
        self.tell_status(id);
        self.dissolve(place.conference);
    }

    /// Of the conference that `split` without a callId means: all but its session that goes on.
    fn all_but_one(&self) -> Result<Vec<SessionId>, Error> {
        let all: BTreeSet<u64> = self.sessions.keys().filter_map(|id| self.conference_of(*id)).collect();
        let current = self.current.and_then(|id| self.conference_of(id));
        let mut conferences = all.into_iter();
        let conference = match (current, conferences.next(), conferences.next()) {
            (Some(current), ..) => current,
            (None, None, _) => return Ok(Vec::new()),
            (None, Some(only), None) => only,
            _ => {
                return Err(wrong_state("there are several conferences, and the current session is in none of them")
                    .hint("name a session: callId"));
            }
        };
        let mut members = self.members(conference);
        let talks = |id: &&SessionId| self.sessions.get(id).is_some_and(Session::wants_microphone);
        let goes_on =
            self.current.filter(|id| members.contains(id) && talks(&id)).or(members.iter().find(talks).copied());
        // Where all are held, all stay so.
        members.retain(|id| Some(*id) != goes_on);
        Ok(members)
    }
}
