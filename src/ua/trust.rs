//! Who may speak to us (SIP rule: the source check comes before any answer).

use std::net::IpAddr;

use super::Ua;
use super::account::Account;
use super::io::{Hop, Host};
use crate::sip::message::Message;
use crate::sip::uri::SipUri;

impl Ua {
    /// The request comes from a server or a trusted peer of some account, or belongs to a dialog of ours.
    pub(super) fn may_speak(&self, hop: Hop, msg: &Message) -> bool {
        let in_dialog = || {
            let key = (msg.call_id().to_owned(), msg.to_tag().unwrap_or_default());
            self.dialogs.contains_key(&key) || self.orphans.contains_key(&key)
        };
        self.accounts.values().any(|a| trusts(a, hop)) || in_dialog()
    }

    /// The source is known, whatever it says.
    pub(super) fn is_known(&self, hop: Hop) -> bool {
        self.accounts.values().any(|a| trusts(a, hop))
    }

    /// The account that a new request is for: by the source first, then by our Contact, then by the AOR.
    pub(super) fn account_for(&self, hop: Hop, msg: &Message) -> Option<String> {
        let uri = SipUri::parse(msg.uri()).ok()?;
        let user = uri.user.clone().unwrap_or_default();
        let candidates = || self.accounts.values().filter(|a| trusts(a, hop));
        let by_contact = candidates().find(|a| a.contact_user == user);
        let same_host = |a: &&Account| a.aor.host.eq_ignore_ascii_case(&uri.host);
        let by_aor = || candidates().filter(|a| a.aor.user_unescaped() == uri.user_unescaped());
        by_contact.or_else(|| by_aor().find(same_host)).or_else(|| by_aor().next()).map(|a| a.name.clone())
    }
}

fn trusts(account: &Account, hop: Hop) -> bool {
    account.is_server(hop)
        || account.trusted.values().flatten().any(|t| t.addr.ip() == hop.addr.ip())
        || account.settings.trusted.iter().any(|peer| in_network(peer, hop.addr.ip()))
}

/// What of a `trusted` entry is to be resolved: a host name or an address; not a network.
pub(super) fn host(peer: &str) -> Option<Host> {
    if peer.contains('/') {
        return None;
    }
    let name = peer.trim_start_matches('[').trim_end_matches(']').to_owned();
    Some(Host { name, port: Some(5060), transport: None })
}

/// `10.0.0.0/8`, `2001:db8::/32`, or an address.
fn in_network(network: &str, ip: IpAddr) -> bool {
    let (base, bits) = network.split_once('/').map_or((network, None), |(b, n)| (b, n.parse::<u32>().ok()));
    match (base.parse::<IpAddr>(), ip) {
        (Ok(IpAddr::V4(base)), IpAddr::V4(ip)) => {
            let bits = bits.unwrap_or(32).min(32);
            bits == 0 || (u32::from(base) ^ u32::from(ip)) >> (32 - bits) == 0
        }
        (Ok(IpAddr::V6(base)), IpAddr::V6(ip)) => {
            let bits = bits.unwrap_or(128).min(128);
            bits == 0 || (u128::from(base) ^ u128::from(ip)) >> (128 - bits) == 0
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::in_network;

    #[test]
    fn networks_hold_their_addresses() {
        for (network, ip, inside) in [
            ("10.0.0.0/8", "10.9.8.7", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("10.0.0.1", "10.0.0.1", true),
            ("10.0.0.1", "10.0.0.2", false),
            ("2001:db8::/32", "2001:db8:1::1", true),
            ("2001:db8::/32", "2001:db9::1", false),
            ("0.0.0.0/0", "192.0.2.1", true),
            ("pbx.example", "192.0.2.1", false),
        ] {
            assert_eq!(in_network(network, ip.parse().expect("an address")), inside, "{network} {ip}");
        }
    }
}
