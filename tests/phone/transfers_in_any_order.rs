//! Calls, consultations, conferences, holds, transfers and hang-ups in any order, over three phones and a bad network: no session has two
//! ends, no transfer two outcomes, and in the end nothing is left.

use crate::scripts::{Mood, run_all};

#[test]
fn no_transfer_has_two_outcomes_and_nothing_is_left() {
    run_all("transfers_in_any_order", Mood::Transfers, 1_000);
}
