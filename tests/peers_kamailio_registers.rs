//! phoned registers to Kamailio with a digest: over UDP and TCP, MD5 and SHA-256; a wrong password is told and not hammered; it
//! takes its binding away when it stops.

mod common;

use std::collections::BTreeSet;

use common::daemon::{Daemon, Setup, account};
use common::kamailio::{DOMAIN, Kamailio, Setup as Registrar, password};
use common::wait::{secs, until};
use serde_json::json;

/// How many different requests with these words came: what a busy machine made the phone send again is none.
fn requests(kamailio: &Kamailio, words: &str) -> usize {
    let log = kamailio.log();
    let of = log.lines().filter(|line| line.contains(words)).filter_map(|line| line.split_once("request "));
    of.map(|(_, request)| request).collect::<BTreeSet<_>>().len()
}

fn registers(sha256: bool, transport: &str) {
    let kamailio = Kamailio::start(&Registrar { sha256, ..Registrar::users(&["alice"]) });
    let uri = format!("{};transport={transport}", kamailio.uri());
    let phoned =
        Daemon::start(&Setup { tables: account("alice", DOMAIN, &password("alice"), &uri, 440), ..Setup::default() });
    let mut client = phoned.connect();
    client.registered("alice", secs(30));
    let log = kamailio.log();
    assert!(log.contains(&format!("request REGISTER from alice via {transport}")), "{log}");
    assert_eq!(log.contains("algorithm=SHA-256"), sha256, "{log}");
    assert!(phoned.stop(), "SIGTERM ends it with 0");
    let last = until("the binding is taken away", secs(20), || {
        kamailio.log().lines().rfind(|l| l.contains("REGISTER")).map(str::to_string)
    });
    assert!(last.contains("nc=0000000"), "{last}");
    assert!(requests(&kamailio, "request REGISTER") <= 4, "one challenge at most: {}", kamailio.log());
}

#[test]
fn over_udp_with_md5() {
    registers(false, "udp");
}

#[test]
fn over_udp_with_sha256() {
    registers(true, "udp");
}

#[test]
fn over_tcp_with_md5() {
    registers(false, "tcp");
}

#[test]
fn over_tcp_with_sha256() {
    registers(true, "tcp");
}

#[test]
fn a_wrong_password_is_told_and_not_hammered() {
    let kamailio = Kamailio::start(&Registrar::users(&["alice"]));
    let phoned =
        Daemon::start(&Setup { tables: account("alice", DOMAIN, "wrong", &kamailio.uri(), 440), ..Setup::default() });
    let mut client = phoned.connect();
    let account = until("the refusal is seen", secs(30), || {
        let account = client.call("account.get", json!({"name": "alice"})).unwrap();
        (kamailio.log().matches("Digest username").count() >= 1 && account["isRegistered"] == false).then_some(account)
    });
    assert!(!account.to_string().contains("wrong"), "no password in {account}");
    std::thread::sleep(secs(2));
    let tries = requests(&kamailio, "Digest username");
    assert!(tries <= 4, "at most two tries a request, and a pause between requests: {tries}");
    assert!(!phoned.log().contains("\"wrong\""), "no password in the log");
}

#[test]
fn a_registrar_that_comes_late_is_found() {
    let setup = Registrar::users(&["alice"]);
    let port = common::wait::free_port();
    let uri = format!("sip:127.0.0.1:{port}");
    let phoned =
        Daemon::start(&Setup { tables: account("alice", DOMAIN, &password("alice"), &uri, 440), ..Setup::default() });
    let mut client = phoned.connect();
    std::thread::sleep(secs(1));
    let _kamailio = Kamailio::start_at(port, &setup);
    client.call("account.register", json!({"name": "alice"})).unwrap();
    client.registered("alice", secs(40));
}
