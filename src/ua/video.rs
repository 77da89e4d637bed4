//! Video: passed through beside the audio of a WebRTC session, from a source and to a sink of the configuration. Ours is sent when a
//! user asks for it; the peer's is taken where there is a sink.

use serde_json::{Value, json};

use super::Ua;
use super::command::CallOption;
use super::error::{Code, Error};
use super::io::{ReplyId, SessionId};
use super::media::{MediaCommand, VideoEvent, VideoPlan};
use super::session::{Op, Session, Verb};
use super::status::{Stream, Track};
use super::wrong_state;
use crate::sdp::{Direction, VideoCodec};

impl Ua {
    /// Source and sink of an account: its own, else those of `[video]`.
    fn video_ends(&self, account: &str) -> [Option<&String>; 2] {
        let own = self.accounts.get(account).map(|a| &a.settings);
        let all = &self.settings.video;
        let source = own.and_then(|own| own.video_source.as_ref()).or(all.source.as_ref());
        let sink = own.and_then(|own| own.video_sink.as_ref()).or(all.sink.as_ref());
        [source, sink]
    }

    /// What the account can do: a source is sent, a sink receives.
    fn video_direction(&self, account: &str) -> Direction {
        let [source, sink] = self.video_ends(account);
        Direction::new(source.is_some(), sink.is_some())
    }

    /// Best first. A file, either end, is of VP8.
    pub(super) fn video_codecs(&self, account: &str) -> Vec<VideoCodec> {
        let file = self.video_ends(account).into_iter().flatten().any(|end| end.starts_with("file:"));
        let known = self.settings.video.codecs.iter().filter_map(|name| VideoCodec::from_name(name));
        known.filter(|codec| !file || *codec == VideoCodec::Vp8).collect()
    }

    /// What a call or an answer is to do of what the account can: it sends what was asked for; unless something else was said, an
    /// answer receives what is there to be seen, a call what it asked for.
    pub(super) fn video_wish(&self, account: &str, option: &CallOption, answering: bool) -> Direction {
        let receives = option.offer_to_receive_video.or(option.video).unwrap_or(answering);
        self.video_direction(account).and(Direction::new(option.video == Some(true), receives))
    }

    /// Tells our side of the dialog what the session wants of video.
    pub(super) fn set_video(&mut self, id: SessionId, direction: Direction, ask: bool) {
        let Some(account) = self.sessions.get(&id).map(|s| s.account.clone()) else { return };
        let codecs = self.video_codecs(&account);
        if let Some(local) = self.sessions.get_mut(&id).and_then(|s| s.local.as_mut()) {
            local.set_video(direction, codecs);
            if ask {
                local.ask_video();
            }
        }
    }

    /// Tells the media engine what there may be of video.
    pub(super) fn plan_video(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get(&id) else { return };
        let name = session.call_id.clone();
        let [source, sink] = self.video_ends(&session.account).map(|end| end.cloned());
        let searched = session.media.as_ref().is_some_and(|media| media.dtls.ice.is_some());
        if searched && (source.is_some() || sink.is_some()) {
            self.media(id, MediaCommand::Video(VideoPlan { source, sink, name }));
        }
    }

    /// `session.audioToVideo`: our video from now on, and the peer's where there is a sink.
    pub(super) fn audio_to_video(&mut self, call_id: &str, reply: ReplyId) -> Result<Option<Value>, Error> {
        let id = self.find_talking(call_id)?;
        let Some(session) = self.sessions.get(&id) else { return Ok(None) };
        if !self.video_direction(&session.account).send() || self.video_codecs(&session.account).is_empty() {
            return Err(Error::new(Code::NoVideoInput, "there is no source of video: the session stays audio")
                .hint("[video] source"));
        }
        let negotiated = session.negotiated.as_ref();
        if negotiated.is_none_or(|n| n.ice.is_none()) {
            let why = "video goes beside WebRTC audio only: the session stays audio";
            return Err(Error::new(Code::NoVideoInput, why));
        }
        if negotiated.and_then(|n| n.video.as_ref()).is_some() && session.video.send() {
            return Ok(Some(Value::Bool(true)));
        }
        self.ask(id, Op { verb: Verb::AddVideo, reply: Some(reply) });
        Ok(None)
    }

    /// `session.videoToAudio`
    pub(super) fn video_to_audio(&mut self, call_id: &str, reply: ReplyId) -> Result<Option<Value>, Error> {
        let id = self.find_talking(call_id)?;
        let asked = self.sessions.get_mut(&id).and_then(|s| s.talking());
        let asked =
            asked.is_some_and(|t| t.pending.iter().map(|p| &p.op).chain(&t.queue).any(|op| op.verb == Verb::AddVideo));
        if !asked && self.sessions.get(&id).is_none_or(|s| s.negotiated.as_ref().is_none_or(|n| n.video.is_none())) {
            return Ok(Some(Value::Bool(true)));
        }
        self.ask(id, Op { verb: Verb::DropVideo, reply: Some(reply) });
        Ok(None)
    }

