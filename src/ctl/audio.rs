//! Sound from outside: announcements, and sockets for programs.

use serde_json::json;

use super::client::{Client, Failure};
use super::show::clean;
use super::{Out, Which, session};

#[derive(Debug, clap::Args)]
pub(super) struct Play {
    /// A file below a directory of [audio] play_dirs
    file: String,
    #[command(flatten)]
    which: Which,
    /// Who hears it: remote, local, both
    #[arg(long, default_value = "remote")]
    to: String,
    /// Again and again, until it is stopped
    #[arg(long = "loop")]
    again: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct Open {
    /// Points of the call: customerMouth, customerEar, agentMouth, agentEar
    #[arg(value_name = "POINT", num_args = 1.., required = true)]
    ports: Vec<String>,
    /// The call; left out: the only one, or the current one
    #[arg(long, value_name = "CALLID")]
    call: Option<String>,
    /// What it does: tap, inject, replace
    #[arg(long, default_value = "tap")]
    mode: String,
    /// How samples look: s16le-8000, s16le-16000, s16le-48000
    #[arg(long, default_value = "s16le-16000")]
    format: String,
}

pub(super) fn play(client: &mut Client, out: &mut Out, play: Play) -> Result<(), Failure> {
    let call_id = session(client, play.which, false)?;
    let params = json!({ "callId": call_id, "file": play.file, "to": play.to, "loop": play.again });
    out.done(&client.call("audio.play", params)?)
}

pub(super) fn open(client: &mut Client, out: &mut Out, open: Open) -> Result<(), Failure> {
    let call_id = session(client, Which { call_id: open.call }, false)?;
    let params = json!({ "callId": call_id, "ports": open.ports, "mode": open.mode, "format": open.format });
    let made = client.call("audio.open", params)?;
    out.document(&made, |made| vec![clean(made["path"].as_str().unwrap_or_default())])
}
