//! One way of one real device, and all sessions that use it. A thread meets the card's ring every 10 ms: a microphone's
//! samples go to every session, the sessions' samples are added up for a loudspeaker. While the device is away the
//! sessions have silence, and it is opened again as soon as it is back.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rtrb::{Consumer, Producer, RingBuffer};
use thread_priority::{ThreadPriority, set_current_thread_priority};

use super::ahead::{Ahead, PRIMED};
use super::clean::{Cleaners, FarEnd, Wish};
use super::clock::{now, sleep_until};
use super::directory::{Direction, Directory};
use super::end::{Sink, Source};
use super::gauge::{Gauge, Gauges, Meter, Window};
use super::limiter::Limiter;
use super::ring::{CAPACITY, RATE, Reader};
use super::stream::{Opening, RingEnd, Stream, open};

const TURN: Duration = Duration::from_millis(10);
/// A stream without a callback for so long is dead.
const WATCHDOG: Duration = Duration::from_millis(500);
/// Before the first callback, or for opening at all.
const START: Duration = Duration::from_secs(3);
/// Between two tries to open a device that is there.
const RETRY: Duration = Duration::from_millis(500);
/// A device stays open so long after its last session.
const LINGER: Duration = Duration::from_secs(1);
/// Sessions that may arrive in one turn.
const ARRIVALS: usize = 256;

/// The lanes of all devices in use.
pub(super) struct Lanes(Mutex<BTreeMap<(Direction, String), (Inbox, Live)>>, Arc<Gauges>);

/// Where a lane finds new sessions; none: the lane has ended.
type Inbox = Arc<Mutex<Option<Vec<End>>>>;

/// The device is open and its callbacks run.
pub(super) type Live = Arc<AtomicBool>;

/// The lane's end of a session's ring.
enum End {
    Input {
        ring: Producer<i16>,
        cut: Arc<AtomicBool>,
        /// None: as the card gives it.
        wish: Option<Wish>,
        /// What it was before, for whoever watches the microphone.
        raw: Arc<AtomicU64>,
        /// What the loudspeaker plays, until a cleaner has it.
        far: Option<FarEnd>,
    },
    Output(Box<Reader>),
    /// A canceller's: all that is played goes there, and how much of it the card has not taken yet.
    Ear(Producer<i16>, Arc<AtomicUsize>),
}

impl Lanes {
    pub(super) fn new(gauges: Gauges) -> Lanes {
        Lanes(Mutex::default(), Arc::new(gauges))
    }

    pub(super) fn gauges(&self) -> &Gauges {
        &self.1
    }

    pub(super) fn source(&self, directory: &Arc<Directory>, id: &str) -> Result<Source, String> {
        self.input(directory, id, None, None)
    }

    /// The same, cleaned.
    pub(super) fn clean_source(&self, directory: &Arc<Directory>, id: &str, wish: Wish) -> Result<Source, String> {
        let mut far = None;
        if let Some(beside) = &wish.beside {
            let ((producer, consumer), waiting) = (RingBuffer::new(CAPACITY), Arc::<AtomicUsize>::default());
            self.attach(directory, beside, Direction::Output, End::Ear(producer, waiting.clone()))?;
            far = Some((consumer, waiting));
        }
        self.input(directory, id, Some(wish), far)
    }

    fn input(
        &self,
        directory: &Arc<Directory>,
        id: &str,
        wish: Option<Wish>,
        far: Option<FarEnd>,
    ) -> Result<Source, String> {
        let (ring, consumer) = RingBuffer::new(CAPACITY);
        let reader = Reader::new(consumer, self.1.of(Direction::Input, id).sessions.clone());
        let (cut, raw) = (reader.cut(), reader.raw());
        let live = self.attach(directory, id, Direction::Input, End::Input { ring, cut, wish, raw, far })?;
        Ok(Source::device(reader, live))
    }

    pub(super) fn sink(&self, directory: &Arc<Directory>, id: &str) -> Result<Sink, String> {
        let (producer, ring) = RingBuffer::new(CAPACITY);
        let reader = Reader::new(ring, self.1.of(Direction::Output, id).sessions.clone());
        let live = self.attach(directory, id, Direction::Output, End::Output(Box::new(reader)))?;
        Ok(Sink::device(producer, live))
    }

