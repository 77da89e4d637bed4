//! A disk that is full or stands still: events go out from memory and at once, `alert` says so, and the next start has a new epoch
//! unless all was written after all.
//! Without the right to mount a small file system the part of the full disk says that it did not run.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test meets the clock and the system")]

mod fake_phone;

use std::process::Command;
use std::time::{Duration, Instant};

use fake_phone::{Client, FakePhone, event};
use phoned::config::StoreConfig;
use phoned::store::Told;
use serde_json::{Value, json};

/// A file system of one megabyte.
struct Small(tempfile::TempDir);

impl Small {
    fn mount() -> Option<Small> {
        let dir = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"])
            .arg(dir.path())
            .output()
            .is_ok_and(|output| output.status.success());
        mounted.then_some(Small(dir))
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}

async fn next(client: &mut Client) -> Value {
    client.line().await.expect("a line")["params"]["result"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_stops_no_event() {
    let Some(small) = Small::mount() else {
        println!("not run: no right to mount");
        return;
    };
    let config = StoreConfig { dir: Some(small.0.path().join("state")), ..StoreConfig::default() };
    let phone = FakePhone::with_store(config);
    let mut client = phone.connect().await;
    client.call("events.subscribe", json!({})).await;
    // 3 MB into 1 MB.
    let mut slowest = Duration::ZERO;
    for seq in 1..=3_000 {
        let sent = Instant::now();
        phone.events.send(event(seq, "alert", None, json!({ "pad": "x".repeat(1_000) }))).await.unwrap();
        assert_eq!(next(&mut client).await["seq"], seq);
        slowest = slowest.max(sent.elapsed());
    }
    println!("the slowest event: {slowest:?}");
    assert!(slowest < Duration::from_secs(5), "{slowest:?}");
    let alerts = phone.alerts.lock().unwrap().clone();
    assert!(
        matches!(&alerts[..], [Told::Trouble("full", _), .., Told::Trouble("full", _)] | [Told::Trouble("full", _)]),
        "{alerts:?}"
    );
    // What the log does not have is said, not made up.
    let kept = client.call("events.replay", json!({ "fromSeq": 1 })).await;
    assert!(kept["result"]["events"][0]["seq"] == 1, "what was written is there: {}", kept["error"]);
    let refused = client.call("events.replay", json!({ "fromSeq": 3_000 })).await;
    println!("of the last one: {}", refused["error"]["code"]);
    // There is room again: it goes on.
    assert!(Command::new("mount").args(["-o", "remount,size=16m"]).arg(small.0.path()).status().unwrap().success());
    phone.events.send(event(3_001, "alert", None, json!({}))).await.unwrap();
    assert_eq!(next(&mut client).await["seq"], 3_001);
    let end = Instant::now() + Duration::from_secs(20);
    while phone.alerts.lock().unwrap().last() != Some(&Told::Well) {
        assert!(Instant::now() < end, "it does not go on: {:?}", phone.alerts.lock().unwrap());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    phone.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_ends_the_epoch() {
    let Some(small) = Small::mount() else {
        println!("not run: no right to mount");
        return;
    };
    let config = StoreConfig { dir: Some(small.0.path().join("state")), ..StoreConfig::default() };
    let start = |fresh: &str| phoned::store::start(&config, fresh.into(), Box::new(|_| ())).unwrap();
    let mut first = start("one");
    assert_eq!(first.epoch, "one");
    for seq in 1..=3_000 {
        first.log.append(event(seq, "alert", None, json!({ "pad": "x".repeat(1_000) })));
    }
    first.log.stop();
    assert!(!small.0.path().join("state/epoch").exists());
    assert!(Command::new("mount").args(["-o", "remount,size=16m"]).arg(small.0.path()).status().unwrap().success());
    let second = start("two");
    assert_eq!(second.epoch, "two");
    assert!(second.seq > 0, "and what was written is kept");
    second.log.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_may_wait_is_told_from_memory() {
    let dir = tempfile::tempdir().unwrap();
    let config = StoreConfig { dir: Some(dir.path().to_owned()), ..StoreConfig::default() };
    let told = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let theirs = told.clone();
    let mut started =
        phoned::store::start(&config, "one".into(), Box::new(move |word| theirs.lock().unwrap().push(word))).unwrap();
    let big = json!({ "pad": "x".repeat(1_000) });
    let begin = Instant::now();
    let mut slowest = Duration::ZERO;
    for seq in 1..=30_000 {
        let event = event(seq, "alert", None, big.clone());
        let before = Instant::now();
        started.log.append(event);
        slowest = slowest.max(before.elapsed());
    }
    println!("30,000 events in {:?}, the slowest {slowest:?}", begin.elapsed());
    started.log.stop();
    let told = told.lock().unwrap();
    let open = told.contains(&Told::Written(u64::MAX));
    let trouble = told.iter().any(|word| matches!(word, Told::Trouble("stalled", _)));
    assert_eq!(open, trouble, "what is not waited for is told");
    assert_eq!(dir.path().join("epoch").exists(), !trouble, "and only then the epoch ends");
}
