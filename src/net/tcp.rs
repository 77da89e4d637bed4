//! TCP: connections that we make and take, dressed as TLS and WebSocket want it.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::stream::{self, Handle, Queue};
use super::{Flow, FlowId, NetEvent, Shared, Transport, mark, spawn, tls, ws};
use crate::ua::io::Target;
use crate::ua::settings::Access;

/// Connecting, with all handshakes.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// What we sent and nobody acknowledged for so long is lost, and the stream with it (TCP_USER_TIMEOUT).
const DEAD_AFTER: Duration = Duration::from_secs(30);
/// Streams that others opened and that the phone has never answered: so many an address, so many at all.
const UNKNOWN_PER_ADDRESS: usize = 16;
const UNKNOWN_AT_ALL: usize = 256;

/// Accepts streams from now on, within TLS where there is an acceptor. Returns our address.
pub(super) fn listen(shared: &Arc<Shared>, addr: SocketAddr, acceptor: Option<TlsAcceptor>) -> io::Result<SocketAddr> {
    let socket = socket2::Socket::new(socket2::Domain::for_address(addr), socket2::Type::STREAM, None)?;
    if addr.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&addr.into())?;
    socket.listen(1024)?;
    let listener = TcpListener::from_std(socket.into())?;
    let local = listener.local_addr()?;
    let shared = shared.clone();
    let flow = shared.new_flow();
    let transport = if acceptor.is_some() { Transport::Tls } else { Transport::Tcp };
    spawn(async move {
        // Nothing is ever sent on it: the phone learns the port that its Contact names.
        shared.tell(NetEvent::Up { flow, transport, local, remote: None }).await;
        tokio::select! {
            () = accept(&shared, &listener, acceptor.as_ref()) => {}
            () = shared.inbox.closed() => {}
        }
    });
    Ok(local)
}

/// Connects; the flow is there at once, and what is sent on it waits for the connection.
pub(super) fn connect(shared: &Arc<Shared>, flow: FlowId, target: Target, access: Access) {
    let (handle, queue) = Handle::new(None);
    shared.flows().insert(flow, Flow::Stream(handle));
    let shared = shared.clone();
    spawn(async move {
        let cut = queue.cut.clone();
        let connecting = tokio::time::timeout(CONNECT_TIMEOUT, dressed(&target, &access));
        let result = tokio::select! {
            result = connecting => result.unwrap_or_else(|_| Err("no connection within 5 s".into())),
            () = cut.notified() => Err("given up".into()),
            () = shared.inbox.closed() => return,
        };
        match result {
            Ok((local, dressed)) => {
                let (transport, remote) = (target.transport, Some(target.addr));
                tracing::debug!(flow = flow.0, %local, remote = %target.addr, "{} stream", transport.param());
                shared.tell(NetEvent::Up { flow, transport, local, remote }).await;
                dressed.run(shared, flow, target.addr, queue).await;
            }
            Err(reason) => shared.ended(flow, format!("{}: {reason}", target.addr)).await,
        }
    });
}

/// A connection, ready for SIP.
enum Dressed {
    Tcp(TcpStream),
    Tls(Box<tls::Client<TcpStream>>),
    Ws(Box<tokio_tungstenite::WebSocketStream<TcpStream>>),
    Wss(Box<tokio_tungstenite::WebSocketStream<tls::Client<TcpStream>>>),
}

impl Dressed {
    async fn run(self, shared: Arc<Shared>, flow: FlowId, remote: SocketAddr, queue: Queue) {
        match self {
            Dressed::Tcp(stream) => stream::run(shared, flow, stream, remote, queue).await,
            Dressed::Tls(stream) => stream::run(shared, flow, stream, remote, queue).await,
            Dressed::Ws(socket) => ws::run(shared, flow, *socket, remote, queue).await,
            Dressed::Wss(socket) => ws::run(shared, flow, *socket, remote, queue).await,
        }
    }
}

