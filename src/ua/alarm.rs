//! What begins, goes on and ends: told when it has begun, once, and not again for a while.

use serde::{Deserialize, Serialize};

use super::io::Mono;

/// How an alarm is paced.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// So long it must hold before it has begun.
    pub after: Mono,
    /// So long it must not hold before it is over.
    pub over: Mono,
    /// So far apart are two beginnings.
    pub apart: Mono,
}

/// Something that is watched.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Alarm {
    on: bool,
    /// Since when it is about to turn.
    since: Option<Mono>,
    began: Option<Mono>,
}

/// It turned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// It has begun.
    Began,
    /// It is over.
    Over,
}

impl Alarm {
    /// It holds, or does not; none: nobody can tell now, and all stays as it is.
    pub fn look(&mut self, now: Mono, pace: Pace, holds: Option<bool>) -> Option<Turn> {
        let Some(holds) = holds.filter(|holds| *holds != self.on) else {
            self.since = None;
            return None;
        };
        let since = *self.since.get_or_insert(now);
        if now < since.saturating_add(if holds { pace.after } else { pace.over }) {
            return None;
        }
        if holds && self.began.is_some_and(|began| now < began.saturating_add(pace.apart)) {
            return None;
        }
        (self.on, self.since) = (holds, None);
        if holds {
            self.began = Some(now);
        }
        Some(if holds { Turn::Began } else { Turn::Over })
    }

    /// It has begun and is not over.
    pub fn is_on(&self) -> bool {
        self.on
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_told_once_and_not_again_for_a_while() {
        let (mut alarm, pace) = (Alarm::default(), Pace { after: 3, over: 2, apart: 20 });
        let mut look = |times: std::ops::Range<u64>, holds| -> Vec<(u64, Turn)> {
            times.filter_map(|now| alarm.look(now, pace, holds).map(|turn| (now, turn))).collect()
        };
        assert_eq!(look(0..3, Some(true)), [], "not yet");
        assert_eq!(look(3..4, Some(false)), []);
        assert_eq!(look(4..9, Some(true)), [(7, Turn::Began)], "once");
        assert_eq!(look(9..10, Some(false)), [], "a moment is no end");
        assert_eq!(look(10..14, None), [], "who cannot tell does not tell");
        assert_eq!(look(14..18, Some(false)), [(16, Turn::Over)]);
        assert_eq!(look(18..40, Some(true)), [(27, Turn::Began)], "20 after the last time");
    }
}
