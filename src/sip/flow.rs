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
}

impl Transport {
    /// The transport itself delivers or fails (RFC 3261 §17: no retransmissions).
    pub fn reliable(self) -> bool {
        self != Transport::Udp
    }
    /// As in a Via (`SIP/2.0/UDP`).
    pub fn via(self) -> &'static str {
        match self {
            Transport::Udp => "UDP",
            Transport::Tcp => "TCP",
        }
    }
    /// As in a URI's `transport` parameter.
    pub fn param(self) -> &'static str {
        match self {
            Transport::Udp => "udp",
            Transport::Tcp => "tcp",
        }
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
