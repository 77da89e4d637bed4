//! Figures and addresses in plain words.

use std::net::IpAddr;

use crate::ua::event::rfc3339;

/// The time of day, as in `14:02:07 UTC`.
pub fn time_of_day(wall: i64) -> String {
    format!("{} UTC", rfc3339(wall).get(11..19).unwrap_or_default())
}

/// So long, in seconds.
pub fn seconds(ms: u64) -> String {
    format!("{} s", ms / 1_000)
}

/// A share in percent, to a tenth.
pub fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

/// Why an address cannot be reached from everywhere; none: it can.
pub fn unroutable(ip: IpAddr) -> Option<&'static str> {
    match ip {
        IpAddr::V6(ip) => match ip.to_ipv4_mapped() {
            Some(v4) => unroutable(v4.into()),
            None if ip.is_loopback() => Some("the address of one host for itself"),
            None if ip.is_unspecified() => Some("no address at all"),
            None if ip.segments()[0] & 0xfe00 == 0xfc00 => Some("private"),
            None if ip.segments()[0] & 0xffc0 == 0xfe80 => Some("an address of one cable only"),
            None => None,
        },
        IpAddr::V4(v4) => match v4.octets() {
            _ if v4.is_loopback() => Some("the address of one host for itself"),
            _ if v4.is_unspecified() => Some("no address at all"),
            _ if v4.is_private() => Some("private"),
            [100, 64..=127, ..] => Some("private to a provider"),
            _ if v4.is_link_local() => Some("an address of one cable only"),
            _ => None,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_times() {
        assert_eq!(time_of_day(1_795_442_527_000), "14:02:07 UTC");
        let of = |ip: &str| unroutable(ip.parse().unwrap());
        for ip in ["10.1.2.3", "172.31.0.1", "192.168.0.9", "fd00::1", "::ffff:10.0.0.1"] {
            assert_eq!(of(ip), Some("private"), "{ip}");
        }
        assert_eq!(of("100.64.0.1"), Some("private to a provider"));
        assert!(["127.0.0.1", "::1", "0.0.0.0", "169.254.1.1", "fe80::1"].iter().all(|ip| of(ip).is_some()));
        assert!(["203.0.113.5", "100.128.0.1", "172.32.0.1", "2001:db8::1"].iter().all(|ip| of(ip).is_none()));
    }
}
