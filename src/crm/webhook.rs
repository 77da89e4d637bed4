//! One webhook: a place in the event log that moves on with each event that its server took. There is no queue beside the log.
//!
//! Events go out one by one, in the log's order, so the order of each session is kept. A server that does not answer is waited
//! for; the place is written before the next event goes, so after a crash at most the last one comes twice, with the same
//! `webhook-id`.

mod message;
mod state;

use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::Request;
use hyper::body::Bytes;
use serde_json::{Value, json};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep};

use super::http::Http;
use super::{Source, signature};
use crate::config::WebhookConfig;
use crate::store::{Cursor, Logged, Reader};
use crate::ua::error::{Code, Error};
use message::Message;
use state::State;

/// What is read of the log at once, bytes.
const BATCH: usize = 64 * 1024;
/// The log is looked at so often even if nobody says that it grew.
const LOOK: Duration = Duration::from_secs(1);
/// The longest wait between two tries.
const LONGEST: Duration = Duration::from_secs(600);
/// A test takes no longer: who asked for it waits 10 s.
const TEST: Duration = Duration::from_secs(8);

/// What others see of a webhook; its clones are the same one.
#[derive(Clone)]
pub(super) struct Webhook {
    config: Arc<WebhookConfig>,
    key: Arc<[u8]>,
    http: Http,
    state: Arc<State>,
    reader: Reader,
    /// A test went well: what waits need not.
    woken: Arc<Notify>,
}

/// How a try ended.
enum Outcome {
    Delivered,
    /// 410: it wants no more.
    Gone,
    /// The server said no to this event.
    Refused(String),
    /// The server is not there, or says that it is ill; perhaps when to come again.
    Ill(String, Option<u64>),
}

impl Webhook {
    /// The webhook, and its life: to be spawned.
    pub fn start(
        name: &str,
        config: WebhookConfig,
        source: &Source,
        http: Http,
    ) -> (Webhook, impl Future<Output = ()> + use<>) {
        let key = config.secret.as_ref().and_then(|secret| signature::key(secret.expose()).ok()).unwrap_or_default();
        let state = State::load(&source.dir, name, &config.url, source.first);
        let hook = Webhook {
            config: Arc::new(config),
            key: key.into(),
            http,
            state: Arc::new(state),
            reader: source.reader.clone(),
            woken: Arc::default(),
        };
        let life = hook.clone().live(source.written.clone());
        (hook, life)
    }

    /// `webhook.list`
    pub fn view(&self) -> Value {
        self.state.view(&self.config, self.reader.last())
    }

    /// `webhook.test`: a `webhook.test` event, told at once. One that is taken switches the webhook on again.
    pub async fn test(&self) -> Value {
        let begun = Instant::now();
        let limit = Duration::from_secs(self.config.timeout).min(TEST);
        let (status, error) = match self.post(&Message::test(), limit).await {
            Ok((status, _)) if (200..300).contains(&status) => (Some(status), None),
            Ok((status, _)) => (Some(status), Some(format!("the server says {status}"))),
            Err(why) => (None, Some(why)),
        };
        if error.is_none() {
            self.state.enable().await;
            self.woken.notify_one();
        }
        let took = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        json!({ "delivered": error.is_none(), "status": status, "durationMs": took, "error": error })
    }

    /// `webhook.retry`: the dead letter of that id, or all, out of the log and at once; the live events go on meanwhile.
    pub async fn retry(&self, id: Option<&str>) -> Result<Value, Error> {
        let letters = self.state.letters(id);
        if letters.is_empty() && id.is_some() {
            let unknown = Error::new(Code::InvalidParams, "there is no dead letter of that id");
            return Err(unknown.path("id").hint("webhook.list names the last 100: epoch, -, seq"));
        }
        let end = Instant::now() + TEST;
        let (mut delivered, mut failed, mut error) = (0, 0, None);
        for (seq, epoch) in letters {
            let limit = Duration::from_secs(self.config.timeout).min(end.saturating_duration_since(Instant::now()));
            if limit.is_zero() {
                break;
            }
            match self.send_again(seq, &epoch, limit).await {
                Ok(()) => {
                    self.state.raised(seq, &epoch).await;
                    delivered += 1;
                }
                Err(why) => (failed, error) = (failed + 1, Some(why)),
            }
        }
        let left = self.state.letters(None).len();
        Ok(json!({ "delivered": delivered, "failed": failed, "left": left, "error": error }))
    }

    async fn send_again(&self, seq: u64, epoch: &str, limit: Duration) -> Result<(), String> {
        let mut read = self.reader.from(seq).read(seq, 1).map_err(|error| error.to_string())?;
        let logged = read.pop().filter(|logged| logged.event.seq == seq && *logged.epoch == *epoch);
        let message = Message::of(&logged.ok_or("it is no longer in the log")?);
        match self.post(&message, limit).await? {
            (200..=299, _) => Ok(()),
            (status, _) => Err(format!("the server says {status}")),
        }
    }

