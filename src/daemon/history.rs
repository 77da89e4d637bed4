//! What passes is shown to the keeper of what was.

use std::net::SocketAddr;

use super::{Daemon, now};
use crate::net::{Net, NetEvent};
use crate::ua::event::Heard;
use crate::ua::io::{FlowId, SessionId};
use crate::ua::media::MediaCommand;

impl Daemon {
    /// Which events somebody hears.
    pub(super) fn hears(&self) -> Heard {
        self.hub.hears().max(self.history.hears())
    }

    /// What the network tells.
    pub(super) fn note_net(&mut self, event: &NetEvent) {
        match event {
            NetEvent::Received { flow, from, bytes } => {
                self.history.received(*flow, *from, bytes, now().wall, &Net::way_to);
            }
            NetEvent::Up { flow, transport, local, .. } => self.history.flow_up(*flow, *transport, *local),
            NetEvent::Closed { flow, .. } => self.history.flow_closed(*flow),
            NetEvent::Resolved(..) | NetEvent::Addresses(_) => {}
        }
    }

    /// What the phone sends.
    pub(super) fn note_sent(&mut self, flow: FlowId, to: SocketAddr, bytes: &[u8]) {
        self.history.sent(flow, to, bytes, now().wall, &Net::way_to);
    }

    /// Which devices a session uses.
    pub(super) fn note_media(&mut self, session: SessionId, command: &MediaCommand) {
        if let MediaCommand::Open { input, output, .. } | MediaCommand::Devices { input, output } = command
            && let Some(call_id) = self.ua.call_id(session)
        {
            self.history.devices(call_id, now().wall, input, output);
        }
    }
}
