//! What a session holds of a device: one end of a ring, or something that needs no device at all.

use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};

use rtrb::Producer;

use super::lane::Live;
use super::ring::{RATE, Reader};
use super::tone::Tone;

/// A microphone, mono. Dropping it lets go of the device.
pub struct Source {
    rate: u32,
    from: From,
}

enum From {
    Null,
    Tone(Tone),
    File { samples: Arc<OnceLock<Vec<i16>>>, at: usize, again: bool },
    Device(Reader, Live),
}

impl Source {
    pub(super) fn null(rate: u32) -> Source {
        Source { rate, from: From::Null }
    }

    pub(super) fn tone(tone: Tone, rate: u32) -> Source {
        Source { rate, from: From::Tone(tone) }
    }

    /// Plays once `samples` are there.
    pub(super) fn file(samples: Arc<OnceLock<Vec<i16>>>, again: bool, rate: u32) -> Source {
        Source { rate, from: From::File { samples, at: 0, again } }
    }

    pub(super) fn device(ring: Reader, live: Live) -> Source {
        Source { rate: RATE, from: From::Device(ring, live) }
    }

    /// Samples a second. The asked rate for `null`, `tone:` and `file:`; 48000 for real devices.
    pub fn rate(&self) -> u32 {
        self.rate
    }

    /// It is the `null` device: nothing but silence will ever come.
    pub fn is_null(&self) -> bool {
        matches!(self.from, From::Null)
    }

    /// It is a real device.
    pub fn is_device(&self) -> bool {
        matches!(self.from, From::Device(..))
    }

    /// It gives sound now: a real device does so once it is open, and until it goes away.
    pub fn is_live(&self) -> bool {
        match &self.from {
            From::Device(_, live) => live.load(Ordering::Relaxed),
            _ => true,
        }
    }

    /// It gives what its device hears: a real one is open.
    pub fn is_flowing(&self) -> bool {
        match &self.from {
            From::Device(ring, _) => ring.is_flowing(),
            From::Null | From::Tone(_) | From::File { .. } => true,
        }
    }

    /// What a microphone that is cleaned gives before that, over the last 200 ms: how loud it is, dBov, and how much of it is
    /// at full scale, percent. None: it is heard as it is.
    pub fn raw(&self) -> Option<(f64, f64)> {
        match &self.from {
            From::Device(ring, _) => ring.window().map(|window| (window.dbov(), f64::from(window.clipped) * 100.0)),
            _ => None,
        }
    }

    /// Fills all of `out`; silence where the device has nothing. No lock, no allocation, no system call.
    pub fn read(&mut self, out: &mut [i16]) {
        match &mut self.from {
            From::Null => out.fill(0),
            From::Tone(tone) => tone.read(out),
            From::File { samples, at, again } => {
                let Some(samples) = samples.get().filter(|all| !all.is_empty()) else { return out.fill(0) };
                for sample in out {
                    if *at == samples.len() && *again {
                        *at = 0;
                    }
                    *sample = samples.get(*at).copied().unwrap_or(0);
                    *at = (*at + 1).min(samples.len());
                }
            }
            From::Device(ring, _) => {
                ring.read(out);
            }
        }
    }
}

/// A loudspeaker, mono. Dropping it lets go of the device; a file is then finished within some 20 ms.
pub struct Sink {
    rate: u32,
    to: To,
}

enum To {
    Null,
    Ring {
        ring: Producer<i16>,
        /// Samples that did not fit.
        lost: usize,
        /// Of a real device.
        live: Option<Live>,
    },
}

impl Sink {
    pub(super) fn null(rate: u32) -> Sink {
        Sink { rate, to: To::Null }
    }

    pub(super) fn ring(ring: Producer<i16>, rate: u32) -> Sink {
        Sink { rate, to: To::Ring { ring, lost: 0, live: None } }
    }

    pub(super) fn device(ring: Producer<i16>, live: Live) -> Sink {
        Sink { rate: RATE, to: To::Ring { ring, lost: 0, live: Some(live) } }
    }

    /// Samples a second. The asked rate for `null` and `file:`; 48000 for real devices.
    pub fn rate(&self) -> u32 {
        self.rate
    }

    /// It is the `null` device: nobody will ever hear it.
    pub fn is_null(&self) -> bool {
        matches!(self.to, To::Null)
    }

    /// It can be heard now: a real device once it is open, and until it goes away.
    pub fn is_live(&self) -> bool {
        match &self.to {
            To::Ring { live: Some(live), .. } => live.load(Ordering::Relaxed),
            _ => true,
        }
    }

    /// Plays `pcm` after what was written before. What does not fit is dropped and counted. No lock, no allocation, no system call.
    pub fn write(&mut self, pcm: &[i16]) {
        if let To::Ring { ring, lost, .. } = &mut self.to {
            let (_, rest) = ring.push_partial_slice(pcm);
            *lost += rest.len();
        }
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        if let To::Ring { lost: samples @ 1.., .. } = self.to {
            tracing::warn!(samples, "a file or loudspeaker did not keep up: gaps");
        }
    }
}
