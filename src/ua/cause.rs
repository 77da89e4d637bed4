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
    let mut parts = reason.split(';').map(str::trim);
    if !parts.next()?.eq_ignore_ascii_case("Q.850") {
        return None;
    }
    parts.find_map(|p| p.strip_prefix("cause=")).and_then(|c| c.trim().parse().ok())
}
