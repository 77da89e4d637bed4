//! `rpc.discover`: the API described by its own types (OpenRPC 1.3).

use jsonrpsee::types::error;
use schemars::generate::SchemaSettings;
use schemars::{SchemaGenerator, json_schema};
use serde_json::{Map, Value, json};

use super::methods::{METHODS, Method, Shape, twin};
use super::{Role, events};
use crate::ua::error::Code;
use crate::ua::status::{CallStatus, Stream, Timer};

/// The OpenRPC document: methods (twins too), params, results, errors; events under `x-events`.
pub fn document() -> Value {
    let mut schemas = SchemaSettings::draft07()
        .with(|settings| settings.definitions_path = "/components/schemas".into())
        .into_generator();
    session_schema(&mut schemas);
    let mut methods: Vec<Value> = METHODS.iter().flat_map(|method| described(method, &mut schemas)).collect();
    methods.sort_by(|a, b| a["name"].as_str().cmp(&b["name"].as_str()));
    json!({
        "openrpc": "1.3.2",
        "info": {
            "title": "phoned",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "JSON-RPC 2.0 on a Unix socket, one document a line.",
            "license": { "name": "MIT OR Apache-2.0" },
        },
        "methods": methods,
        "x-events": events::NAMES.iter().map(event).collect::<Vec<_>>(),
        "x-event-families": events::FAMILIES.iter().map(|family| format!("{family}.*")).collect::<Vec<_>>(),
        "components": { "schemas": schemas.take_definitions(true), "errors": components() },
    })
}

fn described(method: &'static Method, schemas: &mut SchemaGenerator) -> Vec<Value> {
    let params = params(method, schemas);
    let keyed = [Code::IdempotencyConflict];
    let errors: Vec<Value> = [Code::InvalidParams, Code::Timeout, Code::Forbidden]
        .iter()
        .chain(keyed.iter().filter(|_| method.role > Role::Observe))
        .chain(method.errors)
        .map(|code| json!({ "$ref": format!("#/components/errors/{}", key(*code)) }))
        .collect();
    std::iter::once(method.name.to_owned())
        .chain(twin(method))
        .map(|name| {
            json!({
                "name": name,
                "summary": method.summary,
                "x-role": method.role.name(),
                "x-idempotencyKey": method.role > Role::Observe,
                "paramStructure": "either",
                "params": params,
                "result": { "name": "result", "schema": result(method.result) },
                "errors": errors,
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

fn result(shape: Shape) -> Value {
    let session = json!({ "$ref": "#/components/schemas/Session" });
    let object = |members: &[(&str, Value)]| {
        let properties: Map<String, Value> =
            members.iter().map(|(name, schema)| ((*name).to_owned(), schema.clone())).collect();
        json!({ "type": "object", "properties": properties })
    };
    let (text, number) = (json!({ "type": "string" }), json!({ "type": "integer" }));
    match shape {
        Shape::True => json!({ "const": true }),
        Shape::Session => session,
        Shape::SessionOrNull => json!({ "oneOf": [session, { "type": "null" }] }),
        Shape::Sessions => json!({ "oneOf": [session, { "type": "array", "items": session }] }),
        Shape::Success => object(&[("code", json!({ "const": 200 })), ("msg", json!({ "const": "SUCCESS" }))]),
        Shape::Called => object(&[
            ("code", json!({ "const": 200 })),
            ("msg", json!({ "const": "SUCCESS" })),
            ("callId", text),
            ("session", session),
        ]),
        Shape::Subscription => number,
        Shape::Begin => object(&[
            ("subscription", number.clone()),
            ("seq", number),
            ("epoch", text),
            ("snapshot", json!({ "type": "object" })),
        ]),
        Shape::Object => json!({ "type": "object" }),
        Shape::Array => json!({ "type": "array", "items": { "type": "object" } }),
    }
}

/// The session snapshot: `session.get` and the `session` of events.
fn session_schema(schemas: &mut SchemaGenerator) {
    let (status, timer, stream) =
        (schemas.subschema_for::<CallStatus>(), schemas.subschema_for::<Timer>(), schemas.subschema_for::<Stream>());
    let session = json_schema!({
        "type": "object",
        "properties": {
            "callId": { "type": "string" },
            "status": status,
            "timer": timer,
            "callReport": { "type": ["object", "null"] },
            "metrics": { "type": ["object", "null"] },
            "incomingList": { "type": "array", "items": { "type": "string" } },
            "RTCSession": { "type": "object" },
            "localStream": { "oneOf": [stream, { "type": "null" }] },
            "remoteStream": { "oneOf": [stream, { "type": "null" }] },
            "seq": { "type": "integer" },
        },
    });
    schemas.definitions_mut().insert("Session".to_owned(), session.to_value());
}

fn event(event: &events::Known) -> Value {
    json!({ "name": event.name, "summary": event.when, "data": event.data, "sample": event.sample })
}

fn components() -> Map<String, Value> {
    let own = Code::ALL.iter().map(|code| {
        (key(*code), json!({ "code": code.number(), "message": code.message(), "x-retryable": code.retryable() }))
    });
    let wire = [
        ("PARSE", error::PARSE_ERROR_CODE, error::PARSE_ERROR_MSG),
        ("REQUEST", error::INVALID_REQUEST_CODE, error::INVALID_REQUEST_MSG),
        ("METHOD", error::METHOD_NOT_FOUND_CODE, error::METHOD_NOT_FOUND_MSG),
        ("INTERNAL", error::INTERNAL_ERROR_CODE, error::INTERNAL_ERROR_MSG),
        ("LINE_TOO_LONG", error::OVERSIZED_REQUEST_CODE, error::OVERSIZED_REQUEST_MSG),
        ("BATCH_TOO_LONG", error::TOO_BIG_BATCH_REQUEST_CODE, error::TOO_BIG_BATCH_REQUEST_MSG),
        ("SUBSCRIPTIONS", error::TOO_MANY_SUBSCRIPTIONS_CODE, error::TOO_MANY_SUBSCRIPTIONS_MSG),
        ("BUSY", error::SERVER_IS_BUSY_CODE, error::SERVER_IS_BUSY_MSG),
    ];
    let wire = wire.map(|(key, code, message)| (key.to_owned(), json!({ "code": code, "message": message })));
    own.chain(wire).collect()
}

fn key(code: Code) -> String {
    code.message().to_owned()
}
