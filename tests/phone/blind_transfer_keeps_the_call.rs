//! A transfer that is refused, fails, or of which nothing is heard keeps the call: it is resumed, and the outcome is told.

use phoned::ua::error::Code;
use serde_json::json;

use crate::net::{Net, Who};
use crate::{sipfrag, status_of, story_of, talking_to_peer};

/// Answers every re-INVITE of the phone's until `start` comes.
fn answering(net: &mut Net, peer: Who, start: &str) -> phoned::sip::message::Message {
    loop {
        net.run_until(start, |_| true);
        net.run_for(5);
        while let Some(msg) = net.inbox(peer).pop_front() {
            if msg.is_request() && msg.method().as_str() == "INVITE" {
                let hold = String::from_utf8_lossy(msg.body()).contains("a=sendonly");
                let mut ok = net.response(peer, &msg, 200);
                let direction = if hold { "recvonly" } else { "sendrecv" };
                ok.set_body("application/sdp", net.sdp(peer, 2, direction).into_bytes());
                net.send_back(peer, &ok);
            }
            if msg.to_bytes().starts_with(start.as_bytes()) {
                return msg;
            }
        }
        assert!(net.now() < 300_000, "no {start}\n{}", net.story());
    }
}

fn assert_kept(net: &mut Net, alice: Who, carol: Who, call: &str) {
    answering(net, carol, "ACK");
    net.run_for(100);
    assert_eq!(status_of(net, alice, call)["isHold"], false, "{:?}", story_of(net, alice, call));
    assert!(!story_of(net, alice, call).iter().any(|e| e.starts_with("ended")));
}

#[test]
fn a_refused_refer_is_minus_216() {
    for (status, code) in [(603, Code::PeerRefused), (405, Code::PeerRefused), (491, Code::Glare)] {
        let mut net = Net::new(u64::from(status));
        let (alice, carol) = (net.phone("alice"), net.peer("carol"));
        let (call, _) = talking_to_peer(&mut net, alice, carol);
        let reply = net.transfer(alice, &call, "200");
        let refer = answering(&mut net, carol, "REFER");
        net.reply(carol, &refer, status);
        let error = net.answer_to(alice, reply).unwrap_err();
        assert_eq!((error.code, error.sip_code), (code, Some(status)));
        assert_eq!(net.wait(alice, "transferFailed").data["code"], status);
        assert_kept(&mut net, alice, carol, &call);
    }
}

#[test]
fn a_failure_after_the_202_is_told_and_resumes() {
    let mut net = Net::new(2);
    let (alice, carol) = (net.phone("alice"), net.peer("carol"));
    let (call, mut dialog) = talking_to_peer(&mut net, alice, carol);
    let reply = net.transfer(alice, &call, "200");
    let refer = answering(&mut net, carol, "REFER");
    net.reply(carol, &refer, 202);
    assert_eq!(net.answer_to(alice, reply), Ok(json!(true)));
    for (state, line) in [("active", "SIP/2.0 180 Ringing"), ("terminated;reason=noresource", "SIP/2.0 486 Busy Here")]
    {
        let notify = sipfrag(&mut net, carol, &mut dialog, state, line);
        net.send(carol, alice, &notify);
        net.expect(carol, "SIP/2.0 200");
    }
    let failed = net.wait(alice, "transferFailed").data;
    assert_eq!(failed, json!({"callId": call, "code": 486, "cause": "Busy", "number": "200"}));
    assert_kept(&mut net, alice, carol, &call);
    let late = sipfrag(&mut net, carol, &mut dialog, "terminated", "SIP/2.0 200 OK");
    net.send(carol, alice, &late);
    net.expect(carol, "SIP/2.0 481");
    // And it may be tried again.
    net.transfer(alice, &call, "201");
    answering(&mut net, carol, "REFER");
}

#[test]
fn silence_for_30_s_is_a_failure() {
    let mut net = Net::new(3);
    let (alice, carol) = (net.phone("alice"), net.peer("carol"));
    let (call, _) = talking_to_peer(&mut net, alice, carol);
    net.transfer(alice, &call, "200");
    let refer = answering(&mut net, carol, "REFER");
    net.reply(carol, &refer, 202);
    let at = net.now();
    assert_eq!(net.wait(alice, "transferFailed").data["code"], 408);
    assert!((30_000..30_100).contains(&(net.now() - at)));
    assert_kept(&mut net, alice, carol, &call);
}

