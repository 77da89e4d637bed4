//! Every refusal is an error with a code, in the order of checks of docs/API.md; never a silent nothing.

use phoned::ua::command::{Call, CallOption, CallRef, Command, DtmfMethod, Terminate, TerminateType};
use phoned::ua::error::Code;
use serde_json::json;

use crate::net::{Net, Who};

fn refused(net: &mut Net, who: Who, number: &str) -> Code {
    net.ask(who, Command::Call(Call { number: number.into(), ..Call::default() })).unwrap_err().code
}

#[test]
fn a_call_that_cannot_be_made_says_why() {
    let mut net = Net::new(1);
    let carol = net.peer("carol");
    let number = net.uri(carol);
    let alice = net.phone_with("alice", |settings, account| {
        settings.phone.dials_per_second = 3;
        settings.phone.max_calls_per_seat = 2;
        account.seat = Some("desk".into());
    });
    let unknown = Call { number: number.clone(), account: Some("nobody".into()), ..Call::default() };
    assert_eq!(net.ask(alice, Command::Call(unknown)).unwrap_err().code, Code::NoAccount);
    assert_eq!(refused(&mut net, alice, "no number at all"), Code::InvalidNumber);
    net.call(alice, json!({ "number": number }));
    assert_eq!(refused(&mut net, alice, &number), Code::NotConnected);
    assert_eq!(refused(&mut net, alice, &number), Code::NotConnected);
    assert_eq!(refused(&mut net, alice, &number), Code::TooManyDials, "-210 does not hide -208");
    assert_eq!(refused(&mut net, alice, ""), Code::InvalidNumber, "nor -209");
    let consultation = Call { number: number.clone(), transfer_id: Some("none".into()), ..Call::default() };
    net.run_for(1_500);
    let first = net.phone_of(alice).events.iter().find(|e| e.name == "newRTCSession").unwrap().call_id.clone().unwrap();
    net.hangup(alice, &first).unwrap();
    assert_eq!(net.ask(alice, Command::Call(consultation)).unwrap_err().code, Code::NoParent);
}

#[test]
fn a_full_seat_and_an_unregistered_account_refuse() {
    let mut net = Net::new(2);
    let bob = net.phone("bob");
    let alice = net.phone_with("alice", |settings, account| {
        settings.phone.max_calls_per_seat = 1;
        account.seat = Some("desk".into());
    });
    net.connect(alice, bob);
    let number = net.uri(bob);
    assert_eq!(refused(&mut net, alice, &number), Code::MaxCalls);
    let carol = net.phone_with("carol", |_, account| {
        account.register = None;
        account.registrar = Some("sip:10.0.0.250".into());
    });
    assert_eq!(refused(&mut net, carol, &number), Code::NotRegistered);
    let dave = net.phone_with("dave", |_, account| account.input = Some("pulse:gone".into()));
    assert_eq!(refused(&mut net, dave, &number), Code::NoInput);
}

#[test]
fn an_incoming_call_too_many_is_told() {
    let mut net = Net::new(3);
    let (alice, carol) = (net.phone("alice"), net.phone("carol"));
    let bob = net.phone_with("bob", |settings, account| {
        settings.phone.call_waiting = false;
        account.seat = Some("desk".into());
    });
    net.connect(alice, bob);
    net.call(carol, json!({ "number": net.uri(bob) }));
    let rejected = net.wait(bob, "callRejected");
    assert_eq!((&rejected.data["code"], &rejected.data["number"]), (&json!(486), &json!("carol")));
    assert_eq!(net.wait(carol, "failed").data["cause"], "Busy");
}

#[test]
fn a_verb_that_does_not_fit_the_state_is_minus_215() {
    let mut net = Net::new(4);
    let (alice, bob) = (net.phone("alice"), net.phone("bob"));
    let out = net.call(alice, json!({ "number": net.uri(bob) }));
    let incoming = net.wait(bob, "incoming").call_id.unwrap();
    let code = |result: Result<serde_json::Value, phoned::ua::error::Error>| result.unwrap_err().code;
    assert_eq!(code(net.answer(alice, &out)), Code::WrongState);
    assert_eq!(code(net.hold(alice, &out)), Code::WrongState);
    assert_eq!(code(net.reject(alice, &out, None)), Code::WrongState);
    assert_eq!(code(net.dtmf(bob, &incoming, "1", DtmfMethod::Auto)), Code::WrongState);
    assert_eq!(code(net.hold(bob, &incoming)), Code::WrongState);
    let reject = Terminate { call_id: out.clone(), kind: TerminateType::Reject };
    assert_eq!(code(net.ask(alice, Command::Terminate(reject))), Code::WrongState);
    assert_eq!(code(net.reject(bob, &incoming, Some(200))), Code::InvalidParams);
    net.answer(bob, &incoming).unwrap();
    net.wait(alice, "confirmed");
    net.wait(bob, "confirmed");
    assert_eq!(code(net.answer(bob, &incoming)), Code::WrongState);
    assert_eq!(code(net.dtmf(alice, &out, "12x", DtmfMethod::Auto)), Code::InvalidDtmf);
    net.hangup(alice, &out).unwrap();
    assert_eq!(code(net.hangup(alice, &out)), Code::NoSession);
    assert_eq!(code(net.ask(alice, Command::Mute(CallRef { call_id: "none".into() }))), Code::NoSession);
}

#[test]
fn no_value_of_a_user_adds_a_line() {
    let mut net = Net::new(5);
    let (alice, carol) = (net.phone("alice"), net.peer("carol"));
    let call = |header: &str| Call {
        number: "sip:carol@10.0.0.2".into(),
        option: Some(CallOption { extra_headers: Some(vec![header.into()]), ..CallOption::default() }),
        ..Call::default()
    };
    for bad in [
        "X-A: b\r\nVia: x",
        "X-A: b\nEvil: 1",
        "Via: SIP/2.0/UDP x",
        "no colon",
        ": empty",
        "X-A: \0",
        "From: <sip:x@y>",
    ] {
        let error = net.ask(alice, Command::Call(call(bad))).unwrap_err();
        assert_eq!(error.code, Code::InvalidParams, "{bad:?}");
    }
    net.ask(alice, Command::Call(call("X-Campaign: spring"))).unwrap();
    assert_eq!(net.expect(carol, "INVITE").header("X-Campaign"), Some("spring"));
}
