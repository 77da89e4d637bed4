//! One session on its worker: sockets, the lock, what is heard, what is said, the control channel.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::audio::{Sink, Source};
use crate::sdp::{Direction, Negotiated};
use crate::ua::io::SessionId;
use crate::ua::media::{MediaEvent, MediaStats};

use super::clock;
use super::inbound::{Inbound, SCRATCH};
use super::lock::{Lock, Verdict};
use super::outbound::{self, Outbound, PACKET, Start};
use super::ports::{Inbox, Ports};
use super::quality::{self, Impairments};
use super::rtcp::Control;
use super::rtp;

/// No RTP for this long is told, µs.
const STALL_US: u64 = 2_000_000;
/// The RTCP socket is read once in so many steps; the kernel's time stamps keep the round trip true.
const CONTROL_STEPS: u64 = 10;
/// Capture, playback and codec look-ahead: what our own end adds to the way from mouth to ear, ms.
const OWN_DELAY_MS: f64 = 30.0;

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
    pub complexity: i32,
    /// Reads sockets.
    pub inbox: Inbox,
    /// Sound.
    pub scratch: Box<[i16; SCRATCH]>,
    /// A packet.
    pub packet: Box<[u8; PACKET]>,
    /// What is told.
    pub told: Vec<(SessionId, MediaEvent)>,
}

/// A session.
pub struct Session {
    id: SessionId,
    closed: Arc<AtomicBool>,
    ports: Ports,
    start: Start,
    bitrate: u32,
    /// Even or odd ticks.
    phase: u64,
    gate: Direction,
    muted: bool,
    control: Control,
    streams: Option<Streams>,
}

/// What there is once something was negotiated.
struct Streams {
    negotiated: Negotiated,
    ends: Ends,
    lock: Lock,
    control_from: Option<SocketAddr>,
    inbound: Inbound,
    outbound: Outbound,
    last_tick: u64,
    steps: u64,
    playing: bool,
    /// Since when RTP should come in, or when it last did, µs.
    awaited_since: u64,
    stalled: bool,
    foreign: u64,
}

impl Session {
    /// With its sockets; nothing flows before `remote`.
    pub fn new(id: SessionId, closed: Arc<AtomicBool>, ports: Ports, start: Start, bitrate: u32, now: u64) -> Self {
        let cname = format!("{:016x}", start.chance.rotate_left(17) ^ 0x5bd1_e995_9d1b_54a5);
        let control = Control::new(now, start.ssrc, start.seq, cname, start.chance);
        Session {
            id,
            closed,
            ports,
            start,
            bitrate,
            phase: 0,
            gate: Direction::SendRecv,
            muted: false,
            control,
            streams: None,
        }
    }

    /// Whose it is.
    pub fn id(&self) -> SessionId {
        self.id
    }

