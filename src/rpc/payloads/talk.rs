//! What happens in a call.

use schemars::JsonSchema;

use super::Cause;
use crate::rpc::data::{CallReport, Metrics};
use crate::ua::command::{AudioFormat, AudioMode, AudioPort, PlayTo, RecordTarget};
use crate::ua::status::Timer;

/// `dtmf`
#[derive(Debug, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DtmfReceived {
    /// The session.
    pub call_id: String,
    /// The digit; `x` where it is redacted.
    pub dtmf: String,
    /// How long it was pressed.
    pub duration_ms: u32,
    /// `rtp` or `info`.
    pub method: String,
}

/// `dtmfSent`
#[derive(Debug, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DtmfSent {
    /// The session.
    pub call_id: String,
    /// The digit; `x` where it is redacted.
    pub dtmf: String,
    /// `rtp`, `info` or `inband`.
    pub method: String,
}

/// `identity`
#[derive(Debug, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Identity {
    /// The session.
    pub call_id: String,
    /// Who it is now.
    pub number: String,
    /// The name.
    pub name: String,
    /// Who it was.
    pub old_number: String,
    /// The name.
    pub old_name: String,
}

/// `media`
#[derive(Debug, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Media {
    /// The session.
    pub call_id: String,
    /// What it does.
    pub state: MediaState,
    /// Of `stalled`, `unheard` and `flowing`: sound goes one way only, and it should go both.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub one_way: Option<bool>,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What a session's media does.
#[derive(Debug, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum MediaState {
    /// Nothing came in for 2 s, though it should.
    Stalled,
    /// It flows again, as it should.
    Flowing,
    /// The peer does not get what we send: its reports (RTCP) count none of it.
    Unheard,
    /// The peer refused to be held: it hears silence, the microphone belongs to another call.
    Parked,
    /// A device or a port failed; the call goes on.
    Failed,
    /// Our address has changed: it goes by new ports, and the peer is told.
    Moved,
}

/// `transferProgress`
#[derive(Debug, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TransferProgress {
    /// The session that the REFER went over.
    pub call_id: String,
    /// What the far end says of its new call.
    pub code: u16,
    /// Who it was sent to.
    pub number: String,
    /// The other leg of a consultation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub other_call_id: Option<String>,
}

/// `transferred`
#[derive(Debug, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Transferred {
    /// The session that the REFER went over.
    pub call_id: String,
    /// Who the far end was sent to.
    pub number: String,
    /// The other leg of a consultation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub other_call_id: Option<String>,
}

/// `transferFailed`
#[derive(Debug, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TransferFailed {
    /// The session that the REFER went over.
    pub call_id: String,
    /// Why.
    pub cause: Cause,
    /// The status that says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<u16>,
    /// Who the far end was to be sent to.
    pub number: String,
    /// The other leg of a consultation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub other_call_id: Option<String>,
}

/// `recording.started`, `recording.paused`, `recording.resumed`
#[derive(Debug, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RecordingChanged {
    /// The session.
    pub call_id: String,
    /// Where it is recorded.
    pub target: RecordTarget,
    /// The file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}

/// `recording.stopped`
#[derive(Debug, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RecordingStopped {
    /// The session.
    pub call_id: String,
    /// Where it was recorded.
    pub target: RecordTarget,
    /// The file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Its hash, in hexadecimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Its length, pauses and gaps too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
}

/// `recording.failed`
#[derive(Debug, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RecordingFailed {
    /// The session.
    pub call_id: String,
    /// Where it was recorded.
    pub target: RecordTarget,
    /// Why, in plain words.
    pub reason: String,
    /// What there is of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}

/// `audio.playing`
#[derive(Debug, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AudioPlaying {
    /// The session.
    pub call_id: String,
    /// The file, as it was named.
    pub file: String,
    /// Who hears it.
    pub to: PlayTo,
    /// Again and again.
    #[serde(rename = "loop")]
    pub again: bool,
    /// Its length.
    pub duration_ms: u64,
}

/// `audio.played`
#[derive(Debug, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AudioPlayed {
    /// The session.
    pub call_id: String,
    /// The file, as it was named.
    pub file: String,
    /// Who heard it.
    pub to: PlayTo,
    /// Why.
    pub cause: PlayEnd,
}

/// Why a file is heard no longer.
#[derive(Debug, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum PlayEnd {
    /// It was heard to its end.
    End,
    /// `audio.stop`.
    Stopped,
    /// Another one is played.
    Replaced,
    /// The call is over.
    CallEnded,
}

/// `audio.opened`
#[derive(Debug, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AudioOpened {
    /// The session.
    pub call_id: String,
    /// The socket.
    pub audio_id: String,
    /// Its points.
    pub ports: Vec<AudioPort>,
    /// What it does.
    pub mode: AudioMode,
    /// How samples look.
    pub format: AudioFormat,
}

/// `audio.dropped`
#[derive(Debug, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AudioDropped {
    /// The session.
    pub call_id: String,
    /// The socket.
    pub audio_id: String,
    /// Frames of 20 ms (10 in a conference) that its reader has lost since it came.
    pub frames: u64,
}

/// `audio.closed`
#[derive(Debug, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AudioClosed {
    /// The session.
    pub call_id: String,
    /// The socket.
    pub audio_id: String,
    /// Why, in plain words.
    pub reason: String,
    /// Frames that its reader lost, as far as it was told.
    pub frames: u64,
}

/// `callReport`
#[derive(Debug, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Reported {
    /// The session.
    pub call_id: String,
    /// How it sounds, in the words of the web phones.
    pub call_report: CallReport<'static>,
    /// How it sounds, in numbers.
    pub metrics: Metrics,
}

/// `updateTimer`
#[derive(Debug, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TimerUpdate {
    /// The session.
    pub call_id: String,
    /// Its durations.
    pub timer: Timer,
}
