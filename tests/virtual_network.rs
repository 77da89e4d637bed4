//! The virtual network itself: whole phones on it, peers played by hand, bad weather, streams, taps.
#![allow(clippy::unwrap_used)]

#[path = "common/net/mod.rs"]
mod net;

use net::{Fate, Net, Weather};
use phoned::sip::dialog::Dialog;
use phoned::sip::message::Method;
use phoned::ua::command::DtmfMethod;
use serde_json::json;

#[test]
fn two_phones_talk() {
    let mut net = Net::new(1);
    let (alice, bob) = (net.phone("alice"), net.phone("bob"));
    let (out, incoming) = net.connect(alice, bob);
    net.dtmf(alice, &out, "7", DtmfMethod::Rtp).unwrap();
    assert_eq!(net.wait(bob, "dtmf").call_id, Some(incoming.clone()));
    net.hold(alice, &out).unwrap();
    net.unhold(alice, &out).unwrap();
    net.hangup(bob, &incoming).unwrap();
    net.wait(alice, "deleteSession");
    net.run_to_rest();
    assert!(net.phone_of(alice).streams.is_empty() && net.phone_of(bob).streams.is_empty());
    assert_eq!(net.sent(alice, "INVITE").len(), 3, "{}", net.story());
}

#[test]
fn a_peer_played_by_hand_is_called_and_calls() {
    let mut net = Net::new(2);
    let (alice, carol) = (net.phone("alice"), net.peer("carol"));
    net.call(alice, json!({ "number": net.uri(carol) }));
    let invite = net.expect(carol, "INVITE");
    net.reply(carol, &invite, 180);
    net.wait(alice, "progress");
    let ok = net.reply(carol, &invite, 200);
    net.expect(carol, "ACK");
    // Its 2xx once more: one more ACK.
    net.send_back(carol, &ok);
    net.expect(carol, "ACK");
    let mut dialog = Dialog::uas(&invite, &ok.to_tag().unwrap()).unwrap();
    let bye = net.in_dialog(carol, &mut dialog, Method::Bye);
    net.send(carol, alice, &bye);
    net.expect(carol, "SIP/2.0 200");
    net.wait(alice, "ended");

    let invite = net.invite(carol, alice);
    net.send(carol, alice, &invite);
    let call = net.wait(alice, "incoming").call_id.unwrap();
    net.reject(alice, &call, None).unwrap();
    let busy = net.expect(carol, "SIP/2.0 486");
    let ack = net.ack(carol, &invite, &busy);
    net.send(carol, alice, &ack);
    net.run_to_rest();
    assert_eq!(net.sent(alice, "SIP/2.0 486").len(), 1, "{}", net.story());
}

#[test]
fn taps_lose_and_change_messages() {
    let mut net = Net::new(3);
    let (alice, bob) = (net.phone("alice"), net.phone("bob"));
    net.drop_next(|packet| packet.is("INVITE"));
    net.drop_next(|packet| packet.is("SIP/2.0 200"));
    net.drop_next(|packet| packet.is("ACK"));
    net.tap(|packet| match packet.is("SIP/2.0 180") {
        true => Fate::Alter(String::from_utf8_lossy(&packet.bytes).replace("180 Ringing", "183 Progress").into_bytes()),
        false => Fate::Pass,
    });
    net.connect(alice, bob);
    assert_eq!((net.sent(alice, "INVITE").len(), net.sent(alice, "ACK").len()), (2, 2), "{}", net.story());
    assert!(net.sent(bob, "SIP/2.0 200").len() >= 3);
    let progress = net.phone_of(alice).events.iter().find(|e| e.name == "progress").unwrap();
    assert_eq!(progress.data["code"], 183);
}

#[test]
fn the_same_seed_tells_the_same_story() {
    let story = |seed| {
        let mut net = Net::new(seed);
        let (alice, bob) = (net.phone("alice"), net.phone("bob"));
        net.weather = Weather { loss: 20, duplicates: 20, delay: 1..=300 };
        let (out, _) = net.connect(alice, bob);
        net.hangup(alice, &out).unwrap();
        net.run_to_rest();
        net.log.iter().map(|p| (p.at, p.bytes.clone(), p.lost)).collect::<Vec<_>>()
    };
    assert!(story(4) == story(4));
    assert!(story(4) != story(5));
}

#[test]
fn a_call_by_name_over_a_stream() {
    let mut net = Net::new(6);
    let (alice, bob) = (net.phone("alice"), net.phone("bob"));
    net.name("bob.example", &[bob]);
    net.call(alice, json!({ "number": "sip:bob@bob.example;transport=tcp" }));
    let incoming = net.wait(bob, "incoming").call_id.unwrap();
    net.answer(bob, &incoming).unwrap();
    net.wait(alice, "confirmed");
    net.wait(bob, "confirmed");
    assert!(net.sent(alice, "INVITE")[0].via().unwrap().transport == "TCP");
    net.hangup(bob, &incoming).unwrap();
    net.wait(alice, "ended");
    net.break_streams(alice);
    net.run_for(100);
}
