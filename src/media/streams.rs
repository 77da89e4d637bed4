//! What flows once something was negotiated: what is heard, what is said, and the figures of both.

use crate::sdp::{Direction, Negotiated};
use crate::ua::io::SessionId;
use crate::ua::media::{MediaEvent, MediaStats, PlayEvent, WayFacts};

use super::clock;
use super::echo::EchoFinder;
use super::inbound::Inbound;
use super::level::{Level, SILENCE};
use super::mixer::Member;
use super::outbound::{self, Outbound, Start};
use super::patch::Patch;
use super::quality::{self, Impairments};
use super::recorder::Tap;
use super::rtcp::Control;
use super::session::{Ends, Loan};
use super::transport::{Packet, Times, Transport};
use super::video::VideoLeg;
use super::video_ends::VideoEnds;
use crate::audio::{Sink, Source};

/// No RTP for this long is told, µs.
const STALL_US: u64 = 2_000_000;
/// The RTCP socket is read once in so many steps; the kernel's time stamps keep the round trip true.
const CONTROL_STEPS: u64 = 10;
/// The far end speaks when it is louder than this, dBov: lines have their noise.
const SPEECH: f64 = -42.0;
/// Capture, playback and codec look-ahead: what our own end adds to the way from mouth to ear, ms.
const OWN_DELAY_MS: f64 = 30.0;

/// Steps that a device may take to open before a call moves to it all the same.
const PATIENCE: u64 = 25;

/// The streams of a session.
pub struct Streams {
    negotiated: Negotiated,
    ends: Ends,
    /// Where it is about to move, and the step from which on it does not wait for that device any longer.
    next_source: Option<(Source, u64)>,
    next_sink: Option<(Sink, u64)>,
    inbound: Inbound,
    outbound: Outbound,
    steps: u64,
    playing: bool,
    /// Since when RTP should come in, or when it last did, µs.
    awaited_since: u64,
    stalled: bool,
    tap: Option<Box<Tap>>,
    member: Option<Box<Member>>,
    patch: Patch,
    video: Option<Box<VideoLeg>>,
    echo: EchoFinder,
    /// The length of this step, ms.
    step_ms: u32,
}

impl Streams {
    /// For the first description.
    pub fn new(now: u64, negotiated: Negotiated, ends: Ends, start: Start, bitrate: u32) -> Result<Self, String> {
        Ok(Streams {
            inbound: Inbound::new(&negotiated, ends.sink.rate())?,
            outbound: Outbound::new(&negotiated, start, ends.source.rate(), bitrate)?,
            steps: 0,
            playing: false,
            awaited_since: now,
            stalled: false,
            tap: None,
            member: None,
            patch: Patch::default(),
            video: None,
            echo: EchoFinder::default(),
            step_ms: 20,
            negotiated,
            ends,
            next_source: None,
            next_sink: None,
        })
    }

    /// For another description.
    pub fn renew(&mut self, negotiated: Negotiated, bitrate: u32) -> Result<(), String> {
        self.inbound.renew(&negotiated, self.ends.sink.rate())?;
        self.outbound.renew(&negotiated, self.ends.source.rate(), bitrate)?;
        if let Some(tap) = &mut self.tap {
            tap.set_clock(negotiated.codec.kind.rate());
        }
        if negotiated.codec.kind.rate() != self.negotiated.codec.kind.rate()
            && let Some(member) = &mut self.member
        {
            **member = meet(member.conference(), negotiated.codec.kind.rate())?;
        }
        if let Some(video) = &mut self.video {
            video.renew(negotiated.video.as_ref());
        }
        self.negotiated = negotiated;
        Ok(())
    }

    /// The ends of its video are open; `start` with the first ones.
    pub fn set_video(&mut self, now: u64, ends: VideoEnds, start: Start, control: &Control) {
        let new = || {
            let control = control.beside(now, start.ssrc, start.seq, start.chance);
            Box::new(VideoLeg::new(now, start, control))
        };
        let video = self.video.get_or_insert_with(new);
        video.open(ends);
        video.renew(self.negotiated.video.as_ref());
    }

    /// Silence in place of the microphone.
    pub fn set_mute(&mut self, muted: bool) {
        self.outbound.muted = muted;
    }

    /// What its sound has besides its devices.
    pub fn patch(&mut self) -> &mut Patch {
        &mut self.patch
    }

    /// The far end speaks in this step.
    pub fn hears_speech(&self) -> bool {
        self.playing && self.inbound.level.frame_dbov() > SPEECH
    }

    /// Other devices: those that are given. The old ones go on until the new ones are open, so that nothing of the call is lost.
    pub fn change_ends(&mut self, source: Option<Source>, sink: Option<Sink>) -> Result<(), String> {
        let until = self.steps + PATIENCE;
        self.next_source = source.map(|source| (source, until)).or(self.next_source.take());
        self.next_sink = sink.map(|sink| (sink, until)).or(self.next_sink.take());
        self.move_on()
    }

