//! Digits: queued, in order, with their gaps; by RFC 4733 or INFO; each told when it is out.

use phoned::sip::message::Method;
use phoned::ua::command::{Command, Dtmf, DtmfMethod};

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

#[test]
fn a_peer_without_events_gets_info_by_itself() {
    let mut net = Net::new(3);
    let (alice, carol) = (net.phone("alice"), net.peer("carol"));
    let call = net.call(alice, serde_json::json!({ "number": net.uri(carol) }));
    let invite = net.expect(carol, "INVITE");
    let mut ok = net.response(carol, &invite, 200);
    let sdp = net
        .sdp(carol, 1, "sendrecv")
        .replace(" 101\r\n", "\r\n")
        .replace("a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\n", "");
    ok.set_body("application/sdp", sdp.into_bytes());
    net.send_back(carol, &ok);
    net.wait(alice, "confirmed");
    net.dtmf(alice, &call, "7", DtmfMethod::Auto).unwrap();
    let info = net.expect(carol, "INFO");
    assert!(String::from_utf8_lossy(info.body()).contains("Signal=7"));
    net.reply(carol, &info, 200);
    assert_eq!(net.wait(alice, "dtmfSent").data["method"], "info");
}

#[test]
fn redacted_digits_are_not_told() {
    let mut net = Net::new(4);
    let (alice, bob) = (net.phone("alice"), net.phone("bob"));
    let (out, _) = net.connect(alice, bob);
    let dtmf = Dtmf { call_id: out, dtmf: "49".into(), method: DtmfMethod::Auto, redact: true };
    net.ask(alice, Command::Dtmf(dtmf)).unwrap();
    net.run_for(1_000);
    assert_eq!(sent(&net, alice, "dtmfSent"), "??");
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
