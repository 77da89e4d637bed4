//! What is answered at which path.

use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::upgrade::OnUpgrade;
use hyper::{Method, Request, Response, StatusCode};
use jsonrpsee::types::Id;
use serde_json::Value;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use super::super::metrics::Page as Figures;
use super::super::wire::{Call, Parsed};
use super::super::{Command, FIRST_BYTE, MAX_LINE, Role, connection, door, errors};
use super::guard::{Guard, Guest, only};
use super::{process, ws};

/// The loop that owns the phone lives if it answers within this.
const ALIVE: Duration = Duration::from_secs(2);
const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";
/// Prometheus' text format.
const METRICS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// An answer.
pub type Page = Response<Full<Bytes>>;
/// Where a request leaves its connection, which is to become a WebSocket.
pub type Upgrade = Mutex<Option<(OnUpgrade, Guest)>>;

/// Everything that an answer needs.
pub struct Pages {
    /// Who may come in.
    pub guard: Guard,
    /// How far the event log is.
    pub gate: watch::Receiver<u64>,
    /// The way to the loop that owns the phone.
    pub requests: mpsc::Sender<super::Request>,
}

impl Pages {
    /// Answers one request. Who is refused gets nothing done, and a line in the log without the secret.
    pub async fn answer(&self, request: Request<Incoming>, peer: SocketAddr, upgrade: &Upgrade) -> Page {
        let headers = request.headers();
        if !self.guard.knows_host(headers) {
            tracing::info!(%peer, "an HTTP request was refused: its Host is none of ours");
            return page(StatusCode::FORBIDDEN, TEXT, "this Host is not known here: [http] hosts\n");
        }
        if !self.guard.knows_origin(headers) {
            tracing::info!(%peer, "an HTTP request was refused: a page of its Origin may not come");
            return page(StatusCode::FORBIDDEN, TEXT, "pages of this Origin are not known here: [http] origins\n");
        }
        let origin = headers.get(header::ORIGIN).cloned();
        let mut page = self.answer_known(request, peer, upgrade).await;
        // A page that may come may also read the answer.
        if let Some(origin) = origin {
            page.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            page.headers_mut().insert(header::VARY, HeaderValue::from_static("Origin"));
        }
        page
    }

    async fn answer_known(&self, request: Request<Incoming>, peer: SocketAddr, upgrade: &Upgrade) -> Page {
        let path = request.uri().path().to_owned();
        match (request.method(), path.as_str()) {
            (&Method::OPTIONS, "/rpc") => return preflight(),
            (&Method::GET, "/healthz") => return self.health().await,
            (&Method::GET, "/readyz") => return self.ready().await,
            _ => {}
        }
        let Some(guest) = self.guard.guest(request.headers()) else {
            tracing::info!(%peer, "an HTTP request was refused: it has no token that is known");
            let refusal = page(StatusCode::UNAUTHORIZED, TEXT, "a token is needed: Authorization: Bearer TOKEN\n");
            return with(refusal, header::WWW_AUTHENTICATE, "Bearer realm=\"phoned\"");
        };
        let allow = match (request.method(), path.as_str()) {
            (&Method::POST, "/rpc") => return self.rpc(request, guest).await,
            (&Method::GET, "/metrics") => return self.metrics().await,
            (&Method::GET, "/ws") => return ws::shake_hands(request, guest, upgrade),
            (_, "/rpc") => "POST, OPTIONS",
            (_, "/metrics" | "/ws" | "/healthz" | "/readyz") => "GET",
            _ => return page(StatusCode::NOT_FOUND, TEXT, "/rpc, /ws, /metrics, /healthz, /readyz\n"),
        };
        with(page(StatusCode::METHOD_NOT_ALLOWED, TEXT, ""), header::ALLOW, allow)
    }

