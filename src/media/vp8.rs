//! VP8 in RTP (RFC 7741): frames to payloads, and packets back to frames. Nothing of it is decoded but the key frame's first bytes. Pure.

use std::collections::BTreeMap;

use super::rtp::Header;

/// Packets that may wait for one that is missing, and how long, µs.
const WAITING: usize = 256;
const PATIENCE_US: u64 = 300_000;
/// No frame is longer.
const LONGEST: usize = 4 << 20;

/// A frame of the peer's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// RTP's.
    pub timestamp: u32,
    /// As it was encoded.
    pub bytes: Vec<u8>,
}

/// It can be decoded by itself (RFC 6386 §9.1).
pub fn is_key(frame: &[u8]) -> bool {
    frame.first().is_some_and(|first| first & 1 == 0)
}

/// Width and height, of a key frame.
pub fn size(frame: &[u8]) -> Option<(u16, u16)> {
    let side = |at: usize| Some(u16::from_le_bytes([*frame.get(at)?, *frame.get(at + 1)?]) & 0x3fff);
    (is_key(frame) && frame.get(3..6)? == [0x9d, 0x01, 0x2a]).then_some(())?;
    Some((side(6)?, side(8)?))
}

/// Writes the payload that carries a frame from `at` on. Returns its length and where the next one begins.
pub fn write(frame: &[u8], at: usize, out: &mut [u8]) -> (usize, usize) {
    let end = frame.len().min(at + out.len() - 1);
    let piece = frame.get(at..end).unwrap_or_default();
    out[0] = if at == 0 { 0x10 } else { 0 };
    out[1..=piece.len()].copy_from_slice(piece);
    (1 + piece.len(), end)
}

/// A payload without its descriptor (§4.2), and whether a frame begins with it.
pub fn read(payload: &[u8]) -> Option<(bool, &[u8])> {
    let (&first, mut rest) = payload.split_first()?;
    if first & 0x80 != 0 {
        let (&extension, after) = rest.split_first()?;
        rest = after;
        if extension & 0x80 != 0 {
            let long = rest.first()? & 0x80 != 0;
            rest = rest.get(if long { 2 } else { 1 }..)?;
        }
        if extension & 0x40 != 0 {
            rest = rest.get(1..)?;
        }
        if extension & 0x30 != 0 {
            rest = rest.get(1..)?;
        }
    }
    Some((first & 0x17 == 0x10, rest))
}

/// Puts packets in order and together. After a loss nothing comes out until the next key frame.
#[derive(Debug, Default)]
pub struct Assembler {
    waiting: BTreeMap<u64, Part>,
    /// The packet that is due, and the last that came.
    next: Option<u64>,
    newest: u64,
    frame: Option<Frame>,
    whole: bool,
}

#[derive(Debug)]
struct Part {
    at: u64,
    timestamp: u32,
    marker: bool,
    start: bool,
    bytes: Vec<u8>,
}

impl Assembler {
    /// A packet, at `at` (µs).
    pub fn push(&mut self, at: u64, header: &Header, payload: &[u8]) {
        // Senders that measure the path send packets of nothing but padding: they have their numbers too.
        let read = if payload.is_empty() { Some((false, payload)) } else { read(payload) };
        let Some((start, bytes)) = read else { return };
        let seq = match self.next {
            None => 1 << 32 | u64::from(header.seq),
            Some(_) => {
                let ahead = header.seq.wrapping_sub(self.newest as u16).cast_signed();
                self.newest.saturating_add_signed(i64::from(ahead))
            }
        };
        let next = *self.next.get_or_insert(seq);
        self.newest = self.newest.max(seq);
        if seq >= next {
            let (timestamp, marker) = (header.timestamp, header.marker);
            self.waiting.insert(seq, Part { at, timestamp, marker, start, bytes: bytes.to_vec() });
        }
    }

    /// The next frame that is whole.
    pub fn pop(&mut self, now: u64) -> Option<Frame> {
        loop {
            let next = self.next?;
            let Some(part) = self.waiting.remove(&next) else {
                let (first, part) = self.waiting.first_key_value()?;
                if self.waiting.len() < WAITING && now < part.at + PATIENCE_US {
                    return None;
                }
                self.next = Some(*first);
                (self.frame, self.whole) = (None, false);
                continue;
            };
            self.next = Some(next + 1);
            if let Some(frame) = self.take(part) {
                return Some(frame);
            }
        }
    }

