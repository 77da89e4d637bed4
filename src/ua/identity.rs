//! Who calls: what the trusted side asserts first (RFC 3325), then Remote-Party-ID, then From; and the headers that users see.

use std::collections::BTreeMap;

use super::settings::{AutoAnswer, AutoAnswerPolicy};
use crate::sip::message::Message;
use crate::sip::uri::NameAddr;

/// The other party as an INVITE names it. A caller that wants privacy is shown as its From says (RFC 3323, 3325 §7).
pub(super) fn caller(msg: &Message) -> Option<NameAddr> {
    let from = msg.from()?;
    let wants_privacy =
        msg.headers("Privacy").flat_map(|p| p.split(';')).any(|p| matches!(p.trim(), "id" | "user" | "header"));
    let asserted = || msg.headers("P-Asserted-Identity").find_map(|v| NameAddr::parse(v).ok());
    let remote_party = || {
        let party = msg.header("Remote-Party-ID").and_then(|v| NameAddr::parse(v).ok())?;
        (party.params.get("privacy").is_none_or(|p| p == "off")).then_some(party)
    };
    if wants_privacy {
        return Some(from);
    }
    let better = asserted().or_else(remote_party).filter(|party| party.sip_uri().is_ok());
    Some(better.map_or_else(
        || from.clone(),
        |party| NameAddr { display: party.display.or_else(|| from.display.clone()), ..party },
    ))
}

/// The user part of an address, unescaped; the host where there is none.
pub(super) fn user_of(address: &NameAddr) -> String {
    address.sip_uri().map_or_else(
        |_| address.uri.clone(),
        |uri| if uri.user.is_some() { uri.user_unescaped() } else { uri.host.clone() },
    )
}

/// After how many ms an INVITE is answered by itself, as the account and the PBX want it.
pub(super) fn answers_after(account: Option<AutoAnswer>, msg: &Message) -> Option<u64> {
    match account? {
        AutoAnswer::After(ms) => Some(ms),
        AutoAnswer::Policy(AutoAnswerPolicy::Header) => asked_to_answer(msg),
    }
}

/// `Call-Info: <…>;answer-after=N` (s), or `Alert-Info: <…>;info=alert-autoanswer`: what PBXs send for an intercom or a dialler.
fn asked_to_answer(msg: &Message) -> Option<u64> {
    let param = |header: &str, name: &str| {
        let parts = msg.headers(header).flat_map(|value| value.split([';', ',']));
        let pairs = parts.filter_map(|part| part.split_once('='));
        let found = pairs.filter(|(key, _)| key.trim().eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.trim().trim_matches('"').to_ascii_lowercase()).next()
    };
    let after = param("Call-Info", "answer-after").and_then(|seconds| seconds.parse::<u64>().ok());
    let at_once = || param("Alert-Info", "info").filter(|info| info == "alert-autoanswer").map(|_| 0);
    after.map(|seconds| seconds.saturating_mul(1000)).or_else(at_once)
}

/// The headers of an INVITE that `[phone] headers` lets users see. A name may end in `*`.
pub(super) fn shown_headers(msg: &Message, allowed: &[String]) -> BTreeMap<String, String> {
    let fits = |name: &str, pattern: &str| match pattern.strip_suffix('*') {
        Some(start) => name.get(..start.len()).is_some_and(|n| n.eq_ignore_ascii_case(start)),
        None => name.eq_ignore_ascii_case(pattern),
    };
    let names = msg.header_names().filter(|name| allowed.iter().any(|pattern| fits(name, pattern)));
    names.filter_map(|name| Some((name.to_owned(), msg.header(name)?.to_owned()))).collect()
}

#[cfg(test)]
mod tests {
    use super::{caller, shown_headers, user_of};
    use crate::sip::message::Message;

    fn invite(extra: &str) -> Message {
        let text = format!(
            "INVITE sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP c;branch=z9hG4bKx\r\nFrom: \"Desk\" <sip:100@c>;tag=1\r\nTo: <sip:a@b>\r\n\
             Call-ID: 1\r\nCSeq: 1 INVITE\r\nMax-Forwards: 70\r\nContact: <sip:100@c>\r\n{extra}Content-Length: 0\r\n\r\n"
        );
        Message::parse(text.as_bytes()).expect("a message")
    }

    #[test]
    fn the_asserted_identity_comes_first() {
        for (extra, number, name) in [
            ("", "100", Some("Desk")),
            ("P-Asserted-Identity: \"Anna\" <sip:+4930123@c>\r\n", "+4930123", Some("Anna")),
            ("P-Asserted-Identity: <tel:+4930123>\r\n", "+4930123", Some("Desk")),
            ("P-Asserted-Identity: <sip:+4930123@c>\r\nPrivacy: id\r\n", "100", Some("Desk")),
            ("Remote-Party-ID: \"Bert\" <sip:200@c>;party=calling;privacy=off\r\n", "200", Some("Bert")),
            ("Remote-Party-ID: <sip:200@c>;privacy=full\r\n", "100", Some("Desk")),
        ] {
            let found = caller(&invite(extra)).expect("a caller");
            assert_eq!((user_of(&found).as_str(), found.display.as_deref()), (number, name), "{extra:?}");
        }
    }

    #[test]
    fn only_listed_headers_are_shown() {
        let msg = invite("X-Campaign: spring\r\nX-Secret: no\r\nUser-to-User: 3132;encoding=hex\r\n");
        let shown = shown_headers(&msg, &["x-camp*".into(), "User-to-User".into()]);
        assert_eq!(shown.len(), 2);
        assert_eq!(shown.get("X-Campaign").map(String::as_str), Some("spring"));
    }
}
