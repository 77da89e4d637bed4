//! The way between: addresses, strangers, ICE, keys.

use serde_json::json;

use super::facts::Facts;
use super::words::{seconds, unroutable};
use super::{Rule, Said, Severity};

pub(super) const RULES: &[(&str, Rule)] = &[
    ("their-address-private", their_address_private),
    ("nat", nat),
    ("strangers", strangers),
    ("no-path", no_path),
    ("relayed", relayed),
    ("no-keys", no_keys),
    ("voice-in-clear", voice_in_clear),
];

fn their_address_private(facts: &Facts) -> Option<Said> {
    let (to, server) = (facts.remote_rtp?, facts.server?);
    let why = unroutable(to.ip())?;
    let near =
        facts.local_rtp.is_some_and(|local| unroutable(local.ip()).is_some()) && unroutable(server.ip()).is_some();
    let learnt = facts.stats.way.from.is_some_and(|from| from != to);
    if facts.ice || near || learnt || facts.stats.way.from.is_some() {
        return None;
    }
    Said::new(
        Severity::Warning,
        format!("They want their sound sent to {to}, which is {why}, while you reach their server at {server}"),
        "What you send may reach nobody until a packet of theirs shows where they are: their side or the PBX has to name an address that can be reached",
        json!({"remoteRtp": to.to_string(), "server": server.to_string()}),
    )
}

fn nat(facts: &Facts) -> Option<Said> {
    let (from, named) = (facts.stats.way.from?, facts.remote_rtp?);
    if facts.ice || from == named {
        return None;
    }
    Said::new(
        Severity::Info,
        format!(
            "There is a NAT on their side: their packets come from {from} and not from {named}, as they said; you answer to where they come from"
        ),
        "Nothing to do while you hear each other",
        json!({"from": from.to_string(), "remoteRtp": named.to_string()}),
    )
}

fn strangers(facts: &Facts) -> Option<Said> {
    let count = facts.stats.foreign;
    if count == 0 {
        return None;
    }
    let (stranger, from) = (facts.stats.way.stranger, facts.stats.way.from.or(facts.remote_rtp));
    let unheard = facts.stats.rx_packets == 0;
    let whence = stranger.map(|stranger| format!(" from {stranger}")).unwrap_or_default();
    let whose = from.map(|from| format!("; their address is {from}")).unwrap_or_default();
    let one = if count == 1 { "packet was" } else { "packets were" };
    Said::new(
        if unheard || count >= 50 { Severity::Warning } else { Severity::Info },
        format!("{count} {one} dropped that somebody else sent{whence}, or that did not fit the keys{whose}"),
        "Either somebody disturbs, or their side sends from two addresses, or with other keys than it named",
        json!({"dropped": count, "stranger": stranger.map(|addr| addr.to_string()), "peer": from.map(|addr| addr.to_string())}),
    )
}

fn no_path(facts: &Facts) -> Option<Said> {
    if !facts.ice || facts.path.ice.is_some() || facts.answered_ms.is_none_or(|ms| ms < 2_000) {
        return None;
    }
    Said::new(
        Severity::Error,
        format!(
            "Nobody hears anybody: no path has been found between you in the {} since the answer (ICE)",
            seconds(facts.answered_ms.unwrap_or(0))
        ),
        "A STUN server finds your public address, and a TURN server helps where nothing else does: [webrtc] in the configuration",
        json!({"answeredMs": facts.answered_ms}),
    )
}

fn relayed(facts: &Facts) -> Option<Said> {
    let (local, remote) = facts.path.ice.as_ref().filter(|(local, remote)| local == "relay" || remote == "relay")?;
    Said::new(
        Severity::Info,
        "The sound goes by a relay (TURN): the direct way is closed, which costs time",
        "A firewall that lets UDP out to anywhere would open the direct way",
        json!({"local": local, "remote": remote, "rttMs": facts.stats.rtt_ms}),
    )
}

