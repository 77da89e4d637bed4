//! Sound files for calls: WAV or Ogg/Opus, all of a file in memory at each rate that a call can have, so that whoever plays it
//! only copies. One thread loads them; what was loaded last is kept.

use std::fs::File;
use std::io::{BufReader, Read, Seek};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::SystemTime;

use hound::WavReader;
use ogg::PacketReader;

use crate::audio;

/// The longest file, s.
const LONGEST: u32 = 600;
/// Files that are kept, the one used last first.
const KEPT: usize = 8;
/// Files that may wait to be loaded.
const WAITING: usize = 64;
/// The rates of codecs and devices.
const RATES: [u32; 3] = [8_000, 16_000, 48_000];
/// The rate of Opus, and the unit of places in a clip: every other rate divides it.
pub const UNIT: u32 = 48_000;

/// A clip that is there once it is loaded; until then it is silence.
pub type Loading = Arc<OnceLock<Arc<Clip>>>;

/// A file, ready to be played.
#[derive(Debug)]
pub struct Clip {
    rates: [Vec<i16>; 3],
}

impl Clip {
    /// Reads all of a file. Errors: in plain words, what is wrong with it.
    pub fn load(path: &Path) -> Result<Clip, String> {
        let (mono, from) = decode(path, usize::MAX)?;
        let mut rates = [Vec::new(), Vec::new(), Vec::new()];
        for (made, rate) in rates.iter_mut().zip(RATES) {
            *made = audio::convert(mono.clone(), from, rate)?;
        }
        Ok(Clip { rates })
    }

    /// From samples, for tests.
    #[cfg(test)]
    pub fn of(mono: &[i16], from: u32) -> Clip {
        let mono: Vec<f32> = mono.iter().map(|s| f32::from(*s) / 32_768.0).collect();
        Clip { rates: RATES.map(|rate| audio::convert(mono.clone(), from, rate).unwrap()) }
    }

    /// Its samples at a rate of codecs or devices; none at any other.
    pub fn at(&self, rate: u32) -> &[i16] {
        RATES.iter().position(|known| *known == rate).map_or(&[], |at| &self.rates[at])
    }

    /// Its length.
    pub fn duration_ms(&self) -> u64 {
        self.rates[0].len() as u64 / 8
    }
}

/// Whether a file can be played, by its head and its first sound.
pub fn probe(path: &Path) -> Result<(), String> {
    decode(path, 1).map(drop)
}

/// A file as mono, −1 to 1, and its rate; no more than about `most` samples.
fn decode(path: &Path, most: usize) -> Result<(Vec<f32>, u32), String> {
    // opening a pipe would wait for its other end
    let metadata = std::fs::metadata(path).map_err(|e| e.to_string())?;
    if !metadata.is_file() {
        return Err("not a file".into());
    }
    let mut file = File::open(path).map_err(|e| e.to_string())?;
    let mut magic = [0; 4];
    file.read_exact(&mut magic).map_err(|_| "neither WAV nor Ogg/Opus".to_owned())?;
    file.rewind().map_err(|e| e.to_string())?;
    let sound = match &magic {
        b"RIFF" | b"RF64" => {
            let wav = WavReader::new(BufReader::new(file)).map_err(|e| e.to_string())?;
            let rate = wav.spec().sample_rate;
            if rate == 0 || wav.duration() / rate >= LONGEST {
                return Err(too_long());
            }
            audio::wav_samples(wav, most)?
        }
        b"OggS" => (opus(BufReader::new(file), most)?, UNIT),
        _ => return Err("neither WAV nor Ogg/Opus".into()),
    };
    if sound.0.is_empty() { Err("there is no sound in it".into()) } else { Ok(sound) }
}

fn too_long() -> String {
    format!("longer than {LONGEST} s")
}

/// RFC 7845, one stream of mono or stereo.
fn opus(file: BufReader<File>, most: usize) -> Result<Vec<f32>, String> {
    let mut packets = PacketReader::new(file);
    let broken = |e: ogg::OggReadError| format!("broken: {e}");
    let head = packets.read_packet().map_err(broken)?.ok_or("broken: no head")?;
    let fits = head.data.len() >= 19 && head.data.starts_with(b"OpusHead");
    if !fits || head.data[18] != 0 {
        return Err("Ogg, but not Opus in mono or stereo".into());
    }
    let skip = usize::from(u16::from_le_bytes([head.data[10], head.data[11]]));
    packets.read_packet().map_err(broken)?.ok_or("broken: no tags")?;
    // a decoder for mono mixes stereo down
    let mut decoder = opus::Decoder::new(UNIT, opus::Channels::Mono).map_err(|e| e.to_string())?;
    let (mut pcm, mut frame, mut end) = (Vec::new(), vec![0i16; UNIT as usize * 120 / 1_000], None);
    while let Some(packet) = packets.read_packet().map_err(broken)? {
        let got = decoder.decode(&packet.data, &mut frame, false).map_err(|e| format!("broken: {e}"))?;
        pcm.extend(frame[..got].iter().map(|s| f32::from(*s) / 32_768.0));
        if packet.last_in_stream() {
            end = Some(packet.absgp_page() as usize);
        }
        if pcm.len() > (LONGEST * UNIT) as usize {
            return Err(too_long());
        }
        if pcm.len() > most.saturating_add(skip) {
            break;
        }
    }
    pcm.truncate(end.unwrap_or(usize::MAX));
    Ok(pcm.split_off(skip.min(pcm.len())))
}

