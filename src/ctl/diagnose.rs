//! `phonectl diagnose`: what is wrong with a call; `phonectl preflight`: whether all is there for the shift.

use serde_json::{Value, json};

use super::client::{Client, Failure};
use super::show::{clean, text};
use super::{Out, Which, given, session};

#[derive(Debug, clap::Args)]
pub(super) struct Preflight {
    /// Its devices and its registration; left out: the default devices, and every registration
    #[arg(long, short)]
    account: Option<String>,
    /// Another microphone
    #[arg(long, value_name = "DEVICE")]
    input: Option<String>,
    /// Another loudspeaker
    #[arg(long, value_name = "DEVICE")]
    output: Option<String>,
}

/// All checks; a failure where one is not as it should be.
pub(super) fn preflight(client: &mut Client, out: &mut Out, ask: Preflight) -> Result<(), Failure> {
    let params = given([("account", ask.account), ("input", ask.input), ("output", ask.output)]);
    let answer = client.call("phone.preflight", params)?;
    let checks = answer["checks"].as_array().map(Vec::as_slice).unwrap_or_default();
    out.document(&answer, |_| checks.iter().flat_map(told).collect())?;
    if answer["ok"] == true { Ok(()) } else { Err(Failure::Nothing("not all is as it should be".into())) }
}

fn told(check: &Value) -> Vec<String> {
    let mark = if check["ok"] == true { "ok  " } else { "FAIL" };
    let hint = Some(text(&check["hint"])).filter(|hint| !hint.is_empty());
    let first = format!("{mark} {}: {}", text(&check["check"]), text(&check["text"]));
    [first].into_iter().chain(hint.map(|hint| format!("     {hint}"))).collect()
}

/// Of the call that is meant; where there is none, of the last one.
pub(super) fn run(client: &mut Client, out: &mut Out, which: Which) -> Result<(), Failure> {
    let call_id = match session(client, which, false) {
        Err(none @ Failure::Nothing(_)) => last(client).ok_or(none)?,
        named => named?,
    };
    let diagnosis = client.call("session.diagnose", json!({ "callId": call_id }))?;
    let colour = out.colour;
    out.document(&diagnosis, |diagnosis| lines(diagnosis, colour))
}

/// The callId of the newest record, where records are kept.
fn last(client: &mut Client) -> Option<String> {
    let records = client.call("cdr.query", json!({ "size": 1 })).ok()?;
    records["cdrs"][0]["callId"].as_str().map(str::to_owned)
}

fn lines(diagnosis: &Value, colour: bool) -> Vec<String> {
    let findings = diagnosis["findings"].as_array().map(Vec::as_slice).unwrap_or_default();
    if findings.is_empty() {
        return vec!["nothing is wrong, as far as is known".into()];
    }
    let paint = |severity: &str| match severity {
        "error" if colour => "\x1b[31merror\x1b[0m".to_owned(),
        "warning" if colour => "\x1b[33mwarning\x1b[0m".to_owned(),
        other => clean(other),
    };
    let two = |finding: &Value| {
        let severity = paint(&text(&finding["severity"]));
        [format!("{severity}: {}", text(&finding["text"])), format!("    {}", text(&finding["hint"]))]
    };
    findings.iter().flat_map(two).collect()
}
