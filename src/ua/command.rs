//! Commands: what a user can ask of the phone. One variant a method; `rpc` fills them, `Ua` does them.

mod audio;
mod device;
mod history;
mod record;

pub use audio::*;
pub use device::*;
pub use history::*;
pub use record::*;

use schemars::JsonSchema;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

pub use super::configure::{ConfigFault, Configure, Drain};
use super::dial::Caller;
use super::settings::AccountSettings;

/// What a user wants. The comment of each variant names its methods.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// `account.add`
    AccountAdd(AccountAdd),
    /// `account.update`
    AccountUpdate(AccountAdd),
    /// `account.remove`
    AccountRemove(AccountRef),
    /// `account.list`
    AccountList,
    /// `account.get`
    AccountGet(AccountRef),
    /// `account.register`
    AccountRegister(AccountRef),
    /// `account.unregister`
    AccountUnregister(AccountRef),
    /// `device.list`
    DeviceList,
    /// `device.get`
    DeviceGet(DeviceRef),
    /// `device.setVolume`
    DeviceSetVolume(SetVolume),
    /// `device.setRole`
    DeviceSetRole(SetRole),
    /// `device.test`
    DeviceTest(DeviceTest),
    /// `agent.set`
    AgentSet(AgentSet),
    /// `agent.get`
    AgentGet(AgentRef),
    /// `phone.start`: register every account with `register = true`.
    Start,
    /// `phone.disconnect`: unregister every account.
    Disconnect,
    /// `phone.destroy`: the session, or all and the registrations; `phone.start` begins anew.
    PhoneDestroy(Destroy),
    /// `phone.call`
    Call(Call),
    /// `phone.get`
    PhoneGet,
    /// `phone.preflight`: for the shell, which measures.
    Preflight(Preflight),
    /// `phone.getSession`, `session.get`
    GetSession(GetSession),
    /// `phone.getCurrentSession`
    GetCurrentSession,
    /// `phone.setCurrentSession`
    SetCurrentSession(CallRef),
    /// `phone.merge`
    Merge(Merge),
    /// `phone.split`
    Split(Split),
    /// `session.answer`
    Answer(Answer),
    /// `session.reject`
    Reject(Reject),
    /// `session.progress`
    Progress(Progress),
    /// `phone.reRegister`: every account that is to be registered, now.
    ReRegister,
    /// `session.hangup`
    Hangup(CallRef),
    /// `session.terminate`
    Terminate(Terminate),
    /// `session.hold`
    Hold(CallRef),
    /// `session.renegotiate`
    Renegotiate(CallRef),
    /// `session.unhold`
    Unhold(CallRef),
    /// `session.audioToVideo`
    AudioToVideo(CallRef),
    /// `session.videoToAudio`
    VideoToAudio(CallRef),
    /// `session.dtmf`
    Dtmf(Dtmf),
    /// `session.blindTransfer`
    BlindTransfer(BlindTransfer),
    /// `session.attendedTransfer`
    AttendedTransfer(AttendedTransfer),
    /// `session.mute`
    Mute(CallRef),
    /// `session.unmute`
    Unmute(CallRef),
    /// `session.stopTimer`
    StopTimer(CallRef),
    /// `session.setStatus`
    SetStatus(SetStatus),
    /// `session.setStaticStatus`
    SetStaticStatus(SetStaticStatus),
    /// `session.diagnose`
    Diagnose(CallRef),
    /// `session.destroy`
    Destroy(CallRef),
    /// `session.startRecord`
    StartRecord(Record),
    /// `session.pauseRecord`
    PauseRecord(Record),
    /// `session.stopRecord`
    StopRecord(CallRef),
    /// `phone.setRecordPermissions`
    SetRecordPermissions(SetRecordPermissions),
    /// `audio.play`
    AudioPlay(AudioPlay),
    /// `audio.stop`
    AudioStop(CallRef),
    /// `audio.open`
    AudioOpen(AudioOpen),
    /// `audio.close`
    AudioClose(AudioClose),
    /// `recording.*`: for the keeper of the files, not for `Ua`.
    Recordings(Recordings),
    /// `webhook.*`: not for the phone, but for the CRM's side.
    Webhooks(Webhooks),
    /// `session.trace`, `session.report`: for the keeper of what was, not for `Ua`.
    History(History),
    /// The beginning of a subscription: replies `{seq, snapshot: {accounts, sessions, devices}}`.
    /// With a callId that session must exist (-211).
    Snapshot(Snapshot),
    /// `daemon.reload`: for the shell, which reads the files and hands in what they say.
    Reload,
    /// What the files say now.
    Configure(Box<Configure>),
    /// `daemon.drain`: no new calls; replies `{sessions, timeout}` at once. The shell stops when [`super::Ua::is_drained`].
    Drain(Drain),
    /// The daemon stops: end every call (BYE, CANCEL, 480), unregister. Replies true when all is done.
    Shutdown,
}

