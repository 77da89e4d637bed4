//! Ports: those of SIP are free or our own, and there are enough for RTP.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener, UdpSocket};

use super::{Finding, Running};
use crate::config::Config;
use crate::net::{Transport, parse_listen};

/// RTP ports that are tried.
const TRIES: usize = 32;

pub(super) fn look(config: &Config, running: Option<&Running>) -> Vec<Finding> {
    let sip = config.sip.listen.iter().filter_map(|entry| Some((entry, parse_listen(entry).ok()?)));
    let mut found: Vec<Finding> =
        sip.map(|(entry, (transport, addr))| listens(entry, transport, addr, running)).collect();
    found.push(rtp(config));
    found
}

fn listens(entry: &str, transport: Transport, addr: SocketAddr, running: Option<&Running>) -> Finding {
    let tried: io::Result<()> =
        if transport == Transport::Udp { UdpSocket::bind(addr).map(drop) } else { TcpListener::bind(addr).map(drop) };
    match (tried.map_err(|error| error.kind()), running) {
        (Ok(()), None) => Finding::ok("ports", format!("{entry} is free")),
        (Err(ErrorKind::AddrInUse), Some(_)) => Finding::ok("ports", format!("{entry} is phoned's")),
        (Ok(()), Some(_)) if addr.port() == 0 => Finding::ok("ports", format!("{entry}: phoned takes any free port")),
        (Ok(()), Some(_)) => Finding::warn(
            "ports",
            format!("{entry} is free: the phoned that runs does not listen there"),
            "it was started with another configuration: restart it",
        ),
        (Err(ErrorKind::AddrInUse), None) => {
            let flag = if transport == Transport::Udp { 'u' } else { 't' };
            Finding::fault(
                "ports",
                format!("{entry} is taken by another program"),
                format!("ss -l{flag}np 'sport = :{}' shows which", addr.port()),
            )
        }
        (Err(ErrorKind::AddrNotAvailable), _) => Finding::fault(
            "ports",
            format!("{entry}: this host does not have that address"),
            "[sip] listen: an address of ip addr, or 0.0.0.0",
        ),
        (Err(ErrorKind::PermissionDenied), _) => Finding::warn(
            "ports",
            format!("{entry}: this user may not open it"),
            "ports below 1024 want AmbientCapabilities=CAP_NET_BIND_SERVICE in the unit",
        ),
        (Err(why), _) => Finding::fault("ports", format!("{entry}: {why}"), "[sip] listen"),
    }
}

/// Enough of them, and most of them free.
fn rtp(config: &Config) -> Finding {
    let range = config.media.ports();
    let (first, last) = (*range.start(), *range.end());
    let pairs = (usize::from(last) + 1 - usize::from(first)) / 2;
    let what = format!("RTP {first}-{last}: room for {pairs} calls");
    if pairs < config.phone.max_calls {
        let hint = "widen [media] rtp_ports, or lower [phone] max_calls";
        return Finding::warn("ports", format!("{what}, {} may be", config.phone.max_calls), hint);
    }
    let evens: Vec<u16> = (first..=last).filter(|port| port.is_multiple_of(2)).collect();
    let tried: Vec<u16> = evens.iter().copied().step_by((evens.len() / TRIES).max(1)).collect();
    let taken = tried.iter().filter(|port| UdpSocket::bind(("0.0.0.0", **port)).is_err()).count();
    if taken * 2 > tried.len() {
        let text = format!("{what}, but {taken} of {} that were tried are taken", tried.len());
        return Finding::warn("ports", text, "another program uses them: ss -lunp; name another range");
    }
    Finding::ok("ports", what)
}
