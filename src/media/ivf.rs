//! IVF, the file of bare VP8 frames: read whole, and written frame by frame.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use super::vp8;

/// A file that is played stands in memory: no longer one is taken.
const LARGEST: u64 = 64 << 20;
/// The header of the file and of a frame.
const HEADER: usize = 32;
const FRAME: usize = 12;
/// Of a frame whose time is not believable, µs.
const USUAL_US: u64 = 33_333;
/// The longest pause between two frames that are written, in units of RTP's clock; another stream's time is no pause.
const LEAP: u32 = 900_000;

/// A file's frames.
#[derive(Debug)]
pub struct Ivf {
    bytes: Vec<u8>,
    frames: Vec<(u64, Range<usize>)>,
    length_us: u64,
}

impl Ivf {
    /// Reads a file. The error names it.
    pub fn load(path: &Path) -> Result<Ivf, String> {
        let read = || -> io::Result<Vec<u8>> {
            let mut bytes = Vec::new();
            File::open(path)?.take(LARGEST + 1).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        let bytes = read().map_err(|e| format!("no video from {path:?}: {e}"))?;
        if bytes.len() as u64 > LARGEST {
            return Err(format!("no video from {path:?}: it is larger than {} MB", LARGEST >> 20));
        }
        Ivf::parse(bytes).ok_or_else(|| format!("no video from {path:?}: it is no IVF file of VP8 with a key frame"))
    }

    /// From its first key frame on; what is cut off at its end is left out. None: it is something else.
    pub fn parse(bytes: Vec<u8>) -> Option<Ivf> {
        let number = |at: usize| Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
        if bytes.get(..4)? != b"DKIF" || bytes.get(8..12)? != b"VP80" {
            return None;
        }
        let (rate, scale) = (u128::from(number(16)?.max(1)), u128::from(number(20)?.max(1)));
        let mut at = usize::from(u16::from_le_bytes(*bytes.get(6..)?.first_chunk()?)).max(HEADER);
        let mut frames: Vec<(u64, Range<usize>)> = Vec::new();
        let (mut time, mut before) = (0, None);
        while let (Some(length), Some(pts)) = (number(at), bytes.get(at + 4..).and_then(|b| b.first_chunk())) {
            let (begin, end) = (at + FRAME, (at + FRAME).saturating_add(length as usize));
            at = end;
            let Some(frame) = bytes.get(begin..end) else { break };
            if frames.is_empty() && !vp8::is_key(frame) || frame.is_empty() {
                continue;
            }
            let pts = (u128::from(u64::from_le_bytes(*pts)) * scale * 1_000_000 / rate) as u64;
            if let Some(before) = before {
                let step = pts.wrapping_sub(before);
                time += if (1..10_000_000).contains(&step) { step } else { USUAL_US };
            }
            before = Some(pts);
            frames.push((time, begin..end));
        }
        let count = frames.len() as u64;
        let last = if count > 1 { time / (count - 1) } else { USUAL_US };
        (count > 0).then_some(Ivf { bytes, frames, length_us: time + last })
    }

    /// How many frames.
    pub fn len(&self) -> usize {
        self.frames.len()
    }

    /// How long they last, µs.
    pub fn length_us(&self) -> u64 {
        self.length_us
    }

    /// A frame, and when it is shown, µs from the beginning.
    pub fn frame(&self, number: usize) -> Option<(u64, &[u8])> {
        let (time, range) = self.frames.get(number)?;
        Some((*time, self.bytes.get(range.clone())?))
    }

    /// The key frame that is nearest to a frame, the first one of the next round too.
    pub fn nearest_key(&self, number: usize) -> usize {
        let is_key = |at: &usize| self.frame(*at).is_some_and(|(_, frame)| vp8::is_key(frame));
        let before = (0..=number.min(self.len() - 1)).rev().find(is_key).unwrap_or(0);
        let after = (number..self.len()).find(is_key);
        match after {
            Some(after) if after - number <= number - before => after,
            None if self.len() - number < number - before => 0,
            _ => before,
        }
    }
}

/// A file that grows.
pub struct Writer {
    file: File,
    time: u64,
    before: u32,
    count: u32,
}

impl Writer {
    /// `NAME.ivf` in a folder, or `NAME-2.ivf` and so on where there is one already; for its owner's eyes only. Begins with a key frame.
    pub fn create(folder: &Path, name: &str, first: &vp8::Frame) -> io::Result<Writer> {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        let names = (1..1_000).map(|n| if n == 1 { format!("{name}.ivf") } else { format!("{name}-{n}.ivf") });
        let mut opened = names.map(|name| options.open(folder.join(name)));
        let taken = |result: &io::Result<File>| matches!(result, Err(e) if e.kind() == io::ErrorKind::AlreadyExists);
        let mut file =
            opened.find(|result| !taken(result)).unwrap_or_else(|| Err(io::ErrorKind::AlreadyExists.into()))?;
        let (width, height) = vp8::size(&first.bytes).unwrap_or_default();
        let mut header = [0; HEADER];
        header[..12].copy_from_slice(b"DKIF\0\0\x20\0VP80");
        header[12..14].copy_from_slice(&width.to_le_bytes());
        header[14..16].copy_from_slice(&height.to_le_bytes());
        header[16..20].copy_from_slice(&1_000u32.to_le_bytes());
        header[20..24].copy_from_slice(&1u32.to_le_bytes());
        file.write_all(&header)?;
        Ok(Writer { file, time: 0, before: first.timestamp, count: 0 })
    }

