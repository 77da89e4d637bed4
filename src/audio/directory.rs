//! Which real devices there are. One thread looks; everybody else only reads what it has seen.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::pulse;
use crate::ua::io::DeviceInfo;

/// Which way the sound goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Direction {
    /// A microphone.
    Input,
    /// A loudspeaker.
    Output,
}

/// One way of one device, as a sound system tells it.
pub(super) struct Found {
    pub id: String,
    pub name: String,
    pub direction: Direction,
    /// The server's number; another one: another device, though it has the same name.
    pub index: u32,
    pub default: bool,
    /// The server has put it to sleep.
    pub suspended: bool,
    pub hardware: Option<String>,
}

/// A device that was there when it was looked up.
#[derive(Clone)]
pub(super) struct Present {
    pub id: String,
    pub direction: Direction,
    pub index: u32,
    /// Turns false the moment it is gone or our stream is moved from it, and stays so: what comes back is a new one.
    pub here: Arc<AtomicBool>,
    /// The server was seen to have our stream there, and not where it put it when its default changed: nothing is heard or played before.
    pub seen: Arc<AtomicBool>,
}

/// What all threads of this edge share.
#[derive(Default)]
pub(super) struct Directory {
    known: Mutex<Known>,
    stopped: AtomicBool,
    /// Streams being opened, open, or being closed.
    pub streams: AtomicUsize,
    /// Those of them being closed.
    pub closing: AtomicUsize,
}

#[derive(Default)]
struct Known {
    looked: bool,
    ever: bool,
    devices: Vec<(Found, Arc<AtomicBool>)>,
    open: Vec<Present>,
    /// What sessions use, whether it is there or not.
    used: Vec<(Direction, String)>,
}

impl Directory {
    /// The owner is gone: all threads end.
    pub(super) fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    pub(super) fn stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    /// The device of that id, if it is there. `default`: the sound server's default.
    pub(super) fn find(&self, id: &str, direction: Direction) -> Option<Present> {
        let known = self.known();
        let mut these = known.devices.iter().filter(|(found, _)| found.direction == direction);
        let (found, here) = these.find(|(found, _)| found.id == id || (id == "default" && found.default))?;
        let seen = Arc::new(AtomicBool::new(!moves_streams(&found.id)));
        Some(Present { id: found.id.clone(), direction, index: found.index, here: here.clone(), seen })
    }

    /// It was looked for devices, and none has ever been seen: this host has no sound card.
    pub(super) fn cardless(&self) -> bool {
        let known = self.known();
        known.looked && !known.ever
    }

    /// All devices, `null` first.
    pub(super) fn list(&self) -> Vec<DeviceInfo> {
        let known = self.known();
        let mut list = vec![DeviceInfo {
            id: "null".into(),
            name: "No device: silence in, nothing out".into(),
            input: true,
            output: true,
            default_input: true,
            default_output: true,
            suspended: false,
            hardware: None,
        }];
        for (found, _) in &known.devices {
            let (input, output) = (found.direction == Direction::Input, found.direction == Direction::Output);
            if found.default {
                list[0].default_input &= !input;
                list[0].default_output &= !output;
            }
            let (default_input, default_output) = (input && found.default, output && found.default);
            // Those that nobody uses sleep as they like.
            let suspended =
                found.suspended && known.used.iter().any(|(way, id)| *way == found.direction && *id == found.id);
            match list.iter_mut().find(|info| info.id == found.id) {
                Some(both) => {
                    both.input |= input;
                    both.output |= output;
                    both.default_input |= default_input;
                    both.default_output |= default_output;
                    both.suspended |= suspended;
                }
                None => list.push(DeviceInfo {
                    id: found.id.clone(),
                    name: found.name.clone(),
                    input,
                    output,
                    default_input,
                    default_output,
                    suspended,
                    hardware: found.hardware.clone(),
                }),
            }
        }
        list
    }

    /// A new look.
    pub(super) fn replace(&self, found: Vec<Found>) {
        let mut known = self.known();
        let old = std::mem::take(&mut known.devices);
        known.looked = true;
        known.ever |= !found.is_empty();
        known.devices = found
            .into_iter()
            .map(|new| {
                let same = |(old, _): &&(Found, _)| {
                    old.id == new.id && old.direction == new.direction && old.index == new.index
                };
                let here =
                    old.iter().find(same).map_or_else(|| Arc::new(AtomicBool::new(true)), |(_, here)| here.clone());
                (new, here)
            })
            .collect();
        for (_, here) in old {
            if !known.devices.iter().any(|(_, still)| Arc::ptr_eq(still, &here)) {
                here.store(false, Ordering::Release);
            }
        }
    }

    /// Told by the server itself.
    pub(super) fn gone(&self, gone: &pulse::Gone) {
        self.known().devices.retain(|(found, here)| {
            let stays = found.direction != gone.direction || found.index != gone.index;
            if !stays {
                here.store(false, Ordering::Release);
            }
            stays
        });
    }

