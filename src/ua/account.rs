//! Accounts: an address of record, its servers, its trust, its credentials.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use rand_chacha::ChaCha20Rng;
use serde_json::{Value, json};

use super::Ua;
use super::clock::Timer;
use super::error::{Code, Error};
use super::io::{FlowId, Hop, Host, Mono, SessionId, Target, Transport};
use super::registration::Registration;
use super::route::{Link, Query, host_of};
use super::settings::AccountSettings;
use crate::sip::auth::{Challenge, DigestState};
use crate::sip::message::{Message, Method};
use crate::sip::transaction::{call_id, tag};
use crate::sip::uri::SipUri;

/// An account at work.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub(super) struct Account {
    pub name: String,
    pub settings: AccountSettings,
    pub aor: SipUri,
    /// The user part of our Contact: names the account where the AOR's user alone would not.
    pub contact_user: String,
    /// What its servers' names resolved to, by the order of `servers()`.
    pub targets: BTreeMap<usize, Vec<Target>>,
    pub trusted: BTreeMap<usize, Vec<Target>>,
    /// The way to the server in use.
    pub link: Option<Link>,
    /// Our address as the registrar sees it, where a NAT changes it.
    pub public: Option<SocketAddr>,
    /// When its binding by UDP is kept alive next.
    pub ping: Option<Mono>,
    pub digest: DigestState,
    pub realms: BTreeSet<String>,
    pub registration: Registration,
    pub dials: Vec<Mono>,
    /// It takes no new calls, and goes with its last one.
    pub leaving: bool,
}

impl Account {
    /// Checks the settings: an error says which key and what would be right.
    pub fn check(settings: &AccountSettings) -> Result<SipUri, Error> {
        let uri = |key: &str, text: &str| {
            let parsed = SipUri::parse(text).ok().filter(|u| u.scheme.starts_with("sip") && !u.host.is_empty());
            parsed.ok_or_else(|| {
                Error::new(Code::InvalidParams, format!("{key}: {text:?} is not a SIP URI"))
                    .hint("sip:user@domain, as in sip:alice@example.com")
            })
        };
        if let Some(registrar) = &settings.registrar {
            uri("registrar", registrar)?;
        }
        for proxy in &settings.proxies {
            uri("proxies", proxy)?;
        }
        if let Some(other) = settings.transport.as_deref().filter(|t| Transport::from_name(t).is_none()) {
            return Err(Error::new(Code::InvalidParams, format!("transport: {other:?} is not known"))
                .hint("udp, tcp, tls, ws or wss"));
        }
        if let Some(codec) = settings.codecs.iter().find(|c| crate::sdp::CodecKind::from_name(c).is_none()) {
            return Err(
                Error::new(Code::InvalidParams, format!("codecs: {codec:?} is not known")).hint("opus, PCMU, PCMA")
            );
        }
        let aor = uri("uri", &settings.uri)?;
        if aor.user.is_none() {
            return Err(Error::new(Code::InvalidParams, "uri: the user is missing").hint("sip:user@domain"));
        }
        Ok(aor)
    }

    /// Registration is wanted.
    pub fn registers(&self) -> bool {
        self.settings.register.unwrap_or(true)
    }

    /// What the configuration insists on.
    pub fn forced_transport(&self) -> Option<Transport> {
        let named = self.settings.transport.as_deref().and_then(Transport::from_name);
        named.or((self.aor.scheme == "sips").then_some(Transport::Tls))
    }

    /// The URIs of its servers: the proxies, else the registrar.
    pub fn servers(&self) -> Vec<String> {
        if !self.settings.proxies.is_empty() {
            return self.settings.proxies.clone();
        }
        vec![self.registrar()]
    }

    /// The Request-URI of its REGISTER.
    pub fn registrar(&self) -> String {
        self.settings.registrar.clone().unwrap_or_else(|| format!("{}:{}", self.aor.scheme, self.domain()))
    }

    /// The AOR's host and port, as a number is dialled at.
    pub fn domain(&self) -> String {
        let host = if self.aor.host.contains(':') { format!("[{}]", self.aor.host) } else { self.aor.host.clone() };
        self.aor.port.map_or(host.clone(), |p| format!("{host}:{p}"))
    }

    /// The text of From in requests of ours, without a tag.
    pub fn address(&self) -> String {
        let user = self.aor.user.as_deref().unwrap_or_default();
        let uri = format!("{}:{user}@{}", self.aor.scheme, self.domain());
        let name =
            crate::sip::uri::NameAddr { display: self.settings.display_name.clone(), uri, params: Default::default() };
        name.to_string()
    }

    /// All addresses of its servers, in the order they are to be tried.
    pub fn all_targets(&self) -> Vec<Target> {
        self.targets.values().flatten().cloned().collect()
    }

    /// The route set of a new request: the proxy, and what the registrar said (RFC 3608).
    pub fn route(&self) -> Vec<String> {
        let proxies = self.settings.proxies.first().map(|p| with_lr(p));
        proxies.into_iter().chain(self.registration.service_route.iter().cloned()).collect()
    }

