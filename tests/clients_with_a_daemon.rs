//! Clients with a real daemon: the first program of docs/API.md makes a call, and phonectl does a day's work, from an account
//! that is added to a recording that is proved and deleted.
#![allow(clippy::unwrap_used)]

mod common;

use std::io::{BufRead, BufReader};
use std::process::{Command, Output, Stdio};

use common::daemon::{Daemon, Setup, trunk};
use common::wait::{secs, until};
use serde_json::Value;

/// bob, who answers by himself; and alice, who records into a folder of her own.
fn alice_and_bob() -> (Daemon, Daemon, String) {
    let bob = Daemon::start(&Setup { tables: trunk("bob", 700) + "auto_answer = 0\n", ..Setup::default() });
    let tables = format!("[record]\ndir = \"{{dir}}/recordings\"\n\n{}", trunk("alice", 440));
    let alice = Daemon::start(&Setup { tables, ..Setup::default() });
    let number = format!("sip:bob@127.0.0.1:{}", bob.port);
    (alice, bob, number)
}

fn phonectl(daemon: &Daemon) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_phonectl"));
    command.env("PHONED_SOCKET", daemon.socket()).stdin(Stdio::null());
    command
}

/// What it prints, of a verb that must succeed.
fn does(daemon: &Daemon, arguments: &[&str]) -> String {
    let (code, out, told) = tries(daemon, arguments);
    assert_eq!((code, told.as_str()), (Some(0), ""), "phonectl {arguments:?}: {out}");
    out
}

