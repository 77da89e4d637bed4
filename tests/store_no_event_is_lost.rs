//! Every event is in the log before a client sees it, and none is lost: nine of ten subscribers see 10,000 events without a gap, the
//! tenth, asleep, learns exactly what it missed and replays it; `fromSeq` goes on into the live ones; what is no longer kept is -226.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test meets the clock and the system")]

mod fake_phone;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use fake_phone::{Client, FakePhone, event};
use phoned::config::StoreConfig;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

fn store(dir: &tempfile::TempDir) -> StoreConfig {
    StoreConfig { dir: Some(dir.path().to_owned()), ..StoreConfig::default() }
}

async fn result(client: &mut Client) -> Value {
    let line = client.line().await.expect("a line");
    assert_eq!(line["method"], "event", "{line}");
    line["params"]["result"].clone()
}

fn numbers(result: &Value) -> (u64, u64) {
    (result["seq"].as_u64().unwrap(), result["prev"].as_u64().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_subscribers_one_asleep() {
    const EVENTS: u64 = 10_000;
    let dir = tempfile::tempdir().unwrap();
    let phone = FakePhone::with_store(store(&dir));
    let mut sleeper = phone.connect().await;
    sleeper.call("events.subscribe", json!({})).await;
    let (mut readers, mut far) = (Vec::new(), Vec::new());
    for _ in 0..9 {
        let mut client = phone.connect().await;
        client.call("events.subscribe", json!({})).await;
        let read = Arc::new(AtomicU64::new(0));
        far.push(read.clone());
        readers.push(tokio::spawn(async move {
            let mut last = 0;
            while last < EVENTS {
                let note = result(&mut client).await;
                assert_eq!(numbers(&note), (last + 1, last), "{note}");
                last += 1;
                read.store(last, Ordering::Relaxed);
            }
        }));
    }
    for seq in 1..=EVENTS {
        phone.events.send(event(seq, "dtmf", Some("1"), json!({ "dtmf": "1", "pad": "x".repeat(200) }))).await.unwrap();
        // As fast as nine readers can read; one that has failed is not waited for.
        let behind = |(read, reader): (&Arc<AtomicU64>, &JoinHandle<()>)| {
            read.load(Ordering::Relaxed) + 400 < seq && !reader.is_finished()
        };
        while far.iter().zip(&readers).any(behind) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    for reader in readers {
        reader.await.unwrap();
    }
    // The sleeper wakes: events, one hole with its exact bounds, events.
    let (mut last, mut missed) = (0, Vec::new());
    while last < EVENTS {
        let note = result(&mut sleeper).await;
        if note["event"] == "lagged" {
            let (from, to) = (note["data"]["fromSeq"].as_u64().unwrap(), note["data"]["toSeq"].as_u64().unwrap());
            assert_eq!(from, last + 1);
            missed.push((from, to));
            last = to;
        } else {
            assert_eq!(numbers(&note), (last + 1, last));
            last += 1;
        }
    }
    assert!(!missed.is_empty(), "it slept through nothing");
    for (from, to) in missed {
        let mut next = from;
        while next <= to {
            let answer = sleeper.call("events.replay", json!({ "fromSeq": next, "toSeq": to })).await["result"].clone();
            for event in answer["events"].as_array().unwrap() {
                assert_eq!((event["seq"].as_u64(), event["event"].as_str()), (Some(next), Some("dtmf")));
                assert_eq!(event["time"], "2026-11-23T00:55:46.001Z");
                next += 1;
            }
            assert_eq!(answer["nextSeq"].as_u64(), (next <= to).then_some(next));
        }
        assert_eq!(next, to + 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_from_the_past_runs_into_the_live_one() {
    const EVENTS: u64 = 4_000;
    let dir = tempfile::tempdir().unwrap();
    let phone = FakePhone::with_store(store(&dir));
    let events = phone.events.clone();
    let name = |seq: u64| if seq.is_multiple_of(10) { "alert" } else { "dtmf" };
    let send = move |from: u64, to: u64| {
        let events = events.clone();
        async move {
            for seq in from..=to {
                events.send(event(seq, name(seq), Some("1"), json!({ "pad": "x".repeat(300) }))).await.unwrap();
            }
        }
    };
    send(1, EVENTS / 2).await;
    phone.settle().await;
    let live = tokio::spawn(send(EVENTS / 2 + 1, EVENTS));
    let mut all = phone.connect().await;
    let begin = all.call("events.subscribe", json!({ "fromSeq": 101, "epoch": "test" })).await;
    assert_eq!(begin["result"]["seq"], 100);
    let mut some = phone.connect().await;
    some.call("events.subscribe", json!({ "fromSeq": 1, "topics": ["alert"] })).await;
    for seq in 101..=EVENTS {
        assert_eq!(numbers(&result(&mut all).await), (seq, seq - 1));
    }
    for step in 1..=EVENTS / 10 {
        assert_eq!(numbers(&result(&mut some).await), (step * 10, (step - 1) * 10));
    }
    live.await.unwrap();
    // What is to come may be asked for; what is not even next may not.
    let mut late = phone.connect().await;
    assert_eq!(late.call("events.subscribe", json!({ "fromSeq": EVENTS + 1 })).await["result"]["seq"], EVENTS);
    assert_eq!(late.call("events.subscribe", json!({ "fromSeq": EVENTS + 2 })).await["error"]["code"], -32602);
    let other = json!({ "fromSeq": 1, "epoch": "other" });
    assert_eq!(late.call("events.subscribe", other).await["error"]["code"], -226);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_longer_kept_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let config = StoreConfig { max_bytes: 262_144, ..store(&dir) };
    let phone = FakePhone::with_store(config.clone());
    let mut client = phone.connect().await;
    for seq in 1..=4_000 {
        phone.events.send(event(seq, "alert", None, json!({ "pad": "x".repeat(200) }))).await.unwrap();
    }
    phone.settle().await;
    assert!(client.call("events.replay", json!({ "fromSeq": 1, "limit": 1 })).await["result"].is_object());
    phone.end().await;
    // The next start throws away what is too much.
    let phone = FakePhone::with_store(config);
    let mut client = phone.connect().await;
    let refused = loop {
        let answer = client.call("events.replay", json!({ "fromSeq": 1 })).await;
        if answer["error"].is_object() {
            break answer["error"].clone();
        }
    };
    assert_eq!((&refused["code"], &refused["message"]), (&json!(-226), &json!("REPLAY_GAP")));
    assert_eq!(client.call("events.subscribe", json!({ "fromSeq": 1 })).await["error"]["code"], -226);
    let tail = client.call("events.replay", json!({ "fromSeq": 3_999 })).await["result"].clone();
    assert_eq!(tail["events"].as_array().unwrap().len(), 2);
    let on_disk: u64 = std::fs::read_dir(dir.path()).unwrap().map(|file| file.unwrap().metadata().unwrap().len()).sum();
    assert!(on_disk < 2 * 262_144, "{on_disk} bytes");
}

#[tokio::test]
async fn without_a_store_it_is_said() {
    let phone = FakePhone::start();
    let mut client = phone.connect().await;
    for (method, params) in [
        ("events.replay", json!({ "fromSeq": 1 })),
        ("events.subscribe", json!({ "fromSeq": 1 })),
        ("cdr.query", json!({})),
    ] {
        assert_eq!(client.call(method, params).await["error"]["code"], -221, "{method}");
    }
}

/// Replies and events of a connection keep the phone's order though the events wait for the log.
#[tokio::test(flavor = "multi_thread")]
async fn replies_keep_their_place_among_the_events() {
    let dir = tempfile::tempdir().unwrap();
    let phone = FakePhone::with_store(store(&dir));
    let mut client = phone.connect().await;
    client.call("events.subscribe", json!({})).await;
    for seq in 1..=500 {
        phone.events.send(event(seq, "alert", None, json!({}))).await.unwrap();
        phone.settle().await;
        let id = client.post("phone.getSession", json!({ "callId": "1" })).await;
        let (event, reply) = (client.line().await.unwrap(), client.line().await.unwrap());
        assert_eq!((&event["params"]["result"]["seq"], &reply["id"]), (&json!(seq), &json!(id)));
        assert_eq!(reply["result"]["seq"], seq);
    }
}

/// From the phone to a client: what the log costs. A loaded machine makes it slow, so the quick ones of each are compared.
#[tokio::test(flavor = "multi_thread")]
async fn the_log_costs_little_time() {
    let mut quick = Vec::new();
    for logged in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let phone = if logged { FakePhone::with_store(store(&dir)) } else { FakePhone::start() };
        let mut client = phone.connect().await;
        client.call("events.subscribe", json!({})).await;
        let mut times = Vec::new();
        for seq in 1..=2_000 {
            let told = event(seq, "statusChange", Some("1"), json!({ "pad": "x".repeat(800) }));
            let begin = Instant::now();
            phone.events.send(told).await.unwrap();
            result(&mut client).await;
            times.push(begin.elapsed());
        }
        times.sort();
        let at = |share: usize| times[times.len() * share / 1000];
        println!("log {logged}: p50 {:?}, p90 {:?}, p99 {:?}, max {:?}", at(500), at(900), at(990), at(999));
        quick.push(at(100));
    }
    assert!(quick[1] < quick[0] + Duration::from_millis(2), "{quick:?}");
}

/// A file of the log that went away: what it held is told as missing, exactly, and what stands behind it comes.
#[tokio::test]
async fn a_file_that_is_gone_costs_what_it_held() {
    let dir = tempfile::tempdir().unwrap();
    let phone = FakePhone::with_store(StoreConfig { max_bytes: 16 * 65_536, ..store(&dir) });
    for seq in 1..=2_000 {
        phone.events.send(event(seq, "alert", None, json!({ "pad": "x".repeat(200) }))).await.unwrap();
    }
    phone.settle().await;
    let mut client = phone.connect().await;
    assert_eq!(client.call("events.replay", json!({ "fromSeq": 2_000 })).await["result"]["nextSeq"], Value::Null);
    let mut files: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|file| file.unwrap().path()).collect();
    files.retain(|path| path.file_name().unwrap().to_str().unwrap().starts_with("events-"));
    files.sort();
    let first = |path: &std::path::Path| -> u64 {
        path.file_stem().unwrap().to_str().unwrap().trim_start_matches("events-").parse().unwrap()
    };
    let (from, to) = (first(&files[1]), first(&files[2]) - 1);
    std::fs::remove_file(&files[1]).unwrap();
    assert_eq!(client.call("events.replay", json!({ "fromSeq": from })).await["error"]["code"], -226);
    assert!(client.call("events.subscribe", json!({ "fromSeq": 1 })).await["result"].is_object());
    let mut next = 1;
    while next <= 2_000 {
        let told = result(&mut client).await;
        if told["event"] == "lagged" {
            assert_eq!((next, &told["data"]), (from, &json!({ "fromSeq": from, "toSeq": to })));
            next = to + 1;
        } else {
            assert_eq!(told["seq"], next);
            next += 1;
        }
    }
}
