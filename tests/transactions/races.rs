//! CANCEL, 2xx and refusals that cross each other; and ten thousand INVITEs over a bad network.

use std::collections::BTreeMap;

use phoned::sip::flow::Transport;
use phoned::sip::message::{Message, Method};
use phoned::sip::transaction::{TxEvent, TxId};

use crate::pipe::{A, B, Pipe, Stimulus, ack_2xx, request, response};

/// Begins an INVITE of A's that B has received.
fn invited(pipe: &mut Pipe) -> (TxId, TxId, Message) {
    let ours = pipe.request(A, request("INVITE", 1));
    match pipe.next() {
        Some(Stimulus::Tx(B, TxEvent::Request { tx, msg, .. })) => (ours, tx, msg),
        other => panic!("{other:?}"),
    }
}

fn statuses_until_the_end(pipe: &mut Pipe) -> Vec<u16> {
    let mut statuses = Vec::new();
    while let Some(stimulus) = pipe.next() {
        match stimulus {
            Stimulus::Tx(A, TxEvent::Response { msg, .. }) => statuses.push(msg.status()),
            Stimulus::Tx(B, TxEvent::Ack { .. }) => {}
            other => panic!("{other:?}"),
        }
    }
    assert!(pipe.ends[A].is_empty() && pipe.ends[B].is_empty());
    statuses
}

#[test]
fn cancel_waits_for_a_provisional_and_takes_the_way_of_its_invite() {
    let mut pipe = Pipe::new(Transport::Tcp, 0, 1);
    let (ours, theirs, invite) = invited(&mut pipe);
    pipe.ends[A].cancel(pipe.now, ours, &[("Reason".into(), "SIP;cause=200".into())]);
    pipe.ends[A].cancel(pipe.now, ours, &[]);
    assert!(pipe.times(A, "CANCEL").is_empty());
    pipe.ends[B].respond(pipe.now, theirs, response(&invite, 180));
    assert!(matches!(pipe.next(), Some(Stimulus::Tx(A, TxEvent::Response { msg, .. })) if msg.status() == 180));
    let Some(Stimulus::Tx(B, TxEvent::Cancelled { tx, msg })) = pipe.next() else { panic!() };
    assert_eq!((tx, msg.method(), msg.uri(), msg.cseq()), (theirs, Method::Cancel, invite.uri(), invite.cseq()));
    assert_eq!(msg.via().unwrap().branch(), invite.via().unwrap().branch());
    assert_eq!(msg.headers("Via").count(), 1);
    for name in ["Route", "From", "To", "Call-ID"] {
        assert_eq!(msg.header(name), invite.header(name), "{name}");
    }
    assert_eq!(msg.header("Reason"), Some("SIP;cause=200"));
    pipe.ends[B].respond(pipe.now, theirs, response(&invite, 487));
    // Cancelling what is over does nothing.
    assert!(matches!(pipe.next(), Some(Stimulus::Tx(A, TxEvent::Response { msg, .. })) if msg.status() == 487));
    pipe.ends[A].cancel(pipe.now, ours, &[]);
    assert!(statuses_until_the_end(&mut pipe).is_empty());
    assert_eq!((pipe.times(A, "CANCEL").len(), pipe.times(B, "SIP/2.0 200").len()), (1, 1));
    assert_eq!(pipe.times(A, "ACK").len(), 1);
}

#[test]
fn a_final_response_before_any_provisional_needs_no_cancel() {
    for status in [200, 404] {
        let mut pipe = Pipe::new(Transport::Tcp, 0, 1);
        let (ours, theirs, invite) = invited(&mut pipe);
        pipe.ends[A].cancel(pipe.now, ours, &[]);
        pipe.ends[B].respond(pipe.now, theirs, response(&invite, status));
        assert_eq!(statuses_until_the_end(&mut pipe), [status]);
        assert!(pipe.times(A, "CANCEL").is_empty());
    }
}

