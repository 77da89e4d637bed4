//! Where log lines go: to the journal with fields of its own, elsewhere to stderr as text or JSON; and which events become lines.

use std::fmt::{self, Write as _};
use std::io::{self, IsTerminal};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixDatagram;
use std::path::Path;

use serde::Deserialize;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, fmt as lines};

use crate::config::LogConfig;
use crate::ua;

/// Where the journal listens (systemd's native protocol).
const JOURNAL: &str = "/run/systemd/journal/socket";

/// Begins. RUST_LOG counts more than the configuration.
pub fn start(config: &LogConfig) {
    // The WebRTC crates tell addresses and names of peers at any level, that of NATS repeats what the bridge says: only who asks
    // for them by name hears them.
    let quiet = "rtc_ice=off,rtc_dtls=off,rtc_turn=off,rtc_stun=off,rtc_srtp=off,rtc_mdns=off,async_nats=off";
    let filter =
        EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(format!("{quiet},{}", config.level)));
    let registry = tracing_subscriber::registry().with(filter);
    let (json, journal) = (config.format == "json", is_journal());
    let layer = lines::layer().with_writer(io::stderr);
    match Journal::open(Path::new(JOURNAL)) {
        Ok(native) if journal && !json => registry.with(native).init(),
        _ if json => registry.with(layer.json()).init(),
        // The journal writes the time itself.
        _ if journal => registry.with(layer.without_time().with_ansi(false)).init(),
        _ => registry.with(layer.with_ansi(io::stderr().is_terminal())).init(),
    }
}

/// What is told to everyone is logged too: no number, no name. What begins and ends at info, all else at debug.
pub fn note(event: &ua::event::Event) {
    #[derive(Deserialize)]
    struct Why {
        cause: Option<String>,
        code: Option<u16>,
        reason: Option<String>,
    }
    if event.sample {
        return;
    }
    let (call_id, account, name) = (event.call_id.as_deref(), event.account.as_deref(), event.name.as_str());
    let why = || event.data.read().unwrap_or(Why { cause: None, code: None, reason: None });
    match name {
        "ended" | "failed" | "clientError" | "callRejected" | "transferFailed" => {
            let why = why();
            tracing::info!(call_id, account, cause = why.cause, code = why.code, "{name}");
        }
        // The reason is ours there, of the way to the server.
        "registrationFailed" | "disconnected" => {
            let why = why();
            tracing::info!(account, cause = why.cause, code = why.code, reason = why.reason, "{name}");
        }
        "incoming" | "startSession" | "confirmed" | "transferred" | "isRegisteredChange" => {
            tracing::info!(call_id, account, "{name}");
        }
        _ if name.starts_with("account.") || name.starts_with("daemon.") => {
            tracing::info!(call_id, account, "{name}");
        }
        _ => tracing::debug!(call_id, account, "{name}"),
    }
}

/// JOURNAL_STREAM names the socket of the journal (systemd.exec(5)); it counts only if stderr is still that one.
fn is_journal() -> bool {
    let Ok(stderr) = std::fs::metadata("/proc/self/fd/2") else { return false };
    std::env::var("JOURNAL_STREAM").is_ok_and(|named| named == format!("{}:{}", stderr.dev(), stderr.ino()))
}

/// Writes to the journal: the line as a person reads it, and CALL_ID and ACCOUNT as fields to search by.
#[derive(Debug)]
pub struct Journal(UnixDatagram);

impl Journal {
    /// Errors: nobody listens there.
    pub fn open(path: &Path) -> io::Result<Journal> {
        let socket = UnixDatagram::unbound()?;
        socket.connect(path)?;
        // The phone waits for no log: what the journal has no room for is lost.
        socket.set_nonblocking(true)?;
        Ok(Journal(socket))
    }
}

impl<S: Subscriber> Layer<S> for Journal {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut line = Line::default();
        event.record(&mut line);
        let priority = match *event.metadata().level() {
            Level::ERROR => "3",
            Level::WARN => "4",
            Level::INFO => "6",
            _ => "7",
        };
        let message = format!("{}{}", line.message, line.rest);
        let mut entry = Vec::with_capacity(256);
        let fields = [
            ("MESSAGE", message.as_str()),
            ("PRIORITY", priority),
            ("TARGET", event.metadata().target()),
            ("SYSLOG_IDENTIFIER", "phoned"),
        ];
        let named = [("CALL_ID", &line.call_id), ("ACCOUNT", &line.account)];
        let named = named.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?)));
        fields.into_iter().chain(named).for_each(|(name, value)| put(&mut entry, name, value));
        let _ = self.0.send(&entry);
    }
}

/// With its length, so that no value can begin a field of its own.
fn put(entry: &mut Vec<u8>, name: &str, value: &str) {
    entry.extend_from_slice(name.as_bytes());
    entry.push(b'\n');
    entry.extend_from_slice(&(value.len() as u64).to_le_bytes());
    entry.extend_from_slice(value.as_bytes());
    entry.push(b'\n');
}

#[derive(Default)]
struct Line {
    message: String,
    /// ` name=value` of each field.
    rest: String,
    call_id: Option<String>,
    account: Option<String>,
}

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "call_id" => self.call_id = Some(value.to_owned()),
            "account" => self.account = Some(value.to_owned()),
            _ => {}
        }
        self.record_debug(field, &value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.rest, " {name}={value:?}"),
        };
    }
}
