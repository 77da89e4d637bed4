//! What a connection still has to say: replies, in the order they were made, and notifications, of which the oldest give way
//! when the client does not read. Nothing leaves before the log has it: each notification has a place in the log.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jsonrpsee::types::{ErrorObjectOwned, Id};
use jsonrpsee::{BatchResponseBuilder, MethodResponse, ResponsePayload};
use serde_json::Value;
use tokio::sync::{Notify, OwnedSemaphorePermit};
use tokio::time::Instant;

use super::replay::Replay;
use super::{MAX_REPLY, REPLY_TIMEOUT, Role, errors};
use crate::ua::dial::Caller;

/// Notifications that wait for a client: bytes of text. Above it samples go first, then the oldest events.
const MAX_NOTE_BYTES: usize = 256 * 1024;
/// Notifications that wait for a client: count.
const MAX_NOTES: usize = 1024;

/// Events that gave way so far, for slow clients of this process all together.
pub(super) static LAGGED: AtomicU64 = AtomicU64::new(0);

/// Where the answer to one request goes. Dropped unanswered, it says that the daemon could not (-32603).
pub struct Reply {
    outbox: Arc<Outbox>,
    ticket: u64,
}

impl Reply {
    /// Answers. Late (after -230) or to a closed connection: nothing happens.
    pub fn send(self, answer: Result<Value, ErrorObjectOwned>) {
        self.outbox.answer(self.ticket, answer, 0);
    }

    /// Answers once the log has this place.
    pub(super) fn send_at(self, place: u64, answer: Result<Value, ErrorObjectOwned>) {
        self.outbox.answer(self.ticket, answer, place);
    }

    /// Answers; then the events of the log, before any that is told later.
    pub(super) fn send_and_replay(self, answer: Value, replay: Replay) {
        let outbox = self.outbox.clone();
        self.send(Ok(answer));
        outbox.replay(replay);
    }

    pub(super) fn outbox(&self) -> &Arc<Outbox> {
        &self.outbox
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        self.outbox.answer(self.ticket, Err(errors::internal()), 0);
    }
}

impl std::fmt::Debug for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Reply({})", self.ticket)
    }
}

/// One notification for one subscription.
#[derive(Debug, Clone)]
pub(super) struct Note {
    pub subscription: u64,
    /// Its place in the log.
    pub place: u64,
    pub seq: u64,
    /// The seq of the subscription's notification before this one.
    pub prev: u64,
    /// A sample: the newest replaces the older one of the same key.
    pub sample: Option<Arc<str>>,
    /// The rest of the result object, shared by all who see the event: `"epoch":…,…,"data":…}`.
    pub body: Arc<str>,
}

enum Item {
    Reply {
        line: String,
        place: u64,
        _slot: Option<OwnedSemaphorePermit>,
    },
    Note(Note),
    /// Events that gave way: the subscription, the seq before them, the first and the last of them.
    Lagged {
        subscription: u64,
        before: u64,
        from: u64,
        to: u64,
        place: u64,
        head: Arc<str>,
    },
    /// Events out of the log stand here.
    Replay(Box<Replay>),
}

/// What there was to take out.
pub(super) enum Took {
    /// Lines.
    Lines,
    /// Events are to be read from the log and written, before anything else.
    Replay(Box<Replay>),
    /// Nothing.
    Nothing,
}

struct Waiting {
    id: Id<'static>,
    deadline: Instant,
    /// Part of which batch, and where in it.
    batch: Option<(u64, usize)>,
    slot: Option<OwnedSemaphorePermit>,
}

struct Batch {
    parts: Vec<Option<MethodResponse>>,
    place: u64,
    slot: Option<OwnedSemaphorePermit>,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Item>,
    waiting: BTreeMap<u64, Waiting>,
    batches: BTreeMap<u64, Batch>,
    next: u64,
    notes: usize,
    note_bytes: usize,
    samples: usize,
    /// The replay under way: its subscription, its last seq and that one's place.
    replaying: Option<(u64, u64, u64)>,
    /// A subscription whose replay ended at the first seq, and whose last notification of it was the second.
    replayed: BTreeMap<u64, (u64, u64)>,
    closed: bool,
}

