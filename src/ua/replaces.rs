//! INVITE with Replaces (RFC 3891): somebody takes the place of the one we talk to, or picks up what we call. The session
//! stays the user's: its callId, its timers and its devices; only its dialog and its media's far end are others.

use serde_json::{Map, Value};

use super::Ua;
use super::clock::Timer;
use super::io::{Hop, SessionId};
use super::media::MediaCommand;
use super::session::{Accepting, State, Talking};
use crate::sdp::{Direction, SessionDescription};
use crate::sip::dialog::Dialog;
use crate::sip::message::Message;
use crate::sip::transaction::{TxId, tag};

/// A Replaces value.
#[derive(Debug, PartialEq)]
struct Replaces {
    call_id: String,
    to_tag: String,
    from_tag: String,
    early_only: bool,
}

impl Replaces {
    fn parse(text: &str) -> Option<Replaces> {
        let mut parts = text.split(';').map(str::trim);
        let call_id = parts.next().filter(|id| !id.is_empty())?.to_owned();
        let (mut to, mut from, mut early_only) = (None, None, false);
        for part in parts {
            let (name, value) = part.split_once('=').map_or((part, ""), |(n, v)| (n.trim(), v.trim()));
            match name.to_ascii_lowercase().as_str() {
                "to-tag" => to = Some(value.to_owned()),
                "from-tag" => from = Some(value.to_owned()),
                "early-only" => early_only = true,
                _ => {}
            }
        }
        Some(Replaces { call_id, to_tag: to?, from_tag: from?, early_only })
    }
}

impl Ua {
    /// An INVITE that wants to replace a dialog of ours: an answered one, or an early one of a call that we make. It is
    /// answered at once, without a ring.
    pub(super) fn on_replaces(&mut self, tx: TxId, hop: Hop, msg: &Message) {
        let mut values = msg.headers("Replaces");
        let replaces = values.next().and_then(Replaces::parse).filter(|_| values.next().is_none());
        let Some(replaces) = replaces else { return self.respond(tx, msg, 400) };
        let Some(id) = self.replaced(&replaces) else { return self.respond(tx, msg, 481) };
        self.at_hand = Some(id);
        match self.sessions.get(&id).map(|s| &s.state) {
            Some(State::Talking(_) | State::Accepting(_)) if replaces.early_only => self.respond(tx, msg, 486),
            Some(State::Talking(_) | State::Accepting(_) | State::Calling(_)) => self.replace(id, tx, hop, msg),
            // §3: an early dialog that we did not begin cannot be replaced.
            _ => self.respond(tx, msg, 481),
        }
    }

    /// The session of the dialog that is meant: `to-tag` is our tag. A tag of "0" stands for none (§3).
    fn replaced(&self, replaces: &Replaces) -> Option<SessionId> {
        let id = *self.dialogs.get(&(replaces.call_id.clone(), replaces.to_tag.clone()))?;
        let session = self.sessions.get(&id)?;
        if matches!(session.state, State::Calling(_)) {
            return session.refers.early.contains(&replaces.from_tag).then_some(id);
        }
        let theirs = &session.dialog()?.remote_tag;
        (*theirs == replaces.from_tag || (theirs.is_empty() && replaces.from_tag == "0")).then_some(id)
    }

