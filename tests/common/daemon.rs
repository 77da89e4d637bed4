//! phoned itself as a process, with a configuration of its own in a temporary folder, and a small client of its socket.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use super::contract;
use super::process::Process;
use super::tone::Sound;
use super::wait::{free_port, now, poll, secs, until};

/// What the configuration says beside socket and ports: lines of each table, and the accounts' tables whole.
#[derive(Debug, Clone, Default)]
pub struct Setup {
    /// The address that it listens at; none: 127.0.0.1.
    pub at: String,
    /// Lines of `[media]`, e.g. `codecs = ["pcmu"]`.
    pub media: String,
    /// Lines of `[phone]`.
    pub phone: String,
    /// It listens for TLS too, on the port after its SIP port.
    pub tls: bool,
    /// Lines of `[sip]` beside `listen`.
    pub sip: String,
    /// Lines of `[audio]`; none: everything on `null`.
    pub audio: String,
    /// What its environment has besides, e.g. where its sound server is.
    pub env: Vec<(String, String)>,
    /// Whole tables: `[accounts.NAME]` and any other. `{port}` becomes phoned's SIP port, `{dir}` its folder.
    pub tables: String,
}

/// The table of an account `user` of a registrar on loopback: it plays a tone of `hz` and writes what it hears to `USER.wav` in phoned's folder.
pub fn account(user: &str, domain: &str, password: &str, registrar: &str, hz: u32) -> String {
    format!(
        "[accounts.{user}]\nuri = \"sip:{user}@{domain}\"\nregistrar = \"{registrar}\"\nproxies = [\"{registrar};lr\"]\n\
         password = \"{password}\"\ninput = \"tone:{hz}\"\noutput = \"file:{{dir}}/{user}.wav\"\n\n"
    )
}

/// The table of an account `user` that registers nowhere, takes calls from loopback and does as `account` else.
pub fn trunk(user: &str, hz: u32) -> String {
    format!(
        "[accounts.{user}]\nuri = \"sip:{user}@127.0.0.1:{{port}}\"\nregister = false\ntrusted = [\"127.0.0.1\"]\npassword = \"{user}-secret\"\n\
         realms = [\"sipp.test\"]\ninput = \"tone:{hz}\"\noutput = \"file:{{dir}}/{user}.wav\"\n\n"
    )
}

/// A running phoned.
#[derive(Debug)]
pub struct Daemon {
    /// Its SIP port on 127.0.0.1, UDP and TCP.
    pub port: u16,
    socket: PathBuf,
    process: Process,
    dir: tempfile::TempDir,
}

impl Daemon {
    /// Starts it and waits until its socket takes connections.
    pub fn start(setup: &Setup) -> Daemon {
        Daemon::start_in(tempfile::tempdir().unwrap(), setup)
    }

    /// As `start`, in a folder that the caller has made (so that it can name files in it before).
    pub fn start_in(dir: tempfile::TempDir, setup: &Setup) -> Daemon {
        let port = free_port();
        let socket = dir.path().join("phoned.sock");
        let file = dir.path().join("phoned.toml");
        let rtp = 30_000 + (port % 400) * 50;
        let at = if setup.at.is_empty() { "127.0.0.1" } else { &setup.at };
        let text = format!(
            "[rpc]\nsocket = \"{}\"\n\n[sip]\nlisten = [\"udp:{at}:{port}\", \"tcp:{at}:{port}\"{}]\n{}\n\n\
             [media]\nrtp_ports = \"{rtp}-{}\"\n{}\n\n[store]\ndir = \"{}/state\"\n\n[audio]\n{}\n\n[phone]\n{}\n\n{}\n",
            socket.display(),
            if setup.tls { format!(", \"tls:{at}:{}\"", port + 1) } else { String::new() },
            setup.sip,
            rtp + 1999,
            setup.media,
            dir.path().display(),
            if setup.audio.is_empty() {
                "input = \"null\"\noutput = \"null\"\nringer = \"null\""
            } else {
                &setup.audio
            },
            // A test that ends with calls up does not wait for them.
            if setup.phone.contains("drain_timeout") {
                setup.phone.clone()
            } else {
                format!("drain_timeout = 0\n{}", setup.phone)
            },
            setup.tables.replace("{port}", &port.to_string()).replace("{dir}", &dir.path().display().to_string())
        );
        std::fs::write(&file, text).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_phoned"));
        command
            .arg("--config")
            .arg(&file)
            .env("RUST_LOG", "phoned=debug")
            .env("RUST_BACKTRACE", "1")
            .envs(setup.env.clone());
        let mut process = Process::start("phoned", &mut command, &dir.path().join("log"));
        until("phoned opens its socket", secs(30), || {
            assert!(process.ended().is_none(), "phoned ended at once: {}", process.log());
            UnixStream::connect(&socket).ok()
        });
        Daemon { port, socket, process, dir }
    }

