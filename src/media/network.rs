//! What kind of network an address of ours is on: for the call report.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;

/// Looks an address up once; the same question is answered from memory.
#[derive(Debug, Default)]
pub struct Networks(BTreeMap<IpAddr, &'static str>);

impl Networks {
    /// `ethernet`, `wifi`, or `unknown` (loopback, tunnels).
    pub fn kind_of(&mut self, ip: IpAddr) -> &'static str {
        self.0.entry(ip).or_insert_with(|| interface_of(ip).map_or("unknown", |name| kind(&name)))
    }
}

fn interface_of(ip: IpAddr) -> Option<String> {
    let address = |found: &nix::ifaddrs::InterfaceAddress| {
        let storage = found.address.as_ref()?;
        let v4 = storage.as_sockaddr_in().map(|a| IpAddr::V4(a.ip()));
        v4.or_else(|| storage.as_sockaddr_in6().map(|a| IpAddr::V6(a.ip())))
    };
    nix::ifaddrs::getifaddrs().ok()?.find(|found| address(found) == Some(ip)).map(|found| found.interface_name)
}

/// The kernel's `type` of an Ethernet-like device is 1 (ARPHRD_ETHER); a wireless one has a folder of its own.
fn kind(interface: &str) -> &'static str {
    let folder = Path::new("/sys/class/net").join(interface);
    if folder.join("wireless").exists() || folder.join("phy80211").exists() {
        return "wifi";
    }
    match std::fs::read_to_string(folder.join("type")).as_deref().map(str::trim) {
        Ok("1") => "ethernet",
        _ => "unknown",
    }
}
