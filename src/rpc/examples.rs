//! An example for every method: params and result, as they could be. Tests give the params to the real parser and hold the results
//! against their schemas.

use serde_json::{Value, json};

use super::methods::METHODS;

/// An outbound session, and an inbound one.
pub(super) const CALL: &str = "6c1f0b9a5d3e4f271";
pub(super) const OTHER: &str = "e07d43c2b18a96f52";
/// An audio socket.
pub(super) const AUDIO: &str = "91d7e10c55ab2f38";
/// A recording.
pub(super) const FIRST: &str = "/var/lib/phoned/recordings/2026-11-23/080001_1002.wav";
const FIRST_ID: &str = "2026-11-23/080001_1002.wav";
/// Its hash.
pub(super) const HASH: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
/// The life of an event log.
pub(super) const EPOCH: &str = "3b6e0f4d9a1c7752";

macro_rules! examples {
    ($($name:literal $params:tt => $result:tt;)*) => {
        /// The example of a method: params by name, and what it returns.
        pub(super) fn of(name: &str) -> Option<(Value, Value)> {
            match name {
                $($name => Some((json!($params), json!($result))),)*
                _ => None,
            }
        }
        /// The methods that have one.
        pub(super) const NAMES: &[&str] = &[$($name),*];
    };
}

