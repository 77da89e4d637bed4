//! Packet loss concealment for codecs that have none of their own (G.711, G.722): the pitch of what was heard goes on, fading;
//! and where the frame after the gap is known already, the pitch is bent so that it meets it (after the idea of G.711 appendix I).

/// The pitch is looked for between 400 Hz and 62.5 Hz, periods in samples of 8 kHz.
const PITCH: std::ops::RangeInclusive<usize> = 20..=128;
/// The stretch that is compared, 20 ms, in samples of 8 kHz.
const WINDOW: usize = 160;
/// Cross-fade back to real sound, in samples of 8 kHz: 5 ms.
const FADE: usize = 40;
/// Full level for 20 ms, then down to nothing at 120 ms; in samples of 8 kHz.
const HOLD: usize = 160;
const END: usize = 960;
/// A frame this unlike what came before has no pitch: noise.
const VOICED: f32 = 0.5;

/// Remembers what was played and makes up what is missing.
#[derive(Debug, Clone)]
pub struct Plc {
    /// Samples at 8 kHz times this.
    scale: usize,
    history: Vec<i16>,
    /// The last pitch period, its end leading back to its beginning.
    cycle: Vec<f32>,
    /// Samples made up since the last real one.
    made: usize,
}

impl Plc {
    /// For sound at `rate`, a multiple of 8000 Hz.
    pub fn new(rate: u32) -> Plc {
        let scale = (rate as usize / 8_000).max(1);
        Plc { scale, history: vec![0; (2 * PITCH.end() + WINDOW) * scale], cycle: Vec::new(), made: 0 }
    }

    /// Real sound came: its beginning is blended with the made-up sound before it.
    pub fn heard(&mut self, pcm: &mut [i16]) {
        if self.made > 0 {
            let len = (FADE * self.scale).min(pcm.len());
            for (n, sample) in pcm[..len].iter_mut().enumerate() {
                let share = (n + 1) as f32 / (len + 1) as f32;
                let old = self.made_up(self.made + n);
                *sample = round(old * (1.0 - share) + f32::from(*sample) * share);
            }
            self.made = 0;
        }
        self.remember(pcm);
    }

    /// Sound is missing: fills `out`.
    pub fn conceal(&mut self, out: &mut [i16]) {
        if self.made == 0 {
            self.begin();
        }
        for (n, sample) in out.iter_mut().enumerate() {
            *sample = round(self.made_up(self.made + n));
        }
        self.made = (self.made + out.len()).min(END * self.scale);
        self.remember(out);
    }

    /// Sound is missing, but what comes after it is known: fills `out` so that it leads from one to the other.
    pub fn bridge(&mut self, next: &[i16], out: &mut [i16]) {
        if self.made > 0 || next.len() < 2 * FADE * self.scale {
            return self.conceal(out);
        }
        self.begin();
        let period = self.meet(next, out.len());
        let (back, pace) = self.backward(next);
        let len = out.len();
        for (n, sample) in out.iter_mut().enumerate() {
            let forward = turn(&self.cycle, n as f32 / period);
            // The way back in time from the next frame, at the same place of the pitch.
            let behind = turn(&back, (n as f32 - len as f32) / pace);
            let share = 0.5 - 0.5 * ((n as f32 + 0.5) / len as f32 * std::f32::consts::PI).cos();
            *sample = round(forward * (1.0 - share) + behind * share);
        }
        self.remember(out);
    }

    /// Takes the last pitch period.
    fn begin(&mut self) {
        let (pitch, likeness) = self.find_pitch();
        // Noise repeated fast would hum: as long a piece of it as there is.
        let pitch = if likeness < VOICED { PITCH.end() * self.scale } else { pitch };
        let end = self.history.len();
        let start = end - pitch;
        self.cycle.clear();
        self.cycle.extend(self.history[start..].iter().map(|s| f32::from(*s)));
        let blend = pitch / 4; // the cycle's end leads back to its beginning
        for n in 0..blend {
            let share = (n + 1) as f32 / (blend + 1) as f32;
            let before = f32::from(self.history[start - blend + n]);
            let last = &mut self.cycle[pitch - blend + n];
            *last = *last * (1.0 - share) + before * share;
        }
    }

