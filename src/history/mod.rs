//! What is remembered of the calls that are and of the last ones that were: their SIP, figures, events and devices, in memory.
//!
//! The shell shows it every message, event and flow as they pass; it keeps what belongs to a call, without secrets, and within a
//! bound. A message belongs to the call whose session had its Call-ID; what no session ever had (registrations, strangers) is
//! forgotten.

mod call;
mod ends;
mod mask;

pub use call::{DeviceUse, Message, Report, Sample, Told, Trace};

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, SocketAddr};

use serde_json::{Value, json};

use crate::sip::flow::{FlowId, Transport};
use crate::ua::command::History as Question;
use crate::ua::error::{Code, Error};
use crate::ua::event::{Event, Heard};
use call::{Call, Direction};

/// Call-IDs of INVITEs that belong to no session yet: one may wait for a name to be resolved.
const STRAYS: usize = 64;
/// The greatest message that is kept for them, bytes.
const STRAY: usize = 8 * 1024;
/// Ways of this host that are remembered.
const WAYS: usize = 256;

/// How much is remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// So many calls; 0: nothing.
    pub calls: usize,
    /// Bytes in all, about.
    pub bytes: usize,
}

/// See above.
#[derive(Debug)]
pub struct History {
    limits: Limits,
    flows: BTreeMap<FlowId, (Transport, SocketAddr)>,
    /// Which of our addresses reaches a peer.
    ways: BTreeMap<IpAddr, IpAddr>,
    /// By callId, and the callIds in the order in which they began.
    calls: BTreeMap<String, Call>,
    order: VecDeque<String>,
    /// SIP Call-ID → callId.
    dialogs: BTreeMap<String, String>,
    strays: VecDeque<(String, Vec<Message>)>,
    bytes: usize,
}

impl History {
    /// It knows nothing yet.
    pub fn new(limits: Limits) -> History {
        History {
            limits,
            flows: BTreeMap::new(),
            ways: BTreeMap::new(),
            calls: BTreeMap::new(),
            order: VecDeque::new(),
            dialogs: BTreeMap::new(),
            strays: VecDeque::new(),
            bytes: 0,
        }
    }

    /// Which events it wants.
    pub fn hears(&self) -> Heard {
        if self.limits.calls == 0 { Heard::Nothing } else { Heard::Reports }
    }

    /// A flow can carry messages.
    pub fn flow_up(&mut self, flow: FlowId, transport: Transport, local: SocketAddr) {
        self.ways.clear();
        self.flows.insert(flow, (transport, local));
    }

    /// It cannot any more.
    pub fn flow_closed(&mut self, flow: FlowId) {
        self.flows.remove(&flow);
    }

    /// A message came in.
    pub fn received(&mut self, flow: FlowId, from: SocketAddr, bytes: &[u8], wall: i64, way: Way<'_>) {
        self.message(Direction::In, flow, from, bytes, wall, way);
    }

    /// A message goes out.
    pub fn sent(&mut self, flow: FlowId, to: SocketAddr, bytes: &[u8], wall: i64, way: Way<'_>) {
        self.message(Direction::Out, flow, to, bytes, wall, way);
    }

    fn message(&mut self, direction: Direction, flow: FlowId, peer: SocketAddr, bytes: &[u8], wall: i64, way: Way<'_>) {
        if self.limits.calls == 0 {
            return;
        }
        let Some(sip) = mask::call_id(bytes) else { return };
        let owner = self.dialogs.get(sip).cloned();
        let stray = self.strays.iter().position(|(of, _)| of == sip);
        // What is neither a call's nor the beginning of one is not looked at any further.
        if owner.is_none() && stray.is_none() && !bytes.starts_with(b"INVITE ") {
            return;
        }
        let Some((transport, local)) = self.flows.get(&flow).copied() else { return };
        let local = SocketAddr::new(self.local(local.ip(), peer.ip(), way), local.port());
        let message = Message::new(wall, direction, transport, local, peer, mask::mask(bytes));
        match (owner, stray) {
            (Some(call_id), _) => self.change(&call_id, |call, limit| call.messages.push(message, limit)),
            (None, _) if bytes.len() > STRAY => {}
            (None, Some(at)) => self.strays.get_mut(at).into_iter().for_each(|(_, all)| {
                if all.len() < 8 {
                    all.push(message.clone());
                }
            }),
            (None, None) => {
                if self.strays.len() == STRAYS {
                    self.strays.pop_front();
                }
                self.strays.push_back((sip.to_owned(), vec![message]));
            }
        }
    }