examples! {
    "rpc.discover" {} => { "openrpc": "1.3.2", "info": { "title": "phoned", "version": "0.1.0" }, "methods": [] };
    "daemon.info" {} => { "name": "phoned", "version": "0.1.0", "pid": 4711, "uptimeMs": 86_400_000, "epoch": EPOCH };
    "daemon.health" {} => { "ok": true, "accounts": [account()] };
    "daemon.reload" {} => { "changed": ["accounts.office.password", "phone.ring_timeout"], "needsRestart": ["sip.listen"] };
    "daemon.drain" { "timeout": 60 } => { "sessions": 2, "timeout": 60 };
    "daemon.shutdown" {} => true;

    "account.add" { "name": "office", "account": { "uri": "sip:1001@pbx.example.com", "password": "secret" } } => (account());
    "account.update" { "name": "office", "account": { "uri": "sip:1001@pbx.example.com", "password": "secret", "expires": 600 } } => (account());
    "account.remove" { "name": "office" } => true;
    "account.list" {} => [account()];
    "account.get" { "name": "office" } => (account());
    "account.register" { "name": "office" } => true;
    "account.unregister" { "name": "office" } => true;

    "device.list" {} => { "devices": [gauged()], "roles": { "input": "default", "output": "default", "ringer": "default" } };
    "device.get" { "id": "pulse:headset" } => (gauged());
    "device.setVolume" { "id": "pulse:headset", "volume": 80, "role": "input" } => true;
    "device.test" { "input": "pulse:headset", "output": "pulse:headset", "seconds": 2 }
        => { "input": "pulse:headset", "output": "pulse:headset", "played": true, "heard": true, "levelDbov": -52.3, "delayMs": null, "finding": "ok", "message": "The microphone works: -52 dBov. The test sound was played; it does not come back through the microphone." };
    "device.setRole" { "id": "pulse:headset", "role": "input", "account": "office" } => true;

    "agent.set" { "state": "notReady", "reason": "lunch" } => (agent("notReady"));
    "agent.get" { "seat": "office" } => (agent("notReady"));

    "phone.start" {} => true;
    "phone.disconnect" {} => true;
    "phone.reRegister" {} => true;
    "phone.destroy" {} => true;
    "phone.call" { "number": "1002", "option": { "extraHeaders": ["X-Ticket: 42"] }, "account": "office" }
        => { "code": 200, "msg": "SUCCESS", "callId": CALL, "session": session(CALL, "calling") };
    "phone.get" {} => { "isRegistered": true, "accounts": 1, "sessions": [CALL], "currentSession": CALL, "agents": [agent("ready")], "recordPermissions": 2,
        "lookups": { "asked": 12, "found": 9, "failed": 0 }, "seq": 7,
        "counts": { "sessions": 1, "dialogs": 1, "orphans": 0, "recordings": 0, "transactions": 2, "requests": 0, "queries": 0, "flows": 2, "timers": 3, "waiting": 0 } };
    "phone.preflight" { "account": "office" } => { "ok": false, "checks": [
        { "check": "microphone", "ok": false, "text": "the microphone \"pulse:headset\" gives nothing, not even noise (-127 dBov)",
            "hint": "It may be switched off at the headset, or muted in the sound server" },
        { "check": "loop", "ok": true, "text": "the phone hears itself over loopback with opus: 55 ms late, 0 of 236 packets lost", "hint": "" },
    ] };
    "phone.getSession" {} => [session(CALL, "talking")];
    "phone.setSessionStaticStatus" { "callId": CALL, "staticStatus": { "name": "Front Desk" } } => (session(CALL, "talking"));
    "phone.getCurrentSession" {} => (session(CALL, "talking"));
    "phone.setCurrentSession" { "callId": OTHER } => true;
    "phone.merge" { "callIds": [CALL, OTHER] } => true;
    "phone.split" { "callId": OTHER } => true;
    "phone.on" { "eventName": "incoming" } => 3;
    "phone.off" { "subscription": 3 } => true;
    "phone.setRecordPermissions" { "permissions": 1 } => true;

    "audio.play" { "callId": CALL, "file": "recorded.wav", "to": "remote" } => true;
    "audio.stop" { "callId": CALL } => true;
    "audio.open" { "callId": CALL, "ports": ["customerMouth", "agentMouth"], "mode": "tap" }
        => { "audioId": AUDIO, "path": "/run/phoned/phoned.audio/91d7e10c55ab2f38.sock", "ports": ["customerMouth", "agentMouth"], "mode": "tap", "format": "s16le-16000" };
    "audio.close" { "callId": CALL, "audioId": AUDIO } => true;

    "recording.list" { "account": "office", "size": 10 } => { "total": 1, "page": 0, "size": 10, "recordings": [recording()] };
    "recording.get" { "id": FIRST_ID } => (recording());
    "recording.verify" { "id": FIRST_ID } => { "id": FIRST_ID, "valid": true, "sha256": HASH, "expected": HASH };
    "recording.delete" { "id": FIRST_ID } => true;

    "webhook.list" {} => [webhook()];
    "webhook.retry" { "name": "crm" } => { "delivered": 2, "failed": 1, "left": 1, "error": "the server says 422" };
    "fleet.status" {} => (fleet());
    "webhook.test" { "name": "crm" } => { "delivered": true, "status": 204, "durationMs": 38, "error": null };

    "session.get" { "callId": CALL } => (session(CALL, "talking"));
    "session.on" { "callId": CALL, "eventName": "*" } => 4;
    "session.off" { "subscription": 4 } => true;
    "session.answer" { "callId": OTHER } => { "code": 200, "msg": "SUCCESS" };
    "session.reject" { "callId": OTHER, "code": 486 } => true;
    "session.progress" { "callId": OTHER, "code": 183 } => true;
    "session.hangup" { "callId": CALL } => true;
    "session.terminate" { "callId": CALL, "type": "terminate" } => true;
    "session.hold" { "callId": CALL } => true;
    "session.unhold" { "callId": CALL } => true;
    "session.renegotiate" { "callId": CALL } => true;
    "session.audioToVideo" { "callId": CALL } => true;
    "session.videoToAudio" { "callId": CALL } => true;
    "session.dtmf" { "callId": CALL, "dtmf": "42#" } => true;
    "session.blindTransfer" { "callId": CALL, "number": "1003" } => true;
    "session.attendedTransfer" { "callId": CALL } => true;
    "session.mute" { "callId": CALL } => true;
    "session.unmute" { "callId": CALL } => true;
    "session.stopTimer" { "callId": CALL } => (session(CALL, "talking"));
    "session.startRecord" { "callId": CALL, "target": "local" } => true;
    "session.pauseRecord" { "callId": CALL } => true;
    "session.stopRecord" { "callId": CALL } => { "path": FIRST, "sha256": HASH, "durationMs": 61_240 };
    "session.setStatus" { "callId": CALL, "status": { "tags": ["vip"] } } => (session(CALL, "talking"));
    "session.setStaticStatus" { "callId": CALL, "staticStatus": { "name": "Front Desk", "company": "Example Ltd" }, "startManualModel": true }
        => (session(CALL, "talking"));
    "session.diagnose" { "callId": CALL } => { "callId": CALL, "findings": [{
        "rule": "they-count-nothing", "severity": "error",
        "text": "They cannot hear you: you send 50 packets a second, their reports count none since 14:02:07 UTC; their address 10.1.2.3 is private",
        "hint": "A firewall or a NAT on the way drops what you send: let the PBX relay the media, or use WebRTC with a STUN server",
        "facts": { "packetsPerSecond": 50, "sent": 3050, "counted": 212, "reports": 9, "since": "14:02:07 UTC", "to": "10.1.2.3:4000" },
    }] };
    "session.trace" { "callId": CALL } => { "callId": CALL, "live": false, "messages": [{ "time": "2026-11-23T08:00:01.040Z", "direction": "out",
        "transport": "udp", "local": "192.0.2.20:5060", "remote": "192.0.2.10:5060", "message": "INVITE sip:1002@pbx.example.com SIP/2.0\r\n…" }], "leftOut": 0 };
    "session.report" { "callId": CALL } => { "callId": CALL, "account": "office", "live": false, "direction": "outbound", "number": "1002", "name": "Front Desk",
        "company": "", "startedAt": "2026-11-23T08:00:01.040Z", "answeredAt": "2026-11-23T08:00:05.120Z", "endedAt": "2026-11-23T08:01:06.360Z",
        "RTCSession": (session(CALL, "talking")["RTCSession"]), "devices": [{ "time": "2026-11-23T08:00:01.040Z", "input": "pulse:headset", "output": "pulse:headset" }],
        "samples": [{ "time": "2026-11-23T08:00:08.120Z", "codec": "opus", "metrics": metrics() }], "every": 1,
        "events": [{ "seq": 6, "time": "2026-11-23T08:00:04.210Z", "event": "progress", "data": { "code": 180, "earlyMedia": false } }], "leftOut": 0,
        "cdr": record(), "messages": 9 };
    "session.destroy" { "callId": CALL } => true;

    "events.subscribe" { "topics": ["incoming", "ended", "failed"], "snapshot": true }
        => { "subscription": 1, "seq": 7, "epoch": EPOCH, "snapshot": { "accounts": [account()], "sessions": [session(CALL, "talking")], "devices": [device()], "agents": [agent("ready")] } };
    "events.replay" { "fromSeq": 6, "limit": 1 } => { "events": [replayed()], "nextSeq": 7, "epoch": EPOCH };
    "events.unsubscribe" { "subscription": 1 } => true;
    "cdr.query" { "size": 20, "filter": { "from": "2026-11-23", "missed": false } } => { "total": 1, "page": 1, "size": 20, "cdrs": [kept()] };
}

