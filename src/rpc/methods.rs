//! The one table: method → who may call it, its params in positional order, how they become a command, what comes back.
//! A method that is not here does not exist. What comes back is a type of `data`; the example that each needs stands in `examples`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use jsonrpsee::types::ErrorObjectOwned;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::filter::{EventsSubscribe, Filter, is_topic};
use super::params::read;
use super::replay::EventsReplay;
use super::{Command, Role, Since, Subscribe, SubscribeAnswer, data, errors};
use crate::config;
use crate::store::CdrQuery;
use crate::ua::command::{self as ua, Command as Ua};
use crate::ua::error::Code;

/// A row of the table.
pub struct Method {
    /// Its name.
    pub name: &'static str,
    /// Who may call it.
    pub role: Role,
    /// Its params in positional order.
    pub params: &'static [&'static str],
    /// What it does, in a sentence.
    pub summary: &'static str,
    /// Errors of its own, besides those that every method has.
    pub errors: &'static [Code],
    pub(super) read: Read,
    pub(super) schema: fn(&mut SchemaGenerator) -> Schema,
    pub(super) result: fn(&mut SchemaGenerator) -> Schema,
}

type Read = fn(&[&str], Option<&RawValue>) -> Result<Command, ErrorObjectOwned>;
type Made = Result<Command, ErrorObjectOwned>;

/// The `phone.*` methods that are the same as `session.*`: all but these, whose `phone.*` names mean something else.
const NOT_TWINS: [&str; 4] = ["session.get", "session.on", "session.off", "session.destroy"];

/// A method by its name, or by the name of its `phone.*` twin.
pub(super) fn find(name: &str) -> Option<&'static Method> {
    static INDEX: LazyLock<BTreeMap<String, &'static Method>> = LazyLock::new(|| {
        METHODS
            .iter()
            .flat_map(|method| {
                std::iter::once(method.name.to_owned()).chain(twin(method)).map(move |name| (name, method))
            })
            .collect()
    });
    INDEX.get(name).copied()
}

/// The name of the `phone.*` twin.
pub(super) fn twin(method: &Method) -> Option<String> {
    let verb = method.name.strip_prefix("session.").filter(|_| !NOT_TWINS.contains(&method.name))?;
    Some(format!("phone.{verb}"))
}

macro_rules! methods {
    ($($name:literal $role:ident [$($param:literal),*] $params:ty => $make:expr, $result:ident $errors:ident $summary:literal;)*) => {
        /// Every method, save the `phone.*` twins of `session.*`.
        pub const METHODS: &[Method] = &[$(Method {
            name: $name,
            role: Role::$role,
            params: &[$($param),*],
            summary: $summary,
            errors: $errors,
            read: |names, raw| { let params: $params = read(names, raw)?; ($make)(params) },
            schema: |generator| generator.subschema_for::<$params>(),
            result: |generator| generator.subschema_for::<data::$result>(),
        }),*];
    };
}

const NONE: &[Code] = &[];
const ACCOUNT: &[Code] = &[Code::NoAccount];
const AGENT: &[Code] = &[Code::NoAccount, Code::InvalidNumber];
const REGISTER: &[Code] = &[Code::NoAccount, Code::RegistryFailed, Code::RegisterAttempts];
const DEVICE: &[Code] = &[Code::NoInput, Code::NoAccount, Code::NoSession, Code::DeviceRefused, Code::DeviceFailed];
const PREFLIGHT: &[Code] = &[Code::NoAccount, Code::WrongState];
const TEST: &[Code] = &[Code::NoInput, Code::DeviceBusy, Code::DeviceFailed];
const SESSION: &[Code] = &[Code::NoSession];
const STATE: &[Code] = &[Code::NoSession, Code::WrongState];
const FAR: &[Code] = &[Code::NoSession, Code::WrongState, Code::PeerRefused, Code::Glare, Code::LocalMedia];
const VIDEO: &[Code] = &[Code::NoSession, Code::WrongState, Code::NoVideoInput, Code::PeerRefused, Code::Glare];
const ANSWER: &[Code] = &[Code::NoSession, Code::WrongState, Code::NoInput, Code::DeviceFailed, Code::LocalMedia];
const BLIND: &[Code] =
    &[Code::NoSession, Code::WrongState, Code::InvalidNumber, Code::TooManyDials, Code::PeerRefused, Code::Glare];
