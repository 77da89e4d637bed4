//! Documents on a Unix socket: one a line.

use std::io;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::timeout;

use super::connection::{Document, Input, Output};
use super::{FIRST_BYTE, MAX_LINE};

/// The lines of a client. One that is too long is read on to its newline, and forgotten.
pub(super) struct Lines {
    input: BufReader<OwnedReadHalf>,
    begun: bool,
    over: bool,
}

impl Lines {
    /// Of a new connection.
    pub fn new(input: OwnedReadHalf) -> Lines {
        Lines { input: BufReader::with_capacity(16 * 1024, input), begun: false, over: false }
    }
}

impl Input for Lines {
    async fn next(&mut self) -> io::Result<Option<Document>> {
        if self.over {
            return Ok(None);
        }
        if !self.begun {
            let Ok(first) = timeout(FIRST_BYTE, self.input.fill_buf()).await else { return Ok(None) };
            first?;
            self.begun = true;
        }
        let (mut line, mut too_long) = (Vec::new(), false);
        loop {
            let chunk = self.input.fill_buf().await?;
            let end = chunk.iter().position(|byte| *byte == b'\n');
            self.over = chunk.is_empty();
            let part = &chunk[..end.unwrap_or(chunk.len())];
            too_long |= line.len() + part.len() > MAX_LINE;
            if too_long {
                line.clear()
            } else {
                line.extend_from_slice(part)
            }
            let used = part.len() + usize::from(end.is_some());
            self.input.consume(used);
            if end.is_some() || self.over {
                return Ok(Some(if too_long { Document::TooLong } else { Document::Text(line) }));
            }
        }
    }
}

impl Output for OwnedWriteHalf {
    async fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        self.write_all(lines).await
    }

    async fn finish(&mut self) -> io::Result<()> {
        self.shutdown().await
    }
}
