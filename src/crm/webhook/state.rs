//! Where a webhook is: on the disk what must outlive the daemon ([`Place`]), beside it what `webhook.list` tells.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::time::Instant;

use super::message::{Message, wall};
use crate::config::WebhookConfig;
use crate::crm::http;
use crate::store::Place;
use crate::ua::event::rfc3339;

/// Dead letters that are named; older ones are counted only.
const NAMED: usize = 100;
/// While its place moves, everything is written so often.
const WRITTEN: Duration = Duration::from_secs(1);

/// What is written.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Kept {
    /// Stands for the URL: another server is another webhook.
    server: String,
    /// The next event.
    next: u64,
    disabled: bool,
    delivered: u64,
    /// Events that the log had no more.
    lost: u64,
    dead: u64,
    letters: Vec<Letter>,
}

/// An event that was left.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Letter {
    seq: u64,
    epoch: String,
    event: String,
    call_id: Option<String>,
    time: String,
    reason: String,
}

impl Kept {
    /// As far as the last step says that it came.
    fn further(self, step: Option<(u64, u64)>) -> Kept {
        match step {
            Some((next, delivered)) if next >= self.next && delivered >= self.delivered => {
                Kept { next, delivered, ..self }
            }
            _ => self,
        }
    }
}

#[derive(Default)]
struct Now {
    kept: Kept,
    /// When all was written.
    written: Option<Instant>,
    /// The disk took it.
    kept_well: bool,
    failures: u32,
    last_error: Option<String>,
    /// The next try, ms since 1970.
    again: Option<i64>,
}

pub(super) struct State {
    name: String,
    place: Arc<Place>,
    now: Mutex<Now>,
}

impl State {
    /// What is known of a webhook; a new one begins with the event `first`, and that is written at once.
    pub fn load(dir: &Path, name: &str, url: &str, first: u64) -> State {
        let (mut place, old, step) = Place::open(&dir.join("webhooks"), name);
        let server: String = Sha256::digest(url).iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        let old: Option<Kept> = old.unwrap_or_else(|error| {
            tracing::error!(webhook = name, %error, "its place cannot be read: it goes on with the next event");
            None
        });
        let old = old.map(|old| old.further(step));
        let kept = match old {
            // A log that begins anew has no event of that number yet.
            Some(old) if old.next > first => Kept { server, next: first, ..old },
            Some(old) if old.server == server => old,
            Some(old) => Kept { server, disabled: false, ..old },
            None => Kept { server, next: first, ..Kept::default() },
        };
        let result = place.write(&kept);
        place.begin();
        let now = Mutex::new(Now { kept, kept_well: true, ..Now::default() });
        let state = State { name: name.to_owned(), place: Arc::new(place), now };
        state.wrote(result);
        state.step();
        state
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn next(&self) -> u64 {
        self.now().kept.next
    }

    pub fn is_disabled(&self) -> bool {
        self.now().kept.disabled
    }

    /// Tries in a row that failed.
    pub fn failures(&self) -> u32 {
        self.now().failures
    }

    /// The next event is there: what the log has lost before it is counted.
    pub fn met(&self, seq: u64) {
        let mut now = self.now();
        let lost = seq.saturating_sub(now.kept.next);
        if lost > 0 {
            tracing::warn!(
                webhook = self.name,
                lost,
                "events were no longer in the log: [store] max_age_days, max_bytes"
            );
            now.kept.lost += lost;
        }
    }

    /// Nobody wants this one.
    pub async fn passed(&self, seq: u64) {
        self.now().kept.next = seq + 1;
        self.keep().await;
    }

    pub async fn delivered(&self, seq: u64) {
        {
            let mut now = self.now();
            (now.failures, now.last_error, now.again) = (0, None, None);
            now.kept.next = seq + 1;
            now.kept.delivered += 1;
        }
        self.keep().await;
    }

    /// The place has moved.
    async fn keep(&self) {
        let is_due = self.now().written.is_none_or(|written| written.elapsed() >= WRITTEN);
        if !self.step() || is_due {
            self.save().await;
        }
    }

    /// Writes the place: a few bytes that the system takes at once.
    fn step(&self) -> bool {
        let (next, delivered) = {
            let now = self.now();
            (now.kept.next, now.kept.delivered)
        };
        self.place.step(next, delivered)
    }

    /// A try failed; the next comes after that.
    pub fn failed(&self, why: &str, wait: Duration) {
        let mut now = self.now();
        if now.failures == 0 {
            tracing::warn!(webhook = self.name, "not told: {why}; it is tried again");
        }
        now.failures = now.failures.saturating_add(1);
        now.last_error = Some(why.to_owned());
        now.again = Some(wall() + i64::try_from(wait.as_millis()).unwrap_or(i64::MAX / 2));
    }

    /// The event is left.
    pub async fn bury(&self, message: &Message, why: &str) {
        tracing::warn!(webhook = self.name, seq = message.seq, "a dead letter: {why}");
        {
            let mut now = self.now();
            now.last_error = Some(why.to_owned());
            now.failures = now.failures.max(1);
            now.kept.next = message.seq + 1;
            now.kept.dead += 1;
            if now.kept.letters.len() >= NAMED {
                now.kept.letters.remove(0);
            }
            now.kept.letters.push(Letter {
                seq: message.seq,
                epoch: message.epoch.clone(),
                event: message.event.clone(),
                call_id: message.call_id.clone(),
                time: rfc3339(message.at),
                reason: why.to_owned(),
            });
        }
        self.save().await;
    }

    /// The dead letters that are named, or the one of that id (`EPOCH-SEQ`): seq and epoch.
    pub fn letters(&self, id: Option<&str>) -> Vec<(u64, String)> {
        let wanted = |letter: &&Letter| id.is_none_or(|id| id == format!("{}-{}", letter.epoch, letter.seq));
        self.now().kept.letters.iter().filter(wanted).map(|letter| (letter.seq, letter.epoch.clone())).collect()
    }

    /// A dead letter was taken after all.
    pub async fn raised(&self, seq: u64, epoch: &str) {
        {
            let mut now = self.now();
            let before = now.kept.letters.len();
            now.kept.letters.retain(|letter| letter.seq != seq || letter.epoch != epoch);
            if now.kept.letters.len() < before {
                now.kept.dead = now.kept.dead.saturating_sub(1);
                now.kept.delivered += 1;
            }
        }
        self.save().await;
    }

    pub async fn disable(&self) {
        self.now().kept.disabled = true;
        self.save().await;
    }

    pub async fn enable(&self) {
        let was = std::mem::replace(&mut self.now().kept.disabled, false);
        if was {
            self.save().await;
        }
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
            tracing::warn!(webhook = self.name, %error, "its place is not kept: after a crash events come twice");
        }
    }

    pub fn view(&self, config: &WebhookConfig, last: u64) -> Value {
        let now = self.now();
        let state = match (now.kept.disabled, now.failures) {
            (true, _) => "disabled",
            (false, 0) => "ok",
            _ => "failing",
        };
        json!({
            "name": self.name,
            "url": http::shown(&config.url),
            "events": config.events,
            "account": config.account,
            "state": state,
            "nextSeq": now.kept.next,
            "behind": (last + 1).saturating_sub(now.kept.next),
            "delivered": now.kept.delivered,
            "failures": now.failures,
            "lastError": now.last_error,
            "retryInMs": now.again.map(|again| (again - wall()).max(0)),
            "lost": now.kept.lost,
            "dead": now.kept.dead,
            "deadLetters": now.kept.letters,
        })
    }

    fn now(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
