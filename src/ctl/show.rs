//! Answers and events as text for people.

use serde_json::Value;

/// Text that may come from a far peer: nothing of it may steer the terminal.
pub(super) fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// All of it, indented.
pub(super) fn pretty(value: &Value) -> Vec<String> {
    let text = match value {
        Value::String(text) => text.clone(),
        other => format!("{other:#}"),
    };
    text.lines().map(clean).collect()
}

/// The calls, a line each.
pub(super) fn sessions(sessions: &[Value], colour: bool) -> Vec<String> {
    let row = |session: &Value| {
        let status = &session["status"];
        let flags =
            [("isHold", "held"), ("isRemoteHold", "held by peer"), ("isMute", "muted"), ("isConference", "conference")];
        let flags: Vec<&str> = flags.iter().filter(|(key, _)| status[key] == true).map(|(_, word)| *word).collect();
        let state = if status["isRing"] == true { "ringing here".to_owned() } else { text(&status["callStatus"]) };
        vec![
            text(&session["callId"]),
            text(&status["communicationType"]),
            text(&status["number"]),
            text(&status["name"]),
            text(&status["account"]),
            state,
            clock(Some(session["timer"]["callDuration"].as_u64().unwrap_or_default())),
            flags.join(", "),
        ]
    };
    if sessions.is_empty() {
        return vec!["no calls".into()];
    }
    table(&["CALL", "DIRECTION", "NUMBER", "NAME", "ACCOUNT", "STATE", "TIME", ""], sessions.iter().map(row), colour)
}

/// The accounts, a line each.
pub(super) fn accounts(accounts: &[Value], colour: bool) -> Vec<String> {
    let row = |account: &Value| {
        let registration = &account["registration"];
        let retry = registration["retryInMs"].as_u64().map(|ms| format!(", again in {} s", ms.div_ceil(1000)));
        let state = match (account["isRegistered"] == true, text(&registration["state"])) {
            (true, _) => "registered".to_owned(),
            (false, _) if account["register"] == false => "does not register".to_owned(),
            (false, state) if state.is_empty() => "not registered".to_owned(),
            (false, state) => state,
        };
        vec![text(&account["name"]), text(&account["uri"]), state + &retry.unwrap_or_default()]
    };
    if accounts.is_empty() {
        return vec!["no accounts".into()];
    }
    table(&["NAME", "URI", "STATE"], accounts.iter().map(row), colour)
}

/// The sound devices, a line each.
pub(super) fn devices(devices: &[Value], colour: bool) -> Vec<String> {
    let row = |device: &Value| {
        let can = [
            ("input", "input"),
            ("output", "output"),
            ("defaultInput", "default input"),
            ("defaultOutput", "default output"),
            ("suspended", "asleep"),
        ];
        let can: Vec<&str> = can.iter().filter(|(key, _)| device[key] == true).map(|(_, word)| *word).collect();
        vec![text(&device["id"]), text(&device["name"]), can.join(", ")]
    };
    table(&["ID", "NAME", "CAN"], devices.iter().map(row), colour)
}

/// Call detail records, a line each.
pub(super) fn cdrs(cdrs: &[Value], colour: bool) -> Vec<String> {
    let row = |cdr: &Value| {
        let missed = cdr["direction"] == "inbound" && cdr["answerTime"].is_null();
        let mos = cdr["mos"].as_f64().map(|mos| format!("{mos:.2}")).unwrap_or_default();
        vec![
            text(&cdr["startTime"]),
            if missed { "missed".to_owned() } else { text(&cdr["direction"]) },
            text(&cdr["number"]),
            text(&cdr["name"]),
            text(&cdr["account"]),
            clock(cdr["ringSec"].as_u64()),
            clock(cdr["talkSec"].as_u64()),
            text(&cdr["cause"]),
            mos,
        ]
    };
    if cdrs.is_empty() {
        return vec!["no records".into()];
    }
    let titles = ["START", "DIRECTION", "NUMBER", "NAME", "ACCOUNT", "RANG", "TALKED", "CAUSE", "MOS"];
    table(&titles, cdrs.iter().map(row), colour)
}