/// Rows of the table without an example, and examples without a row: for the test.
pub fn examples_amiss() -> Vec<String> {
    let missing = METHODS.iter().filter(|method| of(method.name).is_none());
    let missing = missing.map(|method| format!("{} has no example: add its row to src/rpc/examples.rs", method.name));
    let over = NAMES.iter().filter(|name| METHODS.iter().all(|method| method.name != **name));
    missing.chain(over.map(|name| format!("{name} of src/rpc/examples.rs is no method"))).collect()
}

/// A session: `calling`, `ringing` or `talking` outbound, `connecting` inbound.
pub(super) fn session(call_id: &str, state: &str) -> Value {
    let (inbound, talking) = (state == "connecting", state == "talking");
    let (codec, ssrc) = ("opus", 2_864_434_397_u32);
    let or_null = |there: bool, value: &str| if there { Value::from(value) } else { Value::Null };
    json!({
        "callId": call_id,
        "status": status(call_id, state),
        "timer": { "ringDuration": 3, "callingDuration": if inbound { 0 } else { 4 }, "callDuration": if talking { 61 } else { 0 }, "holdDuration": 0 },
        "callReport": if talking { report() } else { Value::Null },
        "metrics": if talking { metrics() } else { Value::Null },
        "incomingList": if inbound { vec![call_id] } else { Vec::new() },
        "RTCSession": {
            "id": "5f8d1c0e3b7a4926@192.0.2.20",
            "localTag": "a81c5e03d94b7f62",
            "remoteTag": or_null(inbound || talking, "8f27ce10"),
            "localUri": or_null(inbound || talking, "<sip:1001@pbx.example.com>;tag=a81c5e03d94b7f62"),
            "remoteUri": or_null(inbound || talking, "<sip:1002@pbx.example.com>;tag=8f27ce10"),
            "remoteTarget": or_null(inbound || talking, "sip:1002@192.0.2.10:5060"),
            "transport": or_null(inbound || talking, "udp"),
            "localRtp": or_null(talking, "192.0.2.20:30000"),
            "remoteRtp": or_null(talking, "192.0.2.10:14002"),
            "codec": or_null(talking, codec),
            "srtp": null,
            "dtls": null,
            "ice": null,
            "direction": or_null(talking, "sendrecv"),
            "state": if talking { "confirmed" } else if inbound { "early" } else { "none" },
        },
        "localStream": null,
        "remoteStream": if talking {
            json!({ "id": format!("{call_id}-remote"), "tracks": [{ "kind": "audio", "codec": codec, "ssrc": ssrc, "direction": "sendrecv", "muted": false }] })
        } else {
            Value::Null
        },
        "seq": 7,
    })
}

