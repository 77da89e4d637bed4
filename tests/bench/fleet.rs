//! `PHONED_BENCH_ONLY=fleet`: the events of a thousand hosts through one NATS server. Each host is the bridge itself with an event log of
//! its own; one consumer of the stream looks for gaps by seq, and takes the time from an event to its coming out.

use std::collections::BTreeMap;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_nats::jetstream::{self, consumer::push::OrderedConfig};
use futures_util::StreamExt;
use phoned::config::{FleetConfig, FleetRole, StoreConfig};
use phoned::fleet::{Bridge, Source};
use phoned::store::{self, Log, Told};
use phoned::ua::event::Event;
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tokio::sync::watch;

use crate::measure::{self, Usage, percentile};
use crate::peer::Make;
use crate::table::{Column, Table};

const HOSTS: usize = 1000;
/// Events a second, all hosts together, and for how long.
const RATE: usize = 1000;
const STEADY: Duration = Duration::from_secs(20);
/// Events of each host at once.
const FLOOD: usize = 100;
/// A part takes no longer.
const LIMIT: Duration = Duration::from_secs(300);

struct Host {
    log: Log,
    bridge: Arc<Bridge>,
    seq: u64,
}

/// What came out of the stream.
#[derive(Default)]
struct Seen {
    /// The last seq of each host.
    last: BTreeMap<String, u64>,
    /// Events that were not the next one of their host.
    amiss: u64,
    /// From event to consumer, ms.
    delays: Vec<f64>,
}

struct Server {
    child: Child,
}

