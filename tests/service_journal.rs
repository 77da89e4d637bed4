//! In the journal a line has the fields CALL_ID and ACCOUNT, so that all of a call is found; nothing in a value can begin a field of
//! its own. Elsewhere lines are text or JSON on stderr.

mod common;

use std::collections::BTreeMap;
use std::os::unix::net::UnixDatagram;

use common::daemon::{Daemon, Setup, trunk};
use common::wait::{free_port, secs, until};
use phoned::journal::Journal;
use tracing_subscriber::layer::SubscriberExt;

/// An entry of the native protocol, each field with its length.
fn fields(mut entry: &[u8]) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    while let Some(end) = entry.iter().position(|byte| *byte == b'\n') {
        let name = String::from_utf8(entry[..end].to_vec()).expect("a name");
        let length = u64::from_le_bytes(entry[end + 1..end + 9].try_into().expect("a length")) as usize;
        let value = String::from_utf8(entry[end + 9..end + 9 + length].to_vec()).expect("a value");
        assert_eq!(entry[end + 9 + length], b'\n');
        assert_eq!(all.insert(name, value), None, "each field once");
        entry = &entry[end + 10 + length..];
    }
    all
}

#[test]
fn a_line_has_fields_and_none_can_be_forged() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("journal");
    let socket = UnixDatagram::bind(&path).expect("a socket");
    socket.set_read_timeout(Some(secs(10))).expect("set");
    let journal = Journal::open(&path).expect("somebody listens");
    tracing::subscriber::with_default(tracing_subscriber::registry().with(journal), || {
        let (call_id, account, cause) = (Some("c0ffee"), None::<&str>, Some("evil\nPRIORITY=0\nMESSAGE=forged"));
        tracing::info!(call_id, account, cause, "ended");
        tracing::error!(error = %"two\nlines", "a fault");
    });
    let mut buffer = [0; 4096];
    let length = socket.recv(&mut buffer).expect("an entry");
    let entry = fields(&buffer[..length]);
    assert_eq!((entry["CALL_ID"].as_str(), entry["PRIORITY"].as_str()), ("c0ffee", "6"));
    assert_eq!(entry["SYSLOG_IDENTIFIER"], "phoned");
    assert!(entry["MESSAGE"].starts_with("ended call_id=\"c0ffee\" cause=\"evil\\n"), "{entry:?}");
    assert!(!entry.contains_key("ACCOUNT"), "{entry:?}");
    let length = socket.recv(&mut buffer).expect("an entry");
    let entry = fields(&buffer[..length]);
    assert_eq!((entry["PRIORITY"].as_str(), entry["MESSAGE"].as_str()), ("3", "a fault error=two\nlines"));
}

#[test]
fn a_call_is_logged_without_its_number() {
    let json = "[log]\nformat = \"json\"\n";
    let env = vec![("RUST_LOG".to_owned(), "info".to_owned())];
    let bob = Daemon::start(&Setup { tables: trunk("bob", 880) + json, env: env.clone(), ..Setup::default() });
    let table = trunk("alice", 440).replace("sip:alice@", "sip:+4930123456@");
    let alice = Daemon::start(&Setup { tables: table, env, ..Setup::default() });
    let (mut a, mut b) = (alice.connect(), bob.connect());
    a.dial("alice", &format!("sip:bob@127.0.0.1:{}", bob.port));
    let at_b = b.wait_event("incoming", |_| true)["callId"].as_str().expect("a callId").to_owned();
    b.verb("answer", &at_b);
    b.wait_event("confirmed", |_| true);
    b.verb("hangup", &at_b);
    b.wait_event("deleteSession", |_| true);
    let log = bob.log();
    let lines: Vec<serde_json::Value> =
        log.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("not JSON: {line}"))).collect();
    let of_call: Vec<_> = lines.iter().filter(|line| line["fields"]["call_id"] == at_b.as_str()).collect();
    let messages: Vec<_> = of_call.iter().filter_map(|line| line["fields"]["message"].as_str()).collect();
    assert_eq!(messages, ["incoming", "startSession", "confirmed", "ended"]);
    assert!(of_call.iter().all(|line| line["fields"]["account"] == "bob"), "{of_call:?}");
    assert!(!log.contains("4930123456"), "no number at info: {log}");
    assert!(!alice.log().contains("4930123456"), "no number at info: {}", alice.log());
}

#[test]
fn an_account_that_cannot_register_says_why_though_nobody_listens() {
    let table = format!(
        "[accounts.desk]\nuri = \"sip:desk@127.0.0.1:{0}\"\ntransport = \"tcp\"\npassword = \"one\"\n",
        free_port()
    );
    let env = vec![("PHONED_STORE__ENABLED".into(), "false".into()), ("RUST_LOG".into(), "info".into())];
    let daemon = Daemon::start(&Setup { tables: table, env, ..Setup::default() });
    let line = until("the journal says it", secs(30), || {
        daemon.log().lines().find(|line| line.contains("registrationFailed account=\"desk\"")).map(str::to_owned)
    });
    assert!(line.contains("cause=\"Connection Error\"") && line.contains("refused"), "{line}");
}
