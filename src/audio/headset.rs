//! The buttons and lights of USB headsets, by the kernel's raw HID devices. One thread listens to all of them, and looks once a second
//! whether there are others; a host without any costs no more than that.

mod descriptor;
mod report;

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use tokio::sync::mpsc::Sender;

use super::hardware;
use crate::ua::headset::{Button, Headset, Lights};
use report::Reports;

/// So often it is looked for new ones.
const EVERY_MS: u16 = 1_000;
/// No headset's report is longer.
const LONGEST: usize = 256;

/// What headsets tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// All there are now.
    Present(Vec<Headset>),
    /// A button of one was pressed.
    Pressed {
        /// [`Headset::hardware`].
        hardware: String,
        /// Which one.
        button: Button,
    },
}

/// Where the kernel shows its devices.
#[derive(Debug, Clone)]
pub struct Places {
    /// `/sys/class/hidraw`
    pub class: PathBuf,
    /// `/dev`
    pub dev: PathBuf,
}

impl Default for Places {
    fn default() -> Places {
        Places { class: "/sys/class/hidraw".into(), dev: "/dev".into() }
    }
}

/// All headsets of this host; their thread ends with it.
pub struct Headsets {
    wanted: Arc<Mutex<BTreeMap<String, Lights>>>,
    /// Closed, or with a byte to read: there is something to do.
    bell: UnixStream,
}

impl Headsets {
    /// Starts listening, and returns at once.
    ///
    /// Errors: the system has no more threads or sockets.
    pub fn start(places: Places, told: Sender<Told>) -> std::io::Result<Headsets> {
        let (bell, heard) = UnixStream::pair()?;
        bell.set_nonblocking(true)?;
        heard.set_nonblocking(true)?;
        let wanted = Arc::new(Mutex::new(BTreeMap::new()));
        let mut desk =
            Desk { places, told, wanted: wanted.clone(), open: Vec::new(), refused: Vec::new(), present: None };
        std::thread::Builder::new().name("headsets".into()).spawn(move || desk.run(&heard))?;
        Ok(Headsets { wanted, bell })
    }

    /// A headset's lights are to be so from now on. Never blocks.
    pub fn light(&self, hardware: &str, lights: Lights) {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner).insert(hardware.to_owned(), lights);
        // A bell that is full has been rung.
        let _ = (&self.bell).write(&[0]);
    }
}

/// The thread's own.
struct Desk {
    places: Places,
    told: Sender<Told>,
    wanted: Arc<Mutex<BTreeMap<String, Lights>>>,
    open: Vec<Open>,
    /// Those that are no headsets, or may not be opened, as long as they are there.
    refused: Vec<String>,
    present: Option<Vec<Headset>>,
}

/// A headset that is listened to.
struct Open {
    /// `hidrawN`
    name: String,
    headset: Headset,
    file: File,
    reports: Reports,
    shown: Lights,
}

impl Desk {
    fn run(&mut self, bell: &UnixStream) {
        while !self.told.is_closed() {
            self.look();
            if self.wait(bell).is_none() {
                return;
            }
            self.show();
        }
    }

    /// Opens what is new. What is gone is noticed by reading it.
    fn look(&mut self) {
        let entries = fs::read_dir(&self.places.class).into_iter().flatten().flatten();
        let names: Vec<String> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        self.refused.retain(|refused| names.contains(refused));
        self.open.retain(|open| names.contains(&open.name));
        for name in names {
            if self.refused.contains(&name) || self.open.iter().any(|open| open.name == name) {
                continue;
            }
            match self.try_open(&name) {
                Some(open) => {
                    tracing::info!(headset = open.headset.name, device = name, "its buttons are listened to");
                    self.open.push(open);
                }
                None => self.refused.push(name),
            }
        }
        let mut present: Vec<Headset> = self.open.iter().map(|open| open.headset.clone()).collect();
        present.sort();
        present.dedup();
        if self.present.as_ref() != Some(&present) && self.told.blocking_send(Told::Present(present.clone())).is_ok() {
            self.present = Some(present);
        }
    }

    fn try_open(&self, name: &str) -> Option<Open> {
        let place = self.places.class.join(name).join("device");
        let reports = Reports::new(&fs::read(place.join("report_descriptor")).ok()?)?;
        // Without sound of its own its buttons belong to nobody's calls.
        let hardware = hardware::usb_device(&place)?;
        let path = self.places.dev.join(name);
        let open = OpenOptions::new().read(true).write(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(&path);
        let file = open
            .inspect_err(|error| {
                tracing::warn!(device = %path.display(), %error, "a headset whose buttons cannot be used: docs/OPERATIONS.md, Headsets");
            })
            .ok()?;
        let headset = Headset { name: called(&place), hardware };
        Some(Open { name: name.to_owned(), headset, file, reports, shown: Lights::default() })
    }

    /// Until something is pressed, is to be shown, or a second is over. None: nobody wants to know any more.
    fn wait(&mut self, bell: &UnixStream) -> Option<()> {
        let mut fds = vec![PollFd::new(bell.as_fd(), PollFlags::POLLIN)];
        fds.extend(self.open.iter().map(|open| PollFd::new(open.file.as_fd(), PollFlags::POLLIN)));
        if poll(&mut fds, PollTimeout::from(EVERY_MS)).is_err() {
            return Some(()); // a signal
        }
        let ready: Vec<bool> = fds.iter().map(|fd| fd.any().unwrap_or(true)).collect();
        let mut bytes = [0; LONGEST];
        if ready[0] && matches!((&*bell).read(&mut bytes), Ok(0)) {
            return None;
        }
        let mut n = 0;
        let mut lost = Vec::new();
        for open in &mut self.open {
            n += 1;
            if !ready[n] {
                continue;
            }
            match open.file.read(&mut bytes) {
                Ok(length) if length > 0 => {
                    for button in open.reports.read(&bytes[..length]) {
                        let hardware = open.headset.hardware.clone();
                        self.told.blocking_send(Told::Pressed { hardware, button }).ok()?;
                    }
                }
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                _ => lost.push(open.name.clone()),
            }
        }
        self.open.retain(|open| !lost.contains(&open.name));
        Some(())
    }

    fn show(&mut self) {
        let wanted = self.wanted.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for open in &mut self.open {
            let lights = wanted.get(&open.headset.hardware).copied().unwrap_or_default();
            if lights == open.shown {
                continue;
            }
            open.shown = lights;
            for report in open.reports.show(lights) {
                if let Err(error) = open.file.write_all(&report) {
                    tracing::debug!(headset = open.headset.name, %error, "its lights stay as they are");
                }
            }
        }
    }
}

/// The name that the kernel has for it.
fn called(place: &Path) -> String {
    let about = fs::read_to_string(place.join("uevent")).unwrap_or_default();
    let name = about.lines().find_map(|line| line.strip_prefix("HID_NAME="));
    name.unwrap_or("a headset").trim().to_owned()
}

#[cfg(test)]
mod tests;
