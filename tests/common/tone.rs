//! Tones: written into WAV files for peers to play, and found again in what they heard.

use std::f64::consts::TAU;
use std::path::Path;

/// A sine of `hz` at amplitude 8000 for `seconds`, mono 16 bit at `rate`.
pub fn write(path: &Path, rate: u32, hz: f64, seconds: u32) {
    let spec =
        hound::WavSpec { channels: 1, sample_rate: rate, bits_per_sample: 16, sample_format: hound::SampleFormat::Int };
    let mut wav = hound::WavWriter::create(path, spec).unwrap();
    for i in 0..rate * seconds {
        wav.write_sample((8000.0 * (TAU * hz * f64::from(i) / f64::from(rate)).sin()) as i16).unwrap();
    }
    wav.finalize().unwrap();
}

/// What a peer heard: mono samples. Several channels are averaged.
#[derive(Debug, Clone)]
pub struct Sound {
    /// Samples a second.
    pub rate: u32,
    /// The samples, full scale ±1.
    pub samples: Vec<f64>,
}

impl Sound {
    /// Reads a WAV file, also one whose writer has not closed it: then the sizes in its head are ignored.
    pub fn read(path: &Path) -> Option<Sound> {
        let bytes = std::fs::read(path).ok()?;
        let u16_at = |i: usize| Some(u16::from_le_bytes(bytes.get(i..i + 2)?.try_into().ok()?));
        let u32_at = |i: usize| Some(u32::from_le_bytes(bytes.get(i..i + 4)?.try_into().ok()?));
        if bytes.get(..4)? != b"RIFF" || bytes.get(8..12)? != b"WAVE" {
            return None;
        }
        let (mut at, mut channels, mut rate) = (12, 1usize, 8000);
        loop {
            let (id, size) = (bytes.get(at..at + 4)?, u32_at(at + 4)? as usize);
            if id == b"fmt " {
                channels = usize::from(u16_at(at + 10)?.max(1));
                rate = u32_at(at + 12)?;
            } else if id == b"data" {
                break;
            }
            at += 8 + size + size % 2;
        }
        let samples: Vec<f64> =
            bytes[at + 8..].chunks_exact(2).map(|b| f64::from(i16::from_le_bytes([b[0], b[1]])) / 32768.0).collect();
        let samples = samples.chunks_exact(channels).map(|frame| frame.iter().sum::<f64>() / channels as f64).collect();
        Some(Sound { rate, samples })
    }

    /// Its length, s.
    pub fn seconds(&self) -> f64 {
        self.samples.len() as f64 / f64::from(self.rate)
    }

    /// The piece from `from` to `to`, s.
    pub fn cut(&self, from: f64, to: f64) -> Sound {
        let at = |s: f64| ((s.max(0.0) * f64::from(self.rate)) as usize).min(self.samples.len());
        Sound { rate: self.rate, samples: self.samples[at(from)..at(to).max(at(from))].to_vec() }
    }

    /// The last `seconds`.
    pub fn last(&self, seconds: f64) -> Sound {
        self.cut(self.seconds() - seconds, self.seconds())
    }

    /// Root mean square, full scale 1.
    pub fn level(&self) -> f64 {
        if self.samples.is_empty() {
            return 0.0;
        }
        (self.samples.iter().map(|s| s * s).sum::<f64>() / self.samples.len() as f64).sqrt()
    }

    /// The share of the power that is a sine of `hz` (Goertzel over blocks of 50 ms, so that a jump of phase costs one block).
    pub fn share(&self, hz: f64) -> f64 {
        let block = (self.rate / 20) as usize;
        let (mut tone, mut all) = (0.0, 0.0);
        for piece in self.samples.chunks_exact(block) {
            all += piece.iter().map(|s| s * s).sum::<f64>();
            tone += goertzel(piece, hz / f64::from(self.rate)) * 2.0 / block as f64;
        }
        if all <= 1e-9 { 0.0 } else { tone / all }
    }

    /// A clear tone of `hz`: loud, and nearly all of the power is there.
    pub fn has_tone(&self, hz: f64) -> bool {
        self.level() > 0.02 && self.share(hz) > 0.8
    }

    /// Nothing to hear: below −60 dBov.
    pub fn is_silent(&self) -> bool {
        self.level() < 0.001
    }
}

/// |X(f)|² of one frequency, in cycles a sample.
fn goertzel(samples: &[f64], cycles: f64) -> f64 {
    let w = TAU * cycles;
    let (mut s1, mut s2) = (0.0, 0.0);
    for x in samples {
        let s = x + 2.0 * w.cos() * s1 - s2;
        s2 = s1;
        s1 = s;
    }
    s1 * s1 + s2 * s2 - 2.0 * w.cos() * s1 * s2
}
