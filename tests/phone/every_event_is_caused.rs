//! Every event that `rpc.discover` declares is caused here. One that nothing here causes fails the test. (That each is as it is
//! declared the network checks by itself.)

use std::collections::BTreeSet;

use phoned::sip::message::{Message, Method};
use phoned::ua::command::{
    AccountAdd, AccountRef, AgentSet, AgentState, Command, ConfigFault, Configure, DeviceRole, Drain, DtmfMethod,
    Record, RecordTarget, SetRecordPermissions, SetRole, SetStatus, SetVolume, StatusPatch,
};
use phoned::ua::headset::Button;
use phoned::ua::io::Input;
use phoned::ua::media::{MediaCommand, MediaEvent, SocketEvent};
use phoned::ua::settings::{AccountSettings, AutoAnswer, Settings};
use serde_json::json;

use crate::net::contract::CONTRACT;
use crate::net::{Net, Who};
use crate::talking_to_peer;

/// Told by the socket's side of the daemon: `rpc_who_never_reads_costs_little.rs` causes it.
const NOT_THE_PHONES: [&str; 1] = ["lagged"];

/// The names of the events of a story, and which are samples.
type Told = BTreeSet<(String, bool)>;

fn told(net: &Net, who: Who) -> Told {
    net.phone_of(who).events.iter().map(|event| (event.name.clone(), event.sample)).collect()
}

#[test]
fn every_event_is_caused() {
    let mut caused = BTreeSet::new();
    for story in [
        a_call,
        a_call_that_fails,
        a_peer_that_changes,
        a_transfer,
        a_transfer_that_fails,
        a_recording,
        a_full_disk,
        a_registration,
        accounts_and_devices,
        a_busy_seat,
        a_digit_refused,
        an_agent_at_lunch,
        sound_from_outside,
        a_reload_and_a_drain,
    ] {
        caused.extend(story());
    }
    let declared = CONTRACT.document["x-events"].as_array().unwrap().iter();
    let declared: Told =
        declared.map(|event| (event["name"].as_str().unwrap().to_owned(), event["sample"] == true)).collect();
    let missing: Vec<&str> = declared.difference(&caused).map(|(name, _)| name.as_str()).collect();
    assert_eq!(missing, NOT_THE_PHONES);
}

fn sound_from_outside() -> Told {
    let mut net = Net::new(13);
    let (alice, bob) = (net.phone("alice"), net.phone("bob"));
    let (call, _) = net.connect(alice, bob);
    let play = json!({ "callId": call, "file": "hello.wav", "to": "both" });
    net.ask(alice, Command::AudioPlay(serde_json::from_value(play).unwrap())).unwrap();
    net.run_for(2_000);
    let open = json!({ "callId": call, "ports": ["agentEar"], "mode": "tap" });
    net.ask(alice, Command::AudioOpen(serde_json::from_value(open).unwrap())).unwrap();
    let session = *net.phone_of(alice).streams.keys().next().unwrap();
    let opened = net.phone_of(alice).media.iter().rev().find_map(|(_, command)| match command {
        MediaCommand::OpenSocket(plan) => Some(plan.id),
        _ => None,
    });
    let dropped = MediaEvent::Socket(opened.unwrap(), SocketEvent::Dropped { frames: 3 });
    net.media_event(alice, session, dropped);
    net.hangup(alice, &call).unwrap();
    told(&net, alice)
}

fn a_call() -> Told {
    let mut net = Net::new(1);
    let (alice, bob) = (net.phone("alice"), net.phone("bob"));
    let (out, _) = net.connect(alice, bob);
    let status = StatusPatch { name: Some("Bob".into()), tags: Some(vec!["vip".into()]), ..StatusPatch::default() };
    net.ask(alice, Command::SetStatus(SetStatus { call_id: out.clone(), status })).unwrap();
    net.dtmf(alice, &out, "1", DtmfMethod::Rtp).unwrap();
    net.run_for(4_000);
    net.hangup(alice, &out).unwrap();
    net.wait(bob, "deleteSession");
    let mut all = told(&net, alice);
    all.extend(told(&net, bob));
    all
}

