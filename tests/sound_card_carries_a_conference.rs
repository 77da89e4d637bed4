//! Three parties through a real (virtual) sound card, over the socket: an agent with microphone and loudspeaker, and two callers
//! with PCMU and Opus. After `phone.merge` each hears the two others and not itself, the agent hears both out of one
//! loudspeaker; after `phone.split` one talks on and the other is on hold.

#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "a test may read the clock and panic")]

mod common;
#[path = "common/vcards.rs"]
mod vcards;

use common::daemon::{Client, Daemon, Setup, trunk};
use common::tone::Sound;
use common::wait::{poll, secs, until};
use serde_json::json;
use vcards::{RATE, beside_cards, level, sine};

/// The callers' tones and the agent's.
const TONES: [f64; 3] = [440.0, 1_000.0, 2_000.0];
/// A tone of −12 dBFS is there above, and not below this.
const THERE: f64 = -24.0;
const NOT_THERE: f64 = -45.0;

fn fits(pcm: &[i16], rate: u32, wanted: [bool; 3]) -> bool {
    TONES.iter().zip(wanted).all(|(hz, wanted)| {
        let level = level(pcm, rate, *hz);
        if wanted { level > THERE } else { level < NOT_THERE }
    })
}

/// Waits until the last second that a caller heard has these of the tones, and no others.
fn hears(caller: &Daemon, name: &str, wanted: [bool; 3]) {
    let last = || {
        let sound = Sound::read(&caller.dir().join(format!("{name}.wav")))?;
        let pcm: Vec<i16> = sound.last(1.0).samples.iter().map(|s| (s * 32_768.0) as i16).collect();
        (sound.seconds() > 1.0).then_some((pcm, sound.rate))
    };
    if poll(secs(15), || last().filter(|(pcm, rate)| fits(pcm, *rate, wanted))).is_none() {
        let levels = last().map(|(pcm, rate)| TONES.map(|hz| level(&pcm, rate, hz)));
        panic!("{name} hears {levels:.0?} dBFS of {TONES:?} Hz, wanted {wanted:?}");
    }
}

fn caller(name: &str, hz: u32, codec: &str) -> Daemon {
    let media = format!("codecs = [\"{codec}\"]");
    Daemon::start(&Setup { media, tables: trunk(name, hz), ..Setup::default() })
}

/// The agent calls; its callId.
fn talk(agent: &mut Client, caller: &Daemon, name: &str) -> String {
    let mut far = caller.connect();
    let call = agent.dial("agent", &format!("sip:{name}@127.0.0.1:{}", caller.port));
    let theirs = far.wait_event("incoming", |_| true)["callId"].as_str().unwrap().to_owned();
    far.verb("answer", &theirs);
    agent.wait_event("confirmed", |e| e["callId"] == call.as_str());
    call
}

#[test]
fn three_parties_on_one_card() {
    beside_cards(1, |cards| {
        let (first, second) = (caller("first", 440, "pcmu"), caller("second", 1_000, "opus"));
        let table = trunk("agent", 500);
        let rest: Vec<&str> = table.lines().filter(|l| !l.starts_with("input") && !l.starts_with("output")).collect();
        // A tone is steady noise to whoever cleans microphones.
        let devices = "input = \"pulse:mic1\"\noutput = \"pulse:spk1\"\nnoise_suppression = \"off\"\n";
        let tables = format!("{}\n{devices}", rest.join("\n").trim_end());
        let agent = Daemon::start(&Setup { tables, env: cards.env(), ..Setup::default() });
        let mut a = agent.connect();
        until("the daemon has seen its card", secs(30), || {
            let list = a.call("device.list", json!({})).unwrap();
            list["devices"].as_array().unwrap().iter().any(|device| device["id"] == "pulse:mic1").then_some(())
        });
        let microphone = cards.say("mic1", sine(TONES[2], 110.0));
        let one = talk(&mut a, &first, "first");
        hears(&first, "first", [false, false, true]);
        let two = talk(&mut a, &second, "second");
        hears(&second, "second", [false, false, true]);
        let merged = a.call("phone.merge", json!({ "callIds": [one, two] }));
        assert_eq!(merged.unwrap(), true);
        for call in [&one, &two] {
            let status = &a.call("session.get", json!({ "callId": call })).unwrap()["status"];
            assert_eq!((&status["isConference"], &status["isHold"]), (&json!(true), &json!(false)));
        }
        hears(&first, "first", [false, true, true]);
        hears(&second, "second", [true, false, true]);
        let mut loudspeaker = cards.record("spk1");
        let both =
            poll(secs(15), || Some(loudspeaker.take(secs(1))).filter(|pcm| fits(pcm, RATE, [true, true, false])));
        assert!(both.is_some(), "the agent does not hear both");
        assert_eq!(a.call("phone.split", json!({ "callId": one })).unwrap(), true);
        hears(&second, "second", [false, false, true]);
        first.hears_nothing("first");
        let one_left =
            poll(secs(15), || Some(loudspeaker.take(secs(1))).filter(|pcm| fits(pcm, RATE, [false, true, false])));
        assert!(one_left.is_some(), "the agent still hears who is on hold, or not who is not");
        drop(microphone);
    });
}
