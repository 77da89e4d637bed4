//! One audio socket on its thread: nobody yet, then one client, whose pace is its own affair.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::atomic::Ordering;

use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use rtrb::{Consumer, Producer};

use super::attachment::Far;
use super::convert::Convert;
use super::wire::{self, HEADER, MOST, Read};
use super::{Frame, Shared, nonblocking};
use crate::ua::io::SessionId;
use crate::ua::media::SocketPlan;

/// Somebody connects within this, ns.
const PATIENCE_NS: u64 = 30_000_000_000;
/// Lost frames are told once in this, ns.
const TELL_NS: u64 = 1_000_000_000;
/// What a client may have sent and nobody played yet, bytes, besides what the kernel holds.
const READ_AHEAD: usize = 2 * (HEADER + MOST);
/// What is left of a call's sound is written for so long after its end, ns.
const LINGER_NS: u64 = 500_000_000;

/// See the module.
pub(super) struct Line {
    pub id: u64,
    pub session: SessionId,
    path: PathBuf,
    /// What the client speaks, samples a second.
    rate: u32,
    listener: Option<UnixListener>,
    stream: Option<UnixStream>,
    far: Far,
    since: Option<u64>,
    over_since: Option<u64>,
    converts: BTreeMap<u8, Convert>,
    injects: BTreeMap<usize, Convert>,
    unsent: Vec<u8>,
    unread: Vec<u8>,
    /// The client will say no more.
    is_silent: bool,
    told: (u64, u64),
}

/// What came of a turn.
pub(super) enum Turn {
    Goes,
    /// So many frames were lost in all.
    Dropped(u64),
    Over(&'static str),
}

impl Line {
    pub fn new(session: SessionId, plan: &SocketPlan, path: PathBuf, listener: UnixListener, far: Far) -> Line {
        Line {
            id: plan.id,
            session,
            path,
            rate: plan.rate,
            listener: Some(listener),
            stream: None,
            far,
            since: None,
            over_since: None,
            converts: BTreeMap::new(),
            injects: BTreeMap::new(),
            unsent: Vec::new(),
            unread: Vec::new(),
            is_silent: false,
            told: (0, 0),
        }
    }

    pub fn shared(&self) -> &Shared {
        &self.far.shared
    }

    /// Frames that were lost so far.
    pub fn dropped(&self) -> u64 {
        self.far.shared.dropped.load(Ordering::Relaxed)
    }

    pub fn turn(&mut self, now: u64, admit: &dyn Fn(u32, u32) -> bool) -> Turn {
        let since = *self.since.get_or_insert(now);
        if self.listener.is_some() {
            if let Err(reason) = self.accept(admit) {
                return Turn::Over(reason);
            }
            if self.stream.is_none() {
                let late = now > since + PATIENCE_NS;
                return match self.far.shared.call_ended.load(Ordering::Acquire) {
                    true => Turn::Over("the call is over"),
                    false if late => Turn::Over("nobody connected within 30 s"),
                    false => Turn::Goes,
                };
            }
        }
        // asked first: nothing comes after it
        let call_ended = self.far.shared.call_ended.load(Ordering::Acquire);
        let whole = match self.write() {
            Ok(whole) => whole,
            Err(_) => return Turn::Over("the client is gone"),
        };
        if call_ended {
            let late = now > *self.over_since.get_or_insert(now) + LINGER_NS;
            return if whole || late { Turn::Over("the call is over") } else { Turn::Goes };
        }
        if let Err(reason) = self.read() {
            return Turn::Over(reason);
        }
        let dropped = self.dropped();
        if dropped > self.told.0 && now > self.told.1 + TELL_NS {
            self.told = (dropped, now);
            return Turn::Dropped(dropped);
        }
        Turn::Goes
    }

