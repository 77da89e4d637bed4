//! REGISTER: the binding of an account, kept alive (RFC 3261 §10, 3608, 5626).

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

mod answers;

use super::Ua;
use super::clock::SECOND;
use super::error::{Code, Error};
use super::flow::{Connection, Waiter};
use super::io::{FlowId, Mono, ReplyId};
use super::route::{Link, Owner};
use crate::sip::message::{Message, Method};
use crate::sip::transaction::TxId;

/// The longest that a registrar can send us away, s.
const DAY: u64 = 86_400;

/// The state of a binding. One Call-ID and From tag for its life (RFC 3261 §10.2).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Registration {
    call_id: String,
    from_tag: String,
    cseq: u32,
    state: State,
    /// When the timer acts next.
    pub due: Option<Mono>,
    failures: u32,
    /// Raised by 423.
    min_expires: u32,
    /// Which of the account's targets is in use.
    server: usize,
    /// The server has answered something on this link.
    reached: bool,
    pub service_route: Vec<String>,
    /// The registrar keeps our dialogs on the flow of the binding (RFC 5626), and has a name for us (RFC 5627).
    pub outbound: bool,
    pub gruu: Option<String>,
    /// Why the flow to the server closed last, in plain words.
    pub trouble: Option<String>,
    /// A Contact of ours that is to be removed with the next REGISTER.
    pub stale_contact: Option<String>,
    /// How often the Contact moved since a REGISTER found it in place.
    moves: u8,
    waiting: Vec<ReplyId>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum State {
    Off,
    /// An address or a flow is missing.
    Connecting,
    Trying(TxId),
    Registered {
        until: Mono,
        refresh: Option<TxId>,
    },
    Waiting,
    Leaving(TxId),
}

impl Registration {
    pub fn new(call_id: String, from_tag: String) -> Self {
        Registration {
            call_id,
            from_tag,
            cseq: 0,
            state: State::Off,
            due: None,
            failures: 0,
            min_expires: 0,
            server: 0,
            reached: false,
            service_route: Vec::new(),
            outbound: false,
            gruu: None,
            trouble: None,
            stale_contact: None,
            moves: 0,
            waiting: Vec::new(),
        }
    }

    /// The account's settings change and its binding stays: the same Call-ID and a rising CSeq keep the registrar's
    /// order, whatever the network does to it.
    pub fn continue_from(&mut self, old: Registration, contact: Option<String>) {
        self.call_id = old.call_id;
        self.from_tag = old.from_tag;
        self.cseq = old.cseq;
        self.stale_contact = contact;
    }

    pub fn is_registered(&self) -> bool {
        matches!(self.state, State::Registered { .. })
    }

    /// It failed, and is tried again later.
    pub fn is_waiting(&self) -> bool {
        self.state == State::Waiting
    }

    /// The answer to this request is still of interest.
    pub fn awaits(&self, tx: TxId) -> bool {
        match &self.state {
            State::Trying(t) | State::Leaving(t) => *t == tx,
            State::Registered { refresh, .. } => *refresh == Some(tx),
            State::Off | State::Connecting | State::Waiting => false,
        }
    }

    /// Failures in a row.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// For `account.get`.
    pub fn view(&self, mono: Mono) -> Value {
        let (state, expires) = match &self.state {
            State::Off => ("off", None),
            State::Connecting => ("connecting", None),
            State::Trying(_) => ("registering", None),
            State::Registered { until, .. } => ("registered", Some(until.saturating_sub(mono) / SECOND)),
            State::Waiting => ("waiting", None),
            State::Leaving(_) => ("unregistering", None),
        };
        let retry = self.due.filter(|_| self.state == State::Waiting).map(|at| at.saturating_sub(mono) / 1000);
        json!({"state": state, "expiresIn": expires, "failures": self.failures, "retryInMs": retry})
    }
}

impl Ua {
    /// `account.register`, `phone.start`, and the first breath of an account.
    pub(super) fn want_registration(&mut self, name: &str) {
        let Some(account) = self.accounts.get_mut(name) else { return };
        if matches!(account.registration.state, State::Off | State::Waiting | State::Leaving(_)) {
            account.registration.failures = 0;
            account.registration.state = State::Connecting;
            self.register(name);
        }
    }

