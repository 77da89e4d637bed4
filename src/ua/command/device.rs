//! What is asked of devices: what they are used for, how loud they are, whether they work.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A device by its id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DeviceRef {
    /// Its id (`device.list`).
    pub id: String,
}

/// What a device is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DeviceRole {
    /// The microphone.
    Input,
    /// The loudspeaker.
    Output,
    /// Where incoming calls ring.
    Ringer,
}

/// Turns a device up or down, in the phone's own path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SetVolume {
    /// The device's id.
    pub id: String,
    /// Percent, 0 to 150.
    #[schemars(range(max = 150))]
    pub volume: u16,
    /// `input` or `output`; left out: whatever the device can do.
    pub role: Option<DeviceRole>,
}

/// Gives a device a role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SetRole {
    /// The device's id.
    pub id: String,
    /// The role.
    pub role: DeviceRole,
    /// For one account only; left out: the default of all.
    pub account: Option<String>,
    /// For one session only, which keeps it whatever its account is given later.
    #[serde(default)]
    pub call_id: Option<String>,
}

/// Tries devices out.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DeviceTest {
    /// A device, both ways where it can.
    #[serde(default)]
    pub id: Option<String>,
    /// A microphone.
    #[serde(default)]
    pub input: Option<String>,
    /// A loudspeaker.
    #[serde(default)]
    pub output: Option<String>,
    /// How long, s (default: 2).
    #[serde(default)]
    #[schemars(range(min = 1, max = 5))]
    pub seconds: Option<u32>,
    /// Also while a call uses it: the call goes on, and hears the test.
    #[serde(default)]
    pub force: bool,
}
