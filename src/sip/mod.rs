//! The pure SIP core: messages, URIs, framing, transactions, dialogs, digest.
pub mod dialog;
pub mod flow;
pub mod transaction;
