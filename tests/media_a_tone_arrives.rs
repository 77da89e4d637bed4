//! What one side's microphone hears, the other side's loudspeaker plays: each codec, both ways; muting is heard as silence.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test")]

mod media_support;

use media_support::{Phone, amplitude, finished, peak, undisturbed};
use phoned::sdp::CodecKind;
use phoned::ua::media::{MediaCommand, MediaEvent};

fn both_ways(kind: CodecKind) {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (dir.path().join("one.wav"), dir.path().join("two.wav"));
    let mut phone = Phone::new();
    let files = [format!("file:{}", one.display()), format!("file:{}", two.display())];
    phone.pair(kind, ["tone:440", "tone:1000"], [&files[0], &files[1]]);
    assert!(phone.wait(1, 10.0, |e| matches!(e, MediaEvent::Started { .. })).is_some());
    phone.pass(2.0);
    let stats = phone.report(1);
    assert_eq!((stats.rx_lost, stats.late, stats.foreign), (0, 0, 0), "{stats:?}");
    assert!(stats.mos > 4.3 && stats.rx_packets > 90 && stats.rtt_ms.is_some_and(|r| r < 5.0), "{stats:?}");
    assert!(stats.rx_level_dbov > -30.0 && stats.tx_level_dbov > -30.0, "{stats:?}");
    phone.tell(2, MediaCommand::Mute(true));
    phone.pass(1.0);
    assert!(phone.report(1).rx_packets > stats.rx_packets + 45, "packets go on");
    phone.tell(1, MediaCommand::Close);
    phone.tell(2, MediaCommand::Close);
    phone.pass(0.2);
    for (path, hz) in [(one, 1_000.0), (two, 440.0)] {
        let (pcm, rate) = finished(&path);
        let second = rate as usize;
        let middle = &pcm[second..second + second / 2];
        let (right, wrong) = (amplitude(middle, rate, hz), amplitude(middle, rate, 700.0));
        assert!(right > 2_000.0 && wrong < right / 20.0, "{kind:?} {hz}: {right} {wrong}");
        if hz == 1_000.0 {
            assert!(peak(&pcm[pcm.len() - second / 2..]) < 50, "muted");
        }
    }
}

#[test]
fn pcmu() {
    undisturbed(|| both_ways(CodecKind::Pcmu));
}

#[test]
fn pcma() {
    undisturbed(|| both_ways(CodecKind::Pcma));
}

#[test]
fn g722() {
    undisturbed(|| both_ways(CodecKind::G722));
}

#[test]
fn opus() {
    undisturbed(|| both_ways(CodecKind::Opus));
}