    fn move_on(&mut self) -> Result<(), String> {
        let steps = self.steps;
        if let Some((source, _)) = self.next_source.take_if(|(next, until)| next.is_live() || steps >= *until) {
            self.outbound.set_rate(source.rate())?;
            self.ends.source = source;
        }
        if let Some((sink, _)) = self.next_sink.take_if(|(next, until)| next.is_live() || steps >= *until) {
            self.inbound.set_rate(sink.rate())?;
            self.ends.sink = sink;
        }
        Ok(())
    }

    /// The recording begins.
    pub fn record(&mut self, mut tap: Box<Tap>) {
        tap.set_clock(self.negotiated.codec.kind.rate());
        self.tap = Some(tap);
    }

    /// Meets the other sessions of that conference, or none any more.
    pub fn set_conference(&mut self, conference: Option<u64>) -> Result<(), String> {
        if self.member.as_ref().map(|m| m.conference()) != conference {
            let new = conference.map(|number| meet(number, self.negotiated.codec.kind.rate())).transpose()?;
            self.member = new.map(Box::new);
        }
        Ok(())
    }

    /// Begins to send a digit; false when it cannot be sent.
    pub fn begin_event(&mut self, digit: char, duration_ms: u32) -> bool {
        self.outbound.begin_event(digit, duration_ms)
    }

    /// Begins to sound a digit; false when it cannot.
    pub fn begin_tones(&mut self, digit: char, duration_ms: u32) -> bool {
        self.outbound.begin_tones(digit, duration_ms)
    }

    /// Ticks of 10 ms from step to step: packets of 10, 30 and 50 ms want each one, and so do conferences, whose members all
    /// meet in it; all others each second one.
    fn ticks(&self) -> u64 {
        let even = outbound::ptime(&self.negotiated).is_multiple_of(20) && self.outbound.is_even();
        if even && self.member.is_none() { 2 } else { 1 }
    }

    /// The first half of a step: hears and plays. `missed` ticks were skipped before.
    pub fn listen(
        &mut self,
        id: SessionId,
        transport: &mut Transport,
        control: &mut Control,
        gate: Direction,
        missed: u64,
        loan: &mut Loan,
    ) {
        let direction = self.negotiated.direction.and(gate);
        self.step_ms = self.ticks() as u32 * 10;
        if let Err(reason) = self.move_on() {
            loan.told.push((id, MediaEvent::Failed(reason)));
        }
        if missed > 0 && self.steps > 0 {
            self.outbound.skip(missed as u32 * 10);
            if let Some(tap) = &mut self.tap {
                tap.missed(missed as u32 * 10);
            }
        }
        self.hear(id, transport, control, direction.recv(), gate, loan);
        // Who holds us plays music, maybe: that is for our ears only.
        self.play(direction == Direction::SendRecv, loan);
    }

    /// The second half: speaks and reports. Returns the ticks until the next step.
    pub fn speak(
        &mut self,
        id: SessionId,
        transport: &mut Transport,
        control: &mut Control,
        gate: Direction,
        loan: &mut Loan,
    ) -> u64 {
        let direction = self.negotiated.direction.and(gate);
        self.send(id, transport, direction.send(), control, loan);
        self.measure(direction.send(), transport.is_ready(), control, loan.now);
        self.keep(id, loan);
        if let Some(video) = &mut self.video {
            video.step(id, transport, gate, loan);
        }
        self.watch(id, direction.recv(), loan);
        if control.due(loan.now, self.inbound.reception.lost_since_block() > 0) {
            self.report(transport, control, false, loan);
        }
        self.steps += 1;
        u64::from(self.step_ms / 10)
    }

    /// Takes what came.
    fn hear(
        &mut self,
        id: SessionId,
        transport: &mut Transport,
        control: &mut Control,
        playing: bool,
        gate: Direction,
        loan: &mut Loan,
    ) {
        if playing && !self.playing {
            self.inbound.resume();
            self.awaited_since = loan.now;
        }
        self.playing = playing;
        let Loan { inbox, told, now, wall_offset, .. } = loan;
        let times = Times { now: *now, wall_offset: *wall_offset };
        let clock = self.negotiated.codec.kind.clock();
        let look = self.steps.is_multiple_of(CONTROL_STEPS);
        let shown = self.negotiated.video.as_ref().map(|video| video.recv_pt);
        transport.receive(times, inbox, look, &mut |at, packet| match packet {
            Packet::Rtp(header, payload) if Some(header.payload_type) == shown => {
                if let Some(video) = &mut self.video {
                    video.accept(at, &header, payload, gate, &mut |event| told.push((id, event)));
                }
            }
            Packet::Rtp(header, payload) => {
                self.inbound.accept(at, &header, payload, playing, &mut |event| told.push((id, event)));
            }
            Packet::Control(bytes) => {
                let ntp = clock::ntp(at, times.wall_offset);
                control.peer = self.inbound.ssrc;
                control.receive(at, ntp, clock, bytes);
                if let Some(video) = &mut self.video {
                    video.control(at, ntp, bytes);
                }
            }
        });
        self.inbound.idle(times.now, &mut |event| told.push((id, event)));
    }

