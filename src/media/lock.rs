//! Symmetric RTP: whom we listen to, and whom we send to. Pure.

use std::net::SocketAddr;

/// Packets in sequence that make a lock.
const LEARN: u8 = 3;
/// Silence after which the lock opens, µs.
const OPEN_US: u64 = 2_000_000;

/// What to do with a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is the peer's.
    Accept,
    /// Perhaps the peer's: not yet three in sequence.
    Learning,
    /// Somebody else's.
    Foreign,
}

#[derive(Debug, Clone, Copy)]
struct Candidate {
    from: SocketAddr,
    ssrc: u32,
    next: u16,
    count: u8,
}

/// The lock of one session.
#[derive(Debug, Clone)]
pub struct Lock {
    signalled: SocketAddr,
    locked: Option<SocketAddr>,
    /// Where the last lock was: stays the destination until there is another one.
    learnt: Option<SocketAddr>,
    /// The SDP's own address and any other one, each on its way to three packets.
    candidates: [Option<Candidate>; 2],
    /// When the locked address was last heard, µs.
    last_at: u64,
    /// When the SDP's address was last heard, µs.
    signalled_at: Option<u64>,
}

impl Lock {
    /// Open, with the address that the SDP names.
    pub fn new(signalled: SocketAddr) -> Self {
        Lock { signalled, locked: None, learnt: None, candidates: [None; 2], last_at: 0, signalled_at: None }
    }

    /// A new session description: opens the lock. Where it names the same address, we go on sending to what was learnt.
    pub fn renew(&mut self, signalled: SocketAddr) {
        let learnt = self.learnt.filter(|_| signalled == self.signalled);
        *self = Lock { learnt, ..Lock::new(signalled) };
    }

    /// A packet came.
    pub fn note(&mut self, now: u64, from: SocketAddr, ssrc: u32, seq: u16) -> Verdict {
        let named = from == self.signalled;
        if named {
            self.signalled_at = Some(now);
        }
        if self.locked.is_some() && now.saturating_sub(self.last_at) > OPEN_US {
            self.locked = None;
        }
        match self.locked {
            Some(locked) if locked == from => {
                self.last_at = self.last_at.max(now);
                Verdict::Accept
            }
            Some(_) if !named => Verdict::Foreign,
            Some(_) => match self.learn(now, 0, from, ssrc, seq) {
                true => Verdict::Accept,
                false => Verdict::Foreign,
            },
            None if named => {
                self.learn(now, 0, from, ssrc, seq);
                Verdict::Accept
            }
            None if self.signalled_at.is_some_and(|at| now.saturating_sub(at) <= OPEN_US) => Verdict::Foreign,
            None => match self.learn(now, 1, from, ssrc, seq) || self.learnt == Some(from) {
                true => Verdict::Accept,
                false => Verdict::Learning,
            },
        }
    }

    /// Where our packets go.
    pub fn destination(&self) -> SocketAddr {
        self.learnt.unwrap_or(self.signalled)
    }

    /// The address that is locked.
    pub fn locked(&self) -> Option<SocketAddr> {
        self.locked
    }

    /// Three in sequence from one address and SSRC lock it.
    fn learn(&mut self, now: u64, which: usize, from: SocketAddr, ssrc: u32, seq: u16) -> bool {
        let count = match self.candidates[which] {
            Some(c) if c.from == from && c.ssrc == ssrc && c.next == seq => c.count + 1,
            _ => 1,
        };
        self.candidates[which] = Some(Candidate { from, ssrc, next: seq.wrapping_add(1), count });
        if count < LEARN {
            return false;
        }
        self.locked = Some(from);
        self.learnt = Some(from);
        self.candidates = [None; 2];
        self.last_at = now;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addr(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    #[test]
    fn learns_from_three_in_sequence() {
        let mut lock = Lock::new(addr(1));
        assert_eq!(lock.note(0, addr(2), 9, 100), Verdict::Learning);
        assert_eq!(lock.note(1, addr(2), 9, 102), Verdict::Learning);
        assert_eq!(lock.note(2, addr(2), 9, 103), Verdict::Learning);
        assert_eq!(lock.destination(), addr(1));
        assert_eq!(lock.note(3, addr(2), 9, 104), Verdict::Accept);
        assert_eq!(lock.destination(), addr(2));
        assert_eq!(lock.note(4, addr(3), 9, 105), Verdict::Foreign);
        assert_eq!(lock.note(5, addr(2), 7, 1), Verdict::Accept, "the SSRC is not the lock's business");
    }

    #[test]
    fn prefers_the_address_of_the_sdp() {
        let mut lock = Lock::new(addr(1));
        assert_eq!(lock.note(0, addr(1), 1, 1), Verdict::Accept);
        for seq in 0..5 {
            assert_eq!(lock.note(1, addr(2), 9, seq), Verdict::Foreign);
        }
        let mut lock = Lock::new(addr(1));
        for seq in 0..3 {
            lock.note(0, addr(2), 9, seq);
        }
        assert_eq!(lock.locked(), Some(addr(2)));
        assert_eq!(lock.note(1, addr(1), 1, 1), Verdict::Foreign);
        assert_eq!(lock.note(1, addr(1), 1, 2), Verdict::Foreign);
        assert_eq!(lock.note(1, addr(1), 1, 3), Verdict::Accept);
        assert_eq!(lock.destination(), addr(1));
    }

    #[test]
    fn opens_after_two_seconds_and_on_a_new_description() {
        let mut lock = Lock::new(addr(1));
        for seq in 0..3 {
            lock.note(0, addr(2), 9, seq);
        }
        assert_eq!(lock.note(2_000_000, addr(3), 5, 0), Verdict::Foreign);
        assert_eq!(lock.note(2_000_001, addr(3), 5, 1), Verdict::Learning);
        assert_eq!(lock.destination(), addr(2), "still the best we know");
        lock.note(2_000_002, addr(3), 5, 2);
        lock.note(2_000_003, addr(3), 5, 3);
        assert_eq!(lock.locked(), Some(addr(3)));
        lock.renew(addr(1));
        assert_eq!((lock.locked(), lock.destination()), (None, addr(3)));
        lock.renew(addr(4));
        assert_eq!(lock.destination(), addr(4));
    }
}
