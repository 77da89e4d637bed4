//! Two phones' engines over WebRTC on loopback: a tone is heard both ways by samples, reports come, hold keeps the path, legs that end
//! leave nothing behind, and a TURN server carries what has no other way.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test meets the clock and the system")]

mod media_support;

use media_support::{Phone, amplitude, finished, peak, undisturbed};
use phoned::media::{IceConfig, MediaConfig};
use phoned::sdp::{CodecKind, Direction, Encryption, LocalSide, Negotiated, SessionDescription};
use phoned::ua::io::SessionId;
use phoned::ua::media::{LocalMedia, MediaCommand, MediaEvent, PathFacts};

/// Opens a session whose addresses are gathered.
fn open(phone: &mut Phone, id: u64, input: &str, output: &str) -> LocalMedia {
    let (input, output) = (input.to_owned(), output.to_owned());
    let command = MediaCommand::Open { local_ip: [127, 0, 0, 1].into(), input, output, ice: true };
    assert_eq!(phone.engine.command(SessionId(id), command), None);
    match phone.wait(id, 20.0, |e| matches!(e, MediaEvent::Local(_))) {
        Some(MediaEvent::Local(local)) => local,
        other => panic!("{other:?}"),
    }
}

fn side(id: u64, local: &LocalMedia, codecs: &[CodecKind]) -> LocalSide {
    LocalSide::new(local.rtp, id, codecs.to_vec())
        .encrypted(Encryption::Off, local.seed.clone())
        .with_dtls(local.dtls.clone(), true)
}

/// One offer and its answer: what each is told.
fn agree(a: &mut LocalSide, b: &mut LocalSide, want: Direction) -> (Negotiated, Negotiated) {
    let read = |text: &str| SessionDescription::parse(text.as_bytes()).unwrap();
    let (answer, at_b) = b.answer(&read(&a.offer(want)), Direction::SendRecv).unwrap();
    (a.accept(&read(&answer), want).unwrap(), at_b)
}

fn connected(phone: &mut Phone, id: u64) -> PathFacts {
    let done =
        |e: &MediaEvent| matches!(e, MediaEvent::Path(facts) if facts.dtls == "connected" && facts.ice.is_some());
    let earlier = phone.past.iter().rev().find(|(who, e)| *who == SessionId(id) && done(e)).map(|(_, e)| e.clone());
    match earlier.or_else(|| phone.wait(id, 30.0, done)) {
        Some(MediaEvent::Path(facts)) => facts,
        other => panic!("{id}: {other:?}, but {:?}", phone.past),
    }
}

fn path(dir: &tempfile::TempDir, name: &str) -> String {
    format!("file:{}", dir.path().join(name).display())
}

/// The last second of a file.
fn tail(dir: &tempfile::TempDir, name: &str) -> (Vec<i16>, u32) {
    let (pcm, rate) = finished(&dir.path().join(name));
    (pcm[pcm.len().saturating_sub(rate as usize)..].to_vec(), rate)
}