    /// Our end's address: the flow's, or, where that is any address of ours, the one that reaches the peer.
    fn local(&mut self, bound: IpAddr, peer: IpAddr, way: Way<'_>) -> IpAddr {
        if !bound.is_unspecified() {
            return bound;
        }
        if let Some(known) = self.ways.get(&peer) {
            return *known;
        }
        if self.ways.len() == WAYS {
            self.ways.clear();
        }
        let found = way(peer).unwrap_or(bound);
        self.ways.insert(peer, found);
        found
    }

    /// An event: it may begin a call, tell more of it, or end it.
    pub fn event(&mut self, event: &Event) {
        let Some(call_id) = event.call_id.as_deref().filter(|_| self.limits.calls > 0) else { return };
        if event.name == "updateTimer" {
            return;
        }
        if event.name == "newRTCSession" {
            self.begin(call_id, event);
        }
        // A sample holds no session, and is not looked into for one.
        if !event.sample
            && self.calls.contains_key(call_id)
            && let Some(sip) = event.data["session"]["RTCSession"]["id"].as_str()
        {
            self.belongs(sip, call_id);
        }
        self.change(call_id, |call, limit| call.take(event, limit));
        self.forget();
    }

    fn begin(&mut self, call_id: &str, event: &Event) {
        let account = event.account.clone().unwrap_or_default();
        let call = Call::new(call_id, account, event.wall);
        self.bytes = self.bytes.saturating_add(call.bytes());
        self.calls.insert(call_id.to_owned(), call);
        self.order.push_back(call_id.to_owned());
    }

    /// The messages with this Call-ID are that call's.
    fn belongs(&mut self, sip: &str, call_id: &str) {
        if self.dialogs.get(sip).is_some_and(|owner| owner == call_id) {
            return;
        }
        self.dialogs.insert(sip.to_owned(), call_id.to_owned());
        let early = self.strays.iter().position(|(of, _)| of == sip).and_then(|at| self.strays.remove(at));
        for message in early.into_iter().flat_map(|(_, messages)| messages) {
            self.change(call_id, |call, limit| call.messages.push(message, limit));
        }
    }

    /// The media of a call uses these devices from now on.
    pub fn devices(&mut self, call_id: &str, wall: i64, input: &str, output: &str) {
        self.change(call_id, |call, _| call.use_devices(wall, input, output));
    }

    /// Changes a call, within what one call may take.
    fn change(&mut self, call_id: &str, change: impl FnOnce(&mut Call, usize)) {
        let Some(call) = self.calls.get_mut(call_id) else { return };
        let before = call.bytes();
        change(call, (self.limits.bytes / 8).min(call::MOST));
        self.bytes = self.bytes.saturating_add(call.bytes()).saturating_sub(before);
    }

    /// The oldest call that is over goes when there are too many, or the oldest of all.
    fn forget(&mut self) {
        while !self.order.is_empty() && (self.order.len() > self.limits.calls || self.bytes > self.limits.bytes) {
            let over = |call_id: &String| self.calls.get(call_id).is_none_or(|call| !call.live);
            let at = self.order.iter().position(over).unwrap_or(0);
            let Some(gone) = self.order.remove(at) else { return };
            self.bytes = self.bytes.saturating_sub(self.calls.remove(&gone).map_or(0, |call| call.bytes()));
            self.dialogs.retain(|_, owner| *owner != gone);
        }
    }

    /// `session.trace` and `session.report`.
    pub fn answer(&self, question: &Question) -> Result<Value, Error> {
        let (Question::Trace(which) | Question::Report(which)) = question;
        let Some(call) = self.calls.get(&which.call_id) else {
            let hint = "[history] says how many calls are remembered; a restart forgets them";
            return Err(Error::new(Code::NoSession, "nothing is remembered of this call").hint(hint));
        };
        Ok(match question {
            Question::Trace(_) => json!(call.trace()),
            Question::Report(_) => json!(call.report()),
        })
    }
}

/// Which of our addresses reaches a peer.
pub type Way<'a> = &'a dyn Fn(IpAddr) -> Option<IpAddr>;

#[cfg(test)]
mod tests;
