//! The transaction layer (RFC 3261 §17, RFC 6026), pure: messages and time in, messages and events out.
//!
//! The four machines are tables in `client` and `server`; this file finds the transaction that a message belongs to,
//! does what its table says and keeps the timers.

mod client;
mod event;
mod machine;
mod server;
#[cfg(test)]
mod tests;
mod timer;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use rand_chacha::rand_core::Rng;
use serde::{Deserialize, Serialize};

use super::flow::{FlowId, Hop};
use super::message::{Message, Method};
pub use event::{TxEvent, TxId};
use machine::{Cancelling, Do, Input, Kind, State, Transaction};
use timer::Timer;

/// Microseconds of a clock that never stops nor jumps.
pub type Mono = u64;

/// All transactions of the phone.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Transactions {
    t1: u64,
    last_id: u64,
    all: BTreeMap<TxId, Transaction>,
    by_key: BTreeMap<String, TxId>,
    by_merge_key: BTreeMap<String, TxId>,
    timers: BTreeSet<(Mono, TxId, Timer)>,
    /// The newest sent-by values of our requests: what a response must have come back with (§18.1.2).
    ours: VecDeque<String>,
    #[serde(skip)]
    events: VecDeque<TxEvent>,
    #[serde(skip)]
    sends: VecDeque<(Hop, Vec<u8>)>,
}

impl Transactions {
    /// No transactions yet. `t1_us` is RFC 3261's T1 in µs; T2 is 8·T1 and T4 10·T1 (4 s and 5 s at 500 ms).
    pub fn new(t1_us: u64) -> Self {
        Transactions {
            t1: t1_us,
            last_id: 0,
            all: BTreeMap::new(),
            by_key: BTreeMap::new(),
            by_merge_key: BTreeMap::new(),
            timers: BTreeSet::new(),
            ours: VecDeque::new(),
            events: VecDeque::new(),
            sends: VecDeque::new(),
        }
    }

    /// Sends a request (no ACK) and follows it. Its top Via is complete, with a branch made by [`branch`].
    pub fn request(&mut self, now: Mono, msg: Message, hop: Hop) -> TxId {
        let via = msg.via();
        let branch = via.as_ref().and_then(|via| via.branch()).unwrap_or_default();
        let key = client::key(branch, &msg.method());
        if let Some(via) = &via {
            self.remember(server::sent_by(via));
        }
        let kind = match msg.method() {
            Method::Invite => Kind::InviteClient,
            Method::Cancel => Kind::Cancel,
            _ => Kind::OtherClient,
        };
        let id = self.insert(Transaction::new(kind, key, hop, msg.to_bytes(), self.t1));
        self.step(now, id, Input::Start, None);
        id
    }

    /// Cancels our INVITE (§9.1): at once if a 1xx came, else when it comes; not at all once a final response is in.
    /// `extra` headers go into the CANCEL. A `Response` (487, or a 2xx that crossed) or a `Timeout` follows.
    pub fn cancel(&mut self, now: Mono, tx: TxId, extra: &[(String, String)]) {
        let Some(transaction) = self.all.get_mut(&tx) else { return };
        if transaction.kind == Kind::InviteClient && transaction.cancelling == Cancelling::No {
            transaction.cancelling = Cancelling::Wanted(extra.to_vec());
            self.step(now, tx, Input::Cancel, None);
        }
    }

    /// Answers a request. Of an INVITE a 3xx–6xx is sent again until its ACK comes; a 2xx is not: that is the
    /// dialog's, see [`Transactions::resend_2xx`]. An answer that comes too late (a second final one) is dropped.
    pub fn respond(&mut self, now: Mono, tx: TxId, resp: Message) {
        if self.all.get(&tx).is_some_and(|t| matches!(t.kind, Kind::InviteServer | Kind::OtherServer)) {
            self.step(now, tx, Input::of_status(resp.status()), Some(resp));
        }
    }

    /// Sends the 2xx to an INVITE once more (RFC 3261 §13.3.1.4). False once the transaction is gone (64·T1).
    pub fn resend_2xx(&mut self, tx: TxId) -> bool {
        let accepted = self.all.get(&tx).filter(|t| t.kind == Kind::InviteServer && t.state == State::Accepted);
        if let Some(transaction) = accepted {
            self.sends.push_back((transaction.hop, transaction.kept.clone()));
        }
        accepted.is_some()
    }

    /// Takes a message from the wire. None: it was the layer's own business, or nobody's.
    pub fn receive(&mut self, now: Mono, hop: Hop, msg: Message) -> Option<TxEvent> {
        match msg.method() {
            _ if !msg.is_request() => self.on_response(now, hop, msg),
            Method::Ack => self.on_ack(now, hop, msg),
            _ => self.on_request(now, hop, msg),
        }
    }

