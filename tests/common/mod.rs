//! What the tests share: phoned and its peers as processes on loopback, and the readers of what they heard.
//!
//! Every test file takes the modules it needs; the rest is dead code there.

#[allow(dead_code, clippy::unwrap_used)]
pub mod agent;
#[allow(dead_code, clippy::unwrap_used)]
pub mod bad_line;
#[allow(dead_code, clippy::unwrap_used)]
pub mod baresip;
#[allow(dead_code, clippy::unwrap_used)]
pub mod chromium;
#[allow(dead_code)]
pub mod contract;
#[allow(dead_code, clippy::unwrap_used)]
pub mod ctl;
#[allow(dead_code, clippy::unwrap_used)]
pub mod daemon;
#[allow(dead_code, clippy::unwrap_used)]
pub mod hosts;
#[allow(dead_code, clippy::unwrap_used)]
pub mod kamailio;
#[allow(dead_code, clippy::unwrap_used)]
pub mod machine;
#[allow(dead_code, clippy::unwrap_used)]
pub mod nats;
#[allow(dead_code, clippy::unwrap_used)]
pub mod pki;
#[allow(dead_code, clippy::unwrap_used)]
pub mod process;
#[allow(dead_code)]
pub mod registrar;
#[allow(dead_code, clippy::unwrap_used)]
pub mod sipp;
#[allow(dead_code, clippy::unwrap_used)]
pub mod tone;
#[allow(dead_code)]
pub mod wait;
#[allow(dead_code, clippy::unwrap_used)]
pub mod web;
