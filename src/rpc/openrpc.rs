//! `rpc.discover`: the API described by its own types (OpenRPC 1.3).

use jsonrpsee::types::error;
use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::methods::{METHODS, Method, twin};
use super::{Role, data, events, examples};
use crate::ua::error::Code;

/// The OpenRPC document: methods (twins too) with params, results, errors and examples; events under `x-events`.
pub fn document() -> Value {
    let settings =
        || SchemaSettings::draft07().with(|settings| settings.definitions_path = "/components/schemas".into());
    // What is read may leave out what has a default; what is written is always there.
    let (mut read, mut written) = (settings().into_generator(), settings().for_serialize().into_generator());
    let mut methods: Vec<Value> =
        METHODS.iter().flat_map(|method| described(method, &mut read, &mut written)).collect();
    methods.sort_by(|a, b| a["name"].as_str().cmp(&b["name"].as_str()));
    let mut events: Vec<Value> = events::NAMES.iter().map(|event| told(event, &mut written)).collect();
    let notification = written.subschema_for::<data::Event>();
    let mut results = Value::Object(written.take_definitions(true));
    never_null(&mut results);
    events.iter_mut().filter_map(|event| event.get_mut("data")).for_each(never_null);
    let mut schemas = read.take_definitions(true);
    schemas.extend(results.as_object().cloned().unwrap_or_default());
    let mut document = json!({
        "openrpc": "1.3.2",
        "info": {
            "title": "phoned",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "JSON-RPC 2.0 on a Unix socket, one document a line.",
            "license": { "name": "MIT OR Apache-2.0" },
        },
        "methods": methods,
        "x-notification": {
            "method": "event",
            "params": {
                "type": "object",
                "required": ["subscription", "result"],
                "properties": { "subscription": { "type": "integer" }, "result": notification },
            },
        },
        "x-events": events,
        "x-event-families": events::FAMILIES.iter().map(|family| format!("{family}.*")).collect::<Vec<_>>(),
    });
    document["components"] = json!({ "schemas": used(&document, &schemas), "errors": components() });
    document
}

fn described(method: &'static Method, read: &mut SchemaGenerator, written: &mut SchemaGenerator) -> Vec<Value> {
    let params = params(method, read);
    let result = (method.result)(written).to_value();
    let changes = method.role > Role::Observe;
    let errors: Vec<Value> = [Code::InvalidParams, Code::Timeout]
        .iter()
        .chain([Code::Forbidden, Code::IdempotencyConflict].iter().filter(|_| changes))
        .chain(method.errors)
        .map(|code| json!({ "$ref": format!("#/components/errors/{}", code.message()) }))
        .collect();
    // A method without an example is a test's failure, not the daemon's.
    let example = examples::of(method.name).map(|(given, result)| {
        let given: Vec<Value> =
            method.params.iter().filter_map(|name| Some(json!({ "name": name, "value": given.get(*name)? }))).collect();
        json!({ "name": "example", "params": given, "result": { "name": "result", "value": result } })
    });
    std::iter::once(method.name.to_owned())
        .chain(twin(method))
        .map(|name| {
            json!({
                "name": name,
                "summary": method.summary,
                "x-role": method.role.name(),
                "x-idempotencyKey": changes,
                "paramStructure": "either",
                "params": params,
                "result": { "name": "result", "schema": result },
                "errors": errors,
                "examples": example.iter().collect::<Vec<_>>(),
            })
        })
        .collect()
}

/// One content descriptor a param, in positional order, from the members of the params' struct.
fn params(method: &Method, schemas: &mut SchemaGenerator) -> Vec<Value> {
    let whole = (method.schema)(schemas).to_value();
    let name = whole["$ref"].as_str().and_then(|path| path.rsplit('/').next()).unwrap_or_default();
    let object = schemas.definitions().get(name).unwrap_or(&whole).clone();
    let required = |param: &str| object["required"].as_array().is_some_and(|all| all.iter().any(|one| one == param));
    let mut params: Vec<Value> = Vec::new();
    for param in method.params {
        let mut schema = object["properties"][param].clone();
        let description = schema.as_object_mut().and_then(|schema| schema.remove("description")).unwrap_or_default();
        params
            .push(json!({ "name": param, "required": required(param), "description": description, "schema": schema }));
    }
    params
}

