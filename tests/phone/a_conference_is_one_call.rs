//! `phone.merge` and `phone.split`: sessions of a seat in a conference share one microphone, are held and resumed as one, and
//! are told with true old and new status; whoever leaves, the last one is an ordinary call again.

use phoned::sdp::Direction;
use phoned::ua::command::{Answer, CallRef, Command, DeviceRole, GetSession, Merge, SetRole, Split};
use phoned::ua::error::{Code, Error};
use phoned::ua::media::MediaCommand;
use phoned::ua::settings::AccountSettings;
use serde_json::{Value, json};

use crate::net::{Net, Who, microphones};
use crate::{sipfrag, status_of, story_of, talking_to_peer};

fn agent(net: &mut Net) -> Who {
    net.phone_with("agent", |_, account| account.seat = Some("desk".into()))
}

fn merge(net: &mut Net, who: Who, calls: &[&str]) -> Result<Value, Error> {
    let call_ids = calls.iter().map(|c| (*c).to_owned()).collect();
    net.ask(who, Command::Merge(Merge { call_ids }))
}

fn split(net: &mut Net, who: Who, call: Option<&str>) -> Result<Value, Error> {
    net.ask(who, Command::Split(Split { call_id: call.map(str::to_owned) }))
}

/// `isConference` and `isHold`, as `session.get` tells them.
fn state(net: &mut Net, who: Who, call: &str) -> (bool, bool) {
    let session = net.ask(who, Command::GetSession(GetSession { call_id: Some(call.into()) })).unwrap();
    let is = |name: &str| session["status"][name].as_bool().unwrap();
    (is("isConference"), is("isHold"))
}

const IN: (bool, bool) = (true, false);
const IN_HELD: (bool, bool) = (true, true);
const OUT: (bool, bool) = (false, false);
const OUT_HELD: (bool, bool) = (false, true);

fn states<const N: usize>(net: &mut Net, who: Who, calls: [&str; N]) -> [(bool, bool); N] {
    calls.map(|call| state(net, who, call))
}

/// What the media engine was told last of each session that is open: its conference, and whether it is live.
fn mixed(net: &Net, who: Who) -> Vec<(Option<u64>, bool)> {
    net.phone_of(who).streams.values().map(|s| (s.conference, s.is_live())).collect()
}

fn live(net: &Net, who: Who) -> usize {
    microphones(net.phone_of(who).streams.values())
}

/// An agent who talks to these phones, the last one live, all others held.
fn talking_to<const N: usize>(net: &mut Net, names: [&str; N]) -> (Who, [Who; N], [String; N]) {
    let agent = agent(net);
    let phones = names.map(|name| net.phone(name));
    let calls = phones.map(|phone| {
        let call = net.connect(agent, phone).0;
        net.run_for(500);
        call
    });
    (agent, phones, calls)
}

/// Three in a conference with the agent.
fn conference(net: &mut Net) -> (Who, [Who; 3], [String; 3]) {
    let (agent, phones, calls) = talking_to(net, ["anna", "bert", "carl"]);
    assert_eq!(merge(net, agent, &[&calls[0], &calls[1], &calls[2]]).unwrap(), true);
    net.run_for(500);
    (agent, phones, calls)
}

/// Of a session since some event.
fn since(net: &Net, who: Who, call: &str, from: usize) -> Vec<String> {
    story_of(net, who, call)[from..].to_vec()
}

