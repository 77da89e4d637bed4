//! Reliable provisionals (RFC 3262), both roles: PRACK for each, once; ours are sent again until theirs comes.

use phoned::sip::dialog::Dialog;
use phoned::sip::message::{Message, Method};
use phoned::ua::command::{Command, Progress};
use serde_json::json;

use crate::net::{Net, Who};
use crate::story_of;

fn reliable(net: &Net, carol: Who, invite: &Message, status: u16, rseq: u32) -> Message {
    let mut response = net.response(carol, invite, status);
    response.push("Require", "100rel");
    response.push("RSeq", rseq.to_string());
    response
}

#[test]
fn each_gets_one_prack_and_the_answer_follows_in_the_same_dialog() {
    let mut net = Net::new(1);
    let (alice, carol) = (net.phone("alice"), net.peer("carol"));
    let out = net.call(alice, json!({ "number": net.uri(carol) }));
    let invite = net.expect(carol, "INVITE");
    assert!(invite.has_token("Supported", "100rel"));
    let ringing = reliable(&net, carol, &invite, 180, 7);
    net.send_back(carol, &ringing);
    let prack = net.expect(carol, "PRACK");
    assert_eq!(prack.header("RAck"), Some(format!("7 {} INVITE", invite.cseq()).as_str()));
    net.reply(carol, &prack, 200);
    net.send_back(carol, &ringing); // a copy: no second PRACK, no second event
    let mut early = reliable(&net, carol, &invite, 183, 8);
    early.set_body("application/sdp", net.sdp(carol, 1, "sendrecv").into_bytes());
    net.send_back(carol, &early);
    let second = net.expect(carol, "PRACK");
    assert!(second.cseq() > prack.cseq());
    net.reply(carol, &second, 200);
    net.reply(carol, &invite, 200);
    let ack = net.expect(carol, "ACK");
    assert_eq!(ack.cseq(), invite.cseq());
    net.wait(alice, "confirmed");
    net.hangup(alice, &out).unwrap();
    assert!(net.expect(carol, "BYE").cseq() > second.cseq(), "one CSeq space");
    assert_eq!(net.sent(alice, "PRACK").len(), 2);
    let story = story_of(&net, alice, &out);
    assert_eq!(story.iter().filter(|e| e.starts_with("progress")).count(), 2, "{story:?}");
}

#[test]
fn a_call_given_up_after_a_prack_ends_in_the_same_cseq_space() {
    let mut net = Net::new(6);
    let (alice, carol) = (net.phone("alice"), net.peer("carol"));
    let out = net.call(alice, json!({ "number": net.uri(carol) }));
    let invite = net.expect(carol, "INVITE");
    let ringing = reliable(&net, carol, &invite, 180, 1);
    net.send_back(carol, &ringing);
    let prack = net.expect(carol, "PRACK");
    net.reply(carol, &prack, 200);
    net.hangup(alice, &out).unwrap();
    net.expect(carol, "CANCEL");
    net.reply(carol, &invite, 200); // it crossed the CANCEL
    assert_eq!(net.expect(carol, "ACK").cseq(), invite.cseq());
    assert!(net.expect(carol, "BYE").cseq() > prack.cseq(), "a peer takes no lower one");
}

fn required(net: &mut Net, carol: Who, alice: Who) -> (Message, Message) {
    let mut invite = net.invite(carol, alice);
    invite.push("Require", "100rel");
    net.send(carol, alice, &invite);
    let ringing = net.expect(carol, "SIP/2.0 180");
    assert!(ringing.has_token("Require", "100rel"));
    (invite, ringing)
}

fn prack(net: &mut Net, carol: Who, alice: Who, dialog: &mut Dialog, rseq: &str) {
    let mut prack = net.in_dialog(carol, dialog, Method::Prack);
    prack.push("RAck", format!("{rseq} 1 INVITE"));
    net.send(carol, alice, &prack);
}

#[test]
fn ours_are_sent_again_until_the_prack() {
    let mut net = Net::new(2);
    let (alice, carol) = (net.phone("alice"), net.peer("carol"));
    let (invite, ringing) = required(&mut net, carol, alice);
    net.run_for(4_000);
    assert_eq!(net.sent(alice, "SIP/2.0 180").len(), 4, "at 0, 0.5, 1.5 and 3.5 s");
    let mut dialog = Dialog::uac(&invite, &ringing).unwrap();
    prack(&mut net, carol, alice, &mut dialog, "99");
    net.expect(carol, "SIP/2.0 481");
    prack(&mut net, carol, alice, &mut dialog, ringing.header("RSeq").unwrap());
    net.expect(carol, "SIP/2.0 200");
    let before = net.sent(alice, "SIP/2.0 180").len();
    net.run_for(20_000);
    assert_eq!(net.sent(alice, "SIP/2.0 180").len(), before);
}

#[test]
fn without_any_prack_the_call_is_refused() {
    let mut net = Net::new(3);
    let (alice, carol) = (net.phone("alice"), net.peer("carol"));
    required(&mut net, carol, alice);
    net.expect(carol, "SIP/2.0 504");
    assert_eq!(net.wait(alice, "failed").data["cause"], "Request Timeout");
}

#[test]
fn the_answer_waits_for_the_prack_of_its_description() {
    let mut net = Net::new(4);
    let (alice, carol) = (net.phone("alice"), net.peer("carol"));
    let mut invite = net.invite(carol, alice);
    invite.push("Supported", "100rel");
    net.send(carol, alice, &invite);
    let call = net.wait(alice, "incoming").call_id.unwrap();
    net.run_for(20);
    net.ask(alice, Command::Progress(Progress { call_id: call.clone(), code: 183 })).unwrap();
    let early = net.expect(carol, "SIP/2.0 183");
    let answer = phoned::ua::command::Answer { call_id: call, option: None };
    net.command(alice, Command::Answer(answer));
    net.run_for(300);
    assert!(net.sent(alice, "SIP/2.0 200").is_empty(), "RFC 3262 §3");
    let mut dialog = Dialog::uac(&invite, &early).unwrap();
    prack(&mut net, carol, alice, &mut dialog, early.header("RSeq").unwrap());
    net.run_for(100);
    assert!(net.sent(alice, "SIP/2.0 200").iter().any(|m| m.method() == Method::Invite));
}
