//! Redacted digits leave no trace: not in the events, the log of events, the call records and the files beside a recording, not in
//! the daemon's log at its most talkative, not in what is said of a wrong request. Two daemons, one told by each request, the
//! other by its configuration; and the same digits, where nobody asked for it, are found: the search works.

use std::path::Path;

use common::daemon::{Client, Daemon, Setup, trunk};
use common::wait::secs;
use serde_json::{Value, json};

mod common;

/// What is kept secret, and what is not: long enough that no time and no port says it by chance.
const SECRET: &str = "4917319";
const OPEN: &str = "8";
/// What the phone that keeps all digits to itself sends: secret there, and told at the other end.
const OWN: &str = "5620562";

fn daemon(user: &str, privacy: &str) -> Daemon {
    Daemon::start(&Setup {
        media: "codecs = [\"pcmu\"]".into(),
        env: vec![("RUST_LOG".into(), "trace".into())],
        tables: format!("{}\n[record]\ndir = \"{{dir}}/recordings\"\n{privacy}\n", trunk(user, 440)),
        ..Setup::default()
    })
}

/// The text of every file in a folder and below it, its sounds apart.
fn texts(folder: &Path, into: &mut Vec<(String, String)>) {
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        let kind = entry.file_type().expect("a kind");
        if kind.is_dir() {
            texts(&path, into);
        } else if kind.is_file() && path.extension().is_none_or(|end| end != "wav" && end != "toml") {
            let bytes = std::fs::read(&path).expect("a file");
            into.push((path.display().to_string(), String::from_utf8_lossy(&bytes).into_owned()));
        }
    }
}

/// The ways in which a digit, or all of them, would be written.
fn traces(digits: &str) -> Vec<String> {
    let one = |digit: char| {
        ["\"dtmf\":\"", "'", "Signal=", "Signal= ", "digit=", "dtmf="].map(|name| format!("{name}{digit}"))
    };
    digits.chars().flat_map(one).chain(Some(digits.to_owned()).filter(|all| all.len() > 1)).collect()
}

fn found(daemon: &Daemon, digits: &str) -> Vec<String> {
    let mut all = Vec::new();
    texts(daemon.dir(), &mut all);
    assert!(all.iter().any(|(name, text)| name.ends_with("log") && text.contains("TRACE")), "the log is talkative");
    assert!(
        all.iter().any(|(name, text)| name.contains("/state/") && text.contains("\"dtmf\":\"x\"")),
        "the events are there"
    );
    assert!(all.iter().any(|(name, _)| name.contains("/recordings/")), "something is recorded");
    // The log of events has checksums between its lines: two bytes of them prove nothing.
    let proves = |name: &str, trace: &str| !(name.contains("/state/") && trace.starts_with('\''));
    let of = |name: &str, text: &str| -> Vec<String> {
        let traces = traces(digits).into_iter().filter(|trace| proves(name, trace) && text.contains(trace));
        traces.map(|trace| format!("{trace} in {name}")).collect()
    };
    all.iter().flat_map(|(name, text)| of(name, text)).collect()
}

fn dtmf(client: &mut Client, call: &str, digits: &str, more: Value) {
    let mut params = json!({ "callId": call, "dtmf": digits });
    let both = params.as_object_mut().zip(more.as_object());
    both.into_iter().for_each(|(params, more)| params.extend(more.clone()));
    client.call("session.dtmf", params).expect("queued");
    for _ in digits.chars() {
        client.wait_event_for("dtmfSent", secs(30), |event| event["callId"] == *call);
    }
}

#[test]
fn no_file_has_them() {
    let alice = daemon("alice", "");
    let bob = daemon("bob", "[privacy]\nredact_dtmf = true");
    let (mut a, mut b) = (alice.connect(), bob.connect());
    let at_a = a.dial("alice", &format!("sip:bob@127.0.0.1:{}", bob.port));
    let at_b = b.wait_event("incoming", |_| true)["callId"].as_str().expect("a callId").to_owned();
    b.verb("answer", &at_b);
    a.wait_event("confirmed", |event| event["callId"] == *at_a);
    b.wait_event("confirmed", |event| event["callId"] == *at_b);
    a.verb("startRecord", &at_a);
    b.verb("startRecord", &at_b);

    for method in ["rtp", "info", "inband"] {
        dtmf(&mut a, &at_a, SECRET, json!({"method": method, "redact": true, "idempotencyKey": method}));
        dtmf(&mut b, &at_b, OWN, json!({"method": method, "idempotencyKey": method}));
    }
    for (client, count) in [(&mut a, 3 * SECRET.len()), (&mut b, 3 * OWN.len())] {
        let told: Vec<Value> = client.events().iter().filter(|e| e["event"] == "dtmfSent").cloned().collect();
        assert_eq!(told.len(), count);
        assert!(told.iter().all(|e| e["data"]["dtmf"] == "x"), "{told:?}");
    }
    let heard: Vec<&Value> = b.events().iter().filter(|e| e["event"] == "dtmf").map(|e| &e["data"]["dtmf"]).collect();
    assert_eq!(heard, vec!["x"; 2 * SECRET.len()], "by rtp and by info; tones are not known to be digits");

    // What is wrong with a request is said without it.
    let wrong = [
        json!({"callId": at_a, "dtmf": SECRET.parse::<u64>().unwrap(), "redact": true}),
        json!([at_a, SECRET.parse::<u64>().unwrap(), "rtp", true]),
        json!({"callId": at_a, "dtmf": format!("{SECRET}e"), "redact": true}),
        json!({"callId": at_a, "dtmf": [SECRET], "redact": true}),
        json!({"callId": at_a, "dtmf": SECRET, "redact": true, "method": "carrier pigeon"}),
        json!({"callId": "none", "dtmf": SECRET, "redact": true}),
    ];
    for params in wrong {
        let refusal = a.call("session.dtmf", params.clone()).expect_err("refused");
        let text = format!("{} {}", refusal.message, refusal.data);
        assert!(!text.contains(SECRET), "{params}: {text}");
    }

    dtmf(&mut a, &at_a, OPEN, json!({"method": "rtp"}));
    b.wait_event("dtmf", |_| true);
    a.verb("hangup", &at_a);
    a.wait_event("cdrChange", |event| event["callId"] == *at_a);
    b.wait_event("cdrChange", |event| event["callId"] == *at_b);
    a.wait_event("recording.stopped", |_| true);
    b.wait_event("recording.stopped", |_| true);
    // What is remembered of the calls has no digit of an INFO, redacted or not.
    for (client, call, seen) in [(&mut a, &at_a, SECRET), (&mut b, &at_b, OWN)] {
        let trace = client.call("session.trace", json!({"callId": call})).expect("a trace").to_string();
        assert!(trace.contains("dtmf-relay") && trace.contains("Signal=*"), "{trace}");
        assert!(
            !trace.split("Signal=").skip(1).any(|rest| rest.trim_start().starts_with(|c: char| c.is_ascii_digit())),
            "{trace}"
        );
        let report = client.call("session.report", json!({"callId": call})).expect("a report").to_string();
        assert!(!report.contains(&format!("\"dtmf\":\"{}\"", &seen[..1])), "{report}");
    }
    drop((a, b));
    for digits in [OPEN, OWN] {
        assert!(found(&alice, digits).iter().any(|trace| trace.starts_with("\"dtmf\"")), "the search works");
    }
    assert_eq!(found(&alice, SECRET), [""; 0]);
    for digits in [SECRET, OWN, OPEN] {
        assert_eq!(found(&bob, digits), [""; 0]);
    }
    assert!(bob.stop() && alice.stop());
}
