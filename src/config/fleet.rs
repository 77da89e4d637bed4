//! `[fleet]`: the bridge to a broker of many hosts; off unless a server is named.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Config;
use super::check::{Wrong, first_line, pair, printable, when};
use crate::fleet::{check_creds, check_nkey, check_url};
use crate::rpc::is_topic;
use crate::ua::settings::Secret;

/// The longest file of credentials, bytes.
const MAX_CREDS: u64 = 16 * 1024;

/// `[fleet]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FleetConfig {
    /// NATS servers, tried in turn: `nats://HOST:PORT` or `tls://HOST:PORT`. None: no fleet.
    pub urls: Vec<String>,
    /// What this host is called in subjects; left out: the system's name for it.
    pub host: Option<String>,
    /// What every subject begins with.
    pub prefix: String,
    /// The JetStream stream that keeps the events: made where it is not there. Empty: somebody else sees to it.
    pub stream: String,
    /// Events by name, `device.*` for a family of them, `*` for all.
    pub events: Vec<String>,
    /// Events on their way that the broker has not acknowledged.
    pub window: usize,
    /// What requests over the broker may do.
    pub rpc: FleetRole,
    /// A user of the broker's.
    pub user: Option<String>,
    /// A file whose first line is the user's password.
    pub password_file: Option<String>,
    /// A file whose first line is a token.
    pub token_file: Option<String>,
    /// A file whose first line is the seed of an nkey.
    pub nkey_file: Option<String>,
    /// A file of credentials: a JWT and the seed of its nkey.
    pub creds_file: Option<String>,
    /// Whom we trust, PEM; left out: whom the system trusts.
    pub ca_file: Option<String>,
    /// Our certificates, PEM.
    pub certificate: Option<String>,
    /// Their private key, PEM.
    pub key: Option<String>,
    /// What the file of the password, the token, the nkey or the credentials holds.
    #[serde(skip)]
    pub secret: Option<Secret>,
}

/// What requests over the broker may do; each role may do all of the ones before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum FleetRole {
    /// Nothing: nobody listens for them.
    Off,
    /// See.
    Observe,
    /// See and make calls.
    Call,
    /// Everything.
    Admin,
}

impl Default for FleetConfig {
    fn default() -> Self {
        FleetConfig {
            urls: Vec::new(),
            host: None,
            prefix: "phoned".into(),
            stream: "PHONED".into(),
            events: vec!["*".into()],
            window: 64,
            rpc: FleetRole::Observe,
            user: None,
            password_file: None,
            token_file: None,
            nkey_file: None,
            creds_file: None,
            ca_file: None,
            certificate: None,
            key: None,
            secret: None,
        }
    }
}

impl FleetConfig {
    /// There is a broker.
    pub fn enabled(&self) -> bool {
        !self.urls.is_empty()
    }

    /// What this host is called in subjects: as configured, else the system's name for it, with a dash for each character that a
    /// subject's part cannot hold.
    pub fn host(&self) -> String {
        let system = || {
            let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
            name.trim().chars().map(|c| if is_part(&c.to_string()) { c } else { '-' }).take(64).collect::<String>()
        };
        self.host.clone().unwrap_or_else(system)
    }
}

/// Every fault of this table.
pub(super) fn faults(config: &Config) -> Vec<Wrong> {
    let fleet = &config.fleet;
    let mut faults: Vec<Wrong> = Vec::new();
    if fleet.enabled() && !config.store.enabled {
        faults.push((vec!["store".into(), "enabled".into()], "true: [fleet] reads the event log".into()));
    }
    let topic = |topic: &String| {
        when(is_topic(topic), "names of events, as [\"incoming\", \"cdrChange\"], a family as \"device.*\", or \"*\"")
    };
    let ways = [&fleet.password_file, &fleet.token_file, &fleet.nkey_file, &fleet.creds_file];
    let several = ways.iter().filter(|way| way.is_some()).count() > 1;
    let half = if fleet.key.is_some() { "key" } else { "certificate" };
    let all = [
        ("urls", fleet.urls.iter().try_for_each(|url| check_url(url))),
        ("host", when(!fleet.enabled() || is_part(&fleet.host()), "letters, digits, - and _: 1 to 64 of them")),
        ("prefix", when(fleet.prefix.split('.').all(is_part), "letters, digits, - and _, with dots between")),
        ("stream", when(fleet.stream.is_empty() || is_part(&fleet.stream), "letters, digits, - and _")),
        ("events", when(!fleet.events.is_empty(), "at least one event, or \"*\"")),
        ("events", fleet.events.iter().try_for_each(topic)),
        ("window", when((1..=1024).contains(&fleet.window), "1 to 1024")),
        ("user", when(fleet.user.as_deref().is_none_or(printable), "one line of printable text")),
        ("user", when(fleet.user.is_some() == fleet.password_file.is_some(), "user and password_file together")),
        ("creds_file", when(!several, "one of password_file, token_file, nkey_file, creds_file")),
        (half, pair(&fleet.certificate, &fleet.key)),
    ];
    let faulty = all.into_iter().filter_map(|(key, result)| Some((key, result.err()?)));
    faults.extend(faulty.map(|(key, why)| (vec!["fleet".to_owned(), key.to_owned()], why)));
    faults
}

/// Reads the file that says who we are, where there is one. The error names its key and never holds what the file does.
pub(super) fn read_secret(fleet: &mut FleetConfig) -> Result<(), (&'static str, String)> {
    let first = |key, file: &str, what| first_line(std::path::Path::new(file), what).map_err(|why| (key, why));
    if let Some(file) = &fleet.password_file {
        fleet.secret = Some(first("password_file", file, "password")?);
    } else if let Some(file) = &fleet.token_file {
        fleet.secret = Some(first("token_file", file, "token")?);
    } else if let Some(file) = &fleet.nkey_file {
        let seed = first("nkey_file", file, "seed of an nkey")?;
        check_nkey(seed.expose()).map_err(|why| ("nkey_file", why))?;
        fleet.secret = Some(seed);
    } else if let Some(file) = &fleet.creds_file {
        let small = std::fs::metadata(file).is_ok_and(|found| found.is_file() && found.len() <= MAX_CREDS);
        let text = if small { std::fs::read_to_string(file).unwrap_or_default() } else { String::new() };
        check_creds(&text).map_err(|why| ("creds_file", format!("{why}; {file:?}")))?;
        fleet.secret = Some(Secret::new(text));
    }
    Ok(())
}

/// What may stand between two dots of a subject.
fn is_part(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c))
}
