//! A daemon killed with -9 goes on where it was: seq and epoch continue, every event that a client saw is in the log, open sessions
//! are ended first of all, each session has exactly one call detail record, and an idempotency key still acts once. 10 kills; 100 with
//! PHONED_SOAK=1.

use std::collections::BTreeSet;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use common::daemon::{Client, Daemon, Setup, trunk};
use common::process::Process;
use common::wait::{free_port, secs, until};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

mod common;

/// A daemon that can be started again in the same folder.
struct Again {
    dir: tempfile::TempDir,
    lives: usize,
}

impl Again {
    fn new(more: &str) -> Again {
        let dir = tempfile::tempdir().expect("a folder");
        let (path, port) = (dir.path().display(), free_port());
        let rtp = 30_000 + (port % 400) * 50;
        let text = format!(
            "[rpc]\nsocket = \"{path}/s\"\n[sip]\nlisten = [\"udp:127.0.0.1:{port}\"]\n[media]\nrtp_ports = \"{rtp}-{}\"\n[audio]\n\
             host = \"none\"\n[store]\ndir = \"{path}/state\"\n[phone]\ndrain_timeout = 0\ndials_per_second = 1000\nmax_calls_per_seat = 400\n\
             [accounts.alice]\nuri = \"sip:alice@127.0.0.1:{port}\"\nregister = false\ntrusted = [\"127.0.0.1\"]\ninput = \"null\"\n\
             output = \"null\"\n{more}",
            rtp + 1999
        );
        std::fs::write(dir.path().join("phoned.toml"), text).expect("written");
        Again { dir, lives: 0 }
    }

    fn start(&mut self) -> (Process, Client) {
        self.lives += 1;
        let mut command = Command::new(env!("CARGO_BIN_EXE_phoned"));
        command.arg("--config").arg(self.dir.path().join("phoned.toml"));
        let mut process = Process::start("phoned", &mut command, &self.dir.path().join(format!("log{}", self.lives)));
        let socket = self.dir.path().join("s");
        until("its socket", secs(30), || {
            assert!(process.ended().is_none(), "it ended: {}", process.log());
            UnixStream::connect(&socket).ok()
        });
        (process, Client::open(&socket))
    }

    fn socket(&self) -> &Path {
        self.dir.path()
    }
}

fn kill(mut process: Process) {
    process.signal(Signal::SIGKILL);
    process.wait(secs(20)).expect("it is gone");
}

/// Everything in the log from a seq on.
fn replay(client: &mut Client, from: u64) -> Vec<Value> {
    let (mut all, mut next) = (Vec::new(), Some(from));
    while let Some(from) = next {
        let answer = client.call("events.replay", json!({ "fromSeq": from })).expect("events");
        all.extend(answer["events"].as_array().expect("an array").iter().cloned());
        next = answer["nextSeq"].as_u64();
    }
    all
}

