//! `media = "rtp" | "webrtc" | "auto"`: what is offered, what is taken, and how a call ends whose path or keys fail.

use phoned::sdp::{MediaKind, Protection};
use phoned::ua::command::{Command, GetSession};
use phoned::ua::io::Input;
use phoned::ua::media::{MediaCommand, MediaEvent, PathFacts};
use serde_json::{Value, json};

use crate::net::{Net, Who};

use MediaKind::{Auto, Rtp, Webrtc};

fn phone(net: &mut Net, name: &str, media: MediaKind) -> Who {
    net.phone_with(name, |_, account| account.media = media)
}

fn rtc(net: &mut Net, who: Who, call: &str) -> Value {
    net.ask(who, Command::GetSession(GetSession { call_id: Some(call.into()) })).unwrap()["RTCSession"].clone()
}

fn media(net: &mut Net, who: Who, event: MediaEvent) {
    let session = net.phone_of(who).media.last().unwrap().0;
    net.feed(who, Input::Media(session, event));
    net.run_for(50);
}

/// Whether the phone's media engine is to search for a path, and what protects the packets.
fn asked(net: &Net, who: Who) -> (bool, Option<(bool, bool)>) {
    let mut answer = (false, None);
    for (_, command) in &net.phone_of(who).media {
        match command {
            MediaCommand::Open { ice, .. } => answer.0 = *ice,
            MediaCommand::Remote(negotiated) => {
                let dtls = matches!(negotiated.protection, Protection::Dtls(_));
                answer.1 = Some((dtls, negotiated.ice.is_some()));
            }
            _ => {}
        }
    }
    answer
}

#[test]
fn what_two_phones_agree_on() {
    for (caller, called, webrtc) in [
        (Rtp, Rtp, Some(false)),
        (Rtp, Auto, Some(false)),
        (Rtp, Webrtc, None),
        (Auto, Auto, Some(false)),
        (Auto, Webrtc, None),
        (Webrtc, Rtp, None),
        (Webrtc, Auto, Some(true)),
        (Webrtc, Webrtc, Some(true)),
    ] {
        let mut net = Net::new(1);
        let (alice, bob) = (phone(&mut net, "alice", caller), phone(&mut net, "bob", called));
        let Some(webrtc) = webrtc else {
            net.call(alice, json!({ "number": net.uri(bob) }));
            let failed = net.wait(alice, "failed");
            assert_eq!((&failed.data["code"], &failed.data["cause"]), (&json!(488), &json!("Incompatible SDP")));
            assert!(net.wait(bob, "callRejected").data["detail"].as_str().unwrap().contains("WebRTC"));
            continue;
        };
        let (out, incoming) = net.connect(alice, bob);
        for who in [alice, bob] {
            assert_eq!(asked(&net, who), (webrtc, Some((webrtc, webrtc))), "{caller:?} {called:?}");
        }
        net.hold(alice, &out).unwrap();
        net.unhold(alice, &out).unwrap();
        net.hold(bob, &incoming).unwrap();
        assert_eq!(asked(&net, alice).1, Some((webrtc, webrtc)), "{caller:?} {called:?}: a hold keeps it");
        net.hangup(alice, &out).unwrap();
        net.run_to_rest();
    }
}

#[test]
fn the_path_is_told_in_session_and_report() {
    let mut net = Net::new(2);
    let (alice, bob) = (phone(&mut net, "alice", Webrtc), phone(&mut net, "bob", Webrtc));
    let (out, _) = net.connect(alice, bob);
    assert_eq!(rtc(&mut net, alice, &out)["ice"], Value::Null);
    let facts = PathFacts {
        ice: Some(("host".into(), "relay".into())),
        result: "turn".into(),
        dtls: "connected".into(),
        srtp: Some("AEAD_AES_128_GCM".into()),
    };
    media(&mut net, alice, MediaEvent::Path(facts));
    let told = rtc(&mut net, alice, &out);
    assert_eq!(told["ice"], json!({"local": "host", "remote": "relay"}));
    assert_eq!((&told["dtls"], &told["srtp"]), (&json!("connected"), &json!("AEAD_AES_128_GCM")));
    let session = net.ask(alice, Command::GetSession(GetSession { call_id: Some(out) })).unwrap();
    assert_eq!(session["callReport"]["iceResult"], "turn");
    let story = format!("{:?}", net.phone_of(alice).events);
    assert!(!story.contains("ice-pwd") && !story.contains("fingerprint"), "nothing of it is an event");
}

#[test]
fn a_call_without_path_or_keys_ends_in_words() {
    let mut net = Net::new(3);
    let (alice, bob) = (phone(&mut net, "alice", Webrtc), phone(&mut net, "bob", Webrtc));
    net.connect(alice, bob);
    let reason = "the peer's certificate is not the one that its description names";
    media(&mut net, alice, MediaEvent::Broken(reason.into()));
    let ended = net.wait(alice, "ended");
    assert_eq!((&ended.data["cause"], &ended.data["by"]), (&json!("WebRTC Error"), &json!("system")));
    assert_eq!(ended.data["reason"], reason);
    assert_eq!(net.wait(bob, "ended").data["by"], "remote");
    net.run_to_rest();
}

#[test]
fn a_path_that_fails_before_the_answer_ends_the_call_too() {
    let mut net = Net::new(4);
    let (alice, bob) = (phone(&mut net, "alice", Webrtc), phone(&mut net, "bob", Webrtc));
    let out = net.call(alice, json!({ "number": net.uri(bob) }));
    let incoming = net.wait(bob, "incoming").call_id.unwrap();
    media(&mut net, alice, MediaEvent::Broken("no path to the peer was found".into()));
    let failed = net.wait(alice, "failed");
    assert_eq!((&failed.data["cause"], failed.call_id), (&json!("WebRTC Error"), Some(out)));
    assert_eq!(net.wait(bob, "failed").call_id, Some(incoming));
    net.run_to_rest();
}
