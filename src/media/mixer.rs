//! A conference in one tick: each far end's sound is added up, and each member sends its microphone and all of the sum but its
//! own share. Pure. All members of a conference are on one worker and step each 10 ms, so that they meet without a lock, and a
//! word reaches the others in the tick in which it is played here.

use super::resample::Resampler;
use crate::audio::Limiter;

/// The rate of the sum, Hz.
const RATE: u32 = 48_000;
/// Samples of a tick.
const TURN: usize = 480;

/// The sum of one conference in one tick.
pub struct Mix {
    total: [i32; TURN],
    members: usize,
}

impl Default for Mix {
    fn default() -> Self {
        Mix { total: [0; TURN], members: 0 }
    }
}

impl Mix {
    /// A new tick.
    pub fn clear(&mut self) {
        *self = Mix::default();
    }

    /// Some member came in this tick.
    pub fn is_used(&self) -> bool {
        self.members > 0
    }
}

/// What a session has to do with its conference.
pub struct Member {
    conference: u64,
    up: Resampler,
    down: Resampler,
    /// What it gave in this tick.
    own: [i16; TURN],
    others: Limiter,
    all: Limiter,
}

impl Member {
    /// Of the conference of that number, with sound at `clock`. None when it is none of 8, 16 and 48 kHz.
    pub fn new(conference: u64, clock: u32) -> Option<Member> {
        let (up, down) = (Resampler::new(clock, RATE)?, Resampler::new(RATE, clock)?);
        Some(Member { conference, up, down, own: [0; TURN], others: Limiter::default(), all: Limiter::default() })
    }

    /// Which conference.
    pub fn conference(&self) -> u64 {
        self.conference
    }

    /// Adds 10 ms of the far end's sound; none while it is held, or holds us.
    pub fn give(&mut self, pcm: Option<&[i16]>, mix: &mut Mix) {
        mix.members += 1;
        let Some(pcm) = pcm else { return self.own.fill(0) };
        self.up.process(pcm, &mut self.own);
        mix.total.iter_mut().zip(&self.own).for_each(|(total, own)| *total += i32::from(*own));
    }

