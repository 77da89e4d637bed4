//! The timelines of docs/API.md: what is told, each thing once, in this order.

use phoned::ua::command::{Command, GetSession, SetStatus, StatusPatch};
use serde_json::json;

use crate::net::Net;
use crate::story_of;

#[test]
fn an_outbound_call() {
    let mut net = Net::new(1);
    let (alice, bob) = (net.phone("alice"), net.phone("bob"));
    let (out, _) = net.connect(alice, bob);
    net.run_for(7_000);
    net.hangup(alice, &out).unwrap();
    let told = story_of(&net, alice, &out);
    let expected = [
        "newRTCSession",
        "startSession",
        "statusChange(callStatus)",
        "progress(180)",
        "statusChange(callStartTime,callStatus)",
        "accepted",
        "confirmed",
        "streamAdded",
        "ended(Terminated)",
        "deleteSession",
    ];
    assert_eq!(told, expected);
    let reports = net.phone_of(alice).events.iter().filter(|e| e.name == "callReport").count();
    assert_eq!(reports, 3, "at the answer, after 3 s, after 6 s");
}

#[test]
fn an_inbound_call() {
    let mut net = Net::new(2);
    let (alice, bob) = (net.phone("alice"), net.phone("bob"));
    let (out, incoming) = net.connect(alice, bob);
    net.hangup(alice, &out).unwrap();
    net.wait(bob, "deleteSession");
    let told = story_of(&net, bob, &incoming);
    let expected = [
        "newRTCSession",
        "incoming",
        "statusChange(callStartTime,isRing)",
        "startSession",
        "accepted",
        "statusChange(callStatus)",
        "confirmed",
        "streamAdded",
        "ended(Terminated)",
        "deleteSession",
    ];
    assert_eq!(
        told.iter().filter(|t| *t != "streamAdded").collect::<Vec<_>>(),
        expected.iter().filter(|t| **t != "streamAdded").collect::<Vec<_>>()
    );
    let wire: Vec<_> = net.log.iter().filter(|p| p.from.ip() == net.addr(bob).ip()).collect();
    assert!(wire[0].is("SIP/2.0 180"), "the 180 comes first");
}

#[test]
fn a_rejected_call() {
    let mut net = Net::new(3);
    let (alice, bob) = (net.phone("alice"), net.phone("bob"));
    let out = net.call(alice, json!({ "number": net.uri(bob) }));
    let incoming = net.wait(bob, "incoming").call_id.unwrap();
    net.reject(bob, &incoming, None).unwrap();
    let failed = net.wait(alice, "failed");
    assert_eq!((failed.data["cause"].as_str(), failed.data["code"].as_u64()), (Some("Busy"), Some(486)));
    assert!(story_of(&net, bob, &incoming).ends_with(&["failed(Rejected)".into(), "deleteSession".into()]));
    assert!(story_of(&net, alice, &out).ends_with(&["failed(Busy)".into(), "deleteSession".into()]));
}

#[test]
fn a_call_that_the_caller_cancels() {
    let mut net = Net::new(4);
    let (alice, bob) = (net.phone("alice"), net.phone("bob"));
    let out = net.call(alice, json!({ "number": net.uri(bob) }));
    let incoming = net.wait(bob, "incoming").call_id.unwrap();
    net.wait(alice, "progress");
    net.hangup(alice, &out).unwrap();
    let failed = net.wait(bob, "failed");
    assert_eq!((failed.data["cause"].as_str(), failed.data["by"].as_str()), (Some("Canceled"), Some("remote")));
    assert!(story_of(&net, bob, &incoming).ends_with(&["failed(Canceled)".into(), "deleteSession".into()]));
    assert!(story_of(&net, alice, &out).ends_with(&["failed(Canceled)".into(), "deleteSession".into()]));
    net.run_to_rest();
    assert_eq!(net.sent(bob, "SIP/2.0 487").len(), 1);
}