    fn made_up(&self, n: usize) -> f32 {
        let (hold, end) = (HOLD * self.scale, END * self.scale);
        let gain = end.saturating_sub(n.max(hold)) as f32 / (end - hold) as f32;
        self.cycle.get(n % self.cycle.len().max(1)).copied().unwrap_or(0.0) * gain
    }

    fn remember(&mut self, pcm: &[i16]) {
        let len = self.history.len();
        let new = &pcm[pcm.len().saturating_sub(len)..];
        self.history.copy_within(new.len().., 0);
        self.history[len - new.len()..].copy_from_slice(new);
    }

    /// The lag at which the last 20 ms resemble what was before, and how much (normalised correlation).
    fn find_pitch(&self) -> (usize, f32) {
        let (len, window) = (self.history.len(), WINDOW * self.scale);
        let recent = &self.history[len - window..];
        let likeness = |lag: usize| alike(recent, &self.history[len - window - lag..len - lag], 1);
        let coarse = PITCH.map(|lag| lag * self.scale);
        let rough = |lag: usize| alike(recent, &self.history[len - window - lag..len - lag], self.scale);
        let best = coarse.map(|lag| (lag, rough(lag))).fold((0, -1.0f32), |a, b| if b.1 > a.1 { b } else { a }).0;
        let (low, high) = (PITCH.start() * self.scale, PITCH.end() * self.scale);
        let near = best.saturating_sub(self.scale - 1).max(low)..=(best + self.scale - 1).min(high);
        near.map(|lag| (lag, likeness(lag))).fold((high, 0.0), |a, b| if b.1 > a.1 { b } else { a })
    }

    /// The length of the period, a little off the cycle's own, with which the cycle arrives at `next` in phase after `gap` samples.
    fn meet(&self, next: &[i16], gap: usize) -> f32 {
        let own = self.cycle.len() as f32;
        let window = next.len().min(WINDOW / 2 * self.scale);
        let most = (own * own / gap as f32 / 2.0).min(own * 0.15); // half a period either way
        let candidates = (-12..=12).map(|step| own + most * step as f32 / 12.0);
        let score = |period: f32| {
            let (mut cross, mut energy) = (0.0, 1.0);
            for (n, sample) in next[..window].iter().enumerate().step_by(self.scale) {
                let made = turn(&self.cycle, (gap + n) as f32 / period);
                cross += made * f32::from(*sample);
                energy += made * made;
            }
            cross / energy.sqrt()
        };
        let best =
            candidates.map(|period| (period, score(period))).fold((own, 0.0), |a, b| if b.1 > a.1 { b } else { a });
        best.0
    }

    /// The first period of the frame after the gap, so that going backward from it is going on in it, and its length.
    fn backward(&self, next: &[i16]) -> (Vec<f32>, f32) {
        let own = self.cycle.len().min(next.len() * 4 / 5);
        let near = own * 4 / 5..=(own * 5 / 4).min(next.len() * 3 / 4);
        let likeness = |lag: usize| (lag, alike(&next[lag..], next, 1));
        let best = near.map(likeness).fold((own, VOICED), |a, b| if b.1 > a.1 { b } else { a });
        let len = best.0;
        let mut cycle: Vec<f32> = next[..len].iter().map(|s| f32::from(*s)).collect();
        let blend = (len / 4).min(next.len() - len);
        for n in 0..blend {
            // The beginning is reached from the end of the period: the sample after it shall lead there.
            let share = (n + 1) as f32 / (blend + 1) as f32;
            cycle[n] = f32::from(next[len + n]) * (1.0 - share) + cycle[n] * share;
        }
        (cycle, len as f32)
    }
}

