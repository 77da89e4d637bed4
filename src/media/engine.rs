//! The media engine: where sessions are born, and which worker has them.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use crossbeam_channel::{Sender, TrySendError, bounded};
use tokio::sync::mpsc;

use crate::audio::Devices;
use crate::sdp::{KeySeed, LocalDtls, Negotiated};
use crate::ua::command::PlayTo;
use crate::ua::io::SessionId;
use crate::ua::media::{
    LocalMedia, MediaCommand, MediaEvent, PlayEvent, RecordCommand, RecordEvent, SocketEvent, SocketPlan, ToneCommand,
    VideoPlan,
};
use crate::ua::settings::Cleaning;

use super::clip::{Clips, Loading, Refused};
use super::clock;
use super::dtls::Identity;
use super::ice::Search;
use super::lateness::Lateness;
use super::network::Networks;
use super::outbound::Start;
use super::ports;
use super::recorder::{Control, RecordConfig, Recorder};
use super::servers::{Book, IceConfig};
use super::session::{Ends, Session};
use super::signals::{Ears, SignalConfig, Signals};
use super::sockets::{SocketConfig, Sockets};
use super::video_ends::VideoEnds;
use super::worker::{Order, Worker};

/// Orders that a worker may have before it: some ten a session, if all are set up between two ticks.
const ORDERS: usize = 1_024;

/// Sessions that wake no second worker: a tick costs more than what is done in it for so few.
const HANDFUL: usize = 4;

/// What the engine needs to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaConfig {
    /// Where RTP is received: pairs of an even port and the odd one above.
    pub rtp_ports: RangeInclusive<u16>,
    /// Differentiated services code point of RTP and RTCP (46: expedited forwarding).
    pub dscp: u8,
    /// Opus, bit/s; a peer's `maxaveragebitrate` may lower it.
    pub opus_bitrate: u32,
    /// Recordings.
    pub record: RecordConfig,
    /// Servers that help to find a path.
    pub ice: IceConfig,
    /// Tones for the agents.
    pub signals: SignalConfig,
    /// Files that held parties may hear: loaded at once, so that the first of them hears the beginning.
    pub hold_music: Vec<String>,
    /// Where files lie that users may play into calls.
    pub play_dirs: Vec<PathBuf>,
    /// Audio sockets.
    pub sockets: SocketConfig,
}

impl Default for MediaConfig {
    fn default() -> Self {
        MediaConfig {
            rtp_ports: 20_000..=29_999,
            dscp: 46,
            opus_bitrate: 64_000,
            record: RecordConfig::default(),
            ice: IceConfig::default(),
            signals: SignalConfig::default(),
            hold_music: Vec::new(),
            play_dirs: Vec::new(),
            sockets: SocketConfig::default(),
        }
    }
}

/// All media of this phone. Its workers end when it is dropped.
pub struct Engine {
    config: MediaConfig,
    devices: Devices,
    workers: Vec<Sender<Order>>,
    directory: Mutex<Directory>,
    recorder: Recorder,
    /// The last sign of life of each worker, and the number that each was asked for.
    beats: Vec<Arc<AtomicU64>>,
    asked: u64,
    lateness: Arc<Lateness>,
    book: Book,
    identity: Arc<Identity>,
    signals: Signals,
    clips: Clips,
    sockets: Sockets,
    events: mpsc::Sender<(SessionId, MediaEvent)>,
}

struct Directory {
    next_port: u16,
    entries: BTreeMap<SessionId, Entry>,
    networks: Networks,
}

struct Entry {
    worker: usize,
    /// What the phone knows of it, without addresses that were gathered.
    local: LocalMedia,
    closed: Arc<AtomicBool>,
    input: String,
    output: String,
    cleaning: Cleaning,
    /// Rate at which the devices were taken; none before the first description.
    rate: Option<u32>,
    conference: Option<u64>,
    recording: Option<Arc<Control>>,
    ears: Arc<Ears>,
    /// What its far end hears on hold.
    music: Option<(String, Loading)>,
    video: VideoEntry,
}

/// The video of a session: its ends, its first packet's numbers, and whether it is open.
struct VideoEntry {
    plan: VideoPlan,
    start: Start,
    open: bool,
}

impl Directory {
    /// The worker with the fewest sessions; those without any sleep until the others have their hands full.
    fn worker(&self, workers: usize) -> usize {
        let load = |worker: usize| self.entries.values().filter(|entry| entry.worker == worker).count();
        let awake = (0..workers).map(|worker| (load(worker), worker)).filter(|(load, _)| *load > 0).min();
        match awake {
            Some((load, worker)) if load < HANDFUL => worker,
            _ => (0..workers).min_by_key(|worker| load(*worker)).unwrap_or(0),
        }
    }
}

