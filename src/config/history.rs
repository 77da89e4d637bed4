//! `[history]`: how much is remembered of the calls.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::check::when;
use crate::history::Limits;

/// `[history]`: what `session.trace` and `session.report` tell, in memory only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HistoryConfig {
    /// Of so many calls, those that are and the last that were; 0: of none.
    pub calls: usize,
    /// Bytes in all.
    pub max_bytes: usize,
}

impl Default for HistoryConfig {
    fn default() -> Self {
        HistoryConfig { calls: 200, max_bytes: 8_388_608 }
    }
}

impl HistoryConfig {
    /// As the keeper wants it.
    pub fn limits(&self) -> Limits {
        Limits { calls: self.calls, bytes: self.max_bytes }
    }
}

/// Its faults, by key.
pub(super) fn faults(history: &HistoryConfig) -> [(&'static str, Result<(), String>); 2] {
    [
        ("calls", when(history.calls <= 10_000, "0 to 10000")),
        ("max_bytes", when((65_536..=1_073_741_824).contains(&history.max_bytes), "65536 to 1073741824")),
    ]
}
