//! What holds after every step of a script, whatever was done and lost. (`seq` without a gap, messages that can be read
//! and a CSeq that rises are the network's own checks.)

use std::collections::BTreeMap;

use phoned::rpc::METHODS;
use phoned::ua::command::{Command, GetSession};
use phoned::ua::error::Code;
use phoned::ua::event::Event;
use serde_json::Value;

use super::{PANICS, Script};
use crate::net::{Who, contract, microphones};

/// What was told of a session.
#[derive(Default)]
pub struct Told {
    pub(super) names: Vec<String>,
    /// Its status by what was told.
    status: Value,
    records: usize,
    /// It was in a conference.
    pub(super) conferred: bool,
}

impl Told {
    fn has(&self, name: &str) -> bool {
        self.names.iter().any(|told| told == name)
    }

    fn is_over(&self) -> bool {
        ["ended", "failed", "clientError"].iter().any(|end| self.has(end))
    }

    /// May this event come now (docs/API.md, "Events": the order in a session)?
    fn allows(&self, name: &str) -> bool {
        if name.starts_with("recording.") {
            return true; // a file may be closed after its session
        }
        let ended = self.has("deleteSession");
        match name {
            "newRTCSession" => self.names.is_empty(),
            "incoming" => self.names == ["newRTCSession"],
            "startSession" => !self.has("startSession") && !self.has("accepted") && !self.is_over(),
            "progress" => !self.has("accepted") && !self.is_over(),
            "accepted" => self.has("startSession") && !self.has("accepted") && !self.is_over(),
            "confirmed" => self.has("accepted") && !self.has("confirmed") && !self.is_over(),
            "ended" => self.has("accepted") && !self.is_over(),
            "failed" | "clientError" => !self.has("accepted") && !self.is_over(),
            "transferred" => !self.has("transferred") && !self.is_over(),
            "deleteSession" => self.is_over() && !ended,
            "cdrChange" => ended && self.records == 0,
            _ => !self.names.is_empty() && !self.is_over(),
        }
    }
}

impl Script {
    /// The status of a session, as it was told.
    pub(super) fn status(&self, who: Who, call: &str) -> &Value {
        &self.told[&(who, call.to_owned())].status
    }

    /// A session that is over.
    pub(super) fn over(&self, who: Who) -> Option<String> {
        self.told.iter().find(|((owner, _), told)| *owner == who && told.is_over()).map(|((_, call), _)| call.clone())
    }

    /// After every step.
    pub(super) fn check(&mut self) {
        assert_eq!(PANICS.get(), 0, "{}", self.story("the phone panicked"));
        for who in self.phones.clone() {
            for event in self.net.take_events(who) {
                self.note(who, event);
            }
            let phone = self.net.phone_of(who);
            let seats = if self.seated.contains(&who) { 1 } else { usize::MAX };
            let live = microphones(phone.streams.values());
            assert!(live <= seats, "{}", self.story(&format!("{live} live microphones")));
            // Nobody is in a conference alone, and the users are told of who is.
            let mut members = BTreeMap::<u64, usize>::new();
            phone.streams.values().filter_map(|s| s.conference).for_each(|c| *members.entry(c).or_default() += 1);
            assert!(
                members.values().all(|n| *n >= 2),
                "{}",
                self.story(&format!("alone in a conference: {members:?}"))
            );
            let told = self.living[&who].iter().filter(|call| self.status(who, call)["isConference"] == true).count();
            assert_eq!(told, members.values().sum::<usize>(), "{}", self.story("who is in a conference was not told"));
        }
        self.check_answers();
    }

    fn note(&mut self, who: Who, event: Event) {
        let data = &event.data;
        if event.name == "currentSessionChange" {
            self.current.insert(who, data["callId"].clone());
        }
        let Some(call_id) = event.call_id else { return };
        let told = self.told.entry((who, call_id.clone())).or_default();
        let fits = if event.sample { !told.is_over() } else { told.allows(&event.name) };
        if !fits || data.text().contains("Internal Error") {
            let what = format!("{} {} of {call_id} after {:?}", event.name, data.text(), told.names);
            panic!("{}", self.story(&what));
        }
        match event.name.as_str() {
            _ if event.sample => return,
            "newRTCSession" => {
                told.status = data["session"]["status"].clone();
                self.living.entry(who).or_default().push(call_id);
            }
            "statusChange" => {
                told.status = data["newStatus"].clone();
                told.conferred |= told.status["isConference"] == true;
            }
            "staticStatusChange" => {
                for key in ["name", "avatar", "company"] {
                    told.status[key] = data["newStatus"][key].clone();
                }
            }
            "cdrChange" => told.records += 1,
            "deleteSession" => self.living.entry(who).or_default().retain(|living| *living != call_id),
            _ => {}
        }
        told.names.push(event.name);
    }

