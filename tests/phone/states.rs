//! Every state that users can meet a session in, and what a method does there. The far end is played by hand: it agrees
//! with everything that it is asked, after what the state needs it to be late with.

use phoned::rpc::{self, Parsed, Role, parse_line};
use phoned::sip::dialog::Dialog;
use phoned::sip::message::{Message, Method};
use phoned::ua::command::{CallRef, Command, Merge, Record, RecordTarget, Snapshot};
use phoned::ua::error::Error;
use phoned::ua::io::ReplyId;
use phoned::ua::settings::AutoAnswer;
use serde_json::{Value, json};

use crate::net::{Net, Who};
use crate::story_of;

/// The states, by their short names.
#[rustfmt::skip]
pub const STATES: [&str; 19] = [
    "calling",  // our INVITE is out
    "ringing",  // the far end rings
    "early",    // and plays an announcement
    "rings",    // it rings here (isRing)
    "unacked",  // answered, our 200 is not acknowledged
    "talking",
    "held",     // by us
    "heldby",   // by the far end
    "both",     // by both
    "muted",
    "ours",     // our re-INVITE is not answered
    "theirs",   // the far end's re-INVITE is not acknowledged
    "transfer", // our REFER is accepted, its outcome open
    "records",
    "paused",   // the recording is
    "consults", // held, with a consultation about it that talks
    "confers",  // in a conference with another call
    "ending",   // our BYE is not answered
    "ended",
];

/// What a method came to.
#[derive(Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Its result, or its code.
    pub result: String,
    /// What was told of the session, in order.
    pub events: String,
    /// What went on the wire, in order: our requests but ACK, our answers to an INVITE.
    pub wire: String,
}

/// A phone with a session in some state, and who it is with.
pub struct Scene {
    net: Net,
    alice: Who,
    carol: Who,
    /// The session.
    pub call: String,
    /// Another session of the seat.
    pub other: String,
    /// The far end holds.
    holds: bool,
    /// The version of its SDP.
    version: u32,
    /// What it does half a second later than it might: an answer, or an ACK.
    late: Option<Message>,
    /// The first INVITE, its own or ours.
    invite: Option<Message>,
    /// It acknowledges a 200.
    acknowledges: bool,
}

impl Scene {
    /// A session in a state.
    pub fn new(state: &str) -> Scene {
        Scene::empty().becomes(state)
    }

    fn empty() -> Scene {
        let mut net = Net::new(1);
        let alice = net.phone_with("alice", |_, account| account.seat = Some("desk".into()));
        let carol = net.peer("carol");
        let (call, other) = (String::new(), String::new());
        let acknowledges = true;
        Scene { net, alice, carol, call, other, holds: false, version: 1, late: None, invite: None, acknowledges }
    }

    /// The same, and the seat had another call before, which is held now.
    pub fn beside_another(state: &str) -> Scene {
        let mut scene = Scene::empty();
        let erin = scene.net.phone("erin");
        scene.other = scene.net.connect(erin, scene.alice).1;
        scene.becomes(state)
    }

    fn becomes(mut self, state: &str) -> Scene {
        if matches!(state, "rings" | "unacked") {
            self.is_called(state == "unacked");
            return self;
        }
        self.calls(state);
        if !matches!(state, "calling" | "ringing" | "early") {
            self.goes_on(state);
        }
        self
    }

    fn is_called(&mut self, answers: bool) {
        let invite = self.net.invite(self.carol, self.alice);
        self.net.send(self.carol, self.alice, &invite);
        self.call = self.net.wait(self.alice, "incoming").call_id.unwrap();
        self.net.run_for(50);
        if answers {
            self.net.answer(self.alice, &self.call).unwrap();
            self.net.run_for(50);
            self.acknowledges = false;
        }
        self.invite = Some(invite);
    }

    fn calls(&mut self, state: &str) {
        self.call = self.net.call(self.alice, json!({ "number": self.net.uri(self.carol) }));
        let invite = self.net.expect(self.carol, "INVITE");
        match state {
            "calling" => {}
            "ringing" => drop(self.net.reply(self.carol, &invite, 180)),
            "early" => {
                let mut early = self.net.response(self.carol, &invite, 183);
                early.set_body("application/sdp", self.net.sdp(self.carol, 1, "sendrecv").into_bytes());
                self.net.send_back(self.carol, &early);
            }
            _ => drop(self.net.reply(self.carol, &invite, 200)),
        }
        self.net.run_for(100);
        self.invite = Some(invite);
    }

