//! The thread that writes, and the one that syncs: a write is never behind an fsync.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use serde::Deserialize;
use serde_json::{Value, json};

use super::record::frame;
use super::segment::{Header, Segment, Tail, remove, retain};
use super::{Entry, Files, Key, Shared, clock};
use crate::ua::cdr::Unfinished;
use crate::ua::event::Event;

/// What is written at once, about.
const BATCH: usize = 256 * 1024;
/// What waits for a full disk; above it the oldest is given up, and the log has a gap.
const BACKLOG: usize = 4 * 1024 * 1024;
/// A disk that refused is tried again after this.
const RETRY: Duration = Duration::from_millis(500);
/// What is written is synced after this.
const SYNC: Duration = Duration::from_millis(500);
/// How often old files are looked for.
const RETAIN: Duration = Duration::from_secs(60);

/// The state of the thread that writes.
pub(super) struct Writer {
    pub shared: Arc<Shared>,
    pub dir: PathBuf,
    pub epoch: String,
    pub last: u64,
    pub open: Unfinished,
    pub events: Tail,
    pub cdrs: Tail,
    pub keys: Tail,
    /// What the readers are told of, and the keys' own.
    pub files: Files,
    pub key_segments: Vec<Segment>,
    /// Nobody else writes here while it lives.
    pub _lock: File,
    pub age: Duration,
    pub bytes: u64,
    pub dirty: Arc<Dirty>,
    pub batch: Batch,
}

/// What is to be written, framed.
#[derive(Default)]
pub(super) struct Batch {
    place: u64,
    events: Vec<u8>,
    first: u64,
    last: u64,
    pub(super) cdrs: Vec<u8>,
    pub(super) cdr_first: u64,
    pub(super) cdr_last: u64,
    keys: Vec<u8>,
    key_at: u64,
}

/// Files that were written and not synced.
#[derive(Default)]
pub(super) struct Dirty {
    files: Mutex<BTreeMap<&'static str, Arc<File>>>,
}

impl Dirty {
    /// True: they were all synced before.
    fn add(&self, kind: &'static str, file: Arc<File>) -> bool {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        let clean = files.is_empty();
        files.insert(kind, file);
        clean
    }

    fn sync(&self) -> io::Result<()> {
        let files = std::mem::take(&mut *self.files.lock().unwrap_or_else(PoisonError::into_inner));
        files.into_values().try_for_each(|file| file.sync_data())
    }
}

/// Starts the thread that syncs half a second after a write. It also ends the epoch on disk, at once, when the log has lost something.
/// It lives as long as the store is shared.
pub(super) fn start_sync(shared: &Arc<Shared>, woken: Receiver<()>, dir: PathBuf) -> io::Result<Arc<Dirty>> {
    let dirty = Arc::new(Dirty::default());
    let (theirs, shared) = (dirty.clone(), Arc::downgrade(shared));
    let lost = move || shared.upgrade().map(|shared| (shared.lost.load(Ordering::Acquire), shared));
    thread::Builder::new().name("log-sync".into()).spawn(move || {
        let mut ended = false;
        while woken.recv().is_ok() {
            let until = clock() + SYNC;
            loop {
                let Some((lost, _)) = lost() else { return };
                ended = lost && (ended || end_epoch(&dir));
                match woken.recv_deadline(until) {
                    Ok(()) => {}
                    Err(RecvTimeoutError::Timeout) => break,
                    Err(RecvTimeoutError::Disconnected) => return,
                }
            }
            let synced = theirs.sync();
            if let (Err(error), Some((_, shared))) = (synced, lost()) {
                shared.gap.store(true, Ordering::Release);
                shared.trouble("failed", &error.to_string());
            }
        }
    })?;
    Ok(dirty)
}

/// The next start makes a new epoch: removing a file needs no room.
fn end_epoch(dir: &std::path::Path) -> bool {
    !matches!(fs::remove_file(dir.join("epoch")), Err(error) if error.kind() != io::ErrorKind::NotFound)
}

