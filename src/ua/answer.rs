//! Answering: the seat's microphone is freed, then the 200 goes out.

use serde_json::{Map, json};

use super::Ua;
use super::call::{headers, originator};
use super::clock::{SECOND, Timer};
use super::command::CallOption;
use super::error::{Code, Error};
use super::io::{ReplyId, SessionId};
use super::media::MediaCommand;
use super::session::{Accepting, Answering, State};
use super::wrong_state;
use crate::sdp::{Direction, SessionDescription};
use crate::sip::message::Message;

impl Ua {
    /// `session.answer`. Guarantee 7: the other microphone of the seat is cut in this turn; our 200 waits for its hold, 2 s.
    pub(super) fn answer(
        &mut self,
        id: SessionId,
        option: Option<CallOption>,
        reply: Option<ReplyId>,
    ) -> Result<(), Error> {
        let option = option.unwrap_or_default();
        let extra_headers = headers(option.extra_headers.as_deref().unwrap_or_default())?;
        let ringing =
            matches!(self.sessions.get(&id).map(|s| &s.state), Some(State::Incoming(i)) if i.answering.is_none());
        if !ringing {
            return Err(wrong_state("only a ringing inbound session can be answered"));
        }
        if let Some(device) = option.device.as_deref() {
            self.answer_with_device(id, device)?;
        }
        if let Some(account) = self.sessions.get(&id).map(|s| s.account.clone()) {
            let direction = self.video_wish(&account, &option, true);
            if let Some(session) = self.sessions.get_mut(&id) {
                session.video = direction;
            }
            self.set_video(id, direction, option.video == Some(true));
        }
        let waits_for = self.take_microphone(id);
        if let Some(State::Incoming(incoming)) = self.sessions.get_mut(&id).map(|s| &mut s.state) {
            incoming.answering = Some(Answering { reply, waits_for, extra_headers });
        }
        match waits_for {
            Some(_) => self.after(2 * SECOND, Timer::SeatWait(id)),
            None => self.complete_answer(id),
        }
        Ok(())
    }

    fn answer_with_device(&mut self, id: SessionId, device: &str) -> Result<(), Error> {
        if !self.has_input(device) {
            return Err(Error::new(Code::NoInput, format!("there is no input device {device:?}"))
                .hint("device.list names them"));
        }
        let Some(account) = self.sessions.get(&id).and_then(|s| self.accounts.get(&s.account)) else { return Ok(()) };
        let chosen = self.chosen(Some(device));
        let (input, output) = self.devices_for(account, &chosen);
        let seat = self.seat_of(account, &input, id);
        if let Some(session) = self.sessions.get_mut(&id) {
            (session.seat, session.chosen) = (seat, chosen);
            session.input.clone_from(&input);
            session.output.clone_from(&output);
            if session.media.is_some() {
                self.media(id, MediaCommand::Devices { input, output });
            }
        }
        Ok(())
    }

    /// `auto_answer`.
    pub(super) fn auto_answer(&mut self, id: SessionId) {
        if self.sessions.contains_key(&id)
            && let Err(error) = self.answer(id, None, None)
        {
            tracing::debug!("not answered by itself: {error}");
        }
    }

    /// Nothing of the seat is in the way any more.
    pub(super) fn seat_is_free(&mut self, id: SessionId) {
        let Some(State::Incoming(incoming)) = self.sessions.get_mut(&id).map(|s| &mut s.state) else { return };
        let Some(answering) = incoming.answering.as_mut() else { return };
        if answering.waits_for.take().is_some() {
            self.complete_answer(id);
        }
    }

    /// Sends the 200 once there is a port.
    pub(super) fn complete_answer(&mut self, id: SessionId) {
        let now = self.now;
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let State::Incoming(incoming) = &mut session.state else { return };
        let Some(local) = session.local.as_mut() else { return };
        if incoming.answering.as_ref().is_none_or(|a| a.waits_for.is_some()) {
            return;
        }
        if incoming.reliable.as_ref().is_some_and(|r| r.described && !r.bytes.is_empty()) {
            return; // RFC 3262 §3: our answer is not acknowledged yet
        }
        let Ok(invite) = Message::parse(&incoming.request) else { return };
        let offered = invite.body().is_empty();
        let (sdp, negotiated) = if offered {
            (local.offer(Direction::SendRecv), None)
        } else {
            let answered =
                SessionDescription::parse(invite.body()).and_then(|offer| local.answer(&offer, Direction::SendRecv));
            match answered {
                Ok((sdp, negotiated)) => (sdp, Some(negotiated)),
                Err(error) => return self.answer_failed(id, &error.reason),
            }
        };
        let answering = incoming.answering.clone();
        let (tx, dialog) = (incoming.tx, incoming.dialog.clone());
        let Some(link) = session.link else { return };
        session.negotiated = negotiated.clone();
        session.answered = Some(now.mono);
        session.answered_wall = now.wall;
        self.tell_status(id);
        self.tell_with_session(id, "startSession", originator("remote"));
        let mut ok = self.dialog_response(id, &invite, 200);
        let (reply, extra) = answering.map_or((None, Vec::new()), |a| (a.reply, a.extra_headers));
        extra.into_iter().for_each(|(name, value)| ok.push(&name, value));
        self.grant_timer(id, &invite, &mut ok);
        ok.set_body("application/sdp", sdp.into_bytes());
        let unacked = self.unacked(tx, link, invite.cseq(), offered);
        self.transactions.respond(now.mono, tx, ok);
        self.flush();
        self.after(unacked.interval, Timer::Ok(id));
        let mut dialog = dialog;
        dialog.early = false;
        let next_hop = dialog.next_hop_uri();
        if let Some(session) = self.sessions.get_mut(&id) {
            session.state = State::Accepting(Box::new(Accepting { dialog, ok: unacked }));
        }
        if self.is_contested(id) {
            self.take_microphone(id); // two that waited for the same hold: the later one wins
        }
        if let Some(negotiated) = negotiated {
            self.media(id, MediaCommand::Remote(negotiated));
        }
        self.resolve_ahead(&next_hop);
        self.set_current(Some(id));
        self.tell_status(id);
        self.tell_with_session(id, "accepted", Map::new());
        self.begin_reports(id);
        self.limit_length(id);
        self.reply_opt(reply, Ok(json!({"code": 200, "msg": "SUCCESS"})));
    }

    fn answer_failed(&mut self, id: SessionId, reason: &str) {
        tracing::debug!("the offer cannot be answered: {reason:?}");
        let Some(session) = self.sessions.get_mut(&id) else { return };
        session.because = Some(reason.to_owned());
        let reply = match &mut session.state {
            State::Incoming(i) => i.answering.take().and_then(|a| a.reply),
            _ => None,
        };
        self.reply_opt(
            reply,
            Err(Error::new(Code::LocalMedia, format!("the offer cannot be answered: {reason}")).sip(488)),
        );
        self.refuse(id, 488, "Incompatible SDP", "system");
    }
}
