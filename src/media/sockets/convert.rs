//! From one rate to another in whatever pieces a program writes. Pure.

use crate::media::resample::Resampler;

/// Between two of 8, 16 and 48 kHz.
pub struct Convert {
    rates: (u32, u32),
    resampler: Resampler,
    /// Too little yet to make a sample of the other rate.
    rest: Vec<i16>,
}

impl Convert {
    /// None at other rates.
    pub fn new(from: u32, to: u32) -> Option<Convert> {
        Some(Convert { rates: (from, to), resampler: Resampler::new(from, to)?, rest: Vec::new() })
    }

    /// What it turns into what.
    pub fn rates(&self) -> (u32, u32) {
        self.rates
    }

    /// Appends to `out` what `pcm` becomes.
    pub fn process(&mut self, pcm: &[i16], out: &mut Vec<i16>) {
        self.rest.extend_from_slice(pcm);
        let group = self.resampler.needed(1).max(1);
        let ready = self.rest.len() / group * group;
        let (from, to) = self.rates;
        let begin = out.len();
        out.resize(begin + ready * to as usize / from as usize, 0);
        self.resampler.process(&self.rest[..ready], &mut out[begin..]);
        self.rest.drain(..ready);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level_after(from: u32, to: u32, hz: f64) -> f64 {
        let mut convert = Convert::new(from, to).unwrap();
        let step = hz * std::f64::consts::TAU / f64::from(from);
        let pcm: Vec<i16> = (0..from / 5).map(|n| ((f64::from(n) * step).sin() * 20_000.0) as i16).collect();
        let mut out = Vec::new();
        // In pieces that do not fit.
        pcm.chunks(from as usize / 50 + 1).for_each(|part| convert.process(part, &mut out));
        assert_eq!(out.len(), to as usize / 5, "{from} to {to}");
        let tail = &out[out.len() / 2..];
        let rms = (tail.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / tail.len() as f64).sqrt();
        20.0 * (rms / (20_000.0 / 2f64.sqrt())).log10()
    }

    #[test]
    fn speech_passes_and_aliases_do_not() {
        for (from, to) in [(8_000, 16_000), (16_000, 8_000), (48_000, 16_000), (16_000, 48_000), (8_000, 8_000)] {
            for hz in [200.0, 1_000.0, 3_000.0] {
                assert!(
                    level_after(from, to, hz).abs() < 0.5,
                    "{hz} Hz, {from} to {to}: {}",
                    level_after(from, to, hz)
                );
            }
        }
        assert!(level_after(16_000, 8_000, 5_500.0) < -50.0 && level_after(48_000, 16_000, 11_000.0) < -50.0);
        assert!(Convert::new(44_100, 8_000).is_none());
    }
}
