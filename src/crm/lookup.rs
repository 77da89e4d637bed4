//! Caller look-up: a number to a name, by one GET.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http_body_util::Full;
use hyper::Request;
use hyper::body::Bytes;
use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

use super::http::{self, Answer, Http};
use crate::config::LookupConfig;
use crate::ua::contact::{Lookup, Person, Wanted};
use crate::ua::e164::{Country, plain};

/// Answers that are kept.
const KEPT: usize = 1000;
/// Requests at once.
const AT_ONCE: usize = 16;
/// The longest name, company or picture's URL, characters.
const LONGEST: usize = 512;
/// What may stand in braces.
const FIELDS: [&str; 3] = ["e164", "number", "account"];

/// Looks up. Its clones share what they know.
#[derive(Clone)]
pub(super) struct Lookups {
    config: Arc<LookupConfig>,
    http: Http,
    slots: Arc<Semaphore>,
    known: Arc<Mutex<BTreeMap<String, (Instant, Lookup)>>>,
}

impl Lookups {
    pub fn new(config: LookupConfig, http: Http) -> Lookups {
        Lookups { config: Arc::new(config), http, slots: Arc::new(Semaphore::new(AT_ONCE)), known: Arc::default() }
    }

    /// Who that is. What the server does wrong is told at DEBUG, without the number.
    pub async fn find(&self, wanted: &Wanted) -> Lookup {
        let Some(template) = &self.config.url else { return Lookup::Failed };
        let url = self.address(template, wanted);
        if let Some(known) = self.remembered(&url) {
            return known;
        }
        let limit = Duration::from_secs(self.config.timeout);
        let asked = timeout(limit, async {
            let _slot = self.slots.acquire().await;
            self.ask(&url, limit).await
        });
        match asked.await.unwrap_or_else(|_| Err("too many look-ups wait for the server".into())) {
            Ok(found) => {
                self.remember(url, &found);
                found
            }
            Err(why) => {
                tracing::debug!("no look-up: {why}");
                Lookup::Failed
            }
        }
    }

    async fn ask(&self, url: &str, limit: Duration) -> Result<Lookup, String> {
        let mut request = Request::get(url).header("accept", "application/json");
        request = request.header("user-agent", concat!("phoned/", env!("CARGO_PKG_VERSION")));
        for (name, value) in &self.config.headers {
            request = request.header(name, value.expose());
        }
        let request = request.body(Full::new(Bytes::new())).map_err(|_| "the address cannot be asked".to_owned())?;
        self.read(&self.http.send(request, limit).await?)
    }

    fn read(&self, answer: &Answer) -> Result<Lookup, String> {
        match answer.status {
            200 => {}
            204 | 404 => return Ok(Lookup::Nothing),
            other => return Err(format!("the server says {other}")),
        }
        let body = answer.body.as_ref().ok_or("the answer is too large, or broken off")?;
        let tree: Value = serde_json::from_slice(body).map_err(|_| "the answer is not JSON")?;
        let fields = &self.config.fields;
        let text = |pointer: &String| {
            let text = tree.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
            let line: String = text.chars().filter(|c| !c.is_control()).take(LONGEST).collect();
            Some(line.trim().to_owned()).filter(|line| !line.is_empty() && !pointer.is_empty())
        };
        let person = Person { name: text(&fields.name), avatar: text(&fields.avatar), company: text(&fields.company) };
        Ok(if person == Person::default() { Lookup::Nothing } else { Lookup::Found(person) })
    }

    fn address(&self, template: &str, wanted: &Wanted) -> String {
        let country = self.config.country.as_deref().and_then(Country::named);
        let number = plain(&wanted.number);
        let international = match country {
            Some(country) => country.e164(&number),
            None => None,
        };
        let values = [international.as_ref().unwrap_or(&number), &wanted.number, &wanted.account];
        FIELDS
            .iter()
            .zip(values)
            .fold(template.to_owned(), |url, (field, value)| url.replace(&format!("{{{field}}}"), &escaped(value)))
    }

    fn remembered(&self, url: &str) -> Option<Lookup> {
        let age = Duration::from_secs(self.config.cache);
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(url).filter(|(since, _)| since.elapsed() < age).map(|(_, lookup)| lookup.clone())
    }

    fn remember(&self, url: String, lookup: &Lookup) {
        if self.config.cache == 0 {
            return;
        }
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= KEPT
            && let Some(oldest) = known.iter().min_by_key(|(_, (since, _))| *since).map(|(url, _)| url.clone())
        {
            known.remove(&oldest);
        }
        known.insert(url, (Instant::now(), lookup.clone()));
    }
}

/// An address, with `{e164}`, `{number}`, `{account}` behind its host.
pub fn check_template(template: &str) -> Result<(), String> {
    let url = FIELDS.iter().fold(template.to_owned(), |url, field| url.replace(&format!("{{{field}}}"), "0"));
    let host = template.split("://").nth(1).and_then(|rest| rest.split(['/', '?']).next()).unwrap_or_default();
    if http::check(&url).is_ok() && !url.contains(['{', '}']) && !host.contains('{') {
        return Ok(());
    }
    Err("an address with {e164}, {number} or {account}, as \"https://crm.example.com/contact?number={e164}\"".into())
}

/// What is not unreserved (RFC 3986 §2.3) is escaped: a caller's number cannot change where we ask.
fn escaped(text: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len() + 8), |mut url, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            url.push(byte as char);
        } else {
            let _ = write!(url, "%{byte:02X}");
        }
        url
    })
}
