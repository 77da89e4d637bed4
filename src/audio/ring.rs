//! The reading end of a session's ring: it meets two clocks (the phone's and the card's) without a gap or a click.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rtrb::Consumer;

use super::gauge::Window;
use super::reserve::{Keeper, Reserve};

/// Samples a second of every real device.
pub(super) const RATE: u32 = 48_000;
/// What would leave more than this, 100 ms, is too late to be heard. The oldest goes.
const BOUND: usize = 4800;
/// No writer gives more than this at once, 50 ms; what is more is the backlog of a stall.
const BURST: usize = BOUND / 2;
/// The size of a ring: the bound, and the greatest write on top.
pub(super) const CAPACITY: usize = 2 * BOUND;
/// Over how many samples the least that was left is looked for: 2 s, and before anything is taken away 10 s.
const WINDOW: usize = 2 * RATE as usize;
const LONG: usize = 10 * RATE as usize;
/// By so much, 5 ms, more may be left than is wanted.
const NOTHING: i64 = 240;
/// Samples from one slip to the next: 25 slips a second, 0.05 %, which nobody hears and every card's clock keeps.
const BETWEEN: usize = 1920;
/// Where nothing is louder than 1 % of full scale, a quarter of a reading may slip at once.
const QUIET: u16 = 328;
/// Nothing for this long, 40 ms, and the writer has stopped: what comes then begins anew.
const STOPPED: usize = 1920;

/// Reads a ring that another clock fills. What is left when the least is left is the room for a writer that is late: it is
/// steered to the device's reserve, by samples that slip.
pub(super) struct Reader {
    ring: Consumer<i16>,
    keeper: Keeper,
    flowing: bool,
    /// Samples that must still slip: that many are in the ring beyond what is wanted; negative, are lacking.
    owed: i64,
    since_slip: usize,
    /// The least that was left in this window, and in the long one; and how much of each is over.
    least: [usize; 2],
    seen: [usize; 2],
    /// What the last reading left, and the most that was found on top of it.
    left: usize,
    burst: usize,
    /// Samples of silence since the last whole reading.
    dry: usize,
    dropped: u64,
    block: Vec<i16>,
    cut: Arc<AtomicBool>,
    raw: Arc<AtomicU64>,
}

