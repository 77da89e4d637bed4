//! Flows: the ways on which messages come and go (RFC 5626 names them).

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// Names a flow: a UDP socket, or a connected stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FlowId(pub u64);

/// A SIP transport.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// Datagrams: we retransmit.
    Udp,
    /// A plain stream.
    Tcp,
    /// A stream within TLS.
    Tls,
    /// A WebSocket (RFC 7118).
    Ws,
    /// A WebSocket within TLS.
    Wss,
}

impl Transport {
    /// What the configuration and a URI's `transport` parameter call it.
    pub fn from_name(name: &str) -> Option<Transport> {
        use Transport::*;
        [Udp, Tcp, Tls, Ws, Wss].into_iter().find(|t| t.param().eq_ignore_ascii_case(name))
    }
    /// The transport itself delivers or fails (RFC 3261 §17: no retransmissions).
    pub fn reliable(self) -> bool {
        self != Transport::Udp
    }
    /// Nobody reads along.
    pub fn secure(self) -> bool {
        matches!(self, Transport::Tls | Transport::Wss)
    }
    /// The client has no address that the server could reach but by this flow (RFC 7118 §5).
    pub fn websocket(self) -> bool {
        matches!(self, Transport::Ws | Transport::Wss)
    }
    /// Where a server listens unless its URI says otherwise.
    pub fn port(self) -> u16 {
        match self {
            Transport::Udp | Transport::Tcp => 5060,
            Transport::Tls => 5061,
            Transport::Ws => 80,
            Transport::Wss => 443,
        }
    }
    /// As in a Via (`SIP/2.0/UDP`).
    pub fn via(self) -> &'static str {
        match self {
            Transport::Udp => "UDP",
            Transport::Tcp => "TCP",
            Transport::Tls => "TLS",
            Transport::Ws => "WS",
            Transport::Wss => "WSS",
        }
    }
    /// Its name.
    pub fn param(self) -> &'static str {
        match self {
            Transport::Udp => "udp",
            Transport::Tcp => "tcp",
            Transport::Tls => "tls",
            Transport::Ws => "ws",
            Transport::Wss => "wss",
        }
    }
    /// As in the `transport` parameter of a Contact of ours: `ws` stands for both (RFC 7118 §5.1).
    pub fn uri_param(self) -> &'static str {
        if self == Transport::Wss { "ws" } else { self.param() }
    }
}

/// Where a message goes, or came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Hop {
    /// On which flow.
    pub flow: FlowId,
    /// To or from which address.
    pub addr: SocketAddr,
    /// What the flow speaks.
    pub transport: Transport,
}
