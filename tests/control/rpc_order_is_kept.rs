//! Requests of one connection enter the phone in the order sent, and what waits for nobody is answered in that order; what
//! waits for the far end holds nobody up. A client that has said all gets its answers before the end.

use std::io::Write;
use std::process::{Command as Process, Stdio};
use std::time::{Duration, Instant};

use crate::fake_phone::FakePhone;
use phoned::ua::command::{Command, GetSession};
use serde_json::json;
use tokio::io::AsyncWriteExt;

#[tokio::test(flavor = "multi_thread")]
async fn twenty_thousand_pipelined_calls() {
    let phone = FakePhone::start();
    let client = phone.connect().await;
    let (mut input, mut output) = (client.input, client.output);
    let begin = Instant::now();
    let sending = tokio::spawn(async move {
        let mut lines = String::new();
        for id in 0..20_000 {
            // A wrong one now and then is answered in its turn, too.
            let method = if id % 100 == 99 { "session.nothing" } else { "session.get" };
            lines += &format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"{method}\",\"params\":[\"{id}\"]}}\n");
        }
        output.write_all(lines.as_bytes()).await.unwrap();
        output
    });
    for id in 0..20_000 {
        let line = input.next_line().await.unwrap().unwrap();
        let answer: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(answer["id"], id);
        if id % 100 == 99 {
            assert_eq!(answer["error"]["code"], -32601);
        } else {
            assert_eq!(answer["result"]["callId"], id.to_string());
        }
    }
    println!("20,000 calls in {:?}", begin.elapsed());
    drop(sending.await.unwrap());
    let wanted = (0..20_000)
        .filter(|id| id % 100 != 99)
        .map(|id| Command::GetSession(GetSession { call_id: Some(id.to_string()) }));
    assert!(phone.seen.lock().unwrap().iter().cloned().eq(wanted));
}

#[tokio::test]
async fn a_waiting_hold_does_not_hold_up_a_hangup() {
    let phone = FakePhone::start();
    let mut client = phone.connect().await;
    let hold = client.post("session.hold", json!({ "callId": "silent" })).await;
    let begin = Instant::now();
    let answer = client.call("session.hangup", json!({ "callId": "other" })).await;
    assert_eq!(answer["result"], true);
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    // Nobody answers the hold: -230 after 10 s.
    let answer = client.line().await.unwrap();
    assert_eq!((&answer["id"], &answer["error"]["code"]), (&json!(hold), &json!(-230)));
    assert!(begin.elapsed() >= Duration::from_millis(9_900), "{:?}", begin.elapsed());
    assert_eq!(answer["error"]["data"]["retryable"], true);
}

#[tokio::test]
async fn sixteen_are_outstanding_at_most() {
    let phone = FakePhone::start();
    let mut client = phone.connect().await;
    for _ in 0..16 {
        client.post("session.hold", json!({ "callId": "silent" })).await;
    }
    client.post("session.hangup", json!({ "callId": "1" })).await;
    // Another connection is served meanwhile, and sees that the hang-up has not come in.
    let mut other = phone.connect().await;
    let end = Instant::now() + Duration::from_secs(5);
    while phone.seen.lock().unwrap().len() < 16 && Instant::now() < end {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(other.call("phone.get", json!({})).await["result"]["commands"], 17);
    // After their 10 s the waiting ones are answered, and the hang-up's turn comes.
    let mut codes = Vec::new();
    for _ in 0..17 {
        codes.push(client.line().await.unwrap()["error"]["code"].as_i64());
    }
    assert_eq!(codes, [vec![Some(-230); 16], vec![None]].concat());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_said_all_gets_the_answers() {
    let phone = FakePhone::start();
    let lines = concat!(
        "{\"jsonrpc\":\"2.0\",\"id\":\"a\",\"method\":\"daemon.info\"}\n\n",
        "[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"session.mute\",\"params\":[\"x\"]},{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"nothing\"}]\r\n",
        "{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"phone.mute\",\"params\":{\"callId\":\"none\"}}"
    );
    let socket = phone.socket.clone();
    let run = tokio::task::spawn_blocking(move || {
        // nc, where there is one, ends its own side at the end of its input (-N).
        let nc = ["nc.openbsd", "nc"]
            .into_iter()
            .find(|nc| Process::new(nc).arg("-h").stderr(Stdio::null()).status().is_ok());
        let Some(nc) = nc else { return by_hand(&socket, lines) };
        let mut child = Process::new(nc)
            .args(["-N", "-U"])
            .arg(&socket)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
        String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()
    });
    let answers: Vec<serde_json::Value> =
        run.await.unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(answers.len(), 3, "{answers:?}");
    assert_eq!((&answers[0]["id"], &answers[0]["result"]["name"]), (&json!("a"), &json!("phoned")));
    assert_eq!(answers[1][0], json!({ "jsonrpc": "2.0", "id": 1, "result": true }));
    assert_eq!((&answers[1][1]["id"], &answers[1][1]["error"]["code"]), (&json!(2), &json!(-32601)));
    assert_eq!(answers[2]["error"]["code"], -211);
}

fn by_hand(socket: &std::path::Path, lines: &str) -> String {
    let mut stream = std::os::unix::net::UnixStream::connect(socket).unwrap();
    stream.write_all(lines.as_bytes()).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    std::io::read_to_string(stream).unwrap()
}

#[tokio::test]
async fn a_stopping_daemon_finishes_its_answers() {
    let mut phone = FakePhone::start();
    let mut client = phone.connect().await;
    assert_eq!(client.call("daemon.shutdown", json!({})).await["result"], true);
    client.post("session.hold", json!({ "callId": "silent" })).await;
    client.post("phone.get", json!({})).await;
    client.post("events.subscribe", json!({})).await;
    assert_eq!(client.line().await.unwrap()["id"], 3);
    assert!(client.line().await.unwrap()["result"]["subscription"].is_u64());
    phone.stop.take().unwrap().send(()).unwrap();
    // What cannot be done any more is told, all is over within 2 s, and the socket is gone.
    let hold = client.line().await.unwrap();
    assert_eq!((&hold["id"], &hold["error"]["code"]), (&json!(2), &json!(-32603)));
    assert_eq!(client.line().await, None);
    (&mut phone.server).await.unwrap();
    assert!(!phone.socket.exists());
}
