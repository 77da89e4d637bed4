//! `phonectl`: its verbs, what they act on when nobody says, what they print, and its exit codes.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test meets the clock and the system")]

mod fake_phone;

use std::io::{BufRead, BufReader};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use fake_phone::{FakePhone, event};
use phoned::ua::command::{self, Command as Asked};
use phoned::ua::settings::AccountSettings;
use serde_json::{Value, json};

fn phonectl(phone: &FakePhone) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_phonectl"));
    command.env("PHONED_SOCKET", &phone.socket).stdin(Stdio::null());
    command
}

async fn run(phone: &FakePhone, arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = phonectl(phone);
    command.args(arguments);
    let Output { status, stdout, stderr } =
        tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

fn last(phone: &FakePhone) -> Asked {
    match phone.seen.lock().unwrap().last().unwrap().clone() {
        // Who dials, the socket says.
        Asked::Call(call) if call.by.is_some() => Asked::Call(command::Call { by: None, ..call }),
        Asked::BlindTransfer(wish) if wish.by.is_some() => {
            Asked::BlindTransfer(command::BlindTransfer { by: None, ..wish })
        }
        other => other,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_verb_asks_its_method() {
    let phone = FakePhone::start();
    let call = |id: &str| command::CallRef { call_id: id.into() };
    let table: Vec<(&[&str], Asked)> = vec![
        (&["hangup", "7"], Asked::Hangup(call("7"))),
        (&["hangup"], Asked::Hangup(call("1"))),
        (&["hold"], Asked::Hold(call("1"))),
        (&["unhold", "2"], Asked::Unhold(call("2"))),
        (
            &["preflight", "--account", "office", "--input", "null"],
            Asked::Preflight(command::Preflight {
                account: Some("office".into()),
                input: Some("null".into()),
                output: None,
            }),
        ),
        (&["diagnose", "7"], Asked::Diagnose(call("7"))),
        (&["diagnose"], Asked::Diagnose(call("1"))),
        (&["mute"], Asked::Mute(call("1"))),
        (&["unmute"], Asked::Unmute(call("1"))),
        (&["answer"], Asked::Answer(command::Answer { call_id: "2".into(), option: None })),
        (&["answer", "3"], Asked::Answer(command::Answer { call_id: "3".into(), option: None })),
        (
            &["dtmf", "12#"],
            Asked::Dtmf(command::Dtmf {
                call_id: "1".into(),
                dtmf: "12#".into(),
                method: Default::default(),
                redact: false,
            }),
        ),
        (
            &["transfer", "200", "2"],
            Asked::BlindTransfer(command::BlindTransfer {
                call_id: "2".into(),
                number: "200".into(),
                hangup: Default::default(),
                by: None,
            }),
        ),
        (&["complete", "3"], Asked::AttendedTransfer(command::AttendedTransfer { call_id: "3".into(), number: None })),
        (
            &["consult", "200"],
            Asked::Call(command::Call {
                number: "200".into(),
                transfer_id: Some("1".into()),
                account: Some("a".into()),
                option: None,
                by: None,
            }),
        ),
        (&["reject"], Asked::Reject(command::Reject { call_id: "2".into(), code: Some(486) })),
        (&["reject", "3", "--code", "603"], Asked::Reject(command::Reject { call_id: "3".into(), code: Some(603) })),
        (&["progress"], Asked::Progress(command::Progress { call_id: "2".into(), code: 180 })),
        (&["progress", "--early-media"], Asked::Progress(command::Progress { call_id: "2".into(), code: 183 })),
        (
            &["tag", "vip", "--call", "2", "--company", "Lee & Co"],
            Asked::SetStatus(command::SetStatus {
                call_id: "2".into(),
                status: command::StatusPatch {
                    company: Some("Lee & Co".into()),
                    tags: Some(vec!["vip".into()]),
                    ..Default::default()
                },
            }),
        ),
        (&["account", "rm", "office"], Asked::AccountRemove(command::AccountRef { name: "office".into() })),
        (&["account", "show", "office"], Asked::AccountGet(command::AccountRef { name: "office".into() })),
        (
            &["account", "add", "office", "sip:1@h", "--proxy", "sip:p", "--no-register"],
            Asked::AccountAdd(command::AccountAdd {
                name: "office".into(),
                account: AccountSettings {
                    uri: "sip:1@h".into(),
                    proxies: vec!["sip:p".into()],
                    register: Some(false),
                    ..Default::default()
                },
            }),
        ),
        (&["register"], Asked::ReRegister),
        (&["register", "office"], Asked::AccountRegister(command::AccountRef { name: "office".into() })),
        (&["unregister"], Asked::Disconnect),
        (&["unregister", "office"], Asked::AccountUnregister(command::AccountRef { name: "office".into() })),
        (
            &["use", "pulse:headset", "--as", "ringer"],
            Asked::DeviceSetRole(command::SetRole {
                id: "pulse:headset".into(),
                role: command::DeviceRole::Ringer,
                account: None,
                call_id: None,
            }),
        ),
        (
            &["test-device", "--input", "pulse:mic", "--seconds", "3"],
            Asked::DeviceTest(command::DeviceTest {
                input: Some("pulse:mic".into()),
                seconds: Some(3),
                ..Default::default()
            }),
        ),
        (
            &["recordings", "ls", "--limit", "5", "--account", "office"],
            Asked::Recordings(command::Recordings::List(command::RecordingList {
                account: Some("office".into()),
                page: Some(0),
                size: Some(5),
                ..Default::default()
            })),
        ),
        (
            &["recordings", "rm", "a.wav"],
            Asked::Recordings(command::Recordings::Delete(command::RecordingRef { id: "a.wav".into() })),
        ),
        (&["webhooks"], Asked::Webhooks(command::Webhooks::List)),
        (&["webhooks", "dead"], Asked::Webhooks(command::Webhooks::List)),
        (&["status"], Asked::PhoneGet),
        (&["reload"], Asked::Reload),
        (&["drain"], Asked::Drain(command::Drain { timeout: None })),
        (&["drain", "--timeout", "5"], Asked::Drain(command::Drain { timeout: Some(5) })),
        (&["shutdown"], Asked::Shutdown),
        (&["attended"], Asked::AttendedTransfer(command::AttendedTransfer { call_id: "1".into(), number: None })),
        (&["dial", "100"], Asked::Call(command::Call { number: "100".into(), ..Default::default() })),
        (
            &["dial", "-a", "office", "100"],
            Asked::Call(command::Call { number: "100".into(), account: Some("office".into()), ..Default::default() }),
        ),
        (&["merge", "1", "2"], Asked::Merge(command::Merge { call_ids: vec!["1".into(), "2".into()] })),
        (&["split", "2"], Asked::Split(command::Split { call_id: Some("2".into()) })),
        (&["split"], Asked::Split(command::Split { call_id: None })),
        (&["show", "5"], Asked::GetSession(command::GetSession { call_id: Some("5".into()) })),
        (&["ls"], Asked::GetSession(command::GetSession { call_id: None })),
        (&["accounts"], Asked::AccountList),
        (&["devices"], Asked::DeviceList),
        (
            &["volume", "pulse:h", "80", "--as", "input"],
            Asked::DeviceSetVolume(command::SetVolume {
                id: "pulse:h".into(),
                volume: 80,
                role: Some(command::DeviceRole::Input),
            }),
        ),
        (&["rpc", "phone.get"], Asked::PhoneGet),
        (&["agent"], Asked::PhoneGet),
        (&["agent", "--account", "a"], Asked::AgentGet(command::AgentRef { account: Some("a".into()), seat: None })),
        (
            &["agent", "ready"],
            Asked::AgentSet(command::AgentSet { state: Some(command::AgentState::Ready), ..Default::default() }),
        ),
        (
            &["agent", "not-ready", "at lunch", "--seat", "desk"],
            Asked::AgentSet(command::AgentSet {
                state: Some(command::AgentState::NotReady),
                reason: Some("at lunch".into()),
                seat: Some("desk".into()),
                ..Default::default()
            }),
        ),
        (
            &["agent", "wrap-up", "30"],
            Asked::AgentSet(command::AgentSet {
                state: Some(command::AgentState::WrapUp),
                seconds: Some(30),
                ..Default::default()
            }),
        ),
        (&["agent", "dnd", "off"], Asked::AgentSet(command::AgentSet { dnd: Some(false), ..Default::default() })),
        (
            &["rpc", "session.reject", "[\"1\", 603]"],
            Asked::Reject(command::Reject { call_id: "1".into(), code: Some(603) }),
        ),
    ];
    for (arguments, asked) in table {
        let (code, out, told) = run(&phone, arguments).await;
        assert_eq!((code, told.as_str()), (Some(0), ""), "{arguments:?} {out}");
        assert_eq!(last(&phone), asked, "{arguments:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn exit_codes() {
    let phone = FakePhone::start();
    let table: &[(&[&str], i32, &str)] = &[
        (&["hangup", "none"], 1, "NOT_FOUND_CALL_ID (-211): no session has that callId"),
        (&["hold", "refused"], 1, "(SIP 488)"),
        (&["rpc", "nothing"], 1, "-32601"),
        (&["rpc", "session.get", "{}"], 1, "(-32602): callId: missing field"),
        (&["rpc", "phone.get", "{"], 2, "not JSON"),
        (&["merge", "1"], 2, "2 values required"),
        (&["dance"], 2, "unrecognized subcommand"),
        (&["use", "default"], 2, "--as <ROLE>"),
        (&["recordings", "verify"], 2, "<IDS>..."),
        (&["cdrs"], 1, "nothing is kept here"),
        (&["preflight"], 1, "not all is as it should be"),
        (&["webhooks", "test", "ill"], 1, "not taken"),
        (&["webhooks", "dead", "none"], 1, "no such webhook"),
        (&[], 2, "Usage"),
        (&["--socket", "/nowhere/phoned.sock", "ls"], 3, "no phoned at /nowhere/phoned.sock"),
    ];
    for (arguments, wanted, words) in table {
        let (code, out, told) = run(&phone, arguments).await;
        assert_eq!(code, Some(*wanted), "{arguments:?} {out} {told}");
        assert!(told.contains(words), "{arguments:?} {told}");
    }
    let (code, out, _) = run(&phone, &["--json", "hangup", "none"]).await;
    let error: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &error["error"]["code"]), (Some(1), &json!(-211)));
    let (code, out, _) = run(&phone, &["--help"]).await;
    assert!(code == Some(0) && out.contains("Answer the ringing call"));
}

#[tokio::test(flavor = "multi_thread")]
async fn text_for_people_and_documents_for_programs() {
    let phone = FakePhone::start();
    let (_, out, _) = run(&phone, &["ls"]).await;
    let lines: Vec<&str> = out.lines().collect();
    assert!(lines[0].starts_with("CALL  DIRECTION"), "{out}");
    assert!(lines[1].contains("talking") && lines[1].contains("1:03") && lines[1].ends_with("muted"), "{out}");
    assert!(lines[2].contains("ringing here"), "{out}");
    for arguments in [&["ls"][..], &["show", "2"], &["rpc", "session.get", "[\"2\"]"]] {
        let (_, out, _) = run(&phone, arguments).await;
        assert!(!out.contains('\u{1b}'), "neither colours nor a peer's escapes: {out:?}");
    }
    let (_, out, _) = run(&phone, &["accounts"]).await;
    assert!(out.lines().nth(1).unwrap().split_whitespace().eq(["a", "sip:a@h", "registered"]), "{out}");
    let (_, out, _) = run(&phone, &["devices"]).await;
    assert!(out.contains("silence") && out.contains("input, output"), "{out}");
    let (_, out, _) = run(&phone, &["diagnose"]).await;
    assert_eq!(out, "info: They cannot hear you: \u{fffd}[31mEve\n    unmute\n");
    let (_, out, _) = run(&phone, &["preflight"]).await;
    assert_eq!(out, "ok   clock: the clock shows noon\nFAIL loop: it is silent\n     speak\n");
    let (_, out, _) = run(&phone, &["webhooks"]).await;
    let words =
        ["crm", "failing,", "again", "in", "5", "s", "7", "3", "1", "0", "http://h/", "the", "server", "says", "500"];
    assert!(out.lines().nth(1).unwrap().split_whitespace().eq(words), "{out}");
    let (_, out, _) = run(&phone, &["webhooks", "dead", "crm"]).await;
    assert!(out.lines().nth(1).unwrap().starts_with("crm      5    2026-11-23T00:55:46.001Z  cdrChange  1"), "{out}");
    let (_, out, _) = run(&phone, &["webhooks", "test", "crm"]).await;
    assert_eq!(out, "the server says 204 after 12 ms\n");
    for (arguments, count) in [
        (&["--json", "ls"][..], 2),
        (&["webhooks", "--json"], 1),
        (&["ls", "--json"], 2),
        (&["accounts", "--json"], 1),
        (&["rpc", "--json", "rpc.discover"], 1),
        (&["mute", "--json"], 1),
    ] {
        let (_, out, _) = run(&phone, arguments).await;
        assert_eq!(
            out.lines().filter(|line| serde_json::from_str::<Value>(line).is_ok()).count(),
            count,
            "{arguments:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn watch_prints_events_as_they_come() {
    let phone = FakePhone::start();
    for (json, topics) in [(false, vec!["ended", "statusChange"]), (true, vec![])] {
        let mut command = phonectl(&phone);
        command.arg("watch").args(if json { vec!["--json"] } else { vec![] }).args(&topics).stdout(Stdio::piped());
        let before = phone.seen.lock().unwrap().len();
        let mut child = command.spawn().unwrap();
        while phone.seen.lock().unwrap().len() == before {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        phone.events.send(event(1, "dtmf", Some("1"), json!({ "digit": "5" }))).await.unwrap();
        phone
            .events
            .send(event(
                2,
                "statusChange",
                Some("1"),
                json!({ "changed": ["isHold"], "newStatus": { "isHold": true } }),
            ))
            .await
            .unwrap();
        phone
            .events
            .send(event(3, "ended", Some("1"), json!({ "cause": "Terminated\u{1b}", "by": "remote" })))
            .await
            .unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let lines: Vec<String> = tokio::task::spawn_blocking(move || {
            stdout.lines().take(if json { 3 } else { 2 }).map(Result::unwrap).collect()
        })
        .await
        .unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        if json {
            assert_eq!(serde_json::from_str::<Value>(&lines[2]).unwrap()["data"]["by"], "remote");
        } else {
            assert_eq!(
                lines,
                [
                    "2026-11-23T00:55:46.001Z statusChange 1 isHold=true",
                    "2026-11-23T00:55:46.001Z ended 1 cause=Terminated\u{fffd} by=remote"
                ]
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn dial_waits_for_the_answer_when_told() {
    for (name, data, wanted) in [("accepted", json!({}), 0), ("failed", json!({ "cause": "Busy", "code": 486 }), 1)] {
        let phone = FakePhone::start();
        let mut command = phonectl(&phone);
        command.args(["dial", "100", "--wait"]);
        let done = tokio::task::spawn_blocking(move || command.output());
        while !matches!(phone.seen.lock().unwrap().last(), Some(Asked::Call(_))) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        phone.events.send(event(1, "failed", Some("another"), json!({}))).await.unwrap();
        phone
            .events
            .send(event(2, "progress", Some("100"), json!({ "code": 180, "earlyMedia": false })))
            .await
            .unwrap();
        phone.events.send(event(3, name, Some("100"), data)).await.unwrap();
        let output = done.await.unwrap().unwrap();
        assert_eq!(output.status.code(), Some(wanted), "{output:?}");
        let out = String::from_utf8(output.stdout).unwrap();
        assert!(out.starts_with("100\n") && out.contains("progress 100 code=180") && out.lines().count() == 3, "{out}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_daemon_may_go_while_we_watch() {
    let mut phone = FakePhone::start();
    let mut command = phonectl(&phone);
    command.arg("watch");
    let done = tokio::task::spawn_blocking(move || command.output());
    while phone.seen.lock().unwrap().is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    phone.stop.take().unwrap().send(()).unwrap();
    assert_eq!(done.await.unwrap().unwrap().status.code(), Some(3));
}
