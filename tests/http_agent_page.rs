//! The agent's page (docs/clients/page) in headless Chromium, over the WebSocket: a call comes in, is answered, plotted and
//! transferred by clicks, and what the page shows is asserted. PHONED_BLESS=1 keeps the screenshot.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test meets the clock and the system")]

mod common;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;

use common::daemon::{Daemon, Setup, trunk};
use common::process::Process;
use common::wait::{free_port, secs, until};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{Message, WebSocket, client};

const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// Serves the files of docs/clients; its origin.
fn files() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/clients");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let mut line = String::new();
            let _ = BufReader::new(&stream).read_line(&mut line);
            let path = line.split(' ').nth(1).unwrap_or("/").trim_start_matches('/').to_owned();
            let kind = if path.ends_with(".mjs") { "text/javascript" } else { "text/html" };
            let (status, body) = match std::fs::read(root.join(&path)) {
                Ok(body) if !path.contains("..") => ("200 OK", body),
                _ => ("404 Not Found", Vec::new()),
            };
            let head = format!(
                "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                body.len()
            );
            let _ = (&stream).write_all(head.as_bytes()).and_then(|()| (&stream).write_all(&body));
        }
    });
    origin
}

/// Chromium with one page, steered by its DevTools protocol.
struct Browser {
    wire: WebSocket<TcpStream>,
    last: u64,
    _process: Process,
    _dir: tempfile::TempDir,
}

impl Browser {
    fn start() -> Browser {
        let dir = tempfile::tempdir().unwrap();
        let mut command = Command::new("chromium");
        command
            .args(["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"])
            .args(["--remote-debugging-port=0", "--window-size=800,640"])
            .arg(format!("--user-data-dir={}", dir.path().display()))
            .arg("about:blank");
        let process = Process::start("chromium", &mut command, &dir.path().join("log"));
        let port = until("chromium listens", secs(60), || {
            let text = std::fs::read_to_string(dir.path().join("DevToolsActivePort")).ok()?;
            text.lines().next()?.parse::<u16>().ok()
        });
        let target = until("chromium has a page", secs(60), || {
            let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
            write!(stream, "GET /json/list HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").ok()?;
            stream.set_read_timeout(Some(secs(1))).ok()?;
            let mut bytes = Vec::new();
            let _ = stream.read_to_end(&mut bytes);
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let pages: Value = serde_json::from_str(text.split_once("\r\n\r\n")?.1).ok()?;
            pages.as_array()?.iter().find(|page| page["type"] == "page")?["id"].as_str().map(str::to_owned)
        });
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(secs(60))).unwrap();
        let (wire, _) = client(format!("ws://127.0.0.1:{port}/devtools/page/{target}"), stream).unwrap();
        Browser { wire, last: 0, _process: process, _dir: dir }
    }

    fn does(&mut self, method: &str, params: Value) -> Value {
        self.last += 1;
        let text = json!({ "id": self.last, "method": method, "params": params }).to_string();
        self.wire.send(Message::text(text)).unwrap();
        loop {
            let Message::Text(text) = self.wire.read().unwrap() else { continue };
            let mut answer: Value = serde_json::from_str(&text).unwrap();
            if answer["id"] == self.last {
                assert!(answer.get("error").is_none(), "{method}: {answer}");
                return answer["result"].take();
            }
        }
    }

    /// The value of an expression in the page.
    fn eval(&mut self, expression: &str) -> Value {
        let mut result = self.does("Runtime.evaluate", json!({ "expression": expression, "returnByValue": true }));
        assert!(result.get("exceptionDetails").is_none(), "{expression}: {result}");
        result["result"]["value"].take()
    }

    fn shows(&mut self, what: &str, expression: &str) {
        let mut last = Value::Null;
        for _ in 0..300 {
            last = self.eval(expression);
            if last == true {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        panic!("the page does not show {what} ({last}): {}", self.eval("document.body.innerText"));
    }

    fn click(&mut self, verb: &str) {
        let visible = format!("!!document.querySelector('#calls [data-verb={verb}]:not([hidden])')");
        self.shows(verb, &visible);
        self.eval(&format!("document.querySelector('#calls [data-verb={verb}]').click()"));
    }

    fn screenshot(&mut self, file: &Path) {
        let shot = self.does("Page.captureScreenshot", json!({ "format": "png" }));
        let png = base64(shot["data"].as_str().unwrap());
        assert!(png.starts_with(b"\x89PNG"));
        if std::env::var_os("PHONED_BLESS").is_some() {
            std::fs::write(file, png).unwrap();
        }
    }
}

fn base64(text: &str) -> Vec<u8> {
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut bytes, mut bits, mut count) = (Vec::new(), 0_u32, 0);
    for value in text.chars().filter_map(|c| alphabet.find(c)) {
        (bits, count) = (bits << 6 | value as u32, count + 6);
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count & 255) as u8);
        }
    }
    bytes
}

