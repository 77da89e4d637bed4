//! A tone as samples: its cadence, its fades, and its manners while the far end speaks. Pure.

use std::f64::consts::TAU;
use std::sync::Arc;

use super::plan::Pattern;
use crate::media::clip::Clip;
use crate::media::tones::Tones;

/// How long it fades in and out, ms: no click.
const FADE_MS: u32 = 5;
/// A bell's two frequencies take turns, ms.
const WARBLE_MS: u32 = 40;

/// What sounds, at one rate.
pub struct Voice {
    rate: u32,
    gain: f64,
    sound: Sound,
    /// Samples since it began, not counting the time that it waited.
    at: u64,
    /// 0 to 1: how much of it is heard now.
    level: f64,
    /// The far end spoke into this burst: its rest is left out.
    hushed: bool,
    stopped: bool,
}

enum Sound {
    Pattern { pattern: Pattern, phase: [f64; 2] },
    Clip { clip: Arc<Clip>, again: bool },
    Key(Tones),
}

/// Where a tone is in its cadence.
enum Moment {
    /// A burst, at its first sample, or within.
    On {
        first: bool,
    },
    Off,
    Over,
}

impl Voice {
    /// A synthesised tone; its peak is `db` dB of full scale.
    pub fn pattern(pattern: Pattern, db: i8, rate: u32) -> Voice {
        Voice::new(Sound::Pattern { pattern, phase: [0.0; 2] }, 32_767.0 * gain(db), rate)
    }

    /// A file.
    pub fn clip(clip: Arc<Clip>, again: bool, rate: u32) -> Voice {
        Voice::new(Sound::Clip { clip, again }, 1.0, rate)
    }

    /// A digit; none for what is none.
    pub fn key(digit: char, duration_ms: u32, db: i8, rate: u32) -> Option<Voice> {
        // a key's own loudness is that of the network
        Tones::new(digit, duration_ms, rate).map(|tones| Voice::new(Sound::Key(tones), gain(db), rate))
    }

    fn new(sound: Sound, gain: f64, rate: u32) -> Voice {
        Voice { rate, gain, sound, at: 0, level: 0.0, hushed: false, stopped: false }
    }

    /// Fades out.
    pub fn stop(&mut self) {
        self.stopped = true;
    }

    /// The next samples; true when there will be no more. While the far end `speaks` no burst begins, and one that sounds
    /// breaks off.
    pub fn next(&mut self, out: &mut [i16], speaks: bool) -> bool {
        if let Sound::Key(tones) = &mut self.sound {
            if self.stopped || (speaks && self.at == 0) {
                out.fill(0);
                return true;
            }
            self.at += out.len() as u64;
            let over = tones.next(out);
            out.iter_mut().for_each(|sample| *sample = (f64::from(*sample) * self.gain) as i16);
            return over;
        }
        let fade = 1_000.0 / f64::from(FADE_MS * self.rate);
        let mut over = false;
        for sample in out {
            let moment = self.moment();
            let wanted = match moment {
                Moment::On { first: true } if speaks && self.level == 0.0 => {
                    *sample = 0;
                    continue; // waits for a pause
                }
                Moment::On { first } => {
                    self.hushed = speaks || (self.hushed && !first);
                    !self.hushed
                }
                Moment::Off | Moment::Over => false,
            };
            over = matches!(moment, Moment::Over) && self.level == 0.0;
            let to = if wanted && !self.stopped { 1.0 } else { 0.0 };
            self.level += (to - self.level).clamp(-fade, fade);
            *sample = (self.sample() * self.level) as i16;
            self.at += 1;
        }
        over || (self.stopped && self.level == 0.0)
    }

    fn moment(&self) -> Moment {
        match &self.sound {
            Sound::Pattern { pattern, .. } => {
                let samples = |ms: u32| u64::from(ms) * u64::from(self.rate) / 1_000;
                let cycle = pattern.cadence.iter().map(|(on, off)| samples(on + off)).sum::<u64>().max(1);
                if pattern.times.is_some_and(|times| self.at >= u64::from(times) * cycle) {
                    return Moment::Over;
                }
                let mut at = self.at % cycle;
                for (on, off) in pattern.cadence {
                    match at {
                        at if at < samples(*on) => return Moment::On { first: at == 0 },
                        at if at < samples(on + off) => return Moment::Off,
                        _ => at -= samples(on + off),
                    }
                }
                Moment::Off
            }
            Sound::Clip { clip, again } => match clip.at(self.rate).len() as u64 {
                length if self.at < length || (*again && length > 0) => {
                    Moment::On { first: self.at.is_multiple_of(length) }
                }
                _ => Moment::Over,
            },
            Sound::Key(_) => Moment::Over,
        }
    }

