//! Outbound calls: from `phone.call` to the INVITE on the wire, to the next target when one does not answer.

use std::collections::BTreeMap;

use serde_json::Value;

mod prepare;

use super::Ua;
use super::clock::{SECOND, Timer, seconds};
use super::command::Call;
use super::error::{Code, Error};
use super::io::{ReplyId, SessionId};
use super::media::MediaStats;
use super::session::{Preparing, Session, State};
use super::status::{CommunicationType, StaticCallStatus};
use crate::sdp::Direction;
use crate::sip::transaction::{call_id, tag};

impl Ua {
    /// `phone.call`. The reply comes when the INVITE is on the wire, or with what stopped it.
    pub(super) fn call(&mut self, reply: ReplyId, call: Call) -> Result<(), Error> {
        self.refuse_dial()?;
        let name = self.calling_account(call.account.as_deref())?;
        let account = self.account(&name)?;
        if account.leaving {
            return Err(Error::new(Code::NoAccount, format!("account {name:?} is no longer configured")));
        }
        let dialled = self.dialled(account, &call.number)?;
        // Whoever is reached by TLS only calls by TLS only (RFC 3261 §26.2.2).
        let request_uri = match dialled.uri.strip_prefix("sip:") {
            Some(rest) if account.aor.scheme == "sips" && !call.number.trim().starts_with("sip:") => {
                format!("sips:{rest}")
            }
            _ => dialled.uri,
        };
        let option = call.option.unwrap_or_default();
        let extra = headers(option.extra_headers.as_deref().unwrap_or_default())?;
        if !dialled.emergency {
            self.count_dial(&name)?;
            self.count_caller(call.by)?;
        }
        let id = SessionId(self.fresh_id());
        let account = self.account(&name)?;
        let chosen = self.chosen(option.device.as_deref());
        let (input, output) = self.devices_for(account, &chosen);
        let seat = self.seat_of(account, &input, id);
        let unanswered = |s: &&Session| s.seat == seat && matches!(s.state, State::Preparing(_) | State::Calling(_));
        if let Some(other) = self.sessions.values().find(unanswered) {
            return Err(Error::new(Code::NotConnected, format!("{} is not answered yet", other.call_id))
                .hint("hang it up, or wait"));
        }
        self.room_for_one_more(&seat)?;
        let parent = self.parent_of(call.transfer_id.as_deref(), &seat)?;
        let account = self.account(&name)?;
        if account.registers() && !account.registration.is_registered() {
            return Err(Error::new(Code::NotRegistered, format!("account {name:?} is not registered"))
                .hint("account.get tells why; account.register tries now"));
        }
        if !self.has_input(&input) {
            return Err(Error::new(Code::NoInput, format!("there is no input device {input:?}"))
                .hint("device.list names them; \"null\" always works"));
        }
        let route = account.route();
        let session = self.new_session(id, &name, seat, CommunicationType::Outbound, (input, output));
        let session = Session {
            number: dialled.number,
            called_number: call.number.clone(),
            transfer_parent: parent,
            video: self.video_wish(&name, &option, false),
            chosen,
            ..session
        };
        let preparing = Preparing {
            reply: Some(reply),
            request_uri,
            route,
            targets: None,
            opening: None,
            extra_headers: extra,
            redirects: 0,
            cseq: 0,
        };
        self.insert_session(Session { state: State::Preparing(Box::new(preparing)), ..session });
        self.tell_with_session(id, "newRTCSession", originator("local"));
        self.tell_with_session(id, "startSession", originator("local"));
        self.after(seconds(self.settings.phone.no_answer_timeout), Timer::NoAnswer(id));
        self.take_microphone(id);
        if let Some(parent) = parent {
            self.hold_parent(parent);
        }
        self.set_current(Some(id));
        self.find_targets(id);
        self.open_media(id);
        Ok(())
    }

    fn calling_account(&self, wanted: Option<&str>) -> Result<String, Error> {
        if let Some(name) = wanted.or(self.settings.phone.default_account.as_deref()) {
            return self.account(name).map(|a| a.name.clone());
        }
        let mut names = self.accounts.keys();
        match (names.next(), names.next()) {
            (Some(only), None) => Ok(only.clone()),
            (None, _) => Err(Error::new(Code::NoAccount, "there is no account")
                .hint("account.add, or [accounts.NAME] in the configuration")),
            _ => Err(Error::new(Code::NoAccount, "there are several accounts and none is named")
                .hint("name one, or set [phone] default_account")),
        }
    }

    fn count_dial(&mut self, name: &str) -> Result<(), Error> {
        let (now, most) = (self.now.mono, self.settings.phone.dials_per_second as usize);
        let Some(account) = self.accounts.get_mut(name) else { return Ok(()) };
        account.dials.retain(|at| at + SECOND > now);
        if account.dials.len() >= most {
            return Err(Error::new(Code::TooManyDials, format!("{most} dials a second are allowed"))
                .hint("[phone] dials_per_second"));
        }
        account.dials.push(now);
        Ok(())
    }

