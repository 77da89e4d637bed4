//! `phonectl doctor`: whether this host is fit for phoned.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::client::{Client, Failure};
use super::{Out, show};
use crate::config::Origin;
use crate::doctor::{self, Finding, Met, Running, State};

/// `phonectl doctor`
#[derive(Debug, clap::Args)]
pub(super) struct Doctor {
    /// The configuration, as phoned is told it [default: /etc/phoned/phoned.toml, where there is one]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Prints what was found; a failure when one of it is a fault.
pub(super) fn run(out: &mut Out, socket: Option<PathBuf>, wanted: Doctor) -> Result<(), Failure> {
    let origin = Origin { file: wanted.config, socket: socket.clone() };
    let socket = doctor::socket(socket, &origin);
    let path = Client::path(socket.clone());
    let findings = doctor::look(&origin, &path, &meet(socket, &path));
    let count = |state: State| findings.iter().filter(|finding| finding.state == state).count();
    let (warnings, faults) = (count(State::Warn), count(State::Fault));
    let colour = out.colour;
    out.document(&json!({ "ok": faults == 0, "findings": findings }), |_| lines(&findings, colour))?;
    if faults == 0 {
        return Ok(());
    }
    let plural = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    Err(Failure::Nothing(format!("{}, {}", plural(faults, "fault"), plural(warnings, "warning"))))
}

/// Asks the daemon, if there is one.
fn meet(socket: Option<PathBuf>, path: &Path) -> Met {
    let asked = Client::connect(socket).and_then(|mut client| {
        let info = client.call("daemon.info", json!({}))?;
        let seq = client.call("phone.get", json!({}))?["seq"].as_u64().unwrap_or(0);
        let log = match client.call("events.replay", json!({ "fromSeq": seq.max(1), "limit": 1 })) {
            Err(Failure::Refused(error)) if error["code"] == -221 => {
                error["data"]["describe"].as_str().map(str::to_owned)
            }
            Ok(_) | Err(Failure::Refused(_)) => None,
            Err(failure) => return Err(failure),
        };
        let (accounts, devices) = (client.call("account.list", json!({}))?, client.call("device.list", json!({}))?);
        Ok(Met::Running(Box::new(Running { info, accounts, devices, log })))
    });
    match asked {
        Ok(met) => met,
        Err(Failure::Forbidden(why)) => Met::Forbidden(why),
        Err(Failure::Refused(error)) => Met::Forbidden(format!("{}: {}", path.display(), Failure::Refused(error))),
        Err(failure) => Met::Nobody(failure.to_string()),
    }
}

fn lines(findings: &[Finding], colour: bool) -> Vec<String> {
    let mut lines = Vec::new();
    for finding in findings {
        let (word, paint) = match finding.state {
            State::Ok => ("ok", "32"),
            State::Warn => ("warn", "33"),
            State::Fault => ("FAULT", "31"),
        };
        let word = if colour { format!("\x1b[{paint}m{word:5}\x1b[0m") } else { format!("{word:5}") };
        lines.push(format!("{word}  {:12}  {}", finding.check, show::clean(&finding.text)));
        if !finding.hint.is_empty() {
            lines.push(format!("{:21}→ {}", "", show::clean(&finding.hint)));
        }
    }
    lines
}
