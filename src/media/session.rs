//! One session on its worker: its sockets and what its user asks of it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::audio::{Sink, Source};
use crate::sdp::{Direction, Negotiated};
use crate::ua::io::SessionId;
use crate::ua::media::{LocalMedia, MediaEvent, MediaStats};

use super::clip::Loading;
use super::codec::Effort;
use super::dtls::Identity;
use super::ice::Search;
use super::inbound::SCRATCH;
use super::mixer::Mix;
use super::outbound::{PACKET, Start};
use super::patch::Patch;
use super::ports::{Inbox, Ports};
use super::recorder::Tap;
use super::rtcp::Control;
use super::signals::Ears;
use super::streams::Streams;
use super::transport::{News, Times, Transport};
use super::video_ends::VideoEnds;

/// The devices of a session.
pub struct Ends {
    /// Microphone.
    pub source: Source,
    /// Loudspeaker.
    pub sink: Sink,
}

/// What the worker lends to a session for one tick: everything that allocates, once for all.
pub struct Loan {
    /// The tick's number.
    pub tick: u64,
    /// Its time on the grid, µs.
    pub now: u64,
    /// From monotonic to wall time, ns.
    pub wall_offset: i64,
    /// How hard Opus works.
    pub effort: Effort,
    /// Reads sockets.
    pub inbox: Inbox,
    /// Sound.
    pub scratch: Box<[i16; SCRATCH]>,
    /// A packet.
    pub packet: Box<[u8; PACKET]>,
    /// The conferences of this worker, in this tick.
    pub mixes: BTreeMap<u64, Mix>,
    /// What is told.
    pub told: Vec<(SessionId, MediaEvent)>,
}

/// A session.
pub struct Session {
    id: SessionId,
    closed: Arc<AtomicBool>,
    ears: Arc<Ears>,
    transport: Transport,
    start: Start,
    bitrate: u32,
    /// Begins with an even or an odd tick.
    phase: u64,
    gate: Direction,
    muted: bool,
    conference: Option<u64>,
    control: Control,
    streams: Option<Streams>,
    /// The tick of its next step.
    due: u64,
    /// Its step has begun.
    turn: bool,
    /// Waits for our addresses.
    gathering: Option<Box<LocalMedia>>,
}

impl Session {
    /// With its sockets, and the search for our addresses where it is wanted; nothing flows before `remote`.
    #[allow(clippy::too_many_arguments, reason = "what a session is made of: each has another maker")]
    pub fn new(
        id: SessionId,
        closed: Arc<AtomicBool>,
        ears: Arc<Ears>,
        ports: Ports,
        search: Option<(Search, LocalMedia)>,
        identity: Arc<Identity>,
        start: Start,
        bitrate: u32,
        now: u64,
    ) -> Self {
        let (search, gathering) = search.map(|(search, local)| (Box::new(search), Box::new(local))).unzip();
        let control = Control::new(now, start.ssrc, start.seq, start.cname(), start.chance);
        Session {
            id,
            closed,
            ears,
            transport: Transport::new(ports, search, identity),
            start,
            bitrate,
            phase: 0,
            gate: Direction::SendRecv,
            muted: false,
            conference: None,
            control,
            streams: None,
            due: 0,
            turn: false,
            gathering,
        }
    }

    /// Whose it is.
    pub fn id(&self) -> SessionId {
        self.id
    }

    /// Its turn shall be on even (0) or odd (1) ticks.
    pub fn set_phase(&mut self, phase: u64) {
        self.phase = phase;
    }

    /// See `set_phase`.
    pub fn phase(&self) -> u64 {
        self.phase
    }

    /// The session is over.
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    /// What was negotiated; `ends` with the first one.
    pub fn remote(&mut self, tick: u64, now: u64, negotiated: Negotiated, ends: Option<Ends>) -> Result<(), String> {
        self.transport.renew(now, &negotiated)?;
        match (&mut self.streams, ends) {
            (Some(streams), _) => streams.renew(negotiated, self.bitrate)?,
            (None, Some(ends)) => {
                let mut streams = Streams::new(now, negotiated, ends, self.start, self.bitrate)?;
                streams.set_mute(self.muted);
                streams.set_conference(self.conference)?;
                self.streams = Some(streams);
                self.due = tick + (tick + self.phase) % 2;
            }
            (None, None) => return Err("no devices".into()),
        }
        Ok(())
    }

    /// Other ports from now on.
    pub fn move_to(&mut self, ports: Ports, search: Option<(Search, LocalMedia)>) {
        let (search, gathering) = search.map(|(search, local)| (Box::new(search), Box::new(local))).unzip();
        self.transport.move_to(ports, search);
        self.gathering = gathering;
    }

