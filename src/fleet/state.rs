//! Where the bridge is: on the disk what must outlive the daemon ([`Place`]), beside it what `fleet.status` tells.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::store::Place;

/// While its place moves, everything is written so often.
const WRITTEN: Duration = Duration::from_secs(1);

/// What is written.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Kept {
    /// The next event.
    next: u64,
    /// Events that the broker took.
    published: u64,
    /// Events that the log had no more, or that are too large for the broker.
    lost: u64,
}

#[derive(Default)]
struct Now {
    kept: Kept,
    /// When all was written.
    written: Option<Instant>,
    /// The disk took it.
    kept_well: bool,
    /// The server that we are connected to.
    server: Option<String>,
    /// Events that it had already.
    duplicates: u64,
    /// Failures in a row: to connect, or to have an event acknowledged.
    failures: u32,
    last_error: Option<String>,
    requests: u64,
}

/// How it ended with an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// The broker has it; perhaps it had it already.
    Taken { again: bool },
    /// Nobody wants it there.
    Unwanted,
    /// It can never go.
    TooLarge,
}

pub(super) struct State {
    place: Arc<Place>,
    now: Mutex<Now>,
}

impl State {
    /// What is known of the bridge; a new one begins with the event `first`, and that is written at once.
    pub fn load(dir: &Path, first: u64) -> State {
        let (mut place, old, step) = Place::open::<Kept>(dir, "fleet");
        let old = old.unwrap_or_else(|error| {
            tracing::error!(%error, "the fleet's place cannot be read: it goes on with the next event");
            None
        });
        let mut kept = old.unwrap_or(Kept { next: first, ..Kept::default() });
        if let Some((next, published)) = step
            && next >= kept.next
            && published >= kept.published
        {
            (kept.next, kept.published) = (next, published);
        }
        // A log that begins anew has no event of that number yet.
        kept.next = kept.next.min(first);
        let result = place.write(&kept);
        place.begin();
        let now = Mutex::new(Now { kept, kept_well: true, ..Now::default() });
        let state = State { place: Arc::new(place), now };
        state.wrote(result);
        state.step();
        state
    }

    pub fn next(&self) -> u64 {
        self.now().kept.next
    }

    /// Failures in a row.
    pub fn failures(&self) -> u32 {
        self.now().failures
    }

    /// An event is done with, and so are all before it: what the log had lost before it is counted.
    pub async fn done(&self, seq: u64, end: End) {
        {
            let mut now = self.now();
            let lost = seq.saturating_sub(now.kept.next);
            if lost > 0 {
                tracing::warn!(lost, "events for the fleet were no longer in the log: [store] max_age_days, max_bytes");
            }
            now.kept.lost += lost + u64::from(end == End::TooLarge);
            now.kept.next = seq + 1;
            if let End::Taken { again } = end {
                (now.failures, now.last_error) = (0, None);
                now.kept.published += 1;
                now.duplicates += u64::from(again);
            }
        }
        let is_due = self.now().written.is_none_or(|written| written.elapsed() >= WRITTEN);
        if !self.step() || is_due {
            self.save().await;
        }
    }

    pub fn connected(&self, server: &str) {
        tracing::info!(server, "the fleet's broker is there");
        self.now().server = Some(server.to_owned());
    }

    /// The connection is over; one that held for long was a good one.
    pub fn disconnected(&self, held: bool) {
        let mut now = self.now();
        now.server = None;
        if held {
            now.failures = 0;
        }
    }

    /// It did not go; it is tried again.
    pub fn failed(&self, why: &str) {
        let mut now = self.now();
        if now.failures == 0 {
            tracing::warn!("the fleet is not told: {why}; it is tried again");
        }
        now.failures = now.failures.saturating_add(1);
        now.last_error = Some(why.to_owned());
    }

    pub fn asked(&self) {
        self.now().requests += 1;
    }

    fn step(&self) -> bool {
        let (next, published) = {
            let now = self.now();
            (now.kept.next, now.kept.published)
        };
        self.place.step(next, published)
    }

    /// Writes all of it, on a thread that may wait for the disk.
    async fn save(&self) {
        let (place, kept) = (self.place.clone(), self.now().kept.clone());
        let result = tokio::task::spawn_blocking(move || place.write(&kept)).await;
        self.wrote(result.unwrap_or_else(|error| Err(io::Error::other(error))));
        self.step();
    }

    fn wrote(&self, result: io::Result<()>) {
        let mut now = self.now();
        now.written = Some(Instant::now());
        let was_kept = std::mem::replace(&mut now.kept_well, result.is_ok());
        if let (Err(error), true) = (result, was_kept) {
            tracing::warn!(%error, "the fleet's place is not kept: after a crash events come twice");
        }
    }

    /// What changes in `fleet.status`; `last` is the last event of the log.
    pub fn view(&self, last: u64) -> Value {
        let now = self.now();
        json!({
            "state": if now.server.is_some() { "connected" } else { "down" },
            "server": now.server,
            "nextSeq": now.kept.next,
            "behind": (last + 1).saturating_sub(now.kept.next),
            "published": now.kept.published,
            "duplicates": now.duplicates,
            "lost": now.kept.lost,
            "failures": now.failures,
            "lastError": now.last_error,
            "requests": now.requests,
        })
    }

    fn now(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
