//! WAV files as devices: one thread reads them into memory, one writes them from bounded rings.

use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::Duration;

use hound::{SampleFormat, WavReader, WavSpec, WavWriter};
use rtrb::{Consumer, RingBuffer};
use rubato::audioadapter_buffers::owned::InterleavedOwned;
use rubato::{Async, FixedAsync, Resampler, SincInterpolationParameters};

use super::clock::now;
use super::end::{Sink, Source};

/// The longest file that is played, s.
const LONGEST: u32 = 30 * 60;
/// Between two looks at the rings of the files being written.
const TURN: Duration = Duration::from_millis(20);
/// Between two flushes, header included.
const FLUSH: Duration = Duration::from_millis(500);

/// The two threads; both end when this is dropped, the writer after it has finished its files.
pub(super) struct Files {
    load: SyncSender<Load>,
    write: Option<SyncSender<Writing>>,
    writer: Option<JoinHandle<()>>,
}

struct Load {
    wav: WavReader<BufReader<File>>,
    path: PathBuf,
    rate: u32,
    into: Arc<OnceLock<Vec<i16>>>,
}

struct Writing {
    wav: WavWriter<BufWriter<File>>,
    path: PathBuf,
    ring: Consumer<i16>,
}

impl Files {
    pub(super) fn start() -> Files {
        let (load, loads) = sync_channel::<Load>(64);
        let (write, writings) = sync_channel(64);
        // A thread that cannot start leaves its channel closed: `source` and `sink` then say so.
        let _ = std::thread::Builder::new().name("file-reader".into()).spawn(move || {
            for job in loads {
                job.run();
            }
        });
        let writer = std::thread::Builder::new().name("file-writer".into()).spawn(move || write_all(&writings)).ok();
        Files { load, write: Some(write), writer }
    }

    /// Opens `path` (or `path?loop`) now, so that errors are told; its samples follow.
    pub(super) fn source(&self, path: &str, rate: u32) -> Result<Source, String> {
        let (path, again) = path.strip_suffix("?loop").map_or((path, false), |path| (path, true));
        let failed = |e: &dyn std::fmt::Display| format!("{path:?}: {e}");
        // Opening a pipe would wait for its other end.
        if !std::fs::metadata(path).map_err(|e| failed(&e))?.is_file() {
            return Err(failed(&"not a file"));
        }
        let wav = WavReader::open(path).map_err(|e| failed(&e))?;
        if wav.spec().sample_rate == 0 || wav.duration() / wav.spec().sample_rate >= LONGEST {
            return Err(failed(&format_args!("longer than {LONGEST} s")));
        }
        let into = Arc::new(OnceLock::new());
        let job = Load { wav, path: path.into(), rate, into: into.clone() };
        self.load.try_send(job).map_err(|_| failed(&"too many files at once"))?;
        Ok(Source::file(into, again, rate))
    }

