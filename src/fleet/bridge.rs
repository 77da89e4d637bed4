//! One host's bridge: its events out, in the log's order, and requests in.
//!
//! Several events are on their way at once, each with its epoch and seq for a name (`Nats-Msg-Id`), by which the broker knows what
//! it has. The place moves in their order. Where one is not acknowledged, all that were sent behind it are waited for, and it
//! goes on with that one, alone until one is taken: so what the broker keeps has the log's order, save what it let fall in the
//! middle itself.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

use async_nats::jetstream::Context;
use async_nats::jetstream::context::{ContextBuilder, PublishErrorKind};
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::stream::{Config as StreamConfig, StorageType};
use async_nats::{Client, Message};
use futures_util::StreamExt;
use futures_util::stream::FuturesOrdered;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::Source;
use super::connect::{connect, told};
use super::state::{End, State};
use crate::config::{FleetConfig, FleetRole};
use crate::rpc::{Door, event_document};
use crate::store::{Cursor, Logged};

/// What is read of the log at once, bytes.
const BATCH: usize = 64 * 1024;
/// The log is looked at so often even if nobody says that it grew.
const LOOK: Duration = Duration::from_secs(1);
/// An acknowledgement that takes longer is none.
const ACK: Duration = Duration::from_secs(10);
/// Between a failure and the next try; twice as long with each.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// A connection that held so long was a good one.
const HELD: Duration = Duration::from_secs(10);
/// Requests under way; more wait for their turn.
const REQUESTS: usize = 16;
/// A stream that we make keeps its events so long, and knows names so long.
const KEPT: Duration = Duration::from_secs(7 * 24 * 3600);
const KNOWN: Duration = Duration::from_secs(600);

/// A bridge, to be run.
pub struct Bridge {
    config: FleetConfig,
    host: String,
    source: Source,
    door: Option<Door>,
    state: State,
}

/// An event on its way: its seq, and how it ended with it.
type Sent = (u64, Result<End, String>);

impl Bridge {
    /// Reads where an earlier life has come to.
    pub fn new(config: &FleetConfig, source: Source, door: Option<Door>) -> Bridge {
        let (host, state) = (config.host(), State::load(&source.dir, source.first));
        Bridge { config: config.clone(), host, source, door, state }
    }

    /// What `fleet.status` tells.
    pub fn status(&self) -> Value {
        let mut status = self.state.view(self.source.reader.last());
        status["host"] = json!(self.host);
        status["prefix"] = json!(self.config.prefix);
        status["stream"] = json!(self.config.stream);
        status["rpc"] = json!(self.config.rpc);
        status
    }

    /// Connects, again and again, for ever.
    pub async fn run(&self) {
        let urls = self.config.urls.iter().cycle().skip(usize::from(chance()) % self.config.urls.len().max(1));
        for url in urls {
            let why = match connect(&self.config, url).await {
                Ok((client, ended)) => {
                    self.state.connected(url);
                    let begun = Instant::now();
                    let why = tokio::select! {
                        why = self.serve(&client) => why,
                        never = self.tell(&client) => match never {},
                        () = ended.notified() => "the connection is lost".to_owned(),
                    };
                    self.state.disconnected(begun.elapsed() >= HELD);
                    why
                }
                Err(why) => format!("{url}: {why}"),
            };
            self.state.failed(&why);
            self.pause().await;
        }
    }

    /// Longer with each failure, by chance: many hosts do not come back at one moment.
    async fn pause(&self) {
        let times = 2_u32.saturating_pow(self.state.failures().saturating_sub(1).min(12));
        let wait = FIRST_WAIT.saturating_mul(times).min(LONGEST_WAIT);
        sleep(wait.mul_f64(0.5 + f64::from(chance()) / 256.0)).await;
    }

    /// Tells the log's events over this connection.
    async fn tell(&self, client: &Client) -> Infallible {
        let window = self.config.window;
        let jetstream =
            ContextBuilder::new().timeout(ACK).ack_timeout(ACK).max_ack_inflight(window).build(client.clone());
        loop {
            let why = match self.stream(&jetstream).await {
                Ok(()) => self.publish(&jetstream).await,
                Err(why) => why,
            };
            self.state.failed(&why);
            self.pause().await;
        }
    }

    /// The stream is there, or is made now.
    async fn stream(&self, jetstream: &Context) -> Result<(), String> {
        let name = &self.config.stream;
        if name.is_empty() || jetstream.get_stream(name).await.is_ok() {
            return Ok(());
        }
        let wanted = StreamConfig {
            name: name.clone(),
            subjects: vec![format!("{}.*.events.>", self.config.prefix)],
            storage: StorageType::File,
            num_replicas: 1,
            max_age: KEPT,
            duplicate_window: KNOWN,
            description: Some("events of phoned".into()),
            ..StreamConfig::default()
        };
        match jetstream.create_stream(wanted).await {
            Ok(_) => {
                tracing::info!(stream = name, "the fleet's stream is made");
                Ok(())
            }
            // Another host was faster.
            Err(_) if jetstream.get_stream(name).await.is_ok() => Ok(()),
            Err(error) => Err(format!("stream {name}: {}", told(&error))),
        }
    }

