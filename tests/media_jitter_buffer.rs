//! The jitter buffer in virtual time: what the network delays is played in order, what it loses is concealed, what it pauses is a pause.
//! How it keeps the delay short is in `media_delay_is_short.rs`.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test")]

use phoned::media::jitter::{Arrival, Jitter, Pull};

/// A packet under way.
#[derive(Clone, Copy)]
struct Flight {
    seq: u16,
    timestamp: u32,
    sent: u64,
    at: u64,
}

#[derive(Debug, Default)]
struct Played {
    order: Vec<u16>,
    concealed: usize,
    fec: usize,
    silence: usize,
    /// From sent to played, µs.
    delay: u64,
}

/// 20 ms packets, each with its delay in µs; none: lost.
fn stream(count: u32, delay: impl Fn(u32) -> Option<u64>) -> Vec<Flight> {
    let mut flights: Vec<Flight> = (0..count)
        .filter_map(|n| {
            let sent = 5_000_000 + u64::from(n) * 20_000;
            let seq = 65_000u16.wrapping_add(n as u16);
            let timestamp = (u32::MAX - 50_000).wrapping_add(n * 160);
            delay(n).map(|d| Flight { seq, timestamp, sent, at: sent + d })
        })
        .collect();
    flights.sort_by_key(|f| f.at);
    flights
}

fn play(flights: &[Flight]) -> (Played, Jitter) {
    let (mut jitter, mut played) = (Jitter::new(8_000), Played::default());
    let (mut next, end) = (0, flights.iter().map(|f| f.at).max().unwrap_or(0) + 400_000);
    let mut now = 5_003_000;
    let mut tail = 0; // what is made up after the last packet does not count
    while now < end {
        while let Some(f) = flights.get(next).filter(|f| f.at <= now) {
            jitter.push(Arrival { seq: f.seq, timestamp: f.timestamp, samples: 160, at: f.at }, &f.seq.to_be_bytes());
            next += 1;
        }
        match jitter.pull(now, 0).0 {
            Pull::Packet(payload) => {
                let seq = u16::from_be_bytes([payload[0], payload[1]]);
                played.order.push(seq);
                played.concealed += std::mem::take(&mut tail);
                played.delay = flights.iter().find(|f| f.seq == seq).map_or(0, |f| now - f.sent);
            }
            Pull::Conceal => tail += 1,
            Pull::Fec(_) => played.fec += 1,
            Pull::Pause => played.silence += 1,
        }
        now += 20_000;
    }
    (played, jitter)
}

fn noise(n: u32) -> u32 {
    n.wrapping_mul(2_654_435_761).rotate_left(13).wrapping_mul(2_246_822_519) >> 8
}

fn in_order(played: &Played) -> bool {
    played.order.windows(2).all(|w| (w[1].wrapping_sub(w[0]) as i16) > 0)
}

#[test]
fn a_clean_line_is_played_whole() {
    for phase in (0..20_000).step_by(1_700) {
        let (played, jitter) = play(&stream(1_000, |_| Some(12_000 + phase)));
        assert_eq!((played.order.len(), played.concealed, played.fec), (1_000, 0, 0), "{played:?}");
        assert!(in_order(&played) && jitter.counts() == Default::default());
    }
}

#[test]
fn thirty_milliseconds_of_jitter_lose_nothing() {
    for seed in 0..20 {
        let flights = stream(2_000, |n| Some(10_000 + u64::from(noise(n + seed * 9_999) % 30_000)));
        let (played, jitter) = play(&flights);
        assert!(in_order(&played));
        assert_eq!((played.order.len(), jitter.counts().late), (2_000, 0), "seed {seed}");
        assert!(played.concealed <= 2, "while it learns: {}", played.concealed);
        assert!(played.delay < 10_000 + 75_000, "{}", played.delay);
    }
}

#[test]
fn hundred_milliseconds_of_jitter_are_learnt() {
    let flights = stream(2_000, |n| Some(10_000 + u64::from(noise(n) % 100_000)));
    let (played, jitter) = play(&flights);
    assert!(in_order(&played) && played.order.len() >= 1_990, "{} {:?}", played.order.len(), jitter.counts());
    assert!(played.concealed < 30, "{}", played.concealed);
}

