//! Cuts a stream into messages (RFC 3261 §18.3) and keep-alives (RFC 5626 §3.5.1).
//!
//! A bad message with a length never stops the stream. Without one there is no telling where the next message begins:
//! to guess would let a body pass for a message, so the stream ends there (RFC 4475 §3.1.2.3).

use super::message::{Message, ParseError};
use super::parse::{Lengths, Line, skip_blank, take_header, take_line};

/// How many times the limit a message may claim to be and still be passed over; beyond it, the claim is no length.
const SKIPPABLE: usize = 16;

/// The bytes of a stream that are not yet messages.
#[derive(Debug)]
pub struct Framer {
    limit: usize,
    bytes: Vec<u8>,
    /// Bytes of `bytes` already handed out.
    used: usize,
    state: State,
}

/// What stands next in a stream.
#[derive(Debug, Clone, PartialEq)]
pub enum Frame {
    /// One whole message, for [`Message::parse`].
    Message(Vec<u8>),
    /// A double CRLF: answer with a single one.
    Ping,
    /// A single CRLF: the answer to our ping.
    Pong,
    /// One message refused for its length, with its head; the stream goes on, or is [`Frame::Broken`] next.
    Bad(ParseError, Vec<u8>),
    /// The stream cannot be read on; nothing follows, close it.
    Broken(String),
}

#[derive(Debug)]
enum State {
    /// Looking for the end of a head; so many of its bytes were searched.
    Head(usize),
    /// Waiting for a message of so many bytes.
    Body(usize),
    /// Passing over so many bytes of a message that is too large.
    Skip(usize),
    /// To be told yet.
    Breaking(&'static str),
    Broken,
}

enum Step {
    Out(Frame),
    On,
    Wait,
}

impl Framer {
    /// A framer for messages of up to `limit` bytes, head and body.
    pub fn new(limit: usize) -> Framer {
        Framer { limit, bytes: Vec::new(), used: 0, state: State::Head(0) }
    }

    /// Takes what was read from the stream. Call [`next`](Framer::next) until `None` after each push: then no more
    /// than the limit and one read is ever held.
    pub fn push(&mut self, bytes: &[u8]) {
        if matches!(self.state, State::Breaking(_) | State::Broken) {
            return;
        }
        self.bytes.drain(..self.used);
        self.used = 0;
        self.bytes.extend_from_slice(bytes);
    }

    /// The next frame, if it is whole.
    #[allow(clippy::should_implement_trait)] // More may come after a `None`.
    pub fn next(&mut self) -> Option<Frame> {
        loop {
            match self.state {
                State::Head(searched) => match self.head(searched) {
                    Step::Out(frame) => return Some(frame),
                    Step::On => {}
                    Step::Wait => return None,
                },
                State::Body(length) => {
                    let message = self.rest().get(..length)?.to_vec();
                    self.used += length;
                    self.state = State::Head(0);
                    return Some(Frame::Message(message));
                }
                State::Skip(length) => {
                    let here = length.min(self.rest().len());
                    self.used += here;
                    if here < length {
                        self.state = State::Skip(length - here);
                        return None;
                    }
                    self.state = State::Head(0);
                }
                State::Breaking(reason) => {
                    self.state = State::Broken;
                    self.bytes = Vec::new();
                    self.used = 0;
                    return Some(Frame::Broken(reason.to_owned()));
                }
                State::Broken => return None,
            }
        }
    }

    fn rest(&self) -> &[u8] {
        &self.bytes[self.used..]
    }

    /// Takes what stands between messages, then looks for the end of the head and reads the length out of it.
    fn head(&mut self, searched: usize) -> Step {
        let rest = &self.bytes[self.used..];
        let keep_alive = match rest {
            [] => return Step::Wait,
            [b'\r', b'\n', b'\r', b'\n', ..] => Some((4, Step::Out(Frame::Ping))),
            // Half a line end: the other half is under way, and may make it a ping.
            [b'\r'] | [b'\r', b'\n', b'\r'] => return Step::Wait,
            [b'\r', b'\n', ..] => Some((2, Step::Out(Frame::Pong))),
            [b'\r' | b'\n', ..] => Some((1, Step::On)),
            [first, ..] if !first.is_ascii_graphic() => {
                self.state = State::Breaking("not SIP");
                return Step::On;
            }
            _ => None,
        };
        if let Some((length, step)) = keep_alive {
            self.used += length;
            return step;
        }
        let Some(length) = head_length(rest, searched) else {
            if rest.len() > self.limit {
                self.state = State::Breaking("head too large");
                return Step::On;
            }
            // The last bytes may be the start of the end.
            self.state = State::Head(rest.len().saturating_sub(3));
            return Step::Wait;
        };
        let head = &rest[..length];
        let (state, refused) = match body_length(head) {
            Ok(body) if length.saturating_add(body) <= self.limit => (State::Body(length + body), None),
            Ok(body) if body <= self.limit.saturating_mul(SKIPPABLE) => {
                (State::Skip(body), Some(refuse(head, 513, "Message Too Large")))
            }
            Ok(_) => (State::Breaking("Content-Length beyond reason"), Some(refuse(head, 513, "Message Too Large"))),
            Err(reason) => (State::Breaking(reason), Some(refuse(head, 400, reason))),
        };
        self.state = state;
        match refused {
            Some(frame) => {
                self.used += length;
                Step::Out(frame)
            }
            None => Step::On,
        }
    }
}

/// The length of a head with its empty line.
fn head_length(bytes: &[u8], searched: usize) -> Option<usize> {
    let mut at = searched;
    loop {
        at += bytes.get(at..)?.iter().position(|byte| *byte == b'\n')? + 1;
        match &bytes[at..] {
            [b'\n', ..] => return Some(at + 1),
            [b'\r', b'\n', ..] => return Some(at + 2),
            _ => {}
        }
    }
}

fn body_length(head: &[u8]) -> Result<usize, &'static str> {
    let mut rest = skip_blank(head);
    take_line(&mut rest);
    let mut lengths = Lengths::default();
    loop {
        match take_header(&mut rest) {
            Line::Header(name, value) if name.eq_ignore_ascii_case("Content-Length") => lengths.add(&value),
            Line::Header(..) | Line::Other => {}
            Line::Blank | Line::End => break,
        }
    }
    match lengths.value {
        _ if lengths.bad => Err("Bad Content-Length"),
        Some(length) => Ok(length),
        None => Err("Missing Content-Length"),
    }
}

