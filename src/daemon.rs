//! The shell: builds the edges and runs one loop around the phone: input → [`Ua`] → outputs. It decides nothing.

mod edges;
mod history;
mod preflight;
mod reload;

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::io::{self, Read as _};
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

use crate::audio::Devices;
use crate::audio::headset::{self, Headsets, Places};
use crate::config::{Config, FleetRole, Origin, Roles};
use crate::crm::{self, Crm};
use crate::fleet::{self, Fleet};
use crate::history::History;
use crate::journal;
use crate::media::{Answer, Engine, Recordings};
use crate::net::{self, Net, NetEvent};
use crate::rpc::metrics::{Kind, Page};
use crate::rpc::{self, Door, Hub, Listener, Request, Role, Server};
use crate::service::{self, Manager};
use crate::store::{self, Told};
use crate::ua::Ua;
use crate::ua::command::{Command, Drain};
use crate::ua::contact::Contact;
use crate::ua::io::{DeviceInfo, Input, Now, Output, QueryId, ReplyId, SessionId, Target, Trial};
use crate::ua::media::MediaEvent;
use crate::ua::settings::Settings;
use edges::{audio_config, media_config, record_config};
use preflight::{Preflights, Step};
use reload::{Reading, Reload};

/// Events of the media engine that may wait.
const MEDIA_INBOX: usize = 256;
/// Lists of devices that may wait.
const DEVICE_INBOX: usize = 4;
/// Answers of the recordings' keeper that may wait.
const ANSWER_INBOX: usize = 16;
/// Words of the CRM's side that may wait.
const CRM_INBOX: usize = 64;
/// Words of the store that may wait.
const ALERT_INBOX: usize = 8;
/// Words of a preflight that may wait.
const PREFLIGHT_INBOX: usize = 4;
/// The id of the shell's own wish to stop: the hub gives it to nobody.
const OWN: ReplyId = ReplyId(0);
/// As that, for commands that end nothing: nobody waits for their reply.
const NOBODY: ReplyId = ReplyId(u64::MAX);
/// How long the calls may take to end once the daemon ends them.
const END_LIMIT: Duration = Duration::from_secs(10);
/// The same, once somebody is in a hurry.
const HURRY: Duration = Duration::from_millis(500);
/// The longest sleep: the runtime's timers stand still while the host is suspended, the phone's do not.
const LONGEST_SLEEP: Duration = Duration::from_secs(5);

