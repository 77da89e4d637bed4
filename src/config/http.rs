//! `[http]`: the listener for browsers, CRMs and monitoring; off unless an address is given.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::check::{is_host, when};
use crate::ua::settings::Secret;

/// The shortest token: what 128 bits of chance look like, about.
const SHORTEST: usize = 22;
const LONGEST: usize = 256;

/// `[http]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HttpConfig {
    /// Where to listen; left out: nowhere.
    pub listen: Option<SocketAddr>,
    /// Listening beyond loopback is meant.
    pub remote: bool,
    /// The server's certificates, PEM; with `key`: HTTPS.
    pub certificate: Option<String>,
    /// Their private key, PEM.
    pub key: Option<String>,
    /// Host names that lead here, besides `localhost` and addresses.
    pub hosts: Vec<String>,
    /// The pages that may use it: `https://HOST` or `https://HOST:PORT`.
    pub origins: Vec<String>,
    /// Connections at once.
    pub max_connections: usize,
    /// Who may do what, by name.
    pub tokens: BTreeMap<String, Token>,
}

/// `[http.tokens.NAME]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Token {
    /// A file whose first line is the token.
    pub file: String,
    /// What it allows.
    pub role: TokenRole,
    /// The token itself, read from the file.
    #[serde(skip)]
    pub secret: Secret,
}

/// What a token allows; each role may do all of the ones before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TokenRole {
    /// See.
    Observe,
    /// See and make calls.
    Call,
    /// Everything.
    Admin,
}

impl Default for HttpConfig {
    fn default() -> Self {
        HttpConfig {
            listen: None,
            remote: false,
            certificate: None,
            key: None,
            hosts: Vec::new(),
            origins: Vec::new(),
            max_connections: 32,
            tokens: BTreeMap::new(),
        }
    }
}

/// Every fault: the key below `[http]`, and what would be right.
pub(super) fn faults(config: &HttpConfig) -> Vec<(&str, Result<(), String>)> {
    let loopback = config.listen.is_none_or(|listen| listen.ip().is_loopback());
    let pair = config.certificate.is_some() == config.key.is_some();
    vec![
        ("listen", when(loopback || config.remote, "a loopback address, or remote = true beside it")),
        ("certificate", when(pair, "certificate and key together")),
        ("hosts", when(config.hosts.iter().all(|host| is_host(host)), "host names, as \"phone.example.com\"")),
        (
            "origins",
            when(config.origins.iter().all(|origin| is_origin(origin)), "origins, as \"https://crm.example.com\""),
        ),
        ("max_connections", when(config.max_connections > 0, "at least 1")),
    ]
}

/// As a browser writes it: no path, no slash behind it.
fn is_origin(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once("://") else { return false };
    let (host, port) = rest.rsplit_once(':').unwrap_or((rest, "1"));
    ["http", "https"].contains(&scheme)
        && (is_host(host) || host.parse::<std::net::Ipv4Addr>().is_ok() || host == "[::1]")
        && port.parse::<u16>().is_ok()
}

/// A token travels in headers, one of which takes no more than this.
pub(super) fn check_token(text: &str) -> Result<(), String> {
    let fine = text.chars().all(|c| c.is_ascii_alphanumeric() || "-._~".contains(c));
    let long = (SHORTEST..=LONGEST).contains(&text.len());
    when(fine && long, "a file whose first line is 22 to 256 letters, digits and -._~ (openssl rand -hex 32)")
}