    /// A flow is gone: our requests that wait on it fail.
    pub fn flow_closed(&mut self, now: Mono, flow: FlowId) {
        let on_it: Vec<TxId> = self.all.iter().filter(|(_, t)| t.hop.flow == flow).map(|(id, _)| *id).collect();
        for id in on_it {
            self.step(now, id, Input::Broken, None);
        }
    }

    /// Does what the time demands.
    pub fn handle_timeout(&mut self, now: Mono) {
        while let Some(&(at, id, timer)) = self.timers.first() {
            if at > now {
                break;
            }
            self.timers.pop_first();
            if let Some(transaction) = self.all.get_mut(&id) {
                transaction.timers.retain(|&(_, t)| t != timer);
            }
            self.step(now, id, Input::Fire(timer), None);
        }
    }

    /// When `handle_timeout` wants to be called.
    pub fn poll_timeout(&self) -> Option<Mono> {
        self.timers.first().map(|(at, ..)| *at)
    }

    /// What timers and broken flows caused: `Timeout`, `TransportError`, `AckMissing`.
    pub fn poll_event(&mut self) -> Option<TxEvent> {
        self.events.pop_front()
    }

    /// What is to be sent, in order.
    pub fn poll_send(&mut self) -> Option<(Hop, Vec<u8>)> {
        self.sends.pop_front()
    }

