//! A headset's buttons answer, hang up, mute, hold and change between the calls that use this headset, and no others; its lights show
//! how its calls are; what it says only because we changed a light is no press.

use phoned::ua::command::{Command, GetSession};
use phoned::ua::headset::{Button, Headset, Lights};
use phoned::ua::io::{DeviceInfo, Input};
use serde_json::json;

use crate::net::{Net, Who};

const ONE: &str = "/sys/devices/usb1/1-1";
const TWO: &str = "/sys/devices/usb1/1-2";
const DARK: Lights = Lights { off_hook: false, mute: false, ring: false, hold: false };
const TALKING: Lights = Lights { off_hook: true, ..DARK };
const RINGING: Lights = Lights { ring: true, ..DARK };

/// The sound devices of both, one of them the default.
fn headsets(default: &str) -> Vec<DeviceInfo> {
    let device = |(id, hardware): (&str, &str)| DeviceInfo {
        id: id.into(),
        name: id.into(),
        input: true,
        output: true,
        default_input: id == default,
        default_output: id == default,
        suspended: false,
        hardware: Some(hardware.into()),
    };
    [("pulse:one", ONE), ("pulse:two", TWO)].map(device).into()
}

/// An agent with the first headset, beside another agent's.
fn desk(seed: u64) -> (Net, Who, Who) {
    let mut net = Net::new(seed);
    let agent = net.phone_with("agent", |_, account| {
        account.input = Some("pulse:one".into());
        account.output = Some("pulse:one".into());
    });
    net.devices(agent, headsets(""));
    let headset = |hardware: &str| Headset { hardware: hardware.into(), name: "USB headset".into() };
    net.tell(agent, Input::Headsets(vec![headset(ONE), headset(TWO)]));
    let far = net.phone("far");
    (net, agent, far)
}

fn press(net: &mut Net, agent: Who, button: Button) {
    net.tell(agent, Input::Button { hardware: ONE.into(), button });
}

fn lights(net: &Net, agent: Who) -> Lights {
    assert_eq!(net.phone_of(agent).lights.get(TWO).copied().unwrap_or_default(), DARK, "the other agent's");
    net.phone_of(agent).lights.get(ONE).copied().unwrap_or_default()
}

fn ring(net: &mut Net, agent: Who, far: Who) -> String {
    net.call(far, json!({ "number": net.uri(agent) }));
    net.wait(agent, "incoming").call_id.unwrap()
}

/// What the last press did, and with which call.
fn did(net: &Net, agent: Who) -> (String, String) {
    let told = net.last(agent, "device.button");
    let text = |key: &str| told[key].as_str().unwrap_or_default().to_owned();
    assert_eq!((text("id"), text("hardware")), ("pulse:one".into(), ONE.into()));
    (text("action"), text("callId"))
}

#[test]
fn one_call_from_ring_to_end() {
    let (mut net, agent, far) = desk(1);
    press(&mut net, agent, Button::Mute);
    assert_eq!(did(&net, agent), (String::new(), String::new()), "nothing to mute");
    let call = ring(&mut net, agent, far);
    assert_eq!(lights(&net, agent), RINGING);
    press(&mut net, agent, Button::OffHook);
    assert_eq!(did(&net, agent), ("answer".into(), call.clone()));
    net.wait(agent, "confirmed");
    assert_eq!(lights(&net, agent), TALKING);
    press(&mut net, agent, Button::Mute);
    assert_eq!(lights(&net, agent), Lights { mute: true, ..TALKING });
    press(&mut net, agent, Button::MuteOn);
    assert_eq!(lights(&net, agent), Lights { mute: true, ..TALKING }, "it is already");
    press(&mut net, agent, Button::Mute);
    assert_eq!(lights(&net, agent), TALKING);
    press(&mut net, agent, Button::Hold);
    net.run_for(500);
    assert_eq!(lights(&net, agent), Lights { hold: true, ..DARK });
    net.run_for(4_000);
    press(&mut net, agent, Button::OnHook);
    assert_eq!(did(&net, agent).0, "", "who is held is not lost by laying the headset down");
    press(&mut net, agent, Button::OffHook);
    assert_eq!(did(&net, agent), ("unhold".into(), call.clone()));
    net.run_for(500);
    assert_eq!(lights(&net, agent), TALKING);
    press(&mut net, agent, Button::OnHook);
    assert_eq!(did(&net, agent), ("hangup".into(), call));
    assert_eq!(net.wait(agent, "ended").data["by"], "local");
    assert_eq!(lights(&net, agent), DARK);
}

