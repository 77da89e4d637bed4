//! What is measured of the way of the packets: who sends, who counts them, what comes back.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// Where packets come from, and what the peer's reports (RTCP) say of ours.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct WayFacts {
    /// The address that its packets come from; none before the first three, and with ICE.
    pub from: Option<SocketAddr>,
    /// Who sent the last packet that was not the peer's.
    pub stranger: Option<SocketAddr>,
    /// Since the last packet of the peer; none before the first.
    pub rx_age_ms: Option<u64>,
    /// Reports of the peer, of whatever.
    pub reports: u64,
    /// Packets of ours that the newest one counts.
    pub counted: u64,
    /// We have sent all this time, and the reports count no packet more.
    pub uncounted_ms: u64,
    /// The reports in that time.
    pub uncounted_reports: u32,
    /// What we say comes back.
    pub echo: Option<Echo>,
}

/// Our own voice in what we hear.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Echo {
    /// How long after we sent it.
    pub delay_ms: u32,
    /// By how much it is quieter, dB.
    pub loss_db: f64,
}
