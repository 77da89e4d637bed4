//! What the registrar answers: a binding, a challenge, a longer interval, another address than we thought.

use serde_json::json;

use super::State;
use crate::sip::message::Message;
use crate::sip::transaction::TxId;
use crate::sip::uri::{NameAddr, SipUri};
use crate::ua::Ua;
use crate::ua::cause;
use crate::ua::clock::SECOND;
use crate::ua::route::{Owner, Sent};
use serde_json::Value;

/// A binding that lasts less is not refreshed more often than this, s.
const LEAST_EXPIRES: u32 = 5;
/// NAT changes in a row that move the Contact at once; more wait for the refresh.
const MOVES: u8 = 3;

impl Ua {
    /// A final or provisional response to our REGISTER.
    pub(in crate::ua) fn on_register_response(&mut self, name: &str, tx: TxId, sent: Sent, msg: &Message) {
        let Some(account) = self.accounts.get_mut(name).filter(|a| a.registration.awaits(tx)) else { return };
        if !std::mem::replace(&mut account.registration.reached, true) {
            account.registration.trouble = None;
            self.tell_connected(name, sent.link);
        }
        match msg.status() {
            0..=199 => {}
            200..=299 => self.on_registered(name, &sent, msg),
            401 | 407 => self.on_register_challenge(name, sent, msg),
            423 => self.on_interval_too_brief(name, msg),
            code => {
                let after =
                    msg.header("Retry-After").and_then(|v| v.trim().split([';', ' ', '(']).next()?.parse().ok());
                self.registration_failed(name, Some(code), cause::of_status(code), after);
            }
        }
    }

    fn on_register_challenge(&mut self, name: &str, sent: Sent, msg: &Message) {
        let Some(account) = self.accounts.get_mut(name) else { return };
        account.registration.cseq += 1;
        let cseq = account.registration.cseq;
        let leaving = matches!(account.registration.state, State::Leaving(_));
        match self.with_digest(&sent, msg, cseq) {
            Some(request) => {
                let tx = self.send_request(request, sent.link, Owner::Register(name.into()), name, sent.tries + 1);
                self.register_sent(name, tx, leaving);
            }
            None => self.registration_failed(name, Some(msg.status()), "Authentication Error", None),
        }
    }

    fn on_interval_too_brief(&mut self, name: &str, msg: &Message) {
        if self.accounts.get(name).is_some_and(|a| matches!(a.registration.state, State::Leaving(_))) {
            return self.on_unregistered(name, Some(423));
        }
        let least: u32 = msg.header("Min-Expires").and_then(|v| v.trim().parse().ok()).unwrap_or(0);
        let Some(account) = self.accounts.get_mut(name) else { return };
        let asked = account.settings.expires.unwrap_or(300).max(account.registration.min_expires);
        if least <= asked {
            return self.registration_failed(name, Some(423), "SIP Failure Code", None);
        }
        let first = account.registration.min_expires == 0;
        account.registration.min_expires = least;
        if !first {
            return self.registration_failed(name, Some(423), "SIP Failure Code", None); // it asks for ever more
        }
        self.send_register(name, None);
    }

