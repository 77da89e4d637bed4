//! `null`, `tone:HZ` and `file:PATH` need no sound card: silence, a sine of the asked frequency and level, and WAV
//! files that are played at any asked rate and can be read while they are written.

#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "a test may read the clock and panic")]

use std::path::Path;
use std::time::{Duration, Instant};

use phoned::audio::{Config, Devices, HostChoice, Sink, Source};

fn devices() -> Devices {
    Devices::start(Config { host: HostChoice::None, ..Config::default() }, tokio::sync::mpsc::channel(4).0)
}

fn read(source: &mut Source, samples: usize) -> Vec<i16> {
    let mut pcm = vec![1; samples];
    pcm.chunks_mut(source.rate() as usize / 50).for_each(|frame| source.read(frame));
    pcm
}

/// Power of one frequency, dBFS of a sine's peak.
fn level(pcm: &[i16], rate: u32, hz: f64) -> f64 {
    let w = std::f64::consts::TAU * hz / f64::from(rate);
    let (re, im) = pcm.iter().enumerate().fold((0.0, 0.0), |(re, im), (i, s)| {
        let (s, a) = (f64::from(*s) / 32768.0, w * i as f64);
        (re + s * a.cos(), im + s * a.sin())
    });
    20.0 * (2.0 * f64::hypot(re, im) / pcm.len() as f64).max(1e-9).log10()
}

fn wav(path: &Path, rate: u32, pcm: &[i16]) {
    let spec =
        hound::WavSpec { channels: 2, sample_rate: rate, bits_per_sample: 16, sample_format: hound::SampleFormat::Int };
    let mut file = hound::WavWriter::create(path, spec).unwrap();
    for s in pcm {
        file.write_sample(*s).unwrap();
        file.write_sample(*s).unwrap();
    }
    file.finalize().unwrap();
}

/// Reads frames until the first that is not silent, which is part of the answer.
fn read_when_loaded(source: &mut Source, samples: usize) -> Vec<i16> {
    let end = Instant::now() + Duration::from_secs(10);
    let mut first = vec![0; 4];
    while first.iter().all(|s| *s == 0) && Instant::now() < end {
        source.read(&mut first);
        std::thread::yield_now();
    }
    let mut rest = vec![0; samples];
    source.read(&mut rest);
    first.extend(rest);
    first
}

fn written(path: &Path, at_least: u32) -> Vec<i16> {
    let end = Instant::now() + Duration::from_secs(10);
    loop {
        let file = hound::WavReader::open(path).unwrap();
        if file.len() >= at_least {
            return file.into_samples().map(Result::unwrap).collect();
        }
        assert!(Instant::now() < end, "only {} samples are readable", file.len());
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn null_is_silence() {
    let mut source = devices().source("null", 16_000).unwrap();
    assert!(source.is_null() && source.rate() == 16_000);
    assert!(read(&mut source, 960).iter().all(|s| *s == 0));
    let mut sink = devices().sink("null", 8_000).unwrap();
    assert!(sink.is_null() && sink.rate() == 8_000);
    sink.write(&[1; 160]);
}

#[test]
fn a_tone_has_its_frequency_and_level() {
    for (rate, hz) in [(8_000, 440.0), (16_000, 1_000.5), (48_000, 3_400.0)] {
        let mut source = devices().source(&format!("tone:{hz}"), rate).unwrap();
        let pcm = read(&mut source, rate as usize * 2);
        let tone = level(&pcm, rate, hz);
        assert!((tone + 12.0).abs() < 0.1, "{hz} Hz at {rate}: {tone} dBFS");
        assert!(level(&pcm, rate, hz * 1.1) < -40.0);
    }
}

#[test]
fn a_file_is_converted_and_plays_once() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tone.wav");
    let hz = 1_000.0;
    let second: Vec<i16> =
        (0..44_100).map(|i| ((std::f64::consts::TAU * hz * f64::from(i) / 44_100.0).sin() * 8231.0) as i16).collect();
    wav(&path, 44_100, &second);
    let devices = devices();
    for rate in [8_000u32, 48_000] {
        let mut source = devices.source(&format!("file:{}", path.display()), rate).unwrap();
        let pcm = read_when_loaded(&mut source, 2 * rate as usize);
        let tone = level(&pcm[..rate as usize * 9 / 10], rate, hz);
        assert!((tone + 12.0).abs() < 0.2, "{tone} dBFS at {rate}");
        assert!(pcm[rate as usize + 100..].iter().all(|s| *s == 0), "plays once");
    }
    let mut source = devices.source(&format!("file:{}?loop", path.display()), 8_000).unwrap();
    let pcm = read_when_loaded(&mut source, 24_000);
    assert!((level(&pcm[16_000..], 8_000, hz) + 12.0).abs() < 0.2, "loops");
}

#[test]
fn a_written_file_is_readable_at_any_time() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("out.wav");
    let devices = devices();
    let mut sink: Sink = devices.sink(&format!("file:{}", path.display()), 16_000).unwrap();
    assert!(written(&path, 0).is_empty(), "readable from the start");
    let ramp: Vec<i16> = (0..8_000).collect();
    sink.write(&ramp);
    assert_eq!(written(&path, 8_000), ramp, "readable while open");
    sink.write(&[-7; 4]);
    drop(sink);
    assert_eq!(written(&path, 8_004)[8_000..], [-7; 4]);

    let mut sink = devices.sink(&format!("file:{}", path.display()), 8_000).unwrap();
    sink.write(&[5; 80]);
    drop(sink);
    drop(devices);
    assert_eq!(written(&path, 0), [5; 80], "a later call replaces it, and the end of the phone finishes it");
}

#[test]
fn what_cannot_be_is_refused() {
    let devices = devices();
    for id in
        ["", "speaker", "tone:", "tone:0", "tone:5000", "tone:NaN", "file:", "file:/nowhere/x.wav", "file:/dev/null"]
    {
        assert!(devices.source(id, 8_000).is_err(), "source {id:?}");
    }
    for id in ["tone:400", "file:/nowhere/x.wav", "file:/dev/null", "pulse:"] {
        assert!(devices.sink(id, 8_000).is_err(), "sink {id:?}");
    }
    assert!(devices.source("tone:400", 0).is_err());
}
