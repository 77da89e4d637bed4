//! Every wrong line gets its own error: not JSON −32700, not a request −32600, no such method −32601, wrong params −32602 with
//! `data.path`, a role too low −231; and the connection stays.

use crate::fake_phone::{Client, FakePhone};
use phoned::rpc::{METHODS, Parsed, Role, document, parse_line};
use serde_json::{Value, json};

/// A line, its code, and the path it names.
type Row = (String, i64, Option<String>);

fn request(method: &str, params: &Value) -> String {
    json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string()
}

/// A value that a param may have: the least that its schema allows.
fn right(schema: &Value, all: &Value) -> Value {
    if let Some(path) = schema["$ref"].as_str() {
        return right(&all["components"]["schemas"][path.rsplit('/').next().unwrap()], all);
    }
    if let Some(one) = schema["allOf"]
        .as_array()
        .or(schema["oneOf"].as_array())
        .or(schema["anyOf"].as_array())
        .and_then(|all| all.first())
    {
        return right(one, all);
    }
    if let Some(one) = schema.get("const").cloned().or_else(|| Some(schema["enum"].as_array()?.first()?.clone())) {
        return one;
    }
    let kind = schema["type"].as_str().or_else(|| schema["type"][0].as_str()).unwrap_or("string");
    match kind {
        "integer" => json!(486),
        "boolean" => json!(true),
        "array" => {
            // Texts of no kind are all different.
            let item = |n: u64| match right(&schema["items"], all) {
                Value::String(text) if text == "*" => json!(n.to_string()),
                other => other,
            };
            (0..schema["minItems"].as_u64().unwrap_or(0)).map(item).collect()
        }
        "object" => json!({}),
        _ => json!("*"),
    }
}

/// Of every method, every way to get its params wrong.
fn wrong_params() -> Vec<Row> {
    let all = document();
    let mut rows = Vec::new();
    for method in all["methods"].as_array().unwrap() {
        let name = method["name"].as_str().unwrap();
        let params = method["params"].as_array().unwrap();
        let mut fine = serde_json::Map::new();
        for param in params.iter().filter(|param| param["required"] == true) {
            let mut value = right(&param["schema"], &all);
            if param["name"] == "account" {
                value = json!({ "uri": "sip:a@example.com" });
            }
            if param["name"] == "permissions" {
                value = json!(2);
            }
            if param["name"] == "name" {
                value = json!("office");
            }
            fine.insert(param["name"].as_str().unwrap().to_owned(), value);
        }
        let Parsed::One(call) = parse_line(request(name, &Value::Object(fine.clone())).as_bytes(), Role::Admin) else {
            panic!()
        };
        assert!(!format!("{:?}", call.command).starts_with("Refuse"), "{name} {fine:?}: {:?}", call.command);

        let mut with = |key: &str, value: Value, path: &str| {
            let mut params = fine.clone();
            params.insert(key.to_owned(), value);
            rows.push((request(name, &Value::Object(params)), -32602, Some(path.to_owned())));
        };
        with("zzz", json!(1), "zzz");
        with("call_id", json!("1"), "call_id");
        for param in params {
            let key = param["name"].as_str().unwrap();
            let is_object = right(&param["schema"], &all).is_object();
            with(key, if is_object { json!(7) } else { json!({ "x": 1 }) }, key);
            with(key, json!(1.5), key);
            if is_object {
                with(key, json!({ "zzz": 1 }), &format!("{key}.zzz"));
            }
        }
        for key in fine.keys() {
            let mut params = fine.clone();
            params.remove(key);
            rows.push((request(name, &Value::Object(params)), -32602, Some(key.clone())));
        }
        for params in [json!("x"), json!(1), json!(true)] {
            rows.push((request(name, &params), -32602, Some(String::new())));
        }
        let too_many: Vec<Value> = params.iter().map(|param| right(&param["schema"], &all)).chain([json!(1)]).collect();
        rows.push((request(name, &json!(too_many)), -32602, Some(format!("[{}]", params.len()))));
        rows.push((request(&format!("{name}x"), &json!({})), -32601, None));
        rows.push((request(&name.to_uppercase(), &json!({})), -32601, None));
        // The envelope.
        for (key, value) in [
            ("jsonrpc", json!("1.0")),
            ("jsonrpc", json!(2.0)),
            ("id", json!(1.5)),
            ("id", json!(-1)),
            ("id", json!({})),
            ("id", json!([])),
            ("id", json!(true)),
            ("method", json!(1)),
            ("method", json!(null)),
        ] {
            let mut whole = json!({ "jsonrpc": "2.0", "id": 1, "method": name, "params": fine });
            whole[key] = value;
            rows.push((whole.to_string(), -32600, None));
        }
        for key in ["jsonrpc", "id", "method"] {
            let mut whole = json!({ "jsonrpc": "2.0", "id": 1, "method": name, "params": fine });
            whole.as_object_mut().unwrap().remove(key);
            rows.push((whole.to_string(), -32600, None));
        }
    }
    rows
}

