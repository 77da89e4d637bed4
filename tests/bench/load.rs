//! `make bench`: phoned and baresip under the same load in the same run, from a generator of our own (SIP and RTP on loopback,
//! clocked in µs). Prints a table and writes docs/BENCHMARKS.md. `PHONED_BENCH=quick` takes three minutes and writes nothing, nor do
//! `PHONED_BENCH_PEER=phoned` and `PHONED_BENCH_ONLY=starts|calls|legs|set-ups|speech`, which do only that much of it;
//! `PHONED_BENCH_ONLY=fleet` writes its own section of that page.
#![allow(clippy::unwrap_used)]

mod caller;
mod fleet;
mod legs;
mod measure;
mod peer;
mod rtp;
mod speech;
mod table;

use std::time::Duration;

use caller::Caller;
use legs::Browser;
use measure::{Usage, percentile};
use peer::{Codec, Make, Peer, Wire};
use rtp::Rtp;
use table::{Column, Table};

/// The longest that a call with media lasts: ramp, settling, window.
const SOUND_SECONDS: u32 = 60;

/// How long and how much.
struct Plan {
    calls: Vec<(Codec, usize)>,
    legs: Vec<usize>,
    window: Duration,
    rates: Vec<u32>,
    rate_seconds: u32,
    ceilings: Vec<u32>,
    trips: usize,
    starts: usize,
    /// Of the speech over bad lines.
    runs: usize,
    write: bool,
}

impl Plan {
    fn full() -> Plan {
        let pcmu = [10, 50, 100, 500].map(|n| (Codec::Pcmu, n));
        let opus = [10, 50, 100, 500].map(|n| (Codec::Opus, n));
        Plan {
            calls: pcmu.into_iter().chain(opus).collect(),
            legs: vec![10, 50, 200],
            window: Duration::from_secs(15),
            rates: vec![10, 50, 200],
            rate_seconds: 10,
            ceilings: vec![100, 200, 300, 500, 800, 1200, 1600, 2000],
            trips: 5000,
            starts: 7,
            runs: 3,
            write: true,
        }
    }

    fn quick() -> Plan {
        Plan {
            calls: vec![(Codec::Pcmu, 10), (Codec::Opus, 10)],
            legs: vec![10],
            window: Duration::from_secs(4),
            rates: vec![10, 50],
            rate_seconds: 3,
            ceilings: vec![100],
            trips: 500,
            starts: 3,
            runs: 1,
            write: false,
        }
    }
}

fn main() {
    if !std::env::args().any(|a| a == "--bench") {
        return;
    }
    let quick = std::env::var("PHONED_BENCH").is_ok_and(|v| v == "quick");
    let plan = if quick { Plan::quick() } else { Plan::full() };
    let only = std::env::var("PHONED_BENCH_PEER").ok();
    let part = |name| std::env::var("PHONED_BENCH_ONLY").map_or(true, |only| only == name);
    if std::env::var("PHONED_BENCH_ONLY").is_ok_and(|only| only == "fleet") {
        let page = std::fs::read_to_string(PAGE).unwrap();
        return write(page.split(FLEET).next().unwrap_or_default(), &fleet::section());
    }
    let mut table = Table::default();
    for make in [Make::Phoned, Make::Baresip] {
        if only.as_deref().is_some_and(|name| name != make.name()) {
            continue;
        }
        let column = make.column();
        table.version(column, make.version());
        if part("starts") {
            starts(make, &plan, &mut table);
        }
        for (codec, calls) in plan.calls.iter().filter(|_| part("calls")) {
            talk(make, *codec, *calls, &plan, &mut table);
        }
        for count in plan.legs.iter().filter(|_| part("legs")) {
            legs(make, *count, &plan, &mut table);
        }
        if part("set-ups") {
            set_ups(make, &plan, &mut table);
        }
        if part("speech") {
            speech::matrix(make, plan.runs, &mut table);
        }
    }
    println!("\n{}", table.text());
    if plan.write && only.is_none() && std::env::var_os("PHONED_BENCH_ONLY").is_none() {
        write(&table.markdown(), &fleet::section());
    }
}

