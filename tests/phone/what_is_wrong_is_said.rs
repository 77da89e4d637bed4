//! `session.diagnose`: what is wrong with a call, in words, from what the phone knows of it; also for a while after its end. That
//! each rule finds what it shall, and nothing else, stands beside it in `src/ua/diagnose`.

use phoned::ua::command::{CallRef, Command};
use phoned::ua::error::Code;
use phoned::ua::media::{MediaEvent, MediaStats, WayFacts};
use serde_json::Value;

use crate::net::{Net, Who};
use crate::talking_to_peer;

/// The findings: their rules and texts.
fn findings(net: &mut Net, who: Who, call: &str) -> Vec<(String, String)> {
    let answer = net.ask(who, Command::Diagnose(CallRef { call_id: call.into() })).unwrap();
    assert_eq!(answer["callId"], call);
    let text = |finding: &Value, key: &str| finding[key].as_str().unwrap().to_owned();
    let all = answer["findings"].as_array().unwrap();
    assert!(all.iter().all(|finding| !text(finding, "hint").is_empty() && finding["facts"].is_object()), "{answer}");
    all.iter().map(|finding| (text(finding, "rule"), text(finding, "text"))).collect()
}

fn rules(net: &mut Net, who: Who, call: &str) -> Vec<String> {
    findings(net, who, call).into_iter().map(|(rule, _)| rule).collect()
}

fn good() -> MediaStats {
    let way = WayFacts { reports: 3, counted: 100, rx_age_ms: Some(10), ..WayFacts::default() };
    MediaStats { rx_packets: 500, tx_packets: 500, rx_level_dbov: -30.0, mos: 4.4, way, ..MediaStats::default() }
}

#[test]
fn of_a_living_call() {
    let mut net = Net::new(1);
    let agent = net.phone_with("agent", |_, account| {
        (account.input, account.output) = (Some("pulse:headset".into()), Some("pulse:headset".into()));
    });
    net.plug_in(agent, &["pulse:headset"]);
    let bob = net.phone("bob");
    let (call, _) = net.connect(agent, bob);
    net.phone_mut(agent).figures = good();
    net.run_for(4_000);
    assert_eq!(rules(&mut net, agent, &call), [""; 0]);

    let way = WayFacts { uncounted_ms: 27_000, uncounted_reports: 5, ..good().way };
    net.phone_mut(agent).figures = MediaStats { rx_lost: 20, way, ..good() };
    net.run_for(26_000);
    net.ask(agent, Command::Mute(CallRef { call_id: call.clone() })).unwrap();
    let found = findings(&mut net, agent, &call);
    let named: Vec<&str> = found.iter().map(|(rule, _)| rule.as_str()).collect();
    assert_eq!(named, ["they-count-nothing", "loss-from-them", "muted"], "the worst first");
    let text = &found[0].1;
    assert!(
        text.starts_with("They cannot hear you: you send 50 packets a second, their reports count none since 22:1"),
        "{text}"
    );
    assert!(text.ends_with(&format!("; their address {} is private", net.addr(bob).ip())), "{text}");

    net.ask(agent, Command::Unmute(CallRef { call_id: call.clone() })).unwrap();
    net.phone_mut(agent).figures = good();
    net.run_for(3_000);
    let session = *net.phone_of(agent).streams.keys().next().unwrap();
    net.media_event(agent, session, MediaEvent::Failed("\"pulse:headset\": too many sessions at once".into()));
    net.media_event(agent, session, MediaEvent::Flow { stalled: true });
    net.run_for(1_000);
    let named = rules(&mut net, agent, &call);
    assert_eq!(named, ["their-packets-stopped", "sound-fault"]);

    net.plug_in(agent, &["null"]);
    let named = rules(&mut net, agent, &call);
    assert_eq!(named, ["their-packets-stopped", "loudspeaker-gone", "microphone-gone", "sound-fault"], "pulled out");
}

#[test]
fn of_a_call_that_is_over() {
    let mut net = Net::new(2);
    let (agent, bob) = (net.phone("agent"), net.phone("bob"));
    let (call, _) = net.connect(agent, bob);
    net.phone_mut(agent).figures = MediaStats { rx_lost: 100, ..good() };
    net.run_for(4_000);
    net.hangup(agent, &call).unwrap();
    net.run_for(60_000);
    let named = rules(&mut net, agent, &call);
    assert!(named.contains(&"loss-from-them".into()), "{named:?}");
    assert!(!named.contains(&"how-it-ended".into()), "somebody hung up: {named:?}");

    // A hundred later ones, refused, and it is forgotten.
    let mut last = String::new();
    for _ in 0..100 {
        last = net.call(agent, serde_json::json!({ "number": net.uri(bob) }));
        let incoming = net.wait(bob, "incoming").call_id.unwrap();
        net.reject(bob, &incoming, None).unwrap();
        net.wait(agent, "failed");
        net.take_events(agent);
        net.take_events(bob);
        net.run_for(40_000);
    }
    let found = findings(&mut net, agent, &last);
    assert!(found.iter().any(|(rule, text)| rule == "how-it-ended" && text == "They were busy (SIP 486)"), "{found:?}");
    let forgotten = net.ask(agent, Command::Diagnose(CallRef { call_id: call })).unwrap_err();
    assert_eq!(forgotten.code, Code::NoSession);
}

#[test]
fn of_a_call_that_nobody_answers() {
    let mut net = Net::new(3);
    let (agent, carol) = (net.phone("agent"), net.peer("carol"));
    let call = net.call(agent, serde_json::json!({ "number": net.uri(carol) }));
    net.expect(carol, "INVITE");
    net.run_for(6_000);
    let found = findings(&mut net, agent, &call);
    assert!(
        found.iter().any(|(rule, text)| rule == "does-not-ring" && text.contains("6 s after the INVITE")),
        "{found:?}"
    );
}

#[test]
fn of_a_call_whose_other_side_holds() {
    let mut net = Net::new(4);
    let (agent, carol) = (net.phone("agent"), net.peer("carol"));
    let (call, mut dialog) = talking_to_peer(&mut net, agent, carol);
    let mut again = net.in_dialog(carol, &mut dialog, phoned::sip::message::Method::Invite);
    again.set_body("application/sdp", net.sdp(carol, 2, "sendonly").into_bytes());
    net.send(carol, agent, &again);
    net.phone_mut(agent).figures = good();
    net.run_for(4_000);
    assert!(rules(&mut net, agent, &call).contains(&"held-by-them".into()));
}
