//! A registrar that is down, refuses, challenges for ever or wants a longer interval: told, and tried again.

use phoned::sip::message::Message;
use phoned::ua::command::{AccountRef, Command};
use phoned::ua::error::Code;
use phoned::ua::settings::Secret;
use serde_json::json;

use crate::net::{Net, Who};

/// A phone that registers with a registrar played by hand.
fn with_registrar(net: &mut Net) -> (Who, Who) {
    let registrar = net.peer("registrar");
    let uri = format!("sip:{}", net.addr(registrar).ip());
    let alice = net.phone_with("alice", |_, account| {
        account.register = None;
        account.registrar = Some(uri);
        account.password = Some(Secret::new("secret"));
        account.expires = Some(300);
    });
    (alice, registrar)
}

fn grant(net: &mut Net, registrar: Who, register: &Message, expires: u32) {
    let mut ok = Message::response(register, 200, "");
    ok.set_to_tag("reg");
    ok.push(
        "Contact",
        format!("{};expires={expires}", register.header("Contact").unwrap().split(";expires").next().unwrap()),
    );
    net.send_back(registrar, &ok);
}

fn challenge(net: &mut Net, registrar: Who, register: &Message, nonce: &str) {
    let mut again = Message::response(register, 401, "");
    again.push("WWW-Authenticate", format!("Digest realm=\"pbx\", nonce=\"{nonce}\", algorithm=SHA-256, qop=\"auth\""));
    net.send_back(registrar, &again);
}

#[test]
fn it_registers_with_a_digest_and_refreshes_in_time() {
    let mut net = Net::new(1);
    let (alice, registrar) = with_registrar(&mut net);
    let first = net.expect(registrar, "REGISTER");
    assert!(first.header("Authorization").is_none());
    challenge(&mut net, registrar, &first, "n1");
    let second = net.expect(registrar, "REGISTER");
    let credentials = second.header("Authorization").unwrap().to_owned();
    assert!(credentials.contains("SHA-256") && credentials.contains("nc=00000001") && !credentials.contains("secret"));
    assert_eq!((second.call_id(), second.cseq()), (first.call_id(), first.cseq() + 1));
    grant(&mut net, registrar, &second, 300);
    net.wait(alice, "registered");
    net.wait(alice, "isRegisteredChange");
    let at = net.now();
    net.run_for(190_000);
    let third = net.expect(registrar, "REGISTER");
    let waited = (net.now() - at) / 1000;
    assert!((200..290).contains(&waited), "refreshed after {waited} s of 300");
    assert_eq!((third.call_id(), third.cseq()), (first.call_id(), second.cseq() + 1));
    assert!(third.header("Authorization").unwrap().contains("nc=00000002"), "the nonce is used again");
    grant(&mut net, registrar, &third, 300);
    net.run_for(1_000);
    assert_eq!(net.phone_of(alice).names().iter().filter(|n| **n == "registered").count(), 1, "a refresh is no news");
}

#[test]
fn a_challenge_for_ever_gets_two_tries_and_a_rest() {
    let mut net = Net::new(2);
    let (alice, registrar) = with_registrar(&mut net);
    for n in 0..3 {
        let register = net.expect(registrar, "REGISTER");
        challenge(&mut net, registrar, &register, &format!("n{n}"));
    }
    let failed = net.wait(alice, "registrationFailed");
    assert_eq!((&failed.data["code"], &failed.data["cause"]), (&json!(401), &json!("Authentication Error")));
    let retry = failed.data["retryInMs"].as_u64().unwrap();
    assert!((30_000..=90_000).contains(&retry), "{retry}");
    assert_eq!(net.sent(alice, "REGISTER").len(), 3, "one without credentials, two with");
    net.expect(registrar, "REGISTER");
}

#[test]
fn a_refusal_is_told_and_tried_again_slowly() {
    let mut net = Net::new(3);
    let (alice, registrar) = with_registrar(&mut net);
    let reply = net.command(alice, Command::AccountRegister(AccountRef { name: "alice".into() }));
    for _ in 0..3 {
        let register = net.expect(registrar, "REGISTER");
        net.reply(registrar, &register, 403);
        let failed = net.wait(alice, "registrationFailed");
        assert_eq!((&failed.data["code"], &failed.data["cause"]), (&json!(403), &json!("Rejected")));
        assert!(failed.data["retryInMs"].as_u64().unwrap() >= 30_000);
    }
    let error = net.phone_of(alice).replies[&reply].clone().unwrap_err();
    assert_eq!((error.code, error.sip_code), (Code::RegistryFailed, Some(403)));
}

