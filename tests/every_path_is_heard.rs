//! Two daemons on loopback, driven over their sockets, and the sound that arrives, by samples: for each codec a tone both ways,
//! mute that silences and unmute that does not, digits that arrive as such and are not heard, hold without sound either way,
//! unhold, one end for both. Over UDP and over TCP.

use common::daemon::{Client, Daemon, Setup, trunk};
use common::tone::Sound;
use serde_json::json;

mod common;

/// Each digit and its two frequencies, Hz (ITU-T Q.23).
const DIGITS: [(&str, f64, f64); 3] = [("7", 852.0, 1209.0), ("#", 941.0, 1477.0), ("2", 697.0, 1336.0)];

/// The table of an account that reaches `peer`, a daemon on loopback.
fn towards(user: &str, hz: u32, peer: u16, transport: &str) -> String {
    format!("{}\nproxies = [\"sip:127.0.0.1:{peer};transport={transport};lr\"]\n", trunk(user, hz).trim_end())
}

fn heard(daemon: &Daemon, name: &str) -> Sound {
    Sound::read(&daemon.dir().join(format!("{name}.wav"))).expect("a recording")
}

/// No 50 ms hold the two frequencies of a digit.
fn no_digit_in(sound: &Sound) {
    let blocks = (sound.seconds() * 40.0) as u32;
    for (digit, low, high) in DIGITS {
        let dialled = (0..blocks)
            .map(|n| sound.cut(f64::from(n) / 40.0, f64::from(n) / 40.0 + 0.05))
            .find(|block| block.level() > 0.001 && block.share(low) > 0.2 && block.share(high) > 0.2);
        assert!(dialled.is_none(), "{digit} is heard");
    }
}

fn codec_of(client: &mut Client, call_id: &str) -> String {
    let report = client.wait_event("callReport", |event| event["callId"] == *call_id);
    report["data"]["callReport"]["lksAudioCodec"].as_str().unwrap_or_default().to_lowercase()
}

fn call(codec: &str, transport: &str) {
    let setup = |tables| Setup { media: format!("codecs = [\"{codec}\"]"), tables, ..Setup::default() };
    let bob = Daemon::start(&setup(trunk("bob", 880)));
    let alice = Daemon::start(&setup(towards("alice", 440, bob.port, transport)));
    let (mut a, mut b) = (alice.connect(), bob.connect());

    let at_a = a.dial("alice", &format!("sip:bob@127.0.0.1:{};transport={transport}", bob.port));
    let at_b = b.wait_event("incoming", |_| true)["callId"].as_str().expect("a callId").to_owned();
    a.wait_event("progress", |event| event["data"]["code"] == 180);
    b.verb("answer", &at_b);
    a.wait_event("confirmed", |event| event["callId"] == *at_a);
    b.wait_event("confirmed", |event| event["callId"] == *at_b);
    let spoken = codec_of(&mut a, &at_a);
    assert!(spoken.contains(codec), "{spoken}");
    alice.hears("alice", 880.0);
    bob.hears("bob", 440.0);

    for digits in ["7#", "2"] {
        a.call("session.dtmf", json!({"callId": at_a, "dtmf": digits, "method": "rtp"})).expect("digits");
    }
    for (digit, ..) in DIGITS {
        b.wait_event("dtmf", |event| event["data"]["dtmf"] == digit);
    }
    bob.hears("bob", 440.0);
    no_digit_in(&heard(&bob, "bob"));

    a.verb("mute", &at_a);
    let before = heard(&bob, "bob").seconds();
    bob.hears_nothing("bob");
    let silence = heard(&bob, "bob").seconds() - before;
    assert!(silence > 0.5, "silence is sent, not nothing: {silence} s");
    alice.hears("alice", 880.0);
    // Digits are not the microphone's.
    a.call("session.dtmf", json!({"callId": at_a, "dtmf": "7"})).expect("a digit");
    b.wait_event("dtmf", |event| event["data"]["dtmf"] == "7");
    bob.hears_nothing("bob");
    a.verb("unmute", &at_a);
    bob.hears("bob", 440.0);

    a.verb("hold", &at_a);
    b.wait_event("reinvite", |event| event["data"]["reason"] == "hold");
    bob.hears_nothing("bob");
    alice.hears_nothing("alice");
    a.verb("unhold", &at_a);
    bob.hears("bob", 440.0);
    alice.hears("alice", 880.0);

    b.verb("hangup", &at_b);
    let ended = a.wait_event("ended", |event| event["callId"] == *at_a);
    assert_eq!(ended["data"]["by"], "remote");
    b.wait_event("deleteSession", |event| event["callId"] == *at_b);
    assert!(alice.stop() && bob.stop());
}

#[test]
fn pcmu_over_udp() {
    call("pcmu", "udp");
}

#[test]
fn pcma_over_tcp() {
    call("pcma", "tcp");
}

#[test]
fn opus_over_udp() {
    call("opus", "udp");
}