fn told(event: &events::Known, schemas: &mut SchemaGenerator) -> Value {
    json!({
        "name": event.name,
        "summary": event.when,
        "sample": event.sample,
        "data": (event.schema)(schemas),
        "example": (event.example)(),
    })
}

/// What may be left out of an answer is never null.
fn never_null(schema: &mut Value) {
    match schema {
        Value::Object(words) => {
            let required = words.get("required").cloned().unwrap_or_default();
            let required = |name: &str| required.as_array().is_some_and(|all| all.iter().any(|one| one == name));
            if let Some(Value::Object(properties)) = words.get_mut("properties") {
                let optional = properties.iter_mut().filter(|(name, _)| !required(name));
                optional.filter_map(|(_, property)| property.as_object_mut()).for_each(not_null);
            }
            words.values_mut().for_each(never_null);
        }
        Value::Array(entries) => entries.iter_mut().for_each(never_null),
        _ => {}
    }
}

fn not_null(property: &mut Map<String, Value>) {
    if let Some(Value::Array(types)) = property.get_mut("type") {
        types.retain(|kind| kind != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            property.insert("type".into(), only);
        }
    }
    if let Some(Value::Array(mut kinds)) = property.remove("anyOf") {
        kinds.retain(|kind| kind["type"] != "null");
        let word = if kinds.len() == 1 { "allOf" } else { "anyOf" };
        property.insert(word.into(), kinds.into());
    }
}

/// The schemas that something refers to.
fn used(document: &Value, schemas: &Map<String, Value>) -> Map<String, Value> {
    let mut used = Map::new();
    let mut wanted = references(&document.to_string());
    while let Some(name) = wanted.pop() {
        if let (false, Some(schema)) = (used.contains_key(&name), schemas.get(&name)) {
            wanted.extend(references(&schema.to_string()));
            used.insert(name, schema.clone());
        }
    }
    used
}

fn references(text: &str) -> Vec<String> {
    let behind = text.split("#/components/schemas/").skip(1);
    behind.filter_map(|rest| rest.split('"').next()).map(str::to_owned).collect()
}

fn components() -> Map<String, Value> {
    let own = Code::ALL
        .iter()
        .map(|code| (code.message(), code.number(), code.message(), code.meaning(), code.remedy(), code.retryable()));
    let wire = [
        (
            "PARSE",
            error::PARSE_ERROR_CODE,
            error::PARSE_ERROR_MSG,
            "The line is not JSON.",
            "One document a line, UTF-8.",
            false,
        ),
        (
            "REQUEST",
            error::INVALID_REQUEST_CODE,
            error::INVALID_REQUEST_MSG,
            "JSON, but no request.",
            "`jsonrpc`, an `id` that is a string or a whole number, `method`, `params`.",
            false,
        ),
        (
            "METHOD",
            error::METHOD_NOT_FOUND_CODE,
            error::METHOD_NOT_FOUND_MSG,
            "There is no such method.",
            "`rpc.discover` lists them.",
            false,
        ),
        (
            "INTERNAL",
            error::INTERNAL_ERROR_CODE,
            error::INTERNAL_ERROR_MSG,
            "The daemon is about to stop, or has a fault.",
            "Connect again.",
            true,
        ),
        (
            "LINE_TOO_LONG",
            error::OVERSIZED_REQUEST_CODE,
            error::OVERSIZED_REQUEST_MSG,
            "The line is too long.",
            "64 KiB at most.",
            false,
        ),
        (
            "BATCH_TOO_LONG",
            error::TOO_BIG_BATCH_REQUEST_CODE,
            error::TOO_BIG_BATCH_REQUEST_MSG,
            "The batch is too long.",
            "16 requests at most.",
            false,
        ),
        (
            "SUBSCRIPTIONS",
            error::TOO_MANY_SUBSCRIPTIONS_CODE,
            error::TOO_MANY_SUBSCRIPTIONS_MSG,
            "The connection has too many subscriptions.",
            "16 at most: end one, or widen a filter.",
            false,
        ),
        (
            "BUSY",
            error::SERVER_IS_BUSY_CODE,
            error::SERVER_IS_BUSY_MSG,
            "There are too many connections.",
            "32 at most: try again.",
            true,
        ),
    ];
    own.chain(wire)
        .map(|(key, code, message, meaning, remedy, retryable)| {
            let data = json!({ "describe": meaning.trim(), "hint": remedy.trim(), "retryable": retryable });
            (key.to_owned(), json!({ "code": code, "message": message, "data": data }))
        })
        .collect()
}
