//! A phone that is none: it answers every command at once, save `session.hold` of "silent", which waits for ever.
#![allow(dead_code, reason = "each test uses a part")]

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use phoned::config::{HttpConfig, Roles, RpcConfig, StoreConfig};
use phoned::rpc::{self, Hub, Listener, Server};
use phoned::store::{self, Told};
use phoned::ua::command::{Command, Webhooks};
use phoned::ua::error::{Code, Error};
use phoned::ua::event::Event;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::sync::{mpsc, oneshot, watch};

pub struct FakePhone {
    pub socket: PathBuf,
    pub events: mpsc::Sender<Event>,
    /// The commands, in the order in which they came.
    pub seen: Arc<Mutex<Vec<Command>>>,
    pub stop: Option<oneshot::Sender<()>>,
    pub server: tokio::task::JoinHandle<()>,
    /// Where its HTTP listener is; port 0 where there is none.
    pub http: std::net::SocketAddr,
    listener: Option<tokio::task::JoinHandle<()>>,
    /// What the store has told.
    pub alerts: Arc<Mutex<Vec<Told>>>,
    loop_: tokio::task::JoinHandle<()>,
    _directory: tempfile::TempDir,
}

impl FakePhone {
    /// Stops it and closes its log.
    pub async fn end(mut self) {
        drop(self.stop.take());
        drop(self.events);
        self.server.await.unwrap();
        if let Some(listener) = self.listener.take() {
            listener.await.unwrap();
        }
        self.loop_.await.unwrap();
    }

    pub fn start() -> FakePhone {
        Self::with_roles(Roles::default())
    }

    /// With an event log in a folder.
    pub fn with_store(store: StoreConfig) -> FakePhone {
        Self::build(Roles::default(), Some(store), HttpConfig::default())
    }

    /// With an HTTP listener.
    pub fn with_http(http: HttpConfig) -> FakePhone {
        Self::build(Roles::default(), None, http)
    }

    pub fn with_roles(roles: Roles) -> FakePhone {
        Self::build(roles, None, HttpConfig::default())
    }

    fn build(roles: Roles, store: Option<StoreConfig>, http: HttpConfig) -> FakePhone {
        let directory = tempfile::tempdir().unwrap();
        let config = RpcConfig { socket: Some(directory.path().join("phoned.sock")), roles };
        let mut server = Server::bind(&config).unwrap();
        let (mut hub, mut seq) = (Hub::new("test"), 0);
        let alerts = Arc::new(Mutex::new(Vec::new()));
        if let Some(store) = store {
            let (gate, written) = watch::channel(0);
            let seen = alerts.clone();
            let tell = move |told: Told| match told {
                Told::Written(place) => drop(gate.send_replace(place)),
                other => seen.lock().unwrap().push(other),
            };
            let started = store::start(&store, "test".into(), Box::new(tell)).unwrap();
            seq = started.seq;
            hub = Hub::new(started.epoch).with_store(started.log, started.reader, started.keys);
            server = server.held_by(written);
        }
        let socket = server.path().to_owned();
        let (requests, inbox) = mpsc::channel(rpc::INBOX);
        let (events, told) = mpsc::channel(256);
        let (stop, stopped) = oneshot::channel::<()>();
        let (ending, ended) = watch::channel(false);
        let stopped = async move {
            drop(stopped.await);
            ending.send_replace(true);
        };
        let listener = Listener::bind(&http).unwrap();
        let http = listener.as_ref().map_or("127.0.0.1:0".parse().unwrap(), Listener::local_addr);
        if listener.is_some() {
            hub = hub.with_metrics(Box::new(|_| {}));
        }
        let to_loop = requests.clone();
        let listener = listener.map(|listener| {
            let mut ended = ended;
            tokio::spawn(listener.run(to_loop, async move { drop(ended.wait_for(|ended| *ended).await) }))
        });
        let seen = Arc::new(Mutex::new(Vec::new()));
        let server = tokio::spawn(server.run(requests, stopped));
        let loop_ = tokio::spawn(phone(hub, seq, inbox, told, seen.clone()));
        FakePhone {
            socket,
            events,
            seen,
            stop: Some(stop),
            server,
            http,
            listener,
            alerts,
            loop_,
            _directory: directory,
        }
    }

    pub async fn connect(&self) -> Client {
        Client::connect(&self.socket).await
    }

    /// Waits until every event sent has been told to the subscribers.
    pub async fn settle(&self) {
        while self.events.capacity() < self.events.max_capacity() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        // The last event was taken; a whole turn after it, it is told.
        self.connect().await.call("daemon.info", json!({})).await;
    }
}

async fn phone(
    mut hub: Hub,
    mut seq: u64,
    mut inbox: mpsc::Receiver<rpc::Request>,
    mut events: mpsc::Receiver<Event>,
    seen: Arc<Mutex<Vec<Command>>>,
) {
    loop {
        tokio::select! {
            request = inbox.recv() => {
                let Some(request) = request else { break };
                let Some((id, command)) = hub.take(request) else { continue };
                seen.lock().unwrap().push(command.clone());
                if let Some(result) = answer(command, seq, &seen) {
                    hub.reply(id, result);
                }
            }
            Some(event) = events.recv() => {
                seq = event.seq;
                hub.publish(event);
            }
            () = tokio::time::sleep(Duration::from_millis(20)) => {}
        }
        if let Some(log) = hub.log() {
            log.check();
        }
    }
    if let Some(log) = hub.into_log() {
        log.stop();
    }
}

