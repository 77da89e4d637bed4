//! Through a relay that loses 5 % and delays each packet by up to 30 ms the voice goes on: what is lost is made up, what is late is waited for, and
//! the figures of both ends tell it. Once the peer's reports tell of loss, Opus carries FEC.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test")]

mod media_support;

use std::f64::consts::TAU;
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use hound::{SampleFormat, WavSpec, WavWriter};
use media_support::{Phone, came, finished, negotiated, undisturbed, was_late};
use phoned::media::rtp::HEADER;
use phoned::sdp::CodecKind;
use phoned::ua::media::MediaCommand;

/// The payload type in these calls.
const OPUS: u8 = 96;

/// The packet is Opus with a speech layer that repeats the packet before it (RFC 6716 §4.2.4).
fn has_copy(packet: &[u8]) -> bool {
    packet[1] & 0x7f == OPUS
        && matches!(packet[HEADER..], [toc, first, ..] if (12..16).contains(&(toc >> 3)) && first >> 6 & 1 == 1)
}

/// Between `a` and `b`: what `b` sends passes; what `a` sends comes 0 to 30 ms later, but every 20th packet not at all. Notes which of
/// these carry a copy of the one before.
fn relay(a: SocketAddr, b: SocketAddr, stop: Arc<AtomicBool>, copies: Arc<Mutex<Vec<bool>>>) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let addr = socket.local_addr().unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
    std::thread::spawn(move || {
        let (mut waiting, mut count) = (Vec::<(Instant, Vec<u8>)>::new(), 0u32);
        let mut bytes = [0; 2_000];
        while !stop.load(Ordering::Relaxed) {
            let due = Instant::now();
            match socket.recv_from(&mut bytes) {
                Ok((len, from)) if from == b => drop(socket.send_to(&bytes[..len], a)),
                Ok((len, _)) => {
                    count += 1;
                    copies.lock().unwrap().push(has_copy(&bytes[..len]));
                    let delay = Duration::from_micros(u64::from((count.wrapping_mul(2_654_435_761) >> 8) % 30_000));
                    if count % 20 != 0 {
                        waiting.push((Instant::now() + delay, bytes[..len].to_vec()));
                    }
                }
                Err(_) => {}
            }
            came(due);
            let now = Instant::now();
            waiting.retain(|(at, bytes)| *at > now || socket.send_to(bytes, b).is_err());
        }
    });
    addr
}

/// Something that codecs take for a voice: 120 Hz and its harmonics, swelling three times a second. `quiet`: seconds without it.
fn voice(path: &Path, quiet: std::ops::Range<f64>) {
    let spec = WavSpec { channels: 1, sample_rate: 48_000, bits_per_sample: 16, sample_format: SampleFormat::Int };
    let mut writer = WavWriter::create(path, spec).unwrap();
    for n in 0..48_000 * 5 {
        let t = f64::from(n) / 48_000.0 * TAU;
        let pitch = 120.0 * t + 2.0 * (2.0 * t).sin();
        let sum: f64 = (1..=25).map(|k| (pitch * f64::from(k)).sin() / f64::from(k)).sum();
        let gain = if quiet.contains(&(f64::from(n) / 48_000.0)) { 0.0 } else { 6_000.0 };
        writer.write_sample((sum * gain * (0.75 + 0.25 * (3.0 * t).sin())) as i16).unwrap();
    }
    writer.finalize().unwrap();
}

