//! One call: its state, and what users see of it.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use super::conference::Place;
use super::dtmf::DtmfQueue;
use super::far_end::FarEnd;
use super::io::{Mono, ReplyId, SessionId, Target};
use super::media::{LocalMedia, MediaStats, PathFacts};
use super::microphone::Microphone;
use super::prack::{EarlyDialog, Reliable};
use super::refer::Refers;
use super::route::Link;
use super::session_timer::Refresh;
use super::status::{CallState, CallStatus, CommunicationType, RecordStatus, StaticCallStatus, Timer, TransferParent};
use crate::sdp::{Direction, LocalSide, Negotiated, Protection};
use crate::sip::dialog::Dialog;
use crate::sip::flow::FlowId;
use crate::sip::transaction::TxId;

/// A call, from the wish to make it (or its INVITE) to its end.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Session {
    pub id: SessionId,
    pub call_id: String,
    pub account: String,
    pub seat: String,
    pub direction: CommunicationType,
    pub person: StaticCallStatus,
    /// setStaticStatus with startManualModel: nothing automatic changes `person`.
    pub manual: bool,
    pub number: String,
    pub called_number: String,
    pub tags: Vec<String>,
    pub headers: BTreeMap<String, String>,
    pub diversion: Option<String>,
    /// Inbound: it is answered by itself after this, ms.
    pub auto_answer: Option<u64>,
    pub muted: bool,
    /// The seat's microphone belongs to another session though this one could not be held.
    pub parked: bool,
    /// It is in a conference.
    pub place: Option<Place>,
    pub transfer_parent: Option<SessionId>,
    pub refers: Refers,
    pub input: String,
    pub output: String,
    /// The hardware whose buttons are meant for it.
    pub headset: Option<String>,
    /// Devices of its own: nothing that its account is given changes them.
    pub chosen: Chosen,
    pub sip_call_id: String,
    pub local_tag: String,
    pub link: Option<Link>,
    /// Its flow was lost since the peer last had our Contact; and how often it was told since.
    pub moved: Option<u8>,
    pub media: Option<LocalMedia>,
    /// The media engine was asked for a port, and is to be told the end.
    pub media_asked: bool,
    pub local: Option<LocalSide>,
    pub negotiated: Option<Negotiated>,
    /// What the media engine says of the path (ICE, DTLS).
    pub path: PathFacts,
    pub stats: MediaStats,
    pub remote_ssrc: Option<u32>,
    /// What it wants of video, and the SSRC of the peer's.
    pub video: Direction,
    pub video_ssrc: Option<u32>,
    pub created: Mono,
    pub rang: Option<Mono>,
    pub answered: Option<Mono>,
    pub answered_wall: i64,
    pub held_since: Option<Mono>,
    pub held_total: Mono,
    pub timer_stopped: Option<Mono>,
    /// Nothing comes in though it should.
    pub stalled_since: Option<Mono>,
    /// The session timer, where one was agreed (RFC 4028), and the least interval the peer takes, s.
    pub refresh: Option<Refresh>,
    pub min_se: u32,
    /// For the call detail record: the file that it was recorded to, and who it was transferred to.
    pub recorded_to: Option<String>,
    pub transferred_to: Option<String>,
    /// Why it ends, where its cause alone does not say it.
    pub because: Option<String>,
    /// The Q.850 cause that the peer gave for its end.
    pub q850: Option<u16>,
    /// The SIP status that ended it, where there was one.
    pub ended_with: Option<u16>,
    /// The peer takes UPDATE.
    pub peer_updates: bool,
    pub dtmf: DtmfQueue,
    pub microphone: Microphone,
    pub far_end: FarEnd,
    /// What is recorded, here or at the PBX.
    pub record_status: RecordStatus,
    /// The status that the last event told.
    pub told: Option<CallStatus>,
    pub state: State,
}

/// The devices that a user chose for one session.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Chosen {
    pub input: Option<String>,
    pub output: Option<String>,
    pub ringer: Option<String>,
}

/// Where a call stands. Each variant holds what makes sense there and nowhere else.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum State {
    /// Outbound: something is missing before the INVITE can go (an address, a flow, a port).
    Preparing(Box<Preparing>),
    /// Outbound: the INVITE is out.
    Calling(Box<Calling>),
    /// Inbound: it rings here.
    Incoming(Box<Incoming>),
    /// Inbound: our 200 is out, its ACK is not here.
    Accepting(Box<Accepting>),
    /// Both sides have agreed.
    Talking(Box<Talking>),
}

