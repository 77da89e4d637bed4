//! Digits: queued, in order, with their gaps; by RFC 4733, INFO or as tones; each told when it is out, and never what it was
//! where that is nobody's business.

use phoned::sip::message::Method;
use phoned::ua::command::{Command, Dtmf, DtmfMethod};
use phoned::ua::error::Code;
use phoned::ua::media::MediaCommand;

use crate::net::Net;
use crate::talking_to_peer;

fn sent(net: &Net, who: crate::net::Who, name: &str) -> String {
    net.phone_of(who)
        .events
        .iter()
        .filter(|e| e.name == name)
        .map(|e| e.data["dtmf"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn by_rtp_with_a_pause() {
    let mut net = Net::new(1);
    let (alice, bob) = (net.phone("alice"), net.phone("bob"));
    let (out, _) = net.connect(alice, bob);
    net.dtmf(alice, &out, "12,*#", DtmfMethod::Auto).unwrap();
    net.dtmf(alice, &out, "d", DtmfMethod::Rtp).unwrap();
    net.run_for(1_500);
    assert_eq!(sent(&net, alice, "dtmfSent"), "12", "the comma pauses");
    net.run_for(3_000);
    assert_eq!(sent(&net, alice, "dtmfSent"), "12*#D");
    assert_eq!(sent(&net, bob, "dtmf"), "12*#D");
}

#[test]
fn by_info() {
    let mut net = Net::new(2);
    let (alice, bob) = (net.phone("alice"), net.phone("bob"));
    let (out, _) = net.connect(alice, bob);
    net.dtmf(alice, &out, "5#", DtmfMethod::Info).unwrap();
    net.run_for(2_000);
    assert_eq!((sent(&net, alice, "dtmfSent"), sent(&net, bob, "dtmf")), ("5#".into(), "5#".into()));
    assert_eq!(net.sent(alice, "INFO").len(), 2);
}

/// A call to a peer that takes no telephone-events, and whose 200 says `allow`.
fn without_events(net: &mut Net, alice: crate::net::Who, carol: crate::net::Who, allow: Option<&str>) -> String {
    let call = net.call(alice, serde_json::json!({ "number": net.uri(carol) }));
    let invite = net.expect(carol, "INVITE");
    let mut ok = net.response(carol, &invite, 200);
    let sdp = net
        .sdp(carol, 1, "sendrecv")
        .replace(" 101\r\n", "\r\n")
        .replace("a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\n", "");
    ok.set_body("application/sdp", sdp.into_bytes());
    if let Some(allow) = allow {
        ok.push("Allow", allow);
    }
    net.send_back(carol, &ok);
    net.wait(alice, "confirmed");
    call
}

#[test]
fn a_peer_without_events_gets_info_by_itself() {
    let mut net = Net::new(3);
    let (alice, carol) = (net.phone("alice"), net.peer("carol"));
    let call = without_events(&mut net, alice, carol, None);
    net.dtmf(alice, &call, "7", DtmfMethod::Auto).unwrap();
    let info = net.expect(carol, "INFO");
    assert!(String::from_utf8_lossy(info.body()).contains("Signal=7"));
    net.reply(carol, &info, 200);
    assert_eq!(net.wait(alice, "dtmfSent").data["method"], "info");
    let refused = net.dtmf(alice, &call, "7", DtmfMethod::Rtp).unwrap_err();
    assert_eq!(refused.code, Code::WrongState);
}

#[test]
fn as_tones() {
    let mut net = Net::new(21);
    let (alice, bob) = (net.phone("alice"), net.phone("bob"));
    let (out, _) = net.connect(alice, bob);
    net.dtmf(alice, &out, "1,d", DtmfMethod::Inband).unwrap();
    net.run_for(3_000);
    assert_eq!((sent(&net, alice, "dtmfSent"), sent(&net, bob, "dtmf")), ("1D".into(), String::new()));
    assert_eq!(net.last(alice, "dtmfSent")["method"], "inband");
    let asked = net.phone_of(alice).media.iter().filter(|(_, c)| matches!(c, MediaCommand::Tones { .. })).count();
    assert_eq!(asked, 2);
}

#[test]
fn a_peer_that_takes_neither_events_nor_info_hears_tones() {
    let mut net = Net::new(22);
    let (alice, carol) = (net.phone("alice"), net.peer("carol"));
    let call = without_events(&mut net, alice, carol, Some("INVITE, ACK, BYE, CANCEL"));
    net.dtmf(alice, &call, "12", DtmfMethod::Auto).unwrap();
    net.run_for(1_000);
    assert_eq!(sent(&net, alice, "dtmfSent"), "12");
    assert_eq!(net.last(alice, "dtmfSent")["method"], "inband");
    assert!(net.sent(alice, "INFO").is_empty());
    // Who wants INFO by name gets it all the same.
    net.dtmf(alice, &call, "3", DtmfMethod::Info).unwrap();
    net.expect(carol, "INFO");
}

#[test]
fn a_peer_that_refuses_info_hears_that_digit_and_the_next() {
    let mut net = Net::new(23);
    let (alice, carol) = (net.phone("alice"), net.peer("carol"));
    let call = without_events(&mut net, alice, carol, Some("INVITE, ACK, BYE, CANCEL, INFO"));
    net.dtmf(alice, &call, "12", DtmfMethod::Auto).unwrap();
    let info = net.expect(carol, "INFO");
    net.reply(carol, &info, 415);
    net.run_for(1_000);
    assert_eq!(sent(&net, alice, "dtmfSent"), "12");
    assert_eq!((net.last(alice, "dtmfSent")["method"].clone(), net.sent(alice, "INFO").len()), ("inband".into(), 1));
    assert!(!net.phone_of(alice).names().contains(&"alert"));
}

#[test]
fn redacted_digits_are_not_told() {
    let mut net = Net::new(4);
    let (alice, bob) = (net.phone("alice"), net.phone("bob"));
    let (out, incoming) = net.connect(alice, bob);
    let dtmf = |dtmf: &str, method| Dtmf { call_id: out.clone(), dtmf: dtmf.into(), method, redact: true };
    for method in [DtmfMethod::Auto, DtmfMethod::Info, DtmfMethod::Inband] {
        net.ask(alice, Command::Dtmf(dtmf("49", method))).unwrap();
    }
    net.run_for(3_000);
    assert_eq!(sent(&net, alice, "dtmfSent"), "xxxxxx");
    assert_eq!(sent(&net, bob, "dtmf"), "4949", "only its own side keeps silent");
    let refused = net.ask(alice, Command::Dtmf(dtmf("4x9", DtmfMethod::Auto))).unwrap_err();
    assert!(refused.code == Code::InvalidDtmf && !refused.to_string().contains("4x9"), "{refused}");
    // Others are told as ever.
    net.dtmf(bob, &incoming, "4x9", DtmfMethod::Auto).unwrap_err().describe.find("4x9").unwrap();
}

#[test]
fn a_phone_can_keep_all_digits_to_itself() {
    let mut net = Net::new(24);
    let alice = net.phone_with("alice", |settings, _| settings.privacy.redact_dtmf = true);
    let bob = net.phone("bob");
    let (out, incoming) = net.connect(alice, bob);
    net.dtmf(alice, &out, "49", DtmfMethod::Auto).unwrap();
    net.dtmf(bob, &incoming, "16", DtmfMethod::Auto).unwrap();
    net.dtmf(bob, &incoming, "7", DtmfMethod::Info).unwrap();
    net.run_for(2_000);
    assert_eq!((sent(&net, alice, "dtmfSent"), sent(&net, alice, "dtmf")), ("xx".into(), "xxx".into()));
    assert_eq!((sent(&net, bob, "dtmfSent"), sent(&net, bob, "dtmf")), ("167".into(), "49".into()));
    let refused = net.dtmf(alice, &out, "4x9", DtmfMethod::Auto).unwrap_err();
    assert!(!refused.to_string().contains("4x9"), "{refused}");
}

#[test]
fn info_of_any_kind_is_answered() {
    let mut net = Net::new(5);
    let (alice, carol) = (net.phone("alice"), net.peer("carol"));
    let (_, mut dialog) = talking_to_peer(&mut net, alice, carol);
    let mut info = net.in_dialog(carol, &mut dialog, Method::Info);
    info.set_body("application/dtmf-relay", b"Signal=3\r\nDuration=200\r\n".to_vec());
    net.send(carol, alice, &info);
    net.expect(carol, "SIP/2.0 200");
    assert_eq!(net.wait(alice, "dtmf").data["durationMs"], 200);
    let mut other = net.in_dialog(carol, &mut dialog, Method::Info);
    other.set_body("application/media_control+xml", b"<x/>".to_vec());
    net.send(carol, alice, &other);
    net.expect(carol, "SIP/2.0 200");
}

#[test]
fn a_digit_without_an_answer_does_not_stop_the_next() {
    let mut net = Net::new(20);
    let (alice, carol) = (net.phone("alice"), net.peer("carol"));
    let (call, _) = talking_to_peer(&mut net, alice, carol);
    net.dtmf(alice, &call, "12", DtmfMethod::Info).unwrap();
    let one = net.expect(carol, "INFO");
    let alert = net.wait(alice, "alert");
    assert_eq!(alert.data["kind"], "dtmfRefused");
    net.run_until("the second digit", |net| net.sent(alice, "INFO").iter().any(|i| i.cseq() > one.cseq()));
}