    /// Its turn is on even (0) or odd (1) ticks.
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
        match (&mut self.streams, ends) {
            (Some(streams), _) => streams.renew(negotiated, self.bitrate)?,
            (None, Some(ends)) => {
                let mut outbound = Outbound::new(&negotiated, self.start, ends.source.rate(), self.bitrate)?;
                outbound.muted = self.muted;
                self.streams = Some(Streams {
                    lock: Lock::new(negotiated.remote_rtp),
                    control_from: None,
                    inbound: Inbound::new(&negotiated, ends.sink.rate())?,
                    outbound,
                    last_tick: tick,
                    steps: 0,
                    playing: false,
                    awaited_since: now,
                    stalled: false,
                    foreign: 0,
                    negotiated,
                    ends,
                });
            }
            (None, None) => return Err("no devices".into()),
        }
        Ok(())
    }

    /// Cuts or restores the devices.
    pub fn set_gate(&mut self, gate: Direction) {
        self.gate = gate;
    }

    /// Silence in place of the microphone.
    pub fn set_mute(&mut self, muted: bool) {
        self.muted = muted;
        if let Some(streams) = &mut self.streams {
            streams.outbound.muted = muted;
        }
    }

    /// Other devices.
    pub fn set_ends(&mut self, ends: Ends) -> Result<(), String> {
        if let Some(streams) = &mut self.streams {
            streams.inbound.set_rate(ends.sink.rate())?;
            streams.outbound.set_rate(ends.source.rate())?;
            streams.ends = ends;
        }
        Ok(())
    }

    /// Begins to send a digit; false when it cannot be sent.
    pub fn dtmf(&mut self, digit: char, duration_ms: u32) -> bool {
        self.streams.as_mut().is_some_and(|s| s.outbound.begin_event(digit, duration_ms))
    }

    /// One tick.
    pub fn tick(&mut self, loan: &mut Loan) {
        let Session { id, ports, gate, phase, control, streams, .. } = self;
        let Some(streams) = streams else { return };
        // 10 and 30 ms packets want a turn each tick; all others each second one
        let ticks = if outbound::ptime(&streams.negotiated).is_multiple_of(20) { 2 } else { 1 };
        if ticks == 2 && loan.tick % 2 != *phase {
            return;
        }
        let skipped = (loan.tick - streams.last_tick).saturating_sub(ticks);
        streams.last_tick = loan.tick;
        if skipped > 0 && streams.steps > 0 {
            streams.outbound.skip(skipped as u32 * 10);
        }
        let direction = streams.negotiated.direction.and(*gate);
        streams.hear(*id, ports, control, direction.recv(), loan);
        streams.play(ticks as u32 * 10, loan);
        streams.speak(*id, &ports.rtp, ticks as u32 * 10, direction.send(), control, loan);
        streams.watch(*id, direction.recv(), loan);
        if control.due(loan.now, streams.inbound.reception.lost_since_block() > 0) {
            streams.report(ports, control, false, loan);
        }
        streams.steps += 1;
    }

    /// Says goodbye (RFC 3550 §6.3.7).
    pub fn close(&mut self, loan: &mut Loan) {
        if let Some(streams) = &mut self.streams {
            streams.report(&self.ports, &mut self.control, true, loan);
        }
    }

    /// All figures.
    pub fn stats(&self) -> MediaStats {
        let Some(streams) = &self.streams else { return MediaStats::default() };
        streams.stats(&self.control, self.gate)
    }
}

impl Streams {
    fn renew(&mut self, negotiated: Negotiated, bitrate: u32) -> Result<(), String> {
        self.inbound.renew(&negotiated, self.ends.sink.rate())?;
        self.outbound.renew(&negotiated, self.ends.source.rate(), bitrate)?;
        self.lock.renew(negotiated.remote_rtp);
        self.control_from = None;
        self.negotiated = negotiated;
        Ok(())
    }

    /// Reads the sockets.
    fn hear(&mut self, id: SessionId, ports: &Ports, control: &mut Control, playing: bool, loan: &mut Loan) {
        if playing && !self.playing {
            self.inbound.resume();
            self.awaited_since = loan.now;
        }
        self.playing = playing;
        let Loan { inbox, told, now, wall_offset, .. } = loan;
        let (now, wall_offset, v4) = (*now, *wall_offset, ports.local.is_ipv4());
        let arrival = |stamp: Option<i64>| match stamp {
            Some(ns) => ((ns - wall_offset) / 1_000).clamp(now as i64 - 1_000_000, now as i64 + 100_000) as u64,
            None => now,
        };
        inbox.drain(&ports.rtp, v4, &mut |from, stamp, bytes| {
            let at = arrival(stamp);
            let Some((header, payload)) = rtp::read(bytes) else {
                if self.negotiated.rtcp_mux && rtp::is_rtcp(bytes) {
                    self.hear_control(at, wall_offset, from, bytes, control);
                }
                return;
            };
            match self.lock.note(at, from, header.ssrc, header.seq) {
                Verdict::Accept => {
                    self.inbound.accept(at, &header, payload, playing, &mut |event| told.push((id, event)));
                }
                Verdict::Learning => {}
                Verdict::Foreign => self.foreign += 1,
            }
        });
        if !self.negotiated.rtcp_mux && self.steps.is_multiple_of(CONTROL_STEPS) {
            inbox.drain(&ports.rtcp, v4, &mut |from, stamp, bytes| {
                self.hear_control(arrival(stamp), wall_offset, from, bytes, control);
            });
        }
        self.inbound.idle(now, &mut |event| told.push((id, event)));
    }

    /// RTCP is the peer's when it comes from where its RTP does, or from where the SDP says.
    fn hear_control(&mut self, at: u64, wall_offset: i64, from: SocketAddr, bytes: &[u8], control: &mut Control) {
        if from.ip() == self.lock.destination().ip() || from == self.negotiated.remote_rtcp {
            self.control_from = Some(from);
            control.receive(at, clock::ntp(at, wall_offset), self.negotiated.codec.kind.clock(), bytes);
        } else {
            self.foreign += 1;
        }
    }

