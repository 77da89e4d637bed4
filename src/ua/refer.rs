//! REFER received (RFC 3515, RFC 5589): the peer sends us to somebody else. We call there, and tell it how that goes.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Ua;
use super::call::originator;
use super::clock::{Timer, seconds};
use super::io::{ReplyId, SessionId};
use super::route::{Link, Owner, Sent};
use super::session::{Preparing, Session, State};
use super::status::CommunicationType;
use super::transfer::Transfer;
use crate::sip::message::{Message, Method, reason_phrase};
use crate::sip::transaction::TxId;
use crate::sip::uri::{NameAddr, SipUri, unescape};

/// What REFER and Replaces have to do with a session.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Refers {
    /// What we asked of the peer.
    pub transfer: Option<Transfer>,
    /// What the peer asked of us.
    pub referral: Option<Referral>,
    /// How many REFERs of the peer's were taken: from the second on NOTIFYs name theirs (RFC 3515 §2.4.6).
    pub taken: u32,
    /// The session whose peer sent us here.
    pub referred_by: Option<SessionId>,
    /// An INVITE of the peer's took the place of the first dialog: its Call-ID is the peer's.
    pub replaced: bool,
    /// To tags of the provisionals to our INVITE: its early dialogs.
    pub early: Vec<String>,
}

impl Refers {
    /// Who waits for the answer to our REFER.
    pub fn reply(&self) -> Option<ReplyId> {
        self.transfer.as_ref().and_then(|t| t.reply)
    }

    /// One more early dialog; a few are enough.
    pub fn note_early(&mut self, tag: &str) {
        if !tag.is_empty() && self.early.len() < 16 && !self.early.iter().any(|known| known == tag) {
            self.early.push(tag.to_owned());
        }
    }
}

/// The subscription that a REFER implies: its NOTIFYs go out one at a time.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Referral {
    /// `id` of its Event header.
    event_id: Option<u32>,
    /// What was told last.
    told: u16,
    /// A NOTIFY is out.
    busy: bool,
    /// What is to be told after it.
    next: Option<u16>,
}

impl Ua {
    /// A REFER in a dialog: 202, a first NOTIFY, and the call it wants.
    pub(super) fn on_refer(&mut self, id: SessionId, tx: TxId, msg: &Message) {
        let target = match self.refer_target(id, msg) {
            Ok(target) => target,
            Err(status) => return self.respond(tx, msg, status),
        };
        let accepted = self.dialog_response(id, msg, 202);
        self.transactions.respond(self.now.mono, tx, accepted);
        self.flush();
        if let Some(session) = self.sessions.get_mut(&id) {
            session.refers.taken += 1;
            let event_id = (session.refers.taken > 1).then(|| msg.cseq());
            session.refers.referral = Some(Referral { event_id, told: 100, busy: false, next: None });
        }
        self.send_notify(id, 100);
        self.call_referred(id, target, msg);
    }

    /// Where the REFER wants us to go; else the status that refuses it.
    fn refer_target(&self, id: SessionId, msg: &Message) -> Result<SipUri, u16> {
        let mut values = msg.headers("Refer-To");
        let (Some(value), None) = (values.next(), values.next()) else { return Err(400) };
        let target = NameAddr::parse(value).map_err(|_| 400u16)?;
        let target = target.sip_uri().map_err(|_| 603u16)?;
        let invites = target.params.get("method").is_none_or(|m| m.eq_ignore_ascii_case("INVITE"));
        if !self.settings.phone.accept_refer || self.is_closing() || !invites || target.scheme == "sips" {
            return Err(603);
        }
        let Some(session) = self.sessions.get(&id) else { return Err(481) };
        if !self.may_dial(&session.account, &target) {
            return Err(603);
        }
        if !matches!(session.state, State::Talking(_)) {
            return Err(603);
        }
        if session.refers.referral.is_some() || session.refers.transfer.is_some() {
            return Err(491);
        }
        self.room_for_one_more(&session.seat).map_err(|_| 486u16)?;
        Ok(target)
    }

