//! What runs within a device's callback: it copies, counts, and does nothing that could wait. No lock, no allocation, no log, no
//! call into cpal.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use rtrb::{Consumer, Producer};

/// What the callbacks tell, by atomics only.
#[derive(Default)]
pub(super) struct Vitals {
    /// Callbacks so far.
    pub beats: AtomicU64,
    /// The stream is lost.
    pub failed: AtomicBool,
    /// Samples that a loudspeaker wanted and did not get.
    pub starved: AtomicU64,
    /// The most that a loudspeaker wanted at once since somebody looked.
    pub most: AtomicUsize,
}

/// A microphone's callback.
pub(super) struct Heard {
    pub ring: Producer<i16>,
    pub here: Arc<AtomicBool>,
    pub seen: Arc<AtomicBool>,
    pub vitals: Arc<Vitals>,
}

impl Heard {
    pub(super) fn take(&mut self, pcm: &[i16]) {
        self.vitals.beats.fetch_add(1, Ordering::Relaxed);
        // A server may move the stream to another microphone: that one is not heard.
        if self.here.load(Ordering::Acquire) && self.seen.load(Ordering::Acquire) {
            let _ = self.ring.push_partial_slice(pcm);
        }
    }
}

/// A loudspeaker's callback.
pub(super) struct Played {
    pub ring: Consumer<i16>,
    pub here: Arc<AtomicBool>,
    pub seen: Arc<AtomicBool>,
    pub vitals: Arc<Vitals>,
}

impl Played {
    pub(super) fn fill(&mut self, pcm: &mut [i16]) {
        self.vitals.beats.fetch_add(1, Ordering::Relaxed);
        self.vitals.most.fetch_max(pcm.len(), Ordering::Relaxed);
        let (_, mut rest) = self.ring.pop_partial_slice(pcm);
        self.vitals.starved.fetch_add(rest.len() as u64, Ordering::Relaxed);
        if !self.here.load(Ordering::Acquire) || !self.seen.load(Ordering::Acquire) {
            rest = pcm;
        }
        rest.fill(0);
    }
}

#[cfg(test)]
mod tests {
    use rtrb::RingBuffer;

    use super::super::ring::CAPACITY;
    use super::*;

    /// Sizes of callbacks as they come, and two that no ring holds.
    const SIZES: [usize; 8] = [480, 1, 0, 441, 960, 4_800, CAPACITY + 7, 3 * CAPACITY];

    /// All sizes, with a ring that is read (or filled) in between, and one that is not; the device goes in the middle.
    #[test]
    fn callbacks_neither_take_nor_free_memory() {
        let mut pcm = vec![7; 3 * CAPACITY];
        let shared = || (Arc::new(AtomicBool::new(true)), Arc::new(Vitals::default()));
        let (producer, mut card) = RingBuffer::new(CAPACITY);
        let ((here, vitals), seen) = (shared(), Arc::new(AtomicBool::new(true)));
        let mut heard = Heard { ring: producer, here: here.clone(), seen: seen.clone(), vitals: vitals.clone() };
        let (mut mix, consumer) = RingBuffer::new(CAPACITY);
        let mut played = Played { ring: consumer, here: here.clone(), seen: seen.clone(), vitals: vitals.clone() };
        let spent = allocation_counter::measure(|| {
            for round in 0..300 {
                here.store(round < 200, Ordering::Release);
                for size in SIZES {
                    heard.take(&pcm[..size]);
                    if round % 3 == 0 {
                        let _ = mix.push_partial_slice(&pcm[..size.min(CAPACITY)]);
                    }
                    played.fill(&mut pcm[..size]);
                    pcm.fill(7);
                    if round % 2 == 0 {
                        let _ = card.pop_partial_slice(&mut pcm);
                    }
                }
            }
        });
        assert_eq!((spent.count_total, spent.count_current), (0, 0), "{spent:?}");
        assert_eq!(vitals.beats.load(Ordering::Relaxed), 300 * 2 * SIZES.len() as u64);
        assert!(vitals.starved.load(Ordering::Relaxed) > 0, "some of them found the ring empty");
        let counts = allocation_counter::measure(|| drop(std::hint::black_box(vec![0u8; 64])));
        assert_eq!(counts.count_total, 1, "the counter counts");
    }

    #[test]
    fn a_loudspeaker_says_what_it_lacked() {
        let (mut mix, ring) = RingBuffer::new(CAPACITY);
        let vitals = Arc::new(Vitals::default());
        let yes = || Arc::new(AtomicBool::new(true));
        let mut played = Played { ring, here: yes(), seen: yes(), vitals: vitals.clone() };
        let _ = mix.push_partial_slice(&[5; 100]);
        let mut pcm = [1; 480];
        played.fill(&mut pcm);
        assert!(pcm[..100].iter().all(|s| *s == 5) && pcm[100..].iter().all(|s| *s == 0));
        assert_eq!(vitals.starved.load(Ordering::Relaxed), 380);
    }
}
