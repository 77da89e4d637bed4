//! Devices: one session's own choice counts before its account's, that before the host's; a device that is in use is not tried out.

use phoned::ua::command::{Answer, CallOption, Command, DeviceRole, DeviceTest, SetRole};
use phoned::ua::error::Code;
use phoned::ua::io::{Input, SessionId, Trial};
use phoned::ua::media::MediaCommand;
use serde_json::json;

use crate::net::{Net, Who};

const HEADSETS: [&str; 3] = ["pulse:one", "pulse:two", "pulse:three"];

fn give(id: &str, role: DeviceRole, account: Option<&str>, call_id: Option<&str>) -> Command {
    let own = |name: &str| name.to_owned();
    Command::DeviceSetRole(SetRole { id: id.into(), role, account: account.map(own), call_id: call_id.map(own) })
}

/// Where the sessions of a phone have moved to since.
fn moves(net: &mut Net, who: Who) -> Vec<(SessionId, String, String)> {
    let moved = |(id, command)| match command {
        MediaCommand::Devices { input, output } => Some((id, input, output)),
        _ => None,
    };
    std::mem::take(&mut net.phone_mut(who).media).into_iter().filter_map(moved).collect()
}

fn own(input: &str, output: &str) -> (String, String) {
    (input.into(), output.into())
}

#[test]
fn a_sessions_own_choice_stays() {
    let mut net = Net::new(1);
    let agent = net.phone_with("agent", |_, account| account.input = Some("pulse:one".into()));
    net.plug_in(agent, &HEADSETS);
    let far = net.phone("far");
    let (call, _) = net.connect(agent, far);
    moves(&mut net, agent);
    net.ask(agent, give("pulse:two", DeviceRole::Output, None, Some(&call))).unwrap();
    let moved = moves(&mut net, agent);
    assert_eq!(moved.iter().map(|(_, i, o)| own(i, o)).collect::<Vec<_>>(), [own("pulse:one", "pulse:two")]);
    let told = net.last(agent, "device.changed");
    assert_eq!(told["callId"], call.as_str());
    assert_eq!((&told["id"], &told["role"]), (&json!("pulse:two"), &json!("output")));
    net.ask(agent, give("pulse:three", DeviceRole::Output, Some("agent"), None)).unwrap();
    net.ask(agent, give("pulse:three", DeviceRole::Output, None, None)).unwrap();
    assert!(moves(&mut net, agent).is_empty(), "it keeps its own");
    net.ask(agent, give("pulse:three", DeviceRole::Input, Some("agent"), None)).unwrap();
    let moved = moves(&mut net, agent);
    assert_eq!(moved.iter().map(|(_, i, o)| own(i, o)).collect::<Vec<_>>(), [own("pulse:three", "pulse:two")]);
    let both = net.ask(agent, give("pulse:one", DeviceRole::Input, Some("agent"), Some(&call))).unwrap_err();
    assert_eq!(both.code, Code::InvalidParams);
    assert_eq!(
        net.ask(agent, give("pulse:one", DeviceRole::Input, None, Some("nobody"))).unwrap_err().code,
        Code::NoSession
    );
}

#[test]
fn the_device_of_an_answer_stays() {
    let mut net = Net::new(2);
    let (agent, far) = (net.phone("agent"), net.phone("far"));
    net.plug_in(agent, &HEADSETS);
    net.call(far, json!({ "number": net.uri(agent) }));
    let call = net.wait(agent, "incoming").call_id.unwrap();
    let option = Some(CallOption { device: Some("pulse:two".into()), ..CallOption::default() });
    net.ask(agent, Command::Answer(Answer { call_id: call, option })).unwrap();
    net.wait(agent, "confirmed");
    moves(&mut net, agent);
    net.ask(agent, give("pulse:one", DeviceRole::Input, None, None)).unwrap();
    net.ask(agent, give("pulse:one", DeviceRole::Ringer, None, None)).unwrap();
    assert!(moves(&mut net, agent).is_empty());
}

#[test]
fn a_host_that_changes_a_device_is_told() {
    let mut net = Net::new(3);
    let agent = net.phone("agent");
    net.plug_in(agent, &HEADSETS);
    let mut list = phoned_devices(&mut net, agent);
    list[1]["suspended"] = true.into();
    net.devices(agent, serde_json::from_value(list).unwrap());
    let told = net.last(agent, "device.changed");
    assert_eq!((&told["id"], &told["device"]["suspended"]), (&json!("pulse:two"), &json!(true)));
    assert!(told["role"].is_null());
}

fn phoned_devices(net: &mut Net, who: Who) -> serde_json::Value {
    net.ask(who, Command::DeviceList).unwrap()["devices"].clone()
}

#[test]
fn a_test_is_answered_when_it_is_done() {
    let mut net = Net::new(4);
    let (agent, far) = (net.phone("agent"), net.phone("far"));
    net.plug_in(agent, &HEADSETS);
    let test =
        |id: &str, force| Command::DeviceTest(DeviceTest { id: Some(id.into()), force, ..DeviceTest::default() });
    let reply = net.command(agent, test("pulse:one", false));
    let (asked, trial) = net.phone_of(agent).trials[0].clone();
    assert_eq!((asked, trial.seconds), (reply, 2));
    assert!(!net.phone_of(agent).replies.contains_key(&reply), "it is not done");
    assert_eq!(net.ask(agent, test("pulse:one", true)).unwrap_err().code, Code::DeviceBusy, "one at a time");
    let findings = [
        (Some(true), Some(true), Some(-50.0), None, "ok", true),
        (Some(true), Some(true), Some(-50.0), Some(80.0), "loopHeard", true),
        (Some(true), Some(true), Some(-127.0), None, "silentMicrophone", false),
        (Some(false), Some(true), Some(-50.0), None, "nothingPlayed", true),
        (None, Some(false), None, None, "nothingRecorded", false),
        (Some(true), None, None, None, "ok", false),
    ];
    let mut reply = reply;
    for (played, recorded, level_dbov, delay_ms, finding, heard) in findings {
        let (input, output) = (trial.input.clone(), trial.output.clone());
        let result = Trial { input, output, played, recorded, level_dbov, delay_ms };
        net.tell(agent, Input::DeviceTested(reply, Ok(result)));
        let told = net.phone_of(agent).replies[&reply].clone().unwrap();
        assert_eq!((&told["finding"], &told["heard"]), (&json!(finding), &json!(heard)), "{told}");
        reply = net.command(agent, test("pulse:one", false));
    }
    net.tell(agent, Input::DeviceTested(reply, Err("no thread for it".into())));
    assert_eq!(net.phone_of(agent).replies[&reply].clone().unwrap_err().code, Code::DeviceFailed);

    net.ask(agent, give("pulse:two", DeviceRole::Input, None, None)).unwrap();
    net.connect(agent, far);
    assert_eq!(net.ask(agent, test("pulse:two", false)).unwrap_err().code, Code::DeviceBusy);
    let forced = net.command(agent, test("pulse:two", true));
    assert!(net.phone_of(agent).trials.iter().any(|(reply, _)| *reply == forced));
    assert_eq!(net.ask(agent, test("pulse:nothing", false)).unwrap_err().code, Code::NoInput);
}
