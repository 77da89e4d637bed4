//! phoned and baresip call each other through Kamailio: a tone is heard both ways with PCMU, PCMA, G.722 and Opus, keys arrive both ways,
//! each can hold the other and take it up again, both can at once, and whoever hangs up, both know.

mod common;

use common::agent::Agent;
use common::baresip::{Baresip, Setup as Phone};
use common::daemon::{Client, Daemon, Setup, account};
use common::kamailio::{DOMAIN, Kamailio, Setup as Registrar, password};
use common::wait::secs;
use serde_json::json;

/// Kamailio with alice and bob, phoned as alice with these codecs, registered.
fn alice(codecs: &str) -> (Kamailio, Daemon, Client) {
    let kamailio = Kamailio::start(&Registrar::users(&["alice", "bob"]));
    let tables = account("alice", DOMAIN, &password("alice"), &kamailio.uri(), 440);
    let phoned = Daemon::start(&Setup { tables, media: format!("codecs = {codecs}"), ..Setup::default() });
    let mut client = phoned.connect();
    client.registered("alice", secs(30));
    (kamailio, phoned, client)
}

fn bob(kamailio: &Kamailio, codec: &'static str, auto_answer: bool) -> Baresip {
    Baresip::start(&Phone {
        hz: 700,
        codec,
        auto_answer,
        ..Phone::new("bob", DOMAIN, &password("bob"), &kamailio.uri())
    })
}

fn phoned_calls(codec: &'static str) {
    let (kamailio, phoned, mut client) = alice(&format!("[\"{codec}\"]"));
    let mut bob = bob(&kamailio, codec, false);
    let call = client.dial("alice", "bob");
    bob.event("CALL_INCOMING");
    client.wait_event("progress", |e| e["callId"] == call.as_str());
    bob.accept();
    client.wait_event("confirmed", |e| e["callId"] == call.as_str());
    phoned.hears("alice", 700.0);
    bob.hears(440.0);
    client.verb("hangup", &call);
    bob.event("CALL_CLOSED");
    client.wait_event("ended", |e| e["callId"] == call.as_str() && e["data"]["by"] == "local");
    client.wait_event("deleteSession", |e| e["callId"] == call.as_str());
}

#[test]
fn phoned_calls_baresip_with_pcmu() {
    phoned_calls("pcmu");
}

#[test]
fn phoned_calls_baresip_with_pcma() {
    phoned_calls("pcma");
}

#[test]
fn phoned_calls_baresip_with_g722() {
    phoned_calls("g722");
}

#[test]
fn phoned_calls_baresip_with_opus() {
    phoned_calls("opus");
}

#[test]
fn baresip_calls_phoned_and_hangs_up() {
    let (kamailio, phoned, mut client) = alice("[\"opus\", \"pcmu\", \"pcma\"]");
    let mut bob = bob(&kamailio, "pcmu", false);
    bob.dial("sip:alice@pbx.test");
    let incoming = client.wait_event("incoming", |_| true);
    let call = incoming["callId"].as_str().unwrap().to_string();
    client.verb("answer", &call);
    client.wait_event("confirmed", |e| e["callId"] == call.as_str());
    bob.event("CALL_ESTABLISHED");
    phoned.hears("alice", 700.0);
    bob.hears(440.0);
    bob.hangup();
    client.wait_event("ended", |e| e["data"]["by"] == "remote" && e["data"]["cause"] == "Terminated");
    client.wait_event("deleteSession", |e| e["callId"] == call.as_str());
    let story = client.story(&call);
    assert_eq!(story.iter().filter(|name| *name == "ended").count(), 1, "{story:?}");
    assert_eq!(story.last().map(String::as_str), Some("deleteSession"), "{story:?}");
}

#[test]
fn baresip_is_refused_and_gives_up() {
    let (kamailio, _phoned, mut client) = alice("[\"pcmu\"]");
    let mut bob = bob(&kamailio, "pcmu", false);
    bob.dial("sip:alice@pbx.test");
    let call = client.wait_event("incoming", |_| true)["callId"].as_str().unwrap().to_string();
    client.verb("reject", &call);
    assert!(bob.event("CALL_CLOSED")["param"].as_str().unwrap().starts_with("486"));
    client.wait_event("failed", |e| e["callId"] == call.as_str() && e["data"]["cause"] == "Rejected");
    bob.dial("sip:alice@pbx.test");
    let call = client.wait_event("incoming", |_| true)["callId"].as_str().unwrap().to_string();
    bob.hangup();
    client.wait_event("failed", |e| e["callId"] == call.as_str() && e["data"]["cause"] == "Canceled");
}

