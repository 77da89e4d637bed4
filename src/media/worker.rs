//! A worker: one thread that ticks its share of all sessions each 10 ms, by the clock.

use std::collections::{BTreeMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam_channel::{Receiver, Sender as Orders, TryRecvError, TrySendError as Unsent};
use thread_priority::unix::{
    RealtimeThreadSchedulePolicy, ThreadSchedulePolicy, set_thread_priority_and_policy, thread_native_id,
};
use thread_priority::{ThreadPriority, ThreadPriorityValue};
use tokio::sync::mpsc::{Sender, error::TrySendError};

use crate::audio::{Sink, Source};
use crate::sdp::{Direction, Negotiated};
use crate::ua::command::PlayTo;
use crate::ua::io::SessionId;
use crate::ua::media::{LocalMedia, MediaEvent};

use super::clip::Loading;
use super::clock;
use super::codec::Effort;
use super::ice::Search;
use super::inbound::SCRATCH;
use super::lateness::Lateness;
use super::mixer::Mix;
use super::outbound::{PACKET, Start};
use super::ports::{Inbox, Ports};
use super::recorder::Tap;
use super::session::{Ends, Loan, Session};
use super::sockets::Attachment;
use super::video_ends::VideoEnds;

/// The grid, ns.
const TICK_NS: u64 = 10_000_000;
/// A worker that is further behind gives up the ticks that it missed.
const BEHIND_NS: u64 = 100_000_000;
/// Events that wait for the phone; digits beyond it are dropped.
const WAITING: usize = 1_024;

/// What the engine asks of a worker.
pub enum Order {
    /// A new session.
    Open(Box<Session>),
    /// Other ports, and the search for a path from them where there is one.
    Move(SessionId, Box<(Ports, Option<(Search, LocalMedia)>)>),
    /// What was negotiated; the devices with the first one.
    Remote(SessionId, Box<(Negotiated, Option<Ends>)>),
    /// Other devices.
    Ends(SessionId, Box<(Option<Source>, Option<Sink>)>),
    /// The ends of its video are open.
    Video(SessionId, Box<(VideoEnds, Start)>),
    /// Cuts or restores.
    Gate(SessionId, Direction),
    /// The far end is held, and hears this.
    Music(SessionId, Loading),
    /// An announcement of that name, or none any more.
    Play(SessionId, Option<(u64, Loading, PlayTo, bool)>),
    /// An audio socket joins.
    Attach(SessionId, Box<Attachment>),
    /// It leaves.
    Detach(SessionId, u64),
    /// Silence in place of the microphone.
    Mute(SessionId, bool),
    /// The sessions of a conference hear each other; all of them are on this worker.
    Conference(SessionId, Option<u64>),
    /// The session goes to another worker.
    Part(SessionId, Orders<Order>),
    /// A session is about to come from another worker: orders for it wait.
    Expect(SessionId),
    /// It is here; none: it was gone before.
    Arrive(SessionId, Option<Box<Session>>),
    /// A digit and its length in ms.
    Dtmf(SessionId, char, u32),
    /// The same in the sound.
    Tones(SessionId, char, u32),
    /// A recording begins.
    Record(SessionId, Box<Tap>),
    /// The figures.
    Report(SessionId),
    /// A sign of life: the worker writes the number there.
    Beat(Arc<AtomicU64>, u64),
}

/// A worker.
pub struct Worker {
    orders: Receiver<Order>,
    events: Sender<(SessionId, MediaEvent)>,
    waiting: VecDeque<(SessionId, MediaEvent)>,
    sessions: Vec<Session>,
    /// Sessions on their way to another worker, or from one, with what is ordered meanwhile.
    parting: Vec<(SessionId, Orders<Order>)>,
    expected: BTreeMap<SessionId, Vec<Order>>,
    loan: Loan,
    load: Load,
    lateness: Arc<Lateness>,
}

impl Order {
    fn session(&self) -> Option<SessionId> {
        Some(match self {
            Order::Beat(..) => return None,
            Order::Open(session) => session.id(),
            Order::Remote(id, _) | Order::Ends(id, _) | Order::Gate(id, _) | Order::Mute(id, _) => *id,
            Order::Move(id, _)
            | Order::Video(id, _)
            | Order::Dtmf(id, ..)
            | Order::Tones(id, ..)
            | Order::Music(id, _)
            | Order::Play(id, _)
            | Order::Attach(id, _)
            | Order::Detach(id, _)
            | Order::Record(id, _)
            | Order::Report(id)
            | Order::Conference(id, _) => *id,
            Order::Part(id, _) | Order::Expect(id) | Order::Arrive(id, _) => *id,
        })
    }
}

/// How busy the worker is, and what follows from it.
struct Load {
    /// Share of a core that it uses, smoothed over about a second.
    busy: f64,
    /// CPU time used until the last tick, ns.
    used_ns: u64,
}

impl Load {
    fn note(&mut self, used_ns: u64) {
        let now = used_ns.saturating_sub(self.used_ns);
        self.used_ns = used_ns;
        self.busy += (now as f64 / TICK_NS as f64 - self.busy) * 0.01;
    }

    /// How hard Opus works: the best for a handful of calls, less for many.
    fn effort(&self, sessions: usize) -> Effort {
        match self.busy {
            busy if busy > 0.4 => Effort::Least,
            _ if sessions > 4 => Effort::Fair,
            busy if busy > 0.15 || sessions > 2 => Effort::Good,
            _ => Effort::Best,
        }
    }
}

impl Worker {
    /// On the thread that it shall run on.
    pub fn new(orders: Receiver<Order>, events: Sender<(SessionId, MediaEvent)>, lateness: Arc<Lateness>) -> Self {
        Worker {
            orders,
            events,
            waiting: VecDeque::new(),
            sessions: Vec::new(),
            parting: Vec::new(),
            expected: BTreeMap::new(),
            loan: Loan {
                tick: 0,
                now: 0,
                wall_offset: 0,
                effort: Effort::Good,
                inbox: Inbox::default(),
                scratch: Box::new([0; SCRATCH]),
                packet: Box::new([0; PACKET]),
                mixes: BTreeMap::new(),
                told: Vec::new(),
            },
            load: Load { busy: 0.0, used_ns: 0 },
            lateness,
        }
    }

    /// Until the engine is gone. `offset_ns` keeps the workers' ticks apart.
    pub fn run(mut self, offset_ns: u64) {
        prefer();
        loop {
            // without sessions there is no tick: an idle phone costs nothing
            if self.sessions.is_empty() && self.waiting.is_empty() {
                let Ok(order) = self.orders.recv() else { return };
                self.start(offset_ns);
                self.obey(order);
            }
            let at = self.loan.tick * TICK_NS + offset_ns;
            clock::sleep_until(at);
            self.lateness.note(clock::mono_ns().saturating_sub(at));
            self.loan.now = at / 1_000;
            self.loan.wall_offset = clock::wall_offset_ns();
            if !self.take_orders() {
                return;
            }
            self.part();
            self.loan.effort = self.load.effort(self.sessions.len());
            let Worker { sessions, loan, .. } = &mut self;
            loan.mixes.values_mut().for_each(Mix::clear);
            sessions.retain_mut(|session| {
                let waits = !session.in_conference() || session.is_closed();
                waits || guard(session, loan, Session::listen)
            });
            sessions.retain_mut(|session| {
                if session.is_closed() {
                    session.close(loan);
                    return false;
                }
                guard(session, loan, Session::tick)
            });
            loan.mixes.retain(|_, mix| mix.is_used());
            self.tell();
            let end = clock::mono_ns();
            self.load.note(clock::thread_ns());
            self.loan.tick += 1;
            if end > at + BEHIND_NS {
                tracing::warn!(behind_ms = (end - at) / 1_000_000, "the media worker is late");
                self.start(offset_ns);
            }
        }
    }

    /// The next tick on the grid.
    fn start(&mut self, offset_ns: u64) {
        self.loan.tick = (clock::mono_ns().saturating_sub(offset_ns)) / TICK_NS + 1;
    }

    /// False when the engine is gone.
    fn take_orders(&mut self) -> bool {
        loop {
            match self.orders.try_recv() {
                Ok(order) => self.obey(order),
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Disconnected) => {
                    for session in &mut self.sessions {
                        session.close(&mut self.loan);
                    }
                    return false;
                }
            }
        }
    }

    fn obey(&mut self, order: Order) {
        if let Some(later) = order.session().and_then(|id| self.expected.get_mut(&id))
            && !matches!(order, Order::Arrive(..))
        {
            return later.push(order);
        }
        match order {
            Order::Open(mut session) => {
                let odd = self.sessions.iter().filter(|s| s.phase() == 1).count();
                session.set_phase(u64::from(odd * 2 < self.sessions.len()));
                self.sessions.push(*session);
            }
            Order::Move(id, place) => {
                self.with(id, |session| session.move_to(place.0, place.1));
            }
            Order::Remote(id, plan) => {
                let (tick, now) = (self.loan.tick, clock::mono_ns() / 1_000);
                self.change(id, |session| session.remote(tick, now, plan.0, plan.1));
            }
            Order::Ends(id, ends) => self.change(id, |session| session.change_ends(ends.0, ends.1)),
            Order::Video(id, plan) => {
                let now = self.loan.now;
                self.with(id, |session| session.set_video(now, plan.0, plan.1));
            }
            Order::Gate(id, gate) => {
                self.with(id, |session| session.set_gate(gate));
            }
            Order::Music(id, clip) => {
                self.with(id, |session| session.hold_with_music(clip));
            }
            Order::Play(id, play) => {
                self.with(id, |session| session.patch(|patch| patch.play(play)));
            }
            Order::Attach(id, socket) => {
                self.with(id, |session| session.patch(|patch| patch.attach(*socket)));
            }
            Order::Detach(id, socket) => {
                self.with(id, |session| session.patch(|patch| patch.detach(socket)));
            }
            Order::Mute(id, muted) => {
                self.with(id, |session| session.set_mute(muted));
            }
            Order::Conference(id, conference) => self.change(id, |session| session.set_conference(conference)),
            Order::Part(id, to) => self.parting.push((id, to)),
            Order::Expect(id) => {
                let is_leaving = self.parting.iter().any(|(leaving, _)| *leaving == id);
                if is_leaving || !self.sessions.iter().any(|s| s.id() == id) {
                    self.expected.insert(id, Vec::new());
                }
            }
            Order::Arrive(id, session) => {
                self.sessions.extend(session.map(|session| *session));
                for order in self.expected.remove(&id).unwrap_or_default() {
                    self.obey(order);
                }
            }
            Order::Dtmf(id, digit, duration_ms) => {
                let begun = self.with(id, |session| session.dtmf(digit, duration_ms));
                self.digit_begun(id, digit, begun);
            }
            Order::Tones(id, digit, duration_ms) => {
                let begun = self.with(id, |session| session.tones(digit, duration_ms));
                self.digit_begun(id, digit, begun);
            }
            Order::Beat(to, number) => to.store(number, Ordering::Relaxed),
            Order::Record(id, tap) => {
                self.with(id, |session| session.record(tap));
            }
            Order::Report(id) => {
                let now = self.loan.now;
                if let Some(stats) = self.with(id, |session| session.stats(now)) {
                    self.loan.told.push((id, MediaEvent::Report(Box::new(stats))));
                }
            }
        }
    }

    fn digit_begun(&mut self, id: SessionId, digit: char, begun: Option<bool>) {
        if begun == Some(false) {
            tracing::warn!(session = id.0, "a digit cannot be sent now");
            self.loan.told.push((id, MediaEvent::DtmfSent { digit }));
        }
    }

    /// Hands sessions to the workers that they go to; one that has no room gets its session later, which goes on here until then.
    fn part(&mut self) {
        let Worker { sessions, parting, .. } = self;
        parting.retain(|(id, to)| {
            let at = sessions.iter().position(|session| session.id() == *id);
            let session = at.map(|at| Box::new(sessions.swap_remove(at)));
            match to.try_send(Order::Arrive(*id, session)) {
                Err(Unsent::Full(Order::Arrive(_, session))) => {
                    sessions.extend(session.map(|session| *session));
                    true
                }
                _ => false,
            }
        });
    }

    fn with<T>(&mut self, id: SessionId, what: impl FnOnce(&mut Session) -> T) -> Option<T> {
        self.sessions.iter_mut().find(|s| s.id() == id).map(what)
    }

    fn change(&mut self, id: SessionId, what: impl FnOnce(&mut Session) -> Result<(), String>) {
        if let Some(Err(reason)) = self.with(id, what) {
            self.loan.told.push((id, MediaEvent::Failed(reason)));
        }
    }

    /// Hands events to the phone; only reports may be lost, all others wait until there is room.
    fn tell(&mut self) {
        let full = !self.waiting.is_empty();
        for (id, event) in self.loan.told.drain(..) {
            let drop = match event {
                MediaEvent::Report(_) => full,
                MediaEvent::Dtmf { .. } => self.waiting.len() >= WAITING,
                _ => false,
            };
            if !drop {
                self.waiting.push_back((id, event));
            }
        }
        while let Some(next) = self.waiting.pop_front() {
            match self.events.try_send(next) {
                Ok(()) => {}
                Err(TrySendError::Full((_, MediaEvent::Report(_)))) => {}
                Err(TrySendError::Full(next)) => {
                    self.waiting.push_front(next);
                    return;
                }
                Err(TrySendError::Closed(_)) => return self.waiting.clear(),
            }
        }
    }
}

/// False when it panicked: a bug of ours costs one session, not all of this worker's.
fn guard(session: &mut Session, loan: &mut Loan, what: fn(&mut Session, &mut Loan)) -> bool {
    let sound = catch_unwind(AssertUnwindSafe(|| what(session, loan))).is_ok();
    if !sound {
        loan.told.push((session.id(), MediaEvent::Failed("the media engine has a bug".into())));
    }
    sound
}

/// Asks the kernel to run this thread before ordinary ones; without the right to it everything works, with later ticks under load.
fn prefer() {
    let Ok(value) = ThreadPriorityValue::try_from(10u8) else { return };
    let policy = ThreadSchedulePolicy::Realtime(RealtimeThreadSchedulePolicy::RoundRobin);
    if let Err(error) = set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Crossplatform(value), policy)
    {
        tracing::debug!(?error, "media runs without real-time priority");
    }
}
