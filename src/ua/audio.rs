//! `audio.*`: announcements into a call, and sockets for programs that listen or speak. The media engine does both; here is who
//! may, and what is told. All of it ends before its session does.

use std::collections::BTreeMap;

use rand_chacha::rand_core::Rng;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Ua;
use super::command::{AudioFormat, AudioMode, AudioOpen, AudioPlay, AudioPort};
use super::error::{Code, Error};
use super::io::{ReplyId, SessionId};
use super::media::{MediaCommand, PlayEvent, SocketEvent, SocketPlan};
use super::wrong_state;

/// Sockets of one session.
const SOCKETS: usize = 8;

/// What a session has of it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Audio {
    playing: Option<Playing>,
    sockets: BTreeMap<u64, Socket>,
}

/// An announcement, or the wish for one.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Playing {
    id: u64,
    wish: AudioPlay,
    /// Who waits for its beginning; none: it has begun.
    reply: Option<ReplyId>,
}

/// A socket, or the wish for one.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Socket {
    name: String,
    ports: Vec<AudioPort>,
    mode: AudioMode,
    format: AudioFormat,
    /// Who waits for it; none: it is open.
    reply: Option<ReplyId>,
    dropped: u64,
}

impl Ua {
    /// `audio.play`: the reply comes when it begins. What is played already ends.
    pub(super) fn audio_play(&mut self, id: SessionId, wish: AudioPlay, reply: ReplyId) -> Result<(), Error> {
        if wish.file.is_empty() || wish.file.len() > 4_096 || wish.file.contains('\0') {
            return Err(Error::new(Code::InvalidParams, "file: not a name").hint("a file below [audio] play_dirs"));
        }
        self.check_sound(id)?;
        if wish.to.remote() && self.sessions.get(&id).is_some_and(|s| s.held()) && self.hold_music(id).is_none() {
            return Err(wrong_state("the far end is on hold: nothing is sent to it")
                .hint("session.unhold, to \"local\", or [phone] hold_music"));
        }
        self.audio_stop(id, "replaced");
        let play = self.fresh_id();
        let (file, to, again) = (wish.file.clone(), wish.to, wish.again);
        self.audio.entry(id).or_default().playing = Some(Playing { id: play, wish, reply: Some(reply) });
        self.media(id, MediaCommand::Play { id: play, file, to, again });
        Ok(())
    }

    /// `audio.stop`, and whatever else ends what is played.
    pub(super) fn audio_stop(&mut self, id: SessionId, cause: &str) {
        let Some(playing) = self.audio.get_mut(&id).and_then(|audio| audio.playing.take()) else { return };
        self.media(id, MediaCommand::StopPlay);
        self.play_is_over(id, playing, cause);
    }

    pub(super) fn on_play(&mut self, id: SessionId, play: u64, event: PlayEvent) {
        let Some(audio) = self.audio.get_mut(&id) else { return };
        let Some(mut playing) = audio.playing.take_if(|playing| playing.id == play) else { return };
        match event {
            PlayEvent::Started { duration_ms } => {
                let reply = playing.reply.take();
                let AudioPlay { file, to, again, .. } = &playing.wish;
                let told = json!({"file": file, "to": to, "loop": again, "durationMs": duration_ms});
                audio.playing = Some(playing);
                self.tell_session(id, "audio.playing", told);
                self.reply_opt(reply, Ok(Value::Bool(true)));
            }
            PlayEvent::Ended => self.play_is_over(id, playing, "end"),
            PlayEvent::Refused(why) => self.reply_opt(playing.reply, Err(Error::new(Code::Forbidden, why))),
            PlayEvent::Failed(why) => self.reply_opt(playing.reply, Err(Error::new(Code::Storage, why))),
        }
    }

    fn play_is_over(&mut self, id: SessionId, playing: Playing, cause: &str) {
        match playing.reply {
            Some(reply) => self.reply(reply, Err(wrong_state(&format!("it did not begin: {cause}")))),
            None => {
                let AudioPlay { file, to, .. } = playing.wish;
                self.tell_session(id, "audio.played", json!({"file": file, "to": to, "cause": cause}));
            }
        }
    }

