//! Alerts of the far end: silent though it sends, our own voice in what it sends, and that it does not get what we send; each told
//! once when it begins, and not again for a while.

use phoned::ua::command::{CallRef, Command};
use phoned::ua::media::{Echo, MediaStats, WayFacts};

use crate::net::{Net, Who};

/// What is measured of a call without a fault.
fn good() -> MediaStats {
    let way = WayFacts { reports: 3, counted: 100, ..WayFacts::default() };
    MediaStats { rx_packets: 100, tx_packets: 100, rx_level_dbov: -30.0, way, ..MediaStats::default() }
}

/// So many seconds pass, with these figures.
fn measures(net: &mut Net, who: Who, figures: MediaStats, seconds: u64) {
    net.phone_mut(who).figures = figures;
    net.run_for(seconds * 1_000);
}

/// The alerts since the last time, and what is told of the media.
fn told(net: &mut Net, who: Who) -> Vec<String> {
    let events = net.take_events(who);
    let told = events.iter().filter(|event| ["alert", "media"].contains(&event.name.as_str()));
    let word = |key: &str, data: &serde_json::Value| data[key].as_str().unwrap_or_default().to_owned();
    told.map(|event| format!("{} {}", word("kind", &event.data), word("state", &event.data)).trim().to_owned())
        .collect()
}

#[test]
fn silent_though_it_sends() {
    let mut net = Net::new(1);
    let (agent, bob) = (net.phone("agent"), net.phone("bob"));
    let (call, _) = net.connect(agent, bob);
    let silent = || MediaStats { rx_level_dbov: -72.2, ..good() };
    measures(&mut net, agent, good(), 6);
    measures(&mut net, agent, silent(), 12);
    assert_eq!(told(&mut net, agent), [""; 0], "who listens is silent for a while");
    measures(&mut net, agent, silent(), 60);
    assert_eq!(told(&mut net, agent), ["farEndSilent silent"], "once");
    measures(&mut net, agent, good(), 3);
    measures(&mut net, agent, silent(), 30);
    assert_eq!(told(&mut net, agent), ["farEndSilent ok", "farEndSilent silent"]);
    measures(&mut net, agent, good(), 3);
    measures(&mut net, agent, silent(), 30);
    assert_eq!(told(&mut net, agent), ["farEndSilent ok"], "no two within a minute");
    net.hold(agent, &call).unwrap();
    measures(&mut net, agent, silent(), 120);
    assert_eq!(told(&mut net, agent), [""; 0], "whom we hold may be silent");
}

#[test]
fn our_own_voice_comes_back() {
    let mut net = Net::new(2);
    let (agent, bob) = (net.phone("agent"), net.phone("bob"));
    net.connect(agent, bob);
    let echo = |echo: Option<Echo>| MediaStats { way: WayFacts { echo, ..good().way }, ..good() };
    let heard = Some(Echo { delay_ms: 240, loss_db: 12.0 });
    measures(&mut net, agent, echo(heard), 3);
    measures(&mut net, agent, echo(None), 6);
    assert_eq!(told(&mut net, agent), [""; 0], "one time is none");
    measures(&mut net, agent, echo(heard), 12);
    let alert = net.phone_of(agent).events.iter().find(|event| event.name == "alert").unwrap();
    assert_eq!(alert.data["delayMs"], 240);
    assert_eq!(told(&mut net, agent), ["echo"]);
    measures(&mut net, agent, echo(None), 60);
    measures(&mut net, agent, echo(heard), 60);
    assert_eq!(told(&mut net, agent), [""; 0], "no flood");
}

#[test]
fn it_does_not_get_what_we_send() {
    let mut net = Net::new(3);
    let (agent, bob) = (net.phone("agent"), net.phone("bob"));
    let (call, _) = net.connect(agent, bob);
    let uncounted = |ms, reports| {
        let way = WayFacts { uncounted_ms: ms, uncounted_reports: reports, ..good().way };
        MediaStats { way, ..good() }
    };
    measures(&mut net, agent, uncounted(14_000, 1), 6);
    measures(&mut net, agent, uncounted(6_000, 2), 6);
    assert_eq!(told(&mut net, agent), [""; 0], "one report is none");
    measures(&mut net, agent, uncounted(14_000, 2), 30);
    let media = net.phone_of(agent).events.iter().find(|event| event.name == "media").unwrap();
    assert_eq!((&media.data["oneWay"], media.data["reason"].is_string()), (&true.into(), true));
    assert_eq!(told(&mut net, agent), ["unheard"]);
    measures(&mut net, agent, good(), 3);
    assert_eq!(told(&mut net, agent), ["flowing"]);
    net.ask(agent, Command::Hold(CallRef { call_id: call })).unwrap();
    net.take_events(agent);
    measures(&mut net, agent, uncounted(60_000, 9), 60);
    assert_eq!(told(&mut net, agent), [""; 0], "on hold nothing is sent that could be counted");
}
