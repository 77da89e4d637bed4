//! Never two live microphones in a seat (guarantee 7): answering B cuts A off in the same turn and holds it.

use serde_json::json;

use phoned::ua::command::{Answer, Command, GetSession, Progress};
use phoned::ua::media::MediaCommand;

use crate::net::{Net, Who};
use crate::{story_of, talking_to_peer};

fn agent(net: &mut Net) -> Who {
    net.phone_with("agent", |_, account| account.seat = Some("desk".into()))
}

#[test]
fn answering_the_second_call_holds_the_first() {
    let mut net = Net::new(1);
    let (agent, a, b) = (agent(&mut net), net.phone("anna"), net.phone("bert"));
    let (first, _) = net.connect(agent, a);
    net.call(b, json!({ "number": net.uri(agent) }));
    let second = net.wait(agent, "incoming").call_id.unwrap();
    let reply = net.command(agent, Command::Answer(Answer { call_id: second.clone(), option: None }));
    let muted = net.phone_of(agent).media.iter().any(|(_, c)| *c == MediaCommand::Mute(true));
    assert!(muted, "the first microphone is cut in the turn of the answer");
    assert!(net.sent(agent, "SIP/2.0 200").is_empty(), "the 200 waits for the hold");
    net.run_until("the answer", |net| net.phone_of(agent).replies.contains_key(&reply));
    net.wait(agent, "confirmed");
    assert!(story_of(&net, agent, &first).contains(&"statusChange(isHold)".into()));
    let names: Vec<_> = net
        .phone_of(agent)
        .events
        .iter()
        .filter(|e| e.name == "statusChange")
        .map(|e| (e.call_id.clone().unwrap(), e.data["changed"].to_string()))
        .collect();
    let held = names.iter().position(|(c, w)| *c == first && w.contains("isHold")).unwrap();
    let rings = names.iter().position(|(c, w)| *c == second && w.contains("isRing")).unwrap();
    assert!(held < rings, "first held, then answered: {names:?}");
    // Back to the first: now the second is held.
    net.unhold(agent, &first).unwrap();
    net.run_for(500);
    assert!(story_of(&net, agent, &second).contains(&"statusChange(isHold)".into()));
}

#[test]
fn a_first_caller_that_refuses_hold_stays_up_in_silence() {
    let mut net = Net::new(2);
    let (agent, carol, b) = (agent(&mut net), net.peer("carol"), net.phone("bert"));
    let (first, _) = talking_to_peer(&mut net, agent, carol);
    net.call(b, json!({ "number": net.uri(agent) }));
    let second = net.wait(agent, "incoming").call_id.unwrap();
    let reply = net.command(agent, Command::Answer(Answer { call_id: second, option: None }));
    let hold = net.expect(carol, "INVITE");
    net.reply(carol, &hold, 488);
    net.run_until("the answer", |net| net.phone_of(agent).replies.contains_key(&reply));
    assert!(net.phone_of(agent).replies[&reply].is_ok());
    let media = net.phone_of(agent).events.iter().find(|e| e.name == "media" && e.data["state"] == "parked");
    assert_eq!(media.unwrap().call_id.as_ref(), Some(&first));
    assert!(!story_of(&net, agent, &first).iter().any(|e| e.starts_with("ended") || e.contains("isHold")));
}

#[test]
fn a_first_caller_that_is_silent_delays_the_answer_two_seconds_at_most() {
    let mut net = Net::new(3);
    let (agent, carol, b) = (agent(&mut net), net.peer("carol"), net.phone("bert"));
    talking_to_peer(&mut net, agent, carol);
    net.call(b, json!({ "number": net.uri(agent) }));
    let second = net.wait(agent, "incoming").call_id.unwrap();
    let at = net.now();
    net.answer(agent, &second).unwrap();
    assert_eq!(net.now() - at, 2_000);
}

#[test]
fn two_seats_of_a_host_never_touch_each_other() {
    let mut net = Net::new(4);
    let agent = net.phone_with("agent", |_, _| ()); // `null`: every session is alone in its seat
    let (a, b) = (net.phone("anna"), net.phone("bert"));
    let (first, _) = net.connect(agent, a);
    net.connect(agent, b);
    assert!(!story_of(&net, agent, &first).iter().any(|e| e.contains("isHold")));
}

/// The microphones of a phone that are heard.
fn live(net: &Net, who: Who) -> usize {
    let off = Some(phoned::sdp::Direction::Inactive);
    net.phone_of(who).streams.values().filter(|s| s.remote.is_some() && !s.muted && s.gate != off).count()
}