impl Engine {
    /// Starts one worker a core. Errors: no threads, no randomness.
    pub fn start(
        config: MediaConfig,
        devices: Devices,
        events: mpsc::Sender<(SessionId, MediaEvent)>,
    ) -> io::Result<Engine> {
        let count = thread::available_parallelism().map_or(1, |n| n.get());
        let lateness = Arc::new(Lateness::default());
        let mut workers = Vec::with_capacity(count);
        for index in 0..count {
            let (sender, orders) = bounded(ORDERS);
            let (events, offset_ns) = (events.clone(), index as u64 * 10_000_000 / count as u64);
            let lateness = lateness.clone();
            let run = move || Worker::new(orders, events, lateness).run(offset_ns);
            thread::Builder::new().name(format!("media-{index}")).spawn(run)?;
            workers.push(sender);
        }
        let (low, high) = (*config.rtp_ports.start(), *config.rtp_ports.end());
        let width = high.saturating_sub(low).max(1);
        let next_port = low + u16::from_ne_bytes(random()?) % width;
        let directory = Mutex::new(Directory { next_port, entries: BTreeMap::new(), networks: Networks::default() });
        let recorder = Recorder::start(config.record.clone(), events.clone());
        let beats = workers.iter().map(|_| Arc::default()).collect();
        let book = Book::open(config.ice.clone())?;
        let identity = Arc::new(Identity::new().map_err(io::Error::other)?);
        let signals = Signals::start(config.signals.clone(), devices.clone());
        let clips = Clips::start(config.play_dirs.clone());
        let sockets = Sockets::start(config.sockets.clone(), events.clone());
        for file in &config.hold_music {
            let _ = clips.get(file, |_| ());
        }
        Ok(Engine {
            config,
            devices,
            workers,
            directory,
            recorder,
            beats,
            asked: 0,
            lateness,
            book,
            identity,
            signals,
            clips,
            sockets,
            events,
        })
    }

    /// Starts or stops a tone for an agent; never blocks.
    pub fn tone(&self, command: ToneCommand) {
        let over: &[SessionId] = match &command {
            ToneCommand::Start { over, .. } => over,
            ToneCommand::Stop { .. } => &[],
        };
        let directory = self.directory.lock().unwrap_or_else(PoisonError::into_inner);
        let ears = over.iter().filter_map(|id| directory.entries.get(id)).map(|entry| entry.ears.clone()).collect();
        self.signals.tell(command, ears);
    }

    /// How late the ticks are.
    pub fn lateness(&self) -> Arc<Lateness> {
        self.lateness.clone()
    }

