//! From the packet's arrival until it is heard, in virtual time: no more than 40 ms on a clean line and as much as a bad one needs; the delay
//! changes by stretching what is heard, not by holes in it. What is lost for long becomes comfort noise.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test")]

use std::f64::consts::TAU;

use audio_codec_algorithms::encode_ulaw;
use phoned::media::codec::LONGEST;
use phoned::media::jitter::Arrival;
use phoned::media::playout::{Played, Playout};
use phoned::sdp::CodecKind;

/// A call in PCMU: what is said is a voice of 110 Hz over a little noise, with pauses.
struct Call {
    playout: Playout,
    flights: Vec<(u64, Arrival)>,
    next: usize,
    now: u64,
    heard: Vec<i16>,
}

fn noise(n: u32) -> u32 {
    n.wrapping_mul(2_654_435_761).rotate_left(13).wrapping_mul(2_246_822_519) >> 8
}

/// The sample at this timestamp: a word of 0.6 s each second.
fn voice(timestamp: u32) -> i16 {
    let t = f64::from(timestamp) / 8_000.0;
    let word = if t.fract() < 0.6 { (t.fract() / 0.6 * TAU / 2.0).sin() } else { 0.0 };
    let tones: f64 = (1..12).map(|k| (t * 110.0 * f64::from(k) * TAU).sin() / f64::from(k)).sum();
    (word * tones * 6_000.0) as i16 + (noise(timestamp) % 61) as i16 - 30
}

impl Call {
    /// `count` packets of 20 ms, each with its delay in µs; none: lost.
    fn new(count: u32, delay: impl Fn(u32) -> Option<u64>) -> Call {
        let arrival = |n: u32| {
            let at = 5_000_000 + u64::from(n) * 20_000 + delay(n)?;
            Some((at, Arrival { seq: n as u16, timestamp: n * 160, samples: 160, at }))
        };
        let mut flights: Vec<_> = (0..count).filter_map(arrival).collect();
        flights.sort_by_key(|f| f.0);
        Call { playout: Playout::new(CodecKind::Pcmu).unwrap(), flights, next: 0, now: 5_003_000, heard: Vec::new() }
    }

    /// Until so many seconds have been heard.
    fn until(&mut self, seconds: u32) -> Played {
        let mut room = vec![0; LONGEST];
        while self.heard.len() < (seconds * 8_000) as usize {
            while let Some((_, arrival)) = self.flights.get(self.next).filter(|f| f.0 <= self.now) {
                let payload: Vec<u8> = (0..160).map(|n| encode_ulaw(voice(arrival.timestamp + n))).collect();
                self.playout.push(*arrival, &payload);
                self.next += 1;
            }
            let mut frame = [0; 160];
            self.playout.pull(self.now, &mut frame, &mut room);
            self.heard.extend(frame);
            self.now += 20_000;
        }
        self.playout.played()
    }

    fn delay_ms(&self) -> f64 {
        self.playout.delay_us() / 1_000.0
    }
}

fn level(pcm: &[i16]) -> f64 {
    (pcm.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / pcm.len() as f64).sqrt()
}

#[test]
fn forty_milliseconds_on_a_clean_line() {
    for phase in (0..20_000).step_by(900) {
        let mut call = Call::new(600, |n| Some(phase + u64::from(noise(n) % 500)));
        let played = call.until(10);
        assert!(call.delay_ms() <= 40.0, "{} ms at {phase}", call.delay_ms());
        assert!(call.delay_ms() >= 15.0, "the next packet is there when one is lost: {} ms", call.delay_ms());
        assert_eq!(played.concealed, 0, "{played:?}");
        let stretched = played.expanded + played.accelerated;
        assert!(stretched <= 60_000, "at most while it learns the line: {played:?}");
    }
}

#[test]
fn thirty_milliseconds_of_jitter_are_waited_for() {
    for seed in 0..10 {
        let mut call = Call::new(2_000, |n| Some(u64::from(noise(n + seed * 9_999) % 30_000)));
        let early = call.until(10);
        let late = call.until(38);
        assert_eq!((late.concealed, call.playout.counts().late), (early.concealed, 0), "{late:?}");
        assert!(early.concealed <= 60_000, "while it learns the line: {early:?}");
        assert!((10.0..45.0).contains(&call.delay_ms()), "{}", call.delay_ms());
    }
}

#[test]
fn a_storm_passes_and_the_delay_with_it() {
    let storm = |n: u32| (500..1_000).contains(&n).then(|| u64::from(noise(n) % 120_000));
    let mut call = Call::new(3_600, |n| Some(storm(n).unwrap_or(0)));
    let before = call.until(10);
    let within = call.until(20);
    assert!(within.concealed - before.concealed < 600_000, "{within:?}");
    let after = call.until(25);
    let end = call.until(70);
    assert_eq!(end.concealed, after.concealed, "the delay shrinks without a hole");
    assert!(end.accelerated > 60_000 && call.delay_ms() <= 40.0, "{end:?} {}", call.delay_ms());
}