    /// `phone.reRegister`: a refresh before its time, or the next try.
    pub(super) fn register_now(&mut self, name: &str) {
        let Some(account) = self.accounts.get(name) else { return };
        match account.registration.state {
            State::Registered { refresh: None, .. } => self.register(name),
            _ => self.want_registration(name),
        }
    }

    pub(super) fn account_register(&mut self, name: &str, reply: ReplyId) -> Result<(), Error> {
        self.account(name)?;
        self.want_registration(name);
        let Some(account) = self.accounts.get_mut(name) else { return Ok(()) };
        if account.registration.is_registered() {
            self.reply(reply, Ok(Value::Bool(true)));
        } else {
            account.registration.waiting.push(reply);
        }
        Ok(())
    }

    pub(super) fn account_unregister(&mut self, name: &str, reply: ReplyId) -> Result<(), Error> {
        self.account(name)?;
        if self.forget_registration(name) {
            if let Some(account) = self.accounts.get_mut(name) {
                account.registration.waiting.push(reply);
            }
        } else {
            self.reply(reply, Ok(Value::Bool(true)));
        }
        Ok(())
    }

    /// Sends the REGISTER that is due; connects first where there is no link.
    pub(super) fn register(&mut self, name: &str) {
        let Some(account) = self.accounts.get_mut(name) else { return };
        if account.targets.len() < account.servers().len() {
            if !account.registration.is_registered() {
                account.registration.state = State::Connecting;
            }
            return; // the resolver is at work
        }
        let targets = account.all_targets();
        if targets.is_empty() {
            return self.registration_failed(name, None, "Connection Error", None);
        }
        let target = targets[account.registration.server % targets.len()].clone();
        if !account.registration.is_registered() {
            account.registration.state = State::Connecting;
        }
        match self.connect(&target, name, Waiter::Account(name.into())) {
            Connection::Ready(link) => {
                if let Some(account) = self.accounts.get_mut(name) {
                    account.link = Some(link);
                }
                self.send_register(name, None);
            }
            // No socket speaks this family: the next server may be in reach.
            Connection::None if self.listens() => self.registration_failed(name, None, "Connection Error", None),
            Connection::Opening(_) | Connection::None => {}
        }
    }

    /// A link or an address came: whoever waited for it goes on.
    pub(super) fn on_account_link(&mut self, name: &str) {
        let Some(account) = self.accounts.get(name) else { return };
        let lost = account.registration.is_registered() && account.link.is_none();
        if account.registration.state == State::Connecting || lost {
            self.register(name);
        } else if !account.registers() {
            self.link_unregistered(name);
        }
    }

    /// An account that does not register has its flow all the same.
    fn link_unregistered(&mut self, name: &str) {
        let Some(account) = self.accounts.get(name).filter(|a| a.link.is_none()) else { return };
        let Some(target) = account.all_targets().first().cloned() else { return };
        let Connection::Ready(link) = self.connect(&target, name, Waiter::Account(name.into())) else { return };
        let Some(account) = self.accounts.get_mut(name) else { return };
        account.link = Some(link);
        if link.hop.transport.reliable() {
            account.registration.reached = true;
            account.registration.trouble = None;
            self.tell_connected(name, link);
            self.recover_sessions(name);
        }
    }

    fn tell_connected(&mut self, name: &str, link: Link) {
        let (transport, server) = (link.hop.transport.param(), link.hop.addr.to_string());
        self.tell_account("connected", name, json!({"transport": transport, "server": server}));
    }

    pub(super) fn on_account_flow_closed(&mut self, name: &str, id: FlowId, reason: &str) {
        let Some(account) = self.accounts.get_mut(name) else { return };
        let was_open = account.link.take_if(|l| l.hop.flow == id).is_some();
        if std::mem::take(&mut account.registration.reached) {
            self.tell_account("disconnected", name, json!({"cause": "Connection Error", "reason": reason}));
        }
        let Some(account) = self.accounts.get(name) else { return };
        match account.registration.state {
            State::Connecting => self.registration_failed(name, None, "Connection Error", None),
            State::Registered { refresh: None, .. } if !was_open => {
                self.registration_failed(name, None, "Connection Error", None);
            }
            State::Registered { refresh: None, .. } => {
                let wait = self.next_server_wait(name).unwrap_or(1);
                self.account_due(name, wait);
            }
            State::Off if !account.registers() => {
                let wait = self.next_server_wait(name).unwrap_or(SECOND);
                self.account_due(name, wait);
            }
            _ => {}
        }
    }

