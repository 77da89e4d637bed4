//! Plots of a call over time, as SVG without any library.

use std::fmt::Write as _;

use serde_json::Value;

use super::page::escape;
use crate::ctl::trace::step::millis;

/// A figure of `callReport`'s metrics.
pub(super) struct Figure {
    pub key: &'static str,
    pub name: &'static str,
    pub unit: &'static str,
}

/// A plot: its figures, and what its axis shows at least.
pub(super) struct Plot {
    pub title: &'static str,
    pub about: &'static str,
    pub figures: &'static [usize],
    low: f64,
    high: f64,
    /// The axis ends there, whatever comes.
    fixed: bool,
}

/// What is plotted.
pub(super) const FIGURES: [Figure; 8] = [
    Figure { key: "mos", name: "MOS", unit: "" },
    Figure { key: "lossPct", name: "Lost", unit: "%" },
    Figure { key: "concealedPct", name: "Made up", unit: "%" },
    Figure { key: "jitterMs", name: "Jitter", unit: "ms" },
    Figure { key: "jitterBufferMs", name: "Jitter buffer", unit: "ms" },
    Figure { key: "rttMs", name: "Round trip", unit: "ms" },
    Figure { key: "rxLevelDbov", name: "Heard", unit: "dBov" },
    Figure { key: "txLevelDbov", name: "Said", unit: "dBov" },
];

/// How.
pub(super) const PLOTS: [Plot; 5] = [
    Plot { title: "How good it was", about: "MOS, 1 to 4.5", figures: &[0], low: 1.0, high: 5.0, fixed: true },
    Plot {
        title: "What was lost",
        about: "percent, since the answer",
        figures: &[1, 2],
        low: 0.0,
        high: 2.0,
        fixed: false,
    },
    Plot { title: "Jitter", about: "ms", figures: &[3, 4], low: 0.0, high: 60.0, fixed: false },
    Plot { title: "Delay", about: "round trip of the network, ms", figures: &[5], low: 0.0, high: 40.0, fixed: false },
    Plot {
        title: "Levels", about: "dBov; speech is about −26", figures: &[6, 7], low: -80.0, high: 0.0, fixed: true
    },
];

/// The plot's area within the SVG.
const LEFT: f64 = 38.0;
const RIGHT: f64 = 472.0;
const TOP: f64 = 8.0;
const BOTTOM: f64 = 124.0;
/// With more samples than this, points show no value of their own.
const POINTED: usize = 400;

/// A figure's values, one a sample.
pub(super) fn values(report: &Value, key: &str) -> Vec<Option<f64>> {
    samples(report).iter().map(|sample| sample["metrics"][key].as_f64()).collect()
}

/// The samples of a report.
pub(super) fn samples(report: &Value) -> &[Value] {
    report["samples"].as_array().map(Vec::as_slice).unwrap_or_default()
}

