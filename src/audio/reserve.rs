//! How much sound is kept for a writer that is late: as little as the host allows. A gap makes it more, a minute in which it was not
//! touched makes it less. What was found is the device's own, and the next call begins with it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::ring::RATE;

/// 10 ms: where every device begins, and never less.
const LEAST: usize = RATE as usize / 100;
/// 40 ms: no host is worth more of everybody's delay.
const MOST: usize = 4 * LEAST;
/// What a gap adds.
const MORE: usize = LEAST;
/// So long after that, 10 s, another gap says nothing: there was no time yet to keep more.
const SETTLING: usize = 10 * RATE as usize;
/// What a calm minute takes away.
const LESS: usize = LEAST / 2;
const CALM: usize = 60 * RATE as usize;

/// One device's, in samples; all that read from its rings share it.
#[derive(Clone)]
pub(super) struct Reserve(Arc<Shared>);

struct Shared {
    kept: AtomicUsize,
    /// The longest that one of the readers before was calm, samples.
    calm: AtomicUsize,
}

impl Default for Reserve {
    fn default() -> Self {
        Reserve(Arc::new(Shared { kept: AtomicUsize::new(LEAST), calm: AtomicUsize::new(0) }))
    }
}

/// One reader's sight of it.
pub(super) struct Keeper {
    shared: Arc<Shared>,
    had: usize,
    /// Samples since it was last changed, by whomever, and the least that was left meanwhile.
    calm: usize,
    spare: usize,
    /// Samples in which gaps do not count.
    settling: usize,
}

impl Keeper {
    pub(super) fn new(Reserve(shared): Reserve) -> Keeper {
        let (had, calm) = (shared.kept.load(Ordering::Relaxed), shared.calm.load(Ordering::Relaxed));
        Keeper { shared, had, calm, spare: usize::MAX, settling: 0 }
    }

    /// What is to be kept now, samples.
    pub(super) fn get(&self) -> usize {
        self.had
    }

    /// So many samples were read, and some left; or there was a gap.
    pub(super) fn note(&mut self, samples: usize, left: usize, gap: bool) {
        self.settling = self.settling.saturating_sub(samples);
        self.calm += samples;
        self.spare = self.spare.min(left);
        if gap && self.settling == 0 {
            self.shared.kept.fetch_max((self.had + MORE).min(MOST), Ordering::Relaxed);
            self.begin(SETTLING);
        } else if gap {
            self.begin(self.settling);
        } else if self.calm >= CALM {
            if self.spare >= LEAST {
                // Whoever comes first; the others see it and begin anew.
                let less = self.had.saturating_sub(LESS).max(LEAST);
                let _ = self.shared.kept.compare_exchange(self.had, less, Ordering::Relaxed, Ordering::Relaxed);
            }
            self.begin(0);
        }
        let now = self.shared.kept.load(Ordering::Relaxed);
        if now != self.had {
            self.begin(if now > self.had { SETTLING } else { 0 });
            self.had = now;
        }
    }

    fn begin(&mut self, settling: usize) {
        (self.calm, self.spare, self.settling) = (0, usize::MAX, settling);
        self.shared.calm.store(0, Ordering::Relaxed);
    }
}

impl Drop for Keeper {
    /// Calls are short: who reads next goes on counting.
    fn drop(&mut self) {
        if self.spare >= LEAST {
            self.shared.calm.fetch_max(self.calm, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TURN: usize = 480;

    fn seconds(readers: &mut [Keeper], seconds: usize) {
        for _ in 0..100 * seconds {
            readers.iter_mut().for_each(|reader| reader.note(TURN, reader.get(), false));
        }
    }

    #[test]
    fn gaps_make_it_more_and_calm_minutes_less() {
        let shared = Reserve::default();
        let mut readers: Vec<Keeper> = (0..20).map(|_| Keeper::new(shared.clone())).collect();
        for _ in 0..5 {
            readers.iter_mut().for_each(|reader| reader.note(TURN, 0, true));
        }
        assert!(
            readers.iter().all(|reader| reader.get() == LEAST + MORE),
            "one hiccup, seen by all of them, counts once"
        );
        for _ in 0..9 {
            seconds(&mut readers, 11);
            readers[3].note(TURN, 0, true);
        }
        assert_eq!(readers[3].get(), MOST);
        for minute in 0..(MOST - LEAST) / LESS {
            assert!(readers[0].get() > LEAST, "not before minute {minute}");
            seconds(&mut readers, 61);
        }
        assert_eq!(Keeper::new(shared).get(), LEAST, "twenty readers do not hurry it");
    }

    #[test]
    fn short_calls_make_it_less_too() {
        let shared = Reserve::default();
        Keeper::new(shared.clone()).note(TURN, 0, true);
        for _ in 0..6 {
            seconds(&mut [Keeper::new(shared.clone())], 25);
        }
        assert_eq!(Keeper::new(shared).get(), LEAST);
    }

    #[test]
    fn what_is_used_stays() {
        let mut reader = Keeper::new(Reserve::default());
        reader.note(TURN, 0, true);
        for n in 0..30_000 {
            reader.note(TURN, if n % 3_000 == 7 { LEAST - 1 } else { 960 }, false);
        }
        assert_eq!(reader.get(), LEAST + MORE, "a writer that is late each 30 s needs it");
    }
}
