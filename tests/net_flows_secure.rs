//! Flows within TLS and WebSocket: what is sent arrives, certificates are checked against the configured name and refused in
//! plain words, client certificates are shown, a WebSocket speaks RFC 7118, and `tls:` sockets take trunks.
#![allow(clippy::result_large_err, reason = "what a WebSocket's handshake callback returns is the crate's own type")]

mod common;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::pki::{Identity, Pki};
use futures_util::{SinkExt, StreamExt};
use phoned::net::{FlowId, INBOX, Net, NetEvent, Transport};
use phoned::ua::io::Target;
use phoned::ua::settings::{Access, Secret, TlsSettings};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::{TlsAcceptor, TlsConnector};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::{HeaderValue, StatusCode};

const MESSAGE: &[u8] =
    b"OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/TLS h;branch=z9hG4bKx\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:a@b>\r\n\
Call-ID: 1\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n";

struct Bench {
    net: Net,
    events: mpsc::Receiver<NetEvent>,
}

fn bench(listen: &[&str], tls: &TlsSettings) -> Bench {
    let (inbox, events) = mpsc::channel(INBOX);
    let listen: Vec<String> = listen.iter().map(|entry| entry.to_string()).collect();
    Bench { net: Net::start(&listen, tls, inbox).expect("free ports"), events }
}

impl Bench {
    /// The next event, but that a socket listens.
    async fn next(&mut self) -> NetEvent {
        loop {
            let event = tokio::time::timeout(Duration::from_secs(30), self.events.recv()).await;
            match event.expect("an event in time").expect("an event") {
                NetEvent::Up { remote: None, .. } => {}
                event => return event,
            }
        }
    }

    async fn closed(&mut self) -> String {
        match self.next().await {
            NetEvent::Closed { reason, .. } => reason,
            other => panic!("{other:?}"),
        }
    }

    async fn up(&mut self) {
        let event = self.next().await;
        assert!(matches!(event, NetEvent::Up { .. }), "{event:?}");
    }

    async fn received(&mut self) -> Vec<u8> {
        match self.next().await {
            NetEvent::Received { bytes, .. } => bytes,
            other => panic!("{other:?}"),
        }
    }
}

fn path(file: &Path) -> Option<String> {
    Some(file.display().to_string())
}

fn trusting(pki: &Pki) -> Access {
    Access { ca_file: path(&pki.ca_file), path: "/".into(), ..Access::default() }
}

fn target(transport: Transport, addr: SocketAddr, name: &str) -> Target {
    Target { addr, transport, local_ip: addr.ip(), name: name.into() }
}

fn root(pki: &Pki) -> Arc<RootCertStore> {
    let mut store = RootCertStore::empty();
    store.add(CertificateDer::from_pem_file(&pki.ca_file).expect("a CA")).expect("a CA");
    Arc::new(store)
}

/// A TLS server; with `clients` it wants certificates of theirs.
fn acceptor(identity: &Identity, clients: Option<&Pki>) -> TlsAcceptor {
    let provider = Arc::new(ring::default_provider());
    let builder =
        ServerConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions().expect("TLS");
    let builder = match clients {
        Some(pki) => {
            let verifier =
                WebPkiClientVerifier::builder_with_provider(root(pki), provider).build().expect("a verifier");
            builder.with_client_cert_verifier(verifier)
        }
        None => builder.with_no_client_auth(),
    };
    let chain = vec![CertificateDer::from_pem_file(&identity.certificate).expect("a certificate")];
    let key = PrivateKeyDer::from_pem_file(&identity.key).expect("a key");
    TlsAcceptor::from(Arc::new(builder.with_single_cert(chain, key).expect("a server")))
}

async fn listener() -> (TcpListener, SocketAddr) {
    listener_at("127.0.0.1:0").await
}

async fn listener_at(addr: &str) -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind(addr).await.expect("a socket");
    let addr = listener.local_addr().expect("bound");
    (listener, addr)
}

/// A TLS server for one connection, which returns what was sent; gives the name that it was asked for.
fn echo(listener: TcpListener, acceptor: TlsAcceptor) -> tokio::task::JoinHandle<Option<String>> {
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.expect("accepted");
        let mut stream = acceptor.accept(stream).await.ok()?;
        let asked = stream.get_ref().1.server_name().map(str::to_owned);
        let mut buffer = vec![0; 65_536];
        while let Ok(length @ 1..) = stream.read(&mut buffer).await {
            stream.write_all(&buffer[..length]).await.ok()?;
        }
        asked
    })
}

