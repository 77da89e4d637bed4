//! The listener for browsers, CRMs and monitoring: `POST /rpc`, the WebSocket at `/ws`, `/metrics`, `/healthz`, `/readyz`. Off
//! unless `[http] listen` names an address.
//!
//! A WebSocket speaks what the Unix socket speaks, a document a message, through the same [`connection`](super::connection), outbox
//! and table of roles; so order, back-pressure and what a slow client loses are the same. jsonrpsee's own server cannot carry that:
//! it starts a task for each message, so requests of one connection overtake each other (of 20,000 pipelined calls 275 to 2,442
//! did), and its subscriptions end in a channel of their own, out of which nothing old can be taken to make room (a client that
//! never read cost 867 MB). Hence hyper, which reads HTTP/1.1 with its limits, and tungstenite, which reads frames.
//!
//! Three guards stand before everything: the `Host` must be an address, `localhost` or a name of `[http] hosts` (a page cannot
//! reach us by a name that it has turned to our address), an `Origin` must be in `[http] origins` (a browser lets any page open a
//! WebSocket anywhere), and all but the two health pages want a token.

mod guard;
mod pages;
mod process;
mod ws;

use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use self::guard::Guard;
use self::pages::Pages;
use super::connection::STOP;
use super::{FIRST_BYTE, Request};
use crate::config::HttpConfig;

/// Headers of a request, count and bytes.
const MAX_HEADERS: usize = 64;
const MAX_HEAD: usize = 16 * 1024;
/// A peer that is silent for so long is asked whether it lives.
const KEEP_ALIVE: Duration = Duration::from_secs(30);

/// A port that listens, and who may use it.
pub struct Listener {
    listener: StdListener,
    local: SocketAddr,
    tls: Option<TlsAcceptor>,
    guard: Guard,
    max_connections: usize,
    gate: watch::Receiver<u64>,
}

/// Why it could not be made.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The system refused the address.
    #[error("listen {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The certificate or its key.
    #[error("certificate and key: {0}")]
    Certificate(String),
}

impl Listener {
    /// Opens the port; none: the configuration names none.
    pub fn bind(config: &HttpConfig) -> Result<Option<Listener>, HttpError> {
        let Some(address) = config.listen else { return Ok(None) };
        let tls = match (&config.certificate, &config.key) {
            (Some(certificate), Some(key)) => Some(acceptor(certificate, key).map_err(HttpError::Certificate)?),
            _ => None,
        };
        let open = || {
            let listener = StdListener::bind(address)?;
            listener.set_nonblocking(true)?;
            Ok((listener.local_addr()?, listener))
        };
        let (local, listener) = open().map_err(|source| HttpError::Listen { address, source })?;
        if tls.is_none() && !local.ip().is_loopback() {
            tracing::warn!(%local, "[http] without a certificate: tokens and calls can be read on the way");
        }
        let (_, gate) = watch::channel(u64::MAX);
        let guard = Guard::new(config);
        Ok(Some(Listener { listener, local, tls, guard, max_connections: config.max_connections, gate }))
    }

    /// No event is written to a client before the event log has its place.
    pub fn held_by(self, gate: watch::Receiver<u64>) -> Listener {
        Listener { gate, ..self }
    }

