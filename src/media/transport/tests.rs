//! Two transports on loopback, each with a certificate of its own; their descriptions are those that go over the wire.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::*;
use crate::media::ice::Servers;
use crate::media::ports;
use crate::sdp::{CodecKind, Direction, KeySeed, LocalDtls, LocalSide, SessionDescription};

const PORTS: RangeInclusive<u16> = 30_000..=39_998;

/// One end of a call.
struct End {
    transport: Transport,
    local: LocalSide,
    inbox: Inbox,
    identity: Arc<Identity>,
    heard: Vec<(u32, u16)>,
    reports: usize,
    facts: PathFacts,
    broken: Option<String>,
    id: u64,
}

fn now() -> u64 {
    clock::mono_ns() / 1_000
}

impl End {
    fn new(id: u64, ice: bool) -> End {
        End::with(id, ice, &Servers::default(), [127, 0, 0, 1].into())
    }

    fn with(id: u64, ice: bool, servers: &Servers, ip: std::net::IpAddr) -> End {
        let mut next = 30_000 + (std::process::id() as u16 % 2_000) * 4 + id as u16 * 2;
        let ports = ports::bind(ip, &PORTS, &mut next, 0).unwrap();
        let rtp = ports.local;
        let identity = Arc::new(Identity::new().unwrap());
        let search = ice.then(|| Box::new(Search::new(clock::instant(), rtp, servers).unwrap()));
        let mut end = End {
            transport: Transport::new(ports, search, identity.clone()),
            local: LocalSide::new(rtp, id, vec![CodecKind::Pcmu]),
            inbox: Inbox::default(),
            identity,
            heard: Vec::new(),
            reports: 0,
            facts: PathFacts::default(),
            broken: None,
            id,
        };
        let mut gathered = None;
        let end_of_patience = now() + 6_000_000;
        while ice && gathered.is_none() {
            assert!(now() < end_of_patience, "gathering lasts longer than 6 s");
            end.transport.tick(now(), &mut |news| {
                if let News::Gathered(local) = news {
                    gathered = Some(local);
                }
            });
            end.listen();
            std::thread::sleep(Duration::from_millis(5));
        }
        let fingerprint = end.identity.fingerprint.to_string();
        let dtls = LocalDtls { fingerprint, ice: gathered };
        end.local =
            end.local.encrypted(crate::sdp::Encryption::Off, KeySeed::new([id as u8; 32])).with_dtls(dtls, true);
        end
    }

    fn listen(&mut self) {
        let times = Times { now: now(), wall_offset: clock::wall_offset_ns() };
        let (heard, reports) = (&mut self.heard, &mut self.reports);
        self.transport.receive(times, &mut self.inbox, true, &mut |_, packet| match packet {
            Packet::Rtp(header, _) => heard.push((header.ssrc, header.seq)),
            Packet::Control(_) => *reports += 1,
        });
    }

    fn step(&mut self) {
        let (facts, broken) = (&mut self.facts, &mut self.broken);
        self.transport.tick(now(), &mut |news| match news {
            News::Path(path) => *facts = path,
            News::Broken(reason) => assert!(broken.replace(reason).is_none(), "told twice"),
            News::Gathered(_) => panic!("gathered twice"),
        });
        self.listen();
    }

    fn say(&mut self, ssrc: u32, seq: u16) {
        let header = Header { marker: false, payload_type: 0, seq, timestamp: 160 * u32::from(seq), ssrc };
        let mut packet = [0xd5; 172];
        rtp::write(&header, packet.first_chunk_mut().unwrap());
        self.transport.send(&packet);
    }

    fn report(&mut self) {
        self.transport.send_control(&[0x80, 201, 0, 1, 0, 0, 0, self.id as u8]);
    }

    fn ready(&self) -> bool {
        self.facts.dtls == "connected"
    }

    fn renew(&mut self, negotiated: &Negotiated) {
        self.transport.renew(now(), negotiated).unwrap();
    }
}

/// Both tick until it is so; false after `seconds`.
fn until(seconds: f64, ends: &mut [&mut End], done: impl Fn(&[&mut End]) -> bool) -> bool {
    let end = now() + (seconds * 1e6) as u64;
    while !done(ends) {
        if now() > end {
            return false;
        }
        ends.iter_mut().for_each(|end| end.step());
        std::thread::sleep(Duration::from_millis(5));
    }
    true
}