#[test]
fn a_ring_is_waited_for_longer() {
    let mut net = Net::new(4);
    let (alice, carol) = (net.phone("alice"), net.peer("carol"));
    let (call, mut dialog) = talking_to_peer(&mut net, alice, carol);
    net.transfer(alice, &call, "200");
    let refer = answering(&mut net, carol, "REFER");
    net.reply(carol, &refer, 202);
    net.run_for(100);
    let notify = sipfrag(&mut net, carol, &mut dialog, "active", "SIP/2.0 180 Ringing");
    net.send(carol, alice, &notify);
    net.run_for(120_000);
    assert!(!story_of(&net, alice, &call).contains(&"transferFailed".into()));
    let notify = sipfrag(&mut net, carol, &mut dialog, "terminated", "SIP/2.0 200 OK");
    net.send(carol, alice, &notify);
    net.wait(alice, "transferred");
}

#[test]
fn a_subscription_that_ends_without_an_outcome_is_a_failure() {
    let mut net = Net::new(5);
    let (alice, carol) = (net.phone("alice"), net.peer("carol"));
    let (call, mut dialog) = talking_to_peer(&mut net, alice, carol);
    net.transfer(alice, &call, "200");
    let refer = answering(&mut net, carol, "REFER");
    net.reply(carol, &refer, 202);
    net.run_for(100);
    let notify = sipfrag(&mut net, carol, &mut dialog, "terminated;reason=giveup", "SIP/2.0 100 Trying");
    net.send(carol, alice, &notify);
    assert_eq!(net.wait(alice, "transferFailed").data["cause"], "Terminated");
    assert_kept(&mut net, alice, carol, &call);
}

#[test]
fn a_refused_hold_does_not_stop_it() {
    let mut net = Net::new(6);
    let (alice, carol) = (net.phone("alice"), net.peer("carol"));
    let (call, _) = talking_to_peer(&mut net, alice, carol);
    net.transfer(alice, &call, "200");
    let hold = net.expect(carol, "INVITE");
    net.reply(carol, &hold, 488);
    let refer = net.expect(carol, "REFER");
    net.reply(carol, &refer, 603);
    net.wait(alice, "transferFailed");
    net.run_for(1_000);
    assert_eq!(net.sent(alice, "INVITE").len(), 2, "nothing to resume");
}

#[test]
fn both_transfer_each_other_at_once_and_both_calls_live() {
    let mut net = Net::new(7);
    let (alice, bob) = (net.phone("alice"), net.phone("bob"));
    let (out, incoming) = net.connect(alice, bob);
    let a = net.transfer(alice, &out, "sip:x@10.0.0.9");
    let b = net.transfer(bob, &incoming, "sip:y@10.0.0.9");
    let results = [net.answer_to(alice, a), net.answer_to(bob, b)];
    assert!(results.iter().any(|r| r.as_ref().is_err_and(|e| e.code == Code::Glare)), "{results:?}");
    net.run_for(120_000);
    for (who, call) in [(alice, &out), (bob, &incoming)] {
        assert!(!story_of(&net, who, call).iter().any(|e| e.starts_with("ended")), "{}", net.story());
        assert_eq!(status_of(&net, who, call)["isHold"], false);
    }
}

#[test]
fn what_does_not_fit_is_refused_at_once() {
    let mut net = Net::new(8);
    let (alice, carol, dave) = (net.phone("alice"), net.peer("carol"), net.peer("dave"));
    let ringing = net.call(alice, json!({ "number": net.uri(dave) }));
    let early = net.transfer(alice, &ringing, "200");
    assert_eq!(net.answer_to(alice, early).unwrap_err().code, Code::WrongState);
    let first = net.invite(dave, alice);
    net.send(dave, alice, &first);
    let incoming = net.wait(alice, "incoming").call_id.unwrap();
    let unanswered = net.transfer(alice, &incoming, "200");
    assert_eq!(net.answer_to(alice, unanswered).unwrap_err().code, Code::WrongState);
    let nobody = net.transfer(alice, "nobody", "200");
    assert_eq!(net.answer_to(alice, nobody).unwrap_err().code, Code::NoSession);
    net.hangup(alice, &ringing).unwrap();
    let (call, _) = talking_to_peer(&mut net, alice, carol);
    for number in ["", "a b", "1\r\nRefer-To: <sip:x@y>", "sip:x@y?Replaces=1"] {
        let reply = net.transfer(alice, &call, number);
        assert_eq!(net.answer_to(alice, reply).unwrap_err().code, Code::InvalidNumber, "{number:?}");
    }
    net.transfer(alice, &call, "200");
    let second = net.transfer(alice, &call, "201");
    assert_eq!(net.answer_to(alice, second).unwrap_err().code, Code::WrongState);
}