fn a_call_that_fails() -> Told {
    let mut net = Net::new(2);
    let (alice, bob) = (net.phone("alice"), net.phone("bob"));
    let nowhere = phoned::ua::command::Call { number: "sip:x@nowhere.example".into(), ..Default::default() };
    net.ask(alice, Command::Call(nowhere)).unwrap_err();
    net.call(alice, json!({ "number": net.uri(bob) }));
    let incoming = net.wait(bob, "incoming").call_id.unwrap();
    net.reject(bob, &incoming, None).unwrap();
    net.wait(alice, "failed");
    told(&net, alice)
}

fn a_peer_that_changes() -> Told {
    let mut net = Net::new(3);
    let (alice, carol) = (net.phone("alice"), net.peer("carol"));
    let (_, mut dialog) = talking_to_peer(&mut net, alice, carol);
    let mut again = net.in_dialog(carol, &mut dialog, Method::Invite);
    again.push("P-Asserted-Identity", "\"Dave\" <sip:dave@10.0.0.2>");
    again.set_body("application/sdp", net.sdp(carol, 2, "sendonly").into_bytes());
    net.send(carol, alice, &again);
    net.wait(alice, "reinvite");
    told(&net, alice)
}

fn a_transfer() -> Told {
    let mut net = Net::new(4);
    let (alice, bob) = (net.phone("alice"), net.phone("bob"));
    let carol = net.phone_with("carol", |_, account| account.auto_answer = Some(AutoAnswer::After(300)));
    let (out, _) = net.connect(alice, bob);
    let number = net.uri(carol);
    net.transfer(alice, &out, &number);
    net.wait(alice, "transferred");
    let mut all = told(&net, alice);
    all.extend(told(&net, bob));
    all
}

fn a_transfer_that_fails() -> Told {
    let mut net = Net::new(5);
    let (alice, bob) = (net.phone("alice"), net.phone("bob"));
    let (out, _) = net.connect(alice, bob);
    net.transfer(alice, &out, "sip:x@nowhere.example");
    net.wait(alice, "transferFailed");
    told(&net, alice)
}

fn a_recording() -> Told {
    let mut net = Net::new(6);
    let (alice, bob) = (net.phone("alice"), net.phone("bob"));
    let (out, _) = net.connect(alice, bob);
    let record = Record { call_id: out.clone(), target: RecordTarget::Local };
    net.ask(alice, Command::StartRecord(record.clone())).unwrap();
    net.ask(alice, Command::PauseRecord(record.clone())).unwrap();
    net.ask(alice, Command::StartRecord(record)).unwrap();
    net.hangup(alice, &out).unwrap();
    net.wait(alice, "recording.stopped");
    net.ask(alice, Command::SetRecordPermissions(SetRecordPermissions { permissions: 1 })).unwrap();
    told(&net, alice)
}

fn a_full_disk() -> Told {
    let mut net = Net::new(7);
    let (alice, bob) = (net.phone("alice"), net.phone("bob"));
    net.phone_mut(alice).records = false;
    let (out, _) = net.connect(alice, bob);
    net.ask(alice, Command::StartRecord(Record { call_id: out, target: RecordTarget::Local })).unwrap_err();
    told(&net, alice)
}

/// It is there, then it refuses, then it is silent.
fn a_registration() -> Told {
    let mut net = Net::new(8);
    let registrar = net.peer("registrar");
    let uri = format!("sip:{}", net.addr(registrar).ip());
    let alice = net.phone_with("alice", |_, account| {
        account.register = None;
        account.registrar = Some(uri);
    });
    let register = net.expect(registrar, "REGISTER");
    let mut ok = Message::response(&register, 200, "");
    ok.push("Contact", register.header("Contact").unwrap());
    net.send_back(registrar, &ok);
    net.wait(alice, "registered");
    let invite = net.invite(registrar, alice);
    let mut notify = Message::request(Method::Notify, invite.uri());
    for name in ["Via", "Max-Forwards", "From", "To", "Call-ID"] {
        notify.push(name, invite.header(name).unwrap());
    }
    notify.push("CSeq", "1 NOTIFY");
    notify.push("Event", "message-summary");
    net.send(registrar, alice, &notify);
    net.wait(alice, "account.notify");
    net.ask(alice, Command::ReRegister).unwrap();
    net.run_until("silence is noticed", |net| net.phone_of(alice).names().contains(&"disconnected"));
    told(&net, alice)
}

