//! Whom we hear and whom we send to: the address of the SDP, or the one that three packets in sequence came from; nobody else is played,
//! whatever their SSRC; a new SSRC of the same peer is, once the old one is silent.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test")]

mod media_support;

use std::time::{Duration, Instant};

use media_support::{Peer, Phone, amplitude, came, finished, negotiated, undisturbed};
use phoned::sdp::CodecKind;
use phoned::ua::media::{MediaCommand, MediaEvent};

#[test]
fn a_foreign_source_is_not_played() {
    undisturbed(a_foreign_source);
}

fn a_foreign_source() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("heard.wav");
    let (mut phone, mut peer, mut foreign) = (Phone::new(), Peer::new(1), Peer::new(1));
    let local = phone.open(1, "null", &format!("file:{}", path.display()));
    phone.tell(1, MediaCommand::Remote(negotiated(peer.addr(), CodecKind::Pcmu)));
    let to = local.rtp;
    // Who comes first is the peer.
    peer.play(local.rtp, 440.0, 5);
    let intruder = std::thread::spawn(move || foreign.play(to, 1_000.0, 75));
    peer.play(local.rtp, 440.0, 75);
    intruder.join().unwrap();
    let stats = phone.report_when(1, |stats| stats.rx_packets == 80 && stats.foreign >= 70);
    assert!(stats.foreign >= 70 && stats.rx_lost == 0 && stats.rx_packets == 80, "{stats:?}");
    phone.tell(1, MediaCommand::Close);
    phone.pass(0.2);
    let (pcm, rate) = finished(&path);
    let middle = &pcm[rate as usize / 2..rate as usize * 3 / 2];
    assert!(amplitude(middle, rate, 440.0) > 8_000.0 && amplitude(middle, rate, 1_000.0) < 100.0);
}

#[test]
fn behind_a_nat_we_answer_to_where_it_comes_from_and_learn_again() {
    undisturbed(behind_a_nat);
}

fn behind_a_nat() {
    let (phone, mut real, mut other) = (Phone::new(), Peer::new(1), Peer::new(2));
    let named = Peer::new(0); // the SDP's address, which never speaks
    let local = phone.open(1, "tone:440", "null");
    phone.tell(1, MediaCommand::Remote(negotiated(named.addr(), CodecKind::Pcmu)));
    assert!(named.recv().is_some(), "first to the address of the SDP");
    real.play(local.rtp, 440.0, 2);
    assert!(real.flush().is_empty());
    real.play(local.rtp, 440.0, 3);
    assert!(real.recv().is_some(), "three in sequence lock");
    named.flush();
    other.play(local.rtp, 440.0, 10);
    assert!(other.flush().is_empty() && named.flush().is_empty(), "the lock holds");
    std::thread::sleep(Duration::from_millis(2_100));
    other.play(local.rtp, 440.0, 5);
    assert!(other.recv().is_some(), "after 2 s of silence it opens");
    let moved = Peer::new(3);
    phone.tell(1, MediaCommand::Remote(negotiated(moved.addr(), CodecKind::Pcmu)));
    assert!(moved.recv().is_some(), "a new description opens it at once");
}

#[test]
fn a_new_ssrc_is_played_once_the_old_one_is_silent() {
    undisturbed(a_new_ssrc);
}

fn a_new_ssrc() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("heard.wav");
    let (mut phone, mut peer) = (Phone::new(), Peer::new(1));
    let local = phone.open(1, "null", &format!("file:{}", path.display()));
    phone.tell(1, MediaCommand::Remote(negotiated(peer.addr(), CodecKind::Pcmu)));
    let begun = Instant::now();
    for n in 1..=40 {
        // One directly behind the other: a pause of the old one would be the other's chance.
        peer.say(local.rtp, 440.0);
        let (seq, timestamp) = (peer.seq, peer.timestamp);
        (peer.ssrc, peer.seq, peer.timestamp) = (2, 40_000, 9);
        peer.send(local.rtp, 0, &[0x80; 160]); // as loud as can be
        (peer.ssrc, peer.seq, peer.timestamp) = (1, seq, timestamp);
        let due = begun + Duration::from_millis(20) * n;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        came(due);
    }
    assert_eq!(phone.report(1).remote_ssrc, 1, "the old one speaks");
    std::thread::sleep(Duration::from_millis(70));
    (peer.ssrc, peer.seq, peer.timestamp) = (3, 7, 4_000_000_000);
    peer.play(local.rtp, 1_000.0, 50);
    let stats = phone.report_when(1, |stats| stats.rx_packets == 90);
    assert_eq!((stats.remote_ssrc, stats.rx_lost, stats.rx_packets), (3, 0, 90), "{stats:?}");
    assert_eq!(phone.past.iter().filter(|(_, e)| matches!(e, MediaEvent::Started { .. })).count(), 1);
    phone.tell(1, MediaCommand::Close);
    phone.pass(0.2);
    let (pcm, rate) = finished(&path);
    let second = rate as usize;
    assert!(amplitude(&pcm[second * 3 / 10..second * 7 / 10], rate, 440.0) > 8_000.0);
    assert!(amplitude(&pcm[second * 13 / 10..second * 17 / 10], rate, 1_000.0) > 8_000.0);
}
