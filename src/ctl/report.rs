//! `phonectl report`: all that is known of a call, as text or as a page of its own.

mod page;
mod plot;
mod story;

use std::path::PathBuf;

use serde_json::{Value, json};

use super::client::{Client, Failure};
use super::{Out, Which, session, show, trace};

/// `phonectl report`
#[derive(Debug, clap::Args)]
pub(super) struct Report {
    #[command(flatten)]
    which: Which,
    /// Write a page that a browser opens; nothing of it comes from elsewhere
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

/// What the daemon tells of a call.
struct Known {
    /// `session.report`
    report: Value,
    /// `session.trace`, or why there is none.
    trace: Result<Value, String>,
    /// `session.diagnose`, or why there is none.
    findings: Result<Value, String>,
    /// `daemon.info`
    daemon: Value,
}

/// Prints the report of a call, or writes it.
pub(super) fn run(client: &mut Client, out: &mut Out, wanted: Report) -> Result<(), Failure> {
    let call_id = session(client, wanted.which, false)?;
    let ask = json!({ "callId": call_id });
    let report = client.call("session.report", ask.clone())?;
    if out.json && wanted.html.is_none() {
        return out.document(&report, |_| Vec::new());
    }
    // Not everybody may see the SIP, and not every call can be looked into any more.
    let mut also = |method: &str| match client.call(method, ask.clone()) {
        Ok(answer) => Ok(Ok(answer)),
        Err(Failure::Refused(error)) => Ok(Err(reason(&error))),
        Err(failure) => Err(failure),
    };
    let (trace, findings) = (also("session.trace")?, also("session.diagnose")?);
    let daemon = client.call("daemon.info", json!({}))?;
    let known = Known { report, trace, findings, daemon };
    match wanted.html {
        Some(file) => trace::write(&file, page::page(&known).as_bytes())
            .map_err(|error| Failure::Nothing(format!("{}: {error}", file.display()))),
        None => out.lines(&text(&known)),
    }
}

fn reason(error: &Value) -> String {
    match error["code"].as_i64() {
        Some(-32601) => "this daemon does not look for faults".into(),
        Some(-231) => "this user may not see it".into(),
        Some(-211) => "the call is over".into(),
        _ => error["message"].as_str().unwrap_or("unknown").into(),
    }
}

/// The same for a terminal, short.
fn text(known: &Known) -> Vec<String> {
    let mut lines =
        vec![show::clean(&story::title(&known.report)), show::clean(&story::when(&known.report)), String::new()];
    lines
        .extend(story::facts(&known.report).into_iter().map(|(name, value)| show::clean(&format!("{name:16}{value}"))));
    lines.push(String::new());
    for figure in plot::FIGURES {
        let values = plot::values(&known.report, figure.key);
        let Some(all) = story::Summary::of(&values) else { continue };
        let (unit, text) = (figure.unit, |value: f64| plot::number(value));
        lines.push(format!(
            "{:24}{} {unit} (from {} to {})",
            figure.name,
            text(all.mean),
            text(all.least),
            text(all.most)
        ));
    }
    if let Ok(diagnosis) = &known.findings {
        lines.push(String::new());
        let findings = diagnosis["findings"].as_array().map(Vec::as_slice).unwrap_or_default();
        let told = |finding: &Value| {
            format!(
                "{}: {} {}",
                show::text(&finding["severity"]),
                show::text(&finding["text"]),
                show::text(&finding["hint"])
            )
        };
        lines.extend(findings.iter().map(told));
    }
    lines
}
