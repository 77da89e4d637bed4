//! The pure SIP core: messages, URIs, framing, transactions, dialogs, digest.
pub mod auth;
pub mod dialog;
mod digest;
pub mod flow;
pub mod framing;
pub mod headers;
pub mod message;
mod method;
mod name_addr;
mod params;
mod parse;
pub mod transaction;
pub mod uri;
mod uri_match;
mod via;
