//! Which tone sounds where, and when it ends: a tone never outlives its reason, goes to no other agent's device, and says whose
//! speech it must not cover.

use phoned::ua::io::DeviceInfo;
use phoned::ua::media::Tone::{self, Busy, CallEnded, CallWaiting, Congestion, Ringback, Ringing};
use phoned::ua::settings::{AccountSettings, Settings};
use serde_json::json;

use crate::net::{Net, Who};
use crate::talking_to_peer;

/// A headset, and a loudspeaker that rings.
fn headset(settings: &mut Settings, account: &mut AccountSettings) {
    settings.audio.ringer = "pulse:room".into();
    (account.input, account.output) = (Some("pulse:headset".into()), Some("pulse:headset".into()));
}

fn agent(net: &mut Net) -> Who {
    let who = net.phone_with("agent", headset);
    net.plug_in(who, &["pulse:headset", "pulse:room", "pulse:other"]);
    who
}

fn sounds(net: &Net, who: Who, wanted: &[(Tone, &str)]) {
    let tones: Vec<(Tone, String)> = net.tones(who).into_iter().map(|(tone, device, _)| (tone, device)).collect();
    let wanted: Vec<(Tone, String)> = wanted.iter().map(|(tone, device)| (*tone, (*device).to_owned())).collect();
    assert_eq!(tones, wanted);
}

#[test]
fn it_rings_until_it_is_answered_or_given_up() {
    let mut net = Net::new(1);
    let (agent, bob) = (agent(&mut net), net.phone("bob"));
    let out = net.call(bob, json!({ "number": net.uri(agent) }));
    net.wait(agent, "incoming");
    sounds(&net, agent, &[(Ringing, "pulse:room")]);
    net.hangup(bob, &out).unwrap();
    net.wait(agent, "failed");
    sounds(&net, agent, &[]);
    net.call(bob, json!({ "number": net.uri(agent) }));
    let call = net.wait(agent, "incoming").call_id.unwrap();
    sounds(&net, agent, &[(Ringing, "pulse:room")]);
    net.answer(agent, &call).unwrap();
    sounds(&net, agent, &[]);
    net.run_for(2_000);
    sounds(&net, agent, &[]);
    assert!(net.tones(bob).is_empty(), "nobody listens at null");
}

#[test]
fn ringback_ends_when_the_far_end_is_heard() {
    let mut net = Net::new(2);
    let (agent, carol) = (agent(&mut net), net.peer("carol"));
    net.phone_mut(agent).hears = false;
    net.call(agent, json!({ "number": net.uri(carol) }));
    let invite = net.expect(carol, "INVITE");
    net.run_for(300);
    sounds(&net, agent, &[]);
    net.reply(carol, &invite, 180);
    net.wait(agent, "progress");
    sounds(&net, agent, &[(Ringback, "pulse:headset")]);
    let mut early = net.response(carol, &invite, 183);
    early.set_body("application/sdp", net.sdp(carol, 1, "sendrecv").into_bytes());
    net.send_back(carol, &early);
    net.wait(agent, "progress");
    net.run_for(500);
    sounds(&net, agent, &[(Ringback, "pulse:headset")]); // a 183 alone is not heard
    let session = *net.phone_of(agent).streams.keys().next().unwrap();
    net.media_event(agent, session, phoned::ua::media::MediaEvent::Started { ssrc: 7 });
    sounds(&net, agent, &[]);
    net.reply(carol, &invite, 180);
    net.run_for(200);
    sounds(&net, agent, &[]);
    net.reply(carol, &invite, 200);
    net.wait(agent, "confirmed");
    sounds(&net, agent, &[]);
}

#[test]
fn a_call_that_waits_minds_the_speech_of_the_one_that_talks() {
    let mut net = Net::new(3);
    let (agent, bob, carol) = (agent(&mut net), net.phone("bob"), net.phone("carol"));
    let (first, _) = net.connect(agent, bob);
    net.call(carol, json!({ "number": net.uri(agent) }));
    net.wait(agent, "incoming");
    assert_eq!(net.tones(agent), [(CallWaiting, "pulse:headset".to_owned(), true)]);
    net.hold(agent, &first).unwrap();
    net.run_for(50);
    sounds(&net, agent, &[(Ringing, "pulse:room")]);
    net.unhold(agent, &first).unwrap();
    net.run_for(50);
    sounds(&net, agent, &[(CallWaiting, "pulse:headset")]);
    net.hangup(agent, &first).unwrap();
    net.run_for(50);
    sounds(&net, agent, &[(Ringing, "pulse:room")]);
}

