//! What the service manager hears: READY, how things stand, RELOADING, STOPPING; a sign of life as long as the signalling loop and
//! every media worker go on, and none once one of them is stuck. Its socket is used under its name, and left in place.

mod common;

use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use common::daemon::{Client, Daemon, Setup, trunk};
use common::machine::Frozen;
use common::process::Process;
use common::wait::{free_port, now, poll, secs, until};
use nix::sys::signal::Signal;
use serde_json::json;

/// `WATCHDOG_USEC`.
const WATCHDOG: Duration = secs(2);

/// The other end of `$NOTIFY_SOCKET`.
struct Manager {
    socket: UnixDatagram,
    dir: tempfile::TempDir,
}

impl Manager {
    fn new() -> Manager {
        let dir = tempfile::tempdir().expect("a folder");
        let socket = UnixDatagram::bind(dir.path().join("notify")).expect("a socket");
        socket.set_nonblocking(true).expect("set");
        Manager { socket, dir }
    }

    fn env(&self) -> Vec<(String, String)> {
        let path = self.dir.path().join("notify").display().to_string();
        vec![("NOTIFY_SOCKET".into(), path), ("WATCHDOG_USEC".into(), WATCHDOG.as_micros().to_string())]
    }

    fn next(&self) -> Option<String> {
        let mut buffer = [0; 512];
        let length = self.socket.recv(&mut buffer).ok()?;
        Some(String::from_utf8_lossy(&buffer[..length]).into_owned())
    }

    /// Waits for a word that holds this; what came before it is forgotten.
    fn hears(&self, word: &str) -> String {
        until(word, secs(30), || std::iter::from_fn(|| self.next()).find(|heard| heard.contains(word)))
    }

    /// Signs of life within a time.
    fn signs(&self, time: Duration) -> usize {
        let (end, mut signs) = (now() + time, 0);
        poll(time * 2, || {
            signs += std::iter::from_fn(|| self.next()).filter(|heard| heard.contains("WATCHDOG=1")).count();
            (now() >= end).then_some(())
        });
        signs
    }
}

#[test]
fn it_hears_how_things_stand() {
    let manager = Manager::new();
    let bob = Daemon::start(&Setup { tables: trunk("bob", 880), ..Setup::default() });
    let alice = Daemon::start(&Setup { tables: trunk("alice", 440), env: manager.env(), ..Setup::default() });
    manager.hears("READY=1\n");
    manager.hears("STATUS=0 of 0 accounts registered, 0 calls");
    manager.hears("WATCHDOG=1");
    let mut client = alice.connect();
    client.dial("alice", &format!("sip:bob@127.0.0.1:{}", bob.port));
    manager.hears("STATUS=0 of 0 accounts registered, 1 calls");
    client.call("daemon.reload", json!({})).expect("the files are right");
    let heard = manager.hears("RELOADING=1");
    assert!(heard.contains("MONOTONIC_USEC="), "{heard}");
    manager.hears("READY=1");
    // A limit of its own is asked for: the unit's may be shorter.
    client.call("daemon.drain", json!({"timeout": 100})).expect("it drains");
    let heard = manager.hears("STOPPING=1");
    assert!(heard.contains("EXTEND_TIMEOUT_USEC=115000000"), "{heard}");
    client.call("daemon.shutdown", json!({})).expect("it stops");
}

#[test]
fn a_stuck_loop_gives_no_sign_of_life() {
    let manager = Manager::new();
    let daemon = Daemon::start(&Setup { env: manager.env(), ..Setup::default() });
    for name in ["media-0", "phoned"] {
        manager.hears("WATCHDOG=1");
        let frozen = Frozen::thread(daemon.pid(), name);
        // What was asked for before may still be answered.
        manager.signs(WATCHDOG / 2);
        let signs = manager.signs(WATCHDOG);
        drop(frozen);
        assert_eq!(signs, 0, "{name} stands still");
    }
    manager.hears("WATCHDOG=1");
}

/// phoned with a socket as descriptor 3: a shell puts it there, and knows the pid that LISTEN_PID wants.
fn activated(listener: &UnixListener, configuration: &Path, names: &str, log: &Path) -> Process {
    let script = "exec 3<&0 </dev/null; export LISTEN_PID=$$ LISTEN_FDS=1; exec \"$0\" --config \"$1\"";
    let mut command = Command::new("sh");
    command.args(["-c", script, env!("CARGO_BIN_EXE_phoned")]).arg(configuration).env("LISTEN_FDNAMES", names);
    let socket = OwnedFd::from(listener.try_clone().expect("a second descriptor"));
    Process::start_with("phoned", command.stdin(socket), log)
}

#[test]
fn the_managers_socket_is_taken_by_its_name() {
    let dir = tempfile::tempdir().expect("a folder");
    let (path, configuration) = (dir.path().join("manager.sock"), dir.path().join("phoned.toml"));
    let text = format!(
        "[rpc]\nsocket = \"{0}/own.sock\"\n[sip]\nlisten = [\"udp:127.0.0.1:{1}\"]\n[audio]\nhost = \"none\"\n[store]\ndir = \"{0}/state\"\n",
        dir.path().display(),
        free_port()
    );
    std::fs::write(&configuration, text).expect("written");
    let listener = UnixListener::bind(&path).expect("a socket");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).expect("its mode");
    let mut process = activated(&listener, &configuration, "rpc", &dir.path().join("log"));
    // A client that comes before the daemon waits in the socket.
    let mut client = Client::open(&path);
    assert_eq!(client.call("daemon.info", json!({})).expect("it answers")["name"], "phoned");
    assert!(!dir.path().join("own.sock").exists(), "one socket is enough");
    process.signal(Signal::SIGTERM);
    assert!(process.wait(secs(20)).expect("it ends").success());
    let mode = std::fs::metadata(&path).expect("the manager's socket stays").permissions().mode();
    assert_eq!(mode & 0o777, 0o640, "its mode is the manager's");

    // The next daemon takes it over; a name that it does not know is left alone.
    let mut process = activated(&listener, &configuration, "other", &dir.path().join("log"));
    until("its own socket", secs(30), || dir.path().join("own.sock").exists().then_some(()));
    assert!(process.stop_within(secs(20)).success());
}
