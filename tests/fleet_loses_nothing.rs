//! The bridge to a broker (NATS): every event is in its stream once, in the order of its session, through `kill -9` of the broker
//! and of phoned, and a broker that hangs; requests over it take the same way as any other, with their role; who cannot prove its
//! name is told nothing, and no secret is in a log.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test meets the clock and the system")]

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;

use common::daemon::{Client, Daemon, Setup, trunk};
use common::nats::{Kept, Nats};
use common::pki::Pki;
use common::process::Process;
use common::wait::{free_port, secs, soak, until};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

mod common;

/// Calls to nobody: each is six events or more.
fn short_calls(client: &mut Client, number: &str, count: usize) {
    for _ in 0..count {
        let call = client.dial("alice", number);
        client.verb("hangup", &call);
    }
}

fn silent() -> (std::net::UdpSocket, String) {
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let number = format!("sip:x@{}", socket.local_addr().unwrap());
    (socket, number)
}

fn fleet(url: &str, more: &str) -> String {
    format!("[fleet]\nurls = [\"{url}\"]\nhost = \"desk-17\"\n{more}\n\n")
}

fn start(dir: &Path, life: usize) -> (Process, Client) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_phoned"));
    command.arg("--config").arg(dir.join("phoned.toml")).env("RUST_LOG", "phoned=debug");
    let mut process = Process::start("phoned", &mut command, &dir.join(format!("log{life}")));
    let socket = dir.join("s");
    until("its socket", secs(20), || {
        assert!(process.ended().is_none(), "phoned ended: {}", process.log());
        UnixStream::connect(&socket).ok()
    });
    (process, Client::open(&socket))
}

fn status(client: &mut Client) -> Value {
    client.call("fleet.status", json!({})).unwrap()
}

/// Every event of the log, by its seq.
fn logged(client: &mut Client) -> BTreeMap<u64, Value> {
    let (mut all, mut next) = (BTreeMap::new(), Some(1));
    while let Some(from) = next {
        let page = client.call("events.replay", json!({ "fromSeq": from })).unwrap();
        all.extend(page["events"].as_array().unwrap().iter().map(|e| (e["seq"].as_u64().unwrap(), e.clone())));
        next = page["nextSeq"].as_u64();
    }
    all
}

/// Every event is there, each name once, as the log has it, and in the log's order.
fn complete(kept: &[Kept], logged: &BTreeMap<u64, Value>) {
    let seqs: Vec<u64> = kept.iter().map(|kept| kept.body["seq"].as_u64().unwrap()).collect();
    assert_eq!(seqs.iter().copied().collect::<BTreeSet<_>>(), logged.keys().copied().collect(), "a gap");
    assert!(seqs.is_sorted(), "out of order: {seqs:?}");
    let names: BTreeSet<&str> = kept.iter().map(|kept| kept.id.as_str()).collect();
    assert_eq!(names.len(), kept.len(), "an event is there twice");
    for kept in kept {
        let mut event = logged[&kept.body["seq"].as_u64().unwrap()].clone();
        event["host"] = json!("desk-17");
        assert_eq!(kept.body, event);
        assert_eq!(kept.id, format!("{}-{}", event["epoch"].as_str().unwrap(), event["seq"]));
        assert_eq!(kept.subject, format!("phoned.desk-17.events.{}", event["event"].as_str().unwrap()));
    }
}

#[test]
fn events_outlive_the_broker_and_the_daemon() {
    let dir = tempfile::tempdir().unwrap();
    let mut nats = Nats::start(dir.path(), "");
    let (path, port) = (dir.path().display().to_string(), free_port());
    let text = format!(
        "[rpc]\nsocket = \"{path}/s\"\n[sip]\nlisten = [\"udp:127.0.0.1:{port}\"]\n[audio]\nhost = \"none\"\ninput = \"null\"\noutput = \"null\"\n\
         [store]\ndir = \"{path}/state\"\n[phone]\ndials_per_second = 1000\n[accounts.alice]\nuri = \"sip:alice@127.0.0.1:{port}\"\n\
         register = false\n{}",
        fleet(&nats.url(), "")
    );
    std::fs::write(dir.path().join("phoned.toml"), text).unwrap();
    let (_nobody, number) = silent();
    let (mut process, mut client) = start(dir.path(), 0);
    let (lives, calls) = if soak() { (12, 100) } else { (3, 25) };
    for life in 1..=lives {
        // The broker is killed while events come, and is away for some of them.
        short_calls(&mut client, &number, calls);
        until("some are told", secs(60), || (status(&mut client)["published"].as_u64() > Some(0)).then_some(()));
        nats.kill();
        short_calls(&mut client, &number, calls);
        until("it is missed", secs(60), || (status(&mut client)["failures"].as_u64() > Some(0)).then_some(()));
        nats.rise();
        short_calls(&mut client, &number, calls);
        // The daemon is killed while it catches up, or a moment later.
        process.signal(Signal::SIGKILL);
        process.wait(secs(10)).unwrap();
        (process, client) = start(dir.path(), life);
    }
    // One that hangs takes no event, and slows no call down.
    until("it is told", secs(60), || (status(&mut client)["state"] == "connected").then_some(()));
    nats.signal(Signal::SIGSTOP);
    short_calls(&mut client, &number, calls);
    let behind = status(&mut client)["behind"].as_u64().unwrap();
    nats.signal(Signal::SIGCONT);
    assert!(behind > calls as u64, "{behind} events wait for a broker that hangs");

    until("all are told", secs(120), || (status(&mut client)["behind"] == 0).then_some(()));
    let told = status(&mut client);
    assert_eq!(
        (&told["state"], &told["lost"], &told["failures"]),
        (&json!("connected"), &json!(0), &json!(0)),
        "{told}"
    );
    let (logged, kept) = (logged(&mut client), nats.kept(&nats.client()));
    println!("{} events, {} times killed", logged.len(), 2 * lives);
    assert!(logged.len() > 6 * calls * lives, "{} events prove nothing", logged.len());
    complete(&kept, &logged);
    assert!(process.stop_within(secs(20)).success());
}

