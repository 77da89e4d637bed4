//! Which events a subscription sees.

use schemars::JsonSchema;
use serde::Deserialize;

use super::events;
use crate::ua::event::Event;

/// Params of `events.subscribe`.
#[derive(Debug, Clone, PartialEq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EventsSubscribe {
    /// Event names, `device.*` for a family of them, `*` for all; left out: all.
    #[serde(default)]
    pub topics: Option<Vec<String>>,
    /// Only this session's events; it must exist.
    #[serde(default)]
    pub call_id: Option<String>,
    /// Only this account's events.
    #[serde(default)]
    pub account: Option<String>,
    /// The first event that is wanted: those of the log come first, then the live ones.
    #[serde(default)]
    pub from_seq: Option<u64>,
    /// The epoch that fromSeq belongs to; where it is over: -226.
    #[serde(default)]
    pub epoch: Option<String>,
    /// The answer carries a snapshot of accounts, sessions and devices (default: no).
    #[serde(default)]
    pub snapshot: Option<bool>,
}

/// Which events a subscription sees: all that pass every part.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filter {
    /// Names, `family.*` or `*`; none: all.
    pub topics: Option<Vec<String>>,
    /// This session's only.
    pub call_id: Option<String>,
    /// This account's only.
    pub account: Option<String>,
}

impl Filter {
    /// Does the subscription see this event?
    pub fn matches(&self, event: &Event) -> bool {
        let same = |wanted: &Option<String>, is: &Option<String>| wanted.is_none() || wanted == is;
        let topic = |topics: &Vec<String>| topics.iter().any(|topic| event.is_of(topic));
        same(&self.call_id, &event.call_id)
            && same(&self.account, &event.account)
            && self.topics.as_ref().is_none_or(topic)
    }
}

/// A topic that can ever match something: a known event, a known family's member, `family.*` or `*`.
pub fn is_topic(topic: &str) -> bool {
    topic == "*"
        || events::NAMES.iter().any(|known| known.name == topic)
        || events::FAMILIES
            .iter()
            .any(|family| topic.strip_prefix(family).is_some_and(|rest| rest.len() > 1 && rest.starts_with('.')))
}