#[test]
fn a_call_resumed_while_another_rings_out_is_held_at_its_answer() {
    let mut net = Net::new(3);
    let (agent, a, b) = (agent(&mut net), net.phone("anna"), net.phone("bert"));
    let (first, _) = net.connect(agent, a);
    net.call(agent, json!({ "number": net.uri(b) }));
    let second = net.wait(b, "incoming").call_id.unwrap();
    net.run_for(500);
    net.unhold(agent, &first).unwrap();
    net.answer(b, &second).unwrap();
    net.wait(agent, "confirmed");
    assert_eq!(live(&net, agent), 1);
    net.run_for(1_000);
    assert_eq!(live(&net, agent), 1);
}

#[test]
fn a_call_cut_off_for_another_gets_its_microphone_back() {
    let mut net = Net::new(4);
    let (a, b) = (net.phone("anna"), net.phone("bert"));
    let agent = net.phone_with("agent", |settings, account| {
        account.seat = Some("desk".into());
        settings.phone.hold_others = false;
    });
    net.connect(agent, a);
    let (second, _) = net.connect(agent, b);
    assert_eq!(live(&net, agent), 1);
    net.hangup(agent, &second).unwrap();
    assert_eq!(live(&net, agent), 1, "that of the first");
    assert_eq!(net.phone_of(agent).streams.len(), 1);
}

#[test]
fn a_consultation_holds_its_parent_in_any_seat() {
    let mut net = Net::new(5);
    let (agent, a, b) = (net.phone("agent"), net.phone("anna"), net.phone("bert"));
    let (first, _) = net.connect(agent, a);
    net.call(agent, json!({ "number": net.uri(b), "transferId": first }));
    net.run_for(500);
    assert!(story_of(&net, agent, &first).contains(&"statusChange(isHold)".into()));
}

#[test]
fn an_announcement_before_the_answer_opens_no_second_microphone() {
    let mut net = Net::new(6);
    let (agent, a, b) = (agent(&mut net), net.phone("anna"), net.phone("bert"));
    let (first, _) = net.connect(agent, a);
    let out = net.call(b, json!({ "number": net.uri(agent) }));
    let second = net.wait(agent, "incoming").call_id.unwrap();
    net.run_for(50);
    net.ask(agent, Command::Progress(Progress { call_id: second.clone(), code: 183 })).unwrap();
    assert_eq!(live(&net, agent), 1, "that of the first");
    net.hangup(agent, &first).unwrap();
    assert_eq!(live(&net, agent), 1, "the announcement's");
    net.answer(agent, &second).unwrap();
    net.wait(agent, "confirmed");
    assert_eq!(live(&net, agent), 1);
    net.hangup(b, &out).unwrap();
}

#[test]
fn early_media_of_a_callee_is_cut_off_for_a_call_that_is_resumed() {
    let mut net = Net::new(7);
    let (agent, a, carol) = (agent(&mut net), net.phone("anna"), net.peer("carol"));
    let (first, _) = net.connect(agent, a);
    net.call(agent, json!({ "number": net.uri(carol) }));
    let invite = net.expect(carol, "INVITE");
    let mut early = net.response(carol, &invite, 183);
    early.set_body("application/sdp", net.sdp(carol, 1, "sendrecv").into_bytes());
    net.send_back(carol, &early);
    net.wait(agent, "progress");
    net.run_for(500);
    assert_eq!(live(&net, agent), 1, "the new call's");
    net.unhold(agent, &first).unwrap();
    assert_eq!(live(&net, agent), 1, "the first one's");
    net.reply(carol, &invite, 200);
    net.run_for(500);
    assert_eq!(live(&net, agent), 1, "the new call's again");
}

#[test]
fn who_waits_to_be_answered_rings_until_it_is_told_otherwise() {
    let mut net = Net::new(8);
    let (agent, carol, b) = (agent(&mut net), net.peer("carol"), net.phone("bert"));
    talking_to_peer(&mut net, agent, carol);
    net.call(b, json!({ "number": net.uri(agent) }));
    let second = net.wait(agent, "incoming").call_id.unwrap();
    net.command(agent, Command::Answer(Answer { call_id: second.clone(), option: None }));
    let get = Command::GetSession(GetSession { call_id: Some(second.clone()) });
    assert_eq!(net.ask(agent, get.clone()).unwrap()["status"]["isRing"], true, "its 200 waits for the hold");
    let hold = net.expect(carol, "INVITE");
    net.reply(carol, &hold, 200);
    net.wait(agent, "accepted");
    assert_eq!(net.ask(agent, get).unwrap()["status"]["isRing"], false);
    assert!(story_of(&net, agent, &second).contains(&"statusChange(callStartTime,isRing)".into()));
}