#[test]
fn keys_arrive_both_ways() {
    let (kamailio, _phoned, mut client) = alice("[\"pcmu\"]");
    let mut bob = bob(&kamailio, "pcmu", true);
    let call = client.dial("alice", "bob");
    client.wait_event("confirmed", |_| true);
    bob.event("CALL_ESTABLISHED");
    client.call("session.dtmf", json!({"callId": call, "dtmf": "19#"})).unwrap();
    for key in ["1", "9", "#"] {
        assert_eq!(bob.event("CALL_DTMF_START")["param"], key);
    }
    bob.press("5*0");
    let heard: Vec<String> = (0..3)
        .map(|_| {
            client.wait_event("dtmf", |e| e["callId"] == call.as_str())["data"]["dtmf"].as_str().unwrap_or("?").into()
        })
        .collect();
    assert_eq!(heard, ["5", "*", "0"]);
}

#[test]
fn each_holds_the_other() {
    let (kamailio, phoned, mut client) = alice("[\"pcmu\"]");
    let proxy = format!("127.0.0.1:{}", kamailio.port);
    let mut bob = Agent::start("bob", DOMAIN, &password("bob"), &proxy, 700, "pcmu");
    let call = client.dial("alice", "bob");
    bob.event("incoming");
    bob.accept();
    client.wait_event("confirmed", |_| true);
    bob.event("established");
    phoned.hears("alice", 700.0);
    bob.hears(440.0);

    client.verb("hold", &call);
    bob.event("held");
    client.wait_event("statusChange", |e| e["data"]["newStatus"]["isHold"] == true);
    bob.hears_nothing();
    client.verb("unhold", &call);
    bob.event("resumed");
    client.wait_event("statusChange", |e| e["data"]["newStatus"]["isHold"] == false);
    bob.hears(440.0);
    phoned.hears("alice", 700.0);

    bob.hold();
    client.wait_event("reinvite", |e| e["data"]["reason"] == "hold");
    phoned.hears_nothing("alice");
    bob.resume();
    client.wait_event("reinvite", |e| e["data"]["reason"] == "unhold");
    phoned.hears("alice", 700.0);
    bob.hears(440.0);

    client.verb("mute", &call);
    bob.hears_nothing();
    client.verb("unmute", &call);
    bob.hears(440.0);
    bob.hangup();
    client.wait_event("ended", |_| true);
}

#[test]
fn both_hold_and_either_resumes_first() {
    let (kamailio, phoned, mut client) = alice("[\"pcmu\"]");
    let proxy = format!("127.0.0.1:{}", kamailio.port);
    let mut bob = Agent::start("bob", DOMAIN, &password("bob"), &proxy, 700, "pcmu");
    let call = client.dial("alice", "bob");
    bob.event("incoming");
    bob.accept();
    client.wait_event("confirmed", |_| true);
    bob.event("established");
    for bob_is_first in [false, true] {
        phoned.hears("alice", 700.0);
        bob.hears(440.0);
        let (reason, held) = if bob_is_first {
            bob.hold();
            let reinvite = client.wait_event("reinvite", |e| e["data"]["reason"] == "hold");
            client.verb("hold", &call);
            (reinvite, client.verb("get", &call))
        } else {
            client.verb("hold", &call);
            bob.event("held");
            bob.hold();
            (
                client.wait_event("statusChange", |e| e["data"]["newStatus"]["isRemoteHold"] == true),
                client.verb("get", &call),
            )
        };
        assert_eq!(
            (&held["status"]["isHold"], &held["status"]["isRemoteHold"]),
            (&json!(true), &json!(true)),
            "{reason} {held}"
        );
        phoned.hears_nothing("alice");
        bob.hears_nothing();
        // Who resumes alone still waits for the other.
        if bob_is_first {
            bob.resume();
            client.wait_event("statusChange", |e| e["data"]["newStatus"]["isRemoteHold"] == false);
            bob.hears_nothing();
            client.verb("unhold", &call);
        } else {
            client.verb("unhold", &call);
            assert_eq!(client.verb("get", &call)["status"]["isRemoteHold"], true);
            phoned.hears_nothing("alice");
            bob.resume();
            client.wait_event("statusChange", |e| e["data"]["newStatus"]["isRemoteHold"] == false);
        }
    }
    phoned.hears("alice", 700.0);
    bob.hears(440.0);
    client.verb("hangup", &call);
    bob.event("closed");
}
