//! What the CRM side reads: `[lookup]` and `[webhooks.NAME]`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Config;
use super::check::{Wrong, first_line, plain_name, when};
use crate::crm::{check_secret, check_template, check_url};
use crate::rpc::is_topic;
use crate::ua::e164::Country;
use crate::ua::settings::Secret;

/// `[lookup]`: who calls, asked of a web server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LookupConfig {
    /// Where to ask: `{e164}` (with `+`; where there is no such form, as it came), `{number}` (as it came), `{account}`. Left
    /// out: nobody is asked.
    pub url: Option<String>,
    /// Headers of the request.
    pub headers: BTreeMap<String, Secret>,
    /// An answer that takes longer is none, s.
    pub timeout: u64,
    /// An answer is kept so long, s; 0: not at all.
    pub cache: u64,
    /// The country whose way of writing numbers the PBX has (ISO 3166, two letters), for `{e164}`.
    pub country: Option<String>,
    /// Where in the answer they stand.
    pub fields: LookupFields,
}

/// `[lookup] fields`: JSON pointers (RFC 6901).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LookupFields {
    /// The name.
    pub name: String,
    /// A picture's URL.
    pub avatar: String,
    /// The company.
    pub company: String,
}

impl Default for LookupConfig {
    fn default() -> Self {
        LookupConfig {
            url: None,
            headers: BTreeMap::new(),
            timeout: 3,
            cache: 600,
            country: None,
            fields: LookupFields::default(),
        }
    }
}

impl Default for LookupFields {
    fn default() -> Self {
        LookupFields { name: "/name".into(), avatar: "/avatar".into(), company: "/company".into() }
    }
}

/// `[webhooks.NAME]`: a web server that is told what happens, by the Standard Webhooks rules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct WebhookConfig {
    /// Where to send.
    pub url: String,
    /// What signs: `whsec_` and base64 of 24 to 64 bytes.
    pub secret: Option<Secret>,
    /// A file whose first line is the secret.
    pub secret_file: Option<String>,
    /// Events by name, `device.*` for a family of them, `*` for all.
    pub events: Vec<String>,
    /// Only this account's events.
    pub account: Option<String>,
    /// An answer that takes longer is none, s.
    pub timeout: u64,
    /// Between the first try and the second, ms; each further wait is three times as long, 10 minutes at most.
    pub retry_ms: u64,
    /// An event that the server refuses so often is left (a dead letter).
    pub tries: u32,
    /// While the server cannot be reached an event is tried until it is so old, s; then it is left too.
    pub max_age: u64,
}

impl Default for WebhookConfig {
    fn default() -> Self {
        WebhookConfig {
            url: String::new(),
            secret: None,
            secret_file: None,
            events: vec!["*".into()],
            account: None,
            timeout: 15,
            retry_ms: 5_000,
            tries: 5,
            max_age: 259_200,
        }
    }
}

/// Every fault of these tables.
pub(super) fn faults(config: &Config) -> Vec<Wrong> {
    let mut faults = lookup_faults(&config.lookup);
    if !config.webhooks.is_empty() && !config.store.enabled {
        faults.push((vec!["store".into(), "enabled".into()], "true: [webhooks] reads the event log".into()));
    }
    for (name, webhook) in &config.webhooks {
        for (key, why) in webhook_faults(name, webhook, config) {
            let keys = ["webhooks", name, key].into_iter().filter(|key| !key.is_empty());
            faults.push((keys.map(str::to_owned).collect(), why));
        }
    }
    faults
}

fn lookup_faults(lookup: &LookupConfig) -> Vec<Wrong> {
    let pointer = |text: &str| when(text.is_empty() || text.starts_with('/'), "a JSON pointer, as \"/contact/name\"");
    let country = lookup.country.as_deref().map_or(Ok(()), known_country);
    let header = |(name, value): (&String, &Secret)| {
        let token = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
        let fine = !name.is_empty() && name.chars().all(token);
        when(fine && value.expose().chars().all(|c| (' '..='~').contains(&c)), "names and values of one line")
    };
    let all = [
        ("url", lookup.url.as_deref().map_or(Ok(()), check_template)),
        ("headers", lookup.headers.iter().try_for_each(header)),
        ("timeout", when((1..=60).contains(&lookup.timeout), "1 to 60")),
        ("country", country),
        (
            "fields",
            [&lookup.fields.name, &lookup.fields.avatar, &lookup.fields.company]
                .into_iter()
                .try_for_each(|text| pointer(text)),
        ),
    ];
    let faulty = all.into_iter().filter_map(|(key, result)| Some((key, result.err()?)));
    faulty.map(|(key, why)| (vec!["lookup".to_owned(), key.to_owned()], why)).collect()
}

fn webhook_faults(name: &str, webhook: &WebhookConfig, config: &Config) -> Vec<(&'static str, String)> {
    let topic = |topic: &String| {
        when(is_topic(topic), "names of events, as [\"incoming\", \"cdrChange\"], a family as \"device.*\", or \"*\"")
    };
    let known = webhook.account.as_ref().is_none_or(|account| config.accounts.contains_key(account));
    let secrets = usize::from(webhook.secret.is_some()) + usize::from(webhook.secret_file.is_some());
    let all = [
        ("", when(plain_name(name), "a name of letters, digits and -_.@+")),
        ("url", check_url(&webhook.url)),
        ("secret", webhook.secret.as_ref().map_or(Ok(()), |secret| check_secret(secret.expose()))),
        ("secret", when(secrets == 1, "either secret or secret_file")),
        ("events", when(!webhook.events.is_empty(), "at least one event, or \"*\"")),
        ("events", webhook.events.iter().try_for_each(topic)),
        ("account", when(known, "the name of an account: an [accounts.NAME] of this configuration")),
        ("timeout", when((1..=60).contains(&webhook.timeout), "1 to 60")),
        ("retry_ms", when((10..=600_000).contains(&webhook.retry_ms), "10 to 600000")),
        ("tries", when(webhook.tries > 0, "at least 1")),
    ];
    all.into_iter().filter_map(|(key, result)| Some((key, result.err()?))).collect()
}

/// Reads `secret_file`, where there is one, into `secret`. The error never holds what the file does.
pub(super) fn read_secret(webhook: &mut WebhookConfig) -> Result<(), String> {
    let Some(path) = &webhook.secret_file else { return Ok(()) };
    let secret = first_line(std::path::Path::new(path), "secret")?;
    check_secret(secret.expose())?;
    webhook.secret = Some(secret);
    Ok(())
}

/// A country that the table of numbers has.
pub(super) fn known_country(name: &str) -> Result<(), String> {
    when(Country::named(name).is_some(), "a country by its two letters, as \"DE\"")
}
