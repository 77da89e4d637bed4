//! Requests in a dialog take the way that Record-Route laid, past loose and strict routers (RFC 3261 §12, §16.12.1).
#![allow(clippy::unwrap_used)]

use phoned::sip::dialog::Dialog;
use phoned::sip::message::{Message, Method};

const ALICE: &str = "sip:alice@10.0.0.1:5060;transport=udp";
const BOB: &str = "sip:bob@10.0.0.2;gr=x";

fn invite(extra: &str) -> Message {
    let text = format!(
        "INVITE sip:bob@example.com SIP/2.0\r\n\
         Via: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK1\r\n\
         Max-Forwards: 70\r\n\
         From: \"Alice; A.\" <sip:alice@example.com>;tag=a\r\n\
         To: sip:bob@example.com\r\n\
         Call-ID: c\r\n\
         CSeq: 41 INVITE\r\n\
         {extra}\
         Content-Length: 0\r\n\r\n"
    );
    Message::parse(text.as_bytes()).unwrap()
}

fn answer(status: u16, extra: &[(&str, &str)]) -> Message {
    let mut response = Message::response(&invite(""), status, "");
    response.set_to_tag("b");
    for (name, value) in extra {
        response.push(name, *value);
    }
    response
}

fn contact(uri: &str) -> String {
    format!("<{uri}>;expires=60")
}

fn routes(msg: &Message) -> Vec<&str> {
    msg.headers("Route").collect()
}

#[test]
fn without_routes_requests_go_to_the_contact() {
    let mut dialog = Dialog::uac(&invite(""), &answer(200, &[("Contact", &contact(BOB))])).unwrap();
    let bye = dialog.request(Method::Bye);
    assert_eq!((bye.uri(), routes(&bye).len(), dialog.next_hop_uri().as_str()), (BOB, 0, BOB));
    assert_eq!((bye.cseq(), bye.header("CSeq"), bye.header("Max-Forwards")), (42, Some("42 BYE"), Some("70")));
    assert_eq!(bye.header("From"), Some("\"Alice; A.\" <sip:alice@example.com>;tag=a"));
    assert_eq!(bye.header("To"), Some("<sip:bob@example.com>;tag=b"));
    assert_eq!((bye.call_id(), bye.header("Via"), bye.header("Contact")), ("c", None, None));
    let ack = dialog.ack(41);
    assert_eq!((ack.method(), ack.header("CSeq"), ack.uri()), (Method::Ack, Some("41 ACK"), BOB));
    assert_eq!(dialog.request(Method::Info).cseq(), 43);
}

#[test]
fn the_caller_turns_the_record_route_round_and_the_called_one_does_not() {
    let path = "<sip:p2;lr>, <sip:p1.example.com:5070;lr;foo=a%2Cb>";
    let mut caller =
        Dialog::uac(&invite(""), &answer(200, &[("Record-Route", path), ("Contact", &contact(BOB))])).unwrap();
    let bye = caller.request(Method::Bye);
    assert_eq!(bye.uri(), BOB);
    assert_eq!(routes(&bye), ["<sip:p1.example.com:5070;lr;foo=a%2Cb>", "<sip:p2;lr>"]);
    assert_eq!(caller.next_hop_uri(), "sip:p1.example.com:5070;lr;foo=a%2Cb");
    assert_eq!(routes(&caller.ack(41)), routes(&bye));

    let laid = invite(&format!("Record-Route: {path}\r\nContact: <{ALICE}>\r\n"));
    let mut called = Dialog::uas(&laid, "b").unwrap();
    let bye = called.request(Method::Bye);
    assert_eq!((bye.uri(), bye.header("CSeq")), (ALICE, Some("1 BYE")));
    assert_eq!(routes(&bye), ["<sip:p2;lr>", "<sip:p1.example.com:5070;lr;foo=a%2Cb>"]);
    assert_eq!(bye.header("From"), Some("<sip:bob@example.com>;tag=b"));
    assert_eq!(bye.header("To"), Some("\"Alice; A.\" <sip:alice@example.com>;tag=a"));
}

/// §12.2.1.1: a strict router expects itself in the Request-URI and the target last.
#[test]
fn a_strict_router_first_gets_the_request_uri() {
    let path = "<sip:p3;lr>, <sip:p2>, <sip:p1;method=INVITE?x=y>";
    let mut dialog =
        Dialog::uac(&invite(""), &answer(200, &[("Record-Route", path), ("Contact", &contact(BOB))])).unwrap();
    for msg in [dialog.request(Method::Bye), dialog.ack(41)] {
        assert_eq!(msg.uri(), "sip:p1", "without what a Request-URI must not have");
        assert_eq!(routes(&msg), ["<sip:p2>", "<sip:p3;lr>", &format!("<{BOB}>")]);
    }
    // A strict router behind a loose one is the loose one's business.
    let path = "<sip:p2>, <sip:p1;lr>";
    let mut dialog =
        Dialog::uac(&invite(""), &answer(200, &[("Record-Route", path), ("Contact", &contact(BOB))])).unwrap();
    let bye = dialog.request(Method::Bye);
    assert_eq!((bye.uri(), routes(&bye)), (BOB, vec!["<sip:p1;lr>", "<sip:p2>"]));
}

