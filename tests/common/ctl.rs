//! phonectl as a process, and a daemon that gives answers out of a table, for what no real one would say.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

/// Runs phonectl at a socket: its exit code, what it prints, what it complains of.
pub fn phonectl(socket: &Path, arguments: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_phonectl"));
    command.args(arguments).env("PHONED_SOCKET", socket).stdin(Stdio::null());
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
}

/// It answers each method as `answers` says, and any other as one that it does not know.
#[derive(Debug)]
pub struct Canned {
    /// Where it is.
    pub socket: PathBuf,
    _dir: tempfile::TempDir,
}

impl Canned {
    /// Serves until the test is over.
    pub fn start(answers: Value) -> Canned {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("phoned.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (mut output, mut line) = (stream.try_clone().unwrap(), String::new());
                let mut input = BufReader::new(stream);
                while input.read_line(&mut line).is_ok_and(|length| length > 0) {
                    let request: Value = serde_json::from_str(&line).unwrap();
                    let known = &answers[request["method"].as_str().unwrap()];
                    let answer = match known {
                        Value::Null => {
                            json!({"jsonrpc": "2.0", "id": request["id"], "error": {"code": -32601, "message": "Method not found"}})
                        }
                        known => json!({"jsonrpc": "2.0", "id": request["id"], "result": known}),
                    };
                    if writeln!(output, "{answer}").is_err() {
                        break;
                    }
                    line.clear();
                }
            }
        });
        Canned { socket, _dir: dir }
    }
}
