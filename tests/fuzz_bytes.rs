//! No bytes from the network make the SIP reader panic, and what it reads it writes so that it reads the same again.
//!
//! Mutations of the messages of RFC 4475 and of everyday ones, always the same for the same count: `PHONED_FUZZ` messages
//! (1,500,000 unless set).

#[path = "fuzz_bytes/mutate.rs"]
mod mutate;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};

use mutate::{Mutator, corpus};
use phoned::sip::auth::Challenge;
use phoned::sip::framing::{Frame, Framer};
use phoned::sip::message::Message;
use phoned::sip::uri::{NameAddr, SipUri, Via};

/// Messages a seed.
const CHUNK: usize = 10_000;

#[test]
fn mutated_messages() {
    let count = std::env::var("PHONED_FUZZ").map_or(1_500_000, |count| count.parse().expect("PHONED_FUZZ is a number"));
    let chunks = usize::div_ceil(count, CHUNK);
    let (next, taken) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let corpus = corpus();
    let work = || {
        loop {
            let chunk = next.fetch_add(1, Ordering::Relaxed);
            if chunk >= chunks {
                return;
            }
            let mut mutator = Mutator::new(chunk as u64, &corpus);
            for index in 0..CHUNK.min(count - chunk * CHUNK) {
                let bytes = mutator.message();
                let understood = whole(bytes, || format!("message {index} of seed {chunk}"));
                taken.fetch_add(usize::from(understood), Ordering::Relaxed);
            }
            if chunk % 15 == 14 {
                eprintln!("{} of {count} messages", (chunk + 1) * CHUNK);
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(work);
        }
    });
    let taken = taken.into_inner();
    eprintln!("{count} messages, {taken} of them understood");
    assert!(taken > count / 20, "the mutations are too wild to reach what lies behind the parser");
}

#[test]
fn cut_at_every_byte() {
    for message in corpus() {
        for length in 0..message.len() {
            whole(&message[..length], || format!("the first {length} bytes"));
        }
    }
}

/// Checks one message and says whether it was understood.
fn whole(bytes: &[u8], name: impl Fn() -> String) -> bool {
    match catch_unwind(AssertUnwindSafe(|| check(bytes))) {
        Ok(understood) => understood,
        Err(_) => panic!("{}: {:?}", name(), String::from_utf8_lossy(bytes)),
    }
}

fn check(bytes: &[u8]) -> bool {
    stream(bytes);
    match Message::parse(bytes) {
        Ok(message) => {
            let written = message.to_bytes();
            let again = Message::parse(&written).expect("what we write we read");
            assert_eq!(again, message);
            assert_eq!(again.to_bytes(), written);
            look(&message);
            if message.is_request() {
                let mut answer = Message::response(&message, 200, "");
                answer.set_to_tag("tag");
                assert_eq!(Message::parse(&answer.to_bytes()).expect("our answer is well-formed"), answer);
            }
            true
        }
        Err(error) => {
            assert_eq!(error.status.is_some(), error.answerable.is_some());
            if let Some(request) = error.answerable {
                let answer = Message::response(&request, error.status.unwrap_or(400), &error.reason);
                assert!(answer.via().is_some());
                look(&request);
                let _ = Message::parse(&answer.to_bytes());
            }
            false
        }
    }
}

/// Reads everything that can be read of a message; addresses are written as they are read.
fn look(message: &Message) {
    let _ = (message.method(), message.status(), message.reason(), message.cseq(), message.call_id());
    let _ = (message.from_tag(), message.to_tag(), message.has_token("Supported", "timer"));
    let _ = Challenge::parse_all(message);
    if let Ok(uri) = SipUri::parse(message.uri()) {
        stable(&uri, |text| SipUri::parse(text).ok());
        assert!(uri.equivalent(&uri));
        let _ = uri.user_unescaped();
    }
    for address in [message.from(), message.to(), message.contact()].into_iter().flatten() {
        stable(&address, |text| NameAddr::parse(text).ok());
        let _ = address.sip_uri();
    }
    for via in message.headers("Via").filter_map(|via| Via::parse(via).ok()) {
        stable(&via, |text| Via::parse(text).ok());
    }
}

fn stable<T: ToString>(value: &T, parse: impl Fn(&str) -> Option<T>) {
    let text = value.to_string();
    let again = parse(&text).unwrap_or_else(|| panic!("not read again: {text:?}"));
    assert_eq!(again.to_string(), text);
}

/// In two reads; whatever comes, the framer ends, and hands out nothing that was not there.
fn stream(bytes: &[u8]) {
    let mut framer = Framer::new(4096);
    let mut out = 0;
    for part in [&bytes[..bytes.len() / 3], &bytes[bytes.len() / 3..]] {
        framer.push(part);
        while let Some(frame) = framer.next() {
            out += match frame {
                Frame::Message(message) => message.len(),
                Frame::Bad(_, head) => head.len(),
                Frame::Ping => 4,
                Frame::Pong => 2,
                Frame::Broken(_) => 0,
            };
        }
    }
    assert!(out <= bytes.len());
}
