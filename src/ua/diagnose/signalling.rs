//! What SIP itself tells: who does not answer, what was agreed, what of ours is lost.

use serde_json::json;

use super::facts::{Facts, Phase};
use super::words::seconds;
use super::{Rule, Said, Severity};

pub(super) const RULES: &[(&str, Rule)] = &[
    ("not-on-its-way", not_on_its_way),
    ("does-not-ring", does_not_ring),
    ("no-ack", no_ack),
    ("not-registered", not_registered),
    ("connection-lost", connection_lost),
    ("sound-fault", sound_fault),
    ("no-digits", no_digits),
    ("narrow-sound", narrow_sound),
];

fn not_on_its_way(facts: &Facts) -> Option<Said> {
    if facts.phase != Phase::Preparing || facts.age_ms < 3_000 || facts.end.is_some() {
        return None;
    }
    Said::new(
        Severity::Warning,
        format!(
            "The call is not on its way after {}: a name is still looked up, or a connection opened",
            seconds(facts.age_ms)
        ),
        "Look whether the server's name resolves and its port can be reached from here",
        json!({"ageMs": facts.age_ms, "server": facts.server.map(|addr| addr.to_string())}),
    )
}

fn does_not_ring(facts: &Facts) -> Option<Said> {
    if facts.phase != Phase::Calling || facts.age_ms < 5_000 || facts.end.is_some() {
        return None;
    }
    let server = facts.server.map(|addr| addr.to_string());
    Said::new(
        Severity::Warning,
        format!(
            "It does not ring there yet, {} after the INVITE went to {}",
            seconds(facts.age_ms),
            server.as_deref().unwrap_or("their server")
        ),
        "The server may be out of reach, or still searching for them; after 32 s without any answer the call fails",
        json!({"ageMs": facts.age_ms, "server": server}),
    )
}

fn no_ack(facts: &Facts) -> Option<Said> {
    let waited = facts.unacked_ms.filter(|ms| *ms >= 2_000 && facts.end.is_none())?;
    Said::new(
        Severity::Warning,
        format!("They may not know that you have answered: your 200 has no ACK after {}", seconds(waited)),
        "The address in your Contact may not be reachable for them: a NAT, or a proxy that does not keep itself in the path; without an ACK the call ends after 32 s",
        json!({"waitedMs": waited, "server": facts.server.map(|addr| addr.to_string())}),
    )
}

fn not_registered(facts: &Facts) -> Option<Said> {
    if !facts.registers || facts.registered || facts.end.is_some() {
        return None;
    }
    let why = facts.trouble.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
    let often = match facts.failures {
        0 => String::new(),
        1 => " after one failure".into(),
        times => format!(" after {times} failures in a row"),
    };
    Said::new(
        Severity::Warning,
        format!("Your account is not registered now{often}{why}; nobody can call you, and a transfer may fail"),
        "phonectl accounts shows when it is tried again; phonectl register tries at once",
        json!({"failures": facts.failures, "reason": facts.trouble}),
    )
}

fn connection_lost(facts: &Facts) -> Option<Said> {
    if !facts.moved || facts.end.is_some() {
        return None;
    }
    Said::new(
        Severity::Warning,
        "The connection to the server was lost, and they do not know your new address yet; the sound is not concerned",
        "It is opened again by itself, and the call is told to them anew",
        json!({"server": facts.server.map(|addr| addr.to_string())}),
    )
}

fn sound_fault(facts: &Facts) -> Option<Said> {
    let fault = facts.fault.as_ref()?;
    Said::new(
        Severity::Warning,
        format!("Something of the sound failed here: {fault}"),
        "phonectl devices shows what there is; device.setRole chooses another",
        json!({"reason": fault}),
    )
}

fn no_digits(facts: &Facts) -> Option<Said> {
    if !facts.talks() || facts.digits {
        return None;
    }
    Said::new(
        Severity::Info,
        "Their side takes no digits as RTP events: yours go by SIP INFO, or as tones in the sound",
        "If a menu does not understand them, try phonectl dtmf with another method: info or inband",
        json!({"telephoneEvent": false, "codec": facts.codec.map(|codec| codec.name())}),
    )
}

fn narrow_sound(facts: &Facts) -> Option<Said> {
    let (used, best) = (facts.codec?, facts.best_codec?);
    if !facts.talks() || used.rate() >= 16_000 || best.rate() < 16_000 {
        return None;
    }
    Said::new(
        Severity::Info,
        format!(
            "The sound is that of an old telephone, up to 3.4 kHz: {} was agreed, though you prefer {}",
            used.name(),
            best.name()
        ),
        "Their side, or a gateway between, has no better codec",
        json!({"codec": used.name(), "preferred": best.name()}),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sdp::CodecKind;

    fn says(rule: &str, change: impl FnOnce(&mut Facts)) -> Option<String> {
        Facts::with(rule, change).map(|finding| finding.text)
    }

    #[test]
    fn a_call_that_is_not_heard_of() {
        let at = |phase, age_ms| move |facts: &mut Facts| (facts.phase, facts.age_ms) = (phase, age_ms);
        assert!(says("not-on-its-way", at(Phase::Preparing, 4_000)).unwrap().contains("after 4 s"));
        assert_eq!(says("not-on-its-way", at(Phase::Preparing, 1_000)), None);
        let text = "It does not ring there yet, 7 s after the INVITE went to 203.0.113.1:5061";
        assert_eq!(says("does-not-ring", at(Phase::Calling, 7_200)).as_deref(), Some(text));
        assert_eq!(says("does-not-ring", at(Phase::Ringing, 7_200)), None);
    }

    #[test]
    fn an_answer_without_an_ack() {
        assert!(says("no-ack", |facts| facts.unacked_ms = Some(8_000)).unwrap().ends_with("has no ACK after 8 s"));
        assert_eq!(says("no-ack", |facts| facts.unacked_ms = Some(500)), None);
    }

    #[test]
    fn registration_and_connection() {
        let lost = |facts: &mut Facts| {
            (facts.registered, facts.failures, facts.trouble) = (false, 3, Some("connection refused".into()));
        };
        let text = "Your account is not registered now after 3 failures in a row: connection refused; \
                    nobody can call you, and a transfer may fail";
        assert_eq!(says("not-registered", lost).as_deref(), Some(text));
        assert_eq!(says("not-registered", |facts| (facts.registered, facts.registers) = (false, false)), None);
        assert!(says("connection-lost", |facts| facts.moved = true).is_some());
    }

    #[test]
    fn what_was_agreed_and_what_failed() {
        assert!(
            says("sound-fault", |facts| facts.fault = Some("no RTP port".into())).unwrap().ends_with("no RTP port")
        );
        assert!(says("no-digits", |facts| facts.digits = false).is_some());
        assert!(says("narrow-sound", |facts| facts.codec = Some(CodecKind::Pcma)).unwrap().contains("PCMA was agreed"));
        let wanted =
            |facts: &mut Facts| (facts.codec, facts.best_codec) = (Some(CodecKind::Pcma), Some(CodecKind::Pcma));
        assert_eq!(says("narrow-sound", wanted), None);
    }
}