/// Its status.
pub(super) fn status(call_id: &str, state: &str) -> Value {
    let inbound = state == "connecting";
    json!({
        "name": "Front Desk",
        "avatar": "",
        "company": "",
        "number": "1002",
        "callId": call_id,
        "communicationType": if inbound { "inbound" } else { "outbound" },
        "isVideo": false,
        "isRing": inbound,
        "isHold": false,
        "isMute": false,
        "callStatus": state,
        "callStartTime": if state == "talking" { 1_795_420_805_120_i64 } else { 0 },
        "recordStatus": "stop",
        "isTransfer": false,
        "isConference": false,
        "isRemoteHold": false,
        "account": "office",
        "calledNumber": if inbound { "1001" } else { "1002" },
        "headers": {},
        "tags": [],
    })
}

/// A report.
pub(super) fn report() -> Value {
    json!({
        "lksTimestamp": "1795420805120", "lksDate": "2026-11-23 08:00:05", "callId": CALL, "extension": "1001", "iceResult": "",
        "lksNetworkType": "ethernet", "lksDeviceType": "phoned", "lksDuration": "60", "lksAudioCodec": "opus",
        "lksAudioRx": "3043", "lksAudioRxLost": "0.002295", "lksAudioRxMaxjitter": "4.125", "lksAudioRxAvgjitter": "0.870",
        "lksAudioTx": "3050", "lksAudioTxLost": "0.000000", "lksAudioTxMaxjitter": "3.000", "lksAudioTxAvgjitter": "0.625",
        "lksVideoCodec": "", "lksVideoRx": "0", "lksVideoRxLost": "0.000000", "lksVideoRxMaxjitter": "0.000", "lksVideoRxAvgjitter": "0.000",
        "lksVideoTx": "0", "lksVideoTxLost": "0.000000", "lksVideoTxMaxjitter": "0.000", "lksVideoTxAvgjitter": "0.000",
    })
}

fn metrics() -> Value {
    json!({
        "mos": 4.35, "rFactor": 90.12, "lossPct": 0.23, "jitterMs": 0.92, "rttMs": 18.4, "jitterBufferMs": 40.0, "concealedPct": 0.2,
        "rxLevelDbov": -27.5, "txLevelDbov": -25.1, "oneWay": false,
    })
}

