//! UDP: one socket, one task that reads it. Sending needs no task: the kernel's buffer is the queue.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::error::TrySendError;

use super::{Flow, FlowId, NetEvent, Shared, Transport, mark, spawn};

/// Room for a burst of INVITEs while the phone works.
const RECEIVE_BUFFER: usize = 2 << 20;

/// Opens a socket, tells it as a flow, and reads it from now on. Returns its address.
pub(super) fn listen(shared: &Arc<Shared>, name: &str, addr: SocketAddr) -> io::Result<SocketAddr> {
    let socket = birth(name, addr)?;
    let local = socket.local_addr()?;
    let reader = tokio::net::UdpSocket::from_std(socket.try_clone()?)?;
    let flow = shared.new_flow();
    shared.flows().insert(flow, Flow::Udp(socket));
    let shared = shared.clone();
    spawn(async move {
        shared.tell(NetEvent::Up { flow, transport: Transport::Udp, local, remote: None }).await;
        tokio::select! {
            () = read(&shared, flow, &reader) => {}
            () = shared.inbox.closed() => {}
        }
        shared.flows().remove(&flow);
    });
    Ok(local)
}

/// Sends a datagram. A full buffer loses it, as the network might.
pub(super) fn send(shared: &Shared, socket: &UdpSocket, to: SocketAddr, bytes: &[u8]) {
    match socket.send_to(bytes, to) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => shared.count_drop("the socket is full"),
        Err(error) => tracing::debug!(%to, %error, "a datagram could not be sent"),
    }
}

/// The one place where a UDP socket of the signalling comes into being.
fn birth(name: &str, addr: SocketAddr) -> io::Result<UdpSocket> {
    let socket = socket2::Socket::new(socket2::Domain::for_address(addr), socket2::Type::DGRAM, None)?;
    if addr.is_ipv6() {
        // So that [::] and 0.0.0.0 can have the same port.
        socket.set_only_v6(true)?;
    }
    mark(&socket, addr.ip());
    if let Err(error) = socket.set_recv_buffer_size(RECEIVE_BUFFER) {
        tracing::debug!(name, %error, "receive buffer not set");
    }
    socket.set_nonblocking(true)?;
    socket.bind(&addr.into())?;
    let socket = UdpSocket::from(socket);
    tracing::debug!(name, local = ?socket.local_addr(), "UDP socket");
    Ok(socket)
}

async fn read(shared: &Shared, flow: FlowId, socket: &tokio::net::UdpSocket) {
    let mut buffer = vec![0; 65_536];
    loop {
        let (length, from) = match socket.recv_from(&mut buffer).await {
            Ok(received) => received,
            Err(error) => {
                tracing::warn!(flow = flow.0, %error, "UDP socket");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let bytes = &buffer[..length];
        // Keep-alives of peers behind a NAT: nothing to answer.
        if bytes.iter().all(|byte| matches!(byte, b'\r' | b'\n' | b' ' | 0)) {
            continue;
        }
        match shared.inbox.try_send(NetEvent::Received { flow, from, bytes: bytes.to_vec() }) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => shared.count_drop("the phone is busy"),
            Err(TrySendError::Closed(_)) => return,
        }
    }
}
