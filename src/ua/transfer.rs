//! Transfers by REFER (RFC 3515, RFC 5589): our request, the NOTIFYs that tell how it goes (RFC 3420), and the outcome.
//!
//! A blind transfer holds first. Success ends the session, and with it the other leg of a consultation; whatever else
//! happens, the call is kept.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Ua;
use super::cause;
use super::clock::{SECOND, Timer};
use super::command::{BlindTransfer, TransferHangup};
use super::error::{Code, Error};
use super::io::{Mono, ReplyId, SessionId};
use super::route::Owner;
use super::session::{Op, State, Verb};
use super::wrong_state;
use crate::sip::message::{Message, Method};
use crate::sip::transaction::TxId;

/// How long the first NOTIFY is waited for.
const PATIENCE: Mono = 30 * SECOND;

/// Our REFER, from the wish to the outcome.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Transfer {
    /// Who waits for its 202.
    pub reply: Option<ReplyId>,
    /// The value of Refer-To.
    pub refer_to: String,
    /// To whom, as users see it.
    pub number: String,
    /// Attended: the other leg, which ends with a success.
    pub other: Option<SessionId>,
    /// BYE right after the 202.
    pub at_once: bool,
    /// We held for it: a failure resumes.
    pub resume: bool,
    pub stage: Stage,
}

/// How far a transfer is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum Stage {
    /// The hold comes first.
    Holding,
    /// The REFER of this CSeq is out.
    Referring(u32),
    /// It was accepted: NOTIFYs tell the rest, or nothing does until then.
    Following(u32, Mono),
}

impl Stage {
    fn cseq(&self) -> Option<u32> {
        match self {
            Stage::Holding => None,
            Stage::Referring(cseq) | Stage::Following(cseq, _) => Some(*cseq),
        }
    }
}

impl Ua {
    /// `session.blindTransfer`: the reply comes with the 202, or with the refusal.
    pub(super) fn blind_transfer(&mut self, id: SessionId, wish: BlindTransfer, reply: ReplyId) -> Result<(), Error> {
        self.may_refer(id)?;
        let Some(session) = self.sessions.get(&id) else { return Ok(()) };
        let resume = !session.held();
        let dialled = self.dialled(self.account(&session.account)?, &wish.number)?;
        if !dialled.emergency {
            self.count_caller(wish.by)?;
        }
        let transfer = Transfer {
            reply: Some(reply),
            refer_to: format!("<{}>", dialled.uri),
            number: wish.number,
            other: None,
            at_once: wish.hangup == TransferHangup::Immediately,
            resume,
            stage: Stage::Holding,
        };
        if let Some(session) = self.sessions.get_mut(&id) {
            session.refers.transfer = Some(transfer);
        }
        self.ask(id, Op { verb: Verb::Hold, reply: None });
        Ok(())
    }

    /// One transfer of a confirmed session at a time.
    pub(super) fn may_refer(&self, id: SessionId) -> Result<(), Error> {
        match self.sessions.get(&id) {
            Some(s) if s.refers.transfer.is_some() => Err(wrong_state("a transfer of this session is under way")
                .hint("wait for `transferred` or `transferFailed`")),
            Some(s) if matches!(s.state, State::Talking(_)) => Ok(()),
            _ => Err(wrong_state("only a confirmed session can be transferred").hint("wait for `confirmed`")),
        }
    }

    fn transfer(&mut self, id: SessionId) -> Option<&mut Transfer> {
        self.sessions.get_mut(&id)?.refers.transfer.as_mut()
    }

    /// The hold before a blind transfer is final. Refused or not: the REFER goes, since it is what was asked for.
    pub(super) fn on_held_for_transfer(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get(&id) else { return };
        let State::Talking(talking) = &session.state else { return };
        let waits = matches!(session.refers.transfer.as_ref().map(|t| &t.stage), Some(Stage::Holding));
        if waits && talking.pending.is_none() && !talking.queue.iter().any(|op| op.verb == Verb::Hold) {
            self.send_refer(id);
        }
    }

