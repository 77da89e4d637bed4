//! A host without a sound card: the daemon starts within 2 s, says that calls go on with silence, and a call on the `default`
//! devices is carried to its end with media both ways.

use common::daemon::{Daemon, Setup, trunk};
use common::tone::Sound;
use common::wait::{now, secs, until};
use serde_json::json;

mod common;

#[test]
fn it_starts_says_so_and_carries_calls() {
    let nowhere = tempfile::tempdir().expect("a folder").path().display().to_string();
    // A machine with a card of its own gives it to nobody here.
    let host = if std::path::Path::new("/dev/snd").exists() { "pulse" } else { "auto" };
    let began = now();
    let alice = Daemon::start(&Setup {
        audio: format!("host = \"{host}\""),
        env: ["PULSE_SERVER", "XDG_RUNTIME_DIR"].map(|name| (name.into(), nowhere.clone())).into(),
        tables: trunk("alice", 440)
            .lines()
            .filter(|line| !line.contains("put = "))
            .fold(String::new(), |t, l| t + l + "\n"),
        ..Setup::default()
    });
    let took = began.elapsed();
    println!("started in {took:?}");
    assert!(took < secs(6), "{took:?}");
    until("it says that there is no card", secs(20), || alice.log().contains("no sound card").then_some(()));

    let bob = Daemon::start(&Setup { tables: trunk("bob", 880), ..Setup::default() });
    let (mut a, mut b) = (alice.connect(), bob.connect());
    let devices = a.call("device.list", json!({})).expect("a list")["devices"].take();
    assert_eq!(devices.as_array().map(Vec::len), Some(1), "{devices}");
    assert_eq!((&devices[0]["id"], &devices[0]["defaultInput"]), (&json!("null"), &json!(true)));
    let at_a = a.dial("alice", &format!("sip:bob@127.0.0.1:{}", bob.port));
    let at_b = b.wait_event("incoming", |_| true)["callId"].as_str().expect("a callId").to_owned();
    b.verb("answer", &at_b);
    a.wait_event("confirmed", |event| event["callId"] == *at_a);
    // Bob hears a second of silence, Alice is sent a tone.
    let heard = until("Bob hears silence", secs(20), || {
        Sound::read(&bob.dir().join("bob.wav")).filter(|sound| sound.seconds() > 1.0)
    });
    assert!(heard.is_silent());
    let packets = |event: &serde_json::Value| event["data"]["callReport"]["lksAudioRx"].as_str()?.parse::<u32>().ok();
    a.wait_event("callReport", |event| packets(event).is_some_and(|packets| packets > 50));
    a.verb("hangup", &at_a);
    assert_eq!(b.wait_event("ended", |_| true)["data"]["by"], "remote");
    assert!(alice.stop() && bob.stop());
}
