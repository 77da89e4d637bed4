//! One message of a trace, and what it says in a word.

use std::net::SocketAddr;

use serde_json::Value;

/// A message.
#[derive(Debug, Clone)]
pub(in crate::ctl) struct Step {
    /// When, as the daemon tells it, and in ms since 1970.
    pub time: String,
    pub ms: i64,
    /// It went from here.
    pub out: bool,
    pub transport: String,
    pub local: SocketAddr,
    pub remote: SocketAddr,
    pub message: String,
}

impl Step {
    /// Those of `session.trace` that can be read.
    pub fn all(trace: &Value) -> Vec<Step> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let step = |one: &Value| {
            Some(Step {
                ms: millis(one["time"].as_str()?)?,
                time: text(&one["time"]),
                out: one["direction"] == "out",
                transport: text(&one["transport"]),
                local: one["local"].as_str()?.parse().ok()?,
                remote: one["remote"].as_str()?.parse().ok()?,
                message: text(&one["message"]),
            })
        };
        trace["messages"].as_array().into_iter().flatten().filter_map(step).collect()
    }

    /// `INVITE`, or `200 OK (INVITE)`.
    pub fn label(&self) -> String {
        let first = self.message.lines().next().unwrap_or_default();
        match first.strip_prefix("SIP/2.0 ") {
            Some(status) => {
                let method = self.header("cseq").and_then(|cseq| cseq.split_whitespace().nth(1));
                format!("{} ({})", status.trim(), method.unwrap_or("?"))
            }
            None => first.split(' ').next().unwrap_or_default().to_owned(),
        }
    }

    /// The status, where it is a response.
    pub fn status(&self) -> Option<u16> {
        self.message.strip_prefix("SIP/2.0 ")?.get(..3)?.parse().ok()
    }

    /// What else is worth a word: where to, why, what is offered.
    pub fn detail(&self) -> String {
        let mut parts = Vec::new();
        let mut words = self.message.lines().next().unwrap_or_default().split(' ');
        if self.status().is_none() && words.next() == Some("INVITE") {
            parts.extend(words.next().map(str::to_owned));
        }
        for (name, short) in [("refer-to", "r"), ("reason", ""), ("contact", "m")] {
            let wanted = name != "contact" || self.status().is_some_and(|status| status / 100 == 3);
            let value = self.header(name).or_else(|| self.header(short).filter(|_| !short.is_empty()));
            parts.extend(value.filter(|_| wanted).map(str::to_owned));
        }
        parts.extend(self.media());
        parts.join(" · ")
    }

    /// The value of a header.
    fn header(&self, name: &str) -> Option<&str> {
        let lines = self.message.lines().skip(1).take_while(|line| !line.is_empty());
        let fields = lines.filter_map(|line| line.split_once(':'));
        fields.filter(|(field, _)| field.trim().eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).next()
    }

    /// The audio of a session description.
    fn media(&self) -> Option<String> {
        let body: Vec<&str> = self.message.lines().skip_while(|line| !line.is_empty()).collect();
        let sdp = |start: &'static str| body.iter().filter_map(move |line| line.strip_prefix(start));
        let port = sdp("m=audio ").next()?.split(' ').next()?;
        let codec = |map: &str| map.split(' ').nth(1).and_then(|codec| codec.split('/').next()).map(str::to_owned);
        let mut codecs: Vec<String> =
            sdp("a=rtpmap:").filter_map(codec).filter(|codec| codec != "telephone-event").collect();
        codecs.dedup();
        let directions = ["a=sendrecv", "a=sendonly", "a=recvonly", "a=inactive"];
        let direction = body.iter().find_map(|line| directions.contains(line).then(|| line.get(2..)).flatten());
        let words = ["SDP", &codecs.join(" "), direction.unwrap_or_default()].join(" ");
        Some(format!("{} :{port}", words.split_whitespace().collect::<Vec<_>>().join(" ")))
    }
}

/// RFC 3339 in UTC, as the daemon writes it, to ms since 1970.
pub(in crate::ctl) fn millis(time: &str) -> Option<i64> {
    let number = |from: usize, to: usize| time.get(from..to)?.parse::<i64>().ok();
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    // Years that begin in March, so that the leap day is the last one.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1 - 719_468;
    let seconds = days * 86_400 + number(11, 13)? * 3_600 + number(14, 16)? * 60 + number(17, 19)?;
    Some(seconds * 1_000 + number(20, 23).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::millis;
    use crate::ua::event::rfc3339;

    #[test]
    fn times_come_back() {
        for wall in [0, 951_782_399_999, 951_782_400_000, 1_795_395_346_001, 4_107_542_400_000] {
            assert_eq!(millis(&rfc3339(wall)), Some(wall));
        }
        assert_eq!(millis("today"), None);
    }
}
