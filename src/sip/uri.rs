//! SIP, SIPS and tel URIs (RFC 3261 §19.1, RFC 3966) and the values made of them.

use std::fmt;
use std::net::Ipv6Addr;

use serde::{Deserialize, Serialize};

pub use super::name_addr::NameAddr;
pub use super::params::Params;
pub use super::via::Via;

/// A URI taken apart. Escapes stay as they came, so that what is written is what was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SipUri {
    /// `sip`, `sips` or `tel`.
    pub scheme: String,
    /// The user part with its escapes; the number of a `tel` URI.
    pub user: Option<String>,
    /// The password, which nobody should use.
    pub password: Option<String>,
    /// The host, an IPv6 address without its brackets; "" for `tel`.
    pub host: String,
    /// The port, if one is written.
    pub port: Option<u16>,
    /// URI parameters.
    pub params: Params,
    /// What follows the `?`, as it came.
    pub headers: String,
}

/// Why a text is not a URI (or an address, or a Via).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UriError {
    /// A scheme we do not speak (416).
    #[error("unsupported URI scheme {0:?}")]
    Scheme(String),
    /// Not well formed.
    #[error("{0}")]
    Malformed(&'static str),
}

impl SipUri {
    /// Reads a `sip`, `sips` or `tel` URI.
    pub fn parse(text: &str) -> Result<SipUri, UriError> {
        let text = text.trim_matches([' ', '\t']);
        let (scheme, rest) = text.split_once(':').ok_or(UriError::Malformed("no URI scheme"))?;
        let scheme = scheme.to_ascii_lowercase();
        if rest.bytes().any(|byte| byte <= b' ' || matches!(byte, 0x7f | b'<' | b'>' | b'"')) {
            return Err(UriError::Malformed("forbidden character in a URI"));
        }
        match scheme.as_str() {
            "sip" | "sips" => parse_sip(scheme, rest),
            "tel" => parse_tel(scheme, rest),
            _ => Err(UriError::Scheme(scheme)),
        }
    }

    /// A plain `sip:user@host` with the user escaped where it must be.
    pub fn new(user: Option<&str>, host: &str, port: Option<u16>) -> SipUri {
        SipUri {
            scheme: "sip".into(),
            user: user.map(escape_user),
            password: None,
            host: host.to_owned(),
            port,
            params: Params::default(),
            headers: String::new(),
        }
    }

    /// The `transport` parameter.
    pub fn transport(&self) -> Option<&str> {
        self.params.get("transport").filter(|transport| !transport.is_empty())
    }

    /// The user part with its escapes resolved; "" without one.
    pub fn user_unescaped(&self) -> String {
        unescape(self.user.as_deref().unwrap_or(""))
    }

    /// Whether both name the same resource (RFC 3261 §19.1.4; RFC 3966 §5 for `tel`).
    pub fn equivalent(&self, other: &SipUri) -> bool {
        super::uri_match::equivalent(self, other)
    }
}

fn parse_sip(scheme: String, rest: &str) -> Result<SipUri, UriError> {
    // An `@` may stand only behind the userinfo, which may itself hold `;` and `?` (RFC 4475 §3.1.1.2).
    let (userinfo, rest) = match rest.split_once('@') {
        Some((userinfo, rest)) => (Some(userinfo), rest),
        None => (None, rest),
    };
    let (user, password) = match userinfo {
        Some(text) => match text.split_once(':') {
            Some((user, password)) => (Some(user.to_owned()), Some(password.to_owned())),
            None => (Some(text.to_owned()), None),
        },
        None => (None, None),
    };
    if user.as_deref() == Some("") {
        return Err(UriError::Malformed("empty user part"));
    }
    let (rest, headers) = rest.split_once('?').unwrap_or((rest, ""));
    let (sent, params) = rest.split_once(';').unwrap_or((rest, ""));
    let (host, port) = host_port(sent)?;
    Ok(SipUri { scheme, user, password, host, port, params: Params::parse(params), headers: headers.to_owned() })
}

fn parse_tel(scheme: String, rest: &str) -> Result<SipUri, UriError> {
    let (number, params) = rest.split_once(';').unwrap_or((rest, ""));
    if !number.bytes().any(|byte| byte.is_ascii_hexdigit() || matches!(byte, b'*' | b'#')) {
        return Err(UriError::Malformed("no number"));
    }
    let (user, params) = (Some(number.to_owned()), Params::parse(params));
    Ok(SipUri { scheme, user, password: None, host: String::new(), port: None, params, headers: String::new() })
}

/// `host[:port]`, `[v6][:port]`; white space may stand around the colon, as in a Via.
pub(super) fn host_port(text: &str) -> Result<(String, Option<u16>), UriError> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (address, port) = rest.split_once(']').ok_or(UriError::Malformed("IPv6 address without an end"))?;
            address.parse::<Ipv6Addr>().map_err(|_| UriError::Malformed("not an IPv6 address"))?;
            let port = port.trim_start();
            match port.strip_prefix(':') {
                Some(port) => (address, Some(port)),
                None if port.is_empty() => (address, None),
                None => return Err(UriError::Malformed("text after the host")),
            }
        }
        None => match text.split_once(':') {
            Some((host, port)) => (host.trim_end(), Some(port)),
            None => (text, None),
        },
    };
    // The underscore is no host character, but the field uses it.
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    if !text.starts_with('[') && (host.is_empty() || !host.bytes().all(allowed)) {
        return Err(UriError::Malformed("not a host"));
    }
    let port = match port.map(str::trim) {
        None => None,
        Some(port) if port.bytes().all(|byte| byte.is_ascii_digit()) => {
            Some(port.parse().map_err(|_| UriError::Malformed("not a port"))?)
        }
        Some(_) => return Err(UriError::Malformed("not a port")),
    };
    Ok((host.to_owned(), port))
}