    /// The call that a REFER wants: a session of its own, on the devices of the one it came in.
    fn call_referred(&mut self, old: SessionId, mut target: SipUri, refer: &Message) {
        let id = SessionId(self.fresh_id());
        let Some(session) = self.sessions.get(&old) else { return };
        let (name, call_id, mut seat) = (session.account.clone(), session.call_id.clone(), session.seat.clone());
        let devices = (session.input.clone(), session.output.clone());
        if seat.starts_with("session:") {
            seat = format!("session:{}", id.0);
        }
        let mut extra_headers = Vec::new();
        if let Some(by) = refer.header("Referred-By") {
            extra_headers.push(("Referred-By".to_owned(), by.to_owned()));
        }
        // Of the URI's headers only this one is for us to send: the others could say anything in our name.
        if let Some(replaces) = header_of(&target.headers, "Replaces") {
            extra_headers.push(("Replaces".to_owned(), replaces));
        }
        target.headers.clear();
        target.params.remove("method");
        let user = target.user_unescaped();
        let number = if user.is_empty() { target.host.clone() } else { user };
        let route = self.accounts.get(&name).map(|a| a.route()).unwrap_or_default();
        let preparing = Preparing {
            reply: None,
            request_uri: target.to_string(),
            route,
            targets: None,
            opening: None,
            extra_headers,
            redirects: 0,
            cseq: 0,
        };
        let mut session = self.new_session(id, &name, seat, CommunicationType::Outbound, devices);
        session.called_number.clone_from(&number);
        session.number = number;
        session.refers.referred_by = Some(old);
        self.insert_session(Session { state: State::Preparing(Box::new(preparing)), ..session });
        self.after(seconds(self.settings.phone.no_answer_timeout), Timer::NoAnswer(id));
        for event in ["newRTCSession", "startSession"] {
            let mut data = originator("local");
            data.insert("referredBy".into(), Value::from(call_id.clone()));
            self.tell_with_session(id, event, data);
        }
        // The transferor will hang up or hold: it is not asked to be held, but it does not hear us meanwhile.
        let seat = self.sessions.get(&id).map(|s| s.seat.clone());
        if self.sessions.get(&old).is_some_and(|s| s.wants_microphone() && Some(&s.seat) == seat.as_ref()) {
            self.fellows(old).into_iter().for_each(|fellow| self.park(fellow, true));
        }
        if self.is_contested(id) {
            self.take_microphone(id);
        }
        self.set_current(Some(id));
        self.find_targets(id);
        self.open_media(id);
    }

    /// How a call that somebody sent us to goes on.
    pub(super) fn tell_referrer(&mut self, id: SessionId, code: u16) {
        let Some(refers) = self.sessions.get_mut(&id).map(|s| &mut s.refers) else { return };
        let referrer = if code < 200 { refers.referred_by } else { refers.referred_by.take() };
        if let Some(old) = referrer {
            self.notify(old, code);
        }
    }

    /// It was not answered: the call with the transferor is what is left.
    pub(super) fn referral_failed(&mut self, old: SessionId, code: u16) {
        self.notify(old, code);
        if self.sessions.contains_key(&old) && !self.is_contested(old) {
            self.fellows(old).into_iter().for_each(|fellow| self.park(fellow, false));
            self.set_current(Some(old));
        }
    }

    fn notify(&mut self, id: SessionId, code: u16) {
        let Some(referral) = self.sessions.get_mut(&id).and_then(|s| s.refers.referral.as_mut()) else { return };
        if referral.busy {
            referral.next = Some(code);
        } else if referral.told != code {
            self.send_notify(id, code);
        }
    }

