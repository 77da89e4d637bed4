//! Where video comes from and goes to on this side: an IVF file or a local RTP port, a folder of IVF files or a local RTP port. Nothing
//! here waits: files are read and written by threads of their own.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::thread;

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};

use crate::ua::media::VideoPlan;

use super::ivf::{Ivf, Writer};
use super::rtp::{self, Header};
use super::vp8::Frame;

/// Frames that may wait for the disk: some 2 s.
const WAITING: usize = 64;
/// Packets that are read of a port in one step; the others wait in the kernel.
const PACKETS: usize = 128;
/// A step of the sequence numbers that is another stream's beginning.
const JUMP: u16 = 1_000;

/// Both ends of one call.
#[derive(Default)]
pub struct VideoEnds {
    /// Ours.
    pub source: Option<Source>,
    /// The peer's.
    pub sink: Option<Sink>,
    /// What could not be opened.
    pub problem: Option<String>,
}

/// What is shown to the peer.
pub enum Source {
    /// A file, once it is read.
    File(Arc<OnceLock<Result<Ivf, String>>>),
    /// Whoever sends there; who that was last, and with what SSRC.
    Rtp(UdpSocket, Option<(SocketAddr, u32)>),
}

/// What becomes of the peer's video.
pub enum Sink {
    /// A thread writes it.
    File(Sender<Frame>),
    /// It is forwarded.
    Rtp(UdpSocket, SocketAddr),
}

impl VideoEnds {
    /// Opens both; what cannot be opened is left out, and told.
    pub fn open(plan: &VideoPlan) -> VideoEnds {
        let source = plan.source.as_deref().map(source).transpose();
        let sink = plan.sink.as_deref().map(|text| sink(text, &plan.name)).transpose();
        let problem = source.as_ref().err().or(sink.as_ref().err()).cloned();
        VideoEnds { source: source.ok().flatten(), sink: sink.ok().flatten(), problem }
    }
}

fn source(text: &str) -> Result<Source, String> {
    let failed = |e: io::Error| format!("no video from {text:?}: {e}");
    if let Some(address) = text.strip_prefix("rtp:").and_then(|a| a.parse::<SocketAddr>().ok()) {
        let socket = UdpSocket::bind(address).map_err(failed)?;
        socket.set_nonblocking(true).map_err(failed)?;
        return Ok(Source::Rtp(socket, None));
    }
    let path = PathBuf::from(text.strip_prefix("file:").unwrap_or(text));
    let file = Arc::new(OnceLock::new());
    let read = file.clone();
    let load = move || drop(read.set(Ivf::load(&path)));
    thread::Builder::new().name("video-read".into()).spawn(load).map_err(failed)?;
    Ok(Source::File(file))
}

fn sink(text: &str, name: &str) -> Result<Sink, String> {
    let failed = |e: io::Error| format!("no video to {text:?}: {e}");
    if let Some(to) = text.strip_prefix("rtp:").and_then(|a| a.parse::<SocketAddr>().ok()) {
        let any: IpAddr = if to.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        let here = if to.ip().is_loopback() { to.ip() } else { any };
        let socket = UdpSocket::bind(SocketAddr::new(here, 0)).map_err(failed)?;
        socket.set_nonblocking(true).map_err(failed)?;
        return Ok(Sink::Rtp(socket, to));
    }
    let (folder, name) = (PathBuf::from(text.strip_prefix("file:").unwrap_or(text)), name.to_owned());
    let (sender, frames) = bounded(WAITING);
    let write = move || {
        if let Err(error) = write(&frames, &folder, &name) {
            tracing::warn!("no video to {folder:?}: {error}");
        }
    };
    thread::Builder::new().name("video-write".into()).spawn(write).map_err(failed)?;
    Ok(Sink::File(sender))
}

/// Until the call's end, or the disk's: a call without video leaves no file.
fn write(frames: &Receiver<Frame>, folder: &std::path::Path, name: &str) -> io::Result<()> {
    let Ok(first) = frames.recv() else { return Ok(()) };
    let mut file = Writer::create(folder, name, &first)?;
    file.add(&first)?;
    frames.iter().try_for_each(|frame| file.add(&frame))?;
    file.finish()
}

/// Hands a frame to the thread that writes. False: it has too much to do, and the frame is lost.
pub fn keep(sink: &Sender<Frame>, frame: Frame) -> bool {
    !matches!(sink.try_send(frame), Err(TrySendError::Full(_)))
}

/// Gives `each` what came to a port since the last time: from whom, and the bytes.
pub fn drain(socket: &UdpSocket, each: &mut dyn FnMut(SocketAddr, &[u8])) {
    let mut bytes = [0; 2_048];
    for _ in 0..PACKETS {
        let Ok((length, from)) = socket.recv_from(&mut bytes) else { return };
        each(from, &bytes[..length]);
    }
}

/// Makes one stream of what may be several: its own numbers and times go on, whatever SSRC comes in.
#[derive(Debug, Clone, Copy)]
pub struct Rewriter {
    from: Option<u32>,
    seq: u16,
    timestamp: u32,
    /// The number that comes next, the last time and when it was, µs.
    next: u16,
    last: u32,
    at: u64,
}

