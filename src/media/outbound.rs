//! The half of a session that speaks: sound to packets.

use crate::audio::Source;
use crate::sdp::{CodecKind, Negotiated};
use crate::ua::media::MediaEvent;

use super::codec::{Effort, Encoder};
use super::inbound::SCRATCH;
use super::level::{Level, Microphone};
use super::mixer::{Member, Mix};
use super::patch::Patch;
use super::recorder::{Side, Tap};
use super::resample::Resampler;
use super::rtcp::Sent;
use super::rtp::{self, HEADER, Header};
use super::telephone_event::Sending;
use super::tones::Tones;

/// Room for a packet.
pub const PACKET: usize = 1_500;

/// Opus says by a payload as short as this that it need not be sent.
const SILENT: usize = 2;

/// Where a stream begins, drawn from the OS (RFC 3550 §5.1).
#[derive(Debug, Clone, Copy)]
pub struct Start {
    /// SSRC.
    pub ssrc: u32,
    /// First sequence number.
    pub seq: u16,
    /// First timestamp.
    pub timestamp: u32,
    /// For the intervals of RTCP.
    pub chance: u64,
}

impl Start {
    /// The CNAME of the session that begins so.
    pub fn cname(&self) -> String {
        format!("{:016x}", self.chance.rotate_left(17) ^ 0x5bd1_e995_9d1b_54a5)
    }
}

/// What goes out.
pub struct Outbound {
    negotiated: Negotiated,
    encoder: Encoder,
    resampler: Resampler,
    ssrc: u32,
    seq: u16,
    /// Of the next sample from the microphone.
    timestamp: u32,
    /// Sound that waits for its packet to be full.
    frame: Vec<i16>,
    event: Option<Sending>,
    tones: Option<Tones>,
    /// The next packet of sound is the first one after a pause.
    marker: bool,
    /// Silence in place of the microphone.
    pub muted: bool,
    /// Loudness of what was sent.
    pub level: Level,
    /// What a real microphone gives, muted or not.
    pub microphone: Microphone,
    /// Packets with sound.
    pub packets: u64,
    all_packets: u32,
    octets: u32,
    reported: u32,
}

impl Outbound {
    /// For what was negotiated. Fails when the codec has no memory, or the device an odd rate.
    pub fn new(negotiated: &Negotiated, start: Start, source_rate: u32, bitrate: u32) -> Result<Self, String> {
        let codec = &negotiated.codec;
        let mut encoder = Encoder::new(codec.kind, codec.max_bitrate.unwrap_or(bitrate).min(bitrate))?;
        encoder.leave_out_silence(codec.dtx);
        Ok(Outbound {
            encoder,
            resampler: resampler(source_rate, codec.kind.rate())?,
            ssrc: start.ssrc,
            seq: start.seq,
            timestamp: start.timestamp,
            frame: Vec::with_capacity(ms(codec.kind.rate(), ptime(negotiated))),
            event: None,
            tones: None,
            marker: true,
            muted: false,
            level: Level::new(codec.kind.rate()),
            microphone: Microphone::new(source_rate),
            packets: 0,
            all_packets: 0,
            octets: 0,
            reported: 0,
            negotiated: negotiated.clone(),
        })
    }

    /// Another description: sequence numbers, timestamps and figures go on.
    pub fn renew(&mut self, negotiated: &Negotiated, source_rate: u32, bitrate: u32) -> Result<(), String> {
        if negotiated.codec != self.negotiated.codec {
            let start = Start { ssrc: 0, seq: 0, timestamp: 0, chance: 0 };
            let new = Outbound::new(negotiated, start, source_rate, bitrate)?;
            (self.encoder, self.resampler, self.level) = (new.encoder, new.resampler, new.level);
            self.marker = true;
            if let Some(tones) = &mut self.tones {
                tones.set_rate(negotiated.codec.kind.rate());
            }
        }
        self.frame.clear();
        self.negotiated = negotiated.clone();
        Ok(())
    }

    /// Another microphone.
    pub fn set_rate(&mut self, source_rate: u32) -> Result<(), String> {
        self.resampler = resampler(source_rate, self.negotiated.codec.kind.rate())?;
        self.microphone = Microphone::new(source_rate);
        Ok(())
    }

