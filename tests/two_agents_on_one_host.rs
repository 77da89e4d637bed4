//! Two agents with a headset each on one host: in two calls at once neither hears a sample of the other's, nor is heard there; a
//! call moves from one headset to another without a gap; and from mouth to ear it is a short way.

#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "a test may read the clock and panic")]

mod common;
#[path = "common/vcards.rs"]
mod vcards;

use std::time::Duration;

use common::daemon::{Client, Daemon, Setup, trunk};
use common::wait::{secs, until};
use serde_json::json;
use vcards::{Cards, Listening, RATE, beside_cards, delays, sine};

/// Samples are compared at this rate, which is that of the calls.
const NARROW: usize = 8_000;

/// An account with devices of its own.
fn account(name: &str, input: &str, output: &str) -> String {
    trunk(name, 440).replace("tone:440", input).replace(&format!("file:{{dir}}/{name}.wav"), output)
}

fn agents(cards: &Cards) -> Daemon {
    // Noise is what they say: steady noise would be taken out.
    let raw = "echo_cancellation = false\nnoise_suppression = \"off\"\n";
    let one = account("one", "pulse:mic1", "pulse:spk1") + raw;
    let tables = one + &account("two", "pulse:mic2", "pulse:spk2") + raw;
    let agents = Daemon::start(&Setup { tables, env: cards.env(), ..Setup::default() });
    let mut client = agents.connect();
    until("the daemon has seen its cards", secs(30), || {
        let list = client.call("device.list", json!({})).unwrap().to_string();
        ["mic1", "spk1", "mic2", "spk2"].iter().all(|id| list.contains(id)).then_some(())
    });
    agents
}

/// A far end that says what is in its `says.wav` and writes what it hears.
fn far(dir: tempfile::TempDir) -> (Daemon, Client) {
    let tables = account("far", "file:{dir}/says.wav", "file:{dir}/heard.wav");
    let far = Daemon::start_in(dir, &Setup { media: "codecs = [\"pcmu\"]".into(), tables, ..Setup::default() });
    let client = far.connect();
    (far, client)
}

fn call(agent: &mut Client, account: &str, far: &Daemon, client: &mut Client) -> String {
    let call = agent.dial(account, &format!("sip:far@127.0.0.1:{}", far.port));
    let there = client.wait_event("incoming", |_| true)["callId"].as_str().unwrap().to_owned();
    client.verb("answer", &there);
    agent.wait_event("confirmed", |e| e["callId"] == call.as_str());
    call
}

/// Noise that is nobody else's, at 8 kHz.
fn noise(seed: u32, seconds: usize) -> Vec<f64> {
    let mut state = seed.wrapping_mul(0x9e37_79b9) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        f64::from(state >> 16) - 32_768.0
    };
    // Two samples' mean: what lies at the edge of the band is cut off on the way.
    let all: Vec<f64> = (0..=seconds * NARROW).map(|_| next()).collect();
    all.windows(2).map(|pair| (pair[0] + pair[1]) / 8.0).collect()
}

fn at_cards_rate(pcm: &[f64]) -> Vec<i16> {
    let between = |pair: &[f64]| {
        let (a, b) = (pair[0], pair[1]);
        (0..6).map(move |i| (a + (b - a) * f64::from(i) / 6.0) as i16).collect::<Vec<_>>()
    };
    pcm.windows(2).flat_map(between).collect()
}

fn at_narrow_rate(pcm: &[i16]) -> Vec<f64> {
    pcm.chunks_exact(RATE as usize / NARROW).map(|part| part.iter().map(|s| f64::from(*s)).sum::<f64>() / 6.0).collect()
}

/// How alike a piece of sound is to any part of another, 0 to 1.
fn alike(piece: &[f64], whole: &[f64]) -> f64 {
    let power = |pcm: &[f64]| pcm.iter().map(|s| s * s).sum::<f64>();
    let own = power(piece);
    let likeness = |part: &[f64]| {
        let cross: f64 = piece.iter().zip(part).map(|(a, b)| a * b).sum();
        cross.abs() / (own * power(part)).sqrt().max(1.0)
    };
    whole.windows(piece.len()).map(likeness).fold(0.0, f64::max)
}

fn read(path: &std::path::Path) -> Vec<f64> {
    let bytes = std::fs::read(path).unwrap();
    bytes[44..].chunks_exact(2).map(|b| f64::from(i16::from_le_bytes([b[0], b[1]]))).collect()
}