impl Writer {
    /// Runs until nobody can append any more; then everything is synced.
    pub fn run(mut self, entries: &Receiver<(u64, Entry)>, over: Sender<()>) {
        let mut retained = clock();
        self.write(true);
        self.retain();
        loop {
            let wait = if self.batch.is_empty() { RETAIN } else { RETRY };
            match entries.recv_timeout(wait) {
                Ok((place, entry)) => self.take(place, entry),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            while self.batch.len() < BATCH {
                let Ok((place, entry)) = entries.try_recv() else { break };
                self.take(place, entry);
            }
            self.write(entries.is_empty());
            if clock().saturating_duration_since(retained) > RETAIN {
                retained = clock();
                self.retain();
            }
        }
        self.write(true);
        let synced = self.dirty.sync();
        if synced.is_ok() && self.batch.is_empty() && !self.shared.lost.load(Ordering::Acquire) {
            let _ = super::start::keep_epoch(&self.dir, &self.epoch, true);
        } else {
            end_epoch(&self.dir);
        }
        // First the lock, then the word.
        drop(self);
        drop(over);
    }

    fn take(&mut self, place: u64, entry: Entry) {
        self.batch.place = place;
        match entry {
            Entry::Event(event) => self.take_event(&event),
            Entry::Key(key) => self.take_key(&key),
        }
        if self.batch.len() > BACKLOG {
            self.shared.gap.store(true, Ordering::Release);
            tracing::warn!("the disk takes nothing: events are given up");
            self.batch = Batch { place, ..Batch::default() };
        }
    }

    fn take_event(&mut self, event: &Event) {
        self.open.follow(event);
        if self.batch.events.is_empty() {
            self.batch.first = event.seq;
        }
        self.batch.last = event.seq;
        frame(&mut self.batch.events, event);
        if event.name == "cdrChange" {
            self.batch.take_cdr(event);
        }
    }

    fn take_key(&mut self, key: &Key) {
        if self.batch.keys.is_empty() {
            self.batch.key_at = u64::try_from(key.at).unwrap_or(0);
        }
        frame(&mut self.batch.keys, key);
    }

    /// Writes all that waits, and says so.
    fn write(&mut self, none_waits: bool) {
        if self.batch.is_empty() {
            return;
        }
        self.shared.writing.store(true, Ordering::Release);
        let written = self.try_write();
        self.shared.writing.store(false, Ordering::Release);
        if let Err(error) = written {
            // Before anybody sees what is not in the log: the epoch ends.
            end_epoch(&self.dir);
            let full = matches!(
                error.kind(),
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
            );
            self.shared.trouble(if full { "full" } else { "failed" }, &error.to_string());
            return;
        }
        let place = self.batch.place;
        let (lost, gap) = (&self.shared.lost, &self.shared.gap);
        if none_waits && lost.load(Ordering::Acquire) && !gap.load(Ordering::Acquire) {
            // It was late, and nothing is missing: the epoch stays.
            lost.store(false, Ordering::Release);
            if super::start::keep_epoch(&self.dir, &self.epoch, false).is_err() {
                lost.store(true, Ordering::Release);
            }
        }
        self.shared.wrote(place, none_waits);
    }

    /// First the events, then what follows from them. What is written is taken out of the batch.
    fn try_write(&mut self) -> io::Result<()> {
        let (batch, mut clean) = (&mut self.batch, false);
        if !batch.events.is_empty() {
            let (first, after) = (batch.first, self.last);
            let header = || Header { epoch: self.epoch.clone(), first, after, open: self.open.clone() };
            let seqs = (first, batch.last);
            let file = self.events.write(&mut self.files.events, &self.epoch, seqs, &batch.events, header)?;
            publish(&self.files.events, &mut self.shared.files().events);
            self.last = batch.last;
            self.shared.written_seq.store(self.last, Ordering::Release);
            clean |= self.dirty.add("events", file);
            batch.events.clear();
        }
        if !batch.cdrs.is_empty() {
            let after = self.files.cdrs.last().map_or(0, |segment| segment.last);
            let seqs @ (first, _) = (batch.cdr_first, batch.cdr_last);
            let header = || Header { first, after, ..Header::default() };
            let file = self.cdrs.write(&mut self.files.cdrs, "", seqs, &batch.cdrs, header)?;
            publish(&self.files.cdrs, &mut self.shared.files().cdrs);
            clean |= self.dirty.add("cdrs", file);
            batch.cdrs.clear();
        }
        if !batch.keys.is_empty() {
            let first = batch.key_at;
            let header = || Header { first, ..Header::default() };
            let file = self.keys.write(&mut self.key_segments, "", (first, first), &batch.keys, header)?;
            clean |= self.dirty.add("keys", file);
            batch.keys.clear();
        }
        if clean {
            // The thread that syncs waits a while: what is written meanwhile goes along.
            let _ = self.shared.sync.try_send(());
        }
        Ok(())
    }

    /// Old files go; and the oldest where they are too many: events first.
    fn retain(&mut self) {
        let files = &mut self.files;
        let size = |segments: &[Segment]| segments.iter().map(|segment| segment.bytes).sum::<u64>();
        let spare = (size(&files.events) + size(&files.cdrs)).saturating_sub(self.bytes);
        let events = retain(&mut files.events, self.age, spare);
        let cdrs = retain(&mut files.cdrs, self.age, spare.saturating_sub(size(&events)));
        // First the readers' list: nobody is sent to a file that is gone.
        *self.shared.files() = files.clone();
        let keys = retain(&mut self.key_segments, super::start::KEY_AGE, 0);
        [events, cdrs, keys].iter().for_each(|gone| remove(gone));
    }
}

/// Tells the readers of what was written.
fn publish(ours: &[Segment], theirs: &mut Vec<Segment>) {
    match (ours.last(), theirs.last_mut()) {
        (Some(ours), Some(theirs)) if ours.path == theirs.path => {
            (theirs.first, theirs.last, theirs.bytes) = (ours.first, ours.last, ours.bytes);
        }
        _ => *theirs = ours.to_vec(),
    }
}

impl Batch {
    /// The record of an event `cdrChange`: its id is the seq.
    pub(super) fn take_cdr(&mut self, event: &Event) {
        #[derive(Deserialize)]
        struct Told {
            cdr: Value,
        }
        if self.cdrs.is_empty() {
            self.cdr_first = event.seq;
        }
        self.cdr_last = event.seq;
        let Some(Told { mut cdr }) = event.data.read() else { return };
        cdr["id"] = json!(event.seq);
        frame(&mut self.cdrs, &cdr);
    }

    fn len(&self) -> usize {
        self.events.len() + self.cdrs.len() + self.keys.len()
    }

    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
