//! How clear speech is through a bad line: one phone says it, another of the same make hears it, and a relay between them loses and delays
//! what the first one sends. The calls of a run are all made at once, each between two phones of its own.

#[path = "../common/speech.rs"]
mod common;

use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::caller::Caller;
use crate::measure::{now, percentile, sleep};
use crate::peer::{Codec, Make, Peer, Sound, Wire};
use crate::table::Table;

/// For the reader of its section.
pub const ABOUT: &str = "PESQ of synthetic speech (espeak-ng, twice 17 s, of which the first 10 s are not judged) from one phone to another of the same make\n\
    through a relay that loses packets, or delays each by 0 to 30 ms; wideband for Opus and G722, narrowband for PCMU; medians of three runs. Opus has\n\
    64 kbit/s, as in the calls above. phoned's is what its loudspeaker gets; baresip's what its decoder gives (`sndfile`), for PCMU with its\n\
    `plc` module (which does not take Opus).";

/// What is not judged, s: buffers learn, reports tell of the loss.
const LEARNING: u32 = 10;

/// The lines: name, share that is lost, each packet's delay at most, ms.
const LINES: [(&str, f64, u64); 5] = [
    ("clean line", 0.0, 0),
    ("5 % loss", 0.05, 0),
    ("10 % loss", 0.1, 0),
    ("30 ms jitter", 0.0, 30),
    ("5 % loss, 30 ms jitter", 0.05, 30),
];

/// What is measured: Opus and PCMU on each line, G.722 on the clean one.
fn cells() -> Vec<(Codec, usize)> {
    let all = |codec| (0..LINES.len()).map(move |line| (codec, line));
    all(Codec::Opus).chain(all(Codec::Pcmu)).chain([(Codec::G722, 0)]).collect()
}

/// What is said: speech twice over, at the codec's rate. The files: as the phones want it, as the judge does.
struct Speech {
    dir: tempfile::TempDir,
    length: Duration,
}

impl Speech {
    fn make() -> Speech {
        let dir = tempfile::tempdir().unwrap();
        let mut length = Duration::ZERO;
        for codec in [Codec::Opus, Codec::Pcmu, Codec::G722] {
            let once = common::make_speech(codec.rate());
            let twice: Vec<i16> = once.iter().chain(&once).copied().collect();
            length = Duration::from_secs_f64(twice.len() as f64 / f64::from(codec.rate()));
            common::write_wav(&dir.path().join(format!("{}-judged.wav", codec.name())), codec.rate(), &twice);
            let channels = if codec == Codec::Opus { 2 } else { 1 };
            let spec = hound::WavSpec {
                channels,
                sample_rate: codec.rate(),
                bits_per_sample: 16,
                sample_format: hound::SampleFormat::Int,
            };
            let mut wav =
                hound::WavWriter::create(dir.path().join(format!("{}-said.wav", codec.name())), spec).unwrap();
            for sample in twice {
                (0..channels).for_each(|_| wav.write_sample(sample).unwrap());
            }
            wav.finalize().unwrap();
        }
        Speech { dir, length }
    }

    fn file(&self, codec: Codec, what: &str) -> PathBuf {
        self.dir.path().join(format!("{}-{what}.wav", codec.name()))
    }
}

/// The whole matrix of one make: medians of so many runs.
pub fn matrix(make: Make, runs: usize, table: &mut Table) {
    let speech = Speech::make();
    let cells = cells();
    let mut all: Vec<Vec<f64>> = vec![Vec::new(); cells.len()];
    let mut rates = Vec::new();
    for run in 0..runs {
        println!("{}: speech over {} lines, run {} of {runs}", make.name(), all.len(), run + 1);
        let results = one_run(make, &speech, run as u64);
        for (cell, (pesq, rate)) in all.iter_mut().zip(results) {
            cell.extend(pesq);
            rates.extend(rate);
        }
    }
    table.put("Opus, kbit/s of speech", make.column(), percentile(&mut rates, 50.0));
    for ((codec, line), values) in cells.into_iter().zip(&mut all) {
        let scale = if codec == Codec::Pcmu { "PESQ-NB" } else { "PESQ-WB" };
        let name = format!("{}, {}: {scale}", codec.name(), LINES[line].0);
        // A run without sound counts for nothing, and two of three are no median.
        let median = percentile(values, 50.0).filter(|_| values.len() == runs);
        table.put(&name, make.column(), median);
    }
}