/// The page that it writes, and how its last section begins.
const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/BENCHMARKS.md");
const FLEET: &str = "## A fleet\n";

fn write(table: &str, fleet: &str) {
    std::fs::write(PAGE, format!("{}\n\n{fleet}", table.trim_end())).unwrap();
    println!("{fleet}\nwritten to docs/BENCHMARKS.md");
}

/// Start → registered, and the round trip on the control socket of an idle peer.
fn starts(make: Make, plan: &Plan, table: &mut Table) {
    progress(make, "start → registered");
    let mut times: Vec<f64> = (0..plan.starts).filter_map(|_| peer::start_to_registered(make)).collect();
    table.put("start → registered, ms", make.column(), percentile(&mut times, 50.0).map(|us| us / 1000.0));
    progress(make, "control round trips");
    let peer = Peer::start(make, Codec::Pcmu, Wire::Plain, 2);
    let mut trips = peer.round_trips(plan.trips);
    table.put("control round trip p50, µs", make.column(), percentile(&mut trips, 50.0));
    table.put("control round trip p99, µs", make.column(), percentile(&mut trips, 99.0));
    table.put("RSS idle, MB", make.column(), Some(Usage::of(peer.pid()).rss_kb / 1024.0));
    table.put("threads idle", make.column(), Some(Usage::of(peer.pid()).threads));
}

/// The rows of a number of calls.
const ROWS: [&str; 4] = ["packets sent, % of 50/s", "CPU s per call-min", "RSS per call, KB", "threads"];

/// So many calls with media both ways: CPU, memory, threads, packets.
fn talk(make: Make, codec: Codec, calls: usize, plan: &Plan, table: &mut Table) {
    let name = format!("{}, {calls} calls", codec.name());
    progress(make, &name);
    let column = make.column();
    let peer = Peer::start(make, codec, Wire::Plain, SOUND_SECONDS);
    let idle = Usage::of(peer.pid());
    let rtp = Rtp::start(codec);
    let caller = Caller::start(peer.sip(), codec, rtp.port());
    let mut put = |row: &str, value: Option<f64>| table.put(&format!("{name}: {row}"), column, value);
    let dashes = |put: &mut dyn FnMut(&str, Option<f64>), from: usize| {
        ROWS[from..].iter().for_each(|row| put(row, None));
        caller.hang_up();
    };
    let answered = caller.keep(calls, 40, Duration::from_secs(3));
    if answered.len() < calls {
        println!("    only {} of {calls} calls were answered", answered.len());
        return dashes(&mut put, 0);
    }
    rtp.send_to(&answered);
    measure::sleep(Duration::from_secs(2));
    let (before, heard) = (Usage::of(peer.pid()), rtp.received());
    let took = measure::sleep(plan.window).as_secs_f64();
    let (after, heard) = (Usage::of(peer.pid()), rtp.received() - heard);
    let sent = heard as f64 / (calls as f64 * took * 50.0) * 100.0;
    rtp.stop();
    put(ROWS[0], Some(sent));
    if sent < 99.0 {
        println!("    only {sent:.1} % of the packets were sent");
        return dashes(&mut put, 1);
    }
    let minutes = calls as f64 * took / 60.0;
    put(ROWS[1], Some((after.cpu_s - before.cpu_s) / minutes));
    put(ROWS[2], Some((after.rss_kb - idle.rss_kb) / calls as f64 - peer.sound_kb()));
    put(ROWS[3], Some(after.threads));
    caller.hang_up();
}

