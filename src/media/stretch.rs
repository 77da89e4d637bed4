//! Sound a little faster or slower, its pitch as it was: a jump forward or back by a whole number of pitch periods, cross-faded
//! (waveform similarity overlap-add). Pure.

use super::plc::alike;

/// The shortest and the longest jump, µs.
const JUMPS_US: (u64, u64) = (2_500, 13_000);
/// Cross-fade, µs.
const FADE_US: u64 = 5_000;
/// What is compared lies around the jump, µs before and after.
const AROUND_US: u64 = 6_000;

/// A place where sound can be cut or repeated.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Jump {
    /// Samples: positive leaves so many out, negative repeats so many.
    pub by: isize,
    /// How much the two places are alike, −1 to 1.
    pub likeness: f32,
}

/// The best jump at `at`, forward for a positive `most` and at most so far (samples), else back. `sound[..at]` was played, the rest was
/// not. None: there is too little sound on one side for any.
pub fn find(sound: &[i16], at: usize, rate: u32, most: isize) -> Option<Jump> {
    let samples = |us: u64| (u64::from(rate) * us / 1_000_000) as usize;
    let (fade, around) = (samples(FADE_US), samples(AROUND_US));
    let step = (rate / 8_000).max(1) as usize;
    let (before, after) = (around.min(at), around.max(fade).min(sound.len() - at));
    if after < fade {
        return None;
    }
    let here = &sound[at - before..at + after];
    let there = |by: isize| {
        let start = (at - before).checked_add_signed(by)?;
        sound.get(start..start + before + after)
    };
    let score = |by: isize, step: usize| Some((by, alike(here, there(by)?, step)));
    let best = |a: Option<(isize, f32)>, b: (isize, f32)| match a {
        Some(a) if a.1 >= b.1 => Some(a),
        _ => Some(b),
    };
    let longest = samples(JUMPS_US.1).min(most.unsigned_abs());
    let lengths = (samples(JUMPS_US.0)..=longest).step_by(step);
    let rough = lengths.filter_map(|len| score(most.signum() * len as isize, step)).fold(None, best)?;
    let near = (1 - step as isize)..step as isize;
    let fine = near.filter_map(|off| score(rough.0 + off, 1)).filter(|(by, _)| by.unsigned_abs() <= longest);
    fine.fold(None, best).map(|(by, likeness)| Jump { by, likeness })
}

/// Jumps at `at`.
pub fn jump(sound: &mut Vec<i16>, at: usize, rate: u32, by: isize) {
    let fade = (u64::from(rate) * FADE_US / 1_000_000) as usize;
    let Some(from) = at.checked_add_signed(by).filter(|from| from + fade <= sound.len() && at + fade <= sound.len())
    else {
        return;
    };
    let blended: Vec<i16> = (0..fade)
        .map(|n| {
            let share = (n + 1) as f32 / (fade + 1) as f32;
            (f32::from(sound[at + n]) * (1.0 - share) + f32::from(sound[from + n]) * share).round() as i16
        })
        .collect();
    if by > 0 {
        sound.drain(at..from);
        sound[at..at + fade].copy_from_slice(&blended);
    } else {
        let again: Vec<i16> = blended.into_iter().chain(sound[from + fade..at + fade].iter().copied()).collect();
        sound.splice(at..at + fade, again);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(rate: u32, hz: f64, len: usize) -> Vec<i16> {
        let at = |n: usize| n as f64 * hz * std::f64::consts::TAU / f64::from(rate);
        (0..len).map(|n| ((at(n).sin() + 0.4 * (3.0 * at(n)).sin()) * 8_000.0) as i16).collect()
    }

    /// Its greatest step between two samples: a click is one.
    fn roughness(sound: &[i16]) -> i32 {
        sound.windows(2).map(|w| (i32::from(w[1]) - i32::from(w[0])).abs()).max().unwrap()
    }

    #[test]
    fn a_voice_is_shorter_or_longer_without_a_click() {
        for rate in [8_000, 16_000, 48_000] {
            let ms = rate as usize / 1_000;
            let usual = roughness(&tone(rate, 110.0, 100 * ms));
            for (most, wanted) in [(12, 9.09), (-12, -9.09), (25, 9.09)] {
                let mut sound = tone(rate, 110.0, 100 * ms);
                let found = find(&sound, 50 * ms, rate, most * ms as isize).unwrap();
                assert!(found.likeness > 0.99, "{rate} {found:?}");
                assert!((found.by as f64 / ms as f64 - wanted).abs() < 0.15, "{rate} {found:?}");
                jump(&mut sound, 50 * ms, rate, found.by);
                assert_eq!(sound.len() as isize, 100 * ms as isize - found.by);
                assert!(roughness(&sound) < usual * 11 / 10, "{rate} {most}");
            }
        }
    }

    #[test]
    fn where_there_is_too_little_nothing_happens() {
        let sound = tone(8_000, 110.0, 160);
        assert_eq!(find(&sound, 150, 8_000, 100), None);
        assert_eq!(find(&sound, 0, 8_000, -100), None, "nothing was played yet");
        assert_eq!(find(&sound, 100, 8_000, 10), None, "less than the shortest jump");
        let mut same = sound.clone();
        jump(&mut same, 150, 8_000, 100);
        assert_eq!(same, sound);
    }
}
