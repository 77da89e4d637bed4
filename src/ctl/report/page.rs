//! The report of a call as one page: nothing of it is loaded from elsewhere, nothing of it is a script.

use serde_json::Value;

use super::plot::{self, FIGURES, PLOTS};
use super::{Known, story};
use crate::ctl::show;
use crate::ctl::trace::step::Step;

/// Nothing may run or be loaded, whatever a peer's name says.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

/// Text between tags or in quotes.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '"' => out += "&quot;",
            '\'' => out += "&#39;",
            '\n' | '\t' => out.push(c),
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// The whole page.
pub(super) fn page(known: &Known) -> String {
    let report = &known.report;
    let title = escape(&story::title(report));
    let sections = [
        findings(&known.findings),
        plots(report),
        ladder(&known.trace),
        events(report),
        format!("<div class=\"pair\">{}{}</div>", facts(report), devices(report)),
        figures(report),
    ];
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n<style>\n{}</style>\n</head>\n\
         <body>\n<main>\n<header>\n<h1>{title}</h1>\n<p>{}</p>\n{}\n</header>\n{}\n</main>\n<footer>phoned {} · event log {} · times are UTC</footer>\n\
         </body>\n</html>\n",
        include_str!("style.css"),
        escape(&story::when(report)),
        tiles(report),
        sections.join("\n"),
        escape(&show::text(&known.daemon["version"])),
        escape(&show::text(&known.daemon["epoch"])),
    )
}

fn section(id: &str, title: &str, inside: &str) -> String {
    format!("<section id=\"{id}\"><h2>{title}</h2>{inside}</section>")
}

/// The figures that matter most, each with a word.
fn tiles(report: &Value) -> String {
    let of = |key: &str| story::Summary::of(&plot::values(report, key));
    let tile = |name: &str, value: String, about: String, class: &str| {
        let value = if value.is_empty() { "–".to_owned() } else { value };
        format!(
            "<div class=\"tile {class}\"><span>{name}</span><b>{}</b><small>{}</small></div>",
            escape(&value),
            escape(&about)
        )
    };
    let graded = |value: f64, good: f64, bad: f64| {
        let worse = |limit: f64| if good > bad { value < limit } else { value > limit };
        if worse(bad) {
            "bad"
        } else if worse(good) {
            "fair"
        } else {
            "good"
        }
    };
    let last = plot::samples(report).last();
    let codec = last.map(|sample| show::text(&sample["codec"])).unwrap_or_default();
    let srtp = show::text(&report["RTCSession"]["srtp"]);
    let mut all = Vec::new();
    let (mos, loss, jitter, rtt) = (of("mos"), of("lossPct"), of("jitterMs"), of("rttMs"));
    let unit = |value: f64, unit: &str| format!("{} {unit}", plot::number((value * 10.0).round() / 10.0));
    all.push(match mos {
        Some(mos) => tile(
            "MOS",
            plot::number(mos.mean),
            format!("at worst {}", plot::number(mos.least)),
            graded(mos.mean, 4.0, 3.1),
        ),
        None => tile("MOS", String::new(), "nothing was rated".into(), ""),
    });
    let end = |key: &str| last.and_then(|sample| sample["metrics"][key].as_f64());
    if let (Some(now), Some(loss)) = (end("lossPct"), loss) {
        let made_up = end("concealedPct").map(|made| format!("{} made up", unit(made, "%")));
        all.push(tile("Lost", unit(now, "%"), made_up.unwrap_or_default(), graded(loss.most, 1.0, 5.0)));
    }
    if let Some(jitter) = jitter {
        all.push(tile(
            "Jitter",
            unit(jitter.mean, "ms"),
            format!("at most {}", unit(jitter.most, "ms")),
            graded(jitter.most, 30.0, 80.0),
        ));
    }
    if let Some(rtt) = rtt {
        all.push(tile(
            "Round trip",
            unit(rtt.mean, "ms"),
            format!("at most {}", unit(rtt.most, "ms")),
            graded(rtt.most, 150.0, 400.0),
        ));
    }
    all.push(tile("Codec", codec, if srtp.is_empty() { "in clear".into() } else { srtp }, ""));
    format!("<div class=\"tiles\">{}</div>", all.concat())
}

