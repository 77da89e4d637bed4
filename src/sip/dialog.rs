//! Dialogs (RFC 3261 §12): what two user agents remember of each other, and the requests that they send within it.

use serde::{Deserialize, Serialize};

use super::message::{Message, Method};
use super::uri::{NameAddr, SipUri};

/// A dialog. A missing tag (RFC 2543 peers) is the empty string.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dialog {
    /// The Call-ID.
    pub call_id: String,
    /// Our tag.
    pub local_tag: String,
    /// The peer's tag.
    pub remote_tag: String,
    /// Our name-addr, without the tag.
    pub local_uri: String,
    /// The peer's name-addr, without the tag.
    pub remote_uri: String,
    /// Where requests are addressed to: the URI of the peer's last Contact.
    pub remote_target: String,
    /// The proxies on the way, nearest first: name-addrs as they stand in a Route.
    pub route_set: Vec<String>,
    /// The CSeq of our last request; 0 before the first.
    pub local_cseq: u32,
    /// The highest CSeq of the peer's requests.
    pub remote_cseq: Option<u32>,
    /// It was set up through a `sips:` URI.
    pub secure: bool,
    /// No 2xx yet.
    pub early: bool,
}

impl Dialog {
    /// The caller's side (§12.1.2): from its INVITE and a 101–199 or 2xx response. None where that makes no dialog: a
    /// 100, a refusal, a provisional without a To tag.
    pub fn uac(request: &Message, response: &Message) -> Option<Dialog> {
        let early = response.status() < 200;
        let remote_tag = response.to_tag();
        if !(101..300).contains(&response.status()) || (early && remote_tag.is_none()) {
            return None;
        }
        let mut dialog = Dialog {
            call_id: request.call_id().to_string(),
            local_tag: request.from_tag().unwrap_or_default(),
            remote_tag: remote_tag.unwrap_or_default(),
            local_uri: without_tag(request.from()?),
            remote_uri: without_tag(response.to().or_else(|| request.to())?),
            remote_target: request.uri().to_string(),
            route_set: Vec::new(),
            local_cseq: request.cseq(),
            remote_cseq: None,
            secure: is_sips(request.uri()),
            early,
        };
        dialog.learn(response);
        Some(dialog)
    }

    /// The called side (§12.1.1): from the INVITE and the tag of our responses. None where the INVITE has no From or To.
    pub fn uas(request: &Message, local_tag: &str) -> Option<Dialog> {
        let from = request.from()?;
        let contact = request.contact().map(|contact| contact.uri);
        Some(Dialog {
            call_id: request.call_id().to_string(),
            local_tag: local_tag.to_string(),
            remote_tag: request.from_tag().unwrap_or_default(),
            local_uri: without_tag(request.to()?),
            remote_target: contact.unwrap_or_else(|| from.uri.clone()),
            remote_uri: without_tag(from),
            route_set: request.headers("Record-Route").map(str::to_string).collect(),
            local_cseq: 0,
            remote_cseq: Some(request.cseq()),
            secure: is_sips(request.uri()),
            early: true,
        })
    }

    /// The 2xx that confirms an early dialog: its Record-Route and Contact count (§13.2.2.4).
    pub fn confirm(&mut self, response: &Message) {
        self.early = false;
        self.learn(response);
    }

    /// A new request in the dialog (§12.2.1.1): everything but Via and Contact. ACK and CANCEL are not made here.
    pub fn request(&mut self, method: Method) -> Message {
        self.local_cseq += 1;
        self.build(method, self.local_cseq)
    }

    /// The ACK of a 2xx to the INVITE with this CSeq (§13.2.2.4). Via and credentials are the caller's to add.
    pub fn ack(&self, invite_cseq: u32) -> Message {
        self.build(Method::Ack, invite_cseq)
    }

    /// The URI whose host gets our requests (§8.1.2): the first route's, else the remote target.
    pub fn next_hop_uri(&self) -> String {
        self.first_route().unwrap_or_else(|| self.remote_target.clone())
    }

