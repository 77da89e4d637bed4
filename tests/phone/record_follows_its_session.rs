//! Recording: told and shown as it happens, allowed as configured, closed after its session if need be; a full disk and a
//! PBX without codes never touch the call.

use phoned::ua::command::{CallRef, Command, Record, RecordTarget, SetRecordPermissions};
use phoned::ua::error::{Code, Error};
use phoned::ua::settings::Settings;
use serde_json::{Value, json};

use crate::net::{Net, Who};
use crate::{story_of, talking_to_peer};

fn record(call: &str, target: RecordTarget) -> Record {
    Record { call_id: call.into(), target }
}

fn start(net: &mut Net, who: Who, call: &str, target: RecordTarget) -> Result<Value, Error> {
    net.ask(who, Command::StartRecord(record(call, target)))
}

fn pause(net: &mut Net, who: Who, call: &str, target: RecordTarget) -> Result<Value, Error> {
    net.ask(who, Command::PauseRecord(record(call, target)))
}

fn stop(net: &mut Net, who: Who, call: &str) -> Result<Value, Error> {
    net.ask(who, Command::StopRecord(CallRef { call_id: call.into() }))
}

fn status(net: &mut Net, who: Who, call: &str) -> String {
    let get = phoned::ua::command::GetSession { call_id: Some(call.into()) };
    net.ask(who, Command::GetSession(get)).unwrap()["status"]["recordStatus"].as_str().unwrap().to_owned()
}

fn codes(settings: &mut Settings) {
    settings.record.pbx_start = Some("*1".into());
    settings.record.pbx_pause = Some("*2".into());
    settings.record.pbx_stop = Some("*4".into());
}

const LOCAL: RecordTarget = RecordTarget::Local;

#[test]
fn start_pause_resume_and_stop_are_told_in_order() {
    let mut net = Net::new(1);
    let (alice, bob) = (net.phone("alice"), net.phone("bob"));
    let (call, _) = net.connect(alice, bob);
    net.run_for(200);
    let before = story_of(&net, alice, &call).len();
    assert_eq!(start(&mut net, alice, &call, LOCAL).unwrap(), true);
    assert_eq!(status(&mut net, alice, &call), "recording");
    assert_eq!(start(&mut net, alice, &call, LOCAL).unwrap(), true, "already so");
    assert_eq!(pause(&mut net, alice, &call, LOCAL).unwrap(), true);
    assert_eq!(status(&mut net, alice, &call), "pause");
    assert_eq!(pause(&mut net, alice, &call, LOCAL).unwrap(), true, "already so");
    assert_eq!(start(&mut net, alice, &call, LOCAL).unwrap(), true);
    assert_eq!(status(&mut net, alice, &call), "recording");
    let file = stop(&mut net, alice, &call).unwrap();
    assert_eq!(file, json!({"path": "recording.wav", "sha256": "ab".repeat(32), "durationMs": 1_000}));
    assert_eq!(status(&mut net, alice, &call), "stop");
    assert_eq!(
        story_of(&net, alice, &call)[before..],
        [
            "recording.started",
            "statusChange(recordStatus)",
            "recording.paused",
            "statusChange(recordStatus)",
            "recording.resumed",
            "statusChange(recordStatus)",
            "statusChange(recordStatus)",
            "recording.stopped",
        ]
    );
    assert_eq!(stop(&mut net, alice, &call).unwrap_err().code, Code::WrongState);
    assert_eq!(pause(&mut net, alice, &call, LOCAL).unwrap_err().code, Code::WrongState);
}

#[test]
fn only_who_talks_is_recorded() {
    let mut net = Net::new(2);
    let (alice, carol) = (net.phone("alice"), net.peer("carol"));
    let call = net.call(alice, json!({ "number": net.uri(carol) }));
    assert_eq!(start(&mut net, alice, &call, LOCAL).unwrap_err().code, Code::WrongState);
    assert_eq!(start(&mut net, alice, "nobody", LOCAL).unwrap_err().code, Code::NoSession);
}

#[test]
fn a_file_closes_after_its_session() {
    let mut net = Net::new(3);
    let (alice, bob) = (net.phone("alice"), net.phone("bob"));
    let (call, _) = net.connect(alice, bob);
    start(&mut net, alice, &call, LOCAL).unwrap();
    net.hangup(alice, &call).unwrap();
    net.run_for(200);
    let story = story_of(&net, alice, &call);
    assert_eq!(story[story.len() - 3..], ["ended(Terminated)", "deleteSession", "recording.stopped"]);
}

#[test]
fn who_waits_for_the_file_gets_it_though_the_call_ends() {
    let mut net = Net::new(4);
    let (alice, bob) = (net.phone("alice"), net.phone("bob"));
    let (call, _) = net.connect(alice, bob);
    start(&mut net, alice, &call, LOCAL).unwrap();
    let waits = net.command(alice, Command::StopRecord(CallRef { call_id: call.clone() }));
    net.hangup(alice, &call).unwrap();
    net.run_for(200);
    assert_eq!(net.phone_of(alice).replies[&waits].as_ref().unwrap()["durationMs"], 1_000);
    let stops = story_of(&net, alice, &call).iter().filter(|event| *event == "recording.stopped").count();
    assert_eq!(stops, 1);
}

