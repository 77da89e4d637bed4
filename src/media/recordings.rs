//! The keeper of the recordings: lists, proves and deletes them, closes those that a crash left open, and throws old ones
//! away. It has a thread of its own, so a slow disk delays only who asks it.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::recorder::side::{self, Moment, SideFile, SideState};
use super::recorder::{RecordConfig, repair};
use crate::ua::command::{RecordingList, Recordings as Ask};
use crate::ua::error::{Code, Error};
use crate::ua::io::ReplyId;

/// Questions that may wait.
const QUESTIONS: usize = 64;
/// Between two looks for what is too old or too much.
const RETENTION: Duration = Duration::from_secs(60);
/// Folders in folders.
const DEPTH: usize = 8;
/// Recordings in one answer.
const PAGE: usize = 100;
const LARGEST_PAGE: usize = 1_000;

/// An answer, and whose it is.
pub type Answer = (ReplyId, Result<Value, Error>);

/// The keeper. Its thread ends some time after this is dropped.
pub struct Recordings {
    questions: SyncSender<(ReplyId, Ask)>,
}

impl Recordings {
    /// Starts the thread; its first work is to close what a crash left open.
    pub fn start(config: RecordConfig, answers: mpsc::Sender<Answer>) -> Recordings {
        let (questions, inbox) = sync_channel(QUESTIONS);
        // A thread that cannot start leaves its channel closed: `ask` then says so.
        let _ = thread::Builder::new().name("recordings".into()).spawn(move || keep(&config, &inbox, &answers));
        Recordings { questions }
    }

    /// Asks; never waits. The answer comes by the channel, or here when there is no room.
    pub fn ask(&self, reply: ReplyId, what: Ask) -> Option<Error> {
        let full = Error::new(Code::Storage, "the disk is too slow: too many wait for it already").hint("ask again");
        self.questions.try_send((reply, what)).err().map(|_| full)
    }
}

fn keep(config: &RecordConfig, questions: &Receiver<(ReplyId, Ask)>, answers: &mpsc::Sender<Answer>) {
    recover(&config.dir);
    loop {
        retain(config);
        loop {
            match questions.recv_timeout(RETENTION) {
                Ok((reply, what)) => {
                    if answers.blocking_send((reply, answer(&config.dir, what))).is_err() {
                        return;
                    }
                }
                Err(RecvTimeoutError::Timeout) => break,
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }
}

fn answer(dir: &Path, what: Ask) -> Result<Value, Error> {
    match what {
        Ask::List(list) => Ok(listed(dir, &list)),
        Ask::Get(which) => {
            let sound = find(dir, &which.id)?;
            let side = SideFile::read(&side::beside(&sound)).map_err(storage)?;
            Ok(view(dir, &sound, &side))
        }
        Ask::Verify(which) => {
            let sound = find(dir, &which.id)?;
            let side = SideFile::read(&side::beside(&sound)).map_err(storage)?;
            let Some(expected) = side.sha256 else {
                return Err(
                    Error::new(Code::WrongState, "it is not closed yet, or was never").hint("session.stopRecord")
                );
            };
            let sha256 = side::hash(&sound).map_err(storage)?;
            Ok(json!({"id": which.id, "valid": sha256 == expected, "sha256": sha256, "expected": expected}))
        }
        Ask::Delete(which) => {
            let sound = find(dir, &which.id)?;
            if is_open(&sound) {
                return Err(Error::new(Code::WrongState, "it is being recorded").hint("session.stopRecord"));
            }
            remove(dir, &sound).map_err(storage)?;
            Ok(Value::Bool(true))
        }
    }
}

fn listed(dir: &Path, list: &RecordingList) -> Value {
    let mut found: Vec<(PathBuf, SideFile)> = sounds(dir)
        .into_iter()
        .filter_map(|sound| Some((sound.clone(), SideFile::read(&side::beside(&sound)).ok()?)))
        .filter(|(_, side)| list.call_id.as_ref().is_none_or(|id| *id == side.call_id))
        .filter(|(_, side)| list.account.as_ref().is_none_or(|name| *name == side.account))
        .collect();
    found.sort_by(|(a, one), (b, two)| two.started_at.cmp(&one.started_at).then_with(|| a.cmp(b)));
    let (page, size) = (list.page.unwrap_or(0), list.size.unwrap_or(PAGE).clamp(1, LARGEST_PAGE));
    let shown = found.iter().skip(page.saturating_mul(size)).take(size);
    let shown: Vec<Value> = shown.map(|(sound, side)| view(dir, sound, side)).collect();
    json!({"total": found.len(), "page": page, "size": size, "recordings": shown})
}

/// A recording as users see it: its side file, where it is and how large.
fn view(dir: &Path, sound: &Path, side: &SideFile) -> Value {
    let mut value = serde_json::to_value(side).unwrap_or(Value::Null);
    value["id"] = sound.strip_prefix(dir).unwrap_or(sound).to_string_lossy().into();
    value["path"] = sound.to_string_lossy().into();
    value["size"] = fs::metadata(sound).map_or(0, |meta| meta.len()).into();
    value
}

/// The sound file of an id. Nothing outside of the directory can be named, not even through a link.
fn find(dir: &Path, id: &str) -> Result<PathBuf, Error> {
    let none = || Error::new(Code::InvalidParams, format!("there is no recording {id:?}")).hint("recording.list");
    let plain = Path::new(id).components().all(|part| matches!(part, Component::Normal(_)));
    if id.is_empty() || !plain || id.contains('\0') {
        return Err(none());
    }
    let sound = dir.join(id);
    let real = fs::canonicalize(&sound).map_err(|_| none())?;
    let inside = fs::canonicalize(dir).is_ok_and(|dir| real == dir.join(id));
    if inside && is_sound(&sound) && side::beside(&sound).is_file() { Ok(sound) } else { Err(none()) }
}

/// All sound files that have a side file.
fn sounds(dir: &Path) -> Vec<PathBuf> {
    let (mut found, mut folders) = (Vec::new(), vec![(dir.to_owned(), 0)]);
    while let Some((folder, depth)) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() && depth < DEPTH => folders.push((entry.path(), depth + 1)),
                Ok(kind) if kind.is_file() && is_sound(&entry.path()) && side::beside(&entry.path()).is_file() => {
                    found.push(entry.path());
                }
                _ => {}
            }
        }
    }
    found
}

