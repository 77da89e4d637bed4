//! Echo, double talk, noise and level, with speech and a room that is made up: a delay, a burst of reflections, a loss.

use rtrb::{Producer, RingBuffer};

use super::*;

#[path = "../../../tests/common/speech.rs"]
mod speech;

use speech::{make_speech, score, speak, write_wav};

const SECOND: usize = RATE as usize;
/// Of a loudspeaker on a desk: its echo comes 18 dB quieter than what it plays.
const DESK: f64 = 0.125;
const OTHER: &str = "A rod is used to catch pink salmon. The source of the huge river is the clear spring. \
     Kick the ball straight and follow through. Help the woman get back to her feet.";

fn energy(pcm: &[i16]) -> f64 {
    pcm.iter().map(|s| f64::from(*s) * f64::from(*s)).sum::<f64>().max(1.0)
}

fn db(louder: &[i16], quieter: &[i16]) -> f64 {
    10.0 * (energy(louder) / energy(quieter)).log10()
}

/// Numbers between -1 and 1, the same each time.
fn random() -> impl FnMut() -> f64 {
    let mut seed = 12_345_u64;
    move || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as f64 / f64::from(1 << 30) - 1.0
    }
}

/// 62 ms later, with reflections over 60 ms, `gain` times as loud.
fn echo(played: &[i16], gain: f64) -> Vec<i16> {
    let mut random = random();
    let reflections = (0..48).map(|n| (3_000 + n * 60, 0.3 * random() * (-(n as f64) / 8.0).exp()));
    let paths: Vec<(usize, f64)> = std::iter::once((3_000, 1.0)).chain(reflections.skip(1)).collect();
    let norm = paths.iter().map(|(_, share)| share * share).sum::<f64>().sqrt();
    let at = |n: usize, delay: usize| n.checked_sub(delay).map_or(0.0, |n| f64::from(played[n]));
    let sound = |n| paths.iter().map(|(delay, share)| share * at(n, *delay)).sum::<f64>();
    (0..played.len()).map(|n| (sound(n) * gain / norm) as i16).collect()
}

/// Turns of 10 ms; the loudspeaker's clock is `ppm` faster than the microphone's.
fn run(cleaning: Cleaning, played: &[i16], microphone: &[i16], ppm: f64) -> Vec<i16> {
    let (mut ring, far): (Producer<i16>, _) = RingBuffer::new(CAPACITY);
    let mut cleaner = Cleaner::new(cleaning, Some((far, Arc::default())));
    let (mut clean, mut at) = (Vec::new(), 0.0);
    for turn in microphone.chunks(BLOCK) {
        let due = at + BLOCK as f64 * (1.0 + ppm / 1e6);
        // Each of the card's samples has its place between two of ours.
        for n in at as usize..due as usize {
            let place = n as f64 / (1.0 + ppm / 1e6);
            let (low, part) = (place as usize, place.fract());
            let of = |n: usize| f64::from(played[n.min(played.len() - 1)]);
            let _ = ring.push((of(low) + (of(low + 1) - of(low)) * part) as i16);
        }
        at = due;
        clean.extend_from_slice(cleaner.clean(turn));
    }
    clean
}

fn silence(like: &[i16]) -> Vec<i16> {
    vec![0; like.len()]
}

fn noise(seconds: usize) -> Vec<i16> {
    let mut random = random();
    (0..seconds * SECOND).map(|_| (random() * 600.0) as i16).collect()
}

#[test]
fn the_far_end_does_not_hear_itself() {
    let played = make_speech(RATE);
    let only = Cleaning { echo_cancellation: true, ..Cleaning::OFF };
    for (gain, cleaning) in [(0.5, only), (DESK, only), (DESK, Cleaning::default())] {
        let heard = echo(&played, gain);
        let clean = run(cleaning, &played, &heard, 0.0);
        let (begin, rest) =
            (db(&heard[..2 * SECOND], &clean[..2 * SECOND]), db(&heard[2 * SECOND..], &clean[2 * SECOND..]));
        println!("echo {:.0} dB down, {cleaning:?}: ERLE {begin:.0} dB in 2 s, then {rest:.0}", 20.0 * gain.log10());
        assert!(rest >= 30.0, "{rest} dB");
    }
    let without = Cleaning { echo_cancellation: false, ..Cleaning::default() };
    let heard = echo(&played, DESK);
    let left = db(&heard[2 * SECOND..], &run(without, &played, &heard, 0.0)[2 * SECOND..]);
    assert!(left < 6.0, "switched off it is heard, {left} dB down");
}

#[test]
fn two_clocks_are_one_to_it() {
    let played = make_speech(RATE).repeat(2);
    let heard = echo(&played, DESK);
    for ppm in [-100.0, 100.0] {
        let clean = run(Cleaning { echo_cancellation: true, ..Cleaning::OFF }, &played, &heard, ppm);
        let rest = db(&heard[10 * SECOND..], &clean[10 * SECOND..]);
        println!("{ppm} ppm: ERLE {rest:.0} dB");
        assert!(rest >= 30.0, "{ppm} ppm: {rest} dB");
    }
}

