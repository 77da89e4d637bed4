//! `phone.preflight`, and `phonectl preflight`: what is missing before a shift is found and said; a live call goes on meanwhile as if
//! nothing were.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "a test may read the clock and panic")]

mod common;
#[path = "common/vcards.rs"]
mod vcards;

use std::collections::BTreeMap;
use std::process::Command;

use common::daemon::{Client, Daemon, Setup, trunk};
use common::tone::Sound;
use common::wait::{secs, until};
use serde_json::{Value, json};
use vcards::{beside_cards, sine};

/// The checks by name: whether each is as it should be, and what it says. `pace` is the host's affair: this one has other work.
fn preflight(client: &mut Client, params: Value) -> BTreeMap<String, (bool, String)> {
    let answer = client.call("phone.preflight", params).unwrap();
    let checks = answer["checks"].as_array().unwrap();
    assert_eq!(answer["ok"], checks.iter().all(|check| check["ok"] == true), "{answer}");
    let text = |check: &Value, key: &str| check[key].as_str().unwrap().to_owned();
    let one = |check: &Value| (text(check, "check"), (check["ok"] == true, text(check, "text")));
    checks.iter().map(one).filter(|(name, _)| name != "pace").collect()
}

#[test]
fn a_host_without_a_card_and_a_live_call() {
    let alice = Daemon::start(&Setup { tables: trunk("alice", 440), ..Setup::default() });
    let registers = "[accounts.lost]\nuri = \"sip:lost@127.0.0.1:9\"\nregistrar = \"sip:127.0.0.1:9;transport=tcp\"\n";
    let bob = Daemon::start(&Setup { tables: format!("{}{registers}", trunk("bob", 880)), ..Setup::default() });
    let (mut a, mut b) = (alice.connect(), bob.connect());
    let call = a.dial("alice", &format!("sip:bob@127.0.0.1:{}", bob.port));
    let at_bob = b.wait_event("incoming", |_| true)["callId"].as_str().unwrap().to_owned();
    b.verb("answer", &at_bob);
    bob.hears("bob", 440.0);
    let heard = || Sound::read(&bob.dir().join("bob.wav")).unwrap();
    let from = heard().seconds() - 0.5;

    // Its own devices are a tone and a file: they do; and the call that they are in goes on.
    let found = preflight(&mut a, json!({}));
    assert!(found.values().all(|(ok, _)| *ok), "{found:?}");
    assert!(found["loop"].1.starts_with("the phone hears itself over loopback with "), "{found:?}");
    let calls = a.call("phone.get", json!({})).unwrap();
    assert_eq!((&calls["sessions"], &calls["counts"]["sessions"]), (&json!([call]), &json!(1)), "nobody sees the loop");
    until("Bob has heard all of it", secs(30), || (heard().seconds() > from + 3.0).then_some(()));
    let meanwhile = heard().cut(from, from + 3.0);
    assert!(meanwhile.has_tone(440.0), "{} {}", meanwhile.level(), meanwhile.share(440.0));
    let diagnosis = a.call("session.diagnose", json!({ "callId": call })).unwrap();
    assert!(diagnosis["findings"].as_array().unwrap().iter().all(|found| found["severity"] != "error"), "{diagnosis}");
    a.verb("hangup", &call);

    // Of several accounts none is meant: the default devices, which are none, and a registration that fails.
    let first = b.send("phone.preflight", json!({}));
    let second = b.call("phone.preflight", json!({})).unwrap_err();
    assert_eq!(second.code, -215, "one at a time");
    let answer = b.reply(first, secs(30));
    assert_eq!(answer.unwrap()["ok"], false);
    let found = preflight(&mut b, json!({ "output": "pulse:nowhere" }));
    let bad: Vec<&str> = found.iter().filter(|(_, (ok, _))| !ok).map(|(name, _)| name.as_str()).collect();
    assert_eq!(bad, ["loudspeaker", "microphone", "registration:lost"], "{found:?}");
    assert_eq!(b.call("phone.preflight", json!({ "account": "nobody" })).unwrap_err().code, -214);

    let phonectl = |daemon: &Daemon| {
        let mut phonectl = Command::new(env!("CARGO_BIN_EXE_phonectl"));
        phonectl.env("PHONED_SOCKET", daemon.socket()).arg("preflight").output().unwrap()
    };
    let (bad, text) = (phonectl(&bob), |bytes: Vec<u8>| String::from_utf8(bytes).unwrap());
    assert_eq!(bad.status.code(), Some(1));
    let said = text(bad.stdout);
    assert!(said.contains("FAIL microphone: the microphone is \"null\"") && said.contains("ok   loop: "), "{said}");
}

#[test]
fn a_headset() {
    beside_cards(1, |cards| {
        let tables = trunk("agent", 440).replace("tone:440", "pulse:mic1");
        let tables = tables.lines().map(|line| match line.starts_with("output") {
            true => "output = \"pulse:spk1\"\n".to_owned(),
            false => format!("{line}\n"),
        });
        let agent = Daemon::start(&Setup { tables: tables.collect(), env: cards.env(), ..Setup::default() });
        let mut a = agent.connect();
        until("the daemon has seen its card", secs(30), || {
            let list = a.call("device.list", json!({})).unwrap();
            list["devices"].as_array().unwrap().iter().any(|device| device["id"] == "pulse:spk1").then_some(())
        });
        let silent = preflight(&mut a, json!({}));
        assert!(silent["loudspeaker"].0, "{silent:?}");
        assert!(!silent["microphone"].0 && silent["microphone"].1.contains("not even noise"), "{silent:?}");
        let speaking = cards.say("mic1", sine(440.0, 20.0));
        let spoken = preflight(&mut a, json!({}));
        drop(speaking);
        assert!(spoken["microphone"].0 && spoken["microphone"].1.contains("gives sound (-"), "{spoken:?}");
        let other = preflight(&mut a, json!({ "input": "pulse:mic9" }));
        assert!(!other["microphone"].0 && other["microphone"].1.contains("is not there"), "{other:?}");
    });
}
