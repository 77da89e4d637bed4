//! The RTP header, RFC 3550 §5.1. Our own reader: it borrows the payload, where the crates' copy it to the heap.

/// Bytes of the header that we write.
pub const HEADER: usize = 12;

/// The fields of a header that anybody here asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Marker.
    pub marker: bool,
    /// Payload type.
    pub payload_type: u8,
    /// Sequence number.
    pub seq: u16,
    /// Timestamp.
    pub timestamp: u32,
    /// Synchronisation source.
    pub ssrc: u32,
}

/// Reads a packet: its header and its payload, without contributing sources, extension and padding. None: not RTP.
pub fn read(bytes: &[u8]) -> Option<(Header, &[u8])> {
    let (fixed, mut rest) = bytes.split_first_chunk::<HEADER>()?;
    if fixed[0] >> 6 != 2 || is_rtcp(bytes) {
        return None;
    }
    rest = rest.get(4 * usize::from(fixed[0] & 0x0f)..)?;
    if fixed[0] & 0x10 != 0 {
        let words = u16::from_be_bytes([*rest.get(2)?, *rest.get(3)?]);
        rest = rest.get(4 + 4 * usize::from(words)..)?;
    }
    if fixed[0] & 0x20 != 0 {
        let padding = usize::from(*rest.last()?);
        if padding == 0 {
            return None;
        }
        rest = rest.get(..rest.len().checked_sub(padding)?)?;
    }
    let header = Header {
        marker: fixed[1] & 0x80 != 0,
        payload_type: fixed[1] & 0x7f,
        seq: u16::from_be_bytes([fixed[2], fixed[3]]),
        timestamp: u32::from_be_bytes([fixed[4], fixed[5], fixed[6], fixed[7]]),
        ssrc: u32::from_be_bytes([fixed[8], fixed[9], fixed[10], fixed[11]]),
    };
    Some((header, rest))
}

/// RTCP among RTP on one port: RFC 5761 §4.
pub fn is_rtcp(bytes: &[u8]) -> bool {
    bytes.get(1).is_some_and(|kind| (192..=223).contains(kind))
}

/// Writes the header in front of a payload.
pub fn write(header: &Header, out: &mut [u8; HEADER]) {
    out[0] = 0x80;
    out[1] = u8::from(header.marker) << 7 | header.payload_type & 0x7f;
    out[2..4].copy_from_slice(&header.seq.to_be_bytes());
    out[4..8].copy_from_slice(&header.timestamp.to_be_bytes());
    out[8..12].copy_from_slice(&header.ssrc.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        let header =
            Header { marker: true, payload_type: 101, seq: 65_535, timestamp: 4_000_000_000, ssrc: 0xdead_beef };
        let mut bytes = [0u8; HEADER];
        write(&header, &mut bytes);
        assert_eq!(read(&bytes), Some((header, &[][..])));
    }

    #[test]
    fn optional_parts_are_skipped_and_lies_refused() {
        let mut bytes = vec![0xb1, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3];
        bytes.extend([9, 9, 9, 9]); // one CSRC
        bytes.extend([0xbe, 0xde, 0, 1, 7, 7, 7, 7]); // extension of one word
        bytes.extend([42, 43, 0, 2]); // payload and two bytes of padding
        assert_eq!(read(&bytes).map(|(_, p)| p.to_vec()), Some(vec![42, 43]));
        for cut in 0..bytes.len() {
            let _ = read(&bytes[..cut]);
        }
        for last in [0, 200] {
            *bytes.last_mut().unwrap() = last;
            assert_eq!(read(&bytes), None);
        }
        assert_eq!(read(&[0x40; 20]), None, "version 1");
        assert_eq!(read(&[0x80, 200, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0]), None, "a sender report");
    }
}