#[test]
fn a_full_disk_is_told_and_the_call_goes_on() {
    let mut net = Net::new(5);
    let (alice, bob) = (net.phone("alice"), net.phone("bob"));
    let (call, _) = net.connect(alice, bob);
    net.run_for(200);
    net.phone_mut(alice).records = false;
    let before = story_of(&net, alice, &call).len();
    let refused = start(&mut net, alice, &call, LOCAL).unwrap_err();
    assert_eq!((refused.code, refused.code.number()), (Code::Storage, -221));
    assert_eq!(story_of(&net, alice, &call)[before..], ["recording.failed", "alert"]);
    assert_eq!(status(&mut net, alice, &call), "stop");
    net.phone_mut(alice).records = true;
    start(&mut net, alice, &call, LOCAL).unwrap();
    net.hold(alice, &call).unwrap();
}

#[test]
fn permissions_are_kept() {
    let mut net = Net::new(6);
    let alice = net.phone_with("alice", |settings, _| settings.phone.record_permissions = 1);
    let bob = net.phone("bob");
    let (call, _) = net.connect(alice, bob);
    let refused = start(&mut net, alice, &call, LOCAL).unwrap_err();
    assert_eq!((refused.code, refused.code.number()), (Code::NoRecordPermission, -220));
    let set = |permissions| Command::SetRecordPermissions(SetRecordPermissions { permissions });
    net.ask(alice, set(2)).unwrap();
    let change = net.wait(alice, "recordPermissionsChange");
    assert_eq!(change.data, json!({"recordPermissions": 2, "oldRecordPermissions": 1}));
    start(&mut net, alice, &call, LOCAL).unwrap();
    net.ask(alice, set(1)).unwrap();
    pause(&mut net, alice, &call, LOCAL).unwrap();
    start(&mut net, alice, &call, LOCAL).unwrap();
    assert_eq!(stop(&mut net, alice, &call).unwrap_err().code, Code::NoRecordPermission);
    net.ask(alice, set(0)).unwrap();
    assert_eq!(pause(&mut net, alice, &call, LOCAL).unwrap_err().code, Code::NoRecordPermission);
    assert_eq!(net.ask(alice, Command::PhoneGet).unwrap()["recordPermissions"], 0);
}

#[test]
fn a_pbx_gets_its_own_code_for_each_step() {
    let mut net = Net::new(7);
    let alice = net.phone_with("alice", |settings, _| codes(settings));
    let bob = net.phone("bob");
    let (call, _) = net.connect(alice, bob);
    let pbx = RecordTarget::Pbx;
    start(&mut net, alice, &call, pbx).unwrap();
    assert_eq!(status(&mut net, alice, &call), "recording");
    pause(&mut net, alice, &call, pbx).unwrap();
    start(&mut net, alice, &call, pbx).unwrap();
    assert_eq!(stop(&mut net, alice, &call).unwrap(), true);
    assert_eq!(status(&mut net, alice, &call), "stop");
    net.run_for(3_000);
    let heard: String = net
        .phone_of(bob)
        .events
        .iter()
        .filter(|e| e.name == "dtmf")
        .map(|e| e.data["dtmf"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(heard, "*1*2*1*4");
    start(&mut net, alice, &call, pbx).unwrap();
    net.hangup(alice, &call).unwrap();
    let story = story_of(&net, alice, &call);
    assert_eq!(story[story.len() - 3..], ["recording.stopped", "ended(Terminated)", "deleteSession"]);
    assert!(net.phone_of(alice).media.iter().all(|(_, m)| !format!("{m:?}").starts_with("Record")), "no file");
}

#[test]
fn a_pbx_without_a_code_is_an_error_and_nothing_happens() {
    let mut net = Net::new(8);
    let (alice, bob) = (net.phone("alice"), net.phone("bob"));
    let (call, _) = net.connect(alice, bob);
    for target in [RecordTarget::Pbx, RecordTarget::Both] {
        let refused = start(&mut net, alice, &call, target).unwrap_err();
        assert_eq!((refused.code, refused.code.number()), (Code::NoRecordCode, -222));
    }
    assert_eq!(status(&mut net, alice, &call), "stop");
}

#[test]
fn both_is_both() {
    let mut net = Net::new(9);
    let alice = net.phone_with("alice", |settings, _| {
        codes(settings);
        settings.record.pbx_method = phoned::ua::command::DtmfMethod::Info;
    });
    let carol = net.peer("carol");
    let (call, _) = talking_to_peer(&mut net, alice, carol);
    let reply = net.command(alice, Command::StartRecord(record(&call, RecordTarget::Both)));
    let info = net.expect(carol, "INFO");
    assert!(String::from_utf8_lossy(info.body()).contains("Signal=*"));
    net.reply(carol, &info, 200);
    net.run_for(100);
    assert_eq!(net.phone_of(alice).replies[&reply], Ok(true.into()));
    assert_eq!(status(&mut net, alice, &call), "recording");
}