#[test]
fn an_interval_too_brief_is_raised_at_once() {
    let mut net = Net::new(4);
    let (alice, registrar) = with_registrar(&mut net);
    let register = net.expect(registrar, "REGISTER");
    let mut brief = Message::response(&register, 423, "");
    brief.push("Min-Expires", "1800");
    net.send_back(registrar, &brief);
    let again = net.expect(registrar, "REGISTER");
    assert!(again.header("Contact").unwrap().contains("expires=1800"));
    grant(&mut net, registrar, &again, 1800);
    assert_eq!(net.wait(alice, "registered").data["expires"], 1800);
}

#[test]
fn a_registrar_that_is_down_is_tried_until_it_is_back() {
    let mut net = Net::new(5);
    let (alice, registrar) = with_registrar(&mut net);
    for _ in 0..3 {
        assert_eq!(net.wait(alice, "registrationFailed").data["cause"], "Request Timeout");
    }
    net.inbox(registrar).clear();
    let register = net.expect(registrar, "REGISTER");
    grant(&mut net, registrar, &register, 300);
    net.wait(alice, "connected");
    net.wait(alice, "registered");
}

#[test]
fn retry_after_is_obeyed() {
    let mut net = Net::new(6);
    let (alice, registrar) = with_registrar(&mut net);
    let register = net.expect(registrar, "REGISTER");
    let mut busy = Message::response(&register, 503, "");
    busy.push("Retry-After", "120");
    net.send_back(registrar, &busy);
    net.wait(alice, "registrationFailed");
    net.run_for(119_000);
    assert_eq!(net.sent(alice, "REGISTER").len(), 1);
    net.expect(registrar, "REGISTER");
}

#[test]
fn unregistering_removes_the_binding() {
    let mut net = Net::new(7);
    let (alice, registrar) = with_registrar(&mut net);
    let register = net.expect(registrar, "REGISTER");
    grant(&mut net, registrar, &register, 300);
    net.wait(alice, "registered");
    let reply = net.command(alice, Command::AccountUnregister(AccountRef { name: "alice".into() }));
    let leave = net.expect(registrar, "REGISTER");
    assert!(leave.header("Contact").unwrap().ends_with("expires=0"));
    grant(&mut net, registrar, &leave, 0);
    net.run_until("the reply", |net| net.phone_of(alice).replies.contains_key(&reply));
    net.run_to_rest();
    assert_eq!(net.sent(alice, "REGISTER").len(), 2, "it stays away");
}

#[test]
fn the_limit_of_attempts_is_kept_where_it_is_asked_for() {
    let mut net = Net::new(8);
    let registrar = net.peer("registrar");
    let uri = format!("sip:{}", net.addr(registrar).ip());
    let alice = net.phone_with("alice", |_, account| {
        account.register = None;
        account.registrar = Some(uri);
        account.register_max_attempts = Some(2);
    });
    for _ in 0..2 {
        let register = net.expect(registrar, "REGISTER");
        net.reply(registrar, &register, 500);
    }
    net.run_to_rest();
    assert_eq!(net.sent(alice, "REGISTER").len(), 2);
    let last = net.phone_of(alice).events.iter().rfind(|e| e.name == "registrationFailed").unwrap();
    assert_eq!(last.data["retryInMs"], json!(null));
}

#[test]
fn absurd_durations_are_survived() {
    let mut net = Net::new(9);
    let (alice, registrar) = with_registrar(&mut net);
    let register = net.expect(registrar, "REGISTER");
    let mut busy = Message::response(&register, 503, "");
    busy.push("Retry-After", u64::MAX.to_string());
    net.send_back(registrar, &busy);
    assert_eq!(net.wait(alice, "registrationFailed").data["retryInMs"], 86_400_000, "a day at most");
    net.command(alice, Command::AccountRegister(AccountRef { name: "alice".into() }));
    let register = net.expect(registrar, "REGISTER");
    grant(&mut net, registrar, &register, 0);
    net.wait(alice, "registered");
    net.run_for(3_000);
    assert!(net.sent(alice, "REGISTER").len() <= 3, "a binding that lasts no time is no reason for a storm");
}

