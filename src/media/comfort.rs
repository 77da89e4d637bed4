//! Comfort noise: what is heard when nothing is, so that a line does not sound dead. Its level and colour are those of the quietest
//! sound of the last seconds, or what the far end says of its own (RFC 3389). Pure.

/// Order of the filter that colours it.
const ORDER: usize = 10;
/// A frame louder than this is not taken for noise, however steady: a tone, music; mean square of 32768² (−48 dBov).
const LOUDEST: f32 = 17_000.0;
/// What is known of the noise ages: its energy counts as this much more with each frame, so that a louder room is learnt.
const AGEING: f32 = 1.003;

/// Knows the noise and makes more of it.
#[derive(Debug, Clone)]
pub struct Comfort {
    /// Mean square of the noise; none: nothing was learnt.
    energy: f32,
    /// The predictor a1…: the noise is white noise through 1/(1 − Σ aₖ z⁻ᵏ).
    filter: [f32; ORDER],
    /// Level of the white noise.
    gain: f32,
    past: [f32; ORDER],
    chance: u32,
    /// The far end has said what its noise is: that counts.
    told: bool,
}

impl Default for Comfort {
    fn default() -> Self {
        Comfort { energy: 0.0, filter: [0.0; ORDER], gain: 0.0, past: [0.0; ORDER], chance: 0x2545_f491, told: false }
    }
}

impl Comfort {
    /// Learns from a frame that was really heard.
    pub fn learn(&mut self, pcm: &[i16]) {
        if self.told {
            return;
        }
        let mean: f32 = pcm.iter().map(|s| f32::from(*s) * f32::from(*s)).sum::<f32>() / pcm.len().max(1) as f32;
        if self.gain > 0.0 && mean > self.energy {
            self.energy = (self.energy + 0.01) * AGEING;
            return;
        }
        if mean > LOUDEST || pcm.len() < 4 * ORDER {
            return;
        }
        let mut correlation = [0.0f32; ORDER + 1];
        for (lag, sum) in correlation.iter_mut().enumerate() {
            *sum = pcm[lag..].iter().zip(pcm).map(|(a, b)| f32::from(*a) * f32::from(*b)).sum();
        }
        correlation[0] = correlation[0] * 1.001 + 1.0;
        let (filter, left) = levinson(&correlation);
        self.set(filter, mean, left);
    }

    /// What the far end says of its noise (RFC 3389 §3): its level in −dBov, then reflection coefficients. False: not such a payload.
    pub fn told(&mut self, payload: &[u8]) -> bool {
        let Some((level, coefficients)) = payload.split_first() else { return false };
        let energy = 32_768.0f32.powi(2) * 10.0f32.powf(-f32::from(*level & 0x7f) / 10.0);
        let (mut filter, mut left) = ([0.0f32; ORDER], 1.0f32);
        for (order, byte) in coefficients.iter().take(ORDER).enumerate() {
            let k = ((f32::from(*byte) - 127.0) / 127.0).clamp(-0.98, 0.98);
            step_up(&mut filter, order, -k);
            left *= 1.0 - k * k;
        }
        self.set(filter, energy, left);
        self.told = true;
        true
    }

    /// Fills `out` with noise; silence as long as nothing was learnt.
    pub fn make(&mut self, out: &mut [i16]) {
        for sample in out {
            let value = self.next();
            *sample = value.round().clamp(-32_768.0, 32_767.0) as i16;
        }
    }

    /// Fades from `out` to noise and back: the share of noise goes from `from` to `to`, 0 to 1.
    pub fn blend(&mut self, out: &mut [i16], from: f32, to: f32) {
        let len = out.len().max(1) as f32;
        for (n, sample) in out.iter_mut().enumerate() {
            let share = from + (to - from) * (n as f32 + 0.5) / len;
            *sample = (f32::from(*sample) * (1.0 - share) + self.next() * share).round() as i16;
        }
    }

    /// `left`: the share of the energy that the filter does not explain.
    fn set(&mut self, filter: [f32; ORDER], energy: f32, left: f32) {
        self.energy = energy;
        self.filter = filter;
        // uniform between −1 and 1: a third
        self.gain = (energy * left.clamp(1e-4, 1.0) * 3.0).sqrt();
    }

