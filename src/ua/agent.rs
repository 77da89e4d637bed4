//! Agents: whether who sits at a seat takes calls. Who is not ready, wraps up a call or is not to be disturbed is not rung.
//! What is known of an agent belongs to the seat, not to an account's settings: it outlives their change.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::Ua;
use super::account::Account;
use super::clock::{Timer, seconds};
use super::command::{AgentRef, AgentSet, AgentState};
use super::error::{Code, Error};
use super::event::rfc3339;
use super::io::{Mono, SessionId};
use super::number::dialable;
use super::session::Chosen;

/// The longest wrap-up, s.
const LONGEST: u64 = 86_400;

/// What is known of the agent of a seat. Nothing known: ready.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(super) struct Agent {
    state: AgentState,
    /// Why not ready, in the agent's words.
    reason: String,
    /// When a wrap-up ends: by the timers' clock, and by people's (ms since 1970).
    until: Option<(Mono, i64)>,
    dnd: bool,
    forward: Option<String>,
    /// Since when all this holds, ms since 1970.
    since: i64,
}

/// Why an inbound call is not to ring, and where its caller is sent instead.
pub(super) struct Unavailable {
    pub reason: &'static str,
    pub forward: Option<String>,
}

/// Each seat with the names of its accounts.
pub(super) type Seats = BTreeMap<String, Vec<String>>;

impl Ua {
    /// `agent.set`: what is left out stays as it is.
    pub(super) fn agent_set(&mut self, set: AgentSet) -> Result<Value, Error> {
        let seat = self.which_seat(&AgentRef { seat: set.seat.clone(), account: set.account.clone() })?;
        let wrap_up = self.check_agent(&set)?;
        if let Some(to) = set.forward.as_deref().filter(|to| !to.is_empty()) {
            // A caller who is sent there costs as much as a call.
            let accounts = self.seats().remove(&seat).unwrap_or_default();
            let allowed = accounts.iter().try_for_each(|name| self.dialled(self.account(name)?, to).map(drop));
            allowed.map_err(|error| error.path("forward"))?;
        }
        let mut agent = self.agents.get(&seat).cloned().unwrap_or_default();
        if let Some(state) = set.state {
            agent.state = state;
            agent.reason = set.reason.unwrap_or_default();
            agent.until = wrap_up.map(|length| self.in_so_long(length));
        }
        agent.dnd = set.dnd.unwrap_or(agent.dnd);
        if let Some(forward) = set.forward {
            agent.forward = Some(forward).filter(|to| !to.is_empty());
        }
        agent.since = self.now.wall;
        self.put_agent(&seat, agent, "local");
        Ok(self.agent_view(&seat))
    }

    /// `agent.get`
    pub(super) fn agent_get(&self, which: &AgentRef) -> Result<Value, Error> {
        self.which_seat(which).map(|seat| self.agent_view(&seat))
    }

    /// The agents of all seats.
    pub(super) fn agents_view(&self) -> Value {
        self.seats().into_iter().map(|(seat, accounts)| self.agent_of(&seat, &accounts)).collect()
    }

    /// What keeps an account's inbound calls from ringing.
    pub(super) fn unavailable(&self, account: &Account) -> Option<Unavailable> {
        if self.agents.is_empty() {
            return None;
        }
        let agent = self.agents.get(&self.agent_seat(account))?;
        let reason = match (agent.dnd, agent.state) {
            (true, _) => "dnd",
            (false, AgentState::NotReady) => "notReady",
            (false, AgentState::WrapUp) => "wrapUp",
            (false, AgentState::Ready) => return None,
        };
        let forward = agent.forward.as_ref().or(self.settings.phone.not_ready_forward.as_ref());
        let forward = forward.and_then(|to| Some(self.dialled(account, to).ok()?.uri));
        Some(Unavailable { reason, forward })
    }

    /// An answered call is over: with `[phone] wrap_up` its agent, unless not ready anyway or in another call, has some time.
    pub(super) fn wrap_up_after(&mut self, account: &str) {
        let length = self.settings.phone.wrap_up;
        let Some(account) = self.accounts.get(account).filter(|_| length > 0 && !self.is_closing()) else {
            return;
        };
        let seat = self.agent_seat(account);
        let here = |name: &str| self.accounts.get(name).is_some_and(|a| self.agent_seat(a) == seat);
        let agent = self.agents.get(&seat).cloned().unwrap_or_default();
        if agent.state == AgentState::NotReady || self.sessions.values().any(|s| s.is_answered() && here(&s.account)) {
            return;
        }
        let until = Some(self.in_so_long(length));
        self.put_agent(&seat, Agent { state: AgentState::WrapUp, until, since: self.now.wall, ..agent }, "system");
    }

    /// A wrap-up may be over.
    pub(super) fn on_wrap_up(&mut self) {
        let now = self.now.mono;
        let over = |agent: &Agent| agent.until.is_some_and(|(at, _)| at <= now);
        let ready: Vec<String> =
            self.agents.iter().filter(|(_, agent)| over(agent)).map(|(seat, _)| seat.clone()).collect();
        for seat in ready {
            let agent = self.agents.get(&seat).cloned().unwrap_or_default();
            self.put_agent(
                &seat,
                Agent { state: AgentState::Ready, until: None, since: self.now.wall, ..agent },
                "system",
            );
        }
    }

    /// The seats, before accounts or devices change; none while nothing is known of any agent.
    pub(super) fn seats_of_agents(&self) -> Seats {
        if self.agents.is_empty() { Seats::new() } else { self.seats() }
    }

