//! INVITE with Replaces: the new dialog takes the place of the old one in the same session; the old peer gets a BYE. What
//! does not fit is refused.

use phoned::sdp::Direction;
use phoned::sip::message::Message;
use phoned::ua::media::MediaCommand;

use crate::net::{Net, Who};
use crate::{status_of, story_of, talking_to_peer};

/// An INVITE of a peer's that wants the place of the dialog between the phone and another.
fn replacing(net: &mut Net, peer: Who, phone: Who, replaces: &str) -> Message {
    let mut invite = net.invite(peer, phone);
    invite.push("Require", "replaces");
    invite.push("Replaces", replaces);
    invite
}

#[test]
fn the_call_id_stays_and_the_old_peer_gets_a_bye() {
    let mut net = Net::new(1);
    let (alice, carol, dave) = (net.phone("alice"), net.peer("carol"), net.peer("dave"));
    let (call, dialog) = talking_to_peer(&mut net, alice, carol);
    net.wait(alice, "streamAdded");
    let mark = net.phone_of(alice).events.len();
    let replaces = format!("{};to-tag={};from-tag={}", dialog.call_id, dialog.remote_tag, dialog.local_tag);
    let invite = replacing(&mut net, dave, alice, &replaces);
    net.send(dave, alice, &invite);
    let ok = net.expect(dave, "SIP/2.0 200");
    let bye = net.expect(carol, "BYE");
    net.reply(carol, &bye, 200);
    let ack = net.ack(dave, &invite, &ok);
    net.send(dave, alice, &ack);
    net.run_for(40_000);
    let told: Vec<_> =
        net.phone_of(alice).events[mark..].iter().filter(|e| !e.sample).map(|e| e.name.as_str()).collect();
    assert_eq!(told, ["identity", "statusChange", "reinvite"], "no ring, no second confirmed, no end");
    assert_eq!(net.wait(alice, "reinvite").data["reason"], "transfer");
    assert_eq!(status_of(&net, alice, &call)["number"], "dave");
    let (_, last) = net.phone_of(alice).media.iter().rfind(|(_, c)| matches!(c, MediaCommand::Remote(_))).unwrap();
    let MediaCommand::Remote(negotiated) = last else { unreachable!() };
    assert_eq!((negotiated.remote_rtp.ip(), negotiated.direction), (net.addr(dave).ip(), Direction::SendRecv));
    net.hold_and_hang_up(alice, dave, &call);
}

impl Net {
    /// The replaced session is as good as any: it can be held, and hung up.
    fn hold_and_hang_up(&mut self, phone: Who, peer: Who, call: &str) {
        let call_ref = phoned::ua::command::CallRef { call_id: call.into() };
        let hold = self.command(phone, phoned::ua::command::Command::Hold(call_ref));
        let invite = self.expect(peer, "INVITE");
        let mut ok = self.response(peer, &invite, 200);
        ok.set_body("application/sdp", self.sdp(peer, 2, "recvonly").into_bytes());
        self.send_back(peer, &ok);
        self.answer_to(phone, hold).unwrap();
        self.hangup(phone, call).unwrap();
        self.expect(peer, "BYE");
    }
}

#[test]
fn a_held_session_stays_held() {
    let mut net = Net::new(2);
    let (alice, bob, dave) = (net.phone("alice"), net.phone("bob"), net.peer("dave"));
    let (out, incoming) = net.connect(alice, bob);
    net.hold(bob, &incoming).unwrap();
    let ok = net.sent(bob, "SIP/2.0 200").remove(0);
    let replaces = format!("{};from-tag={};to-tag={}", ok.call_id(), ok.from_tag().unwrap(), ok.to_tag().unwrap());
    let invite = replacing(&mut net, dave, bob, &replaces);
    net.send(dave, bob, &invite);
    let ok = net.expect(dave, "SIP/2.0 200");
    assert!(String::from_utf8_lossy(ok.body()).contains("a=sendonly"));
    let ack = net.ack(dave, &invite, &ok);
    net.send(dave, bob, &ack);
    assert_eq!(net.wait(alice, "ended").call_id.unwrap(), out);
    net.run_for(1_000);
    assert_eq!(status_of(&net, bob, &incoming)["isHold"], true);
}