#[test]
fn a_merge_resumes_the_held_one_and_is_told() {
    let mut net = Net::new(1);
    let (agent, [anna, bert], [first, second]) = talking_to(&mut net, ["anna", "bert"]);
    assert_eq!(states(&mut net, agent, [&first, &second]), [OUT_HELD, OUT]);
    let before = [&first, &second].map(|call| story_of(&net, agent, call).len());
    let (to_anna, to_bert) = (net.log.len(), net.addr(bert));
    let reply = merge(&mut net, agent, &[&first, &second]);
    assert_eq!(reply.unwrap(), true);
    assert_eq!(states(&mut net, agent, [&first, &second]), [IN, IN], "true means done");
    assert_eq!(since(&net, agent, &first, before[0]), ["statusChange(isConference)", "statusChange(isHold)"]);
    assert_eq!(since(&net, agent, &second, before[1]), ["statusChange(isConference)"]);
    let told =
        net.phone_of(agent).events.iter().rfind(|e| e.name == "statusChange" && e.call_id == Some(second.clone()));
    let (old, new) = (&told.unwrap().data["oldStatus"], &told.unwrap().data["newStatus"]);
    assert_eq!((&old["isConference"], &new["isConference"]), (&json!(false), &json!(true)));
    let invites: Vec<_> = net.log[to_anna..].iter().filter(|p| p.is("INVITE")).collect();
    assert_eq!(invites.len(), 1, "{}", net.story());
    assert!(invites[0].to != to_bert && String::from_utf8_lossy(&invites[0].bytes).contains("a=sendrecv"));
    let mixed = mixed(&net, agent);
    assert!(mixed[0].0.is_some() && mixed == [(mixed[0].0, true); 2], "{mixed:?}");
    assert_eq!(live(&net, agent), 1);
    assert_eq!(status_of(&net, anna, &net.phone_of(anna).events[0].call_id.clone().unwrap())["isRemoteHold"], false);
    let all = net.phone_of(agent).events.iter().filter(|e| !e.sample).count();
    assert_eq!(merge(&mut net, agent, &[&second, &first]).unwrap(), true, "it is so already");
    assert_eq!(net.phone_of(agent).events.iter().filter(|e| !e.sample).count(), all, "and nothing happens");
}

#[test]
fn another_call_holds_all_and_the_resumption_of_one_resumes_all() {
    let mut net = Net::new(2);
    let (agent, _, [a, b, c]) = conference(&mut net);
    let dora = net.phone("dora");
    net.call(dora, json!({ "number": net.uri(agent) }));
    let d = net.wait(agent, "incoming").call_id.unwrap();
    let reply = net.command(agent, Command::Answer(Answer { call_id: d.clone(), option: None }));
    assert_eq!(live(&net, agent), 0, "all are cut off in the turn of the answer");
    assert!(net.sent(agent, "SIP/2.0 200").is_empty(), "the 200 waits for the holds");
    net.run_until("the answer", |net| net.phone_of(agent).replies.contains_key(&reply));
    assert_eq!(states(&mut net, agent, [&a, &b, &c]), [IN_HELD; 3], "of all");
    net.run_for(500);
    assert_eq!((state(&mut net, agent, &d), live(&net, agent)), (OUT, 1));
    net.unhold(agent, &b).unwrap();
    net.run_for(500);
    assert_eq!(states(&mut net, agent, [&a, &b, &c, &d]), [IN, IN, IN, OUT_HELD]);
    assert_eq!(live(&net, agent), 1);
    // It joins by the name of one of them.
    assert_eq!(merge(&mut net, agent, &[&d, &a]).unwrap(), true);
    assert_eq!(states(&mut net, agent, [&a, &b, &c, &d]), [IN; 4]);
    let mixed = mixed(&net, agent);
    assert_eq!((mixed.len(), mixed.iter().all(|m| *m == (mixed[0].0, true))), (4, true), "{mixed:?}");
}

#[test]
fn the_microphone_switches_as_one_where_nobody_is_held() {
    let mut net = Net::new(3);
    let agent = net.phone_with("agent", |settings, account| {
        account.seat = Some("desk".into());
        settings.phone.hold_others = false;
    });
    let calls = ["anna", "bert", "carl"].map(|name| {
        let phone = net.phone(name);
        net.connect(agent, phone).0
    });
    merge(&mut net, agent, &[&calls[0], &calls[1]]).unwrap();
    assert_eq!(mixed(&net, agent).iter().map(|m| m.1).collect::<Vec<_>>(), [true, true, false]);
    let look_at = |call: &String| Command::SetCurrentSession(CallRef { call_id: call.clone() });
    net.ask(agent, look_at(&calls[2])).unwrap();
    assert_eq!(mixed(&net, agent).iter().map(|m| m.1).collect::<Vec<_>>(), [false, false, true]);
    net.ask(agent, look_at(&calls[1])).unwrap();
    assert_eq!(mixed(&net, agent).iter().map(|m| m.1).collect::<Vec<_>>(), [true, true, false]);
    net.ask(agent, look_at(&calls[2])).unwrap();
    net.hangup(agent, &calls[2]).unwrap();
    assert_eq!(mixed(&net, agent).iter().map(|m| m.1).collect::<Vec<_>>(), [true, true], "what was cut off comes back");
}