    fn play(&mut self, step_ms: u32, loan: &mut Loan) {
        let frame = (self.negotiated.codec.kind.clock() / 1_000 * step_ms) as usize;
        self.inbound.play(loan.now, frame, self.playing, &mut loan.scratch, &mut self.ends.sink);
    }

    fn speak(
        &mut self,
        id: SessionId,
        socket: &UdpSocket,
        step_ms: u32,
        sending: bool,
        control: &Control,
        loan: &mut Loan,
    ) {
        self.outbound.adapt(control.loss_percent, loan.complexity);
        let to = self.lock.destination();
        let Loan { scratch, packet, told, .. } = loan;
        let mut send = |bytes: &[u8]| {
            if to.ip().is_unspecified() {
                return; // a peer that holds in the old way, c=0.0.0.0
            }
            // a full or unreachable network is the network's loss, and the peer's reports tell of it
            let _ = socket.send_to(bytes, to);
        };
        let mut tell = |event| told.push((id, event));
        self.outbound.step(step_ms, sending, &mut self.ends.source, scratch, packet, &mut send, &mut tell);
    }

    /// Tells when what should come does not.
    fn watch(&mut self, id: SessionId, awaited: bool, loan: &mut Loan) {
        self.awaited_since = self.awaited_since.max(self.inbound.last_at);
        let stalled = awaited && loan.now > self.awaited_since + STALL_US;
        if stalled != self.stalled {
            self.stalled = stalled;
            loan.told.push((id, MediaEvent::Flow { stalled }));
        }
    }

    fn report(&mut self, ports: &Ports, control: &mut Control, bye: bool, loan: &Loan) {
        let block = self.inbound.ssrc.map(|ssrc| (ssrc, self.inbound.reception.block()));
        let now = clock::mono_ns() / 1_000; // not the grid's: round trips are measured by it
        let ntp = clock::ntp(now, loan.wall_offset);
        let bytes = control.report(now, ntp, self.outbound.sent(), block, bye);
        let rtp = self.lock.destination();
        if rtp.ip().is_unspecified() {
            return;
        }
        let _ = if self.negotiated.rtcp_mux {
            ports.rtp.send_to(&bytes, rtp)
        } else {
            let above = SocketAddr::new(rtp.ip(), rtp.port().saturating_add(1));
            let signalled = if rtp == self.negotiated.remote_rtp { self.negotiated.remote_rtcp } else { above };
            ports.rtcp.send_to(&bytes, self.control_from.unwrap_or(signalled))
        };
    }

    fn stats(&self, control: &Control, gate: Direction) -> MediaStats {
        let (inbound, counts) = (&self.inbound, self.inbound.jitter().counts());
        let [rx_jitter_ms, rx_jitter_max_ms, rx_jitter_avg_ms] = inbound.reception.jitter_ms();
        let jitter_buffer_ms = inbound.jitter().held_us() / 1_000.0;
        let expected = inbound.reception.expected().max(1) as f64;
        let unheard = (inbound.reception.lost() + counts.late) as f64;
        let kind = self.negotiated.codec.kind;
        let way = control.rtt_ms.unwrap_or(0.0) / 2.0
            + f64::from(outbound::ptime(&self.negotiated))
            + jitter_buffer_ms
            + OWN_DELAY_MS;
        let (r_factor, mos) = quality::rate(Impairments { codec: kind, loss: unheard / expected, delay_ms: way });
        MediaStats {
            codec: kind.name().into(),
            rx_packets: inbound.packets,
            rx_lost: inbound.reception.lost(),
            rx_jitter_ms,
            rx_jitter_max_ms,
            rx_jitter_avg_ms,
            tx_packets: self.outbound.packets,
            tx_lost_ratio: control.lost_ratio,
            tx_jitter_max_ms: control.jitter.0,
            tx_jitter_avg_ms: control.jitter.1 / control.jitter.2.max(1) as f64,
            rtt_ms: control.rtt_ms,
            jitter_buffer_ms,
            played_ms: inbound.played_ms as u64,
            concealed_pct: if inbound.played_ms > 0.0 { inbound.concealed_ms * 100.0 / inbound.played_ms } else { 0.0 },
            rx_level_dbov: inbound.level.dbov(),
            tx_level_dbov: self.outbound.level.dbov(),
            late: counts.late,
            foreign: self.foreign,
            one_way: self.stalled && self.negotiated.direction.and(gate).send(),
            r_factor,
            mos,
            remote_ssrc: inbound.ssrc.unwrap_or(0),
        }
    }
}
