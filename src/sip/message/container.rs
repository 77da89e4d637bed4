//! rsip's header container, reached by name and as text only.

use rsip::headers::UntypedHeader;

use crate::sip::headers::{is_hop_list, is_token, long_name, one_line, split_list, trim};
use crate::sip::method::Method;

/// Both ways between a header's name and rsip's variant for it.
macro_rules! known {
    ($($variant:ident $name:literal)*) => {
        /// The header with that name; names rsip does not know keep their spelling.
        pub(super) fn make(name: &str, value: String) -> rsip::Header {
            $(if name.eq_ignore_ascii_case($name) {
                return rsip::Header::$variant(rsip::headers::$variant::from(value));
            })*
            rsip::Header::Other(name.to_owned(), value)
        }

        /// Its name.
        pub(super) fn name(header: &rsip::Header) -> &str {
            match header {
                $(rsip::Header::$variant(_) => $name,)*
                rsip::Header::Other(name, _) => name,
            }
        }

        /// Its value, as it came.
        pub(super) fn value(header: &rsip::Header) -> &str {
            match header {
                $(rsip::Header::$variant(header) => header.value(),)*
                rsip::Header::Other(_, value) => value,
            }
        }
    };
}

known! {
    Via "Via"
    From "From"
    To "To"
    CallId "Call-ID"
    CSeq "CSeq"
    Contact "Contact"
    MaxForwards "Max-Forwards"
    ContentType "Content-Type"
    ContentLength "Content-Length"
    Route "Route"
    RecordRoute "Record-Route"
    Allow "Allow"
    Supported "Supported"
    UserAgent "User-Agent"
    Accept "Accept"
    AcceptEncoding "Accept-Encoding"
    AcceptLanguage "Accept-Language"
    AlertInfo "Alert-Info"
    AuthenticationInfo "Authentication-Info"
    Authorization "Authorization"
    CallInfo "Call-Info"
    ContentDisposition "Content-Disposition"
    ContentEncoding "Content-Encoding"
    ContentLanguage "Content-Language"
    Date "Date"
    ErrorInfo "Error-Info"
    Event "Event"
    Expires "Expires"
    InReplyTo "In-Reply-To"
    MimeVersion "MIME-Version"
    MinExpires "Min-Expires"
    Organization "Organization"
    Priority "Priority"
    ProxyAuthenticate "Proxy-Authenticate"
    ProxyAuthorization "Proxy-Authorization"
    ProxyRequire "Proxy-Require"
    ReplyTo "Reply-To"
    Require "Require"
    RetryAfter "Retry-After"
    Server "Server"
    Subject "Subject"
    SubscriptionState "Subscription-State"
    Timestamp "Timestamp"
    Unsupported "Unsupported"
    Warning "Warning"
    WwwAuthenticate "WWW-Authenticate"
}

/// A header as the lines a message keeps; none if the name is no token, or the Content-Length we write ourselves.
pub(super) fn lines(name: &str, value: String) -> Vec<rsip::Header> {
    let name = long_name(name);
    if !is_token(name) || name.eq_ignore_ascii_case("Content-Length") {
        return Vec::new();
    }
    raw_lines(name, trim(&one_line(value)).to_owned())
}

/// The same for what is known to be one line: hop lists one value to a line, anything else as it is.
pub(super) fn raw_lines(name: &str, value: String) -> Vec<rsip::Header> {
    if is_hop_list(name) {
        split_list(&value).map(|one| make(name, one.to_owned())).collect()
    } else {
        vec![make(name, value)]
    }
}

/// Both ways between our methods and rsip's.
macro_rules! methods {
    ($($ours:ident $theirs:ident)*) => {
        /// rsip's word for a method; `None` for one it does not know.
        pub(super) fn method(name: &str) -> Option<rsip::Method> {
            match Method::from(name) {
                $(Method::$ours => Some(rsip::Method::$theirs),)*
                Method::Other(_) => None,
            }
        }

        /// Our word for it.
        pub(super) fn our_method(method: &rsip::Method) -> Method {
            match method {
                $(rsip::Method::$theirs => Method::$ours,)*
            }
        }
    };
}

methods! {
    Invite Invite
    Ack Ack
    Bye Bye
    Cancel Cancel
    Options Options
    Register Register
    Info Info
    Update Update
    Prack PRack
    Refer Refer
    Notify Notify
    Subscribe Subscribe
    Message Message
    Publish Publish
}

/// A URI that rsip only carries: its own reader would lose escapes, IPv6, `tel:` and URI headers.
pub(super) fn opaque_uri(text: String) -> rsip::Uri {
    let host = rsip::Host::Domain(rsip::Domain::from(text));
    rsip::Uri { host_with_port: rsip::HostWithPort { host, port: None }, ..rsip::Uri::default() }
}

/// The text of [`opaque_uri`].
pub(super) fn uri_text(uri: &rsip::Uri) -> &str {
    match &uri.host_with_port.host {
        rsip::Host::Domain(domain) => domain.value(),
        rsip::Host::IpAddr(_) => "",
    }
}
