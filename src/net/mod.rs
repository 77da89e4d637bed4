//! The flows: UDP sockets, and streams by TCP, TLS and WebSocket. Bytes in and out, with a bound everywhere; what they mean
//! is the phone's affair.

mod addresses;
mod resolve;
mod stream;
mod tcp;
mod tls;
mod udp;
mod verify;
mod ws;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc;

pub use crate::sip::flow::{FlowId, Transport};
use crate::ua::io::{Host, QueryId, Target};
use crate::ua::settings::{Access, TlsSettings};
pub use addresses::watch;

/// How many events may wait for the phone: then datagrams are dropped and streams wait.
pub const INBOX: usize = 256;
/// How many messages may wait for a stream: a peer that reads none of them is cut off.
const OUTBOX: usize = 64;
/// The greatest message on a stream, bytes.
const MAX_MESSAGE: usize = 64 * 1024;
/// Differentiated services of signalling: CS3 (RFC 4594), as a TOS byte.
const TOS: u32 = 24 << 2;

/// What the network tells the phone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NetEvent {
    /// A datagram, or one message of a stream.
    Received {
        /// The flow it came on.
        flow: FlowId,
        /// Who sent it.
        from: SocketAddr,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// A flow can carry messages.
    Up {
        /// Which one.
        flow: FlowId,
        /// What it speaks.
        transport: Transport,
        /// Our end.
        local: SocketAddr,
        /// The other end of a stream.
        remote: Option<SocketAddr>,
    },
    /// A stream has ended, or could not be opened. It is told once, and nothing after it.
    Closed {
        /// Which one.
        flow: FlowId,
        /// Why.
        reason: String,
    },
    /// The addresses of this host's interfaces are these now.
    Addresses(BTreeSet<IpAddr>),
    /// The resolver's answer, best first; empty when there is none.
    Resolved(QueryId, Vec<Target>),
}

/// All sockets of the signalling. Lives inside a tokio runtime; its tasks end with the receiver of its events.
pub struct Net {
    shared: Arc<Shared>,
    resolver: resolve::Resolver,
    listening: Vec<(Transport, SocketAddr)>,
}

/// What the tasks share.
struct Shared {
    inbox: mpsc::Sender<NetEvent>,
    flows: Mutex<BTreeMap<FlowId, Flow>>,
    next_flow: AtomicU64,
    dropped: AtomicU64,
}

enum Flow {
    Udp(std::net::UdpSocket),
    Stream(stream::Handle),
}

impl Net {
    /// Opens the sockets named by `listen` (`udp:ADDRESS:PORT`, `tcp:…`, `tls:…`; port 0: any free one); `tls` is what those
    /// for TLS show. Every listening socket is told as [`NetEvent::Up`]. The error names the entry that failed.
    pub fn start(listen: &[String], tls: &TlsSettings, inbox: mpsc::Sender<NetEvent>) -> io::Result<Net> {
        let shared = Arc::new(Shared {
            inbox,
            flows: Mutex::default(),
            next_flow: AtomicU64::new(1 << 32),
            dropped: AtomicU64::new(0),
        });
        let mut listening = Vec::new();
        for (index, entry) in listen.iter().enumerate() {
            let open = || {
                let (transport, addr) = parse_listen(entry).map_err(io::Error::other)?;
                let local = match transport {
                    Transport::Udp => udp::listen(&shared, &format!("sip-udp-{index}"), addr)?,
                    Transport::Tls => tcp::listen(&shared, addr, Some(tls::acceptor(tls)?))?,
                    _ => tcp::listen(&shared, addr, None)?,
                };
                Ok((transport, local))
            };
            listening
                .push(open().map_err(|error: io::Error| io::Error::new(error.kind(), format!("{entry}: {error}")))?);
        }
        Ok(Net { shared, resolver: resolve::Resolver::default(), listening })
    }

    /// Where we listen, with the ports that the OS chose.
    pub fn listening(&self) -> &[(Transport, SocketAddr)] {
        &self.listening
    }

    /// Datagrams that were lost here, in or out, since a queue was full.
    pub fn dropped(&self) -> u64 {
        self.shared.dropped.load(Ordering::Relaxed)
    }

    /// The same count, for whoever watches it from elsewhere.
    pub fn drops(&self) -> impl Fn() -> u64 + Send + use<> {
        let shared = self.shared.clone();
        move || shared.dropped.load(Ordering::Relaxed)
    }

