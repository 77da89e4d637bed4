//! Webhooks: every event at least once and in the order of its session, through refusals, silence, a dead server and `kill -9`;
//! signatures that the library of the Standard Webhooks rules takes; a server that hangs slows nothing; refused events are dead
//! letters; 410 switches off, a test on; who cannot prove its name, and who is redirected to, is told nothing.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test meets the clock and the system")]

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use common::daemon::{Client, Daemon, Setup, trunk};
use common::pki::Pki;
use common::process::Process;
use common::wait::{free_port, now, secs, until};
use common::web::{Asked, Says, Web};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

mod common;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn says(status: u16) -> Says {
    Says::Answer(Duration::ZERO, status, String::new())
}

fn hook(name: &str, url: &str, more: &str) -> String {
    format!("[webhooks.{name}]\nurl = \"{url}\"\nsecret = \"{SECRET}\"\nretry_ms = 20\n{more}\n")
}

fn body(asked: &Asked) -> Value {
    serde_json::from_slice(&asked.body).unwrap()
}

fn seq(asked: &Asked) -> u64 {
    body(asked)["seq"].as_u64().unwrap_or(0)
}

fn verify(asked: &[Asked]) {
    let tool = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tools/py.sh");
    let found = Command::new(tool).arg("standardwebhooks==1.1.0").stderr(Stdio::inherit()).output().unwrap();
    assert!(found.status.success(), "no Python with standardwebhooks");
    let mut python = Command::new(String::from_utf8(found.stdout).unwrap().trim())
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tools/signatures.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = python.stdin.take().unwrap();
    for one in asked {
        let body = String::from_utf8(one.body.clone()).unwrap();
        let line = json!({ "secret": SECRET, "headers": one.headers, "body": body });
        writeln!(input, "{line}").unwrap();
    }
    drop(input);
    let output = python.wait_with_output().unwrap();
    assert!(output.status.success(), "a signature is wrong");
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), asked.len().to_string());
}

fn webhook(client: &mut Client, name: &str) -> Value {
    let list = client.call("webhook.list", json!({})).unwrap();
    list.as_array().unwrap().iter().find(|hook| hook["name"] == name).unwrap().clone()
}

/// A call to nobody: a session begins and ends.
fn short_call(client: &mut Client, number: &str) {
    let call = client.dial("alice", number);
    client.verb("hangup", &call);
}

fn silent() -> (std::net::UdpSocket, String) {
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let number = format!("sip:x@{}", socket.local_addr().unwrap());
    (socket, number)
}

#[test]
fn a_thousand_events_outlive_kills() {
    let mut web = Web::start(|asked, before| match before % 11 {
        _ if before < 60 => says(204),
        // Twice it hangs.
        _ if before == 300 || before == 900 => Says::Nothing,
        3 => says(500),
        5 => Says::Close,
        7 => Says::Answer(Duration::from_millis(30), 503, String::new()),
        _ if seq(asked).is_multiple_of(40) => Says::Answer(Duration::from_millis(200), 200, "{}".into()),
        _ => says(200),
    });
    let dir = tempfile::tempdir().unwrap();
    let (path, port) = (dir.path().display().to_string(), free_port());
    let text = format!(
        "[rpc]\nsocket = \"{path}/s\"\n[sip]\nlisten = [\"udp:127.0.0.1:{port}\"]\n[audio]\nhost = \"none\"\ninput = \"null\"\noutput = \"null\"\n\
         [store]\ndir = \"{path}/state\"\n[phone]\ndials_per_second = 1000\n[accounts.alice]\nuri = \"sip:alice@127.0.0.1:{port}\"\nregister = false\n{}",
        hook("crm", &web.url("/phone?key=hidden"), "tries = 1000\ntimeout = 1")
    );
    std::fs::write(dir.path().join("phoned.toml"), text).unwrap();
    let start = |life: usize| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_phoned"));
        command.arg("--config").arg(dir.path().join("phoned.toml")).env("RUST_LOG", "phoned=debug");
        let process = Process::start("phoned", &mut command, &dir.path().join(format!("log{life}")));
        until("its socket", secs(20), || UnixStream::connect(dir.path().join("s")).ok());
        (process, Client::open(&dir.path().join("s")))
    };
    let (_nobody, number) = silent();
    let (mut process, mut client) = start(0);
    for life in 1..=3 {
        (0..70).for_each(|_| short_call(&mut client, &number));
        // In the middle: between two deliveries, or within one.
        let enough = web.asked().len() + 150;
        until("some are told", secs(60), || (web.asked().len() >= enough).then_some(()));
        // Once the server is dead when we are killed, and comes back after us.
        if life == 2 {
            web.die();
        }
        process.signal(Signal::SIGKILL);
        process.wait(secs(10)).unwrap();
        (process, client) = start(life);
        if life == 2 {
            until("nobody is there", secs(30), || (webhook(&mut client, "crm")["failures"] != 0).then_some(()));
            web.rise();
        }
    }
    let caught_up = |client: &mut Client| (webhook(client, "crm")["behind"] == 0).then_some(());
    until("all are told", secs(180), || caught_up(&mut client));
    let told = webhook(&mut client, "crm");
    assert_eq!((&told["state"], &told["dead"], &told["lost"]), (&json!("ok"), &json!(0), &json!(0)), "{told}");
    assert_eq!(told["url"], json!(web.url("/phone")), "the query stays hidden");

    let (mut logged, mut next) = (BTreeSet::new(), Some(1));
    while let Some(from) = next {
        let page = client.call("events.replay", json!({ "fromSeq": from })).unwrap();
        logged.extend(page["events"].as_array().unwrap().iter().map(|event| event["seq"].as_u64().unwrap()));
        next = page["nextSeq"].as_u64();
    }
    let asked = web.asked();
    assert!(logged.len() >= 1000, "{} events are too few to prove anything", logged.len());
    assert_eq!(asked.iter().map(seq).collect::<BTreeSet<_>>(), logged);
    // In the log's order, and so in each session's, save what comes again; the same id is always the same event.
    let (mut last, mut bodies) = (0, BTreeMap::new());
    for one in &asked {
        assert!(seq(one) <= last + 1, "{} after {last}", seq(one));
        last = last.max(seq(one));
        let first = bodies.entry(one.headers["webhook-id"].clone()).or_insert_with(|| one.body.clone());
        assert_eq!(*first, one.body);
    }
    assert_eq!(bodies.len(), logged.len());
    println!("{} events in {} posts", logged.len(), asked.len());
    verify(&asked);
    assert!(process.stop_within(secs(20)).success());
}

