//! One hop of a Via header (RFC 3261 §20.42).

use std::fmt;

use serde::{Deserialize, Serialize};

use super::headers::{is_token, trim};
use super::params::Params;
use super::uri::{UriError, host_port};

/// One Via value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Via {
    /// The transport token as it came: `UDP`, `TCP`…
    pub transport: String,
    /// The sent-by host, an IPv6 address without its brackets.
    pub host: String,
    /// The sent-by port.
    pub port: Option<u16>,
    /// `branch`, `received`, `rport`…
    pub params: Params,
}

impl Via {
    /// Reads one value. White space may stand around each slash; the version is not looked at (RFC 4475 §3.1.2.16).
    pub fn parse(text: &str) -> Result<Via, UriError> {
        const BAD: UriError = UriError::Malformed("not a Via");
        let (sent, params) = text.split_once(';').unwrap_or((text, ""));
        let mut protocol = sent.splitn(3, '/');
        let (name, version, rest) = match (protocol.next(), protocol.next(), protocol.next()) {
            (Some(name), Some(version), Some(rest)) => (trim(name), trim(version), trim(rest)),
            _ => return Err(BAD),
        };
        let (transport, sent_by) = rest.split_once([' ', '\t']).ok_or(BAD)?;
        if !name.eq_ignore_ascii_case("SIP") || !is_token(version) || !is_token(transport) {
            return Err(BAD);
        }
        let (host, port) = host_port(trim(sent_by))?;
        Ok(Via { transport: transport.to_owned(), host, port, params: Params::parse(params) })
    }

    /// The transaction's branch.
    pub fn branch(&self) -> Option<&str> {
        self.params.get("branch").filter(|branch| !branch.is_empty())
    }

    /// Where the request really came from, as the server saw it; without brackets.
    pub fn received(&self) -> Option<&str> {
        let received = self.params.get("received").filter(|address| !address.is_empty())?;
        Some(received.trim_start_matches('[').trim_end_matches(']'))
    }

    /// The source port the server saw (RFC 3581); `params.has("rport")` tells whether it was asked for.
    pub fn rport(&self) -> Option<u16> {
        self.params.get("rport")?.parse().ok()
    }
}

impl fmt::Display for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SIP/2.0/{} ", self.transport)?;
        super::uri::write_host_port(f, &self.host, self.port)?;
        self.params.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_is_sent() {
        let via = Via::parse("SIP/2.0/UDP 192.0.2.1:5070;branch=z9hG4bKa;rport=1;received=[2001:db8::1]").unwrap();
        assert_eq!((via.transport.as_str(), via.host.as_str(), via.port), ("UDP", "192.0.2.1", Some(5070)));
        assert_eq!((via.branch(), via.rport(), via.received()), (Some("z9hG4bKa"), Some(1), Some("2001:db8::1")));
        let via = Via::parse("SIP  / 2.0  / TCP     spindle.example.com   ; branch  =   z9hG4bK9ikj8").unwrap();
        assert_eq!(via.to_string(), "SIP/2.0/TCP spindle.example.com;branch=z9hG4bK9ikj8");
        let via = Via::parse("SIP/2.0/TLS [::1] : 5061;rport").unwrap();
        assert_eq!(via.to_string(), "SIP/2.0/TLS [::1]:5061;rport");
        assert!(via.params.has("rport") && via.rport().is_none() && via.branch().is_none());
    }

    #[test]
    fn refuses_what_is_not_a_via() {
        for bad in ["", ";", "SIP/2.0", "SIP/2.0/UDP", "SIP/2.0/UDP ;branch=x", "SIP/2.0/UDP a:99999", "HTTP/2.0/UDP a"]
        {
            assert!(Via::parse(bad).is_err(), "{bad:?}");
        }
    }
}