#[test]
fn requests_over_the_broker_have_a_role() {
    let dir = tempfile::tempdir().unwrap();
    let nats = Nats::start(dir.path(), "");
    let daemon = |more: &str| {
        let tables = trunk("alice", 440) + &fleet(&nats.url(), more);
        Daemon::start(&Setup { tables, ..Setup::default() })
    };
    let (_nobody, number) = silent();
    let (client, subject) = (nats.client(), "phoned.desk-17.rpc");
    let ask = |method: &str, params: Value| {
        let request = json!({ "jsonrpc": "2.0", "id": 7, "method": method, "params": params }).to_string();
        nats.ask(&client, subject, &request)
    };
    let connected = |control: &mut Client| {
        until("the broker is there", secs(20), || ask("daemon.info", json!({})));
        status(control)
    };

    // Who may see sees, and does nothing.
    let observer = daemon("");
    let mut control = observer.connect();
    let told = connected(&mut control);
    assert_eq!(
        (&told["host"], &told["rpc"], &told["stream"]),
        (&json!("desk-17"), &json!("observe"), &json!("PHONED"))
    );
    let health = ask("daemon.health", json!({})).unwrap();
    assert_eq!((&health["id"], &health["result"]["fleet"]["state"]), (&json!(7), &json!("connected")), "{health}");
    let refused = ask("phone.call", json!({ "number": number, "account": "alice" })).unwrap();
    assert_eq!(refused["error"]["code"], -231, "{refused}");
    let refused = ask("events.subscribe", json!({})).unwrap();
    assert_eq!(refused["error"]["code"], -32600, "{refused}");
    let junk = nats.ask(&client, subject, "{\"jsonrpc\"").unwrap();
    assert_eq!((&junk["id"], &junk["error"]["code"]), (&Value::Null, &json!(-32700)), "{junk}");
    let long = nats.ask(&client, subject, &" ".repeat(70_000)).unwrap();
    assert_eq!(long["error"]["code"], -32007, "{long}");
    let batch = json!([{ "jsonrpc": "2.0", "id": 1, "method": "daemon.info" }, { "jsonrpc": "2.0", "id": 2, "method": "account.list" }]);
    assert_eq!(nats.ask(&client, subject, &batch.to_string()).unwrap().as_array().unwrap().len(), 2);
    assert_eq!(control.call("phone.getSession", json!({})), Ok(json!([])), "nothing was called");
    assert!(observer.stop());

    // Who may call obeys the limits, and an idempotencyKey is one call.
    let caller = daemon("rpc = \"call\"\n\n[dial]\ncalls_per_minute = { call = 2 }");
    let mut control = caller.connect();
    connected(&mut control);
    let call = json!({ "number": number, "account": "alice", "idempotencyKey": "one" });
    let (first, again) = (ask("phone.call", call.clone()).unwrap(), ask("phone.call", call).unwrap());
    assert!(first["result"]["callId"].is_string(), "{first}");
    assert_eq!(first["result"]["callId"], again["result"]["callId"]);
    // Without a place for the answer nothing is done.
    let lonely = json!({ "jsonrpc": "2.0", "id": 1, "method": "phone.call", "params": { "number": number, "account": "alice" } });
    nats.publish(&client, subject, &lonely.to_string());
    until("it is refused", secs(20), || caller.log().contains("it wants no answer").then_some(()));
    let next = || ask("phone.call", json!({ "number": number, "account": "alice" })).unwrap();
    assert!(next()["result"]["callId"].is_string());
    let limited = next();
    assert_eq!(limited["error"]["data"]["retryable"], json!(true), "{limited}");
    assert!(ask("daemon.shutdown", json!({})).unwrap()["error"]["code"] == -231);
    assert!(caller.stop());

    // Where nobody listens, nobody answers.
    let deaf = daemon("rpc = \"off\"");
    let mut control = deaf.connect();
    until("the broker is there", secs(20), || (status(&mut control)["state"] == "connected").then_some(()));
    assert_eq!(ask("daemon.info", json!({})), None);
    assert!(deaf.stop());
}

