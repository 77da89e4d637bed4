//! Each message finds its transaction, and only its own.

use phoned::sip::flow::Transport;
use phoned::sip::message::{Message, Method};
use phoned::sip::transaction::{Transactions, TxEvent, TxId};

use crate::pipe::{A, Pipe, T1, addr, request, response};

/// One layer that is called, and what it sends.
struct Server(Transactions);

impl Server {
    fn new() -> Self {
        Server(Transactions::new(T1))
    }
    fn receive(&mut self, msg: &Message) -> Option<TxEvent> {
        // Over the wire, so that what was read is what was written.
        let hop = Pipe::new(Transport::Udp, 0, 0).hop(A);
        self.0.receive(0, hop, Message::parse(&msg.to_bytes()).unwrap())
    }
    fn invited(&mut self, msg: &Message) -> TxId {
        match self.receive(msg) {
            Some(TxEvent::Request { tx, .. }) => tx,
            other => panic!("{other:?}"),
        }
    }
    fn sent(&mut self) -> Vec<(std::net::SocketAddr, Message)> {
        std::iter::from_fn(|| self.0.poll_send())
            .map(|(hop, bytes)| (hop.addr, Message::parse(&bytes).unwrap()))
            .collect()
    }
    fn statuses(&mut self) -> Vec<u16> {
        self.sent().iter().map(|(_, msg)| msg.status()).collect()
    }
}

/// The same in another call, so that it is no merged request.
fn elsewhere(mut msg: Message) -> Message {
    msg.set("Call-ID", "other");
    msg
}

fn with_branch(mut msg: Message, branch: &str) -> Message {
    msg.set("Via", format!("SIP/2.0/UDP 10.0.0.1:5060;branch={branch}"));
    msg
}

fn edited(method: &str, number: u64, from: &str, to: &str) -> Message {
    let text = String::from_utf8(request(method, number).to_bytes()).unwrap();
    assert!(text.contains(from), "{from}");
    Message::parse(text.replace(from, to).as_bytes()).unwrap()
}

#[test]
fn a_retransmitted_request_is_absorbed_and_gets_the_last_response_again() {
    let mut server = Server::new();
    let invite = request("INVITE", 1);
    let tx = server.invited(&invite);
    assert_eq!(server.receive(&invite), None);
    assert_eq!(server.statuses(), [100]);
    server.0.respond(0, tx, response(&invite, 180));
    assert_eq!(server.receive(&invite), None);
    assert_eq!(server.statuses(), [180, 180]);

    let options = request("OPTIONS", 2);
    let tx = server.invited(&options);
    assert_eq!(server.receive(&options), None);
    assert!(server.statuses().is_empty());
    server.0.respond(0, tx, response(&options, 200));
    server.0.respond(0, tx, response(&options, 500));
    assert_eq!(server.receive(&options), None);
    assert_eq!(server.statuses(), [200, 200]);
}

#[test]
fn the_same_branch_of_another_sender_or_method_is_another_transaction() {
    let mut server = Server::new();
    let first = server.invited(&request("OPTIONS", 1));
    let sender =
        server.invited(&elsewhere(edited("OPTIONS", 1, "Via: SIP/2.0/UDP 10.0.0.1:5060", "Via: SIP/2.0/UDP 10.0.0.9")));
    let method = server.invited(&request("INFO", 1));
    assert!(first != sender && sender != method);
    // The host's case does not matter.
    server.invited(&elsewhere(edited("OPTIONS", 7, "10.0.0.1:5060", "Host:5060")));
    assert_eq!(server.receive(&elsewhere(edited("OPTIONS", 7, "10.0.0.1:5060", "hOST:5060"))), None);
}

