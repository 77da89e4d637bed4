//! The resolver against a name server of the test's own.

use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use hickory_resolver::proto::op::{Message, MessageType};
use hickory_resolver::proto::rr::rdata::{A, NAPTR, SRV};
use hickory_resolver::proto::rr::{Name, Record};

use super::*;

fn host(name: &str, port: Option<u16>, transport: Option<Transport>) -> Host {
    Host { name: name.into(), port, transport }
}

#[test]
fn literals_need_no_question() {
    for (host, addr, transport) in [
        (host("127.0.0.1", None, None), "127.0.0.1:5060", Transport::Udp),
        (host("127.0.0.2", Some(5070), Some(Transport::Tcp)), "127.0.0.2:5070", Transport::Tcp),
        (host("LocalHost.", None, None), "127.0.0.1:5060", Transport::Udp),
    ] {
        let found = literal(&host).expect("a literal");
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].addr.to_string().as_str(), found[0].transport), (addr, transport));
        assert!(found[0].local_ip.is_loopback());
    }
    assert_eq!(literal(&host("example.com", Some(5060), None)), None);
}

#[test]
fn srv_order() {
    let service = |name: &str| Service { transport: Transport::Udp, name: name.into(), port: 1 };
    let records = vec![(20, 0, service("last")), (10, 5, service("b")), (10, 90, service("a")), (10, 0, service("z"))];
    let order = |draws: Vec<u32>| {
        let mut draws = draws.into_iter();
        let names = by_weight(records.clone(), |sum| draws.next().unwrap_or(0).min(sum));
        names.into_iter().map(|service| service.name).collect::<Vec<_>>()
    };
    assert_eq!(order(vec![95, 5, 0]), ["a", "b", "z", "last"]);
    assert_eq!(order(vec![0, 0, 0]), ["z", "b", "a", "last"]);
    assert_eq!(order(vec![3, 60, 0]), ["b", "a", "z", "last"]);
}

#[tokio::test]
async fn a_name_that_does_not_exist_is_answered_in_time() {
    let before = tokio::time::Instant::now();
    let found = Resolver::default().targets(&host("no-such-host.invalid", None, None)).await;
    assert_eq!(found, []);
    assert!(before.elapsed() < Duration::from_secs(9), "{:?}", before.elapsed());
}

/// Answers from a table, in which a name without a record of the asked type is an empty answer.
async fn name_server(records: Vec<(&'static str, RData)>) -> TokioResolver {
    let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.expect("a socket");
    let dns = client(socket.local_addr().expect("bound"));
    super::super::spawn(async move {
        let mut buffer = [0; 1500];
        while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
            let mut message = Message::from_vec(&buffer[..length]).expect("a question");
            let question = message.queries[0].clone();
            message.metadata.message_type = MessageType::Response;
            for (name, data) in &records {
                let name = Name::from_ascii(name).expect("a name");
                if name == *question.name() && data.record_type() == question.query_type() {
                    message.add_answer(Record::from_rdata(name, 60, data.clone()));
                }
            }
            socket.send_to(&message.to_vec().expect("an answer"), from).await.expect("sent");
        }
    });
    dns
}

fn client(server: SocketAddr) -> TokioResolver {
    let mut connection = ConnectionConfig::udp();
    connection.port = server.port();
    let servers = vec![NameServerConfig::new(server.ip(), true, vec![connection])];
    let config = ResolverConfig::from_parts(None, vec![], servers);
    build(TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())).expect("a resolver")
}

fn name(text: &str) -> Name {
    Name::from_ascii(text).expect("a name")
}

fn a(last: u8) -> RData {
    RData::A(A::new(127, 0, 0, last))
}

fn srv_to(priority: u16, port: u16, target: &str) -> RData {
    RData::SRV(SRV::new(priority, 0, port, name(target)))
}

fn naptr_to(order: u16, service: &str, replacement: &str) -> RData {
    let text = |text: &str| text.as_bytes().to_vec().into_boxed_slice();
    RData::NAPTR(NAPTR::new(order, 0, text("S"), text(service), text(""), name(replacement)))
}

