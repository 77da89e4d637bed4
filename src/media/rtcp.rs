//! The control half of a stream: sender and receiver reports, CNAME, BYE (RFC 3550 §6); what the peer's reports tell. Pure.

use rtc_rtcp::goodbye::Goodbye;
use rtc_rtcp::packet::{Packet, marshal, unmarshal};
use rtc_rtcp::receiver_report::ReceiverReport;
use rtc_rtcp::reception_report::ReceptionReport;
use rtc_rtcp::sender_report::SenderReport;
use rtc_rtcp::source_description::{SdesType, SourceDescription, SourceDescriptionChunk, SourceDescriptionItem};

use super::reception::Block;

/// Mean interval of reports; each is drawn from half to one and a half of it, µs.
const INTERVAL_US: u64 = 5_000_000;
/// The first report comes this soon: the peer learns what it needs for its round trip.
const FIRST_US: u64 = 500_000;
/// News of loss does not wait longer than this after a report.
const URGENT_US: u64 = 1_000_000;
/// Reports without loss after which the peer's line is clean again.
const CLEAN_REPORTS: u8 = 4;

/// What we have sent, for a sender report.
#[derive(Debug, Clone, Copy)]
pub struct Sent {
    /// RTP timestamp of now.
    pub timestamp: u32,
    /// Packets.
    pub packets: u32,
    /// Octets of payload.
    pub octets: u32,
}

/// One session's RTCP.
#[derive(Debug)]
pub struct Control {
    ssrc: u32,
    cname: Vec<u8>,
    chance: u64,
    last_at: u64,
    due_at: u64,
    reports: u64,
    /// The middle 32 bits of the peer's last sender report's time, and when it came.
    heard: Option<(u32, u64)>,
    first_seq: u16,
    /// The peer's stream that the reports are about, once it is known: others may share its transport.
    pub peer: Option<u32>,
    /// RTT in ms, by the last report.
    pub rtt_ms: Option<f64>,
    /// Of what we sent, lost by the peer's last report, 0–1.
    pub lost_ratio: f64,
    /// The peer's jitter reports in ms: greatest, sum, count.
    pub jitter: (f64, f64, u64),
    /// The loss that our encoder should be ready for, percent.
    pub loss_percent: u8,
    clean: u8,
    /// Reports of the peer.
    pub heard_reports: u64,
    /// Packets of ours that the newest one counts.
    pub counted: u64,
    /// Since when we send and they count no packet more, µs; and the reports since then.
    pub uncounted: (u64, u32),
}

impl Control {
    /// `chance` seeds the intervals (RFC 3550 §6.2 wants them to differ between parties).
    pub fn new(now: u64, ssrc: u32, first_seq: u16, cname: String, chance: u64) -> Self {
        Control {
            ssrc,
            cname: cname.into_bytes(),
            chance,
            last_at: now,
            due_at: now + FIRST_US,
            reports: 0,
            heard: None,
            first_seq,
            peer: None,
            rtt_ms: None,
            lost_ratio: 0.0,
            jitter: (0.0, 0.0, 0),
            loss_percent: 0,
            clean: 0,
            heard_reports: 0,
            counted: 0,
            uncounted: (now, 0),
        }
    }

    /// That of another stream of ours to the same peer: one CNAME tells that they belong together.
    pub fn beside(&self, now: u64, ssrc: u32, first_seq: u16, chance: u64) -> Self {
        let cname = String::from_utf8_lossy(&self.cname).into_owned();
        Control::new(now, ssrc, first_seq, cname, chance)
    }

    /// A report is due; sooner when there is loss to tell of.
    pub fn due(&self, now: u64, loss: bool) -> bool {
        now >= self.due_at || (loss && now >= self.last_at + URGENT_US)
    }

