//! The phone as a value: inputs and time go in, outputs come out. No I/O, no clock, no lock, no task.
//!
//! Each input is followed by a full drain of `poll_output`. `handle` never fails and never blocks: what goes wrong is an
//! output too. A panic in here is our bug; it costs the session at hand, never the daemon.

pub mod cdr;
pub mod command;
pub mod contact;
mod device_test;
pub mod diagnose;
pub mod dial;
pub mod e164;
pub mod error;
pub mod event;
pub mod io;
pub mod media;
pub mod preflight;
pub mod settings;
pub mod status;
pub mod view;

mod account;
mod address;
mod agent;
mod alarm;
mod answer;
mod attended;
mod audio;
mod call;
mod cause;
mod clock;
mod commands;
mod conference;
mod configure;
mod drain;
mod dtmf;
mod ending;
mod events;
mod far_end;
mod flow;
pub mod headset;
mod hold;
mod identity;
mod incoming;
mod instance;
mod keep_alive;
mod microphone;
mod number;
mod ok;
mod party;
mod prack;
mod reach;
mod receive;
mod record;
mod refer;
mod registration;
mod reinvite;
mod reload;
mod replaces;
mod report;
mod responses;
mod route;
mod seat;
mod session;
mod session_timer;
mod tone;
mod transfer;
mod trust;
mod update;
mod video;
mod volume;

pub use number::dialable;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::panic::{AssertUnwindSafe, catch_unwind};

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use serde_json::Value;

use crate::sip::transaction::{Transactions, TxId};
use account::Account;
use agent::Agent;
use clock::Timer;
use contact::Lookups;
use error::{Code, Error};
use event::Heard;
use flow::Flow;
use io::{DeviceGauge, DeviceInfo, FlowId, Host, Input, Mono, Now, Output, QueryId, ReplyId, SessionId, Target};
use media::{MediaCommand, MediaEvent};
use ok::Orphan;
use route::{Query, Sent};
use session::Session;
use settings::Settings;

/// The phone: all accounts, dialogs, sessions and timers of a host.
pub struct Ua {
    settings: Settings,
    now: Now,
    rng: ChaCha20Rng,
    out: VecDeque<Output>,
    seq: u64,
    next_id: u64,
    transactions: Transactions,
    /// Our requests under way: whose they are.
    sent: BTreeMap<TxId, Sent>,
    flows: BTreeMap<FlowId, Flow>,
    queries: BTreeMap<QueryId, Query>,
    resolved: BTreeMap<Host, Vec<Target>>,
    /// Who did not take our stream for a request too large for a datagram, and when.
    no_stream: BTreeMap<SocketAddr, Mono>,
    /// The accounts' servers, and how they can be reached.
    servers: BTreeMap<SocketAddr, reach::Reach>,
    accounts: BTreeMap<String, Account>,
    /// By seat, where anything was said of its agent.
    agents: BTreeMap<String, Agent>,
    sessions: BTreeMap<SessionId, Session>,
    /// SIP Call-ID and our tag → session.
    dialogs: BTreeMap<(String, String), SessionId>,
    /// 2xx of ours whose session is over, still owed an ACK and then a BYE.
    orphans: BTreeMap<(String, String), Orphan>,
    /// Recordings that are not closed; their sessions may be over.
    recordings: BTreeMap<SessionId, record::Recording>,
    timers: BTreeSet<(Mono, Timer)>,
    /// Callers who wait, at most 10 s.
    waiting: BTreeSet<ReplyId>,
    current: Option<SessionId>,
    /// When each user dialled in the last minute.
    callers: BTreeMap<u32, VecDeque<Mono>>,
    lookups: Lookups,
    devices: Vec<DeviceInfo>,
    /// The addresses of this host; empty as long as nobody has told.
    addresses: BTreeSet<IpAddr>,
    /// The headsets with buttons, and what they show.
    headsets: headset::Headsets,
    /// How loud they were when they were last asked about.
    gauges: Vec<DeviceGauge>,
    /// Which devices are being tried out, and for whom.
    testing: BTreeMap<ReplyId, Vec<String>>,
    /// What is put into the sound of sessions, and what listens to it.
    audio: BTreeMap<SessionId, audio::Audio>,
    /// What agents hear besides their calls.
    tones: tone::Tones,
    /// Who asked for the stop. Not empty: no new calls.
    draining: Vec<ReplyId>,
    /// No new calls; at this time the last ones are ended.
    closing: Option<Mono>,
    /// The session at hand, for the panic guard.
    at_hand: Option<SessionId>,
    /// Who wants which events.
    heard: Heard,
    /// What was known of sessions that are over.
    past: diagnose::Past,
}

