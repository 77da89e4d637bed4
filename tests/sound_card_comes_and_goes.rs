//! Sound cards and sound servers go and come back at any time: the calls go on with silence, never move to another
//! card, and have their sound back within 3 s. A sound server that hangs, dies or was never there hangs nothing.

#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "a test may read the clock and panic")]

#[path = "common/vcards.rs"]
mod vcards;

use std::time::{Duration, Instant};

use phoned::audio::{Config, Devices, Sink, Source};
use vcards::{Cards, RATE, loud, run, sine, steady_level, with_cards};

const HZ: f64 = 1_000.0;

struct Call {
    sinks: [(Sink, f64); 1],
    sources: [(Source, Vec<i16>); 1],
}

impl Call {
    fn new(devices: &Devices, input: &str, output: &str) -> Call {
        let sinks = [(devices.sink(output, RATE).unwrap(), HZ)];
        Call { sinks, sources: [(devices.source(input, RATE).unwrap(), Vec::new())] }
    }

    /// What is heard in so long, the last `part` of it; nothing may block meanwhile.
    fn talk(&mut self, seconds: f64, part: f64) -> Vec<i16> {
        let start = Instant::now();
        run(seconds, &mut self.sinks, &mut self.sources);
        assert!(start.elapsed().as_secs_f64() < seconds + 1.5, "a session was held up for {:?}", start.elapsed());
        let heard = std::mem::take(&mut self.sources[0].1);
        heard[heard.len() - (part * f64::from(RATE)) as usize..].to_vec()
    }
}

/// Talks until both ways carry the tone; how long that took.
fn until_sound_is_back(call: &mut Call, cards: &Cards, speaker: &str) -> Duration {
    let start = Instant::now();
    let (mut spoken, mut played) = (false, false);
    while !(spoken && played) {
        assert!(start.elapsed() < Duration::from_secs(30), "microphone {spoken}, loudspeaker {played}");
        let _saying = cards.say("mic1", sine(HZ, 2.0));
        let heard = std::thread::scope(|scope| {
            let recording = scope.spawn(|| cards.hear(speaker, Duration::from_millis(400)));
            spoken |= steady_level(&call.talk(0.6, 0.3), HZ) > -15.0;
            recording.join().unwrap()
        });
        played |= steady_level(&heard[heard.len() / 2..], HZ) > -15.0;
    }
    start.elapsed()
}

#[test]
fn unplugged_card_is_not_replaced_by_another() {
    with_cards(2, "unplugged_card_is_not_replaced_by_another", |cards| {
        let devices = Devices::start(Config::default(), tokio::sync::mpsc::channel(8).0);
        // Where the server moves streams to.
        cards.pactl(&["set-default-sink", "spk2"]);
        cards.pactl(&["set-default-source", "mic2"]);
        let mut call = Call::new(&devices, "pulse:mic1", "pulse:spk1");
        until_sound_is_back(&mut call, cards, "spk1");

        let _other = cards.say("mic2", sine(400.0, 20.0));
        let mut elsewhere = cards.record("spk2");
        assert_eq!(loud(&elsewhere.take(Duration::from_millis(200))), Duration::ZERO);
        let heard = std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(Duration::from_millis(500));
                cards.unplug("spk1");
                cards.unplug("mic1");
            });
            call.talk(3.0, 2.9)
        });
        let leaked = loud(&elsewhere.take(Duration::from_millis(2_900)));
        println!("the other loudspeaker: {leaked:?}, from the other microphone: {:?}", loud(&heard));
        assert!(leaked < Duration::from_millis(60), "{leaked:?} of the call were played by another card");
        assert_eq!(loud(&heard), Duration::ZERO, "another microphone is heard");

        cards.plug("spk1");
        cards.plug("mic1");
        let away = until_sound_is_back(&mut call, cards, "spk1");
        println!("back after {away:?}");
        assert!(away < Duration::from_secs(6), "{away:?}");
        assert!(loud(&elsewhere.take(Duration::from_secs(1))) < Duration::from_millis(60));
    });
}

#[test]
fn another_default_card_moves_no_call() {
    with_cards(2, "another_default_card_moves_no_call", |cards| {
        let devices = Devices::start(Config::default(), tokio::sync::mpsc::channel(8).0);
        let mut call = Call::new(&devices, "default", "default");
        until_sound_is_back(&mut call, cards, "spk1");
        let _other = cards.say("mic2", sine(400.0, 20.0));
        let mut elsewhere = cards.record("spk2");
        assert_eq!(loud(&elsewhere.take(Duration::from_millis(200))), Duration::ZERO);
        let heard = std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(Duration::from_millis(500));
                cards.pactl(&["set-default-sink", "spk2"]);
                cards.pactl(&["set-default-source", "mic2"]);
            });
            call.talk(3.0, 2.9)
        });
        let leaked = loud(&elsewhere.take(Duration::from_millis(2_900)));
        println!("the other loudspeaker: {leaked:?}, from the other microphone: {:?}", loud(&heard));
        assert!(leaked < Duration::from_millis(60), "{leaked:?} of the call were played by another card");
        assert_eq!(loud(&heard), Duration::ZERO, "another microphone is heard");
        until_sound_is_back(&mut call, cards, "spk1");
    });
}

