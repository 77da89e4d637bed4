//! `audio.*`: announcements and audio sockets.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Who hears an announcement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PlayTo {
    /// The far end.
    Remote,
    /// The agent.
    Local,
    /// Both.
    Both,
}

impl PlayTo {
    /// The far end hears it.
    pub fn remote(self) -> bool {
        self != PlayTo::Local
    }

    /// The agent hears it.
    pub fn local(self) -> bool {
        self != PlayTo::Remote
    }
}

/// Plays a file into a call, beside whoever speaks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AudioPlay {
    /// Which session.
    pub call_id: String,
    /// A WAV or Ogg/Opus file below a directory of `[audio] play_dirs`; relative, or whole.
    pub file: String,
    /// Who hears it.
    pub to: PlayTo,
    /// Again and again, until it is stopped.
    #[serde(default, rename = "loop")]
    pub again: bool,
}

/// A point of a call's sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum AudioPort {
    /// What the customer says: the far end's sound, as it came.
    CustomerMouth = 0,
    /// What the customer hears: all that goes out.
    CustomerEar = 1,
    /// What the agent says: the microphone.
    AgentMouth = 2,
    /// What the agent hears of this call.
    AgentEar = 3,
}

/// What an audio socket does at its points.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AudioMode {
    /// Listens; changes nothing.
    Tap,
    /// Adds its sound to what is there.
    Inject,
    /// Hears what is there, and puts its own in place of it: silence where it sends nothing.
    Replace,
}

/// Samples of 16 bits, little-endian, mono.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub enum AudioFormat {
    /// 8 kHz.
    #[serde(rename = "s16le-8000")]
    Narrow,
    /// 16 kHz.
    #[default]
    #[serde(rename = "s16le-16000")]
    Wide,
    /// 48 kHz.
    #[serde(rename = "s16le-48000")]
    Full,
}

impl AudioFormat {
    /// Samples a second.
    pub fn rate(self) -> u32 {
        match self {
            AudioFormat::Narrow => 8_000,
            AudioFormat::Wide => 16_000,
            AudioFormat::Full => 48_000,
        }
    }
}

/// Opens an audio socket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AudioOpen {
    /// Which session.
    pub call_id: String,
    /// Its points, each once.
    #[schemars(length(min = 1))]
    pub ports: Vec<AudioPort>,
    /// How samples look (default: `s16le-16000`).
    #[serde(default)]
    pub format: AudioFormat,
    /// What it does.
    pub mode: AudioMode,
}

/// An audio socket by its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AudioClose {
    /// Which session.
    pub call_id: String,
    /// Which socket (`audio.open`).
    pub audio_id: String,
}