    pub(super) fn room_for_one_more(&self, seat: &str) -> Result<(), Error> {
        let phone = &self.settings.phone;
        if self.sessions.len() >= phone.max_calls {
            return Err(Error::new(Code::MaxCalls, format!("the host has its {} calls", phone.max_calls))
                .hint("[phone] max_calls"));
        }
        if self.in_seat(seat) >= phone.max_calls_per_seat {
            return Err(Error::new(Code::MaxCalls, format!("the seat has its {} calls", phone.max_calls_per_seat))
                .hint("[phone] max_calls_per_seat"));
        }
        Ok(())
    }

    fn parent_of(&self, call_id: Option<&str>, seat: &str) -> Result<Option<SessionId>, Error> {
        let Some(call_id) = call_id else { return Ok(None) };
        let found = self.sessions.values().find(|s| s.call_id == call_id && s.is_answered());
        let found = found.filter(|s| s.seat == seat || s.seat.starts_with("session:"));
        found
            .map(|s| Some(s.id))
            .ok_or_else(|| Error::new(Code::NoParent, format!("no talking session {call_id:?} to consult about")))
    }

    /// A session with its names and nothing else.
    pub(super) fn new_session(
        &mut self,
        id: SessionId,
        account: &str,
        seat: String,
        direction: CommunicationType,
        devices: (String, String),
    ) -> Session {
        let nothing = Preparing {
            reply: None,
            request_uri: String::new(),
            route: Vec::new(),
            targets: None,
            opening: None,
            extra_headers: Vec::new(),
            redirects: 0,
            cseq: 0,
        };
        Session {
            id,
            call_id: tag(&mut self.rng) + &format!("{:x}", id.0),
            account: account.into(),
            seat,
            direction,
            person: StaticCallStatus { name: String::new(), avatar: String::new(), company: String::new() },
            manual: false,
            number: String::new(),
            called_number: String::new(),
            tags: Vec::new(),
            headers: BTreeMap::new(),
            diversion: None,
            auto_answer: None,
            muted: false,
            parked: false,
            place: None,
            transfer_parent: None,
            refers: Default::default(),
            headset: self.headset_of(&devices.0, &devices.1),
            input: devices.0,
            output: devices.1,
            chosen: Default::default(),
            sip_call_id: call_id(&mut self.rng),
            local_tag: tag(&mut self.rng),
            link: None,
            moved: None,
            media: None,
            media_asked: false,
            local: None,
            negotiated: None,
            stats: MediaStats::default(),
            remote_ssrc: None,
            video: Direction::Inactive,
            video_ssrc: None,
            created: self.now.mono,
            rang: None,
            answered: None,
            answered_wall: 0,
            held_since: None,
            held_total: 0,
            timer_stopped: None,
            stalled_since: None,
            because: None,
            q850: None,
            ended_with: None,
            path: Default::default(),
            refresh: None,
            min_se: 0,
            recorded_to: None,
            transferred_to: None,
            peer_updates: false,
            dtmf: Default::default(),
            microphone: Default::default(),
            far_end: Default::default(),
            record_status: super::status::RecordStatus::Stop,
            told: None,
            state: State::Preparing(Box::new(nothing)),
        }
    }

    pub(super) fn insert_session(&mut self, session: Session) {
        let id = session.id;
        self.at_hand = Some(id);
        self.dialogs.insert((session.sip_call_id.clone(), session.local_tag.clone()), id);
        self.sessions.insert(id, session);
        let status = self.status(id);
        if let Some(session) = self.sessions.get_mut(&id) {
            session.told = status;
        }
        self.after(SECOND, Timer::Second(id));
        self.ask_contact(id);
    }
}

/// `{originator}` of newRTCSession and its kin.
pub(super) fn originator(who: &str) -> serde_json::Map<String, Value> {
    [("originator".to_owned(), Value::from(who))].into_iter().collect()
}

/// `Name: value` lines. What the phone writes itself may not be overridden, and no value can hold a line end.
pub(super) fn headers(lines: &[String]) -> Result<Vec<(String, String)>, Error> {
    const OURS: [&str; 19] = [
        "via",
        "v",
        "from",
        "f",
        "to",
        "t",
        "call-id",
        "i",
        "cseq",
        "contact",
        "m",
        "max-forwards",
        "route",
        "record-route",
        "content-length",
        "l",
        "content-type",
        "c",
        "authorization",
    ];
    let wrong = |line: &str, why: &str| {
        Err(Error::new(Code::InvalidParams, format!("extraHeaders: {line:?} {why}"))
            .hint("\"Name: value\", one line, not a header of the phone's own"))
    };
    let mut out = Vec::new();
    for line in lines {
        let Some((name, value)) = line.split_once(':') else { return wrong(line, "has no colon") };
        let (name, value) = (name.trim(), value.trim());
        let token = |c: char| c.is_ascii_alphanumeric() || "-.!%*_+`'~".contains(c);
        if name.is_empty() || !name.chars().all(token) {
            return wrong(line, "has no header name");
        }
        if value.chars().any(|c| c.is_control() && c != '\t') {
            return wrong(line, "holds a control character");
        }
        if OURS.iter().any(|own| own.eq_ignore_ascii_case(name)) {
            return wrong(line, "is the phone's own");
        }
        out.push((name.to_owned(), value.to_owned()));
    }
    Ok(out)
}
