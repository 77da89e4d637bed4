//! Announcements into a call: heard by whom they are for and by nobody else, beside whoever speaks; told when they begin and when
//! they end; and only files that may be played.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test")]

mod media_support;

use std::path::Path;

use media_support::{Phone, amplitude, heard, undisturbed};
use phoned::media::MediaConfig;
use phoned::sdp::CodecKind;
use phoned::ua::command::PlayTo;
use phoned::ua::media::{MediaCommand, MediaEvent, PlayEvent};

/// The agent's tone, the customer's, and the announcement's.
const AGENT: f64 = 440.0;
const CUSTOMER: f64 = 700.0;
const FILE: f64 = 1_500.0;

/// So many seconds of the announcement's tone.
fn tone(path: &Path, seconds: f64) {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: 44_100,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut wav = hound::WavWriter::create(path, spec).unwrap();
    for n in 0..(44_100.0 * seconds) as u32 {
        let at = f64::from(n) * FILE * std::f64::consts::TAU / 44_100.0;
        wav.write_sample((at.sin() * 8_000.0) as i16).unwrap();
    }
    wav.finalize().unwrap();
}

struct Call {
    phone: Phone,
    dir: tempfile::TempDir,
}

impl Call {
    /// Session 1 is the agent's, session 2 the customer's.
    fn new(kind: CodecKind) -> Call {
        let dir = tempfile::tempdir().unwrap();
        tone(&dir.path().join("hello.wav"), 1.5);
        let play_dirs = vec![dir.path().to_owned()];
        let phone = Phone::with(MediaConfig { play_dirs, ..MediaConfig::default() });
        let file = |name: &str| format!("file:{}/{name}.wav", dir.path().display());
        phone.pair(kind, ["tone:440", "tone:700"], [&file("agent"), &file("customer")]);
        Call { phone, dir }
    }

    fn play(&self, id: u64, file: &str, to: PlayTo, again: bool) {
        self.phone.tell(1, MediaCommand::Play { id, file: file.into(), to, again });
    }

    fn told(&mut self, id: u64, seconds: f64, wanted: impl Fn(&PlayEvent) -> bool) -> PlayEvent {
        let event = self.phone.wait(1, seconds, |e| matches!(e, MediaEvent::Play(play, e) if *play == id && wanted(e)));
        match event {
            Some(MediaEvent::Play(_, event)) => event,
            other => panic!("{other:?}: {:?}", self.phone.past),
        }
    }

    /// What was played in the last `seconds`, by tone: agent's, customer's, announcement's.
    fn last(&self, name: &str, seconds: f64) -> [f64; 3] {
        let (pcm, rate) = heard(&self.dir.path().join(format!("{name}.wav")));
        let from = pcm.len().saturating_sub((seconds * f64::from(rate)) as usize);
        [AGENT, CUSTOMER, FILE].map(|hz| amplitude(&pcm[from..], rate, hz))
    }
}

const THERE: std::ops::Range<f64> = 4_500.0..10_000.0;
const NOT_THERE: std::ops::Range<f64> = 0.0..120.0;

#[track_caller]
fn hears(levels: [f64; 3], wanted: [bool; 3]) {
    for (level, wanted) in levels.into_iter().zip(wanted) {
        let range = if wanted { THERE } else { NOT_THERE };
        assert!(range.contains(&level), "{levels:.0?}, wanted {wanted:?}");
    }
}

#[test]
fn each_hears_what_is_for_him() {
    undisturbed(each_hears);
}

fn each_hears() {
    for kind in [CodecKind::Pcmu, CodecKind::Opus] {
        let mut call = Call::new(kind);
        call.phone.pass(1.0);
        for (id, to, agent, customer) in
            [(1, PlayTo::Remote, false, true), (2, PlayTo::Local, true, false), (3, PlayTo::Both, true, true)]
        {
            call.play(id, "hello.wav", to, false);
            let begun = call.told(id, 10.0, |e| matches!(e, PlayEvent::Started { .. }));
            assert!(matches!(begun, PlayEvent::Started { duration_ms: 1_490..=1_510 }), "{begun:?}");
            call.phone.pass(1.2);
            hears(call.last("agent", 0.3), [false, true, agent]);
            hears(call.last("customer", 0.3), [true, false, customer]);
            call.told(id, 10.0, |e| *e == PlayEvent::Ended);
            call.phone.pass(1.0);
            hears(call.last("agent", 0.3), [false, true, false]);
            hears(call.last("customer", 0.3), [true, false, false]);
        }
    }
}

#[test]
fn again_and_again_until_it_is_stopped() {
    undisturbed(again_and_again);
}

fn again_and_again() {
    let mut call = Call::new(CodecKind::Pcmu);
    call.play(1, "hello.wav", PlayTo::Remote, true);
    call.told(1, 10.0, |e| matches!(e, PlayEvent::Started { .. }));
    call.phone.pass(4.0);
    hears(call.last("customer", 2.0), [true, false, true]);
    call.phone.tell(1, MediaCommand::StopPlay);
    call.phone.pass(1.2);
    hears(call.last("customer", 0.3), [true, false, false]);
    assert!(!call.phone.past.iter().any(|(_, e)| *e == MediaEvent::Play(1, PlayEvent::Ended)), "who stops it knows");
}

#[test]
fn only_what_may_be_played_is() {
    undisturbed(only_what_may_be_played);
}

fn only_what_may_be_played() {
    let mut call = Call::new(CodecKind::Pcmu);
    let elsewhere = tempfile::tempdir().unwrap();
    tone(&elsewhere.path().join("secret.wav"), 0.5);
    let secret = elsewhere.path().join("secret.wav");
    std::os::unix::fs::symlink(&secret, call.dir.path().join("link.wav")).unwrap();
    for (id, file) in [(1, secret.to_str().unwrap()), (2, "link.wav"), (3, "../secret.wav"), (4, "none.wav")] {
        call.play(id, file, PlayTo::Remote, false);
        let told = call.told(id, 10.0, |_| true);
        assert!(matches!(&told, PlayEvent::Refused(why) if why.contains("play_dirs")), "{file}: {told:?}");
    }
    std::fs::write(call.dir.path().join("broken.wav"), "not sound").unwrap();
    call.play(5, "broken.wav", PlayTo::Remote, false);
    assert!(matches!(call.told(5, 10.0, |_| true), PlayEvent::Failed(_)));
    call.phone.pass(1.5);
    hears(call.last("customer", 0.3), [true, false, false]);
}