/// All lines once: PESQ, and the bit rate of Opus on the clean line.
fn one_run(make: Make, speech: &Speech, run: u64) -> Vec<(Option<f64>, Option<f64>)> {
    let cells = cells();
    let begin =
        |(n, (codec, line)): (usize, &(Codec, usize))| Call::begin(make, *codec, *line, speech, run * 100 + n as u64);
    let calls: Vec<Call> = cells.iter().enumerate().map(begin).collect();
    sleep(speech.length + Duration::from_millis(1_500));
    let rates: Vec<Option<f64>> = calls.iter().map(|call| call.rate(speech.length)).collect();
    // Hung up first, so that the files are whole.
    let ended: Vec<(Peer, Option<PathBuf>)> = calls.into_iter().map(Call::end).collect();
    sleep(Duration::from_millis(700));
    let judge = |codec: Codec| {
        let of_codec = cells.iter().zip(&ended).filter(|((other, _), _)| *other == codec);
        let files: Vec<Option<&Path>> = of_codec.map(|(_, (_, heard))| heard.as_deref()).collect();
        let there: Vec<&Path> = files.iter().filter_map(|file| *file).collect();
        let mut scores = common::scores(&speech.file(codec, "judged"), &there, LEARNING).into_iter();
        let mut pesq = || scores.next().map(|s| if codec == Codec::Pcmu { s.pesq_nb } else { s.pesq_wb });
        files.iter().map(|file| file.and_then(|_| pesq())).collect::<Vec<_>>()
    };
    // in the order of the cells
    let scores = [Codec::Opus, Codec::Pcmu, Codec::G722].map(judge);
    scores.into_iter().flatten().zip(rates).collect()
}

/// A call between two phones.
struct Call {
    codec: Codec,
    clean: bool,
    bridge: Bridge,
    listener: Peer,
    _speaker: Peer,
}

/// Two phones that talk to each other, each called by us, through a relay.
pub struct Bridge {
    ends: Option<[Caller; 2]>,
    relay: Relay,
}

impl Bridge {
    /// What the speaker sends goes over that line, all else as it comes.
    pub fn between(speaker: &Peer, listener: &Peer, codec: Codec, line: Line) -> Bridge {
        let relay = Relay::start(line);
        let fmtp = if codec == Codec::Opus { "a=fmtp:96 useinbandfec=1\r\n" } else { "" };
        let call = |peer: &Peer, side: usize| {
            let caller = Caller::with(peer.sip(), codec, relay.ports[side], fmtp);
            let answered = caller.keep(1, 40, Duration::from_secs(3));
            relay.to[side].store(answered.first().copied().unwrap_or_default(), Ordering::Relaxed);
            (caller, !answered.is_empty())
        };
        let (far, one) = call(listener, 1);
        let (near, two) = call(speaker, 0);
        if !(one && two) {
            println!("    a call was not answered");
        }
        Bridge { ends: (one && two).then_some([near, far]), relay }
    }

    /// Both answered.
    pub fn stands(&self) -> bool {
        self.ends.is_some()
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        self.ends.iter().flatten().for_each(Caller::hang_up);
    }
}

impl Call {
    fn begin(make: Make, codec: Codec, line: usize, speech: &Speech, seed: u64) -> Call {
        let (_, loss, jitter_ms) = LINES[line];
        let listener = Peer::with(make, codec, Wire::Plain, &Sound::Hear);
        let speaker = Peer::with(make, codec, Wire::Plain, &Sound::Say(speech.file(codec, "said")));
        let line = Line { loss, jitter_ms, seed, length: speech.length };
        let bridge = Bridge::between(&speaker, &listener, codec, line);
        Call { codec, clean: loss == 0.0 && jitter_ms == 0, bridge, listener, _speaker: speaker }
    }

    /// kbit/s of what was said, for Opus on the clean line.
    fn rate(&self, length: Duration) -> Option<f64> {
        let bits = self.bridge.relay.octets.load(Ordering::Relaxed) as f64 * 8.0;
        (self.codec == Codec::Opus && self.clean && self.bridge.stands())
            .then_some(bits / length.as_secs_f64() / 1_000.0)
    }

