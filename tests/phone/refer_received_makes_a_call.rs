//! A REFER in a call: 202, a new outbound session, NOTIFYs of how it goes. What it may not ask is refused.

use phoned::sip::dialog::Dialog;
use phoned::sip::message::{Message, Method};
use serde_json::json;

use crate::net::{Net, Who};
use crate::{status_of, story_of, talking_to_peer};

fn refer(net: &mut Net, peer: Who, dialog: &mut Dialog, to: &str) -> Message {
    let mut refer = net.in_dialog(peer, dialog, Method::Refer);
    refer.push("Refer-To", to);
    refer.push("Referred-By", "<sip:carol@10.0.0.2>");
    refer
}

/// Answers a NOTIFY and gives its Subscription-State and the first line of its body.
fn notified(net: &mut Net, peer: Who) -> (String, String) {
    let notify = net.expect(peer, "NOTIFY");
    net.reply(peer, &notify, 200);
    assert_eq!(notify.header("Content-Type"), Some("message/sipfrag;version=2.0"));
    assert!(notify.header("Event").unwrap().starts_with("refer"));
    let state = notify.header("Subscription-State").unwrap().split(';').next().unwrap().to_owned();
    (state, String::from_utf8_lossy(notify.body()).trim().to_owned())
}

#[test]
fn it_is_followed_and_told_to_its_end() {
    let mut net = Net::new(1);
    let (alice, carol, bob) = (net.phone("alice"), net.peer("carol"), net.phone("bob"));
    let (call, mut dialog) = talking_to_peer(&mut net, alice, carol);
    let target = format!("<{}?Subject=evil>", net.uri(bob));
    let order = refer(&mut net, carol, &mut dialog, &target);
    net.send(carol, alice, &order);
    net.expect(carol, "SIP/2.0 202");
    assert_eq!(notified(&mut net, carol), ("active".into(), "SIP/2.0 100 Trying".into()));
    let new = net.wait(alice, "startSession");
    let (new, by) = (new.call_id.unwrap(), new.data["referredBy"].clone());
    assert_eq!(by, json!(call));
    let incoming = net.wait(bob, "incoming").call_id.unwrap();
    let invite = net.sent(alice, "INVITE").pop().unwrap();
    assert_eq!((invite.header("Referred-By"), invite.header("Subject")), (Some("<sip:carol@10.0.0.2>"), None));
    assert_eq!(notified(&mut net, carol), ("active".into(), "SIP/2.0 180 Ringing".into()));
    net.answer(bob, &incoming).unwrap();
    assert_eq!(notified(&mut net, carol), ("terminated".into(), "SIP/2.0 200 OK".into()));
    let bye = net.in_dialog(carol, &mut dialog, Method::Bye);
    net.send(carol, alice, &bye);
    net.wait(alice, "ended");
    assert_eq!(status_of(&net, alice, &new)["callStatus"], "talking");
    assert!(!story_of(&net, alice, &new).iter().any(|e| e.starts_with("ended")));
}

#[test]
fn replaces_travels_from_the_uri_to_the_invite() {
    let mut net = Net::new(2);
    let (alice, carol, bob) = (net.phone("alice"), net.peer("carol"), net.peer("bob"));
    let (_, mut dialog) = talking_to_peer(&mut net, alice, carol);
    let target = format!("<{}?Replaces=x%40y%3Bto-tag%3D1%3Bfrom-tag%3D2>", net.uri(bob));
    let order = refer(&mut net, carol, &mut dialog, &target);
    net.send(carol, alice, &order);
    let invite = net.expect(bob, "INVITE");
    assert_eq!(invite.header("Replaces"), Some("x@y;to-tag=1;from-tag=2"));
    assert_eq!(invite.uri(), net.uri(bob));
    assert!(invite.has_token("Supported", "replaces") && invite.has_token("Allow", "REFER"));
}

#[test]
fn a_failure_is_told_and_the_call_goes_on() {
    let mut net = Net::new(3);
    let (alice, carol, bob) = (net.phone("alice"), net.peer("carol"), net.peer("bob"));
    let (call, mut dialog) = talking_to_peer(&mut net, alice, carol);
    for (round, status) in [486, 404].into_iter().enumerate() {
        let target = format!("<{}>", net.uri(bob));
        let order = refer(&mut net, carol, &mut dialog, &target);
        net.send(carol, alice, &order);
        let invite = net.expect(bob, "INVITE");
        net.reply(bob, &invite, status);
        assert_eq!(notified(&mut net, carol).1, "SIP/2.0 100 Trying");
        let last = net.expect(carol, "NOTIFY");
        net.reply(carol, &last, 200);
        assert!(String::from_utf8_lossy(last.body()).starts_with(&format!("SIP/2.0 {status} ")));
        assert_eq!(last.header("Subscription-State"), Some("terminated;reason=noresource"));
        let event = if round == 0 { "refer".to_owned() } else { format!("refer;id={}", order.cseq()) };
        assert_eq!(last.header("Event"), Some(event.as_str()), "the second REFER of a dialog is named");
        net.wait(alice, "failed");
        net.run_for(100);
    }
    assert!(!story_of(&net, alice, &call).iter().any(|e| e.starts_with("ended")));
    net.hangup(alice, &call).unwrap();
    net.expect(carol, "BYE");
}