impl Rewriter {
    /// The stream begins with this number and time.
    pub fn new(now: u64, seq: u16, timestamp: u32) -> Self {
        Rewriter { from: None, seq: 0, timestamp: 0, next: seq, last: timestamp, at: now }
    }

    /// The next packet follows on the last one, wherever it comes from.
    pub fn pause(&mut self) {
        self.from = None;
    }

    /// The number and the time of a packet of ours at `now`.
    pub fn next(&mut self, now: u64, timestamp: u32) -> u16 {
        (self.last, self.at) = (timestamp, now);
        self.next = self.next.wrapping_add(1);
        self.next.wrapping_sub(1)
    }

    /// The number and the time of a packet that came in, and whether it is newer than all before.
    pub fn rewrite(&mut self, now: u64, header: &Header) -> (u16, u32, bool) {
        let ahead = header.seq.wrapping_add(self.seq).wrapping_sub(self.next);
        if self.from != Some(header.ssrc) || (JUMP..=u16::MAX - JUMP).contains(&ahead) {
            self.from = Some(header.ssrc);
            self.seq = self.next.wrapping_sub(header.seq);
            self.timestamp = self.time(now).wrapping_sub(header.timestamp);
        }
        let (seq, timestamp) = (header.seq.wrapping_add(self.seq), header.timestamp.wrapping_add(self.timestamp));
        let newer = seq.wrapping_sub(self.next) < 0x8000;
        if newer {
            self.next = seq.wrapping_add(1);
            (self.last, self.at) = (timestamp, now);
        }
        (seq, timestamp, newer)
    }

    /// The stream's time, µs being `now`.
    pub fn time(&self, now: u64) -> u32 {
        self.last.wrapping_add((now.saturating_sub(self.at) * 9 / 100) as u32)
    }
}

/// The first SSRC of each request for a key frame in a compound packet: PLI (RFC 4585 §6.3.1) and FIR (RFC 5104 §4.3.1).
pub fn requests(mut bytes: &[u8]) -> impl Iterator<Item = u32> {
    std::iter::from_fn(move || {
        while rtp::is_rtcp(bytes) && bytes.len() >= 4 {
            let words = usize::from(u16::from_be_bytes([bytes[2], bytes[3]]));
            let (packet, rest) = bytes.split_at_checked(4 + 4 * words)?;
            bytes = rest;
            let at = match (packet[1], packet[0] & 0x1f) {
                (206, 1) => 8,
                (206, 4) => 12,
                _ => continue,
            };
            if let Some(ssrc) = packet.get(at..).and_then(|b| b.first_chunk()) {
                return Some(u32::from_be_bytes(*ssrc));
            }
        }
        None
    })
}

/// A PLI: what stands behind a report.
pub fn pli(ours: u32, theirs: u32) -> [u8; 12] {
    let mut bytes = [0x81, 206, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0];
    bytes[4..8].copy_from_slice(&ours.to_be_bytes());
    bytes[8..].copy_from_slice(&theirs.to_be_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(ssrc: u32, seq: u16, timestamp: u32) -> Header {
        Header { marker: false, payload_type: 98, seq, timestamp, ssrc }
    }

    #[test]
    fn streams_follow_on_each_other() {
        let mut stream = Rewriter::new(0, 65_535, 1_000);
        assert_eq!(stream.rewrite(0, &header(1, 7, 50)), (65_535, 1_000, true));
        assert_eq!(stream.rewrite(0, &header(1, 9, 3_050)), (1, 4_000, true), "a gap stays a gap");
        assert_eq!(stream.rewrite(0, &header(1, 8, 3_050)), (0, 4_000, false), "late");
        assert_eq!(stream.rewrite(0, &header(1, 9, 3_050)), (1, 4_000, false), "twice");
        assert_eq!(stream.rewrite(100_000, &header(2, 40_000, 9)), (2, 13_000, true), "another one");
        assert_eq!(stream.rewrite(100_000, &header(2, 50_000, 9)), (3, 13_000, true), "it began anew");
        stream.pause();
        assert_eq!(stream.rewrite(200_000, &header(2, 50_500, 90_009)), (4, 22_000, true), "nothing of the pause");
        assert_eq!((stream.next(300_000, 31_000), stream.next(300_000, 31_000), stream.time(310_000)), (5, 6, 31_900));
    }

    #[test]
    fn requests_are_found_behind_a_report() {
        let mut bytes = vec![0x80, 201, 0, 1, 0, 0, 0, 9];
        bytes.extend(pli(9, 77));
        bytes.extend([0x84, 206, 0, 4, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 78, 1, 0, 0, 0]);
        assert_eq!(requests(&bytes).collect::<Vec<_>>(), [77, 78]);
        for cut in 0..bytes.len() {
            assert!(requests(&bytes[..cut]).count() <= 2);
        }
        assert_eq!(requests(&[0x81, 206, 0xff, 0xff, 0, 0]).count(), 0);
    }
}