    fn end(self) -> (Peer, Option<PathBuf>) {
        let stood = self.bridge.stands();
        drop(self.bridge);
        let heard = self.listener.heard().filter(|_| stood);
        (self.listener, heard)
    }
}

/// What a relay does, and how long its rate is of interest.
#[derive(Debug, Clone, Copy, Default)]
pub struct Line {
    loss: f64,
    jitter_ms: u64,
    seed: u64,
    length: Duration,
}

/// Between the two: what the first sends is lost and delayed by chance, all else passes.
struct Relay {
    ports: [u16; 2],
    /// The phones' own ports, as soon as they are known.
    to: Arc<[AtomicU16; 2]>,
    /// Of the first one's payloads.
    octets: Arc<AtomicU64>,
    over: Arc<AtomicBool>,
}

impl Relay {
    fn start(line: Line) -> Relay {
        let sides = [pair(), pair()];
        let ports = [0, 1].map(|side: usize| sides[side][0].local_addr().unwrap().port());
        let relay = Relay { ports, to: Arc::default(), octets: Arc::default(), over: Arc::default() };
        let (to, octets, over) = (relay.to.clone(), relay.octets.clone(), relay.over.clone());
        thread::spawn(move || forward(&sides, &to, &octets, &over, line));
        relay
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

/// A port for RTP and the next one for RTCP.
fn pair() -> [UdpSocket; 2] {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    loop {
        let port = 34_000 + NEXT.fetch_add(2, Ordering::Relaxed) % 4_000;
        if let (Ok(rtp), Ok(rtcp)) = (UdpSocket::bind(("127.0.0.1", port)), UdpSocket::bind(("127.0.0.1", port + 1))) {
            [&rtp, &rtcp].iter().for_each(|socket| socket.set_nonblocking(true).unwrap());
            return [rtp, rtcp];
        }
    }
}

fn forward(
    sides: &[[UdpSocket; 2]; 2],
    to: &[AtomicU16; 2],
    octets: &AtomicU64,
    over: &AtomicBool,
    Line { loss, jitter_ms, seed, length: speech }: Line,
) {
    let mut began = None;
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x1234_5678_9abc_def1;
    let mut chance = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as f64 / (1u64 << 53) as f64
    };
    let mut waiting: Vec<(Instant, Vec<u8>)> = Vec::new();
    let mut bytes = [0; 2_048];
    let send = |side: usize, kind: usize, bytes: &[u8]| {
        let port = to[side].load(Ordering::Relaxed);
        if port > 0 {
            let there = SocketAddr::from(([127, 0, 0, 1], port + kind as u16));
            let _ = sides[side][kind].send_to(bytes, there);
        }
    };
    while !over.load(Ordering::Relaxed) {
        let mut fds: Vec<PollFd> =
            sides.iter().flatten().map(|socket| PollFd::new(socket.as_fd(), PollFlags::POLLIN)).collect();
        let patience = if waiting.is_empty() { 50u16 } else { 1 };
        let _ = poll(&mut fds, PollTimeout::from(patience));
        for (from, kind) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
            while let Ok(length) = sides[from][kind].recv(&mut bytes) {
                let packet = &bytes[..length];
                if (from, kind) != (0, 0) {
                    send(1 - from, kind, packet);
                    continue;
                }
                if began.get_or_insert_with(now).elapsed() < speech {
                    octets.fetch_add(length.saturating_sub(12) as u64, Ordering::Relaxed);
                }
                let (lost, delay) = (chance() < loss, chance() * jitter_ms as f64);
                if !lost && jitter_ms == 0 {
                    send(1, 0, packet);
                } else if !lost {
                    waiting.push((now() + Duration::from_secs_f64(delay / 1_000.0), packet.to_vec()));
                }
            }
        }
        let moment = now();
        waiting.sort_by_key(|(at, _)| *at);
        let due = waiting.partition_point(|(at, _)| *at <= moment);
        waiting.drain(..due).for_each(|(_, packet)| send(1, 0, &packet));
    }
}
