//! Retransmissions go out when the RFC says, and transactions end when it says.

use phoned::sip::flow::{FlowId, Transport};
use phoned::sip::transaction::TxEvent;

use crate::pipe::{A, B, Pipe, Stimulus, ack_2xx, request, response};

/// Plays until nothing happens any more; what the layers told, with the time in ms.
fn story(pipe: &mut Pipe, mut react: impl FnMut(&mut Pipe, usize, &TxEvent)) -> Vec<(u64, usize, &'static str)> {
    let mut told = Vec::new();
    while let Some(Stimulus::Tx(end, event)) = pipe.next() {
        told.push((pipe.now / 1000, end, name(&event)));
        react(pipe, end, &event);
    }
    assert!(pipe.ends[A].is_empty() && pipe.ends[B].is_empty());
    told
}

fn name(event: &TxEvent) -> &'static str {
    match event {
        TxEvent::Response { .. } => "response",
        TxEvent::Timeout { .. } => "timeout",
        TxEvent::TransportError { .. } => "transport error",
        TxEvent::Request { .. } => "request",
        TxEvent::Ack { .. } => "ack",
        TxEvent::Cancelled { .. } => "cancelled",
        TxEvent::StrayResponse { .. } => "stray",
        TxEvent::AckMissing { .. } => "ack missing",
    }
}

#[test]
fn an_invite_into_the_void_is_sent_seven_times_and_given_up_after_32_s() {
    let mut pipe = Pipe::new(Transport::Udp, 100, 1);
    pipe.request(A, request("INVITE", 1));
    assert_eq!(story(&mut pipe, |_, _, _| ()), [(32_000, A, "timeout")]);
    assert_eq!(pipe.times(A, "INVITE"), [0, 500, 1_500, 3_500, 7_500, 15_500, 31_500]);
}

#[test]
fn another_request_into_the_void_slows_down_to_t2() {
    let mut pipe = Pipe::new(Transport::Udp, 100, 1);
    pipe.request(A, request("OPTIONS", 1));
    assert_eq!(story(&mut pipe, |_, _, _| ()), [(32_000, A, "timeout")]);
    assert_eq!(pipe.times(A, "OPTIONS"), [0, 500, 1_500, 3_500, 7_500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500]);
}

#[test]
fn a_stream_carries_each_request_once() {
    for method in ["INVITE", "OPTIONS"] {
        let mut pipe = Pipe::new(Transport::Tcp, 100, 1);
        pipe.request(A, request(method, 1));
        assert_eq!(story(&mut pipe, |_, _, _| ()), [(32_000, A, "timeout")]);
        assert_eq!(pipe.times(A, method), [0]);
    }
}

#[test]
fn a_slow_user_gets_100_sent_for_it_after_200_ms_and_a_quick_one_does_not() {
    let mut pipe = Pipe::new(Transport::Tcp, 0, 1);
    let slow = pipe.request(A, request("INVITE", 1));
    let Some(Stimulus::Tx(B, TxEvent::Request { .. })) = pipe.next() else { panic!() };
    assert!(
        matches!(pipe.next(), Some(Stimulus::Tx(A, TxEvent::Response { tx, msg })) if tx == slow && msg.status() == 100)
    );
    assert_eq!(pipe.times(B, "SIP/2.0 100"), [210]);

    let mut pipe = Pipe::new(Transport::Tcp, 0, 1);
    pipe.request(A, request("INVITE", 1));
    let Some(Stimulus::Tx(B, TxEvent::Request { tx, msg, .. })) = pipe.next() else { panic!() };
    pipe.ends[B].respond(pipe.now, tx, response(&msg, 180));
    while pipe.now < 1_000_000 && pipe.next().is_some() {}
    assert_eq!(pipe.times(B, "SIP/2.0"), [10]);
}

#[test]
fn a_refusal_without_ack_is_repeated_up_to_t2_and_told() {
    let mut pipe = Pipe::new(Transport::Udp, 0, 1);
    pipe.request(A, request("INVITE", 1));
    let told = story(&mut pipe, |pipe, _, event| {
        if let TxEvent::Request { tx, msg, .. } = event {
            pipe.ends[B].respond(pipe.now, *tx, response(msg, 486));
            pipe.loss = 100;
        }
    });
    assert_eq!(
        told.iter().map(|row| (row.1, row.2)).collect::<Vec<_>>(),
        [(B, "request"), (A, "timeout"), (B, "ack missing")]
    );
    let times = pipe.times(B, "SIP/2.0 486");
    let gaps: Vec<u64> = times.windows(2).map(|pair| pair[1] - pair[0]).filter(|gap| *gap != 0).collect();
    assert_eq!(gaps, [500, 1_000, 2_000, 4_000, 4_000, 4_000, 4_000, 4_000, 4_000, 4_000]);
}

#[test]
fn a_refusal_with_ack_is_quiet_at_once() {
    for (transport, lives) in [(Transport::Udp, 32_000), (Transport::Tcp, 0)] {
        let mut pipe = Pipe::new(transport, 0, 1);
        pipe.request(A, request("INVITE", 1));
        let told = story(&mut pipe, |pipe, _, event| {
            if let TxEvent::Request { tx, msg, .. } = event {
                pipe.ends[B].respond(pipe.now, *tx, response(msg, 486));
            }
        });
        assert_eq!(told.iter().map(|row| row.2).collect::<Vec<_>>(), ["request", "response"]);
        assert_eq!((pipe.times(B, "SIP/2.0 486").len(), pipe.times(A, "ACK").len()), (1, 1));
        assert!((lives..lives + 100).contains(&(pipe.now / 1000)), "{transport:?}: {}", pipe.now);
    }
}

#[test]
fn a_2xx_is_repeated_by_the_user_only_and_each_copy_comes_up() {
    let mut pipe = Pipe::new(Transport::Udp, 0, 1);
    pipe.request(A, request("INVITE", 1));
    let mut invite = None;
    let mut copies = 0;
    while let Some(stimulus) = pipe.next() {
        match stimulus {
            Stimulus::Tx(B, TxEvent::Request { tx, msg, .. }) => {
                pipe.ends[B].respond(pipe.now, tx, response(&msg, 200));
                invite = Some(tx);
                pipe.at(1_000_000, B, 0);
                pipe.at(40_000_000, B, 0);
            }
            Stimulus::Timer(B, _) => {
                let alive = pipe.ends[B].resend_2xx(invite.unwrap());
                assert_eq!(alive, pipe.now < 32_000_000);
            }
            Stimulus::Tx(A, TxEvent::Response { msg, .. }) => {
                copies += 1;
                pipe.send(A, &ack_2xx(&msg));
            }
            Stimulus::Tx(B, TxEvent::Ack { .. }) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((copies, pipe.times(A, "ACK").len()), (2, 2));
    assert!(pipe.ends[A].is_empty() && pipe.ends[B].is_empty());
}

#[test]
fn a_broken_flow_fails_what_waits_on_it_and_nothing_else() {
    let mut pipe = Pipe::new(Transport::Tcp, 0, 1);
    let waiting = pipe.request(A, request("INVITE", 1));
    let mut other = pipe.hop(B);
    other.flow = FlowId(2);
    let now = pipe.now;
    pipe.ends[A].request(now, request("OPTIONS", 2), other);
    pipe.ends[A].flow_closed(now, FlowId(1));
    assert_eq!(pipe.ends[A].poll_event(), Some(TxEvent::TransportError { tx: waiting }));
    assert_eq!((pipe.ends[A].poll_event(), pipe.ends[A].len()), (None, 1));
}
