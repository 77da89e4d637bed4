//! `phonectl webhooks`: how far each web server is that is told what happens, and what it did not take.

use serde_json::{Value, json};

use super::client::{Client, Failure};
use super::{Out, show};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Verb {
    /// List them, and how far each is
    Ls,
    /// List the events that were left, oldest first
    Dead {
        /// Of this webhook only
        name: Option<String>,
    },
    /// Send a signed test event now: 0, or 1 when it is not taken
    Test {
        /// As ls lists it
        name: String,
    },
}

/// Does what is wanted.
pub(super) fn run(client: &mut Client, out: &mut Out, verb: Verb) -> Result<(), Failure> {
    match verb {
        Verb::Ls => out.documents(&client.call("webhook.list", json!({}))?, table),
        Verb::Dead { name } => {
            let hooks = client.call("webhook.list", json!({}))?;
            let hooks = hooks.as_array().map(Vec::as_slice).unwrap_or_default();
            let wanted = |hook: &&Value| name.as_ref().is_none_or(|name| hook["name"] == **name);
            if name.is_some() && !hooks.iter().any(|hook| wanted(&hook)) {
                return Err(Failure::Nothing("there is no such webhook: ls names them".into()));
            }
            let letters = hooks.iter().filter(wanted).flat_map(|hook| {
                hook["deadLetters"].as_array().into_iter().flatten().map(|letter| {
                    let mut letter = letter.clone();
                    letter["webhook"] = hook["name"].clone();
                    letter
                })
            });
            out.documents(&letters.collect(), dead)
        }
        Verb::Test { name } => {
            let tested = client.call("webhook.test", json!({ "name": name }))?;
            let said = match tested["status"].as_u64() {
                Some(status) => format!("the server says {status} after {} ms", tested["durationMs"]),
                None => show::text(&tested["error"]),
            };
            out.document(&tested, |_| vec![said.clone()])?;
            if tested["delivered"] == true { Ok(()) } else { Err(Failure::Nothing("not taken".into())) }
        }
    }
}

fn table(hooks: &[Value], colour: bool) -> Vec<String> {
    let row = |hook: &Value| {
        let retry = hook["retryInMs"].as_u64().map(|ms| format!(", again in {} s", ms.div_ceil(1000)));
        let count = |key: &str| hook[key].as_u64().unwrap_or_default().to_string();
        vec![
            show::text(&hook["name"]),
            show::text(&hook["state"]) + &retry.unwrap_or_default(),
            count("delivered"),
            count("behind"),
            count("dead"),
            count("lost"),
            show::text(&hook["url"]),
            show::text(&hook["lastError"]),
        ]
    };
    if hooks.is_empty() {
        return vec!["no webhooks".into()];
    }
    let titles = ["NAME", "STATE", "DELIVERED", "BEHIND", "DEAD", "LOST", "URL", ""];
    show::table(&titles, hooks.iter().map(row), colour)
}

fn dead(letters: &[Value], colour: bool) -> Vec<String> {
    let row = |letter: &Value| {
        ["webhook", "seq", "time", "event", "callId", "reason"].map(|key| show::text(&letter[key])).to_vec()
    };
    if letters.is_empty() {
        return vec!["no dead letters".into()];
    }
    show::table(&["WEBHOOK", "SEQ", "TIME", "EVENT", "CALL", "REASON"], letters.iter().map(row), colour)
}