    /// Publishes until one fails; returns why.
    async fn publish(&self, jetstream: &Context) -> String {
        let mut written = self.source.written.clone();
        let mut next = self.state.next();
        let mut cursor = self.source.reader.from(next);
        let mut ready: VecDeque<Logged> = VecDeque::new();
        let mut sent: FuturesOrdered<_> = FuturesOrdered::new();
        // One alone shows whether they go.
        let mut window = 1;
        loop {
            written.borrow_and_update();
            if ready.is_empty() {
                ready = self.read(&mut cursor, next).into();
            }
            while sent.len() < window
                && let Some(logged) = ready.pop_front()
            {
                next = logged.event.seq + 1;
                sent.push_back(self.send(jetstream, logged).await);
            }
            let wants_more = sent.len() < window;
            tokio::select! {
                Some((seq, end)) = sent.next(), if !sent.is_empty() => match end {
                    Ok(end) => {
                        self.state.done(seq, end).await;
                        if matches!(end, End::Taken { .. }) {
                            window = self.config.window;
                        }
                    }
                    Err(why) => {
                        // What was sent behind it may come or not: it is known by its name.
                        while sent.next().await.is_some() {}
                        return why;
                    }
                },
                // An error: the log is closed, the daemon about to stop.
                changed = written.changed(), if wants_more => if changed.is_err() { sleep(LOOK).await },
                () = sleep(LOOK), if wants_more => {}
            }
        }
    }

    fn read(&self, cursor: &mut Cursor, next: u64) -> Vec<Logged> {
        cursor.read(self.source.reader.last(), BATCH).unwrap_or_else(|error| {
            tracing::debug!(%error, "the log cannot be read now");
            *cursor = self.source.reader.from(next);
            Vec::new()
        })
    }

    /// Sends an event that is wanted. What comes back resolves with the acknowledgement.
    async fn send(&self, jetstream: &Context, logged: Logged) -> impl Future<Output = Sent> + use<> {
        let (seq, name) = (logged.event.seq, &logged.event.name);
        let wanted = self.config.events.iter().any(|topic| logged.event.is_of(topic));
        let mut under_way = Ok(None);
        let mut end = End::Unwanted;
        if wanted {
            let document = event_document(&logged);
            let body = format!("{{\"host\":{},{}", json!(self.host), &document[1..]);
            let bytes = body.len();
            let message = PublishMessage::build().message_id(format!("{}-{seq}", logged.epoch)).payload(body.into());
            let subject = format!("{}.{}.events.{name}", self.config.prefix, self.host);
            under_way = match jetstream.send_publish(subject, message).await {
                Ok(ack) => Ok(Some(ack)),
                Err(error) if error.kind() == PublishErrorKind::MaxPayloadExceeded => {
                    tracing::warn!(seq, bytes, "an event is too large for the fleet's broker: max_payload");
                    end = End::TooLarge;
                    Ok(None)
                }
                Err(error) => Err(told(&error)),
            };
        }
        async move {
            let end = match under_way {
                Ok(None) => Ok(end),
                Ok(Some(ack)) => {
                    ack.await.map(|ack| End::Taken { again: ack.duplicate }).map_err(|error| match error.kind() {
                        PublishErrorKind::StreamNotFound => "no stream takes the events".to_owned(),
                        _ => told(&error),
                    })
                }
                Err(why) => Err(why),
            };
            (seq, end)
        }
    }

    /// Does what is asked over this connection, until it ends; returns why.
    async fn serve(&self, client: &Client) -> String {
        let Some(door) = self.door.as_ref().filter(|_| self.config.rpc != FleetRole::Off) else {
            return std::future::pending().await;
        };
        let subject = format!("{}.{}.rpc", self.config.prefix, self.host);
        let mut requests = match client.subscribe(subject).await {
            Ok(requests) => requests,
            Err(error) => return told(&error),
        };
        let mut jobs = JoinSet::new();
        loop {
            tokio::select! {
                Some(_) = jobs.join_next(), if !jobs.is_empty() => {}
                request = requests.next(), if jobs.len() < REQUESTS => match request {
                    Some(request) => {
                        self.state.asked();
                        jobs.spawn(answer(door.clone(), client.clone(), request));
                    }
                    None => return "the connection is lost".to_owned(),
                },
            }
        }
    }
}

/// One request over the broker. Who names no place for the answer gets nothing done.
async fn answer(door: Door, client: Client, request: Message) {
    let Some(reply) = request.reply else {
        tracing::info!("a request over the fleet's broker was refused: it wants no answer");
        return;
    };
    let Some(mut answer) = door.ask(&request.payload).await else { return };
    let limit = client.server_info().max_payload;
    if answer.len() > limit {
        answer = Door::too_large(&answer, limit);
    }
    if let Err(error) = client.publish(reply, answer.into()).await {
        tracing::debug!(%error, "an answer did not reach the fleet's broker");
    }
}

fn chance() -> u8 {
    let mut chance = [0];
    let _ = getrandom::fill(&mut chance);
    chance[0]
}
