//! TCP: a task per stream. It cuts messages from what comes in, answers pings, and writes what waits.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, mpsc};

use super::{Flow, FlowId, MAX_MESSAGE, NetEvent, OUTBOX, Shared, Transport, mark, spawn};
use crate::sip::framing::{Frame, Framer};
use crate::sip::message::Message;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// What we sent and nobody acknowledged for so long is lost, and the stream with it (TCP_USER_TIMEOUT).
const DEAD_AFTER: Duration = Duration::from_secs(30);
/// Streams that others opened and that the phone has never answered: so many an address, so many at all.
const UNKNOWN_PER_ADDRESS: usize = 16;
const UNKNOWN_AT_ALL: usize = 256;

/// The way to a stream's task.
pub(super) struct Handle {
    out: mpsc::Sender<Out>,
    /// Ends the task without ado.
    cut: Arc<Notify>,
    /// Who connected, as long as the phone has said nothing to them.
    unknown: Option<IpAddr>,
    answered: AtomicBool,
}

enum Out {
    Bytes(Vec<u8>),
    Close,
}

impl Handle {
    fn new(unknown: Option<IpAddr>) -> (Handle, Queue) {
        let (out, waiting) = mpsc::channel(OUTBOX);
        let cut = Arc::new(Notify::new());
        let queue = Queue { pong: out.clone(), waiting, cut: cut.clone() };
        (Handle { out, cut, unknown, answered: AtomicBool::new(false) }, queue)
    }

    /// Queues a message. On a reliable transport none may be lost: a peer that lets the queue fill up is cut off.
    pub(super) fn send(&self, bytes: Vec<u8>) {
        self.answered.store(true, Ordering::Relaxed);
        if self.out.try_send(Out::Bytes(bytes)).is_err() {
            self.cut.notify_one();
        }
    }

    /// Closes once the queue is empty.
    pub(super) fn close(&self) {
        if self.out.try_send(Out::Close).is_err() {
            self.cut.notify_one();
        }
    }

    fn unknown(&self) -> Option<IpAddr> {
        self.unknown.filter(|_| !self.answered.load(Ordering::Relaxed))
    }
}

/// The task's end of a [`Handle`].
struct Queue {
    pong: mpsc::Sender<Out>,
    waiting: mpsc::Receiver<Out>,
    cut: Arc<Notify>,
}

/// Accepts streams from now on. Returns our address.
pub(super) fn listen(shared: &Arc<Shared>, addr: SocketAddr) -> io::Result<SocketAddr> {
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
    spawn(async move {
        // Nothing is ever sent on it: the phone learns the port that its Contact names.
        shared.tell(NetEvent::Up { flow, transport: Transport::Tcp, local, remote: None }).await;
        tokio::select! {
            () = accept(&shared, &listener) => {}
            () = shared.inbox.closed() => {}
        }
    });
    Ok(local)
}

/// Connects; the flow is there at once, and what is sent on it waits for the connection.
pub(super) fn connect(shared: &Arc<Shared>, flow: FlowId, addr: SocketAddr) {
    let (handle, queue) = Handle::new(None);
    shared.flows().insert(flow, Flow::Tcp(handle));
    let shared = shared.clone();
    spawn(async move {
        let connecting = tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(addr));
        let result = tokio::select! {
            result = connecting => result,
            () = queue.cut.notified() => Ok(Err(io::Error::other("given up"))),
            () = shared.inbox.closed() => return,
        };
        match result {
            Ok(Ok(stream)) => run(shared, flow, stream, addr, queue).await,
            Ok(Err(error)) => shared.ended(flow, format!("{addr}: {error}")).await,
            Err(_) => shared.ended(flow, format!("{addr}: no connection within 5 s")).await,
        }
    });
}

async fn accept(shared: &Arc<Shared>, listener: &TcpListener) {
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
            Flow::Tcp(stream) => stream.unknown(),
            Flow::Udp(_) => None,
        });
        let (same, all) = unknown.fold((0, 0), |(same, all), ip| (same + usize::from(ip == remote.ip()), all + 1));
        if same >= UNKNOWN_PER_ADDRESS || all >= UNKNOWN_AT_ALL {
            tracing::debug!(%remote, same, all, "too many streams of strangers");
            continue;
        }
        let flow = shared.new_flow();
        flows.insert(flow, Flow::Tcp(handle));
        drop(flows);
        spawn(run(shared.clone(), flow, stream, remote, queue));
    }
}

/// A stream's life. We never close it for being silent: a trunk may be so for days.
async fn run(shared: Arc<Shared>, flow: FlowId, stream: TcpStream, remote: SocketAddr, queue: Queue) {
    let local = match prepare(&stream, remote.ip()) {
        Ok(local) => local,
        Err(error) => return shared.ended(flow, error.to_string()).await,
    };
    tracing::debug!(flow = flow.0, %local, %remote, "TCP stream");
    shared.tell(NetEvent::Up { flow, transport: Transport::Tcp, local, remote: Some(remote) }).await;
    let (reader, writer) = stream.into_split();
    let Queue { pong, waiting, cut } = queue;
    let reason = tokio::select! {
        reason = read(&shared, flow, remote, reader, pong) => reason,
        reason = write(writer, waiting) => reason,
        () = cut.notified() => "the peer does not read".to_owned(),
        () = shared.inbox.closed() => return,
    };
    shared.ended(flow, reason).await;
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

async fn read(
    shared: &Shared,
    flow: FlowId,
    from: SocketAddr,
    mut reader: OwnedReadHalf,
    pong: mpsc::Sender<Out>,
) -> String {
    let mut framer = Framer::new(MAX_MESSAGE);
    let mut buffer = vec![0; 16 * 1024];
    loop {
        match reader.read(&mut buffer).await {
            Ok(0) => return "closed by the peer".into(),
            Ok(length) => framer.push(&buffer[..length]),
            Err(error) => return error.to_string(),
        }
        while let Some(frame) = framer.next() {
            match frame {
                Frame::Message(bytes) => shared.tell(NetEvent::Received { flow, from, bytes }).await,
                // RFC 5626 §4.4.1. With a full queue the peer sees that we live by what is in it.
                Frame::Ping => drop(pong.try_send(Out::Bytes(b"\r\n".to_vec()))),
                Frame::Pong => {}
                // Only the phone knows who may have an answer to it. A head that reads well without the body that it
                // lacks must not be taken for a message.
                Frame::Bad(error, head) => {
                    tracing::debug!(flow = flow.0, reason = ?error.reason, "bad message on a stream");
                    if Message::parse(&head).is_err() {
                        shared.tell(NetEvent::Received { flow, from, bytes: head }).await;
                    }
                }
                Frame::Broken(reason) => return reason,
            }
        }
    }
}

async fn write(mut writer: OwnedWriteHalf, mut waiting: mpsc::Receiver<Out>) -> String {
    while let Some(Out::Bytes(bytes)) = waiting.recv().await {
        if let Err(error) = writer.write_all(&bytes).await {
            return error.to_string();
        }
    }
    match writer.shutdown().await {
        Ok(()) => "closed by us".into(),
        Err(error) => error.to_string(),
    }
}
