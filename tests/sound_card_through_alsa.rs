//! ALSA carries the sound where it is chosen. No hardware here: ALSA's own bridge (package libasound2-plugins) leads its
//! `default` to a virtual card.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "common/vcards.rs"]
mod vcards;

use std::time::Duration;

use phoned::audio::{Config, Devices, HostChoice};
use vcards::{RATE, run, sine, steady_level, with_cards};

#[test]
fn heard_both_ways_through_alsa() {
    with_cards(1, "heard_both_ways_through_alsa", |cards| {
        let (facts, mut told) = tokio::sync::mpsc::channel(8);
        let devices = Devices::start(Config { host: HostChoice::Alsa, ..Config::default() }, facts);
        let list = told.blocking_recv().unwrap();
        assert!(list.iter().any(|d| d.id == "alsa:default" && d.default_input && d.default_output), "{list:?}");

        let _playing = cards.say("mic1", sine(1_000.0, 14.0));
        let mut sinks = [(devices.sink("alsa:default", RATE).unwrap(), 700.0)];
        let mut sources = [(devices.source("default", RATE).unwrap(), Vec::new())];
        let played = std::thread::scope(|scope| {
            let recording = scope.spawn(|| cards.hear("spk1", Duration::from_secs(8)));
            run(8.2, &mut sinks, &mut sources);
            recording.join().unwrap()
        });
        let heard = steady_level(&sources[0].1[5 * RATE as usize..], 1_000.0);
        assert!((heard + 12.0).abs() < 1.0, "microphone: {heard} dBFS");
        let played = steady_level(&played[5 * RATE as usize..], 700.0);
        assert!((played + 12.0).abs() < 1.0, "loudspeaker: {played} dBFS");
    });
}
