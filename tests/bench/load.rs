//! `make bench`: phoned and baresip under the same load in the same run, from a generator of our own (SIP and RTP on loopback,
//! clocked in µs). Prints a table a part, and writes its section of docs/BENCHMARKS.md. `PHONED_BENCH_ONLY=NAME,…` does only these parts
//! (their names are in `PARTS`; `load` means the first four) and leaves the other sections as they are. `PHONED_BENCH=quick` takes
//! three minutes and writes nothing, nor does `PHONED_BENCH_PEER=phoned`, which leaves baresip out.
#![allow(clippy::unwrap_used)]

mod caller;
mod cards;
mod fleet;
mod legs;
mod measure;
mod page;
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

/// A part of the bench, and its section of docs/BENCHMARKS.md.
struct Part {
    /// In `PHONED_BENCH_ONLY`.
    name: &'static str,
    /// The section's heading.
    heading: &'static str,
    /// What was done and what the rows are, for the reader.
    about: &'static str,
    /// Does it with one make: puts its rows. Their goals stand in `table::goals`. A part that baresip has nothing of puts no row for it, and
    /// its table has no such column.
    run: fn(Make, &Plan, &mut Table),
}

/// In the order of the page. A new one needs its line here, no more.
const PARTS: [Part; 7] = [
    Part {
        name: "starts",
        heading: "Alone",
        about: "From the start of the process until its REGISTER with a digest is accepted; then the round trip on the control socket of a phone \
                without calls, which\nasks phoned for its accounts, baresip for its agent's state.",
        run: starts,
    },
    Part {
        name: "calls",
        heading: "Calls",
        about: "Both play a tone and answer at once; the generator (tests/bench) sends voice on every call and counts what comes back. CPU is user and\n\
                system time of the one process. phoned has `output = \"null\"`; baresip has its default Opus settings and plays into `aubridge`; the file\n\
                of sound that each of its calls loads is taken off its memory.",
        run: |make, plan, table| plan.calls.iter().for_each(|(codec, calls)| talk(make, *codec, *calls, plan, table)),
    },
    Part {
        name: "legs",
        heading: "Calls over WebRTC",
        about: "The same over ICE and DTLS-SRTP.",
        run: |make, plan, table| plan.legs.iter().for_each(|count| legs(make, *count, plan, table)),
    },
    Part {
        name: "set-ups",
        heading: "Set-ups",
        about: "INVITE, 180, 200, ACK and, 50 ms after the INVITE, BYE, with the media of that time in its CPU. Kept up with is a rate at which\n\
                1 % at most is lost and the p99 stays below 100 ms.",
        run: set_ups,
    },
    Part {
        name: "speech",
        heading: "Speech over bad lines",
        about: speech::ABOUT,
        run: |make, plan, table| speech::matrix(make, plan.runs, table),
    },
    Part { name: "cards", heading: "Sound cards", about: cards::ABOUT, run: |make, _, table| cards::rows(make, table) },
    Part { name: "fleet", heading: "A fleet", about: fleet::ABOUT, run: |make, _, table| fleet::hosts(make, table) },
];

/// The parts about calls and their number, which `PHONED_BENCH_ONLY=load` means.
const LOAD: [&str; 4] = ["starts", "calls", "legs", "set-ups"];

fn main() {
    if !std::env::args().any(|a| a == "--bench") {
        return;
    }
    let quick = std::env::var("PHONED_BENCH").is_ok_and(|v| v == "quick");
    let plan = if quick { Plan::quick() } else { Plan::full() };
    let peer = std::env::var("PHONED_BENCH_PEER").ok();
    let makes = [Make::Phoned, Make::Baresip].into_iter().filter(|make| peer.as_ref().is_none_or(|p| p == make.name()));
    let makes: Vec<Make> = makes.collect();
    let only = std::env::var("PHONED_BENCH_ONLY").ok();
    let meant = |word: &str, name: &str| word == name || (word == "load" && LOAD.contains(&name));
    let wanted = |part: &&Part| only.as_ref().is_none_or(|only| only.split(',').any(|word| meant(word, part.name)));
    for part in PARTS.iter().filter(wanted) {
        let mut table = Table::default();
        for make in &makes {
            (part.run)(*make, &plan, &mut table);
            table.version(make.column(), make.version());
        }
        println!("\n{}", table.text());
        if plan.write && peer.is_none() {
            let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/BENCHMARKS.md");
            let page = std::fs::read_to_string(path).unwrap_or_default();
            let text = format!("{}\n\n{}", part.about, table.markdown());
            std::fs::write(path, page::with_section(&page, &PARTS.map(|part| part.heading), part.heading, &text))
                .unwrap();
            println!("written to docs/BENCHMARKS.md: {}", part.heading);
        }
    }
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
