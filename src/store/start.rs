//! The beginning: what earlier lives of the daemon left, and whether this one goes on with their epoch.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use crossbeam_channel::bounded;
use nix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

use super::segment::{Found, Tail, find, records, wall};
use super::writer::{Batch, Writer, start_sync};
use super::{Files, Gate, Key, Log, Reader, Shared, Tell, queue};
use crate::config::StoreConfig;
use crate::ua::cdr::Unfinished;
use crate::ua::event::Event;

/// How long an idempotency key is kept.
pub(super) const KEY_AGE: Duration = Duration::from_secs(24 * 3600);
/// A file of the log, at most; a sixteenth of all where that is less.
const FILE: u64 = 8 * 1024 * 1024;
/// Two boots are at least so far apart, where the system does not name them, s.
const BOOTS: i64 = 120;

/// Why the store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Another daemon writes there.
    #[error("{0}: another phoned keeps its log here; give this one its own [store] dir")]
    Taken(PathBuf),
    /// The system refused.
    #[error("{path}: {source}")]
    Io {
        /// What could not be used.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// An open store, and what it knows.
pub struct Started {
    /// The way in.
    pub log: Log,
    /// The way out.
    pub reader: Reader,
    /// The life of the log that this daemon goes on with, or the new one.
    pub epoch: String,
    /// The last seq in the log.
    pub seq: u64,
    /// The sessions that it leaves without their end.
    pub unfinished: Unfinished,
    /// Idempotency keys of the last 24 hours, oldest first.
    pub keys: Vec<Key>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Epoch {
    epoch: String,
    /// In which run of the system it was last written.
    boot: String,
    /// When that began, s since 1970.
    boot_time: i64,
    /// The daemon stopped as asked, with everything synced.
    clean: bool,
}

/// Opens the store: reads the end of what is there, cuts off what was never finished, starts the threads. `fresh` is the epoch to
/// begin where the old one cannot be kept.
pub fn start(config: &StoreConfig, fresh: String, tell: Tell) -> Result<Started, StartError> {
    let dir = config.directory();
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| StartError::Io { path, source }
    };
    fs::create_dir_all(&dir).map_err(failed(&dir))?;
    let lock = lock(&dir)?;
    let (found, cdrs, unfinished, batch) = read(&dir).map_err(failed(&dir))?;
    let seq = found.segments.last().map_or(0, |segment| segment.last);
    let kept = old_epoch(&dir).filter(|old| {
        let (boot, time) = boot();
        let same_boot = if boot.is_empty() { (time - old.boot_time).abs() < BOOTS } else { boot == old.boot };
        (same_boot || old.clean) && !found.damaged_tail && !found.segments.is_empty() && found.header.epoch == old.epoch
    });
    let epoch = kept.map_or(fresh, |old| old.epoch);
    // A disk that is full already: the events tell, and there will be another epoch.
    let lost = keep_epoch(&dir, &epoch, false).is_err();

    let limit = FILE.min(config.max_bytes / 16).max(16 * 1024);
    let tails = [("events", true), ("cdrs", false), ("keys", false)]
        .map(|(kind, gapless)| Tail::new(&dir, kind, limit, gapless));
    let [mut events, mut cdr_tail, keys_tail] = tails;
    for (tail, segments) in [(&mut events, &found.segments), (&mut cdr_tail, &cdrs.segments)] {
        if let Some(last) = segments.last() {
            tail.resume(last).map_err(failed(&last.path))?;
        }
    }
    let keys = read_keys(&dir).map_err(failed(&dir))?;
    let (sync, woken) = bounded(1);
    let files = Files { events: found.segments, cdrs: cdrs.segments };
    let shared = Arc::new(Shared {
        gate: Mutex::new(Gate::default()),
        moved: Condvar::new(),
        lost: AtomicBool::new(lost),
        gap: AtomicBool::new(false),
        writing: AtomicBool::new(false),
        written_seq: AtomicU64::new(seq),
        files: Mutex::new(files.clone()),
        tell,
        sync,
    });
    let dirty = start_sync(&shared, woken, dir.clone()).map_err(failed(&dir))?;
    let writer = Writer {
        shared: shared.clone(),
        dir: dir.clone(),
        epoch: epoch.clone(),
        last: seq,
        open: unfinished.clone(),
        events,
        cdrs: cdr_tail,
        keys: keys_tail,
        files,
        key_segments: keys.1,
        _lock: lock,
        age: Duration::from_secs(u64::from(config.max_age_days) * 24 * 3600),
        bytes: config.max_bytes,
        dirty,
        batch,
    };
    let (to, entries) = queue();
    let (over_sender, over) = bounded(1);
    let run = move || writer.run(&entries, over_sender);
    thread::Builder::new().name("log".into()).spawn(run).map_err(failed(&dir))?;
    let reader = Reader::new(shared.clone());
    Ok(Started {
        log: Log { to: Some(to), place: 0, waits: None, shared, over },
        reader,
        epoch,
        seq,
        unfinished,
        keys: keys.0,
    })
}

/// Says on the disk which epoch it is.
pub(super) fn keep_epoch(dir: &Path, epoch: &str, clean: bool) -> io::Result<()> {
    let (boot, boot_time) = boot();
    let text = serde_json::to_vec(&Epoch { epoch: epoch.to_owned(), boot, boot_time, clean })?;
    let (path, fresh) = (dir.join("epoch"), dir.join("epoch.new"));
    let written = File::create(&fresh)
        .and_then(|mut file| file.write_all(&text).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&fresh, &path));
    if written.is_err() {
        let _ = fs::remove_file(&fresh).and_then(|()| fs::remove_file(&path));
    }
    written
}