#[test]
fn a_button_that_only_tells_that_it_was_pressed() {
    let (mut net, agent, far) = desk(2);
    ring(&mut net, agent, far);
    press(&mut net, agent, Button::Hook);
    net.wait(agent, "confirmed");
    press(&mut net, agent, Button::Hook);
    net.wait(agent, "ended");
    ring(&mut net, agent, far);
    press(&mut net, agent, Button::Drop);
    assert_eq!(did(&net, agent).0, "reject");
    assert_eq!(net.wait(far, "failed").data["code"], 486);
    let out = net.call(agent, json!({ "number": net.uri(far) }));
    assert_eq!(lights(&net, agent), TALKING, "it is on its way");
    press(&mut net, agent, Button::Hook);
    assert_eq!(did(&net, agent), ("hangup".into(), out));
    net.wait(agent, "failed");
}

#[test]
fn what_follows_our_light_is_no_press() {
    let (mut net, agent, far) = desk(3);
    let call = ring(&mut net, agent, far);
    net.answer(agent, &call).unwrap();
    net.wait(agent, "confirmed");
    let told = |net: &Net| net.phone_of(agent).events.iter().filter(|event| event.name == "device.button").count();
    press(&mut net, agent, Button::OffHook); // its hook follows the light
    assert_eq!(told(&net), 0);
    // The call is ended and the next begun before the headset has said anything.
    net.hangup(agent, &call).unwrap();
    net.wait(agent, "ended");
    net.call(agent, json!({ "number": net.uri(far) }));
    assert_eq!(lights(&net, agent), TALKING);
    press(&mut net, agent, Button::OnHook);
    press(&mut net, agent, Button::OffHook);
    assert_eq!((told(&net), lights(&net, agent)), (0, TALKING), "the second call goes on");
    press(&mut net, agent, Button::OnHook);
    assert_eq!(did(&net, agent).0, "hangup", "that was a hand");
}

#[test]
fn flash_changes_between_two_calls() {
    let (mut net, agent, far) = desk(4);
    let first = ring(&mut net, agent, far);
    press(&mut net, agent, Button::OffHook);
    net.wait(agent, "confirmed");
    let other = net.phone("other");
    let second = ring(&mut net, agent, other);
    assert_eq!(lights(&net, agent), Lights { ring: true, ..TALKING });
    press(&mut net, agent, Button::Flash);
    assert_eq!(did(&net, agent), ("answer".into(), second.clone()));
    net.wait(agent, "confirmed");
    assert_eq!(lights(&net, agent), Lights { hold: true, ..TALKING });
    press(&mut net, agent, Button::Flash);
    assert_eq!(did(&net, agent), ("unhold".into(), first.clone()));
    net.run_for(500);
    net.run_for(500);
    assert_eq!(lights(&net, agent), Lights { hold: true, ..TALKING });
    press(&mut net, agent, Button::OnHook);
    assert_eq!(did(&net, agent), ("hangup".into(), first));
    net.run_for(500);
    assert!(net.phone_of(agent).names_of(&second).iter().all(|name| *name != "ended"), "the other is still there");
}