fn no_keys(facts: &Facts) -> Option<Said> {
    let late = facts.answered_ms.is_some_and(|ms| ms >= 3_000);
    let state = facts.path.dtls.as_str();
    if !facts.dtls || state == "connected" || (state != "failed" && !late) || (facts.ice && facts.path.ice.is_none()) {
        return None;
    }
    let how = if state == "failed" { "has failed" } else { "is not done" };
    Said::new(
        Severity::Error,
        format!("Nobody hears anybody: the handshake that makes the keys of the sound {how} (DTLS)"),
        "Their certificate may not be the one their description named, or a middlebox drops the handshake",
        json!({"dtls": state, "answeredMs": facts.answered_ms}),
    )
}

fn voice_in_clear(facts: &Facts) -> Option<Said> {
    if !facts.talks() || !facts.secure_sip || facts.suite.is_some() || facts.dtls {
        return None;
    }
    Said::new(
        Severity::Warning,
        "Whoever is on the way can listen: the signalling is encrypted, the voice is not",
        "srtp = \"require\" of the account refuses such calls; their side has to offer SRTP",
        json!({"secureSip": true, "srtp": null}),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says(rule: &str, change: impl FnOnce(&mut Facts)) -> Option<String> {
        Facts::with(rule, change).map(|finding| finding.text)
    }

    #[test]
    fn an_address_that_cannot_be_reached() {
        let private = |facts: &mut Facts| {
            (facts.remote_rtp, facts.stats.way.from) = (Some("10.1.2.3:4000".parse().unwrap()), None);
        };
        let text = "They want their sound sent to 10.1.2.3:4000, which is private, while you reach their server at 203.0.113.1:5061";
        assert_eq!(says("their-address-private", private).as_deref(), Some(text));
        let one_network = |facts: &mut Facts| {
            private(facts);
            facts.local_rtp = Some("10.1.2.9:20000".parse().unwrap());
            facts.server = Some("10.1.2.1:5060".parse().unwrap());
        };
        assert_eq!(says("their-address-private", one_network), None);
        let learnt = |facts: &mut Facts| facts.remote_rtp = Some("10.1.2.3:4000".parse().unwrap());
        assert_eq!(says("their-address-private", learnt), None, "their packets have shown where they are");
        assert!(says("nat", learnt).unwrap().contains("come from 203.0.113.5:4000 and not from 10.1.2.3:4000"));
    }

    #[test]
    fn packets_of_others() {
        let found = Facts::with("strangers", |facts| {
            (facts.stats.foreign, facts.stats.way.stranger) = (37, Some("198.51.100.66:999".parse().unwrap()));
        });
        let found = found.unwrap();
        assert_eq!(found.severity, Severity::Info);
        assert!(found.text.starts_with("37 packets were dropped that somebody else sent from 198.51.100.66:999"));
        let unheard = |facts: &mut Facts| (facts.stats.foreign, facts.stats.rx_packets) = (1, 0);
        assert_eq!(Facts::with("strangers", unheard).unwrap().severity, Severity::Warning);
    }

    #[test]
    fn paths_and_relays() {
        let pair = |local: &str| Some((local.to_owned(), "host".to_owned()));
        assert!(says("no-path", |facts| facts.ice = true).unwrap().contains("in the 60 s since the answer"));
        assert_eq!(says("no-path", |facts| (facts.ice, facts.path.ice) = (true, pair("host"))), None);
        assert_eq!(says("relayed", |facts| (facts.ice, facts.path.ice) = (true, pair("host"))), None);
        assert!(says("relayed", |facts| (facts.ice, facts.path.ice) = (true, pair("relay"))).is_some());
    }

    #[test]
    fn keys() {
        let dtls = |state: &'static str| move |facts: &mut Facts| (facts.dtls, facts.path.dtls) = (true, state.into());
        assert!(says("no-keys", dtls("connecting")).unwrap().contains("is not done"));
        assert!(says("no-keys", dtls("failed")).unwrap().contains("has failed"));
        assert_eq!(says("no-keys", dtls("connected")), None);
        assert!(says("voice-in-clear", |facts| facts.suite = None).is_some());
        assert_eq!(says("voice-in-clear", |facts| (facts.suite, facts.secure_sip) = (None, false)), None);
    }
}
