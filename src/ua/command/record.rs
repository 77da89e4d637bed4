//! Recording, and the recordings.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where a call is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RecordTarget {
    /// Into a file of this host.
    #[default]
    Local,
    /// At the PBX, by its feature codes.
    Pbx,
    /// Both.
    Both,
}

/// `session.startRecord`, `session.pauseRecord`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Record {
    /// Which session.
    pub call_id: String,
    /// Where.
    #[serde(default)]
    pub target: RecordTarget,
}

/// `phone.setRecordPermissions`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SetRecordPermissions {
    /// 0: none; 1: pause and resume; 2: also start and stop.
    #[schemars(range(max = 2))]
    pub permissions: u8,
}

/// What is asked of the keeper of the recordings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recordings {
    /// `recording.list`
    List(RecordingList),
    /// `recording.get`
    Get(RecordingRef),
    /// `recording.delete`
    Delete(RecordingRef),
    /// `recording.verify`
    Verify(RecordingRef),
}

/// Which recordings: newest first, `size` of them from `page`·`size` on.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RecordingList {
    /// Of this session only.
    pub call_id: Option<String>,
    /// Of this account only.
    pub account: Option<String>,
    /// From 0.
    pub page: Option<usize>,
    /// 1 to 1000; left out: 100.
    pub size: Option<usize>,
}

/// A recording by its id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RecordingRef {
    /// As `recording.list` names it: the path of its sound below the directory.
    pub id: String,
}
