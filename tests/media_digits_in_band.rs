//! Digits as tones: the far end hears each of 0-9*#A-D, as loud and as long as it shall be and in order, whatever the codec,
//! muted or not; the recording of who sends them has none of it.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test")]

mod media_support;

use std::path::Path;

use media_support::{Phone, amplitude, finished, heard, negotiated, undisturbed};
use phoned::media::MediaConfig;
use phoned::media::recorder::RecordConfig;
use phoned::sdp::{CodecKind, Direction};
use phoned::ua::media::{MediaCommand, MediaEvent, RecordCommand, RecordEvent, RecordInfo};

const KEYS: &str = "123A456B789C*0#D";
const LOW: [f64; 4] = [697.0, 770.0, 852.0, 941.0];
const HIGH: [f64; 4] = [1_209.0, 1_336.0, 1_477.0, 1_633.0];
/// What a receiver looks at at once, ms.
const WINDOW: usize = 20;

/// A digit that a receiver made out: which, how long in windows, how loud its two tones were at most.
#[derive(Debug)]
struct Key {
    digit: char,
    windows: usize,
    low: f64,
    high: f64,
}

/// A receiver of digits: in each window the strongest row and column, where both stand out from the others.
fn digits(pcm: &[i16], rate: u32) -> Vec<Key> {
    let mut keys: Vec<Key> = Vec::new();
    let mut last = None;
    for window in pcm.chunks_exact(rate as usize / 1_000 * WINDOW) {
        let strongest = |tones: [f64; 4]| {
            let levels = tones.map(|hz| amplitude(window, rate, hz));
            let best = (0..4).max_by(|a, b| levels[*a].total_cmp(&levels[*b])).unwrap();
            let clear = (0..4).all(|n| n == best || levels[n] < levels[best] * 0.5);
            (best, levels[best], clear && levels[best] > 3_000.0)
        };
        let ((row, low, clear_row), (column, high, clear_column)) = (strongest(LOW), strongest(HIGH));
        let digit = (clear_row && clear_column).then(|| KEYS.as_bytes()[row * 4 + column] as char);
        match (digit, keys.last_mut()) {
            (Some(digit), Some(key)) if last == Some(digit) => {
                (key.windows, key.low, key.high) = (key.windows + 1, key.low.max(low), key.high.max(high));
            }
            (Some(digit), _) => keys.push(Key { digit, windows: 1, low, high }),
            (None, _) => {}
        }
        last = digit;
    }
    keys
}

/// Sends digits from session 1, a tenth of a second between them, as the phone does.
fn send(phone: &mut Phone, digits: &str) {
    for digit in digits.chars() {
        phone.tell(1, MediaCommand::Tones { digit, duration_ms: 100 });
        assert!(phone.wait(1, 10.0, |e| *e == MediaEvent::DtmfSent { digit }).is_some(), "{digit} is not sent");
        phone.pass(0.1);
    }
}

fn file(dir: &Path, name: &str) -> String {
    format!("file:{}", dir.join(name).display())
}

fn each_is_heard(kind: CodecKind, muted: bool) {
    let dir = tempfile::tempdir().unwrap();
    let mut phone = Phone::new();
    phone.pair(kind, ["tone:440", "null"], ["null", &file(dir.path(), "heard.wav")]);
    phone.tell(1, MediaCommand::Mute(muted));
    assert!(phone.wait(2, 10.0, |e| matches!(e, MediaEvent::Started { .. })).is_some());
    phone.pass(0.5);
    send(&mut phone, KEYS);
    phone.pass(0.5);
    phone.tell(2, MediaCommand::Close);
    phone.pass(0.3);
    let (pcm, rate) = finished(&dir.path().join("heard.wav"));
    let keys = digits(&pcm, rate);
    let made_out: String = keys.iter().map(|key| key.digit).collect();
    assert_eq!(made_out, KEYS, "{kind:?}: {keys:?}");
    for key in &keys {
        // −6 and −4 dBm0, and the codec's own colour; 100 ms, of which the windows at the ends have a part.
        let loud = |level: f64, wanted: f64| (0.8..1.2).contains(&(level / wanted));
        assert!(loud(key.low, 11_400.0) && loud(key.high, 14_350.0), "{kind:?}: {key:?}");
        assert!((3..=8).contains(&key.windows), "{kind:?}: {key:?}");
    }
    // Between and after them it is the microphone that is heard.
    let end = &pcm[pcm.len() - rate as usize / 4..];
    assert_eq!(amplitude(end, rate, 440.0) > 2_000.0, !muted, "{kind:?}: the microphone afterwards");
}

#[test]
fn with_pcmu() {
    undisturbed(|| each_is_heard(CodecKind::Pcmu, false));
}

#[test]
fn with_opus() {
    undisturbed(|| each_is_heard(CodecKind::Opus, false));
}

