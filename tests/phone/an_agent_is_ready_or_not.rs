//! Agents: who is not ready, wraps up or is not to be disturbed is not rung, and who calls is told so at once. Everything else
//! goes on: calls in progress, calls out, consultations, an INVITE that replaces a call.

use phoned::ua::command::{AccountAdd, AccountRef, AgentRef, AgentSet, AgentState, Call, Command, Configure};
use phoned::ua::error::Code;
use phoned::ua::io::{DeviceInfo, Input};
use phoned::ua::settings::{AccountSettings, Settings};
use serde_json::{Value, json};

use crate::net::{Net, Who};

fn set(net: &mut Net, who: Who, params: Value) -> Value {
    net.ask(who, Command::AgentSet(serde_json::from_value(params).unwrap())).unwrap()
}

fn refused(net: &mut Net, who: Who, params: Value) -> Code {
    net.ask(who, Command::AgentSet(serde_json::from_value(params).unwrap())).unwrap_err().code
}

fn get(net: &mut Net, who: Who, which: AgentRef) -> Value {
    net.ask(who, Command::AgentGet(which)).unwrap()
}

fn of_account(name: &str) -> AgentRef {
    AgentRef { account: Some(name.into()), seat: None }
}

/// A call that must be refused: what the agent's phone tells of it, and what the caller's.
fn turned_away(net: &mut Net, caller: Who, agent: Who) -> (Value, Value) {
    let before = net.phone_of(agent).events.len();
    net.call(caller, json!({ "number": net.uri(agent) }));
    net.wait(caller, "failed");
    let failed = net.last(caller, "failed");
    let told: Vec<_> = net.phone_of(agent).events[before..].iter().filter(|e| !e.sample).cloned().collect();
    assert_eq!(told.iter().map(|e| e.name.as_str()).collect::<Vec<_>>(), ["callRejected"], "and nothing else");
    net.run_for(1_000); // dials a second
    (net.last(agent, "callRejected"), failed)
}

fn changes(net: &Net, who: Who) -> Vec<Value> {
    net.phone_of(who).events.iter().filter(|e| e.name == "agent.changed").map(|e| Value::clone(&e.data)).collect()
}

fn rings(net: &mut Net, caller: Who, agent: Who) -> String {
    let out = net.call(caller, json!({ "number": net.uri(agent) }));
    net.wait(agent, "incoming");
    out
}

#[test]
fn not_ready_is_told_to_both_sides() {
    let mut net = Net::new(1);
    let (agent, carol) = (net.phone("agent"), net.phone("carol"));
    assert_eq!(
        get(&mut net, agent, AgentRef::default()),
        json!({"seat": "agent", "accounts": ["agent"], "state": "ready", "dnd": false})
    );
    let view = set(&mut net, agent, json!({"state": "notReady", "reason": "lunch"}));
    assert_eq!((&view["state"], &view["reason"]), (&json!("notReady"), &json!("lunch")));
    let changed = net.wait(agent, "agent.changed");
    assert_eq!((&changed.data["by"], changed.account.as_deref()), (&json!("local"), Some("agent")));
    let (told, failed) = turned_away(&mut net, carol, agent);
    assert_eq!(
        told,
        json!({"account": "agent", "number": "carol", "code": 486, "cause": "Busy", "reason": "notReady"})
    );
    assert_eq!((&failed["cause"], &failed["code"]), (&json!("Busy"), &json!(486)));
    // What holds already is not told again.
    set(&mut net, agent, json!({"state": "notReady", "reason": "lunch"}));
    assert_eq!(changes(&net, agent).len(), 1);
    let phone = net.ask(agent, Command::PhoneGet).unwrap();
    assert_eq!(phone["agents"][0], get(&mut net, agent, AgentRef::default()));
    let snapshot = net.ask(agent, Command::Snapshot(Default::default())).unwrap();
    assert_eq!(snapshot["snapshot"]["agents"], phone["agents"]);
    let ready = set(&mut net, agent, json!({"state": "ready"}));
    assert!(ready["reason"].is_null(), "{ready}");
    rings(&mut net, carol, agent);
}

#[test]
fn dnd_is_apart_from_the_state() {
    let mut net = Net::new(2);
    let (agent, carol) = (net.phone("agent"), net.phone("carol"));
    set(&mut net, agent, json!({"dnd": true}));
    assert_eq!(turned_away(&mut net, carol, agent).0["reason"], "dnd");
    set(&mut net, agent, json!({"state": "notReady"}));
    assert_eq!(turned_away(&mut net, carol, agent).0["reason"], "dnd");
    set(&mut net, agent, json!({"dnd": false}));
    assert_eq!(turned_away(&mut net, carol, agent).0["reason"], "notReady");
    set(&mut net, agent, json!({"state": "ready"}));
    rings(&mut net, carol, agent);
}

