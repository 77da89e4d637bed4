//! The seven timelines that the Session API promises, each as it stands there: what is told, what goes on the wire and
//! where the result comes, in one order. `[INVITE]` is sent, `<ACK>` received.

use serde_json::json;

use crate::net::{Net, Who};
use crate::talking_to_peer;

/// What a phone did from `from` on, without what is about other sessions than these.
fn timeline(net: &Net, who: Who, calls: &[&str], from: usize) -> Vec<String> {
    let trace = net.phone_of(who).trace[from..].iter();
    let about = |call: &Option<String>| call.as_deref().is_none_or(|call| calls.contains(&call));
    let left_out = ["cdrChange", "streamAdded", "currentSessionChange", "[100]", "[180]", "[PRACK]"];
    let told = trace.filter(|(call, word)| about(call) && !left_out.iter().any(|out| word.starts_with(out)));
    let name = |call: &Option<String>| match (calls.len(), call) {
        (2.., Some(call)) => ["A ", "B "][calls.iter().position(|c| c == call).unwrap()],
        _ => "",
    };
    told.map(|(call, word)| format!("{}{word}", name(call))).collect()
}

fn now(net: &Net, who: Who) -> usize {
    net.phone_of(who).trace.len()
}

#[test]
fn outbound() {
    let mut net = Net::new(1);
    let (alice, bob) = (net.phone("alice"), net.phone("bob"));
    let from = now(&net, alice);
    let (out, _) = net.connect(alice, bob);
    net.run_for(3_100);
    let expected = [
        "newRTCSession",
        "startSession",
        "[INVITE]",
        "[result]",
        "<180>",
        "statusChange(callStatus)",
        "progress",
        "<200>",
        "statusChange(callStartTime,callStatus)",
        "accepted",
        "[ACK]",
        "confirmed",
        "callReport",
        "callReport",
    ];
    assert_eq!(timeline(&net, alice, &[&out], from), expected);
}

#[test]
fn inbound() {
    let mut net = Net::new(2);
    let (alice, bob) = (net.phone("alice"), net.phone("bob"));
    let from = now(&net, bob);
    let (_, incoming) = net.connect(alice, bob);
    let first: Vec<&str> = net.phone_of(bob).trace[from..].iter().take(4).map(|(_, word)| word.as_str()).collect();
    assert_eq!(first, ["<INVITE>", "[180]", "newRTCSession", "incoming"]);
    let expected = [
        "<INVITE>",
        "newRTCSession",
        "incoming",
        "statusChange(callStartTime,isRing)",
        "startSession",
        "[200]",
        "accepted",
        "callReport",
        "[result]",
        "<ACK>",
        "statusChange(callStatus)",
        "confirmed",
    ];
    assert_eq!(timeline(&net, bob, &[&incoming], from), expected);
}

#[test]
fn rejected() {
    let mut net = Net::new(3);
    let (alice, bob) = (net.phone("alice"), net.phone("bob"));
    let out = net.call(alice, json!({ "number": net.uri(bob) }));
    let incoming = net.wait(bob, "incoming").call_id.unwrap();
    let from = now(&net, bob);
    net.reject(bob, &incoming, None).unwrap();
    assert_eq!(timeline(&net, bob, &[&incoming], from), ["[486]", "failed(Rejected)", "deleteSession", "[result]"]);
    // And the peer is busy.
    let failed = net.wait(alice, "failed");
    assert_eq!(failed.data["code"], 486);
    let told = timeline(&net, alice, &[&out], 0);
    assert!(told.ends_with(&["<486>", "failed(Busy)", "deleteSession", "[ACK]"].map(str::to_owned)), "{told:?}");
}

#[test]
fn cancelled() {
    let mut net = Net::new(4);
    let (alice, bob) = (net.phone("alice"), net.phone("bob"));
    let out = net.call(alice, json!({ "number": net.uri(bob) }));
    let incoming = net.wait(bob, "incoming").call_id.unwrap();
    net.wait(alice, "progress");
    let from = now(&net, bob);
    net.hangup(alice, &out).unwrap();
    net.wait(bob, "deleteSession");
    let told = timeline(&net, bob, &[&incoming], from);
    assert_eq!(told, ["<CANCEL>", "[200]", "[487]", "failed(Canceled)", "deleteSession"]);
}

