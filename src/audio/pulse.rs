//! A second, plain connection to the PulseAudio server: which devices there are, told the moment one goes.
//!
//! cpal's own client neither hears of removals nor gives up on a server that hangs. Every wait here has an end, so
//! a server that answers here can be trusted with a stream.

use std::ffi::CStr;
use std::io::{BufReader, Cursor, Read};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use pulseaudio::protocol::{
    AuthParams, AuthReply, ClientInfo, Command, CommandReply, MAX_MEMBLOCKQ_LENGTH, MAX_VERSION, Prop, Props,
    ProtocolError, ServerInfo, SetClientNameReply, SinkInfo, SinkInputInfo, SinkState, SourceInfo, SourceOutputInfo,
    SourceState, SubscriptionEvent, SubscriptionEventFacility, SubscriptionEventType, SubscriptionMask,
    TagStructReader, read_descriptor, write_command_message,
};

use super::directory::{Direction, Found};
use super::hardware;

/// A server that is silent for so long hangs.
const PATIENCE: Duration = Duration::from_secs(2);

/// A device has gone.
pub(super) struct Gone {
    pub direction: Direction,
    pub index: u32,
}

/// What the server has of this process.
#[derive(Default)]
pub(super) struct Ours {
    /// Where each stream is now: on which device.
    pub streams: Vec<(Direction, u32)>,
    /// Connections that carry no stream.
    pub idle: Vec<u32>,
}

/// One connection; any error ends it.
pub(super) struct Server {
    socket: BufReader<UnixStream>,
    version: u16,
    seq: u32,
    gone: Vec<Gone>,
    /// Something has changed since the caller was last told so.
    stirred: bool,
}

impl Server {
    /// Connects as the environment says (`PULSE_SERVER`, `XDG_RUNTIME_DIR`, `PULSE_COOKIE`) and asks to be told.
    pub(super) fn connect() -> Result<Server, String> {
        let path = pulseaudio::socket_path_from_env().ok_or("there is no PulseAudio socket")?;
        let cookie = pulseaudio::cookie_path_from_env().and_then(|path| std::fs::read(path).ok()).unwrap_or_default();
        let socket = UnixStream::connect(path).map_err(|e| e.to_string())?;
        socket.set_read_timeout(Some(PATIENCE)).map_err(|e| e.to_string())?;
        socket.set_write_timeout(Some(PATIENCE)).map_err(|e| e.to_string())?;
        let mut server =
            Server { socket: BufReader::new(socket), version: MAX_VERSION, seq: 0, gone: Vec::new(), stirred: false };
        server.greet(cookie).map_err(|e| e.to_string())?;
        Ok(server)
    }

    fn greet(&mut self, cookie: Vec<u8>) -> Result<(), ProtocolError> {
        let auth = AuthParams { version: MAX_VERSION, supports_shm: false, supports_memfd: false, cookie };
        let reply: AuthReply = self.ask(&Command::Auth(auth))?;
        self.version = self.version.min(reply.version);
        let mut props = Props::new();
        props.set(Prop::ApplicationName, c"phoned");
        let _: SetClientNameReply = self.ask(&Command::SetClientName(props))?;
        let devices = SubscriptionMask::SINK | SubscriptionMask::SOURCE | SubscriptionMask::SERVER;
        let mask = devices | SubscriptionMask::SINK_INPUT | SubscriptionMask::SOURCE_OUTPUT;
        self.tell(&Command::Subscribe(mask))
    }

    /// All devices but monitors (they would give the phone its own voice back).
    pub(super) fn list(&mut self) -> Result<Vec<Found>, String> {
        self.ask_all().map_err(|e| e.to_string())
    }

    fn ask_all(&mut self) -> Result<Vec<Found>, ProtocolError> {
        let server: ServerInfo = self.ask(&Command::GetServerInfo)?;
        let sinks: Vec<SinkInfo> = self.ask(&Command::GetSinkInfoList)?;
        let sources: Vec<SourceInfo> = self.ask(&Command::GetSourceInfoList)?;
        let sinks = sinks.into_iter().map(|sink| Found {
            id: format!("pulse:{}", text(&sink.name)),
            name: text(sink.description.as_deref().unwrap_or(&sink.name)),
            direction: Direction::Output,
            index: sink.index,
            default: server.default_sink_name.as_ref() == Some(&sink.name),
            suspended: sink.state == SinkState::Suspended,
            hardware: hardware(&sink.props),
        });
        let sources = sources.into_iter().filter(|source| source.monitor_of_sink_index.is_none());
        let sources = sources.map(|source| Found {
            id: format!("pulse:{}", text(&source.name)),
            name: text(source.description.as_deref().unwrap_or(&source.name)),
            direction: Direction::Input,
            index: source.index,
            default: server.default_source_name.as_ref() == Some(&source.name),
            suspended: source.state == SourceState::Suspended,
            hardware: hardware(&source.props),
        });
        Ok(sources.chain(sinks).collect())
    }

