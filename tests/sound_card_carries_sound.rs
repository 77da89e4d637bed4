//! A real sound device: it is listed under a stable id, what is said into its microphone is read, and what is written
//! is heard from its loudspeaker; two sessions on one loudspeaker are both heard.

#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "a test may read the clock and panic")]

#[path = "common/vcards.rs"]
mod vcards;

use std::time::Duration;

use phoned::audio::{Config, Devices};
use vcards::{RATE, run, sine, steady_level, with_cards};

#[test]
fn listed_under_stable_ids() {
    with_cards(2, "listed_under_stable_ids", |cards| {
        let (facts, mut told) = tokio::sync::mpsc::channel(8);
        let devices = Devices::start(Config::default(), facts);
        let list = told.blocking_recv().unwrap();
        let ids: Vec<&str> = list.iter().map(|d| d.id.as_str()).collect();
        for id in ["null", "pulse:mic1", "pulse:mic2", "pulse:spk1", "pulse:spk2"] {
            assert!(ids.contains(&id), "{id} in {ids:?}");
        }
        assert!(!ids.iter().any(|id| id.contains("monitor")), "{ids:?}");
        let of = |id: &str| list.iter().find(|d| d.id == id).unwrap();
        assert!(of("pulse:mic1").default_input && of("pulse:mic1").input && !of("pulse:mic1").output);
        assert!(of("pulse:spk1").default_output && of("pulse:spk1").output && !of("pulse:spk2").default_output);
        assert_eq!(of("pulse:spk2").name, "Speaker-2");
        assert_eq!(devices.list(), list);

        cards.unplug("spk2");
        let mut gone = || {
            let list = told.blocking_recv().unwrap();
            !list.iter().any(|d| d.id == "pulse:spk2") && list.iter().any(|d| d.id == "pulse:spk1")
        };
        assert!((0..3).any(|_| gone()));
        cards.plug("spk2");
        let back = || told.blocking_recv().unwrap().iter().any(|d| d.id == "pulse:spk2");
        assert!(std::iter::repeat_with(back).take(3).any(|back| back));
    });
}

#[test]
fn heard_both_ways() {
    with_cards(2, "heard_both_ways", |cards| {
        let devices = Devices::start(Config::default(), tokio::sync::mpsc::channel(8).0);
        let _playing = cards.say("mic2", sine(1_000.0, 10.0));
        let recording = std::thread::scope(|scope| {
            let recording = scope.spawn(|| cards.hear("spk2", Duration::from_secs(4)));
            let mut sinks = [
                (devices.sink("pulse:spk2", RATE).unwrap(), 700.0),
                (devices.sink("pulse:spk2", RATE).unwrap(), 1_700.0),
            ];
            let mut sources = [
                (devices.source("pulse:mic2", RATE).unwrap(), Vec::new()),
                (devices.source("default", RATE).unwrap(), Vec::new()),
            ];
            run(4.5, &mut sinks, &mut sources);
            let tone = |i: usize| steady_level(&sources[i].1[2 * RATE as usize..4 * RATE as usize], 1_000.0);
            assert!((tone(0) + 12.0).abs() < 1.0, "microphone 2: {} dBFS", tone(0));
            assert!(tone(1) < -80.0, "nobody speaks into microphone 1: {} dBFS", tone(1));
            recording.join().unwrap()
        });
        let heard = &recording[2 * RATE as usize..4 * RATE as usize];
        for hz in [700.0, 1_700.0] {
            let tone = steady_level(heard, hz);
            assert!((tone + 12.0).abs() < 1.0, "{tone} dBFS at {hz} Hz");
        }
        assert!(steady_level(heard, 1_000.0) < -40.0);
    });
}
