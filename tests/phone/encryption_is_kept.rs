//! What `srtp` promises: `require` never has media in clear, `prefer` has it encrypted wherever the peer can, and no key is ever told.

use phoned::sdp::{Encryption, Protection, Sdes};
use phoned::sip::message::{Message, Method};
use phoned::ua::io::SessionId;
use phoned::ua::media::MediaCommand;
use serde_json::json;

use crate::net::{Net, Who};
use crate::talking_to_peer;

use Encryption::{Off, Prefer, Require};

const THEIR_KEY: &str = "d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj";
const NEW_KEY: &str = "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz";

fn phone(net: &mut Net, name: &str, srtp: Encryption) -> Who {
    net.phone_with(name, |_, account| account.srtp = srtp)
}

/// Everything that the phone told its media engine to do.
fn protections(net: &Net, who: Who) -> Vec<(SessionId, Protection)> {
    let remote = |(id, command): &(SessionId, MediaCommand)| match command {
        MediaCommand::Remote(negotiated) => Some((*id, negotiated.protection.clone())),
        _ => None,
    };
    net.phone_of(who).media.iter().filter_map(remote).collect()
}

fn last(net: &Net, who: Who) -> Protection {
    protections(net, who).pop().expect("media").1
}

fn sdes(net: &Net, who: Who) -> Sdes {
    match last(net, who) {
        Protection::Sdes(sdes) => sdes,
        other => panic!("{other:?}"),
    }
}

fn srtp_of(net: &mut Net, who: Who, call: &str) -> serde_json::Value {
    let get = phoned::ua::command::Command::GetSession(phoned::ua::command::GetSession { call_id: Some(call.into()) });
    net.ask(who, get).unwrap()["RTCSession"]["srtp"].clone()
}

#[test]
fn what_two_phones_agree_on() {
    let suite = json!("AES_CM_128_HMAC_SHA1_80");
    let clear = serde_json::Value::Null;
    for (caller, called, agreed) in [
        (Off, Off, Some(&clear)),
        (Off, Prefer, Some(&clear)),
        (Off, Require, None),
        (Prefer, Off, Some(&clear)),
        (Prefer, Prefer, Some(&suite)),
        (Prefer, Require, Some(&suite)),
        (Require, Off, None),
        (Require, Prefer, Some(&suite)),
        (Require, Require, Some(&suite)),
    ] {
        let mut net = Net::new(1);
        let (alice, bob) = (phone(&mut net, "alice", caller), phone(&mut net, "bob", called));
        let Some(agreed) = agreed else {
            net.call(alice, json!({ "number": net.uri(bob) }));
            let failed = net.wait(alice, "failed");
            assert_eq!((&failed.data["code"], &failed.data["cause"]), (&json!(488), &json!("Incompatible SDP")));
            let rejected = net.wait(bob, "callRejected");
            let reason = rejected.data["detail"].as_str().unwrap();
            assert!(reason.contains("encrypted"), "{caller:?} {called:?}: {reason}");
            assert!(protections(&net, alice).is_empty() && protections(&net, bob).is_empty());
            continue;
        };
        let (out, incoming) = net.connect(alice, bob);
        assert_eq!(srtp_of(&mut net, alice, &out), *agreed, "{caller:?} {called:?}");
        assert_eq!(srtp_of(&mut net, bob, &incoming), *agreed, "{caller:?} {called:?}");
        if *agreed == suite {
            let (a, b) = (sdes(&net, alice), sdes(&net, bob));
            assert!(a.send == b.receive && a.receive == b.send && a.send != a.receive);
            net.hold(alice, &out).unwrap();
            net.unhold(alice, &out).unwrap();
            net.hold(bob, &incoming).unwrap();
            assert_eq!((sdes(&net, alice), sdes(&net, bob)), (a, b), "a hold keeps the keys");
        }
        for who in [alice, bob] {
            let story =
                serde_json::to_string(&net.phone_of(who).events.iter().map(|e| &e.data).collect::<Vec<_>>()).unwrap();
            assert!(!story.contains("inline") && !story.contains("receive_mki"), "{story}");
        }
        net.hangup(alice, &out).unwrap();
        net.run_to_rest();
    }
}

#[test]
fn each_call_has_keys_of_its_own() {
    let mut net = Net::new(2);
    let (alice, bob) = (phone(&mut net, "alice", Require), phone(&mut net, "bob", Require));
    let mut seen = Vec::new();
    for _ in 0..3 {
        let (out, _) = net.connect(alice, bob);
        seen.push(sdes(&net, alice).send);
        net.hangup(alice, &out).unwrap();
        net.run_to_rest();
    }
    assert!(seen[0] != seen[1] && seen[1] != seen[2] && seen[0] != seen[2]);
}

/// An SDP of the peer's with a key, or without.
fn described(net: &Net, peer: Who, version: u32, profile: &str, key: Option<&str>) -> Vec<u8> {
    let mut text = net.sdp(peer, version, "sendrecv").replace("RTP/AVP", profile);
    if let Some(key) = key {
        text += &format!("a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{key}|2^20\r\n");
    }
    text.into_bytes()
}

fn respond(net: &mut Net, peer: Who, request: &Message, body: Vec<u8>) -> Message {
    let mut ok = net.response(peer, request, 200);
    ok.set_body("application/sdp", body);
    net.send_back(peer, &ok);
    ok
}

