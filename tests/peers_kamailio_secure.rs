//! Kamailio over TLS, WebSocket and secure WebSocket: phoned registers with a digest, calls and is called with sound both ways,
//! names what is wrong with a certificate, and keeps a call whose WSS server is killed and started again and again.

mod common;

use std::path::Path;

use common::daemon::{Client, Daemon, Setup};
use common::kamailio::{DOMAIN, Kamailio, Setup as Registrar, password};
use common::pki::Pki;
use common::wait::{now, secs, soak};
use serde_json::json;

/// An account's table: it plays a tone and writes what it hears.
fn account(user: &str, uri: &str, transport: &str, ca: &Path, hz: u32, more: &str) -> String {
    format!(
        "[accounts.{user}]\nuri = \"sip:{user}@{DOMAIN}\"\nregistrar = \"{uri}\"\nproxies = [\"{uri};lr\"]\n\
         transport = \"{transport}\"\npassword = \"{}\"\ninput = \"tone:{hz}\"\noutput = \"file:{{dir}}/{user}.wav\"\n\
         tls_ca_file = \"{}\"\n{more}\n\n",
        password(user),
        ca.display()
    )
}

fn phoned(tables: String) -> Daemon {
    Daemon::start(&Setup { tables, ..Setup::default() })
}

fn registers(transport: &str) {
    let dir = tempfile::tempdir().unwrap();
    let pki = Pki::new(dir.path(), "ca");
    let secure = Some(pki.identity("server", &["127.0.0.1"]));
    let kamailio = Kamailio::start(&Registrar { secure, ..Registrar::users(&["alice"]) });
    let uri = if transport == "ws" { kamailio.uri() } else { kamailio.secure_uri() };
    let more = "ws_path = \"/sip\"\nws_query = \"key=tajna\"\nws_origin = \"https://example.com\"\nws_headers = [\"X-Token: tajna2\"]";
    let daemon = phoned(account("alice", &uri, transport, &pki.ca_file, 440, more));
    let mut client = daemon.connect();
    client.registered("alice", secs(20));
    let log = kamailio.log();
    assert!(log.contains(&format!("request REGISTER from alice via {transport}")), "{log}");
    if transport != "tls" {
        assert!(log.contains("upgrade /sip?key=tajna origin [https://example.com] [tajna2]"), "{log}");
    }
    let view = client.call("account.get", json!({"name": "alice"})).unwrap();
    assert_eq!(view["transport"], transport);
    assert!(!view.to_string().contains("tajna") && !daemon.log().contains("tajna"), "no secret is shown");
    assert!(daemon.stop());
}

#[test]
fn registers_over_tls() {
    registers("tls");
}

#[test]
fn registers_over_websocket() {
    registers("ws");
}

#[test]
fn registers_over_secure_websocket() {
    registers("wss");
}

#[test]
fn a_refused_certificate_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let (pki, strangers) = (Pki::new(dir.path(), "ca"), Pki::new(dir.path(), "other"));
    let secure = Some(pki.identity("server", &["sip.example.com"]));
    let kamailio = Kamailio::start(&Registrar { secure, ..Registrar::users(&["alice", "bob", "carol", "dave"]) });
    let uri = kamailio.secure_uri();
    let right = "tls_server_name = \"sip.example.com\"";
    let daemon = phoned(
        account("alice", &uri, "wss", &pki.ca_file, 440, "")
            + &account("bob", &uri, "tls", &strangers.ca_file, 440, right)
            + &account("carol", &uri, "tls", &pki.ca_file, 440, right)
            + &account("dave", &uri, "tls", &strangers.ca_file, 440, "tls_verify = false"),
    );
    let mut client = daemon.connect();
    client.registered("carol", secs(20));
    client.registered("dave", secs(20));
    let log = daemon.log();
    let warned =
        |name: &str| log.lines().any(|l| l.contains("WARN") && l.contains("tls_verify = false") && l.contains(name));
    assert!(warned("dave") && !warned("carol"), "who checks nothing is warned: {log}");
    for (name, what) in
        [("alice", "is for another name: sip.example.com, not 127.0.0.1"), ("bob", "is signed by an unknown CA")]
    {
        let reply = client.call("account.register", json!({"name": name})).expect_err("refused");
        assert!(reply.data.to_string().contains(what), "{reply:?}");
    }
    let events = client.events().to_vec();
    for (name, what) in [("alice", "sip.example.com"), ("bob", "unknown CA")] {
        let of = |e: &&serde_json::Value| e["event"] == "registrationFailed" && e["account"] == name;
        let reasons: Vec<String> = events.iter().filter(of).map(|e| e["data"]["reason"].to_string()).collect();
        assert!(!reasons.is_empty() && reasons.iter().all(|r| r.contains(what)), "{name}: {reasons:?}");
    }
}

