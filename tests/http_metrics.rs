//! `/metrics` is Prometheus' text format to the letter, counts what happened, and names nobody; `/readyz` says whether calls can
//! be made; what is refused stands in the log without the secret.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::TcpStream;

use common::daemon::{Daemon, Setup, trunk};
use common::wait::{free_port, secs, until};
use serde_json::json;

const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// The values of a page, by name and labels as they are written.
type Figures = BTreeMap<String, f64>;

/// Reads a page as strictly as the format is written (text format 0.0.4): a family is whole and stands once, HELP before TYPE
/// before its samples; names, labels and values have their shape; a counter is called `_total`; buckets rise to `+Inf`, which is
/// the count.
fn parse(text: &str) -> Result<Figures, String> {
    let name_ok = |name: &str| {
        let first = |c: char| c.is_ascii_alphabetic() || c == '_' || c == ':';
        name.starts_with(first) && name.chars().all(|c| first(c) || c.is_ascii_digit())
    };
    if !text.ends_with('\n') {
        return Err("no newline at the end".into());
    }
    let (mut figures, mut families) = (Figures::new(), BTreeSet::new());
    let (mut family, mut kind, mut helped) = (String::new(), String::new(), String::new());
    let mut buckets: Vec<(f64, f64)> = Vec::new();
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, words) = help.split_once(' ').ok_or(line)?;
            if !name_ok(name) || words.is_empty() || !families.insert(name.to_owned()) {
                return Err(format!("a second family, or no name: {line}"));
            }
            name.clone_into(&mut helped);
            continue;
        }
        if let Some(of) = line.strip_prefix("# TYPE ") {
            let (name, is) = of.split_once(' ').ok_or(line)?;
            let named = (is == "counter") == name.ends_with("_total");
            if name != helped || family == name || !["counter", "gauge", "histogram"].contains(&is) || !named {
                return Err(line.into());
            }
            name.clone_into(&mut family);
            is.clone_into(&mut kind);
            continue;
        }
        let (key, value) = line.rsplit_once(' ').ok_or(line)?;
        let number: f64 = value.parse().map_err(|_| format!("{value:?} is no number: {line}"))?;
        let (name, labels) = match key.split_once('{') {
            Some((name, rest)) => (name, rest.strip_suffix('}').ok_or(line)?),
            None => (key, ""),
        };
        let mut seen = BTreeSet::new();
        for label in labels.split("\",").filter(|label| !label.is_empty()) {
            let (label, value) = label.split_once("=\"").ok_or(line)?;
            let value = value.strip_suffix('"').unwrap_or(value);
            if !name_ok(label) || value.contains(['"', '\\', '\n']) || !seen.insert(label) {
                return Err(format!("label {label:?}: {line}"));
            }
        }
        let right = match kind.as_str() {
            "histogram" => ["_bucket", "_sum", "_count"].iter().any(|end| name == format!("{family}{end}")),
            _ => name == family,
        };
        if !name_ok(name) || !right {
            return Err(format!("no sample of {family}: {line}"));
        }
        if kind == "counter" && number < 0.0 {
            return Err(line.into());
        }
        if name.ends_with("_bucket") {
            let bound = labels.strip_prefix("le=\"").and_then(|le| le.strip_suffix('"')).ok_or(line)?;
            let bound = bound.parse().map_err(|_| line.to_owned())?;
            if buckets.last().is_some_and(|(below, count)| *below >= bound || *count > number) {
                return Err(format!("buckets fall: {line}"));
            }
            buckets.push((bound, number));
        }
        if kind == "histogram"
            && name.ends_with("_count")
            && buckets.drain(..).next_back() != Some((f64::INFINITY, number))
        {
            return Err(format!("+Inf is not the count: {line}"));
        }
        if figures.insert(key.to_owned(), number).is_some() {
            return Err(format!("twice: {line}"));
        }
    }
    Ok(figures)
}

