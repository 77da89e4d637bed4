//! Every message of RFC 4475 ("SIP torture test messages") has its verdict, as a datagram and in a stream, and the bad
//! ones do no harm to what comes after them.

#[path = "torture/verdicts.rs"]
mod verdicts;

use phoned::sip::framing::{Frame, Framer};
use phoned::sip::message::{Message, Method};
use verdicts::{Row, Stream, TABLE, Verdict, bytes};

const LIMIT: usize = 65_536;

fn verdict(message: &Result<Message, phoned::sip::message::ParseError>) -> Verdict {
    match message {
        Ok(_) => Verdict::Accept,
        Err(error) => error.status.map_or(Verdict::Drop, Verdict::Status),
    }
}

fn row(name: &str) -> &'static Row {
    TABLE.iter().find(|row| row.name == name).unwrap()
}

fn read(name: &str) -> Message {
    Message::parse(&bytes(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn frames(stream: &[u8], piece: usize) -> Vec<Frame> {
    let mut framer = Framer::new(LIMIT);
    let mut frames = Vec::new();
    for bytes in stream.chunks(piece) {
        framer.push(bytes);
        frames.extend(std::iter::from_fn(|| framer.next()));
    }
    frames
}

/// Some well-formed request, to see whether the stream goes on.
fn good() -> Vec<u8> {
    bytes("lwsdisp")
}

#[test]
fn the_table_is_whole() {
    let mut files: Vec<_> = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/torture"))
        .unwrap()
        .map(|file| file.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    files.sort();
    let mut rows: Vec<_> = TABLE.iter().map(|row| row.name).collect();
    rows.sort();
    assert_eq!(files, rows);
    for row in &TABLE {
        assert!(!row.section.is_empty() && !row.why.is_empty());
        assert!(row.parser == Verdict::Accept || row.phone == row.parser, "{}: refused is refused", row.name);
    }
}

#[test]
fn as_datagrams() {
    let mut right = 0;
    for row in &TABLE {
        let message = Message::parse(&bytes(row.name));
        assert_eq!(verdict(&message), row.parser, "{} (RFC 4475 §{}; {}): {message:?}", row.name, row.section, row.why);
        match message {
            Ok(message) => assert_eq!(Message::parse(&message.to_bytes()).unwrap(), message, "{}", row.name),
            Err(error) if error.status.is_some() => {
                let request = error.answerable.unwrap_or_else(|| panic!("{} cannot be answered", row.name));
                let answer = Message::response(&request, error.status.unwrap(), &error.reason);
                assert!(answer.via().is_some(), "{}", row.name);
            }
            Err(error) => assert_eq!(error.answerable, None, "{}", row.name),
        }
        right += 1;
    }
    assert_eq!(right, 49);
}

#[test]
fn each_in_a_stream() {
    for row in &TABLE {
        for piece in [1, 7, LIMIT] {
            let mut stream = good();
            stream.extend(bytes(row.name));
            let seen = frames(&stream, piece);
            let Frame::Message(first) = &seen[0] else { panic!("{}: {seen:?}", row.name) };
            assert_eq!(*first, good());
            let rest: Vec<_> = seen[1..].iter().filter(|frame| **frame != Frame::Pong).collect();
            match (row.stream, &rest[..]) {
                (Stream::Same, [Frame::Message(message)]) => {
                    assert_eq!(verdict(&Message::parse(message)), row.parser, "{}", row.name);
                }
                (Stream::Two, [Frame::Message(message), Frame::Message(second), Frame::Bad(..), Frame::Broken(_)]) => {
                    assert_eq!(verdict(&Message::parse(message)), row.parser, "{}", row.name);
                    assert_eq!(Message::parse(second).unwrap().method(), Method::Invite);
                }
                (Stream::Ends, [Frame::Bad(error, _), Frame::Broken(_)]) => {
                    assert_eq!(error.status, Some(400), "{}", row.name);
                    assert!(error.answerable.is_some(), "{}", row.name);
                }
                (Stream::Waits, []) => {}
                _ => panic!("{} in pieces of {piece}: {rest:?}", row.name),
            }
        }
    }
}

/// Whatever has a length leaves the stream whole for the next: all those in one stream, good ones in between.
#[test]
fn all_in_one_stream() {
    let whole = |row: &&Row| row.stream == Stream::Same;
    let mut stream = Vec::new();
    for row in TABLE.iter().filter(whole) {
        stream.extend(bytes(row.name));
        stream.extend(good());
    }
    let messages: Vec<_> = frames(&stream, 1400)
        .into_iter()
        .filter_map(|frame| match frame {
            Frame::Message(message) => Some(message),
            Frame::Pong | Frame::Ping => None,
            bad => panic!("{bad:?}"),
        })
        .collect();
    let mut next = messages.iter();
    for row in TABLE.iter().filter(whole) {
        let message = next.next().unwrap();
        assert_eq!(verdict(&Message::parse(message)), row.parser, "{}", row.name);
        assert_eq!(*next.next().unwrap(), good(), "after {}", row.name);
    }
    assert_eq!(next.next(), None);
}

/// `baddn` as it was meant, with its empty line: the comma in a display name without quotes has one meaning only.
#[test]
fn baddn_with_its_empty_line() {
    assert_eq!(row("baddn").parser, Verdict::Status(400));
    let mut whole = bytes("baddn");
    whole.extend(b"\r\n");
    let message = Message::parse(&whole).unwrap();
    assert_eq!(message.from().unwrap().display.as_deref(), Some("Bell, Alexander"));
    assert_eq!(frames(&whole, 5), [Frame::Message(whole.clone())]);
}

/// What was accepted was also understood.
#[test]
fn understood() {
    let wsinv = read("wsinv");
    assert_eq!((wsinv.method(), wsinv.cseq(), wsinv.body().len()), (Method::Invite, 9, 150));
    assert_eq!(wsinv.to_tag().as_deref(), Some("1918181833n"));
    assert_eq!(wsinv.from().unwrap().display.as_deref(), Some("J Rosenberg \\\""));
    assert_eq!(wsinv.headers("Via").count(), 3);
    assert_eq!(wsinv.via().unwrap().branch(), Some("390skdjuw"));
    let contact = wsinv.contact().unwrap();
    assert_eq!(contact.display.as_deref(), Some("Quoted string \"\""));
    assert_eq!((contact.params.get("newparam"), contact.params.get("q")), (Some("newvalue"), Some("0.33")));
    assert_eq!(wsinv.header("NewFangledHeader"), Some("newfangled value continued newfangled value"));
    assert_eq!((wsinv.header("Subject"), wsinv.header("Max-Forwards")), (Some(""), Some("0068")));

    let intmeth = read("intmeth");
    assert_eq!(intmeth.method(), Method::Other("!interesting-Method0123456789_*+`.%indeed'~".into()));
    assert_eq!(intmeth.to().unwrap().display.as_deref(), Some("BEL:\u{7} NUL:\0 DEL:\u{7f}"));
    assert_eq!(intmeth.from_tag().as_deref(), Some("_token~1'+`*%!-."));
    assert_eq!(intmeth.call_id(), "intmeth.word%ZK-!.*_+'@word`~)(><:\\/\"][?}{");

    assert_eq!(read("esc01").from().unwrap().sip_uri().unwrap().user_unescaped(), "I have spaces");
    assert_eq!(read("escnull").headers("Contact").count(), 2);
    let esc02 = read("esc02");
    assert_eq!((esc02.headers("Contact").count(), esc02.header("C%6Fntact").is_some()), (2, true));
    assert_eq!(esc02.to().unwrap().display.as_deref(), Some("%Z%45"));
    assert_eq!(read("longreq").headers("Via").count(), 34);
    assert_eq!(read("transports").headers("Via").count(), 5);
    assert_eq!((read("mpart01").body().len(), read("dblreq").body().len()), (553, 0));
    let reason = read("unreason").reason().to_owned();
    assert!(
        reason.starts_with("= 2**3 * 5**2 ") && reason.ends_with(" \u{43f}\u{440}\u{43e}\u{441}\u{442}\u{43e}\u{435}")
    );
    assert_eq!((read("noreason").status(), read("noreason").reason()), (100, ""));
    assert_eq!(read("badaspec").to().unwrap().uri, "sip:t.watson@example.org");
    assert_eq!(read("badbranch").via().unwrap().branch(), Some("z9hG4bK"));
    assert_eq!(read("cparam01").contact().unwrap().params.get("unknownparam"), Some(""));
    assert!(!read("cparam02").contact().unwrap().params.has("unknownparam"));
    assert_eq!(read("regescrt").contact().unwrap().sip_uri().unwrap().headers, "Route=%3Csip:sip.example.com%3E");
    assert_eq!(read("unksm2").to().unwrap().uri, "isbn:2983792873");
    assert!(read("inv2543").from_tag().is_none() && read("inv2543").via().unwrap().branch().is_none());
    assert_eq!(
        read("bext01").headers("Require").collect::<Vec<_>>(),
        ["nothingSupportsThis", "nothingSupportsThisEither"]
    );
}
