//! What a subscription sees: its filter, the chain of seq and prev, its end with its session; samples give
//! way to events.

use crate::fake_phone::{Client, FakePhone, event};
use serde_json::{Value, json};

async fn next(client: &mut Client) -> Value {
    let line = client.line().await.unwrap();
    assert_eq!(line["method"], "event", "{line}");
    line["params"].clone()
}

#[tokio::test]
async fn a_notification_has_all_its_parts() {
    let phone = FakePhone::start();
    let mut client = phone.connect().await;
    phone.events.send(event(7, "incoming", Some("1"), json!({}))).await.unwrap();
    phone.settle().await;
    let begin = client.call("events.subscribe", json!({ "snapshot": true })).await;
    assert_eq!(begin["result"]["seq"], 7);
    assert_eq!(begin["result"]["epoch"], "test");
    assert_eq!(begin["result"]["snapshot"], json!({ "accounts": [], "sessions": [], "devices": [] }));
    phone.events.send(event(8, "ended", Some("1"), json!({ "callId": "1", "cause": "Terminated" }))).await.unwrap();
    let wanted = json!({ "subscription": begin["result"]["subscription"], "result": {
        "seq": 8, "prev": 7, "epoch": "test", "time": "2026-11-23T00:55:46.001Z", "event": "ended", "callId": "1", "account": "a",
        "data": { "callId": "1", "cause": "Terminated" } } });
    assert_eq!(next(&mut client).await, wanted);
}

#[tokio::test]
async fn filters_are_kept_and_chains_have_no_gap() {
    let phone = FakePhone::start();
    let mut client = phone.connect().await;
    let all = client.call("events.subscribe", json!({})).await["result"]["subscription"].clone();
    let family =
        client.call("events.subscribe", json!([["device.*", "ended"]])).await["result"]["subscription"].clone();
    let one = client.call("events.subscribe", json!({ "callId": "2" })).await["result"]["subscription"].clone();
    let other = client.call("events.subscribe", json!({ "account": "b" })).await["result"]["subscription"].clone();
    let named = client.call("phone.on", json!(["ended"])).await["result"].clone();
    for (seq, name, call) in [
        (1, "incoming", Some("1")),
        (2, "device.added", None),
        (3, "ended", Some("2")),
        (3, "updateTimer", Some("2")),
        (4, "ended", Some("1")),
    ] {
        phone.events.send(event(seq, name, call, json!(null))).await.unwrap();
    }
    let mut seen = Vec::new();
    for _ in 0..12 {
        let note = next(&mut client).await;
        let result = &note["result"];
        seen.push((
            note["subscription"].clone(),
            result["seq"].as_u64().unwrap(),
            result["prev"].as_u64().unwrap(),
            result["event"].as_str().unwrap().to_owned(),
        ));
    }
    let of = |id: &Value| {
        seen.iter().filter(|note| note.0 == *id).map(|note| (note.1, note.2, note.3.as_str())).collect::<Vec<_>>()
    };
    assert_eq!(
        of(&all),
        [(1, 0, "incoming"), (2, 1, "device.added"), (3, 2, "ended"), (3, 3, "updateTimer"), (4, 3, "ended")]
    );
    assert_eq!(of(&family), [(2, 0, "device.added"), (3, 2, "ended"), (4, 3, "ended")]);
    assert_eq!(of(&one), [(3, 0, "ended"), (3, 3, "updateTimer")]);
    assert_eq!(of(&other), []);
    assert_eq!(of(&named), [(3, 0, "ended"), (4, 3, "ended")]);
}

#[tokio::test]
async fn subscriptions_end() {
    let phone = FakePhone::start();
    let mut client = phone.connect().await;
    let first = client.call("session.on", json!({ "callId": "1", "eventName": "*" })).await["result"].clone();
    let second = client.call("session.on", json!(["2", "*"])).await["result"].clone();
    assert_eq!(client.call("session.on", json!(["none", "*"])).await["error"]["code"], -211);
    phone.events.send(event(1, "deleteSession", Some("1"), json!({}))).await.unwrap();
    phone.events.send(event(2, "recording.done", Some("1"), json!({}))).await.unwrap();
    phone.events.send(event(3, "incoming", Some("2"), json!({}))).await.unwrap();
    let (note, then) = (next(&mut client).await, next(&mut client).await);
    assert_eq!((&note["subscription"], &note["result"]["event"]), (&first, &json!("deleteSession")));
    assert_eq!((&then["subscription"], &then["result"]["event"]), (&second, &json!("incoming")));
    // It is over; another's is not mine.
    assert_eq!(client.call("session.off", json!([first])).await["error"]["code"], -32602);
    assert_eq!(phone.connect().await.call("events.unsubscribe", json!([second])).await["error"]["code"], -32602);
    assert_eq!(client.call("phone.off", json!({ "subscription": second })).await["result"], true);
    phone.events.send(event(4, "incoming", Some("2"), json!({}))).await.unwrap();
    assert_eq!(client.call("phone.get", json!({})).await["result"]["commands"], 4);
}

#[tokio::test]
async fn sixteen_subscriptions_a_connection() {
    let phone = FakePhone::start();
    let mut client = phone.connect().await;
    for _ in 0..16 {
        assert!(client.call("phone.on", json!(["ended"])).await["result"].is_u64());
    }
    assert_eq!(client.call("phone.on", json!(["ended"])).await["error"]["code"], -32006);
    assert!(phone.connect().await.call("phone.on", json!(["ended"])).await["result"].is_u64());
}

#[tokio::test(flavor = "multi_thread")]
async fn samples_go_first_and_the_newest_wins() {
    let phone = FakePhone::start();
    let mut client = phone.connect().await;
    client.call("events.subscribe", json!({})).await;
    // Fill what the system buffers, then 400 small events among 4,000 samples of ten sessions.
    let big = json!({ "text": "x".repeat(20_000) });
    for seq in 1..=40 {
        phone.events.send(event(seq, "alert", None, big.clone())).await.unwrap();
    }
    for seq in 41..=440 {
        phone.events.send(event(seq, "dtmf", Some("1"), json!({ "digit": "1" }))).await.unwrap();
        for call in 0..10 {
            phone.events.send(event(seq, "updateTimer", Some(&call.to_string()), json!({ "at": seq }))).await.unwrap();
        }
    }
    phone.settle().await;
    let (mut samples, mut events) = (Vec::new(), 0);
    while samples.len() < 10 {
        let result = next(&mut client).await["result"].clone();
        match result["event"].as_str().unwrap() {
            "updateTimer" => samples.push(result["data"]["at"].as_u64().unwrap()),
            "dtmf" => events += 1,
            _ => {}
        }
    }
    assert_eq!(events, 400, "no event gave way to a sample");
    assert_eq!(samples, vec![440; 10]);
}
