//! How late the workers' ticks are: counted by them, read by whoever watches.

use std::sync::atomic::{AtomicU64, Ordering};

/// Upper bounds, µs.
const BOUNDS: [u64; 8] = [100, 250, 500, 1_000, 2_500, 5_000, 10_000, 50_000];

/// A distribution that many threads add to, without a lock.
#[derive(Debug, Default)]
pub struct Lateness {
    ticks: [AtomicU64; BOUNDS.len()],
    count: AtomicU64,
    sum_us: AtomicU64,
}

/// What it says.
#[derive(Debug, Clone, PartialEq)]
pub struct Distribution {
    /// Upper bounds, s, and how many ticks were at most that late.
    pub buckets: Vec<(f64, u64)>,
    /// Of all ticks, s.
    pub sum: f64,
    /// All ticks.
    pub count: u64,
}

impl Lateness {
    /// One tick.
    pub fn note(&self, late_ns: u64) {
        let us = late_ns / 1_000;
        if let Some(bucket) = BOUNDS.iter().position(|bound| us <= *bound) {
            self.ticks[bucket].fetch_add(1, Ordering::Relaxed);
        }
        self.sum_us.fetch_add(us, Ordering::Relaxed);
        self.count.fetch_add(1, Ordering::Relaxed);
    }

    /// All so far.
    pub fn read(&self) -> Distribution {
        // The count is taken last: no bucket is greater.
        let mut below = 0;
        let buckets = BOUNDS.iter().zip(&self.ticks).map(|(bound, bucket)| {
            below += bucket.load(Ordering::Relaxed);
            (*bound as f64 / 1e6, below)
        });
        let buckets: Vec<(f64, u64)> = buckets.collect();
        let most = buckets.last().map_or(0, |(_, below)| *below);
        let count = self.count.load(Ordering::Relaxed).max(most);
        Distribution { buckets, sum: self.sum_us.load(Ordering::Relaxed) as f64 / 1e6, count }
    }
}
