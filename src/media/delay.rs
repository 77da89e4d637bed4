//! How late packets come: the delay that a jitter buffer should keep.

/// Width of a histogram bin, µs.
const BIN_US: u64 = 5_000;
/// Bins: delays up to 250 ms are told apart.
const BINS: usize = 50;
/// What one packet's weight loses with every packet after it: a memory of about 10 s.
const FORGET: f32 = 0.998;
/// The share of packets that may come later than the target.
const TAIL: f32 = 0.01;
/// Room for late ticks, µs.
const MARGIN_US: u64 = 5_000;
/// Before anything was measured: 30 ms, forgotten within seconds.
const PRIOR: (usize, f32) = (4, 2.0);
/// On the best of lines: less than a frame, so that a packet that comes just when one is played waits for the next turn and no
/// longer, µs.
const LEAST_US: u64 = 15_000;
/// A line that loses more than this share of packets is worth a longer delay: a frame more, µs, and the next packet is there when
/// one is missing …
const LOSSY: f32 = 0.01;
const FRAME_US: u64 = 20_000;
/// … but for this share.
const UNAIDED: f32 = 0.05;
/// What one packet counts for the share that is lost.
const LOSS_WEIGHT: f32 = 0.004;
/// No buffer keeps more than this.
const MOST_US: u64 = 250_000;
/// Half the memory of the smallest transit time: follows clock drift.
const WINDOW_US: u64 = 5_000_000;

/// A forgetting histogram of packet delays over the smallest transit time seen lately.
#[derive(Debug, Clone)]
pub struct Delay {
    bins: [f32; BINS],
    total: f32,
    least: [i64; 2],
    window_end: u64,
    lost: f32,
}

impl Default for Delay {
    fn default() -> Self {
        let mut bins = [0.0; BINS];
        bins[PRIOR.0] = PRIOR.1;
        Delay { bins, total: PRIOR.1, least: [i64::MAX; 2], window_end: 0, lost: 0.0 }
    }
}

impl Delay {
    /// A packet with transit time `transit` (arrival less media time, µs, any origin) came at `now`; its delay in µs.
    /// `late`: it missed its moment, which weighs as much as several that did not.
    pub fn note(&mut self, now: u64, transit: i64, late: bool) -> u64 {
        if now >= self.window_end {
            self.least = [i64::MAX, self.least[0]];
            self.window_end = now + WINDOW_US;
        }
        self.least[0] = self.least[0].min(transit);
        let delay = transit.saturating_sub(self.base()).max(0) as u64;
        let weight = if late { 8.0 } else { 1.0 };
        for bin in &mut self.bins {
            *bin *= FORGET;
        }
        self.total = self.total * FORGET + weight;
        self.bins[((delay / BIN_US) as usize).min(BINS - 1)] += weight;
        delay
    }

    /// The smallest transit time of the last 5 to 10 s, µs.
    pub fn base(&self) -> i64 {
        self.least[0].min(self.least[1])
    }

    /// The stream's clock has jumped: what was small is no longer comparable.
    pub fn forget_base(&mut self) {
        self.least = [i64::MAX; 2];
        self.window_end = 0;
    }

    /// A packet was lost, or was not.
    pub fn note_loss(&mut self, lost: bool) {
        self.lost += (f32::from(u8::from(lost)) - self.lost) * LOSS_WEIGHT;
    }

    /// The delay that all but 1 % of the packets keep, µs; more on a line with losses.
    pub fn target(&self) -> u64 {
        let aided = if self.lost > LOSSY { FRAME_US + self.quantile(UNAIDED) } else { LEAST_US };
        (self.quantile(TAIL) + MARGIN_US).max(aided).min(MOST_US)
    }

    /// The delay that only this share of the packets exceeds, µs.
    fn quantile(&self, tail: f32) -> u64 {
        let mut beyond = 0.0;
        for (index, weight) in self.bins.iter().enumerate().rev() {
            beyond += weight;
            if beyond > self.total * tail {
                return (index as u64 + 1) * BIN_US;
            }
        }
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn target_follows_the_delays() {
        let mut delay = Delay::default();
        assert_eq!(delay.target(), 30_000);
        for n in 0..1_000u64 {
            delay.note(n * 20_000, 1_000_000 + (n as i64 % 7) * 500, false);
        }
        assert_eq!(delay.target(), LEAST_US);
        for n in 0..1_000u64 {
            delay.note((1_000 + n) * 20_000, 1_000_000 + (n as i64 * 7_919) % 60_000, false);
        }
        assert!((60_000..=70_000).contains(&delay.target()), "{}", delay.target());
        (0..5).for_each(|_| delay.note_loss(true));
        assert!((80_000..=90_000).contains(&delay.target()), "{}", delay.target());
        delay.note(40_020_000, 1_180_000, true);
        delay.note(40_040_000, 1_180_000, true);
        assert!(delay.target() >= 180_000, "late packets count more");
    }

    #[test]
    fn base_forgets_what_is_old() {
        let mut delay = Delay::default();
        delay.note(0, 100, false);
        delay.note(6_000_000, 900, false);
        assert_eq!(delay.base(), 100);
        delay.note(12_000_000, 900, false);
        assert_eq!(delay.base(), 900);
    }
}