    fn sample(&mut self) -> f64 {
        match &mut self.sound {
            Sound::Pattern { pattern, phase } => {
                let rate = f64::from(self.rate);
                for (phase, hz) in phase.iter_mut().zip(pattern.hz) {
                    *phase = (*phase + TAU * hz / rate) % TAU;
                }
                let [one, other] = phase.map(f64::sin);
                let wave = match (pattern.hz[1] > 0.0, pattern.warbles) {
                    (false, _) => one,
                    (true, false) => (one + other) / 2.0,
                    (true, true) => {
                        let turn = self.at * 1_000 / u64::from(self.rate) / u64::from(WARBLE_MS);
                        if turn.is_multiple_of(2) { one } else { other }
                    }
                };
                wave * self.gain
            }
            Sound::Clip { clip, .. } => {
                let pcm = clip.at(self.rate);
                let at = (self.at % pcm.len().max(1) as u64) as usize;
                f64::from(pcm.get(at).copied().unwrap_or(0)) * self.gain
            }
            Sound::Key(_) => 0.0,
        }
    }
}

fn gain(db: i8) -> f64 {
    10f64.powf(f64::from(db) / 20.0)
}

#[cfg(test)]
mod tests {
    use super::super::plan::{Country, pattern};
    use super::*;
    use crate::ua::media::Tone;

    const RATE: u32 = 48_000;

    fn listen(voice: &mut Voice, ms: u32, speaks: bool) -> Vec<i16> {
        let mut pcm = vec![0; (RATE / 1_000 * ms) as usize];
        pcm.chunks_mut(960).for_each(|part| {
            voice.next(part, speaks);
        });
        pcm
    }

    /// The amplitude of one frequency.
    fn amplitude(pcm: &[i16], hz: f64) -> f64 {
        let (mut re, mut im) = (0.0, 0.0);
        for (n, s) in pcm.iter().enumerate() {
            let at = n as f64 * hz * TAU / f64::from(RATE);
            re += f64::from(*s) * at.cos();
            im += f64::from(*s) * at.sin();
        }
        re.hypot(im) * 2.0 / pcm.len() as f64
    }

    /// Bursts and pauses, ms, as an ear has them: in windows of 5 ms.
    fn cadence(pcm: &[i16]) -> Vec<(bool, u32)> {
        let mut runs: Vec<(bool, u32)> = Vec::new();
        for window in pcm.chunks(RATE as usize / 200) {
            let loud = window.iter().any(|s| s.unsigned_abs() > 200);
            match runs.last_mut() {
                Some((last, ms)) if *last == loud => *ms += 5,
                _ => runs.push((loud, 5)),
            }
        }
        runs
    }