#[test]
fn an_answer_in_clear_ends_a_call_that_must_be_encrypted() {
    for (profile, key) in [("RTP/SAVP", None), ("RTP/AVP", None), ("RTP/SAVP", Some("AAAA"))] {
        let mut net = Net::new(3);
        let (alice, peer) = (phone(&mut net, "alice", Require), net.peer("gateway"));
        net.call(alice, json!({ "number": net.uri(peer) }));
        let invite = net.expect(peer, "INVITE");
        let offer = String::from_utf8(invite.body().to_vec()).unwrap();
        assert!(
            offer.contains(" RTP/SAVP ") && offer.contains("a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:"),
            "{offer}"
        );
        // Early media in clear is not opened either.
        let mut early = net.response(peer, &invite, 183);
        early.set_body("application/sdp", described(&net, peer, 1, profile, key));
        net.send_back(peer, &early);
        let body = described(&net, peer, 1, profile, key);
        respond(&mut net, peer, &invite, body);
        net.expect(peer, "ACK");
        net.expect(peer, "BYE");
        let ended = net.wait(alice, "ended");
        assert_eq!((&ended.data["cause"], &ended.data["by"]), (&json!("Incompatible SDP"), &json!("system")));
        assert!(ended.data["reason"].as_str().unwrap().contains("encrypted"), "{:?}", ended.data);
        assert!(protections(&net, alice).is_empty(), "no media was ever opened");
    }
}

fn secured(net: &mut Net, srtp: Encryption) -> (Who, Who, String, phoned::sip::dialog::Dialog) {
    let (alice, peer) = (phone(net, "alice", srtp), net.peer("gateway"));
    let call = net.call(alice, json!({ "number": net.uri(peer) }));
    let invite = net.expect(peer, "INVITE");
    let profile = if srtp == Require { "RTP/SAVP" } else { "RTP/AVP" };
    let body = described(net, peer, 1, profile, Some(THEIR_KEY));
    let ok = respond(net, peer, &invite, body);
    net.expect(peer, "ACK");
    net.wait(alice, "confirmed");
    (alice, peer, call, phoned::sip::dialog::Dialog::uas(&invite, &ok.to_tag().unwrap()).unwrap())
}

#[test]
fn the_key_of_a_new_offer_takes_over() {
    let mut net = Net::new(4);
    let (alice, peer, _, mut dialog) = secured(&mut net, Require);
    let before = sdes(&net, alice);
    let mut invite = net.in_dialog(peer, &mut dialog, Method::Invite);
    invite.set_body("application/sdp", described(&net, peer, 2, "RTP/SAVP", Some(NEW_KEY)));
    net.send(peer, alice, &invite);
    let ok = net.expect(peer, "SIP/2.0 200");
    assert!(String::from_utf8_lossy(ok.body()).contains("a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:"));
    let ack = net.ack(peer, &invite, &ok);
    net.send(peer, alice, &ack);
    net.run_for(100);
    let after = sdes(&net, alice);
    assert_ne!(after.receive, before.receive);
    assert_eq!(after.send, before.send);
}

#[test]
fn a_new_offer_in_clear_is_refused_and_the_call_goes_on() {
    let mut net = Net::new(5);
    let (alice, peer, call, mut dialog) = secured(&mut net, Require);
    let before = protections(&net, alice).len();
    for profile in ["RTP/AVP", "RTP/SAVP"] {
        let mut invite = net.in_dialog(peer, &mut dialog, Method::Invite);
        invite.set_body("application/sdp", described(&net, peer, 2, profile, None));
        net.send(peer, alice, &invite);
        let refusal = net.expect(peer, "SIP/2.0 488");
        let ack = net.ack(peer, &invite, &refusal);
        net.send(peer, alice, &ack);
    }
    net.run_for(100);
    assert_eq!(protections(&net, alice).len(), before);
    assert_eq!(srtp_of(&mut net, alice, &call), "AES_CM_128_HMAC_SHA1_80");
}

#[test]
fn an_answer_in_clear_to_a_hold_ends_the_call() {
    let mut net = Net::new(6);
    let (alice, peer, call, _) = secured(&mut net, Require);
    net.command(alice, phoned::ua::command::Command::Hold(phoned::ua::command::CallRef { call_id: call }));
    let invite = net.expect(peer, "INVITE");
    let body = described(&net, peer, 2, "RTP/SAVP", None);
    respond(&mut net, peer, &invite, body);
    net.expect(peer, "BYE");
    assert_eq!(net.wait(alice, "ended").data["cause"], "Incompatible SDP");
    assert!(protections(&net, alice).iter().all(|(_, p)| matches!(p, Protection::Sdes(_))));
}

#[test]
fn prefer_goes_on_in_clear_where_the_peer_wants_it() {
    let mut net = Net::new(7);
    let (alice, peer) = (phone(&mut net, "alice", Prefer), net.peer("gateway"));
    let (call, _) = talking_to_peer(&mut net, alice, peer);
    assert_eq!(srtp_of(&mut net, alice, &call), serde_json::Value::Null);
    let (alice, peer, call, mut dialog) = secured(&mut net, Prefer);
    assert!(matches!(last(&net, alice), Protection::Sdes(_)));
    let mut invite = net.in_dialog(peer, &mut dialog, Method::Invite);
    invite.set_body("application/sdp", described(&net, peer, 2, "RTP/AVP", None));
    net.send(peer, alice, &invite);
    let ok = net.expect(peer, "SIP/2.0 200");
    assert!(!String::from_utf8_lossy(ok.body()).contains("a=crypto"));
    net.run_for(100);
    assert_eq!(srtp_of(&mut net, alice, &call), serde_json::Value::Null);
}
