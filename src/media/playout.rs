//! From packets to sound without a gap: the jitter buffer, the decoder, what makes up for loss, and the stretching that keeps the
//! delay as short as the line allows. Pure; time is an argument.

use crate::sdp::CodecKind;

use super::codec::{Decoder, LONGEST, Restored};
use super::comfort::Comfort;
use super::jitter::{Arrival, Counts, Jitter, Pull, Pushed};
use super::stretch;

/// What was played is remembered for this long, to find a place to jump back to, µs.
const HISTORY_US: u64 = 20_000;
/// Made-up sound is worth hearing for this long, then it fades to comfort noise …
const CONCEAL_US: u64 = 120_000;
/// … within this time, µs.
const FADE_US: u64 = 40_000;
/// From comfort noise back to sound, µs.
const RETURN_US: u64 = 5_000;
/// A surplus below this is not worth a jump, µs; within speech, this.
const SURPLUS_US: (i64, i64) = (2_500, 5_000);
/// A surplus above this is shortened where sound is less alike, too; and above this anywhere, µs.
const HURRY_US: (i64, i64) = (40_000, 120_000);
/// The delay is lengthened by this much at least: some period of any voice is as short, µs.
const LEAST_US: i64 = 8_000;
/// Jumps change the length of the sound by this share at most.
const MOST_STRETCH: f64 = 0.15;
/// Sound below this is next to silence, mean square (−50 dBov): any jump is unheard.
const QUIET: f32 = 10_737.0;

/// What became of the sound, µs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Played {
    /// All that was played, pauses too.
    pub heard: u64,
    /// Made up for what was lost or late.
    pub concealed: u64,
    /// Put in to lengthen the delay.
    pub expanded: u64,
    /// Left out to shorten it.
    pub accelerated: u64,
}

/// The way of one stream from packets to sound.
pub struct Playout {
    rate: u32,
    /// Samples of a unit of the RTP clock.
    unit: u32,
    jitter: Jitter,
    decoder: Decoder,
    comfort: Comfort,
    /// What was played last, and from `at` on what is played next.
    sound: Vec<i16>,
    at: usize,
    /// Made up since the last real sound, samples.
    hidden: usize,
    /// How much of the last sound was comfort noise, 0 to 1.
    noise: f32,
    /// Samples until another jump may follow.
    rest: usize,
    played: Played,
}

impl Playout {
    /// For a codec. Fails when it has no memory.
    pub fn new(kind: CodecKind) -> Result<Self, String> {
        Ok(Playout {
            rate: kind.rate(),
            unit: kind.rate() / kind.clock(),
            jitter: Jitter::new(kind.clock()),
            decoder: Decoder::new(kind)?,
            comfort: Comfort::default(),
            sound: Vec::new(),
            at: 0,
            hidden: 0,
            noise: 0.0,
            rest: 0,
            played: Played::default(),
        })
    }

    /// The figures go on from those of the stream before, which had another codec.
    pub fn succeed(&mut self, before: &Playout) {
        self.played = before.played;
        self.jitter.set_counts(before.counts());
    }

    /// Another stream begins, or listening begins again: nothing from before is played.
    pub fn reset(&mut self) {
        self.jitter.reset();
        self.sound.clear();
        (self.at, self.hidden, self.noise, self.rest) = (0, 0, 0.0, 0);
    }

    /// A packet came.
    pub fn push(&mut self, arrival: Arrival, payload: &[u8]) -> Pushed {
        self.jitter.push(arrival, payload)
    }

    /// The far end is silent and says what its silence sounds like (RFC 3389).
    pub fn push_noise(&mut self, arrival: Arrival, payload: &[u8]) {
        if self.comfort.told(payload) {
            self.jitter.push(Arrival { samples: 0, ..arrival }, &[]);
        }
    }

    /// Fills `out` with what is to be heard from `now` (µs) on. `room` is for one packet's sound, decoded.
    pub fn pull(&mut self, now: u64, out: &mut [i16], room: &mut [i16]) {
        let turn = self.micros(out.len());
        while self.sound.len() - self.at < out.len() {
            self.next(now, out.len(), turn, room);
        }
        let end = self.at + out.len();
        out.copy_from_slice(&self.sound[self.at..end]);
        let keep = (u64::from(self.rate) * HISTORY_US / 1_000_000) as usize;
        self.sound.drain(..end.saturating_sub(keep));
        self.at = end.min(keep);
        self.rest = self.rest.saturating_sub(out.len());
        let excused = self.jitter.take_excused() as usize * self.unit as usize;
        self.played.concealed = self.played.concealed.saturating_sub(self.micros(excused));
        self.played.heard += turn;
    }

    /// What became of the packets.
    pub fn counts(&self) -> Counts {
        self.jitter.counts()
    }

    /// What became of the sound.
    pub fn played(&self) -> Played {
        self.played
    }

