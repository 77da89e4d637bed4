//! The WebSocket does as the Unix socket does: requests enter in order, events have no gap, a client that never reads is told
//! what it lost and slows nobody. Bodies, headers, connections and subscriptions have their limits; TLS works; a stop ends all.

use std::sync::Arc;
use std::time::Duration;

use crate::fake_phone::{FakePhone, event};
use crate::http_client::{ADMIN, CALL, OBSERVE, WebSocket, answer, ask, config, get, post, raw};
use futures_util::{SinkExt, StreamExt};
use phoned::rpc::{MAX_BATCH, MAX_LINE, MAX_SUBSCRIPTIONS};
use phoned::ua::command::{Command, GetSession};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;

#[tokio::test(flavor = "multi_thread")]
async fn twenty_thousand_pipelined_calls() {
    const CALLS: usize = 20_000;
    let phone = FakePhone::with_http(config());
    let (mut output, mut input) = WebSocket::open(&phone, OBSERVE).await.stream.split();
    let sending = tokio::spawn(async move {
        for id in 0..CALLS {
            // A wrong one now and then is answered in its turn, too.
            let method = if id % 100 == 99 { "session.nothing" } else { "session.get" };
            let text = format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"{method}\",\"params\":[\"{id}\"]}}");
            output.feed(Message::text(text)).await.unwrap();
        }
        output.flush().await.unwrap();
        output
    });
    for id in 0..CALLS {
        let Some(Ok(Message::Text(text))) = input.next().await else { panic!("no answer to {id}") };
        let answer: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(answer["id"], id);
        assert_eq!(answer["error"]["code"] == -32601, id % 100 == 99, "{answer}");
    }
    drop(sending.await.unwrap());
    let wanted = (0..CALLS)
        .filter(|id| id % 100 != 99)
        .map(|id| Command::GetSession(GetSession { call_id: Some(id.to_string()) }));
    assert!(phone.seen.lock().unwrap().iter().cloned().eq(wanted), "the phone saw them in another order");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_never_reads_slows_nobody_and_is_told_what_it_lost() {
    const EVENTS: u64 = 20_000;
    let phone = FakePhone::with_http(config());
    let (mut reader, mut silent) = (WebSocket::open(&phone, OBSERVE).await, WebSocket::open(&phone, OBSERVE).await);
    reader.call("events.subscribe", json!({})).await;
    silent.call("events.subscribe", json!({})).await;
    let data = json!({ "text": "x".repeat(2_000) });
    for seq in 1..=EVENTS {
        phone.events.send(event(seq, "statusChange", Some("1"), data.clone())).await.unwrap();
        let line = reader.line().await.unwrap();
        assert_eq!(
            (&line["params"]["result"]["seq"], &line["params"]["result"]["prev"]),
            (&json!(seq), &json!(seq - 1))
        );
    }
    let (mut last, mut lost, mut gap) = (0, 0, None);
    while last < EVENTS {
        let line = silent.line().await.unwrap();
        let result = &line["params"]["result"];
        if result["event"] == "lagged" {
            assert_eq!(result["data"]["fromSeq"], last + 1, "{result}");
            gap = result["data"]["toSeq"].as_u64();
            lost += gap.unwrap() - last;
        } else {
            assert_eq!(result["prev"].as_u64(), Some(gap.take().unwrap_or(last)));
            last = result["seq"].as_u64().unwrap();
        }
    }
    assert!(lost > 1_000, "{lost} lost: the client was no slow one");
    let page = get(&phone, "/metrics", OBSERVE).await.body;
    let counted = page.lines().find_map(|line| line.strip_prefix("phoned_events_lagged_total ")).unwrap();
    assert!(counted.parse::<u64>().unwrap() >= lost, "{counted} counted, {lost} lost");
}