/// A message refused by its head alone: answered if its headers are good enough to be.
fn refuse(head: &[u8], status: u16, reason: &str) -> Frame {
    let answerable = match Message::parse(head) {
        Ok(message) => message.is_request().then(|| Box::new(message)),
        Err(error) => error.answerable,
    };
    let status = answerable.is_some().then_some(status);
    Frame::Bad(ParseError { status, reason: reason.to_owned(), answerable }, head.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "BYE sip:a@b SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=z9hG4bKa\r\nFrom: <sip:a@b>;tag=1\r\n\
        To: <sip:a@b>;tag=2\r\nCall-ID: 1\r\nCSeq: 1 BYE\r\n";

    fn message(length: &str, body: &str) -> String {
        format!("{HEAD}{length}\r\n{body}")
    }

    fn frames(framer: &mut Framer) -> Vec<Frame> {
        std::iter::from_fn(|| framer.next()).collect()
    }

    #[test]
    fn the_same_in_any_pieces() {
        let one = message("l: 5\r\n", "12345");
        let two = message("Content-Length :\r\n 0\r\n", "");
        let stream = format!("\r\n\r\n{one}{two}\r\n{one}");
        let expected = [
            Frame::Ping,
            Frame::Message(one.clone().into_bytes()),
            Frame::Message(two.into_bytes()),
            Frame::Pong,
            Frame::Message(one.into_bytes()),
        ];
        for piece in [1, 3, 7, 64, stream.len()] {
            let mut framer = Framer::new(4096);
            let mut seen = Vec::new();
            for bytes in stream.as_bytes().chunks(piece) {
                framer.push(bytes);
                seen.extend(frames(&mut framer));
            }
            if piece >= 4 {
                assert_eq!(seen, expected, "pieces of {piece}");
            }
            let messages = |frames: &[Frame]| {
                frames.iter().filter(|f| matches!(f, Frame::Message(_))).cloned().collect::<Vec<_>>()
            };
            assert_eq!(messages(&seen), messages(&expected), "pieces of {piece}");
        }
    }

    #[test]
    fn too_large_is_passed_over() {
        let mut framer = Framer::new(300);
        let good = message("l: 0\r\n", "");
        framer.push(format!("{}{good}", message("l: 1000\r\n", &"x".repeat(1000))).as_bytes());
        let seen = frames(&mut framer);
        assert!(matches!(&seen[0], Frame::Bad(ParseError { status: Some(513), .. }, _)), "{seen:?}");
        assert_eq!(seen[1..], [Frame::Message(good.into_bytes())]);
    }

    #[test]
    fn without_a_length_the_stream_ends() {
        for (length, reason) in [
            ("", "Missing Content-Length"),
            ("l: -1\r\n", "Bad Content-Length"),
            ("l: 1\r\nl: 2\r\n", "Bad Content-Length"),
        ] {
            let mut framer = Framer::new(4096);
            framer.push(message(length, "INVITE sip:smuggled@b SIP/2.0\r\n\r\n").as_bytes());
            let seen = frames(&mut framer);
            let Frame::Bad(error, _) = &seen[0] else { panic!("{seen:?}") };
            assert_eq!((error.status, error.reason.as_str()), (Some(400), reason));
            assert_eq!(seen[1..], [Frame::Broken(reason.into())]);
            framer.push(message("l: 0\r\n", "").as_bytes());
            assert_eq!(framer.next(), None);
        }
    }

    #[test]
    fn garbage_and_endless_heads_end_it() {
        for (bytes, limit) in [(&b"\x16\x03\x01\x02"[..], 4096), (&[b'a'; 200][..], 100)] {
            let mut framer = Framer::new(limit);
            framer.push(bytes);
            assert!(matches!(frames(&mut framer)[..], [Frame::Broken(_)]));
        }
        let mut framer = Framer::new(100);
        framer.push(message("l: 99999999999\r\n", "").as_bytes());
        assert!(matches!(frames(&mut framer)[..], [Frame::Bad(..), Frame::Broken(_)]));
    }
}
