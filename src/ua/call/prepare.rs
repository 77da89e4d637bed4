//! From a new session to the INVITE on the wire: an address, a flow, a port; then the next target when one fails.

use std::collections::VecDeque;
use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::sdp::{CodecKind, Direction, Encryption, LocalSide, MediaKind, SessionDescription};
use crate::sip::message::{Message, Method};
use crate::sip::uri::{NameAddr, SipUri};
use crate::ua::Ua;
use crate::ua::error::Code;
use crate::ua::flow::{Connection, Waiter};
use crate::ua::io::{SessionId, Target, Transport};
use crate::ua::media::{LocalMedia, MediaCommand};
use crate::ua::route::{ALLOW, Link, Owner, Query, SUPPORTED, host_of};
use crate::ua::session::{Calling, Preparing, Session, State};

impl Ua {
    pub(in crate::ua) fn preparing(&mut self, id: SessionId) -> Option<&mut Preparing> {
        match &mut self.sessions.get_mut(&id)?.state {
            State::Preparing(p) => Some(p),
            _ => None,
        }
    }

    /// Where the INVITE goes: the account's servers for its own domain, else where the URI points.
    pub(in crate::ua) fn find_targets(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get(&id) else { return };
        let State::Preparing(preparing) = &session.state else { return };
        let Some(account) = self.accounts.get(&session.account) else { return };
        let Ok(uri) = SipUri::parse(&preparing.request_uri) else { return };
        let own =
            uri.scheme == "tel" || (uri.host.eq_ignore_ascii_case(&account.aor.host) && uri.port == account.aor.port);
        let servers: VecDeque<Target> = account.all_targets().into();
        // A WebSocket client reaches nobody but its server.
        let websocket = servers.iter().any(|t| t.transport.websocket());
        let through = !account.settings.proxies.is_empty()
            || websocket
            || !account.registration.service_route.is_empty()
            || (own && !servers.is_empty());
        let first = account.route().first().and_then(|r| NameAddr::parse(r).ok()).and_then(|n| n.sip_uri().ok());
        if through && !servers.is_empty() {
            let in_use = account.link.map(|l| l.hop.addr);
            let mut servers = servers;
            if let Some(position) = in_use.and_then(|addr| servers.iter().position(|t| t.addr == addr)) {
                servers.rotate_left(position);
            }
            if let Some(p) = self.preparing(id) {
                p.targets = Some(servers);
            }
            return;
        }
        let mut host = host_of(first.as_ref().unwrap_or(&uri));
        let forced = account.forced_transport().filter(|t| *t != Transport::Udp);
        host.transport = host.transport.or(forced);
        self.resolve(host, Query::Call(id));
    }

    pub(in crate::ua) fn on_call_targets(&mut self, id: SessionId, targets: Vec<Target>) {
        if targets.is_empty() {
            return self.on_target_failed(id);
        }
        if let Some(preparing) = self.preparing(id) {
            preparing.targets = Some(targets.into());
            self.open_media(id);
            self.prepare(id);
        }
    }

    /// Asks for a port once it is known which of our addresses the call uses.
    pub(in crate::ua) fn open_media(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get(&id) else { return };
        let local_ip = match &session.state {
            State::Preparing(p) => p.targets.as_ref().and_then(|t| t.front()).map(|t| t.local_ip),
            _ => session.link.map(|l| l.local.ip()),
        };
        let Some(local_ip) = local_ip.filter(|_| !session.media_asked) else { return };
        let (input, output, ice) = (session.input.clone(), session.output.clone(), self.wants_ice(session));
        let cleaning = self.cleaning_for(&session.account);
        if let Some(session) = self.sessions.get_mut(&id) {
            session.media_asked = true;
        }
        self.media(id, MediaCommand::Open { local_ip, input, output, ice });
        self.media(id, MediaCommand::Clean(cleaning));
    }

