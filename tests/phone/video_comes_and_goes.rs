//! Video beside WebRTC audio: asked for by the caller, by the answer, in the middle of a call; refused, dropped, and held.

use phoned::sdp::{Direction, MediaKind};
use phoned::sip::message::Message;
use phoned::ua::command::{Answer, Call, CallOption, CallRef, Command};
use phoned::ua::error::Code;
use phoned::ua::media::{MediaCommand, VideoPlan};
use serde_json::Value;

use crate::net::{Fate, Net, Who};

fn phone(net: &mut Net, name: &str, source: bool, sink: bool) -> Who {
    net.phone_with(name, |settings, account| {
        account.media = MediaKind::Webrtc;
        settings.video.source = source.then(|| "file:/tmp/a.ivf".into());
        settings.video.sink = sink.then(|| "rtp:127.0.0.1:5004".into());
    })
}

fn option(video: bool) -> Option<CallOption> {
    Some(CallOption { video: Some(video), ..CallOption::default() })
}

/// A call, its options and those of the answer: the callIds.
fn connect(net: &mut Net, from: Who, to: Who, ask: Option<CallOption>, give: Option<CallOption>) -> (String, String) {
    net.ask(from, Command::Call(Call { number: net.uri(to), option: ask, ..Call::default() })).unwrap();
    let incoming = net.wait(to, "incoming").call_id.unwrap();
    net.ask(to, Command::Answer(Answer { call_id: incoming.clone(), option: give })).unwrap();
    let out = net.wait(from, "confirmed").call_id.unwrap();
    net.wait(to, "confirmed");
    net.run_for(200);
    (out, incoming)
}

fn session(net: &mut Net, who: Who, call: &str) -> Value {
    let which = serde_json::from_value(serde_json::json!({ "callId": call })).unwrap();
    net.ask(who, Command::GetSession(which)).unwrap()
}

