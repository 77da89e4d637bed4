//! Two re-INVITEs that cross (491) and two in a row (500): both sides end where they wanted (RFC 3261 §14).

use phoned::sip::message::Method;
use phoned::ua::command::{CallRef, Command};

use crate::net::Net;
use crate::{story_of, talking_to_peer};

#[test]
fn both_hold_at_once_and_both_succeed() {
    let mut net = Net::new(1);
    let (alice, bob) = (net.phone("alice"), net.phone("bob"));
    let (out, incoming) = net.connect(alice, bob);
    let a = net.command(alice, Command::Hold(CallRef { call_id: out.clone() }));
    let b = net.command(bob, Command::Hold(CallRef { call_id: incoming.clone() }));
    net.run_until("both replies", |net| {
        net.phone_of(alice).replies.contains_key(&a) && net.phone_of(bob).replies.contains_key(&b)
    });
    assert!(net.phone_of(alice).replies[&a].is_ok() && net.phone_of(bob).replies[&b].is_ok(), "{}", net.story());
    assert!(!net.sent(alice, "SIP/2.0 491").is_empty() && !net.sent(bob, "SIP/2.0 491").is_empty());
}

#[test]
fn the_owner_of_the_call_id_waits_longer() {
    let mut net = Net::new(2);
    let (alice, carol) = (net.phone("alice"), net.peer("carol"));
    let (call, _) = talking_to_peer(&mut net, alice, carol);
    net.command(alice, Command::Hold(CallRef { call_id: call }));
    let first = net.expect(carol, "INVITE");
    net.reply(carol, &first, 491);
    let at = net.now();
    net.expect(carol, "INVITE");
    let waited = net.now() - at;
    assert!((2_100..=4_100).contains(&waited), "waited {waited} ms");
}

#[test]
fn a_second_invite_in_progress_gets_500_with_retry_after() {
    let mut net = Net::new(3);
    let (alice, carol) = (net.phone("alice"), net.peer("carol"));
    let (_, mut dialog) = talking_to_peer(&mut net, alice, carol);
    let offer = |net: &mut Net, dialog: &mut _| {
        let mut invite = net.in_dialog(carol, dialog, Method::Invite);
        invite.set_body("application/sdp", net.sdp(carol, 2, "sendonly").into_bytes());
        invite
    };
    let first = offer(&mut net, &mut dialog);
    net.send(carol, alice, &first);
    let ok = net.expect(carol, "SIP/2.0 200");
    let second = offer(&mut net, &mut dialog);
    net.send(carol, alice, &second);
    let busy = net.expect(carol, "SIP/2.0 500");
    let after: u32 = busy.header("Retry-After").unwrap().parse().unwrap();
    assert!(after <= 10);
    let ack = net.ack(carol, &first, &ok);
    net.send(carol, alice, &ack);
    net.run_for(100);
}

#[test]
fn a_lower_cseq_gets_500_and_a_gap_is_legal() {
    let mut net = Net::new(4);
    let (alice, carol) = (net.phone("alice"), net.peer("carol"));
    let (call, mut dialog) = talking_to_peer(&mut net, alice, carol);
    dialog.local_cseq = 40;
    let gap = net.in_dialog(carol, &mut dialog, Method::Options);
    net.send(carol, alice, &gap);
    net.expect(carol, "SIP/2.0 200");
    dialog.local_cseq = 7;
    let low = net.in_dialog(carol, &mut dialog, Method::Bye);
    net.send(carol, alice, &low);
    net.expect(carol, "SIP/2.0 500");
    assert!(!story_of(&net, alice, &call).iter().any(|e| e.starts_with("ended")));
}