fn a_call(kind: CodecKind) {
    let dir = tempfile::tempdir().unwrap();
    let mut phone = Phone::new();
    let a = open(&mut phone, 1, "tone:440", &path(&dir, "a.wav"));
    let b = open(&mut phone, 2, "tone:700", &path(&dir, "b.wav"));
    let (mut a, mut b) = (side(1, &a, &[kind]), side(2, &b, &[kind]));
    let (at_a, at_b) = agree(&mut a, &mut b, Direction::SendRecv);
    phone.tell(2, MediaCommand::Remote(at_b));
    phone.tell(1, MediaCommand::Remote(at_a));
    for id in [1, 2] {
        let facts = connected(&mut phone, id);
        assert_eq!((facts.result.as_str(), facts.srtp.as_deref()), ("local", Some("AEAD_AES_128_GCM")));
    }
    phone.pass(3.0);
    for id in [1, 2] {
        let stats = phone.report_when(id, |stats| stats.rtt_ms.is_some());
        assert!(stats.rx_packets > 100 && stats.rtt_ms.is_some_and(|rtt| rtt >= 0.0), "{stats:?}");
        assert_eq!(stats.rx_lost, 0);
    }
    // Held and resumed: the same path, the same keys.
    let (at_a, at_b) = agree(&mut a, &mut b, Direction::Inactive);
    phone.tell(1, MediaCommand::Remote(at_a));
    phone.tell(2, MediaCommand::Remote(at_b));
    phone.pass(0.3);
    let held = phone.report(2).rx_packets;
    phone.pass(0.7);
    assert_eq!(phone.report(2).rx_packets, held);
    let (at_b, at_a) = agree(&mut b, &mut a, Direction::SendRecv);
    phone.tell(1, MediaCommand::Remote(at_a));
    phone.tell(2, MediaCommand::Remote(at_b));
    phone.pass(2.0);
    phone.tell(1, MediaCommand::Close);
    phone.tell(2, MediaCommand::Close);
    phone.pass(0.3);
    for (name, hz) in [("a.wav", 700.0), ("b.wav", 440.0)] {
        let (pcm, rate) = tail(&dir, name);
        assert!(amplitude(&pcm, rate, hz) > 2_000.0, "{name}: {} {}", amplitude(&pcm, rate, hz), peak(&pcm));
    }
}

#[test]
fn opus_both_ways_hold_and_resume() {
    undisturbed(|| a_call(CodecKind::Opus));
}

#[test]
fn pcmu_both_ways_hold_and_resume() {
    undisturbed(|| a_call(CodecKind::Pcmu));
}

fn open_files() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").unwrap().count()
}

#[test]
fn legs_that_end_leave_nothing_behind() {
    let mut phone = Phone::new();
    let rounds = if std::env::var_os("PHONED_SOAK").is_some() { 100 } else { 10 };
    let mut before = None;
    for round in 0..rounds {
        let (one, two) = (2 * round + 1, 2 * round + 2);
        let a = open(&mut phone, one, "tone:440", "null");
        let b = open(&mut phone, two, "null", "null");
        let (mut a, mut b) = (side(one, &a, &[CodecKind::Pcmu]), side(two, &b, &[CodecKind::Pcmu]));
        let (at_a, at_b) = agree(&mut a, &mut b, Direction::SendRecv);
        phone.tell(two, MediaCommand::Remote(at_b));
        phone.tell(one, MediaCommand::Remote(at_a));
        connected(&mut phone, one);
        connected(&mut phone, two);
        phone.tell(one, MediaCommand::Close);
        phone.tell(two, MediaCommand::Close);
        phone.pass(0.1);
        phone.past.clear();
        before.get_or_insert_with(|| (open_files(), threads()));
    }
    // Others of this file's tests run beside it: what counts is that nothing grows with the number of legs.
    let (files, tasks) = before.unwrap();
    let settled = |phone: &mut Phone| {
        phone.pass(0.2);
        open_files() < files + rounds as usize && threads() < tasks + rounds as usize
    };
    let _ = (0..150).any(|_| settled(&mut phone));
    assert!(open_files() < files + rounds as usize, "{} files, {files} after the first", open_files());
    assert!(threads() < tasks + rounds as usize, "{} threads, {tasks} after the first", threads());
}

#[test]
fn servers_that_nobody_knows_are_not_waited_for() {
    let ice = IceConfig { stun: vec!["stun.invalid:3478".into(), "127.0.0.1:9".into()], ..IceConfig::default() };
    let mut phone = Phone::with(MediaConfig { ice, ..MediaConfig::default() });
    let begin = std::time::Instant::now();
    let local = open(&mut phone, 1, "null", "null");
    // Addresses are searched for 2 s.
    assert!(begin.elapsed().as_secs_f64() < 6.0, "{:?}", begin.elapsed());
    assert_eq!(local.dtls.ice.unwrap().candidates.len(), 1);
}
