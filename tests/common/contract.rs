//! The contract against what is seen: every result and every event that a test meets is held against the schema that
//! `rpc.discover` gives for it. What is not described there is a fault, be it one member more.
//!
//! It knows the words of JSON Schema that our document uses, and refuses to go on at any other.

use std::collections::BTreeMap;
use std::sync::{LazyLock, Mutex};

use serde_json::{Map, Value};

/// So many of each kind are looked at: long runs make millions.
const ENOUGH: u32 = 500;

/// The document, and where its methods and events are.
pub struct Contract {
    /// What `rpc.discover` returns.
    pub document: Value,
    results: BTreeMap<String, Value>,
    events: BTreeMap<String, Value>,
    errors: BTreeMap<String, Vec<i64>>,
}

/// The contract of this build.
pub static CONTRACT: LazyLock<Contract> = LazyLock::new(|| {
    let document = phoned::rpc::document();
    let list = |key: &str, schema: fn(&Value) -> &Value| {
        let entries = document[key].as_array().cloned().unwrap_or_default();
        entries.iter().map(|one| (one["name"].as_str().unwrap_or_default().to_owned(), schema(one).clone())).collect()
    };
    let (results, events) = (list("methods", |one| &one["result"]["schema"]), list("x-events", |one| &one["data"]));
    let code = |error: &Value| {
        let target = document.pointer(error["$ref"].as_str()?.trim_start_matches('#'))?;
        target["code"].as_i64()
    };
    let methods = document["methods"].as_array().into_iter().flatten();
    let errors = methods
        .map(|one| {
            let codes = one["errors"].as_array().into_iter().flatten().filter_map(code).collect();
            (one["name"].as_str().unwrap_or_default().to_owned(), codes)
        })
        .collect();
    Contract { document, results, events, errors }
});

/// Panics when an event is not as the contract says.
pub fn event(name: &str, data: &Value) {
    let Some(schema) = CONTRACT.events.get(name) else {
        panic!("there is no event {name} in the contract: add its row to src/rpc/events.rs")
    };
    demand("the data of", name, schema, data);
}

/// Panics when a result is not as the contract says.
pub fn result(method: &str, value: &Value) {
    if let Some(schema) = CONTRACT.results.get(method) {
        demand("the result of", method, schema, value);
    }
}

/// Panics when a method refuses with an error that the contract does not give it.
pub fn refusal(method: &str, code: i64) {
    let Some(allowed) = CONTRACT.errors.get(method) else { return };
    // JSON-RPC's own, and what can befall every method.
    let any = code <= -32000 || [-200, -229, -230, -231].contains(&code);
    assert!(
        any || allowed.contains(&code),
        "{method} refused with {code}, which is none of its errors (src/rpc/methods.rs): {allowed:?}"
    );
}

fn demand(what: &str, name: &str, schema: &Value, value: &Value) {
    static SEEN: Mutex<BTreeMap<String, u32>> = Mutex::new(BTreeMap::new());
    let key = format!("{what} {name}");
    if let Ok(mut seen) = SEEN.lock() {
        let count = seen.entry(key).or_default();
        *count += 1;
        if *count > ENOUGH {
            return;
        }
    }
    let faults = CONTRACT.faults(schema, value);
    assert!(
        faults.is_empty(),
        "{what} {name} is not as rpc.discover says (src/rpc/data.rs, src/rpc/payloads.rs):\n{}\n{value}",
        faults.join("\n")
    );
}

impl Contract {
    /// What is wrong with a value, a line each: none, it is as its schema says.
    pub fn faults(&self, schema: &Value, value: &Value) -> Vec<String> {
        let mut faults = Vec::new();
        self.look(schema, value, "", &mut faults);
        faults
    }

    fn look(&self, schema: &Value, value: &Value, at: &str, faults: &mut Vec<String>) {
        let Some(words) = schema.as_object() else { return };
        let mut fault = |what: String| faults.push(format!("{}: {what}", if at.is_empty() { "it" } else { at }));
        if let Some(pointer) = words.get("$ref").and_then(Value::as_str) {
            let Some(target) = self.document.pointer(pointer.trim_start_matches('#')) else {
                return fault(format!("{pointer} leads nowhere"));
            };
            return self.look(target, value, at, faults);
        }
        for (word, means) in words {
            match word.as_str() {
                "type" if !is_of(means, value) => fault(format!("{value} is no {means}")),
                "const" if means != value => fault(format!("{value} is not {means}")),
                "enum" if !means.as_array().is_some_and(|all| all.contains(value)) => {
                    fault(format!("{value} is none of {means}"));
                }
                "minimum" if value.is_number() && value.as_f64() < means.as_f64() => {
                    fault(format!("{value} is less than {means}"))
                }
                "maximum" if value.is_number() && value.as_f64() > means.as_f64() => {
                    fault(format!("{value} is more than {means}"))
                }
                "minItems" if value.as_array().is_some_and(|all| (all.len() as u64) < count(means)) => {
                    fault(format!("less than {means} entries"));
                }
                "maxItems" if value.as_array().is_some_and(|all| all.len() as u64 > count(means)) => {
                    fault(format!("more than {means} entries"));
                }
                "type" | "const" | "enum" | "minimum" | "maximum" | "minItems" | "maxItems" => {}
                "oneOf" | "anyOf" => {
                    let fits = means.as_array().into_iter().flatten().filter(|one| self.faults(one, value).is_empty());
                    let fits = fits.count();
                    if fits == 0 || (word == "oneOf" && fits > 1) {
                        fault(format!("{value} fits {fits} of {word}"));
                    }
                }
                "required" => {
                    let missing = means.as_array().into_iter().flatten().filter_map(Value::as_str);
                    let missing: Vec<&str> = missing.filter(|name| value.get(name).is_none()).collect();
                    if value.is_object() && !missing.is_empty() {
                        fault(format!("{} is missing", missing.join(", ")));
                    }
                }
                "allOf" | "properties" | "additionalProperties" | "items" => {}
                "description" | "title" | "format" | "default" | "$schema" => {}
                other => fault(format!("the schema has a word that nobody reads here: {other}")),
            }
        }
        for one in words.get("allOf").and_then(Value::as_array).into_iter().flatten() {
            self.look(one, value, at, faults);
        }
        if let Value::Object(members) = value {
            self.members(words, members, at, faults);
        }
        if let (Value::Array(entries), Some(each)) = (value, words.get("items")) {
            for (index, entry) in entries.iter().enumerate() {
                self.look(each, entry, &format!("{at}[{index}]"), faults);
            }
        }
    }

    fn members(&self, words: &Map<String, Value>, members: &Map<String, Value>, at: &str, faults: &mut Vec<String>) {
        let (known, others) = (words.get("properties"), words.get("additionalProperties"));
        for (name, member) in members {
            let at = format!("{at}.{name}");
            match (known.and_then(|known| known.get(name)), others) {
                (Some(schema), _) => self.look(schema, member, &at, faults),
                (None, Some(Value::Object(_))) => self.look(&words["additionalProperties"], member, &at, faults),
                (None, Some(Value::Bool(true))) => {}
                (None, None) if known.is_none() => {}
                (None, _) => faults.push(format!("{at}: nothing of that name is described")),
            }
        }
    }
}

fn count(means: &Value) -> u64 {
    means.as_u64().unwrap_or_default()
}

fn is_of(kinds: &Value, value: &Value) -> bool {
    let is = |kind: &str| match kind {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => false,
    };
    match kinds {
        Value::String(kind) => is(kind),
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).any(is),
        _ => false,
    }
}
