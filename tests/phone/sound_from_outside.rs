//! Announcements and audio sockets as the phone sees them: where they are allowed, what is told, and that nothing of them outlives
//! their session.

use phoned::ua::command::{AudioClose, AudioOpen, AudioPlay, CallRef, Command, Progress};
use phoned::ua::error::{Code, Error};
use phoned::ua::media::{MediaCommand, MediaEvent, PlayEvent};
use serde_json::{Value, json};

use crate::net::{Net, Who};
use crate::story_of;

fn play(net: &mut Net, who: Who, call: &str, to: &str, again: bool) -> Result<Value, Error> {
    let wish = json!({ "callId": call, "file": "hello.wav", "to": to, "loop": again });
    let wish: AudioPlay = serde_json::from_value(wish).unwrap();
    net.ask(who, Command::AudioPlay(wish))
}

fn open(net: &mut Net, who: Who, call: &str, ports: &[&str]) -> Result<Value, Error> {
    let wish = json!({ "callId": call, "ports": ports, "mode": "tap" });
    let wish: AudioOpen = serde_json::from_value(wish).unwrap();
    net.ask(who, Command::AudioOpen(wish))
}

fn stop(call: &str) -> Command {
    Command::AudioStop(CallRef { call_id: call.into() })
}

#[test]
fn an_announcement_is_told_and_one_replaces_another() {
    let mut net = Net::new(1);
    let (alice, bob) = (net.phone("alice"), net.phone("bob"));
    let (call, _) = net.connect(alice, bob);
    let before = story_of(&net, alice, &call).len();
    play(&mut net, alice, &call, "remote", false).unwrap();
    play(&mut net, alice, &call, "local", true).unwrap();
    net.run_for(3_000);
    net.ask(alice, stop(&call)).unwrap();
    net.ask(alice, stop(&call)).unwrap();
    let told: Vec<String> = story_of(&net, alice, &call).split_off(before);
    let told: Vec<&str> = told.iter().map(String::as_str).filter(|name| name.starts_with("audio.")).collect();
    assert_eq!(told, ["audio.playing", "audio.played", "audio.playing", "audio.played"]);
    let causes: Vec<Value> = net
        .phone_of(alice)
        .events
        .iter()
        .filter(|e| e.name == "audio.played")
        .map(|e| e.data["cause"].clone())
        .collect();
    assert_eq!(causes, ["replaced", "stopped"], "the end of the first one, which comes late, is nobody's");
    // one that is stopped before it begins never does
    let wish = json!({ "callId": call, "file": "hello.wav", "to": "both" });
    let waits = net.command(alice, Command::AudioPlay(serde_json::from_value(wish).unwrap()));
    net.ask(alice, stop(&call)).unwrap();
    assert_eq!(net.answer_to(alice, waits).unwrap_err().code, Code::WrongState);
    net.run_for(2_000);
    assert_eq!(net.phone_of(alice).events.iter().filter(|e| e.name == "audio.playing").count(), 2);
}

#[test]
fn there_must_be_somebody_to_hear_it() {
    let mut net = Net::new(2);
    let (alice, bob) = (net.phone("alice"), net.phone("bob"));
    net.call(alice, json!({ "number": net.uri(bob) }));
    let call = net.wait(bob, "incoming").call_id.unwrap();
    net.run_for(50);
    assert_eq!(play(&mut net, bob, &call, "remote", false).unwrap_err().code, Code::WrongState);
    assert_eq!(open(&mut net, bob, &call, &["agentEar"]).unwrap_err().code, Code::WrongState);
    net.ask(bob, Command::Progress(Progress { call_id: call.clone(), code: 183 })).unwrap();
    play(&mut net, bob, &call, "remote", true).unwrap();
    net.answer(bob, &call).unwrap();
    net.wait(bob, "confirmed");
    net.hold(bob, &call).unwrap();
    assert_eq!(
        play(&mut net, bob, &call, "both", false).unwrap_err().code,
        Code::WrongState,
        "nothing is sent on hold"
    );
    play(&mut net, bob, &call, "local", false).unwrap();
    for (file, event, code) in [
        ("secret.wav", PlayEvent::Refused("elsewhere".into()), Code::Forbidden),
        ("broken.wav", PlayEvent::Failed("broken".into()), Code::Storage),
    ] {
        let wish = json!({ "callId": call, "file": file, "to": "local" });
        let waits = net.command(bob, Command::AudioPlay(serde_json::from_value(wish).unwrap()));
        let asked = net.phone_of(bob).media.iter().rev().find_map(|(session, command)| match command {
            MediaCommand::Play { id, .. } => Some((*session, *id)),
            _ => None,
        });
        let (session, id) = asked.unwrap();
        net.media_event(bob, session, MediaEvent::Play(id, event));
        assert_eq!(net.answer_to(bob, waits).unwrap_err().code, code);
    }
}

#[test]
fn everything_ends_before_its_session_does() {
    let mut net = Net::new(3);
    let (alice, bob) = (net.phone("alice"), net.phone("bob"));
    let (call, theirs) = net.connect(alice, bob);
    play(&mut net, alice, &call, "both", true).unwrap();
    let sockets: Vec<String> = (0..8)
        .map(|_| open(&mut net, alice, &call, &["agentEar", "customerMouth", "agentEar"]).unwrap())
        .map(|opened| {
            assert_eq!(opened["ports"], json!(["customerMouth", "agentEar"]), "each once, in order");
            opened["audioId"].as_str().unwrap().to_owned()
        })
        .collect();
    assert_eq!(open(&mut net, alice, &call, &["agentEar"]).unwrap_err().code, Code::WrongState, "eight are enough");
    assert_eq!(open(&mut net, alice, &call, &[]).unwrap_err().code, Code::InvalidParams);
    let close = |name: &str| Command::AudioClose(AudioClose { call_id: call.clone(), audio_id: name.into() });
    net.ask(alice, close(&sockets[0])).unwrap();
    assert_eq!(net.ask(alice, close(&sockets[0])).unwrap_err().code, Code::WrongState);
    net.hangup(bob, &theirs).unwrap();
    net.wait(alice, "deleteSession");
    net.run_for(3_000);
    let told = story_of(&net, alice, &call);
    let count = |name: &str| told.iter().filter(|event| *event == name).count();
    assert_eq!((count("audio.opened"), count("audio.closed")), (8, 8));
    assert_eq!((count("audio.playing"), count("audio.played")), (1, 1));
    let ended = told.iter().position(|event| event.starts_with("ended")).unwrap();
    assert!(told[ended..].iter().all(|event| !event.starts_with("audio.")), "{told:?}");
}
