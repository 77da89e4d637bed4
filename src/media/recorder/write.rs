//! The thread that writes all recordings: rings to files, 50 times a second.

use std::collections::VecDeque;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError};
use std::time::Duration;

use rtrb::Consumer;
use tokio::sync::mpsc::error::TrySendError as EventError;

use super::close::Closing;
use super::side::{self, MARKERS, MODE, Marker, Moment, SideFile, SideState};
use super::sound::Sound;
use super::tap::{Mark, MarkKind};
use super::{Events, RecordConfig, name};
use crate::media::clock;
use crate::ua::io::SessionId;
use crate::ua::media::{MediaEvent, RecordEvent, RecordInfo};

/// Between two looks at the rings.
const TURN: Duration = Duration::from_millis(20);
/// Between two flushes, by the clock: turns of a busy host are longer. With what waits in a ring, no kill costs a second.
const FLUSH_NS: u64 = 500_000_000;
/// Turns between two looks at the free space: 2 s.
const SPACE_TURNS: u32 = 100;
/// Recordings of one session that may have the same name.
const SAME_NAME: u32 = 1_000;

/// A recording to begin.
pub(super) struct Opening {
    pub id: SessionId,
    pub info: RecordInfo,
    pub rate: u32,
    pub samples: Consumer<i16>,
    pub marks: Consumer<Mark>,
}

/// The thread's own.
pub(super) struct Writer {
    config: RecordConfig,
    close: SyncSender<Closing>,
    events: Events,
    /// Events that the phone has no room for yet.
    untold: VecDeque<(SessionId, MediaEvent)>,
    /// Files that the closer has no room for yet.
    unclosed: VecDeque<Closing>,
    open: Vec<Writing>,
}

impl Writer {
    pub fn new(config: RecordConfig, close: SyncSender<Closing>, events: Events) -> Self {
        Writer { config, close, events, untold: VecDeque::new(), unclosed: VecDeque::new(), open: Vec::new() }
    }

    /// Until the recorder is dropped; every file is finished then.
    pub fn run(mut self, openings: &Receiver<Opening>) {
        let (mut turn, mut flushed) = (0u32, clock::mono_ns());
        loop {
            let idle = self.open.is_empty() && self.untold.is_empty() && self.unclosed.is_empty();
            let opening = if idle {
                openings.recv().map_err(|_| RecvTimeoutError::Disconnected)
            } else {
                openings.recv_timeout(TURN)
            };
            let ending = matches!(opening, Err(RecvTimeoutError::Disconnected));
            if let Ok(opening) = opening {
                self.begin(opening);
            }
            turn = turn.wrapping_add(1);
            let full = turn.is_multiple_of(SPACE_TURNS).then(|| space(&self.config)).and_then(Result::err);
            let now = clock::mono_ns();
            let flush = now >= flushed + FLUSH_NS;
            flushed = if flush { now } else { flushed };
            for writing in std::mem::take(&mut self.open) {
                self.turn(writing, flush, full.as_ref(), ending);
            }
            self.pass_on();
            if ending {
                // the closer ends when it has done these
                self.unclosed.drain(..).for_each(|job| {
                    let _ = self.close.send(job);
                });
                return;
            }
        }
    }

    fn begin(&mut self, opening: Opening) {
        let id = opening.id;
        match Writing::begin(&self.config, opening) {
            Ok(writing) => {
                self.tell(id, RecordEvent::Started { path: writing.path.display().to_string() });
                self.open.push(writing);
            }
            Err(error) => {
                tracing::warn!(%error, dir = %self.config.dir.display(), "a recording cannot begin");
                self.tell(id, RecordEvent::Failed { reason: error.to_string(), path: None });
            }
        }
    }

    fn turn(&mut self, mut writing: Writing, flush: bool, full: Option<&io::Error>, ending: bool) {
        let last = ending || writing.samples.is_abandoned();
        let written = match full {
            Some(full) => Err(io::Error::new(full.kind(), full.to_string())),
            None => writing.turn(flush),
        };
        match written {
            Ok(()) if !last => self.open.push(writing),
            Ok(()) => match writing.finish() {
                (job, None) => self.unclosed.push_back(job),
                (job, Some(error)) => self.lose(&error, job),
            },
            Err(error) => {
                let job = writing.give_up(&error);
                self.lose(&error, job);
            }
        }
    }

    /// Told at once: the closer may not get anything onto this disk either.
    fn lose(&mut self, error: &io::Error, job: Closing) {
        tracing::warn!(%error, path = %job.path.display(), "a recording cannot be written any more");
        let path = Some(job.path.display().to_string());
        self.tell(job.id, RecordEvent::Failed { reason: error.to_string(), path });
        self.unclosed.push_back(job);
    }

    fn tell(&mut self, id: SessionId, event: RecordEvent) {
        self.untold.push_back((id, MediaEvent::Record(event)));
        self.pass_on();
    }

    fn pass_on(&mut self) {
        while let Some(next) = self.untold.pop_front() {
            match self.events.try_send(next) {
                Ok(()) => {}
                Err(EventError::Full(next)) => {
                    self.untold.push_front(next);
                    break;
                }
                Err(EventError::Closed(_)) => self.untold.clear(),
            }
        }
        while let Some(job) = self.unclosed.pop_front() {
            match self.close.try_send(job) {
                Ok(()) => {}
                Err(TrySendError::Full(job)) => return self.unclosed.push_front(job),
                Err(TrySendError::Disconnected(_)) => self.unclosed.clear(),
            }
        }
    }
}

/// A file being written.
struct Writing {
    id: SessionId,
    path: PathBuf,
    side: SideFile,
    sound: Sound,
    /// Locked while it is open: the next start of a daemon sees whose it is.
    lock: File,
    samples: Consumer<i16>,
    marks: Consumer<Mark>,
    ahead: VecDeque<Mark>,
    /// Frames in the file.
    written: u64,
    side_changed: bool,
}