fn findings(findings: &Result<Value, String>) -> String {
    let inside = match findings {
        Err(why) => format!("<p class=\"quiet\">Not looked for: {}.</p>", escape(why)),
        Ok(diagnosis) => {
            let found = diagnosis["findings"].as_array().map(Vec::as_slice).unwrap_or_default();
            let item = |finding: &Value| {
                let severity = match finding["severity"].as_str() {
                    Some("error") => "error",
                    Some("warning") => "warning",
                    _ => "info",
                };
                format!(
                    "<li class=\"{severity}\" data-rule=\"{}\"><b>{}</b><p>{}</p></li>",
                    escape(&show::text(&finding["rule"])),
                    escape(&show::text(&finding["text"])),
                    escape(&show::text(&finding["hint"]))
                )
            };
            match found {
                [] => "<p class=\"quiet\">Nothing is wrong with this call.</p>".to_owned(),
                found => format!("<ul class=\"findings\">{}</ul>", found.iter().map(item).collect::<String>()),
            }
        }
    };
    section("findings", "Findings", &inside)
}

fn plots(report: &Value) -> String {
    if plot::samples(report).is_empty() {
        return section(
            "quality",
            "How it sounded",
            "<p class=\"quiet\">The call was not answered: there is nothing to plot.</p>",
        );
    }
    let note = "<p class=\"quiet note\">Minutes and seconds since the answer. A dotted line: the call was held or resumed. No line: there was nothing \
                to measure.</p>";
    let one = |plot: &plot::Plot| {
        let legend = plot.figures.iter().zip(["a", "b"]).map(|(figure, class)| {
            let figure = &FIGURES[*figure];
            let summary = story::Summary::of(&plot::values(report, figure.key));
            let about = summary.map(|all| format!("{} to {}", plot::number(all.least), plot::number(all.most)));
            format!(
                "<span class=\"{class}\">{} <i>{}</i></span>",
                figure.name,
                about.unwrap_or_else(|| "unknown".into())
            )
        });
        let legend = legend.collect::<String>();
        let (title, about) = (plot.title, plot.about);
        format!(
            "<figure><figcaption><b>{title}</b> <small>{about}</small><div>{legend}</div></figcaption>{}</figure>",
            plot::svg(report, plot)
        )
    };
    section(
        "quality",
        "How it sounded",
        &format!("<div class=\"plots\">{}{note}</div>", PLOTS.iter().map(one).collect::<String>()),
    )
}

fn ladder(trace: &Result<Value, String>) -> String {
    let trace = match trace {
        Ok(trace) => trace,
        Err(why) => return section("sip", "SIP", &format!("<p class=\"quiet\">Not shown: {}.</p>", escape(why))),
    };
    let steps = Step::all(trace);
    let first = steps.first().map_or(0, |step| step.ms);
    let row = |step: &Step| {
        let bad = if step.status().is_some_and(|status| status >= 400) { " bad" } else { "" };
        let way = if step.out { "out" } else { "in" };
        format!(
            "<details class=\"step {way}{bad}\"><summary><time>{}</time><span class=\"since\">+{:.3}</span><span class=\"arrow\"><b>{}</b></span>\
             <span class=\"detail\">{}</span></summary><pre>{} {} {} {}\n\n{}</pre></details>",
            escape(step.time.get(11..23).unwrap_or_default()),
            (step.ms - first) as f64 / 1_000.0,
            escape(&step.label()),
            escape(&step.detail()),
            escape(&step.local.to_string()),
            if step.out { "→" } else { "←" },
            escape(&step.remote.to_string()),
            escape(&step.transport),
            escape(&step.message.replace('\r', "")),
        )
    };
    let sides = steps.first().map(|step| {
        let (local, remote) = (escape(&step.local.to_string()), escape(&step.remote.to_string()));
        format!(
            "<div class=\"sides\"><span>phoned {local}</span><span>{remote} {}</span></div>",
            escape(&step.transport)
        )
    });
    let left_out = match trace["leftOut"].as_u64() {
        Some(count @ 1..) => format!("<p class=\"quiet\">{count} messages in the middle are left out.</p>"),
        _ => String::new(),
    };
    let rows: String = steps.iter().map(row).collect();
    section("sip", "SIP", &format!("<div class=\"ladder\">{}{rows}</div>{left_out}", sides.unwrap_or_default()))
}

