//! A loudspeaker that is heard by the microphone beside it (its monitor runs into the microphone): who is on the other end of the
//! call does not hear themselves, at least 25 dB less than the microphone does.

#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "a test may read the clock and panic")]

mod common;
#[path = "common/speech.rs"]
mod speech;
#[path = "common/vcards.rs"]
mod vcards;

use std::time::Duration;

use common::daemon::{Client, Daemon, Setup, trunk};
use common::tone::Sound;
use common::wait::{secs, until};
use serde_json::json;
use speech::{make_speech, write_wav};
use vcards::{Cards, RATE, beside_cards, sine};

/// Until the call is up, and until the canceller has found the echo, s.
const LEAD: usize = 2;
const LEARNING: usize = 4;
/// What is judged, s.
const JUDGED: usize = 6;
const WANTED: f64 = 25.0;

/// The median energy of windows of 20 ms: a late thread's gap, after which the echo has to be found anew, does not count.
fn loudness(pcm: &[f64]) -> f64 {
    let mut windows: Vec<f64> = pcm.chunks_exact(RATE as usize / 50).map(|w| w.iter().map(|s| s * s).sum()).collect();
    windows.sort_by(f64::total_cmp);
    windows[windows.len() / 2]
}

/// One call: how much less of the echo the far end hears than the microphone, dB.
fn call(cards: &Cards, far: &Daemon, a: &mut Client, f: &mut Client) -> f64 {
    let rate = RATE as usize;
    let file = far.dir().join("heard.wav");
    let _ = std::fs::remove_file(&file); // of the call before
    let mut microphone = cards.record("mic1_in");
    a.dial("agent", &format!("sip:far@127.0.0.1:{}", far.port));
    let at_far = f.wait_event("incoming", |_| true)["callId"].as_str().unwrap().to_owned();
    f.verb("answer", &at_far);
    f.wait_event("confirmed", |_| true);
    let length = LEAD + LEARNING + JUDGED;
    // Played, heard and sent back: the whole of it is at the far end a second later.
    let began = until("the far end gets the microphone's stream", secs(20), || {
        Sound::read(&file).map(|sound| sound.seconds()).filter(|seconds| *seconds > 0.1)
    });
    let heard = until("it has heard all", secs(length as u64 + 10), || {
        Sound::read(&file).filter(|sound| sound.seconds() > began + length as f64 + 1.0)
    });
    // How loud the loudspeaker is is seen while the device is open.
    let levels = a.call("device.get", json!({ "id": "pulse:spk1" })).unwrap();
    assert!(levels["outputLevel"]["rmsDbov"].is_number() && levels["outputVolume"] == 100, "{levels}");
    let given = microphone.take(Duration::from_secs(length as u64 + 1));
    // The agent is another matter.
    let _own = cards.say("mic1", sine(1_000.0, 4.0));
    until("the agent is heard", secs(20), || {
        let sound = Sound::read(&file)?;
        sound.samples.iter().skip(heard.samples.len()).any(|s| s.abs() > 0.01).then_some(())
    });
    f.verb("hangup", &at_far);
    a.wait_event("deleteSession", |_| true);
    let given: Vec<f64> = given.iter().map(|s| f64::from(*s) / 32_768.0).collect();
    assert_eq!(heard.rate, RATE, "the file has the codec's rate");
    // Both have silence for the lead; then what is learned from, then what counts.
    let first = |pcm: &[f64]| pcm.iter().position(|s| s.abs() > 0.003).expect("the echo is in the room");
    let start = first(&given) + LEARNING * rate;
    let end = given.len().min(start + (JUDGED - 1) * rate);
    let echo = loudness(&given[start..end]);
    // What the far end has heard since then; its file ends a second of silence later.
    let samples = heard.samples;
    let back = samples.len().saturating_sub((JUDGED + 1) * rate);
    let left = loudness(&samples[back..back + JUDGED * rate]).max(1e-9);
    let down = 10.0 * (echo / left).log10();
    println!("the microphone hears the loudspeaker; the far end hears {down:.1} dB less of it");
    down
}

#[test]
fn the_far_end_does_not_hear_itself() {
    beside_cards(1, |cards| {
        // 18 dB down, as a desk has it.
        cards.pactl(&["set-sink-volume", "mic1_in", "50%"]);
        let path = ["source=spk1.monitor", "sink=mic1_in", "latency_msec=30", "adjust_time=0", "channels=1"];
        cards.pactl(&[&["load-module", "module-loopback"][..], &path[..]].concat());
        let dir = tempfile::tempdir().unwrap();
        let rate = RATE as usize;
        let speech = make_speech(RATE)[..(LEARNING + JUDGED) * rate].to_vec();
        write_wav(&dir.path().join("says.wav"), RATE, &[vec![0; LEAD * rate], speech].concat());
        let tables = trunk("far", 440)
            .replace("tone:440", "file:{dir}/says.wav")
            .replace("file:{dir}/far.wav", "file:{dir}/heard.wav");
        let codecs = Setup { media: "codecs = [\"opus\"]".into(), tables, ..Setup::default() };
        let far = Daemon::start_in(dir, &codecs);
        let tables =
            trunk("agent", 440).replace("tone:440", "pulse:mic1").replace("file:{dir}/agent.wav", "pulse:spk1");
        // No ringback: all that is heard is the far end.
        let tables = format!("{tables}[tones]\ncountry = \"off\"\n");
        let agent = Daemon::start(&Setup { tables, env: cards.env(), ..Setup::default() });
        let (mut a, mut f) = (agent.connect(), far.connect());
        until("the daemon has seen its card", secs(30), || {
            let list = a.call("device.list", json!({})).unwrap();
            list["devices"].as_array().unwrap().iter().any(|device| device["id"] == "pulse:spk1").then_some(())
        });
        // Once more where the machine has been too busy for the sound server.
        let mut down = call(cards, &far, &mut a, &mut f);
        if down < WANTED {
            down = call(cards, &far, &mut a, &mut f);
        }
        assert!(down >= WANTED, "{down} dB");
    });
}
