//! `session.trace` and `phonectl trace`: the SIP of a call while it lives and after, both ways, without its secrets; as a ladder, in full, and
//! as a file that tshark reads.
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;

use common::ctl::{Canned, phonectl};
use common::daemon::{Client, Daemon, Setup, trunk};
use common::sipp::{Run, Sipp};
use serde_json::{Value, json};

fn trace(client: &mut Client, call: &str) -> Vec<Value> {
    let trace = client.call("session.trace", json!({"callId": call})).expect("a trace");
    assert_eq!(trace["leftOut"], 0);
    trace["messages"].as_array().unwrap().clone()
}

fn texts(messages: &[Value]) -> Vec<String> {
    messages.iter().map(|one| one["message"].as_str().unwrap().to_owned()).collect()
}

/// Direction and first line of each.
fn outline(messages: &[Value]) -> Vec<(String, String)> {
    let line = |one: &Value| one["message"].as_str().unwrap().lines().next().unwrap().to_owned();
    messages.iter().map(|one| (one["direction"].as_str().unwrap().to_owned(), line(one))).collect()
}

/// Two phones in a call whose sound is encrypted by keys of its descriptions.
fn talking() -> (Daemon, Daemon, Client, Client, String, String) {
    let daemon = |user: &str, hz| {
        let tables = trunk(user, hz).trim_end().to_owned() + "\nsrtp = \"require\"\n\n";
        // On a busy machine nothing is sent twice.
        let (media, sip) = ("codecs = [\"pcmu\"]".into(), "t1_ms = 3000".into());
        Daemon::start(&Setup { tables, media, sip, ..Setup::default() })
    };
    let (alice, bob) = (daemon("alice", 440), daemon("bob", 700));
    let (mut a, mut b) = (alice.connect(), bob.connect());
    let at_a = a.dial("alice", &format!("sip:bob@127.0.0.1:{}", bob.port));
    let at_b = b.wait_event("incoming", |_| true)["callId"].as_str().unwrap().to_owned();
    b.verb("answer", &at_b);
    a.wait_event("confirmed", |event| event["callId"] == *at_a);
    b.wait_event("confirmed", |event| event["callId"] == *at_b);
    (alice, bob, a, b, at_a, at_b)
}

#[test]
fn both_ends_tell_the_same_while_it_lives_and_after() {
    let (alice, _bob, mut a, mut b, at_a, at_b) = talking();
    let live = outline(&trace(&mut a, &at_a));
    assert_eq!(live[0].0, "out");
    assert!(live[0].1.starts_with("INVITE sip:bob@"), "{live:?}");
    assert_eq!(live.last().unwrap(), &("out".into(), live.last().unwrap().1.clone()));
    assert!(live.last().unwrap().1.starts_with("ACK "), "{live:?}");
    a.verb("hangup", &at_a);
    a.wait_event("cdrChange", |event| event["callId"] == *at_a);
    b.wait_event("cdrChange", |event| event["callId"] == *at_b);

    let ended = common::wait::until("the answer to the BYE", common::wait::secs(20), || {
        let ended = trace(&mut a, &at_a);
        (outline(&ended).last()?.1 == "SIP/2.0 200 OK" && ended.len() > live.len() + 1).then_some(ended)
    });
    let (here, there) = (outline(&ended), outline(&trace(&mut b, &at_b)));
    let mirrored: Vec<(String, String)> = there
        .iter()
        .map(|(direction, line)| (if direction == "in" { "out" } else { "in" }.to_owned(), line.clone()))
        .collect();
    assert_eq!(here, mirrored);
    assert!(here.iter().any(|(_, line)| line.starts_with("BYE ")), "{here:?}");
    for message in &ended {
        assert_eq!(message["transport"], "udp");
        assert_eq!(message["local"], format!("127.0.0.1:{}", alice.port));
    }
    // The keys of its sound are not in it, whichever way they went.
    let all = texts(&ended).concat();
    assert_eq!(all.matches("a=crypto:1 ").count(), 2, "{all}");
    let keys: Vec<&str> = all.split("inline:").skip(1).map(|rest| rest.split_whitespace().next().unwrap()).collect();
    assert!(!keys.is_empty() && keys.iter().all(|key| key.chars().all(|c| c == '*')), "{keys:?}");
    let unknown = a.call("session.trace", json!({"callId": "none"})).unwrap_err();
    assert_eq!(unknown.code, -211);
}