#[test]
fn an_early_dialog_needs_a_tag_and_the_2xx_lays_the_way_anew() {
    let mut ringing = answer(180, &[("Record-Route", "<sip:early;lr>")]);
    let mut dialog = Dialog::uac(&invite(""), &ringing).unwrap();
    assert!(dialog.early);
    assert_eq!(dialog.remote_target, "sip:bob@example.com", "no Contact yet: as the INVITE");
    dialog.request(Method::Update);
    dialog.confirm(&answer(200, &[("Record-Route", "<sip:late;lr>"), ("Contact", &contact(BOB))]));
    let bye = dialog.request(Method::Bye);
    assert_eq!((dialog.early, bye.cseq(), bye.uri(), routes(&bye)), (false, 43, BOB, vec!["<sip:late;lr>"]));

    ringing.set("To", "<sip:bob@example.com>");
    assert_eq!(Dialog::uac(&invite(""), &ringing), None);
    assert_eq!(Dialog::uac(&invite(""), &answer(100, &[])), None);
    assert_eq!(Dialog::uac(&invite(""), &answer(486, &[])), None);
}

#[test]
fn the_target_follows_the_contact_of_what_refreshes_it() {
    let mut dialog = Dialog::uac(&invite(""), &answer(200, &[("Contact", &contact(BOB))])).unwrap();
    let mut refresh = |msg: &Message| {
        dialog.refresh_target(msg);
        dialog.remote_target.clone()
    };
    assert_eq!(refresh(&answer(200, &[("Contact", "<sip:bob@new>")])), "sip:bob@new");
    assert_eq!(refresh(&answer(486, &[("Contact", "<sip:bob@refused>")])), "sip:bob@new");
    assert_eq!(refresh(&answer(200, &[("Contact", "*")])), "sip:bob@new");
    assert_eq!(refresh(&answer(200, &[])), "sip:bob@new");
    let mut request = Message::request(Method::Info, ALICE);
    request.push("Contact", "<sip:bob@info>");
    assert_eq!(refresh(&request), "sip:bob@new");
    let mut request = Message::request(Method::Update, ALICE);
    request.push("Contact", "<sip:bob@update>");
    assert_eq!(refresh(&request), "sip:bob@update");
}

#[test]
fn a_gap_in_the_cseq_is_legal_and_a_step_back_is_not() {
    let mut dialog = Dialog::uas(&invite(""), "b").unwrap();
    let numbered = |method: &str, number: u32| {
        let mut msg = Message::request(Method::from(method), "sip:x");
        msg.push("CSeq", format!("{number} {method}"));
        msg
    };
    assert!(dialog.accept_cseq(&numbered("INFO", 50)));
    assert!(!dialog.accept_cseq(&numbered("BYE", 49)));
    assert!(dialog.accept_cseq(&numbered("ACK", 41)), "the ACK may come after a later request");
    assert!(!dialog.accept_cseq(&numbered("INFO", 42)), "and does not turn the count back");
    assert!(dialog.accept_cseq(&numbered("BYE", 51)));
    let mut caller = Dialog::uac(&invite(""), &answer(200, &[])).unwrap();
    assert!(caller.accept_cseq(&numbered("INFO", 1)), "the peer's first number is its own choice");
}

#[test]
fn a_message_is_the_dialogs_by_call_id_and_both_tags() {
    let caller = Dialog::uac(&invite(""), &answer(200, &[])).unwrap();
    let mut called = Dialog::uas(&invite(""), "b").unwrap();
    assert!(caller.matches(&answer(200, &[])));
    let bye = called.request(Method::Bye);
    assert!(caller.matches(&bye) && !called.matches(&bye));
    for (name, value) in [("Call-ID", "d"), ("From", "<sip:b>;tag=other"), ("From", "<sip:b>"), ("To", "<sip:a>")] {
        let mut other = bye.clone();
        other.set(name, value);
        assert!(!caller.matches(&other), "{name}: {value}");
    }
}

#[test]
fn a_peer_without_tags_still_has_a_dialog() {
    let mut old = invite("");
    old.set("From", "<sip:alice@example.com>");
    let mut called = Dialog::uas(&old, "b").unwrap();
    assert_eq!((called.remote_tag.as_str(), called.remote_target.as_str()), ("", "sip:alice@example.com"));
    assert_eq!(called.request(Method::Bye).header("To"), Some("<sip:alice@example.com>"));
    let mut bye = Message::request(Method::Bye, "sip:bob@example.com");
    for (name, value) in [("From", "<sip:alice@example.com>"), ("To", "<sip:bob@example.com>;tag=b"), ("Call-ID", "c")]
    {
        bye.push(name, value);
    }
    assert!(called.matches(&bye));

    let mut ok = answer(200, &[]);
    ok.set("To", "sip:bob@example.com");
    assert_eq!(Dialog::uac(&invite(""), &ok).unwrap().remote_tag, "");
}

#[test]
fn a_sips_call_is_secure_and_the_state_can_be_written_down() {
    let mut secure = invite("");
    secure.set_uri("SIPS:bob@example.com");
    let dialog = Dialog::uas(&secure, "b").unwrap();
    assert!(dialog.secure && !Dialog::uas(&invite(""), "b").unwrap().secure);
    let text = serde_json::to_string(&dialog).unwrap();
    assert_eq!(serde_json::from_str::<Dialog>(&text).unwrap(), dialog);
}
