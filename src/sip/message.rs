//! A SIP message (RFC 3261 §7): built, read, written.
//!
//! rsip's `Request` and `Response` carry it; nothing outside this file and its `container` names rsip.

mod container;

use super::headers::{is_list, is_token_byte, one_line, split_list, trim};
pub use super::method::{Method, reason_phrase};
use super::uri::{NameAddr, Via, write_token};
use container::{name, value};

/// A request or a response. Text is UTF-8 (bytes that are not are read as Latin-1), the body is bytes.
///
/// Content-Length is not among the headers: it is checked when read and written from the body.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    kind: Kind,
    /// The method, if rsip has no word for it.
    extension: Option<String>,
}

#[derive(Debug, Clone, PartialEq)]
enum Kind {
    Request(rsip::Request),
    Response(rsip::Response),
}

/// Why bytes are not a message we take.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{reason}")]
pub struct ParseError {
    /// The status to answer with (400, 505); `None`: drop it silently.
    pub status: Option<u16>,
    /// What is wrong, fit for a reason phrase.
    pub reason: String,
    /// The request as far as it was understood, to build the answer from.
    pub answerable: Option<Box<Message>>,
}

impl Message {
    /// Reads a datagram, or one message that [`Framer`](super::framing::Framer) cut from a stream.
    pub fn parse(bytes: &[u8]) -> Result<Message, ParseError> {
        super::parse::parse(bytes)
    }

    /// A request without headers.
    pub fn request(method: Method, uri: &str) -> Message {
        let name: String = method.as_str().chars().filter(|c| c.is_ascii() && is_token_byte(*c as u8)).collect();
        let mut message = Message::raw_request(&name, String::new());
        message.set_uri(uri);
        message
    }

    /// A response to a request: copies Via, From, To, Call-ID, CSeq, Record-Route into 101 to 299 and Timestamp into
    /// 100 (RFC 3261 §8.2.6, §12.1.1). A To tag is the caller's to set. An empty reason stands for the usual phrase.
    pub fn response(to: &Message, status: u16, reason: &str) -> Message {
        let reason = if reason.is_empty() { reason_phrase(status) } else { reason };
        let mut message = Message::raw_response(status, one_line(reason.to_owned()));
        for header in to.container().iter() {
            let wanted = match header {
                rsip::Header::Via(_)
                | rsip::Header::From(_)
                | rsip::Header::To(_)
                | rsip::Header::CallId(_)
                | rsip::Header::CSeq(_) => true,
                rsip::Header::RecordRoute(_) => (101..300).contains(&status),
                rsip::Header::Timestamp(_) => status == 100,
                _ => false,
            };
            if wanted {
                message.container_mut().push(header.clone());
            }
        }
        message
    }

