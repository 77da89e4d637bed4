//! Click to dial: a page calls over HTTP, a desktop by `tel:` and `sip:` links. Numbers go out as the PBX wants them; what is denied
//! and what is too much does not leave, whoever asks; a disposition stands in the call's record.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::process::Command;

use common::daemon::{Daemon, Setup};
use common::wait::{free_port, secs};
use serde_json::{Value, json};

const CRM: &str = "crm-0123456789abcdef0123456789";
const SHOP: &str = "shop-0123456789abcdef012345678";
const WATCH: &str = "watch-0123456789abcdef01234567";

/// A PBX that only listens.
struct Pbx {
    socket: UdpSocket,
    seen: BTreeSet<String>,
}

impl Pbx {
    fn port(&self) -> u16 {
        self.socket.local_addr().unwrap().port()
    }

    /// The Request-URI of the next call.
    fn called(&mut self) -> String {
        let mut bytes = [0; 4096];
        loop {
            let length = self.socket.recv(&mut bytes).expect("an INVITE within 20 s");
            let text = String::from_utf8_lossy(&bytes[..length]).into_owned();
            let call_id = text.lines().find_map(|line| line.strip_prefix("Call-ID: ")).unwrap_or_default();
            if let Some(uri) = text.strip_prefix("INVITE ")
                && self.seen.insert(call_id.to_owned())
            {
                return uri.split(' ').next().unwrap().to_owned();
            }
        }
    }

    fn calls(&self) -> usize {
        self.seen.len()
    }
}

/// One request over HTTP.
fn post(port: u16, token: &str, method: &str, params: Value) -> Value {
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string();
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    write!(
        stream,
        "POST /rpc HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    serde_json::from_str(text.split_once("\r\n\r\n").unwrap().1).unwrap()
}

fn phonectl(daemon: &Daemon, arguments: &[&str]) -> (bool, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_phonectl"));
    let output = command.args(arguments).env("PHONED_SOCKET", daemon.socket()).output().unwrap();
    (output.status.success(), String::from_utf8(output.stdout).unwrap())
}

/// What a desktop does with a link: the handler's own line.
fn click(daemon: &Daemon, link: &str) -> (bool, String) {
    let handler = concat!(env!("CARGO_MANIFEST_DIR"), "/config/phoned-dial.desktop");
    let text = std::fs::read_to_string(handler).unwrap();
    let scheme = format!("x-scheme-handler/{};", link.split(':').next().unwrap());
    assert!(text.lines().any(|line| line.starts_with("MimeType=") && line.contains(&scheme)), "{scheme}");
    let line = text.lines().find_map(|line| line.strip_prefix("Exec=phonectl ")).expect("it runs phonectl");
    let arguments: Vec<&str> = line.split(' ').map(|word| if word == "%u" { link } else { word }).collect();
    phonectl(daemon, &arguments)
}

#[test]
fn numbers_leave_as_they_may() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(secs(20))).unwrap();
    let mut pbx = Pbx { socket, seen: BTreeSet::new() };
    let (dir, http) = (tempfile::tempdir().unwrap(), free_port());
    let mut tables = format!(
        "[dial]\ncountry = \"DE\"\ne164 = true\nprefix = \"0\"\ndeny = [\"+49900\"]\ncalls_per_minute = {{ call = 2 }}\n\
         [accounts.office]\nuri = \"sip:office@127.0.0.1:{}\"\nregister = false\n[http]\nlisten = \"127.0.0.1:{http}\"\n",
        pbx.port()
    );
    for (name, token, role) in [("crm", CRM, "call"), ("shop", SHOP, "call"), ("watch", WATCH, "observe")] {
        std::fs::write(dir.path().join(name), token).unwrap();
        tables += &format!("[http.tokens.{name}]\nfile = \"{name}\"\nrole = \"{role}\"\n");
    }
    let daemon = Daemon::start_in(dir, &Setup { tables, ..Setup::default() });
    let at = format!("@127.0.0.1:{}", pbx.port());
    let dial = |token: &str, number: &str| post(http, token, "phone.call", json!({ "number": number }));
    let end = |token: &str, called: &Value| {
        let ended = post(http, token, "session.hangup", json!({ "callId": called["result"]["callId"] }));
        assert_eq!(ended["result"], true, "{called} {ended}");
    };

    // Over HTTP: who may only see does not call, what is denied is not called, and a role has so many calls a minute.
    assert_eq!(dial(WATCH, "1001")["error"]["code"], -231);
    let called = dial(CRM, "tel:+49-30-1234567");
    assert_eq!(pbx.called(), format!("sip:00049301234567{at}"));
    end(CRM, &called);
    for denied in ["0900 123456", "tel:+49900123456", &format!("sip:0049900123456{at}")] {
        let refused = dial(CRM, denied);
        assert_eq!((&refused["error"]["code"], &refused["error"]["data"]["path"]), (&json!(-231), &json!("number")));
    }
    let called = dial(CRM, "1001");
    assert_eq!(pbx.called(), format!("sip:1001{at}"));
    end(CRM, &called);
    assert_eq!(dial(CRM, "1002")["error"]["code"], -208);
    assert_eq!(dial(CRM, "112")["result"]["code"], 200, "help is always called");
    assert_eq!(pbx.called(), format!("sip:112{at}"));
    let now = post(http, CRM, "phone.getSession", json!({}));
    end(CRM, &json!({ "result": now["result"][0] }));
    let called = dial(SHOP, "1003");
    assert_eq!(pbx.called(), format!("sip:1003{at}"));
    end(SHOP, &called);

    // By links, as a desktop hands them over.
    for (link, uri) in [("tel:(030)%201234567", "sip:00049301234567"), (&format!("sip:1001{at}"), "sip:1001")] {
        let (done, call) = click(&daemon, link);
        assert!(done, "{link}");
        assert_eq!(pbx.called(), format!("{uri}{at}"));
        assert!(phonectl(&daemon, &["tag", "callback", "hot lead", "--call", call.trim()]).0);
        assert!(phonectl(&daemon, &["hangup", call.trim()]).0);
    }
    assert!(!click(&daemon, "tel:+49900123456").0);

    let mut client = daemon.connect();
    let newest = client.call("cdr.query", json!({ "size": 1 })).unwrap()["cdrs"][0].clone();
    assert_eq!((&newest["tags"], &newest["number"]), (&json!(["callback", "hot lead"]), &json!("1001")));
    assert_eq!((pbx.calls(), client.call("cdr.query", json!({})).unwrap()["total"].clone()), (6, json!(6)));
    let log = daemon.log();
    assert!(![CRM, SHOP, WATCH].iter().any(|token| log.contains(token)));
    assert!(daemon.stop());
}
