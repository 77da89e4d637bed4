//! Server transactions: the two machines as tables, how a request finds its transaction, and where responses go.

use std::hash::{DefaultHasher, Hash, Hasher};

use super::machine::{Do, Input, State, Step, What};
use super::timer::Timer;
use crate::sip::flow::Hop;
use crate::sip::message::{Message, Method, reason_phrase};
use crate::sip::uri::Via;

/// What every branch of RFC 3261 begins with (§8.1.1.7).
pub(super) const MAGIC_COOKIE: &str = "z9hG4bK";

/// INVITE: RFC 3261 §17.2.1 (figure 7) with the Accepted state of RFC 6026 §7.1.
///
/// What is kept to be sent again begins as the 100 and is replaced by each response.
pub(super) fn invite(state: State, input: Input) -> Step {
    use {Do::*, Input::*, State::*, Timer::*};
    match (state, input) {
        (Proceeding, Start) => (Proceeding, &[Deliver, Run(Auto100)]),
        (Proceeding, Fire(Auto100)) => (Proceeding, &[Send]),
        (Proceeding, Request) => (Proceeding, &[Send]),
        (Proceeding, Provisional) => (Proceeding, &[Stop(Auto100), Reply]),
        (Proceeding, Success) => (Accepted, &[Reply, Run(L)]),
        (Proceeding, Failure) => (Completed, &[Reply, Run(G), Run(H)]),
        (Completed, Request) => (Completed, &[Send]),
        (Completed, Fire(G)) => (Completed, &[Send, Again(G)]),
        (Completed, Fire(H)) => (Terminated, &[Tell(What::AckMissing)]),
        (Completed, Ack) => (Confirmed, &[Run(I)]),
        (Confirmed, Fire(I)) => (Terminated, &[]),
        (Accepted, Success) => (Accepted, &[Reply]),
        // Only the ACK of an RFC 2543 peer finds its INVITE after a 2xx: it is the dialog's all the same.
        (Accepted, Ack) => (Accepted, &[Deliver]),
        (Accepted, Fire(L)) => (Terminated, &[]),
        _ => (state, &[]),
    }
}

/// Every other method: RFC 3261 §17.2.2 (figure 8).
pub(super) fn other(state: State, input: Input) -> Step {
    use {Do::*, Input::*, State::*, Timer::*};
    match (state, input) {
        (Trying, Start) => (state, &[Deliver]),
        (Trying | Proceeding, Provisional) => (Proceeding, &[Reply]),
        (Trying | Proceeding, Success | Failure) => (Completed, &[Reply, Run(J)]),
        (Proceeding | Completed, Request) => (state, &[Send]),
        (Completed, Fire(J)) => (Terminated, &[]),
        _ => (state, &[]),
    }
}

/// What names the server transaction of a request (§17.2.3): branch, sent-by and method, the ACK counting as its
/// INVITE. `method` is the request's own, or INVITE to find what a CANCEL means (§9.2).
///
/// A branch without the magic cookie comes from an RFC 2543 peer: there the Request-URI, From tag, Call-ID, CSeq
/// number and the whole top Via count. (The To tag need not: of a request and its ACK only the latter has ours.)
pub(super) fn key(request: &Message, via: &Via, method: &Method) -> String {
    let method = if *method == Method::Ack { Method::Invite.as_str() } else { method.as_str() };
    match via.branch() {
        Some(branch) if branch.starts_with(MAGIC_COOKIE) => {
            format!("s {branch} {} {method}", sent_by(via))
        }
        _ => {
            let tag = request.from_tag().unwrap_or_default();
            format!("s {} {tag} {} {} {via} {method}", request.uri(), request.call_id(), request.cseq())
        }
    }
}

/// What two copies of one request share that came by two ways (§8.2.2.2); None where that cannot be.
pub(super) fn merge_key(request: &Message) -> Option<String> {
    if request.method() == Method::Cancel || request.to_tag().is_some() {
        return None;
    }
    let tag = request.from_tag()?;
    Some(format!("{} {tag} {} {}", request.call_id(), request.cseq(), request.method().as_str()))
}

/// Host and port of a Via, comparable.
pub(super) fn sent_by(via: &Via) -> String {
    let mut text = via.host.to_ascii_lowercase();
    if let Some(port) = via.port {
        text.push(':');
        text.push_str(&port.to_string());
    }
    text
}

/// Writes into the top Via where the request came from (§18.2.1, RFC 3581 §4).
pub(super) fn note_source(request: &mut Message, mut via: Via, from: &Hop) {
    let source = from.addr.ip().to_string();
    let wants_rport = via.params.has("rport");
    if wants_rport {
        via.params.set("rport", &from.addr.port().to_string());
    }
    if wants_rport || via.host != source {
        via.params.set("received", &source);
        request.remove_first("Via");
        request.push_front("Via", via.to_string());
    }
}

/// Where the responses to a request go (§18.2.2, RFC 3581 §4): back on a stream; by UDP to the source address, at its
/// port where the peer asked for that, else at the port that its Via names. `maddr` is not followed: a stranger could
/// point it at anyone.
pub(super) fn response_hop(via: &Via, from: Hop) -> Hop {
    let mut hop = from;
    if !from.transport.reliable() && !via.params.has("rport") {
        hop.addr.set_port(via.port.unwrap_or(5060));
    }
    hop
}

/// A response that the layer gives by itself (100, 200 to CANCEL, 481, 482). Its To tag, where the request has none,
/// comes from the request, so that each copy of it gets the same (§8.2.7).
pub(super) fn own_response(request: &Message, status: u16, to_tag: Option<&str>) -> Message {
    let mut response = Message::response(request, status, reason_phrase(status));
    if status == 100 {
        // §8.2.6.1: for the peer's estimate of the round trip.
        if let Some(timestamp) = request.header("Timestamp") {
            response.push("Timestamp", timestamp);
        }
    } else if request.to_tag().is_none() {
        match to_tag {
            Some(tag) => response.set_to_tag(tag),
            None => {
                let mut hash = DefaultHasher::new();
                (request.call_id(), request.from_tag(), request.cseq()).hash(&mut hash);
                response.set_to_tag(&format!("{:016x}", hash.finish()));
            }
        }
    }
    response
}
