//! The peer's re-INVITE: answered, told, and never the end of a call (RFC 3261 §14.2).

use serde_json::Map;

use super::Ua;
use super::clock::Timer;
use super::io::{Hop, SessionId};
use super::media::MediaCommand;
use super::session::State;
use crate::sdp::{Direction, Negotiated, SessionDescription};
use crate::sip::message::Message;
use crate::sip::transaction::TxId;

impl Ua {
    pub(super) fn on_reinvite(&mut self, id: SessionId, tx: TxId, hop: Hop, msg: &Message) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let (held, direction) = match &session.state {
            State::Talking(t) if t.pending.as_ref().is_some_and(|p| p.tx.is_some()) => {
                return self.respond(tx, msg, 491);
            }
            State::Talking(t) if t.unacked.is_none() => {
                (t.held, if t.held { Direction::SendOnly } else { Direction::SendRecv })
            }
            _ => return self.respond_busy(tx, msg),
        };
        let Some(local) = session.local.as_mut() else { return };
        let before = session.negotiated.clone();
        let offered = msg.body().is_empty();
        let (sdp, negotiated) = if offered {
            (local.offer(direction), None)
        } else {
            match SessionDescription::parse(msg.body()).and_then(|offer| local.answer(&offer, direction)) {
                Ok((sdp, negotiated)) => (sdp, Some(negotiated)),
                Err(error) => {
                    tracing::debug!("a re-INVITE that cannot be answered: {:?}", error.reason);
                    return self.respond(tx, msg, 488);
                }
            }
        };
        if let Some(talking) = session.talking() {
            talking.dialog.refresh_target(msg);
        }
        let Some(link) = session.link else { return };
        let mut ok = self.dialog_response(id, msg, 200);
        ok.set_body("application/sdp", sdp.into_bytes());
        self.grant_timer(id, msg, &mut ok);
        let unacked = self.unacked(tx, link, msg.cseq(), offered);
        self.transactions.respond(self.now.mono, tx, ok);
        self.flush();
        self.after(unacked.interval, Timer::Ok(id));
        if let Some(talking) = self.sessions.get_mut(&id).and_then(|s| s.talking()) {
            talking.unacked = Some(unacked);
        }
        self.learn_party(id, hop, msg, false);
        self.has_moved(id);
        self.take_over(id, before.as_ref(), negotiated, held);
    }

    /// What the peer's offer changed: told to the media engine and to everyone.
    pub(super) fn take_over(
        &mut self,
        id: SessionId,
        before: Option<&Negotiated>,
        negotiated: Option<Negotiated>,
        held: bool,
    ) {
        let reason = reason(before, negotiated.as_ref());
        if let Some(negotiated) = negotiated {
            if let Some(session) = self.sessions.get_mut(&id) {
                session.negotiated = Some(negotiated.clone());
            }
            self.media(id, MediaCommand::Remote(negotiated));
            if held {
                self.set_gate(id, true);
            }
        }
        self.tell_status(id);
        let data: Map<String, serde_json::Value> = [("reason".to_owned(), reason.into())].into_iter().collect();
        self.tell_with_session(id, "reinvite", data);
    }
}

/// Why the peer asked again.
fn reason(before: Option<&Negotiated>, after: Option<&Negotiated>) -> &'static str {
    let (Some(before), Some(after)) = (before, after) else { return "refresh" };
    match (before.direction.send(), after.direction.send()) {
        (true, false) => "hold",
        (false, true) => "unhold",
        _ if (before.remote_rtp, &before.codec) != (after.remote_rtp, &after.codec) => "media",
        _ if before.video.is_some() != after.video.is_some() => "media",
        _ => "refresh",
    }
}
