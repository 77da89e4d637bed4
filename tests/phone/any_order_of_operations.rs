//! Whatever users do, in any order, on a bad network: the events of each session come in their order and end once, what was
//! told is what is, each command is answered within 10 s, a seat has one live microphone, and nothing is left at the end.

use crate::scripts::{Mood, run_all};

#[test]
fn every_session_ends_once_and_nothing_is_left() {
    run_all("any_order_of_operations", Mood::Everything, 4_000);
}
