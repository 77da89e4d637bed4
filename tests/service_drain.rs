//! Before it stops the daemon takes no new calls, neither in (503 with Retry-After) nor out (-228), and lets those that are go on:
//! heard as before, until they end, until the limit, or until somebody is in a hurry. Then it ends with 0.

mod common;

use std::net::UdpSocket;
use std::time::Duration;

use common::daemon::{Client, Daemon, Setup, trunk};
use common::registrar::{Registrar, header};
use common::wait::{secs, until};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;

/// Alice and Bob talk; the clients of both, and Alice's callId.
fn talking(phone: &str) -> (Daemon, Daemon, Client, Client, String) {
    let bob = Daemon::start(&Setup { tables: trunk("bob", 880), ..Setup::default() });
    let alice = Daemon::start(&Setup { tables: trunk("alice", 440), phone: phone.into(), ..Setup::default() });
    let (mut a, mut b) = (alice.connect(), bob.connect());
    let call = a.dial("alice", &format!("sip:bob@127.0.0.1:{}", bob.port));
    let at_b = b.wait_event("incoming", |_| true)["callId"].as_str().expect("a callId").to_owned();
    b.verb("answer", &at_b);
    b.wait_event("confirmed", |_| true);
    a.wait_event("confirmed", |_| true);
    (alice, bob, a, b, call)
}

fn signal(daemon: &Daemon) {
    kill(Pid::from_raw(daemon.pid() as i32), Signal::SIGTERM).expect("a signal");
}

/// An INVITE from nowhere in particular; the final answer to it.
fn invite(port: u16) -> String {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    socket.set_read_timeout(Some(secs(20))).expect("set");
    let own = socket.local_addr().expect("an address");
    let invite = format!(
        "INVITE sip:alice@127.0.0.1:{port} SIP/2.0\r\nVia: SIP/2.0/UDP {own};branch=z9hG4bKlate;rport\r\nMax-Forwards: 70\r\n\
         From: <sip:late@{own}>;tag=late\r\nTo: <sip:alice@127.0.0.1:{port}>\r\nCall-ID: late@{own}\r\nCSeq: 1 INVITE\r\n\
         Contact: <sip:late@{own}>\r\nContent-Length: 0\r\n\r\n"
    );
    socket.send_to(invite.as_bytes(), ("127.0.0.1", port)).expect("sent");
    loop {
        let mut buffer = [0; 4096];
        let (length, _) = socket.recv_from(&mut buffer).expect("an answer in time");
        let answer = String::from_utf8_lossy(&buffer[..length]).into_owned();
        if !answer.starts_with("SIP/2.0 1") {
            return answer;
        }
    }
}

#[test]
fn a_signal_lets_calls_end_and_takes_no_new_ones() {
    let (alice, bob, mut a, mut b, call) = talking("drain_timeout = 120");
    signal(&alice);
    let told = a.wait_event("daemon.draining", |_| true);
    assert_eq!(told["data"], json!({"sessions": 1, "timeout": 120}));
    let number = format!("sip:bob@127.0.0.1:{}", bob.port);
    assert_eq!(a.call("phone.call", json!({"number": number})).expect_err("no call out").code, -228);
    let answer = invite(alice.port);
    assert!(answer.starts_with("SIP/2.0 503 "), "{answer}");
    let retry = answer.lines().find_map(|line| line.strip_prefix("Retry-After: ")).expect("Retry-After");
    assert!((100..=130).contains(&retry.trim().parse::<u32>().expect("seconds")), "{retry}");
    assert_eq!(a.wait_event("callRejected", |_| true)["data"]["code"], 503);
    // The call that is goes on, both ways, and does what calls do.
    bob.hears("bob", 440.0);
    alice.hears("alice", 880.0);
    a.verb("hold", &call);
    a.verb("unhold", &call);
    a.verb("hangup", &call);
    assert_eq!(a.wait_event("daemon.drained", |_| true)["data"], json!({"ended": 0}));
    b.wait_event("ended", |_| true);
    assert!(alice.ends(secs(20)), "with 0, by itself");
}

#[test]
fn the_limit_ends_what_is_left() {
    let (alice, _bob, mut a, mut b, _) = talking("drain_timeout = 120");
    assert_eq!(a.call("daemon.drain", json!({})).expect("a drain"), json!({"sessions": 1, "timeout": 120}));
    // Another limit, as often as one likes.
    assert_eq!(a.call("daemon.drain", json!({"timeout": 1})).expect("a drain"), json!({"sessions": 1, "timeout": 1}));
    assert_eq!(a.wait_event("daemon.drained", |_| true)["data"], json!({"ended": 1}));
    assert_eq!(a.wait_event("ended", |_| true)["data"]["by"], "system");
    b.wait_event("ended", |event| event["data"]["by"] == "remote");
    assert!(alice.ends(secs(20)));
}

#[test]
fn a_second_signal_ends_calls_at_once() {
    let (alice, _bob, mut a, mut b, _) = talking("drain_timeout = 120");
    signal(&alice);
    a.wait_event("daemon.draining", |_| true);
    signal(&alice);
    b.wait_event("ended", |event| event["data"]["by"] == "remote");
    until("it is gone", secs(20), || alice.log().contains("stopped end=").then_some(()));
}

#[test]
fn five_calls_end_by_the_limit_and_the_account_unregisters() {
    let registrar = Registrar::new();
    let desk = format!(
        "[accounts.desk]\nuri = \"sip:desk@127.0.0.1:{0}\"\nregistrar = \"sip:127.0.0.1:{0}\"\npassword = \"one\"\n",
        registrar.port()
    );
    let bob = Daemon::start(&Setup {
        tables: trunk("bob", 880).replace("trusted", "auto_answer = 0\ntrusted"),
        ..Setup::default()
    });
    let tables = trunk("alice", 440) + &desk;
    let alice = Daemon::start(&Setup { tables, phone: "drain_timeout = 3".into(), ..Setup::default() });
    let (mut a, mut b) = (alice.connect(), bob.connect());
    assert_ne!(header(&registrar.next(secs(10)).expect("it registers"), "Expires"), "0");
    a.registered("desk", secs(30));
    let number = format!("sip:bob@127.0.0.1:{}", bob.port);
    for _ in 0..5 {
        a.dial("alice", &number);
        a.wait_event("confirmed", |_| true);
    }
    signal(&alice);
    assert_eq!(a.wait_event("daemon.draining", |_| true)["data"]["sessions"], 5);
    assert_eq!(
        a.call("phone.call", json!({"number": number, "account": "alice"})).expect_err("no call out").code,
        -228
    );
    assert!(invite(alice.port).starts_with("SIP/2.0 503 "));
    assert_eq!(registrar.next(Duration::from_millis(300)), None, "still registered: the calls go on");
    assert_eq!(a.wait_event("daemon.drained", |_| true)["data"], json!({"ended": 5}));
    for _ in 0..5 {
        b.wait_event("ended", |event| event["data"]["by"] == "remote");
    }
    assert_eq!(header(&registrar.next(secs(10)).expect("it unregisters"), "Expires"), "0");
    assert!(alice.ends(secs(20)));
}
