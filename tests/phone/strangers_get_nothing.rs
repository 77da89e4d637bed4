//! The source check comes before any answer: a stranger gets nothing, and nothing rings (SIP rule 14).

use crate::net::Net;

#[test]
fn a_stranger_is_not_answered_and_rings_nothing() {
    let mut net = Net::new(1);
    let alice = net.phone_with("alice", |_, account| account.trusted = vec!["10.0.0.250".into()]);
    let mallory = net.peer("mallory");
    let before = net.phone_of(alice).events.len();
    let invite = net.invite(mallory, alice);
    net.send(mallory, alice, &invite);
    let mut options = net.invite(mallory, alice);
    options = {
        let text = String::from_utf8_lossy(&options.to_bytes()).replace("INVITE", "OPTIONS");
        phoned::sip::message::Message::parse(text.as_bytes()).unwrap()
    };
    net.send(mallory, alice, &options);
    let cancel = net.cancel(&invite);
    net.send(mallory, alice, &cancel);
    net.send_raw(mallory, alice, b"INVITE sip:alice SIP/9.0\r\nVia: SIP/2.0/UDP 10.0.0.2\r\nFrom: <sip:x>\r\n\r\n");
    net.run_for(40_000);
    assert!(net.log.iter().all(|p| p.from.ip() != net.addr(alice).ip()), "{}", net.story());
    assert_eq!(net.phone_of(alice).events.len(), before);
}

#[test]
fn a_trusted_peer_that_asks_for_nobody_gets_404_and_no_event() {
    let mut net = Net::new(2);
    let (alice, carol) = (net.phone("alice"), net.peer("carol"));
    let before = net.phone_of(alice).events.len();
    let mut invite = net.invite(carol, alice);
    invite.set_uri("sip:nobody@10.0.0.1");
    net.send(carol, alice, &invite);
    net.expect(carol, "SIP/2.0 404");
    assert_eq!(net.phone_of(alice).events.len(), before);
}

#[test]
fn a_peer_that_is_no_server_may_speak_in_its_dialog() {
    let mut net = Net::new(3);
    let alice = net.phone_with("alice", |_, account| account.trusted = vec![]);
    let carol = net.peer("carol");
    let (call, mut dialog) = crate::talking_to_peer(&mut net, alice, carol);
    let bye = net.in_dialog(carol, &mut dialog, phoned::sip::message::Method::Bye);
    net.send(carol, alice, &bye);
    net.expect(carol, "SIP/2.0 200");
    assert!(crate::story_of(&net, alice, &call).ends_with(&["ended(Terminated)".into(), "deleteSession".into()]));
}
