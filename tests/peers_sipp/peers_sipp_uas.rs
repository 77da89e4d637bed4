//! phoned calls SIPp: early media, busy, a CANCEL, a CANCEL that comes too late, a 407, hold both ways and by both at once, a refused
//! hold, a refused transfer, reliable provisionals, silence that makes it repeat its INVITE, a 200 that comes again, and through a
//! proxy that records its route. SIPp checks every message.

use crate::common::daemon::{Client, Daemon, Setup, account, trunk};
use crate::common::kamailio::{DOMAIN, Kamailio, Setup as Registrar, password};
use crate::common::sipp::{Run, Sipp};
use crate::common::wait::{secs, until};
use md5::{Digest, Md5};
use serde_json::json;

/// SIPp waiting with a scenario, and phoned as alice calling it: the callId.
fn calling(scenario: &str) -> (Daemon, Client, Sipp, String) {
    let run = Run { keys: vec![("realm".into(), "sipp.test".into())], ..Run::default() };
    let sipp = Sipp::start(scenario, &run);
    // SIPp is the account's proxy: only there a digest may go.
    let proxy = format!("register = false\nproxies = [\"sip:127.0.0.1:{};lr\"]", sipp.port);
    let tables = trunk("alice", 440).replace("register = false", &proxy);
    let phoned = Daemon::start(&Setup { tables, media: "codecs = [\"pcmu\"]".into(), ..Setup::default() });
    let mut client = phoned.connect();
    let call = client.dial("alice", &format!("sip:callee@127.0.0.1:{}", sipp.port));
    (phoned, client, sipp, call)
}

fn ends(client: &mut Client, call: &str, event: &str, cause: &str) {
    let end = client.wait_event(event, |e| e["callId"] == call);
    assert_eq!(end["data"]["cause"], cause, "{end}");
    client.wait_event("deleteSession", |e| e["callId"] == call);
}

#[test]
fn a_call_and_its_echo() {
    let (phoned, mut client, sipp, call) = calling("uas_record_route");
    client.wait_event("confirmed", |_| true);
    // SIPp plays back what it hears.
    phoned.hears("alice", 440.0);
    client.verb("hangup", &call);
    sipp.passes();
    ends(&mut client, &call, "ended", "Terminated");
}

#[test]
fn early_media_is_heard_before_the_answer() {
    let (_phoned, mut client, sipp, call) = calling("uas_early_media");
    client.wait_event("progress", |e| e["data"]["code"] == 183 && e["data"]["earlyMedia"] == true);
    client.wait_event("streamAdded", |e| e["callId"] == call.as_str());
    client.wait_event("accepted", |_| true);
    client.wait_event("confirmed", |_| true);
    client.verb("hangup", &call);
    sipp.passes();
    ends(&mut client, &call, "ended", "Terminated");
}

#[test]
fn busy() {
    let (_phoned, mut client, sipp, call) = calling("uas_busy");
    let failed = client.wait_event("failed", |e| e["callId"] == call.as_str());
    assert_eq!((&failed["data"]["cause"], &failed["data"]["code"]), (&json!("Busy"), &json!(486)), "{failed}");
    sipp.passes();
}

#[test]
fn given_up_while_it_rings() {
    let (_phoned, mut client, sipp, call) = calling("uas_cancel");
    client.wait_event("progress", |e| e["data"]["code"] == 180);
    client.verb("hangup", &call);
    sipp.passes();
    ends(&mut client, &call, "failed", "Canceled");
}

#[test]
fn given_up_too_late() {
    let (_phoned, mut client, sipp, call) = calling("uas_late_cancel");
    client.wait_event("progress", |e| e["data"]["code"] == 180);
    client.verb("hangup", &call);
    sipp.passes();
    client.wait_event("deleteSession", |e| e["callId"] == call.as_str());
}