#[test]
fn a_server_that_hangs_slows_nothing() {
    let (good, dead) = (Web::start(|_, _| says(204)), Web::start(|_, _| Says::Nothing));
    let tables = trunk("alice", 440)
        + &hook("dead", &dead.url("/"), "timeout = 30")
        + &hook("good", &good.url("/"), "events = [\"newRTCSession\", \"cdrChange\"]\naccount = \"alice\"");
    let daemon = Daemon::start(&Setup { tables, ..Setup::default() });
    let mut client = daemon.connect();
    let (_nobody, number) = silent();
    until("it hangs", secs(20), || {
        short_call(&mut client, &number);
        (!dead.asked().is_empty()).then_some(())
    });
    let begun = now();
    let calls = good.asked().len() / 2 + 5;
    (0..5).for_each(|_| short_call(&mut client, &number));
    until("the other is told", secs(20), || (good.asked().len() >= 2 * calls).then_some(()));
    assert!(begun.elapsed() < secs(20), "{:?}", begun.elapsed());
    assert_eq!(dead.asked().len(), 1, "it still waits for the first answer");
    let (slow, quick) = (webhook(&mut client, "dead"), webhook(&mut client, "good"));
    assert!(slow["behind"].as_u64().unwrap() > 20, "{slow}");
    assert_eq!(quick["state"], "ok");
    let types: BTreeSet<String> =
        good.asked().iter().map(|asked| body(asked)["type"].as_str().unwrap().to_owned()).collect();
    assert_eq!(types, ["cdrChange", "newRTCSession"].map(str::to_owned).into());
    let cdr = good.asked().iter().map(body).find(|body| body["type"] == "cdrChange").unwrap();
    assert_eq!((&cdr["account"], &cdr["data"]["cdr"]["number"]), (&json!("alice"), &json!("x")));
    assert!(daemon.stop());
}

