//! Who may come in over HTTP: every role does what it may and no more; a wrong token, a foreign page, a name that was turned to
//! our address, a listener beyond loopback that nobody meant: refused, and nothing done.

use crate::fake_phone::FakePhone;
use crate::http_client::{ADMIN, Answer, CALL, OBSERVE, WebSocket, ask, config, post, raw};
use phoned::config::{Sources, load};
use serde_json::json;

const PAGE: &str = "https://crm.example.com";

async fn phone() -> FakePhone {
    let mut config = config();
    config.origins = vec![PAGE.into()];
    config.hosts = vec!["phone.example.com".into()];
    FakePhone::with_http(config)
}

fn mute() -> String {
    json!({ "jsonrpc": "2.0", "id": 1, "method": "session.mute", "params": ["1"] }).to_string()
}

/// Nothing has reached the phone but questions of ours.
fn nothing_done(phone: &FakePhone) {
    let seen = phone.seen.lock().unwrap();
    assert!(seen.is_empty(), "{seen:?}");
}

#[tokio::test]
async fn every_role_does_what_it_may() {
    let phone = phone().await;
    for (token, method, refused) in [
        (OBSERVE, "session.get", false),
        (OBSERVE, "session.mute", true),
        (CALL, "session.mute", false),
        (CALL, "daemon.shutdown", true),
        (ADMIN, "recording.list", false),
        (ADMIN, "daemon.shutdown", false),
    ] {
        let params = if method.starts_with("session") { json!(["1"]) } else { json!({}) };
        let request = json!({ "jsonrpc": "2.0", "id": 7, "method": method, "params": params });
        let answer = post(&phone, token, &request.to_string()).await;
        let line = answer.json();
        assert_eq!((answer.status, line["id"].as_u64()), (200, Some(7)), "{method}: {line}");
        assert_eq!(line["error"]["code"] == -231, refused, "{token} {method}: {line}");
        // The WebSocket judges alike.
        let mut socket = WebSocket::open(&phone, token).await;
        let line = socket.call(method, params).await;
        assert_eq!(line["error"]["code"] == -231, refused, "{token} {method}: {line}");
    }
}

