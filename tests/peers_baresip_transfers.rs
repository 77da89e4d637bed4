//! Transfers with baresip (4, by its Python binding; and Debian's) through Kamailio, phoned in each role, blind and attended: it
//! transfers; it is transferred; it is the one that a call is transferred to. In the end the right two hear each other.

mod common;

use common::agent::Agent;
use common::baresip::{Baresip, Setup as Phone};
use common::daemon::{Client, Daemon, Setup, account};
use common::kamailio::{DOMAIN, Kamailio, Setup as Registrar, password};
use common::wait::{secs, until};
use serde_json::json;

/// Kamailio with its users, and phoned as alice who plays 440 Hz.
fn alice(phone: &str) -> (Kamailio, Daemon, Client) {
    let kamailio = Kamailio::start(&Registrar::users(&["alice", "bob", "carol"]));
    let tables = account("alice", DOMAIN, &password("alice"), &kamailio.uri(), 440);
    let media = "codecs = [\"pcmu\"]".into();
    let phoned = Daemon::start(&Setup { tables, media, phone: phone.into(), ..Setup::default() });
    let mut client = phoned.connect();
    client.registered("alice", secs(30));
    (kamailio, phoned, client)
}

/// Bob plays 700 Hz, carol 1000 Hz.
fn agent(kamailio: &Kamailio, user: &str) -> Agent {
    let proxy = format!("127.0.0.1:{}", kamailio.port);
    Agent::start(user, DOMAIN, &password(user), &proxy, if user == "bob" { 700 } else { 1000 }, "pcmu")
}

/// Alice calls an agent, which answers.
fn calls(client: &mut Client, agent: &mut Agent, params: serde_json::Value) -> String {
    let call = client.call("phone.call", params).unwrap()["callId"].as_str().unwrap().to_owned();
    agent.event("incoming");
    agent.accept();
    client.wait_event("confirmed", |e| e["callId"] == call.as_str());
    agent.event("established");
    call
}

/// An agent calls alice, who answers.
fn called(client: &mut Client, agent: &mut Agent) -> String {
    agent.dial("sip:alice@pbx.test");
    let call = client.wait_event("incoming", |_| true)["callId"].as_str().unwrap().to_owned();
    client.verb("answer", &call);
    client.wait_event("confirmed", |e| e["callId"] == call.as_str());
    agent.event("established");
    call
}

fn ended(client: &mut Client, call: &str) {
    client.wait_event("deleteSession", |e| e["callId"] == call);
}

/// Kamailio passed on these requests: `METHOD USER`.
fn passed_on(kamailio: &Kamailio, requests: &[&str]) {
    for (method, user) in requests.iter().filter_map(|r| r.split_once(' ')) {
        let line = format!("request {method} from {user} ");
        assert!(kamailio.log().contains(&line), "no {line:?} in {}", kamailio.log());
    }
}

#[test]
fn phoned_transfers_blind() {
    let (kamailio, _phoned, mut client) = alice("");
    let (mut bob, mut carol) = (agent(&kamailio, "bob"), agent(&kamailio, "carol"));
    let call = calls(&mut client, &mut bob, json!({"number": "bob"}));
    bob.hears(440.0);
    client.call("session.blindTransfer", json!({"callId": call, "number": "carol"})).unwrap();
    bob.event("referred");
    carol.event("incoming");
    carol.accept();
    client.wait_event("transferred", |e| e["data"]["number"] == "carol");
    ended(&mut client, &call);
    carol.hears(700.0);
    bob.hears(1000.0);
    passed_on(&kamailio, &["REFER alice", "NOTIFY bob"]);
}

#[test]
fn phoned_transfers_blind_to_nobody_and_keeps_the_call() {
    let (kamailio, phoned, mut client) = alice("");
    let mut bob = agent(&kamailio, "bob");
    let call = calls(&mut client, &mut bob, json!({"number": "bob"}));
    client.call("session.blindTransfer", json!({"callId": call, "number": "nobody"})).unwrap();
    let failed = client.wait_event("transferFailed", |e| e["callId"] == call.as_str());
    assert_eq!(failed["data"]["code"], 404);
    client.wait_event("statusChange", |e| e["data"]["newStatus"]["isHold"] == false);
    bob.hears(440.0);
    phoned.hears("alice", 700.0);
    client.verb("hangup", &call);
}

/// Baresip lets its user answer the call that replaces another; phoned does it by itself.
fn attended(transfer: &str, bob_is_the_target: bool) {
    let (kamailio, _phoned, mut client) = alice(transfer);
    let (mut bob, mut carol) = (agent(&kamailio, "bob"), agent(&kamailio, "carol"));
    let parent = calls(&mut client, &mut bob, json!({"number": "bob"}));
    let consultation = calls(&mut client, &mut carol, json!({"number": "carol", "transferId": parent}));
    bob.event("held");
    carol.hears(440.0);
    client.verb("attendedTransfer", &consultation);
    let target = if bob_is_the_target { &mut bob } else { &mut carol };
    target.event("incoming");
    target.accept();
    client.wait_event("transferred", |_| true);
    until("both sessions are over", secs(20), || {
        (client.call("phone.getSession", json!({})).unwrap() == json!([])).then_some(())
    });
    bob.hears(1000.0);
    carol.hears(700.0);
    passed_on(&kamailio, &["REFER alice", if bob_is_the_target { "NOTIFY carol" } else { "NOTIFY bob" }]);
}

#[test]
fn phoned_transfers_attended() {
    attended("", false);
}

