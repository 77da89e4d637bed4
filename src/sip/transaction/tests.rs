//! The four machines, row by row: every state with every input. What no row names changes nothing.

use super::machine::Do::{self, *};
use super::machine::Input::{self, *};
use super::machine::State::{self, *};
use super::machine::{Step, What};
use super::timer::Timer::{self, *};
use super::{client, server};

const TIMERS: [Timer; 14] = [A, B, D, E, F, G, H, I, J, K, L, M, Auto100, Cancelled];
const STATES: [State; 7] = [Calling, State::Trying, Proceeding, Completed, Confirmed, Accepted, Terminated];

type Row = (State, Input, State, &'static [Do]);

fn check(machine: fn(State, Input) -> Step, rows: &[Row]) {
    let mut inputs = vec![Start, Request, Ack, Cancel, Provisional, Success, Failure, Broken];
    inputs.extend(TIMERS.map(Fire));
    for state in STATES {
        for &input in &inputs {
            let row = rows.iter().find(|row| row.0 == state && row.1 == input);
            let expected = row.map_or((state, &[][..]), |row| (row.2, row.3));
            assert_eq!(machine(state, input), expected, "{state:?} × {input:?}");
        }
    }
}

#[test]
fn invite_client() {
    check(
        client::invite,
        &[
            (Calling, Start, Calling, &[Send, Run(A), Run(B)]),
            (Calling, Fire(A), Calling, &[Send, Again(A)]),
            (Calling, Fire(B), Terminated, &[Tell(What::Timeout)]),
            (Calling, Broken, Terminated, &[Tell(What::TransportError)]),
            (Calling, Provisional, Proceeding, &[Deliver]),
            (Calling, Success, Accepted, &[Deliver, Forget, Run(M)]),
            (Calling, Failure, Completed, &[WriteAck, Deliver, Run(D)]),
            (Proceeding, Provisional, Proceeding, &[Deliver]),
            (Proceeding, Success, Accepted, &[Deliver, Forget, Run(M)]),
            (Proceeding, Failure, Completed, &[WriteAck, Deliver, Run(D)]),
            (Proceeding, Broken, Terminated, &[Tell(What::TransportError)]),
            (Proceeding, Cancel, Proceeding, &[WriteCancel, Run(Cancelled)]),
            (Proceeding, Fire(Cancelled), Terminated, &[Tell(What::Timeout)]),
            (Completed, Failure, Completed, &[Send]),
            (Completed, Success, Completed, &[Deliver]),
            (Completed, Fire(D), Terminated, &[]),
            (Accepted, Success, Accepted, &[Deliver]),
            (Accepted, Fire(M), Terminated, &[]),
        ],
    );
}

#[test]
fn other_client() {
    check(
        client::other,
        &[
            (State::Trying, Start, State::Trying, &[Send, Run(E), Run(F)]),
            (State::Trying, Fire(E), State::Trying, &[Send, Again(E)]),
            (State::Trying, Fire(F), Terminated, &[Tell(What::Timeout)]),
            (State::Trying, Broken, Terminated, &[Tell(What::TransportError)]),
            (State::Trying, Provisional, Proceeding, &[Deliver]),
            (State::Trying, Success, Completed, &[Deliver, Forget, Run(K)]),
            (State::Trying, Failure, Completed, &[Deliver, Forget, Run(K)]),
            (Proceeding, Fire(E), Proceeding, &[Send, Again(E)]),
            (Proceeding, Fire(F), Terminated, &[Tell(What::Timeout)]),
            (Proceeding, Broken, Terminated, &[Tell(What::TransportError)]),
            (Proceeding, Provisional, Proceeding, &[Deliver]),
            (Proceeding, Success, Completed, &[Deliver, Forget, Run(K)]),
            (Proceeding, Failure, Completed, &[Deliver, Forget, Run(K)]),
            (Completed, Fire(K), Terminated, &[]),
        ],
    );
}

#[test]
fn invite_server() {
    check(
        server::invite,
        &[
            (Proceeding, Start, Proceeding, &[Deliver, Run(Auto100)]),
            (Proceeding, Fire(Auto100), Proceeding, &[Send]),
            (Proceeding, Request, Proceeding, &[Send]),
            (Proceeding, Provisional, Proceeding, &[Stop(Auto100), Reply]),
            (Proceeding, Success, Accepted, &[Reply, Run(L)]),
            (Proceeding, Failure, Completed, &[Reply, Run(G), Run(H)]),
            (Completed, Request, Completed, &[Send]),
            (Completed, Fire(G), Completed, &[Send, Again(G)]),
            (Completed, Fire(H), Terminated, &[Tell(What::AckMissing)]),
            (Completed, Ack, Confirmed, &[Run(I)]),
            (Confirmed, Fire(I), Terminated, &[]),
            (Accepted, Success, Accepted, &[Reply]),
            (Accepted, Ack, Accepted, &[Deliver]),
            (Accepted, Fire(L), Terminated, &[]),
        ],
    );
}

#[test]
fn other_server() {
    check(
        server::other,
        &[
            (State::Trying, Start, State::Trying, &[Deliver]),
            (State::Trying, Provisional, Proceeding, &[Reply]),
            (State::Trying, Success, Completed, &[Reply, Run(J)]),
            (State::Trying, Failure, Completed, &[Reply, Run(J)]),
            (Proceeding, Provisional, Proceeding, &[Reply]),
            (Proceeding, Success, Completed, &[Reply, Run(J)]),
            (Proceeding, Failure, Completed, &[Reply, Run(J)]),
            (Proceeding, Request, Proceeding, &[Send]),
            (Completed, Request, Completed, &[Send]),
            (Completed, Fire(J), Terminated, &[]),
        ],
    );
}

/// RFC 3261 table 4 and RFC 6026 §8.7, at T1 = 500 ms, in ms: by datagrams and on a stream (None: not used).
#[test]
fn timers() {
    let table: [(Timer, Option<u64>, Option<u64>); 14] = [
        (A, Some(500), None),
        (B, Some(32_000), Some(32_000)),
        (D, Some(32_000), Some(0)),
        (E, Some(500), None),
        (F, Some(32_000), Some(32_000)),
        (G, Some(500), None),
        (H, Some(32_000), Some(32_000)),
        (I, Some(5_000), Some(0)),
        (J, Some(32_000), Some(0)),
        (K, Some(5_000), Some(0)),
        (L, Some(32_000), Some(32_000)),
        (M, Some(32_000), Some(32_000)),
        (Auto100, Some(200), Some(200)),
        (Cancelled, Some(32_000), Some(32_000)),
    ];
    for (timer, datagram, stream) in table {
        let ms = |reliable| timer.after(500_000, reliable).map(|us| us / 1000);
        assert_eq!((ms(false), ms(true)), (datagram, stream), "{timer:?}");
    }
}