    /// From a packet's arrival until it is heard, µs, by the mean of the last ones.
    pub fn delay_us(&self) -> f64 {
        self.jitter.held_us()
    }

    /// One packet's sound, or what is there in its place, behind what is ready. `wanted` is what a pull wants in all.
    fn next(&mut self, now: u64, wanted: usize, turn: u64, room: &mut [i16]) {
        let ready = self.sound.len() - self.at;
        let ready_us = self.micros(ready);
        let (pull, units) = self.jitter.pull(now, ready_us);
        let len = ((units * self.unit) as usize).min(LONGEST).min(room.len());
        match pull {
            Pull::Packet(payload) => {
                let got = self.decoder.decode(payload, room);
                if got == 0 {
                    return self.make_up(len, room);
                }
                let sound = &mut room[..got];
                if self.noise > 0.0 {
                    let fade = self.rate as usize / 1_000 * (RETURN_US / 1_000) as usize;
                    self.comfort.blend(&mut sound[..fade.min(got)], self.noise, 0.0);
                }
                (self.hidden, self.noise) = (0, 0.0);
                self.comfort.learn(sound);
                self.sound.extend_from_slice(sound);
                self.stretch(now, ready, turn);
            }
            Pull::Fec(next) => match self.decoder.recover(next, &mut room[..len]) {
                Restored::Sound => {
                    (self.hidden, self.noise) = (0, 0.0);
                    self.sound.extend_from_slice(&room[..len]);
                }
                Restored::Guess => {
                    self.hidden += len;
                    self.played.concealed += self.micros(len);
                    self.sound.extend_from_slice(&room[..len]);
                }
            },
            Pull::Conceal => self.make_up(len, room),
            Pull::Pause => {
                // Only as much as is wanted: what comes next begins when it should.
                let len = (wanted - ready).min(room.len());
                if self.noise < 1.0 && !self.sound.is_empty() {
                    // codecs conceal whole parts of 2.5 ms
                    let whole = len.next_multiple_of(self.rate as usize / 400).min(room.len());
                    self.decoder.conceal(&mut room[..whole]);
                    self.comfort.blend(&mut room[..len], self.noise, 1.0);
                } else {
                    self.comfort.make(&mut room[..len]);
                }
                self.noise = 1.0;
                self.sound.extend_from_slice(&room[..len]);
            }
        }
    }

    /// Sound in place of what was lost: the codec's guess, then comfort noise.
    fn make_up(&mut self, len: usize, room: &mut [i16]) {
        let sound = &mut room[..len];
        let share = |hidden: usize| {
            let us = hidden as u64 * 1_000_000 / u64::from(self.rate);
            (us.saturating_sub(CONCEAL_US) as f32 / FADE_US as f32).min(1.0)
        };
        let to = share(self.hidden + len);
        if self.noise < 1.0 {
            self.decoder.conceal(sound);
        }
        if to > 0.0 || self.noise > 0.0 {
            self.comfort.blend(sound, self.noise, to.max(self.noise));
        }
        self.noise = to.max(self.noise);
        self.hidden += len;
        self.played.concealed += self.micros(len);
        self.sound.extend_from_slice(sound);
    }

    /// Shortens or lengthens what was just added behind `ready` samples, when the delay wants it and it is not heard.
    fn stretch(&mut self, now: u64, ready: usize, turn: u64) {
        let added = self.sound.len() - self.at - ready;
        let surplus = self.jitter.surplus(now, self.micros(ready), self.micros(added), turn);
        if self.rest > 0 || (0..SURPLUS_US.0).contains(&surplus) {
            return;
        }
        let new = &self.sound[self.at..];
        let mean = new.iter().map(|s| f32::from(*s) * f32::from(*s)).sum::<f32>() / new.len() as f32;
        let quiet = mean < QUIET;
        if !quiet && (0..SURPLUS_US.1).contains(&surplus) {
            return;
        }
        // Too short is a matter of the last µs, and a period more does no harm.
        let most = if surplus < 0 { surplus.min(-LEAST_US) } else { surplus } * i64::from(self.rate) / 1_000_000;
        let Some(jump) = stretch::find(&self.sound, self.at, self.rate, most as isize) else { return };
        let needed = match surplus {
            _ if quiet => -1.0,
            _ if surplus > HURRY_US.1 => -1.0,
            _ if surplus > HURRY_US.0 => 0.6,
            _ if surplus > 0 => 0.9,
            _ => 0.5,
        };
        if jump.likeness < needed {
            return;
        }
        stretch::jump(&mut self.sound, self.at, self.rate, jump.by);
        self.rest = (jump.by.unsigned_abs() as f64 / MOST_STRETCH) as usize;
        let length = self.micros(jump.by.unsigned_abs());
        match jump.by > 0 {
            true => self.played.accelerated += length,
            false => self.played.expanded += length,
        }
    }

    fn micros(&self, samples: usize) -> u64 {
        samples as u64 * 1_000_000 / u64::from(self.rate)
    }
}