/// Why the daemon could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The RPC socket.
    #[error("[rpc] socket: {0}")]
    Rpc(#[from] rpc::BindError),
    /// The RPC socket that the service manager handed over.
    #[error("the socket \"rpc\" of the service manager: {0}")]
    Handed(io::Error),
    /// The HTTP listener.
    #[error("[http] {0}")]
    Http(#[from] rpc::HttpError),
    /// A SIP socket.
    #[error("[sip] listen: {0}")]
    Sip(io::Error),
    /// The event log.
    #[error("[store] dir: {0}")]
    Store(#[from] store::StartError),
    /// The media engine.
    #[error("[media]: {0}")]
    Media(io::Error),
    /// The operating system.
    #[error("the system: {0}")]
    System(io::Error),
}

/// How the daemon ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Asked to, with every call ended first, and every peer told.
    Drained,
    /// A second signal, or peers that did not answer in time.
    Cut,
}

/// A running daemon: the phone and its edges.
pub struct Daemon {
    ua: Ua,
    hub: Hub,
    net: Net,
    engine: Engine,
    recordings: Recordings,
    crm: Crm,
    /// The bridge to a broker: its thread ends with this.
    _fleet: Option<Fleet>,
    history: History,
    /// Answers that an edge had at once: inputs for after the current drain.
    at_once: VecDeque<AtOnce>,
    /// Who asked for the stop.
    stopping: Vec<ReplyId>,
    /// There are no new calls.
    draining: bool,
    stopped: bool,
    inboxes: Inboxes,
    /// SIGTERM, SIGINT and SIGHUP.
    signals: (Signal, Signal, Signal),
    manager: Manager,
    reload: Reload,
    roles: watch::Sender<Roles>,
    /// The Unix socket, and the HTTP listener where there is one.
    rpc: Vec<JoinHandle<()>>,
    stop_rpc: watch::Sender<bool>,
    /// Lives as long as the daemon: the devices' threads end with it.
    devices: Devices,
    /// None: their buttons are not wanted.
    headsets: Option<Headsets>,
    preflights: Preflights,
    /// Where tests of devices tell what came of them.
    tests: mpsc::Sender<(ReplyId, Result<Trial, String>)>,
}

enum AtOnce {
    Media(SessionId, MediaEvent),
    Resolved(QueryId, Vec<Target>),
    Contact(SessionId, Contact),
}

struct Inboxes {
    net: mpsc::Receiver<NetEvent>,
    requests: mpsc::Receiver<Request>,
    media: mpsc::Receiver<(SessionId, MediaEvent)>,
    devices: mpsc::Receiver<Vec<DeviceInfo>>,
    headsets: mpsc::Receiver<headset::Told>,
    recordings: mpsc::Receiver<Answer>,
    crm: mpsc::Receiver<crm::Told>,
    alerts: mpsc::Receiver<Value>,
    tested: mpsc::Receiver<(ReplyId, Result<Trial, String>)>,
    configs: mpsc::Receiver<Reading>,
    preflights: mpsc::Receiver<Step>,
}

impl Daemon {
    /// Opens every socket and starts every edge, within a tokio runtime. `origin` is where a reload finds the configuration.
    /// Waits for nothing: no name is looked up, no device opened before the loop runs.
    pub fn start(config: Config, origin: Origin) -> Result<Daemon, StartError> {
        // Before anything is open: whoever sees the socket may send a signal.
        let heard = |kind| signal(kind).map_err(StartError::System);
        let kinds = (SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup());
        let signals = (heard(kinds.0)?, heard(kinds.1)?, heard(kinds.2)?);
        // Then this, since it finds out whether another daemon lives here.
        let server = match service::rpc_listener().map_err(StartError::Handed)? {
            Some(listener) => Server::adopt(listener, &config.rpc)?,
            None => Server::bind(&config.rpc)?,
        };
        let (roles, rule) = watch::channel(config.rpc.roles.clone());
        let listener = Listener::bind(&config.http)?;
        let (to_net, net_inbox) = mpsc::channel(net::INBOX);
        net::watch(to_net.clone());
        let net = Net::start(&config.sip.listen, &config.tls, to_net).map_err(StartError::Sip)?;
        let (facts, device_inbox) = mpsc::channel(DEVICE_INBOX);
        let devices = Devices::start(audio_config(&config), facts);
        let (buttons, headset_inbox) = mpsc::channel(DEVICE_INBOX);
        let headsets = config.audio.headset_buttons.then(|| Headsets::start(Places::default(), buttons)).transpose();
        let headsets = headsets.map_err(StartError::System)?;
        let (tests, tested) = mpsc::channel(DEVICE_INBOX);
        let (to_media, media_inbox) = mpsc::channel(MEDIA_INBOX);
        let engine =
            Engine::start(media_config(&config, &rule), devices.clone(), to_media).map_err(StartError::Media)?;
        let (answers, recording_inbox) = mpsc::channel(ANSWER_INBOX);
        let recordings = Recordings::start(record_config(&config), answers);
        let settings = Settings { instance: instance(&config), ..config.settings() };
        let mut ua = Ua::new(settings, random().map_err(StartError::System)?);
        let epoch: [u8; 32] = random().map_err(StartError::System)?;
        let mut hub = Hub::new(hex(&epoch[..8]));
        let (gate, written) = watch::channel(if config.store.enabled { 0 } else { u64::MAX });
        let (to_alerts, alerts) = mpsc::channel(ALERT_INBOX);
        let (mut source, mut bridge) = (None, None);
        if config.store.enabled {
            let started = store::start(&config.store, hex(&epoch[..8]), tell(gate, to_alerts))?;
            ua.resume(now(), started.seq, started.unfinished);
            source = Some(crm::Source {
                reader: started.reader.clone(),
                written: written.clone(),
                first: started.seq + 1,
                dir: config.store.directory(),
            });
            bridge = source.as_ref().filter(|_| config.fleet.enabled()).map(|source| fleet::Source {
                reader: source.reader.clone(),
                written: source.written.clone(),
                first: source.first,
                dir: source.dir.clone(),
            });
            hub = Hub::new(started.epoch).with_store(started.log, started.reader, started.keys);
        }
        let (crm_told, crm_inbox) = mpsc::channel(CRM_INBOX);
        let crm = Crm::start(config.lookup.clone(), config.webhooks.clone(), source, crm_told);

        if let Some(listener) = &listener {
            tracing::info!(http = %listener.local_addr(), "HTTP and WebSocket");
            hub = hub.with_metrics(gauges(&net, &engine));
        }
        tracing::info!(socket = %server.path().display(), sip = ?net.listening(), "phoned {}", env!("CARGO_PKG_VERSION"));
        let (requests, request_inbox) = mpsc::channel(rpc::INBOX);
        let fleet = bridge.map(|source| Fleet::start(&config.fleet, source, door(&config, &written, &requests)));
        if let Some(fleet) = &fleet {
            hub = hub.with_fleet(Box::new(fleet.status()));
        }
        let (stop_rpc, stop) = watch::channel(false);
        let stopped = |mut stop: watch::Receiver<bool>| async move { drop(stop.wait_for(|stop| *stop).await) };
        let listener = listener
            .map(|listener| spawn(listener.held_by(written.clone()).run(requests.clone(), stopped(stop.clone()))));
        let server = spawn(server.held_by(written).ruled_by(rule).run(requests, stopped(stop)));
        let rpc = listener.into_iter().chain([server]).collect();
        let (done, configs) = mpsc::channel(1);
        let (steps, preflights) = mpsc::channel(PREFLIGHT_INBOX);
        let history = History::new(config.history.limits());
        let reload = Reload::new(origin, config, done);
        let mut daemon = Daemon {
            ua,
            hub,
            net,
            engine,
            recordings,
            crm,
            _fleet: fleet,
            history,
            at_once: VecDeque::new(),
            stopping: Vec::new(),
            draining: false,
            stopped: false,
            inboxes: Inboxes {
                net: net_inbox,
                requests: request_inbox,
                media: media_inbox,
                devices: device_inbox,
                headsets: headset_inbox,
                recordings: recording_inbox,
                crm: crm_inbox,
                alerts,
                tested,
                configs,
                preflights,
            },
            signals,
            manager: Manager::from_environment(),
            reload,
            roles,
            rpc,
            stop_rpc,
            devices,
            headsets,
            preflights: Preflights::new(steps),
            tests,
        };
        // What an earlier life left open is ended first of all.
        daemon.drain();
        Ok(daemon)
    }

    /// Where the SIP sockets listen, with the ports that the system chose.
    pub fn listening(&self) -> &[(net::Transport, std::net::SocketAddr)] {
        self.net.listening()
    }

    /// Runs until `daemon.shutdown`, the end of a drain (`daemon.drain`, SIGTERM, SIGINT) or a second signal; calls are ended and
    /// accounts unregistered first.
    pub async fn run(mut self) -> io::Result<End> {
        self.manager.ready();
        let (mut signals, mut limit) = (0, None);
        let end = loop {
            let wake = self.next_wake();
            tokio::select! {
                Some(event) = self.inboxes.net.recv() => self.on_net(event),
                Some(request) = self.inboxes.requests.recv() => self.on_request(request),
                Some((session, event)) = self.inboxes.media.recv() => {
                    if !self.is_of_preflight(session, &event) {
                        self.handle(Input::Media(session, event));
                    }
                }
                Some(list) = self.inboxes.devices.recv() => self.handle(Input::Devices(list)),
                Some(told) = self.inboxes.headsets.recv() => self.on_headset(told),
                Some((reply, answer)) = self.inboxes.recordings.recv() => self.hub.reply(reply, answer),
                Some(told) = self.inboxes.crm.recv() => self.on_crm(told),
                Some(alert) = self.inboxes.alerts.recv() => self.handle(Input::Alert(alert)),
                Some((reply, trial)) = self.inboxes.tested.recv() => self.handle(Input::DeviceTested(reply, trial)),
                Some(read) = self.inboxes.configs.recv() => self.on_config(read),
                Some(step) = self.inboxes.preflights.recv() => self.on_preflight(step),
                () = sleep_until(wake) => self.on_time(),
                _ = self.signals.0.recv() => signals += 1,
                _ = self.signals.1.recv() => signals += 1,
                _ = self.signals.2.recv() => self.read_config(NOBODY),
                () = sleep_until(limit.unwrap_or(wake)), if limit.is_some() => break End::Cut,
            }
            match std::mem::take(&mut signals) {
                0 => {}
                _ if !self.stopping.is_empty() => break End::Cut,
                1 if !self.draining => self.drain_calls(NOBODY, Drain::default()),
                _ => {
                    self.stop(OWN);
                    limit = Some(Instant::now() + HURRY);
                }
            }
            if self.stopping.is_empty() && self.ua.is_drained() {
                self.stop(OWN);
            }
            if self.stopped {
                break End::Drained;
            }
            if limit.is_none() && !self.stopping.is_empty() {
                limit = Some(Instant::now() + END_LIMIT);
            }
        };
        // The reply to `daemon.shutdown` and all answers before it go out, then the socket is gone.
        let _ = self.stop_rpc.send(true);
        drop(self.inboxes.requests);
        if end == End::Drained {
            for server in self.rpc {
                let _ = server.await;
            }
        }
        // Waits for the disk, 2 s at most: nothing else is left to do.
        if let Some(log) = self.hub.into_log() {
            log.stop();
        }
        tracing::info!(?end, "stopped");
        Ok(end)
    }

    fn next_wake(&mut self) -> Instant {
        let left = self.ua.poll_timeout().map(|due| Duration::from_micros(due.saturating_sub(now().mono)));
        let wake = Instant::now() + left.unwrap_or(LONGEST_SLEEP).min(LONGEST_SLEEP);
        let wake = self.manager.due().map_or(wake, |due| wake.min(due));
        self.hub.log().and_then(|log| log.due()).map_or(wake, |due| wake.min(due.into()))
    }

    fn on_time(&mut self) {
        let (ua, engine) = (&self.ua, &mut self.engine);
        let status = || {
            let (registered, accounts, calls) = ua.standing();
            format!("{registered} of {accounts} accounts registered, {calls} calls")
        };
        self.manager.look(status, || engine.is_alive());
        if let Some(log) = self.hub.log() {
            log.check();
        }
        if self.ua.poll_timeout().is_some_and(|due| due <= now().mono) {
            self.handle(Input::Timeout);
        }
    }

    fn on_net(&mut self, event: NetEvent) {
        self.note_net(&event);
        match event {
            NetEvent::Received { flow, from, bytes } => self.handle(Input::Received { flow, from, bytes: &bytes }),
            NetEvent::Up { flow, transport, local, remote } => {
                self.handle(Input::FlowUp { flow, transport, local, remote });
            }
            NetEvent::Closed { flow, reason } => self.handle(Input::FlowClosed { flow, reason }),
            NetEvent::Addresses(addresses) => self.handle(Input::Addresses(addresses)),
            NetEvent::Resolved(query, targets) => self.handle(Input::Resolved(query, targets)),
        }
    }

    fn on_crm(&mut self, told: crm::Told) {
        match told {
            crm::Told::Contact(session, contact) => self.handle(Input::Contact(session, contact)),
            crm::Told::Answer(reply, answer) => self.hub.reply(reply, answer),
        }
    }

    fn on_request(&mut self, request: Request) {
        let Some((reply, command)) = self.hub.take(request) else { return };
        match command {
            Command::Shutdown => self.stop(reply),
            Command::Drain(drain) => self.drain_calls(reply, drain),
            Command::Reload => self.read_config(reply),
            Command::Preflight(ask) => self.preflight(reply, &ask),
            Command::Recordings(what) => {
                if let Some(error) = self.recordings.ask(reply, what) {
                    self.hub.reply(reply, Err(error));
                }
            }
            Command::Webhooks(what) => {
                if let Some(error) = self.crm.ask(reply, what) {
                    self.hub.reply(reply, Err(error));
                }
            }
            Command::History(what) => {
                let answer = self.history.answer(&what);
                self.hub.reply(reply, answer);
            }
            command => {
                if matches!(command, Command::DeviceList | Command::DeviceGet(_)) {
                    self.handle(Input::Gauges(self.devices.gauges()));
                }
                self.handle(Input::Command { reply, command });
            }
        }
    }

    /// No new calls; the loop stops once the last one is over or the time is up.
    fn drain_calls(&mut self, reply: ReplyId, drain: Drain) {
        let seconds = drain.timeout.unwrap_or(self.reload.last().phone.drain_timeout);
        tracing::info!(seconds, "no new calls; those that are go on for a while");
        self.manager.stopping(Duration::from_secs(seconds));
        self.hub.stopping();
        self.draining = true;
        self.handle(Input::Command { reply, command: Command::Drain(drain) });
    }

    fn stop(&mut self, reply: ReplyId) {
        if self.stopping.is_empty() {
            tracing::info!("stopping: calls are ended first");
            self.manager.stopping(END_LIMIT);
        }
        self.hub.stopping();
        self.stopping.push(reply);
        self.handle(Input::Command { reply, command: Command::Shutdown });
    }

    /// One input, all its outputs, and the answers that came at once.
    fn handle(&mut self, input: Input<'_>) {
        self.ua.listen(self.hears());
        self.ua.handle(now(), input);
        self.drain();
        while let Some(answer) = self.at_once.pop_front() {
            let input = match answer {
                AtOnce::Media(session, event) => Input::Media(session, event),
                AtOnce::Resolved(query, targets) => Input::Resolved(query, targets),
                AtOnce::Contact(session, contact) => Input::Contact(session, contact),
            };
            self.ua.listen(self.hears());
            self.ua.handle(now(), input);
            self.drain();
        }
    }

    fn on_headset(&mut self, told: headset::Told) {
        self.handle(match told {
            headset::Told::Present(present) => Input::Headsets(present),
            headset::Told::Pressed { hardware, button } => Input::Button { hardware, button },
        });
    }

    /// The one place where what the phone decided leaves it.
    fn drain(&mut self) {
        while let Some(output) = self.ua.poll_output() {
            match output {
                Output::Send { flow, to, bytes } => {
                    self.note_sent(flow, to, &bytes);
                    self.net.send(flow, to, bytes);
                }
                Output::OpenFlow { flow, target, access } => self.net.open(flow, target, *access),
                Output::CloseFlow(flow) => self.net.close(flow),
                Output::Resolve(query, host) => {
                    let targets = self.net.resolve(query, host);
                    self.at_once.extend(targets.map(|targets| AtOnce::Resolved(query, targets)));
                }
                Output::Lookup(wanted) => {
                    let session = wanted.session;
                    self.at_once.extend(self.crm.look_up(wanted).map(|contact| AtOnce::Contact(session, contact)));
                }
                Output::Media(session, command) => {
                    self.note_media(session, &command);
                    let event = self.engine.command(session, command);
                    self.at_once.extend(event.map(|event| AtOnce::Media(session, event)));
                }
                Output::Tone(command) => self.engine.tone(command),
                Output::Volume { id, input, output } => self.devices.set_volume(&id, input, output),
                Output::Lights { hardware, lights } => {
                    self.headsets.iter().for_each(|headsets| headsets.light(&hardware, lights));
                }
                Output::DeviceTest(reply, trial) => {
                    let tests = self.tests.clone();
                    self.devices.test(trial, move |trial| drop(tests.blocking_send((reply, trial))));
                }
                Output::Reply(reply, result) => {
                    self.stopped |= result.is_ok() && self.stopping.contains(&reply);
                    self.hub.reply(reply, result);
                }
                Output::Event(event) => {
                    journal::note(&event);
                    self.history.event(&event);
                    self.hub.publish(event);
                }
            }
        }
    }
}

/// Where requests over the fleet's broker come in. All of them are one user's, whom no system has.
fn door(config: &Config, gate: &watch::Receiver<u64>, requests: &mpsc::Sender<Request>) -> Option<Door> {
    let role = match config.fleet.rpc {
        FleetRole::Off => return None,
        FleetRole::Observe => Role::Observe,
        FleetRole::Call => Role::Call,
        FleetRole::Admin => Role::Admin,
    };
    Some(Door::new(u32::MAX, role, gate.clone(), requests.clone()))
}

/// What the store says: to the connections how far the log is, to the phone what everyone is to be told.
fn tell(gate: watch::Sender<u64>, alerts: mpsc::Sender<Value>) -> store::Tell {
    Box::new(move |told| {
        let (state, reason) = match told {
            Told::Written(place) => {
                gate.send_replace(place);
                return;
            }
            Told::Trouble(state, reason) => {
                tracing::warn!(state, reason, "the event log: events go out from memory");
                (state, reason)
            }
            Told::Well => ("ok", "the event log is written again".to_owned()),
        };
        let _ = alerts.try_send(json!({ "kind": "disk", "state": state, "reason": reason }));
    })
}

/// What the edges count, for Prometheus.
fn gauges(net: &Net, engine: &Engine) -> rpc::Gauges {
    let (drops, lateness) = (net.drops(), engine.lateness());
    Box::new(move |page: &mut Page| {
        let help = "SIP datagrams lost here since a queue was full.";
        page.single("phoned_sip_datagrams_dropped_total", Kind::Counter, help, drops());
        let late = lateness.read();
        let help = "How late the media engine's ticks began.";
        page.histogram("phoned_media_tick_lateness_seconds", help, &late.buckets, late.sum, late.count);
    })
}

/// The time: the phone has no clock of its own.
fn now() -> Now {
    let read = |clock| clock_gettime(clock).map_or((0, 0), |time| (time.tv_sec(), time.tv_nsec()));
    let (boot, wall) = (read(ClockId::CLOCK_BOOTTIME), read(ClockId::CLOCK_REALTIME));
    Now {
        mono: u64::try_from(boot.0 * 1_000_000 + boot.1 / 1_000).unwrap_or(0),
        wall: wall.0 * 1_000 + wall.1 / 1_000_000,
    }
}

/// Chance, from the system.
fn random() -> io::Result<[u8; 32]> {
    let mut bytes = [0; 32];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// What this host and this installation have to themselves; nothing where the host has no id.
fn instance(config: &Config) -> String {
    let host = std::fs::read_to_string("/etc/machine-id").unwrap_or_default();
    let own = format!("{} {}", host.trim(), config.store.directory().display());
    if host.trim().is_empty() { String::new() } else { hex(&Sha256::digest(own)) }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[expect(clippy::disallowed_methods, reason = "edge: the RPC server's task")]
fn spawn(task: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
    tokio::spawn(task)
}