#[test]
fn a_member_on_hold_is_out_of_the_mix_until_it_is_resumed_by_name() {
    let mut net = Net::new(4);
    let (agent, [anna, ..], [a, b, c]) = conference(&mut net);
    net.hold(agent, &a).unwrap();
    assert_eq!(states(&mut net, agent, [&a, &b, &c]), [IN_HELD, IN, IN]);
    assert_eq!(mixed(&net, agent).iter().map(|m| m.1).collect::<Vec<_>>(), [false, true, true]);
    // Another call holds all, and the others come back without it.
    let dora = net.phone("dora");
    let (d, _) = net.connect(agent, dora);
    net.run_for(500);
    assert_eq!(states(&mut net, agent, [&a, &b, &c]), [IN_HELD; 3]);
    net.unhold(agent, &b).unwrap();
    net.run_for(500);
    assert_eq!(states(&mut net, agent, [&a, &b, &c, &d]), [IN_HELD, IN, IN, OUT_HELD]);
    net.unhold(agent, &a).unwrap();
    net.run_for(500);
    assert_eq!(states(&mut net, agent, [&a, &b, &c]), [IN; 3]);
    // The far end's hold is its own affair.
    let theirs = net.phone_of(anna).events[0].call_id.clone().unwrap();
    net.hold(anna, &theirs).unwrap();
    net.run_for(500);
    assert_eq!(state(&mut net, agent, &a), IN);
    net.unhold(anna, &theirs).unwrap();
    // Mute is the agent's microphone to that one only: the others go on, and so does the mix.
    net.ask(agent, Command::Mute(CallRef { call_id: c.clone() })).unwrap();
    assert_eq!(mixed(&net, agent)[..3].iter().map(|m| m.1).collect::<Vec<_>>(), [true, true, false]);
    assert!(
        net.phone_of(agent).streams.values().all(|s| s.conference.is_some() || s.gate == Some(Direction::Inactive))
    );
}

#[test]
fn who_hangs_up_leaves_and_the_last_is_an_ordinary_call() {
    let mut net = Net::new(5);
    let (agent, [anna, bert, _], [a, b, c]) = conference(&mut net);
    let before = [&b, &c].map(|call| story_of(&net, agent, call).len());
    let theirs = net.phone_of(anna).events[0].call_id.clone().unwrap();
    net.hangup(anna, &theirs).unwrap();
    net.wait(agent, "cdrChange");
    assert_eq!(states(&mut net, agent, [&b, &c]), [IN, IN]);
    assert!(since(&net, agent, &b, before[0]).is_empty() && since(&net, agent, &c, before[1]).is_empty());
    net.hangup(agent, &b).unwrap();
    assert_eq!(state(&mut net, agent, &c), OUT);
    assert_eq!(since(&net, agent, &c, before[1]), ["statusChange(isConference)"]);
    assert_eq!(mixed(&net, agent), [(None, true)]);
    // One record a session, as ever.
    let records = net.phone_of(agent).events.iter().filter(|e| e.name == "cdrChange");
    let of: Vec<_> = records.map(|e| e.call_id.clone().unwrap()).collect();
    assert_eq!(of, [a, b]);
    net.run_for(500);
    assert!(net.phone_of(bert).names().contains(&"ended"));
    // An ordinary call is held for another, and may begin a conference again.
    let dora = net.phone("dora");
    let (d, _) = net.connect(agent, dora);
    net.run_for(500);
    assert_eq!(states(&mut net, agent, [&c, &d]), [OUT_HELD, OUT]);
    merge(&mut net, agent, &[&c, &d]).unwrap();
    assert_eq!(states(&mut net, agent, [&c, &d]), [IN, IN]);
}

