//! What a user dials, turned into a Request-URI.

use super::e164::plain;
use crate::sip::uri::{SipUri, escape_typed_user, unescape};

/// The Request-URI for `number` dialled from an account of `domain` (host, with a port if its URI has one).
/// None when it is neither a number nor a `sip:`, `sips:` or `tel:` URI.
pub(super) fn request_uri(number: &str, domain: &str) -> Option<String> {
    let number = number.trim();
    if number.is_empty() || number.len() > 255 || number.chars().any(char::is_control) {
        return None;
    }
    let lower = number.to_ascii_lowercase();
    if lower.starts_with("tel:") {
        return of_tel(number, domain);
    }
    if lower.starts_with("sip:") || lower.starts_with("sips:") {
        return SipUri::parse(number).ok().filter(|u| u.headers.is_empty()).map(|_| number.to_owned());
    }
    if let Some((user, host)) = number.split_once('@') {
        let uri = format!("sip:{}@{host}", escape_typed_user(user));
        return SipUri::parse(&uri).ok().map(|_| uri);
    }
    let dialled: String = number.chars().filter(|c| !matches!(c, ' ' | '-' | '(' | ')' | '.' | '/')).collect();
    let legal = |c: char| c.is_ascii_alphanumeric() || "+*#_~!".contains(c);
    let user =
        if dialled.chars().all(|c| c.is_ascii_digit() || "+*#".contains(c)) { dialled } else { number.to_owned() };
    if user.is_empty() || !user.chars().all(|c| legal(c) || "-.".contains(c)) {
        return None;
    }
    Some(format!("sip:{}@{domain}", escape_typed_user(&user)))
}

/// A number that a page or a desktop hands over (RFC 3966): a PBX takes it as a number of its own domain. A local number stands
/// behind the prefix of its context.
fn of_tel(uri: &str, domain: &str) -> Option<String> {
    let uri = SipUri::parse(&unescape(uri).replace(' ', "")).ok()?;
    let number = plain(uri.user.as_deref()?);
    let context = uri.params.get("phone-context").map(plain).filter(|context| context.starts_with('+'));
    let number = match context {
        Some(context) if !number.starts_with('+') => context + &number,
        _ => number,
    };
    let digits = number.strip_prefix('+').unwrap_or(&number);
    let right = !digits.is_empty() && digits.chars().all(|c| c.is_ascii_digit() || "*#".contains(c));
    right.then(|| format!("sip:{}@{domain}", escape_typed_user(&number)))
}

/// Something that can be dialled: a number, a user name, a `sip:` or a `tel:` URI.
pub fn dialable(number: &str) -> bool {
    request_uri(number, "localhost").is_some()
}

#[cfg(test)]
mod tests {
    use super::request_uri;

    #[test]
    fn numbers_become_uris() {
        for (dialled, uri) in [
            ("100", Some("sip:100@pbx.example")),
            ("+49 (30) 1234-5", Some("sip:+49301234 5@pbx.example")),
            ("*72#", Some("sip:*72%23@pbx.example")),
            ("alice", Some("sip:alice@pbx.example")),
            ("sip:bob@10.0.0.1:5070", Some("sip:bob@10.0.0.1:5070")),
            ("sips:bob@pbx.example", Some("sips:bob@pbx.example")),
            ("bob@10.0.0.1", Some("sip:bob@10.0.0.1")),
            ("", None),
            ("a b", None),
            ("1\r\nX: y", None),
            ("sip:", None),
            ("tel:+49-30-12345", Some("sip:+493012345@pbx.example")),
            ("TEL:%2B49%20(30)%2012345", Some("sip:+493012345@pbx.example")),
            ("tel:12345;phone-context=+49-30", Some("sip:+493012345@pbx.example")),
            ("tel:1001;phone-context=example.com", Some("sip:1001@pbx.example")),
            ("tel:*72#", Some("sip:*72%23@pbx.example")),
            ("tel:", None),
            ("tel:+49%0D%0AX:y", None),
            ("tel:abc", None),
        ] {
            assert_eq!(request_uri(dialled, "pbx.example"), uri.map(|u| u.replace(' ', "")), "{dialled:?}");
        }
    }
}
