//! The socket's place: a stale socket is replaced, a live one and other people's files are left alone. Its limits: 32
//! connections, lines of 64 KiB, the first byte within 10 s.

use std::os::unix::net::UnixListener;
use std::time::{Duration, Instant};

use crate::fake_phone::FakePhone;
use phoned::config::{Roles, RpcConfig};
use phoned::rpc::{BindError, Server};
use serde_json::json;

#[tokio::test]
async fn stale_live_and_foreign() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("made/for/it/phoned.sock");
    let config = RpcConfig { socket: Some(path.clone()), roles: Roles::default() };
    let live = Server::bind(&config).unwrap();
    let told = Server::bind(&config).unwrap_err();
    assert!(matches!(told, BindError::Live(_)) && told.to_string().contains("another phoned listens here"), "{told}");
    drop(live);
    assert!(path.exists(), "stale now");
    drop(Server::bind(&config).unwrap());
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, "precious").unwrap();
    assert!(matches!(Server::bind(&config).unwrap_err(), BindError::NotASocket(_)));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
    let left: Vec<_> = std::fs::read_dir(path.parent().unwrap()).unwrap().collect();
    assert_eq!(left.len(), 1, "{left:?}");
    // A socket bound by somebody else who does not listen any more is stale too.
    std::fs::remove_file(&path).unwrap();
    drop(UnixListener::bind(&path).unwrap());
    Server::bind(&config).unwrap();
}

#[tokio::test]
async fn thirty_two_connections() {
    let phone = FakePhone::start();
    let mut clients = Vec::new();
    for _ in 0..32 {
        let mut client = phone.connect().await;
        client.call("phone.get", json!({})).await;
        clients.push(client);
    }
    let mut more = phone.connect().await;
    assert_eq!(more.line().await.unwrap()["error"]["code"], -32009);
    assert_eq!(more.line().await, None);
    clients.pop();
    // A place is free again.
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let mut again = phone.connect().await;
        again.post("phone.get", json!({})).await;
        if again.line().await.is_some_and(|line| line["result"].is_object()) {
            break;
        }
        assert!(Instant::now() < deadline);
    }
}

#[tokio::test]
async fn a_line_too_long_is_forgotten_and_answered() {
    let phone = FakePhone::start();
    let mut client = phone.connect().await;
    client.send(&"x".repeat(300_000)).await;
    let answer = client.line().await.unwrap();
    assert_eq!(answer["error"]["code"], -32007);
    // Exactly 64 KiB still goes.
    let line = json!({ "jsonrpc": "2.0", "id": 1, "method": "session.get", "params": { "callId": "" } }).to_string();
    let line = line.replace("\"\"", &format!("\"{}\"", "y".repeat(65_536 - line.len())));
    assert_eq!(line.len(), 65_536);
    client.send(&line).await;
    assert_eq!(client.line().await.unwrap()["id"], 1);
    client.send(&line.replacen('y', "yy", 1)).await;
    assert_eq!(client.line().await.unwrap()["error"]["code"], -32007);
}

#[tokio::test]
async fn who_says_nothing_is_sent_away_after_ten_seconds() {
    let phone = FakePhone::start();
    let mut quiet = phone.connect().await;
    let mut spoken = phone.connect().await;
    spoken.call("phone.get", json!({})).await;
    let begin = Instant::now();
    assert_eq!(quiet.line().await, None);
    assert!((9.5..19.0).contains(&begin.elapsed().as_secs_f64()), "{:?}", begin.elapsed());
    assert!(spoken.call("phone.get", json!({})).await["result"].is_object());
}