    /// Our report: `sent` when we have sent since the last one, `block` with the peer's SSRC when we have received. `ntp` is now in NTP's
    /// 32.32 format.
    pub fn report(
        &mut self,
        now: u64,
        ntp: u64,
        sent: Option<Sent>,
        block: Option<(u32, Block)>,
        bye: bool,
    ) -> Vec<u8> {
        self.chance = self.chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.last_at = now;
        self.reports += 1;
        // the second one comes soon too: it closes the loop of the first round trip
        self.due_at =
            now + if self.reports == 1 { URGENT_US } else { INTERVAL_US / 2 + (self.chance >> 33) % INTERVAL_US };
        let reports: Vec<ReceptionReport> =
            block.map(|(ssrc, block)| self.block(now, ssrc, block)).into_iter().collect();
        let first: Box<dyn Packet> = match sent {
            Some(sent) => Box::new(SenderReport {
                ssrc: self.ssrc,
                ntp_time: ntp,
                rtp_time: sent.timestamp,
                packet_count: sent.packets,
                octet_count: sent.octets,
                reports,
                ..Default::default()
            }),
            None => Box::new(ReceiverReport { ssrc: self.ssrc, reports, ..Default::default() }),
        };
        let item = SourceDescriptionItem { sdes_type: SdesType::SdesCname, text: self.cname.clone().into() };
        let chunk = SourceDescriptionChunk { source: self.ssrc, items: vec![item] };
        let mut packets = vec![first, Box::new(SourceDescription { chunks: vec![chunk] }) as Box<dyn Packet>];
        if bye {
            packets.push(Box::new(Goodbye { sources: vec![self.ssrc], ..Default::default() }));
        }
        marshal(&packets).map(|b| b.to_vec()).unwrap_or_default()
    }

    /// The peer's report came at `at` (µs), which is `ntp` in NTP's format; `clock` is that of the stream we send.
    pub fn receive(&mut self, at: u64, ntp: u64, clock: u32, mut bytes: &[u8]) {
        let Ok(packets) = unmarshal(&mut bytes) else { return };
        for packet in &packets {
            if let Some(report) = packet.as_any().downcast_ref::<SenderReport>() {
                let peers = self.peer.is_none_or(|peer| peer == report.ssrc);
                if peers {
                    self.heard = Some(((report.ntp_time >> 16) as u32, at));
                }
                self.count(at, peers, &report.reports);
                self.read(ntp, clock, &report.reports);
            } else if let Some(report) = packet.as_any().downcast_ref::<ReceiverReport>() {
                self.count(at, self.peer.is_none_or(|peer| peer == report.ssrc), &report.reports);
                self.read(ntp, clock, &report.reports);
            }
        }
    }

    /// We send nothing: there is nothing to be counted.
    pub fn rests(&mut self, now: u64) {
        self.uncounted = (now, 0);
    }

    /// What a report says of our packets. One of the peer's that says nothing has heard none since its last (RFC 3550 §6.4).
    fn count(&mut self, at: u64, peers: bool, reports: &[ReceptionReport]) {
        let ours = reports.iter().find(|report| report.ssrc == self.ssrc);
        if ours.is_none() && !peers {
            return;
        }
        self.heard_reports += 1;
        self.uncounted.1 += 1;
        let Some(report) = ours else { return };
        let expected = report.last_sequence_number.wrapping_sub(u32::from(self.first_seq)).wrapping_add(1);
        let counted = u64::from(expected.saturating_sub(lost(report)));
        if counted > self.counted {
            self.uncounted = (at, 0);
        }
        self.counted = counted;
    }

    fn block(&self, now: u64, ssrc: u32, block: Block) -> ReceptionReport {
        let (last_sender_report, delay) = match self.heard {
            Some((middle, at)) => (middle, (now.saturating_sub(at) * 65_536 / 1_000_000) as u32),
            None => (0, 0),
        };
        ReceptionReport {
            ssrc,
            fraction_lost: block.fraction_lost,
            total_lost: block.total_lost,
            last_sequence_number: block.highest,
            jitter: block.jitter,
            last_sender_report,
            delay,
        }
    }

    fn read(&mut self, ntp: u64, clock: u32, reports: &[ReceptionReport]) {
        let Some(report) = reports.iter().find(|r| r.ssrc == self.ssrc) else { return };
        if report.last_sender_report != 0 {
            let trip = ((ntp >> 16) as u32).wrapping_sub(report.last_sender_report).wrapping_sub(report.delay) as i32;
            if (0..60 * 65_536).contains(&trip) {
                self.rtt_ms = Some(f64::from(trip) * 1_000.0 / 65_536.0);
            }
        }
        let first = u32::from(self.first_seq);
        let expected = report.last_sequence_number.wrapping_sub(first).wrapping_add(1).max(1);
        self.lost_ratio = (f64::from(lost(report)) / f64::from(expected)).min(1.0);
        let jitter = f64::from(report.jitter) * 1_000.0 / f64::from(clock);
        self.jitter = (self.jitter.0.max(jitter), self.jitter.1 + jitter, self.jitter.2 + 1);
        let percent = (u32::from(report.fraction_lost) * 100).div_ceil(256) as u8;
        self.clean = if percent > 0 { 0 } else { self.clean.saturating_add(1) };
        self.loss_percent = match (self.loss_percent, percent) {
            (before, 0) if self.clean < CLEAN_REPORTS => before,
            (0, _) | (_, 0) => percent,
            // a report counts some 50 packets, which is little to go by
            (before, _) => ((3 * u32::from(before) + u32::from(percent)).div_ceil(4)) as u8,
        };
    }
}

