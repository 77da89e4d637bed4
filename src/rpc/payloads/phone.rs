//! What happens to accounts, devices and the phone as a whole.

use schemars::JsonSchema;

use super::{By, Cause};
use crate::rpc::data::Agent;
pub use crate::rpc::data::{Draining, Reloaded};
use crate::ua::command::{ConfigFault, DeviceRole};
use crate::ua::headset::{Button, ButtonAction};
use crate::ua::io::DeviceInfo;

/// `alert`
#[derive(Debug, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Alert {
    /// The session, where it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call_id: Option<String>,
    /// What about.
    pub kind: AlertKind,
    /// Of `disk`: `stalled`, `full`, `failed` or `ok`; of `silentMicrophone` and `farEndSilent`: `silent` or `ok`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// Why, in plain words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Of `dtmfRefused`: the SIP status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<u16>,
    /// Of a microphone or a far end: its level over the last second, dBov.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub level_dbov: Option<f64>,
    /// Of `echo`: how long after we sent it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delay_ms: Option<u32>,
    /// Of `recordingGap`: where in the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_ms: Option<u64>,
    /// Of `recordingGap`: how much.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub length_ms: Option<u64>,
}

/// What wants a look.
#[derive(Debug, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum AlertKind {
    /// The disk of the event log.
    Disk,
    /// The peer refused a digit.
    DtmfRefused,
    /// A recording broke off.
    RecordingFailed,
    /// The disk does not keep up with a recording.
    RecordingStalled,
    /// It does again; silence stands in the place of what was lost.
    RecordingGap,
    /// Somebody speaks into a microphone that is muted.
    MutedTalking,
    /// Nothing has come from a microphone for 9 s, not even noise; or it comes again.
    SilentMicrophone,
    /// A microphone is too loud.
    Clipping,
    /// What we say comes back from the far end.
    Echo,
    /// The far end sends nothing but silence for 15 s; or it is heard again.
    FarEndSilent,
}

/// `connected`
#[derive(Debug, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Connected {
    /// The account.
    pub account: String,
    /// `udp`, `tcp`, `tls`, `ws` or `wss`.
    pub transport: String,
    /// The server's address.
    pub server: String,
}

/// `disconnected`
#[derive(Debug, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Disconnected {
    /// The account.
    pub account: String,
    /// Why.
    pub cause: Cause,
    /// Why, in plain words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// `registered`
#[derive(Debug, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Registered {
    /// The account.
    pub account: String,
    /// What the registrar granted, s.
    pub expires: u32,
    /// The Contact that it knows.
    pub contact: String,
}

/// `registrationFailed`
#[derive(Debug, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RegistrationFailed {
    /// The account.
    pub account: String,
    /// Why.
    pub cause: Cause,
    /// Why the server could not be reached, in plain words: `the server's certificate has expired`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The registrar's status; null where it did not answer.
    pub code: Option<u16>,
    /// Failures in a row.
    pub failures: u32,
    /// Until the next try; null: there is none.
    pub retry_in_ms: Option<u64>,
}

/// `isRegisteredChange`
#[derive(Debug, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct IsRegisteredChange {
    /// The account.
    pub account: String,
    /// It is registered.
    pub is_registered: bool,
    /// The status that ended it, where one did.
    pub code: Option<u16>,
}

/// `account.added`, `account.updated`, `account.removed`
#[derive(Debug, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AccountChanged {
    /// The account.
    pub account: String,
}

/// `account.notify`
#[derive(Debug, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AccountNotify {
    /// The account.
    pub account: String,
    /// The NOTIFY's Event, e.g. `message-summary`.
    pub event: Option<String>,
    /// Its body as it came.
    pub body: String,
}

/// `currentSessionChange`
#[derive(Debug, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CurrentSessionChange {
    /// The session that is current now.
    pub call_id: Option<String>,
    /// The one that was.
    pub old_call_id: Option<String>,
}

/// `callRejected`
#[derive(Debug, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CallRejected {
    /// The account that was called.
    pub account: String,
    /// Who called.
    pub number: String,
    /// What he got.
    pub code: u16,
    /// What that means.
    pub cause: Cause,
    /// Why.
    pub reason: Unseen,
    /// Where he was sent instead (302).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forward: Option<String>,
    /// What of the offer cannot be done, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// Why a call did not ring.
#[derive(Debug, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Unseen {
    /// The agent is not ready.
    NotReady,
    /// The agent has work left of the last call.
    WrapUp,
    /// The agent is not to be disturbed.
    Dnd,
    /// The account is no longer configured; its last call is up.
    Leaving,
    /// The seat, or the host, has as many calls as it may.
    MaxCalls,
    /// There is a call, and `[phone] call_waiting` is false.
    CallWaiting,
    /// Nothing that both sides can hear.
    Media,
    /// The daemon is about to end.
    Draining,
}

/// `agent.changed`
#[derive(Debug, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AgentChanged {
    /// The agent now.
    #[serde(flatten)]
    pub agent: Agent,
    /// Who changed it: a user, or the daemon (a wrap-up, other accounts or devices).
    pub by: By,
}

/// `recordPermissionsChange`
#[derive(Debug, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RecordPermissionsChange {
    /// What users may do now.
    pub record_permissions: u8,
    /// What they could do before.
    pub old_record_permissions: u8,
}

/// `device.added`, `device.removed`
#[derive(Debug, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeviceMoved {
    /// The device.
    pub device: DeviceInfo,
}

/// `device.changed`
#[derive(Debug, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeviceChanged {
    /// The device.
    pub id: String,
    /// What it does now, where `device.setRole` was called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<DeviceRole>,
    /// For which account; null: for all.
    pub account: Option<String>,
    /// For which session; null: for all.
    pub call_id: Option<String>,
    /// The device as it is now, where its host has changed it: another default, put to sleep, awake again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<DeviceInfo>,
}

/// `device.volume`
#[derive(Debug, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeviceVolume {
    /// The device.
    pub id: String,
    /// Its microphone's volume from now on, percent; null: as before.
    pub input_volume: Option<u16>,
    /// Its loudspeaker's volume from now on, percent; null: as before.
    pub output_volume: Option<u16>,
}

/// `device.button`
#[derive(Debug, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeviceButton {
    /// A sound device of the headset; null: it has none now.
    pub id: Option<String>,
    /// The headset ([`DeviceInfo::hardware`]).
    pub hardware: String,
    /// Which button.
    pub button: Button,
    /// What it does: that of the method of this name; null: nothing, there is no call that it could mean.
    pub action: Option<ButtonAction>,
    /// With which session.
    pub call_id: Option<String>,
}

/// `daemon.reloadFailed`
#[derive(Debug, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReloadFailed {
    /// Everything that is wrong in the configuration.
    pub faults: Vec<ConfigFault>,
}

/// `daemon.drained`
#[derive(Debug, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Drained {
    /// The sessions that were left and are ended now.
    pub ended: usize,
}

/// `lagged`
#[derive(Debug, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Lagged {
    /// The first event that was lost.
    pub from_seq: u64,
    /// The last one.
    pub to_seq: u64,
}
