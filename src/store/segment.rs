//! A log is a row of files, each with a header record: only the last one grows, only whole ones are thrown away.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::record::{self, Next, frame};
use crate::ua::cdr::Unfinished;

/// A file that grows is followed by another after this.
const OLD: Duration = Duration::from_secs(24 * 3600);

/// The first record of a file.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Header {
    /// The life of the event log that its events belong to.
    pub epoch: String,
    /// The seq of its first record.
    pub first: u64,
    /// The last seq of the files before it.
    pub after: u64,
    /// Sessions without a record of their own so far.
    #[serde(default, skip_serializing_if = "Unfinished::is_empty")]
    pub open: Unfinished,
}

/// A file, as its readers know it.
#[derive(Debug, Clone)]
pub(super) struct Segment {
    pub path: PathBuf,
    pub epoch: Arc<str>,
    pub first: u64,
    /// Below `first`: it holds nothing.
    pub last: u64,
    pub bytes: u64,
}

/// The file that grows.
pub(super) struct Tail {
    dir: PathBuf,
    kind: &'static str,
    limit: u64,
    /// A gap in the seqs begins a new file.
    gapless: bool,
    open: Option<(Arc<File>, SystemTime)>,
}

impl Tail {
    /// Nothing grows yet: the first write makes a file.
    pub fn new(dir: &Path, kind: &'static str, limit: u64, gapless: bool) -> Tail {
        Tail { dir: dir.to_owned(), kind, limit, gapless, open: None }
    }

    /// Goes on with a file that is known to be good up to `bytes`: what stands behind is cut off.
    pub fn resume(&mut self, segment: &Segment) -> io::Result<()> {
        let file = OpenOptions::new().read(true).write(true).open(&segment.path)?;
        if file.metadata()?.len() > segment.bytes {
            file.set_len(segment.bytes)?;
        }
        let born = file.metadata()?.created().unwrap_or_else(|_| wall());
        self.open = Some((Arc::new(file), born));
        Ok(())
    }

    /// Writes framed records, `first` to `last`, behind the last segment, or into a new file where that is full, old, of another
    /// epoch, or would leave a gap in its seqs. What cannot be written whole leaves no trace. `header` is asked for a new file.
    pub fn write(
        &mut self,
        segments: &mut Vec<Segment>,
        epoch: &str,
        (first, last): (u64, u64),
        data: &[u8],
        header: impl FnOnce() -> Header,
    ) -> io::Result<Arc<File>> {
        let fits = |segment: &&mut Segment| {
            segment.bytes < self.limit && *segment.epoch == *epoch && (!self.gapless || segment.last + 1 == first)
        };
        let young = |born: &SystemTime| wall().duration_since(*born).unwrap_or_default() < OLD;
        if let Some((file, born)) = &self.open
            && young(born)
            && let Some(segment) = segments.last_mut().filter(fits)
        {
            if let Err(error) = file.write_all_at(data, segment.bytes) {
                let _ = file.set_len(segment.bytes);
                return Err(error);
            }
            (segment.bytes, segment.last) = (segment.bytes + data.len() as u64, last);
            return Ok(file.clone());
        }
        let path = self.dir.join(format!("{}-{first:020}.log", self.kind));
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).mode(0o640).open(&path)?;
        let mut whole = Vec::with_capacity(data.len() + 256);
        frame(&mut whole, &header());
        whole.extend_from_slice(data);
        if let Err(error) = file.write_all_at(&whole, 0) {
            let _ = fs::remove_file(&path);
            return Err(error);
        }
        let file = Arc::new(file);
        self.open = Some((file.clone(), wall()));
        segments.retain(|segment| segment.path != path);
        segments.push(Segment { path, epoch: epoch.into(), first, last, bytes: whole.len() as u64 });
        Ok(file)
    }
}

/// What is on the disk of one kind, oldest first; the last file is read whole, each of its records handed to `each`.
pub(super) struct Found {
    pub segments: Vec<Segment>,
    /// Of the last file.
    pub header: Header,
    /// The last record was whole once and is damaged now.
    pub damaged_tail: bool,
}