    /// Begins to sound a digit; false when one is under way.
    pub fn begin_tones(&mut self, digit: char, duration_ms: u32) -> bool {
        if self.event.is_some() || self.tones.is_some() {
            return false;
        }
        self.tones = Tones::new(digit, duration_ms, self.negotiated.codec.kind.rate());
        self.tones.is_some()
    }

    /// Begins an event; false when the peer has none, or one is under way.
    pub fn begin_event(&mut self, digit: char, duration_ms: u32) -> bool {
        let free = self.event.is_none() && self.tones.is_none();
        let Some(dtmf) = self.negotiated.dtmf.filter(|_| free) else { return false };
        self.event = Sending::new(digit, duration_ms, self.timestamp, dtmf.clock);
        self.event.is_some()
    }

    /// No part of 20 ms waits for its rest.
    pub fn is_even(&self) -> bool {
        self.frame.len().is_multiple_of(ms(self.negotiated.codec.kind.rate(), 20))
    }

    /// Takes `step_ms` of sound from the microphone, through `scratch`, adds that of the `others` in a conference, and hands the
    /// packets that are full to `send`. `sending` false: none are, but the clock runs. `patch` is what else comes in.
    #[allow(clippy::too_many_arguments, reason = "one tick of one session: each is a different worker's part")]
    pub fn step(
        &mut self,
        step_ms: u32,
        sending: bool,
        source: &mut Source,
        scratch: &mut [i16; SCRATCH],
        packet: &mut [u8; PACKET],
        send: &mut impl FnMut(&[u8]),
        tell: &mut impl FnMut(MediaEvent),
        mut tap: Option<&mut Tap>,
        others: Option<(&mut Member, &Mix)>,
        patch: &mut Patch,
    ) {
        let len = ms(self.negotiated.codec.kind.rate(), step_ms);
        let (pcm, rest) = scratch.split_at_mut(len);
        let raw = &mut rest[..self.resampler.needed(len)];
        let given: &[i16] = match &mut self.resampler {
            Resampler::Same => {
                source.read(pcm);
                pcm
            }
            other => {
                source.read(raw);
                other.process(raw, pcm);
                raw
            }
        };
        if source.is_device() {
            match source.raw() {
                Some((dbov, clipped_pct)) => self.microphone.set(dbov, clipped_pct),
                None => self.microphone.note(given),
            }
        }
        if self.muted {
            pcm.fill(0);
        }
        let music = patch.agent_mouth(self.negotiated.codec.kind.rate(), pcm);
        if let Some((member, mix)) = others.filter(|_| !music) {
            member.add_others(mix, pcm);
        }
        patch.customer_ear(self.negotiated.codec.kind.rate(), sending, pcm);
        if let Some(tap) = &mut tap {
            // no digit is in a recording, whatever it goes out as: this side is silent meanwhile
            if sending && self.event.is_none() && self.tones.is_none() {
                tap.beep(Side::Agent, pcm);
                tap.note(Side::Agent, pcm);
            } else {
                tap.silence(Side::Agent);
            }
        }
        if let Some(tones) = self.tones.as_mut().filter(|_| sending)
            && tones.next(pcm)
        {
            tell(MediaEvent::DtmfSent { digit: tones.digit() });
            self.tones = None;
        }
        if !sending {
            self.frame.clear();
            self.marker = true;
        } else if self.event.is_some() {
            self.frame.clear();
            self.send_event(step_ms, packet, send, tell);
        } else {
            self.level.note(pcm);
            self.frame.extend_from_slice(pcm);
            if self.frame.len() >= ms(self.negotiated.codec.kind.rate(), ptime(&self.negotiated)) {
                self.send_sound(len, packet, send);
            }
        }
        self.timestamp = self.timestamp.wrapping_add(self.units(len));
    }

    /// Time that was missed: the timestamp follows the clock all the same.
    pub fn skip(&mut self, skipped_ms: u32) {
        self.frame.clear();
        self.timestamp = self.timestamp.wrapping_add(self.negotiated.codec.kind.clock() / 1_000 * skipped_ms);
    }