    pub(super) fn send_refer(&mut self, id: SessionId) {
        let Some((account, mut dialog, link)) = self.way(id) else { return };
        let by = self.accounts.get(&account).map(|a| a.address()).unwrap_or_default();
        let mut refer = self.in_dialog(&mut dialog, Method::Refer, &account, link);
        self.keep_cseq(id, dialog.local_cseq);
        let Some(transfer) = self.transfer(id) else { return };
        transfer.stage = Stage::Referring(dialog.local_cseq);
        refer.push("Refer-To", transfer.refer_to.clone());
        refer.push("Referred-By", by);
        self.send_request(refer, link, Owner::Refer(id), &account, 0);
    }

    /// The REFER goes out once more, with credentials and another CSeq.
    pub(super) fn refer_again(&mut self, id: SessionId, old: u32, new: u32) {
        if let Some(transfer) = self.transfer(id).filter(|t| t.stage.cseq() == Some(old)) {
            transfer.stage = Stage::Referring(new);
        }
    }

    pub(super) fn on_refer_answered(&mut self, id: SessionId, cseq: u32, code: u16) {
        let now = self.now.mono;
        let Some(transfer) = self.transfer(id).filter(|t| t.stage.cseq() == Some(cseq)) else { return };
        if code < 300 {
            transfer.stage = Stage::Following(cseq, now + PATIENCE);
            let (reply, number) = (transfer.reply.take(), transfer.at_once.then(|| transfer.number.clone()));
            self.reply_opt(reply, Ok(Value::Bool(true)));
            if let (Some(number), Some(session)) = (number, self.sessions.get_mut(&id)) {
                // How it goes on is not waited for.
                session.refers.transfer = None;
                session.transferred_to = Some(number);
                return self.end_by_us(id, "Terminated", "local");
            }
            return self.after(PATIENCE, Timer::Transfer(id));
        }
        let kind = if code == 491 { Code::Glare } else { Code::PeerRefused };
        let error = Error::new(kind, format!("the far end refused the transfer with {code}")).sip(code);
        self.transfer_failed(id, Some(code), cause::of_status(code), error);
        if code == 481 {
            self.dialog_is_lost(id);
        }
    }

    /// A NOTIFY in a dialog: only our REFER can be its reason. It may come before the 202 (RFC 3515 §2.4.4).
    pub(super) fn on_refer_notify(&mut self, id: SessionId, tx: TxId, msg: &Message) {
        let event = msg.header("Event").unwrap_or_default().to_owned();
        let (package, params) = event.split_once(';').unwrap_or((&event, ""));
        if !package.trim().eq_ignore_ascii_case("refer") {
            return self.respond(tx, msg, 489);
        }
        let cseq = self.transfer(id).and_then(|t| t.stage.cseq());
        let named = params.split(';').find_map(|p| p.trim().strip_prefix("id=")).map(|id| id.trim().parse().ok());
        let Some(cseq) = cseq.filter(|cseq| named.is_none_or(|n| n == Some(*cseq))) else {
            return self.respond(tx, msg, 481);
        };
        self.respond(tx, msg, 200);
        let over = msg.header("Subscription-State").is_some_and(|s| s.trim_start().starts_with("terminated"));
        match (status_of(msg), over) {
            (Some(200..=299), _) => {
                self.transfer_succeeded(id);
                self.end_by_us(id, "Terminated", "local");
            }
            (Some(code @ 300..), _) => self.on_transfer_refused(id, Some(code), cause::of_status(code)),
            (code, true) => self.on_transfer_refused(id, code, "Terminated"),
            (code, false) => {
                // It rings, say: from now on its answer is waited for as that of any call.
                let limit = PATIENCE + self.settings.phone.no_answer_timeout * SECOND;
                let until = self.now.mono + limit;
                if let Some(transfer) = self.transfer(id)
                    && matches!(transfer.stage, Stage::Following(..))
                {
                    transfer.stage = Stage::Following(cseq, until);
                    self.after(limit, Timer::Transfer(id));
                }
                if let Some(code) = code {
                    self.tell_transfer(id, "transferProgress", json!({"code": code}));
                }
            }
        }
    }

    fn on_transfer_refused(&mut self, id: SessionId, code: Option<u16>, cause: &str) {
        let error = Error::new(Code::PeerRefused, "the far end could not be transferred");
        let error = code.map_or(error.clone(), |code| error.sip(code));
        self.transfer_failed(id, code, cause, error);
    }

