//! Between 48 kHz devices and 8 kHz codecs: one polyphase filter, its table shared by all calls. Pure.

use std::sync::LazyLock;

const RATIO: usize = 6;
/// Taps of the prototype at 48 kHz.
const TAPS: usize = RATIO * PER_PHASE;
const PER_PHASE: usize = 32;
/// −6 dB point, of 48 kHz: the pass band reaches 3.5 kHz.
const CUTOFF: f64 = 3_750.0 / 48_000.0;

/// A windowed sinc (Blackman), gain 1 at 48 kHz.
static FILTER: LazyLock<[f32; TAPS]> = LazyLock::new(|| {
    let shape = |n: usize| {
        let (x, w) = (n as f64 - (TAPS - 1) as f64 / 2.0, n as f64 / (TAPS - 1) as f64 * std::f64::consts::TAU);
        let sinc = (2.0 * std::f64::consts::PI * CUTOFF * x).sin() / (std::f64::consts::PI * x);
        sinc * (0.42 - 0.5 * w.cos() + 0.08 * (2.0 * w).cos())
    };
    let sum: f64 = (0..TAPS).map(shape).sum();
    std::array::from_fn(|n| (shape(n) / sum) as f32)
});

/// Turns one rate into another: the same, 8 → 48 kHz or 48 → 8 kHz.
#[derive(Debug)]
pub enum Resampler {
    /// Nothing to do.
    Same,
    /// 8 → 48 kHz.
    Up(Box<[f32; PER_PHASE]>),
    /// 48 → 8 kHz.
    Down(Box<[f32; TAPS]>),
}

impl Resampler {
    /// None when the rates are neither equal nor 8 and 48 kHz.
    pub fn new(from: u32, to: u32) -> Option<Self> {
        match (from, to) {
            (8_000, 48_000) => Some(Resampler::Up(Box::new([0.0; PER_PHASE]))),
            (48_000, 8_000) => Some(Resampler::Down(Box::new([0.0; TAPS]))),
            _ if from == to => Some(Resampler::Same),
            _ => None,
        }
    }

    /// Samples that must go in for `out` samples to come out.
    pub fn needed(&self, out: usize) -> usize {
        match self {
            Resampler::Same => out,
            Resampler::Up(_) => out / RATIO,
            Resampler::Down(_) => out * RATIO,
        }
    }

    /// Fills `out` from exactly `needed(out.len())` samples.
    pub fn process(&mut self, input: &[i16], out: &mut [i16]) {
        match self {
            Resampler::Same => out.copy_from_slice(input),
            Resampler::Up(history) => {
                let filter = &*FILTER;
                for (sample, six) in input.iter().zip(out.chunks_exact_mut(RATIO)) {
                    history.copy_within(..PER_PHASE - 1, 1);
                    history[0] = f32::from(*sample);
                    for (phase, result) in six.iter_mut().enumerate() {
                        let taps = filter[phase..].iter().step_by(RATIO);
                        let sum: f32 = history.iter().zip(taps).map(|(h, t)| h * t).sum();
                        *result = round(sum * RATIO as f32);
                    }
                }
            }
            Resampler::Down(history) => {
                let filter = &*FILTER;
                for (six, result) in input.chunks_exact(RATIO).zip(out) {
                    history.copy_within(RATIO.., 0);
                    for (slot, sample) in history[TAPS - RATIO..].iter_mut().zip(six) {
                        *slot = f32::from(*sample);
                    }
                    *result = round(history.iter().zip(filter).map(|(h, t)| h * t).sum());
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
        for hz in [100.0, 1_000.0, 3_000.0] {
            assert!(level_after(48_000, 8_000, hz).abs() < 0.3, "{hz} down");
            assert!(level_after(8_000, 48_000, hz).abs() < 0.3, "{hz} up");
        }
        for hz in [5_000.0, 7_000.0, 12_000.0] {
            assert!(level_after(48_000, 8_000, hz) < -60.0, "{hz}: {}", level_after(48_000, 8_000, hz));
        }
        assert!(Resampler::new(44_100, 8_000).is_none());
    }
}
