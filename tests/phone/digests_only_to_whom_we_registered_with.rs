//! A digest goes only to the account's own servers, and only for a realm that is known (SIP rule 9).

use phoned::sip::message::Message;
use phoned::ua::settings::Secret;
use serde_json::json;

use crate::net::Net;
use crate::story_of;

fn challenge(net: &mut Net, from: crate::net::Who, request: &Message, status: u16, realm: &str) {
    let header = if status == 401 { "WWW-Authenticate" } else { "Proxy-Authenticate" };
    let mut again = net.response(from, request, status);
    again.push(header, format!("Digest realm=\"{realm}\", nonce=\"n\", qop=\"auth\""));
    net.send_back(from, &again);
}

#[test]
fn a_peer_that_is_no_server_gets_none() {
    let mut net = Net::new(1);
    let carol = net.peer("carol");
    let alice = net.phone_with("alice", |_, account| account.password = Some(Secret::new("secret")));
    let out = net.call(alice, json!({ "number": net.uri(carol) }));
    let invite = net.expect(carol, "INVITE");
    challenge(&mut net, carol, &invite, 401, "carol");
    assert_eq!(net.wait(alice, "failed").data["cause"], "Authentication Error");
    assert!(story_of(&net, alice, &out).ends_with(&["failed(Authentication Error)".into(), "deleteSession".into()]));
    assert!(net.sent(alice, "INVITE").iter().all(|m| m.header("Authorization").is_none()));
}

#[test]
fn a_proxy_gets_one_for_the_first_realm_it_names_and_for_no_other() {
    let mut net = Net::new(2);
    let proxy = net.peer("proxy");
    let uri = format!("sip:{}", net.addr(proxy).ip());
    let alice = net.phone_with("alice", |_, account| {
        account.password = Some(Secret::new("secret"));
        account.proxies = vec![uri];
    });
    net.call(alice, json!({"number": "100"}));
    let invite = net.expect(proxy, "INVITE");
    challenge(&mut net, proxy, &invite, 407, "pbx");
    net.expect(proxy, "ACK");
    let again = net.expect(proxy, "INVITE");
    assert!(again.header("Proxy-Authorization").unwrap().contains("realm=\"pbx\""));
    assert_eq!((again.call_id(), again.cseq()), (invite.call_id(), invite.cseq() + 1));
    challenge(&mut net, proxy, &again, 401, "elsewhere");
    net.wait(alice, "failed");
    assert_eq!(net.sent(alice, "INVITE").iter().filter(|m| m.header("Authorization").is_some()).count(), 0);
}

#[test]
fn a_challenge_for_ever_gets_two_credentialed_tries() {
    let mut net = Net::new(3);
    let proxy = net.peer("proxy");
    let uri = format!("sip:{}", net.addr(proxy).ip());
    let alice = net.phone_with("alice", |_, account| {
        account.password = Some(Secret::new("secret"));
        account.proxies = vec![uri];
    });
    net.call(alice, json!({"number": "100"}));
    for _ in 0..3 {
        let invite = net.expect(proxy, "INVITE");
        challenge(&mut net, proxy, &invite, 407, "pbx");
        net.expect(proxy, "ACK");
    }
    let failed = net.wait(alice, "failed");
    assert_eq!(
        (failed.data["cause"].as_str(), failed.data["code"].as_u64()),
        (Some("Authentication Error"), Some(407))
    );
    net.run_to_rest();
    assert_eq!(net.sent(alice, "INVITE").len(), 3);
}