    fn on_registered(&mut self, name: &str, sent: &Sent, msg: &Message) {
        let Some(account) = self.accounts.get(name) else { return };
        if matches!(account.registration.state, State::Leaving(_)) {
            return self.on_unregistered(name, None);
        }
        let contact = self.binding(name, sent.link);
        let granted = granted(msg, &contact).unwrap_or_else(|| account.settings.expires.unwrap_or(300));
        let granted = granted.max(LEAST_EXPIRES);
        let seen = msg.via().filter(|via| via.transport.eq_ignore_ascii_case("UDP")).and_then(|via| {
            let ip = via.received().unwrap_or(&via.host).parse().ok()?;
            Some(std::net::SocketAddr::new(ip, via.rport().or(via.port)?))
        });
        let ours = account.public.unwrap_or(sent.link.local);
        let mapped = seen.filter(|s| *s != ours && !sent.link.hop.transport.reliable() && !ours.ip().is_unspecified());
        let gruu =
            bound(msg, &contact).and_then(|c| c.params.get("pub-gruu").map(|gruu| gruu.trim_matches('"').to_owned()));
        let gruu = gruu.filter(|gruu| SipUri::parse(gruu).is_ok());
        let was = account.registration.is_registered();
        let share = 70 + self.chance(20);
        let Some(account) = self.accounts.get_mut(name) else { return };
        let registration = &mut account.registration;
        let lasts = u64::from(granted) * SECOND;
        registration.state = State::Registered { until: self.now.mono + lasts, refresh: None };
        registration.failures = 0;
        registration.stale_contact = None;
        registration.service_route = msg.headers("Service-Route").map(str::to_owned).collect();
        registration.outbound = msg.has_token("Require", "outbound");
        registration.gruu = gruu;
        let waiting = std::mem::take(&mut registration.waiting);
        self.account_due(name, lasts / 100 * share);
        if let Some(public) = mapped.filter(|_| self.settings.sip.public_address.is_none()) {
            self.move_contact(name, contact.clone(), public);
        } else if let Some(account) = self.accounts.get_mut(name) {
            account.registration.moves = 0;
        }
        if !was {
            self.tell_account("registered", name, json!({"expires": granted, "contact": contact}));
            self.tell_account("isRegisteredChange", name, json!({"isRegistered": true, "code": null}));
        }
        waiting.into_iter().for_each(|reply| self.reply(reply, Ok(Value::Bool(true))));
        let interval = msg.header("Flow-Timer").and_then(|v| v.trim().parse().ok());
        self.set_flow_timer(sent.link.hop.flow, interval);
        if !sent.link.hop.transport.reliable() && self.accounts.get(name).is_some_and(|a| a.ping.is_none()) {
            self.arm_ping(name);
        }
        self.recover_sessions(name);
    }

    /// The REGISTER under way has another transaction.
    pub(in crate::ua) fn register_again(&mut self, name: &str, tx: TxId) {
        let leaving = self.accounts.get(name).is_some_and(|a| matches!(a.registration.state, State::Leaving(_)));
        self.register_sent(name, tx, leaving);
    }

    /// The registrar sees us at another address than we thought: the binding moves there (RFC 3581, 5626).
    fn move_contact(&mut self, name: &str, old: String, public: std::net::SocketAddr) {
        let Some(account) = self.accounts.get_mut(name) else { return };
        let at_once = account.registration.moves < MOVES;
        account.registration.moves = account.registration.moves.saturating_add(1);
        account.public = Some(public);
        account.registration.stale_contact = Some(old);
        if at_once {
            self.send_register(name, None);
        }
    }

    pub(super) fn on_unregistered(&mut self, name: &str, code: Option<u16>) {
        let Some(account) = self.accounts.get_mut(name) else { return };
        account.registration.state = State::Off;
        account.registration.due = None;
        let waiting = std::mem::take(&mut account.registration.waiting);
        self.tell_account("isRegisteredChange", name, json!({"isRegistered": false, "code": code}));
        waiting.into_iter().for_each(|reply| self.reply(reply, Ok(Value::Bool(true))));
        self.check_drained();
    }
}

/// The expiry that the registrar gave our Contact, s.
fn granted(msg: &Message, contact: &str) -> Option<u32> {
    let of = |c: NameAddr| c.params.get("expires").and_then(|e| e.parse().ok());
    let header = || msg.header("Expires").and_then(|e| e.trim().parse().ok());
    bound(msg, contact).and_then(of).or_else(header)
}

/// Our Contact as the registrar lists it.
fn bound(msg: &Message, contact: &str) -> Option<NameAddr> {
    let ours = NameAddr::parse(contact).ok()?.sip_uri().ok()?;
    let all = msg.headers("Contact").filter_map(|c| NameAddr::parse(c).ok());
    all.into_iter().find(|c| c.sip_uri().is_ok_and(|u| u.equivalent(&ours)))
}