/// A number without needless places.
pub(super) fn number(value: f64) -> String {
    let text = format!("{value:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

/// The SVG of a plot.
pub(super) fn svg(report: &Value, plot: &Plot) -> String {
    let samples = samples(report);
    let at = |time: &Value| time.as_str().and_then(millis);
    let times: Vec<i64> = samples.iter().map(|sample| at(&sample["time"]).unwrap_or(0)).collect();
    let (first, last) = (times.first().copied().unwrap_or(0), times.last().copied().unwrap_or(0));
    let span = (last - first).max(1) as f64;
    let columns: Vec<Vec<Option<f64>>> = plot.figures.iter().map(|at| values(report, FIGURES[*at].key)).collect();
    let most = columns.iter().flatten().flatten().copied().fold(plot.high, f64::max);
    let (low, high) = (plot.low, if plot.fixed { plot.high } else { nice(most) });
    let x = |time: i64| LEFT + (RIGHT - LEFT) * (time - first) as f64 / span;
    let y = |value: f64| BOTTOM - (BOTTOM - TOP) * (value.clamp(low, high) - low) / (high - low);

    let mut svg = format!(
        "<svg viewBox=\"0 0 480 146\" role=\"img\" aria-label=\"{}\" data-low=\"{low}\" data-high=\"{high}\">",
        escape(plot.title)
    );
    for step in 0..=4 {
        let value = low + (high - low) * f64::from(step) / 4.0;
        let line = y(value);
        let _ = write!(svg, "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{RIGHT}\" y1=\"{line:.1}\" y2=\"{line:.1}\"/>");
        let _ =
            write!(svg, "<text class=\"axis y\" x=\"{}\" y=\"{:.1}\">{}</text>", LEFT - 6.0, line + 3.0, number(value));
    }
    for (part, anchor) in [(0.0, "start"), (0.5, "middle"), (1.0, "end")] {
        let seconds = ((span - 1.0) * part / 1_000.0).round() as u64;
        let place = LEFT + (RIGHT - LEFT) * part;
        let clock = crate::ctl::show::clock(Some(seconds));
        let _ = write!(svg, "<text class=\"axis\" text-anchor=\"{anchor}\" x=\"{place:.1}\" y=\"140\">{clock}</text>");
    }
    for (time, what) in marks(report).into_iter().filter(|(time, _)| (first..=last).contains(time)) {
        let place = x(time);
        let _ = write!(
            svg,
            "<line class=\"mark\" x1=\"{place:.1}\" x2=\"{place:.1}\" y1=\"{TOP}\" y2=\"{BOTTOM}\"><title>{what}</title></line>"
        );
    }
    for ((column, figure), class) in columns.iter().zip(plot.figures).zip(["a", "b"]) {
        let figure = &FIGURES[*figure];
        let points: Vec<(f64, f64, i64, f64)> = times
            .iter()
            .zip(column)
            .filter_map(|(time, value)| value.map(|value| (x(*time), y(value), *time, value)))
            .collect();
        // A gap where there is no value.
        let mut runs: Vec<Vec<String>> = vec![Vec::new()];
        for (time, value) in times.iter().zip(column) {
            match (value, runs.last_mut()) {
                (Some(value), Some(run)) => run.push(format!("{:.1},{:.2}", x(*time), y(*value))),
                (None, _) => runs.push(Vec::new()),
                (Some(_), None) => {}
            }
        }
        for run in runs.iter().filter(|run| !run.is_empty()) {
            let _ =
                write!(svg, "<polyline class=\"{class}\" data-key=\"{}\" points=\"{}\"/>", figure.key, run.join(" "));
        }
        if points.len() <= POINTED {
            let shown = if points.len() <= 60 { "dot" } else { "dot hidden" };
            for (across, up, time, value) in points {
                let clock = crate::ua::event::rfc3339(time);
                let clock = clock.get(11..19).unwrap_or_default();
                let _ = write!(
                    svg,
                    "<circle class=\"{shown} {class}\" cx=\"{across:.1}\" cy=\"{up:.2}\" r=\"2.2\"><title>{clock} {}: {} {}</title></circle>",
                    figure.name,
                    number(value),
                    figure.unit
                );
            }
        }
    }
    svg + "</svg>"
}

/// When it was held and resumed.
fn marks(report: &Value) -> Vec<(i64, &'static str)> {
    let events = report["events"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mark = |event: &Value| {
        let status = &event["data"]["newStatus"];
        let words =
            [("isHold", "held", "resumed"), ("isRemoteHold", "held by the other side", "resumed by the other side")];
        let what = words.iter().find_map(|(key, on, off)| Some(if status[*key].as_bool()? { *on } else { *off }))?;
        Some((millis(event["time"].as_str()?)?, what))
    };
    events.iter().filter_map(mark).collect()
}

/// The next number an axis may end at.
fn nice(most: f64) -> f64 {
    let scale = 10_f64.powf(most.max(1.0).log10().floor());
    [1.0, 2.0, 4.0, 6.0, 8.0, 10.0].into_iter().map(|step| step * scale).find(|end| *end >= most).unwrap_or(most)
}

#[cfg(test)]
mod tests {
    use super::{nice, number};

    #[test]
    fn numbers_and_axes_are_round() {
        let texts = [4.35, 0.0, -0.001, 12.0, 100.5].map(number);
        assert_eq!(texts, ["4.35", "0", "0", "12", "100.5"]);
        assert_eq!([2.0, 60.0, 61.0, 199.0, 0.4].map(nice), [2.0, 60.0, 80.0, 200.0, 1.0]);
    }
}
