//! One file, read with the places of its keys, so that what is wrong in it can be pointed at.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue, Deserializer};

use super::{Config, Fault};

/// A file and the places of its keys.
pub(super) struct Document {
    pub path: PathBuf,
    pub text: String,
    spans: BTreeMap<Vec<String>, usize>,
}

impl Document {
    /// Reads a file's text strictly. Every fault of it is found, not the first alone.
    pub fn parse(path: &Path, text: String) -> Result<Document, Vec<Fault>> {
        let (table, errors) = DeTable::parse_recoverable(&text);
        let place = |span: Option<Range<usize>>| place(path, &text, span.map_or(0, |span| span.start));
        if !errors.is_empty() {
            let fault = |error: &toml::de::Error| {
                let line = text
                    .get(..error.span().map_or(0, |span| span.end))
                    .and_then(|text| text.lines().last())
                    .unwrap_or_default();
                // A syntax error may quote what stands there.
                let message = if is_secret(line) { "this is not TOML" } else { error.message() };
                Fault {
                    place: place(error.span()),
                    key: String::new(),
                    wrong: one_line(message),
                    right: "TOML 1.0, as name = \"value\"".into(),
                }
            };
            return Err(errors.iter().map(fault).collect());
        }
        let mut faults = Vec::new();
        let mut rest = table.clone();
        // serde stops at the first fault: take that key out and look again.
        while let Err(error) = Config::deserialize(Deserializer::from(rest.clone())) {
            let at = error.span().unwrap_or_default();
            let Some(keys) = remove(rest.get_mut(), &at) else {
                faults.push(explain(place(error.span()), "", error.message()));
                break;
            };
            faults.push(explain(place(error.span()), &keys.join("."), error.message()));
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        let spans = places(table.get_ref());
        Ok(Document { path: path.to_owned(), text, spans })
    }

    /// The names of the accounts in this file.
    pub fn accounts(&self) -> Vec<String> {
        self.spans.keys().filter(|keys| keys.len() == 2 && keys[0] == "accounts").map(|keys| keys[1].clone()).collect()
    }

    /// Where a key stands; none: this file does not have it.
    pub fn locate(&self, keys: &[String]) -> Option<String> {
        self.spans.get(keys).map(|offset| place(&self.path, &self.text, *offset))
    }
}

/// Where the value of each key begins.
fn places(table: &DeTable<'_>) -> BTreeMap<Vec<String>, usize> {
    let mut all = BTreeMap::new();
    for (key, value) in table {
        let name = key.get_ref().to_string();
        if let Some(inner) = value.get_ref().as_table() {
            all.extend(places(inner).into_iter().map(|(keys, offset)| ([vec![name.clone()], keys].concat(), offset)));
        }
        all.insert(vec![name], value.span().start);
    }
    all
}

/// `FILE:LINE:COLUMN`, both from 1.
fn place(path: &Path, text: &str, offset: usize) -> String {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    format!("{}:{line}:{column}", path.display())
}

/// Takes the innermost key around a span out, and tells its path.
fn remove(table: &mut DeTable<'_>, span: &Range<usize>) -> Option<Vec<String>> {
    let around = |outer: Range<usize>| outer.start <= span.start && span.end <= outer.end;
    let names: Vec<String> = table.keys().map(|key| key.get_ref().to_string()).collect();
    for name in names {
        let (key, value) = table.get_key_value(name.as_str())?;
        let at_key = around(key.span());
        if !at_key && !inside(value, span) {
            continue;
        }
        if !at_key
            && let Some(DeValue::Table(inner)) = table.get_mut(name.as_str()).map(Spanned::get_mut)
            && let Some(mut keys) = remove(inner, span)
        {
            keys.insert(0, name);
            return Some(keys);
        }
        table.remove(name.as_str());
        return Some(vec![name]);
    }
    None
}

/// Is the span in this value, or in a part of it? (A table's own span is its header's.)
fn inside(value: &Spanned<DeValue<'_>>, span: &Range<usize>) -> bool {
    let outer = value.span();
    outer.start <= span.start && span.end <= outer.end
        || value.get_ref().as_table().is_some_and(|table| {
            table.iter().any(|(key, value)| {
                (key.span().start <= span.start && span.end <= key.span().end) || inside(value, span)
            })
        })
}

/// serde's message in the user's words. A password's value is never quoted.
fn explain(place: String, key: &str, message: &str) -> Fault {
    let ticks = |text: &str| text.replace('`', "");
    let (wrong, right) = match message.split_once(", expected ") {
        Some((wrong, right)) => (ticks(wrong), ticks(right)),
        None => (ticks(message), String::new()),
    };
    let wrong = match wrong.strip_prefix("unknown field ") {
        Some(_) => "unknown key".to_owned(),
        None if is_secret(key) => "wrong type".to_owned(),
        None => wrong,
    };
    let right = match right.as_str() {
        "a sequence" => "an array, as [\"…\"]".to_owned(),
        "a boolean" => "true or false".to_owned(),
        "usize" | "u64" | "u32" | "u16" | "u8" => "a whole number, not negative".to_owned(),
        _ => right,
    };
    Fault { place, key: key.to_owned(), wrong: one_line(&wrong), right: one_line(&right) }
}

/// What stands there may be nobody's business.
fn is_secret(text: &str) -> bool {
    ["password", "secret", "ws_query", "headers"].iter().any(|key| text.contains(key))
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