    async fn live(self, mut written: watch::Receiver<u64>) {
        let mut cursor = self.reader.from(self.state.next());
        loop {
            written.borrow_and_update();
            let events = self.read(&mut cursor);
            if events.is_empty() {
                tokio::select! {
                    // An error: the log is closed, the daemon about to stop.
                    changed = written.changed() => if changed.is_err() { sleep(LOOK).await },
                    () = sleep(LOOK) => {}
                }
            }
            for logged in events {
                let seq = logged.event.seq;
                self.state.met(seq);
                if self.wants(&logged) {
                    self.deliver(Message::of(&logged)).await;
                } else {
                    self.state.passed(seq).await;
                }
            }
        }
    }

    fn read(&self, cursor: &mut Cursor) -> Vec<Logged> {
        cursor.read(self.reader.last(), BATCH).unwrap_or_else(|error| {
            tracing::debug!(%error, "the log cannot be read now");
            *cursor = self.reader.from(self.state.next());
            Vec::new()
        })
    }

    fn wants(&self, logged: &Logged) -> bool {
        let account = self.config.account.is_none() || self.config.account == logged.event.account;
        account && self.config.events.iter().any(|topic| logged.event.is_of(topic))
    }

    /// Tries until the event is taken, or is a dead letter; the place is on the disk then.
    async fn deliver(&self, message: Message) {
        let mut refusals = 0;
        loop {
            self.enabled().await;
            let too_old = message.age_s() > self.config.max_age;
            if too_old && self.state.failures() > 0 {
                return self.state.bury(&message, "too old: the server was not there in time").await;
            }
            let limit = Duration::from_secs(self.config.timeout);
            let (why, later) = match self.outcome(&message, limit).await {
                Outcome::Delivered => return self.state.delivered(message.seq).await,
                Outcome::Gone => {
                    tracing::warn!(
                        webhook = self.state.name(),
                        "410: it is told nothing more; webhook.test switches it on again"
                    );
                    self.state.disable().await;
                    continue;
                }
                Outcome::Refused(why) => {
                    refusals += 1;
                    if refusals >= self.config.tries {
                        return self.state.bury(&message, &why).await;
                    }
                    (why, None)
                }
                Outcome::Ill(why, later) => (why, later),
            };
            let wait = self.wait(later);
            self.state.failed(&why, wait);
            tokio::select! {
                () = sleep(wait) => {}
                () = self.woken.notified() => {}
            }
        }
    }

    async fn enabled(&self) {
        while self.state.is_disabled() {
            self.woken.notified().await;
        }
    }

    async fn outcome(&self, message: &Message, limit: Duration) -> Outcome {
        match self.post(message, limit).await {
            Ok((200..=299, _)) => Outcome::Delivered,
            Ok((410, _)) => Outcome::Gone,
            // What proxies say while the server behind them is away.
            Ok((status @ (429 | 502..=504), later)) => Outcome::Ill(format!("the server says {status}"), later),
            Ok((status, _)) => Outcome::Refused(format!("the server says {status}")),
            Err(why) => Outcome::Ill(why, None),
        }
    }

    /// One POST: its status, and when to come again.
    async fn post(&self, message: &Message, limit: Duration) -> Result<(u16, Option<u64>), String> {
        let timestamp = message::wall() / 1000;
        let signed = signature::sign(&self.key, &message.id, timestamp, &message.body);
        let request = Request::post(self.config.url.as_str())
            .header("content-type", "application/json")
            .header("user-agent", concat!("phoned/", env!("CARGO_PKG_VERSION")))
            .header("webhook-id", &message.id)
            .header("webhook-timestamp", timestamp)
            .header("webhook-signature", signed)
            .body(Full::new(Bytes::from(message.body.clone())))
            .map_err(|error| error.to_string())?;
        let answer = self.http.send(request, limit).await?;
        Ok((answer.status, answer.retry_after))
    }

    /// Three times as long with each failure, a tenth of it by chance: many hosts do not come back at one moment.
    fn wait(&self, later: Option<u64>) -> Duration {
        let times = 3_u64.saturating_pow(self.state.failures().min(16));
        let wait = Duration::from_millis(self.config.retry_ms.saturating_mul(times)).min(LONGEST);
        let wait = wait.max(Duration::from_secs(later.unwrap_or(0).min(3600)));
        let mut chance = [0];
        let _ = getrandom::fill(&mut chance);
        wait + wait.mul_f64(f64::from(chance[0]) / 2560.0)
    }
}
