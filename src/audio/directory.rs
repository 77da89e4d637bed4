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
        Some(Present { id: found.id.clone(), direction, index: found.index, here: here.clone() })
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
        if let Some(i) = known.open.iter().position(|open| Arc::ptr_eq(&open.here, &present.here)) {
            known.open.swap_remove(i);
        }
    }

    /// Where streams are open.
    pub(super) fn open(&self) -> Vec<Present> {
        self.known().open.clone()
    }

    /// Gives up those of `open` that are not where they were opened; `streams`, looked up later, says where they are.
    pub(super) fn displaced(&self, open: &[Present], streams: &[(Direction, u32)]) {
        for stream in open.iter().filter(|stream| stream.id.starts_with("pulse:")) {
            let place = (stream.direction, stream.index);
            let expected = open.iter().filter(|other| (other.direction, other.index) == place).count();
            if streams.iter().filter(|other| **other == place).count() < expected {
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
