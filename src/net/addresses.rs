//! The addresses of this host's interfaces: looked at each second, told when they change.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use tokio::sync::mpsc::Sender;

use super::{NetEvent, spawn};

/// Between two looks: one costs some 50 µs.
const EVERY: Duration = Duration::from_secs(1);

/// Tells the addresses of now, and of any change from now on.
pub fn watch(inbox: Sender<NetEvent>) {
    spawn(async move {
        let mut known = BTreeSet::new();
        loop {
            if let Some(found) = read()
                && found != known
            {
                tracing::debug!(addresses = ?found, "this host's addresses");
                known.clone_from(&found);
                if inbox.send(NetEvent::Addresses(found)).await.is_err() {
                    return;
                }
            }
            tokio::select! {
                () = tokio::time::sleep(EVERY) => {}
                () = inbox.closed() => return,
            }
        }
    });
}

/// None: the kernel does not say.
fn read() -> Option<BTreeSet<IpAddr>> {
    let address = |found: nix::ifaddrs::InterfaceAddress| {
        let storage = found.address?;
        let v4 = storage.as_sockaddr_in().map(|address| IpAddr::V4(address.ip()));
        v4.or_else(|| storage.as_sockaddr_in6().map(|address| IpAddr::V6(address.ip())))
    };
    Some(nix::ifaddrs::getifaddrs().ok()?.filter_map(address).collect())
}