fn old_epoch(dir: &Path) -> Option<Epoch> {
    serde_json::from_slice(&fs::read(dir.join("epoch")).ok()?).ok()
}

/// Everything that is in the last files: what goes on, and the records that a broken-off life owes.
fn read(dir: &Path) -> io::Result<(Found, Found, Unfinished, Batch)> {
    #[derive(Deserialize)]
    struct Id {
        id: u64,
    }
    let cdrs = find(dir, "cdrs", |bytes| Some(serde_json::from_slice::<Id>(bytes).ok()?.id), |_| {})?;
    let last_cdr = cdrs.segments.last().map_or(0, |segment| segment.last);
    let (mut events, mut batch) = (Vec::new(), Batch::default());
    let found = find(dir, "events", super::reader::seq_of, |bytes| {
        if let Ok(event) = serde_json::from_slice::<Event>(bytes) {
            if event.name == "cdrChange" && event.seq > last_cdr {
                batch.take_cdr(&event);
            }
            events.push(event);
        }
    })?;
    let mut unfinished = found.header.open.clone();
    events.iter().for_each(|event| unfinished.follow(event));
    Ok((found, cdrs, unfinished, batch))
}

fn read_keys(dir: &Path) -> io::Result<(Vec<Key>, Vec<super::Segment>)> {
    let segments = find(dir, "keys", |_| None, |_| {})?.segments;
    let mut keys = Vec::new();
    for segment in &segments {
        records(segment, |bytes| keys.extend(serde_json::from_slice::<Key>(bytes)))?;
    }
    let now = wall().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let oldest = i64::try_from(now.saturating_sub(KEY_AGE).as_millis()).unwrap_or(0);
    keys.retain(|key: &Key| key.at >= oldest);
    Ok((keys, segments))
}

fn lock(dir: &Path) -> Result<File, StartError> {
    let path = dir.join("lock");
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
    let file = file.map_err(|source| StartError::Io { path: path.clone(), source })?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(StartError::Taken(dir.to_owned())),
        Err(fs::TryLockError::Error(source)) => Err(StartError::Io { path, source }),
    }
}

/// This run of the system: its id (empty where /proc is hidden), and when it began.
fn boot() -> (String, i64) {
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let read = |clock| clock_gettime(clock).map_or(0, |time| time.tv_sec());
    (id.trim().to_owned(), read(ClockId::CLOCK_REALTIME) - read(ClockId::CLOCK_BOOTTIME))
}
