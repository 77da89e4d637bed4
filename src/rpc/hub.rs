//! The loop's side of the socket: who waits for which reply, who sees which events.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use jsonrpsee::types::ErrorObjectOwned;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::keys::{Keys, Owner};
use super::metrics::{self, Kind, Page, Tally};
use super::outbox::{Note, Outbox, Reply};
use super::replay::{self, Replay};
use super::{
    Answer, Command, Filter, Keyed, MAX_SUBSCRIPTIONS, Request, Since, Subscribe, SubscribeAnswer, errors, openrpc,
};
use crate::store::{CdrQuery, Key, Log, Reader};
use crate::ua::command::{BlindTransfer, Call, Command as UaCommand, Snapshot};
use crate::ua::error::{Code, Error};
use crate::ua::event::{Event, Heard, rfc3339};
use crate::ua::io::ReplyId;

/// Owned by the loop that owns the phone. Never waits, never fails; a client that does not read costs it nothing.
pub struct Hub {
    epoch: String,
    started: Instant,
    last_id: u64,
    waiting: BTreeMap<ReplyId, (Reply, Then)>,
    subscriptions: BTreeMap<u64, Subscription>,
    keys: Keys,
    store: Option<(Log, Reader)>,
    figures: Option<(Tally, Gauges)>,
    fleet: Option<FleetStatus>,
    stopping: bool,
}

/// Writes figures of others into the page for Prometheus.
pub type Gauges = Box<dyn Fn(&mut Page) + Send>;

/// How far the bridge to a broker is: the result of `fleet.status`.
pub type FleetStatus = Box<dyn Fn() -> Value + Send>;

/// What is done with the phone's reply.
enum Then {
    Answer,
    Keyed(Owner),
    Subscribe(Subscribe),
    Health,
    Ready,
    Metrics,
}

struct Subscription {
    outbox: Arc<Outbox>,
    filter: Filter,
    /// The seq of its last notification; first, that of the snapshot.
    last: u64,
    /// `session.on`: over after its session's `deleteSession`.
    ends_with_session: bool,
}

impl Hub {
    /// `epoch` names the life of the event log: it stands in each notification, and in `daemon.info`.
    pub fn new(epoch: impl Into<String>) -> Self {
        Hub {
            epoch: epoch.into(),
            started: Instant::now(),
            last_id: 0,
            waiting: BTreeMap::new(),
            subscriptions: BTreeMap::new(),
            keys: Keys::default(),
            store: None,
            figures: None,
            fleet: None,
            stopping: false,
        }
    }

    /// With an event log: every event goes there first. `keys`: what it knows of idempotency keys.
    pub fn with_store(mut self, log: Log, reader: Reader, keys: Vec<Key>) -> Self {
        self.keys = Keys::load(keys);
        self.store = Some((log, reader));
        self
    }

    /// Counts for Prometheus; `gauges` adds what others count.
    pub fn with_metrics(mut self, gauges: Gauges) -> Self {
        self.figures = Some((Tally::default(), gauges));
        self
    }

    /// With a bridge to a broker.
    pub fn with_fleet(mut self, status: FleetStatus) -> Self {
        self.fleet = Some(status);
        self
    }

    /// The daemon stops: it is ready for nothing more.
    pub fn stopping(&mut self) {
        self.stopping = true;
    }

    /// The event log: whether it keeps up has to be looked at from time to time.
    pub fn log(&mut self) -> Option<&mut Log> {
        self.store.as_mut().map(|(log, _)| log)
    }

    /// Nothing more will be told: the log, to be closed.
    pub fn into_log(self) -> Option<Log> {
        self.store.map(|(log, _)| log)
    }