#[test]
fn a_split_takes_one_out_and_holds_it() {
    let mut net = Net::new(6);
    let (agent, [_, bert, _], [a, b, c]) = conference(&mut net);
    let before = story_of(&net, agent, &b).len();
    let reply = net.command(agent, Command::Split(Split { call_id: Some(b.clone()) }));
    assert_eq!(live(&net, agent), 1, "in this very turn");
    assert_eq!(net.answer_to(agent, reply).unwrap(), true);
    assert_eq!(states(&mut net, agent, [&a, &b, &c]), [IN, OUT_HELD, IN]);
    assert_eq!(since(&net, agent, &b, before), ["statusChange(isConference)", "statusChange(isHold)"]);
    let theirs = net.phone_of(bert).events[0].call_id.clone().unwrap();
    assert_eq!(status_of(&net, bert, &theirs)["isRemoteHold"], true);
    let told = story_of(&net, agent, &b).len();
    assert_eq!(split(&mut net, agent, Some(&b)).unwrap(), true, "it is in none");
    assert_eq!(story_of(&net, agent, &b).len(), told);
    // The last but one: the last is alone, and talks on.
    assert_eq!(split(&mut net, agent, Some(&a)).unwrap(), true);
    assert_eq!(states(&mut net, agent, [&a, &b, &c]), [OUT_HELD, OUT_HELD, OUT]);
    assert_eq!((live(&net, agent), mixed(&net, agent).iter().any(|m| m.0.is_some())), (1, false));
}

#[test]
fn a_split_without_a_name_leaves_the_current_one_talking() {
    let mut net = Net::new(7);
    let (agent, _, [a, b, c]) = conference(&mut net);
    net.ask(agent, Command::SetCurrentSession(CallRef { call_id: b.clone() })).unwrap();
    let reply = net.command(agent, Command::Split(Split { call_id: None }));
    assert_eq!(live(&net, agent), 1, "in this very turn");
    assert_eq!(net.answer_to(agent, reply).unwrap(), true);
    assert_eq!(states(&mut net, agent, [&a, &b, &c]), [OUT_HELD, OUT, OUT_HELD]);
    assert_eq!(split(&mut net, agent, None).unwrap(), true, "there is none");
    // Held as one, it comes apart as one: nobody is resumed.
    merge(&mut net, agent, &[&a, &b]).unwrap();
    let dora = net.phone("dora");
    let (d, _) = net.connect(agent, dora);
    net.run_for(500);
    assert_eq!(split(&mut net, agent, None).unwrap(), true);
    assert_eq!(states(&mut net, agent, [&a, &b, &c, &d]), [OUT_HELD, OUT_HELD, OUT_HELD, OUT]);
}

#[test]
fn a_refusal_is_told_and_costs_no_call() {
    let mut net = Net::new(8);
    let (agent, carol, dave) = (agent(&mut net), net.peer("carol"), net.peer("dave"));
    let (a, _) = talking_to_peer(&mut net, agent, carol);
    net.call(agent, json!({ "number": net.uri(dave) }));
    let hold = net.expect(carol, "INVITE");
    net.reply(carol, &hold, 200);
    let invite = net.expect(dave, "INVITE");
    net.reply(dave, &invite, 200);
    let b = net.wait(agent, "confirmed").call_id.unwrap();
    net.run_for(200);
    let reply = net.command(agent, Command::Merge(Merge { call_ids: vec![a.clone(), b.clone()] }));
    let unhold = net.expect(carol, "INVITE");
    assert!(!net.phone_of(agent).replies.contains_key(&reply), "it waits for the far end");
    net.reply(carol, &unhold, 488);
    let refused = net.answer_to(agent, reply).unwrap_err();
    assert_eq!((refused.code, refused.sip_code), (Code::PeerRefused, Some(488)));
    assert_eq!(states(&mut net, agent, [&a, &b]), [IN_HELD, IN], "it is in the conference, on hold");
    let again = net.command(agent, Command::Merge(Merge { call_ids: vec![a.clone(), b.clone()] }));
    let unhold = net.expect(carol, "INVITE");
    net.reply(carol, &unhold, 200);
    assert_eq!(net.answer_to(agent, again).unwrap(), true);
    // A split that the far end refuses: it is out and stays up, in silence.
    let reply = net.command(agent, Command::Split(Split { call_id: Some(b.clone()) }));
    let hold = net.expect(dave, "INVITE");
    net.reply(dave, &hold, 488);
    assert_eq!(net.answer_to(agent, reply).unwrap_err().code, Code::PeerRefused);
    assert_eq!(states(&mut net, agent, [&a, &b]), [OUT, OUT]);
    assert_eq!(mixed(&net, agent), [(None, true), (None, false)]);
}

