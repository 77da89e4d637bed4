//! When two URIs are the same (RFC 3261 §19.1.4, RFC 3966 §5).

use std::net::Ipv6Addr;

use super::uri::{SipUri, escaped_byte};

/// Parameters that must be in both or in neither; others count only where both have them.
const STRICT: &[&str] = &["user", "ttl", "method", "maddr", "transport"];

pub(super) fn equivalent(a: &SipUri, b: &SipUri) -> bool {
    if a.scheme != b.scheme {
        return false;
    }
    if a.scheme == "tel" {
        return number(a) == number(b) && same_params(a, b, |_| true);
    }
    let user = |uri: &SipUri| uri.user.as_deref().map(plain);
    let password = |uri: &SipUri| uri.password.as_deref().map(plain);
    user(a) == user(b)
        && password(a) == password(b)
        && same_host(&a.host, &b.host)
        && a.port == b.port
        && same_params(a, b, |name| STRICT.iter().any(|strict| strict.eq_ignore_ascii_case(name)))
        && headers(a) == headers(b)
}

/// A telephone number without its visual separators.
fn number(uri: &SipUri) -> String {
    let number = uri.user.as_deref().unwrap_or("");
    number.chars().filter(|c| !matches!(c, '-' | '.' | '(' | ')')).map(|c| c.to_ascii_lowercase()).collect()
}

fn same_host(a: &str, b: &str) -> bool {
    match (a.parse::<Ipv6Addr>(), b.parse::<Ipv6Addr>()) {
        (Ok(a), Ok(b)) => a == b,
        _ => a.eq_ignore_ascii_case(b),
    }
}

fn same_params(a: &SipUri, b: &SipUri, strict: impl Fn(&str) -> bool) -> bool {
    let one_way = |from: &SipUri, to: &SipUri| {
        from.params.0.iter().all(|(name, _)| match (from.params.get(name), to.params.get(name)) {
            (Some(value), Some(other)) => plain(value).eq_ignore_ascii_case(&plain(other)),
            _ => !strict(name),
        })
    };
    one_way(a, b) && one_way(b, a)
}

/// Headers are never ignored; their order is.
fn headers(uri: &SipUri) -> Vec<(String, String)> {
    let pieces = uri.headers.split('&').filter(|piece| !piece.is_empty());
    let mut headers: Vec<_> = pieces
        .map(|piece| piece.split_once('=').unwrap_or((piece, "")))
        .map(|(name, value)| (plain(name).to_ascii_lowercase(), plain(value)))
        .collect();
    headers.sort();
    headers
}

/// A text in which escapes that need not be are resolved; those of reserved characters stay, in upper case.
fn plain(text: &str) -> String {
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        match (first, escaped_byte(tail)) {
            (b'%', Some(byte)) => {
                rest = &tail[2..];
                if byte.is_ascii_alphanumeric() || b"-_.!~*'()".contains(&byte) {
                    plain.push(byte);
                } else {
                    plain.extend(format!("%{byte:02X}").bytes());
                }
            }
            _ => plain.push(*first),
        }
    }
    String::from_utf8_lossy(&plain).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_3261_19_1_4() {
        let same = [
            ("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtlanTa.CoM;Transport=tcp"),
            ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
            ("sip:carol@chicago.com;newparam=5", "sip:carol@chicago.com;security=on"),
            (
                "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
                "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
            ),
            (
                "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
                "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
            ),
            ("sip:a@[2001:db8::1]", "sip:a@[2001:DB8:0::1]"),
            ("tel:+1-201-555-0123", "tel:+12015550123"),
        ];
        let different = [
            ("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"),
            ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
            ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"),
            ("sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp"),
            ("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"),
            ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"),
            ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off"),
            ("sip:a@b", "sips:a@b"),
            ("sip:b", "sip:a@b"),
            ("sip:a%3Bb@c", "sip:a;b@c"),
        ];
        let read = |text| SipUri::parse(text).unwrap();
        for (a, b) in same {
            assert!(read(a).equivalent(&read(b)) && read(b).equivalent(&read(a)), "{a} {b}");
        }
        for (a, b) in different {
            assert!(!read(a).equivalent(&read(b)) && !read(b).equivalent(&read(a)), "{a} {b}");
        }
    }
}