#[test]
fn what_proves_the_password_is_masked() {
    let sipp = Sipp::start("uas_407", &Run { keys: vec![("realm".into(), "sipp.test".into())], ..Run::default() });
    let proxy = format!("register = false\nproxies = [\"sip:127.0.0.1:{};lr\"]", sipp.port);
    let tables = trunk("alice", 440).replace("register = false", &proxy);
    let alice = Daemon::start(&Setup { tables, media: "codecs = [\"pcmu\"]".into(), ..Setup::default() });
    let mut client = alice.connect();
    let call = client.dial("alice", &format!("sip:callee@127.0.0.1:{}", sipp.port));
    client.wait_event("confirmed", |_| true);
    client.verb("hangup", &call);
    client.wait_event("cdrChange", |_| true);
    let kept = texts(&trace(&mut client, &call)).concat();
    let sent = sipp.passes();
    let digest = sent.lines().find_map(|line| line.strip_prefix("Proxy-Authorization: Digest ")).expect("a digest");
    for name in ["response", "cnonce"] {
        let value =
            digest.split(&format!("{name}=\"")).nth(1).and_then(|rest| rest.split('"').next()).expect("a value");
        assert!(value.len() >= 8 && !kept.contains(value), "{name} {value} is in the trace");
        assert!(kept.contains(&format!("{name}=***")), "{kept}");
    }
    assert!(kept.contains("username=\"alice\"") && kept.contains("407 Proxy Authentication Required"), "{kept}");
    let (code, printed, _) = phonectl(alice.socket(), &["trace", &call, "--full"]);
    assert!(
        code == 0
            && printed.contains("response=***")
            && printed.contains("─ 407 Proxy Authentication Required (INVITE) ─"),
        "{printed}"
    );
}

#[test]
fn a_ladder_has_a_line_a_message() {
    let (alice, _bob, mut a, _b, at_a, _) = talking();
    let follow = {
        let (socket, call) = (alice.socket().to_owned(), at_a.clone());
        std::thread::spawn(move || phonectl(&socket, &["trace", &call, "--follow"]))
    };
    let (code, ladder, _) = phonectl(alice.socket(), &["trace"]);
    assert_eq!(code, 0);
    let arrows: Vec<&str> = ladder.lines().filter(|line| line.contains('│')).collect();
    assert_eq!(arrows.len(), trace(&mut a, &at_a).len(), "{ladder}");
    assert!(arrows[0].contains(" INVITE ") && arrows[0].contains("─▶│") && arrows[0].contains("SDP PCMU"), "{ladder}");
    assert!(arrows.iter().any(|line| line.contains("│◀─") && line.contains(" 200 OK (INVITE) ")), "{ladder}");
    assert!(ladder.lines().next().unwrap().contains(&format!("phoned 127.0.0.1:{}", alice.port)), "{ladder}");
    a.verb("hangup", &at_a);
    let (code, followed, _) = follow.join().unwrap();
    assert!(code == 0 && followed.starts_with(&ladder), "{followed}\nafter\n{ladder}");
    assert!(followed.contains(" BYE "), "{followed}");
}

/// What tshark reads in a file: source, port, target, port, method or status, Call-ID of each packet.
fn tshark(file: &std::path::Path) -> Vec<String> {
    let fields = [
        "ip.src",
        "ipv6.src",
        "udp.srcport",
        "ip.dst",
        "ipv6.dst",
        "udp.dstport",
        "sip.Method",
        "sip.Status-Code",
        "udp.checksum.status",
        "_ws.malformed",
    ];
    let mut command = Command::new("tshark");
    command
        .args(["-o", "udp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE", "-T", "fields", "-E", "separator=,"])
        .arg("-r")
        .arg(file);
    command.args(fields.iter().flat_map(|field| ["-e", field]));
    let output = command.output().expect("tshark");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let rows = String::from_utf8(output.stdout).unwrap();
    rows.lines().map(|row| row.split(',').filter(|field| !field.is_empty()).collect::<Vec<_>>().join(" ")).collect()
}

