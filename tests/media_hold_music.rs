//! A held party hears the file, round and round, from its beginning, with every codec; never the microphone, never the others of a
//! conference. A file that cannot be played is silence, and told; the call goes on.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test")]

mod media_support;

use std::path::{Path, PathBuf};

use media_support::{Peer, Phone, amplitude, heard, negotiated, peak, undisturbed};
use phoned::sdp::{CodecKind, Direction};
use phoned::ua::media::{MediaCommand, MediaEvent};

const MICROPHONE: f64 = 440.0;
const MUSIC: f64 = 1_000.0;
const RATE: u32 = 22_050;

/// A second and a half of a tone, and half a second of silence.
fn music(dir: &Path) -> PathBuf {
    let path = dir.join("hold.wav");
    let spec =
        hound::WavSpec { channels: 2, sample_rate: RATE, bits_per_sample: 16, sample_format: hound::SampleFormat::Int };
    let mut wav = hound::WavWriter::create(&path, spec).unwrap();
    for n in 0..2 * RATE {
        let at = f64::from(n) * MUSIC * std::f64::consts::TAU / f64::from(RATE);
        let sample = if n < RATE * 3 / 2 { (at.sin() * 10_000.0) as i16 } else { 0 };
        [sample; 2].into_iter().for_each(|s| wav.write_sample(s).unwrap());
    }
    wav.finalize().unwrap();
    path
}

/// Windows of 100 ms: 'm' music, 'v' the microphone, '.' silence, '?' anything else.
fn story(pcm: &[i16], rate: u32) -> String {
    let word = |window: &[i16]| {
        let (music, voice) = (amplitude(window, rate, MUSIC), amplitude(window, rate, MICROPHONE));
        match (music > 5_000.0, voice > 3_000.0) {
            (true, false) if voice < 300.0 => 'm',
            (false, true) if music < 300.0 => 'v',
            _ if peak(window) < 200 => '.',
            _ => '?',
        }
    };
    pcm.chunks_exact(rate as usize / 10).map(word).collect()
}

fn holds_with_music(kind: CodecKind) {
    let dir = tempfile::tempdir().unwrap();
    let (file, out) = (music(dir.path()), dir.path().join("heard.wav"));
    let mut phone = Phone::new();
    phone.pair(kind, ["tone:440", "tone:700"], ["null", &format!("file:{}", out.display())]);
    phone.pass(1.0);
    phone.tell(1, MediaCommand::Gate(Direction::Inactive));
    phone.pass(0.3);
    phone.tell(1, MediaCommand::HoldMusic(file.to_string_lossy().into()));
    phone.pass(2.5);
    // a refresh of the hold does not begin anew
    phone.tell(1, MediaCommand::HoldMusic(file.to_string_lossy().into()));
    phone.pass(2.5);
    phone.tell(1, MediaCommand::Gate(Direction::SendRecv));
    phone.pass(1.0);
    let (pcm, rate) = heard(&out);
    let told = story(&pcm, rate);
    let held = told.find('m').unwrap_or_else(|| panic!("{told}"));
    let (before, during) = told.split_at(held);
    assert!(before.contains("vvvv") && !before.contains('m'), "{told}");
    let resumed = during.find('v').unwrap_or_else(|| panic!("{told}"));
    let (during, after) = during.split_at(resumed);
    // bursts of 15 windows with 5 of silence between, give or take the edges
    let bursts: Vec<usize> = during.split(['.', '?']).map(str::len).filter(|n| *n > 3).collect();
    assert!(bursts.len() >= 2 && bursts[..2].iter().all(|n| (13..=16).contains(n)), "{told}");
    assert!(after.contains("vvv") && !after.contains('m'), "{told}");
}

#[test]
fn it_is_heard_with_g711() {
    undisturbed(|| holds_with_music(CodecKind::Pcmu));
}

#[test]
fn it_is_heard_with_opus() {
    undisturbed(|| holds_with_music(CodecKind::Opus));
}

#[test]
fn a_file_that_is_not_there_is_silence_and_told() {
    let (mut phone, peer) = (Phone::new(), Peer::new(1));
    phone.open(1, "tone:440", "null");
    phone.tell(1, MediaCommand::Remote(negotiated(peer.addr(), CodecKind::Pcmu)));
    peer.recv().unwrap();
    phone.tell(1, MediaCommand::HoldMusic("/nowhere/at/all.wav".into()));
    let told = phone.wait(1, 10.0, |e| matches!(e, MediaEvent::Failed(why) if why.contains("hold music")));
    assert!(told.is_some(), "{:?}", phone.past);
    phone.pass(0.3);
    peer.flush();
    let (_, payload) = peer.recv().expect("packets go on");
    assert!(payload.iter().all(|byte| *byte >= 0xfe || *byte & 0x7f >= 0x7e), "not the microphone: {payload:?}");
    phone.tell(1, MediaCommand::Gate(Direction::SendRecv));
    let loud = |payload: &[u8]| payload.iter().any(|byte| *byte & 0x7f < 0x50);
    let again = (0..500).any(|_| peer.recv().is_some_and(|(_, payload)| loud(&payload)));
    assert!(again, "the microphone again");
}

#[test]
fn nobody_of_a_conference_is_heard_by_who_is_held() {
    undisturbed(nobody_of_a_conference);
}

fn nobody_of_a_conference() {
    let dir = tempfile::tempdir().unwrap();
    let (file, out) = (music(dir.path()), dir.path().join("heard.wav"));
    let mut phone = Phone::new();
    // 1 and 2 are the agent's, 11 and 12 the far ends
    let far = [(11, "tone:700", format!("file:{}", out.display())), (12, "tone:1700", "null".to_owned())];
    for (n, tone, output) in &far {
        let near = phone.open(n - 10, "tone:440", "null");
        let there = phone.open(*n, tone, output);
        phone.tell(n - 10, MediaCommand::Remote(negotiated(there.rtp, CodecKind::Pcmu)));
        phone.tell(*n, MediaCommand::Remote(negotiated(near.rtp, CodecKind::Pcmu)));
    }
    [1, 2].into_iter().for_each(|n| phone.tell(n, MediaCommand::Conference(Some(7))));
    phone.pass(1.0);
    let all = heard(&out).0.len();
    assert!(all > 2_000);
    phone.tell(1, MediaCommand::HoldMusic(file.to_string_lossy().into()));
    phone.pass(3.0);
    let (pcm, rate) = heard(&out);
    let held = &pcm[pcm.len() - rate as usize * 3 / 2..];
    assert!(amplitude(held, rate, MUSIC) > 4_000.0, "music");
    for hz in [440.0, 1_700.0] {
        assert!(amplitude(held, rate, hz) < 60.0, "{hz} Hz is heard on hold: {}", amplitude(held, rate, hz));
    }
}