    /// `audio.open`: the reply says where it is.
    pub(super) fn audio_open(&mut self, id: SessionId, open: AudioOpen, reply: ReplyId) -> Result<(), Error> {
        let AudioOpen { mut ports, format, mode, .. } = open;
        ports.sort();
        ports.dedup();
        if ports.is_empty() {
            return Err(Error::new(Code::InvalidParams, "ports: at least one").hint("customerMouth, agentEar, …"));
        }
        self.check_sound(id)?;
        if self.audio.get(&id).is_some_and(|audio| audio.sockets.len() >= SOCKETS) {
            return Err(wrong_state(&format!("the session has {SOCKETS} audio sockets")).hint("audio.close"));
        }
        let (socket, name) = (self.fresh_id(), format!("{:016x}", self.rng.next_u64()));
        let plan = SocketPlan { id: socket, name: name.clone(), ports: ports.clone(), mode, rate: format.rate() };
        let socket_of = Socket { name, ports, mode, format, reply: Some(reply), dropped: 0 };
        self.audio.entry(id).or_default().sockets.insert(socket, socket_of);
        self.media(id, MediaCommand::OpenSocket(plan));
        Ok(())
    }

    /// `audio.close`
    pub(super) fn audio_close(&mut self, id: SessionId, name: &str) -> Result<(), Error> {
        let sockets = self.audio.get(&id).into_iter().flat_map(|audio| &audio.sockets);
        let found = sockets.into_iter().find(|(_, socket)| socket.name == name).map(|(socket, _)| *socket);
        let Some(socket) = found else {
            return Err(wrong_state(&format!("the session has no audio socket {name:?}"))
                .hint("audio.open returned its audioId; audio.closed tells its end"));
        };
        self.media(id, MediaCommand::CloseSocket(socket));
        self.socket_is_over(id, socket, "closed");
        Ok(())
    }

    pub(super) fn on_socket(&mut self, id: SessionId, socket: u64, event: SocketEvent) {
        let Some(known) = self.audio.get_mut(&id).and_then(|audio| audio.sockets.get_mut(&socket)) else { return };
        match event {
            SocketEvent::Open { path } => {
                let reply = known.reply.take();
                let Socket { name, ports, mode, format, .. } = &*known;
                let told = json!({"audioId": name, "ports": ports, "mode": mode, "format": format});
                let mut result = told.clone();
                result["path"] = path.into();
                self.tell_session(id, "audio.opened", told);
                self.reply_opt(reply, Ok(result));
            }
            SocketEvent::Failed(why) => {
                let reply = known.reply.take();
                self.audio.entry(id).or_default().sockets.remove(&socket);
                self.reply_opt(reply, Err(Error::new(Code::Storage, format!("no audio socket: {why}"))));
            }
            SocketEvent::Dropped { frames } => {
                known.dropped = frames;
                let told = json!({"audioId": known.name, "frames": frames});
                self.tell_session(id, "audio.dropped", told);
            }
            SocketEvent::Closed { reason, dropped } => {
                known.dropped = dropped;
                self.socket_is_over(id, socket, &reason);
            }
        }
    }

    fn socket_is_over(&mut self, id: SessionId, socket: u64, reason: &str) {
        let Some(socket) = self.audio.get_mut(&id).and_then(|audio| audio.sockets.remove(&socket)) else { return };
        match socket.reply {
            Some(reply) => self.reply(reply, Err(wrong_state(&format!("it was not opened: {reason}")))),
            None => {
                let told = json!({"audioId": socket.name, "reason": reason, "frames": socket.dropped});
                self.tell_session(id, "audio.closed", told);
            }
        }
    }

    /// The session is about to go: what it played ends, its sockets close.
    pub(super) fn end_audio(&mut self, id: SessionId) {
        self.audio_stop(id, "callEnded");
        let sockets: Vec<u64> = self.audio.get(&id).into_iter().flat_map(|a| a.sockets.keys().copied()).collect();
        sockets.into_iter().for_each(|socket| self.socket_is_over(id, socket, "the call is over"));
        self.audio.remove(&id);
    }

    fn check_sound(&self, id: SessionId) -> Result<(), Error> {
        match self.sessions.get(&id).is_some_and(|session| session.negotiated.is_some()) {
            true => Ok(()),
            false => Err(wrong_state("the call has no sound yet")
                .hint("wait for `accepted`; session.progress 183 opens the sound of one that rings")),
        }
    }
}