    /// Does what is asked, or hands it to the session's worker; never blocks. `Open` is answered at once (`Local` or `Failed`), with
    /// `ice` later; any
    /// other command is answered only where it failed at once: an unknown session, a full queue, a device that is not there.
    pub fn command(&self, id: SessionId, command: MediaCommand) -> Option<MediaEvent> {
        let mut directory = self.directory.lock().unwrap_or_else(PoisonError::into_inner);
        let result = match command {
            MediaCommand::Open { local_ip, input, output, ice } => {
                return match self.open(&mut directory, id, local_ip, (input, output), ice) {
                    Ok(local) => local.map(MediaEvent::Local),
                    Err(reason) => Some(MediaEvent::Failed(reason)),
                };
            }
            MediaCommand::Move { local_ip, ice } => {
                return match self.move_to(&mut directory, id, local_ip, ice) {
                    Ok(local) => local.map(MediaEvent::Local),
                    Err(reason) => Some(MediaEvent::Failed(reason)),
                };
            }
            MediaCommand::Close => {
                // a flag, not an order: closing works with a full queue too
                if let Some(entry) = directory.entries.remove(&id) {
                    entry.closed.store(true, Ordering::Relaxed);
                }
                return None;
            }
            MediaCommand::Clean(cleaning) => {
                if let Some(entry) = directory.entries.get_mut(&id) {
                    entry.cleaning = cleaning;
                }
                Ok(())
            }
            MediaCommand::Video(plan) => {
                if let Some(entry) = directory.entries.get_mut(&id) {
                    entry.video.plan = plan;
                }
                Ok(())
            }
            MediaCommand::Remote(negotiated) => self.remote(&mut directory, id, negotiated),
            MediaCommand::Devices { input, output } => self.change_devices(&mut directory, id, input, output),
            MediaCommand::Gate(gate) => {
                if let Some(entry) = directory.entries.get_mut(&id) {
                    entry.music = None;
                }
                self.order(&directory, id, Order::Gate(id, gate))
            }
            MediaCommand::HoldMusic(file) => self.hold_music(&mut directory, id, file),
            MediaCommand::Mute(muted) => self.order(&directory, id, Order::Mute(id, muted)),
            MediaCommand::Conference(number) => self.meet(&mut directory, id, number),
            MediaCommand::Dtmf { digit, duration_ms } => {
                self.order(&directory, id, Order::Dtmf(id, digit, duration_ms))
            }
            MediaCommand::Tones { digit, duration_ms } => {
                self.order(&directory, id, Order::Tones(id, digit, duration_ms))
            }
            MediaCommand::Record(command) => {
                let failed = self.record(&mut directory, id, command).err();
                return failed.map(|reason| MediaEvent::Record(RecordEvent::Failed { reason, path: None }));
            }
            MediaCommand::Play { id: play, file, to, again } => {
                let failed = self.play(&directory, id, (play, file, to, again)).err();
                return failed.map(|why| MediaEvent::Play(play, PlayEvent::Failed(why)));
            }
            MediaCommand::StopPlay => self.order(&directory, id, Order::Play(id, None)),
            MediaCommand::OpenSocket(plan) => {
                let event = match self.open_socket(&directory, id, &plan) {
                    Ok(path) => SocketEvent::Open { path },
                    Err(why) => SocketEvent::Failed(why),
                };
                return Some(MediaEvent::Socket(plan.id, event));
            }
            MediaCommand::CloseSocket(socket) => {
                self.sockets.close(socket);
                self.order(&directory, id, Order::Detach(id, socket))
            }
            MediaCommand::Report => self.order(&directory, id, Order::Report(id)),
        };
        result.err().map(MediaEvent::Failed)
    }

    /// Every worker has given the sign of life that it was asked for; then the next one is asked for.
    pub fn is_alive(&mut self) -> bool {
        let alive = self.beats.iter().all(|beat| beat.load(Ordering::Relaxed) == self.asked);
        if alive {
            self.asked += 1;
            for (worker, beat) in self.workers.iter().zip(&self.beats) {
                // One that has no room for it does not answer, which is the answer.
                let _ = worker.try_send(Order::Beat(beat.clone(), self.asked));
            }
        }
        alive
    }

    fn open(
        &self,
        directory: &mut Directory,
        id: SessionId,
        ip: IpAddr,
        (input, output): (String, String),
        ice: bool,
    ) -> Result<Option<LocalMedia>, String> {
        if directory.entries.contains_key(&id) {
            return Err("this session has media already".into());
        }
        let ports = ports::bind(ip, &self.config.rtp_ports, &mut directory.next_port, self.config.dscp)
            .map_err(|e| format!("no RTP port: {e}"))?;
        let first = || start().map_err(|e| format!("no randomness: {e}"));
        let (start, video) = (first()?, first()?);
        let local = LocalMedia {
            rtp: ports.local,
            ssrc: start.ssrc,
            video_ssrc: video.ssrc,
            cname: start.cname(),
            network: directory.networks.kind_of(ip).into(),
            seed: KeySeed::new(random().map_err(|e| format!("no randomness: {e}"))?),
            dtls: LocalDtls { fingerprint: self.identity.fingerprint.to_string(), ice: None },
        };
        let worker = directory.worker(self.workers.len());
        let closed = Arc::new(AtomicBool::new(false));
        let now = clock::mono_ns() / 1_000;
        let (search, at_once) = self.search(ice, local.clone())?;
        let (identity, bitrate) = (self.identity.clone(), self.config.opus_bitrate);
        let ears = Arc::new(Ears::default());
        let session = Session::new(id, closed.clone(), ears.clone(), ports, search, identity, start, bitrate, now);
        self.send(worker, Order::Open(Box::new(session)))?;
        let video = VideoEntry { plan: VideoPlan::default(), start: video, open: false };
        let (rate, conference, recording, music) = (None, None, None, None);
        let cleaning = Cleaning::default();
        let entry =
            Entry { worker, local, closed, input, output, cleaning, rate, conference, recording, ears, music, video };
        directory.entries.insert(id, entry);
        Ok(at_once)
    }

