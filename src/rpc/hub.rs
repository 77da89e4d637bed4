//! The loop's side of the socket: who waits for which reply, who sees which events.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use jsonrpsee::types::ErrorObjectOwned;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::outbox::{Note, Outbox, Reply};
use super::{Command, Filter, MAX_SUBSCRIPTIONS, Request, Subscribe, SubscribeAnswer, errors, openrpc};
use crate::ua::command::{Command as UaCommand, Snapshot};
use crate::ua::error::Error;
use crate::ua::event::{Event, rfc3339};
use crate::ua::io::ReplyId;

/// Owned by the loop that owns the phone. Never waits, never fails; a client that does not read costs it nothing.
pub struct Hub {
    epoch: String,
    started: Instant,
    last_id: u64,
    waiting: BTreeMap<ReplyId, (Reply, Then)>,
    subscriptions: BTreeMap<u64, Subscription>,
}

/// What is done with the phone's reply.
enum Then {
    Answer,
    Subscribe(Subscribe),
    Health,
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
        }
    }

    /// Takes a request in. What comes back is for the phone, and its reply for [`Hub::reply`], in the same order.
    pub fn take(&mut self, request: Request) -> Option<(ReplyId, UaCommand)> {
        let Request { command, reply } = request;
        let (command, then) = match command {
            Command::Ua(command) => (*command, Then::Answer),
            Command::Health => (UaCommand::AccountList, Then::Health),
            Command::Subscribe(subscribe) => (
                UaCommand::Snapshot(Snapshot { call_id: subscribe.filter.call_id.clone() }),
                Then::Subscribe(subscribe),
            ),
            Command::Unsubscribe(id) => {
                reply_to(&mut self.subscriptions, id, reply);
                return None;
            }
            Command::Info => {
                reply.send(Ok(self.info()));
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
        self.last_id += 1;
        let id = ReplyId(self.last_id);
        self.waiting.insert(id, (reply, then));
        Some((id, command))
    }

    /// The phone's reply. An id that the hub never gave out is ignored.
    pub fn reply(&mut self, id: ReplyId, result: Result<Value, Error>) {
        let Some((reply, then)) = self.waiting.remove(&id) else { return };
        let answer = match (result, then) {
            (Err(error), _) => Err(errors::object(&error)),
            (Ok(value), Then::Answer) => Ok(value),
            (Ok(accounts), Then::Health) => Ok(json!({ "ok": registered(&accounts), "accounts": accounts })),
            (Ok(begin), Then::Subscribe(subscribe)) => self.subscribe(subscribe, begin, reply.outbox().clone()),
        };
        reply.send(answer);
    }

    /// Tells everyone who wants to know.
    pub fn publish(&mut self, event: &Event) {
        let ends = event.name == "deleteSession";
        let mut body: Option<Arc<str>> = None;
        self.subscriptions.retain(|id, subscription| {
            if subscription.outbox.is_closed() {
                return false;
            }
            if subscription.filter.matches(event) {
                let body = body.get_or_insert_with(|| text(&self.epoch, event).into()).clone();
                let key = event
                    .sample
                    .then(|| format!("{}\n{}", event.name, event.call_id.as_deref().unwrap_or_default()).into());
                // A sample carries the seq of the event before it: the one before it *here*, so that losing it leaves no gap.
                let seq = if event.sample { subscription.last } else { event.seq };
                subscription.outbox.notify(Note { subscription: *id, seq, prev: subscription.last, sample: key, body });
                subscription.last = seq;
            }
            !(ends && subscription.ends_with_session && subscription.filter.call_id == event.call_id)
        });
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
    ) -> Result<Value, ErrorObjectOwned> {
        self.subscriptions.retain(|_, subscription| !subscription.outbox.is_closed());
        let mine = self.subscriptions.values().filter(|other| Arc::ptr_eq(&other.outbox, &outbox)).count();
        if mine >= MAX_SUBSCRIPTIONS {
            return Err(errors::subscriptions());
        }
        let seq = begin["seq"].as_u64().unwrap_or_default();
        self.last_id += 1;
        let id = self.last_id;
        let ends_with_session = subscribe.answer == SubscribeAnswer::Id && subscribe.filter.call_id.is_some();
        self.subscriptions.insert(id, Subscription { outbox, filter: subscribe.filter, last: seq, ends_with_session });
        Ok(match subscribe.answer {
            SubscribeAnswer::Id => json!(id),
            SubscribeAnswer::Begin => json!({ "subscription": id, "seq": seq, "epoch": self.epoch }),
            SubscribeAnswer::Snapshot => {
                json!({ "subscription": id, "seq": seq, "epoch": self.epoch, "snapshot": begin["snapshot"] })
            }
        })
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

/// Every account that shall be registered is.
fn registered(accounts: &Value) -> bool {
    let fine =
        |account: &Value| account["register"] != Value::Bool(true) || account["isRegistered"] == Value::Bool(true);
    accounts.as_array().is_none_or(|accounts| accounts.iter().all(fine))
}

/// The part of a notification that all subscribers share.
fn text(epoch: &str, event: &Event) -> String {
    let quoted = |text: &str| Value::from(text).to_string();
    let mut body =
        format!("\"epoch\":{},\"time\":\"{}\",\"event\":{}", quoted(epoch), rfc3339(event.wall), quoted(&event.name));
    if let Some(call_id) = &event.call_id {
        body += &format!(",\"callId\":{}", quoted(call_id));
    }
    if let Some(account) = &event.account {
        body += &format!(",\"account\":{}", quoted(account));
    }
    body + &format!(",\"data\":{}", event.data)
}