#[test]
fn a_request_that_came_by_two_ways_is_482_the_second_time() {
    let mut server = Server::new();
    let invite = request("INVITE", 1);
    server.invited(&invite);
    let twin = edited("INVITE", 1, "z9hG4bK1", "z9hG4bKtwin");
    assert_eq!(server.receive(&twin), None);
    let sent = server.sent();
    assert_eq!((sent.len(), sent[0].1.status()), (1, 482));
    assert!(sent[0].1.to_tag().is_some());
    // Its ACK is the layer's, its CANCEL finds it, and the first one goes on.
    let mut ack = edited("ACK", 1, "z9hG4bK1", "z9hG4bKtwin");
    ack.set("To", sent[0].1.header("To").unwrap());
    assert_eq!(server.receive(&ack), None);
    assert_eq!(server.receive(&edited("CANCEL", 1, "z9hG4bK1", "z9hG4bKtwin")), None);
    assert!(matches!(server.receive(&request("CANCEL", 1)), Some(TxEvent::Cancelled { .. })));
    // In a dialog the To tag rules it out: proxies may fork only what has none.
    let reinvite = |branch: &str| {
        with_branch(edited("INVITE", 5, "To: <sip:bob@10.0.0.2>", "To: <sip:bob@10.0.0.2>;tag=b"), branch)
    };
    server.invited(&reinvite("z9hG4bKx"));
    server.invited(&reinvite("z9hG4bKy"));
}

#[test]
fn a_cancel_is_answered_and_told_once_while_the_invite_is_open() {
    let mut server = Server::new();
    assert_eq!(server.receive(&request("CANCEL", 9)), None);
    assert_eq!(server.statuses(), [481]);

    let invite = request("INVITE", 1);
    let tx = server.invited(&invite);
    server.0.respond(0, tx, response(&invite, 180));
    server.sent();
    let Some(TxEvent::Cancelled { tx: cancelled, .. }) = server.receive(&request("CANCEL", 1)) else { panic!() };
    assert_eq!(cancelled, tx);
    let ok = server.sent().remove(0).1;
    assert_eq!((ok.status(), ok.method(), ok.to_tag().as_deref()), (200, Method::Cancel, Some("b")));
    assert_eq!(server.receive(&request("CANCEL", 1)), None);
    assert_eq!(server.statuses(), [200]);
    server.0.respond(0, tx, response(&invite, 487));
    assert_eq!(server.statuses(), [487]);

    let late = request("INVITE", 2);
    let tx = server.invited(&late);
    server.0.respond(0, tx, response(&late, 200));
    assert_eq!(server.receive(&request("CANCEL", 2)), None);
    assert_eq!(server.statuses(), [200, 200]);
}

#[test]
fn the_ack_of_a_refusal_is_absorbed_and_that_of_a_2xx_comes_up() {
    let mut server = Server::new();
    let invite = request("INVITE", 1);
    let tx = server.invited(&invite);
    server.0.respond(0, tx, response(&invite, 486));
    assert_eq!(server.receive(&request("ACK", 1)), None);
    assert_eq!(server.receive(&request("ACK", 1)), None);
    let invite = request("INVITE", 2);
    let tx = server.invited(&invite);
    server.0.respond(0, tx, response(&invite, 200));
    assert!(matches!(server.receive(&edited("ACK", 2, "z9hG4bK2", "z9hG4bKack")), Some(TxEvent::Ack { .. })));
    assert!(matches!(server.receive(&request("ACK", 2)), Some(TxEvent::Ack { .. })));
}

/// Peers older than RFC 3261 have no branch, or one that says nothing (§17.2.3).
#[test]
fn an_rfc_2543_peer_is_matched_by_its_headers() {
    for old in [";rport", ";branch=1;rport"] {
        let mut server = Server::new();
        let old = |method: &str, number| edited(method, number, &format!(";branch=z9hG4bK{number};rport"), old);
        let invite = old("INVITE", 1);
        let tx = server.invited(&invite);
        assert_eq!(server.receive(&invite), None);
        server.invited(&old("INVITE", 2));
        server.invited(&old("OPTIONS", 1));
        assert!(matches!(server.receive(&old("CANCEL", 1)), Some(TxEvent::Cancelled { tx: c, .. }) if c == tx));
        server.sent();
        server.0.respond(0, tx, response(&invite, 487));
        let mut ack = old("ACK", 1);
        ack.set("To", "<sip:bob@10.0.0.2>;tag=b");
        assert_eq!(server.receive(&ack), None);
        assert_eq!(server.statuses(), [487]);
        server.0.handle_timeout(10 * T1);
        assert!(!server.statuses().contains(&487), "acknowledged: not sent again");
    }
}

