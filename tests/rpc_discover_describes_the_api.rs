//! `rpc.discover` describes exactly the methods there are, with params, results, errors and events; every reference in it leads
//! somewhere.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test meets the clock and the system")]

mod fake_phone;

use std::collections::BTreeSet;

use fake_phone::FakePhone;
use phoned::rpc::{METHODS, document};
use serde_json::{Value, json};

const TWINS: &str = "answer progress reject hangup terminate hold unhold renegotiate dtmf blindTransfer attendedTransfer mute unmute \
    stopTimer setStatus setStaticStatus destroy startRecord pauseRecord stopRecord audioToVideo videoToAudio";
const OTHERS: &str = "rpc.discover daemon.info daemon.health daemon.shutdown \
    account.add account.update account.remove account.list account.get account.register account.unregister \
    device.list device.get device.setRole agent.set agent.get \
    phone.start phone.disconnect phone.reRegister phone.setSessionStaticStatus phone.call phone.get phone.getSession phone.getCurrentSession phone.setCurrentSession \
    phone.on phone.off phone.merge phone.split session.get session.on session.off events.subscribe events.unsubscribe events.replay cdr.query \
    phone.setRecordPermissions recording.list recording.get recording.verify recording.delete";

#[test]
fn these_methods_and_no_others() {
    let document = document();
    let described: BTreeSet<String> = document["methods"]
        .as_array()
        .unwrap()
        .iter()
        .map(|method| method["name"].as_str().unwrap().to_owned())
        .collect();
    let twins = TWINS.split(' ').flat_map(|verb| [format!("session.{verb}"), format!("phone.{verb}")]);
    let wanted: BTreeSet<String> = OTHERS.split_whitespace().map(str::to_owned).chain(twins).collect();
    assert_eq!(described, wanted);
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