#[tokio::test]
async fn a_wrong_token_is_turned_away() {
    let phone = phone().await;
    let right = format!("Authorization: Bearer {CALL}");
    let wrong = [
        String::new(),
        "Authorization: Bearer ".into(),
        format!("Authorization: Bearer {}", &CALL[1..]),
        format!("Authorization: Bearer {CALL}x"),
        format!("Authorization: Basic {CALL}"),
        format!("{right}\r\nAuthorization: Bearer {CALL}"),
    ];
    for headers in &wrong {
        for (method, path) in [("POST", "/rpc"), ("GET", "/ws"), ("GET", "/metrics"), ("GET", "/elsewhere")] {
            let answer = ask(&phone, method, path, &["Content-Type: application/json", headers], &mute()).await;
            assert_eq!(answer.status, 401, "{method} {path} with {headers:?}");
            assert!(answer.head.to_lowercase().contains("www-authenticate: bearer"), "{}", answer.head);
        }
    }
    nothing_done(&phone);
    let answer = ask(&phone, "POST", "/rpc", &["Content-Type: application/json", &right], &mute()).await;
    assert_eq!(answer.json()["result"], true);
    assert_eq!(phone.seen.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_foreign_page_is_turned_away() {
    let phone = phone().await;
    let token = format!("Authorization: Bearer {CALL}");
    for origin in ["https://evil.example", "null", "http://crm.example.com", "https://crm.example.com.evil.example"] {
        let origin = format!("Origin: {origin}");
        let headers = [&*token, "Content-Type: application/json", &origin];
        assert_eq!(ask(&phone, "POST", "/rpc", &headers, &mute()).await.status, 403, "{origin}");
        assert_eq!(ask(&phone, "GET", "/healthz", &headers, "").await.status, 403, "{origin}");
        assert_eq!(ask(&phone, "OPTIONS", "/rpc", &headers, "").await.status, 403, "{origin}");
        let upgrade = [
            &*token,
            &*origin,
            "Upgrade: websocket",
            "Connection: close, Upgrade",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        ];
        assert_eq!(ask(&phone, "GET", "/ws", &upgrade, "").await.status, 403, "{origin}");
    }
    // What a form can send without asking first.
    let plain = [&*token, "Content-Type: text/plain"];
    assert_eq!(ask(&phone, "POST", "/rpc", &plain, &mute()).await.status, 415);
    nothing_done(&phone);

    let ours = format!("Origin: {PAGE}");
    let preflight = ask(&phone, "OPTIONS", "/rpc", &[&ours], "").await;
    assert_eq!(preflight.status, 204);
    let allowed = format!("access-control-allow-origin: {PAGE}");
    assert!(
        preflight.head.contains(&allowed) && preflight.head.contains("authorization, content-type"),
        "{}",
        preflight.head
    );
    let answer = ask(&phone, "POST", "/rpc", &[&token, "Content-Type: application/json", &ours], &mute()).await;
    assert!(answer.status == 200 && answer.head.contains(&allowed), "{}", answer.head);
    // A browser can give its token only as a subprotocol.
    let mut socket =
        WebSocket::shake_hands(&phone, &[&ours, &format!("Sec-WebSocket-Protocol: phoned.v1, phoned.bearer.{CALL}")])
            .await
            .unwrap();
    assert!(socket.head.to_lowercase().contains("sec-websocket-protocol: phoned.v1\r\n"), "{}", socket.head);
    assert_eq!(socket.call("session.mute", json!(["1"])).await["result"], true);
    let refused =
        WebSocket::shake_hands(&phone, &[&ours, "Sec-WebSocket-Protocol: phoned.v1, phoned.bearer.nobody"]).await;
    assert_eq!(refused.err().unwrap().status, 401);
}

#[tokio::test]
async fn a_name_turned_to_our_address_is_turned_away() {
    let phone = phone().await;
    let with_host = async |host: &str| -> Answer {
        let token = format!("Authorization: Bearer {CALL}");
        raw(phone.http, &format!("POST /rpc HTTP/1.1\r\n{host}Connection: close\r\n{token}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{}", mute().len(), mute())).await
    };
    for host in [
        "Host: evil.example\r\n",
        "Host: evil.example:8089\r\n",
        "Host: 127.0.0.1.evil.example\r\n",
        "",
        "Host: localhost\r\nHost: evil.example\r\n",
        "Host: [evil]\r\n",
    ] {
        let status = with_host(host).await.status;
        assert!(status == 403 || (host.matches("Host").count() != 1 && status == 400), "{host:?}: {status}");
    }
    nothing_done(&phone);
    for host in ["localhost", "LOCALHOST:8089", "127.0.0.1:1", "[::1]:8089", "Phone.example.com"] {
        assert_eq!(with_host(&format!("Host: {host}\r\n")).await.status, 200, "{host}");
    }
}

#[test]
fn nobody_listens_to_the_world_by_mistake() {
    let dir = tempfile::tempdir().unwrap();
    let fault = |text: &str| {
        let file = dir.path().join("phoned.toml");
        std::fs::write(&file, text).unwrap();
        load(&Sources { files: vec![file], environment: vec![] })
            .map(|_| String::new())
            .unwrap_or_else(|faults| faults.to_string())
    };
    assert!(fault("[http]\nlisten = \"0.0.0.0:8089\"\n").contains("remote = true"));
    assert_eq!(fault("[http]\nlisten = \"0.0.0.0:8089\"\nremote = true\n"), "");
    assert_eq!(fault("[http]\nlisten = \"[::1]:8089\"\n"), "");
    assert!(fault("[http]\norigins = [\"https://crm.example.com/\"]\n").contains("https://crm.example.com"));
    assert!(fault("[http]\ncertificate = \"x\"\n").contains("together"));
    std::fs::write(dir.path().join("short"), "1234\n").unwrap();
    let short = fault("[http.tokens.crm]\nfile = \"short\"\nrole = \"call\"\n");
    assert!(
        short.contains("http.tokens.crm.file") && short.contains("openssl rand") && !short.contains("1234"),
        "{short}"
    );
    assert!(fault("[http.tokens.crm]\nfile = \"none\"\nrole = \"call\"\n").contains("http.tokens.crm.file"));
    assert!(fault("[http.tokens.crm]\nfile = \"short\"\nrole = \"root\"\n").contains("role"));
}