#[test]
fn a_headset_that_is_pulled_out_shows_all_when_it_is_back() {
    let (mut net, agent, far) = desk(5);
    let call = ring(&mut net, agent, far);
    let back = |net: &mut Net| {
        net.phone_mut(agent).lights.clear();
        net.tell(agent, Input::Headsets(vec![Headset { hardware: ONE.into(), name: "USB headset".into() }]));
        assert!(net.phone_of(agent).lights.contains_key(ONE), "it is told, whatever it showed before");
    };
    net.tell(agent, Input::Headsets(Vec::new()));
    net.answer(agent, &call).unwrap();
    net.wait(agent, "confirmed");
    back(&mut net);
    assert_eq!(lights(&net, agent), TALKING);
    // Of a headset that nobody has told of, with calls of somebody else: nothing.
    net.tell(agent, Input::Button { hardware: "/sys/devices/usb9".into(), button: Button::OnHook });
    assert!(net.last(agent, "device.button")["action"].is_null());
    assert_eq!(lights(&net, agent), TALKING);
    net.tell(agent, Input::Headsets(Vec::new()));
    net.hangup(agent, &call).unwrap();
    net.wait(agent, "ended");
    back(&mut net);
    assert_eq!(lights(&net, agent), DARK);
}

#[test]
fn a_second_press_takes_back_what_is_under_way() {
    let (mut net, agent, far) = desk(6);
    let first = ring(&mut net, agent, far);
    press(&mut net, agent, Button::OffHook);
    net.wait(agent, "confirmed");
    press(&mut net, agent, Button::Hold);
    press(&mut net, agent, Button::Hold);
    assert_eq!(did(&net, agent), ("unhold".into(), first.clone()));
    net.run_for(2_000);
    assert_eq!(lights(&net, agent), TALKING, "neither side waits for anything");
    let other = net.phone("other");
    let second = ring(&mut net, agent, other);
    press(&mut net, agent, Button::Flash);
    assert!(lights(&net, agent).off_hook, "also while the first is being held");
    net.wait(agent, "confirmed");
    press(&mut net, agent, Button::Flash);
    press(&mut net, agent, Button::Flash);
    assert_eq!(did(&net, agent), ("unhold".into(), second));
    net.run_for(2_000);
    assert_eq!(lights(&net, agent), Lights { hold: true, ..TALKING });
    press(&mut net, agent, Button::OnHook);
    net.run_for(1_000);
    let left = net.ask(agent, Command::GetSession(GetSession { call_id: Some(first) })).unwrap();
    assert_eq!(left["status"]["isHold"], true, "{left}");
}

#[test]
fn a_hook_that_is_off_without_a_call_is_told_so() {
    let (mut net, agent, far) = desk(7);
    net.phone_mut(agent).lights.clear();
    press(&mut net, agent, Button::OffHook);
    assert_eq!(net.phone_of(agent).lights.get(ONE), Some(&DARK), "it follows, and says so");
    press(&mut net, agent, Button::OnHook);
    let call = ring(&mut net, agent, far);
    press(&mut net, agent, Button::OffHook);
    assert_eq!(did(&net, agent), ("answer".into(), call));
}

#[test]
fn a_call_stays_with_its_headset_when_another_becomes_the_default() {
    let mut net = Net::new(8);
    let agent = net.phone_with("agent", |_, account| {
        (account.input, account.output) = (Some("default".into()), Some("default".into()));
    });
    let far = net.phone("far");
    let plug = |net: &mut Net, default: &str| {
        net.devices(agent, headsets(default));
    };
    plug(&mut net, "pulse:one");
    net.tell(agent, Input::Headsets(vec![Headset { hardware: ONE.into(), name: "USB headset".into() }]));
    ring(&mut net, agent, far);
    press(&mut net, agent, Button::OffHook);
    net.wait(agent, "confirmed");
    plug(&mut net, "pulse:two");
    net.tell(agent, Input::Button { hardware: TWO.into(), button: Button::OnHook });
    assert!(net.last(agent, "device.button")["action"].is_null());
    assert_eq!(lights(&net, agent), TALKING);
    press(&mut net, agent, Button::OnHook);
    net.wait(agent, "ended");
}
