//! Who is told what happens: `phonectl webhooks`, how far each web server is and what it did not take; `phonectl fleet`, the broker.

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
    /// Send dead letters once more: 0, or 1 when one is not taken
    Retry {
        /// As ls lists it
        name: String,
        /// As dead lists it: this one only
        seq: Option<u64>,
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
        Verb::Retry { name, seq } => {
            let hooks = client.call("webhook.list", json!({}))?;
            let letters = hooks.as_array().into_iter().flatten().filter(|hook| hook["name"] == *name);
            let mut letters = letters.flat_map(|hook| hook["deadLetters"].as_array().into_iter().flatten());
            let letter = seq.map(|seq| letters.find(|letter| letter["seq"] == seq));
            let id = match letter {
                None => None,
                Some(Some(letter)) => Some(format!("{}-{}", show::text(&letter["epoch"]), letter["seq"])),
                Some(None) => return Err(Failure::Nothing("there is no such dead letter: dead names them".into())),
            };
            let done = client.call("webhook.retry", json!({ "name": name, "id": id }))?;
            let why = done["error"].as_str().map(|why| format!(": {why}")).unwrap_or_default();
            let said = format!("{} taken, {} not{why}; {} are left", done["delivered"], done["failed"], done["left"]);
            out.document(&done, |_| vec![said.clone()])?;
            if done["failed"] == 0 { Ok(()) } else { Err(Failure::Nothing("not all were taken".into())) }
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

/// `phonectl fleet`
pub(super) fn fleet(client: &mut Client, out: &mut Out) -> Result<(), Failure> {
    let status = client.call("fleet.status", json!({}))?;
    out.documents(&json!([status]), broker)?;
    match status["state"].as_str() {
        Some("connected" | "off") => Ok(()),
        _ => Err(Failure::Nothing(format!("the broker is not there: {}", show::text(&status["lastError"])))),
    }
}

fn broker(found: &[Value], colour: bool) -> Vec<String> {
    let keys = ["state", "host", "server", "published", "behind", "lost", "requests"];
    let row = |status: &Value| keys.map(|key| show::text(&status[key])).to_vec();
    if found.iter().all(|status| status["state"] == "off") {
        return vec!["no fleet: [fleet] urls".into()];
    }
    let titles = ["STATE", "HOST", "SERVER", "PUBLISHED", "BEHIND", "LOST", "REQUESTS"];
    show::table(&titles, found.iter().map(row), colour)
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