/// Recordings, a line each.
pub(super) fn recordings(recordings: &[Value], colour: bool) -> Vec<String> {
    let row = |one: &Value| {
        vec![
            text(&one["startedAt"]),
            clock(one["durationMs"].as_u64().map(|ms| ms / 1000)),
            text(&one["number"]),
            text(&one["name"]),
            text(&one["account"]),
            text(&one["state"]),
            text(&one["id"]),
        ]
    };
    if recordings.is_empty() {
        return vec!["no recordings".into()];
    }
    table(&["START", "LENGTH", "NUMBER", "NAME", "ACCOUNT", "STATE", "ID"], recordings.iter().map(row), colour)
}

/// Seconds as minutes and seconds.
pub(super) fn clock(seconds: Option<u64>) -> String {
    seconds.map(|seconds| format!("{}:{:02}", seconds / 60, seconds % 60)).unwrap_or_default()
}

/// An event on one line: its time, name, session and what matters of its data.
pub(super) fn event(event: &Value, colour: bool) -> String {
    let name = text(&event["event"]);
    let paint = match name.as_str() {
        "failed" | "clientError" | "registrationFailed" | "alert" | "lagged" => "31",
        "incoming" | "confirmed" | "accepted" | "registered" => "32",
        "updateTimer" | "callReport" => "2",
        _ => "1",
    };
    let name = if colour { format!("\x1b[{paint}m{name}\x1b[0m") } else { name };
    let about = event["callId"].as_str().or(event["account"].as_str()).map(clean).unwrap_or_default();
    let data = &event["data"];
    let mut parts: Vec<String> = [
        "cause",
        "code",
        "by",
        "sipCode",
        "dtmf",
        "state",
        "kind",
        "reason",
        "earlyMedia",
        "isRegistered",
        "retryInMs",
        "fromSeq",
        "toSeq",
    ]
    .iter()
    .filter(|key| !data[**key].is_null())
    .map(|key| format!("{key}={}", text(&data[*key])))
    .collect();
    if let Some(changed) = data["changed"].as_array() {
        parts.extend(
            changed
                .iter()
                .filter_map(Value::as_str)
                .map(|key| format!("{}={}", clean(key), text(&data["newStatus"][key]))),
        );
    }
    // Who calls, or is called.
    let person = &data["session"]["status"];
    if ["newRTCSession", "incoming", "startSession"].contains(&text(&event["event"]).as_str()) {
        let shown = ["communicationType", "number", "name", "account"].iter().map(|key| text(&person[*key]));
        parts.extend(shown.filter(|part| !part.is_empty()));
    }
    parts.extend(data["timer"]["callDuration"].as_u64().map(|seconds| clock(Some(seconds))));
    // 0: nothing has been heard yet.
    if let Some(mos) = data["metrics"]["mos"].as_f64().filter(|mos| *mos > 0.0) {
        parts.push(format!("mos={mos:.2}"));
    }
    [text(&event["time"]), name, about]
        .into_iter()
        .chain(parts)
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

/// A value as one line of text.
pub(super) fn text(value: &Value) -> String {
    match value {
        Value::String(text) => clean(text),
        Value::Null => String::new(),
        other => clean(&other.to_string()),
    }
}

/// Rows under their titles.
pub(super) fn table(titles: &[&str], rows: impl Iterator<Item = Vec<String>>, colour: bool) -> Vec<String> {
    let titles: Vec<String> = titles.iter().map(ToString::to_string).collect();
    let rows: Vec<Vec<String>> = std::iter::once(titles).chain(rows).collect();
    let widths: Vec<usize> = (0..rows[0].len())
        .map(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0))
        .collect();
    let line = |row: &Vec<String>| {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        cells.join("  ").trim_end().to_owned()
    };
    let mut lines: Vec<String> = rows.iter().map(line).collect();
    if colour {
        lines[0] = format!("\x1b[1m{}\x1b[0m", lines[0]);
    }
    lines
}