    pub(in crate::ua) fn on_local_media(&mut self, id: SessionId, media: LocalMedia) {
        let session_id = self.chance(1 << 62);
        let public = self.settings.sip.public_address.as_deref().and_then(|a| a.parse().ok());
        let rtp = SocketAddr::new(public.unwrap_or(media.rtp.ip()), media.rtp.port());
        if self.sessions.get(&id).is_some_and(|session| session.media.is_some()) {
            return self.on_moved_media(id, rtp, media);
        }
        let local = self.local_side(id, rtp, session_id, &media);
        let Some(session) = self.sessions.get_mut(&id) else { return };
        session.local = Some(local);
        session.media = Some(media);
        self.plan_video(id);
        let Some(session) = self.sessions.get(&id) else { return };
        match session.state {
            State::Preparing(_) => self.prepare(id),
            State::Incoming(_) => self.on_incoming_media(id),
            _ => {}
        }
    }

    pub(in crate::ua) fn codecs_of(&self, id: SessionId) -> Vec<CodecKind> {
        let own = self.sessions.get(&id).and_then(|s| self.accounts.get(&s.account)).map(|a| &a.settings.codecs);
        let names = own.filter(|c| !c.is_empty()).unwrap_or(&self.settings.codecs);
        let known: Vec<CodecKind> = names.iter().filter_map(|n| CodecKind::from_name(n)).collect();
        if known.is_empty() { CodecKind::ALL.to_vec() } else { known }
    }

    /// Our side of a new dialog's descriptions: codecs and protection as the account wants them, video as the session does; a call
    /// of ours offers it.
    pub(in crate::ua) fn local_side(
        &self,
        id: SessionId,
        rtp: SocketAddr,
        session_id: u64,
        media: &LocalMedia,
    ) -> LocalSide {
        let account = self.sessions.get(&id).and_then(|s| self.accounts.get(&s.account));
        let (encryption, kind) = account.map(|a| (a.settings.srtp, a.settings.media)).unwrap_or_default();
        let mut side = LocalSide::new(rtp, session_id, self.codecs_of(id))
            .encrypted(encryption, media.seed.clone())
            .with_sources(media.ssrc, media.video_ssrc, media.cname.clone());
        if let Some(session) = self.sessions.get(&id) {
            side.set_video(session.video, self.video_codecs(&session.account));
            if matches!(session.state, State::Preparing(_)) {
                side.ask_video();
            }
        }
        match kind {
            MediaKind::Rtp if encryption == Encryption::Off => side,
            _ => side.with_dtls(media.dtls.clone(), kind != MediaKind::Webrtc),
        }
    }

    /// The session's media is to be WebRTC: by the account's word, else by the caller's offer, else where there is WebSocket.
    fn wants_ice(&self, session: &Session) -> bool {
        let kind = self.accounts.get(&session.account).map(|a| a.settings.media).unwrap_or_default();
        let socket = |transport| matches!(transport, Transport::Ws | Transport::Wss);
        match (kind, &session.state) {
            (MediaKind::Rtp, _) => false,
            (MediaKind::Webrtc, _) => true,
            (MediaKind::Auto, State::Incoming(incoming)) => {
                let Ok(invite) = Message::parse(&incoming.request) else { return false };
                match SessionDescription::parse(invite.body()) {
                    _ if invite.body().is_empty() => session.link.is_some_and(|l| socket(l.hop.transport)),
                    Ok(offer) => offer.is_webrtc(),
                    Err(_) => false,
                }
            }
            (MediaKind::Auto, State::Preparing(p)) => {
                p.targets.as_ref().and_then(|t| t.front()).is_some_and(|t| socket(t.transport))
            }
            (MediaKind::Auto, _) => false,
        }
    }

