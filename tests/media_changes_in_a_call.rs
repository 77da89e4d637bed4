//! A new description may change the codec, and a user the devices, in the middle of a call: the sound goes on, resampled
//! where it must be.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test")]

mod media_support;

use media_support::{Phone, amplitude, finished, negotiated, undisturbed};
use phoned::sdp::CodecKind;
use phoned::ua::media::MediaCommand;

#[test]
fn codec_and_devices() {
    undisturbed(changes);
}

fn changes() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("heard.wav");
    let mut phone = Phone::new();
    let a = phone.open(1, "tone:440", "null");
    let b = phone.open(2, "null", &format!("file:{}", path.display()));
    let both = |phone: &Phone, kind| {
        phone.tell(1, MediaCommand::Remote(negotiated(b.rtp, kind)));
        phone.tell(2, MediaCommand::Remote(negotiated(a.rtp, kind)));
    };
    both(&phone, CodecKind::Pcmu);
    phone.pass(1.0);
    both(&phone, CodecKind::Opus);
    phone.pass(1.0);
    assert_eq!(phone.report(2).codec, "opus");
    phone.tell(1, MediaCommand::Devices { input: "tone:1000".into(), output: "null".into() });
    phone.pass(1.0);
    both(&phone, CodecKind::Pcma);
    phone.pass(1.0);
    let stats = phone.report(2);
    assert!(stats.codec == "PCMA" && stats.rx_lost == 0 && stats.rx_packets > 190, "{stats:?}");
    phone.tell(2, MediaCommand::Close);
    phone.pass(0.2);
    let (pcm, rate) = finished(&path);
    let second = rate as usize;
    for (at, hz) in [(0.4, 440.0), (1.4, 440.0), (2.4, 1_000.0), (3.4, 1_000.0)] {
        let from = (at * second as f64) as usize;
        let heard = amplitude(&pcm[from..from + second * 2 / 5], rate, hz);
        assert!(heard > 2_000.0, "{hz} Hz at {at} s: {heard}");
    }
}
