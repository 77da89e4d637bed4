//! From bytes to a [`Message`]: lines, folding, compact names, and what makes a message one we refuse.
//!
//! The start line is strict: two hops must never read it differently. Headers are lenient wherever only one meaning is
//! left, and a line that is no header is passed over: what we need of a message is checked by name.

use std::borrow::Cow;

use super::headers::{is_token, is_token_byte, long_name, one_line, trim};
use super::message::{Message, Method, ParseError};
use super::uri::{NameAddr, SipUri, UriError, Via};

/// Reads one message; nothing a peer sends makes it panic.
pub(super) fn parse(bytes: &[u8]) -> Result<Message, ParseError> {
    let mut rest = skip_blank(bytes);
    let line = text(take_line(&mut rest));
    let (mut message, mut fault) = start_line(trim_end_of_line(&line))?;
    let mut lengths = Lengths::default();
    loop {
        match take_header(&mut rest) {
            Line::Header(name, value) if name.eq_ignore_ascii_case("Content-Length") => lengths.add(&value),
            Line::Header(name, value) => message.push_raw(name, value),
            Line::Other => {}
            Line::Blank => break,
            Line::End => {
                fault = fault.or(Some(Fault::bad("No empty line after the headers")));
                break;
            }
        }
    }
    let length = lengths.body(rest.len());
    fault = fault.or_else(|| check(&message)).or(length.as_ref().err().cloned());
    match fault {
        None => {
            message.put_body(rest[..length.unwrap_or(0)].to_vec());
            Ok(message)
        }
        Some(fault) => Err(fault.of(message)),
    }
}

/// What is wrong with a message, and the status that says so.
#[derive(Debug, Clone)]
struct Fault(u16, Cow<'static, str>);

impl Fault {
    fn bad(reason: impl Into<Cow<'static, str>>) -> Fault {
        Fault(400, reason.into())
    }

    /// Responses and ACKs are never answered, nor is a request without a Via to answer along.
    fn of(self, message: Message) -> ParseError {
        let answer = message.is_request() && message.method() != Method::Ack && message.via().is_some();
        ParseError {
            status: answer.then_some(self.0),
            reason: self.1.into_owned(),
            answerable: answer.then(|| Box::new(message)),
        }
    }
}

fn drop_it(reason: &str) -> ParseError {
    ParseError { status: None, reason: reason.to_owned(), answerable: None }
}

/// RFC 3261 §7.1, §7.2. What is not SIP at all is dropped; a bad start line is told after the headers are read.
fn start_line(line: &str) -> Result<(Message, Option<Fault>), ParseError> {
    if line.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("SIP/")) {
        return Ok((status_line(line)?, None));
    }
    let at = line.trim_end().rfind([' ', '\t']).ok_or_else(|| drop_it("Not SIP"))?;
    let version = line[at + 1..].trim_end();
    if !version.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("SIP/")) {
        return Err(drop_it("Not SIP"));
    }
    let (method, uri) = line[..at].split_once(' ').unwrap_or((&line[..at], ""));
    let fault = if !is_token(method) {
        return Err(drop_it("Not SIP"));
    } else if !version.eq_ignore_ascii_case("SIP/2.0") {
        Some(Fault(505, "Version Not Supported".into()))
    } else if line.ends_with([' ', '\t']) || line.as_bytes()[at] == b'\t' {
        Some(Fault::bad("White space in the Request-Line"))
    } else {
        request_uri(uri).err()
    };
    // What was refused is escaped, so that even then nothing we write can break a line.
    let message = match fault {
        None => Message::raw_request(method, uri.to_owned()),
        Some(_) => Message::request(Method::from(method), uri),
    };
    Ok((message, fault))
}

/// `SIP/2.0 486 Busy Here`; the phrase may be empty, and without its space.
fn status_line(line: &str) -> Result<Message, ParseError> {
    let (version, rest) = line.split_once(' ').ok_or_else(|| drop_it("Not a status line"))?;
    let (code, reason) = rest.split_once(' ').unwrap_or((rest, ""));
    if !version.eq_ignore_ascii_case("SIP/2.0") {
        return Err(drop_it("Version Not Supported"));
    }
    match code.parse() {
        Ok(status @ 100..=699) if code.len() == 3 => {
            Ok(Message::raw_response(status, trim(&one_line(reason.to_owned())).to_owned()))
        }
        _ => Err(drop_it("Not a status code")),
    }
}

/// RFC 3261 §7.1, §19.1.1: no brackets, no white space, no URI headers. A scheme we do not know is the UA's 416.
fn request_uri(uri: &str) -> Result<(), Fault> {
    let scheme = uri.split_once(':').map_or("", |(scheme, _)| scheme);
    let forbidden = uri.bytes().any(|byte| byte <= b' ' || matches!(byte, 0x7f | b'<' | b'>' | b'"'));
    if scheme.is_empty()
        || !scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
        || forbidden
    {
        return Err(Fault::bad("Bad Request-URI"));
    }
    match SipUri::parse(uri) {
        Ok(uri) if uri.headers.is_empty() => Ok(()),
        Err(UriError::Scheme(_)) => Ok(()),
        Ok(_) => Err(Fault::bad("Headers in the Request-URI")),
        Err(UriError::Malformed(_)) => Err(Fault::bad("Bad Request-URI")),
    }
}