    /// The account works over this flow.
    pub fn uses(&self, flow: FlowId) -> bool {
        self.link.is_some_and(|l| l.hop.flow == flow && l.hop.transport.reliable())
    }

    /// The hop is one of its servers, by address and port, or the stream that we opened to it.
    pub fn is_server(&self, hop: Hop) -> bool {
        self.uses(hop.flow)
            || self
                .targets
                .values()
                .flatten()
                .any(|t| t.addr == hop.addr || (hop.transport.reliable() && t.addr.ip() == hop.addr.ip()))
    }

    /// The address of ours that a peer of this account reaches.
    pub fn local_ip(&self, peer: SocketAddr) -> Option<IpAddr> {
        let all = || self.targets.values().chain(self.trusted.values()).flatten();
        let exact = all().find(|t| t.addr.ip() == peer.ip());
        exact.or_else(|| all().next()).map(|t| t.local_ip)
    }

    /// Credentials for a challenge, if it is one that may have them.
    pub fn digest_for(
        &mut self,
        hop: Hop,
        request: &Message,
        response: &Message,
        rng: &mut ChaCha20Rng,
    ) -> Option<Vec<(String, String)>> {
        let password = self.settings.password.clone()?;
        if !self.is_server(hop) {
            return None;
        }
        let challenges = Challenge::parse_all(response);
        let names_realms = request.method() == Method::Register || (!self.registers() && self.realms.is_empty());
        if names_realms {
            self.realms.extend(challenges.iter().map(|c| c.realm.clone()));
        }
        let user = self.username();
        let known = |realm: &str| self.realms.contains(realm) || self.settings.realms.iter().any(|r| r == realm);
        self.digest.answer(
            &challenges,
            &user,
            password.expose(),
            &request.method(),
            request.uri(),
            request.body(),
            rng,
            known,
        )
    }

    /// The digest user.
    pub fn username(&self) -> String {
        self.settings.username.clone().unwrap_or_else(|| self.aor.user_unescaped())
    }

    /// `account.get`: no secret is in it.
    pub fn view(&self, mono: Mono) -> Value {
        json!({
            "name": self.name,
            "uri": self.settings.uri,
            "registrar": self.registers().then(|| self.registrar()),
            "proxies": self.settings.proxies,
            "displayName": self.settings.display_name,
            "register": self.registers(),
            "isRegistered": self.registration.is_registered(),
            "registration": self.registration.view(mono),
            "transport": self.link.map(|l| l.hop.transport.param()),
            "seat": self.settings.seat,
            "input": self.settings.input,
            "output": self.settings.output,
            "autoAnswer": self.settings.auto_answer,
        })
    }
}

fn no_account(name: &str) -> Error {
    Error::new(Code::NoAccount, format!("there is no account {name:?}")).hint("account.list names them")
}

fn with_lr(proxy: &str) -> String {
    if proxy.to_ascii_lowercase().contains(";lr") { format!("<{proxy}>") } else { format!("<{proxy};lr>") }
}

impl Ua {
    pub(super) fn add_account(&mut self, name: String, settings: AccountSettings) -> Result<Value, Error> {
        if self.accounts.contains_key(&name) {
            return Err(Error::new(Code::AccountExists, format!("there is an account {name:?}"))
                .hint("account.update changes it"));
        }
        Account::check(&settings)?;
        self.insert_account(&name, settings);
        let view = self.accounts.get(&name).map_or(Value::Null, |a| a.view(self.now.mono));
        self.tell_account("account.added", &name, json!({}));
        Ok(view)
    }

    pub(super) fn update_account(&mut self, name: String, settings: AccountSettings) -> Result<Value, Error> {
        let account = self.account(&name)?;
        let aor = Account::check(&settings)?;
        let stays = |new: &AccountSettings| {
            account.aor == aor && account.settings.registrar == new.registrar && new.register.unwrap_or(true)
        };
        let binding = Some(account.registration.clone()).filter(|_| stays(&settings));
        let seats = self.seats_of_agents();
        let contact = account.link.filter(|_| account.registration.is_registered()).map(|l| self.binding(&name, l));
        if binding.is_some() {
            self.suspend_registration(&name);
        } else {
            self.forget_registration(&name);
        }
        self.accounts.remove(&name);
        self.insert_account(&name, settings);
        if let (Some(binding), Some(account)) = (binding, self.accounts.get_mut(&name)) {
            account.registration.continue_from(binding, contact);
        }
        self.tell_account("account.updated", &name, json!({}));
        self.agents_follow(&seats);
        Ok(self.account(&name)?.view(self.now.mono))
    }

