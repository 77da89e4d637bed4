//! `"Display" <uri>;params`: the value of From, To, Contact, Route… (RFC 3261 §20.10).

use std::fmt;

use serde::{Deserialize, Serialize};

use super::headers::{find_outside, trim};
use super::params::Params;
use super::uri::{SipUri, UriError, write_token};

/// An address with its display name and header parameters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NameAddr {
    /// The display name without quotes and escapes.
    pub display: Option<String>,
    /// The URI as it came: any scheme, not looked into.
    pub uri: String,
    /// The header's parameters (`tag`, `expires`…), not the URI's.
    pub params: Params,
}

impl NameAddr {
    /// Reads a name-addr or an addr-spec, whose `;` begin header parameters.
    ///
    /// Lenient where only one meaning is left: commas and dots in a display name without quotes (RFC 4475 §3.1.2.15),
    /// space inside the brackets (§3.1.2.14).
    pub fn parse(text: &str) -> Result<NameAddr, UriError> {
        let text = trim(text);
        let (display, rest) = match text.strip_prefix('"') {
            Some(quoted) => {
                let (display, rest) = unquote(quoted).ok_or(UriError::Malformed("quoted string without an end"))?;
                (display, trim(rest))
            }
            None => match text.find('<') {
                Some(open) if text[..open].contains(|c: char| c.is_ascii_control() && c != '\t') => {
                    return Err(UriError::Malformed("control character in a display name"));
                }
                Some(open) => (trim(&text[..open]).to_owned(), &text[open..]),
                None => return addr_spec(text),
            },
        };
        let (uri, params) = rest
            .strip_prefix('<')
            .and_then(|inside| inside.split_once('>'))
            .ok_or(UriError::Malformed("address without brackets"))?;
        let params = trim(params);
        if !params.is_empty() && !params.starts_with(';') {
            return Err(UriError::Malformed("text after the address"));
        }
        let display = (!display.is_empty()).then_some(display);
        Ok(NameAddr { display, uri: opaque_uri(uri)?, params: Params::parse(params) })
    }

    /// The URI, read.
    pub fn sip_uri(&self) -> Result<SipUri, UriError> {
        SipUri::parse(&self.uri)
    }

    /// The tag of a From or To.
    pub fn tag(&self) -> Option<&str> {
        self.params.get("tag").filter(|tag| !tag.is_empty())
    }
}

/// Without brackets everything from the first `;` is the header's, and a `?` would be ambiguous (RFC 3261 §20.10).
fn addr_spec(text: &str) -> Result<NameAddr, UriError> {
    let (uri, params) = find_outside(text, b';').map_or((text, ""), |at| text.split_at(at));
    if uri.contains('?') {
        return Err(UriError::Malformed("URI headers without brackets"));
    }
    Ok(NameAddr { display: None, uri: opaque_uri(uri)?, params: Params::parse(params) })
}

fn opaque_uri(uri: &str) -> Result<String, UriError> {
    let uri = trim(uri);
    let bad = |c: char| c.is_ascii_control() || matches!(c, ' ' | '<' | '>' | '"');
    if !uri.contains(':') || uri.contains(bad) {
        return Err(UriError::Malformed("not a URI"));
    }
    Ok(uri.to_owned())
}

/// The text of a quoted string whose first quote is gone, and what follows its end.
fn unquote(quoted: &str) -> Option<(String, &str)> {
    let mut text = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((text, &quoted[at + 1..])),
            '\\' => text.push(chars.next()?.1),
            c => text.push(c),
        }
    }
    None
}

impl fmt::Display for NameAddr {
    /// With quotes, escapes and brackets; control characters become spaces, so the text stays on its line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(display) = &self.display {
            f.write_str("\"")?;
            for c in display.chars() {
                match c {
                    '"' | '\\' => write!(f, "\\{c}")?,
                    c if c.is_control() => f.write_str(" ")?,
                    c => write!(f, "{c}")?,
                }
            }
            f.write_str("\" ")?;
        }
        f.write_str("<")?;
        write_token(f, &self.uri)?;
        write!(f, ">{}", self.params)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        let cases = [
            ("<sip:a@b>", None, "sip:a@b", None),
            ("sip:a@b;tag=x", None, "sip:a@b", Some("x")),
            ("sip:a@b ;   tag    = 19n", None, "sip:a@b", Some("19n")),
            ("<sip:a@b;user=phone>;tag=x", None, "sip:a@b;user=phone", Some("x")),
            ("caller<sip:a@b>;tag=3", Some("caller"), "sip:a@b", Some("3")),
            ("Bell, Alexander <sip:a@b>", Some("Bell, Alexander"), "sip:a@b", None),
            (r#""J Rosenberg \\\""  <sip:a@b> ; tag = 9"#, Some(r#"J Rosenberg \""#), "sip:a@b", Some("9")),
            (r#""<not;this>" < sip:a@b >"#, Some("<not;this>"), "sip:a@b", None),
            ("<http://www.example.com>;tag=1", None, "http://www.example.com", Some("1")),
            ("isbn:2983792873", None, "isbn:2983792873", None),
            (r#""" <sip:a@b>;q=0.1"#, None, "sip:a@b", None),
        ];
        for (text, display, uri, tag) in cases {
            let address = NameAddr::parse(text).unwrap_or_else(|error| panic!("{text:?}: {error}"));
            assert_eq!(
                (address.display.as_deref(), address.uri.as_str(), address.tag()),
                (display, uri, tag),
                "{text:?}"
            );
            assert_eq!(NameAddr::parse(&address.to_string()).as_ref(), Ok(&address), "{text:?}");
        }
    }

    #[test]
    fn refused() {
        for bad in ["", "*", r#""open <sip:a@b>"#, "<sip:a@b", "<sip:a@b> x", "sip:a@b?Route=x", "<sip:a b@c>", "x <>"]
        {
            assert!(NameAddr::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn text_from_outside_stays_inside() {
        let address = NameAddr {
            display: Some("a\"\r\nVia: x".into()),
            uri: "sip:a@b>\r\nX: y".into(),
            params: Params::default(),
        };
        assert_eq!(address.to_string(), "\"a\\\"  Via: x\" <sip:a@b%3E%0D%0AX:%20y>");
    }
}
