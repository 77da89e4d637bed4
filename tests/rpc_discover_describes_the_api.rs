//! `rpc.discover` describes what there is: an OpenRPC 1.3 document with params, results, errors, examples and events, all of them
//! true. `tests/data/openrpc.json` is the contract as it was agreed, `docs/API.md` the same for people; both are made from it.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test meets the clock and the system")]

mod api_page;
mod api_types;
#[allow(dead_code, reason = "what tests meet is held against it elsewhere")]
#[path = "common/contract.rs"]
mod contract;
mod fake_phone;

use std::collections::BTreeSet;
use std::path::Path;

use contract::CONTRACT;
use fake_phone::FakePhone;
use phoned::rpc::{Command, METHODS, Parsed, Role, document, examples_amiss, parse_line};
use serde_json::{Value, json};

/// Compares a file that is made from the contract; with PHONED_BLESS it is written.
fn agreed(path: &str, now: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if std::env::var_os("PHONED_BLESS").is_some() {
        return std::fs::write(&file, now).unwrap();
    }
    let before = std::fs::read_to_string(&file).unwrap_or_default();
    if before == now {
        return;
    }
    let new = Path::new(env!("CARGO_TARGET_TMPDIR")).join(file.file_name().unwrap());
    std::fs::write(&new, now).unwrap();
    let diff = std::process::Command::new("diff").arg("-u").args([&file, &new]).output().unwrap();
    panic!(
        "{path} is not what the code says (-: the file, +: the code):\n{}\nWhere the code is right, this rewrites it:\n\n    \
         PHONED_BLESS=1 cargo test --test rpc_discover_describes_the_api\n",
        String::from_utf8_lossy(&diff.stdout)
    );
}

#[test]
fn the_contract_is_as_it_was_agreed() {
    agreed("tests/data/openrpc.json", &format!("{:#}\n", document()));
}

#[test]
fn the_page_for_people_is_up_to_date() {
    let template = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/API.template.md")).unwrap();
    agreed("docs/API.md", &api_page::page(&template, &document()));
}

#[test]
fn the_types_of_the_typescript_client_are_those_of_the_contract() {
    agreed("docs/clients/typescript/api.d.mts", &api_types::types(&document()));
}

/// The rules of OpenRPC 1.3 for the parts that we use: the members that an object must have, and those that it may.
#[test]
fn it_is_open_rpc() {
    let demand = |object: &Value, must: &str, may: &str| {
        let names: Vec<&str> = object.as_object().unwrap().keys().map(String::as_str).collect();
        assert!(must.split_whitespace().all(|name| names.contains(&name)), "{must} in {object}");
        let allowed =
            |name: &&str| name.starts_with("x-") || must.split(' ').chain(may.split(' ')).any(|one| one == *name);
        assert!(names.iter().all(allowed), "only {must} {may} in {object}");
    };
    let document = document();
    demand(&document, "openrpc info methods", "components servers");
    assert_eq!(document["openrpc"], "1.3.2");
    demand(&document["info"], "title version", "description license");
    demand(&document["info"]["license"], "", "name url");
    demand(&document["components"], "", "schemas errors");
    for error in document["components"]["errors"].as_object().unwrap().values() {
        demand(error, "code message", "data");
        assert!(error["code"].is_i64() && error["message"].is_string(), "{error}");
        // What it means and what to do, for people.
        for word in ["describe", "hint"] {
            assert!(
                error["data"][word].as_str().is_some_and(|text| text.len() > 5),
                "{error}: in src/ua/error.rs a code has two lines of comment: what it means, and what to do"
            );
        }
    }
    let mut names = BTreeSet::new();
    for method in document["methods"].as_array().unwrap() {
        demand(method, "name params result", "summary description paramStructure errors examples");
        assert!(names.insert(method["name"].to_string()), "{} twice", method["name"]);
        for param in method["params"].as_array().unwrap() {
            demand(param, "name schema", "description required");
        }
        demand(&method["result"], "name schema", "description");
        method["errors"].as_array().unwrap().iter().for_each(|error| demand(error, "$ref", ""));
        for example in method["examples"].as_array().unwrap() {
            demand(example, "name params result", "");
            example["params"].as_array().unwrap().iter().for_each(|param| demand(param, "name value", ""));
            demand(&example["result"], "name value", "");
        }
    }
}

#[test]
fn each_method_has_an_example_that_is_true() {
    assert!(examples_amiss().is_empty(), "{}", examples_amiss().join("\n"));
    for method in CONTRACT.document["methods"].as_array().unwrap() {
        let name = method["name"].as_str().unwrap();
        for example in method["examples"].as_array().unwrap() {
            let given = example["params"].as_array().unwrap();
            let by_name: serde_json::Map<String, Value> =
                given.iter().map(|one| (one["name"].as_str().unwrap().to_owned(), one["value"].clone())).collect();
            let value = |param: &Value| by_name.get(param["name"].as_str().unwrap()).cloned().unwrap_or_default();
            let by_position: Vec<Value> = method["params"].as_array().unwrap().iter().map(value).collect();
            for params in [json!(by_name), json!(by_position)] {
                let line = json!({ "jsonrpc": "2.0", "id": 1, "method": name, "params": params }).to_string();
                let Parsed::One(call) = parse_line(line.as_bytes(), Role::Admin) else { panic!("{line}") };
                assert!(!matches!(call.command, Command::Refuse(_)), "{line}: {:?}", call.command);
            }
            for param in method["params"].as_array().unwrap() {
                let Some(value) = by_name.get(param["name"].as_str().unwrap()) else { continue };
                let faults = CONTRACT.faults(&param["schema"], value);
                assert!(faults.is_empty(), "the example of {name}, {}: {faults:?}", param["name"]);
            }
            let faults = CONTRACT.faults(&method["result"]["schema"], &example["result"]["value"]);
            assert!(faults.is_empty(), "the example result of {name} (src/rpc/examples.rs):\n{}", faults.join("\n"));
        }
    }
}