impl Reader {
    pub(super) fn new(ring: Consumer<i16>, reserve: Reserve) -> Reader {
        Reader {
            ring,
            keeper: Keeper::new(reserve),
            flowing: false,
            owed: 0,
            since_slip: 0,
            least: [usize::MAX; 2],
            seen: [0; 2],
            left: 0,
            burst: 0,
            dry: 0,
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
        (self.flowing, self.left, self.burst) = (false, 0, 0);
    }

    /// Fills all of `out`; false when all of it is silence.
    pub(super) fn read(&mut self, out: &mut [i16]) -> bool {
        if self.cut.load(Ordering::Relaxed) {
            self.cut.store(false, Ordering::Relaxed);
            self.clear();
        }
        let n = out.len();
        if n == 0 {
            return false;
        }
        let mut there = self.ring.slots();
        let most = if self.flowing { BURST } else { BURST / 2 };
        self.burst = self.burst.max(there.saturating_sub(self.left).min(most));
        // A writer that gives two readings' worth at a time leaves the second one with that much less.
        let wanted = n.max(self.burst) + self.keeper.get();
        if there > BOUND + n.max(self.burst) {
            there -= self.skip(there - wanted);
            self.look_anew();
        }
        if !self.flowing {
            return self.begin(there, wanted, out);
        }
        self.steer(there, n);
        self.since_slip += n;
        let wanted = n.saturating_add_signed(self.due(n));
        if wanted == n || n < 2 || wanted > there.min(self.block.len()) {
            // What the writer adds meanwhile is for the next reading.
            let (sound, rest) = out.split_at_mut(n.min(there));
            let _ = self.ring.pop_entire_slice(sound);
            rest.fill(0);
            self.left = there - sound.len();
            // A gap, if sound comes again soon: else the stream has ended.
            self.keeper.note(n, self.left, rest.is_empty() && self.dry > 0);
            self.dry = if rest.is_empty() { 0 } else { self.dry + rest.len() };
            self.flowing = self.dry < STOPPED;
            self.burst = if self.flowing { self.burst } else { 0 };
            return !sound.is_empty();
        }
        self.since_slip = 0;
        self.owed -= wanted as i64 - n as i64;
        if self.owed == 0 {
            self.look_anew();
        }
        let block = &mut self.block[..wanted];
        let _ = self.ring.pop_entire_slice(block);
        self.left = there - wanted;
        self.keeper.note(n, self.left, false);
        slip(block, out);
        true
    }

    /// Sound begins within this reading, at the moment from which on the reserve is kept; or in a later one.
    fn begin(&mut self, there: usize, wanted: usize, out: &mut [i16]) -> bool {
        let missing = wanted.saturating_sub(there);
        self.flowing = there > 0 && missing <= out.len();
        let silent = if self.flowing { missing } else { out.len() };
        let (silence, sound) = out.split_at_mut(silent);
        silence.fill(0);
        let _ = self.ring.pop_entire_slice(sound);
        self.left = there - sound.len();
        self.look_anew();
        (self.owed, self.dry) = (there.saturating_sub(wanted) as i64, 0);
        !sound.is_empty()
    }

    /// By how many samples more than its length the next reading takes; fewer, if negative.
    fn due(&mut self, n: usize) -> isize {
        let most = (n / 4) as i64;
        let many = self.owed.clamp(-most, most) as isize;
        match self.owed.signum() as isize {
            0 => 0,
            _ if many.abs() > 1 && self.is_quiet(n.saturating_add_signed(many)) => many,
            step if self.since_slip >= BETWEEN => step,
            _ => 0,
        }
    }

    fn is_quiet(&mut self, samples: usize) -> bool {
        let Ok(next) = self.ring.read_chunk(samples) else { return false };
        let (one, other) = next.as_slices();
        one.iter().chain(other).all(|s| s.unsigned_abs() < QUIET)
    }

    /// A gap has made the delay as long as the writer was late; what it needs beyond that is looked for anew.
    fn steer(&mut self, there: usize, n: usize) {
        if there < n {
            return self.look_anew();
        }
        let (left, kept) = (there - n, self.keeper.get());
        self.least = self.least.map(|least| least.min(left));
        self.seen = self.seen.map(|seen| seen + n);
        if self.seen[0] < WINDOW {
            return;
        }
        let [least, long] = self.least;
        (self.least[0], self.seen[0]) = (usize::MAX, 0);
        if (self.owed < 0 && least >= kept) || (self.owed > 0 && least <= kept) {
            self.look_anew();
        } else if self.owed == 0 && least < kept / 2 {
            self.look_anew();
            self.owed = least as i64 - kept as i64;
        } else if self.owed == 0 && self.seen[1] >= LONG {
            self.look_anew();
            self.owed = Some(long as i64 - kept as i64).filter(|off| *off > NOTHING).unwrap_or(0);
        }
    }

    fn look_anew(&mut self) {
        (self.owed, self.seen, self.least) = (0, [0; 2], [usize::MAX; 2]);
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

/// Makes `from`, a few samples longer or shorter, as long as `to`: fades from where it begins to where it ends.
pub(super) fn slip(from: &[i16], to: &mut [i16]) {
    let (n, len) = (to.len(), from.len());
    let (more, less) = (len.saturating_sub(n), n.saturating_sub(len));
    // A shorter one is heard twice where it fades.
    let fade = len.min(n).saturating_sub(less + 1).max(1) as i32;
    for (i, out) in to.iter_mut().enumerate() {
        let share = (i as i32 - less as i32).clamp(0, fade);
        let (a, b) = (i32::from(from[i.min(len - 1)]), i32::from(from[(i + more).saturating_sub(less)]));
        *out = (a + (b - a) * share / fade) as i16;
    }
}

#[cfg(test)]
mod tests;
