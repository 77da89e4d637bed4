//! The table: a row a figure, phoned, baresip and their ratio.

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

impl Table {
    /// Names a column.
    pub fn version(&mut self, column: Column, version: String) {
        self.versions[column as usize] = version;
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
        let mut out = format!("{:44} {:>12} {:>12} {:>8}\n", "", "phoned", "baresip", "ratio");
        for (name, values) in &self.rows {
            let [a, b] = values.map(show);
            let _ = writeln!(out, "{name:44} {a:>12} {b:>12} {:>8}", ratio(values));
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
        let mut out = format!(
            "# Benchmarks\n\n`make bench` wrote this page: {} and {}, one after the other, under the same load on loopback of one machine ({cores} cores, {model}).\n\n\
             Both play a tone and answer at once; the generator (tests/bench) sends voice on every call and counts what comes back. CPU is user and system\n\
             time of the one process. phoned is the release build with `output = \"null\"`; baresip has its default Opus settings and plays into `aubridge`;\n\
             the file of sound that each of its calls loads is taken off its memory. The control round trip asks for the accounts.\n\
             A dash: the peer could not take that load (a call not answered, or in set-ups more than 1 % lost or a p99 above 100 ms).\n\n\
             | | phoned | baresip | ratio |\n|---|---|---|---|\n",
            self.versions[0], self.versions[1]
        );
        for (name, values) in &self.rows {
            let [a, b] = values.map(show);
            let _ = writeln!(out, "| {name} | {a} | {b} | {} |", ratio(values));
        }
        out
    }
}

fn show(value: Option<f64>) -> String {
    match value {
        None => "–".into(),
        Some(v) if v.fract() == 0.0 || v.abs() >= 100.0 => format!("{v:.0}"),
        Some(v) if v.abs() >= 10.0 => format!("{v:.1}"),
        Some(v) => format!("{v:.3}"),
    }
}

fn ratio(values: &[Option<f64>; 2]) -> String {
    match values {
        [Some(a), Some(b)] if *b != 0.0 => format!("{:.2}", a / b),
        _ => "–".into(),
    }
}