    /// A NOTIFY with a status line as its body (RFC 3420); the final one ends the subscription.
    fn send_notify(&mut self, id: SessionId, code: u16) {
        let Some((account, mut dialog, link)) = self.way(id) else { return };
        let Some(referral) = self.sessions.get_mut(&id).and_then(|s| s.refers.referral.as_mut()) else { return };
        (referral.busy, referral.told) = (true, code);
        let event = referral.event_id.map_or_else(|| "refer".to_owned(), |id| format!("refer;id={id}"));
        let active = format!("active;expires={}", self.settings.phone.no_answer_timeout.max(60));
        let state = if code < 200 { active.as_str() } else { "terminated;reason=noresource" };
        let mut notify = self.in_dialog(&mut dialog, Method::Notify, &account, link);
        notify.push("Event", event);
        notify.push("Subscription-State", state);
        notify.set_body("message/sipfrag;version=2.0", format!("SIP/2.0 {code} {}\r\n", reason_phrase(code)).into());
        self.keep_cseq(id, dialog.local_cseq);
        self.send_request(notify, link, Owner::Refer(id), &account, 0);
    }

    /// The answer to a REFER or a NOTIFY of ours; no answer counts as 408.
    pub(super) fn on_refer_response(&mut self, id: SessionId, sent: &Sent, code: u16, msg: Option<&Message>) {
        let cseq = self.sessions.get_mut(&id).and_then(|s| s.talking()).map(|t| t.dialog.local_cseq + 1);
        let (Some(cseq), Ok(request), true) = (cseq, Message::parse(&sent.request), code >= 200) else { return };
        if matches!(code, 401 | 407)
            && let Some(again) = msg.and_then(|msg| self.with_digest(sent, msg, cseq))
        {
            self.keep_cseq(id, cseq);
            self.refer_again(id, request.cseq(), cseq);
            self.send_request(again, sent.link, Owner::Refer(id), &sent.account, sent.tries + 1);
            return;
        }
        if request.method() == Method::Refer {
            return self.on_refer_answered(id, request.cseq(), code);
        }
        let Some(refers) = self.sessions.get_mut(&id).map(|s| &mut s.refers) else { return };
        let Some(referral) = refers.referral.as_mut() else { return };
        referral.busy = false;
        let next = referral.next.take();
        if code >= 300 || referral.told >= 200 {
            refers.referral = None;
        } else if let Some(next) = next {
            self.send_notify(id, next);
        }
    }

    /// What a request in a session's dialog needs: its account, its dialog and its link.
    pub(super) fn way(&mut self, id: SessionId) -> Option<(String, crate::sip::dialog::Dialog, Link)> {
        let session = self.sessions.get_mut(&id)?;
        let (account, link) = (session.account.clone(), session.link?);
        let dialog = session.talking()?.dialog.clone();
        let link = self.dialog_link(&dialog.next_hop_uri(), link);
        Some((account, dialog, link))
    }

    pub(super) fn keep_cseq(&mut self, id: SessionId, cseq: u32) {
        if let Some(talking) = self.sessions.get_mut(&id).and_then(|s| s.talking()) {
            talking.dialog.local_cseq = cseq;
        }
    }
}

/// The value of a header in the `?name=value&…` of a URI, unescaped. None too where it holds a control character.
fn header_of(headers: &str, name: &str) -> Option<String> {
    let pairs = headers.split('&').filter_map(|pair| pair.split_once('='));
    let value = pairs.into_iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| unescape(value))?;
    Some(value).filter(|v| !v.chars().any(char::is_control))
}

#[cfg(test)]
mod tests {
    use super::header_of;

    #[test]
    fn headers_of_a_uri() {
        let text = "Subject=x&replaces=a%40b%3Bto-tag%3D1%3Bfrom-tag%3D2";
        assert_eq!(header_of(text, "Replaces").as_deref(), Some("a@b;to-tag=1;from-tag=2"));
        assert_eq!(header_of("Replaces=a%0D%0AVia:x", "Replaces"), None);
        assert_eq!(header_of("", "Replaces"), None);
    }
}