#[tokio::test]
async fn limits_are_kept() {
    let phone = FakePhone::with_http(config());
    // A body, whole or in chunks that do not say how long they get.
    let long = format!("{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"{}\"}}", "x".repeat(MAX_LINE));
    let answer = post(&phone, CALL, &long).await;
    assert_eq!((answer.status, &answer.json()["error"]["code"]), (413, &json!(-32007)));
    let chunk = format!("{:x}\r\n{long}\r\n0\r\n\r\n", long.len());
    let head = format!(
        "POST /rpc HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer {CALL}\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    );
    assert_eq!(raw(phone.http, &format!("{head}{chunk}")).await.status, 413);
    // Headers.
    let header = format!("X-Long: {}", "x".repeat(64 * 1024));
    assert_eq!(ask(&phone, "GET", "/healthz", &[&header], "").await.status, 431);
    let many: Vec<String> = (0..100).map(|at| format!("X-{at}: 1")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(ask(&phone, "GET", "/healthz", &many, "").await.status, 431);
    // Batches.
    let one = json!({ "jsonrpc": "2.0", "id": 1, "method": "session.get", "params": ["1"] });
    let batch = post(&phone, CALL, &json!(vec![&one; MAX_BATCH]).to_string()).await.json();
    assert_eq!(batch.as_array().unwrap().len(), MAX_BATCH);
    assert!(batch.as_array().unwrap().iter().all(|answer| answer["result"]["callId"] == "1"), "{batch}");
    let batch = post(&phone, CALL, &json!(vec![&one; MAX_BATCH + 1]).to_string()).await.json();
    assert_eq!(batch["error"]["code"], -32010);
    // A message that is too long is answered, and is the last.
    let mut socket = WebSocket::open(&phone, CALL).await;
    socket.stream.send(Message::text(long)).await.unwrap();
    assert_eq!(socket.line().await.unwrap()["error"]["code"], -32007);
    assert_eq!(socket.line().await, None);
    // Subscriptions of a connection.
    let mut socket = WebSocket::open(&phone, CALL).await;
    for _ in 0..MAX_SUBSCRIPTIONS {
        assert!(socket.call("events.subscribe", json!({})).await["result"].is_object());
    }
    assert_eq!(socket.call("events.subscribe", json!({})).await["error"]["code"], -32006);
    // Events need a connection that stays.
    let subscribe = json!({ "jsonrpc": "2.0", "id": 1, "method": "events.subscribe", "params": {} });
    assert_eq!(post(&phone, CALL, &subscribe.to_string()).await.json()["error"]["code"], -32600);
}

#[tokio::test]
async fn connections_have_a_limit_and_come_free_again() {
    let mut config = config();
    config.max_connections = 2;
    let phone = FakePhone::with_http(config);
    let first = WebSocket::open(&phone, CALL).await;
    let second = TcpStream::connect(phone.http).await.unwrap();
    assert_eq!(get(&phone, "/metrics", OBSERVE).await.status, 503);
    drop((first, second));
    for _ in 0..200 {
        if get(&phone, "/metrics", OBSERVE).await.status == 200 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("closed connections are still counted");
}

#[tokio::test]
async fn what_is_not_there_or_not_so_is_said() {
    let phone = FakePhone::with_http(config());
    let token = format!("Authorization: Bearer {ADMIN}");
    for (method, path, status) in [
        ("GET", "/rpc", 405),
        ("POST", "/metrics", 405),
        ("GET", "/", 404),
        ("GET", "/ws", 426),
        ("POST", "/healthz", 405),
    ] {
        assert_eq!(ask(&phone, method, path, &[&token], "").await.status, status, "{method} {path}");
    }
    assert_eq!(post(&phone, ADMIN, "").await.json()["error"]["code"], -32700);
    assert_eq!(post(&phone, ADMIN, "{").await.json()["error"]["code"], -32700);
    assert_eq!(ask(&phone, "GET", "/healthz", &[], "").await.body, "ok\n");
    let ready = ask(&phone, "GET", "/readyz", &[], "").await;
    assert_eq!((ready.status, &ready.json()["ready"]), (200, &json!(true)));
}

#[tokio::test]
async fn a_stop_answers_what_was_asked_and_ends_all() {
    let phone = FakePhone::with_http(config());
    let mut socket = WebSocket::open(&phone, CALL).await;
    let idle = TcpStream::connect(phone.http).await.unwrap();
    assert_eq!(socket.call("session.mute", json!(["1"])).await["result"], true);
    tokio::time::timeout(Duration::from_secs(15), phone.end()).await.expect("the end within 15 s");
    assert_eq!(socket.line().await, None);
    drop(idle);
}

#[tokio::test]
async fn the_same_within_tls() {
    let dir = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (certificate, key) = (dir.path().join("crt"), dir.path().join("key"));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let mut config = config();
    config.certificate = Some(certificate.display().to_string());
    config.key = Some(key.display().to_string());
    let phone = FakePhone::with_http(config);
    let mut roots = rustls::RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let client = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(client));
    let stream = TcpStream::connect(phone.http).await.unwrap();
    let mut stream = connector.connect("localhost".try_into().unwrap(), stream).await.unwrap();
    let request = json!({ "jsonrpc": "2.0", "id": 1, "method": "session.mute", "params": ["1"] }).to_string();
    let text = format!(
        "POST /rpc HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer {CALL}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{request}",
        request.len()
    );
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes).await;
    assert_eq!(answer(&bytes).json()["result"], true);
    // Who speaks plainly there gets nothing.
    assert_eq!(get(&phone, "/metrics", OBSERVE).await.status, 0);
}
