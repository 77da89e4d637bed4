//! A pause is silence of the right length in a recording and nothing else: the speech before and after it is as clear as in a
//! recording of the same call without one (PESQ), on both sides.
#![allow(clippy::unwrap_used)]

#[path = "common/speech.rs"]
mod speech;

mod common;

use std::path::Path;

use common::daemon::{Daemon, Setup, trunk};
use common::wait::{now, secs};
use serde_json::{Value, json};
use speech::{Score, make_speech, score, write_wav};

const RATE: u32 = 8_000;
/// Silence before the speech, s: the call is up and recorded when it begins.
const BEFORE: u32 = 3;
/// From the beginning of the recording to the pause, and the pause itself, s.
const TALK: u64 = 9;
const PAUSE: u64 = 4;
/// As much may be less clear: a busy machine loses a tick now and then.
const WORSE: f64 = 0.1;

/// A daemon that plays the speech into each call.
fn speaker(user: &str, speech: &[i16], more: &str) -> Daemon {
    let dir = tempfile::tempdir().unwrap();
    write_wav(&dir.path().join("speech.wav"), RATE, speech);
    let tables = trunk(user, 0).replace("tone:0", "file:{dir}/speech.wav").trim_end().to_owned() + more;
    Daemon::start_in(dir, &Setup { tables, media: "codecs = [\"pcmu\"]".into(), ..Setup::default() })
}

/// A recording of the whole speech.
struct Recorded {
    /// What was sent, what was heard.
    sides: [Vec<i16>; 2],
    /// Where it was paused, and resumed, ms.
    pause: Option<(u64, u64)>,
    /// How long the pause was meant to be, s.
    wanted: f64,
}

/// The call: alice records it, with a pause or without.
fn recorded(speech: &[i16], paused: bool) -> Recorded {
    let bob = speaker("bob", speech, "\nauto_answer = 0\n");
    let alice = speaker("alice", speech, "\n\n[record]\ndir = \"{dir}/recordings\"\nmin_free_mb = 0\n");
    let mut client = alice.connect();
    let call = client.dial("alice", &format!("sip:bob@127.0.0.1:{}", bob.port));
    client.wait_event("confirmed", |_| true);
    client.verb("startRecord", &call);
    let began = now();
    let rest = |s: u64| std::thread::sleep(secs(s).saturating_sub(began.elapsed()));
    rest(TALK);
    let mut wanted = 0.0;
    if paused {
        client.verb("pauseRecord", &call);
        let since = now();
        rest(TALK + PAUSE);
        wanted = since.elapsed().as_secs_f64();
        client.verb("startRecord", &call);
    }
    rest(u64::from(BEFORE) + speech.len() as u64 / u64::from(RATE));
    let file = client.verb("stopRecord", &call);
    let path = file["path"].as_str().unwrap();
    let mut wav = hound::WavReader::open(path).unwrap();
    assert_eq!(wav.spec().sample_rate, RATE);
    let all: Vec<i16> = wav.samples().map(Result::unwrap).collect();
    let side: Value = serde_json::from_slice(&std::fs::read(format!("{path}.json")).unwrap()).unwrap();
    let mark = |kind: &str| {
        let found = side["markers"].as_array().unwrap().iter().find(|m| m["kind"] == kind).cloned();
        found.map(|m| m["atMs"].as_u64().unwrap())
    };
    let pause = mark("pause").map(|from| (from, mark("resume").unwrap()));
    assert!(alice.stop() && bob.stop());
    Recorded { sides: [0, 1].map(|side| all.iter().skip(side).step_by(2).copied().collect()), pause, wanted }
}

fn at(ms: u64) -> usize {
    (ms * u64::from(RATE) / 1_000) as usize
}

/// How clear a piece of a recording is.
fn judged(dir: &Path, piece: &[i16]) -> Score {
    let heard = dir.join("heard.wav");
    write_wav(&heard, RATE, piece);
    score(&dir.join("reference.wav"), &heard)
}

/// With the pause and without: how clear each piece is, and how clear the same words are without.
fn compared(speech: &[i16]) -> Vec<(String, f64, f64)> {
    let dir = tempfile::tempdir().unwrap();
    write_wav(&dir.path().join("reference.wav"), RATE, speech);
    let (paused, whole) = std::thread::scope(|scope| {
        let paused = scope.spawn(|| recorded(speech, true));
        let whole = recorded(speech, false);
        (paused.join().unwrap(), whole)
    });
    assert_eq!(whole.pause, None);
    let (from, to) = paused.pause.expect("two marks");
    let length = (to - from) as f64 / 1e3;
    assert!((length - paused.wanted).abs() < 1.0, "a pause of {length} s, {} s were wanted", paused.wanted);
    let mut found = Vec::new();
    for (name, paused, whole) in
        [("sent", &paused.sides[0], &whole.sides[0]), ("heard", &paused.sides[1], &whole.sides[1])]
    {
        assert!(paused[at(from)..at(to)].iter().all(|s| *s == 0), "{name}: silence from {from} to {to} ms");
        let shift = judged(dir.path(), whole).lag_ms;
        for (part, piece) in [("before", &paused[..at(from)]), ("after", &paused[at(to)..])] {
            let cut = judged(dir.path(), piece);
            // The same words in the recording without a pause.
            let start = ((shift - cut.lag_ms) * f64::from(RATE) / 1e3).round().max(0.0) as usize;
            let same = judged(dir.path(), &whole[start..whole.len().min(start + piece.len())]);
            found.push((format!("{name}, {part} the pause"), cut.pesq_nb, same.pesq_nb));
        }
    }
    found
}

#[test]
fn a_pause_is_silence_and_harms_no_word() {
    let silence = vec![0; (BEFORE * RATE) as usize];
    let speech: Vec<i16> = silence.into_iter().chain(make_speech(RATE)).collect();
    let mut last = Vec::new();
    for _ in 0..3 {
        last = compared(&speech);
        last.iter().for_each(|(what, cut, same)| println!("{what}: PESQ {cut:.2}, without a pause {same:.2}"));
        if last.iter().all(|(_, cut, same)| *cut >= same - WORSE && *same > 3.5) {
            return;
        }
    }
    panic!("not as clear as without a pause: {}", json!(last));
}