    /// How long the account's server is left alone, if it was out of reach just now.
    fn next_server_wait(&self, name: &str) -> Option<Mono> {
        let account = self.accounts.get(name)?;
        let targets = account.all_targets();
        let target = targets.get(account.registration.server.checked_rem(targets.len())?)?;
        let at = self.tried_again(target.addr).filter(|_| target.transport.reliable())?;
        Some(at - self.now.mono)
    }

    /// `expires` Some(0) removes the binding. Credentials known from before go along.
    fn send_register(&mut self, name: &str, expires: Option<u32>) {
        let Some(account) = self.accounts.get(name) else { return };
        let Some(link) = account.link else { return };
        let contact = self.binding(name, link);
        let streams = link.hop.transport.reliable();
        let Some(account) = self.accounts.get_mut(name) else { return };
        let registration = &mut account.registration;
        registration.cseq += 1;
        let asked = expires.unwrap_or_else(|| account.settings.expires.unwrap_or(300).max(registration.min_expires));
        let (cseq, call_id, tag) = (registration.cseq, registration.call_id.clone(), registration.from_tag.clone());
        let stale = registration.stale_contact.clone().filter(|old| *old != contact);
        let mut msg = Message::request(Method::Register, &account.registrar());
        if let Some(proxy) = account.route().first().filter(|_| !account.settings.proxies.is_empty()) {
            msg.push("Route", proxy.clone());
        }
        msg.push("Max-Forwards", "70");
        msg.push("From", format!("{};tag={tag}", account.address()));
        msg.push("To", account.address());
        msg.push("Call-ID", call_id);
        msg.push("CSeq", format!("{cseq} REGISTER"));
        let instance = super::instance::urn(&self.settings.instance, &account.settings.uri);
        let instance = if streams { format!(";reg-id=1;+sip.instance=\"<{instance}>\"") } else { String::new() };
        msg.push("Contact", format!("{contact};expires={asked}{instance}"));
        if let Some(old) = stale {
            msg.push("Contact", format!("{old};expires=0"));
        }
        msg.push("Expires", asked.to_string());
        msg.push("Allow", super::route::ALLOW);
        msg.push(
            "Supported",
            match link.hop.transport {
                t if t.websocket() => "path, outbound, gruu",
                t if t.reliable() => "path, outbound",
                _ => "path",
            },
        );
        if let Some(password) = account.settings.password.clone() {
            let user = account.username();
            let known =
                account.digest.preemptive(&Method::Register, msg.uri(), b"", &user, password.expose(), &mut self.rng);
            known.into_iter().for_each(|(header, value)| msg.push(&header, value));
        }
        let tx = self.send_request(msg, link, Owner::Register(name.into()), name, 0);
        self.register_sent(name, tx, expires == Some(0));
    }

    fn register_sent(&mut self, name: &str, tx: TxId, leaving: bool) {
        let Some(account) = self.accounts.get_mut(name) else { return };
        account.registration.due = None;
        match &mut account.registration.state {
            _ if leaving => account.registration.state = State::Leaving(tx),
            State::Registered { refresh, .. } => *refresh = Some(tx),
            state => *state = State::Trying(tx),
        }
    }

    /// Removes the binding, if there is one. True: a REGISTER is out.
    pub(super) fn forget_registration(&mut self, name: &str) -> bool {
        let Some(account) = self.accounts.get_mut(name) else { return false };
        account.registration.due = None;
        let bound = account.registration.is_registered() && account.link.is_some();
        let waiting = std::mem::take(&mut account.registration.waiting);
        if bound {
            self.send_register(name, Some(0));
        } else {
            account.registration.state = State::Off;
        }
        let gone = Error::new(Code::RegistryFailed, "the account was unregistered meanwhile");
        waiting.into_iter().for_each(|reply| self.reply(reply, Err(gone.clone())));
        bound
    }

