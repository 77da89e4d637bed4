//! Sound devices: real ones, and `null`, `tone:HZ` and `file:PATH` beside them.
//!
//! A session holds a [`Source`] and a [`Sink`]; both only copy to and from memory, so the media engine may use them on
//! its real-time workers. Whatever can block (files, sound servers) has a thread of its own behind a bounded ring.

mod clock;
mod directory;
mod end;
mod file;
mod lane;
mod limiter;
mod pulse;
mod ring;
mod stream;
mod tone;
mod trial;
mod watch;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::ua::io::{DeviceInfo, DeviceTrial, Trial};

pub use end::{Sink, Source};
pub use file::{convert, wav_samples};
pub use limiter::Limiter;

use directory::{Direction, Directory};
use file::Files;
use lane::Lanes;
use tone::Tone;

/// The edge's own part of `[audio]`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where real devices come from.
    pub host: HostChoice,
}

/// Which sound system gives the real devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HostChoice {
    /// PulseAudio (or PipeWire in its place) when its socket is there, else ALSA when there is a card.
    #[default]
    Auto,
    /// PulseAudio only.
    Pulse,
    /// ALSA only.
    Alsa,
    /// No real devices: `default` is `null`.
    None,
}

/// All devices of this host. Cheap to clone; the threads behind it end with the last clone.
#[derive(Clone)]
pub struct Devices(Arc<Inner>);

struct Inner {
    host: HostChoice,
    directory: Arc<Directory>,
    lanes: Lanes,
    files: Files,
}

impl Devices {
    /// Starts looking for devices and returns at once. `facts` gets the whole list whenever it changes.
    pub fn start(config: Config, facts: tokio::sync::mpsc::Sender<Vec<DeviceInfo>>) -> Devices {
        let directory = Arc::new(Directory::default());
        watch::start(&directory, config.host, facts);
        Devices(Arc::new(Inner { host: config.host, directory, lanes: Lanes::default(), files: Files::start() }))
    }

    /// A microphone: `default`, `null`, `tone:HZ`, `file:PATH` (a WAV file, once, then silence), `file:PATH?loop`, or
    /// an id of [`list`](Self::list). Never blocks. A real device that is away gives silence until it is back.
    /// `default` is the sound server's default when the call begins, or `null` on a host without a sound card.
    ///
    /// Errors: an id of no known kind, a file that is not there or not WAV, a tone that `rate` (Hz) cannot carry.
    pub fn source(&self, id: &str, rate: u32) -> Result<Source, String> {
        check_rate(rate)?;
        match kind(id)? {
            Kind::Null => Ok(Source::null(rate)),
            Kind::Tone(hz) => Ok(Source::tone(Tone::new(hz, rate)?, rate)),
            Kind::File(path) => self.0.files.source(path, rate),
            Kind::Real => match self.0.device(id, Direction::Input)? {
                Some(id) => self.0.lanes.source(&self.0.directory, &id),
                None => Ok(Source::null(rate)),
            },
        }
    }

    /// A loudspeaker: `default`, `null`, `file:PATH` (a WAV file, mono, at `rate`, replaced if it is there; readable at
    /// any time, at most 500 ms behind) or an id of [`list`](Self::list). Never blocks.
    ///
    /// Errors: an id of no known kind, `tone:`, a file that cannot be made.
    pub fn sink(&self, id: &str, rate: u32) -> Result<Sink, String> {
        check_rate(rate)?;
        match kind(id)? {
            Kind::Null => Ok(Sink::null(rate)),
            Kind::Tone(_) => Err(format!("{id:?}: a tone cannot play")),
            Kind::File(path) => self.0.files.sink(path, rate),
            Kind::Real => match self.0.device(id, Direction::Output)? {
                Some(id) => self.0.lanes.sink(&self.0.directory, &id),
                None => Ok(Sink::null(rate)),
            },
        }
    }

    /// Tries devices out, on a thread of its own; `tell` gets what came of it.
    pub fn test(&self, trial: DeviceTrial, tell: impl Fn(Result<Trial, String>) + Clone + Send + 'static) {
        let (devices, done) = (self.clone(), tell.clone());
        let run = move || done(trial::run(&devices, trial));
        if let Err(error) = std::thread::Builder::new().name("audio-test".into()).spawn(run) {
            tell(Err(format!("no thread for it: {error}")));
        }
    }

    /// All devices there are now, `null` first.
    pub fn list(&self) -> Vec<DeviceInfo> {
        self.0.directory.list()
    }
}

impl Inner {
    /// The lane to take; none: `null` will do.
    fn device(&self, id: &str, direction: Direction) -> Result<Option<String>, String> {
        match self.host {
            HostChoice::None if id == "default" => Ok(None),
            HostChoice::None => Err(format!("{id:?}: real devices are switched off")),
            _ if id != "default" => Ok(Some(id.to_owned())),
            // Not looked yet, or away for the moment: the lane waits for it.
            _ => match self.directory.find(id, direction) {
                Some(present) => Ok(Some(present.id)),
                None if self.directory.cardless() => Ok(None),
                None => Ok(Some(id.to_owned())),
            },
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.directory.stop();
    }
}

enum Kind<'a> {
    Null,
    Tone(f64),
    File(&'a str),
    Real,
}

fn kind(id: &str) -> Result<Kind<'_>, String> {
    match id.split_once(':') {
        None if id == "default" => Ok(Kind::Real),
        None if id == "null" => Ok(Kind::Null),
        Some(("tone", hz)) => hz.parse().map(Kind::Tone).map_err(|_| format!("{id:?}: tone:HZ, a number")),
        Some(("file", path)) if !path.is_empty() => Ok(Kind::File(path)),
        Some(("pulse" | "alsa", name)) if !name.is_empty() => Ok(Kind::Real),
        _ => Err(format!("{id:?}: not a device; default, null, tone:HZ, file:PATH, pulse:NAME or alsa:NAME")),
    }
}

fn check_rate(rate: u32) -> Result<(), String> {
    if (4_000..=192_000).contains(&rate) { Ok(()) } else { Err(format!("{rate} Hz: not a rate for speech")) }
}