/// Packets lost since the beginning: a number of 24 bits with a sign.
fn lost(report: &ReceptionReport) -> u32 {
    if report.total_lost & 0x80_0000 != 0 { 0 } else { report.total_lost }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NTP: u64 = 0x1234_5678_9abc_def0;

    fn micros(us: u64) -> u64 {
        us * (1 << 32) / 1_000_000
    }

    #[test]
    fn the_round_trip_by_reports() {
        let mut a = Control::new(0, 1, 100, "a".into(), 1);
        let mut b = Control::new(0, 2, 0, "b".into(), 2);
        let sent = Some(Sent { timestamp: 5, packets: 6, octets: 7 });
        let report = a.report(1_000_000, NTP, sent, None, false);
        b.receive(1_030_000, NTP, 8_000, &report);
        let block = Block { fraction_lost: 26, total_lost: 10, highest: 199, jitter: 80 };
        let report = b.report(1_530_000, NTP, None, Some((1, block)), false);
        a.receive(1_560_000, NTP + micros(560_000), 8_000, &report);
        assert!((a.rtt_ms.unwrap() - 60.0).abs() < 0.1, "{:?}", a.rtt_ms);
        assert_eq!((a.lost_ratio, a.loss_percent, a.jitter), (0.1, 11, (10.0, 10.0, 1)));
    }

    #[test]
    fn what_their_reports_count() {
        let (mut a, mut b) = (Control::new(0, 1, 100, "a".into(), 1), Control::new(0, 2, 0, "b".into(), 2));
        let block = |highest| Some((1, Block { fraction_lost: 0, total_lost: 10, highest, jitter: 0 }));
        let mut hear = |at, block| {
            let report = b.report(at, NTP, None, block, false);
            a.receive(at, NTP, 8_000, &report);
            (a.heard_reports, a.counted, a.uncounted)
        };
        assert_eq!(hear(1_000_000, block(199)), (1, 90, (1_000_000, 0)));
        assert_eq!(hear(6_000_000, block(199)), (2, 90, (1_000_000, 1)), "not one more");
        assert_eq!(hear(11_000_000, None), (3, 90, (1_000_000, 2)), "who heard nothing says nothing of it");
        assert_eq!(hear(16_000_000, block(299)), (4, 190, (16_000_000, 0)));
        a.rests(20_000_000);
        assert_eq!(a.uncounted, (20_000_000, 0));
        a.peer = Some(3);
        let report = b.report(0, NTP, None, None, false);
        a.receive(0, NTP, 8_000, &report);
        assert_eq!(a.heard_reports, 4, "another stream's report");
    }

    #[test]
    fn the_hint_for_the_encoder_does_not_jump() {
        let mut control = Control::new(0, 1, 0, "a".into(), 1);
        let mut hear = |fraction_lost: u8| {
            let report = ReceptionReport {
                ssrc: 1,
                fraction_lost,
                total_lost: 0,
                last_sequence_number: 0,
                last_sender_report: 0,
                delay: 0,
                jitter: 0,
            };
            control.read(NTP, 48_000, &[report]);
            control.loss_percent
        };
        let hints = [0, 13, 13, 0, 26, 0, 0, 0].map(&mut hear);
        assert_eq!(hints, [0, 6, 6, 6, 8, 8, 8, 8]);
        assert_eq!([0, 0, 3].map(hear), [0, 0, 2], "clean again after four reports");
    }

    #[test]
    fn the_interval_is_random_and_loss_is_urgent() {
        let mut a = Control::new(0, 1, 0, "a".into(), 1);
        assert!(!a.due(FIRST_US - 1, true) && a.due(FIRST_US, false));
        a.report(0, NTP, None, None, false);
        assert!(!a.due(URGENT_US - 1, false) && a.due(URGENT_US, false));
        for _ in 0..100 {
            a.report(0, NTP, None, None, true);
            assert!(!a.due(2_499_999, false) && a.due(7_500_000, false));
            assert!(a.due(URGENT_US, true));
        }
    }

    #[test]
    fn rubbish_is_ignored() {
        let mut a = Control::new(0, 1, 0, "a".into(), 1);
        let good = a.report(0, NTP, Some(Sent { timestamp: 0, packets: 0, octets: 0 }), None, true);
        for cut in 0..good.len() {
            a.receive(0, NTP, 8_000, &good[..cut]);
        }
        a.receive(0, NTP, 8_000, &[0xff; 200]);
        assert_eq!(a.rtt_ms, None);
    }
}
