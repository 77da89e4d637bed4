//! A recording has the agent on the left and the customer on the right, of the same moment; mute, hold and pause are silence
//! of the right length; what `stop` says of the file is true.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test")]

mod media_support;

use std::path::Path;
use std::time::{Duration, Instant};

use media_support::{Peer, Phone, amplitude, negotiated, peak, undisturbed};
use phoned::media::MediaConfig;
use phoned::media::recorder::{Format, RecordConfig};
use phoned::sdp::{CodecKind, Direction};
use phoned::ua::media::{MediaCommand, MediaEvent, RecordCommand, RecordEvent, RecordInfo};

fn phone(dir: &Path, format: Format, beep: bool) -> Phone {
    let record = RecordConfig { dir: dir.into(), format, beep, min_free_mb: 0, ..RecordConfig::default() };
    Phone::with(MediaConfig { record, ..MediaConfig::default() })
}

fn info(call_id: &str) -> RecordInfo {
    RecordInfo { call_id: call_id.into(), account: "office".into(), number: "1002".into(), ..RecordInfo::default() }
}

fn record(phone: &Phone, id: u64, command: RecordCommand) {
    phone.tell(id, MediaCommand::Record(command));
}

/// Begins to record and waits for the file.
fn start(phone: &mut Phone, id: u64) {
    record(phone, id, RecordCommand::Start(info(&format!("call{id}"))));
    assert!(phone.wait(id, 10.0, |e| matches!(e, MediaEvent::Record(RecordEvent::Started { .. }))).is_some());
}

/// Stops; the file's path, hash and length.
fn stopped(phone: &mut Phone, id: u64) -> (String, String, u64) {
    match phone.wait(id, 20.0, |e| matches!(e, MediaEvent::Record(RecordEvent::Stopped { .. }))) {
        Some(MediaEvent::Record(RecordEvent::Stopped { path, sha256, duration_ms })) => (path, sha256, duration_ms),
        other => panic!("{other:?}"),
    }
}

/// Left, right and rate of a recording of either kind.
fn sides(path: &str) -> ([Vec<i16>; 2], u32) {
    let (all, rate) = if path.ends_with(".wav") { media_support::heard(Path::new(path)) } else { ogg(path) };
    let side = |n: usize| all.iter().skip(n).step_by(2).copied().collect();
    ([side(0), side(1)], rate)
}

fn ogg(path: &str) -> (Vec<i16>, u32) {
    let mut packets = ogg::PacketReader::new(std::fs::File::open(path).unwrap());
    let head = packets.read_packet_expected().unwrap().data;
    assert_eq!((&head[..8], head[9]), (&b"OpusHead"[..], 2));
    let skip = usize::from(u16::from_le_bytes([head[10], head[11]]));
    assert_eq!(packets.read_packet_expected().unwrap().data[..8], *b"OpusTags");
    let mut decoder = opus::Decoder::new(48_000, opus::Channels::Stereo).unwrap();
    let (mut all, mut end) = (Vec::new(), 0);
    while let Some(packet) = packets.read_packet().unwrap() {
        let mut pcm = [0; 2 * 5_760];
        let frames = decoder.decode(&packet.data, &mut pcm, false).unwrap();
        all.extend_from_slice(&pcm[..2 * frames]);
        end = packet.absgp_page() as usize;
    }
    all.truncate(2 * end);
    all.drain(..2 * skip);
    (all, 48_000)
}

fn part(pcm: &[i16], rate: u32, from: f64, to: f64) -> &[i16] {
    let at = |s: f64| ((s * f64::from(rate)) as usize).min(pcm.len());
    &pcm[at(from)..at(to)]
}

