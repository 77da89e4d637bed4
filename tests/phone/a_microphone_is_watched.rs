//! Alerts of a microphone: heard though muted, silent though open, too loud; each told once, and never of a session that is not
//! live or has no real device.

use phoned::ua::command::{CallRef, Command};
use phoned::ua::media::MediaStats;
use serde_json::Value;

use crate::net::{Net, Who};

/// Three seconds pass, in which the media engine tells of the microphone once.
fn hears(net: &mut Net, who: Who, level: Option<f64>, clipped: f64) {
    net.phone_mut(who).figures =
        MediaStats { mic_level_dbov: level, mic_clipped_pct: clipped, ..MediaStats::default() };
    net.run_for(3_000);
}

/// The alerts since the last time: kind, and state where there is one.
fn alerts(net: &mut Net, who: Who) -> Vec<String> {
    let word = |data: &Value| {
        let state = data["state"].as_str().map(|state| format!(" {state}"));
        format!("{}{}", data["kind"].as_str().unwrap(), state.unwrap_or_default())
    };
    net.take_events(who).iter().filter(|e| e.name == "alert").map(|e| word(&e.data)).collect()
}

#[test]
fn muted_and_talking() {
    let mut net = Net::new(1);
    let (agent, bob) = (net.phone("agent"), net.phone("bob"));
    let (call, _) = net.connect(agent, bob);
    let one = |call: &str| CallRef { call_id: call.into() };
    hears(&mut net, agent, Some(-25.0), 0.0);
    assert_eq!(alerts(&mut net, agent), [""; 0], "that is what it is for");
    net.ask(agent, Command::Mute(one(&call))).unwrap();
    for level in [-60.0, -25.0, -60.0, -25.0] {
        hears(&mut net, agent, Some(level), 5.0);
    }
    assert_eq!(alerts(&mut net, agent), ["mutedTalking"], "once");
    net.ask(agent, Command::Unmute(one(&call))).unwrap();
    hears(&mut net, agent, Some(-25.0), 0.0);
    net.ask(agent, Command::Mute(one(&call))).unwrap();
    hears(&mut net, agent, Some(-25.0), 0.0);
    assert_eq!(alerts(&mut net, agent), ["mutedTalking"], "and once more when muted again");
}

#[test]
fn silent_and_too_loud() {
    let mut net = Net::new(2);
    let (agent, bob) = (net.phone("agent"), net.phone("bob"));
    let (call, _) = net.connect(agent, bob);
    for _ in 0..3 {
        hears(&mut net, agent, Some(-127.0), 0.0);
    }
    assert_eq!(alerts(&mut net, agent), [""; 0], "six seconds are no fault");
    for _ in 0..3 {
        hears(&mut net, agent, Some(-127.0), 0.0);
    }
    assert_eq!(alerts(&mut net, agent), ["silentMicrophone silent"]);
    hears(&mut net, agent, Some(-30.0), 0.1);
    hears(&mut net, agent, Some(-3.0), 4.0);
    hears(&mut net, agent, Some(-3.0), 4.0);
    assert_eq!(alerts(&mut net, agent), ["silentMicrophone ok", "clipping"]);
    // On hold nobody listens to it, and what is no device is not asked.
    net.hold(agent, &call).unwrap();
    for level in [Some(-127.0), Some(-127.0), Some(-127.0), Some(-127.0), Some(-127.0)] {
        hears(&mut net, agent, level, 0.0);
    }
    net.unhold(agent, &call).unwrap();
    for _ in 0..5 {
        hears(&mut net, agent, None, 0.0);
    }
    assert_eq!(alerts(&mut net, agent), [""; 0]);
}
