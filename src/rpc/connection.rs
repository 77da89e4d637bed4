//! One connection: lines in, in order; lines out, as they come.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jsonrpsee::types::Id;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::time::{Instant, sleep_until, timeout};

use super::outbox::{Outbox, Took};
use super::wire::{Call, Parsed, parse_line};
use super::{Command, FIRST_BYTE, MAX_LINE, MAX_OUTSTANDING, REPLY_TIMEOUT, Request, Role, errors, replay};

/// What is written with one system call, about.
const WRITE: usize = 64 * 1024;
/// A client that has said all gets its answers for so long.
const LAST_ANSWERS: Duration = Duration::from_secs(REPLY_TIMEOUT.as_secs() + 2);
/// A stopping daemon finishes its answers for so long.
const STOP: Duration = Duration::from_secs(2);

/// Serves a connection to its end: the client goes, or has said all and got its answers, or the daemon stops.
pub(super) async fn serve(
    stream: UnixStream,
    (user, role): (u32, Role),
    mut gate: watch::Receiver<u64>,
    requests: mpsc::Sender<Request>,
    mut stop: watch::Receiver<bool>,
) {
    let (reading, writing) = stream.into_split();
    let outbox = Arc::new(Outbox::of(user, role));
    let all_said = AtomicBool::new(false);
    {
        let mut writer = std::pin::pin!(write(writing, &outbox, &all_said, &mut gate));
        let limit = tokio::select! {
            _ = &mut writer => None,
            _ = read(reading, role, requests, &outbox) => Some(LAST_ANSWERS),
            _ = stop.wait_for(|stop| *stop) => Some(STOP),
        };
        if let Some(limit) = limit {
            all_said.store(true, Ordering::Release);
            outbox.wake();
            let _ = timeout(limit, writer).await;
        }
    }
    outbox.close();
}

async fn read(
    input: OwnedReadHalf,
    role: Role,
    requests: mpsc::Sender<Request>,
    outbox: &Arc<Outbox>,
) -> io::Result<()> {
    let mut input = BufReader::with_capacity(16 * 1024, input);
    let entrance = Entrance { requests, outbox: outbox.clone(), slots: Arc::new(Semaphore::new(MAX_OUTSTANDING)) };
    let mut line = Vec::new();
    let mut too_long = false;
    let Ok(first) = timeout(FIRST_BYTE, input.fill_buf()).await else { return Ok(()) };
    first?;
    loop {
        let chunk = input.fill_buf().await?;
        let (end, eof) = (chunk.iter().position(|byte| *byte == b'\n'), chunk.is_empty());
        let part = &chunk[..end.unwrap_or(chunk.len())];
        // What is too long is read on to its newline, and forgotten.
        too_long |= line.len() + part.len() > MAX_LINE;
        if too_long {
            line.clear()
        } else {
            line.extend_from_slice(part)
        }
        let used = part.len() + usize::from(end.is_some());
        input.consume(used);
        if end.is_none() && !eof {
            continue;
        }
        let parsed = if too_long {
            Parsed::One(Call { id: Id::Null, command: Command::Refuse(errors::line_too_long()) })
        } else {
            parse_line(&line, role)
        };
        (line, too_long) = (Vec::new(), false);
        if !entrance.enter(parsed).await || eof {
            return Ok(());
        }
    }
}

/// The way into the loop: it is narrow, and kept in order.
struct Entrance {
    requests: mpsc::Sender<Request>,
    outbox: Arc<Outbox>,
    slots: Arc<Semaphore>,
}

impl Entrance {
    /// Waits for a slot and for the loop. False: the loop is gone.
    async fn enter(&self, parsed: Parsed) -> bool {
        match parsed {
            Parsed::Blank => true,
            Parsed::One(call) => {
                let Some(slot) = self.slots(1).await else { return false };
                let reply = self.outbox.expect(call.id, slot);
                self.requests.send(Request { command: call.command, reply }).await.is_ok()
            }
            Parsed::Batch(calls) => {
                let Some(slot) = self.slots(calls.len()).await else { return false };
                let (ids, commands): (Vec<_>, Vec<_>) = calls.into_iter().map(|call| (call.id, call.command)).unzip();
                for (command, reply) in commands.into_iter().zip(self.outbox.expect_batch(ids, slot)) {
                    if self.requests.send(Request { command, reply }).await.is_err() {
                        return false;
                    }
                }
                true
            }
        }
    }

    async fn slots(&self, count: usize) -> Option<OwnedSemaphorePermit> {
        self.slots.clone().acquire_many_owned(u32::try_from(count).ok()?).await.ok()
    }
}

async fn write(
    mut output: OwnedWriteHalf,
    outbox: &Outbox,
    all_said: &AtomicBool,
    gate: &mut watch::Receiver<u64>,
) -> io::Result<()> {
    let mut lines = Vec::new();
    loop {
        let expires = outbox.expire(Instant::now());
        lines.clear();
        let written = *gate.borrow_and_update();
        match outbox.take(&mut lines, WRITE, written) {
            Took::Lines => {
                output.write_all(&lines).await?;
                continue;
            }
            Took::Replay(replay) => {
                replay::write(&mut output, outbox, *replay, gate).await?;
                continue;
            }
            Took::Nothing => {}
        }
        if all_said.load(Ordering::Acquire) && outbox.is_idle() {
            return output.shutdown().await;
        }
        tokio::select! {
            () = outbox.changed() => {}
            Ok(()) = gate.changed(), if outbox.is_held(written) => {}
            () = sleep_until(expires.unwrap_or_else(Instant::now)), if expires.is_some() => {}
        }
    }
}
