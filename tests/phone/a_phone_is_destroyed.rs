//! `phone.destroy`: every session ends as each would by itself, every registration goes, and `phone.start` begins anew; with a
//! callId it is `session.destroy`.

use phoned::ua::command::{Command, Destroy};
use phoned::ua::error::Code;
use serde_json::json;

use crate::net::Net;

#[test]
fn everything_ends_and_can_begin_anew() {
    let mut net = Net::new(1);
    let registrar = net.peer("registrar");
    let at = net.addr(registrar).ip();
    let alice = net.phone_with("alice", |_, account| {
        account.register = Some(true);
        account.registrar = Some(format!("sip:{at}"));
    });
    let register = net.expect(registrar, "REGISTER");
    let mut ok = net.response(registrar, &register, 200);
    ok.set("Contact", format!("{};expires=300", register.header("Contact").unwrap()));
    net.send_back(registrar, &ok);
    net.wait(alice, "registered");
    let (bob, carol) = (net.phone("bob"), net.phone("carol"));
    let (talking, _) = net.connect(alice, bob);
    net.call(carol, json!({ "number": net.uri(alice) }));
    let ringing = net.wait(alice, "incoming").call_id.unwrap();

    assert_eq!(net.ask(alice, Command::PhoneDestroy(Destroy::default())).unwrap(), json!(true));
    assert_eq!(net.last(alice, "ended")["cause"], "Terminated");
    assert_eq!(
        (net.last(alice, "ended")["by"].clone(), net.last(alice, "failed")["by"].clone()),
        ("local".into(), "local".into())
    );
    for call in [&talking, &ringing] {
        assert!(net.phone_of(alice).names_of(call).contains(&"deleteSession"));
    }
    net.wait(bob, "ended");
    net.wait(carol, "failed");
    let gone = net.expect(registrar, "REGISTER");
    assert!(gone.header("Expires") == Some("0") || gone.header("Contact").unwrap().contains("expires=0"));
    net.reply(registrar, &gone, 200);
    net.run_for(60_000);
    let phone = net.ask(alice, Command::PhoneGet).unwrap();
    assert_eq!((&phone["isRegistered"], &phone["sessions"]), (&json!(false), &json!([])));
    net.ask(alice, Command::Start).unwrap();
    net.expect(registrar, "REGISTER");
}

#[test]
fn one_session_goes_and_the_others_stay() {
    let mut net = Net::new(2);
    let (alice, bob, carol) = (net.phone("alice"), net.phone("bob"), net.phone("carol"));
    let (first, _) = net.connect(alice, bob);
    let (second, _) = net.connect(carol, alice);
    let destroy = |call: &str| Command::PhoneDestroy(Destroy { call_id: Some(call.into()) });
    net.ask(alice, destroy(&first)).unwrap();
    net.wait(bob, "ended");
    assert_eq!(net.ask(alice, destroy(&first)).unwrap_err().code, Code::NoSession);
    assert!(!net.phone_of(carol).names_of(&second).contains(&"ended"));
    assert_eq!(net.ask(alice, Command::PhoneGet).unwrap()["sessions"].as_array().unwrap().len(), 1);
}
