//! With coturn in between: two engines that tell nobody their own addresses hear each other over the relay, and the report says so;
//! a server that refuses the password costs no call.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test meets the clock and the system")]

mod common;
mod media_support;

use std::net::{TcpStream, UdpSocket};
use std::process::Command;

use common::process::Process;
use common::wait::{free_port, secs, until};
use media_support::{Phone, amplitude, finished};
use phoned::media::{IceConfig, MediaConfig, TurnServer};
use phoned::sdp::{CodecKind, Direction, Encryption, LocalSide, SessionDescription};
use phoned::ua::io::SessionId;
use phoned::ua::media::{LocalMedia, MediaCommand, MediaEvent};
use phoned::ua::settings::Secret;

/// A TURN server on loopback with one user, alice; one for TCP takes no UDP.
fn coturn(dir: &tempfile::TempDir, tcp: bool) -> (Process, u16) {
    let port = free_port();
    let mut command = Command::new("turnserver");
    command.args([
        "-n",
        "--no-cli",
        "--no-tls",
        "--no-dtls",
        "--allow-loopback-peers",
        "--lt-cred-mech",
        "--log-file",
        "stdout",
    ]);
    command.args([
        "--listening-ip",
        "127.0.0.1",
        "--relay-ip",
        "127.0.0.1",
        "--realm",
        "pbx.test",
        "--user",
        "alice:wonder",
    ]);
    command.args(["--listening-port", &port.to_string(), "--min-port", "40000", "--max-port", "45000"]);
    command.arg("--pidfile").arg(dir.path().join("pid")).arg("--userdb").arg(dir.path().join("db"));
    if tcp {
        command.arg("--no-udp");
    }
    let process = Process::start("coturn", &mut command, &dir.path().join("turn.log"));
    if tcp {
        until("coturn takes connections", secs(20), || TcpStream::connect(("127.0.0.1", port)).ok());
        return (process, port);
    }
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(secs(1) / 5)).unwrap();
    let binding = [&[0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42][..], &[1; 12]].concat();
    until("coturn answers", secs(20), || {
        socket.send_to(&binding, ("127.0.0.1", port)).unwrap();
        socket.recv(&mut [0; 500]).ok()
    });
    (process, port)
}

fn open(phone: &mut Phone, id: u64, input: &str, output: &str) -> LocalMedia {
    let (input, output) = (input.to_owned(), output.to_owned());
    let command = MediaCommand::Open { local_ip: [127, 0, 0, 1].into(), input, output, ice: true };
    assert_eq!(phone.engine.command(SessionId(id), command), None);
    match phone.wait(id, 20.0, |e| matches!(e, MediaEvent::Local(_))) {
        Some(MediaEvent::Local(local)) => local,
        other => panic!("{other:?}"),
    }
}

fn with(port: u16, tcp: bool, password: &str, relay_only: bool) -> Phone {
    let turn = TurnServer {
        address: format!("127.0.0.1:{port}"),
        tcp,
        username: "alice".into(),
        password: Secret::new(password),
    };
    let ice = IceConfig { turn: vec![turn], relay_only, ..IceConfig::default() };
    Phone::with(MediaConfig { ice, ..MediaConfig::default() })
}

#[test]
fn a_relay_carries_what_has_no_other_way() {
    a_relay(false);
}

#[test]
fn a_relay_that_is_reached_by_tcp() {
    a_relay(true);
}

fn a_relay(tcp: bool) {
    let dir = tempfile::tempdir().unwrap();
    let (_coturn, port) = coturn(&dir, tcp);
    let mut phone = with(port, tcp, "wonder", true);
    let file = |name: &str| format!("file:{}", dir.path().join(name).display());
    let mut sides = Vec::new();
    for (id, hz) in [(1, 440), (2, 700)] {
        let local = open(&mut phone, id, &format!("tone:{hz}"), &file(&format!("{id}.wav")));
        let ice = local.dtls.ice.clone().unwrap();
        assert!(ice.candidates.iter().all(|c| c.contains(" typ relay ")), "{ice:?}");
        assert!((40_000..=45_000).contains(&ice.default.port()), "the relay is the default: {ice:?}");
        let side = LocalSide::new(local.rtp, id, vec![CodecKind::Pcmu]);
        sides.push(side.encrypted(Encryption::Off, local.seed.clone()).with_dtls(local.dtls.clone(), true));
    }
    let read = |text: &str| SessionDescription::parse(text.as_bytes()).unwrap();
    let offer = sides[0].offer(Direction::SendRecv);
    let (answer, at_b) = sides[1].answer(&read(&offer), Direction::SendRecv).unwrap();
    let at_a = sides[0].accept(&read(&answer), Direction::SendRecv).unwrap();
    phone.tell(2, MediaCommand::Remote(at_b));
    phone.tell(1, MediaCommand::Remote(at_a));
    for id in [1, 2] {
        let done = |e: &MediaEvent| matches!(e, MediaEvent::Path(f) if f.dtls == "connected" && f.result == "turn");
        let seen = phone.past.iter().any(|(who, e)| *who == SessionId(id) && done(e));
        assert!(seen || phone.wait(id, 30.0, done).is_some(), "{id}: {:?}", phone.past);
    }
    phone.pass(2.5);
    phone.tell(1, MediaCommand::Close);
    phone.tell(2, MediaCommand::Close);
    phone.pass(0.3);
    for (name, hz) in [("1.wav", 700.0), ("2.wav", 440.0)] {
        let (pcm, rate) = finished(&dir.path().join(name));
        assert!(amplitude(&pcm[pcm.len() - rate as usize..], rate, hz) > 2_000.0, "{name}");
    }
}

#[test]
fn a_server_that_refuses_costs_no_call() {
    let dir = tempfile::tempdir().unwrap();
    let (_coturn, port) = coturn(&dir, false);
    // One that knows another password, by UDP and by TCP, and one that is not there.
    for (port, tcp) in [(port, false), (port, true), (free_port(), true)] {
        let mut phone = with(port, tcp, "wrong", false);
        let begin = std::time::Instant::now();
        let local = open(&mut phone, 1, "null", "null");
        // Addresses are searched for 2 s.
        assert!(begin.elapsed() < secs(6), "{:?}", begin.elapsed());
        assert_eq!(local.dtls.ice.unwrap().candidates.len(), 1);
    }
}