    /// Opens a loudspeaker and closes it again, unless sessions have it.
    pub(super) fn try_sink(&self, directory: &Arc<Directory>, id: &str) -> Result<(), String> {
        let key = (Direction::Output, id.to_owned());
        let in_use = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&key)
            .is_some_and(|(lane, _)| lock(lane).is_some());
        if in_use {
            return Ok(());
        }
        let present = directory.find(id, Direction::Output).ok_or("it is not there")?;
        let (opening, end) = (open(directory, present)?, now() + START);
        loop {
            match opening.poll() {
                Some(result) => return result.map(drop),
                None if now() >= end => return Err("opening it takes too long".into()),
                None => std::thread::sleep(TURN),
            }
        }
    }

    fn attach(&self, directory: &Arc<Directory>, id: &str, direction: Direction, end: End) -> Result<Live, String> {
        let mut lanes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lanes.retain(|_, (inbox, _)| lock(inbox).is_some());
        let key = (direction, id.to_owned());
        if let Some((inbox, live)) = lanes.get(&key)
            && let Some(arrivals) = lock(inbox).as_mut()
        {
            if arrivals.len() >= ARRIVALS {
                return Err(format!("{id:?}: too many sessions at once"));
            }
            arrivals.push(end);
            return Ok(live.clone());
        }
        let inbox: Inbox = Arc::new(Mutex::new(Some(vec![end])));
        let (gauges, live) = (self.1.clone(), Live::default());
        let lane = Lane::new(directory.clone(), gauges, id.to_owned(), direction, inbox.clone(), live.clone());
        let name = if direction == Direction::Input { "audio-in" } else { "audio-out" };
        std::thread::Builder::new().name(name.into()).spawn(move || lane.run()).map_err(|e| format!("{id:?}: {e}"))?;
        lanes.insert(key, (inbox, live.clone()));
        Ok(live)
    }
}

fn lock(inbox: &Inbox) -> MutexGuard<'_, Option<Vec<End>>> {
    inbox.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Lane {
    directory: Arc<Directory>,
    id: String,
    direction: Direction,
    inbox: Inbox,
    ends: Vec<End>,
    state: State,
    /// When the last session left, or now.
    used: Duration,
    live: Live,
    /// The directory knows that it is used.
    named: bool,
    mix: Mix,
    ahead: Ahead,
    cleaners: Cleaners,
    gauges: Arc<Gauges>,
    gauge: Arc<Gauge>,
}

enum State {
    /// Not before this time.
    Away(Duration),
    Opening(Opening, Duration),
    Open {
        stream: Stream,
        beats: u64,
        alive: Duration,
    },
}

impl Lane {
    fn new(
        directory: Arc<Directory>,
        gauges: Arc<Gauges>,
        id: String,
        direction: Direction,
        inbox: Inbox,
        live: Live,
    ) -> Lane {
        let gauge = gauges.of(direction, &id);
        Lane {
            ahead: Ahead::new(&gauge),
            gauge,
            gauges,
            directory,
            id,
            direction,
            inbox,
            ends: Vec::new(),
            state: State::Away(Duration::ZERO),
            used: now(),
            live,
            named: false,
            mix: Mix::default(),
            cleaners: Cleaners::default(),
        }
    }

    fn run(mut self) {
        // Without the right to it, an ordinary thread has to do.
        let _ = set_current_thread_priority(ThreadPriority::Max);
        let mut next = now();
        while self.take_sessions() {
            self.clean_for_each();
            next = (next + TURN).max(now().saturating_sub(TURN));
            sleep_until(next);
            self.state = self.check(now());
            self.carry();
        }
    }

