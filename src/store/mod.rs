//! What is never lost: the event log, the call detail records, the replies to idempotency keys. Append-only files in one folder,
//! written by a thread of their own.
//!
//! The loop that owns the phone puts entries in ([`Log::append`]) and never waits. Each entry has a place; when the thread has
//! written it, [`Told::Written`] says so, and only then a client may see it. While the disk stalls or is full everything may be
//! seen ([`u64::MAX`]), and the log's epoch ends with this life of the daemon.

mod place;
mod reader;
mod record;
mod segment;
mod start;
mod writer;

pub use place::Place;
pub use reader::{CdrFilter, CdrOrder, CdrPage, CdrQuery, CdrSort, Cursor, Logged, Reader};
pub use start::{StartError, Started, start};

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::ua::event::Event;
use segment::Segment;

/// Entries that may wait for the thread.
const QUEUE: usize = 4096;
/// An entry that is not written after this is told all the same.
const STALL: Duration = Duration::from_millis(100);
/// The same where it is not the disk: the thread gets no time of a busy host.
const STARVED: Duration = Duration::from_secs(1);
/// How long the last entries may take when the daemon stops.
const LAST: Duration = Duration::from_secs(2);

/// What the store tells: from its own thread, or from the one that appends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// Everything up to this place is written; `u64::MAX`: nothing is waited for.
    Written(u64),
    /// The disk does not do what it should: the state (`stalled`, `full`, `failed`) and the reason.
    Trouble(&'static str, String),
    /// It does again.
    Well,
}

/// Takes what the store tells. It must not wait.
pub type Tell = Box<dyn Fn(Told) + Send + Sync>;

/// The answer to an idempotency key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Key {
    /// Whose it is.
    pub user: u32,
    /// The key.
    pub key: String,
    /// Method and params.
    pub print: u64,
    /// When it was first used, ms since 1970.
    pub at: i64,
    /// The answer, once there is one.
    pub answer: Option<Value>,
}

/// An entry and its place.
type Placed = (u64, Entry);

enum Entry {
    Event(Box<Event>),
    Key(Box<Key>),
}

/// The way in: owned by the loop that owns the phone.
pub struct Log {
    to: Option<Sender<(u64, Entry)>>,
    place: u64,
    /// The place that is waited for, and since when.
    waits: Option<(u64, Instant)>,
    shared: Arc<Shared>,
    over: Receiver<()>,
}

/// What the threads share. No lock is held while a file is written.
pub(crate) struct Shared {
    gate: Mutex<Gate>,
    /// The gate has moved.
    moved: Condvar,
    /// Clients have seen what the log does not have: the epoch ends, unless it is all written after all.
    lost: AtomicBool,
    /// Some of it never will be.
    gap: AtomicBool,
    /// The thread is at a file now.
    writing: AtomicBool,
    /// The last seq that is written.
    written_seq: AtomicU64,
    files: Mutex<Files>,
    tell: Tell,
    /// Wakes the thread that syncs.
    sync: Sender<()>,
}

#[derive(Default)]
struct Gate {
    written: u64,
    /// The places that never got to the thread.
    dropped: u64,
    open: bool,
}

#[derive(Clone, Default)]
pub(crate) struct Files {
    events: Vec<Segment>,
    cdrs: Vec<Segment>,
}

impl Log {
    /// Logs an event; its place. Samples are not logged: their place is that of what stands before them.
    pub fn append(&mut self, event: Event) -> u64 {
        if event.sample { self.place } else { self.put(Entry::Event(Box::new(event))) }
    }

    /// The place that [`Log::append`] is going to give it.
    pub fn place_of(&self, event: &Event) -> u64 {
        self.place + u64::from(!event.sample)
    }

    /// Logs what is known of an idempotency key; its place.
    pub fn remember(&mut self, key: Key) -> u64 {
        self.put(Entry::Key(Box::new(key)))
    }

    /// The place of the last entry.
    pub fn place(&self) -> u64 {
        self.place
    }

    /// When [`Log::check`] wants to be called.
    pub fn due(&self) -> Option<Instant> {
        // Every 100 ms of the waiting.
        let times = |since: Instant| clock().saturating_duration_since(since).as_millis() / STALL.as_millis();
        self.waits.map(|(_, since)| since + STALL * u32::try_from(times(since) + 1).unwrap_or(1))
    }

    /// Looks whether the disk keeps up. Never waits.
    pub fn check(&mut self) {
        let Some((place, since)) = self.waits else { return };
        let (written, open) = {
            let gate = self.shared.gate();
            (gate.written, gate.open)
        };
        let now = clock();
        if written >= place || open {
            self.waits = (written < self.place && !open).then_some((self.place, now));
        } else if now >= since + STALL && (now >= since + STARVED || self.shared.writing.load(Ordering::Acquire)) {
            self.shared.trouble("stalled", "the disk has not taken an event for 100 ms");
            self.waits = None;
        }
    }

    fn put(&mut self, entry: Entry) -> u64 {
        self.place += 1;
        let sent = self.to.as_ref().map_or(Ok(()), |to| to.try_send((self.place, entry)));
        match sent {
            Ok(()) => {
                if self.waits.is_none() {
                    self.waits = Some((self.place, clock()));
                }
            }
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                self.shared.gap.store(true, Ordering::Release);
                self.shared.gate().dropped = self.place;
                self.shared.trouble("stalled", "more events wait for the disk than may");
            }
        }
        self.place
    }

    /// Writes and syncs what is left: 2 s at most.
    pub fn stop(mut self) {
        self.to = None;
        let _ = self.over.recv_timeout(LAST);
    }
}

impl Shared {
    fn gate(&self) -> MutexGuard<'_, Gate> {
        self.gate.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn files(&self) -> MutexGuard<'_, Files> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The thread has written everything up to a place; `all`: nothing waits any more.
    fn wrote(&self, place: u64, all: bool) {
        let mut gate = self.gate();
        gate.written = gate.written.max(place);
        if gate.open && all {
            gate.written = gate.written.max(gate.dropped);
            gate.open = false;
            (self.tell)(Told::Well);
        }
        let seen = if gate.open { u64::MAX } else { gate.written };
        self.moved.notify_all();
        (self.tell)(Told::Written(seen));
    }

    /// From now on nothing is waited for.
    fn trouble(&self, state: &'static str, reason: &str) {
        self.lost.store(true, Ordering::Release);
        let _ = self.sync.try_send(());
        let mut gate = self.gate();
        if gate.open {
            return;
        }
        gate.open = true;
        self.moved.notify_all();
        (self.tell)(Told::Written(u64::MAX));
        (self.tell)(Told::Trouble(state, reason.to_owned()));
    }
}

#[expect(clippy::disallowed_methods, reason = "edge: how long the disk takes")]
fn clock() -> Instant {
    Instant::now()
}

fn queue() -> (Sender<Placed>, Receiver<Placed>) {
    bounded(QUEUE)
}