    /// Waits for news, `limit` at most, and gives what has gone since the last call.
    pub(super) fn news(&mut self, limit: Duration) -> Result<Vec<Gone>, String> {
        let mut limit = PollTimeout::try_from(limit).unwrap_or(PollTimeout::ZERO);
        if std::mem::take(&mut self.stirred) {
            // News came between the answers to a question: the caller has not seen yet what they are of.
            limit = PollTimeout::ZERO;
        }
        while self.gone.is_empty() && self.readable(limit)? {
            let (_, command, _) = self.message().map_err(|e| e.to_string())?;
            self.heard(&command);
            // Something has changed: take what else is there, then let the caller look.
            limit = PollTimeout::ZERO;
        }
        self.stirred = false;
        Ok(std::mem::take(&mut self.gone))
    }

    /// Our own streams and connections (cpal names them by process).
    pub(super) fn ours(&mut self) -> Result<Ours, String> {
        self.ask_ours().map_err(|e| e.to_string())
    }

    fn ask_ours(&mut self) -> Result<Ours, ProtocolError> {
        let name = format!("cpal-pulseaudio-{}", std::process::id());
        let clients: Vec<ClientInfo> = self.ask(&Command::GetClientInfoList)?;
        let playing: Vec<SinkInputInfo> = self.ask(&Command::GetSinkInputInfoList)?;
        let recording: Vec<SourceOutputInfo> = self.ask(&Command::GetSourceOutputInfoList)?;
        let playing = playing.iter().map(|stream| (stream.client_index, Direction::Output, stream.sink_index));
        let recording = recording.iter().map(|stream| (stream.client_index, Direction::Input, stream.source_index));
        let streams: Vec<_> = playing.chain(recording).collect();
        let ours = clients.iter().filter(|client| client.name.to_bytes() == name.as_bytes());
        let mut found = Ours::default();
        for client in ours.map(|client| client.index) {
            let at = streams.iter().filter(|stream| stream.0 == Some(client)).map(|stream| (stream.1, stream.2));
            let before = found.streams.len();
            found.streams.extend(at);
            if found.streams.len() == before {
                found.idle.push(client);
            }
        }
        Ok(found)
    }

    /// Ends a connection from the server's side.
    pub(super) fn hang_up(&mut self, client: u32) -> Result<(), String> {
        self.tell(&Command::KillClient(client)).map_err(|e| e.to_string())
    }

    fn readable(&self, limit: PollTimeout) -> Result<bool, String> {
        if !self.socket.buffer().is_empty() {
            return Ok(true);
        }
        let mut fds = [PollFd::new(self.socket.get_ref().as_fd(), PollFlags::POLLIN)];
        match poll(&mut fds, limit) {
            Ok(ready) => Ok(ready > 0),
            Err(nix::errno::Errno::EINTR) => Ok(false),
            Err(error) => Err(error.to_string()),
        }
    }

    fn heard(&mut self, command: &Command) {
        self.stirred |= matches!(command, Command::SubscribeEvent(_));
        let Command::SubscribeEvent(SubscriptionEvent { event_facility, event_type, index: Some(index) }) = *command
        else {
            return;
        };
        if event_type != SubscriptionEventType::Removed {
            return;
        }
        match event_facility {
            SubscriptionEventFacility::Sink => self.gone.push(Gone { direction: Direction::Output, index }),
            SubscriptionEventFacility::Source => self.gone.push(Gone { direction: Direction::Input, index }),
            _ => {}
        }
    }

    fn tell(&mut self, command: &Command) -> Result<(), ProtocolError> {
        self.seq = self.seq.wrapping_add(1);
        write_command_message(self.socket.get_mut(), self.seq, command, self.version)
    }

    fn ask<R: CommandReply>(&mut self, command: &Command) -> Result<R, ProtocolError> {
        self.tell(command)?;
        loop {
            match self.message()? {
                (seq, Command::Reply, mut body) if seq == self.seq => {
                    return TagStructReader::new(&mut body, self.version).read();
                }
                (seq, Command::Error(error), _) if seq == self.seq => return Err(ProtocolError::ServerError(error)),
                // The acknowledgement of `tell` has no body.
                (_, command, _) => self.heard(&command),
            }
        }
    }

    /// One whole message; of a reply, the rest is its body (a list in it ends where the message ends).
    fn message(&mut self) -> Result<(u32, Command, Cursor<Vec<u8>>), ProtocolError> {
        let length = read_descriptor(&mut self.socket)?.length as usize;
        if length > MAX_MEMBLOCKQ_LENGTH {
            return Err(ProtocolError::Invalid("a message without end".into()));
        }
        let mut body = vec![0; length];
        self.socket.read_exact(&mut body)?;
        let mut body = Cursor::new(body);
        let (seq, command) = Command::read_tag_prefixed(&mut body, self.version)?;
        Ok((seq, command, body))
    }
}

/// Of the sound card behind a device: by its place in `/sys`, or by its number.
fn hardware(props: &Props) -> Option<String> {
    let said = |key: &CStr| {
        let value = props.get_bytes(key)?;
        Some(String::from_utf8_lossy(value.strip_suffix(&[0]).unwrap_or(value)).into_owned())
    };
    let place = said(c"sysfs.path").or_else(|| said(c"device.sysfs.path")).and_then(|path| hardware::of_sysfs(&path));
    place.or_else(|| hardware::of_card(&said(c"alsa.card").or_else(|| said(c"api.alsa.pcm.card"))?))
}

fn text(name: &CStr) -> String {
    name.to_string_lossy().into_owned()
}