    /// Sessions use it from now on.
    pub(super) fn used(&self, direction: Direction, id: &str) {
        self.known().used.push((direction, id.to_owned()));
    }

    /// One that does so less.
    pub(super) fn unused(&self, direction: Direction, id: &str) {
        let used = &mut self.known().used;
        if let Some(i) = used.iter().position(|(way, used)| *way == direction && used == id) {
            used.swap_remove(i);
        }
    }

    /// The sound server has put it to sleep.
    pub(super) fn suspended(&self, direction: Direction, id: &str) -> bool {
        self.known().devices.iter().any(|(found, _)| found.direction == direction && found.id == id && found.suspended)
    }

    /// A stream is open there from now on.
    pub(super) fn opened(&self, present: &Present) {
        self.known().open.push(present.clone());
    }

    /// One such stream less.
    pub(super) fn closed(&self, present: &Present) {
        let mut known = self.known();
        // Streams of one device share `here`.
        if let Some(i) = known.open.iter().position(|open| Arc::ptr_eq(&open.seen, &present.seen)) {
            known.open.swap_remove(i);
        }
    }

    /// Where streams are open.
    pub(super) fn open(&self) -> Vec<Present> {
        self.known().open.clone()
    }

    /// A stream is being opened, or it was not seen yet where it is.
    pub(super) fn is_unsure(&self) -> bool {
        let known = self.known();
        let settled = self.closing.load(Ordering::Relaxed) + known.open.len();
        self.streams.load(Ordering::Relaxed) > settled
            || known.open.iter().any(|open| !open.seen.load(Ordering::Relaxed))
    }

    /// Gives up those of `open` that are not where they were opened, and lets the others be heard; `streams`, looked up later, says
    /// where they are.
    pub(super) fn displaced(&self, open: &[Present], streams: &[(Direction, u32)]) {
        // Those that were closed in between are missing with reason.
        let still = self.open();
        let is_open = |stream: &&Present| still.iter().any(|open| Arc::ptr_eq(&open.seen, &stream.seen));
        let open: Vec<&Present> = open.iter().filter(|s| moves_streams(&s.id)).filter(is_open).collect();
        let expected = |place: (Direction, u32)| open.iter().filter(|s| (s.direction, s.index) == place).count();
        let there = |place: (Direction, u32)| streams.iter().filter(|other| **other == place).count();
        // One of ours is where none was opened. (A server may list a new stream before it has a place.)
        let stray = |way| streams.iter().any(|at| at.0 == way && at.1 != u32::MAX && there(*at) > expected(*at));
        for stream in &open {
            let place = (stream.direction, stream.index);
            if there(place) >= expected(place) {
                stream.seen.store(true, Ordering::Release);
            } else if stream.seen.load(Ordering::Acquire) || stray(stream.direction) {
                stream.here.store(false, Ordering::Release);
                for (_, here) in self.known().devices.iter_mut().filter(|(_, here)| Arc::ptr_eq(here, &stream.here)) {
                    *here = Arc::new(AtomicBool::new(true));
                }
            }
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// PulseAudio may move a stream to another device by itself.
fn moves_streams(id: &str) -> bool {
    id.starts_with("pulse:")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_heard_once_it_was_seen_at_its_device() {
        let directory = Directory::default();
        let found = |id: &str, index| Found {
            id: id.into(),
            name: id.into(),
            direction: Direction::Input,
            index,
            default: index == 1,
            suspended: false,
            hardware: None,
        };
        directory.replace(vec![found("pulse:mic1", 1), found("pulse:mic2", 2), found("alsa:mic3", 0)]);
        let look = |id: &str| directory.find(id, Direction::Input).unwrap();
        let heard = |present: &Present| present.here.load(Ordering::Acquire) && present.seen.load(Ordering::Acquire);
        assert!(heard(&look("alsa:mic3")), "ALSA moves nothing");
        let (moved, stays) = (look("default"), look("pulse:mic2"));
        directory.streams.store(2, Ordering::Relaxed);
        assert!(directory.is_unsure(), "they are being opened");
        [&moved, &stays].into_iter().for_each(|present| directory.opened(present));
        assert!(directory.is_unsure() && !heard(&moved) && !heard(&stays));
        // Both are at the second microphone.
        directory.displaced(&directory.open(), &[(Direction::Input, 2), (Direction::Input, 2)]);
        assert_eq!((heard(&moved), heard(&stays)), (false, true));
        directory.closed(&moved);
        directory.streams.store(1, Ordering::Relaxed);
        assert!(!directory.is_unsure());
        // A second one of the same device, whose first goes: each is seen for itself.
        let second = look("pulse:mic2");
        directory.opened(&second);
        directory.closed(&stays);
        directory.displaced(&directory.open(), &[(Direction::Input, u32::MAX)]);
        assert!(second.here.load(Ordering::Acquire) && !heard(&second), "it has no place yet");
        directory.displaced(&directory.open(), &[(Direction::Input, 2)]);
        assert!(heard(&second));
        assert!(!heard(&look("pulse:mic1")), "opened again, it is not seen yet");
    }
}
