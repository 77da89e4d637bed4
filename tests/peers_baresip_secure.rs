//! phoned and baresip with encrypted media: `srtp` (keys beside plain profiles) and `srtp-mand` (RTP/SAVP), whoever calls; the tone is
//! heard both ways, hold and resume keep it, and a phone that requires encryption refuses one that has none.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test meets the clock and the system")]

mod common;

use common::baresip::{Baresip, Setup as Phone};
use common::daemon::{Client, Daemon, Setup, account};
use common::kamailio::{DOMAIN, Kamailio, Setup as Registrar, password};
use common::wait::{poll, secs};
use serde_json::json;

/// Kamailio with alice and bob; phoned as alice with this `srtp`, baresip as bob with this `mediaenc`.
fn both(srtp: &str, mediaenc: Option<&'static str>) -> (Kamailio, Daemon, Client, Baresip) {
    with(&format!("srtp = \"{srtp}\""), mediaenc, false)
}

fn with(line: &str, mediaenc: Option<&'static str>, ice: bool) -> (Kamailio, Daemon, Client, Baresip) {
    let kamailio = Kamailio::start(&Registrar::users(&["alice", "bob"]));
    let own = account("alice", DOMAIN, &password("alice"), &kamailio.uri(), 440);
    let tables = format!("{own}\n{line}\n");
    let phoned = Daemon::start(&Setup { tables, media: "codecs = [\"pcmu\"]".into(), ..Setup::default() });
    let mut client = phoned.connect();
    client.registered("alice", secs(30));
    let bob = Baresip::start(&Phone {
        hz: 700,
        mediaenc,
        ice,
        ..Phone::new("bob", DOMAIN, &password("bob"), &kamailio.uri())
    });
    (kamailio, phoned, client, bob)
}

/// The session says that its audio is protected so; a handshake may still be under way. True: there is a path that ICE found.
fn agreed(client: &mut Client, call: &str, suite: &serde_json::Value) -> bool {
    let mut seen = serde_json::Value::Null;
    let found = poll(secs(30), || {
        seen = client.call("session.get", json!({"callId": call})).unwrap()["RTCSession"].clone();
        (seen["srtp"] == *suite).then_some(())
    });
    assert!(found.is_some(), "{seen}, not {suite}");
    seen["ice"].is_object()
}

fn phoned_calls(
    (_kamailio, phoned, mut client, mut bob): (Kamailio, Daemon, Client, Baresip),
    suite: serde_json::Value,
) -> bool {
    let call = client.dial("alice", "bob");
    bob.event("CALL_INCOMING");
    bob.accept();
    client.wait_event("confirmed", |e| e["callId"] == call.as_str());
    let ice = agreed(&mut client, &call, &suite);
    phoned.hears("alice", 700.0);
    bob.hears(440.0);
    client.verb("hold", &call);
    client.verb("unhold", &call);
    phoned.hears("alice", 700.0);
    bob.hears(440.0);
    assert_eq!(agreed(&mut client, &call, &suite), ice);
    client.verb("hangup", &call);
    bob.event("CALL_CLOSED");
    ice
}

fn baresip_calls(
    (_kamailio, phoned, mut client, mut bob): (Kamailio, Daemon, Client, Baresip),
    suite: serde_json::Value,
) -> bool {
    bob.dial("sip:alice@pbx.test");
    let call = client.wait_event("incoming", |_| true)["callId"].as_str().unwrap().to_string();
    client.verb("answer", &call);
    client.wait_event("confirmed", |e| e["callId"] == call.as_str());
    bob.event("CALL_ESTABLISHED");
    let ice = agreed(&mut client, &call, &suite);
    phoned.hears("alice", 700.0);
    bob.hears(440.0);
    bob.hold();
    client.wait_event("reinvite", |e| e["data"]["reason"] == "hold");
    bob.resume();
    client.wait_event("reinvite", |e| e["data"]["reason"] == "unhold");
    phoned.hears("alice", 700.0);
    bob.hears(440.0);
    bob.hangup();
    client.wait_event("ended", |e| e["callId"] == call.as_str());
    ice
}

fn cm() -> serde_json::Value {
    json!("AES_CM_128_HMAC_SHA1_80")
}

#[test]
fn required_meets_mandatory_both_ways() {
    assert!(!phoned_calls(both("require", Some("srtp-mand")), cm()));
    assert!(!baresip_calls(both("require", Some("srtp-mand")), cm()));
}

#[test]
fn preferred_meets_optional_both_ways() {
    assert!(!phoned_calls(both("prefer", Some("srtp")), cm()));
    assert!(!baresip_calls(both("prefer", Some("srtp")), cm()));
}

#[test]
fn preferred_meets_none_both_ways() {
    assert!(!phoned_calls(both("prefer", None), json!(null)));
    assert!(!baresip_calls(both("prefer", None), json!(null)));
}

#[test]
fn required_meets_none_and_refuses() {
    let (_kamailio, _phoned, mut client, mut bob) = both("require", None);
    bob.dial("sip:alice@pbx.test");
    let rejected = client.wait_event("callRejected", |_| true);
    assert_eq!((&rejected["data"]["code"], &rejected["data"]["cause"]), (&json!(488), &json!("Incompatible SDP")));
    assert!(bob.event("CALL_CLOSED")["param"].as_str().unwrap().starts_with("488"));
    let call = client.dial("alice", "bob");
    client.wait_event("failed", |e| e["callId"] == call.as_str() && e["data"]["cause"] == "Incompatible SDP");
}

#[test]
fn dtls_without_a_search_for_a_path() {
    assert!(!baresip_calls(both("off", Some("dtls_srtp")), cm()));
    assert!(!baresip_calls(both("require", Some("dtls_srtp")), cm()));
}

#[test]
fn dtls_and_ice_both_ways() {
    assert!(baresip_calls(with("media = \"auto\"", Some("dtls_srtp"), true), cm()));
    assert!(phoned_calls(with("media = \"webrtc\"", Some("dtls_srtp"), true), cm()));
}
