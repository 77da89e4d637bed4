//! Inbound calls: from the INVITE to the ringing, and to their refusal.

use std::net::IpAddr;

use serde_json::json;

use super::Ua;
use super::agent::Unavailable;
use super::call::originator;
use super::clock::{Timer, seconds};
use super::error::{Code, Error};
use super::identity::{answers_after, caller, shown_headers, user_of};
use super::io::{Hop, SessionId};
use super::media::MediaCommand;
use super::session::{Chosen, Incoming, Session, State};
use super::status::{CommunicationType, StaticCallStatus};
use super::wrong_state;
use crate::sdp::{
    CodecKind, Direction, Encryption, KeySeed, LocalDtls, LocalSide, MediaKind, SdpError, SessionDescription,
};
use crate::sip::dialog::Dialog;
use crate::sip::message::{Message, reason_phrase};
use crate::sip::transaction::{TxId, tag};
use crate::sip::uri::{NameAddr, SipUri};

impl Ua {
    /// A new INVITE of a known source.
    pub(super) fn on_invite(&mut self, tx: TxId, hop: Hop, msg: Message) {
        let Some(name) = self.account_for(hop, &msg) else { return self.respond(tx, &msg, 404) };
        if msg.header("Replaces").is_some() {
            return self.on_replaces(tx, hop, &msg);
        }
        let Some(caller) = caller(&msg) else { return self.respond(tx, &msg, 400) };
        if self.is_closing() {
            return self.refuse_closing(tx, &msg, &name);
        }
        if self.accounts.get(&name).is_some_and(|account| account.leaving) {
            return self.refuse_unseen(tx, &msg, &name, 480, "leaving");
        }
        let Some(account) = self.accounts.get(&name) else { return };
        if let Some(why) = self.unavailable(account) {
            return self.refuse_unavailable(tx, &msg, &name, why);
        }
        let id = SessionId(self.fresh_id());
        let Some(account) = self.accounts.get(&name) else { return };
        let devices = self.devices_for(account, &Chosen::default());
        let seat = self.seat_of(account, &devices.0, id);
        let auto_answer = answers_after(account.settings.auto_answer, &msg);
        let local_ip = account.local_ip(hop.addr).or_else(|| literal_host(msg.uri()));
        let waits = self.settings.phone.call_waiting || self.in_seat(&seat) == 0;
        if self.room_for_one_more(&seat).is_err() || !waits {
            return self.refuse_unseen(tx, &msg, &name, 486, if waits { "maxCalls" } else { "callWaiting" });
        }
        if !msg.body().is_empty()
            && let Err(error) = self.can_answer(msg.body(), &name)
        {
            self.respond(tx, &msg, 488);
            return self.tell_rejected(&msg, &name, json!({"code": 488, "reason": "media", "detail": error.reason}));
        }
        let local_tag = tag(&mut self.rng);
        let Some(dialog) = Dialog::uas(&msg, &local_tag) else { return self.respond(tx, &msg, 400) };
        let Some(link) = self.link(hop.flow, hop.addr, local_ip) else { return };
        let to = msg.to().map(|t| user_of(&t)).unwrap_or_default();
        let session = self.new_session(id, &name, seat, CommunicationType::Inbound, devices);
        let session = Session {
            sip_call_id: msg.call_id().to_owned(),
            local_tag,
            number: user_of(&caller),
            called_number: to,
            person: StaticCallStatus { name: caller.display.clone().unwrap_or_default(), ..session.person.clone() },
            diversion: msg.header("Diversion").and_then(|d| NameAddr::parse(d).ok()).map(|d| user_of(&d)),
            headers: shown_headers(&msg, &self.settings.phone.headers),
            link: Some(link),
            auto_answer,
            peer_updates: msg.has_token("Allow", "UPDATE"),
            rang: Some(self.now.mono),
            video: self.video_wish(&name, &Default::default(), true),
            state: State::Incoming(Box::new(Incoming {
                tx,
                request: msg.to_bytes(),
                dialog,
                answering: None,
                reliable: None,
            })),
            ..session
        };
        self.insert_session(session);
        if let Some(session) = self.sessions.get_mut(&id) {
            session.dtmf.learn(&msg);
        }
        let ringing = self.dialog_response(id, &msg, 180);
        self.send_provisional(id, tx, &msg, ringing);
        self.tell_with_session(id, "newRTCSession", originator("remote"));
        self.tell_with_session(id, "incoming", serde_json::Map::new());
        self.after(seconds(self.settings.phone.ring_timeout), Timer::NoAnswer(id));
        if let Some(ms) = auto_answer.filter(|ms| *ms > 0) {
            self.after(ms.saturating_mul(1000), Timer::AutoAnswer(id));
        }
        self.open_media(id);
    }