    /// One client, then the door is shut.
    fn accept(&mut self, admit: &dyn Fn(u32, u32) -> bool) -> Result<(), &'static str> {
        let Some(Ok((stream, _))) = self.listener.as_ref().map(UnixListener::accept) else { return Ok(()) };
        let peer = getsockopt(&stream, PeerCredentials).map_err(|_| "a client that nobody knows")?;
        if !admit(peer.uid(), peer.gid()) {
            tracing::info!(uid = peer.uid(), "a user without the role was turned away from an audio socket");
            return Ok(());
        }
        stream.set_nonblocking(true).map_err(|_| "the client is gone")?;
        (self.stream, self.listener) = (Some(stream), None);
        let _ = std::fs::remove_file(&self.path);
        self.far.shared.is_read.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Writes what there is, as far as the client takes it. True: all of it.
    fn write(&mut self) -> std::io::Result<bool> {
        let Some(stream) = &mut self.stream else { return Ok(true) };
        loop {
            while !self.unsent.is_empty() {
                match nonblocking(stream.write(&self.unsent))? {
                    Some(0) => return Err(std::io::ErrorKind::WriteZero.into()),
                    Some(n) => drop(self.unsent.drain(..n)),
                    None => return Ok(false),
                }
            }
            let Some(frame) = next(&mut self.far.frames) else { return Ok(true) };
            let convert = converter(&mut self.converts, frame.port, frame.rate, self.rate);
            let mut pcm = Vec::new();
            if let Some(convert) = convert {
                convert.process(&frame.pcm[..usize::from(frame.len)], &mut pcm);
            }
            wire::write(frame.port, frame.at_ms, &pcm, &mut self.unsent);
        }
    }

    /// Takes what the client says, as far as there is room: a client that hurries waits.
    fn read(&mut self) -> Result<(), &'static str> {
        let Some(stream) = &mut self.stream else { return Ok(()) };
        let mut chunk = [0; 4_096];
        while !self.is_silent && self.unread.len() < READ_AHEAD {
            match nonblocking(stream.read(&mut chunk)).map_err(|_| "the client is gone")? {
                Some(0) => self.is_silent = true,
                Some(n) => self.unread.extend_from_slice(&chunk[..n]),
                None => break,
            }
        }
        let mut at = 0;
        let all_read = loop {
            match wire::read(&self.unread[at..]) {
                Read::Wrong(why) => return Err(why),
                Read::More => break self.is_silent,
                Read::Record(port, sound, length) => {
                    let Some(ring) = &mut self.far.sounds[port] else {
                        return Err("this socket takes no sound at that point");
                    };
                    // until the first step of the call nobody knows its rate
                    let clock = self.far.shared.rate.load(Ordering::Relaxed);
                    let samples = sound.len() / 2;
                    if samples > self.rate as usize / 10 {
                        return Err("100 ms of sound at most, two bytes a sample");
                    }
                    let room = ring.slots() > samples * clock as usize / self.rate.max(1) as usize;
                    if clock == 0 || !room {
                        break false;
                    }
                    put(converter(&mut self.injects, port, self.rate, clock), sound, ring);
                    at += length;
                }
            }
        };
        self.unread.drain(..at);
        let heard = self.far.sounds.iter().flatten().all(|ring| ring.slots() == ring.buffer().capacity());
        // who listens too may have said all: writing tells when it is gone
        let speaks_only = self.far.frames.is_none();
        if all_read && heard && speaks_only { Err("the client is gone") } else { Ok(()) }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if self.listener.is_some() {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn next(frames: &mut Option<Consumer<Frame>>) -> Option<Frame> {
    frames.as_mut()?.pop().ok()
}

/// The converter of a point, for these rates.
fn converter<K: Ord + Copy>(all: &mut BTreeMap<K, Convert>, port: K, from: u32, to: u32) -> Option<&mut Convert> {
    if all.get(&port).is_none_or(|convert| convert.rates() != (from, to)) {
        all.insert(port, Convert::new(from, to)?);
    }
    all.get_mut(&port)
}

fn put(convert: Option<&mut Convert>, sound: &[u8], ring: &mut Producer<i16>) {
    let pcm: Vec<i16> = sound.chunks_exact(2).map(|b| i16::from_le_bytes([b[0], b[1]])).collect();
    let mut out = Vec::new();
    if let Some(convert) = convert {
        convert.process(&pcm, &mut out);
    }
    let _ = ring.push_partial_slice(&out);
}
