//! The call detail record: once a session, after `deleteSession`, with what became of it.

use phoned::ua::command::{Command, Record, RecordTarget};
use serde_json::{Value, json};

use crate::net::{Net, Who};

/// The records told so far.
fn records(net: &Net, who: Who) -> Vec<Value> {
    net.phone_of(who).events.iter().filter(|e| e.name == "cdrChange").map(|e| e.data["cdr"].clone()).collect()
}

#[test]
fn an_answered_call_counts_its_seconds() {
    let mut net = Net::new(1);
    let (alice, bob) = (net.phone("alice"), net.phone("bob"));
    let out = net.call(alice, json!({ "number": net.uri(bob) }));
    let incoming = net.wait(bob, "incoming").call_id.unwrap();
    net.run_for(2_500);
    net.answer(bob, &incoming).unwrap();
    net.wait(alice, "confirmed");
    let record = Record { call_id: out.clone(), target: RecordTarget::Local };
    net.ask(alice, Command::StartRecord(record)).unwrap();
    net.hold(alice, &out).unwrap();
    net.run_for(3_200);
    net.unhold(alice, &out).unwrap();
    net.run_for(1_500);
    net.hangup(bob, &incoming).unwrap();
    net.wait(alice, "cdrChange");
    net.run_to_rest();
    let [record] = &records(&net, alice)[..] else { panic!("one record: {:?}", records(&net, alice)) };
    for (key, value) in [
        ("callId", json!(out)),
        ("direction", json!("outbound")),
        ("ringSec", json!(2)),
        ("talkSec", json!(4)),
        ("holdSec", json!(3)),
        ("cause", json!("Terminated")),
        ("by", json!("remote")),
    ] {
        assert_eq!(record[key], value, "{key}");
    }
    assert!(record["recording"].is_string(), "{record}");
    let names = net.phone_of(alice).names_of(&out);
    let at = |name: &str| names.iter().position(|n| *n == name).unwrap();
    assert!(at("deleteSession") < at("cdrChange"));
    assert_eq!(records(&net, bob).len(), 1);
}

#[test]
fn a_call_that_nobody_took_has_its_status() {
    let mut net = Net::new(2);
    let (alice, bob) = (net.phone("alice"), net.phone("bob"));
    net.call(alice, json!({ "number": net.uri(bob) }));
    let incoming = net.wait(bob, "incoming").call_id.unwrap();
    net.reject(bob, &incoming, Some(486)).unwrap();
    net.wait(alice, "cdrChange");
    let record = &records(&net, alice)[0];
    assert_eq!((&record["cause"], &record["code"], &record["talkSec"]), (&json!("Busy"), &json!(486), &json!(0)));
    assert_eq!(record["answerTime"], Value::Null);
}

#[test]
fn a_transfer_names_its_target() {
    let mut net = Net::new(3);
    let (alice, bob, carol) = (net.phone("alice"), net.phone("bob"), net.phone("carol"));
    let (out, _) = net.connect(alice, bob);
    let number = net.uri(carol);
    net.transfer(alice, &out, &number);
    let incoming = net.wait(carol, "incoming").call_id.unwrap();
    net.answer(carol, &incoming).unwrap();
    net.wait(alice, "cdrChange");
    assert_eq!(records(&net, alice)[0]["transferredTo"], json!(number));
}
