//! The web client: HTTP/1.1 with or without TLS, no redirects, no cookies, bounds on time and size.

use std::error::Error as _;
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::{Request, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};

/// The largest answer that is read, bytes.
const MOST: usize = 64 * 1024;
/// A connection that nobody uses is closed.
const IDLE: Duration = Duration::from_secs(30);

/// A client; its clones share their connections.
#[derive(Clone)]
pub(super) struct Http(Client<HttpsConnector<HttpConnector>, Full<Bytes>>);

/// What a server said.
#[derive(Debug)]
pub(super) struct Answer {
    pub status: u16,
    /// `Retry-After`, where it is a number, s.
    pub retry_after: Option<u64>,
    /// None: too large, or broken off.
    pub body: Option<Bytes>,
}

impl Http {
    /// Reads whom the system trusts: on a thread that may wait.
    pub fn new() -> Http {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        let builder = match HttpsConnectorBuilder::new().with_provider_and_native_roots(ring::default_provider()) {
            Ok(builder) => builder,
            Err(error) => {
                tracing::warn!(%error, "the system trusts no CA: no https");
                HttpsConnectorBuilder::new().with_tls_config(nobody())
            }
        };
        let connector = builder.https_or_http().enable_http1().wrap_connector(tcp);
        let mut client = Client::builder(TokioExecutor::new());
        client.pool_idle_timeout(IDLE).pool_timer(TokioTimer::new()).pool_max_idle_per_host(4);
        Http(client.build(connector))
    }

    /// Sends a request; an answer that takes longer is none. The error is for people, and names no address.
    pub async fn send(&self, request: Request<Full<Bytes>>, limit: Duration) -> Result<Answer, String> {
        let all = async {
            let response = self.0.request(request).await.map_err(|error| plain(&error))?;
            let status = response.status().as_u16();
            let header = response.headers().get("retry-after").and_then(|value| value.to_str().ok());
            let retry_after = header.and_then(|value| value.trim().parse().ok());
            let body = Limited::new(response.into_body(), MOST).collect().await.ok().map(|body| body.to_bytes());
            Ok(Answer { status, retry_after, body })
        };
        let late = |_| Err(format!("no answer within {} s", limit.as_secs_f32()));
        tokio::time::timeout(limit, all).await.unwrap_or_else(late)
    }
}

/// Trusts nobody.
fn nobody() -> ClientConfig {
    let builder = ClientConfig::builder_with_provider(ring::default_provider().into());
    let builder = builder.with_safe_default_protocol_versions().expect("the provider has TLS 1.2 and 1.3");
    builder.with_root_certificates(RootCertStore::empty()).with_no_client_auth()
}

/// The last of its reasons says most.
fn plain(error: &hyper_util::client::legacy::Error) -> String {
    let mut reason: &dyn std::error::Error = error;
    while let Some(deeper) = reason.source() {
        reason = deeper;
    }
    match error.source() {
        Some(_) => reason.to_string(),
        None => "the connection failed".into(),
    }
}

/// `http://` or `https://`, a host, no user.
pub(super) fn check(url: &str) -> Result<(), String> {
    let right = url.parse::<Uri>().is_ok_and(|uri| {
        let host =
            uri.authority().is_some_and(|authority| !authority.as_str().contains('@') && !authority.host().is_empty());
        host && matches!(uri.scheme_str(), Some("http" | "https"))
    });
    if right { Ok(()) } else { Err("an address as \"https://crm.example.com/phone\"".into()) }
}

/// An address without its query, which may hold secrets.
pub(super) fn shown(url: &str) -> String {
    url.split('?').next().unwrap_or_default().to_owned()
}
