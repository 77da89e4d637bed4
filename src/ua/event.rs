//! Events: what the phone tells everyone (docs/API.md, "Events").

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Rises by one per event. A sample carries the seq of the last event before it.
    pub seq: u64,
    /// `callReport`, `updateTimer`: not counted, the newest replaces the older of the same session.
    pub sample: bool,
    /// When, ms since 1970.
    pub wall: i64,
    /// Its name, as the seed spells it.
    pub name: String,
    /// The session it is about.
    pub call_id: Option<String>,
    /// The account it is about.
    pub account: Option<String>,
    /// The payload.
    pub data: Value,
}
