//! Hold with music: `sendonly` on the wire and the file in the sound, from the 2xx on; an account may have another or none; who
//! holds us too hears nothing.

use phoned::ua::media::MediaCommand;

use crate::net::{Net, Who};
use crate::talking_to_peer;

/// What the far end of the phone's only stream hears on hold.
fn music(net: &Net, who: Who) -> Option<String> {
    net.phone_of(who).streams.values().next().unwrap().music.clone()
}

#[test]
fn it_begins_with_the_answer_and_ends_with_the_resumption() {
    let mut net = Net::new(1);
    let (alice, carol) =
        (net.phone_with("alice", |s, _| s.phone.hold_music = Some("/m.wav".into())), net.peer("carol"));
    let (call, mut dialog) = talking_to_peer(&mut net, alice, carol);
    let hold = |call: &str| phoned::ua::command::Command::Hold(phoned::ua::command::CallRef { call_id: call.into() });
    net.command(alice, hold(&call));
    let reinvite = net.expect(carol, "INVITE");
    assert!(String::from_utf8_lossy(reinvite.body()).contains("a=sendonly"));
    assert_eq!(music(&net, alice), None, "not before the far end has agreed");
    net.reply(carol, &reinvite, 200);
    net.expect(carol, "ACK");
    net.run_for(100);
    assert_eq!(music(&net, alice).as_deref(), Some("/m.wav"));
    // the peer asks again meanwhile: it is still on hold, and still hears it
    let mut again = net.in_dialog(carol, &mut dialog, phoned::sip::message::Method::Invite);
    again.set_body("application/sdp", net.sdp(carol, 3, "recvonly").into_bytes());
    net.send(carol, alice, &again);
    net.run_for(100);
    assert_eq!(music(&net, alice).as_deref(), Some("/m.wav"));
    let ok = net.expect(carol, "SIP/2.0 200");
    let ack = net.ack(carol, &again, &ok);
    net.send(carol, alice, &ack);
    net.run_for(50);
    net.command(alice, phoned::ua::command::Command::Unhold(phoned::ua::command::CallRef { call_id: call.clone() }));
    let reinvite = net.expect(carol, "INVITE");
    assert!(String::from_utf8_lossy(reinvite.body()).contains("a=sendrecv"));
    net.reply(carol, &reinvite, 200);
    net.run_for(100);
    assert_eq!(music(&net, alice), None);
    assert!(net.phone_of(alice).streams.values().next().unwrap().is_live());
}

#[test]
fn an_account_has_its_own_or_none() {
    for (own, wanted) in [(Some("/own.wav"), Some("/own.wav")), (Some(""), None), (None, Some("/m.wav"))] {
        let mut net = Net::new(2);
        let alice = net.phone_with("alice", |s, a| {
            s.phone.hold_music = Some("/m.wav".into());
            a.hold_music = own.map(str::to_owned);
        });
        let bob = net.phone("bob");
        let (call, _) = net.connect(alice, bob);
        net.hold(alice, &call).unwrap();
        net.run_for(100);
        assert_eq!(music(&net, alice).as_deref(), wanted, "{own:?}");
        let gates = |who| net.phone_of(who).media.iter().filter(|(_, c)| matches!(c, MediaCommand::Gate(_))).count();
        assert_eq!(gates(bob), 0, "who is held is told nothing of it");
    }
}

#[test]
fn a_refused_hold_plays_nothing() {
    let mut net = Net::new(3);
    let (alice, carol) =
        (net.phone_with("alice", |s, _| s.phone.hold_music = Some("/m.wav".into())), net.peer("carol"));
    let (call, _) = talking_to_peer(&mut net, alice, carol);
    net.command(alice, phoned::ua::command::Command::Hold(phoned::ua::command::CallRef { call_id: call }));
    let reinvite = net.expect(carol, "INVITE");
    net.reply(carol, &reinvite, 488);
    net.run_for(200);
    let played = net.phone_of(alice).media.iter().any(|(_, c)| matches!(c, MediaCommand::HoldMusic(_)));
    assert!(!played && net.phone_of(alice).streams.values().next().unwrap().is_live());
}