    /// The loss that the peer tells of, and how hard to work.
    pub fn adapt(&mut self, loss_percent: u8, effort: Effort) {
        self.encoder.expect_loss(if self.negotiated.codec.fec { loss_percent } else { 0 });
        self.encoder.set_effort(effort);
    }

    /// For a sender report; none when nothing was sent since the last one.
    pub fn sent(&mut self) -> Option<Sent> {
        let new = std::mem::replace(&mut self.reported, self.all_packets) != self.all_packets;
        new.then_some(Sent { timestamp: self.timestamp, packets: self.all_packets, octets: self.octets })
    }

    /// So many samples in units of the RTP clock.
    fn units(&self, samples: usize) -> u32 {
        let kind = self.negotiated.codec.kind;
        samples as u32 / (kind.rate() / kind.clock())
    }

    fn send_sound(&mut self, step: usize, packet: &mut [u8; PACKET], send: &mut impl FnMut(&[u8])) {
        let payload = self.encoder.encode(&self.frame, &mut packet[HEADER..]);
        let timestamp = self.timestamp.wrapping_add(self.units(step)).wrapping_sub(self.units(self.frame.len()));
        self.frame.clear();
        if payload == 0 {
            return;
        }
        if self.negotiated.codec.dtx && payload <= SILENT {
            self.marker = true; // of what is said next (RFC 3551 §4.1)
            return;
        }
        let (marker, payload_type) = (std::mem::take(&mut self.marker), self.negotiated.codec.send_pt);
        self.packets += 1;
        self.send(marker, payload_type, timestamp, payload, packet, send);
    }

    fn send_event(
        &mut self,
        step_ms: u32,
        packet: &mut [u8; PACKET],
        send: &mut impl FnMut(&[u8]),
        tell: &mut impl FnMut(MediaEvent),
    ) {
        let (Some(event), Some(dtmf)) = (&mut self.event, self.negotiated.dtmf) else {
            if let Some(event) = self.event.take() {
                tell(MediaEvent::DtmfSent { digit: event.digit() }); // the peer has no events any more
            }
            return;
        };
        let next = event.next(ms(dtmf.clock, step_ms) as u32);
        let (timestamp, digit) = (event.timestamp(), event.digit());
        packet[HEADER..HEADER + 4].copy_from_slice(&next.payload);
        if next.last {
            self.event = None;
            tell(MediaEvent::DtmfSent { digit });
        }
        self.send(next.marker, dtmf.send_pt, timestamp, 4, packet, send);
    }

    fn send(
        &mut self,
        marker: bool,
        payload_type: u8,
        timestamp: u32,
        payload: usize,
        packet: &mut [u8; PACKET],
        send: &mut impl FnMut(&[u8]),
    ) {
        let header = Header { marker, payload_type, seq: self.seq, timestamp, ssrc: self.ssrc };
        if let Some(room) = packet.first_chunk_mut::<HEADER>() {
            rtp::write(&header, room);
        }
        self.seq = self.seq.wrapping_add(1);
        self.all_packets = self.all_packets.wrapping_add(1);
        self.octets = self.octets.wrapping_add(payload as u32);
        send(&packet[..HEADER + payload]);
    }
}

/// The length of our packets, ms: what was negotiated, where the codec and the grid can do it.
pub fn ptime(negotiated: &Negotiated) -> u32 {
    match (negotiated.codec.kind, negotiated.ptime) {
        (CodecKind::Opus, ms @ (10 | 20 | 40 | 60)) => ms,
        (CodecKind::Pcmu | CodecKind::Pcma | CodecKind::G722 | CodecKind::G729, ms @ (10 | 20 | 30 | 40 | 50 | 60)) => {
            ms
        }
        _ => 20,
    }
}

fn ms(rate: u32, ms: u32) -> usize {
    (rate / 1_000 * ms) as usize
}

fn resampler(from: u32, to: u32) -> Result<Resampler, String> {
    Resampler::new(from, to).ok_or_else(|| format!("cannot turn {from} Hz into {to} Hz"))
}
