//! Digits as two tones in the sound (ITU-T Q.23), for a far end that takes them in no other way. Pure.

use std::f64::consts::TAU;

/// Rows and columns, Hz.
const LOW: [f64; 4] = [697.0, 770.0, 852.0, 941.0];
const HIGH: [f64; 4] = [1_209.0, 1_336.0, 1_477.0, 1_633.0];
const KEYS: &[u8; 16] = b"123A456B789C*0#D";
/// Peaks of the two: −6 and −4 dBm0, where the greatest sine of G.711 is +3.17 dBm0.
const PEAKS: [f64; 2] = [11_400.0, 14_350.0];
/// The shortest that a receiver has to take, with room for the packets at its ends, ms.
const SHORTEST_MS: u32 = 50;
/// How long it fades in and out, ms: no click on either side.
const FADE_MS: u32 = 2;

/// A digit that sounds.
#[derive(Debug, Clone)]
pub struct Tones {
    digit: char,
    hz: [f64; 2],
    rate: u32,
    /// Samples that have sounded, of so many.
    at: u32,
    length: u32,
}

impl Tones {
    /// A digit (`0-9*#A-D`) at `rate`, Hz; none for any other character.
    pub fn new(digit: char, duration_ms: u32, rate: u32) -> Option<Self> {
        let key = KEYS.iter().position(|key| char::from(*key) == digit.to_ascii_uppercase())?;
        let length = u64::from(duration_ms.max(SHORTEST_MS)) * u64::from(rate) / 1_000;
        let length = u32::try_from(length).unwrap_or(u32::MAX);
        Some(Tones { digit, hz: [LOW[key / 4], HIGH[key % 4]], rate, at: 0, length })
    }

    /// The digit.
    pub fn digit(&self) -> char {
        self.digit
    }

    /// Goes on at another rate: the codec has changed.
    pub fn set_rate(&mut self, rate: u32) {
        let scale = |samples: u32| (u64::from(samples) * u64::from(rate) / u64::from(self.rate.max(1))) as u32;
        (self.at, self.length) = (scale(self.at), scale(self.length));
        self.rate = rate;
    }

    /// Sounds in place of the microphone; true when it is over. What is left of `pcm` is silence.
    pub fn next(&mut self, pcm: &mut [i16]) -> bool {
        let fade = f64::from(self.rate / 1_000 * FADE_MS).max(1.0);
        for sample in pcm {
            *sample = 0;
            if self.at < self.length {
                let [low, high] =
                    [0, 1].map(|n| (f64::from(self.at) * self.hz[n] * TAU / f64::from(self.rate)).sin() * PEAKS[n]);
                let edge = f64::from(self.at.min(self.length - 1 - self.at));
                *sample = ((low + high) * (edge / fade).min(1.0)) as i16;
                self.at += 1;
            }
        }
        self.at >= self.length
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The share of the energy that is at one frequency.
    fn share(pcm: &[i16], rate: u32, hz: f64) -> f64 {
        let sum = |wave: fn(f64) -> f64| -> f64 {
            let at = |n: usize| n as f64 * hz * TAU / f64::from(rate);
            pcm.iter().enumerate().map(|(n, s)| f64::from(*s) * wave(at(n))).sum()
        };
        let energy: f64 = pcm.iter().map(|s| f64::from(*s).powi(2)).sum();
        2.0 * (sum(f64::sin).powi(2) + sum(f64::cos).powi(2)) / (pcm.len() as f64 * energy)
    }

    #[test]
    fn each_key_has_its_two_tones() {
        for rate in [8_000, 48_000] {
            for (n, key) in KEYS.iter().enumerate() {
                let mut tones = Tones::new(char::from(*key).to_ascii_lowercase(), 100, rate).unwrap();
                let mut pcm = vec![0; rate as usize / 10];
                let (half, rest) = pcm.split_at_mut(rate as usize / 25);
                assert!(!tones.next(half) && tones.next(rest), "100 ms in all");
                let (low, high) = (share(&pcm, rate, LOW[n / 4]), share(&pcm, rate, HIGH[n % 4]));
                assert!(low > 0.3 && high > 0.5 && low + high > 0.9, "{key} at {rate}: {low} {high}");
                assert!(pcm.iter().all(|s| s.abs() < 26_000) && pcm[0] == 0 && pcm[pcm.len() - 1] == 0);
            }
        }
        assert!(Tones::new('x', 100, 8_000).is_none() && Tones::new(',', 100, 8_000).is_none());
    }

    #[test]
    fn it_ends_where_it_shall() {
        let mut tones = Tones::new('5', 1, 8_000).unwrap();
        let mut pcm = [1; 480];
        assert!(tones.next(&mut pcm), "50 ms at least, and no more");
        assert!(pcm[300..390].iter().any(|s| s.abs() > 1_000) && pcm[400..].iter().all(|s| *s == 0));
        let mut moved = Tones::new('5', 100, 8_000).unwrap();
        assert!(!moved.next(&mut pcm));
        moved.set_rate(48_000);
        assert!(!moved.next(&mut [0; 1_900]) && moved.next(&mut [0; 20]), "40 of the 100 ms are left");
    }
}
