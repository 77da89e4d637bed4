//! Idempotency keys: the same key and params act once and share the answer, for 24 hours, over a restart too.

use std::collections::{BTreeMap, VecDeque};

use jsonrpsee::types::ErrorObjectOwned;
use serde_json::{Value, json};

use super::outbox::Reply;
use super::{Answer, errors};
use crate::store::Key;
use crate::ua::error::{Code, Error};

/// How long a key is known, ms.
const AGE: i64 = 24 * 3600 * 1000;
/// Keys that are known at once: the oldest is forgotten.
const MAX: usize = 16_384;

/// A user and his key.
pub(super) type Owner = (u32, String);

/// What is known of the keys.
#[derive(Default)]
pub(super) struct Keys {
    known: BTreeMap<Owner, Slot>,
    order: VecDeque<(i64, Owner)>,
}

struct Slot {
    print: u64,
    at: i64,
    state: State,
}

enum State {
    /// It is being done; these wait for its answer too.
    Open(Vec<Reply>),
    Done(Answer),
}

impl Keys {
    /// What an earlier life of the daemon has left.
    pub fn load(keys: Vec<Key>) -> Keys {
        let mut all = Keys::default();
        for key in keys {
            let answer = key.answer.as_ref().map_or_else(|| Err(cut_off()), read);
            let owner = (key.user, key.key);
            if all
                .known
                .insert(owner.clone(), Slot { print: key.print, at: key.at, state: State::Done(answer) })
                .is_none()
            {
                all.order.push_back((key.at, owner));
            }
        }
        all
    }

    /// A request with a key. It comes back when it is to be done; else it has its answer, or will share it.
    pub fn enter(&mut self, owner: &Owner, print: u64, now: i64, reply: Reply) -> Option<Reply> {
        self.forget(now);
        match self.known.get_mut(owner) {
            None => {
                self.known.insert(owner.clone(), Slot { print, at: now, state: State::Open(Vec::new()) });
                self.order.push_back((now, owner.clone()));
                return Some(reply);
            }
            Some(slot) if slot.print != print => reply.send(Err(conflict())),
            Some(Slot { state: State::Open(waiting), .. }) => waiting.push(reply),
            Some(Slot { state: State::Done(answer), .. }) => reply.send(answer.clone()),
        }
        None
    }

    /// It is done. Who waits too, and what is to be kept.
    pub fn done(&mut self, owner: &Owner, answer: &Answer) -> (Vec<Reply>, Option<Key>) {
        let Some(slot) = self.known.get_mut(owner) else { return (Vec::new(), None) };
        let before = std::mem::replace(&mut slot.state, State::Done(answer.clone()));
        let waiting = if let State::Open(waiting) = before { waiting } else { Vec::new() };
        let key =
            Key { user: owner.0, key: owner.1.clone(), print: slot.print, at: slot.at, answer: Some(written(answer)) };
        (waiting, Some(key))
    }

    fn forget(&mut self, now: i64) {
        while self.order.len() >= MAX || self.order.front().is_some_and(|(at, _)| now - at > AGE) {
            let Some((_, owner)) = self.order.pop_front() else { return };
            self.known.remove(&owner);
        }
    }
}

fn written(answer: &Answer) -> Value {
    match answer {
        Ok(value) => json!({ "result": value }),
        Err(error) => json!({ "error": error }),
    }
}

fn read(kept: &Value) -> Answer {
    match kept.get("error") {
        None => Ok(kept["result"].clone()),
        Some(error) => Err(serde_json::from_value(error.clone()).unwrap_or_else(|_| cut_off())),
    }
}

fn conflict() -> ErrorObjectOwned {
    errors::object(
        &Error::new(Code::IdempotencyConflict, "this idempotencyKey was used with another method or other params")
            .hint("a new key for a new wish"),
    )
}

fn cut_off() -> ErrorObjectOwned {
    errors::object(
        &Error::new(Code::Unknown, "the daemon ended while this was being done; it is not done again")
            .hint("look at the sessions and the events, and use a new key"),
    )
}
