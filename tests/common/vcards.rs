//! Virtual sound cards around a test, and the sound that goes in and comes out of them.
//!
//! A sound client reads its server's address from the environment, which a test cannot change for itself: the test
//! starts the cards, then runs itself again as a child that has the address.

#![allow(dead_code, reason = "every test uses its own part of it")]

use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use phoned::audio::{Sink, Source};

/// Rate of the cards.
pub const RATE: u32 = 48_000;
/// Where the child finds the cards.
const PLACE: &str = "PHONED_TEST_CARDS";
/// A child that takes longer hangs.
const LIMIT: Duration = Duration::from_secs(120);

/// A sound server with cards.
pub struct Cards {
    dir: PathBuf,
    env: OnceLock<Vec<(String, String)>>,
}

/// Runs `body` in a child process whose sound server has `n` cards. `test` is the test's own name.
pub fn with_cards(n: usize, test: &str, body: impl FnOnce(&Cards)) {
    if let Ok(dir) = std::env::var(PLACE) {
        return body(&Cards { dir: dir.into(), env: OnceLock::new() });
    }
    beside_cards(n, |cards| {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", test, "--nocapture", "--test-threads=1"])
            .envs(cards.env())
            .env(PLACE, &cards.dir)
            .spawn()
            .unwrap();
        assert!(wait(child, LIMIT), "{test} failed, see above");
    });
}

/// Runs `body` with `n` cards for processes that it starts itself with `Cards::env`.
pub fn beside_cards(n: usize, body: impl FnOnce(&Cards)) {
    // One at a time, over all test programs: each wants the processor to itself.
    let turn = std::fs::File::create(concat!(env!("CARGO_TARGET_TMPDIR"), "/vcards.lock")).unwrap();
    turn.lock().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let cards = Cards { dir: dir.path().to_owned(), env: OnceLock::new() };
    let _stop = Stop(&cards);
    cards.start(n);
    body(&cards);
}

struct Stop<'a>(&'a Cards);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        if self.0.dir.join("server.pid").exists() {
            self.0.stop();
        }
    }
}

