//! The shape of every event, as `rpc.discover` describes it: each member that an event has is declared, each that is
//! declared is there, and what has a schema fits it.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use phoned::rpc::document;
use phoned::ua::event::Event;
use serde_json::Value;

static DOCUMENT: LazyLock<Value> = LazyLock::new(document);

/// What is declared of an event.
struct Shape {
    needed: Vec<String>,
    optional: Vec<String>,
    sample: bool,
}

static SHAPES: LazyLock<BTreeMap<String, Shape>> = LazyLock::new(|| {
    let shape = |event: &Value| {
        let words: Vec<&str> = event["data"].as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
        let (optional, needed): (Vec<&str>, Vec<&str>) = words.into_iter().partition(|word| word.ends_with('?'));
        let names = |words: Vec<&str>| words.into_iter().map(|word| word.trim_end_matches('?').to_owned()).collect();
        let shape = Shape { needed: names(needed), optional: names(optional), sample: event["sample"] == true };
        (event["name"].as_str().unwrap().to_owned(), shape)
    };
    DOCUMENT["x-events"].as_array().unwrap().iter().map(shape).collect()
});

/// The names of all events that are declared.
pub fn names() -> Vec<&'static str> {
    SHAPES.keys().map(String::as_str).collect()
}

/// Fails where an event is not as it is declared.
pub fn check(event: &Event) {
    let Some(shape) = SHAPES.get(&event.name) else { panic!("nobody knows of this event: {event:?}") };
    assert_eq!(shape.sample, event.sample, "{event:?}");
    let Some(data) = event.data.as_object() else { panic!("no data: {event:?}") };
    for name in &shape.needed {
        assert!(data.contains_key(name), "without {name}: {event:?}");
    }
    for name in data.keys() {
        assert!(shape.needed.contains(name) || shape.optional.contains(name), "{name} is not declared: {event:?}");
    }
    let named = |key: &str| data.get(key).and_then(Value::as_str).map(str::to_owned);
    assert!(!data.contains_key("callId") || event.call_id.is_none() || named("callId") == event.call_id, "{event:?}");
}

/// Fails where a member of an event does not fit the schema that it has.
pub fn check_deeply(event: &Event) {
    for (name, value) in event.data.as_object().into_iter().flatten() {
        let schema = match (name.as_str(), event.name.as_str()) {
            ("session", _) => "Session",
            ("newStatus" | "oldStatus", "statusChange") => "CallStatus",
            ("timer", _) => "Timer",
            ("stream", _) => "Stream",
            _ => continue,
        };
        let schema = &DOCUMENT["components"]["schemas"][schema];
        assert!(schema.is_object(), "{name} has no schema");
        if let Err(why) = fits(value, schema, name) {
            panic!("{why}\n{event:?}");
        }
    }
}

/// As much of JSON Schema as the document uses.
fn fits(value: &Value, schema: &Value, at: &str) -> Result<(), String> {
    if let Some(path) = schema["$ref"].as_str() {
        return fits(value, DOCUMENT.pointer(path.trim_start_matches('#')).ok_or(path)?, at);
    }
    for all in schema["allOf"].as_array().into_iter().flatten() {
        fits(value, all, at)?;
    }
    let any = schema["oneOf"].as_array().or(schema["anyOf"].as_array());
    if any.is_some_and(|any| any.iter().all(|one| fits(value, one, at).is_err())) {
        return Err(format!("{at}: {value} is none of {schema}"));
    }
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(n) if n.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let is = |wanted: &Value| wanted == kind || (wanted == "number" && kind == "integer");
    let right = match &schema["type"] {
        Value::Null => true,
        Value::Array(kinds) => kinds.iter().any(is),
        one => is(one),
    };
    let listed = schema["enum"].as_array().is_none_or(|all| all.contains(value));
    if !right || !listed || schema.get("const").is_some_and(|only| only != value) {
        return Err(format!("{at}: {value} is not {schema}"));
    }
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if value.get(name).is_none() {
            return Err(format!("{at} has no {name}"));
        }
    }
    if let (Some(members), Some(known)) = (value.as_object(), schema["properties"].as_object()) {
        for (name, member) in members {
            let Some(schema) = known.get(name) else { return Err(format!("{at}.{name} is not in the schema")) };
            fits(member, schema, &format!("{at}.{name}"))?;
        }
    }
    for item in value.as_array().into_iter().flatten().filter(|_| schema["items"].is_object()) {
        fits(item, &schema["items"], at)?;
    }
    Ok(())
}
