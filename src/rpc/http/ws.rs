//! The WebSocket (RFC 6455): a document a message, in text.

use std::io;

use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use hyper::body::Incoming;
use hyper::header::{self, HeaderValue};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper::{HeaderMap, Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role as Side, WebSocketConfig, frame::coding::CloseCode};
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};

use super::super::connection::{self, Document, Input, Output};
use super::super::{FIRST_BYTE, MAX_LINE};
use super::guard::{Guest, PROTOCOL, only, protocols};
use super::pages::{Page, Pages, Upgrade, leave, page, with};

type Socket = WebSocketStream<TokioIo<Upgraded>>;

/// Agrees to a WebSocket; the connection becomes one once the answer is out.
pub fn shake_hands(mut request: Request<Incoming>, guest: Guest, upgrade: &Upgrade) -> Page {
    let headers = request.headers();
    let version = only(headers, header::SEC_WEBSOCKET_VERSION);
    let key = only(headers, header::SEC_WEBSOCKET_KEY).map(|key| derive_accept_key(key.as_bytes()));
    let asked = has(headers, header::UPGRADE, "websocket") && has(headers, header::CONNECTION, "upgrade");
    let (true, Some("13"), Some(Ok(accept))) = (asked, version, key.map(HeaderValue::try_from)) else {
        let refusal = page(StatusCode::UPGRADE_REQUIRED, "text/plain; charset=utf-8", "a WebSocket of version 13\n");
        return with(with(refusal, header::UPGRADE, "websocket"), header::SEC_WEBSOCKET_VERSION, "13");
    };
    let named = protocols(headers).any(|protocol| protocol == PROTOCOL);
    leave(upgrade, hyper::upgrade::on(&mut request), guest);
    let mut answer = Page::default();
    *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    answer.headers_mut().insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    let answer = with(with(answer, header::UPGRADE, "websocket"), header::CONNECTION, "upgrade");
    if named { with(answer, header::SEC_WEBSOCKET_PROTOCOL, PROTOCOL) } else { answer }
}

/// Serves it to its end.
pub async fn serve(upgrade: OnUpgrade, guest: Guest, pages: &Pages, stop: watch::Receiver<bool>) {
    let Ok(upgraded) = upgrade.await else { return };
    let limits = WebSocketConfig::default()
        .max_message_size(Some(MAX_LINE))
        .max_frame_size(Some(MAX_LINE))
        .read_buffer_size(16 * 1024)
        .write_buffer_size(0);
    let socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Side::Server, Some(limits)).await;
    let (output, input) = socket.split();
    let input = Said { input, begun: false, over: false };
    let who = (guest.user, guest.role);
    connection::serve(input, Told(output), who, pages.gate.clone(), pages.requests.clone(), stop).await;
}

/// A list in a header has a word.
fn has(headers: &HeaderMap, name: header::HeaderName, word: &str) -> bool {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|entry| entry.trim().eq_ignore_ascii_case(word))
}

/// What the client says. Pings are answered below us.
struct Said {
    input: SplitStream<Socket>,
    begun: bool,
    over: bool,
}

impl Input for Said {
    async fn next(&mut self) -> io::Result<Option<Document>> {
        loop {
            if self.over {
                return Ok(None);
            }
            let next = match self.begun {
                true => self.input.next().await,
                false => timeout(FIRST_BYTE, self.input.next()).await.unwrap_or(None),
            };
            self.begun = true;
            match next {
                Some(Ok(Message::Text(text))) => return Ok(Some(Document::Text(text.as_bytes().to_vec()))),
                Some(Ok(Message::Binary(bytes))) => return Ok(Some(Document::Text(bytes.to_vec()))),
                Some(Ok(Message::Close(_))) | None => return Ok(None),
                Some(Ok(_)) => {}
                // A frame cannot be passed over as a line can: it is answered, and that is the end.
                Some(Err(Error::Capacity(_))) => {
                    self.over = true;
                    return Ok(Some(Document::TooLong));
                }
                Some(Err(error)) => return Err(io::Error::other(error)),
            }
        }
    }
}

/// What the client is told: each line is a message.
struct Told(SplitSink<Socket, Message>);

impl Output for Told {
    async fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let text = std::str::from_utf8(line).map_err(io::Error::other)?;
            self.0.feed(Message::Text(Utf8Bytes::from(text))).await.map_err(io::Error::other)?;
        }
        self.0.flush().await.map_err(io::Error::other)
    }

    async fn finish(&mut self) -> io::Result<()> {
        let end = CloseFrame { code: CloseCode::Normal, reason: Utf8Bytes::default() };
        self.0.send(Message::Close(Some(end))).await.map_err(io::Error::other)
    }
}