fn through_the_relay(kind: CodecKind) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("heard.wav");
    let (mut phone, stop, copies) = (Phone::new(), Arc::new(AtomicBool::new(false)), Arc::default());
    let said = dir.path().join("said.wav");
    voice(&said, 0.0..0.0);
    let a = phone.open(1, &format!("file:{}", said.display()), "null");
    let b = phone.open(2, "null", &format!("file:{}", path.display()));
    let between = relay(a.rtp, b.rtp, stop.clone(), Arc::clone(&copies));
    for (id, far) in [(1, b.rtp), (2, a.rtp)] {
        let mut plan = negotiated(between, kind);
        plan.remote_rtcp = SocketAddr::new(far.ip(), far.port() + 1);
        phone.tell(id, MediaCommand::Remote(plan));
    }
    phone.pass(4.5);
    let (sender, receiver) = (phone.report(1), phone.report(2));
    phone.tell(2, MediaCommand::Close);
    phone.pass(0.2);
    stop.store(true, Ordering::Relaxed);
    let lost = receiver.rx_lost as f64 / (receiver.rx_lost + receiver.rx_packets) as f64;
    assert!((0.03..0.07).contains(&lost), "{receiver:?}");
    assert!(receiver.late <= 2, "jitter loses no audio: {receiver:?}");
    assert!((3.0..20.0).contains(&receiver.rx_jitter_ms) && receiver.mos < 4.3, "{receiver:?}");
    assert!((0.02..0.08).contains(&sender.tx_lost_ratio) && sender.tx_jitter_max_ms > 3.0, "{sender:?}");
    let copies = copies.lock().unwrap();
    let (before, after) = (copies[..20].iter().filter(|c| **c).count(), copies.iter().filter(|c| **c).count());
    let wanted = if kind == CodecKind::Opus { after > copies.len() / 4 } else { after == 0 };
    assert!(before == 0 && wanted, "{kind:?}: {after} of {} packets carry a copy", copies.len());
    let (pcm, rate) = finished(&path);
    let frame = rate as usize / 50;
    let level = |frame: &[i16]| (frame.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / frame.len() as f64).sqrt();
    // A busy machine takes a while to read the file that is said.
    if pcm.chunks(frame).take(20).all(|f| level(f) < 300.0) {
        was_late();
    }
    let usual = level(&pcm[frame * 50..frame * 200]);
    let quiet = pcm[frame * 75..frame * 200].chunks(frame).filter(|f| level(f) < usual / 4.0).count();
    assert!(usual > 2_000.0 && quiet <= 2, "{kind:?}: {quiet} of 125 frames are quiet; {receiver:?}");
}

#[test]
fn with_pcmu() {
    undisturbed(|| through_the_relay(CodecKind::Pcmu));
}

#[test]
fn with_opus() {
    undisturbed(|| through_the_relay(CodecKind::Opus));
}

#[test]
fn silence_that_is_not_sent_is_no_loss() {
    undisturbed(silence_that_is_not_sent);
}

fn silence_that_is_not_sent() {
    let dir = tempfile::tempdir().unwrap();
    let (said, path) = (dir.path().join("said.wav"), dir.path().join("heard.wav"));
    voice(&said, 1.5..3.5);
    let mut phone = Phone::new();
    let a = phone.open(1, &format!("file:{}", said.display()), "null");
    let b = phone.open(2, "null", &format!("file:{}", path.display()));
    for (id, far) in [(1, b.rtp), (2, a.rtp)] {
        let mut plan = negotiated(far, CodecKind::Opus);
        plan.codec.dtx = id == 1;
        phone.tell(id, MediaCommand::Remote(plan));
    }
    phone.pass(4.7);
    let (sender, receiver) = (phone.report(1), phone.report(2));
    phone.tell(2, MediaCommand::Close);
    phone.pass(0.2);
    // of 235; in silence there is one now and then
    assert!((125..175).contains(&sender.tx_packets), "{sender:?}");
    assert!(receiver.rx_lost == 0 && receiver.concealed_pct < 5.0, "a pause is no loss: {receiver:?}");
    let (pcm, rate) = finished(&path);
    let level = |from: f64, to: f64| {
        let part = &pcm[(from * f64::from(rate)) as usize..(to * f64::from(rate)) as usize];
        (part.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / part.len() as f64).sqrt()
    };
    if level(0.0, 0.4) < 300.0 {
        was_late();
    }
    assert!(level(0.5, 1.4) > 2_000.0 && level(3.8, 4.4) > 2_000.0, "{} {}", level(0.5, 1.4), level(3.8, 4.4));
    assert!(level(2.2, 3.3) < 100.0, "{}", level(2.2, 3.3));
}
