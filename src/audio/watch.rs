//! The thread that looks which real devices there are, and where our streams are.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use cpal::traits::{DeviceTrait, HostTrait};
use tokio::sync::mpsc::Sender;

use super::clock::now;
use super::directory::{Direction, Directory, Found};
use super::{HostChoice, hardware, pulse};
use crate::ua::io::DeviceInfo;

/// The list is read again at least this often.
const EVERY: Duration = Duration::from_secs(1);
/// The same while a stream is opened: it is not heard before it was seen where it belongs.
const SOON: Duration = Duration::from_millis(20);
/// A stream that takes longer than this hangs, and is not looked for so often.
const LONG: Duration = Duration::from_secs(4);
/// Before a sound server that did not answer is asked again.
const AGAIN: Duration = Duration::from_millis(500);

/// Starts it; it ends with the directory.
pub(super) fn start(directory: &Arc<Directory>, host: HostChoice, facts: Sender<Vec<DeviceInfo>>) {
    let watch = Watch { directory: directory.clone(), host, facts, told: None, pulse_seen: false, complaint: None };
    if let Err(error) = std::thread::Builder::new().name("audio-watch".into()).spawn(|| watch.run()) {
        tracing::warn!(%error, "no thread to look for sound devices: there are none");
        directory.replace(Vec::new());
    }
}

struct Watch {
    directory: Arc<Directory>,
    host: HostChoice,
    facts: Sender<Vec<DeviceInfo>>,
    told: Option<Vec<DeviceInfo>>,
    pulse_seen: bool,
    /// What was logged last, so that it is logged once.
    complaint: Option<String>,
}

impl Watch {
    fn run(mut self) {
        while !self.directory.stopped() {
            if matches!(self.host, HostChoice::Auto | HostChoice::Pulse)
                && let Err(reason) = self.follow_pulse()
            {
                let reason = Some(reason.to_string());
                if self.complaint != reason {
                    tracing::debug!(?reason, "PulseAudio does not answer");
                    self.complaint = reason;
                }
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
        let (mut idle, mut since) = ((now(), Vec::new()), None);
        self.pulse_seen = true;
        while !self.directory.stopped() {
            let found = server.list()?;
            self.saw(found);
            // Silenced by its number at once; the new list follows.
            let unsure = self.directory.is_unsure();
            since = since.filter(|_| unsure).or(unsure.then(now));
            let limit = if since.is_some_and(|since| now() < since + LONG) { SOON } else { EVERY };
            server.news(limit)?.iter().for_each(|gone| self.directory.gone(gone));
            self.follow_streams(&mut server, &mut idle)?;
        }
        Ok(())
    }

    /// The server may move a stream when its device goes or another becomes the default: such a stream is given up.
    ///
    /// A loudspeaker that was the last one takes its streams with it, and cpal then waits for their end for ever. Their
    /// connections have no stream any more: two looks 1 s apart tell them from one that is being opened.
    fn follow_streams(&self, server: &mut pulse::Server, idle: &mut (Duration, Vec<u32>)) -> Result<(), String> {
        if self.directory.streams.load(Ordering::Relaxed) == 0 {
            return Ok(());
        }
        let open = self.directory.open();
        let ours = server.ours()?;
        self.directory.displaced(&open, &ours.streams);
        if self.directory.closing.load(Ordering::Relaxed) == 0 {
            idle.1.clear();
        } else if now() >= idle.0 + EVERY {
            for client in ours.idle.iter().filter(|client| idle.1.contains(client)) {
                server.hang_up(*client)?;
            }
            *idle = (now(), ours.idle);
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
        let card = id.id().strip_prefix("plughw:CARD=").and_then(|card| card.split(',').next());
        let hardware = card.and_then(hardware::of_card);
        let name = device.description().map_or_else(|_| id.id().to_owned(), |about| about.name().to_owned());
        let about = device.description().ok();
        for (direction, can) in [
            (Direction::Input, about.as_ref().is_none_or(|a| a.supports_input())),
            (Direction::Output, about.as_ref().is_none_or(|a| a.supports_output())),
        ] {
            if can {
                let (id, default) = (format!("alsa:{}", id.id()), id.id() == "default");
                let (name, hardware) = (name.clone(), hardware.clone());
                found.push(Found { id, name, direction, index: 0, default, suspended: false, hardware });
            }
        }
    }
    found
}