fn each_side_its_tone(kind: CodecKind, format: Format) {
    let dir = tempfile::tempdir().unwrap();
    let mut phone = phone(dir.path(), format, false);
    phone.pair(kind, ["tone:440", "tone:1000"], ["null", "null"]);
    assert!(phone.wait(1, 10.0, |e| matches!(e, MediaEvent::Started { .. })).is_some());
    phone.pass(0.5);
    start(&mut phone, 1);
    let began = Instant::now();
    phone.pass(2.0);
    record(&phone, 1, RecordCommand::Stop);
    let lasted = began.elapsed().as_secs_f64();
    let (path, sha256, duration_ms) = stopped(&mut phone, 1);
    let ([left, right], rate) = sides(&path);
    let seconds = left.len() as f64 / f64::from(rate);
    assert!((seconds * 1_000.0 - duration_ms as f64).abs() <= 1.0, "{seconds} s, told {duration_ms} ms");
    assert!((lasted - 0.3..lasted + 0.9).contains(&seconds), "{seconds} s of {lasted} s");
    for (side, own, other) in [(&left, 440.0, 1_000.0), (&right, 1_000.0, 440.0)] {
        let middle = part(side, rate, 0.5, 1.5);
        let (own, other) = (amplitude(middle, rate, own), amplitude(middle, rate, other));
        assert!(own > 2_000.0 && other < own / 50.0, "{kind:?} {format:?}: {own} {other}");
    }
    let hashed = std::process::Command::new("sha256sum").arg(&path).output().unwrap().stdout;
    assert_eq!(String::from_utf8_lossy(&hashed).split(' ').next().unwrap(), sha256);
    let side: serde_json::Value = serde_json::from_slice(&std::fs::read(format!("{path}.json")).unwrap()).unwrap();
    assert_eq!(
        (&side["state"], &side["sha256"], &side["durationMs"]),
        (&"closed".into(), &sha256.into(), &duration_ms.into())
    );
    assert_eq!((&side["callId"], &side["channels"][0]), (&"call1".into(), &"agent".into()));
    use std::os::unix::fs::PermissionsExt;
    for file in [path.clone(), format!("{path}.json")] {
        assert_eq!(std::fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o640);
    }
    assert_eq!(
        Path::new(&path).strip_prefix(dir.path()).unwrap().to_str().unwrap(),
        format!("1970-01-01/office-1002-call1.{}", format.extension())
    );
}

#[test]
fn pcmu_into_wav() {
    undisturbed(|| each_side_its_tone(CodecKind::Pcmu, Format::Wav));
}

#[test]
fn opus_into_wav() {
    undisturbed(|| each_side_its_tone(CodecKind::Opus, Format::Wav));
}

#[test]
fn g722_into_wav() {
    undisturbed(|| each_side_its_tone(CodecKind::G722, Format::Wav));
}

#[test]
fn pcmu_into_ogg() {
    undisturbed(|| each_side_its_tone(CodecKind::Pcmu, Format::Ogg));
}

#[test]
fn opus_into_ogg() {
    undisturbed(|| each_side_its_tone(CodecKind::Opus, Format::Ogg));
}

#[test]
fn mute_hold_and_pause_are_silence_and_the_length_stays_true() {
    undisturbed(mute_hold_and_pause);
}