/// An offer of `a`'s and its answer, each through `change` as through a middle box.
fn agree(a: &mut End, b: &mut End, change: impl Fn(String) -> String) -> (String, String) {
    let read = |text: &str| SessionDescription::parse(text.as_bytes()).unwrap();
    let offer = change(a.local.offer(Direction::SendRecv));
    let (answer, at_b) = b.local.answer(&read(&offer), Direction::SendRecv).unwrap();
    let answer = change(answer);
    let at_a = a.local.accept(&read(&answer), Direction::SendRecv).unwrap();
    b.renew(&at_b);
    a.renew(&at_a);
    (offer, answer)
}

fn connect(a: &mut End, b: &mut End) {
    assert!(until(20.0, &mut [a, b], |ends| ends.iter().all(|end| end.ready())), "{:?} {:?}", a.facts, b.facts);
}

/// Both hear what the other says from now on.
fn talk(a: &mut End, b: &mut End, seq: u16) {
    let before = (a.heard.len(), b.heard.len());
    for n in 0..5 {
        a.say(1, seq + n);
        b.say(2, seq + n);
        a.report();
        b.report();
        until(0.02, &mut [a, b], |_| false);
    }
    assert!(until(20.0, &mut [a, b], |e| e[0].heard.len() >= before.0 + 5 && e[1].heard.len() >= before.1 + 5), "talk");
    assert!(a.reports > 0 && b.reports > 0);
}

#[test]
fn a_path_is_found_and_packets_pass_both_ways() {
    let (mut a, mut b) = (End::new(1, true), End::new(2, true));
    a.say(1, 1); // nothing passes before the handshake
    let (offer, answer) = agree(&mut a, &mut b, |text| text);
    assert!(offer.contains("UDP/TLS/RTP/SAVPF") && offer.contains("a=setup:actpass"), "{offer}");
    assert!(answer.contains("a=setup:active") && answer.contains("a=group:BUNDLE 0"), "{answer}");
    connect(&mut a, &mut b);
    talk(&mut a, &mut b, 1);
    assert_eq!(a.facts.ice, Some(("host".into(), "host".into())));
    assert_eq!((a.facts.result.as_str(), a.facts.srtp.as_deref()), ("local", Some("AEAD_AES_128_GCM")));
    // What is held, resumed and asked again keeps path and keys.
    let before = (a.facts.clone(), b.facts.clone());
    agree(&mut a, &mut b, |text| text.replace("a=sendrecv", "a=inactive"));
    agree(&mut b, &mut a, |text| text);
    talk(&mut a, &mut b, 100);
    assert_eq!((a.facts, b.facts), before);
}

#[test]
fn over_ipv6() {
    let ip = std::net::Ipv6Addr::LOCALHOST.into();
    let (mut a, mut b) = (End::with(57, true, &Servers::default(), ip), End::with(58, true, &Servers::default(), ip));
    let (offer, _) = agree(&mut a, &mut b, |text| text);
    assert!(offer.contains("c=IN IP6 ::1") && offer.contains(" ::1 "), "{offer}");
    connect(&mut a, &mut b);
    talk(&mut a, &mut b, 1);
}

#[test]
fn another_ssrc_is_heard() {
    let (mut a, mut b) = (End::new(3, true), End::new(4, true));
    agree(&mut a, &mut b, |text| text);
    connect(&mut a, &mut b);
    for ssrc in [10, 11, 12] {
        a.say(ssrc, 500);
        assert!(until(20.0, &mut [&mut a, &mut b], |e| e[1].heard.contains(&(ssrc, 500))), "{ssrc}");
    }
}

#[test]
fn who_begins_is_as_the_peer_wants_it() {
    for (id, setup) in [(5, "active"), (7, "passive")] {
        let (mut a, mut b) = (End::new(id, true), End::new(id + 1, true));
        let (_, answer) = agree(&mut a, &mut b, |text| text.replace("setup:actpass", &format!("setup:{setup}")));
        let other = if setup == "active" { "passive" } else { "active" };
        assert!(answer.contains(&format!("a=setup:{other}")), "{answer}");
        connect(&mut a, &mut b);
        talk(&mut a, &mut b, 1);
    }
}

