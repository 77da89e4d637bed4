//! The JSON file beside a recording: who, when, what happened in it, and its hash. Always whole: it is replaced, never changed.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::Format;
use crate::media::clock;

/// Who may read recordings: their owner and its group.
pub const MODE: u32 = 0o640;
/// A side file is never longer.
const LONGEST: u64 = 4 * 1024 * 1024;
/// Markers that are kept.
pub const MARKERS: usize = 10_000;

/// What is known of a recording.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SideFile {
    /// Open, closed, failed or recovered.
    pub state: SideState,
    /// The session.
    pub call_id: String,
    /// Its account.
    pub account: String,
    /// The other party.
    pub number: String,
    /// Its name.
    pub name: String,
    /// The number that was dialled.
    pub called_number: String,
    /// `inbound` or `outbound`.
    pub direction: String,
    /// RFC 3339.
    pub started_at: String,
    /// RFC 3339; after a crash, when it was found.
    pub ended_at: Option<String>,
    /// `wav` or `ogg`.
    pub format: Format,
    /// Frames a second.
    pub rate: u32,
    /// What is on the left and on the right.
    pub channels: [String; 2],
    /// The length, pauses and gaps too.
    pub duration_ms: Option<u64>,
    /// Of the sound file, in hexadecimal.
    pub sha256: Option<String>,
    /// Pauses and gaps.
    pub markers: Vec<Marker>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// How far a recording is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SideState {
    /// Being written, or left by a crash.
    Open,
    /// Whole.
    Closed,
    /// The disk failed; what stands before that plays.
    Failed,
    /// Left by a crash, closed by the next start.
    Recovered,
}

/// Something that happened in a recording.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Marker {
    /// Where.
    pub at_ms: u64,
    /// `pause`, `resume` or `gap`.
    pub kind: String,
    /// A gap's length.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub length_ms: Option<u64>,
}

impl SideFile {
    /// Reads one.
    pub fn read(path: &Path) -> io::Result<SideFile> {
        let mut text = String::new();
        File::open(path)?.take(LONGEST).read_to_string(&mut text)?;
        serde_json::from_str(&text).map_err(io::Error::other)
    }

    /// Replaces it, all or nothing.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let new = path.with_extension("json.new");
        let text = serde_json::to_vec_pretty(self).map_err(io::Error::other)?;
        let write = || {
            let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(MODE).open(&new)?;
            file.set_permissions(Permissions::from_mode(MODE))?;
            file.write_all(&text)?;
            fs::rename(&new, path)
        };
        write().inspect_err(|_| {
            let _ = fs::remove_file(&new);
        })
    }
}

/// Where the side file of a sound file is.
pub fn beside(sound: &Path) -> PathBuf {
    let mut name = sound.as_os_str().to_owned();
    name.push(".json");
    name.into()
}

/// The SHA-256 of a file, in hexadecimal.
pub fn hash(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let (mut hash, mut chunk) = (Sha256::new(), vec![0; 256 * 1024]);
    loop {
        match file.read(&mut chunk)? {
            0 => break,
            n => hash.update(&chunk[..n]),
        }
    }
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Wall time now, ms since 1970.
pub fn wall() -> i64 {
    (clock::mono_ns() as i64 + clock::wall_offset_ns()) / 1_000_000
}

/// A wall time as a date and a time, UTC.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    ymd: (i64, i64, i64),
    ms: i64,
}

impl Moment {
    /// Of ms since 1970.
    pub fn of(wall: i64) -> Moment {
        let (days, ms) = (wall.div_euclid(86_400_000) + 719_468, wall.rem_euclid(86_400_000));
        // years that begin in March, so that the leap day is the last one
        let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
        let of_cycle = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * of_cycle + of_cycle / 4 - of_cycle / 100);
        let march = (5 * of_year + 2) / 153;
        let month = if march < 10 { march + 3 } else { march - 9 };
        let year = of_cycle + era * 400 + i64::from(month <= 2);
        Moment { ymd: (year, month, of_year - (153 * march + 2) / 5 + 1), ms }
    }

    /// `2026-11-23`
    pub fn date(self) -> String {
        let (year, month, day) = self.ymd;
        format!("{year:04}-{month:02}-{day:02}")
    }

    /// `143059`
    pub fn time(self) -> String {
        let ms = self.ms;
        format!("{:02}{:02}{:02}", ms / 3_600_000, ms / 60_000 % 60, ms / 1_000 % 60)
    }

    /// RFC 3339, UTC, ms.
    pub fn rfc3339(self) -> String {
        let ms = self.ms;
        let (h, m, s) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1_000 % 60);
        format!("{}T{h:02}:{m:02}:{s:02}.{:03}Z", self.date(), ms % 1_000)
    }
}
