//! The first ones and the last ones of what may be many.

use std::collections::VecDeque;

/// How many of the first ones stay whatever comes after them.
const FIRST: usize = 16;

/// What has a size.
pub(super) trait Weighed {
    /// Bytes, about.
    fn weight(&self) -> usize;
}

/// Things in their order, with a bound: when it is reached those behind the first few go, the older before the newer.
#[derive(Debug)]
pub(super) struct Ends<T> {
    kept: VecDeque<T>,
    bytes: usize,
    left_out: u64,
}

impl<T> Default for Ends<T> {
    fn default() -> Ends<T> {
        Ends { kept: VecDeque::new(), bytes: 0, left_out: 0 }
    }
}

impl<T: Weighed> Ends<T> {
    /// Adds one; `limit` is for all of them, bytes.
    pub fn push(&mut self, one: T, limit: usize) {
        self.bytes += one.weight();
        self.kept.push_back(one);
        while self.bytes > limit {
            let at = FIRST.min(self.kept.len().saturating_sub(2));
            let Some(gone) = self.kept.remove(at) else { return };
            self.bytes -= gone.weight();
            self.left_out += 1;
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.kept.iter()
    }

    pub fn len(&self) -> usize {
        self.kept.len()
    }

    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many are no longer there.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }
}

#[cfg(test)]
mod tests {
    use super::{Ends, FIRST, Weighed};

    impl Weighed for u64 {
        fn weight(&self) -> usize {
            10
        }
    }

    #[test]
    fn the_beginning_and_the_end_stay() {
        let mut ends = Ends::default();
        (0..100_u64).for_each(|number| ends.push(number, 200));
        let kept: Vec<u64> = ends.iter().copied().collect();
        assert_eq!(kept, (0..FIRST as u64).chain(96..100).collect::<Vec<_>>());
        assert_eq!((ends.len(), ends.bytes(), ends.left_out()), (20, 200, 80));
        ends.push(100, 5);
        assert_eq!((ends.len(), ends.bytes()), (0, 0), "nothing is kept that does not fit");
    }
}