    /// Makes `path` now, so that errors are told; the writer thread fills it.
    pub(super) fn sink(&self, path: &str, rate: u32) -> Result<Sink, String> {
        let failed = |e: &dyn std::fmt::Display| format!("{path:?}: {e}");
        match std::fs::symlink_metadata(path) {
            Ok(old) if !old.is_file() => return Err(failed(&"there, and not a file")),
            // A call that still writes there keeps its own file, without a name.
            Ok(_) => std::fs::remove_file(path).map_err(|e| failed(&e))?,
            Err(_) => {}
        }
        let spec = WavSpec { channels: 1, sample_rate: rate, bits_per_sample: 16, sample_format: SampleFormat::Int };
        let mut wav = WavWriter::create(path, spec).map_err(|e| failed(&e))?;
        wav.flush().map_err(|e| failed(&e))?;
        let (producer, ring) = RingBuffer::new(2 * rate as usize);
        let job = Writing { wav, path: path.into(), ring };
        match &self.write {
            Some(write) if write.try_send(job).is_ok() => Ok(Sink::ring(producer, rate)),
            _ => Err(failed(&"too many files at once")),
        }
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        self.write = None;
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}

impl Load {
    fn run(self) {
        let Load { wav, path, rate, into } = self;
        match wav_samples(wav, usize::MAX).and_then(|(mono, from)| convert(mono, from, rate)) {
            Ok(samples) => {
                let _ = into.set(samples);
            }
            Err(error) => tracing::warn!(path = %Path::display(&path), error, "file cannot be played: silence"),
        }
    }
}

/// A file as mono, −1 to 1, and its rate; no more than `most` samples of it.
pub fn wav_samples(wav: WavReader<BufReader<File>>, most: usize) -> Result<(Vec<f32>, u32), String> {
    let spec = wav.spec();
    let scale = (1u64 << (spec.bits_per_sample.clamp(1, 32) - 1)) as f32;
    let channels = usize::from(spec.channels.max(1));
    let most = most.saturating_mul(channels);
    let all: Vec<f32> = match spec.sample_format {
        SampleFormat::Float => wav.into_samples::<f32>().take(most).collect::<Result<_, _>>(),
        SampleFormat::Int => wav.into_samples::<i32>().take(most).map(|s| s.map(|s| s as f32 / scale)).collect(),
    }
    .map_err(|e| e.to_string())?;
    let mono = all.chunks_exact(channels).map(|frame| frame.iter().sum::<f32>() / channels as f32).collect();
    Ok((mono, spec.sample_rate))
}

/// The same sound at another rate, as samples of 16 bits.
pub fn convert(mono: Vec<f32>, from: u32, to: u32) -> Result<Vec<i16>, String> {
    let mono = if from == to || mono.is_empty() { mono } else { resample(mono, from, to)? };
    Ok(mono.into_iter().map(|s| (s * 32768.0).round().clamp(-32768.0, 32767.0) as i16).collect())
}

fn resample(mono: Vec<f32>, from: u32, to: u32) -> Result<Vec<f32>, String> {
    let ratio = f64::from(to) / f64::from(from);
    let frames = mono.len();
    let sinc = SincInterpolationParameters::default();
    let mut resampler =
        Async::<f32>::new_sinc(ratio, 1.0, &sinc, 1024, 1, FixedAsync::Input).map_err(|e| e.to_string())?;
    let input = InterleavedOwned::new_from(mono, 1, frames).map_err(|e| e.to_string())?;
    let output = resampler.process_all(&input, frames, None).map_err(|e| e.to_string())?;
    Ok(output.take_data())
}

fn write_all(arrivals: &Receiver<Writing>) {
    let mut open: Vec<Writing> = Vec::new();
    let mut flushed = now();
    loop {
        let arrival = if open.is_empty() {
            arrivals.recv().map_err(|_| RecvTimeoutError::Disconnected)
        } else {
            arrivals.recv_timeout(TURN)
        };
        let ending = matches!(arrival, Err(RecvTimeoutError::Disconnected));
        open.extend(arrival.ok());
        let flush = now() >= flushed + FLUSH;
        flushed = if flush { now() } else { flushed };
        open = open.into_iter().filter_map(|file| file.turn(flush, ending)).collect();
        if ending {
            return;
        }
    }
}

impl Writing {
    /// Writes what came; none when the file is finished or lost.
    fn turn(mut self, flush: bool, ending: bool) -> Option<Writing> {
        // Asked before the ring is read: nothing can come after it.
        let last = ending || self.ring.is_abandoned();
        let mut write = || {
            while let Ok(sample) = self.ring.pop() {
                self.wav.write_sample(sample)?;
            }
            if flush { self.wav.flush() } else { Ok(()) }
        };
        let result = match write() {
            Ok(()) if last => self.wav.finalize().map(|()| None),
            Ok(()) => return Some(self),
            Err(error) => Err(error),
        };
        result.unwrap_or_else(|error| {
            tracing::warn!(path = %self.path.display(), %error, "file cannot be written any more");
            None
        })
    }
}