const ATTENDED: &[Code] = &[Code::NoSession, Code::WrongState, Code::NoParent, Code::PeerRefused, Code::Glare];
const DTMF: &[Code] = &[Code::NoSession, Code::WrongState, Code::InvalidDtmf];
const RECORD: &[Code] = &[Code::NoSession, Code::WrongState, Code::NoRecordPermission, Code::NoRecordCode];
const START_RECORD: &[Code] =
    &[Code::NoSession, Code::WrongState, Code::NoRecordPermission, Code::NoRecordCode, Code::Storage];
const RELOAD: &[Code] = &[Code::ConfigRefused];
const STORAGE: &[Code] = &[Code::Storage];
const PLAY: &[Code] = &[Code::NoSession, Code::WrongState, Code::Storage, Code::Forbidden];
const SOCKET: &[Code] = &[Code::NoSession, Code::WrongState, Code::Storage];
const VERIFY: &[Code] = &[Code::Storage, Code::WrongState];
const REPLAY: &[Code] = &[Code::Storage, Code::ReplayGap];
const SUBSCRIBE: &[Code] = &[Code::NoSession, Code::Storage, Code::ReplayGap];
const ADD: &[Code] = &[Code::AccountExists];
const CALL: &[Code] = &[
    Code::Draining,
    Code::NoAccount,
    Code::InvalidNumber,
    Code::TooManyDials,
    Code::NotConnected,
    Code::MaxCalls,
    Code::NoParent,
    Code::NotRegistered,
    Code::NoInput,
    Code::LocalMedia,
    Code::Unknown,
];

