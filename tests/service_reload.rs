//! The configuration is read anew while calls are up: SIGHUP or `daemon.reload`. A fault in it changes nothing and is told with file,
//! line, column and key; what is right is taken over, what has to wait for a restart is named, and no call hears of it.

mod common;

use common::daemon::{Client, Daemon, Setup, trunk};
use common::registrar::{Registrar, header};
use common::wait::secs;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

/// Changes a daemon's file.
fn edit(daemon: &Daemon, from: &str, to: &str) {
    let file = daemon.dir().join("phoned.toml");
    let text = std::fs::read_to_string(&file).expect("its configuration");
    assert!(text.contains(from), "{text}");
    std::fs::write(&file, text.replacen(from, to, 1)).expect("written");
}

fn hangup_signal(daemon: &Daemon) {
    kill(Pid::from_raw(daemon.pid() as i32), Signal::SIGHUP).expect("a signal");
}

fn reload(client: &mut Client) -> Value {
    client.call("daemon.reload", json!({})).expect("the files are right")
}

/// Alice and Bob talk.
fn talking(alice: &Setup) -> (Daemon, Daemon, Client, Client, String) {
    let bob = Daemon::start(&Setup { tables: trunk("bob", 880), ..Setup::default() });
    let alice = Daemon::start(alice);
    let (mut a, mut b) = (alice.connect(), bob.connect());
    let call = a.dial("alice", &format!("sip:bob@127.0.0.1:{}", bob.port));
    let at_b = b.wait_event("incoming", |_| true)["callId"].as_str().expect("a callId").to_owned();
    b.verb("answer", &at_b);
    b.wait_event("confirmed", |_| true);
    (alice, bob, a, b, call)
}

#[test]
fn a_fault_changes_nothing_and_is_told() {
    let (alice, bob, mut a, _b, _) =
        talking(&Setup { tables: trunk("alice", 440), phone: "ring_timeout = 100".into(), ..Setup::default() });
    edit(&alice, "ring_timeout = 100", "ring_timeout = 50\nmax_calls = 0");
    let line = std::fs::read_to_string(alice.dir().join("phoned.toml")).expect("its configuration");
    let line = line.lines().position(|line| line == "max_calls = 0").expect("the line") + 1;
    let place = format!("{}:{line}:13", alice.dir().join("phoned.toml").display());
    let refusal = a.call("daemon.reload", json!({})).expect_err("a fault");
    assert_eq!((refusal.code, refusal.message.as_str()), (-227, "CONFIG_REFUSED"));
    let describe = refusal.data["describe"].as_str().expect("text").to_owned();
    assert!(describe.starts_with(&format!("{place}: phone.max_calls: ")), "{describe}");
    let told = a.wait_event("daemon.reloadFailed", |_| true);
    assert_eq!(told["data"]["faults"][0]["place"], place);
    assert_eq!(told["data"]["faults"][0]["key"], "phone.max_calls");
    assert_eq!(told["data"]["faults"].as_array().map(Vec::len), Some(1));
    hangup_signal(&alice);
    a.wait_event("daemon.reloadFailed", |_| true);
    assert!(alice.log().contains(&place), "the log says where");
    // Nothing of it was taken over: what is told next is against what was before.
    bob.hears("bob", 440.0);
    edit(&alice, "\nmax_calls = 0", "");
    assert_eq!(reload(&mut a), json!({"changed": ["phone.ring_timeout"], "needsRestart": []}));
    assert_eq!(reload(&mut a), json!({"changed": [], "needsRestart": []}));
}

