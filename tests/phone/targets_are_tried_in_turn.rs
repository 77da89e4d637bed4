//! 3xx is followed, five times at most; after 503 or silence the next target is tried; the route set is kept.

use serde_json::json;

use crate::net::Net;
use crate::story_of;

#[test]
fn a_redirection_is_followed() {
    let mut net = Net::new(1);
    let (alice, carol, bob) = (net.phone("alice"), net.peer("carol"), net.phone("bob"));
    let out = net.call(alice, json!({ "number": net.uri(carol) }));
    let invite = net.expect(carol, "INVITE");
    let mut moved = phoned::sip::message::Message::response(&invite, 302, "");
    moved.set_to_tag("moved");
    moved.push("Contact", format!("<{}>", net.uri(bob)));
    net.send_back(carol, &moved);
    let incoming = net.wait(bob, "incoming").call_id.unwrap();
    net.answer(bob, &incoming).unwrap();
    net.wait(alice, "confirmed");
    assert_eq!(story_of(&net, alice, &out).iter().filter(|e| *e == "newRTCSession").count(), 1);
}

#[test]
fn a_loop_of_redirections_ends() {
    let mut net = Net::new(2);
    let (alice, carol) = (net.phone("alice"), net.peer("carol"));
    net.call(alice, json!({ "number": net.uri(carol) }));
    let mut hops = 0;
    while hops < 6 {
        let invite = net.expect(carol, "INVITE");
        let mut moved = phoned::sip::message::Message::response(&invite, 302, "");
        moved.set_to_tag("moved");
        moved.push("Contact", format!("<sip:carol{hops}@{}>", net.addr(carol).ip()));
        net.send_back(carol, &moved);
        net.expect(carol, "ACK");
        hops += 1;
    }
    assert_eq!(net.wait(alice, "failed").data["cause"], "Redirected");
    assert_eq!(net.sent(alice, "INVITE").len(), 6);
}

#[test]
fn after_503_the_next_target_is_tried() {
    let mut net = Net::new(3);
    let (one, bob) = (net.peer("one"), net.phone("bob"));
    net.name("pbx.test", &[one, bob]);
    let alice = net.phone("alice");
    net.call(alice, json!({"number": "sip:bob@pbx.test"}));
    let invite = net.expect(one, "INVITE");
    net.reply(one, &invite, 503);
    net.wait(bob, "incoming");
    assert!(net.phone_of(alice).events.iter().all(|e| e.name != "failed"));
}

#[test]
fn a_host_that_has_no_address_is_a_client_error() {
    let mut net = Net::new(4);
    let alice = net.phone("alice");
    let call = phoned::ua::command::Call { number: "sip:bob@nowhere.test".into(), ..Default::default() };
    assert!(net.ask(alice, phoned::ua::command::Command::Call(call)).is_err());
    let error = net.wait(alice, "clientError");
    assert_eq!(error.data["cause"], "Connection Error");
    net.wait(alice, "deleteSession");
    net.run_to_rest();
}

#[test]
fn the_record_route_is_followed_and_echoed() {
    let mut net = Net::new(5);
    let (alice, carol) = (net.phone("alice"), net.peer("carol"));
    let mut invite = net.invite(carol, alice);
    let route = format!("<sip:{};lr>", net.addr(carol).ip());
    invite.push("Record-Route", route.clone());
    net.send(carol, alice, &invite);
    let call = net.wait(alice, "incoming").call_id.unwrap();
    net.answer(alice, &call).unwrap();
    let ok = net.expect(carol, "SIP/2.0 200");
    assert_eq!(ok.header("Record-Route"), Some(route.as_str()));
    let ack = net.ack(carol, &invite, &ok);
    net.send(carol, alice, &ack);
    net.wait(alice, "confirmed");
    net.hangup(alice, &call).unwrap();
    let bye = net.expect(carol, "BYE");
    assert_eq!(bye.header("Route"), Some(route.as_str()));
}
