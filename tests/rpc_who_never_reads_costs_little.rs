//! A client that never reads costs less than 2 MB and slows nobody; what it lost is told exactly. Alone in its process, which is
//! measured.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test meets the clock and the system")]

mod fake_phone;

use std::time::{Duration, Instant};

use fake_phone::{Client, FakePhone, event};
use serde_json::{Value, json};

async fn next(client: &mut Client) -> Value {
    let line = client.line().await.unwrap();
    assert_eq!(line["method"], "event", "{line}");
    line["params"].clone()
}

/// Resident memory of this process, bytes.
fn resident() -> u64 {
    let pages: u64 = std::fs::read_to_string("/proc/self/statm").unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}

#[tokio::test(flavor = "multi_thread")]
async fn who_never_reads_costs_little_and_slows_nobody() {
    let phone = FakePhone::start();
    let mut reader = phone.connect().await;
    reader.call("events.subscribe", json!({})).await;
    let data = json!({ "text": "x".repeat(2_000) });
    let mut seq = 0;
    // Warm up with a client that reads.
    for _ in 0..2_000 {
        seq += 1;
        phone.events.send(event(seq, "statusChange", Some("1"), data.clone())).await.unwrap();
        assert_eq!(next(&mut reader).await["result"]["seq"], seq);
    }
    let before = resident();
    let mut silent = Vec::new();
    for _ in 0..8 {
        let mut client = phone.connect().await;
        for _ in 0..16 {
            client.post("events.subscribe", json!({})).await;
        }
        silent.push(client);
    }
    let mut slowest = Duration::ZERO;
    for _ in 0..4_000 {
        seq += 1;
        let sent = Instant::now();
        phone.events.send(event(seq, "statusChange", Some("1"), data.clone())).await.unwrap();
        phone.events.send(event(seq, "updateTimer", Some("1"), data.clone())).await.unwrap();
        assert_eq!(next(&mut reader).await["result"]["seq"], seq);
        next(&mut reader).await;
        slowest = slowest.max(sent.elapsed());
    }
    let each = (resident().saturating_sub(before)) / silent.len() as u64;
    println!("a client that never reads: {each} bytes; slowest event to one that reads: {slowest:?}");
    assert!(each < 2_000_000, "{each} bytes for a client that never reads");
    assert!(slowest < Duration::from_secs(10), "{slowest:?}");

    // What it missed is told exactly: each subscription's chain is whole, or `lagged` names the gap.
    let mut client = silent.pop().unwrap();
    let mut last = std::collections::BTreeMap::new();
    let (mut lost, mut seen) = (0, 0);
    let mut ended = 0;
    while ended < 16 {
        let line = client.line().await.unwrap();
        if let Some(begin) = line["result"].as_object() {
            last.insert(begin["subscription"].as_u64().unwrap(), (begin["seq"].as_u64().unwrap(), None));
            continue;
        }
        let (id, result) = (line["params"]["subscription"].as_u64().unwrap(), &line["params"]["result"]);
        let (seq_is, prev) = (result["seq"].as_u64().unwrap(), result["prev"].as_u64().unwrap());
        let (at, gap) = last.get_mut(&id).unwrap();
        if result["event"] == "lagged" {
            assert_eq!((seq_is, prev), (*at, *at));
            assert_eq!(result["data"]["fromSeq"].as_u64().unwrap(), *at + 1);
            *gap = result["data"]["toSeq"].as_u64();
            lost += gap.unwrap() - *at;
        } else {
            assert_eq!(prev, gap.take().unwrap_or(*at), "{line}");
            assert!(result["event"] == "updateTimer" || seq_is == prev + 1);
            *at = seq_is;
            seen += 1;
        }
        if seq_is == seq && result["event"] == "statusChange" {
            ended += 1;
        }
    }
    assert!(lost > 1_000 && seen > 16, "{lost} lost, {seen} seen");
}