#[test]
fn descriptions_as_other_peers_write_them() {
    let upper = |text: String| text.replace("sha-256", "SHA-256");
    let unnamed = |text: String| {
        let keep = |line: &&str| {
            !line.starts_with("a=mid:") && !line.starts_with("a=group:") && !line.starts_with("a=rtpmap:0")
        };
        text.lines().filter(keep).map(|line| format!("{line}\r\n")).collect::<String>()
    };
    let no_direction = |text: String| text.replace("a=sendrecv\r\n", "");
    let strange = |text: String| {
        let extra = "a=candidate:9 1 udp 1 gw.example.invalid 9 typ host\r\na=candidate:9 1 udp 1 fe80::1%x 9 typ host\r\n\
                     a=candidate:9 2 udp 1 127.0.0.1 9 typ host\r\na=candidate:x\r\na=ice-ufrag:";
        text.replace("a=ice-ufrag:", extra)
    };
    let session_level = |text: String| {
        let of_session = |line: &&str| {
            line.starts_with("a=fingerprint") || line.starts_with("a=setup") || line.starts_with("a=ice-")
        };
        let lines: Vec<&str> = text.lines().filter(of_session).collect();
        let rest = text.lines().filter(|line| !of_session(line)).collect::<Vec<_>>().join("\r\n");
        rest.replace("t=0 0", &format!("t=0 0\r\n{}", lines.join("\r\n"))) + "\r\n"
    };
    let no_candidates = |text: String| {
        text.lines()
            .filter(|line| !line.starts_with("a=candidate"))
            .map(|line| format!("{line}\r\n"))
            .collect::<String>()
    };
    let changes: BTreeMap<&str, Box<dyn Fn(String) -> String>> = [
        ("upper case hash", Box::new(upper) as Box<dyn Fn(String) -> String>),
        ("no mid, no group, no rtpmap", Box::new(unnamed)),
        ("no direction", Box::new(no_direction)),
        ("candidates that nobody can use", Box::new(strange)),
        ("all at session level", Box::new(session_level)),
    ]
    .into();
    for (n, (name, change)) in changes.into_iter().enumerate() {
        let (mut a, mut b) = (End::new(20 + 2 * n as u64, true), End::new(21 + 2 * n as u64, true));
        let (_, answer) = agree(&mut a, &mut b, &change);
        assert_eq!(answer.contains("a=mid:"), name != "no mid, no group, no rtpmap", "{name}: {answer}");
        connect(&mut a, &mut b);
        talk(&mut a, &mut b, 1);
    }
    // One side without any address: the other finds it by its checks.
    let (mut a, mut b) = (End::new(40, true), End::new(41, true));
    let offer = no_candidates(a.local.offer(Direction::SendRecv));
    let (answer, at_b) =
        b.local.answer(&SessionDescription::parse(offer.as_bytes()).unwrap(), Direction::SendRecv).unwrap();
    b.renew(&at_b);
    let at_a = a.local.accept(&SessionDescription::parse(answer.as_bytes()).unwrap(), Direction::SendRecv).unwrap();
    a.renew(&at_a);
    connect(&mut a, &mut b);
    talk(&mut a, &mut b, 1);
    assert_eq!(b.facts.ice, Some(("host".into(), "prflx".into())));
}

#[test]
fn a_lite_peer_is_checked_by_us() {
    let (mut a, mut b) = (End::new(42, true), End::new(43, true));
    let read = |text: &str| SessionDescription::parse(text.as_bytes()).unwrap();
    let offer = a.local.offer(Direction::SendRecv).replace("t=0 0\r\n", "t=0 0\r\na=ice-lite\r\n");
    let (answer, at_b) = b.local.answer(&read(&offer), Direction::SendRecv).unwrap();
    assert!(at_b.ice.as_ref().is_some_and(|ice| ice.lite && ice.controlling));
    let mut at_a = a.local.accept(&read(&answer), Direction::SendRecv).unwrap();
    // The lite side makes no checks of its own and is controlled.
    let ice = at_a.ice.as_mut().unwrap();
    (ice.controlling, ice.candidates) = (false, Vec::new());
    b.renew(&at_b);
    a.renew(&at_a);
    connect(&mut a, &mut b);
    talk(&mut a, &mut b, 1);
}

#[test]
fn a_certificate_that_was_not_named_is_refused() {
    let (mut a, mut b) = (End::new(44, true), End::new(45, true));
    let wrong = "00:".repeat(31) + "00";
    let change = |text: String| {
        let keep = |line: &str| match line.starts_with("a=fingerprint") {
            true => format!("a=fingerprint:sha-256 {wrong}\r\n"),
            false => format!("{line}\r\n"),
        };
        text.lines().map(keep).collect::<String>()
    };
    agree(&mut a, &mut b, change);
    let begin = now();
    assert!(until(30.0, &mut [&mut a, &mut b], |e| e.iter().all(|end| end.broken.is_some())), "both are told");
    assert!(now() - begin < 30_000_000);
    let reasons = format!("{:?} {:?}", a.broken, b.broken);
    assert!(reasons.contains("certificate is not the one"), "{reasons}");
    a.say(1, 1);
    b.say(2, 1);
    until(0.2, &mut [&mut a, &mut b], |_| false);
    assert!(a.heard.is_empty() && b.heard.is_empty());
}

