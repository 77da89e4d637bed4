//! Two daemons on loopback call each other, over UDP and over TCP: ringing, answer, a tone heard both ways, digits, hold that
//! silences and unhold that does not, and one end for both.

use common::daemon::{Daemon, Setup, trunk};
use serde_json::json;

mod common;

/// The table of an account that reaches `peer`, a daemon on loopback.
fn towards(user: &str, hz: u32, peer: u16, transport: &str) -> String {
    format!(
        "{}proxies = [\"sip:127.0.0.1:{peer};transport={transport};lr\"]\n",
        trunk(user, hz).trim_end().to_owned() + "\n"
    )
}

fn call(transport: &str) {
    let bob = Daemon::start(&Setup { tables: trunk("bob", 880), ..Setup::default() });
    let alice = Daemon::start(&Setup { tables: towards("alice", 440, bob.port, transport), ..Setup::default() });
    let (mut a, mut b) = (alice.connect(), bob.connect());

    let at_a = a.dial("alice", &format!("sip:bob@127.0.0.1:{};transport={transport}", bob.port));
    let at_b = b.wait_event("incoming", |_| true)["callId"].as_str().expect("a callId").to_owned();
    a.wait_event("progress", |event| event["data"]["code"] == 180);
    b.verb("answer", &at_b);
    a.wait_event("confirmed", |event| event["callId"] == *at_a);
    b.wait_event("confirmed", |event| event["callId"] == *at_b);
    alice.hears("alice", 880.0);
    bob.hears("bob", 440.0);

    a.call("session.dtmf", json!({"callId": at_a, "dtmf": "7#"})).expect("digits");
    for digit in ["7", "#"] {
        b.wait_event("dtmf", |event| event["data"]["dtmf"] == digit);
    }
    a.verb("hold", &at_a);
    b.wait_event("reinvite", |event| event["data"]["reason"] == "hold");
    bob.hears_nothing("bob");
    alice.hears_nothing("alice");
    a.verb("unhold", &at_a);
    bob.hears("bob", 440.0);
    alice.hears("alice", 880.0);

    b.verb("hangup", &at_b);
    let ended = a.wait_event("ended", |event| event["callId"] == *at_a);
    assert_eq!(ended["data"]["by"], "remote");
    b.wait_event("deleteSession", |event| event["callId"] == *at_b);
    assert!(alice.stop() && bob.stop());
}

#[test]
fn over_udp() {
    call("udp");
}

#[test]
fn over_tcp() {
    call("tcp");
}
