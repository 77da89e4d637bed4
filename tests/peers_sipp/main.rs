//! Calls from and to SIPp. The session timers wait for most of a minute, the others run meanwhile.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test meets the clock and the system")]

#[path = "../common/mod.rs"]
mod common;
mod peers_sipp_session_timers;
mod peers_sipp_uac;
mod peers_sipp_uas;