fn events(report: &Value) -> String {
    let all = report["events"].as_array().map(Vec::as_slice).unwrap_or_default();
    let row = |event: &Value| {
        format!(
            "<tr><td class=\"num\">{}</td><td><time>{}</time></td><td><b>{}</b></td><td>{}</td></tr>",
            escape(&show::text(&event["seq"])),
            escape(event["time"].as_str().and_then(|time| time.get(11..23)).unwrap_or_default()),
            escape(&show::text(&event["event"])),
            escape(&story::event(event))
        )
    };
    let rows: String = all.iter().map(row).collect();
    section("events", "What happened", &format!("<div class=\"wide\"><table><tbody>{rows}</tbody></table></div>"))
}

fn facts(report: &Value) -> String {
    let rows: String = story::facts(report)
        .into_iter()
        .map(|(name, value)| format!("<dt>{name}</dt><dd>{}</dd>", escape(&value)))
        .collect();
    section("facts", "The call", &format!("<dl>{rows}</dl>"))
}

fn devices(report: &Value) -> String {
    let row = |used: &Value| {
        let time = used["time"].as_str().and_then(|time| time.get(11..19)).unwrap_or_default();
        let device = |key: &str| escape(&show::text(&used[key]));
        format!(
            "<dt><time>{}</time></dt><dd>microphone {}<br>loudspeaker {}</dd>",
            escape(time),
            device("input"),
            device("output")
        )
    };
    let all = report["devices"].as_array().map(Vec::as_slice).unwrap_or_default();
    let rows: String = all.iter().map(row).collect();
    let inside =
        if rows.is_empty() { "<p class=\"quiet\">None was used.</p>".to_owned() } else { format!("<dl>{rows}</dl>") };
    section("devices", "Devices", &inside)
}

/// Every sample in numbers.
fn figures(report: &Value) -> String {
    let samples = plot::samples(report);
    let head: String =
        FIGURES.iter().map(|figure| format!("<th>{} <small>{}</small></th>", figure.name, figure.unit)).collect();
    let row = |sample: &Value| {
        let cells: String = FIGURES
            .iter()
            .map(|figure| {
                let value = sample["metrics"][figure.key].as_f64().map(plot::number).unwrap_or_default();
                format!("<td class=\"num\" data-key=\"{}\">{value}</td>", figure.key)
            })
            .collect();
        let time = sample["time"].as_str().unwrap_or_default();
        let clock = escape(time.get(11..23).unwrap_or_default());
        format!(
            "<tr data-time=\"{}\"><td><time>{clock}</time></td>{cells}<td>{}</td></tr>",
            escape(time),
            escape(&show::text(&sample["codec"]))
        )
    };
    let rows: String = samples.iter().map(row).collect();
    let every = report["every"].as_u64().unwrap_or(1);
    let coarse = if every > 1 { format!(" One of {every} is shown.") } else { String::new() };
    format!(
        "<section id=\"figures\"><details><summary><h2>All figures</h2> <small>{} samples.{coarse}</small></summary>\
         <div class=\"wide\"><table><thead><tr><th>Time</th>{head}<th>Codec</th></tr></thead><tbody>{rows}</tbody></table></div></details></section>",
        samples.len()
    )
}

#[cfg(test)]
mod tests {
    use super::escape;

    #[test]
    fn nothing_of_a_text_is_markup() {
        assert_eq!(
            escape("<a b=\"c\" d='e'>&\u{1b}\u{7f}\n"),
            "&lt;a b=&quot;c&quot; d=&#39;e&#39;&gt;&amp;\u{fffd}\u{fffd}\n"
        );
    }
}
