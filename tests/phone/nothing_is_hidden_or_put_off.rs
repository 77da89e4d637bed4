//! What a browser's SDK gets wrong and no other test here has in hand: a peer's unhold that holds other calls, an `incoming`
//! or an INVITE that waits for the web, a clock that stops when nobody looks, a quality report of zeros, and figures that
//! end the process.

use phoned::sip::message::Method;
use phoned::ua::command::{Command, GetSession};
use phoned::ua::event::Heard;
use phoned::ua::media::{MediaEvent, MediaStats};
use serde_json::{Value, json};

use crate::net::{Net, Who};
use crate::{story_of, talking_to_peer};

fn get(net: &mut Net, who: Who, call: &str) -> Value {
    net.ask(who, Command::GetSession(GetSession { call_id: Some(call.into()) })).unwrap()
}

#[test]
fn a_peer_that_resumes_holds_no_other_call() {
    let mut net = Net::new(1);
    let agent = net.phone_with("agent", |settings, account| {
        account.seat = Some("desk".into());
        settings.phone.hold_others = true;
    });
    let (carol, bert) = (net.peer("carol"), net.phone("bert"));
    let (first, mut dialog) = talking_to_peer(&mut net, agent, carol);
    let mut reinvite = |net: &mut Net, version, direction| {
        let mut again = net.in_dialog(carol, &mut dialog, Method::Invite);
        again.set_body("application/sdp", net.sdp(carol, version, direction).into_bytes());
        net.send(carol, agent, &again);
        let ok = net.expect(carol, "SIP/2.0 200");
        let ack = net.ack(carol, &again, &ok);
        net.send(carol, agent, &ack);
        net.run_for(100);
    };
    reinvite(&mut net, 2, "sendonly");
    net.command(agent, Command::Hold(phoned::ua::command::CallRef { call_id: first.clone() }));
    let hold = net.expect(carol, "INVITE");
    let mut ok = net.response(carol, &hold, 200);
    ok.set_body("application/sdp", net.sdp(carol, 3, "inactive").into_bytes());
    net.send_back(carol, &ok);
    net.run_for(100);
    let (second, _) = net.connect(agent, bert);
    net.run_for(100);
    let before = net.sent(agent, "INVITE").len();
    reinvite(&mut net, 4, "sendrecv");
    assert_eq!(get(&mut net, agent, &first)["status"]["isHold"], true, "we hold it still");
    assert_eq!(get(&mut net, agent, &second)["status"]["isHold"], false, "and this one has nothing to do with it");
    assert_eq!(net.sent(agent, "INVITE").len(), before);
    assert!(!story_of(&net, agent, &second).iter().any(|told| told.contains("isHold")));
}

#[test]
fn incoming_is_told_in_the_turn_of_the_invite() {
    let mut net = Net::new(2);
    let (alice, carol) = (net.phone("alice"), net.peer("carol"));
    let invite = net.invite(carol, alice);
    net.send(carol, alice, &invite);
    net.run_for(5); // the way
    let incoming = net.phone_of(alice).events.iter().find(|event| event.name == "incoming").cloned();
    assert_eq!(incoming.unwrap().data["session"]["status"]["number"], "carol", "nobody was asked first who that is");
}

#[test]
fn the_invite_goes_out_and_the_result_comes_in_a_few_ms() {
    let mut net = Net::new(3);
    let (alice, carol) = (net.phone("alice"), net.peer("carol"));
    let at = net.now();
    net.call(alice, json!({ "number": net.uri(carol) }));
    assert!(net.now() - at <= 2, "an address and a port are all it takes");
    assert_eq!(net.sent(alice, "INVITE").len(), 1);
}

#[test]
fn seconds_are_counted_though_nobody_looks() {
    let mut net = Net::new(4);
    let (alice, bob) = (net.phone("alice"), net.phone("bob"));
    let (_, incoming) = net.connect(alice, bob);
    net.phone_mut(bob).ua.listen(Heard::Nothing);
    net.run_for(7_500);
    let timer = get(&mut net, bob, &incoming)["timer"].clone();
    assert_eq!(timer["callDuration"], 7);
}

fn stats() -> MediaStats {
    MediaStats {
        codec: "PCMU".into(),
        rx_packets: 975,
        rx_lost: 25,
        rx_jitter_max_ms: 12.5,
        rx_jitter_avg_ms: 3.25,
        tx_packets: 1_000,
        tx_lost_ratio: 0.015,
        tx_jitter_max_ms: 8.0,
        tx_jitter_avg_ms: 2.0,
        played_ms: 20_000,
        mos: 4.2,
        r_factor: 88.0,
        ..MediaStats::default()
    }
}

#[test]
fn every_figure_of_the_report_is_what_was_measured() {
    let mut net = Net::new(5);
    let (alice, carol) = (net.phone("alice"), net.peer("carol"));
    let (call, _) = talking_to_peer(&mut net, alice, carol);
    let session = *net.phone_of(alice).streams.keys().next().unwrap();
    net.media_event(alice, session, MediaEvent::Report(Box::new(stats())));
    let told = net.phone_of(alice).events.iter().rfind(|event| event.name == "callReport").unwrap().data.clone();
    let report = &told["callReport"];
    let expected = json!({
        "callId": call, "extension": "alice", "lksAudioCodec": "PCMU", "lksDuration": "20",
        "lksAudioRx": "975", "lksAudioRxLost": "0.025000", "lksAudioRxMaxjitter": "12.500", "lksAudioRxAvgjitter": "3.250",
        "lksAudioTx": "1000", "lksAudioTxLost": "0.015000", "lksAudioTxMaxjitter": "8.000", "lksAudioTxAvgjitter": "2.000",
        "lksNetworkType": "ethernet", "lksDeviceType": "phoned",
    });
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&report[name], value, "{name}");
    }
    assert!(report.as_object().unwrap().values().all(Value::is_string), "every value is a string: {report}");
    assert_eq!((&told["metrics"]["mos"], &told["metrics"]["lossPct"]), (&json!(4.2), &json!(2.5)));
    assert!(told["metrics"].as_object().unwrap().values().all(|value| !value.is_string()));
}

#[test]
fn absurd_figures_end_nothing() {
    let mut net = Net::new(6);
    let (alice, carol) = (net.phone("alice"), net.peer("carol"));
    let (call, _) = talking_to_peer(&mut net, alice, carol);
    let session = *net.phone_of(alice).streams.keys().next().unwrap();
    for absurd in [f64::NAN, f64::INFINITY, -1e300] {
        let stats = MediaStats {
            rx_packets: u64::MAX,
            rx_lost: u64::MAX,
            tx_lost_ratio: absurd,
            rx_jitter_ms: absurd,
            rtt_ms: Some(absurd),
            mos: absurd,
            ..stats()
        };
        net.media_event(alice, session, MediaEvent::Report(Box::new(stats)));
    }
    assert_eq!(get(&mut net, alice, &call)["status"]["callStatus"], "talking");
}
