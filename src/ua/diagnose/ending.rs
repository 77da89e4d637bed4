//! Why a call that is over ended as it did, where nobody simply hung up.

use serde_json::json;

use super::facts::{End, Facts};
use super::{Rule, Said, Severity};

pub(super) const RULES: &[(&str, Rule)] = &[("how-it-ended", how_it_ended)];

fn how_it_ended(facts: &Facts) -> Option<Said> {
    use Severity::{Error, Info};
    let end = facts.end.as_ref()?;
    let (severity, text, hint) = match end.cause.as_str() {
        "Busy" => (Info, "They were busy", "Try again later"),
        "Rejected" => (Info, "They, or the PBX for them, refused the call", "The PBX may not allow this number to you"),
        "Not Found" => {
            (Error, "Nobody has that number there", "Look at the number, and at the dial rules of the account")
        }
        "Address Incomplete" => {
            (Error, "The number is not complete", "Look at the number, and at the dial rules of the account")
        }
        "Unavailable" => {
            (Info, "They cannot be reached now", "Their phone is off, not registered, or nobody took the call")
        }
        "No Answer" => {
            (Info, "Nobody answered in time", "How long it rings say no_answer_timeout and ring_timeout in [phone]")
        }
        "Incompatible SDP" => (
            Error,
            "Your side and theirs have no sound in common",
            "Compare `codecs` and `srtp` of the account with what they offer: the SIP messages of the call show it",
        ),
        "Missing SDP" | "Bad Media Description" => (
            Error,
            "Their answer did not say where sound shall go",
            "A fault of their side or the PBX: its logs know more",
        ),
        "Authentication Error" => {
            (Error, "The server did not believe who you are", "Look at username, password and realms of the account")
        }
        "Connection Error" => (
            Error,
            "The server could not be reached",
            "Look whether its name resolves and its port can be reached from here: phonectl accounts",
        ),
        "Request Timeout" => (Error, "Their side did not answer", "The network or the server on the way is gone"),
        "RTP Timeout" => (
            Error,
            "The call was ended since no sound came any more",
            "rtp_timeout in [phone] says after how long; the other findings say what came before",
        ),
        "No ACK" => (
            Error,
            "The call was ended since your answer was never confirmed (no ACK)",
            "The address in your Contact may not be reachable for them: a NAT, or a proxy that does not keep itself in the path",
        ),
        "Expires" => (
            Error,
            "A timer ended the call: its refresh was not answered",
            "The network or the server on the way is gone",
        ),
        "Dialog Error" => {
            (Error, "Their side did not know the call any more", "Their phone or the PBX was restarted, perhaps")
        }
        "WebRTC Error" => (
            Error,
            "The sound found no path, or no keys",
            "A STUN or TURN server may help: [webrtc] in the configuration",
        ),
        "User Denied Media Access" => {
            (Error, "The device was refused to the phone", "phonectl devices shows what there is")
        }
        "Internal Error" => (Error, "A fault of this side", "The daemon's log knows more"),
        "SIP Failure Code" => (Error, "The call failed on their side", "The status says more, and the PBX's logs"),
        "Terminated" | "Canceled" | "Redirected" => return None,
        _ => return None,
    };
    Said::new(
        severity,
        told(text, end),
        hint,
        json!({
            "cause": end.cause, "by": end.by, "code": end.code, "q850": end.q850, "reason": end.reason,
        }),
    )
}

/// The text, with status and reason.
fn told(text: &str, end: &End) -> String {
    let code = end.code.map(|code| format!(" (SIP {code})")).unwrap_or_default();
    let reason = end.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
    format!("{text}{code}{reason}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(cause: &str, code: Option<u64>, reason: Option<&str>) -> Option<super::super::Finding> {
        let end = End { cause: cause.into(), by: "remote".into(), code, q850: None, reason: reason.map(str::to_owned) };
        Facts::with("how-it-ended", |facts| facts.end = Some(end))
    }

    #[test]
    fn each_cause_in_words() {
        assert_eq!(ended("Terminated", None, None), None);
        assert_eq!(ended("Canceled", Some(487), None), None);
        let busy = ended("Busy", Some(486), None).unwrap();
        assert_eq!((busy.severity, busy.text.as_str()), (Severity::Info, "They were busy (SIP 486)"));
        let codec = ended("Incompatible SDP", Some(488), Some("no codec in common")).unwrap();
        assert_eq!(codec.text, "Your side and theirs have no sound in common (SIP 488): no codec in common");
        for cause in ["No ACK", "RTP Timeout", "WebRTC Error", "Connection Error", "Not Found", "Authentication Error"]
        {
            assert_eq!(ended(cause, None, None).map(|found| found.severity), Some(Severity::Error), "{cause}");
        }
    }
}