fn others() -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    let whole = request("session.answer", &json!({ "callId": "1", "option": { "device": "ü\"\\" } }));
    let cuts = (1..whole.len()).filter(|at| whole.is_char_boundary(*at));
    rows.extend(cuts.map(|at| (whole[..at].to_owned(), -32700, None)));
    for text in ["{}", "1", "null", "true", "\"x\"", "[]", "{\"id\":1}", "[[]]"] {
        rows.push((text.to_owned(), -32600, None));
    }
    for text in ["{", "x", "{'id':1}", "{\"id\":1,}", "nul", "[1,", "\u{1}", "{\"jsonrpc\":\"2.0\"}}", "// x"] {
        rows.push((text.to_owned(), -32700, None));
    }
    rows.push((format!("[{}1]", "1,".repeat(16)), -32010, None));
    rows.push(("[".repeat(60_000), -32700, None));
    rows.push((request("session.get", &json!({ "callId": "x".repeat(65_536) })), -32007, None));
    for too_few in [&[][..], &["1"], &["1", "1"]] {
        rows.push((request("phone.merge", &json!({ "callIds": too_few })), -32602, Some("callIds".into())));
    }
    let params: &[(&str, Value, &str)] = &[
        ("session.reject", json!(["1", 200]), "code"),
        ("session.reject", json!(["1", 700]), "code"),
        ("session.reject", json!(["1", 70_000]), "code"),
        ("session.terminate", json!(["1", "explode"]), "type"),
        ("session.dtmf", json!({ "callId": "1", "dtmf": "1", "method": "smoke" }), "method"),
        ("session.setStatus", json!({ "callId": "1", "status": { "number": "1" } }), "status.number"),
        ("session.setStaticStatus", json!({ "callId": "1", "staticStatus": { "tags": [] } }), "staticStatus.tags"),
        ("phone.call", json!({ "number": "1", "option": { "video": "yes" } }), "option.video"),
        ("phone.call", json!({ "number": "1", "option": { "extraHeaders": ["a", 1] } }), "option.extraHeaders[1]"),
        ("phone.call", json!(["1", { "gain": 1 }]), "option.gain"),
        ("phone.call", json!({ "number": null }), "number"),
        ("device.setRole", json!(["null", "speaker"]), "role"),
        ("account.add", json!(["x", { "uri": "example.com" }]), "account.uri"),
        ("account.add", json!(["a b", { "uri": "sip:a@example.com" }]), "name"),
        ("account.add", json!(["x", { "uri": "sip:a@example.com", "pasword": "4711" }]), "account.pasword"),
        (
            "account.add",
            json!(["x", { "uri": "sip:a@example.com", "password_file": "/dev/zero" }]),
            "account.password_file",
        ),
        ("account.update", json!(["x", { "transport": "carrier pigeon" }]), "account.transport"),
        ("session.on", json!(["1", "acepted"]), "eventName"),
        ("phone.on", json!(["device"]), "eventName"),
        ("events.subscribe", json!({ "topics": ["ended", "nothing.*"] }), "topics[1]"),
        ("events.subscribe", json!({ "fromSeq": 1, "snapshot": true }), "fromSeq"),
        ("events.unsubscribe", json!([123_456]), "subscription"),
    ];
    rows.extend(
        params.iter().map(|(method, params, path)| (request(method, params), -32602, Some((*path).to_owned()))),
    );
    rows.push((
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"session.get\",\"params\":{\"callId\":\"1\",\"callId\":\"2\"}}"
            .into(),
        -32602,
        Some("callId".into()),
    ));
    // Methods of the seed that do not exist here yet are unknown, not half there.
    for method in
        ["session.videoToVideo", "audio.listen", "phone.session.get", "rpc.methods", "events.rewind", "", "session."]
    {
        rows.push((request(method, &json!({})), -32601, None));
    }
    rows
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_of_them() {
    let phone = FakePhone::start();
    let client = phone.connect().await;
    let rows: Vec<Row> = wrong_params().into_iter().chain(others()).collect();
    println!("{} bad requests", rows.len());
    assert!(rows.len() >= 1_000, "{}", rows.len());
    let Client { mut input, mut output, .. } = client;
    let lines: String = rows.iter().map(|(line, ..)| format!("{line}\n")).collect();
    let sending = tokio::spawn(async move {
        tokio::io::AsyncWriteExt::write_all(&mut output, lines.as_bytes()).await.unwrap();
        output
    });
    for (line, code, path) in &rows {
        let shown: String = line.chars().take(200).collect();
        let answer: Value = serde_json::from_str(&input.next_line().await.unwrap().unwrap()).unwrap();
        // An entry of a batch is answered in a batch.
        let answer = if answer.is_array() { answer[0].clone() } else { answer };
        assert_eq!(answer["error"]["code"], *code, "{shown}\n{answer}");
        assert!(answer["error"]["message"].as_str().is_some_and(|text| !text.is_empty()), "{answer}");
        let data = &answer["error"]["data"];
        assert!(
            data["describe"].as_str().is_some_and(|text| !text.is_empty())
                && data["hint"].is_string()
                && data["retryable"].is_boolean(),
            "{answer}"
        );
        if let Some(path) = path {
            // A wrong type below a param names the member below it.
            let told = data["path"].as_str().unwrap_or_else(|| panic!("{shown}\n{answer}"));
            assert!(told == path || told.starts_with(&format!("{path}.")), "{shown}\n{answer}");
        }
        assert!(!answer.to_string().contains("4711"), "{answer}");
    }
    drop(sending.await.unwrap());
    assert!(phone.seen.lock().unwrap().is_empty(), "nothing wrong has reached the phone");
}

