//! What an agent hears besides the calls, out of (virtual) loudspeakers: ringing at the ringer, ringback, busy and call waiting in
//! the headset, with the country's frequencies and cadences; nothing of it at another agent's headset nor at the far end, and no
//! call waiting while the customer speaks.

#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "a test may read the clock and panic")]

mod common;
#[path = "common/vcards.rs"]
mod vcards;

use std::time::Duration;

use common::daemon::{Client, Daemon, Setup, trunk};
use common::tone::Sound;
use common::wait::{poll, secs, until};
use serde_json::json;
use vcards::{Cards, RATE, beside_cards, level, loud};

/// The European tone.
const TONE: f64 = 425.0;
/// What the customer's voice is made of.
const VOICE: u32 = 1_500;
/// A tone of −20 dBFS is there above, and not below this.
const THERE: f64 = -26.0;
const NOT_THERE: f64 = -50.0;

/// Agent 1 with card 1, agent 3 with card 3; calls ring at card 2.
fn start(cards: &Cards) -> (Daemon, Client) {
    let with = |name: &str, n: u8| {
        let table = trunk(name, 440);
        let rest: Vec<&str> = table.lines().filter(|l| !l.starts_with("input") && !l.starts_with("output")).collect();
        format!("{}\ninput = \"pulse:mic{n}\"\noutput = \"pulse:spk{n}\"\n\n", rest.join("\n").trim_end())
    };
    let agent = Daemon::start(&Setup {
        audio: "input = \"null\"\noutput = \"null\"\nringer = \"pulse:spk2\"".into(),
        tables: format!("[tones]\ncountry = \"eu\"\n\n{}{}", with("agent", 1), with("other", 3)),
        env: cards.env(),
        ..Setup::default()
    });
    let mut client = agent.connect();
    until("the daemon has seen its cards", secs(30), || {
        let list = client.call("device.list", json!({})).unwrap();
        let there = |id: &str| list["devices"].as_array().unwrap().iter().any(|device| device["id"] == id);
        ["pulse:mic1", "pulse:spk2", "pulse:spk3"].iter().all(|id| there(id)).then_some(())
    });
    (agent, client)
}

/// What the three loudspeakers play at once, for so long.
fn hear(cards: &Cards, length: Duration) -> [Vec<i16>; 3] {
    std::thread::scope(|scope| {
        let speakers = ["spk1", "spk2", "spk3"].map(|name| scope.spawn(move || cards.hear(name, length)));
        speakers.map(|speaker| speaker.join().unwrap())
    })
}

/// Bursts that begin and end in the sound: their lengths, ms. A gap of a late thread is none.
fn bursts(pcm: &[i16]) -> Vec<u32> {
    let mut runs: Vec<(bool, u32)> = Vec::new();
    for window in pcm.chunks(RATE as usize / 100) {
        let is_loud = window.iter().any(|s| s.unsigned_abs() > 300);
        match runs.last_mut() {
            Some((last, ms)) if *last == is_loud => *ms += 10,
            _ => runs.push((is_loud, 10)),
        }
    }
    let mut whole: Vec<(bool, u32)> = Vec::new();
    for (is_loud, ms) in runs {
        match whole.last_mut() {
            Some((true, before)) if !is_loud && ms <= 200 => *before += ms,
            Some((true, before)) if is_loud => *before += ms,
            _ => whole.push((is_loud, ms)),
        }
    }
    let inner = whole.len().saturating_sub(1);
    whole[1.min(whole.len())..inner.max(1.min(whole.len()))].iter().filter(|(on, _)| *on).map(|(_, ms)| *ms).collect()
}

#[track_caller]
fn silent(pcm: &[i16], who: &str) {
    assert!(loud(pcm) < Duration::from_millis(30), "{who} plays {:?} of something", loud(pcm));
}

