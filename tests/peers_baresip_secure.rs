//! phoned and baresip with encrypted media: `srtp` (keys beside plain profiles) and `srtp-mand` (RTP/SAVP), whoever calls; the tone is
//! heard both ways, hold and resume keep it, and a phone that requires encryption refuses one that has none.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test meets the clock and the system")]

mod common;

use common::baresip::{Baresip, Setup as Phone};
use common::daemon::{Client, Daemon, Setup, account};
use common::kamailio::{DOMAIN, Kamailio, Setup as Registrar, password};
use common::wait::secs;
use serde_json::json;

/// Kamailio with alice and bob; phoned as alice with this `srtp`, baresip as bob with this `mediaenc`.
fn both(srtp: &str, mediaenc: Option<&'static str>) -> (Kamailio, Daemon, Client, Baresip) {
    let kamailio = Kamailio::start(&Registrar::users(&["alice", "bob"]));
    let own = account("alice", DOMAIN, &password("alice"), &kamailio.uri(), 440);
    let tables = format!("{own}\nsrtp = \"{srtp}\"\n");
    let phoned = Daemon::start(&Setup { tables, media: "codecs = [\"pcmu\"]".into(), ..Setup::default() });
    let mut client = phoned.connect();
    client.registered("alice", secs(10));
    let bob =
        Baresip::start(&Phone { hz: 700, mediaenc, ..Phone::new("bob", DOMAIN, &password("bob"), &kamailio.uri()) });
    (kamailio, phoned, client, bob)
}

fn suite(client: &mut Client, call: &str) -> serde_json::Value {
    client.call("session.get", json!({"callId": call})).unwrap()["RTCSession"]["srtp"].clone()
}

fn phoned_calls(srtp: &str, mediaenc: Option<&'static str>, agreed: serde_json::Value) {
    let (_kamailio, phoned, mut client, mut bob) = both(srtp, mediaenc);
    let call = client.dial("alice", "bob");
    bob.event("CALL_INCOMING");
    bob.accept();
    client.wait_event("confirmed", |e| e["callId"] == call.as_str());
    assert_eq!(suite(&mut client, &call), agreed);
    phoned.hears("alice", 700.0);
    bob.hears(440.0);
    client.verb("hold", &call);
    client.verb("unhold", &call);
    phoned.hears("alice", 700.0);
    bob.hears(440.0);
    assert_eq!(suite(&mut client, &call), agreed);
    client.verb("hangup", &call);
    bob.event("CALL_CLOSED");
}

fn baresip_calls(srtp: &str, mediaenc: Option<&'static str>, agreed: serde_json::Value) {
    let (_kamailio, phoned, mut client, mut bob) = both(srtp, mediaenc);
    bob.dial("sip:alice@pbx.test");
    let call = client.wait_event("incoming", |_| true)["callId"].as_str().unwrap().to_string();
    client.verb("answer", &call);
    client.wait_event("confirmed", |e| e["callId"] == call.as_str());
    bob.event("CALL_ESTABLISHED");
    assert_eq!(suite(&mut client, &call), agreed);
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
}

fn cm() -> serde_json::Value {
    json!("AES_CM_128_HMAC_SHA1_80")
}

#[test]
fn required_meets_mandatory_both_ways() {
    phoned_calls("require", Some("srtp-mand"), cm());
    baresip_calls("require", Some("srtp-mand"), cm());
}

#[test]
fn preferred_meets_optional_both_ways() {
    phoned_calls("prefer", Some("srtp"), cm());
    baresip_calls("prefer", Some("srtp"), cm());
}

#[test]
fn preferred_meets_none_both_ways() {
    phoned_calls("prefer", None, json!(null));
    baresip_calls("prefer", None, json!(null));
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
fn dtls_both_ways() {
    baresip_calls("off", Some("dtls_srtp"), cm());
}
