//! `session.progress`: 183 opens media before the answer, on both sides; the answer changes nothing of it.

use phoned::ua::command::{Command, Progress};
use phoned::ua::error::Code;
use phoned::ua::media::MediaCommand;
use serde_json::json;

use crate::net::{Net, Who};

fn flows(net: &Net, who: Who) -> usize {
    net.phone_of(who).media.iter().filter(|(_, c)| matches!(c, MediaCommand::Remote(_))).count()
}

#[test]
fn early_media_flows_and_the_answer_follows() {
    let mut net = Net::new(1);
    let (alice, bob) = (net.phone("alice"), net.phone("bob"));
    let out = net.call(alice, json!({ "number": net.uri(bob) }));
    let incoming = net.wait(bob, "incoming").call_id.unwrap();
    net.run_for(50);
    let progress = |code| Command::Progress(Progress { call_id: incoming.clone(), code });
    net.ask(bob, progress(183)).unwrap();
    net.run_for(50);
    assert_eq!((flows(&net, alice), flows(&net, bob)), (1, 1), "both hear before the answer");
    let told = net.phone_of(alice).events.iter().rfind(|e| e.name == "progress").unwrap();
    assert_eq!((&told.data["code"], &told.data["earlyMedia"]), (&json!(183), &json!(true)));
    net.answer(bob, &incoming).unwrap();
    net.wait(alice, "confirmed");
    assert_eq!(net.ask(bob, progress(180)).unwrap_err().code, Code::WrongState);
    net.hangup(alice, &out).unwrap();
    net.run_to_rest();
}

#[test]
fn only_180_and_183_can_be_sent() {
    let mut net = Net::new(2);
    let (alice, bob) = (net.phone("alice"), net.phone("bob"));
    net.call(alice, json!({ "number": net.uri(bob) }));
    let incoming = net.wait(bob, "incoming").call_id.unwrap();
    let refused = net.ask(bob, Command::Progress(Progress { call_id: incoming, code: 199 }));
    assert_eq!(refused.unwrap_err().code, Code::InvalidParams);
}
