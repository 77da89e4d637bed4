//! The wire SDP, ours (RFC 8866, 3264): a lenient reader, the offer and the answer.
mod types;
pub use types::{Codec, CodecKind, Direction, Negotiated, TelephoneEvent};