#[test]
fn the_code_is_the_configurations_and_callers_can_be_sent_elsewhere() {
    let mut net = Net::new(3);
    let agent = net.phone_with("agent", |settings, _| settings.phone.not_ready_code = 480);
    let (carol, queue) = (net.phone("carol"), net.phone("queue"));
    set(&mut net, agent, json!({"state": "notReady"}));
    let (told, failed) = turned_away(&mut net, carol, agent);
    assert_eq!((&told["code"], &told["cause"]), (&json!(480), &json!("Unavailable")));
    assert_eq!(failed["code"], 480);
    let elsewhere = net.uri(queue);
    set(&mut net, agent, json!({ "forward": elsewhere }));
    net.call(carol, json!({ "number": net.uri(agent) }));
    let incoming = net.wait(queue, "incoming");
    assert_eq!(incoming.data["session"]["status"]["number"], "carol");
    let told = net.last(agent, "callRejected");
    assert_eq!((&told["code"], &told["forward"]), (&json!(302), &json!(elsewhere)));
    assert_eq!(told["cause"], "Redirected");
    assert_eq!(net.phone_of(agent).names().iter().filter(|n| **n == "incoming").count(), 0);
    // A number is dialled at the account's domain; an empty one ends it.
    assert_eq!(refused(&mut net, agent, json!({"forward": "no number at all"})), Code::InvalidNumber);
    set(&mut net, agent, json!({"forward": "200"}));
    let peer = net.peer("peer");
    let invite = net.invite(peer, agent);
    net.send(peer, agent, &invite);
    assert_eq!(net.expect(peer, "SIP/2.0 302").header("Contact"), Some("<sip:200@10.0.0.1>"));
    set(&mut net, agent, json!({"forward": ""}));
    let invite = net.invite(peer, agent);
    net.send(peer, agent, &invite);
    net.expect(peer, "SIP/2.0 480");
}

#[test]
fn calls_in_progress_calls_out_and_consultations_go_on() {
    let mut net = Net::new(4);
    let agent = net.phone_with("agent", |_, account| account.seat = Some("desk".into()));
    let (anna, bert) = (net.phone("anna"), net.phone("bert"));
    let (_, talking) = net.connect(anna, agent);
    rings(&mut net, bert, agent);
    let ringing = net.last(agent, "incoming")["callId"].as_str().unwrap().to_owned();
    set(&mut net, agent, json!({"state": "notReady", "dnd": true}));
    net.run_for(2_000);
    // What rings goes on ringing, and can be answered; what talks goes on talking.
    net.answer(agent, &ringing).unwrap();
    net.hangup(agent, &ringing).unwrap();
    net.unhold(agent, &talking).unwrap();
    let consultation = net.ask(
        agent,
        Command::Call(Call { number: net.uri(bert), transfer_id: Some(talking.clone()), ..Call::default() }),
    );
    let consultation = consultation.unwrap()["callId"].as_str().unwrap().to_owned();
    net.run_for(500);
    let second = net.last(bert, "incoming")["callId"].as_str().unwrap().to_owned();
    net.answer(bert, &second).unwrap();
    net.run_for(500);
    let transfer = net.attended(agent, &consultation);
    net.answer_to(agent, transfer).unwrap();
    net.wait(agent, "transferred");
}

#[test]
fn an_invite_that_replaces_a_call_is_taken() {
    let mut net = Net::new(5);
    let (anna, bert, agent) = (net.phone("anna"), net.phone("bert"), net.phone("agent"));
    // Bert consults the agent about anna, who is then sent to the agent by an INVITE with Replaces.
    let (_, parent) = net.connect(anna, bert);
    let consultation = net.call(bert, json!({ "number": net.uri(agent), "transferId": parent }));
    let at_agent = net.wait(agent, "incoming").call_id.unwrap();
    net.answer(agent, &at_agent).unwrap();
    net.wait(agent, "confirmed");
    set(&mut net, agent, json!({"state": "notReady"}));
    net.wait(bert, "confirmed");
    net.run_for(500);
    let transfer = net.attended(bert, &consultation);
    net.answer_to(bert, transfer).unwrap();
    net.wait(bert, "transferred");
    assert_eq!(net.wait(agent, "reinvite").data["reason"], "transfer");
    assert!(!net.phone_of(agent).names().contains(&"callRejected"));
}