#[test]
fn what_is_refused_is_a_dead_letter_and_410_switches_off() {
    let refuses = Arc::new(AtomicBool::new(true));
    let still = refuses.clone();
    let web = Web::start(move |asked, before| {
        let body: Value = body(asked);
        match body["type"].as_str().unwrap() {
            "newRTCSession" if still.load(Ordering::Relaxed) => says(422),
            "deleteSession" if before < 40 => says(410),
            "webhook.test" if before < 2 => says(410),
            _ => says(200),
        }
    });
    let more = "tries = 3\nevents = [\"newRTCSession\", \"startSession\", \"deleteSession\", \"cdrChange\"]";
    let daemon =
        Daemon::start(&Setup { tables: trunk("alice", 440) + &hook("crm", &web.url("/"), more), ..Setup::default() });
    let mut client = daemon.connect();
    let (_nobody, number) = silent();
    short_call(&mut client, &number);
    let off =
        until("it is off", secs(20), || Some(webhook(&mut client, "crm")).filter(|hook| hook["state"] == "disabled"));
    let told: Vec<String> = web.asked().iter().map(|asked| body(asked)["type"].as_str().unwrap().to_owned()).collect();
    assert_eq!(told, ["newRTCSession", "newRTCSession", "newRTCSession", "startSession", "deleteSession"]);
    let letter = &off["deadLetters"][0];
    assert_eq!(
        (&off["dead"], &letter["event"], &letter["reason"]),
        (&json!(1), &json!("newRTCSession"), &json!("the server says 422"))
    );
    let page = client.call("events.replay", json!({ "fromSeq": letter["seq"], "limit": 1 })).unwrap();
    assert_eq!((&page["events"][0]["event"], &page["events"][0]["callId"]), (&letter["event"], &letter["callId"]));

    // A dead letter is sent again when somebody says so: as long as it is refused it stays one.
    let again = client.call("webhook.retry", json!({ "name": "crm", "id": "no-such" })).unwrap_err();
    assert_eq!((again.code, &again.data["path"]), (-32602, &json!("id")));
    let again = client.call("webhook.retry", json!({ "name": "crm" })).unwrap();
    assert_eq!(again, json!({ "delivered": 0, "failed": 1, "left": 1, "error": "the server says 422" }));
    refuses.store(false, Ordering::Relaxed);
    let ctl = |arguments: &[&str]| {
        let mut phonectl = Command::new(env!("CARGO_BIN_EXE_phonectl"));
        let output = phonectl.arg("webhooks").args(arguments).env("PHONED_SOCKET", daemon.socket()).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    assert_eq!(ctl(&["retry", "crm", "999999"]).0, Some(1));
    assert_eq!(ctl(&["retry", "crm", &letter["seq"].to_string()]), (Some(0), "1 taken, 0 not; 0 are left\n".into()));
    let raised = web.asked().pop().unwrap();
    let id = format!("{}-{}", letter["epoch"].as_str().unwrap(), letter["seq"]);
    assert_eq!((&raised.headers["webhook-id"], seq(&raised)), (&id, letter["seq"].as_u64().unwrap()));
    let hook = webhook(&mut client, "crm");
    assert_eq!((&hook["dead"], &hook["deadLetters"], &hook["state"]), (&json!(0), &json!([]), &json!("disabled")));

    let unknown = client.call("webhook.test", json!({ "name": "cmr" })).unwrap_err();
    assert_eq!((unknown.code, &unknown.data["path"]), (-32602, &json!("name")));
    let tested = client.call("webhook.test", json!({ "name": "crm" })).unwrap();
    assert_eq!((&tested["delivered"], &tested["status"]), (&json!(true), &json!(200)));
    // 410 again: the event is tried at once.
    until("it is tried again", secs(20), || {
        (webhook(&mut client, "crm")["state"] == "disabled" && web.asked().len() >= 9).then_some(())
    });
    while web.asked().len() < 40 {
        client.call("webhook.test", json!({ "name": "crm" })).unwrap();
    }
    client.call("webhook.test", json!({ "name": "crm" })).unwrap();
    until("all is told", secs(20), || (webhook(&mut client, "crm")["behind"] == 0).then_some(()));
    assert!(web.asked().iter().any(|asked| body(asked)["type"] == "cdrChange"));
    verify(&web.asked());
    assert!(!daemon.log().contains(SECRET) && !daemon.log().contains("MfKQ9r8G"));
    assert!(daemon.stop());
}

#[test]
fn who_cannot_prove_its_name_is_told_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (known, unknown) = (Pki::new(dir.path(), "known"), Pki::new(dir.path(), "unknown"));
    let good = Web::start_tls(&known.identity("good", &["localhost"]), |_, _| says(204));
    let other = Web::start_tls(&known.identity("other", &["other.test"]), |_, _| says(204));
    let stranger = Web::start_tls(&unknown.identity("stranger", &["localhost"]), |_, _| says(204));
    let expired = Web::start_tls(&known.expired("expired", &["localhost"]), |_, _| says(204));
    let elsewhere = Web::start(|_, _| says(204));
    let to = elsewhere.url("/steal");
    let redirects = Web::start(move |_, _| Says::Redirect(to.clone()));
    let https = |web: &Web| format!("https://localhost:{}/phone?key=hidden", web.port());
    let tables = trunk("alice", 440)
        + &hook("good", &https(&good), "")
        + &hook("other", &https(&other), "")
        + &hook("stranger", &https(&stranger), "")
        + &hook("expired", &https(&expired), "")
        + &hook("redirects", &redirects.url("/"), "tries = 2");
    let env = vec![("SSL_CERT_FILE".to_owned(), known.ca_file.display().to_string())];
    let daemon = Daemon::start(&Setup { tables, env, ..Setup::default() });
    let mut client = daemon.connect();
    let (_nobody, number) = silent();
    short_call(&mut client, &number);
    until("the good one is told", secs(30), || (webhook(&mut client, "good")["behind"] == 0).then_some(()));
    for name in ["other", "stranger", "expired"] {
        let told = until(name, secs(30), || Some(webhook(&mut client, name)).filter(|hook| hook["state"] == "failing"));
        assert!(told["lastError"].as_str().unwrap().contains("certificate"), "{told}");
    }
    let told =
        until("a dead letter", secs(30), || Some(webhook(&mut client, "redirects")).filter(|hook| hook["dead"] != 0));
    assert_eq!(told["deadLetters"][0]["reason"], "the server says 302");
    let silent = [&other, &stranger, &expired, &elsewhere].map(|web| web.asked().len());
    assert_eq!((silent, good.asked().is_empty()), ([0; 4], false));
    assert!(!daemon.log().contains("hidden") && !daemon.log().contains("MfKQ9r8G"));
    assert!(daemon.stop());
}