#[test]
fn who_cannot_prove_its_name_is_told_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (known, unknown) = (Pki::new(dir.path(), "known"), Pki::new(dir.path(), "unknown"));
    let (_nobody, number) = silent();
    let tls = |server: &common::pki::Identity| {
        format!(
            "tls {{ cert_file: {:?}, key_file: {:?}, ca_file: {:?}, verify: true, timeout: 5 }}",
            server.certificate, server.key, known.ca_file
        )
    };
    let folder = |name: &str| {
        let path = dir.path().join(name);
        std::fs::create_dir(&path).unwrap();
        path
    };
    let good = Nats::start(&folder("good"), &tls(&known.identity("good", &["127.0.0.1"])));
    let stranger = Nats::start(&folder("stranger"), &tls(&unknown.identity("stranger", &["127.0.0.1"])));
    let other = Nats::start(&folder("other"), &tls(&known.identity("other", &["other.test"])));
    let ours = known.identity("desk", &["desk-17"]);
    let secure = |nats: &Nats, more: &str| fleet(&nats.url().replace("nats:", "tls:"), more);
    let trust = format!("ca_file = {:?}\ncertificate = {:?}\nkey = {:?}", known.ca_file, ours.certificate, ours.key);
    let end = |tables: String, wanted: &str| {
        let daemon = Daemon::start(&Setup { tables: trunk("alice", 440) + &tables, ..Setup::default() });
        let mut client = daemon.connect();
        short_calls(&mut client, &number, 2);
        let told = until(wanted, secs(30), || {
            let told = status(&mut client);
            let down = told["lastError"].as_str().is_some_and(|why| why.to_lowercase().contains(wanted));
            (down || (wanted == "connected" && told["behind"] == 0 && told["published"].as_u64() >= Some(12)))
                .then_some(told)
        });
        let log = daemon.log();
        assert!(daemon.stop());
        assert!(wanted == "connected" || (told["published"] == 0 && told["state"] == "down"), "{told}");
        log
    };
    end(secure(&good, &trust), "connected");
    end(secure(&stranger, &trust), "certificate");
    end(secure(&other, &trust), "certificate");
    // Without a certificate of ours the broker wants nothing of us.
    let anonymous = format!("ca_file = {:?}", known.ca_file);
    end(secure(&good, &anonymous), "");
    let kept = good.kept(
        &good.client_with(
            async_nats::ConnectOptions::new()
                .require_tls(true)
                .add_root_certificates(known.ca_file.clone())
                .add_client_certificate(ours.certificate.clone(), ours.key.clone()),
        ),
    );
    assert!(kept.len() >= 12);

    // Names and secrets: the right one is let in, the wrong one is not, and none is in the log.
    let key = nkeys::KeyPair::new_user();
    let seed = key.seed().unwrap();
    let users = format!(
        "authorization {{ users: [ {{ user: desk, password: \"right-password\" }}, {{ nkey: {} }} ] }}",
        key.public_key()
    );
    let named = Nats::start(&folder("named"), &users);
    let file = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, format!("{text}\n")).unwrap();
        path
    };
    let (right, wrong) = (file("right", "right-password"), file("wrong", "wrong-password"));
    let nkey = file("nkey", &seed);
    for (more, wanted) in [
        (format!("user = \"desk\"\npassword_file = {right:?}"), "connected"),
        (format!("nkey_file = {nkey:?}"), "connected"),
        (format!("user = \"desk\"\npassword_file = {wrong:?}"), "authorization"),
        (String::new(), "authorization"),
    ] {
        let log = end(fleet(&named.url(), &more), wanted);
        for secret in ["right-password", "wrong-password", seed.as_str()] {
            assert!(!log.contains(secret), "{log}");
        }
    }
    let token = Nats::start(&folder("token"), "authorization { token: \"a-token-of-theirs\" }");
    let held = file("token.txt", "a-token-of-theirs");
    let log = end(fleet(&token.url(), &format!("token_file = {held:?}")), "connected");
    assert!(!log.contains("a-token-of-theirs"));
}