pub(super) fn find(
    dir: &Path,
    kind: &str,
    seq_of: impl Fn(&[u8]) -> Option<u64>,
    mut each: impl FnMut(&[u8]),
) -> io::Result<Found> {
    let mut paths: Vec<PathBuf> = fs::read_dir(dir)?.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.retain(|path| first_of(path, kind).is_some());
    paths.sort();
    let mut found = Found { segments: Vec::new(), header: Header::default(), damaged_tail: false };
    // Where the last header is that can be read: from there on all is read.
    let mut from = (0, 0);
    for (index, path) in paths.into_iter().enumerate() {
        let first = first_of(&path, kind).unwrap_or_default();
        let file = File::open(&path)?;
        let bytes = file.metadata()?.len();
        let known = match record::next(&file, 0, bytes)? {
            Next::Record(record, next) => serde_json::from_slice::<Header>(&record).ok().map(|header| (header, next)),
            _ => None,
        };
        let header = match known {
            Some((header, next)) => {
                (from, found.header) = ((index, next), header.clone());
                header
            }
            None => Header { first, after: first.saturating_sub(1), ..Header::default() },
        };
        if let Some(before) = found.segments.last_mut() {
            let before: &mut Segment = before;
            before.last = header.after;
        }
        let epoch = header.epoch.as_str().into();
        found.segments.push(Segment { path, epoch, first: header.first, last: header.first.saturating_sub(1), bytes });
    }
    let (start, mut at) = from;
    for segment in found.segments.iter_mut().skip(start) {
        let file = File::open(&segment.path)?;
        let end = std::mem::replace(&mut segment.bytes, at);
        found.damaged_tail = loop {
            match record::next(&file, at, end)? {
                Next::Record(bytes, next) => {
                    segment.last = seq_of(&bytes).unwrap_or(segment.last).max(segment.last);
                    each(&bytes);
                    (at, segment.bytes) = (next, next);
                }
                Next::Damaged(Some(next)) => at = next,
                Next::Damaged(None) => break true,
                Next::End => break false,
            }
        };
        at = 0;
    }
    Ok(found)
}

/// Every good record of a file but its header.
pub(super) fn records(segment: &Segment, mut each: impl FnMut(&[u8])) -> io::Result<()> {
    let file = File::open(&segment.path)?;
    let mut at = 0;
    loop {
        match record::next(&file, at, segment.bytes)? {
            Next::Record(bytes, next) => {
                if at > 0 {
                    each(&bytes);
                }
                at = next;
            }
            Next::Damaged(Some(next)) => at = next,
            Next::Damaged(None) | Next::End => return Ok(()),
        }
    }
}

/// Takes out of the row what is too much, oldest first, never the file that grows: what is older than `age`, and while `spare` bytes
/// are too many. What it took goes from the disk by [`remove`], once no reader is told of it any more.
pub(super) fn retain(segments: &mut Vec<Segment>, age: Duration, mut spare: u64) -> Vec<Segment> {
    let too_old = |segment: &Segment| {
        let changed = fs::metadata(&segment.path).and_then(|metadata| metadata.modified());
        changed.is_ok_and(|changed| wall().duration_since(changed).unwrap_or_default() > age)
    };
    let most = segments.len().saturating_sub(1);
    let too_many = segments.iter().take(most).take_while(|segment| {
        let goes = spare > 0 || too_old(segment);
        spare = spare.saturating_sub(segment.bytes);
        goes
    });
    let too_many = too_many.count();
    segments.drain(..too_many).collect()
}

/// Throws files away.
pub(super) fn remove(segments: &[Segment]) {
    for segment in segments {
        if let Err(error) = fs::remove_file(&segment.path)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(%error, "an old file of the log cannot be removed");
        }
    }
}

/// The number in a file's name.
fn first_of(path: &Path, kind: &str) -> Option<u64> {
    path.file_name()?.to_str()?.strip_prefix(kind)?.strip_prefix('-')?.strip_suffix(".log")?.parse().ok()
}

#[expect(clippy::disallowed_methods, reason = "edge: how old a file is")]
pub(super) fn wall() -> SystemTime {
    SystemTime::now()
}