    fn replace(&mut self, id: SessionId, tx: TxId, hop: Hop, msg: &Message) {
        let local_tag = tag(&mut self.rng);
        let sdp_id = self.chance(1 << 62);
        let Some(session) = self.sessions.get(&id) else { return };
        let (account, old_link) = (session.account.clone(), session.link);
        let local_ip = old_link.map(|l| l.local.ip());
        let held = session.held();
        let direction = if held { Direction::SendOnly } else { Direction::SendRecv };
        let (Some(old), Some(media)) = (&session.local, &session.media) else { return };
        // Another dialog has keys of its own: who is replaced does not know them.
        let mut local = self.local_side(id, old.rtp, sdp_id, media);
        let Some(mut dialog) = Dialog::uas(msg, &local_tag) else { return self.respond(tx, msg, 400) };
        let Some(link) = self.link(hop.flow, hop.addr, local_ip) else { return self.respond(tx, msg, 500) };
        let offered = msg.body().is_empty();
        let answer = match SessionDescription::parse(msg.body()) {
            _ if offered => Ok((local.offer(direction), None)),
            Ok(offer) => local.answer(&offer, direction).map(|(sdp, n)| (sdp, Some(n))),
            Err(error) => Err(error),
        };
        let Ok((sdp, negotiated)) = answer else { return self.respond(tx, msg, 488) };
        dialog.early = false;
        let next_hop = dialog.next_hop_uri();
        self.abandon_transfer(id);
        let old_state = self.swap_names(id, msg, local_tag);
        let Some(session) = self.sessions.get_mut(&id) else { return };
        session.link = Some(link);
        session.local = Some(local);
        if negotiated.is_some() {
            session.negotiated.clone_from(&negotiated);
        }
        let mut ok = self.dialog_response(id, msg, 200);
        ok.set_body("application/sdp", sdp.into_bytes());
        self.grant_timer(id, msg, &mut ok);
        let unacked = self.unacked(tx, link, msg.cseq(), offered);
        self.transactions.respond(self.now.mono, tx, ok);
        self.flush();
        self.after(unacked.interval, Timer::Ok(id));
        let mut picked_up = false;
        let state = match old_state {
            Some(State::Talking(old)) => {
                let mut old = *old;
                if let Some(link) = old_link {
                    self.send_bye(&mut old.dialog, link, &account, None);
                }
                let mut talking = Talking::new(dialog);
                talking.held = held;
                talking.queue = old.pending.map(|p| p.op).into_iter().chain(old.queue).collect();
                talking.unacked = Some(unacked);
                State::Talking(Box::new(talking))
            }
            Some(State::Accepting(old)) => {
                self.leave_orphan(account, old.dialog, old.ok);
                State::Accepting(Box::new(Accepting { dialog, ok: unacked }))
            }
            Some(State::Calling(old)) => {
                picked_up = true;
                self.leave_invite(old.tx);
                State::Accepting(Box::new(Accepting { dialog, ok: unacked }))
            }
            _ => return,
        };
        let now = self.now;
        if let Some(session) = self.sessions.get_mut(&id) {
            session.state = state;
            if picked_up {
                (session.answered, session.answered_wall) = (Some(now.mono), now.wall);
            }
        }
        if let Some(negotiated) = negotiated {
            self.media(id, MediaCommand::Remote(negotiated));
            if held {
                self.set_gate(id, true);
            }
        }
        self.resolve_ahead(&next_hop);
        self.learn_party(id, hop, msg, true);
        self.tell_status(id);
        let data: Map<String, Value> = [("reason".to_owned(), Value::from("transfer"))].into_iter().collect();
        self.tell_with_session(id, "reinvite", data);
        if picked_up {
            self.tell_with_session(id, "accepted", Map::new());
            self.tell_referrer(id, 200);
            self.begin_reports(id);
            self.limit_length(id);
        }
    }

    /// The session answers to the new dialog's names from now on. Returns what it was in.
    fn swap_names(&mut self, id: SessionId, msg: &Message, local_tag: String) -> Option<State> {
        let session = self.sessions.get_mut(&id)?;
        let old = (session.sip_call_id.clone(), session.local_tag.clone());
        session.sip_call_id = msg.call_id().to_owned();
        session.local_tag = local_tag;
        session.refers.replaced = true;
        session.refers.referral = None;
        session.refresh = None;
        session.peer_updates = msg.has_token("Allow", "UPDATE");
        session.dtmf.learn(msg);
        let new = (session.sip_call_id.clone(), session.local_tag.clone());
        let state = session.state.clone();
        self.dialogs.remove(&old);
        self.dialogs.insert(new, id);
        Some(state)
    }
}

#[cfg(test)]
mod tests {
    use super::Replaces;

    #[test]
    fn values() {
        let read = Replaces::parse("98732@x ;from-tag=r33 ; To-Tag=ee;early-only;x=y").expect("a value");
        assert_eq!((read.call_id.as_str(), read.to_tag.as_str(), read.from_tag.as_str()), ("98732@x", "ee", "r33"));
        assert!(read.early_only);
        for bad in ["", "a", "a;to-tag=1", "a;from-tag=1", ";to-tag=1;from-tag=2"] {
            assert_eq!(Replaces::parse(bad), None, "{bad:?}");
        }
    }
}
