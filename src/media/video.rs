//! A session's video: passed through, never decoded. What comes goes to the sink, what the source has goes out on the same path as the
//! audio; requests for key frames pass both ways.

use std::net::SocketAddr;

use crate::sdp::{Direction, VIDEO_CLOCK, Video, VideoCodec};
use crate::ua::io::SessionId;
use crate::ua::media::{MediaEvent, VideoEvent, VideoStats};

use super::clock;
use super::ivf::Ivf;
use super::outbound::{PACKET, Start};
use super::reception::{Reception, Seen};
use super::rtcp::{Control, Sent};
use super::rtp::{self, HEADER, Header};
use super::session::Loan;
use super::transport::Transport;
use super::video_ends::{Rewriter, Sink, Source, VideoEnds, drain, keep, pli, requests};
use super::vp8::{self, Assembler};

/// What a packet of ours may be long, before SRTP.
const LENGTH: usize = 1_200;
/// Packets of a file that one step sends: a key frame is spread over several steps.
const BURST: usize = 24;
/// A source that is further behind its clock begins to count anew, µs.
const BEHIND_US: u64 = 1_000_000;
/// Between two requests for a key frame, either way, µs.
const ASK_US: u64 = 1_000_000;
const ASKED_US: u64 = 500_000;
/// Between two looks at what was lost, µs.
const LOOK_US: u64 = 200_000;
/// Another SSRC of the peer's is believed once the one before was silent for this long, µs.
const HANDOVER_US: u64 = 60_000;
/// The payload types towards a port, whatever was agreed on with the peer: one description does for every call.
const SHOWN: [(VideoCodec, u8); 2] = [(VideoCodec::Vp8, 96), (VideoCodec::H264, 97)];

/// The video of one session. It keeps its SSRC and its numbers when video goes and comes back: no packet is ever encrypted like another.
pub struct VideoLeg {
    terms: Option<Video>,
    ends: VideoEnds,
    ssrc: u32,
    control: Control,
    stats: VideoStats,
    // what goes out
    out: Rewriter,
    epoch: (u64, u32),
    file: Option<Playing>,
    asked_at: u64,
    packets: u32,
    octets: u32,
    reported: u32,
    // what comes in
    theirs: Option<u32>,
    last_at: u64,
    told: bool,
    seeing: bool,
    reception: Reception,
    assembler: Assembler,
    shown: Rewriter,
    /// Nothing can be shown before a key frame.
    needs_key: bool,
    ask_at: u64,
    /// What was lost when it was looked at last, and when to look again, µs: what only came out of order is not lost.
    lost: u64,
    look_at: u64,
}

/// How far a file is.
#[derive(Debug, Clone, Copy)]
struct Playing {
    frame: usize,
    /// What of the frame is sent, and its time.
    sent: usize,
    timestamp: u32,
    /// When the file's beginning was, or would have been, µs.
    begun: u64,
}

impl VideoLeg {
    /// Without ends yet.
    pub fn new(now: u64, start: Start, control: Control) -> Self {
        VideoLeg {
            terms: None,
            ends: VideoEnds::default(),
            ssrc: start.ssrc,
            control,
            stats: VideoStats::default(),
            out: Rewriter::new(now, start.seq, start.timestamp),
            epoch: (now, start.timestamp),
            file: None,
            asked_at: 0,
            packets: 0,
            octets: 0,
            reported: 0,
            theirs: None,
            last_at: 0,
            told: false,
            seeing: false,
            reception: Reception::new(VIDEO_CLOCK),
            assembler: Assembler::default(),
            shown: Rewriter::new(now, start.seq, start.timestamp),
            needs_key: true,
            ask_at: 0,
            lost: 0,
            look_at: 0,
        }
    }

    /// Its ends are open.
    pub fn open(&mut self, ends: VideoEnds) {
        self.ends = ends;
    }

    /// What was negotiated; none: its ends are closed.
    pub fn renew(&mut self, terms: Option<&Video>) {
        if terms.is_none() {
            self.ends = VideoEnds::default();
            (self.file, self.told, self.seeing) = (None, false, false);
        }
        self.terms = terms.cloned();
    }

