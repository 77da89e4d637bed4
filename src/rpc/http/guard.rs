//! Who may come in: by which name, from which page, with which token.

use std::net::{IpAddr, Ipv6Addr};

use hyper::HeaderMap;
use hyper::header::{self, HeaderName, HeaderValue};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};

use super::super::Role;
use crate::config::{HttpConfig, TokenRole};

/// The subprotocol that a browser, which can set no header, carries its token in: `phoned.bearer.TOKEN`. It stands beside
/// [`PROTOCOL`], which is the one that is agreed on.
pub const BEARER: &str = "phoned.bearer.";
/// The subprotocol of our WebSocket.
pub const PROTOCOL: &str = "phoned.v1";

/// What is asked of everyone.
pub struct Guard {
    hosts: Vec<String>,
    origins: Vec<String>,
    tokens: Vec<Known>,
}

struct Known {
    hash: [u8; 32],
    guest: Guest,
}

/// Whose token it was.
#[derive(Debug, Clone, Copy)]
pub struct Guest {
    /// Stands for the token's name, beyond all uids: idempotency keys are each token's own.
    pub user: u32,
    /// What it allows.
    pub role: Role,
}

impl Guard {
    /// By the configuration. Of the tokens only hashes are kept.
    pub fn new(config: &HttpConfig) -> Guard {
        let known = |(name, token): (&String, &crate::config::Token)| Known {
            hash: hash(token.secret.expose()),
            guest: Guest {
                user: hash(name)[..4].iter().fold(0, |user, byte| user << 8 | u32::from(*byte)) | 1 << 31,
                role: match token.role {
                    TokenRole::Observe => Role::Observe,
                    TokenRole::Call => Role::Call,
                    TokenRole::Admin => Role::Admin,
                },
            },
        };
        let tokens = config.tokens.iter().filter(|(_, token)| !token.secret.expose().is_empty()).map(known).collect();
        let hosts = config.hosts.iter().map(|host| host.to_ascii_lowercase()).collect();
        Guard { hosts, origins: config.origins.clone(), tokens }
    }

    /// The `Host` leads here: an address, `localhost`, or a name that we know. A name that somebody else has turned to our
    /// address does not.
    pub fn knows_host(&self, headers: &HeaderMap) -> bool {
        let Some(host) = only(headers, header::HOST) else { return false };
        let name = match host.strip_prefix('[') {
            Some(rest) => return rest.split_once(']').is_some_and(|(literal, _)| literal.parse::<Ipv6Addr>().is_ok()),
            None => host.split(':').next().unwrap_or_default().to_ascii_lowercase(),
        };
        name == "localhost" || name.parse::<IpAddr>().is_ok() || self.hosts.contains(&name)
    }

    /// No page has sent it, or one that may.
    pub fn knows_origin(&self, headers: &HeaderMap) -> bool {
        headers.get_all(header::ORIGIN).iter().all(|origin| {
            origin.to_str().is_ok_and(|origin| self.origins.iter().any(|known| known.eq_ignore_ascii_case(origin)))
        })
    }

    /// Whose token it is. Takes equally long for any token, right or wrong.
    pub fn guest(&self, headers: &HeaderMap) -> Option<Guest> {
        let token = bearer(headers)?;
        let given = hash(token);
        let (mut found, mut at) = (Choice::from(0), 0_u64);
        for (index, known) in self.tokens.iter().enumerate() {
            let same = known.hash[..].ct_eq(&given[..]);
            at.conditional_assign(&(index as u64), same);
            found |= same;
        }
        bool::from(found).then(|| self.tokens.get(at as usize).map(|known| known.guest)).flatten()
    }
}

/// The token of a request: `Authorization: Bearer TOKEN`, or a browser's subprotocol.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    if let Some(value) = only(headers, header::AUTHORIZATION) {
        let (scheme, token) = value.split_once(' ')?;
        return scheme.eq_ignore_ascii_case("bearer").then(|| token.trim());
    }
    protocols(headers).find_map(|protocol| protocol.strip_prefix(BEARER))
}

/// The subprotocols that a WebSocket offers.
pub fn protocols(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let values = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter();
    values.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')).map(str::trim)
}

/// A header that may stand there once.
pub fn only(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next().map(HeaderValue::to_str)?.ok()?;
    values.next().is_none().then_some(value)
}

fn hash(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}