/// So many calls over ICE and DTLS-SRTP: the same figures.
fn legs(make: Make, calls: usize, plan: &Plan, table: &mut Table) {
    let name = format!("WebRTC (PCMU), {calls} calls");
    progress(make, &name);
    let column = make.column();
    let peer = Peer::start(make, Codec::Pcmu, Wire::Webrtc, 2 * SOUND_SECONDS);
    let idle = Usage::of(peer.pid());
    let mut browser = Browser::start(Codec::Pcmu);
    let mut put = |row: &str, value: Option<f64>| table.put(&format!("{name}: {row}"), column, value);
    let hearing = browser.call(&peer, calls);
    let (began, before) = (measure::now(), Usage::of(peer.pid()));
    let heard = browser.hear(plan.window) / 50.0 * 100.0;
    let (took, after) = (began.elapsed().as_secs_f64(), Usage::of(peer.pid()));
    browser.end();
    let fine = hearing == calls && heard >= 99.0;
    if !fine {
        println!("    {hearing} of {calls} calls have media, {heard:.1} % of their packets came");
    }
    let minutes = calls as f64 * took / 60.0;
    put(ROWS[0], Some(heard).filter(|_| hearing == calls));
    put(ROWS[1], Some((after.cpu_s - before.cpu_s) / minutes).filter(|_| fine));
    put(ROWS[2], Some((after.rss_kb - idle.rss_kb) / calls as f64 - peer.sound_kb()).filter(|_| fine));
    put(ROWS[3], Some(after.threads).filter(|_| fine));
}

/// So many set-ups a second: INVITE → 200, CPU a set-up, and the rate at which it no longer keeps up.
fn set_ups(make: Make, plan: &Plan, table: &mut Table) {
    let column = make.column();
    for rate in &plan.rates {
        progress(make, &format!("{rate} set-ups a second"));
        let peer = Peer::start(make, Codec::Pcmu, Wire::Plain, 2);
        let run = burst(&peer, *rate, plan.rate_seconds);
        if !run.kept_up() {
            println!("    {} of {} calls were answered", run.times.len(), run.begun);
        }
        let fine = run.kept_up();
        let mut times = run.times;
        let name = format!("{rate} set-ups/s");
        table.put(
            &format!("{name}: INVITE→200 p50, ms"),
            column,
            percentile(&mut times, 50.0).filter(|_| fine).map(|us| us / 1000.0),
        );
        table.put(
            &format!("{name}: INVITE→200 p99, ms"),
            column,
            percentile(&mut times, 99.0).filter(|_| fine).map(|us| us / 1000.0),
        );
        table.put(&format!("{name}: CPU a set-up, ms"), column, Some(run.cpu_ms).filter(|_| fine));
    }
    let mut ceiling = None::<u32>;
    for rate in [50].iter().chain(&plan.ceilings) {
        progress(make, &format!("ceiling: {rate} set-ups a second"));
        let peer = Peer::start(make, Codec::Pcmu, Wire::Plain, 2);
        if !burst(&peer, *rate, 4).kept_up() {
            break;
        }
        ceiling = Some(*rate);
    }
    table.put("set-up ceiling, calls/s", column, ceiling.map(f64::from));
}

/// What a burst of set-ups came to.
struct Burst {
    /// INVITE → 200, µs.
    times: Vec<f64>,
    /// Calls begun.
    begun: usize,
    /// CPU of the peer a set-up, ms.
    cpu_ms: f64,
}

impl Burst {
    /// All but one in a hundred answered, and 99 of 100 within 100 ms.
    fn kept_up(&self) -> bool {
        let mut times = self.times.clone();
        let late = percentile(&mut times, 99.0).is_none_or(|us| us > 100_000.0);
        self.times.len() * 100 >= self.begun * 99 && !late
    }
}

/// Calls of 50 ms at that rate.
fn burst(peer: &Peer, rate: u32, seconds: u32) -> Burst {
    // Their voice is not read, yet has somewhere to go.
    let deaf = Rtp::start(Codec::Pcmu);
    let caller = Caller::start(peer.sip(), Codec::Pcmu, deaf.port());
    let before = Usage::of(peer.pid());
    let begun = (rate * seconds) as usize;
    let times = caller.set_up(begun, rate, Duration::from_millis(50));
    let cpu_ms = (Usage::of(peer.pid()).cpu_s - before.cpu_s) * 1000.0 / begun as f64;
    Burst { times, begun, cpu_ms }
}

fn progress(make: Make, what: &str) {
    println!("{:8} {what}", make.name());
}

impl Make {
    fn column(self) -> Column {
        match self {
            Make::Phoned => Column::Phoned,
            Make::Baresip => Column::Baresip,
        }
    }
}