fn wait(mut child: Child, limit: Duration) -> bool {
    let end = Instant::now() + limit;
    while Instant::now() < end {
        if let Some(status) = child.try_wait().unwrap() {
            return status.success();
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    eprintln!("still running after {limit:?}");
    false
}

impl Cards {
    fn script(&self, action: &str, rest: &[&str]) -> String {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tools/vcards.sh");
        let output = Command::new(script).arg(action).arg(&self.dir).args(rest).output().unwrap();
        assert!(output.status.success(), "vcards.sh {action}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Starts the server.
    pub fn start(&self, n: usize) {
        self.script("start", &[&n.to_string()]);
    }

    /// Kills the server.
    pub fn stop(&self) {
        self.script("stop", &[]);
    }

    /// What a client needs in its environment.
    pub fn env(&self) -> Vec<(String, String)> {
        let ask = || {
            let lines = self.script("env", &[]);
            lines.lines().map(|line| line.split_once('=').unwrap()).map(|(k, v)| (k.into(), v.into())).collect()
        };
        self.env.get_or_init(ask).clone()
    }

    /// Takes `spkI` or `micI` away.
    pub fn unplug(&self, name: &str) {
        self.script("unplug", &[name]);
    }

    /// Brings it back.
    pub fn plug(&self, name: &str) {
        self.script("plug", &[name]);
    }

    /// Asks the server.
    pub fn pactl(&self, arguments: &[&str]) -> String {
        let output = Command::new("pactl").args(arguments).envs(self.env()).output().unwrap();
        assert!(output.status.success(), "pactl {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Sends a signal (`STOP`, `CONT`) to the server.
    pub fn signal(&self, signal: &str) {
        let pid = std::fs::read_to_string(self.dir.join("server.pid")).unwrap();
        assert!(Command::new("kill").args([&format!("-{signal}"), pid.trim()]).status().unwrap().success());
    }

    /// Plays `pcm` into a microphone (`micI`) until it is dropped or done.
    pub fn say(&self, microphone: &str, pcm: Vec<i16>) -> Playing {
        let mut child = self.client("pacat", "--playback", &format!("{microphone}_in"), Stdio::piped(), Stdio::null());
        let mut pipe = child.stdin.take().unwrap();
        let bytes: Vec<u8> = pcm.iter().flat_map(|s| s.to_le_bytes()).collect();
        // The player going away first is no failure.
        std::thread::spawn(move || drop(pipe.write_all(&bytes)));
        Playing(child)
    }

    /// Records what a loudspeaker (`spkI`) plays for so long.
    pub fn hear(&self, speaker: &str, length: Duration) -> Vec<i16> {
        self.record(speaker).take(length)
    }

    /// Starts to record what a loudspeaker plays.
    pub fn record(&self, speaker: &str) -> Recording {
        Recording(self.client("parec", "--record", &format!("{speaker}.monitor"), Stdio::null(), Stdio::piped()))
    }

    /// Hears what a loudspeaker plays from now on, while the test does something else.
    pub fn listen(&self, speaker: &str) -> Listening {
        let mut client = self.client("parec", "--record", &format!("{speaker}.monitor"), Stdio::null(), Stdio::piped());
        let (mut pipe, heard) = (client.stdout.take().unwrap(), Arc::default());
        let into: Heard = Arc::clone(&heard);
        std::thread::spawn(move || {
            let mut bytes = [0; 960];
            while pipe.read_exact(&mut bytes).is_ok() {
                let (began, heard) = &mut *into.lock().unwrap();
                heard.extend(bytes.chunks_exact(2).map(|b| i16::from_le_bytes([b[0], b[1]])));
                // The reading that was least late tells when the first sample was there.
                let first = Instant::now() - duration(heard.len());
                *began = Some(began.map_or(first, |began| began.min(first)));
            }
        });
        Listening { heard, client }
    }

    fn client(&self, program: &str, mode: &str, device: &str, input: Stdio, output: Stdio) -> Child {
        Command::new(program)
            .args([mode, "--raw", "--format=s16le", "--channels=1", "--latency-msec=20", "--rate=48000"])
            .arg(format!("--device={device}"))
            .envs(self.env())
            .stdin(input)
            .stdout(output)
            .spawn()
            .unwrap()
    }
}

/// A player; silent when dropped.
pub struct Playing(Child);

impl Drop for Playing {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A recording under way.
pub struct Recording(Child);

impl Recording {
    /// The next samples, for so long.
    pub fn take(&mut self, length: Duration) -> Vec<i16> {
        let mut bytes = vec![0; (length.as_secs_f64() * f64::from(RATE)) as usize * 2];
        self.0.stdout.as_mut().unwrap().read_exact(&mut bytes).unwrap();
        bytes.chunks_exact(2).map(|b| i16::from_le_bytes([b[0], b[1]])).collect()
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// When the first sample was there, and all of them.
type Heard = Arc<Mutex<(Option<Instant>, Vec<i16>)>>;

/// An ear at a loudspeaker.
pub struct Listening {
    heard: Heard,
    client: Child,
}

impl Listening {
    /// Samples so far.
    pub fn len(&self) -> usize {
        self.heard.lock().unwrap().1.len()
    }

    /// What was heard from that sample on.
    pub fn since(&self, at: usize) -> Vec<i16> {
        self.heard.lock().unwrap().1[at..].to_vec()
    }

    /// When that sample was heard.
    pub fn time_of(&self, sample: usize) -> Instant {
        self.heard.lock().unwrap().0.unwrap() + duration(sample)
    }
}

impl Listening {
    /// When that tone is heard, in windows of 2 ms.
    pub fn hears(&self, hz: f64) -> Vec<Instant> {
        let window = RATE as usize / 500;
        let all = self.since(0);
        let loud = all.chunks_exact(window).enumerate().filter(|(_, part)| level(part, RATE, hz) > -30.0);
        loud.map(|(i, _)| self.time_of(i * window)).collect()
    }

    /// When it begins, after 200 ms without it or more.
    fn begins(&self, hz: f64) -> Vec<Instant> {
        let all = self.hears(hz);
        all.windows(2).filter(|two| two[1] > two[0] + Duration::from_millis(200)).map(|two| two[1]).collect()
    }
}

/// From each begin of a tone at one place to its next one at another; it comes each 500 ms.
pub fn delays(mouth: &Listening, ear: &Listening, hz: f64) -> Vec<Duration> {
    let heard = ear.begins(hz);
    let delay = |said: Instant| Some(*heard.iter().find(|heard| **heard > said)? - said);
    mouth.begins(hz).into_iter().filter_map(delay).filter(|delay| *delay < Duration::from_millis(490)).collect()
}

impl Drop for Listening {
    fn drop(&mut self) {
        let _ = self.client.kill();
        let _ = self.client.wait();
    }
}

fn duration(samples: usize) -> Duration {
    Duration::from_secs_f64(samples as f64 / f64::from(RATE))
}

/// A sine of −12 dBFS.
pub fn sine(hz: f64, seconds: f64) -> Vec<i16> {
    let n = (seconds * f64::from(RATE)) as usize;
    let w = std::f64::consts::TAU * hz / f64::from(RATE);
    (0..n).map(|i| ((w * i as f64).sin() * 8231.0) as i16).collect()
}

/// Level of one frequency (Goertzel), dBFS of a sine's peak. Of more than 100 ms: the mean of windows of 50 ms, to which a clock
/// that is a little off, and a jump of phase here and there, are the same tone.
pub fn level(pcm: &[i16], rate: u32, hz: f64) -> f64 {
    let window = rate as usize / 20;
    let power = if pcm.len() <= 2 * window {
        power(pcm.iter().map(|s| f64::from(*s)), rate, hz) / pcm.len().max(1).pow(2) as f64
    } else {
        // Hann's: what is far from it does not leak into it.
        let shape = |(n, s): (usize, &i16)| {
            f64::from(*s) * (1.0 - (std::f64::consts::TAU * n as f64 / window as f64).cos()) / window as f64
        };
        let parts = pcm.chunks_exact(window).map(|part| power(part.iter().enumerate().map(shape), rate, hz));
        parts.sum::<f64>() / (pcm.len() / window) as f64
    };
    10.0 * (4.0 * power.max(0.0) / 32_768.0 / 32_768.0).max(1e-18).log10()
}

fn power(pcm: impl Iterator<Item = f64>, rate: u32, hz: f64) -> f64 {
    let factor = 2.0 * (std::f64::consts::TAU * hz / f64::from(rate)).cos();
    let (a, b) = pcm.fold((0.0, 0.0), |(a, b), s| (s + factor * a - b, a));
    a * a + b * b - factor * a * b
}

/// The median level of one frequency over windows of 50 ms: a late thread's gap here and there does not count.
pub fn steady_level(pcm: &[i16], hz: f64) -> f64 {
    let mut levels: Vec<f64> = pcm.chunks_exact(RATE as usize / 20).map(|part| level(part, RATE, hz)).collect();
    levels.sort_by(f64::total_cmp);
    levels[levels.len() / 2]
}

/// How long it is not silent, counted in windows of 5 ms.
pub fn loud(pcm: &[i16]) -> Duration {
    let windows = pcm.chunks(RATE as usize / 200).filter(|part| part.iter().any(|s| s.unsigned_abs() > 300)).count();
    Duration::from_millis(5) * windows as u32
}

/// Writes a tone to each sink and reads each source for so long, 20 ms a turn, as the media engine does.
pub fn run(seconds: f64, sinks: &mut [(Sink, f64)], sources: &mut [(Source, Vec<i16>)]) {
    let start = Instant::now();
    for turn in 0..(seconds * 50.0) as u32 {
        for (sink, hz) in sinks.iter_mut() {
            let w = std::f64::consts::TAU * *hz / f64::from(RATE);
            let frame: Vec<i16> =
                (turn * 960..).take(960).map(|i| ((w * f64::from(i)).sin() * 8231.0) as i16).collect();
            sink.write(&frame);
        }
        for (source, heard) in sources.iter_mut() {
            let at = heard.len();
            heard.resize(at + 960, 0);
            source.read(&mut heard[at..]);
        }
        std::thread::sleep((start + Duration::from_millis(20) * (turn + 1)).saturating_duration_since(Instant::now()));
    }
}