    /// Takes a request in. What comes back is for the phone, and its reply for [`Hub::reply`], in the same order.
    pub fn take(&mut self, request: Request) -> Option<(ReplyId, UaCommand)> {
        let Request { command, reply } = request;
        let (command, then) = match command {
            Command::Ua(command) => (said_by(*command, &reply), Then::Answer),
            Command::Health => (UaCommand::AccountList, Then::Health),
            Command::Ready => (UaCommand::AccountList, Then::Ready),
            Command::Metrics => (UaCommand::Snapshot(Snapshot { call_id: None }), Then::Metrics),
            Command::Keyed(keyed) => {
                let Keyed { key, print, command } = *keyed;
                let (owner, command) = ((reply.outbox().user(), key), said_by(command, &reply));
                let at = wall();
                let reply = self.keys.enter(&owner, print, at, reply)?;
                if let Some(log) = self.log() {
                    log.remember(Key { user: owner.0, key: owner.1.clone(), print, at, answer: None });
                }
                return Some((self.waiting(reply, Then::Keyed(owner)), command));
            }
            Command::Subscribe(subscribe) => {
                // A session of the past may be over.
                let call_id = subscribe.filter.call_id.clone().filter(|_| subscribe.since.is_none());
                (UaCommand::Snapshot(Snapshot { call_id }), Then::Subscribe(subscribe))
            }
            Command::Replay(params) => {
                let epoch = self.epoch.clone();
                self.read(reply, move |reader| replay::answer(reader, &epoch, &params));
                return None;
            }
            Command::Cdrs(query) => {
                self.read(reply, move |reader| cdrs(reader, &query));
                return None;
            }
            Command::Unsubscribe(id) => {
                reply_to(&mut self.subscriptions, id, reply);
                return None;
            }
            Command::Info => {
                reply.send(Ok(self.info()));
                return None;
            }
            Command::Fleet => {
                reply.send(Ok(self.fleet.as_ref().map_or_else(no_fleet, |status| status())));
                return None;
            }
            Command::Discover => {
                static DOCUMENT: LazyLock<Value> = LazyLock::new(openrpc::document);
                reply.send(Ok(DOCUMENT.clone()));
                return None;
            }
            Command::Refuse(error) => {
                reply.send(Err(error));
                return None;
            }
        };
        Some((self.waiting(reply, then), command))
    }

    fn waiting(&mut self, reply: Reply, then: Then) -> ReplyId {
        self.last_id += 1;
        let id = ReplyId(self.last_id);
        self.waiting.insert(id, (reply, then));
        id
    }

    /// Answers from the files, on a thread that may wait for them.
    fn read(&self, reply: Reply, answer: impl FnOnce(&Reader) -> Answer + Send + 'static) {
        match &self.store {
            None => reply.send(Err(errors::object(&no_store()))),
            Some((log, reader)) => {
                let (place, reader) = (log.place(), reader.clone());
                // What was told before the question is part of the answer.
                drop(tokio::task::spawn_blocking(move || {
                    reader.wait(place);
                    reply.send(answer(&reader));
                }));
            }
        }
    }

    /// The phone's reply. An id that the hub never gave out is ignored.
    pub fn reply(&mut self, id: ReplyId, result: Result<Value, Error>) {
        let Some((reply, then)) = self.waiting.remove(&id) else { return };
        let answer = match (result, then) {
            (result, Then::Keyed(owner)) => {
                return self.keyed(reply, &owner, result.map_err(|error| errors::object(&error)));
            }
            (Err(error), _) => Err(errors::object(&error)),
            (Ok(value), Then::Answer) => Ok(value),
            (Ok(accounts), Then::Health) => {
                let mut health = json!({ "ok": registered(&accounts), "accounts": accounts });
                if let Some(status) = &self.fleet {
                    health["fleet"] = status();
                }
                Ok(health)
            }
            (Ok(accounts), Then::Ready) => Ok(self.ready(&accounts)),
            (Ok(now), Then::Metrics) => Ok(Value::String(self.metrics(&now))),
            (Ok(begin), Then::Subscribe(subscribe)) => match self.subscribe(subscribe, begin, reply.outbox().clone()) {
                Ok((answer, Some(replay))) => return reply.send_and_replay(answer, replay),
                Ok((answer, None)) => Ok(answer),
                Err(error) => Err(error),
            },
        };
        reply.send(answer);
    }

    /// The answer to a key: it is in the log before anybody sees it.
    fn keyed(&mut self, reply: Reply, owner: &Owner, answer: Answer) {
        let (others, key) = self.keys.done(owner, &answer);
        let place = key.and_then(|key| self.log().map(|log| log.remember(key))).unwrap_or(0);
        for reply in others.into_iter().chain([reply]) {
            reply.send_at(place, answer.clone());
        }
    }

