//! The records on an audio socket, the same in both directions: eight bytes, then samples of 16 bits, all of it little-endian.
//!
//! ```text
//! u8  point: 0 customerMouth, 1 customerEar, 2 agentMouth, 3 agentEar
//! u8  0
//! u16 bytes of sound that follow
//! u32 ms of sound of this point that went before, dropped or not (from a client: anything)
//! ```

/// Bytes before the sound.
pub const HEADER: usize = 8;
/// The longest sound of a record that is taken, bytes: 100 ms at 48 kHz.
pub const MOST: usize = 9_600;

/// Appends a record.
pub fn write(port: u8, at_ms: u32, pcm: &[i16], out: &mut Vec<u8>) {
    let bytes = (pcm.len() * 2) as u16;
    out.extend([port, 0]);
    out.extend(bytes.to_le_bytes());
    out.extend(at_ms.to_le_bytes());
    out.extend(pcm.iter().flat_map(|sample| sample.to_le_bytes()));
}

/// What a client sent.
#[derive(Debug, PartialEq)]
pub enum Read<'a> {
    /// A whole record: its point, its sound, and its length in all.
    Record(usize, &'a [u8], usize),
    /// Some of it is missing yet.
    More,
    /// No record can begin so.
    Wrong(&'static str),
}

/// The record at the beginning of these bytes.
pub fn read(bytes: &[u8]) -> Read<'_> {
    let Some(([port, zero, low, high, ..], rest)) = bytes.split_first_chunk::<HEADER>() else { return Read::More };
    let length = usize::from(u16::from_le_bytes([*low, *high]));
    match (*port, *zero) {
        (4.., _) => Read::Wrong("there is no such point"),
        (_, 1..) => Read::Wrong("the second byte of a record is 0"),
        _ if length > MOST || length % 2 != 0 => Read::Wrong("100 ms of sound at most, two bytes a sample"),
        (port, _) => match rest.get(..length) {
            Some(sound) => Read::Record(usize::from(port), sound, HEADER + length),
            None => Read::More,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_can_be_read() {
        let mut bytes = Vec::new();
        write(3, 1_020, &[1, -2], &mut bytes);
        assert_eq!(bytes, [3, 0, 4, 0, 0xfc, 3, 0, 0, 1, 0, 0xfe, 0xff]);
        assert_eq!(read(&bytes), Read::Record(3, &[1, 0, 0xfe, 0xff], 12));
        (0..12).for_each(|n| assert_eq!(read(&bytes[..n]), Read::More, "{n}"));
        for wrong in [[4, 0, 2, 0], [0, 1, 2, 0], [0, 0, 3, 0], [0, 0, 2, 0x26]] {
            assert!(matches!(read(&[&wrong[..], &[0; 4]].concat()), Read::Wrong(_)), "{wrong:?}");
        }
    }
}
