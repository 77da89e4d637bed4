//! Two phones' engines with video beside WebRTC audio on loopback: an IVF file goes in, the same frames come out; RTP goes in at a port and
//! comes out at another; a key frame that is asked for comes; a hold lets nothing pass; it is in the figures.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test meets the clock and the system")]

mod media_support;

use std::net::UdpSocket;
use std::path::Path;
use std::time::Duration;

use media_support::{Phone, undisturbed};
use phoned::media::rtp::{self, HEADER, Header};
use phoned::sdp::{CodecKind, Direction, Encryption, LocalSide, Negotiated, SessionDescription, VideoCodec};
use phoned::ua::io::SessionId;
use phoned::ua::media::{LocalMedia, MediaCommand, MediaEvent, VideoEvent, VideoPlan};

fn open(phone: &mut Phone, id: u64, plan: VideoPlan) -> LocalMedia {
    let (input, output) = ("null".into(), "null".into());
    let command = MediaCommand::Open { local_ip: [127, 0, 0, 1].into(), input, output, ice: true };
    assert_eq!(phone.engine.command(SessionId(id), command), None);
    let local = match phone.wait(id, 20.0, |e| matches!(e, MediaEvent::Local(_))) {
        Some(MediaEvent::Local(local)) => local,
        other => panic!("{other:?}"),
    };
    phone.tell(id, MediaCommand::Video(plan));
    local
}

fn side(id: u64, local: &LocalMedia, codec: VideoCodec) -> LocalSide {
    let mut side = LocalSide::new(local.rtp, id, vec![CodecKind::Pcmu])
        .encrypted(Encryption::Off, local.seed.clone())
        .with_dtls(local.dtls.clone(), true);
    side.set_video(Direction::SendRecv, vec![codec]);
    side.ask_video();
    side
}

fn agree(a: &mut LocalSide, b: &mut LocalSide, want: Direction) -> (Negotiated, Negotiated) {
    let read = |text: &str| SessionDescription::parse(text.as_bytes()).unwrap();
    let (answer, at_b) = b.answer(&read(&a.offer(want)), Direction::SendRecv).unwrap();
    (a.accept(&read(&answer), want).unwrap(), at_b)
}

/// Two legs: the first has the source, the second the sink.
fn legs(phone: &mut Phone, source: String, sink: String, codec: VideoCodec) -> (LocalSide, LocalSide) {
    let name = "call".to_owned();
    let a = open(phone, 1, VideoPlan { source: Some(source), sink: None, name: name.clone() });
    let b = open(phone, 2, VideoPlan { source: None, sink: Some(sink), name });
    let (mut a, mut b) = (side(1, &a, codec), side(2, &b, codec));
    let (at_a, at_b) = agree(&mut a, &mut b, Direction::SendRecv);
    phone.tell(2, MediaCommand::Remote(at_b));
    phone.tell(1, MediaCommand::Remote(at_a));
    (a, b)
}

/// Frames with VP8's first bytes; each is different.
fn frames() -> Vec<Vec<u8>> {
    let frame = |n: u8| {
        let key = n.is_multiple_of(15);
        let mut bytes: Vec<u8> =
            (0..if key { 30_000 } else { 700 + u32::from(n) * 97 }).map(|b| (b as u8) ^ n).collect();
        bytes[..10].copy_from_slice(&[u8::from(!key), n, 0, 0x9d, 0x01, 0x2a, 0x40, 1, 0xf0, 0]);
        bytes
    };
    (0..45).map(frame).collect()
}

/// Of 1/30 s each.
fn write_ivf(path: &Path, frames: &[Vec<u8>]) {
    let mut bytes = b"DKIF\0\0\x20\0VP80\x40\x01\xf0\0".to_vec();
    bytes.extend([30, 0, 0, 0, 1, 0, 0, 0, 45, 0, 0, 0, 0, 0, 0, 0]);
    for (number, frame) in frames.iter().enumerate() {
        bytes.extend((frame.len() as u32).to_le_bytes());
        bytes.extend((number as u64).to_le_bytes());
        bytes.extend(frame);
    }
    std::fs::write(path, bytes).unwrap();
}