#[test]
fn last_card_unplugged() {
    with_cards(1, "last_card_unplugged", |cards| {
        let devices = Devices::start(Config::default(), tokio::sync::mpsc::channel(8).0);
        let mut call = Call::new(&devices, "pulse:mic1", "pulse:spk1");
        until_sound_is_back(&mut call, cards, "spk1");
        let open = threads();
        for _ in 0..3 {
            cards.unplug("mic1");
            cards.unplug("spk1");
            assert_eq!(loud(&call.talk(1.0, 0.5)), Duration::ZERO);
            cards.plug("spk1");
            cards.plug("mic1");
            let away = until_sound_is_back(&mut call, cards, "spk1");
            println!("back after {away:?}");
            assert!(away < Duration::from_secs(8), "{away:?}");
        }
        call.talk(3.0, 0.1);
        // On a busy machine they take a while to end.
        let _ = (0..20).any(|_| threads() <= open || call.talk(0.5, 0.1).is_empty());
        assert!(threads() <= open, "{} threads, {open} before: streams were left behind", threads());
    });
}

#[test]
fn sound_server_killed_and_back() {
    with_cards(1, "sound_server_killed_and_back", |cards| {
        let (facts, mut told) = tokio::sync::mpsc::channel(8);
        let devices = Devices::start(Config::default(), facts);
        assert!(told.blocking_recv().unwrap().len() > 1);
        let mut call = Call::new(&devices, "default", "default");
        until_sound_is_back(&mut call, cards, "spk1");
        cards.stop();
        assert_eq!(loud(&call.talk(1.5, 1.0)), Duration::ZERO);
        assert_eq!(told.blocking_recv().unwrap().len(), 1, "null alone is left");
        // A call that begins now waits for the card too.
        let mut second = Call::new(&devices, "default", "default");
        second.talk(0.5, 0.1);
        cards.start(1);
        let away = until_sound_is_back(&mut call, cards, "spk1");
        println!("back after {away:?}");
        assert!(away < Duration::from_secs(8), "{away:?}");
        until_sound_is_back(&mut second, cards, "spk1");
    });
}

#[test]
fn sound_server_hangs() {
    with_cards(1, "sound_server_hangs", |cards| {
        let (facts, mut told) = tokio::sync::mpsc::channel(8);
        let devices = Devices::start(Config::default(), facts);
        let mut call = Call::new(&devices, "pulse:mic1", "pulse:spk1");
        until_sound_is_back(&mut call, cards, "spk1");
        let threads = threads();
        cards.signal("STOP");
        assert_eq!(loud(&call.talk(6.0, 4.0)), Duration::ZERO);
        while told.blocking_recv().unwrap().len() != 1 {}
        assert_eq!(devices.list().len(), 1, "a server that hangs has no devices");
        assert!(Call::new(&devices, "default", "pulse:spk1").talk(1.0, 0.5).iter().all(|s| *s == 0));
        let more = self::threads().saturating_sub(threads);
        assert!(more <= 8, "{more} more threads wait for the server");
        cards.signal("CONT");
        let away = until_sound_is_back(&mut call, cards, "spk1");
        println!("back after {away:?}");
        assert!(away < Duration::from_secs(12), "{away:?}");
    });
}

fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").unwrap().count()
}

#[test]
fn no_sound_server_at_all() {
    with_cards(1, "no_sound_server_at_all", |cards| {
        cards.stop();
        let start = Instant::now();
        let (facts, mut told) = tokio::sync::mpsc::channel(8);
        let devices = Devices::start(Config::default(), facts);
        let took = start.elapsed();
        assert!(took < Duration::from_secs(1), "{took:?}");
        let list = told.blocking_recv().unwrap();
        assert_eq!(list.iter().map(|d| d.id.as_str()).collect::<Vec<_>>(), ["null"]);
        assert!(list[0].default_input && list[0].default_output);
        assert!(devices.source("default", 8_000).unwrap().is_null(), "without a card, default is null");
        assert!(devices.sink("default", 8_000).unwrap().is_null());
        let mut call = Call::new(&devices, "pulse:mic1", "pulse:spk1");
        assert_eq!(loud(&call.talk(0.5, 0.5)), Duration::ZERO);
        cards.start(1);
        until_sound_is_back(&mut call, cards, "spk1");
    });
}

#[test]
fn calls_leave_nothing_behind() {
    with_cards(1, "calls_leave_nothing_behind", |cards| {
        let devices = Devices::start(Config::default(), tokio::sync::mpsc::channel(8).0);
        let clients = || cards.pactl(&["list", "short", "clients"]).lines().count();
        let mut before: Option<(usize, usize)> = None;
        for turn in 0..5 {
            let mut call = Call::new(&devices, "pulse:mic1", "pulse:spk1");
            until_sound_is_back(&mut call, cards, "spk1");
            drop(call);
            std::thread::sleep(Duration::from_millis(2_000));
            let mut now = (threads(), clients());
            for _ in 0..40 {
                if before.is_none_or(|before| now <= before) {
                    break;
                }
                std::thread::sleep(Duration::from_millis(250));
                now = (threads(), clients());
            }
            println!("after call {turn}: {} threads, {} connections", now.0, now.1);
            assert!(now <= *before.get_or_insert(now), "{now:?} after {before:?}");
        }
    });
}
