//! The agent's page (docs/clients/page) in headless Chromium, over the WebSocket: a call comes in, is answered, plotted and
//! transferred by clicks, and what the page shows is asserted. PHONED_BLESS=1 keeps the screenshot.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test meets the clock and the system")]

mod common;

use std::path::Path;
use std::time::Duration;

use common::chromium::{self, Chromium};
use common::daemon::{Daemon, Setup, trunk};
use common::wait::free_port;
use common::web::{Says, Web};
use serde_json::json;

const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// Serves the files of docs/clients.
fn files() -> Web {
    Web::start(|asked, _| {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/clients");
        let kind = if asked.target.ends_with(".mjs") { "text/javascript" } else { "text/html" };
        match std::fs::read_to_string(root.join(asked.target.trim_start_matches('/'))) {
            Ok(text) => Says::File(kind, text),
            Err(_) => Says::Answer(Duration::ZERO, 404, String::new()),
        }
    })
}

/// Clicks on a button of the only call, once it is there.
fn click(page: &mut Chromium, verb: &str) {
    let button = format!("document.querySelector('#calls [data-verb={verb}]:not([hidden])')");
    page.shows(verb, &format!("!!{button}"));
    page.eval(&format!("{button}.click()"));
}

#[test]
fn a_call_is_answered_and_transferred_by_clicks() {
    if chromium::impossible() {
        return;
    }
    let files = files();
    let origin = files.url("");
    let carol = Daemon::start(&Setup { tables: trunk("carol", 900) + "auto_answer = 0\n", ..Setup::default() });
    let bob = Daemon::start(&Setup { tables: trunk("bob", 700), ..Setup::default() });
    let (dir, http) = (tempfile::tempdir().unwrap(), free_port());
    std::fs::write(dir.path().join("page.token"), format!("{TOKEN}\n")).unwrap();
    let listener = format!(
        "[http]\nlisten = \"127.0.0.1:{http}\"\norigins = [\"{origin}\"]\n[http.tokens.page]\nfile = \"page.token\"\nrole = \"call\"\n\n"
    );
    let alice = Daemon::start_in(dir, &Setup { tables: listener + &trunk("alice", 440), ..Setup::default() });

    let mut page = Chromium::empty(440);
    let token = format!("if (location.origin === '{origin}') sessionStorage.setItem('token', '{TOKEN}')");
    page.visit(&format!("{origin}/page/index.html#ws://127.0.0.1:{http}/ws"), &token, (720, 600));
    page.shows("that it is connected", "document.getElementById('state')?.textContent === 'connected'");

    let mut caller = bob.connect();
    let call = caller.dial("bob", &format!("sip:alice@127.0.0.1:{}", alice.port));
    page.shows("that it rings", "document.querySelector('#calls li')?.dataset.ring === 'true'");
    page.shows("who calls", "document.querySelector('#calls .who').textContent.includes('bob')");
    click(&mut page, "answer");
    caller.wait_event("confirmed", |event| event["callId"] == *call);
    page.shows("that they talk", "/talking/.test(document.querySelector('#calls .what').textContent)");
    page.eval("document.querySelector('#calls .keys button').click()");
    caller.wait_event("dtmf", |event| event["data"]["dtmf"] == "1");
    click(&mut page, "hold");
    page.shows("that it holds", "/on hold/.test(document.querySelector('#calls .what').textContent)");
    click(&mut page, "unhold");
    let points = "document.querySelector('#calls polyline').getAttribute('points')?.split(' ').length >= 2";
    page.shows("how it sounds", points);
    let shot = page.screenshot();
    if std::env::var_os("PHONED_BLESS").is_some() {
        std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/clients/page/page.png"), shot).unwrap();
    }

    let target = json!(format!("sip:carol@127.0.0.1:{}", carol.port));
    page.eval(&format!("document.querySelector('#calls .target').value = {target}"));
    click(&mut page, "transfer");
    page.shows("that the call is gone", "document.querySelectorAll('#calls li').length === 0");
    let mut third = carol.connect();
    let sessions = third.call("phone.getSession", json!({})).unwrap();
    assert_eq!(sessions[0]["status"]["number"], "bob", "{sessions}");
    assert_eq!(page.eval("document.getElementById('told').textContent"), "");
}
