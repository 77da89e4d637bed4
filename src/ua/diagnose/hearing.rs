//! Why we do not hear them, or hear them badly.

use serde_json::json;

use super::facts::{Facts, Kind};
use super::words::{percent, seconds, time_of_day, unroutable};
use super::{Rule, Said, Severity};

pub(super) const RULES: &[(&str, Rule)] = &[
    ("nothing-comes", nothing_comes),
    ("their-packets-stopped", their_packets_stopped),
    ("they-are-silent", they_are_silent),
    ("loudspeaker-none", loudspeaker_none),
    ("loudspeaker-gone", loudspeaker_gone),
    ("loss-from-them", loss_from_them),
    ("late-from-them", late_from_them),
    ("uneven-from-them", uneven_from_them),
    ("long-delay", long_delay),
    ("poor-sound", poor_sound),
];

/// So much loss is heard, and so much is too much.
const LOSS: (f64, f64) = (0.015, 0.08);
/// So few packets say nothing of a line.
const FEW: u64 = 150;

fn nothing_comes(facts: &Facts) -> Option<Said> {
    if !facts.talks_for(3) || !facts.hears || facts.stats.rx_packets > 0 || facts.stats.way.rx_age_ms.is_some() {
        return None;
    }
    let told = facts.local_rtp?;
    let reach = unroutable(told.ip());
    let mut text = format!(
        "You cannot hear them: not one packet has come in the {} since the answer",
        seconds(facts.answered_ms.unwrap_or(0))
    );
    if facts.ice {
        text.push_str(", by no path");
    } else {
        text.push_str(&format!("; they were told to send to {told}"));
        text.push_str(&reach.map(|why| format!(", which is {why}")).unwrap_or_default());
    }
    let hint = match reach.filter(|_| !facts.ice && facts.server.is_some_and(|to| unroutable(to.ip()).is_none())) {
        Some(_) => {
            "Nobody outside of your network reaches that address: [sip] public_address names one that they do, or let the PBX relay the media"
        }
        None => "A firewall between you and them may drop UDP: the ports of [media] rtp_ports must be open",
    };
    let facts = json!({"localRtp": told.to_string(), "answeredMs": facts.answered_ms, "dropped": facts.stats.foreign});
    Said::new(Severity::Error, text, hint, facts)
}

fn their_packets_stopped(facts: &Facts) -> Option<Said> {
    let silent = facts.stalled_ms.filter(|_| facts.talks() && facts.hears && facts.stats.rx_packets > 0)?;
    let last = facts.stats.way.rx_age_ms.map_or(facts.wall - silent as i64, |age| facts.ago(age));
    let received = facts.stats.rx_packets;
    Said::new(
        Severity::Error,
        format!("You cannot hear them: their packets stopped at {}, after {received} of them", time_of_day(last)),
        "Their network or a NAT on the way may have changed: holding and resuming opens it anew, often",
        json!({"received": received, "lastAt": time_of_day(last)}),
    )
}

fn they_are_silent(facts: &Facts) -> Option<Said> {
    let level = facts.stats.rx_level_dbov;
    if !facts.talks() || !facts.far_silent || facts.stalled_ms.is_some() {
        return None;
    }
    Said::new(
        Severity::Warning,
        format!("You hear nothing though their packets come: there is only silence in them ({level:.0} dBov)"),
        "They may be muted, or their microphone is off",
        json!({"levelDbov": level, "received": facts.stats.rx_packets}),
    )
}

fn loudspeaker_none(facts: &Facts) -> Option<Said> {
    let id = &facts.output.id;
    let severity = if facts.phase == super::facts::Phase::Talking { Severity::Error } else { Severity::Warning };
    match facts.output.kind {
        Kind::Null if id == "null" => Said::new(
            severity,
            "You cannot hear them: the loudspeaker of this call is `null`, which is no device",
            "phonectl use DEVICE --as output (device.setRole) gives you another one, also in a call",
            json!({"output": id}),
        ),
        Kind::Null => Said::new(
            severity,
            format!("You cannot hear them: the loudspeaker of this call is {id:?}, and this host has none"),
            "Plug one in, or look whether the sound server runs (phonectl devices)",
            json!({"output": id}),
        ),
        Kind::Made | Kind::Real | Kind::Gone => None,
    }
}