    /// Tells everyone who wants to know.
    pub fn publish(&mut self, event: Event) {
        let place = self.log().map_or(0, |log| log.place_of(&event));
        if let Some((tally, _)) = &mut self.figures {
            tally.note(&event);
        }
        let ends = event.name == "deleteSession";
        let mut body: Option<Arc<str>> = None;
        self.subscriptions.retain(|id, subscription| {
            if subscription.outbox.is_closed() {
                return false;
            }
            if subscription.filter.matches(&event) {
                let body = body.get_or_insert_with(|| text(&self.epoch, &event).into()).clone();
                let key = event
                    .sample
                    .then(|| format!("{}\n{}", event.name, event.call_id.as_deref().unwrap_or_default()).into());
                // A sample carries the seq of the event before it: the one before it *here*, so that losing it leaves no gap.
                let seq = if event.sample { subscription.last } else { event.seq };
                let prev = subscription.last;
                subscription.outbox.notify(Note { subscription: *id, place, seq, prev, sample: key, body });
                subscription.last = seq;
            }
            !(ends && subscription.ends_with_session && subscription.filter.call_id == event.call_id)
        });
        if let Some(log) = self.log() {
            log.append(event);
        }
    }

    /// Which events somebody hears: subscribers all of them, the log, the figures and the journal no samples.
    pub fn hears(&self) -> Heard {
        let journal = || tracing::enabled!(target: "phoned::journal", tracing::Level::INFO);
        match (self.subscriptions.is_empty(), self.store.is_some() || self.figures.is_some() || journal()) {
            (false, _) => Heard::All,
            (true, true) => Heard::Lasting,
            (true, false) => Heard::Nothing,
        }
    }

    /// Subscriptions that are open now.
    pub fn subscriptions(&self) -> usize {
        self.subscriptions.len()
    }

    fn subscribe(
        &mut self,
        subscribe: Subscribe,
        begin: Value,
        outbox: Arc<Outbox>,
    ) -> Result<(Value, Option<Replay>), ErrorObjectOwned> {
        self.subscriptions.retain(|_, subscription| !subscription.outbox.is_closed());
        let mine = self.subscriptions.values().filter(|other| Arc::ptr_eq(&other.outbox, &outbox)).count();
        if mine >= MAX_SUBSCRIPTIONS {
            return Err(errors::subscriptions());
        }
        let last = begin["seq"].as_u64().unwrap_or_default();
        let Subscribe { filter, since, answer } = subscribe;
        let id = self.last_id + 1;
        let replay = since.map(|since| self.replay(id, &since, last, &filter)).transpose()?.flatten();
        self.last_id = id;
        let seq = replay.as_ref().map_or(last, |replay| replay.from - 1);
        let ends_with_session = answer == SubscribeAnswer::Id && filter.call_id.is_some();
        self.subscriptions.insert(id, Subscription { outbox, filter, last, ends_with_session });
        let answer = match answer {
            SubscribeAnswer::Id => json!(id),
            SubscribeAnswer::Begin => json!({ "subscription": id, "seq": seq, "epoch": self.epoch }),
            SubscribeAnswer::Snapshot => {
                json!({ "subscription": id, "seq": seq, "epoch": self.epoch, "snapshot": begin["snapshot"] })
            }
        };
        Ok((answer, replay))
    }

    /// What stands between the first event that is wanted and the live ones; nothing, where they are the next.
    fn replay(
        &self,
        subscription: u64,
        since: &Since,
        to: u64,
        filter: &Filter,
    ) -> Result<Option<Replay>, ErrorObjectOwned> {
        let Some((log, reader)) = &self.store else { return Err(errors::object(&no_store())) };
        if let Some(error) = replay::refusal(reader, &self.epoch, since.epoch.as_deref(), since.seq) {
            return Err(errors::object(&error));
        }
        let (from, place) = (since.seq, log.place());
        if from > to + 1 {
            return Err(errors::params("fromSeq", &format!("the next event is {}", to + 1), "not one of the future"));
        }
        let cursor = reader.from(from);
        Ok((from <= to).then(|| Replay { subscription, from, to, place, filter: filter.clone(), cursor }))
    }