    /// Where it listens, with the port that the system chose.
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// Serves until `stop`; then what was asked is answered (2 s at most).
    pub async fn run(self, requests: mpsc::Sender<Request>, stop: impl Future<Output = ()>) {
        let listener = match TcpListener::from_std(self.listener) {
            Ok(listener) => listener,
            Err(error) => {
                tracing::error!(%error, "the HTTP listener cannot be used");
                return;
            }
        };
        let (stopping, stopped) = watch::channel(false);
        let pages = Arc::new(Pages { guard: self.guard, gate: self.gate, requests });
        let mut connections = JoinSet::new();
        let mut stop = std::pin::pin!(stop);
        loop {
            tokio::select! {
                () = &mut stop => break,
                Some(_) = connections.join_next() => {}
                accepted = listener.accept() => match accepted {
                    Ok((stream, peer)) if connections.len() >= self.max_connections => {
                        tracing::info!(%peer, "an HTTP connection was turned away: there are as many as there may be");
                        turn_away(&stream, self.tls.is_some());
                    }
                    Ok((stream, peer)) => {
                        let (pages, tls) = (pages.clone(), self.tls.clone());
                        connections.spawn(welcome(stream, peer, tls, pages, stopped.clone()));
                    }
                    Err(error) => {
                        tracing::warn!(%error, "an HTTP connection could not be accepted");
                        tokio::time::sleep(Duration::from_millis(100)).await;
                    }
                }
            }
        }
        drop((listener, pages));
        let _ = stopping.send(true);
        while connections.join_next().await.is_some() {}
    }
}

/// What we show to those who connect by HTTPS.
fn acceptor(certificate: &str, key: &str) -> Result<TlsAcceptor, String> {
    let named = |file: &str, error: &dyn std::fmt::Display| format!("{file}: {error}");
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| named(certificate, &error))?;
    let private = PrivateKeyDer::from_pem_file(key).map_err(|error| named(key, &error))?;
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, private))
        .map_err(|error| error.to_string())?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// One answer that says why, then the end. Within TLS nothing can be said before the handshake.
fn turn_away(stream: &TcpStream, tls: bool) {
    const BUSY: &[u8] =
        b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    if !tls {
        let _ = stream.try_write(BUSY);
    }
}

async fn welcome(
    stream: TcpStream,
    peer: SocketAddr,
    tls: Option<TlsAcceptor>,
    pages: Arc<Pages>,
    stop: watch::Receiver<bool>,
) {
    let keep_alive = socket2::TcpKeepalive::new().with_time(KEEP_ALIVE).with_interval(KEEP_ALIVE / 3);
    let set = stream.set_nodelay(true).and_then(|()| socket2::SockRef::from(&stream).set_tcp_keepalive(&keep_alive));
    if let Err(error) = set {
        tracing::debug!(%peer, %error, "TCP options not set");
    }
    match tls {
        None => talk(stream, peer, pages, stop).await,
        Some(acceptor) => match timeout(FIRST_BYTE, acceptor.accept(stream)).await {
            Ok(Ok(stream)) => talk(stream, peer, pages, stop).await,
            Ok(Err(error)) => tracing::debug!(%peer, %error, "no TLS handshake"),
            Err(_) => tracing::debug!(%peer, "no TLS handshake within 10 s"),
        },
    }
}

/// Requests of one connection, one after another; the last may turn it into a WebSocket.
async fn talk<S>(stream: S, peer: SocketAddr, pages: Arc<Pages>, mut stop: watch::Receiver<bool>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let upgrade = Arc::new(Mutex::new(None));
    {
        let answer = service_fn(|request| {
            let (pages, upgrade) = (pages.clone(), upgrade.clone());
            async move { Ok::<_, std::convert::Infallible>(pages.answer(request, peer, &upgrade).await) }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(FIRST_BYTE)
            .max_headers(MAX_HEADERS)
            .max_buf_size(MAX_HEAD)
            .serve_connection(TokioIo::new(stream), answer)
            .with_upgrades();
        let mut connection = std::pin::pin!(connection);
        let ended = tokio::select! {
            ended = &mut connection => Some(ended),
            () = async { drop(stop.wait_for(|stop| *stop).await) } => None,
        };
        let ended = match ended {
            Some(ended) => ended,
            None => {
                connection.as_mut().graceful_shutdown();
                timeout(STOP, connection).await.unwrap_or(Ok(()))
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%peer, %error, "an HTTP connection ended");
        }
    }
    let upgrade = upgrade.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some((upgrade, guest)) = upgrade {
        ws::serve(upgrade, guest, &pages, stop).await;
    }
}
