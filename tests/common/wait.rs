//! Waiting with a bound: the one place of the tests that reads a clock and sleeps between two looks.

use std::net::{TcpListener, UdpSocket};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

/// Now.
#[expect(clippy::disallowed_methods, reason = "edge: tests of real processes live in real time")]
pub fn now() -> Instant {
    Instant::now()
}

/// Seconds, short to write.
pub const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// The long proofs are wanted (`make soak`).
pub fn soak() -> bool {
    std::env::var_os("PHONED_SOAK").is_some()
}

/// Looks every 5 ms until `look` sees something; None when the time is up.
pub fn poll<T>(limit: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let end = now() + limit;
    loop {
        if let Some(seen) = look() {
            return Some(seen);
        }
        if now() >= end {
            return None;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// As `poll`, and panics with `what` when the time is up.
pub fn until<T>(what: &str, limit: Duration, look: impl FnMut() -> Option<T>) -> T {
    match poll(limit, look) {
        Some(seen) => seen,
        None => panic!("not within {limit:?}: {what}"),
    }
}

static NEXT: AtomicU16 = AtomicU16::new(0);

/// A port of 127.0.0.1 that is free for UDP and TCP, with the next three free too (a peer may take the next one for TLS).
/// Below the kernel's ephemeral range, so that no outgoing socket takes it meanwhile; test processes start at different places.
pub fn free_port() -> u16 {
    let start = (std::process::id() as u16).wrapping_mul(52) % 12_000;
    for _ in 0..3_000 {
        let step = NEXT.fetch_add(4, Ordering::Relaxed);
        let port = 12_000 + start.wrapping_add(step) % 8_000;
        let free =
            |port: u16| UdpSocket::bind(("127.0.0.1", port)).is_ok() && TcpListener::bind(("127.0.0.1", port)).is_ok();
        if (port..port + 4).all(free) {
            return port;
        }
    }
    panic!("no free port between 12000 and 20000");
}