#[test]
fn what_waits_for_the_far_end_goes_to_the_new_one() {
    let mut net = Net::new(3);
    let (alice, carol, dave) = (net.phone("alice"), net.peer("carol"), net.peer("dave"));
    let (call, dialog) = talking_to_peer(&mut net, alice, carol);
    let call_ref = phoned::ua::command::CallRef { call_id: call };
    let hold = net.command(alice, phoned::ua::command::Command::Hold(call_ref));
    net.expect(carol, "INVITE");
    let replaces = format!("{};to-tag={};from-tag={}", dialog.call_id, dialog.remote_tag, dialog.local_tag);
    let invite = replacing(&mut net, dave, alice, &replaces);
    net.send(dave, alice, &invite);
    let ok = net.expect(dave, "SIP/2.0 200");
    let ack = net.ack(dave, &invite, &ok);
    net.send(dave, alice, &ack);
    let reinvite = net.expect(dave, "INVITE");
    let mut ok = net.response(dave, &reinvite, 200);
    ok.set_body("application/sdp", net.sdp(dave, 2, "recvonly").into_bytes());
    net.send_back(dave, &ok);
    net.answer_to(alice, hold).unwrap();
}

#[test]
fn without_an_offer_the_answer_is_in_the_ack() {
    let mut net = Net::new(4);
    let (alice, carol, dave) = (net.phone("alice"), net.peer("carol"), net.peer("dave"));
    let (call, dialog) = talking_to_peer(&mut net, alice, carol);
    let replaces = format!("{};to-tag={};from-tag={}", dialog.call_id, dialog.remote_tag, dialog.local_tag);
    let mut invite = replacing(&mut net, dave, alice, &replaces);
    invite.set_body("application/sdp", Vec::new());
    invite.remove("Content-Type");
    net.send(dave, alice, &invite);
    let ok = net.expect(dave, "SIP/2.0 200");
    let mut ack = net.ack(dave, &invite, &ok);
    ack.set_body("application/sdp", net.sdp(dave, 1, "sendrecv").into_bytes());
    net.send(dave, alice, &ack);
    net.run_for(100);
    let (_, last) = net.phone_of(alice).media.iter().rfind(|(_, c)| matches!(c, MediaCommand::Remote(_))).unwrap();
    assert!(matches!(last, MediaCommand::Remote(n) if n.remote_rtp.ip() == net.addr(dave).ip()));
    assert!(!story_of(&net, alice, &call).iter().any(|e| e.starts_with("ended")));
}

#[test]
fn a_lost_ack_ends_the_session_as_ever() {
    let mut net = Net::new(5);
    let (alice, carol, dave) = (net.phone("alice"), net.peer("carol"), net.peer("dave"));
    let (_, dialog) = talking_to_peer(&mut net, alice, carol);
    let replaces = format!("{};to-tag={};from-tag={}", dialog.call_id, dialog.remote_tag, dialog.local_tag);
    let invite = replacing(&mut net, dave, alice, &replaces);
    net.send(dave, alice, &invite);
    assert_eq!(net.wait(alice, "ended").data["cause"], "No ACK");
    net.expect(dave, "BYE");
}

#[test]
fn a_call_not_yet_acknowledged_is_replaced_too() {
    let mut net = Net::new(6);
    let (alice, carol, dave) = (net.phone("alice"), net.peer("carol"), net.peer("dave"));
    let first = net.invite(carol, alice);
    net.send(carol, alice, &first);
    let call = net.wait(alice, "incoming").call_id.unwrap();
    net.answer(alice, &call).unwrap();
    let old_ok = net.expect(carol, "SIP/2.0 200");
    let (to, from) = (old_ok.to_tag().unwrap(), old_ok.from_tag().unwrap());
    let invite = replacing(&mut net, dave, alice, &format!("{};to-tag={to};from-tag={from}", old_ok.call_id()));
    net.send(dave, alice, &invite);
    let ok = net.expect(dave, "SIP/2.0 200");
    let ack = net.ack(dave, &invite, &ok);
    net.send(dave, alice, &ack);
    net.wait(alice, "confirmed");
    let ack = net.ack(carol, &first, &old_ok);
    net.send(carol, alice, &ack);
    net.expect(carol, "BYE");
    net.run_for(1_000);
    let story = story_of(&net, alice, &call);
    assert_eq!(story.iter().filter(|e| *e == "confirmed").count(), 1, "{story:?}");
    assert!(!story.iter().any(|e| e.starts_with("ended")));
}

