//! What the system says of this process, under the names that every exporter gives it.

use std::fs;
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

use super::super::metrics::{Kind, Page};

/// CPU, memory, threads and files. Reads `/proc`; what cannot be read is left out.
pub fn write(page: &mut Page) {
    if let Ok(used) = clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID) {
        let used = Duration::from(used).as_secs_f64();
        page.single("process_cpu_seconds_total", Kind::Counter, "CPU time used, user and system.", used);
    }
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse::<u64>().ok()
    };
    for (name, key, unit, help) in [
        ("process_resident_memory_bytes", "VmRSS:", 1024, "Memory in RAM."),
        ("process_virtual_memory_bytes", "VmSize:", 1024, "Memory that is addressed."),
        ("process_threads", "Threads:", 1, "Threads."),
    ] {
        if let Some(value) = field(key) {
            page.single(name, Kind::Gauge, help, value * unit);
        }
    }
    if let Ok(open) = fs::read_dir("/proc/self/fd") {
        page.single("process_open_fds", Kind::Gauge, "Open files and sockets.", open.count());
    }
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let most = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    if let Some(most) = most.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok()) {
        page.single("process_max_fds", Kind::Gauge, "Open files and sockets that there may be.", most);
    }
}