    pub(super) fn on_transfer_timer(&mut self, id: SessionId) {
        let now = self.now.mono;
        if self.transfer(id).is_some_and(|t| matches!(t.stage, Stage::Following(_, until) if until <= now)) {
            let error = Error::new(Code::Timeout, "the far end does not tell how the transfer went");
            self.transfer_failed(id, Some(408), "Request Timeout", error);
        }
    }

    /// The call goes on as it was before.
    pub(super) fn transfer_failed(&mut self, id: SessionId, code: Option<u16>, cause: &str, error: Error) {
        self.tell_transfer(id, "transferFailed", json!({"code": code, "cause": cause}));
        let Some(transfer) = self.sessions.get_mut(&id).and_then(|s| s.refers.transfer.take()) else { return };
        self.reply_opt(transfer.reply, Err(error));
        // Whom the seat talks to meanwhile is not cut off.
        if transfer.resume && !self.is_contested(id) {
            self.ask(id, Op { verb: Verb::Unhold, reply: None });
        }
    }

    /// Told, and the other leg of a consultation ends. The session itself is the caller's to end.
    fn transfer_succeeded(&mut self, id: SessionId) {
        self.tell_transfer(id, "transferred", json!({}));
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let Some(transfer) = session.refers.transfer.take() else { return };
        session.transferred_to = Some(transfer.number.clone());
        self.reply_opt(transfer.reply, Ok(Value::Bool(true)));
        if let Some(other) = transfer.other {
            self.end_by_us(other, "Terminated", "local");
        }
    }

    /// The peer hangs up: after its 2xx to the REFER that is how many say that it went well.
    pub(super) fn on_bye_in_transfer(&mut self, id: SessionId) {
        match self.transfer(id).map(|t| &t.stage) {
            Some(Stage::Following(..)) => self.transfer_succeeded(id),
            Some(_) => self.abandon_transfer(id),
            None => {}
        }
    }

    /// The dialog that the transfer went over is gone.
    pub(super) fn abandon_transfer(&mut self, id: SessionId) {
        if let Some(transfer) = self.transfer(id) {
            transfer.resume = false;
            self.transfer_failed(id, None, "Terminated", wrong_state("the dialog of the transfer is over"));
        }
    }

    fn tell_transfer(&mut self, id: SessionId, event: &str, mut data: Value) {
        let Some(transfer) = self.transfer(id) else { return };
        let (number, other) = (transfer.number.clone(), transfer.other);
        let other = other.and_then(|o| self.sessions.get(&o)).map(|s| s.call_id.clone());
        if let Value::Object(map) = &mut data {
            map.insert("number".into(), number.into());
            map.insert("otherCallId".into(), other.into());
            map.retain(|_, value| !value.is_null());
        }
        self.tell_session(id, event, data);
    }
}

/// The status of a `message/sipfrag` body.
fn status_of(msg: &Message) -> Option<u16> {
    let kind = msg.header("Content-Type")?.split(';').next()?.trim();
    let line = std::str::from_utf8(msg.body()).ok()?.trim_start().strip_prefix("SIP/2.0 ")?;
    let code = line.split_whitespace().next()?.parse().ok()?;
    (kind.eq_ignore_ascii_case("message/sipfrag") && (100..700).contains(&code)).then_some(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fragments_tell_a_status() {
        for (kind, body, code) in [
            ("message/sipfrag;version=2.0", "SIP/2.0 200 OK\r\n", Some(200)),
            ("Message/SipFrag", "SIP/2.0 503 Service Unavailable", Some(503)),
            ("message/sipfrag", "SIP/2.0 100", Some(100)),
            ("message/sipfrag", "SIP/2.0 99 x", None),
            ("message/sipfrag", "", None),
            ("text/plain", "SIP/2.0 200 OK\r\n", None),
        ] {
            let mut notify = Message::request(Method::Notify, "sip:a@b");
            notify.set_body(kind, body.into());
            assert_eq!(status_of(&notify), code, "{kind} {body:?}");
        }
    }
}