fn accounts_and_devices() -> Told {
    let mut net = Net::new(9);
    let alice = net.phone("alice");
    let account =
        AccountSettings { uri: "sip:second@10.0.0.1".into(), register: Some(false), ..AccountSettings::default() };
    let add = AccountAdd { name: "second".into(), account };
    net.ask(alice, Command::AccountAdd(add.clone())).unwrap();
    net.ask(alice, Command::AccountUpdate(add)).unwrap();
    net.ask(alice, Command::AccountRemove(AccountRef { name: "second".into() })).unwrap();
    net.plug_in(alice, &["pulse:headset"]);
    let role = SetRole { id: "pulse:headset".into(), role: DeviceRole::Input, account: None, call_id: None };
    net.ask(alice, Command::DeviceSetRole(role)).unwrap();
    let volume = SetVolume { id: "pulse:headset".into(), volume: 80, role: None };
    net.ask(alice, Command::DeviceSetVolume(volume)).unwrap();
    net.tell(alice, Input::Button { hardware: "/sys/devices/usb1/1-1".into(), button: Button::Mute });
    net.plug_in(alice, &[]);
    told(&net, alice)
}

/// The second call is refused; the first does not let itself be held.
fn a_busy_seat() -> Told {
    let mut net = Net::new(10);
    let (carol, bob, dave) = (net.peer("carol"), net.phone("bob"), net.phone("dave"));
    let alice = net.phone_with("alice", |settings, account| {
        settings.phone.max_calls_per_seat = 2;
        account.seat = Some("desk".into());
    });
    talking_to_peer(&mut net, alice, carol);
    net.call(alice, json!({ "number": net.uri(bob) }));
    net.call(dave, json!({ "number": net.uri(alice) }));
    net.wait(alice, "callRejected");
    let hold = net.expect(carol, "INVITE");
    net.reply(carol, &hold, 488);
    net.wait(alice, "media");
    told(&net, alice)
}

fn a_digit_refused() -> Told {
    let mut net = Net::new(11);
    let (alice, carol) = (net.phone("alice"), net.peer("carol"));
    let (call, _) = talking_to_peer(&mut net, alice, carol);
    net.dtmf(alice, &call, "1", DtmfMethod::Info).unwrap();
    let info = net.expect(carol, "INFO");
    net.reply(carol, &info, 415);
    net.wait(alice, "alert");
    told(&net, alice)
}

fn an_agent_at_lunch() -> Told {
    let mut net = Net::new(12);
    let alice = net.phone("alice");
    let lunch = AgentSet { state: Some(AgentState::NotReady), reason: Some("lunch".into()), ..AgentSet::default() };
    net.ask(alice, Command::AgentSet(lunch)).unwrap();
    told(&net, alice)
}

fn a_reload_and_a_drain() -> Told {
    let mut net = Net::new(13);
    let alice = net.phone("alice");
    let text = String::new;
    let fault = ConfigFault { place: "phoned.toml:1:1".into(), key: text(), wrong: "no TOML".into(), right: text() };
    net.ask(alice, Command::Configure(Box::new(Configure::Refuse(vec![fault])))).unwrap_err();
    let same = Box::new(Settings::default());
    let apply = Configure::Apply { was: same.clone(), will: same, changed: vec![], needs_restart: vec![] };
    net.ask(alice, Command::Configure(Box::new(apply))).unwrap();
    net.ask(alice, Command::Drain(Drain::default())).unwrap();
    net.ask(alice, Command::Shutdown).unwrap();
    told(&net, alice)
}