/// The two sides of a connection meet here: the loop puts in, the connection's writer takes out.
#[derive(Default)]
pub(super) struct Outbox {
    state: Mutex<State>,
    wake: Notify,
    /// Whose connection it is.
    by: Option<Caller>,
}

impl Outbox {
    /// That of a user's connection.
    pub fn of(user: u32, role: Role) -> Self {
        Outbox { by: Some(Caller { user, admin: role == Role::Admin }), ..Outbox::default() }
    }

    /// Whose connection it is.
    pub fn by(&self) -> Option<Caller> {
        self.by
    }

    /// The number of its user.
    pub fn user(&self) -> u32 {
        self.by.map_or(0, |by| by.user)
    }

    /// A reply to come. The slot is given back when the reply has been taken out for writing.
    pub fn expect(self: &Arc<Self>, id: Id<'static>, slot: OwnedSemaphorePermit) -> Reply {
        self.ticket(id, None, Some(slot))
    }

    /// The replies of a batch: they come out as one line, when the last is there.
    pub fn expect_batch(self: &Arc<Self>, ids: Vec<Id<'static>>, slot: OwnedSemaphorePermit) -> Vec<Reply> {
        let number = {
            let mut state = self.lock();
            state.next += 1;
            let number = state.next;
            let parts = ids.iter().map(|_| None).collect();
            state.batches.insert(number, Batch { parts, place: 0, slot: Some(slot) });
            number
        };
        ids.into_iter().enumerate().map(|(at, id)| self.ticket(id, Some((number, at)), None)).collect()
    }

    fn ticket(
        self: &Arc<Self>,
        id: Id<'static>,
        batch: Option<(u64, usize)>,
        slot: Option<OwnedSemaphorePermit>,
    ) -> Reply {
        let mut state = self.lock();
        state.next += 1;
        let ticket = state.next;
        state.waiting.insert(ticket, Waiting { id, deadline: Instant::now() + REPLY_TIMEOUT, batch, slot });
        drop(state);
        self.wake.notify_one();
        Reply { outbox: self.clone(), ticket }
    }

    fn answer(&self, ticket: u64, answer: Result<Value, ErrorObjectOwned>, place: u64) {
        let mut state = self.lock();
        let Some(waiting) = state.waiting.remove(&ticket) else { return };
        if state.closed {
            return;
        }
        let response = match answer {
            Ok(value) => MethodResponse::response(waiting.id, ResponsePayload::success(value), MAX_REPLY),
            Err(error) => MethodResponse::error(waiting.id, error),
        };
        match waiting.batch {
            None => state.queue.push_back(Item::Reply { line: text(response), place, _slot: waiting.slot }),
            Some((number, at)) => state.batch_part(number, at, response, place),
        }
        drop(state);
        self.wake.notify_one();
    }

    /// Answers with -230 what has waited too long. Returns when to look again.
    pub fn expire(&self, now: Instant) -> Option<Instant> {
        loop {
            // Tickets rise and all wait equally long: the first one is the oldest.
            let (ticket, deadline) =
                self.lock().waiting.iter().next().map(|(ticket, waiting)| (*ticket, waiting.deadline))?;
            if deadline > now {
                return Some(deadline);
            }
            self.answer(ticket, Err(errors::timeout()), 0);
        }
    }

    /// Queues a notification; whatever is too much gives way.
    pub fn notify(&self, note: Note) {
        let mut state = self.lock();
        if state.closed {
            return;
        }
        if let Some(key) = &note.sample {
            state.forget_sample(note.subscription, key);
        }
        state.count(&note, true);
        state.queue.push_back(Item::Note(note));
        while state.notes > MAX_NOTES || state.note_bytes > MAX_NOTE_BYTES {
            state.evict();
        }
        drop(state);
        self.wake.notify_one();
    }

    /// Queues events of the log.
    fn replay(&self, replay: Replay) {
        let mut state = self.lock();
        if !state.closed {
            state.queue.push_back(Item::Replay(Box::new(replay)));
        }
        drop(state);
        self.wake.notify_one();
    }