impl Writing {
    fn begin(config: &RecordConfig, opening: Opening) -> io::Result<Writing> {
        let Opening { id, info, rate, samples, marks } = opening;
        let (file, path) = create(config, &name::file(&config.pattern, &info))?;
        let lock = file.try_clone()?;
        lock.try_lock().map_err(io::Error::other)?;
        let side = SideFile {
            state: SideState::Open,
            call_id: info.call_id,
            account: info.account,
            number: info.number,
            name: info.name,
            called_number: info.called_number,
            direction: if info.inbound { "inbound" } else { "outbound" }.into(),
            started_at: Moment::of(info.wall).rfc3339(),
            ended_at: None,
            format: config.format,
            rate,
            channels: ["agent".into(), "customer".into()],
            duration_ms: None,
            sha256: None,
            markers: Vec::new(),
            reason: None,
        };
        let begun = Sound::begin(file, config.format, rate).and_then(|sound| {
            side.write(&side::beside(&path))?;
            Ok(sound)
        });
        let sound = begun.inspect_err(|_| {
            let _ = fs::remove_file(&path);
        })?;
        Ok(Writing {
            id,
            path,
            side,
            sound,
            lock,
            samples,
            marks,
            ahead: VecDeque::new(),
            written: 0,
            side_changed: false,
        })
    }

    /// What came since the last turn.
    fn turn(&mut self, flush: bool) -> io::Result<()> {
        // counted before the marks are read: every mark that belongs to these samples is there then
        let mut left = self.samples.slots() as u64 / 2;
        while let Ok(mark) = self.marks.pop() {
            self.ahead.push_back(mark);
        }
        loop {
            while let Some(mark) = self.ahead.pop_front_if(|mark| mark.at <= self.written) {
                self.apply(mark)?;
            }
            if left == 0 {
                break;
            }
            let until = self.ahead.front().map_or(u64::MAX, |mark| mark.at - self.written);
            let frames = left.min(until);
            let chunk = self.samples.read_chunk(2 * frames as usize).map_err(io::Error::other)?;
            let (one, two) = chunk.as_slices();
            self.sound.write(one)?;
            self.sound.write(two)?;
            chunk.commit_all();
            self.written += frames;
            left -= frames;
        }
        if flush {
            self.sound.flush()?;
        }
        if std::mem::take(&mut self.side_changed) {
            self.side.write(&side::beside(&self.path))?;
        }
        Ok(())
    }

    fn apply(&mut self, mark: Mark) -> io::Result<()> {
        let ms = |frames: u64| frames * 1_000 / u64::from(self.side.rate);
        let (kind, length_ms) = match mark.kind {
            MarkKind::Pause => ("pause", None),
            MarkKind::Resume => ("resume", None),
            MarkKind::Gap(frames) => ("gap", Some(ms(frames))),
        };
        if self.side.markers.len() < MARKERS {
            self.side.markers.push(Marker { at_ms: ms(mark.at), kind: kind.into(), length_ms });
            self.side_changed = true;
        }
        if let MarkKind::Gap(mut frames) = mark.kind {
            let silence = [0i16; 2_048];
            self.written += frames;
            while frames > 0 {
                let now = frames.min(1_024);
                self.sound.write(&silence[..2 * now as usize])?;
                frames -= now;
            }
        }
        Ok(())
    }

    fn finish(mut self) -> (Closing, Option<io::Error>) {
        self.side.duration_ms = Some(self.written * 1_000 / u64::from(self.side.rate));
        let Writing { id, path, side, sound, lock, .. } = self;
        let mut job = Closing { id, path, side, lock };
        let failed = sound.finish().inspect_err(|error| job.fail(error)).err();
        (job, failed)
    }

    fn give_up(self, error: &io::Error) -> Closing {
        let Writing { id, path, side, sound, lock, .. } = self;
        drop(sound);
        let mut job = Closing { id, path, side, lock };
        job.fail(error);
        job
    }
}

/// Makes a new file below the directory; another name if there is one of that name.
fn create(config: &RecordConfig, name: &Path) -> io::Result<(File, PathBuf)> {
    let wanted = config.dir.join(name);
    let parent = wanted.parent().unwrap_or(&config.dir);
    DirBuilder::new().recursive(true).mode(0o750).create(parent)?;
    if !fs::canonicalize(parent)?.starts_with(fs::canonicalize(&config.dir)?) {
        return Err(io::Error::other("the file would be outside of [record] dir"));
    }
    space(config)?;
    let stem = wanted.file_name().unwrap_or_default().to_string_lossy().into_owned();
    for number in 1..=SAME_NAME {
        let more = if number > 1 { format!("-{number}") } else { String::new() };
        let path = wanted.with_file_name(format!("{stem}{more}.{}", config.format.extension()));
        match OpenOptions::new().read(true).write(true).create_new(true).mode(MODE).open(&path) {
            Ok(file) => {
                file.set_permissions(Permissions::from_mode(MODE))?;
                return Ok((file, path));
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::other("too many recordings of that name"))
}

/// Whether there is as much free space as there must be.
fn space(config: &RecordConfig) -> io::Result<()> {
    let disk = nix::sys::statvfs::statvfs(&config.dir).map_err(io::Error::from)?;
    let free = disk.blocks_available() as u64 * disk.fragment_size() as u64 / 1_000_000;
    if free >= config.min_free_mb {
        return Ok(());
    }
    let wanted = config.min_free_mb;
    Err(io::Error::new(io::ErrorKind::StorageFull, format!("{free} MB are free, [record] min_free_mb wants {wanted}")))
}
