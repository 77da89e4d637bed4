//! `session.report` and `phonectl report --html`: the page is opened in headless Chromium, and its figures are those of the events that a
//! subscriber saw; nothing that a peer says becomes a part of it. PHONED_BLESS=1 takes a longer call and keeps the screenshot.
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use std::path::Path;

use common::bad_line::BadLine;
use common::chromium::{self, Chromium};
use common::ctl::{Canned, phonectl};
use common::daemon::{Client, Daemon, Setup, trunk};
use serde_json::{Value, json};

/// What would run if anything of a peer's did.
const EVIL: &str = "Eve <script>document.title='run'</script><img src=x onerror=document.title=1>";
const KEYS: [&str; 8] =
    ["mos", "lossPct", "concealedPct", "jitterMs", "jitterBufferMs", "rttMs", "rxLevelDbov", "txLevelDbov"];

fn report_of(client: &mut Client, call: &str) -> Value {
    client.call("session.report", json!({"callId": call})).expect("a report")
}

fn reports(client: &mut Client, call: &str) -> Vec<Value> {
    client.events().iter().filter(|event| event["event"] == "callReport" && event["callId"] == *call).cloned().collect()
}

/// A call that begins well, goes bad, is held, and gets well again. What a subscriber saw of its `callReport`s.
fn a_lively_call(name: &str, rows: usize) -> (Daemon, Client, String, Vec<Value>) {
    let alice =
        Daemon::start(&Setup { phone: "report_interval = 1".into(), tables: trunk("alice", 440), ..Setup::default() });
    let line = BadLine::to(alice.port);
    let caller = format!("{}\ndisplay_name = \"{name}\"\n\n", trunk("bob", 700).trim_end());
    let bob = Daemon::start(&Setup { tables: caller, ..Setup::default() });
    let (mut a, mut b) = (alice.connect(), bob.connect());
    let at_b = b.dial("bob", &format!("sip:alice@127.0.0.1:{}", line.port));
    let call = a.wait_event("incoming", |_| true)["callId"].as_str().unwrap().to_owned();
    a.verb("answer", &call);
    b.wait_event("confirmed", |event| event["callId"] == *at_b);
    let wait = |a: &mut Client, count: usize| {
        while reports(a, &call).len() < count {
            a.wait_event("callReport", |event| event["callId"] == *call);
        }
    };
    wait(&mut a, rows / 4);
    line.goes(120, 25);
    wait(&mut a, rows / 2);
    line.goes(0, 5);
    a.verb("hold", &call);
    wait(&mut a, rows * 5 / 8);
    a.verb("unhold", &call);
    wait(&mut a, rows);
    a.verb("hangup", &call);
    a.wait_event("cdrChange", |event| event["callId"] == *call);
    b.wait_event("cdrChange", |event| event["callId"] == *at_b);
    let seen = reports(&mut a, &call);
    (alice, a, call, seen)
}

