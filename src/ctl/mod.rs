//! `phonectl`: the daemon's API from a shell.

mod accounts;
mod agent;
mod audio;
mod client;
mod diagnose;
mod doctor;
mod generate;
mod log;
mod report;
mod show;
mod top;
mod trace;
mod webhooks;

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;

use clap::{Parser, Subcommand};
use serde_json::{Value, json};

use client::{Client, Failure};

/// Steers phoned, the softphone daemon, over its socket
#[derive(Debug, Parser)]
#[command(name = "phonectl", version, max_term_width = 100, after_help = EXIT_CODES)]
pub struct Arguments {
    /// The daemon's socket [default: $XDG_RUNTIME_DIR/phoned.sock if it is there, else /run/phoned/phoned.sock]
    #[arg(long, global = true, env = "PHONED_SOCKET", value_name = "PATH")]
    socket: Option<PathBuf>,
    /// Print JSON, one document a line
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    verb: Verb,
}

const EXIT_CODES: &str = "Exit codes: 0 done, 1 refused by the daemon, 2 wrong usage, 3 no daemon there, 4 not allowed\n\n\
A CALLID may be left out where there is one call, or for the current one. docs/API.md describes what `rpc` can call.";

#[derive(Debug, Subcommand)]
enum Verb {
    /// Call a number or a SIP URI
    Dial {
        /// A number, or a sip: or tel: link
        number: String,
        /// The account to call from
        #[arg(long, short)]
        account: Option<String>,
        /// Return when the call is answered (0) or over (1)
        #[arg(long, short)]
        wait: bool,
    },
    /// Answer the ringing call
    Answer(Which),
    /// End the call
    Hangup(Which),
    /// Put the call on hold
    Hold(Which),
    /// Resume the call
    Unhold(Which),
    /// Silence the microphone
    Mute(Which),
    /// Open the microphone
    Unmute(Which),
    /// Send digits
    Dtmf {
        /// 0-9 * # A-D, and , for a pause of 2 s
        digits: String,
        #[command(flatten)]
        which: Which,
    },
    /// Record the call
    Record {
        /// start (or go on), pause, stop
        what: RecordVerb,
        #[command(flatten)]
        which: Which,
        /// Where: local, pbx, both
        #[arg(long, default_value = "local")]
        target: String,
    },
    /// Play a file into the call
    Play(audio::Play),
    /// End what is played into the call
    StopPlay(Which),
    /// Open a socket for a program that listens to the call or speaks into it; prints where it is
    Audio(audio::Open),
    /// Send the other side to a number
    Transfer {
        /// A number, sip: or tel: URI
        number: String,
        #[command(flatten)]
        which: Which,
    },
    /// Hold the call and ask somebody else about it
    Consult {
        /// A number, sip: or tel: URI
        number: String,
        #[command(flatten)]
        which: Which,
        /// Return when the consultation is answered (0) or over (1)
        #[arg(long, short)]
        wait: bool,
    },
    /// Join the other sides of a consultation and the call it is about, and leave
    #[command(visible_alias = "attended")]
    Complete(Which),
    /// Refuse the ringing call
    Reject {
        #[command(flatten)]
        which: Which,
        /// The SIP status, 400 to 699
        #[arg(long, default_value_t = 486)]
        code: u16,
    },
    /// Tell the caller that it rings, or play something before the answer
    Progress {
        #[command(flatten)]
        which: Which,
        /// 183: the caller hears us before the answer; else 180
        #[arg(long)]
        early_media: bool,
    },
    /// Give the call tags, its other side a name
    Tag {
        /// The tags it has from now on; none: they stay
        tags: Vec<String>,
        /// The call; left out: the only one, or the current one
        #[arg(long, value_name = "CALLID")]
        call: Option<String>,
        /// Name of the other side
        #[arg(long)]
        name: Option<String>,
        /// Its company
        #[arg(long)]
        company: Option<String>,
        /// A picture's URL
        #[arg(long, value_name = "URL")]
        avatar: Option<String>,
    },
    /// Put calls into one conference
    Merge {
        /// Two calls or more
        #[arg(value_name = "CALLID", num_args = 2.., required = true)]
        call_ids: Vec<String>,
    },
    /// Take a call out of its conference and hold it; without CALLID all but the current one
    Split {
        #[arg(value_name = "CALLID")]
        call_id: Option<String>,
    },
    /// List the calls
    Ls,
    /// Show all of a call
    Show(Which),
    /// List the accounts
    Accounts,
    /// Add, show or remove an account
    Account {
        #[command(subcommand)]
        what: accounts::AccountVerb,
    },
    /// Register an account now
    Register {
        /// Left out: every account that shall be registered
        account: Option<String>,
    },
    /// Unregister an account
    Unregister {
        /// Left out: every account
        account: Option<String>,
    },
    /// Say what is wrong with the call; where there is none, with the last one
    Diagnose(Which),
    /// Look whether all is there for the shift; 1 when something is not
    Preflight(diagnose::Preflight),
    /// List the sound devices
    Devices,
    /// Turn a sound device up or down
    Volume {
        /// As devices lists it
        device: String,
        /// Percent, 0 to 150
        percent: u16,
        /// One way of it only: input, output
        #[arg(long = "as", value_name = "ROLE")]
        role: Option<String>,
    },
    /// Say what a sound device is used for
    Use {
        /// As devices lists it, or default, null, tone:HZ, file:PATH
        device: String,
        /// What for: input, output, ringer
        #[arg(long = "as", value_name = "ROLE")]
        role: String,
        /// For one account only
        #[arg(long, short)]
        account: Option<String>,
        /// For one call only
        #[arg(long, short, value_name = "CALLID")]
        call: Option<String>,
    },
    /// Play a sound on a loudspeaker and listen to a microphone
    TestDevice {
        /// Both ways of one device, as devices lists it; left out: the host's defaults
        device: Option<String>,
        /// A microphone
        #[arg(long, conflicts_with = "device")]
        input: Option<String>,
        /// A loudspeaker
        #[arg(long, conflicts_with = "device")]
        output: Option<String>,
        /// How long, 1 to 5 seconds (2)
        #[arg(long)]
        seconds: Option<u32>,
        /// Also while a call uses it
        #[arg(long)]
        force: bool,
    },
    /// Show the agents, or say whether one takes calls
    Agent(agent::Arguments),
    /// Accounts, calls, levels and events, live, with keys to answer, hold and hang up
    Top,
    /// Print events as they come
    Watch {
        /// Event names, device.* for a family; none: all
        topics: Vec<String>,
        /// Begin with what the log has from this event on
        #[arg(long, value_name = "SEQ")]
        from: Option<u64>,
    },
    /// Print events that were, out of the log
    Events(log::Events),
    /// List call detail records, newest first
    Cdrs(log::Cdrs),
    /// List, show, prove or delete recordings
    Recordings {
        #[command(subcommand)]
        what: Option<log::RecordingsVerb>,
    },
    /// Tell all that is known of a call that is or was: how it sounded, what happened, what is wrong
    Report(report::Report),
    /// Show the SIP of a call that is or was, secrets masked
    Trace(trace::Trace),
    /// Show who is told what happens, what was not taken, or try it
    Webhooks {
        #[command(subcommand)]
        what: Option<webhooks::Verb>,
    },
    /// Show how far the broker of many hosts is told: 0, or 1 when it is not there
    Fleet,
    /// Say whether this host is fit for phoned, and what to do: 0, or 1 when something is at fault; a daemon need not run
    Doctor(doctor::Doctor),
    /// Say whether the daemon is well: 0, or 1 when an account is not registered that shall be
    Status,
    /// Read the configuration anew; no call is touched
    Reload,
    /// Take no new calls, let those that are go on, then stop the daemon
    Drain {
        /// End those that are left after so many seconds [default: drain_timeout of the configuration]
        #[arg(long, value_name = "SECONDS")]
        timeout: Option<u64>,
    },
    /// End every call, unregister and stop the daemon
    Shutdown,
    /// Write man pages and completions into a folder, for packages
    #[command(hide = true)]
    Generate {
        /// Made where there is none
        folder: PathBuf,
    },
    /// Call any method
    Rpc {
        /// As rpc.discover lists them
        method: String,
        /// Params: an object or an array
        params: Option<String>,
    },
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum RecordVerb {
    Start,
    Pause,
    Stop,
}

#[derive(Debug, clap::Args)]
struct Which {
    /// The call; left out: the only one, or the current one (answer: the only one that rings)
    #[arg(value_name = "CALLID")]
    call_id: Option<String>,
}

/// Does what the arguments say and returns the exit code.
pub fn run(arguments: Arguments) -> u8 {
    let json = arguments.json;
    let mut out = Out { colour: io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none(), json };
    match perform(arguments, &mut out) {
        Ok(()) => 0,
        Err(failure) => {
            if json {
                let _ = writeln!(io::stdout(), "{}", failure.document());
            }
            if !matches!(failure, Failure::OutputClosed) {
                let _ = writeln!(io::stderr(), "phonectl: {}", show::clean(&failure.to_string()));
            }
            failure.exit_code()
        }
    }
}

fn perform(arguments: Arguments, out: &mut Out) -> Result<(), Failure> {
    let params = match &arguments.verb {
        Verb::Rpc { params: Some(text), .. } => {
            serde_json::from_str(text).map_err(|error| Failure::Usage(format!("the params are not JSON: {error}")))?
        }
        _ => json!({}),
    };
    if let Verb::Generate { folder } = &arguments.verb {
        return generate::generate(folder).map_err(|error| Failure::Nothing(format!("{}: {error}", folder.display())));
    }
    if let Verb::Doctor(wanted) = arguments.verb {
        return doctor::run(out, arguments.socket, wanted);
    }
    let mut client = Client::connect(arguments.socket.clone())?;
    match arguments.verb {
        Verb::Dial { number, account, wait } => {
            dial(&mut client, out, given([("number", Some(number)), ("account", account)]), wait)
        }
        Verb::Answer(which) => verb(&mut client, out, "session.answer", which),
        Verb::Hangup(which) => verb(&mut client, out, "session.hangup", which),
        Verb::Hold(which) => verb(&mut client, out, "session.hold", which),
        Verb::Unhold(which) => verb(&mut client, out, "session.unhold", which),
        Verb::Mute(which) => verb(&mut client, out, "session.mute", which),
        Verb::Unmute(which) => verb(&mut client, out, "session.unmute", which),
        Verb::Dtmf { digits, which } => {
            let call_id = session(&mut client, which, false)?;
            out.done(&client.call("session.dtmf", json!({ "callId": call_id, "dtmf": digits }))?)
        }
        Verb::Record { what, which, target } => record(&mut client, out, what, which, &target),
        Verb::Play(play) => audio::play(&mut client, out, play),
        Verb::StopPlay(which) => verb(&mut client, out, "audio.stop", which),
        Verb::Audio(open) => audio::open(&mut client, out, open),
        Verb::Transfer { number, which } => {
            let call_id = session(&mut client, which, false)?;
            out.done(&client.call("session.blindTransfer", json!({ "callId": call_id, "number": number }))?)
        }
        Verb::Consult { number, which, wait } => {
            let call_id = session(&mut client, which, false)?;
            let about = client.call("session.get", json!({ "callId": call_id }))?;
            let params = json!({ "number": number, "transferId": call_id, "account": about["status"]["account"] });
            dial(&mut client, out, params, wait)
        }
        Verb::Complete(which) => verb(&mut client, out, "session.attendedTransfer", which),
        Verb::Reject { which, code } => {
            let call_id = session(&mut client, which, true)?;
            out.done(&client.call("session.reject", json!({ "callId": call_id, "code": code }))?)
        }
        Verb::Progress { which, early_media } => {
            let call_id = session(&mut client, which, true)?;
            let code = if early_media { 183 } else { 180 };
            out.done(&client.call("session.progress", json!({ "callId": call_id, "code": code }))?)
        }
        Verb::Tag { tags, call, name, company, avatar } => {
            let call_id = session(&mut client, Which { call_id: call }, false)?;
            let mut status = given([("name", name), ("company", company), ("avatar", avatar)]);
            if !tags.is_empty() {
                status["tags"] = json!(tags);
            }
            out.done(&client.call("session.setStatus", json!({ "callId": call_id, "status": status }))?)
        }
        Verb::Merge { call_ids } => out.done(&client.call("phone.merge", json!({ "callIds": call_ids }))?),
        Verb::Split { call_id } => out.done(&client.call("phone.split", given([("callId", call_id)]))?),
        Verb::Ls => {
            let sessions = client.call("phone.getSession", json!({}))?;
            out.documents(&sessions, show::sessions)
        }
        Verb::Show(which) => {
            let call_id = session(&mut client, which, false)?;
            let snapshot = client.call("session.get", json!({ "callId": call_id }))?;
            out.document(&snapshot, show::pretty)
        }
        Verb::Accounts => {
            let accounts = client.call("account.list", json!({}))?;
            out.documents(&accounts, show::accounts)
        }
        Verb::Diagnose(which) => diagnose::run(&mut client, out, which),
        Verb::Preflight(ask) => diagnose::preflight(&mut client, out, ask),
        Verb::Devices => {
            let devices = client.call("device.list", json!({}))?;
            out.documents(&devices["devices"], show::devices)
        }
        Verb::Account { what } => accounts::account(&mut client, out, what),
        Verb::Register { account: Some(name) } => out.done(&client.call("account.register", json!({ "name": name }))?),
        Verb::Register { account: None } => out.done(&client.call("phone.reRegister", json!({}))?),
        Verb::Unregister { account: Some(name) } => {
            out.done(&client.call("account.unregister", json!({ "name": name }))?)
        }
        Verb::Unregister { account: None } => out.done(&client.call("phone.disconnect", json!({}))?),
        Verb::Volume { device, percent, role } => {
            let mut params = given([("id", Some(device)), ("role", role)]);
            params["volume"] = percent.into();
            out.done(&client.call("device.setVolume", params)?)
        }
        Verb::Use { device, role, account, call } => {
            let params = [("id", Some(device)), ("role", Some(role)), ("account", account), ("callId", call)];
            out.done(&client.call("device.setRole", given(params))?)
        }
        Verb::TestDevice { device, mut input, mut output, seconds, force } => {
            if device.is_none() && input.is_none() && output.is_none() {
                (input, output) = (Some("default".into()), Some("default".into()));
            }
            let mut params = given([("id", device), ("input", input), ("output", output)]);
            params["seconds"] = seconds.into();
            params["force"] = force.into();
            let tested = client.call("device.test", params)?;
            out.document(&tested, |tested| vec![tested["message"].as_str().unwrap_or_default().to_owned()])
        }
        Verb::Agent(arguments) => agent::run(&mut client, out, arguments),
        Verb::Top => top::run(arguments.socket, client),
        Verb::Watch { topics, from } => watch(&mut client, out, topics, from),
        Verb::Events(which) => log::events(&mut client, out, which),
        Verb::Cdrs(which) => log::cdrs(&mut client, out, which),
        Verb::Recordings { what } => log::recordings(&mut client, out, what.unwrap_or_default()),
        Verb::Report(wanted) => report::run(&mut client, out, wanted),
        Verb::Trace(wanted) => trace::run(&mut client, out, wanted),
        Verb::Webhooks { what } => webhooks::run(&mut client, out, what.unwrap_or(webhooks::Verb::Ls)),
        Verb::Fleet => webhooks::fleet(&mut client, out),
        Verb::Status => accounts::status(&mut client, out),
        Verb::Reload => {
            let changes = client.call("daemon.reload", json!({}))?;
            out.document(&changes, show::pretty)
        }
        Verb::Drain { timeout } => {
            let params = timeout.map_or_else(|| json!({}), |timeout| json!({ "timeout": timeout }));
            out.document(&client.call("daemon.drain", params)?, show::pretty)
        }
        Verb::Generate { .. } | Verb::Doctor(_) => Ok(()),
        Verb::Shutdown => out.done(&client.call("daemon.shutdown", json!({}))?),
        Verb::Rpc { method, .. } => {
            let result = client.call(&method, params)?;
            out.document(&result, show::pretty)
        }
    }
}

fn verb(client: &mut Client, out: &mut Out, method: &str, which: Which) -> Result<(), Failure> {
    let call_id = session(client, which, method == "session.answer")?;
    out.done(&client.call(method, json!({ "callId": call_id }))?)
}

/// Params of what was given.
fn given<const N: usize>(params: [(&str, Option<String>); N]) -> Value {
    let there = params.into_iter().filter_map(|(name, value)| Some((name.to_owned(), Value::from(value?))));
    Value::Object(there.collect())
}

fn record(client: &mut Client, out: &mut Out, what: RecordVerb, which: Which, target: &str) -> Result<(), Failure> {
    let call_id = session(client, which, false)?;
    let done = match what {
        RecordVerb::Start => client.call("session.startRecord", json!({ "callId": call_id, "target": target }))?,
        RecordVerb::Pause => client.call("session.pauseRecord", json!({ "callId": call_id, "target": target }))?,
        RecordVerb::Stop => client.call("session.stopRecord", json!({ "callId": call_id }))?,
    };
    out.document(&done, |file| if file.is_object() { show::pretty(file) } else { Vec::new() })
}

/// The session that is meant: the named one, the only one, or the current one.
fn session(client: &mut Client, which: Which, ringing: bool) -> Result<String, Failure> {
    if let Some(call_id) = which.call_id {
        return Ok(call_id);
    }
    let all = client.call("phone.getSession", json!({}))?;
    let rings = |session: &&Value| !ringing || session["status"]["isRing"] == true;
    let ids: Vec<&str> =
        all.as_array().into_iter().flatten().filter(rings).filter_map(|session| session["callId"].as_str()).collect();
    match ids.as_slice() {
        [only] => return Ok((*only).to_owned()),
        [] if ringing => return Err(Failure::Nothing("no call rings".into())),
        [] => return Err(Failure::Nothing("there is no call".into())),
        _ => {}
    }
    let current = if ringing { Value::Null } else { client.call("phone.getCurrentSession", json!({}))? };
    let current = current["callId"].as_str().map(str::to_owned);
    current.ok_or_else(|| Failure::Usage(format!("there are several calls, name one: {}", ids.join(" "))))
}

fn dial(client: &mut Client, out: &mut Out, params: Value, wait: bool) -> Result<(), Failure> {
    if wait {
        // Before the call, so that nothing is missed.
        client.call(
            "events.subscribe",
            json!({ "topics": ["progress", "accepted", "confirmed", "ended", "failed", "clientError"] }),
        )?;
    }
    let called = client.call("phone.call", params)?;
    out.document(&called, |called| vec![show::clean(called["callId"].as_str().unwrap_or_default())])?;
    if !wait {
        return Ok(());
    }
    loop {
        let event = client.event()?;
        if event["callId"] != called["callId"] {
            continue;
        }
        out.document(&event, |event| vec![show::event(event, false)])?;
        match event["event"].as_str().unwrap_or_default() {
            "accepted" | "confirmed" => return Ok(()),
            "ended" | "failed" | "clientError" => {
                return Err(Failure::Nothing(format!(
                    "not answered: {}",
                    event["data"]["cause"].as_str().unwrap_or("unknown")
                )));
            }
            _ => {}
        }
    }
}

fn watch(client: &mut Client, out: &mut Out, topics: Vec<String>, from: Option<u64>) -> Result<(), Failure> {
    let mut params = if topics.is_empty() { json!({}) } else { json!({ "topics": topics }) };
    if let Some(seq) = from {
        params["fromSeq"] = seq.into();
    }
    client.call("events.subscribe", params)?;
    loop {
        let (event, colour) = (client.event()?, out.colour);
        out.document(&event, |event| vec![show::event(event, colour)])?;
    }
}

/// Standard output, as documents or as text.
struct Out {
    colour: bool,
    json: bool,
}

impl Out {
    /// Nothing to tell people; the answer for programs.
    fn done(&mut self, answer: &Value) -> Result<(), Failure> {
        self.document(answer, |_| Vec::new())
    }

    /// One document, or the lines that tell it.
    fn document(&mut self, value: &Value, lines: impl Fn(&Value) -> Vec<String>) -> Result<(), Failure> {
        if self.json { self.lines(&[value.to_string()]) } else { self.lines(&lines(value)) }
    }

    /// A document for each entry of an array, or one table.
    fn documents(&mut self, values: &Value, table: impl Fn(&[Value], bool) -> Vec<String>) -> Result<(), Failure> {
        let values = values.as_array().map(Vec::as_slice).unwrap_or_default();
        let lines = if self.json { values.iter().map(Value::to_string).collect() } else { table(values, self.colour) };
        self.lines(&lines)
    }

    fn lines(&mut self, lines: &[String]) -> Result<(), Failure> {
        let mut stdout = io::stdout().lock();
        lines
            .iter()
            .try_for_each(|line| writeln!(stdout, "{line}"))
            .and_then(|()| stdout.flush())
            .map_err(|_| Failure::OutputClosed)
    }
}
