//! Consultation and attended transfer: two legs, joined by a REFER whose Refer-To holds Replaces (RFC 3891, RFC 5589 §7).

use super::Ua;
use super::command::AttendedTransfer;
use super::error::{Code, Error};
use super::io::{ReplyId, SessionId};
use super::session::{Op, Session, State, Verb};
use super::settings::ReferLeg;
use super::transfer::{Stage, Transfer};
use super::wrong_state;
use crate::sip::dialog::Dialog;
use crate::sip::uri::{SipUri, escape_header};

impl Ua {
    /// A consultation begins: its parent is held, whatever the seats are.
    pub(super) fn hold_parent(&mut self, parent: SessionId) {
        let will_hold = match self.sessions.get(&parent).map(|s| &s.state) {
            Some(State::Talking(t)) => t.will_hold(),
            // Held when its ACK is there.
            _ => return self.park(parent, true),
        };
        if !will_hold {
            self.ask(parent, Op { verb: Verb::Hold, reply: None });
        }
    }

    /// There is a consultation about it.
    pub(super) fn is_consulted_about(&self, id: SessionId) -> bool {
        self.sessions.values().any(|s| s.transfer_parent == Some(id))
    }

    /// The parent is over: what was its consultation is a call of its own.
    pub(super) fn release_consultations(&mut self, parent: SessionId) {
        let mine = |s: &&Session| s.transfer_parent == Some(parent);
        let orphans: Vec<SessionId> = self.sessions.values().filter(mine).map(|s| s.id).collect();
        for id in orphans {
            if let Some(session) = self.sessions.get_mut(&id) {
                session.transfer_parent = None;
            }
            self.tell_status(id);
        }
    }

    /// `session.attendedTransfer`, on either leg: the reply comes with the 202, or with the refusal.
    pub(super) fn attended_transfer(
        &mut self,
        id: SessionId,
        wish: &AttendedTransfer,
        reply: ReplyId,
    ) -> Result<(), Error> {
        let (parent, consultation) = self.legs(id, wish.number.as_deref())?;
        for leg in [parent, consultation] {
            self.may_refer(leg).map_err(|error| match self.sessions.get(&leg).map(|s| &s.state) {
                Some(State::Talking(_)) | None => error,
                _ => wrong_state("the consultation is not answered yet")
                    .hint("wait for its `confirmed`; or hang it up and use session.blindTransfer"),
            })?;
        }
        let (leg, other) = match self.settings.transfer.refer {
            ReferLeg::Parent => (parent, consultation),
            ReferLeg::Consultation => (consultation, parent),
        };
        let target = self.sessions.get(&other).and_then(|s| Some((s.dialog()?, s.number.clone())));
        let Some((refer_to, number)) = target.and_then(|(dialog, number)| Some((refer_to(dialog)?, number))) else {
            return Err(wrong_state("the other leg's far end cannot be addressed"));
        };
        let transfer = Transfer {
            reply: Some(reply),
            refer_to,
            number,
            other: Some(other),
            at_once: false,
            resume: false,
            stage: Stage::Holding,
        };
        if let Some(session) = self.sessions.get_mut(&leg) {
            session.refers.transfer = Some(transfer);
        }
        self.send_refer(leg);
        Ok(())
    }

    /// Parent and consultation of which one is `id` and the other has the number, where one is named: the newest
    /// consultation of `id` before the parent of `id`.
    fn legs(&self, id: SessionId, number: Option<&str>) -> Result<(SessionId, SessionId), Error> {
        let fits = |leg: &Session| number.is_none_or(|n| self.is_number_of(leg, n));
        let child = self.sessions.values().rev().find(|s| s.transfer_parent == Some(id) && fits(s));
        let parent = || {
            let parent = self.sessions.get(&id)?.transfer_parent?;
            self.sessions.get(&parent).filter(|s| fits(s))
        };
        child.map(|child| (id, child.id)).or_else(|| Some((parent()?.id, id))).ok_or_else(|| {
            Error::new(Code::NoParent, "there is no such consultation").hint("phone.call with transferId begins one")
        })
    }

    fn is_number_of(&self, leg: &Session, number: &str) -> bool {
        let domain = self.accounts.get(&leg.account).map(|a| a.domain()).unwrap_or_default();
        let uri = super::number::request_uri(number, &domain).and_then(|uri| SipUri::parse(&uri).ok());
        leg.number == number || leg.called_number == number || uri.is_some_and(|u| u.user_unescaped() == leg.number)
    }
}

/// Refer-To for a dialog's far end, with the dialog as that end sees it: its tag is `to-tag`, ours is `from-tag`.
fn refer_to(dialog: &Dialog) -> Option<String> {
    let mut target = SipUri::parse(&dialog.remote_target).ok()?;
    target.params.remove("method");
    let tag = |tag: &str| if tag.is_empty() { "0".to_owned() } else { tag.to_owned() };
    let (to, from) = (tag(&dialog.remote_tag), tag(&dialog.local_tag));
    target.headers = format!("Replaces={}", escape_header(&format!("{};to-tag={to};from-tag={from}", dialog.call_id)));
    Some(format!("<{target}>"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_target_sees_its_own_tag_first() {
        let dialog = Dialog {
            call_id: "a@b".into(),
            local_tag: "ours".into(),
            remote_tag: "theirs".into(),
            local_uri: "<sip:us@x>".into(),
            remote_uri: "<sip:them@x>".into(),
            remote_target: "sip:them@10.0.0.9:5070;transport=tcp?Subject=x".into(),
            route_set: Vec::new(),
            local_cseq: 1,
            remote_cseq: None,
            secure: false,
            early: false,
        };
        assert_eq!(
            refer_to(&dialog).as_deref(),
            Some("<sip:them@10.0.0.9:5070;transport=tcp?Replaces=a%40b%3Bto-tag%3Dtheirs%3Bfrom-tag%3Dours>")
        );
    }
}