/// An account.
pub(super) fn account() -> Value {
    json!({
        "name": "office",
        "uri": "sip:1001@pbx.example.com",
        "registrar": "sip:pbx.example.com",
        "proxies": [],
        "displayName": null,
        "register": true,
        "isRegistered": true,
        "registration": { "state": "registered", "expiresIn": 284, "failures": 0, "retryInMs": null },
        "transport": "udp",
        "seat": null,
        "input": null,
        "output": null,
        "autoAnswer": null,
    })
}

fn fleet() -> Value {
    json!({
        "state": "connected", "host": "desk-17", "prefix": "phoned", "stream": "PHONED", "rpc": "observe",
        "server": "tls://nats.example.com:4222", "nextSeq": 1043, "behind": 0, "published": 1042, "duplicates": 1,
        "lost": 0, "failures": 0, "lastError": null, "requests": 3,
    })
}

fn webhook() -> Value {
    json!({
        "name": "crm", "url": "https://crm.example.com/phone", "events": ["incoming", "cdrChange"], "account": null, "state": "ok",
        "nextSeq": 1294, "behind": 0, "delivered": 211, "failures": 0, "lastError": null, "retryInMs": null, "lost": 0, "dead": 1,
        "deadLetters": [{
            "seq": 977, "epoch": EPOCH, "event": "cdrChange", "callId": CALL, "time": "2026-11-23T08:01:06.360Z", "reason": "the server says 422",
        }],
    })
}

/// The agent of a seat, at work or at lunch.
pub(super) fn agent(state: &str) -> Value {
    let mut agent = json!({ "seat": "office", "accounts": ["office"], "state": state, "dnd": false, "since": "2026-11-23T12:00:00.000Z" });
    if state == "notReady" {
        agent["reason"] = "lunch".into();
    }
    agent
}

/// A sound device.
pub(super) fn device() -> Value {
    json!({ "id": "pulse:headset", "name": "USB headset", "input": true, "output": true, "defaultInput": true, "defaultOutput": false, "suspended": false,
        "hardware": "/sys/devices/pci0000:00/0000:00:14.0/usb1/1-2" })
}

/// The same, with its levels.
fn gauged() -> Value {
    let mut device = device();
    device["inputVolume"] = 100.into();
    device["outputVolume"] = 80.into();
    device["inputLevel"] = json!({ "peakDbov": -18.4, "rmsDbov": -31.2 });
    device["outputLevel"] = Value::Null;
    device
}

/// A call detail record.
pub(super) fn record() -> Value {
    json!({
        "callId": CALL, "account": "office", "direction": "outbound", "number": "1002", "calledNumber": "1002", "name": "Front Desk",
        "startTime": "2026-11-23T08:00:01.040Z", "answerTime": "2026-11-23T08:00:05.120Z", "endTime": "2026-11-23T08:01:06.360Z",
        "ringSec": 3, "talkSec": 61, "holdSec": 0, "cause": "Terminated", "code": null, "by": "remote", "recording": FIRST, "mos": 4.35, "tags": [],
    })
}

fn kept() -> Value {
    let mut kept = record();
    kept["id"] = 19.into();
    kept
}

fn replayed() -> Value {
    json!({
        "seq": 6, "epoch": EPOCH, "time": "2026-11-23T08:00:04.210Z", "event": "progress", "callId": CALL, "account": "office",
        "data": { "callId": CALL, "code": 180, "earlyMedia": false },
    })
}

fn recording() -> Value {
    json!({
        "id": FIRST_ID, "path": FIRST, "size": 1_959_724, "state": "closed", "callId": CALL, "account": "office", "number": "1002",
        "name": "Front Desk", "calledNumber": "1002", "direction": "outbound", "startedAt": "2026-11-23T08:00:05.120Z",
        "endedAt": "2026-11-23T08:01:06.360Z", "format": "wav", "rate": 8000, "channels": ["agent", "customer"], "durationMs": 61_240,
        "sha256": HASH, "markers": [{ "atMs": 20_000, "kind": "pause" }, { "atMs": 31_500, "kind": "resume" }],
    })
}