    /// Cuts or restores the devices.
    pub fn set_gate(&mut self, gate: Direction) {
        self.gate = gate;
        if let Some(streams) = &mut self.streams {
            streams.patch().play_music(None);
        }
    }

    /// The far end is held, and hears this.
    pub fn hold_with_music(&mut self, clip: Loading) {
        // without a stream nobody hears anything, the microphone above all
        self.gate = Direction::Inactive;
        if let Some(streams) = &mut self.streams {
            streams.patch().play_music(Some(clip));
            self.gate = Direction::SendOnly;
        }
    }

    /// Changes what its sound has besides its devices; without streams there is none.
    pub fn patch(&mut self, what: impl FnOnce(&mut Patch)) {
        if let Some(streams) = &mut self.streams {
            what(streams.patch());
        }
    }

    /// Silence in place of the microphone.
    pub fn set_mute(&mut self, muted: bool) {
        self.muted = muted;
        if let Some(streams) = &mut self.streams {
            streams.set_mute(muted);
        }
    }

    /// It is in a conference.
    pub fn in_conference(&self) -> bool {
        self.conference.is_some()
    }

    /// Meets the other sessions of that conference, or none any more.
    pub fn set_conference(&mut self, conference: Option<u64>) -> Result<(), String> {
        self.conference = conference;
        self.streams.as_mut().map_or(Ok(()), |streams| streams.set_conference(conference))
    }

    /// Other devices: those that are given.
    pub fn change_ends(&mut self, source: Option<Source>, sink: Option<Sink>) -> Result<(), String> {
        if let Some(streams) = &mut self.streams {
            streams.change_ends(source, sink)?;
        }
        Ok(())
    }

    /// The ends of its video are open.
    pub fn set_video(&mut self, now: u64, ends: VideoEnds, start: Start) {
        if let Some(streams) = &mut self.streams {
            streams.set_video(now, ends, start, &self.control);
        }
    }

    /// Begins to send a digit; false when it cannot be sent.
    pub fn dtmf(&mut self, digit: char, duration_ms: u32) -> bool {
        self.streams.as_mut().is_some_and(|s| s.begin_event(digit, duration_ms))
    }

    /// The same in the sound.
    pub fn tones(&mut self, digit: char, duration_ms: u32) -> bool {
        self.streams.as_mut().is_some_and(|s| s.begin_tones(digit, duration_ms))
    }

    /// Its recording begins.
    pub fn record(&mut self, tap: Box<Tap>) {
        if let Some(streams) = &mut self.streams {
            streams.record(tap);
        }
    }

    /// One tick. The members of a conference have listened before, each of them.
    pub fn tick(&mut self, loan: &mut Loan) {
        if !self.in_conference() {
            self.listen(loan);
        }
        if let Some(streams) = &mut self.streams
            && std::mem::take(&mut self.turn)
        {
            self.due = loan.tick + streams.speak(self.id, &mut self.transport, &mut self.control, self.gate, loan);
        }
    }

    /// The first half of a tick: what the far end says.
    pub fn listen(&mut self, loan: &mut Loan) {
        let Session { id, transport, gathering, .. } = self;
        transport.tick(loan.now, &mut |news| {
            loan.told.extend(event(news, gathering).map(|event| (*id, event)));
        });
        let Some(streams) = &mut self.streams else {
            let times = Times { now: loan.now, wall_offset: loan.wall_offset };
            return transport.receive(times, &mut loan.inbox, false, &mut |_, _| ());
        };
        if loan.tick >= self.due {
            self.turn = true;
            streams.listen(*id, transport, &mut self.control, self.gate, loan.tick - self.due, loan);
            if streams.hears_speech() {
                self.ears.note(loan.now);
            }
        }
    }

    /// Says goodbye (RFC 3550 §6.3.7).
    pub fn close(&mut self, loan: &mut Loan) {
        if let Some(streams) = &mut self.streams {
            streams.report(&mut self.transport, &mut self.control, true, loan);
        }
        self.transport.close();
    }

    /// All figures.
    pub fn stats(&self, now: u64) -> MediaStats {
        let Some(streams) = &self.streams else { return MediaStats::default() };
        streams.stats(&self.transport, &self.control, self.gate, now)
    }
}

/// What the phone is told of it.
fn event(news: News, gathering: &mut Option<Box<LocalMedia>>) -> Option<MediaEvent> {
    match news {
        News::Gathered(ice) => gathering.take().map(|mut local| {
            local.dtls.ice = Some(ice);
            MediaEvent::Local(*local)
        }),
        News::Path(facts) => Some(MediaEvent::Path(facts)),
        News::Broken(reason) => Some(MediaEvent::Broken(reason)),
    }
}
