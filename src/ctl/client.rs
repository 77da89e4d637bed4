//! A client of the socket: one call at a time, events in between kept.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

/// The daemon answers within 10 s, if only that it cannot.
const ANSWER: Duration = Duration::from_secs(20);
/// No line of the daemon's is longer.
const MAX_LINE: u64 = 16 * 1024 * 1024;

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// The daemon refused: its error object.
    #[error("{}", told(.0))]
    Refused(Value),
    /// Nothing to do it with, or it ended otherwise than wanted.
    #[error("{0}")]
    Nothing(String),
    /// The arguments are wrong.
    #[error("{0}")]
    Usage(String),
    /// There is no daemon.
    #[error("{0}")]
    Unreachable(String),
    /// The system keeps us from the socket.
    #[error("{0}")]
    Forbidden(String),
    /// Nobody reads what we print.
    #[error("")]
    OutputClosed,
}

impl Failure {
    pub fn exit_code(&self) -> u8 {
        match self {
            Failure::Refused(error) if error["code"] == -231 => 4,
            Failure::Refused(_) | Failure::Nothing(_) => 1,
            Failure::Usage(_) => 2,
            Failure::Unreachable(_) => 3,
            Failure::Forbidden(_) => 4,
            Failure::OutputClosed => 0,
        }
    }

    /// For `--json`.
    pub fn document(&self) -> Value {
        match self {
            Failure::Refused(error) => json!({ "error": error }),
            other => json!({ "error": { "message": other.to_string() } }),
        }
    }
}

fn told(error: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut all = format!("{} ({})", text(&error["message"]), error["code"]);
    for (before, part) in
        [(": ", &error["data"]["path"]), (": ", &error["data"]["describe"]), ("; ", &error["data"]["hint"])]
    {
        if part.as_str().is_some_and(|part| !part.is_empty()) {
            all += before;
            all += &text(part);
        }
    }
    if let Some(status) = error["data"]["sipCode"].as_u64() {
        all += &format!(" (SIP {status})");
    }
    all
}

pub(super) struct Client {
    path: PathBuf,
    input: BufReader<UnixStream>,
    output: UnixStream,
    last: u64,
    events: VecDeque<Value>,
}

impl Client {
    /// The named socket, or the one that is there.
    pub fn path(named: Option<PathBuf>) -> PathBuf {
        let own = std::env::var_os("XDG_RUNTIME_DIR").map(|directory| Path::new(&directory).join("phoned.sock"));
        named.or(own.filter(|path| path.exists())).unwrap_or_else(|| PathBuf::from("/run/phoned/phoned.sock"))
    }

    /// Connects to the named socket, or to the one that is there.
    pub fn connect(named: Option<PathBuf>) -> Result<Client, Failure> {
        let path = Client::path(named);
        let failed = |error: std::io::Error| match error.kind() {
            ErrorKind::PermissionDenied => Failure::Forbidden(format!("{}: this user may not use it", path.display())),
            _ => Failure::Unreachable(format!("no phoned at {}: {error}", path.display())),
        };
        let output = UnixStream::connect(&path).map_err(failed)?;
        let input = BufReader::new(output.try_clone().map_err(failed)?);
        Ok(Client { path, input, output, last: 0, events: VecDeque::new() })
    }

    /// Calls and waits for the answer.
    pub fn call(&mut self, method: &str, params: Value) -> Result<Value, Failure> {
        self.last += 1;
        let request = json!({ "jsonrpc": "2.0", "id": self.last, "method": method, "params": params });
        // A daemon that turns us away has closed already, and its reason waits to be read.
        let _ = self.output.write_all(format!("{request}\n").as_bytes());
        self.wait(Some(ANSWER))?;
        loop {
            let mut line = self.line()?;
            if line["method"] == "event" {
                self.events.push_back(line["params"]["result"].take());
            } else if line["error"].is_object() && (line["id"] == self.last || line["id"].is_null()) {
                return Err(Failure::Refused(line["error"].take()));
            } else if line["id"] == self.last {
                return Ok(line["result"].take());
            }
        }
    }

    /// The next event, however long it takes.
    pub fn event(&mut self) -> Result<Value, Failure> {
        self.wait(None)?;
        loop {
            if let Some(event) = self.events.pop_front() {
                return Ok(event);
            }
            let mut line = self.line()?;
            if line["method"] == "event" {
                return Ok(line["params"]["result"].take());
            }
        }
    }

    fn wait(&self, limit: Option<Duration>) -> Result<(), Failure> {
        self.output.set_read_timeout(limit).map_err(|error| self.lost(&error))
    }

    fn line(&mut self) -> Result<Value, Failure> {
        let mut line = Vec::new();
        match (&mut self.input).take(MAX_LINE).read_until(b'\n', &mut line) {
            Ok(0) => Err(self.lost(&"it closed the connection")),
            Ok(_) => serde_json::from_slice(&line).map_err(|_| self.lost(&"it does not speak JSON-RPC")),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Err(self.lost(&"no answer within 20 s")),
            Err(error) => Err(self.lost(&error)),
        }
    }

    fn lost(&self, why: &dyn std::fmt::Display) -> Failure {
        Failure::Unreachable(format!("phoned at {}: {why}", self.path.display()))
    }
}