impl Server {
    fn start(dir: &Path, port: u16) -> Server {
        let child = Command::new("nats-server")
            .args(["-a", "127.0.0.1", "-p", &port.to_string(), "-js", "-sd"])
            .arg(dir.join("jetstream"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("nats-server: apt-get install nats-server");
        wait("nats-server", || TcpStream::connect(("127.0.0.1", port)).is_ok());
        Server { child }
    }

    fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// What it is, for the page.
pub const ABOUT: &str = "A thousand hosts, each the bridge of `[fleet]` with an event log of its own, in one process, at one nats-server on loopback, which keeps\n\
    the stream on disk; the hosts' logs are in memory, since a thousand hosts have a thousand disks. One consumer reads the stream. What is not\n\
    there in the end, or not in order, fails the run.";

/// Runs it; baresip has no such thing.
pub fn hosts(make: Make, table: &mut Table) {
    if make != Make::Phoned {
        return;
    }
    // The hosts' logs are in memory: a thousand hosts have a thousand disks. The broker's is on the disk.
    let (shared, dir) = (tempfile::tempdir_in("/dev/shm").unwrap(), tempfile::tempdir().unwrap());
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut server = Server::start(dir.path(), port);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let began = measure::now();
    let seen = Arc::new(Mutex::new(Seen::default()));
    let total = Arc::new(AtomicU64::new(0));
    let mut hosts: Vec<Host> = (0..HOSTS).map(|number| host(shared.path(), number, port, &runtime)).collect();
    wait("the hosts are connected", || hosts.iter().all(|host| host.bridge.status()["state"] == "connected"));
    let connected = began.elapsed();
    let idle_rss = Usage::of(server.child.id()).rss_kb / 1024.0;
    wait("the stream is there", || stream_is_there(&runtime, port));
    follow(&runtime, port, began, &seen, &total);

    println!("  {HOSTS} hosts: {RATE} events a second for {} s", STEADY.as_secs());
    let before = (Usage::of(server.child.id()), Usage::of(std::process::id()), measure::now());
    for event in 0..RATE * STEADY.as_secs() as usize {
        measure::until(before.2 + Duration::from_secs_f64(event as f64 / RATE as f64));
        hosts[event % HOSTS].tell(began);
    }
    come(&mut hosts, &total);
    let spent = before.2.elapsed().as_secs_f64();
    let after = (Usage::of(server.child.id()), Usage::of(std::process::id()));
    let mut delays = std::mem::take(&mut seen.lock().unwrap().delays);
    let (p50, p99) = (percentile(&mut delays, 50.0), percentile(&mut delays, 99.0));
    let busy = [after.0.cpu_s - before.0.cpu_s, after.1.cpu_s - before.1.cpu_s].map(|cpu| 100.0 * cpu / spent);

    println!("  {HOSTS} hosts: {FLOOD} events each, at once");
    let (cpu, flood) = (Usage::of(server.child.id()).cpu_s, measure::now());
    (0..FLOOD).for_each(|_| hosts.iter_mut().for_each(|host| host.tell(began)));
    come(&mut hosts, &total);
    let took = flood.elapsed().as_secs_f64();
    let each = (Usage::of(server.child.id()).cpu_s - cpu) * 1e6 / (HOSTS * FLOOD) as f64;
    let full = Usage::of(server.child.id());

    println!("  {HOSTS} hosts: {FLOOD} events each, and the server killed in the middle");
    let (before_kill, killed) = (total.load(Ordering::Acquire), measure::now());
    for round in 0..FLOOD {
        hosts.iter_mut().for_each(|host| host.tell(began));
        if round == FLOOD / 2 {
            wait("some have come", || total.load(Ordering::Acquire) > before_kill + (HOSTS * FLOOD / 10) as u64);
            server.kill();
            server = Server::start(dir.path(), port);
        }
    }
    come(&mut hosts, &total);
    let recovered = killed.elapsed().as_secs_f64();
    let status: Vec<Value> = hosts.iter().map(|host| host.bridge.status()).collect();
    let sum = |key: &str| status.iter().filter_map(|status| status[key].as_u64()).sum::<u64>();
    let (told, duplicates, lost) = (hosts.iter().map(|host| host.seq).sum::<u64>(), sum("duplicates"), sum("lost"));
    let seen = seen.lock().unwrap();
    let complete = hosts.iter().enumerate().all(|(number, host)| seen.last.get(&name(number)) == Some(&host.seq));
    assert!(complete && seen.amiss == 0 && lost == 0, "{} amiss, {lost} lost", seen.amiss);

    let mut put = |row: &str, value: Option<f64>| table.put(row, Column::Phoned, value);
    put("all connected after, s", Some(connected.as_secs_f64()));
    put("RSS of nats-server, all connected, MB", Some(idle_rss));
    put("1,000 events/s: event → consumer p50, ms", p50);
    put("1,000 events/s: event → consumer p99, ms", p99);
    put("1,000 events/s: CPU of nats-server, % of a core", Some(busy[0]));
    put("1,000 events/s: CPU of all hosts, % of a core", Some(busy[1]));
    put("100 at once from each: events/s", Some((HOSTS * FLOOD) as f64 / took));
    put("100 at once from each: CPU of nats-server an event, µs", Some(each));
    put("100 at once from each: RSS of nats-server, MB", Some(full.rss_kb / 1024.0));
    put("the same, nats-server killed in the middle: all there after, s", Some(recovered));
    put("events told, each seen once, no gap by seq, in order", Some(told as f64));
    put("of these sent twice, and known by their Nats-Msg-Id", Some(duplicates as f64));
}

fn name(number: usize) -> String {
    format!("desk-{number:04}")
}

fn host(shared: &Path, number: usize, port: u16, runtime: &Runtime) -> Host {
    let dir = shared.join(name(number));
    let (gate, written) = watch::channel(0);
    let tell: store::Tell = Box::new(move |told| {
        if let Told::Written(place) = told {
            gate.send_replace(place);
        }
    });
    let config = StoreConfig { dir: Some(dir.clone()), ..StoreConfig::default() };
    let started = store::start(&config, format!("{number:016x}"), tell).unwrap();
    let source = Source { reader: started.reader, written, first: started.seq + 1, dir };
    let config = FleetConfig {
        urls: vec![format!("nats://127.0.0.1:{port}")],
        host: Some(name(number)),
        rpc: FleetRole::Off,
        ..FleetConfig::default()
    };
    let bridge = Arc::new(Bridge::new(&config, source, None));
    let running = bridge.clone();
    drop(runtime.spawn(async move { running.run().await }));
    Host { log: started.log, bridge, seq: 0 }
}

impl Host {
    /// An event as long as most are.
    fn tell(&mut self, began: Instant) {
        self.seq += 1;
        let data =
            json!({ "callId": "6c1f0b9a5d3e4f271", "at": began.elapsed().as_secs_f64(), "filler": "x".repeat(400) });
        self.log.append(Event {
            seq: self.seq,
            sample: false,
            wall: 1_764_500_000_000,
            name: "statusChange".into(),
            call_id: Some("6c1f0b9a5d3e4f271".into()),
            account: Some("office".into()),
            data: data.into(),
        });
        self.log.check();
    }
}

fn stream_is_there(runtime: &Runtime, port: u16) -> bool {
    runtime.block_on(async {
        let client = async_nats::connect(format!("nats://127.0.0.1:{port}")).await.unwrap();
        jetstream::new(client).get_stream("PHONED").await.is_ok()
    })
}

/// Reads the stream to its end, for ever; after a loss of the connection from where it was.
fn follow(runtime: &Runtime, port: u16, began: Instant, seen: &Arc<Mutex<Seen>>, total: &Arc<AtomicU64>) {
    let (seen, total) = (seen.clone(), total.clone());
    drop(runtime.spawn(async move {
        let client = async_nats::connect(format!("nats://127.0.0.1:{port}")).await.unwrap();
        let stream = jetstream::new(client.clone()).get_stream("PHONED").await.unwrap();
        let config = OrderedConfig { deliver_subject: client.new_inbox(), ..OrderedConfig::default() };
        let mut messages = stream.create_consumer(config).await.unwrap().messages().await.unwrap();
        while let Some(message) = messages.next().await {
            let Ok(message) = message else { continue };
            let body: Value = serde_json::from_slice(&message.payload).unwrap();
            let (host, seq) = (body["host"].as_str().unwrap().to_owned(), body["seq"].as_u64().unwrap());
            let at = body["data"]["at"].as_f64().unwrap();
            let mut seen = seen.lock().unwrap();
            seen.delays.push((began.elapsed().as_secs_f64() - at) * 1000.0);
            let last = seen.last.insert(host, seq).unwrap_or(0);
            seen.amiss += u64::from(seq != last + 1);
            total.fetch_add(1, Ordering::Release);
        }
    }));
}

/// Waits until all that was told has come.
fn come(hosts: &mut [Host], total: &AtomicU64) {
    let told: u64 = hosts.iter().map(|host| host.seq).sum();
    wait("all events come", || {
        hosts.iter_mut().for_each(|host| host.log.check());
        total.load(Ordering::Acquire) >= told && hosts.iter().all(|host| host.bridge.status()["behind"] == 0)
    });
}

fn wait(what: &str, mut look: impl FnMut() -> bool) {
    let began = measure::now();
    while !look() {
        assert!(began.elapsed() < LIMIT, "not within {LIMIT:?}: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
