//! How loud it is, in dBov (0 is the loudest square wave, RFC 6464 §3). Pure.

/// What silence reads.
pub const SILENCE: f64 = -127.0;

/// Full scale, as devices with a limiter of their own give it too.
const FULL: u16 = 32_700;

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

/// A microphone: how loud it is, and how much of it is at full scale.
#[derive(Debug, Clone)]
pub struct Microphone {
    level: Level,
    clipped: u32,
    count: u32,
    share: f64,
}

impl Microphone {
    /// For a device with this rate, Hz.
    pub fn new(rate: u32) -> Self {
        Microphone { level: Level::new(rate), clipped: 0, count: 0, share: 0.0 }
    }

    /// What it gave.
    pub fn note(&mut self, pcm: &[i16]) {
        self.level.note(pcm);
        self.clipped += pcm.iter().filter(|sample| sample.unsigned_abs() >= FULL).count() as u32;
        self.count += pcm.len() as u32;
        if self.count >= self.level.window {
            self.share = f64::from(self.clipped) * 100.0 / f64::from(self.count);
            (self.clipped, self.count) = (0, 0);
        }
    }

    /// It was measured elsewhere.
    pub fn set(&mut self, dbov: f64, clipped_pct: f64) {
        (self.level.last, self.share) = (Some(dbov), clipped_pct);
    }

    /// Over the last whole second; none before it was heard for one.
    pub fn dbov(&self) -> Option<f64> {
        self.level.last
    }

    /// Share of the last whole second at full scale, percent.
    pub fn clipped_pct(&self) -> f64 {
        self.share
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
    fn a_microphone_that_is_too_loud() {
        let mut microphone = Microphone::new(8_000);
        microphone.note(&[i16::MIN; 7_000]);
        assert_eq!((microphone.dbov(), microphone.clipped_pct()), (None, 0.0), "a whole second first");
        microphone.note(&[100; 1_000]);
        assert_eq!(microphone.clipped_pct(), 87.5);
        microphone.note(&[0; 8_000]);
        assert_eq!((microphone.dbov(), microphone.clipped_pct()), (Some(SILENCE), 0.0));
    }

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