    /// How far the replay under way goes, and the place of its last event.
    pub fn replaying(&self) -> (u64, u64) {
        self.lock().replaying.map_or((0, 0), |(_, to, place)| (to, place))
    }

    /// The replay under way has come to `to`, and `last` was its last notification. False: it goes further now.
    pub fn replayed(&self, to: u64, last: u64) -> bool {
        let mut state = self.lock();
        let Some((subscription, wanted, _)) = state.replaying else { return true };
        if wanted > to {
            return false;
        }
        state.replaying = None;
        if last != to {
            state.replayed.insert(subscription, (to, last));
        }
        true
    }

    /// Takes out lines to write, about `limit` bytes of them, as far as the log is written.
    pub fn take(&self, into: &mut Vec<u8>, limit: usize, written: u64) -> Took {
        let mut state = self.lock();
        let before = into.len();
        while into.len() - before < limit {
            match state.queue.front() {
                None => break,
                Some(item) if item.place() > written => break,
                Some(Item::Replay(_)) if into.len() > before => break,
                Some(_) => {}
            }
            match state.queue.pop_front() {
                None => break,
                Some(Item::Reply { line, .. }) => into.extend_from_slice(line.as_bytes()),
                Some(Item::Note(note)) => {
                    state.count(&note, false);
                    let (seq, prev) = state.chain(note.subscription, note.seq, note.prev);
                    write_note(into, note.subscription, seq, prev, &note.body);
                    continue;
                }
                Some(Item::Lagged { subscription, before, from, to, head, .. }) => {
                    let (_, before) = state.chain(subscription, to, before);
                    write_lagged(into, subscription, before, from, to, &head);
                    continue;
                }
                Some(Item::Replay(replay)) => {
                    state.replaying = Some((replay.subscription, replay.to, replay.place));
                    return Took::Replay(replay);
                }
            }
            into.push(b'\n');
        }
        if into.len() > before { Took::Lines } else { Took::Nothing }
    }

    /// The log is waited for.
    pub fn is_held(&self, written: u64) -> bool {
        self.lock().queue.front().is_some_and(|item| item.place() > written)
    }

    /// Resolves when there may be something new to take out, to expire, or to end.
    pub async fn changed(&self) {
        self.wake.notified().await;
    }

    /// Nothing is waited for and nothing is left to write.
    pub fn is_idle(&self) -> bool {
        let state = self.lock();
        state.waiting.is_empty() && state.queue.is_empty()
    }

    /// The connection is over: everything queued is freed, everything later is ignored.
    pub fn close(&self) {
        let mut state = self.lock();
        *state = State { closed: true, next: state.next, ..State::default() };
    }