impl std::fmt::Display for ConfigFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: ", self.place)?;
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        write!(f, "{}", self.wrong)?;
        if self.right.is_empty() { Ok(()) } else { write!(f, "; right would be: {}", self.right) }
    }
}

/// A session by its callId.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CallRef {
    /// Which session.
    pub call_id: String,
}

/// One session, or all.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GetSession {
    /// Which session; left out: all, as an array.
    pub call_id: Option<String>,
}

/// A session, or the whole phone.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Destroy {
    /// Which session; left out: every one, and every registration.
    #[serde(default)]
    pub call_id: Option<String>,
}

/// An account by its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AccountRef {
    /// Its name.
    pub name: String,
}

/// An account to add or to change.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AccountAdd {
    /// Its name.
    pub name: String,
    /// Everything else, by the names of the configuration file.
    pub account: AccountSettings,
}

/// What an agent does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum AgentState {
    /// Takes calls.
    #[default]
    Ready,
    /// Takes none.
    NotReady,
    /// Takes none for a while: there is work left of the last one.
    WrapUp,
}

/// Names a seat: by itself or by one of its accounts; left out: the only one, or that of the default account.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AgentRef {
    /// The seat: its name, else its input device, else its account.
    #[serde(default)]
    pub seat: Option<String>,
    /// One of its accounts.
    #[serde(default)]
    pub account: Option<String>,
}

/// Says what the agent of a seat does. What is left out stays as it is, save that a state given anew has no other reason than
/// the one given with it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AgentSet {
    /// The state.
    #[serde(default)]
    pub state: Option<AgentState>,
    /// Why not ready, in the agent's words.
    #[serde(default)]
    pub reason: Option<String>,
    /// Not to be disturbed, whatever the state.
    #[serde(default)]
    pub dnd: Option<bool>,
    /// How long to wrap up, s; left out: as `[phone] wrap_up` says.
    #[serde(default)]
    #[schemars(range(min = 1, max = 86400))]
    pub seconds: Option<u64>,
    /// Where callers are sent meanwhile (302): a number, a `sip:` or a `tel:` URI; empty: nowhere.
    #[serde(default)]
    pub forward: Option<String>,
    /// The seat: its name, else its input device, else its account.
    #[serde(default)]
    pub seat: Option<String>,
    /// One of its accounts.
    #[serde(default)]
    pub account: Option<String>,
}

/// A call to make.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Call {
    /// A number (dialled at the account's domain), a `sip:` or a `tel:` URI.
    pub number: String,
    /// Options.
    #[serde(default)]
    pub option: Option<CallOption>,
    /// The session that a consultation belongs to.
    #[serde(default)]
    pub transfer_id: Option<String>,
    /// The account to call from; may be left out when there is one, or a default.
    #[serde(default)]
    pub account: Option<String>,
    /// Who wants it: said by the socket, not by the params.
    #[serde(skip)]
    pub by: Option<Caller>,
}

/// Options of a call or an answer.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CallOption {
    /// Our video is shown, from `[video] source`, where the audio is WebRTC; without a source the call is audio.
    pub video: Option<bool>,
    /// The peer's video is taken, by `[video] sink`. Left out: in a call as `video` says, in an answer true unless `video` is false.
    pub offer_to_receive_video: Option<bool>,
    /// `Name: value` lines added to the INVITE or the 200.
    pub extra_headers: Option<Vec<String>>,
    /// The input device of this session, and its output where the id can do both.
    pub device: Option<String>,
}

/// What is to be looked at before a shift.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Preflight {
    /// The account whose devices and registration it is about; left out: the default devices (those of the account, where there is
    /// only one), and all registrations.
    #[serde(default)]
    pub account: Option<String>,
    /// Another microphone.
    #[serde(default)]
    pub input: Option<String>,
    /// Another loudspeaker.
    #[serde(default)]
    pub output: Option<String>,
}

/// Puts sessions into one conference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Merge {
    /// Two or more sessions of one seat.
    #[schemars(length(min = 2))]
    pub call_ids: Vec<String>,
}

