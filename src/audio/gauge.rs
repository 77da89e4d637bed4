//! How loud devices are, and shall be, and how late: their threads write and read it, by atomics; whoever asks looks on.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::directory::Direction;
use super::reserve::Reserve;
use super::ring::RATE;
use crate::ua::io::DeviceLevel;

/// What a level is taken over: 200 ms.
const WINDOW: u32 = RATE / 5;
/// No device gives sound there.
const CLOSED: u64 = u64::MAX;
/// What silence reads, dBov.
const SILENCE: f64 = -127.0;
/// Full scale, as devices with a limiter of their own give it too.
const FULL: u16 = 32_700;

/// What was measured over one window.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Window {
    /// The effective value, in samples.
    pub effective: f32,
    /// Share of it at full scale.
    pub clipped: f32,
}

impl Window {
    /// Packed: there is none.
    pub(super) const NONE: u64 = u64::MAX;

    pub(super) fn pack(self) -> u64 {
        u64::from(self.effective.to_bits()) << 32 | u64::from(self.clipped.to_bits())
    }

    pub(super) fn unpack(packed: u64) -> Option<Window> {
        let of = |bits: u64| f32::from_bits(bits as u32);
        (packed != Self::NONE).then(|| Window { effective: of(packed >> 32), clipped: of(packed) })
    }

    pub(super) fn dbov(self) -> f64 {
        dbov(self.effective)
    }
}

/// Of an amplitude, in samples.
fn dbov(size: f32) -> f64 {
    let share = f64::from(size) / 32_768.0;
    // A tenth is as fine as anybody looks.
    if share > 0.0 { ((200.0 * share.log10()).round() / 10.0).max(SILENCE) } else { SILENCE }
}

/// One way of one device.
pub(super) struct Gauge {
    /// Percent.
    volume: AtomicU32,
    /// The greatest sample (high half) and the effective one, as bits of `f32`; or that there is none.
    level: AtomicU64,
    /// What it has shown to need: between a session and its thread, and between its thread and the card.
    pub sessions: Reserve,
    pub card: Reserve,
}

impl Gauge {
    fn new(volume: u16) -> Gauge {
        Gauge {
            volume: AtomicU32::new(volume.into()),
            level: AtomicU64::new(CLOSED),
            sessions: Reserve::default(),
            card: Reserve::default(),
        }
    }

    /// Percent.
    pub(super) fn volume(&self) -> u16 {
        self.volume.load(Ordering::Relaxed) as u16
    }

    /// Nothing is to be measured any more.
    pub(super) fn close(&self) {
        self.level.store(CLOSED, Ordering::Relaxed);
    }

    /// Over the last 200 ms; none: it is not open.
    pub(super) fn level(&self) -> Option<DeviceLevel> {
        let both = self.level.load(Ordering::Relaxed);
        let dbov = |bits: u32| dbov(f32::from_bits(bits));
        (both != CLOSED).then(|| DeviceLevel { peak_dbov: dbov((both >> 32) as u32), rms_dbov: dbov(both as u32) })
    }
}

/// What a device's thread measures with.
#[derive(Default)]
pub(super) struct Meter {
    peak: u16,
    energy: u64,
    clipped: u32,
    count: u32,
}

impl Meter {
    /// A window, when one is over.
    pub(super) fn note(&mut self, pcm: &[i16], gauge: &Gauge) -> Option<Window> {
        for sample in pcm {
            let size = sample.unsigned_abs();
            self.peak = self.peak.max(size);
            self.energy += u64::from(size) * u64::from(size);
            self.clipped += u32::from(size >= FULL);
        }
        self.count += pcm.len() as u32;
        (self.count >= WINDOW).then(|| {
            let effective = (self.energy as f64 / f64::from(self.count)).sqrt() as f32;
            let both = u64::from(f32::from(self.peak).to_bits()) << 32 | u64::from(effective.to_bits());
            gauge.level.store(both, Ordering::Relaxed);
            let clipped = self.clipped as f32 / self.count as f32;
            *self = Meter::default();
            Window { effective, clipped }
        })
    }
}

/// Those of all devices that were ever used or set; they keep their volume while a device is away.
pub(super) struct Gauges {
    /// Percent, where nothing else was said.
    input: u16,
    output: u16,
    known: Mutex<BTreeMap<(Direction, String), Arc<Gauge>>>,
}

impl Gauges {
    pub(super) fn new(input: u16, output: u16) -> Gauges {
        Gauges { input, output, known: Mutex::default() }
    }

    pub(super) fn of(&self, direction: Direction, id: &str) -> Arc<Gauge> {
        let volume = if direction == Direction::Input { self.input } else { self.output };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.entry((direction, id.to_owned())).or_insert_with(|| Arc::new(Gauge::new(volume))).clone()
    }

    /// From the next turn on.
    pub(super) fn set(&self, direction: Direction, id: &str, percent: u16) {
        self.of(direction, id).volume.store(percent.into(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_those_of_the_last_window() {
        let (gauge, mut meter) = (Gauge::new(100), Meter::default());
        meter.note(&[i16::MIN; 480], &gauge);
        assert_eq!(gauge.level(), None, "a whole window first");
        let sine: Vec<i16> = (0..48_000).map(|n| ((f64::from(n) * 0.1).sin() * 16_384.0) as i16).collect();
        assert_eq!(meter.note(&[i16::MIN; 480], &gauge), None);
        let windows: Vec<Window> = sine.chunks(480).filter_map(|turn| meter.note(turn, &gauge)).collect();
        assert!((windows[0].clipped - 0.1).abs() < 0.001 && windows[1].clipped == 0.0, "{windows:?}");
        assert_eq!(Window::unpack(windows[1].pack()), Some(windows[1]));
        assert_eq!(Window::unpack(Window::NONE), None);
        let level = gauge.level().unwrap();
        assert!((level.peak_dbov + 6.0).abs() < 0.2 && (level.rms_dbov + 9.0).abs() < 0.2, "{level:?}");
        for turn in [[0; 480]; 40] {
            meter.note(&turn, &gauge);
        }
        assert_eq!(gauge.level(), Some(DeviceLevel { peak_dbov: SILENCE, rms_dbov: SILENCE }));
        gauge.close();
        assert_eq!(gauge.level(), None);
    }

    #[test]
    fn a_volume_stays_with_its_device() {
        let gauges = Gauges::new(80, 120);
        assert_eq!(gauges.of(Direction::Input, "pulse:a").volume(), 80);
        let held = gauges.of(Direction::Output, "pulse:a");
        gauges.set(Direction::Output, "pulse:a", 30);
        assert_eq!((held.volume(), gauges.of(Direction::Output, "pulse:a").volume()), (30, 30));
        assert_eq!(gauges.of(Direction::Output, "pulse:b").volume(), 120);
    }
}