fn loudspeaker_gone(facts: &Facts) -> Option<Said> {
    (facts.output.kind == Kind::Gone).then_some(())?;
    let id = &facts.output.id;
    Said::new(
        Severity::Error,
        format!("You cannot hear them: the loudspeaker {id:?} is not there"),
        "Plug it in again: the sound comes back by itself; or choose another one with device.setRole",
        json!({"output": id}),
    )
}

fn loss_from_them(facts: &Facts) -> Option<Said> {
    let (lost, received) = (facts.stats.rx_lost, facts.stats.rx_packets);
    let share = lost as f64 / (received + lost).max(1) as f64;
    if received + lost < FEW || share < LOSS.0 {
        return None;
    }
    let air = if facts.network == "wifi" { ", over Wi-Fi" } else { "" };
    Said::new(
        if share < LOSS.1 { Severity::Warning } else { Severity::Error },
        format!("{} of their packets are lost on the way to you ({lost} of {}){air}", percent(share), received + lost),
        match facts.network.as_str() {
            "wifi" => "A cable in place of Wi-Fi often helps",
            _ => "The network is overloaded or broken somewhere: compare with a call inside of your own network",
        },
        json!({
            "lossPct": share * 100.0, "lost": lost, "received": received, "network": facts.network,
            "concealedPct": facts.stats.concealed_pct,
        }),
    )
}

fn late_from_them(facts: &Facts) -> Option<Said> {
    let unused = facts.stats.late + facts.stats.discarded;
    let (received, share) = (facts.stats.rx_packets, unused as f64 / facts.stats.rx_packets.max(1) as f64);
    if received < FEW || share < 0.01 {
        return None;
    }
    Said::new(
        Severity::Warning,
        format!("{} of their packets came too late to be played ({unused} of {received})", percent(share)),
        "Something delays packets in bursts: Wi-Fi, a full uplink, or a host that has too much to do",
        json!({"late": facts.stats.late, "discarded": facts.stats.discarded, "received": received}),
    )
}

fn uneven_from_them(facts: &Facts) -> Option<Said> {
    let (now, most, buffer) = (facts.stats.rx_jitter_ms, facts.stats.rx_jitter_max_ms, facts.stats.jitter_buffer_ms);
    if facts.stats.rx_packets < FEW || now < 30.0 {
        return None;
    }
    Said::new(
        Severity::Warning,
        format!(
            "Their packets come unevenly: {now:.0} ms of jitter now, {most:.0} ms at most; {buffer:.0} ms of delay even it out"
        ),
        "Something else fills the network, on their side or yours",
        json!({"jitterMs": now, "jitterMaxMs": most, "jitterBufferMs": buffer}),
    )
}

fn long_delay(facts: &Facts) -> Option<Said> {
    let (trip, buffer) = (facts.stats.rtt_ms.unwrap_or(0.0), facts.stats.jitter_buffer_ms);
    let way = trip / 2.0 + buffer + f64::from(facts.ptime);
    if way < 250.0 {
        return None;
    }
    let relayed = facts.path.result == "turn";
    Said::new(
        Severity::Warning,
        format!(
            "You hear each other {way:.0} ms late: {trip:.0} ms for a round trip and {buffer:.0} ms in the jitter buffer{}",
            if relayed { ", by a relay" } else { "" }
        ),
        "Above 250 ms people begin to interrupt each other; a nearer server or relay shortens it",
        json!({"delayMs": way, "rttMs": facts.stats.rtt_ms, "jitterBufferMs": buffer, "relayed": relayed}),
    )
}

fn poor_sound(facts: &Facts) -> Option<Said> {
    let (mos, stats) = (facts.stats.mos, &facts.stats);
    if !facts.talks() || mos <= 0.0 || mos >= 3.6 || stats.rx_packets < FEW {
        return None;
    }
    Said::new(
        if mos < 2.6 { Severity::Error } else { Severity::Warning },
        format!("The call rates {mos:.1} of 4.5 by what is lost and late (MOS); people are content above 4"),
        "The other findings say what makes it so",
        json!({"mos": mos, "rFactor": stats.r_factor, "concealedPct": stats.concealed_pct}),
    )
}

#[cfg(test)]
mod tests {
    use super::super::facts::Phase;
    use super::*;

    /// The text of a rule, after a change.
    fn says(rule: &str, change: impl FnOnce(&mut Facts)) -> Option<String> {
        Facts::with(rule, change).map(|finding| finding.text)
    }

