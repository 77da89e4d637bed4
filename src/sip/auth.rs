//! Digest authentication as a client (RFC 3261 §22, RFC 7616, RFC 8760).

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::Rng;
use serde::{Deserialize, Serialize};

pub use super::digest::Algorithm;
use super::digest::{Request, hex, response};
use super::headers::{split_outside, trim};
use super::message::{Message, Method};

/// More realms than an account has proxies are an attack on our memory.
const REALMS: usize = 8;

/// A Digest challenge we can answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Challenge {
    /// The realm, as it stood between its quotes.
    pub realm: String,
    /// The server's nonce.
    pub nonce: String,
    /// To be sent back.
    pub opaque: Option<String>,
    /// The hash.
    pub algorithm: Algorithm,
    /// The qualities of protection offered; empty: the server is of RFC 2069.
    pub qop: Vec<String>,
    /// Only the nonce was too old: the password was right.
    pub stale: bool,
    /// From Proxy-Authenticate (407), to be answered in Proxy-Authorization.
    pub proxy: bool,
    /// The challenge named its algorithm: name it in the answer.
    named: bool,
}

/// What an account knows of the realms that challenged it: nonces to use again and how often each was used.
/// It holds no password.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DigestState {
    realms: Vec<Realm>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Realm {
    challenge: Challenge,
    /// The same for the life of a nonce: the -sess variants hash it into their session key.
    cnonce: String,
    nc: u32,
}

impl Challenge {
    /// Every challenge of a 401 or 407 that we can answer: Digest, an algorithm and a qop we know.
    pub fn parse_all(message: &Message) -> Vec<Challenge> {
        let mut challenges = Vec::new();
        for (header, proxy) in [("WWW-Authenticate", false), ("Proxy-Authenticate", true)] {
            for line in message.headers(header) {
                challenges.extend(schemes(line).iter().filter_map(|(scheme, params)| {
                    scheme.eq_ignore_ascii_case("Digest").then(|| Challenge::read(params, proxy))?
                }));
            }
        }
        challenges
    }

    fn read(params: &[(&str, &str)], proxy: bool) -> Option<Challenge> {
        let get =
            |wanted: &str| params.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| *value);
        let challenge = Challenge {
            realm: get("realm")?.to_owned(),
            nonce: get("nonce")?.to_owned(),
            opaque: get("opaque").map(str::to_owned),
            algorithm: get("algorithm").map_or(Some(Algorithm::Md5), Algorithm::from_name)?,
            qop: get("qop").unwrap_or("").split(',').map(trim).filter(|q| !q.is_empty()).map(str::to_owned).collect(),
            stale: get("stale").is_some_and(|stale| stale.eq_ignore_ascii_case("true")),
            proxy,
            named: get("algorithm").is_some(),
        };
        (challenge.qop.is_empty() || challenge.pick_qop().is_some()).then_some(challenge)
    }

    /// `auth` if it is offered: a body that a middlebox touches would break `auth-int`.
    fn pick_qop(&self) -> Option<&'static str> {
        ["auth", "auth-int"].into_iter().find(|ours| self.qop.iter().any(|offered| offered.eq_ignore_ascii_case(ours)))
    }
}

impl DigestState {
    /// Takes in the challenges of a 401 or 407 and gives the headers for the next try: an answer for each realm, with
    /// the strongest algorithm it offers, and for those that challenged before (a 407 after a 401 needs both).
    ///
    /// They replace all Authorization and Proxy-Authorization headers the request had; two may have the same name.
    ///
    /// `None` if none of them can be answered. Realms that `allowed_realm` does not take are passed over: a stranger's
    /// challenge gets no digest of our password.
    #[allow(clippy::too_many_arguments)] // What a digest is made of.
    pub fn answer(
        &mut self,
        challenges: &[Challenge],
        user: &str,
        password: &str,
        method: &Method,
        uri: &str,
        body: &[u8],
        rng: &mut ChaCha20Rng,
        allowed_realm: impl Fn(&str) -> bool,
    ) -> Option<Vec<(String, String)>> {
        let mut answered = false;
        let allowed = |challenge: &&Challenge| allowed_realm(&challenge.realm);
        for challenge in challenges.iter().filter(allowed) {
            let of_realm =
                challenges.iter().filter(|other| other.proxy == challenge.proxy && other.realm == challenge.realm);
            // The first of the strongest: the server put them in the order of its liking.
            let strongest = of_realm.rev().max_by_key(|other| other.algorithm.strength());
            if strongest == Some(challenge) {
                self.learn(challenge);
                answered = true;
            }
        }
        answered.then(|| self.preemptive(method, uri, body, user, password, rng))
    }

