//! What comes back when somebody asks what is wrong.

use schemars::JsonSchema;

use crate::ua::diagnose::Finding;
use crate::ua::preflight::Check;

/// What is wrong with a session.
#[derive(Debug, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Diagnosis {
    /// The session.
    pub call_id: String,
    /// What was found, the worst first; empty: nothing is wrong as far as is known.
    pub findings: Vec<Finding>,
}

/// Whether all is there for the shift.
#[derive(Debug, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Preflight")]
pub struct PreflightResult {
    /// Every check is.
    pub ok: bool,
    /// What was looked at.
    pub checks: Vec<Check>,
}