    /// Goes on as far as what is there allows: an address, a flow, a port, and then the INVITE.
    pub(in crate::ua) fn prepare(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get(&id) else { return };
        let State::Preparing(preparing) = &session.state else { return };
        let Some(target) = preparing.targets.as_ref().and_then(|t| t.front()).cloned() else { return };
        if session.local.is_none() {
            return;
        }
        let account = session.account.clone();
        match self.connect(&target, &account, Waiter::Session(id)) {
            Connection::Ready(link) => self.send_invite(id, link),
            Connection::Opening(flow) => {
                if let Some(p) = self.preparing(id) {
                    p.opening = Some(flow);
                }
            }
            Connection::None if self.listens() => self.on_target_failed(id),
            Connection::None => {} // the sockets are not there yet
        }
    }

    fn send_invite(&mut self, id: SessionId, link: Link) {
        let contact = match self.sessions.get(&id) {
            Some(session) => self.contact(&session.account, link),
            None => return,
        };
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let State::Preparing(preparing) = &session.state else { return };
        let mut preparing = (**preparing).clone();
        let Some(account) = self.accounts.get(&session.account) else { return };
        let Some(local) = session.local.as_mut() else { return };
        preparing.cseq += 1;
        let mut msg = Message::request(Method::Invite, &preparing.request_uri);
        for route in &preparing.route {
            msg.push("Route", route.clone());
        }
        msg.push("Max-Forwards", "70");
        msg.push("From", format!("{};tag={}", account.address(), session.local_tag));
        msg.push("To", format!("<{}>", preparing.request_uri));
        msg.push("Call-ID", session.sip_call_id.clone());
        msg.push("CSeq", format!("{} INVITE", preparing.cseq));
        msg.push("Contact", contact);
        msg.push("Allow", ALLOW);
        for (name, value) in &preparing.extra_headers {
            msg.push(name, value.clone());
        }
        msg.set_body("application/sdp", local.offer(Direction::SendRecv).into_bytes());
        session.link = Some(link);
        let account = session.account.clone();
        msg.push("Supported", SUPPORTED);
        self.ask_timer(id, &mut msg);
        let tx = self.send_request(msg, link, Owner::Invite(id), &account, 0);
        let reply = preparing.reply.take();
        let calling = Calling {
            tx,
            cseq: preparing.cseq,
            rings: false,
            reliable: Vec::new(),
            early: Vec::new(),
            retry: preparing,
        };
        if let Some(session) = self.sessions.get_mut(&id) {
            session.state = State::Calling(Box::new(calling));
        }
        let snapshot = self.snapshot(id, self.seq);
        let call_id = snapshot.get("callId").cloned().unwrap_or(Value::Null);
        self.reply_opt(reply, Ok(json!({"code": 200, "msg": "SUCCESS", "callId": call_id, "session": snapshot})));
    }

    /// The next target, or the end of the call.
    pub(in crate::ua) fn on_target_failed(&mut self, id: SessionId) {
        let Some(preparing) = self.preparing(id) else { return };
        preparing.opening = None;
        if let Some(targets) = &mut preparing.targets {
            targets.pop_front();
            if !targets.is_empty() {
                return self.prepare(id);
            }
        }
        self.fail_client(id, Code::Unknown, "Connection Error");
    }

    pub(in crate::ua) fn on_media_failed(&mut self, id: SessionId, reason: &str) {
        tracing::warn!(session = id.0, "no media: {reason:?}");
        match self.sessions.get(&id).map(|s| &s.state) {
            Some(State::Preparing(_)) => self.fail_client(id, Code::LocalMedia, "Internal Error"),
            Some(State::Incoming(_)) => self.refuse(id, 500, "Internal Error", "system"),
            Some(_) => {
                self.note_fault(id, reason);
                self.tell_session(id, "media", json!({"state": "failed", "reason": reason}));
            }
            None => {}
        }
    }

    pub(in crate::ua) fn on_no_answer(&mut self, id: SessionId) {
        match self.sessions.get(&id).map(|s| &s.state) {
            Some(State::Preparing(_)) => self.fail_client(id, Code::Timeout, "Connection Error"),
            Some(State::Calling(_)) => self.give_up(id, "No Answer", 408),
            Some(State::Incoming(_)) => self.refuse(id, 480, "No Answer", "system"),
            _ => {}
        }
    }
}