#[test]
fn a_cancel_that_crosses_a_200_leaves_the_200_to_the_user() {
    let mut pipe = Pipe::new(Transport::Tcp, 0, 1);
    let (ours, theirs, invite) = invited(&mut pipe);
    pipe.ends[B].respond(pipe.now, theirs, response(&invite, 180));
    pipe.next();
    pipe.ends[A].cancel(pipe.now, ours, &[]);
    pipe.ends[B].respond(pipe.now, theirs, response(&invite, 200));
    assert_eq!(statuses_until_the_end(&mut pipe), [200]);
    assert_eq!((pipe.times(A, "CANCEL").len(), pipe.times(B, "SIP/2.0 200").len()), (1, 2));
}

#[test]
fn a_cancelled_invite_without_any_final_response_is_given_up_after_32_s() {
    let mut pipe = Pipe::new(Transport::Udp, 0, 1);
    let (ours, theirs, invite) = invited(&mut pipe);
    pipe.ends[B].respond(pipe.now, theirs, response(&invite, 180));
    pipe.next();
    let cancelled = pipe.now;
    pipe.ends[A].cancel(pipe.now, ours, &[]);
    let mut told = Vec::new();
    while !pipe.ends[A].is_empty() {
        told.extend(pipe.next());
    }
    assert!(
        matches!(&told[..], [Stimulus::Tx(B, TxEvent::Cancelled { .. }), Stimulus::Tx(A, TxEvent::Timeout { tx })] if *tx == ours)
    );
    assert_eq!(pipe.now, cancelled + 32_000_000);
}

/// Rule of forking: another branch may answer 200 after one was refused, or after the transaction is gone.
#[test]
fn a_late_2xx_still_reaches_the_user() {
    for transport in [Transport::Udp, Transport::Tcp] {
        let mut pipe = Pipe::new(transport, 0, 1);
        let (ours, theirs, invite) = invited(&mut pipe);
        pipe.ends[B].respond(pipe.now, theirs, response(&invite, 487));
        assert!(matches!(pipe.next(), Some(Stimulus::Tx(A, TxEvent::Response { msg, .. })) if msg.status() == 487));
        let mut late = response(&invite, 200);
        late.set("To", "<sip:bob@10.0.0.2>;tag=other");
        pipe.send(B, &late);
        match (transport, pipe.next()) {
            (Transport::Udp, Some(Stimulus::Tx(A, TxEvent::Response { tx, msg }))) => {
                assert_eq!((tx, msg.status()), (ours, 200));
            }
            (Transport::Tcp, Some(Stimulus::Tx(A, TxEvent::StrayResponse { msg, .. }))) => {
                assert_eq!(msg.status(), 200)
            }
            (_, other) => panic!("{other:?}"),
        }
    }
}

#[test]
fn every_fork_and_every_copy_of_a_2xx_reaches_the_user() {
    let mut pipe = Pipe::new(Transport::Tcp, 0, 1);
    let (_, theirs, invite) = invited(&mut pipe);
    pipe.ends[B].respond(pipe.now, theirs, response(&invite, 200));
    let mut fork = response(&invite, 200);
    fork.set("To", "<sip:bob@10.0.0.2>;tag=other");
    pipe.send(B, &fork);
    pipe.send(B, &fork);
    pipe.send(B, &response(&invite, 180));
    pipe.send(B, &response(&invite, 486));
    assert_eq!(statuses_until_the_end(&mut pipe), [200, 200, 200]);
    assert!(pipe.times(A, "ACK").is_empty());
}

#[derive(Default)]
struct Call {
    ours: Option<TxId>,
    theirs: Option<TxId>,
    invite: Option<Message>,
    /// The caller's final status.
    outcome: u16,
    acked: bool,
    cancelled: bool,
    interval: u64,
}