    /// Something of the offer is ours: a codec, and the encryption that the account wants.
    fn can_answer(&self, offer: &[u8], account: &str) -> Result<(), SdpError> {
        let settings = self.accounts.get(account).map(|a| &a.settings);
        let names = settings.map(|s| &s.codecs).filter(|c| !c.is_empty()).unwrap_or(&self.settings.codecs);
        let mut codecs: Vec<CodecKind> = names.iter().filter_map(|n| CodecKind::from_name(n)).collect();
        if codecs.is_empty() {
            codecs = CodecKind::ALL.to_vec();
        }
        let nowhere = std::net::SocketAddr::from(([127, 0, 0, 1], 9));
        let (encryption, kind) = settings.map(|s| (s.srtp, s.media)).unwrap_or_default();
        let mut local = LocalSide::new(nowhere, 0, codecs).encrypted(encryption, KeySeed::new([0; 32]));
        if kind != MediaKind::Rtp || encryption != Encryption::Off {
            let dtls = LocalDtls { fingerprint: String::new(), ice: None };
            local = local.with_dtls(dtls, kind != MediaKind::Webrtc);
        }
        SessionDescription::parse(offer).and_then(|offer| local.answer(&offer, Direction::SendRecv)).map(|_| ())
    }

    /// A call that never rings: told as `callRejected`, so that nothing is invisible.
    fn refuse_unseen(&mut self, tx: TxId, msg: &Message, account: &str, code: u16, reason: &str) {
        self.respond(tx, msg, code);
        self.tell_rejected(msg, account, json!({"code": code, "reason": reason}));
    }

    /// The seat's agent takes no calls: a refusal, or the caller is sent elsewhere.
    fn refuse_unavailable(&mut self, tx: TxId, msg: &Message, account: &str, why: Unavailable) {
        let Some(elsewhere) = why.forward else {
            return self.refuse_unseen(tx, msg, account, self.settings.phone.not_ready_code, why.reason);
        };
        let mut moved = self.response(msg, 302);
        moved.push("Contact", format!("<{elsewhere}>"));
        self.transactions.respond(self.now.mono, tx, moved);
        self.flush();
        self.tell_rejected(msg, account, json!({"code": 302, "reason": why.reason, "forward": elsewhere}));
    }

    pub(super) fn tell_rejected(&mut self, msg: &Message, account: &str, mut data: serde_json::Value) {
        let code = data["code"].as_u64().map_or(0, |code| code as u16);
        data["cause"] = super::cause::of_status(code).into();
        data["number"] = caller(msg).map(|from| user_of(&from)).unwrap_or_default().into();
        self.tell_account("callRejected", account, data);
    }

    /// The port is there.
    pub(super) fn on_incoming_media(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get(&id) else { return };
        let at_once = session.auto_answer == Some(0);
        let State::Incoming(incoming) = &session.state else { return };
        if incoming.answering.is_some() {
            self.complete_answer(id);
        } else if at_once {
            self.auto_answer(id);
        }
    }