fn get(port: u16, path: &str, headers: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

fn figures(port: u16) -> (Figures, String) {
    let (status, text) = get(port, "/metrics", &format!("Authorization: Bearer {TOKEN}\r\n"));
    assert_eq!(status, 200, "{text}");
    (parse(&text).unwrap_or_else(|why| panic!("{why}\nin\n{text}")), text)
}

#[test]
fn figures_follow_the_calls_and_name_nobody() {
    let bob = Daemon::start(&Setup { tables: trunk("bob", 700) + "auto_answer = 0\n", ..Setup::default() });
    let dir = tempfile::tempdir().unwrap();
    let http = free_port();
    std::fs::write(dir.path().join("watch.token"), format!("{TOKEN}\n")).unwrap();
    let listener = format!(
        "[http]\nlisten = \"127.0.0.1:{http}\"\n[http.tokens.watch]\nfile = \"watch.token\"\nrole = \"observe\"\n\n"
    );
    let alice = Daemon::start_in(dir, &Setup { tables: listener + &trunk("alice", 440), ..Setup::default() });
    let (before, _) = figures(http);
    assert_eq!(before["phoned_calls{direction=\"outbound\",state=\"talking\"}"], 0.0);
    assert_eq!(before["phoned_registrations{state=\"down\"}"], 0.0);
    assert_eq!((before["phoned_store_enabled"], before["phoned_store_healthy"]), (1.0, 1.0));
    let (status, ready) = get(http, "/readyz", "");
    assert_eq!(status, 200, "{ready}");

    let mut client = alice.connect();
    let call = client.dial("alice", &format!("sip:bob@127.0.0.1:{}", bob.port));
    client.wait_event("confirmed", |event| event["callId"] == *call);
    // A figure of the sound comes with the first report behind the answer.
    let talking = until("the call has a score", secs(30), || {
        let (now, text) = figures(http);
        assert!(!text.contains(&call) && !text.contains("alice") && !text.contains("bob"), "{text}");
        now.contains_key("phoned_live_mos{stat=\"mean\"}").then_some(now)
    });
    assert_eq!(talking["phoned_calls{direction=\"outbound\",state=\"talking\"}"], 1.0);
    assert!((1.0..=5.0).contains(&talking["phoned_live_mos{stat=\"mean\"}"]));
    assert!(talking["phoned_media_tick_lateness_seconds_count"] > before["phoned_media_tick_lateness_seconds_count"]);
    assert!(talking["process_cpu_seconds_total"] > 0.0 && talking["process_resident_memory_bytes"] > 1e6);
    assert!(talking["process_open_fds"] >= 10.0 && talking["process_open_fds"] < talking["process_max_fds"]);
    client.verb("hold", &call);
    assert_eq!(figures(http).0["phoned_calls_held"], 1.0);
    client.verb("hangup", &call);
    client.wait_event("cdrChange", |event| event["callId"] == *call);
    let (after, _) = figures(http);
    assert_eq!(after["phoned_calls{direction=\"outbound\",state=\"talking\"}"], 0.0);
    assert_eq!(after["phoned_calls_ended_total{direction=\"outbound\",cause=\"Terminated\"}"], 1.0);
    assert_eq!(after["phoned_call_mos_count"], 1.0);
    assert!(after["phoned_events_total"] > before["phoned_events_total"]);

    // An account that shall be registered and is not: no calls for it yet.
    let nobody = format!("sip:carol@127.0.0.1:{}", free_port());
    client.call("account.add", json!({ "name": "carol", "account": { "uri": nobody } })).unwrap();
    assert_eq!(figures(http).0["phoned_registrations{state=\"down\"}"], 1.0);
    let (status, ready) = get(http, "/readyz", "");
    assert!(status == 503 && ready.contains("\"ready\":false"), "{status} {ready}");
    assert_eq!(get(http, "/healthz", "").0, 200);

    // A token that is almost right: refused with one line, which does not hold it.
    let wrong = format!("{}x", &TOKEN[1..]);
    assert_eq!(get(http, "/metrics", &format!("Authorization: Bearer {wrong}\r\n")).0, 401);
    let log = alice.log();
    assert_eq!(log.matches("it has no token that is known").count(), 1, "{log}");
    assert!(!log.contains(&wrong) && !log.contains(TOKEN));
}

#[test]
fn the_parser_refuses_what_is_wrong() {
    let good = "# HELP a_total A.\n# TYPE a_total counter\na_total{x=\"1\",y=\"2\"} 1\n";
    assert_eq!(parse(good).unwrap()["a_total{x=\"1\",y=\"2\"}"], 1.0);
    for (from, to) in [
        ("a_total{", "b_total{"),
        ("} 1\n", "} one\n"),
        ("} 1\n", "} 1"),
        ("# TYPE a_total counter\n", ""),
        ("counter", "gauge"),
        ("x=\"1\",y", "x=\"1\",x"),
        ("# HELP a_total A.\n", ""),
        ("} 1\n", "} 1\na_total{x=\"1\",y=\"2\"} 1\n"),
    ] {
        assert!(parse(&good.replace(from, to)).is_err(), "{from} → {to}");
    }
    let histogram =
        "# HELP h H.\n# TYPE h histogram\nh_bucket{le=\"1\"} 2\nh_bucket{le=\"+Inf\"} 3\nh_sum 4\nh_count 3\n";
    assert_eq!(parse(histogram).unwrap()["h_sum"], 4.0);
    for (from, to) in
        [("} 2", "} 4"), ("h_count 3", "h_count 4"), ("le=\"1\"", "lo=\"1\""), ("h_bucket{le=\"+Inf\"} 3\n", "")]
    {
        assert!(parse(&histogram.replace(from, to)).is_err(), "{from} → {to}");
    }
}
