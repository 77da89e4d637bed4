//! The timers of RFC 3261 §17 and RFC 6026 by their names: how long they run and in which states they live.

use serde::{Deserialize, Serialize};

use super::machine::State;

/// A timer of a transaction (RFC 3261 table 4). C is a proxy's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Timer {
    /// INVITE client: retransmits the request.
    A,
    /// INVITE client: nothing came.
    B,
    /// INVITE client: absorbs retransmissions of a refusal.
    D,
    /// Non-INVITE client: retransmits the request.
    E,
    /// Non-INVITE client: no final response came.
    F,
    /// INVITE server: retransmits a refusal.
    G,
    /// INVITE server: the refusal's ACK never came.
    H,
    /// INVITE server: absorbs retransmissions of the ACK.
    I,
    /// Non-INVITE server: absorbs retransmissions of the request.
    J,
    /// Non-INVITE client: absorbs retransmissions of the response.
    K,
    /// INVITE server, accepted (RFC 6026): absorbs retransmissions of the INVITE.
    L,
    /// INVITE client, accepted (RFC 6026): lets further 2xx through.
    M,
    /// INVITE server: the user has not answered for 200 ms, so 100 goes out (§17.2.1).
    Auto100,
    /// INVITE client: no final response to a cancelled INVITE (§9.1).
    Cancelled,
}

impl Timer {
    /// From start to firing, µs. None: not used on this transport. 0: fires at once.
    pub(super) fn after(self, t1: u64, reliable: bool) -> Option<u64> {
        let t4 = 10 * t1;
        match self {
            Timer::A | Timer::E | Timer::G => (!reliable).then_some(t1),
            Timer::D | Timer::J => Some(if reliable { 0 } else { 64 * t1 }),
            Timer::I | Timer::K => Some(if reliable { 0 } else { t4 }),
            Timer::B | Timer::F | Timer::H | Timer::L | Timer::M | Timer::Cancelled => Some(64 * t1),
            Timer::Auto100 => Some(200_000),
        }
    }

    /// The next interval of a retransmission timer, µs: A doubles, E and G double up to T2, E is T2 once a 1xx came.
    pub(super) fn again(self, state: State, interval: u64, t1: u64) -> u64 {
        let t2 = 8 * t1;
        match self {
            Timer::A => 2 * interval,
            Timer::E if state == State::Proceeding => t2,
            _ => t2.min(2 * interval),
        }
    }

    /// Whether it goes on running in this state; a change of state ends every timer that does not.
    pub(super) fn lives_in(self, state: State) -> bool {
        match self {
            Timer::A | Timer::B => state == State::Calling,
            Timer::E | Timer::F => matches!(state, State::Trying | State::Proceeding),
            Timer::D | Timer::G | Timer::H | Timer::J | Timer::K => state == State::Completed,
            Timer::I => state == State::Confirmed,
            Timer::L | Timer::M => state == State::Accepted,
            Timer::Auto100 | Timer::Cancelled => state == State::Proceeding,
        }
    }
}
