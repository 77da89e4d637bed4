//! The jitter buffer: packets come in as the network likes, and leave once a frame. Pure; time is an argument.
//!
//! The cursor is the media time that is played next. A packet's moment is its media time plus the smallest transit time plus the
//! target delay (`delay::Delay`). What is missing at its moment was lost, or is late; it is made up, and the cursor goes on. When
//! the cursor is ahead of its moment, or behind it, `surplus` says by how much, and who plays the sound stretches or shortens it.

use super::delay::Delay;

/// Slots of the ring: 2.5 s of 20 ms packets; a power of two.
const SLOTS: usize = 128;
/// What is lost for longer than this is a pause, µs.
const PAUSE_US: i64 = 200_000;
/// So long without any packet, and the next one begins anew, µs.
const IDLE_US: u64 = 200_000;
/// A packet this far from its moment belongs to another time line, µs.
const JUMP_US: i64 = 400_000;
/// The cursor may be ahead of its moment by this much: the delay shall not swing, µs.
const SWING_US: i64 = 4_000;
/// The cursor is ahead by more than this: what is missing may still come, µs.
const WAIT_US: i64 = 10_000;

/// What is known of an arriving packet.
#[derive(Debug, Clone, Copy)]
pub struct Arrival {
    /// RTP sequence number.
    pub seq: u16,
    /// RTP timestamp.
    pub timestamp: u32,
    /// Samples that it holds, in units of the RTP clock; 0: no sound (an event), its sequence number only.
    pub samples: u32,
    /// When it came, µs.
    pub at: u64,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pushed {
    /// It will be played.
    Stored,
    /// Its moment has passed.
    Late,
    /// It was here before.
    Duplicate,
}

/// What to play next.
#[derive(Debug, PartialEq, Eq)]
pub enum Pull<'a> {
    /// This packet.
    Packet(&'a [u8]),
    /// A lost frame that the packet after it, this one, may help to restore.
    Fec(&'a [u8]),
    /// A lost or late frame: make something up.
    Conceal,
    /// Nothing is expected: before the stream, or in a pause of the sender.
    Pause,
}

/// Counters since the stream began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Packets that came after their moment.
    pub late: u64,
    /// Packets that came twice.
    pub duplicate: u64,
    /// Packets dropped unplayed, since the stream jumped or there was no room.
    pub discarded: u64,
}

#[derive(Debug, Default, Clone)]
struct Slot {
    full: bool,
    seq: u64,
    time: i64,
    samples: u32,
    at: u64,
    payload: Vec<u8>,
}

/// The buffer of one stream (one SSRC, one codec).
#[derive(Debug)]
pub struct Jitter {
    clock: u32,
    slots: Vec<Slot>,
    /// The payload that was pulled last.
    pulled: Vec<u8>,
    /// Room for payloads: as much as was ever needed at once.
    spare: Vec<Vec<u8>>,
    held: usize,
    newest: Option<(u64, i64)>,
    /// Sequence number that is played next.
    next: u64,
    /// Media time that is played next; none: waiting for the stream to begin (again).
    cursor: Option<i64>,
    frame: u32,
    last_at: u64,
    /// Media time concealed since the last packet that was played.
    hidden: i64,
    /// When nothing came any more: the sequence number that was awaited, and `hidden`.
    idle: Option<(u64, i64)>,
    /// Media time that was concealed in what turned out to be a pause.
    excused: i64,
    /// The last packet held no sound: the sender speaks by events, nothing is missing.
    soundless: bool,
    delay: Delay,
    counts: Counts,
    held_us: f64,
}

impl Jitter {
    /// For a stream with this RTP clock, Hz.
    pub fn new(clock: u32) -> Self {
        Jitter {
            clock,
            slots: vec![Slot::default(); SLOTS],
            pulled: Vec::new(),
            spare: Vec::new(),
            held: 0,
            newest: None,
            next: 0,
            cursor: None,
            frame: clock / 50,
            last_at: 0,
            hidden: 0,
            idle: None,
            excused: 0,
            soundless: false,
            delay: Delay::default(),
            counts: Counts::default(),
            held_us: 0.0,
        }
    }

    /// Another stream begins (SSRC, payload type): nothing of the old one is played; counters go on.
    pub fn reset(&mut self) {
        self.clear();
        self.newest = None;
        self.delay = Delay::default();
    }

