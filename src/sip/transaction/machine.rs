//! What the four machines have in common: their states, inputs and actions, and the record of one transaction.

use std::collections::{BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};

use super::timer::Timer;
use super::{Mono, TxEvent, TxId, client, server};
use crate::sip::flow::Hop;

/// Which machine a transaction is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Kind {
    InviteClient,
    OtherClient,
    /// A client of the layer's own, of which the user hears nothing.
    Cancel,
    InviteServer,
    OtherServer,
}

/// The states of all machines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum State {
    Calling,
    Trying,
    Proceeding,
    Completed,
    Confirmed,
    Accepted,
    Terminated,
}

/// What a machine reacts to. Responses come from the peer (client) or from the user (server).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Input {
    /// The transaction begins.
    Start,
    /// The request came once more.
    Request,
    /// The request's ACK came.
    Ack,
    /// The user wants to cancel.
    Cancel,
    /// 1xx
    Provisional,
    /// 2xx
    Success,
    /// 3xx–6xx
    Failure,
    /// A timer fires.
    Fire(Timer),
    /// The flow is gone.
    Broken,
}

impl Input {
    pub(super) fn of_status(status: u16) -> Self {
        match status {
            0..200 => Input::Provisional,
            200..300 => Input::Success,
            _ => Input::Failure,
        }
    }
}

/// What a machine wants done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Do {
    /// Send what is kept.
    Send,
    /// Keep the user's response and send it.
    Reply,
    /// Keep the ACK of this refusal and send it.
    WriteAck,
    /// Send the CANCEL.
    WriteCancel,
    /// Hand the message to the user.
    Deliver,
    /// What is kept will not be sent again.
    Forget,
    /// Tell the user what happened.
    Tell(What),
    /// Start a timer.
    Run(Timer),
    /// Run it once more with its next interval.
    Again(Timer),
    /// Stop it.
    Stop(Timer),
}

/// The next state, and what is to be done in order.
pub(super) type Step = (State, &'static [Do]);

/// What the user is told without a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    Timeout,
    TransportError,
    AckMissing,
}

impl What {
    pub(super) fn of(self, tx: TxId) -> TxEvent {
        match self {
            What::Timeout => TxEvent::Timeout { tx },
            What::TransportError => TxEvent::TransportError { tx },
            What::AckMissing => TxEvent::AckMissing { tx },
        }
    }
}

/// Whether an INVITE is being cancelled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Cancelling {
    No,
    /// As soon as a 1xx is in; with these headers.
    Wanted(Vec<(String, String)>),
    /// The CANCEL is out.
    Sent,
}

/// One transaction.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Transaction {
    pub(super) kind: Kind,
    pub(super) state: State,
    /// What its messages are found by.
    pub(super) key: String,
    /// What other copies of its request are found by.
    pub(super) merge_key: Option<String>,
    /// Where it sends.
    pub(super) hop: Hop,
    /// What it sends again: a client's request (its ACK, once refused), a server's last response.
    pub(super) kept: Vec<u8>,
    /// What is running.
    pub(super) timers: Vec<(Mono, Timer)>,
    /// What A, E or G waits now, µs.
    pub(super) interval: u64,
    pub(super) cancelling: Cancelling,
}

impl Transaction {
    pub(super) fn new(kind: Kind, key: String, hop: Hop, kept: Vec<u8>, t1: u64) -> Self {
        let state = match kind {
            Kind::InviteClient => State::Calling,
            Kind::InviteServer => State::Proceeding,
            Kind::OtherClient | Kind::Cancel | Kind::OtherServer => State::Trying,
        };
        let (timers, cancelling) = (Vec::new(), Cancelling::No);
        Transaction { kind, state, key, merge_key: None, hop, kept, timers, interval: t1, cancelling }
    }

    pub(super) fn table(&self) -> fn(State, Input) -> Step {
        match self.kind {
            Kind::InviteClient => client::invite,
            Kind::OtherClient | Kind::Cancel => client::other,
            Kind::InviteServer => server::invite,
            Kind::OtherServer => server::other,
        }
    }

    pub(super) fn keep_and_send(&mut self, bytes: Vec<u8>, sends: &mut VecDeque<(Hop, Vec<u8>)>) {
        sends.push_back((self.hop, bytes.clone()));
        self.kept = bytes;
    }

    pub(super) fn run(&mut self, timer: Timer, at: Mono, id: TxId, all: &mut BTreeSet<(Mono, TxId, Timer)>) {
        self.timers.push((at, timer));
        all.insert((at, id, timer));
    }
}
