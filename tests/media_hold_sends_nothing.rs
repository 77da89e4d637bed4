//! A gate or a direction that does not send stops all RTP, while RTCP goes on; afterwards the sequence goes on, the timestamp has followed the
//! clock and the marker is set. What may not be heard is not played, and silence of the peer is told.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test")]

mod media_support;

use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use media_support::{Peer, Phone, amplitude, finished, negotiated, peak, undisturbed};
use phoned::sdp::{CodecKind, Direction};
use phoned::ua::media::{MediaCommand, MediaEvent};

#[test]
fn hold_stops_rtp_and_resumes_it() {
    undisturbed(hold_stops_rtp);
}

fn hold_stops_rtp() {
    let (mut phone, peer) = (Phone::new(), Peer::new(1));
    let control = UdpSocket::bind("127.0.0.1:0").unwrap();
    control.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    phone.open(1, "tone:440", "null");
    let mut plan = negotiated(peer.addr(), CodecKind::Pcmu);
    plan.remote_rtcp = control.local_addr().unwrap();
    phone.tell(1, MediaCommand::Remote(plan.clone()));
    let first = peer.recv().unwrap().0;
    assert!(first.marker);
    std::thread::sleep(Duration::from_millis(300));
    let held = Instant::now();
    phone.tell(1, MediaCommand::Gate(Direction::Inactive));
    phone.report(1); // the gate is closed before it is answered
    std::thread::sleep(Duration::from_millis(30));
    let last = peer.flush().last().unwrap().0;
    std::thread::sleep(Duration::from_millis(500));
    assert!(peer.flush().is_empty(), "nothing is sent");
    assert!(control.recv_from(&mut [0; 500]).is_ok(), "RTCP goes on");
    phone.tell(1, MediaCommand::Gate(Direction::SendRecv));
    let again = peer.recv().unwrap().0;
    assert_eq!((again.marker, again.seq), (true, last.seq + 1));
    let pause = again.timestamp.wrapping_sub(last.timestamp);
    let most = held.elapsed().as_millis() as u32 + 200;
    assert!((8 * 450..8 * most).contains(&pause), "{pause}");
    let second = peer.recv().unwrap().0;
    assert_eq!(
        (second.marker, second.seq, second.timestamp),
        (false, again.seq + 1, again.timestamp.wrapping_add(160))
    );
    plan.direction = Direction::RecvOnly;
    phone.tell(1, MediaCommand::Remote(plan));
    phone.report(1);
    std::thread::sleep(Duration::from_millis(30));
    peer.flush();
    std::thread::sleep(Duration::from_millis(200));
    assert!(peer.flush().is_empty(), "recvonly sends nothing either");
}

#[test]
fn what_may_not_be_heard_is_not_played() {
    undisturbed(what_may_not_be_heard);
}

fn what_may_not_be_heard() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("heard.wav");
    let (mut phone, mut peer) = (Phone::new(), Peer::new(1));
    let local = phone.open(1, "null", &format!("file:{}", path.display()));
    phone.tell(1, MediaCommand::Remote(negotiated(peer.addr(), CodecKind::Pcmu)));
    phone.tell(1, MediaCommand::Gate(Direction::SendOnly));
    peer.play(local.rtp, 440.0, 40);
    phone.tell(1, MediaCommand::Gate(Direction::SendRecv));
    peer.play(local.rtp, 440.0, 40);
    phone.tell(1, MediaCommand::Close);
    phone.pass(0.2);
    let (pcm, rate) = finished(&path);
    assert!(peak(&pcm[..rate as usize * 7 / 10]) == 0, "held");
    assert!(amplitude(&pcm[rate as usize..rate as usize * 14 / 10], rate, 440.0) > 5_000.0, "then heard");
}

#[test]
fn silence_of_the_network_is_told_and_its_end_too() {
    let (mut phone, mut peer) = (Phone::new(), Peer::new(1));
    let local = phone.open(1, "null", "null");
    let begun = Instant::now();
    phone.tell(1, MediaCommand::Remote(negotiated(peer.addr(), CodecKind::Pcmu)));
    assert!(phone.wait(1, 10.0, |e| *e == MediaEvent::Flow { stalled: true }).is_some());
    assert!((1.95..6.0).contains(&begun.elapsed().as_secs_f64()), "{:?}", begun.elapsed());
    assert!(phone.report(1).one_way);
    peer.play(local.rtp, 440.0, 2);
    assert!(phone.wait(1, 10.0, |e| *e == MediaEvent::Flow { stalled: false }).is_some());
    assert!(!phone.report(1).one_way);
    assert!(phone.past.iter().any(|(_, e)| *e == MediaEvent::Started { ssrc: 1 }));
}

#[test]
fn an_engine_without_room_says_so() {
    let phone = Phone::new();
    let nowhere: SocketAddr = "192.0.2.1:4000".parse().unwrap();
    let open = MediaCommand::Open { local_ip: nowhere.ip(), input: "null".into(), output: "null".into(), ice: false };
    let answer = phone.engine.command(phoned::ua::io::SessionId(9), open);
    assert!(matches!(&answer, Some(MediaEvent::Failed(why)) if why.contains("no RTP port")), "{answer:?}");
    let answer = phone.engine.command(phoned::ua::io::SessionId(9), MediaCommand::Mute(true));
    assert_eq!(answer, Some(MediaEvent::Failed("no such session".into())));
    let one = phone.open(1, "null", "file:/nowhere/at/all.wav");
    assert_eq!(one.rtp.port() % 2, 0);
    let plan = MediaCommand::Remote(negotiated(one.rtp, CodecKind::Pcmu));
    let answer = phone.engine.command(phoned::ua::io::SessionId(1), plan);
    assert!(matches!(answer, Some(MediaEvent::Failed(_))), "a device that is not there is told: {answer:?}");
}
