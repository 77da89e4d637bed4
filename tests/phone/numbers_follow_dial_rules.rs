//! Dial rules: a number that is forbidden never leaves, by no way of writing it and by nobody's wish; others go out as the PBX wants
//! them; a user makes no more calls a minute than he may; emergency calls go out.

use phoned::sip::message::{Message, Method};
use phoned::ua::command::{BlindTransfer, Call, Command};
use phoned::ua::dial::Caller;
use phoned::ua::error::{Code, Error};
use phoned::ua::settings::{AccountDial, CallsPerMinute, DialSettings};

use crate::net::{Net, Who};
use crate::talking_to_peer;

fn german() -> DialSettings {
    DialSettings { country: Some("DE".into()), e164: true, deny: vec!["+49900".into()], ..DialSettings::default() }
}

fn refused(net: &mut Net, who: Who, number: &str) -> Error {
    net.ask(who, Command::Call(Call { number: number.into(), ..Call::default() })).unwrap_err()
}

#[test]
fn what_is_forbidden_never_leaves() {
    let mut net = Net::new(1);
    let alice = net.phone_with("alice", |settings, _| settings.dial = german());
    for number in [
        "0900 123456",
        "+49 900 123456",
        "tel:+49-900-123456",
        "sip:0049900123456@10.0.0.2",
        "sip:%30900123456@10.0.0.9",
        "sip:0,9.0_0123456@10.0.0.2",
    ] {
        let error = refused(&mut net, alice, number);
        assert_eq!((error.code, error.path), (Code::Forbidden, Some("number")), "{number}");
        assert!(error.hint.contains("[dial] deny"));
    }
    assert!(net.sent(alice, "INVITE").is_empty());
    assert!(net.phone_of(alice).names().is_empty());
}

#[test]
fn a_peer_cannot_send_us_there() {
    let mut net = Net::new(2);
    let alice = net.phone_with("alice", |settings, _| settings.dial = german());
    let carol = net.peer("carol");
    let (call, mut dialog) = talking_to_peer(&mut net, alice, carol);
    let wish = BlindTransfer { call_id: call, number: "0900 123456".into(), hangup: Default::default(), by: None };
    assert_eq!(net.ask(alice, Command::BlindTransfer(wish)).unwrap_err().code, Code::Forbidden);
    let mut refer = net.in_dialog(carol, &mut dialog, Method::Refer);
    refer.push("Refer-To", "<sip:+49900123456@10.0.0.2>");
    net.send(carol, alice, &refer);
    net.expect(carol, "SIP/2.0 603");
}

#[test]
fn nobody_is_forwarded_there() {
    let mut net = Net::new(7);
    let alice = net.phone_with("alice", |settings, _| settings.dial = german());
    let forward = |to: &str| {
        let set = serde_json::json!({ "state": "notReady", "forward": to });
        Command::AgentSet(serde_json::from_value(set).unwrap())
    };
    let error = net.ask(alice, forward("0900 123456")).unwrap_err();
    assert_eq!((error.code, error.path), (Code::Forbidden, Some("forward")));
    net.ask(alice, forward("030 1234567")).unwrap();
    let carol = net.peer("carol");
    let invite = net.invite(carol, alice);
    net.send(carol, alice, &invite);
    let moved = net.expect(carol, "SIP/2.0 302");
    assert!(moved.header("Contact").unwrap().starts_with("<sip:+49301234567@"), "{:?}", moved.header("Contact"));
}

#[test]
fn a_redirection_leads_to_no_forbidden_number() {
    let mut net = Net::new(6);
    let alice = net.phone_with("alice", |settings, _| settings.dial = german());
    let carol = net.peer("carol");
    let address = net.addr(carol).ip();
    net.call(alice, serde_json::json!({ "number": format!("sip:0301234567@{address}") }));
    let invite = net.expect(carol, "INVITE");
    let mut moved = Message::response(&invite, 302, "");
    moved.set_to_tag("moved");
    moved.push("Contact", format!("<sip:0900123456@{address}>"));
    net.send_back(carol, &moved);
    assert_eq!(net.wait(alice, "failed").data["cause"], "Redirected");
    assert!(net.sent(alice, "INVITE").iter().all(|invite| invite.uri().contains("+49301234567")));
}