#[test]
fn seq_and_epoch_go_on_and_sessions_are_ended() {
    let kills = if std::env::var_os("PHONED_SOAK").is_some() { 100 } else { 10 };
    // Nobody answers there: calls stay open.
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let number = format!("sip:x@{}", silent.local_addr().expect("bound"));
    let mut daemon = Again::new("");
    let (mut seen, mut epoch, mut calls) = (0, None::<Value>, BTreeSet::new());
    for round in 0..kills {
        let (process, mut client) = daemon.start();
        let begin = client.call("events.subscribe", json!({})).expect("subscribed");
        assert!(begin["seq"].as_u64().expect("a seq") >= seen, "round {round}: {begin} after {seen}");
        assert_eq!(*epoch.get_or_insert(begin["epoch"].clone()), begin["epoch"], "round {round}");
        // What the last life left open was ended before anybody could ask.
        let open = client.call("phone.getSession", json!({})).expect("sessions");
        assert_eq!(open, json!([]));
        for turn in 0..3 + round % 3 {
            let call = client.call("phone.call", json!({ "number": number })).expect("a call")["callId"].clone();
            calls.insert(call.as_str().expect("a callId").to_owned());
            if turn % 2 == 1 {
                client.call("session.hangup", json!({ "callId": call })).expect("hung up");
            }
        }
        // The kill comes at any moment: between two events of these.
        for _ in 0..4 {
            client.send("phone.call", json!({ "number": number }));
        }
        std::thread::sleep(Duration::from_micros(300 * round as u64));
        kill(process);
        let told = client.drain();
        seen = told.iter().filter_map(|event| event["seq"].as_u64()).max().unwrap_or(0).max(seen);
        calls.extend(
            told.iter()
                .filter(|event| event["event"] == "newRTCSession")
                .map(|event| event["callId"].as_str().expect("a callId").to_owned()),
        );
    }
    let (process, mut client) = daemon.start();
    let all = replay(&mut client, 1);
    let seqs: Vec<u64> = all.iter().map(|event| event["seq"].as_u64().expect("a seq")).collect();
    assert!(seqs.iter().copied().eq(1..=seqs.len() as u64), "a gap");
    assert!(seqs.len() as u64 >= seen);
    let of = |call: &str| -> Vec<&str> {
        all.iter().filter(|event| event["callId"] == call).filter_map(|event| event["event"].as_str()).collect()
    };
    let begun = all.iter().filter(|event| event["event"] == "newRTCSession");
    let begun: BTreeSet<String> = begun.map(|event| event["callId"].as_str().expect("a callId").to_owned()).collect();
    assert!(calls.is_subset(&begun), "a session was seen and is not in the log");
    for call in &begun {
        let story = of(call);
        let terminal = story.iter().filter(|name| ["ended", "failed", "clientError"].contains(name)).count();
        assert_eq!(terminal, 1, "{story:?}");
        assert!(story.ends_with(&["failed", "deleteSession", "cdrChange"]), "{story:?}");
    }
    let page = client.call("cdr.query", json!({ "size": 200, "sortBy": "id", "orderBy": "asc" })).expect("records");
    assert_eq!(page["total"], json!(begun.len()), "a record a session");
    let mut recorded = BTreeSet::new();
    for number in 1..=begun.len().div_ceil(200) {
        let page = client.call("cdr.query", json!({ "size": 200, "page": number })).expect("records");
        recorded.extend(
            page["cdrs"]
                .as_array()
                .expect("an array")
                .iter()
                .map(|cdr| cdr["callId"].as_str().expect("a callId").to_owned()),
        );
    }
    assert_eq!(recorded, begun);
    let cut = client.call("cdr.query", json!({ "filter": { "cause": "Internal Error" } })).expect("records");
    assert!(cut["total"].as_u64() >= Some(kills as u64), "{}", cut["total"]);
    let cdr = &cut["cdrs"][0];
    assert_eq!((&cdr["by"], &cdr["code"], &cdr["direction"]), (&json!("system"), &json!(500), &json!("outbound")));
    kill(process);
}

#[test]
fn a_stop_and_a_start_keep_the_epoch() {
    let mut daemon = Again::new("");
    let (mut process, mut client) = daemon.start();
    let before = client.call("events.subscribe", json!({})).expect("subscribed")["epoch"].clone();
    client.call("account.remove", json!({ "name": "alice" })).expect("removed");
    let seq = client.wait_event("account.removed", |_| true)["seq"].clone();
    assert!(process.stop_within(secs(20)).success(), "{}", process.log());
    let (_process, mut client) = daemon.start();
    let begin = client.call("events.subscribe", json!({ "fromSeq": seq, "epoch": before })).expect("subscribed");
    assert_eq!(begin["epoch"], before);
    assert_eq!(client.wait_event("account.removed", |_| true)["seq"], seq);
    assert!(daemon.socket().join("state/epoch").exists());
}

