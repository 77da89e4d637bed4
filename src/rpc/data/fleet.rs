//! The bridge to a broker.

use schemars::JsonSchema;

use crate::config::FleetRole;

/// The bridge to a broker of many hosts, and how far it is. Without `[fleet] urls` all but the state is null.
#[derive(Debug, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Fleet {
    /// How it goes.
    pub state: FleetState,
    /// What this host is called in subjects.
    pub host: Option<String>,
    /// What its subjects begin with: `PREFIX.HOST.events.EVENT`, `PREFIX.HOST.rpc`.
    pub prefix: Option<String>,
    /// The stream that keeps its events.
    pub stream: Option<String>,
    /// What requests over the broker may do.
    pub rpc: Option<FleetRole>,
    /// The server that it is connected to.
    pub server: Option<String>,
    /// The next event of the log that the broker has to acknowledge.
    pub next_seq: Option<u64>,
    /// Events of the log that it has not acknowledged.
    pub behind: Option<u64>,
    /// Events that it took.
    pub published: Option<u64>,
    /// Of these, since the daemon began, those that it had already.
    pub duplicates: Option<u64>,
    /// Events that the log had no more, or that were too large for the broker.
    pub lost: Option<u64>,
    /// Failures in a row: to connect, or to have an event acknowledged.
    pub failures: Option<u32>,
    /// Why the last one failed.
    pub last_error: Option<String>,
    /// Requests that came over the broker since the daemon began.
    pub requests: Option<u64>,
}

/// How the bridge goes.
#[derive(Debug, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum FleetState {
    /// There is none: `[fleet] urls`.
    Off,
    /// The broker is there.
    Connected,
    /// It is not; it is tried again.
    Down,
}