    /// Forgets sessions that left and takes new ones; false when the lane is over.
    fn take_sessions(&mut self) -> bool {
        let now = now();
        self.ends.retain(|end| !end.is_abandoned());
        if !self.ends.is_empty() {
            self.used = now;
        }
        let mut inbox = lock(&self.inbox);
        match inbox.as_mut() {
            Some(arrivals) if !arrivals.is_empty() => self.ends.append(arrivals),
            _ if self.directory.stopped() || now > self.used + LINGER => {
                *inbox = None;
                return false;
            }
            _ => {}
        }
        true
    }

    /// A cleaner for each wish.
    fn clean_for_each(&mut self) {
        for end in &mut self.ends {
            if let End::Input { wish: Some(wish), far, .. } = end {
                self.cleaners.join(wish, far.take());
            }
        }
        let ends = &self.ends;
        let wanted = |wish: &Wish| ends.iter().any(|end| matches!(end, End::Input { wish: Some(w), .. } if w == wish));
        self.cleaners.keep(wanted);
    }

    fn check(&mut self, now: Duration) -> State {
        match std::mem::replace(&mut self.state, State::Away(now + RETRY)) {
            State::Away(until) if now < until => State::Away(until),
            State::Away(_) => match self.directory.find(&self.id, self.direction) {
                None => State::Away(now),
                Some(present) => {
                    // `default` is chosen once: a call never moves to another device by itself.
                    self.id.clone_from(&present.id);
                    self.gauge = self.gauges.of(self.direction, &self.id);
                    if !self.named {
                        self.directory.used(self.direction, &self.id);
                        self.named = true;
                    }
                    match open(&self.directory, present) {
                        Ok(opening) => State::Opening(opening, now + START),
                        Err(reason) => self.lost(now, &reason),
                    }
                }
            },
            State::Opening(opening, until) => match opening.poll() {
                None if now < until => State::Opening(opening, until),
                None => self.lost(now, "opening it takes too long"),
                Some(Err(reason)) => self.lost(now, &reason),
                Some(Ok(mut stream)) => {
                    // Silence first, or else the sessions' own reserve would go into it.
                    if let RingEnd::Output(ring) = &mut stream.ring {
                        let _ = ring.push_partial_slice(&[0; PRIMED]);
                    }
                    self.ahead = Ahead::new(&self.gauge);
                    tracing::debug!(id = self.id, direction = ?self.direction, "device open");
                    State::Open { stream, beats: 0, alive: now + START }
                }
            },
            State::Open { stream, beats, alive } => {
                let beat = stream.vitals.beats.load(Ordering::Relaxed);
                let seen = stream.seen();
                let alive = if beat == beats || !seen { alive } else { now + WATCHDOG };
                self.live.store(beat > 0 && seen, Ordering::Relaxed);
                if !stream.here() {
                    self.lost(now, "it is gone")
                } else if stream.vitals.failed.load(Ordering::Relaxed) {
                    self.lost(now, "its stream failed")
                } else if now > alive && self.directory.suspended(self.direction, &self.id) {
                    // It sleeps, and with it our stream, which wakes with it.
                    State::Open { stream, beats: beat, alive: now + WATCHDOG }
                } else if now > alive {
                    self.lost(now, "it has stopped")
                } else {
                    State::Open { stream, beats: beat, alive }
                }
            }
        }
    }

    fn lost(&self, now: Duration, reason: &str) -> State {
        tracing::info!(id = self.id, direction = ?self.direction, reason, "device away: silence");
        self.gauge.close();
        self.live.store(false, Ordering::Relaxed);
        for end in &self.ends {
            // The server may have moved the stream to another microphone some ms before it said so. What came from
            // there still waits in the rings.
            if let End::Input { cut, raw, .. } = end {
                cut.store(true, Ordering::Relaxed);
                raw.store(Window::NONE, Ordering::Relaxed);
            }
        }
        State::Away(now + RETRY)
    }

