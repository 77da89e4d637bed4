//! The `data` of each event, as types: for the documents, and for the tests that hold every event against them.
//!
//! The phone makes its events as JSON; nothing here is ever built. An `Option` is null where there is nothing; with
//! `skip_serializing_if` it is left out. Here: how a session begins, changes and ends.

mod phone;
mod talk;

pub use phone::*;
pub use talk::*;

use schemars::JsonSchema;

use super::data::Session;
use crate::ua::cdr::Cdr;
use crate::ua::status::{CallStatus, CommunicationType, StaticCallStatus, Stream};

/// `newRTCSession`, `startSession`
#[derive(Debug, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Begun {
    /// The session.
    pub call_id: String,
    /// Who called.
    pub originator: Side,
    /// What it is like.
    pub session: Session,
    /// The session whose peer asked for this call (REFER).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub referred_by: Option<String>,
}

/// Which end of a call.
#[derive(Debug, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// We.
    Local,
    /// The peer.
    Remote,
}

/// Who ended a session.
#[derive(Debug, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum By {
    /// A user of ours.
    Local,
    /// The peer.
    Remote,
    /// The daemon: a timer, a fault, its own end.
    System,
}

/// Why something is over or failed.
#[derive(Debug, JsonSchema)]
pub enum Cause {
    /// 486, 600
    Busy,
    /// 403, 603
    Rejected,
    /// 3xx
    Redirected,
    /// 404, 604
    #[serde(rename = "Not Found")]
    NotFound,
    /// 408, 410, 430, 480
    Unavailable,
    /// 424, 484
    #[serde(rename = "Address Incomplete")]
    AddressIncomplete,
    /// 488, 606, or an answer that we cannot use
    #[serde(rename = "Incompatible SDP")]
    IncompatibleSdp,
    /// 401, 407
    #[serde(rename = "Authentication Error")]
    Authentication,
    /// Any other status.
    #[serde(rename = "SIP Failure Code")]
    SipFailure,
    /// Whoever called has given up (487).
    Canceled,
    /// Nobody answered in time.
    #[serde(rename = "No Answer")]
    NoAnswer,
    /// The session timer ran out.
    Expires,
    /// Our 200 was never acknowledged.
    #[serde(rename = "No ACK")]
    NoAck,
    /// Somebody hung up.
    Terminated,
    /// No voice came in for `[phone] rtp_timeout`.
    #[serde(rename = "RTP Timeout")]
    RtpTimeout,
    /// The peer did not answer a request.
    #[serde(rename = "Request Timeout")]
    RequestTimeout,
    /// The network failed.
    #[serde(rename = "Connection Error")]
    Connection,
    /// The answer has no session description.
    #[serde(rename = "Missing SDP")]
    MissingSdp,
    /// It has one that nobody can read.
    #[serde(rename = "Bad Media Description")]
    BadMedia,
    /// The device was refused to us.
    #[serde(rename = "User Denied Media Access")]
    MediaDenied,
    /// The peer does not know the dialog any more.
    #[serde(rename = "Dialog Error")]
    Dialog,
    /// WebRTC found no path or got no keys: `reason` says which.
    #[serde(rename = "WebRTC Error")]
    WebRtc,
    /// A fault of ours, or a daemon that ended while the call was up.
    #[serde(rename = "Internal Error")]
    Internal,
}

/// `incoming`, `accepted`, `confirmed`
#[derive(Debug, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Snapshot {
    /// The session.
    pub call_id: String,
    /// What it is like.
    pub session: Session,
}

/// `progress`
#[derive(Debug, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    /// The session.
    pub call_id: String,
    /// The provisional status.
    pub code: u16,
    /// It opens the media before the answer.
    pub early_media: bool,
}

/// `ended`
#[derive(Debug, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Ended {
    /// The session.
    pub call_id: String,
    /// Why.
    pub cause: Cause,
    /// Who.
    pub by: By,
    /// The SIP status that ended it: 481 where the peer knows nothing of the call any more, or what its BYE gives as its reason
    /// (RFC 3326).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sip_code: Option<u16>,
    /// The Q.850 cause of the peer's BYE (RFC 3326).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub q850: Option<u16>,
    /// What the cause alone does not say, in words: a path, a key or a certificate that is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// `failed`
#[derive(Debug, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Failed {
    /// The session.
    pub call_id: String,
    /// Why.
    pub cause: Cause,
    /// The SIP status that stands for it.
    pub code: u16,
    /// Who.
    pub by: By,
    /// The Q.850 cause that the peer gave, in its refusal or its CANCEL (RFC 3326).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub q850: Option<u16>,
    /// What the cause alone does not say, in words: "answered elsewhere", or a path, a key or a certificate that is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// `clientError`
#[derive(Debug, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClientError {
    /// The session.
    pub call_id: String,
    /// Why.
    pub cause: Cause,
}

/// `deleteSession`
#[derive(Debug, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Deleted {
    /// The session.
    pub call_id: String,
}

/// `statusChange`
#[derive(Debug, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StatusChange {
    /// The session.
    pub call_id: String,
    /// What it is now.
    pub new_status: CallStatus,
    /// What it was.
    pub old_status: CallStatus,
    /// The members that differ; never name, avatar, company.
    pub changed: Vec<String>,
}

/// `staticStatusChange`
#[derive(Debug, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StaticStatusChange {
    /// The session.
    pub call_id: String,
    /// What it is now.
    pub new_status: StaticCallStatus,
    /// What it was.
    pub old_status: StaticCallStatus,
}

/// `streamAdded`
#[derive(Debug, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StreamAdded {
    /// The session.
    pub call_id: String,
    /// Who called whom.
    pub communication_type: CommunicationType,
    /// The stream.
    pub stream: Option<Stream>,
}

/// `reinvite`
#[derive(Debug, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Reinvite {
    /// The session.
    pub call_id: String,
    /// What it is like now.
    pub session: Session,
    /// What the peer wanted.
    pub reason: ReinviteReason,
}

/// Why a peer asks again.
#[derive(Debug, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ReinviteReason {
    /// It holds us.
    Hold,
    /// It does not any more.
    Unhold,
    /// Other addresses or another codec.
    Media,
    /// Nothing changes.
    Refresh,
    /// Another took its place.
    Transfer,
}

/// `cdrChange`
#[derive(Debug, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CdrChange {
    /// The session that is over.
    pub call_id: String,
    /// Its record.
    pub cdr: Cdr,
}
