//! The SIP of a call as arrows between us and the other side, a line a message.

use super::step::Step;
use crate::ctl::show;

/// Between the two sides, characters.
const WIDTH: usize = 50;

/// Who stands at either side.
pub(super) fn head(steps: &[Step]) -> Vec<String> {
    let Some(step) = steps.first() else { return vec!["no message".into()] };
    let side = |who: &str, addr: String| format!("{who} {addr}");
    let (left, right) = (side("phoned", step.local.to_string()), side(&step.transport, step.remote.to_string()));
    vec![format!("{:24}{left}{right:>1$}", "", (WIDTH + 2).saturating_sub(left.chars().count()).max(right.len() + 2))]
}

/// The same message came before, from the same side: it was sent again.
pub(super) fn again(steps: &[Step], at: usize) -> bool {
    let Some((step, earlier)) = steps.get(at).and_then(|step| Some((step, steps.get(..at)?))) else { return false };
    earlier.iter().any(|other| other.out == step.out && other.message == step.message)
}

/// One message; `first` is the time of the first.
pub(super) fn line(step: &Step, first: i64, again: bool, colour: bool) -> String {
    let label: String = show::clean(&step.label()).chars().take(WIDTH - 8).collect();
    let fill = WIDTH - 3 - label.chars().count();
    let (before, after) = ("─".repeat(fill / 2), "─".repeat(fill - fill / 2));
    let arrow = if step.out { format!("{before} {label} {after}▶") } else { format!("◀{before} {label} {after}") };
    let paint = match step.status() {
        Some(400..) => "31",
        _ if step.out => "36",
        _ => "32",
    };
    let arrow = if colour { format!("\x1b[{paint}m{arrow}\x1b[0m") } else { arrow };
    let since = format!("+{:.3}", (step.ms - first) as f64 / 1_000.0);
    let detail = show::clean(&step.detail());
    let detail = if again { format!("(again) {detail}") } else { detail };
    format!("{} {since:>9}  │{arrow}│ {detail}", step.time.get(11..23).unwrap_or_default()).trim_end().to_owned()
}

/// A message under its line.
pub(super) fn text(message: &str) -> Vec<String> {
    message
        .lines()
        .map(|line| format!("    {}", show::clean(line)).trim_end().to_owned())
        .chain([String::new()])
        .collect()
}
