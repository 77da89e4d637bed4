//! The peers themselves, without phoned: Kamailio takes registrations with MD5 and SHA-256 challenges, two baresip call each other
//! through it and hear each other's tone and keys, SIPp runs its scenarios against itself. What fails here is not phoned's fault.

mod common;

use common::agent::Agent;
use common::baresip::{Baresip, Setup as Phone};
use common::kamailio::{DOMAIN, Kamailio, Setup, password};
use common::sipp::{Run, Sipp};
use common::tone;

fn phone(kamailio: &Kamailio, user: &str, hz: u32, auto_answer: bool) -> Baresip {
    Baresip::start(&Phone { hz, auto_answer, ..Phone::new(user, DOMAIN, &password(user), &kamailio.uri()) })
}

#[test]
fn two_baresip_talk_through_kamailio() {
    let kamailio = Kamailio::start(&Setup::users(&["alice", "bob"]));
    let mut alice = phone(&kamailio, "alice", 440, false);
    let mut bob = phone(&kamailio, "bob", 700, false);
    alice.dial("sip:bob@pbx.test");
    bob.event("CALL_INCOMING");
    bob.accept();
    alice.event("CALL_ESTABLISHED");
    alice.hears(700.0);
    bob.hears(440.0);
    alice.press("5#");
    assert_eq!(bob.event("CALL_DTMF_START")["param"], "5");
    assert_eq!(bob.event("CALL_DTMF_START")["param"], "#");
    alice.hangup();
    bob.event("CALL_CLOSED");
    assert!(kamailio.log().contains("request INVITE from alice via udp"));
}

#[test]
fn baresip_plays_and_hears_opus_over_tcp() {
    let kamailio = Kamailio::start(&Setup::users(&["alice", "bob"]));
    let proxy = format!("{};transport=tcp", kamailio.uri());
    let opus = |user: &str, hz, auto_answer| {
        Baresip::start(&Phone { hz, auto_answer, codec: "opus", ..Phone::new(user, DOMAIN, &password(user), &proxy) })
    };
    let bob = opus("bob", 700, true);
    let mut alice = opus("alice", 440, false);
    alice.dial("sip:bob@pbx.test;transport=tcp");
    alice.event("CALL_ESTABLISHED");
    alice.hears(700.0);
    bob.hears(440.0);
    assert!(kamailio.log().contains("request REGISTER from alice via tcp"));
}

#[test]
fn kamailio_challenges_with_sha256() {
    let kamailio = Kamailio::start(&Setup { sha256: true, ..Setup::users(&["alice"]) });
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(common::wait::secs(20))).unwrap();
    let me = socket.local_addr().unwrap();
    let register = format!(
        "REGISTER sip:{DOMAIN} SIP/2.0\r\nVia: SIP/2.0/UDP {me};branch=z9hG4bKr1;rport\r\nFrom: <sip:alice@{DOMAIN}>;tag=1\r\nTo: <sip:alice@{DOMAIN}>\r\n\
         Call-ID: r1\r\nCSeq: 1 REGISTER\r\nContact: <sip:alice@{me}>\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
    );
    socket.send_to(register.as_bytes(), ("127.0.0.1", kamailio.port)).unwrap();
    let mut bytes = [0; 4096];
    let n = socket.recv(&mut bytes).unwrap();
    let answer = String::from_utf8_lossy(&bytes[..n]).to_string();
    assert!(answer.starts_with("SIP/2.0 401") && answer.contains("SHA-256"), "{answer}");
}

#[test]
fn sipp_calls_sipp_through_kamailio() {
    let uas = Sipp::start("uas_record_route", &Run::default());
    let mut setup = Setup::users(&["alice"]);
    setup.open.push("sipp".into());
    setup.routes.push(("callee".into(), format!("127.0.0.1:{}", uas.port)));
    let kamailio = Kamailio::start(&setup);
    let uac = Sipp::start(
        "uac_route",
        &Run { target: format!("127.0.0.1:{}", kamailio.port), service: "callee".into(), ..Run::default() },
    );
    uac.passes();
    assert!(uas.passes().contains("Record-Route"));
}

#[test]
fn a_tone_is_told_from_another_and_from_silence() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("t.wav");
    tone::write(&file, 8000, 440.0, 2);
    let sound = tone::Sound::read(&file).unwrap();
    assert!(sound.has_tone(440.0) && !sound.has_tone(700.0) && !sound.is_silent());
    assert!((sound.seconds() - 2.0).abs() < 0.01);
    assert!(tone::Sound { rate: 8000, samples: vec![0.0; 8000] }.is_silent());
}

#[test]
fn two_agents_hold_and_resume_each_other() {
    let kamailio = Kamailio::start(&Setup::users(&["alice", "bob"]));
    let proxy = format!("127.0.0.1:{}", kamailio.port);
    let mut alice = Agent::start("alice", DOMAIN, &password("alice"), &proxy, 440, "pcmu");
    let mut bob = Agent::start("bob", DOMAIN, &password("bob"), &proxy, 700, "pcmu");
    alice.dial("sip:bob@pbx.test");
    bob.event("incoming");
    bob.accept();
    alice.event("established");
    bob.event("established");
    alice.hears(700.0);
    bob.hears(440.0);
    alice.hold();
    bob.event("held");
    bob.hears_nothing();
    alice.resume();
    bob.event("resumed");
    bob.hears(440.0);
    alice.hears(700.0);
    bob.press("7");
    assert_eq!(alice.event("digit")["digit"], "7");
    bob.hangup();
    alice.event("closed");
}