/// isVideo, the directions of our video and of the peer's.
fn video(net: &mut Net, who: Who, call: &str) -> (bool, Option<String>, Option<String>) {
    let session = session(net, who, call);
    let track = |stream: &Value| {
        let track = stream["tracks"].as_array()?.iter().find(|track| track["kind"] == "video")?;
        track["direction"].as_str().map(str::to_owned)
    };
    let is_video = session["status"]["isVideo"].as_bool().unwrap();
    (is_video, track(&session["localStream"]), track(&session["remoteStream"]))
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn change(net: &mut Net, who: Who, command: fn(CallRef) -> Command, call: &str) -> Result<Value, Code> {
    net.ask(who, command(CallRef { call_id: call.into() })).map_err(|error| error.code)
}

#[test]
fn both_want_it() {
    let mut net = Net::new(1);
    let (alice, bob) = (phone(&mut net, "alice", true, true), phone(&mut net, "bob", true, true));
    let (out, incoming) = connect(&mut net, alice, bob, option(true), option(true));
    for (who, call) in [(alice, &out), (bob, &incoming)] {
        assert_eq!(video(&mut net, who, call), (true, some("sendrecv"), some("sendrecv")), "{}", net.story());
        let added = net.last(who, "streamAdded");
        let kinds: Vec<&Value> = added["stream"]["tracks"].as_array().unwrap().iter().map(|t| &t["kind"]).collect();
        assert_eq!(kinds, ["audio", "video"]);
        let plan = net.phone_of(who).media.iter().find_map(|(_, command)| match command {
            MediaCommand::Video(plan) => Some(plan.clone()),
            _ => None,
        });
        let (source, sink) = (Some("file:/tmp/a.ivf".into()), Some("rtp:127.0.0.1:5004".into()));
        assert_eq!(plan, Some(VideoPlan { source, sink, name: call.clone() }));
    }
    // A hold keeps it, and it is video all the while.
    net.hold(alice, &out).unwrap();
    net.run_for(200);
    let held = video(&mut net, alice, &out);
    assert!(held.0 && held.1 == some("sendonly"), "{held:?}");
    assert!(video(&mut net, bob, &incoming).0);
    net.unhold(alice, &out).unwrap();
    assert_eq!(video(&mut net, alice, &out).1, some("sendrecv"));
    // Dropped by the other side.
    assert_eq!(change(&mut net, bob, Command::VideoToAudio, &incoming), Ok(true.into()));
    net.run_for(200);
    for (who, call) in [(alice, &out), (bob, &incoming)] {
        assert_eq!(video(&mut net, who, call), (false, None, None));
        let told = net.last(who, "statusChange");
        assert_eq!((&told["changed"][0], &told["newStatus"]["isVideo"]), (&"isVideo".into(), &false.into()));
    }
    assert_eq!(net.last(alice, "reinvite")["reason"], "media");
    assert_eq!(change(&mut net, bob, Command::VideoToAudio, &incoming), Ok(true.into()), "it is audio");
}

#[test]
fn nobody_is_seen_who_did_not_ask() {
    let mut net = Net::new(2);
    let (alice, bob) = (phone(&mut net, "alice", true, true), phone(&mut net, "bob", true, true));
    let (out, incoming) = connect(&mut net, alice, bob, option(true), None);
    assert_eq!(video(&mut net, bob, &incoming), (true, None, some("recvonly")), "what is there to be seen is taken");
    assert_eq!(video(&mut net, alice, &out).1, some("sendonly"));
    let (carol, dave) = (phone(&mut net, "carol", true, true), phone(&mut net, "dave", true, true));
    let (out, incoming) = connect(&mut net, carol, dave, option(true), option(false));
    assert_eq!(
        (video(&mut net, carol, &out), video(&mut net, dave, &incoming)),
        ((false, None, None), (false, None, None))
    );
    let (erin, frank) = (phone(&mut net, "erin", true, true), phone(&mut net, "frank", true, true));
    let (out, incoming) = connect(&mut net, erin, frank, None, option(true));
    assert_eq!(
        (video(&mut net, erin, &out), video(&mut net, frank, &incoming)),
        ((false, None, None), (false, None, None))
    );
}

#[test]
fn audio_becomes_video_and_a_refusal_keeps_the_call() {
    let mut net = Net::new(3);
    let (alice, bob) = (phone(&mut net, "alice", true, false), phone(&mut net, "bob", false, true));
    let (out, incoming) = connect(&mut net, alice, bob, None, None);
    assert!(!video(&mut net, alice, &out).0);
    assert_eq!(change(&mut net, bob, Command::AudioToVideo, &incoming), Err(Code::NoVideoInput));
    // Refused once: the call is as it was, and the next re-INVITE offers what it was.
    let mut once = true;
    net.tap(move |packet| {
        let text = String::from_utf8_lossy(&packet.bytes);
        match packet.is("INVITE") && text.contains("m=video ") && std::mem::take(&mut once) {
            true => Fate::Alter(text.replace("m=audio ", "m=audix ").into_bytes()),
            false => Fate::Pass,
        }
    });
    assert_eq!(change(&mut net, alice, Command::AudioToVideo, &out), Err(Code::PeerRefused));
    assert!(!video(&mut net, alice, &out).0);
    let body = |msg: &Message| String::from_utf8_lossy(msg.body()).into_owned();
    net.run_for(5_000);
    assert_eq!(change(&mut net, alice, Command::AudioToVideo, &out), Ok(true.into()), "{}", net.story());
    net.run_for(200);
    assert_eq!(video(&mut net, alice, &out), (true, some("sendonly"), None));
    assert_eq!(video(&mut net, bob, &incoming), (true, None, some("recvonly")));
    assert_eq!(change(&mut net, alice, Command::AudioToVideo, &out), Ok(true.into()), "it is video");
    assert_eq!(change(&mut net, alice, Command::VideoToAudio, &out), Ok(true.into()));
    assert!(body(net.sent(alice, "INVITE").last().unwrap()).contains("m=video 0 "));
    assert!(!video(&mut net, bob, &incoming).0);
    assert_eq!(change(&mut net, alice, Command::AudioToVideo, &out), Ok(true.into()), "and back");
    net.run_for(200);
    assert!(video(&mut net, bob, &incoming).0);
    net.hangup(alice, &out).unwrap();
    net.run_to_rest();
}

#[test]
fn who_takes_none_says_so() {
    let mut net = Net::new(4);
    let (alice, bob) = (phone(&mut net, "alice", true, true), phone(&mut net, "bob", false, false));
    let (out, incoming) = connect(&mut net, alice, bob, option(true), option(true));
    assert!(!video(&mut net, alice, &out).0 && !video(&mut net, bob, &incoming).0, "without an error");
    assert_eq!(change(&mut net, alice, Command::AudioToVideo, &out), Err(Code::PeerRefused), "answered with port 0");
    assert!(!video(&mut net, alice, &out).0);
    net.hold(alice, &out).unwrap();
    net.unhold(alice, &out).unwrap();
    let last = net.sent(alice, "INVITE").last().unwrap().clone();
    assert!(
        !String::from_utf8_lossy(last.body())
            .lines()
            .any(|l| l.starts_with("m=video ") && !l.starts_with("m=video 0 "))
    );
    let gate = net.phone_of(alice).streams.values().next().unwrap().gate;
    assert_eq!(gate, Some(Direction::SendRecv));
}

#[test]
fn plain_audio_stays_plain() {
    let mut net = Net::new(5);
    let settings = |settings: &mut phoned::ua::settings::Settings, _: &mut phoned::ua::settings::AccountSettings| {
        settings.video.source = Some("file:/tmp/a.ivf".into());
    };
    let (alice, bob) = (net.phone_with("alice", settings), net.phone_with("bob", settings));
    let (out, _) = connect(&mut net, alice, bob, option(true), option(true));
    assert!(!String::from_utf8_lossy(net.sent(alice, "INVITE")[0].body()).contains("m=video"));
    assert_eq!(change(&mut net, alice, Command::AudioToVideo, &out), Err(Code::NoVideoInput));
}
