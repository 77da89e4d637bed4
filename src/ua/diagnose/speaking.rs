//! Why they do not hear us, or hear us badly.

use serde_json::json;

use super::facts::{Facts, Kind};
use super::words::{percent, time_of_day, unroutable};
use super::{Rule, Said, Severity};

pub(super) const RULES: &[(&str, Rule)] = &[
    ("they-count-nothing", they_count_nothing),
    ("they-do-not-report", they_do_not_report),
    ("loss-to-them", loss_to_them),
    ("muted", muted),
    ("on-hold", on_hold),
    ("held-by-them", held_by_them),
    ("parked", parked),
    ("microphone-none", microphone_none),
    ("microphone-gone", microphone_gone),
    ("microphone-silent", microphone_silent),
    ("microphone-too-loud", microphone_too_loud),
    ("echo", echo),
];

/// So much loss is heard, and so much is too much.
const LOSS: (f64, f64) = (0.015, 0.08);

fn they_count_nothing(facts: &Facts) -> Option<Said> {
    if !facts.talks() || !facts.sends || !facts.unheard || facts.stats.way.reports == 0 {
        return None;
    }
    let (way, rate) = (&facts.stats.way, 1_000 / facts.ptime.max(1));
    let since = time_of_day(facts.ago(way.uncounted_ms));
    let to = way.from.or(facts.remote_rtp).filter(|_| !facts.ice);
    let address = to.and_then(|to| Some(format!("; their address {} is {}", to.ip(), unroutable(to.ip())?)));
    let address = address.unwrap_or_default();
    // Some devices report and never count: that alone is no proof.
    let (severity, text) = match way.counted {
        0 => (
            Severity::Warning,
            format!(
                "They may not hear you: you send {rate} packets a second, their reports have never counted one{address}"
            ),
        ),
        _ => (
            Severity::Error,
            format!(
                "They cannot hear you: you send {rate} packets a second, their reports count none since {since}{address}"
            ),
        ),
    };
    Said::new(
        severity,
        text,
        "A firewall or a NAT on the way drops what you send: let the PBX relay the media, or use WebRTC with a STUN server",
        json!({
            "packetsPerSecond": rate, "sent": facts.stats.tx_packets, "counted": way.counted, "reports": way.reports,
            "since": since, "to": to.map(|to| to.to_string()),
        }),
    )
}

fn they_do_not_report(facts: &Facts) -> Option<Said> {
    if !facts.talks_for(20) || !facts.sends || facts.stats.way.reports > 0 {
        return None;
    }
    Said::new(
        Severity::Info,
        format!(
            "Whether they hear you is not known: they send no reports (RTCP) on the {} packets that went out",
            facts.stats.tx_packets
        ),
        "Many gateways send none; a firewall may also drop the odd port above that of the sound",
        json!({"sent": facts.stats.tx_packets}),
    )
}

fn loss_to_them(facts: &Facts) -> Option<Said> {
    let share = facts.stats.tx_lost_ratio;
    if share < LOSS.0 || facts.stats.way.reports == 0 || facts.stats.way.counted == 0 {
        return None;
    }
    Said::new(
        if share < LOSS.1 { Severity::Warning } else { Severity::Error },
        format!("{} of your packets are lost on the way to them, by their reports; they hear gaps", percent(share)),
        match facts.network.as_str() {
            "wifi" => "You are on Wi-Fi: a cable often helps",
            _ => "Your uplink may be full: a backup, a video meeting, an upload",
        },
        json!({
            "lossPct": share * 100.0, "sent": facts.stats.tx_packets, "counted": facts.stats.way.counted,
            "jitterMaxMs": facts.stats.tx_jitter_max_ms, "network": facts.network,
        }),
    )
}

fn muted(facts: &Facts) -> Option<Said> {
    if !facts.talks() || !facts.muted {
        return None;
    }
    let (level, unmute) = (facts.stats.mic_level_dbov, "session.unmute, or phonectl unmute");
    match facts.muted_talking {
        true => Said::new(
            Severity::Warning,
            format!(
                "They cannot hear you: you are muted, and somebody has spoken into your microphone since{}",
                dbov(level)
            ),
            unmute,
            json!({"micLevelDbov": level}),
        ),
        false => {
            Said::new(Severity::Info, "They cannot hear you: you are muted", unmute, json!({"micLevelDbov": level}))
        }
    }
}

