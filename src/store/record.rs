//! A record on disk: its length, its CRC-32, its bytes. A reader goes on behind a damaged one, and knows a torn tail from damage.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use serde::Serialize;

/// Length and checksum, little-endian.
const HEAD: usize = 8;
/// The longest record: what claims to be longer is none.
pub(super) const MAX_RECORD: usize = 4 * 1024 * 1024;

/// Appends a value as a record; what cannot be written as JSON leaves no trace.
pub(super) fn frame(into: &mut Vec<u8>, value: &impl Serialize) {
    let head = into.len();
    let body = head + HEAD;
    into.resize(body, 0);
    if serde_json::to_writer(&mut *into, value).is_err() {
        into.truncate(head);
        return;
    }
    let length = u32::try_from(into.len() - body).unwrap_or(0);
    let crc = crc32fast::hash(&into[body..]);
    into[head..head + 4].copy_from_slice(&length.to_le_bytes());
    into[head + 4..body].copy_from_slice(&crc.to_le_bytes());
}

/// What stands at an offset.
pub(super) enum Next {
    /// A whole record; the next begins at the offset.
    Record(Vec<u8>, u64),
    /// Nothing, or a record that was never finished: the file is good up to here.
    End,
    /// Damage, with good records behind it (at the offset), or none (nothing).
    Damaged(Option<u64>),
}

/// Reads what stands at an offset of a file that is `end` bytes long.
pub(super) fn next(file: &File, at: u64, end: u64) -> io::Result<Next> {
    if at >= end {
        return Ok(Next::End);
    }
    let mut head = [0; HEAD];
    if end - at < HEAD as u64 {
        return Ok(Next::End);
    }
    file.read_exact_at(&mut head, at)?;
    let (length, crc) = split(&head);
    if length > 0 && length <= MAX_RECORD && at + (HEAD + length) as u64 <= end {
        let mut bytes = vec![0; length];
        file.read_exact_at(&mut bytes, at + HEAD as u64)?;
        if crc32fast::hash(&bytes) == crc {
            return Ok(Next::Record(bytes, at + (HEAD + length) as u64));
        }
    }
    let behind = resync(file, at + 1, end)?;
    // Its end was never written: a torn tail. Anything else was whole once.
    let torn = behind.is_none() && length > 0 && length <= MAX_RECORD && at + (HEAD + length) as u64 > end;
    Ok(if torn { Next::End } else { Next::Damaged(behind) })
}

/// The first good record at or behind an offset.
fn resync(file: &File, from: u64, end: u64) -> io::Result<Option<u64>> {
    let mut bytes = vec![0; usize::try_from(end.saturating_sub(from)).unwrap_or(0)];
    file.read_exact_at(&mut bytes, from)?;
    let good = (0..bytes.len().saturating_sub(HEAD)).find(|at| {
        let mut head = [0; HEAD];
        head.copy_from_slice(&bytes[*at..*at + HEAD]);
        let (length, crc) = split(&head);
        // A record is a JSON object: most offsets are told apart by one byte.
        length > 1
            && length <= MAX_RECORD
            && bytes.get(at + HEAD) == Some(&b'{')
            && bytes.get(at + HEAD..at + HEAD + length).is_some_and(|record| crc32fast::hash(record) == crc)
    });
    Ok(good.map(|at| from + at as u64))
}

fn split(head: &[u8; HEAD]) -> (usize, u32) {
    let word = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
    (word(0) as usize, word(4))
}
