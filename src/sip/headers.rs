//! Header names and values as text: compact names, which headers are lists, how a list is cut (RFC 3261 §7.3).

/// Compact names and their long ones (the IANA registry of SIP header fields).
const COMPACT: &[(u8, &str)] = &[
    (b'a', "Accept-Contact"),
    (b'b', "Referred-By"),
    (b'c', "Content-Type"),
    (b'd', "Request-Disposition"),
    (b'e', "Content-Encoding"),
    (b'f', "From"),
    (b'i', "Call-ID"),
    (b'j', "Reject-Contact"),
    (b'k', "Supported"),
    (b'l', "Content-Length"),
    (b'm', "Contact"),
    (b'n', "Identity-Info"),
    (b'o', "Event"),
    (b'r', "Refer-To"),
    (b's', "Subject"),
    (b't', "To"),
    (b'u', "Allow-Events"),
    (b'v', "Via"),
    (b'x', "Session-Expires"),
    (b'y', "Identity"),
];

/// Comma lists whose elements are addresses or hops: a message keeps them one to a line, so that the topmost can be
/// taken off or put on.
const HOP_LISTS: &[&str] = &[
    "Via",
    "Contact",
    "Route",
    "Record-Route",
    "Path",
    "Service-Route",
    "P-Asserted-Identity",
    "P-Preferred-Identity",
    "P-Associated-URI",
    "Diversion",
    "History-Info",
    "Remote-Party-ID",
];

/// Comma lists of words: kept as they came, cut when they are read.
const WORD_LISTS: &[&str] = &[
    "Allow",
    "Supported",
    "Require",
    "Proxy-Require",
    "Unsupported",
    "Allow-Events",
    "Accept",
    "Accept-Encoding",
    "Accept-Language",
    "Alert-Info",
    "Call-Info",
    "Content-Encoding",
    "Content-Language",
    "Error-Info",
    "In-Reply-To",
    "Reason",
    "Warning",
];

/// The long name of a compact one; any other name as it is.
pub fn long_name(name: &str) -> &str {
    match name.as_bytes() {
        [letter] => {
            let letter = letter.to_ascii_lowercase();
            COMPACT.iter().find(|(short, _)| *short == letter).map_or(name, |(_, long)| long)
        }
        _ => name,
    }
}

pub(super) fn is_hop_list(name: &str) -> bool {
    HOP_LISTS.iter().any(|known| known.eq_ignore_ascii_case(name))
}

pub(super) fn is_list(name: &str) -> bool {
    is_hop_list(name) || WORD_LISTS.iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// A `token` of RFC 3261 §25.1: what a header name, a method or an option tag must be.
pub fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(is_token_byte)
}

pub(super) fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&byte)
}

/// What a line may not contain (CR, LF, NUL) replaced by spaces: text from outside can never become a line of its own.
pub fn one_line(text: String) -> String {
    if text.bytes().any(|byte| matches!(byte, b'\r' | b'\n' | 0)) {
        text.replace(['\r', '\n', '\0'], " ")
    } else {
        text
    }
}

/// Cuts at the commas that are outside quoted strings and angle brackets; elements are trimmed, empty ones left out.
pub fn split_list(value: &str) -> impl Iterator<Item = &str> {
    split_outside(value, b',').map(trim).filter(|element| !element.is_empty())
}

/// Cuts at every `separator` outside quoted strings and angle brackets.
pub(super) fn split_outside(value: &str, separator: u8) -> impl Iterator<Item = &str> {
    let mut rest = Some(value);
    std::iter::from_fn(move || {
        let text = rest?;
        match find_outside(text, separator) {
            Some(at) => {
                rest = Some(&text[at + 1..]);
                Some(&text[..at])
            }
            None => rest.take(),
        }
    })
}

/// Where `wanted` (ASCII) first stands outside quoted strings and angle brackets.
pub(super) fn find_outside(text: &str, wanted: u8) -> Option<usize> {
    let (mut quoted, mut angled, mut escaped) = (false, false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' if !angled => quoted = !quoted,
            _ if quoted => {}
            _ if byte == wanted && !angled => return Some(at),
            b'<' => angled = true,
            b'>' => angled = false,
            _ => {}
        }
    }
    None
}

/// Without the white space of RFC 3261's LWS around it.
pub(super) fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t', '\r', '\n'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_cut_outside_quotes_and_brackets() {
        let cut = |value| split_list(value).collect::<Vec<_>>();
        assert_eq!(cut("a, b ,,c"), ["a", "b", "c"]);
        assert_eq!(cut(r#""x, \", y" <sip:a,b@c>;q=1 , <sip:d>"#), [r#""x, \", y" <sip:a,b@c>;q=1"#, "<sip:d>"]);
        assert_eq!(cut(r#""never closed, x"#), [r#""never closed, x"#]);
        assert!(cut(" , ").is_empty());
    }

    #[test]
    fn compact_names_grow() {
        assert_eq!(long_name("V"), "Via");
        assert_eq!(long_name("x"), "Session-Expires");
        assert_eq!(long_name("Via"), "Via");
        assert_eq!(long_name("z"), "z");
    }

    #[test]
    fn text_stays_on_one_line() {
        assert_eq!(one_line("a\r\nVia: x\0".into()), "a  Via: x ");
    }
}