#[test]
fn loss_is_concealed_frame_by_frame() {
    let flights = stream(2_000, |n| (!noise(n + 1).is_multiple_of(20) || n == 0 || n == 1_999).then_some(10_000));
    let lost = 2_000 - flights.len();
    let (played, jitter) = play(&flights);
    assert!(lost > 60 && in_order(&played) && played.order.len() == flights.len());
    assert_eq!(played.fec + played.concealed, lost, "one for one");
    assert!(played.fec > lost * 8 / 10, "single losses come with the packet after them: {} of {lost}", played.fec);
    assert_eq!(jitter.counts(), Default::default());
}

#[test]
fn loss_with_jitter() {
    let flights = stream(2_000, |n| {
        (!noise(n + 1).is_multiple_of(20) || n == 0 || n == 1_999).then_some(10_000 + u64::from(noise(n + 7) % 30_000))
    });
    let lost = 2_000 - flights.len();
    let (played, jitter) = play(&flights);
    assert!(in_order(&played) && played.order.len() + 5 >= flights.len(), "{:?}", jitter.counts());
    assert!(played.concealed + played.fec <= lost + 5, "{played:?}");
}

#[test]
fn a_spike_delays_and_loses_little() {
    // 150 ms of standstill, then all of it at once
    let flights =
        stream(500, |n| Some(if (200..208).contains(&n) { 10_000 + (208 - u64::from(n)) * 20_000 } else { 10_000 }));
    let (played, jitter) = play(&flights);
    assert!(in_order(&played) && played.order.len() == 500, "{played:?} {:?}", jitter.counts());
}

#[test]
fn a_pause_of_the_sender_is_silence() {
    let mut flights = stream(100, |_| Some(10_000));
    let after = stream(300, |_| Some(10_000)).split_off(200);
    // the sequence goes on, the timestamp follows the clock
    flights.extend(after.iter().map(|f| Flight { seq: f.seq.wrapping_sub(100), ..*f }));
    let (played, jitter) = play(&flights);
    assert_eq!(played.order.len(), 200, "{:?}", jitter.counts());
    assert!(played.concealed <= 12 && played.silence > 85, "{played:?}");
}

#[test]
fn a_clock_that_jumps_is_followed() {
    let mut flights = stream(100, |_| Some(10_000));
    let after = stream(300, |_| Some(10_000)).split_off(100);
    flights.extend(after.iter().map(|f| Flight { timestamp: f.timestamp.wrapping_add(777_777), ..*f }));
    let (played, jitter) = play(&flights);
    assert!(played.order.len() > 290, "{} {:?}", played.order.len(), jitter.counts());
}

#[test]
fn drift_of_the_senders_clock_is_absorbed() {
    for (sign, label) in [(1i64, "slow"), (-1, "fast")] {
        // 500 ppm over 5 minutes: 150 ms
        let flights = stream(15_000, |n| Some((200_000 + sign * i64::from(n) * 10) as u64));
        let (played, jitter) = play(&flights);
        assert!(played.order.len() > 14_980, "{label}: {} {:?}", played.order.len(), jitter.counts());
        assert!(played.concealed < 20, "{label}: {}", played.concealed);
    }
}

#[test]
fn duplicates_and_a_new_stream() {
    let mut flights = stream(100, |_| Some(10_000));
    flights = flights.iter().flat_map(|f| [*f, *f]).collect();
    let (played, mut jitter) = play(&flights);
    assert_eq!((played.order.len(), jitter.counts().duplicate), (100, 100));
    jitter.reset();
    jitter.push(Arrival { seq: 5, timestamp: 5, samples: 160, at: 9_000_000 }, b"new");
    assert_eq!(jitter.pull(9_001_000, 0).0, Pull::Pause, "it fills first");
    assert_eq!(jitter.pull(9_050_000, 0).0, Pull::Packet(b"new"));
}

#[test]
fn no_packet_is_too_strange() {
    let (mut jitter, mut state) = (Jitter::new(48_000), 1u32);
    let mut chance = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state >> 4
    };
    let mut now = 1_000_000;
    for _ in 0..300_000 {
        let near = chance() % 4 != 0;
        let seq = if near { (now / 20_000) as u16 } else { chance() as u16 };
        let timestamp = if near { (now * 48 / 1_000) as u32 } else { chance() << 3 };
        let samples = [0, 120, 960, 5_760][chance() as usize % 4];
        let at = now - u64::from(chance() % 900_000);
        jitter.push(Arrival { seq, timestamp, samples, at }, b"x");
        now += u64::from(chance() % 30_000);
        for _ in 0..chance() % 3 {
            assert!(jitter.pull(now, u64::from(chance() % 20_000)).1 <= 5_760);
        }
        if chance() % 1_000 == 0 {
            jitter.reset();
        }
    }
}
