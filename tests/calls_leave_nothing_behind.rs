//! Calls between two daemons leave nothing behind: afterwards each has no more file descriptors and threads than before.
//! 50 calls; with `PHONED_SOAK` 1,000 and 1,000 more, which need no more memory than the first.
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
    let number = format!("sip:bob@127.0.0.1:{}", bob.port);
    round(&mut a, &mut b, &number); // the first call of a daemon opens the files of its records
    let before = [held(&alice), held(&bob)];
    let mut many = || (0..rounds).for_each(|_| round(&mut a, &mut b, &number));
    many();
    if soak() {
        // What the allocator keeps of the first thousand is enough for the next.
        let rested = || {
            std::thread::sleep(FORGOTTEN);
            [resident_kb(&alice), resident_kb(&bob)]
        };
        let first = rested();
        many();
        let second = rested();
        println!("KB of both after 1,000 calls and 40 s {first:?}, after 1,000 more {second:?}");
        assert!(second.iter().zip(first).all(|(now, then)| *now < then + 1_024), "{first:?} KB became {second:?}");
    }
    // Threads that wait for other work than calls may have ended meanwhile.
    let back = || {
        let after = [held(&alice), held(&bob)];
        after.iter().zip(&before).all(|(after, before)| after.0 <= before.0 && after.1 <= before.1)
    };
    poll(secs(5), || back().then_some(()));
    assert!(back(), "(file descriptors, threads) of both: {before:?} became {:?}", [held(&alice), held(&bob)]);
    assert!(alice.stop() && bob.stop());
}
