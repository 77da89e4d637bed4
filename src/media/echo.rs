//! Whether what we say comes back: the loudness of what we send against that of what we hear a moment later. Pure.
//!
//! Loudness is one number per 20 ms, so this costs next to nothing, survives any codec, and hears no words. It needs a voice: a tone
//! that does not change cannot be told from another one.

use crate::ua::media::Echo;

/// So much is looked at, steps of 20 ms: 8 s.
const LONG: usize = 400;
/// What comes back sooner is no echo of the far end's, steps: 40 ms.
const SOONEST: usize = 2;
/// What comes back later is not looked for, steps: 700 ms.
const LATEST: usize = 35;
/// Quieter than this is all the same, dBov.
const FLOOR: f32 = -60.0;
/// We speak, dBov.
const SPEECH: f32 = -42.0;
/// So much of what is looked at must be after a word of ours, steps: 2 s.
const ENOUGH: usize = 100;
/// A voice rises and falls by this, dB.
const LIVELY: f32 = 5.0;
/// So alike are a voice and its echo, and never two voices.
const ALIKE: f32 = 0.75;

/// The last seconds of both ways.
#[derive(Debug, Clone)]
pub struct EchoFinder {
    /// Sent and heard, dBov, a ring.
    steps: Vec<(f32, f32)>,
    at: usize,
    filled: usize,
    /// The first half of a step, where steps are of 10 ms.
    half: Option<(f32, f32)>,
}

impl Default for EchoFinder {
    fn default() -> Self {
        EchoFinder { steps: vec![(FLOOR, FLOOR); LONG], at: 0, filled: 0, half: None }
    }
}

impl EchoFinder {
    /// A step of 10 or 20 ms: how loud was what we sent, and what we heard, dBov.
    pub fn note(&mut self, step_ms: u32, sent: f64, heard: f64) {
        let clean = |level: f64| (level as f32).clamp(FLOOR, 0.0);
        let mut step = (clean(sent), clean(heard));
        if step_ms < 20 {
            let Some(half) = self.half.take() else { return self.half = Some(step) };
            step = (half.0.max(step.0), half.1.max(step.1));
        }
        self.steps[self.at] = step;
        self.at = (self.at + 1) % LONG;
        self.filled = (self.filled + 1).min(LONG);
    }

    /// The echo of the last seconds, if there is one.
    pub fn find(&self) -> Option<Echo> {
        let step = |n: usize| self.steps[(self.at + LONG - self.filled + n) % LONG];
        // Only where a word of ours may come back: whoever speaks in between is not held against it.
        let (mut places, mut quiet) = (Vec::with_capacity(LONG), LATEST);
        for n in 0..self.filled {
            quiet = if step(n).0 > SPEECH { 0 } else { quiet + 1 };
            if n >= LATEST && quiet < LATEST {
                places.push(n);
            }
        }
        if places.len() < ENOUGH {
            return None;
        }
        let heard = Spread::of(places.iter().map(|n| step(*n).1));
        if heard.deviation < LIVELY {
            return None;
        }
        let alike = |lag: usize| {
            let sent = Spread::of(places.iter().map(|n| step(n - lag).0));
            let both: f32 = places.iter().map(|n| (step(n - lag).0 - sent.mean) * (step(*n).1 - heard.mean)).sum();
            let alike = both / (places.len() as f32 * sent.deviation * heard.deviation);
            (lag, if sent.deviation < LIVELY { 0.0 } else { alike }, sent.mean - heard.mean)
        };
        let best = (SOONEST..=LATEST).map(alike).max_by(|a, b| a.1.total_cmp(&b.1))?;
        let (lag, alike, loss) = best;
        (alike >= ALIKE).then(|| Echo { delay_ms: lag as u32 * 20, loss_db: f64::from(loss) })
    }
}

/// Mean and standard deviation.
struct Spread {
    mean: f32,
    deviation: f32,
}

impl Spread {
    fn of(values: impl Iterator<Item = f32> + Clone) -> Spread {
        let count = values.clone().count().max(1) as f32;
        let mean = values.clone().sum::<f32>() / count;
        Spread { mean, deviation: (values.map(|v| (v - mean).powi(2)).sum::<f32>() / count).sqrt() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A voice: words of different length and loudness, by a seed.
    fn voice(seed: u32, steps: usize) -> Vec<f64> {
        let mut chance = seed;
        let mut draw = move || {
            chance = chance.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            f64::from(chance >> 8) / f64::from(1u32 << 24)
        };
        let mut levels = Vec::new();
        while levels.len() < steps {
            let (loud, word, gap) = (-35.0 + 20.0 * draw(), 3 + (draw() * 12.0) as usize, 1 + (draw() * 8.0) as usize);
            levels.extend((0..word).map(|n| loud - 8.0 * (n as f64 / word as f64 - 0.4).abs() - 6.0 * draw()));
            levels.extend((0..gap).map(|_| -58.0));
        }
        levels.truncate(steps);
        levels
    }

    fn listen(sent: &[f64], heard: impl Fn(usize) -> f64) -> Option<Echo> {
        let mut finder = EchoFinder::default();
        (0..sent.len()).for_each(|n| finder.note(20, sent[n], heard(n)));
        finder.find()
    }

    #[test]
    fn a_voice_that_comes_back() {
        let sent = voice(1, 500);
        for (lag, loss) in [(3, 0.0), (12, 15.0), (30, 25.0)] {
            let back = |n: usize| if n < lag { -127.0 } else { sent[n - lag] - loss };
            let echo = listen(&sent, back).unwrap_or_else(|| panic!("not found at {lag}"));
            assert_eq!(echo.delay_ms, lag as u32 * 20, "{echo:?}");
            assert!((echo.loss_db - loss).abs() < loss / 2.0 + 1.0, "{echo:?}");
        }
        // In a conference steps are of 10 ms.
        let mut finder = EchoFinder::default();
        for n in 0..1_000 {
            finder.note(10, sent[n / 2], if n < 20 { -127.0 } else { sent[(n - 20) / 2] - 10.0 });
        }
        assert_eq!(finder.find().map(|echo| echo.delay_ms), Some(200));
    }

    #[test]
    fn what_is_no_echo() {
        let sent = voice(1, 500);
        for seed in 2..200 {
            let other = voice(seed, 500);
            assert_eq!(listen(&sent, |n| other[n]), None, "another voice: {seed}");
        }
        assert_eq!(listen(&sent, |_| -127.0), None, "silence");
        assert_eq!(listen(&sent, |n| sent[n]), None, "at once: that is our own device's");
        assert_eq!(listen(&[-127.0; 500], |n| sent[n]), None, "we say nothing");
        assert_eq!(listen(&[-20.0; 500], |_| -30.0), None, "tones");
        assert_eq!(listen(&sent[..90], |n| if n < 10 { -127.0 } else { sent[n - 10] }), None, "too short to tell");
    }
}
