//! Where a host is reached (RFC 3263): NAPTR, SRV, addresses. Only the session that asked waits, and never for long.

use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use hickory_resolver::config::LookupIpStrategy;
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::{RData, RecordType};
use hickory_resolver::{ResolverBuilder, TokioResolver};
use tokio::task::JoinSet;

use super::{Host, Target, Transport};

/// All questions of one answer together.
const LIMIT: Duration = Duration::from_secs(3);
/// One question, tried twice.
const ATTEMPT: Duration = Duration::from_millis(700);
/// More names than this in an answer serve nobody.
const MAX_TARGETS: usize = 16;
const RESOLV_CONF: &str = "/etc/resolv.conf";

/// Asks the host's name servers. They may change: a laptop changes its network.
#[derive(Clone, Default)]
pub(super) struct Resolver {
    current: Arc<Mutex<Option<Servers>>>,
}

/// The name servers as of one state of resolv.conf.
struct Servers {
    since: Option<SystemTime>,
    dns: TokioResolver,
}

/// A place that SRV names.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Service {
    transport: Transport,
    name: String,
    port: u16,
}

/// What needs no question: address literals and `localhost`.
pub(super) fn literal(host: &Host) -> Option<Vec<Target>> {
    let name = host.name.trim_end_matches('.');
    let ip = if name.eq_ignore_ascii_case("localhost") { Ipv4Addr::LOCALHOST.into() } else { name.parse().ok()? };
    let transport = host.transport.unwrap_or(Transport::Udp);
    Some(targets_at(name, &[ip], host.port.unwrap_or(transport.port()), transport))
}

impl Resolver {
    /// The targets of a host, best first.
    pub(super) async fn targets(&self, host: &Host) -> Vec<Target> {
        if let Some(found) = literal(host) {
            return found;
        }
        let Some(dns) = self.dns() else { return Vec::new() };
        targets(&dns, host).await
    }

    /// The resolver for the name servers as they are now.
    fn dns(&self) -> Option<TokioResolver> {
        let changed = std::fs::metadata(RESOLV_CONF).and_then(|file| file.modified()).ok();
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(servers) = current.as_ref().filter(|servers| servers.since == changed) {
            return Some(servers.dns.clone());
        }
        match TokioResolver::builder_tokio().and_then(build) {
            Ok(dns) => {
                *current = Some(Servers { since: changed, dns: dns.clone() });
                Some(dns)
            }
            Err(error) => {
                tracing::warn!(%error, "no name servers");
                None
            }
        }
    }
}

fn build(mut builder: ResolverBuilder<TokioRuntimeProvider>) -> Result<TokioResolver, NetError> {
    let options = builder.options_mut();
    options.timeout = ATTEMPT;
    options.attempts = 2;
    options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
    builder.build()
}

/// All questions go out together, so that one without an answer costs the others no time.
async fn targets(dns: &TokioResolver, host: &Host) -> Vec<Target> {
    let name = host.name.trim_end_matches('.');
    let services = async {
        match host.port {
            Some(_) => Vec::new(),
            None => tokio::time::timeout(LIMIT, services(dns, name, host.transport)).await.unwrap_or_default(),
        }
    };
    let (services, plain) = tokio::join!(services, addresses(dns, name));
    if services.is_empty() {
        let transport = host.transport.unwrap_or(Transport::Udp);
        return targets_at(name, &plain, host.port.unwrap_or(transport.port()), transport);
    }
    services
        .iter()
        .flat_map(|(service, found)| targets_at(name, found, service.port, service.transport))
        .take(MAX_TARGETS)
        .collect()
}

/// The services of a domain with their addresses: by NAPTR where there are any, else UDP before TCP before TLS (§4.1, §4.2).
/// WebSockets have none.
async fn services(dns: &TokioResolver, name: &str, transport: Option<Transport>) -> Vec<(Service, Vec<IpAddr>)> {
    let (naptr, udp, tcp, tls) = tokio::join!(
        naptr(dns, name, transport),
        srv(dns, format!("_sip._udp.{name}."), Transport::Udp, transport),
        srv(dns, format!("_sip._tcp.{name}."), Transport::Tcp, transport),
        srv(dns, format!("_sips._tcp.{name}."), Transport::Tls, transport),
    );
    let mut found = Vec::new();
    for (transport, replacement) in naptr {
        found.extend(srv(dns, replacement, transport, None).await);
    }
    if found.is_empty() {
        found.extend(udp.into_iter().chain(tcp).chain(tls));
    }
    found.truncate(MAX_TARGETS);
    let mut lookups = JoinSet::new();
    for (index, service) in found.iter().enumerate() {
        let (dns, name) = (dns.clone(), service.name.clone());
        lookups.spawn(async move { (index, addresses(&dns, &name).await) });
    }
    let mut found: Vec<_> = found.into_iter().map(|service| (service, Vec::new())).collect();
    while let Some(Ok((index, addresses))) = lookups.join_next().await {
        found[index].1 = addresses;
    }
    found
}

