//! `phonectl top` on a terminal: a call that rings is answered, held and hung up by keys; a daemon that goes is told, and found again.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test meets the clock and the system")]

mod common;

use std::process::Command;

use common::daemon::{Daemon, Setup, trunk};
use common::wait::{poll, secs};
use serde_json::json;

/// A terminal of its own, without a window.
struct Terminal {
    dir: tempfile::TempDir,
}

impl Terminal {
    /// Runs a program in it.
    fn run(program: &str) -> Terminal {
        let terminal = Terminal { dir: tempfile::tempdir().unwrap() };
        terminal.tmux(&["-f", "/dev/null", "new-session", "-d", "-x", "130", "-y", "30", program]);
        terminal
    }

    fn tmux(&self, arguments: &[&str]) -> String {
        let mut command = Command::new("tmux");
        command.arg("-S").arg(self.dir.path().join("tmux")).args(["-u"]).args(arguments).env("TERM", "xterm-256color");
        String::from_utf8_lossy(&command.output().unwrap().stdout).into_owned()
    }

    fn press(&self, key: &str) {
        self.tmux(&["send-keys", key]);
    }

    /// Waits until it shows all of these.
    fn shows(&self, parts: &[&str]) {
        let mut last = String::new();
        let shown = poll(secs(30), || {
            last = self.tmux(&["capture-pane", "-p"]);
            parts.iter().all(|part| last.contains(part)).then_some(())
        });
        assert!(shown.is_some(), "{parts:?} in:\n{last}");
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.tmux(&["kill-server"]);
    }
}

#[test]
fn a_call_is_answered_held_and_hung_up_by_keys() {
    let alice = Daemon::start(&Setup { tables: trunk("alice", 440), ..Setup::default() });
    let bob = Daemon::start(&Setup { tables: trunk("bob", 700), ..Setup::default() });
    let program = format!("'{}' --socket '{}' top", env!("CARGO_BIN_EXE_phonectl"), alice.socket().display());
    let terminal = Terminal::run(&program);
    terminal.shows(&["phoned 0.", "0 calls", "does not register"]);
    let mut caller = bob.connect();
    let call = caller.dial("bob", &format!("sip:alice@127.0.0.1:{}", alice.port));
    terminal.shows(&["1 calls", "bob", "ringing here", "incoming"]);
    terminal.press("a");
    caller.wait_event("confirmed", |event| event["callId"] == *call);
    terminal.shows(&["talking", "0:0"]);
    terminal.press("h");
    terminal.shows(&["talking, held"]);
    terminal.press("h");
    terminal.press("m");
    terminal.shows(&["talking, muted"]);
    // How it sounds comes with the reports.
    terminal.shows(&["█"]);
    terminal.press("x");
    caller.wait_event("ended", |event| event["callId"] == *call);
    terminal.shows(&["0 calls", "ended"]);
    alice.connect().call("daemon.shutdown", json!({})).unwrap();
    terminal.shows(&["no phoned here"]);
    terminal.press("q");
    let over = poll(secs(20), || terminal.tmux(&["list-sessions"]).is_empty().then_some(()));
    assert!(over.is_some(), "q ends it");
}

#[test]
fn without_a_terminal_it_says_so() {
    let alice = Daemon::start(&Setup { tables: trunk("alice", 440), ..Setup::default() });
    let top = Command::new(env!("CARGO_BIN_EXE_phonectl")).arg("--socket").arg(alice.socket()).arg("top").output();
    let top = top.unwrap();
    assert_eq!(top.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&top.stderr).contains("a terminal"));
}