methods! {
    "rpc.discover" Observe [] Nothing => |_| Ok(Command::Discover), Document NONE "The API as an OpenRPC document.";
    "daemon.info" Observe [] Nothing => |_| Ok(Command::Info), Info NONE "Which daemon this is, and since when.";
    "daemon.health" Observe [] Nothing => |_| Ok(Command::Health), Health NONE "Whether every account that shall be registered is.";
    "daemon.reload" Admin [] Nothing => |_| own(Ua::Reload), Reloaded RELOAD "Reads the configuration anew; with a fault in it nothing changes. No call is touched.";
    "daemon.drain" Admin ["timeout"] ua::Drain => |p| own(Ua::Drain(p)), Draining NONE "No new calls from now on; the daemon stops when the last one is over, or ends those that are left after the timeout.";
    "daemon.shutdown" Admin [] Nothing => |_| own(Ua::Shutdown), True NONE "Ends every call, unregisters, stops.";

    "account.add" Admin ["name", "account"] ua::AccountAdd => |p| account(p, true).map(Ua::AccountAdd).and_then(own), Account ADD "Adds an account until the daemon stops.";
    "account.update" Admin ["name", "account"] ua::AccountAdd => |p| account(p, false).map(Ua::AccountUpdate).and_then(own), Account ACCOUNT "Changes an account.";
    "account.remove" Admin ["name"] ua::AccountRef => |p| own(Ua::AccountRemove(p)), True ACCOUNT "Removes an account.";
    "account.list" Observe [] Nothing => |_| own(Ua::AccountList), Accounts NONE "Every account and how it is registered.";
    "account.get" Observe ["name"] ua::AccountRef => |p| own(Ua::AccountGet(p)), Account ACCOUNT "One account and how it is registered.";
    "account.register" Call ["name"] ua::AccountRef => |p| own(Ua::AccountRegister(p)), True REGISTER "Registers an account; true once the registrar has it.";
    "account.unregister" Call ["name"] ua::AccountRef => |p| own(Ua::AccountUnregister(p)), True REGISTER "Unregisters an account; true once that is done.";

    "device.list" Observe [] Nothing => |_| own(Ua::DeviceList), Devices NONE "The sound devices of the host.";
    "device.get" Observe ["id"] ua::DeviceRef => |p| own(Ua::DeviceGet(p)), Device DEVICE "One sound device.";
    "device.setVolume" Call ["id", "volume", "role"] ua::SetVolume => |p| own(Ua::DeviceSetVolume(p)), True DEVICE "Turns a device up or down, in the phone's own path, until the daemon stops.";
    "device.setRole" Call ["id", "role", "account", "callId"] ua::SetRole => |p| own(Ua::DeviceSetRole(p)), True DEVICE "Says what a device is used for.";
    "device.test" Call ["id", "input", "output", "seconds", "force"] ua::DeviceTest => |p| own(Ua::DeviceTest(p)), DeviceTested TEST "Plays a sound on a loudspeaker and listens to a microphone; returns when it is done.";

    "agent.set" Call ["state", "reason", "dnd", "seconds", "forward", "seat", "account"] ua::AgentSet => |p| own(Ua::AgentSet(p)), Agent AGENT "Says whether the agent of a seat takes calls.";
    "agent.get" Observe ["seat", "account"] ua::AgentRef => |p| own(Ua::AgentGet(p)), Agent ACCOUNT "Whether the agent of a seat takes calls.";

    "phone.start" Call [] Nothing => |_| own(Ua::Start), True NONE "Registers every account that shall be.";
    "phone.disconnect" Call [] Nothing => |_| own(Ua::Disconnect), True NONE "Unregisters every account.";
    "phone.reRegister" Call [] Nothing => |_| own(Ua::ReRegister), True NONE "Registers every account anew, now.";
    "phone.destroy" Call ["callId"] ua::Destroy => |p| own(Ua::PhoneDestroy(p)), True SESSION "Ends every session and unregisters every account; with a callId as session.destroy.";
    "phone.call" Call ["number", "option", "transferId", "account"] ua::Call => |p| own(Ua::Call(p)), Called CALL "Calls; returns once the INVITE is on the wire.";
    "phone.get" Observe [] Nothing => |_| own(Ua::PhoneGet), Phone NONE "The phone: its settings and counts.";
    "phone.preflight" Call ["account", "input", "output"] ua::Preflight => |p| own(Ua::Preflight(p)), PreflightResult PREFLIGHT "Whether all is there for the shift: devices, registrations, the media engine, the clock; takes some 3 s and touches no call.";
    "phone.getSession" Observe ["callId"] ua::GetSession => |p| own(Ua::GetSession(p)), Sessions SESSION "One session, or all as an array.";
    "phone.setSessionStaticStatus" Call ["callId", "staticStatus", "startManualModel"] ua::SetStaticStatus => |p| own(Ua::SetStaticStatus(p)), Session SESSION "As session.setStaticStatus.";
    "phone.getCurrentSession" Observe [] Nothing => |_| own(Ua::GetCurrentSession), SessionOrNull NONE "The current session.";
    "phone.setCurrentSession" Call ["callId"] ua::CallRef => |p| own(Ua::SetCurrentSession(p)), True SESSION "Makes a session the current one of its seat.";
    "phone.merge" Call ["callIds"] ua::Merge => merge, True FAR "Puts sessions of a seat into one conference; true when all are resumed.";
    "phone.split" Call ["callId"] ua::Split => |p| own(Ua::Split(p)), True FAR "Takes one out of its conference and holds it; without callId all but the current one.";
    "phone.on" Observe ["eventName"] On => |p: On| on(None, p.event_name), Subscription NONE "Subscribes to one event, or to all with *.";
    "phone.off" Observe ["subscription"] Off => |p: Off| Ok(Command::Unsubscribe(p.subscription)), True NONE "Ends a subscription of this connection.";

    "phone.setRecordPermissions" Admin ["permissions"] ua::SetRecordPermissions => record_permissions, True NONE "What users may do about recording until the daemon stops: 0 nothing, 1 pause and resume, 2 also start and stop.";

    "audio.play" Call ["callId", "file", "to", "loop"] ua::AudioPlay => |p| own(Ua::AudioPlay(p)), True PLAY "Plays a file into a call, beside whoever speaks; true once it begins.";
    "audio.stop" Call ["callId"] ua::CallRef => |p| own(Ua::AudioStop(p)), True SESSION "Ends what audio.play plays.";
    "audio.open" Call ["callId", "ports", "mode", "format"] ua::AudioOpen => |p| own(Ua::AudioOpen(p)), AudioSocket SOCKET "Opens a socket for a program that listens to a call, or speaks into it.";
    "audio.close" Call ["callId", "audioId"] ua::AudioClose => |p| own(Ua::AudioClose(p)), True STATE "Closes such a socket.";

    "recording.list" Observe ["callId", "account", "page", "size"] ua::RecordingList => |p| own(Ua::Recordings(ua::Recordings::List(p))), RecordingPage STORAGE "The recordings, newest first.";
    "recording.get" Observe ["id"] ua::RecordingRef => |p| own(Ua::Recordings(ua::Recordings::Get(p))), Recording STORAGE "A recording: who, when, where, its markers and hash.";
    "recording.verify" Observe ["id"] ua::RecordingRef => |p| own(Ua::Recordings(ua::Recordings::Verify(p))), Verified VERIFY "Whether a recording is what its hash says.";
    "recording.delete" Admin ["id"] ua::RecordingRef => |p| own(Ua::Recordings(ua::Recordings::Delete(p))), True VERIFY "Deletes a recording that is closed.";

    "webhook.list" Observe [] Nothing => |_| own(Ua::Webhooks(ua::Webhooks::List)), Webhooks NONE "The webhooks: how far each is, and what it could not deliver.";
    "webhook.test" Admin ["name"] ua::WebhookRef => |p| own(Ua::Webhooks(ua::Webhooks::Test(p))), WebhookTested NONE "Sends a signed test event now; one that is taken switches a disabled webhook on again.";

    "webhook.retry" Admin ["name", "id"] ua::WebhookRetry => |p| own(Ua::Webhooks(ua::Webhooks::Retry(p))), WebhookRetried NONE "Sends dead letters once more, now, for 8 s at most; what is taken is none any longer.";

    "fleet.status" Observe [] Nothing => |_| Ok(Command::Fleet), Fleet NONE "The bridge to a broker of many hosts: whether it is there, and how far it is told.";

    "session.get" Observe ["callId"] ua::CallRef => |p: ua::CallRef| own(Ua::GetSession(ua::GetSession { call_id: Some(p.call_id) })), Session SESSION "The session's snapshot.";
    "session.on" Observe ["callId", "eventName"] SessionOn => |p: SessionOn| on(Some(p.call_id), p.event_name), Subscription SESSION "Subscribes to one event of a session, or to all with *; ends with the session.";
    "session.off" Observe ["subscription"] Off => |p: Off| Ok(Command::Unsubscribe(p.subscription)), True NONE "Ends a subscription of this connection.";
    "session.answer" Call ["callId", "option"] ua::Answer => |p| own(Ua::Answer(p)), Success ANSWER "Answers a ringing session; the seat's talking one is held first.";
    "session.reject" Call ["callId", "code"] ua::Reject => reject, True STATE "Refuses a ringing session.";
    "session.progress" Call ["callId", "code"] ua::Progress => |p| own(Ua::Progress(p)), True STATE "Sends 180, or 183 with early media, on a ringing session.";
    "session.hangup" Call ["callId"] ua::CallRef => |p| own(Ua::Hangup(p)), True STATE "Ends the session: BYE, CANCEL or 486, whichever fits.";
    "session.terminate" Call ["callId", "type"] ua::Terminate => |p| own(Ua::Terminate(p)), True STATE "Ends the session as the type says.";
    "session.hold" Call ["callId"] ua::CallRef => |p| own(Ua::Hold(p)), True FAR "Holds; true at the peer's final answer.";
    "session.unhold" Call ["callId"] ua::CallRef => |p| own(Ua::Unhold(p)), True FAR "Resumes; the seat's talking session is held first.";
    "session.renegotiate" Call ["callId"] ua::CallRef => |p| own(Ua::Renegotiate(p)), True FAR "A re-INVITE with what holds now; true at the peer's final answer.";
    "session.audioToVideo" Call ["callId"] ua::CallRef => |p| own(Ua::AudioToVideo(p)), True VIDEO "Adds our video by a re-INVITE, and the peer's where there is a sink; without a source of video, or where the audio is not WebRTC, -291, and the session stays audio.";
    "session.videoToAudio" Call ["callId"] ua::CallRef => |p| own(Ua::VideoToAudio(p)), True FAR "Drops video by a re-INVITE; true at once where there is none.";
    "session.dtmf" Call ["callId", "dtmf", "method", "redact"] ua::Dtmf => |p| own(Ua::Dtmf(p)), True DTMF "Queues digits.";
    "session.blindTransfer" Call ["callId", "number", "hangup"] ua::BlindTransfer => |p| own(Ua::BlindTransfer(p)), True BLIND "Sends the far end to a number; true once it has agreed, events tell the outcome.";
    "session.attendedTransfer" Call ["callId", "number"] ua::AttendedTransfer => |p| own(Ua::AttendedTransfer(p)), True ATTENDED "Joins the far ends of a consultation and its parent; true once the first has agreed.";
    "session.mute" Call ["callId"] ua::CallRef => |p| own(Ua::Mute(p)), True STATE "Silence in place of the microphone.";
    "session.unmute" Call ["callId"] ua::CallRef => |p| own(Ua::Unmute(p)), True STATE "The microphone again.";
    "session.stopTimer" Call ["callId"] ua::CallRef => |p| own(Ua::StopTimer(p)), Session SESSION "Stops the counting and updateTimer.";
    "session.startRecord" Call ["callId", "target"] ua::Record => |p| own(Ua::StartRecord(p)), True START_RECORD "Records, or goes on after a pause; true once the file is open.";
    "session.pauseRecord" Call ["callId", "target"] ua::Record => |p| own(Ua::PauseRecord(p)), True RECORD "Silence in the recording from now on.";
    "session.stopRecord" Call ["callId"] ua::CallRef => |p| own(Ua::StopRecord(p)), Stopped START_RECORD "Closes the file; true where only the PBX recorded.";
    "session.setStatus" Call ["callId", "status"] ua::SetStatus => |p| own(Ua::SetStatus(p)), Session SESSION "Merges name, avatar, company, tags.";
    "session.setStaticStatus" Call ["callId", "staticStatus", "startManualModel"] ua::SetStaticStatus => |p| own(Ua::SetStaticStatus(p)), Session SESSION "Merges name, avatar, company; true stops automatic updates.";
    "session.diagnose" Observe ["callId"] ua::CallRef => |p| own(Ua::Diagnose(p)), Diagnosis SESSION "What is wrong with a session, in words: one that lives, or one of the last hundred.";
    "session.trace" Call ["callId"] ua::CallRef => |p| own(Ua::History(ua::History::Trace(p))), Trace SESSION "The SIP of a call that is or was, without credentials, keys and digits.";
    "session.report" Observe ["callId"] ua::CallRef => |p| own(Ua::History(ua::History::Report(p))), History SESSION "What is known of a call that is or was: figures over time, events, devices, its record.";
    "session.destroy" Call ["callId"] ua::CallRef => |p| own(Ua::Destroy(p)), True SESSION "Ends the session if it lives, and forgets it.";

    "events.subscribe" Observe ["topics", "callId", "account", "fromSeq", "snapshot", "epoch"] EventsSubscribe => subscribe, Begin SUBSCRIBE "Subscribes to events, with no gap after the snapshot, or after what the log has from fromSeq on.";
    "events.replay" Observe ["fromSeq", "toSeq", "limit", "epoch"] EventsReplay => |p| Ok(Command::Replay(p)), Replayed REPLAY "Events out of the log; ask again from nextSeq until it is null.";
    "cdr.query" Observe ["page", "size", "sortBy", "orderBy", "filter"] CdrQuery => cdrs, Cdrs STORAGE "Call detail records.";
    "events.unsubscribe" Observe ["subscription"] Off => |p: Off| Ok(Command::Unsubscribe(p.subscription)), True NONE "Ends a subscription of this connection.";
}

