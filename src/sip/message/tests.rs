use super::*;

const INVITE: &str = "INVITE sip:bob@example.com SIP/2.0\r\n\
    v: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKa, SIP/2.0/TCP [::1]:5070;branch=z9hG4bKb\r\n\
    f: \"Caf\u{e9}, \\\"x\\\"\" <sip:alice@example.com>;tag=1\r\n\
    To  :\r\n <sip:bob@example.com>\r\n\
    i: 42@host\r\n\
    cseq: 0007\r\n\tINVITE\r\n\
    Record-Route: <sip:a;lr>,<sip:b;lr>\r\n\
    k: timer, 100rel,\r\n  replaces\r\n\
    Supported: Path\r\n\
    X-Other: a, b\r\n\
    l: 4\r\n\r\nbody and more";

#[test]
fn reads() {
    let message = Message::parse(INVITE.as_bytes()).unwrap();
    assert!(message.is_request());
    assert_eq!((message.method(), message.uri(), message.status()), (Method::Invite, "sip:bob@example.com", 0));
    assert_eq!((message.call_id(), message.cseq(), message.body()), ("42@host", 7, &b"body"[..]));
    assert_eq!(message.from().unwrap().display.as_deref(), Some("Caf\u{e9}, \"x\""));
    assert_eq!((message.from_tag().as_deref(), message.to_tag()), (Some("1"), None));
    assert_eq!(message.via().unwrap().branch(), Some("z9hG4bKa"));
    assert_eq!(message.headers("via").count(), 2);
    assert_eq!(message.headers("SUPPORTED").collect::<Vec<_>>(), ["timer", "100rel", "replaces", "Path"]);
    assert_eq!(message.headers("x-other").collect::<Vec<_>>(), ["a, b"]);
    assert!(message.has_token("Supported", "TIMER") && !message.has_token("Supported", "time"));
    assert_eq!(message.header("Content-Length"), None);
}

#[test]
fn answers() {
    let invite = Message::parse(INVITE.as_bytes()).unwrap();
    let mut ringing = Message::response(&invite, 180, "");
    ringing.set_to_tag("t1");
    ringing.set_to_tag("t2");
    assert_eq!((ringing.status(), ringing.reason(), ringing.method()), (180, "Ringing", Method::Invite));
    assert_eq!(ringing.headers("Record-Route").collect::<Vec<_>>(), ["<sip:a;lr>", "<sip:b;lr>"]);
    assert_eq!(ringing.header("To"), Some("<sip:bob@example.com>;tag=t2"));
    assert_eq!(Message::response(&invite, 100, "").headers("Record-Route").count(), 0);
    assert_eq!(Message::parse(&ringing.to_bytes()).unwrap(), ringing);
    assert!(
        ringing.to_bytes().starts_with(b"SIP/2.0 180 Ringing\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKa\r\nVia: ")
    );
}

#[test]
fn order_and_replacement() {
    let mut message = Message::request(Method::Bye, "sip:a@b");
    message.push("Route", "<sip:one;lr>, <sip:two;lr>");
    message.push("CSeq", "1 BYE");
    message.push_front("Route", "<sip:zero;lr>");
    message.remove_first("route");
    assert_eq!(message.header("Route"), Some("<sip:one;lr>"));
    message.set("Route", "<sip:three;lr>");
    message.set_body("text/plain", vec![0, 255]);
    let bytes = message.to_bytes();
    let head = b"BYE sip:a@b SIP/2.0\r\nRoute: <sip:three;lr>\r\nCSeq: 1 BYE\r\n\
        Content-Type: text/plain\r\nContent-Length: 2\r\n\r\n\x00\xff";
    assert_eq!(bytes, head);
}

#[test]
fn nothing_pushed_becomes_a_line() {
    let mut message = Message::request(Method::Other("A\r\nB: c".into()), "sip:x\r\nVia: y@z");
    message.push("Subject", "a\r\nVia: evil\0");
    message.push("Bad\r\nVia: x", "y");
    message.push_front("Contact", "<sip:a\n@b>\r\n\r\nbody");
    message.set("Via", "SIP/2.0/UDP a\r\nX: y");
    message.set_body("text/plain\r\nX: y", b"1".to_vec());
    let text = String::from_utf8(message.to_bytes()).unwrap();
    let names: Vec<_> = text.split("\r\n").map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(names, ["ABc", "Contact:", "Subject:", "Via:", "Content-Type:", "Content-Length:", "", "1"], "{text}");
    let answer = Message::response(&message, 486, "Busy\r\nX: y");
    assert!(answer.to_bytes().starts_with(b"SIP/2.0 486 Busy  X: y\r\n"));
}

#[test]
fn latin_1_loses_no_header() {
    let mut bytes = INVITE.replace("Caf\u{e9}", "Caf#").into_bytes();
    let at = bytes.iter().position(|byte| *byte == b'#').unwrap();
    bytes[at] = 0xe9;
    let message = Message::parse(&bytes).unwrap();
    assert_eq!(message.from().unwrap().display.as_deref(), Some("Caf\u{e9}, \"x\""));
}

#[test]
fn refusals() {
    let refuse = |from: &str, to: &str| {
        let error = Message::parse(INVITE.replace(from, to).as_bytes()).unwrap_err();
        assert_eq!(error.status.is_some(), error.answerable.is_some());
        (error.status, error.reason)
    };
    let bad = |reason: &str| (Some(400), reason.to_owned());
    assert_eq!(refuse("l: 4", "l: 400"), bad("Content-Length is more than there is"));
    assert_eq!(refuse("l: 4", "l: 4\r\nl: 5"), bad("Bad Content-Length"));
    assert_eq!(refuse("l: 4", "l: -4"), bad("Bad Content-Length"));
    assert_eq!(refuse("i: 42", "q: 42"), bad("Missing Call-ID"));
    assert_eq!(refuse("i: 42", "i: 1\r\ni: 42"), bad("More than one Call-ID"));
    assert_eq!(refuse("0007", "99999999999"), bad("Bad CSeq"));
    assert_eq!(refuse("\tINVITE", "\tBYE"), bad("CSeq names another method"));
    assert_eq!(refuse(" SIP/2.0\r\nv", " SIP/3.0\r\nv"), (Some(505), "Version Not Supported".into()));
    assert_eq!(refuse("v: ", "w: "), (None, "Missing Via".into()));
    assert_eq!(refuse(" SIP/2.0\r\nv", " HTTP/1.1\r\nv"), (None, "Not SIP".into()));
    assert_eq!(refuse("INVITE sip", "ACK sip").0, None);
}