#[test]
fn a_wrap_up_ends_by_itself() {
    let mut net = Net::new(6);
    let (agent, carol) = (net.phone("agent"), net.phone("carol"));
    assert_eq!(refused(&mut net, agent, json!({"state": "wrapUp"})), Code::InvalidParams, "how long?");
    let view = set(&mut net, agent, json!({"state": "wrapUp", "seconds": 30}));
    assert!(view["until"].as_str() > view["since"].as_str(), "{view}");
    net.run_for(20_000);
    assert_eq!(turned_away(&mut net, carol, agent).0["reason"], "wrapUp");
    net.run_for(10_000);
    let told = changes(&net, agent);
    assert_eq!((told.len(), &told[1]["state"], &told[1]["by"]), (2, &json!("ready"), &json!("system")));
    assert!(told[1]["until"].is_null());
    rings(&mut net, carol, agent);
    // One that is over before its time does not end the next state.
    set(&mut net, agent, json!({"state": "wrapUp", "seconds": 5}));
    set(&mut net, agent, json!({"state": "notReady"}));
    net.run_for(10_000);
    assert_eq!(get(&mut net, agent, AgentRef::default())["state"], "notReady");
}

#[test]
fn each_answered_call_can_be_wrapped_up_by_itself() {
    let mut net = Net::new(7);
    let agent = net.phone_with("agent", |settings, account| {
        settings.phone.wrap_up = 15;
        account.seat = Some("desk".into());
    });
    let (anna, bert) = (net.phone("anna"), net.phone("bert"));
    // Not answered: nothing to wrap up.
    let out = rings(&mut net, anna, agent);
    net.hangup(anna, &out).unwrap();
    net.wait(agent, "failed");
    assert_eq!(get(&mut net, agent, AgentRef::default())["state"], "ready");
    // Two calls: the last one counts.
    let (first, _) = net.connect(anna, agent);
    let (second, _) = net.connect(bert, agent);
    net.hangup(anna, &first).unwrap();
    net.run_for(1_000);
    assert_eq!(get(&mut net, agent, AgentRef::default())["state"], "ready", "another call goes on");
    net.hangup(bert, &second).unwrap();
    let changed = net.wait(agent, "agent.changed").data;
    assert_eq!((&changed["state"], &changed["by"]), (&json!("wrapUp"), &json!("system")));
    assert_eq!(turned_away(&mut net, anna, agent).0["reason"], "wrapUp");
    net.run_for(15_000);
    assert_eq!(get(&mut net, agent, AgentRef::default())["state"], "ready");
    // Who is not ready stays so; who ends the wrap-up by hand is ready at once.
    let (third, _) = net.connect(anna, agent);
    set(&mut net, agent, json!({"state": "notReady", "reason": "lunch"}));
    net.hangup(anna, &third).unwrap();
    net.run_for(5_000);
    let view = get(&mut net, agent, AgentRef::default());
    assert_eq!((&view["state"], &view["reason"]), (&json!("notReady"), &json!("lunch")));
    net.run_for(20_000);
    assert_eq!(get(&mut net, agent, AgentRef::default()), view);
    set(&mut net, agent, json!({"state": "wrapUp"}));
    set(&mut net, agent, json!({"state": "ready"}));
    rings(&mut net, anna, agent);
}