/// Params of a method that has none.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Nothing {}

/// Params of `phone.on`.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct On {
    /// The event, or `*`.
    event_name: String,
}

/// Params of `session.on`.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SessionOn {
    /// Which session.
    call_id: String,
    /// The event, or `*`.
    event_name: String,
}

/// Params of `off` and `events.unsubscribe`.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Off {
    /// The subscription's id.
    subscription: u64,
}

fn own(command: Ua) -> Made {
    Ok(Command::Ua(Box::new(command)))
}

fn on(call_id: Option<String>, event: String) -> Made {
    let filter = Filter { topics: Some(vec![topic(event, "eventName")?]), call_id, account: None };
    Ok(Command::Subscribe(Subscribe { filter, since: None, answer: SubscribeAnswer::Id }))
}

fn subscribe(params: EventsSubscribe) -> Made {
    if params.from_seq.is_some() && params.snapshot == Some(true) {
        return Err(errors::params("fromSeq", "a snapshot is of now, fromSeq of then", "either of them"));
    }
    if params.from_seq.is_none() && params.epoch.is_some() {
        return Err(errors::params("epoch", "it says what fromSeq belongs to", "with fromSeq"));
    }
    let checked = |topics: Vec<String>| {
        topics
            .into_iter()
            .enumerate()
            .map(|(at, name)| topic(name, &format!("topics[{at}]")))
            .collect::<Result<Vec<_>, _>>()
    };
    let topics = params.topics.map(checked).transpose()?;
    let answer = if params.snapshot == Some(true) { SubscribeAnswer::Snapshot } else { SubscribeAnswer::Begin };
    Ok(Command::Subscribe(Subscribe {
        filter: Filter { topics, call_id: params.call_id, account: params.account },
        since: params.from_seq.map(|seq| Since { seq, epoch: params.epoch }),
        answer,
    }))
}

