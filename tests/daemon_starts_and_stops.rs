//! The daemon as a process: it ends its calls before it ends itself, stops at once on a second signal, and does not start half: a
//! wrong configuration is exit code 2, a taken port or socket 1.

use std::process::Command;

use common::daemon::{Client, Daemon, Setup, trunk};
use common::wait::{free_port, secs, until};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;

mod common;

fn phoned(dir: &tempfile::TempDir, configuration: &str, more: &[&str]) -> Command {
    let file = dir.path().join("phoned.toml");
    std::fs::write(&file, configuration).expect("written");
    let mut command = Command::new(env!("CARGO_BIN_EXE_phoned"));
    command.arg("--config").arg(file).args(more);
    command
}

fn minimal(dir: &tempfile::TempDir, port: u16) -> String {
    format!(
        "[rpc]\nsocket = \"{}/s\"\n[sip]\nlisten = [\"udp:127.0.0.1:{port}\"]\n[audio]\nhost = \"none\"\n[store]\ndir = \"{}/state\"\n",
        dir.path().display(),
        dir.path().display()
    )
}

/// A call between two daemons, and the client of the one that was called.
fn talking() -> (Daemon, Daemon, Client) {
    let bob = Daemon::start(&Setup { tables: trunk("bob", 880), ..Setup::default() });
    let alice = Daemon::start(&Setup { tables: trunk("alice", 440), ..Setup::default() });
    let (mut a, mut b) = (alice.connect(), bob.connect());
    a.dial("alice", &format!("sip:bob@127.0.0.1:{}", bob.port));
    let at_b = b.wait_event("incoming", |_| true)["callId"].as_str().expect("a callId").to_owned();
    b.verb("answer", &at_b);
    b.wait_event("confirmed", |_| true);
    (alice, bob, b)
}

#[test]
fn a_signal_ends_the_calls_first() {
    let (alice, _bob, mut b) = talking();
    assert!(alice.stop(), "exit code 0");
    assert_eq!(b.wait_event("ended", |_| true)["data"]["by"], "remote");
}

#[test]
fn shutdown_ends_the_calls_answers_and_removes_the_socket() {
    let (alice, _bob, mut b) = talking();
    let socket = alice.socket().to_owned();
    assert_eq!(Client::open(&socket).call("daemon.shutdown", json!({})), Ok(json!(true)));
    b.wait_event("ended", |_| true);
    until("the socket is gone", secs(20), || (!socket.exists()).then_some(()));
}

#[test]
fn a_second_signal_does_not_wait_for_anybody() {
    let (alice, bob, _b) = talking();
    // Bob does not answer the BYE.
    let (a_pid, b_pid) = (Pid::from_raw(alice.pid() as i32), Pid::from_raw(bob.pid() as i32));
    kill(b_pid, Signal::SIGSTOP).expect("stopped");
    kill(a_pid, Signal::SIGTERM).expect("a signal");
    until("it stops", secs(20), || alice.log().contains("stopping").then_some(()));
    kill(a_pid, Signal::SIGINT).expect("a signal");
    until("it is gone", secs(10), || alice.log().contains("stopped end=").then_some(()));
    let log = alice.log();
    kill(b_pid, Signal::SIGCONT).expect("continued");
    assert!(log.contains("Cut"), "{log}");
}

#[test]
fn what_is_wrong_is_told_by_the_exit_code() {
    let dir = tempfile::tempdir().expect("a folder");
    let taken = free_port();
    let _holder = std::net::UdpSocket::bind(("127.0.0.1", taken)).expect("a free port");
    let file_in_the_way = minimal(&dir, free_port()).replace("/s\"", "/phoned.toml\"");
    for (configuration, more, code, word) in [
        (minimal(&dir, taken), &["--check-config"][..], 0, "right"),
        (minimal(&dir, taken), &[], 1, "udp:127.0.0.1"),
        (file_in_the_way, &[], 1, "not a socket"),
        (minimal(&dir, taken).replace("listen", "listne"), &[], 2, "listne"),
        (minimal(&dir, taken).replace("listen", "listne"), &["--check-config"], 2, "listne"),
        (minimal(&dir, taken), &["--no-such-option"], 2, "--no-such-option"),
    ] {
        let output = phoned(&dir, &configuration, more).output().expect("run");
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert_eq!(output.status.code(), Some(code), "{more:?} {text}");
        assert!(text.contains(word), "{text}");
    }
}
