//! A blind transfer holds, sends REFER, replies at the 202, tells what the NOTIFYs tell, and ends the session when it went
//! well. A BYE after the 202 is a success too.

use phoned::ua::command::Command;
use serde_json::json;

use crate::net::{Net, Who};
use crate::{sipfrag, status_of, story_of, talking_to_peer};

/// The hold before the REFER, which the peer accepts.
fn hold(net: &mut Net, peer: Who) {
    let invite = net.expect(peer, "INVITE");
    assert!(String::from_utf8_lossy(invite.body()).contains("a=sendonly"));
    let mut ok = net.response(peer, &invite, 200);
    ok.set_body("application/sdp", net.sdp(peer, 2, "recvonly").into_bytes());
    net.send_back(peer, &ok);
    net.expect(peer, "ACK");
}

#[test]
fn success_is_told_and_ends_the_session() {
    let mut net = Net::new(1);
    let (alice, carol) = (net.phone("alice"), net.peer("carol"));
    let (call, mut dialog) = talking_to_peer(&mut net, alice, carol);
    let reply = net.transfer(alice, &call, "*72#");
    hold(&mut net, carol);
    let refer = net.expect(carol, "REFER");
    assert_eq!(refer.header("Refer-To"), Some("<sip:*72%23@10.0.0.1>"));
    assert_eq!(refer.header("Referred-By"), Some("<sip:alice@10.0.0.1>"));
    assert!(refer.contact().is_some());
    net.run_for(100);
    assert!(!net.phone_of(alice).replies.contains_key(&reply), "not before the 202");
    net.reply(carol, &refer, 202);
    assert_eq!(net.answer_to(alice, reply), Ok(json!(true)));
    for (state, line) in [
        ("active;expires=60", "SIP/2.0 100 Trying"),
        ("active;expires=60", "SIP/2.0 180 Ringing"),
        ("terminated;reason=noresource", "SIP/2.0 200 OK"),
    ] {
        let notify = sipfrag(&mut net, carol, &mut dialog, state, line);
        net.send(carol, alice, &notify);
        net.expect(carol, "SIP/2.0 200");
    }
    net.expect(carol, "BYE");
    let story = story_of(&net, alice, &call);
    let tail = ["transferProgress", "transferProgress", "transferred", "ended(Terminated)", "deleteSession"];
    assert!(story.ends_with(&tail.map(str::to_owned)), "{story:?}");
    let transferred = net.wait(alice, "transferred").data;
    assert_eq!(transferred, json!({"callId": call, "number": "*72#"}));
    let codes: Vec<_> = net.phone_of(alice).events.iter().filter(|e| e.name == "transferProgress").collect();
    assert_eq!(codes.iter().map(|e| e.data["code"].as_u64().unwrap()).collect::<Vec<_>>(), [100, 180]);
}

#[test]
fn whole_phones_transfer_each_other() {
    let mut net = Net::new(2);
    let (alice, bob, carol) = (net.phone("alice"), net.phone("bob"), net.phone("carol"));
    let (out, incoming) = net.connect(alice, bob);
    let number = net.uri(carol);
    let reply = net.transfer(alice, &out, &number);
    assert_eq!(net.answer_to(alice, reply), Ok(json!(true)));
    let call = net.wait(carol, "incoming").call_id.unwrap();
    net.answer(carol, &call).unwrap();
    net.wait(alice, "transferred");
    net.wait(alice, "deleteSession");
    assert_eq!(net.wait(bob, "ended").call_id.unwrap(), incoming);
    let invite = net.sent(bob, "INVITE").pop().unwrap();
    assert_eq!(invite.header("Referred-By"), Some("<sip:alice@10.0.0.1>"));
    net.hangup(carol, &call).unwrap();
    net.run_to_rest();
    for who in [alice, bob, carol] {
        assert!(net.phone_of(who).ua.is_idle(), "{}", net.story());
    }
}

#[test]
fn a_bye_after_the_202_is_a_success() {
    let mut net = Net::new(3);
    let (alice, carol) = (net.phone("alice"), net.peer("carol"));
    let (call, mut dialog) = talking_to_peer(&mut net, alice, carol);
    net.transfer(alice, &call, "200");
    hold(&mut net, carol);
    let refer = net.expect(carol, "REFER");
    net.reply(carol, &refer, 202);
    net.run_for(50);
    let bye = net.in_dialog(carol, &mut dialog, phoned::sip::message::Method::Bye);
    net.send(carol, alice, &bye);
    net.wait(alice, "transferred");
    assert_eq!(net.wait(alice, "ended").data["by"], "remote");
    assert!(!story_of(&net, alice, &call).contains(&"transferFailed".into()));
}