fn cdrs(query: CdrQuery) -> Made {
    // Day or time: what is compared as text has to be written alike.
    let right = |time: &String| {
        let shape: String = time.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
        ["0000-00-00", "0000-00-00T00:00:00Z", "0000-00-00T00:00:00.000Z"].contains(&shape.as_str())
    };
    for (path, time) in [("filter.from", &query.filter.from), ("filter.to", &query.filter.to)] {
        if time.as_ref().is_some_and(|time| !right(time)) {
            return Err(errors::params(path, "not a time", "RFC 3339 in UTC: 2026-11-23T08:00:00Z, or 2026-11-23"));
        }
    }
    if query.page == 0 || !(1..=200).contains(&query.size) {
        return Err(errors::params("page", "page is 1 or more, size 1 to 200", ""));
    }
    Ok(Command::Cdrs(query))
}

fn topic(name: String, path: &str) -> Result<String, ErrorObjectOwned> {
    if is_topic(&name) {
        return Ok(name);
    }
    let name: String = name.chars().take(64).collect();
    Err(errors::params(
        path,
        &format!("there is no event {name:?}"),
        "an event's name, a family as device.*, or *; x-events of rpc.discover lists them",
    ))
}

fn merge(params: ua::Merge) -> Made {
    if params.call_ids.iter().collect::<BTreeSet<_>>().len() < 2 {
        return Err(errors::params(
            "callIds",
            "a conference has two sessions or more",
            "two different callIds at least",
        ));
    }
    own(Ua::Merge(params))
}

fn reject(params: ua::Reject) -> Made {
    match params.code {
        Some(code) if !(400..700).contains(&code) => {
            Err(errors::params("code", "a final status refuses: 400 to 699", "486 where it is left out"))
        }
        _ => own(Ua::Reject(params)),
    }
}

fn record_permissions(params: ua::SetRecordPermissions) -> Made {
    if params.permissions > 2 {
        return Err(errors::params("permissions", "0, 1 or 2", "0 nothing, 1 pause and resume, 2 also start and stop"));
    }
    own(Ua::SetRecordPermissions(params))
}

/// An account over the socket obeys the same rules as one in a file.
fn account(mut params: ua::AccountAdd, whole: bool) -> Result<ua::AccountAdd, ErrorObjectOwned> {
    if let Some((key, why)) = config::account_faults(&params.name, &params.account, whole).into_iter().next() {
        let path = if key.is_empty() { "name".to_owned() } else { format!("account.{key}") };
        return Err(errors::params(&path, &why, ""));
    }
    config::read_password(&mut params.account).map_err(|why| errors::params("account.password_file", &why, ""))?;
    Ok(params)
}