impl Ua {
    /// A phone that has not done anything yet. The same seed and inputs give the same outputs.
    pub fn new(mut settings: Settings, seed: [u8; 32]) -> Ua {
        if settings.instance.is_empty() {
            settings.instance = instance::of_host(&seed);
        }
        let mut ua = Ua {
            transactions: Transactions::new(settings.sip.t1_ms * 1000),
            now: Now::default(),
            rng: ChaCha20Rng::from_seed(seed),
            out: VecDeque::new(),
            seq: 0,
            next_id: 1,
            sent: BTreeMap::new(),
            flows: BTreeMap::new(),
            queries: BTreeMap::new(),
            resolved: BTreeMap::new(),
            no_stream: BTreeMap::new(),
            servers: BTreeMap::new(),
            accounts: BTreeMap::new(),
            agents: BTreeMap::new(),
            sessions: BTreeMap::new(),
            dialogs: BTreeMap::new(),
            orphans: BTreeMap::new(),
            recordings: BTreeMap::new(),
            timers: BTreeSet::new(),
            waiting: BTreeSet::new(),
            current: None,
            callers: BTreeMap::new(),
            lookups: Lookups::default(),
            devices: Vec::new(),
            addresses: BTreeSet::new(),
            headsets: headset::Headsets::default(),
            gauges: Vec::new(),
            testing: BTreeMap::new(),
            audio: BTreeMap::new(),
            tones: tone::Tones::default(),
            draining: Vec::new(),
            closing: None,
            at_hand: None,
            heard: Heard::All,
            past: diagnose::Past::default(),
            settings,
        };
        for (name, settings) in ua.settings.accounts.clone() {
            ua.insert_account(&name, settings);
        }
        ua
    }

    /// Handles one input. Drain `poll_output` before the next.
    pub fn handle(&mut self, now: Now, input: Input<'_>) {
        self.now = now;
        self.at_hand = None;
        if catch_unwind(AssertUnwindSafe(|| self.dispatch(input))).is_err() {
            self.after_panic();
        }
    }

    /// Which events anybody wants (at first: all). The others are counted, and not made.
    pub fn listen(&mut self, heard: Heard) {
        self.heard = heard;
    }

    /// The callId of a session that is there.
    pub fn call_id(&self, id: SessionId) -> Option<&str> {
        self.sessions.get(&id).map(|session| session.call_id.as_str())
    }

    /// What is to be done next.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    /// When `Input::Timeout` is due, if ever.
    pub fn poll_timeout(&self) -> Option<Mono> {
        let own = self.timers.first().map(|(at, _)| *at);
        [own, self.transactions.poll_timeout()].into_iter().flatten().min()
    }

    /// Nothing is under way: no session, no transaction, no debt to a peer.
    pub fn is_idle(&self) -> bool {
        let calls = self.sessions.is_empty() && self.dialogs.is_empty() && self.recordings.is_empty();
        calls && self.orphans.is_empty() && self.sent.is_empty()
    }

