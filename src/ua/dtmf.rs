//! Digits: out by RFC 4733, by INFO or as tones in the sound, one at a time; in by the first two.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::Ua;
use super::clock::{SECOND, Timer};
use super::command::{Dtmf, DtmfMethod};
use super::error::{Code, Error};
use super::io::SessionId;
use super::media::MediaCommand;
use super::route::{Owner, Sent};
use super::session::State;
use super::wrong_state;
use crate::sip::message::{Message, Method};
use crate::sip::transaction::TxId;

/// A tone's length, ms, and the gap after it.
const TONE_MS: u32 = 100;

/// Stands for a digit that nobody is to know.
const MASK: char = 'x';

/// Digits that may wait in a session.
const MOST_WAITING: usize = 1024;

/// What is still to be sent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct DtmfQueue {
    waiting: VecDeque<Digit>,
    /// The digit that is out, or a gap (None).
    busy: Option<Option<Digit>>,
    /// The peer takes no INFO: it said so, or refused one.
    no_info: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Digit {
    digit: char,
    method: DtmfMethod,
    redact: bool,
    /// The method was ours to choose.
    auto: bool,
}

impl DtmfQueue {
    /// What the peer says that it takes (RFC 3261 §20.5).
    pub fn learn(&mut self, msg: &Message) {
        self.no_info = msg.header("Allow").is_some() && !msg.has_token("Allow", "INFO");
    }
}

impl Ua {
    /// `session.dtmf`: true means queued.
    pub(super) fn dtmf(&mut self, id: SessionId, dtmf: &Dtmf) -> Result<(), Error> {
        let redact = dtmf.redact || self.settings.privacy.redact_dtmf;
        let digits: Vec<char> = dtmf.dtmf.chars().map(|c| c.to_ascii_uppercase()).collect();
        if digits.is_empty() || digits.len() > 128 || !digits.iter().all(|c| "0123456789*#ABCD,".contains(*c)) {
            let what = if redact { "the digits are".to_owned() } else { format!("{:?} is", dtmf.dtmf) };
            return Err(Error::new(Code::InvalidDtmf, format!("{what} not DTMF"))
                .hint("0-9 * # A-D, a comma pauses 2 s; 128 at most"));
        }
        let Some(session) = self.sessions.get_mut(&id) else { return Ok(()) };
        if !matches!(session.state, State::Talking(_)) {
            return Err(wrong_state("digits need a confirmed session"));
        }
        let negotiated = session.negotiated.as_ref().is_some_and(|n| n.dtmf.is_some());
        if dtmf.method == DtmfMethod::Rtp && !negotiated {
            return Err(wrong_state("the far end does not take telephone-event").hint("method \"info\" or \"auto\""));
        }
        let (method, auto) = (dtmf.method, dtmf.method == DtmfMethod::Auto);
        if session.dtmf.waiting.len() + digits.len() > MOST_WAITING {
            return Err(wrong_state("too many digits wait already").hint("wait for dtmfSent"));
        }
        session.dtmf.waiting.extend(digits.into_iter().map(|digit| Digit { digit, method, redact, auto }));
        if session.dtmf.busy.is_none() {
            self.next_digit(id);
        }
        Ok(())
    }

    pub(super) fn next_digit(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        session.dtmf.busy = None;
        let Some(mut next) = session.dtmf.waiting.pop_front() else { return };
        if next.digit == ',' {
            session.dtmf.busy = Some(None);
            return self.after(2 * SECOND, Timer::Dtmf(id));
        }
        let negotiated = session.negotiated.as_ref().is_some_and(|n| n.dtmf.is_some());
        if next.auto {
            next.method = match (negotiated, session.dtmf.no_info) {
                (true, _) => DtmfMethod::Rtp,
                (false, false) => DtmfMethod::Info,
                (false, true) => DtmfMethod::Inband,
            };
        }
        let (digit, method, redact) = (next.digit, next.method, next.redact);
        session.dtmf.busy = Some(Some(next));
        match method {
            DtmfMethod::Info => self.send_info(id, digit),
            DtmfMethod::Inband => self.media(id, MediaCommand::Tones { digit, duration_ms: TONE_MS }),
            DtmfMethod::Rtp | DtmfMethod::Auto => self.media(id, MediaCommand::Dtmf { digit, duration_ms: TONE_MS }),
        }
        self.sound_key(id, digit, redact);
    }

    /// A digit is out: told, then the gap.
    pub(super) fn on_dtmf_sent(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let Some(Some(sent)) = session.dtmf.busy.take() else { return };
        session.dtmf.busy = Some(None);
        let shown = if sent.redact { MASK } else { sent.digit };
        self.tell_session(id, "dtmfSent", json!({"dtmf": shown.to_string(), "method": sent.method}));
        self.after(u64::from(TONE_MS) * 1000, Timer::Dtmf(id));
    }

