//! One connection: documents in, in order; lines out, as they come. What carries them is an [`Input`] and an [`Output`].

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jsonrpsee::types::Id;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::time::{Instant, sleep_until, timeout};

use super::outbox::{Outbox, Took};
use super::wire::{Call, Parsed, parse_line};
use super::{Command, MAX_OUTSTANDING, REPLY_TIMEOUT, Request, Role, errors, replay};

/// What is written with one system call, about.
const WRITE: usize = 64 * 1024;
/// A client that has said all gets its answers for so long.
const LAST_ANSWERS: Duration = Duration::from_secs(REPLY_TIMEOUT.as_secs() + 2);
/// A stopping daemon finishes its answers for so long.
pub(super) const STOP: Duration = Duration::from_secs(2);

/// Where a connection's documents come from.
pub(super) trait Input: Send {
    /// The next one; none at the end.
    fn next(&mut self) -> impl Future<Output = io::Result<Option<Document>>> + Send;
}

/// What a client has said.
pub(super) enum Document {
    /// A request or a batch.
    Text(Vec<u8>),
    /// More than it may say at once; it was forgotten.
    TooLong,
}

/// Where a connection's lines go.
pub(super) trait Output: Send {
    /// Writes whole lines, each with its newline.
    fn write(&mut self, lines: &[u8]) -> impl Future<Output = io::Result<()>> + Send;
    /// There will be no more.
    fn finish(&mut self) -> impl Future<Output = io::Result<()>> + Send;
}

/// Serves a connection to its end: the client goes, or has said all and got its answers, or the daemon stops.
pub(super) async fn serve(
    input: impl Input,
    mut output: impl Output,
    (user, role): (u32, Role),
    mut gate: watch::Receiver<u64>,
    requests: mpsc::Sender<Request>,
    mut stop: watch::Receiver<bool>,
) {
    let outbox = Arc::new(Outbox::of(user, role));
    let all_said = AtomicBool::new(false);
    {
        let mut writer = std::pin::pin!(write(&mut output, &outbox, &all_said, &mut gate));
        let limit = tokio::select! {
            _ = &mut writer => None,
            _ = read(input, role, requests, &outbox) => Some(LAST_ANSWERS),
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

/// Does what one document asks, and returns the lines of the answer; none: the daemon is gone.
pub(super) async fn once(
    parsed: Parsed,
    (user, role): (u32, Role),
    mut gate: watch::Receiver<u64>,
    requests: mpsc::Sender<Request>,
) -> Option<Vec<u8>> {
    let entrance = Entrance::new(requests, Arc::new(Outbox::of(user, role)));
    if !entrance.enter(parsed).await {
        return None;
    }
    let mut lines = Vec::new();
    write(&mut lines, &entrance.outbox, &AtomicBool::new(true), &mut gate).await.ok()?;
    Some(lines)
}

impl Output for Vec<u8> {
    async fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        self.extend_from_slice(lines);
        Ok(())
    }

    async fn finish(&mut self) -> io::Result<()> {
        Ok(())
    }
}

async fn read(
    mut input: impl Input,
    role: Role,
    requests: mpsc::Sender<Request>,
    outbox: &Arc<Outbox>,
) -> io::Result<()> {
    let entrance = Entrance::new(requests, outbox.clone());
    while let Some(document) = input.next().await? {
        let parsed = match document {
            Document::Text(text) => parse_line(&text, role),
            Document::TooLong => Parsed::One(Call { id: Id::Null, command: Command::Refuse(errors::line_too_long()) }),
        };
        if !entrance.enter(parsed).await {
            break;
        }
    }
    Ok(())
}

/// The way into the loop: it is narrow, and kept in order.
struct Entrance {
    requests: mpsc::Sender<Request>,
    outbox: Arc<Outbox>,
    slots: Arc<Semaphore>,
}

impl Entrance {
    fn new(requests: mpsc::Sender<Request>, outbox: Arc<Outbox>) -> Entrance {
        Entrance { requests, outbox, slots: Arc::new(Semaphore::new(MAX_OUTSTANDING)) }
    }

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
    output: &mut impl Output,
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
                output.write(&lines).await?;
                continue;
            }
            Took::Replay(replay) => {
                replay::write(output, outbox, *replay, gate).await?;
                continue;
            }
            Took::Nothing => {}
        }
        if all_said.load(Ordering::Acquire) && outbox.is_idle() {
            return output.finish().await;
        }
        tokio::select! {
            () = outbox.changed() => {}
            Ok(()) = gate.changed(), if outbox.is_held(written) => {}
            () = sleep_until(expires.unwrap_or_else(Instant::now)), if expires.is_some() => {}
        }
    }
}
