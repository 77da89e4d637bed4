//! What the tests of media share: an engine on loopback, a bare RTP peer, and ears.
#![allow(dead_code, reason = "each test uses a part")]

use std::net::{SocketAddr, UdpSocket};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use phoned::audio::{Config, Devices};
use phoned::media::rtp::{self, HEADER, Header};
use phoned::media::{Engine, MediaConfig};
use phoned::sdp::{Codec, CodecKind, Direction, Negotiated, Protection, TelephoneEvent};
use phoned::ua::io::SessionId;
use phoned::ua::media::{LocalMedia, MediaCommand, MediaEvent, MediaStats};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

/// How often a tick of an engine came more than 50 ms late, or something of a test more than 25 ms.
static LATE: AtomicU64 = AtomicU64::new(0);

/// Does it once more, twice at most, where it fails and the machine has stood still meanwhile: an engine that is held up leaves ticks
/// out, and what comes of that proves nothing.
pub fn undisturbed(test: impl Fn()) {
    for _ in 0..2 {
        let before = LATE.load(Ordering::Relaxed);
        let Err(why) = catch_unwind(AssertUnwindSafe(&test)) else { return };
        if LATE.load(Ordering::Relaxed) == before {
            resume_unwind(why);
        }
    }
    test();
}

/// To be told of what came when it was due, and may have come late.
pub fn came(due: Instant) {
    if Instant::now() > due + Duration::from_millis(25) {
        was_late();
    }
}

/// Something of the test was.
pub fn was_late() {
    LATE.fetch_add(1, Ordering::Relaxed);
}

/// An engine and what it tells.
pub struct Phone {
    pub engine: Engine,
    runtime: Runtime,
    events: mpsc::Receiver<(SessionId, MediaEvent)>,
    pub past: Vec<(SessionId, MediaEvent)>,
}

impl Phone {
    pub fn new() -> Phone {
        Phone::with(MediaConfig::default())
    }

    pub fn with(config: MediaConfig) -> Phone {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let (facts, _) = mpsc::channel(8);
        let (sender, events) = mpsc::channel(1_024);
        let _guard = runtime.enter();
        let devices = Devices::start(Config::default(), facts);
        let engine = Engine::start(config, devices, sender).unwrap();
        Phone {
            engine,
            events,
            past: Vec::new(),
            runtime: {
                drop(_guard);
                runtime
            },
        }
    }

    pub fn open(&self, id: u64, input: &str, output: &str) -> LocalMedia {
        let command = MediaCommand::Open {
            local_ip: [127, 0, 0, 1].into(),
            input: input.into(),
            output: output.into(),
            ice: false,
        };
        match self.engine.command(SessionId(id), command) {
            Some(MediaEvent::Local(local)) => local,
            other => panic!("{other:?}"),
        }
    }

    pub fn tell(&self, id: u64, command: MediaCommand) {
        assert_eq!(self.engine.command(SessionId(id), command), None);
    }

    /// Waits for an event of a session; events of others are kept in `past`.
    pub fn wait(&mut self, id: u64, seconds: f64, wanted: impl Fn(&MediaEvent) -> bool) -> Option<MediaEvent> {
        let Phone { events, runtime, past, .. } = self;
        runtime.block_on(async {
            tokio::time::timeout(Duration::from_secs_f64(seconds), async {
                loop {
                    let (who, event) = events.recv().await?;
                    past.push((who, event.clone()));
                    if who == SessionId(id) && wanted(&event) {
                        return Some(event);
                    }
                }
            })
            .await
            .ok()
            .flatten()
        })
    }

    pub fn report(&mut self, id: u64) -> MediaStats {
        self.tell(id, MediaCommand::Report);
        match self.wait(id, 10.0, |e| matches!(e, MediaEvent::Report(_))) {
            Some(MediaEvent::Report(stats)) => *stats,
            other => panic!("{other:?}"),
        }
    }

    /// The first report that is as wanted, of those of 10 s; else the last.
    pub fn report_when(&mut self, id: u64, wanted: impl Fn(&MediaStats) -> bool) -> MediaStats {
        let end = Instant::now() + Duration::from_secs(10);
        loop {
            let stats = self.report(id);
            if wanted(&stats) || Instant::now() > end {
                return stats;
            }
            self.wait(u64::MAX, 0.02, |_| false);
        }
    }

    /// Lets events pass for a while.
    pub fn pass(&mut self, seconds: f64) {
        let due = Instant::now() + Duration::from_secs_f64(seconds);
        self.wait(u64::MAX, seconds, |_| false);
        came(due);
    }

    /// Two sessions that talk to each other; files that each writes when it is given one.
    pub fn pair(&self, kind: CodecKind, inputs: [&str; 2], outputs: [&str; 2]) {
        let a = self.open(1, inputs[0], outputs[0]);
        let b = self.open(2, inputs[1], outputs[1]);
        self.tell(1, MediaCommand::Remote(negotiated(b.rtp, kind)));
        self.tell(2, MediaCommand::Remote(negotiated(a.rtp, kind)));
    }
}

