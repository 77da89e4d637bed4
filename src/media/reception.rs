//! What RFC 3550 wants known of a stream that is received: loss by sequence number (A.1, A.3), jitter (A.8). Pure.

/// A step forward of this much is still loss.
const DROPOUT: u16 = 3_000;
/// A step back of this much is still disorder.
const DISORDER: u16 = 100;

/// What a sequence number tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// In the stream.
    Valid,
    /// Far off: believed when the next one follows it.
    Doubtful,
    /// The sender has begun anew.
    Restart,
}

/// One stream's reception.
#[derive(Debug, Clone, Default)]
pub struct Reception {
    clock: f64,
    started: bool,
    base: u64,
    highest: u64,
    doubtful: Option<u16>,
    received: u64,
    /// Expected and received of streams before this one.
    before: (u64, u64),
    /// Expected and received at the last report.
    reported: (u64, u64),
    transit: Option<f64>,
    jitter: f64,
    jitter_max: f64,
    jitter_sum: f64,
    jitter_count: u64,
}

/// A reception report block's measured fields (RFC 3550 §6.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block {
    /// Lost since the last report, of 256.
    pub fraction_lost: u8,
    /// Lost since the beginning.
    pub total_lost: u32,
    /// Extended highest sequence number.
    pub highest: u32,
    /// Jitter in units of the clock.
    pub jitter: u32,
}

impl Reception {
    /// For a stream with this RTP clock, Hz.
    pub fn new(clock: u32) -> Self {
        Reception { clock: f64::from(clock), ..Reception::default() }
    }

    /// Another stream begins (another SSRC or clock); totals go on.
    pub fn begin(&mut self, clock: u32) {
        self.before = (self.expected(), self.received());
        self.clock = f64::from(clock);
        self.started = false;
        self.received = 0;
        self.transit = None;
        self.doubtful = None;
        self.reported = (0, 0);
    }

    /// Every packet of the stream, whatever it holds.
    pub fn note(&mut self, seq: u16) -> Seen {
        if !self.started {
            self.start(seq);
            return Seen::Valid;
        }
        let ahead = seq.wrapping_sub(self.highest as u16);
        if ahead < DROPOUT {
            self.highest += u64::from(ahead);
        } else if ahead <= u16::MAX - DISORDER {
            if self.doubtful == Some(seq) {
                self.begin(self.clock as u32);
                self.start(seq);
                return Seen::Restart;
            }
            self.doubtful = Some(seq.wrapping_add(1));
            return Seen::Doubtful;
        }
        self.received += 1;
        Seen::Valid
    }

    /// Every packet with sound: arrival in µs, RTP timestamp.
    pub fn note_time(&mut self, at: u64, timestamp: u32) {
        let transit = at as f64 * self.clock / 1e6 - f64::from(timestamp);
        if let Some(before) = self.transit.replace(transit) {
            let wrap = 4_294_967_296.0;
            let step = (transit - before + wrap / 2.0).rem_euclid(wrap) - wrap / 2.0;
            if step.abs() < self.clock {
                // a step of more than 1 s is a pause or a new time line, not jitter
                self.jitter += (step.abs() - self.jitter) / 16.0;
                self.jitter_max = self.jitter_max.max(self.jitter / self.clock);
                self.jitter_sum += self.jitter / self.clock;
                self.jitter_count += 1;
            }
        }
    }

    /// Packets received, duplicates too.
    pub fn received(&self) -> u64 {
        self.before.1 + self.received
    }

    /// Packets missing by sequence.
    pub fn lost(&self) -> u64 {
        self.expected().saturating_sub(self.received())
    }

    /// Packets that should have come.
    pub fn expected(&self) -> u64 {
        self.before.0 + self.expected_here()
    }

    /// Jitter in ms: now, greatest, mean.
    pub fn jitter_ms(&self) -> [f64; 3] {
        let now = if self.clock > 0.0 { self.jitter / self.clock } else { 0.0 };
        [now * 1e3, self.jitter_max * 1e3, self.jitter_sum * 1e3 / self.jitter_count.max(1) as f64]
    }

    /// Packets lost since the last report block.
    pub fn lost_since_block(&self) -> u64 {
        (self.expected_here() - self.reported.0).saturating_sub(self.received - self.reported.1)
    }

    /// The block for our next report.
    pub fn block(&mut self) -> Block {
        let lost = self.lost_since_block();
        let expected = self.expected_here() - self.reported.0;
        self.reported = (self.expected_here(), self.received);
        Block {
            fraction_lost: (lost * 256).checked_div(expected).unwrap_or(0).min(255) as u8,
            total_lost: self.expected_here().saturating_sub(self.received).min(0x7f_ffff) as u32,
            highest: self.highest as u32,
            jitter: self.jitter as u32,
        }
    }

    fn start(&mut self, seq: u16) {
        self.started = true;
        (self.base, self.highest) = (u64::from(seq), u64::from(seq));
        self.received = 1;
    }

    fn expected_here(&self) -> u64 {
        if self.started { self.highest - self.base + 1 } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loss_over_the_wrap() {
        let mut reception = Reception::new(8_000);
        for n in (0..200u16).filter(|n| n % 10 != 5) {
            assert_eq!(reception.note(65_500u16.wrapping_add(n)), Seen::Valid);
        }
        assert_eq!((reception.expected(), reception.lost()), (200, 20));
        let block = reception.block();
        assert_eq!((block.fraction_lost, block.total_lost, block.highest), (25, 20, 65_699));
        assert_eq!(reception.block().fraction_lost, 0);
    }

    #[test]
    fn a_restart_is_not_loss() {
        let mut reception = Reception::new(8_000);
        reception.note(100);
        reception.note(101);
        assert_eq!(reception.note(30_000), Seen::Doubtful);
        assert_eq!(reception.note(30_001), Seen::Restart);
        assert_eq!(reception.note(30_002), Seen::Valid);
        assert_eq!((reception.expected(), reception.received(), reception.lost()), (4, 4, 0));
    }

    #[test]
    fn jitter_of_a_swing() {
        let mut reception = Reception::new(8_000);
        for n in 0..500u64 {
            reception
                .note_time(n * 20_000 + (n % 2) * 10_000, (n as u32).wrapping_mul(160).wrapping_add(u32::MAX - 500));
        }
        let [now, max, mean] = reception.jitter_ms();
        assert!((now - 10.0).abs() < 0.1 && max <= 10.01 && mean > 9.0, "{now} {max} {mean}");
    }
}