#[test]
fn an_interval_that_is_raised_for_ever_is_not_chased() {
    let mut net = Net::new(10);
    let (alice, registrar) = with_registrar(&mut net);
    for least in [1_000, 2_000] {
        let register = net.expect(registrar, "REGISTER");
        let mut brief = Message::response(&register, 423, "");
        brief.push("Min-Expires", least.to_string());
        net.send_back(registrar, &brief);
    }
    assert_eq!(net.wait(alice, "registrationFailed").data["code"], 423);
    assert!(net.expect(registrar, "REGISTER").header("Contact").unwrap().contains("expires=2000"));
}

/// Grants a binding to a phone that the registrar sees at another port: a NAT is between them.
fn grant_behind_nat(net: &mut Net, registrar: Who, register: &Message, port: u16) {
    let mut ok = Message::response(register, 200, "");
    let mut via = register.via().unwrap();
    via.params.set("received", "198.51.100.7");
    via.params.set("rport", &port.to_string());
    ok.set("Via", via.to_string());
    ok.set_to_tag("reg");
    ok.push(
        "Contact",
        format!("{};expires=300", register.header("Contact").unwrap().split(";expires").next().unwrap()),
    );
    net.send_back(registrar, &ok);
}

#[test]
fn the_contact_follows_the_nat_at_once() {
    let mut net = Net::new(11);
    let (_, registrar) = with_registrar(&mut net);
    for (port, refresh) in [(1_111, 0), (2_222, 205_000)] {
        net.run_for(refresh);
        let register = net.expect(registrar, "REGISTER");
        grant_behind_nat(&mut net, registrar, &register, port);
        let at = net.now();
        let moved = net.expect(registrar, "REGISTER");
        assert!(net.now() < at + 1_000, "it does not wait for the refresh");
        let contacts: Vec<_> = moved.headers("Contact").collect();
        assert!(contacts[0].contains(&format!("198.51.100.7:{port}")), "{contacts:?}");
        assert!(contacts[1].ends_with(";expires=0"), "the old one goes: {contacts:?}");
        grant_behind_nat(&mut net, registrar, &moved, port);
    }
}

#[test]
fn a_nat_that_never_rests_is_not_chased() {
    let mut net = Net::new(12);
    let (alice, registrar) = with_registrar(&mut net);
    let end = net.now() + 20_000;
    let mut port = 1_000;
    while net.now() < end {
        net.run_for(10);
        while let Some(register) = net.inbox(registrar).pop_front() {
            port += 1;
            grant_behind_nat(&mut net, registrar, &register, port);
        }
    }
    assert!(net.sent(alice, "REGISTER").len() <= 5);
}

#[test]
fn new_settings_keep_the_binding_in_order() {
    let mut net = Net::new(13);
    let (alice, registrar) = with_registrar(&mut net);
    let first = net.expect(registrar, "REGISTER");
    grant(&mut net, registrar, &first, 300);
    net.wait(alice, "registered");
    let account = phoned::ua::settings::AccountSettings {
        uri: format!("sip:alice@{}", net.addr(alice).ip()),
        registrar: Some(format!("sip:{}", net.addr(registrar).ip())),
        display_name: Some("Alice".into()),
        ..Default::default()
    };
    let update = phoned::ua::command::AccountAdd { name: "alice".into(), account };
    net.ask(alice, Command::AccountUpdate(update)).unwrap();
    let second = net.expect(registrar, "REGISTER");
    assert_eq!(second.call_id(), first.call_id());
    assert!(second.cseq() > first.cseq() && !second.header("Contact").unwrap().ends_with("expires=0"));
    grant(&mut net, registrar, &second, 300);
    net.wait(alice, "registered");
    assert_eq!(net.sent(alice, "REGISTER").len(), 2, "nothing that could remove the binding");
}

#[test]
fn a_registrar_that_moved_is_found() {
    let mut net = Net::new(14);
    let (old, new) = (net.peer("old"), net.peer("new"));
    net.name("pbx.test", &[old]);
    let alice = net.phone_with("alice", |_, account| {
        account.register = None;
        account.registrar = Some("sip:pbx.test".into());
    });
    net.expect(old, "REGISTER");
    net.name("pbx.test", &[new]);
    net.wait(alice, "registrationFailed");
    net.expect(new, "REGISTER");
}
