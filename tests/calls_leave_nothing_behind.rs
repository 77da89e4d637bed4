//! Calls between two daemons leave nothing behind: afterwards each has the file descriptors and threads that it had before.
//! 50 calls; with `PHONED_SOAK` 1,000, after which the memory is back too.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use common::daemon::{Client, Daemon, Setup};
use common::wait::{poll, secs, soak};

mod common;

/// Calls at once.
const ROUND: usize = 10;
/// A transaction is over 64 × T1 = 32 s after its end (RFC 3261 §17): then its memory is free.
const FORGOTTEN: Duration = Duration::from_secs(40);

fn daemon(user: &str) -> Daemon {
    let tables = format!(
        "[accounts.{user}]\nuri = \"sip:{user}@127.0.0.1:{{port}}\"\nregister = false\ntrusted = [\"127.0.0.1\"]\nauto_answer = 0\n"
    );
    let phone = "max_calls = 100\nmax_calls_per_seat = 100\ndials_per_second = 10000".to_owned();
    Daemon::start(&Setup { tables, phone, ..Setup::default() })
}

fn round(a: &mut Client, b: &mut Client, number: &str) {
    let calls: Vec<String> = (0..ROUND).map(|_| a.dial("alice", number)).collect();
    let mut answered = Vec::new();
    for _ in &calls {
        a.wait_event("confirmed", |_| true);
        answered.push(b.wait_event("confirmed", |_| true)["callId"].as_str().unwrap().to_owned());
    }
    // Half of the calls are ended by each side.
    calls.iter().take(ROUND / 2).for_each(|call| drop(a.verb("hangup", call)));
    for _ in 0..ROUND / 2 {
        let over = b.wait_event("deleteSession", |_| true)["callId"].as_str().unwrap().to_owned();
        answered.retain(|call| *call != over);
    }
    for call in &answered {
        b.verb("hangup", call);
        b.wait_event("deleteSession", |event| event["callId"] == **call);
    }
    for _ in 0..ROUND {
        a.wait_event("deleteSession", |_| true);
    }
    a.forget_events();
    b.forget_events();
}

/// File descriptors and threads.
fn held(daemon: &Daemon) -> (usize, usize) {
    let count = |what: &str| std::fs::read_dir(format!("/proc/{}/{what}", daemon.pid())).unwrap().count();
    (count("fd"), count("task"))
}

fn resident_kb(daemon: &Daemon) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.pid())).unwrap();
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn nothing_is_left_of_many_calls() {
    let rounds = if soak() { 100 } else { 5 };
    let (alice, bob) = (daemon("alice"), daemon("bob"));
    let (mut a, mut b) = (alice.connect(), bob.connect());
    let before = [held(&alice), held(&bob)];
    let number = format!("sip:bob@127.0.0.1:{}", bob.port);
    let mut memory = [0, 0];
    for n in 0..rounds {
        round(&mut a, &mut b, &number);
        if n == rounds / 10 {
            memory = [resident_kb(&alice), resident_kb(&bob)];
        }
    }
    let after = || [held(&alice), held(&bob)];
    poll(secs(5), || (after() == before).then_some(()));
    assert_eq!(after(), before, "(file descriptors, threads) of both");
    if soak() {
        std::thread::sleep(FORGOTTEN);
        let left = [resident_kb(&alice), resident_kb(&bob)];
        println!("KB after a tenth of the calls {memory:?}, 40 s after the last {left:?}");
        assert!(left.iter().zip(memory).all(|(left, then)| *left < then + 4_096), "{memory:?} KB became {left:?}");
    }
    assert!(alice.stop() && bob.stop());
}
