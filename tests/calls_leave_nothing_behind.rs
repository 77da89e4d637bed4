//! Calls between two daemons leave nothing behind: afterwards each has no more file descriptors, threads and things under way
//! inside than before. 500 calls, one after the other; with `PHONED_SOAK` 10,000, and after the first 1,000 a call leaves no more
//! than 1 KB of memory.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use common::daemon::{Client, Daemon, Setup};
use common::wait::{now, poll, secs, soak};
use serde_json::{Value, json};

mod common;

/// A transaction is over 64 × T1 after its end (RFC 3261 §17): then its memory is free.
const T1_MS: u64 = 50;
/// Between two looks at the memory, calls.
const STEP: usize = 500;

fn daemon(user: &str) -> Daemon {
    let tables = format!(
        "[accounts.{user}]\nuri = \"sip:{user}@127.0.0.1:{{port}}\"\nregister = false\ntrusted = [\"127.0.0.1\"]\nauto_answer = 0\n"
    );
    let phone = "dials_per_second = 10000".to_owned();
    Daemon::start(&Setup { tables, phone, sip: format!("t1_ms = {T1_MS}"), ..Setup::default() })
}

/// One call, ended by either side.
fn call(a: &mut Client, b: &mut Client, number: &str, caller_ends: bool) {
    let out = a.dial("alice", number);
    let inside = b.wait_event("confirmed", |_| true)["callId"].as_str().unwrap().to_owned();
    a.wait_event("confirmed", |e| e["callId"] == *out);
    if caller_ends {
        a.verb("hangup", &out);
    } else {
        b.verb("hangup", &inside);
    }
    for (client, call) in [(a, out), (b, inside)] {
        client.wait_event("cdrChange", |e| e["callId"] == *call);
        client.forget_events();
    }
}

/// File descriptors and threads.
fn held(daemon: &Daemon) -> (usize, usize) {
    let count = |what: &str| std::fs::read_dir(format!("/proc/{}/{what}", daemon.pid())).unwrap().count();
    (count("fd"), count("task"))
}

fn resident_kb(daemon: &Daemon) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.pid())).unwrap();
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// What is under way inside.
fn counts(client: &mut Client) -> Value {
    client.call("phone.get", json!({})).unwrap()["counts"].clone()
}

/// The slope of the line that is nearest to the points.
fn slope(points: &[(f64, f64)]) -> f64 {
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / points.len() as f64;
    let (x, y) = (mean(|p| p.0), mean(|p| p.1));
    points.iter().map(|p| (p.0 - x) * (p.1 - y)).sum::<f64>() / points.iter().map(|p| (p.0 - x).powi(2)).sum::<f64>()
}

#[test]
fn nothing_is_left_of_many_calls() {
    let calls = if soak() { 10_000 } else { 500 };
    let (alice, bob) = (daemon("alice"), daemon("bob"));
    let (mut a, mut b) = (alice.connect(), bob.connect());
    let number = format!("sip:bob@127.0.0.1:{}", bob.port);
    let empty = [counts(&mut a), counts(&mut b)];
    call(&mut a, &mut b, &number, true); // the first call of a daemon opens the files of its records
    let before = [held(&alice), held(&bob)];
    // The way between the two stays open; all else goes.
    let back = |a: &mut Client, b: &mut Client| {
        poll(secs(10) + Duration::from_millis(3 * 64 * T1_MS), || ([counts(a), counts(b)] == empty).then_some(()))
            .unwrap_or_else(|| panic!("{empty:?} became {} {}", counts(a), counts(b)));
    };
    let began = now();
    let mut memory = Vec::new();
    for done in 1..=calls {
        call(&mut a, &mut b, &number, done % 2 == 0);
        if done % STEP == 0 {
            back(&mut a, &mut b);
            memory.push((done as f64, [resident_kb(&alice), resident_kb(&bob)]));
        }
    }
    println!("{calls} calls in {:?}; KB of both: {memory:?}", began.elapsed());
    // Threads that wait for other work than calls may have ended meanwhile, or wait some 10 s more.
    let back = || {
        let after = [held(&alice), held(&bob)];
        after.iter().zip(&before).all(|(after, before)| after.0 <= before.0 && after.1 <= before.1)
    };
    poll(secs(30), || back().then_some(()));
    assert!(back(), "(file descriptors, threads) of both: {before:?} became {:?}", [held(&alice), held(&bob)]);
    if soak() {
        let late = memory.iter().filter(|(done, _)| *done >= 1_000.0);
        for side in [0, 1] {
            let points: Vec<_> = late.clone().map(|(done, kb)| (*done, kb[side])).collect();
            let each = slope(&points);
            println!("after the first 1,000 calls each leaves {:.0} bytes", each * 1024.0);
            assert!(each <= 1.0, "{each} KB a call: {points:?}");
        }
    }
    assert!(alice.stop() && bob.stop());
}
