//! SIPp calls phoned: answered, refused, cancelled, held and holding, without an offer, with the ACK lost, with the INVITE repeated,
//! with reliable provisionals required, and through a proxy that records its route. SIPp checks every message, phoned's events are checked here.

use crate::common::daemon::{Client, Daemon, Setup, account, trunk};
use crate::common::kamailio::{DOMAIN, Kamailio, Setup as Registrar, password};
use crate::common::sipp::{Run, Sipp};
use crate::common::wait::{secs, until};
use serde_json::json;

/// phoned with the account alice that any peer of loopback may call, and SIPp calling it.
fn called_by(scenario: &str, run: Run) -> (Daemon, Client, Sipp) {
    let setup = Setup {
        tables: trunk("alice", 440),
        media: "codecs = [\"pcmu\"]".into(),
        sip: "t1_ms = 100".into(),
        ..Setup::default()
    };
    let phoned = Daemon::start(&setup);
    let client = phoned.connect();
    let sipp =
        Sipp::start(scenario, &Run { target: format!("127.0.0.1:{}", phoned.port), service: "alice".into(), ..run });
    (phoned, client, sipp)
}

fn rings(client: &mut Client) -> String {
    client.wait_event("incoming", |_| true)["callId"].as_str().unwrap().into()
}

fn ends(client: &mut Client, call: &str, event: &str, cause: &str) {
    let end = client.wait_event_for(event, secs(20), |e| e["callId"] == call);
    assert_eq!(end["data"]["cause"], cause, "{end}");
    client.wait_event("deleteSession", |e| e["callId"] == call);
}

#[test]
fn answered_over_udp_and_tcp() {
    for tcp in [false, true] {
        let (_phoned, mut client, sipp) = called_by("uac", Run { tcp, ..Run::default() });
        let call = rings(&mut client);
        client.verb("answer", &call);
        client.wait_event("confirmed", |_| true);
        sipp.passes();
        ends(&mut client, &call, "ended", "Terminated");
        let story = client.story(&call);
        let first = story.iter().position(|n| n == "incoming");
        let last = story.iter().position(|n| n == "accepted");
        assert!(first < last && last < story.iter().position(|n| n == "confirmed"), "{story:?}");
    }
}

#[test]
fn hung_up_by_phoned() {
    let (_phoned, mut client, sipp) = called_by("uac_is_hung_up", Run::default());
    let call = rings(&mut client);
    client.verb("answer", &call);
    client.wait_event("confirmed", |_| true);
    client.verb("hangup", &call);
    sipp.passes();
    ends(&mut client, &call, "ended", "Terminated");
}

#[test]
fn refused_with_486() {
    let (_phoned, mut client, sipp) = called_by("uac_is_refused", Run::default());
    let call = rings(&mut client);
    client.verb("reject", &call);
    sipp.passes();
    ends(&mut client, &call, "failed", "Rejected");
}

#[test]
fn cancelled_by_the_caller() {
    let (_phoned, mut client, sipp) = called_by("uac_cancel", Run::default());
    let call = rings(&mut client);
    sipp.passes();
    ends(&mut client, &call, "failed", "Canceled");
}

#[test]
fn held_by_the_caller() {
    let (_phoned, mut client, sipp) = called_by("uac_holds", Run::default());
    let call = rings(&mut client);
    client.verb("answer", &call);
    client.wait_event("reinvite", |e| e["data"]["reason"] == "hold");
    let held = client.verb("get", &call);
    assert_eq!(held["status"]["isRemoteHold"], true, "{held}");
    assert_eq!(held["status"]["isHold"], false, "{held}");
    client.wait_event("reinvite", |e| e["data"]["reason"] == "unhold");
    sipp.passes();
    ends(&mut client, &call, "ended", "Terminated");
}

#[test]
fn holds_the_caller() {
    let (_phoned, mut client, sipp) = called_by("uac_is_held", Run::default());
    let call = rings(&mut client);
    client.verb("answer", &call);
    client.wait_event("confirmed", |_| true);
    client.verb("hold", &call);
    client.verb("unhold", &call);
    sipp.passes();
    ends(&mut client, &call, "ended", "Terminated");
}

#[test]
fn an_ack_that_never_comes_ends_the_call() {
    let (_phoned, mut client, sipp) = called_by("uac_no_ack", Run::default());
    let call = rings(&mut client);
    client.verb("answer", &call);
    let messages = sipp.passes();
    assert!(messages.matches("SIP/2.0 200 OK").count() > 3, "the 200 is repeated: {messages}");
    ends(&mut client, &call, "ended", "No ACK");
}

#[test]
fn no_offer_in_the_invite() {
    let (_phoned, mut client, sipp) = called_by("uac_offerless", Run::default());
    let call = rings(&mut client);
    client.verb("answer", &call);
    client.wait_event("confirmed", |_| true);
    sipp.passes();
    ends(&mut client, &call, "ended", "Terminated");
}

#[test]
fn a_repeated_invite_is_one_call() {
    let (_phoned, mut client, sipp) = called_by("uac_impatient", Run::default());
    let call = rings(&mut client);
    std::thread::sleep(secs(1));
    client.verb("answer", &call);
    sipp.passes();
    ends(&mut client, &call, "ended", "Terminated");
    assert_eq!(client.events().iter().filter(|e| e["event"] == "incoming").count(), 1);
}

#[test]
fn through_a_proxy_that_records_its_route() {
    let mut registrar = Registrar::users(&["alice"]);
    registrar.open.push("sipp".into());
    let kamailio = Kamailio::start(&registrar);
    let tables = account("alice", DOMAIN, &password("alice"), &kamailio.uri(), 440);
    let phoned = Daemon::start(&Setup { tables, ..Setup::default() });
    let mut client = phoned.connect();
    client.registered("alice", secs(30));
    let sipp = Sipp::start(
        "uac_route",
        &Run { target: format!("127.0.0.1:{}", kamailio.port), service: "alice".into(), ..Run::default() },
    );
    let call = rings(&mut client);
    client.verb("answer", &call);
    sipp.passes();
    ends(&mut client, &call, "ended", "Terminated");
    assert!(kamailio.log().contains("request BYE from sipp"), "the BYE went through the proxy");
}

#[test]
fn reliable_provisionals_are_sent_again_until_their_prack() {
    let (_phoned, mut client, sipp) = called_by("uac_prack", Run::default());
    let call = rings(&mut client);
    let acknowledged = |count: usize| {
        until("the PRACK is answered", secs(20), || {
            let oks = sipp.received().iter().filter(|m| m.contains("SIP/2.0 200") && m.contains(" PRACK\n")).count();
            (oks >= count).then_some(())
        })
    };
    acknowledged(1);
    client.call("session.progress", json!({"callId": call, "code": 183})).unwrap();
    acknowledged(2);
    client.verb("answer", &call);
    client.wait_event("confirmed", |_| true);
    let messages = sipp.passes();
    let copies = messages.lines().filter(|line| *line == "SIP/2.0 180 Ringing").count();
    assert!(copies >= 3, "a second without a PRACK is 5 copies at T1 = 100 ms, {copies} came");
    ends(&mut client, &call, "ended", "Terminated");
    let story = client.story(&call);
    assert_eq!(story.iter().filter(|name| *name == "progress").count(), 1, "{story:?}");
}

#[test]
fn without_any_prack_the_call_is_refused() {
    let (_phoned, mut client, sipp) = called_by("uac_never_pracks", Run::default());
    let call = rings(&mut client);
    sipp.passes();
    ends(&mut client, &call, "failed", "Request Timeout");
}