    /// One more frame, by one write: whatever ends the process, the file is whole up to there.
    pub fn add(&mut self, frame: &vp8::Frame) -> io::Result<()> {
        let step = frame.timestamp.wrapping_sub(self.before);
        self.time += u64::from(step.min(LEAP));
        self.before = frame.timestamp;
        self.count += 1;
        let (length, time) = ((frame.bytes.len() as u32).to_le_bytes(), (self.time / 90).to_le_bytes());
        self.file.write_all(&[&length[..], &time, &frame.bytes].concat())
    }

    /// The number of frames comes into the header.
    pub fn finish(mut self) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(24))?;
        self.file.write_all(&self.count.to_le_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::vp8::Frame;

    fn frame(key: bool, timestamp: u32) -> Frame {
        Frame { timestamp, bytes: vec![u8::from(!key), 0, 0, 0x9d, 0x01, 0x2a, 64, 1, 240, 0] }
    }

    #[test]
    fn what_is_written_is_read() {
        let dir = tempfile::tempdir().unwrap();
        for round in 0..2 {
            let first = frame(true, u32::MAX - 100);
            let mut writer = Writer::create(&dir.path().join("a/b"), "x", &first).unwrap();
            for n in 0..5u32 {
                writer.add(&frame(n == 0, (u32::MAX - 100).wrapping_add(n * 3_600 + round))).unwrap();
            }
            writer.finish().unwrap();
        }
        let mut bytes = std::fs::read(dir.path().join("a/b/x.ivf")).unwrap();
        assert_eq!((bytes[12], bytes[13], bytes[14], bytes[24]), (64, 1, 240, 5));
        assert!(dir.path().join("a/b/x-2.ivf").exists());
        let ivf = Ivf::parse(bytes.clone()).unwrap();
        let times: Vec<u64> = (0..ivf.len()).map(|n| ivf.frame(n).unwrap().0).collect();
        assert_eq!((times, ivf.length_us()), (vec![0, 40_000, 80_000, 120_000, 160_000], 200_000));
        assert_eq!((ivf.nearest_key(0), ivf.nearest_key(2), ivf.nearest_key(4)), (0, 0, 0));
        for cut in 0..bytes.len() {
            let _ = Ivf::parse(bytes[..cut].to_vec());
        }
        bytes[8] = b'X';
        assert!(Ivf::parse(bytes).is_none());
    }
}
