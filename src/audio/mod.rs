//! Sound devices: real ones, and `null`, `tone:HZ` and `file:PATH` beside them.
//!
//! A session holds a [`Source`] and a [`Sink`]; both only copy to and from memory, so the media engine may use them on
//! its real-time workers. Whatever can block (files, sound servers) has a thread of its own behind a bounded ring.

mod ahead;
mod callback;
mod clean;
mod clock;
mod directory;
mod end;
mod file;
mod gauge;
mod hardware;
pub mod headset;
mod lane;
mod limiter;
mod pulse;
mod reserve;
mod ring;
mod stream;
mod tone;
mod trial;
mod watch;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::ua::io::{DeviceGauge, DeviceInfo, DeviceTrial, Trial};
use crate::ua::settings::Cleaning;

pub use end::{Sink, Source};
pub use file::{convert, wav_samples};
pub use limiter::Limiter;

use clean::Wish;
use directory::{Direction, Directory};
use file::Files;
use gauge::Gauges;
use lane::Lanes;
use tone::Tone;

/// The edge's own part of `[audio]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where real devices come from.
    pub host: HostChoice,
    /// The volume of microphones that were not set, percent.
    pub input_volume: u16,
    /// The same of loudspeakers.
    pub output_volume: u16,
}

impl Default for Config {
    fn default() -> Config {
        Config { host: HostChoice::default(), input_volume: 100, output_volume: 100 }
    }
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
        let lanes = Lanes::new(Gauges::new(config.input_volume, config.output_volume));
        Devices(Arc::new(Inner { host: config.host, directory, lanes, files: Files::start() }))
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
    /// any time, half a second behind) or an id of [`list`](Self::list). Never blocks.
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

    /// Whether a loudspeaker can be opened: opens it for a moment, with nothing to play. One that calls use is open. Blocks, for 3 s at
    /// most.
    pub fn try_sink(&self, id: &str) -> Result<(), String> {
        match kind(id)? {
            Kind::Null | Kind::File(_) => Ok(()),
            Kind::Tone(_) => Err(format!("{id:?}: a tone cannot play")),
            Kind::Real => match self.0.device(id, Direction::Output)? {
                Some(id) => self.0.lanes.try_sink(&self.0.directory, &id),
                None => Ok(()),
            },
        }
    }

    /// A microphone and a loudspeaker that are used together, as [`source`](Self::source) and [`sink`](Self::sink) have them.
    /// A real microphone is cleaned; from that of the loudspeaker beside it, if it is real too, the echo is taken out: of
    /// all that is played there, whoever plays it.
    pub fn pair(
        &self,
        input: &str,
        output: &str,
        rate: u32,
        cleaning: Cleaning,
    ) -> (Result<Source, String>, Result<Sink, String>) {
        // Named once: both are the same one, whatever becomes the default in between.
        let beside = match kind(output) {
            Ok(Kind::Real) => self.0.device(output, Direction::Output).ok().flatten(),
            _ => None,
        };
        let sink = match &beside {
            Some(id) => self.0.lanes.sink(&self.0.directory, id),
            None => self.sink(output, rate),
        };
        (self.clean_source(input, rate, cleaning, beside), sink)
    }

    fn clean_source(&self, id: &str, rate: u32, cleaning: Cleaning, beside: Option<String>) -> Result<Source, String> {
        let beside = beside.filter(|_| cleaning.echo_cancellation);
        let cleaning = Cleaning { echo_cancellation: beside.is_some(), ..cleaning };
        if !matches!(kind(id), Ok(Kind::Real)) || cleaning == Cleaning::OFF {
            return self.source(id, rate);
        }
        match self.0.device(id, Direction::Input)? {
            Some(id) => self.0.lanes.clean_source(&self.0.directory, &id, Wish { cleaning, beside }),
            None => Ok(Source::null(rate)),
        }
    }

    /// Turns a real device up or down from now on, in our own path: the sound server's volume is another matter.
    pub fn set_volume(&self, id: &str, input: Option<u16>, output: Option<u16>) {
        for (direction, volume) in [(Direction::Input, input), (Direction::Output, output)] {
            if let Some(percent) = volume {
                self.0.lanes.gauges().set(direction, id, percent);
            }
        }
    }

    /// How loud the real devices are, and shall be.
    pub fn gauges(&self) -> Vec<DeviceGauge> {
        let real = self.list().into_iter().filter(|info| info.id != "null");
        let gauge = |info: DeviceInfo| {
            let of = |direction, has: bool| has.then(|| self.0.lanes.gauges().of(direction, &info.id));
            let (input, output) = (of(Direction::Input, info.input), of(Direction::Output, info.output));
            DeviceGauge {
                input_volume: input.as_ref().map(|gauge| gauge.volume()),
                output_volume: output.as_ref().map(|gauge| gauge.volume()),
                input_level: input.and_then(|gauge| gauge.level()),
                output_level: output.and_then(|gauge| gauge.level()),
                id: info.id,
            }
        };
        real.map(gauge).collect()
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