    /// Takes the Contact of an INVITE, UPDATE or SUBSCRIBE, or of a 2xx to one (§12.2.1.2, §12.2.2). Other messages,
    /// and a Contact that is no URI, change nothing.
    pub fn refresh_target(&mut self, msg: &Message) {
        let refreshes = matches!(msg.method(), Method::Invite | Method::Update | Method::Subscribe);
        if refreshes && (msg.is_request() || (200..300).contains(&msg.status())) {
            self.take_contact(msg);
        }
    }

    /// Whether a request of the peer's is in order (§12.2.2): a gap is, a lower CSeq is not (500). ACK and CANCEL carry
    /// the CSeq of their INVITE, so they always are.
    pub fn accept_cseq(&mut self, msg: &Message) -> bool {
        if matches!(msg.method(), Method::Ack | Method::Cancel) {
            return true;
        }
        let accepted = self.remote_cseq.is_none_or(|last| msg.cseq() >= last);
        if accepted {
            self.remote_cseq = Some(msg.cseq());
        }
        accepted
    }

    /// Whether a request from the peer, or a response to us, belongs to the dialog.
    pub fn matches(&self, msg: &Message) -> bool {
        let from = msg.from_tag().unwrap_or_default();
        let to = msg.to_tag().unwrap_or_default();
        let (local, remote) = if msg.is_request() { (to, from) } else { (from, to) };
        msg.call_id() == self.call_id && local == self.local_tag && remote == self.remote_tag
    }

    fn build(&self, method: Method, cseq: u32) -> Message {
        let strict = |uri: String| SipUri::parse(&uri).is_ok_and(|uri| !uri.params.has("lr"));
        let loose = !self.first_route().is_some_and(strict);
        let target = if loose { self.remote_target.clone() } else { self.next_hop_uri() };
        let mut msg = Message::request(method.clone(), &request_uri(&target));
        // A strict router takes the Request-URI for itself and the first Route for the next one.
        for route in self.route_set.iter().skip(usize::from(!loose)) {
            msg.push("Route", route.as_str());
        }
        if !loose {
            msg.push("Route", format!("<{}>", self.remote_target));
        }
        msg.push("Max-Forwards", "70");
        msg.push("From", with_tag(&self.local_uri, &self.local_tag));
        msg.push("To", with_tag(&self.remote_uri, &self.remote_tag));
        msg.push("Call-ID", self.call_id.as_str());
        msg.push("CSeq", format!("{cseq} {}", method.as_str()));
        msg
    }

    fn first_route(&self) -> Option<String> {
        let route = self.route_set.first()?;
        Some(NameAddr::parse(route).map_or_else(|_| route.clone(), |route| route.uri))
    }

    /// What a response says of the way and the target.
    fn learn(&mut self, response: &Message) {
        self.route_set = response.headers("Record-Route").map(str::to_string).collect();
        self.route_set.reverse();
        self.take_contact(response);
    }

    fn take_contact(&mut self, msg: &Message) {
        if let Some(contact) = msg.contact().filter(|contact| contact.sip_uri().is_ok()) {
            self.remote_target = contact.uri;
        }
    }
}

/// A URI as a Request-URI may have it: no headers, no `method` (§19.1.1, table 1).
fn request_uri(uri: &str) -> String {
    match SipUri::parse(uri) {
        Ok(mut parsed) if !parsed.headers.is_empty() || parsed.params.has("method") => {
            parsed.headers.clear();
            parsed.params.remove("method");
            parsed.to_string()
        }
        _ => uri.to_string(),
    }
}

fn is_sips(uri: &str) -> bool {
    uri.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("sips:"))
}

fn without_tag(mut addr: NameAddr) -> String {
    addr.params.remove("tag");
    addr.to_string()
}

fn with_tag(addr: &str, tag: &str) -> String {
    if tag.is_empty() { addr.to_string() } else { format!("{addr};tag={tag}") }
}