#[test]
fn numbers_go_out_as_the_pbx_wants_them() {
    let mut net = Net::new(3);
    let outside = AccountDial { prefix: Some("0".into()), ..AccountDial::default() };
    let alice = net.phone_with("alice", |settings, _| settings.dial = german());
    let bob = net.phone_with("bob", |settings, account| {
        settings.dial = german();
        account.dial = Some(outside);
    });
    let carol = net.peer("carol");
    let address = net.addr(carol).ip();
    for (who, user) in [(alice, "+49301234567"), (bob, "00049301234567")] {
        let call = net.call(who, serde_json::json!({ "number": format!("sip:0301234567@{address}") }));
        let invite = net.expect(carol, "INVITE");
        assert_eq!(invite.uri(), format!("sip:{user}@{address}"));
        let status = crate::seen_of(&mut net, who, &call);
        assert_eq!(
            (&status["number"], &status["calledNumber"]),
            (&"+49301234567".into(), &format!("sip:0301234567@{address}").into())
        );
        net.reply(carol, &invite, 486);
        net.wait(who, "failed");
    }
}

#[test]
fn a_user_makes_so_many_calls_a_minute() {
    let mut net = Net::new(4);
    let alice = net.phone_with("alice", |settings, _| {
        settings.dial.calls_per_minute = CallsPerMinute { admin: 0, call: 2 };
        settings.dial.emergency = vec!["110".into()];
        settings.phone.max_calls_per_seat = 100;
    });
    let carol = net.peer("carol");
    let address = net.addr(carol).ip();
    let dial = |net: &mut Net, user: &str, caller: u32, admin: bool| {
        let number = format!("sip:{user}@{address}");
        let result =
            net.ask(alice, Command::Call(Call { number, by: Some(Caller { user: caller, admin }), ..Call::default() }));
        net.run_for(300);
        result.map(drop).map_err(|error| error.code)
    };
    assert_eq!([dial(&mut net, "1", 7, false), dial(&mut net, "2", 7, false)], [Ok(()), Ok(())]);
    assert_eq!(dial(&mut net, "3", 7, false), Err(Code::TooManyDials));
    assert_eq!(dial(&mut net, "110", 7, false), Ok(()));
    assert_eq!(dial(&mut net, "4", 8, false), Ok(()));
    assert_eq!([dial(&mut net, "5", 9, true), dial(&mut net, "6", 9, true), dial(&mut net, "7", 9, true)], [Ok(()); 3]);
    assert_eq!(
        net.sent(alice, "INVITE").iter().map(|i| i.uri().to_owned()).collect::<std::collections::BTreeSet<_>>().len(),
        7
    );
    net.run_for(60_000);
    assert_eq!(dial(&mut net, "8", 7, false), Ok(()));
}

#[test]
fn a_transfer_counts_as_a_call() {
    let mut net = Net::new(5);
    let alice = net.phone_with("alice", |settings, _| {
        settings.dial.calls_per_minute = CallsPerMinute { admin: 0, call: 1 };
    });
    let carol = net.peer("carol");
    let by = Some(Caller { user: 7, admin: false });
    let called = net.ask(alice, Command::Call(Call { number: net.uri(carol), by, ..Call::default() })).unwrap();
    let call_id = called["callId"].as_str().unwrap().to_owned();
    let invite = net.expect(carol, "INVITE");
    net.reply(carol, &invite, 200);
    net.wait(alice, "confirmed");
    let wish = BlindTransfer { call_id, number: "2".into(), hangup: Default::default(), by };
    assert_eq!(net.ask(alice, Command::BlindTransfer(wish)).unwrap_err().code, Code::TooManyDials);
    assert!(net.sent(alice, "REFER").is_empty());
}
