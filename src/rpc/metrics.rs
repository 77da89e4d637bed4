//! What Prometheus is told (text format 0.0.4): counted out of the events, and looked up when it asks. No number, name or account
//! is ever a label.

use std::fmt::{Display, Write as _};
use std::sync::atomic::Ordering;

use serde_json::Value;

use super::outbox::LAGGED;
use crate::ua::event::Event;

/// A page of figures: families in the order in which they are written.
#[derive(Debug, Default)]
pub struct Page(String);

impl Page {
    /// A figure that only rises, or one that comes and goes (`gauge`), with its samples: labels (`a="b",…` or nothing) and value.
    pub fn family<L: AsRef<str>, V: Display>(
        &mut self,
        name: &str,
        kind: Kind,
        help: &str,
        samples: impl IntoIterator<Item = (L, V)>,
    ) {
        self.head(name, kind.name(), help);
        for (labels, value) in samples {
            self.sample(name, labels.as_ref(), value);
        }
    }

    /// A figure without labels.
    pub fn single(&mut self, name: &str, kind: Kind, help: &str, value: impl Display) {
        self.family(name, kind, help, [("", value)]);
    }

    /// A distribution. `buckets`: upper bounds and how many were at most that, both rising; `count`: all of them.
    pub fn histogram(&mut self, name: &str, help: &str, buckets: &[(f64, u64)], sum: f64, count: u64) {
        self.head(name, "histogram", help);
        for (bound, below) in buckets {
            self.sample(&format!("{name}_bucket"), &format!("le=\"{bound}\""), below);
        }
        self.sample(&format!("{name}_bucket"), "le=\"+Inf\"", count);
        self.sample(&format!("{name}_sum"), "", sum);
        self.sample(&format!("{name}_count"), "", count);
    }

    /// The text.
    pub fn into_text(self) -> String {
        self.0
    }

    fn head(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn sample(&mut self, name: &str, labels: &str, value: impl Display) {
        let _ = match labels {
            "" => writeln!(self.0, "{name} {value}"),
            _ => writeln!(self.0, "{name}{{{labels}}} {value}"),
        };
    }
}

/// How a figure behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It only rises, until the daemon starts anew.
    Counter,
    /// It comes and goes.
    Gauge,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
        }
    }
}

/// Every word that a call can end with; another is counted as `other`.
const CAUSES: [&str; 24] = [
    "Busy",
    "Rejected",
    "Redirected",
    "Not Found",
    "Unavailable",
    "Address Incomplete",
    "Incompatible SDP",
    "Authentication Error",
    "SIP Failure Code",
    "Canceled",
    "No Answer",
    "Expires",
    "No ACK",
    "Terminated",
    "RTP Timeout",
    "Request Timeout",
    "Connection Error",
    "Missing SDP",
    "Bad Media Description",
    "User Denied Media Access",
    "Dialog Error",
    "WebRTC Error",
    "Internal Error",
    "other",
];
const DIRECTIONS: [&str; 2] = ["inbound", "outbound"];
const STATES: [&str; 4] = ["calling", "ringing", "connecting", "talking"];
/// Mean opinion scores, upper bounds.
const MOS: [f64; 7] = [1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 4.3];

/// What the events have told since the daemon began.
#[derive(Debug, Default)]
pub(super) struct Tally {
    events: u64,
    ended: [[u64; CAUSES.len()]; DIRECTIONS.len()],
    talk_seconds: u64,
    mos: [u64; MOS.len()],
    mos_sum: f64,
    mos_count: u64,
    refused: u64,
    registered: u64,
    registration_failed: u64,
    disk_trouble: bool,
}

impl Tally {
    /// Counts an event.
    pub fn note(&mut self, event: &Event) {
        self.events += u64::from(!event.sample);
        match event.name.as_ref() {
            "cdrChange" => self.call(&event.data["cdr"]),
            "callRejected" => self.refused += 1,
            "registered" => self.registered += 1,
            "registrationFailed" => self.registration_failed += 1,
            "alert" if event.data["kind"] == "disk" => self.disk_trouble = event.data["state"] != "ok",
            _ => {}
        }
    }

    fn call(&mut self, record: &Value) {
        let direction = usize::from(record["direction"] == "outbound");
        let cause = CAUSES.iter().position(|cause| record["cause"] == *cause).unwrap_or(CAUSES.len() - 1);
        self.ended[direction][cause] += 1;
        self.talk_seconds += record["talkSec"].as_u64().unwrap_or(0);
        if let Some(mos) = record["mos"].as_f64() {
            self.mos_count += 1;
            self.mos_sum += mos;
            for (bound, below) in MOS.iter().zip(&mut self.mos) {
                *below += u64::from(mos <= *bound);
            }
        }
    }