#[test]
fn a_bye_before_the_202_is_none() {
    let mut net = Net::new(4);
    let (alice, carol) = (net.phone("alice"), net.peer("carol"));
    let (call, mut dialog) = talking_to_peer(&mut net, alice, carol);
    let reply = net.transfer(alice, &call, "200");
    hold(&mut net, carol);
    net.expect(carol, "REFER");
    let bye = net.in_dialog(carol, &mut dialog, phoned::sip::message::Method::Bye);
    net.send(carol, alice, &bye);
    assert!(net.answer_to(alice, reply).is_err());
    assert_eq!(net.wait(alice, "transferFailed").data["cause"], "Terminated");
    net.wait(alice, "ended");
}

#[test]
fn a_notify_may_come_before_the_202() {
    let mut net = Net::new(5);
    let (alice, carol) = (net.phone("alice"), net.peer("carol"));
    let (call, mut dialog) = talking_to_peer(&mut net, alice, carol);
    let reply = net.transfer(alice, &call, "200");
    hold(&mut net, carol);
    net.expect(carol, "REFER");
    let notify = sipfrag(&mut net, carol, &mut dialog, "terminated;reason=noresource", "SIP/2.0 200 OK");
    net.send(carol, alice, &notify);
    assert_eq!(net.answer_to(alice, reply), Ok(json!(true)));
    net.wait(alice, "transferred");
    net.expect(carol, "BYE");
}

#[test]
fn immediately_hangs_up_at_the_202() {
    let mut net = Net::new(6);
    let (alice, carol) = (net.phone("alice"), net.peer("carol"));
    let (call, _) = talking_to_peer(&mut net, alice, carol);
    let wish = json!({"callId": call, "number": "200", "hangup": "immediately"});
    let reply = net.command(alice, Command::BlindTransfer(serde_json::from_value(wish).unwrap()));
    hold(&mut net, carol);
    let refer = net.expect(carol, "REFER");
    net.run_for(1_000);
    assert!(net.sent(alice, "BYE").is_empty(), "no BYE before the 202");
    net.reply(carol, &refer, 202);
    net.expect(carol, "BYE");
    assert_eq!(net.answer_to(alice, reply), Ok(json!(true)));
    let story = story_of(&net, alice, &call);
    assert!(!story.iter().any(|e| e.starts_with("transfer")), "the outcome is not known: {story:?}");
}

#[test]
fn a_held_call_is_not_held_again() {
    let mut net = Net::new(7);
    let (alice, carol) = (net.phone("alice"), net.peer("carol"));
    let (call, _) = talking_to_peer(&mut net, alice, carol);
    let reply = net.command(alice, Command::Hold(phoned::ua::command::CallRef { call_id: call.clone() }));
    hold(&mut net, carol);
    net.answer_to(alice, reply).unwrap();
    net.transfer(alice, &call, "200");
    let refer = net.expect(carol, "REFER");
    net.reply(carol, &refer, 603);
    net.wait(alice, "transferFailed");
    net.run_for(1_000);
    assert_eq!(status_of(&net, alice, &call)["isHold"], true, "it was held by hand and stays so");
    assert_eq!(net.sent(alice, "INVITE").len(), 2);
}

#[test]
fn a_proxy_that_wants_a_digest_gets_it() {
    let mut net = Net::new(8);
    let proxy = net.peer("proxy");
    let uri = format!("sip:{}", net.addr(proxy).ip());
    let alice = net.phone_with("alice", |_, account| {
        account.password = Some(phoned::ua::settings::Secret::new("secret"));
        account.realms = vec!["pbx".into()];
        account.proxies = vec![uri];
    });
    let call = net.call(alice, json!({"number": "100"}));
    let invite = net.expect(proxy, "INVITE");
    net.reply(proxy, &invite, 200);
    net.wait(alice, "confirmed");
    let reply = net.transfer(alice, &call, "200");
    hold(&mut net, proxy);
    let first = net.expect(proxy, "REFER");
    let mut challenge = net.response(proxy, &first, 407);
    challenge.push("Proxy-Authenticate", "Digest realm=\"pbx\", nonce=\"n\", qop=\"auth\"");
    net.send_back(proxy, &challenge);
    let second = net.expect(proxy, "REFER");
    assert_eq!((second.cseq(), second.header("Refer-To")), (first.cseq() + 1, first.header("Refer-To")));
    assert!(second.header("Proxy-Authorization").is_some());
    net.reply(proxy, &second, 202);
    assert_eq!(net.answer_to(alice, reply), Ok(json!(true)));
    net.hangup(alice, &call).unwrap();
    assert!(net.expect(proxy, "BYE").cseq() > second.cseq());
}
