//! SIP over WebSocket, the client's side (RFC 7118): a message is a message, a ping is a ping frame.

use std::net::SocketAddr;
use std::sync::Arc;

use futures_util::{Sink, SinkExt, Stream, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::client::ClientRequestBuilder;
use tokio_tungstenite::tungstenite::http::Uri;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Bytes, Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use super::stream::{Out, Queue};
use super::{FlowId, MAX_MESSAGE, NetEvent, Shared, tls};
use crate::ua::io::Target;
use crate::ua::settings::Access;

/// The subprotocol of SIP (§4).
const SUBPROTOCOL: &str = "sip";

/// Upgrades a stream. The error is for people.
pub(super) async fn upgrade<S>(stream: S, target: &Target, access: &Access) -> Result<WebSocketStream<S>, String>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let limits = WebSocketConfig::default()
        .max_message_size(Some(MAX_MESSAGE))
        .max_frame_size(Some(MAX_MESSAGE))
        .max_write_buffer_size(16 * MAX_MESSAGE);
    let upgraded = client_async_with_config(request(target, access)?, stream, Some(limits)).await;
    upgraded.map(|(stream, _)| stream).map_err(|error| plain(&error))
}

/// The upgrade request. What is wrong with it is told without its query and headers: they may hold secrets.
fn request(target: &Target, access: &Access) -> Result<ClientRequestBuilder, String> {
    let host = if target.name.contains(':') { format!("[{}]", target.name) } else { target.name.clone() };
    let port = target.addr.port();
    let authority = if port == target.transport.port() { host } else { format!("{host}:{port}") };
    let query = access.query.as_ref().map_or(String::new(), |query| format!("?{}", query.expose()));
    let uri: Uri = format!("{}://{authority}{}{query}", target.transport.param(), access.path)
        .parse()
        .map_err(|_| "ws_path and ws_query make no URL".to_owned())?;
    let mut request = ClientRequestBuilder::new(uri).with_sub_protocol(SUBPROTOCOL);
    if let Some(origin) = &access.origin {
        request = request.with_header("Origin", origin.clone());
    }
    for header in &access.headers {
        if let Some((name, value)) = header.expose().split_once(':') {
            request = request.with_header(name.trim(), value.trim());
        }
    }
    Ok(request)
}

/// What is wrong, for people.
fn plain(error: &Error) -> String {
    match error {
        Error::Http(response) => format!("the WebSocket server answers {}", response.status()),
        Error::Io(error) => tls::plain(error),
        Error::ConnectionClosed | Error::AlreadyClosed => "closed by the peer".to_owned(),
        Error::Capacity(_) => "the peer sent a message that is too large".to_owned(),
        Error::HttpFormat(_) => "ws_headers or ws_origin make no HTTP header".to_owned(),
        Error::Protocol(error) => format!("WebSocket: {error}"),
        error => format!("WebSocket: {error}"),
    }
}

/// A WebSocket's life once it is up.
pub(super) async fn run<S>(
    shared: Arc<Shared>,
    flow: FlowId,
    stream: WebSocketStream<S>,
    remote: SocketAddr,
    queue: Queue,
) where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (writer, reader) = stream.split();
    let (pong, waiting, enough) = queue.take();
    let reason = tokio::select! {
        reason = read(&shared, flow, remote, reader, pong) => reason,
        reason = write(writer, waiting) => reason,
        reason = enough => reason,
        () = shared.inbox.closed() => return,
    };
    shared.ended(flow, reason).await;
}

/// A ping frame is answered by the WebSocket itself, a ping in a message (§6) here.
async fn read(
    shared: &Shared,
    flow: FlowId,
    from: SocketAddr,
    mut reader: impl Stream<Item = Result<Message, Error>> + Unpin,
    pong: mpsc::Sender<Out>,
) -> String {
    loop {
        let bytes = match reader.next().await {
            Some(Ok(Message::Text(text))) => text.as_bytes().to_vec(),
            Some(Ok(Message::Binary(bytes))) => bytes.to_vec(),
            Some(Ok(Message::Pong(_))) => b"\r\n".to_vec(),
            Some(Ok(Message::Close(Some(frame)))) if !frame.reason.is_empty() => {
                return format!("closed by the peer: {:?}", frame.reason.as_str());
            }
            Some(Ok(Message::Close(_))) | None => return "closed by the peer".into(),
            Some(Ok(_)) => continue,
            Some(Err(error)) => return plain(&error),
        };
        if bytes == b"\r\n\r\n" {
            let _ = pong.try_send(Out::Bytes(b"\r\n".to_vec()));
            continue;
        }
        shared.tell(NetEvent::Received { flow, from, bytes }).await;
    }
}

async fn write(mut writer: impl Sink<Message, Error = Error> + Unpin, mut waiting: mpsc::Receiver<Out>) -> String {
    while let Some(Out::Bytes(bytes)) = waiting.recv().await {
        let message = match String::from_utf8(bytes) {
            Ok(ping) if ping == "\r\n\r\n" => Message::Ping(Bytes::new()),
            Ok(text) => Message::text(text),
            // A text frame must be UTF-8, a SIP message need not.
            Err(other) => Message::binary(other.into_bytes()),
        };
        if let Err(error) = writer.send(message).await {
            return plain(&error);
        }
    }
    let _ = writer.send(Message::Close(None)).await;
    "closed by us".into()
}
