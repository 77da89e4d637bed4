//! A media engine of the imagination: ports that nobody opened, streams that start by themselves, digits that arrive.

use std::net::{IpAddr, SocketAddr};

use phoned::sdp::{Direction, KeySeed, LocalDtls, LocalIce, Negotiated};
use phoned::ua::io::SessionId;
use phoned::ua::media::{
    LocalMedia, MediaCommand, MediaEvent, MediaStats, PlayEvent, RecordCommand, RecordEvent, SocketEvent, Tone,
    ToneCommand, VideoEvent,
};

use super::{Happening, Net, Who};

/// The media of one session.
#[derive(Debug, Clone)]
pub struct Stream {
    /// Our RTP address.
    pub local: SocketAddr,
    /// What was negotiated last.
    pub remote: Option<Negotiated>,
    /// The gate in the device's way, if it was ever set.
    pub gate: Option<Direction>,
    /// What the far end hears on hold.
    pub music: Option<String>,
    /// The microphone is off.
    pub muted: bool,
    /// The conference that it is in.
    pub conference: Option<u64>,
    /// A recording is open, or about to be.
    pub recording: bool,
    /// The phone knows that it is open.
    pub recorded: bool,
    started: bool,
}

impl Stream {
    /// Its microphone is heard.
    pub fn is_live(&self) -> bool {
        let open = !self.muted && self.gate != Some(Direction::Inactive) && self.music.is_none();
        open && self.remote.as_ref().is_some_and(|r| r.direction.send())
    }
}

/// How many microphones are heard: a conference has one.
pub fn microphones<'a>(streams: impl Iterator<Item = &'a Stream>) -> usize {
    let live: Vec<&Stream> = streams.filter(|s| s.is_live()).collect();
    let alone = live.iter().filter(|s| s.conference.is_none()).count();
    alone + live.iter().filter_map(|s| s.conference).collect::<std::collections::BTreeSet<_>>().len()
}

impl Net {
    /// The media of a session.
    pub fn stream(&self, who: Who, session: SessionId) -> &Stream {
        &self.phone_of(who).streams[&session]
    }

    pub(super) fn on_media_command(&mut self, who: Who, session: SessionId, command: MediaCommand) {
        self.phone_mut(who).media.push((session, command.clone()));
        if let MediaCommand::Move { local_ip, ice } = command {
            let local = self.local_media(local_ip, ice);
            self.phone_mut(who).streams.get_mut(&session).expect("it is open").local = local.rtp;
            return self.plan(0, Happening::Media { who, session, event: MediaEvent::Local(local) });
        }
        if let MediaCommand::Open { local_ip, ice, .. } = command {
            let local = self.local_media(local_ip, ice);
            let stream = Stream {
                local: local.rtp,
                remote: None,
                gate: None,
                music: None,
                muted: false,
                conference: None,
                recording: false,
                recorded: false,
                started: false,
            };
            let before = self.phone_mut(who).streams.insert(session, stream);
            assert!(before.is_none(), "opened twice");
            return self.plan(0, Happening::Media { who, session, event: MediaEvent::Local(local) });
        }
        let (hears, records) = (self.phone_of(who).hears, self.phone_of(who).records);
        let Some(stream) = self.phone_mut(who).streams.get_mut(&session) else {
            panic!("{command:?} for a session that is not open\n{}", self.story());
        };
        match command {
            MediaCommand::Remote(negotiated) => {
                let starts = hears && negotiated.direction.recv() && !std::mem::replace(&mut stream.started, hears);
                let ssrc = u32::from(negotiated.remote_rtp.port());
                let shown = |n: &Negotiated| n.video.as_ref().is_some_and(|video| video.direction.recv());
                let shows = shown(&negotiated) && !stream.remote.as_ref().is_some_and(shown);
                stream.remote = Some(negotiated);
                if shows {
                    let event = MediaEvent::Video(VideoEvent::Started { ssrc: 7_777 });
                    self.plan(50_000, Happening::Media { who, session, event });
                }
                if starts {
                    self.plan(40_000, Happening::Media { who, session, event: MediaEvent::Started { ssrc } });
                }
            }
            MediaCommand::Gate(direction) => (stream.gate, stream.music) = (Some(direction), None),
            MediaCommand::HoldMusic(file) => (stream.gate, stream.music) = (Some(Direction::SendOnly), Some(file)),
            MediaCommand::Mute(muted) => stream.muted = muted,
            MediaCommand::Conference(number) => stream.conference = number,
            MediaCommand::Dtmf { digit, duration_ms } => {
                let towards = stream.remote.as_ref().map(|remote| (stream.local, remote.remote_rtp));
                let delay = u64::from(duration_ms) * 1000;
                self.plan(delay, Happening::Media { who, session, event: MediaEvent::DtmfSent { digit } });
                if let Some((who, session)) = towards.and_then(|(from, to)| self.hearer(from, to)) {
                    let event = MediaEvent::Dtmf { digit, duration_ms };
                    self.plan(delay + 5_000, Happening::Media { who, session, event });
                }
            }
            MediaCommand::Tones { digit, duration_ms } => {
                let event = MediaEvent::DtmfSent { digit };
                self.plan(u64::from(duration_ms) * 1000, Happening::Media { who, session, event });
            }
            MediaCommand::Report => {
                let codec = stream.remote.as_ref().map_or("", |remote| remote.codec.kind.name());
                let (codec, figures) = (codec.into(), self.phone_of(who).figures.clone());
                let stats = MediaStats { codec, mos: 4.4, r_factor: 93.0, ..figures };
                self.plan(0, Happening::Media { who, session, event: MediaEvent::Report(Box::new(stats)) });
            }
            MediaCommand::Record(command) => {
                let path = "recording.wav".to_owned();
                let event = match command {
                    RecordCommand::Start(_) if records => RecordEvent::Started { path },
                    RecordCommand::Start(_) => RecordEvent::Failed { reason: "disk full".into(), path: None },
                    RecordCommand::Stop if stream.recording => stopped(),
                    _ => return,
                };
                stream.recording = matches!(event, RecordEvent::Started { .. });
                stream.recorded &= stream.recording;
                self.plan(20_000, Happening::Media { who, session, event: MediaEvent::Record(event) });
            }
            MediaCommand::Play { id, again, .. } => {
                let event = |event| Happening::Media { who, session, event: MediaEvent::Play(id, event) };
                self.plan(20_000, event(PlayEvent::Started { duration_ms: 1_000 }));
                if !again {
                    self.plan(1_020_000, event(PlayEvent::Ended));
                }
            }
            MediaCommand::OpenSocket(plan) => {
                let event = MediaEvent::Socket(plan.id, SocketEvent::Open { path: format!("/run/{}", plan.name) });
                self.plan(0, Happening::Media { who, session, event });
            }
            MediaCommand::Close => {
                if stream.recording {
                    self.plan(30_000, Happening::Media { who, session, event: MediaEvent::Record(stopped()) });
                }
                self.phone_mut(who).streams.remove(&session);
            }
            MediaCommand::StopPlay | MediaCommand::CloseSocket(_) => {}
            MediaCommand::Open { .. } | MediaCommand::Move { .. } => {}
            MediaCommand::Devices { .. } | MediaCommand::Video(_) | MediaCommand::Clean(_) => {}
        }
    }