#[test]
fn a_call_that_nobody_answers() {
    let mut net = Net::new(5);
    let alice = net.phone_with("alice", |settings, _| settings.phone.no_answer_timeout = 20);
    let bob = net.phone("bob");
    let out = net.call(alice, json!({ "number": net.uri(bob) }));
    net.wait(alice, "failed");
    assert!(story_of(&net, alice, &out).ends_with(&["failed(No Answer)".into(), "deleteSession".into()]));
    net.wait(bob, "failed");
    net.run_to_rest();
}

#[test]
fn every_snapshot_is_its_own() {
    let mut net = Net::new(6);
    let (alice, bob) = (net.phone("alice"), net.phone("bob"));
    let (out, _) = net.connect(alice, bob);
    net.hold(alice, &out).unwrap();
    let hold = net.phone_of(alice).events.iter().rfind(|e| e.name == "statusChange").unwrap().clone();
    assert_eq!((&hold.data["oldStatus"]["isHold"], &hold.data["newStatus"]["isHold"]), (&json!(false), &json!(true)));
    assert_eq!(hold.data["changed"], json!(["isHold"]));
}

#[test]
fn a_snapshot_in_an_event_equals_session_get() {
    let mut net = Net::new(7);
    let (alice, bob) = (net.phone("alice"), net.phone("bob"));
    let (out, _) = net.connect(alice, bob);
    let told = net.phone_of(alice).events.iter().rfind(|e| e.name == "confirmed").unwrap().clone();
    let got = net.ask(alice, Command::GetSession(GetSession { call_id: Some(out) })).unwrap();
    for key in ["status", "RTCSession", "incomingList", "localStream", "callId"] {
        assert_eq!(told.data["session"][key], got[key], "{key}");
    }
    assert_eq!(told.data["session"]["seq"], json!(told.seq));
}

#[test]
fn names_change_apart_from_the_status() {
    let mut net = Net::new(8);
    let (alice, bob) = (net.phone("alice"), net.phone("bob"));
    let (out, _) = net.connect(alice, bob);
    let patch = StatusPatch { name: Some("Bob".into()), tags: Some(vec!["vip".into()]), ..StatusPatch::default() };
    net.ask(alice, Command::SetStatus(SetStatus { call_id: out.clone(), status: patch })).unwrap();
    let story = story_of(&net, alice, &out);
    assert!(story.ends_with(&["staticStatusChange".into(), "statusChange(tags)".into()]), "{story:?}");
}

#[test]
fn seconds_are_counted_in_both_directions() {
    let mut net = Net::new(9);
    let (alice, bob) = (net.phone("alice"), net.phone("bob"));
    let out = net.call(alice, json!({ "number": net.uri(bob) }));
    let incoming = net.wait(bob, "incoming").call_id.unwrap();
    net.run_for(3_500);
    net.answer(bob, &incoming).unwrap();
    net.wait(alice, "confirmed");
    net.hold(alice, &out).unwrap();
    net.run_for(5_200);
    net.unhold(alice, &out).unwrap();
    net.run_for(2_000);
    let timer = |net: &mut Net, who, call: &str| {
        net.ask(who, Command::GetSession(GetSession { call_id: Some(call.into()) })).unwrap()["timer"].clone()
    };
    assert_eq!(
        timer(&mut net, alice, &out),
        json!({"ringDuration": 3, "callingDuration": 3, "callDuration": 7, "holdDuration": 5})
    );
    assert_eq!(
        timer(&mut net, bob, &incoming),
        json!({"ringDuration": 3, "callingDuration": 0, "callDuration": 7, "holdDuration": 0})
    );
}

#[test]
fn a_shutdown_ends_every_call_first() {
    let mut net = Net::new(10);
    let (alice, bob) = (net.phone("alice"), net.phone("bob"));
    net.connect(alice, bob);
    net.ask(alice, Command::Shutdown).unwrap();
    net.wait(bob, "ended");
    net.run_to_rest();
    assert!(net.phone_of(alice).ua.is_idle() && net.phone_of(bob).ua.is_idle());
}
