//! What is remembered of a call.

/// The SIP of a call.
pub type Trace = crate::history::Trace<'static>;

/// What is known of a call.
pub type History = crate::history::Report<'static>;