#[tokio::test]
async fn an_answer_carries_the_id_where_there_is_one() {
    let phone = FakePhone::start();
    let mut client = phone.connect().await;
    for (line, id) in [
        ("{\"jsonrpc\":\"2.0\",\"id\":\"ü\",\"method\":\"x\"}", json!("ü")),
        ("{\"jsonrpc\":\"1.0\",\"id\":9,\"method\":\"x\"}", json!(9)),
        ("{\"jsonrpc\":\"2.0\",\"id\":18446744073709551615,\"method\":\"x\"}", json!(u64::MAX)),
        ("{\"jsonrpc\":\"2.0\",\"id\":1.5,\"method\":\"x\"}", json!(null)),
        ("{\"jsonrpc\":\"2.0\",\"id\":null,\"method\":\"x\"}", json!(null)),
    ] {
        client.send(line).await;
        assert_eq!(client.line().await.unwrap()["id"], id, "{line}");
    }
}

#[tokio::test]
async fn batches_are_answered_whole() {
    let phone = FakePhone::start();
    let mut client = phone.connect().await;
    let one = |id: u64, method: &str, params: Value| json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
    client
        .send(
            &json!([
                one(1, "session.mute", json!(["1"])),
                7,
                one(2, "events.subscribe", json!({})),
                one(3, "phone.on", json!(["ended"])),
                one(4, "phone.get", json!([]))
            ])
            .to_string(),
        )
        .await;
    let answers = client.line().await.unwrap();
    let told: Vec<(Value, Value)> = answers
        .as_array()
        .unwrap()
        .iter()
        .map(|answer| (answer["id"].clone(), answer["error"]["code"].clone()))
        .collect();
    let wanted = [
        (json!(1), json!(null)),
        (json!(null), json!(-32600)),
        (json!(2), json!(-32600)),
        (json!(3), json!(-32600)),
        (json!(4), json!(null)),
    ];
    assert_eq!(told, wanted);
}

#[test]
fn each_role_may_do_its_part_and_no_more() {
    for (role, forbidden) in [
        (Role::Observe, METHODS.iter().filter(|method| method.role > Role::Observe).count()),
        (Role::Call, 10),
        (Role::Admin, 0),
    ] {
        let refused = METHODS.iter().filter(|method| {
            let Parsed::One(call) = parse_line(request(method.name, &json!({})).as_bytes(), role) else { panic!() };
            format!("{:?}", call.command).contains("-231")
        });
        assert_eq!(refused.count(), forbidden, "{role:?}");
    }
}