/// The SRV names of a domain by transport that we speak, best first.
async fn naptr(dns: &TokioResolver, name: &str, transport: Option<Transport>) -> Vec<(Transport, String)> {
    if transport.is_some() {
        return Vec::new();
    }
    let Ok(answer) = dns.lookup(format!("{name}."), RecordType::NAPTR).await else { return Vec::new() };
    let mut rules: Vec<_> = answer
        .answers()
        .iter()
        .filter_map(|record| match &record.data {
            RData::NAPTR(rule) => {
                let transport = match rule.services.to_ascii_uppercase().as_slice() {
                    b"SIP+D2U" => Transport::Udp,
                    b"SIP+D2T" => Transport::Tcp,
                    b"SIPS+D2T" => Transport::Tls,
                    _ => return None,
                };
                let terminal = rule.flags.eq_ignore_ascii_case(b"s");
                terminal.then(|| ((rule.order, rule.preference), transport, rule.replacement.to_string()))
            }
            _ => None,
        })
        .collect();
    rules.sort_by_key(|(order, ..)| *order);
    rules.into_iter().map(|(_, transport, name)| (transport, name)).collect()
}

/// The places that a SRV name stands for, in the order of RFC 2782; none when the caller wants another transport.
async fn srv(dns: &TokioResolver, name: String, transport: Transport, wanted: Option<Transport>) -> Vec<Service> {
    if wanted.is_some_and(|wanted| wanted != transport) {
        return Vec::new();
    }
    let Ok(answer) = dns.lookup(name, RecordType::SRV).await else { return Vec::new() };
    let records = answer.answers().iter().filter_map(|record| match &record.data {
        // A lone dot: the service is decidedly not here.
        RData::SRV(srv) if !srv.target.is_root() => {
            Some((srv.priority, srv.weight, Service { transport, name: srv.target.to_string(), port: srv.port }))
        }
        _ => None,
    });
    let dice = RandomState::new();
    let mut throw = 0_u32;
    by_weight(records.collect(), |sum| {
        throw += 1;
        u32::try_from(dice.hash_one(throw) % (u64::from(sum) + 1)).unwrap_or(0)
    })
}

/// Priorities in order; within one, by lot according to the weights. `draw(n)` gives a number from 0 to n.
fn by_weight(mut records: Vec<(u16, u16, Service)>, mut draw: impl FnMut(u32) -> u32) -> Vec<Service> {
    let mut ordered = Vec::with_capacity(records.len());
    records.sort_by_key(|(priority, weight, _)| (*priority, *weight));
    while let Some((best, ..)) = records.first() {
        let group = records.iter().take_while(|(priority, ..)| priority == best);
        let sum = group.clone().map(|(_, weight, _)| u32::from(*weight)).sum();
        let mut left = draw(sum);
        let chosen = group.clone().position(|(_, weight, _)| {
            let here = left <= u32::from(*weight);
            left = left.saturating_sub(u32::from(*weight));
            here
        });
        ordered.push(records.remove(chosen.unwrap_or(0)).2);
    }
    ordered
}

async fn addresses(dns: &TokioResolver, name: &str) -> Vec<IpAddr> {
    match tokio::time::timeout(LIMIT, dns.lookup_ip(name)).await {
        Ok(Ok(found)) => found.iter().collect(),
        _ => Vec::new(),
    }
}

/// IPv4 first; addresses that this host has no way to are left out. `name` is what was asked for.
fn targets_at(name: &str, ips: &[IpAddr], port: u16, transport: Transport) -> Vec<Target> {
    let mut ips: Vec<IpAddr> = ips.to_vec();
    ips.sort_by_key(IpAddr::is_ipv6);
    ips.dedup();
    let target = |ip: IpAddr| {
        let addr = SocketAddr::new(ip, port);
        Some(Target { addr, transport, local_ip: local_ip(addr)?, name: name.to_owned() })
    };
    ips.into_iter().filter_map(target).collect()
}

/// Which of our addresses reaches this one. Connecting a UDP socket asks the routing table; no packet is sent.
pub(super) fn local_ip(addr: SocketAddr) -> Option<IpAddr> {
    let any: IpAddr = if addr.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0)).ok()?;
    socket.connect(addr).ok()?;
    socket.local_addr().ok().map(|local| local.ip())
}

#[cfg(test)]
mod tests;
