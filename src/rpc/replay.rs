//! Events out of the log: before the live ones of a subscription, or as the answer to `events.replay`.

use std::io;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::connection::Output;
use super::hub::text;
use super::outbox::{Outbox, write_lagged, write_note};
use super::{Filter, errors};
use crate::store::{Cursor, Logged, Reader};
use crate::ua::error::{Code, Error};

/// What is read at once, about.
const CHUNK: usize = 64 * 1024;
/// What one answer holds, about.
const ANSWER: usize = 1024 * 1024;

/// Params of `events.replay`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EventsReplay {
    /// The first seq.
    pub from_seq: u64,
    /// The last seq; left out: the newest.
    #[serde(default)]
    pub to_seq: Option<u64>,
    /// Events in the answer, 1 to 10000 (default: 1000); it may hold fewer.
    #[serde(default)]
    pub limit: Option<usize>,
    /// The epoch that the seqs belong to; where it is over: -226.
    #[serde(default)]
    pub epoch: Option<String>,
}

/// The beginning of a subscription that begins in the past.
pub(super) struct Replay {
    pub subscription: u64,
    pub from: u64,
    /// The last seq that was told before the live ones, and its place in the log.
    pub to: u64,
    pub place: u64,
    pub filter: Filter,
    pub cursor: Cursor,
}

/// Writes a replay, as fast as the client reads. What the log no longer has is told as `lagged`.
pub(super) async fn write(
    output: &mut impl Output,
    outbox: &Outbox,
    replay: Replay,
    gate: &mut watch::Receiver<u64>,
) -> io::Result<()> {
    let Replay { subscription, from, filter, mut cursor, .. } = replay;
    let (mut next, mut last, mut head) = (from, from.saturating_sub(1), String::new());
    let mut lines = Vec::new();
    loop {
        let (to, place) = outbox.replaying();
        // The sender lives as long as the daemon; without one nothing is waited for.
        let _ = gate.wait_for(|written| *written >= place).await;
        let read = tokio::task::spawn_blocking(move || {
            let events = cursor.read(to, CHUNK);
            (cursor, events)
        });
        let (back, events) = read.await.map_err(io::Error::other)?;
        cursor = back;
        let events = events.unwrap_or_else(|error| {
            tracing::warn!(%error, "the event log cannot be read");
            Vec::new()
        });
        lines.clear();
        let over = events.is_empty();
        for logged in &events {
            let (seq, body) = (logged.event.seq, text(&logged.epoch, &logged.event));
            head = body.split("\"event\"").next().unwrap_or_default().to_owned();
            if seq > next {
                write_lagged(&mut lines, subscription, last, next, seq - 1, &head);
            }
            next = seq + 1;
            if filter.matches(&logged.event) {
                write_note(&mut lines, subscription, seq, last, &body);
                last = seq;
            }
        }
        if over && next <= to {
            write_lagged(&mut lines, subscription, last, next, to, &head);
            next = to + 1;
        }
        output.write(&lines).await?;
        if over && outbox.replayed(to, last) {
            return Ok(());
        }
    }
}

/// `events.replay`: `{events, nextSeq, epoch}`; nextSeq is null when there are no more.
pub(super) fn answer(reader: &Reader, epoch: &str, params: &EventsReplay) -> super::Answer {
    if let Some(error) = refusal(reader, epoch, params.epoch.as_deref(), params.from_seq) {
        return Err(errors::object(&error));
    }
    let limit = params.limit.unwrap_or(1000).clamp(1, 10_000);
    let last = reader.last().min(params.to_seq.unwrap_or(u64::MAX));
    let (mut cursor, mut next, mut events, mut bytes) = (reader.from(params.from_seq), params.from_seq, Vec::new(), 0);
    while events.len() < limit && bytes < ANSWER && next <= last {
        let to = last.min(next.saturating_add((limit - events.len()) as u64 - 1));
        let storage = |error: io::Error| errors::object(&Error::new(Code::Storage, error.to_string()));
        let read = cursor.read(to, CHUNK).map_err(storage)?;
        if read.is_empty() {
            break;
        }
        for logged in read {
            if logged.event.seq != next {
                return Err(errors::object(&gap(reader)));
            }
            next += 1;
            bytes += logged.bytes;
            events.push(serde_json::from_str::<Value>(&document(&logged)).unwrap_or_default());
        }
    }
    if next <= last && events.is_empty() {
        return Err(errors::object(&gap(reader)));
    }
    Ok(json!({ "events": events, "nextSeq": (next <= last).then_some(next), "epoch": epoch }))
}

/// An event of the log as a document of its own: `{seq, epoch, time, event, callId?, account?, data}`.
pub fn document(logged: &Logged) -> String {
    format!("{{\"seq\":{},{}}}", logged.event.seq, text(&logged.epoch, &logged.event))
}

/// Why events from a seq on cannot be had.
pub(super) fn refusal(reader: &Reader, epoch: &str, wanted: Option<&str>, from: u64) -> Option<Error> {
    if wanted.is_some_and(|wanted| wanted != epoch) {
        let describe = format!("the log lost events; its epoch is {epoch} now");
        return Some(Error::new(Code::ReplayGap, describe).hint("subscribe with snapshot: true"));
    }
    (from == 0 || !reader.covers(from, u64::MAX)).then(|| gap(reader))
}

fn gap(reader: &Reader) -> Error {
    Error::new(Code::ReplayGap, format!("everything is kept from seq {} on, not before", reader.first()))
        .hint("subscribe with snapshot: true")
}
