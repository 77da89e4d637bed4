//! The clients of docs/clients with a real daemon: a program makes calls, the daemon is killed in the middle of one and started
//! again; the program sees every event once, in order, and the call that it asked for meanwhile is made once. A program that
//! does not read for a while gets what it missed out of the log.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test meets the clock and the system")]

mod common;
mod fake_phone;

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};

use common::daemon::{Daemon, Setup, trunk};
use common::process::Process;
use common::wait::{free_port, poll, secs};
use fake_phone::{FakePhone, event};
use phoned::config::StoreConfig;
use serde_json::json;

const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// A program with one of the clients; its lines come as they are printed.
struct Program {
    child: Child,
    lines: Receiver<String>,
    events: Vec<(u64, String, String)>,
    first: u64,
}

impl Program {
    fn start(file: &str, arguments: &[&str]) -> Program {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let (interpreter, client) = if file.ends_with(".py") { ("python3", "python") } else { ("node", "typescript") };
        let mut child = Command::new(interpreter)
            .arg(root.join("tests/clients").join(file))
            .args(arguments)
            .env("CLIENT", root.join("docs/clients").join(client))
            .env("TOKEN", TOKEN)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{interpreter} does not start ({error}): `make test` installs it"));
        let (told, lines) = sync_channel(100_000);
        let out = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || out.lines().map_while(Result::ok).try_for_each(|line| told.send(line)));
        let mut program = Program { child, lines, events: Vec::new(), first: 0 };
        program.first = program.says("connected").parse().unwrap();
        program
    }

    /// Waits for a line that begins so; the rest of it. The events before it are kept.
    fn says(&mut self, word: &str) -> String {
        loop {
            let line = self.lines.recv_timeout(secs(60));
            let line = line.unwrap_or_else(|_| {
                panic!(
                    "no {word:?} within a minute; the last events: {:?}",
                    self.events.iter().rev().take(8).collect::<Vec<_>>()
                )
            });
            let words: Vec<&str> = line.split(' ').collect();
            match *words {
                ["event", seq, name, call] => self.events.push((seq.parse().unwrap(), name.into(), call.into())),
                [first, ..] if first == word => return words[1..].join(" "),
                _ => panic!("{line:?}, not {word:?}"),
            }
        }
    }

    fn enter(&mut self) {
        self.child.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
    }

    fn end(mut self) -> Vec<(u64, String, String)> {
        let ended = poll(secs(20), || self.child.try_wait().unwrap());
        assert!(ended.is_some_and(|status| status.success()), "{ended:?}");
        std::mem::take(&mut self.events)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A daemon that can be killed and started again where it was.
struct Phoned {
    dir: tempfile::TempDir,
    http: u16,
    process: Option<Process>,
}

impl Phoned {
    fn start() -> Phoned {
        let dir = tempfile::tempdir().unwrap();
        let (port, http) = (free_port(), free_port());
        let path = dir.path().display();
        let rtp = 50_000 + port % 100 * 100;
        let text = format!(
            "[rpc]\nsocket = \"{path}/phoned.sock\"\n[sip]\nlisten = [\"udp:127.0.0.1:{port}\"]\n\
             [media]\nrtp_ports = \"{rtp}-{}\"\n[store]\ndir = \"{path}/state\"\n\
             [audio]\ninput = \"null\"\noutput = \"null\"\nringer = \"null\"\n\
             [http]\nlisten = \"127.0.0.1:{http}\"\n[http.tokens.crm]\nfile = \"crm.token\"\nrole = \"call\"\n\n{}",
            rtp + 98,
            trunk("alice", 440).replace("{port}", &port.to_string()).replace("{dir}", &path.to_string())
        );
        std::fs::write(dir.path().join("phoned.toml"), text).unwrap();
        std::fs::write(dir.path().join("crm.token"), format!("{TOKEN}\n")).unwrap();
        let mut phoned = Phoned { dir, http, process: None };
        phoned.again();
        phoned
    }

    fn again(&mut self) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_phoned"));
        command.arg("--config").arg(self.dir.path().join("phoned.toml")).env("RUST_LOG", "phoned=debug");
        self.process = Some(Process::start("phoned", &mut command, &self.dir.path().join("log")));
    }

    fn kill(&mut self) {
        let mut process = self.process.take().unwrap();
        process.signal(nix::sys::signal::Signal::SIGKILL);
        process.wait(secs(10)).expect("it is dead");
    }
}

