//! The way out of the store, on whatever thread asks: events from a seq on, and call detail records.

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::record::{self, Next};
use super::segment::Segment;
use super::{Gate, Shared};
use crate::ua::event::Event;
use crate::ua::status::CommunicationType;

/// The most records on a page.
const PAGE: usize = 200;

/// How long the log is waited for.
const WAIT: Duration = Duration::from_millis(100);

/// Reads what is written.
#[derive(Clone)]
pub struct Reader {
    shared: Arc<Shared>,
}

/// An event out of the log.
#[derive(Debug, Clone, PartialEq)]
pub struct Logged {
    /// The life of the log that it belongs to.
    pub epoch: Arc<str>,
    /// The event.
    pub event: Event,
    /// What it takes on disk.
    pub bytes: usize,
}

/// A place in the log.
pub struct Cursor {
    reader: Reader,
    next: u64,
    open: Option<(PathBuf, File, u64)>,
}

impl Reader {
    pub(super) fn new(shared: Arc<Shared>) -> Reader {
        Reader { shared }
    }

    /// The last seq that is written.
    pub fn last(&self) -> u64 {
        self.shared.written_seq.load(Ordering::Acquire)
    }

    /// Waits until the log has a place, [`WAIT`] at most: on a thread that may wait.
    pub fn wait(&self, place: u64) {
        let behind = |gate: &mut Gate| gate.written < place && !gate.open;
        drop(self.shared.moved.wait_timeout_while(self.shared.gate(), WAIT, behind));
    }

    /// The first seq from which on everything is kept.
    pub fn first(&self) -> u64 {
        let files = self.shared.files();
        let gap = files.events.windows(2).rposition(|pair| pair[0].last + 1 != pair[1].first);
        files.events.get(gap.map_or(0, |before| before + 1)).map_or(self.last() + 1, |segment| segment.first)
    }

    /// Every event from one seq to another is kept; what is not written yet will be.
    pub fn covers(&self, from: u64, to: u64) -> bool {
        let files = self.shared.files();
        let to = to.min(files.events.last().map_or(0, |segment| segment.last));
        let mut wanted = from;
        for segment in files.events.iter().filter(|segment| segment.first <= segment.last) {
            if wanted > to {
                break;
            }
            if segment.first <= wanted && wanted <= segment.last {
                wanted = segment.last + 1;
            }
        }
        wanted > to
    }

    /// A place before the event with this seq.
    pub fn from(&self, seq: u64) -> Cursor {
        Cursor { reader: self.clone(), next: seq, open: None }
    }

    /// `cdr.query`
    pub fn cdrs(&self, query: &CdrQuery) -> io::Result<CdrPage> {
        let segments = self.shared.files().cdrs.clone();
        // Sorted by key and id; read again are those of the page only.
        let mut fitting: Vec<(String, u64, usize, u64)> = Vec::new();
        for (index, segment) in segments.iter().enumerate() {
            scan(segment, |at, cdr| {
                if query.filter.matches(cdr) {
                    let key = match query.sort_by {
                        CdrSort::Time => text(cdr, "startTime").to_owned(),
                        CdrSort::Id => String::new(),
                    };
                    fitting.push((key, cdr["id"].as_u64().unwrap_or(0), index, at));
                }
            })?;
        }
        fitting.sort();
        if query.order_by == CdrOrder::Desc {
            fitting.reverse();
        }
        let size = query.size.clamp(1, PAGE);
        let page = query.page.max(1);
        let mut cdrs = Vec::new();
        for (.., index, at) in fitting.iter().skip((page - 1).saturating_mul(size)).take(size) {
            let segment = &segments[*index];
            if let Next::Record(bytes, _) = record::next(&File::open(&segment.path)?, *at, segment.bytes)? {
                cdrs.push(serde_json::from_slice(&bytes)?);
            }
        }
        Ok(CdrPage { total: fitting.len(), page, size, cdrs })
    }
}

impl Cursor {
    /// The next events up to a seq, about so many bytes of them. None: there is no more now. What the log has lost is left out.
    pub fn read(&mut self, to: u64, bytes: usize) -> io::Result<Vec<Logged>> {
        let (mut events, mut taken) = (Vec::new(), 0);
        while taken < bytes && self.next <= to {
            let (segment, newest) = {
                let files = self.reader.shared.files();
                let Some(at) = files.events.iter().position(|segment| segment.last >= self.next) else { break };
                (files.events[at].clone(), at + 1 == files.events.len())
            };
            if self.open.as_ref().is_none_or(|(path, ..)| *path != segment.path) {
                self.open = match File::open(&segment.path) {
                    Ok(file) => Some((segment.path.clone(), file, 0)),
                    // Retention was faster than we.
                    Err(error) if error.kind() == io::ErrorKind::NotFound && !newest => {
                        self.next = segment.last + 1;
                        continue;
                    }
                    Err(error) => return Err(error),
                };
            }
            let Some((_, file, at)) = &mut self.open else { break };
            match record::next(file, *at, segment.bytes)? {
                Next::Record(record, behind) => {
                    if seq_of(&record).is_some_and(|seq| seq >= self.next) {
                        let event: Event = serde_json::from_slice(&record)?;
                        if event.seq > to {
                            self.next = event.seq;
                            break;
                        }
                        self.next = event.seq + 1;
                        taken += record.len();
                        events.push(Logged { epoch: segment.epoch.clone(), event, bytes: record.len() });
                    }
                    *at = behind;
                }
                Next::Damaged(Some(behind)) => *at = behind,
                Next::Damaged(None) | Next::End if newest => break,
                Next::Damaged(None) | Next::End => self.next = segment.last + 1,
            }
        }
        Ok(events)
    }
}

