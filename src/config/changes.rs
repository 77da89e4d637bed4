//! What differs between two readings of the configuration: keys, never values.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Config;

/// What a running daemon can take over; every other key waits for its next start.
const LIVE: [&str; 21] = [
    "rpc.roles",
    "sip.user_agent",
    "sip.public_address",
    "media.codecs",
    "audio.input",
    "audio.output",
    "audio.ringer",
    "audio.echo_cancellation",
    "audio.noise_suppression",
    "audio.gain_control",
    "record.pbx_start",
    "record.pbx_pause",
    "record.pbx_resume",
    "record.pbx_stop",
    "record.pbx_method",
    "phone",
    "transfer",
    "dial",
    "privacy",
    "video",
    "accounts",
];

/// Keys that differ.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Changes {
    /// They hold from now on.
    pub live: Vec<String>,
    /// They wait for the daemon's next start.
    pub at_restart: Vec<String>,
}

/// Every key that differs. An account that is in one of them only is named whole.
pub fn changes(old: &Config, new: &Config) -> Changes {
    let tree = |config: &Config| serde_json::to_value(config).unwrap_or_default();
    let mut keys = BTreeSet::new();
    compare("", &tree(old), &tree(new), &mut keys);
    // Secrets look alike from outside.
    for (name, before) in &old.accounts {
        let Some(now) = new.accounts.get(name) else { continue };
        let secrets = [
            ("password", now.password != before.password),
            ("ws_query", now.ws_query != before.ws_query),
            ("ws_headers", now.ws_headers != before.ws_headers),
        ];
        keys.extend(secrets.iter().filter(|(_, differs)| *differs).map(|(key, _)| format!("accounts.{name}.{key}")));
    }
    let sections = [
        ("http", old.http != new.http),
        ("media", old.media != new.media),
        ("lookup", old.lookup != new.lookup),
        ("webhooks", old.webhooks != new.webhooks),
        ("fleet", old.fleet != new.fleet),
    ];
    for (section, _) in sections.iter().filter(|(_, differs)| *differs) {
        if !keys.iter().any(|key| key.starts_with(section)) {
            keys.insert((*section).to_owned());
        }
    }
    let is_live = |key: &String| {
        LIVE.iter().any(|live| key.strip_prefix(live).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')))
    };
    let (live, at_restart) = keys.into_iter().partition(is_live);
    Changes { live, at_restart }
}

fn compare(path: &str, old: &Value, new: &Value, keys: &mut BTreeSet<String>) {
    let (Value::Object(before), Value::Object(after)) = (old, new) else {
        if old != new {
            keys.insert(path.to_owned());
        }
        return;
    };
    for key in before.keys().chain(after.keys()).collect::<BTreeSet<_>>() {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        let of = |tree: &serde_json::Map<String, Value>| tree.get(key).cloned().unwrap_or_default();
        compare(&path, &of(before), &of(after), keys);
    }
}