    /// `session.reject`.
    pub(super) fn reject(&mut self, id: SessionId, code: Option<u16>) -> Result<(), Error> {
        let code = code.unwrap_or(486);
        if !(400..=699).contains(&code) {
            return Err(Error::new(Code::InvalidParams, format!("code: {code} is not a refusal"))
                .hint("400–699; 486 is the default"));
        }
        if !matches!(self.sessions.get(&id).map(|s| &s.state), Some(State::Incoming(_))) {
            return Err(wrong_state("only a ringing inbound session can be rejected").hint("session.hangup ends it"));
        }
        self.refuse(id, code, "Rejected", "local");
        Ok(())
    }

    /// `session.progress`: 180 once more, or 183 with our SDP, so that an announcement is heard before the answer.
    pub(super) fn progress(&mut self, id: SessionId, code: u16) -> Result<(), Error> {
        if !matches!(code, 180 | 183) {
            return Err(Error::new(Code::InvalidParams, format!("code: {code} is not a provisional that can be sent"))
                .hint("180 or 183"));
        }
        let Some(session) = self.sessions.get_mut(&id) else { return Ok(()) };
        let State::Incoming(incoming) = &session.state else {
            return Err(wrong_state("only a ringing inbound session has a progress"));
        };
        let (tx, Ok(invite)) = (incoming.tx, Message::parse(&incoming.request)) else { return Ok(()) };
        let mut answer = None;
        if code == 183 && !invite.body().is_empty() {
            let Some(local) = session.local.as_mut() else { return Err(wrong_state("there is no port yet")) };
            let described =
                SessionDescription::parse(invite.body()).and_then(|offer| local.answer(&offer, Direction::SendRecv));
            let (sdp, negotiated) = described.map_err(|e| Error::new(Code::LocalMedia, e.reason).sip(488))?;
            session.negotiated = Some(negotiated.clone());
            answer = Some((sdp, negotiated));
        }
        let early_media = answer.is_some();
        let mut response = self.dialog_response(id, &invite, code);
        if let Some((sdp, negotiated)) = answer {
            response.set_body("application/sdp", sdp.into_bytes());
            self.share_microphone(id);
            self.media(id, MediaCommand::Remote(negotiated));
        }
        self.send_provisional(id, tx, &invite, response);
        self.tell_status(id);
        self.tell_session(id, "progress", json!({"code": code, "earlyMedia": early_media}));
        Ok(())
    }

    /// A final refusal of a ringing session.
    pub(super) fn refuse(&mut self, id: SessionId, code: u16, cause: &str, by: &str) {
        let Some(session) = self.sessions.get(&id) else { return };
        let State::Incoming(incoming) = &session.state else { return };
        let (tx, request) = (incoming.tx, incoming.request.clone());
        if let Ok(msg) = Message::parse(&request) {
            let mut response = self.dialog_response(id, &msg, code);
            response.remove("Contact");
            if reason_phrase(code).is_empty() {
                tracing::debug!("refused with {code}, which has no phrase");
            }
            self.transactions.respond(self.now.mono, tx, response);
            self.flush();
        }
        self.finish(id, "failed", json!({"cause": cause, "code": code, "by": by}));
    }

    /// The caller has given up: 487 to the INVITE (RFC 3261 §9.2).
    pub(super) fn on_cancel(&mut self, tx: TxId, msg: &Message) {
        let rings = |s: &&Session| matches!(&s.state, State::Incoming(i) if i.tx == tx);
        let Some(id) = self.sessions.values().find(rings).map(|s| s.id) else { return };
        self.at_hand = Some(id);
        self.keep_reasons(id, msg);
        if let Some(session) = self.sessions.get_mut(&id).filter(|session| session.ended_with == Some(200)) {
            session.because = Some("answered elsewhere".to_owned());
        }
        self.refuse(id, 487, "Canceled", "remote");
    }
}

fn literal_host(uri: &str) -> Option<IpAddr> {
    SipUri::parse(uri).ok()?.host.parse().ok()
}