#[test]
fn ended_by_the_peer() {
    let mut net = Net::new(5);
    let (alice, bob) = (net.phone("alice"), net.phone("bob"));
    let (out, incoming) = net.connect(alice, bob);
    net.run_for(100);
    let from = now(&net, bob);
    net.hangup(alice, &out).unwrap();
    net.wait(bob, "deleteSession");
    assert_eq!(timeline(&net, bob, &[&incoming], from), ["<BYE>", "[200]", "ended(Terminated)", "deleteSession"]);
}

#[test]
fn a_second_inbound_call_while_talking() {
    let mut net = Net::new(6);
    let agent = net.phone_with("agent", |_, account| account.seat = Some("desk".into()));
    let (carol, bert) = (net.peer("carol"), net.phone("bert"));
    let (first, _) = talking_to_peer(&mut net, agent, carol);
    net.run_for(100);
    let from = now(&net, agent);
    net.call(bert, json!({ "number": net.uri(agent) }));
    let second = net.wait(agent, "incoming").call_id.unwrap();
    net.run_for(100);
    let answer = phoned::ua::command::Answer { call_id: second.clone(), option: None };
    net.command(agent, phoned::ua::command::Command::Answer(answer));
    let hold = net.expect(carol, "INVITE");
    net.reply(carol, &hold, 200);
    net.wait(agent, "confirmed");
    let told = timeline(&net, agent, &[&first, &second], from);
    let expected = [
        "<INVITE>",
        "B newRTCSession",
        "B incoming",
        "[INVITE]",
        "<200>",
        "[ACK]",
        "A statusChange(isHold)",
        "B statusChange(callStartTime,isRing)",
        "B startSession",
        "[200]",
        "B accepted",
        "B callReport",
        "[result]",
        "<ACK>",
        "B statusChange(callStatus)",
        "B confirmed",
    ];
    assert_eq!(told, expected);
    let from = now(&net, agent);
    let unhold = phoned::ua::command::CallRef { call_id: first.clone() };
    net.command(agent, phoned::ua::command::Command::Unhold(unhold));
    let resume = net.expect(carol, "INVITE");
    assert!(String::from_utf8_lossy(resume.body()).contains("a=sendrecv"));
    net.reply(carol, &resume, 200);
    net.run_for(200);
    let told = timeline(&net, agent, &[&first, &second], from);
    for which in ["A statusChange(isHold)", "B statusChange(isHold)"] {
        assert!(told.contains(&which.to_owned()), "{told:?}");
    }
}

#[test]
fn a_consultation() {
    let mut net = Net::new(7);
    let agent = net.phone_with("agent", |_, account| account.seat = Some("desk".into()));
    let (anna, bert) = (net.phone("anna"), net.phone("bert"));
    let (a, _) = net.connect(agent, anna);
    net.run_for(100);
    let from = now(&net, agent);
    let b = net.call(agent, json!({ "number": net.uri(bert), "transferId": a }));
    let incoming = net.wait(bert, "incoming").call_id.unwrap();
    net.run_for(100);
    net.answer(bert, &incoming).unwrap();
    net.wait(agent, "confirmed");
    let reply = net.attended(agent, &b);
    net.answer_to(agent, reply).unwrap();
    net.run_until("both are over", |net| net.phone_of(agent).streams.is_empty());
    let refer = net.sent(agent, "REFER").remove(0);
    assert!(refer.header("Refer-To").unwrap().contains("Replaces="), "{refer:?}");
    let told = timeline(&net, agent, &[&a, &b], from);
    // What the three do at once may cross; each of these comes after the one before it.
    let expected = [
        "B newRTCSession",
        "B startSession",
        "[INVITE]",
        "A statusChange(isHold)",
        "B statusChange(callStartTime,callStatus)",
        "B accepted",
        "[ACK]",
        "B confirmed",
        "[REFER]",
        "A transferProgress",
        "A transferred",
    ];
    let mut rest = told.iter();
    for word in expected {
        assert!(rest.any(|told| told == word), "no {word} in its place: {told:#?}");
    }
    for end in ["A ended(Terminated)", "A deleteSession", "B ended(Terminated)", "B deleteSession"] {
        assert_eq!(told.iter().filter(|word| *word == end).count(), 1, "{end}: {told:#?}");
    }
}