    #[test]
    fn nothing_comes_at_all() {
        let nothing = |facts: &mut Facts| {
            (facts.stats.rx_packets, facts.stats.way.rx_age_ms, facts.answered_ms) = (0, None, Some(12_400));
        };
        let found = Facts::with("nothing-comes", |facts| {
            nothing(facts);
            facts.local_rtp = Some("192.168.1.5:20000".parse().unwrap());
        });
        let found = found.unwrap();
        let text = "You cannot hear them: not one packet has come in the 12 s since the answer; \
                    they were told to send to 192.168.1.5:20000, which is private";
        assert_eq!((found.text.as_str(), found.severity), (text, Severity::Error));
        assert!(found.hint.contains("public_address"), "{}", found.hint);
        assert!(Facts::with("nothing-comes", nothing).unwrap().hint.contains("firewall"));
        let held = |facts: &mut Facts| {
            nothing(facts);
            facts.hears = false;
        };
        assert_eq!(says("nothing-comes", held), None);
        let early = |facts: &mut Facts| {
            nothing(facts);
            facts.answered_ms = Some(1_000);
        };
        assert_eq!(says("nothing-comes", early), None);
    }

    #[test]
    fn they_stop() {
        let stop = |facts: &mut Facts| (facts.stalled_ms, facts.stats.way.rx_age_ms) = (Some(10_000), Some(60_000));
        let text = "You cannot hear them: their packets stopped at 14:02:07 UTC, after 3000 of them";
        assert_eq!(says("their-packets-stopped", stop).as_deref(), Some(text));
    }

    #[test]
    fn they_say_nothing() {
        let silent = |facts: &mut Facts| (facts.far_silent, facts.stats.rx_level_dbov) = (true, -127.0);
        assert!(says("they-are-silent", silent).unwrap().contains("only silence in them (-127 dBov)"));
    }

    #[test]
    fn no_loudspeaker() {
        let none = |facts: &mut Facts| (facts.output.kind, facts.output.id) = (Kind::Null, "null".into());
        assert!(says("loudspeaker-none", none).unwrap().contains("`null`"));
        assert!(
            says("loudspeaker-none", |facts| facts.output.kind = Kind::Null).unwrap().contains("this host has none")
        );
        assert!(says("loudspeaker-gone", |facts| facts.output.kind = Kind::Gone).unwrap().contains("pulse:headset"));
        let ringing = Facts::with("loudspeaker-none", |facts| {
            (facts.phase, facts.output.kind) = (Phase::Ringing, Kind::Null);
        });
        assert_eq!(ringing.unwrap().severity, Severity::Warning);
    }

    #[test]
    fn loss() {
        let lost = |lost| move |facts: &mut Facts| facts.stats.rx_lost = lost;
        assert_eq!(says("loss-from-them", lost(40)), None);
        let text = "3.2 % of their packets are lost on the way to you (100 of 3100)";
        assert_eq!(says("loss-from-them", lost(100)).as_deref(), Some(text));
        assert_eq!(Facts::with("loss-from-them", lost(400)).unwrap().severity, Severity::Error);
        let air = |facts: &mut Facts| (facts.stats.rx_lost, facts.network) = (100, "wifi".into());
        assert!(says("loss-from-them", air).unwrap().ends_with(", over Wi-Fi"));
    }

    #[test]
    fn late_and_uneven() {
        let late = |facts: &mut Facts| (facts.stats.late, facts.stats.discarded) = (60, 30);
        assert!(says("late-from-them", late).unwrap().starts_with("3.0 % of their packets came too late"));
        let uneven = |facts: &mut Facts| {
            (facts.stats.rx_jitter_ms, facts.stats.rx_jitter_max_ms, facts.stats.jitter_buffer_ms) =
                (45.0, 120.0, 90.0);
        };
        let text = "Their packets come unevenly: 45 ms of jitter now, 120 ms at most; 90 ms of delay even it out";
        assert_eq!(says("uneven-from-them", uneven).as_deref(), Some(text));
    }

    #[test]
    fn delay_and_quality() {
        let far = |facts: &mut Facts| (facts.stats.rtt_ms, facts.path.result) = (Some(520.0), "turn".into());
        let text =
            "You hear each other 310 ms late: 520 ms for a round trip and 30 ms in the jitter buffer, by a relay";
        assert_eq!(says("long-delay", far).as_deref(), Some(text));
        assert!(says("poor-sound", |facts| facts.stats.mos = 3.12).unwrap().starts_with("The call rates 3.1 of 4.5"));
    }
}