fn mute_hold_and_pause() {
    let dir = tempfile::tempdir().unwrap();
    let mut phone = phone(dir.path(), Format::Wav, false);
    phone.pair(CodecKind::Pcmu, ["tone:440", "tone:1000"], ["null", "null"]);
    assert!(phone.wait(1, 10.0, |e| matches!(e, MediaEvent::Started { .. })).is_some());
    phone.pass(0.3);
    start(&mut phone, 1);
    let began = Instant::now();
    let mut at = Vec::new();
    let mut step = |phone: &mut Phone, command: MediaCommand| {
        at.push(began.elapsed().as_secs_f64());
        phone.tell(1, command);
        phone.pass(1.0);
    };
    phone.pass(0.5);
    step(&mut phone, MediaCommand::Mute(true));
    step(&mut phone, MediaCommand::Mute(false));
    step(&mut phone, MediaCommand::Gate(Direction::Inactive));
    step(&mut phone, MediaCommand::Gate(Direction::SendRecv));
    step(&mut phone, MediaCommand::Record(RecordCommand::Pause));
    step(&mut phone, MediaCommand::Record(RecordCommand::Resume));
    step(&mut phone, MediaCommand::Dtmf { digit: '5', duration_ms: 500 });
    let lasted = began.elapsed().as_secs_f64();
    // the session's end closes the file too
    phone.tell(1, MediaCommand::Close);
    let (path, _, duration_ms) = stopped(&mut phone, 1);
    let ([left, right], rate) = sides(&path);
    let seconds = left.len() as f64 / f64::from(rate);
    assert!((lasted - 0.3..lasted + 0.9).contains(&seconds), "{seconds} s of {lasted} s");
    assert_eq!(duration_ms, (seconds * 1_000.0).round() as u64);
    let side: serde_json::Value = serde_json::from_slice(&std::fs::read(format!("{path}.json")).unwrap()).unwrap();
    let markers: Vec<(&str, f64)> = side["markers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|m| (m["kind"].as_str().unwrap(), m["atMs"].as_f64().unwrap() / 1_000.0))
        .filter(|(kind, _)| *kind != "gap")
        .collect();
    assert_eq!(markers.iter().map(|(kind, _)| *kind).collect::<Vec<_>>(), ["pause", "resume"]);
    // the recording begins a little before it is told
    let before = markers[0].1 - at[4];
    assert!((-0.2..0.8).contains(&before), "{before}");
    assert!((markers[1].1 - at[5] - before).abs() < 0.2, "{markers:?} {at:?}");
    at.iter_mut().for_each(|at| *at += before);
    // the middle of each second: [left, right] sound there?
    let wanted = [[false, true], [true, true], [false, false], [true, true], [false, false], [true, true]];
    for (began, [sent, heard]) in at.iter().zip(wanted) {
        for (side, hz, sounds) in [(&left, 440.0, sent), (&right, 1_000.0, heard)] {
            let middle = part(side, rate, began + 0.4, began + 0.8);
            let loud = amplitude(middle, rate, hz);
            if sounds {
                assert!(loud > 2_000.0, "{began} {hz}: {loud}")
            } else {
                assert!(peak(middle) < 50, "{began} {hz}")
            }
        }
    }
    // while a digit goes out nothing of it, nor of anything else, is on our side
    let digit = part(&left, rate, at[6] + 0.15, at[6] + 0.4);
    assert!(peak(digit) < 50, "{}", peak(digit));
}

/// What is sent comes back at once from an echo; in the recording it is on the right as much later as the jitter buffer holds it.
#[test]
fn both_sides_are_of_the_same_moment() {
    undisturbed(both_sides);
}

fn both_sides() {
    let dir = tempfile::tempdir().unwrap();
    let mut phone = phone(dir.path(), Format::Wav, false);
    let peer = Peer::new(7);
    let local = phone.open(1, "tone:600", "null");
    phone.tell(1, MediaCommand::Remote(negotiated(peer.addr(), CodecKind::Pcmu)));
    let echo = std::thread::spawn(move || {
        let mut peer = peer;
        let until = Instant::now() + Duration::from_secs(4);
        while Instant::now() < until {
            if let Some((header, payload)) = peer.recv() {
                peer.send(local.rtp, header.payload_type, &payload);
            }
        }
    });
    phone.tell(1, MediaCommand::Mute(true));
    start(&mut phone, 1);
    phone.pass(1.5);
    phone.tell(1, MediaCommand::Mute(false));
    phone.pass(1.0);
    record(&phone, 1, RecordCommand::Stop);
    let (path, _, _) = stopped(&mut phone, 1);
    echo.join().unwrap();
    let ([left, right], rate) = sides(&path);
    let onset = |side: &[i16]| side.iter().position(|s| s.abs() > 1_000).unwrap() as f64 / f64::from(rate);
    let later = onset(&right) - onset(&left);
    assert!((0.0..0.45).contains(&later), "{later} s");
}

#[test]
fn a_beep_tells_both_sides() {
    undisturbed(a_beep);
}

fn a_beep() {
    let dir = tempfile::tempdir().unwrap();
    let mut phone = phone(dir.path(), Format::Wav, true);
    phone.pair(CodecKind::Opus, ["null", "null"], ["null", "null"]);
    assert!(phone.wait(1, 10.0, |e| matches!(e, MediaEvent::Started { .. })).is_some());
    phone.pass(0.5);
    start(&mut phone, 1);
    phone.pass(1.0);
    record(&phone, 1, RecordCommand::Stop);
    let (path, _, _) = stopped(&mut phone, 1);
    let ([left, right], rate) = sides(&path);
    for side in [left, right] {
        assert!(amplitude(part(&side, rate, 0.02, 0.18), rate, 1_400.0) > 1_500.0);
        assert!(peak(part(&side, rate, 0.4, 0.9)) < 500);
    }
}

#[test]
fn a_second_recording_of_a_call_has_a_file_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let mut phone = phone(dir.path(), Format::Wav, false);
    phone.pair(CodecKind::Pcmu, ["tone:440", "tone:1000"], ["null", "null"]);
    let mut paths = Vec::new();
    for _ in 0..2 {
        start(&mut phone, 1);
        phone.pass(0.2);
        record(&phone, 1, RecordCommand::Stop);
        paths.push(stopped(&mut phone, 1).0);
    }
    assert_ne!(paths[0], paths[1]);
    assert!(paths[1].ends_with("office-1002-call1-2.wav"), "{paths:?}");
}