#[test]
fn the_page_shows_what_the_events_told() {
    let bless = std::env::var_os("PHONED_BLESS").is_some();
    if chromium::impossible() {
        return;
    }
    let (name, rows) = if bless { ("Ada Lovelace", 60) } else { (EVIL, 8) };
    let (alice, mut client, call, seen) = a_lively_call(name, rows);

    // The answer of the daemon is what the events told.
    let report = report_of(&mut client, &call);
    let row = |time: &Value, metrics: &Value| json!({"time": time, "metrics": metrics});
    let kept: Vec<Value> =
        report["samples"].as_array().unwrap().iter().map(|s| row(&s["time"], &s["metrics"])).collect();
    let told: Vec<Value> = seen.iter().map(|event| row(&event["time"], &event["data"]["metrics"])).collect();
    assert_eq!(kept, told);
    assert_eq!((&report["live"], &report["every"], &report["name"]), (&json!(false), &json!(1), &json!(name)));
    let events = client.events().to_vec();
    let lasting = |event: &&Value| {
        event["callId"] == *call && !["callReport", "updateTimer"].contains(&event["event"].as_str().unwrap())
    };
    let story = |all: Vec<&Value>| -> Vec<(Value, Value, Value)> {
        all.iter().map(|event| (event["seq"].clone(), event["time"].clone(), event["event"].clone())).collect()
    };
    assert_eq!(
        story(report["events"].as_array().unwrap().iter().collect()),
        story(events.iter().filter(lasting).collect())
    );
    let record = events.iter().find(|event| event["event"] == "cdrChange").unwrap();
    assert_eq!(report["cdr"], record["data"]["cdr"]);
    assert_eq!(report["devices"][0]["input"], "tone:440");

    let file = alice.dir().join("report.html");
    let (code, _, complaint) = phonectl(alice.socket(), &["report", &call, "--html", file.to_str().unwrap()]);
    assert_eq!((code, complaint.as_str()), (0, ""));
    let (mut page, url) = (Chromium::empty(440), format!("file://{}", file.display()));
    page.visit(&url, "", (1120, 900));
    page.shows("the report", "!!document.querySelector('#figures') && document.readyState === 'complete'");
    figures_are(&mut page, &told);
    lines_are(&mut page, &told);
    nothing_runs(&mut page, name);

    let messages = client.call("session.trace", json!({"callId": call})).unwrap();
    let arrows = page.eval("[...document.querySelectorAll('#sip .arrow b')].map(arrow => arrow.textContent)");
    let arrows: Vec<&str> = arrows.as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert_eq!(arrows.len(), messages["messages"].as_array().unwrap().len());
    assert_eq!(arrows[0], "INVITE");
    assert!(["200 OK (INVITE)", "ACK", "BYE"].iter().all(|word| arrows.contains(word)), "{arrows:?}");
    assert_eq!(page.eval("document.querySelector('#devices').innerText.includes('tone:440')"), true);
    let words = page.eval("document.querySelector('#findings').innerText.length > 20");
    assert_eq!(words, true, "findings, or why there are none");

    let backgrounds: Vec<Value> = ["light", "dark"]
        .map(|scheme| {
            page.prefers(scheme);
            page.eval("getComputedStyle(document.body).backgroundColor")
        })
        .to_vec();
    assert_ne!(backgrounds[0], backgrounds[1]);
    if bless {
        for (scheme, name) in [("dark", "report-dark.png"), ("light", "report.png")] {
            page.prefers(scheme);
            page.visit(&url, "", (1120, 1560));
            page.shows("the report", "!!document.querySelector('#figures') && document.readyState === 'complete'");
            let folder = if scheme == "light" {
                Path::new(env!("CARGO_MANIFEST_DIR")).join("docs")
            } else {
                std::env::temp_dir()
            };
            std::fs::write(folder.join(name), page.screenshot()).unwrap();
        }
    }
}

/// The table has a row per event, with its figures.
fn figures_are(page: &mut Chromium, told: &[Value]) {
    let rows = page.eval(
        "[...document.querySelectorAll('#figures tbody tr')].map(row => ({ time: row.dataset.time, \
         ...Object.fromEntries([...row.querySelectorAll('[data-key]')].map(cell => [cell.dataset.key, cell.textContent])) }))",
    );
    let rows = rows.as_array().unwrap();
    assert_eq!(rows.len(), told.len());
    for (row, told) in rows.iter().zip(told) {
        assert_eq!(row["time"], told["time"]);
        for key in KEYS {
            let shown = row[key].as_str().unwrap().parse::<f64>().ok();
            assert_eq!(shown, told["metrics"][key].as_f64(), "{key} at {}", told["time"]);
        }
    }
    let lossy = told.iter().filter_map(|told| told["metrics"]["lossPct"].as_f64()).fold(0.0, f64::max);
    assert!(lossy > 0.0, "the line was bad, and the figures know it: {told:?}");
}

