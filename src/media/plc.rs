//! Packet loss concealment for G.711: the last pitch period again and again, fading (the idea of G.711 appendix I).

/// Shortest pitch period looked for: 200 Hz at 8 kHz; shorter ones repeat within it.
const PITCH_LEAST: usize = 40;
/// Longest: 66 Hz.
const PITCH_MOST: usize = 120;
/// The stretch that is compared, 20 ms.
const WINDOW: usize = 160;
const HISTORY: usize = PITCH_MOST + WINDOW;
/// Cross-fade back to real sound, 5 ms.
const FADE: usize = 40;
/// Full level for 10 ms, then down to nothing at 60 ms.
const HOLD: usize = 80;
const END: usize = 480;

/// Remembers what was played and makes up what is missing; 8 kHz.
#[derive(Debug, Clone)]
pub struct Plc {
    history: [i16; HISTORY],
    cycle: [i16; PITCH_MOST],
    pitch: usize,
    /// Samples made up since the last real one.
    made: usize,
}

impl Default for Plc {
    fn default() -> Self {
        Plc { history: [0; HISTORY], cycle: [0; PITCH_MOST], pitch: PITCH_MOST, made: 0 }
    }
}

impl Plc {
    /// Real sound came: its beginning is blended with the made-up sound before it.
    pub fn heard(&mut self, pcm: &mut [i16]) {
        if self.made > 0 {
            let len = FADE.min(pcm.len());
            for (n, sample) in pcm[..len].iter_mut().enumerate() {
                let share = (n as i32 + 1) * 256 / (len as i32 + 1);
                let old = i32::from(self.made_up(self.made + n));
                *sample = ((old * (256 - share) + i32::from(*sample) * share) / 256) as i16;
            }
            self.made = 0;
        }
        self.remember(pcm);
    }

    /// Sound is missing: fill `out`.
    pub fn conceal(&mut self, out: &mut [i16]) {
        if self.made == 0 {
            self.pitch = self.find_pitch();
            let start = HISTORY - self.pitch;
            self.cycle[..self.pitch].copy_from_slice(&self.history[start..]);
            let blend = self.pitch / 4; // the cycle's end leads back to its beginning
            for n in 0..blend {
                let share = (n * 256 / blend) as i32;
                let (end, before) = (self.history[HISTORY - blend + n], self.history[start - blend + n]);
                self.cycle[self.pitch - blend + n] =
                    ((i32::from(end) * (256 - share) + i32::from(before) * share) / 256) as i16;
            }
        }
        for (n, sample) in out.iter_mut().enumerate() {
            *sample = self.made_up(self.made + n);
        }
        self.made = (self.made + out.len()).min(END);
        self.remember(out);
    }

    fn made_up(&self, n: usize) -> i16 {
        let gain = END.saturating_sub(n.max(HOLD)) * 256 / (END - HOLD);
        (i32::from(self.cycle[n % self.pitch]) * gain as i32 / 256) as i16
    }

    fn remember(&mut self, pcm: &[i16]) {
        let new = &pcm[pcm.len().saturating_sub(HISTORY)..];
        self.history.copy_within(new.len().., 0);
        self.history[HISTORY - new.len()..].copy_from_slice(new);
    }

    /// The lag at which the last 20 ms resemble what was before, by normalised correlation.
    fn find_pitch(&self) -> usize {
        let recent = &self.history[HISTORY - WINDOW..];
        let (mut best, mut best_score) = (PITCH_MOST, 0.0f32);
        for lag in PITCH_LEAST..=PITCH_MOST {
            let past = &self.history[HISTORY - WINDOW - lag..HISTORY - lag];
            let (mut cross, mut energy) = (0.0f32, 1.0f32);
            for (&a, &b) in recent.iter().zip(past) {
                cross += f32::from(a) * f32::from(b);
                energy += f32::from(b) * f32::from(b);
            }
            let score = if cross > 0.0 { cross * cross / energy } else { 0.0 };
            if score > best_score {
                (best, best_score) = (lag, score);
            }
        }
        best
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tone_goes_on_and_fades() {
        let tone = |n: usize| ((n as f64 * 440.0 * std::f64::consts::TAU / 8000.0).sin() * 10_000.0) as i16;
        let mut plc = Plc::default();
        let mut pcm: Vec<i16> = (0..800).map(tone).collect();
        for frame in pcm.chunks_mut(160) {
            plc.heard(frame);
        }
        let mut made = [0i16; 160];
        plc.conceal(&mut made);
        let error: f64 = (0..80).map(|n| f64::from(made[n] - tone(800 + n)).powi(2)).sum::<f64>() / 80.0;
        assert!(error.sqrt() < 2_000.0, "rms error {}", error.sqrt());
        for _ in 0..3 {
            plc.conceal(&mut made);
        }
        assert_eq!(made, [0; 160], "silent after 60 ms");
    }

    #[test]
    fn silence_stays_silence() {
        let mut plc = Plc::default();
        let mut made = [1i16; 160];
        plc.conceal(&mut made);
        assert_eq!(made, [0; 160]);
    }
}