#[test]
fn the_reply_comes_with_the_last_answer() {
    let mut net = Net::new(9);
    let (agent, carol) = (agent(&mut net), net.peer("carol"));
    let (a, _) = talking_to_peer(&mut net, agent, carol);
    let (bert, carl) = (net.phone("bert"), net.phone("carl"));
    net.call(agent, json!({ "number": net.uri(bert) }));
    let hold = net.expect(carol, "INVITE");
    net.reply(carol, &hold, 200);
    let theirs = net.wait(bert, "incoming").call_id.unwrap();
    net.answer(bert, &theirs).unwrap();
    let b = net.wait(agent, "confirmed").call_id.unwrap();
    let (c, _) = net.connect(agent, carl);
    net.run_for(500);
    let calls = [a, b, c];
    let reply = net.command(agent, Command::Merge(Merge { call_ids: calls.to_vec() }));
    let unhold = net.expect(carol, "INVITE");
    net.run_for(1_000);
    assert_eq!(states(&mut net, agent, [&calls[0], &calls[1], &calls[2]]), [IN_HELD, IN, IN]);
    assert!(!net.phone_of(agent).replies.contains_key(&reply));
    net.reply(carol, &unhold, 200);
    assert_eq!(net.answer_to(agent, reply).unwrap(), true);
}

#[test]
fn what_cannot_be_merged_is_refused_and_named() {
    let mut net = Net::new(10);
    let (agent, anna, bert) = (agent(&mut net), net.phone("anna"), net.phone("bert"));
    let (a, _) = net.connect(agent, anna);
    net.call(bert, json!({ "number": net.uri(agent) }));
    let ringing = net.wait(agent, "incoming").call_id.unwrap();
    let before = net.phone_of(agent).events.iter().filter(|e| !e.sample).count();
    assert_eq!(merge(&mut net, agent, &[&a, "nobody"]).unwrap_err().code, Code::NoSession);
    assert_eq!(split(&mut net, agent, Some("nobody")).unwrap_err().code, Code::NoSession);
    for too_few in [&[][..], &[a.as_str()], &[&a, &a]] {
        assert_eq!(merge(&mut net, agent, too_few).unwrap_err().code, Code::InvalidParams);
    }
    let refused = merge(&mut net, agent, &[&a, &ringing]).unwrap_err();
    assert!(refused.code == Code::WrongState && refused.describe.contains(&ringing), "{refused:?}");
    assert_eq!(net.phone_of(agent).events.iter().filter(|e| !e.sample).count(), before);
    // Each session on `null` is alone in its seat.
    let alone = net.phone("alone");
    let calls = [anna, bert].map(|phone| net.connect(alone, phone).0);
    let refused = merge(&mut net, alone, &[&calls[0], &calls[1]]).unwrap_err();
    assert!(refused.code == Code::WrongState && refused.describe.contains(&calls[1]), "{refused:?}");
    assert!(net.phone_of(alone).streams.values().all(|s| s.conference.is_none()));
}

#[test]
fn a_seat_has_one_conference() {
    let mut net = Net::new(11);
    let (agent, _, calls) = talking_to(&mut net, ["anna", "bert", "carl", "dora"]);
    let [a, b, c, d] = &calls;
    merge(&mut net, agent, &[a, b]).unwrap();
    let refused = merge(&mut net, agent, &[c, d]).unwrap_err();
    assert!(refused.code == Code::WrongState && refused.hint.contains(a.as_str()), "{refused:?}");
    assert_eq!(states(&mut net, agent, [a, b, c, d]), [IN, IN, OUT_HELD, OUT_HELD]);
    merge(&mut net, agent, &[c, a, d]).unwrap();
    assert_eq!(states(&mut net, agent, [a, b, c, d]), [IN; 4]);
}

