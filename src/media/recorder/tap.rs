//! Where the tick leaves sound for the recorder: two rings with fixed bounds. No lock, no allocation, no waiting.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use rtrb::{Consumer, Producer, RingBuffer};

use crate::media::resample::Resampler;
use crate::ua::media::RecordEvent;

/// What the ring holds, s.
const SECONDS: usize = 2;
/// The longest step of a tick, samples at 48 kHz.
const LONGEST: usize = 960;
/// Marks that the recorder has not read.
const MARKS: usize = 256;
/// The consent beep: how long, ms, its pitch, Hz, and its amplitude.
const BEEP: (u32, f64, f64) = (200, 1_400.0, 3_000.0);

/// Whose sound it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Left: what we send.
    Agent = 0,
    /// Right: what is played here.
    Customer = 1,
}

/// Something that happened at a place of the recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// The place, in frames (one sample of each side).
    pub at: u64,
    /// What.
    pub kind: MarkKind,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MarkKind {
    /// Silence on purpose from here on.
    Pause,
    /// Sound again.
    Resume,
    /// So many frames are missing here, and are not in the ring either: they are to be written as silence.
    Gap(u64),
}

/// What is wanted of a tap: a flag, not an order, so that a pause works with a full queue too.
#[derive(Debug, Default)]
pub struct Control(AtomicU8);

const PAUSE: u8 = 1;
const STOP: u8 = 2;

impl Control {
    /// Silence from the next tick on, or sound again.
    pub fn pause(&self, paused: bool) {
        self.0.store(if paused { PAUSE } else { 0 }, Ordering::Relaxed);
    }

    /// No more of it.
    pub fn stop(&self) {
        self.0.store(STOP, Ordering::Relaxed);
    }
}

/// The tick's end.
pub struct Tap {
    control: Arc<Control>,
    rate: u32,
    /// The rate of what is noted; other than `rate` when the codec has changed since.
    clock: u32,
    resamplers: [Resampler; 2],
    sides: [[i16; LONGEST]; 2],
    samples: Producer<i16>,
    marks: Producer<Mark>,
    /// The recording's length so far, gaps too, frames.
    position: u64,
    /// At its end, what could not be laid into the ring.
    owed: u64,
    /// It was told that sound is being lost.
    stalled: bool,
    paused: bool,
    beeps: bool,
    /// How much of the beep each side has heard, frames at `clock`.
    beeped: [u32; 2],
}

/// A tap at `rate`, and the recorder's ends: interleaved samples, and marks. `beep`: both sides hear when it records.
pub fn tap(rate: u32, beep: bool) -> (Tap, Consumer<i16>, Consumer<Mark>) {
    let (samples, samples_out) = RingBuffer::new(SECONDS * 2 * rate as usize);
    let (marks, marks_out) = RingBuffer::new(MARKS);
    let tap = Tap {
        control: Arc::default(),
        rate,
        clock: rate,
        resamplers: [Resampler::Same, Resampler::Same],
        sides: [[0; LONGEST]; 2],
        samples,
        marks,
        position: 0,
        owed: 0,
        stalled: false,
        paused: false,
        beeps: beep,
        beeped: [0; 2],
    };
    (tap, samples_out, marks_out)
}

impl Tap {
    /// The rate of what is noted from now on.
    pub fn set_clock(&mut self, clock: u32) {
        if clock != self.clock {
            let new = || Resampler::new(clock, self.rate).unwrap_or(Resampler::Same);
            self.resamplers = [new(), new()];
            self.clock = clock;
        }
    }

    /// Steers it from elsewhere.
    pub fn control(&self) -> Arc<Control> {
        self.control.clone()
    }

    fn set_paused(&mut self, paused: bool) {
        if paused == self.paused {
            return;
        }
        self.paused = paused;
        self.mark_gap();
        let kind = if paused { MarkKind::Pause } else { MarkKind::Resume };
        let _ = self.marks.push(Mark { at: self.position, kind });
        self.beeped = [0; 2];
    }

    /// Mixes the consent beep into sound that is about to be sent or played.
    pub fn beep(&mut self, side: Side, pcm: &mut [i16]) {
        let (ms, hz, amplitude) = BEEP;
        let beeped = &mut self.beeped[side as usize];
        if !self.beeps || self.paused || *beeped >= self.clock / 1_000 * ms {
            return;
        }
        for sample in pcm {
            let at = f64::from(*beeped) * hz * std::f64::consts::TAU / f64::from(self.clock);
            *sample = sample.saturating_add((at.sin() * amplitude) as i16);
            *beeped += 1;
        }
    }

    /// What one side gave in this tick, at the clock.
    pub fn note(&mut self, side: Side, pcm: &[i16]) {
        let index = side as usize;
        let len = (pcm.len() * self.rate as usize / self.clock as usize).min(LONGEST);
        let out = &mut self.sides[index][..len];
        match &mut self.resamplers[index] {
            Resampler::Same => out.copy_from_slice(&pcm[..len]),
            other => other.process(pcm, out),
        }
    }

    /// One side gave nothing in this tick.
    pub fn silence(&mut self, side: Side) {
        self.sides[side as usize].fill(0);
    }

    /// Ends a tick: both sides go into the ring, so many ms of each. `tell`: what the phone must know.
    pub fn commit(&mut self, ms: u32, tell: &mut impl FnMut(RecordEvent)) {
        self.set_paused(self.control.0.load(Ordering::Relaxed) == PAUSE);
        let frames = ((self.rate / 1_000 * ms) as usize).min(LONGEST);
        // once sound was lost it takes some room to go on, so that one gap does not become many
        let needed = if self.stalled { self.samples.buffer().capacity() / 2 } else { 2 * frames };
        if self.samples.slots() < needed {
            self.skip(frames);
            if !self.stalled {
                self.stalled = true;
                tell(RecordEvent::Stalled);
            }
            return;
        }
        if self.stalled {
            self.stalled = false;
            let at_ms = (self.position - self.owed) * 1_000 / u64::from(self.rate);
            tell(RecordEvent::Gap { at_ms, length_ms: self.owed * 1_000 / u64::from(self.rate) });
        }
        if !self.mark_gap() {
            return self.skip(frames);
        }
        let [left, right] = &self.sides;
        if let Ok(chunk) = self.samples.write_chunk_uninit(2 * frames) {
            let both = left[..frames].iter().zip(&right[..frames]).flat_map(|(l, r)| [*l, *r]);
            chunk.fill_from_iter(both.map(|sample| if self.paused { 0 } else { sample }));
            self.position += frames as u64;
        }
    }

    /// Ticks that did not happen: silence in the recording.
    pub fn missed(&mut self, ms: u32) {
        self.skip((self.rate / 1_000 * ms) as usize);
    }

    /// It was stopped, or the recorder does not read any more.
    pub fn is_over(&self) -> bool {
        self.control.0.load(Ordering::Relaxed) == STOP || self.samples.is_abandoned()
    }

    fn skip(&mut self, frames: usize) {
        self.position += frames as u64;
        self.owed += frames as u64;
    }

    /// Tells the recorder what is owed; false when not even that is possible.
    fn mark_gap(&mut self) -> bool {
        if self.owed > 0 {
            let mark = Mark { at: self.position - self.owed, kind: MarkKind::Gap(self.owed) };
            if self.marks.push(mark).is_err() {
                return false;
            }
            self.owed = 0;
        }
        true
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.mark_gap();
    }
}