/// Why a file is not played.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// It lies elsewhere than files for calls may.
    Elsewhere(String),
    /// It cannot be read.
    Broken(String),
}

type Done = Box<dyn FnOnce(Result<Arc<Clip>, Refused>) + Send>;

struct Ask {
    file: String,
    /// Only within the directories of files for calls.
    guarded: bool,
    done: Done,
}

/// The keeper of clips: its thread ends when this is dropped.
pub struct Clips {
    asks: SyncSender<Ask>,
}

impl Clips {
    /// `directories`: where files that users name may lie.
    pub fn start(directories: Vec<PathBuf>) -> Clips {
        let (asks, inbox) = sync_channel(WAITING);
        // a thread that cannot start leaves the channel closed: `get` then says so
        let _ = thread::Builder::new().name("clips".into()).spawn(move || Keeper::new(directories).run(&inbox));
        Clips { asks }
    }

    /// A file of the configuration; `done` is called on the keeper's thread.
    pub fn get(
        &self,
        file: &str,
        done: impl FnOnce(Result<Arc<Clip>, Refused>) + Send + 'static,
    ) -> Result<(), String> {
        self.ask(Ask { file: file.into(), guarded: false, done: Box::new(done) })
    }

    /// A file that a user names: below one of the directories, wherever links lead.
    pub fn get_guarded(
        &self,
        file: &str,
        done: impl FnOnce(Result<Arc<Clip>, Refused>) + Send + 'static,
    ) -> Result<(), String> {
        self.ask(Ask { file: file.into(), guarded: true, done: Box::new(done) })
    }

    fn ask(&self, ask: Ask) -> Result<(), String> {
        self.asks.try_send(ask).map_err(|_| "too many sound files at once".to_owned())
    }
}

struct Keeper {
    directories: Vec<PathBuf>,
    kept: Vec<Kept>,
}

/// A clip, and how its file was when it was read.
struct Kept {
    path: PathBuf,
    changed: Option<SystemTime>,
    bytes: u64,
    clip: Arc<Clip>,
}

impl Keeper {
    fn new(directories: Vec<PathBuf>) -> Keeper {
        Keeper { directories, kept: Vec::new() }
    }

    fn run(mut self, asks: &Receiver<Ask>) {
        for ask in asks {
            let found = match ask.guarded {
                true => find(&self.directories, &ask.file),
                false => Ok(PathBuf::from(&ask.file)),
            };
            (ask.done)(found.and_then(|path| self.load(&path).map_err(Refused::Broken)));
        }
    }

    fn load(&mut self, path: &Path) -> Result<Arc<Clip>, String> {
        let failed = |why: String| format!("{}: {why}", path.display());
        let metadata = std::fs::metadata(path).map_err(|e| failed(e.to_string()))?;
        let (changed, bytes) = (metadata.modified().ok(), metadata.len());
        let same = |kept: &Kept| kept.path == path && (kept.changed, kept.bytes) == (changed, bytes);
        let kept = match self.kept.iter().position(same) {
            Some(at) => self.kept.remove(at),
            None => {
                let clip = Arc::new(Clip::load(path).map_err(failed)?);
                Kept { path: path.to_owned(), changed, bytes, clip }
            }
        };
        let clip = kept.clip.clone();
        self.kept.retain(|other| other.path != path);
        self.kept.insert(0, kept);
        self.kept.truncate(KEPT);
        Ok(clip)
    }
}