/// The connection and our address on it; the error is for people.
async fn dressed(target: &Target, access: &Access) -> Result<(SocketAddr, Dressed), String> {
    let stream = TcpStream::connect(target.addr).await.map_err(|error| error.to_string())?;
    let local = prepare(&stream, target.addr.ip()).map_err(|error| error.to_string())?;
    let dressed = match target.transport {
        Transport::Tls => Dressed::Tls(Box::new(tls::connect(stream, &target.name, access).await?)),
        Transport::Ws => Dressed::Ws(Box::new(ws::upgrade(stream, target, access).await?)),
        Transport::Wss => {
            let stream = tls::connect(stream, &target.name, access).await?;
            Dressed::Wss(Box::new(ws::upgrade(stream, target, access).await?))
        }
        Transport::Tcp | Transport::Udp => Dressed::Tcp(stream),
    };
    Ok((local, dressed))
}

async fn accept(shared: &Arc<Shared>, listener: &TcpListener, acceptor: Option<&TlsAcceptor>) {
    loop {
        let (stream, remote) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of descriptors: the next try may find one.
                tracing::warn!(%error, "accept");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let (handle, queue) = Handle::new(Some(remote.ip()));
        let mut flows = shared.flows();
        let unknown = flows.values().filter_map(|flow| match flow {
            Flow::Stream(stream) => stream.unknown(),
            Flow::Udp(_) => None,
        });
        let (same, all) = unknown.fold((0, 0), |(same, all), ip| (same + usize::from(ip == remote.ip()), all + 1));
        if same >= UNKNOWN_PER_ADDRESS || all >= UNKNOWN_AT_ALL {
            tracing::debug!(%remote, same, all, "too many streams of strangers");
            continue;
        }
        let flow = shared.new_flow();
        flows.insert(flow, Flow::Stream(handle));
        drop(flows);
        spawn(welcome(shared.clone(), flow, stream, remote, queue, acceptor.cloned()));
    }
}

/// The life of a stream that somebody else opened.
async fn welcome(
    shared: Arc<Shared>,
    flow: FlowId,
    stream: TcpStream,
    remote: SocketAddr,
    queue: Queue,
    acceptor: Option<TlsAcceptor>,
) {
    let local = match prepare(&stream, remote.ip()) {
        Ok(local) => local,
        Err(error) => return shared.ended(flow, error.to_string()).await,
    };
    let Some(acceptor) = acceptor else {
        tracing::debug!(flow = flow.0, %local, %remote, "TCP stream");
        shared.tell(NetEvent::Up { flow, transport: Transport::Tcp, local, remote: Some(remote) }).await;
        return stream::run(shared, flow, stream, remote, queue).await;
    };
    let shaking = tokio::time::timeout(CONNECT_TIMEOUT, tls::accept(stream, &acceptor));
    let result = tokio::select! {
        result = shaking => result.unwrap_or_else(|_| Err("no TLS handshake within 5 s".into())),
        () = shared.inbox.closed() => return,
    };
    match result {
        Ok(stream) => {
            tracing::debug!(flow = flow.0, %local, %remote, "TLS stream");
            shared.tell(NetEvent::Up { flow, transport: Transport::Tls, local, remote: Some(remote) }).await;
            stream::run(shared, flow, stream, remote, queue).await;
        }
        Err(reason) => {
            // The phone has never heard of it.
            tracing::debug!(%remote, reason, "no TLS stream");
            shared.flows().remove(&flow);
        }
    }
}

fn prepare(stream: &TcpStream, remote: IpAddr) -> io::Result<SocketAddr> {
    // Else an INVITE costs the 40 ms of a delayed ACK.
    stream.set_nodelay(true)?;
    let socket = socket2::SockRef::from(stream);
    mark(&socket, remote);
    socket.set_tcp_user_timeout(Some(DEAD_AFTER))?;
    socket.set_tcp_keepalive(&socket2::TcpKeepalive::new().with_time(Duration::from_secs(60)))?;
    stream.local_addr()
}