/// Times in ms, and frames.
fn read_ivf(path: &Path) -> Vec<(u64, Vec<u8>)> {
    let bytes = std::fs::read(path).unwrap();
    assert_eq!((&bytes[..4], &bytes[8..16]), (&b"DKIF"[..], &b"VP80\x40\x01\xf0\0"[..]));
    let (mut at, mut all) = (32, Vec::new());
    while at < bytes.len() {
        let length = u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
        let time = u64::from_le_bytes(bytes[at + 4..at + 12].try_into().unwrap());
        all.push((time, bytes[at + 12..at + 12 + length].to_vec()));
        at += 12 + length;
    }
    assert_eq!(u32::from_le_bytes(bytes[24..28].try_into().unwrap()) as usize, all.len());
    all
}

#[test]
fn a_file_goes_in_and_the_same_frames_come_out() {
    undisturbed(a_file_goes_in);
}

fn a_file_goes_in() {
    let dir = tempfile::tempdir().unwrap();
    let sent = frames();
    write_ivf(&dir.path().join("in.ivf"), &sent);
    let mut phone = Phone::new();
    let source = format!("file:{}", dir.path().join("in.ivf").display());
    let (mut a, mut b) = legs(&mut phone, source, format!("file:{}", dir.path().display()), VideoCodec::Vp8);
    let started = |e: &MediaEvent| matches!(e, MediaEvent::Video(VideoEvent::Started { .. }));
    assert!(phone.wait(2, 30.0, started).is_some(), "{:?}", phone.past);
    phone.pass(4.0);
    let (out, got) = (phone.report(1).video, phone.report(2).video);
    assert!(out.tx_packets > 150 && got.rx_packets > 150 && out.rx_packets == 0, "{out:?} {got:?}");
    // Held: nothing passes.
    let (at_a, at_b) = agree(&mut a, &mut b, Direction::Inactive);
    phone.tell(1, MediaCommand::Remote(at_a));
    phone.tell(2, MediaCommand::Remote(at_b));
    phone.pass(0.5);
    let held = phone.report(2).video.rx_packets;
    phone.pass(0.7);
    assert_eq!(phone.report(2).video.rx_packets, held);
    let (at_a, at_b) = agree(&mut a, &mut b, Direction::SendRecv);
    phone.tell(1, MediaCommand::Remote(at_a));
    phone.tell(2, MediaCommand::Remote(at_b));
    phone.pass(1.5);
    let stats = phone.report(2).video;
    assert!(stats.rx_packets > held + 30 && stats.rx_lost == 0, "{stats:?}");
    phone.tell(1, MediaCommand::Close);
    phone.tell(2, MediaCommand::Close);
    phone.pass(0.5);
    let got = read_ivf(&dir.path().join("call.ivf"));
    assert!(got.len() > 90, "{}", got.len());
    let place = |frame: &Vec<u8>| sent.iter().position(|other| other == frame).expect("a frame of the file, whole");
    let places: Vec<usize> = got.iter().map(|(_, frame)| place(frame)).collect();
    assert_eq!(places[0] % 15, 0, "it begins with a key frame");
    // One after the other, but at the end of the file, after the hold, and where a key frame was asked for.
    let jumps = places.windows(2).filter(|pair| pair[1] != (pair[0] + 1) % 45).count();
    assert!(jumps <= 4, "{places:?}");
    assert!(places.windows(2).all(|pair| pair[1] == (pair[0] + 1) % 45 || pair[1] % 15 == 0), "{places:?}");
    let steps = got.windows(2).filter(|pair| (32..=35).contains(&(pair[1].0 - pair[0].0))).count();
    assert!(steps + 8 > got.len(), "30 frames a second: {:?}", got.iter().map(|(time, _)| time).collect::<Vec<_>>());
}