/// The headers without which there is no transaction (RFC 3261 §8.1.1, §16.3).
fn check(message: &Message) -> Option<Fault> {
    for name in ["From", "To", "Call-ID", "CSeq"] {
        let mut lines = message.lines(name);
        match (lines.next(), lines.next()) {
            (None | Some(""), _) => return Some(Fault::bad(format!("Missing {name}"))),
            (_, Some(_)) => return Some(Fault::bad(format!("More than one {name}"))),
            (Some(value), None) if matches!(name, "From" | "To") && NameAddr::parse(value).is_err() => {
                return Some(Fault::bad(format!("Bad {name}")));
            }
            _ => {}
        }
    }
    let (number, method) = message.header("CSeq").and_then(|cseq| cseq.split_once([' ', '\t'])).unwrap_or(("", ""));
    if number.parse::<u32>().is_err() || !number.bytes().all(|byte| byte.is_ascii_digit()) || !is_token(trim(method)) {
        return Some(Fault::bad("Bad CSeq"));
    }
    if message.lines("Via").next().is_none() {
        return Some(Fault::bad("Missing Via"));
    }
    if message.is_request() {
        if trim(method) != message.method().as_str() {
            return Some(Fault::bad("CSeq names another method"));
        }
        if message.lines("Via").any(|via| Via::parse(via).is_err()) {
            return Some(Fault::bad("Bad Via"));
        }
        let targets = matches!(
            message.method(),
            Method::Invite | Method::Update | Method::Register | Method::Subscribe | Method::Notify | Method::Refer
        );
        // Where the Contact is of no use to us, a bad one does no harm: a BYE must end its call.
        if targets && message.lines("Contact").any(|contact| contact != "*" && NameAddr::parse(contact).is_err()) {
            return Some(Fault::bad("Bad Contact"));
        }
    } else if message.via().is_none() {
        return Some(Fault::bad("Bad Via"));
    }
    None
}

/// What the Content-Length lines say (RFC 3261 §18.3, §20.14).
#[derive(Default)]
pub(super) struct Lengths {
    pub(super) value: Option<usize>,
    pub(super) bad: bool,
}

impl Lengths {
    pub(super) fn add(&mut self, value: &str) {
        let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
        match value.parse::<usize>() {
            Ok(length) if digits && self.value.is_none_or(|known| known == length) => self.value = Some(length),
            _ => self.bad = true,
        }
    }

    /// The length of the body, of what follows the headers: the rest is cut, nothing may be missing.
    fn body(&self, there: usize) -> Result<usize, Fault> {
        match self.value {
            _ if self.bad => Err(Fault::bad("Bad Content-Length")),
            Some(length) if length > there => Err(Fault::bad("Content-Length is more than there is")),
            Some(length) => Ok(length),
            None => Ok(there),
        }
    }
}

/// One line of a head, with the lines that continue it.
pub(super) enum Line<'a> {
    /// Long name and value, unfolded and trimmed.
    Header(&'a str, String),
    /// Not a header.
    Other,
    /// The empty line after the headers.
    Blank,
    /// The bytes ended first.
    End,
}

pub(super) fn take_header<'a>(rest: &mut &'a [u8]) -> Line<'a> {
    let all = *rest;
    let line = take_line(rest);
    match line {
        b"\r\n" | b"\n" => return Line::Blank,
        _ if !line.ends_with(b"\n") => {
            *rest = &[];
            return Line::End;
        }
        _ => {}
    }
    while matches!(rest.first(), Some(b' ' | b'\t')) {
        take_line(rest);
    }
    let line = &all[..all.len() - rest.len()];
    let Some(colon) = line.iter().position(|byte| *byte == b':') else { return Line::Other };
    let name = line[..colon].trim_ascii_end();
    match std::str::from_utf8(name) {
        Ok(name) if !name.is_empty() && name.bytes().all(is_token_byte) => {
            Line::Header(long_name(name), unfold(text(&line[colon + 1..])))
        }
        _ => Line::Other,
    }
}

/// Up to and with the next LF, or all there is.
pub(super) fn take_line<'a>(rest: &mut &'a [u8]) -> &'a [u8] {
    let end = rest.iter().position(|byte| *byte == b'\n').map_or(rest.len(), |at| at + 1);
    let (line, after) = rest.split_at(end);
    *rest = after;
    line
}

/// Empty lines before a message are ignored (RFC 3261 §7.5).
pub(super) fn skip_blank(bytes: &[u8]) -> &[u8] {
    let start = bytes.iter().position(|byte| !matches!(byte, b'\r' | b'\n')).unwrap_or(bytes.len());
    &bytes[start..]
}

/// UTF-8, else Latin-1: every byte then is some character, and no header is lost.
fn text(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(bytes.iter().map(|byte| *byte as char).collect()),
    }
}

fn trim_end_of_line(line: &str) -> &str {
    let line = line.strip_suffix('\n').unwrap_or(line);
    line.strip_suffix('\r').unwrap_or(line)
}

/// Each line break with the white space around it becomes one space; so does a lone CR.
fn unfold(value: Cow<'_, str>) -> String {
    let value = trim(&value);
    if !value.bytes().any(|byte| matches!(byte, b'\r' | b'\n')) {
        return value.to_owned();
    }
    value.split(['\r', '\n']).map(trim).filter(|piece| !piece.is_empty()).collect::<Vec<_>>().join(" ")
}