#[tokio::test]
async fn tls_carries_messages_and_asks_for_the_configured_name() {
    let dir = tempfile::tempdir().expect("a folder");
    let pki = Pki::new(dir.path(), "ca");
    let (listener, addr) = listener().await;
    let server = echo(listener, acceptor(&pki.identity("server", &["pbx.example.com"]), None));
    let mut bench = bench(&[], &TlsSettings::default());
    let flow = FlowId(7);
    bench.net.open(flow, target(Transport::Tls, addr, "pbx.example.com"), trusting(&pki));
    bench.net.send(flow, addr, MESSAGE.to_vec());
    let up = bench.next().await;
    assert!(matches!(up, NetEvent::Up { transport: Transport::Tls, remote: Some(to), .. } if to == addr), "{up:?}");
    assert_eq!(bench.received().await, MESSAGE);
    bench.net.send(flow, addr, b"\r\n\r\n".to_vec());
    bench.net.send(flow, addr, b"\r\n".to_vec()); // comes back as if it were the answer
    assert_eq!(bench.received().await, b"\r\n");
    bench.net.close(flow);
    assert_eq!(bench.closed().await, "closed by us");
    assert_eq!(server.await.expect("a server").as_deref(), Some("pbx.example.com"));
}

/// Why a server with that certificate is refused; none: it is not.
async fn refusal(identity: &Identity, access: Access) -> Option<String> {
    let (listener, addr) = listener().await;
    let server = echo(listener, acceptor(identity, None));
    let mut bench = bench(&[], &TlsSettings::default());
    bench.net.open(FlowId(1), target(Transport::Tls, addr, "pbx.example.com"), access);
    let told = bench.next().await;
    server.abort();
    match told {
        NetEvent::Closed { reason, .. } => Some(reason),
        _ => None,
    }
}

#[tokio::test]
async fn a_wrong_certificate_is_refused_in_plain_words() {
    let dir = tempfile::tempdir().expect("a folder");
    let (pki, other) = (Pki::new(dir.path(), "ca"), Pki::new(dir.path(), "other"));
    let right = pki.identity("right", &["pbx.example.com"]);
    let wrong = pki.identity("wrong", &["sip.example.net"]);
    let old = pki.expired("old", &["pbx.example.com"]);
    let foreign = other.identity("foreign", &["pbx.example.com"]);
    assert_eq!(refusal(&right, trusting(&pki)).await, None);
    for (identity, what) in [
        (&wrong, "the server's certificate is for another name: sip.example.net, not pbx.example.com"),
        (&old, "the server's certificate has expired"),
        (&foreign, "the server's certificate is signed by an unknown CA"),
    ] {
        let reason = refusal(identity, trusting(&pki)).await.expect("refused");
        assert!(reason.ends_with(what), "{reason}");
        let anybody = Access { insecure: true, ..Access::default() };
        assert_eq!(refusal(identity, anybody).await, None, "verify = false takes it: {what}");
    }
    // A self-signed one must be listed.
    assert_eq!(refusal(&pki.itself(), trusting(&pki)).await, None);
    let reason = refusal(&other.itself(), trusting(&pki)).await.expect("refused");
    assert!(reason.ends_with("is self-signed and not known here"), "{reason}");
    let renamed = Access { server_name: Some("sip.example.net".into()), ..trusting(&pki) };
    assert_eq!(refusal(&wrong, renamed).await, None);
    // Without a CA of our own it is the system's, which do not know ours.
    let reason = refusal(&right, Access::default()).await.expect("refused");
    assert!(reason.contains("unknown CA") || reason.contains("the system trusts no CA"), "{reason}");
    let missing = Access { ca_file: Some("/no/such/ca.pem".into()), ..Access::default() };
    assert!(refusal(&right, missing).await.expect("refused").contains("/no/such/ca.pem"));
}

#[tokio::test]
async fn a_server_that_wants_to_know_us_gets_our_certificate() {
    let dir = tempfile::tempdir().expect("a folder");
    let (pki, other) = (Pki::new(dir.path(), "ca"), Pki::new(dir.path(), "other"));
    let server = pki.identity("server", &["pbx.example.com"]);
    let shown = |identity: &Identity| Access {
        certificate: path(&identity.certificate),
        key: path(&identity.key),
        ..trusting(&pki)
    };
    for (access, reason) in [
        (shown(&pki.identity("us", &["alice"])), None),
        (trusting(&pki), Some("the server wants a certificate of ours")),
        (shown(&other.identity("them", &["alice"])), Some("the peer refuses our certificate")),
    ] {
        let (listener, addr) = listener().await;
        let task = echo(listener, acceptor(&server, Some(&pki)));
        let mut bench = bench(&[], &TlsSettings::default());
        bench.net.open(FlowId(1), target(Transport::Tls, addr, "pbx.example.com"), access);
        bench.up().await; // of TLS 1.3 the refusal comes when the handshake is over for us
        bench.net.send(FlowId(1), addr, MESSAGE.to_vec());
        match reason {
            None => assert_eq!(bench.received().await, MESSAGE),
            Some(what) => {
                let told = bench.closed().await;
                assert!(told.contains(what), "{told}");
            }
        }
        task.abort();
    }
}