/// The sample of a cycle at `turns` of it, between two by their mixture.
fn turn(cycle: &[f32], turns: f32) -> f32 {
    let at = turns.rem_euclid(1.0) * cycle.len() as f32;
    let (index, share) = (at as usize, at.fract());
    match (cycle.get(index), cycle.get((index + 1) % cycle.len().max(1))) {
        (Some(a), Some(b)) => a * (1.0 - share) + b * share,
        _ => cycle.first().copied().unwrap_or(0.0),
    }
}

/// How much two stretches are alike, −1 to 1, looking at each `step`th sample.
pub fn alike(one: &[i16], other: &[i16], step: usize) -> f32 {
    let (mut cross, mut first, mut second) = (0.0f32, 1.0f32, 1.0f32);
    for (a, b) in one.iter().zip(other).step_by(step) {
        let (a, b) = (f32::from(*a), f32::from(*b));
        cross += a * b;
        first += a * a;
        second += b * b;
    }
    cross / (first * second).sqrt()
}

fn round(value: f32) -> i16 {
    value.round().clamp(-32_768.0, 32_767.0) as i16
}

#[cfg(test)]
mod tests {
    use super::*;

    fn voice(rate: usize, n: usize) -> f32 {
        let t = n as f32 / rate as f32 * std::f32::consts::TAU;
        (1..=8).map(|k| (t * 137.0 * k as f32).sin() / k as f32).sum::<f32>() * 6_000.0
    }

    fn pcm(rate: usize, from_ms: usize, ms: usize) -> Vec<i16> {
        let len = rate / 1_000;
        (from_ms * len..(from_ms + ms) * len).map(|n| voice(rate, n) as i16).collect()
    }

    /// Noise to signal, dB.
    fn error(made: &[i16], real: &[i16]) -> f64 {
        let noise: f64 = made.iter().zip(real).map(|(m, r)| (f64::from(*m) - f64::from(*r)).powi(2)).sum();
        10.0 * (noise / real.iter().map(|r| f64::from(*r).powi(2)).sum::<f64>()).log10()
    }

    #[test]
    fn a_voice_goes_on_and_fades() {
        for rate in [8_000, 16_000] {
            let mut plc = Plc::new(rate as u32);
            pcm(rate, 0, 100).chunks_mut(rate / 50).for_each(|frame| plc.heard(frame));
            let mut made = vec![0; rate / 50];
            plc.conceal(&mut made);
            let off = error(&made, &pcm(rate, 100, 20));
            assert!(off < -10.0, "{rate}: {off} dB");
            (0..6).for_each(|_| plc.conceal(&mut made));
            assert!(made.iter().all(|s| *s == 0), "silent after 120 ms");
        }
    }

    #[test]
    fn a_bridge_meets_what_comes_after_it() {
        let rate = 8_000;
        let (mut guess, mut bridge) = (Plc::new(rate as u32), Plc::new(rate as u32));
        for plc in [&mut guess, &mut bridge] {
            pcm(rate, 0, 100).chunks_mut(160).for_each(|frame| plc.heard(frame));
        }
        // What comes next is a little off the old pitch's time.
        let next: Vec<i16> = (0..160).map(|n| voice(rate, 8 * 120 + 14 + n) as i16).collect();
        let (mut one, mut two) = (vec![0; 160], vec![0; 160]);
        guess.conceal(&mut one);
        bridge.bridge(&next, &mut two);
        let near = |made: &[i16]| {
            let before: Vec<i16> = (0..40).map(|n| voice(rate, 8 * 120 + 14 - 40 + n) as i16).collect();
            error(&made[120..], &before)
        };
        assert!(near(&two) < -8.0 && near(&two) < near(&one) - 6.0, "{} and {}", near(&two), near(&one));
        assert!((i32::from(two[159]) - i32::from(next[0])).abs() < 3_000, "no click");
    }

    #[test]
    fn silence_stays_silence() {
        let mut plc = Plc::new(8_000);
        let mut made = [1i16; 160];
        plc.conceal(&mut made);
        assert_eq!(made, [0; 160]);
        let mut plc = Plc::new(8_000);
        plc.bridge(&[0; 160], &mut made);
        assert_eq!(made, [0; 160]);
    }
}
