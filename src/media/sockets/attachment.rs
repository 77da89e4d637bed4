//! The worker's end of an audio socket: rings, and nothing that waits.

use std::array;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use rtrb::{Consumer, Producer, RingBuffer};

use super::{AHEAD, FRAMES, Frame, LONGEST, Shared};
use crate::ua::command::{AudioMode, AudioPort};

/// Sound from outside begins to be heard when so much of it is there, ms: its writer may stumble.
const PRIME_MS: usize = 40;

/// See the module. Dropping it tells the socket that the call is over.
pub struct Attachment {
    id: u64,
    mode: AudioMode,
    ports: [bool; 4],
    frames: Option<Producer<Frame>>,
    sounds: [Option<Sound>; 4],
    passed_ms: [u32; 4],
    shared: Arc<Shared>,
}

/// Sound from outside, for one point.
struct Sound {
    ring: Consumer<i16>,
    flows: bool,
}

/// The other end.
pub(super) struct Far {
    pub frames: Option<Consumer<Frame>>,
    pub sounds: [Option<Producer<i16>>; 4],
    pub shared: Arc<Shared>,
}

impl Attachment {
    pub(super) fn new(id: u64, mode: AudioMode, ports: &[AudioPort]) -> (Attachment, Far) {
        let mut wanted = [false; 4];
        ports.iter().for_each(|port| wanted[*port as usize] = true);
        let (near, far) = match mode {
            AudioMode::Tap | AudioMode::Replace => {
                let (near, far) = RingBuffer::new(FRAMES * ports.len().max(1));
                (Some(near), Some(far))
            }
            AudioMode::Inject => (None, None),
        };
        let (mut ends, mut sources) = ([const { None }; 4], [const { None }; 4]);
        for port in (0..4).filter(|port| wanted[*port] && mode != AudioMode::Tap) {
            let (producer, ring) = RingBuffer::new(AHEAD);
            (sources[port], ends[port]) = (Some(producer), Some(Sound { ring, flows: false }));
        }
        let shared = Arc::new(Shared::default());
        let attachment = Attachment {
            id,
            mode,
            ports: wanted,
            frames: near,
            sounds: ends,
            passed_ms: [0; 4],
            shared: shared.clone(),
        };
        (attachment, Far { frames: far, sounds: sources, shared })
    }

    /// Its name.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Nobody is at the other end any more.
    pub fn is_closed(&self) -> bool {
        self.shared.closed.load(Ordering::Relaxed)
    }

    /// Changes the sound at a point, if that is what it is for. `add` puts one sound on another.
    pub fn change(&mut self, port: AudioPort, clock: u32, pcm: &mut [i16], add: &mut impl FnMut(&mut [i16], &[i16])) {
        if self.mode == AudioMode::Tap || !self.ports[port as usize] {
            return;
        }
        if !self.shared.is_read.load(Ordering::Relaxed) {
            return; // nobody has come yet
        }
        if self.shared.rate.swap(clock, Ordering::Relaxed) != clock {
            self.sounds.iter_mut().flatten().for_each(Sound::clear);
        }
        if self.mode == AudioMode::Replace {
            self.push(port, clock, pcm);
        }
        let mut own: [i16; LONGEST] = [0; LONGEST];
        let Some(own) = own.get_mut(..pcm.len()) else { return };
        let flows = self.sounds[port as usize].as_mut().is_some_and(|sound| sound.read(clock, own));
        match self.mode {
            AudioMode::Replace => pcm.copy_from_slice(own),
            _ if flows => add(pcm, own),
            _ => {}
        }
    }

    /// Listens at a point, if that is what it is for.
    pub fn listen(&mut self, port: AudioPort, clock: u32, pcm: &[i16]) {
        if self.mode == AudioMode::Tap && self.ports[port as usize] {
            self.push(port, clock, pcm);
        }
    }

    fn push(&mut self, port: AudioPort, clock: u32, pcm: &[i16]) {
        let at_ms = self.passed_ms[port as usize];
        self.passed_ms[port as usize] = at_ms.wrapping_add(pcm.len() as u32 * 1_000 / clock.max(1));
        let Some(frames) = &mut self.frames else { return };
        if !self.shared.is_read.load(Ordering::Relaxed) {
            return;
        }
        let len = pcm.len().min(LONGEST);
        let pcm = array::from_fn(|n| if n < len { pcm[n] } else { 0 });
        if frames.push(Frame { port: port as u8, rate: clock, at_ms, len: len as u16, pcm }).is_err() {
            self.shared.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Attachment {
    fn drop(&mut self) {
        self.shared.call_ended.store(true, Ordering::Release);
    }
}

impl Sound {
    /// Fills `out`; false where there is nothing to be heard.
    fn read(&mut self, clock: u32, out: &mut [i16]) -> bool {
        let there = self.ring.slots();
        // what is left of a writer that has gone is heard too
        self.flows |= there >= clock as usize / 1_000 * PRIME_MS || (there > 0 && self.ring.is_abandoned());
        if !self.flows {
            return false;
        }
        let (_, rest) = self.ring.pop_partial_slice(out);
        self.flows = rest.is_empty();
        rest.fill(0);
        true
    }

    fn clear(&mut self) {
        if let Ok(chunk) = self.ring.read_chunk(self.ring.slots()) {
            chunk.commit_all();
        }
        self.flows = false;
    }
}
