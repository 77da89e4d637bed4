//! What is put into a session's sound besides its devices: the music that a held party hears. Pure, but for memory that is shared
//! with whoever loads the sound.

use std::sync::Arc;

use super::clip::{Loading, UNIT};

/// See the module.
#[derive(Default)]
pub struct Patch {
    music: Option<Turn>,
}

impl Patch {
    /// From now on this is heard in place of the microphone, round and round; what sounds already goes on.
    pub fn play_music(&mut self, clip: Option<Loading>) {
        let same = |turn: &Turn, clip: &Loading| Arc::ptr_eq(&turn.clip, clip);
        match (&self.music, clip) {
            (Some(turn), Some(clip)) if same(turn, &clip) => {}
            (_, clip) => self.music = clip.map(|clip| Turn { clip, at: 0 }),
        }
    }

    /// Sound on its way from the microphone, at `clock`. True: it is music now, and nobody else joins in.
    pub fn from_agent(&mut self, clock: u32, pcm: &mut [i16]) -> bool {
        let Some(music) = &mut self.music else { return false };
        music.read(clock, true, pcm);
        true
    }
}

/// A place in a clip.
struct Turn {
    clip: Loading,
    /// In samples at `UNIT`: codecs may change on the way.
    at: usize,
}

impl Turn {
    /// The next samples, silence where there are none. False: it is over.
    fn read(&mut self, clock: u32, again: bool, out: &mut [i16]) -> bool {
        let Some(pcm) = self.clip.get().map(|clip| clip.at(clock)).filter(|pcm| !pcm.is_empty()) else {
            out.fill(0);
            return self.clip.get().is_none();
        };
        let unit = (UNIT / clock.max(1)) as usize;
        let mut at = self.at / unit;
        for sample in out {
            if at >= pcm.len() && again {
                at = 0;
            }
            *sample = pcm.get(at).copied().unwrap_or(0);
            at += 1;
        }
        self.at = at.min(pcm.len()) * unit;
        again || at < pcm.len()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::OnceLock;

    use super::super::clip::Clip;
    use super::*;

    #[test]
    fn music_goes_round_and_stays_in_place_when_the_codec_changes() {
        let ramp: Vec<i16> = (0..8_000).map(|n| (n * 2) as i16).collect();
        let loading: Loading = Arc::new(OnceLock::new());
        let mut patch = Patch::default();
        let mut pcm = [7; 160];
        assert!(!patch.from_agent(8_000, &mut pcm) && pcm == [7; 160], "without music the microphone is heard");
        patch.play_music(Some(loading.clone()));
        assert!(patch.from_agent(8_000, &mut pcm) && pcm == [0; 160], "never the microphone, loaded or not");
        loading.set(Arc::new(Clip::of(&ramp, 8_000))).unwrap();
        for turn in 0..75 {
            patch.from_agent(8_000, &mut pcm);
            let first = turn % 50 * 320;
            assert_eq!((pcm[0], pcm[159]), (first as i16, (first + 318) as i16), "turn {turn}");
        }
        patch.play_music(Some(loading));
        let mut wide = [0; 960];
        patch.from_agent(48_000, &mut wide);
        assert!((7_950..8_050).contains(&wide[0]), "goes on: {}", wide[0]);
        patch.play_music(None);
        assert!(!patch.from_agent(8_000, &mut pcm));
    }
}
