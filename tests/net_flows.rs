//! Flows: what is sent arrives, a stream is cut into messages and its pings are answered, a full inbox loses datagrams but
//! no message of a stream, a silent stream stays, and every flow that ends says so once.

use std::net::SocketAddr;
use std::time::Duration;

use phoned::net::{FlowId, INBOX, Net, NetEvent, Transport, parse_listen};
use phoned::ua::io::{Host, QueryId, Target};
use phoned::ua::settings::{Access, TlsSettings};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::mpsc;

const MESSAGE: &[u8] =
    b"OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=z9hG4bKx\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:a@b>\r\n\
Call-ID: 1\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n";

fn start(listen: &[&str]) -> (Net, mpsc::Receiver<NetEvent>) {
    let (inbox, events) = mpsc::channel(INBOX);
    let listen: Vec<String> = listen.iter().map(|entry| entry.to_string()).collect();
    (Net::start(&listen, &TlsSettings::default(), inbox).expect("free ports"), events)
}

/// The next event, but that a TCP socket listens.
async fn next(events: &mut mpsc::Receiver<NetEvent>) -> NetEvent {
    loop {
        let event = tokio::time::timeout(Duration::from_secs(30), events.recv()).await;
        match event.expect("an event in time").expect("an event") {
            NetEvent::Up { transport: Transport::Tcp, remote: None, .. } => {}
            event => return event,
        }
    }
}

#[tokio::test]
async fn a_listener_tells_its_port() {
    let (net, mut events) = start(&["tcp:127.0.0.1:0"]);
    let event = tokio::time::timeout(Duration::from_secs(30), events.recv()).await.expect("in time");
    let local = net.listening()[0].1;
    assert!(matches!(event, Some(NetEvent::Up { local: told, remote: None, .. }) if told == local));
}

async fn up(events: &mut mpsc::Receiver<NetEvent>) -> (FlowId, SocketAddr) {
    match next(events).await {
        NetEvent::Up { flow, local, .. } => (flow, local),
        other => panic!("{other:?}"),
    }
}

async fn quiet(events: &mut mpsc::Receiver<NetEvent>) {
    let none = tokio::time::timeout(Duration::from_millis(100), events.recv()).await;
    assert!(none.is_err(), "{none:?}");
}

fn tcp(addr: SocketAddr) -> Target {
    Target { addr, transport: Transport::Tcp, local_ip: addr.ip(), name: addr.ip().to_string() }
}

#[tokio::test]
async fn datagrams_in_and_out() {
    let (net, mut events) = start(&["udp:127.0.0.1:0"]);
    let (flow, local) = up(&mut events).await;
    assert!(flow.0 >= 1 << 32);
    assert_eq!(net.listening(), [(Transport::Udp, local)]);
    let peer = UdpSocket::bind("127.0.0.1:0").await.expect("a socket");
    for keep_alive in [&b"\r\n\r\n"[..], b"\0\0\0\0", b""] {
        peer.send_to(keep_alive, local).await.expect("sent");
    }
    peer.send_to(MESSAGE, local).await.expect("sent");
    let from = peer.local_addr().expect("bound");
    assert_eq!(next(&mut events).await, NetEvent::Received { flow, from, bytes: MESSAGE.to_vec() });
    net.send(flow, from, b"answer".to_vec());
    let mut buffer = [0; 100];
    let (length, _) = peer.recv_from(&mut buffer).await.expect("received");
    assert_eq!(&buffer[..length], b"answer");
}

