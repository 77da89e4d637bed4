//! Phones on the network, and what a user does with one.

use std::collections::BTreeMap;
use std::ops::Deref;

use phoned::ua::Ua;
use phoned::ua::command::{Answer, Call, CallRef, Command, Dtmf, DtmfMethod, Reject};
use phoned::ua::contact::{Contact, Wanted};
use phoned::ua::error::Error;
use phoned::ua::event::Event;
use phoned::ua::headset::Lights;
use phoned::ua::io::{DeviceInfo, DeviceTrial, Input, ReplyId, SessionId, Transport};
use phoned::ua::media::{MediaCommand, MediaEvent, MediaStats, Tone};
use phoned::ua::settings::{AccountSettings, AudioSettings, Settings};
use rand_chacha::rand_core::Rng;
use serde_json::Value;

use super::contract;
use super::media::Stream;
use super::{Net, Node, UDP, Who};

/// A phone and all that came out of it.
pub struct Phone {
    /// Its name, and its account's.
    pub name: String,
    /// The phone itself.
    pub ua: Ua,
    /// Its events, samples too, that were not taken yet.
    pub events: Vec<Event>,
    /// Its answers to commands.
    pub replies: BTreeMap<ReplyId, Result<Value, Error>>,
    /// Whom it asked the CRM for.
    pub wanted: Vec<Wanted>,
    /// What it asked of its media engine.
    pub media: Vec<(SessionId, MediaCommand)>,
    /// What sounds at its devices, by the name of each.
    pub tones: BTreeMap<u64, (Tone, String, bool)>,
    /// Devices that it wants tried out.
    pub trials: Vec<(ReplyId, DeviceTrial)>,
    /// What its headsets show.
    pub lights: BTreeMap<String, Lights>,
    /// The digits that its agents heard.
    pub keys: Vec<char>,
    /// The media engine's sessions that are open.
    pub streams: BTreeMap<SessionId, Stream>,
    /// What its media engine measures, of every session, besides codec and rating.
    pub figures: MediaStats,
    /// False: no stream ever starts to flow (`MediaEvent::Started` is not told).
    pub hears: bool,
    /// False: its disk is full.
    pub records: bool,
    /// What happened to it and what it did, in order: `newRTCSession`, `statusChange(isHold)`; `[INVITE]` and `[180]` are
    /// sent, `<ACK>` is received, `[result]` answers a command. With the session, where it is about one.
    pub trace: Vec<(Option<String>, String)>,
    /// How far `wait` has read.
    read: usize,
    last_seq: u64,
    last_reply: u64,
}

impl Phone {
    /// Keeps an event, which is as the contract says. `seq` counts every event that is no sample (API.md §4).
    pub(super) fn note(&mut self, event: Event) {
        let expected = self.last_seq + u64::from(!event.sample);
        assert_eq!(event.seq, expected, "{event:?}");
        self.last_seq = event.seq;
        contract::event(&event.name, &event.data);
        if let (Some(named), Some(call_id)) = (event.data["callId"].as_str(), &event.call_id) {
            assert_eq!(named, call_id, "{event:?}");
        }
        self.events.push(event);
    }

    /// The names of its events, without the samples.
    pub fn names(&self) -> Vec<&str> {
        self.events.iter().filter(|e| !e.sample).map(|e| e.name.as_str()).collect()
    }

    /// The names of one session's events, without the samples.
    pub fn names_of(&self, call_id: &str) -> Vec<&str> {
        let of_it = |e: &&Event| !e.sample && e.call_id.as_deref() == Some(call_id);
        self.events.iter().filter(of_it).map(|e| e.name.as_str()).collect()
    }
}

impl Net {
    /// A phone with one account that does not register and trusts everybody here; its devices are `null`.
    pub fn phone(&mut self, name: &str) -> Who {
        self.phone_with(name, |_, _| ())
    }

