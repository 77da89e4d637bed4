//! The SIP of a call as a file for Wireshark: each message a UDP datagram between the two addresses, whatever carried it, so that what
//! went through TLS can be read too.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use super::step::Step;

/// Raw IP, of either version.
const LINK: u32 = 101;
/// The longest message that fits.
const LONGEST: usize = 65_000;
const UDP: u8 = 17;

/// The whole file.
pub(super) fn file(steps: &[Step]) -> Vec<u8> {
    let mut file = Vec::new();
    for word in [0xa1b2_c3d4, 0x0004_0002, 0, 0, 262_144, LINK] {
        file.extend_from_slice(&u32::to_le_bytes(word));
    }
    for step in steps {
        let (from, to) = if step.out { (step.local, step.remote) } else { (step.remote, step.local) };
        let packet = datagram(from, to, readable(&step.message).as_bytes());
        let micros = step.ms.rem_euclid(1_000) * 1_000;
        for word in [step.ms.div_euclid(1_000), micros, packet.len() as i64, packet.len() as i64] {
            file.extend_from_slice(&(word as u32).to_le_bytes());
        }
        file.extend_from_slice(&packet);
    }
    file
}

/// A key is base64 to whoever reads a description: a masked one becomes one of zeros.
fn readable(message: &str) -> String {
    let line = |line: &str| if line.starts_with("a=crypto:") { line.replace('*', "A") } else { line.to_owned() };
    message.split_inclusive('\n').map(line).collect()
}

fn datagram(from: SocketAddr, to: SocketAddr, message: &[u8]) -> Vec<u8> {
    let message = message.get(..LONGEST).unwrap_or(message);
    let length = (message.len() + 8) as u16;
    let mut udp = Vec::with_capacity(message.len() + 8);
    for word in [from.port(), to.port(), length, 0] {
        udp.extend_from_slice(&word.to_be_bytes());
    }
    udp.extend_from_slice(message);
    let (mut ends, mut packet) = (Vec::new(), Vec::new());
    if let (IpAddr::V4(source), IpAddr::V4(target)) = (from.ip().to_canonical(), to.ip().to_canonical()) {
        ends.extend([source.octets(), target.octets()].concat());
        packet.extend([0x45, 0]);
        packet.extend((length + 20).to_be_bytes());
        packet.extend([0, 0, 0x40, 0, 64, UDP, 0, 0]);
        packet.extend(&ends);
        let sum = checksum(&packet);
        packet.splice(10..12, sum.to_be_bytes());
    } else {
        ends.extend([six(from.ip()).octets(), six(to.ip()).octets()].concat());
        packet.extend([0x60, 0, 0, 0]);
        packet.extend(length.to_be_bytes());
        packet.extend([UDP, 64]);
        packet.extend(&ends);
    }
    let mut pseudo = ends;
    pseudo.extend([0, UDP]);
    pseudo.extend(length.to_be_bytes());
    pseudo.extend(&udp);
    // 0 would mean that there is none.
    let sum = Some(checksum(&pseudo)).filter(|sum| *sum != 0).unwrap_or(u16::MAX);
    udp.splice(6..8, sum.to_be_bytes());
    packet.extend(udp);
    packet
}

fn six(ip: IpAddr) -> Ipv6Addr {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    }
}

/// RFC 1071.
fn checksum(bytes: &[u8]) -> u16 {
    let words = bytes.chunks(2).map(|pair| (u32::from(pair[0]) << 8) | pair.get(1).map_or(0, |low| u32::from(*low)));
    let mut sum = words.fold(0_u64, |sum, word| sum + u64::from(word));
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}
