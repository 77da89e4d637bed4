//! The accounts' servers: their names, the way to them, and whether they know us.

use std::collections::BTreeSet;

use super::{Finding, Running};
use crate::config::Config;
use crate::net;
use crate::sip::uri::SipUri;
use crate::ua::io::{Host, Transport};

/// Every name of an account is one that can be looked up, and there is a way to it.
pub(super) fn names(config: &Config) -> Vec<Finding> {
    let mut hosts = BTreeSet::new();
    for (name, account) in &config.accounts {
        let registers = account.register.unwrap_or(true);
        let registrar = account.registrar.iter().chain(Some(&account.uri).filter(|_| account.registrar.is_none()));
        let uris = account.proxies.iter().chain(registrar.filter(|_| registers && account.proxies.is_empty()));
        for uri in uris.filter_map(|uri| SipUri::parse(uri).ok()) {
            let named = uri.transport().or(account.transport.as_deref()).and_then(Transport::from_name);
            let transport = if uri.scheme == "sips" && named.is_none() { Some(Transport::Tls) } else { named };
            hosts.insert((name.clone(), Host { name: uri.host.clone(), port: uri.port, transport }));
        }
    }
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return Vec::new() };
    let look = |(account, host): (String, Host)| {
        let targets = runtime.block_on(net::look_up(&host));
        let what = format!("{} (account {account})", host.name);
        match targets.first() {
            Some(target) => {
                let more = if targets.len() > 1 { format!(" and {} more", targets.len() - 1) } else { String::new() };
                Finding::ok(
                    "dns",
                    format!(
                        "{what}: {} over {}{more}, from {}",
                        target.addr,
                        target.transport.param(),
                        target.local_ip
                    ),
                )
            }
            None if net::is_address(&host) => {
                Finding::fault("dns", format!("{what}: this host has no way there"), "ip route get shows it")
            }
            None => Finding::fault(
                "dns",
                format!("{what} is not found, or this host has no way there"),
                format!("getent hosts {}; /etc/resolv.conf; is the name right?", host.name),
            ),
        }
    };
    hosts.into_iter().map(look).collect()
}

/// The registrars know us.
pub(super) fn registrations(running: Option<&Running>) -> Vec<Finding> {
    let accounts = running.and_then(|running| running.accounts.as_array()).map(Vec::as_slice).unwrap_or_default();
    let look = |account: &serde_json::Value| {
        let name = account["name"].as_str().unwrap_or_default();
        if account["register"] == false {
            return Finding::ok("registration", format!("{name} does not register"));
        }
        if account["isRegistered"] == true {
            return Finding::ok(
                "registration",
                format!("{name} is registered for {} s", account["registration"]["expiresIn"]),
            );
        }
        let registration = &account["registration"];
        let again = registration["retryInMs"].as_u64().map(|ms| format!(", again in {} s", ms.div_ceil(1000)));
        let (state, again) = (registration["state"].as_str().unwrap_or("unknown"), again.unwrap_or_default());
        let text = format!("{name} is not registered: {state}, {} failures{again}", registration["failures"]);
        Finding::fault("registration", text, format!("journalctl -u phoned ACCOUNT={name} tells why at each try"))
    };
    accounts.iter().map(look).collect()
}
