//! A request too large for a datagram goes over a stream to the same address; as a datagram all the same where no stream
//! can be opened or the account says `transport = "udp"` (RFC 3261 §18.1.1).

use phoned::sip::message::Message;
use serde_json::{Value, json};

use crate::net::{Net, Who};

fn large(net: &Net, to: Who) -> Value {
    json!({ "number": net.uri(to), "option": { "extraHeaders": [format!("X-Long: {}", "x".repeat(1300))] } })
}

fn transport(msg: &Message) -> String {
    msg.via().unwrap().transport
}

#[test]
fn over_a_stream() {
    let mut net = Net::new(1);
    let (alice, carol) = (net.phone("alice"), net.peer("carol"));
    let params = large(&net, carol);
    let out = net.call(alice, params);
    let invite = net.expect(carol, "INVITE");
    assert_eq!(transport(&invite), "TCP");
    net.reply(carol, &invite, 200);
    net.expect(carol, "ACK");
    net.wait(alice, "confirmed");
    net.hangup(alice, &out).unwrap();
    let bye = net.expect(carol, "BYE");
    assert_eq!(transport(&bye), "UDP", "what is small goes as before");
    net.reply(carol, &bye, 200);
    net.run_to_rest();
    assert!(net.phone_of(alice).ua.is_idle());
    assert_eq!((net.sent(alice, "INVITE").len(), net.streams_of(alice)), (1, 0), "an idle stream is closed");
}

#[test]
fn as_a_datagram_where_no_stream_is_taken() {
    let mut net = Net::new(2);
    let (alice, bob) = (net.phone("alice"), net.phone("bob"));
    net.refuse_streams(bob);
    for _ in 0..2 {
        let params = large(&net, bob);
        let out = net.call(alice, params);
        let incoming = net.wait(bob, "incoming").call_id.unwrap();
        net.answer(bob, &incoming).unwrap();
        net.wait(alice, "confirmed");
        net.hangup(alice, &out).unwrap();
        net.wait(bob, "ended");
    }
    net.run_to_rest();
    assert!(net.sent(alice, "INVITE").iter().all(|i| transport(i) == "UDP"));
    assert!(net.phone_of(alice).ua.is_idle());
}

#[test]
fn as_a_datagram_where_the_account_says_so() {
    let mut net = Net::new(3);
    let alice = net.phone_with("alice", |_, account| account.transport = Some("udp".into()));
    let carol = net.peer("carol");
    let params = large(&net, carol);
    net.call(alice, params);
    assert_eq!(transport(&net.expect(carol, "INVITE")), "UDP");
}
