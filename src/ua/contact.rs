//! Who the other party is: asked of the CRM, which may take its time. Nothing waits for the answer.

use serde::{Deserialize, Serialize};

use super::Ua;
use super::io::{Output, SessionId};

/// A question for the CRM.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// The session it is for.
    pub session: SessionId,
    /// The number as it came, or as it was dialled.
    pub number: String,
    /// The session's account.
    pub account: String,
}

/// Its answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contact {
    /// The number that was asked for.
    pub number: String,
    /// What was found.
    pub lookup: Lookup,
}

/// What a look-up found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Lookup {
    /// Somebody.
    Found(Person),
    /// The CRM does not know the number.
    Nothing,
    /// No answer, or none that can be read.
    Failed,
}

/// Somebody: what is not known is not changed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// The name.
    pub name: Option<String>,
    /// A picture's URL.
    pub avatar: Option<String>,
    /// The company.
    pub company: Option<String>,
}

/// How look-ups went since the daemon began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Lookups {
    /// Questions.
    pub asked: u64,
    /// Answers with somebody in it.
    pub found: u64,
    /// No answer in time, or none that can be read.
    pub failed: u64,
}

/// What stands for a number where the caller wants to be unknown.
const NOBODY: [&str; 5] = ["", "anonymous", "unknown", "unavailable", "restricted"];

impl Ua {
    /// The session's number is new: somebody may know it.
    pub(super) fn ask_contact(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get(&id).filter(|_| self.settings.lookup) else { return };
        if session.manual || NOBODY.contains(&session.number.to_ascii_lowercase().as_str()) {
            return;
        }
        let wanted = Wanted { session: id, number: session.number.clone(), account: session.account.clone() };
        self.lookups.asked += 1;
        self.out.push_back(Output::Lookup(wanted));
    }

    /// The CRM's answer: `staticStatusChange`, unless a user has taken it in hand, or it is somebody else by now.
    pub(super) fn on_contact(&mut self, id: SessionId, contact: Contact) {
        let person = match contact.lookup {
            Lookup::Found(person) => person,
            Lookup::Nothing => return,
            Lookup::Failed => return self.lookups.failed += 1,
        };
        self.lookups.found += 1;
        let fits = self.sessions.get(&id).is_some_and(|s| !s.manual && s.number == contact.number);
        if !fits {
            return;
        }
        self.at_hand = Some(id);
        self.set_person(id, |known| {
            for (old, new) in [
                (&mut known.name, person.name),
                (&mut known.avatar, person.avatar),
                (&mut known.company, person.company),
            ] {
                if let Some(new) = new {
                    *old = new;
                }
            }
        });
    }
}
