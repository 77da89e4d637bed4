//! Every event that `rpc.discover` declares is caused here, and is as it is declared; snapshots and statuses fit their
//! schemas. One that nothing here causes fails the test.

use std::collections::BTreeSet;

use phoned::sip::message::{Message, Method};
use phoned::ua::command::{
    AccountAdd, AccountRef, Command, DeviceRole, DtmfMethod, Record, RecordTarget, SetRecordPermissions, SetRole,
    SetStatus, StatusPatch,
};
use phoned::ua::io::DeviceInfo;
use phoned::ua::settings::AccountSettings;
use serde_json::json;

use crate::net::{Net, Who, shapes};
use crate::talking_to_peer;

/// Told by the socket's side of the daemon: `rpc_who_never_reads_costs_little.rs` causes it.
const NOT_THE_PHONES: [&str; 1] = ["lagged"];

/// The events of a story. That each has its members the network checks by itself.
fn told(net: &Net, who: Who) -> BTreeSet<String> {
    let events = &net.phone_of(who).events;
    events.iter().for_each(shapes::check_deeply);
    events.iter().map(|event| event.name.clone()).collect()
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
    ] {
        caused.extend(story());
    }
    let declared: BTreeSet<String> = shapes::names().into_iter().map(str::to_owned).collect();
    let missing: Vec<&String> = declared.iter().filter(|name| !caused.contains(*name)).collect();
    assert_eq!(missing, NOT_THE_PHONES);
}

fn a_call() -> BTreeSet<String> {
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

fn a_call_that_fails() -> BTreeSet<String> {
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

fn a_peer_that_changes() -> BTreeSet<String> {
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

fn a_transfer() -> BTreeSet<String> {
    let mut net = Net::new(4);
    let (alice, bob) = (net.phone("alice"), net.phone("bob"));
    let carol = net.phone_with("carol", |_, account| account.auto_answer = Some(300));
    let (out, _) = net.connect(alice, bob);
    let number = net.uri(carol);
    net.transfer(alice, &out, &number);
    net.wait(alice, "transferred");
    let mut all = told(&net, alice);
    all.extend(told(&net, bob));
    all
}

fn a_transfer_that_fails() -> BTreeSet<String> {
    let mut net = Net::new(5);
    let (alice, bob) = (net.phone("alice"), net.phone("bob"));
    let (out, _) = net.connect(alice, bob);
    net.transfer(alice, &out, "sip:x@nowhere.example");
    net.wait(alice, "transferFailed");
    told(&net, alice)
}

fn a_recording() -> BTreeSet<String> {
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

fn a_full_disk() -> BTreeSet<String> {
    let mut net = Net::new(7);
    let (alice, bob) = (net.phone("alice"), net.phone("bob"));
    net.phone_mut(alice).records = false;
    let (out, _) = net.connect(alice, bob);
    net.ask(alice, Command::StartRecord(Record { call_id: out, target: RecordTarget::Local })).unwrap_err();
    told(&net, alice)
}

/// It is there, then it refuses, then it is silent.
fn a_registration() -> BTreeSet<String> {
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

fn accounts_and_devices() -> BTreeSet<String> {
    let mut net = Net::new(9);
    let alice = net.phone("alice");
    let account =
        AccountSettings { uri: "sip:second@10.0.0.1".into(), register: Some(false), ..AccountSettings::default() };
    let add = AccountAdd { name: "second".into(), account };
    net.ask(alice, Command::AccountAdd(add.clone())).unwrap();
    net.ask(alice, Command::AccountUpdate(add)).unwrap();
    net.ask(alice, Command::AccountRemove(AccountRef { name: "second".into() })).unwrap();
    let device = DeviceInfo {
        id: "pulse:headset".into(),
        name: "Headset".into(),
        input: true,
        output: true,
        default_input: false,
        default_output: false,
    };
    net.devices(alice, vec![device.clone()]);
    net.ask(alice, Command::DeviceSetRole(SetRole { id: device.id, role: DeviceRole::Input, account: None })).unwrap();
    net.devices(alice, Vec::new());
    told(&net, alice)
}

/// The second call is refused; the first does not let itself be held.
fn a_busy_seat() -> BTreeSet<String> {
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

fn a_digit_refused() -> BTreeSet<String> {
    let mut net = Net::new(11);
    let (alice, carol) = (net.phone("alice"), net.peer("carol"));
    let (call, _) = talking_to_peer(&mut net, alice, carol);
    net.dtmf(alice, &call, "1", DtmfMethod::Info).unwrap();
    let info = net.expect(carol, "INFO");
    net.reply(carol, &info, 415);
    net.wait(alice, "alert");
    told(&net, alice)
}
