//! A real (virtual) microphone in a call: the daemon tells that it is silent, that it is heard again, that it is too loud, and
//! that somebody speaks into it while it is muted.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "a test may read the clock and panic")]

mod common;
#[path = "common/vcards.rs"]
mod vcards;

use common::daemon::{Client, Daemon, Setup, trunk};
use common::wait::{secs, until};
use serde_json::json;
use vcards::{RATE, beside_cards};

/// A sine of so many seconds, cut off at full scale where it is too loud.
fn sine(peak: f64, seconds: u32) -> Vec<i16> {
    let wave = |n: u32| (f64::from(n) * 440.0 * std::f64::consts::TAU / f64::from(RATE)).sin() * peak;
    (0..RATE * seconds).map(|n| wave(n).clamp(-32_768.0, 32_767.0) as i16).collect()
}

fn alert(client: &mut Client, kind: &str, state: Option<&str>) {
    client.wait_event_for("alert", secs(40), |e| e["data"]["kind"] == kind && e["data"]["state"].as_str() == state);
}

#[test]
fn what_it_gives_is_told() {
    beside_cards(1, |cards| {
        let far = Daemon::start(&Setup { tables: trunk("far", 700), ..Setup::default() });
        let tables = trunk("agent", 440).replace("tone:440", "pulse:mic1");
        let agent = Daemon::start(&Setup { tables, env: cards.env(), ..Setup::default() });
        let (mut a, mut f) = (agent.connect(), far.connect());
        until("the daemon has seen its card", secs(30), || {
            let list = a.call("device.list", json!({})).unwrap();
            list["devices"].as_array().unwrap().iter().any(|device| device["id"] == "pulse:mic1").then_some(())
        });
        let call = a.dial("agent", &format!("sip:far@127.0.0.1:{}", far.port));
        let at_far = f.wait_event("incoming", |_| true)["callId"].as_str().unwrap().to_owned();
        f.verb("answer", &at_far);
        alert(&mut a, "silentMicrophone", Some("silent"));
        let speaking = cards.say("mic1", sine(8_000.0, 30));
        alert(&mut a, "silentMicrophone", Some("ok"));
        a.verb("mute", &call);
        alert(&mut a, "mutedTalking", None);
        drop(speaking);
        a.verb("unmute", &call);
        let shouting = cards.say("mic1", sine(60_000.0, 30));
        alert(&mut a, "clipping", None);
        drop(shouting);
        a.verb("hangup", &call);
    });
}
