//! What is put into a session's sound besides its devices, and who listens to it besides them: the music that a held party hears,
//! announcements, audio sockets. Nothing here waits or allocates; what it plays and to whom it tells is shared through rings and
//! cells that others fill.

use std::sync::Arc;

use super::clip::{Loading, UNIT};
use super::sockets::Attachment;
use crate::audio::Limiter;
use crate::ua::command::{AudioPort, PlayTo};

/// Samples of the longest step: 20 ms at 48 kHz.
const LONGEST: usize = 960;

/// See the module.
#[derive(Default)]
pub struct Patch {
    music: Option<Turn>,
    play: Option<Play>,
    sockets: Vec<Attachment>,
    /// One a point.
    limiters: [Limiter; 4],
}

/// An announcement.
struct Play {
    id: u64,
    again: bool,
    /// Where it is at the customer's ear and at the agent's; none: not there, or not any more.
    remote: Option<Turn>,
    local: Option<Turn>,
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

    /// An announcement of that name, in place of the one before; none: no more.
    pub fn play(&mut self, play: Option<(u64, Loading, PlayTo, bool)>) {
        self.play = play.map(|(id, clip, to, again)| {
            let turn = |wanted: bool| wanted.then(|| Turn { clip: clip.clone(), at: 0 });
            Play { id, again, remote: turn(to.remote()), local: turn(to.local()) }
        });
    }

    /// The name of an announcement that has just ended.
    pub fn played(&mut self) -> Option<u64> {
        self.play.take_if(|play| play.remote.is_none() && play.local.is_none()).map(|play| play.id)
    }

    /// An audio socket joins.
    pub fn attach(&mut self, socket: Attachment) {
        self.sockets.push(socket);
    }

    /// An audio socket leaves.
    pub fn detach(&mut self, id: u64) {
        self.sockets.retain(|socket| socket.id() != id);
    }

    /// What the far end says, at `clock`.
    pub fn customer_mouth(&mut self, clock: u32, pcm: &mut [i16]) {
        self.sockets.retain(|socket| !socket.is_closed());
        self.pass(AudioPort::CustomerMouth, clock, pcm);
    }

    /// What the agent is about to hear.
    pub fn agent_ear(&mut self, clock: u32, pcm: &mut [i16]) {
        if let Some(play) = &mut self.play {
            add_turn(&mut play.local, play.again, &mut self.limiters[AudioPort::AgentEar as usize], clock, pcm);
        }
        self.pass(AudioPort::AgentEar, clock, pcm);
    }

    /// Sound on its way from the microphone. True: it is music now, and nobody else joins in.
    pub fn agent_mouth(&mut self, clock: u32, pcm: &mut [i16]) -> bool {
        self.pass(AudioPort::AgentMouth, clock, pcm);
        let Some(music) = &mut self.music else { return false };
        music.read(clock, true, pcm);
        true
    }

    /// What the far end is about to hear; nothing while nothing is sent.
    pub fn customer_ear(&mut self, clock: u32, sending: bool, pcm: &mut [i16]) {
        if let Some(play) = &mut self.play {
            add_turn(&mut play.remote, play.again, &mut self.limiters[AudioPort::CustomerEar as usize], clock, pcm);
        }
        if !sending {
            pcm.fill(0);
        }
        self.pass(AudioPort::CustomerEar, clock, pcm);
    }

    fn pass(&mut self, port: AudioPort, clock: u32, pcm: &mut [i16]) {
        let limiter = &mut self.limiters[port as usize];
        let mut put = |pcm: &mut [i16], other: &[i16]| add(limiter, pcm, other);
        self.sockets.iter_mut().for_each(|socket| socket.change(port, clock, pcm, &mut put));
        self.sockets.iter_mut().for_each(|socket| socket.listen(port, clock, pcm));
    }
}

/// Adds what comes next of an announcement; one that is over is none.
fn add_turn(turn: &mut Option<Turn>, again: bool, limiter: &mut Limiter, clock: u32, pcm: &mut [i16]) {
    let mut one = [0; LONGEST];
    let (Some(playing), Some(one)) = (turn.as_mut(), one.get_mut(..pcm.len())) else { return };
    let goes_on = playing.read(clock, again, one);
    add(limiter, pcm, one);
    if !goes_on {
        *turn = None;
    }
}

fn add(limiter: &mut Limiter, pcm: &mut [i16], other: &[i16]) {
    let mut sum = [0; LONGEST];
    let Some(sum) = sum.get_mut(..pcm.len()) else { return };
    for ((sum, one), other) in sum.iter_mut().zip(&*pcm).zip(other) {
        *sum = i32::from(*one) + i32::from(*other);
    }
    limiter.limit(sum, pcm);
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
    fn an_announcement_is_added_and_ends_at_both_ears() {
        let loading: Loading = Arc::new(OnceLock::new());
        let mut patch = Patch::default();
        patch.play(Some((7, loading.clone(), PlayTo::Both, false)));
        let turn = |patch: &mut Patch| {
            let (mut agent, mut customer) = ([100; 160], [200; 160]);
            patch.agent_ear(8_000, &mut agent);
            patch.customer_ear(8_000, true, &mut customer);
            (agent[80], customer[80], patch.played())
        };
        assert_eq!(turn(&mut patch), (100, 200, None), "not loaded yet: nothing is heard, nothing is over");
        loading.set(Arc::new(Clip::of(&[1_000; 320], 8_000))).unwrap();
        let (agent, customer, over) = turn(&mut patch);
        assert!((1_050..1_150).contains(&agent) && (1_150..1_250).contains(&customer) && over.is_none());
        assert_eq!(turn(&mut patch).2, Some(7));
        assert_eq!(turn(&mut patch), (100, 200, None));
        patch.play(Some((8, loading, PlayTo::Local, true)));
        for _ in 0..5 {
            let (agent, customer, over) = turn(&mut patch);
            assert!(agent > 1_000 && customer == 200 && over.is_none(), "again and again, for one alone");
        }
        patch.play(None);
        assert_eq!(turn(&mut patch), (100, 200, None));
    }

    #[test]
    fn music_goes_round_and_stays_in_place_when_the_codec_changes() {
        let ramp: Vec<i16> = (0..8_000).map(|n| (n * 2) as i16).collect();
        let loading: Loading = Arc::new(OnceLock::new());
        let mut patch = Patch::default();
        let mut pcm = [7; 160];
        assert!(!patch.agent_mouth(8_000, &mut pcm) && pcm == [7; 160], "without music the microphone is heard");
        patch.play_music(Some(loading.clone()));
        assert!(patch.agent_mouth(8_000, &mut pcm) && pcm == [0; 160], "never the microphone, loaded or not");
        loading.set(Arc::new(Clip::of(&ramp, 8_000))).unwrap();
        for turn in 0..75 {
            patch.agent_mouth(8_000, &mut pcm);
            let first = turn % 50 * 320;
            assert_eq!((pcm[0], pcm[159]), (first as i16, (first + 318) as i16), "turn {turn}");
        }
        patch.play_music(Some(loading));
        let mut wide = [0; 960];
        patch.agent_mouth(48_000, &mut wide);
        assert!((7_950..8_050).contains(&wide[0]), "goes on: {}", wide[0]);
        patch.play_music(None);
        assert!(!patch.agent_mouth(8_000, &mut pcm));
    }
}