    /// As on the wire, with its Content-Length.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut head = String::with_capacity(1024);
        match &self.kind {
            Kind::Request(request) => {
                head.push_str(self.method_name(&request.method).as_str());
                head.push(' ');
                head.push_str(container::uri_text(&request.uri));
                head.push_str(" SIP/2.0\r\n");
            }
            Kind::Response(_) => head.push_str(&format!("SIP/2.0 {} {}\r\n", self.status(), self.reason())),
        }
        for header in self.container().iter() {
            head.push_str(name(header));
            head.push_str(": ");
            head.push_str(value(header));
            head.push_str("\r\n");
        }
        head.push_str(&format!("Content-Length: {}\r\n\r\n", self.body().len()));
        let mut bytes = head.into_bytes();
        bytes.extend_from_slice(self.body());
        bytes
    }

    /// Whether it is a request.
    pub fn is_request(&self) -> bool {
        matches!(self.kind, Kind::Request(_))
    }

    /// The request's method; of a response the one in its CSeq.
    pub fn method(&self) -> Method {
        match &self.kind {
            Kind::Request(request) => self.method_name(&request.method),
            Kind::Response(_) => {
                let cseq = self.header("CSeq").unwrap_or("");
                Method::from(cseq.split_once([' ', '\t']).map_or("", |(_, method)| trim(method)))
            }
        }
    }

    /// The Request-URI; "" of a response.
    pub fn uri(&self) -> &str {
        match &self.kind {
            Kind::Request(request) => container::uri_text(&request.uri),
            Kind::Response(_) => "",
        }
    }

    /// Changes the Request-URI; characters that would break the line are escaped.
    pub fn set_uri(&mut self, uri: &str) {
        if let Kind::Request(request) = &mut self.kind {
            let mut text = String::with_capacity(uri.len());
            // Writing into a string cannot fail.
            let _ = write_token(&mut text, uri);
            request.uri = container::opaque_uri(text);
        }
    }

    /// The status code; 0 of a request.
    pub fn status(&self) -> u16 {
        match &self.kind {
            Kind::Request(_) => 0,
            Kind::Response(response) => response.status_code.code(),
        }
    }

    /// The reason phrase; "" of a request.
    pub fn reason(&self) -> &str {
        match &self.kind {
            Kind::Response(rsip::Response { status_code: rsip::StatusCode::Other(_, reason), .. }) => reason,
            _ => "",
        }
    }

    /// The first header line of that long name (any case), compact names having been expanded.
    ///
    /// Of Via, Route, Record-Route, Contact and their like it is one value: a message holds those one to a line.
    pub fn header(&self, wanted: &str) -> Option<&str> {
        self.lines(wanted).next()
    }

    /// The names of all header lines, in order, by their long forms.
    pub fn header_names(&self) -> impl Iterator<Item = &str> {
        self.container().iter().map(name)
    }

    /// Every value of that name in order, comma lists of list headers (Via, Allow, Supported…) cut into one each.
    pub fn headers(&self, wanted: &str) -> impl Iterator<Item = &str> {
        let list = is_list(wanted);
        self.lines(wanted).flat_map(move |line| {
            let (cut, whole) = if list { (Some(split_list(line)), None) } else { (None, Some(line)) };
            cut.into_iter().flatten().chain(whole)
        })
    }

    /// Adds a header at the end; CR, LF and NUL in the value become spaces, a name that is no token is not added.
    pub fn push(&mut self, wanted: &str, value: impl Into<String>) {
        let lines = container::lines(wanted, value.into());
        self.container_mut().extend(lines);
    }

    /// Adds a header before all others (a Via, a Route).
    pub fn push_front(&mut self, wanted: &str, value: impl Into<String>) {
        self.insert(0, container::lines(wanted, value.into()));
    }

    /// Replaces every header of that name by one, in the place of the first.
    pub fn set(&mut self, wanted: &str, value: impl Into<String>) {
        let at = self.container().iter().position(|header| name(header).eq_ignore_ascii_case(wanted));
        self.remove(wanted);
        self.insert(at.unwrap_or(usize::MAX), container::lines(wanted, value.into()));
    }

    /// Takes away every header of that name.
    pub fn remove(&mut self, wanted: &str) {
        self.container_mut().retain(|header| !name(header).eq_ignore_ascii_case(wanted));
    }

    /// Takes away the first header of that name (the topmost Via, the first Route).
    pub fn remove_first(&mut self, wanted: &str) {
        let mut gone = false;
        self.container_mut().retain(|header| {
            let keep = gone || !name(header).eq_ignore_ascii_case(wanted);
            gone |= !keep;
            keep
        });
    }

    /// The body, byte for byte.
    pub fn body(&self) -> &[u8] {
        match &self.kind {
            Kind::Request(request) => &request.body,
            Kind::Response(response) => &response.body,
        }
    }

    /// Sets the body and its Content-Type; an empty body has none.
    pub fn set_body(&mut self, content_type: &str, body: Vec<u8>) {
        if body.is_empty() {
            self.remove("Content-Type")
        } else {
            self.set("Content-Type", content_type)
        }
        self.put_body(body);
    }

    /// The Call-ID; "" if there is none.
    pub fn call_id(&self) -> &str {
        self.header("Call-ID").unwrap_or("")
    }

    /// The number of the CSeq; 0 if there is none.
    pub fn cseq(&self) -> u32 {
        let cseq = self.header("CSeq").unwrap_or("");
        cseq.split([' ', '\t']).next().and_then(|number| number.parse().ok()).unwrap_or(0)
    }

    /// The From.
    pub fn from(&self) -> Option<NameAddr> {
        NameAddr::parse(self.header("From")?).ok()
    }

    /// The To.
    pub fn to(&self) -> Option<NameAddr> {
        NameAddr::parse(self.header("To")?).ok()
    }

    /// The tag of the From.
    pub fn from_tag(&self) -> Option<String> {
        self.from()?.tag().map(str::to_owned)
    }

    /// The tag of the To.
    pub fn to_tag(&self) -> Option<String> {
        self.to()?.tag().map(str::to_owned)
    }

    /// Sets the tag of the To, leaving the rest as the peer wrote it where it had none.
    pub fn set_to_tag(&mut self, tag: &str) {
        let Some(mut to) = self.to() else { return };
        let text = match self.header("To") {
            Some(text) if !to.params.has("tag") => format!("{text};tag={tag}"),
            _ => {
                to.params.set("tag", tag);
                to.to_string()
            }
        };
        self.set("To", text);
    }

    /// The first Contact; `None` also for `*` and for what is no address.
    pub fn contact(&self) -> Option<NameAddr> {
        NameAddr::parse(self.header("Contact")?).ok()
    }

    /// The topmost Via.
    pub fn via(&self) -> Option<Via> {
        Via::parse(self.header("Via")?).ok()
    }

    /// Whether a list of words (Supported, Require, Allow…) holds one, in any case.
    pub fn has_token(&self, header: &str, token: &str) -> bool {
        self.lines(header).flat_map(split_list).any(|known| known.eq_ignore_ascii_case(token))
    }

    pub(super) fn raw_request(method: &str, uri: String) -> Message {
        let known = container::method(method);
        let extension = if known.is_none() { Some(method.to_owned()) } else { None };
        let request = rsip::Request {
            method: known.unwrap_or(rsip::Method::Options),
            uri: container::opaque_uri(uri),
            version: rsip::Version::V2,
            headers: rsip::Headers::default(),
            body: Vec::new(),
        };
        Message { kind: Kind::Request(request), extension }
    }

    pub(super) fn raw_response(status: u16, reason: String) -> Message {
        let response = rsip::Response {
            // Always code and phrase: rsip's named codes print phrases of their own and lose the peer's.
            status_code: rsip::StatusCode::Other(status, reason),
            version: rsip::Version::V2,
            headers: rsip::Headers::default(),
            body: Vec::new(),
        };
        Message { kind: Kind::Response(response), extension: None }
    }

    /// Adds what was read from the wire: one line already, but perhaps with a NUL in a quoted string.
    pub(super) fn push_raw(&mut self, wanted: &str, value: String) {
        self.container_mut().extend(container::raw_lines(wanted, value));
    }

    pub(super) fn put_body(&mut self, body: Vec<u8>) {
        match &mut self.kind {
            Kind::Request(request) => request.body = body,
            Kind::Response(response) => response.body = body,
        }
    }

    /// Every header line of that name.
    pub(super) fn lines(&self, wanted: &str) -> impl Iterator<Item = &str> {
        self.container().iter().filter(move |header| name(header).eq_ignore_ascii_case(wanted)).map(value)
    }

    fn insert(&mut self, at: usize, lines: Vec<rsip::Header>) {
        let mut all: Vec<rsip::Header> = std::mem::take(self.container_mut()).into();
        let at = at.min(all.len());
        all.splice(at..at, lines);
        *self.container_mut() = all.into();
    }

    fn method_name(&self, known: &rsip::Method) -> Method {
        match &self.extension {
            Some(name) => Method::Other(name.clone()),
            None => container::our_method(known),
        }
    }

    fn container(&self) -> &rsip::Headers {
        match &self.kind {
            Kind::Request(request) => &request.headers,
            Kind::Response(response) => &response.headers,
        }
    }

    fn container_mut(&mut self) -> &mut rsip::Headers {
        match &mut self.kind {
            Kind::Request(request) => &mut request.headers,
            Kind::Response(response) => &mut response.headers,
        }
    }
}

#[cfg(test)]
mod tests;