#[test]
fn changes_are_taken_over_and_no_call_hears_of_it() {
    let alice = Setup { tables: trunk("alice", 440) + &trunk("extra", 660), ..Setup::default() };
    let (alice, bob, mut a, mut b, call) = talking(&alice);
    bob.hears("bob", 440.0);
    // Over the socket: the files do not know of it, and leave it alone.
    let own = json!({"name": "own", "account": {"uri": "sip:own@127.0.0.1", "register": false}});
    a.call("account.add", own).expect("an account");
    a.call("phone.setRecordPermissions", json!({"permissions": 1})).expect("set");
    // Alice leaves the files while she talks; extra changes; a new one comes; T1 has to wait.
    edit(&alice, "[accounts.alice]", "[accounts.new]");
    edit(&alice, "sip:alice@", "sip:new@");
    edit(&alice, "input = \"tone:660\"", "input = \"tone:550\"");
    edit(&alice, "[sip]\n", "[sip]\nt1_ms = 400\n");
    hangup_signal(&alice);
    let told = a.wait_event("daemon.reloaded", |_| true)["data"].clone();
    let changed = ["accounts.alice", "accounts.extra.input", "accounts.new"];
    assert_eq!(told, json!({"changed": changed, "needsRestart": ["sip.t1_ms"]}));
    assert_eq!(reload(&mut a), json!({"changed": [], "needsRestart": ["sip.t1_ms"]}), "it still does");
    let names = |a: &mut Client| {
        let list = a.call("account.list", json!({})).expect("a list");
        list.as_array().expect("a list").iter().map(|account| account["name"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(names(&mut a), ["alice", "extra", "new", "own"], "alice is still needed");
    assert_eq!(a.call("account.get", json!({"name": "extra"})).expect("an account")["input"], "tone:550");
    assert_eq!(a.call("phone.get", json!({})).expect("the phone")["recordPermissions"], 1);
    // But for nothing new.
    let number = format!("sip:bob@127.0.0.1:{}", bob.port);
    let dial = json!({"number": number, "account": "alice"});
    assert_eq!(a.call("phone.call", dial).expect_err("no new call").code, -214);
    let to_alice = b.call("phone.call", json!({"number": format!("sip:alice@127.0.0.1:{}", alice.port)}));
    to_alice.expect("an INVITE");
    assert_eq!(b.wait_event("failed", |_| true)["data"]["code"], 480);
    // The call goes on, and does what calls do.
    bob.hears("bob", 440.0);
    alice.hears("alice", 880.0);
    a.verb("hold", &call);
    a.verb("unhold", &call);
    bob.hears("bob", 440.0);
    a.verb("hangup", &call);
    a.wait_event("account.removed", |event| event["account"] == "alice");
    assert_eq!(names(&mut a), ["extra", "new", "own"]);
    a.dial("new", &number);
    b.wait_event("incoming", |_| true);
}

#[test]
fn a_binding_follows_the_files() {
    let registrar = Registrar::new();
    let table = format!(
        "[accounts.desk]\nuri = \"sip:desk@127.0.0.1:{0}\"\nregistrar = \"sip:127.0.0.1:{0}\"\npassword = \"one\"\n",
        registrar.port()
    );
    let daemon = Daemon::start(&Setup { tables: table.clone(), ..Setup::default() });
    let mut client = daemon.connect();
    let first = registrar.next(secs(10)).expect("it registers");
    client.registered("desk", secs(30));
    // What the registrar has nothing to do with asks it nothing.
    edit(&daemon, "password = \"one\"", "password = \"one\"\nauto_answer = 5");
    assert_eq!(reload(&mut client)["changed"], json!(["accounts.desk.auto_answer"]));
    assert_eq!(registrar.next(secs(1)), None);
    edit(&daemon, "password = \"one\"", "password = \"two\"");
    let changed = reload(&mut client);
    assert_eq!(changed["changed"], json!(["accounts.desk.password"]));
    assert!(!changed.to_string().contains("two"), "no secret is told");
    let second = registrar.next(secs(10)).expect("it registers anew");
    assert_eq!(header(&first, "Call-ID"), header(&second, "Call-ID"));
    assert!(header(&second, "CSeq") > header(&first, "CSeq"), "{second}");
    client.registered("desk", secs(30));
    edit(&daemon, table.replace("one", "two").trim_end(), "");
    edit(&daemon, "auto_answer = 5", "");
    assert_eq!(reload(&mut client)["changed"], json!(["accounts.desk"]));
    let last = registrar.next(secs(10)).expect("it unregisters");
    assert_eq!(header(&last, "Expires"), "0");
    client.wait_event("account.removed", |_| true);
    assert!(!daemon.log().contains("\"two\""), "no secret is logged");
}

#[test]
fn a_credential_of_the_service_manager_is_a_password() {
    let credentials = tempfile::tempdir().expect("a folder");
    std::fs::write(credentials.path().join("office"), "secret\n").expect("written");
    let table = trunk("office", 440).replace("password = \"office-secret\"", "password_credential = \"office\"");
    let folder = credentials.path().display().to_string();
    let env = vec![("CREDENTIALS_DIRECTORY".into(), folder)];
    let daemon = Daemon::start(&Setup { tables: table, env, ..Setup::default() });
    let mut client = daemon.connect();
    std::fs::write(credentials.path().join("office"), "another\n").expect("written");
    assert_eq!(reload(&mut client)["changed"], json!(["accounts.office.password"]));
    std::fs::remove_file(credentials.path().join("office")).expect("removed");
    let describe = client.call("daemon.reload", json!({})).expect_err("it is gone").data["describe"].clone();
    assert!(describe.as_str().expect("text").contains("accounts.office.password_credential"), "{describe}");
}
