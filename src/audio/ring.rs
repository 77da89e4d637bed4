//! The reading end of a session's ring: it meets two clocks (the phone's and the card's) without a gap or a click.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rtrb::Consumer;

use super::gauge::Window;

/// Samples a second of every real device.
pub(super) const RATE: u32 = 48_000;
/// What a ring holds before it is read, and what drift is steered to: 40 ms.
pub(super) const TARGET: usize = 1920;
/// More than this is too late to be heard: 100 ms. The oldest goes.
const BOUND: usize = 4800;
/// The size of a ring: the bound, and the greatest write on top.
pub(super) const CAPACITY: usize = 2 * BOUND;
/// A mean fill below this, 30 ms, or above that, 70 ms, is steered back to the target.
const LOW: f32 = 1440.0;
const HIGH: f32 = 3360.0;
/// Samples from one slip to the next: 25 slips a second, 0.05 %, which nobody hears and every card's clock keeps.
const BETWEEN: usize = 1920;

/// Reads a ring that another clock fills.
pub(super) struct Reader {
    ring: Consumer<i16>,
    flowing: bool,
    /// Smoothed over 1 s.
    fill: f32,
    slip: Slip,
    since_slip: usize,
    dropped: u64,
    block: Vec<i16>,
    cut: Arc<AtomicBool>,
    raw: Arc<AtomicU64>,
}

#[derive(Clone, Copy, PartialEq)]
enum Slip {
    None,
    /// One sample more goes in than comes out.
    Shrink,
    /// One sample less.
    Stretch,
}

impl Reader {
    pub(super) fn new(ring: Consumer<i16>) -> Reader {
        Reader {
            ring,
            flowing: false,
            fill: TARGET as f32,
            slip: Slip::None,
            since_slip: 0,
            dropped: 0,
            block: vec![0; CAPACITY],
            cut: Arc::default(),
            raw: Arc::new(AtomicU64::new(Window::NONE)),
        }
    }

    /// The writing end is gone.
    pub(super) fn is_abandoned(&self) -> bool {
        self.ring.is_abandoned()
    }

    /// Sound comes through it.
    pub(super) fn is_flowing(&self) -> bool {
        self.flowing
    }

    /// Set: all that waits is forgotten before the next reading.
    pub(super) fn cut(&self) -> Arc<AtomicBool> {
        self.cut.clone()
    }

    /// Where a microphone's thread says what it gave before it was cleaned.
    pub(super) fn raw(&self) -> Arc<AtomicU64> {
        self.raw.clone()
    }

    /// What it said last.
    pub(super) fn window(&self) -> Option<Window> {
        Window::unpack(self.raw.load(Ordering::Relaxed))
    }

    /// Forgets what waits; the next reading starts anew.
    pub(super) fn clear(&mut self) {
        if let Ok(chunk) = self.ring.read_chunk(self.ring.slots()) {
            chunk.commit_all();
        }
        self.flowing = false;
    }

    /// Fills all of `out`; false when all of it is silence.
    pub(super) fn read(&mut self, out: &mut [i16]) -> bool {
        if self.cut.load(Ordering::Relaxed) {
            self.cut.store(false, Ordering::Relaxed);
            self.clear();
        }
        let mut there = self.ring.slots();
        if there > BOUND {
            there -= self.skip(there - TARGET);
        }
        if !self.flowing && there < TARGET {
            out.fill(0);
            return false;
        }
        if !self.flowing {
            (self.flowing, self.fill, self.slip) = (true, there as f32, Slip::None);
        }
        self.steer(there, out.len());
        self.since_slip += out.len();
        let wanted = match self.slip {
            Slip::Shrink if self.since_slip >= BETWEEN => out.len() + 1,
            Slip::Stretch if self.since_slip >= BETWEEN => out.len().saturating_sub(1),
            _ => out.len(),
        };
        if wanted == out.len() || out.len() < 2 || wanted > there.min(self.block.len()) {
            let (filled, rest) = self.ring.pop_partial_slice(out);
            self.flowing = rest.is_empty();
            rest.fill(0);
            return !filled.is_empty();
        }
        self.since_slip = 0;
        let block = &mut self.block[..wanted];
        let _ = self.ring.pop_entire_slice(block);
        slip(block, out);
        true
    }

    fn steer(&mut self, there: usize, n: usize) {
        self.fill += (there as f32 - self.fill) * (n as f32 / RATE as f32).min(1.0);
        let off = self.fill - TARGET as f32;
        self.slip = match self.slip {
            Slip::Shrink if off > 0.0 => Slip::Shrink,
            Slip::Stretch if off < 0.0 => Slip::Stretch,
            _ if self.fill > HIGH => Slip::Shrink,
            _ if self.fill < LOW => Slip::Stretch,
            _ => Slip::None,
        };
    }

    fn skip(&mut self, n: usize) -> usize {
        if let Ok(chunk) = self.ring.read_chunk(n) {
            chunk.commit_all();
            self.dropped += n as u64;
        }
        n
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        if self.dropped > 0 {
            tracing::debug!(samples = self.dropped, "sound came too late to be heard");
        }
    }
}

/// Makes `from`, one sample longer or shorter, as long as `to`: slides from one sample to its neighbour over the block.
pub(super) fn slip(from: &[i16], to: &mut [i16]) {
    let n = to.len();
    let longer = from.len() > n;
    for (i, out) in to.iter_mut().enumerate() {
        let (a, b) = if longer { (i, i + 1) } else { (i.min(from.len() - 1), i.saturating_sub(1)) };
        let (a, b) = (i32::from(from[a]), i32::from(from[b]));
        *out = (a + (b - a) * i as i32 / n as i32) as i16;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sine(i: usize) -> i16 {
        ((std::f64::consts::TAU * 440.0 * i as f64 / 48_000.0).sin() * 10_000.0) as i16
    }

    /// A writer that is `ppm` fast against the reader for a minute: no gap, no click, nothing dropped, and little delay.
    fn drift(ppm: i64) {
        let (mut producer, consumer) = rtrb::RingBuffer::new(CAPACITY);
        let mut reader = Reader::new(consumer);
        let (mut written, mut due) = (0usize, 0i64);
        let mut last = None;
        for turn in 0..6000i64 {
            due += 480 * (1_000_000 + ppm);
            while (written as i64 + 1) * 1_000_000 <= due {
                let _ = producer.push(sine(written));
                written += 1;
            }
            let mut out = [0; 480];
            reader.read(&mut out);
            if turn > 10 {
                for s in out {
                    let step = i32::from(s) - i32::from(last.unwrap_or(s));
                    assert!(step.abs() < 700, "a click of {step} in turn {turn} at {ppm} ppm");
                    last = Some(s);
                }
                assert!(reader.flowing, "a gap in turn {turn} at {ppm} ppm");
            }
        }
        assert_eq!(reader.dropped, 0);
        assert!((960..3840).contains(&reader.ring.slots()), "{} samples late", reader.ring.slots());
    }

    #[test]
    fn drift_is_slipped_away() {
        for ppm in [-300, -50, 0, 50, 300] {
            drift(ppm);
        }
    }

    #[test]
    fn what_is_late_is_dropped_and_counted() {
        let (mut producer, consumer) = rtrb::RingBuffer::new(CAPACITY);
        let mut reader = Reader::new(consumer);
        let ramp: Vec<i16> = (0..9600).collect();
        let _ = producer.push_partial_slice(&ramp);
        let mut out = [0; 480];
        assert!(reader.read(&mut out));
        assert_eq!((reader.dropped, out[0]), (9600 - TARGET as u64, 9600 - TARGET as i16));
    }
}