#[tokio::test]
async fn who_speaks_no_tls_or_nothing_at_all_is_named() {
    for (transport, answer, what) in [
        (Transport::Tls, Some(&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..]), "does not speak TLS"),
        (Transport::Tls, None, "no connection within 5 s"),
        (Transport::Ws, None, "no connection within 5 s"),
        (Transport::Ws, Some(&b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"[..]), "answers 403 Forbidden"),
    ] {
        let (listener, addr) = listener().await;
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("accepted");
            if let Some(answer) = answer {
                let _ = stream.write_all(answer).await;
            }
            let mut rest = Vec::new();
            let _ = stream.read_to_end(&mut rest).await;
        });
        let mut bench = bench(&[], &TlsSettings::default());
        bench.net.open(
            FlowId(1),
            target(transport, addr, "pbx.example.com"),
            Access { insecure: true, path: "/".into(), ..Access::default() },
        );
        let reason = bench.closed().await;
        assert!(reason.contains(what), "{reason}");
        server.abort();
    }
}

/// What a WebSocket server saw of the upgrade request: its URL, and its headers in lower case.
type Seen = Arc<Mutex<(String, String)>>;

fn greet(seen: &Seen, protocol: bool, request: &Request, mut response: Response) -> Result<Response, ErrorResponse> {
    let headers: Vec<String> = request.headers().iter().map(|(name, value)| format!("{name}: {value:?}")).collect();
    *seen.lock().expect("a lock") = (request.uri().to_string(), headers.join("\n"));
    if protocol {
        response.headers_mut().insert("Sec-WebSocket-Protocol", HeaderValue::from_static("sip"));
    }
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    Ok(response)
}

#[tokio::test]
async fn a_websocket_speaks_rfc_7118() {
    let (listener, addr) = listener().await;
    let seen = Seen::default();
    let shared = seen.clone();
    let (told, mut frames) = mpsc::channel(16);
    let server = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.expect("accepted");
        let callback = |request: &Request, response| greet(&shared, true, request, response);
        let mut socket = tokio_tungstenite::accept_hdr_async(stream, callback).await.expect("upgraded");
        while let Some(Ok(frame)) = socket.next().await {
            let answer = match &frame {
                Message::Text(text) if text.contains("INFO") => Some(Message::text(text.as_str())),
                Message::Text(_) => Some(Message::binary(MESSAGE)),
                Message::Binary(_) => Some(Message::text("x".repeat(70_000))),
                _ => None,
            };
            let _ = told.send(frame).await;
            if let Some(answer) = answer {
                let _ = socket.send(answer).await;
            }
        }
    });
    let mut bench = bench(&[], &TlsSettings::default());
    let access = Access {
        path: "/sip".into(),
        query: Some(Secret::new("a=1&b=2")),
        origin: Some("https://example.com".into()),
        headers: vec![Secret::new("X-Token: 4711")],
        ..Access::default()
    };
    let flow = FlowId(3);
    bench.net.open(flow, target(Transport::Ws, addr, "pbx.example.com"), access);
    bench.up().await;
    let (url, headers) = seen.lock().expect("a lock").clone();
    assert_eq!(url, "/sip?a=1&b=2");
    for header in [
        format!("host: \"pbx.example.com:{}\"", addr.port()),
        "sec-websocket-protocol: \"sip\"".into(),
        "origin: \"https://example.com\"".into(),
        "x-token: \"4711\"".into(),
    ] {
        assert!(headers.contains(&header), "{header} in\n{headers}");
    }
    // Without a length a message ends with its frame; the answer comes in a binary one.
    bench.net.send(flow, addr, b"OPTIONS sip:a@b SIP/2.0\r\n\r\n".to_vec());
    assert!(matches!(frames.recv().await, Some(Message::Text(_))));
    assert_eq!(bench.received().await, MESSAGE);
    // Our ping is a ping frame, its pong tells that the server lives.
    bench.net.send(flow, addr, b"\r\n\r\n".to_vec());
    assert!(matches!(frames.recv().await, Some(Message::Ping(_))));
    assert_eq!(bench.received().await, b"\r\n");
    // What is no UTF-8 goes as a binary frame; what is too large ends the flow.
    bench.net.send(flow, addr, b"OPTIONS sip:a@b SIP/2.0\r\nX: \xff\r\n\r\n".to_vec());
    assert!(matches!(frames.recv().await, Some(Message::Binary(_))));
    assert_eq!(bench.closed().await, "the peer sent a message that is too large");
    server.abort();
}

