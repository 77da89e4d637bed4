//! CANCEL waits for a 1xx; what crosses it is acknowledged and ended; of forks the first wins (SIP rules 4 and 5).

use serde_json::json;

use crate::net::Net;
use crate::story_of;

#[test]
fn cancel_waits_for_a_provisional() {
    let mut net = Net::new(1);
    let (alice, carol) = (net.phone("alice"), net.peer("carol"));
    let out = net.call(alice, json!({ "number": net.uri(carol) }));
    let invite = net.expect(carol, "INVITE");
    net.hangup(alice, &out).unwrap();
    net.run_for(300);
    assert!(net.sent(alice, "CANCEL").is_empty(), "nothing to cancel yet");
    net.reply(carol, &invite, 180);
    let cancel = net.expect(carol, "CANCEL");
    assert_eq!(cancel.via().unwrap().branch(), invite.via().unwrap().branch());
    net.reply(carol, &cancel, 200);
    net.reply(carol, &invite, 487);
    net.expect(carol, "ACK");
    net.run_to_rest();
    assert!(net.phone_of(alice).ua.is_idle());
}

#[test]
fn a_200_that_crosses_cancel_gets_ack_and_bye() {
    let mut net = Net::new(2);
    let (alice, carol) = (net.phone("alice"), net.peer("carol"));
    let out = net.call(alice, json!({ "number": net.uri(carol) }));
    let invite = net.expect(carol, "INVITE");
    net.reply(carol, &invite, 180);
    net.wait(alice, "progress");
    net.hangup(alice, &out).unwrap();
    net.reply(carol, &invite, 200);
    net.expect(carol, "ACK");
    let bye = net.expect(carol, "BYE");
    net.reply(carol, &bye, 200);
    net.run_to_rest();
    assert!(story_of(&net, alice, &out).ends_with(&["failed(Canceled)".into(), "deleteSession".into()]));
    assert_eq!(net.sent(alice, "BYE").len(), 1);
    assert!(net.phone_of(alice).ua.is_idle());
}

#[test]
fn a_200_after_487_gets_ack_and_bye() {
    let mut net = Net::new(3);
    let (alice, carol) = (net.phone("alice"), net.peer("carol"));
    let out = net.call(alice, json!({ "number": net.uri(carol) }));
    let invite = net.expect(carol, "INVITE");
    net.reply(carol, &invite, 180);
    net.wait(alice, "progress");
    net.hangup(alice, &out).unwrap();
    let cancel = net.expect(carol, "CANCEL");
    net.reply(carol, &cancel, 200);
    // The late 2xx of another branch comes before the 487 has ended the transaction.
    let mut late = net.response(carol, &invite, 200);
    late.set_to_tag("other");
    net.send_back(carol, &late);
    net.expect(carol, "ACK");
    let bye = net.expect(carol, "BYE");
    assert_eq!(bye.to_tag().as_deref(), Some("other"));
    net.reply(carol, &bye, 200);
    net.run_to_rest();
}

#[test]
fn of_two_forks_that_answer_the_second_gets_ack_and_bye() {
    let mut net = Net::new(4);
    let (alice, carol) = (net.phone("alice"), net.peer("carol"));
    let out = net.call(alice, json!({ "number": net.uri(carol) }));
    let invite = net.expect(carol, "INVITE");
    net.reply(carol, &invite, 200);
    net.expect(carol, "ACK");
    net.wait(alice, "confirmed");
    let mut second = net.response(carol, &invite, 200);
    second.set_to_tag("second");
    net.send_back(carol, &second);
    net.send_back(carol, &second);
    let ack = net.expect(carol, "ACK");
    assert_eq!(ack.to_tag().as_deref(), Some("second"));
    let bye = net.expect(carol, "BYE");
    assert_eq!(bye.to_tag().as_deref(), Some("second"));
    net.reply(carol, &bye, 200);
    net.run_for(40_000);
    assert_eq!(net.sent(alice, "BYE").len(), 1, "one BYE for the loser");
    assert!(!story_of(&net, alice, &out).iter().any(|e| e.starts_with("ended")), "the winner talks on");
}

#[test]
fn a_call_cancelled_while_the_answer_is_on_its_way_ends_on_both_sides() {
    for seed in 0..50 {
        let mut net = Net::new(100 + seed);
        let (alice, bob) = (net.phone("alice"), net.phone("bob"));
        let out = net.call(alice, json!({ "number": net.uri(bob) }));
        let incoming = net.wait(bob, "incoming").call_id.unwrap();
        net.wait(alice, "progress");
        net.command(alice, phoned::ua::command::Command::Hangup(phoned::ua::command::CallRef { call_id: out.clone() }));
        net.run_for(seed % 7);
        net.command(
            bob,
            phoned::ua::command::Command::Answer(phoned::ua::command::Answer {
                call_id: incoming.clone(),
                option: None,
            }),
        );
        net.run_to_rest();
        for who in [alice, bob] {
            assert!(net.phone_of(who).ua.is_idle(), "seed {seed}\n{}", net.story());
            assert!(net.phone_of(who).streams.is_empty());
        }
        assert_eq!(story_of(&net, bob, &incoming).last().map(String::as_str), Some("deleteSession"));
    }
}

#[test]
fn a_response_with_two_vias_is_nobodys() {
    let mut net = Net::new(5);
    let (alice, carol) = (net.phone("alice"), net.peer("carol"));
    let out = net.call(alice, json!({ "number": net.uri(carol) }));
    let invite = net.expect(carol, "INVITE");
    let mut astray = net.response(carol, &invite, 486);
    astray.push("Via", "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKother");
    net.send_back(carol, &astray);
    net.run_for(300);
    assert!(!story_of(&net, alice, &out).iter().any(|e| e.starts_with("failed")), "RFC 3261 §8.1.3.3");
    net.reply(carol, &invite, 486);
    net.wait(alice, "failed");
}

#[test]
fn a_hang_up_before_the_ack_is_over_when_the_peer_hangs_up_too() {
    let mut net = Net::new(6);
    let (alice, carol) = (net.phone("alice"), net.peer("carol"));
    let invite = net.invite(carol, alice);
    net.send(carol, alice, &invite);
    let call = net.wait(alice, "incoming").call_id.unwrap();
    net.answer(alice, &call).unwrap();
    let ok = net.expect(carol, "SIP/2.0 200");
    net.hangup(alice, &call).unwrap();
    let mut dialog = phoned::sip::dialog::Dialog::uac(&invite, &ok).unwrap();
    let bye = net.in_dialog(carol, &mut dialog, phoned::sip::message::Method::Bye);
    net.send(carol, alice, &bye);
    net.run_for(60_000);
    assert!(net.sent(alice, "BYE").is_empty(), "the peer has ended it");
    assert!(net.phone_of(alice).ua.is_idle());
}

#[test]
fn a_call_that_no_socket_can_carry_fails_at_once() {
    let mut net = Net::new(7);
    let alice = net.phone("alice");
    let call = phoned::ua::command::Call { number: "sip:bob@[2001:db8::1]".into(), ..Default::default() };
    assert!(net.ask(alice, phoned::ua::command::Command::Call(call)).is_err());
    assert!(net.now() < 1_000);
    net.wait(alice, "clientError");
    net.run_to_rest();
}
