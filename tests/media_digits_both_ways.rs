//! RFC 4733 digits: each is told once at the far end with its length, whatever the codec, and is not heard as sound.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test")]

mod media_support;

use media_support::{Peer, Phone, finished, negotiated, peak, undisturbed};
use phoned::media::rtp::Header;
use phoned::sdp::CodecKind;
use phoned::ua::media::{MediaCommand, MediaEvent};

fn digits(kind: CodecKind) {
    let mut phone = Phone::new();
    phone.pair(kind, ["null", "null"], ["null", "null"]);
    phone.pass(0.3);
    for (from, digits) in [(1, "59*"), (2, "#A0")] {
        for digit in digits.chars() {
            phone.tell(from, MediaCommand::Dtmf { digit, duration_ms: 100 });
            assert!(phone.wait(from, 10.0, |e| *e == MediaEvent::DtmfSent { digit }).is_some());
        }
    }
    phone.pass(0.3);
    let last = |e: &MediaEvent| matches!(e, MediaEvent::Dtmf { digit: '0', .. });
    assert!(phone.past.iter().any(|(_, e)| last(e)) || phone.wait(1, 10.0, last).is_some());
    for (to, digits) in [(2, "59*"), (1, "#A0")] {
        let told: Vec<(char, u32)> = (phone.past.iter().filter(|(who, _)| who.0 == to))
            .filter_map(|(_, e)| match e {
                MediaEvent::Dtmf { digit, duration_ms } => Some((*digit, *duration_ms)),
                _ => None,
            })
            .collect();
        assert_eq!(told, digits.chars().map(|d| (d, 100)).collect::<Vec<_>>(), "{kind:?}");
    }
    let stats = phone.report(1);
    assert_eq!((stats.rx_lost, stats.late), (0, 0), "{stats:?}");
    assert_eq!(stats.concealed_pct, 0.0, "an event is no loss: {stats:?}");
}

#[test]
fn with_pcmu() {
    undisturbed(|| digits(CodecKind::Pcmu));
}

#[test]
fn with_opus() {
    undisturbed(|| digits(CodecKind::Opus));
}

#[test]
fn an_event_on_the_wire_and_in_the_ear() {
    undisturbed(an_event);
}

fn an_event() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("heard.wav");
    let (mut phone, mut peer) = (Phone::new(), Peer::new(7));
    let local = phone.open(1, "tone:440", &format!("file:{}", path.display()));
    phone.tell(1, MediaCommand::Remote(negotiated(peer.addr(), CodecKind::Pcmu)));
    for _ in 0..5 {
        peer.recv().unwrap();
    }
    phone.tell(1, MediaCommand::Dtmf { digit: '7', duration_ms: 80 });
    let (mut packets, mut after) = (Vec::new(), 0);
    while after < 6 {
        let packet = peer.recv().unwrap();
        let is_event = packet.0.payload_type == 101;
        let begun = is_event || packets.iter().any(|(h, _): &(Header, Vec<u8>)| h.payload_type == 101);
        after += u32::from(begun && !is_event);
        packets.push(packet);
    }
    let events: Vec<_> = packets.iter().filter(|(h, _)| h.payload_type == 101).collect();
    let lengths: Vec<u16> = events.iter().map(|(_, p)| u16::from_be_bytes([p[2], p[3]])).collect();
    assert_eq!(lengths, [160, 320, 480, 640, 640, 640], "rising, and the end three times");
    assert!(events.iter().all(|(h, p)| h.timestamp == events[0].0.timestamp && p[0] == 7));
    assert!(events.iter().enumerate().all(|(n, (h, p))| h.marker == (n == 0) && (p[1] & 0x80 != 0) == (n >= 3)));
    assert!(packets.windows(2).all(|w| w[1].0.seq == w[0].0.seq.wrapping_add(1)), "one sequence");
    // the peer sends silence, and a digit whose ends are lost
    let silence = [0xffu8; 160];
    for n in 0..30u16 {
        let [high, low] = (160 * n).to_be_bytes();
        if (10..15).contains(&n) {
            let timestamp = std::mem::replace(&mut peer.timestamp, 9_999);
            peer.send(local.rtp, 101, &[3, 10, high, low]);
            peer.timestamp = timestamp.wrapping_add(160);
        } else {
            peer.send(local.rtp, 0, &silence);
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let told = phone.wait(1, 10.0, |e| matches!(e, MediaEvent::Dtmf { .. }));
    assert_eq!(told, Some(MediaEvent::Dtmf { digit: '3', duration_ms: 280 }));
    phone.tell(1, MediaCommand::Close);
    phone.pass(0.2);
    assert!(peak(&finished(&path).0) < 20);
}
