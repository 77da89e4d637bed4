//! Between devices and codecs: 48, 16 and 8 kHz, each way, by polyphase filters whose tables are shared by all calls. Pure.

use std::sync::LazyLock;

/// Taps of a filter for each sample of the lower rate.
const PER_PHASE: usize = 32;
/// −6 dB point, of the lower rate: the pass band reaches 7/16 of it.
const CUTOFF: f64 = 3_750.0 / 8_000.0;

static TABLES: [LazyLock<Vec<f32>>; 3] =
    [LazyLock::new(|| table(2)), LazyLock::new(|| table(3)), LazyLock::new(|| table(6))];

/// A windowed sinc (Blackman) at the higher rate, gain 1.
fn table(ratio: usize) -> Vec<f32> {
    let (taps, cutoff) = (ratio * PER_PHASE, CUTOFF / ratio as f64);
    let shape = |n: usize| {
        let (x, w) = (n as f64 - (taps - 1) as f64 / 2.0, n as f64 / (taps - 1) as f64 * std::f64::consts::TAU);
        let sinc = (2.0 * std::f64::consts::PI * cutoff * x).sin() / (std::f64::consts::PI * x);
        sinc * (0.42 - 0.5 * w.cos() + 0.08 * (2.0 * w).cos())
    };
    let sum: f64 = (0..taps).map(shape).sum();
    (0..taps).map(|n| (shape(n) / sum) as f32).collect()
}

/// Turns one rate into another.
#[derive(Debug)]
pub enum Resampler {
    /// Nothing to do.
    Same,
    /// To a rate that is `ratio` times as high.
    Up {
        /// 2, 3 or 6.
        ratio: usize,
        /// The last samples, the newest first.
        history: Box<[f32; PER_PHASE]>,
        /// The filter.
        filter: &'static [f32],
    },
    /// To a rate that is `ratio` times as low.
    Down {
        /// 2, 3 or 6.
        ratio: usize,
        /// The last samples, the newest last.
        history: Box<[f32]>,
        /// The filter.
        filter: &'static [f32],
    },
}

impl Resampler {
    /// None when the rates are not two of 8, 16 and 48 kHz, nor equal.
    pub fn new(from: u32, to: u32) -> Option<Self> {
        if from == to {
            return Some(Resampler::Same);
        }
        let known = [8_000, 16_000, 48_000];
        let (low, high) = (from.min(to), from.max(to));
        if !known.contains(&low) || !known.contains(&high) {
            return None;
        }
        let ratio = (high / low) as usize;
        let filter: &'static [f32] = match ratio {
            2 => &TABLES[0],
            3 => &TABLES[1],
            _ => &TABLES[2],
        };
        Some(match to > from {
            true => Resampler::Up { ratio, history: Box::new([0.0; PER_PHASE]), filter },
            false => Resampler::Down { ratio, history: vec![0.0; ratio * PER_PHASE].into(), filter },
        })
    }

    /// Samples that must go in for `out` samples to come out.
    pub fn needed(&self, out: usize) -> usize {
        match self {
            Resampler::Same => out,
            Resampler::Up { ratio, .. } => out / ratio,
            Resampler::Down { ratio, .. } => out * ratio,
        }
    }

    /// Fills `out` from exactly `needed(out.len())` samples.
    pub fn process(&mut self, input: &[i16], out: &mut [i16]) {
        match self {
            Resampler::Same => out.copy_from_slice(input),
            Resampler::Up { ratio, history, filter } => {
                for (sample, group) in input.iter().zip(out.chunks_exact_mut(*ratio)) {
                    history.copy_within(..PER_PHASE - 1, 1);
                    history[0] = f32::from(*sample);
                    for (phase, result) in group.iter_mut().enumerate() {
                        let taps = filter[phase..].iter().step_by(*ratio);
                        let sum: f32 = history.iter().zip(taps).map(|(h, t)| h * t).sum();
                        *result = round(sum * *ratio as f32);
                    }
                }
            }
            Resampler::Down { ratio, history, filter } => {
                let keep = history.len() - *ratio;
                for (group, result) in input.chunks_exact(*ratio).zip(out) {
                    history.copy_within(*ratio.., 0);
                    for (slot, sample) in history[keep..].iter_mut().zip(group) {
                        *slot = f32::from(*sample);
                    }
                    *result = round(history.iter().zip(*filter).map(|(h, t)| h * t).sum());
                }
            }
        }
    }
}

fn round(value: f32) -> i16 {
    value.round().clamp(-32_768.0, 32_767.0) as i16
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level_after(from: u32, to: u32, hz: f64) -> f64 {
        let mut resampler = Resampler::new(from, to).unwrap();
        let len = resampler.needed(to as usize / 10);
        let step = hz * std::f64::consts::TAU / f64::from(from);
        let input: Vec<i16> = (0..len).map(|n| ((n as f64 * step).sin() * 20_000.0) as i16).collect();
        let mut out = vec![0; to as usize / 10];
        resampler.process(&input, &mut out);
        let tail = &out[out.len() / 2..];
        let rms = (tail.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / tail.len() as f64).sqrt();
        20.0 * (rms / (20_000.0 / 2f64.sqrt())).log10()
    }

    #[test]
    fn passes_speech_and_stops_aliases() {
        for (low, high) in [(8_000, 48_000), (16_000, 48_000), (8_000, 16_000)] {
            let scale = f64::from(low) / 8_000.0;
            for hz in [100.0, 1_000.0 * scale, 3_000.0 * scale] {
                assert!(level_after(high, low, hz).abs() < 0.3, "{hz} down to {low}");
                assert!(level_after(low, high, hz).abs() < 0.3, "{hz} up to {high}");
            }
            for hz in [5_000.0 * scale, 7_000.0 * scale, 11_000.0].into_iter().filter(|hz| *hz < f64::from(high) / 2.0)
            {
                let level = level_after(high, low, hz);
                assert!(hz < 4_300.0 * scale || level < -60.0, "{hz} down to {low}: {level}");
            }
        }
        assert!(Resampler::new(44_100, 8_000).is_none());
    }
}