/// Takes a conference apart.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Split {
    /// The session that leaves; left out: all but the current one.
    pub call_id: Option<String>,
}

/// Answers a ringing session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Answer {
    /// Which session.
    pub call_id: String,
    /// Options.
    #[serde(default)]
    pub option: Option<CallOption>,
}

/// Refuses a ringing session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Reject {
    /// Which session.
    pub call_id: String,
    /// The final status, 400–699; left out: 486.
    pub code: Option<u16>,
}

/// A provisional on a ringing session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Progress {
    /// Which session.
    pub call_id: String,
    /// 180, or 183 with early media.
    pub code: u16,
}

/// How `session.terminate` ends a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TerminateType {
    /// As `hangup`.
    Hangup,
    /// As `reject`.
    Reject,
    /// Whichever fits.
    #[default]
    Terminate,
}

/// Ends a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Terminate {
    /// Which session.
    pub call_id: String,
    /// How.
    #[serde(default, rename = "type")]
    pub kind: TerminateType,
}

/// How a digit travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DtmfMethod {
    /// `rtp` where negotiated, else `info` where the far end takes it, else `inband`.
    #[default]
    Auto,
    /// RFC 4733.
    Rtp,
    /// SIP INFO, application/dtmf-relay.
    Info,
    /// Tones in the sound.
    Inband,
}

/// Digits to send.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Dtmf {
    /// Which session.
    pub call_id: String,
    /// `0-9*#A-D`, and `,` for a pause of 2 s.
    #[serde(deserialize_with = "unquoted")]
    pub dtmf: String,
    /// How they travel.
    #[serde(default)]
    pub method: DtmfMethod,
    /// Keep the digits out of events: `x` stands for each. Logs, records and recordings never have them.
    #[serde(default)]
    pub redact: bool,
}

/// Text that no error quotes: it may be a secret.
fn unquoted<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::String(text) => Ok(text),
        _ => Err(D::Error::custom("invalid type: expected a string")),
    }
}

/// When a blind transfer hangs up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum TransferHangup {
    /// When the far end has told that it is connected.
    #[default]
    OnSuccess,
    /// As soon as the far end has taken the order: its failure loses the call.
    Immediately,
}

/// Sends the far end to a number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BlindTransfer {
    /// Which session.
    pub call_id: String,
    /// A number, a `sip:` or a `tel:` URI.
    pub number: String,
    /// When to hang up.
    #[serde(default)]
    pub hangup: TransferHangup,
    /// Who wants it: said by the socket, not by the params.
    #[serde(skip)]
    pub by: Option<Caller>,
}

/// Joins the far ends of a consultation and its parent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AttendedTransfer {
    /// Either leg.
    pub call_id: String,
    /// The other leg's number, where there are several.
    #[serde(default)]
    pub number: Option<String>,
}

/// The part of the status that a user may set.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StatusPatch {
    /// The other party's name.
    pub name: Option<String>,
    /// A picture's URL.
    pub avatar: Option<String>,
    /// The company.
    pub company: Option<String>,
    /// Free words of the user's.
    pub tags: Option<Vec<String>>,
}

/// `session.setStatus`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SetStatus {
    /// Which session.
    pub call_id: String,
    /// What to change.
    pub status: StatusPatch,
}

/// The part of the status that look-ups may set too.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StaticPatch {
    /// The other party's name.
    pub name: Option<String>,
    /// A picture's URL.
    pub avatar: Option<String>,
    /// The company.
    pub company: Option<String>,
}

/// `session.setStaticStatus`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SetStaticStatus {
    /// Which session.
    pub call_id: String,
    /// What to change.
    pub static_status: StaticPatch,
    /// True stops automatic updates; left out: as before.
    pub start_manual_model: Option<bool>,
}

/// The beginning of a subscription.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Snapshot {
    /// The session that must exist.
    pub call_id: Option<String>,
}

/// What is asked of the webhooks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Webhooks {
    /// `webhook.list`
    List,
    /// `webhook.test`
    Test(WebhookRef),
    /// `webhook.retry`
    Retry(WebhookRetry),
}

/// Dead letters of a webhook.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WebhookRetry {
    /// Its name: `[webhooks.NAME]`.
    pub name: String,
    /// The `webhook-id` of one of them: `EPOCH-SEQ`. Left out: all that are named, oldest first.
    #[serde(default)]
    pub id: Option<String>,
}

/// A webhook by name.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WebhookRef {
    /// Its name: `[webhooks.NAME]`.
    pub name: String,
}
