//! UPDATE (RFC 3311) in a call: its offer is answered in the 200, without an ACK; renegotiate is a re-INVITE.

use phoned::sip::message::Method;
use phoned::ua::command::{CallRef, Command};

use crate::net::Net;
use crate::{story_of, talking_to_peer};

#[test]
fn an_update_may_hold_and_resume() {
    let mut net = Net::new(1);
    let (alice, carol) = (net.phone("alice"), net.peer("carol"));
    let (call, mut dialog) = talking_to_peer(&mut net, alice, carol);
    for (version, direction, ours) in [(2, "sendonly", "recvonly"), (3, "sendrecv", "sendrecv")] {
        let mut update = net.in_dialog(carol, &mut dialog, Method::Update);
        update.set_body("application/sdp", net.sdp(carol, version, direction).into_bytes());
        net.send(carol, alice, &update);
        let ok = net.expect(carol, "SIP/2.0 200");
        assert!(String::from_utf8_lossy(ok.body()).contains(&format!("a={ours}")));
    }
    let story = story_of(&net, alice, &call);
    assert_eq!(story.iter().filter(|e| *e == "statusChange(isRemoteHold)").count(), 2);
    let reasons: Vec<_> =
        net.phone_of(alice).events.iter().filter(|e| e.name == "reinvite").map(|e| e.data["reason"].clone()).collect();
    assert_eq!(reasons, ["hold", "unhold"]);
}

#[test]
fn an_update_that_crosses_our_reinvite_gets_491() {
    let mut net = Net::new(2);
    let (alice, carol) = (net.phone("alice"), net.peer("carol"));
    let (call, mut dialog) = talking_to_peer(&mut net, alice, carol);
    net.command(alice, Command::Hold(CallRef { call_id: call }));
    net.expect(carol, "INVITE");
    let mut update = net.in_dialog(carol, &mut dialog, Method::Update);
    update.set_body("application/sdp", net.sdp(carol, 2, "sendonly").into_bytes());
    net.send(carol, alice, &update);
    net.expect(carol, "SIP/2.0 491");
}

#[test]
fn renegotiate_offers_what_holds_now() {
    let mut net = Net::new(3);
    let (alice, bob) = (net.phone("alice"), net.phone("bob"));
    let (out, incoming) = net.connect(alice, bob);
    net.wait(bob, "streamAdded");
    net.hold(alice, &out).unwrap();
    net.ask(alice, Command::Renegotiate(CallRef { call_id: out.clone() })).unwrap();
    let last = net.sent(alice, "INVITE").pop().unwrap();
    assert!(String::from_utf8_lossy(last.body()).contains("a=sendonly"), "held as before");
    net.run_for(100);
    assert!(story_of(&net, bob, &incoming).ends_with(&["reinvite".into()]));
}