#[test]
fn phoned_transfers_attended_the_other_way_round() {
    attended("\n[transfer]\nrefer = \"consultation\"", true);
}

#[test]
fn phoned_is_transferred_blind() {
    let (kamailio, phoned, mut client) = alice("");
    let (mut bob, mut carol) = (agent(&kamailio, "bob"), agent(&kamailio, "carol"));
    let call = called(&mut client, &mut bob);
    bob.transfer("sip:carol@pbx.test");
    let new = client.wait_event("startSession", |e| e["data"]["referredBy"] == call.as_str());
    carol.event("incoming");
    carol.accept();
    client.wait_event("confirmed", |e| e["callId"] == new["callId"]);
    bob.event("transferred");
    ended(&mut client, &call);
    phoned.hears("alice", 1000.0);
    carol.hears(440.0);
    passed_on(&kamailio, &["REFER bob", "NOTIFY alice"]);
}

#[test]
fn phoned_is_transferred_attended() {
    let (kamailio, phoned, mut client) = alice("");
    let (mut bob, mut carol) = (agent(&kamailio, "bob"), agent(&kamailio, "carol"));
    let call = called(&mut client, &mut bob);
    bob.dial("sip:carol@pbx.test");
    carol.event("incoming");
    carol.accept();
    bob.event("established");
    bob.attended();
    carol.event("incoming");
    carol.accept();
    let new = client.wait_event("startSession", |e| e["data"]["referredBy"] == call.as_str());
    client.wait_event("confirmed", |e| e["callId"] == new["callId"]);
    bob.event("transferred");
    ended(&mut client, &call);
    phoned.hears("alice", 1000.0);
    carol.hears(440.0);
    passed_on(&kamailio, &["REFER bob", "NOTIFY alice"]);
}

#[test]
fn phoned_is_the_target_of_a_blind_transfer() {
    let (kamailio, phoned, mut client) = alice("");
    let (mut bob, mut carol) = (agent(&kamailio, "bob"), agent(&kamailio, "carol"));
    bob.dial("sip:carol@pbx.test");
    carol.event("incoming");
    carol.accept();
    bob.event("established");
    carol.event("established");
    bob.transfer("sip:alice@pbx.test");
    carol.event("referred");
    let incoming = client.wait_event("incoming", |_| true);
    let call = incoming["callId"].as_str().unwrap().to_owned();
    client.verb("answer", &call);
    client.wait_event("confirmed", |e| e["callId"] == call.as_str());
    bob.event("transferred");
    phoned.hears("alice", 1000.0);
    carol.hears(440.0);
    assert_eq!(client.verb("get", &call)["status"]["number"], "carol");
    passed_on(&kamailio, &["REFER bob", "NOTIFY carol"]);
    client.verb("hangup", &call);
    ended(&mut client, &call);
}

#[test]
fn phoned_is_the_target_and_its_session_stays() {
    let (kamailio, phoned, mut client) = alice("");
    let (mut bob, mut carol) = (agent(&kamailio, "bob"), agent(&kamailio, "carol"));
    bob.dial("sip:carol@pbx.test");
    carol.event("incoming");
    carol.accept();
    bob.event("established");
    let call = called(&mut client, &mut bob);
    bob.attended();
    client.wait_event("reinvite", |e| e["data"]["reason"] == "transfer" && e["callId"] == call.as_str());
    bob.event("transferred");
    phoned.hears("alice", 1000.0);
    carol.hears(440.0);
    let status = client.verb("get", &call)["status"].clone();
    assert_eq!((&status["number"], &status["callStatus"]), (&json!("carol"), &json!("talking")));
    client.verb("hangup", &call);
    ended(&mut client, &call);
}

#[test]
fn phoned_refuses_to_be_transferred() {
    let (kamailio, phoned, mut client) = alice("accept_refer = false");
    let mut bob = agent(&kamailio, "bob");
    let _call = called(&mut client, &mut bob);
    bob.transfer("sip:carol@pbx.test");
    bob.event("transferFailed");
    phoned.hears("alice", 700.0);
    bob.hears(440.0);
}

#[test]
fn phoned_and_debians_baresip_transfer_each_other() {
    let (kamailio, phoned, mut client) = alice("");
    let mut carol = agent(&kamailio, "carol");
    let mut bob = Baresip::start(&Phone {
        hz: 700,
        auto_answer: true,
        ..Phone::new("bob", DOMAIN, &password("bob"), &kamailio.uri())
    });
    let call = client.dial("alice", "bob");
    client.wait_event("confirmed", |_| true);
    bob.event("CALL_ESTABLISHED");
    bob.command("transfer", "sip:carol@pbx.test");
    let new = client.wait_event("startSession", |e| e["data"]["referredBy"] == call.as_str());
    carol.event("incoming");
    carol.accept();
    client.wait_event("confirmed", |e| e["callId"] == new["callId"]);
    ended(&mut client, &call);
    phoned.hears("alice", 1000.0);
    client.verb("hangup", new["callId"].as_str().unwrap());
    carol.event("closed");

    let call = client.dial("alice", "bob");
    client.wait_event("confirmed", |e| e["callId"] == call.as_str());
    client.call("session.blindTransfer", json!({"callId": call, "number": "carol"})).unwrap();
    carol.event("incoming");
    carol.accept();
    client.wait_event("transferred", |e| e["callId"] == call.as_str());
    ended(&mut client, &call);
    carol.hears(700.0);
}
