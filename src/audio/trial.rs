//! The test of a microphone and a loudspeaker: a sound that rises is played once a second, and looked for in what is recorded.

use std::time::Duration;

use super::clock::{now, sleep_until};
use super::ring::RATE;
use super::{Devices, Sink, Source};
use crate::ua::io::{DeviceTrial, Trial};

const TURN: Duration = Duration::from_millis(20);
/// Samples in a turn.
const FRAME: usize = 960;
/// How long devices may take to open.
const OPENING: Duration = Duration::from_millis(2_500);
/// What is looked for, and what it is looked for in, has 4 kHz.
const LESS: usize = 12;
/// The sound: 300 ms, from 400 Hz to 1.6 kHz, at −20 dBFS.
const LENGTH: usize = RATE as usize * 3 / 10;
/// It comes so often.
const PERIOD: usize = RATE as usize;
/// Sound that was played is found again at such a likeness; two different ones have 0.1.
const ALIKE: f64 = 0.4;

/// Plays and listens for so long; blocks.
pub(super) fn run(devices: &Devices, trial: DeviceTrial) -> Result<Trial, String> {
    let mut source = trial.input.as_deref().map(|id| devices.source(id, RATE)).transpose()?;
    let mut sink = trial.output.as_deref().map(|id| devices.sink(id, RATE)).transpose()?;
    let (start, mut turn) = (now(), 0);
    let live = |source: &Option<Source>, sink: &Option<Sink>| {
        source.as_ref().is_none_or(Source::is_live) && sink.as_ref().is_none_or(Sink::is_live)
    };
    while !live(&source, &sink) && now() < start + OPENING {
        turn += 1;
        sleep_until(start + TURN * turn);
    }
    let played = sink.as_ref().map(Sink::is_live);
    let recorded = source.as_ref().map(Source::is_live);
    let sound = sound();
    let frames = trial.seconds as usize * RATE as usize / FRAME;
    let mut heard = vec![0; frames * FRAME];
    let (start, mut frame) = (now(), [0; FRAME]);
    for (n, heard) in heard.chunks_exact_mut(FRAME).enumerate() {
        for (i, sample) in frame.iter_mut().enumerate() {
            *sample = sound.get((n * FRAME + i) % PERIOD).copied().unwrap_or(0);
        }
        sink.iter_mut().for_each(|sink| sink.write(&frame));
        source.iter_mut().for_each(|source| source.read(heard));
        sleep_until(start + TURN * (n as u32 + 1));
    }
    let delay = (played == Some(true) && recorded == Some(true)).then(|| delay(&sound, &heard)).flatten();
    let level_dbov = (recorded == Some(true)).then(|| level(&heard));
    Ok(Trial { input: trial.input, output: trial.output, played, recorded, level_dbov, delay_ms: delay })
}

fn sound() -> Vec<i16> {
    let (low, high, length) = (400.0, 1_600.0, LENGTH as f64);
    let sample = |i: usize| {
        let (t, part) = (i as f64 / f64::from(RATE), i as f64 / length);
        let phase = std::f64::consts::TAU * t * (low + (high - low) * part / 2.0);
        // Its ends are soft.
        let soft = (part.min(1.0 - part) * 20.0).min(1.0);
        (phase.sin() * 3_276.0 * soft) as i16
    };
    (0..LENGTH).map(sample).collect()
}

/// dBov of all but the first 200 ms, in which a stream may still begin.
fn level(heard: &[i16]) -> f64 {
    let heard = &heard[(RATE as usize / 5).min(heard.len() / 2)..];
    let power: f64 = heard.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / heard.len().max(1) as f64;
    (10.0 * (power / f64::from(1 << 30)).max(1e-13).log10()).max(-127.0)
}

/// How much later than it was played the sound is heard, ms; none: it is not.
fn delay(sound: &[i16], heard: &[i16]) -> Option<f64> {
    let (sound, heard) = (fewer(sound), fewer(heard));
    let period = PERIOD / LESS;
    let own: f64 = sound.iter().map(|s| s * s).sum();
    // The power of any part is a difference of two of these.
    let sums: Vec<f64> = std::iter::once(0.0)
        .chain(heard.iter().scan(0.0, |sum, s| {
            *sum += s * s;
            Some(*sum)
        }))
        .collect();
    let likeness = |at: usize| {
        let part = heard.get(at..at + sound.len())?;
        let cross: f64 = sound.iter().zip(part).map(|(a, b)| a * b).sum();
        let power = own * (sums[at + sound.len()] - sums[at]);
        Some(if power > 1.0 { cross.abs() / power.sqrt() } else { 0.0 })
    };
    // Each time that it was played for itself: a loop of two clocks is not always equally long.
    let starts = (0..heard.len()).step_by(period);
    let lags = starts.flat_map(|start| (0..period - sound.len() / 2).map(move |lag| (start, lag)));
    let best = lags.filter_map(|(start, lag)| Some((likeness(start + lag)?, lag)));
    let (alike, lag) = best.max_by(|a, b| a.0.total_cmp(&b.0))?;
    (alike > ALIKE).then(|| lag as f64 * 1_000.0 * LESS as f64 / f64::from(RATE))
}

/// 4 kHz, by means.
fn fewer(pcm: &[i16]) -> Vec<f64> {
    pcm.chunks_exact(LESS).map(|part| part.iter().map(|s| f64::from(*s)).sum::<f64>() / LESS as f64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two seconds of the sound, `late` samples late and `gain` as loud, in a room's noise.
    fn recording(late: usize, gain: f64) -> Vec<i16> {
        let (sound, mut noise) = (sound(), 1u32);
        let sample = |i: usize| {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let sound = i.checked_sub(late).and_then(|i| sound.get(i % PERIOD)).map_or(0.0, |s| f64::from(*s) * gain);
            (sound + f64::from(noise >> 16) / 655.36 - 50.0) as i16
        };
        (0..2 * RATE as usize).map(sample).collect()
    }

    #[test]
    fn a_loop_is_found_with_its_delay() {
        for (late, gain) in [(0, 1.0), (4_800, 0.5), (14_400, 0.05)] {
            let found = delay(&sound(), &recording(late, gain)).unwrap();
            assert!((found - late as f64 / 48.0).abs() < 0.5, "{found} ms for {late} samples");
        }
    }

    #[test]
    fn what_is_not_there_is_not_found() {
        assert_eq!(delay(&sound(), &recording(0, 0.0)), None);
        assert_eq!(delay(&sound(), &vec![0; 96_000]), None);
        let other: Vec<i16> = (0..96_000).map(|i| ((f64::from(i) * 0.13).sin() * 3_000.0) as i16).collect();
        assert_eq!(delay(&sound(), &other), None, "a tone is not the sound");
    }

    #[test]
    fn silence_and_speech_have_their_levels() {
        assert_eq!(level(&vec![0; 48_000]), -127.0);
        let sine: Vec<i16> = (0..48_000).map(|i| ((f64::from(i) * 0.1).sin() * 3_276.7) as i16).collect();
        assert!((level(&sine) + 23.0).abs() < 0.2, "{}", level(&sine));
    }
}
