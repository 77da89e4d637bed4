//! Digits as RTP events, RFC 4733. Pure.

/// The shortest event that is sent, ms.
const SHORTEST_MS: u32 = 50;
/// How often the end is sent (RFC 4733 §2.5.1.4).
const ENDS: u8 = 3;
/// No packet of an event for this long: its ends are lost, µs.
const LOST_US: u64 = 150_000;
/// −10 dBm0, what most senders say.
const VOLUME: u8 = 10;

const DIGITS: &[u8; 16] = b"0123456789*#ABCD";

/// One packet of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventPacket {
    /// The payload.
    pub payload: [u8; 4],
    /// The RTP marker: on the first packet.
    pub marker: bool,
    /// Nothing comes after it.
    pub last: bool,
}

/// An event that is being sent.
#[derive(Debug, Clone)]
pub struct Sending {
    digit: char,
    code: u8,
    timestamp: u32,
    total: u32,
    elapsed: u32,
    ends: u8,
}

impl Sending {
    /// A digit (`0-9*#A-D`) that begins at this RTP timestamp; none for any other character.
    pub fn new(digit: char, duration_ms: u32, timestamp: u32, clock: u32) -> Option<Self> {
        let code = DIGITS.iter().position(|d| char::from(*d) == digit.to_ascii_uppercase())? as u8;
        let total = u64::from(duration_ms.max(SHORTEST_MS)) * u64::from(clock) / 1_000;
        Some(Sending { digit, code, timestamp, total: total.min(0xffff) as u32, elapsed: 0, ends: 0 })
    }

    /// The digit.
    pub fn digit(&self) -> char {
        self.digit
    }

    /// The timestamp of all its packets.
    pub fn timestamp(&self) -> u32 {
        self.timestamp
    }

    /// The next packet, `step` units of the clock after the one before.
    pub fn next(&mut self, step: u32) -> EventPacket {
        let marker = self.elapsed == 0;
        self.elapsed = (self.elapsed + step).min(self.total);
        let end = self.elapsed == self.total;
        self.ends += u8::from(end);
        let [high, low] = (self.elapsed as u16).to_be_bytes();
        EventPacket { payload: [self.code, u8::from(end) << 7 | VOLUME, high, low], marker, last: self.ends >= ENDS }
    }
}

#[derive(Debug, Clone)]
struct Current {
    timestamp: u32,
    clock: u32,
    code: u8,
    duration: u32,
    told: bool,
    last_at: u64,
}

/// Reads events: each is told once.
#[derive(Debug, Clone, Default)]
pub struct Receiving {
    current: Option<Current>,
}

impl Receiving {
    /// A packet came, with its timestamp and the clock of its events, Hz: `tell` gets the digit and its length in ms, once an event ends (or another one begins instead).
    pub fn packet(
        &mut self,
        now: u64,
        (timestamp, clock): (u32, u32),
        payload: &[u8],
        mut tell: impl FnMut(char, u32),
    ) {
        let &[code, flags, high, low, ..] = payload else { return };
        let (end, duration) = (flags & 0x80 != 0, u32::from(u16::from_be_bytes([high, low])));
        let newer = self.current.as_ref().is_none_or(|c| (timestamp.wrapping_sub(c.timestamp) as i32) > 0);
        if newer {
            self.finish(&mut tell);
            self.current = Some(Current { timestamp, clock, code, duration: 0, told: false, last_at: now });
        }
        let Some(current) = self.current.as_mut().filter(|c| c.timestamp == timestamp) else { return };
        current.last_at = now;
        current.duration = current.duration.max(duration);
        if end {
            self.finish(&mut tell);
        }
    }

    /// Time passes: tells the event whose ends were lost.
    pub fn idle(&mut self, now: u64, mut tell: impl FnMut(char, u32)) {
        if self.current.as_ref().is_some_and(|c| !c.told && now.saturating_sub(c.last_at) > LOST_US) {
            self.finish(&mut tell);
        }
    }

    fn finish(&mut self, tell: &mut impl FnMut(char, u32)) {
        if let Some(current) = self.current.as_mut().filter(|c| !c.told) {
            current.told = true;
            if let Some(digit) = DIGITS.get(usize::from(current.code)) {
                tell(char::from(*digit), current.duration * 1_000 / current.clock);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(sending: &mut Sending) -> Vec<EventPacket> {
        let mut packets = Vec::new();
        loop {
            packets.push(sending.next(160));
            if packets.last().unwrap().last {
                return packets;
            }
        }
    }

    #[test]
    fn an_event_as_it_is_sent() {
        let mut sending = Sending::new('#', 100, 7, 8_000).unwrap();
        let packets = all(&mut sending);
        let durations: Vec<u16> = packets.iter().map(|p| u16::from_be_bytes([p.payload[2], p.payload[3]])).collect();
        assert_eq!(durations, [160, 320, 480, 640, 800, 800, 800]);
        let ends: Vec<bool> = packets.iter().map(|p| p.payload[1] & 0x80 != 0).collect();
        assert_eq!(ends, [false, false, false, false, true, true, true]);
        assert!(packets.iter().enumerate().all(|(n, p)| p.marker == (n == 0) && p.payload[0] == 11));
        assert_eq!(all(&mut Sending::new('1', 1, 0, 8_000).unwrap()).len(), 5, "50 ms at least");
        assert!(Sending::new('x', 100, 0, 8_000).is_none());
    }

    #[test]
    fn told_once_whatever_is_lost() {
        let packets = all(&mut Sending::new('d', 100, 7, 8_000).unwrap());
        for lost in 0..1u32 << packets.len() {
            let mut receiving = Receiving::default();
            let mut told = Vec::new();
            for (n, packet) in packets.iter().enumerate().filter(|(n, _)| lost & (1 << n) == 0) {
                receiving.packet(n as u64 * 20_000, (7, 8_000), &packet.payload, |d, ms| told.push((d, ms)));
            }
            receiving.idle(400_000, |d, ms| told.push((d, ms)));
            receiving.idle(800_000, |d, ms| told.push((d, ms)));
            let heard = lost != (1 << packets.len()) - 1;
            assert_eq!(told.len(), usize::from(heard), "{lost:b}");
            assert!(told.iter().all(|(d, ms)| *d == 'D' && *ms <= 100));
        }
    }

    #[test]
    fn a_new_event_ends_the_old_one_and_the_old_one_stays_told() {
        let mut receiving = Receiving::default();
        let mut told = Vec::new();
        receiving.packet(0, (100, 8_000), &[1, 10, 0, 160], |d, ms| told.push((d, ms)));
        receiving.packet(1, (900, 8_000), &[2, 0x8a, 3, 32], |d, ms| told.push((d, ms)));
        receiving.packet(2, (100, 8_000), &[1, 0x8a, 3, 32], |d, ms| told.push((d, ms)));
        receiving.packet(2, (900, 8_000), &[2], |d, ms| told.push((d, ms)));
        assert_eq!(told, [('1', 20), ('2', 100)]);
    }
}
