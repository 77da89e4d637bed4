//! What the transaction layer tells its user.

use serde::{Deserialize, Serialize};

use crate::sip::flow::Hop;
use crate::sip::message::Message;

/// Names a transaction, client or server; never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TxId(pub u64);

/// What the layer tells its user.
#[derive(Debug, Clone, PartialEq)]
pub enum TxEvent {
    /// A response to our request: each 1xx, the final one, and of an INVITE every 2xx (a retransmission, another
    /// branch of a fork, one that came after a refusal).
    Response {
        /// Our request's.
        tx: TxId,
        /// The response.
        msg: Message,
    },
    /// No final response came in time (timers B and F, or 64·T1 after a CANCEL): the transaction is gone.
    Timeout {
        /// Our request's.
        tx: TxId,
    },
    /// The flow broke before the final response: the transaction is gone.
    TransportError {
        /// Our request's.
        tx: TxId,
    },
    /// A new request, which wants `respond`. Its top Via says where it came from (RFC 3581).
    Request {
        /// For `respond`.
        tx: TxId,
        /// Where it came from.
        hop: Hop,
        /// The request.
        msg: Message,
    },
    /// An ACK that no refusal waited for: it acknowledges a 2xx.
    Ack {
        /// Where it came from.
        hop: Hop,
        /// The ACK.
        msg: Message,
    },
    /// A CANCEL of an INVITE without a final response came and was answered 200; the INVITE now wants 487.
    Cancelled {
        /// The INVITE's.
        tx: TxId,
        /// The CANCEL.
        msg: Message,
    },
    /// A response to us that no transaction knows (any more). A 2xx to an INVITE still wants an ACK.
    StrayResponse {
        /// Where it came from.
        hop: Hop,
        /// The response.
        msg: Message,
    },
    /// Our refusal of an INVITE was never acknowledged (timer H): the transaction is gone.
    AckMissing {
        /// The INVITE's.
        tx: TxId,
    },
}