    fn next(&mut self) -> f32 {
        self.chance = self.chance.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let white = (self.chance >> 8) as f32 / 8_388_608.0 - 1.0;
        let coloured: f32 = self.filter.iter().zip(&self.past).map(|(a, y)| a * y).sum();
        let value = (white * self.gain + coloured).clamp(-3_000.0, 3_000.0);
        self.past.copy_within(..ORDER - 1, 1);
        self.past[0] = value;
        value
    }
}

/// The predictor of a signal with this autocorrelation, and the share of its energy that is left over (Levinson and Durbin).
fn levinson(correlation: &[f32; ORDER + 1]) -> ([f32; ORDER], f32) {
    let (mut filter, mut left) = ([0.0f32; ORDER], correlation[0]);
    for order in 0..ORDER {
        let known: f32 = (0..order).map(|n| filter[n] * correlation[order - n]).sum();
        let k = ((correlation[order + 1] - known) / left).clamp(-0.98, 0.98);
        step_up(&mut filter, order, k);
        left *= 1.0 - k * k;
    }
    (filter, left / correlation[0])
}

/// One more reflection coefficient.
fn step_up(filter: &mut [f32; ORDER], order: usize, k: f32) {
    let before = *filter;
    for n in 0..order {
        filter[n] = before[n] - k * before[order - 1 - n];
    }
    filter[order] = k;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level(pcm: &[i16]) -> f64 {
        let mean = pcm.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / pcm.len() as f64;
        10.0 * (mean.max(1e-9) / 32_768.0f64.powi(2)).log10()
    }

    /// Correlation of neighbours: 0 white, towards 1 dull.
    fn colour(pcm: &[i16]) -> f64 {
        let cross: f64 = pcm.windows(2).map(|w| f64::from(w[0]) * f64::from(w[1])).sum();
        cross / pcm.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>()
    }

    #[test]
    fn noise_like_that_of_the_room() {
        let (mut comfort, mut chance, mut last) = (Comfort::default(), 1u32, 0.0f32);
        let mut room = |loud: f32| -> Vec<i16> {
            (0..160)
                .map(|_| {
                    chance = chance.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    last = 0.8 * last + ((chance >> 8) as f32 / 8_388_608.0 - 1.0) * loud;
                    last as i16
                })
                .collect()
        };
        let sample: Vec<i16> = (0..50).flat_map(|_| room(60.0)).collect();
        for n in 0..200 {
            comfort.learn(&room(if n % 3 == 0 { 60.0 } else { 3_000.0 }));
        }
        let mut made = vec![0; 8_000];
        comfort.make(&mut made);
        assert!((level(&made) - level(&sample)).abs() < 4.0, "{} for {}", level(&made), level(&sample));
        assert!((colour(&made) - colour(&sample)).abs() < 0.15, "{} for {}", colour(&made), colour(&sample));
    }

    #[test]
    fn a_tone_is_no_noise_and_nothing_is_silence() {
        let (mut comfort, mut made) = (Comfort::default(), vec![1; 800]);
        comfort.make(&mut made);
        assert_eq!(made, vec![0; 800]);
        let tone: Vec<i16> = (0..160).map(|n| ((f64::from(n) * 0.35).sin() * 8_000.0) as i16).collect();
        comfort.learn(&tone);
        comfort.make(&mut made);
        assert_eq!(made, vec![0; 800]);
    }

    #[test]
    fn noise_as_it_was_told() {
        let (mut comfort, mut made) = (Comfort::default(), vec![0; 16_000]);
        assert!(!comfort.told(&[]));
        assert!(comfort.told(&[50]));
        comfort.make(&mut made);
        assert!((level(&made) + 50.0).abs() < 1.0 && colour(&made).abs() < 0.1, "{} {}", level(&made), colour(&made));
        // k1 = −0.79: the predictor's first coefficient is 0.79, the noise is dull
        assert!(comfort.told(&[60, 27]));
        comfort.make(&mut made);
        assert!(
            (level(&made) + 60.0).abs() < 1.5 && (colour(&made) - 0.79).abs() < 0.1,
            "{} {}",
            level(&made),
            colour(&made)
        );
        for n in 0..2_000u32 {
            let bytes: Vec<u8> = (0..12).map(|k| (n.wrapping_mul(2_654_435_761 + k * 977) >> 24) as u8).collect();
            comfort.told(&bytes);
            comfort.make(&mut made[..160]);
        }
    }
}