#[test]
fn the_user_may_give_the_new_call_up() {
    let mut net = Net::new(4);
    let (alice, carol, bob) = (net.phone("alice"), net.peer("carol"), net.phone("bob"));
    let (call, mut dialog) = talking_to_peer(&mut net, alice, carol);
    let target = format!("<{}>", net.uri(bob));
    let order = refer(&mut net, carol, &mut dialog, &target);
    net.send(carol, alice, &order);
    net.wait(bob, "incoming");
    let new = net.wait(alice, "startSession").call_id.unwrap();
    while notified(&mut net, carol).1 != "SIP/2.0 180 Ringing" {}
    net.hangup(alice, &new).unwrap();
    assert_eq!(notified(&mut net, carol), ("terminated".into(), "SIP/2.0 487 Request Terminated".into()));
    net.wait(bob, "failed");
    assert!(!story_of(&net, alice, &call).iter().any(|e| e.starts_with("ended")));
}

#[test]
fn what_may_not_be_asked_is_refused() {
    let mut net = Net::new(5);
    let closed = net.phone_with("closed", |settings, _| settings.phone.accept_refer = false);
    let (alice, carol, bob) = (net.phone("alice"), net.peer("carol"), net.peer("bob"));
    let (_, mut dialog) = talking_to_peer(&mut net, closed, carol);
    let order = refer(&mut net, carol, &mut dialog, "<sip:bob@10.0.0.4>");
    net.send(carol, closed, &order);
    net.expect(carol, "SIP/2.0 603");
    let (call, mut dialog) = talking_to_peer(&mut net, alice, carol);
    for (to, status) in [
        ("", "SIP/2.0 400"),
        ("<sip:a@b", "SIP/2.0 400"),
        ("<https://example.com>", "SIP/2.0 603"),
        ("<sips:a@b>", "SIP/2.0 603"),
        ("<sip:a@10.0.0.4;method=BYE>", "SIP/2.0 603"),
    ] {
        let order = refer(&mut net, carol, &mut dialog, to);
        net.send(carol, alice, &order);
        net.expect(carol, status);
    }
    let mut two = refer(&mut net, carol, &mut dialog, "<sip:a@10.0.0.4>");
    two.push("Refer-To", "<sip:b@10.0.0.4>");
    net.send(carol, alice, &two);
    net.expect(carol, "SIP/2.0 400");
    let mut outside = refer(&mut net, carol, &mut dialog, "<sip:a@10.0.0.4>");
    outside.set("To", format!("<{}>", net.uri(alice)));
    outside.set("Call-ID", "other");
    net.send(carol, alice, &outside);
    net.expect(carol, "SIP/2.0 603");
    assert_eq!(net.phone_of(alice).names().iter().filter(|n| **n == "newRTCSession").count(), 1);
    // One at a time.
    for status in ["SIP/2.0 202", "SIP/2.0 491"] {
        let target = format!("<{}>", net.uri(bob));
        let order = refer(&mut net, carol, &mut dialog, &target);
        net.send(carol, alice, &order);
        net.expect(carol, status);
    }
    assert!(!story_of(&net, alice, &call).iter().any(|e| e.starts_with("ended")));
}

#[test]
fn the_seat_has_one_microphone_meanwhile() {
    let mut net = Net::new(6);
    let alice = net.phone_with("alice", |_, account| account.seat = Some("desk".into()));
    let (carol, bob) = (net.peer("carol"), net.peer("bob"));
    let (_, mut dialog) = talking_to_peer(&mut net, alice, carol);
    let target = format!("<{}>", net.uri(bob));
    let order = refer(&mut net, carol, &mut dialog, &target);
    net.send(carol, alice, &order);
    let invite = net.expect(bob, "INVITE");
    let old = *net.phone_of(alice).streams.keys().next().unwrap();
    assert!(net.stream(alice, old).muted, "the transferor does not hear what is said to the target");
    net.reply(bob, &invite, 603);
    net.wait(alice, "failed");
    assert!(!net.stream(alice, old).muted);
    assert_eq!(net.sent(alice, "INVITE").len(), 2, "nobody is held for it");
}
