//! What a process costs, and the clock.

use std::time::{Duration, Instant};

/// Now.
#[expect(clippy::disallowed_methods, reason = "edge: a benchmark measures real time")]
pub fn now() -> Instant {
    Instant::now()
}

/// Sleeps; how long it really was.
pub fn sleep(time: Duration) -> Duration {
    let began = now();
    std::thread::sleep(time);
    began.elapsed()
}

/// Waits for a moment: sleeps until shortly before it, then spins.
pub fn until(moment: Instant) {
    loop {
        let left = moment.saturating_duration_since(now());
        if left.is_zero() {
            return;
        }
        if left > Duration::from_micros(150) {
            std::thread::sleep(left - Duration::from_micros(100));
        } else {
            std::hint::spin_loop();
        }
    }
}

/// What a process has used, or holds.
#[derive(Debug, Clone, Copy, Default)]
pub struct Usage {
    /// User and system time of all its threads, s (the kernel counts in 10 ms).
    pub cpu_s: f64,
    /// Memory in RAM, KB.
    pub rss_kb: f64,
    /// Threads.
    pub threads: f64,
}

impl Usage {
    /// Reads /proc.
    pub fn of(pid: u32) -> Usage {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // Behind the name, which may hold blanks: state is field 3.
        let rest: Vec<&str> = stat.rsplit_once(") ").map(|(_, rest)| rest.split(' ').collect()).unwrap_or_default();
        let number = |field: usize| rest.get(field - 3).and_then(|v| v.parse::<f64>().ok()).unwrap_or_default();
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let rss = status.lines().find_map(|l| l.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.parse().ok());
        Usage { cpu_s: (number(14) + number(15)) / 100.0, rss_kb: rss.unwrap_or_default(), threads: number(20) }
    }
}

/// The value below which that share lies; None of nothing.
pub fn percentile(values: &mut [f64], percent: f64) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let at = (values.len() as f64 * percent / 100.0).ceil() as usize;
    values.get(at.max(1) - 1).copied()
}