#[test]
fn tshark_reads_it_as_sip() {
    let (alice, bob, mut a, _b, at_a, _) = talking();
    let file = alice.dir().join("call.pcap");
    let (code, _, complaint) = phonectl(alice.socket(), &["trace", &at_a, "--pcap", file.to_str().unwrap()]);
    assert_eq!((code, complaint.as_str()), (0, ""));
    let read = tshark(&file);
    let messages = trace(&mut a, &at_a);
    assert_eq!(read.len(), messages.len(), "{read:?}");
    assert_eq!(read[0], format!("127.0.0.1 {} 127.0.0.1 {} INVITE 1", alice.port, bob.port));
    assert!(
        read.iter().any(|row| *row == format!("127.0.0.1 {} 127.0.0.1 {} 200 1", bob.port, alice.port)),
        "{read:?}"
    );

    // The same over IPv6 and TLS.
    let message = |direction: &str, text: &str| {
        json!({"time": "2026-11-23T08:00:01.040Z", "direction": direction, "transport": "tls", "local": "[2001:db8::1]:5061",
               "remote": "[2001:db8::2]:40000", "message": text})
    };
    let head = "Via: SIP/2.0/TLS h;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\nCall-ID: x\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n";
    let messages = [
        message("in", &format!("INVITE sip:a@b SIP/2.0\r\n{head}")),
        message("out", &format!("SIP/2.0 486 Busy\r\n{head}")),
    ];
    let canned =
        Canned::start(json!({"session.trace": {"callId": "7", "live": false, "messages": messages, "leftOut": 0}}));
    let (code, _, complaint) = phonectl(&canned.socket, &["trace", "7", "--pcap", file.to_str().unwrap()]);
    assert_eq!((code, complaint.as_str()), (0, ""));
    assert_eq!(
        tshark(&file),
        ["2001:db8::2 40000 2001:db8::1 5061 INVITE 1", "2001:db8::1 5061 2001:db8::2 40000 486 1"]
    );
}

#[test]
fn who_only_sees_gets_no_sip() {
    let (dir, http) = (tempfile::tempdir().unwrap(), common::wait::free_port());
    let mut tables = format!("[http]\nlisten = \"127.0.0.1:{http}\"\n\n");
    for role in ["observe", "call"] {
        std::fs::write(dir.path().join(role), format!("{role}-0123456789abcdef0123456789abcdef\n")).unwrap();
        tables += &format!("[http.tokens.{role}]\nfile = \"{role}\"\nrole = \"{role}\"\n\n");
    }
    let alice = Daemon::start_in(dir, &Setup { tables: tables + &trunk("alice", 440), ..Setup::default() });
    let mut client = alice.connect();
    let call = client.dial("alice", &format!("sip:nobody@127.0.0.1:{}", common::wait::free_port()));
    let ask = |role: &str, method: &str| {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": {"callId": call}}).to_string();
        let mut stream = TcpStream::connect(("127.0.0.1", http)).unwrap();
        let head = format!(
            "POST /rpc HTTP/1.1\r\nHost: 127.0.0.1:{http}\r\nAuthorization: Bearer {role}-0123456789abcdef0123456789abcdef\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    let refused = ask("observe", "session.trace");
    assert!(refused.contains("-231") && !refused.contains("INVITE"), "{refused}");
    assert!(ask("call", "session.trace").contains("INVITE sip:nobody@"));
    let report = ask("observe", "session.report");
    assert!(report.contains("\"startedAt\"") && !report.contains("SIP/2.0"), "{report}");
}