pub(super) fn write_host_port(f: &mut fmt::Formatter<'_>, host: &str, port: Option<u16>) -> fmt::Result {
    if host.contains(':') {
        write!(f, "[{host}]")?
    } else {
        f.write_str(host)?
    }
    match port {
        Some(port) => write!(f, ":{port}"),
        None => Ok(()),
    }
}

/// Writes a text that must stay one word between brackets or spaces: what would end it is escaped.
pub(super) fn write_token(f: &mut impl fmt::Write, text: &str) -> fmt::Result {
    for c in text.chars() {
        match c {
            ' ' | '<' | '>' | '"' => write!(f, "%{:02X}", c as u32)?,
            c if c.is_ascii_control() => write!(f, "%{:02X}", c as u32)?,
            c => f.write_char(c)?,
        }
    }
    Ok(())
}

impl fmt::Display for SipUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.scheme)?;
        if self.scheme == "tel" {
            f.write_str(self.user.as_deref().unwrap_or(""))?;
        } else {
            if let Some(user) = &self.user {
                f.write_str(user)?;
                if let Some(password) = &self.password {
                    write!(f, ":{password}")?;
                }
                f.write_str("@")?;
            }
            write_host_port(f, &self.host, self.port)?;
        }
        self.params.fmt(f)?;
        if !self.headers.is_empty() {
            write!(f, "?{}", self.headers)?;
        }
        Ok(())
    }
}

/// What a user part may hold besides letters and digits (RFC 3261 §25.1 `user`).
const USER: &[u8] = b"-_.!~*'()&=+$,;?/";

/// Escapes what may not stand in a user part: `*72#` becomes `*72%23`.
pub fn escape_user(user: &str) -> String {
    escape(user, USER)
}

/// The same for what a user typed: escapes that stand there already stay.
pub fn escape_typed_user(user: &str) -> String {
    escape(user, &[USER, b"%"].concat())
}

/// Escapes what may not stand in a header of a URI (RFC 3261 §25.1 `hvalue`): only what is unreserved stays.
pub fn escape_header(value: &str) -> String {
    escape(value, b"-_.!~*'()")
}

fn escape(text: &str, kept: &[u8]) -> String {
    let mut escaped = String::with_capacity(text.len() + 16);
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || kept.contains(&byte) {
            escaped.push(byte as char);
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}

/// Resolves `%HH`; anything else stays (also a `%` that is no escape).
pub fn unescape(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        match (first, escaped_byte(tail)) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            _ => bytes.push(*first),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The byte of the two hex digits at the start.
pub(super) fn escaped_byte(text: &[u8]) -> Option<u8> {
    let digit = |at: usize| text.get(at).and_then(|byte| (*byte as char).to_digit(16));
    Some((digit(0)? * 16 + digit(1)?) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts() {
        let uri = SipUri::parse("sip:*72%23:pw@[2001:db8::1]:5070;transport=tcp;lr?Subject=a%20b").unwrap();
        assert_eq!((uri.user.as_deref(), uri.password.as_deref()), (Some("*72%23"), Some("pw")));
        assert_eq!((uri.host.as_str(), uri.port, uri.transport()), ("2001:db8::1", Some(5070), Some("tcp")));
        assert_eq!((uri.params.get("LR"), uri.headers.as_str()), (Some(""), "Subject=a%20b"));
        assert_eq!(uri.user_unescaped(), "*72#");
        let uri = SipUri::parse("sip:user;par=u%40example.net@example.com").unwrap();
        assert_eq!((uri.user_unescaped().as_str(), uri.host.as_str()), ("user;par=u@example.net", "example.com"));
        let uri = SipUri::parse("tel:+1-201-555-0123;phone-context=x").unwrap();
        assert_eq!((uri.user_unescaped().as_str(), uri.host.as_str()), ("+1-201-555-0123", ""));
        let crazy = "sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1,weird!*pas$wo~d_too.(doesn't-it)@example.com";
        let uri = SipUri::parse(crazy).unwrap();
        assert_eq!(uri.user_unescaped(), "1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*");
        assert_eq!(uri.password.as_deref(), Some("&it+has=1,weird!*pas$wo~d_too.(doesn't-it)"));
    }

    #[test]
    fn written_as_read() {
        for text in [
            "sip:example.com",
            "sips:a%20b:x@example.com:5061;a=b;c?d=e&f=g",
            "sip:[::1]",
            "tel:+33123;isub=12",
            "sip:a@b;par=u%40x",
            "sip:%00@h.example.com",
            "sip:a:@h",
        ] {
            assert_eq!(SipUri::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn refused() {
        for text in
            ["", "sip", "sip:", "sip:@b", "sip:a@", "sip:a@b:", "sip:a@b:65536", "sip:a@b:+5", "sip:[::1", "sip:[x]"]
        {
            assert!(matches!(SipUri::parse(text), Err(UriError::Malformed(_))), "{text:?}");
        }
        for text in ["sip:a b@c", "sip:a@b\r\nX: y", "<sip:a@b>", "tel:", "tel:abc;"] {
            assert!(SipUri::parse(text).is_err() || text.starts_with("tel:abc"), "{text:?}");
        }
        assert_eq!(SipUri::parse("http://x"), Err(UriError::Scheme("http".into())));
    }

    #[test]
    fn escapes() {
        assert_eq!(SipUri::new(Some("*72#"), "h", None).to_string(), "sip:*72%23@h");
        assert_eq!(escape_user("a@b:c \u{e9}\r\n"), "a%40b%3Ac%20%C3%A9%0D%0A");
        assert_eq!(unescape("%Z%45%4"), "%ZE%4");
    }
}
