//! An event as a webhook tells it: `{type, timestamp, seq, epoch, callId?, account?, data}`.

use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;
use serde_json::json;
use serde_json::value::RawValue;

use crate::store::Logged;
use crate::ua::event::rfc3339;

/// What is sent, however often.
pub(super) struct Message {
    /// `webhook-id`: the same for each try, so that the server knows what it has.
    pub id: String,
    pub body: Vec<u8>,
    /// When it happened, ms since 1970.
    pub at: i64,
    /// Which event of the log it is.
    pub seq: u64,
    pub epoch: String,
    pub event: String,
    pub call_id: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    r#type: &'a str,
    timestamp: String,
    seq: u64,
    epoch: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    call_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<&'a str>,
    data: &'a RawValue,
}

impl Message {
    /// Of an event: its epoch and seq are its name.
    pub fn of(logged: &Logged) -> Message {
        let event = &logged.event;
        let body = Body {
            r#type: &event.name,
            timestamp: rfc3339(event.wall),
            seq: event.seq,
            epoch: &logged.epoch,
            call_id: event.call_id.as_deref(),
            account: event.account.as_deref(),
            data: event.data.raw(),
        };
        let body = serde_json::to_vec(&body).unwrap_or_default();
        Message {
            id: format!("{}-{}", logged.epoch, event.seq),
            body,
            at: event.wall,
            seq: event.seq,
            epoch: logged.epoch.to_string(),
            event: event.name.clone(),
            call_id: event.call_id.clone(),
        }
    }

    /// A test.
    pub fn test() -> Message {
        let at = wall();
        let event = "webhook.test".to_owned();
        let body = json!({ "type": event, "timestamp": rfc3339(at), "data": {} });
        let (id, body) = (format!("test-{at}"), body.to_string().into_bytes());
        Message { id, body, at, seq: 0, epoch: String::new(), event, call_id: None }
    }

    /// How long ago it happened, s.
    pub fn age_s(&self) -> u64 {
        u64::try_from((wall() - self.at) / 1000).unwrap_or(0)
    }
}

/// ms since 1970.
#[expect(clippy::disallowed_methods, reason = "edge: when it is sent")]
pub(super) fn wall() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_millis()).unwrap_or(0)
}
