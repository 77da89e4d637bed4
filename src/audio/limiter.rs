//! Several voices at once may be louder than a sample can say. Pure.

/// Full scale.
const FULL: f32 = 32_768.0;
/// What was too loud is turned down to this, 0.8 dB below full scale.
const CEILING: f32 = 30_000.0;
/// Share of the way back to full loudness in a turn of 10 ms: most of it in 200 ms.
const RELEASE: f32 = 0.05;

/// Turns down what is too loud, at once, and up again slowly. What fits it leaves as it is, to the bit.
#[derive(Debug)]
pub struct Limiter {
    gain: f32,
}

impl Default for Limiter {
    fn default() -> Self {
        Limiter { gain: 1.0 }
    }
}

impl Limiter {
    /// Makes samples of sums, some 10 ms at a time.
    pub fn limit(&mut self, sum: &[i32], out: &mut [i16]) {
        let peak = sum.iter().map(|s| s.abs()).max().unwrap_or(0) as f32;
        let (from, back) = (self.gain, self.gain + (1.0 - self.gain) * RELEASE);
        let allowed = if peak > FULL { CEILING / peak } else { 1.0 };
        self.gain = if back > 0.999 { 1.0 } else { back }.min(allowed);
        // Down within a millisecond or so, up over the whole turn: a step would be a click.
        let ramp = if self.gain < from { sum.len() / 8 } else { sum.len() }.max(1);
        for (n, (sum, out)) in sum.iter().zip(out).enumerate() {
            let gain = from + (self.gain - from) * (n.min(ramp) as f32 / ramp as f32);
            *out = (*sum as f32 * gain).clamp(-32_768.0, 32_767.0) as i16;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_stays_as_it_is() {
        let all: Vec<i32> = (-32_768..=32_767).collect();
        let (mut limiter, mut out) = (Limiter::default(), [0; 480]);
        for turn in all.chunks(480) {
            limiter.limit(turn, &mut out);
            assert!(turn.iter().zip(out).all(|(sum, out)| *sum == i32::from(out)));
        }
    }

    #[test]
    fn what_does_not_is_turned_down_and_comes_back() {
        let (mut limiter, mut out) = (Limiter::default(), [0; 80]);
        limiter.limit(&[60_000; 80], &mut out);
        assert_eq!(out[79], 30_000);
        for _ in 0..150 {
            limiter.limit(&[1_000; 80], &mut out);
        }
        assert_eq!(out[79], 1_000);
    }
}
