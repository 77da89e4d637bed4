//! A NATS server of the test's own, with JetStream in a folder: it can be killed and started again.

use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use async_nats::Client;
use async_nats::jetstream;
use nix::sys::signal::Signal;
use serde_json::Value;
use tokio::runtime::Runtime;

use super::process::Process;
use super::wait::{free_port, secs, until};

/// A server, and a client of it that reads along.
pub struct Nats {
    /// Its port on 127.0.0.1.
    pub port: u16,
    dir: PathBuf,
    life: u32,
    process: Process,
    runtime: Runtime,
}

/// An event as the stream has it.
#[derive(Debug, Clone, PartialEq)]
pub struct Kept {
    /// Where it came.
    pub subject: String,
    /// `Nats-Msg-Id`.
    pub id: String,
    /// What it says.
    pub body: Value,
}

impl Nats {
    /// Starts it. `more`: lines of its configuration.
    pub fn start(dir: &Path, more: &str) -> Nats {
        let port = free_port();
        let text =
            format!("listen: \"127.0.0.1:{port}\"\njetstream {{ store_dir: {:?} }}\n{more}\n", dir.join("jetstream"));
        std::fs::write(dir.join("nats.conf"), text).unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        Nats { port, dir: dir.to_owned(), life: 0, process: Nats::process(dir, port, 0), runtime }
    }

    fn process(dir: &Path, port: u16, life: u32) -> Process {
        let mut command = Command::new("nats-server");
        command.arg("-c").arg(dir.join("nats.conf"));
        let mut process = Process::start("nats-server", &mut command, &dir.join(format!("nats{life}.log")));
        until("nats-server listens", secs(20), || {
            assert!(process.ended().is_none(), "nats-server ended: {}", process.log());
            TcpStream::connect(("127.0.0.1", port)).ok()
        });
        process
    }

    /// `nats://…`
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        self.signal(Signal::SIGKILL);
        self.process.wait(secs(10)).unwrap();
    }

    /// After `kill`: the same one again.
    pub fn rise(&mut self) {
        self.life += 1;
        self.process = Nats::process(&self.dir, self.port, self.life);
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }

    /// Its pid.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// A client without a name.
    pub fn client(&self) -> Client {
        self.client_with(async_nats::ConnectOptions::new())
    }

    /// A client.
    pub fn client_with(&self, options: async_nats::ConnectOptions) -> Client {
        self.runtime.block_on(options.connect(self.url())).unwrap()
    }

    /// A request, and its answer; none: nobody listens.
    pub fn ask(&self, client: &Client, subject: &str, text: &str) -> Option<Value> {
        let asked = client.request(subject.to_owned(), text.to_owned().into());
        let limited = async { tokio::time::timeout(secs(20), asked).await };
        let answer = self.runtime.block_on(limited).expect("an answer within 20 s").ok()?;
        Some(serde_json::from_slice(&answer.payload).unwrap())
    }

    /// A message that wants no answer.
    pub fn publish(&self, client: &Client, subject: &str, text: &str) {
        let send = async {
            client.publish(subject.to_owned(), text.to_owned().into()).await.unwrap();
            client.flush().await.unwrap();
        };
        self.runtime.block_on(send);
    }

    /// Everything that the stream has; nothing while there is none.
    pub fn kept(&self, client: &Client) -> Vec<Kept> {
        self.runtime.block_on(async {
            let jetstream = jetstream::new(client.clone());
            let Ok(mut stream) = jetstream.get_stream("PHONED").await else { return Vec::new() };
            let state = stream.info().await.unwrap().state.clone();
            let mut all = Vec::new();
            for at in state.first_sequence.max(1)..=state.last_sequence {
                let message = stream.get_raw_message(at).await.unwrap();
                let id = message.headers.get("Nats-Msg-Id").map(ToString::to_string).unwrap_or_default();
                let body = serde_json::from_slice(&message.payload).unwrap();
                all.push(Kept { subject: message.subject.to_string(), id, body });
            }
            all
        })
    }

    /// How many events the stream has.
    pub fn count(&self, client: &Client) -> u64 {
        self.runtime.block_on(async {
            match jetstream::new(client.clone()).get_stream("PHONED").await {
                Ok(stream) => stream.cached_info().state.messages,
                Err(_) => 0,
            }
        })
    }
}
