//! The table: a row a figure: phoned, baresip, their ratio, and the goal.

use std::fmt::Write as _;

/// Whose figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Column {
    /// Ours.
    Phoned,
    /// The other.
    Baresip,
}

/// Rows in the order in which they were first put.
#[derive(Debug, Default)]
pub struct Table {
    rows: Vec<(String, [Option<f64>; 2])>,
    versions: [String; 2],
}

/// What is wanted of phoned.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Goal {
    Most(f64),
    Least(f64),
    /// Of phoned's figure to baresip's.
    Ratio(f64),
}

/// What is wanted of the row.
fn goals(row: &str) -> Vec<Goal> {
    use Goal::{Least, Most, Ratio};
    let cpu = row.ends_with("CPU s per call-min");
    match row {
        "start → registered, ms" => vec![Most(10.0)],
        "control round trip p50, µs" => vec![Most(50.0)],
        "control round trip p99, µs" => vec![Most(120.0)],
        "RSS idle, MB" => vec![Most(15.0)],
        "10 set-ups/s: INVITE→200 p50, ms" => vec![Most(0.5)],
        "10 set-ups/s: INVITE→200 p99, ms" => vec![Most(1.0)],
        "200 set-ups/s: INVITE→200 p99, ms" => vec![Most(2.0)],
        "set-up ceiling, calls/s" => vec![Least(500.0)],
        "PCMU, 100 calls: CPU s per call-min" => vec![Most(0.12), Ratio(0.5)],
        "from mouth to ear, ms" => vec![Most(150.0)],
        "of that its jitter buffer, ms" => vec![Most(40.0)],
        "of that to clean its microphone, % of a core" => vec![Most(1.5)],
        "Opus, kbit/s of speech" => vec![Most(66.0)],
        _ if row.contains("PESQ") && !row.starts_with("G722") => vec![Least(clarity(row))],
        _ if cpu && row.starts_with("Opus") => vec![Most(0.6), Ratio(0.5)],
        _ if cpu => vec![Ratio(0.5)],
        _ if row.ends_with("CPU a set-up, ms") => vec![Most(0.6), Ratio(0.3)],
        _ if row.ends_with("RSS per call, KB") => vec![Most(if row.starts_with("PCMU") { 80.0 } else { 150.0 })],
        _ if row.ends_with("packets sent, % of 50/s") => vec![Least(99.9)],
        _ => Vec::new(),
    }
}

/// What PESQ is wanted on a line.
fn clarity(row: &str) -> f64 {
    let (codec, line) = row.split_once(", ").unwrap_or_default();
    let [clean, some, much, jitter, both] =
        if codec == "Opus" { [4.1, 3.3, 3.1, 4.0, 2.8] } else { [3.85, 3.1, 2.7, 3.85, 2.7] };
    match line.split_once(':').unwrap_or_default().0 {
        "5 % loss" => some,
        "10 % loss" => much,
        "30 ms jitter" => jitter,
        "5 % loss, 30 ms jitter" => both,
        _ => clean,
    }
}

impl Goal {
    fn text(self) -> String {
        match self {
            Goal::Most(limit) => format!("≤ {limit}"),
            Goal::Least(limit) => format!("≥ {limit}"),
            Goal::Ratio(limit) => format!("ratio ≤ {limit}"),
        }
    }

    /// None: there is nothing to compare.
    fn met(self, [ours, theirs]: [Option<f64>; 2]) -> Option<bool> {
        match self {
            Goal::Most(limit) => Some(ours? <= limit),
            Goal::Least(limit) => Some(ours? >= limit),
            Goal::Ratio(limit) => Some(ours? / theirs.filter(|t| *t > 0.0)? <= limit),
        }
    }
}

impl Table {
    /// Names a column, if it has figures.
    pub fn version(&mut self, column: Column, version: String) {
        if self.rows.iter().any(|(_, values)| values[column as usize].is_some()) {
            self.versions[column as usize] = version;
        }
    }