/// The seq of an event's record.
pub(super) fn seq_of(bytes: &[u8]) -> Option<u64> {
    #[derive(Deserialize)]
    struct Seq {
        seq: u64,
    }
    Some(serde_json::from_slice::<Seq>(bytes).ok()?.seq)
}

fn scan(segment: &Segment, mut each: impl FnMut(u64, &Value)) -> io::Result<()> {
    let file = match File::open(&segment.path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        opened => opened?,
    };
    let mut at = 0;
    loop {
        match record::next(&file, at, segment.bytes)? {
            Next::Record(bytes, next) => {
                if at > 0
                    && let Ok(cdr) = serde_json::from_slice(&bytes)
                {
                    each(at, &cdr);
                }
                at = next;
            }
            Next::Damaged(Some(next)) => at = next,
            Next::Damaged(None) | Next::End => return Ok(()),
        }
    }
}

/// Params of `cdr.query`.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CdrQuery {
    /// Which page, from 1 (default: 1).
    #[serde(default = "one")]
    pub page: usize,
    /// Records on a page, 1 to 200 (default: 50).
    #[serde(default = "fifty")]
    pub size: usize,
    /// By what they are sorted (default: time).
    #[serde(default)]
    pub sort_by: CdrSort,
    /// Which end comes first (default: desc).
    #[serde(default)]
    pub order_by: CdrOrder,
    /// Which records (default: all).
    #[serde(default)]
    pub filter: CdrFilter,
}

fn one() -> usize {
    1
}

fn fifty() -> usize {
    50
}

/// By what call detail records are sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CdrSort {
    /// When the session began.
    #[default]
    Time,
    /// In the order in which they were written.
    Id,
}

/// Which end comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CdrOrder {
    /// The oldest.
    Asc,
    /// The newest.
    #[default]
    Desc,
}

/// Which call detail records: those that fit every part.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CdrFilter {
    /// Begun at or after this time (RFC 3339, UTC).
    #[serde(default)]
    pub from: Option<String>,
    /// Begun at or before this time.
    #[serde(default)]
    pub to: Option<String>,
    /// Of this account.
    #[serde(default)]
    pub account: Option<String>,
    /// With this number, or to it.
    #[serde(default)]
    pub number: Option<String>,
    /// inbound or outbound.
    #[serde(default)]
    pub direction: Option<CommunicationType>,
    /// With this cause.
    #[serde(default)]
    pub cause: Option<String>,
    /// Inbound and never answered; false: all others.
    #[serde(default)]
    pub missed: Option<bool>,
}

/// What `cdr.query` returns.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CdrPage {
    /// How many fit the filter.
    pub total: usize,
    /// Which page this is.
    pub page: usize,
    /// Records on a page.
    pub size: usize,
    /// The records of this page.
    pub cdrs: Vec<Value>,
}

impl CdrFilter {
    fn matches(&self, cdr: &Value) -> bool {
        let same = |wanted: &Option<String>, is: &str| wanted.as_deref().is_none_or(|wanted| wanted == is);
        let begun = text(cdr, "startTime").trim_end_matches('Z');
        let bound = |time: &Option<String>| time.as_deref().map(|time| time.trim_end_matches('Z').to_owned());
        let missed = text(cdr, "direction") == "inbound" && cdr["answerTime"].is_null();
        bound(&self.from).is_none_or(|from| begun >= from.as_str())
            && bound(&self.to).is_none_or(|to| begun <= to.as_str())
            && same(&self.account, text(cdr, "account"))
            && (same(&self.number, text(cdr, "number")) || same(&self.number, text(cdr, "calledNumber")))
            && self.direction.is_none_or(|direction| cdr["direction"] == json!(direction))
            && same(&self.cause, text(cdr, "cause"))
            && self.missed.is_none_or(|wanted| wanted == missed)
    }
}

fn text<'a>(cdr: &'a Value, key: &str) -> &'a str {
    cdr[key].as_str().unwrap_or_default()
}