    /// Calls can be made and taken.
    fn ready(&self, accounts: &Value) -> Value {
        let accounts_up = registered(accounts);
        json!({ "ready": accounts_up && !self.stopping, "registered": accounts_up, "stopping": self.stopping })
    }

    fn metrics(&self, now: &Value) -> String {
        let mut page = Page::default();
        if let Some((tally, gauges)) = &self.figures {
            tally.write(&mut page, now, self.subscriptions.len(), self.store.is_some());
            gauges(&mut page);
        }
        if let Some(status) = &self.fleet {
            metrics::fleet(&mut page, &status());
        }
        let uptime = self.started.elapsed().as_secs_f64();
        page.single("phoned_uptime_seconds", Kind::Gauge, "Since the daemon began.", uptime);
        page.into_text()
    }

    fn info(&self) -> Value {
        let uptime: Duration = self.started.elapsed();
        json!({
            "name": "phoned",
            "version": env!("CARGO_PKG_VERSION"),
            "pid": std::process::id(),
            "uptimeMs": uptime.as_millis() as u64,
            "epoch": self.epoch,
        })
    }
}

/// A call knows whose it is, and a transfer too.
fn said_by(command: UaCommand, reply: &Reply) -> UaCommand {
    match command {
        UaCommand::Call(call) => UaCommand::Call(Call { by: reply.outbox().by(), ..call }),
        UaCommand::BlindTransfer(wish) => UaCommand::BlindTransfer(BlindTransfer { by: reply.outbox().by(), ..wish }),
        other => other,
    }
}

/// Ends a subscription of the connection that asks: true, or -32602 when it has none of that id.
fn reply_to(subscriptions: &mut BTreeMap<u64, Subscription>, id: u64, reply: Reply) {
    let mine = subscriptions.get(&id).is_some_and(|subscription| Arc::ptr_eq(&subscription.outbox, reply.outbox()));
    if mine {
        subscriptions.remove(&id);
        reply.send(Ok(Value::Bool(true)));
    } else {
        reply.send(Err(errors::params(
            "subscription",
            "this connection has no such subscription",
            "it may have ended with its session",
        )));
    }
}

/// `cdr.query`
fn cdrs(reader: &Reader, query: &CdrQuery) -> Answer {
    let page = reader.cdrs(query).map_err(|error| errors::object(&Error::new(Code::Storage, error.to_string())))?;
    Ok(json!(page))
}

/// `fleet.status` without a bridge.
fn no_fleet() -> Value {
    json!({
        "state": "off", "host": null, "prefix": null, "stream": null, "rpc": null, "server": null, "nextSeq": null,
        "behind": null, "published": null, "duplicates": null, "lost": null, "failures": null, "lastError": null,
        "requests": null,
    })
}

fn no_store() -> Error {
    Error::new(Code::Storage, "nothing is kept here").hint("[store] enabled = true")
}

#[expect(clippy::disallowed_methods, reason = "edge: how old a key is")]
fn wall() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_millis()).unwrap_or(0)
}

/// Every account that shall be registered is.
fn registered(accounts: &Value) -> bool {
    let fine =
        |account: &Value| account["register"] != Value::Bool(true) || account["isRegistered"] == Value::Bool(true);
    accounts.as_array().is_none_or(|accounts| accounts.iter().all(fine))
}

/// The part of a notification that all subscribers share.
pub(super) fn text(epoch: &str, event: &Event) -> String {
    let quoted = |text: &str| Value::from(text).to_string();
    let mut body =
        format!("\"epoch\":{},\"time\":\"{}\",\"event\":{}", quoted(epoch), rfc3339(event.wall), quoted(&event.name));
    if let Some(call_id) = &event.call_id {
        body += &format!(",\"callId\":{}", quoted(call_id));
    }
    if let Some(account) = &event.account {
        body += &format!(",\"account\":{}", quoted(account));
    }
    body + ",\"data\":" + event.data.text()
}
