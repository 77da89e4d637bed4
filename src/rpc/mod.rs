//! The socket: JSON-RPC 2.0, one document a line, on a Unix socket.
//!
//! Three things meet here. [`Server`] accepts connections and knows who they are; each connection turns lines into
//! [`Request`]s, in the order sent, and hands them through one bounded channel to the loop that owns the phone. That loop
//! owns a [`Hub`], which is the whole of its duty towards users:
//!
//! ```ignore
//! let (requests, mut inbox) = tokio::sync::mpsc::channel(rpc::INBOX);
//! let server = rpc::Server::bind(&config.rpc)?;                 // before anything else: a live socket is refused here
//! tokio::spawn(server.run(requests, stop));                     // `stop`: any future; then answers are finished, sockets closed
//! let mut hub = rpc::Hub::new(epoch);
//! // in the loop:
//! //   Some(request) = inbox.recv()     => if let Some((id, command)) = hub.take(request) { ua.handle(now, Input::Command { reply: id, command }) }
//! //   Output::Reply(id, result)        => hub.reply(id, result)
//! //   Output::Event(event)             => hub.publish(event)
//! ```
//! `daemon.shutdown` arrives as `ua::Command::Shutdown`: the loop notes that it has to stop once that reply is out. Commands of
//! the daemon's own (a signal) use `ReplyId(0)`, which the hub never gives out and whose reply it ignores.
//!
//! With an event log ([`Hub::with_store`], [`Server::held_by`]) no event leaves a connection's outbox before the log has it; whatever
//! stands behind it waits with it, so the order is the phone's.
//!
//! Of jsonrpsee this uses the types, the codes, the responses and the batch builder. Its `Methods` are not used: a method there
//! starts when its future is polled and answers when it is polled again, so neither the way in nor the replies keep their order
//! without a second queue around them; and its subscriptions end in a bounded channel, out of which nothing old can be taken to
//! make room. The table (`methods.rs`) and the connection's outbox (`outbox.rs`) are what is left when both are undone.
//!
//! Everything a line can ask, even a refusal of it, takes the way through the loop: so replies that wait for nobody come in
//! order, and a reply and the events around it reach a connection in the order in which the phone made them.

mod connection;
pub mod data;
mod door;
mod errors;
mod events;
mod examples;
mod filter;
mod http;
mod hub;
mod keys;
mod lines;
mod methods;
pub mod metrics;
mod openrpc;
mod outbox;
mod params;
pub mod payloads;
mod replay;
mod roles;
mod server;
mod wire;

pub use door::Door;
pub use examples::examples_amiss;
pub use filter::{EventsSubscribe, Filter, is_topic};
pub use http::{HttpError, Listener};
pub use hub::{FleetStatus, Gauges, Hub};
pub use methods::{METHODS, Method};
pub use openrpc::document;
pub use outbox::Reply;
pub use replay::{EventsReplay, document as event_document};
pub use roles::{Role, who_may_call};
pub use server::{BindError, Server};
pub use wire::{Call, Parsed, parse_line};

use jsonrpsee::types::ErrorObjectOwned;

use crate::store::CdrQuery;
use crate::ua;

/// Requests waiting for the loop; when it is full, connections wait.
pub const INBOX: usize = 64;
/// Longest line, bytes, its newline not counted.
pub const MAX_LINE: usize = 64 * 1024;
/// Connections at once.
pub const MAX_CONNECTIONS: usize = 32;
/// Requests of one connection that are not answered yet; then it is not read.
pub const MAX_OUTSTANDING: usize = 16;
/// Requests in a batch.
pub const MAX_BATCH: usize = 16;
/// Subscriptions of one connection.
pub const MAX_SUBSCRIPTIONS: usize = 16;
/// Longest reply, bytes.
pub const MAX_REPLY: usize = 4 * 1024 * 1024;
/// A new connection that sends nothing for so long is closed.
pub const FIRST_BYTE: std::time::Duration = std::time::Duration::from_secs(10);
/// A request that nobody answered for so long gets -230; its work goes on.
pub const REPLY_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(10);

/// One thing that a user asks, and where the answer goes.
#[derive(Debug)]
pub struct Request {
    /// What is asked.
    pub command: Command,
    /// Takes the answer.
    pub reply: Reply,
}

/// What a line can ask: the phone's own commands, and those that the [`Hub`] answers itself.
#[derive(Debug, Clone)]
pub enum Command {
    /// For the phone. `daemon.shutdown` too.
    Ua(Box<ua::command::Command>),
    /// `events.subscribe`, `session.on`, `phone.on`
    Subscribe(Subscribe),
    /// `events.unsubscribe`, `session.off`, `phone.off`: by subscription id.
    Unsubscribe(u64),
    /// A command of the phone's that is to be done once.
    Keyed(Box<Keyed>),
    /// `events.replay`
    Replay(EventsReplay),
    /// `cdr.query`
    Cdrs(CdrQuery),
    /// `daemon.info`
    Info,
    /// `daemon.health`
    Health,
    /// `fleet.status`
    Fleet,
    /// `GET /readyz`
    Ready,
    /// `GET /metrics`
    Metrics,
    /// `rpc.discover`
    Discover,
    /// Nothing: the line was wrong, and this is its answer.
    Refuse(ErrorObjectOwned),
}

/// A command with an idempotency key.
#[derive(Debug, Clone)]
pub struct Keyed {
    /// The user's key.
    pub key: String,
    /// Stands for method and params.
    pub print: u64,
    /// What is to be done once.
    pub command: ua::command::Command,
}

/// What a request is answered with.
pub(crate) type Answer = Result<serde_json::Value, ErrorObjectOwned>;

/// Where a subscription begins that begins in the past.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Since {
    /// The first seq.
    pub seq: u64,
    /// The epoch that it belongs to, where the client says it.
    pub epoch: Option<String>,
}

/// A subscription to begin.
#[derive(Debug, Clone, PartialEq)]
pub struct Subscribe {
    /// Which events.
    pub filter: Filter,
    /// From which event on; none: from now on.
    pub since: Option<Since>,
    /// What the answer carries.
    pub answer: SubscribeAnswer,
}

/// What the answer to a subscription carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubscribeAnswer {
    /// The subscription's id alone; the subscription ends with its session (`session.on`, `phone.on`).
    Id,
    /// `{subscription, seq, epoch}`
    Begin,
    /// `{subscription, seq, epoch, snapshot}`
    Snapshot,
}