    /// From talking to wherever it goes.
    fn goes_on(&mut self, state: &str) {
        let one = CallRef { call_id: self.call.clone() };
        let record = Record { call_id: self.call.clone(), target: RecordTarget::Local };
        match state {
            "held" => self.does(Command::Hold(one)),
            "heldby" => self.peer_reinvites("sendonly", true),
            "both" => {
                self.peer_reinvites("sendonly", true);
                self.does(Command::Hold(one));
            }
            "muted" => self.does(Command::Mute(one)),
            "ours" => {
                self.net.command(self.alice, Command::Renegotiate(one));
                self.late = Some(self.net.expect(self.carol, "INVITE"));
            }
            "theirs" => self.peer_reinvites("sendrecv", false),
            "transfer" => {
                let params = json!({"callId": self.call, "number": "sip:dave@10.0.0.99"});
                self.does(Command::BlindTransfer(serde_json::from_value(params).unwrap()));
            }
            "consults" => {
                let dave = self.net.phone_with("dave", |_, account| account.auto_answer = Some(AutoAnswer::After(0)));
                let params = json!({"number": self.net.uri(dave), "transferId": self.call});
                self.does(Command::Call(serde_json::from_value(params).unwrap()));
            }
            "confers" => {
                let dave = self.net.phone("dave");
                let other = self.net.connect(dave, self.alice).1;
                self.agree(100);
                self.does(Command::Merge(Merge { call_ids: vec![self.call.clone(), other] }));
            }
            "records" => self.does(Command::StartRecord(record)),
            "paused" => {
                self.does(Command::StartRecord(record.clone()));
                self.does(Command::PauseRecord(record));
            }
            "ending" | "ended" => {
                self.net.hangup(self.alice, &self.call).unwrap();
                if state == "ended" {
                    self.agree(1_000);
                }
            }
            _ => assert_eq!(state, "talking"),
        }
        self.net.run_for(10);
    }

    fn does(&mut self, command: Command) {
        let reply = self.net.command(self.alice, command);
        self.agree(500);
        self.net.phone_of(self.alice).replies[&reply].clone().unwrap();
    }

    fn peer_reinvites(&mut self, direction: &str, acknowledges: bool) {
        let first = self.invite.clone().unwrap();
        let acks = self.net.sent(self.alice, "ACK");
        let tag = acks.iter().find(|ack| ack.call_id() == first.call_id()).unwrap().to_tag().unwrap();
        let mut dialog = Dialog::uas(&first, &tag).unwrap();
        let mut again = self.net.in_dialog(self.carol, &mut dialog, Method::Invite);
        self.version += 1;
        again.set_body("application/sdp", self.net.sdp(self.carol, self.version, direction).into_bytes());
        self.net.send(self.carol, self.alice, &again);
        let ok = self.net.expect(self.carol, "SIP/2.0 200");
        let ack = self.net.ack(self.carol, &again, &ok);
        self.holds = direction == "sendonly";
        match acknowledges {
            true => self.net.send(self.carol, self.alice, &ack),
            false => self.late = Some(ack),
        }
        self.net.run_for(50);
    }

    /// What a line of JSON-RPC does here, within a second.
    pub fn tries(mut self, method: &str, params: &Value) -> Outcome {
        let told = story_of(&self.net, self.alice, &self.call).len();
        let sent = self.net.log.len();
        let Some(command) = command_of(method, params) else {
            return Outcome { result: "of no session".into(), events: String::new(), wire: String::new() };
        };
        let reply = self.net.command(self.alice, command);
        self.agree(500);
        match self.late.take() {
            Some(invite) if invite.method() == Method::Invite => self.answer(&invite),
            Some(ack) => self.net.send(self.carol, self.alice, &ack),
            None => {}
        }
        self.agree(500);
        let story = story_of(&self.net, self.alice, &self.call);
        Outcome { result: self.result_of(reply), events: story[told..].join(" "), wire: self.wire_since(sent) }
    }