/// Its thread lays out 10 ms more for the card: that is no drift, and the echo stays where it is.
#[test]
fn more_for_the_card_is_no_drift() {
    let (mut ring, far) = RingBuffer::new(CAPACITY);
    let waiting = Arc::new(AtomicUsize::new(960));
    let mut far = Far::new((far, waiting.clone()));
    let mut processing = AudioProcessing::builder().config(Config::default()).build();
    for turn in 0..6_000 {
        let more = if turn == 2_000 { 480 } else { 0 };
        waiting.fetch_add(more, Ordering::Relaxed);
        let _ = ring.push_partial_slice(&vec![0; BLOCK + more]);
        far.play(&mut processing, BLOCK);
        assert_eq!(far.drift.slips, 0, "in turn {turn}");
    }
}

/// The agent speaks into the far end's words, as loud as they are.
#[test]
fn double_talk_is_not_choked() {
    let played = make_speech(RATE).repeat(2);
    let own = speak(RATE, "en-gb", OTHER);
    let at = 12 * SECOND;
    let mut heard = echo(&played, DESK);
    heard[at..].iter_mut().zip(&own).for_each(|(heard, own)| *heard = heard.saturating_add(*own));
    let clean = run(Cleaning::default(), &played, &heard, 0.0);
    let dir = tempfile::tempdir().unwrap();
    let (reference, got) = (dir.path().join("own.wav"), dir.path().join("got.wav"));
    write_wav(&reference, RATE, &own);
    write_wav(&got, RATE, &clean[at..at + own.len() + SECOND / 20]);
    let score = score(&reference, &got);
    println!("double talk: {score:?}");
    assert!(score.stoi >= 0.88, "{score:?}");
}

#[test]
fn steady_noise_is_turned_down_and_speech_is_not() {
    let hiss = noise(8);
    let down = |noise_suppression| {
        let cleaning = Cleaning { noise_suppression, ..Cleaning::OFF };
        db(&hiss[5 * SECOND..], &run(cleaning, &silence(&hiss), &hiss, 0.0)[5 * SECOND..])
    };
    let (low, moderate, high) =
        (down(NoiseSuppression::Low), down(NoiseSuppression::Moderate), down(NoiseSuppression::High));
    println!("noise: {low:.1} dB, {moderate:.1} dB, {high:.1} dB down");
    assert!(low > 4.0 && moderate > low + 3.0 && high > moderate + 2.0, "{low} {moderate} {high}");
    assert!(down(NoiseSuppression::Off).abs() < 0.5, "off: all of it is left");
    let own = make_speech(RATE);
    let change = db(&run(Cleaning::default(), &silence(&own), &own, 0.0), &own);
    assert!(change.abs() < 1.0, "no gain control: the level stays, {change} dB");
}

#[test]
fn gain_control_turns_quiet_speech_up() {
    let own: Vec<i16> = make_speech(RATE).iter().map(|s| s / 16).collect();
    let change = |cleaning| db(&run(cleaning, &silence(&own), &own, 0.0)[5 * SECOND..], &own[5 * SECOND..]);
    let up = change(Cleaning { gain_control: true, ..Cleaning::default() });
    assert!(up > 6.0, "{up} dB");
    assert!(change(Cleaning::default()).abs() < 1.0);
}

/// Whoever shares microphone, loudspeaker and wish shares the instance too; others have their own.
#[test]
fn one_instance_a_pair() {
    let wish = |beside: &str, cleaning| Wish { cleaning, beside: Some(beside.into()) };
    let (one, other) = (wish("pulse:a", Cleaning::default()), wish("pulse:b", Cleaning::default()));
    let mut cleaners = Cleaners::default();
    for wish in [&one, &other, &one, &other] {
        let (_, far) = RingBuffer::new(CAPACITY);
        cleaners.join(wish, Some((far, Arc::default())));
    }
    let mut given = Vec::new();
    cleaners.clean(&noise(1)[..700], |wish, clean| given.push((wish.clone(), clean.len())));
    assert_eq!(given, [(one.clone(), BLOCK), (other.clone(), BLOCK)], "whole blocks");
    cleaners.keep(|wish| *wish == other);
    given.clear();
    cleaners.clean(&noise(1)[..260], |wish, clean| given.push((wish.clone(), clean.len())));
    assert_eq!(given, [(other, BLOCK)], "the rest was kept");
}

/// CPU time of this thread, s.
fn used() -> f64 {
    let time = nix::time::clock_gettime(nix::time::ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap();
    std::time::Duration::from(time).as_secs_f64()
}

#[test]
#[ignore = "a measurement"]
fn what_a_microphone_costs() {
    let played = make_speech(RATE).repeat(3);
    let heard = echo(&played, DESK);
    let only = Cleaning { echo_cancellation: true, ..Cleaning::OFF };
    for (what, cleaning) in [("echo alone", only), ("default", Cleaning::default())] {
        let (mut ring, far) = RingBuffer::new(CAPACITY);
        let mut cleaner = Cleaner::new(cleaning, Some((far, Arc::default())));
        let seconds = played.chunks_exact(SECOND).zip(heard.chunks_exact(SECOND)).map(|(played, heard)| {
            let before = used();
            for (played, heard) in played.chunks(BLOCK).zip(heard.chunks(BLOCK)) {
                let _ = ring.push_partial_slice(played);
                std::hint::black_box(cleaner.clean(heard));
            }
            100.0 * (used() - before)
        });
        let mut shares: Vec<f64> = seconds.collect();
        shares.sort_by(f64::total_cmp);
        println!("{what}: {:.2} % of a core, {:.2} in the best second", shares[shares.len() / 2], shares[0]);
    }
}
