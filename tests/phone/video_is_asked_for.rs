//! Video without a source of it: a call or an answer that wants it is audio and no error; a session cannot become video, and says
//! so without losing the call; that it is audio already is true.

use phoned::sip::message::Method;
use phoned::ua::command::{Answer, Call, CallOption, CallRef, Command};
use phoned::ua::error::Code;

use crate::net::{Net, Who};

fn ask(net: &mut Net, who: Who, command: fn(CallRef) -> Command, call: &str) -> Result<serde_json::Value, Code> {
    net.ask(who, command(CallRef { call_id: call.into() })).map_err(|error| error.code)
}

#[test]
fn a_call_with_video_is_audio() {
    let mut net = Net::new(1);
    let (alice, bob) = (net.phone("alice"), net.phone("bob"));
    let video = || Some(CallOption { video: Some(true), offer_to_receive_video: Some(true), ..CallOption::default() });
    net.ask(alice, Command::Call(Call { number: net.uri(bob), option: video(), ..Call::default() })).unwrap();
    let incoming = net.wait(bob, "incoming").call_id.unwrap();
    let invite = net.sent(alice, "INVITE")[0].clone();
    assert!(!String::from_utf8_lossy(invite.body()).contains("m=video"));
    let result = net.ask(bob, Command::Answer(Answer { call_id: incoming, option: video() })).unwrap();
    assert_eq!(result["code"], 200);
    let confirmed = net.wait(alice, "confirmed").data;
    assert_eq!(confirmed["session"]["status"]["isVideo"], false);
    assert!(confirmed["session"]["localStream"].is_null());
}

#[test]
fn an_offer_of_video_is_answered_with_audio() {
    let mut net = Net::new(2);
    let (alice, carol) = (net.phone("alice"), net.peer("carol"));
    let mut invite = net.invite(carol, alice);
    let sdp = net.sdp(carol, 1, "sendrecv") + "m=video 40002 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n";
    invite.set_body("application/sdp", sdp.into_bytes());
    net.send(carol, alice, &invite);
    let incoming = net.wait(alice, "incoming").call_id.unwrap();
    let option = Some(CallOption { video: Some(true), ..CallOption::default() });
    net.ask(alice, Command::Answer(Answer { call_id: incoming, option })).unwrap();
    let ok = net.expect(carol, "SIP/2.0 200");
    let answer = String::from_utf8_lossy(ok.body()).into_owned();
    assert!(answer.contains("m=video 0 "), "refused, not left out (RFC 3264 §6): {answer}");
}

#[test]
fn a_session_stays_audio() {
    let mut net = Net::new(3);
    let (alice, bob) = (net.phone("alice"), net.phone("bob"));
    assert_eq!(ask(&mut net, alice, Command::AudioToVideo, "none"), Err(Code::NoSession));
    assert_eq!(ask(&mut net, alice, Command::VideoToAudio, "none"), Err(Code::NoSession));
    let out = net.call(alice, serde_json::json!({ "number": net.uri(bob) }));
    assert_eq!(ask(&mut net, alice, Command::AudioToVideo, &out), Err(Code::WrongState), "the state comes first");
    assert_eq!(ask(&mut net, alice, Command::VideoToAudio, &out), Err(Code::WrongState));
    let incoming = net.wait(bob, "incoming").call_id.unwrap();
    assert_eq!(ask(&mut net, bob, Command::AudioToVideo, &incoming), Err(Code::WrongState));
    net.answer(bob, &incoming).unwrap();
    net.wait(alice, "confirmed");
    net.wait(bob, "confirmed");
    net.run_for(500);
    let (sent, told) = (net.log.len(), net.phone_of(alice).names_of(&out).len());
    assert_eq!(ask(&mut net, alice, Command::AudioToVideo, &out), Err(Code::NoVideoInput));
    assert_eq!(ask(&mut net, alice, Command::VideoToAudio, &out), Ok(true.into()));
    net.run_for(500);
    let invites = net.log[sent..].iter().filter(|packet| packet.message().method() == Method::Invite).count();
    assert_eq!((invites, net.phone_of(alice).names_of(&out).len()), (0, told), "nothing on the wire, no event");
}