#[tokio::test]
async fn a_stream_from_a_peer() {
    let (net, mut events) = start(&["tcp:127.0.0.1:0"]);
    let mut peer = TcpStream::connect(net.listening()[0].1).await.expect("connected");
    let (flow, local) = up(&mut events).await;
    assert_eq!(local, peer.peer_addr().expect("connected"));
    let from = peer.local_addr().expect("connected");
    // Two messages and a ping, in pieces that respect no border.
    let all = [MESSAGE, b"\r\n\r\n", MESSAGE].concat();
    for piece in all.chunks(37) {
        peer.write_all(piece).await.expect("sent");
        peer.flush().await.expect("sent");
    }
    for _ in 0..2 {
        assert_eq!(next(&mut events).await, NetEvent::Received { flow, from, bytes: MESSAGE.to_vec() });
    }
    let mut pong = [0; 2];
    peer.read_exact(&mut pong).await.expect("a pong");
    assert_eq!(&pong, b"\r\n");
    // Silence is no reason to close.
    quiet(&mut events).await;
    net.send(flow, from, MESSAGE.to_vec());
    net.close(flow);
    let mut rest = Vec::new();
    peer.read_to_end(&mut rest).await.expect("the end");
    assert_eq!(rest, MESSAGE);
    assert_eq!(next(&mut events).await, NetEvent::Closed { flow, reason: "closed by us".into() });
    net.send(flow, from, MESSAGE.to_vec());
    quiet(&mut events).await;
}

#[tokio::test]
async fn a_message_too_large_costs_itself_and_nonsense_the_stream() {
    let (net, mut events) = start(&["tcp:127.0.0.1:0"]);
    let mut peer = TcpStream::connect(net.listening()[0].1).await.expect("connected");
    let (flow, _) = up(&mut events).await;
    let from = peer.local_addr().expect("connected");
    let text = String::from_utf8_lossy(MESSAGE).replace("Content-Length: 0", "Content-Length: 70000");
    peer.write_all(text.as_bytes()).await.expect("sent");
    peer.write_all(&[b'x'; 70_000]).await.expect("sent");
    peer.write_all(MESSAGE).await.expect("sent");
    // Its head comes for the phone to refuse; then the next message.
    assert_eq!(next(&mut events).await, NetEvent::Received { flow, from, bytes: text.into_bytes() });
    assert_eq!(next(&mut events).await, NetEvent::Received { flow, from, bytes: MESSAGE.to_vec() });
    let no_length = String::from_utf8_lossy(MESSAGE).replace("Content-Length: 0\r\n", "");
    peer.write_all(no_length.as_bytes()).await.expect("sent");
    assert!(matches!(next(&mut events).await, NetEvent::Closed { .. }));
    assert_eq!(peer.read(&mut [0; 1]).await.expect("closed"), 0);
}

#[tokio::test]
async fn a_stream_to_a_peer() {
    let (net, mut events) = start(&[]);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a socket");
    let addr = listener.local_addr().expect("bound");
    let flow = FlowId(7);
    net.open(flow, tcp(addr), Access::default());
    // What is sent before the connection stands is not lost.
    net.send(flow, addr, MESSAGE.to_vec());
    let (mut peer, from) = listener.accept().await.expect("accepted");
    let expected = NetEvent::Up { flow, transport: Transport::Tcp, local: from, remote: Some(addr) };
    assert_eq!(next(&mut events).await, expected);
    let mut got = vec![0; MESSAGE.len()];
    peer.read_exact(&mut got).await.expect("the message");
    assert_eq!(got, MESSAGE);
    drop(peer);
    assert_eq!(next(&mut events).await, NetEvent::Closed { flow, reason: "closed by the peer".into() });
}

#[tokio::test]
async fn a_stream_that_nobody_accepts() {
    let (net, mut events) = start(&[]);
    let free = TcpListener::bind("127.0.0.1:0").await.expect("a socket").local_addr().expect("bound");
    net.open(FlowId(1), tcp(free), Access::default());
    let NetEvent::Closed { flow: FlowId(1), reason } = next(&mut events).await else { panic!("no Closed") };
    assert!(reason.contains("refused"), "{reason}");
    quiet(&mut events).await;
}