/// Waits for a second in which a loudspeaker plays the tone, or does not.
fn tone_is(cards: &Cards, speaker: &str, wanted: bool) {
    let mut recording = cards.record(speaker);
    let found = poll(secs(20), || {
        let pcm = recording.take(secs(2));
        let there = pcm.chunks(RATE as usize / 10).any(|part| level(part, RATE, TONE) > THERE);
        (there == wanted).then_some(())
    });
    assert!(found.is_some(), "{speaker}: the tone {}", if wanted { "is missing" } else { "does not end" });
}

#[test]
fn an_agent_hears_what_a_telephone_plays() {
    beside_cards(3, |cards| {
        let (agent, mut a) = start(cards);
        let tables = format!("{}{}", trunk("far", VOICE), trunk("late", 600));
        let far = Daemon::start(&Setup { tables, ..Setup::default() });
        let mut f = far.connect();
        let agent_uri = format!("sip:agent@127.0.0.1:{}", agent.port);
        let far_uri = format!("sip:far@127.0.0.1:{}", far.port);

        // it rings in the room: 1 s of 5
        let theirs = f.dial("far", &agent_uri);
        let ours = a.wait_event("incoming", |_| true)["callId"].as_str().unwrap().to_owned();
        let [headset, room, other] = hear(cards, secs(12));
        let rings = bursts(&room);
        assert!(!rings.is_empty() && rings.iter().all(|ms| (900..=1_300).contains(ms)), "{rings:?}");
        let bell = room.chunks(RATE as usize / 10).map(|part| level(part, RATE, 800.0).max(level(part, RATE, 1_000.0)));
        assert!(bell.fold(f64::MIN, f64::max) > -20.0, "a bell of 800 and 1000 Hz");
        silent(&headset, "the headset");
        silent(&other, "another agent's headset");

        // the customer speaks; a second caller waits for a pause
        a.verb("answer", &ours);
        a.wait_event("confirmed", |_| true);
        until("the customer is heard", secs(30), || {
            let pcm = cards.hear("spk1", secs(1));
            (level(&pcm, RATE, f64::from(VOICE)) > -24.0).then_some(())
        });
        f.dial("late", &agent_uri);
        let second = a.wait_event("incoming", |_| true)["callId"].as_str().unwrap().to_owned();
        let [headset, room, other] = hear(cards, secs(4));
        let over = headset.chunks(RATE as usize / 10).map(|part| level(part, RATE, TONE)).fold(f64::MIN, f64::max);
        assert!(over < NOT_THERE, "call waiting over the customer's voice: {over}");
        silent(&room[RATE as usize..], "the ringer, in a call,");
        silent(&other, "another agent's headset");
        f.verb("mute", &theirs);
        tone_is(cards, "spk1", true);
        let heard = Sound::read(&far.dir().join("far.wav")).unwrap();
        let at_far: Vec<i16> = heard.samples.iter().map(|s| (s * 32_768.0) as i16).collect();
        let worst =
            at_far.chunks(heard.rate as usize / 10).map(|p| level(p, heard.rate, TONE)).fold(f64::MIN, f64::max);
        assert!(worst < NOT_THERE, "the far end hears our tone: {worst}");
        a.verb("reject", &second);
        tone_is(cards, "spk1", false);
        a.verb("hangup", &ours);
        f.wait_event("ended", |_| true);

        // ringback: 1 s of 5, then busy: half of each second
        a.dial("agent", &far_uri);
        let ringing = f.wait_event("incoming", |_| true)["callId"].as_str().unwrap().to_owned();
        let [headset, room, other] = hear(cards, secs(12));
        let rings = bursts(&headset);
        assert!(!rings.is_empty() && rings.iter().all(|ms| (900..=1_300).contains(ms)), "{rings:?}");
        silent(&room, "the ringer");
        silent(&other, "another agent's headset");
        let recording = cards.record("spk1");
        f.verb("reject", &ringing);
        a.wait_event("failed", |e| e["data"]["code"] == 486);
        let busy = bursts(&{ recording }.take(secs(7)));
        let halves = busy.iter().filter(|ms| (430..=700).contains(*ms)).count();
        assert!(halves >= 3, "busy: {busy:?}");
        silent(&cards.hear("spk1", secs(1)), "the headset, after a while,");
    });
}