    /// Writes all that is known here; `now` is a snapshot of the phone.
    pub fn write(&self, page: &mut Page, now: &Value, subscriptions: usize, keeps_log: bool) {
        use Kind::{Counter, Gauge};
        let snapshot = &now["snapshot"];
        let list = |key: &str| snapshot[key].as_array().map(Vec::as_slice).unwrap_or_default();
        let (sessions, accounts) = (list("sessions"), list("accounts"));
        page.family(
            "phoned_build_info",
            Gauge,
            "Which phoned this is.",
            [(format!("version=\"{}\"", env!("CARGO_PKG_VERSION")), 1)],
        );
        live(page, sessions);
        let ended = DIRECTIONS.iter().enumerate().flat_map(|(at, direction)| {
            let counts = CAUSES.iter().zip(self.ended[at]);
            counts.map(move |(cause, count)| (format!("direction=\"{direction}\",cause=\"{cause}\""), count))
        });
        page.family("phoned_calls_ended_total", Counter, "Calls that are over, by their cause.", ended);
        page.single(
            "phoned_call_talk_seconds_total",
            Counter,
            "Time since the answer, of calls that are over.",
            self.talk_seconds,
        );
        page.single(
            "phoned_calls_refused_total",
            Counter,
            "Calls refused for their number, do not disturb or a stop.",
            self.refused,
        );
        let buckets: Vec<(f64, u64)> = MOS.into_iter().zip(self.mos).collect();
        page.histogram(
            "phoned_call_mos",
            "Mean opinion score (ITU-T G.107) of calls that are over.",
            &buckets,
            self.mos_sum,
            self.mos_count,
        );

        let wanted: Vec<&Value> = accounts.iter().filter(|account| account["register"] == true).collect();
        let up = wanted.iter().filter(|account| account["isRegistered"] == true).count();
        page.family(
            "phoned_registrations",
            Gauge,
            "Accounts that shall be registered.",
            [("state=\"up\"", up), ("state=\"down\"", wanted.len() - up)],
        );
        page.single("phoned_registered_total", Counter, "Accounts that became registered.", self.registered);
        page.single(
            "phoned_registrations_failed_total",
            Counter,
            "Registrations that were refused or not answered.",
            self.registration_failed,
        );

        page.single("phoned_events_total", Counter, "Events told, samples not counted.", self.events);
        page.single(
            "phoned_events_lagged_total",
            Counter,
            "Events that slow clients missed; the log has them.",
            LAGGED.load(Ordering::Relaxed),
        );
        page.single("phoned_event_seq", Gauge, "The seq of the last event.", now["seq"].as_u64().unwrap_or(0));
        page.single("phoned_subscriptions", Gauge, "Subscriptions that are open.", subscriptions);
        page.single("phoned_store_enabled", Gauge, "1: events are kept on disk.", u8::from(keeps_log));
        page.single(
            "phoned_store_healthy",
            Gauge,
            "0: events cannot be written to the disk.",
            u8::from(!self.disk_trouble),
        );
    }
}

/// The bridge to a broker, as `fleet.status` tells it.
pub(super) fn fleet(page: &mut Page, status: &Value) {
    let count = |key: &str| status[key].as_u64().unwrap_or(0);
    let connected = u8::from(status["state"] == "connected");
    page.single("phoned_fleet_connected", Kind::Gauge, "1: the broker is there.", connected);
    page.single("phoned_fleet_behind", Kind::Gauge, "Events that the broker has not acknowledged.", count("behind"));
    page.single("phoned_fleet_published_total", Kind::Counter, "Events that it took.", count("published"));
    page.single(
        "phoned_fleet_lost_total",
        Kind::Counter,
        "Events that the log had no more, or that were too large for it.",
        count("lost"),
    );
    page.single("phoned_fleet_requests_total", Kind::Counter, "Requests that came over it.", count("requests"));
}

/// The calls of this moment.
fn live(page: &mut Page, sessions: &[Value]) {
    let count = |fits: &dyn Fn(&Value) -> bool| sessions.iter().filter(|session| fits(&session["status"])).count();
    let calls = DIRECTIONS.iter().flat_map(|direction| STATES.iter().map(move |state| (*direction, *state)));
    let calls: Vec<(String, usize)> = calls
        .map(|(direction, state)| {
            let fits = |status: &Value| status["communicationType"] == direction && status["callStatus"] == state;
            (format!("direction=\"{direction}\",state=\"{state}\""), count(&fits))
        })
        .collect();
    page.family("phoned_calls", Kind::Gauge, "Calls of this moment.", calls);
    page.single("phoned_calls_held", Kind::Gauge, "Calls on hold here.", count(&|status| status["isHold"] == true));
    for (name, key, unit, help) in [
        ("phoned_live_mos", "mos", 1.0, "Mean opinion score of the calls of this moment."),
        ("phoned_live_jitter_seconds", "jitterMs", 1e-3, "Jitter of the calls of this moment."),
        ("phoned_live_loss_ratio", "lossPct", 1e-2, "Share of packets that the calls of this moment lack."),
    ] {
        let values: Vec<f64> =
            sessions.iter().filter_map(|session| session["metrics"][key].as_f64()).map(|value| value * unit).collect();
        let of = |fold: fn(f64, f64) -> f64| values.iter().copied().reduce(fold);
        let mean = of(|a, b| a + b).map(|sum| sum / values.len() as f64);
        let stats = [("min", of(f64::min)), ("mean", mean), ("max", of(f64::max))];
        let samples = stats.into_iter().filter_map(|(stat, value)| Some((format!("stat=\"{stat}\""), value?)));
        page.family(name, Kind::Gauge, help, samples);
    }
}