    /// The headers for a request that has not been challenged yet, from the nonces known; empty at first.
    pub fn preemptive(
        &mut self,
        method: &Method,
        uri: &str,
        body: &[u8],
        user: &str,
        password: &str,
        rng: &mut ChaCha20Rng,
    ) -> Vec<(String, String)> {
        let request = Request { user, password, method: method.as_str(), uri, body };
        self.realms.iter_mut().map(|realm| realm.credentials(&request, rng)).collect()
    }

    fn learn(&mut self, challenge: &Challenge) {
        let same = |realm: &Realm| realm.challenge.proxy == challenge.proxy && realm.challenge.realm == challenge.realm;
        match self.realms.iter_mut().find(|realm| same(realm)) {
            Some(realm)
                if realm.challenge.nonce == challenge.nonce && realm.challenge.algorithm == challenge.algorithm =>
            {
                realm.challenge = challenge.clone();
            }
            Some(realm) => *realm = Realm::new(challenge),
            None => {
                if self.realms.len() == REALMS {
                    self.realms.remove(0);
                }
                self.realms.push(Realm::new(challenge));
            }
        }
    }
}

impl Realm {
    fn new(challenge: &Challenge) -> Realm {
        Realm { challenge: challenge.clone(), cnonce: String::new(), nc: 0 }
    }

    /// One Authorization or Proxy-Authorization: qop and algorithm without quotes, nc of eight hex digits.
    fn credentials(&mut self, request: &Request<'_>, rng: &mut ChaCha20Rng) -> (String, String) {
        if self.cnonce.is_empty() {
            let mut bytes = [0; 16];
            rng.fill_bytes(&mut bytes);
            self.cnonce = hex(&bytes);
        }
        self.nc = self.nc.saturating_add(1);
        let Challenge { realm, nonce, algorithm, .. } = &self.challenge;
        let qop = self.challenge.pick_qop();
        let response = response(*algorithm, realm, nonce, &self.cnonce, self.nc, qop, request);
        let mut value = format!(
            r#"Digest username="{}", realm="{realm}", nonce="{nonce}", uri="{}", response="{response}""#,
            quoted(request.user),
            quoted(request.uri)
        );
        if self.challenge.named {
            value.push_str(&format!(", algorithm={}", algorithm.name()));
        }
        if let Some(opaque) = &self.challenge.opaque {
            value.push_str(&format!(r#", opaque="{opaque}""#));
        }
        if let Some(qop) = qop {
            value.push_str(&format!(r#", qop={qop}, cnonce="{}", nc={:08x}"#, self.cnonce, self.nc));
        } else if algorithm.session() {
            value.push_str(&format!(r#", cnonce="{}""#, self.cnonce));
        }
        let header = if self.challenge.proxy { "Proxy-Authorization" } else { "Authorization" };
        (header.to_owned(), value)
    }
}

fn quoted(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}

/// The challenges of one header line, each a scheme and its parameters without quotes (RFC 9110 §11.6.1).
fn schemes(line: &str) -> Vec<(&str, Vec<(&str, &str)>)> {
    let mut schemes: Vec<(&str, Vec<(&str, &str)>)> = Vec::new();
    for piece in split_outside(line, b',').map(trim).filter(|piece| !piece.is_empty()) {
        let mut param = piece;
        // A word before the name begins the next challenge.
        if let Some((scheme, first)) = piece.split_once([' ', '\t'])
            && !scheme.contains('=')
            && !trim(first).starts_with('=')
        {
            schemes.push((scheme, Vec::new()));
            param = trim(first);
        }
        if let (Some((name, value)), Some((_, params))) = (param.split_once('='), schemes.last_mut()) {
            let value = trim(value);
            let inner = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
            params.push((trim(name), inner.unwrap_or(value)));
        }
    }
    schemes
}

#[cfg(test)]
mod tests;