fn answer(command: Command, seq: u64, seen: &Mutex<Vec<Command>>) -> Option<Result<Value, Error>> {
    let known =
        |id: &str| if id == "none" { Err(Error::new(Code::NoSession, "no session has that callId")) } else { Ok(()) };
    // "2" rings, and its name is a peer's mischief.
    let session = |id: &str| {
        let (ring, direction, name) =
            if id == "2" { (true, "inbound", "\u{1b}[31mEve") } else { (false, "outbound", "Bob") };
        let status = json!({ "number": "100", "callStatus": "talking", "account": "a", "communicationType": direction, "isRing": ring, "isHold": false, "isMute": true, "name": name });
        json!({ "callId": id, "status": status, "timer": { "callDuration": 63 }, "seq": seq })
    };
    Some(match command {
        Command::Hold(call) if call.call_id == "silent" => return None,
        Command::Hold(call) if call.call_id == "refused" => {
            Err(Error::new(Code::PeerRefused, "the peer refused").sip(488))
        }
        Command::Snapshot(snapshot) => {
            let snapshot = snapshot.call_id.as_deref().map_or(Ok(()), known);
            snapshot.map(|()| json!({ "seq": seq, "snapshot": { "accounts": [], "sessions": [], "devices": [] } }))
        }
        Command::AccountList => Ok(json!([{ "name": "a", "uri": "sip:a@h", "register": true, "isRegistered": true }])),
        Command::DeviceList => Ok(
            json!({ "devices": [{ "id": "null", "name": "silence", "input": true, "output": true, "defaultInput": false, "defaultOutput": false, "suspended": false }], "roles": {} }),
        ),
        Command::GetSession(one) => {
            Ok(one.call_id.map_or_else(|| json!([session("1"), session("2")]), |id| session(&id)))
        }
        Command::GetCurrentSession => Ok(session("1")),
        Command::Preflight(ask) => {
            let ok = ask.account.is_some();
            Ok(json!({ "ok": ok, "checks": [
                { "check": "clock", "ok": true, "text": "the clock shows noon", "hint": "" },
                { "check": "loop", "ok": ok, "text": "it is silent", "hint": if ok { "" } else { "speak" } },
            ] }))
        }
        Command::Diagnose(call) => Ok(json!({ "callId": call.call_id, "findings": [
            { "rule": "muted", "severity": "info", "text": "They cannot hear you: \u{1b}[31mEve", "hint": "unmute", "facts": {} },
        ] })),
        Command::PhoneGet => Ok(json!({ "commands": seen.lock().unwrap().len() })),
        Command::Call(call) => {
            Ok(json!({ "code": 200, "msg": "SUCCESS", "callId": call.number, "session": session("1") }))
        }
        Command::Webhooks(Webhooks::List) => Ok(json!([{
            "name": "crm", "url": "http://h/", "state": "failing", "delivered": 7, "behind": 3, "dead": 1, "lost": 0,
            "lastError": "the server says 500", "retryInMs": 4100, "deadLetters": [{ "seq": 5, "epoch": "e",
                "event": "cdrChange", "callId": "1", "time": "2026-11-23T00:55:46.001Z", "reason": "the server says 422" }],
        }])),
        Command::Webhooks(Webhooks::Test(which)) => {
            let right = which.name == "crm";
            let error = Some("the server says 500").filter(|_| !right);
            Ok(json!({ "delivered": right, "status": if right { 204 } else { 500 }, "durationMs": 12, "error": error }))
        }
        Command::Hangup(call) | Command::Mute(call) => known(&call.call_id).map(|()| json!(true)),
        _ => Ok(json!(true)),
    })
}

/// An event as the phone makes it.
pub fn event(seq: u64, name: &str, call_id: Option<&str>, data: Value) -> Event {
    let sample = ["callReport", "updateTimer"].contains(&name);
    Event {
        seq,
        sample,
        wall: 1_795_395_346_001,
        name: name.into(),
        call_id: call_id.map(str::to_owned),
        account: Some("a".into()),
        data: data.into(),
    }
}

pub struct Client {
    pub input: tokio::io::Lines<BufReader<tokio::net::unix::OwnedReadHalf>>,
    pub output: tokio::net::unix::OwnedWriteHalf,
    last: u64,
}

impl Client {
    pub async fn connect(socket: &Path) -> Client {
        let (input, output) = UnixStream::connect(socket).await.unwrap().into_split();
        Client { input: BufReader::new(input).lines(), output, last: 0 }
    }

    pub async fn send(&mut self, text: &str) {
        self.output.write_all(text.as_bytes()).await.unwrap();
        self.output.write_all(b"\n").await.unwrap();
    }

    /// Sends a request without waiting; returns its id.
    pub async fn post(&mut self, method: &str, params: Value) -> u64 {
        self.last += 1;
        self.send(&json!({ "jsonrpc": "2.0", "id": self.last, "method": method, "params": params }).to_string()).await;
        self.last
    }

    /// The next line; none at the end.
    pub async fn line(&mut self) -> Option<Value> {
        let line = tokio::time::timeout(Duration::from_secs(40), self.input.next_line())
            .await
            .expect("a line within 40 s")
            .unwrap_or(None);
        line.map(|line| serde_json::from_str(&line).unwrap())
    }

    /// Calls and returns the answer with the same id; lines before it are dropped.
    pub async fn call(&mut self, method: &str, params: Value) -> Value {
        let id = self.post(method, params).await;
        loop {
            let line = self.line().await.expect("an answer");
            if line["id"] == id {
                return line;
            }
        }
    }
}