impl Drop for Phone {
    fn drop(&mut self) {
        let all = self.engine.lateness().read();
        let in_time = all.buckets.last().map_or(0, |(_, ticks)| *ticks);
        LATE.fetch_add(all.count - in_time, Ordering::Relaxed);
    }
}

pub fn negotiated(remote_rtp: SocketAddr, kind: CodecKind) -> Negotiated {
    let pt = match kind {
        CodecKind::Pcmu => 0,
        CodecKind::Pcma => 8,
        CodecKind::G722 => 9,
        CodecKind::G729 => 18,
        CodecKind::Opus => 96,
    };
    Negotiated {
        remote_rtp,
        remote_rtcp: SocketAddr::new(remote_rtp.ip(), remote_rtp.port() + 1),
        rtcp_mux: false,
        codec: Codec { kind, send_pt: pt, recv_pt: pt, fec: true, dtx: false, max_bitrate: None },
        dtmf: Some(TelephoneEvent { send_pt: 101, recv_pt: 101, clock: kind.clock(), other: None }),
        direction: Direction::SendRecv,
        ptime: 20,
        protection: Protection::Clear,
        ice: None,
        video: None,
    }
}

/// A bare peer that speaks PCMU.
pub struct Peer {
    pub socket: UdpSocket,
    pub ssrc: u32,
    pub seq: u16,
    pub timestamp: u32,
}

impl Peer {
    pub fn new(ssrc: u32) -> Peer {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        Peer { socket, ssrc, seq: 1_000, timestamp: 160_000 }
    }

    pub fn addr(&self) -> SocketAddr {
        self.socket.local_addr().unwrap()
    }

    pub fn send(&mut self, to: SocketAddr, payload_type: u8, payload: &[u8]) {
        let mut packet = [0u8; 400];
        let header = Header { marker: false, payload_type, seq: self.seq, timestamp: self.timestamp, ssrc: self.ssrc };
        rtp::write(&header, packet.first_chunk_mut::<HEADER>().unwrap());
        packet[HEADER..HEADER + payload.len()].copy_from_slice(payload);
        self.socket.send_to(&packet[..HEADER + payload.len()], to).unwrap();
        self.seq = self.seq.wrapping_add(1);
        self.timestamp = self.timestamp.wrapping_add(160);
    }

    /// A packet of a tone.
    pub fn say(&mut self, to: SocketAddr, hz: f64) {
        let payload: Vec<u8> = (0..160)
            .map(|n| {
                let at = f64::from(self.timestamp.wrapping_add(n)) * hz * std::f64::consts::TAU / 8_000.0;
                audio_codec_algorithms::encode_ulaw((at.sin() * 10_000.0) as i16)
            })
            .collect();
        self.send(to, 0, &payload);
    }

    /// A tone, in real time: what is late is made up for.
    pub fn play(&mut self, to: SocketAddr, hz: f64, frames: u32) {
        let begun = Instant::now();
        for n in 1..=frames {
            self.say(to, hz);
            let due = begun + Duration::from_millis(20) * n;
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            came(due);
        }
    }

    /// Whatever came so far.
    pub fn flush(&self) -> Vec<(Header, Vec<u8>)> {
        self.socket.set_nonblocking(true).unwrap();
        let all = std::iter::from_fn(|| self.recv()).collect();
        self.socket.set_nonblocking(false).unwrap();
        all
    }

    pub fn recv(&self) -> Option<(Header, Vec<u8>)> {
        let mut bytes = [0u8; 2_000];
        let (len, _) = self.socket.recv_from(&mut bytes).ok()?;
        rtp::read(&bytes[..len]).map(|(h, p)| (h, p.to_vec()))
    }
}

/// A WAV file's samples and rate.
pub fn heard(path: &Path) -> (Vec<i16>, u32) {
    let mut reader = hound::WavReader::open(path).unwrap();
    let rate = reader.spec().sample_rate;
    (reader.samples::<i16>().map_while(Result::ok).collect(), rate)
}

/// The same of a session that is closed, once nobody here writes it any more.
pub fn finished(path: &Path) -> (Vec<i16>, u32) {
    let is_open = || {
        let mut all = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
        all.any(|fd| std::fs::read_link(fd.path()).is_ok_and(|file| file == path))
    };
    let end = Instant::now() + Duration::from_secs(10);
    while is_open() && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(5));
    }
    heard(path)
}

/// The amplitude of one frequency (Goertzel), of 32768.
pub fn amplitude(pcm: &[i16], rate: u32, hz: f64) -> f64 {
    let step = hz * std::f64::consts::TAU / f64::from(rate);
    let (mut one, mut two) = (0.0, 0.0);
    for sample in pcm {
        let next = f64::from(*sample) + 2.0 * step.cos() * one - two;
        (two, one) = (one, next);
    }
    let power = one * one + two * two - 2.0 * step.cos() * one * two;
    power.max(0.0).sqrt() * 2.0 / pcm.len().max(1) as f64
}

/// The loudest sample.
pub fn peak(pcm: &[i16]) -> i16 {
    pcm.iter().map(|s| s.saturating_abs()).max().unwrap_or(0)
}