async fn found(dns: &TokioResolver, host: Host) -> Vec<String> {
    let found = targets(dns, &host).await;
    assert!(found.iter().all(|target| target.name == host.name), "the name that was asked for is kept: {found:?}");
    found.iter().map(|target| format!("{}:{}", target.transport.param(), target.addr)).collect()
}

#[tokio::test]
async fn the_order_of_rfc_3263() {
    let dns = name_server(vec![
        ("naptr.test.", naptr_to(10, "SIPS+D2T", "_sips._tcp.naptr.test.")),
        ("naptr.test.", naptr_to(20, "SIP+D2T", "_sip._tcp.naptr.test.")),
        ("naptr.test.", naptr_to(30, "SIP+D2U", "_sip._udp.naptr.test.")),
        ("_sip._tcp.naptr.test.", srv_to(1, 5070, "a.test.")),
        ("_sip._udp.naptr.test.", srv_to(2, 5081, "b.test.")),
        ("_sip._udp.naptr.test.", srv_to(1, 5080, "a.test.")),
        ("_sip._udp.srv.test.", srv_to(1, 5090, "a.test.")),
        ("_sip._tcp.srv.test.", srv_to(1, 5091, "b.test.")),
        ("_sips._tcp.srv.test.", srv_to(1, 5093, "b.test.")),
        ("first.test.", naptr_to(10, "SIPS+D2T", "_sips._tcp.srv.test.")),
        ("_sip._udp.none.test.", srv_to(1, 5090, ".")),
        ("none.test.", a(4)),
        ("a.test.", a(1)),
        ("a.test.", a(2)),
        ("b.test.", a(3)),
    ])
    .await;
    let (tcp, tls) = (Some(Transport::Tcp), Some(Transport::Tls));
    for (host, expected) in [
        (
            host("naptr.test", None, None),
            vec![
                "tcp:127.0.0.1:5070",
                "tcp:127.0.0.2:5070",
                "udp:127.0.0.1:5080",
                "udp:127.0.0.2:5080",
                "udp:127.0.0.3:5081",
            ],
        ),
        (
            host("srv.test", None, None),
            vec!["udp:127.0.0.1:5090", "udp:127.0.0.2:5090", "tcp:127.0.0.3:5091", "tls:127.0.0.3:5093"],
        ),
        (host("first.test", None, None), vec!["tls:127.0.0.3:5093"]),
        (host("srv.test", None, tls), vec!["tls:127.0.0.3:5093"]),
        (host("b.test", None, tls), vec!["tls:127.0.0.3:5061"]),
        (host("srv.test", None, Some(Transport::Wss)), vec![]),
        (host("b.test", None, Some(Transport::Wss)), vec!["wss:127.0.0.3:443"]),
        (host("b.test", None, Some(Transport::Ws)), vec!["ws:127.0.0.3:80"]),
        (host("srv.test", None, tcp), vec!["tcp:127.0.0.3:5091"]),
        (host("b.test", None, None), vec!["udp:127.0.0.3:5060"]),
        (host("b.test", Some(5099), None), vec!["udp:127.0.0.3:5099"]),
        (host("b.test", Some(5099), tcp), vec!["tcp:127.0.0.3:5099"]),
        (host("none.test", None, None), vec!["udp:127.0.0.4:5060"]),
        (host("nobody.test", None, None), vec![]),
        (host("b.test bad name..", None, None), vec![]),
    ] {
        let mut got = found(&dns, host.clone()).await;
        // The addresses of one name come in any order.
        got.sort_by_key(|target| expected.iter().position(|other| other == target));
        assert_eq!(got, expected, "{host:?}");
    }
}

#[tokio::test]
async fn a_dead_name_server_costs_three_seconds_at_most() {
    let silent = tokio::net::UdpSocket::bind("127.0.0.1:0").await.expect("a socket");
    let dns = client(silent.local_addr().expect("bound"));
    let before = tokio::time::Instant::now();
    assert_eq!(found(&dns, host("a.test", None, None)).await, Vec::<String>::new());
    assert!(before.elapsed() < Duration::from_secs(9), "{:?}", before.elapsed());
}