    fn result_of(&self, reply: ReplyId) -> String {
        match self.net.phone_of(self.alice).replies.get(&reply) {
            None => "none yet".into(),
            Some(Err(Error { code, .. })) => code.number().to_string(),
            Some(Ok(Value::Bool(true))) => "true".into(),
            Some(Ok(value)) if value["callId"] == self.call.as_str() => "snapshot".into(),
            Some(Ok(value)) if value["sha256"].is_string() => "file".into(),
            Some(Ok(value)) if value["callId"].is_string() => "called".into(),
            Some(Ok(value)) if *value == json!({"code": 200, "msg": "SUCCESS"}) => "success".into(),
            Some(Ok(value)) if value["snapshot"].is_object() => "subscribed".into(),
            Some(Ok(value)) => panic!("{value}"),
        }
    }

    fn wire_since(&self, at: usize) -> String {
        let ours = self.net.addr(self.alice);
        let mut seen: Vec<&[u8]> = self.net.log[..at].iter().map(|packet| packet.bytes.as_slice()).collect();
        let mut wire = Vec::new();
        for packet in self.net.log[at..].iter().filter(|packet| packet.from == ours) {
            if seen.contains(&packet.bytes.as_slice()) {
                continue; // once more
            }
            seen.push(&packet.bytes);
            let msg = packet.message();
            match (msg.is_request(), msg.method()) {
                (true, Method::Ack) => {}
                (true, Method::Invite) if msg.to_tag().is_some() => wire.push(format!("INVITE:{}", direction(&msg))),
                (true, method) => wire.push(method.as_str().to_owned()),
                (false, Method::Invite) => wire.push(msg.status().to_string()),
                (false, _) => {}
            }
        }
        wire.join(" ")
    }

    /// Time passes, and the far end agrees with everything.
    fn agree(&mut self, ms: u64) {
        for _ in 0..ms / 10 {
            self.net.run_for(10);
            while let Some(msg) = self.net.inbox(self.carol).pop_front() {
                match msg.method() {
                    Method::Invite if msg.is_request() && msg.to_tag().is_none() => {} // ours once more
                    Method::Invite if msg.is_request() => self.answer(&msg),
                    Method::Cancel if msg.is_request() => {
                        self.net.reply(self.carol, &msg, 200);
                        if let Some(invite) = self.invite.clone() {
                            self.net.reply(self.carol, &invite, 487);
                        }
                    }
                    Method::Refer if msg.is_request() => drop(self.net.reply(self.carol, &msg, 202)),
                    Method::Ack => {}
                    _ if msg.is_request() => drop(self.net.reply(self.carol, &msg, 200)),
                    Method::Invite if msg.status() >= 200 && self.acknowledges && self.late.is_none() => {
                        if let Some(invite) = self.invite.clone() {
                            let ack = self.net.ack(self.carol, &invite, &msg);
                            self.net.send(self.carol, self.alice, &ack);
                        }
                    }
                    _ => {}
                }
            }
        }
    }

    fn answer(&mut self, invite: &Message) {
        let theirs = match (direction(invite), self.holds) {
            ("sendrecv", false) => "sendrecv",
            ("sendrecv", true) => "sendonly",
            ("sendonly", false) => "recvonly",
            _ => "inactive",
        };
        let mut ok = self.net.response(self.carol, invite, 200);
        self.version += 1;
        ok.set_body("application/sdp", self.net.sdp(self.carol, self.version, theirs).into_bytes());
        self.net.send_back(self.carol, &ok);
    }
}

fn direction(msg: &Message) -> &'static str {
    let text = String::from_utf8_lossy(msg.body()).into_owned();
    let all = ["sendonly", "recvonly", "inactive"];
    all.into_iter().find(|d| text.contains(&format!("a={d}"))).unwrap_or("sendrecv")
}

/// What a line asks of the phone; none where it asks nothing of a session. A subscription asks whether the session is there.
pub fn command_of(method: &str, params: &Value) -> Option<Command> {
    let line = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string();
    let Parsed::One(call) = parse_line(line.as_bytes(), Role::Admin) else { panic!("{line}") };
    match call.command {
        rpc::Command::Ua(command) => Some(*command),
        rpc::Command::Subscribe(subscribe) => Some(Command::Snapshot(Snapshot { call_id: subscribe.filter.call_id })),
        rpc::Command::Unsubscribe(_) => None,
        other => panic!("{line}: {other:?}"),
    }
}
