//! `phonectl trace`: the SIP of a call, as a ladder, in full, or for Wireshark.

mod ladder;
mod pcap;
pub(super) mod step;

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::client::{Client, Failure};
use super::{Out, Which, session};
use step::Step;

/// Between two looks with `--follow`.
const PACE: Duration = Duration::from_millis(500);

/// `phonectl trace`
#[derive(Debug, clap::Args)]
pub(super) struct Trace {
    #[command(flatten)]
    which: Which,
    /// Print the messages too
    #[arg(long)]
    full: bool,
    /// Go on until the call is over
    #[arg(long, conflicts_with = "pcap")]
    follow: bool,
    /// Write a file that Wireshark and tshark read
    #[arg(long, value_name = "FILE")]
    pcap: Option<PathBuf>,
}

/// Prints the SIP of a call.
pub(super) fn run(client: &mut Client, out: &mut Out, wanted: Trace) -> Result<(), Failure> {
    let call_id = session(client, wanted.which, false)?;
    let ask = json!({ "callId": call_id });
    let mut trace = client.call("session.trace", ask.clone())?;
    if let Some(file) = wanted.pcap {
        let packets = pcap::file(&Step::all(&trace));
        return write(&file, &packets).map_err(|error| Failure::Nothing(format!("{}: {error}", file.display())));
    }
    if out.json && !wanted.follow {
        return out.document(&trace, |_| Vec::new());
    }
    let (colour, mut told, mut first) = (out.colour, 0, None);
    loop {
        let steps = Step::all(&trace);
        let first = *first.get_or_insert_with(|| steps.first().map_or(0, |step| step.ms));
        let before = trace["leftOut"].as_u64().unwrap_or(0);
        if told == 0 && !out.json {
            out.lines(&ladder::head(&steps))?;
        }
        for (at, step) in (before..).zip(&steps).filter(|(at, _)| *at >= told) {
            let lines = |message: &Value| {
                let mut lines = vec![ladder::line(step, first, ladder::again(&steps, (at - before) as usize), colour)];
                if wanted.full {
                    lines.extend(ladder::text(message["message"].as_str().unwrap_or_default()));
                }
                lines
            };
            out.document(&trace["messages"][(at - before) as usize], lines)?;
        }
        told = told.max(before + steps.len() as u64);
        if !wanted.follow || trace["live"] != true {
            return Ok(());
        }
        thread::sleep(PACE);
        trace = client.call("session.trace", ask.clone())?;
    }
}

/// Into a file that nobody else may read, or to standard output (`-`).
pub(super) fn write(file: &Path, bytes: &[u8]) -> std::io::Result<()> {
    if file == Path::new("-") {
        return std::io::stdout().write_all(bytes);
    }
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(file)?.write_all(bytes)
}