#[test]
fn two_clocks_that_differ() {
    // 300 ppm over 10 minutes: 180 ms; 100 ppm over an hour: 360 ms
    let long = std::env::var_os("PHONED_SOAK").is_some().then_some((100, 60));
    for (ppm, minutes) in [(300i64, 10u32)].into_iter().chain(long) {
        for (sign, label) in [(1i64, "slow"), (-1, "fast")] {
            let drift = ppm * 60 * i64::from(minutes);
            let delay = |n: u32| Some((drift + 120_000 + sign * i64::from(n) * ppm / 50) as u64);
            let mut call = Call::new(minutes * 3_000, delay);
            let played = call.until(minutes * 60 - 5);
            assert!(call.delay_ms() < 50.0, "{label}: {}", call.delay_ms());
            assert!(played.concealed <= 40_000 && call.playout.counts().late <= 2, "{label}: {played:?}");
            let net = (played.expanded as i64 - played.accelerated as i64) * sign;
            assert!((drift * 2 / 3..drift * 3 / 2).contains(&net), "{label}: {drift} µs, {played:?}");
        }
    }
}

#[test]
fn it_never_hurries_by_more_than_fifteen_percent() {
    let mut call = Call::new(1_500, |n| Some(if n == 300 { 180_000 } else { 0 }));
    call.until(6);
    let mut before = call.playout.played();
    for second in 7..28 {
        let now = call.until(second);
        let stretched = now.accelerated - before.accelerated + now.expanded - before.expanded;
        assert!(stretched <= 165_000, "{stretched} µs in second {second}");
        before = now;
    }
}

#[test]
fn a_long_loss_fades_to_comfort_noise() {
    let mut call = Call::new(1_000, |n| (!(510..600).contains(&n)).then_some(0));
    call.until(15);
    // The word of the eleventh second is cut at 10.2 s; the delay is less than 60 ms.
    let at = |seconds: f64| (seconds * 8_000.0) as usize;
    let (word, gone) = (level(&call.heard[at(10.1)..at(10.2)]), level(&call.heard[at(10.5)..at(11.8)]));
    let room = level(&call.heard[at(9.75)..at(9.95)]);
    assert!(word > 20.0 * room, "{word} {room}");
    assert!((0.4..2.5).contains(&(gone / room)), "{gone} against the room's {room}");
    assert!(level(&call.heard[at(10.26)..at(10.3)]) > word / 20.0, "made up first");
    let counts = call.playout.counts();
    let steps: Vec<i32> =
        call.heard[at(10.0)..at(12.5)].windows(2).map(|w| (i32::from(w[1]) - i32::from(w[0])).abs()).collect();
    let usual =
        call.heard[at(5.0)..at(7.5)].windows(2).map(|w| (i32::from(w[1]) - i32::from(w[0])).abs()).max().unwrap();
    assert!(steps.iter().max().unwrap() < &(usual * 3 / 2), "no click: {:?} {usual}", steps.iter().max());
    assert_eq!((counts.late, counts.discarded), (0, 0));
}

#[test]
fn what_was_concealed_is_counted_as_it_was_heard() {
    let mut call = Call::new(1_000, |n| (n % 10 != 5).then_some(0));
    let played = call.until(20);
    let share = played.concealed as f64 / played.heard as f64;
    assert!((0.09..0.11).contains(&share) && played.heard == 20_000_000, "{played:?}");
}

#[test]
fn the_far_end_says_what_its_silence_sounds_like() {
    let mut call = Call::new(100, |_| Some(0));
    call.until(1);
    let mut arrival = Arrival { seq: 100, timestamp: 16_000, samples: 0, at: 7_000_000 };
    call.until(2);
    arrival.at = call.now;
    call.playout.push_noise(arrival, &[45]);
    let before = call.until(2);
    let after = call.until(6);
    assert!(after.concealed <= before.concealed + 60_000, "a pause is no loss: {after:?}");
    let made = 20.0 * (level(&call.heard[8_000 * 3..]) / 32_768.0).log10();
    assert!((made + 45.0).abs() < 1.5, "{made} dBov");
}

#[test]
fn a_pause_without_a_word_is_no_loss() {
    // 2 s of voice, then nothing for 150 ms, 2 s, and 190 ms: the timestamps go on, the sequence has no hole
    let arrival = |n: u32, seq: u16| {
        let at = 5_000_000 + u64::from(n) * 20_000;
        (at, Arrival { seq, timestamp: n * 160, samples: 160, at })
    };
    let spoken = (0..100u32).chain(108..200).chain(300..350).chain(360..400);
    let flights: Vec<_> = spoken.enumerate().map(|(seq, n)| arrival(n, seq as u16)).collect();
    let mut call = Call::new(0, |_| None);
    call.flights = flights;
    let played = call.until(8);
    assert_eq!(played.concealed, 0, "{played:?}");
    assert_eq!((call.playout.counts().late, call.playout.counts().discarded), (0, 0));
}

#[test]
fn another_stream_begins_with_nothing_of_the_old() {
    let mut call = Call::new(200, |_| Some(0));
    call.until(3);
    let figures = call.playout.played();
    call.playout.reset();
    let from = call.heard.len();
    call.next = call.flights.len();
    call.until(4);
    assert!(level(&call.heard[from..]) < 40.0, "comfort noise at most: {}", level(&call.heard[from..]));
    assert_eq!(call.playout.played().concealed, figures.concealed);
}
