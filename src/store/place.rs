//! Where a reader of the log is, on disk, for those that must go on after a crash where they were.
//!
//! Two files: `NAME.json` holds everything that the reader keeps, whole or not at all, and is on the disk itself; `NAME.next` holds
//! the place alone, is written over after each step and outlives a killed daemon, but not a cut of power: then what was read since
//! the last whole writing comes again.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// The two files of a reader.
pub struct Place {
    path: PathBuf,
    steps: Option<File>,
}

impl Place {
    /// The files `NAME.json` and `NAME.next` of a folder; what they hold; and the last step: the next seq, and how many were taken.
    pub fn open<T: DeserializeOwned>(dir: &Path, name: &str) -> (Place, io::Result<Option<T>>, Option<(u64, u64)>) {
        let path = dir.join(format!("{name}.json"));
        let kept = match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(io::Error::from),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        };
        let text = fs::read_to_string(path.with_extension("next")).unwrap_or_default();
        let mut numbers = text.split_whitespace().map_while(|number| number.parse::<u64>().ok());
        let step = numbers.next().zip(numbers.next());
        (Place { path, steps: None }, kept, step)
    }

    /// Writes all of it, whole or not at all.
    pub fn write(&self, kept: &impl Serialize) -> io::Result<()> {
        if let Some(dir) = self.path.parent() {
            fs::create_dir_all(dir)?;
        }
        let fresh = self.path.with_extension("json.new");
        let mut file = OpenOptions::new().create(true).truncate(true).write(true).mode(0o640).open(&fresh)?;
        file.write_all(&serde_json::to_vec(kept)?)?;
        file.sync_data()?;
        fs::rename(&fresh, &self.path)
    }

    /// From here on steps are written; the old ones are in what was written whole.
    pub fn begin(&mut self) {
        let path = self.path.with_extension("next");
        self.steps = OpenOptions::new().create(true).truncate(true).write(true).mode(0o640).open(path).ok();
    }

    /// Writes the place: a few bytes that the system takes at once. False: it did not.
    pub fn step(&self, next: u64, taken: u64) -> bool {
        let text = format!("{next:020} {taken:020}\n");
        self.steps.as_ref().is_some_and(|steps| steps.write_all_at(text.as_bytes(), 0).is_ok())
    }
}