    fn direction(&self, gate: Direction) -> Direction {
        self.terms.as_ref().map_or(Direction::Inactive, |terms| terms.direction.and(gate))
    }

    /// A packet of the peer's video.
    pub fn accept(
        &mut self,
        at: u64,
        header: &Header,
        payload: &[u8],
        gate: Direction,
        tell: &mut impl FnMut(MediaEvent),
    ) {
        let seeing = self.direction(gate).recv();
        let Some(codec) = self.terms.as_ref().map(|terms| terms.codec) else { return };
        match self.theirs {
            Some(ssrc) if ssrc == header.ssrc => {}
            Some(_) if at < self.last_at + HANDOVER_US => return,
            _ => {
                self.reception.begin(VIDEO_CLOCK);
                self.begin_anew();
            }
        }
        self.theirs = Some(header.ssrc);
        match self.reception.note(header.seq) {
            Seen::Valid => {}
            Seen::Doubtful => return,
            Seen::Restart => self.begin_anew(),
        }
        self.last_at = self.last_at.max(at);
        self.stats.rx_packets += 1;
        if header.marker {
            self.reception.note_time(at, header.timestamp);
        }
        if !std::mem::replace(&mut self.told, true) {
            tell(MediaEvent::Video(VideoEvent::Started { ssrc: header.ssrc }));
        }
        if !std::mem::replace(&mut self.seeing, seeing) && seeing {
            self.shown.pause();
            self.begin_anew();
        }
        if !seeing {
            return;
        }
        if begins_key(codec, payload) {
            self.needs_key = false;
        }
        match &self.ends.sink {
            Some(Sink::Rtp(socket, to)) if payload.len() <= PACKET - HEADER => {
                let (seq, timestamp, _) = self.shown.rewrite(at, header);
                let payload_type = SHOWN.iter().find(|(known, _)| *known == codec).map_or(96, |(_, number)| *number);
                let header = Header { seq, timestamp, ssrc: self.ssrc, payload_type, ..*header };
                let mut packet = [0; PACKET];
                let _ = socket.send_to(write(&header, payload, &mut packet), to);
            }
            Some(Sink::File(_)) if codec == VideoCodec::Vp8 => self.assembler.push(at, header, payload),
            _ => {}
        }
    }

    fn begin_anew(&mut self) {
        self.assembler = Assembler::default();
        self.needs_key = true;
    }

    /// RTCP of the peer's, which may be about the audio too.
    pub fn control(&mut self, at: u64, ntp: u64, bytes: &[u8]) {
        self.control.peer = self.theirs;
        self.control.receive(at, ntp, VIDEO_CLOCK, bytes);
        if requests(bytes).any(|ssrc| ssrc == self.ssrc) {
            self.begin_key(at);
        }
    }

    /// The peer needs a key frame.
    fn begin_key(&mut self, now: u64) {
        if now < self.asked_at + ASKED_US {
            return;
        }
        self.asked_at = now;
        match &mut self.ends.source {
            Some(Source::File(ivf)) => {
                if let (Some(Ok(ivf)), Some(playing)) = (ivf.get(), &mut self.file) {
                    *playing = playing.at(ivf, ivf.nearest_key(playing.frame), now);
                }
            }
            Some(Source::Rtp(socket, Some((from, ssrc)))) => {
                // RTCP is one port above RTP (RFC 3550 §11)
                let to = SocketAddr::new(from.ip(), from.port().saturating_add(1));
                let mut bytes = vec![0x80, 201, 0, 1];
                bytes.extend(self.ssrc.to_be_bytes());
                bytes.extend(pli(self.ssrc, *ssrc));
                let _ = socket.send_to(&bytes, to);
            }
            _ => {}
        }
    }