#[test]
fn neither_hears_a_sample_of_the_others_call() {
    beside_cards(2, |cards| {
        // All four speak for 3 s, then the second agent and its far end alone.
        let says = [noise(1, 3), noise(2, 6), noise(3, 3), noise(4, 6)];
        let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        for (dir, says) in dirs.iter().zip(&says[2..]) {
            let spec = hound::WavSpec {
                channels: 1,
                sample_rate: 8_000,
                bits_per_sample: 16,
                sample_format: hound::SampleFormat::Int,
            };
            let mut wav = hound::WavWriter::create(dir.path().join("says.wav"), spec).unwrap();
            // The devices open meanwhile.
            (0..NARROW).for_each(|_| wav.write_sample(0i16).unwrap());
            says.iter().for_each(|s| wav.write_sample(*s as i16).unwrap());
            wav.finalize().unwrap();
        }
        let mut fars = dirs.map(far);
        let agents = agents(cards);
        let mut agent = agents.connect();
        let ears = ["spk1", "spk2"].map(|speaker| cards.listen(speaker));
        for (account, (far, client)) in ["one", "two"].into_iter().zip(&mut fars) {
            call(&mut agent, account, far, client);
        }
        std::thread::sleep(secs(1));
        let start = ears.each_ref().map(Listening::len);
        let speaking = [0, 1].map(|i| cards.say(["mic1", "mic2"][i], at_cards_rate(&says[i])));
        std::thread::sleep(Duration::from_millis(5_800));
        drop(speaking);
        let played = [0, 1].map(|i| at_narrow_rate(&ears[i].since(start[i])));
        let heard = fars.each_ref().map(|(far, _)| {
            let all = read(&far.dir().join("heard.wav"));
            // The file may be half a second behind.
            all[all.len().saturating_sub(NARROW * 53 / 10)..].to_vec()
        });
        let second = |pcm: &[f64], from: f64| pcm[(from * NARROW as f64) as usize..][..NARROW / 2].to_vec();
        let who = ["agent 1", "agent 2", "far end 1", "far end 2"];
        for (ear, pcm, own) in [("agent 1", &played[0], 2), ("agent 2", &played[1], 3)]
            .into_iter()
            .chain([("far end 1", &heard[0], 0), ("far end 2", &heard[1], 1)])
        {
            for (speaker, says) in says.iter().enumerate() {
                let at = |from: f64| alike(&second(pcm, from)[..NARROW / 8], &says[..3 * NARROW]);
                let mut likeness = at(1.2);
                // The sound server may have had a gap just there.
                if speaker == own && likeness <= 0.4 {
                    likeness = at(1.0).max(at(1.4));
                }
                println!("{ear} hears {}: {likeness:.3}", who[speaker]);
                if speaker == own {
                    assert!(likeness > 0.4, "{ear} does not hear {}: {likeness}", who[speaker]);
                } else {
                    assert!(likeness < 0.25, "{ear} hears {}: {likeness}", who[speaker]);
                }
            }
        }
        // Only the others speak now: there is not a sample of them.
        for (ear, quiet, loud) in [("agent 1", &played[0], &played[1]), ("far end 1", &heard[0], &heard[1])] {
            let peak = |pcm: &[f64]| second(pcm, 4.5).into_iter().map(f64::abs).fold(0.0, f64::max);
            println!("{ear} hears up to {} while the others hear {}", peak(quiet), peak(loud));
            assert!(peak(loud) > 1_000.0, "nothing was said");
            assert!(peak(quiet) < 20.0, "{ear} hears {}", peak(quiet));
        }
    });
}

#[test]
fn a_call_moves_to_another_headset() {
    beside_cards(2, |cards| {
        let far = Daemon::start(&Setup { tables: trunk("far", 500), ..Setup::default() });
        let agents = agents(cards);
        let (mut agent, mut f) = (agents.connect(), far.connect());
        let id = call(&mut agent, "one", &far, &mut f);
        let ears = ["spk1", "spk2"].map(|speaker| cards.listen(speaker));
        until("the far end is heard", secs(20), || (ears[0].hears(500.0).len() > 200).then_some(()));
        let speaking = cards.say("mic2", sine(1_000.0, 30.0));
        agent.call("device.setRole", json!({"id": "pulse:spk2", "role": "output", "callId": id})).unwrap();
        let told = agent.wait_event("device.changed", |e| e["data"]["callId"] == id.as_str());
        assert_eq!((&told["data"]["role"], &told["data"]["id"]), (&json!("output"), &json!("pulse:spk2")));
        until("it is heard in the other headset", secs(20), || (ears[1].hears(500.0).len() > 200).then_some(()));
        let last = *ears[0].hears(500.0).last().unwrap();
        let first = ears[1].hears(500.0)[0];
        println!("silence between them: {:?}", first.saturating_duration_since(last));
        assert!(first < last + Duration::from_millis(900), "silence for {:?}", first - last);
        let at = ears[0].len();
        until("the first headset is silent", secs(10), || (ears[0].len() > at + 9_600).then_some(()));
        assert!(ears[0].since(at + 4_800).iter().all(|s| s.unsigned_abs() < 20), "both headsets hear it");
        // What its account is given does not touch the call's own choice; its microphone follows.
        agent.call("device.setRole", json!({"id": "pulse:spk1", "role": "output", "account": "one"})).unwrap();
        agent.call("device.setRole", json!({"id": "pulse:mic2", "role": "input", "account": "one"})).unwrap();
        far.hears("far", 1_000.0);
        assert!(ears[0].since(at).iter().all(|s| s.unsigned_abs() < 20), "it moved back");
        drop(speaking);
    });
}

#[test]
fn from_mouth_to_ear() {
    beside_cards(2, |cards| {
        let other = Daemon::start(&Setup {
            tables: account("far", "pulse:mic2", "pulse:spk2"),
            env: cards.env(),
            ..Setup::default()
        });
        let agents = agents(cards);
        let (mut agent, mut f) = (agents.connect(), other.connect());
        call(&mut agent, "one", &other, &mut f);
        let burst: Vec<i16> = [sine(1_000.0, 0.1), vec![0; RATE as usize * 4 / 10]].concat();
        // The jitter buffer has settled when it is measured.
        let _speaking = cards.say("mic1", burst.repeat(20));
        std::thread::sleep(secs(3));
        let (mouth, ear) = (cards.listen("mic1_in"), cards.listen("spk2"));
        std::thread::sleep(secs(5));
        let mut delays = delays(&mouth, &ear, 1_000.0);
        delays.sort_unstable();
        println!("from mouth to ear: {delays:?}");
        assert!(delays.len() >= 5, "{} of some ten bursts were heard", delays.len());
        let median = delays[delays.len() / 2];
        println!("from mouth to ear: median {median:?}, 150 ms wanted");
        assert!(median < Duration::from_millis(450), "{median:?}");
    });
}
