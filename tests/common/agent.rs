//! A second make of phone that can also hold and resume with sound: baresip 4 by its Python binding (tests/tools/agent.py).

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use serde_json::{Value, json};

use super::tone::Sound;
use super::wait::{free_port, poll, secs};

/// A running agent.
#[derive(Debug)]
pub struct Agent {
    child: Child,
    orders: Option<ChildStdin>,
    told: Receiver<Value>,
    seen: Vec<Value>,
    rate: u32,
    dir: tempfile::TempDir,
}

/// A Python that has the package; it is installed when it is not there yet.
fn python() -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tools/py.sh");
    let output = Command::new(script).arg("baresip-python==0.5.2a3").stderr(Stdio::inherit()).output().unwrap();
    assert!(output.status.success(), "no Python for the agent");
    String::from_utf8_lossy(&output.stdout).trim().into()
}

impl Agent {
    /// Starts it as `user` of Kamailio at `proxy` (`ADDRESS:PORT`) and waits until it is registered.
    pub fn start(user: &str, domain: &str, password: &str, proxy: &str, hz: u32, codec: &str) -> Agent {
        let dir = tempfile::tempdir().unwrap();
        let setup = json!({"user": user, "domain": domain, "password": password, "proxy": proxy, "port": free_port(), "hz": hz,
            "dir": dir.path(), "codecs": [codec]});
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tools/agent.py");
        let mut command = Command::new(python());
        command
            .arg(script)
            .arg(setup.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit());
        let mut child = command.spawn().expect("python3 starts");
        let (orders, out) = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()));
        let (tell, told) = sync_channel(1000);
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                match serde_json::from_str(&line) {
                    Ok(value) => drop(tell.send(value)),
                    Err(_) => eprintln!("agent: {line}"),
                }
            }
        });
        let mut agent = Agent { child, orders, told, seen: Vec::new(), rate: 8000, dir };
        agent.event("registered");
        agent
    }

    /// Waits for what it tells next of that kind; 30 s at most.
    pub fn event(&mut self, kind: &str) -> Value {
        loop {
            let told = self.told.recv_timeout(secs(30));
            let Ok(told) = told else {
                panic!("the agent told no {kind}, but {:?} (`make test` installs it)", self.seen)
            };
            self.seen.push(told.clone());
            if told["is"] == "media" {
                self.rate = told["rate"].as_u64().unwrap() as u32;
            }
            if told["is"] == kind {
                return told;
            }
            assert_ne!(told["is"], "error", "the agent failed: {told}");
        }
    }

    /// Calls.
    pub fn dial(&mut self, uri: &str) {
        self.order(json!({"do": "dial", "uri": uri}));
    }

    /// Answers.
    pub fn accept(&mut self) {
        self.order(json!({"do": "accept"}));
    }

    /// Ends the call.
    pub fn hangup(&mut self) {
        self.order(json!({"do": "hangup"}));
    }

    /// Holds the other side.
    pub fn hold(&mut self) {
        self.order(json!({"do": "hold"}));
    }

    /// Takes it up again.
    pub fn resume(&mut self) {
        self.order(json!({"do": "resume"}));
    }

    /// Sends the other side of its newest call elsewhere.
    pub fn transfer(&mut self, uri: &str) {
        self.order(json!({"do": "transfer", "uri": uri}));
    }

    /// Joins the other sides of its two newest calls.
    pub fn attended(&mut self) {
        self.order(json!({"do": "attended"}));
    }

    /// Presses keys.
    pub fn press(&mut self, keys: &str) {
        self.order(json!({"do": "press", "keys": keys}));
    }

    fn order(&mut self, order: Value) {
        writeln!(self.orders.as_mut().unwrap(), "{order}").unwrap();
    }

    /// What it heard so far in its newest call.
    pub fn heard(&self) -> Sound {
        let bytes = std::fs::read(self.dir.path().join("heard.raw")).unwrap_or_default();
        let samples = bytes.chunks_exact(2).map(|b| f64::from(i16::from_le_bytes([b[0], b[1]])) / 32768.0).collect();
        Sound { rate: self.rate, samples }
    }

    /// Waits until the last second of what it heard is a clear tone of `hz`.
    pub fn hears(&self, hz: f64) {
        let heard = poll(secs(20), || Some(self.heard()).filter(|s| s.seconds() > 1.0 && s.last(1.0).has_tone(hz)));
        let last = self.heard().last(1.0);
        assert!(heard.is_some(), "the agent does not hear {hz} Hz: level {}, share {}", last.level(), last.share(hz));
    }

    /// Waits until nothing, or only silence, has come in for a second.
    pub fn hears_nothing(&self) {
        let quiet = poll(secs(20), || {
            let before = self.heard().samples.len();
            std::thread::sleep(Duration::from_millis(1000));
            let after = self.heard();
            let new = Sound { rate: self.rate, samples: after.samples[before..].to_vec() };
            new.is_silent().then_some(())
        });
        assert!(quiet.is_some(), "the agent still hears something: level {}", self.heard().last(1.0).level());
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        drop(self.orders.take());
        if poll(secs(3), || self.child.try_wait().unwrap()).is_none() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}
