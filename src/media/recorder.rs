//! Recording: the tick lays both sides of a call into a bounded ring (`Tap`), one thread writes all files, another one closes
//! them. Nothing that a disk does reaches the call.

mod close;
mod name;
pub(super) mod side;
mod sound;
mod tap;
mod write;

pub use name::{check as check_pattern, file as file_name};
pub use sound::{Format, repair};
pub use tap::{Control, Mark, MarkKind, Side, Tap, tap};

use std::path::PathBuf;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::sync::mpsc;

use crate::ua::io::SessionId;
use crate::ua::media::{MediaEvent, RecordInfo};

use super::clock;

/// Recordings that may wait to be opened.
const OPENING: usize = 64;
/// Recordings that may wait to be closed; more stay with the writer for a while.
const CLOSING: usize = 64;
/// How long the end of the daemon waits for files to be closed, ms.
const FAREWELL_MS: u64 = 3_000;

/// Events, with the session that they are about.
pub(super) type Events = mpsc::Sender<(SessionId, MediaEvent)>;

/// `[record]`, as the recorder sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordConfig {
    /// Where recordings are; made when it is needed first.
    pub dir: PathBuf,
    /// A file's path below it, without its extension: see `file_name`.
    pub pattern: String,
    /// WAV or Ogg.
    pub format: Format,
    /// Both sides hear a short tone at the start and after each pause.
    pub beep: bool,
    /// Older recordings are deleted, days; 0: never.
    pub max_age_days: u64,
    /// The oldest ones are deleted when all are larger than this, MB; 0: never.
    pub max_total_mb: u64,
    /// Nothing is recorded with less than this free, MB.
    pub min_free_mb: u64,
}

impl Default for RecordConfig {
    fn default() -> Self {
        RecordConfig {
            dir: PathBuf::from("/var/lib/phoned/recordings"),
            pattern: name::DEFAULT.into(),
            format: Format::Wav,
            beep: false,
            max_age_days: 0,
            max_total_mb: 0,
            min_free_mb: 100,
        }
    }
}

/// The recorder: its two threads end when it is dropped, with every file closed that the disk lets them close.
pub struct Recorder {
    beep: bool,
    open: Option<SyncSender<write::Opening>>,
    threads: Vec<JoinHandle<()>>,
}

impl Recorder {
    /// Starts both threads. They touch no disk before the first recording.
    pub(super) fn start(config: RecordConfig, events: Events) -> Recorder {
        let beep = config.beep;
        let (open, openings) = sync_channel(OPENING);
        let (close, closings) = sync_channel(CLOSING);
        let told = events.clone();
        // A thread that cannot start leaves its channel closed: `begin` then says so.
        let writer = thread::Builder::new()
            .name("recorder".into())
            .spawn(move || write::Writer::new(config, close, events).run(&openings));
        let closer =
            thread::Builder::new().name("recorder-close".into()).spawn(move || close::close_all(closings, &told));
        Recorder { beep, open: Some(open), threads: [writer, closer].into_iter().flatten().collect() }
    }

    /// Begins a recording at `rate` (8, 16 or 48 kHz) and gives what the tick feeds. The file's fate is told by events.
    pub(super) fn begin(&self, id: SessionId, info: RecordInfo, rate: u32) -> Result<Box<Tap>, String> {
        let (tap, samples, marks) = tap::tap(rate, self.beep);
        let job = write::Opening { id, info, rate, samples, marks };
        match &self.open {
            Some(open) if open.try_send(job).is_ok() => Ok(Box::new(tap)),
            _ => Err("the recorder has too much to do".into()),
        }
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.open = None;
        let end = clock::mono_ns() + FAREWELL_MS * 1_000_000;
        for thread in self.threads.drain(..) {
            // a disk that stands still must not keep the daemon from its end
            while !thread.is_finished() && clock::mono_ns() < end {
                thread::sleep(Duration::from_millis(5));
            }
            if thread.is_finished() {
                let _ = thread.join();
            }
        }
    }
}
