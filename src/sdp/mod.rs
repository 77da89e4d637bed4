//! The wire SDP, ours (RFC 8866, 3264): a lenient reader, the offer and the answer.
mod choose;
mod crypto;
mod dtls;
mod local;
mod parse;
mod shield;
mod types;
mod video;

pub use crypto::{Encryption, KEY, KeySeed, MasterKey, Sdes, Suite};
pub use dtls::{Credentials, Dtls, DtlsRole, Fingerprint, Ice, LocalDtls, LocalIce, MediaKind};
pub use local::LocalSide;
pub use parse::SessionDescription;
pub use types::{Codec, CodecKind, Direction, Negotiated, Protection, TelephoneEvent};
pub use video::{VIDEO_CLOCK, Video, VideoCodec};

/// A description that cannot be read, or that leaves nothing in common: an offer gets 488 (RFC 3261 §21.4.26), an answer ends the call.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct SdpError {
    /// What is wrong, in plain words; text of the peer is quoted and escaped.
    pub reason: String,
    /// The peer would not have the media encrypted as this account requires it.
    pub insecure: bool,
}

impl SdpError {
    pub(crate) fn new(reason: impl Into<String>) -> Self {
        SdpError { reason: reason.into(), insecure: false }
    }

    pub(crate) fn insecure(reason: impl Into<String>) -> Self {
        SdpError { reason: reason.into(), insecure: true }
    }

    /// The end of a call whose answer this is, as a word of the API's.
    pub fn cause(&self) -> &'static str {
        if self.insecure { "Incompatible SDP" } else { "Bad Media Description" }
    }
}
