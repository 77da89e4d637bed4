//! Three far ends with a tone each and an agent with another, PCMU with Opus and PCMA, on all workers: everyone hears all
//! others and not himself, by samples; held, muted, recorded and taken apart as the API says; and nothing is clipped.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test meets the clock and the system")]

mod media_support;

use std::fs;
use std::path::{Path, PathBuf};

use media_support::{Peer, Phone, amplitude, heard, negotiated, peak, undisturbed};
use phoned::media::MediaConfig;
use phoned::media::recorder::RecordConfig;
use phoned::sdp::CodecKind::{self, Opus, Pcma, Pcmu};
use phoned::sdp::Direction;
use phoned::ua::media::{MediaCommand, MediaEvent, RecordCommand, RecordEvent, RecordInfo};

/// The far ends' tones, and the agent's.
const TONES: [f64; 3] = [440.0, 1_000.0, 1_700.0];
const AGENT: f64 = 2_600.0;
/// A tone of 8231 less what a codec does to it.
const THERE: std::ops::Range<f64> = 5_500.0..11_000.0;
/// Echo and noise.
const NOT_THERE: std::ops::Range<f64> = 0.0..150.0;

/// An agent's sessions 1 to 3 and their far ends 11 to 13, all of one engine.
struct Call {
    phone: Phone,
    dir: tempfile::TempDir,
}

impl Call {
    fn new(codecs: [CodecKind; 3]) -> Call {
        let dir = tempfile::tempdir().unwrap();
        let record = RecordConfig { dir: dir.path().into(), ..RecordConfig::default() };
        let phone = Phone::with(MediaConfig { record, ..MediaConfig::default() });
        let call = Call { phone, dir };
        let far = TONES.map(|hz| format!("tone:{hz}"));
        let file = |id: u64| format!("file:{}", call.path(id).display());
        // A handful of sessions stays on one worker: in this order the agent's are on two, where there are two.
        let open = |id: u64, input: &str| call.phone.open(id, input, &file(id));
        let near = format!("tone:{AGENT}");
        let a = open(1, &near);
        let (x, y, z) = (open(11, &far[0]), open(12, &far[1]), open(13, &far[2]));
        let (b, c) = (open(2, &near), open(3, &near));
        for ((near, far), (n, kind)) in [a, b, c].iter().zip([x, y, z]).zip((1..).zip(codecs)) {
            call.phone.tell(n, MediaCommand::Remote(negotiated(far.rtp, kind)));
            call.phone.tell(n + 10, MediaCommand::Remote(negotiated(near.rtp, kind)));
        }
        call
    }

    fn path(&self, id: u64) -> PathBuf {
        self.dir.path().join(format!("{id}.wav"))
    }

    fn meet(&self, ids: &[u64], conference: Option<u64>) {
        ids.iter().for_each(|id| self.phone.tell(*id, MediaCommand::Conference(conference)));
    }

    /// What a session plays in the second after the next, by tone: the three far ends', and the agent's.
    fn listen(&mut self) -> impl Fn(u64) -> [f64; 4] + use<> {
        self.phone.pass(1.0); // jitter buffers settle, files are written
        let start: Vec<(u64, usize)> = IDS.iter().map(|id| (*id, heard(&self.path(*id)).0.len())).collect();
        self.phone.pass(2.0);
        let past: Vec<(u64, [f64; 4])> =
            start.into_iter().map(|(id, from)| (id, tones(&self.path(id), from))).collect();
        move |id| past.iter().find(|(one, _)| *one == id).unwrap().1
    }
}

const IDS: [u64; 6] = [1, 2, 3, 11, 12, 13];

fn tones(path: &Path, from: usize) -> [f64; 4] {
    let (pcm, rate) = heard(path);
    let second = &pcm[from.min(pcm.len())..];
    assert!(second.len() >= rate as usize, "{path:?}: {} samples more", second.len());
    [TONES[0], TONES[1], TONES[2], AGENT].map(|hz| amplitude(&second[..rate as usize], rate, hz))
}

#[track_caller]
fn assert_heard(heard: [f64; 4], wanted: [bool; 4], who: &str) {
    for ((loud, wanted), hz) in heard.iter().zip(wanted).zip([TONES[0], TONES[1], TONES[2], AGENT]) {
        let range = if wanted { THERE } else { NOT_THERE };
        assert!(range.contains(loud), "{who} hears {hz} Hz at {loud:.0}, wanted: {wanted}; all {heard:.0?}");
    }
}