    /// The binding is about to be taken over by other settings of the same account.
    pub(super) fn suspend_registration(&mut self, name: &str) {
        let Some(account) = self.accounts.get_mut(name) else { return };
        let was = account.registration.is_registered();
        let waiting = std::mem::take(&mut account.registration.waiting);
        account.registration.state = State::Off;
        if was {
            self.tell_account("isRegisteredChange", name, json!({"isRegistered": false, "code": null}));
        }
        let gone = Error::new(Code::RegistryFailed, "the account was changed meanwhile");
        waiting.into_iter().for_each(|reply| self.reply(reply, Err(gone.clone())));
    }

    /// No server, no answer, or a refusal: told, and tried again, always.
    pub(super) fn registration_failed(&mut self, name: &str, code: Option<u16>, cause: &str, retry_after: Option<u64>) {
        let jitter = 50 + self.chance(100);
        let Some(account) = self.accounts.get_mut(name) else { return };
        if matches!(account.registration.state, State::Leaving(_)) {
            return self.on_unregistered(name, code);
        }
        let was = account.registration.is_registered();
        let servers = account.all_targets().len();
        let limit = account.settings.register_max_attempts;
        let registration = &mut account.registration;
        registration.failures += 1;
        registration.state = State::Waiting;
        registration.server += 1;
        let unreachable = code.is_none();
        let was_reached = unreachable && std::mem::take(&mut registration.reached);
        let reason = registration.trouble.take().filter(|_| unreachable);
        let failures = registration.failures;
        let next_server = servers > 1 && !registration.server.is_multiple_of(servers);
        let base = match code {
            _ if next_server => SECOND / 10,
            Some(400..=499) if code != Some(408) && code != Some(480) => (60 * SECOND) << (failures - 1).min(2),
            _ => (SECOND << (failures - 1).min(5)).min(30 * SECOND),
        };
        let delay = (base / 100 * jitter).max(retry_after.unwrap_or(0).min(DAY) * SECOND);
        // A flow that failed has the backoff of its server, which all accounts share.
        let paced = self.next_server_wait(name).filter(|_| unreachable);
        let delay = paced.map_or(delay, |wait| if next_server { wait.max(SECOND / 10) } else { wait });
        let Some(account) = self.accounts.get_mut(name) else { return };
        let registration = &mut account.registration;
        let gives_up = limit.is_some_and(|limit| failures >= limit);
        let waiting = std::mem::take(&mut registration.waiting);
        if gives_up {
            registration.state = State::Off;
        } else {
            self.account_due(name, delay);
        }
        if was_reached {
            self.tell_account("disconnected", name, with_reason(json!({"cause": cause}), reason.as_deref()));
        }
        let retry = (!gives_up).then_some(delay / 1000);
        self.tell_account(
            "registrationFailed",
            name,
            with_reason(
                json!({"cause": cause, "code": code, "failures": failures, "retryInMs": retry}),
                reason.as_deref(),
            ),
        );
        if was {
            self.tell_account("isRegisteredChange", name, json!({"isRegistered": false, "code": code}));
        }
        let which = if gives_up { Code::RegisterAttempts } else { Code::RegistryFailed };
        let why = reason.map_or(cause.to_owned(), |reason| format!("{cause}: {reason}"));
        let error = Error::new(which, format!("not registered: {why}"))
            .hint("registration is tried again; registrationFailed tells each try");
        let error = code.map_or(error.clone(), |c| error.sip(c));
        waiting.into_iter().for_each(|reply| self.reply(reply, Err(error.clone())));
        if unreachable {
            self.resolve_servers(name); // it may have moved
        } else {
            self.recover_sessions(name); // it speaks to us, whatever it thinks of our binding
        }
    }
}

/// What happened, with the reason in plain words where there is one.
fn with_reason(mut data: Value, reason: Option<&str>) -> Value {
    if let (Value::Object(map), Some(reason)) = (&mut data, reason) {
        map.insert("reason".into(), reason.into());
    }
    data
}