/// The user's side of ten thousand INVITEs: a quarter answered, a quarter answered after ringing, a quarter refused,
/// a quarter cancelled while it rings (sometimes just as it is answered).
#[test]
fn ten_thousand_invites_at_ten_percent_loss_all_come_to_their_end() {
    const CALLS: u64 = 10_000;
    let mut pipe = Pipe::new(Transport::Udp, 10, 7);
    let mut calls: BTreeMap<u64, Call> = (0..CALLS).map(|number| (number, Call::default())).collect();
    let mut at_b = BTreeMap::new();
    for number in 0..CALLS {
        pipe.at(number * 2_000, A, number * 4);
    }
    let mut most = 0;
    while let Some(stimulus) = pipe.next() {
        most = most.max(pipe.ends[A].len() + pipe.ends[B].len());
        let now = pipe.now;
        match stimulus {
            Stimulus::Timer(A, token) => {
                let number = token / 4;
                match token % 4 {
                    0 => calls.get_mut(&number).unwrap().ours = Some(pipe.request(A, request("INVITE", number))),
                    _ => pipe.ends[A].cancel(now, calls[&number].ours.unwrap(), &[]),
                }
            }
            Stimulus::Tx(B, TxEvent::Request { tx, msg, .. }) => {
                let number: u64 = msg.call_id().parse().unwrap();
                at_b.insert(tx, number);
                let status = [200, 180, 486, 180][(number % 4) as usize];
                pipe.ends[B].respond(now, tx, response(&msg, status));
                let call = calls.get_mut(&number).unwrap();
                (call.theirs, call.invite) = (Some(tx), Some(msg));
                match number % 4 {
                    0 => pipe.at(now + 500_000, B, number * 4),
                    1 => pipe.at(now + 3_000_000, B, number * 4 + 1),
                    3 => {
                        pipe.at(now + 1_000_000, A, number * 4 + 1);
                        pipe.at(now + if number.is_multiple_of(3) { 1_005_000 } else { 90_000_000 }, B, number * 4 + 1);
                    }
                    _ => {}
                }
            }
            // B's core: answers, and repeats its 2xx until the ACK is in.
            Stimulus::Timer(_, token) => {
                let call = calls.get_mut(&(token / 4)).unwrap();
                let (tx, invite) = (call.theirs.unwrap(), call.invite.as_ref().unwrap());
                if token % 4 == 1 && !call.cancelled {
                    pipe.ends[B].respond(now, tx, response(invite, 200));
                }
                if !call.acked && !call.cancelled {
                    if token % 4 == 0 {
                        assert!(pipe.ends[B].resend_2xx(tx), "call {} was never acknowledged", token / 4);
                    }
                    call.interval = (2 * call.interval).clamp(500_000, 4_000_000);
                    pipe.at(now + call.interval, B, token / 4 * 4);
                }
            }
            Stimulus::Tx(B, TxEvent::Cancelled { tx, .. }) => {
                let call = calls.get_mut(&at_b[&tx]).unwrap();
                call.cancelled = true;
                pipe.ends[B].respond(now, tx, response(call.invite.as_ref().unwrap(), 487));
            }
            Stimulus::Tx(A, TxEvent::Response { msg, .. } | TxEvent::StrayResponse { msg, .. }) => {
                let call = calls.get_mut(&msg.call_id().parse().unwrap()).unwrap();
                if msg.status() >= 200 {
                    assert!(call.outcome == 0 || call.outcome == msg.status());
                    call.outcome = msg.status();
                }
                if msg.status() / 100 == 2 {
                    pipe.send(A, &ack_2xx(&msg));
                }
            }
            Stimulus::Tx(B, TxEvent::Ack { msg, .. }) => {
                calls.get_mut(&msg.call_id().parse().unwrap()).unwrap().acked = true;
            }
            other => panic!("{other:?}"),
        }
    }
    let mut outcomes = BTreeMap::new();
    for (number, call) in &calls {
        let expected: &[u16] = [&[200][..], &[200], &[486], &[487, 200]][(number % 4) as usize];
        assert!(expected.contains(&call.outcome), "call {number}: {}", call.outcome);
        assert_eq!(call.acked, call.outcome == 200, "call {number}");
        *outcomes.entry(call.outcome).or_insert(0) += 1;
    }
    assert!(pipe.ends[A].is_empty() && pipe.ends[B].is_empty());
    println!("{outcomes:?}, {most} transactions at most, {} messages", pipe.log.len());
}
