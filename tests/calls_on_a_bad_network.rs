//! Calls survive a network that loses, repeats and reorders datagrams: of 10,000 at 10 % loss at least 99.9 % connect and
//! end cleanly, at 30 % at least 98 % (of 100,000 each with `PHONED_SOAK`); afterwards neither phone holds anything of any of them.
#![allow(clippy::unwrap_used)]

#[path = "common/net/mod.rs"]
mod net;

use std::collections::{BTreeMap, BTreeSet};

use net::{Net, Weather};
use phoned::ua::command::{Call, CallRef, Command};
use phoned::ua::event::Event;
use phoned::ua::settings::{AutoAnswer, PhoneSettings};

/// What a clean call tells, each once and in this order. At the called side the hang-up may overtake the ACK of a bad
/// network: then nothing was ever confirmed there.
const CLEAN: [&str; 4] = ["accepted", "confirmed", "ended Terminated", "deleteSession"];
const OVERTAKEN: [&str; 3] = ["accepted", "ended Terminated", "deleteSession"];

/// The part of an event that counts here.
fn word(event: &Event) -> Option<String> {
    match event.name.as_str() {
        "accepted" | "confirmed" | "deleteSession" | "clientError" => Some(event.name.clone()),
        "ended" | "failed" => Some(format!("{} {}", event.name, event.data["cause"].as_str().unwrap())),
        _ => None,
    }
}

/// Fifty calls a second; each is hung up about two seconds after its answer by the side that is first. How many were
/// clean on both sides.
fn clean(calls: usize, loss: u32, seed: u64) -> usize {
    let mut net = Net::new(seed);
    net.logging = false;
    let roomy = |phone: &mut PhoneSettings| {
        (phone.max_calls, phone.max_calls_per_seat, phone.dials_per_second) = (10_000, 10_000, 1_000);
    };
    let alice = net.phone_with("alice", |settings, _| roomy(&mut settings.phone));
    let bob = net.phone_with("bob", |settings, account| {
        roomy(&mut settings.phone);
        account.auto_answer = Some(AutoAnswer::After(500));
    });
    net.weather = Weather { loss, duplicates: 5, delay: 1..=150 };
    let number = net.uri(bob);
    let mut told = BTreeMap::<_, Vec<String>>::new();
    let mut hangups = BTreeSet::new();
    for tick in 0.. {
        if tick < calls {
            net.command(alice, Command::Call(Call { number: number.clone(), ..Call::default() }));
        }
        net.run_for(20);
        let now = net.now();
        for (who, patience) in [(alice, 2_000), (bob, 1_700)] {
            for event in net.take_events(who) {
                let (Some(word), Some(call_id)) = (word(&event), event.call_id) else { continue };
                if word == "confirmed" {
                    hangups.insert((now + patience + 37 * (hangups.len() as u64 % 20), who, call_id.clone()));
                }
                told.entry((who, call_id)).or_default().push(word);
            }
        }
        while hangups.first().is_some_and(|(at, ..)| *at <= now) {
            let (_, who, call_id) = hangups.pop_first().unwrap();
            net.command(who, Command::Hangup(CallRef { call_id }));
        }
        if tick >= calls && [alice, bob].iter().all(|who| net.phone_of(*who).ua.is_idle()) {
            break;
        }
        assert!(tick < 2 * calls + 10_000, "calls that never end");
    }
    net.run_to_rest();
    assert!([alice, bob].iter().all(|who| net.phone_of(*who).streams.is_empty()), "media that is never closed");
    let mut kinds = BTreeMap::<_, usize>::new();
    for ((who, _), words) in told {
        *kinds.entry((who, words)).or_default() += 1;
    }
    println!("{loss} %: {kinds:?}");
    let count = |who, words: &[&str]| *kinds.get(&(who, words.iter().map(|w| w.to_string()).collect())).unwrap_or(&0);
    count(alice, &CLEAN).min(count(bob, &CLEAN) + count(bob, &OVERTAKEN))
}

fn calls() -> usize {
    if std::env::var_os("PHONED_SOAK").is_some() { 100_000 } else { 10_000 }
}

#[test]
fn at_ten_percent_loss() {
    assert!(clean(calls(), 10, 11) * 1_000 >= calls() * 999);
}

#[test]
fn at_thirty_percent_loss() {
    assert!(clean(calls(), 30, 12) * 100 >= calls() * 98);
}
