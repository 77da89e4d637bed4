//! Between the rates of codecs and those of programs: 8, 16 and 48 kHz. Pure.

use std::sync::LazyLock;

/// Taps for each phase.
const PER_PHASE: usize = 32;

/// A windowed sinc at 48 kHz with its −6 dB point a little below half of the lower rate.
fn filter(factor: usize) -> Vec<f32> {
    let taps = factor * PER_PHASE;
    let cutoff = 0.47 / factor as f64;
    let shape = |n: usize| {
        let (x, w) = (n as f64 - (taps - 1) as f64 / 2.0, n as f64 / (taps - 1) as f64 * std::f64::consts::TAU);
        let sinc = (2.0 * std::f64::consts::PI * cutoff * x).sin() / (std::f64::consts::PI * x);
        sinc * (0.42 - 0.5 * w.cos() + 0.08 * (2.0 * w).cos())
    };
    let sum: f64 = (0..taps).map(shape).sum();
    (0..taps).map(|n| (shape(n) / sum) as f32).collect()
}

static BY_3: LazyLock<Vec<f32>> = LazyLock::new(|| filter(3));
static BY_6: LazyLock<Vec<f32>> = LazyLock::new(|| filter(6));

/// From one rate to another, by way of 48 kHz.
pub struct Convert {
    from: u32,
    to: u32,
    up: Option<Stage>,
    down: Option<Stage>,
    wide: Vec<f32>,
}

struct Stage {
    factor: usize,
    taps: &'static [f32],
    history: Vec<f32>,
    /// Samples until the next one comes out.
    wait: usize,
}

impl Convert {
    /// None at other rates than 8, 16 and 48 kHz.
    pub fn new(from: u32, to: u32) -> Option<Convert> {
        let stage = |rate: u32, up: bool| match rate {
            48_000 => Some(None),
            16_000 => Some(Some(Stage::new(3, &BY_3, up))),
            8_000 => Some(Some(Stage::new(6, &BY_6, up))),
            _ => None,
        };
        let (up, down) = if from == to { (None, None) } else { (stage(from, true)?, stage(to, false)?) };
        Some(Convert { from, to, up, down, wide: Vec::new() })
    }

    /// What it turns into what.
    pub fn rates(&self) -> (u32, u32) {
        (self.from, self.to)
    }

    /// Appends to `out` what `pcm` becomes.
    pub fn process(&mut self, pcm: &[i16], out: &mut Vec<i16>) {
        if self.from == self.to {
            return out.extend_from_slice(pcm);
        }
        let Convert { up, down, wide, .. } = self;
        wide.clear();
        match up {
            Some(up) => pcm.iter().for_each(|sample| up.widen(f32::from(*sample), wide)),
            None => wide.extend(pcm.iter().map(|sample| f32::from(*sample))),
        }
        let round = |value: f32| value.round().clamp(-32_768.0, 32_767.0) as i16;
        match down {
            Some(down) => out.extend(wide.iter().filter_map(|sample| down.narrow(*sample)).map(round)),
            None => out.extend(wide.iter().copied().map(round)),
        }
    }
}

impl Stage {
    fn new(factor: usize, taps: &'static [f32], up: bool) -> Stage {
        Stage { factor, taps, history: vec![0.0; if up { PER_PHASE } else { taps.len() }], wait: factor - 1 }
    }

    fn widen(&mut self, sample: f32, out: &mut Vec<f32>) {
        self.history.rotate_right(1);
        self.history[0] = sample;
        for phase in 0..self.factor {
            let taps = self.taps[phase..].iter().step_by(self.factor);
            out.push(self.history.iter().zip(taps).map(|(h, t)| h * t).sum::<f32>() * self.factor as f32);
        }
    }

    fn narrow(&mut self, sample: f32) -> Option<f32> {
        self.history.rotate_left(1);
        if let Some(last) = self.history.last_mut() {
            *last = sample;
        }
        if self.wait > 0 {
            self.wait -= 1;
            return None;
        }
        self.wait = self.factor - 1;
        Some(self.history.iter().zip(self.taps).map(|(h, t)| h * t).sum())
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
        pcm.chunks(from as usize / 50).for_each(|part| convert.process(part, &mut out));
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