    pub(super) fn remove_account(&mut self, name: &str) -> Result<Value, Error> {
        let account = self.accounts.get_mut(name).ok_or_else(|| no_account(name))?;
        account.leaving = false; // it goes now, not with the last of its calls
        let calls: Vec<SessionId> = self.sessions.values().filter(|s| s.account == name).map(|s| s.id).collect();
        calls.into_iter().for_each(|id| self.end_by_us(id, "Terminated", "system"));
        self.forget_registration(name);
        let seats = self.seats_of_agents();
        self.accounts.remove(name);
        self.sweep_flows();
        self.tell_account("account.removed", name, json!({}));
        self.agents_follow(&seats);
        Ok(Value::Bool(true))
    }

    /// Puts an account to work: its servers and trusted peers are resolved ahead, then it registers.
    pub(super) fn insert_account(&mut self, name: &str, settings: AccountSettings) {
        let Ok(aor) = Account::check(&settings) else {
            tracing::warn!(account = name, "left out: its settings are not valid");
            return;
        };
        if settings.tls_verify == Some(false) {
            tracing::warn!(account = name, "tls_verify = false: whoever is between us and its servers can read along");
        }
        let user = aor.user.clone().unwrap_or_default();
        let shared = self.accounts.values().any(|a| a.contact_user == user);
        let registration = Registration::new(call_id(&mut self.rng), tag(&mut self.rng));
        let account = Account {
            name: name.into(),
            contact_user: if shared { format!("{user}-{}", tag(&mut self.rng)) } else { user },
            aor,
            settings,
            targets: BTreeMap::new(),
            trusted: BTreeMap::new(),
            link: None,
            public: None,
            ping: None,
            digest: DigestState::default(),
            realms: BTreeSet::new(),
            registration,
            dials: Vec::new(),
            leaving: false,
        };
        self.accounts.insert(name.into(), account);
        self.resolve_trusted(name);
        self.resolve_servers(name);
        if self.accounts.get(name).is_some_and(Account::registers) {
            self.want_registration(name);
        }
    }

    /// Asks for the addresses of those whom an account trusts.
    pub(super) fn resolve_trusted(&mut self, name: &str) {
        let trusted = self.accounts.get(name).map(|a| a.settings.trusted.clone()).unwrap_or_default();
        for (index, peer) in trusted.iter().enumerate() {
            if let Some(host) = super::trust::host(peer) {
                self.resolve(host, Query::Trusted(name.into(), index));
            }
        }
    }

    /// Asks for the addresses of an account's servers.
    pub(super) fn resolve_servers(&mut self, name: &str) {
        let Some(account) = self.accounts.get(name) else { return };
        let forced = account.forced_transport();
        let wanted =
            account.registers() || !account.settings.proxies.is_empty() || account.settings.registrar.is_some();
        let servers = if wanted { account.servers() } else { Vec::new() };
        for (index, server) in servers.iter().enumerate() {
            let Ok(uri) = SipUri::parse(server) else { continue };
            let host = host_of(&uri);
            // `transport=ws` in a URI stands for both (RFC 7118 §5.1).
            let transport = match (host.transport, forced) {
                (Some(Transport::Ws), Some(Transport::Wss)) => forced,
                (named, forced) => named.or(forced),
            };
            let host = Host { transport, ..host };
            self.resolve(host, Query::Server(name.into(), index));
        }
    }

    pub(super) fn on_server(&mut self, name: &str, index: usize, targets: Vec<Target>) {
        let Some(account) = self.accounts.get(name) else { return };
        if targets.is_empty() && account.targets.get(&index).is_some_and(|t| !t.is_empty()) {
            // The last known addresses stay; a host that has just moved may reach no name server yet.
            let stale = account.targets.values().flatten().any(|t| self.is_gone(t.local_ip));
            if stale {
                self.after(2 * super::clock::SECOND, Timer::Servers(name.into()));
            }
            return;
        }
        let way = account.link.and_then(|link| account.local_ip(link.hop.addr));
        let Some(account) = self.accounts.get_mut(name) else { return };
        account.targets.insert(index, targets);
        let complete = account.targets.len() == account.servers().len();
        self.account_moves(name, way);
        if complete {
            self.on_account_link(name);
        }
        self.sweep_flows();
    }

    pub(super) fn on_trusted(&mut self, name: &str, index: usize, targets: Vec<Target>) {
        if let Some(account) = self.accounts.get_mut(name) {
            account.trusted.insert(index, targets);
        }
    }

    pub(super) fn account(&self, name: &str) -> Result<&Account, Error> {
        self.accounts.get(name).ok_or_else(|| no_account(name))
    }

    pub(super) fn on_account_timer(&mut self, name: &str) {
        let due = self.accounts.get(name).and_then(|a| a.registration.due);
        if due.is_none_or(|at| at > self.now.mono) {
            return;
        }
        if self.accounts.get(name).is_some_and(Account::registers) {
            self.register(name);
        } else {
            self.on_account_link(name);
        }
    }

    /// The account's timer: the newest deadline is the one that counts.
    pub(super) fn account_due(&mut self, name: &str, delay: Mono) {
        let at = self.now.mono + delay;
        if let Some(account) = self.accounts.get_mut(name) {
            account.registration.due = Some(at);
            self.timers.insert((at, Timer::Account(name.into())));
        }
    }
}
