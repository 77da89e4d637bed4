//! The 2xx of an INVITE: sent again until its ACK comes, acknowledged each time it comes (SIP rule 3).

use serde_json::json;

use crate::net::Net;
use crate::story_of;

#[test]
fn a_lost_ack_is_sent_again_for_each_copy() {
    let mut net = Net::new(1);
    let (alice, bob) = (net.phone("alice"), net.phone("bob"));
    for _ in 0..3 {
        net.drop_next(|p| p.is("ACK"));
    }
    let (out, incoming) = net.connect(alice, bob);
    assert_eq!(net.sent(alice, "ACK").len(), 4);
    net.hangup(alice, &out).unwrap();
    net.wait(bob, "ended");
    assert_eq!(story_of(&net, bob, &incoming).iter().filter(|e| *e == "confirmed").count(), 1);
}

#[test]
fn a_2xx_without_any_ack_ends_the_call() {
    let mut net = Net::new(2);
    let (alice, carol) = (net.phone("alice"), net.peer("carol"));
    let invite = net.invite(carol, alice);
    net.send(carol, alice, &invite);
    let call = net.wait(alice, "incoming").call_id.unwrap();
    net.answer(alice, &call).unwrap();
    let at = net.now();
    net.expect(carol, "SIP/2.0 200");
    let ended = net.wait(alice, "ended");
    assert_eq!(ended.data["cause"], "No ACK");
    assert_eq!((net.now() - at) / 1000, 32, "64 times T1");
    let bye = net.expect(carol, "BYE");
    net.reply(carol, &bye, 200);
    assert_eq!(net.sent(alice, "SIP/2.0 200").len(), 11, "T1, doubled up to T2: RFC 3261 §13.3.1.4");
    net.run_to_rest();
}

#[test]
fn a_hangup_before_the_ack_sends_the_bye_after_it() {
    let mut net = Net::new(3);
    let (alice, carol) = (net.phone("alice"), net.peer("carol"));
    let invite = net.invite(carol, alice);
    net.send(carol, alice, &invite);
    let call = net.wait(alice, "incoming").call_id.unwrap();
    net.answer(alice, &call).unwrap();
    let ok = net.expect(carol, "SIP/2.0 200");
    net.hangup(alice, &call).unwrap();
    net.run_for(2_000);
    assert!(net.sent(alice, "BYE").is_empty(), "RFC 3261 §15: no BYE before the ACK");
    let ack = net.ack(carol, &invite, &ok);
    net.send(carol, alice, &ack);
    let bye = net.expect(carol, "BYE");
    net.reply(carol, &bye, 200);
    net.run_to_rest();
    assert!(net.phone_of(alice).ua.is_idle());
}

#[test]
fn an_invite_without_an_offer_is_offered_in_the_2xx() {
    let mut net = Net::new(4);
    let (alice, carol) = (net.phone("alice"), net.peer("carol"));
    let mut invite = net.invite(carol, alice);
    invite.set_body("application/sdp", Vec::new());
    invite.remove("Content-Type");
    net.send(carol, alice, &invite);
    let call = net.wait(alice, "incoming").call_id.unwrap();
    net.answer(alice, &call).unwrap();
    let ok = net.expect(carol, "SIP/2.0 200");
    assert!(String::from_utf8_lossy(ok.body()).contains("m=audio"));
    let mut ack = net.ack(carol, &invite, &ok);
    ack.set_body("application/sdp", net.sdp(carol, 1, "sendrecv").into_bytes());
    net.send(carol, alice, &ack);
    net.wait(alice, "confirmed");
    let got = net
        .ask(alice, phoned::ua::command::Command::GetSession(phoned::ua::command::GetSession { call_id: Some(call) }))
        .unwrap();
    assert_eq!(got["RTCSession"]["codec"], json!("PCMU"));
}