    /// Moves this turn's samples.
    fn carry(&mut self) {
        match &mut self.state {
            State::Open { stream: Stream { ring: RingEnd::Input(ring), .. }, .. } => {
                self.mix.fan_out(ring, &mut self.ends, &mut self.cleaners, &self.gauge);
            }
            State::Open { stream: Stream { ring: RingEnd::Output(ring), vitals, .. }, .. } => {
                let starved = vitals.starved.swap(0, Ordering::Relaxed) as usize;
                let ahead = self.ahead.of(vitals, CAPACITY - ring.slots(), starved);
                self.mix.add_up(ring, ahead, starved, &mut self.ends, &self.gauge);
            }
            // What is said to a device that is away is not said later.
            _ => {
                self.mix.discard(&mut self.ends);
                self.cleaners.pause();
            }
        }
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        // After a bug too: the next session gets a new lane.
        *lock(&self.inbox) = None;
        self.gauge.close();
        self.live.store(false, Ordering::Relaxed);
        if self.named {
            self.directory.unused(self.direction, &self.id);
        }
    }
}

impl End {
    fn is_abandoned(&self) -> bool {
        match self {
            End::Input { ring, .. } | End::Ear(ring, _) => ring.is_abandoned(),
            End::Output(ring) => ring.is_abandoned(),
        }
    }
}

/// Room for one turn.
struct Mix {
    one: Vec<i16>,
    sum: Vec<i32>,
    limiter: Limiter,
    meter: Meter,
}

impl Default for Mix {
    fn default() -> Self {
        let (one, sum) = (vec![0; CAPACITY], vec![0; CAPACITY]);
        Mix { one, sum, limiter: Limiter::default(), meter: Meter::default() }
    }
}

impl Mix {
    fn fan_out(&mut self, card: &mut Consumer<i16>, ends: &mut [End], cleaners: &mut Cleaners, gauge: &Gauge) {
        let (pcm, _) = card.pop_partial_slice(&mut self.one);
        let volume = i32::from(gauge.volume());
        if volume != 100 {
            let sum = &mut self.sum[..pcm.len()];
            sum.iter_mut().zip(&*pcm).for_each(|(sum, s)| *sum = i32::from(*s) * volume / 100);
            self.limiter.limit(sum, pcm);
        }
        let window = self.meter.note(pcm, gauge);
        for end in &*ends {
            if let (End::Input { wish: Some(_), raw, .. }, Some(window)) = (end, window) {
                raw.store(window.pack(), Ordering::Relaxed);
            }
        }
        let mut give = |wanted: Option<&Wish>, pcm: &[i16]| {
            for end in &mut *ends {
                if let End::Input { ring, wish, .. } = end
                    && wish.as_ref() == wanted
                {
                    let _ = ring.push_partial_slice(pcm);
                }
            }
        };
        give(None, pcm);
        cleaners.clean(pcm, |wish, clean| give(Some(wish), clean));
    }

    fn add_up(&mut self, card: &mut Producer<i16>, ahead: usize, starved: usize, ends: &mut [End], gauge: &Gauge) {
        let filled = CAPACITY - card.slots();
        let n = ahead.saturating_sub(filled);
        let (one, sum) = (&mut self.one[..n], &mut self.sum[..n]);
        sum.fill(0);
        for end in &mut *ends {
            if let End::Output(ring) = end
                && ring.read(one)
            {
                sum.iter_mut().zip(&*one).for_each(|(sum, s)| *sum += i32::from(*s));
            }
        }
        let volume = i32::from(gauge.volume());
        if volume != 100 {
            sum.iter_mut().for_each(|sum| *sum = sum.saturating_mul(volume) / 100);
        }
        self.limiter.limit(sum, one);
        let _ = self.meter.note(one, gauge);
        let _ = card.push_partial_slice(one);
        for end in ends {
            if let End::Ear(ring, waiting) = end {
                waiting.store(filled + n, Ordering::Relaxed);
                // What the card lacked, it played as silence: a canceller counts samples.
                silence(ring, starved);
                let _ = ring.push_partial_slice(one);
            }
        }
    }

    fn discard(&mut self, ends: &mut [End]) {
        for end in ends {
            match end {
                End::Output(ring) => ring.clear(),
                End::Ear(ring, _) => silence(ring, RATE as usize / 100),
                End::Input { .. } => {}
            }
        }
    }
}

fn silence(ring: &mut Producer<i16>, samples: usize) {
    for _ in 0..samples.min(CAPACITY) {
        let _ = ring.push(0);
    }
}