#[test]
fn each_event_has_an_example_that_is_true() {
    for event in CONTRACT.document["x-events"].as_array().unwrap() {
        let faults = CONTRACT.faults(&event["data"], &event["example"]);
        assert!(faults.is_empty(), "the example of {} (src/rpc/events.rs):\n{}", event["name"], faults.join("\n"));
        // A line of comment on each member of each type.
        for (name, member) in event["data"]["properties"].as_object().unwrap() {
            assert!(member["description"].as_str().is_some_and(|text| text.len() > 1), "{}: {name}", event["name"]);
        }
    }
}

/// The reader of schemas above: it finds what is wrong.
#[test]
fn faults_are_found() {
    let schema = |name: &str| CONTRACT.document["components"]["schemas"][name].clone();
    let event = |name: &str| {
        let all = CONTRACT.document["x-events"].as_array().unwrap();
        all.iter().find(|one| one["name"] == name).unwrap().clone()
    };
    let progress = event("progress")["data"].clone();
    let table = [
        (progress.clone(), json!({ "callId": "1", "code": 180 }), "it: earlyMedia is missing"),
        (
            progress.clone(),
            json!({ "callId": "1", "code": "180", "earlyMedia": true }),
            ".code: \"180\" is no \"integer\"",
        ),
        (progress.clone(), json!({ "callId": 1, "code": 180, "earlyMedia": true }), ".callId: 1 is no \"string\""),
        (progress.clone(), json!({ "callId": "1", "code": -1, "earlyMedia": true }), ".code: -1 is less than 0"),
        (
            progress,
            json!({ "callId": "1", "code": 180, "earlyMedia": true, "more": 1 }),
            ".more: nothing of that name is described",
        ),
        (
            event("ended")["data"].clone(),
            json!({ "callId": "1", "cause": "Boredom", "by": "local" }),
            "fits 0 of oneOf",
        ),
        (
            event("ended")["data"].clone(),
            json!({ "callId": "1", "cause": "Busy", "by": "local", "q850": null }),
            ".q850: null is no",
        ),
        (
            schema("Registration"),
            json!({ "state": "off", "expiresIn": null, "failures": 0 }),
            "it: retryInMs is missing",
        ),
        (schema("Recording"), json!({ "channels": ["a"] }), ".channels: less than 2 entries"),
        (json!({ "pattern": "x" }), json!("x"), "a word that nobody reads here: pattern"),
        (json!({ "$ref": "#/nowhere" }), json!("x"), "leads nowhere"),
    ];
    for (schema, value, fault) in table {
        let faults = CONTRACT.faults(&schema, &value);
        assert!(faults.iter().any(|one| one.contains(fault)), "{fault:?} in {value}: {faults:?}");
    }
}

#[test]
fn params_are_described_in_order() {
    let document = document();
    for method in METHODS {
        let described = document["methods"].as_array().unwrap().iter().find(|one| one["name"] == method.name).unwrap();
        let params = described["params"].as_array().unwrap();
        assert!(
            params.iter().map(|param| param["name"].as_str().unwrap()).eq(method.params.iter().copied()),
            "{}",
            method.name
        );
        // By position, what is required comes first.
        assert!(params.iter().map(|param| param["required"] == false).is_sorted(), "{}", method.name);
        for param in params {
            assert!(
                param["schema"].is_object() && param["description"].as_str().is_some_and(|text| !text.is_empty()),
                "{}: {param}",
                method.name
            );
        }
    }
    let call = document["methods"].as_array().unwrap().iter().find(|one| one["name"] == "phone.call").unwrap();
    assert_eq!(
        call["params"][0],
        json!({ "name": "number", "required": true, "schema": { "type": "string" }, "description": "A number (dialled at the account's domain), a `sip:` or a `tel:` URI." })
    );
}

#[test]
fn every_reference_leads_somewhere() {
    let document = document();
    let text = document.to_string();
    for reference in text.split("\"$ref\":\"#").skip(1) {
        let pointer = reference.split('"').next().unwrap();
        assert!(document.pointer(pointer).is_some(), "{pointer}");
    }
    assert_eq!(document["components"]["errors"]["NOT_FOUND_CALL_ID"]["code"], -211);
    let session = &document["components"]["schemas"]["Session"]["properties"];
    assert!(session["RTCSession"].is_object() && session["incomingList"].is_object());
    assert!(
        document["x-events"]
            .as_array()
            .unwrap()
            .iter()
            .any(|event| event["name"] == "callReport" && event["sample"] == true)
    );
}

#[tokio::test]
async fn the_daemon_tells_of_itself() {
    let phone = FakePhone::start();
    let mut client = phone.connect().await;
    assert_eq!(client.call("rpc.discover", json!({})).await["result"], document());
    let info = client.call("daemon.info", json!([])).await["result"].clone();
    assert_eq!(
        (&info["version"], &info["pid"], &info["epoch"]),
        (&json!("0.1.0"), &json!(std::process::id()), &json!("test"))
    );
    assert!(info["uptimeMs"].is_u64());
    let health = client.call("daemon.health", Value::Null).await["result"].clone();
    assert_eq!((&health["ok"], &health["accounts"][0]["name"]), (&json!(true), &json!("a")));
}
