//! What the shell tells the phone of its own life: another configuration, and the end.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::settings::Settings;

/// How a drain ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Drain {
    /// Calls that are still up after this are ended, s; left out: `[phone] drain_timeout`.
    pub timeout: Option<u64>,
}

/// What a new reading of the configuration has found.
#[derive(Debug, Clone, PartialEq)]
pub enum Configure {
    /// It is right.
    Apply {
        /// What it said when it was last read.
        was: Box<Settings>,
        /// What it says now.
        will: Box<Settings>,
        /// The keys that differ and hold from now on.
        changed: Vec<String>,
        /// The keys that differ from what the daemon was started with, and wait for its next start.
        needs_restart: Vec<String>,
    },
    /// It is not, and nothing changes.
    Refuse(Vec<ConfigFault>),
}

/// One thing that is wrong in the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConfigFault {
    /// `FILE:LINE:COLUMN`, a file, or an environment variable.
    pub place: String,
    /// The key's path; may be empty.
    pub key: String,
    /// What is wrong.
    pub wrong: String,
    /// What would be right; may be empty.
    pub right: String,
}