    /// Each command is answered within 10 s, and refused only as its method says.
    fn check_answers(&mut self) {
        let now = self.net.now();
        let mut wrong = None;
        let net = &self.net;
        self.asked.retain(|(at, who, reply, method)| {
            let answer = net.phone_of(*who).replies.get(reply);
            let limit = if *method == "daemon.shutdown" { 2_000 } else { 10_000 };
            match answer {
                None if now > at + limit => wrong = Some(format!("no answer to {method} in {limit} ms")),
                Some(Ok(value)) => contract::result(method, value),
                Some(Err(error)) if !may_say(method, error.code) => wrong = Some(format!("{method} says {error}")),
                _ => {}
            }
            answer.is_none()
        });
        if let Some(wrong) = wrong {
            panic!("{}", self.story(&wrong));
        }
    }

    /// What was told is what is: guarantee 3. And who records has a file, who has a file records.
    pub(super) fn compare(&mut self, who: Who) {
        let reply = self.net.command(who, Command::GetSession(GetSession::default()));
        let sessions = self.net.phone_of(who).replies[&reply].clone().unwrap();
        let sessions = sessions.as_array().cloned().unwrap_or_default();
        assert_eq!(sessions.len(), self.living[&who].len(), "{}", self.story("sessions that were not told"));
        let files = self.net.phone_of(who).streams.values().filter(|stream| stream.recorded).count();
        let recorded = sessions.iter().filter(|session| session["status"]["recordStatus"] != "stop").count();
        let whole = if self.codes { files <= recorded } else { files == recorded }; // a PBX's are not seen here
        assert!(whole, "{}", self.story(&format!("{files} files are open, {recorded} sessions recorded")));
        for mut session in sessions {
            let call_id = session["callId"].as_str().unwrap().to_owned();
            let mut told = self.told[&(who, call_id)].status.clone();
            let mut is = session["status"].take();
            for status in [&mut told, &mut is] {
                status.as_object_mut().unwrap().remove("transferParent"); // its durations go on
            }
            assert_eq!(told, is, "{}", self.story("the status is not what was told"));
        }
        let reply = self.net.command(who, Command::PhoneGet);
        let phone = self.net.phone_of(who).replies[&reply].clone().unwrap();
        let current = self.current.get(&who).unwrap_or(&Value::Null);
        assert_eq!(phone["currentSession"], *current, "{}", self.story("the current session is not what was told"));
    }

    /// The end of a script.
    pub(super) fn check_nothing_is_left(&mut self) {
        assert!(self.asked.is_empty(), "{}", self.story("an answer is owed"));
        for who in self.phones.clone() {
            let phone = self.net.phone_of(who);
            assert!(phone.ua.is_idle(), "{}", self.story(&format!("{} is not idle", phone.name)));
            assert!(phone.streams.is_empty(), "{}", self.story("media is left open"));
        }
        for ((_, call), told) in &self.told {
            let whole = told.has("deleteSession") && told.records == 1;
            assert!(whole, "{}", self.story(&format!("{call} has no end: {:?}", told.names)));
        }
    }

    fn story(&self, what: &str) -> String {
        let wire = if self.net.logging { self.net.story() } else { String::new() };
        format!("seed {}: {what}\n{}\n{wire}", self.seed, self.done.join("\n"))
    }
}

/// The codes that a method declares, and those that every method has.
fn may_say(method: &str, code: Code) -> bool {
    let declared = METHODS.iter().find(|m| m.name == method).map(|m| m.errors).unwrap_or_default();
    declared.contains(&code) || matches!(code, Code::InvalidParams | Code::Timeout)
}