    /// A request or a batch; events need a connection that stays.
    async fn rpc(&self, request: Request<Incoming>, guest: Guest) -> Page {
        let kind = only(request.headers(), header::CONTENT_TYPE).and_then(|kind| kind.split(';').next());
        // What a form on a foreign page can send without asking is no JSON.
        if !kind.is_some_and(|kind| kind.trim().eq_ignore_ascii_case(JSON)) {
            return page(StatusCode::UNSUPPORTED_MEDIA_TYPE, TEXT, "Content-Type: application/json\n");
        }
        let body = match timeout(FIRST_BYTE, Limited::new(request.into_body(), MAX_LINE).collect()).await {
            Ok(Ok(body)) => body.to_bytes(),
            Ok(Err(error)) if error.is::<LengthLimitError>() => {
                return self.lines(StatusCode::PAYLOAD_TOO_LARGE, door::refuse(errors::line_too_long()), guest).await;
            }
            Ok(Err(_)) => return page(StatusCode::BAD_REQUEST, TEXT, "the body broke off\n"),
            Err(_) => return page(StatusCode::REQUEST_TIMEOUT, TEXT, ""),
        };
        self.lines(StatusCode::OK, door::read(&body, guest.role), guest).await
    }

    async fn lines(&self, status: StatusCode, parsed: Parsed, guest: Guest) -> Page {
        match connection::once(parsed, (guest.user, guest.role), self.gate.clone(), self.requests.clone()).await {
            Some(lines) => page(status, JSON, lines),
            None => page(StatusCode::SERVICE_UNAVAILABLE, TEXT, "phoned is about to stop\n"),
        }
    }

    async fn metrics(&self) -> Page {
        match self.ask(Command::Metrics).await {
            Some(Value::String(mut text)) => {
                let mut own = Figures::default();
                process::write(&mut own);
                text.push_str(&own.into_text());
                page(StatusCode::OK, METRICS, text)
            }
            _ => page(StatusCode::SERVICE_UNAVAILABLE, TEXT, "phoned does not answer\n"),
        }
    }

    /// The loop answers.
    async fn health(&self) -> Page {
        match timeout(ALIVE, self.ask(Command::Info)).await {
            Ok(Some(_)) => page(StatusCode::OK, TEXT, "ok\n"),
            _ => page(StatusCode::SERVICE_UNAVAILABLE, TEXT, "phoned does not answer\n"),
        }
    }

    /// Calls can be made and taken: every account that shall be registered is, and the daemon does not stop.
    async fn ready(&self) -> Page {
        match timeout(ALIVE, self.ask(Command::Ready)).await {
            Ok(Some(state)) if state["ready"] == true => page(StatusCode::OK, JSON, format!("{state}\n")),
            Ok(Some(state)) => page(StatusCode::SERVICE_UNAVAILABLE, JSON, format!("{state}\n")),
            _ => page(StatusCode::SERVICE_UNAVAILABLE, TEXT, "phoned does not answer\n"),
        }
    }

    /// A command of our own to the loop, and what it answers.
    async fn ask(&self, command: Command) -> Option<Value> {
        let parsed = Parsed::One(Call { id: Id::Null, command });
        let lines = connection::once(parsed, (0, Role::Observe), self.gate.clone(), self.requests.clone()).await?;
        serde_json::from_slice::<Value>(&lines).ok()?.get_mut("result").map(Value::take)
    }
}

/// A browser asks whether the page may ask. Its Origin has been looked at.
fn preflight() -> Page {
    let answer = page(StatusCode::NO_CONTENT, TEXT, "");
    let answer = with(answer, header::ACCESS_CONTROL_ALLOW_METHODS, "POST");
    let answer = with(answer, header::ACCESS_CONTROL_ALLOW_HEADERS, "authorization, content-type");
    with(answer, header::ACCESS_CONTROL_MAX_AGE, "600")
}

/// An answer whole.
pub fn page(status: StatusCode, kind: &'static str, text: impl Into<Bytes>) -> Page {
    let mut page = Response::new(Full::new(text.into()));
    *page.status_mut() = status;
    let page = with(page, header::CONTENT_TYPE, kind);
    let page = with(page, header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    with(page, header::CACHE_CONTROL, "no-store")
}

/// An answer with a header.
pub fn with(mut page: Page, name: HeaderName, value: &'static str) -> Page {
    page.headers_mut().insert(name, HeaderValue::from_static(value));
    page
}

/// Leaves the connection to become a WebSocket once the answer is out.
pub fn leave(upgrade: &Upgrade, connection: OnUpgrade, guest: Guest) {
    *upgrade.lock().unwrap_or_else(PoisonError::into_inner) = Some((connection, guest));
}
