//! A hold that is refused, or never answered, brings the sound back and keeps the call.

use phoned::sdp::Direction;
use phoned::ua::command::{CallRef, Command};
use phoned::ua::error::Code;
use phoned::ua::media::MediaCommand;

use crate::net::{Net, Who};
use crate::{story_of, talking_to_peer};

/// The last gate that the media engine was told.
fn gate(net: &Net, who: Who) -> Option<Direction> {
    let gates = net.phone_of(who).media.iter().rev();
    gates.into_iter().find_map(|(_, c)| if let MediaCommand::Gate(d) = c { Some(*d) } else { None })
}

#[test]
fn a_refused_hold_is_minus_216_and_the_sound_is_back() {
    let mut net = Net::new(1);
    let (alice, carol) = (net.phone("alice"), net.peer("carol"));
    let (call, _) = talking_to_peer(&mut net, alice, carol);
    net.wait(alice, "streamAdded");
    let before = story_of(&net, alice, &call).len();
    let reply = net.command(alice, Command::Hold(CallRef { call_id: call.clone() }));
    assert_eq!(gate(&net, alice), Some(Direction::Inactive), "cut off in the turn the re-INVITE goes out");
    let reinvite = net.expect(carol, "INVITE");
    assert!(String::from_utf8_lossy(reinvite.body()).contains("a=sendonly"));
    net.reply(carol, &reinvite, 488);
    net.run_until("the refusal", |net| net.phone_of(alice).replies.contains_key(&reply));
    let error = net.phone_of(alice).replies[&reply].clone().unwrap_err();
    assert_eq!((error.code, error.sip_code), (Code::PeerRefused, Some(488)));
    assert_eq!(gate(&net, alice), Some(Direction::SendRecv));
    net.run_for(1_000);
    assert_eq!(story_of(&net, alice, &call).len(), before, "no event: nothing changed");
    net.hangup(alice, &call).unwrap();
    let bye = net.expect(carol, "BYE");
    assert!(bye.header("Reason").is_none(), "a plain BYE says nothing of 486");
}

#[test]
fn a_silent_peer_does_not_keep_anybody_waiting() {
    let mut net = Net::new(2);
    let (alice, carol, bob) = (net.phone("alice"), net.peer("carol"), net.phone("bob"));
    let (silent, _) = talking_to_peer(&mut net, alice, carol);
    let (other, _) = net.connect(alice, bob);
    let hold = net.command(alice, Command::Hold(CallRef { call_id: silent.clone() }));
    let began = net.now();
    net.hangup(alice, &other).unwrap();
    assert_eq!(net.now(), began, "hangup of another session is answered at once");
    net.run_until("-230", |net| net.phone_of(alice).replies.contains_key(&hold));
    assert_eq!(net.now() - began, 10_000);
    assert_eq!(net.phone_of(alice).replies[&hold].clone().unwrap_err().code, Code::Timeout);
    net.run_for(40_000);
    assert_eq!(gate(&net, alice), Some(Direction::SendRecv));
    assert!(!story_of(&net, alice, &silent).iter().any(|e| e.starts_with("ended")), "the call goes on");
}

#[test]
fn hold_and_unhold_are_told_on_both_sides() {
    let mut net = Net::new(3);
    let (alice, bob) = (net.phone("alice"), net.phone("bob"));
    let (out, incoming) = net.connect(alice, bob);
    net.wait(alice, "streamAdded");
    let seq = net.phone_of(alice).events.len();
    net.hold(alice, &out).unwrap();
    net.hold(alice, &out).unwrap();
    net.unhold(alice, &out).unwrap();
    net.run_for(100);
    let told: Vec<_> =
        net.phone_of(alice).events[seq..].iter().filter(|e| !e.sample).map(|e| e.name.as_str()).collect();
    assert_eq!(told, ["statusChange", "statusChange"], "a hold that holds already tells nothing");
    let there = story_of(&net, bob, &incoming);
    let tail = ["statusChange(isRemoteHold)", "reinvite", "statusChange(isRemoteHold)", "reinvite"].map(str::to_owned);
    assert!(there.ends_with(&tail), "{there:?}");
    let reasons: Vec<_> =
        net.phone_of(bob).events.iter().filter(|e| e.name == "reinvite").map(|e| e.data["reason"].clone()).collect();
    assert_eq!(reasons, ["hold", "unhold"]);
}

