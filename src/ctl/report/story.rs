//! What a report says in words and figures.

use serde_json::Value;

use crate::ctl::show;
use crate::ctl::trace::step::millis;

/// Who with.
pub(super) fn title(report: &Value) -> String {
    let text = |key: &str| report[key].as_str().unwrap_or_default();
    let (name, number, company) = (text("name"), text("number"), text("company"));
    let who = match (name.is_empty() || name == number, number.is_empty()) {
        (true, true) => "an unknown number".to_owned(),
        (true, false) => number.to_owned(),
        (false, _) => format!("{name} ({number})"),
    };
    let company = if company.is_empty() { String::new() } else { format!(", {company}") };
    let way = if text("direction") == "inbound" { "Call from" } else { "Call to" };
    format!("{way} {who}{company}")
}

/// When, and how long.
pub(super) fn when(report: &Value) -> String {
    let begun = report["startedAt"].as_str().unwrap_or_default();
    let day = format!("{} {} UTC", begun.get(..10).unwrap_or_default(), begun.get(11..19).unwrap_or_default());
    let talked = between(&report["answeredAt"], &report["endedAt"]);
    let end = match (report["live"] == true && report["endedAt"].is_null(), report["answeredAt"].is_null()) {
        (true, true) => "not answered yet".to_owned(),
        (true, false) => "still going on".to_owned(),
        (false, true) => "never answered".to_owned(),
        (false, false) => format!("{} talked", show::clock(talked.map(|ms| ms / 1_000))),
    };
    format!("{day} · account {} · {end}", report["account"].as_str().unwrap_or_default())
}

fn between(from: &Value, to: &Value) -> Option<u64> {
    u64::try_from(millis(to.as_str()?)? - millis(from.as_str()?)?).ok()
}

/// What was agreed, and how it ended.
pub(super) fn facts(report: &Value) -> Vec<(&'static str, String)> {
    let (rtc, cdr) = (&report["RTCSession"], &report["cdr"]);
    let pair = &rtc["ice"];
    let ice = pair["local"].as_str().zip(pair["remote"].as_str()).map(|(local, remote)| format!("{local} to {remote}"));
    let secs = |key: &str| cdr[key].as_u64().map(|seconds| format!("{seconds} s")).unwrap_or_default();
    let code = cdr["code"].as_u64().map(|code| format!(", SIP {code}")).unwrap_or_default();
    let by = cdr["by"].as_str().map(|by| format!(", by {by}")).unwrap_or_default();
    let cause = cdr["cause"].as_str().map(|cause| format!("{cause}{code}{by}")).unwrap_or_default();
    let tags = cdr["tags"].as_array().map(|tags| tags.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", "));
    let all = [
        ("Call", show::text(&report["callId"])),
        ("SIP Call-ID", show::text(&rtc["id"])),
        ("SIP transport", show::text(&rtc["transport"])),
        ("Codec", show::text(&rtc["codec"])),
        ("Our RTP", show::text(&rtc["localRtp"])),
        ("Their RTP", show::text(&rtc["remoteRtp"])),
        ("Direction", show::text(&rtc["direction"])),
        ("Encryption", rtc["srtp"].as_str().map_or_else(|| "none".to_owned(), str::to_owned)),
        ("ICE", ice.unwrap_or_default()),
        ("Rang", secs("ringSec")),
        ("Talked", secs("talkSec")),
        ("On hold", secs("holdSec")),
        ("Ended", cause),
        ("Recording", show::text(&cdr["recording"])),
        ("Tags", tags.unwrap_or_default()),
    ];
    all.into_iter().filter(|(_, value)| !value.is_empty()).collect()
}

/// The least, the mean and the greatest of some values.
pub(super) struct Summary {
    pub least: f64,
    pub mean: f64,
    pub most: f64,
}

impl Summary {
    /// None where there are none.
    pub fn of(values: &[Option<f64>]) -> Option<Summary> {
        let there: Vec<f64> = values.iter().copied().flatten().collect();
        let least = there.iter().copied().reduce(f64::min)?;
        let most = there.iter().copied().reduce(f64::max)?;
        Some(Summary { least, mean: there.iter().sum::<f64>() / there.len() as f64, most })
    }
}

/// What an event tells, in a line.
pub(super) fn event(event: &Value) -> String {
    let mut parts = Vec::new();
    for (key, value) in event["data"].as_object().into_iter().flatten() {
        match (key.as_str(), value) {
            ("changed", _) | (_, Value::Null) => {}
            ("newStatus", Value::Object(status)) => {
                parts.extend(status.iter().map(|(key, value)| format!("{key} {}", short(value))));
            }
            (_, Value::Object(_)) => {}
            (key, value) => parts.push(format!("{key} {}", short(value))),
        }
    }
    parts.join(" · ")
}

fn short(value: &Value) -> String {
    let text = show::text(value);
    if text.chars().count() <= 120 { text } else { text.chars().take(119).chain(['…']).collect() }
}
