//! Whatever users do, in any order, on a bad network: one terminal event a session, an answer to each command within
//! 10 s, one live microphone a seat, and nothing left at the end. `PHONED_FUZZ=N` (messages) runs N/100 scripts instead of 300.

use std::collections::BTreeMap;

use phoned::ua::command::{
    Answer, Call, CallRef, Command, Dtmf, DtmfMethod, Merge, Record, RecordTarget, Reject, Split, Terminate,
    TerminateType,
};
use phoned::ua::io::ReplyId;
use phoned::ua::media::MediaCommand;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::net::{Net, Weather, Who, microphones};

/// What a script has done, and seen so far.
#[derive(Default)]
struct Story {
    asked: Vec<(u64, Who, ReplyId)>,
    /// Each session's events.
    told: BTreeMap<(usize, String), Vec<String>>,
    /// Which sessions were told to be in a conference, or not any more.
    conferences: BTreeMap<(usize, String), bool>,
    done: Vec<String>,
}

#[test]
fn whatever_users_do_every_session_ends_once_and_nothing_is_left() {
    let messages: Option<u64> = std::env::var("PHONED_FUZZ").ok().and_then(|n| n.parse().ok());
    let scripts = messages.map_or(300, |n| (n / 100).max(1));
    let met: usize = (0..scripts).map(run).sum();
    assert!(met as u64 >= scripts / 10, "{met} conferences in {scripts} scripts are too few to prove anything");
}

/// Runs a script; 1 if the agent had a conference in it.
fn run(seed: u64) -> usize {
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    let mut net = Net::new(seed);
    let agent = net.phone_with("agent", |settings, account| {
        account.seat = Some("desk".into());
        settings.phone.hold_others = !seed.is_multiple_of(4);
        settings.phone.max_calls_per_seat = 4;
    });
    let impatient = net.phone_with("impatient", |settings, account| {
        settings.phone.no_answer_timeout = 3;
        settings.phone.ring_timeout = 4;
        settings.phone.max_call_length = if seed.is_multiple_of(3) { 8 } else { 0 };
        account.auto_answer = seed.is_multiple_of(2).then_some(700);
    });
    let phones = [agent, impatient, net.phone("third")];
    net.weather = Weather { loss: (seed % 3 * 8) as u32, duplicates: 5, delay: 1..=(1 + seed % 5 * 60) };
    let mut story = Story::default();
    for _ in 0..40 {
        let who = phones[pick(&mut rng, 3)];
        let command = command(&mut rng, &net, &story, who, &phones);
        story.done.push(format!("{:>6} {}: {command:?}", net.now(), net.phone_of(who).name));
        let reply = net.command(who, command);
        story.asked.push((net.now(), who, reply));
        check(&mut net, &mut story, &phones, seed);
        for _ in 0..pick(&mut rng, 4) {
            net.run_for(rng.next_u64() % 400);
            check(&mut net, &mut story, &phones, seed);
        }
    }
    for who in phones {
        for call_id in live(&story, &net, who) {
            net.command(who, Command::Hangup(CallRef { call_id }));
        }
    }
    for _ in 0..20 {
        net.run_for(1_000);
        check(&mut net, &mut story, &phones, seed);
    }
    net.run_to_rest();
    check(&mut net, &mut story, &phones, seed);
    for who in phones {
        let phone = net.phone_of(who);
        assert!(phone.ua.is_idle(), "seed {seed}: {} is not idle\n{:#?}\n{}", phone.name, story.done, net.story());
        assert!(phone.streams.is_empty(), "seed {seed}: media is left open\n{}", net.story());
    }
    for ((_, call), events) in &story.told {
        assert_eq!(events.last().map(String::as_str), Some("deleteSession"), "seed {seed}: {call}");
    }
    usize::from(net.phone_of(agent).media.iter().any(|(_, c)| matches!(c, MediaCommand::Conference(Some(_)))))
}

fn pick(rng: &mut ChaCha20Rng, of: u64) -> usize {
    (rng.next_u64() % of) as usize
}

/// The sessions of a phone that are not over.
fn live(story: &Story, net: &Net, who: Who) -> Vec<String> {
    let index = index_of(net, who);
    let of = story.told.iter().filter(|((owner, _), told)| *owner == index && told.last().unwrap() != "deleteSession");
    of.map(|((_, call), _)| call.clone()).collect()
}

fn index_of(net: &Net, who: Who) -> usize {
    match net.addr(who).ip() {
        std::net::IpAddr::V4(ip) => usize::from(ip.octets()[3]),
        std::net::IpAddr::V6(_) => 0,
    }
}