fn is_sound(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "wav" || extension == "ogg")
}

/// Somebody records into it: the file is locked.
fn is_open(sound: &Path) -> bool {
    File::open(sound).is_ok_and(|file| matches!(file.try_lock_shared(), Err(fs::TryLockError::WouldBlock)))
}

/// Closes what a crash left open: the file's head is mended, its hash taken.
fn recover(dir: &Path) {
    for sound in sounds(dir) {
        let beside = side::beside(&sound);
        let Ok(mut side) = SideFile::read(&beside) else { continue };
        if side.state != SideState::Open {
            continue;
        }
        let mut mend = || -> io::Result<()> {
            let file = OpenOptions::new().read(true).write(true).open(&sound)?;
            if file.try_lock().is_err() {
                return Ok(()); // a daemon that lives records into it
            }
            side.duration_ms = Some(repair(&sound, side.format)?);
            side.sha256 = Some(side::hash(&sound)?);
            side.state = SideState::Recovered;
            side.ended_at = Some(Moment::of(side::wall()).rfc3339());
            side.write(&beside)
        };
        match mend() {
            Ok(()) => tracing::info!(path = %sound.display(), "a recording that was cut off is closed"),
            Err(error) => tracing::warn!(path = %sound.display(), %error, "a recording cannot be closed"),
        }
    }
}

/// Deletes what is too old, then the oldest of what is too much.
fn retain(config: &RecordConfig) {
    if config.max_age_days == 0 && config.max_total_mb == 0 {
        return;
    }
    let known = |sound: PathBuf| {
        let meta = fs::metadata(&sound).ok()?;
        Some((meta.modified().ok()?, meta.len(), sound))
    };
    let all: BTreeSet<(SystemTime, u64, PathBuf)> =
        sounds(&config.dir).into_iter().filter(|sound| !is_open(sound)).filter_map(known).collect();
    let now = SystemTime::UNIX_EPOCH + Duration::from_millis(side::wall().unsigned_abs());
    let mut total: u64 = all.iter().map(|(_, size, _)| size).sum();
    for (modified, size, sound) in all {
        let age = now.duration_since(modified).unwrap_or_default().as_secs() / 86_400;
        let old = config.max_age_days > 0 && age >= config.max_age_days;
        let much = config.max_total_mb > 0 && total > config.max_total_mb * 1_000_000;
        if !old && !much {
            break; // the rest is younger
        }
        match remove(&config.dir, &sound) {
            Ok(()) => {
                total -= size;
                tracing::info!(path = %sound.display(), age, "a recording is deleted, by [record] max_age_days or max_total_mb");
            }
            Err(error) => tracing::warn!(path = %sound.display(), %error, "a recording cannot be deleted"),
        }
    }
}

/// Deletes a recording, and the folders that it leaves empty.
fn remove(dir: &Path, sound: &Path) -> io::Result<()> {
    fs::remove_file(sound)?;
    let removed = fs::remove_file(side::beside(sound));
    let mut folder = sound.parent();
    while let Some(empty) = folder.filter(|folder| *folder != dir && folder.starts_with(dir)) {
        if fs::remove_dir(empty).is_err() {
            break;
        }
        folder = empty.parent();
    }
    removed
}

fn storage(error: io::Error) -> Error {
    Error::new(Code::Storage, error.to_string())
}
