//! A stream that broke under a call is opened again for the next request of its dialog (SIP rule 12).

use serde_json::json;

use crate::net::{Net, Who};

fn over_tcp(net: &mut Net, from: Who, to: Who) -> (String, String) {
    let number = format!("{};transport=tcp", net.uri(to));
    let out = net.call(from, json!({ "number": number }));
    let incoming = net.wait(to, "incoming").call_id.unwrap();
    net.answer(to, &incoming).unwrap();
    net.wait(from, "confirmed");
    net.wait(to, "confirmed");
    (out, incoming)
}

#[test]
fn by_the_caller() {
    let mut net = Net::new(1);
    let (alice, bob) = (net.phone("alice"), net.phone("bob"));
    let (out, _) = over_tcp(&mut net, alice, bob);
    net.break_streams(alice);
    net.run_for(100);
    net.hold(alice, &out).unwrap();
    net.hangup(alice, &out).unwrap();
    assert_eq!(net.wait(bob, "ended").data["by"], "remote");
    net.run_to_rest();
    assert_eq!((net.streams_of(alice), net.phone_of(alice).ua.is_idle()), (0, true));
}

#[test]
fn by_the_called() {
    let mut net = Net::new(2);
    let (alice, bob) = (net.phone("alice"), net.phone("bob"));
    net.listen_tcp(alice);
    let (_, incoming) = over_tcp(&mut net, alice, bob);
    net.break_streams(alice);
    net.run_for(100);
    net.hold(bob, &incoming).unwrap();
    net.hangup(bob, &incoming).unwrap();
    assert_eq!(net.wait(alice, "ended").data["by"], "remote");
    net.run_to_rest();
    assert!(net.phone_of(bob).ua.is_idle());
}

#[test]
fn a_peer_that_is_gone_gets_no_answer_and_the_call_can_be_ended() {
    let mut net = Net::new(3);
    let (alice, bob) = (net.phone("alice"), net.phone("bob"));
    let (out, _) = over_tcp(&mut net, alice, bob);
    net.refuse_streams(bob);
    net.break_streams(alice);
    net.run_for(100);
    assert!(net.hold(alice, &out).is_err());
    net.hangup(alice, &out).unwrap();
    net.run_for(40_000);
    assert!(net.phone_of(alice).ua.is_idle());
}
