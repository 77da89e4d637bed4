//! Subscriptions, events and what is kept of calls.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::{Account, Agent, Session};
use crate::ua::cdr::Cdr;
use crate::ua::io::DeviceInfo;

/// The beginning of a subscription.
#[derive(Debug, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Begin {
    /// Its number: its events carry it.
    pub subscription: u64,
    /// The last event that is part of this answer: the `prev` of the first notification.
    pub seq: u64,
    /// The life of the event log that seq belongs to.
    pub epoch: String,
    /// All there is at seq, where it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<Snapshot>,
}

/// All there is, at one seq.
#[derive(Debug, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Snapshot {
    /// Every account.
    pub accounts: Vec<Account>,
    /// Every session.
    pub sessions: Vec<Session>,
    /// Every sound device.
    pub devices: Vec<DeviceInfo>,
    /// The agent of each seat.
    pub agents: Vec<Agent>,
}

/// An event as it is told: the `result` of a notification, and what the log gives back.
#[derive(Debug, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// Rises by one per event; that of a sample is the one of the event before it.
    pub seq: u64,
    /// The seq of the notification before it in this subscription; not in `events.replay`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prev: Option<u64>,
    /// The life of the event log.
    pub epoch: String,
    /// When it happened: RFC 3339, UTC, ms.
    pub time: String,
    /// Its name.
    pub event: String,
    /// The session that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call_id: Option<String>,
    /// The account that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// As the event's name says.
    pub data: Data,
}

/// The data of an event.
#[derive(Debug)]
pub struct Data;

impl JsonSchema for Data {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Data".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "object", "additionalProperties": true })
    }
}

/// Events out of the log.
#[derive(Debug, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Replayed {
    /// In their order, without a gap.
    pub events: Vec<Event>,
    /// Where to go on; null: no more.
    pub next_seq: Option<u64>,
    /// The life of the event log.
    pub epoch: String,
}

/// A page of call detail records.
#[derive(Debug, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Cdrs {
    /// How many fit the filter.
    pub total: usize,
    /// Which page this is, from 1.
    pub page: usize,
    /// Records on a page.
    pub size: usize,
    /// The records of this page.
    pub cdrs: Vec<Record>,
}

/// A call detail record that is kept.
#[derive(Debug, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "KeptCdr")]
pub struct Record {
    /// The seq of its `cdrChange`.
    pub id: u64,
    /// The record.
    #[serde(flatten)]
    pub cdr: Cdr,
}