    /// Which of our addresses reaches this one.
    pub fn way_to(peer: IpAddr) -> Option<IpAddr> {
        resolve::local_ip(SocketAddr::new(peer, 5060))
    }

    /// Sends a message; never waits. A flow that is gone has told so, or is about to.
    pub fn send(&self, flow: FlowId, to: SocketAddr, bytes: Vec<u8>) {
        match self.shared.flows().get(&flow) {
            Some(Flow::Udp(socket)) => udp::send(&self.shared, socket, to, &bytes),
            Some(Flow::Stream(stream)) => stream.send(bytes),
            None => tracing::debug!(flow = flow.0, "nothing is sent on a closed flow"),
        }
    }

    /// Connects a stream. `Up` or `Closed` tells how it went, within 5 s.
    pub fn open(&self, flow: FlowId, target: Target, access: Access) {
        match target.transport {
            Transport::Udp => tracing::error!(flow = flow.0, "a UDP flow cannot be connected"),
            _ => tcp::connect(&self.shared, flow, target, access),
        }
    }

    /// Closes a stream once all that was sent on it is out.
    pub fn close(&self, flow: FlowId) {
        if let Some(Flow::Stream(stream)) = self.shared.flows().get(&flow) {
            stream.close();
        }
    }

    /// Resolves a host (RFC 3263). What needs no question is answered at once; all else by `Resolved` within 3 s.
    pub fn resolve(&self, query: QueryId, host: Host) -> Option<Vec<Target>> {
        let at_once = resolve::literal(&host);
        if at_once.is_none() {
            let (resolver, inbox) = (self.resolver.clone(), self.shared.inbox.clone());
            spawn(async move {
                let targets = resolver.targets(&host).await;
                let _ = inbox.send(NetEvent::Resolved(query, targets)).await;
            });
        }
        at_once
    }
}

/// The targets of a host, best first, as a call would find them. Within a tokio runtime.
pub async fn look_up(host: &Host) -> Vec<Target> {
    resolve::Resolver::default().targets(host).await
}

/// It is an address, and nothing has to be looked up.
pub fn is_address(host: &Host) -> bool {
    resolve::literal(host).is_some()
}

/// Reads an entry of `[sip] listen`.
pub fn parse_listen(entry: &str) -> Result<(Transport, SocketAddr), String> {
    let (transport, addr) = match entry.split_once(':') {
        Some(("udp", addr)) => (Transport::Udp, addr),
        Some(("tcp", addr)) => (Transport::Tcp, addr),
        Some(("tls", addr)) => (Transport::Tls, addr),
        _ => return Err("not udp:ADDRESS:PORT, tcp:ADDRESS:PORT nor tls:ADDRESS:PORT".into()),
    };
    let addr =
        addr.parse().map_err(|_| format!("{addr:?} is not ADDRESS:PORT (an IPv6 address stands in brackets)"))?;
    Ok((transport, addr))
}

impl Shared {
    fn flows(&self) -> MutexGuard<'_, BTreeMap<FlowId, Flow>> {
        self.flows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn new_flow(&self) -> FlowId {
        FlowId(self.next_flow.fetch_add(1, Ordering::Relaxed))
    }

    /// Counts a lost datagram; the log hears of the 1st, 2nd, 4th, 8th, ….
    fn count_drop(&self, why: &str) {
        let count = self.dropped.fetch_add(1, Ordering::Relaxed) + 1;
        if count.is_power_of_two() {
            tracing::warn!(count, "SIP datagrams dropped: {why}");
        }
    }

    async fn tell(&self, event: NetEvent) {
        // No receiver: the daemon is over, and so is this task.
        let _ = self.inbox.send(event).await;
    }

    async fn ended(&self, flow: FlowId, reason: String) {
        self.flows().remove(&flow);
        tracing::debug!(flow = flow.0, reason, "flow closed");
        self.tell(NetEvent::Closed { flow, reason }).await;
    }
}

/// Marks the packets of a socket; without the right to do so they go unmarked.
fn mark(socket: &socket2::Socket, ip: IpAddr) {
    let result = if ip.is_ipv4() { socket.set_tos_v4(TOS) } else { socket.set_tclass_v6(TOS) };
    if let Err(error) = result {
        tracing::debug!(%error, "DSCP not set");
    }
}

#[expect(clippy::disallowed_methods, reason = "edge: a task per socket and question")]
fn spawn(task: impl Future<Output = ()> + Send + 'static) {
    tokio::spawn(task);
}