    /// A packet came.
    pub fn push(&mut self, arrival: Arrival, payload: &[u8]) -> Pushed {
        let Arrival { seq, timestamp, samples, at } = arrival;
        let (seq, time) = self.extend(seq, timestamp);
        let transit = at as i64 - self.micros(time);
        if let Some(cursor) = self.cursor {
            let lead = self.micros(time - cursor);
            if lead > 2 * JUMP_US || (lead < -JUMP_US && self.held == 0) {
                self.counts.discarded += self.held as u64;
                self.clear();
                self.delay.forget_base();
            }
        }
        let late = samples > 0 && self.cursor.is_some_and(|cursor| time + i64::from(samples) <= cursor);
        if samples > 0 {
            self.delay.note(at, transit, late);
            self.frame = samples;
            self.last_at = self.last_at.max(at);
        }
        if late && !self.rewind(seq, time) {
            self.counts.late += 1;
            return Pushed::Late;
        }
        if self.cursor.is_some() && seq < self.next {
            self.counts.duplicate += 1;
            return Pushed::Duplicate;
        }
        let slot = &mut self.slots[seq as usize % SLOTS];
        if slot.full {
            if slot.seq == seq {
                self.counts.duplicate += 1;
                return Pushed::Duplicate;
            }
            self.counts.discarded += 1;
            self.held -= 1;
        }
        slot.full = true;
        (slot.seq, slot.time, slot.samples, slot.at) = (seq, time, samples, at);
        if slot.payload.capacity() == 0 {
            slot.payload = self.spare.pop().unwrap_or_default();
        }
        slot.payload.clear();
        slot.payload.extend_from_slice(payload);
        self.held += 1;
        Pushed::Stored
    }

    /// The next frame, and its length in units of the RTP clock. It is played `ready` µs after `now`.
    pub fn pull(&mut self, now: u64, ready: u64) -> (Pull<'_>, u32) {
        loop {
            let frame = self.frame;
            let Some(head) = self.head() else { return (self.starve(now), frame) };
            let (seq, time, samples) = (self.slots[head].seq, self.slots[head].time, self.slots[head].samples);
            if samples == 0 && (seq == self.next || self.cursor.is_none_or(|cursor| time <= cursor)) {
                self.take(head);
                continue;
            }
            let Some(cursor) = self.cursor else {
                if self.excess(now, time) < 0 {
                    return (Pull::Pause, frame);
                }
                self.cursor = Some(time);
                if let Some((_, hidden)) = self.idle.take().filter(|(awaited, _)| *awaited == seq) {
                    self.excused += hidden;
                }
                continue;
            };
            if time > cursor {
                if seq == self.next || self.micros(self.hidden) > PAUSE_US {
                    // The sender paused: what comes now has the delay that it should have.
                    if self.excess(now + ready, time) < 0 {
                        return (Pull::Pause, frame);
                    }
                    self.cursor = Some(time);
                    if seq == self.next {
                        self.excused += self.hidden;
                    }
                    self.hidden = 0;
                    continue;
                }
                return self.gap(now, head);
            }
            self.take(head);
            self.cursor = Some(time + i64::from(samples));
            self.hidden = 0;
            self.delay.note_loss(false);
            let held = (now + ready).saturating_sub(self.slots[head].at) as f64;
            self.held_us += (held - self.held_us) * if self.held_us == 0.0 { 1.0 } else { 0.05 };
            return (Pull::Packet(&self.pulled), samples);
        }
    }

    /// By how many µs the delay is longer than it need be, when at `now` a packet of `new` µs was pulled behind `ready` µs of sound that is
    /// not played yet; negative: too short. Packets are pulled once a `turn` (µs) at most, so only whole turns can be gained, and
    /// what is ready.
    pub fn surplus(&self, now: u64, ready: u64, new: u64, turn: u64) -> i64 {
        let Some(cursor) = self.cursor else { return 0 };
        let (ready, turn) = (ready as i64, turn.max(1) as i64);
        match self.excess(now + new, cursor) {
            early if early < -SWING_US => -(turn * (-early + turn - 1).div_euclid(turn) - ready).max(0),
            late => ready + turn * late.max(0).div_euclid(turn),
        }
    }

    /// How long a packet waits here and in what was pulled, µs, by the mean of the last ones.
    pub fn held_us(&self) -> f64 {
        self.held_us
    }