    /// Adds what all others gave in this tick to 10 ms of the microphone.
    pub fn add_others(&mut self, mix: &Mix, pcm: &mut [i16]) {
        let (mut sum, mut wide, mut narrow) = ([0; TURN], [0; TURN], [0; TURN]);
        for ((sum, total), own) in sum.iter_mut().zip(&mix.total).zip(&self.own) {
            *sum = total - i32::from(*own);
        }
        self.others.limit(&sum, &mut wide);
        let (sum, narrow) = (&mut sum[..pcm.len()], &mut narrow[..pcm.len()]);
        self.down.process(&wide, narrow);
        for ((sum, voice), others) in sum.iter_mut().zip(&*pcm).zip(&*narrow) {
            *sum = i32::from(*voice) + i32::from(*others);
        }
        self.all.limit(sum, pcm);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ten milliseconds of a tone, in tick `turn`.
    fn tone(clock: u32, hz: f64, amplitude: f64, turn: usize) -> Vec<i16> {
        let len = clock as usize / 100;
        let at = |n: usize| (turn * len + n) as f64 * hz * std::f64::consts::TAU / f64::from(clock);
        (0..len).map(|n| (at(n).sin() * amplitude) as i16).collect()
    }

    fn amplitude(pcm: &[i16], clock: u32, hz: f64) -> f64 {
        let at = |n: usize| n as f64 * hz * std::f64::consts::TAU / f64::from(clock);
        let (mut re, mut im) = (0.0, 0.0);
        for (n, s) in pcm.iter().enumerate() {
            re += f64::from(*s) * at(n).cos();
            im += f64::from(*s) * at(n).sin();
        }
        re.hypot(im) * 2.0 / pcm.len() as f64
    }

    /// Members with these clocks and tones, and a microphone of 2.6 kHz: what each is sent in the last 100 of 120 ticks.
    fn meet(members: &[(u32, f64, f64)]) -> Vec<Vec<i16>> {
        let mut mix = Mix::default();
        let mut all: Vec<(Member, Vec<i16>)> =
            members.iter().map(|(clock, ..)| (Member::new(7, *clock).unwrap(), Vec::new())).collect();
        for turn in 0..120 {
            mix.clear();
            for ((member, _), (clock, hz, loud)) in all.iter_mut().zip(members) {
                member.give(Some(&tone(*clock, *hz, *loud, turn)), &mut mix);
            }
            for ((member, sent), (clock, ..)) in all.iter_mut().zip(members) {
                let mut pcm = tone(*clock, 2_600.0, 5_000.0, turn);
                member.add_others(&mix, &mut pcm);
                if turn >= 20 {
                    sent.append(&mut pcm);
                }
            }
        }
        all.into_iter().map(|(_, sent)| sent).collect()
    }

    #[test]
    fn each_hears_all_but_itself() {
        let members = [(8_000, 400.0, 5_000.0), (48_000, 1_000.0, 5_000.0), (8_000, 1_700.0, 5_000.0)];
        for (heard, (clock, own, _)) in meet(&members).iter().zip(members) {
            for hz in [400.0, 1_000.0, 1_700.0, 2_600.0] {
                let there = amplitude(heard, clock, hz);
                let wanted = if hz == own { 0.0..30.0 } else { 4_700.0..5_300.0 };
                assert!(wanted.contains(&there), "{hz} Hz: {there} to the one with {own} Hz");
            }
        }
    }

    #[test]
    fn too_much_is_turned_down_and_not_clipped() {
        let members = [(48_000, 400.0, 25_000.0), (48_000, 1_000.0, 25_000.0), (8_000, 1_700.0, 25_000.0)];
        let sent = meet(&members);
        let heard = &sent[0];
        assert!(heard.iter().all(|s| s.unsigned_abs() <= 30_001), "{:?}", heard.iter().max());
        let (two, three) = (amplitude(heard, 48_000, 1_000.0), amplitude(heard, 48_000, 1_700.0));
        assert!(two > 11_000.0 && (two / three - 1.0).abs() < 0.1, "{two} and {three}");
        // What clipping would make of the two: 2 · 1000 − 1700 and 3 · 1000.
        for hz in [300.0, 3_000.0] {
            assert!(amplitude(heard, 48_000, hz) < 250.0, "{hz} Hz: {}", amplitude(heard, 48_000, hz));
        }
    }

    #[test]
    fn a_word_is_heard_in_the_same_tick() {
        for (from, to) in [(8_000u32, 8_000u32), (48_000, 48_000), (8_000, 48_000), (48_000, 8_000)] {
            let (mut one, mut two) = (Member::new(1, from).unwrap(), Member::new(1, to).unwrap());
            let mut mix = Mix::default();
            let mut click = vec![0; from as usize / 100];
            click[0] = 20_000;
            one.give(Some(&click), &mut mix);
            two.give(None, &mut mix);
            let mut pcm = vec![0; to as usize / 100];
            two.add_others(&mix, &mut pcm);
            let peak = (0..pcm.len()).max_by_key(|n| pcm[*n].abs()).unwrap();
            assert!(pcm[peak] != 0 && peak * 1_000 / to as usize <= 5, "{from} to {to}: after {peak} samples");
        }
    }

    #[test]
    fn who_gives_nothing_hears_the_others() {
        let (mut held, mut other) = (Member::new(1, 48_000).unwrap(), Member::new(1, 48_000).unwrap());
        let mut mix = Mix::default();
        held.give(Some(&[900; TURN]), &mut mix);
        mix.clear();
        assert!(!mix.is_used());
        held.give(None, &mut mix);
        other.give(Some(&[100; TURN]), &mut mix);
        let (mut to_held, mut to_other) = ([0; TURN], [1; TURN]);
        held.add_others(&mix, &mut to_held);
        other.add_others(&mix, &mut to_other);
        assert_eq!((to_held, to_other), ([100; TURN], [1; TURN]));
    }
}
