//! How much sound is kept for a writer that is late: as little as the host allows. A gap makes it more at once, quiet times less by
//! and by. What was found is the device's own, and the next call begins with it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::ring::RATE;

/// 10 ms: where every device begins, and never less.
const LEAST: usize = RATE as usize / 100;
/// 40 ms: no host is worth more of everybody's delay.
const MOST: usize = 4 * LEAST;
/// What a gap adds.
const MORE: usize = LEAST;
/// What a minute without a gap takes away.
const LESS: usize = LEAST / 2;
const CALM: usize = 60 * RATE as usize;

/// One device's, in samples; all that read from its rings share it.
#[derive(Clone)]
pub(super) struct Reserve(Arc<AtomicUsize>);

impl Default for Reserve {
    fn default() -> Self {
        Reserve(Arc::new(AtomicUsize::new(LEAST)))
    }
}

/// One reader's sight of it.
pub(super) struct Keeper {
    shared: Reserve,
    had: usize,
    /// Samples since it was last changed, by whomever.
    calm: usize,
}

impl Keeper {
    pub(super) fn new(shared: Reserve) -> Keeper {
        Keeper { had: shared.get(), shared, calm: 0 }
    }

    /// What is to be kept now, samples.
    pub(super) fn get(&self) -> usize {
        self.had
    }

    /// So many samples went by, with or without a gap.
    pub(super) fn note(&mut self, samples: usize, gap: bool) {
        self.calm = if gap { 0 } else { self.calm + samples };
        if gap {
            self.shared.0.fetch_max((self.had + MORE).min(MOST), Ordering::Relaxed);
        } else if self.calm >= CALM {
            // Whoever comes first; the others see it and begin to count anew.
            let less = self.had.saturating_sub(LESS).max(LEAST);
            let _ = self.shared.0.compare_exchange(self.had, less, Ordering::Relaxed, Ordering::Relaxed);
            self.calm = 0;
        }
        let now = self.shared.get();
        if now != self.had {
            (self.had, self.calm) = (now, 0);
        }
    }
}

impl Reserve {
    fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_make_it_more_and_quiet_minutes_less() {
        let shared = Reserve::default();
        let mut readers: Vec<Keeper> = (0..20).map(|_| Keeper::new(shared.clone())).collect();
        readers.iter_mut().for_each(|reader| reader.note(480, true));
        readers.iter_mut().for_each(|reader| reader.note(480, false));
        assert!(
            readers.iter().all(|reader| reader.get() == LEAST + MORE),
            "one hiccup, seen by all of them, counts once"
        );
        for _ in 0..9 {
            readers[3].note(480, true);
        }
        assert_eq!(readers[3].get(), MOST);
        let minutes = (MOST - LEAST) / LESS;
        for minute in 0..minutes {
            assert!(readers[0].get() > LEAST || minute == 0, "not before minute {minute}");
            (0..6_010).for_each(|_| readers.iter_mut().for_each(|reader| reader.note(480, false)));
        }
        assert_eq!(Keeper::new(shared).get(), LEAST, "twenty readers do not hurry it");
    }
}
