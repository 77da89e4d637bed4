//! How much sound waits where two threads meet: little where both are on time, more where one of them was not.

use super::ring::RATE;

/// It grows and shrinks by 10 ms.
const STEP: usize = RATE as usize / 100;
/// So long nothing was missing: it shrinks, in samples. A minute.
const CALM: usize = 60 * RATE as usize;

/// A reserve, in samples.
pub(super) struct Margin {
    now: usize,
    least: usize,
    most: usize,
    calm: usize,
}

impl Margin {
    pub(super) fn new(least: usize, most: usize) -> Margin {
        Margin { now: least, least, most, calm: 0 }
    }

    /// What shall wait.
    pub(super) fn samples(&self) -> usize {
        self.now
    }

    /// It was not enough.
    pub(super) fn short(&mut self) {
        (self.now, self.calm) = ((self.now + STEP).min(self.most), 0);
    }

    /// It would have been: nothing was late, nothing was meant to come.
    pub(super) fn take_back(&mut self) {
        self.now = self.now.saturating_sub(STEP).max(self.least);
    }

    /// So many samples went through, and none was missing.
    pub(super) fn passed(&mut self, samples: usize) {
        self.calm += samples;
        if self.calm >= CALM {
            (self.now, self.calm) = (self.now.saturating_sub(STEP).max(self.least), 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_grows_at_once_and_shrinks_in_minutes() {
        let mut margin = Margin::new(1_440, 2_880);
        (0..9).for_each(|_| margin.short());
        assert_eq!(margin.samples(), 2_880);
        margin.passed(CALM - 1);
        assert_eq!(margin.samples(), 2_880);
        margin.passed(1);
        assert_eq!(margin.samples(), 2_400);
        margin.short();
        assert_eq!(margin.samples(), 2_880);
        (0..9).for_each(|_| margin.passed(CALM));
        assert_eq!(margin.samples(), 1_440);
    }
}