#[test]
fn a_member_that_is_transferred_leaves_or_comes_back() {
    let mut net = Net::new(12);
    let (agent, carol) = (agent(&mut net), net.peer("carol"));
    let (a, mut dialog) = talking_to_peer(&mut net, agent, carol);
    let bert = net.phone("bert");
    net.call(agent, json!({ "number": net.uri(bert) }));
    let hold = net.expect(carol, "INVITE");
    net.reply(carol, &hold, 200);
    let theirs = net.wait(bert, "incoming").call_id.unwrap();
    net.answer(bert, &theirs).unwrap();
    let b = net.wait(agent, "confirmed").call_id.unwrap();
    let merged = net.command(agent, Command::Merge(Merge { call_ids: vec![a.clone(), b.clone()] }));
    let unhold = net.expect(carol, "INVITE");
    net.reply(carol, &unhold, 200);
    net.answer_to(agent, merged).unwrap();
    for (line, succeeds) in [("SIP/2.0 486 Busy Here", false), ("SIP/2.0 200 OK", true)] {
        let reply = net.transfer(agent, &a, "1234");
        let hold = net.expect(carol, "INVITE");
        net.reply(carol, &hold, 200);
        let refer = net.expect(carol, "REFER");
        assert_eq!(states(&mut net, agent, [&a, &b]), [IN_HELD, IN]);
        let refused = merge(&mut net, agent, &[&a, &b]).unwrap_err();
        assert!(refused.code == Code::WrongState && refused.describe.contains(&a), "{refused:?}");
        net.reply(carol, &refer, 202);
        net.answer_to(agent, reply).unwrap();
        let notify = sipfrag(&mut net, carol, &mut dialog, "terminated;reason=noresource", line);
        net.send(carol, agent, &notify);
        if succeeds {
            net.expect(carol, "BYE");
            assert_eq!(state(&mut net, agent, &b), OUT);
        } else {
            let unhold = net.expect(carol, "INVITE");
            net.reply(carol, &unhold, 200);
            net.run_for(200);
            assert_eq!(states(&mut net, agent, [&a, &b]), [IN, IN]);
        }
    }
    assert_eq!(mixed(&net, agent), [(None, true)]);
}

#[test]
fn a_consultation_that_is_merged_can_still_be_transferred() {
    let mut net = Net::new(13);
    let (agent, anna, bert) = (agent(&mut net), net.phone("anna"), net.phone("bert"));
    let (parent, _) = net.connect(agent, anna);
    let out = net.call(agent, json!({ "number": net.uri(bert), "transferId": parent }));
    let theirs = net.wait(bert, "incoming").call_id.unwrap();
    net.answer(bert, &theirs).unwrap();
    net.wait(agent, "confirmed");
    net.run_for(500);
    merge(&mut net, agent, &[&out, &parent]).unwrap();
    assert_eq!(states(&mut net, agent, [&parent, &out]), [IN, IN]);
    let reply = net.attended(agent, &out);
    net.answer_to(agent, reply).unwrap();
    net.run_for(3_000);
    assert!(net.phone_of(agent).streams.is_empty(), "{}", net.story());
    assert_eq!(net.phone_of(agent).names().iter().filter(|n| **n == "ended").count(), 2);
    assert_eq!((net.phone_of(anna).streams.len(), net.phone_of(bert).streams.len()), (1, 1), "they talk to each other");
}

#[test]
fn who_sits_elsewhere_leaves() {
    let mut net = Net::new(14);
    let agent = net.phone_with("agent", |settings, _| settings.audio.input = "pulse:desk".into());
    let calls = ["anna", "bert"].map(|name| {
        let phone = net.phone(name);
        net.call(phone, json!({ "number": net.uri(agent) }));
        let call = net.wait(agent, "incoming").call_id.unwrap();
        net.answer(agent, &call).unwrap();
        net.run_for(500);
        call
    });
    merge(&mut net, agent, &[&calls[0], &calls[1]]).unwrap();
    assert_eq!(states(&mut net, agent, [&calls[0], &calls[1]]), [IN, IN]);
    let role = SetRole { id: "null".into(), role: DeviceRole::Input, account: None, call_id: None };
    net.ask(agent, Command::DeviceSetRole(role)).unwrap();
    assert_eq!(states(&mut net, agent, [&calls[0], &calls[1]]), [OUT, OUT], "each is alone on `null`");
    let left = net.phone_of(agent).media.iter().filter(|(_, c)| *c == MediaCommand::Conference(None)).count();
    assert_eq!(left, 2);
}