    /// One step: sends what is due, hands on what came, asks and reports.
    pub fn step(&mut self, id: SessionId, transport: &mut Transport, gate: Direction, loan: &mut Loan) {
        if let Some(problem) = self.ends.problem.take() {
            loan.told.push((id, MediaEvent::Video(VideoEvent::Failed(problem))));
        }
        if let Some(Source::File(file)) = &self.ends.source
            && let Some(Err(reason)) = file.get()
        {
            loan.told.push((id, MediaEvent::Video(VideoEvent::Failed(reason.clone()))));
            self.ends.source = None;
        }
        let sending = self.direction(gate).send() && transport.is_ready();
        self.send(transport, sending, loan);
        if let Some(Sink::File(sink)) = &self.ends.sink {
            while let Some(frame) = self.assembler.pop(loan.now) {
                if !keep(sink, frame) {
                    self.assembler = Assembler::default();
                    self.needs_key = true;
                }
            }
        }
        if let Some(Sink::Rtp(socket, _)) = &self.ends.sink {
            let mut asked = false;
            drain(socket, &mut |_, bytes| asked |= requests(bytes).any(|ssrc| ssrc == self.ssrc));
            self.needs_key |= asked;
        }
        if loan.now >= self.look_at {
            self.look_at = loan.now + LOOK_US;
            let lost = std::mem::replace(&mut self.lost, self.reception.lost());
            self.needs_key |= self.lost > lost;
        }
        let receiving = self.direction(gate).recv() && self.ends.sink.is_some();
        let Some(theirs) = self.theirs.filter(|_| self.terms.is_some()) else {
            return self.report_if_due(transport, loan);
        };
        let pli = self.terms.as_ref().is_some_and(|terms| terms.pli);
        if self.needs_key && pli && receiving && loan.now >= self.ask_at {
            self.ask_at = loan.now + ASK_US;
            self.report(transport, Some(theirs), loan);
        }
        self.report_if_due(transport, loan);
    }

    fn send(&mut self, transport: &mut Transport, sending: bool, loan: &mut Loan) {
        let Some(terms) = &self.terms else { return };
        let number = terms.send_pt;
        match &mut self.ends.source {
            Some(Source::File(file)) if sending => {
                let Some(Ok(ivf)) = file.get() else { return };
                let playing = match &mut self.file {
                    Some(playing) => playing,
                    none => none.insert(Playing::start(loan.now)),
                };
                for _ in 0..BURST {
                    let Some((time, frame)) = ivf.frame(playing.frame) else { return };
                    let due = playing.begun + time;
                    if playing.sent == 0 {
                        if loan.now < due {
                            break;
                        }
                        if loan.now > due + BEHIND_US {
                            *playing = playing.at(ivf, ivf.nearest_key(playing.frame), loan.now);
                            continue;
                        }
                        let (begin, first) = self.epoch;
                        playing.timestamp = first.wrapping_add((due.saturating_sub(begin) * 9 / 100) as u32);
                    }
                    let payload = &mut loan.packet[HEADER..LENGTH];
                    let (length, next) = vp8::write(frame, playing.sent, payload);
                    let (marker, timestamp) = (next == frame.len(), playing.timestamp);
                    let seq = self.out.next(loan.now, timestamp);
                    let header = Header { marker, payload_type: number, seq, timestamp, ssrc: self.ssrc };
                    if let Some(room) = loan.packet.first_chunk_mut::<HEADER>() {
                        rtp::write(&header, room);
                    }
                    transport.send(&loan.packet[..HEADER + length]);
                    self.stats.tx_packets += 1;
                    self.packets = self.packets.wrapping_add(1);
                    self.octets = self.octets.wrapping_add(length as u32);
                    playing.sent = next;
                    if marker {
                        *playing = playing.next(ivf);
                    }
                }
            }
            Some(Source::File(_)) => self.file = None, // after a hold it begins with a key frame
            Some(Source::Rtp(socket, known)) => {
                let (out, stats, ssrc, now) = (&mut self.out, &mut self.stats, self.ssrc, loan.now);
                let (packets, octets) = (&mut self.packets, &mut self.octets);
                if !sending {
                    out.pause();
                }
                drain(socket, &mut |from, bytes| {
                    let Some((header, payload)) = rtp::read(bytes).filter(|(_, p)| p.len() <= PACKET - HEADER) else {
                        return;
                    };
                    *known = Some((from, header.ssrc));
                    if !sending {
                        return;
                    }
                    let (seq, timestamp, newer) = out.rewrite(now, &header);
                    if newer {
                        let header = Header { seq, timestamp, ssrc, payload_type: number, ..header };
                        transport.send(write(&header, payload, &mut loan.packet));
                        stats.tx_packets += 1;
                        *packets = packets.wrapping_add(1);
                        *octets = octets.wrapping_add(payload.len() as u32);
                    }
                });
            }
            None => {}
        }
    }

