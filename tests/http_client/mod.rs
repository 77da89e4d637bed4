//! An HTTP client that says exactly what it is told, and a WebSocket on top of it.
#![allow(dead_code, reason = "each test uses a part")]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use phoned::config::{HttpConfig, Token, TokenRole};
use phoned::ua::settings::Secret;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::tungstenite::{self, Message};

use super::fake_phone::FakePhone;

pub const OBSERVE: &str = "observe-0123456789abcdef0123";
pub const CALL: &str = "call-0123456789abcdef0123456";
pub const ADMIN: &str = "admin-0123456789abcdef012345";

/// Any free port on loopback, a token of each role.
pub fn config() -> HttpConfig {
    let token = |secret, role| Token { file: String::new(), role, secret: Secret::new(secret) };
    HttpConfig {
        listen: Some("127.0.0.1:0".parse().unwrap()),
        tokens: BTreeMap::from([
            ("o".into(), token(OBSERVE, TokenRole::Observe)),
            ("c".into(), token(CALL, TokenRole::Call)),
            ("a".into(), token(ADMIN, TokenRole::Admin)),
        ]),
        ..HttpConfig::default()
    }
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }
}

/// Sends bytes and reads to the end.
pub async fn raw(at: SocketAddr, text: &str) -> Answer {
    let mut stream = TcpStream::connect(at).await.unwrap();
    // Who is refused early may close early.
    let _ = stream.write_all(text.as_bytes()).await;
    let mut bytes = Vec::new();
    let _ = timeout(Duration::from_secs(30), stream.read_to_end(&mut bytes)).await.expect("an end within 30 s");
    answer(&bytes)
}

pub fn answer(bytes: &[u8]) -> Answer {
    let text = String::from_utf8_lossy(bytes).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    Answer { status, head: format!("{head}\r\n"), body: body.into() }
}

pub async fn ask(phone: &FakePhone, method: &str, path: &str, headers: &[&str], body: &str) -> Answer {
    let headers: String = headers.iter().filter(|line| !line.is_empty()).map(|line| format!("{line}\r\n")).collect();
    let closing = if headers.contains("Connection:") { "" } else { "Connection: close\r\n" };
    raw(
        phone.http,
        &format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\n{closing}{headers}Content-Length: {}\r\n\r\n{body}",
            body.len()
        ),
    )
    .await
}

pub async fn get(phone: &FakePhone, path: &str, token: &str) -> Answer {
    ask(phone, "GET", path, &[&format!("Authorization: Bearer {token}")], "").await
}

pub async fn post(phone: &FakePhone, token: &str, body: &str) -> Answer {
    ask(phone, "POST", "/rpc", &[&format!("Authorization: Bearer {token}"), "Content-Type: application/json"], body)
        .await
}

/// A WebSocket of tungstenite's, behind a handshake of our own words.
pub struct WebSocket {
    pub stream: WebSocketStream<TcpStream>,
    pub head: String,
    last: u64,
}

impl WebSocket {
    pub async fn open(phone: &FakePhone, token: &str) -> WebSocket {
        Self::shake_hands(phone, &[&format!("Authorization: Bearer {token}")]).await.unwrap()
    }

    pub async fn shake_hands(phone: &FakePhone, headers: &[&str]) -> Result<WebSocket, Answer> {
        let mut stream = TcpStream::connect(phone.http).await.unwrap();
        let headers: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
        let text = format!(
            "GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{headers}\r\n"
        );
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut bytes = Vec::new();
        while !bytes.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            assert_ne!(stream.read(&mut byte).await.unwrap(), 0, "{}", String::from_utf8_lossy(&bytes));
            bytes.push(byte[0]);
        }
        let answer = answer(&bytes);
        if answer.status != 101 {
            return Err(answer);
        }
        // The example of RFC 6455, section 1.3.
        assert!(answer.head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{}", answer.head);
        let stream = WebSocketStream::from_raw_socket(stream, Role::Client, None).await;
        Ok(WebSocket { stream, head: answer.head, last: 0 })
    }

    pub async fn post(&mut self, method: &str, params: Value) -> u64 {
        self.last += 1;
        let text = json!({ "jsonrpc": "2.0", "id": self.last, "method": method, "params": params }).to_string();
        self.stream.send(Message::text(text)).await.unwrap();
        self.last
    }

    /// The next document; none at the end.
    pub async fn line(&mut self) -> Option<Value> {
        loop {
            match timeout(Duration::from_secs(30), self.stream.next()).await.expect("a message within 30 s") {
                Some(Ok(Message::Text(text))) => return Some(serde_json::from_str(&text).unwrap()),
                Some(Ok(Message::Close(_))) | None => return None,
                Some(Err(tungstenite::Error::ConnectionClosed | tungstenite::Error::Protocol(_))) => return None,
                Some(Ok(_)) => {}
                Some(Err(error)) => panic!("{error}"),
            }
        }
    }

    pub async fn call(&mut self, method: &str, params: Value) -> Value {
        let id = self.post(method, params).await;
        loop {
            let line = self.line().await.expect("an answer");
            if line["id"] == id {
                return line;
            }
        }
    }
}