/// Two phones over that server, registered.
fn pair(uri: &str, pki: &Pki) -> [(Daemon, Client); 2] {
    [("alice", 440), ("bob", 700)].map(|(name, hz)| {
        let daemon = phoned(account(name, uri, "wss", &pki.ca_file, hz, ""));
        let mut client = daemon.connect();
        client.registered(name, secs(20));
        (daemon, client)
    })
}

/// A call from alice to bob, talking: both callIds.
fn talk(alice: &mut Client, bob: &mut Client) -> (String, String) {
    let out = alice.dial("alice", "bob");
    let incoming = bob.wait_event("incoming", |_| true)["callId"].as_str().unwrap().to_owned();
    bob.verb("answer", &incoming);
    alice.wait_event("confirmed", |e| e["callId"] == out.as_str());
    bob.wait_event("confirmed", |e| e["callId"] == incoming.as_str());
    (out, incoming)
}

#[test]
fn a_call_over_secure_websockets() {
    let dir = tempfile::tempdir().unwrap();
    let pki = Pki::new(dir.path(), "ca");
    let secure = Some(pki.identity("server", &["127.0.0.1"]));
    let kamailio = Kamailio::start(&Registrar { secure, ..Registrar::users(&["alice", "bob"]) });
    let [(a, mut alice), (b, mut bob)] = pair(&kamailio.secure_uri(), &pki);
    let (out, incoming) = talk(&mut alice, &mut bob);
    a.hears("alice", 700.0);
    b.hears("bob", 440.0);
    alice.verb("hold", &out);
    bob.wait_event("statusChange", |e| e["data"]["newStatus"]["isRemoteHold"] == true);
    b.hears_nothing("bob");
    alice.verb("unhold", &out);
    b.hears("bob", 440.0);
    bob.verb("hold", &incoming);
    alice.wait_event("statusChange", |e| e["data"]["newStatus"]["isRemoteHold"] == true);
    bob.verb("unhold", &incoming);
    bob.verb("hangup", &incoming);
    assert_eq!(alice.wait_event("ended", |_| true)["data"]["by"], "remote");
}

/// A phone that its peer reaches by its Contact alone, and a peer by UDP that does not notice the outage.
fn the_peer_learns_the_new_contact(transport: &str) {
    let dir = tempfile::tempdir().unwrap();
    let pki = Pki::new(dir.path(), "ca");
    let secure = Some(pki.identity("server", &["127.0.0.1"]));
    let setup = Registrar { secure, no_gruu: true, ..Registrar::users(&["alice", "bob"]) };
    let kamailio = Kamailio::start(&setup);
    let a = phoned(account("alice", &kamailio.secure_uri(), transport, &pki.ca_file, 440, ""));
    let b = phoned(common::daemon::account("bob", DOMAIN, &password("bob"), &kamailio.uri(), 700));
    let (mut alice, mut bob) = (a.connect(), b.connect());
    alice.registered("alice", secs(20));
    bob.registered("bob", secs(20));
    let (out, incoming) = talk(&mut alice, &mut bob);
    let port = kamailio.port;
    drop(kamailio);
    alice.wait_event("disconnected", |_| true);
    let _kamailio = Kamailio::start_at(port, &setup);
    bob.wait_event_for("reinvite", secs(30), |e| e["data"]["reason"] == "refresh");
    // Now bob's requests arrive.
    seen(&mut bob, &incoming, "hold", &mut alice);
    seen(&mut bob, &incoming, "unhold", &mut alice);
    a.hears("alice", 700.0);
    b.hears("bob", 440.0);
    bob.verb("hangup", &incoming);
    assert_eq!(alice.wait_event("ended", |e| e["callId"] == out.as_str())["data"]["by"], "remote");
}

#[test]
fn the_peer_learns_the_new_contact_over_secure_websocket() {
    the_peer_learns_the_new_contact("wss");
}

#[test]
fn the_peer_learns_the_new_contact_over_tls() {
    the_peer_learns_the_new_contact("tls");
}