#[test]
fn a_call_is_answered_and_transferred_by_clicks() {
    let origin = files();
    let carol = Daemon::start(&Setup { tables: trunk("carol", 900) + "auto_answer = 0\n", ..Setup::default() });
    let bob = Daemon::start(&Setup { tables: trunk("bob", 700), ..Setup::default() });
    let (dir, http) = (tempfile::tempdir().unwrap(), free_port());
    std::fs::write(dir.path().join("page.token"), format!("{TOKEN}\n")).unwrap();
    let listener = format!(
        "[http]\nlisten = \"127.0.0.1:{http}\"\norigins = [\"{origin}\"]\n[http.tokens.page]\nfile = \"page.token\"\nrole = \"call\"\n\n"
    );
    let alice = Daemon::start_in(dir, &Setup { tables: listener + &trunk("alice", 440), ..Setup::default() });

    let mut browser = Browser::start();
    let token = format!("if (location.origin === '{origin}') sessionStorage.setItem('token', '{TOKEN}')");
    browser.does("Page.addScriptToEvaluateOnNewDocument", json!({ "source": token }));
    browser.does("Page.navigate", json!({ "url": format!("{origin}/page/index.html#ws://127.0.0.1:{http}/ws") }));
    browser.shows("that it is connected", "document.getElementById('state')?.textContent === 'connected'");

    let mut caller = bob.connect();
    let call = caller.dial("bob", &format!("sip:alice@127.0.0.1:{}", alice.port));
    browser.shows("that it rings", "document.querySelector('#calls li')?.dataset.ring === 'true'");
    browser.shows("who calls", "document.querySelector('#calls .who').textContent.includes('bob')");
    browser.click("answer");
    caller.wait_event("confirmed", |event| event["callId"] == *call);
    browser.shows("that they talk", "/talking/.test(document.querySelector('#calls .what').textContent)");
    browser.eval("document.querySelector('#calls .keys button').click()");
    caller.wait_event("dtmf", |event| event["data"]["dtmf"] == "1");
    browser.click("hold");
    browser.shows("that it holds", "/on hold/.test(document.querySelector('#calls .what').textContent)");
    browser.click("unhold");
    let points = "document.querySelector('#calls polyline').getAttribute('points')?.split(' ').length >= 2";
    browser.shows("how it sounds", points);
    let shot: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/clients/page/page.png");
    browser.screenshot(&shot);

    let target = json!(format!("sip:carol@127.0.0.1:{}", carol.port));
    browser.eval(&format!("document.querySelector('#calls .target').value = {target}"));
    browser.click("transfer");
    browser.shows("that the call is gone", "document.querySelectorAll('#calls li').length === 0");
    let mut third = carol.connect();
    let sessions = third.call("phone.getSession", json!({})).unwrap();
    assert_eq!(sessions[0]["status"]["number"], "bob", "{sessions}");
    assert_eq!(browser.eval("document.getElementById('told').textContent"), "");
}