fn tries(daemon: &Daemon, arguments: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = phonectl(daemon).args(arguments).output().unwrap();
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

fn json(daemon: &Daemon, arguments: &[&str]) -> Vec<Value> {
    let arguments: Vec<&str> = ["--json"].into_iter().chain(arguments.iter().copied()).collect();
    does(daemon, &arguments).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Waits until phonectl prints so many lines.
fn lines(daemon: &Daemon, arguments: &[&str], count: usize) -> Vec<String> {
    until("phonectl has that many lines to print", secs(30), || {
        let all: Vec<String> = does(daemon, arguments).lines().map(str::to_owned).collect();
        (all.len() == count).then_some(all)
    })
}

#[test]
fn the_first_program_of_the_docs_makes_a_call() {
    let page = include_str!("../docs/API.md");
    let program = page.split("```python\n").nth(1).unwrap().split("```").next().unwrap();
    let (alice, _bob, number) = alice_and_bob();
    let run = |number: &str| {
        let mut python = Command::new("python3");
        python.args(["-c", program, number]).env("PHONED_SOCKET", alice.socket()).output().unwrap()
    };
    let output = run(&number);
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{told}{}", String::from_utf8_lossy(&output.stderr));
    let names: Vec<&str> = told.lines().filter_map(|line| line.split(' ').nth(1)).collect();
    assert!(names.ends_with(&["confirmed", "ended"]) && told.trim_end().ends_with("Terminated"), "{told}");
    let output = run("not a number");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(1) && told.starts_with("INVALID_NUMBER: "), "{told}");
}

#[test]
fn phonectl_makes_records_and_proves_a_call() {
    let (alice, _bob, number) = alice_and_bob();
    let call = does(&alice, &["dial", &number, "--wait"]).lines().next().unwrap().to_owned();
    does(&alice, &["tag", "vip", "hot line", "--name", "Bob", "--company", "B & Sons"]);
    let status = &json(&alice, &["show"])[0]["status"];
    assert_eq!((&status["tags"][1], &status["name"]), (&"hot line".into(), &"Bob".into()));

    // A consultation is a second call, about the first.
    let other = does(&alice, &["consult", &number, &call, "--wait"]).lines().next().unwrap().to_owned();
    let consultation = &json(&alice, &["show", &other])[0]["status"];
    assert_eq!(
        (&consultation["transferParent"]["callId"], &consultation["account"]),
        (&call.clone().into(), &"alice".into())
    );
    does(&alice, &["hangup", &other]);
    does(&alice, &["unhold", &call]);

    let (code, _, told) = tries(&alice, &["record", "stop", &call]);
    assert!(code == Some(0) || told.contains("-215"), "{told}");
    does(&alice, &["record", "start", &call]);
    does(&alice, &["record", "pause", &call]);
    let file = &json(&alice, &["record", "stop", &call])[0];
    let recording = &json(&alice, &["recordings"])[0];
    assert_eq!((&recording["path"], &recording["sha256"]), (&file["path"], &file["sha256"]));
    let id = recording["id"].as_str().unwrap();
    assert!(does(&alice, &["recordings", "ls"]).lines().nth(1).unwrap().trim_end().ends_with(id));
    assert!(does(&alice, &["recordings", "show", id]).contains("\"state\": \"closed\""));
    assert_eq!(does(&alice, &["recordings", "ls", "--call", &other]), "no recordings\n");
    assert_eq!(does(&alice, &["recordings", "verify", id]), format!("{id}: as it was recorded\n"));
    std::fs::write(file["path"].as_str().unwrap(), "something else").unwrap();
    let (code, out, told) = tries(&alice, &["recordings", "verify", id]);
    assert_eq!((code, out), (Some(1), format!("{id}: CHANGED\n")), "{told}");
    does(&alice, &["recordings", "rm", id]);
    assert_eq!(tries(&alice, &["recordings", "show", id]).0, Some(1));

    does(&alice, &["hangup", &call]);
    let table = lines(&alice, &["cdrs"], 3);
    assert!(
        table[0].starts_with("START") && table[1].contains("outbound") && table[1].contains("Terminated"),
        "{table:?}"
    );
    assert_eq!(json(&alice, &["cdrs", "--limit", "1"]).len(), 1);
    for none in [
        &["cdrs", "--missed"][..],
        &["cdrs", "--to", "2001-01-01"],
        &["cdrs", "--account", "nobody"],
        &["cdrs", "--number", "nobody"],
    ] {
        assert_eq!(does(&alice, none), "no records\n", "{none:?}");
    }
    assert_eq!(json(&alice, &["cdrs", "--account", "alice", "--from", "2001-01-01"]).len(), 2);
    let (code, _, told) = tries(&alice, &["cdrs", "--from", "yesterday"]);
    assert!(code == Some(1) && told.contains("RFC 3339"), "{told}");
}

#[test]
fn phonectl_reads_the_log_and_goes_on_with_what_comes() {
    let (alice, _bob, number) = alice_and_bob();
    does(&alice, &["dial", &number, "--wait"]);
    does(&alice, &["hangup"]);
    lines(&alice, &["cdrs"], 2);
    let all = json(&alice, &["events", "--from", "1"]);
    let seqs: Vec<u64> = all.iter().map(|event| event["seq"].as_u64().unwrap()).collect();
    assert!(seqs.iter().copied().eq(1..=seqs.len() as u64), "{seqs:?}");
    let last = seqs.len() as u64;
    // Text has the seq in front, so that the next question can begin there.
    let text = does(&alice, &["events", "--from", "2", "--to", "3"]);
    assert!(text.lines().count() == 2 && text.starts_with("2 "), "{text}");
    let newest: Vec<u64> =
        json(&alice, &["events", "--last", "3"]).iter().map(|event| event["seq"].as_u64().unwrap()).collect();
    assert_eq!(newest, [last - 2, last - 1, last]);
    assert_eq!(json(&alice, &["events", "--from", "1", "deleteSession"]).len(), 1);
    assert_eq!(json(&alice, &["events", "--from", "1", "recording.*"]).len(), 0);
    let (code, _, told) = tries(&alice, &["events", "--from", "0"]);
    assert!(code == Some(1) && told.contains("-226"), "{told}");
    assert_eq!(tries(&alice, &["events", "--from", "1", "--last", "2"]).0, Some(2));

    let record = all.iter().find(|event| event["event"] == "cdrChange").unwrap()["seq"].to_string();
    let mut watch = phonectl(&alice)
        .args(["--json", "watch", "--from", &record, "cdrChange", "recordPermissionsChange"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (told, heard) = std::sync::mpsc::channel();
    let out = BufReader::new(watch.stdout.take().unwrap());
    let reader = std::thread::spawn(move || out.lines().map_while(Result::ok).try_for_each(|line| told.send(line)));
    let next = || {
        let line = heard.recv_timeout(secs(20)).expect("an event within 20 s");
        serde_json::from_str::<Value>(&line).unwrap()["event"].clone()
    };
    assert_eq!(next(), "cdrChange", "out of the log");
    does(&alice, &["rpc", "phone.setRecordPermissions", "[1]"]);
    assert_eq!(next(), "recordPermissionsChange", "then what comes");
    watch.kill().unwrap();
    watch.wait().unwrap();
    let _ = reader.join();
}

#[test]
fn phonectl_keeps_accounts_and_refuses_calls() {
    let (alice, bob, _) = alice_and_bob();
    assert!(does(&alice, &["status"]).contains("1 accounts, 0 not registered"));
    assert_eq!(json(&alice, &["status"])[0]["ok"], true);
    // Nobody answers at this registrar.
    let uri = format!("sip:carol@127.0.0.1:{}", common::wait::free_port());
    std::fs::write(alice.dir().join("password"), "secret\n").unwrap();
    let password = alice.dir().join("password");
    does(
        &alice,
        &["account", "add", "carol", &uri, "--password-file", password.to_str().unwrap(), "--display-name", "Carol"],
    );
    assert!(does(&alice, &["account", "show", "carol"]).contains("\"displayName\": \"Carol\""));
    let (code, out, told) = tries(&alice, &["status"]);
    assert_eq!(code, Some(1), "{out}");
    assert!(out.contains("2 accounts, 1 not registered") && told.contains("not registered: carol"), "{out}{told}");
    let (code, _, told) = tries(&alice, &["account", "add", "carol", &uri]);
    assert!(code == Some(1) && told.contains("-213"), "{told}");
    does(&alice, &["unregister", "carol"]);
    does(&alice, &["account", "rm", "carol"]);
    assert_eq!(tries(&alice, &["register", "carol"]).0, Some(1));
    does(&alice, &["register"]);
    does(&alice, &["use", "null", "--as", "input", "--account", "alice"]);
    assert_eq!(json(&alice, &["account", "show", "alice"])[0]["input"], "null");
    assert_eq!(tries(&alice, &["use", "no-such-device", "--as", "input"]).0, Some(1));

    // bob calls; alice tells him that it rings, once more, then refuses.
    let number = format!("sip:alice@127.0.0.1:{}", alice.port);
    does(&bob, &["dial", &number]);
    until("it rings", secs(30), || does(&alice, &["ls"]).contains("ringing here").then_some(()));
    does(&alice, &["progress"]);
    does(&alice, &["progress", "--early-media"]);
    assert_eq!(tries(&alice, &["reject", "--code", "200"]).0, Some(1), "200 is no refusal");
    does(&alice, &["reject", "--code", "603"]);
    let record = until("bob's record", secs(30), || json(&bob, &["cdrs"]).pop());
    assert_eq!((&record["cause"], &record["code"]), (&"Rejected".into(), &603.into()));
    assert!(lines(&alice, &["cdrs", "--missed"], 2)[1].contains("missed"));

    does(&alice, &["shutdown"]);
    until("alice is gone", secs(30), || (tries(&alice, &["status"]).0 == Some(3)).then_some(()));
}