    /// The same with other settings.
    pub fn phone_with(&mut self, name: &str, change: impl FnOnce(&mut Settings, &mut AccountSettings)) -> Who {
        let who = Who(self.nodes.len());
        let local = self.addr(who);
        let mut account = AccountSettings {
            uri: format!("sip:{name}@{}", local.ip()),
            register: Some(false),
            trusted: vec!["10.0.0.0/8".into()],
            ..AccountSettings::default()
        };
        let null = || "null".to_owned();
        let mut settings = Settings {
            audio: AudioSettings { input: null(), output: null(), ringer: null(), ..AudioSettings::default() },
            codecs: ["opus", "PCMU", "PCMA"].map(str::to_owned).to_vec(),
            ..Settings::default()
        };
        change(&mut settings, &mut account);
        settings.accounts.insert(name.to_owned(), account);
        let mut seed = [0; 32];
        self.rng.fill_bytes(&mut seed);
        self.nodes.push(Node::Phone(Box::new(Phone {
            name: name.to_owned(),
            ua: Ua::new(settings, seed),
            events: Vec::new(),
            replies: BTreeMap::new(),
            wanted: Vec::new(),
            media: Vec::new(),
            tones: BTreeMap::new(),
            trials: Vec::new(),
            lights: BTreeMap::new(),
            keys: Vec::new(),
            streams: BTreeMap::new(),
            figures: MediaStats::default(),
            hears: true,
            records: true,
            trace: Vec::new(),
            read: 0,
            last_seq: 0,
            last_reply: 0,
        })));
        self.feed(who, Input::FlowUp { flow: UDP, transport: Transport::Udp, local, remote: None });
        self.run_for(10);
        who
    }

    /// A phone's media engine tells something of a session.
    pub fn media_event(&mut self, who: Who, session: SessionId, event: MediaEvent) {
        self.feed(who, Input::Media(session, event));
    }

    /// A phone takes streams on its usual port.
    pub fn listen_tcp(&mut self, who: Who) {
        let local = self.addr(who);
        let flow = phoned::ua::io::FlowId(UDP.0 - 1);
        self.feed(who, Input::FlowUp { flow, transport: Transport::Tcp, local, remote: None });
    }

    /// A phone's host has these sound devices now.
    pub fn plug_in(&mut self, who: Who, ids: &[&str]) {
        let device = |id: &&str| DeviceInfo {
            id: (*id).to_owned(),
            name: (*id).to_owned(),
            input: true,
            output: true,
            default_input: false,
            default_output: false,
            suspended: false,
            hardware: None,
        };
        self.feed(who, Input::Devices(ids.iter().map(device).collect()));
    }

    /// A phone's host has exactly these.
    pub fn devices(&mut self, who: Who, list: Vec<DeviceInfo>) {
        self.feed(who, Input::Devices(list));
    }

    /// The CRM answers a phone.
    pub fn contact(&mut self, who: Who, session: SessionId, contact: Contact) {
        self.feed(who, Input::Contact(session, contact));
    }

    /// A phone, to look at.
    pub fn phone_of(&self, who: Who) -> &Phone {
        match &self.nodes[who.0] {
            Node::Phone(phone) => phone,
            Node::Peer(_) => panic!("a peer is no phone"),
        }
    }

    /// A phone, to change.
    pub fn phone_mut(&mut self, who: Who) -> &mut Phone {
        match &mut self.nodes[who.0] {
            Node::Phone(phone) => phone,
            Node::Peer(_) => panic!("a peer is no phone"),
        }
    }

    /// Gives a command and does not wait: the reply will be in `replies`.
    pub fn command(&mut self, who: Who, command: Command) -> ReplyId {
        let phone = self.phone_mut(who);
        phone.last_reply += 1;
        let reply = ReplyId(phone.last_reply);
        self.feed(who, Input::Command { reply, command });
        reply
    }

    /// Gives a command and waits for its reply.
    #[track_caller]
    pub fn ask(&mut self, who: Who, command: Command) -> Result<Value, Error> {
        let what = format!("the reply to {command:?}");
        let id = self.command(who, command);
        self.run_until(&what, |net| net.phone_of(who).replies.contains_key(&id));
        self.phone_of(who).replies[&id].clone()
    }

    /// `phone.call`: gives the callId.
    #[track_caller]
    pub fn call(&mut self, who: Who, params: Value) -> String {
        let call: Call = serde_json::from_value(params).unwrap();
        let result = self.ask(who, Command::Call(call)).unwrap();
        result["callId"].as_str().unwrap().to_owned()
    }

