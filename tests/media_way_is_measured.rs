//! What is measured of the way of the packets, so that the phone can say why somebody is not heard: where they come from and who
//! else sends some, what the peer's reports count of ours, and whether our own voice comes back.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test meets the network and the clock")]

#[path = "media_support/line.rs"]
mod line;
mod media_support;
#[path = "common/speech.rs"]
mod speech;

use std::net::SocketAddr;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use line::{Line, say};
use media_support::{Peer, Phone, negotiated, undisturbed};
use phoned::media::codec::Effort;
use phoned::media::echo::EchoFinder;
use phoned::media::level::Level;
use phoned::media::reception::Block;
use phoned::media::rtcp::Control;
use phoned::sdp::CodecKind;
use phoned::ua::media::MediaCommand;
use speech::{make_speech, write_wav};

/// The level of each 20 ms, dBov.
fn levels(pcm: &[i16], rate: usize) -> Vec<f64> {
    let mut level = Level::new(rate as u32);
    let steps = pcm.chunks_exact(rate / 50).map(|step| {
        level.note(step);
        level.frame_dbov()
    });
    steps.collect()
}

#[test]
fn speech_is_known_again_over_any_codec_and_line() {
    let lines = [
        (CodecKind::Pcmu, Line { loss: 0.0, jitter_ms: 0.0, seed: 1 }),
        (CodecKind::Opus, Line { loss: 0.03, jitter_ms: 30.0, seed: 2 }),
    ];
    for (kind, line) in lines {
        let rate = kind.rate() as usize;
        let pcm = make_speech(kind.rate());
        let (sent, back) = (levels(&pcm, rate), levels(&say(kind, &pcm, line, Effort::Best).pcm, rate));
        for (later, quieter) in [(5, 3.0), (20, 20.0)] {
            let (mut echo, mut found) = (EchoFinder::default(), 0);
            for n in 0..sent.len() {
                echo.note(20, sent[n], if n < later { -127.0 } else { back[n - later] - quieter });
                // As often as it is asked in a call, once there is enough to go by.
                if n > 300 && n % 150 == 0 {
                    found += u32::from(echo.find().is_some());
                }
            }
            let last = echo.find().unwrap_or_else(|| panic!("{kind:?} {later}"));
            assert!(found >= 3 && last.delay_ms >= later as u32 * 20, "{kind:?} {later}: {found} {last:?}");
            assert!(last.delay_ms <= later as u32 * 20 + 140, "the codec and its buffer take some: {last:?}");
        }
        // Two people: the second half against the first is no echo.
        let half = sent.len() / 2;
        let mut other = EchoFinder::default();
        for n in 0..half {
            other.note(20, sent[n], back[half + n]);
            assert!(n % 50 != 0 || other.find().is_none(), "{kind:?}: another's words at {n}");
        }
    }
}

/// Sends each packet back, 240 ms later and as its own, until it is told to stop.
fn parrot(peer: Peer, stop: mpsc::Receiver<()>) {
    peer.socket.set_read_timeout(Some(Duration::from_millis(5))).unwrap();
    let (mut waiting, mut bytes) = (std::collections::VecDeque::new(), [0u8; 400]);
    while stop.try_recv() != Err(mpsc::TryRecvError::Disconnected) {
        if let Ok((len, from)) = peer.socket.recv_from(&mut bytes) {
            let mut packet = bytes[..len].to_vec();
            packet[8..12].copy_from_slice(&peer.ssrc.to_be_bytes());
            waiting.push_back((Instant::now() + Duration::from_millis(240), from, packet));
        }
        while waiting.front().is_some_and(|(at, ..)| *at <= Instant::now()) {
            let (_, to, packet): (_, SocketAddr, _) = waiting.pop_front().unwrap();
            peer.socket.send_to(&packet, to).unwrap();
        }
    }
}

#[test]
fn a_parrot_and_a_stranger() {
    undisturbed(a_parrot);
}