    /// Puts a figure; None is a load that was too much: a dash.
    pub fn put(&mut self, row: &str, column: Column, value: Option<f64>) {
        let at = self.rows.iter().position(|(name, _)| name == row).unwrap_or_else(|| {
            self.rows.push((row.into(), [None; 2]));
            self.rows.len() - 1
        });
        self.rows[at].1[column as usize] = value;
    }

    /// For a terminal.
    pub fn text(&self) -> String {
        let mut out = format!("{}\n\n", self.peers(", "));
        let _ = writeln!(out, "{:44} {:>10} {:>10} {:>8}  goal", "", "phoned", "baresip", "ratio");
        for (name, values) in &self.rows {
            let [a, b] = values.map(show);
            let _ = writeln!(out, "{name:44} {a:>10} {b:>10} {:>8}  {}", ratio(*values), verdict(name, *values));
        }
        out
    }

    /// For docs/BENCHMARKS.md.
    pub fn markdown(&self) -> String {
        let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = cpu
            .lines()
            .find_map(|l| l.strip_prefix("model name"))
            .map(|l| l.trim_start_matches(['\t', ' ', ':']))
            .unwrap_or("unknown");
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let load = load.split(' ').take(3).collect::<Vec<_>>().join(", ");
        let mut out = format!(
            "{}, on loopback of one machine ({cores} cores, {model}), which the generator shares; its load average at the\n\
             end: {load}. A dash: that load was too much (a call not answered; less than 99 % of its packets sent).\n\n",
            self.peers(", then ")
        );
        let both = !self.versions[1].is_empty();
        out += if both {
            "| | phoned | baresip | ratio | goal |\n|---|---|---|---|---|\n"
        } else {
            "| | phoned | goal |\n|---|---|---|\n"
        };
        for (name, values) in &self.rows {
            let ([a, b], goal) = (values.map(show), verdict(name, *values));
            let _ = match both {
                true => writeln!(out, "| {name} | {a} | {b} | {} | {goal} |", ratio(*values)),
                false => writeln!(out, "| {name} | {a} | {goal} |"),
            };
        }
        let missed = self.missed();
        let _ = match missed.len() {
            0 => writeln!(out, "\nEvery goal is met."),
            _ => writeln!(out, "\nMissed:\n\n{}", missed.join("\n")),
        };
        out
    }

    /// Those that were measured.
    fn peers(&self, between: &str) -> String {
        let there: Vec<&str> = self.versions.iter().map(String::as_str).filter(|v| !v.is_empty()).collect();
        there.join(between)
    }

    fn missed(&self) -> Vec<String> {
        let misses = |(name, values): &(String, [Option<f64>; 2])| -> Vec<String> {
            let missed = goals(name).into_iter().filter(|goal| goal.met(*values) != Some(true));
            let missed = missed.filter(|goal| !(matches!(goal, Goal::Ratio(_)) && values[1].is_none()));
            missed
                .map(|goal| match goal {
                    Goal::Ratio(_) => format!("- {name}: {} of baresip's, wanted {}", ratio(*values), goal.text()),
                    _ => format!("- {name}: {}, wanted {}", show(values[0]), goal.text()),
                })
                .collect()
        };
        self.rows.iter().flat_map(misses).collect()
    }
}

fn verdict(row: &str, values: [Option<f64>; 2]) -> String {
    let goals = goals(row).into_iter().map(|goal| match goal.met(values) {
        Some(true) => goal.text(),
        Some(false) => format!("{} missed", goal.text()),
        None => format!("{} –", goal.text()),
    });
    goals.collect::<Vec<_>>().join(", ")
}

fn show(value: Option<f64>) -> String {
    match value {
        None => "–".into(),
        // Shares of packets are told to a hundredth.
        Some(v) if (99.0..100.0).contains(&v) => format!("{v:.2}"),
        Some(v) if v.fract() == 0.0 || v.abs() >= 100.0 => format!("{v:.0}"),
        Some(v) if v.abs() >= 10.0 => format!("{v:.1}"),
        Some(v) => format!("{v:.3}"),
    }
}

fn ratio(values: [Option<f64>; 2]) -> String {
    match values {
        [Some(a), Some(b)] if b != 0.0 => format!("{:.2}", a / b),
        _ => "–".into(),
    }
}
