//! Tones for the agent: ringing, ringback, call waiting, busy, congestion, the end of a call, keys. They go to a device beside the
//! session's own sound, so that no call hears them, no recording has them, and none of them delays anything.

mod plan;
mod player;
mod voice;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use crate::audio::Devices;
use crate::ua::media::{Tone, ToneCommand};

pub use plan::Country;

use player::Player;

use super::clock;

/// Orders that may wait: more of them in one turn are dropped, for they are only tones.
const ORDERS: usize = 256;
/// A pause in speech is longer than this, µs.
const PAUSE_US: u64 = 400_000;

/// Which tones there are, and how they sound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignalConfig {
    /// Whose; none: no tone at all.
    pub country: Option<Country>,
    /// Peak of all tones but ringing, dB below full scale (negative).
    pub volume_db: i8,
    /// The same of ringing.
    pub ringing_db: i8,
    /// What is not as the country has it.
    pub own: BTreeMap<Kind, Own>,
}

impl Default for SignalConfig {
    fn default() -> Self {
        SignalConfig { country: Some(Country::Eu), volume_db: -20, ringing_db: -10, own: BTreeMap::new() }
    }
}

/// Kinds of tones that are configured each by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Somebody calls.
    Ringing,
    /// It rings there.
    Ringback,
    /// Somebody calls while we talk.
    CallWaiting,
    /// The far end is busy.
    Busy,
    /// The call failed otherwise.
    Congestion,
    /// The far end has hung up.
    CallEnded,
    /// A digit of ours.
    Dtmf,
}

impl From<Tone> for Kind {
    fn from(tone: Tone) -> Kind {
        match tone {
            Tone::Ringing => Kind::Ringing,
            Tone::Ringback => Kind::Ringback,
            Tone::CallWaiting => Kind::CallWaiting,
            Tone::Busy => Kind::Busy,
            Tone::Congestion => Kind::Congestion,
            Tone::CallEnded => Kind::CallEnded,
            Tone::Key(_) => Kind::Dtmf,
        }
    }
}

/// Otherwise than the country has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Own {
    /// Never.
    Off,
    /// This file.
    File(PathBuf),
}

/// When a far end was last heard to speak.
#[derive(Debug, Default)]
pub struct Ears(AtomicU64);

impl Ears {
    /// It speaks, at a time of CLOCK_MONOTONIC, µs.
    pub fn note(&self, now: u64) {
        self.0.store(now, Ordering::Relaxed);
    }

    fn is_spoken_to(&self) -> bool {
        let last = self.0.load(Ordering::Relaxed);
        last != 0 && clock::mono_ns() / 1_000 < last + PAUSE_US
    }
}

/// What the player's thread is told.
enum Order {
    Start { id: u64, tone: Tone, device: String, ears: Vec<Arc<Ears>> },
    Stop(u64),
}

/// All tones of this phone. Their thread ends when this is dropped.
pub struct Signals {
    orders: Option<SyncSender<Order>>,
}

impl Signals {
    /// Starts the thread that plays them; it sleeps while nothing sounds.
    pub fn start(config: SignalConfig, devices: Devices) -> Signals {
        if config.country.is_none() {
            return Signals { orders: None };
        }
        let (orders, inbox) = sync_channel(ORDERS);
        let run = move || Player::new(&config, devices).run(&inbox);
        let started = thread::Builder::new().name("tones".into()).spawn(run);
        if let Err(error) = &started {
            tracing::warn!(%error, "no thread for tones: there are none");
        }
        Signals { orders: started.ok().map(|_| orders) }
    }

    /// Starts or stops one; never blocks. `ears` hear the far ends that it may not drown.
    pub fn tell(&self, command: ToneCommand, ears: Vec<Arc<Ears>>) {
        let Some(orders) = &self.orders else { return };
        let order = match command {
            ToneCommand::Start { id, tone, device, .. } => Order::Start { id, tone, device, ears },
            ToneCommand::Stop { id } => Order::Stop(id),
        };
        if orders.try_send(order).is_err() {
            tracing::debug!("too many tones at once: one is left out");
        }
    }
}