#[test]
fn a_trunk_calls_in_by_tls_and_is_called_back() {
    let dir = tempfile::tempdir().unwrap();
    let pki = Pki::new(dir.path(), "ca");
    let us = pki.identity("us", &["127.0.0.1"]);
    let tls = format!(
        "[tls]\nca_file = \"{}\"\ncertificate = \"{}\"\nkey = \"{}\"\n\n",
        pki.ca_file.display(),
        us.certificate.display(),
        us.key.display()
    );
    let start = |user, hz| {
        let tables = format!("{}{tls}", common::daemon::trunk(user, hz));
        Daemon::start(&Setup { tls: true, tables, ..Setup::default() })
    };
    let (a, b) = (start("alice", 440), start("bob", 700));
    let (mut alice, mut bob) = (a.connect(), b.connect());
    let ends = [("alice", &mut alice, a.port), ("bob", &mut bob, b.port)];
    let [mut caller, mut called] = ends;
    for _ in 0..2 {
        let out = caller.1.dial(caller.0, &format!("sip:{}@127.0.0.1:{};transport=tls", called.0, called.2 + 1));
        let incoming = called.1.wait_event("incoming", |_| true)["callId"].as_str().unwrap().to_owned();
        let view = called.1.call("session.get", json!({"callId": incoming})).unwrap();
        assert_eq!(view["RTCSession"]["transport"], "tls");
        called.1.verb("answer", &incoming);
        caller.1.wait_event("confirmed", |_| true);
        seen(called.1, &incoming, "hold", caller.1);
        seen(called.1, &incoming, "unhold", caller.1);
        seen(caller.1, &out, "hold", called.1);
        seen(caller.1, &out, "unhold", called.1);
        called.1.verb("hangup", &incoming);
        caller.1.wait_event("ended", |_| true);
        std::mem::swap(&mut caller, &mut called);
    }
}

/// A verb of `who`, seen by `other`. The far end may still be on its way back: then it is asked again.
fn seen(who: &mut Client, call: &str, verb: &str, other: &mut Client) {
    let end = now() + secs(30);
    while let Err(refusal) = who.call(&format!("session.{verb}"), json!({"callId": call})) {
        assert!(now() < end && [-216, -217, -230].contains(&refusal.code), "{verb}: {refusal:?}");
        std::thread::sleep(secs(1));
    }
    let held = verb == "hold";
    other.wait_event("statusChange", |e| e["data"]["newStatus"]["isRemoteHold"] == held);
}

#[test]
fn a_call_outlives_its_server() {
    let rounds = if soak() { 20 } else { 3 };
    let dir = tempfile::tempdir().unwrap();
    let pki = Pki::new(dir.path(), "ca");
    let secure = Some(pki.identity("server", &["127.0.0.1"]));
    let setup = Registrar { secure, ..Registrar::users(&["alice", "bob"]) };
    let mut kamailio = Kamailio::start(&setup);
    let port = kamailio.port;
    let [(a, mut alice), (b, mut bob)] = pair(&kamailio.secure_uri(), &pki);
    let (mut out, mut incoming) = talk(&mut alice, &mut bob);
    for round in 0..rounds {
        drop(kamailio);
        for client in [&mut alice, &mut bob] {
            client.wait_event("disconnected", |_| true);
        }
        // The voice goes on.
        a.hears("alice", 700.0);
        b.hears("bob", 440.0);
        kamailio = Kamailio::start_at(port, &setup);
        let back = now();
        for client in [&mut alice, &mut bob] {
            client.wait_event_for("connected", secs(30), |_| true);
        }
        alice.registered("alice", secs(30));
        bob.registered("bob", secs(30));
        println!("round {round}: registered {:.1} s after the server was back", back.elapsed().as_secs_f32());
        seen(&mut alice, &out, "hold", &mut bob);
        seen(&mut alice, &out, "unhold", &mut bob);
        seen(&mut bob, &incoming, "hold", &mut alice);
        seen(&mut bob, &incoming, "unhold", &mut alice);
        // Either side hangs up, in turn.
        let (who, call, other) =
            if round % 2 == 0 { (&mut alice, &out, &mut bob) } else { (&mut bob, &incoming, &mut alice) };
        who.verb("hangup", call);
        assert_eq!(other.wait_event("ended", |_| true)["data"]["by"], "remote", "round {round}");
        (out, incoming) = talk(&mut alice, &mut bob);
    }
    a.hears("alice", 700.0);
    b.hears("bob", 440.0);
}
