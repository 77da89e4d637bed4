//! How far ahead of a loudspeaker's card its thread writes.

use std::sync::atomic::Ordering;

use super::callback::Vitals;
use super::gauge::Gauge;
use super::reserve::Keeper;
use super::ring::RATE;

/// What waits for a loudspeaker's first callback, samples.
pub(super) const PRIMED: usize = 1440;
/// Turns in which it begins, and from one look at how much its callbacks take to the next: 0.2 and 2 s.
const BEGIN: u32 = 20;
const LOOK: u32 = 200;
/// After so many of which took less, a minute, less is laid out.
const LOOKS: u32 = 30;
/// Its callbacks take 10 ms at least: that is asked for; and no more than 50 ms is laid out for them.
const CALLBACK: std::ops::RangeInclusive<usize> = 480..=2400;

/// How much waits for a loudspeaker's next callback: what it takes, and the device's reserve for our turns that are late.
pub(super) struct Ahead {
    keeper: Keeper,
    callback: usize,
    turns: u32,
    /// Looks in which its callbacks took less than that.
    smaller: u32,
}

impl Ahead {
    pub(super) fn new(gauge: &Gauge) -> Ahead {
        Ahead { keeper: Keeper::new(gauge.card.clone()), callback: 0, turns: 0, smaller: 0 }
    }

    /// For this turn, which found `filled` samples there; the card lacked `starved` before it.
    pub(super) fn of(&mut self, vitals: &Vitals, filled: usize, starved: usize) -> usize {
        if vitals.beats.load(Ordering::Relaxed) == 0 {
            return PRIMED;
        }
        self.turns = self.turns.wrapping_add(1).max(1);
        if self.turns == BEGIN {
            // What a card takes at once when it begins says nothing.
            vitals.most.store(0, Ordering::Relaxed);
        } else if self.turns > BEGIN {
            self.keeper.note(RATE as usize / 100, filled, starved > 0);
        }
        if self.turns.is_multiple_of(LOOK) {
            let most = vitals.most.swap(0, Ordering::Relaxed);
            self.smaller = if most < self.callback { self.smaller + 1 } else { 0 };
            if most >= self.callback || self.smaller == LOOKS {
                (self.callback, self.smaller) = (most, 0);
            }
        }
        let now = if self.turns > BEGIN { vitals.most.load(Ordering::Relaxed) } else { 0 };
        self.callback.max(now).clamp(*CALLBACK.start(), *CALLBACK.end()) + self.keeper.get()
    }
}

#[cfg(test)]
mod tests {
    use super::super::directory::Direction;
    use super::super::gauge::Gauges;
    use super::*;

    /// So many turns of a card that takes `callback` at once; what is laid out in the last of them.
    fn turns(ahead: &mut Ahead, vitals: &Vitals, callback: usize, turns: usize) -> usize {
        let mut last = 0;
        for _ in 0..turns {
            vitals.beats.fetch_add(1, Ordering::Relaxed);
            vitals.most.fetch_max(callback, Ordering::Relaxed);
            last = ahead.of(vitals, 480, 0);
        }
        last
    }

    #[test]
    fn as_much_as_a_callback_takes_and_the_reserve() {
        let gauge = Gauges::new(100, 100).of(Direction::Output, "pulse:a");
        let (mut ahead, vitals) = (Ahead::new(&gauge), Vitals::default());
        assert_eq!(ahead.of(&vitals, PRIMED, 0), PRIMED, "before the first one");
        assert_eq!(turns(&mut ahead, &vitals, 960, 1), 960, "what it takes when it begins says nothing");
        assert_eq!(turns(&mut ahead, &vitals, 480, 500), 960);
        assert_eq!(turns(&mut ahead, &vitals, 1_024, 1), 1_504, "at once when it takes more");
        assert_eq!(turns(&mut ahead, &vitals, 480, 1_000), 1_504, "it may do so again");
        assert_eq!(turns(&mut ahead, &vitals, 480, 7_000), 960, "not after a minute");
        assert_eq!(ahead.of(&vitals, 0, 7), 1_440, "and more for a card that lacked something");
    }
}
