//! SIPp: one scenario of tests/sipp, once, and whether the messages came as the scenario says.

use std::path::Path;
use std::process::Command;

use super::process::Process;
use super::wait::{free_port, secs, until};

/// A running scenario.
#[derive(Debug)]
pub struct Sipp {
    /// Its SIP port on 127.0.0.1.
    pub port: u16,
    limit: u64,
    process: Process,
    dir: tempfile::TempDir,
}

/// How a scenario is to be run.
#[derive(Debug, Clone, Default)]
pub struct Run {
    /// `ADDRESS:PORT` to send to; empty for a scenario that waits.
    pub target: String,
    /// `[service]`: the user that is called.
    pub service: String,
    /// `-key NAME VALUE`: `[NAME]` in the scenario.
    pub keys: Vec<(String, String)>,
    /// `tcp`: one TCP connection in place of UDP.
    pub tcp: bool,
    /// How long it may take, s; 0: 80.
    pub limit: u64,
}

impl Sipp {
    /// Starts `tests/sipp/NAME.xml` for one call. A scenario that calls begins at once, one that waits is bound when this returns.
    pub fn start(name: &str, run: &Run) -> Sipp {
        let dir = tempfile::tempdir().unwrap();
        let (port, media) = (free_port(), free_port());
        let scenario = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sipp").join(format!("{name}.xml"));
        let limit = if run.limit == 0 { 80 } else { run.limit };
        let mut command = Command::new("sipp");
        command.current_dir(dir.path());
        command.args([
            "-i",
            "127.0.0.1",
            "-m",
            "1",
            "-nostdin",
            "-timeout",
            &format!("{limit}s"),
            "-timeout_error",
            "-trace_msg",
            "-trace_err",
        ]);
        command.args(["-message_file", "messages", "-error_file", "errors", "-mi", "127.0.0.1"]);
        command.arg("-p").arg(port.to_string()).arg("-mp").arg(media.to_string()).arg("-sf").arg(scenario);
        command.args(["-t", if run.tcp { "t1" } else { "u1" }]);
        if !run.service.is_empty() {
            command.args(["-s", &run.service]);
        }
        for (key, value) in &run.keys {
            command.args(["-key", key, value]);
        }
        if run.target.is_empty() {
            command.arg("-rtp_echo");
        } else {
            command.arg(&run.target);
        }
        let process = Process::start(&format!("sipp {name}"), &mut command, &dir.path().join("screen")).quiet();
        let sipp = Sipp { port, limit, process, dir };
        if run.target.is_empty() {
            super::wait::until("SIPp binds its port", secs(20), || bound(port).then_some(()));
        }
        sipp
    }

    /// Waits for its end and fails when the messages were not those of the scenario.
    pub fn passes(mut self) -> String {
        let status = self.process.wait(secs(self.limit + 5)).unwrap_or_else(|| panic!("SIPp does not end"));
        assert!(status.success(), "SIPp {status}: {}", self.file("errors"));
        self.messages()
    }

    /// The messages so far, as SIPp writes them.
    pub fn messages(&self) -> String {
        self.file("messages")
    }

    /// The messages so far that it received.
    pub fn received(&self) -> Vec<String> {
        let text = self.messages();
        let blocks = text.split("-----------------------------------------------");
        blocks.filter(|b| b.contains("message received")).map(str::to_string).collect()
    }

    /// The first message that it sent with that start line, as it was on the wire; another one has followed.
    pub fn sent(&self, start: &str) -> Vec<u8> {
        until(&format!("SIPp has sent {start}"), secs(20), || {
            let text = self.messages();
            // Its file is written bit by bit: what stands last may not be whole.
            let (whole, _) = text.rsplit_once("-----------------------------------------------")?;
            let blocks = whole.split("-----------------------------------------------");
            let sent = blocks.filter(|block| block.contains("message sent"));
            let mut messages = sent.filter_map(|block| Some(block.split_once(":\n\n")?.1));
            messages
                .find(|message| message.starts_with(start))
                .map(|message| message.replace('\n', "\r\n").into_bytes())
        })
    }

    fn file(&self, name: &str) -> String {
        String::from_utf8_lossy(&std::fs::read(self.dir.path().join(name)).unwrap_or_default()).replace('\r', "")
    }
}

impl Drop for Sipp {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let messages: Vec<String> = self.messages().lines().take(400).map(str::to_string).collect();
            eprintln!("--- sipp: the beginning of its messages\n{}\n---", messages.join("\n"));
        }
    }
}

/// Some UDP or TCP socket is bound to that port of this host.
fn bound(port: u16) -> bool {
    let needle = format!(":{port:04X} ");
    let held = |file: &str| {
        std::fs::read_to_string(file)
            .unwrap_or_default()
            .lines()
            .any(|l| l.get(..24).is_some_and(|l| l.contains(&needle)))
    };
    held("/proc/net/udp") || held("/proc/net/tcp")
}