const YES: bool = true;
const NO: bool = false;

#[test]
fn everyone_hears_all_others_and_not_himself() {
    undisturbed(everyone_hears_all_others);
}

fn everyone_hears_all_others() {
    let mut call = Call::new([Pcmu, Opus, Pcma]);
    // Apart at first: each talks to the agent only.
    let heard = call.listen();
    assert_heard(heard(11), [NO, NO, NO, YES], "the first before");
    assert_heard(heard(2), [NO, YES, NO, NO], "the agent before");
    call.meet(&[1, 2, 3], Some(7));
    let heard = call.listen();
    assert_heard(heard(11), [NO, YES, YES, YES], "the first (PCMU)");
    assert_heard(heard(12), [YES, NO, YES, YES], "the second (Opus)");
    assert_heard(heard(13), [YES, YES, NO, YES], "the third (PCMA)");
    // The agent's loudspeaker is the sum of its sessions'.
    assert_heard(heard(1), [YES, NO, NO, NO], "the agent");
    assert_heard(heard(2), [NO, YES, NO, NO], "the agent");
    assert_heard(heard(3), [NO, NO, YES, NO], "the agent");
    // The second is held, the third muted, the first holds us and plays music.
    call.phone.tell(2, MediaCommand::Gate(Direction::Inactive));
    call.phone.tell(3, MediaCommand::Mute(true));
    let heard = call.listen();
    assert_heard(heard(11), [NO, NO, YES, YES], "the first, the second on hold");
    assert_heard(heard(12), [NO; 4], "who is on hold");
    assert_heard(heard(13), [YES, NO, NO, NO], "the agent's microphone is off for the third");
    assert_heard(heard(2), [NO; 4], "the agent of who is on hold");
    // Back, and the third leaves.
    call.phone.tell(2, MediaCommand::Gate(Direction::SendRecv));
    call.phone.tell(3, MediaCommand::Mute(false));
    call.meet(&[3], None);
    let heard = call.listen();
    assert_heard(heard(11), [NO, YES, NO, YES], "the first of two");
    assert_heard(heard(12), [YES, NO, NO, YES], "the second of two");
    assert_heard(heard(13), [NO, NO, NO, YES], "who has left");
    call.meet(&[1, 2], None);
    let heard = call.listen();
    for id in [11, 12, 13] {
        assert_heard(heard(id), [NO, NO, NO, YES], "after the conference");
    }
    for id in IDS {
        let stats = call.phone.report(id);
        assert!(stats.rx_lost == 0 && stats.concealed_pct < 5.0, "{id}: {stats:?}");
    }
}

#[test]
fn who_holds_us_plays_its_music_to_the_agent_alone() {
    undisturbed(who_holds_us);
}

fn who_holds_us() {
    let mut call = Call::new([Pcmu, Pcmu, Opus]);
    call.meet(&[1, 2, 3], Some(7));
    // The music comes from somewhere else, as that of a PBX does: a peer played by hand.
    let mut peer = Peer::new(77);
    let agent = call.phone.open(201, &format!("tone:{AGENT}"), &format!("file:{}", call.path(201).display()));
    let mut held = negotiated(peer.addr(), Pcmu);
    held.direction = Direction::RecvOnly;
    call.phone.tell(201, MediaCommand::Remote(held));
    call.meet(&[201], Some(7));
    let music = std::thread::spawn(move || peer.play(agent.rtp, 3_200.0, 250));
    call.phone.pass(2.0);
    let from = heard(&call.path(12)).0.len();
    call.phone.pass(1.5);
    music.join().unwrap();
    let ((to_second, rate), (to_agent, _)) = (heard(&call.path(12)), heard(&call.path(201)));
    let second = amplitude(&to_second[from..from + rate as usize / 2], rate, 3_200.0);
    assert!(second < 100.0, "the second hears the music at {second:.0}");
    let agent = amplitude(&to_agent[to_agent.len() / 2..to_agent.len() / 2 + 4_000], 8_000, 3_200.0);
    assert!(agent > 5_000.0, "the agent hears the music at {agent:.0}");
}

#[test]
fn a_recording_of_a_member_has_what_it_hears_and_what_it_says() {
    undisturbed(a_recording);
}