#[test]
fn muted() {
    undisturbed(|| each_is_heard(CodecKind::Pcma, true));
}

#[test]
fn a_digit_waits_while_nothing_is_sent() {
    undisturbed(a_digit_waits);
}

fn a_digit_waits() {
    let dir = tempfile::tempdir().unwrap();
    let mut phone = Phone::new();
    phone.pair(CodecKind::Pcmu, ["null", "null"], ["null", &file(dir.path(), "heard.wav")]);
    assert!(phone.wait(2, 10.0, |e| matches!(e, MediaEvent::Started { .. })).is_some());
    phone.tell(1, MediaCommand::Gate(Direction::RecvOnly));
    phone.tell(1, MediaCommand::Tones { digit: '5', duration_ms: 100 });
    let sent = |e: &MediaEvent| matches!(e, MediaEvent::DtmfSent { .. });
    assert_eq!(phone.wait(1, 0.5, sent), None, "it would not be heard");
    // Another one meanwhile is none, and says so at once.
    phone.tell(1, MediaCommand::Tones { digit: '6', duration_ms: 100 });
    assert_eq!(phone.wait(1, 10.0, sent), Some(MediaEvent::DtmfSent { digit: '6' }));
    phone.tell(1, MediaCommand::Gate(Direction::SendRecv));
    assert_eq!(phone.wait(1, 10.0, sent), Some(MediaEvent::DtmfSent { digit: '5' }));
    phone.pass(0.5);
    phone.tell(2, MediaCommand::Close);
    phone.pass(0.3);
    let (pcm, rate) = finished(&dir.path().join("heard.wav"));
    assert_eq!(digits(&pcm, rate).iter().map(|key| key.digit).collect::<String>(), "5");
}

#[test]
fn a_digit_goes_on_when_the_codec_changes() {
    let mut phone = Phone::new();
    let (a, b) = (phone.open(1, "null", "null"), phone.open(2, "null", "null"));
    phone.tell(1, MediaCommand::Remote(negotiated(b.rtp, CodecKind::Pcmu)));
    phone.tell(2, MediaCommand::Remote(negotiated(a.rtp, CodecKind::Pcmu)));
    phone.tell(1, MediaCommand::Tones { digit: '1', duration_ms: 400 });
    phone.pass(0.1);
    phone.tell(1, MediaCommand::Remote(negotiated(b.rtp, CodecKind::Opus)));
    assert!(phone.wait(1, 10.0, |e| *e == MediaEvent::DtmfSent { digit: '1' }).is_some());
}

#[test]
fn no_recording_of_ours_has_them() {
    undisturbed(no_recording);
}

fn no_recording() {
    let dir = tempfile::tempdir().unwrap();
    let record = RecordConfig { dir: dir.path().into(), min_free_mb: 0, ..RecordConfig::default() };
    let mut phone = Phone::with(MediaConfig { record, ..MediaConfig::default() });
    phone.pair(CodecKind::Pcmu, ["tone:440", "null"], ["null", "null"]);
    let mut files = Vec::new();
    for id in [1, 2] {
        assert!(phone.wait(id, 3.0, |e| matches!(e, MediaEvent::Started { .. })).is_some() || id == 2);
        let info = RecordInfo { call_id: format!("call{id}"), ..RecordInfo::default() };
        phone.tell(id, MediaCommand::Record(RecordCommand::Start(info)));
        let started = phone.wait(id, 10.0, |e| matches!(e, MediaEvent::Record(RecordEvent::Started { .. })));
        let Some(MediaEvent::Record(RecordEvent::Started { path })) = started else { panic!("{started:?}") };
        files.push(path);
    }
    phone.pass(0.3);
    send(&mut phone, "4917");
    phone.pass(0.5);
    for id in [1, 2] {
        phone.tell(id, MediaCommand::Record(RecordCommand::Stop));
        assert!(phone.wait(id, 20.0, |e| matches!(e, MediaEvent::Record(RecordEvent::Stopped { .. }))).is_some());
    }
    let side = |path: &str, n: usize| -> (Vec<i16>, u32) {
        let (all, rate) = heard(Path::new(path));
        (all.into_iter().skip(n).step_by(2).collect(), rate)
    };
    let (own, rate) = side(&files[0], 0);
    assert!(amplitude(&own[..rate as usize / 4], rate, 440.0) > 2_000.0, "the microphone is recorded");
    for hz in LOW.into_iter().chain(HIGH) {
        let window = rate as usize / 1_000 * WINDOW;
        let loudest = own.chunks_exact(window).map(|w| amplitude(w, rate, hz)).fold(0.0, f64::max);
        assert!(loudest < 1_500.0, "{hz} Hz in the recording: {loudest}");
    }
    // The same detector hears them at the other end: it is voice there.
    let (far, rate) = side(&files[1], 1);
    assert_eq!(digits(&far, rate).iter().map(|key| key.digit).collect::<String>(), "4917");
}