    fn find_talking(&mut self, call_id: &str) -> Result<SessionId, Error> {
        let id = self.find(call_id)?;
        match self.sessions.get_mut(&id).and_then(Session::talking) {
            Some(talking) if talking.queue.len() >= 16 => {
                Err(wrong_state("16 verbs of this session wait for the far end already"))
            }
            Some(_) => Ok(id),
            None => {
                Err(wrong_state("only a confirmed session can change to video or audio").hint("wait for `confirmed`"))
            }
        }
    }

    /// What the session will want once this verb is done.
    fn video_after(&self, session: &Session, verb: Verb) -> Direction {
        match verb {
            Verb::AddVideo => self.video_direction(&session.account),
            Verb::DropVideo => Direction::Inactive,
            Verb::Hold | Verb::Unhold | Verb::Refresh => session.video,
        }
    }

    /// Before the offer of that verb.
    pub(super) fn offer_video(&mut self, id: SessionId, verb: Verb) {
        let Some(session) = self.sessions.get(&id) else { return };
        self.set_video(id, self.video_after(session, verb), verb == Verb::AddVideo);
    }

    /// The offer of that verb was accepted: whether what it asked for is so.
    pub(super) fn video_is_agreed(&mut self, id: SessionId, verb: Verb) -> bool {
        let Some(session) = self.sessions.get(&id) else { return false };
        let shown = session.negotiated.as_ref().is_some_and(|n| n.video.is_some());
        if verb == Verb::AddVideo && !shown {
            self.set_video(id, session.video, false);
            return false;
        }
        let direction = self.video_after(session, verb);
        if let Some(session) = self.sessions.get_mut(&id) {
            session.video = direction;
        }
        true
    }

    /// The offer was refused: what was agreed before holds.
    pub(super) fn video_rolls_back(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let direction = session.video;
        if let Some(local) = session.local.as_mut() {
            local.roll_back();
        }
        self.set_video(id, direction, false);
    }

    /// What the media engine tells of it.
    pub(super) fn on_video(&mut self, id: SessionId, event: VideoEvent) {
        match event {
            VideoEvent::Started { ssrc } => {
                let Some(session) = self.sessions.get_mut(&id) else { return };
                session.video_ssrc = Some(ssrc);
                let (kind, stream) = (session.direction, session.remote_stream());
                if stream.is_some() {
                    self.tell_session(id, "streamAdded", json!({"communicationType": kind, "stream": stream}));
                }
            }
            VideoEvent::Failed(reason) => {
                tracing::warn!(session = id.0, "{reason}");
                self.tell_session(id, "media", json!({"state": "failed", "reason": reason}));
            }
        }
    }
}

impl Session {
    /// Video is agreed on; a hold does not change it.
    pub fn is_video(&self) -> bool {
        let Some(negotiated) = &self.negotiated else { return false };
        let silent = negotiated.direction != Direction::SendRecv;
        negotiated.video.as_ref().is_some_and(|video| video.direction != Direction::Inactive || silent)
    }

    /// Our video: as in the seed the sound is not listed here.
    pub fn local_stream(&self) -> Option<Stream> {
        let video = self.negotiated.as_ref()?.video.as_ref().filter(|_| self.video.send())?;
        let track = Track {
            kind: "video".into(),
            codec: video.codec.name().into(),
            ssrc: self.media.as_ref()?.video_ssrc,
            direction: video.direction.as_str().into(),
            muted: !video.direction.send() || self.held(),
        };
        Some(Stream { id: format!("{}-local", self.call_id), tracks: vec![track] })
    }

    /// What comes from the peer.
    pub fn remote_stream(&self) -> Option<Stream> {
        let negotiated = self.negotiated.as_ref()?;
        let audio = self.remote_ssrc.map(|ssrc| Track {
            kind: "audio".into(),
            codec: negotiated.codec.kind.name().into(),
            ssrc,
            direction: negotiated.direction.as_str().into(),
            muted: !negotiated.direction.recv(),
        });
        let video = negotiated.video.as_ref().zip(self.video_ssrc).map(|(video, ssrc)| Track {
            kind: "video".into(),
            codec: video.codec.name().into(),
            ssrc,
            direction: video.direction.as_str().into(),
            muted: !video.direction.recv(),
        });
        let tracks: Vec<Track> = audio.into_iter().chain(video).collect();
        (!tracks.is_empty()).then(|| Stream { id: format!("{}-remote", self.call_id), tracks })
    }
}
