//! The way in for those without a connection that stays: one document, one answer.

use jsonrpsee::types::{Id, error};
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};

use super::wire::{Call, Parsed, parse_line};
use super::{Command, MAX_LINE, Request, Role, connection, errors};

/// Asks the loop that owns the phone, on behalf of somebody with a role.
#[derive(Clone)]
pub struct Door {
    who: (u32, Role),
    gate: watch::Receiver<u64>,
    requests: mpsc::Sender<Request>,
}

impl Door {
    /// For a user with a role. `gate` moves with the event log; `requests` leads to the loop.
    pub fn new(user: u32, role: Role, gate: watch::Receiver<u64>, requests: mpsc::Sender<Request>) -> Door {
        Door { who: (user, role), gate, requests }
    }

    /// Does what a document asks, in its order, and returns the answer; none: the loop is gone.
    pub async fn ask(&self, document: &[u8]) -> Option<Vec<u8>> {
        let parsed = read(document, self.who.1);
        let mut answer = connection::once(parsed, self.who, self.gate.clone(), self.requests.clone()).await?;
        if answer.last() == Some(&b'\n') {
            answer.pop();
        }
        Some(answer)
    }

    /// What is said in place of an answer that the way cannot carry.
    pub fn too_large(answer: &[u8], limit: usize) -> Vec<u8> {
        let id = serde_json::from_slice::<Value>(answer).ok().and_then(|mut whole| Some(whole.get_mut("id")?.take()));
        let describe = format!("the answer has {} bytes, the broker takes {limit}", answer.len());
        let data = json!({ "describe": describe, "hint": "ask for less: page, size, limit", "retryable": false });
        let error = json!({
            "code": error::OVERSIZED_RESPONSE_CODE, "message": error::OVERSIZED_RESPONSE_MSG, "data": data,
        });
        json!({ "jsonrpc": "2.0", "id": id, "error": error }).to_string().into_bytes()
    }
}

/// Reads a document that is answered whole; subscriptions need a connection that stays.
pub(super) fn read(document: &[u8], role: Role) -> Parsed {
    if document.len() > MAX_LINE {
        return refuse(errors::line_too_long());
    }
    match parse_line(document, role) {
        Parsed::Blank => refuse(errors::parse("there is nothing to read")),
        Parsed::One(call) => Parsed::One(without_events(call)),
        Parsed::Batch(calls) => Parsed::Batch(calls.into_iter().map(without_events).collect()),
    }
}

/// An answer to nothing in particular.
pub(super) fn refuse(error: error::ErrorObjectOwned) -> Parsed {
    Parsed::One(Call { id: Id::Null, command: Command::Refuse(error) })
}

fn without_events(call: Call) -> Call {
    let command = match call.command {
        Command::Subscribe(_) | Command::Unsubscribe(_) => {
            Command::Refuse(errors::request("events need a connection that stays: the WebSocket at /ws"))
        }
        command => command,
    };
    Call { command, ..call }
}
