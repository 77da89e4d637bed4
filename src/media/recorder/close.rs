//! The thread that closes recordings: the hash of a long file takes seconds, and no other recording may wait for it.

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::mpsc::Receiver;

use super::Events;
use super::side::{self, Moment, SideFile, SideState};
use super::sound::repair;
use crate::ua::io::SessionId;
use crate::ua::media::{MediaEvent, RecordEvent};

/// A sound file that is finished, or lost.
pub(super) struct Closing {
    pub id: SessionId,
    pub path: PathBuf,
    pub side: SideFile,
    /// Held until the side file says so.
    pub lock: File,
}

impl Closing {
    /// The disk failed.
    pub fn fail(&mut self, error: &io::Error) {
        self.side.state = SideState::Failed;
        self.side.reason = Some(error.to_string());
    }

    fn close(&mut self) -> io::Result<String> {
        let failed = self.side.state == SideState::Failed;
        if failed {
            self.side.duration_ms = Some(repair(&self.path, self.side.format)?);
        } else {
            self.side.state = SideState::Closed;
        }
        let sha256 = side::hash(&self.path)?;
        self.side.sha256 = Some(sha256.clone());
        self.side.ended_at = Some(Moment::of(side::wall()).rfc3339());
        self.side.write(&side::beside(&self.path))?;
        Ok(sha256)
    }
}

/// Until the writer is gone.
pub(super) fn close_all(jobs: Receiver<Closing>, events: &Events) {
    for mut job in jobs {
        let known = job.side.state == SideState::Failed;
        let (closed, path) = (job.close(), job.path.display().to_string());
        let event = match closed {
            _ if known => continue, // the writer has told it
            Ok(sha256) => RecordEvent::Stopped { path, sha256, duration_ms: job.side.duration_ms.unwrap_or_default() },
            Err(error) => {
                tracing::warn!(%error, path, "a recording cannot be closed");
                RecordEvent::Failed { reason: error.to_string(), path: Some(path) }
            }
        };
        drop(job.lock);
        // a phone that is gone needs no events
        let _ = events.blocking_send((job.id, MediaEvent::Record(event)));
    }
}
