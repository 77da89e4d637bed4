//! The thread that plays tones: each goes into a ring of its own at its device, where sessions' rings go too.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError};

use super::plan::{Country, pattern};
use super::voice::Voice;
use super::{Ears, Kind, Order, Own, SignalConfig};
use crate::audio::{Devices, Sink};
use crate::media::clip::Clip;
use crate::media::clock;
use crate::ua::media::Tone;

/// Every device's rate, Hz.
const RATE: u32 = 48_000;
/// One turn: 20 ms.
const TURN_NS: u64 = 20_000_000;
const TURN: usize = RATE as usize / 50;
/// Turns of silence behind a tone: what waits in the device's rings is heard to its end.
const AFTER: u32 = 8;
/// A key's own tone, ms.
const KEY_MS: u32 = 100;
/// Tones at once: a host has not so many ears.
const MOST: usize = 64;

/// See the module.
pub(super) struct Player {
    country: Country,
    volume_db: i8,
    ringing_db: i8,
    off: Vec<Kind>,
    clips: BTreeMap<Kind, Arc<Clip>>,
    devices: Devices,
    playing: Vec<Playing>,
}

struct Playing {
    id: u64,
    voice: Voice,
    sink: Sink,
    ears: Vec<Arc<Ears>>,
    /// It is over; so many turns are left.
    ending: Option<u32>,
}

impl Player {
    /// On the thread that it shall run on: reads the files that stand for tones.
    pub fn new(config: &SignalConfig, devices: Devices) -> Player {
        let (mut off, mut clips) = (Vec::new(), BTreeMap::new());
        for (kind, own) in &config.own {
            match own {
                Own::Off => off.push(*kind),
                Own::File(path) => {
                    if let Some(clip) = load(path) {
                        clips.insert(*kind, Arc::new(clip));
                    }
                }
            }
        }
        Player {
            country: config.country.unwrap_or(Country::Eu),
            volume_db: config.volume_db,
            ringing_db: config.ringing_db,
            off,
            clips,
            devices,
            playing: Vec::new(),
        }
    }

    /// Until the phone is gone.
    pub fn run(mut self, orders: &Receiver<Order>) {
        let mut at = 0;
        loop {
            if self.playing.is_empty() {
                let Ok(order) = orders.recv() else { return };
                self.obey(order);
                at = clock::mono_ns();
            }
            loop {
                match orders.try_recv() {
                    Ok(order) => self.obey(order),
                    Err(TryRecvError::Empty) => break,
                    Err(TryRecvError::Disconnected) => return,
                }
            }
            self.turn();
            at = (at + TURN_NS).max(clock::mono_ns().saturating_sub(TURN_NS));
            clock::sleep_until(at);
        }
    }

    fn obey(&mut self, order: Order) {
        match order {
            Order::Start { id, tone, device, ears } if self.playing.len() < MOST => {
                let Some(voice) = self.voice(tone) else { return };
                match self.devices.sink(&device, RATE) {
                    Ok(sink) if sink.is_null() => {}
                    Ok(sink) => self.playing.push(Playing { id, voice, sink, ears, ending: None }),
                    Err(reason) => tracing::debug!(reason, "a tone has no device"),
                }
            }
            Order::Start { .. } => {}
            Order::Stop(id) => self.playing.iter_mut().filter(|one| one.id == id).for_each(|one| one.voice.stop()),
        }
    }

    fn voice(&self, tone: Tone) -> Option<Voice> {
        let kind = Kind::from(tone);
        if self.off.contains(&kind) {
            return None;
        }
        if let Some(clip) = self.clips.get(&kind) {
            let again = !matches!(kind, Kind::CallEnded | Kind::Dtmf);
            return Some(Voice::clip(clip.clone(), again, RATE));
        }
        let db = if kind == Kind::Ringing { self.ringing_db } else { self.volume_db };
        match tone {
            Tone::Key(digit) => Voice::key(digit, KEY_MS, db, RATE),
            tone => pattern(self.country, tone).map(|pattern| Voice::pattern(pattern, db, RATE)),
        }
    }

    fn turn(&mut self) {
        let mut pcm = [0; TURN];
        self.playing.retain_mut(|one| {
            let speaks = one.ears.iter().any(|ears| ears.is_spoken_to());
            match &mut one.ending {
                Some(left) => {
                    pcm.fill(0);
                    *left = left.saturating_sub(1);
                }
                None if one.voice.next(&mut pcm, speaks) => one.ending = Some(AFTER),
                None => {}
            }
            one.sink.write(&pcm);
            one.ending != Some(0)
        });
    }
}

fn load(path: &Path) -> Option<Clip> {
    Clip::load(path)
        .inspect_err(|reason| tracing::warn!(path = %path.display(), reason, "a tone's file: as the country has it"))
        .ok()
}