#[test]
fn a_peer_that_does_not_answer_is_given_up() {
    let (mut a, mut b) = (End::new(46, true), End::new(47, true));
    agree(&mut a, &mut b, |text| text);
    let begin = now();
    assert!(until(30.0, &mut [&mut a], |e| e[0].broken.is_some()));
    let lasted = now() - begin;
    assert!((9_500_000..30_000_000).contains(&lasted), "{lasted}");
    assert!(a.broken.as_deref().is_some_and(|reason| reason.contains("no path")), "{:?}", a.broken);
}

#[test]
fn a_new_certificate_on_a_new_path_takes_over() {
    let (mut a, mut b, mut c) = (End::new(48, true), End::new(49, true), End::new(50, true));
    agree(&mut a, &mut b, |text| text);
    connect(&mut a, &mut b);
    talk(&mut a, &mut b, 1);
    // A middle box puts C in B's place: its offer comes in the same dialog.
    let before = a.local.clone();
    agree(&mut c, &mut a, |text| text);
    assert_ne!(before, a.local);
    a.facts.dtls.clear();
    connect(&mut a, &mut c);
    talk(&mut a, &mut c, 200);
    let heard = a.heard.len();
    b.say(2, 900);
    until(0.3, &mut [&mut a, &mut b, &mut c], |_| false);
    assert_eq!(a.heard.len(), heard, "who was replaced is not heard");
}

#[test]
fn a_dead_server_is_not_waited_for() {
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let servers = Servers { stun: vec![silent.local_addr().unwrap()], ..Servers::default() };
    let begin = now();
    let mut a = End::with(51, true, &servers, [127, 0, 0, 1].into());
    let lasted = now() - begin;
    assert!((1_900_000..6_000_000).contains(&lasted), "{lasted}");
    let mut b = End::new(52, true);
    agree(&mut a, &mut b, |text| text);
    connect(&mut a, &mut b);
}

#[test]
fn dtls_works_without_ice() {
    let (mut a, mut b) = (End::new(53, false), End::new(54, false));
    let change = |text: String| text.replace("RTP/AVP", "UDP/TLS/RTP/SAVP");
    let print = a.identity.fingerprint.to_string();
    let offer = change(a.local.offer(Direction::SendRecv)) + &format!("a=fingerprint:{print}\r\na=setup:actpass\r\n");
    let read = |text: &str| SessionDescription::parse(text.as_bytes()).unwrap();
    let (answer, at_b) = b.local.answer(&read(&offer), Direction::SendRecv).unwrap();
    assert!(
        answer.contains("UDP/TLS/RTP/SAVP ") && answer.contains("a=setup:active") && !answer.contains("ice"),
        "{answer}"
    );
    let (prints, role) = (vec![b.identity.fingerprint.clone()], crate::sdp::DtlsRole::Server);
    let dtls = crate::sdp::Dtls { fingerprints: prints, role, tls_id: None, association: 1 };
    let at_a = Negotiated { protection: Protection::Dtls(dtls), remote_rtp: b.local.rtp, ..at_b.clone() };
    b.renew(&at_b);
    a.renew(&at_a);
    connect(&mut a, &mut b);
    talk(&mut a, &mut b, 1);
}

/// Each call connects, and nobody hears a stranger: 100 of 100 (`make soak`), three of three else.
#[test]
fn strangers_are_not_heard_and_stop_nothing() {
    let rounds = if std::env::var_os("PHONED_SOAK").is_some() { 100 } else { 3 };
    (0..rounds).for_each(a_call_among_strangers);
}

fn a_call_among_strangers(round: u64) {
    let (mut a, mut b) = (End::new(60 + 2 * round, true), End::new(61 + 2 * round, true));
    agree(&mut a, &mut b, |text| text);
    let stranger = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let to = a.local.rtp;
    // A hello of DTLS, a check without the password, RTP in clear.
    let hello = [&[22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 50, 1][..], &[0; 49]].concat();
    let check = [&[0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42][..], &[7; 12]].concat();
    let clear = [&[0x80, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2][..], &[0xd5; 160]].concat();
    for _ in 0..50 {
        for packet in [&hello, &check, &clear] {
            stranger.send_to(packet, to).unwrap();
        }
        until(0.01, &mut [&mut a, &mut b], |_| false);
    }
    connect(&mut a, &mut b);
    talk(&mut a, &mut b, 1);
    assert!(a.heard.iter().all(|(ssrc, _)| *ssrc == 2) && a.transport.foreign() >= 100);
}