    fn report_if_due(&mut self, transport: &mut Transport, loan: &Loan) {
        let flows = self.terms.is_some() && transport.is_ready() && (self.packets != 0 || self.theirs.is_some());
        if flows && self.control.due(loan.now, self.reception.lost_since_block() > 0) {
            self.report(transport, None, loan);
        }
    }

    /// Sends our report, with a request for a key frame of that SSRC.
    fn report(&mut self, transport: &mut Transport, ask: Option<u32>, loan: &Loan) {
        let now = clock::mono_ns() / 1_000; // as for the audio: round trips are measured by it
        let new = std::mem::replace(&mut self.reported, self.packets) != self.packets;
        let sent = Sent { timestamp: self.out.time(now), packets: self.packets, octets: self.octets };
        let block = self.theirs.map(|ssrc| (ssrc, self.reception.block()));
        let mut bytes = self.control.report(now, clock::ntp(now, loan.wall_offset), new.then_some(sent), block, false);
        bytes.extend(ask.into_iter().flat_map(|theirs| pli(self.ssrc, theirs)));
        transport.send_control(&bytes);
    }

    /// All figures.
    pub fn stats(&self) -> VideoStats {
        let [_, rx_jitter_max_ms, rx_jitter_avg_ms] = self.reception.jitter_ms();
        VideoStats {
            rx_lost: self.reception.lost(),
            rx_jitter_max_ms,
            rx_jitter_avg_ms,
            tx_lost_ratio: self.control.lost_ratio,
            tx_jitter_max_ms: self.control.jitter.0,
            tx_jitter_avg_ms: self.control.jitter.1 / self.control.jitter.2.max(1) as f64,
            ..self.stats.clone()
        }
    }
}

impl Playing {
    fn start(now: u64) -> Self {
        Playing { frame: 0, sent: 0, timestamp: 0, begun: now }
    }

    /// That frame is due now.
    fn at(self, ivf: &Ivf, frame: usize, now: u64) -> Self {
        let time = ivf.frame(frame).map_or(0, |(time, _)| time);
        Playing { frame, sent: 0, begun: now.saturating_sub(time), ..self }
    }

    /// The frame after this one, the first one again after the last.
    fn next(self, ivf: &Ivf) -> Self {
        match self.frame + 1 < ivf.len() {
            true => Playing { frame: self.frame + 1, sent: 0, ..self },
            false => Playing { frame: 0, sent: 0, begun: self.begun + ivf.length_us(), ..self },
        }
    }
}

fn write<'a>(header: &Header, payload: &[u8], packet: &'a mut [u8; PACKET]) -> &'a [u8] {
    if let Some(room) = packet.first_chunk_mut::<HEADER>() {
        rtp::write(header, room);
    }
    let length = HEADER + payload.len();
    packet[HEADER..length].copy_from_slice(payload);
    &packet[..length]
}

/// The packet is the beginning of a key frame: of VP8 by its frame header, of H.264 by a sequence parameter set or an IDR slice.
fn begins_key(codec: VideoCodec, payload: &[u8]) -> bool {
    match codec {
        VideoCodec::Vp8 => vp8::read(payload).is_some_and(|(start, rest)| start && vp8::is_key(rest)),
        VideoCodec::H264 => {
            let kind = |at: usize| payload.get(at).map_or(0, |byte| byte & 0x1f);
            match kind(0) {
                24 => matches!(kind(3), 5 | 7),               // several units in one packet
                28 => kind(1) == 5 && payload[1] & 0x80 != 0, // the first piece of one
                kind => matches!(kind, 5 | 7),
            }
        }
    }
}