    /// Accounts or devices have changed, and with them the seats: who sits at a new one is still who it was.
    pub(super) fn agents_follow(&mut self, before: &Seats) {
        let after = if before.is_empty() { return } else { self.seats() };
        let mut moved = Vec::new();
        for (seat, accounts) in after.iter().filter(|(seat, _)| !before.contains_key(*seat)) {
            let from = before.iter().find(|(_, names)| accounts.iter().any(|name| names.contains(name)));
            if let Some(agent) = from.and_then(|(old, _)| self.agents.get(old)) {
                moved.push((seat.clone(), agent.clone()));
            }
        }
        self.agents.retain(|seat, _| after.contains_key(seat));
        moved.into_iter().for_each(|(seat, agent)| self.put_agent(&seat, agent, "system"));
    }

    /// The seat of an account's agent: by name, or by the microphone; without a real one the account is alone.
    fn agent_seat(&self, account: &Account) -> String {
        let (input, _) = self.devices_for(account, &Chosen::default());
        let seat = self.seat_of(account, &input, SessionId(0));
        if seat.starts_with("session:") { format!("account:{}", account.name) } else { seat }
    }

    fn seats(&self) -> Seats {
        let mut seats = Seats::new();
        for account in self.accounts.values() {
            seats.entry(self.agent_seat(account)).or_default().push(account.name.clone());
        }
        seats
    }

    fn which_seat(&self, which: &AgentRef) -> Result<String, Error> {
        let unknown = |what: String| Error::new(Code::NoAccount, what).hint("phone.get lists the seats as agents");
        let seats = self.seats();
        match (&which.seat, which.account.as_ref().or(self.settings.phone.default_account.as_ref())) {
            (Some(_), _) if which.account.is_some() => {
                Err(Error::new(Code::InvalidParams, "a seat or an account, not both"))
            }
            (Some(seat), _) => {
                let known = ["seat", "device", "account"].map(|kind| format!("{kind}:{seat}"));
                let known = known.into_iter().find(|name| seats.contains_key(name));
                known.ok_or_else(|| unknown(format!("there is no seat {seat:?}")))
            }
            (None, Some(account)) => Ok(self.agent_seat(self.account(account)?)),
            (None, None) if seats.len() > 1 => Err(unknown("there are several seats and none is named".into())),
            (None, None) => seats.into_keys().next().ok_or_else(|| unknown("there is no account, so no seat".into())),
        }
    }

    /// The length of the wrap-up that is asked for, s, if one is.
    fn check_agent(&self, set: &AgentSet) -> Result<Option<u64>, Error> {
        let wrong = |what: &str| Err(Error::new(Code::InvalidParams, what));
        let state = set.state;
        if set.reason.is_some() && state != Some(AgentState::NotReady) {
            return wrong("reason: of the state notReady only");
        }
        if set.reason.as_ref().is_some_and(|text| text.chars().count() > 256) {
            return wrong("reason: 256 characters at most");
        }
        if set.seconds.is_some() && state != Some(AgentState::WrapUp) {
            return wrong("seconds: of the state wrapUp only");
        }
        if set.forward.as_ref().is_some_and(|to| !to.is_empty() && !dialable(to)) {
            return Err(Error::new(Code::InvalidNumber, "forward: neither a number nor a SIP URI")
                .hint("a number, sip: or tel: URI; empty: nowhere"));
        }
        if state != Some(AgentState::WrapUp) {
            return Ok(None);
        }
        match set.seconds.unwrap_or(self.settings.phone.wrap_up) {
            0 if set.seconds.is_none() => wrong("seconds: how long, since [phone] wrap_up does not say it"),
            length if (1..=LONGEST).contains(&length) => Ok(Some(length)),
            _ => wrong("seconds: 1 to 86400"),
        }
    }

    fn in_so_long(&self, length: u64) -> (Mono, i64) {
        let wall = i64::try_from(length.saturating_mul(1_000)).unwrap_or(i64::MAX);
        (self.now.mono.saturating_add(seconds(length)), self.now.wall.saturating_add(wall))
    }

    /// Keeps what is known, and tells it where it is new.
    fn put_agent(&mut self, seat: &str, agent: Agent, by: &str) {
        let known = self.agents.get(seat).cloned().unwrap_or_default();
        if known == (Agent { since: known.since, ..agent.clone() }) {
            return;
        }
        if let Some((at, _)) = agent.until {
            self.timers.insert((at, Timer::WrapUp));
        }
        self.agents.insert(seat.to_owned(), agent);
        let mut data = self.agent_view(seat);
        data["by"] = by.into();
        let only = data["accounts"].as_array().filter(|all| all.len() == 1).and_then(|all| all[0].as_str());
        let only = only.map(str::to_owned);
        self.tell(false, "agent.changed", None, only, data.into());
    }

    fn agent_view(&self, seat: &str) -> Value {
        let here = self.accounts.values().filter(|a| self.agent_seat(a) == seat);
        self.agent_of(seat, &here.map(|a| a.name.clone()).collect::<Vec<_>>())
    }

    fn agent_of(&self, seat: &str, accounts: &[String]) -> Value {
        let agent = self.agents.get(seat).cloned().unwrap_or_default();
        let mut view: Map<String, Value> = Map::new();
        view.insert("seat".into(), seat.split_once(':').map_or(seat, |(_, name)| name).into());
        view.insert("accounts".into(), json!(accounts));
        view.insert("state".into(), json!(agent.state));
        view.insert("dnd".into(), agent.dnd.into());
        let optional = [
            ("reason", Some(agent.reason).filter(|text| !text.is_empty())),
            ("until", agent.until.map(|(_, wall)| rfc3339(wall))),
            ("forward", agent.forward),
            ("since", Some(agent.since).filter(|since| *since > 0).map(rfc3339)),
        ];
        view.extend(optional.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?.into()))));
        Value::Object(view)
    }
}
