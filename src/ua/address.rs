//! Our own address changes (another network, a new lease): streams of the old one are opened anew, bindings and dialogs learn the new
//! Contact, and the voice of each call moves to new ports; WebRTC looks for its path again (an ICE restart, RFC 8445 §9).

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use serde_json::json;

use super::Ua;
use super::account::Account;
use super::clock::Timer;
use super::flow::Flow;
use super::io::{FlowId, Host, SessionId, Target};
use super::media::{LocalMedia, MediaCommand};
use super::route::Query;

impl Ua {
    /// The host has these addresses now.
    pub(super) fn on_addresses(&mut self, addresses: BTreeSet<IpAddr>) {
        let arrived = !self.addresses.is_empty() && !addresses.is_subset(&self.addresses);
        self.addresses = addresses;
        let lost = self.flows.iter().filter(|(_, f)| f.is_up() && f.remote.is_some() && self.is_gone(f.local.ip()));
        for id in lost.map(|(id, _)| *id).collect::<Vec<FlowId>>() {
            self.declare_dead(id, "our address is gone");
        }
        let stale = |target: &Target| self.is_gone(target.local_ip);
        let names =
            self.accounts.values().filter(|a| a.targets.values().chain(a.trusted.values()).flatten().any(stale));
        for name in names.map(|a| a.name.clone()).collect::<Vec<_>>() {
            self.resolve_trusted(&name);
            self.resolve_servers(&name);
        }
        let homeless = |media: &LocalMedia| self.is_gone(media.rtp.ip());
        let sessions = self.sessions.values().filter(|s| s.media.as_ref().is_some_and(homeless)).map(|s| s.id);
        sessions.collect::<Vec<_>>().into_iter().for_each(|id| self.look_for_address(id));
        if arrived {
            self.try_now();
        }
    }

    /// It was an address of this host, and is none any more.
    pub(super) fn is_gone(&self, ip: IpAddr) -> bool {
        let known = self.addresses.is_empty() || ip.is_unspecified() || ip.is_loopback();
        !known && !self.addresses.contains(&ip)
    }

    /// Asks which address of ours reaches the session's next hop now. Where there is none the next change asks again.
    fn look_for_address(&mut self, id: SessionId) {
        let Some(hop) = self.sessions.get(&id).and_then(|s| s.link).map(|link| link.hop) else { return };
        let (name, port, transport) = (hop.addr.ip().to_string(), Some(hop.addr.port()), Some(hop.transport));
        self.resolve(Host { name, port, transport }, Query::Anew(id));
    }

    pub(super) fn on_new_address(&mut self, id: SessionId, targets: &[Target]) {
        let Some(ip) = targets.first().map(|target| target.local_ip).filter(|ip| !self.is_gone(*ip)) else { return };
        let public = self.settings.sip.public_address.is_some();
        let Some(media) = self.sessions.get(&id).and_then(|s| s.media.as_ref()) else { return };
        if !self.is_gone(media.rtp.ip()) {
            return;
        }
        let ice = media.dtls.ice.is_some();
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let flow = session.link.map(|link| link.hop.flow);
        if let Some(link) = session.link.as_mut().filter(|_| !public) {
            link.local.set_ip(ip);
        }
        // Its stream, opened again, begins here.
        let gone =
            |flow: &Flow, addresses: &BTreeSet<IpAddr>| flow.remote.is_some() && !addresses.contains(&flow.local.ip());
        if let Some(flow) = flow.and_then(|id| self.flows.get_mut(&id)).filter(|f| gone(f, &self.addresses)) {
            flow.local = SocketAddr::new(ip, 0);
        }
        self.media(id, MediaCommand::Move { local_ip: ip, ice });
    }

    /// The new ports are there: the peer is told, as soon as there is a way to it.
    pub(super) fn on_moved_media(&mut self, id: SessionId, rtp: SocketAddr, media: LocalMedia) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let (from, to) = (session.media.as_ref().map(|m| m.rtp.ip()), media.rtp.ip());
        if let Some(local) = &mut session.local {
            local.move_to(rtp, media.dtls.ice.clone());
        }
        session.media = Some(media);
        session.moved = Some(0);
        let reason = from.map(|from| format!("our address is {to}, {from} is gone"));
        self.tell_session(id, "media", json!({"state": "moved", "reason": reason}));
        self.after(0, Timer::Move(id));
    }

    /// The account's server is reached from another address than before: by UDP its binding follows, and the old one is removed.
    pub(super) fn account_moves(&mut self, name: &str, before: Option<IpAddr>) {
        let Some(account) = self.accounts.get(name) else { return };
        let Some(link) = account.link.filter(|l| !l.hop.transport.reliable()) else { return };
        let after = account.local_ip(link.hop.addr);
        if before == after || !before.is_some_and(|before| self.is_gone(before)) {
            return;
        }
        let old = account.registration.is_registered().then(|| self.binding(name, link));
        if let Some(account) = self.accounts.get_mut(name) {
            (account.link, account.public) = (None, None);
            account.registration.stale_contact = old;
        }
    }

    /// Another network may reach what the last one did not: nobody waits out an old backoff.
    fn try_now(&mut self) {
        self.servers.values_mut().for_each(|reach| reach.forgive());
        let waits = |a: &&Account| {
            a.registration.is_waiting() || (!a.registers() && a.link.is_none() && a.registration.due.is_some())
        };
        let names = self.accounts.values().filter(waits).map(|a| a.name.clone());
        names.collect::<Vec<_>>().into_iter().for_each(|name| self.account_due(&name, 0));
    }
}