    fn take(&mut self, part: Part) -> Option<Frame> {
        if part.bytes.is_empty() {
            return None;
        }
        if part.start {
            self.frame = Some(Frame { timestamp: part.timestamp, bytes: Vec::new() });
        }
        let fits =
            |frame: &&mut Frame| frame.timestamp == part.timestamp && frame.bytes.len() + part.bytes.len() <= LONGEST;
        let Some(frame) = self.frame.as_mut().filter(fits) else {
            (self.frame, self.whole) = (None, false);
            return None;
        };
        frame.bytes.extend_from_slice(&part.bytes);
        let done = self.frame.take_if(|_| part.marker)?;
        self.whole |= is_key(&done.bytes);
        self.whole.then_some(done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(key: bool, length: usize, fill: u8) -> Vec<u8> {
        let mut bytes = vec![fill; length];
        bytes[..10].copy_from_slice(&[u8::from(!key), 0, 0, 0x9d, 0x01, 0x2a, 64, 1, 240, 0]);
        bytes
    }

    fn packets(seq: u16, timestamp: u32, frame: &[u8]) -> Vec<(Header, Vec<u8>)> {
        let (mut at, mut all) = (0, Vec::new());
        while at < frame.len() {
            let mut out = [0; 100];
            let (length, next) = write(frame, at, &mut out);
            at = next;
            let seq = seq.wrapping_add(all.len() as u16);
            let header = Header { marker: at == frame.len(), payload_type: 98, seq, timestamp, ssrc: 1 };
            all.push((header, out[..length].to_vec()));
        }
        all
    }

    #[test]
    fn there_and_back_in_any_order() {
        let frames = [frame(true, 950, 1), frame(false, 99, 2), frame(false, 100, 3), frame(false, 10, 4)];
        let mut all: Vec<_> = Vec::new();
        for (number, frame) in frames.iter().enumerate() {
            let seq = 65_530_u16.wrapping_add(all.len() as u16);
            all.extend(packets(seq, number as u32 * 3_000, frame));
            let (mut padding, _) = all[all.len() - 1].clone();
            (padding.marker, padding.seq) = (false, padding.seq.wrapping_add(1));
            all.push((padding, Vec::new()));
        }
        all[1..].chunks_mut(3).for_each(|some| some.reverse());
        let mut assembler = Assembler::default();
        let mut got = Vec::new();
        for (at, (header, payload)) in all.iter().enumerate() {
            assembler.push(at as u64, header, payload);
            got.extend(std::iter::from_fn(|| assembler.pop(at as u64)));
        }
        assert_eq!(got.iter().map(|f| f.bytes.as_slice()).collect::<Vec<_>>(), frames.each_ref().map(Vec::as_slice));
        assert_eq!(size(&got[0].bytes), Some((320, 240)));
        assert_eq!(size(&got[1].bytes), None, "not a key frame");
    }

    #[test]
    fn after_a_loss_it_waits_for_a_key_frame() {
        let mut assembler = Assembler::default();
        let mut seq = 0;
        let mut got = Vec::new();
        for (number, key) in [true, false, false, true, false].into_iter().enumerate() {
            let mut all = packets(seq, number as u32, &frame(key, 500, 0));
            seq += all.len() as u16;
            if number == 1 {
                all.remove(2);
            }
            for (header, payload) in all {
                let now = number as u64 * 400_000;
                assembler.push(now, &header, &payload);
                got.extend(std::iter::from_fn(|| assembler.pop(now)).map(|f| f.timestamp));
            }
        }
        got.extend(std::iter::from_fn(|| assembler.pop(9_000_000)).map(|f| f.timestamp));
        assert_eq!(got, [0, 3, 4]);
    }

    #[test]
    fn descriptors_of_others() {
        assert_eq!(read(&[0x90, 0x80, 0x81, 0x23, 7]), Some((true, &[7][..])), "a long picture id");
        assert_eq!(read(&[0x90, 0x80, 0x01, 7]), Some((true, &[7][..])), "a short one");
        assert_eq!(read(&[0x90, 0xf0, 0x80, 1, 2, 3, 7]), Some((true, &[7][..])), "all of it");
        assert_eq!(read(&[0x11, 7]), Some((false, &[7][..])), "another partition");
        for cut in 0..6 {
            let _ = read(&[0x90, 0xf0, 0x80, 1, 2, 3][..cut]);
        }
    }
}
