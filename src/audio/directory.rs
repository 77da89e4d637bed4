//! Which real devices there are. One thread looks; everybody else only reads what it has seen.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cpal::traits::{DeviceTrait, HostTrait};
use tokio::sync::mpsc::Sender;

use super::{HostChoice, pulse};
use crate::ua::io::DeviceInfo;

/// The list is read again at least this often.
const EVERY: Duration = Duration::from_secs(1);
/// Before a sound server that did not answer is asked again.
const AGAIN: Duration = Duration::from_millis(500);

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
}

/// A device that was there when it was looked up.
#[derive(Clone)]
pub(super) struct Present {
    pub id: String,
    /// Turns false the moment it is gone, and stays so: a device that comes back is a new one.
    pub here: Arc<AtomicBool>,
}

/// What all threads of this edge share.
#[derive(Default)]
pub(super) struct Directory {
    known: Mutex<Known>,
    stopped: AtomicBool,
    /// Streams being opened, open, or being closed.
    pub streams: AtomicUsize,
}

#[derive(Default)]
struct Known {
    looked: bool,
    ever: bool,
    devices: Vec<(Found, Arc<AtomicBool>)>,
}

impl Directory {
    /// Starts the thread that looks.
    pub(super) fn watch(self: &Arc<Self>, host: HostChoice, facts: Sender<Vec<DeviceInfo>>) {
        let directory = self.clone();
        let watch = move || Watch { directory, host, facts, told: None, pulse_seen: false }.run();
        if let Err(error) = std::thread::Builder::new().name("audio-watch".into()).spawn(watch) {
            tracing::warn!(%error, "no thread to look for sound devices: there are none");
            self.known().looked = true;
        }
    }

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
        Some(Present { id: found.id.clone(), here: here.clone() })
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
        }];
        for (found, _) in &known.devices {
            let (input, output) = (found.direction == Direction::Input, found.direction == Direction::Output);
            if found.default {
                list[0].default_input &= !input;
                list[0].default_output &= !output;
            }
            let (default_input, default_output) = (input && found.default, output && found.default);
            match list.iter_mut().find(|info| info.id == found.id) {
                Some(both) => {
                    both.input |= input;
                    both.output |= output;
                    both.default_input |= default_input;
                    both.default_output |= default_output;
                }
                None => list.push(DeviceInfo {
                    id: found.id.clone(),
                    name: found.name.clone(),
                    input,
                    output,
                    default_input,
                    default_output,
                }),
            }
        }
        list
    }

    fn replace(&self, found: Vec<Found>) {
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

    fn gone(&self, gone: &pulse::Gone) {
        self.known().devices.retain(|(found, here)| {
            let stays = found.direction != gone.direction || found.index != gone.index;
            if !stays {
                here.store(false, Ordering::Release);
            }
            stays
        });
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Watch {
    directory: Arc<Directory>,
    host: HostChoice,
    facts: Sender<Vec<DeviceInfo>>,
    told: Option<Vec<DeviceInfo>>,
    pulse_seen: bool,
}

impl Watch {
    fn run(mut self) {
        while !self.directory.stopped() {
            if matches!(self.host, HostChoice::Auto | HostChoice::Pulse)
                && let Err(reason) = self.follow_pulse()
            {
                tracing::debug!(reason, "PulseAudio does not answer");
            }
            // A sound server that is only away shall find its cards free when it is back.
            let alsa = self.host == HostChoice::Alsa || (self.host == HostChoice::Auto && !self.pulse_seen);
            self.saw(if alsa { alsa_devices(self.host == HostChoice::Alsa) } else { Vec::new() });
            std::thread::sleep(AGAIN);
        }
    }

    /// Stays with the server until it fails.
    fn follow_pulse(&mut self) -> Result<(), String> {
        let mut server = pulse::Server::connect()?;
        self.pulse_seen = true;
        while !self.directory.stopped() {
            let found = server.list()?;
            self.saw(found);
            // Silenced by its number at once; the new list follows.
            server.news(EVERY)?.iter().for_each(|gone| self.directory.gone(gone));
        }
        Ok(())
    }

    fn saw(&mut self, found: Vec<Found>) {
        self.directory.replace(found);
        let list = self.directory.list();
        if self.told.as_ref() == Some(&list) {
            return;
        }
        if list.len() == 1 {
            tracing::info!("no sound card: calls go on with silence");
        } else {
            tracing::info!(devices = list.len() - 1, "sound devices");
        }
        // A full channel is tried again with the next look.
        if self.facts.try_send(list.clone()).is_ok() || self.facts.is_closed() {
            self.told = Some(list);
        }
    }
}

/// The sound cards by name, each through ALSA's own conversion, and ALSA's `default`.
fn alsa_devices(even_without_card: bool) -> Vec<Found> {
    let card = std::fs::read_dir("/dev/snd")
        .is_ok_and(|nodes| nodes.flatten().any(|node| node.file_name().to_string_lossy().starts_with("pcmC")));
    if !card && !even_without_card {
        return Vec::new();
    }
    let Ok(devices) = cpal::host_from_id(cpal::HostId::Alsa).and_then(|host| host.devices()) else { return Vec::new() };
    let mut found = Vec::new();
    for device in devices {
        let Ok(id) = device.id() else { continue };
        // Numbers of cards change from boot to boot, their names do not.
        let named =
            id.id().strip_prefix("plughw:CARD=").is_some_and(|card| !card.starts_with(|c: char| c.is_ascii_digit()));
        if !named && id.id() != "default" {
            continue;
        }
        let name = device.description().map_or_else(|_| id.id().to_owned(), |about| about.name().to_owned());
        let about = device.description().ok();
        for (direction, can) in [
            (Direction::Input, about.as_ref().is_none_or(|a| a.supports_input())),
            (Direction::Output, about.as_ref().is_none_or(|a| a.supports_output())),
        ] {
            if can {
                let (id, default) = (format!("alsa:{}", id.id()), id.id() == "default");
                found.push(Found { id, name: name.clone(), direction, index: 0, default });
            }
        }
    }
    found
}
