//! What is remembered has bounds, and belongs to the right call.

use std::net::SocketAddr;

use serde_json::{Value, json};

use super::{History, Limits};
use crate::sip::flow::{FlowId, Transport};
use crate::ua::command::{CallRef, History as Question};
use crate::ua::event::Event;

const FLOW: FlowId = FlowId(1);

fn history(calls: usize, bytes: usize) -> History {
    let mut history = History::new(Limits { calls, bytes });
    history.flow_up(FLOW, Transport::Udp, "0.0.0.0:5060".parse().unwrap());
    history
}

fn peer() -> SocketAddr {
    "192.0.2.9:5062".parse().unwrap()
}

fn message(history: &mut History, first: &str, sip: &str) {
    let text = format!("{first} sip:a@b SIP/2.0\r\nCall-ID: {sip}\r\n\r\n");
    history.received(FLOW, peer(), text.as_bytes(), 1_000, &|_| "192.0.2.1".parse().ok());
}

fn tell(history: &mut History, call: &str, name: &str, data: Value) {
    let (call_id, account) = (Some(call.to_owned()), Some("office".to_owned()));
    let sample = name == "callReport";
    history.event(&Event { seq: 1, sample, wall: 2_000, name: name.into(), call_id, account, data: data.into() });
}

fn begin(history: &mut History, call: &str, sip: &str) {
    tell(
        history,
        call,
        "newRTCSession",
        json!({ "session": { "RTCSession": { "id": sip }, "status": { "number": "7" } } }),
    );
}

fn ask(history: &History, question: fn(CallRef) -> Question, call: &str) -> Option<Value> {
    history.answer(&question(CallRef { call_id: call.into() })).ok()
}

fn trace(history: &History, call: &str) -> Vec<Value> {
    ask(history, Question::Trace, call).map(|trace| trace["messages"].as_array().unwrap().clone()).unwrap_or_default()
}

#[test]
fn a_message_belongs_to_the_session_that_has_its_call_id() {
    let mut history = history(10, 1 << 20);
    message(&mut history, "INVITE", "one");
    message(&mut history, "OPTIONS", "nobody");
    begin(&mut history, "a", "one");
    message(&mut history, "BYE", "one");
    message(&mut history, "BYE", "another");
    let seen = trace(&history, "a");
    assert_eq!(seen.len(), 2);
    assert_eq!((&seen[0]["local"], &seen[0]["remote"]), (&json!("192.0.2.1:5060"), &json!("192.0.2.9:5062")));
    // The peer puts another dialog in its place (Replaces).
    message(&mut history, "INVITE", "two");
    tell(&mut history, "a", "reinvite", json!({ "session": { "RTCSession": { "id": "two" } } }));
    message(&mut history, "BYE", "two");
    assert_eq!(trace(&history, "a").len(), 4);
}

#[test]
fn strangers_push_nobody_out() {
    let mut history = history(10, 1 << 20);
    begin(&mut history, "a", "one");
    message(&mut history, "INVITE", "one");
    (0..1_000).for_each(|number| message(&mut history, "INVITE", &format!("stranger{number}")));
    assert_eq!(trace(&history, "a").len(), 1);
    assert_eq!((history.calls.len(), history.strays.len()), (1, super::STRAYS));
}

#[test]
fn calls_and_bytes_have_bounds_and_live_calls_stay_longest() {
    let mut history = history(3, 1 << 20);
    begin(&mut history, "live", "live");
    for number in 0..10 {
        begin(&mut history, &format!("c{number}"), &format!("s{number}"));
        tell(&mut history, &format!("c{number}"), "deleteSession", json!({}));
    }
    let known = |call: &str| ask(&history, Question::Report, call).is_some();
    assert!(known("live") && known("c9") && known("c8") && !known("c7"));
    assert_eq!(history.dialogs.len(), 3);

    let mut history = self::history(1_000, 200_000);
    for number in 0..100 {
        let call = format!("c{number}");
        begin(&mut history, &call, &call);
        (0..50).for_each(|_| message(&mut history, "INFO", &call));
        tell(&mut history, &call, "deleteSession", json!({}));
        assert!(history.bytes <= 200_000, "{}", history.bytes);
    }
    let whole: usize = history.calls.values().map(super::Call::bytes).sum();
    assert_eq!(whole, history.bytes);
    assert!(!trace(&history, "c99").is_empty());
}

#[test]
fn a_call_that_talks_all_day_is_told_more_coarsely() {
    let mut history = history(3, 8 << 20);
    begin(&mut history, "a", "one");
    for number in 0..5_000 {
        let data = json!({ "callReport": { "lksAudioCodec": "opus" }, "metrics": { "mos": number } });
        tell(&mut history, "a", "callReport", data);
    }
    let report = ask(&history, Question::Report, "a").unwrap();
    let samples: Vec<u64> =
        report["samples"].as_array().unwrap().iter().map(|s| s["metrics"]["mos"].as_u64().unwrap()).collect();
    let every = report["every"].as_u64().unwrap();
    assert!(every > 1 && (600..=1_200).contains(&samples.len()), "{every} {}", samples.len());
    assert!(samples.iter().enumerate().all(|(at, sample)| *sample == at as u64 * every), "evenly");
    assert_eq!(samples.last().map(|last| (4_999 - last) < every), Some(true));
}

#[test]
fn nothing_is_remembered_where_nothing_shall_be() {
    let mut history = history(0, 1 << 20);
    message(&mut history, "INVITE", "one");
    begin(&mut history, "a", "one");
    assert!(ask(&history, Question::Report, "a").is_none() && history.strays.is_empty());
}