fn on_hold(facts: &Facts) -> Option<Said> {
    (facts.held && facts.talks()).then_some(())?;
    Said::new(
        Severity::Info,
        "You neither hear each other nor shall you: you hold them",
        "session.unhold, or phonectl unhold",
        json!({}),
    )
}

fn held_by_them(facts: &Facts) -> Option<Said> {
    (facts.held_by_them && facts.talks()).then_some(())?;
    let hears = if facts.hears { "what they play to you is all you hear" } else { "nothing is sent either way" };
    Said::new(
        Severity::Info,
        format!("They cannot hear you: they have put you on hold; {hears}"),
        "They have to take you back",
        json!({"direction": if facts.hears { "recvonly" } else { "inactive" }}),
    )
}

fn parked(facts: &Facts) -> Option<Said> {
    (facts.parked && facts.talks()).then_some(())?;
    Said::new(
        Severity::Warning,
        "They cannot hear you: your microphone belongs to another call, and they refused to be held",
        "phone.setCurrentSession gives the microphone to this call",
        json!({}),
    )
}

fn microphone_none(facts: &Facts) -> Option<Said> {
    let id = &facts.input.id;
    let severity = if facts.phase == super::facts::Phase::Talking { Severity::Error } else { Severity::Warning };
    match facts.input.kind {
        Kind::Null if id == "null" => Said::new(
            severity,
            "They cannot hear you: the microphone of this call is `null`, which gives silence",
            "phonectl use DEVICE --as input (device.setRole) gives you another one, also in a call",
            json!({"input": id}),
        ),
        Kind::Null => Said::new(
            severity,
            format!("They cannot hear you: the microphone of this call is {id:?}, and this host has none"),
            "Plug one in, or look whether the sound server runs (phonectl devices)",
            json!({"input": id}),
        ),
        Kind::Made => Said::new(
            Severity::Info,
            format!("They hear {id:?} in place of a microphone"),
            "phonectl use DEVICE --as input (device.setRole) gives you another one, also in a call",
            json!({"input": id}),
        ),
        Kind::Real | Kind::Gone => None,
    }
}

fn microphone_gone(facts: &Facts) -> Option<Said> {
    (facts.input.kind == Kind::Gone).then_some(())?;
    let id = &facts.input.id;
    Said::new(
        Severity::Error,
        format!("They cannot hear you: the microphone {id:?} is not there"),
        "Plug it in again: the sound comes back by itself; or choose another one with device.setRole",
        json!({"input": id}),
    )
}

fn microphone_silent(facts: &Facts) -> Option<Said> {
    if !facts.talks() || !facts.mic_silent || facts.muted {
        return None;
    }
    let (id, level) = (&facts.input.id, facts.stats.mic_level_dbov);
    Said::new(
        Severity::Error,
        format!("They cannot hear you: the microphone {id:?} gives nothing, not even noise{}", dbov(level)),
        "It may be switched off at the headset, muted in the sound server, or another device than you speak into",
        json!({"input": id, "micLevelDbov": level}),
    )
}

fn microphone_too_loud(facts: &Facts) -> Option<Said> {
    if !facts.talks() || !facts.clipping {
        return None;
    }
    let (id, share) = (&facts.input.id, facts.stats.mic_clipped_pct);
    Said::new(
        Severity::Warning,
        format!("You sound harsh to them: the microphone {id:?} is too loud and has been cut off at full scale"),
        "Turn its gain down in the sound server, or move it away from the mouth",
        json!({"input": id, "clippedPct": share, "micLevelDbov": facts.stats.mic_level_dbov}),
    )
}

fn echo(facts: &Facts) -> Option<Said> {
    if !facts.talks() || !facts.echo {
        return None;
    }
    let heard = facts.stats.way.echo;
    let figures = heard.map(|echo| format!(" {} ms later and {:.0} dB quieter", echo.delay_ms, echo.loss_db.max(0.0)));
    Said::new(
        Severity::Warning,
        format!("You hear yourself: what you say comes back from their side{}", figures.unwrap_or_default()),
        "Their loudspeaker reaches their microphone: ask them to use a headset or turn it down",
        json!({"delayMs": heard.map(|echo| echo.delay_ms), "lossDb": heard.map(|echo| echo.loss_db)}),
    )
}

