//! What was: events out of the log, call detail records, recordings.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::client::{Client, Failure};
use super::{Out, show};

/// `phonectl events`
#[derive(Debug, Args)]
pub(super) struct Events {
    /// Event names, device.* for a family; none: all
    topics: Vec<String>,
    /// The first event
    #[arg(long, value_name = "SEQ", conflicts_with = "last")]
    from: Option<u64>,
    /// The last event; left out: the newest
    #[arg(long, value_name = "SEQ")]
    to: Option<u64>,
    /// Without --from: so many of the newest
    #[arg(long, value_name = "N", default_value_t = 20)]
    last: u64,
}

/// `phonectl cdrs`
#[derive(Debug, Args)]
pub(super) struct Cdrs {
    /// Begun at or after this: 2026-11-23, or 2026-11-23T08:00:00Z
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Begun at or before this
    #[arg(long, value_name = "TIME")]
    to: Option<String>,
    /// Of this account
    #[arg(long, short)]
    account: Option<String>,
    /// With this number, or to it
    #[arg(long, short)]
    number: Option<String>,
    /// Only inbound calls that nobody answered
    #[arg(long, short)]
    missed: bool,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: usize,
}

/// `phonectl recordings`
#[derive(Debug, Subcommand)]
pub(super) enum RecordingsVerb {
    /// List them, newest first
    Ls {
        /// Of this account
        #[arg(long, short)]
        account: Option<String>,
        /// Of this call
        #[arg(long, value_name = "CALLID")]
        call: Option<String>,
        /// At most so many
        #[arg(long, value_name = "N", default_value_t = 50)]
        limit: usize,
    },
    /// Show all of a recording
    Show {
        /// As ls lists it
        id: String,
    },
    /// Say whether recordings are what their hashes say: 0, or 1 when one is not
    Verify {
        /// As ls lists them
        #[arg(required = true)]
        ids: Vec<String>,
    },
    /// Delete recordings
    Rm {
        /// As ls lists them
        #[arg(required = true)]
        ids: Vec<String>,
    },
}

impl Default for RecordingsVerb {
    fn default() -> Self {
        RecordingsVerb::Ls { account: None, call: None, limit: 50 }
    }
}

/// Prints events out of the log, each with its seq.
pub(super) fn events(client: &mut Client, out: &mut Out, which: Events) -> Result<(), Failure> {
    let from = match which.from {
        Some(seq) => seq,
        None => {
            let newest = client.call("phone.get", json!({}))?["seq"].as_u64().unwrap_or(0);
            which.to.unwrap_or(newest).min(newest).saturating_sub(which.last.saturating_sub(1)).max(1)
        }
    };
    let (mut next, colour) = (Some(from), out.colour);
    while let Some(seq) = next {
        let mut params = json!({ "fromSeq": seq });
        if let Some(to) = which.to {
            params["toSeq"] = to.into();
        }
        let mut answer = client.call("events.replay", params)?;
        next = answer["nextSeq"].as_u64().filter(|next| which.to.is_none_or(|to| *next <= to));
        for event in answer.get_mut("events").and_then(Value::as_array_mut).into_iter().flatten() {
            if wanted(&which.topics, event["event"].as_str().unwrap_or_default()) {
                out.document(&event.take(), |event| vec![format!("{} {}", event["seq"], show::event(event, colour))])?;
            }
        }
    }
    Ok(())
}

/// As the daemon reads topics.
fn wanted(topics: &[String], name: &str) -> bool {
    let covers = |topic: &String| match topic.strip_suffix('*') {
        Some(family) => name.starts_with(family),
        None => topic == name,
    };
    topics.is_empty() || topics.iter().any(covers)
}

/// Prints call detail records.
pub(super) fn cdrs(client: &mut Client, out: &mut Out, which: Cdrs) -> Result<(), Failure> {
    let mut filter =
        super::given([("from", which.from), ("to", which.to), ("account", which.account), ("number", which.number)]);
    if which.missed {
        filter["missed"] = true.into();
    }
    // The most that one answer holds.
    let size = which.limit.clamp(1, 200);
    let ask = |page: usize| ("cdr.query", json!({ "page": page + 1, "size": size, "filter": filter }));
    let cdrs = pages(client, "cdrs", which.limit, ask)?;
    out.documents(&cdrs, show::cdrs)
}

/// Does what is wanted with recordings.
pub(super) fn recordings(client: &mut Client, out: &mut Out, what: RecordingsVerb) -> Result<(), Failure> {
    match what {
        RecordingsVerb::Ls { account, call, limit } => {
            let size = limit.clamp(1, 1000);
            let ask = |page: usize| {
                let mut params = super::given([("account", account.clone()), ("callId", call.clone())]);
                (params["page"], params["size"]) = (page.into(), size.into());
                ("recording.list", params)
            };
            let recordings = pages(client, "recordings", limit, ask)?;
            out.documents(&recordings, show::recordings)
        }
        RecordingsVerb::Show { id } => {
            let recording = client.call("recording.get", json!({ "id": id }))?;
            out.document(&recording, show::pretty)
        }
        RecordingsVerb::Verify { ids } => {
            let mut broken = Vec::new();
            for id in ids {
                let verdict = client.call("recording.verify", json!({ "id": id }))?;
                let words = if verdict["valid"] == true { "as it was recorded" } else { "CHANGED" };
                out.document(&verdict, |_| vec![show::clean(&format!("{id}: {words}"))])?;
                if verdict["valid"] != true {
                    broken.push(id);
                }
            }
            if broken.is_empty() {
                return Ok(());
            }
            Err(Failure::Nothing(format!("changed since they were recorded: {}", broken.join(" "))))
        }
        RecordingsVerb::Rm { ids } => {
            ids.iter().try_for_each(|id| out.done(&client.call("recording.delete", json!({ "id": id }))?))
        }
    }
}

/// The entries of page after page, up to a limit.
fn pages(
    client: &mut Client,
    entries: &str,
    limit: usize,
    ask: impl Fn(usize) -> (&'static str, Value),
) -> Result<Value, Failure> {
    let mut all = Vec::new();
    for page in 0.. {
        let (method, params) = ask(page);
        let mut answer = client.call(method, params)?;
        let Some(Value::Array(more)) = answer.get_mut(entries).map(Value::take) else { break };
        let (got, total) = (more.len(), answer["total"].as_u64().unwrap_or(0));
        all.extend(more);
        if got == 0 || all.len() >= limit || all.len() as u64 >= total {
            break;
        }
    }
    all.truncate(limit);
    Ok(Value::Array(all))
}
