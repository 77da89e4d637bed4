//! The pure SIP core: messages, URIs, framing, transactions, dialogs, digest.
pub mod flow;
