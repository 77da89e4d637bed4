//! The half of a session that hears: packets to sound.

use crate::audio::Sink;
use crate::sdp::Negotiated;
use crate::ua::media::MediaEvent;

use super::codec::{self, Decoder, LONGEST};
use super::jitter::{Arrival, Jitter, Pull, Pushed};
use super::level::Level;
use super::reception::{Reception, Seen};
use super::recorder::{Side, Tap};
use super::resample::Resampler;
use super::rtp::Header;
use super::telephone_event::Receiving;

/// Another SSRC is believed once the one before was silent for this long, µs.
const HANDOVER_US: u64 = 60_000;
/// A frame below this is next to silence, dBov.
const QUIET: f64 = -50.0;

/// Room for what one pull can give beside the rest of the one before, and for a resampled frame.
pub const SCRATCH: usize = 2 * LONGEST;

/// What came in, and what became of it.
pub struct Inbound {
    negotiated: Negotiated,
    decoder: Decoder,
    events: Receiving,
    jitter: Jitter,
    /// Decoded and not yet played.
    rest: Vec<i16>,
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
    /// Sound played, ms.
    pub played_ms: f64,
    /// Of it, made up.
    pub concealed_ms: f64,
}

impl Inbound {
    /// For what was negotiated. Fails when the codec has no memory, or the device an odd rate.
    pub fn new(negotiated: &Negotiated, sink_rate: u32) -> Result<Self, String> {
        let clock = negotiated.codec.kind.clock();
        Ok(Inbound {
            decoder: Decoder::new(negotiated.codec.kind)?,
            events: Receiving::default(),
            jitter: Jitter::new(clock),
            rest: Vec::new(),
            resampler: resampler(clock, sink_rate)?,
            reception: Reception::new(clock),
            level: Level::new(clock),
            ssrc: None,
            last_at: 0,
            packets: 0,
            played_ms: 0.0,
            concealed_ms: 0.0,
            negotiated: negotiated.clone(),
        })
    }

    /// Another description: the same stream as far as it can be, figures go on.
    pub fn renew(&mut self, negotiated: &Negotiated, sink_rate: u32) -> Result<(), String> {
        if negotiated.codec.kind != self.negotiated.codec.kind {
            let new = Inbound::new(negotiated, sink_rate)?;
            (self.decoder, self.jitter, self.resampler, self.level) =
                (new.decoder, new.jitter, new.resampler, new.level);
            self.reception.begin(negotiated.codec.kind.clock());
            self.rest.clear();
        }
        if negotiated.dtmf != self.negotiated.dtmf {
            self.events = Receiving::default();
        }
        self.negotiated = negotiated.clone();
        Ok(())
    }

    /// Another loudspeaker.
    pub fn set_rate(&mut self, sink_rate: u32) -> Result<(), String> {
        self.resampler = resampler(self.negotiated.codec.kind.clock(), sink_rate)?;
        Ok(())
    }

    /// Playing begins again after a hold: nothing from before it.
    pub fn resume(&mut self) {
        self.jitter.reset();
        self.rest.clear();
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
                self.jitter.reset();
                self.events = Receiving::default();
            }
            None => tell(MediaEvent::Started { ssrc: header.ssrc }),
        }
        self.ssrc = Some(header.ssrc);
        match self.reception.note(header.seq) {
            Seen::Valid => {}
            Seen::Doubtful => return,
            Seen::Restart => self.jitter.reset(),
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
        if playing {
            let pushed = self.jitter.push(arrival, if arrival.samples > 0 { payload } else { &[] });
            if pushed == Pushed::Late {
                tracing::trace!(seq = header.seq, "late");
            }
        }
    }

    /// Puts one frame of `frame` samples (of the codec's clock) at the beginning of `scratch`; silence while not `playing`.
    pub fn pull(&mut self, now: u64, frame: usize, playing: bool, scratch: &mut [i16; SCRATCH]) {
        if playing {
            self.fill(now, frame, scratch);
            self.level.note(&scratch[..frame]);
            self.played_ms += self.ms(frame);
        } else {
            scratch[..frame].fill(0);
        }
    }

    /// Plays the frame in `scratch` to the device.
    pub fn play(&mut self, frame: usize, scratch: &mut [i16; SCRATCH], sink: &mut Sink, tap: Option<&mut Tap>) {
        if let Some(tap) = tap {
            tap.beep(Side::Customer, &mut scratch[..frame]);
            tap.note(Side::Customer, &scratch[..frame]);
        }
        if sink.is_null() {
            return;
        }
        let (pcm, rest) = scratch.split_at_mut(frame);
        match &mut self.resampler {
            Resampler::Same => sink.write(pcm),
            other => {
                let out = &mut rest[..frame * sink.rate() as usize / self.negotiated.codec.kind.clock() as usize];
                other.process(pcm, out);
                sink.write(out);
            }
        }
    }

    /// Tells the digit whose ends were lost.
    pub fn idle(&mut self, now: u64, tell: &mut impl FnMut(MediaEvent)) {
        self.events.idle(now, |digit, duration_ms| tell(MediaEvent::Dtmf { digit, duration_ms }));
    }

    /// The jitter buffer, for its figures.
    pub fn jitter(&self) -> &Jitter {
        &self.jitter
    }

    fn fill(&mut self, now: u64, frame: usize, scratch: &mut [i16; SCRATCH]) {
        let mut have = self.rest.len();
        scratch[..have].copy_from_slice(&self.rest);
        self.rest.clear();
        let mut quiet = self.level.frame_dbov() < QUIET;
        while have < frame {
            let (pull, len) = self.jitter.pull(now, quiet);
            let out = &mut scratch[have..];
            let len = (len as usize).min(LONGEST);
            let (got, made_up) = match pull {
                Pull::Packet(payload) => (self.decoder.decode(payload, out), false),
                Pull::Skip(payload) => {
                    self.decoder.decode(payload, out);
                    quiet = false;
                    continue;
                }
                Pull::Fec(next) => {
                    self.decoder.recover(next, &mut out[..len]);
                    (len, false)
                }
                Pull::Conceal => {
                    self.decoder.conceal(&mut out[..len]);
                    (len, true)
                }
                Pull::Silence => {
                    out[..len].fill(0);
                    (len, false)
                }
            };
            let got = if got == 0 {
                self.decoder.conceal(&mut out[..len]);
                len
            } else {
                got
            };
            if made_up {
                self.concealed_ms += got as f64 * 1_000.0 / f64::from(self.negotiated.codec.kind.clock());
            }
            have += got;
            quiet = false; // one change of the delay a frame is enough
        }
        self.rest.extend_from_slice(&scratch[frame..have]);
    }

    fn ms(&self, samples: usize) -> f64 {
        samples as f64 * 1_000.0 / f64::from(self.negotiated.codec.kind.clock())
    }
}

fn resampler(from: u32, to: u32) -> Result<Resampler, String> {
    Resampler::new(from, to).ok_or_else(|| format!("cannot turn {from} Hz into {to} Hz"))
}
