//! Speech made on the spot, and how clear it is at the other end.

#![allow(dead_code, reason = "every test uses its own part of it")]

use std::path::Path;
use std::process::Command;

use serde::Deserialize;

const SENTENCES: &str = "The birch canoe slid on the smooth planks. Glue the sheet to the dark blue background. \
     It is easy to tell the depth of a well. Four hours of steady work faced us. \
     A large size in stockings is hard to sell. The boy was there when the sun rose.";

/// How clear it is: see tests/tools/score.py.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Score {
    /// How late it was heard, ms.
    pub lag_ms: f64,
    /// 0 to 1.
    pub stoi: f64,
    /// 1 to 4.55.
    pub pesq_nb: f64,
    /// 1 to 4.64; 16 and 48 kHz only.
    #[serde(default)]
    pub pesq_wb: f64,
}

/// Some 18 s of sentences, mono.
pub fn make_speech(rate: u32) -> Vec<i16> {
    speak(rate, "en-us", SENTENCES)
}

/// The same of a text, by a voice of espeak-ng's.
pub fn speak(rate: u32, voice: &str, text: &str) -> Vec<i16> {
    let dir = tempfile::tempdir().unwrap();
    let (raw, made) = (dir.path().join("raw.wav"), dir.path().join("speech.wav"));
    let spoken = Command::new("espeak-ng").args(["-v", voice, "-s", "150", "-w"]).arg(&raw).arg(text).status();
    assert!(spoken.expect("apt-get install espeak-ng").success());
    let mut sox = Command::new("sox");
    sox.arg(&raw)
        .args(["-b", "16", "-c", "1", "-r", &rate.to_string()])
        .arg(&made)
        .args(["gain", "-n", "-6", "pad", "0.3", "0.5"]);
    assert!(sox.status().expect("apt-get install sox").success());
    hound::WavReader::open(made).unwrap().into_samples().map(Result::unwrap).collect()
}

/// Mono, 16 bits.
pub fn write_wav(path: &Path, rate: u32, pcm: &[i16]) {
    let spec =
        hound::WavSpec { channels: 1, sample_rate: rate, bits_per_sample: 16, sample_format: hound::SampleFormat::Int };
    let mut file = hound::WavWriter::create(path, spec).unwrap();
    pcm.iter().for_each(|s| file.write_sample(*s).unwrap());
    file.finalize().unwrap();
}

/// Compares two files of one rate.
pub fn score(reference: &Path, heard: &Path) -> Score {
    scores(reference, &[heard], 0).remove(0)
}

/// Compares files with one, all of one rate; the first `skip` seconds are not judged.
pub fn scores(reference: &Path, heard: &[&Path], skip: u32) -> Vec<Score> {
    if heard.is_empty() {
        return Vec::new();
    }
    let tools = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tools");
    let python = Command::new(format!("{tools}/py.sh")).output().unwrap();
    assert!(python.status.success(), "{}", String::from_utf8_lossy(&python.stderr));
    let python = String::from_utf8(python.stdout).unwrap();
    let mut command = Command::new(python.trim());
    command.arg(format!("{tools}/score.py")).args(["--skip", &skip.to_string()]).arg(reference).args(heard);
    let scored = command.output().unwrap();
    assert!(scored.status.success(), "{}", String::from_utf8_lossy(&scored.stderr));
    scored.stdout.split(|b| *b == b'\n').filter(|l| !l.is_empty()).map(|l| serde_json::from_slice(l).unwrap()).collect()
}
