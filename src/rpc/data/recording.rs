//! Recordings.

use schemars::JsonSchema;

use super::True;

/// A page of recordings.
#[derive(Debug, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Recordings")]
pub struct RecordingPage {
    /// How many there are.
    pub total: usize,
    /// Which page this is, from 0.
    pub page: usize,
    /// Recordings on a page.
    pub size: usize,
    /// Newest first.
    pub recordings: Vec<Recording>,
}

/// A recording.
#[derive(Debug, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Recording {
    /// Its path below `[record] dir`.
    pub id: String,
    /// Its path.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// How far it is.
    pub state: RecordingState,
    /// The session.
    pub call_id: String,
    /// Its account.
    pub account: String,
    /// The other party's number.
    pub number: String,
    /// The other party's name.
    pub name: String,
    /// The number that was dialled.
    pub called_number: String,
    /// `inbound` or `outbound`.
    pub direction: String,
    /// When it began.
    pub started_at: String,
    /// When it ended; after a crash, when it was found.
    pub ended_at: Option<String>,
    /// `wav` or `ogg`.
    pub format: String,
    /// Frames a second.
    pub rate: u32,
    /// What is on the left and on the right.
    pub channels: [String; 2],
    /// Its length, pauses and gaps too; null while it is open.
    pub duration_ms: Option<u64>,
    /// Of the whole file, in hexadecimal; null while it is open.
    pub sha256: Option<String>,
    /// Pauses and gaps.
    pub markers: Vec<Marker>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// How far a recording is.
#[derive(Debug, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RecordingState {
    /// Being written.
    Open,
    /// Whole.
    Closed,
    /// The disk failed; what stands before that plays.
    Failed,
    /// Left by a crash, closed by the next start.
    Recovered,
}

/// Something that happened in a recording.
#[derive(Debug, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Marker {
    /// Where.
    pub at_ms: u64,
    /// What.
    pub kind: MarkerKind,
    /// A gap's length.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub length_ms: Option<u64>,
}

/// What can happen in a recording.
#[derive(Debug, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum MarkerKind {
    /// Silence from here on.
    Pause,
    /// Sound again.
    Resume,
    /// Sound was lost; silence stands in its place.
    Gap,
}

/// Whether a recording is what its hash says.
#[derive(Debug, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Verified {
    /// Which recording.
    pub id: String,
    /// It is.
    pub valid: bool,
    /// The hash of the file now.
    pub sha256: String,
    /// The hash when it was closed.
    pub expected: String,
}

/// A file that is closed; `true` where only the PBX recorded.
#[derive(Debug, JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
pub enum Stopped {
    /// The file.
    File(RecordedFile),
    /// The PBX's.
    Done(True),
}

/// A recording's file.
#[derive(Debug, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RecordedFile {
    /// Where it is.
    pub path: String,
    /// Its hash, in hexadecimal.
    pub sha256: String,
    /// Its length, pauses and gaps too.
    pub duration_ms: u64,
}