    /// The connection is over.
    pub fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// Wakes the writer.
    pub fn wake(&self) {
        self.wake.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Item {
    /// The place in the log that it waits for.
    fn place(&self) -> u64 {
        match self {
            Item::Note(note) => note.place,
            Item::Reply { place, .. } | Item::Lagged { place, .. } => *place,
            Item::Replay(replay) => replay.place,
        }
    }
}

impl State {
    /// A notification's seq and prev; behind a replay its end is the last one that was told of it.
    fn chain(&mut self, subscription: u64, seq: u64, prev: u64) -> (u64, u64) {
        let Some((to, last)) = self.replayed.get(&subscription).copied() else { return (seq, prev) };
        if seq > to {
            self.replayed.remove(&subscription);
        }
        let told = |seq| if seq == to { last } else { seq };
        (told(seq), told(prev))
    }

    fn batch_part(&mut self, number: u64, at: usize, response: MethodResponse, place: u64) {
        let Some(batch) = self.batches.get_mut(&number) else { return };
        batch.place = batch.place.max(place);
        if let Some(part) = batch.parts.get_mut(at) {
            *part = Some(response);
        }
        if batch.parts.iter().any(Option::is_none) {
            return;
        }
        let Some(batch) = self.batches.remove(&number) else { return };
        let mut builder = BatchResponseBuilder::new_with_limit(MAX_REPLY);
        let line = match batch.parts.into_iter().flatten().try_for_each(|part| builder.append(part)) {
            Ok(()) => text(MethodResponse::from_batch(builder.finish())),
            Err(too_big) => text(too_big),
        };
        self.queue.push_back(Item::Reply { line, place: batch.place, _slot: batch.slot });
    }

    fn count(&mut self, note: &Note, added: bool) {
        let (bytes, sample) = (note.body.len() + 128, usize::from(note.sample.is_some()));
        if added {
            (self.notes, self.note_bytes, self.samples) =
                (self.notes + 1, self.note_bytes + bytes, self.samples + sample);
        } else {
            (self.notes, self.note_bytes, self.samples) =
                (self.notes - 1, self.note_bytes - bytes, self.samples - sample);
        }
    }

    fn forget_sample(&mut self, subscription: u64, key: &str) {
        if self.samples == 0 {
            return;
        }
        let same = |item: &Item| matches!(item, Item::Note(note) if note.subscription == subscription && note.sample.as_deref() == Some(key));
        if let Some(at) = self.queue.iter().position(same) {
            self.remove(at);
        }
    }

    fn remove(&mut self, at: usize) -> Option<Note> {
        match self.queue.remove(at) {
            Some(Item::Note(note)) => {
                self.count(&note, false);
                Some(note)
            }
            _ => None,
        }
    }

    /// One notification gives way: the oldest sample, else the oldest event, which then stands in its subscription's `lagged`.
    fn evict(&mut self) {
        let sample = |item: &Item| matches!(item, Item::Note(note) if note.sample.is_some());
        if self.samples > 0
            && let Some(at) = self.queue.iter().position(sample)
        {
            self.remove(at);
            return;
        }
        let Some(at) = self.queue.iter().position(|item| matches!(item, Item::Note(_))) else { return };
        let Some(note) = self.remove(at) else { return };
        // What is replayed before it goes on with it: nothing is lost.
        if let Some((subscription, to, place)) = &mut self.replaying
            && *subscription == note.subscription
        {
            (*to, *place) = (note.seq, note.place);
            return;
        }
        LAGGED.fetch_add(1, Ordering::Relaxed);
        // Only replies, replays and other `lagged` stand before the oldest event: the search is short.
        for item in self.queue.iter_mut().take(at) {
            match item {
                Item::Lagged { subscription, to, place, .. } if *subscription == note.subscription => {
                    (*to, *place) = (note.seq, note.place);
                    return;
                }
                Item::Replay(replay) if replay.subscription == note.subscription => {
                    (replay.to, replay.place) = (note.seq, note.place);
                    return;
                }
                _ => {}
            }
        }
        let head: Arc<str> = note.body.split("\"event\"").next().unwrap_or_default().into();
        let Note { subscription, place, seq, prev, .. } = note;
        self.queue.insert(at, Item::Lagged { subscription, before: prev, from: seq, to: seq, place, head });
    }
}

/// A notification's line.
pub(super) fn write_note(into: &mut Vec<u8>, subscription: u64, seq: u64, prev: u64, body: &str) {
    into.extend_from_slice(opening(subscription, seq, prev).as_bytes());
    into.extend_from_slice(body.as_bytes());
    into.extend_from_slice(b"}}}\n");
}

/// The line that tells a loss. `head` is what the body of its neighbour begins with.
pub(super) fn write_lagged(into: &mut Vec<u8>, subscription: u64, before: u64, from: u64, to: u64, head: &str) {
    let body = format!("{head}\"event\":\"lagged\",\"data\":{{\"fromSeq\":{from},\"toSeq\":{to}}}");
    write_note(into, subscription, before, before, &body);
}

fn opening(subscription: u64, seq: u64, prev: u64) -> String {
    format!(
        "{{\"jsonrpc\":\"2.0\",\"method\":\"event\",\"params\":{{\"subscription\":{subscription},\"result\":{{\"seq\":{seq},\"prev\":{prev},"
    )
}

fn text(response: MethodResponse) -> String {
    String::from(Box::<str>::from(response.into_json()))
}