    pub(super) fn on_remote_dtmf(&mut self, id: SessionId, digit: char, duration_ms: u32, method: &str) {
        let digit = if self.settings.privacy.redact_dtmf { MASK } else { digit };
        self.tell_session(id, "dtmf", json!({"dtmf": digit.to_string(), "durationMs": duration_ms, "method": method}));
    }

    fn send_info(&mut self, id: SessionId, digit: char) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let account = session.account.clone();
        let Some(link) = session.link else { return };
        let Some(mut dialog) = session.talking().map(|t| t.dialog.clone()) else { return };
        let link = self.dialog_link(&dialog.next_hop_uri(), link);
        let mut info = self.in_dialog(&mut dialog, Method::Info, &account, link);
        info.set_body("application/dtmf-relay", format!("Signal={digit}\r\nDuration={TONE_MS}\r\n").into_bytes());
        if let Some(talking) = self.sessions.get_mut(&id).and_then(|s| s.talking()) {
            talking.dialog = dialog;
        }
        self.send_request(info, link, Owner::Info(id), &account, 0);
    }

    pub(super) fn on_info_response(&mut self, id: SessionId, sent: Sent, msg: &Message) {
        if msg.status() < 200 || !self.sessions.contains_key(&id) {
            return;
        }
        if matches!(msg.status(), 401 | 407) {
            let cseq = self.sessions.get_mut(&id).and_then(|s| s.talking()).map(|t| t.dialog.local_cseq + 1);
            if let Some(cseq) = cseq
                && let Some(again) = self.with_digest(&sent, msg, cseq)
            {
                if let Some(talking) = self.sessions.get_mut(&id).and_then(|s| s.talking()) {
                    talking.dialog.local_cseq = cseq;
                }
                self.send_request(again, sent.link, Owner::Info(id), &sent.account, sent.tries + 1);
                return;
            }
        }
        if msg.status() == 481 {
            return self.dialog_is_lost(id);
        }
        if msg.status() >= 300 {
            return self.on_digit_lost(id, msg.status());
        }
        self.on_dtmf_sent(id);
    }

    /// The far end did not take a digit, or did not answer: told, and the next one goes.
    pub(super) fn on_digit_lost(&mut self, id: SessionId, code: u16) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let lost = session.dtmf.busy.take().flatten();
        // It does not know INFO, or this kind of it: then it hears the digit, and those that follow.
        if let Some(digit) = lost.filter(|digit| digit.auto && matches!(code, 405 | 406 | 415 | 469 | 489 | 501)) {
            session.dtmf.no_info = true;
            session.dtmf.waiting.push_front(digit);
            return self.next_digit(id);
        }
        self.tell_session(id, "alert", json!({"kind": "dtmfRefused", "code": code}));
        self.next_digit(id);
    }

    /// INFO in a dialog: digits are told, anything else is answered 200 (RFC 6086 §4.2.2 for legacy use).
    pub(super) fn on_info(&mut self, id: SessionId, tx: TxId, msg: &Message) {
        if msg.header("Info-Package").is_some() {
            return self.respond(tx, msg, 469);
        }
        self.respond(tx, msg, 200);
        let kind = msg
            .header("Content-Type")
            .unwrap_or_default()
            .split(';')
            .next()
            .unwrap_or_default()
            .trim()
            .to_ascii_lowercase();
        if let Some((digit, ms)) = digit_in(&kind, &String::from_utf8_lossy(msg.body())) {
            self.on_remote_dtmf(id, digit, ms, "info");
        }
    }
}

/// The digit of a `dtmf-relay` or `dtmf` body, and its length.
fn digit_in(kind: &str, body: &str) -> Option<(char, u32)> {
    let (signal, ms) = match kind {
        "application/dtmf-relay" => {
            let of = |key: &str| {
                body.lines()
                    .filter_map(|l| l.split_once('='))
                    .find(|(k, _)| k.trim().eq_ignore_ascii_case(key))
                    .map(|(_, v)| v.trim().to_owned())
            };
            (of("signal")?, of("duration").and_then(|d| d.parse().ok()).unwrap_or(TONE_MS))
        }
        "application/dtmf" => (body.trim().to_owned(), TONE_MS),
        _ => return None,
    };
    let digit = match signal.as_str() {
        "10" => '*',
        "11" => '#',
        one if one.chars().count() == 1 => one.chars().next()?.to_ascii_uppercase(),
        _ => return None,
    };
    "0123456789*#ABCD".contains(digit).then_some((digit, ms))
}

#[cfg(test)]
mod tests {
    use super::digit_in;

    #[test]
    fn info_bodies_name_their_digit() {
        assert_eq!(digit_in("application/dtmf-relay", "Signal=5\r\nDuration=160\r\n"), Some(('5', 160)));
        assert_eq!(digit_in("application/dtmf-relay", "Signal= 11\nDuration= 250\n"), Some(('#', 250)));
        assert_eq!(digit_in("application/dtmf", "*"), Some(('*', 100)));
        assert_eq!(digit_in("application/dtmf", "hello"), None);
        assert_eq!(digit_in("text/plain", "5"), None);
    }
}
