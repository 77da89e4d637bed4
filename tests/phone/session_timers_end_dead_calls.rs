//! Session timers (RFC 4028), both roles: refreshed by whom was agreed, 422 both ways, and a peer that has vanished is found out.

use phoned::sip::message::Method;
use serde_json::json;

use crate::net::Net;
use crate::story_of;

/// alice calls the peer, whose 200 says this of the timer: the callId.
fn called(net: &mut Net, alice: crate::net::Who, carol: crate::net::Who, expires: &str, allow: &str) -> String {
    let call = net.call(alice, json!({ "number": net.uri(carol) }));
    let invite = net.expect(carol, "INVITE");
    assert!(invite.has_token("Supported", "timer") && invite.header("Session-Expires") == Some("1800"));
    let mut ok = net.response(carol, &invite, 200);
    ok.push("Session-Expires", expires);
    ok.push("Allow", allow);
    net.send_back(carol, &ok);
    net.wait(alice, "confirmed");
    call
}

#[test]
fn we_refresh_at_half_the_time_by_update() {
    let mut net = Net::new(1);
    let (alice, carol) = (net.phone("alice"), net.peer("carol"));
    let call = called(&mut net, alice, carol, "200;refresher=uac", "INVITE, ACK, BYE, UPDATE");
    for n in 1..=3 {
        let update = net.expect(carol, "UPDATE");
        assert_eq!((net.now() + 500) / 100_000, n, "each 100 s");
        assert_eq!(update.header("Session-Expires"), Some("200;refresher=uac"));
        let mut ok = net.response(carol, &update, 200);
        ok.push("Session-Expires", "200;refresher=uac");
        net.send_back(carol, &ok);
    }
    net.run_for(1_000);
    assert!(!story_of(&net, alice, &call).iter().any(|e| e.starts_with("ended")));
}

#[test]
fn without_update_we_refresh_by_a_reinvite_that_changes_nothing() {
    let mut net = Net::new(2);
    let (alice, carol) = (net.phone("alice"), net.peer("carol"));
    let call = called(&mut net, alice, carol, "180;refresher=uac", "INVITE, ACK, BYE");
    let before = story_of(&net, alice, &call).len();
    let again = net.expect(carol, "INVITE");
    let mut ok = net.response(carol, &again, 200);
    ok.push("Session-Expires", "180;refresher=uac");
    net.send_back(carol, &ok);
    net.expect(carol, "ACK");
    let told = story_of(&net, alice, &call);
    assert!(told[before..].iter().all(|e| e == "streamAdded"), "{told:?}");
    let versions: Vec<_> = net
        .sent(alice, "INVITE")
        .iter()
        .map(|m| String::from_utf8_lossy(m.body()).lines().nth(1).unwrap().to_owned())
        .collect();
    assert_eq!(versions[0], versions[1], "the same description");
}

#[test]
fn a_peer_that_does_not_answer_the_refresh_is_gone() {
    let mut net = Net::new(3);
    let (alice, carol) = (net.phone("alice"), net.peer("carol"));
    called(&mut net, alice, carol, "120;refresher=uac", "INVITE, ACK, BYE, UPDATE");
    let ended = net.wait(alice, "ended");
    assert_eq!((&ended.data["cause"], &ended.data["by"]), (&json!("Expires"), &json!("system")));
    assert!(net.now() <= 120_000, "before the peer's own timer");
    net.expect(carol, "BYE");
}

#[test]
fn a_peer_that_does_not_refresh_is_gone() {
    let mut net = Net::new(4);
    let (alice, carol) = (net.phone("alice"), net.peer("carol"));
    let mut invite = net.invite(carol, alice);
    invite.push("Supported", "timer");
    invite.push("Session-Expires", "120;refresher=uac");
    net.send(carol, alice, &invite);
    let call = net.wait(alice, "incoming").call_id.unwrap();
    net.answer(alice, &call).unwrap();
    let ok = net.expect(carol, "SIP/2.0 200");
    assert_eq!(ok.header("Session-Expires"), Some("120;refresher=uac"));
    assert!(ok.has_token("Require", "timer"));
    let ack = net.ack(carol, &invite, &ok);
    net.send(carol, alice, &ack);
    net.wait(alice, "confirmed");
    assert_eq!(net.wait(alice, "ended").data["cause"], "Expires");
    assert!((87_000..=89_000).contains(&net.now()), "32 s before the end of 120: {}", net.now());
}

#[test]
fn a_refresh_of_the_peer_keeps_the_call() {
    let mut net = Net::new(5);
    let (alice, carol) = (net.phone("alice"), net.peer("carol"));
    let (call, mut dialog) = crate::talking_to_peer(&mut net, alice, carol);
    for _ in 0..5 {
        let mut update = net.in_dialog(carol, &mut dialog, Method::Update);
        update.push("Supported", "timer");
        update.push("Session-Expires", "120;refresher=uac");
        net.send(carol, alice, &update);
        let ok = net.expect(carol, "SIP/2.0 200");
        assert_eq!(ok.header("Session-Expires"), Some("120;refresher=uac"));
        net.run_for(60_000);
    }
    assert!(!story_of(&net, alice, &call).iter().any(|e| e.starts_with("ended")));
}

#[test]
fn too_small_an_interval_gets_422_and_is_raised_when_we_get_it() {
    let mut net = Net::new(6);
    let (alice, carol) = (net.phone("alice"), net.peer("carol"));
    let mut invite = net.invite(carol, alice);
    invite.push("Supported", "timer");
    invite.push("Session-Expires", "30");
    net.send(carol, alice, &invite);
    assert_eq!(net.expect(carol, "SIP/2.0 422").header("Min-SE"), Some("90"));

    let out = net.call(alice, json!({ "number": net.uri(carol) }));
    let first = net.expect(carol, "INVITE");
    let mut small = net.response(carol, &first, 422);
    small.push("Min-SE", "3600");
    net.send_back(carol, &small);
    net.expect(carol, "ACK");
    let second = net.expect(carol, "INVITE");
    assert_eq!((second.header("Session-Expires"), second.header("Min-SE")), (Some("3600"), Some("3600")));
    assert_eq!((second.call_id(), second.cseq()), (first.call_id(), first.cseq() + 1));
    assert!(!story_of(&net, alice, &out).iter().any(|e| e.starts_with("failed")));
}
