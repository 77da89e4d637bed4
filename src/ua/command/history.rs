//! What is asked of a call's history.

use super::CallRef;

/// What is asked of the keeper of the calls' history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum History {
    /// `session.trace`
    Trace(CallRef),
    /// `session.report`
    Report(CallRef),
}