fn a_recording() {
    let mut call = Call::new([Opus, Pcmu, Pcma]);
    call.meet(&[1, 2, 3], Some(7));
    call.phone.pass(1.0);
    let info = RecordInfo { call_id: "two".into(), ..RecordInfo::default() };
    call.phone.tell(2, MediaCommand::Record(RecordCommand::Start(info)));
    let started = |e: &MediaEvent| matches!(e, MediaEvent::Record(RecordEvent::Started { .. }));
    assert!(call.phone.wait(2, 10.0, started).is_some(), "{:?}", call.phone.past);
    call.phone.pass(2.5);
    call.phone.tell(2, MediaCommand::Record(RecordCommand::Stop));
    let stopped = |e: &MediaEvent| matches!(e, MediaEvent::Record(RecordEvent::Stopped { .. }));
    let Some(MediaEvent::Record(RecordEvent::Stopped { path, .. })) = call.phone.wait(2, 10.0, stopped) else {
        panic!("{:?}", call.phone.past)
    };
    assert!(fs::metadata(&path).is_ok());
    let (both, rate) = heard(Path::new(&path));
    let side = |n: usize| -> Vec<i16> { both.iter().skip(n).step_by(2).copied().skip(rate as usize).collect() };
    let tones =
        |pcm: &[i16]| [TONES[0], TONES[1], TONES[2], AGENT].map(|hz| amplitude(&pcm[..rate as usize], rate, hz));
    assert_heard(tones(&side(0)), [YES, NO, YES, YES], "left, what the second is sent,");
    assert_heard(tones(&side(1)), [NO, YES, NO, NO], "right, what the second says,");
}

#[test]
fn who_moves_to_another_worker_misses_no_order() {
    undisturbed(who_moves);
}

fn who_moves() {
    let mut call = Call::new([Pcmu, Opus, Pcma]);
    for round in 0..40 {
        // The first who comes decides where all meet.
        let ids = [[1, 2, 3], [2, 3, 1], [3, 1, 2]][round % 3];
        call.meet(&ids, Some(100 + round as u64));
        call.phone.tell(ids[2], MediaCommand::Mute(round % 2 == 0));
        for id in ids {
            call.phone.report(id);
        }
        call.meet(&ids, None);
        call.phone.tell(ids[2], MediaCommand::Mute(false));
        if round % 4 == 0 {
            call.phone.pass(0.05);
        }
    }
    let heard = call.listen();
    for (id, far) in [(1, [YES, NO, NO, NO]), (2, [NO, YES, NO, NO]), (3, [NO, NO, YES, NO])] {
        assert_heard(heard(id), far, "the agent");
        assert_heard(heard(id + 10), [NO, NO, NO, YES], "a far end");
    }
    assert!(call.phone.past.iter().all(|(_, e)| !matches!(e, MediaEvent::Failed(_))), "{:?}", call.phone.past);
}

#[test]
fn loud_voices_are_turned_down_and_not_clipped() {
    undisturbed(loud_voices);
}

fn loud_voices() {
    // Four tones of a quarter of full scale each are too loud for a fifth.
    let mut call = Call::new([Opus, Opus, Opus]);
    for (n, hz) in [(4u64, 500.0), (5, 620.0), (6, 740.0), (7, 860.0), (8, 940.0)] {
        let near = call.phone.open(n, "null", "null");
        let far = call.phone.open(n + 20, &format!("tone:{hz}"), "null");
        call.phone.tell(n, MediaCommand::Remote(negotiated(far.rtp, Opus)));
        call.phone.tell(n + 20, MediaCommand::Remote(negotiated(near.rtp, Opus)));
    }
    call.meet(&[1, 2, 3, 4, 5, 6, 7, 8], Some(7));
    call.phone.pass(1.5);
    let from = heard(&call.path(11)).0.len();
    call.phone.pass(2.0);
    let (pcm, rate) = heard(&call.path(11));
    let second = &pcm[from..from + rate as usize];
    // Seven of them and the agent add up to twice full scale.
    let loud = [500.0, 620.0, 740.0, 860.0, 940.0, 1_000.0, 1_700.0].map(|hz| amplitude(second, rate, hz));
    assert!(loud.iter().all(|a| *a > 2_500.0), "{loud:.0?}");
    assert!(peak(second) < i16::MAX, "clipped");
    let at_the_top = second.iter().filter(|s| s.unsigned_abs() > 32_700).count();
    assert!(at_the_top < 10, "{at_the_top} samples at full scale");
    assert!(amplitude(second, rate, TONES[0]) < 200.0, "it hears itself");
}
