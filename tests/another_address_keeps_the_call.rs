//! Two phones on two hosts with a wire between them. One host's address goes, for a while it has none, then it has another: the call goes
//! on from there, heard both ways by samples; WebRTC has looked for its path anew.

mod common;

use common::daemon::{Client, Daemon, Setup};
use common::hosts::{Host, two_hosts};
use common::wait::secs;
use serde_json::{Value, json};

/// A phone that takes calls from the wire, plays `hz` and writes what it hears.
fn phone(host: &Host, name: &str, address: &str, media: &str, hz: u32) -> Daemon {
    let tables = format!(
        "[accounts.{name}]\nuri = \"sip:{name}@{address}:{{port}}\"\nregister = false\ntrusted = [\"10.9.0.0/24\"]\nmedia = \"{media}\"\n\
         input = \"tone:{hz}\"\noutput = \"file:{{dir}}/{name}.wav\"\n"
    );
    let setup = Setup { at: "0.0.0.0".into(), tables, phone: "report_interval = 1".into(), ..Setup::default() };
    host.within(|| Daemon::start(&setup))
}

fn session(client: &mut Client, call: &str) -> Value {
    client.call("session.get", json!({ "callId": call })).unwrap()["RTCSession"].clone()
}

/// The next sample of the call's figures.
fn report(client: &mut Client, call: &str) -> Value {
    client.wait_event("callReport", |e| e["callId"] == call)["data"]["callReport"].clone()
}

fn a_call(media: &str, caller_moves: bool) {
    let Some((one, two)) = two_hosts() else { return };
    let alice = phone(&one, "alice", "10.9.0.1", media, 440);
    let bob = phone(&two, "bob", "10.9.0.9", media, 700);
    let (mut a, mut b) = (alice.connect(), bob.connect());
    let out = a.dial("alice", &format!("sip:bob@10.9.0.9:{}", bob.port));
    let call = b.wait_event("incoming", |_| true)["callId"].as_str().unwrap().to_owned();
    b.verb("answer", &call);
    a.wait_event("confirmed", |_| true);
    alice.hears("alice", 700.0);
    bob.hears("bob", 440.0);
    let (host, old, new) = if caller_moves { (&one, "10.9.0.1", "10.9.0.2") } else { (&two, "10.9.0.9", "10.9.0.8") };
    let (mover, its, other, theirs) =
        if caller_moves { (&mut a, &out, &mut b, &call) } else { (&mut b, &call, &mut a, &out) };
    let before = session(mover, its);
    host.remove(&format!("{old}/24"));
    other.wait_event("media", |e| e["data"]["state"] == "stalled");
    host.add(&format!("{new}/24"));
    let moved = mover.wait_event("media", |e| e["data"]["state"] == "moved");
    assert_eq!(moved["data"]["reason"], format!("our address is {new}, {old} is gone"));
    other.wait_event("reinvite", |e| e["callId"] == theirs.as_str());
    other.wait_event_for("media", secs(20), |e| e["data"]["state"] == "flowing");
    let after = session(mover, its);
    assert!(session(other, theirs)["remoteRtp"].as_str().unwrap().starts_with(&format!("{new}:")));
    if media == "webrtc" {
        assert_eq!((&after["dtls"], &after["srtp"]), (&json!("connected"), &before["srtp"]), "{after}");
        assert_eq!(report(mover, its)["iceResult"], "local");
    }
    // What is heard now is what came since: two more seconds by the reports.
    for _ in 0..2 {
        report(mover, its);
        report(other, theirs);
    }
    alice.hears("alice", 700.0);
    bob.hears("bob", 440.0);
    // Verbs work from there.
    mover.verb("hold", its);
    other.wait_event("reinvite", |e| e["data"]["reason"] == "hold");
    mover.verb("unhold", its);
    mover.verb("hangup", its);
    other.wait_event("ended", |e| e["callId"] == theirs.as_str());
}

#[test]
fn webrtc_of_the_caller() {
    a_call("webrtc", true);
}

#[test]
fn webrtc_of_the_callee() {
    a_call("webrtc", false);
}

#[test]
fn plain_rtp_of_the_caller() {
    a_call("rtp", true);
}
