//! Session timers (RFC 4028) against SIPp, in real time since no interval is under 90 s: 422 raises the interval, phoned refreshes at
//! half of it by UPDATE or by a re-INVITE, called or calling; a peer that promised to refresh and is silent loses the call.
//! All at the same time, so that it takes a minute.

use crate::common::daemon::{Client, Daemon, Setup, trunk};
use crate::common::sipp::{Run, Sipp};
use crate::common::wait::{now, secs, until};
use serde_json::json;

/// phoned as alice, who asks for the least interval.
fn alice() -> (Daemon, Client) {
    let phone = "session_expires = 90".into();
    let phoned = Daemon::start(&Setup { tables: trunk("alice", 440), phone, ..Setup::default() });
    let client = phoned.connect();
    (phoned, client)
}

fn calling(scenario: &str) -> (Daemon, Client, Sipp, String) {
    let sipp = Sipp::start(scenario, &Run { limit: 100, ..Run::default() });
    let (phoned, mut client) = alice();
    let call = client.dial("alice", &format!("sip:callee@127.0.0.1:{}", sipp.port));
    (phoned, client, sipp, call)
}

/// The refresh comes at half of 92 s, and the call outlives it.
fn refreshed_by(method: &str, scenario: &str) {
    let (_phoned, mut client, sipp, call) = calling(scenario);
    client.wait_event("confirmed", |_| true);
    let began = now();
    let refreshes = || {
        sipp.received().iter().filter(|m| m.contains(&format!("\n{method} ")) && m.contains(";refresher=uac")).count()
    };
    assert_eq!(refreshes(), 0, "no refresh yet");
    until("the refresh", secs(60), || (refreshes() == 1).then_some(()));
    let after = began.elapsed().as_secs_f64();
    assert!((44.0..60.0).contains(&after), "{method} after {after} s");
    sipp.passes();
    let ended = client.wait_event("ended", |e| e["callId"] == *call);
    assert_eq!((&ended["data"]["cause"], &ended["data"]["by"]), (&json!("Terminated"), &json!("remote")), "{ended}");
}

fn the_refresh_is_an_update_where_the_peer_takes_it() {
    refreshed_by("UPDATE", "uas_timer_update");
}

fn the_refresh_is_a_reinvite_where_it_does_not() {
    refreshed_by("INVITE", "uas_timer_reinvite");
}

fn a_peer_that_is_silent_loses_the_call() {
    let (_phoned, mut client, sipp, call) = calling("uas_timer_silent");
    client.wait_event("confirmed", |_| true);
    let began = now();
    let ended = client.wait_event_for("ended", secs(80), |e| e["callId"] == *call);
    let after = began.elapsed().as_secs_f64();
    assert_eq!((&ended["data"]["cause"], &ended["data"]["by"]), (&json!("Expires"), &json!("system")), "{ended}");
    // A third of the interval before its end (RFC 4028 §10).
    assert!((59.0..80.0).contains(&after), "after {after} s");
    client.wait_event("deleteSession", |e| e["callId"] == *call);
    sipp.passes();
}

fn a_caller_that_asks_too_little_is_told_and_then_refreshed() {
    let (phoned, mut client) = alice();
    let target = format!("127.0.0.1:{}", phoned.port);
    let sipp = Sipp::start("uac_timer", &Run { target, service: "alice".into(), limit: 100, ..Run::default() });
    let call = client.wait_event("incoming", |_| true)["callId"].as_str().unwrap().to_owned();
    client.verb("answer", &call);
    client.wait_event("confirmed", |_| true);
    sipp.passes();
    let ended = client.wait_event("ended", |e| e["callId"] == *call);
    assert_eq!(ended["data"]["cause"], "Terminated", "{ended}");
    let calls = client.events().iter().filter(|e| e["event"] == "incoming").count();
    assert_eq!(calls, 1, "the one with 30 s never rang");
}

#[test]
fn a_call_lives_as_long_as_its_timer_is_refreshed() {
    std::thread::scope(|scope| {
        scope.spawn(the_refresh_is_an_update_where_the_peer_takes_it);
        scope.spawn(the_refresh_is_a_reinvite_where_it_does_not);
        scope.spawn(a_peer_that_is_silent_loses_the_call);
        scope.spawn(a_caller_that_asks_too_little_is_told_and_then_refreshed);
    });
}