#[test]
fn what_does_not_fit_is_refused_and_changes_nothing() {
    let mut net = Net::new(7);
    let (alice, carol, dave) = (net.phone("alice"), net.peer("carol"), net.peer("dave"));
    let (call, dialog) = talking_to_peer(&mut net, alice, carol);
    net.wait(alice, "streamAdded");
    let mark = net.phone_of(alice).names().len();
    let (id, ours, theirs) = (&dialog.call_id, &dialog.remote_tag, &dialog.local_tag);
    for (replaces, status) in [
        (format!("nobody;to-tag={ours};from-tag={theirs}"), "SIP/2.0 481"),
        (format!("{id};to-tag={theirs};from-tag={ours}"), "SIP/2.0 481"),
        (format!("{id};to-tag={ours};from-tag=0"), "SIP/2.0 481"),
        (format!("{id};to-tag={ours}"), "SIP/2.0 400"),
        (format!("{id};to-tag={ours};from-tag={theirs};early-only"), "SIP/2.0 486"),
    ] {
        let invite = replacing(&mut net, dave, alice, &replaces);
        net.send(dave, alice, &invite);
        let refusal = net.expect(dave, status);
        let ack = net.ack(dave, &invite, &refusal);
        net.send(dave, alice, &ack);
    }
    let replaces = format!("{id};to-tag={ours};from-tag={theirs}");
    let mut mute = replacing(&mut net, dave, alice, &replaces);
    let sdp = net
        .sdp(dave, 1, "sendrecv")
        .replace("RTP/AVP 0 101", "RTP/AVP 96")
        .replace("a=rtpmap:0 PCMU", "a=rtpmap:96 SPEEX");
    mute.set_body("application/sdp", sdp.into_bytes());
    net.send(dave, alice, &mute);
    net.expect(dave, "SIP/2.0 488");
    let mut unknown = replacing(&mut net, dave, alice, &replaces);
    unknown.set("Require", "replaces, teleport");
    net.send(dave, alice, &unknown);
    let refusal = net.expect(dave, "SIP/2.0 420");
    assert_eq!(refusal.headers("Unsupported").collect::<Vec<_>>(), ["teleport"]);
    assert_eq!(net.phone_of(alice).names().len(), mark, "{:?}", net.phone_of(alice).names());
    // A ringing call is not for others to take by Replaces.
    let first = net.invite(carol, alice);
    net.send(carol, alice, &first);
    net.wait(alice, "incoming");
    let ringing = net.expect(carol, "SIP/2.0 180");
    let (to, from) = (ringing.to_tag().unwrap(), ringing.from_tag().unwrap());
    let invite = replacing(&mut net, dave, alice, &format!("{};to-tag={to};from-tag={from}", ringing.call_id()));
    net.send(dave, alice, &invite);
    net.expect(dave, "SIP/2.0 481");
    assert!(!story_of(&net, alice, &call).iter().any(|e| e.starts_with("ended")));
}

#[test]
fn a_call_that_rings_is_picked_up_by_another() {
    let mut net = Net::new(8);
    let (alice, carol, dave) = (net.phone("alice"), net.peer("carol"), net.peer("dave"));
    let call = net.call(alice, serde_json::json!({ "number": net.uri(carol) }));
    let first = net.expect(carol, "INVITE");
    let ringing = net.reply(carol, &first, 180);
    net.wait(alice, "progress");
    let (ours, theirs) = (first.from_tag().unwrap(), ringing.to_tag().unwrap());
    let other = replacing(&mut net, dave, alice, &format!("{};to-tag={ours};from-tag=other", first.call_id()));
    net.send(dave, alice, &other);
    net.expect(dave, "SIP/2.0 481");
    let replaces = format!("{};to-tag={ours};from-tag={theirs};early-only", first.call_id());
    let invite = replacing(&mut net, dave, alice, &replaces);
    net.send(dave, alice, &invite);
    let ok = net.expect(dave, "SIP/2.0 200");
    let ack = net.ack(dave, &invite, &ok);
    net.send(dave, alice, &ack);
    let cancel = net.expect(carol, "CANCEL");
    net.reply(carol, &cancel, 200);
    net.reply(carol, &first, 487);
    net.wait(alice, "confirmed");
    let story = story_of(&net, alice, &call);
    let of_it = ["progress(180)", "identity", "reinvite", "accepted", "confirmed"];
    let found: Vec<_> = story.iter().filter(|e| of_it.contains(&e.as_str())).collect();
    assert_eq!(found, of_it, "{story:?}");
    assert_eq!(status_of(&net, alice, &call)["callStatus"], "talking");
    net.hold_and_hang_up(alice, dave, &call);
    net.run_to_rest();
}
