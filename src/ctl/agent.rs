//! `phonectl agent`: whether who sits at a seat takes calls.

use serde_json::{Value, json};

use super::client::{Client, Failure};
use super::{Out, show};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    what: Option<What>,
    /// The seat: its name, else its input device, else its account [default: the only one]
    #[arg(long, global = true)]
    seat: Option<String>,
    /// One of its accounts
    #[arg(long, global = true, conflicts_with = "seat")]
    account: Option<String>,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Take calls
    Ready,
    /// Take none
    NotReady {
        /// Why
        reason: Option<String>,
    },
    /// Take none for a while
    WrapUp {
        /// How long [default: [phone] wrap_up]
        seconds: Option<u64>,
    },
    /// Take none, whatever the state
    Dnd {
        /// on or off
        what: OnOff,
    },
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum OnOff {
    On,
    Off,
}

/// Says it, or shows every agent.
pub(super) fn run(client: &mut Client, out: &mut Out, arguments: Arguments) -> Result<(), Failure> {
    let mut params = match &arguments.what {
        Some(What::Ready) => json!({ "state": "ready" }),
        Some(What::NotReady { reason }) => json!({ "state": "notReady", "reason": reason }),
        Some(What::WrapUp { seconds }) => json!({ "state": "wrapUp", "seconds": seconds }),
        Some(What::Dnd { what }) => json!({ "dnd": matches!(what, OnOff::On) }),
        None => json!({}),
    };
    let sets = arguments.what.is_some();
    let named = arguments.seat.is_some() || arguments.account.is_some();
    params["seat"] = arguments.seat.into();
    params["account"] = arguments.account.into();
    if let Some(params) = params.as_object_mut() {
        params.retain(|_, value| !value.is_null());
    }
    let agents = match (sets, named) {
        (true, _) => json!([client.call("agent.set", params)?]),
        (false, true) => json!([client.call("agent.get", params)?]),
        (false, false) => client.call("phone.get", json!({}))?["agents"].clone(),
    };
    out.documents(&agents, table)
}

fn table(agents: &[Value], colour: bool) -> Vec<String> {
    let row = |agent: &Value| {
        let accounts: Vec<String> = agent["accounts"].as_array().into_iter().flatten().map(show::text).collect();
        let mut state = show::text(&agent["state"]);
        if agent["dnd"] == true {
            state += ", do not disturb";
        }
        let more = [("reason", ""), ("until", "until "), ("forward", "calls go to ")];
        let more = more.iter().filter(|(key, _)| !agent[*key].is_null());
        let more: Vec<String> = more.map(|(key, word)| format!("{word}{}", show::text(&agent[*key]))).collect();
        vec![show::text(&agent["seat"]), accounts.join(", "), state, more.join(", ")]
    };
    if agents.is_empty() {
        return vec!["no seats".into()];
    }
    show::table(&["SEAT", "ACCOUNTS", "STATE", ""], agents.iter().map(row), colour)
}