    /// Ports at an address.
    fn local_media(&mut self, ip: IpAddr, ice: bool) -> LocalMedia {
        self.count += 1;
        let rtp = SocketAddr::new(ip, 20_000 + 2 * (self.count % 5_000) as u16);
        LocalMedia {
            rtp,
            ssrc: self.count as u32,
            video_ssrc: 7,
            cname: "c".into(),
            network: "ethernet".into(),
            seed: KeySeed::new([self.count as u8; 32]),
            dtls: self.local_dtls(rtp, ice),
        }
    }

    /// A tone begins or ends: one of that name sounds, or does not.
    pub(super) fn on_tone(&mut self, who: Who, command: ToneCommand) {
        let tones = &mut self.phone_mut(who).tones;
        match command {
            ToneCommand::Start { tone: Tone::Key(digit), .. } => self.phone_mut(who).keys.push(digit),
            ToneCommand::Start { id, tone, device, over } => {
                let before = tones.insert(id, (tone, device, !over.is_empty()));
                assert!(before.is_none(), "two tones of one name");
            }
            ToneCommand::Stop { id } => assert!(tones.remove(&id).is_some(), "that tone does not sound"),
        }
    }

    /// What an agent hears besides the calls: the tone, the device, and whether it minds somebody's speech.
    pub fn tones(&self, who: Who) -> Vec<(Tone, String, bool)> {
        self.phone_of(who).tones.values().cloned().collect()
    }

    /// A certificate, and one address for a path to it.
    fn local_dtls(&self, local: SocketAddr, ice: bool) -> LocalDtls {
        let fingerprint = format!("sha-256 {}", vec![format!("{:02X}", self.count % 256); 32].join(":"));
        let candidate = format!("1 1 udp 2130706431 {} {} typ host", local.ip(), local.port());
        let ice = ice.then(|| LocalIce { candidates: vec![candidate], default: local });
        LocalDtls { fingerprint, ice }
    }

    /// A phone is about to learn something of its recorder.
    pub(super) fn note_recording(&mut self, who: Who, session: SessionId, event: &MediaEvent) {
        let MediaEvent::Record(RecordEvent::Started { .. }) = event else { return };
        if let Some(stream) = self.phone_mut(who).streams.get_mut(&session) {
            stream.recorded = stream.recording;
        }
    }

    /// The session that receives at an address and expects media from another.
    fn hearer(&self, from: SocketAddr, to: SocketAddr) -> Option<(Who, SessionId)> {
        let hears =
            |s: &Stream| s.local == to && s.remote.as_ref().is_some_and(|r| r.remote_rtp == from && r.direction.recv());
        self.phones().find_map(|(who, phone)| {
            let (session, _) = phone.streams.iter().find(|(_, stream)| hears(stream))?;
            Some((who, *session))
        })
    }
}

fn stopped() -> RecordEvent {
    RecordEvent::Stopped { path: "recording.wav".into(), sha256: "ab".repeat(32), duration_ms: 1_000 }
}
