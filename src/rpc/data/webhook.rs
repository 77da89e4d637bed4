//! Webhooks.

use schemars::JsonSchema;

/// Every webhook.
pub type Webhooks = Vec<Webhook>;

/// A webhook, and how far it is.
#[derive(Debug, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Webhook {
    /// Its name: `[webhooks.NAME]`.
    pub name: String,
    /// Where it sends, without the query.
    pub url: String,
    /// The events that it is told.
    pub events: Vec<String>,
    /// This account's only.
    pub account: Option<String>,
    /// How it goes.
    pub state: WebhookState,
    /// The next event of the log that it looks at.
    pub next_seq: u64,
    /// Events of the log that it has not looked at.
    pub behind: u64,
    /// Events that the server took.
    pub delivered: u64,
    /// Tries in a row that failed.
    pub failures: u32,
    /// Why the last one failed.
    pub last_error: Option<String>,
    /// Until the next try.
    pub retry_in_ms: Option<u64>,
    /// Events that were thrown out of the log before it came to them.
    pub lost: u64,
    /// Events that were left.
    pub dead: u64,
    /// The last 100 of them: `events.replay` reads them by their seq.
    pub dead_letters: Vec<DeadLetter>,
}

/// How a webhook goes.
#[derive(Debug, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum WebhookState {
    /// The last try went well, or there was none.
    Ok,
    /// The last one did not.
    Failing,
    /// The server said 410: it is told nothing until a `webhook.test` goes well.
    Disabled,
}

/// An event that a server did not take.
#[derive(Debug, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeadLetter {
    /// Its seq.
    pub seq: u64,
    /// The life of the event log that seq belongs to.
    pub epoch: String,
    /// Its name.
    pub event: String,
    /// Its session.
    pub call_id: Option<String>,
    /// When it happened (RFC 3339, UTC).
    pub time: String,
    /// Why it was left.
    pub reason: String,
}

/// How a test went.
#[derive(Debug, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WebhookTested {
    /// The server took it.
    pub delivered: bool,
    /// What it said.
    pub status: Option<u16>,
    /// How long it took.
    pub duration_ms: u64,
    /// What went wrong.
    pub error: Option<String>,
}

/// What became of dead letters that were sent once more.
#[derive(Debug, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WebhookRetried {
    /// So many the server took.
    pub delivered: u32,
    /// So many it did not.
    pub failed: u32,
    /// Dead letters that are still named.
    pub left: u32,
    /// What went wrong with the last one that failed.
    pub error: Option<String>,
}
