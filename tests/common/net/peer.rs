//! Peers that the test plays by hand: they read what comes and send whatever the test wants, right or wrong.

use std::collections::VecDeque;

use phoned::sip::dialog::Dialog;
use phoned::sip::message::{Message, Method};

use super::{Net, Node, UDP, Who};

/// An endpoint without any mind of its own.
pub struct Peer {
    /// Its user name.
    pub name: String,
    /// What came and was not yet expected.
    pub inbox: VecDeque<Message>,
    /// It takes every binding by itself.
    pub(super) registrar: bool,
}

impl Peer {
    pub(super) fn receive(&mut self, bytes: &[u8]) {
        self.inbox.extend(Message::parse(bytes));
    }
}

impl Net {
    /// A new peer.
    pub fn peer(&mut self, name: &str) -> Who {
        self.nodes.push(Node::Peer(Peer { name: name.to_owned(), inbox: VecDeque::new(), registrar: false }));
        Who(self.nodes.len() - 1)
    }

    /// A registrar that takes every binding, by itself.
    pub fn registrar(&mut self, name: &str) -> Who {
        let who = self.peer(name);
        if let Node::Peer(peer) = &mut self.nodes[who.0] {
            peer.registrar = true;
        }
        who
    }

    /// What a registrar does with what came.
    pub(super) fn register(&mut self, registrar: Who) {
        while let Some(msg) = self.inbox(registrar).pop_front() {
            if msg.method() == Method::Register {
                let mut ok = Message::response(&msg, 200, "");
                ok.set_to_tag("registrar");
                msg.headers("Contact").for_each(|contact| ok.push("Contact", contact));
                self.send_back(registrar, &ok);
            }
        }
    }

    /// What came to a peer and was not yet expected.
    pub fn inbox(&mut self, peer: Who) -> &mut VecDeque<Message> {
        match &mut self.nodes[peer.0] {
            Node::Peer(peer) => &mut peer.inbox,
            Node::Phone(_) => panic!("a phone is no peer"),
        }
    }

    /// Waits for the next message to a peer whose first line begins so (`INVITE`, `SIP/2.0 200`); others are thrown away.
    #[track_caller]
    pub fn expect(&mut self, peer: Who, start: &str) -> Message {
        let what = format!("{start} at {}", self.uri(peer));
        let fits = move |msg: &Message| msg.to_bytes().starts_with(start.as_bytes());
        self.run_until(&what, |net| match &net.nodes[peer.0] {
            Node::Peer(peer) => peer.inbox.iter().any(fits),
            Node::Phone(_) => false,
        });
        loop {
            let msg = self.inbox(peer).pop_front().unwrap();
            if fits(&msg) {
                return msg;
            }
        }
    }

    /// Sends whatever this is: on the stream between the two, if its Via says no UDP and there is one, else by UDP.
    pub fn send(&mut self, peer: Who, to: Who, msg: &Message) {
        let tcp = msg.via().is_some_and(|via| !via.transport.eq_ignore_ascii_case("UDP"));
        let flow = self.stream_between(peer, to).filter(|_| tcp).unwrap_or(UDP);
        self.send_bytes(peer, to, flow, msg.to_bytes());
    }

    /// Sends bytes that need not be a message.
    pub fn send_raw(&mut self, peer: Who, to: Who, bytes: &[u8]) {
        self.send_bytes(peer, to, UDP, bytes.to_vec());
    }

    fn send_bytes(&mut self, peer: Who, to: Who, flow: phoned::ua::io::FlowId, bytes: Vec<u8>) {
        let addr = self.addr(to);
        self.transmit(peer, flow, addr, bytes);
    }

    /// A response of a peer's: To tag and Contact are its own, and an SDP is in every 2xx to an INVITE.
    pub fn response(&self, peer: Who, request: &Message, status: u16) -> Message {
        let mut response = Message::response(request, status, "");
        if status > 100 && response.to_tag().is_none() {
            response.set_to_tag(&format!("tag{}", peer.0));
        }
        response.push("Contact", format!("<{}>", self.uri(peer)));
        if status / 100 == 2 && request.method() == Method::Invite {
            response.set_body("application/sdp", self.sdp(peer, 1, "sendrecv").into_bytes());
        }
        response
    }

    /// Sends such a response to where the request's Via points.
    pub fn reply(&mut self, peer: Who, request: &Message, status: u16) -> Message {
        let response = self.response(peer, request, status);
        self.send_back(peer, &response);
        response
    }

    /// Sends a response to where its top Via points.
    pub fn send_back(&mut self, peer: Who, response: &Message) {
        let host = response.via().unwrap().host;
        let to = self.at(format!("{host}:5060").parse().unwrap()).unwrap();
        self.send(peer, to, response);
    }

    /// An SDP of a peer's: PCMU and digits, in its nth version.
    pub fn sdp(&self, peer: Who, version: u32, direction: &str) -> String {
        let ip = self.addr(peer).ip();
        format!(
            "v=0\r\no=- 1 {version} IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0 101\r\n\
             a=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na={direction}\r\n"
        )
    }

    /// Puts a fresh Via on a request of a peer's.
    pub fn with_via(&mut self, peer: Who, mut request: Message) -> Message {
        self.count += 1;
        request.push_front("Via", format!("SIP/2.0/UDP {};rport;branch=z9hG4bK{}", self.addr(peer), self.count));
        request
    }

    /// An INVITE of a peer's, with an SDP; not sent yet.
    pub fn invite(&mut self, peer: Who, to: Who) -> Message {
        self.count += 1;
        let mut invite = Message::request(Method::Invite, &self.uri(to));
        invite.push("Max-Forwards", "70");
        invite.push("From", format!("<{}>;tag=from{}", self.uri(peer), self.count));
        invite.push("To", format!("<{}>", self.uri(to)));
        invite.push("Call-ID", format!("call{}", self.count));
        invite.push("CSeq", "1 INVITE");
        invite.push("Contact", format!("<{}>", self.uri(peer)));
        invite.set_body("application/sdp", self.sdp(peer, 1, "sendrecv").into_bytes());
        self.with_via(peer, invite)
    }

    /// A request of a peer's in its dialog; not sent yet.
    pub fn in_dialog(&mut self, peer: Who, dialog: &mut Dialog, method: Method) -> Message {
        let mut request = dialog.request(method);
        request.push("Contact", format!("<{}>", self.uri(peer)));
        self.with_via(peer, request)
    }

    /// The ACK of a peer's for a final response to its INVITE; not sent yet.
    pub fn ack(&mut self, peer: Who, invite: &Message, response: &Message) -> Message {
        if let Some(dialog) = Dialog::uac(invite, response) {
            return self.with_via(peer, dialog.ack(invite.cseq()));
        }
        let mut ack = Message::request(Method::Ack, invite.uri());
        ack.push("Via", invite.header("Via").unwrap());
        ack.push("Max-Forwards", "70");
        for name in ["From", "To", "Call-ID"] {
            ack.push(name, response.header(name).unwrap());
        }
        ack.push("CSeq", format!("{} ACK", invite.cseq()));
        ack
    }

    /// The CANCEL of a peer's for its INVITE; not sent yet.
    pub fn cancel(&self, invite: &Message) -> Message {
        let mut cancel = Message::request(Method::Cancel, invite.uri());
        for name in ["Via", "Max-Forwards", "From", "To", "Call-ID"] {
            cancel.push(name, invite.header(name).unwrap());
        }
        cancel.push("CSeq", format!("{} CANCEL", invite.cseq()));
        cancel
    }
}