    fn dispatch(&mut self, input: Input<'_>) {
        match input {
            Input::Timeout => self.on_timeout(),
            Input::Received { flow, from, bytes } => self.on_received(flow, from, bytes),
            Input::FlowUp { flow, transport, local, remote } => self.on_flow_up(flow, transport, local, remote),
            Input::FlowClosed { flow, reason } => self.on_flow_closed(flow, &reason),
            Input::Command { reply, command } => self.on_command(reply, command),
            Input::Media(id, event) => self.on_media(id, event),
            Input::Resolved(query, targets) => self.on_resolved(query, targets),
            Input::Contact(id, contact) => self.on_contact(id, contact),
            Input::Devices(devices) => self.on_devices(devices),
            Input::Addresses(addresses) => self.on_addresses(addresses),
            Input::Headsets(present) => self.on_headsets(&present),
            Input::Button { hardware, button } => self.on_button(&hardware, button),
            Input::Gauges(gauges) => self.gauges = gauges,
            Input::DeviceTested(reply, trial) => self.on_device_tested(reply, trial),
            Input::Alert(data) => self.tell_phone("alert", data),
        }
        self.settle();
        self.sound();
        self.shine();
    }

    /// Hands what the transactions say to its owners until they have nothing left to say.
    fn settle(&mut self) {
        self.flush();
        while let Some(event) = self.transactions.poll_event() {
            self.on_transaction(event);
            self.flush();
        }
    }

    /// Puts what the transactions want sent in its place among the outputs.
    fn flush(&mut self) {
        while let Some((hop, bytes)) = self.transactions.poll_send() {
            self.transmit(hop, bytes);
        }
    }

    fn after_panic(&mut self) {
        tracing::error!(session = ?self.at_hand, "a bug: the session at hand is ended, everything else goes on");
        let Some(id) = self.at_hand.take() else { return };
        let ended = catch_unwind(AssertUnwindSafe(|| {
            self.give_up(id, "Internal Error", 500);
            self.settle();
        }));
        if ended.is_err() {
            self.sessions.remove(&id);
            self.dialogs.retain(|_, owner| *owner != id);
        }
    }

    fn on_media(&mut self, id: SessionId, event: MediaEvent) {
        if let MediaEvent::Record(event) = event {
            return self.on_record(id, event); // may outlive its session
        }
        if !self.sessions.contains_key(&id) {
            return;
        }
        self.at_hand = Some(id);
        match event {
            MediaEvent::Local(local) => self.on_local_media(id, local),
            MediaEvent::Failed(reason) => self.on_media_failed(id, &reason),
            MediaEvent::Started { ssrc } => self.on_stream(id, ssrc),
            MediaEvent::Dtmf { digit, duration_ms } => self.on_remote_dtmf(id, digit, duration_ms, "rtp"),
            MediaEvent::DtmfSent { .. } => self.on_dtmf_sent(id),
            MediaEvent::Flow { stalled } => self.on_media_flow(id, stalled),
            MediaEvent::Path(facts) => self.on_path(id, facts),
            MediaEvent::Broken(reason) => self.on_broken(id, reason),
            MediaEvent::Video(event) => self.on_video(id, event),
            MediaEvent::Report(stats) => self.on_stats(id, *stats),
            MediaEvent::Play(play, event) => self.on_play(id, play, event),
            MediaEvent::Socket(socket, event) => self.on_socket(id, socket, event),
            MediaEvent::Record(_) => {}
        }
    }

    fn media(&mut self, id: SessionId, command: MediaCommand) {
        self.out.push_back(Output::Media(id, command));
    }

    /// Answers a caller, unless it was answered before (after 10 s, say).
    fn reply(&mut self, id: ReplyId, result: Result<Value, Error>) {
        if self.waiting.remove(&id) {
            self.out.push_back(Output::Reply(id, result));
        }
    }

    fn reply_opt(&mut self, id: Option<ReplyId>, result: Result<Value, Error>) {
        if let Some(id) = id {
            self.reply(id, result);
        }
    }

    fn fresh_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id - 1
    }

    /// A share of `span` by chance: for jitter and retry windows.
    fn chance(&mut self, span: Mono) -> Mono {
        if span == 0 { 0 } else { self.rng.next_u64() % span }
    }
}

fn wrong_state(what: &str) -> Error {
    Error::new(Code::WrongState, what)
}