    /// A new connection to its socket, subscribed to every event.
    pub fn connect(&self) -> Client {
        let mut client = Client::open(&self.socket);
        client.call("events.subscribe", json!({})).unwrap();
        client
    }

    /// Its socket.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Its folder.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Its pid.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Its log.
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// Waits until the last second of what `NAME.wav` holds is a clear tone of `hz`.
    pub fn hears(&self, name: &str, hz: f64) {
        let path = self.dir.path().join(format!("{name}.wav"));
        let heard = poll(secs(20), || Sound::read(&path).filter(|s| s.seconds() > 1.0 && s.last(1.0).has_tone(hz)));
        let last = Sound::read(&path).map(|s| (s.seconds(), s.last(1.0).level(), s.last(1.0).share(hz)));
        assert!(heard.is_some(), "phoned does not hear {hz} Hz in {name}.wav (seconds, level, share): {last:?}");
    }

    /// Waits until `NAME.wav` has grown by a second of silence, or has not grown for a second.
    pub fn hears_nothing(&self, name: &str) {
        let path = self.dir.path().join(format!("{name}.wav"));
        let samples = || Sound::read(&path).map(|s| s.samples).unwrap_or_default();
        let quiet = poll(secs(20), || {
            let before = samples().len();
            std::thread::sleep(Duration::from_millis(1000));
            Sound { rate: 8000, samples: samples()[before..].to_vec() }.is_silent().then_some(())
        });
        assert!(quiet.is_some(), "phoned still hears something in {name}.wav");
    }

    /// It ends by itself, within that, with 0.
    pub fn ends(mut self, limit: Duration) -> bool {
        self.process.wait(limit).is_some_and(|status| status.success())
    }

    /// SIGTERM; true when it then ends by itself with 0.
    pub fn stop(mut self) -> bool {
        self.process.stop_within(secs(20)).success()
    }
}

/// An error that phoned answered.
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    /// JSON-RPC's `error.code`.
    pub code: i64,
    /// `error.message`.
    pub message: String,
    /// `error.data`.
    pub data: Value,
}

/// A connection to the socket: one request at a time, the events meanwhile are kept.
#[derive(Debug)]
pub struct Client {
    stream: UnixStream,
    bytes: Vec<u8>,
    id: u64,
    events: Vec<Value>,
    taken: usize,
}

impl Client {
    /// Connects.
    pub fn open(socket: &Path) -> Client {
        let stream = UnixStream::connect(socket).unwrap();
        Client { stream, bytes: Vec::new(), id: 0, events: Vec::new(), taken: 0 }
    }

    /// Sends a request and waits for its reply, 30 s at most. Results and events have to be as the contract says.
    pub fn call(&mut self, method: &str, params: Value) -> Result<Value, Refusal> {
        let id = self.send(method, params);
        self.reply(id, secs(30))
            .inspect(|result| contract::result(method, result))
            .inspect_err(|refusal| contract::refusal(method, refusal.code))
    }

    /// Sends a request; its id.
    pub fn send(&mut self, method: &str, params: Value) -> u64 {
        self.id += 1;
        let mut line = json!({"jsonrpc": "2.0", "id": self.id, "method": method, "params": params}).to_string();
        line.push('\n');
        self.stream.write_all(line.as_bytes()).unwrap();
        self.id
    }

    /// Waits for the reply to a request that `send` sent.
    pub fn reply(&mut self, id: u64, limit: Duration) -> Result<Value, Refusal> {
        let end = now() + limit;
        loop {
            let Some(line) = self.line(end.saturating_duration_since(now())) else {
                panic!("no reply to request {id} within {limit:?}")
            };
            if line.get("id") == Some(&json!(id)) {
                return match line.get("error") {
                    None => Ok(line["result"].clone()),
                    Some(e) => Err(Refusal {
                        code: e["code"].as_i64().unwrap_or_default(),
                        message: e["message"].as_str().unwrap_or_default().into(),
                        data: e["data"].clone(),
                    }),
                };
            }
            self.keep(line);
        }
    }

