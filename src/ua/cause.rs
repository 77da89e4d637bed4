//! Causes: JsSIP's words for why a call is over, so that ported pages keep working.

/// The cause that a final SIP status means.
pub(super) fn of_status(code: u16) -> &'static str {
    match code {
        300..=399 => "Redirected",
        486 | 600 => "Busy",
        403 | 603 => "Rejected",
        404 | 604 => "Not Found",
        408 | 410 | 430 | 480 => "Unavailable",
        424 | 484 => "Address Incomplete",
        488 | 606 => "Incompatible SDP",
        401 | 407 => "Authentication Error",
        487 => "Canceled",
        _ => "SIP Failure Code",
    }
}

/// Q.850 cause of a `Reason` header value (RFC 3326).
pub(super) fn q850(reason: &str) -> Option<u16> {
    of_reason(reason, "Q.850")
}

/// SIP status of a `Reason` header value.
pub(super) fn sip(reason: &str) -> Option<u16> {
    of_reason(reason, "SIP").filter(|code| (100..700).contains(code))
}

fn of_reason(reason: &str, protocol: &str) -> Option<u16> {
    let mut parts = reason.split(';').map(str::trim);
    if !parts.next()?.eq_ignore_ascii_case(protocol) {
        return None;
    }
    let cause = parts.find_map(|part| part.split_once('=').filter(|(key, _)| key.trim().eq_ignore_ascii_case("cause")));
    cause.and_then(|(_, value)| value.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_read_by_its_protocol() {
        for (value, isdn, status) in [
            ("Q.850;cause=16;text=\"Terminated\"", Some(16), None),
            ("q.850 ; text=\"x\" ; Cause = 31", Some(31), None),
            ("SIP;cause=200;text=\"Call completed elsewhere\"", None, Some(200)),
            ("SIP;cause=9999", None, None),
            ("SIP", None, None),
            ("X;cause=1", None, None),
        ] {
            assert_eq!((q850(value), sip(value)), (isdn, status), "{value}");
        }
    }
}