#[test]
fn seats_that_become_one_have_two_conferences_until_they_are_merged() {
    let mut net = Net::new(16);
    let agent = net.phone_with("agent", |settings, account| {
        account.input = Some("pulse:one".into());
        let uri = "sip:second@10.0.0.1".to_owned();
        let second = AccountSettings { uri, input: Some("pulse:two".into()), ..account.clone() };
        settings.accounts.insert("second".into(), AccountSettings { register: Some(false), ..second });
    });
    net.plug_in(agent, &["pulse:one", "pulse:two"]);
    let calls =
        [("anna", "agent"), ("bert", "agent"), ("carl", "second"), ("dora", "second")].map(|(name, account)| {
            let phone = net.phone(name);
            let call = net.call(agent, json!({ "number": net.uri(phone), "account": account }));
            let theirs = net.wait(phone, "incoming").call_id.unwrap();
            net.answer(phone, &theirs).unwrap();
            net.wait(agent, "confirmed");
            net.run_for(500);
            call
        });
    let [a, b, c, d] = &calls;
    merge(&mut net, agent, &[a, b]).unwrap();
    merge(&mut net, agent, &[c, d]).unwrap();
    assert_eq!((states(&mut net, agent, [a, b, c, d]), live(&net, agent)), ([IN; 4], 2), "two seats");
    let role =
        SetRole { id: "pulse:one".into(), role: DeviceRole::Input, account: Some("second".into()), call_id: None };
    net.ask(agent, Command::DeviceSetRole(role)).unwrap();
    assert_eq!(live(&net, agent), 1, "in this very turn");
    net.run_for(500);
    assert_eq!(states(&mut net, agent, [a, b, c, d]), [IN_HELD, IN_HELD, IN, IN], "the current one's goes on");
    assert_eq!(split(&mut net, agent, Some(d)).unwrap(), true);
    assert_eq!(states(&mut net, agent, [a, b, c, d]), [IN_HELD, IN_HELD, OUT, OUT_HELD]);
    merge(&mut net, agent, &[c, d]).unwrap_err();
    merge(&mut net, agent, &[c, d, a]).unwrap();
    net.run_for(500);
    assert_eq!((states(&mut net, agent, [a, b, c, d]), live(&net, agent)), ([IN; 4], 1));
}

#[test]
fn a_call_that_the_far_end_wants_holds_the_conference_when_it_is_answered() {
    let mut net = Net::new(15);
    let (agent, carol) = (agent(&mut net), net.peer("carol"));
    let (a, mut dialog) = talking_to_peer(&mut net, agent, carol);
    let (bert, dora) = (net.phone("bert"), net.phone("dora"));
    net.call(agent, json!({ "number": net.uri(bert) }));
    let hold = net.expect(carol, "INVITE");
    net.reply(carol, &hold, 200);
    let theirs = net.wait(bert, "incoming").call_id.unwrap();
    net.answer(bert, &theirs).unwrap();
    let b = net.wait(agent, "confirmed").call_id.unwrap();
    let merged = net.command(agent, Command::Merge(Merge { call_ids: vec![a.clone(), b.clone()] }));
    let unhold = net.expect(carol, "INVITE");
    net.reply(carol, &unhold, 200);
    net.answer_to(agent, merged).unwrap();
    for answered in [false, true] {
        let mut refer = net.in_dialog(carol, &mut dialog, phoned::sip::message::Method::Refer);
        refer.push("Refer-To", format!("<{}>", net.uri(dora)));
        net.send(carol, agent, &refer);
        net.expect(carol, "SIP/2.0 202");
        let rings = net.wait(dora, "incoming").call_id.unwrap();
        assert_eq!((states(&mut net, agent, [&a, &b]), live(&net, agent)), ([IN, IN], 0), "silent, and not held");
        if answered {
            net.answer(dora, &rings).unwrap();
            let hold = net.expect(carol, "INVITE");
            net.reply(carol, &hold, 200);
            net.run_for(500);
            assert_eq!(states(&mut net, agent, [&a, &b]), [IN_HELD, IN_HELD]);
        } else {
            net.reject(dora, &rings, None).unwrap();
            while let Some(notify) = {
                net.run_for(100);
                net.inbox(carol).pop_front()
            } {
                if notify.method() == phoned::sip::message::Method::Notify {
                    net.reply(carol, &notify, 200);
                }
            }
            assert_eq!((states(&mut net, agent, [&a, &b]), live(&net, agent)), ([IN, IN], 1));
        }
    }
}
