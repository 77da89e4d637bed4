//! The half of a session that hears: packets to sound.

use crate::audio::Sink;
use crate::sdp::Negotiated;
use crate::ua::media::MediaEvent;

use super::codec::{self, LONGEST};
use super::jitter::{Arrival, Pushed};
use super::level::Level;
use super::patch::Patch;
use super::playout::Playout;
use super::reception::{Reception, Seen};
use super::recorder::{Side, Tap};
use super::resample::Resampler;
use super::rtp::Header;
use super::telephone_event::Receiving;

/// Another SSRC is believed once the one before was silent for this long, µs.
const HANDOVER_US: u64 = 60_000;
/// The payload type of comfort noise (RFC 3389 §4): nobody agrees on it beforehand, some send it.
const COMFORT_NOISE: u8 = 13;

/// Room for a frame that is played and for one packet's sound, or for the frame at another rate.
pub const SCRATCH: usize = 2 * LONGEST;

/// What came in, and what became of it.
pub struct Inbound {
    negotiated: Negotiated,
    playout: Playout,
    events: Receiving,
    resampler: Resampler,
    /// RFC 3550's figures.
    pub reception: Reception,
    /// Loudness of what was played.
    pub level: Level,
    /// The stream that is played.
    pub ssrc: Option<u32>,
    /// When its last packet came, µs.
    pub last_at: u64,
    /// Packets with sound.
    pub packets: u64,
}

impl Inbound {
    /// For what was negotiated. Fails when the codec has no memory, or the device an odd rate.
    pub fn new(negotiated: &Negotiated, sink_rate: u32) -> Result<Self, String> {
        let (clock, rate) = (negotiated.codec.kind.clock(), negotiated.codec.kind.rate());
        Ok(Inbound {
            playout: Playout::new(negotiated.codec.kind)?,
            events: Receiving::default(),
            resampler: resampler(rate, sink_rate)?,
            reception: Reception::new(clock),
            level: Level::new(rate),
            ssrc: None,
            last_at: 0,
            packets: 0,
            negotiated: negotiated.clone(),
        })
    }

    /// Another description: the same stream as far as it can be, figures go on.
    pub fn renew(&mut self, negotiated: &Negotiated, sink_rate: u32) -> Result<(), String> {
        if negotiated.codec.kind != self.negotiated.codec.kind {
            let mut new = Inbound::new(negotiated, sink_rate)?;
            new.playout.succeed(&self.playout);
            (self.playout, self.resampler, self.level) = (new.playout, new.resampler, new.level);
            self.reception.begin(negotiated.codec.kind.clock());
        }
        if negotiated.dtmf != self.negotiated.dtmf {
            self.events = Receiving::default();
        }
        self.negotiated = negotiated.clone();
        Ok(())
    }

    /// Another loudspeaker.
    pub fn set_rate(&mut self, sink_rate: u32) -> Result<(), String> {
        self.resampler = resampler(self.negotiated.codec.kind.rate(), sink_rate)?;
        Ok(())
    }

    /// Playing begins again after a hold: nothing from before it.
    pub fn resume(&mut self) {
        self.playout.reset();
    }

    /// A packet of the peer. `playing`: somebody listens. Tells `Started` and digits.
    pub fn accept(
        &mut self,
        at: u64,
        header: &Header,
        payload: &[u8],
        playing: bool,
        tell: &mut impl FnMut(MediaEvent),
    ) {
        match self.ssrc {
            Some(ssrc) if ssrc == header.ssrc => {}
            Some(_) if at < self.last_at + HANDOVER_US => return,
            Some(_) => {
                self.reception.begin(self.negotiated.codec.kind.clock());
                self.playout.reset();
                self.events = Receiving::default();
            }
            None => tell(MediaEvent::Started { ssrc: header.ssrc }),
        }
        self.ssrc = Some(header.ssrc);
        match self.reception.note(header.seq) {
            Seen::Valid => {}
            Seen::Doubtful => return,
            Seen::Restart => self.playout.reset(),
        }
        self.last_at = self.last_at.max(at);
        let codec = &self.negotiated.codec;
        let mut arrival = Arrival { seq: header.seq, timestamp: header.timestamp, samples: 0, at };
        if header.payload_type == codec.recv_pt {
            let Some(samples) = codec::samples(codec.kind, payload) else { return };
            self.packets += 1;
            self.reception.note_time(at, header.timestamp);
            arrival.samples = samples;
        } else if let Some(clock) = self.negotiated.dtmf.and_then(|d| d.clock_of(header.payload_type)) {
            self.events.packet(at, (header.timestamp, clock), payload, |digit, duration_ms| {
                tell(MediaEvent::Dtmf { digit, duration_ms });
            });
        }
        if playing && header.payload_type == COMFORT_NOISE && arrival.samples == 0 {
            self.playout.push_noise(arrival, payload);
        } else if playing {
            let pushed = self.playout.push(arrival, if arrival.samples > 0 { payload } else { &[] });
            if pushed == Pushed::Late {
                tracing::trace!(seq = header.seq, "late");
            }
        }
    }

    /// Puts one frame of `frame` samples (of the codec's clock) at the beginning of `scratch`; silence while not `playing`.
    pub fn pull(&mut self, now: u64, frame: usize, playing: bool, scratch: &mut [i16; SCRATCH]) {
        if playing {
            let (out, room) = scratch.split_at_mut(LONGEST);
            self.playout.pull(now, &mut out[..frame], room);
            self.level.note(&scratch[..frame]);
        } else {
            scratch[..frame].fill(0);
        }
    }

    /// Plays the frame in `scratch` to the device, and with it what is meant for the agent alone.
    pub fn play(
        &mut self,
        frame: usize,
        scratch: &mut [i16; SCRATCH],
        sink: &mut Sink,
        tap: Option<&mut Tap>,
        patch: &mut Patch,
    ) {
        if let Some(tap) = tap {
            tap.beep(Side::Customer, &mut scratch[..frame]);
            tap.note(Side::Customer, &scratch[..frame]);
        }
        patch.agent_ear(self.negotiated.codec.kind.rate(), &mut scratch[..frame]);
        if sink.is_null() {
            return;
        }
        let (pcm, rest) = scratch.split_at_mut(frame);
        match &mut self.resampler {
            Resampler::Same => sink.write(pcm),
            other => {
                let out = &mut rest[..frame * sink.rate() as usize / self.negotiated.codec.kind.rate() as usize];
                other.process(pcm, out);
                sink.write(out);
            }
        }
    }

    /// Tells the digit whose ends were lost.
    pub fn idle(&mut self, now: u64, tell: &mut impl FnMut(MediaEvent)) {
        self.events.idle(now, |digit, duration_ms| tell(MediaEvent::Dtmf { digit, duration_ms }));
    }

    /// What plays, for its figures.
    pub fn playout(&self) -> &Playout {
        &self.playout
    }
}

fn resampler(from: u32, to: u32) -> Result<Resampler, String> {
    Resampler::new(from, to).ok_or_else(|| format!("cannot turn {from} Hz into {to} Hz"))
}