#[tokio::test]
async fn an_address_in_brackets_works_as_well() {
    let dir = tempfile::tempdir().expect("a folder");
    let pki = Pki::new(dir.path(), "ca");
    let (listener, addr) = listener_at("[::1]:0").await;
    let acceptor = acceptor(&pki.identity("server", &["::1"]), None);
    let seen = Seen::default();
    let shared = seen.clone();
    let server = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.expect("accepted");
        let stream = acceptor.accept(stream).await.expect("TLS");
        let callback = |request: &Request, response| greet(&shared, true, request, response);
        let mut socket = tokio_tungstenite::accept_hdr_async(stream, callback).await.expect("upgraded");
        while let Some(Ok(frame)) = socket.next().await {
            let _ = socket.send(frame).await;
        }
    });
    let mut bench = bench(&[], &TlsSettings::default());
    bench.net.open(FlowId(1), target(Transport::Wss, addr, "::1"), trusting(&pki));
    bench.net.send(FlowId(1), addr, MESSAGE.to_vec());
    bench.up().await;
    assert_eq!(bench.received().await, MESSAGE);
    let (url, headers) = seen.lock().expect("a lock").clone();
    assert!(url == "/" && headers.contains(&format!("host: \"[::1]:{}\"", addr.port())), "{url}\n{headers}");
    bench.net.close(FlowId(1));
    assert_eq!(bench.closed().await, "closed by us");
    server.await.expect("a server");
}

#[tokio::test]
async fn a_websocket_server_without_sip_is_none() {
    let (listener, addr) = listener().await;
    let server = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.expect("accepted");
        let seen = Seen::default();
        let callback = |request: &Request, response| greet(&seen, false, request, response);
        let _ = tokio_tungstenite::accept_hdr_async(stream, callback).await;
    });
    let mut bench = bench(&[], &TlsSettings::default());
    bench.net.open(
        FlowId(1),
        target(Transport::Ws, addr, "pbx.example.com"),
        Access { path: "/".into(), ..Access::default() },
    );
    let reason = bench.closed().await;
    assert!(reason.contains("WebSocket: "), "{reason}");
    server.abort();
}

#[tokio::test]
async fn a_trunk_calls_in_by_tls() {
    let dir = tempfile::tempdir().expect("a folder");
    let pki = Pki::new(dir.path(), "ca");
    let identity = pki.identity("us", &["phone.example.com"]);
    let tls = TlsSettings { ca_file: None, certificate: path(&identity.certificate), key: path(&identity.key) };
    for listen in ["tls:127.0.0.1:0", "tls:[::1]:0"] {
        let mut bench = bench(&[listen], &tls);
        let (transport, addr) = bench.net.listening()[0];
        assert_eq!(transport, Transport::Tls);
        // Somebody who speaks no TLS is nobody.
        let mut stranger = TcpStream::connect(addr).await.expect("connected");
        stranger.write_all(MESSAGE).await.expect("sent");
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("TLS")
            .with_root_certificates(root(&pki))
            .with_no_client_auth();
        let stream = TcpStream::connect(addr).await.expect("connected");
        let from = stream.local_addr().expect("connected");
        let name = ServerName::try_from("phone.example.com").expect("a name");
        let mut stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.expect("TLS");
        stream.write_all(&[MESSAGE, b"\r\n\r\n"].concat()).await.expect("sent");
        let NetEvent::Up { flow, transport: Transport::Tls, remote: Some(remote), .. } = bench.next().await else {
            panic!("no flow")
        };
        assert_eq!(remote, from);
        assert_eq!(bench.next().await, NetEvent::Received { flow, from, bytes: MESSAGE.to_vec() });
        let mut pong = [0; 2];
        stream.read_exact(&mut pong).await.expect("a pong");
        bench.net.send(flow, from, MESSAGE.to_vec());
        let mut answer = vec![0; MESSAGE.len()];
        stream.read_exact(&mut answer).await.expect("an answer");
        assert_eq!((&pong[..], &answer[..]), (&b"\r\n"[..], MESSAGE));
    }
    let (inbox, _) = mpsc::channel(1);
    let error = Net::start(&["tls:127.0.0.1:0".into()], &TlsSettings::default(), inbox).err().expect("refused");
    assert!(error.to_string().contains("certificate"), "{error}");
}
