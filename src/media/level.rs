//! How loud it is, in dBov (0 is the loudest square wave, RFC 6464 §3). Pure.

/// What silence reads.
pub const SILENCE: f64 = -127.0;

/// The level over windows of one second.
#[derive(Debug, Clone)]
pub struct Level {
    energy: u64,
    count: u32,
    window: u32,
    last: Option<f64>,
    frame: f64,
}

impl Level {
    /// For sound with this rate, Hz.
    pub fn new(rate: u32) -> Self {
        Level { energy: 0, count: 0, window: rate, last: None, frame: SILENCE }
    }

    /// One frame was heard.
    pub fn note(&mut self, pcm: &[i16]) {
        let energy: u64 =
            pcm.chunks(64).map(|c| c.iter().map(|s| i64::from(*s) * i64::from(*s)).sum::<i64>() as u64).sum();
        self.frame = dbov(energy, pcm.len() as u32);
        self.energy += energy;
        self.count += pcm.len() as u32;
        if self.count >= self.window {
            self.last = Some(dbov(self.energy, self.count));
            (self.energy, self.count) = (0, 0);
        }
    }

    /// Over the last whole second, or over less at the beginning.
    pub fn dbov(&self) -> f64 {
        self.last.unwrap_or_else(|| dbov(self.energy, self.count))
    }

    /// Of the last frame.
    pub fn frame_dbov(&self) -> f64 {
        self.frame
    }
}

fn dbov(energy: u64, count: u32) -> f64 {
    if energy == 0 || count == 0 {
        return SILENCE;
    }
    (10.0 * (energy as f64 / f64::from(count) / (32_768.0 * 32_768.0)).log10()).max(SILENCE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_scale_sine_and_silence() {
        let mut level = Level::new(8_000);
        assert_eq!(level.dbov(), SILENCE);
        let sine: Vec<i16> = (0..8_000).map(|n| ((f64::from(n) * 0.3).sin() * 32_767.0) as i16).collect();
        level.note(&sine);
        assert!((level.dbov() + 3.01).abs() < 0.05, "{}", level.dbov());
        level.note(&[0; 8_000]);
        assert_eq!(level.dbov(), SILENCE);
    }
}