#[test]
fn both_may_hold_and_resume_in_any_order() {
    let mut net = Net::new(4);
    let (alice, bob) = (net.phone("alice"), net.phone("bob"));
    let (out, incoming) = net.connect(alice, bob);
    net.hold(alice, &out).unwrap();
    net.hold(bob, &incoming).unwrap();
    assert!(net.sent(bob, "INVITE").iter().any(|m| String::from_utf8_lossy(m.body()).contains("a=inactive")));
    net.unhold(alice, &out).unwrap();
    net.unhold(bob, &incoming).unwrap();
    net.run_for(500);
    for (who, call) in [(alice, &out), (bob, &incoming)] {
        let status = net
            .phone_of(who)
            .events
            .iter()
            .rfind(|e| e.name == "statusChange" && e.call_id.as_ref() == Some(call))
            .unwrap();
        assert_eq!(
            (&status.data["newStatus"]["isHold"], &status.data["newStatus"]["isRemoteHold"]),
            (&false.into(), &false.into())
        );
    }
}

#[test]
fn a_reinvite_without_a_direction_is_no_hold() {
    let mut net = Net::new(5);
    let (alice, carol) = (net.phone("alice"), net.peer("carol"));
    let (call, mut dialog) = talking_to_peer(&mut net, alice, carol);
    let mut again = net.in_dialog(carol, &mut dialog, phoned::sip::message::Method::Invite);
    let sdp = net.sdp(carol, 2, "sendrecv").replace("a=sendrecv\r\n", "");
    again.set_body("application/sdp", sdp.into_bytes());
    net.send(carol, alice, &again);
    let ok = net.expect(carol, "SIP/2.0 200");
    let ack = net.ack(carol, &again, &ok);
    net.send(carol, alice, &ack);
    net.run_for(100);
    assert_eq!(net.wait(alice, "reinvite").data["reason"], "refresh");
    assert!(!story_of(&net, alice, &call).iter().any(|e| e.contains("isRemoteHold")));
}

#[test]
fn a_hold_that_is_never_answered_finally_makes_room_for_the_next_verb() {
    let mut net = Net::new(20);
    let (alice, carol) = (net.phone("alice"), net.peer("carol"));
    let (call, _) = talking_to_peer(&mut net, alice, carol);
    let one = CallRef { call_id: call.clone() };
    net.command(alice, Command::Hold(one.clone()));
    let first = net.expect(carol, "INVITE");
    net.reply(carol, &first, 180);
    let cancel = net.expect(carol, "CANCEL");
    net.reply(carol, &cancel, 200);
    net.reply(carol, &first, 487);
    net.run_for(100);
    let reply = net.command(alice, Command::Hold(one));
    let second = net.expect(carol, "INVITE");
    let ok = net.reply(carol, &second, 200);
    net.run_until("the reply", |net| net.phone_of(alice).replies.contains_key(&reply));
    let _ = ok;
    assert!(net.phone_of(alice).replies[&reply].is_ok());
}

#[test]
fn a_hold_accepted_too_late_is_acknowledged() {
    let mut net = Net::new(21);
    let (alice, carol) = (net.phone("alice"), net.peer("carol"));
    let (call, _) = talking_to_peer(&mut net, alice, carol);
    net.command(alice, Command::Hold(CallRef { call_id: call }));
    let invite = net.expect(carol, "INVITE");
    net.run_for(40_000);
    net.inbox(carol).clear();
    net.reply(carol, &invite, 200);
    assert_eq!(net.expect(carol, "ACK").cseq(), invite.cseq());
}