    /// What was concealed and turned out to be a pause of the sender since the last look, in units of the RTP clock.
    pub fn take_excused(&mut self) -> u64 {
        std::mem::take(&mut self.excused).max(0) as u64
    }

    /// The counters.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// The counters go on from these.
    pub fn set_counts(&mut self, counts: Counts) {
        self.counts = counts;
    }

    /// How long after its moment, µs, something of this media time would be played now.
    fn excess(&self, now: u64, time: i64) -> i64 {
        now as i64 - self.micros(time) - self.delay.base() - self.delay.target() as i64
    }

    /// A packet is missing before the one at `head`.
    fn gap(&mut self, now: u64, head: usize) -> (Pull<'_>, u32) {
        let Some(cursor) = self.cursor else { return (Pull::Pause, self.frame) };
        if self.excess(now, cursor) < -WAIT_US {
            return (Pull::Conceal, self.frame);
        }
        let missing = self.slots[head].time - cursor;
        let step = missing.min(i64::from(self.frame));
        self.cursor = Some(cursor + step);
        self.hidden += step;
        self.delay.note_loss(true);
        let pull = if missing <= i64::from(self.frame) { Pull::Fec(&self.slots[head].payload) } else { Pull::Conceal };
        (pull, step as u32)
    }

    /// Nothing is here at all.
    fn starve(&mut self, now: u64) -> Pull<'static> {
        let Some(cursor) = self.cursor else { return Pull::Pause };
        if now.saturating_sub(self.last_at) > IDLE_US + self.delay.target() {
            self.cursor = None;
            self.idle = Some((self.next, std::mem::take(&mut self.hidden)));
            return Pull::Pause;
        }
        if self.excess(now, cursor) >= -WAIT_US {
            self.cursor = Some(cursor + i64::from(self.frame));
            self.hidden += i64::from(self.frame);
        }
        if self.soundless { Pull::Pause } else { Pull::Conceal }
    }

    /// A late packet whose place was only concealed since, nothing after it having been played: play it after all, the
    /// delay having grown by that much.
    fn rewind(&mut self, seq: u64, time: i64) -> bool {
        let Some(cursor) = self.cursor else { return false };
        let ok = seq >= self.next && self.hidden > 0 && time >= cursor - self.hidden;
        if ok {
            self.hidden -= cursor - time;
            self.cursor = Some(time);
        }
        ok
    }

    /// The slot with the lowest sequence number.
    fn head(&mut self) -> Option<usize> {
        if self.held == 0 {
            return None;
        }
        if self.cursor.is_none() {
            let first = self.slots.iter().filter(|s| s.full).map(|s| s.seq).min()?;
            self.next = first;
            return Some(first as usize % SLOTS);
        }
        (self.next..self.next + SLOTS as u64).map(|seq| (seq, seq as usize % SLOTS)).find_map(|(seq, index)| {
            let slot = &self.slots[index];
            (slot.full && slot.seq == seq).then_some(index)
        })
    }

    fn take(&mut self, index: usize) {
        let slot = &mut self.slots[index];
        slot.full = false;
        self.held -= 1;
        self.next = slot.seq + 1;
        self.soundless = slot.samples == 0;
        let before = std::mem::replace(&mut self.pulled, std::mem::take(&mut slot.payload));
        if before.capacity() > 0 {
            self.spare.push(before);
        }
    }

    fn clear(&mut self) {
        for slot in &mut self.slots {
            slot.full = false;
        }
        self.held = 0;
        self.cursor = None;
        self.hidden = 0;
        self.idle = None;
    }

    /// Unwraps sequence number and timestamp by the newest seen.
    fn extend(&mut self, seq: u16, timestamp: u32) -> (u64, i64) {
        let (new_seq, new_time) = match self.newest {
            None => (1 << 32 | u64::from(seq), 1 << 40 | i64::from(timestamp)),
            Some((s, t)) => (
                s.wrapping_add_signed(i64::from(seq.wrapping_sub(s as u16) as i16)),
                t + i64::from(timestamp.wrapping_sub(t as u32) as i32),
            ),
        };
        if self.newest.is_none_or(|(s, _)| new_seq > s) {
            self.newest = Some((new_seq, new_time));
        }
        (new_seq, new_time)
    }

    fn micros(&self, units: i64) -> i64 {
        units * 1_000 / (i64::from(self.clock) / 1_000)
    }
}
