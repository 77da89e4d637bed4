//! A consultation holds its parent; an attended transfer from either leg joins the two far ends and ends both sessions;
//! when it fails both stay. Neither leg's end ends the other.

use phoned::ua::error::Code;
use phoned::ua::settings::ReferLeg;
use serde_json::json;

use crate::net::{Net, Who};
use crate::{sipfrag, status_of, story_of, talking_to_peer};

/// Alice talks to Bob, and consults Carol: the callIds of Alice's legs and of the others.
struct Consultation {
    net: Net,
    alice: Who,
    bob: Who,
    carol: Who,
    parent: String,
    consultation: String,
    at_bob: String,
    at_carol: String,
}

fn consulting(seed: u64, leg: ReferLeg) -> Consultation {
    let mut net = Net::new(seed);
    let alice = net.phone_with("alice", |settings, _| settings.transfer.refer = leg);
    let (bob, carol) = (net.phone("bob"), net.phone("carol"));
    let (parent, at_bob) = net.connect(alice, bob);
    let number = net.uri(carol);
    let consultation = net.call(alice, json!({"number": number, "transferId": parent}));
    let at_carol = net.wait(carol, "incoming").call_id.unwrap();
    net.answer(carol, &at_carol).unwrap();
    net.wait(alice, "confirmed");
    net.wait(carol, "confirmed");
    net.run_for(100);
    Consultation { net, alice, bob, carol, parent, consultation, at_bob, at_carol }
}

#[test]
fn the_parent_is_held_and_shown() {
    let c = consulting(1, ReferLeg::Parent);
    assert_eq!(status_of(&c.net, c.alice, &c.parent)["isHold"], true, "in a seat of its own, and held all the same");
    assert_eq!(status_of(&c.net, c.bob, &c.at_bob)["isRemoteHold"], true);
    let status = status_of(&c.net, c.alice, &c.consultation);
    assert_eq!((&status["isTransfer"], &status["transferParent"]["callId"]), (&json!(true), &json!(c.parent)));
    assert_eq!(status["transferParent"]["number"], "bob");
}

#[test]
fn either_leg_may_ask_and_either_leg_may_carry_the_refer() {
    for (seed, leg, from_parent) in [
        (2, ReferLeg::Parent, true),
        (3, ReferLeg::Parent, false),
        (4, ReferLeg::Consultation, true),
        (5, ReferLeg::Consultation, false),
    ] {
        let mut c = consulting(seed, leg);
        let asked = if from_parent { c.parent.clone() } else { c.consultation.clone() };
        let reply = c.net.attended(c.alice, &asked);
        assert_eq!(c.net.answer_to(c.alice, reply), Ok(json!(true)));
        c.net.wait(c.alice, "transferred");
        c.net.run_for(500);
        let carrier = if leg == ReferLeg::Parent { &c.parent } else { &c.consultation };
        for call in [&c.parent, &c.consultation] {
            let story = story_of(&c.net, c.alice, call);
            assert!(story.ends_with(&["ended(Terminated)".to_owned(), "deleteSession".to_owned()]), "{story:?}");
            assert_eq!(story.contains(&"transferred".to_owned()), call == carrier, "{story:?}");
        }
        // The one that was replaced keeps its callId and talks to the other.
        let (kept, who, number) = match leg {
            ReferLeg::Parent => (&c.at_carol, c.carol, "bob"),
            ReferLeg::Consultation => (&c.at_bob, c.bob, "carol"),
        };
        let story = story_of(&c.net, who, kept);
        assert!(story.contains(&"reinvite".to_owned()) && !story.iter().any(|e| e.starts_with("ended")), "{story:?}");
        assert_eq!(status_of(&c.net, who, kept)["number"], number);
        let reinvite = c.net.phone_of(who).events.iter().rfind(|e| e.name == "reinvite").unwrap();
        assert_eq!(reinvite.data["reason"], "transfer");
        c.net.hangup(who, &kept.clone()).unwrap();
        c.net.run_to_rest();
        for who in [c.alice, c.bob, c.carol] {
            assert!(c.net.phone_of(who).ua.is_idle(), "{}", c.net.story());
        }
    }
}

