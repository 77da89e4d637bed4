//! The events that users can be told of: name, type of its data (of `payloads`), when it comes, an example. For topics and for
//! `rpc.discover`.

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Value, json};

use super::examples::{AUDIO, CALL, FIRST, OTHER, account, record, report, session, status};
use super::payloads as of;

/// An event's name, its data and when it comes.
pub(super) struct Known {
    pub name: &'static str,
    pub when: &'static str,
    /// The newest replaces the older of the same session; it is not counted.
    pub sample: bool,
    /// The schema of its data.
    pub schema: fn(&mut SchemaGenerator) -> Schema,
    /// A `data` that is like a real one.
    pub example: fn() -> Value,
}

macro_rules! events {
    ($($kind:ident $name:literal $data:ident $when:literal $example:tt;)*) => {
        /// Every event that has a name of its own.
        pub(super) const NAMES: &[Known] = &[$(Known {
            name: $name,
            when: $when,
            sample: matches!(stringify!($kind).as_bytes(), b"sample"),
            schema: |generator| of::$data::json_schema(generator),
            example: || json!($example),
        }),*];
    };
}

/// Families whose members are told by `family.member`.
pub(super) const FAMILIES: &[&str] = &["device", "account", "audio", "daemon", "recording", "agent"];

events! {
    event "newRTCSession" Begun "A session begins."
        { "callId": CALL, "originator": "local", "session": session(CALL, "calling") };
    event "incoming" Snapshot "Somebody calls; it rings here."
        { "callId": OTHER, "session": session(OTHER, "connecting") };
    event "startSession" Begun "We call, or an inbound session is being answered."
        { "callId": CALL, "originator": "local", "session": session(CALL, "calling") };
    event "progress" Progress "A 1xx came, or was sent."
        { "callId": CALL, "code": 180, "earlyMedia": false };
    event "accepted" Snapshot "The 200, received (outbound) or sent (inbound)."
        { "callId": CALL, "session": session(CALL, "talking") };
    event "confirmed" Snapshot "The ACK, sent (outbound) or received (inbound)."
        { "callId": CALL, "session": session(CALL, "talking") };
    event "ended" Ended "An answered session is over."
        { "callId": CALL, "cause": "Terminated", "by": "remote", "q850": 16 };
    event "failed" Failed "A session that was never answered is over."
        { "callId": CALL, "cause": "Busy", "code": 486, "by": "remote" };
    event "clientError" ClientError "A fault here kept the call from being made."
        { "callId": CALL, "cause": "User Denied Media Access" };
    event "deleteSession" Deleted "The session is forgotten."
        { "callId": CALL };
    event "statusChange" StatusChange "Anything of the status changed but name, avatar and company."
        { "callId": CALL, "newStatus": status(CALL, "talking"), "oldStatus": status(CALL, "ringing"), "changed": ["callStartTime", "callStatus"] };
    event "staticStatusChange" StaticStatusChange "Name, avatar or company changed."
        { "callId": CALL, "newStatus": { "name": "Front Desk", "avatar": "", "company": "Example Ltd" }, "oldStatus": { "name": "", "avatar": "", "company": "" } };
    event "streamAdded" StreamAdded "The first sound of the peer; again with the first packet of its video."
        { "callId": CALL, "communicationType": "outbound", "stream": session(CALL, "talking")["remoteStream"] };
    event "reinvite" Reinvite "The peer changed the session, or another took its place."
        { "callId": CALL, "session": session(CALL, "talking"), "reason": "refresh" };
    event "dtmf" DtmfReceived "A digit came."
        { "callId": CALL, "dtmf": "5", "durationMs": 100, "method": "rtp" };
    event "dtmfSent" DtmfSent "A digit has gone."
        { "callId": CALL, "dtmf": "5", "method": "rtp" };
    event "identity" Identity "We talk to somebody else now, or know more of whom."
        { "callId": CALL, "number": "1003", "name": "Support", "oldNumber": "1002", "oldName": "Front Desk" };
    event "media" Media "Its voice stalls, flows again, or changed otherwise."
        { "callId": CALL, "state": "stalled", "oneWay": true };
    event "alert" Alert "Something wants a look."
        { "kind": "disk", "state": "full", "reason": "No space left on device (os error 28)" };
    event "transferProgress" TransferProgress "Our transfer goes on."
        { "callId": CALL, "code": 180, "number": "1003" };
    event "transferred" Transferred "Our transfer succeeded; the session, and the other leg, end."
        { "callId": CALL, "number": "1003" };
    event "transferFailed" TransferFailed "Our transfer failed, or nothing was heard of it for 30 s; the call is kept."
        { "callId": CALL, "cause": "Busy", "code": 486, "number": "1003" };
    event "connected" Connected "The account's server is there."
        { "account": "office", "transport": "udp", "server": "192.0.2.10:5060" };
    event "disconnected" Disconnected "The way to the account's server is lost; calls go on, and it is opened again."
        { "account": "office", "cause": "Connection Error", "reason": "closed by the peer" };
    event "registered" Registered "An account is registered; refreshes are not told."
        { "account": "office", "expires": 300, "contact": "<sip:1001@192.0.2.20:5060>" };
    event "registrationFailed" RegistrationFailed "A registration failed; it is tried again."
        { "account": "office", "cause": "Rejected", "code": 403, "failures": 1, "retryInMs": 61200 };
    event "isRegisteredChange" IsRegisteredChange "An account became registered, or is it no longer."
        { "account": "office", "isRegistered": true, "code": null };
    event "account.added" AccountChanged "`account.add` was called, or a reload brought it." { "account": "office" };
    event "account.updated" AccountChanged "`account.update` was called, or a reload changed it." { "account": "office" };
    event "account.removed" AccountChanged "`account.remove` was called, or a reload took it away and its last call is over." { "account": "office" };
    event "account.notify" AccountNotify "The PBX sent a NOTIFY that nobody asked for: messages that wait (RFC 3842)."
        { "account": account()["name"], "event": "message-summary", "body": "Messages-Waiting: yes\r\n" };
    event "currentSessionChange" CurrentSessionChange "Another session is the current one."
        { "callId": OTHER, "oldCallId": CALL };
    event "callRejected" CallRejected "An INVITE was refused before it could ring."
        { "account": "office", "number": "1009", "code": 486, "cause": "Busy", "reason": "notReady" };
    event "agent.changed" AgentChanged "An agent takes calls, or takes none any more."
        { "seat": "office", "accounts": ["office"], "state": "notReady", "dnd": false, "reason": "lunch", "since": "2026-11-23T12:00:00.000Z", "by": "local" };
    event "recordPermissionsChange" RecordPermissionsChange "What users may do about recording changed."
        { "recordPermissions": 1, "oldRecordPermissions": 2 };
    event "recording.started" RecordingChanged "The file is open, or the PBX's code is on its way."
        { "callId": CALL, "target": "local", "path": FIRST };
    event "recording.paused" RecordingChanged "Silence in the recording from here on."
        { "callId": CALL, "target": "local" };
    event "recording.resumed" RecordingChanged "Sound again."
        { "callId": CALL, "target": "local" };
    event "recording.stopped" RecordingStopped "The file is closed; when the call's end closed it, after `deleteSession`."
        { "callId": CALL, "target": "local", "path": FIRST, "sha256": super::examples::HASH, "durationMs": 61240 };
    event "recording.failed" RecordingFailed "The disk failed; the call goes on, what was written plays."
        { "callId": CALL, "target": "local", "reason": "No space left on device (os error 28)", "path": FIRST };
    event "audio.playing" AudioPlaying "`audio.play` begins to be heard."
        { "callId": CALL, "file": "recorded.wav", "to": "remote", "loop": false, "durationMs": 4200 };
    event "audio.played" AudioPlayed "It is heard no longer."
        { "callId": CALL, "file": "recorded.wav", "to": "remote", "cause": "end" };
    event "audio.opened" AudioOpened "`audio.open` made a socket."
        { "callId": CALL, "audioId": AUDIO, "ports": ["customerMouth", "agentMouth"], "mode": "tap", "format": "s16le-16000" };
    event "audio.dropped" AudioDropped "The reader of an audio socket is too slow; told once a second at most. The call is not touched."
        { "callId": CALL, "audioId": AUDIO, "frames": 50 };
    event "audio.closed" AudioClosed "An audio socket is closed."
        { "callId": CALL, "audioId": AUDIO, "reason": "the client is gone", "frames": 0 };
    event "device.added" DeviceMoved "A sound device was plugged in."
        { "device": super::examples::device() };
    event "device.removed" DeviceMoved "A sound device is gone."
        { "device": super::examples::device() };
    event "device.changed" DeviceChanged "`device.setRole` was called, or the host has changed something about a device that stays."
        { "id": "pulse:headset", "role": "input", "account": null, "callId": null };
    event "device.volume" DeviceVolume "`device.setVolume` was called."
        { "id": "pulse:headset", "inputVolume": 80, "outputVolume": null };
    event "device.button" DeviceButton "A button of a headset was pressed; told before the phone does what it means."
        { "id": "pulse:headset", "hardware": "/sys/devices/pci0000:00/0000:00:14.0/usb1/1-2", "button": "offHook", "action": "answer", "callId": CALL };
    event "daemon.reloaded" Reloaded "The configuration was read anew, and taken over."
        { "changed": ["accounts.office.password", "phone.ring_timeout"], "needsRestart": ["sip.listen"] };
    event "daemon.reloadFailed" ReloadFailed "The configuration was read anew and has a fault; what was before holds on."
        { "faults": [{ "place": "/etc/phoned/phoned.toml:7:16", "key": "phone.max_calls", "wrong": "this does not fit", "right": "at least 1" }] };
    event "daemon.draining" Draining "No new calls from now on: the daemon is about to stop."
        { "sessions": 2, "timeout": 30 };
    event "daemon.drained" Drained "The drain is over; what is left is ended now, then the accounts are unregistered."
        { "ended": 0 };
    event "cdrChange" CdrChange "The record of a session that is over, once."
        { "callId": CALL, "cdr": record() };
    sample "callReport" Reported "At the answer, then every `[phone] report_interval` (3 s)."
        { "callId": CALL, "callReport": report(), "metrics": session(CALL, "talking")["metrics"] };
    sample "updateTimer" TimerUpdate "Every second."
        { "callId": CALL, "timer": session(CALL, "talking")["timer"] };
    sample "lagged" Lagged "This subscription lost these events, because they were not read in time."
        { "fromSeq": 120, "toSeq": 164 };
}
