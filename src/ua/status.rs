//! The data model of the API: what a session looks like from outside (docs/API.md, "Data").

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Who called whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CommunicationType {
    /// We called.
    Outbound,
    /// We were called.
    Inbound,
}

/// How far a call is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CallState {
    /// Outbound, the far end rings.
    Ringing,
    /// Outbound, no answer of any kind yet.
    Calling,
    /// Answered, by both sides' account.
    Talking,
    /// Inbound, ringing here or answered and not yet acknowledged.
    Connecting,
}

/// What the recorder does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RecordStatus {
    /// Nothing.
    Stop,
    /// It records.
    Recording,
    /// It records silence.
    Pause,
}

/// A session's state as users see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CallStatus {
    /// The other party's name.
    pub name: String,
    /// A picture's URL.
    pub avatar: String,
    /// The company.
    pub company: String,
    /// The other party's number.
    pub number: String,
    /// The session.
    pub call_id: String,
    /// Who called whom.
    pub communication_type: CommunicationType,
    /// Video is negotiated.
    pub is_video: bool,
    /// It rings here.
    pub is_ring: bool,
    /// We hold the other party.
    pub is_hold: bool,
    /// Our microphone is off.
    pub is_mute: bool,
    /// How far the call is.
    pub call_status: CallState,
    /// When it was answered, ms since 1970; 0 before.
    pub call_start_time: i64,
    /// What the recorder does.
    pub record_status: RecordStatus,
    /// It is a consultation.
    pub is_transfer: bool,
    /// The session it consults about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transfer_parent: Option<TransferParent>,
    /// It is in a local conference.
    pub is_conference: bool,
    /// The other party holds us.
    pub is_remote_hold: bool,
    /// The account.
    pub account: String,
    /// The number that was dialled.
    pub called_number: String,
    /// Who the call was diverted from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub diversion: Option<String>,
    /// Headers of the INVITE that are on the allow-list.
    pub headers: std::collections::BTreeMap<String, String>,
    /// Free words of the user's.
    pub tags: Vec<String>,
}

/// The session that a consultation belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TransferParent {
    /// The session.
    pub call_id: String,
    /// Its picture.
    pub avatar: String,
    /// Its name.
    pub name: String,
    /// Its number.
    pub number: String,
    /// Seconds since its answer.
    pub call_duration: u64,
    /// Seconds on hold.
    pub hold_duration: u64,
}

/// The part of the status that setStaticStatus sets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StaticCallStatus {
    /// The other party's name.
    pub name: String,
    /// A picture's URL.
    pub avatar: String,
    /// The company.
    pub company: String,
}

/// Durations, whole seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Timer {
    /// Ringing, either direction.
    pub ring_duration: u64,
    /// Outbound, INVITE to answer.
    pub calling_duration: u64,
    /// Since the answer.
    pub call_duration: u64,
    /// Total on hold.
    pub hold_duration: u64,
}

/// A stream of a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Stream {
    /// Its id.
    pub id: String,
    /// Its tracks.
    pub tracks: Vec<Track>,
}

/// A track of a stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Track {
    /// `audio` or `video`.
    pub kind: String,
    /// The codec's name.
    pub codec: String,
    /// RTP's SSRC.
    pub ssrc: u32,
    /// `sendrecv`, `sendonly`, `recvonly`, `inactive`.
    pub direction: String,
    /// It carries silence.
    pub muted: bool,
}