/// RFC 3581 and RFC 3261 §18.2: what the top Via learns, and where the response goes.
#[test]
fn responses_go_back_where_the_request_came_from() {
    let rows = [
        // Via as sent, Via as handed up, the response's port
        ("10.0.0.1:5060;branch=z9hG4bKv;rport", "10.0.0.1:5060;branch=z9hG4bKv;rport=5060;received=10.0.0.1", 5060),
        ("10.0.0.1:7000;branch=z9hG4bKv", "10.0.0.1:7000;branch=z9hG4bKv", 7000),
        (
            "192.168.0.7:7000;rport;branch=z9hG4bKv",
            "192.168.0.7:7000;rport=5060;branch=z9hG4bKv;received=10.0.0.1",
            5060,
        ),
        ("pc.example.com;branch=z9hG4bKv", "pc.example.com;branch=z9hG4bKv;received=10.0.0.1", 5060),
        ("10.0.0.1:7000;branch=z9hG4bKv;maddr=10.9.9.9", "10.0.0.1:7000;branch=z9hG4bKv;maddr=10.9.9.9", 7000),
    ];
    for (sent, noted, port) in rows {
        let mut server = Server::new();
        let mut msg = request("OPTIONS", 1);
        msg.set("Via", format!("SIP/2.0/UDP {sent}"));
        msg.push("Via", "SIP/2.0/UDP 10.0.0.77;branch=z9hG4bKfar");
        let Some(TxEvent::Request { tx, msg, .. }) = server.receive(&msg) else { panic!() };
        let vias: Vec<&str> = msg.headers("Via").collect();
        assert_eq!(vias, [&format!("SIP/2.0/UDP {noted}"), "SIP/2.0/UDP 10.0.0.77;branch=z9hG4bKfar"]);
        server.0.respond(0, tx, response(&msg, 200));
        let (to, answer) = server.sent().remove(0);
        assert_eq!((to.ip(), to.port()), (addr(A).ip(), port));
        assert_eq!(answer.headers("Via").collect::<Vec<_>>(), vias);
    }
}

#[test]
fn a_response_is_ours_by_its_top_via_or_it_is_dropped() {
    let mut client = Server::new();
    let hop = Pipe::new(Transport::Udp, 0, 0).hop(A);
    let options = request("OPTIONS", 1);
    let tx = client.0.request(0, options.clone(), hop);
    let foreign = with_branch(response(&options, 200), "z9hG4bK1");
    let foreign = Message::parse(
        String::from_utf8(foreign.to_bytes()).unwrap().replace("10.0.0.1:5060", "10.0.0.66:5060").as_bytes(),
    );
    assert_eq!(client.receive(&foreign.unwrap()), None);
    // Ours, but of no transaction: another branch, another method.
    let stray = response(&request("INVITE", 2), 200);
    assert!(matches!(client.receive(&stray), Some(TxEvent::StrayResponse { .. })));
    let stray = response(&request("INFO", 1), 200);
    assert!(matches!(client.receive(&stray), Some(TxEvent::StrayResponse { .. })));
    assert!(matches!(client.receive(&response(&options, 200)), Some(TxEvent::Response { tx: t, .. }) if t == tx));
    assert_eq!(client.receive(&response(&options, 200)), None, "a retransmission");
}

#[test]
fn the_state_survives_being_written_down() {
    let mut pipe = Pipe::new(Transport::Udp, 0, 1);
    let tx = pipe.request(A, request("INVITE", 1));
    let text = serde_json::to_string(&pipe.ends[A]).unwrap();
    let mut revived: Transactions = serde_json::from_str(&text).unwrap();
    revived.cancel(0, tx, &[]);
    let hop = pipe.hop(1);
    assert!(revived.receive(0, hop, response(&request("INVITE", 1), 180)).is_some());
    let (_, cancel) = revived.poll_send().unwrap();
    assert!(cancel.starts_with(b"CANCEL sip:bob@10.0.0.2 SIP/2.0\r\n"));
}
