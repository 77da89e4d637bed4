//! phoned: a softphone without a screen.
#![forbid(unsafe_code)]
#![warn(missing_docs)]
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::disallowed_methods, clippy::disallowed_types))]

pub mod arguments;
pub mod audio;
pub mod config;
pub mod crm;
pub mod ctl;
pub mod daemon;
pub mod doctor;
pub mod fleet;
pub mod history;
pub mod journal;
pub mod media;
pub mod net;
pub mod rpc;
pub mod sdp;
pub mod service;
pub mod sip;
pub mod store;
pub mod ua;
