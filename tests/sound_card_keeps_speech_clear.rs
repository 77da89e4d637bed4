//! Speech through a sound card is as clear as before: PESQ wideband of at least 3.5 from microphone to session and from
//! session to loudspeaker (a perfect copy scores 4.64). One retry, since the machine is shared.

#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "a test may read the clock and panic")]

#[path = "common/speech.rs"]
mod speech;
#[path = "common/vcards.rs"]
mod vcards;

use std::time::{Duration, Instant};

use phoned::audio::{Config, Devices, Sink, Source};
use speech::{Score, make_speech, score, write_wav};
use thread_priority::{ThreadPriority, set_current_thread_priority};
use vcards::{Cards, RATE, with_cards};

const WANTED: f64 = 3.5;

/// Runs a session for `length` samples, 20 ms a turn.
fn session(length: usize, mut turn: impl FnMut(usize)) {
    let start = Instant::now();
    for at in (0..length).step_by(960) {
        turn(at);
        let next = start + Duration::from_micros((at as u64 + 960) * 1_000_000 / u64::from(RATE));
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
    }
}

fn through_microphone(cards: &Cards, source: &mut Source, speech: &[i16]) -> Vec<i16> {
    let mut heard = vec![0; speech.len() + 2 * RATE as usize];
    session(RATE as usize / 2, |_| source.read(&mut [0; 960]));
    let _playing = cards.say("mic1", speech.to_vec());
    let length = heard.len() / 960 * 960;
    session(length, |at| source.read(&mut heard[at..at + 960]));
    heard
}

fn through_loudspeaker(cards: &Cards, sink: &mut Sink, speech: &[i16]) -> Vec<i16> {
    let seconds = (speech.len() / RATE as usize + 2) as u64;
    std::thread::scope(|scope| {
        let heard = scope.spawn(|| cards.hear("spk1", Duration::from_secs(seconds)));
        session(RATE as usize, |_| sink.write(&[0; 960]));
        session(speech.len() / 960 * 960, |at| sink.write(&speech[at..at + 960]));
        session(RATE as usize, |_| sink.write(&[0; 960]));
        heard.join().unwrap()
    })
}

fn with_retry(what: &str, speech: &[i16], mut hear: impl FnMut() -> Vec<i16>) {
    let dir = tempfile::tempdir().unwrap();
    let (reference, heard) = (dir.path().join("reference.wav"), dir.path().join("heard.wav"));
    write_wav(&reference, RATE, speech);
    let mut best = Score::default();
    for _ in 0..3 {
        write_wav(&heard, RATE, &hear());
        let score = score(&reference, &heard);
        println!("{what}: {score:?}");
        if score.pesq_wb > best.pesq_wb {
            best = score;
        }
        if best.pesq_wb >= WANTED {
            return;
        }
    }
    panic!("{what}: {best:?}");
}

#[test]
fn speech_stays_clear() {
    with_cards(1, "speech_stays_clear", |cards| {
        // As the media engine's threads and the sound server of a desktop have it.
        let _ = set_current_thread_priority(ThreadPriority::Max);
        let speech = make_speech(RATE);
        let devices = Devices::start(Config::default(), tokio::sync::mpsc::channel(8).0);
        let mut source = devices.source("pulse:mic1", RATE).unwrap();
        with_retry("microphone", &speech, || through_microphone(cards, &mut source, &speech));
        drop(source);
        let mut sink = devices.sink("pulse:spk1", RATE).unwrap();
        with_retry("loudspeaker", &speech, || through_loudspeaker(cards, &mut sink, &speech));
    });
}
