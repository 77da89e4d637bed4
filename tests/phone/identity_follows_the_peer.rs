//! Who we talk to may change within a session (a PBX transfers behind the scenes): `identity` tells it, the status follows,
//! and a name that a user has set by hand stays.

use phoned::sip::message::Method;
use serde_json::json;

use crate::net::Net;
use crate::{status_of, story_of, talking_to_peer};

#[test]
fn an_asserted_identity_in_a_reinvite_counts() {
    for manual in [false, true] {
        let mut net = Net::new(1);
        let (alice, carol) = (net.phone("alice"), net.peer("carol"));
        let (call, mut dialog) = talking_to_peer(&mut net, alice, carol);
        if manual {
            let set = json!({"callId": call, "staticStatus": {"name": "VIP"}, "startManualModel": true});
            let set = phoned::ua::command::Command::SetStaticStatus(serde_json::from_value(set).unwrap());
            net.ask(alice, set).unwrap();
        }
        for _ in 0..2 {
            let mut invite = net.in_dialog(carol, &mut dialog, Method::Invite);
            invite.push("P-Asserted-Identity", "\"Dave D.\" <sip:+49301234@pbx.example>");
            invite.set_body("application/sdp", net.sdp(carol, 2, "sendrecv").into_bytes());
            net.send(carol, alice, &invite);
            let ok = net.expect(carol, "SIP/2.0 200");
            let ack = net.ack(carol, &invite, &ok);
            net.send(carol, alice, &ack);
            net.run_for(50);
        }
        let name = if manual { "VIP" } else { "Dave D." };
        let told = net.wait(alice, "identity").data;
        assert_eq!((&told["number"], &told["name"]), (&json!("+49301234"), &json!(name)));
        assert_eq!(told["oldNumber"], "carol");
        assert_eq!(status_of(&net, alice, &call)["number"], "+49301234");
        let snapshot = phoned::ua::command::GetSession { call_id: Some(call.clone()) };
        let snapshot = net.ask(alice, phoned::ua::command::Command::GetSession(snapshot)).unwrap();
        assert_eq!((&snapshot["status"]["number"], &snapshot["status"]["name"]), (&json!("+49301234"), &json!(name)));
        assert_eq!(story_of(&net, alice, &call).iter().filter(|e| *e == "identity").count(), 1, "once");
    }
}

#[test]
fn a_reinvite_of_the_same_peer_says_nothing_new() {
    let mut net = Net::new(2);
    let (alice, bob) = (net.phone("alice"), net.phone("bob"));
    let (out, incoming) = net.connect(alice, bob);
    net.hold(bob, &incoming).unwrap();
    net.unhold(bob, &incoming).unwrap();
    net.hold(alice, &out).unwrap();
    for who in [alice, bob] {
        assert!(!net.phone_of(who).names().contains(&"identity"));
    }
}