    /// `session.answer`
    #[track_caller]
    pub fn answer(&mut self, who: Who, call_id: &str) -> Result<Value, Error> {
        self.ask(who, Command::Answer(Answer { call_id: call_id.into(), option: None }))
    }

    /// `session.reject`
    #[track_caller]
    pub fn reject(&mut self, who: Who, call_id: &str, code: Option<u16>) -> Result<Value, Error> {
        self.ask(who, Command::Reject(Reject { call_id: call_id.into(), code }))
    }

    /// `session.hangup`
    #[track_caller]
    pub fn hangup(&mut self, who: Who, call_id: &str) -> Result<Value, Error> {
        self.ask(who, Command::Hangup(CallRef { call_id: call_id.into() }))
    }

    /// `session.hold`
    #[track_caller]
    pub fn hold(&mut self, who: Who, call_id: &str) -> Result<Value, Error> {
        self.ask(who, Command::Hold(CallRef { call_id: call_id.into() }))
    }

    /// `session.unhold`
    #[track_caller]
    pub fn unhold(&mut self, who: Who, call_id: &str) -> Result<Value, Error> {
        self.ask(who, Command::Unhold(CallRef { call_id: call_id.into() }))
    }

    /// `session.blindTransfer`, not waited for.
    pub fn transfer(&mut self, who: Who, call_id: &str, number: &str) -> ReplyId {
        let params = serde_json::json!({ "callId": call_id, "number": number });
        self.command(who, Command::BlindTransfer(serde_json::from_value(params).unwrap()))
    }

    /// `session.attendedTransfer`, not waited for.
    pub fn attended(&mut self, who: Who, call_id: &str) -> ReplyId {
        let params = serde_json::json!({ "callId": call_id });
        self.command(who, Command::AttendedTransfer(serde_json::from_value(params).unwrap()))
    }

    /// Waits for the reply to a command that was given.
    #[track_caller]
    pub fn answer_to(&mut self, who: Who, reply: ReplyId) -> Result<Value, Error> {
        self.run_until("a reply", |net| net.phone_of(who).replies.contains_key(&reply));
        self.phone_of(who).replies[&reply].clone()
    }

    /// `session.dtmf`
    #[track_caller]
    pub fn dtmf(&mut self, who: Who, call_id: &str, digits: &str, method: DtmfMethod) -> Result<Value, Error> {
        let (call_id, dtmf) = (call_id.to_owned(), digits.to_owned());
        self.ask(who, Command::Dtmf(Dtmf { call_id, dtmf, method, redact: false }))
    }

    /// Takes a phone's events away: for long runs.
    pub fn take_events(&mut self, who: Who) -> Vec<Event> {
        let phone = self.phone_mut(who);
        phone.read = 0;
        std::mem::take(&mut phone.events)
    }

    /// Waits for the next event of that name and reads all events up to it.
    #[track_caller]
    pub fn wait(&mut self, who: Who, name: &str) -> Event {
        let what = format!("{} at {}", name, self.phone_of(who).name);
        let find = |net: &Net| {
            let phone = net.phone_of(who);
            phone.events[phone.read..].iter().position(|e| e.name == name)
        };
        self.run_until(&what, |net| find(net).is_some());
        let at = find(self).unwrap();
        let phone = self.phone_mut(who);
        phone.read += at + 1;
        phone.events[phone.read - 1].clone()
    }

    /// The data of the newest event of that name, told already.
    #[track_caller]
    pub fn last(&self, who: Who, name: &str) -> Value {
        let told = self.phone_of(who).events.iter().rfind(|e| e.name == name);
        told.unwrap_or_else(|| panic!("no {name} yet\n{}", self.story())).data.deref().clone()
    }

    /// Something else happens to a phone.
    pub fn tell(&mut self, who: Who, input: Input<'_>) {
        self.feed(who, input);
    }

    /// A whole call, talking: the callIds of both sides.
    #[track_caller]
    pub fn connect(&mut self, caller: Who, called: Who) -> (String, String) {
        let number = self.uri(called);
        let out = self.call(caller, serde_json::json!({ "number": number }));
        let incoming = self.wait(called, "incoming").call_id.unwrap();
        self.answer(called, &incoming).unwrap();
        self.wait(caller, "confirmed");
        self.wait(called, "confirmed");
        (out, incoming)
    }
}
