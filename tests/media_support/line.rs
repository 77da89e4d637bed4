//! A line in virtual time: speech is encoded, its packets are lost and delayed by chance, and what is heard comes out of the playout.
#![allow(dead_code, reason = "each test uses a part")]

use phoned::media::codec::{Effort, Encoder, LONGEST};
use phoned::media::jitter::Arrival;
use phoned::media::playout::Playout;
use phoned::sdp::CodecKind;

/// What the line does to packets.
#[derive(Debug, Clone, Copy)]
pub struct Line {
    /// Share that is lost.
    pub loss: f64,
    /// Each packet is delayed by 0 to this, ms.
    pub jitter_ms: f64,
    /// The seed of its chance.
    pub seed: u64,
}

/// Chance that is the same each time.
pub struct Chance(pub u64);

impl Chance {
    /// From 0 to 1.
    pub fn draw(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let mixed = (self.0 ^ (self.0 >> 29)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (mixed >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// What came of it.
pub struct Heard {
    /// As long as what was said, and half a second more.
    pub pcm: Vec<i16>,
    /// With its figures.
    pub playout: Playout,
    /// Of what was sent.
    pub bits_a_second: f64,
}

/// Says `pcm` (at the codec's rate) over the line, as 20 ms packets; Opus is told what share it loses, as reports would.
pub fn say(kind: CodecKind, pcm: &[i16], line: Line, effort: Effort) -> Heard {
    let (rate, step) = (kind.rate() as usize, kind.rate() as usize / 50);
    let mut encoder = Encoder::new(kind, 64_000).unwrap();
    encoder.set_effort(effort);
    encoder.expect_loss((line.loss * 100.0).round() as u8);
    let mut chance = Chance(line.seed);
    let mut flights: Vec<(u64, Arrival, Vec<u8>)> = Vec::new();
    let mut octets = 0;
    for (n, frame) in pcm.chunks_exact(step).enumerate() {
        let mut bytes = [0; 1_500];
        let len = encoder.encode(frame, &mut bytes);
        octets += len;
        let (lost, late) = (chance.draw() < line.loss, (chance.draw() * line.jitter_ms * 1_000.0) as u64);
        let at = 1_000_000 + n as u64 * 20_000 + 7_300 + late;
        let samples = kind.clock() / 50;
        let arrival = Arrival { seq: n as u16, timestamp: n as u32 * samples, samples, at };
        if !lost {
            flights.push((at, arrival, bytes[..len].to_vec()));
        }
    }
    flights.sort_by_key(|f| f.0);
    let (mut playout, mut heard, mut room) = (Playout::new(kind).unwrap(), Vec::new(), vec![0; LONGEST]);
    let (mut now, mut flights) = (1_000_000, flights.into_iter().peekable());
    while heard.len() < pcm.len() + rate / 2 {
        while let Some((_, arrival, bytes)) = flights.next_if(|f| f.0 <= now) {
            playout.push(arrival, &bytes);
        }
        let mut frame = vec![0; step];
        playout.pull(now, &mut frame, &mut room);
        heard.extend(frame);
        now += 20_000;
    }
    Heard { pcm: heard, playout, bits_a_second: octets as f64 * 8.0 / (pcm.len() as f64 / rate as f64) }
}
