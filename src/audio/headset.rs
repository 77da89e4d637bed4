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
use std::time::Duration;

use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use tokio::sync::mpsc::Sender;

use super::clock::now;
use super::hardware;
use crate::ua::headset::{Button, Headset, Lights};
use report::Reports;

/// So often it is looked for new ones.
const EVERY: Duration = Duration::from_secs(1);
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

/// By hardware: the lights, and that they are to be shown, though they may be so already.
type Wanted = Arc<Mutex<BTreeMap<String, (Lights, bool)>>>;

/// All headsets of this host; their thread ends with it.
pub struct Headsets {
    wanted: Wanted,
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
        let wanted = Wanted::default();
        let mut desk = Desk {
            places,
            told,
            wanted: wanted.clone(),
            open: Vec::new(),
            others: Vec::new(),
            locked: Vec::new(),
            present: None,
        };
        std::thread::Builder::new().name("headsets".into()).spawn(move || desk.run(&heard))?;
        Ok(Headsets { wanted, bell })
    }

    /// A headset's lights are to be so from now on. Never blocks.
    pub fn light(&self, hardware: &str, lights: Lights) {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner).insert(hardware.to_owned(), (lights, true));
        // A bell that is full has been rung.
        let _ = (&self.bell).write(&[0]);
    }
}

/// The thread's own.
struct Desk {
    places: Places,
    told: Sender<Told>,
    wanted: Wanted,
    open: Vec<Open>,
    /// Those that are no headsets, as long as they are there: a name and its place.
    others: Vec<(String, PathBuf)>,
    /// Those that cannot be opened: told once, tried again with each look.
    locked: Vec<String>,
    present: Option<Vec<Headset>>,
}

/// A headset that is listened to.
struct Open {
    /// `hidrawN`
    name: String,
    headset: Headset,
    file: File,
    reports: Reports,
    /// None: nobody knows.
    shown: Option<Lights>,
}

impl Desk {
    fn run(&mut self, bell: &UnixStream) {
        let mut next = now();
        while !self.told.is_closed() {
            if now() >= next {
                self.look();
                next = now() + EVERY;
                self.show();
            }
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
        self.locked.retain(|name| names.contains(name));
        self.open.retain(|open| names.contains(&open.name));
        let mut others = Vec::new();
        for name in names {
            if self.open.iter().any(|open| open.name == name) {
                continue;
            }
            // Numbers are used again: what is behind one may be another device by now.
            let Ok(place) = fs::canonicalize(self.places.class.join(&name).join("device")) else { continue };
            let known = (name.clone(), place.clone());
            if self.others.contains(&known) {
                others.push(known);
                continue;
            }
            match self.try_open(&name, &place) {
                Some(Ok(open)) => {
                    tracing::info!(headset = open.headset.name, device = name, "its buttons are listened to");
                    self.locked.retain(|locked| *locked != name);
                    self.open.push(open);
                }
                Some(Err(error)) if !self.locked.contains(&name) => {
                    tracing::warn!(device = name, %error, "a headset whose buttons cannot be used: docs/OPERATIONS.md, Sound");
                    self.locked.push(name);
                }
                Some(Err(_)) => {}
                None => others.push(known),
            }
        }
        self.others = others;
        let mut present: Vec<Headset> = self.open.iter().map(|open| open.headset.clone()).collect();
        present.sort();
        present.dedup_by(|one, other| one.hardware == other.hardware);
        if self.present.as_ref() == Some(&present) {
            return;
        }
        let gone = |hardware: &String| !present.iter().any(|headset| headset.hardware == *hardware);
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner).retain(|hardware, _| !gone(hardware));
        if self.told.blocking_send(Told::Present(present.clone())).is_ok() {
            self.present = Some(present);
        }
    }

    /// None: it is no headset. Without sound of its own its buttons belong to nobody's calls.
    fn try_open(&self, name: &str, place: &Path) -> Option<std::io::Result<Open>> {
        let reports = Reports::new(&fs::read(place.join("report_descriptor")).ok()?)?;
        let hardware = hardware::usb_device(place)?;
        let headset = Headset { name: called(place), hardware };
        let path = self.places.dev.join(name);
        let file = OpenOptions::new().read(true).write(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(path);
        Some(file.map(|file| Open { name: name.to_owned(), headset, file, reports, shown: None }))
    }

    /// Until something is pressed, is to be shown, or a second is over. None: nobody wants to know any more.
    fn wait(&mut self, bell: &UnixStream) -> Option<()> {
        let mut fds = vec![PollFd::new(bell.as_fd(), PollFlags::POLLIN)];
        fds.extend(self.open.iter().map(|open| PollFd::new(open.file.as_fd(), PollFlags::POLLIN)));
        if poll(&mut fds, PollTimeout::try_from(EVERY).unwrap_or(PollTimeout::ZERO)).is_err() {
            return Some(()); // a signal
        }
        let ready: Vec<bool> = fds.iter().map(|fd| fd.any().unwrap_or(true)).collect();
        let mut bytes = [0; LONGEST];
        if ready[0] && matches!((&*bell).read(&mut bytes), Ok(0)) {
            return None;
        }
        let mut lost = Vec::new();
        for (open, _) in self.open.iter_mut().zip(&ready[1..]).filter(|(_, ready)| **ready) {
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
        // Taken under one lock: what comes meanwhile rings the bell again.
        let wanted = {
            let mut wanted = self.wanted.lock().unwrap_or_else(PoisonError::into_inner);
            let taken = wanted.clone();
            wanted.values_mut().for_each(|(_, anew)| *anew = false);
            taken
        };
        for open in &mut self.open {
            let (lights, anew) = wanted.get(&open.headset.hardware).copied().unwrap_or_default();
            if !anew && open.shown == Some(lights) {
                continue;
            }
            let shows = |report: Vec<u8>| (&open.file).write(&report).is_ok_and(|length| length == report.len());
            // What it does not take is tried again with the next look.
            open.shown = open.reports.show(lights).into_iter().all(shows).then_some(lights);
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