#[test]
fn a_key_acts_once() {
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let number = format!("sip:x@{}", silent.local_addr().expect("bound"));
    let mut daemon = Again::new("");
    let (process, mut client) = daemon.start();
    let wish = json!({ "number": number, "idempotencyKey": "k1" });
    let first = client.call("phone.call", wish.clone()).expect("a call");
    let reordered = json!({ "idempotencyKey": "k1", "number": number });
    assert_eq!(client.call("phone.call", reordered), Ok(first.clone()));
    assert_eq!(client.call("phone.getSession", json!({})).expect("sessions").as_array().map(Vec::len), Some(1));
    let other = json!({ "number": "sip:y@127.0.0.1", "idempotencyKey": "k1" });
    assert_eq!(client.call("phone.call", other.clone()).expect_err("refused").code, -229);
    // A refusal is an answer too.
    let refused = json!({ "callId": "none", "idempotencyKey": "k2" });
    assert_eq!(client.call("session.hangup", refused.clone()).expect_err("refused").code, -211);
    // Two at once: one call.
    let at_once = json!({ "number": number, "idempotencyKey": "k3" });
    let (a, b) = (client.send("phone.call", at_once.clone()), client.send("phone.call", at_once));
    assert_eq!(client.reply(a, secs(20)), client.reply(b, secs(20)));
    for wrong in [json!(7), json!(""), json!("x".repeat(129))] {
        let refusal = client.call("phone.start", json!({ "idempotencyKey": wrong })).expect_err("refused");
        assert_eq!((refusal.code, &refusal.data["path"]), (-32602, &json!("idempotencyKey")));
    }
    kill(process);
    let (_process, mut client) = daemon.start();
    assert_eq!(client.call("phone.call", wish), Ok(first));
    assert_eq!(client.call("phone.getSession", json!({})), Ok(json!([])));
    assert_eq!(client.call("phone.call", other).expect_err("refused").code, -229);
    assert_eq!(client.call("session.hangup", refused).expect_err("refused").code, -211);
    // Looking needs no key.
    assert_eq!(client.call("phone.get", json!({ "idempotencyKey": "k4" })).expect_err("refused").code, -32602);
}

#[test]
fn a_call_is_recorded_on_both_sides() {
    let bob = Daemon::start(&Setup { tables: trunk("bob", 880), ..Setup::default() });
    let alice = Daemon::start(&Setup { tables: trunk("alice", 440), ..Setup::default() });
    let (mut a, mut b) = (alice.connect(), bob.connect());
    let at_a = a.dial("alice", &format!("sip:bob@127.0.0.1:{}", bob.port));
    let at_b = b.wait_event("incoming", |_| true)["callId"].as_str().expect("a callId").to_owned();
    b.verb("answer", &at_b);
    b.wait_event("confirmed", |_| true);
    let tags = json!({ "callId": at_a, "status": { "tags": ["vip"], "name": "Bob" } });
    a.call("session.setStatus", tags).expect("set");
    std::thread::sleep(Duration::from_millis(1500));
    a.verb("hangup", &at_a);
    let told = a.wait_event("cdrChange", |event| event["callId"] == at_a)["data"]["cdr"].clone();
    b.wait_event("cdrChange", |event| event["callId"] == at_b);
    let page = a.call("cdr.query", json!({ "filter": { "account": "alice", "missed": false } })).expect("records");
    let mut cdr = page["cdrs"][0].clone();
    assert!(cdr["id"].is_u64());
    cdr.as_object_mut().expect("an object").remove("id");
    assert_eq!((page["total"].as_u64(), &cdr), (Some(1), &told));
    assert_eq!((&cdr["cause"], &cdr["by"], &cdr["tags"]), (&json!("Terminated"), &json!("local"), &json!(["vip"])));
    assert_eq!((&cdr["name"], &cdr["direction"], &cdr["code"]), (&json!("Bob"), &json!("outbound"), &Value::Null));
    assert!(cdr["talkSec"].as_u64() >= Some(1) && cdr["answerTime"].as_str() >= cdr["startTime"].as_str(), "{cdr}");
    for (filter, total) in [
        (json!({ "direction": "inbound" }), 1),
        (json!({ "direction": "outbound" }), 0),
        (json!({ "missed": true }), 0),
        (json!({ "from": "2020-01-01", "to": "2099-01-01T00:00:00Z" }), 1),
        (json!({ "to": "2020-01-01" }), 0),
        (json!({ "cause": "Terminated" }), 1),
        (json!({ "number": "nobody" }), 0),
    ] {
        assert_eq!(b.call("cdr.query", json!({ "filter": filter })).expect("records")["total"], total, "{filter}");
    }
    for wrong in [json!({ "page": 0 }), json!({ "size": 201 }), json!({ "filter": { "from": "yesterday" } })] {
        assert_eq!(b.call("cdr.query", wrong).expect_err("refused").code, -32602);
    }
}