    #[test]
    fn frequencies_and_cadences_are_those_of_the_country() {
        // E.180 Supplement 2: frequencies and ms of on, off, …
        let table: [(Country, Tone, &[f64], &[u32]); 12] = [
            (Country::Eu, Tone::Ringback, &[425.0], &[1_000, 4_000]),
            (Country::Eu, Tone::Busy, &[425.0], &[500, 500]),
            (Country::Eu, Tone::Congestion, &[425.0], &[250, 250]),
            (Country::Us, Tone::Ringback, &[440.0, 480.0], &[2_000, 4_000]),
            (Country::Us, Tone::Busy, &[480.0, 620.0], &[500, 500]),
            (Country::Us, Tone::CallWaiting, &[440.0], &[300, 9_700]),
            (Country::Uk, Tone::Ringback, &[400.0, 450.0], &[400, 200, 400, 2_000]),
            (Country::Uk, Tone::Busy, &[400.0], &[375, 375]),
            (Country::Uk, Tone::Congestion, &[400.0], &[400, 350, 225, 525]),
            (Country::Cn, Tone::Ringback, &[450.0], &[1_000, 4_000]),
            (Country::Cn, Tone::Busy, &[450.0], &[350, 350]),
            (Country::Cn, Tone::Congestion, &[450.0], &[700, 700]),
        ];
        for (country, tone, hz, wanted) in table {
            let mut voice = Voice::pattern(pattern(country, tone).unwrap(), -20, RATE);
            let pcm = listen(&mut voice, 2 * wanted.iter().sum::<u32>(), false);
            let heard = cadence(&pcm);
            for (n, ms) in wanted.iter().chain(wanted).enumerate().take(heard.len() - 1) {
                let (loud, length) = heard[n];
                assert!(loud == n.is_multiple_of(2) && length.abs_diff(*ms) <= 10, "{country:?} {tone:?}: {heard:?}");
            }
            let burst = &pcm[480..(wanted[0] as usize - 10) * 48];
            let wanted = 3_276.0 / hz.len() as f64;
            for one in hz {
                let there = amplitude(burst, *one);
                assert!((there / wanted - 1.0).abs() < 0.15, "{country:?} {tone:?} {one} Hz: {there} of {wanted}");
            }
            let other = amplitude(burst, 1_900.0);
            assert!(other < 60.0, "{country:?} {tone:?}: {other} at 1900 Hz");
        }
    }

    #[test]
    fn no_burst_is_over_speech() {
        let waiting = pattern(Country::Uk, Tone::CallWaiting).unwrap();
        let mut voice = Voice::pattern(waiting, -20, RATE);
        assert!(listen(&mut voice, 5_000, true).iter().all(|s| *s == 0), "it waits for a pause");
        let heard = cadence(&listen(&mut voice, 1_000, false));
        assert!(heard[0].0 && heard[0].1.abs_diff(100) <= 10, "and is whole then: {heard:?}");
        let mut voice = Voice::pattern(pattern(Country::Eu, Tone::Ringback).unwrap(), -20, RATE);
        assert!(cadence(&listen(&mut voice, 300, false))[0].0);
        let broken = cadence(&listen(&mut voice, 300, true));
        assert!(broken[0].1 <= 15 && !broken[1].0, "it breaks off: {broken:?}");
        let rest = listen(&mut voice, 4_000, false);
        assert!(rest.iter().all(|s| *s == 0), "and does not come back before its next turn");
        assert!(Voice::key('5', 100, -20, RATE).unwrap().next(&mut [1; 960], true), "a key is left out");
    }

    #[test]
    fn a_file_stands_for_a_tone() {
        let clip = Arc::new(Clip::of(&[5_000; 4_800], RATE));
        let mut voice = Voice::clip(clip.clone(), true, RATE);
        let pcm = listen(&mut voice, 1_000, false);
        assert!(pcm[960..].iter().all(|s| (4_500..5_500).contains(s)), "again and again");
        let mut voice = Voice::clip(clip.clone(), false, RATE);
        let heard = cadence(&listen(&mut voice, 300, false));
        assert!(heard[0].0 && heard[0].1.abs_diff(100) <= 10 && heard.len() == 2, "once: {heard:?}");
        assert!(voice.next(&mut [0; 960], false));
        let mut voice = Voice::clip(clip, true, RATE);
        assert!(listen(&mut voice, 500, true).iter().all(|s| *s == 0), "it waits for a pause too");
    }

    #[test]
    fn what_ends_ends_without_a_click() {
        let mut voice = Voice::pattern(pattern(Country::Eu, Tone::CallEnded).unwrap(), -20, RATE);
        let heard = cadence(&listen(&mut voice, 1_300, false));
        assert_eq!(heard.iter().filter(|(loud, _)| *loud).count(), 3, "{heard:?}");
        assert!(voice.next(&mut [0; 960], false), "three bursts, then no more");
        let mut voice = Voice::pattern(pattern(Country::Eu, Tone::Busy).unwrap(), -20, RATE);
        let before = *listen(&mut voice, 100, false).last().unwrap();
        voice.stop();
        let mut pcm = [1; 960];
        assert!(voice.next(&mut pcm, false));
        let mut last = before;
        for sample in pcm {
            assert!((i32::from(sample) - i32::from(last)).abs() < 400, "a click");
            last = sample;
        }
        assert!(pcm[300..].iter().all(|s| *s == 0));
    }
}