    /// The next event of that name that `fits`, of those that come after the last one that was waited for; 20 s at most.
    pub fn wait_event(&mut self, name: &str, fits: impl Fn(&Value) -> bool) -> Value {
        self.wait_event_for(name, secs(20), fits)
    }

    /// As `wait_event`, with a limit.
    pub fn wait_event_for(&mut self, name: &str, limit: Duration, fits: impl Fn(&Value) -> bool) -> Value {
        let end = now() + limit;
        let (from, mut at) = (self.taken, self.taken);
        loop {
            while let Some(event) = self.events.get(at) {
                at += 1;
                if event["event"] == name && fits(event) {
                    self.taken = at;
                    return event.clone();
                }
            }
            match self.line(end.saturating_duration_since(now())) {
                Some(line) => self.keep(line),
                None => {
                    let since: Vec<String> =
                        self.events[from..].iter().map(|e| format!("{} {}", e["event"], e["data"])).collect();
                    panic!("no fitting {name} within {limit:?}; since the last one waited for:\n{}", since.join("\n"));
                }
            }
        }
    }

    /// Calls; the callId.
    pub fn dial(&mut self, account: &str, number: &str) -> String {
        let result = self.call("phone.call", json!({"number": number, "account": account}));
        result.unwrap_or_else(|e| panic!("phone.call refused: {e:?}"))["callId"].as_str().unwrap().into()
    }

    /// Waits until the account is registered, as long as that.
    pub fn registered(&mut self, account: &str, limit: Duration) {
        until("phoned is registered", limit, || {
            let account = self.call("account.get", json!({"name": account})).unwrap();
            (account["isRegistered"] == true).then_some(())
        });
    }

    /// `session.VERB` of a session, which must succeed.
    pub fn verb(&mut self, verb: &str, call_id: &str) -> Value {
        self.call(&format!("session.{verb}"), json!({"callId": call_id}))
            .unwrap_or_else(|e| panic!("session.{verb} refused: {e:?}"))
    }

    /// Every event so far.
    pub fn events(&mut self) -> &[Value] {
        while let Some(line) = self.line(Duration::ZERO) {
            self.keep(line);
        }
        &self.events
    }

    /// Forgets every event so far.
    pub fn forget_events(&mut self) {
        self.events.clear();
        self.taken = 0;
    }

    /// Everything that was told, to the end of a daemon that was killed.
    pub fn drain(mut self) -> Vec<Value> {
        let _ = self.stream.set_read_timeout(Some(secs(5)));
        let _ = self.stream.read_to_end(&mut self.bytes);
        let bytes = std::mem::take(&mut self.bytes);
        let lines = bytes.split_inclusive(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok());
        lines.for_each(|line| self.keep(line));
        self.events
    }

    /// The names of a session's events so far, without samples and the record that follows.
    pub fn story(&mut self, call_id: &str) -> Vec<String> {
        // Samples, and the record that comes when the session is gone.
        let samples = ["callReport", "updateTimer", "cdrChange"];
        let of = |e: &&Value| e["callId"] == call_id && !samples.contains(&e["event"].as_str().unwrap_or_default());
        self.events().iter().filter(of).map(|e| e["event"].as_str().unwrap_or_default().to_string()).collect()
    }

    fn keep(&mut self, line: Value) {
        if line["method"] == "event" {
            let event = &line["params"]["result"];
            contract::event(event["event"].as_str().unwrap_or_default(), &event["data"]);
            self.events.push(line["params"]["result"].clone());
        }
    }

    fn line(&mut self, limit: Duration) -> Option<Value> {
        let end = now() + limit;
        loop {
            if let Some(at) = self.bytes.iter().position(|b| *b == b'\n') {
                let line: Vec<u8> = self.bytes.drain(..=at).collect();
                return Some(
                    serde_json::from_slice(&line)
                        .unwrap_or_else(|e| panic!("not JSON ({e}): {}", String::from_utf8_lossy(&line))),
                );
            }
            let left = end.saturating_duration_since(now()).max(Duration::from_millis(1));
            self.stream.set_read_timeout(Some(left)).unwrap();
            let mut chunk = [0; 16384];
            match self.stream.read(&mut chunk) {
                Ok(0) => panic!("phoned closed the connection"),
                Ok(n) => self.bytes.extend_from_slice(&chunk[..n]),
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    if now() >= end {
                        return None;
                    }
                }
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => panic!("the socket failed: {e}"),
            }
        }
    }
}
