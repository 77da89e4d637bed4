//! A peer's process: started with its output in a file, stopped by its pid, its log shown when the test fails.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::wait::{poll, secs};

/// A running peer.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
    quiet: bool,
}

impl Process {
    /// Starts it; its stdout and stderr go to `log`.
    pub fn start(name: &str, command: &mut Command, log: &Path) -> Process {
        Process::start_with(name, command.stdin(Stdio::null()), log)
    }

    /// As `start`, with the stdin that the command has.
    pub fn start_with(name: &str, command: &mut Command, log: &Path) -> Process {
        let out = File::create(log).unwrap();
        let child = command
            .stdout(out.try_clone().unwrap())
            .stderr(out)
            .spawn()
            .unwrap_or_else(|e| panic!("{name} does not start ({e}): `make test` installs it"));
        Process { name: name.into(), child, log: log.into(), quiet: false }
    }

    /// Its pid.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has printed so far; carriage returns become line ends.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).replace('\r', "\n")
    }

    /// Its exit status once it has ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Waits for its end.
    pub fn wait(&mut self, limit: Duration) -> Option<ExitStatus> {
        poll(limit, || self.child.try_wait().unwrap())
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        let _ = kill(Pid::from_raw(self.child.id() as i32), signal);
    }

    /// Asks it to stop, then makes it. Its children end with it.
    pub fn stop(&mut self) -> ExitStatus {
        self.stop_within(secs(5))
    }

    /// As `stop`, made to when it has not ended by itself within that.
    pub fn stop_within(&mut self, limit: Duration) -> ExitStatus {
        if let Some(status) = self.ended() {
            return status;
        }
        let pid = self.child.id();
        let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
        self.signal(Signal::SIGTERM);
        let ended = self.wait(limit);
        let status = ended.unwrap_or_else(|| {
            self.signal(Signal::SIGKILL);
            self.child.wait().unwrap()
        });
        // Kamailio's workers outlive it now and then.
        for child in children.split_whitespace().filter_map(|pid| pid.parse().ok()) {
            let _ = kill(Pid::from_raw(child), Signal::SIGKILL);
        }
        status
    }

    /// No log on failure: the owner shows a better one.
    pub fn quiet(mut self) -> Process {
        self.quiet = true;
        self
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let status = self.stop();
        if std::thread::panicking() && !self.quiet {
            let log = self.log();
            let tail: Vec<&str> = log.lines().filter(|l| !l.trim().is_empty() && !l.contains("(bit/s)")).collect();
            let from = tail.len().saturating_sub(120);
            eprintln!("--- {} ({status}): the end of its log\n{}\n---", self.name, tail[from..].join("\n"));
        }
    }
}