/// Two ports, one above the other: RTP, RTCP.
fn ports() -> (UdpSocket, UdpSocket) {
    for _ in 0..100 {
        let rtp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let above = rtp.local_addr().unwrap().port().saturating_add(1);
        if let Ok(rtcp) = UdpSocket::bind(("127.0.0.1", above)) {
            for socket in [&rtp, &rtcp] {
                socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
            }
            return (rtp, rtcp);
        }
    }
    panic!("no two ports");
}

#[test]
fn a_port_goes_in_and_a_port_comes_out() {
    for (codec, number) in [(VideoCodec::Vp8, 96), (VideoCodec::H264, 97)] {
        let (camera, asked) = ports();
        let (screen, _) = ports();
        let free = ports().0.local_addr().unwrap();
        let mut phone = Phone::new();
        let sink = format!("rtp:{}", screen.local_addr().unwrap());
        legs(&mut phone, format!("rtp:{free}"), sink, codec);
        let connected = |e: &MediaEvent| matches!(e, MediaEvent::Path(facts) if facts.dtls == "connected");
        for id in [1, 2] {
            let before = phone.past.iter().any(|(who, e)| *who == SessionId(id) && connected(e));
            assert!(before || phone.wait(id, 30.0, connected).is_some(), "{:?}", phone.past);
        }
        phone.pass(0.5);
        let mut got: Vec<(Header, Vec<u8>)> = Vec::new();
        for n in 0..40u16 {
            // no beginning of a key frame: one has to be asked for
            let payload: Vec<u8> = [&[0x10, 0x01][..], &[n as u8; 1_100]].concat();
            let mut packet = vec![0; HEADER + payload.len()];
            let (marker, timestamp) = (n % 4 == 3, 1_000 + u32::from(n / 4) * 3_000);
            let header = Header { marker, payload_type: 120, seq: 65_530u16.wrapping_add(n), timestamp, ssrc: 5 };
            rtp::write(&header, packet.first_chunk_mut().unwrap());
            packet[HEADER..].copy_from_slice(&payload);
            camera.send_to(&packet, free).unwrap();
            let mut bytes = [0; 2_048];
            let (length, _) = screen.recv_from(&mut bytes).expect("it comes through");
            let (header, payload) = rtp::read(&bytes[..length]).unwrap();
            got.push((header, payload.to_vec()));
        }
        let (first, _) = got[0];
        for (n, (header, payload)) in got.iter().enumerate() {
            let timestamp = first.timestamp.wrapping_add(n as u32 / 4 * 3_000);
            let (marker, seq) = (n % 4 == 3, first.seq.wrapping_add(n as u16));
            assert_eq!(*header, Header { marker, payload_type: number, seq, timestamp, ssrc: first.ssrc });
            assert_eq!(payload[2..], [n as u8; 1_100], "as it was sent");
        }
        assert_ne!(first.ssrc, 5);
        let mut bytes = [0; 100];
        let (length, from) = asked.recv_from(&mut bytes).expect("a key frame is asked for");
        assert_eq!((length, from), (20, free));
        assert_eq!((bytes[8..10].to_vec(), bytes[16..20].to_vec()), (vec![0x81, 206], vec![0, 0, 0, 5]), "PLI");
    }
}

#[test]
fn what_is_not_there_costs_the_video_only() {
    let mut phone = Phone::new();
    let dir = tempfile::tempdir().unwrap();
    let sink = format!("file:{}", dir.path().display());
    legs(&mut phone, "file:/nowhere/x.ivf".into(), sink, VideoCodec::Vp8);
    let failed =
        |e: &MediaEvent| matches!(e, MediaEvent::Video(VideoEvent::Failed(why)) if why.contains("/nowhere/x.ivf"));
    assert!(phone.wait(1, 10.0, failed).is_some(), "{:?}", phone.past);
    let started = |e: &MediaEvent| matches!(e, MediaEvent::Started { .. });
    assert!(phone.past.iter().any(|(_, e)| started(e)) || phone.wait(2, 20.0, started).is_some());
    phone.tell(1, MediaCommand::Close);
    phone.tell(2, MediaCommand::Close);
    phone.pass(0.3);
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "no video, no file");
}
