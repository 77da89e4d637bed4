//! Caller look-up: a server that takes 30 s, lies or is down does not delay `incoming`, ringing or dialling; what it knows follows as
//! `staticStatusChange`, once for the same number, and not in the manual mode.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test meets the clock and the system")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use common::daemon::{Client, Daemon, Setup, trunk};
use common::wait::{now, poll, secs, until};
use common::web::{Says, Web};
use serde_json::{Value, json};

mod common;

const CALLER: &str = "03012345678";

fn daemon(web: &Web, more: &str) -> Daemon {
    let lookup = format!(
        "[lookup]\nurl = \"{}\"\nheaders = {{ Authorization = \"Bearer t0ken\" }}\ncountry = \"DE\"\n\
         fields = {{ name = \"/contact/name\", company = \"/contact/firm\", avatar = \"/photo\" }}\n{more}\n",
        web.url("/find?n={e164}&a={account}")
    );
    let tables = trunk(CALLER, 440) + &trunk("bob", 700) + &lookup;
    Daemon::start(&Setup { tables, ..Setup::default() })
}

/// Calls bob; what rings there, and how long after the wish.
fn ring(daemon: &Daemon, client: &mut Client) -> (String, String, Duration) {
    let begun = now();
    let call = client.dial(CALLER, &format!("sip:bob@127.0.0.1:{}", daemon.port));
    let incoming = client.wait_event("incoming", |_| true);
    let took = begun.elapsed();
    assert_eq!(incoming["data"]["session"]["status"]["number"], CALLER);
    (call, incoming["callId"].as_str().unwrap().to_owned(), took)
}

fn end(client: &mut Client, call: &str, ringing: &str) {
    client.verb("hangup", call);
    client.wait_event("deleteSession", |event| event["callId"] == *ringing);
}

fn lookups(client: &mut Client) -> Value {
    client.call("phone.get", json!({})).unwrap()["lookups"].clone()
}

/// A call from one end to the other, while nobody knows who is who.
fn nothing_waits(daemon: &Daemon, client: &mut Client) {
    let begun = now();
    let (call, ringing, _) = ring(daemon, client);
    client.wait_event("progress", |event| event["callId"] == *call && event["data"]["code"] == 180);
    let took = begun.elapsed();
    // Twice the 30 s that the server takes would be waited for if anything waited.
    assert!(took < secs(15), "it rang after {took:?}");
    client.verb("answer", &ringing);
    client.wait_event("confirmed", |event| event["callId"] == *ringing);
    end(client, &call, &ringing);
}

#[test]
fn a_server_that_takes_30_s_is_not_waited_for() {
    let web = Web::start(|_, _| Says::Answer(secs(30), 200, json!({"contact": {"name": "Late"}}).to_string()));
    let daemon = daemon(&web, "timeout = 60");
    let mut client = daemon.connect();
    nothing_waits(&daemon, &mut client);
    nothing_waits(&daemon, &mut client);
    until("the server is asked", secs(30), || (!web.asked().is_empty()).then_some(()));
    let waits = lookups(&mut client);
    assert_eq!((&waits["asked"], &waits["found"], &waits["failed"]), (&json!(4), &json!(0), &json!(0)));
    assert!(daemon.stop());
}

#[test]
fn a_server_that_is_down_is_not_waited_for() {
    let mut web = Web::start(|_, _| Says::Nothing);
    web.die();
    let daemon = daemon(&web, "");
    let mut client = daemon.connect();
    nothing_waits(&daemon, &mut client);
    until("both look-ups fail", secs(30), || (lookups(&mut client)["failed"] == 2).then_some(()));
    assert!(!client.events().iter().any(|event| event["event"] == "staticStatusChange"));
    assert!(daemon.stop());
}

#[test]
fn what_is_no_answer_is_counted_and_told_to_nobody() {
    let web = Web::start(|_, before| match before % 4 {
        0 => Says::Answer(Duration::ZERO, 500, String::new()),
        1 => Says::Answer(Duration::ZERO, 200, "<html>".into()),
        2 => Says::Answer(Duration::ZERO, 200, format!("{{\"contact\":\"{}\"}}", "x".repeat(100_000))),
        _ => Says::Close,
    });
    let daemon = daemon(&web, "timeout = 2");
    let mut client = daemon.connect();
    for calls in 1..=2 {
        let (call, ringing, _) = ring(&daemon, &mut client);
        until("both ends are looked up", secs(30), || (lookups(&mut client)["failed"] == 2 * calls).then_some(()));
        end(&mut client, &call, &ringing);
    }
    assert!(!client.events().iter().any(|event| event["event"] == "staticStatusChange"));
    let log = daemon.log();
    assert!(
        log.contains("no look-up") && !log.lines().any(|line| line.contains("no look-up") && !line.contains("DEBUG"))
    );
    assert!(!log.contains("t0ken"));
    assert!(daemon.stop());
}

#[test]
fn who_calls_is_told_once_it_is_known() {
    let named = Arc::new(AtomicBool::new(false));
    let by_hand = named.clone();
    let web = Web::start(move |asked, _| match asked.target.contains("%2B493012345678") {
        true => {
            poll(secs(20), || by_hand.load(Ordering::Relaxed).then_some(()));
            Says::Answer(
                Duration::from_millis(100),
                200,
                json!({"contact": {"name": "Front\r\nDesk", "firm": "Example Ltd"}, "photo": "https://x/a.png"})
                    .to_string(),
            )
        }
        false => Says::Answer(Duration::ZERO, 404, String::new()),
    });
    let daemon = daemon(&web, "timeout = 30");
    let mut client = daemon.connect();
    let wanted = json!({ "name": "FrontDesk", "company": "Example Ltd", "avatar": "https://x/a.png" });

    // By hand first: the answer comes too late.
    let (call, ringing, _) = ring(&daemon, &mut client);
    let by_hand = json!({ "callId": ringing, "staticStatus": { "name": "VIP" }, "startManualModel": true });
    client.call("session.setStaticStatus", by_hand).unwrap();
    named.store(true, Ordering::Relaxed);
    until("it is looked up", secs(30), || (lookups(&mut client)["found"] == 1).then_some(()));
    let status = client.call("session.get", json!({ "callId": ringing })).unwrap()["status"].clone();
    assert_eq!((&status["name"], &status["company"]), (&json!("VIP"), &json!("")));
    end(&mut client, &call, &ringing);

    // Now it is known: the server is not asked again.
    let asked = web.asked().len();
    let (call, ringing, _) = ring(&daemon, &mut client);
    let change = client.wait_event("staticStatusChange", |event| event["callId"] == *ringing);
    assert_eq!(change["data"]["newStatus"], wanted);
    end(&mut client, &call, &ringing);
    assert_eq!(web.asked().len(), asked);
    let one = web.asked().into_iter().find(|asked| asked.target.contains("%2B49")).unwrap();
    assert_eq!(one.target, "/find?n=%2B493012345678&a=bob");
    assert_eq!(one.headers["authorization"], "Bearer t0ken");
    assert!(daemon.stop());
}