    /// What is known of our end at once, or what looks for the rest of it.
    #[allow(clippy::type_complexity, reason = "one of the two")]
    fn search(
        &self,
        ice: bool,
        local: LocalMedia,
    ) -> Result<(Option<(Search, LocalMedia)>, Option<LocalMedia>), String> {
        Ok(match ice {
            true => (Some((Search::new(clock::instant(), local.rtp, &self.book.servers())?, local)), None),
            false => (None, Some(local)),
        })
    }

    /// Other ports for a session whose address is gone.
    fn move_to(
        &self,
        directory: &mut Directory,
        id: SessionId,
        ip: IpAddr,
        ice: bool,
    ) -> Result<Option<LocalMedia>, String> {
        let Directory { next_port, entries, networks } = directory;
        let entry = entries.get_mut(&id).ok_or("no such session")?;
        let ports = ports::bind(ip, &self.config.rtp_ports, next_port, self.config.dscp)
            .map_err(|e| format!("no RTP port: {e}"))?;
        entry.local = LocalMedia { rtp: ports.local, network: networks.kind_of(ip).into(), ..entry.local.clone() };
        let (search, local) = self.search(ice, entry.local.clone())?;
        self.send(entry.worker, Order::Move(id, Box::new((ports, search))))?;
        Ok(local)
    }

    fn remote(&self, directory: &mut Directory, id: SessionId, negotiated: Negotiated) -> Result<(), String> {
        let entry = directory.entries.get_mut(&id).ok_or("no such session")?;
        let (worker, shows) = (entry.worker, negotiated.video.is_some());
        let mut result = Ok(());
        if entry.rate.is_some() {
            self.send(worker, Order::Remote(id, Box::new((negotiated, None))))?;
        } else {
            let rate = negotiated.codec.kind.rate();
            let (ends, problem) = self.ends(&entry.input, &entry.output, entry.cleaning, rate)?;
            self.send(worker, Order::Remote(id, Box::new((negotiated, Some(ends)))))?;
            entry.rate = Some(rate);
            result = problem;
        }
        let video = &mut entry.video;
        if shows && !video.open {
            self.send(worker, Order::Video(id, Box::new((VideoEnds::open(&video.plan), video.start))))?;
        }
        video.open = shows;
        result
    }

    fn hold_music(&self, directory: &mut Directory, id: SessionId, file: String) -> Result<(), String> {
        let entry = directory.entries.get_mut(&id).ok_or("no such session")?;
        let clip = match &entry.music {
            Some((playing, clip)) if *playing == file => clip.clone(),
            _ => {
                let (clip, events) = (Loading::default(), self.events.clone());
                let into = clip.clone();
                self.clips.get(&file, move |loaded| match loaded {
                    Ok(loaded) => drop(into.set(loaded)),
                    Err(Refused::Elsewhere(why) | Refused::Broken(why)) => {
                        let _ = events.blocking_send((id, MediaEvent::Failed(format!("no hold music: {why}"))));
                    }
                })?;
                clip
            }
        };
        entry.music = Some((file, clip.clone()));
        self.send(entry.worker, Order::Music(id, clip))
    }

    /// It begins when its file is loaded: told first, then heard.
    fn play(
        &self,
        directory: &Directory,
        id: SessionId,
        (play, file, to, again): (u64, String, PlayTo, bool),
    ) -> Result<(), String> {
        let (clip, events) = (Loading::default(), self.events.clone());
        let into = clip.clone();
        self.order(directory, id, Order::Play(id, Some((play, clip, to, again))))?;
        self.clips.get_guarded(&file, move |loaded| {
            let (event, clip) = match loaded {
                Ok(clip) => (PlayEvent::Started { duration_ms: clip.duration_ms() }, Some(clip)),
                Err(Refused::Elsewhere(why)) => (PlayEvent::Refused(why), None),
                Err(Refused::Broken(why)) => (PlayEvent::Failed(why), None),
            };
            let _ = events.blocking_send((id, MediaEvent::Play(play, event)));
            clip.into_iter().for_each(|clip| drop(into.set(clip)));
        })
    }

    fn open_socket(&self, directory: &Directory, id: SessionId, plan: &SocketPlan) -> Result<String, String> {
        let entry = directory.entries.get(&id).ok_or("no such session")?;
        let (attachment, path) = self.sockets.open(id, plan)?;
        self.send(entry.worker, Order::Attach(id, attachment))?;
        Ok(path)
    }