fn dbov(level: Option<f64>) -> String {
    level.map(|level| format!(" ({level:.0} dBov now)")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ua::media::Echo;

    fn says(rule: &str, change: impl FnOnce(&mut Facts)) -> Option<String> {
        Facts::with(rule, change).map(|finding| finding.text)
    }

    #[test]
    fn nothing_is_counted() {
        let found = Facts::with("they-count-nothing", |facts| {
            facts.unheard = true;
            facts.stats.way.uncounted_ms = 60_000;
            facts.stats.way.from = None;
            facts.remote_rtp = Some("10.1.2.3:4000".parse().unwrap());
        });
        let found = found.unwrap();
        let text = "They cannot hear you: you send 50 packets a second, their reports count none since 14:02:07 UTC; \
                    their address 10.1.2.3 is private";
        assert_eq!((found.text.as_str(), found.severity), (text, Severity::Error));
        assert_eq!(found.facts["counted"], 2_950);
        let never = |facts: &mut Facts| (facts.unheard, facts.stats.way.counted) = (true, 0);
        let found = Facts::with("they-count-nothing", never).unwrap();
        assert_eq!(found.severity, Severity::Warning, "some devices never count");
        assert!(found.text.ends_with("their reports have never counted one"), "{}", found.text);
        let held = |facts: &mut Facts| (facts.unheard, facts.sends) = (true, false);
        assert_eq!(says("they-count-nothing", held), None);
    }

    #[test]
    fn nothing_is_reported() {
        assert!(says("they-do-not-report", |facts| facts.stats.way.reports = 0).unwrap().contains("3000 packets"));
        let early = |facts: &mut Facts| (facts.stats.way.reports, facts.answered_ms) = (0, Some(10_000));
        assert_eq!(says("they-do-not-report", early), None);
    }

    #[test]
    fn loss_by_their_reports() {
        let found = Facts::with("loss-to-them", |facts| facts.stats.tx_lost_ratio = 0.043).unwrap();
        assert_eq!(found.severity, Severity::Warning);
        assert!(found.text.starts_with("4.3 % of your packets are lost on the way to them"), "{}", found.text);
        assert!(says("loss-to-them", |facts| facts.stats.tx_lost_ratio = 0.01).is_none());
    }

    #[test]
    fn muted_held_and_parked() {
        assert_eq!(says("muted", |facts| facts.muted = true).as_deref(), Some("They cannot hear you: you are muted"));
        let talking = Facts::with("muted", |facts| (facts.muted, facts.muted_talking) = (true, true)).unwrap();
        assert_eq!(talking.severity, Severity::Warning);
        assert!(talking.text.ends_with("into your microphone since (-26 dBov now)"), "{}", talking.text);
        assert!(says("on-hold", |facts| facts.held = true).is_some());
        let inactive = |facts: &mut Facts| (facts.held_by_them, facts.hears) = (true, false);
        assert!(says("held-by-them", inactive).unwrap().ends_with("nothing is sent either way"));
        assert!(says("parked", |facts| facts.parked = true).is_some());
    }

    #[test]
    fn the_microphone() {
        let none = |facts: &mut Facts| (facts.input.kind, facts.input.id) = (Kind::Null, "null".into());
        assert_eq!(Facts::with("microphone-none", none).unwrap().severity, Severity::Error);
        let tone = |facts: &mut Facts| (facts.input.kind, facts.input.id) = (Kind::Made, "tone:440".into());
        assert_eq!(Facts::with("microphone-none", tone).unwrap().severity, Severity::Info);
        assert!(says("microphone-gone", |facts| facts.input.kind = Kind::Gone).unwrap().contains("\"pulse:headset\""));
        let silent = |facts: &mut Facts| (facts.mic_silent, facts.stats.mic_level_dbov) = (true, Some(-127.0));
        assert!(says("microphone-silent", silent).unwrap().ends_with("not even noise (-127 dBov now)"));
        let muted = |facts: &mut Facts| (facts.mic_silent, facts.muted) = (true, true);
        assert_eq!(says("microphone-silent", muted), None);
        assert!(says("microphone-too-loud", |facts| facts.clipping = true).unwrap().contains("full scale"));
    }

    #[test]
    fn our_own_voice() {
        let found = Facts::with("echo", |facts| {
            facts.echo = true;
            facts.stats.way.echo = Some(Echo { delay_ms: 240, loss_db: 17.6 });
        });
        assert!(found.unwrap().text.ends_with("comes back from their side 240 ms later and 18 dB quieter"));
    }
}
