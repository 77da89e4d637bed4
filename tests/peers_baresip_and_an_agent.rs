//! baresip calls, through Kamailio, an agent who is not ready, wraps up, has sent callers elsewhere, is ready again; and it hears
//! digits that are sent as tones.

mod common;

use common::baresip::{Baresip, Setup as Phone};
use common::daemon::{Client, Daemon, Setup, account};
use common::kamailio::{DOMAIN, Kamailio, Setup as Registrar, password};
use common::wait::{poll, secs};
use serde_json::json;

/// Kamailio with three users, phoned as alice, and baresip as bob.
fn start(phone: &str) -> (Kamailio, Daemon, Client, Baresip) {
    let kamailio = Kamailio::start(&Registrar::users(&["alice", "bob", "carol"]));
    let tables = account("alice", DOMAIN, &password("alice"), &kamailio.uri(), 440);
    let media = "codecs = [\"pcmu\"]".to_owned();
    let phoned = Daemon::start(&Setup { tables, media, phone: phone.into(), ..Setup::default() });
    let mut client = phoned.connect();
    client.registered("alice", secs(30));
    let bob = baresip(&kamailio, "bob");
    (kamailio, phoned, client, bob)
}

fn baresip(kamailio: &Kamailio, user: &'static str) -> Baresip {
    Baresip::start(&Phone { hz: 700, codec: "pcmu", ..Phone::new(user, DOMAIN, &password(user), &kamailio.uri()) })
}

#[test]
fn who_is_not_ready_is_not_rung() {
    let (kamailio, _phoned, mut client, mut bob) = start("wrap_up = 600");
    client.call("agent.set", json!({"state": "notReady", "reason": "lunch"})).expect("set");
    bob.dial("sip:alice@pbx.test");
    assert!(bob.event("CALL_CLOSED")["param"].as_str().is_some_and(|why| why.starts_with("486")));
    let told = client.wait_event("callRejected", |_| true);
    assert_eq!((&told["data"]["number"], &told["data"]["reason"]), (&json!("bob"), &json!("notReady")));

    let mut carol = baresip(&kamailio, "carol");
    client.call("agent.set", json!({"forward": "sip:carol@pbx.test"})).expect("set");
    bob.dial("sip:alice@pbx.test");
    assert_eq!(client.wait_event("callRejected", |_| true)["data"]["code"], 302);
    carol.event("CALL_INCOMING");
    bob.hangup();
    carol.event("CALL_CLOSED");

    client.call("agent.set", json!({"state": "ready"})).expect("set");
    bob.dial("sip:alice@pbx.test");
    let call = client.wait_event("incoming", |_| true)["callId"].as_str().expect("a callId").to_owned();
    client.verb("answer", &call);
    bob.event("CALL_ESTABLISHED");
    bob.hangup();
    client.wait_event("agent.changed", |event| event["data"]["state"] == "wrapUp");
    client.call("agent.set", json!({"forward": ""})).expect("set");
    bob.dial("sip:alice@pbx.test");
    assert_eq!(client.wait_event("callRejected", |_| true)["data"]["reason"], "wrapUp");
}

#[test]
fn digits_as_tones_are_heard() {
    let (_kamailio, _phoned, mut client, mut bob) = start("");
    let call = client.dial("alice", "bob");
    bob.event("CALL_INCOMING");
    bob.accept();
    client.wait_event("confirmed", |_| true);
    bob.hears(440.0);
    client.call("session.dtmf", json!({"callId": call, "dtmf": "7", "method": "inband"})).expect("queued");
    client.wait_event("dtmfSent", |event| event["data"]["method"] == "inband" && event["data"]["dtmf"] == "7");
    // 852 and 1209 Hz, both, in some twentieth of a second.
    let heard = poll(secs(10), || {
        let sound = bob.heard()?;
        let blocks = (sound.seconds() * 40.0) as u32;
        let block = |n: u32| sound.cut(f64::from(n) / 40.0, f64::from(n) / 40.0 + 0.05);
        let is_7 = |n: &u32| block(*n).share(852.0) > 0.25 && block(*n).share(1_209.0) > 0.4;
        (0..blocks).find(is_7)
    });
    assert!(heard.is_some(), "baresip heard no 7");
    bob.hears(440.0);
    client.verb("hangup", &call);
    bob.event("CALL_CLOSED");
}
