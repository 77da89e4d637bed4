//! Client transactions: the two machines as tables, and the ACK and CANCEL that they write themselves.

use super::machine::{Do, Input, State, Step, What};
use super::timer::Timer;
use crate::sip::message::{Message, Method};

/// INVITE: RFC 3261 §17.1.1.2 (figure 5) with the Accepted state of RFC 6026 §7.2.
pub(super) fn invite(state: State, input: Input) -> Step {
    use {Do::*, Input::*, State::*, Timer::*};
    match (state, input) {
        (Calling, Start) => (Calling, &[Send, Run(A), Run(B)]),
        (Calling, Fire(A)) => (Calling, &[Send, Again(A)]),
        (Calling, Fire(B)) => (Terminated, &[Tell(What::Timeout)]),
        (Calling | Proceeding, Provisional) => (Proceeding, &[Deliver]),
        (Calling | Proceeding, Success) => (Accepted, &[Deliver, Forget, Run(M)]),
        (Calling | Proceeding, Failure) => (Completed, &[WriteAck, Deliver, Run(D)]),
        (Calling | Proceeding, Broken) => (Terminated, &[Tell(What::TransportError)]),
        (Proceeding, Cancel) => (Proceeding, &[WriteCancel, Run(Cancelled)]),
        (Proceeding, Fire(Cancelled)) => (Terminated, &[Tell(What::Timeout)]),
        (Completed, Failure) => (Completed, &[Send]),
        // A 2xx of another branch of a fork may come after the refusal: the dialog layer must acknowledge it.
        (Completed | Accepted, Success) => (state, &[Deliver]),
        (Completed, Fire(D)) | (Accepted, Fire(M)) => (Terminated, &[]),
        _ => (state, &[]),
    }
}

/// Every other method: RFC 3261 §17.1.2.2 (figure 6).
pub(super) fn other(state: State, input: Input) -> Step {
    use {Do::*, Input::*, State::*, Timer::*};
    match (state, input) {
        (Trying, Start) => (Trying, &[Send, Run(E), Run(F)]),
        (Trying | Proceeding, Fire(E)) => (state, &[Send, Again(E)]),
        (Trying | Proceeding, Fire(F)) => (Terminated, &[Tell(What::Timeout)]),
        (Trying | Proceeding, Broken) => (Terminated, &[Tell(What::TransportError)]),
        (Trying | Proceeding, Provisional) => (Proceeding, &[Deliver]),
        (Trying | Proceeding, Success | Failure) => (Completed, &[Deliver, Forget, Run(K)]),
        (Completed, Fire(K)) => (Terminated, &[]),
        _ => (state, &[]),
    }
}

/// What a response of this transaction must carry: the branch and method of its request (§17.1.3).
pub(super) fn key(branch: &str, method: &Method) -> String {
    format!("c {branch} {}", method.as_str())
}

/// The ACK of a refusal (§17.1.1.3): all as in the INVITE, the To as in the response.
pub(super) fn ack(invite: &Message, refusal: &Message) -> Message {
    let mut ack = same_hop(invite, Method::Ack);
    if let Some(to) = refusal.header("To") {
        ack.set("To", to);
    }
    ack
}

/// The CANCEL of an INVITE (§9.1), with what the user wants to add (Reason).
pub(super) fn cancel(invite: &Message, extra: &[(String, String)]) -> Message {
    let mut cancel = same_hop(invite, Method::Cancel);
    for (name, value) in extra {
        cancel.push(name, value.as_str());
    }
    cancel
}

/// A request that takes the same way as another and means the same transaction: same Request-URI, top Via and Route.
fn same_hop(invite: &Message, method: Method) -> Message {
    let mut request = Message::request(method.clone(), invite.uri());
    if let Some(via) = invite.headers("Via").next() {
        request.push("Via", via);
    }
    for route in invite.headers("Route") {
        request.push("Route", route);
    }
    request.push("Max-Forwards", "70");
    for name in ["From", "To", "Call-ID"] {
        if let Some(value) = invite.header(name) {
            request.push(name, value);
        }
    }
    request.push("CSeq", format!("{} {}", invite.cseq(), method.as_str()));
    request
}