#[test]
fn a_seat_is_named_by_itself_or_by_an_account() {
    let mut net = Net::new(8);
    let more = |user: &str, seat: Option<&str>| AccountSettings {
        uri: format!("sip:{user}@10.0.0.1"),
        register: Some(false),
        trusted: vec!["10.0.0.0/8".into()],
        seat: seat.map(str::to_owned),
        ..AccountSettings::default()
    };
    let agent = net.phone_with("agent", |settings, account| {
        account.seat = Some("desk".into());
        settings.accounts.insert("sales".into(), more("sales", Some("desk")));
        settings.accounts.insert("other".into(), more("other", None));
    });
    let carol = net.phone("carol");
    for (params, code) in [
        (json!({"dnd": true}), Code::NoAccount),
        (json!({"dnd": true, "seat": "nowhere"}), Code::NoAccount),
        (json!({"dnd": true, "account": "nobody"}), Code::NoAccount),
        (json!({"dnd": true, "account": "sales", "seat": "desk"}), Code::InvalidParams),
        (json!({"state": "ready", "reason": "x", "seat": "desk"}), Code::InvalidParams),
        (json!({"state": "ready", "seconds": 1, "seat": "desk"}), Code::InvalidParams),
        (json!({"state": "wrapUp", "seconds": 86_401, "seat": "desk"}), Code::InvalidParams),
        (json!({"state": "notReady", "reason": "x".repeat(257), "seat": "desk"}), Code::InvalidParams),
    ] {
        assert_eq!(refused(&mut net, agent, params.clone()), code, "{params}");
    }
    let view = set(&mut net, agent, json!({"dnd": true, "account": "sales"}));
    assert_eq!((&view["seat"], &view["accounts"]), (&json!("desk"), &json!(["agent", "sales"])));
    assert_eq!(view, get(&mut net, agent, AgentRef { seat: Some("desk".into()), account: None }));
    assert_eq!(turned_away(&mut net, carol, agent).0["reason"], "dnd", "the other account of the seat");
    net.call(carol, json!({"number": "sip:other@10.0.0.1"}));
    net.wait(agent, "incoming");
    let all = net.ask(agent, Command::PhoneGet).unwrap()["agents"].clone();
    let seats: Vec<&str> = all.as_array().unwrap().iter().map(|a| a["seat"].as_str().unwrap()).collect();
    assert_eq!(seats, ["other", "desk"]);
}

#[test]
fn the_agent_outlives_changes_of_accounts_and_devices() {
    let mut net = Net::new(9);
    let agent = net.phone_with("agent", |settings, _| settings.audio.input = "default".into());
    let carol = net.phone("carol");
    let device = |id: &str| DeviceInfo {
        id: id.into(),
        name: id.into(),
        input: true,
        output: true,
        default_input: true,
        default_output: true,
        suspended: false,
        hardware: None,
    };
    net.tell(agent, Input::Devices(vec![device("pulse:headset")]));
    let view = set(&mut net, agent, json!({"state": "notReady", "reason": "lunch", "seat": "pulse:headset"}));
    let settings = AccountSettings {
        uri: "sip:agent@10.0.0.1".into(),
        register: Some(false),
        trusted: vec!["10.0.0.0/8".into()],
        display_name: Some("Agent".into()),
        ..AccountSettings::default()
    };
    let update = |account: AccountSettings| Command::AccountUpdate(AccountAdd { name: "agent".into(), account });
    net.ask(agent, update(settings.clone())).unwrap();
    net.run_for(100);
    assert_eq!(get(&mut net, agent, of_account("agent")), view);
    // The headset is pulled out and another one plugged in: the agent is still at lunch.
    for devices in [vec![], vec![device("pulse:other")]] {
        net.tell(agent, Input::Devices(devices));
        let now = get(&mut net, agent, of_account("agent"));
        assert_eq!((&now["reason"], &now["since"]), (&view["reason"], &view["since"]));
    }
    assert_eq!(get(&mut net, agent, of_account("agent"))["seat"], "pulse:other");
    // By the socket, or by the files.
    let files = |seat: &str| {
        let account = AccountSettings { seat: Some(seat.into()), ..settings.clone() };
        Box::new(Settings { accounts: [("agent".to_owned(), account)].into(), ..Settings::default() })
    };
    net.ask(agent, update(files("desk").accounts.remove("agent").unwrap())).unwrap();
    net.run_for(100);
    assert_eq!(get(&mut net, agent, of_account("agent"))["seat"], "desk");
    let (was, will) = (files("desk"), files("window"));
    let reload = Configure::Apply { was, will, changed: vec![], needs_restart: vec![] };
    net.ask(agent, Command::Configure(Box::new(reload))).unwrap();
    let now = get(&mut net, agent, of_account("agent"));
    assert_eq!((&now["seat"], &now["reason"], &now["since"]), (&json!("window"), &view["reason"], &view["since"]));
    assert_eq!(turned_away(&mut net, carol, agent).0["reason"], "notReady");
    net.ask(agent, Command::AccountRemove(AccountRef { name: "agent".into() })).unwrap();
    assert_eq!(net.ask(agent, Command::PhoneGet).unwrap()["agents"], json!([]));
    assert_eq!(refused(&mut net, agent, json!({"dnd": true})), Code::NoAccount);
    let typed = AgentSet { state: Some(AgentState::Ready), ..AgentSet::default() };
    assert_eq!(serde_json::from_value::<AgentSet>(json!({"state": "ready"})).unwrap(), typed);
}