#[test]
fn how_a_call_ends_is_heard_for_a_while() {
    for (status, tone, lasts) in [(486, Busy, 5_000), (503, Congestion, 5_000), (404, Congestion, 5_000)] {
        let mut net = Net::new(4);
        let (agent, carol) = (agent(&mut net), net.peer("carol"));
        net.call(agent, json!({ "number": net.uri(carol) }));
        let invite = net.expect(carol, "INVITE");
        net.reply(carol, &invite, status);
        net.wait(agent, "failed");
        sounds(&net, agent, &[(tone, "pulse:headset")]);
        net.run_for(lasts - 100);
        sounds(&net, agent, &[(tone, "pulse:headset")]);
        net.run_for(200);
        sounds(&net, agent, &[]);
    }
    let mut net = Net::new(5);
    let (agent, bob) = (agent(&mut net), net.phone("bob"));
    for by_us in [true, false] {
        let (ours, theirs) = net.connect(agent, bob);
        match by_us {
            true => net.hangup(agent, &ours).unwrap(),
            false => net.hangup(bob, &theirs).unwrap(),
        };
        net.run_for(100);
        let wanted: &[(Tone, &str)] = if by_us { &[] } else { &[(CallEnded, "pulse:headset")] };
        sounds(&net, agent, wanted);
    }
    net.call(agent, json!({ "number": net.uri(bob) }));
    net.run_for(10);
    let ended = net.tones(agent).iter().any(|(tone, ..)| *tone == CallEnded);
    assert!(!ended, "the next call is heard, not the end of the last");
}

#[test]
fn keys_are_heard_but_for_those_that_are_secret() {
    let mut net = Net::new(6);
    let (agent, carol) = (agent(&mut net), net.peer("carol"));
    let (call, _) = talking_to_peer(&mut net, agent, carol);
    for (digits, redact) in [("42", false), ("99", true), ("#", false)] {
        let dtmf = json!({ "callId": call, "dtmf": digits, "redact": redact });
        net.ask(agent, phoned::ua::command::Command::Dtmf(serde_json::from_value(dtmf).unwrap())).unwrap();
    }
    net.run_for(3_000);
    assert_eq!(net.phone_of(agent).keys, ['4', '2', '#']);
}

#[test]
fn nothing_rings_in_another_agents_ear() {
    // the room's ringer is the default device, and that is the other agent's headset
    let mut net = Net::new(7);
    let agent = net.phone_with("agent", |s, a| {
        s.audio.ringer = "default".into();
        (a.input, a.output) = (Some("pulse:headset".into()), Some("pulse:headset".into()));
        let other = AccountSettings {
            uri: "sip:other@10.0.0.1".into(),
            register: Some(false),
            input: Some("pulse:other".into()),
            output: Some("pulse:other".into()),
            ..AccountSettings::default()
        };
        s.accounts.insert("other".into(), other);
    });
    let bob = net.phone("bob");
    let device = |id: &str, default: bool| DeviceInfo {
        id: id.into(),
        name: id.into(),
        input: true,
        output: true,
        default_input: default,
        default_output: default,
        suspended: false,
        hardware: None,
    };
    for (default, wanted) in [("pulse:other", "pulse:headset"), ("pulse:room", "default"), ("pulse:headset", "default")]
    {
        let list = ["pulse:headset", "pulse:other", "pulse:room"].map(|id| device(id, id == default));
        net.devices(agent, list.to_vec());
        let out = net.call(bob, json!({ "number": net.uri(agent) }));
        net.wait(agent, "incoming");
        sounds(&net, agent, &[(Ringing, wanted)]);
        net.hangup(bob, &out).unwrap();
        net.wait(agent, "failed");
        sounds(&net, agent, &[]);
    }
}