    /// The sessions of a conference meet on one worker: that of the first.
    fn meet(&self, directory: &mut Directory, id: SessionId, number: Option<u64>) -> Result<(), String> {
        let fellow = directory.entries.values().find(|e| e.conference.is_some() && e.conference == number);
        let there = fellow.map(|e| e.worker);
        let entry = directory.entries.get_mut(&id).ok_or("no such session")?;
        entry.conference = number;
        if let Some(there) = there.filter(|there| *there != entry.worker) {
            self.send(entry.worker, Order::Part(id, self.workers[there].clone()))?;
            entry.worker = there;
            self.send(there, Order::Expect(id))?;
        }
        self.send(entry.worker, Order::Conference(id, number))
    }

    fn record(&self, directory: &mut Directory, id: SessionId, command: RecordCommand) -> Result<(), String> {
        let entry = directory.entries.get_mut(&id).ok_or("no such session")?;
        match (command, &entry.recording) {
            (RecordCommand::Start(info), _) => {
                let rate = entry.rate.ok_or("there is no sound yet")?;
                let tap = self.recorder.begin(id, info, rate)?;
                entry.recording = Some(tap.control());
                return self.send(entry.worker, Order::Record(id, tap));
            }
            (RecordCommand::Pause, Some(recording)) => recording.pause(true),
            (RecordCommand::Resume, Some(recording)) => recording.pause(false),
            (RecordCommand::Stop, Some(recording)) => recording.stop(),
            (_, None) => return Err("it is not recorded".into()),
        }
        Ok(())
    }

    fn change_devices(
        &self,
        directory: &mut Directory,
        id: SessionId,
        input: String,
        output: String,
    ) -> Result<(), String> {
        let entry = directory.entries.get_mut(&id).ok_or("no such session")?;
        // The way that stays as it is goes on without a gap.
        let (listens, speaks) = (entry.input != input, entry.output != output);
        (entry.input, entry.output) = (input, output);
        let Some(rate) = entry.rate else { return Ok(()) };
        // What is not asked for is not opened again: a file would begin anew.
        let name = |id: &str, asked: bool| if asked || is_card(id) { id.to_owned() } else { "null".to_owned() };
        // A microphone is cleaned of what the loudspeaker beside it plays.
        let listens = listens || (speaks && entry.cleaning.echo_cancellation && is_card(&entry.input));
        let (ends, problem) =
            self.ends(&name(&entry.input, listens), &name(&entry.output, speaks), entry.cleaning, rate)?;
        let change = (listens.then_some(ends.source), speaks.then_some(ends.sink));
        self.send(entry.worker, Order::Ends(id, Box::new(change)))?;
        problem
    }

    /// The devices; `null` in place of one that is not there, and what is wrong with it.
    fn ends(
        &self,
        input: &str,
        output: &str,
        cleaning: Cleaning,
        rate: u32,
    ) -> Result<(Ends, Result<(), String>), String> {
        let (mut source, mut sink) = self.devices.pair(input, output, rate, cleaning);
        let problem = source.as_ref().err().or(sink.as_ref().err()).cloned();
        if source.is_err() {
            source = self.devices.source("null", rate);
        }
        if sink.is_err() {
            sink = self.devices.sink("null", rate);
        }
        Ok((Ends { source: source?, sink: sink? }, problem.map_or(Ok(()), Err)))
    }

    fn order(&self, directory: &Directory, id: SessionId, order: Order) -> Result<(), String> {
        let entry = directory.entries.get(&id).ok_or("no such session")?;
        self.send(entry.worker, order)
    }

    fn send(&self, worker: usize, order: Order) -> Result<(), String> {
        self.workers[worker].try_send(order).map_err(|error| match error {
            TrySendError::Full(_) => "the media engine has too much to do".to_owned(),
            TrySendError::Disconnected(_) => "the media engine is gone".to_owned(),
        })
    }
}

/// A device that is opened, and may be used by others too.
fn is_card(id: &str) -> bool {
    id != "null" && !id.starts_with("tone:") && !id.starts_with("file:")
}

/// Fresh start values of a stream.
fn start() -> io::Result<Start> {
    let (all, chance) = (u128::from_ne_bytes(random()?), u64::from_ne_bytes(random()?));
    Ok(Start {
        ssrc: all as u32,
        seq: (all >> 32) as u16 & 0x7fff, // far from its first wrap, RFC 3711 §3.3.1
        timestamp: (all >> 64) as u32,
        chance,
    })
}

fn random<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(bytes)
}