    /// `shared`: a conference hears it too.
    fn play(&mut self, shared: bool, loan: &mut Loan) {
        let rate = self.negotiated.codec.kind.rate();
        let frame = (rate / 1_000 * self.step_ms) as usize;
        let Loan { now, scratch, mixes, .. } = loan;
        self.inbound.pull(*now, frame, self.playing, scratch);
        self.patch.customer_mouth(rate, &mut scratch[..frame]);
        if let Some(member) = &mut self.member {
            let mix = mixes.entry(member.conference()).or_default();
            member.give(shared.then_some(&scratch[..frame]), mix);
        }
        self.inbound.play(frame, scratch, &mut self.ends.sink, self.tap.as_deref_mut(), &mut self.patch);
    }

    fn send(&mut self, id: SessionId, transport: &mut Transport, sending: bool, control: &Control, loan: &mut Loan) {
        self.outbound.adapt(control.loss_percent, loan.effort);
        let Loan { scratch, packet, told, mixes, .. } = loan;
        let others = self.member.as_deref_mut().and_then(|m| mixes.get(&m.conference()).map(|mix| (m, mix)));
        let mut send = |bytes: &[u8]| transport.send(bytes);
        let mut tell = |event| told.push((id, event));
        let tap = self.tap.as_deref_mut();
        let source = &mut self.ends.source;
        let patch = &mut self.patch;
        self.outbound.step(self.step_ms, sending, source, scratch, packet, &mut send, &mut tell, tap, others, patch);
    }

    /// What tells later why somebody is not heard.
    fn measure(&mut self, sending: bool, ready: bool, control: &mut Control, now: u64) {
        if !sending || !ready {
            control.rests(now);
        }
        let loud = |live: bool, level: &Level| if live { level.frame_dbov() } else { SILENCE };
        let (sent, heard) = (loud(sending, &self.outbound.level), loud(self.playing, &self.inbound.level));
        self.echo.note(self.step_ms, sent, heard);
    }

    fn way(&self, transport: &Transport, control: &Control, now: u64) -> WayFacts {
        let (from, stranger) = transport.senders();
        let age = |at: u64| now.saturating_sub(at) / 1_000;
        WayFacts {
            from,
            stranger,
            rx_age_ms: (self.inbound.last_at > 0).then(|| age(self.inbound.last_at)),
            reports: control.heard_reports,
            counted: control.counted,
            uncounted_ms: age(control.uncounted.0),
            uncounted_reports: control.uncounted.1,
            echo: self.echo.find(),
        }
    }

    /// What both sides gave in this step goes to the recorder.
    fn keep(&mut self, id: SessionId, loan: &mut Loan) {
        let played = self.patch.played().map(|play| MediaEvent::Play(play, PlayEvent::Ended));
        loan.told.extend(played.map(|event| (id, event)));
        let Some(tap) = &mut self.tap else { return };
        if tap.is_over() {
            self.tap = None;
        } else {
            tap.commit(self.step_ms, &mut |event| loan.told.push((id, MediaEvent::Record(event))));
        }
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

    /// Sends our report, with `bye` the last one.
    pub fn report(&mut self, transport: &mut Transport, control: &mut Control, bye: bool, loan: &Loan) {
        let block = self.inbound.ssrc.map(|ssrc| (ssrc, self.inbound.reception.block()));
        let now = clock::mono_ns() / 1_000; // not the grid's: round trips are measured by it
        let ntp = clock::ntp(now, loan.wall_offset);
        let bytes = control.report(now, ntp, self.outbound.sent(), block, bye);
        transport.send_control(&bytes);
    }

    /// All figures.
    pub fn stats(&self, transport: &Transport, control: &Control, gate: Direction, now: u64) -> MediaStats {
        let (inbound, playout) = (&self.inbound, self.inbound.playout());
        let (counts, played) = (playout.counts(), playout.played());
        let [rx_jitter_ms, rx_jitter_max_ms, rx_jitter_avg_ms] = inbound.reception.jitter_ms();
        let jitter_buffer_ms = playout.delay_us() / 1_000.0;
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
            played_ms: played.heard / 1_000,
            concealed_pct: played.concealed as f64 * 100.0 / played.heard.max(1) as f64,
            rx_level_dbov: inbound.level.dbov(),
            tx_level_dbov: self.outbound.level.dbov(),
            mic_level_dbov: self.outbound.microphone.dbov(),
            mic_clipped_pct: self.outbound.microphone.clipped_pct(),
            late: counts.late,
            duplicate: counts.duplicate,
            discarded: counts.discarded,
            expanded_ms: played.expanded / 1_000,
            accelerated_ms: played.accelerated / 1_000,
            foreign: transport.foreign(),
            one_way: self.stalled && self.negotiated.direction.and(gate).send(),
            way: self.way(transport, control, now),
            r_factor,
            mos,
            remote_ssrc: inbound.ssrc.unwrap_or(0),
            video: self.video.as_ref().map(|video| video.stats()).unwrap_or_default(),
        }
    }
}

fn meet(conference: u64, clock: u32) -> Result<Member, String> {
    Member::new(conference, clock).ok_or_else(|| format!("a conference cannot have sound at {clock} Hz"))
}