/// The file of that name below one of the directories. Links are followed before it is asked where it lies.
fn find(directories: &[PathBuf], file: &str) -> Result<PathBuf, Refused> {
    if directories.is_empty() {
        return Err(Refused::Elsewhere("no directory holds files for calls: [audio] play_dirs".into()));
    }
    for directory in directories {
        let Ok(directory) = directory.canonicalize() else { continue };
        // a name that begins with a slash stands for itself
        if let Ok(path) = directory.join(file).canonicalize()
            && path.starts_with(&directory)
        {
            return Ok(path);
        }
    }
    Err(Refused::Elsewhere(format!("{file:?} is no file below a directory of [audio] play_dirs")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wav(path: &Path, rate: u32, channels: u16, samples: impl Iterator<Item = i16>) {
        let spec = hound::WavSpec {
            channels,
            sample_rate: rate,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut file = hound::WavWriter::create(path, spec).unwrap();
        samples.for_each(|s| file.write_sample(s).unwrap());
        file.finalize().unwrap();
    }

    #[test]
    fn a_file_is_there_at_every_rate() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tone.wav");
        let step = 440.0 * std::f64::consts::TAU / 44_100.0;
        let both = (0..44_100).flat_map(|n| {
            let s = ((f64::from(n) * step).sin() * 10_000.0) as i16;
            [s, s]
        });
        wav(&path, 44_100, 2, both);
        probe(&path).unwrap();
        let clip = Clip::load(&path).unwrap();
        for rate in RATES {
            let pcm = clip.at(rate);
            assert!((pcm.len() as i64 - i64::from(rate)).abs() < i64::from(rate) / 100, "{rate}: {}", pcm.len());
            let peak = pcm.iter().map(|s| s.unsigned_abs()).max().unwrap();
            assert!((9_500..10_600).contains(&peak), "{rate}: {peak}");
        }
        assert!(clip.at(11_025).is_empty() && (990..1_010).contains(&clip.duration_ms()));
    }

    /// A second of a tone in stereo, as an encoder with a look-ahead of 312 writes it.
    fn ogg(path: &Path, hz: f64) {
        use ogg::PacketWriteEndInfo::{EndPage, EndStream, NormalPacket};
        let mut packets = ogg::PacketWriter::new(File::create(path).unwrap());
        let mut head = b"OpusHead\x01\x02".to_vec();
        head.extend(312u16.to_le_bytes());
        head.extend(UNIT.to_le_bytes());
        head.extend([0, 0, 0]);
        packets.write_packet(head, 7, EndPage, 0).unwrap();
        packets.write_packet(b"OpusTags\0\0\0\0\0\0\0\0".to_vec(), 7, EndPage, 0).unwrap();
        let mut encoder = opus::Encoder::new(UNIT, opus::Channels::Stereo, opus::Application::Audio).unwrap();
        for n in 0..51u64 {
            let wave = |at: u64| ((at as f64 * hz * std::f64::consts::TAU / 48_000.0).sin() * 10_000.0) as i16;
            let pcm: Vec<i16> = (n * 960..(n + 1) * 960).flat_map(|at| [wave(at); 2]).collect();
            let mut packet = vec![0; 1_500];
            let length = encoder.encode(&pcm, &mut packet).unwrap();
            packet.truncate(length);
            let (end, granule) = if n == 50 { (EndStream, 48_312) } else { (NormalPacket, (n + 1) * 960) };
            packets.write_packet(packet, 7, end, granule).unwrap();
        }
    }

    #[test]
    fn opus_is_as_long_as_it_says() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tone.ogg");
        ogg(&path, 440.0);
        probe(&path).unwrap();
        let clip = Clip::load(&path).unwrap();
        assert_eq!((clip.at(48_000).len(), clip.duration_ms()), (48_000, 1_000));
        let middle = &clip.at(48_000)[12_000..36_000];
        let crossings = middle.windows(2).filter(|pair| pair[0] < 0 && pair[1] >= 0).count();
        assert!((219..=221).contains(&crossings), "{crossings} periods in half a second");
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
        assert!(Clip::load(&path).unwrap_err().contains("broken") && probe(&path).is_err(), "cut off within a page");
        let vorbis: Vec<u8> = String::from_utf8_lossy(&bytes).replace("OpusHead", "vorbisHd").into_bytes();
        std::fs::write(&path, vorbis).unwrap();
        assert!(probe(&path).is_err());
    }

    #[test]
    fn what_is_broken_is_said() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        for (bytes, why) in [
            (&b"no sound at all"[..], "neither WAV"),
            (b"RIFF\x04\0\0\0WAVE", ""),
            (b"OggS", "broken"),
            (b"", "neither WAV"),
        ] {
            std::fs::write(&path, bytes).unwrap();
            let said = probe(&path).unwrap_err();
            assert!(said.contains(why), "{said}");
        }
        wav(&path, 8_000, 1, std::iter::empty());
        assert!(probe(&path).is_err() && probe(dir.path()).is_err() && probe(&dir.path().join("none")).is_err());
    }

    #[test]
    fn no_name_leads_out_of_the_directories() {
        let dir = tempfile::tempdir().unwrap();
        let (inside, outside) = (dir.path().join("calls"), dir.path().join("secret.wav"));
        std::fs::create_dir(&inside).unwrap();
        std::fs::write(&outside, "x").unwrap();
        std::fs::write(inside.join("hello.wav"), "x").unwrap();
        std::os::unix::fs::symlink(&outside, inside.join("link.wav")).unwrap();
        let dirs = [inside.clone()];
        let whole = inside.join("hello.wav").to_string_lossy().into_owned();
        assert_eq!(find(&dirs, "hello.wav").unwrap(), find(&dirs, &whole).unwrap());
        let outside = outside.to_string_lossy().into_owned();
        for name in ["../secret.wav", "link.wav", &outside, "none.wav", "/etc/passwd", "calls/../../secret.wav"] {
            assert!(matches!(find(&dirs, name), Err(Refused::Elsewhere(_))), "{name}");
        }
        assert!(matches!(find(&[], "hello.wav"), Err(Refused::Elsewhere(_))));
    }
}