#[test]
fn a_failure_keeps_both_legs() {
    for status in [603, 202] {
        let mut net = Net::new(10 + u64::from(status));
        let (alice, bob, carol) = (net.phone("alice"), net.peer("bob"), net.phone("carol"));
        let (parent, mut dialog) = talking_to_peer(&mut net, alice, bob);
        let number = net.uri(carol);
        let consultation = net.call(alice, json!({"number": number, "transferId": parent}));
        let hold = net.expect(bob, "INVITE");
        let mut ok = net.response(bob, &hold, 200);
        ok.set_body("application/sdp", net.sdp(bob, 2, "recvonly").into_bytes());
        net.send_back(bob, &ok);
        let incoming = net.wait(carol, "incoming").call_id.unwrap();
        net.answer(carol, &incoming).unwrap();
        net.wait(alice, "confirmed");
        let reply = net.attended(alice, &consultation);
        let refer = net.expect(bob, "REFER");
        let to = refer.header("Refer-To").unwrap().to_owned();
        let invite = net.sent(alice, "INVITE").into_iter().find(|m| m.uri() == number).unwrap();
        let tags = (net.sent(carol, "SIP/2.0 200")[0].to_tag().unwrap(), invite.from_tag().unwrap());
        let replaces = format!("%3Bto-tag%3D{}%3Bfrom-tag%3D{}>", tags.0, tags.1);
        assert!(to.ends_with(&replaces) && to.contains("?Replaces="), "{to}");
        net.reply(bob, &refer, status);
        if status == 603 {
            assert_eq!(net.answer_to(alice, reply).unwrap_err().sip_code, Some(603));
        } else {
            net.answer_to(alice, reply).unwrap();
            let notify = sipfrag(&mut net, bob, &mut dialog, "terminated", "SIP/2.0 503 Service Unavailable");
            net.send(bob, alice, &notify);
        }
        let failed = net.wait(alice, "transferFailed");
        assert_eq!((failed.call_id.as_ref(), &failed.data["otherCallId"]), (Some(&parent), &json!(consultation)));
        net.run_for(5_000);
        for call in [&parent, &consultation] {
            assert!(!story_of(&net, alice, call).iter().any(|e| e.starts_with("ended")), "{}", net.story());
        }
        assert_eq!(status_of(&net, alice, &parent)["isHold"], true, "as it was before");
    }
}

#[test]
fn an_early_consultation_is_refused_and_leaks_nothing() {
    let mut net = Net::new(20);
    let (alice, bob, carol) = (net.phone("alice"), net.phone("bob"), net.phone("carol"));
    let (parent, _) = net.connect(alice, bob);
    let number = net.uri(carol);
    let consultation = net.call(alice, json!({"number": number, "transferId": parent}));
    net.wait(carol, "incoming");
    net.run_for(100);
    for call in [&parent, &consultation] {
        let reply = net.attended(alice, call);
        let error = net.answer_to(alice, reply).unwrap_err();
        assert_eq!(error.code, Code::WrongState);
        assert!(error.hint.contains("blindTransfer"), "{}", error.hint);
    }
    assert!(net.sent(alice, "REFER").is_empty());
    net.hangup(alice, &consultation).unwrap();
    assert_eq!(net.wait(carol, "failed").data["cause"], "Canceled");
    net.unhold(alice, &parent).unwrap();
    net.hangup(alice, &parent).unwrap();
    net.run_to_rest();
    assert!(net.phone_of(alice).ua.is_idle() && net.phone_of(carol).ua.is_idle(), "{}", net.story());
}

#[test]
fn without_a_consultation_it_is_minus_207() {
    let mut c = consulting(21, ReferLeg::Parent);
    let wrong = json!({"callId": c.parent, "number": "nobody"});
    let wrong = phoned::ua::command::Command::AttendedTransfer(serde_json::from_value(wrong).unwrap());
    assert_eq!(c.net.ask(c.alice, wrong).unwrap_err().code, Code::NoParent);
    let reply = c.net.attended(c.bob, &c.at_bob);
    assert_eq!(c.net.answer_to(c.bob, reply).unwrap_err().code, Code::NoParent);
    let error = c.net.ask(
        c.alice,
        phoned::ua::command::Command::Call(
            serde_json::from_value(json!({"number": "1", "transferId": "nobody"})).unwrap(),
        ),
    );
    assert_eq!(error.unwrap_err().code, Code::NoParent);
    let number = c.net.uri(c.carol);
    let right = json!({"callId": c.parent, "number": number});
    let right = phoned::ua::command::Command::AttendedTransfer(serde_json::from_value(right).unwrap());
    assert_eq!(c.net.ask(c.alice, right), Ok(json!(true)));
}

#[test]
fn the_legs_live_and_die_apart() {
    let mut c = consulting(22, ReferLeg::Parent);
    c.net.hangup(c.alice, &c.parent.clone()).unwrap();
    c.net.run_for(1_000);
    let story = story_of(&c.net, c.alice, &c.consultation);
    assert!(!story.iter().any(|e| e.starts_with("ended")), "the consultation goes on: {story:?}");
    let status = status_of(&c.net, c.alice, &c.consultation);
    assert_eq!((&status["isTransfer"], status.get("transferParent")), (&json!(false), None));

    let mut c = consulting(23, ReferLeg::Parent);
    c.net.hangup(c.carol, &c.at_carol.clone()).unwrap();
    c.net.run_for(1_000);
    let story = story_of(&c.net, c.alice, &c.parent);
    assert!(!story.iter().any(|e| e.starts_with("ended")), "the parent goes on: {story:?}");
    c.net.unhold(c.alice, &c.parent.clone()).unwrap();
}