#[test]
fn challenged_with_407() {
    let (_phoned, mut client, sipp, call) = calling("uas_407");
    client.wait_event("confirmed", |_| true);
    client.verb("hangup", &call);
    let messages = sipp.passes();
    let digest = messages.lines().find_map(|l| l.strip_prefix("Proxy-Authorization: Digest ")).expect("a digest");
    let part = |name: &str| {
        let value = digest.split(", ").find_map(|p| p.strip_prefix(name)?.strip_prefix('='));
        value.unwrap_or_else(|| panic!("no {name} in {digest}")).trim_matches('"').to_string()
    };
    let md5 = |text: String| -> String { Md5::digest(text).iter().map(|byte| format!("{byte:02x}")).collect() };
    let (user, method) = (md5("alice:sipp.test:alice-secret".into()), md5(format!("INVITE:{}", part("uri"))));
    let expected = md5(format!("{user}:{}:{}:{}:{}:{method}", part("nonce"), part("nc"), part("cnonce"), part("qop")));
    assert_eq!(part("response"), expected);
    assert_eq!(part("nc"), "00000001");
    ends(&mut client, &call, "ended", "Terminated");
}

#[test]
fn holds_the_callee() {
    let (phoned, mut client, sipp, call) = calling("uas_is_held");
    client.wait_event("confirmed", |_| true);
    phoned.hears("alice", 440.0);
    client.verb("hold", &call);
    phoned.hears_nothing("alice");
    client.verb("unhold", &call);
    phoned.hears("alice", 440.0);
    client.verb("hangup", &call);
    sipp.passes();
}

#[test]
fn a_refused_hold_keeps_the_call() {
    let (phoned, mut client, sipp, call) = calling("uas_refuses_hold");
    client.wait_event("confirmed", |_| true);
    let refusal = client.call("session.hold", json!({"callId": call})).unwrap_err();
    assert_eq!((refusal.code, &refusal.data["sipCode"]), (-216, &json!(488)), "{refusal:?}");
    assert_eq!(client.verb("get", &call)["status"]["isHold"], false);
    phoned.hears("alice", 440.0);
    client.verb("hangup", &call);
    sipp.passes();
    assert!(
        !client.events().iter().any(|e| e["data"]["newStatus"]["isHold"] == true),
        "no event of a hold that never was"
    );
}

#[test]
fn held_by_the_callee() {
    let (_phoned, mut client, sipp, call) = calling("uas_holds");
    client.wait_event("reinvite", |e| e["data"]["reason"] == "hold");
    assert_eq!(client.verb("get", &call)["status"]["isRemoteHold"], true);
    client.wait_event("reinvite", |e| e["data"]["reason"] == "unhold");
    ends(&mut client, &call, "ended", "Terminated");
    sipp.passes();
}

#[test]
fn the_invite_is_repeated_until_it_is_heard() {
    let (_phoned, mut client, sipp, call) = calling("uas_slow");
    client.wait_event("confirmed", |_| true);
    client.verb("hangup", &call);
    let messages = sipp.passes();
    let invites = messages.lines().filter(|l| l.starts_with("INVITE ")).count();
    assert!((2..=4).contains(&invites), "{invites} INVITEs: {messages}");
}

#[test]
fn every_200_is_acknowledged() {
    let (phoned, mut client, sipp, call) = calling("uas_record_route");
    client.wait_event("confirmed", |_| true);
    // The 200 comes again, as if its ACK had been lost.
    let ok = sipp.sent("SIP/2.0 200 OK");
    let again = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    for acks in 2..5 {
        again.send_to(&ok, ("127.0.0.1", phoned.port)).unwrap();
        until("each 200 is acknowledged", secs(20), || {
            (sipp.messages().lines().filter(|l| l.starts_with("ACK ")).count() >= acks).then_some(())
        });
    }
    client.verb("hangup", &call);
    sipp.passes();
    assert_eq!(client.story(&call).iter().filter(|name| *name == "accepted").count(), 1);
}

#[test]
fn hung_up_by_the_callee() {
    let (_phoned, mut client, sipp, call) = calling("uas_hangs_up");
    let ended = client.wait_event("ended", |e| e["callId"] == call.as_str());
    assert_eq!((&ended["data"]["by"], &ended["data"]["cause"]), (&json!("remote"), &json!("Terminated")), "{ended}");
    sipp.passes();
}