/// Every point of every line is where its figure belongs.
fn lines_are(page: &mut Chromium, told: &[Value]) {
    for key in KEYS {
        let drawn = page.eval(&format!(
            "(() => {{ const lines = [...document.querySelectorAll('polyline[data-key={key}]')]; const svg = lines[0]?.ownerSVGElement; \
             return {{ low: +svg?.dataset.low, high: +svg?.dataset.high, points: lines.flatMap(line => [...line.points].map(p => [p.x, p.y])) }} }})()"
        ));
        let values: Vec<f64> = told.iter().filter_map(|told| told["metrics"][key].as_f64()).collect();
        let points = drawn["points"].as_array().unwrap();
        assert_eq!(points.len(), values.len(), "{key}");
        let Some((low, high)) = drawn["low"].as_f64().zip(drawn["high"].as_f64()) else {
            assert!(values.is_empty(), "{key}");
            continue;
        };
        let mut last = f64::MIN;
        for (point, value) in points.iter().zip(values) {
            let (x, y) = (point[0].as_f64().unwrap(), point[1].as_f64().unwrap());
            let shown = low + (high - low) * (124.0 - y) / 116.0;
            assert!(
                (shown - value.clamp(low, high)).abs() <= (high - low) / 500.0,
                "{key}: {value} is drawn as {shown}"
            );
            assert!(x >= last && (38.0..=472.0).contains(&x), "{key}: {x} after {last}");
            last = x;
        }
    }
}

/// Names are shown as they are; no script is there, and nothing is loaded.
fn nothing_runs(page: &mut Chromium, name: &str) {
    let title = page.eval("document.querySelector('h1').textContent");
    assert!(title.as_str().unwrap().contains(name), "{title}");
    assert_eq!(page.eval("document.scripts.length + document.images.length"), 0);
    assert_eq!(page.eval("document.title === document.querySelector('h1').textContent"), true);
    assert_eq!(page.eval("performance.getEntriesByType('resource').length"), 0);
}

#[test]
fn findings_are_told_where_there_are_some() {
    if chromium::impossible() {
        return;
    }
    let report = json!({"callId": "7", "account": EVIL, "live": true, "direction": "outbound", "number": EVIL, "name": "", "company": EVIL,
        "startedAt": "2026-11-23T08:00:01.040Z", "answeredAt": null, "endedAt": null, "RTCSession": {"codec": EVIL}, "devices": [{"time": EVIL, "input": EVIL, "output": EVIL}],
        "samples": [], "every": 1, "events": [{"seq": 1, "time": EVIL, "event": EVIL, "data": {EVIL: EVIL}}], "leftOut": 0, "cdr": null, "messages": 1});
    let message = json!({"time": "2026-11-23T08:00:01.040Z", "direction": "in", "transport": EVIL, "local": "192.0.2.1:5060", "remote": "192.0.2.2:5060",
        "message": format!("{EVIL} SIP/2.0\r\nCSeq: 1 {EVIL}\r\nReason: {EVIL}\r\n\r\n{EVIL}")});
    let finding = |severity: &str| json!({"rule": EVIL, "severity": severity, "text": format!("{severity} {EVIL}"), "hint": EVIL, "facts": {}});
    let findings = ["error", "warning", "info", EVIL].map(finding);
    let canned = Canned::start(json!({"session.report": report, "daemon.info": {"version": EVIL, "epoch": EVIL},
        "session.trace": {"callId": "7", "live": true, "messages": [message], "leftOut": 2}, "session.diagnose": {"callId": "7", "findings": findings}}));
    let file = canned.socket.with_file_name("report.html");
    let (code, _, complaint) = phonectl(&canned.socket, &["report", "7", "--html", file.to_str().unwrap()]);
    assert_eq!((code, complaint.as_str()), (0, ""));
    let mut page = Chromium::empty(440);
    page.visit(&format!("file://{}", file.display()), "", (1120, 900));
    page.shows(
        "the report",
        "document.querySelectorAll('#findings li').length === 4 && document.readyState === 'complete'",
    );
    nothing_runs(&mut page, EVIL);
    let classes = page.eval("[...document.querySelectorAll('#findings li')].map(item => item.className).join(' ')");
    assert_eq!(classes, "error warning info info");
    assert_eq!(page.eval("document.querySelector('#findings li.error b').textContent"), format!("error {EVIL}"));
    let (code, text, _) = phonectl(&canned.socket, &["report", "7"]);
    assert!(code == 0 && text.contains(&format!("warning: warning {EVIL}")), "{text}");
}