fn command(rng: &mut ChaCha20Rng, net: &Net, story: &Story, who: Who, phones: &[Who]) -> Command {
    let calls = live(story, net, who);
    let dial = |rng: &mut ChaCha20Rng, transfer_id| {
        let number = net.uri(phones[pick(rng, 3)]);
        Command::Call(Call { number, transfer_id, ..Call::default() })
    };
    if calls.is_empty() {
        return dial(rng, None);
    }
    let call_id = calls[pick(rng, calls.len() as u64)].clone();
    let one = CallRef { call_id: call_id.clone() };
    let record = Record { call_id: call_id.clone(), target: RecordTarget::Local };
    match pick(rng, 35) {
        0..=3 => dial(rng, None),
        4 => dial(rng, Some(call_id)),
        5..=9 => Command::Answer(Answer { call_id, option: None }),
        10 => Command::Reject(Reject { call_id, code: None }),
        11 => Command::Hangup(one),
        12 => Command::Destroy(one),
        13 => Command::Terminate(Terminate { call_id, kind: TerminateType::Terminate }),
        14..=16 => Command::Hold(one),
        17..=18 => Command::Unhold(one),
        19 => Command::Mute(one),
        20 => Command::Unmute(one),
        21 => Command::Dtmf(Dtmf { call_id, dtmf: "1,2".into(), method: DtmfMethod::Info, redact: false }),
        22 => Command::Dtmf(Dtmf { call_id, dtmf: "12#".into(), method: DtmfMethod::Auto, redact: false }),
        23 => Command::StartRecord(record),
        24 => Command::PauseRecord(record),
        25 => Command::StopRecord(one),
        26 => Command::SetCurrentSession(one),
        27..=31 => {
            let confirmed =
                |call: &String| story.told[&(index_of(net, who), call.clone())].contains(&"confirmed".into());
            let mut call_ids = calls.clone();
            if !rng.next_u64().is_multiple_of(4) {
                call_ids.retain(confirmed);
            }
            if call_ids.len() > 2 && rng.next_u64().is_multiple_of(3) {
                call_ids.remove(pick(rng, call_ids.len() as u64));
            }
            Command::Merge(Merge { call_ids })
        }
        32 => Command::Split(Split { call_id: Some(call_id) }),
        33 => Command::Dtmf(Dtmf { call_id, dtmf: "3".into(), method: DtmfMethod::Inband, redact: true }),
        _ => Command::Split(Split { call_id: None }),
    }
}

fn check(net: &mut Net, story: &mut Story, phones: &[Who], seed: u64) {
    for &who in phones {
        let index = index_of(net, who);
        for event in net.take_events(who) {
            let Some(call_id) = event.call_id else { continue };
            if event.name == "statusChange" {
                let is = event.data["newStatus"]["isConference"].as_bool().unwrap();
                story.conferences.insert((index, call_id.clone()), is);
            } else if event.name == "deleteSession" {
                story.conferences.remove(&(index, call_id.clone()));
            }
            let told = story.told.entry((index, call_id)).or_default();
            let name = event.name;
            if name.starts_with("recording.") || name == "cdrChange" {
                continue; // its file may be closed after the session; its record follows it
            }
            assert_ne!(told.last().map(String::as_str), Some("deleteSession"), "seed {seed}: {name} after the end");
            let is_over = |n: &String| ["ended", "failed", "clientError"].contains(&n.as_str());
            match name.as_str() {
                "newRTCSession" => assert!(told.is_empty(), "seed {seed}"),
                "deleteSession" => assert!(told.last().is_some_and(is_over), "seed {seed}: {told:?}"),
                "confirmed" => assert!(told.contains(&"accepted".into()), "seed {seed}: {told:?}"),
                "ended" => assert!(told.contains(&"accepted".into()), "seed {seed}: {told:?}"),
                "failed" | "clientError" => assert!(!told.contains(&"accepted".into()), "seed {seed}: {told:?}"),
                _ => {}
            }
            if !event.sample {
                told.push(name);
            }
        }
    }
    let now = net.now();
    story.asked.retain(|(at, who, reply)| {
        let answered = net.phone_of(*who).replies.contains_key(reply);
        assert!(answered || now <= at + 10_500, "seed {seed}: no answer\n{:#?}", story.done);
        !answered
    });
    let streams = &net.phone_of(phones[0]).streams;
    let live = microphones(streams.values());
    assert!(live <= 1, "seed {seed}: {live} live microphones\n{:#?}\n{}", story.done, net.story());
    for &who in phones {
        // Nobody is in a conference alone, and the users are told of who is.
        let phone = net.phone_of(who);
        let mut members: BTreeMap<u64, usize> = BTreeMap::new();
        phone.streams.values().filter_map(|s| s.conference).for_each(|c| *members.entry(c).or_default() += 1);
        assert!(members.values().all(|n| *n >= 2), "seed {seed}: {members:?}\n{:#?}", story.done);
        let index = index_of(net, who);
        let told =
            story.conferences.range((index, String::new())..(index + 1, String::new())).filter(|(_, is)| **is).count();
        assert_eq!(told, members.values().sum::<usize>(), "seed {seed}\n{:#?}", story.done);
    }
}
