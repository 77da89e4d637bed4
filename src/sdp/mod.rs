//! The wire SDP, ours (RFC 8866, 3264): a lenient reader, the offer and the answer.
mod choose;
mod local;
mod parse;
mod types;

pub use local::LocalSide;
pub use parse::SessionDescription;
pub use types::{Codec, CodecKind, Direction, Negotiated, TelephoneEvent};

/// A description that cannot be read, or that leaves nothing in common: an offer gets 488 (RFC 3261 §21.4.26), an answer ends the call.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct SdpError {
    /// What is wrong, in plain words; text of the peer is quoted and escaped.
    pub reason: String,
}

impl SdpError {
    pub(crate) fn new(reason: impl Into<String>) -> Self {
        SdpError { reason: reason.into() }
    }
}