fn a_parrot() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("speech.wav");
    write_wav(&file, 8_000, &make_speech(8_000));
    let mut phone = Phone::new();
    let (peer, stranger) = (Peer::new(77), Peer::new(88));
    let (theirs, other) = (peer.addr(), stranger.addr());
    let local = phone.open(1, &format!("file:{}?loop", file.display()), "null");
    phone.tell(1, MediaCommand::Remote(negotiated(theirs, CodecKind::Pcmu)));
    let (running, stop) = mpsc::channel();
    let bird = std::thread::spawn(move || parrot(peer, stop));
    let end = Instant::now() + Duration::from_secs(30);
    let mut stranger = stranger;
    let stats = loop {
        phone.pass(0.25);
        stranger.send(local.rtp, 0, &[0xff; 160]);
        let stats = phone.report(1);
        assert!(Instant::now() < end, "{:?}", stats.way);
        if stats.way.echo.is_some() && stats.way.stranger.is_some() {
            break stats;
        }
    };
    drop(running);
    bird.join().unwrap();
    let way = stats.way;
    assert_eq!((way.from, way.stranger), (Some(theirs), Some(other)));
    assert!(way.rx_age_ms.unwrap() < 5_000, "{way:?}");
    let echo = way.echo.unwrap();
    assert!((220..=440).contains(&echo.delay_ms) && echo.loss_db.abs() < 4.0, "{echo:?}");
    assert_eq!((way.reports, way.counted), (0, 0), "a parrot sends no reports");
}

#[test]
fn what_the_peer_counts() {
    undisturbed(what_is_counted);
}

fn what_is_counted() {
    let mut phone = Phone::new();
    phone.pair(CodecKind::Pcmu, ["tone:440", "tone:880"], ["null", "null"]);
    let end = Instant::now() + Duration::from_secs(20);
    let way = loop {
        phone.pass(0.25);
        let way = phone.report(1).way;
        assert!(Instant::now() < end, "{way:?}");
        if way.reports >= 2 && way.counted > 0 {
            break way;
        }
    };
    assert!(way.uncounted_reports <= 1 && way.echo.is_none() && way.from.is_some(), "{way:?}");
    // What is not sent is not missed.
    phone.tell(1, MediaCommand::Gate(phoned::sdp::Direction::Inactive));
    phone.pass(0.3);
    let way = phone.report(1).way;
    assert!(way.uncounted_ms < 250 && way.uncounted_reports == 0, "{way:?}");
}

#[test]
fn a_peer_that_counts_no_more() {
    let mut phone = Phone::new();
    let peer = Peer::new(5);
    let local = phone.open(1, "tone:440", "null");
    phone.tell(1, MediaCommand::Remote(negotiated(peer.addr(), CodecKind::Pcmu)));
    let first = peer.recv().unwrap().0.seq;
    let mut control = Control::new(0, peer.ssrc, 0, "peer".into(), 1);
    let ours = SocketAddr::new(local.rtp.ip(), local.rtp.port() + 1);
    let mut report = |highest: Option<u16>| {
        let block = |highest| Block { fraction_lost: 0, total_lost: 0, highest: u32::from(highest), jitter: 0 };
        let bytes = control.report(0, 0, None, highest.map(|highest| (local.ssrc, block(highest))), false);
        peer.socket.send_to(&bytes, ours).unwrap();
    };
    let mut until = |wanted: &dyn Fn(&phoned::ua::media::WayFacts) -> bool| {
        let end = Instant::now() + Duration::from_secs(20);
        loop {
            phone.pass(0.1);
            let way = phone.report(1).way;
            if wanted(&way) {
                return way;
            }
            assert!(Instant::now() < end, "{way:?}");
        }
    };
    report(Some(first.wrapping_add(9)));
    until(&|way| (way.reports, way.counted, way.uncounted_reports) == (1, 10, 0));
    report(None);
    report(Some(first.wrapping_add(9)));
    let way = until(&|way| way.uncounted_reports == 2 && way.uncounted_ms >= 400);
    assert_eq!((way.reports, way.counted), (3, 10));
    report(Some(first.wrapping_add(49)));
    until(&|way| way.counted == 50 && way.uncounted_reports == 0);
}
