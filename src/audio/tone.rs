//! A sine generator.

use std::f64::consts::TAU;

/// Peak of the tone: −12 dBFS.
const PEAK: f64 = 8231.0;

/// A sine by rotation: no table, no call of `sin` per sample.
pub(super) struct Tone {
    at: (f64, f64),
    step: (f64, f64),
}

impl Tone {
    /// `hz` at `rate`; refuses what the rate cannot carry.
    pub(super) fn new(hz: f64, rate: u32) -> Result<Tone, String> {
        if !(hz >= 1.0 && hz < f64::from(rate) / 2.0) {
            return Err(format!("a tone of {hz} Hz at {rate} Hz: between 1 and half the rate"));
        }
        let step = TAU * hz / f64::from(rate);
        Ok(Tone { at: (1.0, 0.0), step: (step.cos(), step.sin()) })
    }

    pub(super) fn read(&mut self, out: &mut [i16]) {
        let (cos, sin) = self.step;
        let (mut x, mut y) = self.at;
        for sample in out {
            *sample = (y * PEAK) as i16;
            (x, y) = (x * cos - y * sin, x * sin + y * cos);
        }
        // Rounding lets the radius creep; pull it back to 1.
        let radius = x.hypot(y);
        self.at = (x / radius, y / radius);
    }
}
