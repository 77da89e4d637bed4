//! The one clock of the engine: CLOCK_MONOTONIC, and how far CLOCK_REALTIME is from it.

use nix::errno::Errno;
use nix::sys::time::TimeSpec;
use nix::time::{ClockId, ClockNanosleepFlags, clock_gettime, clock_nanosleep};

/// From 1900 (NTP) to 1970 (Unix), s.
const NTP_EPOCH: i128 = 2_208_988_800;

/// Now on the monotonic clock, ns.
pub fn mono_ns() -> u64 {
    nanos(ClockId::CLOCK_MONOTONIC).max(0) as u64
}

/// Now, as the search for a path and the handshakes want it.
#[expect(clippy::disallowed_methods, reason = "edge: the engine's clock")]
pub fn instant() -> std::time::Instant {
    std::time::Instant::now()
}

/// What must be added to monotonic time to get wall time, ns.
pub fn wall_offset_ns() -> i64 {
    nanos(ClockId::CLOCK_REALTIME) - nanos(ClockId::CLOCK_MONOTONIC)
}

/// CPU time of this thread, ns.
pub fn thread_ns() -> u64 {
    nanos(ClockId::CLOCK_THREAD_CPUTIME_ID).max(0) as u64
}

/// A monotonic time in NTP's 32.32 format.
pub fn ntp(mono_us: u64, wall_offset_ns: i64) -> u64 {
    let ns = i128::from(mono_us) * 1_000 + i128::from(wall_offset_ns) + NTP_EPOCH * 1_000_000_000;
    ((ns << 32) / 1_000_000_000) as u64
}

/// Sleeps until a monotonic time, ns.
pub fn sleep_until(mono_ns: u64) {
    let until = TimeSpec::new((mono_ns / 1_000_000_000) as i64, (mono_ns % 1_000_000_000) as i64);
    while clock_nanosleep(ClockId::CLOCK_MONOTONIC, ClockNanosleepFlags::TIMER_ABSTIME, &until) == Err(Errno::EINTR) {}
}

fn nanos(clock: ClockId) -> i64 {
    clock_gettime(clock).map(|t| t.tv_sec() * 1_000_000_000 + t.tv_nsec()).unwrap_or(0)
}