/// See [`State::Preparing`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Preparing {
    pub reply: Option<ReplyId>,
    pub request_uri: String,
    pub route: Vec<String>,
    /// None: the resolver is at work.
    pub targets: Option<VecDeque<Target>>,
    /// The stream that is being opened.
    pub opening: Option<FlowId>,
    pub extra_headers: Vec<(String, String)>,
    pub redirects: u8,
    pub cseq: u32,
}

/// See [`State::Calling`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Calling {
    pub tx: TxId,
    pub cseq: u32,
    pub rings: bool,
    /// Early dialogs with reliable provisionals.
    pub reliable: Vec<EarlyDialog>,
    /// To tags whose 18x carried the answer.
    pub early: Vec<String>,
    /// What a next target or a redirection would need.
    pub retry: Preparing,
}

/// See [`State::Incoming`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Incoming {
    pub tx: TxId,
    pub request: Vec<u8>,
    pub dialog: Dialog,
    pub answering: Option<Answering>,
    /// Our last provisional, if it wants a PRACK.
    pub reliable: Option<Reliable>,
}

/// A user has answered; the 200 waits for our port, or for the hold of the seat's other session.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Answering {
    pub reply: Option<ReplyId>,
    pub waits_for: Option<SessionId>,
    pub extra_headers: Vec<(String, String)>,
}

/// See [`State::Accepting`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Accepting {
    pub dialog: Dialog,
    pub ok: Unacked,
}

/// A 2xx of ours that is sent again until its ACK comes (RFC 3261 §13.3.1.4).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Unacked {
    /// The INVITE's transaction: it knows the bytes, and where its Via wants them.
    pub tx: TxId,
    pub link: Link,
    pub cseq: u32,
    pub interval: Mono,
    pub again: Mono,
    pub give_up: Mono,
    /// Our 2xx held the offer; the ACK holds the answer.
    pub offered: bool,
}

/// See [`State::Talking`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Talking {
    pub dialog: Dialog,
    pub held: bool,
    /// Our own re-INVITE under way.
    pub pending: Option<Pending>,
    /// What waits for it.
    pub queue: VecDeque<Op>,
    /// The peer's re-INVITE that we accepted, not yet acknowledged.
    pub unacked: Option<Unacked>,
    /// The ACK of our last INVITE: sent again for each copy of its 2xx.
    pub ack: Option<(u32, Vec<u8>)>,
}

/// A verb that needs the far end.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq)]
pub(super) struct Op {
    pub verb: Verb,
    pub reply: Option<ReplyId>,
}

/// See [`Op`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Verb {
    Hold,
    Unhold,
    /// A re-INVITE with what holds now.
    Refresh,
    AddVideo,
    DropVideo,
}

/// Our re-INVITE under way.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Pending {
    pub op: Op,
    /// None while it waits after a 491.
    pub tx: Option<TxId>,
    pub glares: u8,
}

impl Verb {
    /// It is about hold, nothing else.
    pub fn is_hold(self) -> bool {
        matches!(self, Verb::Hold | Verb::Unhold)
    }
}

impl Op {
    /// We hold the peer once this is done.
    pub fn holds(&self, held: bool) -> bool {
        match self.verb {
            Verb::Hold => true,
            Verb::Unhold => false,
            Verb::Refresh | Verb::AddVideo | Verb::DropVideo => held,
        }
    }
}

impl Talking {
    pub fn new(dialog: Dialog) -> Self {
        Talking { dialog, held: false, pending: None, queue: VecDeque::new(), unacked: None, ack: None }
    }

    /// We hold the peer once all that was asked is done.
    pub fn will_hold(&self) -> bool {
        let ops = self.pending.iter().map(|pending| &pending.op).chain(&self.queue);
        ops.fold(self.held, |held, op| op.holds(held))
    }
}

impl Session {
    /// The peer holds us: it does not want to hear us.
    pub fn remote_hold(&self) -> bool {
        self.negotiated.as_ref().is_some_and(|n| !n.direction.send())
    }

    /// We hold the peer.
    pub fn held(&self) -> bool {
        matches!(&self.state, State::Talking(t) if t.held)
    }

    /// Its microphone would be live: in talk, or about to be, and not held; before the answer with early media.
    pub fn wants_microphone(&self) -> bool {
        match &self.state {
            State::Talking(t) => !t.held,
            State::Accepting(_) => true,
            State::Preparing(_) | State::Calling(_) | State::Incoming(_) => self.negotiated.is_some(),
        }
    }