fn calls_around_a_kill(file: &str, address: impl Fn(&Phoned) -> String) {
    let bob = Daemon::start(&Setup { tables: trunk("bob", 700) + "auto_answer = 0\n", ..Setup::default() });
    let mut phoned = Phoned::start();
    let number = format!("sip:bob@127.0.0.1:{}", bob.port);
    // It is started before the daemon is up, and waits.
    let mut program = Program::start(file, &["calls", &address(&phoned), &number]);
    assert_eq!(program.says("refused"), "-209");
    assert_eq!(program.says("confirmed").to_lowercase(), "talking true");
    assert_eq!(program.says("hold").to_lowercase(), "true true true");
    assert_eq!(program.says("unhold").to_lowercase(), "true");
    program.says("go");
    phoned.kill();
    program.enter();
    std::thread::sleep(secs(1));
    phoned.again();
    assert_eq!(program.says("gone").to_lowercase(), "false");
    assert_eq!(program.says("hangup").to_lowercase(), "true");
    assert_eq!(program.says("done"), "0");
    let first = program.first;
    let events = program.end();
    let seqs: Vec<u64> = events.iter().map(|(seq, ..)| *seq).collect();
    assert!(seqs.iter().copied().eq(first + 1..=first + seqs.len() as u64), "{events:?}");
    let begun: Vec<&String> =
        events.iter().filter(|(_, name, _)| name == "newRTCSession").map(|(.., call)| call).collect();
    assert_eq!(begun.len(), 2, "{events:?}");
    for call in begun {
        let story: Vec<&str> = events.iter().filter(|(.., of)| of == call).map(|(_, name, _)| name.as_str()).collect();
        for once in ["startSession", "accepted", "confirmed", "ended", "deleteSession"] {
            assert_eq!(story.iter().filter(|name| **name == once).count(), 1, "{once} in {story:?}");
        }
    }
    // The token is nowhere in what the daemon has logged.
    let log = std::fs::read_to_string(phoned.dir.path().join("log")).unwrap();
    assert!(!log.is_empty() && !log.contains(TOKEN));
}

#[test]
fn the_python_client_over_a_kill() {
    calls_around_a_kill("program.py", |phoned| phoned.dir.path().join("phoned.sock").display().to_string());
}

#[test]
fn the_javascript_client_over_a_kill_by_the_unix_socket() {
    calls_around_a_kill("program.mjs", |phoned| phoned.dir.path().join("phoned.sock").display().to_string());
}

#[test]
fn the_javascript_client_over_a_kill_by_websocket() {
    calls_around_a_kill("program.mjs", |phoned| format!("ws://127.0.0.1:{}/ws", phoned.http));
}

async fn who_sleeps_gets_it_all(file: &str) {
    const EVENTS: u64 = 5_000;
    let dir = tempfile::tempdir().unwrap();
    let phone = FakePhone::with_store(StoreConfig { dir: Some(dir.path().to_owned()), ..StoreConfig::default() });
    let socket = phone.socket.display().to_string();
    let file = file.to_owned();
    let (started, ready) = tokio::sync::oneshot::channel();
    let (wake, woken) = sync_channel::<()>(1);
    let program = tokio::task::spawn_blocking(move || {
        let mut program = Program::start(&file, &["slow", &socket, &EVENTS.to_string()]);
        started.send(()).unwrap();
        woken.recv().unwrap();
        program.enter();
        assert_eq!(program.says("done"), EVENTS.to_string());
        program.end()
    });
    ready.await.unwrap();
    let data = json!({ "newStatus": {}, "text": "x".repeat(2_000) });
    for seq in 1..=EVENTS {
        phone.events.send(event(seq, "statusChange", Some("1"), data.clone())).await.unwrap();
    }
    phone.settle().await;
    wake.send(()).unwrap();
    let seqs: Vec<u64> = program.await.unwrap().into_iter().map(|(seq, ..)| seq).collect();
    assert!(seqs.iter().copied().eq(1..=EVENTS), "{} events, of {EVENTS}", seqs.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_python_program_that_sleeps_gets_it_all() {
    who_sleeps_gets_it_all("program.py").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_javascript_program_that_sleeps_gets_it_all() {
    who_sleeps_gets_it_all("program.mjs").await;
}