#[tokio::test]
async fn a_peer_that_does_not_read_is_cut_off() {
    let (net, mut events) = start(&["tcp:127.0.0.1:0"]);
    let peer = TcpStream::connect(net.listening()[0].1).await.expect("connected");
    let (flow, _) = up(&mut events).await;
    let to = peer.local_addr().expect("connected");
    let sending = async {
        loop {
            net.send(flow, to, vec![b'x'; 60_000]);
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        () = sending => {}
        event = next(&mut events) => assert_eq!(event, NetEvent::Closed { flow, reason: "the peer does not read".into() }),
    }
}

#[tokio::test]
async fn a_full_inbox_loses_datagrams_and_makes_streams_wait() {
    let (net, mut events) = start(&["udp:127.0.0.1:0", "tcp:127.0.0.1:0"]);
    let peer = UdpSocket::bind("127.0.0.1:0").await.expect("a socket");
    let mut stream = TcpStream::connect(net.listening()[1].1).await.expect("connected");
    let ups = [up(&mut events).await.0, up(&mut events).await.0];
    while net.dropped() == 0 {
        peer.send_to(MESSAGE, net.listening()[0].1).await.expect("sent");
        tokio::task::yield_now().await;
    }
    for _ in 0..1_000 {
        stream.write_all(MESSAGE).await.expect("sent");
    }
    let mut of_stream = 0;
    while of_stream < 1_000 {
        match next(&mut events).await {
            NetEvent::Received { flow, from, .. } if from == stream.local_addr().expect("connected") => {
                assert!(ups.contains(&flow));
                of_stream += 1;
            }
            NetEvent::Received { .. } => {}
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn strangers_share_a_limit_and_known_peers_do_not_count() {
    let (net, mut events) = start(&["tcp:127.0.0.1:0"]);
    let addr = net.listening()[0].1;
    let mut peers = Vec::new();
    for _ in 0..16 {
        peers.push(TcpStream::connect(addr).await.expect("connected"));
    }
    let mut flows = Vec::new();
    for _ in 0..16 {
        flows.push(up(&mut events).await.0);
    }
    let mut one_more = TcpStream::connect(addr).await.expect("connected");
    assert_eq!(one_more.read(&mut [0; 1]).await.expect("closed"), 0);
    quiet(&mut events).await;
    net.send(flows[0], peers[0].local_addr().expect("connected"), MESSAGE.to_vec());
    peers.push(TcpStream::connect(addr).await.expect("connected"));
    up(&mut events).await;
}

#[tokio::test]
async fn what_cannot_be_listened_on_says_which() {
    let (net, _events) = start(&["udp:127.0.0.1:0"]);
    let taken = format!("udp:{}", net.listening()[0].1);
    let (inbox, _) = mpsc::channel(1);
    let error =
        Net::start(std::slice::from_ref(&taken), &TlsSettings::default(), inbox).err().expect("an error").to_string();
    assert!(error.starts_with(&taken), "{error}");
    for bad in ["", "udp", "ws:127.0.0.1:5061", "udp:localhost:5060", "udp:127.0.0.1", "udp:::1:5060"] {
        parse_listen(bad).expect_err(bad);
    }
    assert_eq!(parse_listen("tcp:[::]:5060"), Ok((Transport::Tcp, "[::]:5060".parse().expect("an address"))));
}

#[tokio::test]
async fn literals_are_resolved_at_once_and_names_by_an_event() {
    let (net, mut events) = start(&[]);
    let host = |name: &str| Host { name: name.into(), port: None, transport: None };
    let found = net.resolve(QueryId(1), host("127.0.0.1")).expect("at once");
    assert_eq!(found[0].addr, "127.0.0.1:5060".parse::<std::net::SocketAddr>().expect("an address"));
    assert_eq!(net.resolve(QueryId(2), host("no-such-host.invalid")), None);
    assert_eq!(next(&mut events).await, NetEvent::Resolved(QueryId(2), vec![]));
}