    /// The suite that protects the audio; none in clear, and before a handshake is done.
    pub fn suite(&self) -> Option<&str> {
        match &self.negotiated.as_ref()?.protection {
            Protection::Clear => None,
            Protection::Sdes(sdes) => Some(sdes.suite.name()),
            Protection::Dtls(_) => self.path.srtp.as_deref(),
        }
    }

    /// Inbound, and its 200 is not out: though a user has answered, it waits for the seat's microphone.
    pub fn rings(&self) -> bool {
        matches!(self.state, State::Incoming(_)) && self.answered.is_none()
    }

    /// It is answered.
    pub fn is_answered(&self) -> bool {
        matches!(self.state, State::Accepting(_) | State::Talking(_))
    }

    pub fn dialog(&self) -> Option<&Dialog> {
        match &self.state {
            State::Incoming(s) => Some(&s.dialog),
            State::Accepting(s) => Some(&s.dialog),
            State::Talking(s) => Some(&s.dialog),
            State::Preparing(_) | State::Calling(_) => None,
        }
    }

    pub fn dialog_mut(&mut self) -> Option<&mut Dialog> {
        match &mut self.state {
            State::Incoming(s) => Some(&mut s.dialog),
            State::Accepting(s) => Some(&mut s.dialog),
            State::Talking(s) => Some(&mut s.dialog),
            State::Preparing(_) | State::Calling(_) => None,
        }
    }

    pub fn talking(&mut self) -> Option<&mut Talking> {
        match &mut self.state {
            State::Talking(t) => Some(t),
            _ => None,
        }
    }

    fn call_state(&self) -> CallState {
        match &self.state {
            State::Preparing(_) => CallState::Calling,
            State::Calling(c) if c.rings => CallState::Ringing,
            State::Calling(_) => CallState::Calling,
            State::Incoming(_) | State::Accepting(_) => CallState::Connecting,
            State::Talking(_) => CallState::Talking,
        }
    }

    /// What users see: a pure function of the session (and its parent).
    pub fn status(&self, transfer_parent: Option<TransferParent>) -> CallStatus {
        CallStatus {
            name: self.person.name.clone(),
            avatar: self.person.avatar.clone(),
            company: self.person.company.clone(),
            number: self.number.clone(),
            call_id: self.call_id.clone(),
            communication_type: self.direction,
            is_video: self.is_video(),
            is_ring: self.rings(),
            is_hold: self.held(),
            is_mute: self.muted,
            call_status: self.call_state(),
            call_start_time: self.answered_wall,
            record_status: self.record_status,
            is_transfer: self.transfer_parent.is_some(),
            transfer_parent,
            is_conference: self.place.is_some(),
            is_remote_hold: self.remote_hold(),
            account: self.account.clone(),
            called_number: self.called_number.clone(),
            diversion: self.diversion.clone(),
            headers: self.headers.clone(),
            tags: self.tags.clone(),
        }
    }

    /// The durations at a time.
    pub fn timer(&self, mono: Mono) -> Timer {
        let now = self.timer_stopped.unwrap_or(mono);
        let seconds = |from: Option<Mono>, to: Mono| from.map_or(0, |f| to.saturating_sub(f) / 1_000_000);
        let until_answer = self.answered.unwrap_or(now);
        let outbound = self.direction == CommunicationType::Outbound;
        let holding = self.held_since.map_or(0, |since| now.saturating_sub(since));
        Timer {
            ring_duration: seconds(self.rang, until_answer),
            calling_duration: if outbound { seconds(Some(self.created), until_answer) } else { 0 },
            call_duration: seconds(self.answered, now),
            hold_duration: (self.held_total + holding) / 1_000_000,
        }
    }

    /// How a consultation shows this session as its parent.
    pub fn as_parent(&self, mono: Mono) -> TransferParent {
        let timer = self.timer(mono);
        TransferParent {
            call_id: self.call_id.clone(),
            avatar: self.person.avatar.clone(),
            name: self.person.name.clone(),
            number: self.number.clone(),
            call_duration: timer.call_duration,
            hold_duration: timer.hold_duration,
        }
    }

    /// Adds to the time on hold.
    pub fn set_held(&mut self, held: bool, mono: Mono) {
        if let Some(talking) = self.talking() {
            talking.held = held;
        }
        if let Some(since) = self.held_since.take() {
            self.held_total += mono.saturating_sub(since);
        }
        if held {
            self.held_since = Some(mono);
        }
    }
}