#[test]
fn through_a_proxy_that_records_its_route() {
    let sipp = Sipp::start("uas_record_route", &Run::default());
    let mut registrar = Registrar::users(&["alice"]);
    registrar.routes.push(("callee".into(), format!("127.0.0.1:{}", sipp.port)));
    let kamailio = Kamailio::start(&registrar);
    let tables = account("alice", DOMAIN, &password("alice"), &kamailio.uri(), 440);
    let phoned = Daemon::start(&Setup { tables, media: "codecs = [\"pcmu\"]".into(), ..Setup::default() });
    let mut client = phoned.connect();
    client.registered("alice", secs(30));
    let call = client.dial("alice", "callee");
    client.wait_event("confirmed", |_| true);
    phoned.hears("alice", 440.0);
    client.verb("hangup", &call);
    let messages = sipp.passes();
    assert!(messages.contains("Record-Route"), "{messages}");
    assert!(
        kamailio.log().contains("request ACK from alice") && kamailio.log().contains("request BYE from alice"),
        "along the route"
    );
    ends(&mut client, &call, "ended", "Terminated");
}

#[test]
fn each_reliable_provisional_gets_one_prack() {
    let (phoned, mut client, sipp, call) = calling("uas_prack");
    client.wait_event("progress", |e| e["data"]["code"] == 183 && e["data"]["earlyMedia"] == true);
    client.wait_event("progress", |e| e["data"]["code"] == 180);
    client.wait_event("confirmed", |_| true);
    // The answer was in the 183 alone.
    phoned.hears("alice", 440.0);
    client.verb("hangup", &call);
    let messages = sipp.passes();
    assert_eq!(messages.lines().filter(|line| line.starts_with("RAck: ")).count(), 2, "{messages}");
    ends(&mut client, &call, "ended", "Terminated");
    let story = client.story(&call);
    assert_eq!(story.iter().filter(|name| *name == "progress").count(), 2, "{story:?}");
}

#[test]
fn a_refused_transfer_keeps_the_call() {
    let (phoned, mut client, sipp, call) = calling("uas_refuses_refer");
    client.wait_event("confirmed", |_| true);
    let refusal = client.call("session.blindTransfer", json!({"callId": call, "number": "carol"})).unwrap_err();
    assert_eq!((refusal.code, &refusal.data["sipCode"]), (-216, &json!(603)), "{refusal:?}");
    let failed = client.wait_event("transferFailed", |e| e["callId"] == call.as_str());
    assert_eq!((&failed["data"]["code"], &failed["data"]["cause"]), (&json!(603), &json!("Rejected")), "{failed}");
    client.wait_event("statusChange", |e| e["data"]["newStatus"]["isHold"] == false);
    phoned.hears("alice", 440.0);
    client.verb("hangup", &call);
    sipp.passes();
    ends(&mut client, &call, "ended", "Terminated");
}

#[test]
fn both_hold_at_once_and_either_resumes() {
    let (phoned, mut client, sipp, call) = calling("uas_glare");
    client.wait_event("confirmed", |_| true);
    phoned.hears("alice", 440.0);
    // True only when the second try, after the 491, is answered.
    client.verb("hold", &call);
    let both = client.verb("get", &call)["status"].clone();
    assert_eq!((&both["isHold"], &both["isRemoteHold"]), (&json!(true), &json!(true)), "{both}");
    client.wait_event("reinvite", |e| e["data"]["reason"] == "hold");
    client.wait_event("statusChange", |e| e["data"]["newStatus"]["isRemoteHold"] == false);
    assert_eq!(client.verb("get", &call)["status"]["isHold"], true);
    phoned.hears_nothing("alice");
    client.verb("unhold", &call);
    phoned.hears("alice", 440.0);
    client.verb("hangup", &call);
    let messages = sipp.passes();
    assert_eq!(messages.matches("SIP/2.0 491").count(), 2, "{messages}");
    ends(&mut client, &call, "ended", "Terminated");
}