    /// No transaction lives.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// How many transactions live.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    fn on_response(&mut self, now: Mono, hop: Hop, msg: Message) -> Option<TxEvent> {
        let via = msg.via()?;
        if !self.ours.contains(&server::sent_by(&via)) {
            return None;
        }
        let Some(&tx) = self.by_key.get(&client::key(via.branch()?, &msg.method())) else {
            return Some(TxEvent::StrayResponse { hop, msg });
        };
        let msg = self.step(now, tx, Input::of_status(msg.status()), Some(msg));
        if self.all.get(&tx).is_some_and(|t| matches!(t.cancelling, Cancelling::Wanted(_))) {
            self.step(now, tx, Input::Cancel, None);
        }
        msg.map(|msg| TxEvent::Response { tx, msg })
    }

    fn on_ack(&mut self, now: Mono, hop: Hop, msg: Message) -> Option<TxEvent> {
        let via = msg.via()?;
        let msg = match self.by_key.get(&server::key(&msg, &via, &Method::Ack)) {
            Some(&tx) => self.step(now, tx, Input::Ack, Some(msg))?,
            None => msg,
        };
        Some(TxEvent::Ack { hop, msg })
    }

    fn on_request(&mut self, now: Mono, hop: Hop, mut msg: Message) -> Option<TxEvent> {
        let via = msg.via()?;
        let method = msg.method();
        let key = server::key(&msg, &via, &method);
        if let Some(&tx) = self.by_key.get(&key) {
            self.step(now, tx, Input::Request, None);
            return None;
        }
        let invite = (method == Method::Cancel).then(|| server::key(&msg, &via, &Method::Invite));
        let merge_key = server::merge_key(&msg);
        let back = server::response_hop(&via, hop);
        server::note_source(&mut msg, via, &hop);
        let (kind, kept) = match method {
            Method::Invite => (Kind::InviteServer, server::own_response(&msg, 100, None).to_bytes()),
            _ => (Kind::OtherServer, Vec::new()),
        };
        let merged = merge_key.as_ref().is_some_and(|key| self.by_merge_key.contains_key(key));
        let merge_key = merge_key.filter(|_| !merged);
        let tx = self.insert(Transaction { merge_key, ..Transaction::new(kind, key, back, kept, self.t1) });
        let msg = self.step(now, tx, Input::Start, Some(msg))?;
        if merged {
            self.respond(now, tx, server::own_response(&msg, 482, None));
            return None;
        }
        match invite {
            Some(invite) => self.on_cancel(now, tx, &invite, msg),
            None => Some(TxEvent::Request { tx, hop, msg }),
        }
    }

    /// §9.2: what it means is looked up with its own branch; it is answered here in any case.
    fn on_cancel(&mut self, now: Mono, tx: TxId, invite: &str, msg: Message) -> Option<TxEvent> {
        let Some((&invite, transaction)) = self.by_key.get(invite).and_then(|id| Some((id, self.all.get(id)?))) else {
            self.respond(now, tx, server::own_response(&msg, 481, None));
            return None;
        };
        let open = transaction.state == State::Proceeding;
        let to_tag = Message::parse(&transaction.kept).ok().and_then(|response| response.to_tag());
        self.respond(now, tx, server::own_response(&msg, 200, to_tag.as_deref()));
        open.then_some(TxEvent::Cancelled { tx: invite, msg })
    }

    fn insert(&mut self, transaction: Transaction) -> TxId {
        self.last_id += 1;
        let id = TxId(self.last_id);
        self.by_key.insert(transaction.key.clone(), id);
        if let Some(key) = &transaction.merge_key {
            self.by_merge_key.insert(key.clone(), id);
        }
        self.all.insert(id, transaction);
        id
    }

    /// Does one row of a machine's table. Gives the message back if it is for the user.
    fn step(&mut self, now: Mono, id: TxId, input: Input, msg: Option<Message>) -> Option<Message> {
        let tx = self.all.get_mut(&id)?;
        let (next, todo) = tx.table()(tx.state, input);
        if next != tx.state {
            tx.state = next;
            tx.timers.retain(|&(at, timer)| timer.lives_in(next) || !self.timers.remove(&(at, id, timer)));
        }
        let mut expired = None;
        let mut cancel = None;
        for &action in todo {
            match (action, &msg) {
                (Do::Send, _) => self.sends.push_back((tx.hop, tx.kept.clone())),
                (Do::Reply, Some(response)) => tx.keep_and_send(response.to_bytes(), &mut self.sends),
                (Do::WriteAck, Some(refusal)) => {
                    if let Ok(invite) = Message::parse(&tx.kept) {
                        tx.keep_and_send(client::ack(&invite, refusal).to_bytes(), &mut self.sends);
                    }
                }
                (Do::WriteCancel, _) => {
                    if let (Cancelling::Wanted(extra), Ok(invite)) =
                        (std::mem::replace(&mut tx.cancelling, Cancelling::Sent), Message::parse(&tx.kept))
                    {
                        cancel = Some((client::cancel(&invite, &extra), tx.hop));
                    }
                }
                (Do::Forget, _) => tx.kept = Vec::new(),
                (Do::Run(timer), _) => match timer.after(self.t1, tx.hop.transport.reliable()) {
                    Some(0) => expired = Some(timer),
                    Some(wait) => tx.run(timer, now + wait, id, &mut self.timers),
                    None => {}
                },
                (Do::Again(timer), _) => {
                    tx.interval = timer.again(tx.state, tx.interval, self.t1);
                    tx.run(timer, now + tx.interval, id, &mut self.timers);
                }
                (Do::Stop(stopped), _) => {
                    tx.timers.retain(|&(at, timer)| timer != stopped || !self.timers.remove(&(at, id, timer)));
                }
                (Do::Tell(what), _) if tx.kind != Kind::Cancel => self.events.push_back(what.of(id)),
                _ => {}
            }
        }
        let for_user = todo.contains(&Do::Deliver) && tx.kind != Kind::Cancel;
        if next == State::Terminated {
            self.remove(id);
        }
        if let Some((cancel, hop)) = cancel {
            self.request(now, cancel, hop);
        }
        if let Some(timer) = expired {
            self.step(now, id, Input::Fire(timer), None);
        }
        msg.filter(|_| for_user)
    }

    fn remove(&mut self, id: TxId) {
        let Some(gone) = self.all.remove(&id) else { return };
        for (at, timer) in gone.timers {
            self.timers.remove(&(at, id, timer));
        }
        if self.by_key.get(&gone.key) == Some(&id) {
            self.by_key.remove(&gone.key);
        }
        if let Some(key) = gone.merge_key {
            self.by_merge_key.remove(&key);
        }
    }

    /// Knows the sent-by of our requests again in their responses. They change with the host's addresses only.
    fn remember(&mut self, sent_by: String) {
        if let Some(known) = self.ours.iter().position(|known| *known == sent_by) {
            self.ours.swap(0, known);
        } else {
            self.ours.truncate(31);
            self.ours.push_front(sent_by);
        }
    }
}

/// A branch for a Via (RFC 3261 §8.1.1.7): the magic cookie and 96 random bits.
pub fn branch(rng: &mut impl Rng) -> String {
    format!("{}{:016x}{:08x}", server::MAGIC_COOKIE, rng.next_u64(), rng.next_u32())
}

/// A tag for From or To (§19.3): 64 random bits.
pub fn tag(rng: &mut impl Rng) -> String {
    format!("{:016x}", rng.next_u64())
}

/// A Call-ID (§8.1.1.4): 128 random bits.
pub fn call_id(rng: &mut impl Rng) -> String {
    format!("{:016x}{:016x}", rng.next_u64(), rng.next_u64())
}
