//! Encrypted media of two sessions is heard at the far end by samples, and nothing else is: not in clear, not replayed, not with another
//! key, not from elsewhere. The wire in between is the test's own.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test meets the clock and the system")]

mod media_support;

use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use media_support::{Peer, Phone, amplitude, finished, negotiated, peak, undisturbed};
use phoned::media::rtp;
use phoned::sdp::{CodecKind, MasterKey, Negotiated, Protection, Sdes, Suite};
use phoned::ua::media::MediaCommand;

fn key(suite: Suite, fill: u8) -> MasterKey {
    MasterKey::new(&vec![fill; 16 + suite.salt_len()], suite).unwrap()
}

fn secured(to: SocketAddr, suite: Suite, send: u8, receive: u8) -> Negotiated {
    let keys = Sdes { suite, send: key(suite, send), receive: key(suite, receive), receive_mki: 0 };
    Negotiated { protection: Protection::Sdes(keys), rtcp_mux: true, ..negotiated(to, CodecKind::Pcmu) }
}

/// A wire between A and B: sends everything on, and keeps what goes to B.
struct Wire {
    at: SocketAddr,
    packets: Arc<Mutex<Vec<Vec<u8>>>>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Wire {
    fn between(a: SocketAddr, b: SocketAddr) -> Wire {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        let at = socket.local_addr().unwrap();
        let (packets, over) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let (kept, ends) = (packets.clone(), over.clone());
        let run = move || {
            let mut bytes = [0; 2_000];
            while !ends.load(Ordering::Relaxed) {
                let Ok((len, from)) = socket.recv_from(&mut bytes) else { continue };
                socket.send_to(&bytes[..len], if from == b { a } else { b }).unwrap();
                if from != b {
                    kept.lock().unwrap().push(bytes[..len].to_vec());
                }
            }
        };
        Wire { at, packets, over, thread: Some(std::thread::spawn(run)) }
    }

    fn packets(&self) -> Vec<Vec<u8>> {
        self.packets.lock().unwrap().clone()
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap();
    }
}

/// The share of µ-law payload that is silence or the tone: what a listener on the wire would make of it.
fn sounds_like_a_tone(packets: &[Vec<u8>]) -> bool {
    let pcm: Vec<i16> = packets
        .iter()
        .filter(|p| !rtp::is_rtcp(p))
        .flat_map(|p| p[12..].iter().take(160).map(|b| audio_codec_algorithms::decode_ulaw(*b)))
        .collect();
    amplitude(&pcm, 8_000, 440.0) > 2_000.0
}

fn path(dir: &tempfile::TempDir, name: &str) -> String {
    format!("file:{}", dir.path().join(name).display())
}

#[test]
fn a_tone_arrives_and_the_wire_does_not_tell_it() {
    undisturbed(a_tone_arrives);
}

fn a_tone_arrives() {
    for suite in [Suite::AesCm80, Suite::AesCm32, Suite::AeadGcm128] {
        let dir = tempfile::tempdir().unwrap();
        let mut phone = Phone::new();
        let a = phone.open(1, "tone:440", "null");
        let b = phone.open(2, "null", &path(&dir, "b.wav"));
        let wire = Wire::between(a.rtp, b.rtp);
        phone.tell(1, MediaCommand::Remote(secured(wire.at, suite, 1, 2)));
        phone.tell(2, MediaCommand::Remote(secured(wire.at, suite, 2, 1)));
        phone.pass(2.5);
        let stats = phone.report_when(2, |stats| stats.rtt_ms.is_some());
        assert!(stats.rx_packets > 60, "{stats:?}");
        assert!(stats.rtt_ms.is_some(), "SRTCP came both ways: {stats:?}");
        phone.tell(1, MediaCommand::Close);
        phone.tell(2, MediaCommand::Close);
        phone.pass(0.3);
        let (pcm, rate) = finished(&dir.path().join("b.wav"));
        let end = &pcm[pcm.len() - rate as usize..];
        assert!(amplitude(end, rate, 440.0) > 2_000.0, "{suite:?} is heard");
        let packets = wire.packets();
        assert!(packets.len() > 60 && !sounds_like_a_tone(&packets), "{suite:?} hides it");
        let tag = match suite {
            Suite::AesCm80 => 10,
            Suite::AesCm32 => 4,
            Suite::AeadGcm128 => 16,
        };
        assert!(packets.iter().filter(|p| !rtp::is_rtcp(p)).all(|p| p.len() == 12 + 160 + tag), "{suite:?}");
        assert!(packets.iter().any(|p| rtp::is_rtcp(p)), "a report passed");
        assert!(rtp::is_rtcp(packets.last().unwrap()), "BYE too");
        assert!(
            packets.iter().filter(|p| rtp::is_rtcp(p)).all(|p| !p.windows(2).any(|w| w == [0x81, 202])),
            "no SDES in clear"
        );
    }
}

#[test]
fn another_key_is_silence() {
    undisturbed(another_key);
}

fn another_key() {
    let dir = tempfile::tempdir().unwrap();
    let mut phone = Phone::new();
    let a = phone.open(1, "tone:440", "null");
    let b = phone.open(2, "null", &path(&dir, "b.wav"));
    phone.tell(1, MediaCommand::Remote(secured(b.rtp, Suite::AesCm80, 1, 2)));
    phone.tell(2, MediaCommand::Remote(secured(a.rtp, Suite::AesCm80, 2, 3)));
    phone.pass(1.5);
    let stats = phone.report(2);
    assert_eq!((stats.rx_packets, stats.remote_ssrc), (0, 0));
    assert!(stats.foreign > 30, "{stats:?}");
    phone.tell(2, MediaCommand::Close);
    phone.pass(0.2);
    assert_eq!(peak(&finished(&dir.path().join("b.wav")).0), 0);
}

#[test]
fn clear_replayed_and_foreign_packets_are_never_played() {
    undisturbed(foreign_packets);
}

fn foreign_packets() {
    let dir = tempfile::tempdir().unwrap();
    let mut phone = Phone::new();
    let a = phone.open(1, "tone:440", "null");
    let b = phone.open(2, "null", &path(&dir, "b.wav"));
    let wire = Wire::between(a.rtp, b.rtp);
    phone.tell(1, MediaCommand::Remote(secured(wire.at, Suite::AesCm80, 1, 2)));
    phone.tell(2, MediaCommand::Remote(secured(wire.at, Suite::AesCm80, 2, 1)));
    phone.pass(1.0);
    phone.tell(1, MediaCommand::Close);
    phone.pass(0.2);
    let before = phone.report(2);
    // The peer is gone. Clear RTP with its SSRC, what was recorded, and the same from its own address.
    let mut stranger = Peer::new(a.ssrc);
    stranger.play(b.rtp, 1_000.0, 25);
    let recorded = wire.packets();
    for packet in recorded.iter().take(60) {
        stranger.socket.send_to(packet, b.rtp).unwrap();
        stranger.socket.send_to(packet, wire.at).unwrap();
    }
    phone.pass(0.5);
    let after = phone.report(2);
    assert_eq!(after.rx_packets, before.rx_packets);
    assert!(after.foreign >= before.foreign + 100, "{after:?}");
    phone.tell(2, MediaCommand::Close);
    phone.pass(0.2);
    let (pcm, rate) = finished(&dir.path().join("b.wav"));
    assert!(amplitude(&pcm[pcm.len() - rate as usize / 2..], rate, 1_000.0) < 30.0);
}

#[test]
fn new_keys_keep_the_sound() {
    undisturbed(new_keys);
}

fn new_keys() {
    let dir = tempfile::tempdir().unwrap();
    let mut phone = Phone::new();
    let a = phone.open(1, "tone:440", "null");
    let b = phone.open(2, "null", &path(&dir, "b.wav"));
    phone.tell(1, MediaCommand::Remote(secured(b.rtp, Suite::AesCm80, 1, 2)));
    phone.tell(2, MediaCommand::Remote(secured(a.rtp, Suite::AesCm80, 2, 1)));
    phone.pass(1.0);
    // B learns the new key first, as it does by an offer; A uses it later.
    phone.tell(2, MediaCommand::Remote(secured(a.rtp, Suite::AesCm80, 2, 3)));
    phone.pass(0.5);
    let between = phone.report(2);
    phone.tell(1, MediaCommand::Remote(secured(b.rtp, Suite::AesCm80, 3, 2)));
    phone.pass(1.5);
    let stats = phone.report(2);
    assert!(between.rx_packets > 50 && stats.rx_packets > between.rx_packets + 50, "{between:?} {stats:?}");
    assert_eq!((stats.rx_lost, stats.foreign), (0, 0), "not one packet was missed");
    phone.tell(2, MediaCommand::Close);
    phone.pass(0.2);
    let (pcm, rate) = finished(&dir.path().join("b.wav"));
    assert!(amplitude(&pcm[pcm.len() - rate as usize..], rate, 440.0) > 2_000.0);
}
